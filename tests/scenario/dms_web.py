#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the web interface needs of the server, asked with curl: dms_web.py COFFER_DMS

Its files and their headers, sessions in a cookie, resumable uploads, previews that cannot run.
"""
import base64
import gzip
import json
import os
import re
import sys

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"web-{os.getpid()}"
TUS = ("-H", "Tus-Resumable: 1.0.0")
PART = ("-H", "Content-Type: application/offset+octet-stream")
FIRST_LOAD_MAX = 150_000


def problem(answer, status, name):
    tap.equal((answer.status, answer.json["type"]), (status, f"urn:coffer:problem:{name}"),
              repr(answer))


def text64(text):
    return base64.b64encode(text.encode()).decode()


def tus_create(server, length, *more, auth=None, stdin=None, **metadata):
    pairs = ",".join(f"{name} {text64(value)}" for name, value in metadata.items())
    return server.ask("/api/uploads", "-X", "POST", *TUS, "-H", f"Upload-Length: {length}",
                      "-H", f"Upload-Metadata: {pairs}", *more, auth=auth, stdin=stdin)


def tus_part(server, place, offset, content, *more):
    return server.ask(place, "-X", "PATCH", *TUS, *PART, "-H", f"Upload-Offset: {offset}", *more,
                      "--data-binary", "@-", stdin=content)


def tus_offset(server, place):
    answer = server.ask(place, "-I", *TUS)
    tap.equal(answer.status, 200, repr(answer))
    return int(answer.headers["upload-offset"])


@tap.test
def the_pages_are_small_strict_and_kept(server):
    page = server.ask("/", auth="")
    packed = server.ask("/", "-H", "Accept-Encoding: gzip", auth="")
    tap.equal((packed.headers["content-encoding"], gzip.decompress(packed.body)),
              ("gzip", page.body))
    for place in ("/app/files", "/app/document/12", "/app/a/b/c"):
        tap.equal(server.ask(place, auth="").body, page.body, place)
    policy = page.headers["content-security-policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'",
                 "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
        tap.true(rule in policy.split("; "), f"{rule} in {policy}")
    tap.true("unsafe" not in policy and "http" not in policy, policy)
    tap.equal((page.headers["x-content-type-options"], page.headers["referrer-policy"],
               page.headers["cache-control"]), ("nosniff", "no-referrer", "no-cache"))
    etag = page.headers["etag"]
    tap.equal(server.ask("/", "-H", f"If-None-Match: {etag}", auth="").status, 304)
    assets = re.findall(rb'(?:src|href)="(/assets/[^"]+)"', page.body)
    if not assets:
        raise tap.Skip("built without npm")
    total = len(packed.body)
    for name in assets:
        answer = server.ask(name.decode(), "-H", "Accept-Encoding: gzip", auth="")
        tap.equal((answer.status, answer.headers["cache-control"]),
                  (200, "public, max-age=31536000, immutable"), repr(answer))
        plain = server.ask(name.decode(), auth="")
        tap.true(plain.body == gzip.decompress(answer.body), f"{name} unpacked")
        tap.true(not re.search(rb"https?://(?!www\.w3\.org/)[a-z0-9.-]+\.[a-z]{2}", plain.body),
                 f"no other host in {name}")
        total += len(answer.body)
    tap.true(total <= FIRST_LOAD_MAX, f"{total} bytes at first load")
    problem(server.ask("/assets/../index.html", auth=""), 404, "not-found")


@tap.test
def a_session_in_a_cookie_is_for_our_own_page_only(server):
    user, password = server.auth.split(":", 1)
    answer = server.post("/api/sessions", {"user": user, "password": password, "cookie": True},
                         auth="")
    cookie = answer.headers["set-cookie"]
    tap.equal((answer.status, "token" in answer.json), (201, False))
    for word in ("__Host-coffer=", "; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Strict"):
        tap.true(word in cookie, f"{word} in {cookie}")
    mine = ("-H", "Cookie: other=1; " + cookie.split(";")[0])
    ours = ("-H", "X-Requested-With: coffer")
    tap.equal(server.ask("/api/me", *mine, auth="").json["name"], user)
    tap.equal(server.ask("/api/me", "-H", "Cookie: __Host-coffer=x", auth="").status, 401)
    wish = json.dumps({"name": f"{WORK}-cookie"})
    post = ("-X", "POST", "-d", wish, "-H", "Content-Type: application/json")
    problem(server.ask("/api/folders", *mine, *post, auth=""), 403, "foreign-origin")
    for header in ("Origin: https://elsewhere.example", "Sec-Fetch-Site: cross-site",
                   "Sec-Fetch-Site: same-site", "Origin: null"):
        answer = server.ask("/api/folders", *mine, *ours, *post, "-H", header, auth="")
        problem(answer, 403, "foreign-origin")
    tap.equal(server.ask("/api/folders", *mine, *ours, *post, auth="").status, 201)
    refused = server.ask("/api/me", *ours, auth="")
    tap.equal((refused.status, "www-authenticate" in refused.headers), (401, False))
    tap.true("www-authenticate" in server.ask("/api/me", auth="").headers, "a challenge otherwise")
    again = server.post("/api/sessions", {"user": user, "password": password, "cookie": True},
                        *mine, auth="")
    tap.true(again.headers["set-cookie"].split(";")[0] != cookie.split(";")[0],
             "signing in always makes a new session")
    gone = server.ask("/api/sessions/current", "-X", "DELETE", *mine, *ours, auth="")
    tap.equal(gone.status, 204)
    tap.true("Max-Age=0" in gone.headers["set-cookie"], "the browser forgets it")
    tap.equal(server.ask("/api/me", *mine, auth="").status, 401)


@tap.test
def sessions_are_listed_and_ended_one_by_one(server):
    user, password = server.auth.split(":", 1)
    tokens = [server.post("/api/sessions", {"user": user, "password": password}, "-A", agent,
                          auth="").json["token"] for agent in ("Mine/1 (Linux)", "Other/2")]

    def ask(token, path, *more):
        return server.ask(path, "-H", f"Authorization: Bearer {token}", *more, auth="")

    items = ask(tokens[0], "/api/sessions").json["items"]
    tap.true(not any(token in json.dumps(items) for token in tokens), "no token is told")
    mine = [item for item in items if item["current"]]
    tap.equal([item["agent"] for item in mine], ["Mine/1 (Linux)"])
    other = next(item for item in items if item["agent"] == "Other/2")
    tap.true(other["created_ms"] > 0 and other["from"], repr(other))
    stranger = f"{WORK}-stranger"
    server.post("/api/users", {"name": stranger, "password": "one-time-secret"})
    server.ask("/api/me/password", "-X", "PUT", "-d",
               json.dumps({"old": "one-time-secret", "new": "another-secret"}),
               auth=f"{stranger}:one-time-secret")
    tap.equal(server.ask(f"/api/sessions/{other['id']}", "-X", "DELETE",
                         auth=f"{stranger}:another-secret").status, 404)
    tap.equal(ask(tokens[0], f"/api/sessions/{other['id']}", "-X", "DELETE").status, 204)
    tap.equal((ask(tokens[1], "/api/me").status, ask(tokens[0], "/api/me").status), (401, 200))
    tap.equal(ask(tokens[0], "/api/sessions/0000000000000000", "-X", "DELETE").status, 404)


@tap.test
def an_upload_goes_on_where_it_stood(server):
    content = dms_server.noise(3_000_000)
    made = tus_create(server, len(content), filename=f"{WORK}-Grüße.bin")
    tap.equal((made.status, made.headers["tus-resumable"], made.headers["upload-offset"]),
              (201, "1.0.0", "0"), repr(made))
    place = made.headers["location"]
    tap.equal(tus_offset(server, place), 0)
    first = tus_part(server, place, 0, content[:1_000_000])
    tap.equal((first.status, first.headers["upload-offset"]), (204, "1000000"), repr(first))
    # Curl says 2 MB and is cut off after some of them.
    try:
        tus_part(server, place, 1_000_000, content[1_000_000:], "--limit-rate", "800k",
                 "--max-time", "1")
    except (ConnectionError, IndexError):
        pass
    offset = tus_offset(server, place)
    tap.true(1_000_000 <= offset < len(content), f"offset {offset}")
    problem(tus_part(server, place, 0, content), 409, "wrong-offset")
    if offset == 1_000_000:
        problem(tus_part(server, place, offset + 1, b"x"), 409, "wrong-offset")
    last = tus_part(server, place, offset, content[offset:])
    tap.equal((last.status, last.headers["upload-offset"]), (204, str(len(content))), repr(last))
    document = last.headers["content-location"]
    tap.equal(server.ask(document).json["name"], f"{WORK}-Grüße.bin")
    tap.true(server.ask(document + "/content").body == content, "the content is what was sent")
    tap.equal(tus_offset(server, place), len(content))
    tap.equal(tus_part(server, place, len(content), b"").status, 204)
    problem(tus_part(server, place, 0, b"more"), 409, "wrong-offset")


@tap.test
def uploads_of_every_small_size_and_with_the_first_part_at_once(server):
    for size in (0, 1, 32768, 32769):
        content = dms_server.noise(size)
        made = tus_create(server, size, *PART, "--data-binary", "@-", stdin=content,
                          filename=f"{WORK}-at-once-{size}")
        tap.equal((made.status, made.headers["upload-offset"]), (201, str(size)), repr(made))
        answer = server.ask(made.headers["content-location"] + "/content")
        tap.true(answer.body == content, f"{size} bytes")


@tap.test
def an_upload_that_is_given_up_leaves_nothing(server):
    place = tus_create(server, 10, filename=f"{WORK}-never").headers["location"]
    tus_part(server, place, 0, b"12345")
    tap.equal(server.ask(place, "-X", "DELETE", *TUS).status, 204)
    tap.equal(server.ask(place, "-I", *TUS).status, 404)
    tap.equal(server.ask(place, "-X", "DELETE", *TUS).status, 404)
    tap.equal(server.get(f"{WORK}-never").status, 404)


@tap.test
def a_name_that_is_taken_is_settled_as_asked(server):
    name = f"{WORK}-taken.txt"
    key = server.put(name, b"one").json["id"]
    problem(tus_create(server, 3, filename=name), 409, "name-exists")
    for wish, expected in (("version", name), ("rename", f"{WORK}-taken (2).txt"),
                           ("rename", f"{WORK}-taken (3).txt")):
        made = tus_create(server, 3, *PART, "--data-binary", "@-", stdin=b"two", filename=name,
                          conflict=wish)
        node = server.ask(made.headers["content-location"]).json
        tap.equal(node["name"], expected)
        tap.equal(node["id"] == key, wish == "version")
    made = tus_create(server, 5, *PART, "--data-binary", "@-", stdin=b"three", document=key)
    node = server.ask(made.headers["content-location"]).json
    tap.equal((node["id"], node["name"], node["version"]), (key, name, 3))


@tap.test
def what_is_not_tus_is_refused(server):
    problem(server.ask("/api/uploads", "-X", "POST", "-H", "Upload-Length: 1"), 412, "tus-version")
    for length in ("-1", "x", "99999999999999999999", "1 1"):
        problem(tus_create(server, length, filename="x"), 400, "bad-length")
    for header in ("filename !", "", "filename eA==,parent %%", "parent eA=="):
        answer = server.ask("/api/uploads", "-X", "POST", *TUS, "-H", "Upload-Length: 1", "-H",
                            f"Upload-Metadata: {header}")
        problem(answer, 400, "bad-metadata")
    problem(tus_create(server, 1, filename="a/b"), 422, "bad-name-or-place")
    problem(tus_create(server, 1, filename="a", parent="999999"), 404, "not-found")
    problem(tus_create(server, 1, filename="a", conflict="never"), 400, "bad-metadata")
    place = tus_create(server, 5, filename=f"{WORK}-refused").headers["location"]
    answer = server.ask(place, "-X", "PATCH", *TUS, "-H", "Upload-Offset: 0", "-H",
                        "Content-Type: text/plain", "-d", "x")
    problem(answer, 415, "not-a-part")
    tap.equal(tus_part(server, place, 0, b"too many bytes").status, 413)
    tap.equal(server.ask(place, "-I", *TUS).headers["upload-length"], "5")
    server.ask(place, "-X", "DELETE", *TUS)
    options = server.ask("/api/uploads", "-X", "OPTIONS", auth="")
    tap.equal((options.status, options.headers["tus-version"]), (204, "1.0.0"))
    tap.true("termination" in options.headers["tus-extension"], "its extensions")


@tap.test
def nobody_sees_the_upload_of_another(server):
    server.post("/api/users", {"name": f"{WORK}-u", "password": "one-time-secret"})
    server.ask("/api/me/password", "-X", "PUT", "-d",
               json.dumps({"old": "one-time-secret", "new": "another-secret"}),
               auth=f"{WORK}-u:one-time-secret")
    place = tus_create(server, 5, filename=f"{WORK}-mine").headers["location"]
    tap.equal(server.ask(place, "-I", *TUS, auth=f"{WORK}-u:another-secret").status, 404)
    server.ask(place, "-X", "DELETE", *TUS)


@tap.test
def scripts_in_documents_do_not_run(server):
    page = b"<!doctype html><script>alert(1)</script>"
    key = server.ask(f"/api/documents?name={WORK}-x.html", "-H", "Content-Type: text/html",
                     "--data-binary", "@-", stdin=page).json["id"]
    plain = server.ask(f"/api/documents/{key}/content")
    tap.true(plain.headers["content-disposition"].startswith("attachment"), "is not shown")
    view = server.ask(f"/api/documents/{key}/content?view=1")
    for answer in (plain, view):
        rules = answer.headers["content-security-policy"].split("; ")
        tap.true("sandbox" in rules and "default-src 'none'" in rules, rules)
        tap.true("allow-scripts" not in answer.headers["content-security-policy"], "no scripts")
        tap.equal(answer.headers["x-content-type-options"], "nosniff")
    tap.true(view.headers["content-disposition"].startswith("inline"), "a view is shown")
    key = server.ask(f"/api/documents?name={WORK}-x.svg", "-H", "Content-Type: image/svg+xml",
                     "-d", "<svg xmlns='http://www.w3.org/2000/svg'/>").json["id"]
    for path in ("", "?view=1"):
        answer = server.ask(f"/api/documents/{key}/content{path}")
        tap.true(answer.headers["content-disposition"].startswith("attachment"), "svg")


@tap.test
def a_server_says_that_nothing_protects_it_natively(server):
    answer = server.ask("/api/protection")
    tap.equal(server.ask("/api/protection", auth="").status, 401)
    if answer.json["runtime"]:
        evidence = server.ask("/api/protection/evidence?nonce=" + "ab" * 64)
        tap.true(bytes.fromhex("ab" * 64) in evidence.body, "the nonce is in the evidence")
    else:
        problem(server.ask("/api/protection/evidence"), 404, "not-protected")
    problem(server.ask("/api/protection/evidence?nonce=abc"), 422, "bad-nonce")


def kept_over_a_restart():
    @tap.test
    def an_unfinished_upload_outlives_the_server(server):
        if dms_server.is_foreign():
            raise tap.Skip("needs a server of its own")
        content = dms_server.noise(200_000)
        place = tus_create(server, len(content), filename="kept.bin").headers["location"]
        tap.equal(tus_part(server, place, 0, content[:100_000]).status, 204)
        server.kill()
        server.start()
        tap.equal(tus_offset(server, place), 100_000)
        last = tus_part(server, place, 100_000, content[100_000:])
        tap.true(server.ask(last.headers["content-location"] + "/content").body == content, "all")


kept_over_a_restart()
tap.main(lambda: dms_server.server(PROGRAM))
