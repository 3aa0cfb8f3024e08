#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A mounted volume beside gocryptfs and a plain directory on the same disk, interleaved; medians, and
ratios to plain (above 1: faster than plain). Needs root, /dev/fuse and gocryptfs.

    mount.py BUILD [--rounds N] [--files N] [--mib N]
"""
import argparse
import os
import random
import shutil
import sqlite3
import tempfile
import time

import machine
from places import Coffer, Gocryptfs, Place

BLOCK = 4096


def timed(function):
    start = time.monotonic()
    function()
    return time.monotonic() - start


def path(place, name):
    return os.path.join(place.dir, name)


def write_sequential(place, o):
    data = os.urandom(1 << 20)
    fd = os.open(path(place, "big"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for _ in range(o.mib):
        os.write(fd, data)
    os.fsync(fd)
    os.close(fd)


def read_sequential(place, o):
    fd = os.open(path(place, "big"), os.O_RDONLY)
    while os.read(fd, 1 << 20):
        pass
    os.close(fd)


def read_random(place, o):
    rng = random.Random(1)
    fd = os.open(path(place, "big"), os.O_RDONLY)
    for _ in range(2000):
        os.pread(fd, BLOCK, rng.randrange(o.mib * 256) * BLOCK)
    os.close(fd)


def overwrite(place, o, count, each):
    rng = random.Random(2)
    data = os.urandom(BLOCK)
    fd = os.open(path(place, "big"), os.O_WRONLY)
    for _ in range(count):
        os.pwrite(fd, data, rng.randrange(o.mib * 256) * BLOCK)
        if each:
            os.fsync(fd)
    os.fsync(fd)
    os.close(fd)


def files_create(place, o):
    os.mkdir(path(place, "small"))
    for i in range(o.files):
        if i % 1000 == 0:
            os.mkdir(path(place, f"small/{i // 1000}"))
        with open(path(place, f"small/{i // 1000}/{i}"), "wb") as file:
            file.write(b"x" * 1000)


def files_stat(place, o):
    for i in range(o.files):
        os.stat(path(place, f"small/{i // 1000}/{i}"))


def files_delete(place, o):
    shutil.rmtree(path(place, "small"))


def sqlite_single(place, o):
    base = sqlite3.connect(path(place, "x.db"))
    base.execute("pragma journal_mode=wal")
    base.execute("pragma synchronous=full")
    base.execute("create table if not exists t(n integer primary key, k integer, x text)")
    base.execute("create index if not exists i on t(k)")
    for i in range(o.inserts):
        base.execute("insert into t(k, x) values(?, ?)", (i * 7919 % 100003, "x" * 100))
        base.commit()
    base.close()


def sqlite_batched(place, o):
    base = sqlite3.connect(path(place, "x.db"))
    for _ in range(20):
        base.executemany("insert into t(k, x) values(?, ?)",
                         [(i * 7919 % 100003, "x" * 100) for i in range(1000)])
        base.commit()
    base.close()


def sqlite_select(place, o):
    base = sqlite3.connect(path(place, "x.db"))
    for i in range(5000):
        base.execute("select x from t where k = ?", (i * 7919 % 100003,)).fetchall()
    base.close()


ROWS = [
    ("write 1 MiB, sequential, fsync at the end", write_sequential, False),
    ("read 1 MiB, sequential, cold", read_sequential, True),
    ("read 1 MiB, sequential, warm", read_sequential, False),
    ("read 4 KiB, random, cold", read_random, True),
    ("read 4 KiB, random, warm", read_random, False),
    ("overwrite 4 KiB, random, fsync at the end", lambda p, o: overwrite(p, o, 2000, False), False),
    ("overwrite 4 KiB, random, fsync each", lambda p, o: overwrite(p, o, 200, True), False),
    ("create small files", files_create, False),
    ("stat small files, cold", files_stat, True),
    ("delete small files", files_delete, False),
    ("SQLite, one insert per transaction", sqlite_single, False),
    ("SQLite, 1000 inserts per transaction", sqlite_batched, False),
    ("SQLite, indexed selects, cold", sqlite_select, True),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--mib", type=int, default=128)
    parser.add_argument("--inserts", type=int, default=1000)
    o = parser.parse_args()
    root = tempfile.mkdtemp(prefix="bench-mount-", dir="/var/tmp")
    places = []
    try:
        places = [Place(root, "plain"), Gocryptfs(root), Coffer(root, os.path.abspath(o.build))]
        times = {(row[0], i): [] for row in ROWS for i in range(len(places))}
        for _ in range(o.rounds):
            for name, function, cold in ROWS:
                for i, place in enumerate(places):
                    if cold:
                        place.cold()
                    times[name, i].append(timed(lambda p=place, f=function: f(p, o)))
            for place in places:
                os.unlink(path(place, "x.db"))
        print(f"{o.rounds} rounds, {o.mib} MiB, {o.files} files, {o.inserts} single inserts. Seconds.\n")
        print("| Row | Plain | gocryptfs | Coffer | gocryptfs/plain | Coffer/plain | Coffer/gocryptfs |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for name, _, _ in ROWS:
            plain, other, ours = (machine.median(times[name, i]) for i in range(3))
            print(f"| {name} | {plain:.3f} | {other:.3f} | {ours:.3f} | {plain / other:.2f} | "
                  f"{plain / ours:.2f} | {other / ours:.2f} |")
    finally:
        for place in places:
            place.unmount()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
