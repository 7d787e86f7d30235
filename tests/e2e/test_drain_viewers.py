# SPDX-License-Identifier: Apache-2.0
"""Viewers of every kind while their node drains: with a pin, over the Janus
API, and those who cannot be told to move: they are cut at the deadline."""
import pytest

from lib.cluster import Cluster
from lib.janus_client import HttpClient
from lib.janus_peers import JanusPage
from lib.mountpoints import Owner
from lib.moves import Watcher, drain
from lib.wait import wait_for

CAUSE = "Drained: the deadline is over"
CUT = "media_tree_drain_cut_viewers_total"
NO_NEW_SESSIONS = 472
REFUSED = 470

# our player in a page of somebody's own, at any address of a stream
OWN_PAGE = """
window.EventSource = a[1] ? window.EventSource : class {
  addEventListener() {}
  close() {}
};
const {WhepPlayer} = await import('/whep.js');
const video = document.querySelector('video');
window.mediaTree = {player: new WhepPlayer({url: a[0], video})};
window.mediaTree.player.play();
"""


class OwnPage(Watcher):
    def __init__(self, browser, node, stream, hears=True):
        page = browser.open(f"{node.url}/watch/x?autostart=0")
        page.js(OWN_PAGE, f"{node.url}/whep/{stream}", hears)
        self.begin(page)


@pytest.fixture
def cluster(world):
    return Cluster(world, world.redis().url, "--insecure").grow(
        injection=1, egress=2)


def drain_and_cut(node, deadline_s=1):
    """Its first answer; returns once it has cut whoever is left."""
    answer = drain(node, deadline_s=deadline_s)
    assert answer.status == 202, answer.body
    wait_for(lambda: node.metrics().total(CUT) == 1, "the cut", 10)
    assert drain(node, "GET").json()["cut"] == 1
    return answer.json()


def assert_named(node, session):
    """It ended by itself; who was cut is in the log."""
    assert node.process.wait(10) == 0
    gone = [line for line in node.read_log().splitlines()
            if f"viewer gone: {CAUSE}" in line]
    assert len(gone) == 1 and session in gone[0], gone


@pytest.mark.parametrize("way", ["bearer", "address"])
def test_pinned(world, cluster, browser, way):
    ports = Owner(cluster["i1"]).ports(id=52, pin="p 7")
    world.ffmpeg(ports["v", "port"], ports["a", "port"])
    for name in ("e1", "e2"):
        cluster[name].wait_live("52")
    stays = world.viewers(cluster["e2"], "52?pin=p%207")
    stays.wait_video()
    page = Watcher(browser, cluster["e1"], "52", "#token=p%207") \
        if way == "bearer" else \
        OwnPage(browser, cluster["e1"], "52?pin=p%207")
    page.move_from(cluster["e1"])
    page.wait_frames(15)
    wait_for(lambda: cluster["e1"].metrics().total("media_tree_viewers") == 0,
             "nobody at e1")
    page.move_from(cluster["e2"])
    page.wait_frames(15)
    assert page.shown().n_steps_back() == 0


@pytest.mark.parametrize("way", ["http", "websocket"])
def test_janus_js(world, cluster, browser, npm_origin, way):
    """It cannot be told before: it hears a hangup at the deadline, nobody new
    is let in, and its page goes on elsewhere."""
    def url(name):
        return cluster[name].url + "/janus" if way == "http" else \
            cluster[name].url.replace("http", "ws", 1) + "/janus/ws"
    world.obs(cluster["i1"], "101")
    for name in ("e1", "e2"):
        cluster[name].wait_live("101")
    viewer = JanusPage(browser, npm_origin)
    handle = str(viewer.open(url("e1")))
    viewer.watch(101)
    viewer.wait_pictures(101)
    late = HttpClient(cluster["e1"].url + "/janus")
    session = late.create()
    late_handle = late.attach(session)
    answer = drain_and_cut(cluster["e1"])
    refused = HttpClient(cluster["e1"].url + "/janus").send("create")
    assert refused["error"]["code"] == NO_NEW_SESSIONS, refused
    late.message(session, late_handle, {"request": "watch", "id": 101})
    refused = late.wait_event(session, lambda e: e["janus"] == "event")
    assert refused["plugindata"]["data"]["error_code"] == REFUSED, \
        refused
    assert answer["untold"] == 1
    assert answer["untold_sessions"] == [handle]
    hangup = viewer.wait_heard(lambda h: h["what"] == "webrtc"
                               and not h["on"], "word of the end")
    assert hangup["reason"] == CAUSE
    viewer.wait_result("status", "stopped")
    viewer.wait_heard(lambda h: h["what"] == "cleanup", "cleanup")
    assert_named(cluster["e1"], handle)
    # what its page does now: another server of its list
    since = viewer.now_ms()
    viewer.call("open", url("e2"), {})
    viewer.call("attach", {})
    viewer.watch(101)
    viewer.wait_pictures(101, since_ms=since)
    viewer.wait_sound()


def test_a_player_that_hears_nothing(world, cluster, browser):
    """It is cut at the deadline, tries again where it was, and is sent on."""
    world.obs(cluster["i1"])
    for name in ("e1", "e2"):
        cluster[name].wait_live("live")
    page = OwnPage(browser, cluster["e1"], "live", hears=False)
    answer = drain_and_cut(cluster["e1"])
    assert answer["untold"] == 1 and answer["told"] == 0
    page.wait_frames(30)
    assert_named(cluster["e1"], answer["untold_sessions"][0])
    page.wait_frames(30)
    print(f"away for {page.shown().largest_gap_ms():.0f} ms")
    assert page.moves() == 0
    assert cluster["e2"].metrics().total("media_tree_viewers") == 1
