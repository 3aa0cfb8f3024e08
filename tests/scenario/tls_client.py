#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that speak plainly to a destination which `--tls-connect` names: on the wire it is TLS, and
the server's name and authority are checked. And calls that reach a shielded socket by other ways.

    tls_client.py COFFER_RUNTIME
"""
import contextlib
import http.server
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import ports
import tap

RUNTIME = os.path.abspath(sys.argv[1])


class Authority:
    """A certificate for `name`, signed by itself, in a directory that goes away."""

    def __init__(self, directory, name, alternative):
        self.certificate = os.path.join(directory, name + ".pem")
        self.key = os.path.join(directory, name + ".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out",
                        self.certificate, "-days", "2", "-subj", "/CN=" + name, "-addext",
                        "subjectAltName=" + alternative], check=True, capture_output=True)


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(b"hello " * 100000)

    def do_PUT(self):
        self.answer(b"%d" % len(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, *_):
        pass


class Fixture:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="coffer-tls-client-")
        self.good = Authority(self.directory, "good", "IP:127.0.0.1,DNS:localhost")
        self.other = Authority(self.directory, "other", "DNS:elsewhere")
        self.ports = {}
        self.servers = []
        for authority in (self.good, self.other):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.certificate, authority.key)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            server.socket = context.wrap_socket(server.socket, server_side=True,
                                                do_handshake_on_connect=False)
            server.handle_error = lambda *_: None
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.servers.append(server)
            self.ports[authority] = server.server_address[1]

    def run(self, command, authority, trust, **options):
        port = self.ports[authority]
        rule = f"127.0.0.1:{port}={trust.certificate}"
        return subprocess.run([RUNTIME, "--tls-connect", rule, "--"] +
                              [part.replace("PORT", str(port)) for part in command],
                              capture_output=True, timeout=60, **options)


@contextlib.contextmanager
def fixture():
    f = Fixture()
    try:
        yield f
    finally:
        for server in f.servers:
            server.shutdown()
        shutil.rmtree(f.directory)


CURL = ["curl", "-sS", "--noproxy", "*", "http://127.0.0.1:PORT/"]


@tap.test
def curl_without_tls_reads_from_a_tls_server(f):
    done = f.run(CURL, f.good, f.good)
    tap.equal(done.returncode, 0, done.stderr)
    tap.equal(done.stdout, b"hello " * 100000)


@tap.test
def curl_uploads_to_it(f):
    path = os.path.join(f.directory, "upload")
    with open(path, "wb") as upload:
        upload.write(os.urandom(20 << 20))
    done = f.run(CURL + ["-T", path], f.good, f.good)
    tap.equal(done.stdout, b"%d" % (20 << 20), done.stderr)


@tap.test
def a_server_under_another_authority_or_name_is_refused_and_the_reason_is_said(f):
    for authority, trust in ((f.good, f.other), (f.other, f.other)):
        done = f.run(CURL, authority, trust)
        tap.true(done.returncode != 0 and done.stdout == b"", "no answer")
        tap.true(b"not trusted" in done.stderr, done.stderr)


@tap.test
def python_waits_for_a_connection_in_the_usual_ways(f):
    code = """
import asyncio, socket
s = socket.create_connection(("127.0.0.1", PORT)); s.settimeout(10)
s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
SIZE = 600000
text = b""
while text.count(b"hello ") * 6 < SIZE:
    text += s.recv(65536)
async def again():
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    await reader.readuntil(b"\\r\\n\\r\\n")
    return await reader.readexactly(SIZE)
