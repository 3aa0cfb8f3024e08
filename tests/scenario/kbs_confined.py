#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the key broker's network process can still open under the runtime, taken over: kbs_confined.py
COFFER CONFINE-PROBE"""
import os
import signal
import subprocess
import sys
import tempfile

import tap

COFFER, PROBE = (os.path.abspath(path) for path in sys.argv[1:3])


def probe(place, *flags):
    host = os.path.join(place, "device")
    with open(host, "w", encoding="ascii") as file:
        file.write("the seal key's root\n")
    done = subprocess.run(
        [COFFER, "run", "--volume", place + "/volume:/data", *flags, "--", "/bin/sh", "-c",
         f'echo state > /data/state; exec {PROBE} /data/state {host}'],
        env=dict(os.environ, COFFER_STATE=place + "/state"), capture_output=True, text=True,
        timeout=60, check=False)
    return done, dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())


@tap.test
def nothing_of_the_state_nor_the_seal_key():
    with tempfile.TemporaryDirectory(prefix="coffer-confined-", ignore_cleanup_errors=True) as place:
        done, told = probe(place)
        tap.equal([told.pop("before, " + what, None) for what in
                   ("volume", "seal key", "host", "volumes' server")], ["DONE"] * 4, done.stderr + done.stdout)
        if "no Landlock" in done.stderr:
            for name in [name for name in told if name.startswith("around")]:
                told.pop(name)
        tap.true("socket" in told and "openat2" in told, f"all was tried: {told}")
        tap.equal({name: how for name, how in told.items() if how not in ("EPERM", "EACCES")}, {})
        tap.equal(-done.returncode if done.returncode < 0 else done.returncode - 128, signal.SIGSYS,
                  "a call of another architecture ends it")


tap.main()
