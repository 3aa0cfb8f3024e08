#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs all benchmarks with the programs of a build directory and writes bench-report.md there:
#     bench/run.sh BUILD        BENCH_ROUNDS (4) and BENCH_SECONDS (2) shorten or lengthen it
# A part that fails is named in the report and makes the exit status 1; the others go on.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(cd "${1:?usage: bench/run.sh BUILD}" && pwd) || exit 1
report=$build/bench-report.md
part=$build/bench-part
status=0
export PYTHONDONTWRITEBYTECODE=1

# add TITLE COMMAND...: appends what the command prints.
add()
{
    title=$1
    shift
    echo "bench: $title" >&2
    if "$@" >"$part" 2>"$part.err"; then
        cat "$part" >>"$report"
    else
        status=1
        {
            printf '## %s\n\nFailed:\n\n```text\n' "$title"
            tail -20 "$part.err"
            printf '```\n\n'
        } >>"$report"
        tail -5 "$part.err" >&2
    fi
}

# micro PROGRAM: one of the modules' own benchmarks, its output as it is.
# shellcheck disable=SC2317 # called by add
micro()
{
    printf '## %s\n\n```text\n' "$(basename "$1" | sed 's/^bench-//')"
    "$1" || return 1
    printf '```\n\n'
}

{
    printf '# Benchmark report\n\n'
    printf 'Commit %s, %s UTC.\n\n' "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" \
        "$(date -u '+%Y-%m-%d %H:%M')"
    PYTHONPATH=bench python3 -c 'import machine; print("Machine:", machine.describe() + ".\n")'
} >"$report"
add 'Document server' python3 bench/dms.py "$build" --rounds "${BENCH_ROUNDS:-4}" \
    --seconds "${BENCH_SECONDS:-2}" --json "$build/bench-dms.json"
add 'Documents' python3 bench/documents.py "$build" --rounds "${BENCH_ROUNDS:-4}" \
    --seconds "${BENCH_SECONDS:-2}" --json "$build/bench-documents.json"
add 'Starting a document server' python3 bench/tenants.py "$build" \
    --json "$build/bench-tenants.json"
add 'Starting a program' python3 bench/start.py "$build" --json "$build/bench-start.json"
add 'Fail-over of the key broker' python3 bench/failover.py "$build" --rounds "${BENCH_ROUNDS:-4}"
add 'TLS' python3 bench/tls.py "$build" --rounds "${BENCH_ROUNDS:-4}" \
    --seconds "${BENCH_SECONDS:-2}" --json "$build/bench-tls.json"
# shellcheck disable=SC2317 # called by add
mounted()
{
    printf '## Mounted volume\n\n'
    python3 bench/mount.py "$build" --rounds "${BENCH_ROUNDS:-4}" || return 1
    printf '\n'
}
if [ "$(id -u)" = 0 ] && [ -e /dev/fuse ] && command -v gocryptfs >/dev/null; then
    add 'Mounted volume' mounted
fi
# shellcheck disable=SC2317 # called by add
stores()
{
    printf '## Databases and fio on encrypted files\n\n'
    python3 bench/stores.py "$build" --rounds "$(( ${BENCH_ROUNDS:-4} < 3 ? ${BENCH_ROUNDS:-4} : 3 ))" \
        --seconds 0.5 --inserts 1000 || return 1
    printf '\n'
}
add 'Databases and fio on encrypted files' stores
# shellcheck disable=SC2317 # called by add
calls()
{
    printf '## System calls, threads, processes\n\n```text\n'
    python3 bench/runtime.py "$build/src/runtime/coffer-runtime" "$build/bench/runtime-calls" \
        "${BENCH_ROUNDS:-4}" || return 1
    printf '```\n\n'
}
add 'System calls, threads, processes' calls
add 'Real programs' python3 bench/programs.py "$build" --rounds "${BENCH_ROUNDS:-4}" \
    --seconds "${BENCH_SECONDS:-2}" --json "$build/bench-programs.json"
for program in "$build"/bench/bench-*; do
    [ -x "$program" ] && [ -f "$program" ] && add "$(basename "$program")" micro "$program"
done
# shellcheck disable=SC2317 # called by add
many_files()
{
    printf '## The volume, 100,000 files\n\n```text\n'
    BENCH_ONLY='small files' BENCH_FILES=100000 BENCH_ROUNDS=1 "$build/bench/bench-volume" || return 1
    printf '```\n\n'
}
add 'The volume, 100,000 files' many_files
rm -f "$part" "$part.err"
echo "bench: report in $report" >&2
exit "$status"
