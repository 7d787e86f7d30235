# SPDX-License-Identifier: Apache-2.0
"""npm's janus-gateway (janus.js) in Chromium, unmodified, over HTTP and over
WebSocket: all that a viewer asks of the Streaming plugin."""
import pytest

from lib.janus_peers import (MOUNTPOINTS, WITH_JANUS, JanusPage,
                             janus_under_test, ufrag)
from lib.wait import wait_for

A, B = MOUNTPOINTS
# janus has no keyframe to begin with: it waits for the next, 2 s at most
MAX_FREEZE_MS = 2800 if WITH_JANUS else 300


@pytest.fixture(params=["http", "websocket"])
def url(request, janus):
    return janus.url if request.param == "http" else janus.ws_url


@pytest.fixture
def viewer(browser, npm_origin, url):
    viewer = JanusPage(browser, npm_origin)
    viewer.open(url)
    return viewer


@pytest.fixture
def watching(viewer):
    viewer.watch(A)
    viewer.wait_pictures(A)
    viewer.wait_sound()
    return viewer


def remote_ufrag(viewer):
    return ufrag(viewer.page.js(
        "return window.viewer.connection().remoteDescription.sdp;"))


def test_list_and_info(viewer):
    found = viewer.call("ask", {"request": "list"})
    assert found["streaming"] == "list"
    listed = {m["id"]: m for m in found["list"]}
    assert set(MOUNTPOINTS) <= set(listed)
    for number in MOUNTPOINTS:
        assert listed[number]["type"] == "live"
        assert {m["type"] for m in listed[number]["media"]} == \
            {"audio", "video"}
        info = viewer.call("ask", {"request": "info", "id": number})["info"]
        assert info["id"] == number and info["type"] == "live"
        assert {(m["type"], m["codec"]) for m in info["media"]} == \
            {("audio", "opus"), ("video", "h264")}


def test_watch_shows_pictures_and_plays_sound(watching):
    video = watching.stats("video")
    assert video["framesDecoded"] >= 15
    assert watching.stats("audio")["packetsReceived"] > 0
    statuses = [h["message"]["result"].get("status") for h in watching.heard()
                if h["what"] == "message"]
    assert statuses == ["preparing", "starting", "started"], statuses
    seen = watching.seen()
    assert all(s[1] is not None for s in seen), seen
    tracks = {(h["kind"], h["mid"]) for h in watching.heard()
              if h["what"] == "track"}
    assert {kind for kind, _ in tracks} == {"audio", "video"}


def test_pause_and_start(watching):
    watching.do("pause", ("status", "pausing"))
    watching.wait_still()
    since = watching.now_ms()
    watching.do("start", ("status", "started"))
    watching.wait_pictures(A, since_ms=since)
    watching.wait_sound()
    assert len(watching.offers()) == 1


def test_switch_goes_on_without_a_freeze(watching):
    """To the other mountpoint and back, twice: other pictures, one SSRC, no
    offer, nothing lost."""
    before, sound = watching.stats("video"), watching.stats("audio")
    description = remote_ufrag(watching)
    for number in (B, A, B, A):
        watching.run_for(700)
        since = watching.now_ms()
        watching.do("switch", ("switched", "ok"), id=number)
        first = watching.wait_pictures(number, since_ms=since)[0][0]
        watching.run_for(700)
        gap = watching.longest_gap_ms(since - 500)
        print(f"to {number}: first picture after {first - since:.0f} ms, "
              f"longest gap {gap:.0f} ms")
        assert gap <= MAX_FREEZE_MS
        last = [s[1] for s in watching.seen(first)]
        assert all(n is not None and MOUNTPOINTS[number] <= n
                   < MOUNTPOINTS[number] + 1000 for n in last), last
    after = watching.stats("video")
    assert after["ssrc"] == before["ssrc"]
    assert after["packetsLost"] == before["packetsLost"]
    assert watching.stats("audio")["packetsLost"] == sound["packetsLost"]
    assert watching.stats("audio")["ssrc"] == sound["ssrc"]
    assert len(watching.offers()) == 1
    assert remote_ufrag(watching) == description
    watching.wait_sound()


def test_configure_takes_video_away_and_gives_it_back(watching):
    watching.do("configure", ("event", "configured"), video=False)
    watching.wait_still()
    watching.wait_sound()
    since = watching.now_ms()
    watching.do("configure", ("event", "configured"), video=True)
    watching.wait_pictures(A, since_ms=since)
    assert len(watching.offers()) == 1


def test_ice_restart(watching):
    """The pictures go on by way of new credentials."""
    old = remote_ufrag(watching)
    watching.do("watch", ("status", "updating"), id=A, restart=True)
    wait_for(lambda: watching.offers()[1:], "another offer")
    new = ufrag(watching.offers()[1])
    assert new != old
    wait_for(lambda: watching.page.used_ufrag() == new, "a pair of the new offer")
    watching.wait_pictures(A)
    watching.wait_sound()
    assert len(watching.offers()) == 2


def test_stop_and_watch_again(watching):
    watching.stop()
    watching.watch(B)
    watching.wait_pictures(B)


def test_hangup_and_watch_again(watching):
    since = len(watching.heard())
    watching.call("hangup")
    watching.wait_heard(lambda h: h["what"] == "cleanup", "cleanup", since)
    watching.wait_heard(lambda h: h["what"] == "webrtc" and not h["on"],
                        "word of the end", since)
    watching.watch(B)
    watching.wait_pictures(B)


def test_visits_in_a_row(janus, browser, npm_origin, url):
    """Three times everything, in one session."""
    viewer = JanusPage(browser, npm_origin)
    viewer.open(url)
    session = viewer.session()
    for _ in range(3):
        viewer.visit(A, B)
    viewer.call("destroy")
    wait_for(lambda: session not in janus.sessions(), "end of the session")


def test_detach_and_destroy_end_the_session(janus, watching):
    session = watching.session()
    assert session in janus.sessions()
    watching.call("detach")
    watching.call("destroy")
    wait_for(lambda: session not in janus.sessions(), "end of the session")


def test_closed_page_ends_the_session(janus, watching):
    """janus.js says goodbye by a beacon, or by its WebSocket's end."""
    session = watching.session()
    watching.page.go("about:blank")
    wait_for(lambda: session not in janus.sessions(), "end of the session")


def test_errors_reach_the_page(viewer):
    viewer.call("send", {"request": "watch", "id": 77})
    heard = wait_for(lambda: [h for h in viewer.page.js(
        "return window.viewer.heard;") if h["what"] == "message"],
        "an error", 10)
    assert heard[0]["message"]["error_code"] == 455
    viewer.page.js("window.viewer.heard = [];")
    viewer.watch(A)
    viewer.wait_pictures(A)


@pytest.mark.parametrize("way", ["url", "ws_url"])
def test_api_secret(world, browser, npm_origin, way):
    url = getattr(janus_under_test(world, api_secret="opensesame"), way)
    for wrong in ({}, {"apisecret": "opensesam"}):
        viewer = JanusPage(browser, npm_origin)
        with pytest.raises(AssertionError, match="Unauthorized"):
            viewer.open(url, **wrong)
    viewer = JanusPage(browser, npm_origin)
    viewer.open(url, apisecret="opensesame")
    viewer.watch(B)
    viewer.wait_pictures(B)
