# SPDX-License-Identifier: Apache-2.0
"""XML, MTOM and contents that want to hurt, sent to CMIS's XML bindings; and contents that are large
(COFFER_TEST_LARGE_MIB, 96): cmis_hostile.py COFFER_DMS

Whatever is refused leaves nothing behind: no object, no file, no memory."""
import base64
import contextlib
import hashlib
import os
import socket
import sys
import tempfile
import urllib.parse

import cmis_bindings as cb
import dms_server
import tap

LARGE_MIB = int(os.environ.get("COFFER_TEST_LARGE_MIB", "96"))
MTOM = 'multipart/related; type="application/xop+xml"; start="<root@x>"; boundary=here'
MEMORY_KIB_MAX = 16384


class System:
    def __init__(self, server, keep):
        self.server = server
        self.soap = cb.Soap(server.url, server.auth, keep)
        self.atom = cb.Atom(server.url, server.auth, keep)
        self.children = self.atom.fill("objectbyid", id="1") and \
            self.atom.follow("1", "down", cb.FEED)
        self.keep = keep

    def logs(self):
        return self.server.logs()

    def address(self):
        host, _, port = self.soap.host.partition(":")
        return host, int(port)

    def curl(self, target, body, kind):
        """Reads an answer that comes before all is sent."""
        return self.server.ask(target.removeprefix(self.server.url), "-H", "Expect:", "-H",
                               f"Content-Type: {kind}", "--data-binary", "@-", stdin=body)

    def private_kib(self):
        with open(f"/proc/{self.server.pid()}/smaps_rollup", encoding="ascii") as lines:
            return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))

    def left(self):
        """What there is in the store: objects at the root, files of contents."""
        files = [name for place in ("content", "incoming")
                 for name in os.listdir(os.path.join(self.server.directory, place))]
        return self.atom.children("1")[2], sorted(files)


@contextlib.contextmanager
def nothing_stays(system):
    before = system.left()
    yield
    tap.equal(tap.until(lambda: system.left() == before, "nothing is left"), True)
    tap.true(system.private_kib() < MEMORY_KIB_MAX, f"{system.private_kib()} KiB")


def envelope(inner, header=""):
    return (f'<soap:Envelope {cb.DECLARED}>{header}<soap:Body>{inner}</soap:Body>'
            "</soap:Envelope>").encode()


def create_xml(stream, name="evil.bin", extra=""):
    return ("<cmism:createDocument><cmism:repositoryId>coffer</cmism:repositoryId>" +
            cb.properties_xml("cmism:properties", cb.named("cmis:document", name)) +
            "<cmism:folderId>1</cmism:folderId><cmism:contentStream><cmism:mimeType>text/plain"
            f"</cmism:mimeType><cmism:stream>{stream}</cmism:stream></cmism:contentStream>{extra}"
            "</cmism:createDocument>")


def entry(inner):
    return cb.Atom.entry_xml(inner)


def document(content, name="evil.bin"):
    return entry("<cmisra:content><cmisra:mediatype>text/plain</cmisra:mediatype><cmisra:base64>"
                 f"{content}</cmisra:base64></cmisra:content><cmisra:object>" +
                 cb.properties_xml("cmis:properties", cb.named("cmis:document", name)) +
                 "</cmisra:object>")


def refused(answer, *names):
    """An answer of either binding with one of these exceptions."""
    tap.true(answer.status >= 400, f"{answer.status} {answer.body[:200]}")
    names = names or ("invalidArgument",)
    tap.true(any(f"<cmism:type>{name}<".encode() in answer.body or
                 f"<!--exception-->{name}<".encode() in answer.body for name in names),
             f"{names} in {answer.status} {answer.body[:400]}")


