# SPDX-License-Identifier: Apache-2.0
"""WHEP, row by row: E1-E40 by a bare HTTP client against a live stream. What
needs a player is also in test_browser.py, test_ice.py and test_obs.py."""
import json
import re
from email.utils import parsedate_to_datetime

import pytest

from lib import sdp
from lib.http import FRAGMENT, SDP
from lib.signaling import (
    BAD_SDP, FRAGMENT_SHAPES, HOST_CANDIDATE, PREFLIGHT, SESSION_ID,
    UNUSABLE_CANDIDATES, Session, assert_cors, assert_preflight,
    assert_restarted, assert_strong_etag, assert_whole_answer,
    fragment_of_shape)
from lib.sse import EventSource
from lib.wait import wait_for

PATH = "/whep/live"
SSE = "urn:ietf:params:whep:ext:core:server-sent-events"
LAYER = "urn:ietf:params:whep:ext:core:layer"
BROWSER_OFFERS = ["chromium-156-recvonly.sdp", "firefox-153-recvonly.sdp"]


@pytest.fixture(scope="module")
def live(module_world, shared_node):
    """The shared node with an H264 publisher on the stream "live"."""
    module_world.obs(shared_node, "live")
    return shared_node


@pytest.fixture(scope="module")
def vp8_live(module_world, live):
    """Firefox's offer has VP8 and no H264: a stream that it can take."""
    offer = sdp.read_offer("obs-v0.21-h264.sdp").replace(
        "H264/90000", "VP8/90000")
    offer = re.sub(r"a=fmtp:96 .*\r\n", "", offer)
    module_world.obs(live, "vp8", offer=offer, codec="VP8")
    return live


@pytest.fixture(scope="module", autouse=True)
def waiting(live):
    """Sessions made when the module begins, looked at by its last tests."""
    return {"half-open": watch(live).expect(201),
            "counter": watch(live, video=("VP9",), audio=()).expect(406)}


@pytest.fixture(scope="module")
def token_node(module_world):
    node = module_world.node("--whip-token", "publish-token", "--whep-token",
                             "watch-token", "--ice-servers",
                             "turn:u:c@turn.example.org?transport=udp")
    module_world.obs(node, "live", token="publish-token",
                     watch_token="watch-token")
    return node


def watch(node, path=PATH, **how):
    return Session(node, path, make=sdp.watch_offer, **how)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def session(live):
    session = watch(live).expect(201)
    yield session
    session.delete()


def test_e1_post_offer(session):
    assert session.reply.type == SDP
    assert session.reply.headers["Location"].startswith(("/", "http"))
    assert_whole_answer(session)


@pytest.mark.parametrize("name", BROWSER_OFFERS)
def test_e1_browser_offers(vp8_live, name):
    offer = sdp.read_offer(name)
    reply = vp8_live.post_sdp("/whep/vp8", offer)
    assert reply.status == 201, reply
    answer = sdp.Description(reply.text)
    assert answer.kind("video")[0].codec_names()[0] == "VP8"
    assert [s.get("mid") for s in answer.sections] == \
        [s.get("mid") for s in sdp.Description(offer).sections]


@pytest.mark.parametrize("direction", ["recvonly", "sendrecv"])
def test_e2_answer_is_sendonly(live, direction):
    session = watch(live, direction=direction).expect(201)
    assert [s.direction for s in session.answer.sections] == ["sendonly"] * 2
    session.delete()


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
def test_e3_offer_that_receives_nothing(live, direction):
    watch(live, direction=direction).reply.assert_problem(400, 422)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json",
                                          None])
