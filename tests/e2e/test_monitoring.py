# SPDX-License-Identifier: Apache-2.0
"""/monitoring/system: what a node has been through, and who may see it."""
import math

import pytest

from lib.wait import wait_for

SPANS = ("1m", "15m", "1h", "max")
GAMMA = 1.01 / 0.99
N_VIEWERS = 3


@pytest.fixture(scope="module")
def live(module_world):
    """Viewers that have joined, a publisher whose packets get lost."""
    node = module_world.node("--insecure")
    proxy = module_world.impair(node, loss_up=0.05)
    module_world.obs(node, "lossy", port=proxy.port)
    module_world.obs(node, "live")
    module_world.viewers(node, "live", count=N_VIEWERS).wait_video(30)
    return node


def system(node, **more):
    reply = node.request("/monitoring/system", **more)
    assert reply.status == 200, reply
    return reply.json()


def quantile(sketch, q):
    """from the buckets alone, as another node would"""
    rank, n = max(1, math.ceil(q * sketch["n"])), 0
    for index, count in sketch["buckets"]:
        n += count
        if n >= rank:
            value = 0 if index == 0 else \
                2 * GAMMA ** (index - 1) / (GAMMA + 1)
            return min(max(value, sketch["min"]), sketch["max"])
    raise AssertionError("no such rank")


def check_span(window, span):
    sketch = span["sketch"]
    assert span["n"] == sketch["n"] == sum(n for _, n in sketch["buckets"])
    if span["n"] == 0:
        assert span.keys() == {"n", "sketch"}
        return
    assert span["min"] <= span["p50"] <= span["p95"] <= span["p99"] \
        <= span["max"]
    assert span["min"] <= span["mean"] <= span["max"]
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        exact = span[name] / window["scale"]
        assert abs(quantile(sketch, q) - exact) <= 0.02 * exact + 1e-9


def test_windows(live):
    def sampled():
        windows = system(live)["windows"]
        return windows["connections"]["now"] == N_VIEWERS and \
            windows["repair_latency"]["1m"]["n"] > 0 and windows
    windows = wait_for(sampled, "viewers and a repair in the windows", 20)
    for window in windows.values():
        for name in SPANS:
            check_span(window, window[name])
            assert window[name]["n"] >= window["1m"]["n"]
    joins = windows["join_latency"]["1m"]
    assert joins["n"] == N_VIEWERS and 0 < joins["p99"] < 30
    http = windows["http_latency"]["1m"]
    assert http["n"] >= N_VIEWERS + 2 and 0 < http["max"] < 30
    repairs = windows["repair_latency"]["1m"]
    assert 0 < repairs["p50"] < 2
    assert windows["connections"]["max"]["max"] == N_VIEWERS
    assert windows["port_pool_utilization"]["now"] == 0
    assert windows["join_pressure"]["max"]["max"] <= 1


def test_counts_agree_with_the_metrics(live):
    def agree():
        metrics, windows = live.metrics(), system(live)["windows"]
        return all(metrics.total(name) == windows[window]["max"]["n"]
                   for name, window in (
                       ("media_tree_join_seconds_count", "join_latency"),
                       ("media_tree_repair_seconds_count", "repair_latency")))
    wait_for(agree, "the same counts in both")
    metrics = live.metrics()
    assert metrics.total("media_tree_dtls_handshake_seconds_count") == \
        metrics.total("media_tree_dtls_handshakes_total", result="ok")


def test_a_join_that_hangs_is_in_the_queue(world, node):
    from lib import sdp
    world.obs(node)
    path = "/whep/live"
    reply = node.request(path, "POST", sdp.watch_offer(),
                         {"Content-Type": "application/sdp"})
    assert reply.status == 201
    queue = wait_for(lambda: (w := system(node)["windows"])
                     ["join_queue"]["now"] == 1 and w, "a queue of one")
    assert queue["connections"]["now"] == 0
    assert queue["join_pressure"]["now"] > 0
    assert queue["join_queue"]["1m"]["max"] == 1


def test_node_and_process(live):
    wait_for(lambda: system(live)["process"]["cpu"]["1m"]["n"] > 0, "samples")
    said = system(live)
    state = live.state()
    for key in ("node_id", "tree_id", "version"):
        assert said["node"][key] == state[key]
    assert said["node"]["workers"] == len(state["workers"])
    process = said["process"]
    assert process["cpu_seconds"] > 0 and process["max_fds"] > 100
    assert 1 << 20 < process["resident_memory"]["now"] < 1 << 32
    assert 0 < process["open_fds"]["now"] < process["max_fds"]
    for name in ("cpu", "busiest_worker"):
        for span in SPANS:
            stats = process[name][span]
            assert 0 <= stats["min"] <= stats["mean"] <= stats["max"] < 1.5
    assert len(said["load"]["boot"]) == 32
    assert said["load"]["slots"] > 0 and 0 < said["load"]["mem_ratio"] < 1
    before = live.metrics().total("media_tree_worker_cpu_seconds_total")
    wait_for(lambda: live.metrics().total(
        "media_tree_worker_cpu_seconds_total") > before > 0, "busy workers")


def test_who_may_see_it(world):
    node = world.node("--admin-token", "a" * 20, "--metrics-token", "m" * 20,
                      "--whep-token", "w" * 20)
    path = "/monitoring/system"
    for token, status in (("a", 200), ("m", 200), ("w", 401), ("x", 401)):
        reply = node.request(path, headers={
            "Authorization": f"Bearer {token * 20}"})
        assert reply.status == status, (token, reply)
    node.request(path).assert_problem(401)
    node.request(path, "POST", "x").assert_problem(405)
