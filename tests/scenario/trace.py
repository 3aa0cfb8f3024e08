#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""--trace shows every call of a program and its children, what a path is to the shield, and never what
is in a buffer. usage: trace.py COFFER-RUNTIME"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

RUNTIME = os.path.abspath(sys.argv[1])
SECRET = "never-in-a-trace-4711"
LINE = re.compile(r"\[(\d+)/(\d+)\] (\w+)\((.*)\) = (\?|-1 E\w+|0x[0-9a-f]+|-?\d+)( \(interrupted\))?( <.*>)?$")
PROGRAM = """
import os, signal, socket, subprocess, threading
with open("/data/file", "w") as f:
    f.write(%r)
print(open("/data/file").read() and open("/private/x", "w").write("y"))
for path in ("/denied/x", "/nonexistent"):
    try: open(path)
    except OSError: pass
s = socket.socket()
try: s.connect(("127.0.0.1", 1))
except OSError: pass
a, b = socket.socketpair(); a.sendmsg([%r.encode(), b"x"]); b.recv(100)
u = socket.socket(socket.AF_UNIX)
try: u.connect("/nonexistent/socket")
except OSError: pass
signal.signal(signal.SIGUSR1, lambda *_: None); os.kill(os.getpid(), signal.SIGUSR1)
t = threading.Thread(target=lambda: os.stat("/data")); t.start(); t.join()
if os.fork() == 0:
    os.mkdir("/data/of-the-child"); os._exit(7)
os.wait()
subprocess.run(["/bin/sh", "-c", "exit 3"])
""" % (SECRET, SECRET)


def main():
    scratch = tempfile.mkdtemp(prefix="coffer-trace-")
    checks = []

    def check(name, good, why=""):
        checks.append(good)
        if not good:
            print("# " + repr(why)[-1500:])
        print(f"{'ok' if good else 'not ok'} {len(checks)} - {name}", flush=True)

    def run(*flags):
        return subprocess.run(
            [RUNTIME, *flags, "--volume", scratch + "/store:/data", "--file-rule", "/private=private",
             "--file-rule", "/denied=denied", "--", "/usr/bin/python3", "-S", "-c", PROGRAM],
            capture_output=True, text=True, timeout=100, check=False,
            env=dict(os.environ, HOME=scratch, COFFER_STATE=scratch + "/state"))

    def traced(*flags):
        done = run(*flags, "-o", scratch + "/trace")
        with open(scratch + "/trace", encoding="utf-8") as file:
            return done, [line for line in file.read().split("\n") if line]

    print("TAP version 13")
    try:
        done, lines = traced("--trace")
        parsed = [LINE.match(line) for line in lines]
        check("the program behaves as without", done.returncode == 0 and done.stdout == "1\n", done)
        check("every line is a call", all(parsed), [l for l, p in zip(lines, parsed) if not p][:5])
        check("no buffer is shown", SECRET not in "\n".join(l for l in lines if "execve" not in l), "")
        calls = [p for p in parsed if p]
        text = "\n".join(lines)
        check("paths, flags and the class of a file",
              re.search(r'openat\(AT_FDCWD, "/data/file", O_WRONLY\|O_CREAT\|O_TRUNC\|O_CLOEXEC, 0666\)'
                        r' = \d+ <volume>', text), text)
        check("a private file", re.search(r'"/private/x".* = \d+ <private>', text), text)
        check("a denied file", re.search(r'"/denied/x".* = -1 EACCES <denied>', text), text)
        check("a file of the host's", re.search(r'"/nonexistent".* = -1 ENOENT <host>', text), text)
        check("what a descriptor is", re.search(r"write\(\d+<file on a volume>, \{21 bytes\}, 21\) = 21", text),
              text)
        check("an internet address", "{127.0.0.1:1}, 16) = -1 ECONNREFUSED" in text, text)
        check("a Unix address", '{unix:"/nonexistent/socket"}' in text, text)
        check("several buffers", "{22 bytes in 2 buffers}" in text, text)
        check("a signal's name", re.search(r"kill\(\d+, SIGUSR1\) = 0", text), text)
        processes = {p.group(1) for p in calls}
        check("children by fork and by vfork with exec", len(processes) == 3, processes)
        check("threads", any(p.group(1) != p.group(2) for p in calls), "")
        check("what a child makes", re.search(r'mkdir\("/data/of-the-child", 0777\) = 0 <volume>', text), text)
        check("an exec, in the child's name", re.search(r'execve\("/bin/sh", \["/bin/sh", "-c", "exit 3"\],'
                                                       r" \[\d+ texts\]\) = \?", text), text)
        check("its end", "exit_group(3) = ?" in text and "exit_group(7) = ?" in text, text)
        _, lines = traced("--trace=net,mkdir")
        names = {LINE.match(line).group(3) for line in lines}
        check("only what was asked for", {"connect", "socket", "mkdir"} <= names and
              not names & {"openat", "read", "mmap"}, names)
        _, lines = traced("--trace=file")
        check("only calls with paths", lines and all(LINE.match(line).group(7) or "AT_EMPTY_PATH" in line
                                                     for line in lines), lines[:20])
        done = run("--trace=execve,nonsense")
        check("a wrong word is one line", done.returncode == 2 and "nonsense" in done.stderr and
              done.stderr.count("\n") == 1, done.stderr)
        done = run("--trace=exit_group")
        check("without a file, on standard error", "exit_group(0) = ?" in done.stderr, done.stderr)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"1..{len(checks)}")
    return not all(checks)


sys.exit(main())
