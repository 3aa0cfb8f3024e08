#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Texts and thumbnails that programs make of contents: dms_derived.py COFFER_DMS DERIVE_TOOL COFFER

With poppler-utils and libvips-tools where they are; what hostile contents could have such a program do
with DERIVE_TOOL in its place.
"""
import contextlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile

import dms_server
import tap
from dms_server import pdf, png

PROGRAM, TOOL, COFFER = (os.path.abspath(path) for path in sys.argv[1:4])
KINDS = ("pdftotext", "pdftoppm", "vipsthumbnail")
REAL = all(os.access("/usr/bin/" + name, os.X_OK) for name in KINDS)


@contextlib.contextmanager
def shielded_server(*options):
    """Under the runtime, its data on an encrypted volume."""
    # A volume's server may still be writing when what it served has been killed.
    with tempfile.TemporaryDirectory(prefix="coffer-dms-", ignore_cleanup_errors=True) as place:
        prefix = [COFFER, "run", "--volume", place + "/volume:/data", "--"]
        server = dms_server.Server(PROGRAM, place + "/data", *options, prefix=prefix)
        server.directory = "/data/documents"
        server.environment["COFFER_STATE"] = place + "/state"
        try:
            yield server.start()
            server.stop()
        finally:
            server.close()


def put(server, name, content, kind):
    answer = server.ask("/api/files/" + name, "-X", "PUT", "--data-binary", "@-", "-H",
                        "Content-Type: " + kind, stdin=content)
    tap.true(answer.status in (200, 201), f"stored: {answer}")
    return answer.json["id"]


def made(server):
    """How many results there are, good and bad."""
    lines = server.ask("/metrics").body.decode().splitlines()
    return tuple(int(line.split()[1]) for name in ("derived_total", "derived_failed_total")
                 for line in lines if line.startswith(f"coffer_dms_{name} "))


def until_made(server, good, bad=0):
    tap.until(lambda: sum(made(server)) >= good + bad, "all is made")
    tap.equal(made(server), (good, bad))


def found(server, word):
    return [node["name"] for node in server.ask(f"/api/search?q={word}").json["items"]]


def text(server, key):
    return server.ask(f"/api/documents/{key}/text")


@tap.test
def a_pdf_is_found_by_its_words_and_has_a_thumbnail():
    if not REAL:
        raise tap.Skip("poppler-utils and libvips-tools are needed")
    with dms_server.own_server(PROGRAM) as server:
        key = put(server, "a.pdf", pdf("walrus oysters"), "application/pdf")
        until_made(server, 2)
        tap.equal(found(server, "oysters"), ["a.pdf"])
        tap.equal(text(server, key).body.split(), [b"walrus", b"oysters"])
        picture = server.ask(f"/api/documents/{key}/thumbnail")
        tap.equal((picture.status, picture.headers["content-type"]), (200, "image/jpeg"))
        tap.equal(picture.body[:3], b"\xff\xd8\xff")
        tap.equal(picture.headers["x-content-type-options"], "nosniff")
        tap.true("sandbox" in picture.headers["content-security-policy"], "nothing runs in it")
        # A new version has its own; a copy shares; nothing is made twice.
        put(server, "a.pdf", pdf("cabbages"), "application/pdf")
        until_made(server, 4)
        tap.equal((found(server, "oysters"), found(server, "cabbages")), ([], ["a.pdf"]))
        copied = server.post(f"/api/documents/{key}/copy", {"name": "b.pdf", "parent": "root"})
        tap.equal(copied.status, 201)
        tap.equal(sorted(found(server, "cabbages")), ["a.pdf", "b.pdf"])
        tap.equal(server.ask(f"/api/documents/{copied.json['id']}/thumbnail").status, 200)
        tap.equal(made(server), (4, 0))
        # By CMIS: renditions of the version that is asked for.
        base = "/cmis/browser/coffer/root?objectId=" + key
        page = server.ask(base + "&cmisselector=renditions&renditionFilter=*").json
        tap.equal([one["kind"] for one in page], ["coffer:text", "cmis:thumbnail"])
        tap.equal((page[1]["mimeType"], page[1]["width"], page[1]["height"]), ("image/jpeg", 248, 320))
        stream = server.ask(f"{base}&cmisselector=content&streamId={page[1]['streamId']}")
        tap.equal((len(stream.body), stream.headers["content-type"]), (page[1]["length"], "image/jpeg"))
        for wanted in ("cmis:thumbnail", "image/*", "image/jpeg"):
            some = server.ask(f"{base}&cmisselector=renditions&renditionFilter={wanted}").json
            tap.equal(some, page[1:], wanted)


@tap.test
def under_the_runtime_too():
    if not REAL:
        raise tap.Skip("poppler-utils and libvips-tools are needed")
    with shielded_server() as server:
        if "cannot be confined" in server.logs():
            raise tap.Skip("this kernel has no Landlock")
        key = put(server, "a.pdf", pdf("walrus oysters"), "application/pdf")
        picture = put(server, "b.png", png(400, 300), "image/png")
        until_made(server, 3)
        tap.equal(found(server, "oysters"), ["a.pdf"])
        tap.equal(text(server, key).body.split(), [b"walrus", b"oysters"])
        for made_of in (key, picture):
            answer = server.ask(f"/api/documents/{made_of}/thumbnail")
            tap.equal((answer.status, answer.body[:3]), (200, b"\xff\xd8\xff"))
        # A content that is a file on the volume, not a row of the database.
        large = put(server, "large.pdf", pdf("cabbages") + b"%" * (64 << 10) + b"\n%%EOF\n",
                    "application/pdf")
        until_made(server, 5)
        tap.equal(text(server, large).body.split(), [b"cabbages"])


@tap.test
def images_have_thumbnails_by_what_they_are():
    if not REAL:
        raise tap.Skip("libvips-tools is needed")
    with dms_server.own_server(PROGRAM) as server:
        large = put(server, "large", png(400, 300), "application/octet-stream")
        small = put(server, "small.png", png(20, 10), "image/png")
        liar = put(server, "liar.png", b"GIF is what this is not", "image/png")
        bad = put(server, "bad.png", b"\x89PNG\r\n\x1a\n" + b"x" * 100, "image/png")
        until_made(server, 2, 1)
        sizes = [server.ask(f"/cmis/browser/coffer/root?objectId={key}&cmisselector=renditions&"
                            "renditionFilter=*").json for key in (large, small, liar, bad)]
        tap.equal([[(one["width"], one["height"]) for one in some] for some in sizes],
                  [[(320, 240)], [(20, 10)], [], []])
        tap.equal([server.ask(f"/api/documents/{key}/thumbnail").status for key in (small, liar, bad)],
                  [200, 404, 404])


@tap.test
def what_was_made_goes_with_its_document():
    if not REAL:
        raise tap.Skip("poppler-utils is needed")
    with dms_server.own_server(PROGRAM) as server:
        key = put(server, "gone.pdf", pdf("unforgettable"), "application/pdf")
        until_made(server, 2)
        tap.equal(found(server, "unforgettable"), ["gone.pdf"])
        tap.equal(server.ask(f"/api/documents/{key}", "-X", "DELETE").status, 204)
        tap.equal(server.ask(f"/api/trash/{key}", "-X", "DELETE").status, 204)
        # The index forgets its words when the server comes to rest.
        tap.until(lambda: b"unforgettable" not in words_of(server.directory), "no word of it is left")
        server.stop()
        tables = tables_of(server.directory)
        tap.equal(tables, {"content": 0, "derived": 0, "to_derive": 0, "awaiting": 0, "extract": 0})


@tap.test
def who_may_not_read_a_document_gets_nothing_that_was_made_of_it():
    if not REAL:
        raise tap.Skip("poppler-utils is needed")
    with dms_server.own_server(PROGRAM) as server:
        key = put(server, "secret.pdf", pdf("walrus"), "application/pdf")
        until_made(server, 2)
        auth = "eve:one-time-secret"
        tap.equal(server.post("/api/users", {"name": "eve", "password": "one-time-secret"}).status, 201)
        tap.equal(server.ask("/api/me/password", "-X", "PUT", "-d", json.dumps(
            {"old": "one-time-secret", "new": "another-secret"}), auth=auth).status, 204)
        auth = "eve:another-secret"
        cmis = f"/cmis/browser/coffer/root?objectId={key}&cmisselector="
        ways = (f"/api/documents/{key}/text", f"/api/documents/{key}/thumbnail",
                f"{cmis}content&streamId=text", f"{cmis}content&streamId=thumbnail",
                f"{cmis}renditions&renditionFilter=*")
        tap.equal([server.ask(way, auth=auth).status for way in ways], [200] * len(ways))
        closed = {"inherits": False, "entries": [{"principal": "admin", "permission": "all"}]}
        tap.equal(server.ask(f"/api/nodes/{key}/acl", "-X", "PUT", "-d", json.dumps(closed)).status, 200)
        tap.equal([server.ask(way, auth=auth).status for way in ways], [404] * len(ways))
        tap.equal(server.ask("/api/search?q=walrus", auth=auth).json["items"], [])
        # A copy of the same bytes is a document of its own.
        mine = server.ask("/api/files/mine.pdf", "-X", "PUT", "--data-binary", "@-", "-H",
                          "Content-Type: application/pdf", auth=auth, stdin=pdf("walrus")).json["id"]
        until_made(server, 4)
        tap.equal(server.ask(f"/api/documents/{mine}/text", auth=auth).body.split(), [b"walrus"])


def words_of(directory):
    words = b""
    for name in ("coffer.db", "coffer.db-wal"):
        with open(os.path.join(directory, name), "rb") as file:
            words += file.read()
    return words


def tables_of(directory):
    with contextlib.closing(sqlite3.connect(os.path.join(directory, "coffer.db"))) as db:
        names = ("content", "derived", "to_derive", "awaiting", "extract")
        return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


@tap.test
def an_e_mail_is_found_by_its_texts():
    seed = os.path.join(os.path.dirname(__file__), "../../fuzz/corpus/mail_text/all.eml")
    with open(seed, "rb") as file, dms_server.own_server(PROGRAM, "--tools", "") as server:
        key = put(server, "letter.eml", file.read(), "message/rfc822")
        lines = [line.strip() for line in text(server, key).body.decode().splitlines()]
        tap.equal([line for line in lines if line],
                  ["Jürgen <j@example.org>", "a@example.org", "Grüße again", "Schöne lange Zeile", "fett",
                   "inner", "plain inside", "Pläne.pdf"])
        for word in ("juergen@example.org", "preamble", "PGI"):
            tap.equal(found(server, word), [], word)
        tap.equal(found(server, "sch%C3%B6ne"), ["letter.eml"])


@tap.test
def words_keep_their_lines():
    with dms_server.own_server(PROGRAM, "--tools", "") as server:
        html = b"<h1>One</h1><p class=x>two <b>three</b></p>four<br/><div>five</div><table><tr><td>6</tr></table>"
        key = put(server, "lines.html", html, "text/html")
        lines = [" ".join(line.split()) for line in text(server, key).body.decode().splitlines()]
        tap.equal([line for line in lines if line], ["One", "two three", "four", "five", "6"])
        key = put(server, "lines.odt", dms_server.docx("one</p><p>two"),
                  "application/vnd.openxmlformats-officedocument.wordprocessingml.document")
        lines = text(server, key).body.decode().splitlines()
        tap.equal([line.strip() for line in lines if line.strip()], ["one", "two"])


class Tools(tempfile.TemporaryDirectory):
    """A folder with DERIVE_TOOL in the place of all programs."""

    def __enter__(self):
        place = super().__enter__()
        for name in KINDS:
            shutil.copy(TOOL, os.path.join(place, name))
        return place


def take_over(server):
    """Natively and under the runtime: what the program is told to try is refused."""
    if "cannot be confined" in server.logs():
        raise tap.Skip("this kernel has no Landlock")
    server.environment["COFFER_TEST_SECRET"] = "x"
    server.stop()
    server.start()
    content = b"%PDF-peek " + server.directory.encode() + b"\n"
    content += b"%" * (64 << 10)  # it is a file on the volume
    key = put(server, "peek.pdf", content, "application/pdf")
    until_made(server, 1, 1)
    told = dict(line.rsplit(" ", 1) for line in text(server, key).body.decode().splitlines())
    tap.equal(told.pop("descriptors 0 environment"), "clean")
    tap.equal(sorted(told), sorted((
        "database", "new-file", "truncate", "times", "attribute", "owner", "owner-ex", "passwd",
        "memory", "listing", "socket", "unix", "signal", "limit", "trace", "volume-server", "process", "shell",
        "write", "memory-limit")))
    tap.equal({name: how for name, how in told.items() if how != "refused"}, {})


@tap.test
def a_program_that_a_content_took_over_can_do_nothing():
    with Tools() as tools, dms_server.own_server(PROGRAM, "--tools", tools) as server:
        take_over(server)
        # What it says goes nowhere but into this document's text.
        tap.equal(os.listdir(server.directory + "/incoming"), [])


@tap.test
def nor_can_it_under_the_runtime():
    with Tools() as tools, shielded_server("--tools", tools) as server:
        take_over(server)


@tap.test
def a_program_that_fails_harms_nothing():
    with Tools() as tools, dms_server.own_server(PROGRAM, "--tools", tools,
                                                 "--tools-unconfined") as server:
        keys = [put(server, f"{order}.pdf", b"%PDF-" + order.encode(), "application/pdf")
                for order in ("flood", "crash", "fail", "words")]
        until_made(server, 2, 6)
        answers = [text(server, key) for key in keys]
        tap.equal([answer.status for answer in answers], [200, 404, 404, 200])
        tap.true(1 << 20 <= len(answers[0].body) <= (1 << 20) + 4, "what is too much is cut")
        tap.equal(set(answers[0].body.split()), {b"flooded"})
        tap.equal(found(server, "words"), ["words.pdf"])
        # It is not tried again, not even after a start.
        server.stop()
        server.start()
        put(server, "more.pdf", b"%PDF-more", "application/pdf")
        until_made(server, 1, 1)
        tap.equal(found(server, "more"), ["more.pdf"])


@tap.test
def without_programs_the_server_says_so_and_goes_on():
    with tempfile.TemporaryDirectory() as nothing, Tools() as tools:
        with dms_server.own_server(PROGRAM, "--tools", nothing) as server:
            tap.true("install poppler-utils" in server.logs(), server.logs())
            key = put(server, "later.pdf", b"%PDF-later", "application/pdf")
            tap.equal((text(server, key).status, found(server, "later")), (404, ["later.pdf"]))
            tap.equal(server.ask(f"/api/documents/{key}/thumbnail").status, 404)
            server.stop()
            # Once they are there, what was missed is made.
            server.options = ("--tools", tools, "--tools-unconfined")
            server.start()
            until_made(server, 1, 1)
            tap.equal(text(server, key).body.strip(), b"later")


@tap.test
def a_program_that_does_not_start_spoils_nothing():
    with Tools() as tools, dms_server.own_server(PROGRAM, "--tools", tools,
                                                 "--tools-unconfined") as server:
        with open(os.path.join(tools, "pdftotext"), "wb") as file:
            file.write(b"no program")
        key = put(server, "waits.pdf", b"%PDF-waits", "application/pdf")
        until_made(server, 0, 1)  # the picture
        tap.true("pdftotext" in server.logs(), "it is said")
        tap.equal(text(server, key).status, 404)
        shutil.copy(TOOL, os.path.join(tools, "pdftotext"))
        server.stop()
        server.start()
        until_made(server, 1, 0)
        tap.equal(text(server, key).body.strip(), b"waits")


@tap.test
def contents_of_an_older_store_are_looked_at():
    with Tools() as tools, dms_server.own_server(PROGRAM, "--tools", "") as server:
        keys = [put(server, name, content, "application/pdf")
                for name, content in (("old.pdf", b"%PDF-old"), ("plain.pdf", b"no such thing"))]
        tap.equal(found(server, "old"), ["old.pdf"])  # both are in the index
        server.stop()
        with contextlib.closing(sqlite3.connect(os.path.join(server.directory, "coffer.db"))) as db:
            db.executescript("DELETE FROM to_derive; INSERT INTO to_derive SELECT 0, key FROM content;")
        server.options = ("--tools", tools, "--tools-unconfined")
        server.start()
        until_made(server, 1, 1)
        tap.equal([text(server, key).status for key in keys], [200, 404])


tap.main()
