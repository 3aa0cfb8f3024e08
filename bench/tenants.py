#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A document server in the whole system: from being asked for to its first byte, and its memory at
rest.

    bench/tenants.py BUILD [--starts N] [--json FILE]
"""
import argparse
import json
import os
import socket
import ssl
import sys
import time

import machine

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "tests", "scenario"))
from coffer_system import System  # noqa: E402


def first_byte(system, context):
    """Seconds from connecting to the first byte of an answer, TLS handshake included."""
    begin = time.perf_counter()
    with socket.create_connection(("127.0.0.1", system.port), 30) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as curl and browsers do
        tls = context.wrap_socket(raw, server_hostname="demo.localhost")
        tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
        answer = tls.recv(12)
        taken = time.perf_counter() - begin
        tls.close()
    if answer != b"HTTP/1.1 200":
        raise RuntimeError("no good answer")
    return taken


def wait_until_absent(system):
    end = time.monotonic() + 30
    while system.tenant()["state"] != "absent":
        if time.monotonic() > end:
            raise RuntimeError("the server does not stop")
        time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build")
    parser.add_argument("--starts", type=int, default=30)
    parser.add_argument("--json")
    options = parser.parse_args()
    cold, warm = [], []
    with System(options.build) as system:
        system.sign_in()
        system.curl("/api/files/some.txt", "-f", "-X", "PUT", "--data-binary", "text" * 1000)
        context = ssl.create_default_context(cafile=system.ca)
        for _ in range(options.starts):
            system.coffer("tenant", "stop", "demo")
            wait_until_absent(system)
            cold.append(first_byte(system, context) * 1e3)
            warm.append(first_byte(system, context) * 1e3)
        time.sleep(2)  # at rest
        private, kernel = machine.memory_of(system.tenant()["pid"])
    cold.sort()
    warm.sort()
    results = {"start_ms": machine.median(cold), "warm_ms": machine.median(warm),
               "private_kib": private, "kernel_kib": kernel}
    print("## Starting a document server\n")
    print(f"From connecting to the gateway to the first byte of an answer, {options.starts} starts, "
          "in ms; the server is forked, attested, given its keys, and opens its volume in between.\n")
    print("| | median | p90 | max |\n|---|---:|---:|---:|")
    for name, values in (("server is started", cold), ("server is running", warm)):
        print(f"| {name} | {machine.median(values):.1f} | {values[int(len(values) * 0.9)]:.1f} "
              f"| {values[-1]:.1f} |")
    print("\nGoal: under 50 ms.\n")
    print(f"Memory at rest, after a start and two requests: {private} KiB private and {kernel} KiB "
          f"of the kernel's (page tables and stacks), together {(private + kernel) / 1024:.2f} MiB. "
          "Goal: under 4 MiB.\n")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
