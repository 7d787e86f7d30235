# SPDX-License-Identifier: Apache-2.0
"""Mountpoints that somebody creates over the Janus API: fed by ffmpeg, watched
by both APIs, kept over restarts, known in a cluster."""
import json
import socket

import pytest

from lib.cluster import Cluster
from lib.mountpoints import (AUDIO, BOTH, VIDEO, JanusViewer, Owner, sent,
                             wait_listed)
from lib.node import free_ports
from lib.sdp import read_offer
from lib.trial import assert_viewers_smooth
from lib.wait import wait_for

N_VIEWERS = 20
OFFER = read_offer("chromium-156-recvonly.sdp")


def feed(world, ports):
    return world.ffmpeg(ports.get(("v", "port")), ports.get(("a", "port")))


def wait_ports_back(node):
    wait_for(lambda: node.state()["cluster"]["ports_used"] == 0,
             "ports back in the pool")


# One node

def test_ffmpeg_to_twenty_viewers(world, node):
    """Every packet that its ports take comes to each of twenty viewers, and
    to one who was there before the first."""
    owner = Owner(node)
    ports = owner.ports(id=52)
    early = JanusViewer(world, node, id=52).watch()
    feed(world, ports)
    node.wait_live("52")
    viewers = world.viewers(node, "52", count=N_VIEWERS)
    viewers.wait_video(150)
    early.peer.wait_packets(50)
    assert owner.ask("info", id=52)["info"]["viewers"] == 1
    before = sent(node, "52")
    ends = viewers.finish()["viewers"]
    assert_viewers_smooth({"node": ends})
    for end in ends:
        assert not end["is_closed"], end
        for kind in ("audio", "video"):
            track = end[kind]
            assert track["n_missing"] == 0, (kind, track)
            assert 100 < track["n_packets"], (kind, track)
    # the early one has had all of it, from the first packet on
    books = wait_for(lambda: (b := early.peer.books()) and sum(
        book["n_packets"] for book in b.values()) >= sum(before.values()) and
        b, "all that came before")
    assert all(book["n_skipped"] == 0 for book in books.values()), books


def test_disable_enable_destroy(world, node):
    owner = Owner(node)
    video = free_ports(1)
    media = [{**VIDEO, "port": video}]
    owner.create(media, id=52)
    world.ffmpeg(video)
    viewer = JanusViewer(world, node, id=52).watch()
    viewer.peer.wait_packets()
    assert owner.ask("disable", id=52) == {"streaming": "ok"}
    assert viewer.peer.is_quiet()
    assert owner.list()[52]["enabled"] is False
    assert owner.list()[52]["media"][0]["age_ms"] < 2000
    assert owner.ask("enable", id=52) == {"streaming": "ok"}
    viewer.peer.wait_packets()
    reply = owner.ask("destroy", id=52)
    assert reply == {"streaming": "destroyed", "destroyed": 52}
    viewer.status("stopped")
    assert viewer.wait_hangup()["reason"] == "Close PC"
    node.post_sdp("/whep/52", OFFER).assert_problem(409)
    assert JanusViewer(world, node, id=52).refused() == 455
    # its port is free at once, and so is its id
    owner.create(media, id=52)
    JanusViewer(world, node, id=52).watch().peer.wait_packets()


def test_ports(world, node):
    """Of the pool, explicit ones, and busy ones by name."""
    owner = Owner(node)
    media = [{**VIDEO, "simulcast": True, "rtcpport": 0}, AUDIO]
    ports = owner.ports(id=1, media=media)
    assert len(set(ports.values())) == 4
    assert all(10000 <= port <= 10999 for port in ports.values()), ports
    assert node.state()["cluster"]["ports_used"] == 5
    busy = owner.ask("create", type="rtp", id=2, media=[
        {**VIDEO, "port": ports["a", "port"]}])
    assert busy["error_code"] == 456, busy
    assert busy["error"] == \
        "Can't add 'rtp' stream, error creating data source stream"
    owner.ask("destroy", id=1)
    wait_ports_back(node)


def test_a_busy_port_costs_the_pool_nothing(world):
    """What is refused for somebody's port gives those of the pool back, which
    are not taken for another program's while they are being closed."""
    low, busy = free_ports(4), free_ports()
    node = world.node("--rtp-port-range", f"{low}-{low + 3}")
    owner = Owner(node)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", busy))
        for _ in range(20):
            reply = owner.ask("create", type="rtp", id=2, media=[
                {**AUDIO, "rtcpport": 0}, {**VIDEO, "port": busy}])
            assert reply["error_code"] == 456, reply
            wait_ports_back(node)
            ports = owner.ports(id=1, media=[{**BOTH[0], "rtcpport": 0},
                                             {**BOTH[1], "rtcpport": 0}])
            assert all(low <= port < low + 4 for port in ports.values())
            owner.ask("destroy", id=1)
            wait_ports_back(node)


