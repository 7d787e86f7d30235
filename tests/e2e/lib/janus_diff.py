# SPDX-License-Identifier: Apache-2.0
"""What two servers of the Janus API answered, made comparable, and compared.

A record is a list of (step, answer). What differs by nature (ids, ports, ages,
ICE and DTLS credentials, addresses) has become a word by then. What still
differs must be on a list of allowed differences; an entry of that list that
nothing needs is an error too, so that the list stays honest.
"""
import dataclasses
import re

ABSENT = "<absent>"
ANY = object()
PORT = re.compile(r"(audio_|video_|data_)?(rtcp_?)?port(_?\d)?")
CLOCKS = {"created", "current_time", "session_last_activity"}
NUMBER = re.compile(r"(?<!\d)\d{4,}(?!\d)")
SDP_WORDS = (
    (re.compile(r"o=(\S+) \d+ (\d+) IN IP4 \S+"), r"o=\1 <id> \2 <address>"),
    (re.compile(r"c=IN IP[46] \S+"), "c=<address>"),
    (re.compile(r"a=candidate:.*"), "a=candidate:<candidate>"),
    (re.compile(r"a=ice-ufrag:\S{4,}"), "a=ice-ufrag:<ufrag>"),
    (re.compile(r"a=ice-pwd:\S{22,}"), "a=ice-pwd:<pwd>"),
    (re.compile(r"a=fingerprint:sha-256 [0-9A-F:]{95}"),
     "a=fingerprint:sha-256 <hash>"),
    (re.compile(r"a=ssrc-group:FID \d+ \d+"), "a=ssrc-group:FID <ssrc> <ssrc>"),
    (re.compile(r"a=ssrc:\d+"), "a=ssrc:<ssrc>"),
)
# what a conversation depends on; the rest of an SDP is one script's business
SDP_SHAPE = re.compile(
    r"[vostm]=.*|a=(group|mid|setup|ice-ufrag|ice-pwd|rtpmap):.*|"
    r"a=(sendonly|rtcp-mux|ice-lite)|a=rtcp-fb:\d+ nack( pli)?")


def read_sdp(text, is_whole=False):
    """One dictionary of lines a section; their order means nothing."""
    sections = [{}]
    for line in text.split("\r\n"):
        if line.startswith("m="):
            sections.append({})
        for pattern, word in SDP_WORDS:
            line = pattern.sub(word, line)
        if is_whole and line or SDP_SHAPE.fullmatch(line):
            sections[-1][line] = True
    return {"session": sections[0], "media": sections[1:]}


class Names:
    """Words for the numbers that a server chose."""

    def __init__(self):
        self.words = {}
        self.whole_sdp = False

    def add(self, number, word):
        self.words.setdefault(str(number), word)

    def clean(self, value, key=None):
        if isinstance(value, dict):
            return {k: self.clean(v, k) for k, v in value.items()}
        if isinstance(value, list):
            values = [self.clean(v) for v in value]
            if key == "list":
                values.sort(key=lambda v: str(v.get("id")))
            return values
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            return self._clean_number(value, key)
        if key == "sdp" and isinstance(value, str):
            return read_sdp(value, self.whole_sdp)
        if isinstance(value, str):
            return NUMBER.sub(
                lambda m: self.words.get(m[0], m[0]), value)
        return value

    def _clean_number(self, value, key):
        if str(value) in self.words:
            return self.words[str(value)]
        if key in CLOCKS or key == "age_ms" and value >= 0:
            return f"<{key}>"
        if value > 0 and PORT.fullmatch(key or ""):
            return "<port>"
        return value


def flatten(value, path="$"):
    """{path of a leaf: its value}; what is empty is a leaf too."""
    parts = value.items() if isinstance(value, dict) else \
        enumerate(value) if isinstance(value, list) else ()
    leaves = {}
    for key, part in parts:
        name = f"[{key}]" if isinstance(value, list) else f".{key}"
        leaves.update(flatten(part, path + name))
    return leaves or {path: value}


@dataclasses.dataclass(frozen=True)
class Difference:
    step: str
    path: str
    theirs: object
    ours: object

    def __str__(self):
        return (f"{self.step}\n    {self.path}\n    janus: {self.theirs!r}\n"
                f"    ours:  {self.ours!r}")


def _equal(one, other):
    return type(one) is type(other) and one == other


def compare(theirs, ours):
    """The differences of two records of the same script."""
    steps = [step for step, _ in theirs]
    assert steps == [step for step, _ in ours], "not the same script"
    found = []
    for (step, one), (_, other) in zip(theirs, ours):
        one, other = flatten(one), flatten(other)
        for path in {**one, **other}:
            a, b = one.get(path, ABSENT), other.get(path, ABSENT)
            if not _equal(a, b):
                found.append(Difference(step, path, a, b))
    return found


def _matches(pattern, text):
    """@pattern: "*" is anything, every other character itself."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text,
                        re.DOTALL) is not None


def _is_value(wanted, value):
    if wanted is ANY:
        return True
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.fullmatch(value) is not None
    return _equal(wanted, value)


@dataclasses.dataclass(frozen=True)
class Allowed:
    """One difference that is meant. @script, @transports: where. @step,
    @path: of what, "*" is anything. @theirs, @ours: a value, a pattern, ANY.
    """
    name: str
    reason: str
    script: str
    step: str
    path: str
    theirs: object = ANY
    ours: object = ANY
    transports: tuple = ("http", "ws")

    def covers(self, difference):
        return _matches(self.step, difference.step) and \
            _matches(self.path, difference.path) and \
            _is_value(self.theirs, difference.theirs) and \
            _is_value(self.ours, difference.ours)


def assert_same(theirs, ours, allowed):
    """@allowed: those of this script and transport; each must be needed."""
    used, bad = set(), []
    for difference in compare(theirs, ours):
        covering = [entry for entry in allowed if entry.covers(difference)]
        used.update(covering)
        if not covering:
            bad.append(str(difference))
    assert not bad, f"{len(bad)} differences:\n" + "\n".join(bad)
    unused = [entry.name for entry in allowed if entry not in used]
    assert not unused, f"allowed, but there is no such difference: {unused}"
