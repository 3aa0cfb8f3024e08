#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a user may store, by every way in, asked with curl: dms_quota.py COFFER_DMS"""
import base64
import json
import os
import random
import sqlite3
import sys

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"quota-{os.getpid()}"
TUS = ("-H", "Tus-Resumable: 1.0.0")
CMIS = "/cmis/browser/coffer/root"


def problem(answer, status, name):
    tap.equal((answer.status, answer.json["type"]), (status, f"urn:coffer:problem:{name}"),
              repr(answer))


def send(server, method, path, value=None, auth=None):
    body = () if value is None else ("-d", json.dumps(value))
    return server.ask(path, "-X", method, *body, auth=auth)


def good(answer, *statuses):
    tap.true(answer.status in (statuses or (200, 201, 204)), repr(answer))
    return answer.json if answer.body else None


def user(server, name, **quota):
    good(server.post("/api/users", {"name": name, "password": "one-time-secret", "quota": quota}))
    good(send(server, "PUT", "/api/me/password",
              {"old": "one-time-secret", "new": "another-secret"}, f"{name}:one-time-secret"))
    return f"{name}:another-secret"


def quota(server, name, **limits):
    return send(server, "PATCH", f"/api/users/{name}", {"quota": limits})


def used(server, auth):
    is_now = good(server.ask("/api/me", auth=auth))["quota"]
    return is_now["bytes_used"], is_now["documents_used"]


def put(server, path, size, auth, *options):
    return server.ask(f"/api/files/{path}", "-X", "PUT", "--data-binary", "@-", *options,
                      auth=auth, stdin=b"x" * size)


def upload(server, name, size, auth):
    return server.ask("/api/uploads", "-X", "POST", *TUS, "-H", f"Upload-Length: {size}", "-H",
                      "Upload-Metadata: filename " + base64.b64encode(name.encode()).decode(),
                      auth=auth)


def part(server, where, data, auth):
    return server.ask(where, "-X", "PATCH", *TUS, "-H", "Upload-Offset: 0", "-H",
                      "Content-Type: application/offset+octet-stream", "--data-binary", "@-",
                      auth=auth, stdin=data)


@tap.test
def administrators_set_quotas_and_their_users_see_them(server):
    name = f"{WORK}-seen"
    auth = user(server, name, bytes=1000)
    tap.equal(good(server.ask("/api/me", auth=auth))["quota"],
              {"bytes": 1000, "documents": None, "bytes_used": 0, "documents_used": 0,
               "bytes_unfinished": 0})
    tap.equal(good(quota(server, name, documents=5))["quota"],
              {"bytes": 1000, "documents": 5, "bytes_used": 0, "documents_used": 0,
               "bytes_unfinished": 0})
    tap.equal(good(quota(server, name, bytes=None))["quota"]["bytes"], None)
    for wrong in ({"bytes": -1}, {"bytes": "1"}, {"documents": 1.5}, {"size": 1}, {"bytes": True}):
        problem(quota(server, name, **wrong), 422, "bad-quota")
    problem(send(server, "PATCH", f"/api/users/{name}", {"quota": {"bytes": 5}}, auth), 403,
            "admins-only")
    tap.equal([e["detail"] for e in good(server.ask("/api/audit?limit=20"))["items"]
               if e["action"] == "quota" and e["name"] == name],
              ["bytes -1, documents 5", "bytes 1000, documents 5", "bytes 1000, documents -1"])


