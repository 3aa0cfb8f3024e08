#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Everything in an open layout, over REST and without a server: dms_export.py COFFER_DMS"""
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
LARGE = dms_server.noise(300_000)


def good(answer, *statuses):
    tap.true(answer.status in (statuses or (200, 201, 204)), repr(answer))
    return answer.json if answer.body else None


def send(server, method, path, value=None, auth=None):
    body = () if value is None else ("-d", json.dumps(value))
    return good(server.ask(path, "-X", method, *body, auth=auth))


def folder(server, name, parent="root"):
    return good(server.post("/api/folders", {"name": name, "parent": parent}))["id"]


def document(server, name, content, parent="root"):
    return good(server.ask(f"/api/documents?name={urllib.parse.quote(name)}&parent={parent}",
                           "--data-binary", "@-", "-H", "Content-Type: text/plain",
                           stdin=content))["id"]


class Archive:
    def __init__(self, data):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            self.members = {m.name: m for m in tar.getmembers()}
            tap.equal(len(self.members), len(tar.getnames()), "no name twice")
            self.files = {name: tar.extractfile(m).read() for name, m in self.members.items()
                          if m.isfile()}

    def json(self, name):
        return json.loads(self.files[name])

    def node(self, key):
        return self.json(f"nodes/{key}.json")


def fill(server):
    """A little of everything; the keys by what they are."""
    keys = {"folder": folder(server, "Verträge")}
    keys["deep"] = keys["folder"]
    for _ in range(6):
        keys["deep"] = folder(server, "ein Ordner mit einem ziemlich langen Namen", keys["deep"])
    keys["empty"] = folder(server, "empty")
    keys["plain"] = document(server, "plain.txt", b"first")
    good(server.ask(f"/api/documents/{keys['plain']}/content", "-X", "PUT", "-H",
                    "Content-Type: text/plain", "--data-binary", "second"))
    keys["large"] = document(server, "世界.bin", LARGE, keys["deep"])
    keys["none"] = document(server, "none", b"")
    keys["gone"] = document(server, "gone.txt", b"deleted")
    send(server, "PATCH", f"/api/documents/{keys['plain']}", {"properties": {"customer": "Ä \"x\""}})
    send(server, "PUT", f"/api/nodes/{keys['plain']}/tags", {"tags": ["urgent", "2024"]})
    send(server, "POST", f"/api/nodes/{keys['plain']}/comments", {"text": "Please check."})
    send(server, "POST", "/api/groups", {"name": "lawyers"})
    send(server, "POST", "/api/users", {"name": "grace", "password": "one-time-secret",
                                        "quota": {"bytes": 1000}})
    send(server, "PUT", "/api/groups/lawyers/members/grace")
    send(server, "PUT", f"/api/nodes/{keys['folder']}/acl", {
        "inherits": False, "entries": [{"principal": "group:lawyers", "permission": "write"}]})
    keys["hold"] = good(server.post("/api/holds", {"name": "case 7", "reason": "a dispute"}))["id"]
    send(server, "PUT", f"/api/holds/{keys['hold']}/documents/{keys['large']}")
    send(server, "PUT", f"/api/documents/{keys['large']}/retention", {"until_ms": 4102444800000})
    send(server, "DELETE", f"/api/documents/{keys['gone']}")
    return keys


