#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The key broker with real processes: owners, operators, attested runtimes, crashes.

usage: kbs.py COFFER-KBS PROVISION-PROBE [COFFER-RUNTIME]

With the runtime, the key broker runs under it, its state on an encrypted volume of its own.
"""
import base64
import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import http.client

import tap
from volume_second import Damaged, Volume

KBS, PROBE = (os.path.abspath(path) for path in sys.argv[1:3])
RUNTIME = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else None


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


class Key:
    """A P-256 key with a self-signed certificate: an operator or an owner."""

    def __init__(self, directory, name):
        self.path = f"{directory}/{name}.key"
        self.certificate = f"{directory}/{name}.pem"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path)
        openssl("req", "-x509", "-key", self.path, "-subj", "/CN=" + name, "-days", "30", "-out",
                self.certificate)
        der = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        self.hash = hashlib.sha256(der).hexdigest()

    def sign(self, text):
        signed = openssl("dgst", "-sha256", "-sign", self.path, data=text.encode())
        return base64.b64encode(signed).decode()


class Probe:
    """A process that attests and then owns a volume."""

    def __init__(self, system, program, tenant="acme", policy="documents", instance="",
                 patience=20000, pin=None, device=None, port=None):
        self.process = subprocess.Popen(
            [PROBE, f"127.0.0.1:{port or system.port}", pin or system.pin, tenant, policy, program,
             device or system.device, system.directory + "/volumes", instance, str(patience)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line == "end\n" or line.startswith("provision -"):
                break

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def open(self):
        answer = self.ask("open")
        return (answer, self.process.stdout.readline().split()[1:]) if answer == "open 0 " \
            else (answer, None)

    def refusal(self):
        return next((line for line in self.lines if line.startswith("provision -")), "")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class System:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="coffer-kbs-")
        os.mkdir(self.directory + "/volumes")
        self.log = open(self.directory + "/log", "w+", encoding="utf-8")
        self.operator = Key(self.directory, "operator")
        self.owner = Key(self.directory, "owner")
        self.stranger = Key(self.directory, "stranger")
        self.device = self.directory + "/device"
        self.manifest = self.directory + "/manifest.yaml"
        self.program = self.directory + "/program"
        with open(self.program, "w", encoding="utf-8") as f:
            f.write("the program\n")
        with open(self.manifest, "w", encoding="utf-8") as f:
            f.write("version: 1\ndomain: localhost\ntee: [sim]\nsim_devices: [self]\n"
                    f"operators: [sha256:{self.operator.hash}]\nfreshness: none\n"
                    "lease_term_s: 1\n")
        self.port = 0
        self.start()
        command = self.command("--print-pin", "--log-level", "error", state=None)
        self.pin = subprocess.run(command, check=True, stdout=subprocess.PIPE,
                                  text=True).stdout.strip()

    def command(self, *flags, device=None, manifest=None, state="/state"):
        """The key broker's command line, natively or under the runtime."""
        device, manifest = device or self.device, manifest or self.manifest
        directory = self.directory + "/state"
        if not RUNTIME:
            where = ["--state", directory] if state else []
            return [KBS, "--bootstrap", manifest, "--insecure__native", device, *where, *flags]
        volume = ["--volume-key", "seal", "--volume", directory + ":/state"] if state else []
        where = ["--state", "/state"] if state else []
        return [RUNTIME, "--sim-device", device, "--manifest", manifest, *volume, "--", KBS,
                "--bootstrap", manifest, *where, *flags]

    def start(self):
        port_file = self.directory + "/port"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(port_file)
        command = self.command("--listen", f"127.0.0.1:{self.port}", "--port-file", port_file)
        self.process = subprocess.Popen(command, stderr=self.log)
        tap.until(lambda: os.path.exists(port_file) or self.process.poll() is not None,
                  "the key broker is ready")
        tap.true(self.process.poll() is None, "it starts at once, though one was just killed")
        with open(port_file, encoding="utf-8") as f:
            self.port = int(f.read())
        tap.until(lambda: self.get("/healthz") == "ok\n", "the key broker answers")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def connect(self, key=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if key:
            context.load_cert_chain(key.certificate, key.path)
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)

    def get(self, path):
        try:
            connection = self.connect()
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except OSError:
            return None

    def call(self, key, path, **members):
        connection = self.connect(key)
        connection.request("POST", path, json.dumps(members))
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def policy(self, **changes):
        with open(self.program, "rb") as f:
            measured = hashlib.sha256(f.read()).hexdigest()
        values = {"tee": "[sim]", "program": measured, "mode": "periodic", "name": "documents",
                  "explain": "true"}
        values.update(changes)
        return """version: 1
tenant: acme
name: {name}
tee: {tee}
program:
  measurements: [sha256:{program}]
command:
  arguments: [server, "--token=${{secret.token}}"]
  environment: {{PASSWORD: "${{secret.first}}", PLAIN: words}}
volumes:
  - {{name: data, mount: /data, mode: {mode}, compress: true}}
network:
  - {{listen: 8080, class: handover}}
  - {{connect: "10.0.0.1:53", class: plain, protocol: udp}}
  - {{listen: "unix:/run/own.sock", class: plain}}
explain: {explain}
files:
  - {{path: /etc/hosts, class: host, read_only: true}}
secrets:
  first: {{kind: ascii, source: generate, size: 20, reveal: once}}
  token: {{kind: ascii, source: given}}
  key: {{kind: private_key, source: generate}}
secret_files:
  - {{path: /run/key.pem, secret: key, mode: "0400"}}
""".format(**values)

    def put(self, text, replaces=None, key=None, policy="documents", signature=None):
        key = key or self.owner
        members = {"tenant": "acme", "policy": policy, "yaml": text,
                   "signature": signature or key.sign(text)}
        if replaces:
            members["replaces"] = replaces
        return self.call(key, "/v1/policy/put", **members)

    def logs(self):
        self.log.flush()
        with open(self.directory + "/log", encoding="utf-8") as f:
            return f.read()


