# SPDX-License-Identifier: Apache-2.0
"""docs/LINKS.md once more, for link-subscriber.py: keys, control datagrams,
media and the bodies a child reads."""
import hashlib
import hmac
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SUBSCRIBE, COOKIE, STATUS, REFUSE, NACK, KEYFRAME, LEAVE, BYE = range(1, 9)
REASONS = {1: "unknown", 2: "pending", 3: "full", 4: "leaving", 5: "loop"}
KINDS = ("audio", "video")
CODECS = (None, "opus", "H264", "H265", "VP8", "VP9", "AV1")
TAG_BYTES = 16


# --- Keys -------------------------------------------------------------------

class Keys:
    def __init__(self, secret):
        self.prk = hmac.new(b"media-tree link 1", secret.encode(),
                            hashlib.sha256).digest()
        self.boot_id = os.urandom(16)
        self.counter = 0
        self.senders = {}

    def expand(self, info, n_bytes):
        return HKDFExpand(hashes.SHA256(), n_bytes, info).derive(self.prk)

    def _control(self, boot_id):
        if boot_id not in self.senders:
            out = self.expand(b"control" + boot_id, 28)
            self.senders[boot_id] = AESGCM(out[:16]), \
                int.from_bytes(out[16:], "big")
        return self.senders[boot_id]

    def seal(self, body):
        self.counter += 1
        head = b"M\1" + self.boot_id + self.counter.to_bytes(8, "big")
        gcm, iv = self._control(self.boot_id)
        nonce = (iv ^ self.counter).to_bytes(12, "big")
        return head + gcm.encrypt(nonce, body, head)

    def open(self, data):
        """(boot id, counter, body) or None"""
        if len(data) < 26 + TAG_BYTES or data[:2] != b"M\1":
            return None
        counter = int.from_bytes(data[18:26], "big")
        gcm, iv = self._control(data[2:18])
        try:
            body = gcm.decrypt((iv ^ counter).to_bytes(12, "big"), data[26:],
                               data[:26])
        except InvalidTag:
            return None
        return data[2:18], counter, body


class Media:
    """Opens one publication's packets: RFC 7714 under RFC 3711's keys."""

    def __init__(self, keys, stream, publication):
        out = keys.expand(b"media" + publication + stream.encode(), 32)
        ssrc = int.from_bytes(out[28:], "big")
        self.ssrcs = {ssrc & ~1: 0, ssrc | 1: 1}
        self.gcm = AESGCM(self._derive(out[:16], out[16:28], 0, 16))
        self.salt = int.from_bytes(self._derive(out[:16], out[16:28], 2, 12),
                                   "big")

    @staticmethod
    def _derive(key, salt, label, n_bytes):
        iv = bytearray(salt + bytes(4))
        iv[7] ^= label
        stream = Cipher(algorithms.AES(key), modes.CTR(bytes(iv))).encryptor()
        return stream.update(bytes(n_bytes))

    @staticmethod
    def header_bytes(data):
        """0 = it is not the tree's form"""
        if data[0] & 0xef != 0x80 or len(data) < 12 + TAG_BYTES:
            return 0
        if not data[0] & 0x10:
            return 12
        if data[12:14] != b"\x10\0":
            return 0
        n_bytes = 16 + 4 * (data[14] << 8 | data[15])
        return n_bytes if n_bytes + TAG_BYTES <= len(data) else 0

    def open(self, data, number):
        """the payload, or None"""
        n_header = self.header_bytes(data)
        if not n_header:
            return None
        nonce = int.from_bytes(data[8:12], "big") << 48 | number
        try:
            return self.gcm.decrypt((nonce ^ self.salt).to_bytes(12, "big"),
                                    data[n_header:], data[:n_header])
        except InvalidTag:
            return None


# --- Bodies -----------------------------------------------------------------

class Fields:
    """Reads a body from its front; raises ValueError where it is too short."""

    def __init__(self, body):
        self.body = body
        self.at = 0

    def take(self, n_bytes):
        self.at += n_bytes
        if self.at > len(self.body):
            raise ValueError("too short")
        return self.body[self.at - n_bytes:self.at]

    def number(self, n_bytes):
        return int.from_bytes(self.take(n_bytes), "big")

    def text(self):
        return self.take(self.number(1)).decode("ascii")

    def done(self):
        if any(self.body[self.at:]):
            raise ValueError("bytes left over")


def text(value):
    value = value.encode()
    return bytes([len(value)]) + value


def read_status(fields):
    flags = fields.number(1)
    if flags > 7:
        raise ValueError("flags")
    status = {
        "is_reply": bool(flags & 1), "is_live": bool(flags & 2),
        "echo_us": fields.number(4), "epoch": fields.number(8),
        "publication": fields.take(16),
        "first": [fields.number(8), fields.number(8)],
        "head": [fields.number(8), fields.number(8)], "clock": []}
    for _ in KINDS:
        has, ntp, rtp_ts = fields.number(1), fields.number(8), fields.number(4)
        status["clock"].append([ntp, rtp_ts] if has else None)
    status["path"] = [fields.text() for _ in range(fields.number(1))]
    status["info"] = json.loads(fields.take(fields.number(2))) \
        if flags & 4 else None
    return status
