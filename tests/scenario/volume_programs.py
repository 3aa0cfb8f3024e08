#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Unmodified programs that keep their data on an encrypted volume: SQLite, Redis, bash, Python; what
they acknowledged survives kill -9, and the host's directory holds no plaintext."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import ports

RUNTIME = sys.argv[1]
MARK = "plaintext-mark-4711"
PATIENCE = 60


class Failed(Exception):
    """What was expected did not happen."""


def require(condition, what):
    if not condition:
        raise Failed(what)


class Skipped(Exception):
    """The program is not installed."""


def need(program):
    if not shutil.which(program):
        raise Skipped("no " + program)


class Volume:
    """A volume's directory on the host, and programs that run with it as /data."""

    def __init__(self, scratch, name):
        self.store = os.path.join(scratch, name)
        self.env = dict(os.environ, HOME=scratch, COFFER_STATE=os.path.join(scratch, "state"))

    def command(self, *program):
        return [RUNTIME, "--volume", self.store + ":/data", "--", *program]

    def run(self, *program, text=None):
        done = subprocess.run(self.command(*program), input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE, text=True, env=self.env,
                              check=False)
        require(done.returncode == 0, f"{program[0]} ended {done.returncode}: {done.stderr[-500:]}")
        return done.stdout

    def start(self, *program, **streams):
        return subprocess.Popen(self.command(*program), text=True, env=self.env,
                                start_new_session=True, **streams)

    def holds_no_plaintext(self):
        needles = [MARK.encode(), b"SQLite format 3", b"file-name-mark", b"REDIS0"]
        for folder, _, names in os.walk(self.store):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    content = file.read()
                for needle in needles:
                    require(needle not in content, f"{needle!r} stands in {name}")
                    require(needle.decode() not in name, f"{needle!r} is the name of {name}")


def kill_all(process):
    """The whole family at once, as a crash of the machine would, but for the volume server, which
    has a session of its own and notices by itself."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def sqlite_journal_modes(volume):
    need("sqlite3")
    for mode in ("delete", "wal"):
        out = volume.run("sqlite3", f"/data/{mode}-file-name-mark.db", text=f"""
            pragma journal_mode={mode};
            create table t(id integer primary key, v text);
            insert into t(v) select '{MARK}' || value from (
              with recursive c(value) as (select 1 union all select value+1 from c where value<500)
              select value from c);
            begin; delete from t; rollback;
            select count(*) from t; pragma integrity_check;""")
        require(out.split() == [mode, "500", "ok"], out)
        again = volume.run("sqlite3", f"/data/{mode}-file-name-mark.db",
                           "select count(*) from t; pragma integrity_check;")
        require(again.split() == ["500", "ok"], again)
    volume.holds_no_plaintext()


WRITERS = """
import os, sqlite3, sys
mode = sys.argv[1]
path = "/data/several-" + mode + ".db"
d = sqlite3.connect(path, timeout=30)
d.execute("pragma journal_mode=" + mode)
d.execute("create table t(who, n, v)")
d.commit()
d.close()
children = []
for who in range(3):
    pid = os.fork()
    if pid == 0:
        d = sqlite3.connect(path, timeout=30)
        for n in range(40):
            with d:
                d.execute("insert into t values(?,?,?)", (who, n, "x" * 300))
        d.close()
        os._exit(0)
    children.append(pid)
print(sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children))
d = sqlite3.connect(path, timeout=30)
print(d.execute("select count(*), count(distinct who*1000+n) from t").fetchone())
print(d.execute("pragma integrity_check").fetchone()[0])
"""


def sqlite_several_processes(volume):
    for mode in ("delete", "wal"):
        out = volume.run("/usr/bin/python3", "-c", WRITERS, mode)
        require(out.split("\n")[:3] == ["0", "(120, 120)", "ok"], f"{mode}: {out}")


ACKNOWLEDGE = """
import sqlite3, sys
d = sqlite3.connect("/data/killed-" + sys.argv[1] + ".db", timeout=30)
d.execute("pragma journal_mode=" + sys.argv[1])
# With a rollback journal the commit is an unlink, which "full" does not make durable.
d.execute("pragma synchronous=" + ("extra" if sys.argv[1] == "delete" else "full"))
d.execute("create table if not exists t(n integer primary key, v)")
start = d.execute("select coalesce(max(n), 0) from t").fetchone()[0]
for n in range(start + 1, start + 100000):
    with d:
        d.execute("insert into t values(?, ?)", (n, str(n) * 50))
    print(n, flush=True)
