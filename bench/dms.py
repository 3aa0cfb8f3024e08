#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the document server natively, behind haproxy, under the runtime and confidential.

    bench/dms.py BUILD [--rounds N] [--seconds S] [--clients N] [--variants abcd] [--json FILE]

In each round every variant runs each profile once, in an order that rotates from round to round.
Throughput comes from a closed loop, latency from an open loop at the same rate for all variants:
half of what the slowest reached.
"""
import json
import os
import subprocess
import sys
import tempfile

import machine
import servers

PROFILES = [("read 4 KiB", "read", "4k"), ("write 4 KiB", "write", "4k"),
            ("read 1 MiB", "read", "1m"), ("write 1 MiB", "write", "1m")]


def load(server, options, profile, size, rate, seconds):
    """One run of `coffer load`; its JSON report."""
    done = subprocess.run(
        [server.program("coffer"), "load", "run", *server.target(), "--json", "-", "--tenant",
         servers.TENANT, "--user", "admin", "--clients", str(options.clients), "--profile",
         profile, "--size", size, "--rate", rate, "--duration", f"{seconds}s",
         "--connection-requests", "1000000", "--errors-max", "1"],
        env={**os.environ, "COFFER_LOAD_PASSWORD": servers.PASSWORD},
        capture_output=True, text=True, timeout=120 + 10 * seconds, check=False)
    if not done.stdout:
        raise RuntimeError(f"variant {server.letter}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    if report["errors"]["content"]:
        raise RuntimeError(f"variant {server.letter} returned a wrong document")
    return report


def measure_throughput(running, options):
    """{profile: {letter: [requests per second]}} and the number of failed requests."""
    rates = {name: {server.letter: [] for server in running} for name, _, _ in PROFILES}
    failed = 0
    for number in range(options.rounds):
        for name, profile, size in PROFILES:
            for server in machine.rotated(running, number):
                report = load(server, options, profile, size, "max", options.seconds)
                rates[name][server.letter].append(report["requests_per_s"])
                failed += report["failed"]
    return rates, failed


def measure_latency(running, options, rates):
    """{profile: (rate, {letter: {"p50_ms": [...], ...}})}"""
    kinds = ("p50_ms", "p90_ms", "p99_ms", "max_ms")
    result = {}
    for name, profile, size in PROFILES:
        rate = max(1, int(min(machine.median(values) for values in rates[name].values()) / 2))
        rows = {server.letter: {kind: [] for kind in kinds} for server in running}
        for number in range(options.rounds):
            for server in machine.rotated(running, number):
                report = load(server, options, profile, size, str(rate), options.seconds)
                for kind in kinds:
                    rows[server.letter][kind].append(report["all"][kind])
        result[name] = (rate, rows)
    return result


def ratio(rates, one, other):
    if not rates.get(one) or not rates.get(other):
        return "–"
    return f"{machine.median(rates[one]) / machine.median(rates[other]):.2f}"


def report_text(results, options):
    lines = ["## Document server", ""]
    for letter, title in results["variants"].items():
        lines.append(f"- ({letter}) {title}")
    lines += ["", f"Client: `coffer load`, {options.clients} kept-alive connections, one process, "
              f"on the same machine, nothing pinned. {options.rounds} rounds of "
              f"{options.seconds} s, interleaved; medians. Failed requests: {results['failed']}.",
              "", "### Requests per second (closed loop)", "",
              "| | " + " | ".join(f"({letter})" for letter in results["variants"]) +
              " | d/c | d/b | d/a |",
              "|---|" + "---:|" * (len(results["variants"]) + 3)]
    for name, rates in results["rates"].items():
        cells = [f"{machine.median(rates[letter]):.0f}" for letter in results["variants"]]
        ratios = [ratio(rates, "d", other) for other in "cba"]
        lines.append(f"| {name} | " + " | ".join(cells + ratios) + " |")
    lines += ["", "Goals: d/c at least 0.85, d/b at least 1.", "",
              "### Latency in ms (open loop, from the intended start)", "",
              "| | rate | | p50 | p90 | p99 | max |", "|---|---:|---|---:|---:|---:|---:|"]
    for name, (rate, rows) in results["latency"].items():
        for letter, kinds in rows.items():
            cells = [f"{machine.median(kinds[kind]):.2f}"
                     for kind in ("p50_ms", "p90_ms", "p99_ms", "max_ms")]
            lines.append(f"| {name} | {rate}/s | ({letter}) | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = servers.arguments(__doc__, "abcd", rounds=5)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    running = []
    with tempfile.TemporaryDirectory(prefix="coffer-bench-") as folder:
        certificates = servers.certificates(folder)
        try:
            for letter, title, kind, tls in servers.VARIANTS:
                if letter in options.variants:
                    running.append(kind(letter, title, options.build, folder,
                                        certificates if tls else None))
            rates, failed = measure_throughput(running, options)
            results = {"machine": machine.describe(), "failed": failed, "rates": rates,
                       "variants": {server.letter: server.title for server in running},
                       "latency": measure_latency(running, options, rates)}
        finally:
            for server in running:
                server.stop()
    print(report_text(results, options))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
