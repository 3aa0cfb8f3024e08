#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A bank's rehearsal: the servers and the key broker are gone, the disk, a recovery key and the owner's
keys are there (docs/export.md).

usage: documents_recovery.py BUILD_DIR
"""
import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile

import coffer_system
import tap

BUILD = os.path.abspath(sys.argv[1])
LARGE = hashlib.sha256(b"large").digest() * 20_000


def good(done):
    tap.equal(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout


class Bank:
    """A system with documents, a recovery key, and what is left when everything else was stopped."""

    def __init__(self, system):
        self.system = system
        self.keys = os.path.join(system.state, "demo-owner")
        self.volume = os.path.join(system.state, "tenants", "demo", "data")
        self.outs = 0

    def path(self, name):
        return os.path.join(self.system.state, name)

    def put(self, name, content):
        path = self.path("upload")
        with open(path, "wb") as file:
            file.write(content)
        return json.loads(good(self.system.curl(f"/api/documents?name={name}&parent=root", "-f",
                                                "--data-binary", "@" + path)))["id"]

    def recovery_key(self, name):
        done = self.system.coffer("policy", "recovery-key", "demo/documents", "data", "--keys",
                                  self.keys, "--out", self.path(name))
        good(done)
        return self.path(name)

    def stop_server(self):
        """Which waits until its process, which has the volume open, is gone."""
        pid = self.system.tenant()["pid"]
        good(self.system.coffer("tenant", "stop", "demo"))
        tap.true(not os.path.exists(f"/proc/{pid}"), "nothing can write to the volume any more")

    def coffer(self, *args):
        return subprocess.run([self.system.program, *args], capture_output=True, text=True,
                              timeout=120, check=False, env={"PATH": os.environ["PATH"]})

    def export(self, *flags, volume=None, recovery="recovery", keys=None):
        self.outs += 1
        out = self.path(f"out-{self.outs}.tar")
        done = self.coffer("documents", "export", "--volume", volume or self.volume, "--recovery",
                           self.path(recovery), "--keys", keys or self.keys, "--out", out, *flags)
        return done, out


def listing(directory):
    found = {}
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), "rb") as file:
            found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


def read(out):
    with tarfile.open(out) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}


@contextlib.contextmanager
def fixture():
    with coffer_system.System(BUILD) as system:
        system.sign_in()
        bank = Bank(system)
        bank.older = bank.path("older")
        bank.first = bank.put("first.txt", b"the first")
        bank.stop_server()
        shutil.copytree(bank.volume, bank.older)
        bank.large = bank.put("large.bin", LARGE)
        good(system.curl(f"/api/documents/{bank.first}/content", "-f", "-X", "PUT",
                         "--data-binary", "a second version"))
        good(system.curl(f"/api/nodes/{bank.first}/acl", "-f", "-X", "PUT", "--json", json.dumps(
            {"inherits": False, "entries": [{"principal": "admin", "permission": "write"}]})))
        bank.stop_server()
        bank.recovery_key("recovery")
        bank.copy = bank.path("copy")
        shutil.copytree(bank.volume, bank.copy)
        yield bank


@tap.test
def the_file_alone_opens_nothing_and_says_nothing(bank):
    with open(bank.path("recovery"), "rb") as file:
        text = file.read()
    tap.true(text.startswith(b"coffer-sealed-volume-key 1 ") and b"demo" not in text, text)
    other = bank.path("other-keys")
    good(bank.coffer("owner", "new", other))
    done, out = bank.export(keys=other)
    tap.equal(done.returncode, 4, done.stderr)
    tap.true("not for the keys in" in done.stderr, done.stderr)
    done = bank.system.coffer("policy", "recovery-key", "demo/documents", "data", "--keys", other,
                              "--out", bank.path("stolen"))
    tap.true(done.returncode == 1 and "NOT_OWNER" in done.stderr, done.stderr)
    tap.true(not os.path.exists(bank.path("stolen")) and not os.path.exists(out), "nothing")


@tap.test
def everything_comes_out_without_server_and_key_broker_and_nothing_changes(bank):
    tap.equal(bank.system.stop(), 0)
    before = listing(bank.volume)
    done, out = bank.export()
    tap.true("all of it verified" in good(done), done.stdout)
    tap.true("at least as new as the recovery key" in done.stderr, done.stderr)
    tap.equal(listing(bank.volume), before)
    files = read(out)
    tap.equal((files["files/first.txt"], files[f"versions/{bank.first}/1"]),
              (b"a second version", b"the first"))
    tap.true(files["files/large.bin"] == LARGE, "the large one")
    node = json.loads(files[f"nodes/{bank.first}.json"])
    tap.equal((node["inherits"], node["acl"]),
              (False, [{"principal": "admin", "permission": "write"}]))
    trail = [row for name in sorted(files) if name.startswith("audit/")
             for row in csv.DictReader(io.StringIO(files[name].decode()))]
    tap.equal([int(row["sequence"]) for row in trail], list(range(1, len(trail) + 1)))
    head = json.loads(files["export.json"])
    tap.equal((head["audit_sequence"], head["audit_hash"]), (len(trail), trail[-1]["hash"]))
    tap.true({"create", "version", "permissions"} <= {row["action"] for row in trail}, trail)
    tap.true("damage.json" not in files, "no damage")
    good(bank.coffer("volume", "check", bank.volume, "--recovery", bank.path("recovery"), "--keys",
                     bank.keys))
    tap.equal(listing(bank.volume), before)


@tap.test
def a_disk_that_cannot_be_written_will_do(bank):
    for name in os.listdir(bank.copy):
        os.chmod(os.path.join(bank.copy, name), 0o400)
    os.remove(os.path.join(bank.copy, "lock"))
    os.chmod(bank.copy, 0o500)
    drop = [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-all"]
    done = subprocess.run([*drop, bank.system.program, "volume", "ls", bank.copy, "--recovery",
                           bank.path("recovery"), "--keys", bank.keys], capture_output=True,
                          text=True, check=False)
    tap.true("coffer.db" in good(done), done.stdout)
    tap.true("lock" not in os.listdir(bank.copy), "not even a lock")
    os.chmod(bank.copy, 0o700)
    for name in os.listdir(bank.copy):
        os.chmod(os.path.join(bank.copy, name), 0o600)


@tap.test
def an_older_copy_is_refused_until_it_is_asked_for(bank):
    done, out = bank.export(volume=bank.older)
    tap.equal(done.returncode, 4, done.stderr)
    tap.true("older than the recovery key" in done.stderr, done.stderr)
    tap.true(not os.path.exists(out), "no archive")
    done, out = bank.export("--accept-older", volume=bank.older)
    good(done)
    tap.true("cannot be verified" in done.stderr, done.stderr)
    files = read(out)
    tap.equal(files["files/first.txt"], b"the first")
    tap.true("files/large.bin" not in files, "it was not there yet")


def flipped(bank, volume, path, at):
    """Changes a byte, and back if it was none of a content's."""
    with open(path, "r+b") as file:
        file.seek(at)
        old = file.read(1)
        file.seek(at)
        file.write(bytes([old[0] ^ 1]))
    done = bank.coffer("volume", "check", volume, "--recovery", bank.path("recovery"), "--keys",
                       bank.keys)
    if done.returncode == 3 and "/content/" in done.stdout and "coffer.db" not in done.stdout:
        return True
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(old)
    return False


