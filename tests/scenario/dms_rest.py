#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The document server's whole REST and SOAP surface, with curl: dms_rest.py COFFER_DMS"""
import base64
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
HOOKS = "http://127.0.0.1:9/"  # where nobody listens
WORK = f"rest-{os.getpid()}"  # all that a foreign server sees of us


def problem(answer, status, name):
    tap.equal(answer.status, status, f"status of {answer}")
    tap.equal(answer.headers["content-type"], "application/problem+json")
    tap.equal(answer.json["type"], f"urn:coffer:problem:{name}")
    tap.equal(answer.json["status"], status)


def made(answer, status=201):
    tap.equal(answer.status, status, f"status of {answer}")
    return answer.json


def folder(server, name):
    return made(server.post("/api/folders", {"name": f"{WORK}-{name}"}))["id"]


def document(server, name, content=b"content", parent="root"):
    return made(server.ask(f"/api/documents?name={name}&parent={parent}", "--data-binary", "@-",
                           "-H", "Content-Type: text/plain", stdin=content))


@tap.test
def documents_of_every_kind_and_size_come_back_as_they_went(server):
    documents = {"hello.pdf": dms_server.pdf(), "hello.docx": dms_server.docx(),
                 "noise.png": dms_server.png(), "empty.txt": b"", "one.txt": b"x",
                 "text.txt": "Grüße, 世界\n".encode() * 1000}
    for size in (4096, 32767, 32768, 32769, 65536, 1 << 20, 3_000_001):
        documents[f"{size}.bin"] = dms_server.noise(size)
    for name, content in documents.items():
        answer = server.put(f"{WORK}/kinds/{name}", content)
        tap.equal(made(answer)["size"], len(content))
        back = server.get(f"{WORK}/kinds/{name}")
        tap.equal((back.status, len(back.body)), (200, len(content)), name)
        tap.true(back.body == content, f"{name} is what was sent")
        tap.equal(back.headers["content-length"], str(len(content)))
        head = server.get(f"{WORK}/kinds/{name}", "-I")
        tap.equal((head.status, head.headers["content-length"], head.headers["etag"]),
                  (200, str(len(content)), back.headers["etag"]))
    kinds = {item["name"]: item for item in server.get(f"{WORK}/kinds").json["items"]}
    tap.equal(sorted(kinds), sorted(documents))
    tap.equal(kinds["hello.pdf"]["type"], "application/pdf")
    tap.equal(kinds["noise.png"]["type"], "image/png")


@tap.test
def an_upload_of_unknown_size_and_a_form_are_taken(server):
    content = dms_server.noise(200_000)
    answer = server.ask(f"/api/files/{WORK}/chunked.bin", "-T", "-", stdin=content)
    tap.equal(made(answer)["size"], len(content))
    tap.true(server.get(f"{WORK}/chunked.bin").body == content, "content")
    place = folder(server, "form")
    answer = server.ask("/api/documents", "-F", f"parent={place}", "-F",
                        "file=@-;filename=Ümläut \"x\".txt;type=text/plain", stdin=content)
    tap.equal(made(answer)["name"], 'Ümläut "x".txt')
    tap.equal(answer.json["parent"], place)
    tap.equal(answer.headers["location"], f"/api/documents/{answer.json['id']}")
    back = server.ask(answer.headers["location"] + "/content")
    tap.true(back.body == content, "content")
    tap.true("filename*=UTF-8''%C3%9Cml%C3%A4ut%20%22x%22.txt" in
             back.headers["content-disposition"], back.headers["content-disposition"])
    problem(server.ask("/api/documents", "-F", "name=x"), 422, "no-file")
    answer = server.ask("/api/documents", "-H", "Content-Type: multipart/form-data; boundary=x",
                        "-d", "--x\r\nno end")
    problem(answer, 400, "malformed")


