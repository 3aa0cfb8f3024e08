#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Linux is the oracle: each case runs natively and under coffer-runtime and must give the same
output, errors and exit status. usage: run.py COFFER-RUNTIME DIRECTORY-OF-GUEST-PROGRAMS"""

import os
import shutil
import subprocess
import sys
import tempfile

RUNTIME, PROGRAMS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
PYTHON = "/usr/bin/python3"


def guest(name, *args):
    return [os.path.join(PROGRAMS, "guest-" + name), *args]


THREADED_PYTHON = """
import threading, subprocess, tempfile, os
results = []
def work(i):
    out = subprocess.run(['echo', str(i)], capture_output=True).stdout
    with tempfile.TemporaryFile() as f:
        f.write(out * 1000); f.seek(0); results.append(len(f.read()))
threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(results))
"""

# name, command, what goes to standard input
CASES = [
    ("files", guest("files", "."), ""),
    ("memory", guest("memory"), ""),
    ("address space", guest("address_space"), ""),
    ("memory, static", guest("memory-static"), ""),
    ("threads", guest("threads"), ""),
    ("thousands of threads", guest("threads_many", os.environ.get("COFFER_TEST_THREADS", "1000")), ""),
    ("signals", guest("signals"), ""),
    ("queued signals", guest("sig_queue"), ""),
    ("signal contexts and faults", guest("sig_context"), ""),
    ("signals by every road", guest("sig_roads"), ""),
    ("signals to a process of several threads", guest("sig_shared"), ""),
    ("interrupted calls", guest("sig_restart"), ""),
    ("processes", guest("processes"), ""),
    ("spawned processes", guest("spawn"), ""),
    ("clone", guest("clone"), ""),
    ("vfork and its children", guest("vforks"), ""),
    ("waiting for children", guest("waits"), ""),
    ("what exec refuses", guest("exec_errors"), ""),
    ("who it is and may", guest("identity"), ""),
    ("terminals and jobs", guest("jobs"), ""),
    ("limits", guest("limits"), ""),
    ("the kernel's small objects", guest("objects"), ""),
    ("filters of system calls", guest("seccomp"), ""),
    ("locks of the dead", guest("robust"), ""),
    ("exec", guest("exec"), ""),
    ("system call sites", guest("sites"), ""),
    ("code that comes, goes and changes", guest("sites-late"), ""),
    ("musl, static", guest("musl"), ""),
    ("bash pipeline", ["bash", "-c", "seq 1000 | grep 7 | sort -r | head -5 | wc -c"], ""),
    ("bash jobs and traps", ["bash", "-c",
     "trap 'echo trapped' USR1; for i in 1 2 3; do (exit $i) & wait $!; echo $?; done; "
     "kill -USR1 $$; x=$(echo sub); echo $x; cat <<< here"], ""),
    ("standard input", ["cat"], "line one\nline two\n"),
    ("exit status", ["sh", "-c", "exit 42"], ""),
    ("killed by a signal", ["sh", "-c", "kill -TERM $$"], ""),
    ("script with an interpreter line", ["./script", "a b", "c"], ""),
    ("its own path", ["readlink", "/proc/self/exe"], ""),
    ("a linked program's own path", ["bash", "-c", "ln -s /bin/readlink r; ./r /proc/self/exe; ./r /proc/$$/cwd | wc -l"], ""),
    ("its own arguments and environment in /proc", [PYTHON, "-c",
     "import os, subprocess as s, sys\nenv = dict(A='b', LANG='C', PATH='/usr/bin:/bin')\n"
     "look = lambda: (print(open('/proc/self/cmdline').read()[-40:], len(sys.argv)), "
     "print(s.run(['ps', '-o', 'args=', '-p', str(os.getpid())], capture_output=True, text=True).stdout[-40:]))\n"
     "look()\nprint(s.run(['cat', '/proc/self/cmdline', '/proc/self/environ'], env=env, capture_output=True).stdout)\n"
     "p = s.Popen(['sh', '-c', 'read x; exit', 'an argument', ''], stdin=s.PIPE, stdout=s.PIPE, env=env)\n"
     "p.communicate(b'y')\nif os.fork() == 0: look(); os._exit(0)\nos.wait()\n"
     "os.execve('/usr/bin/cat', ['cat', '/proc/self/cmdline', '/proc/self/environ'], env)",
     "first", "", "last one"], ""),
    ("environment", ["env", "-i", "A=b", "env"], ""),
    ("python threads and subprocesses", [PYTHON, "-c", THREADED_PYTHON], ""),
    ("python multiprocessing", [PYTHON, "-c",
     "import multiprocessing as m\nwith m.Pool(3) as p: print(p.map(abs, range(-5, 5)))"], ""),
    ("sqlite3", ["sqlite3", "x.db",
     "create table t(a); insert into t values(1),(2); begin; update t set a=a*10; commit; "
     "select sum(a) from t; pragma integrity_check;"], ""),
    ("curl a file", ["curl", "-s", "file:///etc/hostname"], ""),
    ("tar", ["bash", "-c", "mkdir d; echo x > d/f; tar cf - d | tar tf -"], ""),
    ("find and xargs", ["bash", "-c", "find /etc -maxdepth 1 -name 'host*' | sort | xargs ls -d"], ""),
]

# Where they are installed: run-time compilers with signal handlers and threads of their own.
OPTIONAL = [
    ("node", ["node", "-e", "const w = require('worker_threads'), c = require('child_process');"
     "console.log(c.execSync('echo child').toString());"
     "new w.Worker(\"require('worker_threads').parentPort.postMessage(42)\", {eval: true})"
     ".on('message', m => console.log(m))"], ""),
    ("java", ["java", "-Xshare:auto", "Main.java"], ""),
]

JAVA = """public class Main { public static void main(String[] a) throws Exception {
int[] n = new int[1]; Thread[] t = new Thread[6];
for (int i = 0; i < 6; i++) { t[i] = new Thread(() -> { for (int k = 0; k < 50000; k++)
synchronized (n) { n[0]++; } }); t[i].start(); }
for (Thread x : t) x.join();
System.out.println(n[0]);
String s = a.length > 9 ? "" : null;
try { s.length(); } catch (NullPointerException e) { System.out.println("null"); }
System.gc();
System.out.println(new String(new ProcessBuilder("echo", "child").start().getInputStream().readAllBytes()));
} }"""


def run(prefix, command, text):
    directory = tempfile.mkdtemp(prefix="coffer-guest-")
    try:
        with open(os.path.join(directory, "script"), "w", encoding="utf-8") as f:
            f.write("#!/bin/bash -e\necho \"$0\" \"$#\" \"$1\"\n")
        with open(os.path.join(directory, "Main.java"), "w", encoding="utf-8") as f:
            f.write(JAVA)
        os.chmod(os.path.join(directory, "script"), 0o755)
        done = subprocess.run(prefix + command, input=text.encode(), cwd=directory, timeout=60,
                              capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        return "no end", late.stdout or b"", late.stderr or b""
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def show(native, shielded):
    for what, a, b in zip(("status", "output", "errors"), native, shielded):
        if a == b:
            continue
        if isinstance(a, bytes) and isinstance(b, bytes):
            lines_a, lines_b = a.decode(errors="replace").split("\n"), b.decode(errors="replace").split("\n")
            for i in range(max(len(lines_a), len(lines_b))):
                x = lines_a[i] if i < len(lines_a) else "(none)"
                y = lines_b[i] if i < len(lines_b) else "(none)"
                if x != y:
                    print(f"# {what}: native {x!r}, shielded {y!r}")
                    break
        else:
            print(f"# {what}: native {a!r}, shielded {b!r}")


def refusals():
    """Wrong use is one clear line and the right status."""
    for args, status in (([], 2), (["--nonsense"], 2), (["--volume", "x", "true"], 2),
                         (["--tls-listen", "0", "true"], 2), (["--env"], 2),
                         (["/nonexistent"], 127), (["no-such-program"], 127),
                         (["/etc/passwd"], 126)):
        done = subprocess.run([RUNTIME, *args], capture_output=True, timeout=20, check=False)
        lines = done.stderr.decode().strip().split("\n")
        yield " ".join(args) or "nothing", done.returncode == status and len(lines) == 1 and \
            lines[0].startswith("coffer-runtime: ") and not done.stdout


def main():
    wanted = sys.argv[3:]
    cases = CASES + [c for c in OPTIONAL if shutil.which(c[1][0])]
    cases = [c for c in cases if os.path.exists(c[1][0]) or not c[1][0].startswith(PROGRAMS)]
    cases = [c for c in cases if not wanted or any(w in c[0] for w in wanted)]
    checks = [] if wanted else list(refusals())
    print("TAP version 13")
    print(f"1..{len(cases) + len(checks)}")
    number = failed = 0
    for name, command, text in cases:
        native = run([], command, text)
        shielded = run([RUNTIME, "--"], command, text)
        number += 1
        same = native == shielded
        if same and command[0].startswith(PROGRAMS) and native[0] != 0:  # it has shown only a part
            print(f"# {name}: status {native[0]!r} natively, after {native[1][-80:]!r}")
            same = False
        failed += not same
        print(f"{'ok' if same else 'not ok'} {number} - {name} behaves as natively", flush=True)
        if native != shielded:
            show(native, shielded)
    for name, good in checks:
        number += 1
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - refuses {name}", flush=True)
    return failed > 0


sys.exit(main())
