#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs of the network shield: natively, shielded, and with TLS on both ends of every connection they
make to themselves. What they print must be equal: Linux is the oracle.

    net_compare.py COFFER_RUNTIME PROGRAM...
"""
import difflib
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
import ports  # noqa: E402


def certificate(folder):
    paths = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", paths[1], "-out", paths[0],
                    "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=IP:127.0.0.1,DNS:localhost"], check=True, capture_output=True)
    return paths


def run(shield, program, scratch):
    """What it prints and its exit code; `shield` with its own port filled in."""
    port = str(ports.free_port())
    folder = tempfile.mkdtemp(dir=scratch)
    command = [part.replace("PORT", port) for part in shield] + [program]
    with open(os.path.join(folder, "log"), "w+b") as log:
        done = subprocess.run(command, env=dict(os.environ, PORT=port, DIR="."), cwd=folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                              timeout=60, check=False)
        log.seek(0)
        return done.stdout.decode(errors="replace"), done.returncode, log.read().decode()


def compare(native, shielded):
    lines = list(difflib.unified_diff(native[0].splitlines(), shielded[0].splitlines(), "native",
                                      "shielded", lineterm="", n=1))
    if native[1] != shielded[1]:
        lines.append(f"exit status {shielded[1]}, natively {native[1]}")
    if lines:
        lines += shielded[2].splitlines()[-10:]
    return lines


def main():
    runtime, programs = os.path.abspath(sys.argv[1]), list(map(os.path.abspath, sys.argv[2:]))
    scratch = tempfile.mkdtemp(prefix="coffer-net-")
    cert, key = certificate(scratch)
    tls = ["--tls-listen", "PORT", "--tls-cert", cert, "--tls-key", key, "--tls-connect",
           f"127.0.0.1:PORT={cert}"]
    shields = [("is the same shielded", [runtime, "--"]),
               ("is the same with TLS on both ends", [runtime, *tls, "--"]),
               ("is the same with TLS and certificates on both ends",
                [runtime, *tls, "--tls-client-ca", cert, "--"])]
    print(f"TAP version 13\n1..{len(programs) * len(shields)}", flush=True)
    number = 0
    for program in programs:
        wanted = run([], program, scratch)
        for what, shield in shields:
            number += 1
            try:
                lines = compare(wanted, run(shield, program, scratch))
            except subprocess.TimeoutExpired as late:
                lines = [str(late)] + (late.stdout or b"").decode().splitlines()[-5:]
            if len(wanted[0].splitlines()) < 5 or wanted[1] != 0:
                lines.append(f"natively it ends with {wanted[1]} after {wanted[0][-200:]!r}")
            for line in lines[:60]:
                print("# " + line)
            print(f"{'not ok' if lines else 'ok'} {number} - {os.path.basename(program)} {what}",
                  flush=True)
    shutil.rmtree(scratch)


main()
