# SPDX-License-Identifier: Apache-2.0
"""ICE binding requests by hand, right and wrong ones."""
import hashlib
import hmac
import os
import socket
import struct
import zlib

COOKIE = 0x2112A442
BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR = 0x0001, 0x0101, 0x0111


def _attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value \
        + b"\0" * (-len(value) % 4)


def _with_length(message, extra):
    return message[:2] + struct.pack(">H", len(message) - 20 + extra) \
        + message[4:]


def binding_request(username, password, use_candidate=True, fingerprint=True):
    message = struct.pack(">HHI", BINDING_REQUEST, 0, COOKIE) + os.urandom(12)
    message += _attribute(0x0006, username.encode())
    message += _attribute(0x0024, struct.pack(">I", 1853824767))
    message += _attribute(0x802A, os.urandom(8))
    if use_candidate:
        message += _attribute(0x0025, b"")
    signed = _with_length(message, 24)
    message = signed + _attribute(0x0008, hmac.new(
        password.encode(), signed, hashlib.sha1).digest())
    if fingerprint:
        summed = _with_length(message, 8)
        message = summed + _attribute(0x8028, struct.pack(
            ">I", zlib.crc32(summed) ^ 0x5354554E))
    return _with_length(message, 0)


class Prober:
    """A UDP socket towards the node's first RTC port."""

    def __init__(self, node):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", node.rtc_port))

    def send(self, data):
        self.socket.send(data)

    def ask(self, data, timeout=0.5):
        """The type of the reply, or None."""
        self.socket.settimeout(timeout)
        self.socket.send(data)
        try:
            while True:
                reply = self.socket.recv(2048)
                if len(reply) >= 20 and reply[8:20] == data[8:20]:
                    return struct.unpack(">H", reply[:2])[0]
        except TimeoutError:
            return None

    def close(self):
        self.socket.close()
