# SPDX-License-Identifier: Apache-2.0
"""Two native key brokers with one state, over links that can be cut."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import threading

import kbs_native
import tap


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
            run = subprocess.run([self.program, "kbs", *words, "--keys", self.keys[keys], *self.where()],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 check=False, timeout=patience)
        except subprocess.TimeoutExpired:
            return -1, "no answer"
        return run.returncode, run.stdout


class Pair:
    """Both, each over a link of its own, with what was written and acknowledged. `more`: flags of both."""

    def __init__(self, coffer, kbs, *more):
        self.more = more
        self.nodes = [Node(coffer, kbs), Node(coffer, kbs)]
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
        b.run(0, self.links[0].address, "--standby", *more)
        self.links[1].target = ("127.0.0.1", b.port)
        a.run(0, self.links[1].address, *more)
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
        node.run(node.port, self.links[1 - i].address, *self.more)

    def done(self):
        for n in self.nodes:
            if n.process.poll() is None:
                n.process.send_signal(signal.SIGCONT)
            n.done()
