#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coffer attest` and `coffer policy` against a native key broker.

usage: attest.py COFFER COFFER-KBS SOURCE-ROOT
"""
import contextlib
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import tap

COFFER, KBS, ROOT = (os.path.abspath(path) for path in sys.argv[1:4])
VECTORS = os.environ.get("COFFER_ATTESTATION_VECTORS",
                         os.path.join(ROOT, "..", "shared", "attestation-vectors"))


class Broker:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="coffer-attest-")
        os.mkdir(self.directory + "/run")
        manifest, device = self.directory + "/manifest.yaml", self.directory + "/device"
        with open(manifest, "w", encoding="utf-8") as f:
            f.write("version: 1\ndomain: localhost\ntee: [sim]\nfreshness: none\n"
                    f"operators: [sha256:{'00' * 32}]\n")
        flags = [KBS, "--bootstrap", manifest, "--insecure__native", device]
        pin = subprocess.run(flags + ["--print-pin", "--log-level", "error"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        port_file = self.directory + "/port"
        self.process = subprocess.Popen(
            flags + ["--state", self.directory + "/state", "--listen", "127.0.0.1:0",
                     "--port-file", port_file], stderr=subprocess.DEVNULL)
        tap.until(lambda: os.path.exists(port_file), "the key broker is ready")
        with open(port_file, encoding="utf-8") as f:
            self.address = "127.0.0.1:" + f.read().strip()
        self.write("run/kbs-pin", pin)
        self.write("run/kbs-address", self.address)

    def write(self, name, text):
        path = f"{self.directory}/{name}"
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def read(self, name):
        with open(f"{self.directory}/{name}", encoding="utf-8") as f:
            return f.read()


@contextlib.contextmanager
def fixture():
    broker = Broker()
    try:
        yield broker
    finally:
        broker.process.kill()
        broker.process.wait()
        shutil.rmtree(broker.directory)


def coffer(*words):
    run = subprocess.run([COFFER, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, check=False)
    return run.returncode, run.stdout


@tap.test
def the_expected_key_broker_is_verified(broker):
    code, text = coffer("attest", "verify", "--state", broker.directory)
    tap.equal(code, 0, text)
    tap.true(broker.read("run/kbs-pin").strip() in text, text)


@tap.test
def another_one_is_refused_with_the_clause(broker):
    pin = broker.read("run/kbs-pin").replace("program=", "program=" + "0" * 64 + " signer=", 1)
    path = broker.write("wrong-pin", pin)
    code, text = coffer("attest", "verify", "--kbs", broker.address, "--kbs-pin", path)
    tap.equal(code, 1, text)
    tap.true("PROGRAM_REFUSED" in text and "program.measurements" in text, text)


@tap.test
def nobody_there_and_wrong_words_are_said(broker):
    pin = broker.directory + "/run/kbs-pin"
    code, text = coffer("attest", "verify", "--kbs", "127.0.0.1:1", "--kbs-pin", pin)
    tap.true(code == 1 and "cannot reach" in text, text)
    for words in (["attest"], ["attest", "what"], ["policy"], ["policy", "check"]):
        code, text = coffer(*words)
        tap.true(code == 2 and "usage" in text, f"{words}: {text}")


@tap.test
def evidence_in_a_file_is_shown(broker):
    code, text = coffer("attest", "show", ROOT + "/fuzz/corpus/evidence/genuine")
    tap.true(code == 0 and "protects nothing" in text and "good" in text, text)
    with open(ROOT + "/fuzz/corpus/evidence/genuine", "rb") as f:
        record = bytearray(f.read())
    record[60] ^= 1
    with open(broker.directory + "/changed", "wb") as f:
        f.write(record)
    code, text = coffer("attest", "show", broker.directory + "/changed")
    tap.true(code == 1 and "did not sign" in text, text)


@tap.test
def a_policy_is_checked_with_its_line(broker):
    code, text = coffer("policy", "check", ROOT + "/examples/policy-documents.yaml")
    tap.true(code == 0 and "good" in text, text)
    path = broker.write("bad.yaml", "version: 1\ntenant: demo\nwhat: now\n")
    code, text = coffer("policy", "check", path)
    tap.true(code == 1 and "line 3" in text, text)


@tap.test
def what_is_no_quote_is_said_to_be_none(broker):
    path = broker.write("no-quote", "x" * 2000)
    code, text = coffer("attest", "verify", path)
    tap.true(code == 1 and "not known here" in text, text)
    code, text = coffer("attest", "verify", broker.write("short", "x"))
    tap.true(code == 1 and "neither a quote nor a report" in text, text)
    code, text = coffer("attest", "verify", path, "--at", "yesterday")
    tap.true(code == 2 and "--at" in text, text)
    code, text = coffer("attest", "verify", broker.directory + "/nothing")
    tap.true(code == 1 and "nothing" in text, text)


@tap.test
def a_quote_gets_a_verdict_and_an_exit_code(broker):
    if not os.path.isdir(VECTORS):
        print(f"# skipped: no vectors in {VECTORS}")
        return
    quote, folder = VECTORS + "/tdx/google_cos113_quote.bin", VECTORS + "/collateral/"
    dated = ["--at", "2025-06-05T09:51:38Z"]
    good = ["attest", "verify", quote, "--collateral", folder + "tdx-00806f050000-eval17-20250605"]
    code, text = coffer(*good, *dated, "--json")
    verdict = json.loads(text)
    tap.equal(code, 0, text)
    tap.equal((verdict["verdict"], verdict["tcb_status"]), ("genuine", "UpToDate"), text)
    code, text = coffer(*good)
    tap.true(code == 1 and "COLLATERAL_EXPIRED" in text, text)
    code, text = coffer("attest", "verify", quote, *dated)
    tap.true(code == 3 and "not judged" in text, text)
    log = VECTORS + "/ccel/google_cos113_ccel.bin"
    code, text = coffer(*good, *dated, "--event-log", log)
    tap.true(code == 0 and text.count("explains it") == 4, text)
    with open(log, "rb") as f:
        changed = bytearray(f.read())
    changed[80] ^= 1  # in a digest
    with open(broker.directory + "/log", "wb") as f:
        f.write(changed)
    code, text = coffer(*good, *dated, "--event-log", broker.directory + "/log")
    tap.true(code == 1 and "differs" in text, text)


@tap.test
def enclaves_are_measured_signed_and_shown_without_sgx(broker):
    pages = broker.write("pages", "size 0x4000\npage 0 0x100 zero\npage 0x1000 0x205 inc\n"
                                  "page 0x2000 0x203 const=cc\n")
    code, text = coffer("sgx", "measure", pages, "--json")
    tap.equal(code, 0, text)
    digest = json.loads(text)["mrenclave"]
    tap.equal(digest, "eb3d56a11e735298f87c3a820b4eda44575ba0b57993889afa2946191897661f")
    code, text = coffer("sgx", "measure", "--size", "0x4000", "--pages",
                        "0x0:0x100:zero:1 0x1000:0x205:inc:1 0x2000:0x203:const=cc:1")
    tap.true(code == 0 and digest in text, text)
    key, signed = broker.directory + "/key", broker.directory + "/signed"
    subprocess.run(["openssl", "genrsa", "-3", "-out", key, "3072"], check=True,
                   stderr=subprocess.DEVNULL)
    code, text = coffer("sgx", "sign", pages, "--key", key, "--svn", "5", "--out", signed)
    tap.equal(code, 0, text)
    code, text = coffer("sgx", "show", signed, "--json")
    shown = json.loads(text)
    tap.equal((code, shown["mrenclave"], shown["isvsvn"], shown["signature"]),
              (0, digest, 5, "good"), text)
    with open(signed, "r+b") as f:
        f.seek(1026)  # the security version
        f.write(b"\x06")
    code, text = coffer("sgx", "show", signed)
    tap.true(code == 1 and "WRONG" in text, text)


@tap.test
def mistakes_with_enclaves_are_explained(broker):
    weak = broker.directory + "/weak"
    subprocess.run(["openssl", "genrsa", "-out", weak, "3072"], check=True,
                   stderr=subprocess.DEVNULL)
    for words, said in ((["measure", broker.write("bad", "size 0x4000\npage 1 2 3\n")], "line 2"),
                        (["measure"], "--pages"), (["show", weak], "1808"),
                        (["sign", "00" * 32, "--key", weak, "--out", weak + "2"], "-3 3072"),
                        (["measure", "--pages", "0:0x205:zero:1"], "--size")):
        code, text = coffer("sgx", *words)
        tap.true(code != 0 and said in text, f"{words}: {text}")


def sample(name):
    """The bytes of a vector, or None where there are none."""
    if not os.path.isdir(VECTORS):
        print(f"# skipped: no vectors in {VECTORS}")
        return None
    with open(f"{VECTORS}/{name}", "rb") as f:
        return f.read()


@tap.test
def quotes_and_bundles_are_shown_readably(broker):
    quote = sample("tdx/google_cos113_quote.bin")
    if quote is None:
        return
    quote = quote[:-3065]  # without the kernel's padding
    code, text = coffer("attest", "show", VECTORS + "/tdx/google_cos113_quote.bin")
    tap.true(code == 0 and "Intel TDX quote" in text and "mrtd" in text, text)
    bundle = b"CFVE" + (1).to_bytes(2, "little") + (2).to_bytes(2, "little") + \
        len(quote).to_bytes(4, "little") + bytes(8) + quote
    path = broker.directory + "/bundle"
    with open(path, "wb") as f:
        f.write(bundle)
    code, text = coffer("attest", "show", path, "--json")
    tap.true(code == 0 and json.loads(text)["kind"] == "Intel TDX quote", text)
    with open(path, "wb") as f:
        f.write(bundle[:-1])
    code, text = coffer("attest", "show", path)
    tap.equal(code, 1, text)


class FakeEntry(threading.Thread):
    """One report of an entry of configfs-tsm: pipes, so that each side waits for the other."""

    def __init__(self, directory, provider, report):
        super().__init__(daemon=True)
        self.directory, self.report, self.asked = directory, report, b""
        os.mkdir(directory)
        for name, text in (("provider", provider + "\n"), ("generation", "4\n")):
            with open(f"{directory}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        os.mkfifo(directory + "/inblob")
        os.mkfifo(directory + "/outblob")
        self.start()

    def run(self):
        with open(self.directory + "/inblob", "rb") as f:
            self.asked = f.read()
        with open(self.directory + "/generation", "w", encoding="utf-8") as f:
            f.write("5\n")
        with open(self.directory + "/outblob", "wb") as f:
            f.write(self.report)


@tap.test
def a_machine_is_asked_for_its_own_evidence(broker):
    report = sample("snp/google_milan_v2_debug_report.bin")
    if report is None:
        return
    entry = FakeEntry(broker.directory + "/entry", "sev_guest", report)
    kept = broker.directory + "/kept"
    code, text = coffer("attest", "show", "--tsm", entry.directory, "--out", kept,
                        "--report-data", "ab" * 64)
    tap.true(code == 0 and "sev_guest" in text and "AMD SEV-SNP report" in text, text)
    entry.join()
    tap.equal(entry.asked, b"\xab" * 64)
    code, text = coffer("attest", "show", kept)
    tap.true(code == 0 and "measurement" in text, text)
    code, text = coffer("attest", "show", "--tsm", broker.directory + "/nowhere/at/all")
    tap.true(code == 1 and "confidential virtual machine" in text, text)


@tap.test
def doctor_says_what_this_machine_can_prove(broker):
    code, text = coffer("doctor")
    tap.true(code in (0, 1) and "configfs-tsm" in text and "measurement registers" in text, text)


class Pccs(http.server.BaseHTTPRequestHandler):
    """A caching service as Intel's own: one set of the vectors under its paths."""
    folder, changed, missing = "", "", ""

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        path = urllib.parse.urlparse(self.path).path
        names = {"/tdx/certification/v4/tcb": ("tcb_info.json", "TCB-Info-Issuer-Chain",
                                               "tcb_signing_chain.pem"),
                 "/tdx/certification/v4/qe/identity": ("qe_identity.json", "", ""),
                 "/sgx/certification/v4/pckcrl": ("pck_crl.der", "SGX-PCK-CRL-Issuer-Chain",
                                                  "pck_crl_issuer_chain.pem"),
                 "/sgx/certification/v4/rootcacrl": ("root_ca_crl.der", "", "")}
        if path not in names or names[path][0] == Pccs.missing:
            self.send_error(404)
            return
        name, header, chain = names[path]
        with open(f"{Pccs.folder}/{name}", "rb") as f:
            body = bytearray(f.read())
        if name == "root_ca_crl.der":
            body = body.hex().encode()
        if name == Pccs.changed:
            body[len(body) // 2] ^= 1
        self.send_response(200)
        if header:
            with open(f"{Pccs.folder}/{chain}", encoding="ascii") as f:
                self.send_header(header, urllib.parse.quote(f.read()))
        self.end_headers()
        self.wfile.write(body)


@tap.test
def collateral_is_fetched_checked_and_fetched_again(broker):
    if sample("collateral/tdx-00806f050000-eval17-20250605/tcb_info.json") is None:
        return
    Pccs.folder = VECTORS + "/collateral/tdx-00806f050000-eval17-20250605"
    server = http.server.HTTPServer(("127.0.0.1", 0), Pccs)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = ["attest", "collateral", "--dir", broker.directory + "/collateral", "--pccs",
            f"http://127.0.0.1:{server.server_port}", "--root-crl", "http://127.0.0.1:1/none"]
    quote = VECTORS + "/tdx/google_cos113_quote.bin"
    place = broker.directory + "/collateral/tdx-00806f050000-platform"
    code, text = coffer(*base, "--quote", quote)
    tap.true(code == 0 and place in text, text)
    verify = ["attest", "verify", quote, "--collateral", place, "--at", "2025-06-05T09:51:38Z"]
    code, text = coffer(*verify)
    tap.true(code == 0 and "UpToDate" in text, text)
    Pccs.folder = VECTORS + "/collateral/tdx-00806f050000-eval21-20260613"
    code, text = coffer(*base, "--refresh")
    tap.true(code == 0 and "evaluation 21" in text, text)
    tap.equal(os.listdir(broker.directory + "/collateral"), ["tdx-00806f050000-platform"])
    # What cannot be believed, or is not whole, replaces nothing.
    for changed, missing, said in (("tcb_info.json", "", "cannot be believed"),
                                   ("pck_crl.der", "", "cannot be believed"),
                                   ("", "qe_identity.json", "404"),
                                   ("", "root_ca_crl.der", "127.0.0.1:1")):
        Pccs.changed, Pccs.missing = changed, missing
        code, text = coffer(*base, "--refresh")
        tap.true(code == 1 and said in text, text)
        code, text = coffer("attest", "verify", quote, "--collateral", place, "--at",
                            "2026-06-13T22:44:48Z")
        tap.true(code == 0 and "OutOfDate" in text, text)
    Pccs.changed = Pccs.missing = ""
    code, text = coffer(*base, "--fmspc", "50806f000000")
    tap.true(code == 1 and "another platform" in text, text)
    code, text = coffer(*base)
    tap.true(code == 2 and "--quote" in text, text)
    server.shutdown()


class Kds(http.server.BaseHTTPRequestHandler):
    """AMD's service for one chip of the vectors, and for whatever list a test wants."""
    answers, asked = {}, []

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        path = urllib.parse.urlparse(self.path)
        Kds.asked.append(self.path)
        body = Kds.answers.get(path.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def list_of_a_stranger(directory):
    """A revocation list with the name of AMD's root and the signature of somebody else."""
    key, authority = directory + "/stranger.key", directory + "/stranger.pem"
    with open(directory + "/stranger.cnf", "w", encoding="utf-8") as f:
        f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={directory}/index\ndefault_md=sha256\n"
                "default_crl_days=30\n[req]\ndistinguished_name=n\n[n]\n")
    with open(directory + "/index", "w", encoding="utf-8"):
        pass
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes",
            "-keyout", key, "-out", authority, "-subj", "/CN=ARK-Milan", "-config",
            directory + "/stranger.cnf")
    openssl("ca", "-gencrl", "-config", directory + "/stranger.cnf", "-keyfile", key, "-cert",
            authority, "-out", directory + "/stranger.crl")
    openssl("crl", "-in", directory + "/stranger.crl", "-outform", "DER", "-out",
            directory + "/stranger.der")
    with open(directory + "/stranger.der", "rb") as f:
        return f.read()


