#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a confined program is not given: TLS keys, the way to the volumes: confined_exec.py COFFER
CONFINED-EXEC"""
import os
import subprocess
import sys
import tempfile

import tap

COFFER, PROGRAM = (os.path.abspath(path) for path in sys.argv[1:3])
POLICY = """version: 1
files:
  - {path: /usr, class: host, read_only: true}
  - {path: /etc/ld.so.cache, class: host, read_only: true}
  - {path: %s, class: host, read_only: true}
volumes: [{name: data, mount: /data, mode: none}]
network: [{listen: 8443, class: tls}]
"""


def look(how):
    """What is found in the program's memory: the TLS key, the ring of the volumes' server."""
    with tempfile.TemporaryDirectory(prefix="coffer-confined-", ignore_cleanup_errors=True) as place:
        key, certificate = place + "/key.pem", place + "/certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        with open(key, encoding="ascii") as file:
            line = file.read().splitlines()[2]
        with open(place + "/policy.yaml", "w", encoding="utf-8") as file:
            file.write(POLICY % PROGRAM)
        done = subprocess.run(
            [COFFER, "run", "--policy", place + "/policy.yaml", "--volume", place + "/volume:/data",
             "--tls-cert", certificate, "--tls-key", key, "--", PROGRAM, how, line[10:42][::-1]],
            env=dict(os.environ, COFFER_STATE=place + "/state"), capture_output=True, text=True,
            timeout=100, check=False)
        if done.returncode == 4:
            raise tap.Skip("this kernel has no Landlock")
        tap.equal(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout.split()


@tap.test
def what_it_may_not_use_is_not_in_its_memory():
    tap.equal(look("free"), ["found"] * 2, "the search finds what is there")
    tap.equal(look("confined"), ["gone"] * 2, "nothing of it where it is of no use")


tap.main()
