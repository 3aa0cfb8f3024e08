#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Contents beyond 32 bits over every CMIS binding: lengths, ranges, appending, queries. A document of
5 GiB is made by making its file sparse, which costs no room; one of COFFER_TEST_LARGE_MIB (8) is sent
as well: cmis_large.py COFFER_DMS"""
import base64
import glob
import hashlib
import http.client
import os
import re
import shutil
import socket
import sqlite3
import sys

import cmis_bindings as cb
import dms_server
import tap
from cmis_three import main, over, refused

SENT_MIB = int(os.environ.get("COFFER_TEST_LARGE_MIB", "8"))
LARGE = (5 << 30) + 7
BEYOND = (1 << 32) + 5
MARKS = {0: b"the first bytes", 0xfffffff0: b"across 32 bits: 0123456789", LARGE - 8: b"the end."}


def grow(server, number):
    """Makes a stored content the large one: zeros but for MARKS."""
    key, version = map(int, number.split(";"))
    tap.equal(server.stop(), 0)
    with sqlite3.connect(server.directory + "/coffer.db") as db:
        content, = db.execute("SELECT content FROM version WHERE node = ? AND number = ?",
                              (key, version)).fetchone()
        name, = db.execute("SELECT file FROM content WHERE key = ?", (content,)).fetchone()
        db.execute("UPDATE content SET size = ? WHERE key = ?", (LARGE, content))
        db.execute("UPDATE version SET size = ? WHERE content = ?", (LARGE, content))
        db.execute("UPDATE node SET size = ? WHERE key = ?", (LARGE, key))
    db.close()
    path, = glob.glob(f"{server.directory}/**/{name}", recursive=True)
    with open(path, "r+b") as file:
        file.truncate(0)
        for at, mark in MARKS.items():
            file.seek(at)
            file.write(mark)
        file.truncate(LARGE)
    server.start()


def expected(offset, length):
    out = bytearray(max(min(length, LARGE - offset), 0))
    for at, mark in MARKS.items():
        for n, byte in enumerate(mark):
            if 0 <= at + n - offset < len(out):
                out[at + n - offset] = byte
    return bytes(out)


def head_of(g, request):
    """An answer's status and headers and the first of its body; the rest stays unread."""
    auth = base64.b64encode(g.system.server.auth.encode()).decode()
    method, target, body, headers = request
    host, _, port = g.system.server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"Authorization: Basic {auth}",
                 f"Content-Length: {len(body)}", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
        connection.sendall("\r\n".join(lines).encode() + body)
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        return answer.status, dict(answer.getheaders()), answer.read(2000)


def content_request(g, number, mtom=True):
    if g.binding == "soap":
        body = g.client.envelope("<cmism:getContentStream><cmism:repositoryId>coffer"
                                 f"</cmism:repositoryId><cmism:objectId>{number}</cmism:objectId>"
                                 "</cmism:getContentStream>")
        kind = "multipart/related" if mtom else "text/xml"
        return "POST", "/cmis/services/ObjectService", body, {"Content-Type": "text/xml",
                                                              "Accept": kind}
    if g.binding == "atom":
        place = g.client.entry_of(number).element.find("atom:content", cb.NS).get("src")
        return "GET", place.removeprefix(g.client.origin), b"", {}
    return "GET", g.client.where(f"/root?objectId={number}&cmisselector=content"), b"", {}


def large_document(g):
    if dms_server.is_foreign():
        raise tap.Skip("this needs a server of its own")
    number = g.document(dms_server.noise(100_000), name=g.fresh("large") + ".bin",
                        kind="application/octet-stream")
    grow(g.system.server, number)
    g.system.clients.clear() # the server listens elsewhere now
    g.client = g.system.client(g.binding)
    return number


