#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A process ends while its threads write, sync and acknowledge: its status is what it is natively,
nothing is said on standard error, and what was acknowledged is on the volume.
usage: ending.py COFFER-RUNTIME GUEST-ENDING"""

import os
import shutil
import subprocess
import sys
import tempfile

RUNTIME, PROGRAM = sys.argv[1], sys.argv[2]
ROUNDS = 6


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def records(text):
    """Whole ones: the last may be cut short by the end of the process."""
    return {text[i:i + 16] for i in range(0, len(text) - 15, 16)}


def check(how):
    """What is wrong, or None."""
    scratch = tempfile.mkdtemp(prefix="coffer-guest-")
    try:
        plain = os.path.join(scratch, "plain")
        os.mkdir(plain)
        native, _, _ = run([PROGRAM, plain, *how])
        shield = [RUNTIME, "--volume", os.path.join(scratch, "store") + ":/data", "--", PROGRAM, "/data"]
        acknowledged = set()
        for _ in range(ROUNDS):
            status, out, errors = run(shield + how)
            acknowledged |= records(out)
            if status != native or errors:
                return f"status {status}, natively {native}; errors {errors[:300]!r}"
        kept = records(run(shield + ["read"])[1])
        if not acknowledged or acknowledged - kept:
            return f"{len(acknowledged - kept)} of {len(acknowledged)} acknowledged records are lost"
        return None
    except subprocess.TimeoutExpired as late:
        return f"no end: {late.stderr}"
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main():
    cases = [["main"], ["thread"], ["last"], ["race"], ["vfork"], ["signal"], ["abort"], ["fault"],
             ["main", "in a child"], ["thread", "in a child"], ["signal", "in a child"]]
    print(f"TAP version 13\n1..{len(cases)}")
    for number, how in enumerate(cases, 1):
        wrong = check(how)
        print(f"{'not ok' if wrong else 'ok'} {number} - ends in order: {', '.join(how)}", flush=True)
        if wrong:
            print(f"# {wrong}", flush=True)


main()
