# SPDX-License-Identifier: Apache-2.0
"""The image is built, and containers of it are made and taken away on a real
Engine: by the provisioner alone, and by a leader of the compose file."""
import json
import os
import secrets
import time

import pytest
import yaml

from lib import docker, sdp
from lib.cluster import Cluster
from lib.compose import Compose
from lib.http import request
from lib.node import ROOT, build_dir, free_ports
from lib.peers import Viewers
from lib.provision import Provisioner
from lib.wait import wait_for

# one that the Engine of MEDIA_TREE_TEST_DOCKER has already, else it is built
IMAGE = os.environ.get("MEDIA_TREE_TEST_IMAGE") or "media-tree-test"
# no names of subtrees: nodes of one that nobody wants would end
RELAY, EGRESS = "one-relay", "one-egress"

pytestmark = pytest.mark.skipif(docker.why_not() is not None,
                                reason=str(docker.why_not()))


@pytest.fixture(scope="module")
def engine():
    engine = docker.Docker(os.environ.get("MEDIA_TREE_TEST_DOCKER")
                           or os.path.join(build_dir(), "tests", "docker"))
    yield engine
    engine.kill()


@pytest.fixture(scope="module")
def build_s(engine):
    """How long it took; 0: it was there"""
    begin = time.monotonic()
    if os.environ.get("MEDIA_TREE_TEST_IMAGE"):
        return 0
    engine.build(IMAGE)
    return time.monotonic() - begin


@pytest.fixture(scope="module")
def image(engine, build_s):
    return engine.inspect(IMAGE)


def test_the_image(image, build_s, capsys):
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Entrypoint"] == ["/usr/bin/media-tree"]
    assert image["Config"]["Healthcheck"]["Test"][0] == "CMD"
    with capsys.disabled():
        print(f"\n| image | {image['Size'] / 1e6:.0f} MB | built in "
              f"{build_s:.0f} s |")


def test_containers_come_and_go(world, engine, image, capsys):
    cluster = Cluster(world, world.redis().url)
    cluster.grow(injection=1, relay=0, egress=0)

    def lead():
        return world.add(Provisioner(
            world.directory_of("provision"), "docker", "--url", engine.url,
            "--image", IMAGE,
            f"--env=MEDIA_TREE_REDIS_URL={cluster.redis_url}",
            f"--env=MEDIA_TREE_CLUSTER_SECRET={cluster.secret}"))

    def alive():
        return {row["id"] for row in cluster["i1"].request(
            "/api/nodes").json() if row["alive"]}

    leader = lead()
    try:
        begin = time.monotonic()
        assert leader.ensure(RELAY, "relay") == ""
        assert leader.ensure(EGRESS, "egress") == ""
        wait_for(lambda: {RELAY, EGRESS} <= alive(), "nodes", 60)
        took = time.monotonic() - begin
        made = {name: engine.inspect(name) for name in (RELAY, EGRESS)}
        for container in made.values():
            limits = container["HostConfig"]
            assert limits["Memory"] == 512 * 1024 * 1024
            assert limits["NanoCpus"] == 10 ** 9
            assert limits["PidsLimit"] == 256
            assert limits["CapDrop"] == ["ALL"]
            assert limits["NetworkMode"] == "host"
        assert made[RELAY]["Config"]["Labels"]["mt.k"] \
            != made[EGRESS]["Config"]["Labels"]["mt.k"]
        wait_for(lambda: engine.inspect(EGRESS)["State"]["Health"]["Status"]
                 == "healthy", "healthy container", 60)
        # asked for again, by another leader too: the same ones
        leader.kill()
        leader = lead()
        assert leader.list() == {RELAY: "running", EGRESS: "running"}
        for name, container in made.items():
            assert leader.ensure(name, container["Config"]["Labels"]["mt.role"],
                                 token="0:2:m:x") == ""
            assert engine.inspect(name)["Id"] == container["Id"]
        # one that was killed is started again
        engine.run("kill", EGRESS)
        wait_for(lambda: leader.list()[EGRESS] == "ended", "end")
        assert leader.ensure(EGRESS, "egress", token="0:2:m:x") == ""
        wait_for(lambda: {RELAY, EGRESS} <= alive(), "nodes", 60)
        begin = time.monotonic()
        for name in (EGRESS, RELAY):
            assert leader.remove(name, token="0:2:m:x") == ""
            assert engine.inspect(name) is None
        with capsys.disabled():
            print(f"\n| two containers | in the tree after {took:.1f} s | "
                  f"gone after {time.monotonic() - begin:.1f} s |")
        wait_for(lambda: alive() == {"i1"}, "nodes that left")
    finally:
        for name in (EGRESS, RELAY):
            engine.run("rm", "-f", name, check=False)


