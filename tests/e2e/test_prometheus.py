# SPDX-License-Identifier: Apache-2.0
"""docker/prometheus with Debian's Prometheus, Alertmanager and node_exporter
on a real cluster that it finds by /sd/prometheus alone: every expression of
rules and dashboards returns data, and an alert reaches a webhook."""
import glob
import math
import os
import subprocess

import pytest

from lib.cluster import Cluster
from lib.monitoring import (CADVISOR, DOCKER, Alertmanager, NodeExporter,
                            Pages, Prometheus)
from lib.promql import DASHBOARDS, dashboard_expressions, rules, selectors
from lib.sdp import watch_offer
from lib.wait import wait_for

TOKEN = "m" * 20
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TYPES = {"i1": "injection", "r1": "relay", "e1": "egress", "e2": "egress",
         "m1": "metrics"}
LOSS = 0.05
N_VIEWERS = 3
RULES = os.path.join(DOCKER, "prometheus", "rules")

# Metrics of rules and dashboards that no node has yet, and why; an entry that
# is not needed fails.
MISSING = {"media_tree_scaling_rollbacks_total": "nothing starts nodes here"}
# Histograms of what does not happen here: they are there, without values.
QUIET = {
    "media_tree_scaling_reaction_seconds_bucket": "nothing starts nodes here",
    "media_tree_scaling_provision_seconds_bucket": "nothing starts nodes here",
}


class Monitored:
    """A cluster with a publisher and viewers, and all that looks at it."""

    def __init__(self, world):
        self.exporter = world.add(NodeExporter(world.directory_of("exporter")))
        self.cadvisor = world.add(Pages(CADVISOR))
        self.pager = world.add(Pages())
        self.cluster = Cluster(
            world, world.redis().url, "--insecure", "--metrics-token", TOKEN,
            "--node-exporter-port", str(self.exporter.port),
            "--cadvisor-port", str(self.cadvisor.port))
        # both of e1's parents lose packets, so that some are asked for again
        for name, role in list(TYPES.items())[:-1]:
            lossy = {"loss": LOSS, "seed": 1} if role != "egress" else None
            more = ("--max-viewers", str(N_VIEWERS)) if role == "egress" \
                else ()
            self.cluster.node(name, role, *more, ready=False, loss=lossy)
        for node in self.cluster.nodes.values():
            node.wait_ready()
        self.cluster.wait_placed()
        self.nodes = {**self.cluster.nodes, "m1": self.metrics_role(world)}
        self.alertmanager = world.add(Alertmanager(
            world.directory_of("alertmanager"),
            ALERT_WEBHOOK_URL=f"http://127.0.0.1:{self.pager.port}/alerts"))
        self.prometheus = world.add(Prometheus(
            world.directory_of("prometheus"), self.cluster["r1"],
            self.alertmanager, TOKEN))
        # all of them scraped twice: what happens now is a rate
        wait_for(lambda: len(self.prometheus.query(
            "count_over_time(up[1m]) >= 2")) == 3 * len(TYPES),
            "all targets scraped twice", 20)
        world.obs(self.cluster["i1"], "live")
        self.cluster.wait_live("live")
        for name in ("e1", "e2"):
            world.viewers(self.cluster[name], "live",
                          count=N_VIEWERS, args=["--reports"]).wait_video(30)


    def metrics_role(self, world):
        """Not of the cluster's list: it has no place in the tree."""
        node = world.node(
            "--node-id", "m1", "--role", "metrics", "--redis-url",
            self.cluster.redis_url, "--cluster-address", "127.0.0.1",
            *self.cluster.args,
            env={"MEDIA_TREE_CLUSTER_SECRET": self.cluster.secret})
        wait_for(lambda: {g["labels"]["node_id"] for g in self.cluster[
            "r1"].request("/sd/prometheus", headers=BEARER).json()}
            == TYPES.keys(), "all nodes in the list of targets")
        return node


@pytest.fixture(scope="module")
def monitored(module_world):
    return Monitored(module_world)


@pytest.fixture(scope="module")
def trouble(monitored):
    """A viewer whom nobody takes; a node that dies."""
    def is_refused():
        reply = monitored.cluster["e1"].post_sdp("/whep/live", watch_offer())
        if reply.status != 307: # to one that has said its last when it had room
            reply.assert_problem(503, code="server-full")
        return reply.status == 503
    wait_for(is_refused, "refusal")
    monitored.cluster["e2"].kill()
    yield
    # so that the world can end it as it ends all nodes
    monitored.cluster["e2"].start()


