# SPDX-License-Identifier: Apache-2.0
"""The exporters of --role=metrics: a real Pushgateway; CloudWatch as a stand-in
that computes each signature again with botocore and errs by a script; run-once;
the task definitions for ECS."""
import glob
import json
import os
import subprocess

import pytest

from lib.cloudwatch import CloudWatch, input_shape, problems_of
from lib.cluster import Cluster
from lib.node import BINARY, ROOT, clean_environment, free_ports, run_binary
from lib.pushgateway import Pushgateway
from lib.wait import wait_for

JOINS = "media_tree_cluster_egress_joins_total"
VIEWERS = "media_tree_cluster_egress_viewers"
ATTEMPTS = "media_tree_export_attempts_total"
DEFINITIONS = sorted(glob.glob(os.path.join(ROOT, "docker", "ecs", "*.json")))


@pytest.fixture(scope="module")
def tree(module_world):
    """A node of all roles in a Redis, and a publisher."""
    cluster = Cluster(module_world, module_world.redis().url, "--insecure")
    origin = cluster.node("i1", "injection,relay,egress")
    module_world.obs(origin, "live")
    return cluster


@pytest.fixture
def gateway(world):
    return world.add(Pushgateway(world.directory_of("gateway")))


@pytest.fixture
def cloudwatch():
    with CloudWatch(token="a/session+token=") as stand_in:
        yield stand_in


def environment(tree, **more):
    """Of the role metrics; what a developer's machine has is not in it."""
    env = clean_environment(
        MEDIA_TREE_REDIS_URL=tree.redis_url,
        MEDIA_TREE_CLUSTER_SECRET=tree.secret, HOME="/nonexistent",
        AWS_EC2_METADATA_DISABLED="true", NO_PROXY="127.0.0.1")
    return {**{name: value for name, value in env.items()
               if not name.startswith(("AWS_", "METRICS_"))
               or name == "AWS_EC2_METADATA_DISABLED"}, **more}


def push_env(gateway, **more):
    return {"METRICS_EXPORT_PROMETHEUS_PUSH": "1",
            "METRICS_PROM_PUSHGATEWAY_URL": gateway.url, **more}


