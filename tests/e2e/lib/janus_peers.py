# SPDX-License-Identifier: Apache-2.0
"""Clients of the Janus API that others wrote: npm's janus-gateway in a page
and npm's janode; and what they talk to, media-tree or Debian's janus."""
import json
import os
import re

from . import media
from .http import request
from .node import free_ports
from .peers import CACHE, JsonProcess
from .wait import wait_for

# set to 1: the tests are held against Debian's janus
WITH_JANUS = os.environ.get("MEDIA_TREE_TEST_JANUS") == "1"
ADMIN_SECRET = "overlord"
# mountpoint: the number of its first picture
MOUNTPOINTS = {101: 0, 102: 1000}
LOOP_PICTURES = 8 * media.FPS
MOUNTPOINT_FILE = """
mp{id}: {{
  type = "rtp"
  id = {id}
  description = "{id}"
  metadata = "about {id}"
  media = (
    {{ type = "video"  mid = "v"  label = "v"  port = {video}  pt = 96
      codec = "h264"
      fmtp = "profile-level-id=42e01f;packetization-mode=1" }},
    {{ type = "audio"  mid = "a"  label = "a"  port = {audio}  pt = 111
      codec = "opus" }}
  )
}}
"""


def ufrag(sdp):
    return re.search(r"^a=ice-ufrag:(\S+)", sdp, re.M)[1]


def video_file(first):
    return media.video(CACHE, first=first)


class JanusUnderTest:
    """Two mountpoints of the same size and codecs that play; their pictures'
    numbers tell which is which."""

    def sessions(self):
        """Ids of those that live, by the admin API."""
        reply = request(self.admin_url, "POST", json.dumps(
            {"janus": "list_sessions", "transaction": "n",
             "admin_secret": ADMIN_SECRET}).encode()).json()
        assert reply["janus"] == "success", reply
        return reply["sessions"]

    def left(self):
        """What is still there of those who came, by kind."""
        return {"sessions": len(self.sessions())}

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class MediaTreeJanus(JanusUnderTest):
    recording_suffix, recording_magic = ".mkv", b"\x1a\x45\xdf\xa3"

    def __init__(self, world, api_secret=None):
        self.recording_dir = world._dir("recordings")
        self.node = world.node(
            "--insecure", "--janus-admin-secret", ADMIN_SECRET,
            "--recording-dir", self.recording_dir,
            *(["--janus-api-secret", api_secret] if api_secret else []))
        self.pid = self.node.pid
        self.url = self.node.url + "/janus"
        self.ws_url = self.url.replace("http", "ws", 1) + "/ws"
        self.admin_url = self.node.url + "/admin"
        for number, first in MOUNTPOINTS.items():
            world.obs(self.node, str(number), video_file=video_file(first))

    def left(self):
        state = self.node.state()["janus"]
        return {**super().left(), **state["streaming"],
                **{k: v for k, v in state["core"].items()
                   if k.startswith("n_")},
                "viewers": self.node.metrics().total("media_tree_viewers")}


class DebianJanus(JanusUnderTest):
    recording_suffix, recording_magic = ".mjr", b"MJR00002"

    def __init__(self, world, api_secret=None):
        self.recording_dir = world._dir("recordings")
        ports = {number: free_ports(2) for number in MOUNTPOINTS}
        mountpoints = "".join(
            MOUNTPOINT_FILE.format(id=number, video=port, audio=port + 1)
            for number, port in ports.items())
        server = world.janus(mountpoints=mountpoints,
                             general={"api_secret": api_secret})
        self.pid = server.process.pid
        self.url, self.ws_url = server.url, server.ws_url
        self.admin_url = server.admin_url
        for number, port in ports.items():
            world.rtp_source(("H264", 96, port), ("OPUS", 111, port + 1),
                             first=MOUNTPOINTS[number])


def janus_under_test(world, **settings):
    return (DebianJanus if WITH_JANUS else MediaTreeJanus)(world, **settings)