"""


def kill_under_load(volume):
    need("sqlite3")
    for mode in ("delete", "wal"):
        acknowledged = 0
        for wanted in (25, 40, 7):
            process = volume.start("/usr/bin/python3", "-c", ACKNOWLEDGE, mode,
                                   stdout=subprocess.PIPE)
            for _ in range(wanted):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split()
            acknowledged = int(rest[-1]) if rest else acknowledged
            process.wait()
            out = volume.run("sqlite3", f"/data/killed-{mode}.db",
                             "select max(n), count(*), sum(v = replace(hex(zeroblob(25)),'00',n)) "
                             "from t; pragma integrity_check;")
            newest, count, _ = (out.split()[0].split("|") + ["", ""])[:3]
            require(int(newest) >= acknowledged and newest == count,
                    f"{mode}: acknowledged {acknowledged}, found {out}")
            require(out.split()[1] == "ok", out)


def redis_command(port, *words):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        request = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
        connection.sendall(request.encode())
        return connection.recv(65536).decode()


def redis_start(volume, port):
    server = volume.start("redis-server", "--port", str(port), "--dir", "/data", "--appendonly",
                          "yes", "--appendfsync", "always", "--save", "", "--enable-debug-command",
                          "no", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = []
    for line in server.stdout:
        said.append(line)
        if "Ready to accept connections" in line:
            return server
    raise Failed("redis-server did not start: " + "".join(said[-5:]))


def info_of(port, section, name):
    for line in redis_command(port, "INFO", section).split("\r\n"):
        if line.startswith(name + ":"):
            return line.split(":")[1]
    return None


def wait_for(port, name, value):
    end = time.monotonic() + PATIENCE
    while info_of(port, "persistence", name) != value:
        require(time.monotonic() < end, f"{name} is not {value}")


def redis_append_only(volume):
    need("redis-server")
    port = ports.free_port()
    server = redis_start(volume, port)
    try:
        for n in range(200):
            require(redis_command(port, "SET", f"key{n}", f"{MARK}-{n}") == "+OK\r\n", "SET")
        require("started" in redis_command(port, "BGREWRITEAOF"), "BGREWRITEAOF")
        wait_for(port, "aof_rewrite_in_progress", "0")
        require(info_of(port, "persistence", "aof_last_bgrewrite_status") == "ok", "rewrite failed")
        require("started" in redis_command(port, "BGSAVE"), "BGSAVE")
        wait_for(port, "rdb_bgsave_in_progress", "0")
        require(info_of(port, "persistence", "rdb_last_bgsave_status") == "ok", "save failed")
        for n in range(200, 230):
            require(redis_command(port, "SET", f"key{n}", f"{MARK}-{n}") == "+OK\r\n", "SET")
    finally:
        kill_all(server)
    server = redis_start(volume, port)
    try:
        require(redis_command(port, "DBSIZE") == ":230\r\n", "keys are missing after kill -9")
        require(MARK + "-229" in redis_command(port, "GET", "key229"), "the last key is old")
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE)
    volume.holds_no_plaintext()


def bash_pipelines(volume):
    out = volume.run("bash", "-c", f"""
        cd /data && mkdir -p file-name-mark/deep && cd file-name-mark
        for i in $(seq 20); do echo "{MARK} $i" >> log; done
        sort -rn -k2 log | tee sorted | head -1
        wc -l < sorted
        (echo sub; pwd) > out; cat out
        exec 7<>seven; echo via7 >&7; cat seven
        cat <<X
