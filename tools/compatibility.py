#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints docs/compatibility.md from the table of system calls and the list of programs. With --check, compares, and holds the
table's numbers and names against the system's header.
usage: compatibility.py TABLE.DEF [--check PAGE]"""

import os
import re
import subprocess
import sys
import tomllib

HEAD = """# Compatibility

What a program finds under the runtime that it would not find on plain Linux. This page is printed
by `tools/compatibility.py` from `src/runtime/syscall/table.def` and `tests/scenario/programs.toml`;
change it there.

## In general

- x86-64 programs, dynamic or static, glibc or musl, and scripts. `int 0x80` answers `ENOSYS`.
- GS is the runtime's; `arch_prctl(ARCH_SET_GS)` answers `EPERM`. Protection keys, shadow stacks,
  AMX permission, `userfaultfd`, `io_uring` and Linux AIO are not offered; programs fall back.
- Children share the policy. `clone` makes threads, `fork`s and `vfork`s; namespaces, chosen process
  ids, cgroups and sharing memory without being a thread or waiting like `vfork` are refused.
- `execve` stays in the process. A program that somebody has open for writing is `ETXTBSY` where its
  file is the host's and belongs to who executes it; while a program runs its file can be written.
- Limits on memory (`RLIMIT_AS`, `RLIMIT_DATA`) count the program's own. The first thread's stack has the
  size that its limit had when the program began, up to 256 MiB; a limit raised later makes it grow, up
  to 64 MiB, one lowered holds for the next program.
- What was written to a volume without a sync is with the host, encrypted, 100 ms later at most: kill -9
  of the process loses what is younger (on Linux nothing), and what it wrote through a shared mapping
  since the last `msync`. Any other end of a program loses nothing. A thread of the runtime does this
  while there is something to do; `/proc/self/status` counts it.
- Files on volumes: times of access as mounted `noatime`. No leases, reflinks, `FALLOC_FL_COLLAPSE_RANGE`,
  `FALLOC_FL_INSERT_RANGE`, attributes of `FS_IOC_SETFLAGS` or file handles: refused as by a file system
  without them. A private mapping is a copy from when it was made: a file that grows or is cut later
  does not change it. `chroot` is refused.
- Unix sockets named on volumes are the kernel's, under a name in `/dev/shm` that nobody can guess, and are
  called by the program's own name; who has bound more than 512 finds the older ones without one.
- A TLS destination by name fits every address with its port, and two names on one port must be told apart
  by address: which address is whose, DNS says, and DNS is the host's. The certificate proves the name.
- Descriptors of files on volumes do not travel in messages (`SCM_RIGHTS`) to other processes: `EPERM`.
- `signalfd` does not show SIGSEGV, SIGBUS, SIGTRAP and SIGSYS: what shows signals there is the kernel, which
  must not hold these back. `sigwait` and its kin have them, in every thread.

## How calls are made fast

A system call instruction traps (about 1.6 us) until it is hot, then it is rewritten, in one of three
forms: the `mov` of the number right before it becomes a jump; or padding between functions within
reach takes the jump; or whatever instruction stands before it moves, if it can be proved where it
begins and it may run elsewhere (no branch, at least two bytes). The call's own bytes stay: who jumps
to them traps. `tests/sites/survey.py --print` counts the forms in Debian 12:

| | Sites | `mov` | Padding | Moved (5 bytes and more, 4, 3, 2) | Keep trapping |
|---|---|---|---|---|---|
| glibc `libc.so.6` | 526 | 436 | 42 | 8, 19, 11, 9 | 1 |
| glibc `ld-linux-x86-64.so.2` | 46 | 33 | 8 | 2, 1, 1, 0 | 1 |
| a static musl program | 126 | 32 | 60 | 8, 0, 23, 2 | 1 |
| Go 1.19 (`go` itself) | 45 | 41 | 3 | 0, 0, 0, 0 | 1 |
| `node`, `libjvm.so`, `libuv.so` | 0 | | | | they call libc's |

The one that stays in each is `sigreturn`, which unwinders know by its bytes. A moved instruction of
two to four bytes needs free address space at one certain distance (85 MiB to 1.2 GiB away): where that
is taken the site keeps trapping, correct and slower. So do sites in writable or anonymous memory
(just-in-time compilers), which are never rewritten. `--stats` counts traps and rewritten sites.

## System calls

`coffer run --explain` prints the same table; `coffer run --explain -- PROGRAM` says which call, file or
connection of a program was refused, and the line that would allow it.

