#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A volume under a real program, and what the host may do to it: changed bytes, missing segments, an
older copy, a full disk, `kill -9`. Each is refused with its place, or harmless; nothing acknowledged
is lost, and no plaintext reaches the host.

    volume_faults.py COFFER_RUNTIME COFFER
"""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import tap

RUNTIME, COFFER = map(os.path.abspath, sys.argv[1:3])
SECRET = "Zwiebelfisch-4711"
INSERT = r"""
import os, sqlite3, sys
db = sqlite3.connect("/data/x.db")
db.execute("pragma journal_mode=wal")
db.execute("pragma synchronous=full")
db.execute("create table if not exists t(n integer primary key, text)")
n = db.execute("select coalesce(max(n), 0) from t").fetchone()[0]
while True:
    n += 1
    db.execute("insert into t values(?, ?)", (n, "x" * 900))
    db.commit()
    os.write(1, b"%d\n" % n)
"""


class Host:
    """A directory with a volume in it, and the user's state beside it."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="coffer-volume-")
        self.volume = os.path.join(self.root, "volume")
        self.environment = dict(os.environ, COFFER_STATE=os.path.join(self.root, "state"),
                                HOME=self.root)

    def command(self, *words):
        return [RUNTIME, "--volume", f"{self.volume}:/data", "--", *words]

    def run(self, *words, **options):
        return subprocess.run(self.command(*words), env=self.environment, capture_output=True,
                              text=True, timeout=60, check=False, **options)

    def sql(self, text):
        return self.run("/usr/bin/sqlite3", "/data/x.db", text)

    def coffer(self, *words):
        return subprocess.run([COFFER, "volume", *words], env=self.environment,
                              capture_output=True, text=True, timeout=60, check=False)

    def segments(self):
        return sorted(name for name in os.listdir(self.volume) if len(name) == 16)

    def must(self, result):
        tap.equal(result.returncode, 0, f"exit status ({result.stderr.strip()})")
        return result.stdout

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


@contextlib.contextmanager
def fixture():
    host = Host()
    try:
        host.must(host.sql(f"create table notes(t); insert into notes values('{SECRET}');"))
        yield host
    finally:
        host.remove()


@contextlib.contextmanager
def changed(host):
    """The volume may be changed within; afterwards it and the state are as before."""
    copy = os.path.join(host.root, "copy")
    state = os.path.join(host.root, "state")
    shutil.copytree(host.volume, copy)
    shutil.copytree(state, copy + "-state")
    try:
        yield
    finally:
        for have, was in ((host.volume, copy), (state, copy + "-state")):
            shutil.rmtree(have, ignore_errors=True)
            os.rename(was, have)


@tap.test
def a_program_finds_its_files_again(host):
    tap.equal(host.must(host.sql("select t from notes;")).strip(), SECRET)
    tap.true("x.db" in host.must(host.coffer("ls", host.volume)), "coffer volume ls shows x.db")
    tap.true("no damage" in host.must(host.coffer("check", host.volume)), "the check finds nothing")


@tap.test
def no_plaintext_or_name_reaches_the_host(host):
    plain = os.path.join(host.root, "plain")
    with open(plain, "w", encoding="ascii") as file:
        file.write(SECRET)

    def contains(path, text):
        with open(path, "rb") as file:
            return text.encode() in file.read()
    tap.true(contains(plain, SECRET), "the search finds what is there")
    for name in os.listdir(host.volume):
        for text in (SECRET, "x.db", "notes", "SQLite"):
            tap.true(not contains(os.path.join(host.volume, name), text), f"no {text} in {name}")


