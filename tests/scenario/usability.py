#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""From nothing to a first attested program in five commands, as the README has them; then ten mistakes
that people make, each answered with what to do about it.

usage: usability.py BUILD-DIR SOURCE-ROOT
"""
import contextlib
import os
import re
import shlex
import subprocess
import sys

import tap
from coffer_system import System

BUILD, ROOT = (os.path.abspath(path) for path in sys.argv[1:3])


def readme_commands():
    """The lines of the README's section on a first attested program, without their comments."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        section = f.read().split("## A first attested program\n")[1].split("\n## ")[0]
    block = re.search(r"```sh\n(.*?)```", section, re.S).group(1)
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def run(s, *words, state=None):
    """`coffer WORDS` in the directory of this test, with --state before a program's words."""
    words = list(words)
    at = words.index("--") if "--" in words else len(words)
    words[at:at] = ["--state", state or s.state] if words[0] != "owner" else []
    done = subprocess.run([s.program, *words], cwd=s.state + "/user", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=90, check=False)
    return done.returncode, done.stdout


def refused(s, *words, says, state=None):
    """It fails, in at most five lines, and names both what is wrong and what to do."""
    code, text = run(s, *words, state=state)
    tap.true(code != 0, text)
    tap.true(len(text.strip().splitlines()) <= 5, text)
    for said in says:
        tap.true(said in text, f"{said!r} is not in: {text}")


def write(s, name, text):
    with open(f"{s.state}/user/{name}", "w", encoding="utf-8") as f:
        f.write(text)
    return name


def read(s, name):
    with open(f"{s.state}/user/{name}", encoding="utf-8") as f:
        return f.read()


def changed(s, name, pattern, to):
    """hello.yaml under another name, with one thing changed."""
    text = re.sub("^name: .*", "name: " + name, read(s, "hello.yaml"), flags=re.M)
    after = re.sub(pattern, to, text, count=1, flags=re.M)
    tap.true(after != text, pattern)
    return write(s, name + ".yaml", after)


@tap.test
def five_commands_to_an_attested_program(s):
    commands = readme_commands()
    tap.equal(len(commands), 5)
    tap.equal(commands[0], ["build/coffer", "up", "&"])  # the fixture has done that one
    for words in commands[1:]:
        tap.equal(words[0], "build/coffer")
        code, text = run(s, *words[1:])
        tap.equal(code, 0, text)
    tap.equal(text, "hello\n")
    code, text = run(s, *commands[4][1:-1], "/bin/echo")  # the policy says what it prints
    tap.true(code == 0 and text == "hello\n", text)


@tap.test
def mistake_1_nothing_runs(s):
    for words in (("run", "--attested", "shop/hello", "--", "echo"),
                  ("policy", "get", "shop/hello", "--keys", "me"),
                  ("tenant", "add", "x", "--owner", "me/certificate.pem"),
                  ("kbs", "info", "--keys", "me")):
        refused(s, *words, state="/nonexistent/state",
                says=("no key broker runs here", "start `coffer up`", "--state DIR"))


@tap.test
def mistake_2_no_keys(s):
    refused(s, "policy", "put", "hello.yaml", says=("needs --keys DIR", "coffer owner new"))
    refused(s, "policy", "put", "hello.yaml", "--keys", "mine",
            says=("no keys in 'mine'", "coffer owner new mine"))


@tap.test
def mistake_3_somebody_elses_keys(s):
    tap.equal(run(s, "owner", "new", "you")[0], 0)
    refused(s, "policy", "put", "hello.yaml", "--keys", "you",
            says=("NOT_OWNER", "with which the name was reserved"))
    refused(s, "tenant", "add", "shop", "--owner", "you/certificate.pem",
            says=("TENANT_TAKEN", "choose another name"))
    refused(s, "tenant", "add", "shoes", "--owner", "you/key.pem",
            says=("private key", "certificate.pem", "nothing was sent"))
    refused(s, "owner", "new", "you", says=("already", "another directory"))
    refused(s, "kbs", "promote", "--keys", "you", says=("this key broker has no peer",))


