#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long things take to start: `coffer run -- /bin/true` against /bin/true, interleaved.

    bench/start.py BUILD [--runs N] [--json FILE]
"""
import argparse
import json
import os
import sys
import time

import machine


def time_of(command):
    """Seconds from asking for a process to its end, which must be good."""
    begin = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ)
    _, status = os.waitpid(pid, 0)
    end = time.perf_counter()
    if status != 0:
        raise RuntimeError(f"wait status {status}: {command}")
    return end - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--json")
    options = parser.parse_args()
    coffer = os.path.join(os.path.abspath(options.build), "coffer")
    kinds = {"native": ["/bin/true"], "coffer run": [coffer, "run", "--", "/bin/true"]}
    times = {name: [] for name in kinds}
    for command in kinds.values():
        time_of(command)  # warm
    for number in range(options.runs):
        for name in sorted(kinds, reverse=number % 2 == 0):
            times[name].append(time_of(kinds[name]) * 1e3)
    medians = {name: machine.median(values) for name, values in times.items()}
    print("## Starting a program\n")
    print(f"`/bin/true`, {options.runs} interleaved runs each, in ms.\n")
    print("| | median | p99 |\n|---|---:|---:|")
    for name, values in times.items():
        values.sort()
        print(f"| {name} | {medians[name]:.2f} | {values[int(len(values) * 0.99)]:.2f} |")
    print(f"| difference | {medians['coffer run'] - medians['native']:.2f} | |\n")
    print("Goal: a difference within 5 ms.\n")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(medians, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
