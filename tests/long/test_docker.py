# SPDX-License-Identifier: Apache-2.0
"""The image is built, and containers of it are made and taken away by the
provisioner, on a real Engine."""
import os
import time

import pytest

from lib import docker
from lib.cluster import Cluster
from lib.node import build_dir
from lib.provision import Provisioner
from lib.wait import wait_for

# one that the Engine of MEDIA_TREE_TEST_DOCKER has already, else it is built
IMAGE = os.environ.get("MEDIA_TREE_TEST_IMAGE") or "media-tree-test"
RELAY, EGRESS = "mt-main-s0-g1-r", "mt-main-s0-g1-e0"

pytestmark = pytest.mark.skipif(docker.why_not() is not None,
                                reason=str(docker.why_not()))


@pytest.fixture(scope="module")
def engine():
    engine = docker.Docker(os.environ.get("MEDIA_TREE_TEST_DOCKER")
                           or os.path.join(build_dir(), "tests", "docker"))
    yield engine
    engine.kill()


@pytest.fixture(scope="module")
def image(engine):
    if not os.environ.get("MEDIA_TREE_TEST_IMAGE"):
        engine.build(IMAGE)
    return engine.inspect(IMAGE)


def test_the_image(image, capsys):
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Entrypoint"] == ["/usr/bin/media-tree"]
    assert image["Config"]["Healthcheck"]["Test"][0] == "CMD"
    with capsys.disabled():
        print(f"\n| image | {image['Size'] / 1e6:.0f} MB |")


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
