#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that know nothing of TLS, behind `--tls-listen`: clients speak TLS to them, and what they
answer is what they answer natively on a plain socket.

    tls_shield.py COFFER_RUNTIME NET_ECHO
"""
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

import ports
import tap

RUNTIME, ECHO = map(os.path.abspath, sys.argv[1:3])
WAYS = ["epoll-level", "epoll-edge", "epoll-oneshot", "workers", "poll", "select", "threads", "fork"]


class Server:
    """A program on a port of its own, natively or behind the shield."""

    def __init__(self, command, shielded, port, ready, flags=(), **options):
        self.port, self.shielded = port, shielded
        self.directory = tempfile.mkdtemp(prefix="coffer-tls-")
        self.ca = os.path.join(self.directory, "ca.pem")
        identity = [] if "--tls-cert" in flags else ["--tls-cert-out", self.ca]
        shield = [RUNTIME, "--tls-listen", str(port), *identity, *flags, "--"]
        self.log = open(os.path.join(self.directory, "log"), "w+b")
        self.process = subprocess.Popen((shield if shielded else []) + command, stdout=self.log,
                                        stderr=self.log, stdin=subprocess.DEVNULL,
                                        env=dict(os.environ, PORT=str(port)), **options)
        tap.until(lambda: ready in self.text() or self.process.poll() is not None, ready)
        tap.true(self.process.poll() is None, f"{command[0]} runs: {self.text()[-500:]!r}")

    def text(self):
        with open(self.log.name, "rb") as log:
            return log.read()

    def context(self, **attributes):
        context = ssl.create_default_context(cafile=self.ca)
        for name, value in attributes.items():
            setattr(context, name, value)
        return context

    def connect(self, context=None):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.shielded:
            return s
        return (context or self.context()).wrap_socket(s, server_hostname="localhost")

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory)


@contextlib.contextmanager
def server(command, shielded=True, ready=b"\n", port=None, **options):
    s = Server(command, shielded, port or ports.free_port(), ready, **options)
    try:
        yield s
    finally:
        s.close()


def read_lines(s, count):
    text = b""
    while text.count(b"\n") < count:
        piece = s.recv(65536)
        if not piece:
            break
        text += piece
    return text


def conversation(s):
    """One line at a time, many in one record, one byte in each, and a long one."""
    heard = []
    s.sendall(b"hello\n")
    heard.append(read_lines(s, 1))
    s.sendall(b"".join(b"line %d of many in one record\n" % i for i in range(50)))
    heard.append(read_lines(s, 50))
    for byte in b"one at a time\n":
        s.sendall(bytes([byte]))
    heard.append(read_lines(s, 1))
    s.sendall(b"x" * 40000 + b"\n")
    heard.append(read_lines(s, 1))
    return heard


def echo_session(way, shielded):
    with server([ECHO, way], shielded) as s:
        with s.connect() as one:
            heard = conversation(one)
        if way != "fork":  # several at once
            context = s.context() if shielded else None
            many = [s.connect(context) for _ in range(20)]
            for number, each in enumerate(many):
                each.sendall(b"client %d\n" % number)
            heard += [read_lines(each, 1) for each in many]
            for each in many:
                each.close()
        with s.connect() as last:
            last.sendall(b"quit\n")
            heard.append(read_lines(last, 1))
        return heard, s.process.wait(10)


def make_way_test(way):
    def check():
        native, shielded = echo_session(way, False), echo_session(way, True)
        tap.equal(shielded, native, way)
        tap.equal(native[1], 0, "exit code")
    check.__name__ = "waiting_with_" + way.replace("-", "_") + "_is_the_same_behind_the_shield"
    return check


for each_way in WAYS:
    tap.test(make_way_test(each_way))


@tap.test
def what_is_on_the_wire_is_not_what_was_said():
    secret = b"a phrase that must not be seen on the wire"
    with server([ECHO, "epoll-level"]) as s:
        seen = b""
        with socket.create_connection(("127.0.0.1", s.port)) as raw:
            inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = s.context().wrap_bio(inward, outward, server_hostname="localhost")
            sent = False
            while True:
                try:
                    if not sent:
                        tls.do_handshake()
                        tls.write(secret + b"\n")
                        sent = True
                    answer = tls.read()
                    break
                except ssl.SSLWantReadError:
                    out = outward.read()
                    seen += out
                    raw.sendall(out)
                    piece = raw.recv(65536)
                    seen += piece
                    inward.write(piece)
        tap.true(answer.startswith(b"%d " % len(secret)), f"answer {answer!r}")
        tap.true(len(seen) > 1000 and secret not in seen and answer not in seen, "only ciphertext")


@tap.test
def an_old_protocol_a_plain_one_and_a_foreign_authority_are_refused():
    with server([ECHO, "epoll-level"]) as s:
        for context in (s.context(maximum_version=ssl.TLSVersion.TLSv1_2),
                        ssl.create_default_context()):
            try:
                s.connect(context).close()
                raise AssertionError("was accepted")
            except (ssl.SSLError, ConnectionError):
                pass
        with socket.create_connection(("127.0.0.1", s.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            tap.true(plain.recv(4096).startswith(b"HTTP/1.1 400 "), "told what this port is")
        with s.connect() as still:
            still.sendall(b"hello\n")
            tap.true(read_lines(still, 1).startswith(b"5 "), "the others go on")


@tap.test
def the_protocol_is_the_first_of_ours_that_the_client_offers():
    def agreed(s, *offers):
        context = s.context()
        if offers:
            context.set_alpn_protocols(list(offers))
        with s.connect(context) as one:
            one.sendall(b"hello\n")
            tap.true(read_lines(one, 1).startswith(b"5 "), "it speaks")
            return one.selected_alpn_protocol()
    with server([ECHO, "epoll-level"]) as s:
        tap.equal([agreed(s), agreed(s, "h2", "http/1.1"), agreed(s, "h2")],
                  [None, "http/1.1", None])
    with server([ECHO, "epoll-level"], flags=["--tls-alpn", "h2,http/1.1"]) as s:
        tap.equal([agreed(s), agreed(s, "http/1.1", "h2"), agreed(s, "http/1.1"), agreed(s, "x")],
                  [None, "h2", "http/1.1", None])


@tap.test
def a_session_begun_in_one_process_is_resumed_in_another():
    with server([ECHO, "fork"]) as s:
        context, sessions = s.context(), []
        for turn in range(3):
            raw = socket.create_connection(("127.0.0.1", s.port), timeout=20)
            with context.wrap_socket(raw, server_hostname="localhost",
                                     session=sessions[-1] if sessions else None) as one:
                one.sendall(b"hello\n")
                tap.true(read_lines(one, 1).startswith(b"5 "), "it speaks")
                tap.equal(one.session_reused, turn > 0, f"connection {turn}")
                sessions.append(one.session)


def make_certificate(directory, name):
    """A new identity over the files of the old one, each in one step."""
    paths = [os.path.join(directory, part) for part in ("cert.pem", "key.pem")]
    fresh = [path + ".new" for path in paths]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", fresh[1], "-out", fresh[0],
                    "-days", "2", "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    with open(fresh[0], encoding="ascii") as file:
        pem = file.read()
    for new, path in zip(fresh, paths):
        os.replace(new, path)
    return ssl.PEM_cert_to_DER_cert(pem)


@tap.test
def a_renewed_certificate_is_shown_without_a_restart_and_connections_go_on():
    with tempfile.TemporaryDirectory() as directory:
        first = make_certificate(directory, "first")
        flags = ["--tls-cert", os.path.join(directory, "cert.pem"), "--tls-key",
                 os.path.join(directory, "key.pem")]
        any_context = ssl._create_unverified_context()
        with server([ECHO, "epoll-level"], flags=flags) as s:
            def shown():
                with s.connect(any_context) as one:
                    return one.getpeercert(True)
            with s.connect(any_context) as old:
                tap.true(old.getpeercert(True) == first, "the first certificate")
                with open(flags[3], "w", encoding="ascii") as key: # half of a renewal
                    key.write("no key\n")
                tap.until(lambda: b"stays" in (shown() and s.text()), "the old one stays")
                tap.true(shown() == first, "and serves")
                second = make_certificate(directory, "second")
                tap.until(lambda: shown() == second, "the second certificate")
                old.sendall(b"hello\n")
                tap.true(read_lines(old, 1).startswith(b"5 "), "the old connection goes on")


@tap.test
def a_thousand_connections_at_once():
    with server([ECHO, "epoll-edge"]) as s:
        context = s.context()
        many = [s.connect(context) for _ in range(1000)]
        for number, each in enumerate(many):
            each.sendall(b"%d\n" % number)
        for number, each in enumerate(many):
            tap.true(read_lines(each, 1).startswith(b"%d " % len(str(number))), f"answer {number}")
        for each in many:
            each.close()


@tap.test
def a_slow_client_does_not_hold_up_the_others():
    with server([ECHO, "epoll-level"]) as s:
        slow = socket.create_connection(("127.0.0.1", s.port))
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = s.context().wrap_bio(inward, outward, server_hostname="localhost")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        for byte in outward.read():
            slow.sendall(bytes([byte]))
            if byte % 16 == 0:
                with s.connect() as other:
                    other.sendall(b"hi\n")
                    tap.true(read_lines(other, 1).startswith(b"2 "), "others are served")
        slow.settimeout(20)
        tap.true(len(slow.recv(4096)) > 0, "the slow one is answered in the end")
        slow.close()


@tap.test
def redis_server_speaks_tls():
    if not shutil.which("redis-server"):
        raise tap.Skip("no redis-server")
    port = ports.free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]
    with server(command, ready=b"Ready to accept", port=port, cwd="/tmp") as s:
        cli = ["redis-cli", "--tls", "--cacert", s.ca, "-h", "localhost", "-p", str(port)]
        run = lambda *args: subprocess.run(cli + list(args), capture_output=True, timeout=30).stdout
        tap.equal(run("set", "key", "value"), b"OK\n")
        tap.equal(run("get", "key"), b"value\n")
        big = "x" * 1000000
        tap.equal(subprocess.run(cli + ["-x", "set", "big"], input=big.encode(),
                                 capture_output=True, timeout=30).stdout, b"OK\n")
        tap.equal(len(run("get", "big")), len(big) + 1)
        tap.equal(run("bgsave"), b"Background saving started\n")  # a fork among connections
        tap.equal(run("get", "key"), b"value\n")
        client = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile",
                                 s.ca, "-verify_return_error", "-no_ign_eof", "-quiet"],
                                input=b"PING\r\nQUIT\r\n", capture_output=True, timeout=30)
        tap.true(client.returncode == 0, client.stderr)


@tap.test
def python_serves_files_to_curl():
    if not shutil.which("curl"):
        raise tap.Skip("no curl")
    port = ports.free_port()
    with tempfile.TemporaryDirectory() as root:
        content = os.urandom(30 << 20)
        with open(os.path.join(root, "big"), "wb") as f:
            f.write(content)
        code = ("import http.server as h; H = h.SimpleHTTPRequestHandler; "
                "H.protocol_version = 'HTTP/1.1'; print('up', flush=True); "
                f"h.ThreadingHTTPServer(('127.0.0.1', {port}), H).serve_forever()")
        with server(["/usr/bin/python3", "-c", code], ready=b"up", port=port, cwd=root) as s:
            url = f"https://localhost:{port}/big"
            out = os.path.join(root, "out")
            curl = ["curl", "-sS", "--cacert", s.ca, "--retry", "20", "--retry-connrefused",
                    "--retry-delay", "0", "--retry-max-time", "20"]
            done = subprocess.run(curl + ["-o", out, "-o", out + "2", "-w", "%{num_connects} ", url,
                                          url], capture_output=True, timeout=60)
            tap.equal(done.returncode, 0, done.stderr.decode())
            tap.equal(done.stdout.split(), [b"1", b"0"], "the connection is kept")
            for name in (out, out + "2"):
                with open(name, "rb") as f:
                    tap.true(f.read() == content, "the download is the file")


tap.main()
