#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs each program natively on a plain directory and shielded on a volume: Linux is the oracle."""
import difflib
import os
import shutil
import subprocess
import sys
import tempfile


def run(command, scratch):
    env = dict(os.environ, COFFER_STATE=os.path.join(scratch, "state"))
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False)
    return done.stdout.decode(errors="replace"), done.returncode


def compare(runtime, program, scratch):
    """What differs, as lines; empty if nothing does."""
    plain, store = os.path.join(scratch, "plain"), os.path.join(scratch, "store")
    os.mkdir(plain, 0o755)
    wanted, wanted_code = run([program, plain], scratch)
    got, got_code = run([runtime, "--volume", store + ":/data", "--", program, "/data"],
                        scratch)
    lines = list(difflib.unified_diff(wanted.splitlines(), got.splitlines(), "native", "shielded",
                                      lineterm="", n=1))
    if wanted_code != got_code:
        lines.append(f"exit status {got_code}, natively {wanted_code}")
    return lines


def main():
    runtime, programs = sys.argv[1], sys.argv[2:]
    print(f"TAP version 13\n1..{len(programs)}", flush=True)
    for number, program in enumerate(programs, 1):
        scratch = tempfile.mkdtemp(prefix="coffer-guest-")
        os.chmod(scratch, 0o755)
        try:
            lines = compare(runtime, program, scratch)
        except subprocess.TimeoutExpired as late:
            lines = [str(late)]
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        for line in lines[:60]:
            print("# " + line)
        verdict = "not ok" if lines else "ok"
        print(f"{verdict} {number} - {os.path.basename(program)} does what Linux does", flush=True)


main()