@tap.test
def ranges_and_conditions(server):
    content = dms_server.noise(100_000)
    key = document(server, f"{WORK}-range", content)["id"]
    path = f"/api/documents/{key}/content"
    for span, start, end in (("0-0", 0, 1), ("5-9", 5, 10), ("99990-", 99990, 100000),
                             ("-7", 99993, 100000), ("50000-999999", 50000, 100000)):
        part = server.ask(path, "-r", span)
        tap.equal(part.status, 206)
        tap.true(part.body == content[start:end], f"range {span}")
        tap.equal(part.headers["content-range"], f"bytes {start}-{end - 1}/100000")
    tap.equal(server.ask(path, "-r", "0-1,5-6").status, 200)
    answer = server.ask(path, "-r", "100000-")
    problem(answer, 416, "bad-range")
    tap.equal(answer.headers["content-range"], "bytes */100000")
    whole = server.ask(path)
    etag, date = whole.headers["etag"], whole.headers["last-modified"]
    tap.equal(server.ask(path, "-H", f"If-None-Match: {etag}").status, 304)
    tap.equal(server.ask(path, "-H", f'If-None-Match: "x", W/{etag}').status, 304)
    tap.equal(server.ask(path, "-H", 'If-None-Match: "x"').status, 200)
    tap.equal(server.ask(path, "-H", f"If-Modified-Since: {date}").status, 304)
    tap.equal(server.ask(path, "-H", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT").status,
              200)
    problem(server.ask(path, "-H", 'If-Match: "x"'), 412, "changed")
    tap.equal(server.ask(path, "-r", "0-1", "-H", f"If-Range: {etag}").status, 206)
    tap.equal(server.ask(path, "-r", "0-1", "-H", 'If-Range: "x"').status, 200)
    newer = server.ask(path, "-X", "PUT", "-H", f"If-Match: {etag}", "--data-binary", "new")
    tap.equal(made(newer, 200)["version"], 2)
    problem(server.ask(path, "-X", "PUT", "-H", f"If-Match: {etag}", "--data-binary", "late"),
            412, "changed")
    tap.equal(server.ask(path).body, b"new")
    tap.true(server.ask(path).headers["etag"] != etag, "the tag changes with the content")


@tap.test
def versions_are_listed_read_and_restored(server):
    key = document(server, f"{WORK}-versions", b"one")["id"]
    path = f"/api/documents/{key}"
    for text in ("two", "three"):
        made(server.ask(path + "/content", "-X", "PUT", "--data-binary", text), 200)
    items = server.ask(path + "/versions").json["items"]
    tap.equal([(item["version"], item["size"]) for item in items], [(3, 5), (2, 3), (1, 3)])
    page = server.ask(path + "/versions?limit=2").json
    tap.equal([item["version"] for item in page["items"]], [3, 2])
    rest = server.ask(f"{path}/versions?limit=2&cursor={page['next']}").json
    tap.equal(([item["version"] for item in rest["items"]], rest["next"]), ([1], None))
    tap.equal(server.ask(path + "/versions/1/content").body, b"one")
    tap.equal(server.ask(path + "/versions/2").json["size"], 3)
    tap.equal(made(server.ask(path + "/versions/1/restore", "-X", "POST"), 200)["version"], 4)
    tap.equal(server.ask(path + "/content").body, b"one")
    problem(server.ask(path + "/versions/9"), 404, "not-found")


@tap.test
def rename_move_copy_and_properties(server):
    first, second = folder(server, "first"), folder(server, "second")
    key = document(server, "a.txt", b"text", first)["id"]
    path = f"/api/documents/{key}"
    patch = ("-X", "PATCH", "-d")
    moved = made(server.ask(path, *patch, json.dumps({"name": "b.txt", "parent": second})), 200)
    tap.equal((moved["name"], moved["parent"]), ("b.txt", second))
    properties = {"customer": "Acme \"&<>\"", "Jahr": "2024 ü"}
    changed = made(server.ask(path, *patch, json.dumps({"properties": properties})), 200)
    tap.equal(changed["properties"], properties)
    copy = made(server.post(path + "/copy", {"parent": first, "name": "c.txt"}))
    tap.equal((copy["name"], copy["parent"], copy["properties"]), ("c.txt", first, properties))
    made(server.ask(path + "/content", "-X", "PUT", "--data-binary", "changed"), 200)
    tap.equal(server.ask(f"/api/documents/{copy['id']}/content").body, b"text")
    document(server, "taken", b"", second)
    problem(server.ask(path, *patch, '{"name":"taken"}'), 409, "name-exists")
    for bad in ("", ".", "..", "a/b", "a\nb", "x" * 256):
        answer = server.ask(path, *patch, json.dumps({"name": bad}))
        problem(answer, 422, "bad-name-or-place")
    problem(server.ask(path, *patch, '{"nam":"x"}'), 422, "unknown-member")
    problem(server.ask(path, *patch, '{"properties":{"a":1}}'), 422, "bad-properties")
    problem(server.ask(path, *patch, '{"name"'), 400, "bad-json")
    problem(server.ask(path, *patch, '[]'), 400, "bad-json")
    problem(server.ask(path, *patch, '{}', "-H", "Content-Type: text/html"), 415, "not-json")
    problem(server.ask(path, *patch, '{"parent":"999999"}'), 404, "not-found")
    answer = server.ask(f"/api/folders/{first}", *patch, json.dumps({"parent": first}))
    problem(answer, 422, "bad-name-or-place")
    inner = made(server.post("/api/folders", {"name": "inner", "parent": first}))["id"]
    answer = server.ask(f"/api/folders/{first}", *patch, json.dumps({"parent": inner}))
    problem(answer, 422, "bad-name-or-place")
    tag = server.ask(path).headers["etag"]
    problem(server.ask(path, *patch, '{"name":"late"}', "-H", 'If-Match: "n1-1"'), 412, "changed")
    tap.equal(server.ask(path, *patch, '{"name":"in time"}', "-H", f"If-Match: {tag}").status, 200)


@tap.test
def lists_page_in_a_stable_order(server):
    place = folder(server, "pages")
    names = [f"{n:03}.txt" for n in range(25)]
    for name in names:
        document(server, name, b"", place)
    seen, cursor = [], ""
    for turn in range(10):
        page = server.ask(f"/api/folders/{place}/children?limit=7&cursor={cursor}").json
        seen += [item["name"] for item in page["items"]]
        document(server, f"000-{turn}.txt", b"", place)  # before the place we are at
        cursor = page["next"]
        if cursor is None:
            break
    tap.equal(seen, names)
    problem(server.ask(f"/api/folders/{place}/children?limit=0"), 400, "bad-limit")
    problem(server.ask(f"/api/folders/{place}/children?limit=1001"), 400, "bad-limit")


@tap.test
def search_finds_words_prefixes_and_properties(server):
    place = folder(server, "search")
    word = f"zebra{os.getpid()}"
    first = document(server, f"{word}-report_2024.txt", b"", place)["id"]
    second = document(server, f"other{os.getpid()}.txt", b"", place)["id"]
    server.ask(f"/api/documents/{second}", "-X", "PATCH", "-d",
               json.dumps({"properties": {"note": f"{word} inside", "exact": word}}))

    def found(query):
        return [item["id"] for item in server.ask("/api/search?" + query).json["items"]]
    tap.equal(found(f"q={word}"), [second, first])
    tap.equal(found(f"q={word[:-1]}"), [second, first])
    tap.equal(found(f"q={word.upper()}+report"), [first])
    tap.equal(found(f"q={word}+nowhere"), [])
    tap.equal(found(f"property=exact&value={word}"), [second])
    tap.equal(found(f"property=exact&value={word}x"), [])
    tap.equal(found(f"q={word}&property=exact&value={word}"), [second])
    tap.equal(found('q=%22%29+OR+name:*'), [])
    short = document(server, f"Qx{os.getpid()}-7.txt", b"", place)["id"]
    for beginning in ("q", "qx", f"qx{os.getpid()}"): # a single letter or digit is a word
        tap.equal(short in found(f"q={beginning}"), len(beginning) > 1, beginning)
    tap.equal(found(f"q=qx{os.getpid()}+7"), [short])
    page = server.ask(f"/api/search?q={word}&limit=1").json
    tap.equal([page["items"][0]["id"], page["next"]], [second, second])
    tap.equal(found(f"q={word}&limit=1&cursor={page['next']}"), [first])
    problem(server.ask("/api/search"), 400, "bad-search")
    server.ask(f"/api/documents/{first}", "-X", "DELETE")
    tap.equal(found(f"q={word}"), [second])
    server.ask(f"/api/documents/{second}", "-X", "PATCH", "-d", '{"properties":{}}')
    tap.equal(found(f"q={word}"), [])


@tap.test
def deleted_things_wait_in_the_trash(server):
    place = folder(server, "trash")
    key = document(server, "a.txt", b"text", place)["id"]
    inner = made(server.post("/api/folders", {"name": "inner", "parent": place}))["id"]
    deep = document(server, "deep.txt", b"deep", inner)["id"]
    tap.equal(server.ask(f"/api/documents/{key}", "-X", "DELETE").status, 204)
    problem(server.ask(f"/api/documents/{key}"), 404, "not-found")
    tap.true(key in [item["id"] for item in server.ask("/api/trash").json["items"]], "in the trash")
    document(server, "a.txt", b"another", place)
    problem(server.ask(f"/api/trash/{key}/restore", "-X", "POST"), 409, "name-exists")
    tap.equal(made(server.post(f"/api/trash/{key}/restore", {"parent": inner}), 200)["parent"],
              inner)
    tap.equal(server.ask(f"/api/folders/{place}", "-X", "DELETE").status, 204)
    for gone in (f"/api/folders/{inner}", f"/api/documents/{deep}/content"):
        problem(server.ask(gone), 404, "not-found")
    problem(server.ask(f"/api/trash/{deep}/restore", "-X", "POST"), 404, "not-found")
    made(server.ask(f"/api/trash/{place}/restore", "-X", "POST"), 200)
    tap.equal(server.ask(f"/api/documents/{deep}/content").body, b"deep")
    server.ask(f"/api/folders/{place}", "-X", "DELETE")
    tap.equal(server.ask(f"/api/trash/{place}", "-X", "DELETE").status, 204)
    problem(server.ask(f"/api/trash/{place}/restore", "-X", "POST"), 404, "not-found")
    problem(server.ask("/api/folders/root", "-X", "DELETE"), 409, "root")
    while server.ask("/api/trash", "-X", "DELETE").status == 202:
        pass
    tap.equal(server.ask("/api/trash").json["items"], [])


@tap.test
def paths_are_read_as_they_are_written(server):
    made(server.put(f"{WORK}/paths/a%20b%2Bc/%C3%A4.txt", b"x"))
    tap.equal(server.get(f"{WORK}/paths/a%20b+c/%C3%A4.txt").body, b"x")
    for bad in (f"{WORK}/a%2Fb", f"{WORK}/../b", f"{WORK}//b", f"{WORK}/%00", f"{WORK}/%ff"):
        tap.true(server.put(bad, b"x").status in (400, 404, 422), bad)
    tap.equal(server.put(f"{WORK}/paths", b"x").status, 409)
    tap.equal(server.get(f"{WORK}/nowhere").status, 404)
    tap.equal(server.put(f"{WORK}/paths/a%20b+c/%C3%A4.txt", b"y").status, 200)
    tap.equal(server.ask(f"/api/files/{WORK}/paths/a%20b+c/%C3%A4.txt", "-X", "DELETE").status, 204)


@tap.test
def scripts_in_documents_stay_dead(server):
    script = b"<html><script>alert(1)</script>"
    for name, kind in (("x.html", "text/html"), ("x.svg", "image/svg+xml"),
                       ("x.xml", "application/xml")):
        made(server.ask(f"/api/files/{WORK}/scripts/{name}", "-X", "PUT", "-H",
                        f"Content-Type: {kind}", "--data-binary", "@-", stdin=script))
        headers = server.get(f"{WORK}/scripts/{name}").headers
        tap.true(headers["content-disposition"].startswith("attachment"), name)
        tap.true("sandbox" in headers["content-security-policy"], name)
        tap.equal(headers["x-content-type-options"], "nosniff")
    made(server.ask(f"/api/files/{WORK}/scripts/bad", "-X", "PUT", "-H",
                    "Content-Type: <script>", "--data-binary", "x"))
    tap.equal(server.get(f"{WORK}/scripts/bad").headers["content-type"],
              "application/octet-stream")


@tap.test
def users_roles_sessions_and_one_time_passwords(server):
    name, secret, own = f"grace{os.getpid()}", "one-time-secret", "a password of her own"
    made(server.post("/api/users", {"name": name, "password": secret}))
    problem(server.post("/api/users", {"name": name, "password": secret}), 409, "name-exists")
    problem(server.post("/api/users", {"name": name + "2", "password": "short"}), 422,
            "bad-password")
    problem(server.post("/api/users", {"name": "a b", "password": secret}), 422, "bad-user-name")
    her = f"{name}:{secret}"
    problem(server.ask("/api/folders/root", auth=her), 403, "password-change-required")
    tap.equal(server.ask("/api/me", auth=her).json["password_change_required"], True)
    answer = server.ask("/api/me/password", "-X", "PUT", "-d",
                        json.dumps({"old": secret, "new": own}), auth=her)
    tap.equal(answer.status, 204)
    tap.equal(server.ask("/api/me", auth=her).status, 401)
    her = f"{name}:{own}"
    tap.equal(server.ask("/api/folders/root", auth=her).status, 200)
    problem(server.ask("/api/users", auth=her), 403, "admins-only")
    session = made(server.post("/api/sessions", {"user": name, "password": own}, auth=""))
    bearer = ("-H", f"Authorization: Bearer {session['token']}")
    tap.equal(server.ask("/api/me", *bearer, auth="").json["name"], name)
    tap.equal(server.ask("/api/me", "-H", "Authorization: Bearer nonsense", auth="").status, 401)
    tap.equal(server.ask("/api/sessions/current", "-X", "DELETE", *bearer, auth="").status, 204)
    answer = server.ask("/api/me", *bearer, auth="")
    problem(answer, 401, "not-signed-in")
    tap.true(answer.headers["www-authenticate"].startswith("Basic"), "asks for Basic")
    session = made(server.post("/api/sessions", {"user": name, "password": own}, auth=""))
    bearer = ("-H", f"Authorization: Bearer {session['token']}")
    made(server.ask(f"/api/users/{name}", "-X", "PATCH", "-d",
                    json.dumps({"role": "admin", "password": secret})), 200)
    tap.equal(server.ask("/api/me", *bearer, auth="").status, 401)
    tap.equal(server.ask("/api/me", auth=her).status, 401)
    tap.true(name in [user["name"] for user in server.ask("/api/users").json["items"]], "listed")
    tap.equal(server.ask(f"/api/users/{name}", "-X", "DELETE").status, 204)
    problem(server.ask(f"/api/users/{name}"), 404, "not-found")
    me = server.auth.split(":")[0]
    problem(server.ask(f"/api/users/{me}", "-X", "PATCH", "-d", '{"role":"user"}'), 409,
            "last-admin")
    problem(server.ask(f"/api/users/{me}", "-X", "DELETE"), 409, "last-admin")


@tap.test
def requests_from_pages_of_other_sites_change_nothing(server):
    for header in ("Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"):
        answer = server.post("/api/folders", {"name": WORK + "-foreign"}, "-H", header)
        problem(answer, 403, "foreign-origin")
    answer = server.post("/api/folders", {"name": WORK + "-own"}, "-H", "Origin: " + server.url)
    tap.equal(answer.status, 201)


def soap(server, body, *options, header="", auth=None):
    envelope = ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
                'xmlns:m="http://docs.oasis-open.org/ns/cmis/messaging/200908/" '
                'xmlns:c="http://docs.oasis-open.org/ns/cmis/core/200908/">'
                f'{header}<s:Body>{body}</s:Body></s:Envelope>')
    return envelope.encode(), lambda kind, data: server.ask(
        "/cmis/services/ObjectService", "-H", f"Content-Type: {kind}", "--data-binary", "@-",
        *options, auth=auth, stdin=data)


