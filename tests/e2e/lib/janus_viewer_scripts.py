# SPDX-License-Identifier: Apache-2.0
"""Scripts with a viewer: watch to hangup, and what others do to it meanwhile
(J26 to J30, J41, J42, J45 to J56)."""
import secrets

from .janus_scripts import script
from .janus_streaming_scripts import AUDIO, BAD_IDS, VIDEO
from .janus_viewer import make_answer
from .sdp import read_offer

H264 = {**VIDEO, "fmtp": "packetization-mode=1;profile-level-id=42e01f"}
WATCH = {"request": "watch", "id": 1}
START = {"request": "start"}
HOST = "candidate:1 1 udp 2013266431 127.0.0.1 40000 typ host"


def feed(talk, id, **members):
    """A mountpoint of H264 and Opus that gets both."""
    ports = talk.make(id, media=[AUDIO, H264], **members)
    talk.source(("OPUS", 111, ports["a"]), ("H264", 96, ports["v"]))


def play(talk, body=WATCH, step="it plays"):
    """watch, start, and the two things that follow."""
    talk.wait_idle()
    offer = talk.body(body)
    viewer = talk.viewer()
    talk.body(START, jsep=viewer.answer(offer))
    viewer.connect()
    talk.events(step, "started", "webrtcup")
    viewer.wait_packets()
    return viewer


@script("ws")
def idle(talk):
    """J48, J52 to J56: without a mountpoint."""
    talk.open()
    talk.make(1, media=[VIDEO])
    for body in (START, {"request": "pause"}, {"request": "configure"},
                 {"request": "configure", "video": "x"},
                 {"request": "switch"}, {"request": "switch", "id": 1},
                 {"request": "switch", "id": "x"},
                 {"request": "switch", "id": 77}):
        talk.body(body)
    talk.rest()
    talk.destroy(1)


@script()
def watch_errors(talk):
    """J46."""
    talk.open()
    talk.make(1, media=[AUDIO, VIDEO])
    talk.make(2, media=[VIDEO], pin="pw")
    for id in BAD_IDS:
        talk.body({"request": "watch", "id": id})
    for more in ({}, {"id": 77}, {"id": 2}, {"id": 2, "pin": 5},
                 {"id": 2, "pin": "x"}, {"id": 1, "media": 5},
                 {"id": 1, "media": [5]}, {"id": 1, "media": ["v", 5]},
                 {"id": 1, "restart": "x"}, {"id": 1, "offer_audio": "x"},
                 {"id": 1, "offer_video": 5}, {"id": 1, "offer_data": 5},
                 {"id": 77, "media": 5}, {"id": "x", "media": 5},
                 {"id": 2, "media": [5]}, {"id": 77, "pin": 5},
                 {"id": 1, "offer_audio": False, "offer_video": False}):
        talk.body({"request": "watch", **more})
    talk.rest()
    for id in (1, 2):
        talk.destroy(id)


@script("ws")
def offers(talk):
    """J47, J51: what is offered of which mountpoint, line by line."""
    talk.names.whole_sdp = True
    talk.open()
    talk.make(1, media=[AUDIO, H264], metadata="m")
    talk.make(2, media=[{**VIDEO, "mid": "cam", "codec": "vp8", "label": "L",
                         "msid": "my stream"}], pin="pw")
    talk.make(3, media=[AUDIO])
    talk.make(4, media=[H264], playoutdelay_ext=True)
    talk.make(5, media=[VIDEO, AUDIO])
    for more in ({"id": 1}, {"id": 2, "pin": "pw"}, {"id": 3}, {"id": 4},
                 {"id": 5}, {"id": 1, "media": ["v"]},
                 {"id": 1, "media": ["v", "a"]},
                 {"id": 1, "media": ["v", "zz"]},
                 {"id": 1, "offer_video": False},
                 {"id": 1, "offer_audio": False}):
        talk.body({"request": "watch", **more})
        talk.on_handle("hangup")
        talk.events("its hangup", "hangup")
        talk.attach()
    for id in range(1, 6):
        talk.destroy(id)


