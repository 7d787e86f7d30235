# SPDX-License-Identifier: Apache-2.0
"""The leader starts subtrees as processes of this machine: one that serves, one
that is warm, and takes the warm one when more are wanted."""
import json
import os
import signal

import pytest

from lib.cluster import Cluster
from lib.node import free_ports
from lib.wait import wait_for

N_MAX = 12
POLICY = {
    "hardLimit": 40, "approval": "none", "egressPerSubtree": 1,
    "slots": {"warm": 1, "cold": 1, "warmEgress": 1},
    "policies": [{
        "name": "small", "service": "egress", "enabled": True,
        "minReplicas": 1, "maxReplicas": 4, "metrics": [], "thresholds": [],
        "schedules": [], "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
        "scaleUpBy": 1, "scaleDownBy": 1, "evaluationInterval": 1}]}


def end_all(directory):
    """What outlives its leader by design."""
    for name in os.listdir(directory):
        try:
            with open(os.path.join(directory, name, "process"),
                      encoding="utf-8") as file:
                pid = int(dict(line.strip().split("=", 1) for line in file
                               if "=" in line)["pid"])
            os.kill(pid, signal.SIGKILL)
        except (OSError, KeyError):
            pass


@pytest.fixture
def redis(world):
    return world.redis()


@pytest.fixture
def leader(world, redis, tmp_path):
    path, directory = tmp_path / "policy.json", tmp_path / "instances"
    path.write_text(json.dumps(POLICY))
    directory.mkdir(mode=0o700)
    cluster = Cluster(world, redis.url, "--insecure")
    try:
        yield cluster.node(
            "i1", "injection", "--autoscaling", "--autoscaling-policy",
            str(path), "--provisioner", "process", "--provision-dir",
            str(directory), "--provision-max", str(N_MAX),
            "--provision-http-port", str(free_ports(N_MAX) - 1),
            "--provision-relay-port", str(free_ports(N_MAX) - 1),
            "--provision-rtc-port", str(free_ports(32 * N_MAX) - 32),
            "--provision-pool-port", "20000", "--provision-min-memory", "0")
    finally:
        cluster["i1"].kill()
        end_all(directory)


def slots(redis):
    rows = redis.call("HGETALL", "slot:main")
    return {int(rows[i]): rows[i + 1].split()[1]
            for i in range(0, len(rows), 2)}


def nodes(leader):
    rows = leader.request("/api/nodes").json()
    return {row["id"]: row for row in rows if row["alive"]}


def put_policy(redis, **more):
    text = json.loads(json.dumps(POLICY))
    text["policies"][0].update(more)
    version = redis.call("HGET", "policy:main", "ver") or 0
    redis.call("FCALL", "mt_policy", 0, "", "main", version, 0, 4, 4, 4, 0, 0,
               "test", json.dumps(text))


def test_grows(leader, redis):
    wait_for(lambda: slots(redis) == {0: "serving", 1: "joined"},
             "one that serves, one that is warm", 25)
    names = {f"mt-main-s{i}-g1-{m}" for i in range(2) for m in ("r", "e0")}
    there = wait_for(lambda: names <= set(nodes(leader)) and nodes(leader),
                     "their nodes")
    assert set(there) == names | {"i1"}
    put_policy(redis, minReplicas=2)
    wait_for(lambda: slots(redis).get(1) == "serving", "the warm one serves")
    wait_for(lambda: slots(redis).get(2) == "joined", "another is warm", 15)
    metrics = leader.metrics()
    for pool in ("warm", "cold"):
        assert metrics.total("media_tree_scaling_provision_seconds_count",
                             pool=pool) == 1
    assert metrics.total("media_tree_scaling_subtrees", state="serving") == 2
    assert metrics.total("media_tree_scaling_subtrees", state="warm") == 1