def run(*args, **more):
    result = subprocess.run(args, capture_output=True, text=True, **more)
    return result.returncode, result.stdout + result.stderr


# --- the files ---------------------------------------------------------------


def test_rules_and_their_tests():
    code, said = run("promtool", "check", "rules",
                     *glob.glob(f"{RULES}/*.yml"))
    assert code == 0 and "SUCCESS" in said, said
    code, said = run("promtool", "test", "rules",
                     *glob.glob(f"{RULES}/tests/*.yml"))
    assert code == 0, said


def test_every_alert_is_tested_and_says_what_to_do():
    texts = ""
    for path in glob.glob(f"{RULES}/tests/*.yml"):
        with open(path) as file:
            texts += file.read()
    for rule in rules("alerts"):
        name = rule["alert"]
        fires = f'alertname="{name}", alertstate="firing"' in texts or \
            f"alertname: {name}\n        exp_alerts:" in texts
        assert fires, f"no test shows that {name} fires"
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["annotations"]["summary"], name
        assert len(rule["annotations"]["description"]) > 60, name


def test_a_rule_that_is_wrong_fails(tmp_path):
    """that the tests of rules can fail: CPU alerted from 90 % on"""
    run("cp", "-r", RULES, str(tmp_path))
    path = tmp_path / "rules" / "alerts.yml"
    path.write_text(path.read_text().replace("percent > 80", "percent > 90"))
    code, said = run("promtool", "test", "rules",
                     str(tmp_path / "rules" / "tests" / "load.yml"))
    assert code != 0 and "MediaTreeCpuHigh" in said


# --- discovery ---------------------------------------------------------------


def test_targets_of_any_node(monitored):
    """each node of the tree says the same of all"""
    def same():
        said = [node.request("/sd/prometheus", headers=BEARER).json()
                for node in monitored.nodes.values()]
        return all(groups == said[0] for groups in said) and said
    said = wait_for(same, "the same of all")
    found = {(g["labels"]["job"], g["labels"]["node_id"]): g for g in said[0]}
    assert len(found) == len(said[0]) == 3 * len(TYPES)
    for name, kind in TYPES.items():
        for job, port in (("media-tree", monitored.nodes[name].http_port),
                          ("node", monitored.exporter.port),
                          ("cadvisor", monitored.cadvisor.port)):
            assert found[job, name] == {
                "targets": [f"127.0.0.1:{port}"],
                "labels": {"job": job, "tree_id": "main", "node_id": name,
                           "node_type": kind, "__scheme__": "http",
                           "__metrics_path__": "/metrics"}}


def test_who_may_ask(monitored):
    node = monitored.cluster["r1"]
    node.request("/sd/prometheus").assert_problem(401, code="token-missing")
    node.request("/sd/prometheus", headers={
        "Authorization": "Bearer x"}).assert_problem(401)
    node.request("/sd/prometheus", "POST", "x", BEARER).assert_problem(405)
    node.request("/sd/elsewhere", headers=BEARER).assert_problem(404)
    # Prometheus takes no other
    assert node.request("/sd/prometheus", headers=BEARER).headers[
        "Content-Type"] == "application/json"


def test_ports_of_none(world):
    node = world.node("--node-exporter-port", "0", "--cadvisor-port", "0")
    group, = node.request("/sd/prometheus").json()
    assert group["targets"] == [f"127.0.0.1:{node.http_port}"]
    assert group["labels"]["job"] == "media-tree"
    assert group["labels"]["node_type"] == "all"


def test_labels(monitored):
    """one set of labels on all that a node and its machine tell"""
    targets = monitored.prometheus.targets()
    assert {t["health"] for t in targets} == {"up"}, targets
    assert {(t["labels"]["job"], t["labels"]["node_id"],
             t["labels"]["node_type"]) for t in targets} == {
        (job, name, kind) for name, kind in TYPES.items()
        for job in ("media-tree", "node", "cadvisor")}
    for metric in ("media_tree_build_info", "node_cpu_seconds_total",
                   "container_cpu_usage_seconds_total"):
        for name, kind in TYPES.items():
            assert monitored.prometheus.query(
                f'{metric}{{tree_id="main",node_id="{name}",'
                f'node_type="{kind}"}}'), (metric, name)
    assert monitored.prometheus.query('{exported_node_id!=""}') == []


