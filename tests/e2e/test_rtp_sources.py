# SPDX-License-Identifier: Apache-2.0
"""RTP mountpoints whose source is sealed (SRTP) or sends to a group: by
ffmpeg, as its manual has it."""
import os
import subprocess

import pytest

from lib.mountpoints import FFMPEG, PICTURE, VIDEO, JanusViewer, Owner
from lib.wait import wait_for

KEY = "WbTBosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN"
OTHER_KEY = "AAAAosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN"


class Encoder:
    def __init__(self, directory, *output):
        with open(os.path.join(directory, "ffmpeg.log"), "ab") as log:
            self.process = subprocess.Popen(
                [FFMPEG, "-nostdin", "-loglevel", "warning", "-re", "-f",
                 "lavfi", "-i", "testsrc2=size=320x180:rate=25", *PICTURE,
                 "-f", "rtp", *output], stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()


def send(world, *output):
    return world.add(Encoder(world.directory_of("ffmpeg"), *output))


# ffmpeg's names; by the others its RTCP has 32 bit tags as well, which is not
# what RFC 4568 6.2 says
SUITES = {80: "AES_CM_128_HMAC_SHA1_80", 32: "SRTP_AES128_CM_HMAC_SHA1_32"}


def send_sealed(world, port, suite, key, rtcp_port=0):
    return send(world, "-srtp_out_suite", SUITES[suite],
                "-srtp_out_params", key,
                f"srtp://127.0.0.1:{port}?pkt_size=1100"
                + (f"&rtcpport={rtcp_port}" if rtcp_port else ""))


def source(node):
    row, = node.state()["janus"]["node"]["sources"]
    return row


@pytest.mark.parametrize("suite", [80, 32])
def test_srtp(world, node, suite):
    owner = Owner(node)
    made = owner.create([{**VIDEO, "rtcpport": 0}], id=7, srtpsuite=suite,
                        srtpcrypto=KEY)["stream"]["ports"][0]
    port = made["port"]
    stranger = send_sealed(world, port, suite, OTHER_KEY)
    wait_for(lambda: source(node)["dropped_srtp"] > 10, "what is not authentic")
    assert source(node)["video"]["packets"] == 0
    stranger.kill()
    send_sealed(world, port, suite, KEY, made["rtcp_port"])
    viewer = JanusViewer(world, node, id=7).watch()
    viewer.peer.wait_packets(50)
    world.viewers(node, "7").wait_video(30)
    wait_for(lambda: source(node)["sender_reports"] > 0, "a sealed report")
    assert KEY not in node.request("/debug/state").text
    assert KEY not in node.read_log()


def test_srtp_restart(world, node):
    """The encoder starts anew: another SSRC under the same key."""
    owner = Owner(node)
    port = owner.ports(id=7, media=[VIDEO], srtpsuite=80,
                       srtpcrypto=KEY)["v", "port"]
    viewer = JanusViewer(world, node, id=7).watch()
    for _ in range(3):
        encoder = send_sealed(world, port, 80, KEY)
        viewer.peer.wait_packets(50)
        encoder.kill()
    assert source(node)["video"]["sources"] == 3
    books = viewer.peer.books().values()
    assert all(book["n_skipped"] == 0 for book in books), books


def test_multicast(world, node):
    """Two mountpoints of one group: each has all of it."""
    owner = Owner(node)
    media = [{**VIDEO, "mcast": "239.255.7.7", "iface": "lo"}]
    port = owner.ports(id=7, media=media)["v", "port"]
    again = owner.create([{**media[0], "port": port}], id=8)
    assert again["stream"]["ports"][0]["port"] == port
    send(world, f"rtp://239.255.7.7:{port}?ttl=0&localaddr=127.0.0.1"
         "&pkt_size=1100")
    for id in (7, 8):
        JanusViewer(world, node, id=id).watch().peer.wait_packets(50)


@pytest.mark.parametrize("where", [
    {"mcast": "10.0.0.1"}, {"mcast": "text"}, {"iface": "nope0"},
    {"mcast": "239.255.7.7", "iface": "nope0"}, {"iface": "192.0.2.1"}])
def test_no_such_place(node, where):
    owner = Owner(node)
    reply = owner.ask("create", type="rtp", id=7, media=[{**VIDEO, **where}])
    assert reply["error_code"] == 456, reply
    assert owner.list() == {}
