#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two key brokers with one state: killed, paused and cut off from each other, over and over. What was
acknowledged is never lost, and never do both answer.

usage: standby.py COFFER COFFER-KBS ROUNDS
"""
import contextlib
import os
import random
import signal
import sys
import threading

import tap
from kbs_pair import Pair

COFFER, KBS = (os.path.abspath(path) for path in sys.argv[1:3])
ROUNDS = int(sys.argv[3])


@contextlib.contextmanager
def fixture():
    pair = Pair(COFFER, KBS)
    try:
        yield pair
    finally:
        pair.done()


@tap.test
def the_standby_answers_nobody_and_knows_everything(pair):
    a, b = pair.nodes
    pair.until_written(a)
    for _ in range(3):
        tap.true(pair.write(a)[0], "a write")
    done, text = pair.write(b)
    tap.true(not done and "STANDBY" in text, text)
    code, text = b.call("promote")
    tap.true(code == 1 and "NOT_CONFIRMER" in text, text)
    code, text = a.call("promote", keys="confirmer")
    tap.true(code == 1 and "PEER_STALE" in text, text)


def standby_fault(pair, chance):
    """The standby is lost, and comes back: nothing is acknowledged meanwhile."""
    active, standby = pair.nodes[pair.active], pair.nodes[1 - pair.active]
    kind = chance.choice(["kill", "pause", "cut"])
    if kind == "kill":
        standby.stop(signal.SIGKILL)
    elif kind == "pause":
        standby.process.send_signal(signal.SIGSTOP)
    else:
        pair.links[1 - pair.active].cut()
    done, text = pair.write(active)
    tap.true(not done, f"{kind}: acknowledged without the standby: {text}")
    tap.true(kind != "kill" or "PEER_ABSENT" in text, text)
    if kind == "kill":
        pair.restart(1 - pair.active)
    elif kind == "pause":
        standby.process.send_signal(signal.SIGCONT)
    else:
        pair.links[1 - pair.active].whole = True
    pair.until_written(active)
    return "standby " + kind


def active_fault(pair, chance):
    """The active one is lost, the other is promoted; the first comes back and is nobody any more."""
    old, new = pair.nodes[pair.active], pair.nodes[1 - pair.active]
    kind = chance.choice(["kill", "pause", "cut"])
    writer = threading.Thread(target=lambda: [pair.write(old) for _ in range(3)])
    writer.start()
    if kind == "kill":
        old.stop(signal.SIGKILL)
    elif kind == "pause":
        old.process.send_signal(signal.SIGSTOP)
    else:
        pair.links[1 - pair.active].cut()
        pair.links[pair.active].cut()
    writer.join()
    code, text = new.call("promote", keys="confirmer")
    tap.true(code == 0 and "epoch" in text, text + new.log()[-1500:])
    known = pair.tenants(new)
    tap.true(known is not None and known.issuperset(pair.acknowledged),
             f"{kind}: lost {sorted(set(pair.acknowledged) - (known or set()))}")
    tap.true(pair.write(new)[0], "the new one writes")
    if kind == "pause":
        old.process.send_signal(signal.SIGCONT)
    if kind != "kill":
        done, text = pair.write(old)
        tap.true(not done, f"{kind}: both answer: {text}")
        for link in pair.links:
            link.whole = True
    else:
        pair.restart(pair.active)
    pair.active = 1 - pair.active
    tap.until(lambda: "STANDBY" in pair.write(old)[1], "the old one is the standby")
    # Before it has everything it cannot be promoted: what was acknowledged meanwhile would be lost.
    tap.until(lambda: old.log().rstrip().rsplit("role role=", 1)[1].startswith('"standby"'),
              "the old one has everything")
    pair.until_written(new)
    return "active " + kind


@tap.test
def no_acknowledged_write_is_lost_and_never_do_both_answer(pair):
    chance = random.Random(5)
    for i in range(ROUNDS):
        fault = chance.choice([standby_fault, active_fault, active_fault])
        kind = fault(pair, chance)
        known = pair.tenants(pair.nodes[pair.active])
        tap.true(known is not None and known.issuperset(pair.acknowledged), f"round {i}: {kind}")
    print(f"# {ROUNDS} rounds, {len(pair.acknowledged)} of {pair.tried} acknowledged")


tap.main(fixture)