def test_check_config(monitored):
    code, said = run("promtool", "check", "config",
                     monitored.prometheus.config)
    assert code == 0 and "SUCCESS" in said, said


@pytest.mark.parametrize("name", TYPES)
def test_check_metrics(monitored, name):
    text = monitored.nodes[name].request("/metrics", headers=BEARER).text
    code, said = run("promtool", "check", "metrics", input=text)
    # whose unit is promised by its name
    rest = [line for line in said.splitlines()
            if not line.startswith("port_pool_utilization_percent ")]
    assert rest == [] and code in (0, 3), rest


def test_a_node_that_died_is_still_a_target(monitored, trouble):
    """so that Prometheus sees that it does not answer"""
    node = monitored.cluster["r1"]
    wait_for(lambda: node.metrics(BEARER).total("media_tree_nodes_alive")
             == len(TYPES) - 1, "death of e2")
    assert node.metrics(BEARER).total("media_tree_nodes_known") == len(TYPES)
    groups = node.request("/sd/prometheus", headers=BEARER).json()
    assert {g["labels"]["node_id"] for g in groups} == TYPES.keys()


# --- expressions -------------------------------------------------------------


def has_data(prometheus, expression):
    return any(math.isfinite(float(series["value"][1]))
               for series in prometheus.query(expression))


def is_excused(prometheus, expression):
    """missing as a whole, or a percentile of nothing"""
    names = [selector.split("{")[0] for selector in selectors(expression)]
    return any(name in MISSING for name in names) or any(
        name in QUIET and total(prometheus, name, "_count") == 0
        for name in names)


def total(prometheus, bucket, suffix):
    name = bucket.removesuffix("_bucket") + suffix
    series = prometheus.query(f"sum({name})")
    return float(series[0]["value"][1]) if series else None


def test_selectors_are_found():
    assert selectors('sum by (a, b) (rate(x_total{c="d(e)"}[5m])) / 2 > 0.1 '
                     'or on (tree) y:z:max unless absent(up == 1)') == [
        'x_total{c="d(e)"}', "y:z:max", "up"]


def check_all(monitored, trouble, expressions):
    """each returns a number that is one, once trouble has shown"""
    without = dict(expressions)

    def all_have():
        for where, expression in list(without.items()):
            if has_data(monitored.prometheus, expression):
                del without[where]
        return all(is_excused(monitored.prometheus, e)
                   for e in without.values())
    try:
        wait_for(all_have, "data of every expression", 30, 1)
    except AssertionError:
        pytest.fail("no data of:\n" + "\n".join(
            f"{where}: {expression}" for where, expression in without.items()
            if not is_excused(monitored.prometheus, expression)))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboard_has_data(monitored, trouble, name):
    check_all(monitored, trouble, list(dashboard_expressions(name)))


def test_recording_rules_have_data(monitored, trouble):
    check_all(monitored, trouble,
              [(rule["record"], rule["record"]) for rule in rules("recording")])


def test_what_alerts_look_at_is_there(monitored, trouble):
    check_all(monitored, trouble, {
        f"{rule['alert']}: {selector}": f"last_over_time({selector}[5m])"
        for rule in rules("alerts")
        for selector in selectors(rule["expr"])}.items())


def test_what_is_missing_is_needed(monitored):
    used = {selector.split("{")[0].removesuffix("_bucket")
            for expression in [
                *(e for name in DASHBOARDS
                  for _, e in dashboard_expressions(name)),
                *(rule["expr"] for name in ("recording", "alerts")
                  for rule in rules(name))]
            for selector in selectors(expression)}
    for name in MISSING:
        assert name.removesuffix("_bucket") in used, f"nobody asks for {name}"
        assert not monitored.prometheus.query(
            f"last_over_time({name}[5m])"), f"{name} is there"


# --- alerts ------------------------------------------------------------------


