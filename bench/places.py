# SPDX-License-Identifier: Apache-2.0
"""Places to keep files, which benchmarks compare: a plain directory, gocryptfs, fscrypt, and our volume,
mounted and in process. All lie below one directory, on the same disk."""
import contextlib
import errno
import fcntl
import os
import struct
import subprocess
import time

import machine


class Place:
    """A directory to work in, that can be made cold: unmounted, forgotten, mounted."""

    def __init__(self, root, name):
        self.root = os.path.join(root, name)
        self.dir = os.path.join(self.root, "point")
        os.makedirs(self.dir)

    def mount(self):
        pass

    def unmount(self):
        pass

    def below(self):
        return self.dir

    def command(self, *words):
        """How a program runs that works in this place."""
        return [*words]

    def cold(self):
        self.unmount()
        for folder, _, files in os.walk(self.below()):
            for name in files:
                with contextlib.suppress(OSError):
                    fd = os.open(os.path.join(folder, name), os.O_RDONLY)
                    os.fsync(fd)
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                    os.close(fd)
        self.mount()


class Gocryptfs(Place):
    def __init__(self, root):
        super().__init__(root, "gocryptfs")
        self.cipher = os.path.join(self.root, "cipher")
        os.mkdir(self.cipher)
        self.call("-q", "-init", "-scryptn", "10", self.cipher)
        self.mount()

    def call(self, *words):
        subprocess.run(["gocryptfs", "-nosyslog", "-extpass", "echo bench", *words], check=True,
                       stdout=subprocess.DEVNULL)

    def mount(self):
        self.call("-q", self.cipher, self.dir)

    def unmount(self):
        for _ in range(100):
            if subprocess.run(["umount", self.dir], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.05)

    def below(self):
        return self.cipher


class Coffer(Place):
    def __init__(self, root, build):
        super().__init__(root, "coffer")
        self.program = os.path.join(build, "coffer")
        self.volume = os.path.join(self.root, "volume")
        self.state = os.path.join(self.root, "state")
        self.call("create", "--state", self.state, self.volume)
        self.mount()

    def call(self, verb, *words):
        subprocess.run([self.program, "volume", verb, *words], check=True,
                       stdout=subprocess.DEVNULL)

    def mount(self):
        self.call("mount", "--state", self.state, self.volume, self.dir)

    def unmount(self):
        self.call("unmount", self.dir)

    def below(self):
        return self.volume


class InProcess(Place):
    """Programs that run shielded, the volume in their own process."""

    def __init__(self, root, build, compress=False):
        super().__init__(root, "packed" if compress else "process")
        self.runtime = machine.program(build, "coffer-runtime")
        self.volume = self.dir
        os.environ["COFFER_STATE"] = os.path.join(root, "state")
        if compress:
            subprocess.run([os.path.join(build, "coffer"), "volume", "create", "--compress", self.volume],
                           check=True, stdout=subprocess.DEVNULL)
        self.dir = "/data"

    def command(self, *words):
        return [self.runtime, "--volume", f"{self.volume}:/data", "--", *words]

    def below(self):
        return self.volume


ADD_KEY, SET_POLICY, GET_POLICY = 0xc0506617, 0x800c6613, 0xc0096616


def fscrypt_has(folder):
    """Does the file system of a directory encrypt? None: the kernel cannot."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, GET_POLICY, bytearray(struct.pack("<Q", 24) + bytes(24)))
    except OSError as why:
        if why.errno == errno.ENODATA:
            return True
        return False if why.errno == errno.EOPNOTSUPP else None
    finally:
        os.close(fd)
    return True


class Fscrypt(Place):
    """The kernel's encryption, AES-256-XTS: in a directory of this disk, or else in an image on it, by a
    loop device without a cache of its own."""

    def __init__(self, root, mib):
        super().__init__(root, "fscrypt")
        self.image = None
        point = self.dir
        has = fscrypt_has(point)
        if has is None:
            raise OSError(errno.EOPNOTSUPP, "the kernel has no fscrypt")
        try:
            if not has:
                self.image = os.path.join(self.root, "image")
                with open(self.image, "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, mib << 20)
                subprocess.run(["mkfs.ext4", "-q", "-O", "encrypt", self.image], check=True)
                self.mount()
            self.dir = os.path.join(point, "encrypted")
            self.key_add(point)
        except BaseException:
            self.unmount()
            raise

    def key_add(self, point):
        arg = bytearray(struct.pack("<II32sII8I", 2, 0, bytes(32), 64, 0, *[0] * 8) + os.urandom(64))
        fd = os.open(point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, ADD_KEY, arg)
        finally:
            os.close(fd)
        os.mkdir(self.dir)
        fd = os.open(self.dir, os.O_RDONLY)
        try:  # version 2: AES-256-XTS, AES-256-CTS for names, padded to 32
            fcntl.ioctl(fd, SET_POLICY, bytes([2, 1, 4, 3, 0, 0, 0, 0]) + bytes(arg[8:24]))
        finally:
            os.close(fd)

    def mount(self):
        if self.image:
            loop = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", self.image], check=True,
                                  capture_output=True, text=True).stdout.strip()
            try:
                subprocess.run(["mount", loop, os.path.join(self.root, "point")], check=True)
            finally:
                subprocess.run(["losetup", "--detach", loop], check=True)  # when it is unmounted

    def unmount(self):
        if self.image:
            subprocess.run(["umount", os.path.join(self.root, "point")], check=False,
                           stderr=subprocess.DEVNULL)
