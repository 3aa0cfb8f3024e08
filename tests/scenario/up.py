#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coffer up`: one command to a document server, and what happens when a part of it dies.

usage: up.py BUILD-DIR
"""
import contextlib
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import ports
import tap
from coffer_system import System

BUILD = os.path.abspath(sys.argv[1])


@contextlib.contextmanager
def system():
    with System(BUILD) as s:
        yield s


def put(s, name, text, tenant="demo", password=None):
    done = s.curl("/api/files/" + name, "-f", "-X", "PUT", "--data-binary", text, tenant=tenant,
                  password=password)
    tap.equal(done.returncode, 0, f"storing {name}: {done.stderr}")


def get(s, name, tenant="demo", password=None, seconds=60):
    done = s.curl("/api/files/" + name, "-f", tenant=tenant, password=password, seconds=seconds)
    tap.equal(done.returncode, 0, f"fetching {name}: {done.stderr}")
    return done.stdout


def command(*args):
    done = subprocess.run([os.path.join(BUILD, "coffer"), *args], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stderr


@tap.test
def the_lines_it_prints_work_when_pasted(s):
    for needed in (s.address(), "admin", s.password, s.ca, "--tee sim"):
        tap.true(needed in s.output, f"{needed} is printed")
    lines = re.findall(r"^ +(curl .*)$", s.output, re.M)
    tap.equal(len(lines), 3, "curl lines")
    for line in lines:
        done = subprocess.run(line.replace("curl ", "curl -sS -f ", 1), shell=True,
                              capture_output=True, text=True, cwd=s.state, timeout=60, check=False)
        tap.equal(done.returncode, 0, f"{line}: {done.stderr}{s.logs()[-2000:]}")
    with open("/etc/services", encoding="utf-8") as stored, \
            open(s.state + "/services.txt", encoding="utf-8") as fetched:
        tap.equal(fetched.read(), stored.read(), "the document")
    s.password = re.search(r'"new":"([^"]+)"', s.output).group(1)


@tap.test
def start_and_memory_are_shown(s):
    done = s.coffer("tenant", "list")
    tap.equal(done.returncode, 0, done.stderr)
    tap.true(re.search(r"^demo +running +[0-9.]+ ms", done.stdout, re.M), done.stdout)
    tenant = s.tenant()
    print(f"# start {tenant['start_ms']} ms, memory {tenant.get('private_kib')} + "
          f"{tenant.get('kernel_kib')} KiB")


@tap.test
def each_part_may_be_killed_and_acknowledged_documents_remain(s):
    put(s, "before.txt", "acknowledged")
    server = s.tenant()["pid"]
    os.kill(server, signal.SIGKILL)
    tap.equal(get(s, "before.txt"), "acknowledged", "after the document server")
    for program in ("coffer-gateway", "coffer-launcher", "coffer-kbs"):
        pid = tap.until(lambda program=program: s.pid(program), program + " runs")
        put(s, program, "acknowledged")
        os.kill(pid, signal.SIGKILL)
        tap.until(lambda program=program, pid=pid: s.pid(program) not in (None, pid),
                  program + " is started again")
        tap.until(lambda: s.curl("/healthz", seconds=20).stdout.startswith("ok"), "service")
        tap.equal(get(s, program), "acknowledged", "after " + program)
        put(s, program + "-2", "more")
    for name in ("before.txt", "coffer-gateway", "coffer-launcher", "coffer-kbs-2"):
        get(s, name)


@tap.test
def after_a_killed_key_broker_another_server_starts(s):
    os.kill(s.pid("coffer-kbs"), signal.SIGKILL)
    os.kill(s.tenant()["pid"], signal.SIGKILL)
    tap.equal(get(s, "before.txt"), "acknowledged")


@tap.test
def an_idle_or_stopped_server_starts_again_with_its_documents(s):
    with subprocess.Popen([s.program, "tenant", "stop", "demo", "--state", s.state],
                          stderr=subprocess.DEVNULL) as stop:
        tap.equal(get(s, "before.txt"), "acknowledged", "a request that races the stop")
        stop.wait(60)
    tap.equal(s.coffer("tenant", "stop", "demo").returncode, 0)
    tap.equal(s.tenant()["state"], "absent", "stopped when the command ends")
    tap.equal(get(s, "before.txt"), "acknowledged")


@tap.test
def another_client_has_a_server_and_documents_of_its_own(s):
    first = s.add_tenant("acme")
    password = s.sign_in("acme", first)
    put(s, "secret.txt", "of acme", tenant="acme", password=password)
    tap.equal(get(s, "secret.txt", tenant="acme", password=password), "of acme")
    done = s.curl("/api/files/secret.txt", "-o", "/dev/null", "-w", "%{http_code}")
    tap.equal(done.stdout, "404", "the other client's document")
    for path in ("/api/me", "/api/files/secret.txt"):
        done = s.curl(path, "-o", "/dev/null", "-w", "%{http_code}", tenant="acme")
        tap.equal(done.stdout, "401", "the password of demo at acme")
    token = json.loads(s.curl("/api/sessions", "--json", json.dumps(
        {"user": "admin", "password": s.password})).stdout)["token"]
    done = subprocess.run(
        ["curl", "-sS", "--cacert", s.ca, "-H", "Authorization: Bearer " + token, "-o", "/dev/null",
         "-w", "%{http_code}", s.address("acme") + "/api/me"], capture_output=True, text=True,
        check=False)
    tap.equal(done.stdout, "401", "a token of demo at acme")
    tap.true(s.tenant("acme")["pid"] != s.tenant("demo")["pid"], "two processes")
    if os.geteuid() == 0:
        uids = {os.stat(f"{s.state}/tenants/{name}").st_uid for name in ("demo", "acme")}
        tap.true(len(uids) == 2 and 0 not in uids, f"uids {uids}")


@tap.test
def only_the_owner_gets_a_password(s):
    keys = s.state + "/mallory"
    tap.equal(s.coffer("owner", "new", keys).returncode, 0)
    done = s.coffer("owner", "accept", "acme", "--keys", keys)
    tap.true(done.returncode == 1 and "NOT_OWNER" in done.stderr, done.stderr)
    done = s.coffer("tenant", "add", "acme", "--owner", keys + "/certificate.pem")
    tap.true(done.returncode == 1 and "TENANT_TAKEN" in done.stderr, done.stderr)
    done = s.coffer("owner", "accept", "acme", "--keys", s.state + "/acme-owner")
    tap.true(done.returncode == 0 and "shown before" in done.stdout, done.stdout + done.stderr)


@tap.test
def an_owner_gets_a_new_password(s):
    done = s.coffer("owner", "password", "acme", "--keys", s.state + "/acme-owner")
    match = re.search(r"^Password +(\S+) ", done.stdout, re.M)
    tap.true(match, done.stdout + done.stderr)
    password = s.sign_in("acme", match.group(1), "another-Password-9")
    tap.equal(get(s, "secret.txt", tenant="acme", password=password), "of acme")


def put_back(away, volume):
    """In the place of what a start may have made there, perhaps at this very moment."""
    with contextlib.suppress(OSError):
        shutil.rmtree(volume, ignore_errors=True)
        os.rename(away, volume)
        return True
    return False


@tap.test
def a_deleted_volume_is_not_taken_for_an_empty_one(s):
    s.coffer("tenant", "stop", "demo")
    tap.until(lambda: s.tenant()["state"] == "absent", "stopped")
    volume = s.state + "/tenants/demo/data"
    os.rename(volume, s.state + "/away")
    try:
        tap.true(s.curl("/healthz", "-f", seconds=2).returncode != 0, "nothing is served")
        tap.until(lambda: "no volume" in s.tenant()["error"], "the reason is shown")
        tap.equal(s.curl("/healthz", tenant="acme").stdout, "ok\n", "the other client")
    finally:
        tap.until(lambda: put_back(s.state + "/away", volume), "the volume is back")
    tap.until(lambda: s.curl("/healthz", seconds=20).stdout == "ok\n", "service", 40)
    tap.equal(get(s, "before.txt"), "acknowledged")


@tap.test
def wrong_names_and_protocols_get_clear_answers(s):
    done = s.curl("/", tenant="nobody")
    tap.true(done.returncode != 0 and "unrecognized name" in done.stderr, done.stderr)
    done = subprocess.run(["curl", "-sS", f"http://127.0.0.1:{s.port}/"], capture_output=True,
                          text=True, check=False)
    tap.true("speaks TLS" in done.stdout, done.stdout)


@tap.test
def a_port_in_use_a_second_up_and_wrong_flags_are_named(s):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, text = command("up", "--state", s.state + "/other", "--listen", f"127.0.0.1:{port}")
        tap.true(code == 1 and str(port) in text and "--listen" in text, text)
        code, text = command("up", "--state", s.state + "/other", "--listen",
                             f"127.0.0.1:{ports.free_port()}", "--operator", f"127.0.0.1:{port}")
        tap.true(code == 1 and str(port) in text and "--operator" in text, text)
    code, text = command("up", "--state", s.state)
    tap.true(code == 1 and "another `coffer up`" in text, text)
    for words, hint in ((("up", "--lisen", "x"), "did you mean '--listen'?"),
                        (("dcotor",), "did you mean 'coffer doctor'?"),
                        (("tenant", "add", "x"), "--owner"),
                        (("tenant", "add", "Bad_Name!", "--owner", "x"), "a-z, 0-9"), (("up", "more"), "not 'more'"),
                        (("up", "--idle-s", "soon"), "takes a number")):
        code, text = command(*words)
        tap.true(code == 2 and hint in text, f"{words}: {code} {text}")


@tap.test
def ctrl_c_stops_everything_and_the_next_run_finds_the_documents(s):
    put(s, "last.txt", "kept")
    group = {pid for pid in map(s.pid, ("coffer-gateway", "coffer-launcher", "coffer-kbs"))}
    group |= {t["pid"] for t in s.tenants().values() if "pid" in t}
    start = time.monotonic()
    tap.equal(s.stop(signal.SIGINT), 0, "exit code")
    tap.true(time.monotonic() - start < 10, f"stopped in {time.monotonic() - start:.1f} s")
    for pid in group:
        try:
            os.kill(pid, 0)
        except OSError as e:
            tap.equal(e.errno, errno.ESRCH)
        else:
            raise AssertionError(f"process {pid} is left")
    password = s.password
    s.start()
    s.password = password
    tap.true("was shown at the first start" in s.output, "no password is printed again")
    tap.equal(get(s, "last.txt"), "kept")
    tap.equal(get(s, "before.txt"), "acknowledged")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@tap.test
def when_coffer_up_itself_is_killed_nothing_is_left_and_the_next_run_goes_on(s):
    put(s, "very-last.txt", "acknowledged")
    group = [s.pid(name) for name in ("coffer-gateway", "coffer-launcher", "coffer-kbs")]
    group += [t["pid"] for t in s.tenants().values() if "pid" in t]
    password = s.password
    tap.equal(s.stop(signal.SIGKILL), -signal.SIGKILL)
    tap.until(lambda: not any(map(is_alive, group)), "all have ended")
    s.start()
    s.password = password
    tap.equal(get(s, "very-last.txt"), "acknowledged")


if __name__ == "__main__":
    tap.main(system)
