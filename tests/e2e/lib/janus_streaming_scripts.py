# SPDX-License-Identifier: Apache-2.0
"""Scripts of the Streaming plugin's requests that need no viewer (J34 to J45):
each verb with each kind of bad member, and both forms of create."""
import socket

from .janus_scripts import script

VIDEO = {"type": "video", "mid": "v", "port": 0, "pt": 96, "codec": "h264"}
AUDIO = {"type": "audio", "mid": "a", "port": 0, "pt": 111, "codec": "opus"}
DATA = {"type": "data", "mid": "d", "port": 0}
OLD = {"request": "create", "type": "rtp", "audio": True, "video": True,
       "audioport": 0, "audiopt": 111, "audiocodec": "opus", "videoport": 0,
       "videopt": 96, "videocodec": "h264"}
BASE = {"request": "create", "type": "rtp", "media": [VIDEO]}
SRTP_KEY = "WbTBosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN"
BAD_IDS = ("abc", "77", -1, 1.5, True, None, [])
# what is no string, no boolean, no number from 0
BAD = {"string": (5, None), "boolean": ("x", 5, None),
       "number": ("x", -1, 1.5, True)}


def without(member, body):
    return {k: v for k, v in body.items() if k != member}


class Maker:
    """Tries to create; what comes of it goes again. Each has an id of its
    own, also among scripts, as Janus keeps those of some that failed."""

    def __init__(self, talk, base):
        self.talk = talk
        self.base = self.id = 1_000_000 + (
            base if talk.transport == "http" else base + 500)

    def __call__(self, body):
        self.id += 1
        self.talk.names.add(self.id, f"<id {self.id - self.base}>")
        body = body if "id" in body else {**body, "id": self.id}
        before = set(self.talk.mountpoints)
        self.talk.body(body)
        for made in set(self.talk.mountpoints) - before:
            self.talk.destroy(made, secret=body.get("secret", ""))


@script()
def no_mountpoint(talk):
    """J35, J40, J41: the id of each verb."""
    talk.open()
    talk.body({"request": "list"})
    for verb in ("info", "edit", "destroy", "enable", "disable", "kick_all",
                 "recording"):
        more = {"action": "start", "audio": "x"} if verb == "recording" else {}
        talk.body({"request": verb, **more})
        for id in (*BAD_IDS, 0, 77, 2 ** 53):
            talk.body({"request": verb, "id": id, **more})
    for more in ({}, {"id": 77}, {"action": 5}, {"action": "zzz"},
                 {"action": "zzz", "id": 77}, {"action": "start", "id": 77}):
        talk.body({"request": "recording", **more})


@script()
def create_type(talk):
    """J40: which kind of mountpoint, and the media of it."""
    talk.open()
    make = Maker(talk, 1000)
    make({"request": "create"})
    for kind in (5, "zzz", "", "live", "ondemand", "rtsp", "rtp"):
        make({"request": "create", "type": kind})
    for kind in ("live", "ondemand"):
        make({"request": "create", "type": kind, "filename": 5})
        make({"request": "create", "type": kind, "audio": True,
              "filename": "/nonexistent.opus"})
        make({"request": "create", "type": kind, "video": True,
              "filename": "/nonexistent.opus"})
    make({"request": "create", "type": "rtsp", "url": 5})
    for media in ([], 5, {}, None, [5], ["x"], [{}], [[]]):
        make({**BASE, "media": media})
    for id in BAD_IDS:
        make({**BASE, "id": id})
    for more in ({"type": 5, "name": 5}, {"name": 5, "id": "x"},
                 {"type": "zzz", "media": 5},
                 {"media": [{"mid": 5, "port": "x"}], "collision": "x"},
                 {"media": [{"mid": 5, "port": "x"}]}, {"media": [VIDEO, {}]},
                 {"media": [{}, VIDEO]},
                 {"media": [{"type": "zzz", "mid": "x"}]},
                 {"media": [{"type": "zzz", "mid": "x", "port": 0}]},
                 {"permanent": "x", "secret": 5}):
        make({**BASE, **more})


