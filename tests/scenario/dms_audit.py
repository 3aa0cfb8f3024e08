#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The audit trail: what is in it, and that its chain can be checked by anybody:
dms_audit.py COFFER_DMS"""
import csv
import hashlib
import io
import os
import sys

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"audit-{os.getpid()}"


def entries(server, query="", auth=None):
    answer = server.ask(f"/api/audit?limit=1000{query}", auth=auth)
    tap.equal(answer.status, 200)
    return answer.json["items"]


def actions(server, query=""):
    return [entry["action"] for entry in reversed(entries(server, query))]


def document(server, name, content=b"x"):
    answer = server.ask(f"/api/documents?name={WORK}-{name}", "--data-binary", "@-", stdin=content)
    tap.equal(answer.status, 201)
    return answer.json["id"]


def chained(rows):
    """The documented hash, computed here."""
    before, head = bytes(32), None
    for row in rows:
        data = before + b"".join(int(row[name]).to_bytes(8, "big")
                                 for name in ("sequence", "time_ms", "id"))
        for name in ("action", "user", "from", "detail"):
            text = row[name].removeprefix("'").encode()
            data += len(text).to_bytes(4, "big") + text
        salt = bytes.fromhex(row["salt"])
        mark = hashlib.sha256(salt + row["name"].removeprefix("'").encode()).hexdigest()
        if mark != row["mark"] and (any(salt) or row["name"]):
            return f"broken at {row['sequence']}", head
        before = hashlib.sha256(data + bytes.fromhex(row["mark"])).digest()
        head = row["sequence"], before.hex()
        if row["hash"] != before.hex():
            return f"broken at {row['sequence']}", head
    return "whole", head


@tap.test
def what_is_done_with_a_document_is_noted():
    with dms_server.server(PROGRAM) as server:
        node = document(server, "one")
        server.ask(f"/api/documents/{node}/content", "-X", "PUT", "--data-binary", "two")
        server.ask(f"/api/documents/{node}", "-X", "PATCH", "-d",
                   '{"name":"%s-other"}' % WORK)
        server.ask(f"/api/documents/{node}/content")
        server.ask(f"/api/documents/{node}/content")  # at once again: one entry
        server.ask(f"/api/documents/{node}", "-X", "DELETE")
        server.ask(f"/api/trash/{node}/restore", "-X", "POST")
        server.ask(f"/api/documents/{node}", "-X", "DELETE")
        server.ask(f"/api/trash/{node}", "-X", "DELETE")
        got = actions(server, f"&id={node}")
        tap.equal(got, ["create", "version", "change", "read", "delete", "restore", "delete",
                        "purge"])
        first = entries(server, f"&id={node}")[-1]
        tap.equal((first["user"], first["name"]), (server.auth.split(":")[0], ""), "purged")
        node = document(server, "two")
        first = entries(server, f"&id={node}")[-1]
        tap.equal((first["user"], first["name"]), (server.auth.split(":")[0], f"{WORK}-two"))
        tap.true(first["from"] in ("127.0.0.1", "::1"), first)


@tap.test
def every_road_is_noted():
    with dms_server.server(PROGRAM) as server:
        server.ask(f"/dav/{WORK}-dav", "-X", "MKCOL")
        server.ask(f"/dav/{WORK}-dav/a.txt", "-T", "-", stdin=b"x")
        folder = next(item for item in server.ask("/api/folders/root/children?limit=1000")
                      .json["items"] if item["name"] == f"{WORK}-dav")["id"]
        tap.equal(actions(server, f"&id={folder}"), ["create"])
        node = server.ask(f"/api/folders/{folder}/children").json["items"][0]["id"]
        server.ask(f"/dav/{WORK}-dav/a.txt")
        tap.equal(actions(server, f"&id={node}"), ["create", "read"])


@tap.test
def signing_in_is_noted():
    with dms_server.server(PROGRAM) as server:
        name = f"{WORK}-user"
        server.post("/api/users", {"name": name, "password": "one-time-word-1", "role": "user"})
        server.ask("/api/me", auth=f"{name}:wrong-one")
        made = server.post("/api/sessions", {"user": name, "password": "one-time-word-1"}, auth="")
        server.ask("/api/me/password", "-X", "PUT", "-d",
                   '{"old":"one-time-word-1","new":"another-password"}', auth=f"{name}:one-time-word-1")
        server.ask(f"/api/users/{name}", "-X", "DELETE")
        got = [entry["action"] for entry in reversed(entries(server)) if entry["name"] == name]
        tap.equal(got, ["user-add", "sign-in-refused", "sign-in", "password", "user-remove"])
        text = str(entries(server))
        tap.true("another-password" not in text and made.json["token"] not in text, "no secrets")


@tap.test
def others_see_what_is_theirs_to_see():
    with dms_server.server(PROGRAM) as server:
        name = f"{WORK}-reader"
        server.post("/api/users", {"name": name, "password": "one-time-word-1", "role": "user"})
        server.ask("/api/me/password", "-X", "PUT", "-d",
                   '{"old":"one-time-word-1","new":"another-password"}', auth=f"{name}:one-time-word-1")
        auth = f"{name}:another-password"
        node = document(server, "seen")
        for path in ("", ".csv", "/head", "/check"):
            tap.equal(server.ask(f"/api/audit{path}", auth=auth).status, 403)
        items = server.ask(f"/api/documents/{node}/audit", auth=auth).json["items"]
        tap.equal([item["action"] for item in items], ["create"])


@tap.test
def the_chain_can_be_checked_outside():
    with dms_server.server(PROGRAM) as server:
        document(server, "%3Dformula%22%2Cx")  # what spreadsheets would take for more than text
        document(server, "comma%2C%22quote")
        purged = document(server, "purged")
        server.ask(f"/api/documents/{purged}", "-X", "DELETE")
        tap.equal(server.ask(f"/api/trash/{purged}", "-X", "DELETE").status, 204)
        answer = server.ask("/api/audit.csv")
        tap.equal(answer.status, 200)
        rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
        verdict, head = chained(rows)
        tap.equal(verdict, "whole")
        shown = server.ask("/api/audit/head").json
        tap.equal(head, (str(shown["sequence"]), shown["hash"]))
        check = server.ask("/api/audit/check").json
        tap.equal((check["ok"], check["entries"], check["hash"]),
                  (True, shown["sequence"], shown["hash"]))
        gone = [row for row in rows if row["action"] == "purge"]
        tap.true(gone and not any(row["name"] for row in gone), "names go with their document")
        rows[len(rows) // 2]["user"] = "nobody"
        tap.true(chained(rows)[0].startswith("broken"), "the test notices a change")
        rest = server.ask(f"/api/audit.csv?after={shown['sequence'] - 1}").body.decode()
        tap.equal(len(list(csv.DictReader(io.StringIO(rest)))), 1)
        tap.equal(server.ask("/api/audit.csv?after=x").status, 400)


@tap.test
def it_survives_being_killed():
    if dms_server.is_foreign():
        raise tap.Skip("needs a server of its own")
    with dms_server.own_server(PROGRAM) as server:
        node = document(server, "kept")
        server.kill()
        server.start()
        tap.equal(actions(server, f"&id={node}"), ["create"])
        tap.equal(server.ask("/api/audit/check").json["ok"], True)


tap.main()
