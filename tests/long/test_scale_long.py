# SPDX-License-Identifier: Apache-2.0
"""How long a crowd waits for a new subtree, warm and cold; and what those who
watch notice when one is given back. A subtree here is a relay and two egress
nodes, processes of this machine."""
import json
import os
import statistics
import time

import pytest

from lib.cluster import Cluster
from lib.crowd import Crowd
from lib.subtrees import Instances, changes, history, provision, slots
from lib.wait import wait_for

N_EGRESS = 2
N_TIMES = 5
WARM_S, COLD_S = 2, 12
CROWD, ARRIVALS_PER_S = 60, 4  # more than there is room for: somebody asks
N_STAY = 30


def policy(n_warm):
    return {
        "hardLimit": 40, "approval": "none", "egressPerSubtree": N_EGRESS,
        "slots": {"warm": n_warm, "cold": 1, "warmEgress": 1},
        "policies": [{
            "name": "small", "service": "egress", "enabled": True,
            "minReplicas": 2, "maxReplicas": 4, "metrics": [],
            "thresholds": [], "schedules": [], "headroom": 0, "spare": 0,
            "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
            "scaleUpBy": 2, "scaleDownBy": 2, "scaleDownWindow": 0.1,
            "settle": 2, "evaluationInterval": 1}]}


class Tree:
    def __init__(self, world, n_warm, max_viewers):
        self.n_warm = n_warm
        self.redis = world.redis()
        directory = world.directory_of("tree")
        with open(f"{directory}/policy.json", "w", encoding="utf-8") as file:
            json.dump(policy(n_warm), file)
        self.instances = world.add(Instances(f"{directory}/instances"))
        cluster = Cluster(world, self.redis.url, "--insecure", "--max-viewers",
                          str(max_viewers))
        self.node = cluster.node(
            "i1", "injection", "--autoscaling", "--autoscaling-policy",
            f"{directory}/policy.json", *provision(self.instances.directory))
        world.obs(self.node, "live")
        self.crowd = world.add(Crowd(world.directory_of("crowd"),
                                     f"{self.node.url}/whep/live"))

    def egress(self):
        """Those who have the stream"""
        return [n for n in self.node.request("/api/nodes").json()
                if n["alive"] and n["max_viewers"] and n["streams"]
                and not n["draining"]]

    def serving(self):
        return {ordinal for ordinal, state in slots(self.redis).items()
                if state == "serving"}

    def wait_rest(self):
        """One serves, the warm ones are warm."""
        wait_for(lambda: sorted(s for s in slots(self.redis).values()
                                if s != "gone")
                 == ["joined"] * self.n_warm + ["serving"]
                 and sorted(n["warm"] for n in self.egress())
                 == [False] * N_EGRESS + [True] * self.n_warm,
                 "a tree at rest", 60)

    def places(self, ordinals):
        """URLs of these subtrees' nodes"""
        return {n["url"] for n in self.egress()
                if int(n["id"].split("-")[2][1:]) in ordinals}

    def give_back(self):
        """All leave; and one subtree, as an operator would."""
        self.crowd.leave(1000)
        wait_for(lambda: self.crowd.stats()["viewers"] == 0, "nobody")

        def ask():
            if self.redis.call("HGET", "desired:main", "n") != "1":
                self.redis.call(
                    "FCALL", "mt_desire", 0, "", "main",
                    self.redis.call("GET", "lease:scaler"),
                    self.redis.call("HGET", "desired:main", "ver"), 1,
                    "manual", "test", "{}")
            return True
        wait_for(ask, "a subtree given back", 30)


def measure_s(tree):
    """From the first who was refused, or for whom the leader acted, to the
    first who watches at the new subtree."""
    tree.wait_rest()
    before = tree.serving()
    begin_s, offset_s = time.monotonic(), time.time() - time.monotonic()
    tree.crowd.join(CROWD, ARRIVALS_PER_S)

    def first_there():
        places = tree.places(tree.serving() - before)
        return [e["t"] / 1e6 for e in tree.crowd.find("seated")
                if e["t"] / 1e6 > begin_s and e["at"] in places]
    end_s = wait_for(first_there, "a viewer at the new one", 40)[0]
    starts = [e["t"] / 1e6 for e in tree.crowd.find("refused")
              if e["t"] / 1e6 > begin_s]
    starts += [at - offset_s for at, kind, text in history(tree.redis)
               if kind == "desire" and at - offset_s > begin_s
               and json.loads(text).get("action") == "out"]
    return end_s - min(starts)


@pytest.mark.parametrize("pool,n_warm,limit_s",
                         [("warm", 1, WARM_S), ("cold", 0, COLD_S)],
                         ids=["warm", "cold"])
def test_first_viewer(world, capsys, pool, n_warm, limit_s):
    tree = Tree(world, n_warm, 4)
    took = []
    for _ in range(N_TIMES):
        took.append(measure_s(tree))
        tree.give_back()
    with capsys.disabled():
        print(f"\n| first viewer at a new subtree, {pool} | p50 "
              f"{statistics.median(took):.2f} s | max {max(took):.2f} s | "
              f"load average {os.getloadavg()[0]:.0f} |")
    assert max(took) <= limit_s, took


def test_nobody_is_cut_off(world, capsys):
    """The load falls: all who watch at what goes move, and go on."""
    tree = Tree(world, 0, 20)
    tree.wait_rest()
    tree.crowd.join(CROWD, 10)
    tree.crowd.wait_watching(CROWD, 60)
    for url, n in tree.crowd.stats()["places"].items():
        tree.crowd.leave(n - N_STAY // 4 - 1, url)
    n_stay = tree.crowd.stats()["viewers"]
    before = tree.crowd.wait_watching(n_stay)
    assert len(before["places"]) == 2 * N_EGRESS, before
    tree.crowd.reset()
    wait_for(lambda: sorted(slots(tree.redis).values()) == ["gone", "serving"],
             "end of a subtree", 180)
    stats = tree.crowd.wait_watching(n_stay)
    left = tree.places(tree.serving())
    n_there = sum(n for url, n in before["places"].items() if url not in left)
    took = [e["took_us"] / 1000 for e in tree.crowd.find("moved")]
    with capsys.disabled():
        print(f"\n| {n_stay} watch, {n_there} are moved | a move p50 "
              f"{statistics.median(took):.0f} ms, max {max(took):.0f} ms | "
              f"cut off {stats['cut']} | gaps above 183 ms "
              f"{stats['freezes']}, largest {stats['max_gap_us'] / 1000:.0f} "
              f"ms | load average {os.getloadavg()[0]:.0f} |")
    assert set(stats["places"]) == left, stats
    assert stats["moved"] == n_there > 0, stats
    assert stats["cut"] == 0 and stats["lost"] == before["lost"], stats
    assert len(changes(tree.redis, "in")) == 1
    assert len(list(tree.instances.pids())) == 1 + N_EGRESS
