#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Links that share one document: dms_shares.py COFFER_DMS"""
import os
import sys
import time

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"shares-{os.getpid()}"


def later(seconds=3600):
    return int((time.time() + seconds) * 1000)


def document(server, name, content=b"shared content"):
    answer = server.ask(f"/api/documents?name={WORK}-{name}", "--data-binary", "@-", stdin=content)
    tap.equal(answer.status, 201)
    return answer.json["id"]


def share(server, node, auth=None, **wish):
    answer = server.post(f"/api/documents/{node}/shares", {"expires_ms": later(), **wish},
                         auth=auth)
    tap.equal(answer.status, 201, answer)
    return answer.json


def user(server, name):
    server.post("/api/users", {"name": name, "password": "one-time-word-1", "role": "user"})
    done = server.ask("/api/me/password", "-X", "PUT", "-d",
                      '{"old":"one-time-word-1","new":"another-password"}', auth=f"{name}:one-time-word-1")
    tap.equal(done.status, 204)
    return f"{name}:another-password"


@tap.test
def a_link_gives_the_document_to_anyone():
    with dms_server.server(PROGRAM) as server:
        node = document(server, "<b>name</b>.txt".replace("<", "%3C").replace(">", "%3E")
                        .replace("/", "%E2%81%84"))
        made = share(server, node)
        page = server.ask(made["path"], auth="")
        tap.equal(page.status, 200)
        tap.true(b"<b>" not in page.body and b"&lt;b&gt;" in page.body, "names are only text")
        tap.true(b"14 bytes" in page.body, "the size is told")
        tap.true("default-src 'none'" in page.headers["content-security-policy"], "strict policy")
        tap.equal(page.headers["referrer-policy"], "no-referrer")
        got = server.ask(made["path"] + "/content", auth="")
        tap.equal((got.status, got.body), (200, b"shared content"))
        tap.equal(got.headers["x-content-type-options"], "nosniff")
        listed = server.ask(f"/api/documents/{node}/shares").json["items"]
        tap.equal([(item["id"], item["downloads"]) for item in listed], [(made["id"], 1)])
        tap.true("path" not in listed[0], "the token is shown once")


@tap.test
def a_link_ends():
    with dms_server.server(PROGRAM) as server:
        node = document(server, "ends")
        made = share(server, node, downloads_max=2)
        content = made["path"] + "/content"
        tap.equal([server.ask(content, auth="").status for _ in range(3)], [200, 200, 404])
        ended = share(server, node)
        tap.equal(server.ask(f"/api/shares/{ended['id']}", "-X", "DELETE").status, 204)
        tap.equal(server.ask(ended["path"], auth="").status, 404)
        short = share(server, node, expires_ms=int(time.time() * 1000) + 300)
        tap.until(lambda: server.ask(short["path"], auth="").status == 404, "the link ends")
        gone = share(server, node)
        server.ask(f"/api/documents/{node}", "-X", "DELETE")
        tap.equal(server.ask(gone["path"], auth="").status, 404, "in the trash")
        nowhere = server.ask("/s/none", auth="")
        tap.equal(nowhere.status, 404)
        tap.equal(nowhere.body, server.ask(ended["path"], auth="").body, "one answer for all")


@tap.test
def a_password_is_needed_where_there_is_one():
    with dms_server.server(PROGRAM) as server:
        node = document(server, "secret-name")
        made = share(server, node, password="a pass word+1")
        page = server.ask(made["path"], auth="")
        tap.true(b"secret-name" not in page.body and b"password" in page.body, "tells nothing")
        content = made["path"] + "/content"
        tap.equal(server.ask(content, auth="").status, 401)
        post = ("-X", "POST", "--data-binary")
        tap.equal(server.ask(content, *post, "password=wrong-one", auth="").status, 401)
        tap.equal(server.ask(content, *post, "other=x", auth="").status, 400)
        right = server.ask(content, *post, "a=b", auth="")
        tap.equal(right.status, 400, "a password first")
        right = server.ask(content, *post, "password=a+pass+word%2B1", auth="")
        tap.equal((right.status, right.body), (200, b"shared content"))
        tries = [server.ask(content, *post, "password=wrong-one", auth="").status
                 for _ in range(12)]
        tap.equal(tries[-1], 429, tries)


@tap.test
def only_who_made_a_link_sees_and_ends_it():
    with dms_server.server(PROGRAM) as server:
        node = document(server, "mine")
        ada, bob = user(server, WORK + "-ada"), user(server, WORK + "-bob")
        made = share(server, node, auth=ada)
        tap.equal(server.ask(f"/api/documents/{node}/shares", auth=bob).json["items"], [])
        tap.equal(server.ask(f"/api/shares/{made['id']}", "-X", "DELETE", auth=bob).status, 404)
        tap.equal(len(server.ask(f"/api/documents/{node}/shares").json["items"]), 1, "admin")
        server.ask(f"/api/users/{WORK}-ada", "-X", "DELETE")
        tap.equal(server.ask(made["path"], auth="").status, 404, "its maker is gone")


@tap.test
def who_gets_a_removed_users_name_gets_nothing_else_of_it():
    lock = ('<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype>'
            '<D:write/></D:locktype></D:lockinfo>')
    with dms_server.server(PROGRAM) as server:
        node, secret, locked = (document(server, n) for n in ("linked", "secret", "locked"))
        name = WORK + "-ada"
        ada = user(server, name)
        made = share(server, node, auth=ada)
        listed = server.ask(f"/cmis/browser/coffer/root?objectId={secret}",
                            *(f"-F{field}" for field in (
                                "cmisaction=applyACL", f"addACEPrincipal[0]={name}",
                                "addACEPermission[0][0]=cmis:all", "removeACEPrincipal[0]=anyone",
                                "removeACEPermission[0][0]=cmis:all")))
        tap.equal(listed.status, 200, listed)
        tap.equal(server.ask(f"/api/documents/{secret}", auth=ada).status, 200)
        path = f"/dav/{WORK}-locked"
        tap.equal(server.ask(path, "-X", "LOCK", "-d", lock, auth=ada).status, 200)
        put = ("-X", "PUT", "--data-binary", "new")
        tap.equal(server.ask(path, *put).status, 423)
        tap.equal(server.ask(f"/api/users/{name}", "-X", "DELETE").status, 204)
        tap.equal(server.ask(path, *put).status, 204, "its lock is gone")
        again = user(server, name)
        tap.equal(server.ask(made["path"], auth="").status, 404, "the link stays ended")
        tap.equal(server.ask("/api/shares", auth=again).json["items"], [])
        tap.equal(server.ask(f"/api/documents/{secret}", auth=again).status, 404)
        ended = [entry for entry in server.ask("/api/audit").json["items"]
                 if entry["action"] == "share-end"]
        tap.equal([(entry["id"], entry["user"]) for entry in ended], [(node, "admin")])


@tap.test
def bad_wishes_are_refused():
    with dms_server.server(PROGRAM) as server:
        node = document(server, "bad")
        for wish in ({}, {"expires_ms": 1}, {"expires_ms": later(400 * 86400)},
                     {"expires_ms": later(), "password": "short"},
                     {"expires_ms": later(), "downloads_max": -1},
                     {"expires_ms": "soon"}, {"expires_ms": later(), "more": 1}):
            answer = server.post(f"/api/documents/{node}/shares", wish)
            tap.equal(answer.status, 422, f"{wish}: {answer}")
        tap.equal(server.post("/api/documents/999999/shares", {"expires_ms": later()}).status, 404)


tap.main()
