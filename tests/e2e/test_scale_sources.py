# SPDX-License-Identifier: Apache-2.0
"""Trees grow for viewers who come, and give back what these leave, by what each
source says: heartbeats, nodes asked by HTTP, a real Prometheus that finds the
nodes itself. Three trees do so side by side, for each needs a while."""
import json
import types

import pytest

from lib.cluster import Cluster
from lib.crowd import Crowd
from lib.monitoring import Prometheus
from lib.node import free_ports
from lib.subtrees import Instances, changes, provision, slots
from lib.wait import wait_for

TOKEN = "m" * 20
FEW = 2
USED = ('media_tree_viewer_slots{tree_id="$tree",state="used"}',
        'media_tree_viewer_slots{tree_id="$tree"}')
N_INSTANCES = 6
GROW_S, SHRINK_S, WATCH_S = 40, 60, 45


def policy(metrics=(), thresholds=()):
    return {
        "hardLimit": 40, "approval": "none", "egressPerSubtree": 1,
        "slots": {"warm": 0, "cold": 1, "warmEgress": 1},
        "policies": [{
            "name": "small", "service": "egress", "enabled": True,
            "minReplicas": 1, "maxReplicas": 2, "metrics": list(metrics),
            "thresholds": list(thresholds), "schedules": [], "headroom": 0,
            "spare": 0, "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
            "scaleUpBy": 1, "scaleDownBy": 1, "scaleDownWindow": 0.1,
            "settle": 2, "evaluationInterval": 1}]}


def watch_cpu(source, aggregation, up, down):
    """What a policy says of the signal cpu."""
    return ([{"name": "load", "type": "cpu", "source": source,
              "aggregation": aggregation, "window": 0}],
            [{"metric": "load", "scaleUp": up, "scaleDown": down,
              "comparison": "greater_than", "scaleDownRequired": True}])


class Tree:
    """@many: viewers that shall make it grow; @max_viewers: of a node"""

    def __init__(self, world, name, number, many, max_viewers, text, *args):
        self.world, self.name, self.many = world, name, many
        directory = world.directory_of(name)
        with open(f"{directory}/policy.json", "w", encoding="utf-8") as file:
            json.dump(text, file)
        self.redis = world.redis()
        self.instances = world.add(Instances(f"{directory}/instances"))
        cluster = Cluster(world, self.redis.url, "--insecure",
                          "--metrics-token", TOKEN, "--max-viewers",
                          str(max_viewers))
        self.node = cluster.node(
            "i1", "injection", "--autoscaling", "--autoscaling-policy",
            f"{directory}/policy.json", *args,
            *provision(self.instances.directory, N_INSTANCES,
                       20000 + 3000 * number))
        world.obs(self.node, "live")
        self.crowd = world.add(Crowd(world.directory_of("crowd"),
                                     f"{self.node.url}/whep/live"))

    def __repr__(self):
        return f"{self.name}: {slots(self.redis)}, {self.signal()}"

    def signal(self):
        trees = self.node.state()["scaling"]["controller"]["trees"]
        return trees and trees[0].get("signals", {}).get("cpu")

    def states(self):
        return sorted(slots(self.redis).values())

    def egress(self):
        """id -> node, of those who let viewers in"""
        return {row["id"]: row
                for row in self.node.request("/api/nodes").json()
                if row["alive"] and row["max_viewers"] and row["streams"]
                and not row["warm"] and not row["draining"]}

    def put_policy(self, text):
        reply = self.node.request(
            "/api/autoscaling/policies", "POST", body=json.dumps(text),
            headers={"Content-Type": "application/json"})
        assert reply.status == 200, reply


def each(trees, condition, what, timeout):
    for tree in trees:
        wait_for(lambda tree=tree: condition(tree), f"{what}, {tree!r}",
                 timeout)


def wait_watching(trees, count=None):
    for tree in trees:
        tree.crowd.wait_watching(count or tree.many, WATCH_S)


@pytest.fixture
def heartbeats(world):
    """Its nodes take a dozen: the others are refused."""
    tree = Tree(world, "heartbeats", 0, 16, 12, policy())
    tree.limits = None
    return tree


