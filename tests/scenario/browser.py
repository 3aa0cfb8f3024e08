#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Journeys through the web interface in Debian's Chromium: browser.py COFFER_DMS WORK

WORK is a folder for the npm packages of tests/browser. Without npm or Chromium it is skipped, and
says why. `browser.py BUILD WORK confidential`: one journey through the whole system, as `coffer up`
runs it, over TLS and on an encrypted volume.
"""
import hashlib
import os
import shutil
import subprocess
import sys

import dms_server
from coffer_system import System

PROGRAM, WORK = sys.argv[1:3]
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../browser")


def skip(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def read(name):
    with open(os.path.join(SOURCE, name), "rb") as file:
        return file.read()


def install():
    wanted = hashlib.sha256(read("package.json") + read("package-lock.json")).hexdigest()
    stamp = os.path.join(WORK, "installed")
    if os.path.exists(stamp) and open(stamp, encoding="ascii").read() == wanted:
        return
    os.makedirs(WORK, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(SOURCE, name), WORK)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
                           "--prefer-offline", "--loglevel=error"], cwd=WORK, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        skip("npm cannot fetch the packages: " + done.stdout.replace("\n", " "))
    with open(stamp, "w", encoding="ascii") as file:
        file.write(wanted)


def walk(script, url, chromium, **more):
    done = subprocess.run(["node", os.path.join(SOURCE, script), url, WORK, chromium],
                          check=False, stdin=subprocess.DEVNULL, env={**os.environ, **more})
    if done.returncode != 0:
        print(f"not ok - the journeys end ({done.returncode})")
    return done.returncode


def confidential(chromium):
    with System(PROGRAM) as system:
        system.sign_in()
        return walk("confidential.mjs", system.address(), chromium,
                    COFFER_TEST_USER=system.user, COFFER_TEST_PASSWORD=system.password)


def main():
    chromium = shutil.which("chromium")
    if not chromium or not shutil.which("npm"):
        skip("chromium and npm are needed")
    install()
    if sys.argv[3:] == ["confidential"]:
        sys.exit(confidential(chromium))
    with dms_server.own_server(PROGRAM, password="first-one-time-password", keep=False) as server:
        if b"/assets/" not in server.ask("/", auth="").body:
            skip("the server was built without its web interface")
        status = walk("journeys.mjs", server.url.replace("127.0.0.1", "localhost"), chromium)
        if server.process.poll() is not None:
            print("not ok - the server is still there")
    sys.exit(status)


main()