@tap.test
def a_changed_byte_is_named_and_never_believed(host):
    name = host.segments()[-1]
    path = os.path.join(host.volume, name)
    refused = 0
    with open(path, "rb") as file:
        used = len(file.read().rstrip(b"\0"))
    for at in range(300, used, max(1, used // 12)):
        with changed(host):
            with open(path, "r+b") as file:
                file.seek(at)
                byte = file.read(1)
                file.seek(at)
                file.write(bytes([byte[0] ^ 0x10]))
            check = host.coffer("check", host.volume)
            result = host.sql("select t from notes;")
            wrong = result.returncode == 0 and result.stdout.strip() != SECRET
            tap.true(not wrong, f"byte {at} was noticed or did not matter")
            if check.returncode != 0:
                refused += 1
                tap.true(name in check.stdout + check.stderr or "damage" in check.stdout,
                         f"the damage is named: {check.stdout} {check.stderr}")
    tap.true(refused > 0, "some byte mattered")


@tap.test
def a_deleted_segment_is_refused(host):
    for name in host.segments():
        with changed(host):
            os.remove(os.path.join(host.volume, name))
            result = host.sql("select t from notes;")
            tap.true(result.returncode != 0, f"without {name} nothing runs")
            tap.true("segment" in result.stderr, f"the message says why: {result.stderr}")


@tap.test
def an_older_copy_is_refused(host):
    old = os.path.join(host.root, "old")
    shutil.copytree(host.volume, old)
    host.must(host.sql("insert into notes values('newer');"))
    with changed(host):
        shutil.rmtree(host.volume)
        shutil.copytree(old, host.volume)
        result = host.sql("select t from notes;")
        tap.true(result.returncode != 0 and "old copy" in result.stderr,
                 f"refused with reason: {result.stderr}")
        shutil.rmtree(host.volume)
        os.mkdir(host.volume)
        result = host.sql("select 1;")
        tap.true(result.returncode != 0, f"an emptied directory is no new volume: {result.stdout}")
    tap.equal(host.must(host.sql("select count(*) from notes;")).strip(), "2")


@tap.test
def what_was_acknowledged_survives_kill_9(host):
    for round_number in range(6):
        process = subprocess.Popen(host.command(sys.executable, "-c", INSERT),
                                   env=host.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True)
        last = 0
        for line in process.stdout:
            last = int(line)
            if last % 7 == round_number and last > 10 * (round_number + 1):
                break
        os.killpg(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
        last = int(rest[-1]) if rest else last
        errors = process.stderr.read()
        process.wait()
        tap.true(last > 0, f"rows were written: {errors}")
        rows, most = host.must(host.sql("select count(*), max(n) from t;")).strip().split("|")
        tap.equal(rows, most, "rows without a gap")
        tap.true(int(most) >= last, f"acknowledged {last}, found {most}")
    tap.equal(host.must(host.sql("pragma integrity_check;")).strip(), "ok")


UNSYNCED = r"""
import os, signal, sys
os.write(1, b"ready\n")
sys.stdin.readline()
fd = os.open("/data/unsynced", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
for i in range(500):
    os.write(fd, b"line %d\n" % i)
os.mkdir("/data/made")
if sys.argv[1] == "forked" and os.fork() != 0:
    signal.pause()
os.write(1, b"written\n")
signal.pause()
"""


@tap.test
def what_was_written_without_a_sync_survives_kill_9_a_moment_later(host):
    def seen():
        files = [os.stat(os.path.join(host.volume, name)) for name in os.listdir(host.volume)]
        return [(file.st_ino, file.st_size, file.st_mtime_ns) for file in files]

    looks = []

    def settles(before):
        now = seen()
        if looks and looks[-1] != now:
            looks.clear()
        looks.append(now)
        return now != before and len(looks) > 40

    for kind in ("alone", "forked"):
        process = subprocess.Popen(host.command(sys.executable, "-c", UNSYNCED, kind),
                                   env=host.environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, start_new_session=True)
        tap.equal(process.stdout.readline(), b"ready\n")
        before = seen()
        process.stdin.write(b"go\n")
        process.stdin.flush()
        tap.equal(process.stdout.readline(), b"written\n")
        tap.until(lambda: settles(before), "the host has got it, and gets no more")
        volumes = subprocess.run(["pgrep", "-x", "-P", str(process.pid), "coffer-volumes"],
                                 capture_output=True, text=True, check=False).stdout.split()
        os.killpg(process.pid, signal.SIGKILL)
        for pid in volumes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        process.wait()
        left = host.must(host.run("/bin/sh", "-c",
                                  "tail -1 /data/unsynced; rmdir /data/made; rm /data/unsynced"))
        tap.equal(left, "line 499\n", f"what is left of {kind}")


@tap.test
def a_full_disk_is_an_error_and_deleting_makes_room(host):
    small = os.path.join(host.root, "small")
    os.mkdir(small)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=False,
                      capture_output=True).returncode:
        raise tap.Skip("no right to mount a small file system")
    was, host.volume = host.volume, os.path.join(small, "volume")
    try:
        full = host.run("/bin/sh", "-c", "i=0; while head -c 50000 /dev/zero > /data/f$i; do "
                        "i=$((i+1)); done; rm /data/f*; echo again > /data/g && cat /data/g")
        tap.true("No space left" in full.stderr, f"the program was told: {full.stderr}")
        tap.equal(full.stdout.strip(), "again")
        tap.true("no damage" in host.must(host.coffer("check", host.volume)), "nothing is broken")
    finally:
        host.volume = was
        subprocess.run(["umount", "-l", small], check=False)


tap.main(fixture)
