#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Journeys through the web interface in Debian's Chromium: browser.py COFFER_DMS WORK

`browser.py COFFER_DMS WORK openid`: journeys through a real provider (npm: oidc-provider).
`browser.py COFFER_DMS WORK pictures` makes those of docs/images again.

WORK is a folder for the npm packages of tests/browser. Without npm or Chromium it is skipped, and
says why. `browser.py BUILD WORK confidential`: one journey through the whole system, as `coffer up`
runs it, over TLS and on an encrypted volume.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import dms_server
import openid_provider
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
    os.makedirs(WORK, exist_ok=True)
    with open(os.path.join(WORK, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test may be at it
        install_once(wanted)


def install_once(wanted):
    stamp = os.path.join(WORK, "installed")
    if os.path.exists(stamp) and open(stamp, encoding="ascii").read() == wanted:
        return
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


@contextlib.contextmanager
def provider(place, redirect):
    """A process of its own; its address and the settings for coffer-dms."""
    pem, key = openid_provider.certificate(place, "provider")
    process = subprocess.Popen(["node", os.path.join(SOURCE, "provider.mjs"), WORK, pem, key, redirect,
                                "a-client-secret"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    try:
        issuer = process.stdout.readline().strip()
        if not issuer.startswith("https://"):
            skip("the provider from npm does not start with this Node.js")
        yield issuer, {"name": "Example", "issuer": issuer, "client_id": "coffer",
                       "client_secret": "a-client-secret", "redirect_uri": redirect, "ca_file": pem,
                       "address": "127.0.0.1", "create": True, "create_group": "staff",
                       "second_factor": "ours"}
    finally:
        process.kill()
        process.wait()


def openid(chromium):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    redirect = f"http://localhost:{port}{openid_provider.CALLBACK}"
    with tempfile.TemporaryDirectory() as place, provider(place, redirect) as (issuer, settings):
        path = os.path.join(place, "sign-in.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"openid": settings}, file)
        with dms_server.own_server(PROGRAM, "--port", str(port), "--sign-in", path) as server:
            return walk("openid.mjs", server.url.replace("127.0.0.1", "localhost"), chromium,
                        COFFER_TEST_ALSO=issuer)


def main():
    chromium = shutil.which("chromium")
    if not chromium or not shutil.which("npm"):
        skip("chromium and npm are needed")
    install()
    if sys.argv[3:] == ["confidential"]:
        sys.exit(confidential(chromium))
    if sys.argv[3:] == ["openid"]:
        sys.exit(openid(chromium))
    if sys.argv[3:] == ["pictures"]:
        with dms_server.own_server(PROGRAM) as server:
            sys.exit(walk("pictures.mjs", server.url.replace("127.0.0.1", "localhost"), chromium))
    with dms_server.own_server(PROGRAM, "--hook-destinations", "http://127.0.0.1:9/",
                               password="first-one-time-password", keep=False) as server:
        if b"/assets/" not in server.ask("/", auth="").body:
            skip("the server was built without its web interface")
        status = walk("journeys.mjs", server.url.replace("127.0.0.1", "localhost"), chromium)
        if server.process.poll() is not None:
            print("not ok - the server is still there")
    sys.exit(status)


main()
