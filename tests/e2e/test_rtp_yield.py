# SPDX-License-Identifier: Apache-2.0
"""Plain RTP cannot be told to stop: when a publisher takes its stream at
another node, its packets are dropped until he has gone."""
from lib.cluster import Cluster
from lib.node import free_ports
from lib.wait import wait_for


def origin(node):
    rows = node.request("/api/streams").json()
    return {row["name"]: row["origin"] for row in rows if row["live"]}.get(
        "cam")


def begin(world):
    """An encoder's stream at i2, and what its node drops of it."""
    cluster = Cluster(world, world.redis().url, "--insecure").grow(
        injection=1, egress=1)
    video, audio = free_ports(2), free_ports(2)
    node = cluster.node("i2", "injection", "--rtp-input",
                        f"cam:video=H264/96@{video},audio=opus/111@{audio}")
    cluster.wait_placed()
    world.ffmpeg(video, audio)
    wait_for(lambda: origin(cluster["e1"]) == "i2", "the encoder's stream")

    def dropped():
        return node.state()["rtp_inputs"][0]["dropped_replaced"]
    return cluster, dropped


def test_yield(world):
    cluster, dropped = begin(world)
    egress = cluster["e1"]
    viewers = world.viewers(egress, "cam")
    viewers.wait_video(30)
    assert dropped() == 0
    obs = world.obs(cluster["i1"], "cam")
    wait_for(lambda: origin(egress) == "i1", "the studio's stream")
    first = wait_for(dropped, "packets that are dropped")
    viewers.wait_video(30)
    # it stays so, though the encoder sends and sends
    wait_for(lambda: dropped() > first + 100, "more of them", 20)
    assert origin(egress) == origin(cluster["i2"]) == "i1"
    obs.finish()
    wait_for(lambda: origin(egress) == "i2", "the encoder again", 20)
    viewers.wait_video(30, timeout=30)
    after = dropped()
    viewers.wait_video(30)
    assert dropped() == after


def test_yield_to_the_dead(world):
    """He who took it dies: the encoder has it again."""
    cluster, dropped = begin(world)
    egress = cluster["e1"]
    world.obs(cluster["i1"], "cam")
    wait_for(dropped, "packets that are dropped")
    cluster["i1"].kill()
    wait_for(lambda: origin(egress) == "i2", "the encoder again", 60)
    world.viewers(egress, "cam").wait_video(30, timeout=30)
    cluster["i1"].start()
