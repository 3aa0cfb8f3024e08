#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The document server and SQLite inside the box, a model of an enclave's boundary: what they do is
what they do outside, and no host call broke a rule. See src/platform/box/box.h.

    box.py COFFER_RUNTIME_BOX COFFER_DMS GUEST_THREADS NET_ECHO
"""
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

import dms_server
import ports
import tap

BOX, DMS, THREADS, ECHO = (os.path.abspath(argument) for argument in sys.argv[1:5])
HERE = os.path.dirname(os.path.abspath(__file__))
BROKEN = 121  # a process that broke a rule ends with this status
PATIENCE = 120


class Box:
    """A directory with a volume and the reports of what ran in the box there."""

    def __init__(self, place):
        self.place, self.report = place, place + "/report"
        self.flags = ["--volume", place + "/volume:/data"]
        self.environment = {"PATH": os.environ["PATH"], "HOME": place,
                            "COFFER_STATE": place + "/state", "COFFER_BOX_REPORT": self.report}

    def command(self, *program, flags=None):
        return [BOX, *(self.flags if flags is None else flags), "--", *program]

    def run(self, *program, flags=None, text=None):
        return subprocess.run(self.command(*program, flags=flags), input=text, text=True,
                              capture_output=True, timeout=PATIENCE, env=self.environment,
                              check=False)

    def judged(self, most_refused=()):
        """Every process reported, none broke a rule, and only these calls were refused."""
        with open(self.report, encoding="utf-8") as file:
            report = file.read()
        os.remove(self.report)
        ends = re.findall(r"^box: calls (\d+), .* violations (\d+)$", report, re.M)
        tap.true(ends, f"a report was written: {report!r}")
        tap.equal([violations for _, violations in ends if violations != "0"], [], report)
        tap.true(min(int(calls) for calls, _ in ends) > 50, "the calls went through the box")
        refused = set(re.findall(r"^box: refused (\w+)", report, re.M))
        tap.true(refused <= set(most_refused), f"refused {refused}")
        return report


@contextlib.contextmanager
def box():
    with tempfile.TemporaryDirectory(prefix="coffer-box-") as place:
        yield Box(place)


def ended_well(done):
    tap.equal(done.returncode, 0, done.stderr)
    return done.stdout


SCRIPT = """
pragma journal_mode={mode};
create table t(id integer primary key, v text);
insert into t(v) select 'row ' || value from (
  with recursive c(value) as (select 1 union all select value+1 from c where value<2000)
  select value from c);
begin; delete from t; rollback;
update t set v = v || hex(zeroblob(400)) where id % 3 = 0;
select count(*), sum(length(v)) from t;
create virtual table f using fts5(body); insert into f select v from t;
select count(*) from f where f match '1999';
pragma integrity_check;
"""


@tap.test
def sqlite_says_in_the_box_what_it_says_natively(place):
    for mode in ("delete", "truncate", "persist", "memory", "wal"):
        text = SCRIPT.format(mode=mode)
        if mode == "wal":  # its index would be memory shared with the host
            text = "pragma locking_mode=exclusive;" + text
        natively = subprocess.run(["sqlite3", ":memory:" if mode == "memory" else
                                   f"{place.place}/{mode}.db"], input=text, text=True,
                                  capture_output=True, timeout=PATIENCE, check=False)
        name = ":memory:" if mode == "memory" else f"/data/{mode}.db"
        tap.equal(ended_well(place.run("sqlite3", name, text=text)), ended_well(natively), mode)
        if mode != "memory":
            again = "pragma locking_mode=exclusive; select count(*) from t; pragma integrity_check;"
            tap.equal(ended_well(place.run("sqlite3", name, again)), "exclusive\n2000\nok\n", mode)
    place.judged(most_refused=["mmap"])


PYTHON = """
import hashlib, os, sqlite3, threading
def work(i):
    d = sqlite3.connect("/data/threads.db", timeout=60)
    for n in range(20):
        with d: d.execute("insert into t values(?,?)", (i, n))
    d.close()
d = sqlite3.connect("/data/threads.db"); d.execute("create table t(a,b)"); d.commit()
ts = [threading.Thread(target=work, args=(i,)) for i in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]
print(d.execute("select count(*), count(distinct a*100+b) from t").fetchone())
big = os.urandom(5 << 20)
with open("/data/big", "wb") as f: f.write(big)
with open("/data/big", "rb") as f: print(hashlib.sha256(f.read()).digest() == hashlib.sha256(big).digest())
with open("host", "wb") as f: f.write(big)
with open("host", "rb") as f: print(f.read() == big)
try:
    os.fork()