# The compose file: a leader in a container that adds containers

COMPOSE = os.path.join(ROOT, "docker", "compose.yml")
STORE = ("redis", "redis-replica-1", "redis-replica-2", "sentinel-1",
         "sentinel-2", "sentinel-3")
MEMBERS = ("r", "e0")
POLICY = {
    "hardLimit": 40, "approval": "none", "egressPerSubtree": 1,
    "slots": {"warm": 0, "cold": 1, "warmEgress": 1},
    "policies": [{
        "name": "small", "service": "egress", "enabled": True,
        "minReplicas": 1, "maxReplicas": 4, "metrics": [], "thresholds": [],
        "schedules": [], "cooldownPeriod": {"scaleUp": 1, "scaleDown": 1},
        "scaleUpBy": 1, "scaleDownBy": 1, "evaluationInterval": 1}]}


class Tree:
    """The compose file's Redis and injection node, on networks and ports of
    this machine."""

    def __init__(self, engine, image, directory):
        def secret():
            return secrets.token_hex(16)
        with open(COMPOSE, encoding="utf-8") as file:
            names = yaml.safe_load(file)["secrets"]
        self.engine, self.directory = engine, directory
        self.secrets = {name: secret() for name in names}
        password = self.secrets["redis-password"]
        sentinels = ",".join(n for n in STORE if n.startswith("sentinel"))
        self.secrets["redis-url"] = (
            f"sentinel://:{password}@{sentinels}/mymaster"
            f"?sentinel-password={password}")
        self.environment = {
            "MEDIA_TREE_IMAGE": image, "TREE_NETWORK": "mt-test",
            "AUTOSCALING_ENABLED": "yes",
            "DOCKER_GID": str(os.stat(engine.socket).st_gid)}
        self.compose = Compose(engine, COMPOSE, self.secrets, "mt-test",
                               self.environment,
                               {"/var/run/docker.sock": engine.socket},
                               {7200: free_ports()})
        self.url = f"http://{self.compose.address}:7070"
        path = os.path.join(directory, "policy.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(POLICY, file)
        injection = self.compose.file["services"]["injection"]
        injection["volumes"].append(f"{path}:/policy.json:ro")
        injection["command"].append("--autoscaling-policy=/policy.json")

    def redis(self, *words):
        return self.engine.run(
            "exec", "-e", "REDISCLI_AUTH=" + self.secrets["redis-password"],
            self.compose.name("redis"), "redis-cli", *map(str, words)).strip()

    def request(self, path, url=None, token="admin-token", **more):
        return request((url or self.url) + path, headers={
            "Authorization": f"Bearer {self.secrets[token]}"}, **more)

    def nodes(self):
        rows = self.request("/api/nodes").json()
        return {row["id"]: row for row in rows if row["alive"]}

    def slots(self):
        rows = self.redis("HGETALL", "slot:main").split("\n")
        return {int(rows[i]): rows[i + 1].split()[1]
                for i in range(0, len(rows) - 1, 2)}

    def give_back(self, n):
        """As an operator would: no cooldown, and no more than that."""
        policy = json.loads(json.dumps(POLICY))
        policy["policies"][0]["maxReplicas"] = n
        version = self.redis("HGET", "policy:main", "ver") or 0
        self.redis("FCALL", "mt_policy", 0, "", "main", version, 0, n, 4, 4,
                   0, 0, "test", json.dumps(policy))
        self.redis("FCALL", "mt_desire", 0, "", "main",
                   self.redis("GET", "lease:scaler"),
                   self.redis("HGET", "desired:main", "ver"), n, "manual",
                   "test", "{}")

    def kill(self):
        with open(os.path.join(self.directory, "audit.log"), "w",
                  encoding="utf-8") as file:
            file.write(self.engine.run(
                "exec", self.compose.name("redis"), "sh", "-c",
                "REDISCLI_AUTH=$(cat /run/secrets/redis-password) "
                "redis-cli --json XRANGE audit - +", check=False) or "")
        self.compose.down(self.directory)


@pytest.fixture
def tree(world, engine, image):
    engine.build_redis("redis:7.0-bookworm")
    return world.add(Tree(engine, IMAGE, world.directory_of("containers")))


def members(ordinal):
    return {f"mt-main-s{ordinal}-g1-{member}" for member in MEMBERS}


def check_container(tree, name):
    """Limits, secrets and surroundings as the compose file has them of its own
    nodes."""
    made = tree.engine.inspect(name)
    like = tree.engine.inspect(tree.compose.name("injection"))
    for key in ("Memory", "NanoCpus", "PidsLimit", "MemoryReservation",
                "CapDrop", "ReadonlyRootfs", "Init", "Tmpfs", "NetworkMode"):
        assert made["HostConfig"][key] == like["HostConfig"][key], key
    for container in (made, like):
        (option,) = container["HostConfig"]["SecurityOpt"]
        assert option.removesuffix(":true") == "no-new-privileges"
    assert made["HostConfig"]["Memory"] == 1024 ** 3
    assert made["HostConfig"]["NanoCpus"] == 2 * 10 ** 9
    assert made["HostConfig"]["PidsLimit"] == 256
    assert not made["HostConfig"]["Binds"]
    assert made["HostConfig"]["RestartPolicy"]["Name"] == "no"
    words = " ".join(made["Args"] + made["Config"]["Cmd"])
    assert not any(text in words for text in tree.secrets.values())
    assert "MEDIA_TREE_LEAD=no" in made["Config"]["Env"]
    return made


def wait_subtree(tree, ordinal, timeout=60):
    """Seconds until it serves, has joined and has the stream"""
    begin = time.monotonic()
    wait_for(lambda: tree.slots().get(ordinal) == "serving",
             f"subtree {ordinal} that serves", timeout, 0.2)
    served_s = time.monotonic() - begin
    wait_for(lambda: all(tree.nodes().get(n, {}).get("streams") == 1
                         for n in members(ordinal)), "the stream at its nodes",
             15)
    return served_s


def test_a_leader_of_the_compose_file(world, tree, engine, capsys):
    began = time.time()
    tree.compose.up(*STORE)
    wait_for(lambda: tree.redis("PING") == "PONG"
             and tree.redis("WAIT", 1, 1000) != "0", "Redis and a replica", 30)
    tree.compose.up("injection")

    def is_ready():
        try:
            return tree.request("/readyz").status == 200
        except OSError:
            return False
    wait_for(is_ready, "the injection node", 30)
    world.obs(tree, "live", token=tree.secrets["whip-token"], wait=False) \
        .wait_connected()
    first_s = wait_subtree(tree, 0)
    assert {n for n in tree.nodes() if n.startswith("mt-")} == members(0)
    made = {name: check_container(tree, name) for name in members(0)}
    # a viewer has it from the egress node, by the port that is published
    egress = tree.nodes()["mt-main-s0-g1-e0"]["url"]
    k = int(made["mt-main-s0-g1-e0"]["Config"]["Labels"]["mt.k"])
    assert k >= 3 and egress == f"http://{tree.compose.address}:{7070 + k}"
    viewers = world.add(watch(world, tree, egress))
    viewers.wait_video(100)
    # for its sake the leader wants another, so that one may fail
    second_s = wait_subtree(tree, 1)
    for name in members(1):
        check_container(tree, name)
    viewers.wait_video(100)
    viewers.finish()
    # it is given back: its nodes end by themselves
    wait_for(lambda: sum(n["viewers"] for n in tree.nodes().values()) == 0,
             "nobody to watch")
    tree.give_back(1)
    begin = time.monotonic()
    wait_for(lambda: tree.slots()[1] == "gone", "the end of the second", 90,
             0.2)
    wait_for(lambda: not any(engine.inspect(n) for n in members(1)),
             "their containers gone", 30)
    gone_s = time.monotonic() - begin
    endings = engine.endings(began)
    assert {n: endings.get(n) for n in members(1)} == dict.fromkeys(
        members(1), 0)
    assert {n for n in tree.nodes() if n.startswith("mt-")} == members(0)
    with capsys.disabled():
        print(f"\n| subtree of containers | serves after {first_s:.1f} s and "
              f"{second_s:.1f} s | drained and gone after {gone_s:.1f} s |")


def watch(world, tree, url):
    return Viewers(world.directory_of("viewers"), f"{url}/whep/live",
                   sdp.read_offer("chromium-156-recvonly.sdp"),
                   token=tree.secrets["whep-token"])
