#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coffer volume` as its users type it: each verb, its refusals and its exit statuses.

    volume_cli.py COFFER
"""
import contextlib
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile

import tap

COFFER = os.path.abspath(sys.argv[1])


class Host:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="coffer-volume-cli-")
        self.environment = dict(os.environ, COFFER_STATE=self.path("state"), HOME=self.root)
        self.must("create", "v")

    def path(self, *names):
        return os.path.join(self.root, *names)

    def coffer(self, *words, data=b""):
        return subprocess.run([COFFER, "volume", *words], env=self.environment, cwd=self.root,
                              input=data, capture_output=True, timeout=120, check=False)

    def must(self, *words, data=b""):
        result = self.coffer(*words, data=data)
        tap.equal(result.returncode, 0, f"status of {words} ({result.stderr.decode()})")
        return result.stdout

    def refused(self, status, text, *words):
        result = self.coffer(*words)
        tap.equal(result.returncode, status, f"status of {words}")
        tap.true(text in result.stderr.decode(), f"{text!r} is said ({result.stderr.decode()!r})")

    def write(self, name, data, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        return path


@contextlib.contextmanager
def fixture():
    host = Host()
    try:
        yield host
    finally:
        shutil.rmtree(host.root, ignore_errors=True)


def same_tree(one, other):
    left = sorted(os.path.relpath(os.path.join(d, n), one)
                  for d, ds, fs in os.walk(one) for n in ds + fs)
    right = sorted(os.path.relpath(os.path.join(d, n), other)
                   for d, ds, fs in os.walk(other) for n in ds + fs)
    tap.equal(right, left, "names")
    for name in left:
        a, b = os.path.join(one, name), os.path.join(other, name)
        sa, sb = os.lstat(a), os.lstat(b)
        tap.equal((sb.st_mode, sb.st_mtime_ns), (sa.st_mode, sa.st_mtime_ns), f"attributes of {name}")
        if os.path.islink(a):
            tap.equal(os.readlink(b), os.readlink(a), name)
        elif os.path.isfile(a):
            tap.true(filecmp.cmp(a, b, shallow=False), f"{name} is the same")


@tap.test
def what_standard_input_brings_cat_gives_back(host):
    data = os.urandom(3_000_001)
    host.must("put", "v", "-", "blob", data=data)
    tap.true(host.must("cat", "v", "/blob") == data, "the same bytes")
    tap.true(host.must("get", "v", "blob", "-") == data, "the same bytes by get")
    host.must("put", "v", "-", "blob", data=b"short")
    tap.equal(host.must("cat", "v", "blob"), b"short")


@tap.test
def a_tree_comes_back_as_it_was(host):
    host.write("tree/a/deep/file", b"x" * 100_000, 0o600)
    host.write("tree/a/script", b"#!/bin/sh\n", 0o755)
    host.write("tree/empty", b"")
    with open(host.write("tree/holes", b"begin"), "r+b") as file:
        file.seek(8 << 20)
        file.write(b"end")
    os.symlink("a/script", host.path("tree/link"))
    os.mkdir(host.path("tree/nothing"), 0o700)
    os.mkfifo(host.path("tree/fifo"))
    for name in ("tree/a/script", "tree/a", "tree"):
        os.utime(host.path(name), ns=(1_600_000_000_123_456_789, 1_600_000_000_987_654_321))
    host.must("cp", "-r", "tree", "v:/")
    host.must("cp", "-r", "v:/tree", "back")
    same_tree(host.path("tree"), host.path("back"))
    tap.true(os.stat(host.path("back/holes")).st_blocks < 2048, "holes stay holes")
    host.must("cp", "-r", "v:tree", "v:again")
    host.must("get", "-r", "v", "again")
    same_tree(host.path("tree"), host.path("again"))


@tap.test
def listing_and_stat_tell_what_is_there(host):
    host.must("mkdir", "-p", "v", "one/two/three")
    host.must("put", "v", "-", "one/\x1b[31mred", data=b"12345")
    listing = host.must("ls", "-R", "v", "one").decode()
    tap.true("\\x1b[31mred" in listing and "\x1b" not in listing, "control bytes are escaped")
    tap.true("one/two/three:" in listing, "directories below are listed")
    stat = host.must("stat", "v", "one/\x1b[31mred").decode()
    tap.true("size        5" in stat and "type        regular file" in stat, stat)
    tap.true(b"use%" in host.must("df", "-h", "v"), "df says how full it is")
    tap.true(b"epoch" in host.must("info", "v"), "info says the epoch")


@tap.test
def moving_and_removing(host):
    host.must("mkdir", "v", "d")
    host.must("put", "v", "-", "f", data=b"1")
    host.must("mv", "v", "f", "d")
    host.must("mv", "v", "d/f", "d/g")
    tap.equal(host.must("cat", "v", "d/g"), b"1")
    host.refused(1, "is a directory (rm -r", "rm", "v", "d")
    host.refused(1, "Invalid argument", "mv", "v", "d", "d/below")
    host.must("rm", "-rf", "v", "d", "never-there")
    host.refused(1, "No such file", "rm", "v", "d")
    host.must("rm", "-r", "v", "one", "tree", "again")


@tap.test
def links_inside_are_followed_and_never_out(host):
    os.symlink("/etc/passwd", host.path("escape"))
    os.symlink("loop", host.path("loop"))
    host.must("put", "v", "escape")
    host.must("put", "v", "loop")
    host.refused(1, "No such file", "cat", "v", "escape")
    host.refused(1, "Too many levels", "cat", "v", "loop")
    host.must("mkdir", "v", "etc")
    host.must("put", "v", "-", "etc/passwd", data=b"inside")
    tap.equal(host.must("cat", "v", "escape"), b"inside")
    tap.equal(host.must("cat", "v", "../../etc/../escape"), b"inside")


@tap.test
def snapshots_keep_what_was(host):
    host.must("create", "s")
    host.must("put", "s", "-", "f", data=b"before")
    host.must("snapshot", "s", "create", "first")
    host.must("put", "s", "-", "f", data=b"after")
    tap.equal(host.must("cat", "s", "f"), b"after")
    tap.equal(host.must("cat", "--snapshot", "first", "s", "f"), b"before")
    tap.true(b" first\n" in host.must("snapshot", "s"), "it is listed")
    tap.true(b"snapshots       1" in host.must("info", "s"), "info counts it")
    tap.true(b"no damage" in host.must("check", "--snapshot", "first", "s"), "it is intact")
    host.refused(1, "Read-only file system", "rm", "--snapshot", "first", "s", "f")
    host.refused(1, "a snapshot 'first' already", "snapshot", "s", "create", "first")
    host.refused(1, "is no name for a snapshot", "snapshot", "s", "create", "a/b")
    host.refused(1, "no snapshot 'second'", "snapshot", "s", "delete", "second")
    host.refused(1, "no snapshot 'second'", "ls", "--snapshot", "second", "s")
    host.refused(2, "usage: coffer volume snapshot", "snapshot", "s", "creat", "x")
    host.must("snapshot", "s", "restore", "first")
    tap.equal(host.must("cat", "s", "f"), b"before")
    host.must("snapshot", "s", "delete", "first")
    tap.equal(host.must("snapshot", "s", "list"), b"")


@tap.test
def a_stream_makes_the_same_volume_elsewhere(host):
    host.must("create", "x")
    host.must("put", "x", "-", "one", data=b"1" * 100_000)
    host.must("snapshot", "x", "create", "first")
    full = host.must("export", "x", "first")
    host.must("put", "x", "-", "two", data=b"2" * 100_000)
    host.must("rm", "x", "one")
    host.must("snapshot", "x", "create", "second")
    more = host.must("export", "--base", "first", "x", "second")
    tap.true(b"11111111" not in full and b"22222222" not in more, "streams are encrypted")
    tap.equal(host.coffer("import", "y", data=full[:-5]).returncode, 3, "a stream that is cut off")
    tap.equal(host.must("ls", "y"), b"", "nothing of it is there")
    host.must("import", "y", data=full)
    tap.equal(host.must("cat", "y", "one"), b"1" * 100_000)
    tap.equal(host.coffer("import", "y", data=full).returncode, 1, "twice")
    changed = bytearray(more)
    changed[len(more) // 2] ^= 1
    tap.equal(host.coffer("import", "y", data=bytes(changed)).returncode, 3, "a changed stream")
    tap.equal(host.must("cat", "y", "one"), b"1" * 100_000)
    host.must("import", "y", data=more)
    tap.equal(host.must("cat", "y", "two"), b"2" * 100_000)
    host.refused(1, "No such file", "cat", "y", "one")
    tap.equal(host.must("cat", "--snapshot", "first", "y", "one"), b"1" * 100_000)
    host.must("check", "y")
    # With a key of one's own, and nothing of the source's state.
    host.write("key", os.urandom(32))
    stream = host.must("export", "--key", "key", "x", "second")
    host.must("import", "--state", "other-state", "--key", "key", "z", data=stream)
    tap.equal(host.must("cat", "--state", "other-state", "z", "two"), b"2" * 100_000)
    tap.equal(host.coffer("import", "--state", "third-state", "w", data=full).returncode, 1, "no key")


@tap.test
def another_key_shuts_the_old_one_out(host):
    host.must("create", "k")
    host.must("put", "k", "-", "f", data=b"kept")
    shutil.copytree(host.path("state"), host.path("old-state"))
    host.must("rekey", "k")
    tap.equal(host.must("cat", "k", "f"), b"kept")
    host.refused(3, "the superblock is damaged or the key is wrong", "cat", "--state", "old-state",
                 "k", "f")
    before = {name: open(host.path("k", name), "rb").read() for name in os.listdir(host.path("k"))}
    host.must("rekey", "--rewrite", "k")
    tap.equal(host.must("cat", "k", "f"), b"kept")
    host.must("check", "k")
    after = {name for name in os.listdir(host.path("k")) if len(name) == 16}
    tap.true(not after & set(before), "no segment is left of before")
    tap.true(not os.path.exists(host.path("state", "key.new")), "nothing is left over")


@tap.test
def what_is_erased_is_in_no_old_copy_of_the_disk(host):
    host.must("create", "e")
    host.must("put", "e", "-", "secret", data=b"s" * 50_000)
    host.must("put", "e", "-", "open", data=b"o" * 50_000)
    shutil.copytree(host.path("e"), host.path("e-old"))
    host.must("snapshot", "e", "create", "with-it")
    host.refused(5, "a snapshot still has the contents", "erase", "e", "secret")
    host.must("snapshot", "e", "delete", "with-it")
    host.refused(1, "is a directory (erase -r", "erase", "e", "/")
    deep = "/".join(["deep"] * 140)
    host.must("mkdir", "-p", "e", deep)
    host.refused(1, "erase the inner ones first", "erase", "-r", "e", "deep")
    host.must("erase", "-r", "e", "/".join(["deep"] * 70))
    host.must("erase", "-r", "e", "deep")
    tap.true(b"erased the contents of 1 file" in host.must("erase", "e", "secret"), "it says so")
    host.refused(1, "No such file", "cat", "e", "secret")
    tap.equal(host.must("cat", "e", "open"), b"o" * 50_000)
    host.must("check", "e")
    # The old disk, with all that the state directory still has, and no newer state known.
    shutil.copytree(host.path("state"), host.path("thief"))
    for name in os.listdir(host.path("thief")):
        if name.endswith(".head"):
            os.unlink(host.path("thief", name))
    shutil.rmtree(host.path("e"))
    shutil.copytree(host.path("e-old"), host.path("e"))
    host.refused(3, "", "cat", "--state", "thief", "e", "secret")
    result = host.coffer("salvage", "--state", "thief", "e", "stolen")
    tap.true(result.returncode != 0, "nothing can be salvaged either")
    tap.true(not os.path.exists(host.path("stolen", "secret")), "not the file")


@tap.test
def salvage_copies_what_verifies_and_names_the_rest(host):
    host.must("create", "d")
    host.must("mkdir", "d", "sub")
    for i in range(20):
        host.must("put", "d", "-", f"sub/f{i}", data=bytes([i + 1]) * 200_000)
    host.must("salvage", "d", "whole")
    tap.equal(len(os.listdir(host.path("whole", "sub"))), 20, "files")
    segments = sorted(n for n in os.listdir(host.path("d")) if len(n) == 16)
    with open(host.path("d", segments[0]), "r+b") as file:
        file.seek(100_000)
        file.write(b"damage")
    check = host.coffer("check", "d")
    tap.equal(check.returncode, 3, "status of check")
    tap.true(b"damage: /sub/f" in check.stdout and b"restore" in check.stdout,
             f"the file is named, and what to do ({check.stdout})")
    result = host.coffer("salvage", "d", "some")
    tap.equal(result.returncode, 3, result.stderr)
    tap.true(b"lost: /sub/f" in result.stdout or b"lost: ./sub/f" in result.stdout
             or b"sub/f" in result.stdout, f"what is lost is named ({result.stdout})")
    tap.equal(len(os.listdir(host.path("some", "sub"))), 20, "all names are there")
    same = sum(open(host.path("some", "sub", f"f{i}"), "rb").read() == bytes([i + 1]) * 200_000
               for i in range(20))
    tap.equal(same, 19, "files that are whole")
    os.unlink(host.path("d", segments[-1]))
    tap.true(host.coffer("ls", "d").returncode in (3, 4), "it is refused")
    result = host.coffer("salvage", "d", "rest")
    tap.equal(result.returncode, 3, result.stdout + result.stderr)
    tap.true(os.path.isdir(host.path("rest", "sub")), "what is left comes out")


@tap.test
def limits_hold_and_can_be_changed(host):
    host.must("create", "--size", "4M", "--files", "5", "q")
    host.refused(1, "volume or host disk is full", "put", "q", COFFER)
    host.must("rm", "-f", "q", os.path.basename(COFFER))
    for i in range(4):
        host.must("put", "q", "-", f"f{i}", data=b"x")
    result = host.coffer("put", "q", "-", "one-more", data=b"x")
    tap.true(result.returncode == 1 and b"quota" in result.stderr.lower(), result.stderr)
    host.must("limit", "--files", "0", "--size", "64M", "q")
    host.must("put", "q", COFFER)
    info = host.must("info", "q")
    tap.true(b"67108864 bytes" in info and b"5 files" not in info, info)
    host.refused(2, "usage: coffer volume limit", "limit", "q")
    host.refused(1, "is no size", "limit", "--size", "4X", "q")
    host.must("check", "q")


@tap.test
def wrong_calls_are_told_apart(host):
    host.refused(2, "did you mean 'stat'", "stats", "v")
    host.refused(2, "usage: coffer volume cat", "cat", "v")
    host.refused(2, "neither names a place in a volume", "cp", "a", "b")
    host.refused(2, "there is no flag '--recusive'; did you mean '--recursive'", "rm", "v", "--recusive")
    host.refused(1, "there is no volume in 'state'", "ls", "state")
    host.refused(1, "there is a volume already", "create", "v")
    host.refused(1, "is a directory (-r copies", "put", "v", "state")


@tap.test
def damage_and_old_states_have_their_own_status(host):
    host.must("create", "w")
    host.must("put", "w", "-", "f", data=b"a" * 200_000)
    shutil.copytree(host.path("w"), host.path("old"))
    host.must("put", "w", "-", "g", data=b"b" * 200_000)
    shutil.copytree(host.path("w"), host.path("new"))
    shutil.rmtree(host.path("w"))
    os.rename(host.path("old"), host.path("w"))
    host.refused(4, "old copy of the volume", "ls", "w")
    shutil.rmtree(host.path("w"))
    os.rename(host.path("new"), host.path("w"))
    # Every segment's contents, past the header: some of it is file data.
    for name in os.listdir(host.path("w")):
        if len(name) == 16:
            with open(host.path("w", name), "r+b") as file:
                data = file.read()
                at = data.find(b"CFB1") + 5000
                if len(data) > at + 100_000:
                    file.seek(at)
                    file.write(bytes([data[at] ^ 1]))
    result = host.coffer("check", "w")
    tap.equal(result.returncode, 3, result.stdout.decode() + result.stderr.decode())
    tap.true(b"damage: " in result.stdout, "the damage is named")


if __name__ == "__main__":
    tap.main(fixture)
