#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A directory that a rule denies: every way in that we know, by name, link, descriptor and neighbour, must
fail, and nothing at the host may change; and every call of the table that takes a path, on it and on a
twin that no rule names. usage: denied.py COFFER-RUNTIME GUEST-DENIED-CALLS"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TRIES = r"""
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
B = sys.argv[1]
D = B + "/top/secret"
F = D + "/f"

def attempt(what, f):
    try:
        r = f()
    except OSError:
        return
    if not (isinstance(r, int) and r == -1):
        print("got in:", what, repr(r)[:80])

def call(*words):
    return libc.syscall(*words)

def unix(f):
    with socket.socket(socket.AF_UNIX) as s:
        f(s)

for p in (F, B + "/link/f", B + "/top/rel", B + "/top/./secret/../secret/f", "/proc/self/root" + F,
          "//" + F.replace("/", "//"), "/proc/self/cwd/../../../.." + F):
    for what, f in (("open", lambda: os.open(p, os.O_RDONLY)), ("path", lambda: os.open(p, os.O_PATH)),
                    ("stat", lambda: os.stat(p)), ("access", lambda: os.access(p, os.R_OK) - 1),
                    ("truncate", lambda: os.truncate(p, 0)), ("chmod", lambda: os.chmod(p, 0o777)),
                    ("utime", lambda: os.utime(p)), ("statfs", lambda: os.statvfs(p)),
                    ("listxattr", lambda: os.listxattr(p)),
                    ("execute", lambda: os.posix_spawn(p, [p], {})),
                    ("link", lambda: call(265, -100, p.encode(), -100, (B + "/stolen").encode(), 0x400)),
                    ("watch", lambda: call(254, call(294, 0), p.encode(), 2)),
                    ("connect", lambda: unix(lambda s: s.connect(p)))):
        attempt(what + " " + p, f)
for p in (F, B + "/link/f"):
    attempt("rename", lambda: os.rename(p, B + "/stolen"))
    attempt("unlink", lambda: os.unlink(p))
    attempt("create", lambda: os.open(p + "x", os.O_CREAT | os.O_WRONLY))
for d in (D, B + "/link", D + "/.", D + "/sub/.."):
    for what, f in (("list", lambda: os.listdir(d)), ("enter", lambda: os.chdir(d) or 1),
                    ("open", lambda: os.open(d, os.O_RDONLY)),
                    ("path", lambda: os.open(d, os.O_PATH)), ("mkdir", lambda: os.mkdir(d + "/new") or 1),
                    ("symlink", lambda: os.symlink("x", d + "/s") or 1),
                    ("rename in", lambda: os.rename(B + "/neighbour", d + "/n") or 1),
                    ("fifo", lambda: os.mkfifo(d + "/p") or 1),
                    ("bind", lambda: unix(lambda s: s.bind(d + "/s")) or 1)):
        attempt(what + " " + d, f)
for x in (os.open(B + "/top", os.O_RDONLY), os.open(B + "/top", os.O_PATH)):
    attempt("openat", lambda: os.open("secret/f", os.O_RDONLY, dir_fd=x))
    attempt("openat ..", lambda: os.open("../top/secret/f", os.O_RDONLY, dir_fd=x))
    attempt("fstatat", lambda: os.stat("secret/f", dir_fd=x))
    for resolve in (0, 8, 16):
        attempt("openat2", lambda: call(437, x, b"secret/f", (ctypes.c_ulong * 3)(0, 0, resolve), 24))
os.chdir(B + "/top")
attempt("relative", lambda: os.open("secret/f", os.O_RDONLY))
attempt("bind, relative", lambda: unix(lambda s: s.bind("secret/s")) or 1)
attempt("move what it lies in", lambda: os.rename(B + "/top", B + "/moved") or 1)
attempt("move its neighbour's place", lambda: call(316, -100, (B + "/neighbour").encode(), -100,
                                                   (B + "/top").encode(), 2))
attempt("move itself", lambda: os.rename(D, B + "/x") or 1)
attempt("remove", lambda: os.rmdir(D) or 1)
print("tried")
"""


def main():
    ways()
    calls()


def seen(folder):
    return subprocess.run(["find", folder, "-printf", "%P %m %u %T@ %s\\n"], check=True,
                          capture_output=True).stdout


def calls():
    runtime, program = map(os.path.abspath, sys.argv[1:3])
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="coffer-denied-"))
    secret = os.path.join(scratch, "top", "secret")
    os.makedirs(os.path.join(secret, "sub"))
    os.mkdir(os.path.join(scratch, "top", "open"))
    for name in ("secret", "open"):
        os.symlink(os.path.join("top", name), os.path.join(scratch, "link-" + name))
    with open(os.path.join(secret, "f"), "w", encoding="utf-8") as file:
        file.write("#!/bin/true\n")
    os.chmod(os.path.join(secret, "f"), 0o755)
    os.symlink("f", os.path.join(secret, "ln"))
    before = seen(secret)
    done = subprocess.run([runtime, "--file-rule", secret + "=denied", "--", program, scratch],
                          capture_output=True, text=True, timeout=100, check=False)
    lines = [line for line in done.stdout.splitlines()
             if not line.startswith("not judged") or not line.endswith(("EOPNOTSUPP", "ENODATA"))]
    good = len(lines) == 1 and re.fullmatch(r"judged [23]\d\d", lines[0])
    for line in [] if good else lines + done.stderr.splitlines()[-5:]:
        print("#", line)
    print("ok" if good else "not ok", f"3 - no call with a path leads into a denied directory: {lines[-1:]}")
    print("ok" if seen(secret) == before else "not ok", "4 - the host's files are as they were")
    shutil.rmtree(scratch)


def ways():
    runtime, scratch = os.path.abspath(sys.argv[1]), os.path.realpath(tempfile.mkdtemp(prefix="coffer-denied-"))
    secret = os.path.join(scratch, "top", "secret")
    os.makedirs(os.path.join(secret, "sub"))
    os.mkdir(os.path.join(scratch, "neighbour"))
    with open(os.path.join(secret, "f"), "w", encoding="utf-8") as file:
        file.write("hidden")
    os.symlink(secret, os.path.join(scratch, "link"))
    os.symlink("secret/f", os.path.join(scratch, "top", "rel"))

    before = seen(scratch)
    done = subprocess.run([runtime, "--file-rule", secret + "=denied", "--", "/usr/bin/python3", "-c", TRIES,
                           scratch], capture_output=True, text=True, timeout=60, check=False)
    print("TAP version 13\n1..4")
    good = done.stdout == "tried\n"
    for line in [] if good else done.stdout.splitlines() + done.stderr.splitlines()[-5:]:
        print("#", line)
    print("ok" if good else "not ok", "1 - no way leads into a denied directory")
    print("ok" if seen(scratch) == before else "not ok", "2 - the host's files are as they were")
    shutil.rmtree(scratch)


main()
