#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A volume mounted through FUSE, under the programs people run: nothing differs from a local file
system, nothing acknowledged is lost when the mount is killed, and it ends cleanly under load.

    volume_mount.py COFFER RANDOM_FILE [long]
"""
import contextlib
import ctypes
import filecmp
import mmap
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading

import tap

COFFER, RANDOM_FILE = map(os.path.abspath, sys.argv[1:3])
LONG = "long" in sys.argv[3:]
TREE = "/usr" if LONG else "/usr/include"


class Host:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="coffer-mount-")
        self.environment = dict(os.environ, COFFER_STATE=self.path("state"), HOME=self.root)
        self.point = self.path("point")
        os.mkdir(self.point)
        self.must("create", self.path("v"))

    def path(self, *names):
        return os.path.join(self.root, *names)

    def coffer(self, *words):
        return subprocess.run([COFFER, "volume", *words], env=self.environment,
                              capture_output=True, text=True, timeout=300, check=False)

    def must(self, *words):
        result = self.coffer(*words)
        tap.equal(result.returncode, 0, f"status of {words} ({result.stderr})")
        return result.stdout

    def mount(self, *flags):
        self.must("mount", *flags, self.path("v"), self.point)

    def unmount(self):
        self.must("unmount", self.point)

    def check(self):
        tap.true("no damage" in self.must("check", self.path("v")), "the volume is intact")

    @contextlib.contextmanager
    def mounted(self, *flags):
        self.clear()
        self.mount(*flags)
        yield self.point
        self.unmount()
        self.check()

    def foreground(self, *flags):
        """The mount as a child of this process, once it serves."""
        self.clear()
        child = subprocess.Popen(
            [COFFER, "volume", "mount", "--foreground", *flags, self.path("v"), self.point],
            env=self.environment, stderr=subprocess.PIPE)
        tap.until(lambda: os.path.ismount(self.point), "the mount is there")
        return child

    def clear(self):
        """After a test that failed half way."""
        if os.path.ismount(self.point):
            subprocess.run(["umount", "-l", self.point], stderr=subprocess.DEVNULL, check=False)
            tap.until(lambda: self.coffer("df", self.path("v")).returncode == 0, "the mount has ended")

    def remove(self):
        subprocess.run(["umount", "-l", self.point], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.root, ignore_errors=True)


@contextlib.contextmanager
def fixture():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        print("1..0 # SKIP needs root and /dev/fuse")
        sys.exit(0)
    host = Host()
    try:
        yield host
    finally:
        host.remove()


def run(*words, **options):
    result = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    tap.equal(result.returncode, 0, f"status of {words} ({result.stdout[-2000:]}{result.stderr[-2000:]})")
    return result.stdout


def tree_of(top):
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            link = os.readlink(path) if os.path.islink(path) else ""
            size = 0 if os.path.isdir(path) and not link else st.st_size
            found[os.path.relpath(path, top)] = (st.st_mode, st.st_uid, st.st_gid, size, link)
    return found


def same(one, other):
    left, right = tree_of(one), tree_of(other)
    tap.equal(len(right), len(left), "number of names")
    for name, facts in left.items():
        tap.equal(right.get(name), facts, name)
        if os.path.isfile(os.path.join(one, name)) and not facts[4]:
            tap.true(filecmp.cmp(os.path.join(one, name), os.path.join(other, name), shallow=False),
                     f"{name} is the same")


@tap.test
def it_looks_like_a_local_file_system(host):
    with host.mounted():
        base = os.path.join(host.point, "d")
        os.mkdir(base, 0o750)
        path = os.path.join(base, "file")
        with open(path, "w", encoding="utf-8") as file:
            file.write("hello")
            os.unlink(path)
            file.write(" again")
            file.flush()
            tap.equal(os.fstat(file.fileno()).st_nlink, 0, "links of an unlinked file")
            tap.equal(os.fstat(file.fileno()).st_size, 11, "its size")
        with open(path, "w", encoding="utf-8") as file:
            file.write("x")
        os.link(path, path + "2")
        tap.equal(os.stat(path).st_nlink, 2, "links")
        os.symlink("file", os.path.join(base, "link"))
        tap.equal(os.readlink(os.path.join(base, "link")), "file")
        os.setxattr(path, "user.a", b"b" * 5000)
        tap.equal(os.getxattr(path, "user.a"), b"b" * 5000)
        tap.equal(os.listxattr(path), ["user.a"])
        os.utime(path, ns=(1, 1_234_567_890_123_456_789))
        tap.equal(os.stat(path).st_mtime_ns, 1_234_567_890_123_456_789, "nanoseconds")
        os.chmod(base, 0o2775)
        os.chown(base, 0, 1234)
        os.mkdir(os.path.join(base, "sub"))
        sub = os.stat(os.path.join(base, "sub"))
        tap.equal((sub.st_gid, sub.st_mode & 0o2000), (1234, 0o2000), "the group is inherited")
        names = [f"n{i:05d}" for i in range(3000)]
        for name in names:
            os.close(os.open(os.path.join(base, name), os.O_CREAT | os.O_WRONLY))
        tap.equal(sorted(n for n in os.listdir(base) if n.startswith("n")), names, "all names")
        tap.true(os.statvfs(base).f_bavail > 0, "there is space")
        try:
            os.rename(base, os.path.join(base, "sub", "x"))
            raise AssertionError("a directory was moved into itself")
        except OSError:
            pass
    with host.mounted():
        tap.equal(os.stat(os.path.join(base, "file")).st_mtime_ns, 1_234_567_890_123_456_789,
                  "nanoseconds after a remount")
        tap.equal(len(os.listdir(base)), 3004, "names after a remount")


@tap.test
def random_operations_agree_with_memory(host):
    seeds = [random.randrange(1 << 32) for _ in range(20 if LONG else 3)]
    for flags in ((), ("--no-writeback",)):
        with host.mounted(*flags):
            for seed in seeds:
                print(f"# seed {seed} {' '.join(flags)}", flush=True)
                run(RANDOM_FILE, os.path.join(host.point, "random"), str(seed),
                    "20000" if LONG else "2500")


def opened(path, flags, use):
    fd = os.open(path, flags)
    use(fd)
    os.close(fd)


def map_write(fd):
    with mmap.mmap(fd, 3) as memory:
        memory[0] = 121
        memory.flush()


CHANGES = {
    "written": lambda p: opened(p, os.O_WRONLY, lambda fd: os.pwrite(fd, b"y", 0)),
    "truncated": lambda p: os.truncate(p, 1),
    "opened to be empty": lambda p: opened(p, os.O_WRONLY | os.O_TRUNC, lambda fd: None),
    "given room": lambda p: opened(p, os.O_WRONLY, lambda fd: os.posix_fallocate(fd, 0, 5000)),
    "given to its group": lambda p: os.chown(p, -1, 65534),
    "mapped": lambda p: opened(p, os.O_RDWR, map_write),
}


def mode_known(path):
    """What the kernel holds for the mode, without asking for more."""
    record = bytearray(256)
    memory = (ctypes.c_char * len(record)).from_buffer(record)
    at_fdcwd, statx_mode = -100, 2
    tap.equal(ctypes.CDLL(None).statx(at_fdcwd, path.encode(), 0, statx_mode, memory), 0, "statx")
    return int.from_bytes(record[28:30], "little")


def as_user(who, what, path):
    """Does CHANGES[what] to path as that user."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            if who != 0:
                os.setgroups([])
                os.setresgid(who, who, who)
                os.setresuid(who, who, who)
            CHANGES[what](path)
            os._exit(0)
        os._exit(1)
    tap.equal(os.waitpid(pid, 0)[1], 0, f"status of a file being {what}")


