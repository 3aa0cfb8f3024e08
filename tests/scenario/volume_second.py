# SPDX-License-Identifier: Apache-2.0
"""A second implementation of the volume format, reading only, from docs/volume-format.md alone: it must
find what the first one wrote, after a clean close and after a crash. AES and HKDF come from libcrypto
or from hmac, zstd from libzstd; nothing of ours is used.
"""
import contextlib
import ctypes
import ctypes.util
import hashlib
import hmac
import os
import struct

CRYPTO = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
CRYPTO.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p
CRYPTO.EVP_aes_256_gcm.restype = ctypes.c_void_p
POINTER = ctypes.c_void_p
ZSTD = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


class Damaged(Exception):
    pass


def hkdf(key, salt, info):
    prk = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(prk, info.encode() + b"\1", hashlib.sha256).digest()


def aes_open(key, nonce, associated, sealed):
    """AES-256-GCM; `sealed` ends with the tag."""
    ctx = POINTER(CRYPTO.EVP_CIPHER_CTX_new())
    try:
        cipher, tag = sealed[:-16], sealed[-16:]
        out, length = ctypes.create_string_buffer(len(cipher) + 16), ctypes.c_int()
        CRYPTO.EVP_DecryptInit_ex(ctx, POINTER(CRYPTO.EVP_aes_256_gcm()), None, key, nonce)
        CRYPTO.EVP_DecryptUpdate(ctx, None, ctypes.byref(length), associated, len(associated))
        CRYPTO.EVP_DecryptUpdate(ctx, out, ctypes.byref(length), cipher, len(cipher))
        CRYPTO.EVP_CIPHER_CTX_ctrl(ctx, 0x11, 16, tag)
        end = ctypes.create_string_buffer(16)
        if CRYPTO.EVP_DecryptFinal_ex(ctx, end, ctypes.byref(length)) != 1:
            raise Damaged
        return out.raw[:len(cipher)]
    finally:
        CRYPTO.EVP_CIPHER_CTX_free(ctx)


def unpack(frame, size):
    out = ctypes.create_string_buffer(size)
    if ZSTD.ZSTD_decompress(out, size, frame, len(frame)) != size:
        raise Damaged
    return out.raw


class Fields:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        piece = self.data[self.at:self.at + size]
        if len(piece) != size:
            raise Damaged
        self.at += size
        return piece

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def key(self):
        return (self.number(8), self.number(1), self.number(8))


