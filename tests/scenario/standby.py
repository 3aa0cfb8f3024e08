#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two key brokers with one state: killed, paused and cut off from each other, over and over. What was
acknowledged is never lost, and never do both answer.

usage: standby.py COFFER COFFER-KBS ROUNDS
"""
import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading

import kbs_native
import tap

COFFER, KBS = (os.path.abspath(path) for path in sys.argv[1:3])
ROUNDS = int(sys.argv[3])


class Link:
    """The way to one of the two, which can be cut."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.target, self.whole, self.pairs = None, True, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            if not self.whole:
                near.close()
                continue
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    def copy(self, a, b):
        try:
            while True:
                data = a.recv(65536)
                if not data or not self.whole:
                    break
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.whole = False
        for pair in self.pairs:
            for s in pair:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
        self.pairs = []


class Node(kbs_native.Broker):
    def run(self, port, peer, *more):
        """Starts on a port of its own, which stays the same."""
        self.starts += 1
        ready = self.path(f"port-{self.starts}")
        with open(self.path("log-kbs"), "ab") as log:
            self.process = subprocess.Popen(
                self.flags() + ["--state", self.path("state"), "--listen", f"127.0.0.1:{port}",
                                "--port-file", ready, "--peer", peer, *more], stderr=log)
        tap.until(lambda: os.path.exists(ready) or self.process.poll() is not None, "it is ready")
        tap.true(self.process.poll() is None, self.log()[-2000:])
        with open(ready, encoding="utf-8") as f:
            self.port = int(f.read())
        self.address = f"127.0.0.1:{self.port}"

    def call(self, *words, keys="operator", patience=4):
        try:
            run = subprocess.run([COFFER, "kbs", *words, "--keys", self.keys[keys], *self.where()],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 check=False, timeout=patience)
        except subprocess.TimeoutExpired:
            return -1, "no answer"
        return run.returncode, run.stdout


class Pair:
    def __init__(self):
        self.nodes = [Node(COFFER, KBS), Node(COFFER, KBS)]
        a, b = self.nodes
        b.keys = a.keys
        devices = [self.device(n) for n in self.nodes]
        text = a.manifest_text("freshness: peer\nconfirmers: [CONFIRMER]\n").replace(
            "[self]", "['sha256:%s', 'sha256:%s']" % tuple(devices))
        for n in self.nodes:
            n.manifest = n.write("manifest.yaml", text)
            pin = subprocess.run(n.flags() + ["--print-pin", "--log-level", "error"], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
            n.write("pin", pin)
        self.links = [Link(), Link()]  # to a, to b
        self.acknowledged, self.tried = [], 0
        b.run(0, self.links[0].address, "--standby")
        self.links[1].target = ("127.0.0.1", b.port)
        a.run(0, self.links[1].address)
        self.links[0].target = ("127.0.0.1", a.port)
        self.active = 0

    @staticmethod
    def device(node):
        pin = subprocess.run(node.flags() + ["--print-pin", "--log-level", "error"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        return re.search(r"device=([0-9a-f]{64})", pin).group(1)

    def write(self, node):
        """One write; True if it was acknowledged."""
        name = f"t{self.tried}"
        self.tried += 1
        code, text = node.call("tenant", name, "--owner",
                               self.nodes[0].keys["owner"] + "/certificate.pem")
        if code == 0:
            self.acknowledged.append(name)
        return code == 0, text

    def tenants(self, node):
        code, text = node.call("tenants")
        return set(text.split()) if code == 0 else None

    def until_written(self, node):
        tap.until(lambda: self.write(node)[0], "the active one acknowledges again")

    def restart(self, i):
        node = self.nodes[i]
        node.run(node.port, self.links[1 - i].address)

    def done(self):
        for n in self.nodes:
            if n.process.poll() is None:
                n.process.send_signal(signal.SIGCONT)
            n.done()


@contextlib.contextmanager
def fixture():
    pair = Pair()
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
