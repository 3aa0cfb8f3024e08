#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that lies and a broker that is away, end to end; and two clients that try to reach each
other: faults.py BUILD

After each fault: a clear error where a person can act on it, the rest goes on, and no acknowledged
document is lost or silently old.
"""
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import tap
from coffer_system import System

BUILD = os.path.abspath(sys.argv[1])
DOCUMENT = "an acknowledged document\n" * 400


@contextlib.contextmanager
def system():
    """One system with the clients `demo` and `acme`, each with a document, stopped and started by
    the tests."""
    with System(BUILD) as s:
        s.sign_in()
        s.acme = s.sign_in("acme", s.add_tenant("acme"))
        put(s, "kept.txt", DOCUMENT)
        put(s, "kept.txt", DOCUMENT, tenant="acme")
        yield s


def put(s, name, text, tenant="demo"):
    done = s.curl("/api/files/" + name, "-f", "-X", "PUT", "--data-binary", text, tenant=tenant)
    tap.equal(done.returncode, 0, f"storing {name}: {done.stderr}")


def get(s, name, tenant="demo", *args, seconds=60):
    return s.curl("/api/files/" + name, "-f", *args, tenant=tenant, seconds=seconds)


def volume_of(s, tenant="demo"):
    return os.path.join(s.state, "tenants", tenant, "data")


def segments(s):
    """Files with data of the client demo, largest first."""
    folder = volume_of(s)
    paths = [os.path.join(folder, name) for name in os.listdir(folder) if name != "lock"]
    return sorted(paths, key=os.path.getsize, reverse=True)


def served_or_refused(s, name):
    """curl's result, or a failed one as soon as the server has failed twice: a client waits while
    the server is tried again and again."""
    results = []
    asking = threading.Thread(target=lambda: results.append(get(s, name, seconds=20)), daemon=True)
    asking.start()
    tap.until(lambda: results or s.tenant()["failures"] >= 2, "it is served or refused", 30)
    return results[0] if results else subprocess.CompletedProcess([], 1, "", "server failed")


@contextlib.contextmanager
def disk_changed(s):
    """The system is stopped for a change of demo's volume. Afterwards everything is put back as it
    was, the key broker's memory too: a server that opened the changed volume has written to it (its
    audit trail if nothing else), and the volume alone would be an old copy. Yields a function that
    asks for the document: its CompletedProcess."""
    s.stop()
    safe = s.state + ".safe"
    subprocess.run(["cp", "-a", s.state, safe], check=True)
    answers = []

    def ask(name="kept.txt"):
        s.start()
        answers.append(served_or_refused(s, name))
        other = get(s, "kept.txt", "acme")
        tap.equal(other.stdout, DOCUMENT, f"the other client's document: {other.stderr}")
        return answers[-1]

    try:
        yield ask
    finally:
        if s.process:
            s.stop()
        shutil.rmtree(s.state)
        os.rename(safe, s.state)
        s.start()
        done = get(s, "kept.txt")
        tap.equal(done.stdout, DOCUMENT, f"the document, once the disk is back: {done.stderr}")


def refused_with_reason(s, done, *words):
    """The document was refused, and the operator is told one of `words`."""
    tap.true(done.returncode != 0, "the document is refused")
    said = (s.tenant()["error"] + s.logs()).lower()
    tap.true(any(word in said for word in words), f"the reason is said: {said[-2000:]}")


@tap.test
def a_flipped_byte_is_never_a_wrong_document(s):
    # A byte in the middle of what is used of each file: the superblock, the log, the data.
    refused = 0
    for number in range(len(segments(s))):
        with disk_changed(s) as ask:
            path = segments(s)[number]
            with open(path, "r+b") as file:
                content = file.read()
                used = len(content.rstrip(b"\0"))
                file.seek(used // 2)
                file.write(bytes([content[used // 2] ^ 0x10]))
            done = ask()
            tap.true(done.returncode != 0 or done.stdout == DOCUMENT, "never a wrong document")
            refused += done.returncode != 0
    tap.true(refused > 0, "a flipped byte is noticed")


@tap.test
def a_deleted_segment_is_noticed_and_named(s):
    with disk_changed(s) as ask:
        os.unlink(segments(s)[0])
        refused_with_reason(s, ask(), "the file is missing")


@tap.test
def an_older_copy_of_the_volume_is_refused(s):
    s.stop()
    old = volume_of(s) + ".old"
    subprocess.run(["cp", "-a", volume_of(s), old], check=True)
    s.start()
    put(s, "newer.txt", "newer")
    with disk_changed(s) as ask:
        shutil.rmtree(volume_of(s))
        os.rename(old, volume_of(s))
        refused_with_reason(s, ask(), "old copy")
    tap.equal(get(s, "newer.txt").stdout, "newer", "the newer document, once the disk is back")


@tap.test
def an_older_superblock_alone_is_refused_or_harmless(s):
    s.stop()
    name = os.path.join(volume_of(s), "volume")
    shutil.copy2(name, name + ".old")
    s.start()
    put(s, "after.txt", "after")
    with disk_changed(s) as ask:
        os.rename(name + ".old", name)
        done = ask("after.txt")
        tap.true(done.returncode != 0 or done.stdout == "after", "never an old state")


@tap.test
def while_the_broker_is_away_running_servers_answer_and_new_ones_wait(s):
    tap.equal(get(s, "kept.txt").stdout, DOCUMENT)
    s.coffer("tenant", "stop", "acme")
    tap.until(lambda: s.tenant("acme")["state"] == "absent", "acme's server has stopped")
    broker = s.pid("coffer-kbs")
    os.kill(broker, signal.SIGSTOP)
    try:
        tap.equal(get(s, "kept.txt").stdout, DOCUMENT, "a running server")
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(get(s, "kept.txt", "acme")))
        waiting.start()
        tap.until(lambda: s.tenant("acme")["state"] != "absent", "acme's server is asked for")
    finally:
        os.kill(broker, signal.SIGCONT)
    waiting.join(60)
    if not answers or answers[0].returncode != 0:  # it may have been told to come again
        answers = [tap.until(lambda: (lambda done: done.returncode == 0 and done)(
            get(s, "kept.txt", "acme")), "acme is served when the broker is back")]
    tap.equal(answers[0].stdout, DOCUMENT)


@tap.test
def a_password_or_token_of_one_client_is_nothing_to_another(s):
    session = s.curl("/api/sessions", "-f", "-H", "Content-Type: application/json", "-d",
                     json.dumps({"user": "admin", "password": s.acme}), tenant="acme",
                     password=s.acme)
    token = json.loads(session.stdout)["token"]
    for tenant, status in (("acme", "200"), ("demo", "401")):
        done = subprocess.run(
            ["curl", "-sS", "--cacert", s.ca, "-o", "/dev/null", "-w", "%{http_code}", "-H",
             f"Authorization: Bearer {token}", s.address(tenant) + "/api/me"],
            capture_output=True, text=True, check=False)
        tap.equal(done.stdout, status, f"acme's token at {tenant}: {done.stderr}")
    added = s.curl("/api/users", "-f", "-H", "Content-Type: application/json", "-d",
                   json.dumps({"name": "eve", "password": "Eve-knows-nothing-1",
                               "role": "admin"}), tenant="acme", password=s.acme)
    tap.equal(added.returncode, 0, f"adding eve: {added.stderr}")
    done = s.curl("/api/me", "-o", "/dev/null", "-w", "%{http_code}", user="eve",
                  password="Eve-knows-nothing-1")
    tap.equal(done.stdout, "401", "acme's user at demo")


@tap.test
def the_name_in_the_handshake_decides_whatever_the_host_header_says(s):
    put(s, "only-acme.txt", "of acme", tenant="acme")
    done = get(s, "only-acme.txt", "demo", "-H", f"Host: acme.localhost:{s.port}")
    tap.true(done.returncode != 0, "demo's server serves acme's document")


def first_session(s, context, tenant):
    """A TLS session with a ticket from `tenant`."""
    with socket.create_connection(("127.0.0.1", s.port), 20) as raw, \
            context.wrap_socket(raw, server_hostname=f"{tenant}.localhost") as tls:
        tls.sendall(f"GET /healthz HTTP/1.1\r\nHost: {tenant}.localhost\r\n\r\n".encode())
        tls.recv(4096)
        return tls.session


def is_resumed(s, context, tenant, session):
    with socket.create_connection(("127.0.0.1", s.port), 20) as raw, \
            context.wrap_socket(raw, server_hostname=f"{tenant}.localhost",
                                session=session) as tls:
        return tls.session_reused


@tap.test
def a_tls_session_resumes_at_its_own_client_only(s):
    context = ssl.create_default_context(cafile=s.ca)
    tap.true(is_resumed(s, context, "demo", first_session(s, context, "demo")), "at its own")
    tap.true(not is_resumed(s, context, "acme", first_session(s, context, "demo")), "elsewhere")


@tap.test
def one_servers_process_cannot_touch_the_others(s):
    if os.getuid() != 0:
        raise tap.Skip("a uid for each client needs root")
    for tenant in ("demo", "acme"):
        get(s, "kept.txt", tenant)
    pids = {tenant: s.tenant(tenant)["pid"] for tenant in ("demo", "acme")}
    uids = {tenant: os.stat(f"/proc/{pid}").st_uid for tenant, pid in pids.items()}
    with open(f"/proc/{pids['acme']}/status", encoding="ascii") as status:
        lines = dict(line.split(":", 1) for line in status if ":" in line)
    tap.true(int(lines["Uid"].split()[0]) >= 1000, "a server does not run as root")
    tap.true(lines["Uid"] != open(f"/proc/{pids['demo']}/status").read().split("Uid:")[1]
             .split("\n")[0], f"uids are the same: {uids}")
    tap.equal(int(lines["CapEff"], 16), 0, "capabilities")
    # What somebody who took over acme's server could try, with its uid.
    attempts = f"""
import ctypes, os
pid = {pids['demo']}
def tried(what):
    try:
        what()
    except (PermissionError, ProcessLookupError):
        return
    raise SystemExit("it worked: " + what.__name__)
def signal(): os.kill(pid, 0)
def memory(): open(f"/proc/{{pid}}/mem", "rb")
def descriptors(): os.listdir(f"/proc/{{pid}}/fd")
def volume(): os.listdir({volume_of(s)!r})
def trace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, pid, 0, 0) != 0:
        raise PermissionError
for one in (signal, memory, descriptors, volume, trace):
    tried(one)
"""
    uid = int(lines["Uid"].split()[0])
    with tempfile.TemporaryFile("w+") as out:
        done = subprocess.run(["/usr/bin/python3", "-c", attempts], user=uid, group=uid,
                              extra_groups=[], stdout=out, stderr=out, check=False)
        out.seek(0)
        tap.equal(done.returncode, 0, out.read())


tap.main(system)
