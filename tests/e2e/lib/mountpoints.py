# SPDX-License-Identifier: Apache-2.0
"""Mountpoints over the Janus API: who makes them, who feeds them (ffmpeg), and
who watches."""
import os
import subprocess

from .janus_client import HttpClient
from .janus_viewer import AnswerClient
from .wait import wait_for

FFMPEG = "/usr/bin/ffmpeg"
VIDEO = {"type": "video", "mid": "v", "port": 0, "pt": 96, "codec": "h264"}
AUDIO = {"type": "audio", "mid": "a", "port": 0, "pt": 111, "codec": "opus"}
BOTH = [AUDIO, VIDEO]
PICTURE = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
           "-profile:v", "baseline", "-g", "12", "-b:v", "300k"]
SOUND = ["-c:a", "libopus", "-b:a", "32k"]


class Owner:
    """A client that makes mountpoints at @node."""

    def __init__(self, node, **credentials):
        self.client = HttpClient(node.url + "/janus", **credentials)
        self.session = self.client.create()
        self.handle = self.client.attach(self.session)

    def ask(self, request, **members):
        return self.client.data(self.session, self.handle,
                                {"request": request, **members})

    def create(self, media=None, kind="rtp", **members):
        """@media: of an rtp one"""
        if kind == "rtp":
            members["media"] = media or BOTH
        reply = self.ask("create", type=kind, **members)
        assert reply["streaming"] == "created", reply
        return reply

    def ports(self, **members):
        """Makes one; {(mid, member): port}"""
        return {(row["mid"], name): port
                for row in self.create(**members)["stream"]["ports"]
                for name, port in row.items() if name.startswith("port")}

    def list(self):
        return {row["id"]: row for row in self.ask("list")["list"]}


class JanusViewer:
    """Watches a mountpoint over the Janus API. Ended by @world."""

    def __init__(self, world, node, **members):
        self.client = HttpClient(node.url + "/janus")
        self.session = self.client.create()
        self.handle = self.client.attach(self.session)
        self.peer = world.add(AnswerClient(world.directory_of("janus")))
        self.members = members

    def status(self, name, timeout=15):
        return self.client.wait_event(
            self.session, lambda e: e["janus"] == "event" and e["plugindata"][
                "data"].get("result", {}).get("status") == name, timeout)

    def watch(self):
        self.client.message(self.session, self.handle,
                            {"request": "watch", **self.members})
        offer = self.status("preparing")["jsep"]["sdp"]
        jsep = self.peer.answer(offer)
        self.client.message(self.session, self.handle, {"request": "start"},
                            jsep=jsep)
        self.status("starting")
        self.peer.connect()
        return self

    def refused(self):
        """The plugin's error to watch."""
        self.client.message(self.session, self.handle,
                            {"request": "watch", **self.members})
        event = self.client.wait_event(
            self.session, lambda e: e["janus"] == "event")
        return event["plugindata"]["data"]["error_code"]

    def wait_hangup(self):
        return self.client.wait_event(self.session,
                                      lambda e: e["janus"] == "hangup")


class Ffmpeg:
    """Sends RTP to 127.0.0.1 as its manual has it, until kill()."""

    def __init__(self, directory, video=None, audio=None):
        """@video, @audio: ports"""
        command = [FFMPEG, "-nostdin", "-loglevel", "warning", "-re"]
        outputs = []
        if video:
            command += ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"]
            outputs += ["-map", "0:v", *PICTURE, "-f", "rtp",
                        f"rtp://127.0.0.1:{video}?pkt_size=1200"]
        if audio:
            command += ["-re", "-f", "lavfi", "-i", "sine=frequency=440"]
            outputs += ["-map", "1:a" if video else "0:a", *SOUND, "-f",
                        "rtp", f"rtp://127.0.0.1:{audio}?pkt_size=1200"]
        with open(os.path.join(directory, "ffmpeg.log"), "ab") as log:
            self.process = subprocess.Popen(command + outputs, stdout=log,
                                            stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()


def sent(node, stream):
    """What its ports have taken: {kind: packets}"""
    sources = node.state()["janus"]["node"]["sources"]
    row, = [s for s in sources if s["stream"] == stream]
    return {kind: row[kind]["packets"] for kind in ("audio", "video")
            if kind in row}


def wait_listed(node, ids, timeout=15):
    """Until @node lists just these; its rows."""
    owner = Owner(node)
    return wait_for(lambda: (rows := owner.list()).keys() == set(ids) and (
        rows or True), f"mountpoints {sorted(ids)}", timeout)
