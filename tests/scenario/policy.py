#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coffer policy`, its JSON Schema, and the key broker's side of it.

usage: policy.py COFFER COFFER-KBS SOURCE-ROOT
"""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tap

COFFER, KBS, ROOT = (os.path.abspath(path) for path in sys.argv[1:4])
VECTORS = os.environ.get("COFFER_ATTESTATION_VECTORS",
                         os.path.join(ROOT, "..", "shared", "attestation-vectors"))
PROGRAM = "sha256:" + "22" * 32
OTHER = "sha256:" + "33" * 32


def coffer(*words):
    run = subprocess.run([COFFER, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, check=False)
    return run.returncode, run.stdout


def key_hash(directory):
    der = subprocess.run(["openssl", "x509", "-in", directory + "/certificate.pem", "-noout",
                          "-pubkey"], check=True, stdout=subprocess.PIPE).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=der, check=True,
                         stdout=subprocess.PIPE).stdout
    return "sha256:" + subprocess.run(["sha256sum"], input=der, check=True,
                                      stdout=subprocess.PIPE).stdout.split()[0].decode()


class Broker:
    """A native key broker with an operator, an owner and a second person."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="coffer-policy-")
        self.keys = {name: f"{self.directory}/{name}" for name in ("operator", "owner", "second")}
        for path in self.keys.values():
            tap.equal(coffer("owner", "new", path)[0], 0)
        manifest = self.write("manifest.yaml",
                              "version: 1\ndomain: bank\ntee: [sim]\nfreshness: none\n"
                              f"operators: ['{key_hash(self.keys['operator'])}']\n")
        flags = [KBS, "--bootstrap", manifest, "--insecure__native", self.directory + "/device"]
        pin = subprocess.run(flags + ["--print-pin", "--log-level", "error"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        port_file = self.directory + "/port"
        self.process = subprocess.Popen(
            flags + ["--state", self.directory + "/state", "--listen", "127.0.0.1:0",
                     "--port-file", port_file], stderr=subprocess.DEVNULL)
        tap.until(lambda: os.path.exists(port_file), "the key broker is ready")
        with open(port_file, encoding="utf-8") as f:
            self.where = ["--kbs", "127.0.0.1:" + f.read().strip(), "--kbs-pin",
                          self.write("pin", pin)]
        code, text = coffer("kbs", "tenant", "demo", "--owner",
                            self.keys["owner"] + "/certificate.pem", "--keys",
                            self.keys["operator"], *self.where)
        tap.equal(code, 0, text)

    def write(self, name, text):
        path = f"{self.directory}/{name}"
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def call(self, verb, *words, by="owner"):
        return coffer("policy", verb, *words, "--keys", self.keys[by], *self.where)


@contextlib.contextmanager
def fixture():
    broker = Broker()
    try:
        yield broker
    finally:
        broker.process.kill()
        broker.process.wait()
        shutil.rmtree(broker.directory)


def policy(more="", name="shop", program=PROGRAM):
    return (f"version: 1\ntenant: demo\nname: {name}\ntee: [sim]\n"
            f"program: {{measurements: ['{program}']}}\ncommand: {{arguments: [server]}}\n{more}")


@tap.test
def mistakes_are_found_with_line_and_column(broker):
    for text, said in (("version: 1\ntenant: demo\nwhat: now\n", "line 3, column 1"),
                       (policy("tee: [sim]\n"), "line 7, column 1: 'tee' stands here twice"),
                       (policy("volumes:\n  - {name: a, mount: b, mode: none}\n"),
                        "line 8, column 15"),
                       (policy("comand: {}\n"), "did you mean 'command'"),
                       ("a: [", "not YAML")):
        code, out = coffer("policy", "check", broker.write("bad.yaml", text))
        tap.true(code == 1 and said in out, out)
    code, out = coffer("policy", "check", broker.write("a.yaml", policy()),
                       broker.write("b.yaml", "no"))
    tap.true(code == 1 and "a.yaml: good" in out and "b.yaml: line 1" in out, out)


@tap.test
def a_difference_is_told_in_words(broker):
    old = broker.write("old.yaml", policy("network:\n  - {listen: 80, class: plain}\n"))
    new = broker.write("new.yaml", policy(
        "allow_debug: true\nplatform: {tcb: {advisories: [INTEL-SA-00615]}}\n"
        "files: [{path: /etc, class: host}]\n", program=OTHER))
    code, out = coffer("policy", "diff", old, new)
    tap.equal(code, 1, out)
    allowed, forbidden = out.split("No longer allowed:")
    for said in (f"program {OTHER}", "debug", "INTEL-SA-00615", "the file /etc"):
        tap.true(said in allowed, out)
    for said in (f"program {PROGRAM}", "listening on port 80"):
        tap.true(said in forbidden, out)
    volume = "volumes: [{name: a, mount: /a, mode: strict, purge: [/x/*]}]\n"
    code, out = coffer("policy", "diff", broker.write("p.yaml", policy(volume)),
                       broker.write("q.yaml", policy(volume.replace("/x/*", "/y/*"))))
    tap.true(code == 1 and re.search("Newly allowed:\n.*deleting /x/\\* in volume a without", out)
             and "deleting /y/* in" in out, out)
    code, out = coffer("policy", "diff", broker.write("p.yaml", policy(volume)),
                       broker.write("q.yaml", policy(volume.replace("}]", ", compress: true}]"))))
    tap.true(code == 1 and re.search("Newly allowed:\n.*contents of volume a", out), out)
    code, out = coffer("policy", "diff", old, old)
    tap.true(code == 0 and "mean the same" in out, out)
    code, out = coffer("policy", "diff", old, broker.write("bad.yaml", "x"))
    tap.true(code == 1 and "the new policy" in out, out)


@tap.test
def expectations_stand_beside_the_policy(broker):
    path = broker.write("tested.yaml", policy())
    broker.write("tested.test.yaml", f"""version: 1
cases:
  - {{name: ours, evidence: {{tee: sim, program: '{PROGRAM}'}}, expect: allowed}}
  - {{name: debug, evidence: {{tee: sim, program: '{PROGRAM}', debug: true}},
      expect: DEBUG_REFUSED, clause: allow_debug}}
  - {{name: another, evidence: {{tee: sim, program: '{OTHER}'}}, expect: PROGRAM_REFUSED}}
  - {{name: a machine, evidence: {{tee: tdx, program: '{PROGRAM}'}}, expect: TEE_REFUSED}}
""")
    code, out = coffer("policy", "test", path)
    tap.true(code == 0 and "4 as expected, 0 not" in out, out)
    wrong = broker.write("wrong.yaml", "version: 1\ncases:\n  - {name: x, evidence: {tee: sim}, "
                                       "expect: allowed}\n")
    code, out = coffer("policy", "test", path, "--expect", wrong)
    tap.true(code == 1 and "not ok" in out and "PROGRAM_REFUSED by program.measurements" in out, out)
    for text, said in (("version: 1\ncases: []\n", "nothing was tested"),
                       ("version: 1\ncases: [{expect: allowed}]\n", "evidence"),
                       ("version: 1\ncases: [{evidence: {tee: sim}, expect: SURE}]\n", "SURE")):
        code, out = coffer("policy", "test", path, "--expect", broker.write("wrong.yaml", text))
        tap.true(code == 1 and said in out, out)


@tap.test
def evidence_is_tried(broker):
    with open(ROOT + "/fuzz/corpus/evidence/genuine", "rb") as f:
        program = "sha256:" + f.read()[56:88].hex()
    path = broker.write("mine.yaml", policy("allow_debug: true\n", program=program))
    evidence = ["--evidence", ROOT + "/fuzz/corpus/evidence/genuine"]
    code, out = coffer("policy", "try", path, *evidence)
    tap.true(code == 0 and "allowed" in out, out)
    code, out = coffer("policy", "try", broker.write("not.yaml", policy()), *evidence)
    tap.true(code == 1 and "PROGRAM_REFUSED" in out and "line 5" in out and program[7:] in out, out)
    if not os.path.isdir(VECTORS):
        print(f"# skipped: no vectors in {VECTORS}")
        return
    quote = VECTORS + "/tdx/google_cos113_quote.bin"
    shown = json.loads(coffer("attest", "show", quote, "--json")[1])
    machine = (f"tee: [tdx]\nplatform:\n  measurements: ['sha384:{shown['mrtd']}']\n"
               f"  rtmr1: ['sha384:{shown['rtmr1']}']\n  rtmr2: ['sha384:{shown['rtmr2']}']\n")
    vm = broker.write("vm.yaml", "version: 1\ntenant: demo\nname: vm\n"
                                 "command: {arguments: [x]}\n" + machine)
    words = ["policy", "try", vm, "--evidence", quote, "--collateral", VECTORS + "/collateral"]
    code, out = coffer(*words, "--at", "2025-06-05T09:51:38Z")
    tap.true("allowed" in out or "TCB_STATUS_REFUSED" in out or "TD_ATTRIBUTES" in out, out)
    code, out = coffer(*words, "--at", "2026-06-13T22:44:48Z")
    tap.true(code == 1 and "TCB_STATUS_REFUSED" in out and "OutOfDate" in out, out)
    code, out = coffer("policy", "try", vm, "--evidence", quote)
    tap.true(code == 1 and "COLLATERAL_MISSING" in out and "fmspc 00806f050000" in out, out)


@tap.test
def policies_are_put_read_and_revoked(broker):
    path = broker.write("shop.yaml", policy("secrets: {p: {kind: ascii, source: generate, "
                                            "reveal: once}, g: {kind: ascii, source: given}}\n"))
    code, out = broker.call("put", path)
    tap.true(code == 0 and "demo/shop is in place" in out, out)
    code, out = broker.call("get", "demo/shop", "--out", broker.directory + "/got")
    with open(path, encoding="utf-8") as a, open(broker.directory + "/got", encoding="utf-8") as b:
        tap.equal(a.read(), b.read())
    code, out = broker.call("put", path, by="second")
    tap.true(code == 1 and "NOT_OWNER" in out, out)
    code, out = broker.call("secret", "demo/shop", "p")
    tap.true(code == 0 and len(out.strip()) == 24, out)
    code, out = broker.call("secret", "demo/shop", "p")
    tap.true(code == 1 and "SECRET_SPENT" in out, out)
    code, out = broker.call("secret", "demo/shop", "g", "--value", broker.write("v", "hello"))
    tap.equal(code, 0, out)
    code, out = broker.call("put", broker.write("bad.yaml", "version: 1\n"))
    tap.true(code == 1 and "line 1" in out, out)
    code, out = broker.call("revoke", "demo/shop")
    tap.equal(code, 0, out)


@tap.test
def two_must_agree(broker):
    access = (f"access: {{update: {{require: 2, of: [owner, '{key_hash(broker.keys['second'])}', "
              "{totp: phone}]}}\ntotp: [phone]\n")
    path = broker.write("both.yaml", policy(access, name="both"))
    code, out = broker.call("put", path)
    tap.equal(code, 0, out)
    path = broker.write("both.yaml", policy(access + "explain: true\n", name="both"))
    code, out = broker.call("put", path)
    tap.true(code == 1 and "APPROVAL_MISSING" in out and "policy approve" in out, out)
    got = broker.call("get", "demo/both", "--out", broker.directory + "/got")[1]
    present = re.search(r"[0-9a-f]{64}", got)
    approval = broker.directory + "/approval"
    code, out = coffer("policy", "approve", path, "--keys", broker.keys["second"], "--replaces",
                       present.group(), "--out", approval)
    tap.true(code == 0 and "action: update" in out, out)
    code, out = broker.call("put", path, "--approvals", approval)
    tap.equal(code, 0, out)
    # It is good for that change alone.
    path = broker.write("both.yaml", policy(access, name="both"))
    code, out = broker.call("put", path, "--approvals", approval)
    tap.true(code == 1 and "APPROVAL_INVALID" in out, out)
    code, out = broker.call("totp", "demo/both", "phone")
    tap.true(code == 0 and out.startswith("otpauth://totp/bank:demo%2Fboth%2Fphone?secret="), out)
    code, out = broker.call("put", path, "--totp", "phone=000000")
    tap.true(code == 1 and "TOTP_REFUSED" in out, out)


@tap.test
def owners_order_what_is_done_to_a_volume_and_see_it(broker):
    path = broker.write("kept.yaml", policy("volumes: [{name: data, mount: /data, mode: strict}]\n",
                                            name="kept"))
    code, out = broker.call("put", path)
    tap.equal(code, 0, out)
    tap.equal(broker.call("volume", "demo/kept", "data"), (0, "nothing waits\n"))
    code, out = broker.call("volume", "demo/kept", "data", "erase", "/a", "/b\x1b\x9b\u00e9")
    tap.true(code == 0 and out.endswith("done when data is opened next\n"), out)
    number = out.split()[1].rstrip(":")
    code, out = broker.call("volume", "demo/kept", "data")
    tap.equal((code, out), (0, f"order {number} waits for the next opening\n"
                               "  erase /a\n  erase /b\\x1b\\xc2\\x9b\u00e9\n"))
    code, out = broker.call("volume", "demo/kept", "data", "rekey")
    tap.equal(code, 0, out)
    out = broker.call("volume", "demo/kept", "data")[1]
    tap.true("  rekey\n" in out, out)
    for words, said in ((["frobnicate"], "rekey, rewrite or erase PATH"),
                        (["erase"], "rekey, rewrite or erase PATH"),
                        (["erase", "a/../b"], "REQUEST_INVALID")):
        code, out = broker.call("volume", "demo/kept", "data", *words)
        tap.true(code in (1, 2) and said in out, out)
    code, out = broker.call("volume", "demo/kept", "data", by="second")
    tap.true(code == 1 and "NOT_OWNER" in out, out)
    code, out = broker.call("volume", "demo/kept", "other")
    tap.true(code == 1 and "volumes" in out, out)


# ---- the schema ----

SCHEMA = json.load(open(ROOT + "/docs/policy.schema.json", encoding="utf-8"))
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
         "number": (int, float), "null": type(None)}


def is_type(value, name):
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, TYPES[name])