@tap.test
def bytes_are_counted_by_every_way_in(server):
    name = f"{WORK}-bytes"
    auth = user(server, name, bytes=1000)
    key = good(put(server, f"{WORK}/a", 600, auth))["id"]
    tap.equal(used(server, auth), (600, 1))
    problem(put(server, f"{WORK}/b", 401, auth), 507, "quota-bytes")
    problem(put(server, f"{WORK}/b", 401, auth, "-H", "Transfer-Encoding: chunked"), 507,
            "quota-bytes")
    problem(server.ask("/api/documents", "-F", f"name={WORK}-f", "-F", "file=@-;filename=f",
                       auth=auth, stdin=b"x" * 401), 507, "quota-bytes")
    problem(put(server, f"{WORK}/a", 401, auth), 507, "quota-bytes")  # the old version counts
    problem(send(server, "POST", f"/api/documents/{key}/copy", {"name": f"{WORK}-c"}, auth), 507,
            "quota-bytes")
    problem(send(server, "POST", f"/api/documents/{key}/versions/1/restore", auth=auth), 507,
            "quota-bytes")
    problem(upload(server, f"{WORK}-t", 401, auth), 507, "quota-bytes")
    results = good(server.post("/api/bulk", {"action": "copy", "ids": [key], "parent": "root"},
                               auth=auth))["results"]
    tap.equal([(one["status"], one["type"]) for one in results],
              [(507, "urn:coffer:problem:quota-bytes")])
    tap.equal(used(server, auth), (600, 1))
    # An upload that was begun in time and became too much.
    name = auth.partition(":")[0]
    first = upload(server, f"{WORK}-u", 300, auth).headers["location"]
    good(part(server, first, b"u" * 300, auth))
    second = upload(server, f"{WORK}-v", 100, auth).headers["location"]
    good(quota(server, name, bytes=950))
    problem(part(server, second, b"v" * 100, auth), 507, "quota-bytes")
    good(quota(server, name, bytes=1000))
    good(server.ask(second, "-X", "DELETE", *TUS, auth=auth))
    good(put(server, f"{WORK}/exact", 100, auth))
    good(put(server, f"{WORK}/empty", 0, auth))
    tap.equal(used(server, auth), (1000, 4))
    problem(put(server, f"{WORK}/one", 1, auth), 507, "quota-bytes")


@tap.test
def webdav_knows_the_quota(server):
    auth = user(server, f"{WORK}-dav", bytes=500)
    ask = "<propfind xmlns='DAV:'><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>"

    def properties(who):
        return server.ask("/dav/", "-X", "PROPFIND", "-H", "Depth: 0", "-d", ask, auth=who).body
    good(server.ask(f"/dav/{WORK}-d", "-X", "PUT", "--data-binary", "@-", auth=auth,
                    stdin=b"x" * 300))
    problem(server.ask(f"/dav/{WORK}-e", "-X", "PUT", "--data-binary", "@-", auth=auth,
                       stdin=b"x" * 201), 507, "quota-bytes")
    problem(server.ask(f"/dav/{WORK}-d", "-X", "COPY", "-H",
                       f"Destination: {server.url}/dav/{WORK}-f", auth=auth), 507, "quota-bytes")
    said = properties(auth)
    tap.true(b"<D:quota-available-bytes>200</D:quota-available-bytes>" in said, said)
    tap.true(b"<D:quota-used-bytes>300</D:quota-used-bytes>" in said, said)
    tap.true(b"404" in properties(None), "no quota, no property")


@tap.test
def cmis_says_storage(server):
    auth = user(server, f"{WORK}-cmis", bytes=50000)

    def cmis(action, *fields, data=None):
        options = [x for field in fields for x in ("-F", field)]
        if data is not None:
            options += ["-F", "content=@-;filename=x;type=application/octet-stream"]
        return server.ask(CMIS, "-F", f"cmisaction={action}", *options, auth=auth, stdin=data)

    def create(name, size):
        return cmis("createDocument", "propertyId[0]=cmis:objectTypeId",
                    "propertyValue[0]=cmis:document", "propertyId[1]=cmis:name",
                    f"propertyValue[1]={name}", data=b"x" * size)

    def refused(answer):
        tap.equal(answer.json["exception"], "storage", repr(answer))
    made = good(create(f"{WORK}-c", 40000))["properties"]["cmis:objectId"]["value"]
    refused(create(f"{WORK}-cd", 10001))
    refused(cmis("checkOut", f"objectId={made}"))
    refused(cmis("appendContent", f"objectId={made}", data=b"y" * 10001))
    good(cmis("appendContent", f"objectId={made}", data=b"y" * 10000))
    tap.equal(used(server, auth), (50000, 1))
    refused(cmis("setContent", f"objectId={made}", "overwriteFlag=true", data=b"z" * 50001))