def holds_all(archive, keys):
    head = archive.json("export.json")
    tap.equal((head["format"], head["version"]), ("coffer-export", 1))
    tap.true(head["audit_sequence"] > 10 and len(head["audit_hash"]) == 64, head)
    trail = [row for name in sorted(archive.files) if name.startswith("audit/")
             for row in csv.DictReader(io.StringIO(archive.files[name].decode()))]
    tap.equal([int(row["sequence"]) for row in trail], list(range(1, len(trail) + 1)))
    tap.equal(trail[head["audit_sequence"] - 1]["hash"], head["audit_hash"])
    tap.true("damage.json" not in archive.files, "no damage")
    users = archive.json("users.json")
    grace = next(user for user in users["users"] if user["name"] == "grace")
    tap.equal((grace["groups"], grace["quota_bytes"]), (["lawyers"], 1000))
    tap.equal([group["name"] for group in users["groups"]], ["lawyers"])
    tap.equal([hold["name"] for hold in archive.json("holds.json")["holds"]], ["case 7"])
    plain = archive.node(keys["plain"])
    tap.equal((plain["path"], plain["properties"], sorted(plain["tags"])),
              ("plain.txt", {"customer": "Ä \"x\""}, ["2024", "urgent"]))
    tap.equal([(c["user"], c["text"]) for c in plain["comments"]], [("admin", "Please check.")])
    tap.equal([(v["version"], v["file"]) for v in plain["versions"]],
              [(1, f"versions/{keys['plain']}/1"), (2, "files/plain.txt")])
    tap.equal([archive.files[v["file"]] for v in plain["versions"]], [b"first", b"second"])
    large = archive.node(keys["large"])
    tap.true(large["versions"][0]["file"] == f"files/{large['path']}" and
             archive.files[f"files/{large['path']}"] == LARGE, "the large one")
    tap.true(large["path"].startswith("Verträge/ein Ordner") and len(large["path"]) > 200, large)
    tap.equal((large["holds"], large["keep_until_ms"]), ([keys["hold"]], 4102444800000))
    for number in (keys["plain"], keys["large"], keys["none"], keys["gone"]):
        for version in archive.node(number)["versions"]:
            tap.equal(hashlib.sha256(archive.files[version["file"]]).hexdigest(),
                      version["sha256"])
    gone = archive.node(keys["gone"])
    tap.equal((gone["path"], gone["deleted_with"]), (None, keys["gone"]))
    tap.equal(archive.files[gone["versions"][0]["file"]], b"deleted")
    closed = archive.node(keys["folder"])
    tap.equal((closed["inherits"], closed["acl"]),
              (False, [{"principal": "group:lawyers", "permission": "write"}]))
    tap.true(archive.members["files/empty"].isdir(), "an empty folder")
    text = b"".join(archive.files.values())
    for secret in (b"$argon2", dms_server.PASSWORD.encode(), b"one-time-secret"):
        tap.true(secret not in text, "no secrets")


@tap.test
def an_archive_holds_everything():
    with dms_server.own_server(PROGRAM) as server:
        keys = fill(server)
        answer = server.ask("/api/export")
        tap.equal((answer.status, answer.headers["content-type"]), (200, "application/x-tar"))
        tap.true("coffer-export.tar" in answer.headers["content-disposition"], answer.headers)
        holds_all(Archive(answer.body), keys)
        tap.equal(good(server.ask("/api/audit?limit=1"))["items"][0]["action"], "export")
        # Without a server; and what is there stays as it is.
        server.stop()
        done = subprocess.run([PROGRAM, "--data", server.directory, "--export"],
                              capture_output=True, check=True)
        holds_all(Archive(done.stdout), keys)
        # Debian's tar unpacks it, names and all.
        with tempfile.TemporaryDirectory() as place:
            subprocess.run(["tar", "-xf", "-", "-C", place], input=done.stdout, check=True,
                           env={**os.environ, "LC_ALL": "C.UTF-8"})
            with open(f"{place}/files/plain.txt", "rb") as file:
                tap.equal(file.read(), b"second")
        server.start()
        tap.equal(server.get("plain.txt").body, b"second")


@tap.test
def a_content_that_cannot_be_opened_is_said_to_be_damaged():
    with dms_server.own_server(PROGRAM) as server:
        lost, whole = document(server, "lost", LARGE), document(server, "whole", b"w" * 40_000)
        place = server.directory + "/content"
        for name in os.listdir(place):
            if os.path.getsize(f"{place}/{name}") == len(LARGE):
                os.unlink(f"{place}/{name}")
        archive = Archive(server.ask("/api/export").body)
        version = archive.node(lost)["versions"][0]
        tap.equal((version["file"], version["damaged"]), (None, True))
        tap.true(archive.node(whole)["versions"][0]["file"] == "files/whole" and
                 archive.files["files/whole"] == b"w" * 40_000, "the other")


@tap.test
def a_purge_does_not_break_the_archive_off():
    with dms_server.own_server(PROGRAM) as server:
        key = document(server, "purged", dms_server.noise(30_000_000))
        good(server.ask(f"/api/documents/{key}/content", "-X", "PUT", "--data-binary", "second"))
        last = document(server, "last", b"whole")
        with subprocess.Popen(server.command("/api/export"), stdout=subprocess.PIPE) as reader:
            data = reader.stdout.read(100)  # the rest finds no room on its way
            send(server, "DELETE", f"/api/documents/{key}")
            send(server, "DELETE", f"/api/trash/{key}")
            data += reader.stdout.read()
        tap.equal(reader.returncode, 0)
        archive = Archive(data)
        first, second = archive.node(key)["versions"]
        tap.equal(hashlib.sha256(archive.files[first["file"]]).hexdigest(), first["sha256"])
        tap.true(second["file"] not in archive.files, "what was gone when its turn came")
        tap.equal(archive.files[archive.node(last)["versions"][0]["file"]], b"whole")


