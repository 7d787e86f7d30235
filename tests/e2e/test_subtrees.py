# SPDX-License-Identifier: Apache-2.0
"""The leader starts subtrees as processes of this machine: one that serves, one
that is warm, and takes the warm one when more are wanted."""
import json
import re
import urllib.request

import pytest

from lib import sdp
from lib.cluster import Cluster
from lib.node import run_binary
from lib.subtrees import Instances, history, provision, slots
from lib.wait import wait_for

POLICY = {
    "hardLimit": 40, "approval": "none", "egressPerSubtree": 1,
    "slots": {"warm": 1, "cold": 1, "warmEgress": 1},
    "policies": [{
        "name": "small", "service": "egress", "enabled": True,
        "minReplicas": 1, "maxReplicas": 4, "metrics": [], "thresholds": [],
        "schedules": [], "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
        "scaleUpBy": 1, "scaleDownBy": 1, "evaluationInterval": 1}]}


@pytest.fixture
def redis(world):
    return world.redis()


@pytest.fixture
def lead(world, redis, tmp_path):
    def start(policy, **limits):
        path = tmp_path / "policy.json"
        path.write_text(json.dumps(policy))
        instances = world.add(Instances(tmp_path / "instances"))
        cluster = Cluster(world, redis.url, "--insecure")
        node = cluster.node(
            "i1", "injection", "--autoscaling", "--autoscaling-policy",
            str(path), *provision(instances.directory, **limits))
        node.instances, node.cluster = instances, cluster
        return node
    return start


@pytest.fixture
def leader(lead):
    return lead(POLICY)


def nodes(leader):
    rows = leader.request("/api/nodes").json()
    return {row["id"]: row for row in rows if row["alive"]}


def get(url, path):
    with urllib.request.urlopen(url + path, timeout=5) as reply:
        return json.load(reply)


def slot(leader, name):
    return get(nodes(leader)[name]["url"], "/debug/state")["scaling"]["slot"]


def put_policy(redis, **more):
    text = json.loads(json.dumps(POLICY))
    text["policies"][0].update(more)
    version = redis.call("HGET", "policy:main", "ver") or 0
    redis.call("FCALL", "mt_policy", 0, "", "main", version, 0, 4, 4, 4, 0, 0,
               "test", json.dumps(text))


def give_back(redis, n):
    """As an operator would: no cooldown."""
    put_policy(redis)
    redis.call("FCALL", "mt_desire", 0, "", "main",
               redis.call("GET", "lease:scaler"),
               redis.call("HGET", "desired:main", "ver"), n, "manual", "test",
               "{}")


def join(leader, url):
    """What a viewer is told who asks there"""
    reply = leader.post_sdp(f"{url}/whep/live",
                            sdp.read_offer("chromium-156-recvonly.sdp"))
    return reply.status, reply.headers["Location"]


def test_settings(tmp_path):
    """What is missing is said before anything starts."""
    args = ["--redis-url", "redis://127.0.0.1:1", "--cluster-secret", "s" * 32,
            "--http-listen", "127.0.0.1:0", "--provisioner", "process"]
    done = run_binary(*args)
    assert done.returncode == 78
    assert "provisioner: process needs a --provision-dir" in done.stderr
    (tmp_path / "file").write_text("")
    done = run_binary(*args, "--provision-dir", str(tmp_path / "file"))
    assert done.returncode == 78
    assert "provision-dir: " in done.stderr


def test_not_desired(leader):
    """A node of a subtree that nobody wants ends by itself."""
    node = leader.cluster.node("mt-main-s7-g1-e0", "egress", ready=False)
    assert node.process.wait(20) == 0


def test_refused(world, leader, redis):
    """A warm slot takes nobody: who asks there is sent to the open one, or is
    refused; that alone makes it open."""
    world.obs(leader, "live")
    wait_for(lambda: slots(redis) == {0: "serving", 1: "joined"},
             "one that serves, one that is warm", 25)
    there = nodes(leader)
    closed, opened = (there[f"mt-main-s{i}-g1-e0"]["url"] for i in (1, 0))
    answers = []

    def is_open():
        status, location = join(leader, closed)
        answers.append(status)
        if status == 307:
            assert location.startswith(f"{opened}/")
            # now nobody serves: those who are refused are the signal
            redis.call("HSET", "slot:main", 0, "1 draining 1")
        return status == 201
    wait_for(is_open, "the warm one to open", 20)
    assert set(answers[:-1]) <= {307, 503} and 503 in answers, answers
    assert slots(redis)[1] == "serving"


