#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real programs, native against shielded, interleaved: medians over rounds, and the same with their
data on an encrypted volume. All speak plain TCP; bench/tls.py is about TLS.

    programs.py BUILD [--rounds N] [--seconds S] [--json FILE] [--only WORD]
"""
import argparse
import contextlib
import glob
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

import machine

GOAL = 0.95
MODES = ("native", "shielded", "volume")
SERVER_CPU, CLIENT_CPU = ("0", "1") if os.cpu_count() > 1 else ("0", "0")


class Place:
    """How programs run in one mode; what they keep goes to `data`."""

    def __init__(self, build, folder, mode, user=None):
        self.mode = mode
        self.folder = os.path.join(folder, mode)
        self.store = os.path.join(self.folder, "store")
        os.makedirs(self.folder if mode == "volume" else self.store)
        self.data = "/data" if mode == "volume" else self.store
        self.port = machine.free_port()
        self.user = user if os.getuid() == 0 else None
        self.runtime = machine.program(build, "coffer-runtime")
        self.processes = []
        self.environment = {"HOME": self.folder, "COFFER_STATE": os.path.join(self.folder, "state")}
        if self.user:
            self.runtime = shutil.copy(self.runtime, self.folder)
            who = pwd.getpwnam(self.user)
            for path in [self.folder] + ([self.store] if os.path.exists(self.store) else []):
                os.chown(path, who.pw_uid, who.pw_gid)

    def command(self, *program):
        prefix = ["taskset", "-c", SERVER_CPU]
        if self.user:
            prefix += ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups"]
        if self.mode != "native":
            prefix += [self.runtime]
            prefix += ["--volume", f"{self.store}:/data"] if self.mode == "volume" else []
            prefix += ["--"]
        return [*prefix, *program]

    def run(self, *program):
        subprocess.run(self.command(*program), check=True, stdin=subprocess.DEVNULL,
                       capture_output=True, env={**os.environ, **self.environment}, cwd=self.folder)

    def serve(self, *program):
        process = machine.start(self.command(*program), os.path.join(self.folder, "log"),
                                self.environment)
        self.processes.append(process)
        machine.wait_for_port(self.port, process, 60)

    def family(self):
        """The server's processes, and its volume server, which is nobody's child but has the
        runtime's command line."""
        found = {pid for process in self.processes for pid in machine.descendants(process.pid)}
        for name in os.listdir("/proc") if self.mode == "volume" else ():
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as line:
                if line.read().find(f"{self.store}:/data".encode()) >= 0:
                    found.add(int(name))
        return found

    def cpu_seconds(self):
        """Of all its processes, of ended children too."""
        ticks = 0
        for pid in self.family():
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                    words = file.read().rsplit(")", 1)[1].split()
                ticks += sum(int(word) for word in words[11:15])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            machine.stop(process)


def client(*command):
    return subprocess.run(["taskset", "-c", CLIENT_CPU, *command], check=True, capture_output=True,
                          text=True).stdout


# --- programs: prepare(place) starts one, measures are functions of (place, seconds) ---

def redis_prepare(place):
    place.serve("redis-server", "--port", str(place.port), "--dir", place.data, "--save", "",
                "--appendonly", "yes" if place.mode == "volume" else "no")


def redis_measure(*flags):
    def measure(place, seconds):
        requests = int(seconds * (400000 if "-P" in flags else 60000))
        before = place.cpu_seconds()
        text = client("redis-benchmark", "-p", str(place.port), "-c", "50", "-n", str(requests), "-t",
                      "get,set", "-q", "--csv", *flags)
        spent = place.cpu_seconds() - before
        rates = [float(line.split(",")[1].strip('"')) for line in text.splitlines()[1:]]
        return {"requests/s": machine.median(rates), "CPU us/request": spent / requests / 2 * 1e6}
    return measure


NGINX = """
worker_processes 1; daemon off; pid {data}/pid; error_log {data}/error crit; {user}
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
    client_body_temp_path {data}/b; proxy_temp_path {data}/p; fastcgi_temp_path {data}/f;
    uwsgi_temp_path {data}/u; scgi_temp_path {data}/s;
    server {{ listen 127.0.0.1:{port}; root {data}; }} }}
"""