print(text.endswith(b"hello "), asyncio.run(again()) == b"hello " * (SIZE // 6))
"""
    done = f.run(["/usr/bin/python3", "-c", code], f.good, f.good)
    tap.equal(done.stdout, b"True True\n", done.stderr)


def serve(code, *arguments):
    """A Python program behind --tls-listen; yields its port, context and process."""
    port = ports.free_port()
    directory = tempfile.mkdtemp(prefix="coffer-tls-")
    ca = os.path.join(directory, "ca.pem")
    process = subprocess.Popen([RUNTIME, "--tls-listen", str(port), "--tls-cert-out", ca, "--",
                                "/usr/bin/python3", "-c", code, str(port), *arguments],
                               stdout=subprocess.PIPE)
    tap.equal(process.stdout.readline(), b"up\n")
    return port, ssl.create_default_context(cafile=ca), process, directory


def finish(process, directory):
    process.terminate()
    process.wait(10)
    process.stdout.close()
    shutil.rmtree(directory)


LISTEN = """
import os, signal, socket, subprocess, sys
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(("127.0.0.1", int(sys.argv[1]))); l.listen(16); print("up", flush=True)
"""


def connect(port, context):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20),
                               server_hostname="localhost")


def read_all(s):
    pieces = []
    while True:
        piece = s.recv(65536)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


@tap.test
def sendfile_goes_through_the_shield(f):
    path = os.path.join(f.directory, "file")
    content = os.urandom(5 << 20)
    with open(path, "wb") as file:
        file.write(content)
    code = LISTEN + """
while True:
    s, _ = l.accept()
    s.recv(1)
    with open(sys.argv[2], "rb") as file:
        at = 0
        while True:
            n = os.sendfile(s.fileno(), file.fileno(), at, 1 << 20)
            if n == 0: break
            at += n
    s.close()
"""
    port, context, *rest = serve(code, path)
    with connect(port, context) as s:
        s.sendall(b"x")
        tap.true(read_all(s) == content, "the file arrives whole, and the end is said")
    finish(*rest)


@tap.test
def a_program_that_exits_says_goodbye(f):
    port, context, *rest = serve(LISTEN + "s, _ = l.accept(); s.recv(1); s.sendall(b'x' * 3000000)")
    with connect(port, context) as s:
        s.sendall(b"x")
        tap.equal(len(read_all(s)), 3000000)
    finish(*rest)


@tap.test
def a_child_program_does_not_inherit_the_raw_socket(f):
    code = LISTEN + """
s, _ = l.accept(); s.recv(1); s.set_inheritable(True)
r = subprocess.run([sys.executable, "-c", "import os, sys; os.write(int(sys.argv[1]), b'leak')",
                    str(s.fileno())], close_fds=False, stderr=subprocess.DEVNULL)
s.sendall(b"exit code %d" % (r.returncode != 0)); s.close()
"""
    port, context, *rest = serve(code)
    with connect(port, context) as s:
        s.sendall(b"x")
        tap.equal(read_all(s), b"exit code 1")
    finish(*rest)


@tap.test
def a_connection_whose_keys_are_here_is_not_passed_to_another_process(f):
    code = LISTEN + """
import array
a, b = socket.socketpair()
s, _ = l.accept(); s.recv(1)
try:
    a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
    s.sendall(b"passed")
except PermissionError:
    s.sendall(b"refused")
s.close()
"""
    port, context, *rest = serve(code)
    with connect(port, context) as s:
        s.sendall(b"x")
        tap.equal(read_all(s), b"refused")
    finish(*rest)


@tap.test
def a_listener_that_the_program_inherits_is_shielded(f):
    code = """
import socket, sys
l = socket.socket(fileno=int(sys.argv[2])); print("up", flush=True)
s, _ = l.accept(); s.sendall(b"got " + s.recv(100)); s.close()
"""
    directory = tempfile.mkdtemp(prefix="coffer-tls-")
    ca = os.path.join(directory, "ca.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        process = subprocess.Popen([RUNTIME, "--tls-listen", port, "--tls-cert-out", ca, "--",
                                    "/usr/bin/python3", "-c", code, port, str(listener.fileno())],
                                   stdout=subprocess.PIPE, pass_fds=[listener.fileno()])
        tap.equal(process.stdout.readline(), b"up\n")
    with connect(int(port), ssl.create_default_context(cafile=ca)) as s:
        s.sendall(b"hello")
        tap.equal(read_all(s), b"got hello")
    finish(process, directory)


@tap.test
def a_signal_interrupts_a_waiting_read_and_the_connection_goes_on(f):
    code = LISTEN + """
class Told(Exception): pass
def told(*_): raise Told()
signal.signal(signal.SIGUSR1, told)
s, _ = l.accept(); s.recv(1)
try:
    s.sendall(b"ready"); s.recv(100)
except Told:
    s.sendall(b"told")
s.sendall(s.recv(100)); s.close()
"""
    port, context, process, directory = serve(code)
    with connect(port, context) as s:
        s.sendall(b"x")
        tap.equal(s.recv(100), b"ready")
        process.send_signal(signal.SIGUSR1)
        tap.equal(s.recv(100), b"told")
        s.sendall(b"and on")
        tap.equal(s.recv(100), b"and on")
    finish(process, directory)


@tap.test
def a_cut_connection_is_an_error_and_no_end(f):
    code = LISTEN + """
while True:
    s, _ = l.accept()
    try:
        while s.recv(100): pass
        s.close()
        print("end", flush=True)
    except ConnectionResetError:
        print("reset", flush=True)
"""
    port, context, process, directory = serve(code)
    with connect(port, context) as s:
        s.sendall(b"half a request")
        os.close(s.detach())  # no close_notify
    tap.equal(process.stdout.readline(), b"reset\n")
    with connect(port, context) as s:
        s.sendall(b"a request")
        s.unwrap()
    tap.equal(process.stdout.readline(), b"end\n")
    finish(process, directory)


tap.main(fixture)
