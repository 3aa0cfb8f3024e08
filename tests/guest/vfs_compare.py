#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs each program natively on a plain directory and shielded on one of each class: Linux is the
oracle. usage: vfs_compare.py RUNTIME PROGRAM[=CLASS,...]..."""
import difflib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

ALL = ["volume", "private", "host"]


def run(command, scratch, **user):
    env = dict(os.environ, COFFER_STATE=os.path.join(scratch, "state"))
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False, **user)
    return done.stdout.decode(errors="replace"), done.returncode


def shielded(runtime, kind, scratch):
    """The runtime's command line up to the program, and the directory that has the class."""
    store = os.path.join(scratch, "store")
    if kind == "volume":
        return [runtime, "--volume", store + ":/data", "--"], "/data"
    if kind == "private":
        return [runtime, "--file-rule", "/data=private", "--"], "/data"
    # The host's own directory beside a volume and a rule that shadows: every path is walked.
    host = os.path.join(scratch, "host")
    os.mkdir(host, 0o755)
    return [runtime, "--volume", store + ":/data", "--file-rule", "/etc/hostname=denied",
            "--file-rule", host + "=host", "--"], host


def verified(runtime, program, scratch):
    """Natively on a read-only mount, shielded under a rule with the file's digest."""
    path = os.path.join(scratch, "kept", "file")
    os.mkdir(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(b"hello verified world")
    os.chmod(path, 0o555)
    digest = hashlib.sha256(b"hello verified world").hexdigest()
    native = run(["unshare", "-m", "sh", "-c",
                  'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" "$3"',
                  "sh", os.path.dirname(path), program, path], scratch)
    return native, run([runtime, "--file-rule", path + "=sha256:" + digest, "--", program, path],
                       scratch)


POLICY = """version: 1
files:
  - {path: /usr, class: host, read_only: true}
  - {path: /etc/ld.so.cache, class: host, read_only: true}
  - {path: %s, class: host, read_only: true}
  - {path: /data, class: private}
"""


def under_policy(runtime, program, scratch):
    """Closed to dumps and, if we are root, as a user who is not: much of /proc is closed then too."""
    places = [os.path.join(scratch, name) for name in ("plain", "policy.yaml", "bin", "state")]
    for place in places[0], places[2], places[3]:
        os.mkdir(place, 0o755)
    program = shutil.copy(program, places[2])
    with open(places[1], "w", encoding="utf-8") as file:
        file.write(POLICY % places[2])
    user = {}
    if os.getuid() == 0:
        user = {"user": 65534, "group": 65534, "extra_groups": []}
        os.chown(places[0], 65534, 65534)
        os.chown(places[3], 65534, 65534)
    runtime = shutil.copy(runtime, places[2])
    native = run([program, places[0]], scratch, **user)
    return native, run([runtime, "--policy", places[1], "--", program, "/data"], scratch, **user)


def in_its_own_world(runtime, program, scratch):
    """Alone in a process namespace, but for a shell that is its first process and adopts orphans."""
    os.mkdir(os.path.join(scratch, "plain"), 0o755)
    world = ["unshare", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c",
             '"$@"; code=$?; wait; exit $code', "sh"]
    command, directory = shielded(runtime, "volume", scratch)
    return (run(world + [program, os.path.join(scratch, "plain")], scratch),
            run(world + command + [program, directory], scratch))


def compare(runtime, program, kind, scratch):
    """What differs, as lines (empty if nothing does), and how many lines were equal."""
    if kind == "verified":
        (wanted, wanted_code), (got, got_code) = verified(runtime, program, scratch)
    elif kind == "policy":
        (wanted, wanted_code), (got, got_code) = under_policy(runtime, program, scratch)
    elif kind == "world":
        (wanted, wanted_code), (got, got_code) = in_its_own_world(runtime, program, scratch)
    else:
        plain = os.path.join(scratch, "plain")
        os.mkdir(plain, 0o755)
        wanted, wanted_code = run([program, plain], scratch)
        command, directory = shielded(runtime, kind, scratch)
        got, got_code = run(command + [program, directory], scratch)
    lines = list(difflib.unified_diff(wanted.splitlines(), got.splitlines(), "native", "shielded",
                                      lineterm="", n=1))
    if wanted_code != got_code:
        lines.append(f"exit status {got_code}, natively {wanted_code}")
    return lines, wanted.count("\n")


def main():
    runtime, cases = sys.argv[1], []
    for argument in sys.argv[2:]:
        program, _, kinds = argument.partition("=")
        cases += [(program, kind) for kind in (kinds.split(",") if kinds else ALL)]
    print(f"TAP version 13\n1..{len(cases)}", flush=True)
    for number, (program, kind) in enumerate(cases, 1):
        scratch, count = tempfile.mkdtemp(prefix="coffer-guest-"), 0
        os.chmod(scratch, 0o755)
        try:
            lines, count = compare(runtime, program, kind, scratch)
        except subprocess.TimeoutExpired as late:
            lines = [str(late)]
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        for line in lines[:200]:
            print("# " + line)
        verdict = "not ok" if lines else "ok"
        print(f"{verdict} {number} - {os.path.basename(program)}, {kind}: {count} lines as on Linux",
              flush=True)


main()
