# SPDX-License-Identifier: Apache-2.0
"""Any node answers any WHIP, WHEP and page request: it serves, sends the client
on to another node (307), or says 503."""
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from lib import sdp
from lib.cluster import Cluster
from lib.http import SDP, request
from lib.node import run_binary
from lib.signaling import PREFLIGHT, assert_cors, assert_preflight
from lib.wait import wait_for

PUBLISH, WATCH = "publish-token", "watch-token"
TOKENS = ("--whip-token", PUBLISH, "--whep-token", WATCH)
BEARER = {"Authorization": "Bearer " + WATCH}


@pytest.fixture
def cluster(world):
    return Cluster(world, world.redis().url)


def watch_offer(**how):
    return sdp.make_offer(direction="recvonly", **how)


def assert_sent_on(reply, path, *targets):
    """@reply is a 307 to @path at one of @targets; the URL."""
    assert reply.status == 307, reply
    assert_cors(reply)
    url = reply.headers["Location"]
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}" in [t.url for t in targets], url
    assert parts.path == path
    assert len(parse_qs(parts.query)["redirect"][0]) > 40, url
    return url


def post(url, offer, headers=None):
    return request(url, "POST", offer, {"Content-Type": SDP,
                                        **(headers or {})})


def find_stream(node, name):
    """What the node's tree says of it."""
    reply = node.request("/api/tree")
    assert reply.status == 200, reply
    return next((s for s in reply.json()["streams"] if s["name"] == name),
                {"origin": None, "epoch": 0})


def assert_full(reply, code):
    reply.assert_problem(503, code=code)
    assert 1 <= int(reply.headers["Retry-After"]) <= 5, reply


def test_a_relay_sends_everybody_on(world, cluster):
    """OBS and a viewer talk to a relay; both play by way of 307."""
    cluster.grow(injection=1, relay=1, egress=1)
    relay = cluster["r1"]
    world.obs(relay, wait=False).wait_connected()
    cluster.wait_live("live")
    streams = relay.request("/api/streams").json()
    assert [s["origin"] for s in streams] == ["i1"], streams
    assert {t["codec"] for t in streams[0]["tracks"]} == {"H264", "opus"}
    viewers = world.viewers(relay)
    viewers.wait_video(60)
    assert cluster["e1"].metrics().total("media_tree_viewers") == 1
    assert cluster["i1"].metrics().total("media_tree_publishers") == 1
    metrics = relay.metrics()
    for action in ("publish", "watch"):
        assert metrics.total("media_tree_redirects_total",
                             action=action) == 1
    end = viewers.finish()["viewers"][0]
    assert end["video"]["n_missing"] == 0, end


def test_what_a_redirect_opens(world, cluster):
    """Without Authorization, as browsers follow it: this stream, this action,
    this once."""
    cluster.args = TOKENS
    cluster.grow(injection=1, relay=1, egress=1)
    relay, egress = cluster["r1"], cluster["e1"]
    world.obs(cluster["i1"], token=PUBLISH, watch_token=WATCH)
    cluster.wait_live("live", headers=BEARER)
    assert_preflight(relay.request("/whep/live", "OPTIONS",
                                   headers=PREFLIGHT))
    relay.post_sdp("/whep/live", watch_offer()).assert_problem(401)
    relay.post_sdp("/whip/live", sdp.publish_offer(),
                   BEARER).assert_problem(401)
    url = assert_sent_on(
        relay.post_sdp("/whep/live", watch_offer(), BEARER),
        "/whep/live", egress)
    # changed, for another stream, for another action
    token = parse_qs(urlsplit(url).query)["redirect"][0]
    i = len(token) // 2
    changed = token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1:]
    for bad in (url.replace(token, changed),
                url.replace("/whep/live", "/whep/other"),
                url.replace("/whep/", "/whip/")):
        post(bad, watch_offer()).assert_problem(401)
    null = {"Origin": "null"}
    reply = post(url, watch_offer(), null)
    assert reply.status == 201, reply
    assert_cors(reply)
    assert "127.0.0.1" in reply.text  # candidates as for this machine
    # a publisher, too: his POST at a relay
    url = assert_sent_on(
        relay.post_sdp("/whip/live", sdp.publish_offer(),
                       {"Authorization": "Bearer " + PUBLISH}),
        "/whip/live", cluster["i1"])
    assert post(url, sdp.publish_offer(), null).status == 201


