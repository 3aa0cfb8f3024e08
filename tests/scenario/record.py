#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""coffer run --record watches redis and nginx at work; under the policy it writes they do the same work
again, and what they did not do then is denied until the explained line is added.
usage: record.py COFFER"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import ports

COFFER = os.path.abspath(sys.argv[1])
PATIENCE = 60
EXPLAINED = re.compile(r"explain: denied (.*?): .*; to allow it, (?:add to|change in) "
                       r"(files|network):( {3}- \{.*\})$", re.M)


class Failed(Exception):
    """What was expected did not happen."""


def require(condition, what):
    if not condition:
        raise Failed(what)


class Case:
    """A directory with a policy, and programs that are recorded and run under it."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.policy = os.path.join(scratch, "policy.yaml")
        self.env = dict(os.environ, HOME=scratch, COFFER_STATE=os.path.join(scratch, "state"),
                        LANG="C", PATH="/usr/sbin:/usr/bin", SECRET_OF_THIS_SHELL="x")
        self.log = os.path.join(scratch, "log")

    def path(self, name):
        return os.path.join(self.scratch, name)

    def command(self, recording, program, flags):
        how = ["--record", self.policy] if recording else ["--explain", "--policy", self.policy]
        return [COFFER, "run", *how, *flags, "--", *program]

    def run(self, recording, *program, flags=()):
        return subprocess.run(self.command(recording, program, flags), env=self.env, text=True,
                              capture_output=True, timeout=PATIENCE, check=False, cwd=self.scratch)

    def start(self, recording, *program, flags=()):
        with open(self.log, "w", encoding="utf-8") as log:
            return subprocess.Popen(self.command(recording, program, flags), env=self.env, stdout=log,
                                    stderr=subprocess.STDOUT, cwd=self.scratch)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def text(self):
        with open(self.policy, encoding="utf-8") as file:
            return file.read()

    def wait_for_port(self, server, port):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
                    return
            except ConnectionError:
                require(server.poll() is None and time.monotonic() < end,
                        f"no server: {self.said()[-2500:]}")

    def stop(self, server):
        server.send_signal(signal.SIGTERM)
        code = server.wait(timeout=PATIENCE)
        require(code == 0, f"ended {code}: {self.said()[-2500:]}")

    def add(self, said, what):
        for action, section, line in EXPLAINED.findall(said):
            if what in action:
                text = self.text()
                head = f"\n{section}:\n"
                text = text.replace(head, f"{head}{line[1:]}\n") if head in text else \
                    f"{text}{section}:\n{line[1:]}\n"
                with open(self.policy, "w", encoding="utf-8") as file:
                    file.write(text)
                return
        raise Failed(f"nothing about {what!r} in {said!r}")


def redis(port, *words):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        request = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
        connection.sendall(request.encode())
        return connection.recv(65536).decode(errors="replace")


def redis_ready(port):
    end = time.monotonic() + PATIENCE
    while "PONG" not in redis(port, "PING"):
        require(time.monotonic() < end, "it does not load")


def redis_load(port):
    for n in range(50):
        answer = redis(port, "SET", f"key{n}", "v" * n)
        require(answer == "+OK\r\n", f"SET: {answer}")
    require(redis(port, "GET", "key7") == "$7\r\nvvvvvvv\r\n", "GET")
    require("PONG" in redis(port, "PING"), "PING")
    require("redis_version" in redis(port, "INFO"), "INFO")
    require(redis(port, "SAVE") == "+OK\r\n", "SAVE")
    require("started" in redis(port, "BGSAVE"), "BGSAVE")
    end = time.monotonic() + PATIENCE
    while "rdb_bgsave_in_progress:0" not in redis(port, "INFO", "persistence"):
        require(time.monotonic() < end, "the background save does not end")
    require("rdb_last_bgsave_status:ok" in redis(port, "INFO", "persistence"), "the background save")
    done = subprocess.run(["redis-benchmark", "-p", str(port), "-n", "2000", "-c", "8", "-q", "-t",
                           "set,get,lpush"], capture_output=True, text=True, timeout=PATIENCE,
                          check=False)
    require(done.returncode == 0 and "GET:" in done.stdout, done.stdout + done.stderr)


def redis_is_recorded_and_runs(case):
    port, flags = ports.free_port(), ("--volume", case.path("store") + ":/data")
    program = ("redis-server", "--port", str(port), "--dir", "/data", "--save", "",
               "--appendonly", "yes", "--enable-debug-command", "no")
    for recording in (True, False):
        server = case.start(recording, *program, flags=flags)
        try:
            case.wait_for_port(server, port)
            redis_ready(port)
            redis_load(port)
            if not recording:
                redis_denied(case, port)
                require(redis(port, "DBSIZE") != ":0\r\n", "it forgot")
            case.stop(server)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()
        if recording:
            text = case.text()
            require(f"{{listen: {port}, class: plain}}" in text, text)
            require('mount: "/data"' in text and "SECRET_OF" not in text, text)
            require(re.search(r'redis-check-rdb", class: authenticated|redis-server", class: '
                              r'authenticated', text), text)
            require("/usr/lib/x86_64-linux-gnu\", class: host" not in text, text)


def redis_denied(case, port):
    """It never connected anywhere while it was recorded."""
    require(redis(port, "REPLICAOF", "127.0.0.1", "9") == "+OK\r\n", "REPLICAOF")
    end = time.monotonic() + PATIENCE
    while "explain: denied connecting to 127.0.0.1:9 (tcp)" not in case.said():
        require(time.monotonic() < end, f"nothing is explained: {case.said()[-3000:]}")
        redis(port, "PING")
    require(redis(port, "REPLICAOF", "NO", "ONE") == "+OK\r\n", "REPLICAOF NO ONE")


NGINX = """daemon off; master_process on; worker_processes 2; pid %(dir)s/run/nginx.pid;
error_log %(dir)s/run/error.log;
events { worker_connections 64; }
http {
  access_log %(dir)s/run/access.log;
  client_body_temp_path %(dir)s/run/body; proxy_temp_path %(dir)s/run/proxy;
  fastcgi_temp_path %(dir)s/run/f; uwsgi_temp_path %(dir)s/run/u; scgi_temp_path %(dir)s/run/s;
  server { listen 127.0.0.1:%(port)d; root %(dir)s/www; location /up { proxy_pass http://127.0.0.1:%(up)d; } }
}
"""


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def nginx_load(port, upstream):
    for _ in range(20):
        require(get(port, "/index.html").endswith(b"front page"), "the page")
        require(b"404 Not Found" in get(port, "/missing"), "what is missing")
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", upstream))
        server.listen()
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(b"GET /up HTTP/1.0\r\n\r\n")
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nup")
            answer = b""
            while part := client.recv(65536):
                answer += part
        require(answer.endswith(b"up"), f"the proxy: {answer}")


def nginx_is_recorded_and_runs(case):
    port, upstream = ports.free_port(), ports.free_port()
    os.makedirs(case.path("run"))
    os.makedirs(case.path("www"))
    for folder in (case.scratch, case.path("run"), case.path("www")):
        os.chmod(folder, 0o777)
    for name, content in (("www/index.html", "front page"), ("www/other.html", "not recorded"),
                          ("nginx.conf", NGINX % {"dir": case.scratch, "port": port, "up": upstream})):
        with open(case.path(name), "w", encoding="utf-8") as file:
            file.write(content)
    program = ("nginx", "-p", case.scratch, "-c", case.path("nginx.conf"), "-e", case.path("run/error.log"))
    for recording in (True, False, False):
        server = case.start(recording, *program)
        try:
            case.wait_for_port(server, port)
            nginx_load(port, upstream)
            other = get(port, "/other.html") if not recording else b""
            case.stop(server)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()
        if recording:
            text = case.text()
            require(f"{{listen: {port}, class: plain}}" in text, text)
            require(f'{{connect: "127.0.0.1:{upstream}", class: plain}}' in text, text)
            require(f'"{case.path("www/index.html")}", class: authenticated' in text, text)
            denied = None
        elif denied is None:
            denied = other
            require(b"403 Forbidden" in other, f"not denied: {other}")
            case.add(case.said(), "www/other.html")
        else:
            require(other.endswith(b"not recorded"), f"still denied: {other} {case.said()}")


SCRIPT = """
import os, socket, subprocess, sys, tempfile
print(open("input").read(), os.environ.get("GIVEN"), sys.argv[1:], os.getcwd() == sys.argv[1])
with tempfile.NamedTemporaryFile() as f:
    f.write(b"x"); print(os.path.exists(f.name))
open("output", "w").write("out")
print(subprocess.check_output(["/bin/sh", "-c", "echo child"]))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); print(u.sendto(b"x", ("127.0.0.1", 9)))
a = socket.socket(socket.AF_UNIX); a.bind("\\0" + sys.argv[2]); a.listen()
b = socket.socket(socket.AF_UNIX); b.connect("\\0" + sys.argv[2]); print("connected")
def attempt(f):
    try:
        print(f())
    except OSError as e:
        print(type(e).__name__)
if len(sys.argv) > 3 or os.path.exists("output2"):
    attempt(lambda: open("other").read())
    attempt(lambda: socket.create_connection(("127.0.0.1", 7)))
"""


def a_script_with_children_comes_round(case):
    for name, content in (("input", "in"), ("other", "other content"), ("script.py", SCRIPT)):
        with open(case.path(name), "w", encoding="utf-8") as file:
            file.write(content)
    program = ("/usr/bin/python3", "-S", "script.py", case.scratch, "name-" + str(os.getpid()))
    os.mkdir(case.path("tmp"))
    first = case.run(True, *program,
                     flags=("--env", "GIVEN=yes", "--env=TMPDIR=" + case.path("tmp")))
    require(first.returncode == 0 and "connected" in first.stdout, first.stdout + first.stderr)
    second = case.run(False, *program)
    require(second.stdout == first.stdout and second.returncode == 0,
            f"{first.stdout} {second.stdout} {second.stderr} {case.text()}")
    # Now it does what it did not do then.
    text = case.text()
    with open(case.path("output2"), "w", encoding="utf-8") as file:
        file.write("")
    with open(case.policy, "w", encoding="utf-8") as file:
        file.write(text.replace("files:\n", f'files:\n  - {{path: "{case.path("output2")}", class: host}}\n'))
    third = case.run(False, *program)
    require(third.stdout == first.stdout + "PermissionError\nPermissionError\n", third.stdout)
    case.add(third.stderr, '/other"')
    case.add(third.stderr, "127.0.0.1:7 (tcp)")
    fourth = case.run(False, *program)
    require(fourth.stdout == first.stdout + "other content\nConnectionRefusedError\n",
            fourth.stdout + fourth.stderr)
    # What was read is fixed: the host may not change it.
    with open(case.path("input"), "w", encoding="utf-8") as file:
        file.write("IN")
    fifth = case.run(False, *program)
    require("IN" not in fifth.stdout, f"changed input was read: {fifth.stdout}")


def every_child_of_vfork_is_the_program_it_names(case):
    """dash makes its children by vfork(): each reads and verifies what its parent never opened."""
    script = "".join(f"/bin/echo {n}; /bin/cat {case.path('a-file')}; " for n in range(4))
    with open(case.path("a-file"), "w", encoding="utf-8") as file:
        file.write("verified\n")
    for recording in (True, False):
        done = case.run(recording, "/bin/dash", "-c", script)
        require(done.stdout == "".join(f"{n}\nverified\n" for n in range(4)),
                f"recording={recording}: {done.stdout!r} {done.stderr}")
    require(case.text().count("class: authenticated") >= 4, case.text())


def mistakes_and_exit_codes(case):
    done = case.run(True, "sh", "-c", "exit 42")
    require(done.returncode == 42 and os.path.exists(case.policy), done.stderr)
    done = case.run(True, "sh", "-c", "kill -9 $$")
    require(done.returncode == 128 + 9, f"{done.returncode}")
    os.unlink(case.policy)
    done = case.run(True, "/nonexistent/program")
    require(done.returncode == 127 and not os.path.exists(case.policy), done.stderr)
    for words in (["--record"], ["--record", "--", "true"], ["--record", "x", "--policy", "y", "true"],
                  ["--record", case.path("p")]):
        done = subprocess.run([COFFER, "run", *words], capture_output=True, text=True, check=False)
        require(done.returncode == 2 and len(done.stderr.strip().split("\n")) == 1,
                f"{words}: {done.returncode} {done.stderr}")
    done = case.run(True, "true", flags=("--stats",))
    require(done.returncode == 0 and "stats: " in done.stderr, done.stderr)


TESTS = [redis_is_recorded_and_runs, nginx_is_recorded_and_runs, a_script_with_children_comes_round, every_child_of_vfork_is_the_program_it_names,
         mistakes_and_exit_codes]


def main():
    wanted = sys.argv[2:]
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        scratch = os.path.realpath(tempfile.mkdtemp(prefix="coffer-record-"))
        try:
            test(Case(scratch))
            verdict = "ok"
        except (Failed, subprocess.TimeoutExpired, OSError, ValueError, IndexError) as why:
            print("# " + repr(why)[:6000].replace("\\n", "\n# "))
            verdict = "not ok"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        print(f"{verdict} {number} - {test.__name__}", flush=True)


main()
