# SPDX-License-Identifier: Apache-2.0
"""/api/autoscaling: what any node tells of scaling, and what only the leader
can."""
import pytest

from lib.cluster import Cluster
from lib.ctl import ctl
from lib.wait import wait_for

API = "/api/autoscaling/"
DECISIONS = "media_tree_scaling_decisions_total"


@pytest.fixture(scope="module")
def redis(module_world):
    return module_world.redis()


@pytest.fixture(scope="module")
def nodes(module_world, redis):
    """(who leads and acts, another)"""
    cluster = Cluster(module_world, redis.url, "--insecure")
    leader = cluster.node("n1", "egress", "--autoscaling")
    wait_for(lambda: leader.metrics().total(DECISIONS) >= 2, "decisions")
    wait_for(lambda: redis.call("HGET", "desired:main", "n"), "a number")
    other = cluster.node("n2", "egress")
    wait_for(lambda: egress(leader) == 2 and egress(other) == 2, "both")
    return leader, other


def get(node, what):
    reply = node.request(API + what)
    assert reply.status == 200, reply
    answer = reply.json()
    assert answer["success"] is True
    return answer


def egress(node):
    return get(node, "status")["status"]["policies"][0]["currentReplicas"]


def test_status(nodes):
    leader, other = nodes
    status = get(leader, "status")["status"]
    assert status["enabled"] is True and status["leader"] == "n1"
    policy, = status["policies"]
    assert (policy["name"], policy["service"], policy["enabled"]) == (
        "egress", "egress", True)
    assert policy["lastEvaluation"] >= policy["lastScaling"] > "2020"
    assert status["subtrees"]["desired"] >= 1 and status["hold"] is None
    # another node says what the leader does
    status = get(other, "status")["status"]
    assert status["enabled"] is True and status["leader"] == "n1"
    assert status["policies"][0]["lastEvaluation"] >= policy["lastEvaluation"]
    assert status["policies"][0]["lastScaling"] == policy["lastScaling"]
    # a tree that there is not has no nodes
    assert get(leader, "status?tree=none")["status"]["policies"][0][
        "currentReplicas"] == 0


def test_policies(nodes, redis):
    for node in nodes:
        answer = get(node, "policies")
        assert answer["version"] == int(redis.call("HGET", "policy:main",
                                                   "ver"))
        assert answer["policies"]["policies"][0]["minReplicas"] == 8


def test_recommendations(nodes):
    for node in nodes:
        row, = get(node, "recommendations")["recommendations"]
        assert (row["service"], row["tree"]) == ("egress", "main")
        assert row["currentReplicas"] == 2
        assert row["recommendedReplicas"] >= 2
        assert 0 <= row["confidence"] <= 1 and row["reason"]
        assert row["priority"] in ("none", "low", "normal", "high", "critical")
    # a tree that nobody decides for
    reply = nodes[1].request(API + "recommendations?tree=none")
    assert reply.status == 503, reply
    assert reply.json()["type"] == "urn:media-tree:error:no-leader"


def test_history(nodes):
    for node in nodes:
        rows = get(node, "history/egress")["history"]
        asked = [row for row in rows if row["kind"] == "desire"]
        assert asked[0]["by"] == "n1" and asked[0]["tree"] == "main"
        assert asked[0]["detail"]["action"] == "out"
        assert asked[0]["detail"]["reason"]
        assert asked[0]["detail"]["signals"]["cpu"] >= 0
        assert asked[0]["detail"]["signals"]["join_time"] is None
        assert [row["id"] for row in rows] == sorted(
            (row["id"] for row in rows), reverse=True)
        assert len(get(node, "history/egress?limit=1")["history"]) == 1


@pytest.mark.parametrize("what, status, code", [
    ("history/egress?limit=0", 400, "autoscaling-query"),
    ("history/egress?limit=501", 400, "autoscaling-query"),
    ("history/egress?limit=x", 400, "autoscaling-query"),
    ("status?tree=a%20b", 400, "autoscaling-query"),
    ("history/relay", 404, "not-found"), ("history", 404, "not-found"),
    ("", 404, "not-found"), ("statusx", 404, "not-found"),
])
def test_refusals(nodes, what, status, code):
    reply = nodes[0].request(API + what)
    assert reply.status == status, reply
    assert reply.json()["type"] == f"urn:media-tree:error:{code}"


def test_only_reading(nodes):
    reply = nodes[0].request(API + "status", "DELETE")
    assert reply.status == 405 and reply.headers["Allow"] == "GET, HEAD"


def test_a_token_is_asked_for(world):
    node = world.node("--insecure", "--admin-token", "s3cret-s3cret")
    for what in ("status", "policies", "recommendations", "history/egress"):
        assert node.request(API + what).status == 401
        assert node.request(API + what, headers={
            "Authorization": "Bearer s3cret-s3cret"}).status == 200


def test_alone(world):
    """Without a Redis: what would be, and why nothing is."""
    node = world.node("--insecure")
    status = get(node, "status")["status"]
    assert "redis-url" in status["why"] and status["leader"] is None
    assert get(node, "policies")["version"] == 0
    assert get(node, "recommendations")["recommendations"] == []
    assert get(node, "history/egress")["history"] == []


def test_store_away(world):
    redis = world.redis()
    cluster = Cluster(world, redis.url, "--insecure")
    node = cluster.node("n1", "egress")
    wait_for(lambda: node.metrics().total(DECISIONS) >= 1, "a decision")
    redis.kill()
    for what in ("status", "history/egress"):
        reply = node.request(API + what)
        assert reply.status == 503, reply
        assert reply.json()["type"] == "urn:media-tree:error:store-away"


def test_record(nodes, tmp_path):
    """What the leader decided, decided again."""
    leader, other = nodes
    reply = leader.request(API + "record")
    assert reply.status == 200, reply
    assert reply.headers["Content-Type"] == "application/octet-stream"
    path = tmp_path / "record"
    path.write_bytes(reply.body)
    done = ctl("simulate", "--replay", str(path))
    assert done.returncode == 0, done
    assert "decisions again" in done.stdout
    reply = other.request(API + "record")
    assert reply.status == 404, reply
    assert reply.json()["type"] == "urn:media-tree:error:scaling-no-record"
    assert "n1 leads" in reply.json()["detail"]