def create_body(name, stream):
    return ('<m:createDocument><m:repositoryId>coffer</m:repositoryId><m:properties>'
            '<c:propertyId propertyDefinitionId="cmis:objectTypeId"><c:value>cmis:document'
            '</c:value></c:propertyId><c:propertyString propertyDefinitionId="cmis:name"><c:value>'
            f'{name}</c:value></c:propertyString></m:properties><m:folderId>1</m:folderId>'
            '<m:contentStream><m:mimeType>application/pdf</m:mimeType><m:stream>'
            f'{stream}</m:stream></m:contentStream></m:createDocument>')


INCLUDE = '<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:c@x"/>'


def mtom(envelope, content):
    return (b"--B\r\nContent-Type: application/xop+xml\r\nContent-ID: <r>\r\n\r\n" + envelope +
            b"\r\n--B\r\nContent-Type: application/pdf\r\nContent-ID: <c@x>\r\n\r\n" + content +
            b"\r\n--B--\r\n")


MTOM = 'multipart/related; boundary="B"; type="application/xop+xml"; start="<r>"'


def security(auth):
    user, _, secret = auth.partition(":")
    return ('<s:Header><w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/'
            'oasis-200401-wss-wssecurity-secext-1.0.xsd"><w:UsernameToken><w:Username>'
            f'{user}</w:Username><w:Password>{secret}</w:Password></w:UsernameToken>'
            '</w:Security></s:Header>')


