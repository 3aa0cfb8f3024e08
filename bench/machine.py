# SPDX-License-Identifier: Apache-2.0
"""What benchmarks share: the machine's name, medians, waiting for a server, and processes that are
ended with the benchmark."""
import os
import platform
import signal
import socket
import statistics
import subprocess
import time


def describe():
    """The machine in one line, for reports."""
    model, memory = "unknown CPU", 0
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) // 1024
    load = os.getloadavg()[0]
    return (f"{model}, {os.cpu_count()} cores, {memory} MiB, Linux {platform.release()}, "
            f"load average {load:.2f} at the start")


def program(build, name):
    """The program `name` of a build directory: `coffer` is at its top, others in their folders."""
    for folder in (build, *sorted(os.scandir(os.path.join(build, "src")), key=lambda d: d.path)):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise RuntimeError(f"no program {name} under {build}")


def median(values):
    return statistics.median(values) if values else float("nan")


def rotated(items, by):
    """So that nobody is always first."""
    by %= len(items)
    return items[by:] + items[:by]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for_port(port, process, seconds=20):
    """Until something accepts connections there; raises if `process` dies or time runs out."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}: {process.args}\n{log_of(process)}")
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.002)
    raise RuntimeError(f"does not listen on {port}: {process.args}\n{log_of(process)}")


def start(command, log, environment=None):
    """Starts a process in a session of its own, its output in the file `log`."""
    with open(log, "ab") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   start_new_session=True, env={**os.environ,
                                                                **(environment or {})})
    process.log_path = log
    return process


def log_of(process):
    try:
        with open(process.log_path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-20:])
    except OSError:
        return ""


def stop(process):
    """Ends a process that start() began, with its children."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def memory_of(pid):
    """Memory that only this process has, in KiB: (private pages, the kernel's for it). The
    kernel's part counts page tables and 16 KiB of stack for each thread."""
    private = tables = threads = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Private_"):
                private += int(line.split()[1])
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmPTE"):
                tables = int(line.split()[1])
            elif line.startswith("Threads"):
                threads = int(line.split()[1])
    return private, tables + 16 * threads


def shared_of(pid):
    """How much of memory_of() are unchanged pages of files, in KiB: programs, which every further
    process of them shares."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_Clean"))


def descendants(pid):
    """`pid` and every process below it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found
