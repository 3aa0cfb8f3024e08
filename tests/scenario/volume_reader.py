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
from volume_second import Volume

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


if __name__ == "__main__":
    tap.main(fixture)
