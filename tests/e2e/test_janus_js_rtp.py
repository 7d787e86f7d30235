# SPDX-License-Identifier: Apache-2.0
"""npm's janus.js on mountpoints that it creates and that plain RTP feeds:
VP8, renditions of a simulcast, a part of the media, a PIN."""
import itertools

import pytest

from lib.janus_peers import WITH_JANUS, JanusPage
from lib.wait import wait_for

SECRET = "mine"
# a source of RTP has a keyframe each second; janus waits for it
MAX_FREEZE_MS = 1800 if WITH_JANUS else 300
numbers = itertools.count(301)


@pytest.fixture
def viewer(browser, janus, npm_origin):
    viewer = JanusPage(browser, npm_origin)
    viewer.open(janus.ws_url)
    made = []
    viewer.made = made
    yield viewer
    for number in made:
        gone = viewer.call("ask", {"request": "destroy", "id": number,
                                   "secret": SECRET})
        assert gone["destroyed"] == number, gone


def create(viewer, codec="h264", **video):
    """(id, ports of the video and of the sound)"""
    number = next(numbers)
    made = viewer.call("ask", {
        "request": "create", "type": "rtp", "id": number, "secret": SECRET,
        "pin": "1234", "media": [
            {"type": "video", "mid": "v", "port": 0, "pt": 96,
             "codec": codec, **video},
            {"type": "audio", "mid": "a", "port": 0, "pt": 111,
             "codec": "opus"}]})
    assert made["streaming"] == "created", made
    viewer.made.append(number)
    ports = {p["mid"]: p for p in made["stream"]["ports"]}
    return number, [ports["v"][k] for k in ("port", "port_2", "port_3")
                    if k in ports["v"]], ports["a"]["port"]


def wait_rtp(viewer, number):
    def flows():
        info = viewer.call("ask", {"request": "info", "id": number})["info"]
        return all(m.get("age_ms", 9999) < 1000 for m in info["media"])
    wait_for(flows, f"RTP of {number}")


def test_switch_of_vp8(world, viewer):
    """Picture ids go on too: nothing breaks, nothing stops."""
    made = {}
    for first in (2000, 3000):
        number, (video,), audio = create(viewer, "vp8")
        world.rtp_source(("VP8", 96, video), ("OPUS", 111, audio),
                         first=first)
        wait_rtp(viewer, number)
        made[number] = first
    a, b = made
    viewer.watch(a, pin="1234")
    viewer.wait_numbers(made[a])
    for number in (b, a, b):
        viewer.run_for(700)
        since = viewer.now_ms()
        viewer.do("switch", ("switched", "ok"), id=number)
        viewer.wait_numbers(made[number], since_ms=since)
        viewer.run_for(700)
        assert viewer.longest_gap_ms(since - 500) <= MAX_FREEZE_MS
    assert viewer.stats("video")["packetsLost"] == 0
    assert len(viewer.offers()) == 1


def test_renditions(world, viewer):
    """The best one first, each one asked for, and the next best when one is
    silent."""
    number, ports, audio = create(viewer, simulcast=True)
    assert len(ports) == 3
    firsts = (4000, 5000, 6000)
    for first, port in zip(firsts, ports):
        sources = [("H264", 96, port)] + \
            [("OPUS", 111, audio)] * (first == firsts[0])
        last = world.rtp_source(*sources, first=first)
    wait_rtp(viewer, number)
    viewer.watch(number, pin="1234")
    viewer.wait_numbers(6000)
    for substream in (0, 2, 1, 0, 2):
        since, heard = viewer.now_ms(), len(viewer.heard())
        viewer.do("configure", ("event", "configured"), substream=substream)
        viewer.wait_numbers(firsts[substream], since_ms=since)
        viewer.wait_result("substream", substream, heard)
        viewer.run_for(500)
        assert viewer.longest_gap_ms(since - 300) <= MAX_FREEZE_MS
    since = viewer.now_ms()
    last.finish()
    viewer.wait_numbers(5000, since_ms=since)
    assert viewer.stats("video")["packetsLost"] == 0
    assert len(viewer.offers()) == 1


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_part_of_the_media(viewer, world, kind):
    number, (video,), audio = create(viewer)
    world.rtp_source(("H264", 96, video), ("OPUS", 111, audio), first=4000)
    wait_rtp(viewer, number)
    viewer.watch(number, pin="1234", media=[kind[0]])
    if kind == "video":
        viewer.wait_numbers(4000)
    else:
        viewer.wait_sound()
    assert {h["kind"] for h in viewer.heard() if h["what"] == "track"} == \
        {kind}
    assert viewer.offers()[0].count("m=") == 1


def test_pin(viewer):
    number, _, _ = create(viewer)
    for pin, code in ((None, 453), ("4321", 457)):
        viewer.page.js("window.viewer.heard = [];")
        viewer.call("send", {"request": "watch", "id": number,
                             **({"pin": pin} if pin else {})})
        wait_for(lambda: viewer.page.js(
            "return window.viewer.heard.map((h) => h.message.error_code);")
            == [code], f"error {code}")
    viewer.page.js("window.viewer.heard = [];")
