#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole system over a disk that is full or whose files are of different ages, and uploads that
stop in the middle: confidential_faults.py BUILD

Nothing that was acknowledged is lost or silently old, the error says what to do, and the rest goes
on."""
import base64
import contextlib
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

import tap
from coffer_system import System

BUILD = os.path.abspath(sys.argv[1])
DISK_MIB = 24
PIECE = 1 << 20


def data_dir(s, tenant="demo"):
    return os.path.join(s.state, "tenants", tenant, "data")


def put(s, name, text):
    return s.curl("/api/files/" + name, "-w", "%{http_code}", "-o", "/dev/null", "-X", "PUT",
                  "--data-binary", text).stdout


def put_file(s, name, path):
    done = s.curl("/api/files/" + name, "-w", "%{http_code}", "-o", "/dev/null", "-X", "PUT",
                  "--data-binary", "@" + path)
    return done.stdout or done.stderr


def get(s, name, seconds=60):
    return s.curl("/api/files/" + name, "-f", seconds=seconds)


def fetch(s, name):
    return subprocess.run(["curl", "-sS", "-f", "--cacert", s.ca, "-u", f"{s.user}:{s.password}",
                           s.address() + "/api/files/" + name], capture_output=True,
                          check=False).stdout


@contextlib.contextmanager
def small_disk():
    """A system whose clients' volumes lie on a file system of DISK_MIB; None without the right."""
    root = tempfile.mkdtemp(prefix="coffer-full-")
    disk = os.path.join(root, "tenants")
    os.mkdir(disk)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", disk],
                             check=False, capture_output=True).returncode == 0
    try:
        if not mounted:
            yield None
            return
        with System(BUILD, root) as s:
            s.sign_in()
            yield s
    finally:
        if mounted:
            subprocess.run(["umount", "-l", disk], check=False)
        shutil.rmtree(root, ignore_errors=True)


@tap.test
def a_full_disk_is_507_and_deleting_makes_room():
    with small_disk() as s:
        if s is None:
            raise tap.Skip("no right to mount a small file system")
        path = os.path.join(s.state, "piece")

        def piece(number):
            """Contents of which no two are the same: the same would take no room."""
            with open(path, "wb") as file:
                file.write(random.Random(number).randbytes(PIECE))
            return path

        stored, answer = [], ""
        for number in range(2 * DISK_MIB):
            answer = put_file(s, f"piece-{number}", piece(number))
            if answer not in ("200", "201", "204"):
                break
            stored.append(f"piece-{number}")
        tap.equal(answer, "507", "what a full disk answers")
        tap.true(len(stored) >= DISK_MIB // 4, f"{len(stored)} documents fitted")
        for number in (0, len(stored) - 1):
            with open(piece(number), "rb") as file:
                content = file.read()
            tap.true(fetch(s, stored[number]) == content, f"{stored[number]} is what was stored")
        for name in stored[:len(stored) // 2]:
            done = s.curl(f"/api/files/{name}", "-f", "-X", "DELETE")
            tap.equal(done.returncode, 0, f"deleting {name}: {done.stdout}{done.stderr}")
        while (emptied := s.curl("/api/trash", "-X", "DELETE", "-w", "%{http_code}")).stdout == "202":
            pass
        tap.equal(emptied.stdout[-3:], "204", "emptying the trash")
        s.stop()
        s.start()
        tap.equal(put_file(s, "again", piece(len(stored))), "201", "there is room again")
        tap.true(fetch(s, stored[-1]) == content, "what was stored is still there")


@contextlib.contextmanager
def ordinary():
    with System(BUILD) as s:
        s.sign_in()
        yield s


@tap.test
def files_of_two_ages_are_never_an_old_state():
    with ordinary() as s:
        for number in range(4):
            put(s, f"old-{number}", f"old {number}")
        s.stop()
        old = data_dir(s) + ".old"
        shutil.copytree(data_dir(s), old)
        s.start()
        put(s, "new", "new")
        put(s, "old-0", "changed")
        s.stop()
        # All of it, with the key broker's memory: a server that opens a mixed volume writes to it, and
        # the volume of before alone would be an old copy.
        new = s.state + ".new"
        subprocess.run(["cp", "-a", s.state, new], check=True)
        mixed = 0
        for name in sorted(os.listdir(old)):
            if name == "lock":
                continue
            shutil.copy2(os.path.join(old, name), os.path.join(data_dir(s), name))
            s.start()
            done = get(s, "new", seconds=8)
            tap.true(done.returncode != 0 or done.stdout == "new", f"{name}: {done.stdout}")
            done = get(s, "old-0", seconds=8)
            tap.true(done.returncode != 0 or done.stdout == "changed", f"{name}: {done.stdout}")
            s.stop()
            mixed += 1
            shutil.rmtree(s.state)
            subprocess.run(["cp", "-a", new, s.state], check=True)
        tap.true(mixed >= 2, "there were files to mix")
        s.start()
        tap.equal(get(s, "old-0").stdout, "changed", "the right files heal it")


@tap.test
def an_upload_cut_in_the_middle_leaves_nothing():
    with ordinary() as s:
        put(s, "whole", "whole")
        context = ssl.create_default_context(cafile=s.ca)
        host = "demo.localhost"
        raw = socket.create_connection(("127.0.0.1", s.port))
        stream = context.wrap_socket(raw, server_hostname=host)
        who = base64.b64encode(f"{s.user}:{s.password}".encode()).decode()
        stream.sendall(f"PUT /api/files/cut HTTP/1.1\r\nHost: {host}:{s.port}\r\n"
                       f"Authorization: Basic {who}\r\nContent-Length: 8000000\r\n\r\n".encode()
                       + b"x" * 3000000)
        stream.close()
        tap.true(get(s, "cut").returncode != 0, "half a document is none")
        tap.equal(get(s, "whole").stdout, "whole", "the other document")
        listing = s.curl("/api/files/", "-f").stdout
        tap.true("cut" not in listing, f"the listing: {listing}")
        tap.true(put(s, "cut", "second try") in ("200", "201", "204"), "a second try is stored")


tap.main()
