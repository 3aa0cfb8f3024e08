#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What TLS costs a server: its own, the network shield's, a proxy's in front, of a plain one.

Redis and nginx, each as it comes from its package, one worker, pinned to one CPU with everything that
does TLS for it; the load runs on another. All variants are up at once and take turns. For each load
the table says the rate and the CPU time per request as fractions of the plain server's (medians of
rounds), so other programs on the machine shift both sides alike.

usage: tls.py BUILD [--rounds N] [--seconds N] [--only REGEX] [--json FILE]
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import machine

TENANT = "localhost"
SERVER_CPU, CLIENT_CPU = 0, 1


def certificate(folder):
    cert, key, both = (os.path.join(folder, name) for name in ("cert.pem", "key.pem", "both.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,"
                    "IP:127.0.0.1"], check=True, capture_output=True)
    with open(both, "w", encoding="ascii") as out:
        for name in (cert, key):
            with open(name, encoding="ascii") as part:
                out.write(part.read())
    os.chmod(folder, 0o755)
    os.chmod(key, 0o644)
    return {"cert": cert, "key": key, "both": both}


def cpu_ns(pids):
    """CPU time of these processes so far, threads that have ended included."""
    ticks = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks * 10**9 // os.sysconf("SC_CLK_TCK")


class Variant:
    """A server under one way to do TLS: `port` is what the load connects to."""

    def __init__(self, name, build, folder, tls):
        self.name, self.folder, self.tls = name, os.path.join(folder, name.replace(" ", "-")), tls
        self.is_tls = name != "plain"
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        self.port, self.processes = machine.free_port(), []
        inner = machine.free_port() if name in ("haproxy", "stunnel") else self.port
        prefix = []
        if name == "shield":
            prefix = [machine.program(build, "coffer"), "run", "--tls-listen", str(inner),
                      "--tls-cert", tls["cert"], "--tls-key", tls["key"], "--"]
        self.start(prefix + self.command(inner, name == "own"), inner)
        if name == "haproxy":
            self.start(["haproxy", "-db", "-f", self.haproxy(inner)], self.port)
        if name == "stunnel":
            self.start(["stunnel", self.stunnel(inner)], self.port)

    def start(self, command, port):
        process = machine.start(["taskset", "-c", str(SERVER_CPU), *command],
                                os.path.join(self.folder, "log"))
        self.processes.append(process)
        machine.wait_for_port(port, process)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        return path

    def haproxy(self, inner):
        return self.write("haproxy.cfg", f"""
global
    nbthread 1
    ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend tls
    bind 127.0.0.1:{self.port} ssl crt {self.tls['both']}
    default_backend inner
backend inner
    server inner 127.0.0.1:{inner}
""")

    def stunnel(self, inner):
        return self.write("stunnel.conf", f"""
foreground = yes
pid =
sslVersionMin = TLSv1.3
[tls]
accept = 127.0.0.1:{self.port}
connect = 127.0.0.1:{inner}
cert = {self.tls['cert']}
key = {self.tls['key']}
""")

    def pids(self):
        return [pid for process in self.processes for pid in machine.descendants(process.pid)]

    def stop(self):
        for process in reversed(self.processes):
            machine.stop(process)


class Redis(Variant):
    LOADS = {"redis GET": ["-t", "get", "-P", "1", "-n", 20000],
             "redis GET x16": ["-t", "get", "-P", "16", "-n", 200000],
             "redis SET 1 KiB": ["-t", "set", "-P", "1", "-d", "1024", "-n", 20000],
             "redis GET 16 KiB": ["-t", "get", "-P", "1", "-d", "16384", "-n", 20000]}

    def command(self, port, own_tls):
        ports = ["--port", str(port)]
        if own_tls:
            ports = ["--port", "0", "--tls-port", str(port), "--tls-cert-file", self.tls["cert"],
                     "--tls-key-file", self.tls["key"], "--tls-ca-cert-file", self.tls["cert"],
                     "--tls-auth-clients", "no"]
        return ["redis-server", *ports, "--save", "", "--appendonly", "no", "--dir", self.folder]

    def load(self, load, seconds):
        *arguments, count = self.LOADS[load]
        count = int(count * seconds)
        if "16384" in arguments: # something of that size to get
            self.benchmark(["-t", "set", "-d", "16384", "-n", "10", "-c", "1"])
        before = cpu_ns(self.pids())
        text = self.benchmark([*arguments, str(count), "-c", "50"])
        rate = float(re.findall(r'"[^"]*","([0-9.]+)"', text)[0])
        return rate, (cpu_ns(self.pids()) - before) / count

    def benchmark(self, arguments):
        tls = ["--tls", "--cacert", self.tls["cert"]] if self.is_tls else []
        return subprocess.run(["taskset", "-c", str(CLIENT_CPU), "redis-benchmark", "-h",
                               "127.0.0.1", "-p", str(self.port), *tls, "--csv", *arguments],
                              check=True, capture_output=True, text=True).stdout