@tap.test
def statements_of_amd_are_fetched_checked_and_fetched_again(broker):
    ark, ask, vcek = (sample(name) for name in ("roots/ark_milan.der", "roots/ask_milan.der",
                                                "snp/snp2-virtee_vcek.der"))
    if ark is None or ask is None or vcek is None:
        return
    report = VECTORS + "/snp/virtee_milan_v2_report.hex"
    chip = ("d49554ec717f4e5b0fe6b143bcf0405bd7ae304727edf46603f2a76aef6a3abc15d7af38db757039029f"
            "0efacfd08e244324884738c72b082e2f87a44d541eb6")
    chain = "".join(ssl.DER_cert_to_PEM_cert(one) for one in (ask, ark)).encode()
    good = {"/vcek/v1/Milan/cert_chain": chain, "/vcek/v1/Milan/" + chip: vcek}
    server = http.server.HTTPServer(("127.0.0.1", 0), Kds)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = broker.directory + "/kds/amd-Milan"
    base = ["attest", "collateral", "--dir", broker.directory + "/kds", "--kds",
            f"http://127.0.0.1:{server.server_port}"]
    first = base + ["--quote", report, "--product", "Milan"]
    # Nothing that AMD has not signed is put anywhere.
    changed = bytearray(vcek)
    changed[len(changed) // 2] ^= 1
    for wrong in ({"/vcek/v1/Milan/cert_chain": ssl.DER_cert_to_PEM_cert(ark).encode()},
                  {"/vcek/v1/Milan/cert_chain": chain.replace(b"A", b"B", 40)},
                  {"/vcek/v1/Milan/" + chip: bytes(changed)},
                  {"/vcek/v1/Milan/" + chip: ark}, {"/vcek/v1/Milan/" + chip: None},
                  {"/vcek/v1/Milan/crl": list_of_a_stranger(broker.directory)},
                  {"/vcek/v1/Milan/crl": chain}):
        Kds.answers = {**good, **wrong}
        code, text = coffer(*first)
        tap.true(code == 1 and ("cannot be believed" in text or "gave n" in text
                                or "404" in text), f"{list(wrong)}: {text}")
        tap.true(not any(name.endswith((".der", "crl.der")) for name in os.listdir(place)), wrong)
    Kds.answers, Kds.asked = good, []
    code, text = coffer(*first)
    tap.true(code == 0 and place in text and "going on without" in text, text)
    tap.true(any("blSPL=03&teeSPL=00&snpSPL=08&ucodeSPL=115" in path for path in Kds.asked),
             Kds.asked)
    verify = ["attest", "verify", report, "--collateral", place, "--at", "2024-01-01T00:00:00Z"]
    code, text = coffer(*verify)
    tap.true(code == 0 and "not checked: no list" in text, text)
    before = sorted(os.listdir(place))
    Kds.asked = []
    code, text = coffer(*base, "--refresh")
    tap.true(code == 0 and "vcek_chain.pem" in text, text)
    tap.equal(Kds.asked, ["/vcek/v1/Milan/cert_chain", "/vcek/v1/Milan/crl"])
    for wrong in ({"/vcek/v1/Milan/cert_chain": b"nothing"},
                  {"/vcek/v1/Milan/crl": list_of_a_stranger(broker.directory)}):
        Kds.answers = {**good, **wrong}
        code, text = coffer(*base, "--refresh")
        tap.equal(code, 1, text)
        tap.equal(sorted(os.listdir(place)), before)
        tap.equal(coffer(*verify)[0], 0)
    server.shutdown()


tap.main(fixture)
