#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs guest-escapes under a policy with a volume, tells it where the runtime's memory is (which it
cannot see itself), and looks for the secret on the host's side. usage: escapes.py RUNTIME PROGRAM"""
import os
import shutil
import subprocess
import sys
import tempfile

RUNTIME, PROGRAM = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
MARK = b"escaped-plaintext-mark"
POLICY = """version: 1
command:
  environment: {LANG: C}
volumes:
  - {name: data, mount: /data, mode: none}
files:
  - {path: /usr, class: host, read_only: true}
  - {path: /proc, class: host}
  - {path: "%s", class: host, read_only: true}
  - {path: "%s", class: host}
  - {path: "%s/denied", class: denied}
"""


def runtime_pages(pid):
    """A page of the runtime's text and one of its data, as /proc shows them to the host."""
    found = {}
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        for line in maps:
            words = line.split(None, 5)
            if len(words) == 6 and words[5].strip() == os.path.realpath(RUNTIME):
                found.setdefault(words[1][:3], int(words[0].split("-")[0], 16))
    return found["r-x"] + 4096, found["rw-"]


def main():
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="coffer-escapes-"))
    try:
        host, store = os.path.join(scratch, "host"), os.path.join(scratch, "store")
        os.makedirs(os.path.join(host, "denied"))
        with open(os.path.join(host, "denied/file"), "w", encoding="utf-8") as file:
            file.write("denied")
        policy = os.path.join(scratch, "policy.yaml")
        with open(policy, "w", encoding="utf-8") as file:
            file.write(POLICY % (PROGRAM, host, host))
        program = subprocess.Popen(
            [RUNTIME, "--policy", policy, "--volume", store + ":/data", "--", PROGRAM, "/data", host],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr,
            env=dict(os.environ, HOME=scratch, COFFER_STATE=os.path.join(scratch, "state")))
        print("TAP version 13")
        first = program.stdout.readline().split()
        text, data = runtime_pages(int(first[2]))
        out, _ = program.communicate(f"{text:x} {data:x}\n".encode(), timeout=120)
        lines = out.decode().split("\n")
        count = sum(line.startswith(("ok ", "not ok ")) for line in lines)
        whole = any(line.startswith("1..") for line in lines)
        print("\n".join(line for line in lines if line and not line.startswith("1..")))
        leaks = [os.path.join(folder, name) for folder, _, names in os.walk(scratch) for name in names
                 if MARK in open(os.path.join(folder, name), "rb").read()]
        print(f"{'ok' if not leaks else 'not ok'} {count + 1} - the host has the secret nowhere")
        ended = program.returncode if whole else f"{program.returncode} before its end"
        print(f"{'ok' if whole else 'not ok'} {count + 2} - the program came to its end")
        print(f"# it ended with {ended}\n1..{count + 2}")
        return 0 if whole and program.returncode == 0 and not leaks else 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


sys.exit(main())