def soap_document(answer):
    tap.equal(answer.status, 200, f"status of {answer}")
    return re.search(rb"objectId>([^<]+)<", answer.body).group(1).decode()


@tap.test
def soap_stores_and_gets_documents_inline_and_by_mtom(server):
    for size in (0, 1, 5000, 300_000):
        content = dms_server.noise(size)
        envelope, send = soap(server, create_body(f"{WORK}-mtom{size}", INCLUDE))
        key = soap_document(send(MTOM, mtom(envelope, content)))
        tap.true(server.get(f"{WORK}-mtom{size}").body == content, "content by REST")
        envelope, send = soap(server, create_body(f"{WORK}-inline{size}",
                                                  base64.encodebytes(content).decode()))
        other = soap_document(send("text/xml", envelope))
        tap.true(other != key and server.get(f"{WORK}-inline{size}").body == content, "inline")
        envelope, send = soap(server, '<m:getContentStream><m:repositoryId>coffer'
                              f'</m:repositoryId><m:objectId>{key}</m:objectId>'
                              '</m:getContentStream>')
        answer = send("text/xml", envelope)
        tap.equal(answer.status, 200)
        boundary = re.search('boundary="([^"]+)"', answer.headers["content-type"]).group(1)
        parts = answer.body.split(b"--" + boundary.encode())
        tap.equal(len(parts), 4)
        root = xml.fromstring(parts[1].split(b"\r\n\r\n", 1)[1])
        tap.true("getContentStreamResponse" in xml.tostring(root).decode(), "the envelope")
        tap.true(parts[2].split(b"\r\n\r\n", 1)[1][:-2] == content, "content by SOAP")