def test_there_and_back(world, leader, redis):
    world.obs(leader, "live")
    wait_for(lambda: slots(redis) == {0: "serving", 1: "joined"},
             "one that serves, one that is warm", 25)
    names = {f"mt-main-s{i}-g1-{m}" for i in range(2) for m in ("r", "e0")}
    there = wait_for(lambda: names <= set(nodes(leader)) and nodes(leader),
                     "their nodes")
    assert set(there) == names | {"i1"}
    open_one = wait_for(
        lambda: not slot(leader, "mt-main-s0-g1-e0")["warm"]
        and slot(leader, "mt-main-s0-g1-e0"), "one that is open")
    assert open_one["state"] == "serving" and open_one["joined"]
    closed = wait_for(
        lambda: slot(leader, "mt-main-s1-g1-e0")["joined"]
        and slot(leader, "mt-main-s1-g1-e0"), "one that has joined")
    assert closed["warm"]
    # it has the stream, so that its first viewer waits for nothing
    wait_for(lambda: nodes(leader)["mt-main-s1-g1-e0"]["streams"] == 1,
             "the stream at the warm one")
    # the warm one is taken, and another one is made warm
    put_policy(redis, minReplicas=2)
    wait_for(lambda: slots(redis).get(1) == "serving", "the warm one serves")
    wait_for(lambda: not slot(leader, "mt-main-s1-g1-e0")["warm"], "it is open")
    wait_for(lambda: slots(redis).get(2) == "joined", "another is warm", 15)
    metrics = leader.metrics()
    for pool in ("warm", "cold"):
        assert metrics.total("media_tree_scaling_provision_seconds_count",
                             pool=pool) == 1
    wait_for(lambda: [leader.metrics().total("media_tree_scaling_subtrees",
                                             state=state)
                      for state in ("serving", "warm")] == [2, 1], "gauges")
    # and given back: the highest that serves, its nodes end by themselves
    give_back(redis, 1)
    seen = []

    def is_gone():
        there = nodes(leader)
        seen.append(tuple(there[f"mt-main-s1-g1-{m}"]["draining"]
                          if f"mt-main-s1-g1-{m}" in there else None
                          for m in ("r", "e0")))
        return slots(redis)[1] == "gone"
    wait_for(is_gone, "the end of the second", 25)
    # the relay feeds the other to its end
    assert (False, True) in seen and (True, None) in seen, seen
    assert not {(True, True), (None, True)} & set(seen), seen
    assert slots(redis) == {0: "serving", 1: "gone", 2: "joined"}
    assert len(list(leader.instances.pids())) == 4
    metrics = leader.metrics()
    assert metrics.total("media_tree_scaling_orders_total", result="failed") \
        == 0
    assert metrics.total("media_tree_scaling_orders_total", order="drain") >= 2


def test_rollback(world, lead, redis):
    """A subtree comes up, and can hear nobody: it goes, the other serves on,
    and the next of its kind waits."""
    policy = dict(POLICY, slots={"warm": 0, "cold": 0, "warmEgress": 1},
                  trial={"startWithin": 15, "backoff": 600})
    policy["policies"] = [dict(POLICY["policies"][0], minReplicas=2)]
    # those of the first are all that may be started here
    leader = lead(policy, n_max=2)
    world.obs(leader, "live")
    wait_for(lambda: slots(redis) == {0: "serving", 1: "starting"},
             "one of two", 25)
    others = Cluster(world, redis.url, "--insecure", secret="another" * 5)
    for member, role in (("r", "relay"), ("e0", "egress")):
        others.node(f"mt-main-s1-g1-{member}", role, ready=False)
    wait_for(lambda: {"mt-main-s1-g1-r", "mt-main-s1-g1-e0"}
             <= set(nodes(leader)), "its nodes")
    assert slots(redis)[1] == "starting"
    wait_for(lambda: slots(redis)[1] == "draining", "the way back", 30)
    wait_for(lambda: leader.metrics().total(
        "media_tree_scaling_rollbacks_total", reason="no_media") == 1,
             "its count")
    wait_for(lambda: slots(redis)[1] == "gone", "its end", 25)
    for node in others.nodes.values():
        assert node.process.wait(20) == 0
    said = [text for _, kind, text in history(redis) if kind == "slot"
            and '"rollback":"no_media"' in text]
    assert ['"outcome":"rolling back"' in text for text in said] == \
        [True, False]
    assert '"outcome":"rolled back"' in said[1]
    # for whoever leads next
    learned = wait_for(lambda: redis.call("GET", "learned:main"), "its note")
    assert re.search(r"^rollback 1 \d+ \d+ no_media 1 1$", learned, re.M)
    assert leader.metrics().total("media_tree_scaling_rollbacks_in_row") == 1
    status, _ = join(leader, nodes(leader)["mt-main-s0-g1-e0"]["url"])
    assert status == 201
    assert slots(redis) == {0: "serving", 1: "gone"}
