#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The audit log: every way of tampering with it has its own verdict.

usage: audit.py COFFER COFFER-KBS
"""
import contextlib
import json
import os
import shutil
import sys

import kbs_native
import tap

COFFER, KBS = (os.path.abspath(path) for path in sys.argv[1:3])


@contextlib.contextmanager
def fixture():
    broker = kbs_native.Broker(COFFER, KBS)
    try:
        broker.start()
        for name in ("a", "b", "c", "d"):
            tap.equal(broker.coffer("kbs", "tenant", name, "--owner",
                                    broker.keys["owner"] + "/certificate.pem", "--keys",
                                    broker.keys["operator"], *broker.where())[0], 0)
        code, text = broker.coffer("kbs", "audit", "--out", broker.path("log"), "--keys",
                                   broker.keys["operator"], *broker.where())
        tap.equal(code, 0, text)
        code, text = broker.coffer("kbs", "head", "--out", broker.path("head"), *broker.where())
        tap.equal(code, 0, text)
        yield broker
    finally:
        broker.done()


def lines(broker):
    with open(broker.path("log"), encoding="utf-8") as f:
        return f.read().splitlines(keepends=True)


def verdict(broker, text, *flags):
    path = broker.write("tampered", "".join(text))
    code, out = broker.coffer("audit", "verify", path, *flags)
    return code, out.split(":")[0]


@tap.test
def the_log_is_clean(broker):
    log = lines(broker)
    tap.true(len(log) > 6, log)
    tap.equal(verdict(broker, log), (0, "clean"))
    info = json.loads(broker.coffer("kbs", "info", *broker.where())[1])
    tap.equal(verdict(broker, log, "--key", info["audit_key"], "--head", broker.path("head")),
              (0, "clean"))


@tap.test
def a_missing_end_is_truncated(broker):
    log = lines(broker)
    tap.equal(verdict(broker, log[:-1]), (3, "truncated"))
    tap.equal(verdict(broker, log[:-3] + log[-1:]), (3, "truncated"))
    tap.equal(verdict(broker, ["".join(log)[:-20]]), (3, "truncated"))
    tap.equal(verdict(broker, []), (3, "truncated"))


@tap.test
def a_missing_middle_is_a_gap(broker):
    log = lines(broker)
    for i in range(1, len(log) - 2):
        tap.equal(verdict(broker, log[:i] + log[i + 1:]), (4, "gap"), i)


@tap.test
def a_change_is_forged(broker):
    log = lines(broker)
    for member, value in (("event", "{}"), ("time_s", 5), ("hash", "00" * 32),
                          ("signature", "11" * 64), ("sequence", 2)):
        entry = json.loads(log[3])
        if entry[member] == value:
            continue
        entry[member] = value
        code, word = verdict(broker, log[:3] + [json.dumps(entry) + "\n"] + log[4:])
        tap.equal((code, word), (6, "forged"), member)
    swapped = log[:2] + [log[3], log[2]] + log[4:]
    tap.true(verdict(broker, swapped)[0] in (4, 6), "two entries in each other's place")
    tap.equal(verdict(broker, log[:3] + [log[2]] + log[3:]), (6, "forged"))
    tap.equal(verdict(broker, log + [log[2]]), (6, "forged"))
    tap.equal(verdict(broker, log, "--key", "04" + "22" * 64), (6, "forged"))
    tap.equal(verdict(broker, ["hello\n"]), (6, "forged"))
    state = json.loads(log[-1])
    state["state"]["commits"] += 1
    tap.equal(verdict(broker, log[:-1] + [json.dumps(state) + "\n"]), (6, "forged"))


@tap.test
def an_older_state_is_rolled_back(broker):
    broker.stop()
    older = broker.path("older")
    shutil.copytree(broker.path("state"), older)
    broker.start()
    code, text = broker.coffer("kbs", "tenant", "e", "--owner",
                               broker.keys["owner"] + "/certificate.pem", "--keys",
                               broker.keys["operator"], *broker.where())
    tap.equal(code, 0, text)
    tap.equal(broker.coffer("kbs", "head", "--out", broker.path("newest"), *broker.where())[0], 0)
    broker.stop()
    shutil.rmtree(broker.path("state"))
    shutil.copytree(older, broker.path("state"))
    broker.start()
    fetch = ["kbs", "audit", "--out", broker.path("log"), "--keys", broker.keys["operator"]]
    tap.equal(broker.coffer(*fetch, *broker.where())[0], 0)
    # In itself it is in order; only who has seen more can tell.
    tap.equal(verdict(broker, lines(broker)), (0, "clean"))
    tap.equal(verdict(broker, lines(broker), "--head", broker.path("newest")), (5, "rolled back"))


tap.main(fixture)
