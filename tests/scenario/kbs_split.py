#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The key broker is two processes: the one that has the network has no key (docs/decisions/019).

usage: kbs_split.py COFFER COFFER-KBS PROVISION-PROBE MEMORY-KEYS
"""
import contextlib
import hashlib
import http.client
import json
import os
import secrets
import select
import signal
import ssl
import subprocess
import sys

import kbs_native
import tap

COFFER, KBS, PROBE, MEMORY = (os.path.abspath(path) for path in sys.argv[1:5])
MANIFEST = "freshness: none\nholders: [HOLDERS]\nshares_needed: 2\n"
PROGRAM = b"the program\n"
POLICY = (f"version: 1\ntenant: shop\nname: till\ntee: [sim]\n"
          f"program: {{measurements: ['sha256:{hashlib.sha256(PROGRAM).hexdigest()}']}}\n"
          "command: {arguments: [server, '--token=${secret.token}']}\n"
          "volumes: [{name: data, mount: /data, mode: strict}]\n"
          "secrets: {token: {kind: ascii, source: given}}\n")


@contextlib.contextmanager
def fixture():
    broker = kbs_native.Broker(COFFER, KBS, MANIFEST)
    try:
        broker.start()
        yield broker
    finally:
        broker.done()


def good(broker, *words, by):
    code, text = broker.coffer(*words, "--keys", broker.keys[by], *broker.where())
    tap.equal(code, 0, text)
    return text


def network_of(pid):
    """The network process of the key broker `pid`."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        children = f.read().split()
    tap.equal(len(children), 1, "processes beside the keeper")
    return int(children[0])


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def point(pem):
    """The public key of a certificate, a P-256 point."""
    public = openssl("x509", "-noout", "-pubkey", data=pem.encode())
    return openssl("pkey", "-pubin", "-outform", "DER", data=public)[-65:].hex()


def connect(broker, certificate=None, key=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key)
    host, port = broker.address.split(":")
    return http.client.HTTPSConnection(host, int(port), context=context, timeout=20)


