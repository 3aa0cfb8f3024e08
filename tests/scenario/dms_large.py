#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An upload of 5 GiB (COFFER_TEST_LARGE_MIB changes that) in constant memory: dms_large.py DMS"""
import hashlib
import os
import shutil
import subprocess
import sys

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
SIZE_MIB = int(os.environ.get("COFFER_TEST_LARGE_MIB", "5120"))


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


@tap.test
def a_very_large_document_goes_in_and_comes_back(server):
    if shutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free < (SIZE_MIB + 1024) << 20:
        raise tap.Skip("not enough room on the disk")
    block = dms_server.noise(1 << 20)
    path = f"/api/files/large-{os.getpid()}.bin"
    upload = subprocess.Popen(server.command(path, "-T", "-", "--max-time", "3000", "-o",
                                             "/dev/null", "-w", "%{http_code}"),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    sent, most_kib = hashlib.sha256(), 0
    for number in range(SIZE_MIB):
        piece = number.to_bytes(8, "little") + block[8:]
        sent.update(piece)
        upload.stdin.write(piece)
        if number % 64 == 0 and server.pid():
            most_kib = max(most_kib, private_kib(server.pid()))
    upload.stdin.close()
    tap.equal(upload.stdout.read(), b"201")
    upload.wait()
    print(f"# most private memory while it went in: {most_kib} KiB")
    tap.true(most_kib < 16384, "memory stays small")
    download = subprocess.Popen(server.command(path, "--max-time", "3000"),
                                stdout=subprocess.PIPE)
    received = hashlib.sha256()
    while piece := download.stdout.read(1 << 20):
        received.update(piece)
    tap.equal(download.wait(), 0)
    tap.equal(received.hexdigest(), sent.hexdigest())
    last = server.ask(path, "-r", f"{(SIZE_MIB - 1) << 20}-{((SIZE_MIB - 1) << 20) + 7}")
    tap.equal(int.from_bytes(last.body, "little"), SIZE_MIB - 1)
    key = server.ask(path, "-I").headers["etag"]
    tap.true(key, "it has a tag")
    server.ask(path, "-X", "DELETE")
    server.ask("/api/trash", "-X", "DELETE")


if __name__ == "__main__":
    tap.main(lambda: dms_server.server(PROGRAM))
