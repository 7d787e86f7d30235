# SPDX-License-Identifier: Apache-2.0
"""What /metrics says of media: it is what was sent and lost, sums never fall
while publications come and go over the bound, and hops are told apart."""
import os
import socket
import struct
import subprocess

from lib.cluster import Cluster
from lib.mountpoints import FFMPEG, VIDEO, Owner
from lib.wait import wait_for

SENT = "media_tree_rtp_packets_sent_total"
BYTES = "media_tree_rtp_sent_bytes_total"
LOST = "rtp_packets_lost_total"
MAX_SHOWN = 200  # NODE_METRICS_MAX_STREAMS
KINDS = ("audio", "video")


def sessions(metrics):
    """{session_id: packets of both kinds}"""
    found = {}
    for (name, labels), value in metrics.samples.items():
        if name == SENT:
            key = dict(labels)["session_id"]
            found[key] = found.get(key, 0) + value
    return found


def received(viewers, kind):
    return sum(v[kind]["n_packets"] for v in viewers.report())


def wait_all_told(node, viewers):
    """Viewers tell once a second what they were sent: in the end it is what
    came to them."""
    def is_told():
        metrics = node.metrics()
        return all(metrics.total(SENT, stream_type=kind)
                   == received(viewers, kind) > 0 for kind in KINDS)
    wait_for(is_told, "all that was sent in the counters", 15, 0.2)


def test_what_was_sent_is_what_came(world):
    node = world.node("--insecure")
    obs = world.obs(node)
    viewers = world.viewers(node, count=3)
    viewers.wait_video(60)
    obs.finish()
    wait_all_told(node, viewers)
    metrics = node.metrics()
    shown = sessions(metrics)
    assert len(shown) == 2 and shown.pop("other") == 0
    (session, _), = shown.items()
    assert metrics.total("media_tree_session_info", session_id=session,
                         stream="live") == 1
    for kind in KINDS:
        assert metrics.total(BYTES, stream_type=kind, session_id=session) > 0
    # a stream that nobody watches sends nothing
    n_packets = metrics.total("media_tree_stream_packets_total", stream="live",
                              kind="video")
    assert metrics.total(SENT, stream_type="video") <= 3 * n_packets + 3


class Falling:
    """Reads sums over session_id, and refuses one that fell."""

    def __init__(self, node):
        self.node = node
        self.last = {}

    def read(self):
        metrics = self.node.metrics()
        for name in (SENT, BYTES):
            for kind in KINDS:
                now = metrics.total(name, stream_type=kind)
                assert now >= self.last.get((name, kind), 0), (name, kind)
                self.last[name, kind] = now
        assert len(sessions(metrics)) <= MAX_SHOWN + 1
        return metrics


def send_keyframe(port):
    packet = struct.pack("!BBHII", 0x80, 0x80 | VIDEO["pt"], 1, 3000, port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet + b"\x65" + bytes(100), ("127.0.0.1", port))


def add_mountpoints(node, owner, reader, ids):
    for number in ids:
        row, = owner.create([VIDEO], id=number)["stream"]["ports"]
        send_keyframe(row["port"])
    names = {str(number) for number in ids}
    wait_for(lambda: names <= {
        dict(labels)["stream"] for (name, labels), value
        in reader.read().samples.items()
        if name == "media_tree_stream_live" and value == 1},
        "mountpoints that are live", 20, 0.2)


def live_session(metrics):
    return {dict(labels)["session_id"] for (name, labels), _
            in metrics.samples.items()
            if name == "media_tree_session_info"
            and ("stream", "live") in labels}


def test_sums_never_fall(world):
    """More publications than have lines: one that ends gives up its place, its
    successor waits for one, and what was sent is all there."""
    node = world.node("--insecure")
    owner, reader = Owner(node), Falling(node)
    obs = world.obs(node)
    viewers = world.viewers(node, count=2)
    viewers.wait_video(30)
    first = live_session(reader.read())
    add_mountpoints(node, owner, reader, range(1000, 1000 + MAX_SHOWN + 1))
    assert live_session(reader.read()) == first
    assert len(sessions(reader.read())) == MAX_SHOWN + 1
    obs.finish()
    wait_for(lambda: not live_session(reader.read()), "its place to be taken")
    assert sessions(reader.read())["other"] > 0
    obs = world.obs(node)
    viewers.wait_video(30)
    assert not live_session(reader.read())
    owner.ask("destroy", id=1000)
    owner.ask("destroy", id=1001)
    second, = wait_for(lambda: live_session(reader.read()), "a place for it")
    assert {second} != first
    wait_for(lambda: sessions(reader.read())[second] > 0, "its own packets")
    viewers.wait_video(30)
    obs.finish()
    wait_all_told(node, viewers)
    reader.read()


