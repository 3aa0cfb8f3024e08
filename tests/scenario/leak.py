#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing readable touches the disk or the wire: leak.py BUILD COFFER-DMS

Stores documents whose contents, names, folders and properties contain texts that exist nowhere
else, then looks for these texts in every byte captured on loopback and in every file written, in
several encodings. The same eye must find all of them when the shield is off.
"""
import contextlib
import os
import secrets
import sys
import tempfile
import time

import dms_server
import eye
import tap
from coffer_system import System
from dms_client import Client

BUILD, DMS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
# Where a program might drop something; others write there too, so of each file only a part is read.
SCRATCH, SCRATCH_SIZE_MAX = ["/tmp", "/var/tmp", "/dev/shm"], 1 << 20


def marker(kind):
    return f"{kind}{secrets.token_hex(10)}"


class Secrets:
    """Texts that nobody else in the world writes."""

    def __init__(self):
        self.content, self.name, self.folder = marker("quince"), marker("medlar"), marker("sorb")
        self.property, self.soap, self.password = marker("damson"), marker("bullace"), marker("Pw")
        self.version = marker("loquat")

    def all(self):
        return sorted(vars(self).values())


def exercise(client, texts):
    """Stores, changes, finds and reads documents that carry the texts; the client's password
    becomes one of them. Reads everything back, so that answers pass too."""
    client.change_password(texts.password)
    plain = (texts.content + "\n").encode() * 2000
    wide = (texts.content + "\n").encode("utf-16-le") * 2000
    path = f"{texts.folder}/{texts.name}.txt"
    stored = client.put(path, plain, "text/plain")
    client.put(f"{texts.folder}/wide-{texts.name}.txt", wide, "text/plain")
    client.put(f"{texts.folder}/large.bin", os.urandom(1 << 20) + plain)
    client.json("PATCH", f"/api/documents/{stored['id']}",
                {"properties": {"subject": texts.property}})
    client.put(path, (texts.version + "\n").encode() * 100, "text/plain")
    number = client.soap_store(f"{texts.soap}.bin", plain)
    tap.equal(client.soap_get(number), plain, "what SOAP returns")
    tap.equal(client.get(path), (texts.version + "\n").encode() * 100, "the new version")
    tap.equal(client.get(f"{texts.folder}/wide-{texts.name}.txt"), wide, "the UTF-16 document")
    found = client.json("GET", f"/api/search?q={texts.name}")
    tap.true(found["items"], "search finds the document by its name")
    tap.equal(client.json("GET", f"/api/documents/{stored['id']}")["properties"],
              {"subject": texts.property})
    client.json("DELETE", f"/api/documents/{stored['id']}")


class Observed:
    """What one exercise left on the wire and on disk."""

    def __init__(self, run):
        self.texts = Secrets()
        begin = time.time() - 2
        with eye.Wire() as wire:
            folders = run(self.texts)
        self.wire = wire.bytes()
        self.on_wire = eye.leaks(self.texts.all(), self.wire)
        self.on_disk = eye.file_leaks(self.texts.all(), folders) + \
            eye.file_leaks(self.texts.all(), SCRATCH, begin, SCRATCH_SIZE_MAX)


def native(folder):
    """The document server without a shield: plain HTTP on plain files."""
    def run(texts):
        data, first = os.path.join(folder, "native"), marker("first")
        server = dms_server.Server(DMS, data, password=first, keep=False).start()
        try:
            with contextlib.closing(Client(int(server.port()), password=first)) as client:
                exercise(client, texts)
        finally:
            server.stop()
        return [data]
    return Observed(run)


def confidential(folder):
    """The whole system: gateway, broker, runtime, volume."""
    def run(texts):
        state = os.path.join(folder, "state")
        with System(BUILD, state) as system:
            client = Client(system.port, "demo.localhost", system.ca, system.user, system.password)
            with contextlib.closing(client):
                exercise(client, texts)
            # While it runs: journals and temporary files that a clean stop would remove.
            running = eye.file_leaks(texts.all(), [state])
            tap.equal(running, [], "plaintext on disk while running")
        return [state]
    return Observed(run)


@contextlib.contextmanager
def both():
    eye.own_network()  # where that is not allowed, everybody's packets are looked at
    try:
        eye.Wire().socket.close()
    except PermissionError:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="coffer-leak-") as folder:
        yield {"native": native(folder), "confidential": confidential(folder)}


def seen(observed, which):
    if observed is None:
        raise tap.Skip("capturing packets needs CAP_NET_RAW or user namespaces")
    return observed[which]


@tap.test
def the_eye_sees_everything_when_the_shield_is_off(observed):
    off = seen(observed, "native")
    wire, disk = {text for text, _ in off.on_wire}, {text for _, text, _ in off.on_disk}
    tap.equal(wire, set(off.texts.all()), "what the eye sees on the wire")
    tap.equal(disk, set(off.texts.all()) - {off.texts.password}, "what the eye sees on disk")


@tap.test
def nothing_readable_is_on_the_wire(observed):
    on = seen(observed, "confidential")
    tap.true(len(on.wire) > 1 << 20, "the documents have passed the wire")
    tap.equal(on.on_wire, [])


@tap.test
def nothing_readable_is_on_disk_names_included(observed):
    tap.equal(seen(observed, "confidential").on_disk, [])


tap.main(both)
