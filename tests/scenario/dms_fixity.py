#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Damage under a document server's feet is found and told of: dms_fixity.py COFFER_DMS"""
import contextlib
import os
import sqlite3
import sys

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
FAST = ("--fixity-rate", "1000000000")


def good(answer, *statuses):
    tap.true(answer.status in (statuses or (200, 201, 202, 204)), repr(answer))
    return answer.json if answer.body else None


def put(server, name, content):
    return good(server.put(name, content))["id"]


def check(server):
    """A whole walk from now on."""
    good(server.ask("/api/fixity", "-X", "POST"), 202)

    def ended():
        state = good(server.ask("/api/fixity"))
        return None if state["running"] else state
    return tap.until(ended, "all contents are looked at", 60)


def damage(server):
    items = good(server.ask("/api/fixity/damage"))["items"]
    return {(item["name"], item["version"]): item["kind"] for item in items}


def file_of(server, content):
    """The file under content/ that has these bytes."""
    place = server.directory + "/content"
    for name in os.listdir(place):
        with open(f"{place}/{name}", "rb") as file:
            if file.read() == content:
                return f"{place}/{name}"
    raise AssertionError("there is no such content")


def flip(path, at=1000):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


@contextlib.contextmanager
def servers():
    yield lambda *options: dms_server.own_server(PROGRAM, *options)


@tap.test
def what_is_whole_is_found_whole(run):
    with run(*FAST) as server:
        before = good(server.ask("/api/fixity"))
        tap.equal((before["running"], before["begun_ms"], before["damaged"]), (False, None, 0))
        contents = [b"", b"small", dms_server.noise(40_000), dms_server.noise(700_000, 2)]
        for number, content in enumerate(contents):
            put(server, f"whole-{number}", content)
        put(server, "whole-again", contents[3])  # in the same file, so looked at once
        state = check(server)
        tap.equal((state["contents"], state["bytes"], state["damaged"]), (4, 740_005, 0))
        tap.equal(damage(server), {})
        tap.true("coffer_dms_contents_checked_total 4" in
                 server.ask("/metrics").body.decode(), "counted")


@tap.test
def every_kind_of_damage_is_listed(run):
    with run(*FAST) as server:
        contents = {name: dms_server.noise(300_000, seed) for seed, name in
                    enumerate(("changed", "short", "missing", "fine"), 1)}
        for name, content in contents.items():
            put(server, name, content)
        put(server, "also-changed", contents["changed"])
        inline = put(server, "inline", b"a small content")
        put(server, "inline", b"a new version")
        flip(file_of(server, contents["changed"]))
        os.truncate(file_of(server, contents["short"]), 299_999)
        os.unlink(file_of(server, contents["missing"]))
        server.stop()
        with contextlib.closing(sqlite3.connect(server.directory + "/coffer.db")) as database:
            database.execute("UPDATE content SET data = ? WHERE data = ?",
                             (b"a Small content", b"a small content"))
            database.commit()
        server.start()
        tap.equal(check(server)["damaged"], 5)
        tap.equal(damage(server), {
            ("changed", 1): "changed", ("also-changed", 1): "changed", ("short", 1): "short",
            ("missing", 1): "missing", ("inline", 1): "changed"})
        tap.true("coffer_dms_contents_damaged 5" in server.ask("/metrics").body.decode(), "metric")
        page = good(server.ask("/api/fixity/damage?limit=2"))
        rest = good(server.ask(f"/api/fixity/damage?cursor={page['next']}"))
        tap.equal((len(page["items"]), len(rest["items"]), rest["next"]), (2, 3, None))
        noted = [e for e in good(server.ask("/api/audit?limit=50"))["items"]
                 if e["action"] == "content-damaged"]
        tap.equal(sorted(e["name"] for e in noted),
                  ["also-changed", "changed", "inline", "missing", "short"])
        tap.equal({e["id"] for e in noted if e["name"] == "inline"}, {inline})
        tap.equal(noted[0]["user"], "")
        good(server.ask("/api/audit/check"))
        # Known damage is told of once, and known after a new start.
        check(server)
        again = [e for e in good(server.ask("/api/audit?limit=50"))["items"]
                 if e["action"] == "content-damaged"]
        tap.equal(len(again), 5)
        server.stop()
        server.start()
        tap.equal(good(server.ask("/api/fixity"))["damaged"], 5)


@tap.test
def a_content_that_is_well_again_is_said_to_be(run):
    with run(*FAST) as server:
        content = dms_server.noise(300_000)
        put(server, "sick", content)
        path = file_of(server, content)
        flip(path)
        tap.equal(check(server)["damaged"], 1)
        flip(path)
        tap.equal(check(server)["damaged"], 0)
        noted = [e["action"] for e in good(server.ask("/api/audit?limit=50"))["items"]
                 if e["action"].startswith("content-")]
        tap.equal(noted, ["content-well", "content-damaged"])


@tap.test
def nothing_new_is_stored_in_a_damaged_file(run):
    with run(*FAST) as server:
        content = dms_server.noise(300_000)
        key = put(server, "old", content)
        flip(file_of(server, content))
        check(server)
        put(server, "new", content)
        tap.true(server.get("new").body == content, "the new one is whole")
        put(server, "newer", content)
        tap.equal(len(os.listdir(server.directory + "/content")), 2)
        # With the document goes what was known of its damage.
        good(server.ask(f"/api/documents/{key}", "-X", "DELETE"))
        tap.equal([i["in_trash"] for i in good(server.ask("/api/fixity/damage"))["items"]], [True])
        good(server.ask(f"/api/trash/{key}", "-X", "DELETE"))
        tap.equal(good(server.ask("/api/fixity"))["damaged"], 0)


@tap.test
def the_place_is_kept_over_a_new_start(run):
    with run("--fixity-rate", "20000") as server:
        put(server, "first", b"small")
        put(server, "second", dms_server.noise(700_000))  # takes a while
        begun = good(server.ask("/api/fixity", "-X", "POST"), 202)["begun_ms"]
        state = tap.until(lambda: (lambda s: s if s["contents"] == 1 else None)(
            good(server.ask("/api/fixity"))), "the first is looked at")
        server.stop()
        server.start()
        after = good(server.ask("/api/fixity"))
        tap.equal(after, state)
        tap.true(after["running"] and after["begun_ms"] >= (begun or 0), after)


@tap.test
def only_administrators_see_it(run):
    with run(*FAST) as server:
        good(server.post("/api/users", {"name": "eve", "password": "one-time-secret"}))
        good(server.ask("/api/me/password", "-X", "PUT", "-d",
                        '{"old":"one-time-secret","new":"another-secret"}',
                        auth="eve:one-time-secret"))
        for method, path in (("GET", "/api/fixity"), ("POST", "/api/fixity"),
                             ("GET", "/api/fixity/damage")):
            answer = server.ask(path, "-X", method, auth="eve:another-secret")
            tap.equal(answer.status, 403, repr(answer))


tap.main(servers)
