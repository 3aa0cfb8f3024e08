#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, again and again, with SQLite and with redis's append-only file on a volume:
nothing that was acknowledged is missing, and nothing is damaged.

    volume_kills.py COFFER_RUNTIME COFFER [KILLS]
"""
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import tap

RUNTIME, COFFER = map(os.path.abspath, sys.argv[1:3])
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 50
SEED = int(os.environ.get("COFFER_TEST_SEED", random.randrange(1 << 30)))
RANDOM = random.Random(SEED)
SQLITE = r"""
import os, sqlite3, sys
db = sqlite3.connect("/data/x.db")
db.execute("pragma journal_mode=" + sys.argv[1])
db.execute("pragma synchronous=extra")
db.execute("create table if not exists t(n integer primary key, text)")
rows, last = db.execute("select count(*), coalesce(max(n), 0) from t").fetchone()
assert db.execute("pragma quick_check").fetchone()[0] == "ok"
os.write(1, b"%d %d\n" % (rows, last))
n = last
while True:
    n += 1
    db.execute("insert into t values(?, ?)", (n, "x" * (n * 37 % 3000)))
    db.commit()
    os.write(1, b"%d\n" % n)
"""


class Host:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="coffer-kills-")
        self.environment = dict(os.environ, COFFER_STATE=os.path.join(self.root, "state"),
                                HOME=self.root)

    def start(self, volume, *words, **options):
        return subprocess.Popen(
            [RUNTIME, "--volume", f"{os.path.join(self.root, volume)}:/data", "--", *words],
            env=self.environment, start_new_session=True, **options)

    def kill(self, process):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def check(self, volume):
        result = subprocess.run([COFFER, "volume", "check", os.path.join(self.root, volume)],
                                env=self.environment, capture_output=True, text=True, check=False)
        tap.equal(result.returncode, 0, result.stdout + result.stderr)


@contextlib.contextmanager
def fixture():
    host = Host()
    try:
        yield host
    finally:
        shutil.rmtree(host.root, ignore_errors=True)


@tap.test
def sqlite_misses_nothing(host):
    print(f"# seed {SEED}, {KILLS // 2} kills", flush=True)
    acknowledged = 0
    for round_number in range(KILLS // 2):
        process = host.start("sqlite", "/usr/bin/python3", "-c", SQLITE,
                             "wal" if round_number % 2 else "delete", stdout=subprocess.PIPE)
        rows, last = map(int, process.stdout.readline().split())
        tap.true(last >= acknowledged and rows == last,
                 f"round {round_number}: {rows} rows, newest {last}; acknowledged {acknowledged}")
        for _ in range(RANDOM.randrange(1, 40)):
            acknowledged = int(process.stdout.readline())
        host.kill(process)
        # What was acknowledged between the last line read and the kill counts, too.
        for line in process.stdout.read().splitlines(keepends=True):
            if line.endswith(b"\n"):
                acknowledged = int(line)
        if round_number % 10 == 0:
            host.check("sqlite")
    host.check("sqlite")


class Redis:
    def __init__(self, host):
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        self.process = host.start(
            "redis", "/usr/bin/redis-server", "--port", str(self.port), "--dir", "/data", "--save",
            "", "--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning",
            stdout=subprocess.DEVNULL)
        self.socket = tap.until(self.connect, "redis answers", 60)
        self.file = self.socket.makefile("rb")

    def connect(self):
        if self.process.poll() is not None:
            raise AssertionError(f"redis ended with {self.process.returncode}")
        try:
            connection = socket.create_connection(("127.0.0.1", self.port), 10)
        except OSError:
            return None
        connection.sendall(b"PING\r\n")
        answer = connection.recv(100)
        if answer.startswith(b"+PONG"):
            return connection
        connection.close()
        return None

    def call(self, *words):
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%s\r\n" % (len(w), w) for w in words]
        self.socket.sendall(b"".join(parts))
        line = self.file.readline()
        if line.startswith(b"$"):
            size = int(line[1:])
            return self.file.read(size + 2)[:-2] if size >= 0 else None
        return line[1:].strip()


@tap.test
def redis_misses_nothing(host):
    acknowledged = 0
    for round_number in range(KILLS - KILLS // 2):
        redis = Redis(host)
        try:
            newest = int(redis.call(b"LLEN", b"list"))
            tap.true(newest >= acknowledged,
                     f"round {round_number}: {newest} entries; acknowledged {acknowledged}")
            for n in range(newest, newest + RANDOM.randrange(1, 60)):
                acknowledged = int(redis.call(b"RPUSH", b"list", b"%d" % n + b"y" * (n * 53 % 900)))
            tap.true(redis.call(b"LINDEX", b"list", b"0").startswith(b"0"), "the first is there")
        finally:
            host.kill(redis.process)
            redis.socket.close()
    host.check("redis")


if __name__ == "__main__":
    tap.main(fixture)