@tap.test
def what_gives_rights_goes_as_on_a_local_file_system(host):
    """The kernel leaves this to whoever serves, and does not look before each write."""
    plain = host.path("plain")
    os.mkdir(plain)
    os.chmod(host.root, 0o755)
    cases = [(who, what, mode) for who in (0, 65534) for what in CHANGES
             for mode in (0o4755, 0o6755, 0o2745, 0o755)]
    for flags in ((), ("--no-writeback",)):
        with host.mounted("--allow-other", *flags):
            for who, what, mode in cases:
                modes = []
                for place in (plain, host.point):
                    path = os.path.join(place, "file")
                    with open(path, "wb") as file:
                        file.write(b"abc")
                    os.chown(path, 65534, 65534)
                    os.chmod(path, mode)
                    as_user(who, what, path)
                    modes.append((oct(mode_known(path)), oct(os.stat(path).st_mode)))
                    os.unlink(path)
                tap.equal(modes[1], modes[0], f"{mode:o} after user {who} has it {what} {flags}")


CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


@tap.test
def a_capability_goes_with_the_first_change(host):
    with host.mounted():
        path = os.path.join(host.point, "file")
        for how in CHANGES:
            if how in ("given to its group", "mapped"):
                continue
            for _ in range(2):  # also one that the kernel has looked at before
                with open(path, "ab") as file:
                    file.write(b"abc")
                os.setxattr(path, "security.capability", CAPABILITY)
                as_user(0, how, path)
                tap.equal(os.listxattr(path), [], f"attributes of a file that was {how}")


