# SPDX-License-Identifier: Apache-2.0
"""--role=metrics: a node without media that adds up what the others say: by
their heartbeats in a real Redis, or by asking them; and what it does when they,
the Redis or what these say are not as they should be."""
import json
import os
import re
import secrets

import pytest

from lib.bad_store import BadStore
from lib.cluster import Cluster
from lib.metrics_role import BadPeer, MetricsNode
from lib.node import ROOT, run_binary
from lib.wait import wait_for

TOKEN = "m" * 20


def udp_sockets(pid):
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        inodes.update(re.findall(r"socket:\[(\d+)\]", link))
    found = []
    for name in ("udp", "udp6"):
        with open(f"/proc/net/{name}") as table:
            found += [line for line in table.readlines()[1:]
                      if line.split()[9] in inodes]
    return found


def metrics_node(world, cluster, *args, **env):
    return world.add(MetricsNode(
        world.directory_of("metrics"), "--redis-url", cluster.redis_url,
        "--node-id", "m1", "--cluster-address", "127.0.0.1", *args,
        env={"MEDIA_TREE_CLUSTER_SECRET": cluster.secret, **env}))


@pytest.fixture
def cluster(world):
    """An injection and two egress nodes, whose store can be spoilt."""
    redis = world.redis()
    store = world.add(BadStore(redis.port))
    cluster = Cluster(world, store.url, "--insecure")
    cluster.redis, cluster.store = redis, store
    return cluster.grow(egress=2)


def watch(world, cluster, **viewers):
    """A stream, and viewers of it: {node: how many}"""
    world.obs(cluster["i1"], "live")
    peers = []
    for name, count in viewers.items():
        cluster[name].wait_live("live")
        peers.append(world.viewers(cluster[name], "live", count=count))
    for peer in peers:
        peer.wait_video(10)
    return peers


def test_sums_of_a_tree(world, cluster):
    sums = metrics_node(world, cluster, METRICS_MODE="redis",
                        GATEWAY_CONFIG_JSON='{"tenant": "main",'
                                            ' "project": "shop"}')
    watch(world, cluster, e1=2, e2=1)
    wait_for(lambda: sums.cluster("egress_viewers", role="egress") == 3,
             "three viewers")
    assert sums.cluster("egress_joins_total", tree="main", project="shop") == 3
    wait_for(lambda: sums.cluster("ingress_publishers",
                                  role="injection") == 1, "a publisher")
    assert sums.cluster("nodes", role="egress") == 2
    assert sums.cluster("egress_slots") > 3
    labels = {"tree": "main", "project": "shop"}
    assert sums.point("egress.viewers", **labels)["value"] == 3

    # counters go on, and are those of the nodes
    before = wait_for(lambda: sums.cluster("egress_packets_sent_total"),
                      "packets")
    wait_for(lambda: sums.cluster("egress_packets_sent_total") > before,
             "more packets")
    for name, role in (("ingress_packets_received_total", "injection"),
                       ("relay_packets_received_total", "egress")):
        wait_for(lambda n=name, r=role: sums.cluster(n, role=r) > 0, name)

    # percentiles of all joins, in seconds
    wait_for(lambda: sums.point("egress.join_seconds", **labels)["n"] == 3,
             "times of three joins")
    joins = sums.point("egress.join_seconds", role="egress", **labels)
    assert 0 < joins["min"] <= joins["p50"] <= joins["p99"] <= joins["max"] < 5
    assert sums.cluster("egress_join_seconds", role="egress",
                        percentile="99") == pytest.approx(joins["p99"])
    wait_for(lambda: sums.cluster("http_seconds", role="egress",
                                  percentile="50") > 0, "times of answers")
    assert not any(p["is_stale"] for p in sums.system()["points"])

    # it is a node like any, and takes no part
    assert udp_sockets(sums.pid) == []
    assert len(os.listdir(f"/proc/{sums.pid}/task")) < 6
    rows = {n["id"]: n for n in wait_for(
        lambda: [n for n in cluster["i1"].request("/api/nodes").json()
                 if n["alive"]], "nodes")}
    assert rows["m1"]["roles"] == ["metrics"]
    assert rows["m1"]["parent"] is None and rows["m1"]["children"] == 0
    assert "m1" not in sums.nodes()
    sums.request("/janus/info").assert_problem(404, code="role-missing")
    assert sums.request("/healthz").status == 200
    sums.stop()