@tap.test
def a_content_that_is_cut_off_breaks_the_archive_off():
    with dms_server.own_server(PROGRAM) as server:
        document(server, "short", LARGE)
        place = server.directory + "/content"
        os.truncate(f"{place}/{os.listdir(place)[0]}", 1000)
        done = subprocess.run(server.command("/api/export"), capture_output=True, check=False)
        tap.true(done.returncode != 0, "curl says that it is not whole")
        server.stop()
        archive = rescued(server)  # there is no other way to what is left of it
        tap.equal(archive.files["files/short"], LARGE[:1000] + bytes(len(LARGE) - 1000))
        damage = archive.json("damage.json")["damage"]
        tap.equal({entry["file"] for entry in damage}, {"files/short"})
        tap.equal((damage[0]["from"], damage[-1]["to"]), (1000, len(LARGE)))


def rescued(server):
    done = subprocess.run([PROGRAM, "--data", server.directory, "--export"], capture_output=True,
                          check=False)
    tap.equal(done.returncode, 3, done.stderr)
    return Archive(done.stdout)


@tap.test
def bytes_that_are_others_are_named():
    with dms_server.own_server(PROGRAM) as server:
        key = document(server, "changed", LARGE)
        document(server, "whole", LARGE[:50_000])
        server.stop()
        place = server.directory + "/content"
        name = next(n for n in os.listdir(place) if os.path.getsize(f"{place}/{n}") == len(LARGE))
        with open(f"{place}/{name}", "r+b") as file:
            file.seek(100_000)
            file.write(b"something else")
        archive = rescued(server)
        damage = archive.json("damage.json")
        tap.equal((damage["count"], damage["damage"][0]["id"]), (1, key))
        tap.true("SHA-256" in damage["damage"][0]["what"], damage)
        tap.equal(archive.files["files/whole"], LARGE[:50_000])


@tap.test
def a_page_of_the_database_that_is_gone_costs_what_was_on_it():
    with dms_server.own_server(PROGRAM) as server, tempfile.TemporaryDirectory() as files:
        names = [f"document-{number:03}" for number in range(400)]
        for name in names:
            with open(f"{files}/{name}", "wb") as file:
                file.write(b"x")
        server.stop()
        tap.equal(imported(server, files)[0], 0)
        path = server.directory + "/coffer.db"
        with open(path, "r+b") as file:
            data = file.read()
            size = int.from_bytes(data[16:18], "big")
            for at in range(size, len(data), size):
                if b"document-200" in data[at:at + size]:
                    file.seek(at)
                    file.write(bytes(size))
        archive = rescued(server)
        found = {name.removeprefix("files/") for name in archive.files if name.startswith("files/")}
        tap.true(300 < len(found & set(names)) < 400 and "document-200" not in found, len(found))
        tap.true(archive.json("damage.json")["count"] >= 1, "it is named")


def imported(server, folder, *options):
    done = subprocess.run([PROGRAM, "--data", server.directory, "--import", folder, *options],
                          capture_output=True, check=False, text=True)
    return done.returncode, done.stderr


