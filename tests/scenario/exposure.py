#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A program under a policy leaves no core and cannot be read by its user's other processes, whatever it
asks for, in children and after execs; with --insecure__debug, and without a policy, it can.
usage: exposure.py COFFER-RUNTIME"""
import os
import shutil
import subprocess
import sys
import tempfile

NOBODY = 65534
PATIENCE = 60
PYTHON = "/usr/bin/python3"
POLICY = """version: 1
%s
command:
  environment: {LANG: C, SECRET: in-the-environment}
files:
  - {path: /usr, class: host, read_only: true}
  - {path: /etc/ld.so.cache, class: host, read_only: true}
"""
# Says where its mark is, waits for a line, dies of a fault.
VICTIM = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
told = [libc.prctl(3), libc.prctl(4, 0), libc.prctl(3), libc.prctl(4, 1), libc.prctl(3), libc.prctl(4, 2)]
mark = ctypes.create_string_buffer(b'mark-in-' + b'memory')
print(os.getpid(), ctypes.addressof(mark), *told, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGSEGV)
"""
WAYS = {
    "at start": VICTIM,
    "in a child": f"import os\np = os.fork()\nif p == 0:\n    exec({VICTIM!r})\nos.waitpid(p, 0)",
    "after exec": f"import os\nos.execv({PYTHON!r}, [{PYTHON!r}, '-S', '-c', {VICTIM!r}])",
    "in a spawned program": f"import os\np = os.posix_spawn({PYTHON!r}, [{PYTHON!r}, '-S', '-c', {VICTIM!r}], os.environ)\n"
                            "os.waitpid(p, 0)",
}


def attacker(words):
    """Runs the program and tries, as its parent of the same user, what the kernel lets it."""
    import resource  # pylint: disable=import-outside-toplevel
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    first = program.stdout.readline().decode().split()
    found = {"told": " ".join(first[2:])}
    for name, at, size in (("mem", int(first[1]), 14), ("environ", 0, 1 << 16)):
        try:
            with open(f"/proc/{first[0]}/{name}", "rb", buffering=0) as file:
                file.seek(at)
                found[name] = file.read(size)
        except OSError as error:
            found[name] = type(error).__name__
    with open(f"/proc/{first[0]}/cmdline", "rb") as file:
        found["cmdline"] = file.read()
    program.communicate(b"\n", timeout=PATIENCE)
    found["cores"] = len([name for name in os.listdir(".") if name.startswith("core")])
    print(repr(found))


def attempt(scratch, runtime, flags, program):
    """What the attacker found, and what was said."""
    place = tempfile.mkdtemp(dir=scratch)
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    if user:
        os.chown(place, NOBODY, NOBODY)
    done = subprocess.run([PYTHON, os.path.join(scratch, "exposure.py"), "--attack", runtime, *flags, "--",
                           PYTHON, "-S", "-c", program], capture_output=True, text=True, cwd=place,
                          timeout=PATIENCE, check=False, env={"HOME": place, "PATH": "/usr/bin"}, **user)
    if done.returncode != 0:
        raise ValueError(done.stderr[-2000:])
    return eval(done.stdout), done.stderr  # pylint: disable=eval-used


def plain_cores():
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
        return file.read().startswith("core")


def cases(scratch, runtime):
    """Yields a name, whether it holds, and what was found."""
    closed, debug = (os.path.join(scratch, name) for name in ("closed.yaml", "debug.yaml"))
    for path, line in ((closed, "# nothing more"), (debug, "allow_debug: true")):
        with open(path, "w", encoding="utf-8") as file:
            file.write(POLICY % line)
    virtual, open_to_all = "1 0 0 0 1 -1", {"mem": b"mark-in-memory", "cores": int(plain_cores())}
    for way, program in WAYS.items():
        found, said = attempt(scratch, runtime, ["--policy", debug], program)
        yield (f"closed {way}", found["mem"] == found["environ"] == "PermissionError" and
               found["cores"] == 0 and found["told"] == virtual and
               b"coffer-runtime" in found["cmdline"] and "debug" not in said, (found, said))
        found, said = attempt(scratch, runtime, ["--policy", debug, "--insecure__debug"], program)
        yield (f"open {way} with --insecure__debug", open_to_all.items() <= found.items() and
               found["told"] == virtual and b"in-the-environment" not in found["environ"] and
               said.count("--insecure__debug") == 1, (found, said))
        found, said = attempt(scratch, runtime, [], program)
        yield (f"open {way} without a policy", open_to_all.items() <= found.items() and
               found["told"] == virtual and b"PATH=/usr/bin\0" in found["environ"] and
               b"create_string_buffer" in found["cmdline"], (found, said))
    done = subprocess.run([runtime, "--policy", closed, "--insecure__debug", "--", "/usr/bin/true"],
                          capture_output=True, text=True, check=False)
    yield ("a policy without allow_debug refuses it", done.returncode == 126 and
           "allow_debug" in done.stderr, done.stderr)


def main():
    if sys.argv[1] == "--attack":
        attacker(sys.argv[2:])
        return 0
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="coffer-exposure-"))
    count = bad = 0
    try:
        os.chmod(scratch, 0o755)
        runtime = shutil.copy(sys.argv[1], scratch)
        shutil.copy(__file__, os.path.join(scratch, "exposure.py"))
        print("TAP version 13")
        for name, holds, found in cases(scratch, runtime):
            count += 1
            bad += not holds
            print(f"{'ok' if holds else 'not ok'} {count} - {name}", flush=True)
            if not holds:
                print(f"# {found!r}")
        print(f"1..{count}")
        return bad != 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


sys.exit(main())
