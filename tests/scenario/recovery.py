#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every accident that loses state, and the documented way out of it: kill, an older disk, a lost disk
with a backup, a lost machine with a backup and shares (docs/kbs-operations.md).

usage: recovery.py COFFER COFFER-KBS
"""
import contextlib
import json
import os
import shutil
import signal
import sys

import kbs_native
import tap

COFFER, KBS = (os.path.abspath(path) for path in sys.argv[1:3])
MANIFEST = ("freshness: owner\nconfirmers: [CONFIRMER]\nholders: [HOLDERS]\nshares_needed: 2\n")


@contextlib.contextmanager
def fixture():
    broker = kbs_native.Broker(COFFER, KBS, MANIFEST)
    try:
        broker.start()
        yield broker
    finally:
        broker.done()


def call(broker, *words, by="operator"):
    return broker.coffer("kbs", *words, "--keys", broker.keys[by], *broker.where())


def tenant(broker, name):
    code, text = call(broker, "tenant", name, "--owner", broker.keys["owner"] + "/certificate.pem")
    tap.equal(code, 0, text)


def tenants(broker):
    code, text = call(broker, "tenants")
    tap.equal(code, 0, text)
    return text.split()


@tap.test
def after_a_kill_it_is_locked_until_the_head_is_confirmed(broker):
    tenant(broker, "one")
    tap.equal(call(broker, "head", "--out", broker.path("head"))[0], 0)
    broker.stop(signal.SIGKILL)
    broker.start()
    code, text = call(broker, "tenants")
    tap.true(code == 1 and "LOCKED" in text and "coffer kbs unlock" in text, text)
    code, text = call(broker, "unlock", "--head", broker.path("head"))
    tap.true(code == 1 and "NOT_CONFIRMER" in text, text)
    code, text = call(broker, "unlock", "--head", broker.path("head"), by="confirmer")
    tap.equal(code, 0, text)
    tap.equal(tenants(broker), ["one"])


@tap.test
def an_older_disk_is_found_and_the_newest_one_goes_on(broker):
    broker.stop()
    shutil.copytree(broker.path("state"), broker.path("older"))
    broker.start()
    tap.equal(call(broker, "unlock", "--head", broker.path("head"), by="confirmer")[0], 0)
    tenant(broker, "two")
    tap.equal(call(broker, "head", "--out", broker.path("head"))[0], 0)
    broker.stop()
    broker.start(state="older")
    code, text = call(broker, "unlock", "--head", broker.path("head"), by="confirmer")
    tap.true(code == 1 and "STATE_OLD" in text and "newest" in text, text)
    broker.stop()
    broker.start()
    tap.equal(call(broker, "unlock", "--head", broker.path("head"), by="confirmer")[0], 0)
    tap.equal(tenants(broker), ["one", "two"])


def certificates(broker, *names):
    return ",".join(broker.keys[name] + "/certificate.pem" for name in names)


@tap.test
def shares_are_for_their_holders(broker):
    os.mkdir(broker.path("shares"))
    code, text = call(broker, "shares", "--dir", broker.path("shares"), "--holders",
                      certificates(broker, "holder1", "holder2", "second"))
    tap.true(code == 1 and "NOT_HOLDER" in text, text)
    code, text = call(broker, "shares", "--dir", broker.path("shares"), "--holders",
                      certificates(broker, "holder1", "holder2", "holder3"))
    tap.equal(code, 0, text)
    code, text = broker.coffer("kbs", "share", broker.path("shares/share-1"), "--keys",
                               broker.keys["operator"], "--out", broker.path("stolen"))
    tap.true(code == 1 and "no share for this key" in text, text)
    for i in (1, 2, 3):
        code, text = broker.coffer("kbs", "share", broker.path(f"shares/share-{i}"), "--keys",
                                   broker.keys[f"holder{i}"], "--out", broker.path(f"share-{i}"))
        tap.equal(code, 0, text)


@tap.test
def a_lost_machine_comes_back_from_a_backup_and_shares(broker):
    code, text = call(broker, "backup", "--out", broker.path("backup"))
    tap.equal(code, 0, text)
    with open(broker.path("backup"), "rb") as f:
        tap.true(b"tenant" not in f.read(), "nothing of a backup can be read")
    tenant(broker, "three")
    tap.equal(call(broker, "head", "--out", broker.path("head-there"))[0], 0)
    broker.stop(signal.SIGKILL)
    broker.device = "another-device"
    restore = ["--restore", broker.path("backup")]
    for shares, said in (("", "needs --shares"), ("share-1", "2 shares are needed"),
                         ("shares/share-1,share-2", "no share of a root key"),
                         ("share-1,share-1", "twice")):
        more = ["--shares", ",".join(broker.path(s) for s in shares.split(","))] if shares else []
        broker.start(*restore, *more, state="restored")
        tap.true(broker.process.wait() != 0 and said in broker.log(), broker.log()[-600:])
    good = ["--shares", f"{broker.path('share-3')},{broker.path('share-1')}"]
    broker.start(*restore, *good, state="restored")
    code, text = call(broker, "unlock", "--head", broker.path("head"), by="confirmer")
    tap.equal(code, 0, text)  # the head was taken before the backup
    tap.equal(tenants(broker), ["one", "two"])
    broker.stop()
    broker.start(*restore, *good, state="restored")
    tap.true(broker.process.wait() != 0 and "has a state already" in broker.log(), "no overwriting")


@tap.test
def the_same_disk_in_another_machine_needs_the_shares(broker):
    broker.device = "third-device"
    broker.start()
    tap.true(broker.process.wait() != 0 and "--shares restores it" in broker.log(),
             broker.log()[-600:])
    broker.start("--shares", f"{broker.path('share-1')},{broker.path('share-2')}")
    code, text = broker.coffer("kbs", "info", *broker.where())
    tap.true(code == 0 and '"locked": true' in text, text)
    # The restored one has gone its own way meanwhile: its head is none of this one's.
    code, text = call(broker, "unlock", "--head", broker.path("head"), by="confirmer")
    tap.true(code == 1 and "STATE_OLD" in text, text)
    tap.equal(call(broker, "unlock", "--head", broker.path("head-there"), by="confirmer")[0], 0)
    tap.equal(tenants(broker), ["one", "three", "two"])


@tap.test
def going_on_from_an_older_state_is_said_knowingly(broker):
    tap.equal(call(broker, "head", "--out", broker.path("head"))[0], 0)
    broker.stop()
    broker.device = "another-device"
    broker.start(state="restored")
    tap.equal(call(broker, "unlock", "--head", broker.path("head"), by="confirmer")[0], 1)
    tap.equal(call(broker, "head", "--out", broker.path("present"))[0], 0)
    with open(broker.path("present"), encoding="utf-8") as f:
        text = f.read()
    present = json.loads(text)["hash"]
    code, text = call(broker, "unlock", "--accept", "00" * 32, by="confirmer")
    tap.true(code == 1 and "REQUEST_INVALID" in text, text)
    code, text = call(broker, "unlock", "--accept", present, by="confirmer")
    tap.equal(code, 0, text)
    tap.equal(tenants(broker), ["one", "two"])


tap.main(fixture)