here $(grep -c {MARK} sorted)
X
        cp -a ../file-name-mark ../copy && diff -r ../copy . && echo same
        (cat & echo x > deep/y; wait) < out > both; wc -l < both
        ls deep; rm -rf deep; test -e deep || echo gone""")
    require(out.split("\n")[:-1] == [f"{MARK} 20", "20", "sub", "/data/file-name-mark", "via7",
                                     "here 20", "same", "2", "y", "gone"], out)
    require(volume.run("bash", "-c", "cat /data/copy/log | wc -l").strip() == "20", "not kept")
    volume.holds_no_plaintext()


PYTHON = """
import os, shutil, subprocess, threading, tempfile
os.chdir("/data"); os.makedirs("p/q")
def work(i):
    for k in range(50):
        with open(f"p/t{i}-{k}", "w") as f:
            f.write(str(k) * 1000)
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(os.listdir("p")), sum(e.stat().st_size for e in os.scandir("p") if e.is_file()))
shutil.copytree("p", "p2"); shutil.rmtree("p"); print(os.path.exists("p"), len(os.listdir("p2")))
print(subprocess.check_output("cat p2/t1-7 | wc -c; pwd", shell=True, cwd="/data/p2/..").split())
print(subprocess.run(["cat"], stdin=open("p2/t0-1"), stdout=open("catted", "w")).returncode,
      os.path.getsize("catted"))
with tempfile.TemporaryFile(dir="/data") as f:
    f.write(b"t" * 100000); f.seek(0); print(len(f.read()))
"""


def python_files(volume):
    out = volume.run("/usr/bin/python3", "-c", PYTHON)
    require(out.split("\n")[:-1] == ["201 360000", "False 201", "[b'1000', b'/data']", "0 1000",
                                     "100000"], out)


FAMILY = """
import fcntl, mmap, os, random, signal, sys
os.chdir("/data")
def work(seed):
    r = random.Random(seed)
    for _ in range(200):
        folder = f"d{r.randrange(4)}"
        os.makedirs(folder, exist_ok=True)
        name = f"{folder}/f{r.randrange(20)}"
        try:
            what = r.randrange(8)
            if what == 0:
                open(name, "ab").write(os.urandom(r.randrange(300000)))
            elif what == 1:
                open(name, "rb").read()
            elif what == 2:
                os.unlink(name)
            elif what == 3:
                os.rename(name, f"{folder}/g{r.randrange(20)}")
            elif what == 4:
                os.listdir(folder)
            elif what == 5:
                fd = os.open(name, os.O_RDWR | os.O_CREAT)
                os.ftruncate(fd, 65536)
                with mmap.mmap(fd, 65536) as m:
                    m[r.randrange(65000)] = 1
                os.close(fd)
            elif what == 6:
                fd = os.open(name, os.O_RDWR | os.O_CREAT)
                fcntl.lockf(fd, fcntl.LOCK_EX)
                os.pwrite(fd, b"x" * 1000, 0)
                os.close(fd)
            else:
                pid = os.fork()
                if pid == 0:
                    os.stat(".")
                    os._exit(0)
                os.waitpid(pid, 0)
        except FileNotFoundError:
            pass
    os._exit(0)
def begin(seed):
    pid = os.fork()
    if pid == 0:
        work(seed)
    return pid
