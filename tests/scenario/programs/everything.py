# SPDX-License-Identifier: Apache-2.0
"""What Python programs do, in the directory named, printed so that two runs can be compared."""
import asyncio
import concurrent.futures
import multiprocessing as mp
import multiprocessing.shared_memory
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

DATA = sys.argv[1]


def square(x):
    return x * x


def threads():
    found = []
    many = [threading.Thread(target=found.append, args=(i,)) for i in range(300)]
    for thread in many:
        thread.start()
    for thread in many:
        thread.join()
    print("threads", len(found), sum(found))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def write(i):
            with open(f"{DATA}/thread-{i % 10}", "ab") as file:
                file.write(b"x" * 100)
        list(pool.map(write, range(200)))
    print("written", sum(os.path.getsize(f"{DATA}/thread-{i}") for i in range(10)))


def count(value):
    for _ in range(300):
        with value.get_lock():
            value.value += 1


def processes():
    for method in ("fork", "spawn", "forkserver"):
        context = mp.get_context(method)
        with context.Pool(2) as pool:
            print(method, sum(pool.map(square, range(1000))))
        queue = context.Queue()
        process = context.Process(target=queue.put, args=("x" * 300000,))
        process.start()
        print(len(queue.get()), process.join(), process.exitcode)
    value = mp.Value("i", 0)
    family = [mp.get_context("fork").Process(target=count, args=(value,)) for _ in range(4)]
    for process in family:
        process.start()
    for process in family:
        process.join()
    print("value", value.value)
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=1000)
    memory.buf[0] = 7
    if os.fork() == 0:
        memory.buf[1] = 8
        os._exit(5)
    print("shared", os.waitstatus_to_exitcode(os.wait()[1]), bytes(memory.buf[:2]))
    memory.close()
    memory.unlink()


def children():
    done = subprocess.run("echo hi; echo no >&2; exit 3", shell=True, capture_output=True)
    print(done.returncode, done.stdout, done.stderr)
    print(subprocess.check_output(["cat"], input=b"z" * 200000).count(b"z"))
    try:
        subprocess.run(["sleep", "20"], timeout=0.1)
    except subprocess.TimeoutExpired:
        print("timed out")
    try:
        subprocess.run(["/nowhere"])
    except FileNotFoundError as why:
        print(why)
    child = subprocess.Popen(["sleep", "20"])
    child.terminate()
    print(child.wait())
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("sh", ["sh", "-c", "test -t 0 && echo terminal; stty size"])
    text = b""
    try:
        while piece := os.read(terminal, 100):
            text += piece
    except OSError:
        pass
    print(text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


async def loop():
    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()

    async def ask(i):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"m%d\n" % i)
        line = await reader.readline()
        writer.close()
        return line
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print("asyncio", len(set(await asyncio.gather(*map(ask, range(60))))))
    child = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE,
                                                 stdout=subprocess.PIPE)
    print(await child.communicate(b"to the cat"), child.returncode)
    print(await asyncio.get_running_loop().run_in_executor(None, square, 3))


def database():
    path = f"{DATA}/python.db"
    with sqlite3.connect(path) as db:
        print(db.execute("pragma journal_mode=wal").fetchone())
        db.execute("create table t(a)")
        db.executemany("insert into t values(?)", [(i,) for i in range(1000)])
    if os.fork() == 0:
        with sqlite3.connect(path) as db:
            db.execute("insert into t values(-1)")
        os._exit(0)
    os.wait()
    print(sqlite3.connect(path).execute("select count(*), min(a) from t").fetchone())


def numbers():
    import numpy as np
    a = np.random.default_rng(1).random((200, 200))
    print("inverse", np.allclose(a @ np.linalg.inv(a), np.eye(200), atol=1e-6))
    np.save(f"{DATA}/a.npy", a)
    b = np.load(f"{DATA}/a.npy", mmap_mode="r+")
    b[0, 0] = 5
    b.flush()
    print(np.load(f"{DATA}/a.npy")[0, 0])
    m = np.memmap(f"{DATA}/map", dtype="i4", mode="w+", shape=(100000,))
    m[:] = 7
    m.flush()
    print(np.fromfile(f"{DATA}/map", dtype="i4").sum())


def files_and_signals():
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        with tempfile.TemporaryFile(dir=folder) as file:
            print(file.write(b"abc"), os.fstat(file.fileno()).st_size)
        os.symlink("nowhere", f"{folder}/link")
        print(os.path.islink(f"{folder}/link"), os.path.exists(f"{folder}/link"))
    print(os.path.exists(folder))
    signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    signal.pause()
    print(os.getppid() > 0, os.path.realpath("/proc/self/exe").startswith("/usr/bin/python3"))
    print(time.get_clock_info("monotonic").resolution, len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    threads()
    processes()
    children()
    asyncio.run(loop())
    database()
    numbers()
    files_and_signals()
