# SPDX-License-Identifier: Apache-2.0
"""Recordings of mountpoints, as ffmpeg and ffprobe see them."""
import json
import os
import resource
import signal
import subprocess

import pytest

from lib.mountpoints import AUDIO, VIDEO, JanusViewer, Owner
from lib.trial import assert_viewers_smooth
from lib.wait import wait_for

FPS = 30
CANT_RECORD, BAD_REQUEST = 459, 452
VP8 = {**VIDEO, "codec": "vp8"}


@pytest.fixture
def studio(world, tmp_path):
    """A node that records, and an owner of what it records."""
    directory = tmp_path / "recordings"
    directory.mkdir()
    node = world.node("--insecure", "--recording-dir", str(directory))
    owner = Owner(node)
    return world, node, owner, directory


def feed(world, owner, video=VIDEO, **members):
    """A mountpoint 7 and its encoder."""
    ports = owner.ports(id=7, media=[AUDIO, video], **members)
    return world.rtp_source((video["codec"].upper(), 96, ports["v", "port"]),
                            ("OPUS", 111, ports["a", "port"]))


def start(owner, **files):
    """@files: of mids"""
    return owner.ask("recording", id=7, action="start", media=[
        {"mid": mid, "filename": name} for mid, name in files.items()])


def stop(owner, *mids):
    reply = owner.ask("recording", id=7, action="stop",
                      media=[{"mid": mid} for mid in mids])
    assert reply == {"streaming": "ok"}, reply


def wait_bytes(path, n_bytes, timeout=20):
    wait_for(lambda: os.path.getsize(path) >= n_bytes, f"{n_bytes} bytes",
             timeout)


def probe(path):
    """ffprobe's streams, and the times of all packets by codec."""
    found = json.loads(subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-show_packets",
         "-show_format", "-of", "json", str(path)], check=True,
        capture_output=True, timeout=60).stdout)
    codecs = {s["index"]: s["codec_name"] for s in found["streams"]}
    times = {codec: [] for codec in codecs.values()}
    for packet in found["packets"]:
        times[codecs[packet["stream_index"]]].append(float(packet["pts_time"]))
    return times, float(found["format"]["duration"])


def assert_plays(path, *codecs, n_holes=0):
    """Every picture and every sound decodes; they follow each other."""
    played = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path), "-f",
         "null", "-"], capture_output=True, text=True, timeout=60)
    assert played.returncode == 0 and played.stderr == "", played.stderr
    times, duration = probe(path)
    assert times.keys() == set(codecs)
    for codec, row in times.items():
        steps = [b - a for a, b in zip(row, row[1:])]
        usual = 0.02 if codec == "opus" else 1 / FPS
        odd = [step for step in steps if abs(step - usual) > usual / 2]
        # a silence in a hole makes two of it
        assert n_holes <= len(odd) <= (2 if codec == "opus" else 1) * n_holes, \
            (codec, odd)
        assert abs(row[-1] - duration) < 0.5, (codec, row[-1], duration)
    return times


@pytest.mark.parametrize("video", [VIDEO, VP8], ids=["h264", "vp8"])
def test_recording(studio, video):
    world, node, owner, directory = studio
    feed(world, owner, video)
    node.wait_live("7")
    viewers = world.viewers(node, "7", count=5)
    assert start(owner, a="show", v="show") == {"streaming": "ok"}
    path = directory / "show.mkv"
    wait_bytes(path, 300000)
    stop(owner, "a", "v")
    times = assert_plays(path, video["codec"], "opus")
    # its first sound is not far from its first picture
    begins = [row[0] for row in times.values()]
    assert max(begins) < 0.2, begins
    assert_viewers_smooth({"node": viewers.finish()["viewers"]})
    # again: the file is there, and stays as it is
    size = path.stat().st_size
    assert start(owner, v="show")["error_code"] == CANT_RECORD
    assert path.stat().st_size == size


