# SPDX-License-Identifier: Apache-2.0
"""The eye of the leak test: sees every packet on loopback and every byte of the files written, and
looks for known plaintext in all the forms in which it might show.

    with eye.Wire() as wire: ...
    eye.leaks(markers, wire.bytes())          # [(marker, form), ...]
    eye.file_leaks(markers, [folders])        # [(path, marker, form), ...]
"""
import base64
import ctypes
import fcntl
import os
import socket
import struct
import threading

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
ETH_P_ALL, PACKET_OUTGOING = 0x0003, 4
SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS = 33, 263, 6
CAPTURE_SIZE_MAX = 512 << 20
FILE_SIZE_MAX = 256 << 20


def own_network():
    """Moves this process, and what it starts, into a network of its own with nothing but loopback,
    so that only our own packets are seen. False where the kernel does not allow that."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET if uid == 0 else CLONE_NEWNET | CLONE_NEWUSER) != 0:
        return False
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"),
                           ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as out:
                out.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP | IFF_RUNNING))
    return True


class Wire:
    """Captures loopback from enter to exit. PermissionError without CAP_NET_RAW."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.1)
        self.packets, self.size, self.stopping = [], 0, False
        self.thread = threading.Thread(target=self._capture, daemon=True)

    def _capture(self):
        while True:
            try:
                packet, address = self.socket.recvfrom(1 << 17)
            except socket.timeout:
                if self.stopping:
                    return  # nothing has come for a while: all that was sent is here
                continue
            if address[2] == PACKET_OUTGOING or self.size > CAPTURE_SIZE_MAX:
                continue  # on loopback each packet passes twice
            self.packets.append(packet)
            self.size += len(packet)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()
        statistics = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self.dropped = struct.unpack("II", statistics)[1]
        self.socket.close()

    def bytes(self):
        """All packets, and what they carried joined per connection and direction, so that plaintext
        that spans packets is seen too. Raises if a packet was missed."""
        if self.dropped or self.size > CAPTURE_SIZE_MAX:
            raise AssertionError(f"{self.dropped} packets were missed: the eye was not open")
        streams = {}
        for packet in self.packets:
            key, payload = tcp_payload(packet)
            if key:
                streams.setdefault(key, []).append(payload)
        return b"\n".join(self.packets) + b"\n".join(b"".join(part) for part in streams.values())


def tcp_payload(packet):
    """((source, target), payload) of an Ethernet frame with TCP over IPv4; (None, b"") otherwise."""
    if packet[12:14] != b"\x08\x00" or packet[23] != 6:
        return None, b""
    ip = 14
    tcp = ip + (packet[ip] & 15) * 4
    end = ip + struct.unpack_from(">H", packet, ip + 2)[0] or len(packet)
    data = tcp + (packet[tcp + 12] >> 4) * 4
    return (packet[ip + 12:ip + 20], packet[tcp:tcp + 4]), packet[data:max(end, data)]


def forms(marker):
    """The ways in which a text might show: (name, bytes)."""
    raw = marker.encode()
    yield "plain", raw
    yield "UTF-16LE", marker.encode("utf-16-le")
    yield "UTF-16BE", marker.encode("utf-16-be")
    yield "hexadecimal", raw.hex().encode()
    yield "HEXADECIMAL", raw.hex().upper().encode()
    yield "reversed", raw[::-1]
    for shift in range(3):
        # What base64 makes of it at this alignment, without the characters its neighbours change.
        text = base64.b64encode(b"\0" * shift + raw)
        core = text[(0, 2, 3)[shift]:len(text) - 4]
        yield f"base64 at {shift}", core
        yield f"base64url at {shift}", core.translate(bytes.maketrans(b"+/", b"-_"))


def leaks(markers, data):
    return [(marker, name) for marker in markers for name, form in forms(marker) if form in data]


def file_leaks(markers, folders, newer_than=0.0, size_max=FILE_SIZE_MAX):
    """Searches names and contents of all files under `folders` changed since `newer_than`, of each
    the first `size_max` bytes."""
    found = []
    for folder in folders:
        for parent, names, files in os.walk(folder):
            for name in names + files:
                found += [(os.path.join(parent, name), marker, f"name, {form}")
                          for marker, form in leaks(markers, os.fsencode(name))]
            for name in files:
                path = os.path.join(parent, name)
                found += [(path, *leak) for leak in leaks(markers, _read(path, newer_than, size_max))]
    return found


def _read(path, newer_than, size_max):
    try:
        status = os.lstat(path)
        if not os.path.isfile(path) or os.path.islink(path) or status.st_mtime < newer_than:
            return b""
        with open(path, "rb") as file:
            return file.read(size_max)
    except OSError:
        return b""  # gone meanwhile, or not ours
