#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Times to keep and legal holds: nothing that must be kept can be deleted, by any road:
dms_holds.py COFFER_DMS"""
import json
import os
import sys
import time

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"holds-{os.getpid()}"


def later(seconds=3600):
    return int((time.time() + seconds) * 1000)


def made(answer, status=201):
    tap.equal(answer.status, status, answer)
    return answer.json["id"]


def folder(server, name, parent="root"):
    return made(server.post("/api/folders", {"name": f"{WORK}-{name}", "parent": parent}))


def document(server, name, parent="root"):
    return made(server.ask(f"/api/documents?name={WORK}-{name}&parent={parent}",
                           "--data-binary", "@-", stdin=b"kept"))


def keep(server, node, until):
    return server.ask(f"/api/documents/{node}/retention", "-X", "PUT", "-d",
                      json.dumps({"until_ms": until}))


def admin(server, name):
    server.post("/api/users", {"name": name, "password": "one-time-word-1", "role": "admin"})
    server.ask("/api/me/password", "-X", "PUT", "-d",
               '{"old":"one-time-word-1","new":"another-password"}', auth=f"{name}:one-time-word-1")
    return f"{name}:another-password"


def hold(server, name):
    return made(server.post("/api/holds", {"name": f"{WORK}-{name}", "reason": "a case"}))


def refused(answer):
    tap.equal(answer.status, 409, answer)
    tap.equal(answer.json["type"], "urn:coffer:problem:kept")


def roads(server, node, name, parent, parent_name):
    """Every way to delete a document, or what it is in."""
    refused(server.ask(f"/api/documents/{node}", "-X", "DELETE"))
    refused(server.ask(f"/api/folders/{parent}", "-X", "DELETE"))
    refused(server.ask(f"/api/files/{parent_name}/{name}", "-X", "DELETE"))
    refused(server.ask(f"/dav/{parent_name}/{name}", "-X", "DELETE"))
    refused(server.ask(f"/dav/{parent_name}", "-X", "DELETE"))
    server.ask(f"/dav/{WORK}-other", "-X", "MKCOL")
    over = server.ask(f"/dav/{WORK}-other", "-X", "COPY", "-H",
                      f"Destination: {server.url}/dav/{parent_name}/{name}")
    refused(over)
    tap.equal(server.ask(f"/api/documents/{node}/content").body, b"kept")


@tap.test
def what_must_be_kept_is_not_deleted():
    with dms_server.server(PROGRAM) as server:
        parent = folder(server, "time")
        node = document(server, "a", parent)
        tap.equal(keep(server, node, later()).status, 200)
        roads(server, node, f"{WORK}-a", parent, f"{WORK}-time")
        # New versions are no deletion.
        again = server.ask(f"/api/documents/{node}/content", "-X", "PUT", "--data-binary", "more")
        tap.equal(again.status, 200)
        tap.equal(server.ask(f"/api/documents/{node}/versions/1/content").body, b"kept")


@tap.test
def a_time_only_gets_longer_and_ends():
    with dms_server.server(PROGRAM) as server:
        node = document(server, "b")
        end = int(time.time() * 1000) + 1500
        tap.equal(keep(server, node, end).status, 200)
        shorter = keep(server, node, end - 1000)
        tap.true(shorter.status in (409, 422), shorter)  # 422 once it lies behind
        tap.equal(keep(server, node, end + 1).status, 200)
        refused(server.ask(f"/api/documents/{node}", "-X", "DELETE"))
        tap.until(lambda: server.ask(f"/api/documents/{node}", "-X", "DELETE").status == 204,
                  "the time has come")
        tap.equal(server.ask(f"/api/trash/{node}", "-X", "DELETE").status, 204)
        tap.equal(keep(server, node, later()).status, 404)


@tap.test
def holds_add_up_and_end_with_four_eyes():
    with dms_server.server(PROGRAM) as server:
        parent = folder(server, "law")
        node = document(server, "c", parent)
        first, second = hold(server, "one"), hold(server, "two")
        for one in (first, second):
            tap.equal(server.ask(f"/api/holds/{one}/documents/{node}", "-X", "PUT").status, 204)
        roads(server, node, f"{WORK}-c", parent, f"{WORK}-law")
        state = server.ask(f"/api/documents/{node}/retention").json
        tap.equal((state["holds"], state["kept"]), ([f"{WORK}-one", f"{WORK}-two"], True))
        other = admin(server, WORK + "-eve")
        ask = ("-X", "POST")
        tap.equal(server.ask(f"/api/holds/{first}/release", *ask).status, 202)
        own = server.ask(f"/api/holds/{first}/release", *ask)
        tap.equal((own.status, own.json["type"]), (409, "urn:coffer:problem:four-eyes"))
        refused(server.ask(f"/api/documents/{node}", "-X", "DELETE"))
        done = server.ask(f"/api/holds/{first}/release", *ask, auth=other)
        tap.equal((done.status, done.json["released"]), (200, True))
        refused(server.ask(f"/api/documents/{node}", "-X", "DELETE"))
        tap.equal(server.ask(f"/api/holds/{second}/release", *ask, auth=other).status, 202)
        tap.equal(server.ask(f"/api/holds/{second}/release", "-X", "DELETE").status, 204)
        tap.equal(server.ask(f"/api/holds/{second}/release", *ask).status, 202, "asked anew")
        tap.equal(server.ask(f"/api/holds/{second}/release", *ask, auth=other).status, 200)
        tap.equal(server.ask(f"/api/documents/{node}", "-X", "DELETE").status, 204)
        gone = server.ask(f"/api/holds/{second}/release", *ask)
        tap.equal(gone.status, 404, "it is over")


@tap.test
def holds_are_administrators():
    with dms_server.server(PROGRAM) as server:
        name = f"{WORK}-joe"
        server.post("/api/users", {"name": name, "password": "one-time-word-1", "role": "user"})
        server.ask("/api/me/password", "-X", "PUT", "-d",
                   '{"old":"one-time-word-1","new":"another-password"}', auth=f"{name}:one-time-word-1")
        auth = f"{name}:another-password"
        tap.equal(server.post("/api/holds", {"name": "x", "reason": "y"}, auth=auth).status, 403)
        tap.equal(server.ask("/api/holds", auth=auth).status, 403)
        one = hold(server, "three")
        tap.equal(server.post("/api/holds", {"name": f"{WORK}-three", "reason": "y"}).status, 409)
        for wish in ({}, {"name": "", "reason": "y"}, {"name": "x"}, {"name": "x", "reason": 1}):
            tap.equal(server.post("/api/holds", wish).status, 422, wish)
        node = document(server, "d")
        tap.equal(server.ask(f"/api/holds/{one}/documents/{node}", "-X", "PUT",
                             auth=auth).status, 403)
        tap.equal(server.ask(f"/api/holds/{one}/documents/{node}", "-X", "PUT").status, 204)
        tap.equal(server.ask(f"/api/holds/{one}/documents").json["items"], [node])
        actions = [entry["action"] for entry in server.ask(f"/api/audit?id={node}").json["items"]]
        tap.equal("hold" in actions, True)


tap.main()
