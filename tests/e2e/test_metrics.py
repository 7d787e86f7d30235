# SPDX-License-Identifier: Apache-2.0
"""/metrics: what a scraper takes, in both formats, and docs/METRICS.md, which
has every metric that a node has and none that it has not."""
import os
import re
import subprocess

import pytest
from prometheus_client.openmetrics.parser import \
    text_string_to_metric_families

from lib.cluster import Cluster
from lib.node import ROOT
from lib.subtrees import Instances, provision
from lib.wait import wait_for

OPENMETRICS = "application/openmetrics-text"
# Prometheus 2.42's own
ACCEPT = (f"{OPENMETRICS};version=1.0.0,{OPENMETRICS};version=0.0.1;q=0.75,"
          "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
ROW = re.compile(r"\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \|$")
# of every sample, and of a histogram's buckets
COMMON = {"tree_id", "node_id", "node_type", "le"}


@pytest.fixture(scope="module")
def nodes(module_world):
    """One that is all alone, and a tree: publisher and viewer on each; and one
    that adds up what the first one says."""
    alone = module_world.node("--insecure", "--state-dir",
                              module_world.directory_of("state"),
                              "--scaling-webhook-url", "http://127.0.0.1:1",
                              "--scaling-webhook-secret", "sixteen-and-more")
    instances = module_world.add(Instances(os.path.join(
        module_world.directory_of("provision"), "instances")))
    cluster = Cluster(module_world, module_world.redis().url, "--insecure",
                      "--autoscaling",
                      *provision(instances.directory, n_max=1))
    cluster.grow()
    for origin, egress in ((alone, alone), (cluster["i1"], cluster["e1"])):
        module_world.obs(origin, "live")
        egress.wait_live("live")
        module_world.viewers(egress, "live").wait_video(30)
    wait_for(lambda: "media_tree_link_first_total"
             in cluster["e1"].metrics().types, "packets of parents")
    wait_for(lambda: any("media_tree_scaling_cost_per_hour"
                         in cluster[name].metrics().types
                         for name in cluster.nodes), "a tree of the leader's")
    sums = module_world.node("--role", "metrics", "--metrics-mode", "proxy",
                             "--metrics-proc-base-url", alone.url,
                             "--metrics-scheduler-enabled",
                             "--metrics-export-prometheus-push",
                             "--metrics-prom-pushgateway-url",
                             "http://127.0.0.1:1")
    wait_for(lambda: "media_tree_cluster_nodes" in sums.metrics().types,
             "what the first one says")
    return [alone, cluster["i1"], cluster["e1"], sums]


def families(node):
    reply = node.request("/metrics", headers={"Accept": ACCEPT})
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith(
        f"{OPENMETRICS}; version=1.0.0")
    assert reply.headers["Vary"] == "Accept"
    assert reply.text.endswith("\n# EOF\n")
    return {f.name: f for f in text_string_to_metric_families(reply.text)}


def seen(nodes):
    """{name: (type, labels)} by the text format's names"""
    found = {}
    for node in nodes:
        metrics = node.metrics()
        for (sample, labels), _ in metrics.samples.items():
            name = sample
            if name not in metrics.types:
                name = re.sub("_(bucket|sum|count)$", "", sample)
            kind = metrics.types[name]
            keys = {key for key, _ in labels} - COMMON
            known = found.setdefault(name, (kind, set()))
            assert known[0] == kind, (name, kind, known)
            known[1].update(keys)
    return found


def described():
    """{name: (type, labels)} by docs/METRICS.md"""
    with open(os.path.join(ROOT, "docs", "METRICS.md")) as file:
        lines = [line.rstrip("\n") for line in file
                 if line.startswith("| `")]
    rows = {}
    for line in lines:
        match = ROW.match(line)
        assert match, f"not a row: {line}"
        assert match[1] not in rows, f"twice: {match[1]}"
        rows[match[1]] = (match[2], set(re.findall(r"`(\w+)`", match[3])))
    return rows


def test_every_metric_is_described(nodes):
    found, rows = seen(nodes), described()
    assert found.keys() - rows.keys() == set(), "not in docs/METRICS.md"
    assert rows.keys() - found.keys() == set(), "only in docs/METRICS.md"
    for name, (kind, labels) in found.items():
        assert rows[name] == (kind, labels), name


def test_promtool_has_nothing_to_say(nodes):
    for node in nodes:
        text = node.request("/metrics").text
        result = subprocess.run(["promtool", "check", "metrics"], input=text,
                                capture_output=True, text=True)
        # whose unit is promised by its name
        said = [line for line in (result.stdout + result.stderr).splitlines()
                if not line.startswith("port_pool_utilization_percent ")]
        assert said == [] and result.returncode in (0, 3), said


def test_promtool_would_say_something(nodes):
    """that the test above can fail"""
    text = nodes[0].request("/metrics").text
    bad = text.replace("media_tree_joins_total", "media_tree_joins")
    result = subprocess.run(["promtool", "check", "metrics"], input=bad,
                            capture_output=True, text=True)
    assert "media_tree_joins " in result.stdout + result.stderr


def test_openmetrics(nodes):
    """Prometheus's own parser takes it, and it says what the text says."""
    for node in nodes:
        text = node.metrics()
        found = families(node)
        counters = [f for f in found.values() if f.type == "counter"]
        assert len(counters) > 20
        for family in counters:
            names = {s.name for s in family.samples}
            assert names == {family.name + "_total", family.name + "_created"}
            assert text.types[family.name + "_total"] == "counter"
        for name, kind in text.types.items():
            family = found[name.removesuffix("_total")
                           if kind == "counter" else name]
            assert family.type == kind and family.documentation, name
            unit = family.name.rsplit("_", 1)[-1]
            if unit in ("seconds", "bytes", "ratio", "percent"):
                assert family.unit == unit, name


def test_counters_began_when_the_program_did(nodes):
    found = families(nodes[0])
    start, = (s.value for s in found["process_start_time_seconds"].samples)
    for name in ("media_tree_joins", "process_cpu_seconds"):
        created, = (s.value for s in found[name].samples
                    if s.name.endswith("_created"))
        assert abs(created - start) < 5, name


def test_text_for_everybody_else(nodes):
    for accept in ("*/*", "text/plain", "text/html,*/*;q=0.8",
                   f"{OPENMETRICS};version=9.0.0"):
        reply = nodes[0].request("/metrics", headers={"Accept": accept})
        assert reply.headers["Content-Type"].startswith(
            "text/plain; version=0.0.4"), accept
        assert not re.search("# EOF|_created[{ ]", reply.text), accept
