# SPDX-License-Identifier: Apache-2.0
"""What people ask for becomes nodes, and their end: a number by hand, a yes, the
way back; and what stops it."""
import json

import pytest

from lib.cluster import Cluster
from lib.ctl import ctl, prints
from lib.mtctl import NO_FUNCTIONS
from lib.subtrees import Instances, provision, slots
from lib.wait import wait_for
from lib.webhook import SECRET, Receiver

DONE_S = 40  # of a busy machine
POLICY = {
    "hardLimit": 12, "approval": "none", "egressPerSubtree": 1,
    "slots": {"warm": 0, "cold": 1, "warmEgress": 1},
    "policies": [{
        "name": "small", "service": "egress", "enabled": True,
        "minReplicas": 0, "maxReplicas": 4, "metrics": [], "thresholds": [],
        "schedules": [], "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
        "scaleUpBy": 2, "scaleDownBy": 2, "evaluationInterval": 1}]}


@pytest.fixture
def start(world, tmp_path):
    """A leader that starts processes, by a policy with this in it."""
    def start(redis, *args, least=0, **more):
        text = json.loads(json.dumps({**POLICY, **more}))
        text["policies"][0]["minReplicas"] = least
        path = tmp_path / "policy.json"
        path.write_text(json.dumps(text))
        instances = world.add(Instances(tmp_path / "instances"))
        cluster = Cluster(world, redis.url, "--insecure")
        node = cluster.node(
            "i1", "injection", "--autoscaling", "--autoscaling-policy",
            str(path), *provision(instances.directory, n_max=6), *args)
        node.redis, node.instances, node.policy = redis, instances, text
        wait_for(lambda: status(node)["policies"][0]["lastEvaluation"],
                 "a decision")
        return node
    return start


def ask(node, what):
    reply = node.request("/api/autoscaling/" + what)
    assert reply.status == 200, reply
    return reply.json()


def status(node):
    return ask(node, "status")["status"]


def post(node, what, body, code=200):
    """Two changes are a second apart."""
    def ask():
        reply = node.request("/api/autoscaling/" + what, "POST",
                             body=json.dumps(body))
        is_early = reply.status == 429 or "cooldown" in reply.json().get(
            "type", "")
        return None if is_early else reply
    reply = wait_for(ask, "a second between changes", 10, 0.2)
    assert reply.status == code, reply
    return reply.json()


def history(node, kind):
    return [row for row in ask(node, "history/egress?limit=500")["history"]
            if row["kind"] == kind]


def names(*ordinals, gen=1):
    return {f"mt-main-s{i}-g{gen}-{m}" for i in ordinals for m in ("r", "e0")}


def alive(node):
    return {row["id"] for row in node.request("/api/nodes").json()
            if row["alive"]} - {"i1"}


def n_decisions(node):
    return node.metrics().total("media_tree_scaling_decisions_total")


def decide_again(node, n=4):
    """The leader sees what is there now, and does what it would do."""
    before = n_decisions(node)
    wait_for(lambda: n_decisions(node) >= before + n, f"{n} decisions", 30)


def test_by_hand(world, start):
    receiver = world.add(Receiver())
    node = start(world.redis(), "--scaling-webhook-url", receiver.url,
                 "--scaling-webhook-secret", SECRET)
    wait_for(lambda: ask(node, "policies")["version"] == 1, "a policy")
    said = post(node, "test/egress", {"replicas": 2, "holdFor": 600,
                                      "by": "anna", "reason": "a match"})
    assert said["subtrees"] == 2
    assert (said["carriedOut"], said["why"]) == (True, "")
    wait_for(lambda: slots(node.redis) == {0: "serving", 1: "serving"},
             "two subtrees", DONE_S)
    wait_for(lambda: alive(node) == names(0, 1), "their nodes")
    # who, from what to what, why, how it ended, how long it took
    asked, = history(node, "set")
    assert asked["by"] == "anna@i1"
    assert asked["detail"] == {"before": None, "after": 2, "outcome": "asked",
                               "reason": "a match", "hold_ms": 600000}
    ended, = wait_for(lambda: history(node, "outcome"), "its end")
    took_ms = ended["detail"].pop("duration_ms")
    assert 0 < took_ms < DONE_S * 1000
    assert ended["detail"] == {
        "outcome": "serves", "version": 1, "entry": asked["id"],
        "cause": "manual", "before": None, "after": 2}
    moved = [(row["detail"]["ordinal"], row["detail"]["before"],
              row["detail"]["after"]) for row in history(node, "slot")]
    assert (1, "joined", "serving") in moved and (0, "none", "planned") in moved
    told, = wait_for(lambda: receiver.events("outcome"), "the webhook")
    assert (told["detail"]["outcome"], told["detail"]["after"],
            told["detail"]["by"], told["detail"]["cause"],
            told["detail"]["reason"]) == ("serves", 2, "anna@i1", "manual",
                                          "a match")
    assert receiver.events("set") and receiver.n_bad == 0
    # one less: its nodes drain and end
    prints(wait_for(lambda: (lambda done: None if "429" in done.stderr else
                             done)(ctl("scale-down", "1", "--url", node.url)),
                    "an answer"), "1 subtree desired, 2 before")
    wait_for(lambda: slots(node.redis)[1] == "gone", "the end of one", DONE_S)
    assert alive(node) == names(0)
    # and back to two
    said = post(node, f"rollback/{history(node, 'set')[0]['id']}",
                {"holdFor": 600})
    assert said["carriedOut"] is True
    wait_for(lambda: slots(node.redis)[1] == "serving", "the second again",
             DONE_S)
    wait_for(lambda: alive(node) == names(0) | names(1, gen=2), "its nodes")
    assert history(node, "rollback")[0]["detail"]["after"] == 2
    # switched off: a number is only a number, and what is there stays
    post(node, "enable", {"enabled": False})
    said = post(node, "test/egress", {"replicas": 1})
    assert said["carriedOut"] is False and "off" in said["why"]
    decide_again(node)
    assert status(node)["subtrees"]["desired"] == 1
    assert slots(node.redis) == {0: "serving", 1: "serving"}
    assert alive(node) == names(0) | names(1, gen=2)
    post(node, "enable", {"enabled": True})
    wait_for(lambda: slots(node.redis)[1] == "gone", "its end", DONE_S)