def test_losses_of_both_ways(world):
    node = world.node("--insecure", "--repair=no", workers=1)
    up = world.impair(node, seed=7, loss_up=0.05)
    down = world.impair(node, seed=8, loss_down=0.05)
    obs = world.obs(node, port=up.port)
    viewers = world.viewers(node, port=down.port,
                            args=["--no-nack", "--reports"])
    viewers.wait_event("joined")

    def has_lost():
        metrics = node.metrics()
        return all(metrics.total(LOST, stream_type="video", **{"from": side})
                   > 5 for side in ("publisher", "viewer")) and \
            metrics.total("media_tree_viewer_rtt_seconds_count") > 0 and \
            metrics
    metrics = wait_for(has_lost, "losses of both sides", 30, 0.3)
    for kind in KINDS:
        assert abs(metrics.total(LOST, stream_type=kind,
                                 **{"from": "publisher"})
                   - metrics.total("media_tree_stream_lost_packets_total",
                                   kind=kind)) <= 5
    assert metrics.total(LOST, **{"from": "parent"}) == 0
    for name in ("rtt_seconds", "jitter_seconds", "loss_ratio"):
        assert metrics.total(f"media_tree_viewer_{name}_count") > 0, name
    n_reports = metrics.total("media_tree_viewer_loss_ratio_count")
    assert metrics.total("media_tree_viewer_loss_ratio_bucket",
                         le="0") < n_reports
    assert metrics.total("media_tree_viewer_rtt_seconds_bucket", le="0.5") > 0
    obs.finish()
    wait_for(lambda: node.metrics().total(LOST, stream_type="video",
                                          **{"from": "viewer"})
             == viewers.report()[0]["video"]["n_missing"] > 0,
             "all that the viewer has missed", 15, 0.3)


class BFrames:
    """ffmpeg, with frames out of order"""

    def __init__(self, directory, port):
        with open(os.path.join(directory, "ffmpeg.log"), "ab") as log:
            self.process = subprocess.Popen(
                [FFMPEG, "-nostdin", "-loglevel", "warning", "-re", "-f",
                 "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-c:v",
                 "libx264", "-preset", "fast", "-bf", "2", "-g", "25",
                 "-keyint_min", "25", "-sc_threshold", "0", "-rc-lookahead",
                 "0", "-f", "rtp", f"rtp://127.0.0.1:{port}?pkt_size=1200"],
                stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()


def test_hops_of_a_tree(world):
    """A node that has the stream from a parent knows its groups of pictures and
    frames out of order as its origin does; a hop's loss is its parent's."""
    cluster = Cluster(world, world.redis().url, "--insecure")
    cluster.node("i1", "injection", loss={"loss_down": 0.05})
    cluster.node("e1", "egress")
    cluster.wait_placed()
    row, = Owner(cluster["i1"]).create([VIDEO], id=52)["stream"]["ports"]
    world.add(BFrames(world.directory_of("ffmpeg"), row["port"]))
    cluster["e1"].wait_live("52")
    world.viewers(cluster["e1"], "52")

    def is_told():
        metrics = cluster["e1"].metrics()
        return (metrics.total("media_tree_link_parent_lost_total",
                              parent="i1") > 5
                and metrics.total("media_tree_stream_reordered_frames_total",
                                  stream="52") > 5
                and metrics.total("media_tree_stream_gop_seconds",
                                  stream="52") > 0 and metrics)
    metrics = wait_for(is_told, "what the hop lost", 30, 0.3)
    assert 0.3 < metrics.total("media_tree_stream_gop_seconds") < 3
    for name in ("packets", "nacked", "repaired"):
        assert metrics.total(f"media_tree_link_parent_{name}_total",
                             parent="i1") > 0, name
    assert metrics.total("media_tree_link_rtt_seconds", parent="i1") > 0
    assert metrics.total("media_tree_link_jitter_seconds", parent="i1") < 1
    origin = cluster["i1"].metrics()
    assert 0.3 < origin.total("media_tree_stream_gop_seconds") < 3
    assert origin.total("media_tree_stream_reordered_frames_total") > 5
    types = {dict(labels)["node_type"] for _, labels in metrics.samples}
    assert types == {"egress"}


def slots(node):
    metrics = node.metrics()
    return [metrics.total("media_tree_viewer_slots", state=state)
            for state in ("used", "free")]


def test_slots(world):
    node = world.node("--insecure", "--max-viewers", "5")
    assert slots(node) == [0, 5]
    world.obs(node)
    viewers = world.viewers(node, count=2)
    viewers.wait_video(5)
    assert slots(node) == [2, 3]
    # the stream has some 600 kbit/s: three of them are more than there is
    narrow = world.node("--insecure", "--max-viewers", "1000",
                        "--max-bandwidth", "20 Mbit/s")
    world.obs(narrow)
    wait_for(lambda: 0 < slots(narrow)[1] < 1000, "the rate to be measured")


def test_a_source_that_fails(world):
    node = world.node("--insecure")
    owner = Owner(node)
    assert node.metrics().total("media_tree_pipeline_failures_total") == 0
    owner.ask("create", type="rtsp", id=7, url="rtsp://127.0.0.1:9/nothing",
              video=True, audio=False)
    wait_for(lambda: node.metrics().total("media_tree_pipeline_failures_total",
                                          kind="input") > 0,
             "a pipeline that ended")


def test_messages_and_workers(world):
    node = world.node("--insecure", workers=2)
    world.obs(node)
    world.viewers(node, count=2).wait_video(60)
    metrics = node.metrics()
    n = metrics.total("media_tree_rtc_message_packets_count")
    assert 0 < n <= metrics.total("media_tree_rtc_sent_messages_total") + 50
    assert metrics.total("media_tree_rtc_message_packets_sum") >= n
    assert metrics.total("media_tree_worker_stalls_total") == 0
    wait_for(lambda: node.metrics().total("media_tree_worker_busy_ratio") > 0,
             "workers that worked")
    assert metrics.total("media_tree_memory_limit_bytes") \
        > metrics.total("process_resident_memory_bytes")
