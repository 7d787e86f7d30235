# SPDX-License-Identifier: Apache-2.0
"""A WHIP or WHEP session as a bare HTTP client sees it."""
import re
import secrets
from urllib.parse import urljoin

from . import sdp
from .http import FRAGMENT, SDP

SESSION_ID = re.compile(r"[A-Za-z0-9_-]{21,}")  # 21 of 64 = 126 bits


class Session:
    """Posts an offer whose ICE credentials it knows."""

    def __init__(self, node, path, make=sdp.publish_offer, headers=None,
                 content_type=SDP, **how):
        self.node = node
        self.path = path
        self.headers = headers or {}
        self.ufrag = secrets.token_hex(4)
        self.pwd = secrets.token_hex(12)
        self.offer = make(ufrag=self.ufrag, pwd=self.pwd, **how)
        self.reply = node.request(path, "POST", self.offer,
                                  {"Content-Type": content_type,
                                   **self.headers})
        self.etag = self.reply.headers.get("ETag")
        location = self.reply.headers.get("Location")
        self.url = location and urljoin(node.url + path, location)

    def expect(self, status=201):
        assert self.reply.status == status, self.reply
        return self

    @property
    def answer(self):
        return sdp.Description(self.reply.text)

    @property
    def id(self):
        return self.url.rsplit("/", 1)[1]

    def patch(self, body, content_type=FRAGMENT, if_match="current", **more):
        headers = dict(self.headers, **more)
        if content_type is not None:
            headers["Content-Type"] = content_type
        if if_match == "current":
            if_match = self.etag
        if if_match is not None:
            headers["If-Match"] = if_match
        return self.node.request(self.url, "PATCH", body, headers)

    def trickle(self, candidates=(), if_match="current", **how):
        return self.patch(sdp.make_fragment(self.ufrag, self.pwd, candidates,
                                            **how), if_match=if_match)

    def restart(self, ufrag=None, pwd=None, if_match="*"):
        ufrag = ufrag or secrets.token_hex(4)
        pwd = pwd or secrets.token_hex(12)
        reply = self.patch(sdp.make_fragment(ufrag, pwd), if_match=if_match)
        if reply.status == 200:
            self.ufrag, self.pwd = ufrag, pwd
            self.etag = reply.headers.get("ETag")
        return reply

    def get(self):
        return self.node.request(self.url, headers=self.headers)

    def delete(self, **headers):
        return self.node.request(self.url, "DELETE",
                                 headers={**self.headers, **headers})


HOST_CANDIDATE = "1 1 udp 2130706431 127.0.0.1 50000 typ host"
# what ICE-lite over UDP and passive TCP cannot use; all to be skipped
UNUSABLE_CANDIDATES = [
    "2 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active",
    "3 1 udp 2113937151 0c6a1c7e-5d2f-4d0b-9b7e-0d6a6f2f6f3a.local 5000 typ "
    "host",
    "4 1 udp 2113937151 viewer.example.org 5000 typ host",
    "5 1 udp 2113937151 192.0.2.7 99999 typ host",
    "6 2 udp 2113937150 192.0.2.7 5001 typ host",
]

# W26: what real clients' fragments look like
FRAGMENT_SHAPES = {
    "session-level": "a=ice-ufrag:{u}\r\na=ice-pwd:{p}\r\n"
                     "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{mid}\r\n"
                     "a=candidate:{c}\r\n",
    "plain-avp": "a=ice-ufrag:{u}\r\na=ice-pwd:{p}\r\nm=audio 9 RTP/AVP 0\r\n"
                 "a=mid:{mid}\r\na=candidate:{c}\r\n",
    "media-level": "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{mid}\r\n"
                   "a=ice-ufrag:{u}\r\na=ice-pwd:{p}\r\na=candidate:{c}\r\n",
    "bundle-line": "a=group:BUNDLE 0 1\r\na=ice-ufrag:{u}\r\na=ice-pwd:{p}\r\n"
                   "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{mid}\r\n"
                   "a=candidate:{c}\r\n",
    "line-feeds": "a=ice-ufrag:{u}\na=ice-pwd:{p}\nm=audio 9 RTP/AVP 0\n"
                  "a=mid:{mid}\na=candidate:{c}\n",
    "end-only": "a=ice-ufrag:{u}\r\na=ice-pwd:{p}\r\nm=audio 9 RTP/AVP 0\r\n"
                "a=mid:{mid}\r\na=end-of-candidates\r\n",
    "other-mid": "a=ice-ufrag:{u}\r\na=ice-pwd:{p}\r\nm=audio 9 RTP/AVP 0\r\n"
                 "a=mid:audio0\r\na=candidate:{c}\r\n",
}