def bombs():
    """Documents that grow, nest or never end; each with what goes around its middle."""
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    yield "an entity bomb", f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]>', "&a9;"
    yield "an external entity", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', "&a;"
    yield "a parameter entity", '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">', ""
    yield "deep nesting", "", "<cmis:a>" * 5000
    yield "deep foreign nesting", "", "<f:a xmlns:f='urn:f'>" * 5000
    yield "a huge attribute", "", "<cmis:a b='" + "x" * 3_000_000
    yield "a huge name", "", "<" + "x" * 3_000_000
    yield "a huge comment", "", "<!--" + "x" * 3_000_000
    yield "a huge processing instruction", "", "<?x " + "x" * 3_000_000
    yield "a huge text", "", "<cmis:a>" + "x" * 3_000_000
    yield "many attributes", "", "<cmis:a " + " ".join(f"a{i}='1'" for i in range(2000)) + "/>"
    yield "many elements", "", "<cmis:a/>" * 200_000
    yield "many namespaces", "", "".join(f"<x{i}:a xmlns:x{i}='urn:{i}'/>" for i in range(100_000))
    yield "100,000 properties", "", cb.properties_xml(
        "cmis:properties", [("String", f"cmis:p{i}", ["x"]) for i in range(100_000)])
    yield "an undefined entity", "", "&nothing;"
    yield "a character that XML has not", "", "&#0;"
    yield "two roots", "", "</cmis:a><cmis:b>"


@tap.test
def xml_that_grows_nests_or_never_ends_is_refused(system):
    with nothing_stays(system):
        for what, before, middle in bombs():
            soap = before.encode() + envelope(f"<cmism:createDocument>{middle}"
                                              "</cmism:createDocument>")
            refused(system.curl("/cmis/services/ObjectService", soap, "text/xml"))
            atom = before.encode() + entry(middle).removeprefix(b'<?xml version="1.0"?>')
            refused(system.curl(system.children, atom, cb.ENTRY))
            print(f"# {what}: refused, {system.private_kib()} KiB")


@tap.test
def other_encodings_are_read_as_what_they_are(system):
    name = "utf16 é.txt"
    body = document(base64.b64encode(b"hello").decode(), name).decode()
    body = body.replace('version="1.0"', 'version="1.0" encoding="UTF-16"').encode("utf-16")
    answer = system.atom.send("POST", system.children, body, cb.ENTRY)
    tap.equal(answer.status, 201)
    found = system.atom.by_path("/" + name)
    tap.equal(found.name, name)
    system.atom.delete(found.id)
    with nothing_stays(system):
        wrong = document("aGVsbG8=", "wrong \xff.txt").decode().encode("latin-1")
        refused(system.atom.send("POST", system.children, wrong, cb.ENTRY))


@tap.test
def contents_that_are_not_base64_are_refused(system):
    with nothing_stays(system):
        long = base64.b64encode(dms_server.noise(300_000)).decode()
        for bad in ("not*base64", "abc", "=", "====", "a===", "aGVsbG8=aGVsbG8=", long + "!",
                    long[:-1], long + "<cmis:a/>"):
            refused(system.soap.post("ObjectService", envelope(create_xml(bad))))
            refused(system.atom.send("POST", system.children, document(bad), cb.ENTRY))


def mtom(*parts, end=b"--here--\r\n"):
    body = b""
    for number, data in parts:
        body += (b"--here\r\nContent-Type: application/octet-stream\r\nContent-ID: <" +
                 number.encode() + b">\r\n\r\n" + data + b"\r\n")
    return body + end


INCLUDE = '<xop:Include href="cid:part@x"/>'