def valid(value, schema):
    """As much of JSON Schema as the document uses."""
    if "$ref" in schema:
        return valid(value, SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    good = not kinds or any(is_type(value, k) for k in kinds)
    good &= "const" not in schema or value == schema["const"]
    good &= "enum" not in schema or value in schema["enum"]
    good &= "anyOf" not in schema or any(valid(value, s) for s in schema["anyOf"])
    good &= "oneOf" not in schema or sum(valid(value, s) for s in schema["oneOf"]) == 1
    if isinstance(value, str):
        good &= re.search(schema.get("pattern", ""), value) is not None
        good &= len(value) <= schema.get("maxLength", len(value))
    if isinstance(value, int) and not isinstance(value, bool):
        good &= schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        good &= schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 1 << 30)
        good &= all(valid(item, schema.get("items", {})) for item in value)
    if isinstance(value, dict):
        good &= all(key in value for key in schema.get("required", []))
        good &= schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", 1 << 30)
        more = schema.get("additionalProperties", {})
        for key, item in value.items():
            good &= valid(key, schema.get("propertyNames", {}))
            inner = schema.get("properties", {}).get(key, more)
            good &= inner is not False and valid(item, inner)
    return bool(good)


BASE = {"version": 1, "tenant": "demo", "name": "shop", "tee": ["sim"],
        "program": {"measurements": [PROGRAM]}, "command": {"arguments": ["x"]}}
