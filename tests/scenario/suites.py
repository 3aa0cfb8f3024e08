#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Test suites that others wrote, natively and shielded, compared by the result of each of their tests:
CPython's and Go's own, and stress-ng's stressors with --verify. What passes natively passes shielded, or
stands in a table below with its reason.

    suites.py RUNTIME [python|go|stress [NAME...]]
"""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import tap

RUNTIME = os.path.abspath(sys.argv[1])
ONLY, NAMES = sys.argv[2:3], sys.argv[3:]
PYTHON = "/usr/bin/python3"
GO_SOURCES = "/usr/share/go-1.19/src"
NOBODY = 65534

# --- what runs where ---

PYTHON_MODULES = {  # module: seconds
    "test_os": 120, "test_posix": 120, "test_signal": 120, "test_select": 60, "test_epoll": 60,
    "test_poll": 60, "test_mmap": 60, "test_fcntl": 60, "test_shutil": 120, "test_subprocess": 200,
    "test_socket": 300, "test_threading": 200, "test_asyncio": 600, "test_multiprocessing_fork": 600,
    "test_tempfile": 60, "test_pathlib": 60, "test_glob": 60, "test_file": 60, "test_fileio": 60,
    "test_io": 300, "test_largefile": 120, "test_pty": 60, "test_openpty": 60, "test_ioctl": 60,
    "test_resource": 60, "test_wait3": 60, "test_wait4": 60, "test_fork1": 60, "test_thread": 60,
    "test_threadsignals": 120, "test_eintr": 120, "test_selectors": 120, "test_socketserver": 120,
    "test_faulthandler": 120, "test_mailbox": 120, "test_dbm": 60, "test_dbm_dumb": 60,
    "test_zipfile": 120, "test_tarfile": 120, "test_pwd": 60, "test_time": 120, "test_posixpath": 60,
    "test_genericpath": 60, "test_stat": 60, "test_filecmp": 60, "test_shelve": 60, "test_py_compile": 60,
    "test_compileall": 200, "test_import": 120, "test_sqlite3": 120, "test_concurrent_futures": 600,
    "test_httpservers": 120, "test_ssl": 200, "test_cmd_line": 120, "test_multiprocessing_spawn": 600,
}
PYTHON_LEFT_OUT = ["*VSOCK*"]  # the host's hypervisor would have to answer
GO_PACKAGES = {"os": 300, "os/exec": 300, "os/signal": 300, "syscall": 120, "net": 300,
               "io/ioutil": 60, "io/fs": 60, "path/filepath": 60, "internal/poll": 60, "os/user": 60,
               "runtime/pprof": 300, "sync": 120, "internal/fuzz": 60, "net/http": 400}

# Stressors: those of the kernel's interfaces, not of the processor alone or of the machine's devices.
STRESSORS = """access affinity alarm bad-altstack bigheap brk chattr chdir chmod chown clock clone close context
copy-file dentry dev-shm dir dirdeep dirmany dnotify dup dynlib enosys env epoll eventfd exec exit-group
fallocate fault fcntl fiemap fifo file-ioctl filename flock fork forkheavy fp-error fpunch fsize fstat full
futex get getdent getrandom handle hdd hrtimers icache inode-flags inotify io iomix ioprio itimer kcmp kill
lease link locka lockf lockofd madvise malloc membarrier memfd mergesort mincore misaligned mknod mlock
mmap mmapaddr mmapfixed mmapfork mmapmany mprotect mq mremap msg msync msyncmany munmap mutex
nanosleep nice null numa opcode open pagemove personality pidfd pipe pipeherd pkey poll prctl priv-instr
procfs pthread ptrace pty race-sched readahead remap rename resched resources revio ring-pipe rlimit rmap
rtc schedpolicy seal secretmem seek sem sem-sysv sendfile session set shm shm-sysv sigabrt
sigchld sigfd sigfpe sigio signal signest sigpending sigpipe sigq sigrt sigsegv sigsuspend sigtrap sleep
sock sockabuse sockdiag sockfd sockpair sockmany spawn splice stack stackmmap switch symlink
sync-file sysbadaddr syscall sysinfo tee timer timerfd touch udp urandom utime vdso
verity vfork vforkmany vm vm-addr vm-rw vm-segv vm-splice wait waitcpu xattr yield zero zombie""".split()
STRESS_SIZES = """--bigheap-growth 1m --copy-file-bytes 128m --fallocate-bytes 4m --fiemap-bytes 4m --hdd-bytes 4m
--iomix-bytes 4m --malloc-bytes 1m --memfd-bytes 8m --mmap-bytes 8m --mremap-bytes 8m --msync-bytes 4m
--pagemove-bytes 4m --readahead-bytes 64m --seek-size 4m --sendfile-size 1m --shm-bytes 1m
--shm-sysv-bytes 1m --sync-file-bytes 4m --vm-bytes 8m --vm-rw-bytes 1m --vm-splice-bytes 64k
--splice-bytes 64k --dirdeep-bytes 4k --dirdeep-files 1 --dirdeep-inodes 100 --dirmany-bytes 0""".split()
STRESS_OPS = 20

# --- what differs, and why ---

PYTHON_DIFFERS = {
    "test_socket:test.test_socket.GeneralModuleTests.test_sethostname": "the host's name is not the program's to set",
}
GO_DIFFERS = {
    "syscall:TestPassFD": "descriptors of files on volumes do not travel in messages",
    "net/http:TestLinuxSendfile": "it looks with strace, and nobody traces a shielded program",
}
STRESS_DIFFERS = {
    "dnotify:dnotify": "F_NOTIFY is not offered on volumes; inotify is",
    "handle:handle": "file handles would bypass the file rules",
    "numa:numa": "move_pages would tell of the shield's pages",
    "secretmem:secretmem": "exec could not take the memory back",
    "vm-rw:vm-rw": "process_vm_readv would read the shield's memory",
    "vm-segv:vm-segv": "ptrace would read the shield's memory; the test waits for its stop",
}


# --- running ---

class Side:
    """A directory to work in: natively, shielded, or shielded and on a volume."""

    def __init__(self, scratch, kind):
        self.kind = kind
        self.scratch = os.path.join(scratch, kind)
        self.work = os.path.join(self.scratch, "work")
        self.runtime = os.path.join(scratch, "coffer-runtime")  # the other may be where only root looks
        self.here = "/data" if kind == "volume" else self.work
        self.env = dict(os.environ, HOME=self.scratch, LC_ALL="C.UTF-8", TZ="UTC",
                        COFFER_STATE=os.path.join(self.scratch, "state"))
        for folder in (self.scratch, self.work):
            os.mkdir(folder)

    def command(self, program, cwd):
        if self.kind == "native":
            return program
        volume = ("--volume", self.work + ":/data") if self.kind == "volume" else ()
        return (self.runtime, *volume, "--cwd", cwd or self.here, "--", *program)

    def run(self, *program, seconds, cwd=None, user=None, **environment):
        """What it printed and how it ended: its exit status, or "late" if it had to be killed."""
        with tempfile.TemporaryFile() as out:
            who = {"user": user, "group": user, "extra_groups": []} if user else {}
            process = subprocess.Popen(self.command(program, cwd), cwd=cwd or self.work, stdout=out,
                                       stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
                                       env=dict(self.env, **environment), **who)
            try:
                end = process.wait(seconds)
            except subprocess.TimeoutExpired:
                end = "late"
            kill_session(process.pid)
            process.wait()
            out.seek(0)
            return out.read().decode("utf-8", "replace"), end


def kill_session(session):
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8",
                                                errors="replace") as stat:
            if int(stat.read().rpartition(")")[2].split()[3]) == session:
                os.kill(int(name), signal.SIGKILL)


@contextlib.contextmanager
def sides(kinds, user=None, room=None):
    """`room`: on a file system of that size, for programs that fill what they find."""
    scratch = tempfile.mkdtemp(prefix="coffer-suites-")
    if room:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + room, "suites", scratch], check=True)
    os.chmod(scratch, 0o755)
    shutil.copy(RUNTIME, scratch)
    try:
        made = [Side(scratch, kind) for kind in kinds]
        for side in made if user else ():
            os.chown(side.scratch, user, user)
            os.chown(side.work, user, user)
        yield made
    finally:
        if room:
            subprocess.run(["umount", "-l", scratch], check=False)
        shutil.rmtree(scratch, ignore_errors=True)


def judge(suite, wanted, got, differs):
    """Results are {test: "ok", "fail" or "skip"}: what passes natively passes shielded, or is listed."""
    bad = []
    for test, result in sorted(wanted.items()):
        if result != "ok":
            continue
        now, listed = got.get(test, "missing"), differs.get(f"{suite}:{test}")
        if now != "ok" and not listed:
            bad.append(f"{test} ({now})")
        if now == "ok" and listed:
            print(f"# {test} is listed, but passes")
    passed = list(wanted.values()).count("ok")
    print(f"# {suite}: {passed} of {len(wanted)} pass natively")
    if passed == 0:
        raise tap.Skip(f"nothing of {suite} passes natively")
    tap.equal(bad, [], f"what passes natively only, of {suite},")


def suite(name, cases, run, parse, differs, **options):
    """A test for each case; `run(side, case)` gives a text and an end, `parse` makes results of them."""
    def make(case):
        def test():
            with sides(("native", "host", "volume"), **options) as (native, *shielded):
                wanted = parse(case, *run(native, case))
                for side in shielded:
                    text, end = run(side, case)
                    try:
                        judge(case, wanted, parse(case, text, end), differs)
                    except AssertionError as error:
                        raise AssertionError(f"{side.kind}: {error}; it ended with {end}: "
                                             f"{text[-3000:]}") from None
        test.__name__ = f"{name}_{case}"
        tap.test(test)
    for case in cases:
        if ONLY in ([], [name]) and (not NAMES or case in NAMES):
            make(case)


# --- CPython ---

def python_run(side, module):
    ignore = [word for pattern in PYTHON_LEFT_OUT for word in ("-i", pattern)]
    return side.run(PYTHON, "-m", "test", "-v", *ignore, module, seconds=PYTHON_MODULES[module])


def python_results(_module, text, _end):
    results, current = {}, None
    for line in text.splitlines():
        head = re.match(r"(\w+) \(([\w.]+)\)", line)
        if head:
            current = head.group(2) if head.group(2).endswith(head.group(1)) else \
                f"{head.group(2)}.{head.group(1)}"
        end = re.search(r"(?:^|\.\.\. .*?|\s)(ok|FAIL|ERROR|skipped '.*|skipped \".*|expected failure)$", line)
        if current and end:
            word = end.group(1)
            results[current] = {"ok": "ok", "expected failure": "ok"}.get(
                word, "skip" if word.startswith("skipped") else "fail")
            current = None
    return results


suite("python", PYTHON_MODULES, python_run, python_results, PYTHON_DIFFERS)


# --- Go ---

def go_binary(package):
    """Its tests, compiled once and kept beside the others of this run."""
    path = os.path.join(GO_BUILD, package.replace("/", "_"))
    if not os.path.exists(path):
        env = dict(os.environ, GOCACHE=os.path.join(GO_BUILD, "cache"), GOFLAGS="-mod=mod",
                   GOPROXY="off", GOPATH=os.path.join(GO_BUILD, "path"), HOME=GO_BUILD)
        subprocess.run(["go", "test", "-c", "-o", path, package], env=env, cwd=GO_BUILD, check=True)
    return path


def go_run(side, package):
    return side.run(go_binary(package), "-test.v", "-test.short", seconds=GO_PACKAGES[package],
                    cwd=os.path.join(GO_SOURCES, package), TMPDIR=side.here,
                    GOCACHE=os.path.join(GO_BUILD, "cache"), GOPROXY="off")


def go_results(_package, text, _end):
    words = {"PASS": "ok", "FAIL": "fail", "SKIP": "skip"}
    return {name: words[word] for word, name in
            re.findall(r"^\s*--- (PASS|FAIL|SKIP): (\S+) \(", text, re.M)}


suite("go", GO_PACKAGES, go_run, go_results, GO_DIFFERS)


# --- stress-ng ---

def stress_run(side, stressor):
    return side.run("stress-ng", f"--{stressor}", "1", f"--{stressor}-ops", str(STRESS_OPS),
                    "--timeout", "5s", "--verify", "--oomable", "--no-rand-seed", "--temp-path",
                    side.here, *STRESS_SIZES, seconds=60, user=NOBODY)


def stress_results(stressor, text, end):
    """Status 3 and 4: it cannot run here, or is not there."""
    if end in (3, 4) or "skipped" in text:
        return {stressor: "skip"}
    return {stressor: "ok" if end == 0 and "fail:" not in text else "fail"}


if os.getuid() == 0:  # a mount bounds what they write
    suite("stress", STRESSORS, stress_run, stress_results, STRESS_DIFFERS, user=NOBODY, room="400m")

with tempfile.TemporaryDirectory(prefix="coffer-go-") as GO_BUILD:
    tap.main()
