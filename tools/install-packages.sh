#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the missing packages of the groups named (build run check long bench) from packages.txt.
# Needs root only if something is missing. Services that a package would start are not started.
set -eu
cd "$(dirname "$0")/.."
wanted=$(for group in "$@"; do
    awk -v group="$group" '/^#/ { on = ($2 == group && NF == 2); next } on { print }' packages.txt
done)
missing=
for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
sudo=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "Please install these packages as root, then try again:$missing" >&2
        exit 1
    }
    sudo=sudo
fi
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
    $sudo chmod 755 $policy
    made_policy=yes
fi
status=0
# shellcheck disable=SC2086 # a list of words
{ $sudo apt-get update -q && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q \
    --no-install-recommends $missing; } >/tmp/coffer-apt.$$ 2>&1 || status=$?
[ "$status" -eq 0 ] || cat /tmp/coffer-apt.$$ >&2
rm -f /tmp/coffer-apt.$$
[ -z "$made_policy" ] || $sudo rm -f $policy
exit "$status"