def test_every_key_is_described(world):
    """docs/METRICS-ROLE.md has every key, and none that there is not."""
    node = world.node("--insecure")
    sums = world.add(MetricsNode(
        world.directory_of("metrics"),
        env={"METRICS_MODE": "proxy", "METRICS_PROC_BASE_URL": node.url}))
    wait_for(lambda: sums.nodes(), "the node")
    with open(os.path.join(ROOT, "docs", "METRICS-ROLE.md")) as file:
        rows = re.findall(r"^\| `((?:cluster|egress|ingress|relay)\.\w+)` \| "
                          r"(\w+) \| ([^|]+) \|", file.read(), re.M)
    found = {(p["key"], p["kind"], p["unit"] or "–")
             for p in sums.system()["points"]}
    assert set(rows) == found and len(rows) == len(set(rows))


def test_nodes_come_and_go(world, cluster):
    sums = metrics_node(world, cluster)
    peers = watch(world, cluster, e1=1, e2=2)
    wait_for(lambda: sums.cluster("egress_viewers") == 3, "three viewers")
    sent = sums.cluster("egress_packets_sent_total")
    cluster["e2"].kill()
    peers[1].kill()
    wait_for(lambda: sums.cluster("nodes_stale", role="egress") == 1,
             "a silent node", 15)
    rows = sums.nodes()
    assert rows["e2"]["is_stale"] and rows["e2"]["age_s"] >= 5
    assert not rows["e1"]["is_stale"] and not rows["i1"]["is_stale"]
    # what was known last, marked; not zero
    assert sums.cluster("egress_viewers") == 3
    assert sums.point("egress.viewers", tree="main", role="egress")["is_stale"]
    assert not sums.point("ingress.publishers", tree="main",
                          role="injection")["is_stale"]
    # another boot: it has counted nothing, the sum does not fall
    cluster["e2"].start()
    wait_for(lambda: sums.cluster("nodes_stale", role="egress") == 0,
             "the node again", 15)
    wait_for(lambda: sums.cluster("egress_viewers") == 1, "one viewer")
    assert sums.cluster("egress_joins_total") == 3
    assert sums.cluster("egress_packets_sent_total") >= sent
    assert sums.metrics().total("media_tree_metrics_node_restarts_total") == 1


def test_redis_away(world, cluster):
    sums = metrics_node(world, cluster)
    watch(world, cluster, e1=1)
    wait_for(lambda: sums.cluster("egress_viewers") == 1, "a viewer")
    for mode in ("hang", "garbage"):
        cluster.store.mode = mode
        wait_for(lambda: sums.cluster("nodes_stale") == 3, "silence", 20)
        said = sums.system()
        assert not said["source"]["is_well"] and said["source"]["error"]
        assert all(p["is_stale"] for p in said["points"])
        assert sums.cluster("egress_viewers") == 1
        assert sums.cluster("nodes") == 3
        assert sums.metrics().total("media_tree_metrics_store_errors_total") \
            > 0
        cluster.store.mode = "pass"
        wait_for(lambda: sums.cluster("nodes_stale") == 0, "news", 20)
    assert sums.system()["source"]["is_well"]
    assert sums.cluster("egress_viewers") == 1


def test_garbage_heartbeats(world, cluster):
    sums = metrics_node(world, cluster)
    wait_for(lambda: sums.cluster("nodes") == 3, "three nodes")
    redis = cluster.redis
    good = json.loads(redis.call("GET", "hb:e1"))
    node = json.loads(redis.call("GET", "node:e1"))
    assert good["viewers"] == 0 and len(good["boot"]) == 32

    def write(name, heartbeat, **more):
        boot = secrets.token_hex(16)
        redis.call("SADD", "nodes:main", name)
        redis.call("SET", f"node:{name}",
                   json.dumps({**node, "boot": boot, **more}), "EX", 60)
        redis.call("SET", f"hb:{name}", heartbeat, "EX", 60)

    write("x1", "\xff rubbish")
    write("x2", "[" * 5000)
    write("x3", json.dumps({**good, "viewers": -1}))
    write("x4", json.dumps({**good, "viewers": 1e300}))
    write("x5", json.dumps({"boot": good["boot"]}))
    write("x6", json.dumps(good), tree="other")
    write("x7", json.dumps(good), roles="boss")
    # an older node, and one whose new members are nonsense: both count
    old = {k: v for k, v in good.items()
           if k not in ("totals", "sketches", "slots", "waiting", "failures",
                        "send_drops", "mem_ratio")}
    write("y1", json.dumps({**old, "viewers": 5, "max_viewers": 7}))
    write("y2", json.dumps({**good, "viewers": 6, "totals": 7, "slots": -1,
                            "sketches": {"http": "a" * 4000, "join": "?"}}))
    wait_for(lambda: sums.cluster("egress_viewers") == 11, "the two", 15)
    assert sums.nodes().keys() == {"i1", "e1", "e2", "y1", "y2"}
    assert sums.metrics().total("media_tree_store_bad_values_total") >= 7
    slots = sum(json.loads(redis.call("GET", f"hb:{n}"))["slots"]
                for n in ("e1", "e2"))
    assert sums.cluster("egress_slots", role="egress") == slots + 7
    sums.assert_alive()


