# SPDX-License-Identifier: Apache-2.0
"""A native key broker with an operator, an owner, a second person and a confirmer, for scenarios."""
import os
import shutil
import signal
import subprocess
import tempfile

import tap


class Broker:
    def __init__(self, coffer, kbs, manifest="freshness: none\n"):
        self.program, self.kbs = coffer, kbs
        self.directory = tempfile.mkdtemp(prefix="coffer-broker-")
        self.process, self.starts, self.address, self.device = None, 0, "", "device"
        self.keys = {}
        for name in ("operator", "owner", "second", "confirmer", "holder1", "holder2", "holder3"):
            self.keys[name] = self.path(name)
            tap.equal(self.coffer("owner", "new", self.keys[name])[0], 0)
        self.manifest = self.write("manifest.yaml", self.manifest_text(manifest))

    def manifest_text(self, more):
        return ("version: 1\ndomain: bank\ntee: [sim]\nsim_devices: [self]\n"
                f"operators: ['{self.key_hash('operator')}']\n" +
                more.replace("CONFIRMER", f"'{self.key_hash('confirmer')}'").replace(
                    "HOLDERS", ", ".join(f"'{self.key_hash(f'holder{i}')}'" for i in (1, 2, 3))))

    def path(self, name):
        return f"{self.directory}/{name}"

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def coffer(self, *words):
        run = subprocess.run([self.program, *words], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False)
        return run.returncode, run.stdout

    def key_hash(self, name):
        pem = subprocess.run(["openssl", "x509", "-in", self.keys[name] + "/certificate.pem",
                              "-noout", "-pubkey"], check=True, stdout=subprocess.PIPE).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem,
                             check=True, stdout=subprocess.PIPE).stdout
        return "sha256:" + subprocess.run(["sha256sum"], input=der, check=True,
                                          stdout=subprocess.PIPE).stdout.split()[0].decode()

    def flags(self):
        return [self.kbs, "--bootstrap", self.manifest, "--insecure__native", self.path(self.device)]

    def start(self, *more, state="state"):
        pin = subprocess.run(self.flags() + ["--print-pin", "--log-level", "error"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        self.write("pin", pin)
        self.starts += 1
        port = self.path(f"port-{self.starts}")
        with open(self.path("log-kbs"), "ab") as log:
            self.process = subprocess.Popen(
                self.flags() + ["--state", self.path(state), "--listen", "127.0.0.1:0",
                                "--port-file", port, *more], stderr=log)
        tap.until(lambda: os.path.exists(port) or self.process.poll() is not None,
                  "the key broker is ready")
        if self.process.poll() is None:
            with open(port, encoding="utf-8") as f:
                self.address = "127.0.0.1:" + f.read().strip()

    def where(self):
        return ["--kbs", self.address, "--kbs-pin", self.path("pin")]

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()

    def log(self):
        with open(self.path("log-kbs"), encoding="utf-8") as f:
            return f.read()

    def done(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.directory)