def fragment_of_shape(shape, session, mid="0"):
    return FRAGMENT_SHAPES[shape].format(u=session.ufrag, p=session.pwd,
                                         mid=mid, c=HOST_CANDIDATE)


# --- what both protocols share, checked the same way -----------------------

PREFLIGHT = {"Origin": "https://page.example.org",
             "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "authorization,content-type"}
EXPOSED = {"location", "etag", "link", "accept-post", "retry-after"}


def assert_preflight(reply, links_allowed=False):
    assert reply.status in (200, 204), reply
    assert reply.headers["Access-Control-Allow-Origin"] in (
        "*", PREFLIGHT["Origin"]), reply
    methods = reply.listed("Access-Control-Allow-Methods")
    assert {"post", "patch", "delete"} <= methods, reply
    assert {"authorization", "content-type"} <= reply.listed(
        "Access-Control-Allow-Headers"), reply
    if not links_allowed:
        assert reply.headers.get("Link") is None, reply


def assert_cors(reply):
    assert reply.headers.get("Access-Control-Allow-Origin") == "*", reply
    assert EXPOSED <= reply.listed("Access-Control-Expose-Headers"), reply


def assert_strong_etag(etag):
    assert etag and re.fullmatch(r'"[!#-~]+"', etag), etag


def assert_whole_answer(session):
    """What an answer of an ICE-lite BUNDLE server must have."""
    answer = session.answer
    assert answer.get("setup") in ("active", "passive"), answer.text
    assert answer.get("ice-ufrag") and answer.get("ice-pwd"), answer.text
    assert len(answer.get("ice-ufrag")) >= 4
    assert len(answer.get("ice-pwd")) >= 22
    assert re.fullmatch(r"sha-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}",
                        answer.get("fingerprint")), answer.text
    assert "a=ice-lite" in answer.head, answer.text
    live = [s for s in answer.sections if s.port != 0]
    assert live and answer.bundle() == [s.get("mid") for s in live]
    for section in live:
        assert section.has("rtcp-mux"), answer.text
        assert section.has("rtcp-mux-only"), answer.text
    assert answer.candidates() and answer.has("end-of-candidates")
    assert any("127.0.0.1" in c for c in answer.candidates()), answer.text
    assert answer.text.endswith("\r\n")
    assert "\n" not in answer.text.replace("\r\n", "")


def assert_restarted(session, before, reply):
    """A 200 to an ICE restart: RFC 9725, 4.3.3."""
    assert reply.status == 200, reply
    assert reply.type == FRAGMENT, reply
    fragment = sdp.Description(reply.text)
    assert fragment.get("ice-ufrag") != before.get("ice-ufrag")
    assert fragment.get("ice-pwd") != before.get("ice-pwd")
    assert fragment.candidates(), reply.text
    assert fragment.has("ice-lite") == before.has("ice-lite")
    assert fragment.get("ice-options") == before.get("ice-options")
    assert_strong_etag(reply.headers.get("ETag"))


BAD_SDP = {
    "empty": b"",
    "binary": bytes(range(1, 256)) * 4,
    "nul": b"v=0\r\no=- 1 1 IN IP4 0\x00.0.0.0\r\n",
    "words": b"hello, this is no session description\r\n",
    "half": sdp.publish_offer().encode()[:180],
    "no-media": b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
    "json": b'{"type":"offer","sdp":"v=0"}',
    "megabyte": b"v=0\r\n" + b"a=x:" + b"y" * (1 << 20) + b"\r\n",
}