def test_proxy(world):
    """Asks each node: those that are well count, whatever the others do."""
    nodes = [world.node("--insecure", "--metrics-token", TOKEN,
                        "--node-id", f"n{i}") for i in (1, 2)]
    dead = world.node("--node-id", "n3", "--metrics-token", TOKEN)
    hanging = world.add(BadPeer())
    garbage = world.add(BadPeer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
                                b"{\"node\":1"))
    noise = world.add(BadPeer(os.urandom(300)))
    sums = world.add(MetricsNode(
        world.directory_of("metrics"), "--metrics-poll-interval", "1 s",
        "--metrics-poll-timeout", "500 ms", env={
            "METRICS_MODE": "proxy",
            "METRICS_AUTH_HEADER_NAME": "Authorization",
            "METRICS_AUTH_HEADER_VALUE": f"Bearer {TOKEN}",
            "METRICS_INGRESS_BASE_URL": nodes[0].url,
            "METRICS_PROC_BASE_URL": ",".join(
                [nodes[1].url, dead.url, hanging.url, garbage.url,
                 noise.url])}))
    world.obs(nodes[0], "live")
    viewer = world.viewers(nodes[0], "live")
    viewer.wait_video(10)
    wait_for(lambda: sums.cluster("nodes") == 3
             and sums.cluster("egress_viewers") == 1, "three nodes", 15)
    assert sums.nodes().keys() == {"n1", "n2", "n3"}
    row, = {n["role"] for n in sums.nodes().values()}
    assert sums.cluster("ingress_publishers", role=row) == 1
    for peer, result in ((hanging, "timeout"), (garbage, "garbage"),
                         (noise, "connect")):
        wait_for(lambda p=peer, r=result:
                 sums.target(p.url)["result"] == r, result)
        assert sums.target(peer.url)["error"]
        assert sums.metrics().total("media_tree_metrics_polls_total",
                                    result=result) > 0
        assert sums.target(peer.url)["node"] is None
    good = sums.target(nodes[0].url)
    assert (good["node"], good["result"]) == ("n1", "ok")
    # one dies: its last values stay, marked
    nodes[0].kill()
    viewer.kill()
    wait_for(lambda: sums.nodes()["n1"]["is_stale"], "a silent node", 15)
    assert sums.target(nodes[0].url)["result"] == "connect"
    assert sums.cluster("egress_viewers") == 1
    assert sums.cluster("nodes_stale") == 1
    assert sums.point("egress.viewers", tree="main")["is_stale"]
    nodes[0].start()
    wait_for(lambda: not sums.nodes()["n1"]["is_stale"], "the node again", 15)
    assert sums.cluster("egress_joins_total") == 1


def test_proxy_without_the_right_header(world):
    node = world.node("--metrics-token", TOKEN, "--admin-token", "a" * 20)
    sums = world.add(MetricsNode(
        world.directory_of("metrics"), env={
            "METRICS_MODE": "proxy", "METRICS_PROC_BASE_URL": node.url,
            "METRICS_AUTH_HEADER_NAME": "X-Other",
            "METRICS_AUTH_HEADER_VALUE": TOKEN}))
    row = wait_for(lambda: sums.target(node.url)["result"]
                   and sums.target(node.url), "an answer")
    assert row["result"] == "status" and "401" in row["error"]
    assert sums.nodes() == {}
    assert TOKEN not in sums.read_log()


@pytest.mark.parametrize("args, said", [
    (("--role", "metrics,egress"), "role: metrics stands alone"),
    (("--role", "metrics"), "redis-url: is missing"),
    (("--role", "metrics", "--metrics-mode", "proxy"),
     "metrics-mode: proxy needs nodes to ask"),
    (("--role", "metrics", "--metrics-mode", "carrier"), "metrics-mode"),
    (("--role", "metrics", "--metrics-mode", "proxy",
      "--metrics-proc-base-url", "nowhere"), "metrics-proc-base-url"),
    (("--role", "metrics", "--metrics-mode", "proxy",
      "--metrics-proc-base-url", "http://127.0.0.1:1", "--gateway-config",
      "{tenant}"), "gateway-config (GATEWAY_CONFIG_JSON): is not JSON"),
])
def test_wrong_settings_are_named(args, said):
    ended = run_binary(*args)
    assert ended.returncode == 78
    assert said in ended.stderr
