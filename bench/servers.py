# SPDX-License-Identifier: Apache-2.0
"""The four variants of the document server that bench/dms.py and bench/documents.py compare."""
import argparse
import os
import subprocess

import machine

PASSWORD = "benchmark-password"
TENANT = "bench"


def arguments(text, variants, rounds):
    """The parser of such a benchmark, to which it adds what is its own."""
    parser = argparse.ArgumentParser(description=text.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--variants", default=variants)
    parser.add_argument("--json")
    return parser


def certificates(folder):
    """A root certificate and a server's under it: {"ca": file, "cert": file, "key": file,
    "both": certificate and key in one file, as haproxy wants it}."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=root")
    openssl("req", *key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=server")
    with open(os.path.join(folder, "extensions"), "w", encoding="ascii") as out:
        out.write(f"subjectAltName=DNS:{TENANT}.localhost\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-out",
            "cert.pem", "-extfile", "extensions", "-days", "2")
    paths = {name: os.path.join(folder, f"{name}.pem") for name in ("ca", "cert", "key", "both")}
    with open(paths["both"], "w", encoding="ascii") as out:
        for name in ("cert", "key"):
            with open(paths[name], encoding="ascii") as part:
                out.write(part.read())
    return paths


class Server:
    """One variant: started on creation, `target` is what `coffer load` connects to."""

    def __init__(self, letter, title, build, folder, tls):
        self.letter, self.title, self.build, self.tls = letter, title, build, tls
        self.folder = os.path.join(folder, letter)
        os.makedirs(os.path.join(self.folder, "data"))
        self.port = machine.free_port()
        self.processes = []
        self.start()
        machine.wait_for_port(self.port, self.processes[0])

    def run(self, command, environment=None):
        log = os.path.join(self.folder, "log")
        self.processes.append(machine.start(command, log, environment))

    def program(self, name):
        return machine.program(self.build, name)

    def dms(self, data, port):
        return [self.program("coffer-dms"), "--data", data, "--port", str(port)]

    def environment(self):
        return {"COFFER_DMS_FIRST_PASSWORD": PASSWORD, "COFFER_DMS_KEEP_FIRST_PASSWORD": "1"}

    def target(self):
        if self.tls:
            return ["--gateway", f"127.0.0.1:{self.port}", "--ca", self.tls["ca"]]
        return ["--insecure-plain", f"http://127.0.0.1:{self.port}"]

    def stop(self):
        for process in reversed(self.processes):
            machine.stop(process)


class Native(Server):
    def start(self):
        self.run(self.dms(os.path.join(self.folder, "data"), self.port), self.environment())


HAPROXY = """
global
    ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend tls
    bind 127.0.0.1:{port} ssl crt {both} alpn http/1.1
    default_backend dms
backend dms
    http-reuse always
    server dms 127.0.0.1:{inner}
"""


class Haproxy(Server):
    def start(self):
        inner = machine.free_port()
        self.run(self.dms(os.path.join(self.folder, "data"), inner), self.environment())
        machine.wait_for_port(inner, self.processes[0])
        config = os.path.join(self.folder, "haproxy.cfg")
        with open(config, "w", encoding="ascii") as out:
            out.write(HAPROXY.format(port=self.port, inner=inner, both=self.tls["both"]))
        self.run(["haproxy", "-db", "-f", config])


class Shielded(Server):
    def start(self):
        self.run([self.program("coffer"), "run", "--tls-listen", str(self.port),
                  "--tls-cert", self.tls["cert"], "--tls-key", self.tls["key"], *self.volume(),
                  "--", *self.dms(self.data(), self.port)], self.environment())

    def volume(self):
        return []

    def data(self):
        return os.path.join(self.folder, "data")


class Confidential(Shielded):
    def volume(self):
        return ["--volume", f"{os.path.join(self.folder, 'data')}:/data"]

    def data(self):
        return "/data"


VARIANTS = [
    ("a", "native, plain HTTP, plain files", Native, False),
    ("b", "native behind haproxy, TLS, plain files", Haproxy, True),
    ("c", "runtime, TLS, plain files", Shielded, True),
    ("d", "runtime, TLS, encrypted volume", Confidential, True),
]
