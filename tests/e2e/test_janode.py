# SPDX-License-Identifier: Apache-2.0
"""npm's janode over WebSocket: the Streaming plugin's management, and a viewer
whose answers are Chromium's."""
import os

import pytest

from lib.janus_peers import MOUNTPOINTS, WITH_JANUS, JanodeError, ufrag
from lib.wait import wait_for

A, B = MOUNTPOINTS
SECRET = "mine"
# takes janode's offer; the newest connection of the page
ANSWER = """
const pc = window.janodeViewer || new RTCPeerConnection();
window.janodeViewer = pc;
pc.ontrack = ({ streams }) => {
  document.getElementById('video').srcObject = streams[0];
};
await pc.setRemoteDescription(a[0]);
await pc.setLocalDescription();
if (pc.iceGatheringState !== 'complete') {
  await new Promise((resolve) => {
    pc.onicegatheringstatechange = () => {
      if (pc.iceGatheringState === 'complete') resolve();
    };
  });
}
return pc.localDescription.toJSON();
"""
MEDIA = [
    {"type": "video", "mid": "v", "label": "v", "port": 0, "pt": 96,
     "codec": "h264",
     "fmtp": "profile-level-id=42e01f;packetization-mode=1"},
    {"type": "audio", "mid": "a", "label": "a", "port": 0, "pt": 111,
     "codec": "opus"},
]


class Watcher:
    """janode asks, a page answers and shows."""

    def __init__(self, janode, browser, origin):
        self.janode = janode
        self.page = browser.open(origin + "/peer.html")
        self.page.wait_js("window.isReady", "test page")

    def answer(self, jsep):
        return self.page.js(ANSWER, {"type": jsep["type"],
                                     "sdp": jsep["sdp"]})

    def watch(self, number, **more):
        n_up = len(self.janode.emitted("handle_webrtcup"))
        offer = self.janode.call("handle", "watch", {"id": number, **more})
        assert offer["status"] == "preparing", offer
        answer = self.answer(offer["jsep"])
        started = self.janode.call("handle", "start", {"jsep": answer})
        assert started["status"] in ("starting", "started"), started
        self.janode.wait_emitted("handle_webrtcup", n_up + 1)

    def frames(self):
        return self.page.rtp("video").get("framesDecoded", 0)

    def wait_frames(self, more=15, timeout=15):
        before = self.frames()
        wait_for(lambda: self.frames() >= before + more,
                 f"{more} more frames", timeout, 0.1)

    def wait_still(self):
        """Until none comes in half a second of the page's clock."""
        def is_still():
            before = self.page.rtp("video")
            wait_for(lambda: self.page.rtp("video")["timestamp"]
                     >= before["timestamp"] + 500, "time", 5)
            return self.page.rtp("video")["packetsReceived"] == \
                before["packetsReceived"]
        wait_for(is_still, "an end of the pictures", 10)

    def wait_status(self, status):
        wait_for(lambda: any(e["data"].get("status") == status for e in
                             self.janode.emitted("streaming_status")),
                 f"status {status!r}")

    def wait_hangup(self):
        n = len(self.janode.emitted("handle_hangup"))
        return self.janode.wait_emitted("handle_hangup", max(n, 1))["data"]


@pytest.fixture
def client(janode, janus):
    janode.connect(janus.ws_url)
    return janode


@pytest.fixture
def watcher(client, browser, origin):
    return Watcher(client, browser, origin)


def refuses(code, janode, name, **options):
    with pytest.raises(JanodeError, match=rf": {code} "):
        janode.call("handle", name, options)


def create(janode, number, **more):
    options = {"id": number, "name": f"n{number}", "secret": SECRET,
               "description": f"d{number}", "media": MEDIA, **more}
    made = janode.call("handle", "createRtpMountpoint", options)
    assert made["id"] == number, made
    return made


def info(janode, number):
    return janode.call("handle", "info", {"id": number, "secret": SECRET})


def listed(janode):
    return {m["id"]: m
            for m in janode.call("handle", "list", {})["list"]}


def send_rtp(world, janode, number):
    ports = {m["type"]: m["port"] for m in info(janode, number)["media"]}
    assert all(port > 0 for port in ports.values()), ports
    return world.rtp_source(("H264", 96, ports["video"]),
                            ("OPUS", 111, ports["audio"]))


def test_server_info(client):
    found = client.call("connection", "getInfo")
    assert found["janus"] == "server_info"
    assert "janus.plugin.streaming" in found["plugins"]


def test_list_and_info(client):
    found = listed(client)
    for number in MOUNTPOINTS:
        assert found[number]["type"] == "live"
        about = client.call("handle", "info", {"id": number})
        assert {m["type"] for m in about["media"]} == {"audio", "video"}
    refuses(455, client, "info", id=77)


def test_life_of_a_mountpoint(client):
    """create, edit, disable, enable and destroy, by its secret alone."""
    create(client, 201)
    refuses(456, client, "createRtpMountpoint", id=201, media=MEDIA)
    assert listed(client)[201]["description"] == "d201"
    assert {m["mid"]: m["type"] for m in info(client, 201)["media"]} == \
        {"v": "video", "a": "audio"}
    refuses(457, client, "message", request="edit", id=201, secret="wrong")
    edited = client.message(request="edit", id=201, secret=SECRET,
                            new_description="other", new_metadata="about",
                            new_pin="1234", new_is_private=True)
    assert edited == {"streaming": "edited", "id": 201, "permanent": False}
    about = info(client, 201)
    assert (about["description"], about["metadata"], about["pin"],
            about["is_private"]) == ("other", "about", "1234", True)
    assert 201 not in listed(client)
    refuses(457, client, "watch", id=201, pin="4321")
    refuses(457, client, "enable", id=201, secret="wrong")
    client.call("handle", "enable", {"id": 201, "secret": SECRET})
    assert info(client, 201)["enabled"] is True
    refuses(457, client, "destroyMountpoint", id=201, secret="wrong")
    gone = client.call("handle", "destroyMountpoint",
                       {"id": 201, "secret": SECRET})
    assert gone["id"] == 201
    refuses(455, client, "destroyMountpoint", id=201, secret=SECRET)
    create(client, 201)
    client.call("handle", "destroyMountpoint", {"id": 201, "secret": SECRET})


