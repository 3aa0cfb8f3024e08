#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coffer load run` against a small server that can stall, lie and refuse: load.py COFFER"""
import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile

import fake_dms
import tap

COFFER = sys.argv[1]


def load(*arguments, environment=None):
    """Runs the load generator; exit status, JSON report (None without), standard error."""
    command = [COFFER, "load", "run", "--json", "-", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False,
                          env={**os.environ, **(environment or {})})
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


@contextlib.contextmanager
def server(**options):
    fake = fake_dms.Server(**options)
    try:
        yield fake
    finally:
        fake.close()


@tap.test
def mixed_load_is_answered_without_errors():
    with server() as fake:
        status, report, text = load("--insecure-plain", fake.url, "--clients", "20", "--duration",
                                    "1s", "--rate", "400", "--connection-requests", "7")
    tap.equal(status, 0, text)
    tap.equal(report["failed"], 0)
    tap.equal(report["answered"], 400)
    kinds = {row["name"].rsplit(" ", 1)[0] for row in report["operations"]}
    tap.true({"upload", "download", "SOAP store", "SOAP get", "metadata"} - kinds == set(), kinds)
    tap.true("throughput:" in text, "the report for people comes too")


@tap.test
def a_stalled_server_shows_as_latency_of_what_came_meanwhile():
    with server(stall=(60, 0.8)) as fake:
        _, report, _ = load("--insecure-plain", fake.url, "--clients", "4", "--duration", "2s",
                            "--rate", "100", "--size", "4k")
    # Of 200 arrivals about 80 came into the stall; measured from the actual start, 4 would be slow.
    tap.equal(report["answered"], 200)
    tap.true(report["all"]["p90_ms"] > 300, f"p90 is {report['all']['p90_ms']} ms")
    tap.true(report["all"]["max_ms"] > 700, "the first one waited for the whole stall")


@tap.test
def a_server_that_never_answers_again_is_reported_as_timeouts():
    with server(stall=(30, 30)) as fake:
        status, report, _ = load("--insecure-plain", fake.url, "--clients", "2", "--duration",
                                 "500ms", "--rate", "100", "--timeout", "500ms")
    tap.equal(status, 1)
    tap.true(report["errors"]["timeout"] > 0, report["errors"])
    tap.equal(report["answered"] + report["failed"], 50)


@tap.test
def a_wrong_document_fails_the_run_whatever_is_allowed():
    with server(wrong=True) as fake:
        status, report, _ = load("--insecure-plain", fake.url, "--clients", "2", "--duration",
                                 "300ms", "--rate", "max", "--profile", "read", "--errors-max", "1")
    tap.equal(status, 1)
    tap.true(report["errors"]["content"] > 0, report["errors"])


@tap.test
def a_server_that_refuses_is_named_with_its_status():
    with server(refuse=403) as fake:
        status, report, text = load("--insecure-plain", fake.url, "--duration", "100ms")
    tap.equal(status, 1)
    tap.equal(report, None)
    tap.true("answered 403" in text, text)


@tap.test
def no_server_at_all_is_said():
    with server() as fake:
        url = fake.url
    status, _, text = load("--insecure-plain", url, "--duration", "100ms")
    tap.equal(status, 1)
    tap.true("no answer from 127.0.0.1:" in text, text)


def certificates(folder):
    """A root and a certificate for *.localhost under it; paths of root, certificate and key."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=root")
    openssl("req", *key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=server")
    with open(os.path.join(folder, "extensions"), "w", encoding="utf-8") as out:
        out.write("subjectAltName=DNS:acme.localhost,DNS:beta.localhost\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-out",
            "cert.pem", "-extfile", "extensions", "-days", "2")
    return [os.path.join(folder, name) for name in ("ca.pem", "cert.pem", "key.pem")]


@contextlib.contextmanager
def tls_server():
    """Yields the server, its root certificate's file and the list of names asked for by SNI."""
    with tempfile.TemporaryDirectory() as folder:
        root, certificate, key = certificates(folder)
        names = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate, key)
        context.sni_callback = lambda _socket, name, _context: names.append(name)
        with server(tls=context) as fake:
            yield fake, root, names


@tap.test
def tls_clients_send_sni_verify_and_resume():
    with tls_server() as (fake, root, names):
        status, report, text = load("--gateway", fake.address, "--ca", root, "--tenant",
                                    "acme,beta", "--clients", "4", "--duration", "500ms", "--rate",
                                    "200", "--connection-requests", "5")
    tap.equal(status, 0, text)
    tap.equal(set(names), {"acme.localhost", "beta.localhost"})
    tap.equal(report["start_up"]["count"], 2, "start-up times, one for each tenant")
    tap.true(report["handshakes"] > 8, report["handshakes"])
    tap.equal(report["resumed"], report["handshakes"] - 4, "handshakes after each client's first")


@tap.test
def a_server_without_the_name_or_the_root_is_refused():
    with tls_server() as (fake, root, _), tempfile.TemporaryDirectory() as folder:
        other_root = certificates(folder)[0]
        for ca, tenant in ((other_root, "acme"), (root, "gamma")):
            status, _, text = load("--gateway", fake.address, "--ca", ca, "--tenant", tenant,
                                   "--duration", "100ms")
            tap.equal(status, 1)
            tap.true("no answer from" in text, text)


@tap.test
def credentials_come_from_the_environment_and_stay_out_of_the_report():
    with server() as fake:
        environment = {"COFFER_LOAD_USER": "alice", "COFFER_LOAD_PASSWORD": "open-sesame"}
        status, report, text = load("--insecure-plain", fake.url, "--duration", "200ms",
                                    environment=environment)
    tap.equal(status, 0, text)
    tap.true("sesame" not in text + json.dumps(report), "no password in the report")


@tap.test
def wrong_usage_is_status_2_with_one_line():
    with tempfile.TemporaryDirectory() as nothing_is_up:
        for arguments in (["--clients", "0"], ["--bogus"], ["--rate", "never"], []):
            status, _, text = load(*arguments, environment={"XDG_STATE_HOME": nothing_is_up})
            tap.equal(status, 2, arguments)
            tap.equal(text.count("\n"), 1, text)


tap.main()