@pytest.fixture
def peers(world):
    """What a node spends on viewers; how much that is, is measured first."""
    tree = Tree(world, "peers", 1, 40, 400,
                policy(*watch_cpu("peers", "max", 99, 98)))
    tree.limits = 99, 98
    return tree


@pytest.fixture
def prometheus(world):
    """The share of places that are taken, in percent."""
    port = free_ports()
    query = f"100 * sum({USED[0]}) / sum({USED[1]})"
    tree = Tree(world, "prometheus", 2, 20, 200,
                policy(*watch_cpu("prometheus", "avg", 5, 3)),
                "--prometheus-url", f"http://127.0.0.1:{port}",
                "--prometheus-interval", "1 s", "--prometheus-query-cpu",
                query)
    tree.limits = 5, 3
    tree.server = world.add(Prometheus(
        world.directory_of("prometheus"), tree.node,
        types.SimpleNamespace(port=free_ports()), TOKEN, port=port))
    return tree


def set_limits(tree):
    """Between what the node spends on few and on many: by what it is now."""
    seen = []

    def has_settled():
        seen.append(tree.signal())
        return len(seen) > 20 and None not in seen[-20:] and \
            max(seen[-20:]) < 1.3 * min(seen[-20:])
    wait_for(has_settled, "a node that has started", 20, 0.1)
    base = max(seen[-20:])
    tree.limits = 1.7 * base, 1.5 * base
    tree.put_policy(policy(*watch_cpu("peers", "max", *tree.limits)))


def assert_grew(tree):
    """By what its source said, and by nothing else."""
    out = [c for c in changes(tree.redis, "out") if c["before"] == 1]
    assert len(out) == 1 and out[0]["after"] == 2, out
    if tree.limits is None:
        assert out[0]["need"] > out[0]["slots"] == 12, out
        assert out[0]["viewers"] > FEW and tree.crowd.find("refused"), out
    else:
        assert "load was above" in out[0]["reason"], out
        assert out[0]["signals"]["cpu"] > tree.limits[0], (out, tree.limits)


def assert_shrank(tree):
    row, = changes(tree.redis, "in")
    assert (row["before"], row["after"], row["viewers"]) == (2, 1, FEW), row
    if tree.limits is not None:
        assert row["signals"]["cpu"] < tree.limits[1], (row, tree.limits)


def test_each_source(world, heartbeats, peers, prometheus):
    trees = (heartbeats, peers, prometheus)
    each(trees, lambda t: t.states() == ["serving"] and len(t.egress()) == 1,
         "first subtree", GROW_S)
    for tree in trees:
        tree.crowd.join(FEW)
    wait_watching(trees, FEW)
    set_limits(peers)
    each((prometheus,), lambda t: t.signal() is not None, "samples", 30)
    assert all(t.states() == ["serving"] for t in trees), trees
    # they come
    for tree in trees:
        tree.crowd.join(tree.many - FEW, 10)
    each(trees, lambda t: t.states() == ["serving"] * 2
         and len(t.egress()) == 2, "another subtree", GROW_S)
    wait_watching(trees)
    for tree in trees:
        assert_grew(tree)
        if tree.limits is not None:  # who comes now finds the new node
            tree.crowd.join(4)
            tree.many += 4
    wait_watching(trees)
    for tree in trees:
        places = tree.crowd.stats()["places"]
        assert set(places) == {n["url"] for n in tree.egress().values()}, tree
        # they leave, all but one at each node
        for url, n in places.items():
            tree.crowd.leave(n - 1, url)
    wait_watching(trees, FEW)
    for tree in trees:
        assert len(tree.crowd.stats()["places"]) == 2, tree
    each(trees, lambda t: t.states() == ["gone", "serving"],
         "end of a subtree", SHRINK_S)
    for tree in trees:
        assert_shrank(tree)
        left, = tree.egress().values()
        stats = tree.crowd.wait_watching(FEW)
        assert stats["places"] == {left["url"]: FEW}, stats
        assert (stats["moved"], stats["cut"]) == (1, 0), stats
        assert len(list(tree.instances.pids())) == 2, tree
