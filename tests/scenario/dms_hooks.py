#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Web hooks, with a real receiver that fails, stalls, redirects and dies: dms_hooks.py COFFER_DMS"""
import concurrent.futures
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
FAST = ("--hook-retry-ms", "1", "--hook-attempts", "3")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver = self.server.receiver
        with receiver.news:
            receiver.seen.append((self.path, dict(self.headers), body))
            answer = receiver.answers.pop(0) if receiver.answers else receiver.usual
            receiver.news.notify_all()
        if answer == "stall":
            receiver.go.wait(60)
        if answer in ("stall", "die"):
            self.close_connection = True
            return
        self.send_response(answer)
        if answer == 302:
            self.send_header("Location", "/in/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()


class Receiver:
    """What came, and the answers that the next get; `usual` is that of all others."""

    def __init__(self, port=0, tls=None):
        self.seen, self.answers, self.usual = [], [], 200
        self.news, self.go = threading.Condition(), threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.receiver, self.server.daemon_threads = self, True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls, tls + ".key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/in/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count):
        with self.news:
            tap.true(self.news.wait_for(lambda: len(self.seen) >= count, 30),
                     f"{count} deliveries, and not {len(self.seen)}")
            return self.seen[:count]

    def close(self):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def scene(*options):
    receiver = Receiver()
    try:
        with dms_server.own_server(PROGRAM, "--hook-destinations", receiver.url,
                                   *(options or FAST)) as server:
            yield server, receiver
    finally:
        receiver.close()


def send(server, method, path, value=None, auth=None, status=None):
    body = () if value is None else ("-d", json.dumps(value))
    answer = server.ask(path, "-X", method, *body, auth=auth)
    tap.true(answer.status == status if status else answer.status in (200, 201, 202, 204),
             repr(answer))
    return answer.json if answer.body else None


def hook(server, receiver, **more):
    return send(server, "POST", "/api/hooks", {"name": "h", "url": receiver.url + "x", **more})


def folder(server, name, parent="root"):
    return send(server, "POST", "/api/folders", {"name": name, "parent": parent})["id"]


def events(seen):
    return [event for _, _, body in seen for event in json.loads(body)["events"]]


def state(server, one):
    return send(server, "GET", f"/api/hooks/{one['id']}")


def until(server, one, holds):
    return tap.until(lambda: (lambda now: now if holds(now) else None)(state(server, one)),
                     "the hook's state")


@tap.test
def what_happens_is_told_in_order_signed_and_without_contents():
    with scene() as (server, receiver):
        one = hook(server, receiver)
        tap.equal(len(one["secret"]), 64)
        folders = [folder(server, f"folder {number}") for number in range(5)]
        document = send(server, "PUT", "/api/files/secret.txt", {"very": "confidential"})["id"]
        tap.until(lambda: len(events(receiver.seen)) >= 7, "all of them")
        told = events(receiver.seen)
        tap.equal([event["sequence"] for event in told],
                  sorted(event["sequence"] for event in told))
        tap.equal([event["action"] for event in told][:1], ["hook-add"])
        tap.equal([event["id"] for event in told if event["action"] == "create"],
                  [*folders, document])
        tap.equal(told[-1]["name"], "secret.txt")
        for path, headers, body in receiver.seen:
            tap.equal((path, headers["Content-Type"]), ("/in/x", "application/json"))
            tap.true(b"confidential" not in body, body)
            wanted = hmac.new(bytes.fromhex(one["secret"]),
                              headers["Coffer-Time"].encode() + b"." + body, hashlib.sha256)
            tap.equal(headers["Coffer-Signature"], "sha256=" + wanted.hexdigest())
            told = json.loads(body)["events"]
            tap.equal((headers["Coffer-Hook"], headers["Coffer-Delivery"]),
                      (one["id"], f"{one['id']}-{told[0]['sequence']}-{told[-1]['sequence']}"))
        now = until(server, one, lambda now: now["delivered"] >= 7)
        tap.equal((now["last"], now["failures"], "secret" in now), ("HTTP 200", 0, False))


@tap.test
def a_failure_is_tried_again_and_nothing_overtakes_it():
    with scene("--hook-retry-ms", "1") as (server, receiver):
        receiver.answers = [500, "die", 302, 404]
        one = hook(server, receiver, kinds=["create"])
        first = folder(server, "first")
        receiver.wait(2)
        second = folder(server, "second")
        now = until(server, one, lambda now: now["delivered"] == 2)
        tap.equal((now["failures"], now["dead"], now["dead_letters"]), (0, 0, []))
        tap.true(all(path == "/in/x" for path, _, _ in receiver.seen), "no redirect is followed")
        told = [events([one_seen])[0]["id"] for one_seen in receiver.seen]
        tap.equal(told[:5], [first] * 5)
        tap.true(second in [event["id"] for event in events(receiver.seen[4:])], "and then that")


@tap.test
def what_is_told_is_on_the_disk_whoever_writes_meanwhile():
    """The server ends itself if a hook would be told of what is not committed."""
    with scene("--hook-retry-ms", "1") as (server, receiver):
        receiver.answers = [500] * 4
        hooks = [hook(server, receiver, name=name, kinds=["create"]) for name in "xy"]

        def writer(name):
            for number in range(12):
                folder(server, f"{name} {number}")

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(writer, "abc"))
        for one in hooks:
            until(server, one, lambda now: now["delivered"] == 36)


