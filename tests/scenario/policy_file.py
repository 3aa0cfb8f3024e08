#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs under a policy file: what it does not name is denied, --explain says which line would allow
it, and that line, added, does. usage: policy_file.py COFFER-RUNTIME"""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

RUNTIME = os.path.abspath(sys.argv[1])
PYTHON = "/usr/bin/python3"
PATIENCE = 60
EXPLAINED = re.compile(r"explain: denied (.*?): (.*); to allow it, (add to|change in) "
                       r"(files|network):( {3}- \{.*\})$")
BASE = """version: 1
command:
  environment: {LANG: C, MARK: from-the-policy}
files:
  - {path: /usr, class: host, read_only: true}
  - {path: /etc/ld.so.cache, class: host, read_only: true}
"""


class Failed(Exception):
    """What was expected did not happen."""


def require(condition, what):
    if not condition:
        raise Failed(what)


class Case:
    """A directory with a policy, and programs under it."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.policy = os.path.join(scratch, "policy.yaml")
        self.lines = {"files": [], "network": []}
        self.base = BASE

    def path(self, name):
        return os.path.join(self.scratch, name)

    def write(self):
        text = self.base + "".join(line + "\n" for line in self.lines["files"])
        if self.lines["network"]:
            text += "network:\n" + "".join(line + "\n" for line in self.lines["network"])
        with open(self.policy, "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, *words, flags=("--explain",), env=None):
        self.write()
        return subprocess.run([RUNTIME, "--policy", self.policy, *flags, *words], text=True,
                              capture_output=True, timeout=PATIENCE, check=False, cwd=self.scratch,
                              env=dict(os.environ, HOME=self.scratch, **(env or {})))

    def python(self, text, **more):
        return self.run("--", PYTHON, "-S", "-c", text, **more)

    def add(self, stderr, what):
        """Takes the line that was said for what matches `what`, and adds it to the policy."""
        for line in stderr.split("\n"):
            match = EXPLAINED.search(line)
            if match and what in match.group(1):
                self.lines[match.group(4)].append(match.group(5)[1:])
                return
        raise Failed(f"nothing about {what!r} in {stderr!r}")


def round_trip(case, text, what, refusal, granted):
    """Denied; explained; the line added; works."""
    first = case.python(text)
    require(refusal in first.stdout, f"{what}: not denied: {first.stdout} {first.stderr}")
    case.add(first.stderr, what)
    second = case.python(text)
    require(granted in second.stdout, f"{what}: still denied: {second.stdout} {second.stderr}")
    require(what not in second.stderr, f"{what}: said again: {second.stderr}")


TRY = """
import os, socket
def attempt(f):
    try:
        print("done", f())
    except OSError as e:
        print(type(e).__name__)
attempt(lambda: {0})
"""


def a_file_to_read(case):
    name = case.path('odd "name" \\ here')
    with open(name, "w", encoding="utf-8") as file:
        file.write("content")
    round_trip(case, TRY.format(f"open({name!r}).read()"), "/odd ", "PermissionError",
               "done content")


def a_file_to_write(case):
    name = case.path("written")
    round_trip(case, TRY.format(f"open({name!r}, 'w').write('abc')"), "writing", "PermissionError",
               "done 3")
    require(open(name, encoding="utf-8").read() == "abc", "not written")
    name = case.path("read-only")
    with open(name, "w", encoding="utf-8") as file:
        file.write("old")
    case.lines["files"].append(f'  - {{path: "{case.scratch}", class: host, read_only: true}}')
    round_trip(case, TRY.format(f"open({name!r}, 'w').write('abcd')"), "writing", "OSError",
               "done 4")


def a_directory_to_list(case):
    os.mkdir(case.path("d"))
    open(case.path("d/x"), "w", encoding="utf-8").close()
    out = case.python(TRY.format(f"(os.stat({case.path('d')!r}).st_uid, os.chdir({case.path('d')!r}))") +
                      "attempt(lambda: open('x'))\nattempt(lambda: os.listdir('.'))\n"
                      "attempt(lambda: os.stat('x'))\n").stdout
    require(out.split("\n")[:-1] == [f"done ({os.getuid()}, None)"] + ["PermissionError"] * 3,
            f"a directory may be looked at and entered, no more: {out}")
    round_trip(case, TRY.format(f"os.listdir({case.path('d')!r})"), f'listing "{case.path("d")}"',
               "PermissionError", "done ['x']")


def what_leads_to_something_named_can_be_looked_at_and_listed(case):
    os.makedirs(case.path("a/b"))
    case.lines["files"].append(f'  - {{path: "{case.path("a/b")}", class: host}}')
    out = case.python(TRY.format(f"os.stat({case.path('a')!r}).st_uid") +
                      f"attempt(lambda: os.listdir({case.path('a')!r}))\n"
                      f"attempt(lambda: os.mkdir({case.path('a/c')!r}))\n"
                      f"attempt(lambda: os.stat({case.path('nothing')!r}))\n"
                      f"attempt(lambda: open({case.path('nothing')!r}))\n"
                      f"attempt(lambda: open({case.path('nothing')!r}, 'w'))\n").stdout
    require(out.split("\n")[:-1] == [f"done {os.getuid()}", "done ['b']", "PermissionError",
                                     "FileNotFoundError", "FileNotFoundError", "PermissionError"],
            out)


def its_own_proc_has_one_name(case):
    round_trip(case, TRY.format("open('/proc/self/stat').read()[:0] + open(f'/proc/{os.getpid()}/stat')"
                                ".read().split()[1]"), "/proc/self/stat", "PermissionError",
               "done (")


def a_program_to_execute(case):
    shutil.copy("/usr/bin/true", case.path("copied"))
    round_trip(case, TRY.format(f"__import__('subprocess').call([{case.path('copied')!r}])"),
               "executing", "PermissionError", "done 0")


def a_port_and_a_destination(case):
    with socket.socket() as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        server.bind(("127.0.0.1", 0))
        server.listen()
        datagrams.bind(("127.0.0.1", 0))
        tcp, udp = server.getsockname()[1], datagrams.getsockname()[1]
        round_trip(case, TRY.format(f"socket.create_connection(('127.0.0.1', {tcp})).getpeername()[1]"),
                   f"127.0.0.1:{tcp} (tcp)", "PermissionError", f"done {tcp}")
        # The same address as a datagram is another matter.
        round_trip(case, TRY.format("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'xy', "
                                    f"('127.0.0.1', {udp}))"), f"127.0.0.1:{udp} (udp)",
                   "PermissionError", "done 2")
        require(datagrams.recv(10) == b"xy", "no datagram came")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    round_trip(case, TRY.format(f"socket.create_server(('127.0.0.1', {port})).getsockname()[1]"),
               f"listening on {port} (tcp)", "PermissionError", f"done {port}")
    round_trip(case, "import socket\nu = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)" +
               TRY.format(f"u.bind(('127.0.0.1', {port}))"), f"listening on {port} (udp)",
               "PermissionError", "done None")


def unix_sockets(case):
    name = case.path("socket")
    round_trip(case, "import socket\nu = socket.socket(socket.AF_UNIX)" +
               TRY.format(f"u.bind({name!r})"), f"listening on unix:{name}", "PermissionError",
               "done None")
    with socket.socket(socket.AF_UNIX) as server:
        os.unlink(name)
        server.bind(name)
        server.listen()
        round_trip(case, "import socket\nu = socket.socket(socket.AF_UNIX)" +
                   TRY.format(f"u.connect({name!r})"), f"connecting to unix:{name}",
                   "PermissionError", "done None")
    round_trip(case, TRY.format("socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind('\\0coffer')"),
               "listening on unix:@coffer", "PermissionError", "done None")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(case.path("datagrams"))
        round_trip(case, "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                   "a.send(b'pair'); print(b.recv(9))" +
                   TRY.format(f"a.sendto(b'x', {case.path('datagrams')!r})"),
                   f"connecting to unix:{case.path('datagrams')}", "PermissionError", "done 1")
        require(server.recv(9) == b"x", "no datagram came")


CHANGES = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def change(what, *words):
    r = libc.syscall(*words)
    print(what, "done" if r == 0 else os.strerror(ctypes.get_errno()))
EMPTY = 0x1000
def all_ways(fd):
    change("owner", 260, fd, b"", 1, 1, EMPTY)
    change("mode", 452, fd, b"", 0o711, EMPTY)
    change("times", 280, fd, b"", (ctypes.c_long * 4)(1, 0, 1, 0), EMPTY)
    change("fd owner", 93, fd, 2, 2)
    change("fd mode", 91, fd, 0o712)
    change("fd times", 280, fd, None, (ctypes.c_long * 4)(1, 0, 1, 0), 0)
    change("fd attribute", 190, fd, b"user.x", b"y", 1, 0)
    change("fd attribute gone", 199, fd, b"user.x")
"""


def what_is_open_for_looking_is_not_changed(case):
    """Descriptors are got with less than it takes to change what they are of."""
    unnamed, named, kept, own = (case.path(name) for name in ("unnamed", "named", "kept", "own"))
    for folder in unnamed, named:
        os.mkdir(folder, 0o755)
    for file in kept, own:
        with open(file, "w", encoding="utf-8") as f:
            f.write("kept")
    case.lines["files"] += [f'  - {{path: "{kept}", class: host, read_only: true}}',
                            f'  - {{path: "{own}", class: host}}',
                            f'  - {{path: "{named}", class: host}}']

    def seen(path):
        about = os.stat(path)
        return about.st_mode, about.st_uid, about.st_mtime_ns

    before = [seen(path) for path in (unnamed, kept)]
    done = case.python(CHANGES + f"all_ways(os.open({unnamed!r}, os.O_PATH))\n"
                       f"all_ways(os.open({kept!r}, os.O_RDONLY))\nos.chdir({unnamed!r})\nall_ways(-100)\n")
    require("done" not in done.stdout and done.stdout.count("\n") == 24, (done.stdout, done.stderr))
    require([seen(path) for path in (unnamed, kept)] == before, "the host's files are as they were")
    done = case.python(CHANGES + f"all_ways(os.open({own!r}, os.O_RDONLY))\n"
                       f"change('mode', 452, os.open({named!r}, os.O_PATH), b'', 0o711, EMPTY)\n"
                       "r, w = os.pipe()\nchange('pipe', 91, r, 0o600)\n")
    for line in ("fd mode done", "fd times done", "mode done", "pipe done"):
        require(line in done.stdout, (line, done.stdout, done.stderr))


def a_listener_that_is_passed_over_a_socket_is_judged_by_its_port(case):
    """It comes from a process outside, which may listen where it likes."""
    name = case.path("passing")
    text = ("import socket\nu = socket.socket(socket.AF_UNIX)\nu.connect(%r)\n"
            "fd = socket.recv_fds(u, 9, 1)[1][0]" % name) + TRY.format(
                "socket.socket(fileno=fd).getsockname()[1]")
    with socket.socket(socket.AF_UNIX) as door, socket.create_server(("127.0.0.1", 0)) as listener:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        door.bind(name)
        door.listen()

        def passing():
            for _ in range(2):
                other = door.accept()[0]
                socket.send_fds(other, [b"here"], [listener.fileno()])
                other.close()
        threading.Thread(target=passing, daemon=True).start()
        done = case.python(text)
        case.add(done.stderr, f"connecting to unix:{name}")
        port = listener.getsockname()[1]
        round_trip(case, text, f"listening on {port} (tcp)", "OSError", f"done {port}")


def a_shielded_descriptor_is_not_passed_and_why(case):
    case.lines["files"].append("  - {path: /private, class: private}")
    done = case.python("import socket\na, b = socket.socketpair()\n"
                       "f = open('/private/kept', 'w')" +
                       TRY.format("socket.send_fds(a, [b'x'], [f.fileno()])"))
    require("PermissionError" in done.stdout and "denied passing descriptor" in done.stderr and
            "file on a volume" in done.stderr, (done.stdout, done.stderr))


def calls_and_kinds_of_sockets_that_no_line_allows(case):
    done = case.python(TRY.format("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)") +
                       "attempt(lambda: __import__('ctypes').CDLL(None, use_errno=True).ptrace(0,0,0,0))")
    require("PermissionError" in done.stdout and "no line can allow it" in done.stderr,
            done.stdout + done.stderr)
    require("denied the call ptrace: " in done.stderr, done.stderr)


def environment_and_arguments(case):
    out = case.python("import os; print(sorted(os.environ.items()))", env={"SECRET": "x"}).stdout
    require("('MARK', 'from-the-policy')" in out and "SECRET" not in out and "HOME" not in out, out)
    done = case.run("--env", "A=b", "--", "true")
    require(done.returncode == 126 and "denied --env" in done.stderr, done.stderr)
    case.base = BASE.replace("command:\n", "command:\n  arguments: [echo, one, two]\n")
    require(case.run().stdout == "one two\n", "the policy's own command")
    require(case.run("--", "echo", "one", "two").stdout == "one two\n", "the same arguments")
    for words in (("echo", "one"), ("echo", "one", "two", "three"), ("cat", "one", "two")):
        done = case.run("--", *words)
        require(done.returncode == 126 and done.stdout == "" and "denied argument" in done.stderr,
                f"{words}: {done.stderr}")


def who_may_run(case):
    digest = subprocess.run(["sha256sum", os.path.realpath("/usr/bin/echo")], capture_output=True,
                            text=True, check=True).stdout.split()[0]
    zero = "sha256:" + "0" * 64
    for program, runs in ((f"sha256:{digest}", True), (zero, False)):
        case.base = BASE + "# nothing more\n"
        case.base = case.base.replace("version: 1\n", f"version: 1\nprogram: {{measurements: [{program}]}}\n")
        done = case.run("--", "/usr/bin/echo", "ran")
        require((done.stdout == "ran\n") == runs, done.stderr)
    require(f"add sha256:{digest}" in done.stderr and "line 2" in done.stderr, done.stderr)
    case.base = BASE.replace("version: 1\n", "version: 1\ntee: [tdx]\n")
    done = case.run("--", "/usr/bin/echo", "ran")
    require(done.returncode == 126 and "'tee'" in done.stderr, done.stderr)
    case.base = BASE
    done = case.run("--", "/usr/bin/echo", flags=("--trace",))
    require(done.returncode == 126 and "allow_debug" in done.stderr, done.stderr)


def without_explain_nothing_is_named(case):
    name = case.path("secret-name")
    open(name, "w", encoding="utf-8").close()
    text = TRY.format(f"open({name!r}).read()") + "attempt(lambda: socket.create_connection(('127.0.0.1', 9)))"
    done = case.python(text, flags=())
    require(done.stdout == "PermissionError\nPermissionError\n", done.stdout)
    require("refused a file" in done.stderr and "--explain" in done.stderr, done.stderr)
    require("secret-name" not in done.stderr and "127.0.0.1" not in done.stderr, done.stderr)
    case.base = BASE + "# and\n"
    case.base = case.base.replace("version: 1\n", "version: 1\nexplain: true\n")
    done = case.python(text, flags=())
    require("secret-name" in done.stderr, "the policy may ask for it itself")
    many = f"import os\nfor n in range(3000):\n  try: open({case.scratch!r} + f'/n{{n % 1500}}', 'w')\n  except OSError: pass"
    lines = case.python(many).stderr.split("\n")
    require(len(lines) == len(set(lines)) and 1000 <= len(lines) < 1010, f"{len(lines)} lines")
    require(sum("further refusals" in line for line in lines) == 1, "no end is said")


def volumes_lie_where_flags_say(case):
    case.base = BASE + "volumes:\n  - {name: data, mount: /data, mode: none}\n"
    case.lines = {"files": [], "network": []}
    state = {"COFFER_STATE": case.path("state")}
    store = case.path("store")
    done = case.run("--volume", store + ":/data", "--", PYTHON, "-S", "-c",
                    "open('/data/f', 'w').write('kept')", env=state)
    require(done.returncode == 0, done.stderr)
    out = case.run("--volume", store + ":/data", "--", PYTHON, "-S", "-c",
                   "print(open('/data/f').read())", env=state).stdout
    require(out == "kept\n", out)
    done = case.run("--", "true", env=state)
    require(done.returncode == 2 and "--volume DIR:/data" in done.stderr, done.stderr)
    done = case.run("--volume", store + ":/other", "--volume-dir", case.scratch, "--", "true", env=state)
    require(done.returncode == 126 and "denied" in done.stderr, done.stderr)
    done = case.run("--volume-dir", case.path("many"), "--", PYTHON, "-S", "-c",
                    "open('/data/f', 'x')", env=dict(state))
    require(done.returncode != 0 or os.path.isdir(case.path("many/data")), done.stderr)


def mistakes_are_one_clear_line(case):
    for text, word in (("version: 1\nnonsense: 2\n", "line 2"), ("", "policy"),
                       ("version: 1\nsecrets: {a: {kind: ascii, source: generate}}\n", "key broker"),
                       ("version: 1\nnetwork: [{listen: 1, class: handover}]\n", "gateway")):
        case.base = text
        done = case.run("--", "true")
        lines = done.stderr.strip().split("\n")
        require(done.returncode in (2, 126) and len(lines) == 1 and word in lines[0], f"{text!r}: {lines}")
    done = subprocess.run([RUNTIME, "--policy", "/nonexistent", "true"], capture_output=True, check=False)
    require(done.returncode == 126 and b"/nonexistent" in done.stderr, done.stderr)


def the_table_of_calls(_):
    out = subprocess.run([RUNTIME, "--explain"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.split("\n") if re.match(r" *\d+ ", line)]
    require(len(rows) >= 350, f"{len(rows)} rows")
    found = {row[1]: row[2] for row in rows}
    require(found["getpid"] == "emulate" and found["ptrace"] == "deny" and found["open"] == "shield",
            str(found))
    require("ENOSYS: " in out and "EPERM: " in out, "no errors")


TESTS = [a_file_to_read, a_file_to_write, a_directory_to_list,
         what_leads_to_something_named_can_be_looked_at_and_listed, its_own_proc_has_one_name,
         a_program_to_execute, a_port_and_a_destination, unix_sockets,
         what_is_open_for_looking_is_not_changed,
         a_listener_that_is_passed_over_a_socket_is_judged_by_its_port,
         a_shielded_descriptor_is_not_passed_and_why,
         calls_and_kinds_of_sockets_that_no_line_allows, environment_and_arguments, who_may_run,
         without_explain_nothing_is_named, volumes_lie_where_flags_say, mistakes_are_one_clear_line,
         the_table_of_calls]


def main():
    wanted = sys.argv[2:]
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        scratch = os.path.realpath(tempfile.mkdtemp(prefix="coffer-policy-"))
        try:
            test(Case(scratch))
            verdict = "ok"
        except (Failed, subprocess.TimeoutExpired, OSError, ValueError, IndexError, KeyError) as why:
            print("# " + repr(why)[:3000].replace("\\n", "\n# "))
            verdict = "not ok"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        print(f"{verdict} {number} - {test.__name__}", flush=True)


main()
