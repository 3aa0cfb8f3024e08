#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes the table of docs/refusals.md from the key broker's own; a unit test compares the two.
set -eu
cd "$(dirname "$0")/.."
table=$(mktemp)
trap 'rm -f "$table"' EXIT
"${1-build/src/kbs/coffer-kbs}" --print-refusals >"$table"
sed -i '/^| Code |/,$d' docs/refusals.md
cat "$table" >>docs/refusals.md
