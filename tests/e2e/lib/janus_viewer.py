# SPDX-License-Identifier: Apache-2.0
"""What plays in front of and behind a Janus API: a viewer that answers offers,
and RTP into a mountpoint's ports."""
import base64
import os
import secrets
import time

from . import media
from .node import ROOT
from .peers import CACHE, JsonProcess, peer_binary
from .wait import wait_for

PYTHON = "/usr/bin/python3"
QUIET_S = 0.4
KEPT_LINES = ("a=group:", "a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:",
              "a=extmap:")


def make_answer(offer, ufrag, pwd, fingerprint):
    """An answer that takes all of @offer, as a browser would."""
    lines = ["v=0", f"o=- {secrets.randbits(62)} 1 IN IP4 127.0.0.1", "s=-",
             "t=0 0"]
    for line in offer.splitlines():
        if line.startswith(KEPT_LINES):
            lines.append(line)
        elif line.startswith("m="):
            lines += [line, "c=IN IP4 127.0.0.1", "a=recvonly", "a=rtcp-mux",
                      f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{pwd}",
                      f"a=fingerprint:sha-256 {fingerprint}",
                      "a=setup:active"]
    return "\r\n".join(lines) + "\r\n"


class AnswerClient(JsonProcess):
    """answer-client: one WebRTC viewer that answers."""

    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        super().__init__(os.path.join(directory, "answer.log"),
                         peer_binary("answer-client"))
        self.fingerprint = self.wait_event("ready")["fingerprint"]

    def answer(self, offer):
        """The jsep for "start"; connect() comes after it was sent."""
        self.offer = offer
        self.ufrag, self.pwd = secrets.token_hex(4), secrets.token_hex(12)
        return {"type": "answer", "sdp": make_answer(
            offer, self.ufrag, self.pwd, self.fingerprint)}

    def _tell_offer(self, verb):
        sdp = base64.b64encode(self.offer.encode()).decode()
        self.tell(f"{verb} {self.ufrag} {self.pwd} {sdp}")

    def connect(self):
        self._tell_offer("connect")
        self.wait_event("connected")

    def restart(self):
        count = len(self.find("restarted")) + 1
        self._tell_offer("restart")
        self.wait_event("restarted", count=count)

    def books(self):
        """What has come, by payload type."""
        count = len(self.find("report")) + 1
        self.tell("report")
        books = self.wait_event("report", count=count)["books"]
        return {int(pt): book for pt, book in books.items()}

    def wait_packets(self, count=20, timeout=15):
        """Until so many more have come of each payload type there is."""
        before = wait_for(self.books, "media", timeout)

        def more():
            now = self.books()
            return all(now[pt]["n_packets"] >= book["n_packets"] + count
                       for pt, book in before.items())
        wait_for(more, f"{count} more packets", timeout)

    def is_quiet(self):
        """Whether nothing comes any more, once the last has come."""
        def count():
            return sum(b["n_packets"] for b in self.books().values())

        def has_stopped():
            before = count()
            wait_for(lambda: time.monotonic() > end, "a while", 2)
            return count() == before
        for _ in range(3):
            end = time.monotonic() + QUIET_S
            if has_stopped():
                return True
        return False

    def bye(self):
        """close_notify, as a browser's tab that is closed."""
        self.tell("bye")
        self.wait_event("closed")


class RtpSource(JsonProcess):
    """An encoder's RTP: (codec, payload type, port) to 127.0.0.1, each.
    @first: number of the first picture."""

    def __init__(self, directory, *tracks, first=0):
        os.makedirs(directory, exist_ok=True)
        command = [PYTHON, os.path.join(ROOT, "tests", "peer", "rtp-send.py")]
        for codec, pt, port in tracks:
            if codec == "OPUS":
                kind, path = "--audio", media.audio(CACHE)
            else:
                kind, path = "--video", media.video(CACHE, codec, gop_s=1,
                                                    first=first)
            command += [kind, path, str(port), str(pt)]
        super().__init__(os.path.join(directory, "source.log"), *command)
        self.wait_event("sending")
