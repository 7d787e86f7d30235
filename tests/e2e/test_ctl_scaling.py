# SPDX-License-Identifier: Apache-2.0
"""media-tree ctl's verbs of scaling, against real nodes and a real Redis."""
import json

import pytest

from lib.cluster import Cluster
from lib.ctl import NOT_FOUND, UNREACHED, USAGE, ctl, prints
from lib.node import free_ports
from lib.wait import wait_for

REFUSED_POLICY, NOT_NOW = 65, 75
POLICY = {
    "hardLimit": 100, "approval": "manual", "egressPerSubtree": 2,
    "slots": {"warm": 0, "cold": 1, "warmEgress": 1},
    "policies": [{
        "name": "small", "service": "egress", "enabled": True,
        "minReplicas": 4, "maxReplicas": 8, "metrics": [], "thresholds": [],
        "schedules": [], "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
        "scaleUpBy": 4, "scaleDownBy": 4, "evaluationInterval": 1}]}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "policy.json"
    path.write_text(json.dumps(POLICY))
    return str(path)


@pytest.fixture(scope="module")
def node(module_world, path):
    cluster = Cluster(module_world, module_world.redis().url, "--insecure",
                      "--autoscaling-policy", path, "--autoscaling")
    node = cluster.node("n1", "egress")
    wait_for(lambda: ask(node, "approvals")["approvals"], "a proposal", 10)
    return node


def ask(node, what):
    return node.request("/api/autoscaling/" + what).json()


def run(node, *words):
    return ctl(*words, "--url", node.url)


def retried(node, *words):
    """Two changes are a second apart."""
    def try_it():
        done = run(node, *words)
        return None if "Too soon" in done.stderr or "429" in done.stderr \
            else done
    return wait_for(try_it, "a second between changes", 10, 0.2)


def test_looking(node):
    text = prints(run(node, "status"), "leader      n1", "scaling     on",
                  "but         there is no provisioner", "small")
    assert "0 desired" in text
    prints(run(node, "check"), "egress: 1 nodes, recommended", "confidence")
    prints(run(node, "report"), "Status", "Recommended", "Approval", "History",
           "waiting", "propose")
    prints(run(node, "history"), "TIME", "policy", "propose")
    policies = json.loads(prints(run(node, "policies")))
    assert policies["policies"] == POLICY
    for verb in ("status", "check", "report", "health", "history"):
        done = run(node, verb, "--json")
        assert isinstance(json.loads(done.stdout), dict), done


def test_approve_and_scale(node):
    assert retried(node, "approve", "1-1").returncode == NOT_FOUND
    prints(retried(node, "approve"), "approved")
    desired = ask(node, "status")["status"]["subtrees"]["desired"]
    assert desired >= 1
    plural = "" if desired == 1 else "s"
    prints(retried(node, "scale-up"), f"{desired + 1} subtrees desired")
    # in nodes, rounded up: 2 in each
    prints(retried(node, "scale-down", "1"),
           f"{desired} subtree{plural} desired, {desired + 1} before",
           "only written down: there is no provisioner")
    assert ask(node, "status")["status"]["hold"]["not"] == "more"
    prints(run(node, "status"), "held        not more than")
    prints(retried(node, "reset"), "no number by hand holds; "
           f"{desired} subtree{plural} desired")
    prints(run(node, "history"), "ctl scale-down")
    assert ask(node, "status")["status"]["hold"] is None
    done = retried(node, "scale-up", "50")
    assert done.returncode == NOT_NOW and "policy" in done.stderr
    assert "BOUND" not in done.stderr and "at most 4" in done.stderr
    # nobody starts them
    done = run(node, "health")
    assert done.returncode == NOT_NOW, done
    assert "ok   n1 leads" in done.stdout
    assert f"bad  0 of {desired} desired subtrees" in done.stdout


def test_reject(node):
    # less than is wanted: more is proposed again
    prints(retried(node, "scale-down"))
    prints(retried(node, "reset"))
    wait_for(lambda: [row for row in ask(node, "approvals")["approvals"]
                      if row["state"] == "waiting"], "a proposal", 10)
    prints(retried(node, "approve", "--reject"), "rejected")
    assert ask(node, "approvals")["approvals"][0]["state"] == "rejected"
    assert run(node, "approve").returncode == NOT_FOUND


def test_policies(node, path, tmp_path):
    version = ask(node, "policies")["version"]
    said = json.loads(prints(retried(node, "policies", path, "--json")))
    assert said["version"] == version + 1
    prints(retried(node, "policies", path), f"version {version + 2} now")
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({**POLICY, "hardLimit": -1}))
    done = retried(node, "policies", str(bad))
    assert done.returncode == REFUSED_POLICY and "hardLimit" in done.stderr
    assert run(node, "policies", "/nowhere.json").returncode == NOT_FOUND


def test_rollback(node):
    desired = ask(node, "status")["status"]["subtrees"]["desired"]
    prints(retried(node, "scale-up"))
    change = next(row for row in ask(node, "history/egress")["history"]
                  if row["kind"] == "set")
    prints(retried(node, "rollback", change["id"]), "taken back")
    assert ask(node, "status")["status"]["subtrees"]["desired"] == desired
    done = retried(node, "rollback", "1-1")
    assert done.returncode in (NOT_FOUND, NOT_NOW), done


def test_switch(node):
    prints(retried(node, "disable"), "the nodes that there are stay")
    wait_for(lambda: "scaling     off, by" in run(node, "status").stdout,
             "off")
    prints(run(node, "history"), "ctl disable")
    prints(retried(node, "enable"), "acts on what it decides")
    wait_for(lambda: "scaling     on, by" in run(node, "status").stdout, "on")


@pytest.mark.parametrize("words", [
    ("scale-up", "0"), ("scale-up", "x"), ("scale-up", "65537"),
    ("scale-up", "1", "2"), ("status", "x"), ("disable", "x"),
    ("rollback",),
    ("approve", "a", "b")])
def test_usage(node, words):
    assert run(node, *words).returncode == USAGE


def test_alone(world):
    node = world.node("--insecure")
    assert run(node, "scale-up").returncode == NOT_NOW
    done = run(node, "health")
    assert done.returncode == NOT_NOW and "bad  nobody leads" in done.stdout
    prints(run(node, "status"), "redis-url")


def test_nobody_there():
    done = ctl("status", "--url", f"http://127.0.0.1:{free_ports()}")
    assert done.returncode == UNREACHED