KEY = {"kind": "private_key", "source": "generate"}
GOOD = [
    {}, {"name": "a/b/c"}, {"tee": ["tdx", "snp", "sgx"]}, {"allow_debug": True},
    {"program": {"signers": [OTHER], "svn_min": 3, "product": 9}},
    {"platform": {"measurements": ["sha384:" + "00" * 48], "rtmr0": ["sha384:" + "11" * 48],
                  "config_id": ["hex:" + "00" * 48], "host_data": ["hex:" + "00" * 32],
                  "chips": ["00" * 16, "ab" * 64], "vmpl_max": 3, "allow_sept_ve": True,
                  "tcb": {"statuses": ["OutOfDate"], "advisories": ["INTEL-SA-1"],
                          "date_min": "2024-01-01", "evaluation_min": 3},
                  "snp_min": {"boot_loader": 1, "fmc": 255}}},
    {"command": {"arguments": ["x", "y"], "environment": {"A": "b"}, "directory": "/srv"}},
    {"volumes": [{"name": "a", "mount": "/a", "mode": "strict", "export": [{"policy": "b"}],
                  "purge": ["/in/*.pdf", "/keys/**", "/**", "/a?c"], "compress": True}]},
    {"files": [{"path": "/a", "class": "authenticated", "digest": PROGRAM}]},
    {"network": [{"listen": 80, "class": "plain"}, {"connect": "a:1", "class": "plain",
                                                    "protocol": "udp"}]},
    {"secrets": {"k": KEY, "t": {"kind": "jwt", "source": "generate", "key": "k",
                                 "claims": {"aud": "b"}, "valid_s": 60}}},
    {"secrets": {"r": {"kind": "ca", "source": "generate", "algorithm": "p384"}, "k": KEY,
                 "c": {"kind": "certificate", "source": "generate", "key": "k", "issuer": "r",
                       "names": ["demo.bank"], "client": True, "valid_days": 9, "renew_days": 2}}},
    {"secrets": {"i": {"kind": "ascii", "source": "import",
                       "import": {"policy": "p", "secret": "s", "hash": PROGRAM}}}},
    {"secrets": {"a": {"kind": "ascii", "source": "given"}},
     "secret_files": [{"path": "/s", "secret": "a", "mode": "0440"}],
     "injected_files": [{"path": "/i", "content": "x ${secret.a}"}]},
    {"totp": ["phone"], "access": {"read": ["owner", OTHER], "create": "owner",
                                   "update": {"require": 2, "of": ["owner", {"totp": "phone"},
                                                                   {"require": 1, "of": [OTHER]}]}}},
    {"command": None, "program": None, "services": {
        "web": {"program": {"measurements": [PROGRAM]}, "command": {"arguments": ["w"]}}}},
    {"tls": {"names": ["demo.bank"], "allow_1_2": True}, "explain": False},
]
BAD = [
    {"version": 2}, {"version": None}, {"tenant": "Demo"}, {"name": "a/b/c/d/e"}, {"name": None},
    {"tee": []}, {"tee": ["abacus"]}, {"what": 1}, {"allow_debug": "perhaps"},
    {"program": {}}, {"program": {"measurements": []}}, {"program": {"measurements": ["x"]}},
    {"program": {"measurements": [PROGRAM], "svn_min": -1}},
    {"platform": {"measurements": [PROGRAM]}}, {"platform": {"tcb": {"statuses": ["Revoked"]}}},
    {"platform": {"chips": ["00"]}}, {"platform": {"vmpl_max": 4}}, {"platform": {"fan": 1}},
    {"platform": {"snp_min": {"fan": 1}}}, {"command": {"arguments": []}}, {"command": {}},
    {"command": {"arguments": ["x"], "directory": "srv"}},
    {"volumes": [{"name": "a", "mount": "/a"}]},
    {"volumes": [{"name": "a", "mount": "/a", "mode": "often"}]},
    {"volumes": [{"name": "a", "mount": "/a", "mode": "none", "compress": "zstd"}]},
    *[{"volumes": [{"name": "a", "mount": "/a", "mode": "none", "purge": purge}]}
      for purge in ("/a", ["a"], ["/"], ["/a/**/b"], ["/a/x**"], ["/" + "x" * 120], ["/x"] * 9)],
    {"files": [{"path": "/a", "class": "secret"}]}, {"network": [{"class": "plain"}]},
    {"network": [{"listen": 1, "connect": "a:1", "class": "plain"}]},
    {"secrets": {"A": {"kind": "ascii", "source": "given"}}},
    {"secrets": {"a": {"kind": "ascii"}}}, {"secrets": {"a": {"kind": "poem", "source": "given"}}},
    {"secrets": {"a": {"kind": "ascii", "source": "generate", "size": 4}}},
    {"secrets": {"k": KEY, "t": {"kind": "jwt", "source": "generate", "key": "k",
                                 "claims": {"exp": "1"}}}},
    {"injected_files": [{"path": "/i"}]}, {"secret_files": [{"path": "/i"}]},
    {"access": {"update": {"require": 0, "of": ["owner"]}}}, {"access": {"write": "owner"}},
    {"access": {"update": {"of": ["owner"]}}}, {"access": {"update": []}},
    {"services": {}}, {"services": {"W": {}}}, {"services": {"w": {"secrets": {}}}},
    {"command": None}, {"totp": ["P"]},
]


