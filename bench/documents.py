#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what people do with documents: transfers, lists, changes, searches, and the bindings.

    bench/documents.py BUILD [--rounds N] [--seconds S] [--entries N] [--documents N]
                       [--variants abcdef] [--json FILE]

Variants (a) to (d) are those of bench/dms.py; (e) and (f) are nginx with WebDAV and TLS, its files on
the plain file system and on gocryptfs. Rows that are WebDAV send the same bytes to all of them; the
others exist in the document server only. The client is wrk with 16 connections; variants take turns
within each round, in an order that rotates. Full-text search runs over --documents documents in (a)
and (d). An upload to the document server is durable when it is answered, one to nginx is not.
"""
import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

import machine
import servers

USER = "admin"
AUTH = "Basic " + base64.b64encode(f"{USER}:{servers.PASSWORD}".encode()).decode()
CONNECTIONS = 16

NGINX = """
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
load_module modules/ngx_http_dav_ext_module.so;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_buffer_size 64k;
    client_body_temp_path {store}/incoming;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        auth_basic bench;
        auth_basic_user_file {folder}/users;
        root {store};
        location /dav/ {{
            dav_methods PUT DELETE MKCOL COPY MOVE;
            dav_ext_methods PROPFIND OPTIONS;
            create_full_put_path on;
        }}
    }}
}}
"""


class Nginx(servers.Server):
    """nginx as a WebDAV server; `store` is where its files lie."""

    def start(self):
        self.store = self.make_store()
        os.makedirs(os.path.join(self.store, "dav"))
        os.makedirs(os.path.join(self.store, "incoming"))
        for path in (os.path.join(self.store, "dav"), os.path.join(self.store, "incoming")):
            os.chmod(path, 0o777)
        with open(os.path.join(self.folder, "users"), "w", encoding="ascii") as out:
            out.write(f"{USER}:{{PLAIN}}{servers.PASSWORD}\n")
        config = os.path.join(self.folder, "nginx.conf")
        with open(config, "w", encoding="ascii") as out:
            out.write(("user root;\n" if os.geteuid() == 0 else "") +
                      NGINX.format(folder=self.folder, store=self.store, port=self.port,
                                   cert=self.tls["cert"], key=self.tls["key"]))
        self.run(["nginx", "-p", "/usr/share/nginx", "-c", config])

    def make_store(self):
        return os.path.join(self.folder, "data")


class NginxOnGocryptfs(Nginx):
    def make_store(self):
        cipher, point = (os.path.join(self.folder, name) for name in ("cipher", "point"))
        os.mkdir(cipher)
        os.mkdir(point)
        call = ["gocryptfs", "-q", "-extpass", "echo bench"]
        subprocess.run([*call, "-init", "-scryptn", "10", cipher], check=True, capture_output=True)
        subprocess.run([*call, cipher, point], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.point = point
        return point

    def stop(self):
        super().stop()
        for _ in range(100):
            if subprocess.run(["umount", self.point], check=False,
                              capture_output=True).returncode == 0:
                return
            time.sleep(0.05)


PEERS = [
    ("e", "nginx, WebDAV, TLS, plain files", Nginx),
    ("f", "nginx, WebDAV, TLS, files on gocryptfs", NginxOnGocryptfs),
]
OURS = "abcd"


class Client:
    """One connection to a variant."""

    def __init__(self, server):
        self.server = server
        self.connection = None

    def connect(self):
        if not self.server.tls:
            return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        context = ssl.create_default_context(cafile=self.server.tls["ca"])
        context.check_hostname = False
        return http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=120,
                                           context=context)

    def call(self, method, path, body=None, headers=None):
        """The body of the answer; an answer that is no success ends the benchmark."""
        if self.connection is None:
            self.connection = self.connect()
        self.connection.request(method, path, body, {"Authorization": AUTH, **(headers or {})})
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status not in (200, 201, 204, 207):
            raise RuntimeError(f"variant {self.server.letter}: {method} {path}: {answer.status} "
                               f"{data[:200]!r}")
        return data


def fill(server, calls, connections=4):
    """Makes many calls (method, path, body, headers) over a few connections."""
    calls = list(calls)

    def some(start):
        client = Client(server)
        for call in calls[start::connections]:
            client.call(*call)

    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        list(pool.map(some, range(connections)))


# --- wrk ----------------------------------------------------------------------------------------

LUA = """
local body = nil
if {body} ~= "" then
    local file = io.open({body}, "rb")
    body = file:read("*a")
    file:close()
