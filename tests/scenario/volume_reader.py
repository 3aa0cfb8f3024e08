#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The second implementation of the volume format must find what the first one wrote, after a clean close
and after a crash.

    volume_reader.py COFFER COFFER_RUNTIME
"""
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile

import tap
from volume_second import Damaged, Volume

COFFER, RUNTIME = map(os.path.abspath, sys.argv[1:3])


class Host:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="coffer-reader-")
        self.state = os.path.join(self.root, "state")
        self.volume = os.path.join(self.root, "v")
        self.environment = dict(os.environ, COFFER_STATE=self.state, HOME=self.root)
        self.must("create", self.volume)

    def must(self, *words, data=b""):
        result = subprocess.run([COFFER, "volume", *words], env=self.environment, input=data,
                                capture_output=True, check=False)
        tap.equal(result.returncode, 0, result.stderr)
        return result.stdout

    def second(self):
        key, erase_keys = None, {}
        for name in os.listdir(self.state):
            with open(os.path.join(self.state, name), "rb") as file:
                data = file.read()
            if name.endswith(".key"):
                key = data[:32]
            if name.endswith(".erase"):
                for at in range(28, 28 + 36 * int.from_bytes(data[24:28], "little"), 36):
                    erase_keys[int.from_bytes(data[at:at + 4], "little")] = data[at + 4:at + 36]
        return Volume(self.volume, key, erase_keys)


@contextlib.contextmanager
def fixture():
    host = Host()
    try:
        yield host
    finally:
        shutil.rmtree(host.root, ignore_errors=True)


@tap.test
def it_reads_what_was_written(host):
    rng, model = random.Random(3), {}
    for i in range(60):
        name = f"/{'d%d/' % (i % 3) if i % 4 else ''}f{i % 40}"
        data = rng.randbytes(rng.choice((0, 10, 5000, 300_000)))
        host.must("mkdir", "-p", host.volume, "d0", "d1", "d2")
        host.must("put", host.volume, "-", name, data=data)
        model[name] = data
    gone = sorted(model)[5]
    host.must("rm", host.volume, gone)
    del model[gone]
    found = {name: data for name, data in host.second().tree().items() if data is not None}
    tap.equal(sorted(found), sorted(model), "names")
    tap.true(found == model, "contents")
    host.model = model


@tap.test
def it_reads_what_another_key_and_an_erased_file_left(host):
    host.must("rekey", host.volume)
    name = sorted(host.model)[0]
    host.must("erase", host.volume, name)
    del host.model[name]
    found = {name: data for name, data in host.second().tree().items() if data is not None}
    tap.true(found == host.model, "contents")
    host.must("rekey", "--rewrite", host.volume)
    found = {name: data for name, data in host.second().tree().items() if data is not None}
    tap.true(found == host.model, "contents")


@tap.test
def it_follows_the_log_after_a_crash(host):
    program = ("import os\nfor i in range(300):\n"
               "    with open('/data/log', 'ab') as f:\n"
               "        f.write(b'%d\\n' % i * 50)\n        f.flush()\n        os.fsync(f.fileno())\n"
               "os.kill(os.getpid(), 9)\n")
    subprocess.run([RUNTIME, "--volume", f"{host.volume}:/data", "--", "/usr/bin/python3", "-c",
                    program], env=host.environment, check=False)
    found = host.second().tree()["/log"]
    tap.equal(found, b"".join(b"%d\n" % i * 50 for i in range(300)), "what was synced")


@tap.test
def a_program_erases_by_punching_a_hole(host):
    before = set(host.second().erase_keys)
    program = ("import os, subprocess\n"
               "with open('/data/card', 'wb') as f:\n    f.write(b'4' * 20000)\n    os.fsync(f.fileno())\n"
               "os.setxattr('/data/card', 'user.coffer.erase', b'')\n"
               "subprocess.run(['fallocate', '-p', '-o', '4096', '-l', '8192', '/data/card'],"
               " check=True)\n")
    result = subprocess.run([RUNTIME, "--volume", f"{host.volume}:/data", "--", "/usr/bin/python3",
                             "-c", program], env=host.environment, capture_output=True, check=False)
    tap.equal(result.returncode, 0, result.stderr)
    second = host.second()
    tap.equal(second.tree()["/card"], b"4" * 4096 + bytes(8192) + b"4" * (20000 - 12288), "contents")
    tap.true(not before & set(second.erase_keys), "the erase key of before is destroyed")


POLICY = """version: 1
command: {environment: {PATH: /usr/bin}}
files:
  - {path: /usr, class: host, read_only: true}
  - {path: /lib, class: host, read_only: true}
  - {path: /lib64, class: host, read_only: true}
  - {path: /etc/ld.so.cache, class: host, read_only: true}
