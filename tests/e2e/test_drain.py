# SPDX-License-Identifier: Apache-2.0
"""A node is told to go: nobody new is let in, its viewers go on elsewhere in
the middle of the picture, and then it ends."""
import json

import pytest

from lib.cluster import Cluster
from lib.wait import wait_for

# What the page shows, frame by frame: when, and which RTP timestamp.
NOTE_FRAMES = """
const video = document.querySelector('video');
window.frames_ = [];
const note = (now, meta) => {
  window.frames_.push([now, meta.rtpTimestamp]);
  video.requestVideoFrameCallback(note);
};
video.requestVideoFrameCallback(note);
window.moves = 0;
window.mediaTree.player.addEventListener('moved', () => { window.moves++; });
"""
FRAME_MS = 1000 / 30
# https://www.w3.org/TR/webrtc-stats/: a freeze: longer than this
FREEZE_MS = FRAME_MS + 150


def drain(node, method="POST", **body):
    return node.request("/api/drain", method,
                        body=json.dumps(body).encode() if body else b"",
                        headers={"Content-Type": "application/json"})


class Watcher:
    def __init__(self, browser, node, stream="live"):
        self.page = browser.open(f"{node.url}/watch/{stream}")
        self.page.wait_js("window.mediaTree && "
                          "window.mediaTree.player.state === 'playing'",
                          "a playing page")
        self.page.js(NOTE_FRAMES)
        self.wait_frames(30)

    def frames(self):
        return self.page.js("return window.frames_;")

    def wait_frames(self, more):
        start = len(self.frames())
        wait_for(lambda: len(self.frames()) >= start + more,
                 f"{more} more frames", 15)

    def moves(self):
        return self.page.js("return window.moves;")

    def wait_moved(self, count=1, timeout=20):
        wait_for(lambda: self.moves() >= count, "the page's move", timeout)

    def largest_gap_ms(self):
        times = [at for at, _ in self.frames()]
        return max(b - a for a, b in zip(times, times[1:]))

    def steps_back(self):
        """How often a frame was older than the one before."""
        stamps = [ts for _, ts in self.frames() if ts is not None]
        return sum((b - a) % 2**32 >= 2**31 for a, b in zip(stamps, stamps[1:]))


@pytest.fixture
def cluster(world):
    cluster = Cluster(world, world.redis().url, "--insecure")
    cluster.grow(injection=1, relay=2, egress=2)
    world.obs(cluster["i1"])
    cluster.wait_live("live")
    return cluster


def is_draining(cluster, seen_by, name):
    nodes = cluster[seen_by].request("/api/nodes").json()
    return any(n["id"] == name and n["draining"] for n in nodes)


def test_egress_drains_without_a_break(world, cluster, browser):
    page = Watcher(browser, cluster["e1"])
    viewers = world.viewers(cluster["e2"])
    viewers.wait_video()
    answer = drain(cluster["e1"])
    assert answer.status == 202, answer.body
    assert answer.json()["draining"]
    page.wait_moved()
    page.wait_frames(60)
    assert page.steps_back() == 0
    print(f"largest gap between frames: {page.largest_gap_ms():.0f} ms")
    assert page.largest_gap_ms() < FREEZE_MS
    # nobody is left: it ends by itself, as if it had been told to
    assert cluster["e1"].process.wait(15) == 0
    page.wait_frames(30)
    assert page.page.js("return window.mediaTree.player.state;") == "playing"
    viewers.wait_video()


def test_nobody_new(world, cluster):
    e1 = cluster["e1"]
    viewers = world.viewers(e1) # without events: he stays till the deadline
    viewers.wait_video()
    assert drain(e1, deadline_s=600).status == 202
    assert e1.request("/readyz").status == 503
    wait_for(lambda: is_draining(cluster, "e2", "e1"), "the others' word")
    newcomer = world.viewers(e1)
    newcomer.wait_video()
    assert newcomer.find("joined")[0]["location"].startswith(cluster["e2"].url)
    viewers.wait_video()
    # a change of mind
    assert drain(e1, "DELETE").json()["draining"] is False
    wait_for(lambda: e1.request("/readyz").status == 200, "readiness")
    # and again, with an end
    assert drain(e1, deadline_s=1).status == 202
    assert e1.process.wait(15) == 0
    assert viewers.finish()["viewers"][0]["is_closed"]


def test_relay_drains_without_a_loss(world, cluster):
    viewers = world.viewers(cluster["e1"])
    viewers.wait_video()
    assert drain(cluster["r1"]).status == 202
    assert cluster["r1"].process.wait(30) == 0
    viewers.wait_video()
    end = viewers.finish()["viewers"][0]
    assert end["video"]["n_missing"] == 0 and end["audio"]["n_missing"] == 0


@pytest.mark.parametrize("body", [
    "x", "[]", '{"deadline_s": -1}', '{"deadline_s": 86401}',
    '{"deadline_s": "1"}'])
def test_bad_words(node, body):
    answer = node.request("/api/drain", "POST", body=body.encode())
    assert answer.status == 400
    assert answer.json()["type"].endswith("drain-deadline")
    assert node.request("/readyz").status == 200
    assert node.request("/api/drain", "PUT", body=b"").status == 405
    assert node.request("/api/drain/x").status == 404
