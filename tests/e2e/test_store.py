# SPDX-License-Identifier: Apache-2.0
"""The store in a real Redis, and nodes (without media) that meet there."""
import os
import re
import signal
import subprocess
import time

import pytest

from lib.node import build_dir, clean_environment
from lib.redis import RedisError
from lib.wait import wait_for

VERSION = 8  # of cluster/mtctl.lua
PASSWORD = "p@ss/w:rd"
QUOTED = "p%40ss%2Fw%3Ard"


def contract(url):
    """What ClusterStore promises, asked of this Redis."""
    program = os.path.join(build_dir(), "tests", "unit", "test-cluster-store")
    done = subprocess.run([program], env=clean_environment(TEST_REDIS_URL=url),
                          capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


# Ways to reach it

def test_functions(world):
    redis = world.redis()
    contract(redis.url)
    assert redis.call("FCALL", "mt_version", 0) == VERSION
    assert redis.call("FCALL_RO", "mt_peers", 0, "", "main") == []


def test_user_password_database(world):
    redis = world.redis(f'user tree on ">{PASSWORD}" allkeys allchannels +@all',
                        "requirepass other")
    url = f"redis://tree:{QUOTED}@127.0.0.1:{redis.port}/3"
    contract(url)
    contract(f"redis://:other@127.0.0.1:{redis.port}")
    probe = world.probe(url.replace(QUOTED, "wr0ngpass"), "a", "egress")
    probe.wait("a failed try", lambda s: s["tried"])
    assert not probe.state["connected"]
    wait_for(lambda: "WRONGPASS" in probe.log(), "a reason in the log")
    assert "wr0ngpass" not in probe.log()


@pytest.mark.parametrize("lines", [
    ["rename-command FCALL \"\"", "rename-command FUNCTION \"\""],
    ["rename-command FUNCTION \"\""],
    ["user default on nopass allkeys allchannels +@all -function -fcall"],
    ["user default on nopass allkeys allchannels +@all -function|load"],
], ids=["unknown", "no-function", "forbidden", "load-forbidden"])
def test_eval(world, lines):
    redis = world.redis(*lines)
    contract(redis.url)
    assert "cmdstat_evalsha" in redis.call("INFO", "commandstats")


def test_older_library(world):
    redis = world.redis()
    old = ("#!lua name=mtctl\n"
           "redis.register_function{function_name='mt_version',"
           "callback=function() return %d end, flags={'no-writes'}}")
    redis.call("FUNCTION", "LOAD", old % 0)
    contract(redis.url)
    assert redis.call("FCALL", "mt_version", 0) == VERSION
    newer = redis.call("FUNCTION", "LIST", "WITHCODE")[0]
    source = newer[newer.index("library_code") + 1].replace(
        f"local VERSION = {VERSION}", f"local VERSION = {VERSION + 1}")
    redis.call("FUNCTION", "LOAD", "REPLACE", source)
    contract(redis.url)
    # it was left alone
    assert redis.call("FCALL", "mt_version", 0) == VERSION + 1


def make_ca(directory):
    """A CA and a server certificate for 127.0.0.1, in PEM files."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=directory, check=True,
                       capture_output=True, timeout=30)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "2", "-subj", "/CN=test CA")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=redis")
    with open(os.path.join(directory, "ext"), "w", encoding="utf-8") as ext:
        ext.write("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext",
            "-out", "server.pem")


def test_tls(world, tmp_path):
    make_ca(tmp_path)
    redis = world.redis(f"tls-cert-file {tmp_path}/server.pem",
                        f"tls-key-file {tmp_path}/server.key",
                        f"tls-ca-cert-file {tmp_path}/ca.pem",
                        "tls-auth-clients no", tls=True)
    url = f"rediss://127.0.0.1:{redis.port}"
    contract(f"{url}?tls-ca={tmp_path}/ca.pem")
    # signed by nobody the system knows
    probe = world.probe(url, "a", "egress")
    probe.wait("a failed try", lambda s: s["tried"])
    assert not probe.state["connected"]
    wait_for(lambda: "certificate" in probe.log(), "a reason in the log")


# What the functions refuse, without our client

def fcall(redis, name, *args):
    return redis.call("FCALL", name, 0, "", "main", *args)


def beat(redis, node, boot="b", keep_ms=60000, hb_ms=3000):
    return fcall(redis, "mt_beat", node, boot, "1", '{"boot":"%s"}' % boot,
                 '{"boot":"%s"}' % boot, hb_ms, keep_ms)


def place(redis, node, parent, backup, rank, most=16, keep_ms=60000):
    return fcall(redis, "mt_place", node, parent, backup, rank, most, keep_ms)


@pytest.fixture
def loaded(world):
    redis = world.redis()
    probe = world.probe(redis.url, "loader", "injection", "--tree", "other")
    probe.wait("connection", lambda s: s["connected"])
    probe.leave()
    redis.call("DEL", "trees:active")
    return redis


def test_place_refusals(loaded):
    for node in "abcd":
        beat(loaded, node, hb_ms=60000)
    place(loaded, "a", "", "", 1)
    place(loaded, "b", "a", "", 2)
    place(loaded, "c", "b", "", 3)
    for args in [("b", "c", "", 4), ("b", "a", "c", 4), ("a", "c", "", 9),
                 ("a", "a", "", 9), ("c", "b", "", 2), ("d", "c", "c", 3)]:
        with pytest.raises(RedisError, match="^LOOP"):
            place(loaded, *args)
    with pytest.raises(RedisError, match="^FULL"):
        place(loaded, "d", "a", "", 2, 1)
    with pytest.raises(RedisError, match="^DEAD x"):
        place(loaded, "d", "x", "", 2)
    with pytest.raises(RedisError, match="^DEAD x"):
        place(loaded, "d", "a", "x", 2)
    with pytest.raises(RedisError, match="^DEAD e"):
        place(loaded, "e", "a", "", 2)
    with pytest.raises(RedisError, match="^TAKEN"):
        beat(loaded, "a", "other")
    assert loaded.call("GET", "parent:c") == "b"
    assert loaded.call("SMEMBERS", "children:a") == ["b"]
    assert loaded.call("EXISTS", "parent:d", "parent:a") == 0
    # a dead child makes room
    loaded.call("DEL", "hb:b")
    place(loaded, "d", "a", "", 2, 1)
    assert loaded.call("SMEMBERS", "children:a") == ["d"]


def test_a_loop_made_by_hand_ends(loaded):
    """A store that somebody wrote into: no endless walk."""
    for node in "abc":
        beat(loaded, node, hb_ms=60000)
    for node, parent in ("a", "b"), ("b", "a"):
        loaded.call("SET", f"parent:{node}", parent)
        loaded.call("SET", f"rank:{node}", 1)
    place(loaded, "c", "a", "", 2)  # beside the circle: no way back to c
    with pytest.raises(RedisError, match="^LOOP"):
        place(loaded, "a", "b", "", 2)


def test_leftovers_of_the_dead_go(loaded):
    beat(loaded, "dead", "d", keep_ms=200, hb_ms=100)
    beat(loaded, "a")
    loaded.call("SADD", "children:dead", "a")
    fields = ["p", 1, "dead", "{}", 1, 1, 1, 1, 1]
    fcall(loaded, "mt_claim", "s", 60000, 1024, *fields)
    assert loaded.call("SMEMBERS", "streams:main") == ["s"]

    def is_clean():
        beat(loaded, "a")
        return loaded.call("EXISTS", "node:dead", "children:dead",
                           "streams:main") == 0 \
            and loaded.call("SMEMBERS", "nodes:main") == ["a"] \
            and loaded.call("SMEMBERS", "nodes:main:egress") == ["a"]
    wait_for(is_clean, "a store without the dead")
    assert loaded.call("HGET", "stream:main:s", "epoch") == "1"  # its numbers
    assert loaded.call("ZRANGE", "ended:main", 0, -1) == ["s"]
    assert loaded.call("SMEMBERS", "trees:active") == ["main"]
    fcall(loaded, "mt_leave", "a", "b", 60000)
    assert loaded.call("EXISTS", "nodes:main", "trees:active") == 0


# Nodes that meet

def start_tree(world, url, *args):
    injection = world.probe(url, "i", "injection", "--host", "h0", *args)
    injection.wait("rank", lambda s: s["rank"] == 1)
    relays = []
    for k in range(2):
        relay = world.probe(url, f"r{k}", "relay", "--host", f"h{k + 1}",
                            *args)
        relay.wait("parent", lambda s: s["n_parents"] >= 1)
        relays.append(relay)
    egress = world.probe(url, "e", "egress", "--host", "h3", *args)
    nodes = [injection, *relays, egress]
    for node in nodes:
        node.wait_alive("i", "r0", "r1", "e")
    egress.wait("two parents", lambda s: s["n_parents"] == 2)
    assert sorted(egress.state["parents"][:2]) == ["r0", "r1"]
    assert relays[1].state["parents"][:2] == ["i", "r0"]
    assert relays[0].state["parents"][:1] == ["i"]
    return nodes


def begin_live(nodes):
    nodes[0].tell("begin live")
    for node in nodes:
        node.wait("stream", lambda s: s["streams"] == ["live"])


def marks(nodes):
    return [len(node.events) for node in nodes]


QUIET = ["parents", "changed", "ended", "lost", "taken"]


def assert_quiet(nodes, since, events=QUIET):
    for node, mark in zip(nodes, since):
        told = [e for e in node.events[mark:] if e["event"] in events]
        assert not told, f"{node.node_id}: {told}"


def keys(redis, prefix=""):
    return {k[len(prefix):] for k in redis.call("KEYS", prefix + "*")}


def test_nodes_meet(world):
    redis = world.redis()
    nodes = start_tree(world, redis.url, "--prefix", "mt:")
    injection, egress = nodes[0], nodes[3]
    injection.tell("begin live")
    event = egress.wait_event("changed")
    assert (event["stream"], event["origin"]) == ("live", "i")
    began = injection.wait_event("began")
    assert event["at_us"] - began["at_us"] < 500_000  # by the hint
    assert keys(redis, "mt:") >= {
        "node:e", "hb:e", "parent:e", "backup:e", "rank:e", "children:i",
        "nodes:main", "nodes:main:egress", "trees:active", "streams:main",
        "stream:main:live"}
    assert not [k for k in keys(redis) if not k.startswith("mt:")]
    assert redis.call("SMEMBERS", "mt:nodes:main:egress") == ["e"]

    # kill -9: gone after 3 s, and its children hang elsewhere
    parent = next(n for n in nodes if n.node_id == egress.state["parents"][0])
    parent.kill()
    rest = [n for n in nodes if n is not parent]
    took = egress.wait_alive(*[n.node_id for n in rest], timeout=6)
    assert 1.5 < took < 5
    egress.wait("other parents", lambda s: s["n_parents"] == 2
                and parent.node_id not in s["parents"])

    # leaving is heard at once
    since = len(egress.events)
    injection.leave()
    assert egress.wait_event("ended", since, 1)["stream"] == "live"
    for node in rest[1:]:
        node.leave()
    wait_for(lambda: keys(redis, "mt:") <= {"stream:main:live", "ended:main",
                                            *(f"{kind}:{parent.node_id}"
                                              for kind in ("node", "parent",
                                                           "backup", "rank",
                                                           "children")),
                                            "nodes:main", "trees:active"},
             "a store that all have left")


@pytest.mark.parametrize("how", ["killed", "flushed", "hanging"])
def test_redis_comes_back(world, how):
    redis = world.redis()
    nodes = start_tree(world, redis.url)
    begin_live(nodes)
    before = keys(redis)
    places = {k: redis.call("GET", k) for k in before
              if re.match("(parent|backup|rank):", k)}
    since = marks(nodes)
    if how == "killed":
        redis.kill()
        for node in nodes:
            node.wait("absence", lambda s: not s["connected"])
        wait_for(lambda: nodes[0].log().count("is away") >= 1, "a word of it")
        redis.start()
    elif how == "flushed":
        redis.call("FLUSHALL")
        redis.call("FUNCTION", "FLUSH")
        redis.call("SCRIPT", "FLUSH")
    else:
        redis.signal(signal.SIGSTOP)
        for node in nodes:
            node.wait("absence", lambda s: not s["connected"])
        redis.signal(signal.SIGCONT)
    took = wait_for_keys(redis, before, places)
    print(f"{how}: rebuilt after {took:.1f} s")
    for node in nodes:
        node.wait("connection", lambda s: s["connected"])
    late = world.probe(redis.url, "late", "egress", "--host", "h9")
    late.wait_alive("i", "r0", "r1", "e", "late", timeout=3)
    assert_quiet(nodes, since, ["changed", "ended", "lost", "taken"])
    assert_no_parent_lost(nodes, since)
    warned = [line for line in nodes[3].log().splitlines()
              if "WARN" in line and "is away" in line]
    assert len(warned) <= 3, warned


def wait_for_keys(redis, before, places):
    begin = time.monotonic()

    def is_whole():
        return keys(redis) >= before and all(
            redis.call("GET", key) == value for key, value in places.items())
    wait_for(is_whole, "a rebuilt store", 5)
    return time.monotonic() - begin


def assert_no_parent_lost(nodes, since):
    """Candidates may come and go; who feeds whom stays as it was."""
    for node, mark in zip(nodes, since):
        states = [e for e in node.events if e["event"] == "state"]
        at = [e for e in node.events[:mark] if e["event"] == "state"][-1]
        for state in states[states.index(at):]:
            n = at["n_parents"]
            assert state["n_parents"] == n, (node.node_id, at, state)
            assert state["parents"][:n] == at["parents"][:n]
            assert set(state["alive"]) >= set(at["alive"])
            assert state["streams"] == at["streams"]


def is_at(node, server):
    """Connected, and to this one."""
    last = [line for line in node.log().splitlines() if "answers" in line][-1]
    return node.state["connected"] and f"127.0.0.1:{server.port} " in last


def test_sentinel_failover(world):
    sentinels = world.sentinels()
    nodes = start_tree(world, sentinels.url)
    begin_live(nodes)
    old = sentinels.master
    since = marks(nodes)
    old.kill()
    for node in nodes:
        node.wait("absence", lambda s: not s["connected"])
    for node in nodes:
        node.wait("connection", lambda s: s["connected"], 20)
    new = sentinels.master
    assert new is not old
    wait_for(lambda: keys(new) >= {"hb:i", "hb:r0", "hb:r1", "hb:e",
                                   "stream:main:live"}, "a whole store", 5)
    late = world.probe(sentinels.url, "late", "egress")
    late.wait_alive("i", "r0", "r1", "e", "late", timeout=5)
    late.wait("stream", lambda s: s["streams"] == ["live"])
    assert_quiet(nodes, since, ["changed", "ended", "lost", "taken"])
    assert_no_parent_lost(nodes, since)

    # the old one comes back as a replica: nobody goes there
    old.start()
    wait_for(lambda: old.call("ROLE")[0] == "slave", "a replica", 20)
    assert all(node.state["connected"] for node in nodes)


def test_sentinel_switch(world):
    """A failover that an operator asks for, while all are well."""
    sentinels = world.sentinels()
    nodes = start_tree(world, sentinels.url)
    begin_live(nodes)
    old = sentinels.master
    since = marks(nodes)
    wait_for(lambda: sentinels.sentinels[1].call(
        "SENTINEL", "FAILOVER", "tree") == "OK", "a sentinel that will", 20)
    wait_for(lambda: sentinels.master is not old, "another master", 20)
    wait_for(lambda: all(is_at(node, sentinels.master) for node in nodes),
             "nodes that followed", 20)
    assert sentinels.master.call("ROLE")[0] == "master"
    assert_quiet(nodes, since, ["changed", "ended", "lost", "taken"])
    assert_no_parent_lost(nodes, since)


def test_two_nodes_with_one_id(world):
    redis = world.redis()
    first = world.probe(redis.url, "x", "egress")
    first.wait_alive("x")
    second = world.probe(redis.url, "x", "egress")
    second.wait_event("taken", timeout=10)
    assert second.process.wait(5) == 69
    assert first.count("taken") == 0
    # the id of one that died is free again
    first.kill()
    third = world.probe(redis.url, "x", "egress")
    third.wait("rank or beat", lambda s: s["connected"])
    wait_for(lambda: redis.call("TTL", "hb:x") >= 0 and third.node_id in
             redis.call("SMEMBERS", "nodes:main"), "its heartbeat", 6)
    assert third.count("taken") == 0


def test_the_later_publisher_wins(world):
    redis = world.redis()
    one, two = (world.probe(redis.url, f"i{k}", "injection")
                for k in range(2))
    for node in one, two:
        node.wait_alive("i0", "i1")
    one.tell("begin live")
    two.wait_event("changed")
    two.tell("begin live")
    lost = one.wait_event("lost")
    assert lost["origin"] == "i1"
    assert lost["epoch"] == 2
    assert two.wait_event("began")["floor"] >= 0
    assert two.count("lost") == 0
    # both at once: one of them, never none
    one.tell("begin both")
    two.tell("begin both")
    wait_for(lambda: one.count("lost") + two.count("lost") == 2,
             "one that gave way")
    wait_for(lambda: redis.call("HGET", "stream:main:both", "epoch") == "2",
             "the winner in the store")
    one.tell("begin both")
    two.wait("stream", lambda s: s["streams"] == ["both", "live"])


def test_hostile_values_are_left_out(world):
    redis = world.redis()
    node = world.probe(redis.url, "a", "egress")
    node.wait_alive("a")
    redis.call("SADD", "nodes:main", "evil", "b" * 100, "x y")
    redis.call("SADD", "streams:main", "s", "../s")
    for key in "hb:evil", "node:evil":
        redis.call("SET", key, '{"boot":[[[[')
    redis.call("HSET", "stream:main:s", "pub", "x", "epoch", "9" * 30)
    other = world.probe(redis.url, "b", "egress")
    for probe in node, other:
        probe.wait_alive("a", "b")
    redis.call("DEL", "nodes:main")
    redis.call("SET", "nodes:main", "not a set")  # every call fails
    wait_for(lambda: "WRONGTYPE" in node.log(), "a word in the log")
    redis.call("DEL", "nodes:main")
    late = world.probe(redis.url, "c", "egress")
    late.wait_alive("a", "b", "c")
    for probe in node, other:
        assert probe.log().count("WARN") < 12
        assert probe.process.poll() is None