@tap.test
def soap_signs_in_by_header_and_refuses_what_is_bad(server):
    content = dms_server.noise(100_000)
    envelope, send = soap(server, create_body(f"{WORK}-wsse", INCLUDE),
                          header=security(server.auth), auth="")
    soap_document(send(MTOM, mtom(envelope, content)))
    envelope, send = soap(server, create_body(f"{WORK}-wsse2", INCLUDE), auth="")
    answer = send(MTOM, mtom(envelope, content))
    tap.equal(answer.status, 401)
    tap.true(answer.headers["www-authenticate"].startswith("Basic"), "asks for Basic")
    envelope, send = soap(server, create_body(f"{WORK}-wsse3", INCLUDE),
                          header=security("nobody:wrong password"), auth="")
    tap.equal(send(MTOM, mtom(envelope, content)).status, 401)
    envelope, send = soap(server, create_body(f"{WORK}-mtom0", ""))
    answer = send("text/xml", envelope)
    tap.equal(answer.status, 500)
    tap.true(b"nameConstraintViolation" in answer.body, repr(answer.body))
    envelope, send = soap(server, "<m:deleteEverything/>")
    tap.true(b"notSupported" in send("text/xml", envelope).body, "an unknown operation")
    doctype = b'<!DOCTYPE x [<!ENTITY a "b">]>' + envelope
    tap.true(b"DOCTYPE" in send("text/xml", doctype).body, "a DOCTYPE")
    deep = b"<a>" * 100 + b"</a>" * 100
    tap.true(b"well-formed" in send("text/xml", deep).body, "no envelope")
    envelope, send = soap(server, "<m:x>" * 100 + "</m:x>" * 100)
    tap.true(b"over a limit" in send("text/xml", envelope).body, "too deep")
    envelope, send = soap(server, '<m:getContentStream><m:repositoryId>coffer</m:repositoryId>'
                          '<m:objectId>99999999</m:objectId></m:getContentStream>')
    tap.true(b"objectNotFound" in send("text/xml", envelope).body, "no such object")
    xml.fromstring(server.ask("/cmis/services/ObjectService?wsdl", auth="").body)


