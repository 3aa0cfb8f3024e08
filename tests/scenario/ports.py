# SPDX-License-Identifier: Apache-2.0
"""Ports for servers that are started a moment later."""
import random
import socket

CHANCE = random.SystemRandom()


def free_port():
    """A TCP port of loopback that nobody listens on, below those that the kernel gives to clients:
    one of these may be gone again before the server asks for it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        above = int(file.read().split()[0])
    while True:
        port = CHANCE.randrange(10000, above) if above > 11000 else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
