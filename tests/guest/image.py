#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runtimes that continue spawned children begin from an image from the third child on, and so do their
own children; the first two, and unrelated runs, lie elsewhere.
usage: image.py COFFER-RUNTIME"""

import ctypes
import re
import subprocess
import sys

GUEST = """
import subprocess, sys
first = []
for i in range(5): # each is up before the next
    first.append(subprocess.Popen(['/bin/sh', '-c', 'echo; read line'], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True))
    first[-1].stdout.readline()
print(*[child.pid for child in first], flush=True)
sys.stdin.readline()
for child in first:
    child.communicate('\\n')
"""
PR_GET_TID_ADDRESS = 40


def place(pid):
    """(address of the runtime's text, whether there is an image)"""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as file:
        text = file.read()
    at = re.search(r"^([0-9a-f]+)-\S+ r-xp .*/coffer-runtime$", text, re.M)
    return at.group(1) if at else None, "memfd:coffer-image" in text


def family(runtime):
    run = subprocess.Popen([runtime, "--", "/usr/bin/python3", "-c", GUEST], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True)
    children = [place(int(pid)) for pid in run.stdout.readline().split()]
    parent = place(run.pid)
    run.communicate("\n")
    return parent, children, run.returncode


def main():
    address = ctypes.c_void_p()
    if ctypes.CDLL(None).prctl(PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0) != 0:
        print("1..0 # SKIP this kernel has no checkpoint and restore")
        return 0
    parent, children, status = family(sys.argv[1])
    other, others, _ = family(sys.argv[1])
    later = children[2:]
    facts = (("all_children_ran", status == 0 and len(children) == 5, (status, children)),
             ("the_first_two_begin_ordinarily", not any(image for _, image in children[:2]), children),
             ("later_ones_begin_from_the_image", all(image for _, image in later), children),
             ("they_share_its_address", len({at for at, _ in later}) == 1, children),
             ("which_is_the_second_childs", later and later[0][0] == children[1][0], children),
             ("the_parent_lies_elsewhere", parent[0] not in {at for at, _ in children}, parent),
             ("each_run_has_addresses_of_its_own", parent[0] != other[0] and
              children[1][0] != others[1][0], (children, others)))
    print(f"TAP version 13\n1..{len(facts)}")
    for number, (name, good, found) in enumerate(facts, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            print(f"# {found}")
    return not all(good for _, good, _ in facts)


sys.exit(main())
