#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coffer run` in the hands of a new user: wrong flags, a full disk, a volume in use, tampered or
gone: each ends with a message that says what is wrong, and nothing is lost that was whole.

    programs_user.py COFFER_RUNTIME COFFER
"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

import tap

RUNTIME, COFFER = map(os.path.abspath, sys.argv[1:3])
MISTAKES = [  # arguments, exit code, words of the message
    ([], 2, "no program given"),
    (["--nope", "--", "true"], 2, "unknown flag '--nope' (try --help)"),
    (["--volume"], 2, "flag --volume needs a value"),
    (["--volume", "store", "--", "true"], 2, "wants DIR:/PATH, not 'store'"),
    (["--volume", "store:data", "--", "true"], 2, "wants DIR:/PATH, not 'store:data'"),
    (["--volume", "/nowhere/x:/data", "--", "true"], 126, "'/nowhere/x' cannot be opened"),
    (["--volume", "store:/data", "--volume-key", "none", "--", "true"], 126, "cannot open 'none'"),
    (["--tls-listen", "99999", "--", "true"], 2, "a port from 1 to 65535, not '99999'"),
    (["--tls-listen", "x", "--", "true"], 2, "a port from 1 to 65535, not 'x'"),
    (["--tls-listen", "17", "--tls-cert", "none", "--", "true"], 2, "belong together"),
    (["--env", "X", "--", "true"], 2, "wants NAME=VALUE, not 'X'"),
    (["--cwd", "/nowhere", "--", "true"], 127, "cannot change to directory '/nowhere'"),
    (["--volume", "cwd:/data", "--cwd", "/data/none", "--", "true"], 127,
     "cannot change to directory '/data/none'"),
    (["--", "no-such-program"], 127, "cannot run 'no-such-program': No such file"),
    (["--", "/etc/passwd"], 126, "cannot run '/etc/passwd': Permission denied"),
]


class Home:
    """A user's empty home, with volumes in it."""

    def __init__(self, folder):
        self.folder = folder
        self.env = dict(os.environ, HOME=folder, COFFER_STATE=os.path.join(folder, "state"))

    def start(self, *arguments, **options):
        return subprocess.Popen([RUNTIME, *arguments], cwd=self.folder, env=self.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, *arguments, program=(RUNTIME,)):
        return subprocess.run([*program, *arguments], cwd=self.folder, env=self.env, timeout=60,
                              capture_output=True, text=True, errors="replace", check=False)

    def volume(self, name, *program):
        return self.run("--volume", name + ":/data", "--", *program)


@contextlib.contextmanager
def home():
    folder = tempfile.mkdtemp(prefix="coffer-user-")
    try:
        yield Home(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@tap.test
def every_mistake_is_named(user):
    for arguments, code, words in MISTAKES:
        done = user.run("run", *arguments, program=(COFFER,))
        tap.equal(done.returncode, code, f"the end of {arguments}")
        tap.true(words in done.stderr, f"{arguments} says {words!r}: {done.stderr}")
        tap.true(done.stderr.startswith("coffer"), f"who speaks is named: {done.stderr}")


@tap.test
def a_program_starts_in_a_directory_of_a_volume(user):
    tap.equal(user.volume("cwd", "sh", "-c", "mkdir -p /data/in && echo here > /data/in/f").returncode, 0)
    os.symlink("/data/in", os.path.join(user.folder, "link"))
    for there in ("/data/in", "/data/in/../in/", os.path.join(user.folder, "link")):
        done = user.run("--volume", "cwd:/data", "--cwd", there, "--", "sh", "-c",
                        "pwd; cat f; cp /bin/echo e; ./e ran")
        tap.equal((done.stdout, done.stderr), ("/data/in\nhere\nran\n", ""), there)
    done = user.run("--volume", "cwd:/data", "--cwd", "/", "--", "sh", "-c", "pwd; cat /data/in/f")
    tap.equal(done.stdout, "/\nhere\n", "a volume's own directory is named from where the user is")


@tap.test
def a_volume_has_one_user_at_a_time(user):
    first = user.start("--volume", "store:/data", "--", "sh", "-c",
                       "echo mine > /data/f; echo up; read x", stdin=subprocess.PIPE)
    tap.equal(first.stdout.readline(), "up\n")
    second = user.volume("store", "cat", "/data/f")
    tap.equal((second.returncode, "another process has this volume open" in second.stderr),
              (126, True), second.stderr)
    first.communicate("\n", timeout=60)
    tap.equal(user.volume("store", "cat", "/data/f").stdout, "mine\n")


@tap.test
def a_volume_that_is_gone_is_not_made_again_in_silence(user):
    tap.equal(user.volume("gone", "sh", "-c", "echo x > /data/f").returncode, 0)
    shutil.rmtree(os.path.join(user.folder, "gone"))
    done = user.volume("gone", "true")
    tap.equal((done.returncode, "was created before, and its files are gone" in done.stderr),
              (126, True), done.stderr)


@tap.test
def tampering_is_an_error_and_never_data(user):
    text = "".join(f"line {n} of many that are all alike\n" for n in range(20000))
    with open(os.path.join(user.folder, "plain"), "w", encoding="ascii") as out:
        out.write(text)
    tap.equal(user.volume("store2", "cp", "plain", "/data/f").returncode, 0)
    folder = os.path.join(user.folder, "store2")
    largest = max((os.path.join(folder, name) for name in os.listdir(folder)), key=os.path.getsize)
    with open(largest, "r+b") as file:
        file.seek(300000)
        byte = file.read(1)
        file.seek(300000)
        file.write(bytes([byte[0] ^ 1]))
    done = user.volume("store2", "cat", "/data/f")
    tap.true(done.returncode != 0, "the program sees the error")
    tap.true("Bad message" in done.stderr, done.stderr)
    tap.true("coffer-runtime: " in done.stderr, "the runtime says it too: " + done.stderr)
    tap.true(text.startswith(done.stdout), "what was read before is right")


@tap.test
def a_full_disk_is_no_space_left_and_passes(user):
    folder = os.path.join(user.folder, "small")
    os.mkdir(folder)
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder],
                                          capture_output=True, check=False).returncode != 0:
        raise tap.Skip("only root can mount a small file system")
    try:
        full = user.volume("small/v", "sqlite3", "/data/a.db", "create table t(a); insert into t "
                           "select randomblob(100000) from generate_series(1, 100);")
        tap.true("disk is full" in full.stderr, full.stderr)
        full = user.volume("small/v", "sh", "-c", "cp /usr/bin/perl /usr/bin/openssl /data")
        tap.true("No space left on device" in full.stderr, full.stderr)
        after = user.volume("small/v", "sh", "-c", """rm /data/perl /data/openssl
            sqlite3 /data/a.db 'pragma integrity_check; select count(*) from t;
            insert into t values(7); select a from t;'""")
        tap.equal(after.stdout, "ok\n0\n7\n", after.stderr)
        tap.equal(user.volume("small/v", "sqlite3", "/data/a.db", "select a from t").stdout, "7\n")
    finally:
        subprocess.run(["umount", folder], check=True)


tap.main(home)
