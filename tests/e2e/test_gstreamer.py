# SPDX-License-Identifier: Apache-2.0
"""GStreamer's webrtcbin publishes: a stack that is neither a browser's nor
OBS's."""
import os
import subprocess
import sys

import pytest

from lib import sdp
from lib.node import ROOT
from lib.wait import wait_for

SCRIPT = os.path.join(ROOT, "tests", "peer", "gst-publish.py")


@pytest.fixture
def publish(shared_node, stream, tmp_path):
    processes = []

    def start(codec):
        log = open(tmp_path / "gst.log", "w+")
        process = subprocess.Popen(
            [sys.executable, SCRIPT, f"{shared_node.url}/whip/{stream}",
             codec], stdin=subprocess.PIPE, stdout=log, stderr=log)
        process.words = lambda: open(log.name).read()
        processes.append(process)
        return process
    yield start
    for process in processes:
        process.kill()
        process.wait()
        print(process.words())


@pytest.mark.parametrize("codec", ["H264", "H265"])
def test_webrtcbin_publishes(world, shared_node, stream, publish, codec):
    process = publish(codec)
    wait_for(lambda: "connected" in process.words(), "webrtcbin", 20)
    shared_node.wait_live(stream)
    viewers = world.viewers(shared_node, stream,
                            offer=sdp.watch_offer(video=(codec,)))
    viewers.wait_video(60)
    viewer = viewers.finish()["viewers"][0]
    assert viewer["video"]["is_first_key"]
    assert viewer["video"]["n_missing"] == 0
    assert viewer["audio"]["n_packets"] > 10
    process.stdin.close()
    assert process.wait(15) == 0
    assert "deleted 200" in process.words()


def test_webrtcbin_is_seen_in_a_browser(shared_node, stream, publish, peer):
    process = publish("H264")
    wait_for(lambda: "connected" in process.words(), "webrtcbin", 20)
    shared_node.wait_live(stream)
    viewer = peer()
    viewer.watch(f"{shared_node.url}/whep/{stream}")
    viewer.wait_frames(30)
    viewer.wait_audio()
    assert viewer.stats()["video"]["packetsLost"] == 0
