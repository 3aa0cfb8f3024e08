#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a document server purges on an encrypted volume cannot be had from any copy of the disk, even
with all keys there are afterwards: dms_erase.py COFFER COFFER_RUNTIME COFFER_DMS"""
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile

import dms_server
import tap
from volume_second import Damaged, Volume

COFFER, RUNTIME, DMS = map(os.path.abspath, sys.argv[1:4])
SIZE = 400_000


class Host:
    """A volume with its state, and the document server on it."""

    def __init__(self, root):
        self.root, self.state, self.volume = root, f"{root}/state", f"{root}/v"
        os.mkdir(root)
        self.environment = dict(os.environ, COFFER_STATE=self.state, HOME=root)
        self.volume_do("create", self.volume)

    def volume_do(self, *words):
        done = subprocess.run([COFFER, "volume", *words], env=self.environment,
                              capture_output=True, check=False)
        tap.equal(done.returncode, 0, done.stderr)

    @contextlib.contextmanager
    def server(self):
        server = dms_server.Server(DMS, "/data", prefix=(RUNTIME, "--volume",
                                                         f"{self.volume}:/data", "--"))
        server.environment |= {"COFFER_STATE": self.state, "HOME": self.root}
        server.log_path = f"{self.root}/log"
        try:
            yield server.start()
            tap.equal(server.stop(), 0, server.logs())
        finally:
            server.close()

    def blocks(self, volume, byte):
        """How many blocks of that byte can be read from a disk with the keys that there are now."""
        key, erase_keys = None, {}
        for name in os.listdir(self.state):
            with open(f"{self.state}/{name}", "rb") as file:
                data = file.read()
            if name.endswith(".key"):
                key = data[:32]
            if name.endswith(".erase"):
                for at in range(28, 28 + 36 * int.from_bytes(data[24:28], "little"), 36):
                    erase_keys[int.from_bytes(data[at:at + 4], "little")] = data[at + 4:at + 36]
        try:
            tree = Volume(volume, key, erase_keys).tree()
        except (Damaged, KeyError):
            return 0
        return sum(data.count(byte * 4096) for data in tree.values() if data)


@contextlib.contextmanager
def hosts():
    with tempfile.TemporaryDirectory(prefix="coffer-erase-") as root:
        yield lambda name: Host(os.path.join(root, name))


def good(answer):
    tap.true(answer.status in (200, 201, 204), repr(answer))
    return answer.json if answer.body else None


def purge(server, key):
    good(server.ask(f"/api/documents/{key}", "-X", "DELETE"))
    good(server.ask(f"/api/trash/{key}", "-X", "DELETE"))


@tap.test
def what_is_purged_is_on_no_copy_of_the_disk(make):
    host = make("erased")
    copy = host.root + "/copy"
    with host.server() as server:
        keys = [good(server.put(name, byte * SIZE))["id"]
                for name, byte in (("secret", b"\x11"), ("kept", b"\x12"), ("twin", b"\x13"))]
        good(server.put("twin-of-another", b"\x13" * SIZE))
    shutil.copytree(host.volume, copy)
    whole = SIZE // 4096
    tap.equal([host.blocks(copy, bytes([b])) for b in (0x11, 0x12, 0x13)], [whole] * 3)
    with host.server() as server:
        purge(server, keys[0])
        purge(server, keys[2])  # somebody else has the same bytes
        tap.true(b"coffer_dms_contents_not_erased_total 0" in server.ask("/metrics").body, "all")
        tap.true(server.get("kept").body == b"\x12" * SIZE, "what stays")
        tap.true(server.get("twin-of-another").body == b"\x13" * SIZE, "its twin")
    tap.equal(host.blocks(copy, b"\x11"), 0, "the copy")
    tap.equal(host.blocks(host.volume, b"\x11"), 0, "the disk")
    tap.equal([host.blocks(host.volume, bytes([b])) for b in (0x12, 0x13)], [whole] * 2)


@tap.test
def where_a_snapshot_holds_it_it_is_deleted_and_said_not_to_be_erased(make):
    host = make("snapshot")
    with host.server() as server:
        key = good(server.put("secret", b"\x11" * SIZE))["id"]
    host.volume_do("snapshot", host.volume, "create", "before")
    with host.server() as server:
        purge(server, key)
        tap.true(b"coffer_dms_contents_not_erased_total 1" in server.ask("/metrics").body, "one")
        tap.true("could not erase" in server.logs(), server.logs())
        tap.equal(server.get("secret").status, 404)


@tap.test
def on_a_full_volume_it_is_deleted_and_what_is_said_of_it_is_true(make):
    host = make("full")
    host.volume_do("limit", "--size", "12M", host.volume)
    with host.server() as server:
        keys = []
        for number in range(60):
            answer = server.put(f"d{number}", random.Random(number).randbytes(SIZE))
            if answer.status == 507:
                break
            keys.append(good(answer)["id"])
        tap.equal(answer.status, 507, "the volume is full")
        purge(server, keys[0])
        metrics = server.ask("/metrics").body
        tap.true(b"coffer_dms_contents_not_erased_total 1\n" in metrics, "it is said")
        for key in keys[1:]:
            purge(server, key)
        good(server.put("again", b"\x11" * SIZE))


tap.main(hosts)