@over()
def lengths_and_ranges_go_beyond_32_bits(g):
    number = large_document(g)
    for client in [g.client, *g.others()]:
        shown = client.get(number)
        tap.equal(shown["cmis:contentStreamLength"], str(LARGE), client.name)
        listed = [o for o in client.children(g.folder)[0] if o.id == number]
        tap.equal(listed[0]["cmis:contentStreamLength"], str(LARGE), client.name)
    for offset, length in ((0, 15), (BEYOND, 10), (0xfffffff0, 26), (0xffffffff, 2),
                           (1 << 32, 1), (LARGE - 8, 8), (LARGE - 8, 100), (LARGE - 1, 1)):
        got = g.client.content(number, offset=offset, length=length)[0]
        tap.equal(got, expected(offset, length), f"{length} from {offset}")
    tap.equal(g.client.content(number, offset=LARGE - 8)[0], b"the end.")
    if g.binding != "atom": # which says it by HTTP's Range, and 416
        refused("invalidArgument", g.client.content, number, offset=LARGE)
        refused("invalidArgument", g.client.content, number, offset=1 << 62)
    where = f"IN_FOLDER('{g.folder}') AND cmis:contentStreamLength"
    for condition, found in (("> 4294967296", True), (f"= {LARGE}", True), ("< 4294967296", False),
                             (f"= {LARGE & 0xffffffff}", False), ("> 5368709127", False)):
        rows = g.client.query(f"SELECT cmis:objectId FROM cmis:document WHERE {where} {condition}")[0]
        tap.equal([r.id for r in rows], [number] * found, condition)
    status, headers, start = head_of(g, content_request(g, number))
    tap.equal(status, 200)
    if g.binding == "soap":
        tap.equal(re.search(rb"<cmism:length>(\d+)</cmism:length>", start).group(1),
                  str(LARGE).encode())
        tap.true(LARGE < int(headers["Content-Length"]) < LARGE + 4000, "the parts' length")
        tap.true(b"the first bytes" in start, "the content")
        status, headers, start = head_of(g, content_request(g, number, mtom=False))
        tap.equal(status, 200)
        encoded = (LARGE + 2) // 3 * 4
        tap.true(encoded < int(headers["Content-Length"]) < encoded + 2000, "as base64")
        tap.true(base64.b64encode(b"the first bytes") in start, "the content as base64")
    else:
        tap.equal((int(headers["Content-Length"]), start[:15]), (LARGE, b"the first bytes"))
        request = content_request(g, number)
        status, headers, start = head_of(g, (*request[:3], {"Range": f"bytes={BEYOND}-{BEYOND + 9}"}))
        tap.equal((status, headers["Content-Length"], headers["Content-Range"], start),
                  (206, "10", f"bytes {BEYOND}-{BEYOND + 9}/{LARGE}", expected(BEYOND, 10)))
        status, headers, start = head_of(g, (*request[:3], {"Range": "bytes=-8"}))
        tap.equal((status, start), (206, b"the end."))
        status, headers, start = head_of(g, (*request[:3], {"Range": f"bytes={LARGE}-"}))
        tap.equal((status, headers.get("Content-Range")), (416, f"bytes */{LARGE}"))


@over()
def what_is_large_is_appended_to_copied_and_kept_in_versions(g):
    number = large_document(g)
    number = g.client.append(number, (b" And more", "application/octet-stream", "x"), "true")
    tap.equal(g.client.get(number)["cmis:contentStreamLength"], str(LARGE + 9))
    tap.equal(g.client.content(number, offset=LARGE - 8)[0], b"the end. And more")
    copy = g.client.copy(number, cb.named("cmis:document", g.fresh("copy")), g.folder)
    pwc = g.client.check_out(number)
    for same in (copy, pwc):
        tap.equal(g.client.get(same)["cmis:contentStreamLength"], str(LARGE + 9))
        tap.equal(g.client.content(same, offset=BEYOND, length=40)[0], expected(BEYOND, 40))
    latest = g.client.check_in(pwc, "true")
    tap.equal(g.client.get(latest)["cmis:contentStreamLength"], str(LARGE + 9))
    held = sum(os.stat(path).st_blocks * 512 for path in
               glob.glob(g.system.server.directory + "/**/*", recursive=True))
    tap.true(held < 100 << 20, f"one file holds them all: {held} bytes")
    for gone in (copy, latest):
        g.client.delete(gone)


def pieces(digest):
    block = dms_server.noise(1 << 20)
    for at in range(SENT_MIB):
        piece = at.to_bytes(8, "little") + block[8:]
        digest.update(piece)
        yield piece


