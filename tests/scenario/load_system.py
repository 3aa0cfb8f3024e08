#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coffer load run` against the whole system with nothing said but where it is: load_system.py BUILD
"""
import contextlib
import json
import os
import subprocess
import sys

import tap
from coffer_system import System

BUILD = os.path.abspath(sys.argv[1])


@contextlib.contextmanager
def system():
    with System(BUILD) as s:
        yield s


def load(s, *arguments):
    done = subprocess.run([s.program, "load", "run", "--state", s.state, "--gateway",
                           f"127.0.0.1:{s.port}", "--json", "-", *arguments],
                          capture_output=True, text=True, timeout=100, check=False)
    tap.equal(done.returncode, 0, done.stderr)
    return json.loads(done.stdout)


@tap.test
def it_makes_a_client_of_its_own_and_loads_it(s):
    report = load(s, "--clients", "20", "--duration", "1s", "--rate", "50")
    tap.equal((report["answered"], report["failed"], report["unready"]), (50, 0, 0))
    tap.equal(report["start_up"]["count"], 1)
    tap.true("load" in s.tenants(), "the client `load` is there")
    tap.equal(s.tenants()["demo"]["state"], "absent", "demo's server")


@tap.test
def it_finds_that_client_again_and_resumes_tls(s):
    report = load(s, "--clients", "5", "--duration", "1s", "--rate", "50",
                  "--connection-requests", "4")
    tap.true(report["resumed"] > 0, report)
    tap.equal(report["handshakes"] - report["resumed"], 5, "full handshakes, one for each client")
    mode = os.stat(os.path.join(s.state, "load-credentials")).st_mode & 0o777
    tap.equal(mode, 0o600, "mode of the credentials")


tap.main(system)
