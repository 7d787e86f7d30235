# SPDX-License-Identifier: Apache-2.0
"""Viewers in Chromium that go on at another node: what their page showed
meanwhile, frame by frame."""
import json
import statistics

from .trial import percentile
from .wait import wait_for

FRAME_MS = 1000 / 30
# https://www.w3.org/TR/webrtc-stats/#dom-rtcinboundrtpstreamstats-freezecount:
# a freeze is longer than three times a frame's usual time, and than 150 ms
# more than that
FREEZE_MS = FRAME_MS + 150
RTP_HZ = 90000

# What the page shows: when, and which RTP timestamp. And what each connection
# counts as freezes, the closed ones' last word included.
NOTE_FRAMES = """
const video = document.querySelector('video');
window.frames_ = [];
const note = (now, meta) => {
  window.frames_.push([now, meta.rtpTimestamp]);
  video.requestVideoFrameCallback(note);
};
video.requestVideoFrameCallback(note);
const counts = new Map();
window.freezes_ = async () => {
  for (const [i, pc] of window.testConnections.entries())
    if (pc.connectionState !== 'closed')
      for (const s of (await pc.getStats()).values())
        if (s.type === 'inbound-rtp' && s.kind === 'video')
          counts.set(`${i} ${s.ssrc}`, s.freezeCount);
  return [...counts.values()].reduce((a, b) => a + b, 0);
};
setInterval(window.freezes_, 200);
"""


def drain(node, method="POST", **body):
    return node.request("/api/drain", method,
                        body=json.dumps(body).encode() if body else b"",
                        headers={"Content-Type": "application/json"})


class Shown:
    """Frames that followed each other on the screen: [ms, RTP timestamp]."""

    def __init__(self, frames, n_freezes_told=0):
        self.frames = frames
        self.n_freezes_told = n_freezes_told  # by getStats

    def gaps_ms(self):
        return [b[0] - a[0] for a, b in zip(self.frames, self.frames[1:])]

    def largest_gap_ms(self):
        return max(self.gaps_ms())

    def n_freezes(self):
        usual = statistics.fmean(self.gaps_ms())
        limit = max(3 * usual, usual + 150)
        return max(self.n_freezes_told,
                   sum(gap >= limit for gap in self.gaps_ms()))

    def _steps(self):
        """In frames, signed."""
        stamps = [ts for _, ts in self.frames if ts is not None]
        return [((b - a + 2**31) % 2**32 - 2**31) / RTP_HZ * 1000 / FRAME_MS
                for a, b in zip(stamps, stamps[1:])]

    def n_steps_back(self):
        """How often a frame was older than the one before."""
        return sum(step < 0 for step in self._steps())


class MovesPage:
    """A page with a <video> in it that plays already."""

    def __init__(self, page):
        self.page = page
        self.page.js(NOTE_FRAMES)
        self.wait_frames(30)

    def n_frames(self):
        return self.page.js("return window.frames_.length;")

    def wait_frames(self, more):
        start = self.n_frames()
        wait_for(lambda: self.n_frames() >= start + more,
                 f"{more} more frames", 15)

    def shown(self, since=0):
        """From that many frames on."""
        return Shown(self.page.js("return window.frames_.slice(a[0]);", since))

    def watch(self, move, after=30):
        """What was shown from move() to @after frames after it."""
        n_freezes = self.page.js("return window.freezes_();")
        start = self.n_frames() - 1
        move()
        self.wait_frames(after)
        shown = self.shown(start)
        shown.n_freezes_told = \
            self.page.js("return window.freezes_();") - n_freezes
        return shown


class Watcher(MovesPage):
    """Our player."""

    def __init__(self, browser, node, stream="live", query=""):
        self.begin(browser.open(f"{node.url}/watch/{stream}{query}"))

    def begin(self, page):
        page.wait_js("window.mediaTree && "
                     "window.mediaTree.player.state === 'playing'",
                     "a playing page")
        page.js("window.moves = 0; window.mediaTree.player.addEventListener("
                "'moved', () => { window.moves++; });")
        MovesPage.__init__(self, page)

    def moves(self):
        return self.page.js("return window.moves;")

    def wait_moved(self, count=1, timeout=20):
        wait_for(lambda: self.moves() >= count, "the page's move", timeout)

    def move_from(self, node):
        """@node drains until this one has left, and then no more."""
        count = self.moves() + 1
        assert drain(node).status == 202
        self.wait_moved(count)
        assert drain(node, "DELETE").status == 200


class Handover(MovesPage):
    """web/handover.html: keeps its connection, and restarts ICE."""

    def __init__(self, browser, origin, node, stream="live"):
        self.stream = stream
        page = browser.open(origin + "/handover.html")
        page.wait_js("window.isReady", "test page")
        page.js("await window.startHandover(a[0]);", self.url(node))
        page.wait_js("window.handover.pc.connectionState === 'connected'",
                     "a connection")
        super().__init__(page)

    def url(self, node):
        return f"{node.url}/whep/{self.stream}"

    def move_to(self, node):
        """{name of an attribute of the answer: whether it changed}; the time
        without DTLS, in ms"""
        done = self.page.js("return window.handover.move(a[0]);",
                            self.url(node))
        self.page.wait_js("window.handover.pc.connectionState === 'connected'"
                          " && window.handover.notes.some("
                          "n => n[1] === 'dtls connected')",
                          "DTLS with the other node")
        times = {what: at for at, what
                 in self.page.js("return window.handover.notes;")}
        return done["changed"], times["dtls connected"] - times["dtls new"]


def describe(name, moves):
    """One row of a table."""
    gaps = [shown.largest_gap_ms() for shown in moves]
    return (f"| {name} | {len(moves)} "
            f"| {sum(shown.n_freezes() == 0 for shown in moves)} "
            f"| {sum(shown.n_freezes_told for shown in moves)} "
            f"| {percentile(gaps, .5):.0f} | {percentile(gaps, .95):.0f} "
            f"| {max(gaps):.0f} "
            f"| {sum(shown.n_steps_back() > 0 for shown in moves)} |")


HEAD = ("| way | moves | without a freeze | freezes by getStats "
        "| gap p50 ms | p95 | max | pictures went back |\n"
        "|---|---|---|---|---|---|---|---|")
