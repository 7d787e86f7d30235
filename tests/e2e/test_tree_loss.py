# SPDX-License-Identifier: Apache-2.0
"""Packets lost on every link, both ways: three hops below the origin, with two
parents and with one, nearly all arrive. With --repair=no the same trial shows
the loss."""
import pytest

from lib import media
from lib.cluster import POOL_PORTS, Cluster
from lib.peers import CACHE
from lib.trial import Watch

TRIAL_S = 6
KBPS = 4000  # 200 packets a second with the sound
DELAY_MS = 5  # each way of each link
MIN_SHARE = 0.9999
ROLES = {"i": "injection", "r": "relay", "e": "egress"}


class Tree:
    """A cluster with a proxy before each node, and a stream in it."""

    def __init__(self, world, redis, name, levels, *args):
        self.world = world
        self.name = name
        self.cluster = Cluster(world, redis.url, "--insecure",
                               "--redis-prefix", name, *args)
        self.egress = [n for n in levels if n[0] == "e"]
        for seed, node in enumerate(levels, 1):
            self.cluster.node(node, ROLES[node[0]], loss={
                "seed": seed, "what": "all", "delay_ms": DELAY_MS})
            self.cluster.wait_placed()
        self.watch = None

    def allow_only(self, parent, child):
        """Nobody else gets through @parent's proxy."""
        first = self.cluster[child].pool
        self.cluster[parent].proxy.set("allow",
                                       f"{first}-{first + POOL_PORTS - 1}")

    def publish(self):
        self.world.obs(self.cluster["i1"], video_file=media.video(
            CACHE, "H264", kbps=KBPS))
        return self

    def set_loss(self, share, dice="arrival"):
        for node in self.cluster.nodes.values():
            node.proxy.set("dice", dice)
            node.proxy.set("loss", share)

    def begin(self, share, dice):
        self.watch = Watch(self.world, self.cluster, ("i1", *self.egress))
        self.watch.wait_begun()
        self.repaired = self.total("repaired")
        self.set_loss(share, dice)

    def end(self):
        """(packets expected, missing)"""
        self.set_loss(0)
        self.watch.wait_more(1)
        differences = self.watch.compare(self.watch.finish(), to_end=False)
        n_packets = sum(d.n_packets for d in differences)
        n_missing = sum(d.n_missing for d in differences)
        assert not any(d.n_wrong for d in differences), \
            "; ".join(map(str, differences))
        assert n_packets >= len(self.egress) * TRIAL_S * 100, n_packets
        print(f"{self.name}: {n_missing} of {n_packets} missing, "
              f"{self.total('repaired') - self.repaired:.0f} repaired")
        return n_packets, n_missing, "; ".join(map(str, differences))

    def total(self, what):
        return sum(node.metrics().total(f"media_tree_link_{what}_total")
                   for node in self.cluster.nodes.values())


@pytest.fixture(scope="module")
def trees(module_world):
    """Two parents at each node that can have them (r2 below i1 and r1, egress
    nodes below r1 and r2), and a chain where all but one are cut off."""
    redis = module_world.redis()
    double = Tree(module_world, redis, "double", ("i1", "r1", "r2", "e1", "e2"))
    chain = Tree(module_world, redis, "chain", ("i1", "r1", "r2", "e1"),
                 "--max-children", "1")
    for parent, child in (("i1", "r1"), ("r1", "r2"), ("r2", "e1")):
        chain.allow_only(parent, child)
    return double.publish(), chain.publish()


@pytest.mark.parametrize("dice", ["arrival", "number"])
@pytest.mark.parametrize("share", [0.01, 0.05])
def test_loss_is_repaired(trees, share, dice):
    """@dice: "number": both parents' links lose the same packets."""
    for tree in trees:
        tree.begin(share, dice)
    trees[0].watch.wait_more(TRIAL_S)
    for tree in trees:
        n_packets, n_missing, text = tree.end()
        assert n_missing <= (1 - MIN_SHARE) * n_packets, text
        assert tree.total("repaired") > tree.repaired, tree.name


def test_loss_shows_without_repair(world):
    tree = Tree(world, world.redis(), "alone", ("i1", "r1", "e1"), "--repair=no",
                "--max-children", "1")
    tree.allow_only("i1", "r1")
    tree.allow_only("r1", "e1")
    tree.publish().begin(0.05, "arrival")
    tree.watch.wait_more(TRIAL_S)
    n_packets, n_missing, text = tree.end()
    assert n_missing > 0.03 * n_packets, text  # 5 % on each of two links
    assert tree.total("repaired") == 0
