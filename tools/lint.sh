#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What tools can judge, reviewers do not discuss. Runs every check, lists what it found, ends in
# `lint: OK` or `lint: N checks failed: ...`.
#
#     tools/lint.sh            everything; clang-tidy, which takes seconds for each file, on what
#                              the last commit and the working tree changed
#     tools/lint.sh --all      clang-tidy on all files
#     tools/lint.sh --quick    without clang-tidy and cppcheck
#     tools/lint.sh FILE...    clang-tidy and cppcheck on these files only
set -u
cd "$(dirname "$0")/.." || exit 1
quick=
all=
[ "${1-}" = --quick ] && { quick=yes; shift; }
[ "${1-}" = --all ] && { all=yes; shift; }
output=$(mktemp)
trap 'rm -f "$output"' EXIT
failed=()
checks=0

# check NAME COMMAND...: silent if it succeeds.
check()
{
    local name=$1
    shift
    checks=$((checks + 1))
    if ! "$@" >"$output" 2>&1; then
        failed+=("$name")
        echo "== $name"
        head -200 "$output"
    fi
}

format()
{
    git ls-files -z 'src/*.[ch]' 'tests/*.[ch]' 'fuzz/*.[ch]' 'bench/*.[ch]' 'examples/*.[ch]' |
        xargs -0 -r clang-format-14 --dry-run -Werror
}

shells()
{
    git ls-files -z '*.sh' .ci/run | xargs -0 -r shellcheck
}

python()
{
    git ls-files -z '*.py' | xargs -0 -r python3 -c '
import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name, encoding="utf-8").read(), name)'
}

# Only files that the build compiles have the flags the two analysers need.
compiled()
{
    python3 - "$@" <<'PYTHON'
import json, os, sys
wanted = {os.path.abspath(name) for name in sys.argv[1:]}
seen = set()
for unit in json.load(open("build/compile_commands.json")):
    path = os.path.abspath(os.path.join(unit["directory"], unit["file"]))
    name = os.path.relpath(path)
    if name.endswith(".c") and not name.startswith(("..", "build")) and name not in seen \
            and (path in wanted if wanted else name.startswith(("src/", "fuzz/"))):
        seen.add(name)
        print(name)
PYTHON
}

analyse()
{
    # Each suppression: what the tool cannot know here.
    #  missingIncludeSystem, unmatchedSuppression: it does not read system headers, on purpose
    #  uninitvar: it does not follow ret_ pointers; the compilers do
    #  memleak, resourceLeak: it does not know __attribute__((cleanup)); the sanitizers do
    #  internalAstError, syntaxError, constStatement: its own parser, at GNU C
    compiled "$@" | xargs -r -d '\n' -P 2 -n 8 cppcheck --quiet --std=c11 --error-exitcode=1 \
        --inline-suppr --enable=warning,portability,performance -Isrc -Itests -D_GNU_SOURCE \
        -D__x86_64__ --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
        --suppress=uninitvar --suppress=memleak --suppress=resourceLeak --suppress=internalAstError --suppress=constStatement \
        --suppress=syntaxError \
        --template='{file}:{line}: {severity}: {message} [{id}]'
}

tidy()
{
    if [ $# -eq 0 ] && [ -z "$all" ]; then
        # shellcheck disable=SC2046 # a list of names without blanks
        set -- $(git diff --name-only 'HEAD~1' -- '*.c')
        [ $# -gt 0 ] || return 0
    fi
    # The build is gcc's, and clang refuses what it does not know.
    mkdir -p build/tidy
    sed 's/ -fno-tree-loop-distribute-patterns//g' build/compile_commands.json \
        >build/tidy/compile_commands.json
    compiled "$@" | xargs -r -d '\n' -P 2 -n 4 timeout 600 clang-tidy-14 -p build/tidy --quiet \
        --warnings-as-errors="*" 2>/dev/null
}

check 'format (clang-format-14 -i FILE)' format
check 'layers, SPDX, banned calls, lengths, links' tools/lint-layers.py
check 'shellcheck' shells
check 'python syntax' python
if [ -z "$quick" ]; then
    [ -f build/compile_commands.json ] || meson setup build >/dev/null
    check 'cppcheck' analyse "$@"
    check 'clang-tidy' tidy "$@"
fi
if [ ${#failed[@]} -gt 0 ]; then
    echo "lint: ${#failed[@]} of $checks checks failed: $(printf '%s; ' "${failed[@]}" | sed 's/; $//')"
    exit 1
fi
echo "lint: OK ($checks checks)"
