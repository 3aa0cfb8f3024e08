#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Native against shielded, interleaved in one run: medians over rounds.
usage: runtime.py COFFER-RUNTIME BENCH-PROGRAM [ROUNDS]"""

import statistics
import subprocess
import sys
import time


def run(prefix, program):
    text = subprocess.run(prefix + [program], capture_output=True, text=True, check=True).stdout
    return {name: float(ns) for name, ns in (line.split() for line in text.splitlines())}


def start(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    return (time.perf_counter() - begin) * 1e9


def main():
    runtime, program = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    native, shielded = {}, {}
    for _ in range(rounds):
        for table, prefix in ((native, []), (shielded, [runtime, "--"])):
            for name, ns in run(prefix, program).items():
                table.setdefault(name, []).append(ns)
            for _ in range(20):
                table.setdefault("start of true", []).append(start(prefix + ["/bin/true"]))
    print(f"{'':16}{'native':>12}{'shielded':>12}{'adds':>12}   (medians, ns)")
    for name, values in native.items():
        a, b = statistics.median(values), statistics.median(shielded[name])
        print(f"{name:16}{a:12.0f}{b:12.0f}{b - a:12.0f}")


main()