@tap.test
def more_hooks_than_are_sent_at_once_lose_nothing():
    with scene() as (server, receiver):
        hooks = [hook(server, receiver, name=f"h{number}", kinds=["create"]) for number in range(20)]
        receiver.usual = "stall"
        made = [folder(server, "first")]
        receiver.wait(8)
        made.append(folder(server, "second"))
        receiver.usual = 200
        receiver.go.set()
        for one in hooks:
            until(server, one, lambda now: now["delivered"] == 2)
        for one in hooks:
            told = events([seen for seen in receiver.seen if seen[1]["Coffer-Hook"] == one["id"]])
            tap.equal(list(dict.fromkeys(event["id"] for event in told)), made)


@tap.test
def what_cannot_be_delivered_is_noted_passed_over_and_can_be_told_again():
    with scene() as (server, receiver):
        receiver.usual = 500
        one = hook(server, receiver, kinds=["create"])
        lost = folder(server, "lost")
        now = until(server, one, lambda now: now["dead"] == 1)
        letter = now["dead_letters"][0]
        tap.equal((letter["events"], letter["why"], len(receiver.seen)), (1, "HTTP 500", 3))
        receiver.usual = 204
        after = folder(server, "after")
        until(server, one, lambda now: now["delivered"] == 1)
        tap.equal(events(receiver.seen)[-1]["id"], after)
        send(server, "PATCH", f"/api/hooks/{one['id']}", {"after": letter["first"] - 1})
        now = until(server, one, lambda now: now["delivered"] == 3)
        tap.equal([event["id"] for event in events(receiver.seen)][-2:], [lost, after])
        tap.equal((now["dead"], now["dead_letters"]), (1, []))
        metrics = server.ask("/metrics").body.decode()
        tap.true("coffer_dms_hooks_dead_total 1\n" in metrics, metrics)


@tap.test
def a_restart_and_a_pause_lose_nothing():
    with scene("--hook-retry-ms", "1", "--hook-attempts", "1000") as (server, receiver):
        receiver.answers = ["stall"]
        one = hook(server, receiver, kinds=["create"])
        first = folder(server, "first")
        receiver.wait(1)  # it was sent and never acknowledged
        server.kill()
        server.start()
        until(server, one, lambda now: now["delivered"] == 1)
        tap.equal([event["id"] for event in events(receiver.seen)], [first, first])
        send(server, "PATCH", f"/api/hooks/{one['id']}", {"paused": True})
        more = [folder(server, name) for name in ("second", "third")]
        count = len(receiver.seen)
        server.stop()
        server.start()
        tap.equal((state(server, one)["paused"], len(receiver.seen)), (True, count))
        send(server, "PATCH", f"/api/hooks/{one['id']}", {"paused": False})
        until(server, one, lambda now: now["delivered"] == 3)
        tap.equal([event["id"] for event in events(receiver.seen)][-2:], more)
        # Nobody listens for a while
        port = receiver.port
        receiver.close()
        last = folder(server, "last")
        now = until(server, one, lambda now: now["failures"] > 0)
        tap.true(now["last"] and "HTTP" not in now["last"], now)
        again = Receiver(port)
        until(server, one, lambda now: now["delivered"] == 4)
        tap.equal(events(again.seen)[-1]["id"], last)
        again.close()


