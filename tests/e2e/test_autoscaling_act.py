# SPDX-License-Identifier: Apache-2.0
"""/api/autoscaling: what people ask any node for, and what comes of it."""
import json

import pytest

from lib.cluster import Cluster
from lib.node import run_binary
from lib.wait import wait_for
from lib.webhook import SECRET, Receiver

API = "/api/autoscaling/"
ENABLED = "media_tree_scaling_enabled"
SMALL = {
    "hardLimit": 100, "approval": "manual", "egressPerSubtree": 2,
    "slots": {"warm": 0, "cold": 1, "warmEgress": 1},
    "policies": [{
        "name": "small", "service": "egress", "enabled": True,
        "minReplicas": 4, "maxReplicas": 8, "metrics": [], "thresholds": [],
        "schedules": [], "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
        "scaleUpBy": 2, "scaleDownBy": 2, "evaluationInterval": 1}]}


@pytest.fixture(scope="module")
def nodes(module_world, tmp_path_factory):
    """(who leads, another): people have to say yes"""
    redis = module_world.redis()
    path = tmp_path_factory.mktemp("policy") / "policy.json"
    path.write_text(json.dumps(SMALL))
    cluster = Cluster(module_world, redis.url, "--insecure",
                      "--autoscaling-policy", str(path))
    leader = cluster.node("n1", "egress")
    wait_for(lambda: status(leader)["policies"][0]["lastEvaluation"],
             "a decision")
    other = cluster.node("n2", "egress")
    wait_for(lambda: status(other)["policies"][0]["currentReplicas"] == 2,
             "both")
    return leader, other


def get(node, what):
    reply = node.request(API + what)
    assert reply.status == 200, reply
    return reply.json()


def status(node):
    return get(node, "status")["status"]


def post(node, what, body=None, code=200, error=None):
    def ask():
        reply = node.request(
            API + what, "POST", headers={"Content-Type": "application/json"},
            body=None if body is None else
            body if isinstance(body, str) else json.dumps(body))
        return reply if reply.status not in (409, 429) or reply.json()[
            "type"].split(":")[-1] not in (
                "scaling-cooldown", "autoscaling-rate") else None
    # two changes are a second apart
    reply = wait_for(ask, "a second between changes", 10, 0.2)
    assert reply.status == code, reply
    answer = reply.json()
    if error:
        assert answer["type"] == f"urn:media-tree:error:{error}", answer
        return answer["detail"]
    assert code != 200 or answer["success"] is True
    return answer


def history(node, *kinds):
    return [row for row in get(node, "history/egress?limit=500")["history"]
            if row["kind"] in kinds]


def desired(node):
    return status(node)["subtrees"]["desired"]


def test_switched_on_by_any_node(nodes):
    leader, other = nodes
    assert status(leader)["enabled"] is False
    answer = post(other, "enable", {"enabled": True, "by": "anna",
                                    "reason": "a match"})
    assert (answer["enabled"], answer["version"]) == (True, 1)
    for node in nodes:
        now = status(node)
        assert (now["enabled"], now["enabledBy"]) == (True, "anna@n2")
    # the leader does what it was told, whatever its own setting
    wait_for(lambda: leader.metrics().total(ENABLED) == 1, "the leader")
    row, = history(leader, "enable")
    assert row["by"] == "anna@n2" and row["detail"]["reason"] == "a match"
    assert (row["detail"]["before"], row["detail"]["after"]) == (None, True)


def test_approvals(nodes):
    leader, other = nodes
    post(leader, "enable", {"enabled": True})
    row, = wait_for(lambda: get(other, "approvals")["approvals"], "a proposal")
    assert (row["state"], row["before"], row["by"]) == ("waiting", 0, None)
    assert row["after"] >= 1 and row["reason"]
    assert row["expires"] > row["created"]
    post(other, "approvals/1-1", {"approve": True}, 404, "scaling-missing")
    post(other, "approvals/abc", {"approve": True}, 404, "scaling-missing")
    post(other, f"approvals/{row['id']}", {"approve": 1}, 400,
         "autoscaling-body")
    answer = post(other, f"approvals/{row['id']}",
                  {"approve": True, "by": "anna"})
    assert answer["state"] == "approved"
    assert desired(leader) == row["after"]
    post(leader, f"approvals/{row['id']}", {"approve": False}, 409,
         "scaling-conflict")
    entry = history(leader, "approve")[0]
    assert entry["by"] == "anna@n2"
    assert entry["detail"]["proposal"] == row["id"]
    assert (entry["detail"]["before"], entry["detail"]["after"]) \
        == (0, row["after"])


def test_policies(nodes):
    leader, other = nodes
    wait_for(lambda: get(leader, "policies")["version"] >= 1, "a policy")
    version = get(leader, "policies")["version"]
    text = json.loads(json.dumps(SMALL))
    text["policies"][0]["minReplicas"] = 2
    # what is not understood is named, and the old one stays
    bad = json.loads(json.dumps(text))
    bad["policies"][0]["maxReplicas"] = "many"
    assert post(other, "policies", bad, 422, "policy-invalid").startswith(
        "policies[0].maxReplicas: ")
    assert "$" in post(other, "policies", None, 422, "policy-invalid")
    assert "nested" in post(other, "policies", "[" * 9, 422, "policy-invalid")
    bad["policies"][0].update(maxReplicas=8, tree="elsewhere")
    assert "none of them" in post(other, "policies", bad, 422,
                                  "policy-invalid")
    post(other, f"policies?version={version + 1}", text, 409,
         "scaling-conflict")
    assert get(leader, "policies")["version"] == version
    answer = post(other, f"policies?version={version}", text)
    assert answer["version"] == version + 1
    for node in nodes:
        assert get(node, "policies")["policies"] == text
    row = history(leader, "policy")[0]
    assert row["by"] == "api@n2"
    assert row["detail"]["before"]["version"] == version
    wait_for(lambda: leader.state()["scaling"]["controller"]["trees"][0][
        "policy"] == version + 1, "the leader to take it")
    # without a version: whatever is there now
    assert post(leader, "policies", SMALL)["version"] == version + 2