*pass*: to the host as it is. *fd*, *any*: shielded where the descriptor, or any descriptor of the
process, is. *shield*: the runtime's rules decide. *emulate*: the runtime answers. *deny*: refused.

The fourth column is about an enclave (`sgx`, and its model `box`), whose host is outside; the other
engines do not differ. Empty: the call's arguments are copied out and in. *inside*: answered in the
enclave. *part*: what needs memory shared with the host or a copy of the process is refused. An error:
refused with it.

| Call | Class | Why | In an enclave |
|---|---|---|---|
"""

ROW = re.compile(r'CALL\((\d+), (\w+), (\w+), (\w+), "([^"]*)", (\w+), "([^"]*)"\)')
ENGINES = {"ALL": "", "INSIDE": "inside", "PART": "part", "VM_ENOSYS": "`ENOSYS`", "VM_EINVAL": "`EINVAL`"}


PROGRAMS_HEAD = """## Programs

Distribution binaries that a test runs natively and shielded, with their data on an encrypted volume
and, where they listen, TLS by the shield; printed from `tests/scenario/programs.toml`, which those
tests own. Any of them can be given a policy by `coffer run --record` ([policy.md](policy.md)).

| Program | Package | What is tested | What does not work, and why | Test |
|---|---|---|---|---|
"""


def programs(table):
    """The section about programs; empty while there is no list of them."""
    root = os.path.dirname(os.path.abspath(table))
    path = os.path.join(root, "../../../tests/scenario/programs.toml")
    if not os.path.exists(path):
        return ""
    with open(path, "rb") as f:
        entries = tomllib.load(f)["program"]
    lines = [f"| {p['name']} | `{p['version_hint']}` | {p['tested']} | {p['fails']} | `{p['test']}` |\n"
             for p in sorted(entries, key=lambda p: p["name"].lower())]
    return PROGRAMS_HEAD + "".join(lines) + "\n"


def rows_of(path):
    with open(path, encoding="utf-8") as f:
        lines = [line for line in f if line.startswith("CALL(")]
    rows = [m.groups() for m in map(ROW.match, lines) if m]
    if len(rows) < 300 or len(rows) != len(lines):
        sys.exit(f"{path}: only {len(rows)} rows of {len(lines)} understood")
    return rows


def page(rows, listed):
    lines = []
    for _, name, kind, handler, _, engines, why in rows:
        refusal = {"sys_deny_eperm": "EPERM", "sys_deny_enosys": "ENOSYS", "sys_deny_einval": "EINVAL",
                   "sys_deny_eopnotsupp": "EOPNOTSUPP"}
        note = f"{refusal[handler]}: {why}".rstrip(": ") if handler in refusal else why
        lines.append(f"| `{name}` | {kind.lower()} | {note} | {ENGINES[engines]} |\n")
    general, calls = HEAD.split("## System calls\n")
    return general + listed + "## System calls\n" + calls + "".join(lines)


def header_calls():
    """Number by name, as the system's headers have them."""
    text = subprocess.run(["cc", "-E", "-dM", "-x", "c", "-include", "asm/unistd_64.h", "/dev/null"],
                          check=True, capture_output=True, text=True).stdout
    return {name: int(nr) for name, nr in re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.M)}


def check_numbers(rows):
    seen = {}
    faults = []
    for nr, name, *_ in rows:
        if int(nr) in seen.values() or name in seen:
            faults.append(f"{name}: two rows")
        if seen and int(nr) < max(seen.values()):
            faults.append(f"{name}: out of order")
        seen[name] = int(nr)
    for name, nr in header_calls().items():
        if seen.get(name) != nr:
            faults.append(f"{name}: {nr} in the header, {seen.get(name)} in the table")
    for fault in faults:
        print(f"# {fault}")
    return not faults


def main():
    rows = rows_of(sys.argv[1])
    text = page(rows, programs(sys.argv[1]))
    if len(sys.argv) < 4:
        print(text, end="")
        return 0
    print("TAP version 13\n1..2")
    with open(sys.argv[3], encoding="utf-8") as f:
        same = f.read() == text
    right = check_numbers(rows)
    print(f"{'ok' if same else 'not ok'} 1 - the compatibility page is printed from the table")
    print(f"{'ok' if right else 'not ok'} 2 - each number once, in order, and named as in the system's header")
    return 0 if same and right else 1


sys.exit(main())