def test_full_nodes(world, cluster):
    cluster.node("i1", "injection", "--max-publishers", "1")
    one = cluster.node("e1", "egress", "--max-viewers", "1")
    two = cluster.node("e2", "egress", "--max-viewers", "1")
    cluster.wait_placed()
    world.obs(cluster["i1"])
    cluster.wait_live("live")
    assert one.post_sdp("/whep/live", watch_offer()).status == 201
    url = assert_sent_on(one.post_sdp("/whep/live", watch_offer()),
                         "/whep/live", two)
    assert post(url, watch_offer()).status == 201
    # sent on once already: not again, though the other's heartbeat says free
    assert_full(post(url, watch_offer()), "server-full")

    def nobody_has_room():
        replies = [n.post_sdp("/whep/live", watch_offer())
                   for n in (one, two, cluster["i1"])]
        return {r.status for r in replies} == {503} and replies
    replies = wait_for(nobody_has_room, "heartbeats that say full", 10)
    assert_full(replies[0], "server-full")
    assert_full(replies[1], "server-full")
    assert_full(replies[2], "no-node")
    assert one.metrics().total("media_tree_joins_refused_total",
                               reason="full") >= 1
    # one injection node, which has its only publisher
    wait_for(lambda: one.post_sdp("/whip/other", sdp.publish_offer()).status
             == 503, "a heartbeat that says so")
    assert_full(one.post_sdp("/whip/other", sdp.publish_offer()), "no-node")
    assert_full(cluster["i1"].post_sdp("/whip/other", sdp.publish_offer()),
                "publisher-limit")


def test_a_stream_that_nobody_publishes(cluster):
    cluster.grow(injection=1, relay=1, egress=1)
    for node in cluster.nodes.values():
        reply = node.post_sdp("/whep/nothing", watch_offer())
        if reply.status == 307:
            reply = post(reply.headers["Location"], watch_offer())
        reply.assert_problem(409, code="stream-not-live")
        assert int(reply.headers["Retry-After"]) >= 1


def test_bandwidth(world, cluster):
    """A node that sends as much as it may sends the next viewer on."""
    cluster.node("i1", "injection")
    small = cluster.node("e1", "egress", "--max-bandwidth", "200 kbit/s")
    large = cluster.node("e2", "egress")
    cluster.wait_placed()
    world.obs(cluster["i1"])
    cluster.wait_live("live")
    world.viewers(small).wait_video(60)

    def is_sent_on():
        reply = small.post_sdp("/whep/live", watch_offer())
        return reply.status == 307 and reply
    assert_sent_on(wait_for(is_sent_on, "a 307", 10), "/whep/live", large)


def test_takeover_prefers_the_origin(world, cluster):
    """What is published at i2 goes on at i2: nothing changes in the tree."""
    cluster.grow(injection=3, relay=1, egress=0)
    world.obs(cluster["i2"])
    cluster.wait_live("live")
    for _ in range(5):
        assert_sent_on(cluster["r1"].post_sdp("/whip/live",
                                              sdp.publish_offer()),
                       "/whip/live", cluster["i2"])


