#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the document server, and what stays right: dms_faults.py COFFER_DMS"""
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import dms_server
import tap

PROGRAM = sys.argv[1]


def basic(server):
    import base64
    return "Authorization: Basic " + base64.b64encode(server.auth.encode()).decode()


def raw(server):
    """A socket to the server, past every client library."""
    port = int(server.url.rsplit(":", 1)[1])
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def distinct(name, size, seed=1):
    """A content that no other name has: the same bytes would be stored once."""
    return name.encode().ljust(16) + dms_server.noise(size - 16, seed)


def files(directory):
    return {folder: os.listdir(f"{directory}/{folder}") for folder in ("content", "incoming")}


@tap.test
def acknowledged_documents_survive_kill_9_and_the_others_leave_nothing():
    with dms_server.own_server(PROGRAM) as server:
        stored, number = {}, 0
        for round_number in range(6):
            stop = threading.Event()

            def upload(worker, round_number=round_number, stop=stop):
                for count in range(1000):
                    name = f"r{round_number}-{worker}-{count}"
                    size = (100, 5000, 40_000, 700_000)[(worker + count) % 4]
                    content = distinct(name, size, worker + 1)
                    try:
                        if server.put(f"kill/{name}", content).status == 201:
                            stored[name] = content
                    except (ConnectionError, subprocess.SubprocessError):
                        return
                    if stop.is_set():
                        return
            workers = [threading.Thread(target=upload, args=(n,)) for n in range(3)]
            for worker in workers:
                worker.start()
            wanted = number + 10
            tap.until(lambda wanted=wanted: len(stored) >= wanted, "uploads go on")
            server.kill()
            stop.set()
            for worker in workers:
                worker.join()
            number = len(stored)
            server.start()
            for name, content in stored.items():
                back = server.get(f"kill/{name}")
                tap.equal(back.status, 200, name)
                tap.true(back.body == content, f"{name} is whole")
            tap.equal(files(server.directory)["incoming"], [], "what a crash left in incoming/")
        listed = server.ask("/api/folders/root/children?limit=1000").json["items"]
        tap.equal([item["name"] for item in listed], ["kill"])
        cursor, large, seen = "", 0, 0
        while cursor is not None:
            page = server.get(f"kill?limit=1000&cursor={cursor}").json
            large += sum(item["size"] > 32768 for item in page["items"])
            seen += len(page["items"])
            cursor = page["next"]
        tap.true(seen >= len(stored), "all are listed")
        tap.equal(len(files(server.directory)["content"]), large, "content files, one each")


@tap.test
def an_upload_cut_in_the_middle_leaves_nothing():
    with dms_server.own_server(PROGRAM) as server:
        for framing in ("Content-Length: 900000", "Transfer-Encoding: chunked"):
            with raw(server) as connection:
                connection.sendall(f"PUT /api/files/cut/doc HTTP/1.1\r\nHost: x\r\n{framing}\r\n"
                                   f"{basic(server)}\r\n\r\n".encode())
                connection.sendall(b"%x\r\n" % 400_000 if "chunked" in framing else b"")
                connection.sendall(b"x" * 400_000)
                tap.until(lambda: files(server.directory)["incoming"], "the upload is under way")
            tap.until(lambda: not files(server.directory)["incoming"], "the upload is dropped")
        tap.equal(server.get("cut").status, 404)
        tap.equal(files(server.directory), {"content": [], "incoming": []})
        metrics = server.ask("/metrics").body.decode()
        tap.true("coffer_dms_uploads_failed_total 2" in metrics, "counted")


@contextlib.contextmanager
def small_disk():
    """A directory on a file system of 8 MiB, or a skip where that cannot be had."""
    with tempfile.TemporaryDirectory(prefix="coffer-full-") as place:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", place],
                              capture_output=True, check=False)
        if done.returncode:
            raise tap.Skip("a file system cannot be mounted here")
        try:
            yield place
        finally:
            subprocess.run(["umount", "-l", place], check=True)


def fill(server):
    """Stores until the storage is full; how many went in and the refusal."""
    for count in range(200):
        size = 300_000 if count % 2 else 20_000
        answer = server.put(f"full/{count}", distinct(str(count), size))
        if answer.status != 201:
            return count, answer
    raise AssertionError("the storage never became full")


def full_storage_is_survived(server):
    count, answer = fill(server)
    tap.true(count > 2, "some documents fit")
    tap.equal(answer.status, 507, f"{answer}")
    tap.equal(answer.json["type"], "urn:coffer:problem:storage-full")
    names = [item["name"] for item in server.get("full?limit=1000").json["items"]]
    tap.equal(sorted(names, key=int), [str(n) for n in range(count)])
    for name in names:
        size = 300_000 if int(name) % 2 else 20_000
        tap.true(server.get(f"full/{name}").body == distinct(name, size), f"{name} is whole")
    return count


