# SPDX-License-Identifier: Apache-2.0
"""coffer-dms-out, the program that speaks to the world outside: it goes only where it is sent, believes
only the certificate it should, and takes only so much."""
import base64
import contextlib
import errno
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import tap

OUT = sys.argv[1]
EKEYREJECTED = 129


def certificate(directory, name, host="localhost"):
    """A self-signed one: its own authority. The path of the certificate and key in one file."""
    path = os.path.join(directory, name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + host,
                    "-addext", "subjectAltName=DNS:" + host, "-keyout", path + ".key", "-out", path],
                   check=True, capture_output=True)
    return path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self):
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/stall":
            self.server.go.wait(60)
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/never")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/heads":
            self.send_response(200)
            for number in range(80):
                self.send_header(f"X-{number}", "x" * 1000)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 65536)
        text = b"answered " + body
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(text)

    do_GET = do_POST = answer


@contextlib.contextmanager
def server(pem):
    one = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.seen, one.go, one.daemon_threads = [], threading.Event(), True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, pem + ".key")
    one.socket = context.wrap_socket(one.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    try:
        yield one, f"https://localhost:{one.server_address[1]}"
    finally:
        one.go.set()
        one.shutdown()
        one.server_close()


def fetch(job, kind="fetch", raw=None, **environment):
    done = subprocess.run([OUT, kind], input=raw if raw is not None else json.dumps(job).encode(),
                          capture_output=True, check=False, timeout=60,
                          env={"PATH": os.environ["PATH"], "https_proxy": "http://127.0.0.1:1",
                               **environment})
    return json.loads(done.stdout)


class Fixture:
    def __init__(self, directory):
        self.pem, self.other = certificate(directory, "good"), certificate(directory, "other")

    def job(self, **changes):
        return fetch({**self.base, **changes})


@contextlib.contextmanager
def fixture():
    with tempfile.TemporaryDirectory() as directory:
        f = Fixture(directory)
        with server(f.pem) as (f.outside, f.origin):
            f.base = {"origin": f.origin, "url": f.origin + "/", "address": "127.0.0.1",
                      "ca_file": f.pem}
            yield f


@tap.test
def a_request_goes_out_with_headers_and_body_and_the_answer_comes_back(f):
    answer = f.job(method="POST", body="gr\u00fc\u00dfe", headers=["X-Mine: 1"])
    tap.equal(base64.b64decode(answer["body"]).decode(), "answered gr\u00fc\u00dfe")
    tap.equal((answer["status"], answer["type"]), (200, "text/plain"))
    tap.equal(f.outside.seen[-1][2]["X-Mine"], "1")


@tap.test
def no_redirect_is_followed(f):
    tap.equal(f.job(url=f.origin + "/elsewhere")["status"], 302)
    tap.true("/never" not in [seen[1] for seen in f.outside.seen], "only one request was made")


@tap.test
def what_may_not_go_out_does_not(f):
    """Another origin, port, scheme, a user, odd characters; other peers; malformed jobs."""
    before = len(f.outside.seen)
    origin = f.origin
    for url in ("https://localhost/", "https://127.0.0.1:1/", "http" + origin[5:] + "/",
                origin.replace("//", "//user@") + "/", origin + "@evil.example/", origin + "/ x",
                origin + "/\n", "file:///etc/passwd", "ftp://localhost/", "",
                "https://localhost.evil.example/", origin + "/" + "x" * 5000):
        tap.true("error" in f.job(url=url), f"{url} is refused")
    plain = "http" + origin[5:]
    tap.true("https://" in f.job(origin=plain, url=plain + "/")["reason"], "plain http is refused")
    named = origin.replace("localhost", "other.example")
    missing = dict(f.base)
    del missing["ca_file"]
    for answer in (f.job(ca_file=f.other), f.job(origin=named, url=named + "/"),
                   f.job(ca_file="/nonexistent"), fetch(missing)):
        tap.equal(answer["error"], EKEYREJECTED)
    for changes in ({"method": "TRACE"}, {"method": 7}, {"headers": ["A: b\r\nC: d"]},
                    {"headers": "A: b"}, {"size_max": -1}, {"size_max": 1 << 40}, {"time_ms": 0},
                    {"time_ms": 10 ** 9}, {"address": "evil.example"}, {"body": 1}, {"url": None},
                    {"url": origin + "/\0"}):
        tap.true("error" in f.job(**changes), f"{changes} is refused")
    tap.true("error" in fetch(f.base, kind="other"), "an unknown kind is refused")
    tap.true("error" in fetch(None, raw=b"[]"), "a job is an object")
    tap.true("error" in fetch(None, raw=b'{"url":"a","url":"b"}'), "a member stands once")
    tap.equal(len(f.outside.seen), before, "requests that were made")


@tap.test
def it_can_write_nothing_and_read_no_documents(f):
    """libcurl writes the keys of TLS where this variable says: for us a file that it may not make."""
    place = os.path.dirname(f.pem)
    answer = fetch(f.base, SSLKEYLOGFILE=os.path.join(place, "keys"))
    tap.equal(answer["status"], 200)
    tap.true(not os.path.exists(os.path.join(place, "keys")), "nothing is written")
    # One authority's file is all that it may read there.
    os.symlink(f.pem, os.path.join(place, "by-link.pem"))
    tap.equal(f.job(ca_file=os.path.join(place, "by-link.pem"))["status"], 200)


@tap.test
def an_answer_without_end_is_cut(f):
    tap.equal(f.job(url=f.origin + "/endless")["error"], errno.EFBIG)
    tap.equal(f.job(url=f.origin + "/heads")["error"], errno.EFBIG)
    tap.equal(f.job(size_max=3)["error"], errno.EFBIG)


@tap.test
def an_answer_that_does_not_come_is_not_waited_for(f):
    tap.equal(f.job(url=f.origin + "/stall", time_ms=300)["error"], errno.ETIMEDOUT)


@tap.test
def a_server_that_is_not_there_is_said_to_be_not_there(f):
    with socket.create_server(("127.0.0.1", 0)) as held:
        origin = f"https://localhost:{held.getsockname()[1]}"
    tap.equal(f.job(origin=origin, url=origin + "/")["error"], errno.ECONNREFUSED)


tap.main(fixture)