@script()
def a_life(talk):
    """J25, J29, J48, J52 to J54, J56: from watch to stop, and once more."""
    talk.open()
    feed(talk, 1, secret="sec")
    talk.make(2, media=[VIDEO])
    offer = talk.body(WATCH)
    talk.body(WATCH)
    talk.body({"request": "watch", "id": 2})
    talk.body({"request": "watch", "id": 77})
    talk.body(START, jsep={"type": "answer", "sdp": "v=0\r\n"})
    viewer = talk.viewer()
    talk.body(START, jsep=viewer.answer(offer))
    for candidate in ({"candidate": HOST, "sdpMid": "a"},
                      {"candidate": HOST, "sdpMLineIndex": 0},
                      {"candidate": HOST}, {"candidate": 5, "sdpMid": "a"},
                      {"sdpMid": "a"}, {"candidate": HOST, "sdpMid": 5},
                      {"completed": True}, None):
        talk.on_handle("trickle", candidate=candidate)
    viewer.connect()
    talk.events("both come", "started", "webrtcup")
    viewer.wait_packets()
    talk.body({"request": "info", "id": 1, "secret": "sec"})
    talk.body(START)
    talk.body(WATCH)
    talk.body({"request": "pause"})
    talk.body({"request": "pause"})
    talk.note("nothing comes", {"quiet": viewer.is_quiet()})
    talk.body(START)
    viewer.wait_packets()
    talk.body({"request": "stop"})
    talk.events("end of the connection", "hangup")
    talk.body({"request": "stop"}, event=False)
    talk.body({"request": "pause"})
    talk.body(START)
    talk.rest()
    viewer = play(talk, step="the same handle plays again")
    talk.note("one source a stream", {pt: [book["n_ssrc_changes"],
                                           book["n_ts_backwards"]]
                                      for pt, book in viewer.books().items()})
    talk.on_handle("detach")
    talk.events("detached while playing", "detached")
    talk.rest()
    talk.attach()
    talk.destroy(1, secret="sec")
    talk.destroy(2)


@script("ws")
def configure(talk):
    """J54."""
    talk.open()
    feed(talk, 1)
    viewer = play(talk)
    for more in ({}, {"video": True}, {"audio": False}, {"audio": True},
                 {"mid": "v", "send": True}, {"send": True},
                 {"substream": 0}, {"temporal": 1}, {"fallback": 500},
                 {"spatial_layer": 1}, {"temporal_layer": 1},
                 {"min_delay": 10, "max_delay": 20},
                 {"streams": []}, {"streams": [{"mid": "v", "send": True}]},
                 {"mid": "zz"}, {"data": True}):
        talk.body({"request": "configure", **more})
    talk.body({"request": "configure", "audio": False, "video": False})
    talk.note("nothing comes", {"quiet": viewer.is_quiet()})
    talk.body({"request": "configure", "audio": True, "video": True})
    viewer.wait_packets()
    talk.destroy(1)


@script("ws")
def configure_bad(talk):
    """J54: members of a wrong kind."""
    talk.open()
    talk.make(1, media=[H264])
    talk.body(WATCH)
    for member, values in (("video", ("x", 5)), ("audio", ("x", 5)),
                           ("mid", (5,)), ("send", ("x",)),
                           ("substream", ("x", -1, 3)),
                           ("temporal", ("x", -1, 3)), ("fallback", ("x", -1)),
                           ("spatial_layer", ("x", -1)),
                           ("temporal_layer", ("x", -1)),
                           ("min_delay", ("x",)), ("max_delay", ("x",)),
                           ("streams", (5, [5], [{"mid": 5}],
                                        [{"mid": "v", "send": "x"}]))):
        for value in values:
            talk.body({"request": "configure", member: value})
    talk.on_handle("detach")
    talk.attach()
    talk.destroy(1)