def test_renditions_have_no_names(world, node):
    """'~' is ours alone: nobody publishes or watches such a stream, and no
    list has it."""
    owner = Owner(node)
    ports = owner.ports(id=52, media=[{**VIDEO, "simulcast": True}])
    for name in ("port", "port_2", "port_3"):
        world.ffmpeg(ports["v", name])
    viewer = JanusViewer(world, node, id=52).watch()
    viewer.peer.wait_packets()
    wait_for(lambda: {s["name"] for s in node.state()["streams"]
                      if s["live"]} == {"52", "52~0", "52~1"},
             "three renditions")
    assert [s["name"] for s in node.request("/api/streams").json()] == ["52"]
    assert owner.list().keys() == {52}
    assert node.post_sdp("/whep/52~0", OFFER).status in (400, 404)
    assert node.post_sdp("/whip/52~0", OFFER).status in (400, 404)
    assert node.request("/api/streams/52~0/snapshot.jpg").status == 404


def test_pin(world, node):
    """A pin holds at every door."""
    owner = Owner(node)
    ports = owner.ports(id=52, pin="7 7", is_private=True, secret="s")
    feed(world, ports)
    wait_for(lambda: sent(node, "52")["video"] > 10, "packets")
    node.post_sdp("/whep/52", OFFER).assert_problem(401,
                                                    code="mountpoint-pin")
    node.post_sdp("/whep/52?pin=8", OFFER).assert_problem(
        403, code="mountpoint-pin")
    node.request("/api/streams/52/snapshot.jpg").assert_problem(
        401, code="mountpoint-pin")
    assert node.request("/api/streams/52/snapshot.jpg?pin=7%207").status \
        == 200
    assert node.post_sdp("/whep/52", OFFER, {
        "Authorization": "Bearer 7 7"}).status == 201
    world.viewers(node, "52?pin=7%207").wait_video(10)
    assert JanusViewer(world, node, id=52).refused() == 453
    assert JanusViewer(world, node, id=52, pin="8").refused() == 457
    JanusViewer(world, node, id=52, pin="7 7").watch().peer.wait_packets()
    assert node.request("/api/streams").json() == []
    assert owner.list() == {}
    # taken away, by who knows the secret
    reply = owner.ask("edit", id=52, secret="s", new_pin="")
    assert reply["streaming"] == "edited", reply
    assert node.post_sdp("/whep/52", OFFER).status == 201


# After a restart

@pytest.mark.parametrize("end", ["stop", "kill"])
def test_permanent_alone(world, tmp_path, end):
    """--state-dir keeps permanent ones, as they were."""
    node = world.node("--insecure", "--node-id", "n1", "--state-dir",
                      str(tmp_path / "state"))
    owner = Owner(node)
    port = free_ports(1)
    for id in (1, 2, 3, 4):
        reply = owner.create([{**VIDEO, "port": port}] if id == 1 else
                             BOTH, id=id, permanent=id != 4, pin="p",
                             name="one", metadata="m")
        assert reply["permanent"] is (id != 4), reply
    assert owner.ask("edit", id=1, new_pin="q", permanent=True)["permanent"]
    owner.ask("disable", id=2)
    owner.ask("destroy", id=3, permanent=True)
    before = {id: owner.ask("info", id=id)["info"] for id in (1, 2)}
    kept = tmp_path / "state" / "mountpoints.json"
    wait_for(lambda: {row["id"]: row["enabled"] for row in json.loads(
        kept.read_text())} == {"1": True, "2": False}, "a file with both")
    if end == "kill":
        node.kill()
    else:
        node.process.terminate()
        assert node.process.wait(20) == 0
    node.start()
    owner = Owner(node)
    rows = wait_for(lambda: (r := owner.list()).keys() == {1, 2} and r,
                    "mountpoints 1 and 2")
    assert rows[2]["enabled"] is False
    for id in (1, 2):
        after = owner.ask("info", id=id)["info"]
        for info in (before[id], after):
            for media in info["media"]:
                media.pop("age_ms"), id == 2 and media.pop("port")
        assert after == before[id]
    assert after["pin"] == "p"
    world.ffmpeg(port)
    JanusViewer(world, node, id=1, pin="q").watch().peer.wait_packets()


@pytest.mark.parametrize("text", [
    "nonsense", "{}", '[{"type":"rtp"}]', '[5, {"id":"1~0","type":"rtp"}]'])
def test_permanent_file_of_nonsense(world, tmp_path, text):
    """It is said, set aside, and lost nothing of; the node serves."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "mountpoints.json").write_text(text)
    node = world.node("--insecure", "--state-dir", str(state))
    assert Owner(node).create(id=1, permanent=True)["permanent"]
    assert (state / "mountpoints.json.bad").read_text() == text
    assert "permanent mountpoint" in node.read_log()


def test_permanent_camera_that_is_off(world, tmp_path):
    """It was there when the mountpoint was made; it need not be now."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "mountpoints.json").write_text(json.dumps([{
        "type": "rtsp", "id": "7", "permanent": True, "video": True,
        "rtsp_failcheck": True, "url": f"rtsp://127.0.0.1:{free_ports(1)}/"}]))
    node = world.node("--insecure", "--state-dir", str(state))
    wait_listed(node, {7})


