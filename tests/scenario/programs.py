# SPDX-License-Identifier: Apache-2.0
"""Real programs, natively and shielded: what the tests programs_*.py share.

    @programs.compare("rsync")                 # the programs that it needs
    def rsync_copies(side):                    # called for each side; what it returns is compared
        return side.run("bash", "-c", f"rsync -a /etc/ {side.data}/etc && ls {side.data}/etc")
    programs.main()                            # RUNTIME is argv[1]

On both sides a program keeps its data in `side.data`: a directory of the host natively, the encrypted
volume at /data shielded. Servers speak plainly natively and TLS shielded, on `side.port`.
"""
import contextlib
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import ports
import tap

RUNTIME = os.path.abspath(sys.argv[1])
PATIENCE = 90


def need(*names):
    """Packages are installed by make: what is missing is a failure that says so."""
    for name in names:
        tap.true(shutil.which(name), f"{name} is installed (packages.txt names its package)")


class Server:
    """A running server of one side; `text()` is what it has said."""

    def __init__(self, side, command, ready, **options):
        self.side = side
        self.log = os.path.join(side.scratch, f"log-{len(os.listdir(side.scratch))}")
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=side.env,
                                            stdin=subprocess.DEVNULL, start_new_session=True,
                                            cwd=side.scratch, **options)
        try:
            tap.until(lambda: ready() or self.process.poll() is not None, f"{command[-3:]} is ready",
                      PATIENCE)
            tap.true(self.process.poll() is None, f"the server runs: {self.text()[-1500:]}")
        except AssertionError:
            self.end()
            raise

    def text(self):
        with open(self.log, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def family(self):
        """The pids of its processes, itself first; not the volume server, which has a session of its
        own."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                        found += [int(word) for word in children.read().split()]
        return found

    def stop(self, how=signal.SIGTERM):
        """Asks it to end and returns its exit code."""
        self.process.send_signal(how)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end: {self.text()[-1500:]}") from None
        finally:
            self.end()

    def crash(self, power_fails=False):
        """Kills the whole family at once; with its volume server, what was not synced is gone."""
        apart = self.side.volume_servers() if power_fails else []
        for pid in apart + self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.end()

    def end(self):
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Side:
    """One way to run programs: natively (`shielded` false) or shielded, as another user if wanted."""

    def __init__(self, scratch, shielded, user=None):
        self.shielded = shielded
        self.scratch = os.path.join(scratch, "shielded" if shielded else "native")
        self.host = os.path.join(self.scratch, "store")
        self.data = "/data" if shielded else self.host
        self.home = os.path.join(self.scratch, "home")
        self.ca = os.path.join(self.scratch, "ca.pem")
        self.port = ports.free_port()
        self.user, self.runtime = None, RUNTIME
        self.servers = []
        for folder in (self.scratch, self.home) + (() if shielded else (self.host,)):
            os.mkdir(folder)
        self.env = dict(os.environ, HOME=self.home, COFFER_STATE=os.path.join(self.home, "state"),
                        LC_ALL="C.UTF-8", TZ="UTC")
        if user and os.getuid() == 0:
            self.become(user)

    def become(self, user):
        """What the user must reach: the scratch directory, and the runtime, which may lie where only
        root may look."""
        self.user = user
        who = pwd.getpwnam(user)
        self.runtime = os.path.join(self.scratch, "coffer-runtime")
        shutil.copy(RUNTIME, self.runtime)
        for folder in (self.scratch, self.home, self.host):
            if os.path.exists(folder):
                os.chown(folder, who.pw_uid, who.pw_gid)

    def as_user(self):
        if not self.user:
            return []
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups"]

    def command(self, *program, flags=(), volume=True):
        if not self.shielded:
            return [*self.as_user(), *program]
        volume = ["--volume", self.host + ":/data"] if volume else []
        return [*self.as_user(), self.runtime, *volume, *flags, "--", *program]

    def done(self, *program, text=None, flags=(), seconds=PATIENCE, volume=True):
        """Runs a program to its end: a CompletedProcess whose texts name the data as /data. While a
        server has the volume, others can only run without."""
        with tempfile.TemporaryFile("w+") as given:
            given.write(text or "")
            given.seek(0)
            done = subprocess.run(self.command(*program, flags=flags, volume=volume), text=True,
                                  stdin=given,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
                                  env=self.env, cwd=self.scratch, check=False)
        done.stdout = done.stdout.replace(self.data, "/data")
        done.stderr = done.stderr.replace(self.data, "/data")
        return done

    def run(self, *program, **options):
        """Runs a program that must succeed; what it prints."""
        done = self.done(*program, **options)
        tap.equal(done.returncode, 0, f"the end of {program[0]}: {done.stdout[-1500:]}"
                  f"{done.stderr[-1500:]}")
        return done.stdout

    def serve(self, *program, flags=(), port=None, ready=None):
        """Starts a server that listens on `self.port`; behind the network shield if shielded."""
        port = port or self.port
        shield = ["--tls-listen", str(port), "--tls-cert-out", self.ca, *flags]
        server = Server(self, self.command(*program, flags=shield if self.shielded else []),
                        ready or (lambda: self.listens(port)))
        self.servers.append(server)
        return server

    def listens(self, port):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return True
        return False

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.shielded:
            return s
        return ssl.create_default_context(cafile=self.ca).wrap_socket(s, server_hostname="localhost")

    def ask(self, request, end=b""):
        """Sends bytes, reads until `end` or the end of the connection."""
        got = b""
        with self.connect() as s:
            s.sendall(request)
            while not end or not got.endswith(end):
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        return got

    def url(self, path=""):
        return f"{'https' if self.shielded else 'http'}://localhost:{self.port}{path}"

    def curl(self, *arguments, seconds=PATIENCE):
        """The real curl, outside; its answer as bytes."""
        trust = ["--cacert", self.ca] if self.shielded else []
        done = subprocess.run(["curl", "-sS", "-m", str(seconds), *trust, *arguments],
                              capture_output=True, env=self.env, check=False)
        tap.equal(done.returncode, 0, f"curl {arguments}: {done.stderr.decode()[-500:]}")
        return done.stdout

    def holds_no(self, *needles):
        """The volume's directory on the host holds none of these bytes."""
        for folder, _, names in os.walk(self.host) if self.shielded else ():
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    content = file.read()
                for needle in needles:
                    tap.true(needle not in content, f"{needle!r} is not in {name}")

    def volume_servers(self):
        """Processes that have the volume and are nobody's children: their command line is the
        runtime's, with our directory in it."""
        found = []
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/cmdline", "rb") as line, \
                        open(f"/proc/{name}/comm", encoding="ascii", errors="replace") as comm:
                    if comm.read() == "coffer-volumes\n" and self.host.encode() in line.read():
                        found.append(int(name))
        return found if self.shielded else []

    def close(self):
        for server in self.servers:
            if server.process.poll() is None:
                server.end()


@contextlib.contextmanager
def sides(user=None):
    scratch = tempfile.mkdtemp(prefix="coffer-programs-")
    os.chmod(scratch, 0o755)
    both = [Side(scratch, shielded, user) for shielded in (False, True)]
    try:
        yield both
    finally:
        for side in both:
            side.close()
        shutil.rmtree(scratch, ignore_errors=True)


def compare(*programs, user=None):
    """Makes a test of a function that gets a Side: it must return the same natively and shielded."""
    def decorate(function):
        def run():
            need(*programs)
            with sides(user) as (native, shielded):
                wanted = function(native)
                native.close()
                start = time.monotonic()
                got = function(shielded)
                print(f"# {function.__name__}: {time.monotonic() - start:.1f} s shielded")
                tap.equal(got, wanted, "what the shielded program shows")
        run.__name__ = function.__name__
        tap.test(run)
        return function
    return decorate


def main():
    if len(sys.argv) > 2:  # by hand: only the tests named
        tap.TESTS[:] = [t for t in tap.TESTS if t.__name__ in sys.argv[2:]]
    tap.main()
