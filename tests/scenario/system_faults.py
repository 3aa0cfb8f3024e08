#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Faults under the whole system: a disk that lies, a key broker that is away.

usage: system_faults.py BUILD-DIR
"""
import contextlib
import os
import shutil
import signal
import sys
import time

import tap
from coffer_system import System

BUILD = os.path.abspath(sys.argv[1])


@contextlib.contextmanager
def system():
    with System(BUILD) as s:
        s.sign_in()
        s.acme = s.sign_in("acme", s.add_tenant("acme"))
        put(s, "kept.txt", "acknowledged")
        yield s


def put(s, name, text):
    done = s.curl("/api/files/" + name, "-f", "-X", "PUT", "--data-binary", text)
    tap.equal(done.returncode, 0, f"storing {name}: {done.stderr}")


def get(s, name):
    done = s.curl("/api/files/" + name, "-f")
    tap.equal(done.returncode, 0, f"fetching {name}: {done.stderr}{s.logs()[-3000:]}")
    return done.stdout


def stop_server(s):
    s.coffer("tenant", "stop", "demo")
    tap.until(lambda: s.tenant()["state"] in ("absent", "failed"), "the server stops")


def volume(s):
    return f"{s.state}/tenants/demo/data"


@contextlib.contextmanager
def volume_changed(s, change):
    """Stops the server, keeps a copy of its volume, changes it, and puts it back at the end."""
    stop_server(s)
    copy = s.state + "/copy"
    shutil.copytree(volume(s), copy)
    owner = os.stat(volume(s))
    try:
        change(volume(s))
        yield
    finally:
        tap.until(lambda: s.tenant()["state"] in ("absent", "failed") or stop_server(s) is None,
                  "no server runs")
        replace(volume(s), copy, owner)


def replace(path, by, owner):
    for name in os.listdir(path):
        os.unlink(os.path.join(path, name))
    for name in os.listdir(by):
        shutil.copy2(os.path.join(by, name), path)
        os.chown(os.path.join(path, name), owner.st_uid, owner.st_gid)
    shutil.rmtree(by)


def refused_with_reason(s, *words):
    """No old or damaged document is served; the operator sees why; the other client is served."""
    done = s.curl("/api/files/kept.txt", "-f", seconds=4)
    tap.true(done.returncode != 0, f"served: {done.stdout}")
    error = tap.until(lambda: s.tenant()["error"], "the reason is shown")
    tap.true(any(word in error + s.logs()[-6000:] for word in words), error)
    print("#", error)
    tap.equal(s.curl("/healthz", tenant="acme", password=s.acme).stdout, "ok\n", "acme")


def served_again(s):
    tap.until(lambda: s.curl("/healthz", seconds=20).stdout == "ok\n", "service", 40)
    tap.equal(get(s, "kept.txt"), "acknowledged")


def segments(path):
    return sorted(name for name in os.listdir(path) if len(name) == 16)


@tap.test
def a_key_broker_that_is_away_for_a_while_stops_nobody_who_runs(s):
    kbs = s.pid("coffer-kbs")
    os.kill(kbs, signal.SIGSTOP)
    try:
        end = time.monotonic() + 3
        count = 0
        while time.monotonic() < end:
            tap.equal(get(s, "kept.txt"), "acknowledged")
            count += 1
        print(f"# {count} reads meanwhile")
    finally:
        os.kill(kbs, signal.SIGCONT)
    put(s, "after.txt", "stored")
    tap.equal(get(s, "after.txt"), "stored")


@tap.test
def a_start_waits_for_a_key_broker_that_is_away(s):
    stop_server(s)
    kbs = s.pid("coffer-kbs")
    os.kill(kbs, signal.SIGSTOP)
    try:
        done = s.curl("/healthz", seconds=2)
        tap.true(done.returncode != 0, "nothing is served before the key broker answers")
    finally:
        os.kill(kbs, signal.SIGCONT)
    served_again(s)
    tap.equal(get(s, "after.txt"), "stored")


@tap.test
def an_older_copy_of_the_volume_is_not_served(s):
    stop_server(s)
    old, owner = s.state + "/old", os.stat(volume(s))
    shutil.copytree(volume(s), old)
    tap.equal(get(s, "kept.txt"), "acknowledged")
    put(s, "newer.txt", "acknowledged")

    def put_back(path):
        replace(path, old, owner)
    with volume_changed(s, put_back):
        refused_with_reason(s, "old copy")
    served_again(s)
    tap.equal(get(s, "newer.txt"), "acknowledged")


@tap.test
def a_flipped_byte_is_noticed(s):
    def flip(path):
        for name in segments(path):
            with open(os.path.join(path, name), "r+b") as segment:
                data = bytearray(segment.read())
                used = len(data.rstrip(b"\0"))
                for at in range(used // 2, used, 997):
                    data[at] ^= 1
                segment.seek(0)
                segment.write(data)
    with volume_changed(s, flip):
        refused_with_reason(s, "damage", "corrupt", "EBADMSG", "does not", "cannot")
    served_again(s)


@tap.test
def a_deleted_segment_is_noticed(s):
    def delete(path):
        os.unlink(os.path.join(path, segments(path)[0]))
    with volume_changed(s, delete):
        refused_with_reason(s, "missing", "damage", "I/O error")
    served_again(s)


@tap.test
def a_deleted_volume_is_not_taken_for_an_empty_one(s):
    def delete_all(path):
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))
    with volume_changed(s, delete_all):
        refused_with_reason(s, "no volume here")
    served_again(s)


if __name__ == "__main__":
    tap.main(system)