@tap.test
def it_tells_what_who_made_it_may_see_and_is_asked_for():
    with scene() as (server, receiver):
        send(server, "POST", "/api/users", {"name": "ada", "password": "one-time-word-1",
                                            "role": "admin"})
        send(server, "PUT", "/api/me/password", {"old": "one-time-word-1", "new": "other-word-22"},
             auth="ada:one-time-word-1")
        closed, inside = folder(server, "closed"), folder(server, "watched")
        hook_of_ada = send(server, "POST", "/api/hooks", {"name": "a", "url": receiver.url + "a",
                                                          "kinds": ["create", "user-add"]},
                           auth="ada:other-word-22")
        send(server, "POST", "/api/hooks", {"name": "b", "url": receiver.url + "b",
                                            "folder": inside})
        send(server, "PUT", f"/api/nodes/{closed}/acl", {"inherits": False, "entries": [
            {"principal": "admin", "permission": "write"}]})
        send(server, "PATCH", "/api/users/ada", {"role": "user"})
        folder(server, "hidden", closed)
        send(server, "POST", "/api/users", {"name": "eve", "password": "one-time-word-1"})
        deep = folder(server, "deep", inside)
        seen = folder(server, "seen", deep)
        elsewhere = folder(server, "elsewhere")
        until(server, hook_of_ada, lambda now: now["delivered"] == 3)
        of = {path: [event["id"] for event in events([s for s in receiver.seen if s[0] == path])]
              for path in ("/in/a", "/in/b")}
        tap.equal(of["/in/a"], [deep, seen, elsewhere])
        tap.until(lambda: [event["id"] for event in events(
            [s for s in receiver.seen if s[0] == "/in/b"])] == [deep, seen], "only in the folder")
        send(server, "DELETE", "/api/users/ada")
        now = state(server, hook_of_ada)  # and whoever has the name next has nothing of it
        tap.true(now["paused"] and now["created_by"] == "" and "no user" in now["last"], now)


@tap.test
def it_goes_only_where_the_settings_say():
    with scene() as (server, receiver):
        base = receiver.url
        for url, problem in (("http://127.0.0.1:1/in/x", "destination"),
                             (base[:-4] + "/other", "destination"),
                             (base[:-1] + "side", "destination"),
                             (base + "../x", "bad-url"), (base + "%2e%2e/x", "bad-url"),
                             (base + "a/..", "bad-url"),
                             (base.replace("//", "//user@"), "bad-url"),
                             (base + "x#y", "bad-url"), (base + "a b", "bad-url"),
                             ("ftp://127.0.0.1/in/x", "bad-url"), ("", "bad-url"),
                             (base + "x" * 2000, "bad-url")):
            answer = server.ask("/api/hooks", "-X", "POST", "-d",
                                json.dumps({"name": "h", "url": url}))
            tap.equal((answer.status, answer.json["type"].rpartition(":")[2]), (422, problem), url)
        one = hook(server, receiver)
        tap.equal(send(server, "POST", "/api/hooks", {"name": "h", "url": base + "x"},
                       status=409)["status"], 409)
        for value in ({}, {"after": 10 ** 9}, {"after": -1}, {"paused": 1}, {"url": base}):
            tap.true(server.ask(f"/api/hooks/{one['id']}", "-X", "PATCH", "-d",
                                json.dumps(value)).status in (400, 422), value)
        for number in range(31):
            send(server, "POST", "/api/hooks", {"name": f"h{number}", "url": base + "x"})
        tap.equal(server.ask("/api/hooks", "-X", "POST", "-d",
                             json.dumps({"name": "more", "url": base + "x"})).status, 409)
        page = send(server, "GET", "/api/hooks?limit=5")
        tap.equal((len(page["items"]), page["next"]), (5, page["items"][4]["id"]))
        send(server, "POST", "/api/users", {"name": "eve", "password": "one-time-word-1"})
        send(server, "PUT", "/api/me/password", {"old": "one-time-word-1", "new": "other-word-22"},
             auth="eve:one-time-word-1")
        tap.equal(server.ask("/api/hooks", auth="eve:other-word-22").status, 403)
        send(server, "DELETE", f"/api/hooks/{one['id']}")
        tap.equal(server.ask(f"/api/hooks/{one['id']}").status, 404)
    with tempfile.TemporaryDirectory() as place:
        for bad in ("https://", "ftp://x/", "https://x/?a", "x"):
            done = subprocess.run([PROGRAM, "--data", place, "--port", "0", "--hook-destinations",
                                   bad], capture_output=True, check=False)
            tap.true(done.returncode == 1 and b"no destination of web hooks" in done.stderr,
                     done.stderr)