@tap.test
def the_schema_and_the_parser_agree(broker):
    for wanted, changes in [(True, c) for c in GOOD] + [(False, c) for c in BAD]:
        document = {k: v for k, v in {**BASE, **changes}.items() if v is not None}
        tap.equal(valid(document, SCHEMA), wanted, f"schema: {changes}")
        # JSON is YAML.
        code, out = coffer("policy", "check", broker.write("d.yaml", json.dumps(document)))
        tap.equal(code == 0, wanted, f"parser: {changes}: {out}")


@tap.test
def the_schema_has_every_setting_of_the_parser(broker):
    known = set()

    def collect(schema):
        for key, inner in schema.get("properties", {}).items():
            known.add(key)
            collect(inner)
        for name in ("items", "additionalProperties"):
            if isinstance(schema.get(name), dict):
                collect(schema[name])
        for inner in schema.get("oneOf", []) + list(schema.get("$defs", {}).values()):
            collect(inner)

    collect(SCHEMA)
    parsed = set()
    folder = ROOT + "/src/policy/"
    for name in sorted(os.listdir(folder)):
        if not name.startswith("policy") or not name.endswith(".c"):
            continue
        with open(folder + name, encoding="utf-8") as f:
            for table in re.findall(r"\*const (?:\w+_)?keys\[\w*(?: \+ 1)?\] = \{(.*?)NULL\}",
                                    f.read(), re.S):
                parsed.update(re.findall(r'"(\w+)"', table))
    tap.true(len(parsed) > 60, sorted(parsed))
    tap.equal(sorted(parsed - known), [])
    tap.equal(sorted(known - parsed - {"boot_loader", "microcode", "fmc", "snp", "volume", "secret"}), [])


@tap.test
def every_refusal_has_a_test(_):
    with open(ROOT + "/src/attest/refusal.h", encoding="utf-8") as f:
        codes = set(re.findall(r'\bM\(([A-Z0-9_]+), "([A-Z0-9_]+)"', f.read()))
    tap.true(len(codes) > 50, sorted(codes))
    tested = ""
    for folder, _, names in os.walk(ROOT + "/tests"):
        for name in names:
            if name.endswith((".c", ".h", ".py")):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    tested += f.read()
    tap.equal(sorted(code for name, code in codes
                     if not re.search(rf"\b({code}|REFUSAL_{name})\b", tested)), [])


tap.main(fixture)