def sent_whole(g, name):
    """A request's target, type, what goes before the content and behind it."""
    if g.binding == "browser":
        fields = [("cmisaction", "createDocument"), ("objectId", g.folder),
                  ("propertyId[0]", "cmis:objectTypeId"), ("propertyValue[0]", "cmis:document"),
                  ("propertyId[1]", "cmis:name"), ("propertyValue[1]", name), ("succinct", "true")]
        before = "".join(f'--here\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
                         for n, v in fields)
        before += ('--here\r\nContent-Disposition: form-data; name="content"; filename="x"\r\n'
                   "Content-Type: application/octet-stream\r\n\r\n")
        return (g.client.where("/root"), "multipart/form-data; boundary=here", before.encode(),
                b"\r\n--here--\r\n")
    inner = cb.properties_xml("cmism:properties", cb.named("cmis:document", name))
    body = g.client.envelope(
        f"<cmism:createDocument><cmism:repositoryId>coffer</cmism:repositoryId>{inner}"
        f"<cmism:folderId>{g.folder}</cmism:folderId><cmism:contentStream><cmism:mimeType>"
        "application/octet-stream</cmism:mimeType><cmism:filename>x</cmism:filename><cmism:stream>"
        '<xop:Include href="cid:part@x"/></cmism:stream></cmism:contentStream>'
        "</cmism:createDocument>")
    before = (b'--here\r\nContent-Type: application/xop+xml; type="text/xml"\r\n'
              b"Content-ID: <root@x>\r\n\r\n" + body + b"\r\n--here\r\nContent-Type: "
              b"application/octet-stream\r\nContent-ID: <part@x>\r\n\r\n")
    return ("/cmis/services/ObjectService", 'multipart/related; type="application/xop+xml"; '
            'start="<root@x>"; start-info="text/xml"; boundary=here', before, b"\r\n--here--\r\n")


@over()
def what_is_sent_whole_comes_back_whole(g):
    """With a Content-Length of more than 32 bits; chunked bodies are in cmis_hostile.py."""
    room = shutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free >> 20
    if dms_server.is_foreign() or room < 2 * SENT_MIB + 1024:
        raise tap.Skip("there is not enough room")
    size, digest, name = SENT_MIB << 20, hashlib.sha256(), g.fresh("sent")
    method = "POST"
    if g.binding == "atom":
        empty = g.document(None, name=name)
        target = g.client.follow(empty, "edit-media").removeprefix(g.client.origin)
        method, kind, before, after = "PUT", "application/octet-stream", b"", b""
    else:
        target, kind, before, after = sent_whole(g, name)
    host = g.system.server.url.removeprefix("http://")
    auth = {"Authorization": "Basic " + base64.b64encode(g.system.server.auth.encode()).decode()}
    connection = http.client.HTTPConnection(host, timeout=600)
    connection.putrequest(method, target)
    for header, value in {**auth, "Content-Type": kind,
                          "Content-Length": len(before) + size + len(after)}.items():
        connection.putheader(header, str(value))
    connection.endheaders()
    connection.send(before)
    for piece in pieces(digest):
        connection.send(piece)
    connection.send(after)
    answer = connection.getresponse()
    body = answer.read()
    tap.true(answer.status < 300, f"{answer.status} {body[:300]}")
    number = g.client.by_path(f"/{g.name}/{name}").id
    tap.equal(g.client.get(number)["cmis:contentStreamLength"], str(size))
    tap.equal(g.client.content(number, offset=size - (1 << 20), length=8)[0],
              (SENT_MIB - 1).to_bytes(8, "little"))
    method, target, _, _ = content_request(g, number) if g.binding == "atom" else \
        ("GET", f"/cmis/browser/coffer/root?objectId={number}&cmisselector=content", b"", {})
    connection.request(method, target, headers=auth)
    answer, got = connection.getresponse(), hashlib.sha256()
    while piece := answer.read(1 << 20):
        got.update(piece)
    connection.close()
    tap.equal(got.hexdigest(), digest.hexdigest())
    g.client.delete(number)
    g.system.server.ask("/api/trash", "-X", "DELETE")


if __name__ == "__main__":
    main(sys.argv[1])
