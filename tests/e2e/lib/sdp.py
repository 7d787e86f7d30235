# SPDX-License-Identifier: Apache-2.0
"""Just enough SDP: offers made line by line, answers taken apart."""
import os
import secrets

OFFERS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "data", "offers")
FINGERPRINT = ":".join(f"{(i * 37 + 11) % 256:02X}" for i in range(32))

CODECS = {
    "H264": ["rtpmap:{pt} H264/90000", "fmtp:{pt} level-asymmetry-allowed=1;"
             "packetization-mode=1;profile-level-id=42e01f"],
    "H265": ["rtpmap:{pt} H265/90000"],
    "VP8": ["rtpmap:{pt} VP8/90000"],
    "VP9": ["rtpmap:{pt} VP9/90000", "fmtp:{pt} profile-id=0"],
    "AV1": ["rtpmap:{pt} AV1/90000"],
    "opus": ["rtpmap:{pt} opus/48000/2",
             "fmtp:{pt} minptime=10;useinbandfec=1"],
    "theora": ["rtpmap:{pt} theora/90000"],
}


def make_section(kind, codecs, mid, direction="sendonly", msid="s0", pt=96,
                 extra=(), msid_track=None):
    """One m-section, without ICE and DTLS lines."""
    pts = [pt + i for i in range(len(codecs))]
    lines = [f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, pts))}",
             "c=IN IP4 0.0.0.0", f"a=mid:{mid}", f"a={direction}",
             "a=rtcp-mux", "a=rtcp-mux-only"]
    for number, codec in zip(pts, codecs):
        lines += ["a=" + line.format(pt=number) for line in CODECS[codec]]
        if kind == "video":
            lines += [f"a=rtcp-fb:{number} nack",
                      f"a=rtcp-fb:{number} nack pli"]
    if "send" in direction:
        track = msid_track or f"{msid}-{mid}"
        lines.append(f"a=msid:{msid} {track}")
    return lines + list(extra)


def make_offer(audio=("opus",), video=("H264",), direction="sendonly",
               setup="actpass", ufrag=None, pwd=None, fingerprint=FINGERPRINT,
               sections=None, bundle=True, eol="\r\n", session=()):
    """An offer text. @sections: own m-sections (lists of lines)."""
    ufrag = ufrag or secrets.token_hex(4)
    pwd = pwd or secrets.token_hex(12)
    if sections is None:
        sections = []
        if audio:
            sections.append(make_section("audio", audio, "0", direction,
                                         pt=111))
        if video:
            sections.append(make_section("video", video, "1", direction))
    mids = [line[6:] for section in sections for line in section
            if line.startswith("a=mid:")]
    lines = ["v=0", f"o=- {secrets.randbits(62)} 2 IN IP4 127.0.0.1", "s=-",
             "t=0 0"]
    if bundle:
        lines.append("a=group:BUNDLE " + " ".join(mids))
    lines += ["a=msid-semantic:WMS *", "a=ice-options:trickle"]
    lines += list(session)
    for section in sections:
        lines += section
        if ufrag != "-":
            lines += [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{pwd}"]
        if fingerprint:
            lines.append(f"a=fingerprint:sha-256 {fingerprint}")
        if setup:
            lines.append(f"a=setup:{setup}")
    return eol.join(lines) + eol


def publish_offer(**how):
    return make_offer(**how)


def watch_offer(**how):
    how.setdefault("audio", ("opus",))
    how.setdefault("video", ("H264",))
    return make_offer(direction=how.pop("direction", "recvonly"), **how)


def read_offer(name):
    with open(os.path.join(OFFERS, name), newline="") as file:
        return file.read()


def without_section(offer, kind):
    """The offer as OBS makes it with one kind only: the section and its mid
    gone, the other section's mid kept."""
    description = Description(offer)
    head = [line for line in description.head]
    kept = [s for s in description.sections if s.kind != kind]
    mids = " ".join(s.get("mid") for s in kept)
    head = [f"a=group:{line.split(':')[1].split()[0]} {mids}"
            if line.startswith("a=group:") else line for line in head]
    lines = head + [line for s in kept for line in s.lines]
    return "\r\n".join(lines) + "\r\n"


def make_fragment(ufrag, pwd, candidates=(), mid="0", end=False, eol="\r\n"):
    lines = [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{pwd}",
             "m=audio 9 UDP/TLS/RTP/SAVPF 0", f"a=mid:{mid}"]
    lines += [f"a=candidate:{c}" for c in candidates]
    if end:
        lines.append("a=end-of-candidates")
    return eol.join(lines) + eol


class Section:
    def __init__(self, lines):
        self.lines = lines
        media = lines[0][2:].split()
        self.kind, self.port, self.protocol = media[0], int(media[1]), media[2]
        self.formats = media[3:]

    def all(self, name):
        prefix = "a=" + name + ":"
        return [line[len(prefix):] for line in self.lines
                if line.startswith(prefix)]

    def get(self, name):
        found = self.all(name)
        return found[0] if found else None

    def has(self, flag):
        return "a=" + flag in self.lines

    @property
    def direction(self):
        for name in ("sendrecv", "sendonly", "recvonly", "inactive"):
            if self.has(name):
                return name
        return "sendrecv"

    def codec_names(self):
        return [m.split()[1].split("/")[0] for m in self.all("rtpmap")]


class Description:
    def __init__(self, text):
        self.text = text
        self.head, self.sections = [], []
        current = self.head
        for line in text.replace("\r\n", "\n").rstrip("\n").split("\n"):
            if line.startswith("m="):
                current = []
                self.sections.append(current)
            current.append(line)
        self.sections = [Section(lines) for lines in self.sections]

    def get(self, name):
        """Session level first, then the first section that has it."""
        prefix = "a=" + name + ":"
        for line in self.head:
            if line.startswith(prefix):
                return line[len(prefix):]
        for section in self.sections:
            if section.get(name) is not None:
                return section.get(name)
        return None

    def has(self, flag):
        return "a=" + flag in self.head or \
            any(s.has(flag) for s in self.sections)

    def bundle(self):
        group = self.get("group") or ""
        words = group.split()
        return words[1:] if words[:1] == ["BUNDLE"] else []

    def kind(self, kind):
        return [s for s in self.sections if s.kind == kind]

    def candidates(self):
        return [c for s in self.sections for c in s.all("candidate")]


def make_answer(offer, ufrag=None, pwd=None, fingerprint=FINGERPRINT,
                direction="recvonly", setup="active"):
    """An answer that takes the first codec of every section."""
    offer = Description(offer) if isinstance(offer, str) else offer
    lines = ["v=0", f"o=- {secrets.randbits(62)} 1 IN IP4 127.0.0.1", "s=-",
             "t=0 0", "a=group:BUNDLE " + " ".join(offer.bundle()),
             "a=msid-semantic:WMS *"]
    ufrag, pwd = ufrag or secrets.token_hex(4), pwd or secrets.token_hex(12)
    for section in offer.sections:
        pt = section.formats[0]
        lines += [f"m={section.kind} 9 {section.protocol} {pt}",
                  "c=IN IP4 0.0.0.0", f"a=mid:{section.get('mid')}",
                  f"a={direction}", "a=rtcp-mux"]
        for name in ("rtpmap", "fmtp"):
            lines += [f"a={name}:{value}" for value in section.all(name)
                      if value.split()[0] == pt]
        lines += [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{pwd}",
                  f"a=fingerprint:sha-256 {fingerprint}", f"a=setup:{setup}"]
    return "\r\n".join(lines) + "\r\n"