def test_test_and_rollback(nodes):
    leader, other = nodes
    wait_for(lambda: get(leader, "policies")["version"] >= 1, "a policy")
    # 2 nodes are nobody's subtree; 2 in each
    answer = post(other, "test/egress", {"replicas": 4, "holdFor": 600})
    assert (answer["replicas"], answer["subtrees"]) == (4, 1)
    answer = post(other, "test/egress", {"replicas": 6, "holdFor": 600})
    assert answer["subtrees"] == 2 == desired(leader)
    hold = status(other)["hold"]
    assert (hold["not"], hold["subtrees"]) == ("fewer", 2) and hold["until"]
    post(other, "test/egress", {"replicas": 40}, 409, "scaling-bound")
    post(other, "test/egress", {"replicas": -1}, 400, "autoscaling-body")
    post(other, "test/relay", {"replicas": 1}, 404, "not-found")
    row = history(leader, "set")[0]
    assert row["by"] == "api@n2"
    assert (row["detail"]["before"], row["detail"]["after"]) == (1, 2)
    answer = post(leader, f"rollback/{row['id']}", {"reason": "it was bad"})
    assert desired(other) == 1
    assert status(other)["hold"]["not"] == "more"
    back = history(other, "rollback")[0]
    assert back["detail"]["entry"] == row["id"]
    post(leader, f"rollback/{row['id']}", None, 409, "scaling-conflict")
    post(leader, "rollback/1-1", None, 404, "scaling-missing")
    # each change that was followed by another has its end, and how long
    for row in history(leader, "outcome"):
        assert row["detail"]["outcome"] in ("replaced", "serves")
        assert row["detail"]["duration_ms"] >= 0


@pytest.mark.parametrize("what, method, allow", [
    ("status", "POST", "GET, HEAD"), ("enable", "GET", "POST"),
    ("policies", "DELETE", "GET, HEAD, POST"), ("test/egress", "GET", "POST"),
])
def test_methods(nodes, what, method, allow):
    reply = nodes[0].request(API + what, method)
    assert reply.status == 405 and reply.headers["Allow"] == allow


def test_alone(world):
    node = world.node("--insecure")
    detail = post(node, "enable", {"enabled": True}, 409, "scaling-alone")
    assert "redis-url" in detail
    assert get(node, "approvals")["approvals"] == []


def test_a_token_is_asked_for(world):
    node = world.node("--insecure", "--admin-token", "s3cret-s3cret")
    for what in ("enable", "policies", "test/egress", "approvals/1-1",
                 "rollback/1-1"):
        assert node.request(API + what, "POST", body="{}").status == 401


def test_rate(world):
    node = world.node("--insecure")
    for _ in range(30):
        reply = node.request(API + "enable", "POST",
                             body='{"enabled": true}')
        if reply.status == 429:
            break
    assert reply.json()["type"] == "urn:media-tree:error:autoscaling-rate"
    assert int(reply.headers["Retry-After"]) >= 1
    assert node.metrics().total("media_tree_autoscaling_limited_total") == 1
    assert node.request(API + "status").status == 200  # another bucket


TOLD = "media_tree_scaling_notifications_total"


def test_webhook(world):
    receiver = Receiver(n_refused=1)
    try:
        redis = world.redis()
        node = world.node(
            "--insecure", "--node-id", "n1", "--role", "egress", "--redis-url",
            redis.url, "--cluster-address", "127.0.0.1", "--relay-port", "0",
            "--scaling-webhook-secret", SECRET,
            env={"MEDIA_TREE_CLUSTER_SECRET": "0123456789abcdef",
                 "WEBHOOK_URL": receiver.url,
                 "AUTOSCALING_LOG_LEVEL": "debug"})
        wait_for(lambda: status(node)["policies"][0]["lastEvaluation"],
                 "a decision")
        post(node, "enable", {"enabled": True, "by": "anna"})
        first, = wait_for(lambda: receiver.events("enable"), "the switch", 10)
        assert first["detail"]["by"] == "anna@n1"
        assert (first["node"], first["detail"]["enabled"]) == ("n1", True)
        asked = wait_for(lambda: receiver.events("desire"), "a change", 10)[0]
        assert asked["tree"] == "main" and asked["detail"]["action"] == "out"
        assert receiver.n_bad == 0
        wait_for(lambda: node.metrics().total(TOLD, result="sent") >= 2,
                 "counters")
        assert node.metrics().total(TOLD, result="retried") == 1
    finally:
        receiver.kill()


@pytest.mark.parametrize("args, fault", [
    (["--scaling-webhook-url", "https://a.example/"], "secret"),
    (["--webhook-url", "http://a.example/", "--scaling-webhook-secret",
      SECRET], "TLS"),
    (["--autoscaling-log-level", "loud"], "autoscaling-log-level"),
])
def test_bad_settings(args, fault):
    done = run_binary("--http-listen", "127.0.0.1:0", "--rtc-port", "0", *args)
    assert done.returncode == 78, done
    assert fault in done.stderr