@script()
def create_globals(talk):
    """J39: members of the whole, good and bad."""
    talk.open()
    make = Maker(talk, 2000)
    kinds = {"string": ("name", "description", "metadata", "secret", "pin",
                        "srtpcrypto"),
             "boolean": ("is_private", "permanent", "audio", "video", "data",
                         "e2ee", "playoutdelay_ext"),
             "number": ("collision", "threads", "srtpsuite")}
    for kind, members in kinds.items():
        for member in members:
            for value in BAD[kind]:
                make({**BASE, member: value})
    for more in ({"name": ""}, {"name": "text"}, {"description": ""},
                 {"description": "text"}, {"metadata": "{}"},
                 {"is_private": True}, {"secret": "s"}, {"pin": "p"},
                 {"collision": 0}, {"collision": 500}, {"threads": 2},
                 {"e2ee": True}, {"playoutdelay_ext": True},
                 {"srtpsuite": 0}, {"srtpsuite": 33, "srtpcrypto": SRTP_KEY},
                 {"srtpsuite": 32, "srtpcrypto": SRTP_KEY},
                 {"srtpsuite": 80, "srtpcrypto": "x"}):
        make({**BASE, **more})
    talk.body(without("id", BASE))
    talk.body({**BASE, "id": 0})
    talk.body({**BASE, "id": 60})
    talk.body({**BASE, "id": 60})
    talk.body({"request": "destroy", "id": 60})
    for id in list(talk.mountpoints):
        if id != 60:
            talk.destroy(id)


@script()
def create_media(talk):
    """J37: members of one stream, good and bad."""
    talk.open()
    make = Maker(talk, 3000)

    def one(**members):
        make({**BASE, "media": [{**VIDEO, **members}]})
    kinds = {"string": ("type", "mid", "label", "msid", "mcast", "iface",
                        "codec", "rtpmap", "fmtp"),
             "boolean": ("skew", "simulcast", "svc"),
             "number": ("port", "rtcpport", "pt", "port2", "port3")}
    for kind, members in kinds.items():
        for member in members:
            for value in BAD[kind]:
                one(**{member: value})
    for member in ("type", "mid", "port", "pt", "codec"):
        make({**BASE, "media": [without(member, VIDEO)]})
    for members in ({"type": ""}, {"type": "text"}, {"mid": ""},
                    {"label": "text"}, {"msid": "text"}, {"iface": ""},
                    {"iface": "nope0"}, {"iface": "127.0.0.1"}, {"fmtp": "x"},
                    {"skew": True}, {"rtcpport": 0}, {"pt": 0}, {"pt": 127},
                    {"pt": 128}, {"rtpmap": "text"},
                    {"simulcast": True, "port2": 0, "port3": 0},
                    {"simulcast": True}):
        one(**members)
    for codec in ("vp8", "VP8", "vp9", "av1", "h265", "bogus"):
        one(codec=codec)
    for codec in ("opus", "pcmu", "pcma", "g722", "multiopus", "bogus"):
        make({**BASE, "media": [{**AUDIO, "codec": codec}]})
    for media in ([AUDIO, VIDEO], [VIDEO, VIDEO], [VIDEO, {**AUDIO,
                                                           "mid": "v"}],
                  [AUDIO, VIDEO, {**VIDEO, "mid": "w"}],
                  [{"type": "audio", "mid": "v", "port": 0, "pt": 0}]):
        make({**BASE, "media": media})


@script()
def create_data(talk):
    """J37: data."""
    talk.open()
    make = Maker(talk, 4000)
    for members in ({"label": "L"}, {"datatype": "zzz"}, {"datatype": 5}):
        make({**BASE, "media": [{**DATA, **members}]})
    make({**BASE, "media": [AUDIO, VIDEO, DATA]})


