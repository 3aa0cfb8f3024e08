#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole runtime on a host that lies: for every system call it makes while a guest works on a
volume, and every lie that the shapes of its row allow, one run. The runtime copes or stops: it has no
fault, writes nowhere it should not, does not hang, and a read never succeeds with wrong bytes.

    hostile_host.py COFFER_RUNTIME_LIAR GUEST_HOSTILE [EVERY]

EVERY: only each EVERYth lie (default 1). COFFER_HOSTILE_ONLY=NR,NTH,LIE runs that one and shows it.
"""
import concurrent.futures
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import tap

LIAR, GUEST = (os.path.abspath(argument) for argument in sys.argv[1:3])
EVERY = int(sys.argv[3]) if len(sys.argv) > 3 else 1
PATIENCE = 40
NTH_MAX = 3  # the first calls of a number, and the last


# A guest may end by what it was told: its memory is not where a lie put it. The runtime may not.


class Host:
    """A directory in memory with a volume that every run gets a copy of."""

    def __init__(self, place):
        self.place = place
        self.environment = {"PATH": os.environ["PATH"]}
        self.run("first", COFFER_LIAR_REPORT=place + "/report")
        with open(place + "/report", encoding="ascii") as file:
            self.seen = [tuple(map(int, line.split())) for line in file]

    def run(self, name, **environment):
        """A new volume, a guest on it; what happened."""
        home = f"{self.place}/{name}"
        os.mkdir(home)
        try:
            return subprocess.run([LIAR, "--volume", home + "/volume:/data", "--", GUEST, "/data"],
                                  env=dict(self.environment, HOME=home, COFFER_STATE=home + "/state",
                                           **environment),
                                  capture_output=True, timeout=PATIENCE, check=False)
        finally:
            shutil.rmtree(home)

    def lies(self):
        count = 0
        for nr, calls, lies in self.seen:
            for nth in sorted({*range(1, min(calls, NTH_MAX) + 1), calls}):
                for lie in range(lies):
                    count += 1
                    if count % EVERY == 0:
                        yield nr, nth, lie

    def judge(self, lie):
        """What is wrong with how the runtime took it, or nothing."""
        text = ",".join(map(str, lie))
        try:
            done = self.run(text, COFFER_LIAR=text)
        except subprocess.TimeoutExpired:
            return f"{text}: no end"
        for word in (b"fault in the runtime", b"untrue: ", b"was written to", b"stack smashing",
                     b"corrupt", b"malloc", b"free()"):
            if word in done.stderr:
                return f"{text}: {done.stderr.decode(errors='replace').strip()[-300:]}"
        if -done.returncode in (signal.SIGALRM, signal.SIGSYS, signal.SIGILL):
            return f"{text}: ended by signal {-done.returncode}"
        return None


@contextlib.contextmanager
def host():
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="coffer-hostile-", dir=memory) as place:
        yield Host(place)


@tap.test
def without_a_lie_the_guest_does_all_it_wants(hosted):
    done = hosted.run("truth")
    tap.equal((done.returncode, done.stdout), (0, b"done\n"), done.stderr)
    tap.true(len(hosted.seen) > 40, "the runtime makes many kinds of calls")


@tap.test
def every_lie_is_coped_with_or_ends_the_runtime(hosted):
    if "COFFER_HOSTILE_ONLY" in os.environ:
        text = os.environ["COFFER_HOSTILE_ONLY"]
        print("#", hosted.run("only", COFFER_LIAR=text), hosted.judge(map(int, text.split(","))))
        return
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        told = list(hosted.lies())
        wrong = [fault for fault in pool.map(hosted.judge, told) if fault]
    print(f"# {len(told)} lies")
    tap.equal(wrong, [], "lies that were not coped with")


tap.main(host)