def cloudwatch_env(stand_in, **more):
    keys = stand_in.credentials
    return {"METRICS_EXPORT_CLOUDWATCH": "1",
            "METRICS_CLOUDWATCH_REGION": stand_in.region,
            "AWS_ENDPOINT_URL": stand_in.url,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_SESSION_TOKEN": keys.token, **more}


def start(world, tree, *args, **env):
    return world.node(
        "--role", "metrics", "--insecure", *args,
        env=environment(tree, METRICS_SCHEDULER_ENABLED="1",
                        METRICS_EXPORT_INTERVAL_SEC="1", **env))


def run_once(tree, *args, interval="20", **env):
    """The exit code, and what was logged"""
    done = subprocess.run(
        [BINARY, "--role=metrics", "--http-listen",
         f"127.0.0.1:{free_ports()}", *args],
        env=environment(tree, **{
            "METRICS_RUN_ONCE": "1",
            "METRICS_EXPORT_INTERVAL_SEC": interval, **env}),
        capture_output=True, text=True, timeout=40)
    return done.returncode, done.stdout + done.stderr


def joins(tree):
    return tree["i1"].metrics().total("media_tree_joins_total")


# Pushgateway

def test_pushgateway_has_what_the_cluster_has(world, tree, gateway):
    labels = {"job": "media tree", "env": "a/b", "empty": ""}
    role = start(world, tree, **push_env(
        gateway, METRICS_PROM_JOB_NAME=labels["job"],
        METRICS_PROM_GROUPING_LABELS_JSON='{"env": "a/b", "empty": ""}',
        METRICS_MAPPING_JSON='{"egress.slots": "Egress/Slots", '
                             '"relay.streams": null}'))
    world.viewers(tree["i1"], count=3).wait_video()
    here = {"job": labels["job"], "env": "a/b", "tree": "main"}
    wait_for(lambda: gateway.value(VIEWERS, **here) == 3, "3 viewers", 10)
    names = {name for name, _, _ in gateway.samples()}
    assert "Egress_Slots" in names
    assert "media_tree_cluster_relay_streams" not in names
    for percentile in ("50", "95", "99"):  # of the role, and of the tree
        wait_for(lambda p=percentile: gateway.find(
            "media_tree_cluster_egress_join_seconds", percentile=p, **here),
            f"percentile {percentile}", 10)
    # a gateway that was away and lost all has all again
    gateway.kill()
    wait_for(lambda: role.metrics().total(ATTEMPTS, result="away") > 0,
             "a failed push", 10)
    gateway.start()
    wait_for(lambda: [v for n, _, v in gateway.samples() if n == JOINS],
             "the group again", 10)
    assert role.metrics().total("media_tree_export_last_success_seconds") > 0


def test_a_scrape_is_answered_again_while_it_may(world, tree):
    role = start(world, tree, METRICS_PROM_SCRAPE_TTL_SEC="3600")
    fresh = start(world, tree)
    for node in (role, fresh):
        wait_for(lambda node=node: node.metrics().total(
            "media_tree_cluster_nodes") >= 1, "the cluster", 10)
    seen = role.metrics().total(JOINS)
    world.viewers(tree["i1"]).wait_video(1)
    wait_for(lambda: fresh.metrics().total(JOINS) == seen + 1, "a join", 10)
    assert role.metrics().total(JOINS) == seen


# CloudWatch

def test_no_counter_is_lost(world, tree, cloudwatch):
    """500s, throttling and time-outs between joins: the sum of what was
    accepted is what came."""
    before = joins(tree)
    cloudwatch.answers = ["ok"]
    role = start(world, tree, "--metrics-export-timeout", "300ms",
                 METRICS_CLOUDWATCH_DIMENSIONS_JSON='{"env": "e2e"}',
                 **cloudwatch_env(cloudwatch))
    # gauges of the first view: from now on counters are ours
    wait_for(lambda: cloudwatch.find("egress.viewers", tree="main"),
             "a first export", 10)
    cloudwatch.answers = ["500", "timeout", "throttle", "ok", "timeout",
                          "500", "500", "throttle", "throttle", "ok"]
    n_joins = 0
    while cloudwatch.answers:
        viewers = world.viewers(tree["i1"], count=2)
        viewers.wait_video(1)
        viewers.kill()
        n_joins += 2
    assert joins(tree) - before == n_joins

    def total(**labels):
        # of the whole tree, not of its roles
        return sum(value * count for datum in cloudwatch.find(
            "egress.joins_total", tree="main", env="e2e", **labels)
            for value, count in datum.values
            if not any(name == "role" for name, _ in datum.dimensions))

    wait_for(lambda: total() >= n_joins, "all joins", 15)
    n_exports = role.metrics().total(ATTEMPTS, result="accepted")
    wait_for(lambda: role.metrics().total(ATTEMPTS, result="accepted")
             >= n_exports + 3, "more exports", 15)
    assert total() == n_joins
    assert cloudwatch.refusals == []
    assert any(is_gzip for _, _, is_gzip in cloudwatch.calls)
    for code, n in (("InternalFailure", 3), ("Throttling", 3),
                    ("timeout", 2)):
        assert cloudwatch.n_calls[code] == n, cloudwatch.n_calls
    assert role.metrics().total(ATTEMPTS, result="away") == 8
    for datum in cloudwatch.find("egress.join_seconds"):
        assert datum.unit == "Seconds"
    # each time that a viewer took to join, in one of the two of this minute
    counts = sum(count for datum in cloudwatch.find("egress.join_seconds",
                                                    tree="main")
                 for value, count in datum.values if 0 < value < 30)
    assert counts > 0


def test_a_wrong_secret_is_refused_by_name(world, tree, cloudwatch):
    role = start(world, tree, **cloudwatch_env(
        cloudwatch, AWS_SECRET_ACCESS_KEY="wrong"))
    wait_for(lambda: role.metrics().total(ATTEMPTS, result="credentials") > 0,
             "a refusal", 10)
    assert "SignatureDoesNotMatch" in role.read_log()
    assert "wrong" not in role.read_log()
    assert cloudwatch.data == []


# Run once

def test_run_once_ends_with_0_when_all_was_accepted(tree, gateway,
                                                    cloudwatch, tmp_path):
    cloudwatch.answers = ["500", "throttle"]  # and then not any more
    code, log = run_once(tree, "--state-dir", str(tmp_path),
                         **push_env(gateway), **cloudwatch_env(cloudwatch))
    assert code == 0, log
    assert gateway.value("media_tree_cluster_nodes", tree="main") >= 1
    assert cloudwatch.find("cluster.nodes", tree="main")
    assert cloudwatch.refusals == []


def test_run_once_counts_on_from_the_last_run(world, tree, cloudwatch,
                                              tmp_path):
    env = cloudwatch_env(cloudwatch)
    assert run_once(tree, "--state-dir", str(tmp_path), **env)[0] == 0
    assert cloudwatch.find("egress.joins_total") == []
    world.viewers(tree["i1"], count=2).wait_video(1)
    reached = joins(tree)

    def is_told():  # the node says it with its next heartbeat
        assert run_once(tree, "--state-dir", str(tmp_path), **env)[0] == 0
        return [d for d in cloudwatch.find("egress.joins_total", tree="main")
                if len(d.dimensions) == 1]

    data = wait_for(is_told, "the joins between two runs", 10)
    assert sum(v for d in data for v, _ in d.values) == 2
    with open(tmp_path / "export-cloudwatch.json") as file:
        assert json.load(file)["egress.joins_total|tree=main"] == reached


def test_run_once_that_is_ended_has_not_exported(tree, cloudwatch):
    cloudwatch.answers = ["timeout"]
    process = subprocess.Popen(
        [BINARY, "--role=metrics", "--http-listen",
         f"127.0.0.1:{free_ports()}"],
        env=environment(tree, METRICS_RUN_ONCE="1",
                        **cloudwatch_env(cloudwatch)),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: cloudwatch.n_calls["timeout"], "a call", 10)
    finally:
        process.terminate()
        assert process.wait(10) == 75


@pytest.mark.parametrize("what, code, says", [
    ("nobody answers", 75, "pushgateway"),
    ("no cluster", 75, "not seen"),
    ("wrong secret", 77, "SignatureDoesNotMatch"),
    ("no keys", 77, "no AWS credentials"),
    ("nothing to export", 78, "METRICS_EXPORT_CLOUDWATCH"),
    ("mapping", 78, "METRICS_MAPPING_JSON: line 1, character"),
    ("unknown key", 78, "member 1: \"egress.wievers\""),
    ("no region", 78, "METRICS_CLOUDWATCH_REGION"),
    ("no gateway", 78, "METRICS_PROM_PUSHGATEWAY_URL"),
])
def test_run_once_says_what_went_wrong(tree, cloudwatch, what, code, says):
    away = f"http://127.0.0.1:{free_ports()}"
    keys = cloudwatch_env(cloudwatch)
    env = {
        "nobody answers": {"METRICS_EXPORT_PROMETHEUS_PUSH": "1",
                           "METRICS_PROM_PUSHGATEWAY_URL": away},
        "no cluster": {**keys, "MEDIA_TREE_REDIS_URL":
                       away.replace("http", "redis")},
        "wrong secret": {**keys, "AWS_SECRET_ACCESS_KEY": "wrong"},
        "no keys": {**keys, "AWS_ACCESS_KEY_ID": "",
                    "AWS_SECRET_ACCESS_KEY": ""},
        "nothing to export": {},
        "mapping": {**keys, "METRICS_MAPPING_JSON": "{"},
        "unknown key": {**keys, "METRICS_MAPPING_JSON":
                        '{"egress.wievers": "x"}'},
        "no region": {**keys, "METRICS_CLOUDWATCH_REGION": ""},
        "no gateway": {"METRICS_EXPORT_PROMETHEUS_PUSH": "1"},
    }[what]
    # who was there to be seen is seen within two seconds
    found, log = run_once(tree, interval="2" if code == 75 else "20", **env)
    assert (found, says in log) == (code, True), log
    assert cloudwatch.data == []


# ECS

@pytest.mark.parametrize("path", DEFINITIONS, ids=os.path.basename)
def test_task_definitions_have_the_form_of_ecs(path):
    shape = input_shape("ecs", "RegisterTaskDefinition")
    with open(path) as file:
        definition = json.load(file)
    assert problems_of(definition, shape) == ""
    assert list(unknown(definition, shape, "")) == []
    secrets = {"REDIS_URL", "SECRET", "TOKEN", "KEY"}
    for container in definition["containerDefinitions"]:
        for variable in container["environment"]:
            assert not any(word in variable["name"] for word in secrets)


def unknown(value, shape, path):
    """Members that the service does not know: botocore lets them pass."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if name not in shape.members:
                yield f"{path}.{name}"
            else:
                yield from unknown(member, shape.members[name],
                                   f"{path}.{name}")
    elif shape.type_name == "list":
        for member in value:
            yield from unknown(member, shape.member, path + "[]")
    elif getattr(shape, "enum", None):
        if value not in shape.enum:
            yield f"{path}: {value}"


def test_there_are_two_task_definitions():
    assert [os.path.basename(path) for path in DEFINITIONS] == [
        "scheduled-run-once.json", "service.json"]


def container_of(name):
    path = os.path.join(ROOT, "docker", "ecs", name)
    with open(path) as file:
        container, = json.load(file)["containerDefinitions"]
    return container, {v["name"]: v["value"] for v in container["environment"]}


def test_the_service_runs_as_it_is_defined(world, tree, cloudwatch):
    container, env = container_of("service.json")
    secrets = {secret["name"] for secret in container["secrets"]}
    assert secrets == {"MEDIA_TREE_REDIS_URL", "MEDIA_TREE_CLUSTER_SECRET",
                       "MEDIA_TREE_METRICS_TOKEN"}
    shown = run_binary("--help").stdout
    for name in env:
        assert name in shown, f"{name} is no setting"
    port = str(free_ports())
    env = environment(tree, **{**cloudwatch_env(cloudwatch), **env,
                               "METRICS_PORT": port,
                               "MEDIA_TREE_METRICS_TOKEN": "t" * 20})
    process = subprocess.Popen([BINARY, *container["command"]], env=env,
                               cwd=world.directory_of("service"),
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        kind, *check = container["healthCheck"]["command"]
        assert kind == "CMD"
        wait_for(lambda: subprocess.run(check, env=env, timeout=5,
                                        stderr=subprocess.DEVNULL
                                        ).returncode == 0,
                 "good health", 10)
        wait_for(lambda: cloudwatch.find("cluster.nodes", env="prod"),
                 "an export", 10)
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert subprocess.run(check, env=env, timeout=5,
                          stderr=subprocess.DEVNULL).returncode != 0
    assert cloudwatch.refusals == []


def test_the_scheduled_task_runs_as_it_is_defined(tree, cloudwatch, tmp_path):
    container, env = container_of("scheduled-run-once.json")
    mount, = container["mountPoints"]
    assert env["MEDIA_TREE_STATE_DIR"] == mount["containerPath"]
    code, log = run_once(tree, **{
        **cloudwatch_env(cloudwatch), **env,
        "MEDIA_TREE_STATE_DIR": str(tmp_path)})
    assert code == 0, log
    assert cloudwatch.find("cluster.nodes", env="prod", tree="main")
    assert os.listdir(tmp_path) == ["export-cloudwatch.json"]
