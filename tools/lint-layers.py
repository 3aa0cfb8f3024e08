#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the include layers, SPDX lines, banned calls, file lengths and links of documents.

The table below is docs/ARCHITECTURE.md section 9 in a form a program can read: a folder of src/ and
what of src/ it may include besides itself. One line per finding; exit status 1 if there is one.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

SERVICES = ["base", "crypto", "attest", "server"]
LAYERS = {
    "base": [],
    "crypto": ["base"],
    "platform": ["base", "crypto"],
    "attest": ["base", "crypto"],
    "policy": ["base", "attest"],
    "volume": ["base", "crypto", "platform"],
    "runtime": ["base", "crypto", "platform", "attest", "policy", "volume"],
    "server": ["base", "crypto", "attest"],
    "kbs": SERVICES + ["policy"],
    "dms": SERVICES,
    "gateway": SERVICES,
    "launcher": SERVICES + ["platform", "runtime"],  # its children become the runtime
    "load": ["base", "crypto", "attest", "volume", "server"],
    "mount": ["base", "crypto", "platform", "volume"],
    "cli": ["base", "crypto", "attest", "policy", "volume", "server"],
}
# Single headers across a layer, each with its reason.
EXCEPTIONS = {
    ("kbs", "platform/linux/sim_device.h"): "insecure__native: tests run it without the runtime",
    ("launcher", "platform/linux/tsm.h"): "the launcher alone asks for the machine's report",
    ("cli", "platform/linux/tsm.h"): "`coffer attest show --tsm` and `doctor` ask the machine itself",
    ("cli", "kbs/recovery.h"): "a holder opens its share of a root key, an owner a recovery key",
    ("cli", "load/load.h"): "`coffer load` is one of the command line's commands",
}
BANNED = ["strcpy", "strcat", "sprintf", "strtok", "atoi", "gets", "alloca", "rand"]
LINES_MAX = 1000

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
BANNED_CALL = re.compile(r"(?<![\w>.\"])(" + "|".join(BANNED) + r")\s*\(")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def tracked():
    output = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True)
    names = output.stdout.decode().splitlines()
    return [name for name in names if os.path.isfile(os.path.join(ROOT, name))]


def layer_findings(name, text):
    parts = name.split("/")
    if parts[0] != "src" or len(parts) < 3:
        return
    folder = parts[1]
    if folder not in LAYERS:
        yield 1, f"src/{folder} has no row in the table of tools/lint-layers.py"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        target = header.split("/")[0]
        if "/" not in header or header.startswith("."):
            yield number, f'include "{header}" by its path under src/'
        elif target != folder and target in LAYERS and target not in LAYERS[folder] \
                and (folder, header) not in EXCEPTIONS:
            yield number, f"src/{folder} may not include {target}/ (layer)"


def spdx_findings(name, text):
    head = text.split("\n", 3)[:2]
    if text.startswith("#!"):
        head = head[1:]
    else:
        head = head[:1]
    if not head or "SPDX-License-Identifier: Apache-2.0" not in head[0]:
        yield 1, "no SPDX-License-Identifier: Apache-2.0 in its first line"


def call_findings(text):
    # Comments and strings become blanks, so that they cannot match and lines keep their numbers.
    bare = CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)
    for number, line in enumerate(bare.splitlines(), 1):
        for match in BANNED_CALL.finditer(line):
            yield number, f"{match.group(1)}() is banned (docs/STYLE.md, 17)"


def link_findings(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            path = os.path.normpath(os.path.join(ROOT, os.path.dirname(name), target))
            if not os.path.exists(path):
                yield number, f"link to '{target}', which is not there"


def findings(name):
    """What is wrong with one file, as (line, text)."""
    source = name.endswith((".c", ".h", ".S", ".py", ".sh", ".ts", ".js", ".css")) \
        or os.path.basename(name) in ("meson.build", "Makefile")
    document = name.endswith(".md")
    if not source and not document:
        return
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        text = file.read()
    if document:
        yield from link_findings(name, text)
        return
    yield from spdx_findings(name, text)
    lines = text.count("\n")
    if lines > LINES_MAX:
        yield lines, f"{lines} lines; {LINES_MAX} is the most"
    if name.endswith((".c", ".h")):
        yield from layer_findings(name, text)
        yield from call_findings(text)


def main():
    count = 0
    for name in tracked():
        for line, text in findings(name):
            print(f"{name}:{line}: {text}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
