#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Gateway, agent and launcher without the runtime: plain servers that answer commands.

usage: gateway.py COFFER-GATEWAY PLAIN-LAUNCHER
"""
import contextlib
import errno
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import ports
import tap

GATEWAY, LAUNCHER = (os.path.abspath(path) for path in sys.argv[1:3])
UID_BASE = 70000


def client_hello(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


class System:
    """One gateway and one launcher with a state directory of their own."""

    def __init__(self, *flags):
        self.state = tempfile.mkdtemp(prefix="coffer-gateway-")
        os.chmod(self.state, 0o711)
        os.makedirs(self.state + "/run")
        self.log = open(self.state + "/log", "w+")
        self.port, self.operator, self.kbs_port = (ports.free_port() for _ in range(3))
        self.flags = flags
        self.start_launcher()
        self.start_gateway()

    def start_launcher(self):
        self.launcher = subprocess.Popen(
            [LAUNCHER, self.state + "/run/launcher", str(self.kbs_port),
             str(UID_BASE if os.geteuid() == 0 else 0)],
            stderr=self.log, stdin=subprocess.DEVNULL)

    def start_gateway(self):
        self.gateway = subprocess.Popen(
            [GATEWAY, "--state", self.state, "--listen", f"127.0.0.1:{self.port}", "--operator",
             f"127.0.0.1:{self.operator}", "--program", "/bin/true", "--uid-base", str(UID_BASE),
             *self.flags], stderr=self.log, stdin=subprocess.DEVNULL)
        tap.until(self.is_up, "gateway listens")

    def is_up(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.operator)):
            return True
        return False

    def logs(self):
        self.log.flush()
        with open(self.state + "/log", encoding="utf-8") as log:
            return log.read()

    def control(self, method, path):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.state + "/run/gateway")
            s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            response = http.client.HTTPResponse(s)
            response.begin()
            return response.status, response.read().decode()

    def add(self, name):
        tap.equal(self.control("POST", "/tenants/" + name)[0], 200)

    def tenant(self, name):
        tenants = json.loads(self.control("GET", "/tenants")[1])
        return next(t for t in tenants if t["name"] == name)

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.operator)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        return {line.split()[0]: int(line.split()[1])
                for line in text.splitlines() if not line.startswith("#")}

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(20)
        return s

    def begin(self, name, command):
        s = self.connect()
        s.sendall(client_hello(name + ".localhost") + b"\n" + command.encode() + b"\n")
        return s

    def ask(self, name, command):
        with self.begin(name, command) as s:
            return read_all(s)

    def pid(self, name):
        return int(self.ask(name, "who").split()[1])

    def pid_of_server(self, name):
        return self.tenant(name)["pid"]

    def stop(self):
        for process in (self.gateway, self.launcher):
            process.terminate()
            process.wait(20)
        shutil.rmtree(self.state)


def read_all(s):
    data = b""
    while True:
        try:
            piece = s.recv(4096)
        except ConnectionResetError:
            return data.decode()
        if not piece:
            return data.decode()
        data += piece


@contextlib.contextmanager
def system():
    s = System("--hello-ms", "1500", "--start-s", "2", "--drain-s", "3",
               "--half-open-per-address-max", "50", "--half-open-max", "60")
    try:
        for name in ("demo", "acme", "broken", "unready"):
            s.add(name)
        yield s
    finally:
        s.stop()


@tap.test
def the_name_chooses_the_server_and_the_first_connection_starts_it(s):
    tap.equal(s.tenant("demo")["state"], "absent")
    tap.equal(s.ask("demo", "who").split()[0], "demo")
    tap.equal(s.ask("acme", "who").split()[0], "acme")
    tenant = s.tenant("demo")
    tap.equal(tenant["state"], "running")
    tap.true(0 < tenant["start_ms"] < 1000, f"start took {tenant['start_ms']} ms")
    if os.geteuid() == 0:
        tap.true(tenant["private_kib"] > 0 and tenant["kernel_kib"] > 0, "memory is shown")


@tap.test
def the_same_server_serves_the_next_connection(s):
    tap.equal(s.pid("demo"), s.pid("demo"))
    tap.true(s.pid("demo") != s.pid("acme"), "two clients have two processes")


@tap.test
def an_unknown_name_and_no_name_get_the_alert_for_it(s):
    before = s.metrics()
    for name in ("nobody.localhost", "demo.example.org", "localhost", "a.demo.localhost", None):
        with s.connect() as c:
            c.sendall(client_hello(name))
            tap.equal(c.recv(100), b"\x15\x03\x03\x00\x02\x02\x70", f"answer to {name}")
            tap.equal(c.recv(100), b"")
    after = s.metrics()
    tap.equal(after["coffer_gateway_refused_unknown_name_total"]
              - before["coffer_gateway_refused_unknown_name_total"], 4)
    tap.equal(after["coffer_gateway_refused_no_name_total"]
              - before["coffer_gateway_refused_no_name_total"], 1)


@tap.test
def plain_http_is_told_that_this_port_speaks_tls(s):
    for pieces in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",), (b"P", b"O", b"ST / HTTP/1.1\r\n\r\n")):
        with s.connect() as c:
            for piece in pieces:
                c.sendall(piece)
            answer = read_all(c)
        tap.true(answer.startswith("HTTP/1.1 400 ") and "speaks TLS" in answer, answer)
    with s.connect() as c:
        c.sendall(b"SSH-2.0-x\r\n")
        tap.equal(c.recv(100)[-1], 50, "alert")


@tap.test
def a_hello_may_come_byte_by_byte(s):
    hello = client_hello("demo.localhost")
    with s.connect() as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(hello)):
            c.sendall(hello[i:i + 1])
        c.sendall(b"\nwho\n")
        tap.equal(read_all(c).split()[0], "demo")


@tap.test
def a_slow_client_costs_no_processor_and_is_closed_in_time(s):
    def ticks():
        with open(f"/proc/{s.gateway.pid}/stat", encoding="ascii") as stat:
            return sum(int(n) for n in stat.read().rsplit(")", 1)[1].split()[11:13])
    before, start = ticks(), time.monotonic()
    with s.connect() as c:
        c.sendall(client_hello("demo.localhost")[:100])
        tap.equal(read_all(c), "")
    tap.true(1.0 < time.monotonic() - start < 4.0, "closed after --hello-ms")
    tap.true(ticks() - before <= 3, f"{ticks() - before} ticks of processor")


@tap.test
def a_flood_of_half_open_connections_is_bounded_and_others_pass(s):
    before = s.metrics()["coffer_gateway_closed_half_open_per_address_max_total"]
    flood = []
    for _ in range(200):
        flood.append(s.connect())
    tap.until(lambda: s.metrics()["coffer_gateway_closed_half_open_per_address_max_total"] - before
              >= 140, "those over the limit are closed")
    tap.true(s.metrics()["coffer_gateway_half_open"] <= 60, "half-open ones are bounded")
    for c in flood:
        c.close()
    tap.until(lambda: s.metrics()["coffer_gateway_half_open"] == 0, "the flood is over")
    tap.equal(s.ask("demo", "who").split()[0], "demo")


@tap.test
def another_address_is_served_during_the_flood_of_one(s):
    flood = [s.connect() for _ in range(100)]
    with socket.create_connection(("127.0.0.1", s.port), source_address=("127.0.0.9", 0)) as c:
        c.settimeout(20)
        c.sendall(client_hello("demo.localhost") + b"\nwho\n")
        tap.equal(read_all(c).split()[0], "demo")
    for c in flood:
        c.close()


@tap.test
def a_crashed_server_is_replaced_and_what_it_had_not_begun_is_served(s):
    held = s.begin("demo", "hold")
    pid = int(held.recv(100).split()[1])
    queued = [s.begin("demo", "who") for _ in range(5)]
    tap.until(lambda: s.tenant("demo")["waiting"] == 5, "five wait behind the first")
    os.kill(pid, signal.SIGKILL)
    answers = [read_all(c).split() for c in queued]
    tap.equal({a[0] for a in answers}, {"demo"})
    tap.equal({int(a[1]) == pid for a in answers}, {False})
    tap.equal(read_all(held), "")


@tap.test
def no_more_than_64_wait_unacknowledged(s):
    held = s.begin("demo", "hold")
    held.recv(100)
    queued = [s.begin("demo", "who") for _ in range(100)]
    tap.until(lambda: s.tenant("demo")["waiting"] == 100, "all wait")
    with os.scandir(f"/proc/{s.pid_of_server('demo')}/fd") as fds:
        tap.true(len(list(fds)) <= 12, "the server holds none of them")
    held.sendall(b"\ngo\n")
    tap.equal({read_all(c).split()[0] for c in queued}, {"demo"})


@tap.test
def a_server_that_cannot_run_says_why_and_is_tried_again(s):
    with s.begin("broken", "who"):
        tenant = tap.until(lambda: (t := s.tenant("broken"))["failures"] >= 3 and t, "tried again")
        tap.until(lambda: "broken on purpose" in s.tenant("broken")["error"], "its reason is shown")
    tap.true(tenant["state"] in ("failed", "queued", "starting"), tenant["state"])
    tap.equal(s.ask("demo", "who").split()[0], "demo")


@tap.test
def a_server_that_is_never_ready_is_killed(s):
    with s.begin("unready", "who"):
        tap.until(lambda: s.tenant("unready")["error"], "the start fails")
    tap.equal(s.tenant("unready")["error"], "was not ready in time")


@tap.test
def two_clients_cannot_reach_each_other(s):
    other = s.pid("acme")
    tenants = s.state + "/tenants"
    tap.equal(s.ask("acme", "own document"), "0\n", "its own directory")
    for command in (f"signal {other}", f"signal {s.launcher.pid}", f"signal {s.gateway.pid}",
                    f"trace {other}", f"read {tenants}/acme/document", f"read {tenants}/acme",
                    f"write {tenants}/acme/document", f"write {tenants}/demo/outside",
                    f"read /proc/{other}/mem", f"read /proc/{other}/maps",
                    f"read /proc/{other}/environ", "read /etc/passwd", "write /tmp/coffer-escape",
                    f"read {s.state}/log", f"connect {s.operator}", f"connect {s.port}"):
        answer = int(s.ask("demo", command))
        tap.true(answer in (errno.EPERM, errno.EACCES), f"{command} gives {answer}")
    with socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0coffer-escape")
        abstract.listen()
        tap.equal(int(s.ask("demo", "abstract coffer-escape")), errno.EPERM)
    tap.equal(int(s.ask("demo", f"connect {s.kbs_port}")), errno.ECONNREFUSED, "the key broker's")
    tap.equal(s.ask("demo", "evidence"), "0\n")
    if os.geteuid() == 0:
        uids = {s.ask(name, "who").split()[2] for name in ("demo", "acme")}
        tap.true(len(uids) == 2 and "0" not in uids, f"uids {uids}")


@tap.test
def a_server_inherits_no_more_than_its_own_descriptors(s):
    tap.true(int(s.ask("demo", "fds")) <= 9, "standard ones, its job and the connection")


@tap.test
def a_killed_launcher_leaves_servers_and_a_new_one_starts_others(s):
    pid = s.pid("demo")
    s.launcher.kill()
    s.launcher.wait()
    tap.equal(s.pid("demo"), pid, "the server that ran")
    waiting = s.begin("acme", "who") if s.tenant("acme")["state"] == "absent" else None
    s.start_launcher()
    tap.until(lambda: s.metrics()["coffer_agent_launcher_connected"] == 1, "launcher is back")
    os.kill(pid, signal.SIGKILL)
    tap.true(s.pid("demo") != pid, "a new server")
    if waiting:
        tap.equal(read_all(waiting).split()[0], "acme")


@tap.test
def a_killed_gateway_comes_back_to_its_clients(s):
    pid = s.pid("demo")
    s.gateway.kill()
    s.gateway.wait()
    s.start_gateway()
    tap.true(s.pid("demo") != pid, "the old server drained")
    tap.equal(s.tenant("acme")["name"], "acme")


@tap.test
def a_request_that_races_the_idle_stop_succeeds(_):
    s = System("--idle-s", "1")
    try:
        s.add("demo")
        first = s.pid("demo")
        tap.until(lambda: s.tenant("demo")["state"] == "absent", "idle stop")
        tap.true(s.pid("demo") != first, "started again")
        for _ in range(30):
            tap.equal(s.control("POST", "/tenants/demo/stop")[0], 200)
            tap.equal(s.ask("demo", "who").split()[0], "demo")
        tap.equal(s.tenant("demo")["failures"], 0)
    finally:
        s.stop()


@tap.test
def descriptors_of_the_gateway_are_one_per_server_at_rest(s):
    s.ask("demo", "who")
    s.ask("acme", "who")

    def count():
        return len(os.listdir(f"/proc/{s.gateway.pid}/fd"))
    s.control("POST", "/tenants/acme/stop")
    tap.until(lambda: s.tenant("acme")["state"] == "absent", "stopped")
    before = count()
    s.ask("acme", "who")
    tap.until(lambda: count() <= before + 1, "one more descriptor for one more server")


@tap.test
def names_that_are_none_and_pages_of_the_web_are_refused(s):
    tap.equal(s.control("POST", "/tenants/Not_A_Name")[0], 400)
    tap.equal(s.control("POST", "/tenants/..")[0], 400)
    tap.equal(s.control("POST", "/tenants/nobody/stop")[0], 404)
    for host, method, status in (("evil.example", "GET", 403), ("localhost", "POST", 405),
                                 ("localhost", "GET", 200)):
        connection = http.client.HTTPConnection("127.0.0.1", s.operator)
        connection.request(method, "/", headers={"Host": host})
        response = connection.getresponse()
        tap.equal(response.status, status)
        response.read()


@tap.test
def a_wrong_flag_and_a_port_in_use_are_named(s):
    def run(*flags):
        done = subprocess.run([GATEWAY, *flags], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr
    code, text = run("--lisen", "x")
    tap.true(code == 2 and "did you mean '--listen'?" in text, text)
    code, text = run("--state", s.state, "--program", "/bin/true", "--listen",
                     f"127.0.0.1:{s.port}", "--operator", "127.0.0.1:0")
    tap.true(code == 1 and str(s.port) in text and "--listen" in text, text)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tap.main(system)
