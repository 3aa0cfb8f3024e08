# SPDX-License-Identifier: Apache-2.0
"""An OpenID Connect provider for tests that says what it is told to say, right or wrong.

    with openid_provider.running(directory) as provider:
        provider.settings            # for coffer-dms --sign-in
        provider.claims = {"sub": "ada"}
        provider.wrong = {"iss": "https://evil.example"}
"""
import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse

CALLBACK = "/api/sign-in/openid/callback"


def b64(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True,
                          capture_output=True).stdout


def certificate(directory, name, host="localhost"):
    """A self-signed one, its own authority: the paths of certificate and key."""
    path = os.path.join(directory, name + ".pem")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=" + host, "-addext", "subjectAltName=DNS:" + host,
            "-keyout", path + ".key", "-out", path)
    return path, path + ".key"


class Key:
    """An Ed25519 key with a name."""

    def __init__(self, directory, kid):
        self.kid, self.path = kid, os.path.join(directory, kid + ".key")
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.path)
        self.public = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-32:]

    def jwk(self):
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.kid, "x": b64(self.public)}

    def sign(self, said):
        path = self.path + ".said"
        with open(path, "w", encoding="ascii") as file:
            file.write(said)
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", path)


class Provider:
    def __init__(self, directory, redirect_uri):
        self.directory, self.redirect_uri = directory, redirect_uri
        self.pem, self.pem_key = certificate(directory, "provider")
        self.keys = [Key(directory, "one")]
        self.secret = "a secret / of the client?"
        self.claims = {"sub": "ada-1", "preferred_username": "ada"}
        self.userinfo = {}
        self.wrong = {}     # what is not as it should be: see answer_token() and the handler
        self.asked = []     # paths of requests
        self.codes = {}     # code -> what the browser brought
        self.go = threading.Event()

    def ask_right(self):
        self.wrong = {}

    # What the browser does there: the address it is sent back to.
    def visit(self, location):
        url = urllib.parse.urlsplit(location)
        query = dict(urllib.parse.parse_qsl(url.query))
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        back.update(self.wrong.get("back", {}))
        back = {name: value for name, value in back.items() if value is not None}
        return CALLBACK + "?" + urllib.parse.urlencode(back)

    def token(self, nonce):
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "coffer", "iat": now, "exp": now + 300,
                  "nonce": nonce, **self.claims, **self.wrong.get("claims", {})}
        claims = {name: value for name, value in claims.items() if value is not None}
        key = self.wrong.get("key", self.keys[0])
        header = {"alg": "EdDSA", "kid": key.kid, **self.wrong.get("header", {})}
        said = b64(header) + "." + b64(claims)
        if header["alg"] == "none":
            return said + "."
        if header["alg"] == "HS256":  # with the public key as the secret
            return said + "." + b64(hmac.new(key.public, said.encode(), hashlib.sha256).digest())
        return said + "." + b64(key.sign(said))

    def answer_token(self, form, authorization):
        pair = ":".join(urllib.parse.quote(text, safe="-._~") for text in ("coffer", self.secret))
        if authorization != "Basic " + base64.b64encode(pair.encode()).decode():
            return 401, {"error": "invalid_client"}
        asked = self.codes.get(form.get("code"))
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if not asked or challenge != asked["code_challenge"] or \
                form.get("redirect_uri") != self.redirect_uri or \
                form.get("grant_type") != "authorization_code":
            return 400, {"error": "invalid_grant"}
        del self.codes[form["code"]]
        answer = {"access_token": "an-access-token", "token_type": "Bearer",
                  "id_token": self.token(asked["nonce"])}
        return 200, {**answer, **self.wrong.get("token_answer", {})}

    def metadata(self):
        at = self.origin
        right = {"issuer": self.issuer, "authorization_endpoint": at + "/authorize?kind=usual",
                 "token_endpoint": at + "/token", "jwks_uri": at + "/keys",
                 "userinfo_endpoint": at + "/userinfo", "end_session_endpoint": at + "/end",
                 "code_challenge_methods_supported": ["S256"],
                 "authorization_response_iss_parameter_supported": True}
        right.update(self.wrong.get("metadata", {}))
        return {name: value for name, value in right.items() if value is not None}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, value):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in self.server.provider.wrong.get("headers", {}).items():
            self.send_header(name, text)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def answer(self):
        provider = self.server.provider
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        provider.asked.append(path)
        instead = provider.wrong.get(path)
        if instead == "stall":
            provider.go.wait(60)
        elif instead is not None:
            self.send(*instead)
        elif path.endswith("/.well-known/openid-configuration"):
            self.send(200, provider.metadata())
        elif path == "/keys":
            self.send(200, {"keys": [key.jwk() for key in provider.keys]})
        elif path == "/token":
            self.send(*provider.answer_token(dict(urllib.parse.parse_qsl(body.decode())),
                                             self.headers.get("Authorization")))
        elif path == "/userinfo":
            good = self.headers.get("Authorization") == "Bearer an-access-token"
            self.send(200 if good else 401, {"sub": provider.claims["sub"], **provider.userinfo})
        else:
            self.send(404, {})

    do_GET = do_POST = answer


@contextlib.contextmanager
def running(directory, redirect_uri="http://localhost:1" + CALLBACK):
    provider = Provider(directory, redirect_uri)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.provider = True, provider
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(provider.pem, provider.pem_key)
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    provider.origin = f"https://localhost:{server.server_address[1]}"
    provider.issuer = provider.origin + "/realm"
    provider.settings = {"name": "Example", "issuer": provider.issuer, "client_id": "coffer",
                         "client_secret": provider.secret, "redirect_uri": redirect_uri,
                         "ca_file": provider.pem, "address": "127.0.0.1"}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        provider.go.set()
        server.shutdown()
        server.server_close()