class Volume:
    def __init__(self, folder, key, erase_keys):
        self.folder, self.erase_keys = folder, erase_keys
        self.segment_keys, self.files = {}, {}
        self.superblock(key)
        self.items = {}
        record, self.tag = self.batch(*self.checkpoint[:2])[1:]
        self.load(record)
        self.follow()

    def read(self, name):
        if name not in self.files:
            with open(os.path.join(self.folder, name), "rb") as file:
                self.files[name] = file.read()
        return self.files[name]

    def superblock(self, key):
        whole, best = self.read("volume"), None
        slots = [slot for slot in (whole[:4096], whole[4096:]) if slot[:8] in (b"CofferV\2", b"CofferV\3")]
        self.id, self.version = slots[0][8:24], slots[0][7]
        kek = hkdf(key, self.id, "coffer volume 2 master key")
        for number in range(2):
            slot = whole[4096 * number:4096 * number + 312]
            with contextlib.suppress(Damaged):
                wrapped = slot[48:108]
                master = aes_open(kek, wrapped[:12], slot[:24] + b"\0", wrapped[12:])
                plain = Fields(aes_open(hkdf(master, self.id, "coffer volume 2 superblock"),
                                        slot[24:36], slot[:168], slot[168:]))
                generation, _ = plain.number(8), plain.number(8)
                if generation % 2 == number and (not best or generation > best[0]):
                    best = (generation, master, plain)
        if not best:
            raise Damaged
        _, self.master, plain = best
        self.checkpoint = (plain.number(8), plain.number(4), plain.number(4))
        self.sequence = plain.number(8)
        self.checkpoint_tag = plain.take(32)
        plain.take(8 + 1 + 1)
        self.master_epoch, self.erase_epoch = plain.number(4), plain.number(4)

    def header(self, segment):
        head = self.read(f"{segment:016x}")[:256]
        if head[:8] != b"CofferS\2" or head[8:24] != self.id:
            raise Damaged
        fields = Fields(head)
        fields.take(24)
        number, epoch = fields.number(8), fields.number(8)
        fields.take(16)
        first, previous = fields.number(8), fields.take(32)
        erase_epoch, master_epoch = fields.number(4), fields.number(4)
        if number != segment or master_epoch != self.master_epoch:
            raise Damaged
        if segment not in self.segment_keys:
            secret = self.master + (self.erase_keys[erase_epoch] if erase_epoch else b"")
            wrap = hkdf(secret, self.id, "coffer volume 2 segment keys")
            self.segment_keys[segment] = aes_open(wrap, head[128:140], head[:128], head[140:188])
        return epoch, first, previous

    def unit(self, kind, segment, offset, size):
        if segment not in self.segment_keys:
            self.header(segment)
        sealed = self.read(f"{segment:016x}")[offset:offset + size + 16]
        return aes_open(self.segment_keys[segment], struct.pack("<B3xQ", kind, offset),
                        struct.pack("<Q", segment), sealed)

    def batch(self, segment, offset):
        """Its header's fields and end, its record, its tag."""
        if segment not in self.segment_keys:
            self.header(segment)
        whole = self.read(f"{segment:016x}")
        head = whole[offset:offset + 64]
        if head[:4] != b"CFB1":
            raise Damaged
        data_size, record_size, _, sequence, _, previous = struct.unpack("<IIIQQ32s", head[4:])
        start = offset + 64 + data_size
        sealed = whole[start:start + record_size]
        record = aes_open(self.segment_keys[segment], struct.pack("<B3xQ", 1, offset),
                          head + self.id + struct.pack("<Q", segment), sealed)
        end = (start + record_size + 63) // 64 * 64
        return (sequence, previous, end), record, hashlib.sha256(head + sealed).digest()

    def operations(self, record):
        fields = Fields(record)
        while fields.at < len(record):
            kind = fields.number(1)
            if kind == 1:
                key = fields.key()
                yield kind, key, fields.take(fields.number(2))
            elif kind == 2:
                yield kind, fields.key(), None
            elif kind == 3:
                fields.take(1 + 17 + 4 + 2)
            elif kind == 4:
                root = (fields.number(8), fields.number(4), fields.number(2))
                level = fields.number(1)
                fields.take(8 + 8 + 16)
                fields.take(40 * fields.number(4))
                yield kind, root, level
            elif kind == 5:
                fields.take(8 + 16 + 32)
            elif kind == 7:
                epoch, nonce, count = fields.number(4), fields.take(12), fields.number(4)
                yield kind, (epoch, nonce), fields.take(40 * count + 16)
            else:
                raise Damaged

    def load(self, record):
        if self.tag != self.checkpoint_tag:
            raise Damaged
        for kind, what, value in self.operations(record):
            if kind == 7:
                key = hkdf(self.master + self.erase_keys[what[0]], self.id, "coffer volume 2 key table")
                rows = aes_open(key, what[1], self.id + struct.pack("<I", what[0]), value)
                for at in range(0, len(rows), 40):
                    self.segment_keys[int.from_bytes(rows[at:at + 8], "little")] = rows[at + 8:at + 40]
            elif kind == 4:
                self.node(what, value)

    def node(self, where, level):
        fields = Fields(self.unit(3, *where))
        if fields.number(1) != level:
            raise Damaged
        for _ in range(fields.number(2)):
            key = fields.key()
            if level == 0:
                self.items[key] = fields.take(fields.number(2))
            else:
                self.node((fields.number(8), fields.number(4), fields.number(2)), level - 1)

    def follow(self):
        """Along the chain: into a segment that continues here, or behind the last batch."""
        segment, offset = self.checkpoint[0], self.checkpoint[1] + self.checkpoint[2]
        others = [int(n, 16) for n in os.listdir(self.folder) if len(n) == 16]
        while True:
            found = [(segment, offset)]
            for other in others:
                with contextlib.suppress(Damaged, KeyError):
                    _, first, previous = self.header(other)
                    if (first, previous) == (self.sequence + 1, self.tag):
                        found.insert(0, (other, 256))
            for where in found:
                try:
                    (sequence, previous, end), record, tag = self.batch(*where)
                except Damaged:
                    continue
                if sequence == self.sequence + 1 and previous == self.tag:
                    break
            else:
                return
            self.sequence, self.tag, segment, offset = sequence, tag, where[0], end
            for kind, key, value in self.operations(record):
                if kind == 1:
                    self.items[key] = value
                elif kind == 2:
                    self.items.pop(key, None)

    def contents(self, ino):
        size = int.from_bytes(self.items[ino, 1, 0][25:33], "little")
        data = bytearray(size)
        for (owner, kind, block), value in self.items.items():
            if (owner, kind) != (ino, 5):
                continue
            fields = Fields(value)
            flags = fields.number(1)
            segment, offset, length = fields.number(8), fields.number(4), fields.number(4)
            start = block * 4096
            if flags == 1 and self.version == 3:
                packed, whole, skip = fields.number(2), fields.number(2), fields.number(1)
                piece = unpack(self.unit(2, segment, offset, packed), whole)[4096 * skip:][:length]
                data[start:start + length] = piece[:max(0, size - start)]
                continue
            if flags:
                raise Damaged
            for k, at in enumerate(range(0, length, 4096)):
                n = min(4096, length - at)
                start = block * 4096 + at
                data[start:start + n] = self.unit(2, segment, offset + k * 4112, n)[:max(0, size - start)]
        return bytes(data[:size])

    def tree(self, ino=1, path=""):
        found = {}
        for (owner, kind, _), value in self.items.items():
            if (owner, kind) != (ino, 4):
                continue
            child, kind, name = int.from_bytes(value[:8], "little"), value[8], value[10:]
            where = f"{path}/{os.fsdecode(name)}"
            if kind == 4:
                found[where] = None
                found.update(self.tree(child, where))
            elif kind == 8:
                found[where] = self.contents(child)
        return found
