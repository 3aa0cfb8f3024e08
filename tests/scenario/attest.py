#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coffer attest` and `coffer policy` against a native key broker.

usage: attest.py COFFER COFFER-KBS SOURCE-ROOT
"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

import tap

COFFER, KBS, ROOT = (os.path.abspath(path) for path in sys.argv[1:4])


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


tap.main(fixture)