def resolve(node, root):
    return root["components"]["schemas"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node


def conforms(value, schema, root, where):
    schema = resolve(schema, root)
    kinds = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list,
             "null": type(None)}
    wanted = schema.get("type")
    if wanted is None:
        return
    wanted = [wanted] if isinstance(wanted, str) else wanted
    tap.true(any(isinstance(value, kinds[kind]) for kind in wanted), f"{where}: {value!r} {wanted}")
    if isinstance(value, dict):
        members = schema.get("properties", {})
        for name in schema.get("required", []):
            tap.true(name in value, f"{where}: {name} is there")
        for name, member in value.items():
            more = schema.get("additionalProperties")
            tap.true(name in members or more, f"{where}: {name} is described")
            conforms(member, members.get(name) or more, root, f"{where}.{name}")
    if isinstance(value, list):
        for member in value:
            conforms(member, schema["items"], root, where + "[]")


@tap.test
def the_openapi_description_is_true(server):
    """Every path and method in it is answered, as described; what is not in it is 404 or 405."""
    root = server.ask("/openapi.json", auth="").json
    place = folder(server, "openapi")
    key = document(server, "openapi.txt", b"text", place)["id"]
    made(server.put(f"{WORK}/openapi.txt", b"text"))
    user = f"openapi{os.getpid()}"
    made(server.post("/api/users", {"name": user, "password": "one-time-secret"}))
    hold = made(server.post("/api/holds", {"name": user, "reason": "a test"}))["id"]
    hook = server.post("/api/hooks", {"name": user, "url": HOOKS + "x"})
    hook = hook.json["id"] if hook.status == 201 else None  # where the settings name no destination
    link = made(server.post(f"/api/documents/{key}/shares",
                            {"expires_ms": 1000 * int(time.time() + 600)}))["path"][3:]
    upload = server.ask("/api/uploads", "-X", "POST", "-H", "Tus-Resumable: 1.0.0", "-H",
                        "Upload-Length: 1", "-H", "Upload-Metadata: filename eA==,conflict cmVuYW1l"
                        ).headers["location"].rsplit("/", 1)[1]
    server.post("/api/groups", {"name": user})  # a group may be called as a user is
    asset = re.search(rb'="/assets/([^"]+)"', server.ask("/", auth="").body)
    known = set()
    for path, operations in root["paths"].items():
        ids = {"folders": place, "uploads": upload, "holds": hold, "hooks": hook or "0"}
        values = {"id": next((ids[part] for part in ids if f"/{part}/" in path), key),
                  "document": key, "link": link, "number": "1", "name": user, "user": user, "tag": "openapi",
                  "repository": "coffer",
                  "path": f"{WORK}/openapi.txt"}
        if "assets" in path and asset:
            values["path"] = asset[1].decode()
        real = re.sub(r"\{(\w+)\}", lambda match: values[match.group(1)], path)
        for method, operation in operations.items():
            known.add((method.upper(), path))
            names = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
            tap.equal(names, re.findall(r"\{(\w+)\}", path), f"parameters of {path}")
            if method != "get":
                answer = server.ask(real, "-X", method.upper(), auth="")
                tap.true(answer.status not in (404, 405, 501), f"{method} {path}: {answer}")
                continue
            query = {"/api/search": "?q=openapi", "/api/zip": f"?ids={key}"}.get(path, "")
            if path.startswith("/cmis/browser/{repository}/"):
                query = "?cmisselector=object"
            answer = server.ask(real + query)
            status = next(int(text) for text in operation["responses"] if text != "default")
            wanted = operation["responses"][str(status)]
            missing = (path == "/assets/{path}" and not asset) or path in (
                "/api/protection/evidence", "/api/documents/{id}/thumbnail") or (
                    "/hooks/" in path and not hook)
            tap.true(answer.status == status or missing and answer.status in (404, 503),
                     f"get {path}: {answer}")
            if answer.status != status:
                continue
            kinds = wanted.get("content", {})
            if "application/json" in kinds:
                tap.equal(answer.headers["content-type"], "application/json")
                conforms(answer.json, kinds["application/json"]["schema"], root, path)
            if operation.get("security") != []:
                conforms(server.ask(real, auth="").json,
                         root["components"]["schemas"]["Problem"], root, path)
                tap.equal(server.ask(real, auth="").status, 401, f"without a user: {path}")
    for path in root["paths"]:
        real = re.sub(r"\{(\w+)\}", "1", path)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            if (method, path) not in known:
                answer = server.ask(real, "-X", method)
                problem(answer, 405, "method-not-allowed")
                allowed = set(answer.headers["allow"].split(", ")) - {"HEAD"}
                tap.equal(allowed, {m for m, p in known if p == path}, f"Allow of {path}")
    for path in ("/nowhere", "/api", "/api/", "/api/documents/", "/openapi.json/x", "//"):
        problem(server.ask(path), 404, "not-found")