@script("ws")
def switch(talk):
    """J55."""
    talk.open()
    feed(talk, 1)
    feed(talk, 2, pin="pw")
    talk.make(3, media=[AUDIO])
    viewer = play(talk)
    for id in (77, 2, 1, 1, 3, 2):
        talk.body({"request": "switch", "id": id})
        for watched in (1, 2, 3):
            talk.body({"request": "info", "id": watched})
    viewer.wait_packets()
    talk.note("one source a stream", {pt: [book["n_ssrc_changes"],
                                           book["n_ts_backwards"]]
                                      for pt, book in viewer.books().items()})
    talk.on_handle("hangup")
    talk.events("end", "hangup")
    for id in (1, 2, 3):
        talk.destroy(id)


@script("ws")
def restart(talk):
    """J49."""
    talk.open()
    feed(talk, 1)
    viewer = play(talk)
    offer = talk.body({**WATCH, "restart": True})
    talk.body(START, jsep=viewer.answer(offer))
    viewer.restart()
    viewer.wait_packets()
    talk.rest()
    talk.destroy(1)


@script()
def hangups(talk):
    """J27, J30: who ends it."""
    talk.open()
    feed(talk, 1)
    viewer = play(talk)
    viewer.bye()
    talk.events("the viewer has left", "hangup")
    play(talk)
    talk.on_handle("hangup")
    talk.events("by the API", "hangup")
    talk.on_handle("hangup")
    talk.wait_idle()
    talk.body(WATCH)
    talk.on_handle("hangup")
    talk.events("before it had begun", "hangup")
    talk.rest()
    talk.destroy(1)


@script("ws")
def the_owner(talk):
    """J41, J42, J45: what an owner does to a viewer."""
    talk.open()
    feed(talk, 1, secret="sec")
    play(talk)
    owner = {"id": 1, "secret": "sec"}
    talk.body({"request": "edit", **owner, "new_description": "x",
               "edited_event": True})
    talk.events("the viewer is told", "edited")
    talk.body({"request": "edit", **owner, "new_metadata": "m",
               "edited_event": True})
    talk.events("and of metadata", "edited")
    talk.body({"request": "edit", **owner, "new_description": "y"})
    talk.rest("not told")
    talk.body({"request": "kick_all", **owner})
    talk.events("kicked", "kicked_all", "hangup")
    play(talk)
    talk.body({"request": "destroy", **owner})
    talk.events("destroyed", "stopped", "hangup")
    talk.body(WATCH)
    talk.rest()
    talk.mountpoints.pop(1)


@script("ws")
def destroyed_early(talk):
    """J42: somebody has an offer and has not answered."""
    talk.open()
    talk.make(1, media=[AUDIO])
    talk.body(WATCH)
    talk.body({"request": "destroy", "id": 1})
    talk.events("destroyed", "stopped", "hangup")
    talk.rest()


@script("ws")
def session_end(talk):
    """J20: a session goes while its viewer plays."""
    talk.open()
    feed(talk, 1)
    viewer = play(talk)
    talk.on_session("destroy")
    viewer.wait_event("closed")
    talk.on_session("keepalive")
    talk.session = talk.handle = None
    talk.open()
    talk.destroy(1)


@script("ws")
def a_viewer_offers(talk):
    """J50: a watch with the viewer's own offer."""
    talk.open()
    feed(talk, 1)
    talk.body(WATCH, jsep={"type": "offer", "sdp": read_offer(
        "chromium-156-recvonly.sdp")})
    talk.on_handle("hangup")
    talk.events("by the API", "hangup")
    talk.rest()
    talk.destroy(1)


@script("http")
def nobody_answers(talk):
    """J30: an answer, and then no peer."""
    talk.open()
    talk.make(1, media=[AUDIO])
    offer = talk.body(WATCH)
    fingerprint = ":".join(["AB"] * 32)
    talk.body(START, jsep={"type": "answer", "sdp": make_answer(
        offer, "abcd", secrets.token_hex(12), fingerprint)})
    talk.on_handle("hangup")
    talk.events("by the API", "hangup")
    talk.destroy(1)
