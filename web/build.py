#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the web interface and turns it into C: build.py SOURCE WORK OUTPUT.c DEPFILE

SOURCE is this folder, WORK a folder of the build's own: sources are copied there, `npm ci` and
`vite build` run there, so nothing is written into the source tree. Every file is compressed once,
here. Without npm, or where it cannot fetch, the page SOURCE/plain.html is built in instead, and the
build says so; a mistake in the sources fails the build.
"""
import gzip
import hashlib
import os
import shutil
import subprocess
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".svg": "image/svg+xml", ".png": "image/png", ".webmanifest": "application/manifest+json",
         ".txt": "text/plain; charset=utf-8"}
IGNORED = {"node_modules", "dist", "build.py"}


def sources(folder):
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in IGNORED)
        for name in sorted(files):
            yield os.path.relpath(os.path.join(place, name), folder)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def copy(source, work):
    """WORK becomes SOURCE plus what npm installed."""
    names = list(sources(source))
    for name in list(sources(work)) if os.path.isdir(work) else []:
        if name not in names and name != "installed":
            os.unlink(os.path.join(work, name))
    for name in names:
        target = os.path.join(work, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target) or read(target) != read(os.path.join(source, name)):
            shutil.copyfile(os.path.join(source, name), target)
    return names


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, text=True)
    return done.returncode, done.stdout


def install(work):
    """None, or why there is no npm to use. Nothing that a package brings is run."""
    if not shutil.which("npm") or not shutil.which("node"):
        return "npm is not installed (tools/install-packages.sh build)"
    stamp = os.path.join(work, "installed")
    wanted = hashlib.sha256(read(os.path.join(work, "package-lock.json")) +
                            read(os.path.join(work, "package.json"))).hexdigest().encode()
    if os.path.exists(stamp) and read(stamp) == wanted:
        return None
    status, output = run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
                         "--prefer-offline", "--loglevel=error", cwd=work)
    if status != 0:
        return "npm cannot fetch the packages of web/package-lock.json:\n" + output
    with open(stamp, "wb") as file:
        file.write(wanted)
    return None


def built(source, work):
    """[(path under /, bytes)]"""
    reason = install(work)
    if reason:
        print("\nWARNING: this build has no web interface, only a page that says so, because\n" +
              reason + "\n", file=sys.stderr, flush=True)
        return [("index.html", read(os.path.join(source, "plain.html")))]
    status, output = run("node", "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn",
                         cwd=work)
    if status != 0:
        sys.exit("the web interface does not build:\n" + output)
    dist = os.path.join(work, "dist")
    return [(name, read(os.path.join(dist, name))) for name in sorted(sources(dist))]


def main():
    source, work, output, depfile = sys.argv[1:]
    os.makedirs(work, exist_ok=True)
    names = copy(source, work)
    packed = os.path.join(work, "packed")
    shutil.rmtree(packed, ignore_errors=True)
    os.makedirs(packed)
    rows, data = [], []
    for at, (name, content) in enumerate(built(source, work)):
        path = os.path.join(packed, str(at))
        small = gzip.compress(content, 9, mtime=0)
        with open(path, "wb") as file:
            file.write(small)
        kind = TYPES.get(os.path.splitext(name)[1], "application/octet-stream")
        tag = hashlib.sha256(content).hexdigest()[:20]
        data.append(f'    ".balign 16\\nweb_data_{at}: .incbin \\"{os.path.abspath(path)}\\"\\n"')
        rows.append(f'    {{"{name}", "{kind}", "\\"{tag}\\"", web_data_{at}, {len(small)}, '
                    f'{len(content)}}},')
    externs = "\n".join(f"extern const uint8_t web_data_{at}[];" for at in range(len(rows)))
    with open(output, "w", encoding="ascii") as file:
        file.write("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by web/build.py. */\n"
                   '#include "dms/web_static.h"\n\n__asm__(".pushsection .rodata\\n"\n' +
                   "\n".join(data) + '\n    ".popsection\\n");\n' + externs +
                   "\nconst struct web_file web_files[] = {\n" + "\n".join(rows) +
                   "\n};\nconst size_t web_file_count = sizeof web_files / sizeof *web_files;\n")
    with open(depfile, "w", encoding="utf-8") as file:
        paths = [os.path.join(source, name) for name in names] + [os.path.abspath(__file__)]
        file.write(f"{output}: " + " ".join(path.replace(" ", "\\ ") for path in paths) + "\n")


if __name__ == "__main__":
    main()
