#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Archives, bulk actions, favourites, recent, tags and comments, asked with curl:
dms_marks.py COFFER_DMS"""
import io
import json
import os
import sys
import urllib.parse
import zipfile

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"marks-{os.getpid()}"


def problem(answer, status, name):
    tap.equal((answer.status, answer.json["type"]), (status, f"urn:coffer:problem:{name}"),
              repr(answer))


def folder(server, name, parent="root"):
    return server.post("/api/folders", {"name": name, "parent": parent}).json["id"]


def document(server, name, content=b"content", parent="root"):
    path = f"/api/documents?name={urllib.parse.quote(name)}&parent={parent}"
    return server.ask(path, "--data-binary", "@-", "-H", "Content-Type: text/plain",
                      stdin=content).json["id"]


def send(server, method, path, value=None, auth=None):
    body = () if value is None else ("-d", json.dumps(value))
    return server.ask(path, "-X", method, *body, auth=auth)


def ids(answer):
    tap.equal(answer.status, 200, repr(answer))
    return [item["id"] for item in answer.json["items"]]


def other_user(server, name):
    server.post("/api/users", {"name": name, "password": "one-time-secret"})
    send(server, "PUT", "/api/me/password", {"old": "one-time-secret", "new": "another-secret"},
         auth=f"{name}:one-time-secret")
    return f"{name}:another-secret"


@tap.test
def an_archive_holds_what_the_folder_holds(server):
    top = folder(server, f"{WORK}-zip")
    deep = folder(server, "Ünter/ordner".replace("/", " "), top)
    folder(server, "empty", deep)
    contents = {f"{WORK}-zip/small.txt": b"small", f"{WORK}-zip/none": b"",
                f"{WORK}-zip/Ünter ordner/large.bin": dms_server.noise(700_000),
                f"{WORK}-zip/Ünter ordner/世界.txt": b"x" * 32768,
                f"{WORK}-zip/Ünter ordner/a_b": b"a backslash is no folder"}
    for path, content in contents.items():
        name = path.rsplit("/", 1)[1].replace("a_b", "a\\b")
        document(server, name, content, deep if "Ünter" in path else top)
    document(server, "not in it", b"", "root")
    answer = server.ask(f"/api/zip?ids={top}")
    tap.equal((answer.status, answer.headers["content-type"], answer.headers["content-length"]),
              (200, "application/zip", str(len(answer.body))), answer.headers)
    tap.true(f"{WORK}-zip.zip" in answer.headers["content-disposition"], "its name")
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    tap.equal(archive.testzip(), None)
    tap.equal({name: archive.read(name) for name in archive.namelist() if name[-1] != "/"},
              contents)
    tap.equal({name for name in archive.namelist() if name[-1] == "/"},
              {f"{WORK}-zip/", f"{WORK}-zip/Ünter ordner/", f"{WORK}-zip/Ünter ordner/empty/"})
    head = server.ask(f"/api/zip?ids={top}", "-I")
    tap.equal(head.headers["content-length"], str(len(answer.body)))


@tap.test
def an_archive_of_a_selection_or_of_nothing(server):
    keys = [document(server, f"{WORK}-pick-{i}", b"%d" % i) for i in range(3)]
    answer = server.ask(f"/api/zip?ids={keys[0]},{keys[2]}")
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    tap.equal(archive.namelist(), [f"{WORK}-pick-0", f"{WORK}-pick-2"])
    tap.true("documents.zip" in answer.headers["content-disposition"], "its name")
    problem(server.ask("/api/zip"), 400, "bad-ids")
    problem(server.ask("/api/zip?ids="), 400, "bad-ids")
    problem(server.ask("/api/zip?ids=99999999"), 404, "not-found")
    tap.equal(server.ask(f"/api/zip?ids={keys[0]}", auth="").status, 401)


@tap.test
def many_are_changed_at_once_and_each_is_told_of(server):
    place, other = folder(server, f"{WORK}-bulk"), folder(server, f"{WORK}-bulk-to")
    keys = [document(server, f"{WORK}-b{i}", b"x", place) for i in range(4)]

    def bulk(action, which, **more):
        answer = server.post("/api/bulk", {"action": action, "ids": which, **more})
        tap.equal(answer.status, 200, repr(answer))
        return [result["status"] for result in answer.json["results"]]

    tap.equal(bulk("move", keys[:2], parent=other), [200, 200])
    tap.equal(sorted(ids(server.ask(f"/api/folders/{other}/children"))), sorted(keys[:2]))
    tap.equal(bulk("copy", keys[2:] + [place, "x", "999999"], parent=other),
              [200, 200, 422, 404, 404])
    tap.equal(bulk("copy", keys[2:], parent=other), [409, 409])
    tap.equal(bulk("trash", keys), [200] * 4)
    tap.equal(bulk("trash", keys[:1]), [404])
    tap.equal(bulk("restore", keys[:3]), [200] * 3)
    tap.equal(bulk("purge", keys[2:]), [404, 200])
    tap.equal(bulk("tag", keys[:2], tag="Grün"), [200, 200])
    tap.equal(bulk("untag", keys[:1], tag="Grün"), [200])
    tap.equal(ids(server.ask("/api/tags/Gr%C3%BCn")), [keys[1]])
    tap.equal(bulk("favourite", keys[:1]), [200])
    tap.equal(bulk("unfavourite", keys[:1]), [200])
    tap.equal(bulk("trash", ["root"]), [422])
    for wrong in ({"action": "burn", "ids": []}, {"action": "move", "ids": keys}, {"ids": keys},
                  {"action": "trash", "ids": [1]}, {"action": "tag", "ids": keys, "tag": "a,b"},
                  {"action": "trash", "ids": ["1"] * 1001}):
        problem(server.post("/api/bulk", wrong), 422, "bad-bulk")


@tap.test
def favourites_are_ones_own(server):
    keys = [document(server, f"{WORK}-f{i}") for i in range(2)]
    auth = other_user(server, f"{WORK}-fav")
    for key in keys + keys[:1]:
        tap.equal(send(server, "PUT", f"/api/favourites/{key}").status, 204)
    tap.equal(sorted(ids(server.ask("/api/favourites"))), sorted(keys))
    tap.equal(ids(server.ask("/api/favourites", auth=auth)), [])
    tap.equal(server.ask(f"/api/documents/{keys[0]}?marks=1").json["favourite"], True)
    tap.equal(server.ask(f"/api/documents/{keys[0]}?marks=1", auth=auth).json["favourite"], False)
    tap.true("favourite" not in server.ask(f"/api/documents/{keys[0]}").json, "only if asked for")
    server.ask(f"/api/documents/{keys[1]}", "-X", "DELETE")
    tap.equal(ids(server.ask("/api/favourites")), keys[:1])
    tap.equal(send(server, "DELETE", f"/api/favourites/{keys[0]}").status, 204)
    tap.equal(ids(server.ask("/api/favourites")), [])
    server.ask(f"/api/trash/{keys[1]}/restore", "-X", "POST", "-d", "{}")
    tap.equal(ids(server.ask("/api/favourites")), keys[1:])
    server.ask(f"/api/documents/{keys[1]}", "-X", "DELETE")
    server.ask(f"/api/trash/{keys[1]}", "-X", "DELETE")
    tap.equal(ids(server.ask("/api/favourites")), [])
    tap.equal(send(server, "PUT", "/api/favourites/999999").status, 404)


@tap.test
def what_was_opened_last_comes_first(server):
    keys = [document(server, f"{WORK}-r{i}") for i in range(103)]
    for key in keys:
        tap.equal(send(server, "PUT", f"/api/recent/{key}").status, 204)
    send(server, "PUT", f"/api/recent/{keys[50]}")
    items = server.ask("/api/recent").json["items"]
    tap.equal((len(items), items[0]["id"]), (100, keys[50]))
    tap.true(items[0]["opened_ms"] >= items[1]["opened_ms"] > 0, "newest first")


@tap.test
def tags_are_set_listed_and_found(server):
    key = document(server, f"{WORK}-t")
    tag = f"{WORK} täg/1"
    answer = send(server, "PUT", f"/api/nodes/{key}/tags", {"tags": [tag, "b", "b"]})
    tap.equal((answer.status, answer.json["id"]), (200, key))
    tap.equal(sorted(server.ask(f"/api/documents/{key}?marks=1").json["tags"]), sorted([tag, "b"]))
    parent = server.ask("/api/folders/root/children?limit=1000&marks=1").json["items"]
    tap.equal([sorted(item["tags"]) for item in parent if item["id"] == key], [sorted([tag, "b"])])
    tap.true({"tag": tag, "count": 1} in server.ask("/api/tags").json["items"], "is listed")
    tap.equal(ids(server.ask("/api/tags/" + urllib.parse.quote(tag, safe=""))), [key])
    for wrong in (["a,b"], [""], [" a"], ["x" * 65], ["\n"], [1], "a", ["x"] * 33):
        problem(send(server, "PUT", f"/api/nodes/{key}/tags", {"tags": wrong}), 422, "bad-tags")
    send(server, "PUT", f"/api/nodes/{key}/tags", {"tags": []})
    tap.equal(ids(server.ask("/api/tags/" + urllib.parse.quote(tag, safe=""))), [])


@tap.test
def comments_belong_to_who_wrote_them(server):
    key = document(server, f"{WORK}-c")
    auth = other_user(server, f"{WORK}-com")
    path = f"/api/nodes/{key}/comments"
    first = send(server, "POST", path, {"text": "Grüße <b>"}, auth=auth)
    tap.equal((first.status, first.json["text"], first.json["user"]),
              (201, "Grüße <b>", f"{WORK}-com"))
    second = send(server, "POST", path, {"text": "second"}).json
    tap.equal([item["text"] for item in server.ask(path).json["items"]], ["Grüße <b>", "second"])
    place, own = f"/api/comments/{first.json['id']}", f"/api/comments/{second['id']}"
    tap.equal(send(server, "PATCH", place, {"text": "mine"}).status, 403)
    tap.equal(send(server, "PATCH", own, {"text": "x"}, auth=auth).status, 403)
    tap.equal(send(server, "DELETE", own, auth=auth).status, 403)
    edited = send(server, "PATCH", place, {"text": "better"}, auth=auth)
    tap.true(edited.json["text"] == "better" and edited.json["edited_ms"] > 0, repr(edited))
    tap.equal(send(server, "DELETE", place).status, 204)  # an administrator
    for wrong in ({"text": ""}, {"text": "x" * 10001}, {}, {"text": 1}):
        problem(send(server, "POST", path, wrong), 422, "bad-comment")
    server.ask(f"/api/documents/{key}", "-X", "DELETE")
    tap.equal(server.ask(path).status, 404)
    tap.equal(send(server, "PATCH", own, {"text": "x"}).status, 404)


tap.main(lambda: dms_server.server(PROGRAM))
