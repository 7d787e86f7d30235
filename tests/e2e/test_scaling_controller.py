# SPDX-License-Identifier: Apache-2.0
"""What the leader makes of a tree: decisions in its metrics, a number of
subtrees in Redis when it may, and why."""
import json

import pytest

from lib.cluster import Cluster
from lib.node import run_binary
from lib.wait import wait_for

GAUGES = {"media_tree_scaling_score", "media_tree_scaling_confidence_ratio",
          "media_tree_scaling_subtrees", "media_tree_scaling_egress_nodes",
          "media_tree_scaling_need", "media_tree_scaling_slots",
          "media_tree_scaling_joins_per_second"}
COUNTERS = {"media_tree_scaling_enabled", "media_tree_scaling_actions_total",
            "media_tree_scaling_failures_total",
            "media_tree_scaling_reaction_seconds_count",
            "media_tree_scaling_provision_seconds_count"}
DECISIONS = "media_tree_scaling_decisions_total"
POLICY = {
    "hardLimit": 100, "approval": "none", "egressPerSubtree": 2,
    "slots": {"warm": 0, "cold": 1, "warmEgress": 1},
    "policies": [{
        "name": "small", "service": "egress", "enabled": True,
        "minReplicas": 5, "maxReplicas": 8, "metrics": [], "thresholds": [],
        "schedules": [], "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
        "scaleUpBy": 2, "scaleDownBy": 2, "evaluationInterval": 1}]}


def policy(**more):
    text = json.loads(json.dumps(POLICY))
    for key, value in more.items():
        (text if key in text else text["policies"][0])[key] = value
    return text


@pytest.fixture
def redis(world):
    return world.redis()


@pytest.fixture
def start(world, redis, tmp_path):
    """Starts a node of a tree."""
    cluster = Cluster(world, redis.url, "--insecure")
    cluster.n_policies = 0

    def start(*args, name="n1", role="egress", text=None, **more):
        if text is not None:
            cluster.n_policies += 1
            path = tmp_path / f"policy{cluster.n_policies}.json"
            path.write_text(json.dumps(text))
            args = (*args, "--autoscaling-policy", str(path))
        return cluster.node(name, role, *args, **more)
    return start


def controller(node):
    return node.state()["scaling"]["controller"]


def tree(node, name="main"):
    return next(t for t in controller(node)["trees"] if t["tree"] == name)


def wait_decided(node, name="main", count=1):
    wait_for(lambda: node.metrics().total(DECISIONS, tree=name) >= count,
             "decisions")


def history(redis, kind=None, name="main"):
    rows = redis.call("FCALL", "mt_history", 0, "", name, "+", 500)
    entries = [rows[i:i + 6] for i in range(0, len(rows), 6)]
    return [json.loads(text) for _, _, k, _, _, text in reversed(entries)
            if k == kind]


def test_off_it_only_looks(start, redis):
    first = start(text=policy())
    wait_decided(first, count=3)
    second = start(name="n2", role="injection")
    before = first.metrics().total(DECISIONS)
    wait_for(lambda: first.metrics().total(DECISIONS) > before, "more")
    metrics = first.metrics()
    assert metrics.names() >= GAUGES | COUNTERS
    assert metrics.total("media_tree_scaling_enabled") == 0
    assert metrics.total("media_tree_scaling_egress_nodes", tree="main") == 1
    assert metrics.total("media_tree_scaling_slots", tree="main") > 0
    # 5 egress nodes at least, one is there: 4 in subtrees of 2
    assert metrics.total("media_tree_scaling_subtrees", state="wanted") >= 1
    assert metrics.total("media_tree_scaling_subtrees", state="desired") == 0
    assert tree(first)["action"] == "out"
    assert "off" in controller(first)["why"]
    assert redis.call("EXISTS", "desired:main", "policy:main") == 0
    others = second.metrics()
    assert others.names() >= COUNTERS
    assert not others.names() & GAUGES
    assert "another node leads" in controller(second)["why"]


def test_on_it_asks(start, redis):
    node = start("--autoscaling", text=policy())
    wait_for(lambda: redis.call("HGET", "desired:main", "n") == "2",
             "two subtrees")
    stored = redis.call("HGETALL", "policy:main")
    stored = dict(zip(stored[::2], stored[1::2]))
    assert (stored["min"], stored["max"], stored["ver"]) == ("0", "4", "1")
    assert json.loads(stored["text"])["policies"][0]["name"] == "small"
    asked = history(redis, "desire")
    assert [a["after"] for a in asked][-1] == 2
    assert asked[0]["before"] == 0
    assert asked[0]["reason"] and asked[0]["action"] == "out"
    assert asked[0]["egress"] == 1
    wait_for(lambda: tree(node)["desired"] == 2, "it is known")
    metrics = node.metrics()
    assert metrics.total("media_tree_scaling_enabled") == 1
    assert metrics.total("media_tree_scaling_actions_total", action="out",
                         result="done") == len(asked)
    assert metrics.total("media_tree_scaling_failures_total") == 0
    assert "provisioner" in controller(node)["why"]
    # it stays so: nothing is asked for twice
    before = node.metrics().total(DECISIONS, action="hold")
    wait_for(lambda: node.metrics().total(DECISIONS, action="hold")
             > before + 1, "decisions to hold")
    assert len(history(redis, "desire")) == len(asked)
    assert len(history(redis, "hold")) == 1