@tap.test
def a_write_asks_for_nothing_first(host):
    with host.mounted():
        child = subprocess.run(["pgrep", "-f", f"mount .*{host.path('v')}"], capture_output=True,
                               text=True, check=True).stdout.split()[0]

        def reads():
            with open(f"/proc/{child}/io", encoding="ascii") as file:
                return int(file.read().split("syscr:")[1].split()[0])

        fd = os.open(os.path.join(host.point, "file"), os.O_RDWR | os.O_CREAT)
        os.pwrite(fd, bytes(1 << 20), 0)
        before = reads()
        for i in range(1000):
            os.pwrite(fd, b"x", i * 997)
        os.close(fd)
        tap.true(reads() - before < 200, "1000 writes take few requests")


@tap.test
def git_clones_and_finds_nothing_wrong(host):
    with host.mounted():
        source = host.path("source")
        run("git", "init", "-q", source)
        shutil.copytree("/usr/include/linux", os.path.join(source, "tree"), symlinks=True)
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        run("git", "-C", source, "add", ".")
        run("git", "-C", source, *who, "commit", "-qm", "all")
        clone = os.path.join(host.point, "clone")
        run("git", "clone", "-q", "--no-hardlinks", source, clone)
        run("git", "-C", clone, "gc", "-q")
        run("git", "-C", clone, "fsck", "--full", "--strict")
        tap.equal(run("git", "-C", clone, "status", "--porcelain"), "", "changes")


@tap.test
def a_big_tree_comes_back_from_tar(host):
    with host.mounted():
        copy = os.path.join(host.point, "copy")
        os.mkdir(copy)
        tar = subprocess.Popen(["tar", "-C", TREE, "-cf", "-", "."], stdout=subprocess.PIPE)
        run("tar", "-C", copy, "-xpf", "-", stdin=tar.stdout)
        tar.wait()
    with host.mounted():
        same(TREE, copy)
        run("rm", "-rf", copy)


@tap.test
def sqlite_keeps_what_it_acknowledged_when_the_mount_is_killed(host):
    for round_number in range(5 if LONG else 2):
        mount = host.foreground()
        base = sqlite3.connect(os.path.join(host.point, "x.db"))
        base.execute("pragma journal_mode=%s" % ("wal" if round_number % 2 else "delete"))
        # Without `extra` SQLite does not wait for the removal of a journal, which is the commit.
        base.execute("pragma synchronous=extra")
        base.execute("create table if not exists t(n integer primary key, x)")
        first = base.execute("select coalesce(max(n), 0) from t").fetchone()[0]
        for n in range(first + 1, first + 60):
            base.execute("insert into t values(?, ?)", (n, "x" * 900))
            base.commit()
        mount.send_signal(signal.SIGKILL)
        mount.wait()
        with contextlib.suppress(sqlite3.Error):
            base.close()
        host.mount()  # takes the dead one's place
        base = sqlite3.connect(os.path.join(host.point, "x.db"))
        tap.equal(base.execute("pragma integrity_check").fetchone()[0], "ok", "integrity")
        tap.equal(base.execute("select max(n), count(*) from t").fetchone(),
                  (first + 59, first + 59), "rows")
        base.close()
        host.unmount()
        host.check()