members = [begin(seed) for seed in range(6)]
for turn in range(8):
    victim = members.pop(0)
    begun = os.fork()
    if begun == 0:
        os.listdir(".")
        os._exit(0)
    os.waitpid(begun, 0)
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    members.append(begin(100 + turn))
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in members])
"""


def killed_members_leave_nothing_behind(volume):
    out = volume.run("/usr/bin/python3", "-c", FAMILY)
    require(out.strip() == str([0] * 6), out)
    require(volume.run("du", "-s", "/data").split()[1] == "/data", "cannot be read again")


UNSYNCED = """
import mmap, os, signal
m = os.open("/data/mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(m, 8192)
shared = mmap.mmap(m, 8192)
if os.fork() == 0:
    signal.pause()
for n in range(300):
    with open("/data/unsynced", "ab") as f:
        f.write(b"line %d\\n" % n)
shared[5000:5006] = b"mapped"
os.rename("/data/unsynced", "/data/renamed")
print("written", flush=True)
signal.pause()
"""


def a_family_that_is_killed_loses_no_write(volume):
    """As on Linux: what write() has taken is not the process's any more, synced or not."""
    process = volume.start("/usr/bin/python3", "-c", UNSYNCED, stdout=subprocess.PIPE)
    require(process.stdout.readline() == "written\n", "it did not write")
    kill_all(process)
    out = volume.run("bash", "-c", "wc -l < /data/renamed; tail -1 /data/renamed; "
                     "test -e /data/unsynced || echo gone; dd if=/data/mapped bs=1000 skip=5 count=1 "
                     "status=none | head -c 6")
    require(out == "300\nline 299\ngone\nmapped", out)


ENDED = """
import os, signal, sys, threading
number = getattr(signal, "SIG" + sys.argv[1])
if signal.getsignal(number) == signal.SIG_IGN:
    signal.signal(number, signal.SIG_DFL)
f = os.open("/data/" + sys.argv[1], os.O_CREAT | os.O_WRONLY)
os.write(f, b"x" * 100)
if sys.argv[2] == "busy":
    threading.Thread(target=lambda: [os.pwrite(f, b"y", 50) for _ in iter(int, 1)],
                     daemon=True).start()
os.kill(os.getpid(), number)
signal.pause()
"""


def a_signal_that_ends_a_program_loses_no_write(volume):
    for how in ("idle", "busy"):
        for name in ("TERM", "HUP", "SEGV", "ABRT", "USR1", "RTMIN", "ALRM"):
            process = volume.start("/usr/bin/python3", "-c", ENDED, name, how)
            try:
                code = process.wait(timeout=PATIENCE)
            finally:
                process.kill()
            require(code == -getattr(signal, "SIG" + name), f"{name} ended it with {code}")
            out = volume.run("sh", "-c", f"wc -c < /data/{name}; rm /data/{name}")
            require(out == "100\n", f"{name}: {out}")


def a_volume_has_a_device_number_of_its_own(volume):
    """The same in each process and after a restart; another volume has another."""
    numbers = set(volume.run("bash", "-c", "stat -c %d /data; (stat -c %d /data); "
                             "echo 1 > /data/f; exec stat -c %d /data/f").split())
    require(len(numbers) == 1, f"one volume shows {numbers}")
    require({volume.run("stat", "-c", "%d", "/data").strip()} == numbers, "it has changed")
    other = Volume(os.path.dirname(volume.store), "other")
    require(other.run("stat", "-c", "%d", "/data").strip() not in numbers, "two volumes share it")


TESTS = [sqlite_journal_modes, sqlite_several_processes, kill_under_load, redis_append_only,
         bash_pipelines, python_files, killed_members_leave_nothing_behind,
         a_family_that_is_killed_loses_no_write,
         a_signal_that_ends_a_program_loses_no_write, a_volume_has_a_device_number_of_its_own]


def main():
    print(f"TAP version 13\n1..{len(TESTS)}", flush=True)
    for number, test in enumerate(TESTS, 1):
        scratch = tempfile.mkdtemp(prefix="coffer-volume-")
        skipped = ""
        try:
            test(Volume(scratch, "store"))
            verdict = "ok"
        except (Failed, subprocess.TimeoutExpired, OSError, ValueError, IndexError) as why:
            print("# " + str(why).replace("\n", "\n# "))
            verdict = "not ok"
        except Skipped as why:
            verdict, skipped = "ok", f" # SKIP {why}"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        print(f"{verdict} {number} - {test.__name__}{skipped}", flush=True)


main()
