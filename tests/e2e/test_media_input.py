# SPDX-License-Identifier: Apache-2.0
"""Mountpoints fed by RTSP cameras and by files: what they carry, what becomes
of viewers when a camera goes and comes back, and sources that lie."""
import os
import socket
import subprocess
import threading

import pytest

from lib.mountpoints import FFMPEG, PICTURE, SOUND, JanusViewer, Owner
from lib.node import ROOT
from lib.peers import JsonProcess
from lib.wait import wait_for

CAMERA = os.path.join(ROOT, "tests", "peer", "rtsp-camera.py")
PYTHON = "/usr/bin/python3"
CANT_CREATE = 456


class Camera(JsonProcess):
    def __init__(self, directory, *args):
        super().__init__(os.path.join(directory, "camera.log"), PYTHON, CAMERA,
                         *args)
        self.port = self.wait_event("ready", 30)["port"]

    def url(self, path):
        return f"rtsp://127.0.0.1:{self.port}{path}"


def camera(world, *args):
    return world.add(Camera(world.directory_of("camera"), *args))


def create_rtsp(owner, url, **members):
    return owner.ask("create", type="rtsp", id=7, url=url,
                     **{"audio": True, "video": True, **members})


def source(node, stream="7"):
    rows = node.state()["janus"]["node"]["sources"]
    row, = [row for row in rows if row["stream"] == stream]
    return row


def watch(world, node, **members):
    viewer = JanusViewer(world, node, id=7, **members).watch()
    viewer.peer.wait_packets(30)
    return viewer


# Cameras

@pytest.mark.parametrize("path, kinds", [
    ("/both", {"audio", "video"}), ("/tcp", {"audio", "video"}),
    ("/vp8", {"video"}), ("/bare", {"video"})])
def test_camera(world, node, path, kinds):
    owner = Owner(node)
    reply = create_rtsp(owner, camera(world).url(path))
    assert reply["streaming"] == "created", reply
    media = owner.ask("info", id=7)["info"]["media"]
    assert {m["type"] for m in media} == kinds
    viewer = watch(world, node)
    assert len(viewer.peer.books()) == len(kinds)
    # one who comes later sees a picture as well, and so does the other API
    watch(world, node)
    world.viewers(node, "7").wait_video(30)
    books = viewer.peer.books().values()
    assert all(book["n_skipped"] == 0 for book in books), books


def test_camera_comes_back(world, node):
    """It is pulled again; who watches stays, and sees it go on."""
    first = camera(world)
    owner = Owner(node)
    assert create_rtsp(owner, first.url("/both"))["streaming"] == "created"
    viewer = watch(world, node)
    first.kill()
    wait_for(lambda: source(node)["state"] == "waiting", "a lost camera")
    assert viewer.peer.is_quiet()
    assert "/both" in source(node)["source"]
    camera(world, "--port", str(first.port))
    viewer.peer.wait_packets(30, timeout=30)
    assert source(node)["state"] == "playing"
    books = viewer.peer.books().values()
    assert all(book["n_skipped"] == 0 for book in books), books


def test_camera_later(world, node):
    """rtsp_failcheck false: a mountpoint before its camera."""
    dark = camera(world)
    dark.kill()
    owner = Owner(node)
    reply = create_rtsp(owner, dark.url("/both"), rtsp_failcheck=False)
    assert reply["streaming"] == "created", reply
    camera(world, "--port", str(dark.port))
    node.wait_live("7", timeout=40)
    watch(world, node)


def test_camera_password(world, node):
    locked = camera(world, "--user", "owner", "--password", "p w")
    owner = Owner(node)
    url = locked.url("/both")
    for wrong in ({}, {"rtsp_user": "owner", "rtsp_pwd": "no"}):
        reply = create_rtsp(owner, url, **wrong)
        assert reply["error_code"] == CANT_CREATE, reply
    reply = create_rtsp(owner, url, rtsp_user="owner", rtsp_pwd="p w")
    assert reply["streaming"] == "created", reply
    watch(world, node)
    assert "p w" not in node.read_log()
    assert "p w" not in node.request("/debug/state").text