class Nginx(Variant):
    LOADS = {"nginx 1 KiB": "1k", "nginx 64 KiB": "64k", "nginx 1 MiB": "1m"}
    SIZES = {"1k": 1 << 10, "64k": 1 << 16, "1m": 1 << 20}

    def command(self, port, own_tls):
        for name, size in self.SIZES.items():
            self.write(name, "x" * size)
        tls = (f"ssl_certificate {self.tls['cert']}; ssl_certificate_key {self.tls['key']}; "
               "ssl_protocols TLSv1.3;") if own_tls else ""
        return ["nginx", "-c", self.write("nginx.conf", f"""
worker_processes 1;
daemon off;
pid {self.folder}/pid;
error_log {self.folder}/errors;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    server {{
        listen 127.0.0.1:{port}{' ssl' if own_tls else ''};
        {tls}
        root {self.folder};
    }}
}}
""")]

    def load(self, load, seconds):
        url = f"http{'s' if self.is_tls else ''}://127.0.0.1:{self.port}/{self.LOADS[load]}"
        before = cpu_ns(self.pids())
        text = subprocess.run(["taskset", "-c", str(CLIENT_CPU), "wrk", "-t", "1", "-c", "32",
                               "-d", f"{seconds}s", url], check=True, capture_output=True,
                              text=True).stdout
        count = int(re.search(r"(\d+) requests in", text).group(1))
        if "Non-2xx" in text or count == 0:
            raise RuntimeError(text)
        rate = float(re.search(r"Requests/sec:\s+([0-9.]+)", text).group(1))
        return rate, (cpu_ns(self.pids()) - before) / count


WAYS = ["plain", "own", "shield", "haproxy", "stunnel"]


def measure(server, arguments, folder, tls, results):
    ways = [way for way in WAYS if arguments.ways is None or way in arguments.ways]
    variants = []
    try:
        for way in ways:
            variants.append(server(way, arguments.build, os.path.join(folder, server.__name__), tls))
        for load in server.LOADS:
            if not re.search(arguments.only, load):
                continue
            for _ in range(arguments.rounds):
                for variant in variants:
                    results.setdefault(load, {}).setdefault(variant.name, []).append(
                        variant.load(load, arguments.seconds))
    finally:
        for variant in variants:
            variant.stop()


def table(results):
    ways = list(next(iter(results.values())))
    print("| of the plain server's | " + " | ".join(f"{way} rate | cpu" for way in ways) + " |")
    print("|---|" + "---:|" * (2 * len(ways)))
    for load, by_way in results.items():
        plain = [machine.median([r[i] for r in by_way["plain"]]) for i in (0, 1)]
        cells = []
        for way in ways:
            rate, cpu = (machine.median([r[i] for r in by_way[way]]) for i in (0, 1))
            if way == "plain":
                cells += [f"{rate:.0f}/s", f"{cpu / 1000:.1f} µs"]
            else:
                cells += [f"{rate / plain[0]:.2f}", f"{cpu / plain[1]:.2f}"]
        print(f"| {load} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", default="", help="loads whose name this expression finds")
    parser.add_argument("--ways", type=lambda text: text.split(","), help="of " + ",".join(WAYS))
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("one CPU for the server and one for the load are needed")
    results = {}
    with tempfile.TemporaryDirectory(prefix="coffer-bench-tls-") as folder:
        os.chmod(folder, 0o755)
        tls = certificate(folder)
        for server, name in ((Redis, "redis-server"), (Nginx, "nginx")):
            if shutil.which(name) and any(re.search(arguments.only, load) for load in server.LOADS):
                measure(server, arguments, folder, tls, results)
    print("## TLS: own, the shield's, a proxy's\n")
    table(results)
    print()
    if arguments.json:
        with open(arguments.json, "w", encoding="ascii") as out:
            json.dump(results, out)


main()
