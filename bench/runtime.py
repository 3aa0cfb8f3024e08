#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Native against shielded, interleaved in one run: medians over rounds, and whether each row meets its
goal. A goal is a number of nanoseconds that the shield may add, or a ratio.
usage: runtime.py COFFER-RUNTIME BENCH-PROGRAM [ROUNDS]"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# row: (what it may add in ns, or None; ratio, or None)
GOALS = {
    "getppid": (50, None),
    "raw-getppid": (50, None),
    "raw-getpid": (0, None),  # answered without the kernel
    "read": (50, None),
    "pread-4KiB": (50, None),
    "clock_gettime": (None, 1.1),
    "raw-clock": (0, None),
    "open+close": (None, 1.2),
    "pipe": (None, 1.2),
    "pipe-partner": (None, 1.2),
    "thread": (None, 1.3),
    "fork": (None, 2.0),
    "fork+exec": (None, 2.0),
    "spawn": (None, 2.0),
    "start-of-true": (3e6, None),
    "python-imports": (None, 1.2),
}
STARTS = {
    "start-of-true": (["/bin/true"], 20),
    "python-imports": (["/usr/bin/python3", "-c", "import json, asyncio, http.client, sqlite3"], 3),
}


def run(prefix, program):
    text = subprocess.run(prefix + [program], capture_output=True, text=True, check=True).stdout
    return {name: float(ns) for name, ns in (line.split() for line in text.splitlines())}


def start(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    return (time.perf_counter() - begin) * 1e9


def installed(runtime, folder):
    """A copy, as an installation makes one. The page cache holds a file that was written from its
    beginning to its end in larger pieces than what a linker leaves, and a process that touches its
    code for the first time maps more of it at once: a fork takes 6% less time."""
    copy = os.path.join(folder, os.path.basename(runtime))
    shutil.copyfile(runtime, copy)
    shutil.copymode(runtime, copy)
    return copy


def judge(name, native, shielded):
    adds, ratio = GOALS[name]
    if adds is not None:
        met = shielded - native <= adds
        goal = f"+{adds:.0f}" if adds < 1e6 else f"+{adds / 1e6:.0f} ms"
    else:
        met = shielded <= native * ratio
        goal = f"{ratio:.1f}x"
    return goal, "pass" if met else "MISS"


def main():
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(sys.argv[2]))) as folder:
        measure(installed(sys.argv[1], folder), sys.argv[2],
                int(sys.argv[3]) if len(sys.argv) > 3 else 5)


def measure(runtime, program, rounds):
    native, shielded = {}, {}
    for _ in range(rounds):
        tables = ((native, []), (shielded, [runtime, "--"]))
        for table, prefix in tables:
            for name, ns in run(prefix, program).items():
                table.setdefault(name, []).append(ns)
        for name, (command, count) in STARTS.items():
            for _ in range(count):
                for table, prefix in tables:
                    table.setdefault(name, []).append(start(prefix + command))
    print(f"{'':16}{'native':>12}{'shielded':>12}{'adds':>12}{'ratio':>8}{'goal':>10}   (medians, ns)")
    for name, values in native.items():
        a, b = statistics.median(values), statistics.median(shielded[name])
        goal, verdict = judge(name, a, b)
        print(f"{name:16}{a:12.0f}{b:12.0f}{b - a:12.0f}{b / a:7.2f}x{goal:>10}  {verdict}")


main()