def test_camera_codec(world, node):
    """Sound that browsers do not play is refused; without it, it is fine."""
    url = camera(world).url("/pcma")
    owner = Owner(node)
    assert create_rtsp(owner, url)["error_code"] == CANT_CREATE
    assert "PCMA" in node.read_log()
    reply = create_rtsp(owner, url, audio=False)
    assert reply["streaming"] == "created", reply
    assert len(watch(world, node).peer.books()) == 1


class Liar:
    """Takes connections and says @line to each request: b"": nothing."""

    def __init__(self, line):
        self.line = line
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self.server.getsockname()[1]}/cam"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,),
                             daemon=True).start()

    def _talk(self, peer):
        try:
            while peer.recv(65536):
                if self.line:
                    peer.sendall(self.line)
        except OSError:
            pass
        finally:
            peer.close()

    def kill(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


LIES = {
    "mute": b"",
    "junk": bytes(range(256)) * 64,
    "http": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "ok": b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
    "endless": b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nX: " + b"x" * 1000000,
    "length": b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: "
              b"99999999999\r\n\r\n",
    "negative": b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\nv",
    "loop": b"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://127.0.0.1:1/"
            b"\r\n\r\n",
}


@pytest.mark.parametrize("lie", LIES)
def test_liar(world, node, lie):
    """10 s at most, and an error; the node is well."""
    liar = world.add(Liar(LIES[lie]))
    owner = Owner(node)
    reply = create_rtsp(owner, liar.url)
    assert reply["error_code"] == CANT_CREATE, reply
    assert owner.list() == {}
    assert create_rtsp(owner, camera(world).url("/vp8"))["streaming"] == \
        "created"


# Files

@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """2 s of pictures and sound."""
    path = str(tmp_path_factory.mktemp("film") / "film.mkv")
    subprocess.run([FFMPEG, "-nostdin", "-loglevel", "error", "-f", "lavfi",
                    "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi",
                    "-i", "sine=frequency=440", "-t", "2", *PICTURE, *SOUND,
                    path], check=True, timeout=60)
    return path


def create_file(owner, kind, path, **members):
    return owner.ask("create", type=kind, id=7, filename=path,
                     **{"audio": True, "video": True, **members})


def test_live_file(world, node, film):
    """Again and again, without a seam: nothing is missing over loops."""
    assert create_file(Owner(node), "live", film)["streaming"] == "created"
    viewer = watch(world, node)
    viewers = world.viewers(node, "7", count=3)
    wait_for(lambda: source(node)["runs"] >= 4, "three loops", 20)
    viewer.peer.wait_packets(30)
    for end in viewers.finish()["viewers"]:
        for kind in ("audio", "video"):
            assert end[kind]["n_missing"] == 0, end
            assert end[kind]["n_packets"] > 60, end
    books = viewer.peer.books().values()
    assert all(book["n_skipped"] == 0 for book in books), books
    row = source(node)
    assert row["dropped_queue"] == row["audio"]["lost"] == 0, row


def test_ondemand_file(world, node, film):
    """Each viewer has it from its begin, for himself."""
    assert create_file(Owner(node), "ondemand", film)["streaming"] == "created"
    first = watch(world, node)
    second = watch(world, node)

    def count(viewer):
        return sorted(b["n_packets"] for b in viewer.peer.books().values())
    for viewer in (first, second):
        assert viewer.peer.is_quiet() or viewer.peer.is_quiet()
    assert count(first) == count(second)


def test_bad_files(world, node, film, tmp_path):
    owner = Owner(node)
    fifo, aac, junk = (str(tmp_path / name) for name in ("fifo", "aac.mp4",
                                                         "junk"))
    os.mkfifo(fifo)
    with open(junk, "wb") as file:
        file.write(os.urandom(100000))
    subprocess.run([FFMPEG, "-nostdin", "-loglevel", "error", "-i", film,
                    "-c:v", "copy", "-c:a", "aac", aac], check=True,
                   timeout=60)
    for path in ("/nowhere/film.mkv", str(tmp_path), fifo, "/dev/zero", junk,
                 aac):
        for kind in ("live", "ondemand"):
            reply = create_file(owner, kind, path)
            assert reply["error_code"] == CANT_CREATE, (path, reply)
    assert owner.list() == {}
    assert create_file(owner, "live", aac, audio=False)["streaming"] == \
        "created"
    watch(world, node)