def test_older_form_of_create(client):
    made = client.call("handle", "createRtpMountpoint", {
        "id": 202, "secret": SECRET,
        "audio": {"port": 0, "pt": 111, "rtpmap": "opus/48000/2"},
        "video": {"port": 0, "pt": 96, "rtpmap": "H264/90000",
                  "fmtp": "packetization-mode=1"}})
    assert made["audio_port"] > 0 and made["video_port"] > 0, made
    assert made["audio_port"] != made["video_port"]
    client.call("handle", "destroyMountpoint", {"id": 202, "secret": SECRET})


def test_viewer(watcher):
    """watch, start, pause, start, configure, switch and stop."""
    watcher.watch(A)
    watcher.wait_frames()
    call = watcher.janode.call
    call("handle", "pause")
    watcher.wait_still()
    raw = watcher.janode.message(request="start")
    assert raw["result"]["status"] == "started", raw
    watcher.wait_frames()
    call("handle", "configure", {"video": False})
    watcher.wait_still()
    call("handle", "configure", {"video": True})
    watcher.wait_frames()
    ssrc = watcher.page.rtp("video")["ssrc"]
    switched = call("handle", "switch", {"id": B})
    assert switched["id"] == B
    watcher.wait_frames()
    assert watcher.page.rtp("video")["ssrc"] == ssrc
    assert call("handle", "stop")["status"] == "stopping"
    watcher.wait_hangup()
    watcher.wait_still()


def test_ice_restart(watcher):
    watcher.watch(A)
    watcher.wait_frames()
    again = watcher.janode.call("handle", "watch", {"id": A, "restart": True})
    assert again["status"] == "updating", again
    answer = watcher.answer(again["jsep"])
    watcher.janode.call("handle", "start", {"jsep": answer})
    wait_for(lambda: watcher.page.used_ufrag() == ufrag(again["jsep"]["sdp"]),
             "a pair of the new offer")
    watcher.wait_frames()


def test_rtp_mountpoint_plays(world, watcher):
    """A mountpoint made by janode, fed by GStreamer's RTP, watched."""
    create(watcher.janode, 203)
    send_rtp(world, watcher.janode, 203)
    wait_for(lambda: all(m.get("age_ms", 1000) < 1000 for m in
                         info(watcher.janode, 203)["media"]), "RTP")
    watcher.watch(203)
    watcher.wait_frames()
    assert watcher.page.rtp("audio")["packetsReceived"] > 0
    assert info(watcher.janode, 203)["viewers"] == 1
    kicked = watcher.janode.message(request="kick_all", id=203, secret=SECRET)
    assert kicked == {"streaming": "kicked_all"}
    watcher.wait_status("kicked_all")
    watcher.wait_hangup()
    watcher.page.js("window.janodeViewer.close(); window.janodeViewer = null;")
    watcher.watch(203)
    watcher.wait_frames()
    watcher.janode.call("handle", "destroyMountpoint",
                        {"id": 203, "secret": SECRET})
    watcher.wait_status("stopped")
    watcher.janode.wait_emitted("handle_hangup", 2)
    watcher.wait_still()


@pytest.mark.skipif(WITH_JANUS, reason="disable crashes janus 1.1.2")
def test_disabled_mountpoint_is_silent(world, watcher):
    create(watcher.janode, 204)
    send_rtp(world, watcher.janode, 204)
    watcher.watch(204)
    watcher.wait_frames()
    by_secret = {"id": 204, "secret": SECRET}
    watcher.janode.call("handle", "disable", by_secret)
    assert info(watcher.janode, 204)["enabled"] is False
    watcher.wait_still()
    watcher.janode.call("handle", "enable", by_secret)
    watcher.wait_frames()
    watcher.janode.call("handle", "destroyMountpoint", by_secret)


def test_recording(world, janus, client):
    """A file of the server's, as long as it is asked for."""
    create(client, 205)
    send_rtp(world, client, 205)
    path = os.path.join(janus.recording_dir, "recorded")
    by_secret = {"id": 205, "secret": SECRET}
    client.call("handle", "startRecording", {
        **by_secret, "media": [{"mid": "v", "filename": path}]})
    path += janus.recording_suffix
    wait_for(lambda: os.path.getsize(path) > 50000,
             "a recording that grows")
    client.call("handle", "stopRecording", {
        **by_secret, "media": [{"mid": "v"}]})
    with open(path, "rb") as recording:
        assert recording.read(8).startswith(janus.recording_magic)
    client.call("handle", "destroyMountpoint", by_secret)


def test_sessions_end(janus, client):
    before = set(janus.sessions())
    number = client.call("connection", "create")
    assert set(janus.sessions()) == before | {number}
    client.call("session", "destroy")
    wait_for(lambda: set(janus.sessions()) == before, "end of the session")
