#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A signal at every instruction of a call, natively and under the runtime: both must report the same.
usage: step.py RUNTIME DRIVER PROGRAM"""

import subprocess
import sys

runtime, driver, program = sys.argv[1:4]
native, shielded = (subprocess.run([driver] + prefix + [program], capture_output=True, text=True).stdout.splitlines()
                    for prefix in ([], [runtime, "--"]))
print(f"TAP version 13\n1..{len(native) + 1}")
failed = len(native) == 0
for i, line in enumerate(native, 1):
    got = shielded[i - 1] if i <= len(shielded) else "nothing"
    good = got == line and ": no" not in line
    failed |= not good
    print(f"{'ok' if good else 'not ok'} {i} - {line}")
    if not good:
        print(f"# {got}")
ok = len(shielded) == len(native) > 8
print(f"{'ok' if ok else 'not ok'} {len(native) + 1} - every call was stepped through")
sys.exit(failed or not ok)
