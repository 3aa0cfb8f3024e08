#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The document server's whole surface and its faults again, over TLS on an encrypted volume, as
`coffer up` runs it: dms_confidential.py BUILD"""
import contextlib
import os
import signal
import subprocess
import sys
import threading

os.environ.setdefault("COFFER_TEST_LARGE_MIB", "256")
import dms_large  # noqa: E402 (their tests run here, too)
import dms_rest  # noqa: E402
import dms_server
import tap
from coffer_system import System

assert dms_rest and dms_large
BUILD = os.path.abspath(sys.argv[1])


class Confidential(dms_server.Asker):
    def __init__(self, system):
        super().__init__(system.address(), f"{system.user}:{system.password}", system.ca)
        self.system, self.logs = system, system.logs

    def pid(self):
        return self.system.tenant().get("pid")


@contextlib.contextmanager
def confidential():
    with System(BUILD) as system:
        system.sign_in()
        yield Confidential(system)


@tap.test
def a_thousand_wrong_passwords_do_not_lock_out_a_session(server):
    user, _, secret = server.auth.partition(":")
    session = server.post("/api/sessions", {"user": user, "password": secret}, auth="").json
    bearer = ("-H", f"Authorization: Bearer {session['token']}")
    config = "".join(f'url = "{server.url}/api/me"\nuser = "{user}:wrong{n}"\n'
                     f'cacert = "{server.ca}"\nwrite-out = "%{{http_code}}\\n"\n'
                     'output = /dev/null\n' + ("next\n" if n < 999 else "") for n in range(1000))
    done = subprocess.run(["curl", "-sS", "-K", "-"], input=config, text=True, check=True,
                          capture_output=True)
    answers = done.stdout.split()
    tap.equal(len(answers), 1000)
    tap.equal(set(answers), {"401", "429"})
    tap.true(answers.count("429") > 900, f"429: {answers.count('429')}")
    tap.equal(server.ask("/api/me", *bearer, auth="").status, 200)
    tap.equal(server.ask("/api/me").status, 200)


@tap.test
def a_pdf_has_words_and_a_thumbnail_here_too(server):
    if not all(os.access("/usr/bin/" + name, os.X_OK) for name in ("pdftotext", "pdftoppm")):
        raise tap.Skip("poppler-utils is needed")
    made = server.ask("/api/files/words.pdf", "-X", "PUT", "--data-binary", "@-", "-H",
                      "Content-Type: application/pdf", stdin=dms_server.pdf("walrus oysters"))
    ways = [f"/api/documents/{made.json['id']}/{what}" for what in ("text", "thumbnail")]
    tap.until(lambda: [server.ask(way).status for way in ways] == [200, 200], "both are made")
    tap.equal(server.ask(ways[0]).body.split(), [b"walrus", b"oysters"])
    tap.equal(server.ask(f"{ways[0][:-5]}", "-X", "DELETE").status, 204)


@tap.test
def an_upload_cut_in_the_middle_leaves_nothing(server):
    with subprocess.Popen(server.command("/api/files/cut/doc", "-T", "-"), stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as upload:
        upload.stdin.write(b"x" * 3_000_000)
        upload.stdin.flush()
        upload.kill()
    tap.until(lambda: b"coffer_dms_uploads_failed_total 0" not in server.ask("/metrics").body,
              "the upload is given up")
    tap.equal(server.get("cut").status, 404)


@tap.test
def acknowledged_documents_survive_kill_9_of_the_document_server(server):
    stored = {}
    for round_number in range(3):
        stop = threading.Event()

        def upload(worker, round_number=round_number, stop=stop):
            for count in range(1000):
                name = f"r{round_number}-{worker}-{count}"
                size = (100, 5000, 40_000, 700_000)[(worker + count) % 4]
                content = dms_server.noise(size, worker + 1)
                with contextlib.suppress(ConnectionError, subprocess.SubprocessError):
                    if server.put(f"kill/{name}", content).status == 201:
                        stored[name] = content
                if stop.is_set():
                    return
        workers = [threading.Thread(target=upload, args=(n,)) for n in range(3)]
        for worker in workers:
            worker.start()
        wanted = len(stored) + 8
        tap.until(lambda wanted=wanted: len(stored) >= wanted, "uploads go on", 60)
        os.kill(server.pid(), signal.SIGKILL)
        stop.set()
        for worker in workers:
            worker.join()
        for name, content in stored.items():
            back = server.get(f"kill/{name}")
            tap.equal(back.status, 200, name)
            tap.true(back.body == content, f"{name} is whole")


tap.main(confidential)