@script()
def create_port(talk):
    """J40: ports of the caller's choice."""
    talk.open()
    make = Maker(talk, 5000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as busy:
        busy.bind(("0.0.0.0", 0))
        port = busy.getsockname()[1]
        talk.names.add(port, "<busy>")
        make({**BASE, "media": [{**VIDEO, "port": port}]})
        make({**BASE, "media": [AUDIO, {**VIDEO, "port": port}]})
    port = talk.side.spare_port + (talk.transport == "ws")
    talk.names.add(port, "<mine>")
    make({**BASE, "media": [{**VIDEO, "port": port}]})


@script()
def create_old(talk):
    """J38: the old form."""
    talk.open()
    make = Maker(talk, 6000)
    kinds = {"string": ("audiocodec", "videocodec", "audiortpmap",
                        "videortpmap", "audiofmtp", "videofmtp", "audiomcast",
                        "audioiface"),
             "boolean": ("audioskew", "videoskew", "videobufferkf",
                         "videosimulcast", "videosvc"),
             "number": ("audioport", "audiopt", "audiortcpport", "videoport",
                        "videopt", "videortcpport", "videoport2",
                        "videoport3")}
    for kind, members in kinds.items():
        for member in members:
            for value in BAD[kind][:2]:
                make({**OLD, member: value})
    for member in ("audioport", "audiopt", "videoport", "videopt"):
        make(without(member, OLD))
    for more in ({}, {"audio": False}, {"video": False},
                 {"audio": False, "video": False}, {"media": [VIDEO]},
                 {"videosimulcast": True, "videoport2": 0, "videoport3": 0},
                 {"videortcpport": 0, "audiortcpport": 0}, {"data": True},
                 {"data": True, "dataport": 0}, {"audiopt": "x",
                                                 "videopt": "y"},
                 {"data": True, "dataport": 0, "datatype": "zzz"},
                 {"name": "n", "description": "d", "metadata": "m",
                  "is_private": True, "secret": "s", "pin": "p"}):
        make({**OLD, **more})
    make({"request": "create", "type": "rtp", "audioport": 0, "audiopt": 111})
    bare = without("audiocodec", without("videocodec", OLD))
    make(bare)
    make({**bare, "audiortpmap": "opus/48000/2", "videortpmap": "VP8/90000"})


@script()
def info_and_list(talk):
    """J34, J35: the public view and the owner's."""
    talk.open()
    talk.make(1, name="one", description="first", metadata='{"a":1}',
              media=[{**AUDIO, "label": "la", "msid": "ms",
                      "fmtp": "useinbandfec=1"},
                     {**VIDEO, "label": "lv", "fmtp": "packetization-mode=1"}],
              secret="sec", pin="pw")
    talk.make(2, media=[VIDEO])
    talk.make(3, media=[VIDEO], is_private=True, secret="sec")
    talk.make(4, media=[{**VIDEO, "codec": "vp8", "simulcast": True,
                         "port2": 0, "port3": 0, "rtcpport": 0, "skew": True}],
              collision=500, threads=1)
    talk.body({**OLD, "id": 5, "name": "old", "videofmtp": "x=1"})
    talk.body({**BASE, "id": 7, "media": [VIDEO, AUDIO]})
    talk.body({**OLD, "id": 6, "video": False, "pin": "p", "srtpsuite": 32,
               "srtpcrypto": SRTP_KEY})
    for more in ({}, {"secret": "sec"}):
        talk.body({"request": "list", **more})
    for more in ({"id": 1}, {"id": 1, "secret": "sec"},
                 {"id": 1, "secret": "wrong"}, {"id": 1, "secret": 5},
                 {"id": 1, "secret": None}, {"id": 2},
                 {"id": 2, "secret": "any"}, {"id": 3},
                 {"id": 3, "secret": "sec"}, {"id": 4}, {"id": 5},
                 {"id": 5, "secret": ""}, {"id": 6}, {"id": 7}):
        talk.body({"request": "info", **more})
    for id in (1, 2, 3, 4, 5, 6, 7):
        talk.destroy(id, secret="sec")


@script()
def edit(talk):
    """J41."""
    talk.open()
    talk.make(1, media=[VIDEO], secret="sec", name="one", pin="pw")
    talk.make(2, media=[VIDEO])
    for more in ({}, {"secret": 5}, {"secret": "wrong"},
                 {"secret": "wrong", "new_secret": 5}):
        talk.body({"request": "edit", "id": 1, **more})
    for member in ("new_description", "new_metadata", "new_secret", "new_pin"):
        talk.body({"request": "edit", "id": 1, "secret": "sec", member: 5})
    for member in ("new_is_private", "permanent", "edited_event"):
        talk.body({"request": "edit", "id": 1, "secret": "sec", member: "x"})
    for more in ({}, {"new_description": "second", "new_metadata": "m2",
                      "new_is_private": True, "new_pin": "pw2"},
                 {"new_description": "", "new_metadata": "", "new_secret": "",
                  "new_pin": "", "new_is_private": False}):
        talk.body({"request": "edit", "id": 1, "secret": "sec", **more})
        talk.body({"request": "info", "id": 1, "secret": "sec"})
        talk.body({"request": "list"})
    talk.body({"request": "edit", "id": 1, "secret": "sec",
               "new_secret": "other"})
    talk.body({"request": "edit", "id": 1, "secret": "sec"})
    talk.body({"request": "info", "id": 1, "secret": "other"})
    talk.body({"request": "edit", "id": 2, "new_description": "x"})
    talk.body({"request": "edit", "id": 2, "secret": "any"})
    talk.body({"request": "edit", "id": 2, "new_secret": "now"})
    talk.body({"request": "edit", "id": 2})
    talk.destroy(1, secret="other")
    talk.destroy(2, secret="now")


@script()
def secrets(talk):
    """J42 to J45: who may."""
    talk.open()
    talk.make(1, media=[VIDEO], secret="sec")
    talk.make(2, media=[VIDEO])
    for verb in ("kick_all", "enable", "disable", "destroy", "recording"):
        more = {"action": "start", "video": "x"} if verb == "recording" else {}
        for secret in ({}, {"secret": 5}, {"secret": "wrong"}):
            talk.body({"request": verb, "id": 1, **more, **secret})
    talk.body({"request": "disable", "id": 1, "secret": "sec",
               "stop_recording": "x"})
    talk.body({"request": "destroy", "id": 1, "secret": "sec",
               "permanent": "x"})
    talk.body({"request": "kick_all", "id": 1, "secret": "sec"})
    talk.body({"request": "enable", "id": 1, "secret": "sec"})
    talk.body({"request": "kick_all", "id": 2})
    talk.body({"request": "enable", "id": 2})
    talk.body({"request": "destroy", "id": 1, "secret": "sec"})
    talk.body({"request": "destroy", "id": 1, "secret": "sec"})
    talk.body({"request": "destroy", "id": 2, "secret": "any"})
    talk.body({"request": "list"})


@script()
def recording(talk):
    """J44: what is asked wrongly, and start twice."""
    talk.open()
    talk.make(1, media=[AUDIO, VIDEO])
    name = "rec-" + talk.transport
    for more in ({}, {"action": 5}, {"action": "zzz"}, {"action": "start"},
                 {"action": "start", "media": 5},
                 {"action": "start", "audio": 5},
                 {"action": "start", "media": [{"mid": "v",
                                                "filename": name}]},
                 {"action": "start", "media": [{"mid": "v",
                                                "filename": name}]},
                 {"action": "stop"}, {"action": "stop", "video": "x"},
                 {"action": "stop", "media": 5},
                 {"action": "stop", "video": True},
                 {"action": "stop", "video": True},
                 {"action": "start", "video": name + "2",
                  "audio": name + "3"},
                 {"action": "stop", "video": True, "audio": True}):
        talk.body({"request": "recording", "id": 1, **more})
        talk.body({"request": "info", "id": 1})
    talk.destroy(1)


@script("http", settings={"admin_key": "boss"})
def admin_key(talk):
    """J36."""
    talk.open()
    for more in ({}, {"admin_key": 5}, {"admin_key": "x"},
                 {"id": "x", "admin_key": "x"}, {"type": 5}):
        talk.body({**BASE, **more})
    talk.body({"request": "create"})
    talk.body({"request": "create", "admin_key": "x"})
    talk.body({"request": "create", "admin_key": "boss"})
    talk.body({**BASE, "id": 3, "admin_key": "boss"})
    talk.body({**BASE, "id": 4, "admin_key": "boss", "is_private": True})
    for more in ({}, {"admin_key": "boss"}, {"admin_key": "no"},
                 {"admin_key": 5}):
        talk.body({"request": "list", **more})
    talk.body({"request": "info", "id": 4, "admin_key": "boss"})
    talk.body({"request": "edit", "id": 3})
    for id in (3, 4):
        talk.body({"request": "destroy", "id": id})


@script("http", settings={"string_ids": True})
def string_ids(talk):
    """Ids that are text."""
    talk.open()
    for id in ("abc", "abc", 5, None):
        talk.body({**BASE, "id": id})
    talk.body({"request": "list"})
    for verb in ("info", "edit", "watch", "destroy"):
        for more in ({}, {"id": 5}, {"id": "nope"}):
            talk.body({"request": verb, **more})
    talk.body({"request": "info", "id": "abc"})
    talk.body({"request": "destroy", "id": "abc"})