def test_permanent_without_a_place(world, node):
    """Nowhere to keep it: it is made, and the reply says so."""
    reply = Owner(node).create(id=1, permanent=True)
    assert reply["permanent"] is False
    wait_for(lambda: "will not be there after a restart" in node.read_log(),
             "a warning")


# A cluster

@pytest.fixture
def cluster(world):
    return Cluster(world, world.redis().url, "--insecure").grow(
        injection=1, egress=1)


def test_cluster(world, cluster):
    """Made at the injection node; listed, watched and guarded at another."""
    i1, e1 = cluster["i1"], cluster["e1"]
    owner = Owner(i1)
    media = [AUDIO, {**VIDEO, "simulcast": True}]
    ports = owner.ports(id=52, media=media, pin="p")
    rows = wait_listed(e1, {52})
    assert [m["mid"] for m in rows[52]["media"]] == ["a", "v"]
    taken = Owner(e1).ask("create", type="rtp", id=53, media=BOTH)
    assert "role injection" in taken["error"], taken
    early = JanusViewer(world, e1, id=52, pin="p").watch()
    for name in ("port", "port_2", "port_3"):
        world.ffmpeg(ports["v", name], name == "port" and ports["a", "port"])
    early.peer.wait_packets(50)
    assert JanusViewer(world, e1, id=52).refused() == 453
    e1.post_sdp("/whep/52", OFFER).assert_problem(401, code="mountpoint-pin")
    viewers = world.viewers(e1, "52?pin=p", count=3)
    viewers.wait_video(50)
    # whom the injection node sends on keeps his pin
    sent_on = world.viewers(i1, "52?pin=p")
    sent_on.wait_video(20)
    assert_viewers_smooth({"e1": viewers.finish()["viewers"],
                           "sent on": sent_on.finish()["viewers"]})
    late = JanusViewer(world, e1, id=52, pin="p").watch()
    late.peer.wait_packets()
    refused = Owner(e1).ask("destroy", id=52)
    assert "i1" in refused["error"], refused
    owner.ask("destroy", id=52)
    for viewer in (early, late):
        viewer.status("stopped")
        viewer.wait_hangup()
    wait_listed(e1, set())


def test_cluster_restart(world, cluster):
    """A permanent one is made again by its node, wherever it was seen; what
    is not permanent goes with a node that dies."""
    i1, e1 = cluster["i1"], cluster["e1"]
    owner = Owner(i1)
    port = free_ports(1)
    owner.create([{**VIDEO, "port": port}], id=1, permanent=True)
    owner.create(id=2)
    wait_listed(e1, {1, 2})
    owner.create(id=3, permanent=True)
    i1.kill()
    wait_listed(e1, {1, 3}, timeout=60)
    # its node is gone: nobody need ask there
    assert Owner(e1).ask("destroy", id=3)["streaming"] == "destroyed"
    wait_listed(e1, {1})
    i1.start()
    wait_listed(i1, {1})
    world.ffmpeg(port)
    JanusViewer(world, e1, id=1).watch().peer.wait_packets()
    Owner(i1).ask("destroy", id=1)
    wait_listed(e1, set())


def test_cluster_one_id(world, cluster):
    """Two injection nodes, one id: the second is refused."""
    second = cluster.node("i2", "injection")
    Owner(cluster["i1"]).create(id=5)
    wait_listed(second, {5})
    again = Owner(second).ask("create", type="rtp", id=5, media=BOTH)
    assert again["error"] == "A stream with the provided ID already exists"


def test_cluster_store_empties(world):
    """A Redis that forgets is told again."""
    redis = world.redis()
    cluster = Cluster(world, redis.url, "--insecure").grow(injection=1,
                                                           egress=1)
    Owner(cluster["i1"]).create(id=7)
    wait_listed(cluster["e1"], {7})
    redis.call("FLUSHALL")
    wait_for(lambda: redis.call("HLEN", "mountpoints:main") == 1,
             "the mountpoint in the store again")
    wait_listed(cluster["e1"], {7})


def test_a_wrong_interface_costs_no_ports(world):
    """Else a client could take the pool from everybody."""
    low = free_ports(4)
    node = world.node("--insecure", "--rtp-port-range", f"{low}-{low + 3}")
    owner = Owner(node)
    for iface in ("nope0", "192.0.2.199"):
        for _ in range(5):
            bad = owner.ask("create", type="rtp", media=[
                {**VIDEO, "iface": iface}])
            assert bad["error_code"] == 456, bad
    owner.create([VIDEO], id=52)