@tap.test
def a_signal_ends_it_cleanly_under_load(host):
    mount = host.foreground()
    stop, written, lock = threading.Event(), {}, threading.Lock()

    def load(which):
        count = 0
        while not stop.is_set():
            name = os.path.join(host.point, f"load-{which}-{count % 50}")
            data = bytes([count % 251]) * (4000 + 777 * (count % 40))
            try:
                with open(name, "wb") as file:
                    file.write(data)
            except OSError:
                return
            with lock:
                written[os.path.basename(name)] = data
            count += 1

    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    tap.until(lambda: len(written) > 150, "there is load")
    with lock:
        before = set(written)
    mount.send_signal(signal.SIGTERM)
    tap.equal(mount.wait(60), 0, "status of the mount")
    stop.set()
    for thread in threads:
        thread.join()
    tap.true(not os.path.ismount(host.point), "the mount is gone")
    with contextlib.suppress(OSError):
        for name in os.listdir(host.point):  # the load went on in the directory below
            os.unlink(os.path.join(host.point, name))
    host.check()
    with host.mounted():
        for name in sorted(before):
            with open(os.path.join(host.point, name), "rb") as file:
                data = file.read()
            tap.true(data in (b"", bytes(data[:1]) * len(data)), f"{name} is whole")


@tap.test
def a_second_owner_is_refused(host):
    with host.mounted():
        result = host.coffer("ls", host.path("v"))
        tap.equal(result.returncode, 5, result.stderr)
        tap.true("another process has this volume open" in result.stderr, result.stderr)


@tap.test
def read_only_refuses_changes(host):
    with host.mounted("--read-only"):
        try:
            os.mkdir(os.path.join(host.point, "no"))
            raise AssertionError("a directory was made")
        except OSError as error:
            tap.equal(error.errno, 30, "errno")


@tap.test
def a_snapshot_can_be_mounted(host):
    with host.mounted():
        with open(os.path.join(host.point, "kept"), "w", encoding="utf-8") as file:
            file.write("before")
    host.must("snapshot", host.path("v"), "create", "then")
    with host.mounted():
        with open(os.path.join(host.point, "kept"), "w", encoding="utf-8") as file:
            file.write("after")
    with host.mounted("--snapshot", "then"):
        with open(os.path.join(host.point, "kept"), encoding="utf-8") as file:
            tap.equal(file.read(), "before")
    host.must("snapshot", host.path("v"), "delete", "then")


@tap.test
def postgresql_runs_and_recovers_on_it(host):
    binaries = "/usr/lib/postgresql/15/bin"
    if not LONG or not os.path.isdir(binaries):
        raise tap.Skip("only in the long run, with PostgreSQL 15")
    os.chmod(host.root, 0o755)
    mount = host.foreground("--allow-other")
    data = os.path.join(host.point, "pg")
    os.mkdir(data)
    shutil.chown(data, "postgres", "postgres")

    def as_postgres(*words):
        return run("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words, cwd="/")

    as_postgres(f"{binaries}/initdb", "-D", data, "-A", "trust")
    control = [f"{binaries}/pg_ctl", "-D", data, "-w", "-t", "120", "-l", os.path.join(data, "log"),
               "-o", f"-k {data} -h ''"]
    as_postgres(*control, "start")
    as_postgres(f"{binaries}/pgbench", "-h", data, "-i", "-q", "postgres")
    as_postgres(f"{binaries}/pgbench", "-h", data, "-c", "4", "-t", "200", "postgres")
    rows = as_postgres("psql", "-h", data, "-Atc", "select count(*) from pgbench_history", "postgres")
    tap.equal(rows.strip(), "800", "transactions")
    with open(os.path.join(data, "postmaster.pid"), encoding="ascii") as file:
        postmaster = int(file.readline())
    mount.send_signal(signal.SIGKILL)
    mount.wait()
    os.kill(postmaster, signal.SIGQUIT)  # its files are gone; it and its children end

    def ended():
        try:
            os.kill(postmaster, 0)
        except ProcessLookupError:
            return True
        return False
    tap.until(ended, "PostgreSQL has ended", 60)
    host.mount("--allow-other")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(data, "postmaster.pid"))
    as_postgres(*control, "start")
    rows = as_postgres("psql", "-h", data, "-Atc", "select count(*) from pgbench_history", "postgres")
    tap.equal(rows.strip(), "800", "transactions after the crash")
    as_postgres(*control, "-m", "fast", "stop")
    host.unmount()
    host.check()


if __name__ == "__main__":
    tap.main(fixture)
