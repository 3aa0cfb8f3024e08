#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The instruction decoder against objdump, and which forms the system call sites of real programs
have. A file that is not there is left out; one that must be there fails.
usage: survey.py SURVEY-PROGRAM [--print] FILE...      (--print: a table, for people)"""

import os
import subprocess
import sys


def survey(program, path):
    with subprocess.Popen(["objdump", "-d", "--insn-width=15", path], stdout=subprocess.PIPE) as dump:
        out = subprocess.run([program, path], stdin=dump.stdout, capture_output=True, text=True,
                             check=True).stdout
    words = out.splitlines()[-1].split()
    notes = [line for line in out.splitlines() if line.startswith("#")]
    return notes, {k: int(v) for k, v in zip(words[::2], words[1::2])}


def show(program, paths):
    print(f"{'':32}{'sites':>7}{'mov':>6}{'padding':>9}{'before, by size':>26}{'stay':>6}")
    for path in paths:
        _, n = survey(program, path)
        before = f"{n['before']} + {n['before4']} + {n['before3']} + {n['before2']}"
        print(f"{os.path.basename(path):32}{n['sites']:7}{n['mov']:6}{n['padding']:9}{before:>26}"
              f"{n['refused']:6}")


def main():
    program, paths = sys.argv[1], [p for p in sys.argv[2:] if p != "--print" and os.path.exists(p)]
    if "--print" in sys.argv:
        return show(program, paths)
    results = []
    for path in paths:
        name = os.path.basename(path)
        notes, n = survey(program, path)
        wrong = n["wrong_size"] + n["wrong_kind"]
        results += [
            (wrong == 0 and n["instructions"] > 1000,
             f"{name}: every instruction is as long as objdump says ({n['instructions']})"),
            (n["wrong_before"] == 0, f"{name}: what is proved to stand before a call does"),
            # sigreturn is told by its bytes and stays
            (n["sites"] > 1 and n["refused"] <= 1,
             f"{name}: all sites but sigreturn's have a form ({n['sites']}, {n['refused']} not)"),
        ]
        if not all(ok for ok, _ in results[-3:]):
            print("\n".join(notes))
    print(f"TAP version 13\n1..{len(results)}")
    for i, (ok, text) in enumerate(results, 1):
        print(f"{'ok' if ok else 'not ok'} {i} - {text}")
    return 0 if results and all(ok for ok, _ in results) else 1


sys.exit(main())