def nginx_prepare(place):
    config = os.path.join(place.folder, "nginx.conf")
    with open(config, "w", encoding="ascii") as out:
        out.write(NGINX.format(data=place.data, port=place.port,
                               user="user root;" if os.getuid() == 0 else ""))
    place.run("sh", "-c", f"cd {place.data} && head -c 1024 /dev/urandom >1k && "
              "head -c 65536 /dev/urandom >64k")
    place.serve("nginx", "-p", place.data, "-c", config)


def wrk(path):
    def measure(place, seconds):
        before = place.cpu_seconds()
        text = client("wrk", "-t", "1", "-c", "32", "-d", f"{max(1, round(seconds))}s",
                      f"http://127.0.0.1:{place.port}/{path}")
        if "Non-2xx" in text:
            raise RuntimeError(text)
        spent = place.cpu_seconds() - before
        requests = int(re.search(r"(\d+) requests in", text).group(1))
        return {"requests/s": float(re.search(r"Requests/sec: +([\d.]+)", text).group(1)),
                "CPU us/request": spent / requests * 1e6}
    return measure


def postgres(name):
    return sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))[-1]


def postgres_prepare(place):
    place.run(postgres("initdb"), "-D", f"{place.data}/db", "-A", "trust", "-U", "postgres")
    place.serve(postgres("postgres"), "-D", f"{place.data}/db", "-p", str(place.port), "-c",
                f"unix_socket_directories={place.folder}", "-c", "listen_addresses=127.0.0.1")
    ready = [postgres("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(place.port)]
    end = time.monotonic() + 60
    while subprocess.run(ready, check=False).returncode != 0 and time.monotonic() < end:
        time.sleep(0.05)
    client(postgres("pgbench"), "-h", "127.0.0.1", "-p", str(place.port), "-U", "postgres", "-i",
           "-q", "-s", "5", "postgres")


def pgbench(*flags):
    def measure(place, seconds):
        text = client(postgres("pgbench"), "-n", "-h", "127.0.0.1", "-p", str(place.port), "-U", "postgres",
                      "-c", "4", "-T", str(max(1, round(seconds))), *flags, "postgres")
        return {"transactions/s": float(re.search(r"tps = ([\d.]+)", text).group(1))}
    return measure


JAVA = """
import com.sun.net.httpserver.HttpServer;
public class Bench {
    public static void main(String[] args) throws Exception {
        var server = HttpServer.create(new java.net.InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 500);
        server.setExecutor(java.util.concurrent.Executors.newFixedThreadPool(32));
        byte[] body = "hello from java\\n".repeat(64).getBytes();
        server.createContext("/", x -> { x.sendResponseHeaders(200, body.length); x.getResponseBody().write(body); x.close(); });
        server.start();
    }
}
"""


def java_prepare(place):
    source = os.path.join(place.folder, "Bench.java")
    with open(source, "w", encoding="ascii") as out:
        out.write(JAVA)
    subprocess.run(["javac", "-d", place.folder, source], check=True)
    place.serve("java", "-XX:+UseG1GC", "-Xmx256m", "-Dsun.net.httpserver.nodelay=true", "-cp",
                place.folder, "Bench", str(place.port))
    wrk("")(place, 4)  # let the compiler do its work


NODE = """
const body = 'hello from node\\n'.repeat(64);
require('http').createServer((q, r) => r.end(body)).listen(+process.argv[2], '127.0.0.1');
"""


def node_prepare(place):
    path = os.path.join(place.folder, "server.js")
    with open(path, "w", encoding="ascii") as out:
        out.write(NODE)
    place.serve("node", path, str(place.port))
    wrk("")(place, 2)


PYTHON = """
import asyncio, json, sqlite3, ssl, http.server, decimal, email.message, multiprocessing, numpy
for line in open('/proc/self/smaps_rollup'):
    if line.startswith('Pss:'): print(line.split()[1])
"""


def python_measure(place, _seconds):
    times, memory = [], 0
    for _ in range(5):
        begin = time.perf_counter()
        text = subprocess.run(place.command("/usr/bin/python3", "-c", PYTHON), check=True, text=True,
                              stdout=subprocess.PIPE, env={**os.environ, **place.environment}).stdout
        times.append(time.perf_counter() - begin)
        memory = int(text)
    return {"start, ms": machine.median(times) * 1000, "memory, MiB": memory / 1024}


def nothing_to_prepare(_place):
    """It does not serve."""


ROWS = [  # title, group, user, prepare, measure
    ("redis", "redis", None, redis_prepare, redis_measure()),
    ("redis, pipelined by 16", "redis", None, redis_prepare, redis_measure("-P", "16")),
    ("nginx, 1 KiB", "nginx", None, nginx_prepare, wrk("1k")),
    ("nginx, 64 KiB", "nginx", None, nginx_prepare, wrk("64k")),
    ("pgbench, TPC-B", "pgbench", "postgres", postgres_prepare, pgbench()),
    ("pgbench, select", "pgbench", "postgres", postgres_prepare, pgbench("-S")),
    ("Java HTTP server", "java", None, java_prepare, wrk("")),
    ("Node.js HTTP server", "node", None, node_prepare, wrk("")),
    ("Python with imports", "python", None, nothing_to_prepare, python_measure),
]
# What is better when smaller has a goal as a factor; None: no goal of its own.
SMALLER = {"CPU us/request": 1 / GOAL, "start, ms": 1.2, "memory, MiB": None}


def verdict(unit, ratio):
    if unit in SMALLER:
        goal = SMALLER[unit]
        if goal is None:
            return "", ""
        return f"at most {goal:.2f}", "pass" if ratio <= goal else "miss"
    return f"at least {GOAL}", "pass" if ratio >= GOAL else "miss"


def bench_group(build, rows, rounds, seconds):
    folder = tempfile.mkdtemp(prefix="coffer-bench-")
    os.chmod(folder, 0o755)
    places = [Place(build, folder, mode, rows[0][2]) for mode in MODES]
    results = {}
    try:
        for place in places:
            rows[0][3](place)
        for turn in range(rounds):
            for title, _, _, _, measure in rows:
                for place in places[turn % 3:] + places[:turn % 3]:
                    for unit, value in measure(place, seconds).items():
                        results.setdefault((title, unit), {}).setdefault(place.mode, []).append(value)
    finally:
        for place in places:
            place.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return results


def show(results):
    print("| Program | Unit | Native | Shielded | Ratio | Goal | | On a volume | Ratio |")
    print("|---|---|---:|---:|---:|---|---|---:|---:|")
    for (title, unit), values in results.items():
        native, shielded, volume = (machine.median(values[mode]) for mode in MODES)
        goal, judged = verdict(unit, shielded / native)
        print(f"| {title} | {unit} | {native:,.1f} | {shielded:,.1f} | {shielded / native:.2f} | "
              f"{goal} | {judged} | {volume:,.1f} | {volume / native:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--json")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    results, failed = {}, []
    for group in dict.fromkeys(row[1] for row in ROWS if options.only in row[1]):
        rows = [row for row in ROWS if row[1] == group]
        try:
            results.update(bench_group(build, rows, options.rounds, options.seconds))
        except (OSError, RuntimeError, subprocess.SubprocessError, IndexError) as why:
            failed.append(f"{group}: {why}")
    print("## Real programs\n")
    print(f"Medians of {options.rounds} rounds of {options.seconds:g} s, the "
          f"ways in turn; servers on processor {SERVER_CPU}, clients on {CLIENT_CPU}. On the volume "
          "redis keeps its append-only file (synced each second), which it does not natively.\n")
    show(results)
    print()
    if options.json:
        with open(options.json, "w", encoding="ascii") as out:
            json.dump([{"program": title, "unit": unit, **values}
                       for (title, unit), values in results.items()], out, indent=1)
    for line in failed:
        print(f"Failed: {line}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