@contextlib.contextmanager
def fixture():
    system = System()
    try:
        yield system
    finally:
        system.process.kill()
        system.process.wait()
        shutil.rmtree(system.directory)


@tap.test
def an_operator_reserves_a_name_and_nobody_else_does(s):
    with open(s.owner.certificate, encoding="utf-8") as f:
        pem = f.read()
    status, answer = s.call(s.stranger, "/v1/tenant/add", tenant="acme", owner_certificate=pem)
    tap.equal((status, answer["code"]), (403, "NOT_OPERATOR"))
    tap.equal(s.call(s.operator, "/v1/tenant/add", tenant="acme", owner_certificate=pem)[0], 200)
    status, answer = s.call(s.operator, "/v1/tenant/add", tenant="acme", owner=s.stranger.hash)
    tap.equal((status, answer["code"]), (409, "TENANT_TAKEN"))
    status, answer = s.call(s.operator, "/v1/tenant/add", tenant="Acme/..", owner=s.owner.hash)
    tap.equal((status, answer["code"]), (400, "REQUEST_INVALID"))


@tap.test
def the_owner_alone_puts_a_policy_signed_by_the_owners_key(s):
    text = s.policy()
    status, answer = s.put(text, key=s.stranger)
    tap.equal((status, answer["code"]), (403, "NOT_OWNER"))
    status, answer = s.put(text, key=s.operator)
    tap.equal((status, answer["code"]), (403, "NOT_OWNER"))
    status, answer = s.put(text, signature=s.stranger.sign(text))
    tap.equal((status, answer["code"]), (403, "POLICY_SIGNATURE"))
    status, answer = s.put(text + "what: is this\n")
    tap.equal((status, answer["code"], answer["line"]), (400, "POLICY_INVALID", 25))
    tap.true("line 25" in answer["detail"] and "'what'" in answer["detail"], answer)
    status, answer = s.put(text)
    tap.equal((status, answer["hash"]), (200, hashlib.sha256(text.encode()).hexdigest()))
    status, answer = s.put(text + "# again\n")
    tap.equal((status, answer["code"]), (409, "POLICY_CONFLICT"))