@tap.test
def the_table_of_routes_is_what_is_described(server):
    """Reads the source: a row of the table that is missing in the description would be found."""
    source = os.path.join(os.path.dirname(__file__), "../../src/dms/routes.c")
    with open(source, encoding="utf-8") as text:
        rows = re.findall(r'\{(GET|POST|PUT|PATCH|DELETE|OPTIONS), "([^"]+)"', text.read())
    described = {(method.upper(), path) for path, operations in
                 server.ask("/openapi.json", auth="").json["paths"].items()
                 for method in operations}
    tap.equal({(method, path.replace("...", "")) for method, path in rows}, described)


@tap.test
def pages_for_everyone_name_nothing_private(server):
    secret = f"secretname{os.getpid()}"
    document(server, secret)
    metrics = server.ask("/metrics", auth="")
    tap.equal(metrics.status, 200)
    tap.true(b"coffer_dms_uploads_total" in metrics.body, "a counter")
    tap.true(secret.encode() not in metrics.body, "no names")
    tap.equal(server.ask("/healthz", auth="").body, b"ok\n")
    page = server.ask("/", auth="")
    tap.true(b"<style" not in page.body and b"onload" not in page.body, "nothing inline")
    tap.true("default-src 'none'" in page.headers["content-security-policy"], "a strict policy")
    tap.true(b"# The REST interface" in server.ask("/docs", auth="").body, "the guide")
    tap.equal(server.ask("/", "-X", "OPTIONS", auth="").headers["allow"], "GET, HEAD")


@tap.test
def the_examples_of_the_guide_work(server):
    guide = os.path.join(os.path.dirname(__file__), "../../docs/rest-api.md")
    with open(guide, encoding="utf-8") as text:
        blocks = re.findall(r"^```sh\n(.*?)^```", text.read(), re.S | re.M)
    tap.true(len(blocks) > 8, "the guide has examples")
    lines = "\n".join(blocks[1:]).replace("curl ", "curl --fail-with-body -sS ")
    place = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True)
    environment = {**os.environ, "URL": server.url, "AUTH": server.auth}
    if server.ca:
        environment["CURL_CA_BUNDLE"] = server.ca
    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", lines], check=False, text=True,
                          cwd=place.stdout.strip(), env=environment, capture_output=True)
    tap.equal(done.returncode, 0, done.stdout[-1500:] + done.stderr)


if __name__ == "__main__":
    tap.main(lambda: dms_server.server(PROGRAM, "--hook-destinations", HOOKS))
