# SPDX-License-Identifier: Apache-2.0
"""The injection node dies while an OBS-shaped client publishes: the publisher
is told, comes back there or at another injection node, and viewers go on in
their sessions as if nothing had been but a pause."""
import time

import pytest

from lib.cluster import Cluster
from lib.trial import assert_viewers_smooth
from lib.wait import wait_for

STREAM = "live"
EGRESS = ("e1", "e2")
N_VIEWERS = 2
MAX_SCREEN_S = 2


@pytest.fixture
def cluster(world, tmp_path):
    cluster = Cluster(world, world.redis().url, "--insecure")
    cluster.node("i1", "injection", "--state-dir", str(tmp_path / "state"),
                 ready=False)
    cluster.node("i2", "injection", ready=False)
    return cluster.grow(injection=0, relay=2, egress=2)


def newest_frame(browser):
    """(wall seconds, pictures seen)"""
    seen = browser.get("seen")
    return (seen[-1][0] / 1000 if seen else 0), len(seen)


def origin_of(node):
    for stream in node.request("/api/tree").json()["streams"]:
        if stream["name"] == STREAM:
            return stream["origin"]
    return None


@pytest.mark.parametrize("target", ["i1", "i2", "e1"])
def test_injection_node_killed(world, cluster, peer, target):
    """@target: where the publisher goes: the restarted node, another one, or
    an egress node, which sends it on."""
    obs = world.obs(cluster["i1"])
    viewers = {name: world.viewers(cluster[name], count=N_VIEWERS)
               for name in EGRESS}
    for some in viewers.values():
        some.wait_video(60)
    browser = peer()
    browser.watch(f"{cluster['e2'].url}/whep/{STREAM}", read=True)
    browser.wait_frames(30)

    killed_at = time.monotonic()
    cluster["i1"].kill()
    cluster["i1"].start()
    obs.wait_event("closed", 2)
    told_s = time.monotonic() - killed_at
    assert obs.finish()["closed_by_peer"]

    n_before = {name: [v["video"]["n_packets"] for v in some.report()]
                for name, some in viewers.items()}
    posted_s = time.time()
    world.obs(cluster[target], wait=False).wait_connected()

    def seen_after_post():
        return [w for w, n, _ in browser.get("seen")
                if w / 1000 > posted_s and n is not None]
    wait_for(seen_after_post, "picture of the publisher that came back", 10,
             0.1)
    screen_s = seen_after_post()[0] / 1000 - posted_s
    for name, some in viewers.items():
        some.wait_video(60)
        now = [v["video"]["n_packets"] for v in some.report()]
        assert all(n > before for n, before in zip(now, n_before[name]))
    print(f"killed: publisher told after {told_s:.2f} s; back at {target}: on "
          f"screen {screen_s:.2f} s after its POST")
    for name in EGRESS:
        expected = "i1" if target == "i1" else None
        origin = wait_for(lambda name=name: origin_of(cluster[name]),
                          f"stream in {name}'s directory")
        assert expected is None or origin == expected, origin
    assert_viewers_smooth({name: some.finish()["viewers"]
                           for name, some in viewers.items()})
    assert screen_s <= MAX_SCREEN_S
    assert browser.stats()["broken"] == 0


def test_killed_origin_carries_again(world, cluster):
    """After its restart the node that was the origin finds what is published
    elsewhere without anyone's help."""
    world.obs(cluster["i1"])
    world.obs(cluster["i2"], "other")
    cluster.wait_live("other")
    cluster["i1"].kill()
    start = time.monotonic()
    cluster["i1"].start()
    child = world.link_subscriber([cluster["i1"].relay_port], cluster.secret,
                                  ["other"])
    child.wait_packets(1, 30)
    print(f"carries again {time.monotonic() - start:.1f} s after its restart")
    child.wait_packets(200)
    child.finish()