@tap.test
def mtom_messages_that_do_not_fit_together_are_refused(system):
    root = ("root@x", envelope(create_xml(INCLUDE)))
    part = ("part@x", dms_server.noise(200_000))
    cases = {
        "the part is missing": mtom(root),
        "another part": mtom(root, ("other@x", part[1])),
        "the part is there twice": mtom(root, part, part),
        "two roots": mtom(root, root, part),
        "no root": mtom(part),
        "no end": mtom(root, part, end=b""),
        "cut in the content": mtom(root, part)[:-100_000],
        "another part before the root": mtom(("other@x", b"x" * 100_000), root),
        "an include of the root": mtom(("root@x", envelope(create_xml(
            '<xop:Include href="cid:root@x"/>')))),
        "an include of a file": mtom(("root@x", envelope(create_xml(
            '<xop:Include href="file:///etc/passwd"/>'))), part),
        "an include of a server": mtom(("root@x", envelope(create_xml(
            '<xop:Include href="http://127.0.0.1:1/"/>'))), part),
        "two includes": mtom(("root@x", envelope(create_xml(INCLUDE + INCLUDE))), part),
        "text and an include": mtom(("root@x", envelope(create_xml("aGVsbG8=" + INCLUDE))), part),
        "a hundred parts": mtom(root, *[(f"p{i}@x", b"x") for i in range(100)]),
        "a huge part head": b"--here\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    }
    with nothing_stays(system):
        for what, body in cases.items():
            answer = system.soap.post("ObjectService", body, MTOM)
            tap.true(answer.status == 500, f"{what}: {answer.status}")
            refused(answer)
        answer = system.soap.post("ObjectService", b"", "multipart/related; boundary=")
        refused(answer)


@tap.test
def parts_come_in_any_order(system):
    content = dms_server.noise(100_000)
    for name, parts in (("first", [("part@x", content), None]), ("last", [None, ("part@x", content)]),
                        ("between", [None, ("other@x", b"skipped"), ("part@x", content),
                                     ("more@x", b"")])):
        root = ("root@x", envelope(create_xml(INCLUDE, f"order {name}")))
        answer = system.soap.read(system.soap.post(
            "ObjectService", mtom(*[part or root for part in parts]), MTOM), "createDocument")
        number = cb.text(answer, "cmism:objectId")
        tap.true(system.soap.content(number)[0] == content, name)
        system.soap.delete(number)
    # who is not known yet may not send a content before the envelope
    root = ("root@x", envelope(create_xml(INCLUDE), token(system.server.auth)))
    with nothing_stays(system):
        system.soap.token = True
        answer = system.soap.post("ObjectService", mtom(("part@x", content), root), MTOM)
        system.soap.token = False
        tap.equal(answer.status, 401)


def token(auth, kind=""):
    user, _, password = auth.partition(":")
    return ("<soap:Header><wsse:Security><wsse:UsernameToken><wsse:Username>"
            f"{user}</wsse:Username><wsse:Password{kind}>{password}</wsse:Password>"
            "</wsse:UsernameToken></wsse:Security></soap:Header>")


@tap.test
def nobody_unknown_stores_or_sees_anything(system):
    soap = cb.Soap(system.server.url, None)
    root = ("root@x", envelope(create_xml(INCLUDE), token("admin:wrong")))
    part = ("part@x", dms_server.noise(400_000))
    digest = ' Type="http://docs.oasis-open.org/wss/2004/01/x#PasswordDigest"'
    with nothing_stays(system):
        for body, kind in ((mtom(root, part), MTOM),
                           (mtom(("root@x", envelope(create_xml(INCLUDE))), part), MTOM),
                           (envelope(create_xml("aGVsbG8=")), "text/xml"),
                           (envelope(create_xml("aGVsbG8="), token("x:y", digest)), "text/xml"),
                           (b"<a/>", "text/xml")):
            answer = soap.post("ObjectService", body, kind)
            tap.true(answer.status in (401, 500), answer.status)
            if answer.status == 401:
                tap.true(answer.getheader("WWW-Authenticate").startswith("Basic"), "asks for Basic")
        for path in ("/cmis/atom", "/cmis/atom/coffer/entry?id=1", "/cmis/atom10"):
            answer = soap.send("GET", path)
            tap.equal(answer.status, 401)
            tap.true(answer.getheader("WWW-Authenticate").startswith("Basic"), "asks for Basic")
        # an endless header of somebody unknown
        answer = soap.post("ObjectService", envelope("", "<soap:Header>" + "<wsse:a>x</wsse:a>" *
                                                     20_000 + "</soap:Header>"))
        refused(answer)


@tap.test
def a_content_in_the_header_of_somebody_unknown_is_refused_at_once(system):
    """It would be stored while the password is still to come, and may never."""
    opened = envelope("", "<soap:Header><cmism:contentStream><cmism:stream>MARK</soap:Header>")
    start = opened.partition(b"MARK")[0] + base64.b64encode(dms_server.noise(300_000))
    other = envelope("").replace(b"<soap:Body>", b"<soap:Corpse><cmism:stream>MARK").partition(b"MARK")
    for text in (start, other[0] + base64.b64encode(dms_server.noise(300_000))):
        with nothing_stays(system):
            connection = cb.http.client.HTTPConnection(*system.address(), timeout=20)
            connection.putrequest("POST", "/cmis/services/ObjectService")
            connection.putheader("Content-Type", "text/xml")
            connection.putheader("Content-Length", str(1 << 30))
            connection.endheaders()
            try:
                connection.send(text)
            except ConnectionError:
                pass # it was refused before all was sent
            tap.equal(connection.getresponse().status, 401) # though the message has not ended
            connection.close()


@tap.test
def what_is_cut_off_leaves_nothing(system):
    part = dms_server.noise(500_000)
    auth = base64.b64encode(system.server.auth.encode()).decode()
    bodies = {
        "/cmis/services/ObjectService": (MTOM, mtom(("root@x", envelope(create_xml(INCLUDE))),
                                                    ("part@x", part))),
        urllib.parse.urlsplit(system.children).path + "?id=1":
            (cb.ENTRY, document(base64.b64encode(part).decode()))}
    with nothing_stays(system):
        for path, (kind, body) in bodies.items():
            for sent in (10, 2000, len(body) // 2, len(body) - 10):
                with socket.create_connection(system.address()) as raw:
                    raw.sendall((f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {auth}"
                                 f"\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                                 ).encode() + body[:sent])
                    raw.shutdown(socket.SHUT_WR)
                    answer = raw.recv(4096)
                    tap.true(b" 20" not in answer[:15], answer[:100])
            with socket.create_connection(system.address()) as raw: # a length that is too small
                raw.sendall((f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {auth}\r\n"
                             f"Content-Type: {kind}\r\nConnection: close\r\nContent-Length: "
                             f"{len(body) // 2}\r\n\r\n").encode() + body[:len(body) // 2])
                tap.true(b" 200 " not in raw.recv(4096)[:20], "half of it is no request")


@tap.test
def what_is_said_back_cannot_run(system):
    evil = '<script>alert(1)</script>"\''
    answer = system.atom.send("GET", "/cmis/atom/coffer/entry?id=" + urllib.parse.quote(evil))
    tap.equal(answer.status, 404)
    tap.true(b"<script" not in answer.body, answer.body)
    tap.equal(answer.getheader("Content-Security-Policy"), "default-src 'none'")
    answer = system.atom.send("GET", "/cmis/atom", Host='a"><b>')
    tap.true(b'"><b>' not in answer.body and answer.status in (200, 400), "Host")
    answer = system.atom.send("GET", "/cmis/atom", Host="docs.example:8443",
                              X_Forwarded_Proto="https")
    tap.true(b'"https://docs.example:8443/cmis/atom/coffer/' in answer.body, "the client's Host")
    number = system.soap.create("Document", cb.named("cmis:document", 'x".html'), "1",
                                (b"<script>alert(1)</script>", "text/html", 'a"\r\nX-Evil: 1'))
    answer = system.atom.send("GET", "/cmis/atom/coffer/content?id=" + number)
    tap.equal((answer.status, answer.getheader("X-Evil")), (200, None))
    tap.true("sandbox" in answer.getheader("Content-Security-Policy"), "sandboxed")
    tap.true(answer.getheader("Content-Disposition").startswith("attachment"), "not shown")
    system.soap.content(number)
    system.soap.delete(number)
    with nothing_stays(system):
        for kind in ("text/plain\r\nX-Evil: 1", "a/\x7fb", "text", "a/b; c=\u00e9"):
            for client in (system.soap, system.atom):
                try:
                    client.create("Document", cb.named("cmis:document", "kind"), "1",
                                  (b"x", kind, "x"))
                except cb.CmisError as error:
                    tap.equal(error.name, "invalidArgument")
                else:
                    raise AssertionError(f"{kind!r} was taken")


@tap.test
def clients_that_go_away_in_the_middle_of_an_answer_take_nothing_along(system):
    folder = system.soap.create("Folder", cb.named("cmis:folder", "many"), "1")
    content = (dms_server.noise(300_000), "text/plain", "x")
    number = [system.soap.create("Document", cb.named("cmis:document", f"n{i}"), folder,
                                 content if i == 0 else None) for i in range(100)][0]
    auth = base64.b64encode(system.server.auth.encode()).decode()
    get = envelope("<cmism:getContentStream><cmism:repositoryId>coffer</cmism:repositoryId>"
                   f"<cmism:objectId>{number}</cmism:objectId></cmism:getContentStream>").decode()
    head = f"Host: x\r\nAuthorization: Basic {auth}\r\n"
    requests = (f"GET /cmis/atom/coffer/children?id={folder}&maxItems=1000 HTTP/1.1\r\n{head}\r\n",
                "POST /cmis/services/ObjectService HTTP/1.1\r\nContent-Type: text/xml\r\nAccept: "
                f"text/xml\r\n{head}Content-Length: {len(get)}\r\n\r\n{get}",
                "POST /cmis/services/ObjectService HTTP/1.1\r\nContent-Type: text/xml\r\n"
                f"{head}Content-Length: {len(get)}\r\n\r\n{get}")
    with nothing_stays(system):
        for request in requests * 10:
            with socket.create_connection(system.address()) as raw:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                raw.sendall(request.encode())
                tap.true(raw.recv(1000).startswith(b"HTTP/1.1 200"), "it begins")
    tap.equal(len(system.soap.children(folder, most=1000)[0]), 100)
    page = system.atom.send("GET", f"/cmis/atom/coffer/children?id={folder}&maxItems=1000")
    tap.equal(page.getheader("Transfer-Encoding"), "chunked", "a long list")
    tap.equal(page.body.count(b"<atom:entry>"), 100)
    system.soap.delete_tree(folder)


def peak_kib(system, call):
    """The most memory that was resident while `call` ran."""
    place = f"/proc/{system.server.pid()}/"
    with open(place + "clear_refs", "w", encoding="ascii") as out:
        out.write("5") # the high-water mark begins anew
    call()
    with open(place + "status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


@tap.test
def a_form_of_nothing_takes_no_memory(system):
    for text in (b"&" * (2 << 20), b"=&" * (1 << 20), b"=x&" * (2 << 18)):
        def post(body=text):
            kind = "application/x-www-form-urlencoded"
            answer = system.curl("/cmis/browser/coffer", body, kind)
            tap.equal((answer.status, answer.json["exception"]), (400, "invalidArgument"))
        most = peak_kib(system, post)
        print(f"# most memory for {text[:3]}...: {most} KiB")
        tap.true(most < 2 * MEMORY_KIB_MAX, f"{most} KiB")
    many = system.curl("/cmis/browser/coffer", b"a=b&" * 9000, "application/x-www-form-urlencoded")
    tap.equal((many.status, many.json["exception"]), (400, "invalidArgument"))


# Large contents in constant memory


class Watch:
    """The most private memory that was seen."""

    def __init__(self, system):
        self.system, self.most = system, 0

    def look(self):
        self.most = max(self.most, self.system.private_kib())

    def judge(self, what):
        print(f"# most private memory, {what}: {self.most} KiB")
        tap.true(self.most < MEMORY_KIB_MAX, f"memory stays small: {what}")


def large(digest):
    """Pieces of a large content, each a multiple of three bytes."""
    block = dms_server.noise(3 << 18)
    for number in range(LARGE_MIB * 4 // 3):
        piece = number.to_bytes(8, "little") + block[8:]
        digest.update(piece)
        yield piece


def pieces(watch, before, middle, after):
    yield before
    for number, piece in enumerate(middle):
        if number % 16 == 0:
            watch.look()
        yield piece
    yield after


def split(body):
    before, _, after = body.partition(b"MIDDLE")
    return before, after


def received(answer, watch, decode):
    """The digest of a content in an answer between two marks, read piece by piece."""
    digest, rest = hashlib.sha256(), b""
    while piece := answer.read(1 << 20):
        watch.look()
        rest += piece
        if decode == "base64":
            if b"<cmism:stream>" in rest:
                rest = rest.partition(b"<cmism:stream>")[2]
            data, end, _ = rest.partition(b"<")
            whole = len(data) if end else len(data) // 4 * 4
            digest.update(base64.b64decode(data[:whole]))
            rest = b"" if end else data[whole:]
            if end:
                answer.read()
                break
        else:
            digest.update(rest)
            rest = b""
    return digest.hexdigest()


def store_large(system, target, before, middle, after, kind):
    watch, sent = Watch(system), hashlib.sha256()
    auth = base64.b64encode(system.server.auth.encode()).decode()
    connection = cb.http.client.HTTPConnection(*system.address(), timeout=300)
    connection.request("POST", target, pieces(watch, before, middle(large(sent)), after),
                       {"Content-Type": kind, "Authorization": f"Basic {auth}",
                        "Transfer-Encoding": "chunked"}, encode_chunked=True)
    answer = connection.getresponse()
    body = answer.read()
    tap.true(answer.status < 300, f"{answer.status} {body[:300]}")
    connection.close()
    return watch, sent.hexdigest()


@tap.test
def large_contents_go_in_and_out_in_constant_memory(system):
    before, after = split(document("MIDDLE", "large atom"))
    watch, sent = store_large(system, urllib.parse.urlsplit(system.children).path + "?id=1", before,
                              lambda all_: map(base64.b64encode, all_), after, cb.ENTRY)
    watch.judge("AtomPub, base64 in")
    before, after = split(envelope(create_xml("MIDDLE", "large inline")))
    watch, _ = store_large(system, "/cmis/services/ObjectService", before,
                           lambda all_: map(base64.b64encode, all_), after, "text/xml")
    watch.judge("SOAP, base64 in")
    before, after = split(mtom(("root@x", envelope(create_xml(INCLUDE, "large mtom"))),
                               ("part@x", b"MIDDLE")))
    watch, _ = store_large(system, "/cmis/services/ObjectService", before, lambda all_: all_, after,
                           MTOM)
    watch.judge("SOAP, MTOM in")
    auth = {"Authorization": "Basic " + base64.b64encode(system.server.auth.encode()).decode()}
    for name in ("large atom", "large inline", "large mtom"):
        number = system.atom.by_path("/" + name).id
        connection = cb.http.client.HTTPConnection(*system.address(), timeout=300)
        watch = Watch(system)
        if name == "large atom":
            connection.request("GET", "/cmis/atom/coffer/content?id=" + number, headers=auth)
            tap.equal(received(connection.getresponse(), watch, None), sent, name)
        else:
            body = envelope("<cmism:getContentStream><cmism:repositoryId>coffer"
                            f"</cmism:repositoryId><cmism:objectId>{number}</cmism:objectId>"
                            "</cmism:getContentStream>")
            connection.request("POST", "/cmis/services/ObjectService", body,
                               {**auth, "Content-Type": "text/xml", "Accept": "text/xml"})
            tap.equal(received(connection.getresponse(), watch, "base64"), sent, name)
        connection.close()
        watch.judge(f"{name} out")
        system.atom.delete(number)


@contextlib.contextmanager
def fixture():
    if dms_server.is_foreign():
        raise SystemExit("this needs a server of its own")
    with dms_server.own_server(sys.argv[1]) as server, tempfile.TemporaryDirectory() as keep:
        yield System(server, keep)


if __name__ == "__main__":
    tap.main(fixture)