class JanusPage:
    """npm/janus.html: one viewer by janus.js."""

    def __init__(self, browser, origin):
        self.url = origin + "/janus.html"
        self.page = browser.open(self.url)
        self._ready()

    def _ready(self):
        self.page.wait_js("window.isJanusReady", "janus.js")
        self.page.js("window.newViewer();")

    def reload(self):
        self.page.go(self.url)
        self._ready()

    def call(self, name, *args):
        return self.page.js("const [n, ...rest] = a;"
                            "return await window.viewer[n](...rest);",
                            name, *args)

    def open(self, url, **options):
        self.call("open", url, options)
        return self.call("attach", {})

    def heard(self, since=0):
        heard = self.page.js("return window.viewer.heard.slice(a[0]);", since)
        errors = [h for h in heard if h["what"] == "error"
                  or "error" in (h.get("message") or {})]
        assert not errors, errors
        return heard

    def wait_heard(self, found, what, since=0, timeout=15):
        return wait_for(lambda: next((h for h in self.heard(since)
                                      if found(h)), None), what, timeout)

    def wait_result(self, key, value, since=0):
        return self.wait_heard(
            lambda h: (h.get("message") or {}).get("result", {}).get(key)
            == value, f"result with {key} {value!r}", since)

    def do(self, request, result, **more):
        """One of the plugin's requests; @result: (key, value) of the event
        that has to come."""
        since = len(self.heard())
        self.call("send", {"request": request, **more})
        return self.wait_result(*result, since)

    def watch(self, number, **more):
        since = len(self.heard())
        self.do("watch", ("status", "preparing"), id=number, **more)
        self.wait_result("status", "started", since)
        self.wait_heard(lambda h: h["what"] == "webrtc" and h["on"],
                        "connection", since)

    def stop(self):
        since = len(self.heard())
        self.do("stop", ("status", "stopping"))
        self.wait_heard(lambda h: h["what"] == "cleanup", "cleanup", since)

    def visit(self, first, second):
        """All that a viewer asks for, once, up to its stop."""
        self.call("ask", {"request": "list"})
        self.call("ask", {"request": "info", "id": first})
        self.watch(first)
        self.wait_pictures(first)
        self.do("pause", ("status", "pausing"))
        self.do("start", ("status", "started"))
        self.wait_pictures(first)
        self.do("switch", ("switched", "ok"), id=second)
        self.wait_pictures(second)
        self.do("configure", ("event", "configured"), audio=False)
        self.do("configure", ("event", "configured"), audio=True)
        n_offers = len(self.offers())
        self.do("watch", ("status", "updating"), id=second, restart=True)
        wait_for(lambda: len(self.offers()) > n_offers
                 and self.page.used_ufrag() == ufrag(self.offers()[-1]),
                 "a pair of the new offer")
        self.wait_pictures(second)
        self.wait_sound()
        self.stop()

    def offers(self):
        return self.page.js("return window.viewer.offers;")

    def now_ms(self):
        return self.page.js("return performance.now();")

    def seen(self, since_ms=0):
        """[ms, number or None, count] of the pictures shown since then."""
        return self.page.js(
            "return window.viewer.seen.filter((s) => s[0] >= a[0]);",
            since_ms)

    def wait_pictures(self, number, **more):
        """Until intact pictures of a mountpoint were shown."""
        return self.wait_numbers(MOUNTPOINTS[number], **more)

    def wait_numbers(self, first, count=15, since_ms=None, timeout=15):
        """Until @count pictures from @first on were shown: those."""
        since_ms = self.now_ms() if since_ms is None else since_ms

        def found():
            seen = [s for s in self.seen(since_ms) if s[1] is not None
                    and first <= s[1] < first + LOOP_PICTURES]
            return len(seen) >= count and seen
        return wait_for(found, f"{count} pictures from {first} on", timeout,
                        0.1)

    def run_for(self, ms):
        """Until the page's clock is so far on."""
        start = self.now_ms()
        wait_for(lambda: self.now_ms() >= start + ms, f"{ms} ms in the page",
                 30)

    def wait_still(self):
        """Until no picture has come for half a second."""
        def is_still():
            before = self.stats("video")["framesReceived"]
            self.run_for(500)
            return self.stats("video")["framesReceived"] == before
        wait_for(is_still, "a still picture", 15)

    def longest_gap_ms(self, since_ms):
        """Between two intact pictures; pictures that were shown while the
        page was too busy to look are no gap."""
        seen = self.seen(since_ms)
        broken = [s for s in seen if s[1] is None]
        assert WITH_JANUS or not broken, broken
        intact = [s for s in seen if s[1] is not None]
        return max((b[0] - a[0]) / (1 if broken else b[2] - a[2])
                   for a, b in zip(intact, intact[1:]))

    def stats(self, kind):
        return self.page.rtp(kind)

    def session(self):
        return self.page.js("return window.viewer.janus.getSessionId();")

    def wait_sound(self):
        before = self.stats("audio").get("totalAudioEnergy", 0)
        wait_for(lambda: self.stats("audio").get("totalAudioEnergy", 0)
                 > before, "sound", 15, 0.1)


class JanodeError(AssertionError):
    """What janode rejected a call with."""


class Janode(JsonProcess):
    """npm/janode-peer.js: a process of npm's janode."""

    def __init__(self, directory, script):
        super().__init__(os.path.join(directory, "janode.log"), "node", script)
        self.n_calls = 0

    def call(self, on, name, *args):
        self.n_calls += 1
        number = self.n_calls
        self.tell(json.dumps({"id": number, "on": on, "call": name,
                              "args": args}))

        def answer():
            with self.lock:
                return next((e for e in self.events if e.get("id") == number),
                            None)
        reply = wait_for(answer, f"answer to {on}.{name}", 20)
        if reply["event"] == "failed":
            raise JanodeError(f"{on}.{name}: {reply['message']}")
        return reply["value"]

    def connect(self, url, **address):
        self.call("janode", "connect", {"address": {"url": url, **address}})
        self.call("connection", "create")
        return self.call("session", "attach", {})

    def message(self, **body):
        """A request that janode has no method for: the plugin's answer."""
        return self.call("handle", "message", body)["plugindata"]["data"]

    def emitted(self, name):
        return [e for e in self.find("emitted") if e["name"] == name]

    def wait_emitted(self, name, count=1, timeout=15):
        return wait_for(lambda: len(self.emitted(name)) >= count
                        and self.emitted(name)[count - 1],
                        f"janode's event {name}", timeout)
