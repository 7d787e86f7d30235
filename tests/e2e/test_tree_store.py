# SPDX-License-Identifier: Apache-2.0
"""A store that lies, hangs or fails over, nodes that cannot be as they say:
refused, counted, not logged over and over, and media goes on."""
import time

import pytest

from lib.bad_store import SPOILERS, BadStore
from lib.cluster import Cluster
from lib.redis import RedisError
from lib.trial import Watch, assert_nothing_missing, assert_viewers_smooth
from lib.wait import wait_for

MAX_LINES = 4  # a node may say of one kind of trouble
TRIAL_S = 1
ERRORS = "media_tree_store_errors_total"


def is_connected(node):
    return node.request("/api/tree").json()["store_connected"]


def n_errors(node):
    return node.metrics().total(ERRORS)


def n_lines(node):
    return sum(" WARNING cluster " in line or " ERROR " in line
               for line in node.read_log().splitlines())


class Media:
    """What must go on: every packet at e1, and viewers there."""

    def __init__(self, world, cluster):
        self.world, self.cluster = world, cluster
        self.obs = world.obs(cluster["i1"])
        self.watch = Watch(world, cluster, ("i1", "e1"))
        self.watch.wait_begun()
        self.viewers = world.viewers(cluster["e1"], count=2)
        self.viewers.wait_video(30)

    def join(self):
        late = self.world.viewers(self.cluster["e1"])
        late.wait_video(20)
        assert_viewers_smooth({"e1": late.finish()["viewers"]})

    def finish(self):
        assert_viewers_smooth({"e1": self.viewers.finish()["viewers"]})
        self.obs.finish()
        self.watch.wait_level()
        assert_nothing_missing(self.watch.compare(self.watch.finish()), 100)


@pytest.fixture(scope="module")
def cluster(module_world):
    redis = module_world.redis()
    store = module_world._add(BadStore(redis.port))
    cluster = Cluster(module_world, store.url, "--insecure")
    cluster.store, cluster.redis = store, redis
    return cluster.grow(injection=1, relay=2, egress=1)


def test_store_that_lies(world, cluster):
    media = Media(world, cluster)
    nodes = cluster.nodes.values()
    for mode in [m for m in SPOILERS if m != "pass"]:
        before = {node: (n_errors(node), n_lines(node)) for node in nodes}
        cluster.store.mode = mode
        for node in nodes:
            wait_for(lambda node=node: n_errors(node) > before[node][0],
                     f"counted error of {node.name}, mode {mode}", 15)
        media.watch.wait_more(TRIAL_S)
        media.join()
        for node in nodes:
            lines = n_lines(node) - before[node][1]
            assert lines <= MAX_LINES, (node.name, mode, lines)
            node.assert_alive()
        cluster.store.mode = "pass"
        start = time.monotonic()
        for node in nodes:
            wait_for(lambda node=node: is_connected(node),
                     f"{node.name} connected again after {mode}", 20)
        print(f"store {mode}: good again for all after "
              f"{time.monotonic() - start:.1f} s")
        cluster.wait_placed()
    media.finish()


def place(cluster, node, parent, backup, rank):
    """What a node would ask for itself"""
    return cluster.redis.call("FCALL", "mt_place", 0, "", "main", node, parent,
                              backup, rank, 16, 30000)


def parents(cluster):
    return {name: (member["parent"], member["backup"])
            for name in cluster.nodes
            for member in [cluster.member(name)]}


def hangs_from_origin(links, name, seen=()):
    """Each way up ends at i1"""
    if name == "i1":
        return True
    up = [p for p in links[name] if p]
    return up and name not in seen and all(
        hangs_from_origin(links, p, (*seen, name)) for p in up)


def test_topology_that_would_loop(world, cluster):
    """The store refuses it; one that somebody wrote past it is mended."""
    media = Media(world, cluster)
    before = parents(cluster)
    assert before["r2"][1] == "r1" or before["r1"][1] == "r2", before
    upper, lower = ("r1", "r2") if before["r2"][1] == "r1" else ("r2", "r1")
    with pytest.raises(RedisError, match="LOOP"):
        place(cluster, upper, lower, "", 4)
    with pytest.raises(RedisError, match="LOOP"):
        place(cluster, "e1", "e1", "", 4)
    assert parents(cluster) == before
    for child, parent in ((upper, lower), (lower, upper)):
        cluster.redis.call("SET", f"parent:{child}", parent)
        cluster.redis.call("DEL", f"backup:{child}")
        cluster.redis.call("PUBLISH", f"topology:{child}", child)

    def stored():
        return {name: tuple(cluster.redis.call("GET", f"{key}:{name}")
                            for key in ("parent", "backup"))
                for name in ("r1", "r2", "e1")}
    wait_for(lambda: all(hangs_from_origin(stored(), name)
                         for name in ("r1", "r2", "e1")),
             "topology without a loop in the store", 20)
    wait_for(lambda: all(hangs_from_origin(parents(cluster), name)
                         for name in ("r1", "r2", "e1")),
             "topology without a loop in the nodes", 10)
    media.join()
    media.finish()


def test_two_nodes_with_one_id(world, cluster):
    media = Media(world, cluster)
    first = cluster["e1"]
    second = cluster.node("e1", "egress", ready=False)
    cluster.nodes["e1"] = first
    module_world = cluster.world
    for list_ in (module_world.started, module_world.nodes):
        list_.remove(second)
    assert wait_for(lambda: second.process.poll(),
                    "end of the second node", 15) == 69
    assert "node-id" in second.read_log(), second.read_log()[-2000:]
    first.assert_alive()
    media.join()
    media.finish()
    cluster.wait_placed()


def test_sentinel_failover(world):
    sentinels = world.sentinels()
    cluster = Cluster(world, sentinels.url, "--insecure")
    cluster.grow(injection=1, relay=1, egress=1)
    media = Media(world, cluster)
    cluster.wait_live("live")
    old = sentinels.master
    old.kill()
    start = time.monotonic()
    for node in cluster.nodes.values():
        wait_for(lambda node=node: not is_connected(node),
                 f"{node.name} without its store", 10)
    media.join()
    wait_for(lambda: sentinels.master is not old, "another master", 20)
    for node in cluster.nodes.values():
        wait_for(lambda node=node: is_connected(node),
                 f"{node.name} connected to the new master", 20)
    print(f"failover: all connected after {time.monotonic() - start:.1f} s")
    master = sentinels.master
    wait_for(lambda: master.call("SMEMBERS", "nodes:main")
             and sorted(master.call("SMEMBERS", "nodes:main"))
             == sorted(cluster.nodes), "nodes in the new master")
    assert master.call("SMEMBERS", "streams:main") == ["live"]
    cluster.wait_placed()
    world.obs(cluster["i1"], "after")
    cluster.wait_live("after")
    media.join()
    media.finish()