@tap.test
def a_secret_that_was_not_given_yet_is_named(s):
    probe = Probe(s, s.program)
    tap.true("SECRET_MISSING" in probe.refusal() and "token" in probe.refusal(), probe.lines)
    status, answer = s.call(s.owner, "/v1/secret/give", tenant="acme", policy="documents",
                            secret="token", base64=base64.b64encode(b"T0ken\n").decode())
    tap.equal((status, answer["code"]), (400, "REQUEST_INVALID"))
    status, _ = s.call(s.owner, "/v1/secret/give", tenant="acme", policy="documents",
                       secret="token", base64=base64.b64encode(b"T0ken").decode())
    tap.equal(status, 200)


@tap.test
def an_attested_runtime_gets_all_it_needs(s):
    probe = Probe(s, s.program)
    lines = probe.lines
    tap.true("provision 0 " in lines, lines)
    for line in ("arg server", "arg --token=T0ken", "env PLAIN=words",
                 "net listen 8080 class 2 tls 1", "net connect 53 class 0 tls 0",
                 "net protocol 1 10.0.0.1", "net protocol 2 /run/own.sock", "explain 1",
                 "file /etc/hosts class 0",
                 f"volume data mode 1 create 1 compress 1 dir {s.directory}/volumes/data"):
        tap.true(line in lines, f"{line} in {lines}")
    s.password = next(line for line in lines if line.startswith("env PASSWORD="))[13:]
    tap.equal(len(s.password), 20)
    tap.true(any(re.match(r"secret-file /run/key.pem 400 \d+", line) for line in lines), lines)
    pem = "\n".join(lines)
    pem = pem[pem.index("-----BEGIN CERTIFICATE"):pem.index("\nend") if "\nend" in pem else None]
    with open(s.directory + "/ca.pem", "w", encoding="utf-8") as f:
        f.write(json.loads(s.get("/v1/info"))["ca"])
    shown = subprocess.run(["openssl", "verify", "-CAfile", s.directory + "/ca.pem",
                            "-verify_hostname", "acme.localhost"], input=pem, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    tap.equal(shown.stdout.strip(), "stdin: OK")
    tap.equal(probe.ask("renew"), "renew 0 ", "another certificate while it runs")
    probe.end()


@tap.test
def the_first_password_is_shown_to_the_owner_once(s):
    members = {"tenant": "acme", "policy": "documents", "secret": "first"}
    for key in (s.operator, s.stranger, None):
        status, answer = s.call(key, "/v1/secret/reveal", **members)
        tap.equal((status, answer["code"]), (403, "NOT_OWNER"))
    tap.equal(s.call(s.owner, "/v1/secret/reveal", **members), (200, {"value": s.password}))
    status, answer = s.call(s.owner, "/v1/secret/reveal", **members)
    tap.equal((status, answer["code"]), (409, "SECRET_SPENT"))
    status, answer = s.call(s.owner, "/v1/secret/reveal", tenant="acme", policy="documents",
                            secret="token")
    tap.equal((status, answer["code"]), (409, "SECRET_SPENT"))


@tap.test
def a_wrong_program_is_refused_with_the_reason(s):
    other = s.directory + "/other"
    with open(other, "w", encoding="utf-8") as f:
        f.write("another program\n")
    probe = Probe(s, other)
    seen = hashlib.sha256(b"another program\n").hexdigest()
    expected = hashlib.sha256(b"the program\n").hexdigest()
    for part in ("-13", "PROGRAM_REFUSED", "program.measurements", "line 6", seen):
        tap.true(part in probe.refusal(), f"{part} in {probe.refusal()}")
    tap.true(expected not in probe.refusal(), "the peer is not told what would do")
    tap.true(f"expected {expected}" in s.logs(), "the log has it all")


@tap.test
def a_policy_without_sim_refuses_the_simulation(s):
    text = s.policy(tee="[tdx, snp]", name="strict-tee")
    tap.equal(s.put(text, policy="strict-tee")[0], 200)
    probe = Probe(s, s.program, policy="strict-tee")
    tap.true("TEE_REFUSED" in probe.refusal() and "line 4" in probe.refusal(), probe.lines)


@tap.test
def a_device_that_the_manifest_does_not_name_is_refused(s):
    probe = Probe(s, s.program, device=s.directory + "/foreign-device")
    tap.true("DEVICE_REFUSED" in probe.refusal(), probe.lines)


@tap.test
def unknown_tenants_and_policies_are_named(s):
    tap.true("TENANT_UNKNOWN" in Probe(s, s.program, tenant="nobody").refusal(), "tenant")
    tap.true("POLICY_UNKNOWN" in Probe(s, s.program, policy="nothing").refusal(), "policy")


@tap.test
def a_runtime_tells_nothing_to_a_key_broker_that_is_not_the_pinned_one(s):
    requests = re.search(r"kbs_requests_total (\d+)", s.get("/metrics"))[1]
    pin = re.sub(r"config=\w{8}", "config=00000000", s.pin)
    probe = Probe(s, s.program, pin=pin)
    tap.true("provision -129" in probe.refusal() and "CONFIG_REFUSED" in probe.refusal(),
             probe.lines)
    tap.equal(re.search(r"kbs_requests_total (\d+)", s.get("/metrics"))[1], requests)


@tap.test
def a_client_certificate_is_no_evidence(s):
    status, answer = s.call(s.owner, "/v1/provision", tenant="acme", policy="documents", csr="x")
    tap.equal((status, answer["code"]), (403, "EVIDENCE_ABSENT"))
    status, answer = s.call(s.owner, "/v1/volume/open", id="00" * 16, opening="00" * 16)
    tap.equal((status, answer["code"]), (403, "SESSION_INVALID"))


@tap.test
def an_owner_reports_and_an_old_head_is_refused(s):
    probe = Probe(s, s.program)
    answer, head = probe.open()
    tap.equal((answer, head[1]), ("open 0 ", "0"))
    tap.equal(probe.ask("report 5"), "report 0 ")
    tap.equal(probe.ask("rest"), "rest 0 ")
    tap.equal(probe.ask("renew"), "renew 0 ", "another certificate takes no volume away")
    tap.equal(probe.ask("report 7"), "report 0 ")
    tap.true(probe.ask("report 6").startswith("report -116"), "an older head")
    tap.equal(probe.ask("close 7"), "close 0 ")
    probe.end()


@tap.test
def the_volume_comes_opened_with_the_configuration(s):
    opened = re.search(r"kbs_requests_total (\d+)", s.get("/metrics"))[1]
    probe = Probe(s, s.program)
    answer, head = probe.open()
    tap.equal((answer, head[1]), ("open 0 ", "7"))
    now = re.search(r"kbs_requests_total (\d+)", s.get("/metrics"))[1]
    tap.equal(int(now), int(opened) + 1, "calls for a start")
    tap.equal(probe.ask("close 7"), "close 0 ")
    again, second = probe.open()
    tap.equal((again, second), ("open 0 ", [str(int(head[0]) + 1), "7"]))
    tap.equal(probe.ask("close 7"), "close 0 ")
    probe.end()


@tap.test
def a_successor_of_a_killed_owner_waits_for_its_term_and_fences_it(s):
    first = Probe(s, s.program)
    epoch = int(first.open()[1][0])
    impatient = Probe(s, s.program, patience=0)
    tap.true("VOLUME_HELD" in impatient.open()[0], "a lease is running")
    patient = Probe(s, s.program)
    tap.equal(patient.open(), ("open 0 ", [str(epoch + 1), "7"]))
    tap.true(first.ask("report 8").startswith("report -116"), "the old owner is fenced")
    tap.equal(patient.ask("report 9"), "report 0 ")
    for probe in (first, impatient):
        probe.end()
    patient.kill()


@tap.test
def the_same_launcher_needs_no_waiting(s):
    first = Probe(s, s.program, instance="ab" * 16)
    epoch = int(first.open()[1][0])
    first.kill()
    second = Probe(s, s.program, instance="ab" * 16, patience=0)
    tap.equal(second.open(), ("open 0 ", [str(epoch + 1), "9"]))
    tap.equal(second.ask("close 10"), "close 0 ")
    second.end()


@tap.test
def kill_and_restart_loses_nothing_that_was_acknowledged(s):
    probe = Probe(s, s.program)
    epoch = None
    for round_number in range(5):
        sequence = 10 * (round_number + 2)
        _, head = probe.open()
        tap.true(epoch is None or int(head[0]) == epoch + 1, "the next epoch")
        epoch = int(head[0])
        tap.equal(probe.ask(f"report {sequence}"), "report 0 ")
        s.kill()
        s.start()
        tap.equal(probe.ask(f"report {sequence + 1}"), "report 0 ")
        tap.equal(probe.ask(f"close {sequence + 2}"), "close 0 ")
    probe.end()
    probe = Probe(s, s.program)
    tap.equal(probe.open(), ("open 0 ", [str(epoch + 1), "62"]))
    tap.equal(probe.ask("close 62"), "close 0 ")
    probe.end()
    info = json.loads(s.get("/v1/info"))
    with open(s.directory + "/ca.pem", encoding="utf-8") as f:
        tap.equal(info["ca"], f.read(), "the CA after restarts")


@tap.test
def an_older_disk_of_the_key_broker_is_found_out_by_a_program_that_runs(s):
    state, older, newer = (s.directory + "/state" + end for end in ("", ".older", ".newer"))
    probe = Probe(s, s.program)
    sequence = int(probe.open()[1][1])
    tap.equal(probe.ask(f"report {sequence + 1}"), "report 0 ")
    s.kill()
    shutil.copytree(state, older)
    s.start()
    tap.equal(probe.ask(f"report {sequence + 2}"), "report 0 ")
    s.kill()
    os.rename(state, newer)
    os.rename(older, state)
    s.start()
    tap.true(probe.ask(f"report {sequence + 3}").startswith("report -11"), "no answer that counts")
    tap.true("STATE_OLD" in s.logs(), s.logs()[-1000:])
    s.kill()
    shutil.rmtree(state)
    os.rename(newer, state)
    s.start()
    tap.equal(probe.ask(f"report {sequence + 3}"), "report 0 ")
    tap.equal(probe.ask(f"close {sequence + 3}"), "close 0 ")
    probe.end()


@tap.test
def a_key_broker_that_is_away_is_waited_for(s):
    probe = Probe(s, s.program)
    tap.equal(probe.open()[0], "open 0 ")
    s.kill()
    tap.true(probe.ask("report 70").startswith("report -11 "), "not acknowledged while away")
    late = Probe(s, s.program, patience=0)
    tap.true("provision -11" in late.refusal(), late.lines)
    s.start()
    tap.equal(probe.ask("report 70"), "report 0 ")
    tap.equal(probe.ask("close 71"), "close 0 ")
    probe.end()


@tap.test
def a_changed_policy_makes_its_runtimes_attest_again(s):
    probe = Probe(s, s.program)
    tap.equal(probe.open()[0], "open 0 ")
    old = hashlib.sha256(s.policy().encode()).hexdigest()
    text = s.policy(mode="strict")
    tap.equal(s.put(text, replaces=old)[0], 200)
    tap.equal(probe.ask("report 80"), "report 0 ")
    other = hashlib.sha256(b"another program\n").hexdigest()
    last = s.policy(mode="strict", program=other)
    tap.equal(s.put(last, replaces=hashlib.sha256(text.encode()).hexdigest())[0], 200)
    tap.true(probe.ask("report 81").startswith("report -13 "), "no longer good enough")
    again = s.put(text, replaces=hashlib.sha256(last.encode()).hexdigest())
    tap.equal(again[0], 200)
    tap.equal(probe.ask("close 82"), "close 0 ")
    probe.end()


class Way:
    """A way to the key broker that can be cut: connections end, and no new one comes through."""

    def __init__(self, port):
        self.port_there, self.open, self.pairs = port, True, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if not self.open:
                    here.close()
                    continue
                there = socket.create_connection(("127.0.0.1", self.port_there))
                self.pairs.append((here, there))
            for a, b in ((here, there), (there, here)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        for end in (a, b):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        with self.lock:
            self.open = False
            for end in sum(self.pairs, ()):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            self.pairs.clear()

    def heal(self):
        with self.lock:
            self.open = True


def shared_policy(s, name, mode):
    tap.equal(s.put(s.policy(name=name, mode=mode), policy=name)[0], 200)
    tap.equal(s.call(s.owner, "/v1/secret/give", tenant="acme", policy=name, secret="token",
                     base64=base64.b64encode(b"T").decode())[0], 200)


def put_until_refused(probe, prefix):
    """What was acknowledged until then."""
    done = []
    tap.until(lambda: probe.ask(f"put {prefix}{len(done)} 65 100") != "put 0 " or
              done.append(f"{prefix}{len(done)}"), "it is refused")
    return done


@tap.test
def of_a_paused_owner_and_its_successor_one_acknowledges(s):
    for mode in ("strict", "periodic"):
        shared_policy(s, "paused-" + mode, mode)
        first = Probe(s, s.program, policy="paused-" + mode)
        tap.equal(first.ask("mount shared"), "mount 0 ")
        tap.equal(first.ask("put before 65 100"), "put 0 ")
        first.process.send_signal(signal.SIGSTOP)
        second = Probe(s, s.program, policy="paused-" + mode)
        tap.equal(second.ask("mount shared"), "mount 0 ")
        tap.equal(second.ask("put between 65 100"), "put 0 ")
        first.process.send_signal(signal.SIGCONT)
        tap.true(first.ask("put after 65 100").startswith("put -"), "it has slept too long")
        tap.equal([second.ask("size " + name) for name in ("before", "between", "after")],
                  ["size 100 ", "size 100 ", "size -2 No such file or directory"], mode)
        tap.equal(second.ask("put last 65 100"), "put 0 ")
        tap.equal(second.ask("unmount"), "unmount 0 ")
        for probe in (first, second):
            probe.kill()
        shutil.rmtree(s.directory + "/volumes/data")


@tap.test
def of_an_owner_that_is_cut_off_and_its_successor_one_acknowledges(s):
    for mode in ("strict", "periodic"):
        shared_policy(s, "cut-" + mode, mode)
        way = Way(s.port)
        first = Probe(s, s.program, policy="cut-" + mode, port=way.port, patience=300)
        tap.equal(first.ask("mount shared"), "mount 0 ")
        tap.equal(first.ask("put before 65 100"), "put 0 ")
        way.cut()
        acknowledged = ["before"] + put_until_refused(first, "alone")
        tap.true(mode == "periodic" or acknowledged == ["before"], "strict asks each time")
        second = Probe(s, s.program, policy="cut-" + mode)
        tap.equal(second.ask("mount shared"), "mount 0 ")
        tap.equal(second.ask("put between 65 100"), "put 0 ")
        way.heal()
        tap.true(first.ask("put after 65 100").startswith("put -"), "there is a later one")
        tap.equal([second.ask("size " + name) for name in acknowledged + ["between"]],
                  ["size 100 "] * (len(acknowledged) + 1), mode)
        tap.equal(second.ask("unmount"), "unmount 0 ")
        tap.equal(put_until_refused(first, "again"), [], "never again")
        for probe in (first, second):
            probe.kill()
        way.cut()
        way.listener.close()
        shutil.rmtree(s.directory + "/volumes/data")


def second_reader(folder, line):
    """The volume read by other code, with what the probe says its keys are."""
    words = line.split()[1:]
    erase = dict(word.split("=") for word in words[1:])
    return Volume(folder, bytes.fromhex(words[0]),
                  {int(n): bytes.fromhex(key) for n, key in erase.items()})


def found_in(folder, line, byte):
    """How often contents of that byte can be had from the volume in `folder` with these keys."""
    try:
        return sum(data.count(byte * 4096) for data in second_reader(folder, line).tree().values()
                   if data)
    except (Damaged, KeyError):
        return 0


@tap.test
def what_is_erased_is_gone_from_every_copy_and_the_rest_stays(s):
    text = s.policy(name="erasing", mode="strict")
    tap.equal(s.put(text, policy="erasing")[0], 200)
    tap.equal(s.call(s.owner, "/v1/secret/give", tenant="acme", policy="erasing", secret="token",
                     base64=base64.b64encode(b"T").decode())[0], 200)
    probe = Probe(s, s.program, policy="erasing")
    folder, copy = s.directory + "/volumes/data", s.directory + "/copy"
    for command in ("mount", "put secret 88 50000", "put other 89 50000"):
        tap.equal(probe.ask(command), command.split()[0] + " 0 ")
    shutil.copytree(folder, copy)
    before = probe.ask("keys")
    tap.true(found_in(copy, before, b"X") > 0, "with its erase key the copy can be read")
    tap.equal(probe.ask("forget secret"), "forget 0 ")
    after = probe.ask("keys")
    tap.equal(after.split()[1], before.split()[1], "the same volume key")
    tap.equal((found_in(copy, after, b"X"), found_in(folder, after, b"X")), (0, 0), "what is left")
    every = after + "".join(f" {n}={after.split('=')[1]}" for n in range(1, 8) if f" {n}=" not in after)
    tap.equal(found_in(copy, every, b"X"), 0, "with the new key under every number")
    tap.true(found_in(folder, after, b"Y") > 0, "the other file")
    tap.equal(probe.ask("unmount"), "unmount 0 ")
    probe.end()
    probe = Probe(s, s.program, policy="erasing")
    tap.equal([probe.ask(command) for command in ("mount", "size secret", "size other", "unmount")],
              ["mount 0 ", "size -2 No such file or directory", "size 50000 ", "unmount 0 "])
    probe.end()
    shutil.rmtree(copy)
    events = [json.loads(e["event"]) for e in s.call(s.operator, "/v1/audit", after=0)[1]["entries"]]
    tap.true(any(e["event"] == "erase keys destroyed" and "by volumes (line" in e["detail"]
                 for e in events), "the audit log names the clause")


@tap.test
def a_fenced_owner_gets_no_erase_key_and_destroys_none(s):
    first = Probe(s, s.program, policy="erasing", instance="cd" * 16)
    tap.equal(first.open()[0], "open 0 ")
    second = Probe(s, s.program, policy="erasing", instance="cd" * 16)
    tap.equal(second.open()[0], "open 0 ")
    tap.equal(first.ask("erase-key 9").split()[:2], ["erase-key", "-116"], "it is fenced")
    tap.true(first.ask("erase-drop 9").startswith("erase-drop -116"), "it is fenced")
    tap.true(second.ask("erase-key 9").startswith("erase-key -126"), "there is no such key")
    for probe in (first, second):
        probe.end()


def volume_key(s):
    probe = Probe(s, s.program, policy="erasing")
    tap.equal(probe.ask("mount"), "mount 0 ")
    words = probe.ask("keys")
    return probe, words


@tap.test
def the_owner_orders_another_key_and_what_is_to_be_erased(s):
    def order(**what):
        return s.call(s.owner, "/v1/volume/order", tenant="acme", policy="erasing", volume="data", **what)
    folder = s.directory + "/volumes/data"
    probe, old = volume_key(s)
    tap.equal(order(rekey=True)[0], 200)
    tap.equal(order(erase=["/other", "/nowhere/at/all"])[0], 200)
    tap.equal(s.call(s.stranger, "/v1/volume/order", tenant="acme", policy="erasing", volume="data",
                     rekey=True)[1]["code"], "NOT_OWNER")
    tap.equal(probe.ask("put more 90 9000"), "put 0 ")
    tap.equal(probe.ask("unmount"), "unmount 0 ")
    probe.end()
    probe, same = volume_key(s)  # carries it out
    tap.equal(same.split()[1], old.split()[1], "what it was given")
    tap.equal(probe.ask("size other"), "size -2 No such file or directory")
    tap.equal(probe.ask("unmount"), "unmount 0 ")
    probe.end()
    tap.equal(found_in(folder, same, b"Z"), 0, "the old key opens nothing")
    probe, new = volume_key(s)
    tap.true(new.split()[1] != old.split()[1], "another key")
    tap.equal(probe.ask("size more"), "size 9000 ")
    tap.true(found_in(folder, new, b"Z") > 0, "the new one does")
    tap.equal(probe.ask("unmount"), "unmount 0 ")
    probe.end()


@tap.test
def revoking_a_policy_ends_what_it_allowed(s):
    probe = Probe(s, s.program)
    tap.equal(probe.open()[0], "open 0 ")
    status, answer = s.call(s.operator, "/v1/policy/revoke", tenant="acme", policy="documents")
    tap.equal((status, answer["code"]), (403, "NOT_OWNER"))
    tap.equal(s.call(s.owner, "/v1/policy/revoke", tenant="acme", policy="documents")[0], 200)
    tap.true(probe.ask("report 90").startswith("report -13 "), "its owner may not go on")
    tap.true("POLICY_REVOKED" in Probe(s, s.program).refusal(), "nobody starts any more")
    probe.end()


@tap.test
def the_audit_log_chains_and_is_signed(s):
    status, answer = s.call(s.stranger, "/v1/audit", after=0)
    tap.equal((status, answer["code"]), (403, "NOT_OPERATOR"))
    entries = s.call(s.operator, "/v1/audit", after=0)[1]["entries"]
    previous = b"\0" * 32
    for number, entry in enumerate(entries, 1):
        tap.equal(entry["sequence"], number)
        previous = hashlib.sha256(previous + number.to_bytes(8, "little") +
                                  entry["time_s"].to_bytes(8, "little") +
                                  entry["event"].encode()).digest()
        tap.equal(entry["hash"], previous.hex())
    events = [json.loads(entry["event"])["event"] for entry in entries]
    for event in ("started", "tenant added", "policy put", "secret given", "secret revealed",
                  "provisioned", "volume opened", "volume closed", "refused", "policy revoked"):
        tap.true(event in events, event)
    text = json.dumps(entries)
    tap.true(s.password not in text and "T0ken" not in text, "no secret in the audit log")


@tap.test
def no_secret_is_on_the_disk_or_in_the_log(s):
    for path in glob.glob(s.directory + "/state/*"):
        with open(path, "rb") as f:
            content = f.read()
        secrets = [s.password.encode(), b"T0ken", b"PRIVATE KEY"]
        if RUNTIME:
            secrets += [b"documents", b"acme", b"SQLite", b"kbs.db", b"provisioned"]
        for secret in secrets:
            tap.true(secret not in content, f"{secret} not in {path}")
    tap.true(s.password not in s.logs() and "T0ken" not in s.logs(), "no secret in the log")


@tap.test
def state_of_another_device_or_manifest_is_not_opened(s):
    s.kill()
    wanted = "volume" if RUNTIME else "unseal"
    command = s.command("--listen", "127.0.0.1:0", device=s.directory + "/foreign-device")
    foreign = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    tap.true(foreign.returncode != 0 and wanted in foreign.stderr, foreign.stderr)
    with open(s.manifest, encoding="utf-8") as f:
        text = f.read()
    with open(s.directory + "/changed.yaml", "w", encoding="utf-8") as f:
        f.write(text + "# changed\n")
    command = s.command("--listen", "127.0.0.1:0", manifest=s.directory + "/changed.yaml")
    changed = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    tap.true(changed.returncode != 0 and wanted in changed.stderr, changed.stderr)
    s.start()


@tap.test
def a_second_key_broker_on_the_same_state_does_not_start(s):
    second = subprocess.run(s.command("--listen", "127.0.0.1:0"), stderr=subprocess.PIPE,
                            text=True, check=False)
    wanted = "volume" if RUNTIME else "locked"
    tap.true(second.returncode != 0 and wanted in second.stderr, second.stderr)


@tap.test
def wrong_flags_and_manifests_say_what_is_wrong(s):
    cases = [(["--bootstrap"], "bootstrap"), (["--what"], "--what"), ([], "--bootstrap"),
             (["--bootstrap", "/nowhere"], "/nowhere"),
             (["--bootstrap", s.manifest], "not under the runtime")]
    for flags, wanted in cases:
        run = subprocess.run([KBS, *flags], stderr=subprocess.PIPE, text=True, check=False)
        tap.true(run.returncode in (1, 2) and wanted in run.stderr, f"{flags}: {run.stderr}")
    bad = s.directory + "/bad.yaml"
    with open(bad, "w", encoding="utf-8") as f:
        f.write("version: 1\ndomain: localhost\ntee: [tdx]\nfreshness: none\noperators: []\n")
    run = subprocess.run([KBS, "--bootstrap", bad, "--insecure__native", s.device],
                         stderr=subprocess.PIPE, text=True, check=False)
    tap.true("line 4" in run.stderr and "freshness" in run.stderr, run.stderr)


@tap.test
def it_stops_cleanly_when_asked(s):
    s.process.send_signal(signal.SIGTERM)
    tap.equal(s.process.wait(), 0)


tap.main(fixture)