def test_e4_wrong_content_type(live, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    live.request(PATH, "POST", sdp.watch_offer(), headers).assert_problem(415)


@pytest.mark.parametrize("kind", BAD_SDP)
def test_e4_malformed_sdp(live, kind):
    live.post_sdp(PATH, BAD_SDP[kind]).assert_problem(
        *((413,) if kind == "megabyte" else (400, 422)))
    live.assert_alive()


def test_e5_counter_offer(live):
    session = watch(live, video=("VP9",)).expect(406)
    assert session.reply.type == SDP and session.url
    offer = session.answer
    assert offer.kind("video")[0].codec_names()[0] == "H264"
    assert {s.direction for s in offer.sections} <= {"sendonly", "sendrecv"}
    assert offer.get("setup") == "actpass"
    match = re.search(r'valid-until="([^"]+)"',
                      session.reply.headers["Content-Type"])
    if match:
        assert parsedate_to_datetime(match[1]).tzinfo is not None
    session.delete()


def test_e6_answer_to_counter_offer(live):
    session = watch(live, video=("VP9",)).expect(406)
    session.patch("nonsense", SDP).assert_problem(400, 422)
    reply = session.patch(sdp.make_answer(session.answer), SDP)
    assert reply.status == 204, reply
    session.delete()


def test_e7_201_whenever_possible(live):
    """A viewer with VP9 before H264 is no reason for a counter-offer."""
    watch(live, video=("VP9", "VP8", "H264")).expect(201).delete()


def test_e8_no_publisher(live, stream):
    reply = watch(live, f"/whep/{stream}").reply
    reply.assert_problem(409)
    assert int(reply.headers["Retry-After"]) > 0


def test_e9_head(live):
    reply = live.request(PATH, "HEAD")
    assert reply.status == 200 and reply.type == SDP and not reply.body


def test_e10_get_is_empty_success(live, session):
    for reply in (live.request(PATH), session.get()):
        assert reply.status in (200, 204) and not reply.body, reply


def test_e11_delete(session):
    assert session.delete().status == 200
    assert session.get().status == 404
    session.delete().assert_problem(404)


@pytest.mark.parametrize("if_match", ['"nonsense"', "*"])
def test_e12_delete_ignores_if_match(session, if_match):
    assert session.delete(**{"If-Match": if_match}).status == 200


def test_e13_preflight_and_cors(live, session):
    for url in (PATH, session.url):
        assert_preflight(live.request(url, "OPTIONS", headers=PREFLIGHT))
    assert SDP in live.request(PATH, "OPTIONS").listed("Accept-Post")
    assert_cors(session.reply)
    assert_cors(live.post_sdp(PATH, "no sdp"))


def test_e14_trickle(session):
    reply = session.trickle([HOST_CANDIDATE])
    assert reply.status == 204 and not reply.body, reply
    assert reply.headers.get("ETag") is None


@pytest.mark.parametrize("shape", FRAGMENT_SHAPES)
def test_e14_fragment_shapes(session, shape):
    assert session.patch(fragment_of_shape(shape, session)).status == 204


def test_e15_if_match(session):
    session.trickle([HOST_CANDIDATE], if_match='"old"').assert_problem(412)
    assert session.trickle([HOST_CANDIDATE], if_match=None).status == 204


def test_e15_strict(world):
    node = world.node("--insecure", "--strict-etags=yes")
    world.obs(node)
    session = watch(node).expect(201)
    session.trickle([HOST_CANDIDATE], if_match=None).assert_problem(428)


def test_e16_patch_type_and_body(session):
    session.patch("x", "text/plain").assert_problem(415)
    for body in ("", "no fragment", "{}"):
        session.patch(body).assert_problem(400)
    assert session.get().status == 204


def test_e17_trickle_and_restart_are_both_there(session):
    assert session.trickle([HOST_CANDIDATE]).status == 204
    assert session.restart().status == 200


def test_e18_ice_restart(session):
    before, old_etag = session.answer, session.etag
    assert_restarted(session, before, session.restart())
    session.trickle([HOST_CANDIDATE], if_match=old_etag).assert_problem(412)


def test_e19_impossible_restart_leaves_session(session):
    session.patch("a=ice-ufrag:new\r\n", if_match="*").assert_problem(400, 422)
    assert session.trickle([HOST_CANDIDATE]).status == 204


def test_e20_unusable_candidates(session):
    assert session.trickle([*UNUSABLE_CANDIDATES,
                            HOST_CANDIDATE]).status == 204


def test_e21_etag(session):
    assert_strong_etag(session.etag)


def test_e22_candidates_in_answer(live, session):
    assert session.answer.has("end-of-candidates")
    ports = range(live.rtc_port, live.rtc_port + 2)
    assert session.answer.candidates()
    assert all(int(c.split()[5]) in ports
               for c in session.answer.candidates())


@pytest.mark.parametrize("name", BROWSER_OFFERS)
def test_e23_bundle_and_mux(vp8_live, name):
    reply = vp8_live.post_sdp("/whep/vp8", sdp.read_offer(name))
    answer = sdp.Description(reply.text)
    assert answer.bundle() == ["0", "1"]
    for section in answer.sections:
        assert section.has("rtcp-mux") and section.has("rtcp-mux-only")


def test_e24_one_media_stream(session):
    ids = {s.get("msid").split()[0] for s in session.answer.sections}
    tracks = {s.get("msid").split()[1] for s in session.answer.sections}
    assert len(ids) == 1 and len(tracks) == 2


def test_e25_more_than_one_track(live):
    sections = [sdp.make_section("video", ["H264"], "0", "recvonly"),
                sdp.make_section("video", ["H264"], "1", "recvonly", pt=98),
                sdp.make_section("audio", ["opus"], "2", "recvonly", pt=111)]
    session = watch(live, sections=sections)
    if session.reply.status == 201:
        assert [s.port != 0 for s in session.answer.sections] == \
            [True, False, True]
        assert session.answer.bundle() == ["0", "2"]
        session.delete()
    else:
        session.reply.assert_problem(400, 422)


def test_e25_data_channel_is_refused(live):
    """A data section the server has no use for must not cost the media."""
    sections = [sdp.make_section("audio", ["opus"], "0", "recvonly", pt=111),
                sdp.make_section("video", ["H264"], "1", "recvonly"),
                ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
                 "c=IN IP4 0.0.0.0", "a=mid:2", "a=sctp-port:5000"]]
    session = watch(live, sections=sections).expect(201)
    assert [s.port != 0 for s in session.answer.sections] == \
        [True, True, False]
    assert session.answer.bundle() == ["0", "1"]
    session.delete()