def test_two_files(studio):
    world, node, owner, directory = studio
    feed(world, owner)
    node.wait_live("7")
    assert start(owner, a="sound", v="picture") == {"streaming": "ok"}
    assert start(owner, v="other")["error_code"] == BAD_REQUEST
    wait_bytes(directory / "picture.mkv", 200000)
    stop(owner, "a", "v")
    assert_plays(directory / "sound.mkv", "opus")
    assert_plays(directory / "picture.mkv", "h264")


def test_encoder_comes_back(studio):
    """One file over encoders that come and go."""
    world, node, owner, directory = studio
    ports = owner.ports(id=7, media=[AUDIO, VIDEO])
    tracks = (("H264", 96, ports["v", "port"]), ("OPUS", 111,
                                                 ports["a", "port"]))
    first = world.rtp_source(*tracks)
    node.wait_live("7")
    assert start(owner, a="show", v="show") == {"streaming": "ok"}
    path = directory / "show.mkv"
    wait_bytes(path, 200000)
    first.kill()
    wait_for(lambda: not node.request("/api/streams").json()[0]["live"],
             "an idle stream", 15)
    size = path.stat().st_size
    world.rtp_source(*tracks)
    wait_bytes(path, size + 200000)
    stop(owner, "a", "v")
    times = assert_plays(path, "h264", "opus", n_holes=1)
    assert max(b - a for a, b in zip(times["h264"], times["h264"][1:])) > 4


def test_before_the_encoder(studio):
    """Asked for before anything has come."""
    world, _, owner, directory = studio
    ports = owner.ports(id=7, media=[AUDIO, VIDEO])
    assert start(owner, a="show", v="show") == {"streaming": "ok"}
    world.rtp_source(("H264", 96, ports["v", "port"]),
                     ("OPUS", 111, ports["a", "port"]))
    wait_bytes(directory / "show.mkv", 200000)
    stop(owner, "a", "v")
    assert_plays(directory / "show.mkv", "h264", "opus")


def test_node_stops(studio):
    """The file is whole when the node is asked to end meanwhile."""
    world, node, owner, directory = studio
    feed(world, owner)
    assert start(owner, a="show", v="show") == {"streaming": "ok"}
    wait_bytes(directory / "show.mkv", 200000)
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(20) == 0
    assert_plays(directory / "show.mkv", "h264", "opus")


def test_full_disk(studio):
    """A limit of the file's size stands for it: the recording ends, is told
    in the log, and nobody who watches notices."""
    world, node, owner, directory = studio
    feed(world, owner)
    node.wait_live("7")
    viewer = JanusViewer(world, node, id=7).watch()
    limit = 256 * 1024
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (limit, limit))
    assert start(owner, a="show", v="show") == {"streaming": "ok"}
    wait_for(lambda: "show.mkv ended" in node.read_log(), "the end", 30)
    viewer.peer.wait_packets(60)
    books = viewer.peer.books().values()
    assert all(book["n_skipped"] == 0 for book in books), books
    assert (directory / "show.mkv").stat().st_size <= limit
    # it is over: the next may begin
    assert start(owner, v="next") == {"streaming": "ok"}


def test_refused(studio, world):
    _, _, owner, directory = studio
    owner.ports(id=7, media=[AUDIO, VIDEO])
    for name in ("", "../show", "/etc/show", ".show", "a/b", "x" * 300):
        reply = start(owner, v=name)
        assert reply["error_code"] == CANT_RECORD, (name, reply)
    assert start(owner, nobody="show")["error_code"] == 454
    assert owner.ask("recording", id=7, action="dance")["error_code"] == 454
    assert list(directory.iterdir()) == []
    nowhere = Owner(world.node("--insecure"))
    nowhere.ports(id=7, media=[AUDIO, VIDEO])
    assert start(nowhere, v="show")["error_code"] == CANT_RECORD
    lost = Owner(world.node("--insecure", "--recording-dir", "/nowhere"))
    lost.ports(id=7, media=[AUDIO, VIDEO])
    assert start(lost, v="show")["error_code"] == CANT_RECORD