volumes:
  - {name: data, mount: /data, mode: strict, purge: [/cards/*.txt, "/scans/**"]}
"""


def readable(second, byte):
    """How many blocks of that kind can be had."""
    try:
        return sum(data.count(byte * 4096) for data in second().tree().values() if data)
    except (Damaged, KeyError):
        return 0


@tap.test
def what_a_purge_rule_names_is_gone_for_good_when_a_program_deletes_it(host):
    policy, copy = os.path.join(host.root, "policy.yaml"), os.path.join(host.root, "copy")
    with open(policy, "w", encoding="utf-8") as file:
        file.write(POLICY)

    def run(program):
        result = subprocess.run([RUNTIME, "--policy", policy, "--volume", f"{host.volume}:/data", "--",
                                 "/usr/bin/python3", "-S", "-c", program], env=host.environment,
                                capture_output=True, check=False)
        tap.equal(result.returncode, 0, result.stderr)

    def old():
        second, host.volume = host.volume, copy
        try:
            return host.second()
        finally:
            host.volume = second

    run("import os\nfor d in ('cards', 'scans', 'scans/a'):\n    os.mkdir('/data/' + d)\n"
        "for n, b in (('cards/1.txt', '\\x01'), ('cards/1.png', '\\x02'), ('scans/a/b', '\\x03'),"
        " ('cards/2.txt', '\\x04'), ('cards/3.txt', '\\x05')):\n"
        "    open('/data/' + n, 'w').write(b * 30000)\n")
    shutil.copytree(host.volume, copy)
    tap.equal([readable(old, bytes([b])) == 7 for b in range(1, 6)], [True] * 5)
    # By a child, by renaming over it, by a path through another directory, and while it is open.
    run("import os, subprocess\nsubprocess.run(['rm', '/data/cards/1.txt'], check=True)\n"
        "f = open('/data/cards/3.txt')\nos.unlink('/data/cards/3.txt')\n"
        "assert f.read(1) == '\\x05'\nf.close()\n"
        "os.rename('/data/cards/1.png', '/data/cards/2.txt')\n"
        "os.chdir('/data/scans/a')\nos.unlink('../../scans/a/b')\n")
    tap.equal([readable(old, bytes([b])) for b in (1, 3, 4, 5)], [0] * 4, "the old disk")
    tap.equal([readable(host.second, bytes([b])) for b in (1, 3, 4, 5)], [0] * 4, "the new one")
    tap.equal(host.second().tree()["/cards/2.txt"], b"\x02" * 30000, "what stays")
    shutil.rmtree(copy)


@tap.test
def it_reads_what_is_compressed(host):
    rng, model = random.Random(4), {}
    host.volume, host.state = os.path.join(host.root, "packed"), os.path.join(host.root, "state-2")
    host.environment["COFFER_STATE"] = host.state
    host.must("create", "--compress", host.volume)
    tap.true(b"compression     zstd" in host.must("info", host.volume), "info says so")
    words = [b"amount ", b"invoice ", b"street\n", bytes(300)]
    for i in range(12):
        data = b"".join(rng.choices(words, k=rng.choice((3, 900, 40_000))))
        if i % 3 == 0:
            data += rng.randbytes(50_000)
        host.must("put", host.volume, "-", f"/f{i}", data=data)
        model[f"/f{i}"] = data
    program = ("import os\nwith open('/data/f1', 'r+b') as f:\n    f.seek(5000)\n    f.write(b'x' * 4096)\n"
               "    os.fsync(f.fileno())\nos.truncate('/data/f4', 20000)\n")
    result = subprocess.run([RUNTIME, "--volume", f"{host.volume}:/data", "--", "/usr/bin/python3", "-c",
                             program], env=host.environment, capture_output=True, check=False)
    tap.equal(result.returncode, 0, result.stderr)
    model["/f1"] = model["/f1"][:5000].ljust(5000, b"\0") + b"x" * 4096 + model["/f1"][9096:]
    model["/f4"] = model["/f4"][:20000].ljust(20000, b"\0")
    tap.true(host.second().tree() == model, "contents")
    size = sum(os.path.getsize(os.path.join(host.volume, n)) for n in os.listdir(host.volume))
    tap.true(size < sum(map(len, model.values())), "it takes less")
    host.must("rekey", "--rewrite", host.volume)
    tap.true(host.second().tree() == model, "written anew")
    host.must("check", host.volume)


@tap.test
def a_policy_has_its_volume_compressed(host):
    policy = os.path.join(host.root, "policy.yaml")
    host.environment["COFFER_STATE"] = host.state = os.path.join(host.root, "state-3")
    for compress in (False, True):
        host.volume = os.path.join(host.root, f"made-{compress}")
        with open(policy, "w", encoding="utf-8") as file:
            file.write(POLICY.replace("mode: strict", f"mode: strict, compress: {str(compress).lower()}"))
        result = subprocess.run([RUNTIME, "--policy", policy, "--volume", f"{host.volume}:/data", "--",
                                 "/usr/bin/python3", "-S", "-c", "open('/data/x', 'w').write('y' * 9000)"],
                                env=host.environment, capture_output=True, check=False)
        tap.equal(result.returncode, 0, result.stderr)
        tap.equal(b"zstd" in host.must("info", host.volume), compress)


if __name__ == "__main__":
    tap.main(fixture)
