#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs all tests and ends in one line: `N passed, N failed`.

Unit tests and fuzz corpora run under ASan and UBSan (build-asan), guest and scenario tests with the
real programs (build). --long adds the suite `long`. A test program that dies, times out or prints
no plan counts as a failure.
"""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SANITIZED = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def build(folder, options):
    if not os.path.isdir(os.path.join(ROOT, folder)):
        if run("meson", "setup", folder, *options) != 0:
            sys.exit(f"cannot configure {folder}")
    if run("ninja", "-C", folder, "--quiet") != 0:
        sys.exit(f"cannot build {folder}")


def count(folder):
    """Subtests of the last `meson test` in a folder, as (passed, failed, skipped, names failed)."""
    passed = failed = skipped = 0
    names = []
    path = os.path.join(ROOT, folder, "meson-logs", "testlog.json")
    if not os.path.exists(path):
        return 0, 0, 0, []
    for line in open(path, encoding="utf-8"):
        test = json.loads(line)
        lines = [text.strip() for text in (test.get("stdout") or "").splitlines()]
        oks = [text for text in lines if text.startswith("ok ")]
        bad = [text for text in lines if text.startswith("not ok ")]
        skips = [text for text in oks if "# skip" in text.lower()]
        if test["result"] == "SKIP":
            skipped += 1
            continue
        if test["result"] not in ("OK", "EXPECTEDFAIL") and not bad:
            bad = [f"{test['result'].lower()} (no test of it reported a failure)"]
        if not oks and not bad:
            oks = ["ok"]  # a test without TAP: its exit status is one fact
        passed += len(oks) - len(skips)
        failed += len(bad)
        skipped += len(skips)
        names += [f"{test['name']}: {text}" for text in bad]
    return passed, failed, skipped, names


def main():
    long = "--long" in sys.argv[1:]
    os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    build("build", [])
    build("build-asan", SANITIZED)
    total = [0, 0, 0]
    for folder, suites in (("build-asan", ["unit"] + (["long-unit"] if long else [])),
                           ("build", ["guest", "scenario"] + (["long"] if long else []))):
        log = os.path.join(ROOT, folder, "meson-logs", "testlog.json")
        if os.path.exists(log):
            os.unlink(log)
        arguments = [word for suite in suites for word in ("--suite", suite)]
        run("meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", *arguments)
        *numbers, names = count(folder)
        total = [a + b for a, b in zip(total, numbers)]
        for name in names:
            print(f"failed: {name}")
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