end
local headers = {{ {headers} }}
local n = 0
local seed = "{seed}"
local paths = {{ {paths} }}
function request()
    n = n + 1
    local path = paths[(n - 1) % #paths + 1]:gsub("COUNTER", seed .. n)
    local sent = body
    if {vary} then
        sent = body:gsub("COUNTER", seed .. n)
    end
    return wrk.format("{method}", path, headers, sent)
end

function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,
             e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50),
             latency:percentile(90), latency:percentile(99)))
end
"""


class Request:
    """What wrk sends: `paths` in turn; COUNTER in a path or, with `vary`, in the body becomes a text
    that no other request has."""

    def __init__(self, method, paths, body=b"", headers=None, vary=False, long=False):
        self.method, self.paths, self.body = method, paths, body
        self.headers, self.vary = headers or {}, vary
        self.connections = 1 if long else CONNECTIONS  # an answer that alone takes long


def measure(server, request, folder, seconds, seed):
    """One run of wrk: {"rate": 1/s, "p50": ms, "p90": ms, "p99": ms}."""
    script, body = os.path.join(folder, "script.lua"), ""
    if request.body:
        body = os.path.join(folder, "body")
        with open(body, "wb") as out:
            out.write(request.body)
    headers = {"Authorization": AUTH, "Host": f"{servers.TENANT}.localhost", **request.headers}
    with open(script, "w", encoding="ascii") as out:
        out.write(LUA.format(
            body=json.dumps(body), method=request.method, seed=seed,
            vary="true" if request.vary else "false",
            headers=", ".join(f"[{json.dumps(k)}] = {json.dumps(v)}" for k, v in headers.items()),
            paths=", ".join(json.dumps(path) for path in request.paths)))
    scheme = "https" if server.tls else "http"
    text = subprocess.run(
        ["wrk", "-t", "1", "-c", str(request.connections), "-d", f"{seconds}s", "--timeout", "30s", "-s",
         script, f"{scheme}://127.0.0.1:{server.port}/"],
        capture_output=True, text=True, timeout=60 + 10 * seconds, check=False).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", text)
    if not found or not int(found[1]):
        raise RuntimeError(f"variant {server.letter}: wrk said {text!r}")
    requests, micros, errors, p50, p90, p99 = (int(value) for value in found.groups())
    if errors:
        raise RuntimeError(f"variant {server.letter}: {request.method} {request.paths[0]}: "
                           f"{errors} of {requests} requests failed")
    return {"rate": requests * 1e6 / micros, "p50": p50 / 1000, "p90": p90 / 1000,
            "p99": p99 / 1000}


# --- rows ---------------------------------------------------------------------------------------

SOAP = """<?xml version="1.0" encoding="UTF-8"?>
<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>
<getObject xmlns="http://docs.oasis-open.org/ns/cmis/messaging/200908/">
<repositoryId>coffer</repositoryId><objectId>{id}</objectId></getObject></S:Body></S:Envelope>
"""


class Prepared:
    """What rows need to know of a variant: folders and documents that were made for them."""

    def __init__(self, server, options):
        self.server = server
        self.ours = server.letter in OURS
        self.client = Client(server)
        small, large = os.urandom(4096), os.urandom(1 << 20)
        for name in ("list", "few", "up"):
            self.client.call("MKCOL", f"/dav/{name}/")
        fill(server, [("PUT", f"/dav/few/{n}.bin", small, None) for n in range(100)])
        fill(server, [("PUT", f"/dav/few/large{n}.bin", large, None) for n in range(8)])
        fill(server, [("PUT", f"/dav/list/entry {n:05}.txt".replace(" ", "%20"), b"an entry",
                       {"Content-Type": "text/plain"}) for n in range(options.entries)])
        if self.ours:
            found = json.loads(self.client.call("GET", "/api/files/few?limit=100"))["items"]
            self.ids = [item["id"] for item in found if not item["name"].startswith("large")]
            self.folder = json.loads(self.client.call(
                "POST", "/api/folders", json.dumps({"name": "list", "existing": True}).encode(),
                {"Content-Type": "application/json"}))["id"]


def get_small(p):
    return Request("GET", [f"/dav/few/{n}.bin" for n in range(100)])


def get_large(p):
    return Request("GET", [f"/dav/few/large{n}.bin" for n in range(8)])


def put_small(p):
    return Request("PUT", ["/dav/up/COUNTER.bin"], os.urandom(4096))


def put_large(p):
    return Request("PUT", ["/dav/up/COUNTER.bin"], os.urandom(1 << 20))


def list_dav(p):
    return Request("PROPFIND", ["/dav/list/"], headers={"Depth": "1"}, long=True)


def list_rest(p):
    return Request("GET", [f"/api/folders/{p.folder}/children?limit=1000"])


def list_browser(p):
    return Request("GET", ["/cmis/browser/coffer/root/list?cmisselector=children&succinct=true"
                           "&maxItems=1000"])


def change(p):
    return Request("PATCH", [f"/api/documents/{one}" for one in p.ids],
                   b'{"properties":{"customer":"Acme","reference":"COUNTER"}}',
                   {"Content-Type": "application/json"}, vary=True)


def object_browser(p):
    return Request("GET", [f"/cmis/browser/coffer/root?cmisselector=object&objectId={one}"
                           "&succinct=true" for one in p.ids])


def object_atom(p):
    return Request("GET", [f"/cmis/atom/coffer/entry?id={one}" for one in p.ids])


def object_soap(p):
    return Request("POST", ["/cmis/services/ObjectService"],
                   SOAP.format(id=p.ids[0]).encode(), {"Content-Type": "text/xml; charset=utf-8"})


WEBDAV = [("GET 4 KiB", get_small), ("GET 1 MiB", get_large), ("PUT 4 KiB", put_small),
          ("PUT 1 MiB", put_large), ("PROPFIND of a large folder, one client", list_dav)]
OWN = [("REST, list by 1,000", list_rest), ("Browser, list by 1,000", list_browser),
       ("REST, change of properties", change), ("Browser, getObject", object_browser),
       ("AtomPub, getObject", object_atom), ("SOAP, getObject", object_soap)]


def measure_rows(running, options, folder):
    """{row: {letter: [measurements]}}"""
    results = {name: {} for name, _ in WEBDAV + OWN}
    for number in range(options.rounds):
        for name, make in WEBDAV + OWN:
            for one in machine.rotated(running, number):
                if (name, make) in OWN and not one.ours:
                    continue
                seed = f"{name[:3].strip()}{number}-".lower()
                row = measure(one.server, make(one), folder, options.seconds, seed)
                results[name].setdefault(one.server.letter, []).append(row)
    return results


# --- search -------------------------------------------------------------------------------------

WORDS = 20000


def word(number):
    """A word of a made-up language, different for each number."""
    out = ""
    number += 7
    while number:
        out += "bdfgklmnprstvz"[number % 14] + "aeiou"[number // 14 % 5]
        number //= 70
    return out


def text_of(number):
    """A page of text: words as seldom and as common as in a language (Zipf), the same each time."""
    chance = random.Random(number)
    return " ".join(word(int(WORDS ** chance.random()) - 1) for _ in range(200)).encode()


def seldom_words():
    """Each is in one document of five hundred, or fewer."""
    chance = random.Random(4)
    return [word(chance.randrange(WORDS // 2, WORDS)) for _ in range(200)]


def measure_search(server, options, folder):
    """{row: measurement}, with wrk's single run each: it has no peer to take turns with."""
    fill(server, (("PUT", f"/api/files/archive/{n // 1000}/{n}.txt", text_of(n),
                   {"Content-Type": "text/plain"}) for n in range(options.documents)), 6)
    client = Client(server)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:  # words of contents are indexed behind the upload
        last = json.loads(client.call(
            "GET", f"/api/search?q={word(0)}%20{word(1)}&limit=1"))["items"]
        if last:
            break
    query = "SELECT cmis:name FROM cmis:document WHERE CONTAINS('{}')"
    asked = {
        "seldom words": [f"/api/search?q={one}&limit=50" for one in seldom_words()],
        "the commonest words": [f"/api/search?q={word(n)}&limit=50" for n in range(5)],
        "CMIS query, seldom words": [
            "/cmis/browser/coffer?cmisselector=query&maxItems=50&q=" +
            urllib.parse.quote(query.format(one)) for one in seldom_words()],
    }
    rows = {}
    for name, paths in asked.items():
        for long in (True, False):
            clients = "one client" if long else f"{CONNECTIONS} clients"
            rows[f"{name}, {clients}"] = measure(server, Request("GET", paths, long=long), folder,
                                                 options.seconds, "s")
    pids = machine.descendants(server.processes[0].pid)
    rows["memory"] = {"kib": sum(sum(machine.memory_of(pid)) for pid in pids),
                      "programs_kib": sum(machine.shared_of(pid) for pid in pids)}
    rows["start"] = {"ms": machine.median([start_once(server) for _ in range(9)])}
    return rows