def test_e26_no_common_codec(live):
    """Firefox without its H264 plugin: a counter-offer or an error that
    names the codec, never a 201 whose picture stays black."""
    reply = live.post_sdp(PATH, sdp.read_offer("firefox-153-recvonly.sdp"))
    if reply.type == SDP:
        assert reply.status == 406, reply
        assert "H264" in reply.text
    else:
        assert "H264" in reply.assert_problem(406, 415, 422)["detail"]


@pytest.mark.parametrize("order", ["audio-video", "video-audio", "audio",
                                   "video"])
def test_e27_order_and_mids(live, order):
    made = {"audio": sdp.make_section("audio", ["opus"], "sound", "recvonly",
                                      pt=111),
            "video": sdp.make_section("video", ["H264"], "picture",
                                      "recvonly")}
    kinds = order.split("-")
    session = watch(live, sections=[made[k] for k in kinds]).expect(201)
    assert [s.kind for s in session.answer.sections] == kinds
    assert session.answer.bundle() == [
        {"audio": "sound", "video": "picture"}[k] for k in kinds]
    session.delete()


@pytest.mark.parametrize("headers,status", [
    ({}, 401), (bearer("publish-token"), 401), (bearer("watch-token"), 201)])
def test_e28_bearer_token(token_node, headers, status):
    session = watch(token_node, headers=headers)
    assert session.reply.status == status, session.reply
    if status == 401:
        assert "Bearer" in session.reply.headers["WWW-Authenticate"]
        return
    assert token_node.request(session.url, "DELETE").status == 401
    assert token_node.request(session.url, "PATCH", "", {
        "Content-Type": FRAGMENT}).status == 401
    assert session.delete().status == 200


@pytest.mark.parametrize("path", ["", "/", "/session", "//"])
def test_e29_no_redirect_that_loses_the_body(live, path):
    reply = live.post_sdp(PATH + path, sdp.watch_offer())
    assert reply.status not in (301, 302, 303), reply


def test_e30_overload(world):
    node = world.node("--insecure", "--max-viewers", "2")
    world.obs(node)
    sessions = [watch(node).expect(201) for _ in range(2)]
    refused = watch(node).reply
    refused.assert_problem(429, 503)
    assert int(refused.headers["Retry-After"]) > 0
    sessions[0].delete()
    watch(node).expect(201)


def test_e31_ice_server_links(token_node):
    session = watch(token_node, headers=bearer("watch-token")).expect(201)
    assert '<turn:turn.example.org?transport=udp>; rel="ice-server"; ' \
        'username="u"; credential="c"; credential-type="password"' \
        in session.reply.all("Link")
    session.delete()


def extension(session, rel):
    for link in session.reply.all("Link"):
        if f'rel="{rel}"' in link:
            return link
    return None


def events_url(session):
    link = extension(session, SSE)
    assert link, session.reply.all("Link")
    from urllib.parse import urljoin
    return urljoin(session.url, re.match(r"<([^>]*)>", link)[1])


def announced(session):
    return set(re.search(r'events="([^"]*)"',
                         extension(session, SSE))[1].split(","))


def subscribe(session, names):
    reply = session.node.request(events_url(session), "POST",
                                 json.dumps(names),
                                 {"Content-Type": "application/json"})
    assert reply.status == 201, reply
    from urllib.parse import urljoin
    return urljoin(events_url(session), reply.headers["Location"])


