#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fuzzes with libFuzzer, ASan and UBSan: every target of fuzz/meson.build, or those named, for
# FUZZ_SECONDS each (default 60). New inputs go to build-fuzz/corpus/TARGET, crashes to
# build-fuzz/crashes; a crash becomes a seed in fuzz/corpus/TARGET and a unit test. Besides, as
# `volume-model`, random operations on a volume against its model for as long, from a seed that it prints.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
[ -d build-fuzz ] || CC=clang-14 meson setup build-fuzz -Dfuzz=true -Db_lundef=false \
    -Db_sanitize=address,undefined -Dc_args=-fsanitize=fuzzer-no-link >/dev/null
ninja -C build-fuzz --quiet
mkdir -p build-fuzz/crashes
# shellcheck disable=SC2046 # a list of words
[ $# -gt 0 ] || set -- $(find build-fuzz/fuzz -maxdepth 1 -type f -name 'fuzz-*' -perm -100 |
    sed 's|.*/fuzz-||' | sort) volume-model
failed=
for target in "$@"; do
    if [ "$target" = volume-model ]; then
        log=build-fuzz/crashes/$target.log
        if MODEL_SECONDS=$seconds build-fuzz/tests/unit/volume/test-volume-model >"$log" 2>&1; then
            echo "$target: $(sed -n 's/^# \(.*operations\)$/\1/p' "$log"), no difference"
        else
            failed="$failed $target"
            echo "$target: FAILED, see $log"
            tail -30 "$log"
        fi
        continue
    fi
    mkdir -p "build-fuzz/corpus/$target" "fuzz/corpus/$target"
    log=build-fuzz/crashes/$target.log
    if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "build-fuzz/fuzz/fuzz-$target" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/crashes/$target-" \
        "build-fuzz/corpus/$target" "fuzz/corpus/$target" >"$log" 2>&1; then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, no crash"
    else
        failed="$failed $target"
        echo "$target: FAILED, see $log"
        tail -30 "$log"
    fi
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