def test_alerts_reach_the_webhook(monitored, trouble):
    """through Alertmanager: what fires, and nothing that does not"""
    def got():
        return {alert["labels"]["alertname"]: alert
                for _, body in list(monitored.pager.posted)
                for alert in body["alerts"] if alert["status"] == "firing"}
    wanted = {"MediaTreeJoinsRefused", "MediaTreeNodeGone"}

    def all_wanted():
        now = got()
        assert wanted <= now.keys(), (
            now.keys(), monitored.prometheus.get("/api/v1/alerts"))
        return now
    alerts = wait_for(all_wanted, f"{wanted} at the webhook", 50, 0.5)
    gone = alerts["MediaTreeNodeGone"]
    assert gone["labels"]["node_id"] == "e2"
    assert gone["annotations"]["summary"] == "e2 of tree main is gone"
    assert "start it again" in gone["annotations"]["description"]
    assert alerts["MediaTreeJoinsRefused"]["labels"]["severity"] == "critical"
    # loss is there by design, and a slow machine may stall; but not these
    assert alerts.keys().isdisjoint({
        "MediaTreeNothingScraped", "MediaTreeStoreAway", "MediaTreeNoLeader",
        "MediaTreePipelineCrashed", "MediaTreePortPoolNearlyFull",
        "MediaTreeGopLong", "MediaTreeBFrames", "MediaTreeOomKill",
        "MediaTreeContainerMemoryPressure"}), alerts.keys()


ENTRYPOINT = os.path.join(DOCKER, "alertmanager", "entrypoint.sh")


def entrypoint(tmp_path, **env):
    config = tmp_path / "alertmanager.yml"
    env = {"PATH": os.environ["PATH"], "ALERTMANAGER_CONFIG": str(config),
           **env}
    code, said = run(ENTRYPOINT, "amtool", "check-config", str(config),
                     env=env)
    return code, said, config.read_text() if config.exists() else None


def test_alertmanager_from_environment(tmp_path):
    slack, url, token = (tmp_path / n for n in ("slack", "url", "token"))
    slack.write_text("https://hooks.slack.example/T/secret\n")
    url.write_text("https://pager.example/secret?a='b\n")
    token.write_text("t")
    code, said, text = entrypoint(
        tmp_path, ALERT_SLACK_URL_FILE=str(slack),
        ALERT_SLACK_CHANNEL="#it's", ALERT_WEBHOOK_URL_FILE=str(url),
        ALERT_WEBHOOK_TOKEN_FILE=str(token))
    assert code == 0 and "1 receivers" in said, said
    assert "'#it''s'" in text and "hooks.slack" not in text
    assert "'https://pager.example/secret?a=''b'" in text
    assert f"credentials_file: '{token}'" in text
    assert os.stat(tmp_path / "alertmanager.yml").st_mode & 0o077 == 0


def test_one_receiver_is_enough(tmp_path):
    slack = tmp_path / "slack"
    slack.write_text("https://hooks.slack.example/T/secret")
    code, said, text = entrypoint(tmp_path, ALERT_SLACK_URL_FILE=str(slack))
    assert code == 0 and "webhook_configs" not in text, said
    assert "'#alerts'" in text
    code, said, text = entrypoint(tmp_path, ALERT_WEBHOOK_URL="http://a/b")
    assert code == 0 and "slack" not in text, said


@pytest.mark.parametrize("env,what", [
    ({}, "ALERT_SLACK_URL_FILE or ALERT_WEBHOOK_URL_FILE"),
    ({"ALERT_SLACK_URL_FILE": "/nowhere"}, "ALERT_SLACK_URL_FILE: cannot"),
    ({"ALERT_SLACK_URL_FILE": "/dev/null"}, "ALERT_SLACK_URL_FILE: "),
    ({"ALERT_WEBHOOK_URL": "pager"}, "ALERT_WEBHOOK_URL: is not http"),
    ({"ALERT_WEBHOOK_URL": "http://a\nb: c"}, "ALERT_WEBHOOK_URL: has white"),
    ({"ALERT_WEBHOOK_TOKEN_FILE": "/etc/hostname"},
     "ALERT_WEBHOOK_TOKEN_FILE: needs")])
def test_alertmanager_of_a_wrong_environment(tmp_path, env, what):
    code, said, text = entrypoint(tmp_path, **env)
    assert code == 78 and what in said, said
    assert text is None
