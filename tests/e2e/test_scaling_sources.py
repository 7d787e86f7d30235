# SPDX-License-Identifier: Apache-2.0
"""Where a policy's metrics come from beside heartbeats: the nodes themselves,
and a server that answers as Prometheus does. Each makes the leader ask for
more; what nobody says is unknown, not 0."""
import http.server
import json
import threading
import urllib.parse

import pytest

from lib.cluster import Cluster
from lib.node import run_binary
from lib.wait import wait_for

TOKEN = "m" * 20
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def policy(source, kind, limit):
    return {
        "hardLimit": 100, "egressPerSubtree": 2,
        "slots": {"warm": 0, "cold": 1, "warmEgress": 1},
        "policies": [{
            "name": "small", "service": "egress", "enabled": True,
            "minReplicas": 1, "maxReplicas": 8, "schedules": [],
            "metrics": [{"name": "it", "type": kind, "source": source,
                         "aggregation": "max", "window": 0}],
            "thresholds": [{"metric": "it", "scaleUp": limit,
                            "comparison": "greater_than"}],
            "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
            "scaleUpBy": 2, "scaleDownBy": 2, "evaluationInterval": 1}]}


@pytest.fixture
def start(world, tmp_path):
    redis = world.redis()
    cluster = Cluster(world, redis.url, "--insecure", "--metrics-token", TOKEN)

    def start(text, *args):
        path = tmp_path / "policy.json"
        path.write_text(json.dumps(text))
        node = cluster.node("n1", "egress", "--autoscaling",
                            "--autoscaling-policy", str(path), *args)
        return node, redis
    return start


def signal(node, name):
    trees = node.state()["scaling"]["controller"]["trees"]
    return trees[0].get("signals", {}).get(name) if trees else None


def reason(redis):
    return redis.call("HGET", "desired:main", "cause") == "threshold"


def test_peers(start):
    # memory that a process has is more than none
    node, redis = start(policy("peers", "memory", 0))
    value = wait_for(lambda: signal(node, "memory"), "what the node says", 10)
    assert 0 < value < 100
    wait_for(lambda: reason(redis), "more for that", 10)
    assert signal(node, "cpu") is None  # nobody asked for it


def test_peers_that_do_not_answer(start):
    # a node that cannot be asked: nothing is known, and nothing follows
    node, redis = start(policy("peers", "memory", 0), "--public-url",
                        "http://127.0.0.1:1")
    # after five decisions three of them would do
    wait_for(lambda: node.metrics(BEARER).total(
        "media_tree_scaling_decisions_total") >= 7, "decisions", 15)
    assert signal(node, "memory") is None
    assert not reason(redis)


class Prometheus:
    """/api/v1/query, with one sample for all; None: no sample."""

    def __init__(self, value):
        self.value, self.queries = value, []
        mine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlparse(self.path)
                mine.queries.append(urllib.parse.parse_qs(url.query)["query"])
                result = [] if mine.value is None else [
                    {"metric": {}, "value": [1.5, str(mine.value)]}]
                body = json.dumps({"status": "success", "data": {
                    "resultType": "vector", "result": result}}).encode()
                self.send_response(200 if url.path == "/api/v1/query" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever).start()

    def leave(self):
        self.server.shutdown()
        self.server.server_close()


def test_prometheus(start):
    prometheus = Prometheus(91)
    try:
        node, redis = start(
            policy("prometheus", "cpu", 90), "--prometheus-url",
            prometheus.url, "--prometheus-interval", "1 s",
            "--prometheus-query-cpu", 'avg(x{tree="$tree"})')
        wait_for(lambda: signal(node, "cpu") == 91, "its number", 10)
        assert prometheus.queries[0] == ['avg(x{tree="main"})']
        wait_for(lambda: reason(redis), "more for that", 10)
        row = [json.loads(entry[5]) for entry in history(redis)
               if entry[2] == "desire"][0]
        assert row["signals"]["cpu"] == 91
        assert "it was above 90" in row["reason"]
        prometheus.value = None
        wait_for(lambda: signal(node, "cpu") is None, "nothing known", 10)
        asked = "media_tree_scaling_prometheus_queries_total"
        assert node.metrics(BEARER).total(asked, result="ok") >= 1
        assert node.metrics(BEARER).total(asked, result="nothing") >= 1
    finally:
        prometheus.leave()


def history(redis):
    rows = redis.call("FCALL", "mt_history", 0, "", "main", "+", 500)
    return [rows[i:i + 6] for i in range(0, len(rows), 6)]


@pytest.mark.parametrize("args", [
    ("--prometheus-url", "prom:9090"),
    ("--prometheus-url", "http://prom/?x=y"),
    ("--prometheus-query-cpu", "x" * 2001),
])
def test_bad_settings(args):
    done = run_binary("--http-listen", "127.0.0.1:0", "--rtc-port", "0", *args)
    assert done.returncode == 78, done
    assert args[0][2:] in done.stderr