@tap.test
def what_was_refused_leaves_nothing_behind_a_content(server):
    """A large content grows in place before its row is looked at; what is undone must not come back
    when the content is copied."""
    auth = user(server, f"{WORK}-behind", bytes=100_000)
    key = good(put(server, f"{WORK}/behind", 40_000, auth))["id"]

    def append(document, data, status=200):
        answer = server.ask(CMIS, "-F", "cmisaction=appendContent", "-F", f"objectId={document}",
                            "-F", "content=@-;filename=x", auth=auth, stdin=data)
        tap.equal(answer.status // 100, status // 100, repr(answer))

    def sizes():
        if dms_server.is_foreign():
            return []
        place = server.directory + "/content"
        return sorted(os.path.getsize(f"{place}/{name}") for name in os.listdir(place))

    before = sizes()
    append(key, b"refused" * 10_000, 500)
    tap.equal(sizes(), before)  # nor does it take room that nobody is counted for
    copy = good(send(server, "POST", f"/api/documents/{key}/copy", {"name": f"{WORK}-bc"},
                     auth))["id"]
    append(copy, b"end")
    tap.equal(server.ask(f"/api/documents/{copy}/content", auth=auth).body, b"x" * 40_000 + b"end")
    tap.equal(server.ask(f"/api/documents/{key}/content", auth=auth).body, b"x" * 40_000)


@tap.test
def documents_are_counted_until_they_are_purged(server):
    auth = user(server, f"{WORK}-docs", documents=2)
    keys = [good(put(server, f"{WORK}/d{i}", 1, auth))["id"] for i in range(2)]
    problem(put(server, f"{WORK}/d2", 1, auth), 507, "quota-documents")
    good(put(server, f"{WORK}/d1", 2, auth))  # a version is no document
    good(send(server, "DELETE", f"/api/documents/{keys[0]}", auth=auth))
    problem(put(server, f"{WORK}/d2", 1, auth), 507, "quota-documents")
    tap.equal(used(server, auth), (4, 2))
    good(send(server, "DELETE", f"/api/trash/{keys[0]}", auth=auth))
    tap.equal(used(server, auth), (3, 1))
    good(put(server, f"{WORK}/d2", 1, auth))
    problem(send(server, "POST", f"/api/documents/{keys[1]}/copy", {"name": f"{WORK}-c"}, auth),
            507, "quota-documents")


@tap.test
def a_quota_below_what_is_there_takes_nothing_away(server):
    name = f"{WORK}-less"
    auth = user(server, name)
    key = good(put(server, f"{WORK}/less", 100, auth))["id"]
    good(quota(server, name, bytes=50, documents=0))
    tap.equal(good(server.ask("/api/me", auth=auth))["quota"],
              {"bytes": 50, "documents": 0, "bytes_used": 100, "documents_used": 1,
               "bytes_unfinished": 0})
    problem(put(server, f"{WORK}/less", 1, auth), 507, "quota-bytes")
    good(send(server, "PATCH", f"/api/documents/{key}", {"name": "renamed"}, auth))
    good(send(server, "DELETE", f"/api/documents/{key}", auth=auth))
    good(send(server, "POST", f"/api/trash/{key}/restore", auth=auth))


@tap.test
def a_user_that_is_made_again_begins_at_nothing(server):
    name = f"{WORK}-again"
    auth = user(server, name, bytes=100)
    key = good(put(server, f"{WORK}/again", 100, auth))["id"]
    good(send(server, "DELETE", f"/api/users/{name}"))
    auth = user(server, name, bytes=100)
    tap.equal(used(server, auth), (0, 0))
    good(put(server, f"{WORK}/again2", 60, auth))
    for path in (f"/api/documents/{key}", f"/api/trash/{key}"):
        good(send(server, "DELETE", path))
    tap.equal(used(server, auth), (60, 1))


@tap.test
def the_count_is_what_a_recount_gives(server):
    """Many changes by chance, some refused; then the tables are counted anew."""
    if dms_server.is_foreign():
        raise tap.Skip("needs the server's files")
    chance = random.Random(4)
    auths = [user(server, f"{WORK}-r{i}", bytes=400_000, documents=12) for i in range(2)]
    keys = []
    for step in range(120):
        auth = chance.choice(auths)
        what = chance.choice(("put", "put", "put", "version", "copy", "trash", "purge", "restore",
                              "out", "cancel", "append"))
        key = chance.choice(keys) if keys else None
        size = chance.choice((0, 10, 5000, 40_000, 90_000))
        if what == "put":
            answer = put(server, f"{WORK}/r/{step}", size, auth)
            if answer.status == 201:
                keys.append(answer.json["id"])
        elif key and what == "version":
            server.ask(f"/api/documents/{key}/content", "-X", "PUT", "--data-binary", "@-",
                       auth=auth, stdin=b"v" * size)
        elif key and what == "copy":
            send(server, "POST", f"/api/documents/{key}/copy", {"name": f"copy{step}"}, auth)
        elif key and what == "trash":
            send(server, "DELETE", f"/api/documents/{key}", auth=auth)
        elif key and what == "purge":
            send(server, "DELETE", f"/api/trash/{key}", auth=auth)
        elif key and what == "restore":
            send(server, "POST", f"/api/trash/{key}/restore", auth=auth)
        elif key and what == "append":
            server.ask(CMIS, "-F", "cmisaction=appendContent", "-F", f"objectId={key}", "-F",
                       "content=@-;filename=x", auth=auth, stdin=b"a" * size)
        elif key:
            action = "checkOut" if what == "out" else "cancelCheckOut"
            pwc = "" if what == "out" else ".pwc"
            server.ask(CMIS, "-F", f"cmisaction={action}", "-F", f"objectId={key}{pwc}", auth=auth)
    server.stop()
    database = sqlite3.connect(server.directory + "/coffer.db")
    rows = database.execute(
        "SELECT user.name, bytes, documents, coalesce((SELECT sum(size) FROM version WHERE owner "
        "= user.key), 0), (SELECT count(*) FROM node WHERE kind = 2 AND owner = user.key) "
        "FROM user JOIN usage ON usage.user = user.key").fetchall()
    database.close()
    server.start()
    tap.true(len(rows) > 5 and sum(row[1] for row in rows if "-r" in row[0]) > 100_000, rows)
    for row in rows:
        tap.equal(row[1:3], row[3:5], row[0])


@tap.test
def uploads_that_are_not_finished_count_too(server):
    auth = user(server, f"{WORK}-parts", bytes=1000)
    begun = upload(server, f"{WORK}-begun", 600, auth)
    good(begun)
    tap.equal(good(server.ask("/api/me", auth=auth))["quota"]["bytes_unfinished"], 600)
    problem(upload(server, f"{WORK}-more", 600, auth), 507, "quota-bytes")
    problem(put(server, f"{WORK}-direct", 500, auth), 507, "quota-bytes")
    good(put(server, f"{WORK}-direct", 300, auth))
    good(server.ask(begun.headers["location"], "-X", "PATCH", *TUS, "-H", "Upload-Offset: 0", "-H",
                    "Content-Type: application/offset+octet-stream", "--data-binary", "@-",
                    auth=auth, stdin=b"y" * 600))
    tap.equal(used(server, auth)[0], 900)
    second = upload(server, f"{WORK}-second", 100, auth)
    good(second)
    problem(put(server, f"{WORK}-last", 100, auth), 507, "quota-bytes")
    good(server.ask(second.headers["location"], "-X", "DELETE", *TUS, auth=auth))
    good(put(server, f"{WORK}-last", 100, auth))


tap.main(lambda: dms_server.server(PROGRAM))