def test_dry_run(start, redis):
    node = start("--autoscaling", "--dry-run", text=policy())
    assert controller(node)["dry_run"] is True
    wait_for(lambda: history(redis, "dry-run"), "a note in the audit")
    wait_decided(node, count=3)
    assert len(history(redis, "dry-run")) == 1
    assert history(redis, "dry-run")[0]["after"] == 2
    assert redis.call("EXISTS", "desired:main", "policy:main") == 0
    assert "dry run" in controller(node)["why"]
    assert node.metrics().total("media_tree_scaling_actions_total",
                                result="dry_run") >= 2


def test_approval(start, redis):
    node = start("--autoscaling", text=policy(approval="manual"))
    wait_for(lambda: history(redis, "propose"), "a proposal")
    wait_decided(node, count=3)
    assert redis.call("EXISTS", "desired:main") == 0
    assert node.metrics().total("media_tree_scaling_actions_total",
                                result="approval") >= 1


def put(redis, text, **more):
    bounds = {"min": 0, "max": 4, "step_out": 4, "step_in": 1, "cool_out": 0,
              "cool_in": 0, **more}
    version = redis.call("HGET", "policy:main", "ver") or 0
    return redis.call("FCALL", "mt_policy", 0, "", "main", version,
                      *bounds.values(), "test", text)


def test_policies_of_the_store(start, redis):
    """They count; a bad one is said, and the one before stays."""
    node = start("--autoscaling", text=policy())
    wait_for(lambda: redis.call("HGET", "desired:main", "n") == "2",
             "two subtrees")
    put(redis, json.dumps(policy(minReplicas=7)))
    wait_for(lambda: redis.call("HGET", "desired:main", "n") == "3",
             "three subtrees")
    put(redis, '{"policies":[{"name":5}]}')
    wait_for(lambda: tree(node)["policy_fault"], "a fault")
    assert "policies[0]" in tree(node)["policy_fault"]
    assert node.metrics().total("media_tree_scaling_failures_total",
                                reason="policy") == 1
    before = node.metrics().total(DECISIONS)
    wait_for(lambda: node.metrics().total(DECISIONS) > before, "more")
    assert tree(node)["desired"] == 3
    assert node.read_log().count("the policy before stays") == 1
    # what the store enforces is not the leader's to say
    put(redis, json.dumps(policy(minReplicas=8, maxReplicas=16)), max=3)
    wait_for(lambda: node.metrics().total(
        "media_tree_scaling_failures_total", reason="bound") > 0, "a refusal")
    assert history(redis, "refused")[-1]["outcome"].startswith("BOUND")
    assert redis.call("HGET", "desired:main", "n") == "3"


def test_settings_of_the_environment(world, redis):
    node = world.node(
        "--insecure", "--node-id", "n1", "--role", "egress", "--redis-url",
        redis.url, "--cluster-address", "127.0.0.1", "--relay-port", "0",
        env={"MEDIA_TREE_CLUSTER_SECRET": "0123456789abcdef",
             "AUTOSCALING_ENABLED": "true", "MIN_REPLICAS": "20",
             "MAX_REPLICAS": "20", "MAX_TOTAL_REPLICAS": "90"})
    # 19 more in subtrees of 16
    wait_for(lambda: redis.call("HGET", "desired:main", "n") == "2",
             "two subtrees")
    assert controller(node)["enabled"] is True


def test_without_memory(start, redis):
    """Nothing is added while the machine has too little; and it is said."""
    node = start("--autoscaling", "--min-available-memory-mb", "1000000000",
                 text=policy())
    row = wait_for(lambda: history(redis, "refused"), "a refusal")[0]
    assert "min-available-memory-mb is 1000000000" in row["outcome"]
    assert row["action"] == "out"
    assert not redis.call("EXISTS", "desired:main")
    assert node.metrics().total("media_tree_scaling_actions_total",
                                action="out", result="refused") >= 1
    node.stop()
    start("--autoscaling", "--min-available-memory-mb", "1", name="n2")
    wait_for(lambda: redis.call("EXISTS", "desired:main"), "more", 15)


def test_one_leader_serves_every_tree(start, redis):
    one = start("--autoscaling", text=policy())
    other = start("--tree-id", "b", name="n2")
    wait_decided(one, "b", 2)
    wait_decided(one, "main", 2)
    assert [t["tree"] for t in controller(one)["trees"]] == ["b", "main"]
    assert tree(one, "b")["egress"] == 1
    wait_for(lambda: redis.call("HGET", "desired:b", "n"), "its subtrees")
    other.stop()
    wait_for(lambda: [t["tree"] for t in controller(one)["trees"]]
             == ["main"], "a tree less")


@pytest.mark.parametrize("args,words", [
    (["--autoscaling-policy", "/nowhere.json"], "/nowhere.json"),
    (["--min-replicas", "5", "--max-replicas", "4"], "min-replicas: 5"),
])
def test_bad_settings(args, words):
    done = run_binary("--http-listen", "127.0.0.1:0", "--rtc-port", "0", *args)
    assert done.returncode == 78
    assert words in done.stderr
