# SPDX-License-Identifier: Apache-2.0
"""A whole running system for scenarios: `coffer up --demo` on free ports, in a directory of its own.

    with System(build_dir) as system:
        system.sign_in()                      # chooses the demo user's password
        print(system.curl("/api/me").stdout)
        system.coffer("tenant", "list")
"""
import contextlib
import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

import ports

PASSWORD = "correct-Horse-7-battery"
START_SECONDS = 60


class System:
    """`build_dir` holds the program `coffer`. An own `state_dir` is kept, else it is removed at the
    end. Attributes: port, operator_port, state, ca, user, password, process, output."""

    def __init__(self, build_dir, state_dir=None, *up_flags, demo=True):
        self.build = os.path.abspath(build_dir)
        self.program = os.path.join(self.build, "coffer")
        self.is_temporary = state_dir is None
        self.state = os.path.abspath(state_dir or tempfile.mkdtemp(prefix="coffer-"))
        self.flags, self.demo = up_flags, demo
        self.port, self.operator_port = ports.free_port(), ports.free_port()
        self.ca = os.path.join(self.state, "ca.pem")
        self.user, self.password = "admin", None
        self.process, self.output = None, ""

    def __enter__(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.start()
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            if self.is_temporary:
                shutil.rmtree(self.state, ignore_errors=True)

    def start(self):
        """Starts it and reads what it says up to READY."""
        self.output = ""
        self.process = subprocess.Popen(
            [self.program, "up", *(["--demo"] if self.demo else []), "--state", self.state,
             "--listen", f"127.0.0.1:{self.port}", "--operator", f"127.0.0.1:{self.operator_port}",
             *self.flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        end = time.monotonic() + START_SECONDS
        while "\nREADY\n" not in self.output:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError("coffer up is not READY: " + self.output + self.logs())
            piece = os.read(self.process.stdout.fileno(), 65536).decode()
            if not piece:
                errors = self.process.stderr.read().decode()
                raise AssertionError("coffer up ended: " + self.output + errors + self.logs())
            self.output += piece
        match = re.search(r"^  Password +(\S+) \(one time", self.output, re.M)
        if match:
            self.password = match.group(1)
        return self

    def stop(self, how=signal.SIGTERM, seconds=40):
        """Stops it and returns its exit code."""
        if not self.process:
            return None
        self.process.send_signal(how)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("coffer up does not stop: " + self.logs()) from None
        finally:
            self.process.stdout.close()
            self.process.stderr.close()
            self.process = None
        return code

    def logs(self):
        with contextlib.suppress(OSError), open(os.path.join(self.state, "log"), "rb") as log:
            return log.read().decode("utf-8", "replace")
        return ""

    def coffer(self, *args):
        """`coffer ARGS --state STATE`, as a CompletedProcess with text."""
        return subprocess.run([self.program, *args, "--state", self.state], capture_output=True,
                              text=True, timeout=60, check=False)

    def address(self, tenant="demo"):
        return f"https://{tenant}.localhost:{self.port}"

    def curl(self, path, *args, tenant="demo", user=None, password=None, seconds=60):
        """The real curl, signed in, on the address a user would paste."""
        who = f"{user or self.user}:{password or self.password}"
        return subprocess.run(
            ["curl", "-sS", "--cacert", self.ca, "-u", who, "--max-time", str(seconds), *args,
             self.address(tenant) + path], capture_output=True, text=True, check=False)

    def sign_in(self, tenant="demo", first=None, new=PASSWORD):
        """Chooses the first user's password with the one-time one."""
        first = first or self.password
        done = self.curl("/api/me/password", "-f", "-X", "PUT", "--json",
                         json.dumps({"old": first, "new": new}), tenant=tenant, password=first)
        if done.returncode != 0:
            raise AssertionError(f"cannot sign in: {done.stderr}{done.stdout}{self.logs()[-3000:]}")
        if tenant == "demo":
            self.password = new
        return new

    def add_tenant(self, name, *accept_flags):
        """Another client with an owner of its own; returns its one-time password."""
        keys = os.path.join(self.state, name + "-owner")
        for args in (("owner", "new", keys),
                     ("tenant", "add", name, "--owner", keys + "/certificate.pem")):
            done = self.coffer(*args)
            if done.returncode != 0:
                raise AssertionError(f"coffer {args}: {done.stderr}")
        done = self.coffer("owner", "accept", name, "--keys", keys, *accept_flags)
        match = re.search(r"^Password +(\S+) ", done.stdout, re.M)
        if not match:
            raise AssertionError(f"coffer owner accept: {done.stdout}{done.stderr}")
        return match.group(1)

    def tenants(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operator_port}/tenants") as answer:
            return {t["name"]: t for t in json.load(answer)}

    def tenant(self, name="demo"):
        return self.tenants()[name]

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operator_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return {line.split()[0]: float(line.split()[1]) for line in lines if line[0] != "#"}

    def pid(self, program):
        """The pid of a child of `coffer up`, such as "coffer-gateway"."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as pids:
            for pid in pids.read().split():
                with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as line:
                    words = line.read().split(b"\0")
                    if any(word.endswith(b"/" + program.encode()) for word in words[:8]):
                        return int(pid)
        return None