def start_once(server):
    """Milliseconds from starting the program on the store it has until a page is answered."""
    server.stop()
    server.processes.clear()
    begin = time.perf_counter()
    server.start()
    while True:
        client = Client(server)
        try:
            client.connection = client.connect()
            client.connection.request("GET", "/plain.html")
            client.connection.getresponse().read(1)
            return (time.perf_counter() - begin) * 1000
        except OSError:
            if server.processes[0].poll() is not None:
                raise
        finally:
            client.connection.close()


# --- report -------------------------------------------------------------------------------------

def rate_of(rows, letter):
    return machine.median([row["rate"] for row in rows.get(letter, [])])


def ratio(rows, one, other):
    if one not in rows or other not in rows:
        return "–"
    return f"{rate_of(rows, one) / rate_of(rows, other):.2f}"


def report_text(results, options):
    letters = list(results["variants"])
    lines = ["## Documents: transfers, lists, changes, searches", ""]
    lines += [f"- ({letter}) {title}" for letter, title in results["variants"].items()]
    lines += ["", f"Client: `wrk`, {CONNECTIONS} kept-alive connections, one thread, on the same "
              f"machine, nothing pinned. {options.rounds} rounds of {options.seconds} s, "
              f"interleaved; medians. The large folder has {options.entries} entries.", "",
              "### Requests per second", "",
              "| | " + " | ".join(f"({letter})" for letter in letters) +
              " | d/c | d/b | d/f | d/a |", "|---|" + "---:|" * (len(letters) + 4)]
    for name, rows in results["rows"].items():
        cells = [f"{rate_of(rows, letter):.{0 if rate_of(rows, letter) > 50 else 1}f}"
                 if letter in rows else "" for letter in letters]
        ratios = [ratio(rows, "d", other) for other in "cbfa"]
        lines.append(f"| {name} | " + " | ".join(cells + ratios) + " |")
    lines += ["", "Goals: d/c at least 0.85, d/b at least 1, d/f at least 1.", ""]
    if results["search"]:
        lines += [f"### Search over {options.documents} documents", "",
                  "| | | per second | p50 ms | p90 ms | p99 ms |", "|---|---|---:|---:|---:|---:|"]
        for letter, rows in results["search"].items():
            lines += [f"| {name} | ({letter}) | {row['rate']:.0f} | {row['p50']:.2f} | "
                      f"{row['p90']:.2f} | {row['p99']:.2f} |"
                      for name, row in rows.items() if "rate" in row]
        lines += ["", "Clients ask without a pause. Goal: p99 under 20 ms. Memory of the server after "
                  "it: " +
                  ", ".join(f"({letter}) {rows['memory']['kib'] / 1024:.1f} MiB, of it "
                            f"{rows['memory']['programs_kib'] / 1024:.1f} of programs, which "
                            "further servers share" for letter, rows in results["search"].items()) + ".", "",
                  "From starting the program to the first byte of a page, that store opened: " +
                  ", ".join(f"({letter}) {rows['start']['ms']:.0f} ms"
                            for letter, rows in results["search"].items()) + ". Goal: under 50 ms.", ""]
    return "\n".join(lines) + "\n"


def main():
    parser = servers.arguments(__doc__, "abcdef", rounds=3)
    parser.add_argument("--entries", type=int, default=10000)
    parser.add_argument("--documents", type=int, default=100000)
    options = parser.parse_args()
    results = {"machine": machine.describe(), "search": {}}
    with tempfile.TemporaryDirectory(prefix="coffer-bench-") as folder, \
            contextlib.ExitStack() as running:
        certificates = servers.certificates(folder)

        def start(kind, letter, title, tls=True):
            server = kind(letter, title, options.build, folder, certificates if tls else None)
            running.callback(server.stop)
            return server

        kinds = [(letter, title, kind, tls) for letter, title, kind, tls in servers.VARIANTS] + \
                [(letter, title, kind, True) for letter, title, kind in PEERS]
        started = [start(kind, letter, title, tls) for letter, title, kind, tls in kinds
                   if letter in options.variants]
        results["variants"] = {server.letter: server.title for server in started}
        prepared = [Prepared(server, options) for server in started]
        results["rows"] = measure_rows(prepared, options, folder)
        if options.documents:
            for server in started:
                if server.letter in "ad":
                    results["search"][server.letter] = measure_search(server, options, folder)
    print(report_text(results, options))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