@tap.test
def mistake_4_a_name_misspelt(s):
    refused(s, "run", "--attested", "shop/hallo", "--", "echo",
            says=("POLICY_UNKNOWN", "hallo", "coffer policy put"))
    refused(s, "run", "--attested", "chop/hello", "--", "echo",
            says=("TENANT_UNKNOWN", "chop", "coffer tenant add"))
    refused(s, "run", "--attested", "hello", "--", "echo", says=("TENANT/POLICY", "shop/hello"))


@tap.test
def mistake_5_a_setting_misspelt(s):
    refused(s, "policy", "put", changed(s, "typo", "^command:", "comand:"), "--keys", "me",
            says=("'typo.yaml': line ", "column 1", "'comand'", "did you mean 'command'?"))
    refused(s, "policy", "put", changed(s, "class", "class: authenticated", "class: trusted"),
            "--keys", "me", says=("'class.yaml': line ", "authenticated"))


@tap.test
def mistake_6_another_program(s):
    refused(s, "run", "--attested", "shop/hello", "--", "cat",
            says=("PROGRAM_REFUSED", "program.measurements (line ", "run the program that"))


@tap.test
def mistake_7_a_tee_that_is_not_here(s):
    path = changed(s, "tdx", r"^tee: \[sim\]", "tee: [tdx]")
    code, text = run(s, "policy", "put", path, "--keys", "me")
    tap.equal(code, 0, text)
    refused(s, "run", "--attested", "shop/tdx", "--", "echo",
            says=("TEE_REFUSED", "seen sim", "add it to the policy's `tee`"))


@tap.test
def mistake_8_watched_without_leave(s):
    refused(s, "run", "--trace", "--attested", "shop/hello", "--", "echo",
            says=("DEBUG_REFUSED", "run without debug", "allow_debug: true"))


@tap.test
def mistake_9_the_policy_changed_meanwhile(s):
    refused(s, "policy", "put", "hello.yaml", "--keys", "me", "--replaces",
            "sha256:" + "0" * 64, says=("POLICY_CONFLICT", "read the policy again", "`replaces`"))
    refused(s, "policy", "first", "shop/hello", "--keys", "me", "--", "echo",
            says=("'hello.yaml' exists", "coffer policy put hello.yaml", "--out FILE"))


@tap.test
def mistake_10_an_update_changed_a_library(s):
    path = changed(s, "old", r"(libc\.so\.6.*sha256:)[0-9a-f]{4}", r"\g<1>0000")
    code, text = run(s, "policy", "put", path, "--keys", "me")
    tap.equal(code, 0, text)
    refused(s, "run", "--attested", "shop/old", "--", "echo",
            says=("libc.so.6", "new SHA-256 into the policy"))


@tap.test
def and_a_first_policy_needs_an_example(s):
    refused(s, "policy", "first", "shop/none", "--keys", "me",
            says=("which program?", "-- echo hello"))
    refused(s, "policy", "first", "shop/none", "--keys", "me", "--", "false",
            says=("exit code 1", "nothing was given"))
    refused(s, "policy", "first", "none", "--keys", "me", "--", "echo", says=("TENANT/POLICY",))
    refused(s, "policy", "first", "shop/none", "--", "echo", says=("--keys DIR",))
    tap.true(not os.path.exists(s.state + "/user/none.yaml"), "a file was left")
    refused(s, "run", "--attested", "shop/hello", says=("no program given",))
    refused(s, "run", "--attested", "--", "echo", says=("--attested needs TENANT/POLICY",))


@contextlib.contextmanager
def system():
    with System(BUILD, None, demo=False) as s:
        os.mkdir(s.state + "/user")
        yield s


if __name__ == "__main__":
    tap.main(system)
