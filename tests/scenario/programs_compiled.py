#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Java with G1 and many threads, static and dynamic Go and Rust: files on a volume, children, faults,
and a server behind TLS.

    programs_compiled.py COFFER_RUNTIME [TEST...]
"""
import hashlib
import os
import shutil
import subprocess

import programs
import tap

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")


def build(side, *command, **environment):
    subprocess.run(command, cwd=side.scratch, check=True, capture_output=True,
                   env={**os.environ, "HOME": side.home, **environment})


def said(side, server):
    """What it printed before it served."""
    tap.until(lambda: "serving" in server.text(), "it serves")
    return server.text().replace(side.data, "/data").split("serving")[0]


@programs.compare("java", "javac", "curl")
def java_with_g1_and_many_threads(side):
    build(side, "javac", "-d", side.scratch, os.path.join(FOLDER, "Everything.java"))
    server = side.serve("java", "-XX:+UseG1GC", "-Xmx300m", "-cp", side.scratch, "Everything",
                        side.data, str(side.port))
    blob = os.path.join(side.scratch, "blob")
    with open(blob, "wb") as out:
        out.write(b"0123456789abcdef" * 100000)
    shown = [said(side, server), side.curl(side.url("/a")),
             side.curl("-T", blob, side.url("/put")),
             hashlib.sha256(side.curl(side.url("/put"))).hexdigest(),
             side.curl("-Z", "--parallel-max", "50", "-o", "/dev/null", "-w", "%{http_code}\n",
                       side.url("/[1-500]")),
             server.stop()]
    side.holds_no(b"0123456789abcdef" * 4)
    return shown


def go_serves(side, cgo):
    if not shutil.which("go"):
        raise tap.Skip("no Go compiler")
    program = os.path.join(side.scratch, "everything")
    build(side, "go", "build", "-o", program, os.path.join(FOLDER, "everything.go"),
          CGO_ENABLED=cgo, GO111MODULE="off", GOFLAGS="-p=1")
    server = side.serve(program, side.data, str(side.port))
    return [said(side, server), side.curl(side.url("/a")),
            side.curl("-Z", "--parallel-max", "50", "-o", "/dev/null", "-w", "%{http_code}\n",
                      side.url("/[1-500]")), server.stop()]


@programs.compare("curl")
def go_static_with_raw_calls(side):
    return go_serves(side, "0")


@programs.compare("curl")
def go_with_the_c_library(side):
    return go_serves(side, "1")


def rust_serves(side, *flags):
    if not os.path.exists("/usr/bin/rustc"):
        raise tap.Skip("no Rust compiler")
    program = os.path.join(side.scratch, "everything")
    build(side, "/usr/bin/rustc", "-O", *flags, "-o", program, os.path.join(FOLDER, "everything.rs"))
    server = side.serve(program, side.data, str(side.port))
    lines = [line for line in said(side, server).splitlines() if not line.startswith("thread '")]
    return [lines, [side.ask(f"line {n}\n".encode()) for n in range(30)], server.stop()]


@programs.compare()
def rust_dynamic(side):
    return rust_serves(side)


@programs.compare()
def rust_static(side):
    return rust_serves(side, "-C", "target-feature=+crt-static")


programs.main()