@tap.test
def damage_is_named_and_everything_else_comes_out(bank):
    hurt = bank.path("hurt")
    shutil.copytree(bank.volume, hurt)
    hit = False
    for name in sorted(name for name in os.listdir(hurt) if len(name) == 16):
        for at in range(48 << 10, os.path.getsize(f"{hurt}/{name}"), 128 << 10):
            hit = hit or flipped(bank, hurt, f"{hurt}/{name}", at)
    tap.true(hit, "something in the large document was hit")
    done, out = bank.export(volume=hurt)
    tap.equal(done.returncode, 3, done.stdout + done.stderr)
    tap.true("still verifies" in done.stdout and "damage: " in done.stderr, done.stderr)
    files = read(out)
    tap.equal(files["files/first.txt"], b"a second version")
    damage = json.loads(files["damage.json"])
    tap.equal((damage["count"], damage["damage"][0]["id"], damage["damage"][0]["file"]),
              (1, bank.large, "files/large.bin"))
    begin, end = damage["damage"][0]["from"], damage["damage"][0]["to"]
    tap.true(end - begin <= 4096, damage)
    tap.true(files["files/large.bin"] == LARGE[:begin] + bytes(end - begin) + LARGE[end:], "holes")


@tap.test
def another_volume_and_one_in_use_are_refused(bank):
    other = bank.path("other-volume")
    env = {"PATH": os.environ["PATH"], "COFFER_STATE": bank.path("other-state")}
    subprocess.run([bank.system.program, "volume", "create", other], check=True, env=env,
                   capture_output=True)
    done, _ = bank.export(volume=other)
    tap.true(done.returncode == 4 and "for another volume (demo/documents/data)" in done.stderr,
             done.stderr)
    done, _ = bank.export(volume=bank.path("none"))
    tap.true(done.returncode == 1 and "cannot be opened" in done.stderr, done.stderr)
    done = bank.coffer("volume", "rm", bank.volume, "x", "--recovery", bank.path("recovery"),
                       "--keys", bank.keys)
    tap.true(done.returncode == 2 and "only read" in done.stderr, done.stderr)


@tap.test
def what_was_erased_since_ends_the_use_of_a_recovery_key(bank):
    bank.system.start()
    bank.system.password = coffer_system.PASSWORD
    good(bank.system.curl("/api/me", "-f"))
    done, _ = bank.export()
    tap.true(done.returncode == 5 and "open" in done.stderr, done.stderr)
    good(bank.system.curl(f"/api/documents/{bank.large}", "-f", "-X", "DELETE"))
    good(bank.system.curl(f"/api/trash/{bank.large}", "-f", "-X", "DELETE"))
    bank.stop_server()
    done, _ = bank.export()
    tap.true(done.returncode == 4 and "erased for good" in done.stderr, done.stderr)
    bank.recovery_key("newer")
    done, out = bank.export(recovery="newer")
    good(done)
    tap.true("files/large.bin" not in read(out) and "files/first.txt" in read(out), "as it is now")
    done, out = bank.export(volume=bank.copy)
    good(done)
    tap.true(read(out)["files/large.bin"] == LARGE, "the old key and the old copy go together")


tap.main(fixture)