def certificate(directory, name):
    path = f"{directory}/{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", path + ".key", "-out",
                    path], check=True, capture_output=True)
    return path


@tap.test
def a_destination_ends_where_it_is_written_to_end():
    for destination, allowed, others in (
            ("http://127.0.0.1:1/in", ("", "/x", "?x"), ("side", ".x", "%41")),
            ("http://127.0.0.1:1", ("", "/x", "?x"), ("0/x", ".x", ":1/x"))):
        with dms_server.own_server(PROGRAM, "--hook-destinations", destination, *FAST) as server:
            for ending in allowed + others:
                answer = server.ask("/api/hooks", "-X", "POST", "-d",
                                    json.dumps({"name": f"to {ending}", "url": destination + ending}))
                tap.equal(answer.status, 201 if ending in allowed else 422, destination + ending)


@tap.test
def the_receivers_certificate_is_judged():
    with tempfile.TemporaryDirectory() as place:
        right, wrong = certificate(place, "right"), certificate(place, "wrong")
        for ca, said in ((right, "HTTP 200"), (wrong, "certificate")):
            receiver = Receiver(tls=right)
            url = f"https://localhost:{receiver.port}/"
            with dms_server.own_server(PROGRAM, "--hook-destinations", url, "--hook-ca", ca,
                                       "--hook-retry-ms", "3600000") as server:
                one = send(server, "POST", "/api/hooks", {"name": "h", "url": url + "x"})
                now = until(server, one, lambda now: now["last_ms"])
                tap.true(said in now["last"], now)
                tap.equal(len(receiver.seen) > 0, ca == right, "deliveries")
            receiver.close()


@tap.test
def a_test_is_sent_at_once_even_while_it_is_paused():
    with scene() as (server, receiver):
        one = hook(server, receiver, kinds=["purge"])
        send(server, "PATCH", f"/api/hooks/{one['id']}", {"paused": True})
        send(server, "POST", f"/api/hooks/{one['id']}/test", status=202)
        tap.equal(json.loads(receiver.wait(1)[0][2]), {"hook": one["id"], "events": []})
        now = until(server, one, lambda now: now["last_ms"])
        tap.equal((now["last"], now["paused"], now["delivered"]), ("test: HTTP 200", True, 0))


@tap.test
def a_program_that_cannot_be_started_is_a_failed_try_with_its_reason():
    with tempfile.TemporaryDirectory() as place:
        closed = os.path.join(place, "closed")
        with open(closed, "wb"):
            os.chmod(closed, 0o600)
        for program, said in ((place + "/none", "No such file"), (closed, "Permission denied")):
            url = "http://127.0.0.1:9/"
            with dms_server.own_server(PROGRAM, "--hook-destinations", url, "--outgoing", program,
                                       "--hook-retry-ms", "3600000") as server:
                one = send(server, "POST", "/api/hooks", {"name": "h", "url": url + "x"})
                now = until(server, one, lambda now: now["last_ms"])
                tap.equal((now["paused"], now["failures"]), (False, 1), now)
                tap.true("coffer-dms-out cannot be started" in now["last"] and said in now["last"], now)
                now = send(server, "POST", f"/api/hooks/{one['id']}/test", status=202)
                tap.true(now["last"].startswith("test: coffer-dms-out cannot"), now)


tap.main()