@tap.test
def a_full_disk_is_507_and_breaks_nothing():
    with small_disk() as place:
        server = dms_server.Server(PROGRAM, place + "/data")
        server.log_path = os.path.join(tempfile.gettempdir(), f"dms-full-{os.getpid()}.log")
        try:
            server.start()
            count = full_storage_is_survived(server)
            tap.equal(files(server.directory)["incoming"], [])
            # Making room works though the disk is full, and then there is room.
            for number in range(1, count, 2):
                key = next(item["id"] for item in server.get("full?limit=1000").json["items"]
                           if item["name"] == str(number))
                answer = server.ask(f"/api/documents/{key}", "-X", "DELETE")
                tap.true(answer.status in (204, 507), f"{answer}")
                if answer.status == 204:
                    server.ask(f"/api/trash/{key}", "-X", "DELETE")
            tap.equal(server.put("room", dms_server.noise(300_000)).status, 201)
            tap.equal(server.stop(), 0)
            server.start()
            tap.true(server.get("room").body == dms_server.noise(300_000), "content")
        finally:
            server.close()
            os.unlink(server.log_path)


@tap.test
def a_limit_on_file_size_is_507_too():
    with dms_server.own_server(PROGRAM) as server:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
        answer = server.put("big", dms_server.noise(400_000))
        tap.equal(answer.status, 507, f"{answer}")
        tap.equal(server.put("small", dms_server.noise(50_000)).status, 201)
        tap.equal(server.get("small").status, 200)


@tap.test
def a_thousand_wrong_passwords_do_not_lock_out_a_session():
    with dms_server.own_server(PROGRAM) as server:
        user, _, secret = server.auth.partition(":")
        session = server.post("/api/sessions", {"user": user, "password": secret}, auth="").json
        bearer = ("-H", f"Authorization: Bearer {session['token']}")
        counts = {401: 0, 429: 0}
        config = "".join(f'url = "{server.url}/api/me"\nuser = "{user}:wrong{n}"\n'
                         'write-out = "%{http_code} %header{retry-after}\\n"\noutput = /dev/null\n'
                         + ("next\n" if n < 999 else "") for n in range(1000))
        start = time.monotonic()
        done = subprocess.run(["curl", "-sS", "-K", "-"], input=config, text=True, check=True,
                              capture_output=True)
        for line in done.stdout.splitlines():
            status, _, wait = line.partition(" ")
            counts[int(status)] += 1
            tap.true(status == "401" or int(wait) > 0, "429 says when")
        tap.equal(sum(counts.values()), 1000)
        taken = time.monotonic() - start
        tap.true(10 <= counts[401] <= 12 + taken / 6, f"how many were tried: {counts}")
        tap.equal(server.ask("/api/me", *bearer, auth="").status, 200)
        tap.equal(server.ask("/api/me").status, 200, "a password that was right lately")
        tap.equal(server.ask("/api/me", auth="somebody:wrong").status, 401, "another name")


@tap.test
def slow_and_silent_clients_hold_nobody_up():
    with dms_server.own_server(PROGRAM, "--connections-max", "20") as server:
        with contextlib.ExitStack() as stack:
            silent = [stack.enter_context(raw(server)) for _ in range(20)]
            tap.equal(server.get("").status, 200)
            for connection in silent[:10]:
                with contextlib.suppress(OSError):
                    connection.sendall(b"GET /healthz HT")
            tap.equal(server.get("").status, 200)


