# SPDX-License-Identifier: Apache-2.0
"""A document server for scenarios, asked with the real curl.

Natively: Server(program, directory) starts coffer-dms on a free port. Against a running one: set
COFFER_TEST_URL, COFFER_TEST_AUTH (user:password) and, for TLS, COFFER_TEST_CA; tests that need to
start, kill or limit the server are skipped then.
"""
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import zlib

import tap

PASSWORD = "a-password-for-tests"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Asker:
    """curl with a base address and a user."""

    def __init__(self, url, auth, ca=None):
        self.url, self.auth, self.ca = url, auth, ca

    def pid(self):
        """The server's process, if it can be looked at."""
        return None

    def command(self, path, *options, auth=None):
        command = ["curl", "-sS", "--path-as-is", "--max-time", "280"]
        if self.ca:
            command += ["--cacert", self.ca]
        if auth is None:
            command += ["-u", self.auth]
        elif auth:
            command += ["-u", auth]
        return [*command, *options, self.url + path]

    def ask(self, path, *options, auth=None, stdin=None):
        """The last answer (after any 100 Continue); raises if curl itself failed."""
        with tempfile.NamedTemporaryFile() as heads:
            done = subprocess.run(self.command(path, "-D", heads.name, *options, auth=auth),
                                  input=stdin, capture_output=True, check=False, timeout=300)
            text = heads.read().decode("latin-1")
        blocks = [block for block in text.split("\r\n\r\n") if block]
        if not blocks:
            raise ConnectionError(f"curl {done.returncode}: {done.stderr.decode()}")
        lines = blocks[-1].split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Answer(int(lines[0].split()[1]), headers, done.stdout)

    def put(self, path, content, *options):
        return self.ask("/api/files/" + path, "-X", "PUT", "--data-binary", "@-", "-H",
                        "Content-Type: application/octet-stream", *options, stdin=content)

    def get(self, path, *options):
        return self.ask("/api/files/" + path, *options)

    def post(self, path, value, *options, auth=None):
        return self.ask(path, "-H", "Content-Type: application/json", "-d", json.dumps(value),
                        *options, auth=auth)


class Server(Asker):
    """A native coffer-dms of its own; start() may be called again after stop() or kill()."""

    def __init__(self, program, directory, *options, password=PASSWORD, prefix=(), keep=True):
        super().__init__("", "admin:" + password)
        self.program, self.directory, self.options = program, directory, options
        self.prefix, self.process = list(prefix), None
        self.log_path = directory + ".log"
        self.environment = {"COFFER_DMS_FIRST_PASSWORD": password, "PATH": os.environ["PATH"]}
        if keep:
            self.environment["COFFER_DMS_KEEP_FIRST_PASSWORD"] = "1"

    def start(self, must_listen=True):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.program, "--data", self.directory, "--port", "0",
                 *self.options], stderr=log, env=self.environment)
        if must_listen:
            self.url = "http://127.0.0.1:" + tap.until(self.port, "the server listens")
        return self

    def pid(self):
        return self.process.pid

    def port(self):
        found = re.search(r"listening.* port=(\d+)", self.logs())
        if not found and self.process.poll() is not None:
            raise AssertionError(f"the server ended: {self.logs()}")
        return found and found.group(1)

    def logs(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()


def is_foreign():
    return "COFFER_TEST_URL" in os.environ


@contextlib.contextmanager
def server(program, *options, **named):
    """What the environment names, or a native server in a new directory."""
    if is_foreign():
        yield Asker(os.environ["COFFER_TEST_URL"].rstrip("/"), os.environ["COFFER_TEST_AUTH"],
                    os.environ.get("COFFER_TEST_CA"))
        return
    with own_server(program, *options, **named) as started:
        yield started


@contextlib.contextmanager
def own_server(program, *options, **named):
    with tempfile.TemporaryDirectory(prefix="coffer-dms-") as place:
        started = Server(program, place + "/data", *options, **named)
        try:
            yield started.start()
        finally:
            started.close()


# Documents that look like real ones


def noise(size, seed=1):
    """Repeatable bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def pdf(text="Hello"):
    content = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
               b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources"
               b"<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
               b"<</Length %d>>stream\n%s\nendstream" % (len(content), content)]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    return out + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start


def png(width=64, height=64):
    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    rows = b"".join(b"\0" + noise(3 * width, y + 1) for y in range(height))
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def docx(text="Hello"):
    import io
    import zipfile
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml",
                         '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                         '<Default Extension="xml" ContentType="application/xml"/></Types>')
        archive.writestr("word/document.xml", f"<document><body><p>{text}</p></body></document>")
    return out.getvalue()
