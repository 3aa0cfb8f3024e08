#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the missing packages of the groups named (build run check long bench) from packages.txt.
# Needs root only if something is missing. Services that a package would start are not started.
# PACKAGE@COMMAND: not needed where the command is there already, from wherever; if it cannot be
# installed the others are, and what needs it says so.
set -eu
cd "$(dirname "$0")/.."
wanted=$(for group in "$@"; do
    awk -v group="$group" '/^#/ { on = ($2 == group && NF == 2); next } on { print }' packages.txt
done)
missing=
optional=
for package in $wanted; do
    case $package in
    *@*)
        command -v "${package#*@}" >/dev/null || optional="$optional ${package%@*}"
        continue
        ;;
    esac
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
[ -n "$missing$optional" ] || exit 0
echo "installing:$missing$optional"
sudo=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "Please install these packages as root, then try again:$missing$optional" >&2
        [ -n "$missing" ] && exit 1
        exit 0
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
# shellcheck disable=SC2086 # a list of words
install()
{
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends $1
} >/tmp/coffer-apt.$$ 2>&1
status=0
$sudo apt-get update -q >/tmp/coffer-apt.$$ 2>&1 || status=$?
[ "$status" -ne 0 ] || install "$missing$optional" || status=$?
if [ "$status" -ne 0 ] && [ -n "$optional" ]; then
    echo "not to be had:$optional; going on without" >&2
    status=0
    [ -z "$missing" ] || install "$missing" || status=$?
fi
[ "$status" -eq 0 ] || cat /tmp/coffer-apt.$$ >&2
rm -f /tmp/coffer-apt.$$
[ -z "$made_policy" ] || $sudo rm -f $policy
exit "$status"