def test_a_publisher_goes_on_elsewhere(world, cluster):
    """His node is killed; the same POST at any living one is on screen again,
    for the same viewers, as one stream."""
    cluster.grow(injection=2, relay=1, egress=1)
    world.obs(cluster["i1"])
    cluster.wait_live("live")
    viewers = world.viewers(cluster["e1"])
    viewers.wait_video(60)
    epoch = find_stream(cluster["e1"], "live")["epoch"]
    killed = cluster.nodes.pop("i1")
    killed.kill()
    world.started.remove(killed)
    # at once, while the killed one still seems to live: i2 takes him itself
    begin = time.monotonic()
    world.obs(cluster["i2"], wait=False).wait_connected()
    viewers.wait_video(30)
    assert time.monotonic() - begin < 5
    cluster.wait_live("live")
    stream = wait_for(
        lambda: find_stream(cluster["e1"], "live")["origin"] == "i2" and
        find_stream(cluster["e1"], "live"), "the new origin", 10)
    assert stream["epoch"] > epoch, stream
    viewer = viewers.finish()["viewers"][0]
    assert not viewer["is_closed"], viewer
    for kind in ("audio", "video"):
        assert viewer[kind]["n_ssrc_changes"] == 0, viewer
        assert viewer[kind]["n_ts_backwards"] == 0, viewer
        assert viewer[kind]["n_missing"] == 0, viewer


def test_a_takeover_at_another_node(world, cluster):
    """Who comes last has the stream; the former publisher is told so."""
    cluster.grow(injection=2, relay=1, egress=1)
    first = world.obs(cluster["i1"])
    cluster.wait_live("live")
    viewers = world.viewers(cluster["e1"])
    viewers.wait_video(60)
    world.obs(cluster["i2"], wait=False).wait_connected()
    wait_for(lambda: find_stream(cluster["i1"], "live")["origin"] == "i2",
             "the new origin", 10)
    wait_for(lambda: cluster["i1"].metrics().total(
        "media_tree_whip_sessions_total", result="replaced") == 1,
        "the former one's end", 10)
    assert first.finish()["closed_by_peer"]
    viewers.wait_video(60)
    viewer = viewers.finish()["viewers"][0]
    assert not viewer["is_closed"], viewer
    for kind in ("audio", "video"):
        assert viewer[kind]["n_ssrc_changes"] == 0, viewer
        assert viewer[kind]["n_missing"] == 0, viewer


def test_page_of_a_relay_plays(world, cluster, browser):
    """The page's fetch follows to another origin, in spite of its policy."""
    cluster.args = ("--insecure",)
    cluster.grow(injection=1, relay=1, egress=1)
    world.obs(cluster["i1"])
    cluster.wait_live("live")
    page = browser.open(cluster["r1"].url + "/watch/live")
    page.wait_js("window.mediaTree && window.mediaTree.player", "player page")

    def frames():
        video = page.js("return window.mediaTree.player.stats();")["video"]
        return video and video["framesDecoded"] > 10
    wait_for(frames, "a picture", 20, 0.2)

    def n_viewers():
        return cluster["e1"].metrics().total("media_tree_active_sessions")
    assert n_viewers() == 1
    # who leaves ends the session at the other node, too
    page.js("window.mediaTree.player.stop();")
    wait_for(lambda: n_viewers() == 0, "an ended session", 10)


def test_settings_of_a_cluster():
    for args, words in (
            (("--redis-url", "redis://127.0.0.1"), "cluster-secret: is missing"),
            (("--redis-url", "redis://127.0.0.1", "--cluster-secret", "short"),
             "cluster-secret: has fewer than 16"),
            (("--redis-url", "http://x", "--cluster-secret", "x" * 16),
             "redis-url:"),
            (("--role", "relay"), "a relay alone needs redis-url")):
        run = run_binary(*args)
        assert run.returncode == 78, run
        assert words in run.stderr, run


def test_a_taken_node_id_ends_the_program(world, cluster):
    cluster.node("e1", "egress")
    cluster.nodes.clear()
    second = cluster.node("e1", "egress", ready=False)
    start = time.monotonic()
    assert second.process.wait(30) == 69, time.monotonic() - start
    assert "another node that runs is called" in second.read_log()
    world.started.remove(second)
    world.nodes[0].assert_alive()
