#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A document server of a hundred lines for testing the load generator: keeps documents in memory
and misbehaves on request: Server(stall=(after_requests, seconds), wrong=..., refuse=..., tls=...)"""
import http.server
import json
import re
import threading
import time

BOUNDARY = b"part"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one write

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        fake = self.server.fake
        size = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(size)
        fake.count()
        if fake.refuse:
            return self.answer(fake.refuse)
        if self.command == "POST" and self.path == "/cmis/services/ObjectService":
            return self.soap(body)
        return self.rest(body)

    def rest(self, body):
        fake = self.server.fake
        if self.command == "POST":
            number = fake.store(body)
            return self.answer(201, json.dumps({"id": f"d{number}"}).encode())
        if self.command == "DELETE":
            return self.answer(204)
        match = re.fullmatch(r"/api/documents/d(\d+)(/content)?", self.path)
        if not match:
            return self.answer(200, b'{"items": [], "next": null}')
        if not match.group(2):
            return self.answer(200, json.dumps({"id": f"d{match.group(1)}"}).encode())
        return self.answer(200, fake.fetch(int(match.group(1))), "application/octet-stream")

    def soap(self, body):
        fake = self.server.fake
        asked = re.search(rb"objectId>d(\d+)<", body)
        if asked:
            parts = [b"Content-ID: <root>\r\n\r\n<xml/>",
                     b"Content-ID: <body>\r\n\r\n" + fake.fetch(int(asked.group(1)))]
            whole = b"".join(b"--" + BOUNDARY + b"\r\n" + part + b"\r\n" for part in parts)
            return self.answer(200, whole + b"--" + BOUNDARY + b"--\r\n", "multipart/related")
        content = body.split(b"Content-ID: <body>\r\n\r\n")[1].rsplit(b"\r\n--", 1)[0]
        number = fake.store(content)
        return self.answer(200, b"<m:objectId>d%d</m:objectId>" % number, "text/xml")

    do_GET = do_POST = do_DELETE = handle_any


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        pass  # a client that goes away is part of the tests


class Server:
    """Listens on a port of the kernel's choice from the moment it exists."""

    def __init__(self, stall=None, wrong=False, refuse=0, tls=None):
        self.documents, self.requests = [], 0
        self.stall, self.wrong, self.refuse = stall, wrong, refuse
        self.lock = threading.Lock()
        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.fake = self
        self.address = f"127.0.0.1:{self.http.server_address[1]}"
        self.url = f"http://{self.address}"
        if tls:  # an ssl.SSLContext
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True,
                                               do_handshake_on_connect=False)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def count(self):
        with self.lock:  # a stall holds every request
            self.requests += 1
            if self.stall and self.requests == self.stall[0]:
                time.sleep(self.stall[1])

    def store(self, body):
        with self.lock:
            self.documents.append(body)
            return len(self.documents) - 1

    def fetch(self, number):
        body = self.documents[number]
        return body[:-1] + bytes([body[-1] ^ 1]) if self.wrong else body

    def close(self):
        self.http.shutdown()
        self.http.server_close()