def call(connection, path, **members):
    connection.request("POST", path, json.dumps(members))
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def search(pid, lines):
    run = subprocess.run([MEMORY, str(pid)], input="\n".join(lines) + "\n", text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if "cannot be read" in run.stderr:
        raise tap.Skip("only who may trace processes can look into their memory")
    tap.equal(run.returncode, 0, run.stderr)
    return run.stdout.split()


@tap.test
def no_key_is_in_the_memory_of_the_process_that_has_the_network(broker):
    token = secrets.token_hex(24)
    broker.write("program", PROGRAM.decode())
    os.mkdir(broker.path("shares"))
    os.mkdir(broker.path("volumes"))
    good(broker, "kbs", "tenant", "shop", "--owner", broker.keys["owner"] + "/certificate.pem",
         by="operator")
    good(broker, "policy", "put", broker.write("till.yaml", POLICY), by="owner")
    good(broker, "policy", "secret", "shop/till", "token", "--value",
         broker.write("token", token), by="owner")
    holders = ",".join(broker.keys[f"holder{i}"] + "/certificate.pem" for i in (1, 2, 3))
    good(broker, "kbs", "shares", "--dir", broker.path("shares"), "--holders", holders,
         by="operator")
    for i in (1, 2):
        code, text = broker.coffer("kbs", "share", broker.path(f"shares/share-{i}"), "--keys",
                                   broker.keys[f"holder{i}"], "--out", broker.path(f"share-{i}"))
        tap.equal(code, 0, text)
    with open(broker.path("pin"), encoding="utf-8") as f:
        pin = f.read().strip()
    probe = subprocess.Popen(
        [PROBE, broker.address, pin, "shop", "till", broker.path("program"),
         broker.path(broker.device), broker.path("volumes"), "", "20000"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines = [probe.stdout.readline().rstrip("\n")]
    while lines[-1] != "end" and not lines[-1].startswith("provision -"):
        lines.append(probe.stdout.readline().rstrip("\n"))
    tap.true(f"arg --token={token}" in lines, lines)

    connection = connect(broker)
    connection.connect()
    served = ssl.DER_cert_to_PEM_cert(connection.sock.getpeercert(True))
    info = call(connection, "/v1/info")[1]
    wanted = {"the root key": "shares " + broker.path("share-1") + " " + broker.path("share-2"),
              "the CA's key": "point " + point(info["ca"]),
              "the audit log's key": "point " + info["audit_key"],
              "the TLS server's key": "point " + point(served),
              "a client's secret": "bytes " + token.encode().hex()}
    pid = broker.process.pid
    for name, found in zip(wanted, search(network_of(pid), wanted.values())):
        tap.equal(found, "absent", f"{name} in the network process")
    # The same search finds what is there: the secret is sealed, and opened for its client only.
    found = dict(zip(wanted, search(pid, wanted.values())))
    del found["a client's secret"]
    for name, there in found.items():
        tap.equal(there, "found", f"{name} in the keeper")
    probe.stdin.close()
    probe.wait()


@tap.test
def the_network_process_can_serve_its_sockets_and_nothing_else(broker):
    pid = network_of(broker.process.pid)
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    tap.equal((status["NoNewPrivs"], status["Seccomp"], status["Threads"]), ("1", "2", "1"))
    for number in os.listdir(f"/proc/{pid}/fd"):
        what = os.readlink(f"/proc/{pid}/fd/{number}")
        tap.true(int(number) < 3 or what.startswith(("socket:", "anon_inode:")), what)
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        tap.true(broker.path("state") not in f.read(), "no file of the state")


@tap.test
def clients_of_every_kind_of_key_are_known_by_it(broker):
    kinds = (["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
             ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
             ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], ["ED25519"],
             ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
    for kind in kinds:
        key, certificate = broker.path("kind.key"), broker.path("kind.pem")
        openssl("genpkey", "-algorithm", *kind, "-out", key)
        openssl("req", "-x509", "-key", key, "-subj", "/CN=k", "-days", "3", "-out", certificate)
        expected = hashlib.sha256(openssl("pkey", "-in", key, "-pubout", "-outform", "DER"))
        connection = connect(broker, certificate, key)
        for _ in range(2):
            status, answer = call(connection, "/v1/tenant/list")
            tap.equal((status, answer["code"], answer["seen"]),
                      (403, "NOT_OPERATOR", expected.hexdigest()), kind)


@tap.test
def no_request_ends_the_service(broker):
    """What a client may send, the network process says in a way that the keeper takes."""
    deep = "[" * 17 + "]" * 17
    bodies = ("", "x", "[1]", deep, '{"a":' * 15 + "1" + "}" * 15, '{"%s":1}' % ("k" * 300),
              '{"a":1,"a":2}', '{"a":"\\u0000"}', '{"a":1e400}', '{"a":1.5}', "[" + "0," * 20000 + "0]",
              '{"tenant":"' + "t" * 500000 + '"}', '{"tenant":"\xff"}')
    for path in ("/v1/tenant/list", "/v1/peer/state", "/v1/" + "p" * 80, "/%00", "/v1/tenant/list?x"):
        for body in bodies:
            connection = connect(broker)
            connection.request("POST", path, body.encode("latin-1"))
            tap.true(400 <= connection.getresponse().status < 500, f"{path} {body[:50]}")
            connection.close()
    connection = connect(broker)
    connection.request("POST", "/v1/peer/state", "x" * 600000)
    tap.equal(connection.getresponse().status, 413)
    tap.equal(tenants(broker), ["shop"])


@tap.test
def a_second_hello_is_part_of_what_is_signed(broker):
    """A client whose first share of a key is of another group than the server's."""
    request = b"POST /v1/tenant/list HTTP/1.1\r\nHost: k\r\nConnection: close\r\n" \
              b"Content-Length: 2\r\n\r\n{}"
    run = subprocess.run(
        ["openssl", "s_client", "-connect", broker.address, "-groups", "P-521:P-256",
         "-cert", broker.keys["operator"] + "/certificate.pem", "-key",
         broker.keys["operator"] + "/key.pem", "-quiet", "-msg"],
        input=request, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    tap.true(b"200 OK" in run.stdout and run.stdout.count(b", ClientHello") == 2,
             run.stdout.decode(errors="replace")[-2000:])


@tap.test
def a_keeper_that_hangs_is_not_healthy(broker):
    def healthy(patience):
        connection = connect(broker)
        connection.connect()
        connection.sock.settimeout(patience)
        connection.request("GET", "/healthz")
        return connection.getresponse().read() == b"ok\n"

    tap.true(healthy(20), "both live")
    held = connect(broker)
    held.connect()  # while the keeper still makes certificates
    os.kill(broker.process.pid, signal.SIGSTOP)
    try:
        held.request("GET", "/healthz")
        readable, _, _ = select.select([held.sock], [], [], 0.2)
        tap.equal(readable, [], "an answer of the network process alone")
    finally:
        os.kill(broker.process.pid, signal.SIGCONT)
    tap.equal(held.getresponse().read(), b"ok\n")


@tap.test
def what_waits_for_a_busy_keeper_does_not_grow_without_end(broker):
    body = ('{"tenant":"' + "t" * 500000 + '"}').encode()
    connections = [connect(broker) for _ in range(50)]
    for connection in connections:
        connection.connect()
    os.kill(broker.process.pid, signal.SIGSTOP)
    try:
        for connection in connections:
            connection.request("POST", "/v1/tenant/list", body)
        # Those that are sent away are so while it is stopped.
        tap.until(lambda: select.select([c.sock for c in connections], [], [], 0)[0],
                  "some are sent away")
    finally:
        os.kill(broker.process.pid, signal.SIGCONT)
    answers = [connection.getresponse() for connection in connections]
    codes = [json.loads(answer.read())["code"] for answer in answers]
    # Who holds a volume must take it for "not now", never for having been replaced.
    tap.equal({answer.status for answer, code in zip(answers, codes) if code == "LIMIT_REACHED"}, {503})
    tap.true(codes.count("NOT_OPERATOR") > 20 and "LIMIT_REACHED" in codes, codes)
    tap.equal(len(codes), codes.count("NOT_OPERATOR") + codes.count("LIMIT_REACHED"))
    tap.equal(tenants(broker), ["shop"])


def tenants(broker):
    return good(broker, "kbs", "tenants", by="operator").split()


@tap.test
def the_end_of_either_process_is_the_end_of_both_and_nothing_is_lost(broker):
    kept = ["shop"]
    for count in range(6):
        name = f"t{count}"
        good(broker, "kbs", "tenant", name, "--owner",
             broker.keys["owner"] + "/certificate.pem", by="operator")
        kept.append(name)
        keeper = broker.process.pid
        network = network_of(keeper)
        if count % 2:
            os.kill(network, signal.SIGKILL)
            tap.true(broker.process.wait() == 1, "the keeper ends, and not well")
            tap.true("the network process has ended by itself" in broker.log(), "and says why")
        else:
            broker.stop(signal.SIGKILL)
            tap.until(lambda pid=network: not alive(pid), "the network process ends")
        broker.start()
        tap.equal(tenants(broker), kept)


@tap.test
def a_network_process_that_does_not_see_the_end_does_not_outlive_it(broker):
    network = network_of(broker.process.pid)
    os.kill(network, signal.SIGSTOP)
    broker.stop(signal.SIGKILL)
    tap.until(lambda: not alive(network), "the network process ends")
    broker.start()


@tap.test
def asked_to_stop_both_end_well_whoever_is_signalled_beside(broker):
    network = network_of(broker.process.pid)
    os.kill(network, signal.SIGTERM)  # a terminal signals both; the keeper decides
    os.kill(network, signal.SIGINT)
    tap.equal(tenants(broker)[0], "shop")
    broker.process.send_signal(signal.SIGTERM)
    tap.equal(broker.process.wait(), 0)
    tap.until(lambda: not alive(network), "the network process has ended")


tap.main(fixture)
