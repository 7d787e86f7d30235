# SPDX-License-Identifier: Apache-2.0
"""Instances as processes of this machine: the real program, started and taken
away by a leader that dies meanwhile."""
import os
import socket

import pytest

from lib.cluster import Cluster
from lib.node import free_ports, run_binary
from lib.provision import Processes
from lib.wait import wait_for

# no names of subtrees: nodes of one that nobody wants would end
RELAY, EGRESS = "one-relay", "one-egress"
N_MAX = 3


@pytest.fixture(scope="module")
def ports():
    """Of instances 1 to N_MAX, for one test after the other. There are no
    streams: nobody binds a port of the pools."""
    return {"http": free_ports(N_MAX) - 1, "relay": free_ports(N_MAX) - 1,
            "rtc": free_ports(32 * (N_MAX - 1) + 1) - 32, "pool": 20000}


@pytest.fixture
def machine(world, ports):
    """An injection node in a Redis, and a directory for its helpers."""
    redis = world.redis()
    cluster = Cluster(world, redis.url)
    cluster.grow(injection=1, relay=0, egress=0)
    # a leader would have written it: who is of no slot ends by itself
    redis.call("HSET", "slot:main", 0, "1 starting 1")
    processes = world.add(Processes(
        world.directory_of("provision"), ports,
        f"--env=MEDIA_TREE_REDIS_URL={cluster.redis_url}",
        f"--env=MEDIA_TREE_CLUSTER_SECRET={cluster.secret}"))
    processes.cluster = cluster
    return processes


def nodes_of(node):
    """What the cluster sees: alive nodes, by id"""
    rows = node.request("/api/nodes").json()
    return {row["id"]: row for row in rows if row["alive"]}


def nodes(machine):
    return nodes_of(machine.cluster["i1"])


def wait_alive(machine, *names):
    return wait_for(lambda: set(names) <= set(nodes(machine))
                    and nodes(machine), f"nodes {names}", 20)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_subtree_comes_and_goes(machine):
    leader = machine.lead()
    assert leader.ensure(RELAY, "relay") == ""
    assert leader.ensure(EGRESS, "egress") == ""
    seen = wait_alive(machine, "i1", RELAY, EGRESS)
    assert seen[RELAY]["roles"] == ["relay"]
    assert leader.list() == {RELAY: "running", EGRESS: "running"}
    pids = {name: machine.pid(name) for name in (RELAY, EGRESS)}
    # asked for once more: the same ones
    assert leader.ensure(RELAY, "relay") == ""
    assert machine.pid(RELAY) == pids[RELAY]
    for name, pid in pids.items():
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        assert f"--node-id={name}".encode() in words
        assert not any(machine.cluster.secret.encode() in w for w in words)
        assert not any(b"redis://" in w for w in words)
    # the leader is killed: they go on, and the next one knows them
    leader.kill()
    assert all(is_running(pid) for pid in pids.values())
    second = machine.lead()
    assert second.list() == {RELAY: "running", EGRESS: "running"}
    assert second.ensure(EGRESS, "egress", token="0:2:m:x") == ""
    assert machine.pid(EGRESS) == pids[EGRESS]
    assert second.remove(EGRESS, token="0:2:m:x") == ""
    assert not is_running(pids[EGRESS])
    assert not os.path.exists(machine.path(EGRESS))
    wait_for(lambda: EGRESS not in nodes(machine), "node gone from the tree")
    assert second.list() == {RELAY: "running"}


def test_an_instance_that_is_killed(machine):
    leader = machine.lead()
    assert leader.ensure(RELAY, "relay") == ""
    wait_alive(machine, RELAY)
    pid = machine.pid(RELAY)
    os.kill(pid, 9)
    wait_for(lambda: leader.list() == {RELAY: "ended"}, "end that is seen")
    wait_for(lambda: "was ended by signal 9" in leader.read_log(),
             "word about the end")
    assert leader.ensure(RELAY, "relay") == ""
    wait_for(lambda: machine.pid(RELAY) != pid, "another process")
    wait_alive(machine, RELAY)
    assert leader.list() == {RELAY: "running"}


def test_an_older_leader_touches_nothing(machine):
    old, new = machine.lead(), machine.lead()
    assert old.ensure(RELAY, "relay", token="0:5:n:x") == ""
    assert new.ensure(EGRESS, "egress", token="0:6:m:x") == ""
    assert old.ensure("two-relay", "relay",
                      token="0:5:n:x") == "fenced"
    assert old.remove(EGRESS, token="0:5:n:x") == "fenced"
    assert new.list() == {RELAY: "running", EGRESS: "running"}


def test_settings_that_are_wrong(machine):
    """It starts, ends at once with 78, and its log says why."""
    machine.args.append("--arg=--no-such-setting=1")
    leader = machine.lead()
    assert leader.ensure(RELAY, "relay") == ""
    wait_for(lambda: leader.list() == {RELAY: "ended"}, "end that is seen")
    wait_for(lambda: "has ended with status 78" in leader.read_log(),
             "word about the end")
    with open(machine.path(RELAY, "log")) as log:
        assert "no-such-setting" in log.read()


@pytest.mark.parametrize("args,says", [
    (["docker", "--provision-docker-hosts", "tcp://example.org:2375"],
     "provision-docker-hosts: "),
    (["docker", "--provision-cpu", "all"], 'provision-cpu: "all"'),
    (["kubernetes"], "provision-kube-secret: is missing"),
    (["webhook", "--provision-webhook-url", "https://example.org"],
     "provisioner-token: is missing"),
    (["swarm"], "provisioner"),
], ids=lambda value: value[0] if isinstance(value, list) else "")
def test_a_provisioner_is_refused_by_name(args, says):
    done = run_binary(
        "--redis-url", "redis://127.0.0.1:1", "--cluster-secret", "s" * 32,
        "--http-listen", "127.0.0.1:0", "--provisioner", *args)
    assert done.returncode == 78
    assert says in done.stderr


def test_a_node_that_does_not_lead(world):
    """With --lead=no: it is there first, and another leads."""
    redis = world.redis()
    cluster = Cluster(world, redis.url, "--insecure")
    cluster.node("i1", "injection", "--lead=no")
    # it has met the store: who may lead has asked for the lease by then
    wait_for(lambda: "i1" in nodes_of(cluster["i1"]), "first node")
    cluster.node("i2", "egress")
    wait_for(lambda: redis.call("GET", "lease:scaler"), "leader")
    assert redis.call("GET", "lease:scaler").split(":")[2] == "i2"
    lease = cluster["i1"].state()["scaling"]["lease"]
    assert not lease["candidate"] and "lead=no" in lease["why"]


def test_a_port_of_somebody_else(machine):
    first = int(machine.args[machine.args.index("--relay-port") + 1]) + 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", first))
        leader = machine.lead()
        assert leader.ensure(RELAY, "relay") == ""
        wait_alive(machine, RELAY)
        with open(f"/proc/{machine.pid(RELAY)}/cmdline", "rb") as file:
            assert f"--relay-port={first + 1}".encode() in file.read()