except OSError as e:
    print(e.errno)
"""


@tap.test
def threads_and_large_transfers_of_python_work_and_fork_is_refused(place):
    flags = ["--cwd", place.place, *place.flags]
    out = ended_well(place.run("/usr/bin/python3", "-c", PYTHON, flags=flags))
    tap.equal(out.split("\n")[:4], ["(80, 80)", "True", "True", "38"])
    place.judged(most_refused=["mmap"])


@tap.test
def a_program_of_many_threads_prints_what_it_prints_natively(place):
    natively = subprocess.run([THREADS], capture_output=True, text=True, timeout=PATIENCE,
                              check=True)
    tap.equal(ended_well(place.run(THREADS, flags=[])), natively.stdout)
    place.judged(most_refused=["mmap"])


class Documents(dms_server.Server):
    """coffer-dms in the box, its data on the volume, TLS on its port."""

    def __init__(self, place):
        self.number = str(ports.free_port())
        ca = place.place + "/ca.pem"
        super().__init__(DMS, "/data/dms", "--port", self.number)
        self.log_path = place.place + "/dms.log"
        self.ca = ca
        self.prefix = place.command(flags=[*place.flags, "--tls-listen", self.number,
                                           "--tls-cert-out", ca])
        self.environment.update(place.environment)

    def start(self, must_listen=True):
        super().start(must_listen)
        self.url = "https://localhost:" + self.number
        return self


@tap.test
def the_document_server_has_its_whole_surface_in_the_box(place):
    server = Documents(place)
    try:
        server.start()
        asked = dict(os.environ, COFFER_TEST_URL=server.url, COFFER_TEST_AUTH=server.auth,
                     COFFER_TEST_CA=server.ca)
        done = subprocess.run([sys.executable, HERE + "/dms_rest.py"], env=asked, text=True,
                              capture_output=True, timeout=300, check=False)
        tap.equal((done.returncode, [line for line in done.stdout.split("\n")
                                     if line.startswith("not ok")]), (0, []), done.stdout)
        tap.true(done.stdout.count("\nok ") >= 10, "the surface has many tests")
        tap.equal(server.put("kept.txt", b"kept").status, 201)
        tap.equal(server.stop(), 0, server.logs())
        server.start()
        tap.equal(server.get("kept.txt").body, b"kept")
        tap.equal(server.stop(), 0, server.logs())
    finally:
        server.close()
    place.judged(most_refused=["mmap"])


def echoed(command, port, environment, wrap):
    """What the server of net_echo.c answers to some lines; it is killed then."""
    with subprocess.Popen(command, env=dict(environment, PORT=port),
                          stdout=subprocess.PIPE) as process:
        try:
            tap.true(process.stdout.readline() != b"", "the server is ready")
            got = b""
            with wrap(socket.create_connection(("127.0.0.1", int(port)), timeout=20)) as s:
                for size in (1, 100, 5000):
                    s.sendall(b"x" * size + b"\n")
                    while not got.endswith(b"\n"):
                        got += s.recv(65536)
                    got += b"."
            return got
        finally:
            process.send_signal(signal.SIGKILL)


@tap.test
def servers_behind_tls_answer_from_the_box_as_natively(place):
    ca = place.place + "/ca.pem"
    for way in ("epoll-level", "epoll-edge", "epoll-oneshot", "poll", "select", "threads"):
        port = str(ports.free_port())
        flags = ["--tls-listen", port, "--tls-cert-out", ca]
        natively = echoed([ECHO, way], str(ports.free_port()), os.environ, lambda s: s)
        tap.equal(echoed(place.command(ECHO, way, flags=flags), port, place.environment,
                         lambda s: ssl.create_default_context(cafile=ca).wrap_socket(
                             s, server_hostname="localhost")), natively, way)


@tap.test
def what_breaks_a_rule_is_counted_and_ends_with_its_status(place):
    text = "import fcntl\ntry: fcntl.ioctl(0, 0x1234abcd, b'x' * 8)\nexcept OSError as e: print(e.errno)"
    done = place.run("/usr/bin/python3", "-c", text, flags=[])
    tap.equal((done.returncode, done.stdout), (BROKEN, "25\n"), done.stderr)
    with open(place.report, encoding="utf-8") as file:
        report = file.read()
    tap.true("box: no shape ioctl 1\n" in report, report)
    tap.true(report.endswith("violations 1\n"), report)


tap.main(box)