def test_a_yes(world, start):
    """People are asked; the store has no functions; limits are in nodes."""
    node = start(world.redis(*NO_FUNCTIONS), "--max-total-replicas", "3",
                 least=1, approval="manual")
    row, = wait_for(lambda: ask(node, "approvals")["approvals"], "a proposal")
    assert (row["state"], row["before"], row["after"]) == ("waiting", 0, 1)
    recommended, = ask(node, "recommendations")["recommendations"]
    assert recommended["recommendedReplicas"] == 1
    assert slots(node.redis) == {}
    said = post(node, f"approvals/{row['id']}", {"approve": True, "by": "bert"})
    assert said["carriedOut"] is True
    wait_for(lambda: slots(node.redis) == {0: "serving"}, "it happens", DONE_S)
    assert alive(node) == names(0)
    # 3 nodes are all that may be
    limits = wait_for(lambda: status(node)["limits"]["nodesNow"] == 3
                      and status(node)["limits"], "a count")
    assert limits == {"nodes": 3, "nodesNow": 3, "subtrees": 1}
    detail = post(node, "test/egress", {"replicas": 2}, 409)["detail"]
    assert "2 subtrees are asked for, at most 1" in detail
    assert "3 nodes of all trees" in detail
    # a policy, and back from it
    entry = history(node, "policy")[0]["id"]
    post(node, f"rollback/{entry}", {}, 409)
    text = json.loads(json.dumps(node.policy))
    text["policies"][0]["maxReplicas"] = 3
    version = post(node, "policies", text)["version"]
    entry = history(node, "policy")[0]["id"]
    assert post(node, f"rollback/{entry}", {})["version"] == version + 1
    assert ask(node, "policies")["policies"] == node.policy
    assert history(node, "rollback")[0]["detail"]["of"] == "policy"


def test_dry_run(world, start):
    """What is asked for is written down, and said to be no more than that."""
    node = start(world.redis(), "--autoscaling-dry-run", least=1)
    now = status(node)
    assert now["dryRun"] is True and "dry run" in now["why"]
    detail = post(node, "test/egress", {"replicas": 2}, 409)["detail"]
    assert "no policy" in detail
    post(node, "policies", node.policy)
    said = post(node, "test/egress", {"replicas": 2})
    assert said["carriedOut"] is False and "dry run" in said["why"]
    wait_for(lambda: status(node)["subtrees"]["desired"] == 2, "the number")
    decide_again(node)
    assert slots(node.redis) == {} and alive(node) == set()
    assert list(node.instances.pids()) == []
    assert node.metrics().total("media_tree_scaling_orders_total") == 0
    said = post(node, f"rollback/{history(node, 'set')[0]['id']}", {}, 409)
    assert "nothing before" in said["detail"]


@pytest.mark.parametrize("args, words", [
    (["--provisioner", "process", "--provision-dir", "."],
     "what the provisioner would start"), ([], "this machine is alone")])
def test_why_nothing_scales(world, tmp_path, args, words):
    node = world.node("--insecure", "--autoscaling",
                      *(str(tmp_path) if arg == "." else arg for arg in args))
    why = status(node)["why"]
    assert "redis-url" in why and words in why