@tap.test
def nonsense_on_the_wire_is_refused():
    with dms_server.own_server(PROGRAM) as server:
        for bytes_sent in (b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 100, b"GET\r\n\r\n",
                           b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                           b"POST /api/folders HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            with raw(server) as connection:
                connection.sendall(bytes_sent)
                answer = b""
                while piece := connection.recv(4096):
                    answer += piece
                tap.true(answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.1 5"),
                         f"{bytes_sent!r}: {answer!r}")
        tap.equal(server.ask("/healthz").status, 200)


@tap.test
def a_stop_finishes_what_is_begun_and_is_quick():
    with dms_server.own_server(PROGRAM) as server:
        server.put("before", b"text")
        with raw(server) as idle, raw(server) as busy:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            tap.true(idle.recv(4096).endswith(b"ok\n"), "answered")
            busy.sendall(f"PUT /api/files/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
                         f"{basic(server)}\r\n\r\n".encode() + b"x" * 100_000)
            tap.until(lambda: files(server.directory)["incoming"], "the upload is under way")
            server.process.send_signal(signal.SIGTERM)
            tap.equal(idle.recv(4096), b"", "an idle connection is closed")
            busy.sendall(b"x" * 100_000)
            answer = b""
            while piece := busy.recv(4096):
                answer += piece
            tap.true(answer.startswith(b"HTTP/1.1 201"), repr(answer))
            tap.true(b"Connection: close" in answer, repr(answer))
        tap.equal(server.process.wait(timeout=10), 0)
        tap.true(not os.path.exists(server.directory + "/coffer.db-wal"), "the log was folded in")
        server.start()
        tap.equal(server.get("stop").body, b"x" * 200_000)
        start = time.monotonic()
        tap.equal(server.stop(), 0)
        tap.true(time.monotonic() - start < 2, "a stop at rest is quick")


@tap.test
def a_first_password_is_used_once_and_must_be_changed():
    with dms_server.own_server(PROGRAM, keep=False) as server:
        answer = server.get("")
        tap.equal((answer.status, answer.json["type"]),
                  (403, "urn:coffer:problem:password-change-required"))
        user, _, secret = server.auth.partition(":")
        answer = server.ask("/api/me/password", "-X", "PUT", "-d",
                            f'{{"old":"{secret}","new":"another password"}}')
        tap.equal(answer.status, 204)
        server.auth = f"{user}:another password"
        tap.equal(server.get("").status, 200)
        server.stop()
        server.start()  # the first password is still in its environment
        tap.equal(server.get("").status, 200)
        tap.equal(server.get("", "-u", f"{user}:{secret}").status, 401)
        # Another one is the owner's way back in.
        server.stop()
        server.environment["COFFER_DMS_FIRST_PASSWORD"] = "a third password"
        server.start()
        tap.equal(server.get("").status, 401)
        server.auth = f"{user}:a third password"
        tap.equal(server.ask("/api/me").json["password_change_required"], True)


@tap.test
def what_was_purged_is_not_in_the_files_any_more():
    with dms_server.own_server(PROGRAM) as server:
        secret = "quokkaquokka"
        answer = server.put(f"purge/{secret}.txt", (secret * 100).encode())
        key = answer.json["id"]
        server.ask(f"/api/documents/{key}", "-X", "PATCH", "-d",
                   f'{{"properties":{{"{secret}":"{secret}"}}}}')
        server.ask(f"/api/documents/{key}/content", "-X", "PUT", "--data-binary",
                   "@-", stdin=(secret * 10000).encode())

        def found():
            places = [server.directory + "/coffer.db", server.directory + "/coffer.db-wal"]
            places += [f"{server.directory}/content/{name}"
                       for name in os.listdir(server.directory + "/content")]
            return [p for p in places if os.path.exists(p) and
                    secret.encode() in open(p, "rb").read()]
        tap.true(found(), "the eye sees what is there")
        server.ask(f"/api/documents/{key}", "-X", "DELETE")
        tap.equal(server.ask(f"/api/trash/{key}", "-X", "DELETE").status, 204)
        tap.until(lambda: not found(), "it is gone soon after")


@tap.test
def wrong_starts_say_what_is_wrong():
    def run(*arguments, **environment):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False,
                              env={**os.environ, **environment}, timeout=20)
        return done.returncode, done.stdout + done.stderr
    with tempfile.TemporaryDirectory() as place, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for status, arguments, text in (
                (2, [], "--data"), (2, ["--data", place, "--prot", "1"], "port"),
                (2, ["--data", place, "extra"], "argument"),
                (2, ["--data", place, "--port", "70000"], "port"),
                (2, ["--data", place, "--log-level", "loud"], "log"),
                (1, ["--data", place, "--port", port], "in use"),
                (1, ["--data", place, "--listen", "localhost"], "localhost"),
                (1, ["--data", place + "/a/b"], "directory"),
                (0, ["--help"], "COFFER_DMS_FIRST_PASSWORD"), (0, ["--version"], "coffer-dms")):
            got, said = run(*arguments)
            tap.equal(got, status, f"status of {arguments}: {said}")
            tap.true(text in said, f"{arguments}: {said}")
        with open(place + "/coffer.db", "wb") as damaged:
            damaged.write(b"this is no database at all, is it? " * 500)
        got, said = run("--data", place, "--port", "0")
        tap.true(got == 1 and "database" in said, said)


@tap.test
def two_servers_share_no_store():
    with dms_server.own_server(PROGRAM) as server:
        done = subprocess.run([PROGRAM, "--data", server.directory, "--port", "0"], timeout=20,
                              capture_output=True, text=True, check=False)
        tap.equal(done.returncode, 1)
        tap.true("database" in done.stderr, done.stderr)
        tap.equal(server.put("still", b"here").status, 201)


tap.main()
