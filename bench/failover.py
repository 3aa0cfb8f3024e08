#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two key brokers with one state: from the kill of the active one to the first call that the other
answers, and to the first write it acknowledges. Each call is a start of `coffer kbs`, which is
part of the time and printed beside it.

    bench/failover.py BUILD [--rounds N]
"""
import argparse
import os
import signal
import statistics
import sys
import time

import machine

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "tests", "scenario"))
import tap  # noqa: E402
from kbs_pair import Pair  # noqa: E402


def settled(pair):
    """The active one acknowledges, and the standby has everything: either may be lost now."""
    pair.until_written(pair.nodes[pair.active])
    standby = pair.nodes[1 - pair.active]
    tap.until(lambda: '"standby"' in standby.log().rsplit("role role=", 1)[-1][:12],
              "the standby has everything")


def fail_over(pair, promote):
    """Seconds to the first answer and the first acknowledged write."""
    old, new = pair.nodes[pair.active], pair.nodes[1 - pair.active]
    begin = time.perf_counter()
    old.stop(signal.SIGKILL)
    if promote:
        code, text = new.call("promote", keys="confirmer")
        if code != 0:
            raise RuntimeError(text)
    while pair.tenants(new) is None:
        pass
    answered = time.perf_counter() - begin
    while not pair.write(new)[0]:
        pass
    written = time.perf_counter() - begin
    known = pair.tenants(new)
    if known is None or not known.issuperset(pair.acknowledged):
        raise RuntimeError("an acknowledged write is lost")
    pair.restart(pair.active)
    pair.active = 1 - pair.active
    return answered, written


def calls(pair):
    """Seconds of one call, for comparison."""
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        pair.tenants(pair.nodes[pair.active])
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def row(name, rounds, pair, promote):
    settled(pair)
    call = calls(pair)
    taken = []
    for _ in range(rounds):
        taken.append(fail_over(pair, promote))
        settled(pair)
    answered, written = ([t[i] * 1e3 for t in taken] for i in (0, 1))
    print(f"| {name} | {statistics.median(answered):.0f} | {max(answered):.0f} | "
          f"{statistics.median(written):.0f} | {max(written):.0f} | {call * 1e3:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    coffer, kbs = (f"{options.build}/{p}" for p in ("coffer", "src/kbs/coffer-kbs"))
    print("## Fail-over of the key broker\n")
    print(f"{options.rounds} kills each, on {machine.describe()}; ms from the kill.\n")
    print("| promoted | first answer | worst | first write | worst | one call |")
    print("|---|---|---|---|---|---|")
    for name, more, promote in (("by a confirmer, at once", (), True),
                                ("by itself, `--promote-after 1`", ("--promote-after", "1"), False)):
        pair = Pair(coffer, kbs, *more)
        try:
            row(name, options.rounds, pair, promote)
        finally:
            pair.done()
    print()


main()
