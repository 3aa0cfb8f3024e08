#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two clients of the whole system, one of whose servers was broken into: it reaches nothing.

usage: two_clients.py BUILD-DIR INTRUDER
"""
import contextlib
import errno
import os
import socket
import sys

import tap
from coffer_system import System

BUILD, INTRUDER = (os.path.abspath(path) for path in sys.argv[1:3])
REFUSED = (errno.EPERM, errno.EACCES, errno.ENOENT)


@contextlib.contextmanager
def system():
    with System(BUILD, None, "--program", INTRUDER) as s:
        s.add_tenant("acme", "--program", INTRUDER)
        yield s


def attempt(s, words, tenant="demo"):
    done = s.curl("/", "-H", "Try: " + words, tenant=tenant)
    tap.equal(done.returncode, 0, f"{words}: {done.stderr}{s.logs()[-2000:]}")
    return done.stdout


def refused(s, words):
    answer = int(attempt(s, words))
    tap.true(answer in REFUSED, f"{words} gives {answer}")


@tap.test
def each_has_a_process_of_its_own(s):
    attempt(s, "who")
    attempt(s, "who", tenant="acme")
    tap.true(s.tenant("demo")["pid"] != s.tenant("acme")["pid"], "two processes")
    if os.geteuid() == 0:
        status = [open(f"/proc/{s.tenant(name)['pid']}/status", encoding="ascii").read()
                  for name in ("demo", "acme")]
        uids = {text.split("Uid:")[1].split()[0] for text in status}
        tap.true(len(uids) == 2 and "0" not in uids, f"uids {uids}")


@tap.test
def it_signals_and_traces_nobody(s):
    for pid in (s.tenant("acme")["pid"], s.pid("coffer-launcher"), s.pid("coffer-gateway"),
                s.pid("coffer-kbs"), s.process.pid):
        answer = int(attempt(s, f"signal {pid}"))
        tap.true(answer in (errno.EPERM, errno.ESRCH), f"signal gives {answer}")
        answer = int(attempt(s, f"trace {pid}"))
        tap.true(answer in (errno.EPERM, errno.ESRCH), f"ptrace gives {answer}")


@tap.test
def it_opens_no_file_of_another_or_of_the_host(s):
    other = s.tenant("acme")["pid"]
    for path in (f"{s.state}/tenants/acme", f"{s.state}/tenants/acme/data/volume",
                 f"{s.state}/device", f"{s.state}/operator/key.pem", f"{s.state}/log",
                 f"/proc/{other}/mem", f"/proc/{other}/maps", f"/proc/{other}/environ",
                 "/etc/passwd", "/etc/shadow"):
        refused(s, "read " + path)
    for path in (f"{s.state}/tenants/acme/document", "/tmp/coffer-escape", "/dev/shm/coffer-escape"):
        refused(s, "write " + path)
    tap.true(not os.path.exists("/tmp/coffer-escape"), "nothing was written")


@tap.test
def it_connects_to_nobody(s):
    for port in (s.port, s.operator_port):
        answer = int(attempt(s, f"connect {port}"))
        tap.true(answer in (errno.EPERM, errno.EACCES, errno.ECONNREFUSED), f"connect: {answer}")
    with socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0coffer-{s.port}")
        abstract.listen()
        answer = int(attempt(s, f"abstract coffer-{s.port}"))
        tap.true(answer in (errno.EPERM, errno.EACCES, errno.ECONNREFUSED), f"abstract: {answer}")


@tap.test
def its_own_volume_is_its_own(s):
    tap.equal(attempt(s, "write /data/mine"), "0\n")
    tap.equal(attempt(s, "read /data/mine"), "0\n")
    tap.equal(int(attempt(s, "read /data/mine", tenant="acme")), errno.ENOENT)


if __name__ == "__main__":
    tap.main(system)
