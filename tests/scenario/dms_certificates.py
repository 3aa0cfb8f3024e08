#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Client certificates: the runtime verifies them, the document server knows whose they are.

    dms_certificates.py COFFER_RUNTIME COFFER_DMS
"""
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile

import dms_server
import tap

RUNTIME, PROGRAM = map(os.path.abspath, sys.argv[1:3])
PAGE = ("-H", "X-Requested-With: coffer", "-H", "User-Agent: Mozilla/5.0", "-H", "Sec-Fetch-Site: same-origin")


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


class Authority:
    def __init__(self, place, name):
        self.place, self.pem, self.key = place, f"{place}/{name}.pem", f"{place}/{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.pem)

    def issue(self, name, key=None, days=2):
        """Paths of a certificate and its key, and how the key is named."""
        path = f"{self.place}/{name}"
        if key is None:
            key = path + ".key"
            openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        openssl("req", "-new", "-key", key, "-subj", f"/O=Example/CN={name}", "-out", path + ".csr")
        openssl("x509", "-req", "-in", path + ".csr", "-CA", self.pem, "-CAkey", self.key,
                "-CAcreateserial", "-days", str(days), "-out", path + ".pem")
        public = path + ".der"
        openssl("pkey", "-in", key, "-pubout", "-outform", "DER", "-out", public)
        digest = openssl("dgst", "-sha256", "-r", public).split()[0].decode()
        return ("--cert", path + ".pem", "--key", key), "sha256:" + digest


class Shielded(dms_server.Server):
    """coffer-dms behind the network shield, which demands a certificate."""

    def __init__(self, place, authority):
        super().__init__(PROGRAM, place + "/data", "--https")
        with socket.create_server(("127.0.0.1", 0)) as held:
            self.number = str(held.getsockname()[1])
        self.ca, self.authority = place + "/server.pem", authority
        self.options = ("--https", "--port", self.number)
        self.prefix = [RUNTIME, "--tls-listen", self.number, "--tls-cert-out", self.ca,
                       "--tls-client-ca", authority.pem,
                       *(f"--env={name}={value}" for name, value in self.environment.items()), "--"]
        self.certificate = ()

    def start(self, must_listen=True):
        super().start(must_listen)
        self.url = f"https://localhost:{self.number}"
        return self

    def command(self, path, *options, auth=None):
        return super().command(path, "--resolve", f"localhost:{self.number}:127.0.0.1", *self.certificate,
                               *options, auth=auth)


class System:
    pass


@contextlib.contextmanager
def fixture():
    with tempfile.TemporaryDirectory(prefix="coffer-cert-") as place:
        s = System()
        s.authority, s.stranger = Authority(place, "authority"), Authority(place, "stranger")
        s.admin, s.admin_key = s.authority.issue("boss")
        s.ada, s.ada_key = s.authority.issue("ada")
        s.server = Shielded(place, s.authority)
        s.server.certificate = s.admin
        try:
            s.server.start()
            yield s
        finally:
            s.server.close()


@contextlib.contextmanager
def shown(s, certificate):
    before, s.server.certificate = s.server.certificate, certificate
    try:
        yield s.server
    finally:
        s.server.certificate = before


def me(s, certificate, *options):
    with shown(s, certificate) as server:
        answer = server.ask("/api/me", *options, auth="")
    return answer.json["name"] if answer.status == 200 else answer.status


def link(s, user, key):
    s.server.post("/api/users", {"name": user, "password": "one-time-word-1"})
    s.server.ask("/api/me/password", "-X", "PUT", "-d",
                 '{"old":"one-time-word-1","new":"another-password"}', auth=f"{user}:one-time-word-1")
    return s.server.post(f"/api/users/{user}/identities", {"kind": "certificate", "subject": key})


@tap.test
def without_a_certificate_of_the_authority_nobody_gets_in(s):
    foreign, _ = s.stranger.issue("ada-of-strangers")
    for certificate in ((), foreign):
        with shown(s, certificate) as server:
            try:
                answer = server.ask("/api/me", auth="")
            except ConnectionError:
                continue
            raise AssertionError(f"answered: {answer}")


@tap.test
def a_certificate_is_its_users_and_no_others(s):
    tap.equal(me(s, s.ada), 401, "linked with nobody")
    tap.equal(s.server.ask("/api/sign-in", auth="").json["certificate"],
              {"key": s.admin_key, "subject": "CN=boss,O=Example"})
    linked = link(s, "ada", s.ada_key)
    tap.equal(linked.status, 201, linked)
    tap.equal(me(s, s.ada), "ada")
    tap.equal(me(s, s.admin), 401)
    tap.equal(link(s, "eve", s.ada_key).status, 409, "one key is one user's")
    # Programs work with it: REST, WebDAV, CMIS.
    with shown(s, s.ada) as server:
        tap.equal(server.ask("/api/files/by-certificate.txt", "-T", "-", auth="", stdin=b"hello").status, 201)
        tap.equal(server.ask("/dav/", "-X", "PROPFIND", "-H", "Depth: 0", auth="").status, 207)
        tap.equal(server.ask("/cmis/browser", auth="").status, 200)
        tap.equal(server.ask("/api/users", auth="").status, 403, "as its user may")
        # A wrong password is not made good by the certificate.
        tap.equal(server.ask("/api/me", auth="ada:wrong-password").status, 401)
        tap.equal(server.ask("/api/me", "-H", "Authorization: Bearer x", auth="").status, 401)
        tap.equal(server.ask("/api/me", "-H", "Cookie: __Host-coffer=x", auth="").status, 401)
        own = server.ask("/api/me/identities", auth="").json["items"]
    tap.equal([(one["kind"], one["subject"], one["label"], one["used_ms"] is not None) for one in own],
              [("certificate", s.ada_key, "CN=ada,O=Example", True)])
    # Another certificate for the same key is the same; another key with the same name is not.
    again, key = s.authority.issue("ada-renewed", key=s.ada[3])
    tap.equal((key, me(s, again)), (s.ada_key, "ada"))
    other, _ = s.authority.issue("ada2")
    tap.equal(me(s, other), 401)
    # A one-time password that nobody used stands in nobody's way.
    s.server.post("/api/users", {"name": "new", "password": "one-time-word-1"})
    tap.equal(s.server.post("/api/users/new/identities",
                            {"kind": "certificate", "subject": s.authority.issue("new")[1]}).status, 201)
    with shown(s, ("--cert", s.authority.place + "/new.pem", "--key", s.authority.place + "/new.key")) as server:
        tap.equal(server.ask("/api/folders/root/children", auth="").status, 200)
    # Unlinked, it opens nothing, on the next request of the same connection too.
    tap.equal(s.server.ask(f"/api/users/ada/identities/{linked.json['id']}", "-X", "DELETE").status, 204)
    tap.equal(me(s, s.ada), 401)


@tap.test
def a_browser_begins_a_session_with_it(s):
    link(s, "ida", s.ada_key)
    # A page of another site makes the browser show it: alone it does nothing there.
    tap.equal(me(s, s.ada, "-H", "User-Agent: Mozilla/5.0"), 401)
    tap.equal(me(s, s.ada, "-H", "Sec-Fetch-Site: cross-site"), 401)
    tap.equal(me(s, s.ada, "-H", "Origin: https://evil.example"), 401)
    tap.equal(me(s, s.ada, *PAGE), 401, "our page asks for a session first")
    with shown(s, s.ada) as server:
        body = ("-d", '{"cookie":true}', "-H", "Content-Type: application/json")
        foreign = server.ask("/api/sign-in/certificate", *body, "-H", "Sec-Fetch-Site: cross-site", auth="")
        tap.equal(foreign.status, 403)
        foreign = server.ask("/api/sign-in/certificate", *body, "-H", "User-Agent: Mozilla/5.0", auth="")
        tap.equal(foreign.status, 403, "a form of a page that says nothing")
        begun = server.ask("/api/sign-in/certificate", *body, *PAGE, auth="")
        tap.equal((begun.status, begun.json["user"], "token" in begun.json), (201, "ida", False))
        cookie = begun.headers["set-cookie"].partition(";")[0]
        tap.equal(server.ask("/api/me", *PAGE, "-H", "Cookie: " + cookie, auth="").json["name"], "ida")
        program = server.ask("/api/sign-in/certificate", "-d", "{}", auth="")
        bearer = ("-H", "Authorization: Bearer " + program.json["token"])
        tap.equal(server.ask("/api/me", *bearer, auth="").json["name"], "ida")
        # Unlinking it ends both.
        own = server.ask("/api/me/identities", *bearer, auth="").json["items"]
        tap.equal(server.ask(f"/api/me/identities/{own[0]['id']}", "-X", "DELETE", *bearer, auth="").status,
                  204)
        tap.equal(server.ask("/api/me", *bearer, auth="").status, 401)
        tap.equal(server.ask("/api/me", *PAGE, "-H", "Cookie: " + cookie, auth="").status, 401)
        refused = server.ask("/api/sign-in/certificate", *body, *PAGE, auth="")
        tap.equal((refused.status, refused.json["type"]), (403, "urn:coffer:problem:not-linked"))
    actions = [(e["action"], e["detail"]) for e in s.server.ask("/api/audit?limit=30").json["items"]]
    tap.true(("sign-in", "certificate") in actions and ("sign-in-refused", s.ada_key) in actions, actions)


@tap.test
def one_links_ones_own(s):
    made = s.server.post("/api/me/identities", {"kind": "certificate"})
    tap.equal((made.status, made.json["subject"]), (201, s.admin_key))
    tap.equal(me(s, s.admin), "admin")
    tap.equal(s.server.post("/api/me/identities", {"kind": "certificate"}).status, 409, "it is")
    for subject in ("", "sha256:", s.ada_key[7:], s.ada_key.upper(), s.ada_key + "0", s.ada_key[:-1], 7):
        answer = s.server.post("/api/users/admin/identities", {"kind": "certificate", "subject": subject})
        tap.equal(answer.status, 422, subject)
    answer = s.server.post("/api/users/admin/identities",
                           {"kind": "certificate", "subject": s.ada_key, "issuer": "x"})
    tap.equal(answer.status, 422, "an issuer says nothing here")


@tap.test
def natively_there_is_none(_):
    with dms_server.own_server(PROGRAM) as server:
        tap.equal(server.ask("/api/sign-in", auth="").json["certificate"], None)
        for path in ("/api/sign-in/certificate", "/api/me/identities"):
            answer = server.post(path, {} if "sign-in" in path else {"kind": "certificate"})
            tap.equal((answer.status, answer.json["type"]), (409, "urn:coffer:problem:no-certificate"))
        # Nor can a header say that there is one.
        tap.equal(server.ask("/api/me", "-H", "X-Client-Cert: x", "-H", "X-SSL-Client-Verify: SUCCESS",
                             auth="").status, 401)


tap.main(fixture)
