#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SQLite and fio where files are encrypted, all on one disk and in turn: a plain directory, gocryptfs,
fscrypt, SQLCipher for databases, our volume mounted and in process (under the runtime), and one that
compresses. Medians, and ratios to plain (above 1: faster than plain). What the machine lacks is said.

    stores.py BUILD [--rounds N] [--seconds S] [--inserts N] [--mib N] [--only WORD]
"""
import argparse
import json
import os
import shutil
import subprocess
import tempfile

import machine
from places import Coffer, Fscrypt, Gocryptfs, InProcess, Place

NOW = "select 'at', (julianday('now') - 2440587.5) * 86400;\n"
BATCH, SELECTS, PRIME = 1000, 5000, 100003


class Sqlcipher(Place):
    """Encrypts databases, nothing else."""

    def __init__(self, root):
        super().__init__(root, "sqlcipher")
        if not shutil.which("sqlcipher"):
            raise OSError("there is no sqlcipher")

    def sqlite(self):
        return "sqlcipher"


def insert(i):
    return f"insert into t(k, x) values({i * 7919 % PRIME}, '{'x' * 100}');\n"


def sqlite_scripts(o):
    table = ("pragma journal_mode=wal;\ncreate table t(n integer primary key, k integer, x text);\n"
             "create index i on t(k);\n")
    single = "".join(map(insert, range(o.inserts)))
    batches = ["begin;\n" + "".join(map(insert, range(at, at + BATCH))) + "commit;\n"
               for at in range(0, 20 * BATCH, BATCH)]
    selects = "".join(f"select count(x) from t where k = {i * 7919 % PRIME};\n" for i in range(SELECTS))
    return [
        (f"SQLite, {o.inserts:,} inserts, one per transaction", table + NOW + single + NOW),
        ("SQLite, 20,000 inserts, 1,000 per transaction", NOW + "".join(batches) + NOW),
        (f"SQLite, {SELECTS:,} indexed selects", NOW + selects + NOW),
    ]


def sqlite_run(place, script):
    """Seconds between the script's two marks, so without what starting a program takes."""
    program = getattr(place, "sqlite", lambda: "sqlite3")()
    key = f"pragma key = \"x'{'2d' * 32}'\";\n" if program == "sqlcipher" else ""
    text = subprocess.run(place.command(shutil.which(program), os.path.join(place.dir, "x.db")),
                          input=key + "pragma synchronous=full;\n" + script, check=True,
                          capture_output=True, text=True).stdout
    marks = [float(line.split("|")[1]) for line in text.splitlines() if line.startswith("at|")]
    return marks[1] - marks[0]


FIO = [
    ("fio, write 1 MiB in order, fsync each 64 MiB", "write", "1M", ["--fsync=64"]),
    ("fio, read 1 MiB in order", "read", "1M", []),
    ("fio, read 4 KiB at random", "randread", "4k", []),
    ("fio, write 4 KiB at random, fsync each 4 MiB", "randwrite", "4k", ["--fsync=1000"]),
    ("fio, write 4 KiB at random, fsync each", "randwrite", "4k", ["--fsync=1"]),
    ("fio, 70 % read, 30 % write 4 KiB at random", "randrw", "4k", ["--rwmixread=70"]),
    ("fio, the same by 4 threads", "randrw", "4k", ["--rwmixread=70", "--numjobs=4", "--group_reporting"]),
]


def fio_run(place, o, how, size, flags):
    """Seconds per MiB; caches are warm, half of what is written can be compressed."""
    text = subprocess.run(
        place.command(shutil.which("fio"), "--name=bench", f"--filename={place.dir}/fio",
                      f"--size={o.mib}M", f"--rw={how}", f"--bs={size}", "--ioengine=psync", "--thread",
                      "--invalidate=0", "--buffer_compress_percentage=50",
                      "--output-format=json", "--time_based",
                      f"--runtime={int(o.seconds * 1000)}ms", *flags),
        check=True, capture_output=True, text=True).stdout
    job = json.loads(text[text.index("{"):])["jobs"][0]
    if job["error"]:
        raise RuntimeError(f"fio: error {job['error']}")
    moved = sum(job[way]["io_bytes"] for way in ("read", "write"))
    return max(job[way]["runtime"] for way in ("read", "write")) / 1000 / (moved / (1 << 20))


def places_make(root, o, missing):
    build = os.path.abspath(o.build)
    places = {}
    for name, make in (("plain", lambda: Place(root, "plain")), ("gocryptfs", lambda: Gocryptfs(root)),
                       ("fscrypt", lambda: Fscrypt(root, 4 * o.mib + 256)),
                       ("SQLCipher", lambda: Sqlcipher(root)), ("mounted", lambda: Coffer(root, build)),
                       ("in process", lambda: InProcess(root, build)),
                       ("in process, compressed", lambda: InProcess(root, build, True))):
        try:
            places[name] = make()
        except (OSError, subprocess.CalledProcessError) as why:
            missing.append(f"{name}: {why}")
    return places


def show(title, places, rows, times, form):
    print(f"| {title} | " + " | ".join(places) + " |\n|---|" + "---:|" * len(places))
    for row in rows:
        plain = machine.median(times[row, "plain"])
        cells = []
        for name in places:
            value = machine.median(times[row, name])
            cells.append(form(value) if name == "plain" else f"{form(value)} ({plain / value:.2f})")
        print(f"| {row} | " + " | ".join(cells) + " |")
    print()


def measure(o, places):
    times, scripts = {}, sqlite_scripts(o)
    bases = [row[0] for row in scripts if o.only in row[0]]
    jobs = [row for row in FIO if o.only in row[0]] if shutil.which("fio") else []
    for turn in range(o.rounds):
        order = machine.rotated(list(places.items()), turn)
        for row, script in scripts if bases else ():
            for name, place in order:
                times.setdefault((row, name), []).append(sqlite_run(place, script))
        for row, how, size, flags in jobs:
            for name, place in order:
                if name != "SQLCipher":
                    times.setdefault((row, name), []).append(fio_run(place, o, how, size, flags))
        for _, place in order:
            files = [os.path.join(place.dir, f"{n}") for n in ("x.db", "x.db-wal", "x.db-shm", "fio")]
            subprocess.run(place.command("/bin/rm", "-f", *files), check=True)
    if bases:
        show("Seconds (share of plain)", list(places), bases, times, lambda s: f"{s:.3f}")
    if jobs:
        show("MiB/s (share of plain)", [n for n in places if n != "SQLCipher"], [row[0] for row in jobs],
             times, lambda s: f"{1 / s:.1f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--inserts", type=int, default=20000)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--only", default="")
    o = parser.parse_args()
    root = tempfile.mkdtemp(prefix="bench-stores-", dir="/var/tmp")
    places, missing = {}, []
    try:
        places = places_make(root, o, missing)
        print(f"{o.rounds} rounds; fio works for {o.seconds:g} s on {o.mib} MiB with warm caches.\n")
        measure(o, places)
        for line in missing if shutil.which("fio") else [*missing, "fio: there is none"]:
            print(f"Not here: {line}\n")
        for name, place in places.items():
            if isinstance(place, Fscrypt) and place.image:
                print("fscrypt is in an image by a loop device: this disk's file system has it not.\n")
    finally:
        for place in places.values():
            place.unmount()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