def test_e32_events_are_announced(session):
    assert {"active", "inactive", "viewercount"} <= announced(session)
    assert announced(session) <= {"active", "inactive", "layers", "reconnect",
                                  "viewercount", "scte35"}


@pytest.mark.parametrize("body", ['["nosuch"]', '["active","nosuch"]', "{}",
                                  "active", "", "[1]", '["active"'])
def test_e33_bad_subscription(live, session, body):
    reply = live.request(events_url(session), "POST", body,
                         {"Content-Type": "application/json"})
    assert reply.status == 400, reply
    assert reply.headers.get("Location") is None


def test_e33_unannounced_event(live, session):
    for name in {"layers", "reconnect", "scte35"} - announced(session):
        assert live.request(events_url(session), "POST", json.dumps([name]), {
            "Content-Type": "application/json"}).status == 400


def test_e34_event_stream(live, session):
    url = subscribe(session, ["active", "viewercount"])
    source = EventSource(url)
    assert source.status == 200
    assert source.headers["content-type"].startswith(
        "text/event-stream")
    source.wait("active")
    assert not source.bad
    source.close()
    assert live.request(url, "DELETE").status in (200, 204)
    assert live.request(url).status == 404


def test_e34_events_end_with_the_session(live, session):
    url = subscribe(session, ["active"])
    source = EventSource(url)
    source.wait("active")
    session.delete()
    source.wait_closed()
    assert live.request(url).status == 404


def test_e35_event_shapes(world):
    node = world.node("--insecure", "--publisher-linger", "20 s")
    obs = world.obs(node)
    session = watch(node).expect(201)
    source = EventSource(subscribe(session, ["active", "inactive",
                                             "viewercount"]))
    assert source.wait("active") == {}
    assert not [n for n, _ in source.events if n == "inactive"]
    count = source.wait("viewercount")
    assert list(count) == ["viewercount"] and count["viewercount"] >= 0
    obs.finish()
    assert source.wait("inactive") == {}
    n_active = len([n for n, _ in source.events if n == "active"])
    world.obs(node)
    wait_for(lambda: len([n for n, _ in source.events if n == "active"])
             > n_active, "second active")
    assert not source.bad
    source.close()


def test_e35_viewer_count(world):
    node = world.node("--insecure")
    world.obs(node)
    session = watch(node).expect(201)
    source = EventSource(subscribe(session, ["viewercount"]))
    viewers = world.viewers(node, count=3)
    viewers.wait_event("joined", count=3)
    wait_for(lambda: source.wait("viewercount")["viewercount"] >= 3,
             "three viewers")
    viewers.finish()
    wait_for(lambda: source.wait("viewercount")["viewercount"] <= 1,
             "no more than this viewer")
    source.close()


def test_e36_layers_only_with_events(session):
    if extension(session, LAYER):
        assert "layers" in announced(session)


def test_e37_layer_choice(live, session):
    """Announced: takes a choice and its withdrawal. Not announced: no such
    resource."""
    link = extension(session, LAYER)
    headers = {"Content-Type": "application/json"}
    if link is None:
        live.request(session.url + "/layer", "POST", '{"mediaId":"0"}',
                     headers).assert_problem(404)
        return
    from urllib.parse import urljoin
    url = urljoin(session.url, re.match(r"<([^>]*)>", link)[1])
    for body in ('{"mediaId":"0","encodingId":"0"}', '{"mediaId":"0"}'):
        assert live.request(url, "POST", body, headers).status == 200


def test_e38_unknown(live, session):
    live.request(PATH + "/nosuch", "DELETE").assert_problem(404)
    live.request(PATH + "/nosuch", "PATCH", sdp.make_fragment("abcd", "e" * 22),
                 {"Content-Type": FRAGMENT}).assert_problem(404)
    live.post_sdp("/whep/" + "a" * 65, sdp.watch_offer()).assert_problem(404)
    live.request(session.url + "/nosuch").assert_problem(404)


def test_e40_session_url(live):
    sessions = [watch(live).expect(201) for _ in range(8)]
    assert len({s.id for s in sessions}) == 8
    for session in sessions:
        assert SESSION_ID.fullmatch(session.id), session.id
        session.delete()


def test_half_open_session_is_freed(waiting):
    wait_for(lambda: waiting["half-open"].get().status == 404,
             "end of a half-open session", 25, 0.5)


def test_e6_counter_offer_expires(live, waiting):
    session = waiting["counter"]
    wait_for(lambda: session.get().status == 404, "end of a counter-offer",
             40, 0.5)
    session.patch(sdp.make_answer(session.answer), SDP).assert_problem(404,
                                                                       410)
