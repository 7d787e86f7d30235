# SPDX-License-Identifier: Apache-2.0
"""The whole tree: one injection node, two relays, four egress nodes. What the
origin sends arrives everywhere, byte by byte, also while Redis is away."""
import time

import pytest

from lib.cluster import Cluster
from lib.trial import (Watch, assert_nothing_missing, assert_viewers_smooth,
                       freezes)
from lib.wait import wait_for

TRIAL_S = 60
AWAY_S = 60
EGRESS = ("e1", "e2", "e3", "e4")
N_VIEWERS = 3


@pytest.fixture(scope="module")
def shared_redis(module_world):
    return module_world.redis()


@pytest.fixture(scope="module")
def cluster(module_world, shared_redis):
    cluster = Cluster(module_world, shared_redis.url, "--insecure")
    return cluster.grow(injection=1, relay=2, egress=4)


def join_viewers(world, cluster, stream, names=EGRESS):
    """{name: Viewers}"""
    joined = {name: world.viewers(cluster[name], stream, count=N_VIEWERS)
              for name in names}
    for viewers in joined.values():
        viewers.wait_video(20)
    return joined


def finish_all(viewers):
    return {name: some.finish()["viewers"] for name, some in viewers.items()}


def test_every_packet_everywhere(world, cluster, peer, stream):
    obs = world.obs(cluster["i1"], stream)
    watch = Watch(world, cluster, ("i1", *EGRESS), stream)
    watch.wait_begun()
    browser = peer()
    browser.watch(f"{cluster['e1'].url}/whep/{stream}", read=True)
    viewers = join_viewers(world, cluster, stream, EGRESS[1:])
    browser.wait_frames(30)
    watch.wait_more(TRIAL_S)
    ends = finish_all(viewers)
    pictures = browser.stats()
    obs.finish()
    watch.wait_level()
    differences = watch.compare(watch.finish())
    print(f"{TRIAL_S} s: {sum(d.n_packets for d in differences)} packets at "
          f"four egress nodes, {pictures['video']['freezeCount']} freezes in Chromium")
    assert_nothing_missing(differences, TRIAL_S * 100)
    assert_viewers_smooth(ends)
    assert pictures["broken"] == 0 and pictures["video"]["packetsLost"] == 0, \
        pictures["video"]


def test_each_level_feeds_the_next(world, cluster, stream):
    """Egress nodes take the stream from the relays, both at once; a relay
    from the origin; nothing is asked for twice."""
    obs = world.obs(cluster["i1"], stream)
    viewers = join_viewers(world, cluster, stream)

    def parents(name):
        carried, = [c for c in cluster[name].state()["cluster"]["carried"]
                    if c["stream"] == stream]
        return {p["node"]: p for p in carried["parents"] if p["active"]}
    for name in EGRESS:
        feeding = wait_for(lambda name=name: parents(name).keys()
                           == {"r1", "r2"} and parents(name),
                           f"both relays feeding {name}")
        assert not any(p["silent"] for p in feeding.values()), feeding
    for name in ("r1", "r2"):
        assert "i1" in parents(name), parents(name)
    assert_viewers_smooth(finish_all(viewers))
    obs.finish()


def whole_tree(node, stream):
    """What must be the same after Redis came back. An earlier test's stream
    may end meanwhile."""
    tree = node.request("/api/tree").json()
    return {
        "nodes": {n["id"]: (n["alive"], n["parent"], n["backup"], n["rank"],
                            n["url"], n["link_address"])
                  for n in tree["nodes"]},
        "streams": {s["name"]: (s["origin"], s["epoch"], tuple(s["codecs"]))
                    for s in tree["streams"] if s["name"] == stream}}


def is_connected(node):
    return node.request("/api/tree").json()["store_connected"]


def test_redis_away_for_a_minute(world, cluster, shared_redis, stream, peer):
    """Killed for a minute and back empty: viewers notice nothing, new ones
    get what is carried, and the nodes write all of it again."""
    obs = world.obs(cluster["i1"], stream)
    watch = Watch(world, cluster, ("i1", *EGRESS), stream)
    watch.wait_begun()
    viewers = join_viewers(world, cluster, stream)
    browser = peer()
    browser.watch(f"{cluster['e1'].url}/whep/{stream}", read=True)
    browser.wait_frames(30)
    cluster.wait_live(stream)
    before = whole_tree(cluster["e1"], stream)
    frozen = freezes(browser)

    shared_redis.kill()
    back_at = time.monotonic() + AWAY_S
    n_joins = 0

    def minute_is_over():
        nonlocal n_joins
        name = EGRESS[n_joins % len(EGRESS)]
        late = join_viewers(world, cluster, stream, [name])
        assert_viewers_smooth(finish_all(late))
        n_joins += 1
        assert_viewers_smooth({n: v.report() for n, v in viewers.items()})
        assert whole_tree(cluster["e1"], stream)["streams"] == before["streams"]
        return time.monotonic() >= back_at
    wait_for(minute_is_over, "minute without Redis", AWAY_S + 30, 2)
    for node in cluster.nodes.values():
        assert not is_connected(node)
        node.assert_alive()
    assert n_joins >= 8, n_joins

    shared_redis.start()
    start = time.monotonic()
    wait_for(lambda: all(is_connected(n) for n in cluster.nodes.values()),
             "store connected again", 15)
    for node in list(cluster.nodes.values()):
        wait_for(lambda node=node: whole_tree(node, stream) == before,
                 f"same tree at {node.name}", 15)
    print(f"Redis back: all as before after {time.monotonic() - start:.1f} s")
    # one who knew nothing reads it from Redis
    late = cluster.node("late", "egress")
    wait_for(lambda: whole_tree(late, stream)["streams"] == before["streams"],
             "directory read by a new node", 10)
    cluster.nodes.pop("late")
    join_viewers(world, {"late": late}, stream, ["late"])["late"].finish()
    late.stop()

    assert_viewers_smooth(finish_all(viewers))
    pictures = browser.stats()
    assert pictures["broken"] == 0 and pictures["video"]["packetsLost"] == 0, \
        pictures["video"]
    assert freezes(browser) == frozen
    obs.finish()
    watch.wait_level()
    assert_nothing_missing(watch.compare(watch.finish()), AWAY_S * 100)
