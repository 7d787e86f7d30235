# SPDX-License-Identifier: Apache-2.0
"""Janus's own streaming demo as Debian ships it (janus-demos, with the
janus.js of that release): only settings.js, which says where the server is,
is the test's."""
import os

import pytest

from lib.fixtures import WEB
from lib.janus_peers import LOOP_PICTURES, MOUNTPOINTS
from lib.wait import wait_for
from lib.webserver import WebServer

A, B = MOUNTPOINTS
DEMOS = "/usr/share/janus/demos"
SETTINGS = """
var server = "{url}";
var iceServers = null;
var token = "", apisecret = "";
"""
READ = """
const { readNumber } = await import('/marker.js');
const video = document.querySelector('video[id^=remotevideo]');
if (!video || !video.videoWidth) return null;
const canvas = document.createElement('canvas');
return readNumber(video, canvas, canvas.getContext('2d'), video.videoWidth);
"""


@pytest.fixture(params=["http", "websocket"])
def demo(request, browser, janus, tmp_path):
    for name in os.listdir(DEMOS):
        if name != "settings.js":
            os.symlink(os.path.join(DEMOS, name), tmp_path / name)
    os.symlink(os.path.join(WEB, "marker.js"), tmp_path / "marker.js")
    url = janus.url if request.param == "http" else janus.ws_url
    (tmp_path / "settings.js").write_text(SETTINGS.format(url=url))
    server = WebServer(str(tmp_path))
    page = browser.open(server.url + "/streamingtest.html")
    page.wait_js("typeof Janus !== 'undefined' && Janus.initDone", "the demo")
    yield page
    server.close()


def watch(page, number):
    """Chooses a stream and presses the button."""
    page.click(f"#streamslist a[id='{number}']")
    assert str(number) in page.text("#streamset")
    page.wait_js("!document.querySelector('#watch').disabled", "the button")
    page.click("#watch")
    page.wait_js("document.querySelector('#watch').textContent === 'Stop'",
                 "an answer sent")
    first = MOUNTPOINTS[number]

    def is_shown():
        shown = page.js(READ)
        return shown is not None and first <= shown < first + LOOP_PICTURES
    wait_for(is_shown, f"picture of {number}", 15, 0.1)


def frames(page):
    return page.rtp("video").get("framesDecoded", 0)


def test_demo(demo):
    """Attach, list, watch, info, answer, start, stop, hangup; another stream
    on the same handle; destroy."""
    page = demo
    page.click("#start")
    page.wait_js("document.querySelectorAll('#streamslist a').length >= 2",
                 "the list of streams")
    for number in (A, B):
        watch(page, number)
        before = frames(page)
        wait_for(lambda: frames(page) >= before + 30, "30 more frames", 15)
        wait_for(lambda: page.rtp("audio").get("totalAudioEnergy", 0) > 0,
                 "sound")
        page.wait_js("/^[1-9]\\d* kbits/.test(document.querySelector("
                     "'[id^=curbitrate]').textContent)", "a bitrate")
        page.click("#watch")
        page.wait_js("document.querySelector('#watch').textContent"
                     " === 'Watch or Listen'", "the end of the stream")
        assert not page.js("return streaming.webrtcStuff.pc;")
        assert page.js("return document.querySelectorAll('.bootbox').length;"
                       ) == 0, page.text(".bootbox")
    page.click("#start")
    page.wait_js("document.querySelector('#start').textContent === 'Start'"
                 " && typeof janus !== 'undefined' && janus === null",
                 "a page loaded anew")
