#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What --stats says of a program whose calls are known.
usage: stats.py RUNTIME SITES-PROGRAM"""

import re
import subprocess
import sys


def stats(*command):
    text = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    line = next(x for x in text.splitlines() if "stats:" in x)
    return {name.strip(): int(n) for name, n in re.findall(r"([a-z][a-z ]*?) (\d+)", line.split("stats:")[1])}


def main():
    runtime, sites = sys.argv[1:3]
    short = stats(runtime, "--stats", "--", "/bin/true")
    loop = stats(runtime, "--stats", "--", "/bin/sh", "-c",
                 "i=0; while [ $i -lt 300 ]; do umask >/dev/null; i=$((i+1)); done")
    hot = stats(runtime, "--stats", "--", sites)
    clock = stats(runtime, "--stats", "--", sys.executable, "-c",
                  "import ctypes; c = ctypes.CDLL(None); t = (ctypes.c_long * 2)()\n"
                  "for i in range(3000): c.syscall(228, 1, t)")
    silent = subprocess.run([runtime, "--", "/bin/true"], capture_output=True, text=True, check=True).stderr
    checks = [
        (silent == "", "nothing is said unless it is asked"),
        (0 < short["traps"] < 200 and short["slow calls"] > 5, "a short program traps a few times"),
        (loop["slow calls"] > 300, "a handler's calls are slow calls"),
        (loop["traps"] < 200, "300 calls of one site are not 300 traps"),
        (clock["traps"] < 1000 and clock["fast calls"] > 3000, "time is told without the kernel, by a rewritten site"),
        (hot["fast calls"] > 100000, "passed calls are fast calls"),
        (hot["mov"] >= 1 and hot["padding"] >= 1 and hot["before"] >= 4, "sites of every form are rewritten"),
        (hot["sites rewritten"] == hot["mov"] + hot["padding"] + hot["before"], "their numbers add up"),
        (hot["signals"] > 10, "delivered signals are counted"),
    ]
    print(f"TAP version 13\n1..{len(checks)}")
    for i, (ok, text) in enumerate(checks, 1):
        print(f"{'ok' if ok else 'not ok'} {i} - {text}")
    if not all(ok for ok, _ in checks):
        print(f"# {short}\n# {loop}\n# {hot}")
    return 0 if all(ok for ok, _ in checks) else 1


sys.exit(main())