@tap.test
def a_folder_is_imported_and_what_cannot_be_is_said():
    with dms_server.own_server(PROGRAM) as server, tempfile.TemporaryDirectory() as place:
        send(server, "POST", "/api/users", {"name": "grace", "password": "one-time-secret",
                                            "quota": {"bytes": 10}})
        contents = {"a.txt": b"a", "Verträge/b.pdf": b"", "Verträge/tief/c": LARGE}
        for name, content in contents.items():
            os.makedirs(os.path.dirname(f"{place}/{name}"), exist_ok=True)
            with open(f"{place}/{name}", "wb") as file:
                file.write(content)
        server.stop()
        status, said = imported(server, place)
        tap.equal(status, 0, said)
        tap.true("documents=3 folders=2 there_already=0 left_out=0" in said, said)
        os.symlink("/etc/passwd", f"{place}/link")
        os.mkfifo(f"{place}/pipe")
        with open(os.fsencode(place) + b"/\xff", "wb"):
            pass
        os.mkdir(f"{place}/a-folder")
        os.symlink(server.directory, f"{place}/a-folder/data")
        status, said = imported(server, place)  # once more, with what is none
        tap.equal(status, 1, said)
        tap.true("documents=0 folders=1 there_already=3 left_out=4" in said, said)
        status, said = imported(server, os.path.dirname(server.directory))
        tap.true(status == 1 and "the documents themselves" in said, said)
        for options, word in ((("--import-as", "nobody"), "there is no user"),
                              (("--import-as", "grace"), "quota of 'grace'")):
            with open(f"{place}/new", "wb") as file:
                file.write(b"more than ten")
            status, said = imported(server, place, *options)
            tap.true(status == 1 and word in said, said)
        tap.equal(imported(server, place + "/none")[0], 1)
        server.start()
        for name, content in contents.items():
            got = server.get(urllib.parse.quote(name))
            tap.true(got.body == content, name)
        node = good(server.ask("/api/search?q=b"))["items"][0]
        tap.equal((node["type"], node["created_by"]), ("application/pdf", "admin"))
        tap.equal(good(server.ask("/api/audit/check"))["ok"], True)


MAIL = (b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nTo: a@example.org,\r\n b@example.org\r\n"
        b"Subject: =?iso-8859-1?B?R3L832U=?=\r\nDate: Mon, 1 Jun 2026 10:00:00 +0200\r\n"
        b"Message-ID: <1@example.org>\r\n\r\nSubject: not this one\r\n")


@tap.test
def mail_is_imported_with_its_header_as_properties():
    quoted = b"Subject: two\n\n>From here on\n>From a line\n>>From another\n"
    plain = b"Subject: two\n\nFrom here on\nFrom a line\n>From another\n"
    with dms_server.own_server(PROGRAM) as server, tempfile.TemporaryDirectory() as place:
        for name, content in (("one.eml", MAIL), ("empty.eml", b""), ("bytes.eml", bytes(range(256))),
                              ("long.eml", b"Subject: " + "ü".encode() * 5000 + b"\n\nx"),
                              ("box.mbox", b"junk\n\nFrom j Mon\n" + MAIL + b"\nFrom k Tue\n" +
                               quoted + b"\nFrom l\n" + b"x" * 300_000)):
            with open(f"{place}/{name}", "wb") as file:
                file.write(content)
        server.stop()
        for there in (0, 4 + 3):
            status, said = imported(server, place)
            tap.equal(status, 0, said)
            tap.true(f"there_already={there}" in said, said)
        server.start()
        wanted = {"mail.from": "Jürgen <j@example.org>", "mail.to": "a@example.org, b@example.org",
                  "mail.subject": "Grüße", "mail.date": "Mon, 1 Jun 2026 10:00:00 +0200",
                  "mail.message-id": "<1@example.org>"}
        archive = Archive(server.ask("/api/export").body)
        nodes = {node["path"]: node for node in (archive.json(name) for name in archive.files
                                                 if name.startswith("nodes/"))}
        tap.equal(nodes["one.eml"]["properties"], wanted)
        tap.equal(nodes["box.mbox/000001.eml"]["properties"], wanted)
        tap.equal(nodes["empty.eml"]["properties"], {})
        tap.equal(nodes["long.eml"]["properties"]["mail.subject"], "ü" * 2048)
        tap.equal([archive.files[f"files/box.mbox/{number:06}.eml"] for number in (1, 2, 3)],
                  [MAIL + b"\n", plain + b"\n", b"x" * 300_000])
        tap.equal(nodes["box.mbox/000002.eml"]["properties"], {"mail.subject": "two"})
        tap.true("box.mbox/000004.eml" not in nodes, "three messages")


@tap.test
def only_administrators_export_and_only_what_is_there():
    with dms_server.own_server(PROGRAM) as server:
        send(server, "POST", "/api/users", {"name": "eve", "password": "one-time-secret"})
        send(server, "PUT", "/api/me/password", {"old": "one-time-secret", "new": "other-secret"},
             "eve:one-time-secret")
        tap.equal(server.ask("/api/export", auth="eve:other-secret").status, 403)
        with tempfile.TemporaryDirectory() as place:
            done = subprocess.run([PROGRAM, "--data", place, "--export"], capture_output=True,
                                  check=False)
            tap.equal((done.returncode, done.stdout, os.listdir(place)), (1, b"", []))
            tap.true(b"there are no documents" in done.stderr, done.stderr)


tap.main()
