#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What hostile clients and hostile contents try against the document server: dms_security.py
COFFER_DMS. Cookies, forms of other sites and previews are in dms_web.py, limits on sign-ins in
dms_rest.py."""
import io
import json
import os
import sys
import time
import urllib.parse
import zipfile

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"security-{os.getpid()}"


def own(server):
    if dms_server.is_foreign():
        raise tap.Skip("needs a server of its own")
    return server.pid()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def peak_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def user(server, name):
    server.post("/api/users", {"name": name, "password": "one-time-secret"})
    server.ask("/api/me/password", "-X", "PUT", "-d",
               json.dumps({"old": "one-time-secret", "new": "another-secret"}),
               auth=f"{name}:one-time-secret")
    return f"{name}:another-secret"


@tap.test
def a_sign_in_does_not_tell_who_exists(server):
    pid = own(server)
    spent, answers = {"known": 0, "unknown": 0}, set()
    names = {"known": [f"{WORK}-k{i}" for i in range(4)],
             "unknown": [f"{WORK}-u{i}" for i in range(4)]}
    for name in names["known"]:
        user(server, name)
    for i in range(4):
        for kind in spent:
            before = cpu_ticks(pid)
            answer = server.post("/api/sessions", {"user": names[kind][i], "password": "not this"},
                                 auth="")
            spent[kind] += cpu_ticks(pid) - before
            answers.add((answer.status, answer.body))
    tap.equal(len(answers), 1, answers)
    low, high = sorted(spent.values())
    tap.true(low > 0 and high <= 2 * low + 4, f"work done for either: {spent}")


@tap.test
def a_session_is_never_taken_from_the_client(server):
    name, password = server.auth.split(":", 1)
    planted = "A" * 43
    answer = server.post("/api/sessions", {"user": name, "password": password, "cookie": True},
                         "-H", f"Cookie: __Host-coffer={planted}", auth="")
    tap.true(planted not in answer.headers["set-cookie"], "a new one is made")
    tap.equal(server.ask("/api/me", "-H", f"Cookie: __Host-coffer={planted}", auth="").status, 401)
    tap.equal(server.ask("/api/me", "-H", f"Authorization: Bearer {planted}", auth="").status, 401)


@tap.test
def pages_of_other_sites_change_nothing(server):
    for headers in (["Origin: https://evil.example"], ["Origin: null"],
                    ["Sec-Fetch-Site: cross-site"]):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json",
                     "multipart/form-data; boundary=x"):
            options = [part for header in headers for part in ("-H", header)]
            answer = server.ask("/api/folders", "-X", "POST", *options, "-H",
                                f"Content-Type: {kind}", "-d", '{"name":"csrf"}')
            tap.equal(answer.status, 403, f"{headers} {kind}")
    for path in ("/api/documents/1", "/api/trash", "/api/users/admin"):
        tap.equal(server.ask(path, "-X", "DELETE", "-H", "Sec-Fetch-Site: cross-site").status, 403)
    answer = server.ask("/api/me", "-H", "Origin: https://evil.example")
    tap.true("access-control-allow-origin" not in answer.headers, "nothing is shared with origins")


@tap.test
def an_archive_that_would_grow_is_kept_as_it_is(server):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for i in range(4):
            archive.writestr(f"zeros-{i}", bytes(64 << 20))
    before = None if dms_server.is_foreign() else peak_kib(server.pid())
    for name in ("bomb.zip", "bomb.docx", "bomb.xlsx"):
        key = server.put(f"{WORK}/{name}", bomb.getvalue()).json["id"]
        answer = server.ask(f"/api/documents/{key}/content")
        tap.true(answer.body == bomb.getvalue(), f"{name} as it was sent")
    tap.equal(server.ask("/api/search?q=zeros").status, 200)
    if before is not None:
        grown = peak_kib(server.pid()) - before
        tap.true(grown < 64 << 10, f"{grown} KiB more memory for 256 MiB of zeros")


@tap.test
def names_cannot_leave_their_header_or_folder(server):
    for name in ("a\r\nX-Injected: 1", "a\nb", "\x01", "..", ".", "", "a/b", "\x7f"):
        path = "/api/documents?name=" + urllib.parse.quote(name, safe="")
        tap.equal(server.ask(path, "-d", "x").status, 422, repr(name))
    wild = f'{WORK} "; filename=evil.html; x="\\%0d%0aX-Injected: 1 <script>'
    key = server.ask("/api/documents?name=" + urllib.parse.quote(wild, safe=""), "-d", "x")
    tap.equal(key.status, 201, repr(key))
    answer = server.ask(f"/api/documents/{key.json['id']}/content")
    tap.true("x-injected" not in answer.headers, "no header of its own")
    tap.equal(answer.headers["content-disposition"].count('"'), 2, "quotes around the name only")
    for path in ("/api/files/../../etc/passwd", "/api/files/%2e%2e/%2e%2e/etc/passwd",
                 "/api/files/a%2f..%2f..%2fetc", "/assets/../../etc/passwd",
                 "/assets/%2e%2e/index.html", "/api/files/%00", "/api/files/%c0%ae%c0%ae/x"):
        answer = server.ask(path)
        tap.true(answer.status in (400, 404, 422) and b"root:" not in answer.body,
                 f"{path}: {answer}")


@tap.test
def names_of_every_script_come_back_as_they_went(server):
    names = ["\u00c4.txt", "A\u0308.txt", "\ufb01.txt", "日本語.txt", "مستند.txt", "עברית.txt",
             "\U0001f468\u200d\U0001f469\u200d\U0001f467.txt", "a\u202egnp.exe", "ＦＵＬＬ.txt", "ß.txt",
             "\u0130.txt", "\u200b.txt", "-rf", "~", "CON", "a b", "x" * 251 + ".txt", "%41.txt",
             "+.txt", "&amp;.txt", "'; DROP TABLE node; --"]
    place = server.post("/api/folders", {"name": f"{WORK}-names"}).json["id"]
    for name in names:
        path = f"/api/documents?parent={place}&name={urllib.parse.quote(name, safe='')}"
        answer = server.ask(path, "--data-binary", name.encode())
        tap.equal((answer.status, answer.json.get("name")), (201, name), repr(answer))
    items = server.ask(f"/api/folders/{place}/children").json["items"]
    tap.equal(sorted(item["name"] for item in items), sorted(names))


@tap.test
def what_one_may_not_see_is_not_there(server):
    ada = user(server, f"{WORK}-ada")
    place = server.post("/api/folders", {"name": f"{WORK}-private"}).json["id"]
    key = server.ask(f"/api/documents?name=hidden.txt&parent={place}", "-d", "secret").json["id"]
    comment = server.post(f"/api/nodes/{key}/comments", {"text": "private"}).json["id"]
    server.ask(f"/api/nodes/{key}/tags", "-X", "PUT", "-d", json.dumps({"tags": [f"{WORK}-tag"]}))
    link = server.post(f"/api/documents/{key}/shares",
                       {"expires_ms": int(time.time() + 600) * 1000}, auth=ada).json["path"]
    tap.equal(server.ask(f"{link}/content", auth="").status, 200, "ada may see it, so her link gives it")
    form = urllib.parse.urlencode({"cmisaction": "applyACL", "objectId": place,
                                   "removeACEPrincipal[0]": "anyone",
                                   "removeACEPermission[0][0]": "cmis:all",
                                   "addACEPrincipal[0]": "admin",
                                   "addACEPermission[0][0]": "cmis:all"})
    changed = server.ask("/cmis/browser/coffer/root", "-d", form)
    tap.equal(changed.status, 200, repr(changed))

    def gone(method, path, body=None):
        more = () if body is None else ("-d", json.dumps(body))
        answer = server.ask(path, "-X", method, *more, auth=ada)
        tap.equal(answer.status, 404, f"{method} {path}: {answer}")

    for node in (key, place):
        gone("GET", f"/api/zip?ids={node}")
        gone("PUT", f"/api/favourites/{node}")
        gone("PUT", f"/api/recent/{node}")
        gone("PUT", f"/api/nodes/{node}/tags", {"tags": []})
        gone("GET", f"/api/nodes/{node}/comments")
        gone("POST", f"/api/nodes/{node}/comments", {"text": "x"})
    tap.equal(server.ask(f"{link}/content", auth="").status, 404, "a link reads what its maker may")
    for method in ("GET", "DELETE", "LOCK", "PROPPATCH", "MOVE"):
        answer = server.ask(f"/dav/{WORK}-private/hidden.txt", "-X", method, "-H",
                            f"Destination: {server.url}/dav/{WORK}-taken", auth=ada)
        tap.equal(answer.status, 404, f"{method} over WebDAV: {answer}")
    listed = server.ask("/dav/", "-X", "PROPFIND", "-H", "Depth: 1", auth=ada)
    tap.true(listed.status == 207 and f"{WORK}-private".encode() not in listed.body, "nor listed")
    tap.true(f"{WORK}-private".encode() in
             server.ask("/dav/", "-X", "PROPFIND", "-H", "Depth: 1").body, "it is there")
    gone("DELETE", f"/api/comments/{comment}")
    gone("GET", f"/api/documents/{key}")
    tap.equal(server.ask(f"/api/tags/{WORK}-tag", auth=ada).json["items"], [])
    tags = [item["tag"] for item in server.ask("/api/tags", auth=ada).json["items"]]
    tap.true(f"{WORK}-tag" not in tags, "nor is its tag")
    whole = server.ask("/api/zip?ids=root", auth=ada)
    tap.true(b"hidden.txt" not in whole.body and b"secret" not in whole.body, "nor in an archive")
    for action in ("trash", "copy", "favourite", "move"):
        answer = server.post("/api/bulk", {"action": action, "ids": [key, place],
                                           "parent": "root"}, auth=ada)
        tap.equal([one["status"] for one in answer.json["results"]], [404, 404], action)
    shown = server.ask(f"/api/documents?name={WORK}-shown.txt", "-d", "x").json["id"]
    form = urllib.parse.urlencode({"cmisaction": "applyACL", "objectId": shown,
                                   "removeACEPrincipal[0]": "anyone",
                                   "removeACEPermission[0][0]": "cmis:all",
                                   "addACEPrincipal[0]": ada.split(":")[0],
                                   "addACEPermission[0][0]": "cmis:read"})
    tap.equal(server.ask("/cmis/browser/coffer/root", "-d", form).status, 200)
    for action, status in (("favourite", 200), ("tag", 403), ("trash", 403)):
        answer = server.post("/api/bulk", {"action": action, "ids": [shown], "tag": "x"}, auth=ada)
        tap.equal([one["status"] for one in answer.json["results"]], [status], action)
    meta = ",".join(f"{k} {__import__('base64').b64encode(v.encode()).decode()}"
                    for k, v in (("filename", "x"), ("parent", place)))
    answer = server.ask("/api/uploads", "-X", "POST", "-H", "Tus-Resumable: 1.0.0", "-H",
                        "Upload-Length: 1", "-H", f"Upload-Metadata: {meta}", auth=ada)
    tap.true(answer.status in (403, 404), repr(answer))


tap.main(lambda: dms_server.server(PROGRAM))
