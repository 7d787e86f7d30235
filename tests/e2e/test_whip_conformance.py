# SPDX-License-Identifier: Apache-2.0
"""WHIP (RFC 9725), row by row: W1-W40 by a bare HTTP client. Rows that need
media (W16, W27-W29, W34, W41-W43) are also in test_ice.py and test_obs.py."""
import re

import pytest

from lib import sdp
from lib.http import FRAGMENT, SDP
from lib.signaling import (
    BAD_SDP, FRAGMENT_SHAPES, HOST_CANDIDATE, PREFLIGHT, SESSION_ID,
    UNUSABLE_CANDIDATES, Session, assert_cors, assert_preflight,
    assert_restarted, assert_strong_etag, assert_whole_answer,
    fragment_of_shape)
from lib.wait import wait_for

WRONG_TYPES = ["text/plain", "application/json", "application/sdpx", None]
ICE_SERVERS = "stun:stun.example.org:3478," \
    "turn:user:secret@turn.example.org:3478?transport=udp"


@pytest.fixture(scope="module")
def token_node(module_world):
    return module_world.node("--whip-token", "right-token",
                             "--ice-servers", ICE_SERVERS)


@pytest.fixture(scope="module")
def strict_node(module_world):
    return module_world.node("--insecure", "--strict-etags=yes")


@pytest.fixture(scope="module", autouse=True)
def half_open(shared_node):
    """Posted when the module begins; looked at by its last test."""
    return Session(shared_node, "/whip/half-open").expect(201)


@pytest.fixture
def session(shared_node, stream):
    session = Session(shared_node, f"/whip/{stream}").expect(201)
    yield session
    session.delete()


def bearer(token, scheme="Bearer"):
    return {"Authorization": f"{scheme} {token}"}


def n_sessions(node):
    return node.metrics().total("media_tree_publisher_sessions")


def test_w1_post_offer(session):
    assert session.reply.type == SDP
    assert session.reply.headers["Location"].startswith(("/", "http"))
    assert_whole_answer(session)


@pytest.mark.parametrize("content_type", WRONG_TYPES)
def test_w2_wrong_content_type(shared_node, stream, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    reply = shared_node.request(f"/whip/{stream}", "POST",
                                sdp.publish_offer(), headers)
    reply.assert_problem(415)
    assert reply.headers.get("Location") is None


@pytest.mark.parametrize("content_type", [
    "application/sdp; charset=utf-8", "APPLICATION/SDP", "Application/Sdp;x=y"])
def test_w3_content_type_parameters(shared_node, stream, content_type):
    session = Session(shared_node, f"/whip/{stream}",
                      content_type=content_type).expect(201)
    session.delete()


@pytest.mark.parametrize("kind", BAD_SDP)
def test_w4_malformed_sdp(shared_node, stream, kind):
    reply = shared_node.post_sdp(f"/whip/{stream}", BAD_SDP[kind])
    reply.assert_problem(*((413,) if kind == "megabyte" else (400, 422)))
    shared_node.assert_alive()


@pytest.mark.parametrize("direction", ["sendonly", "sendrecv"])
def test_w5_answer_is_recvonly(shared_node, stream, direction):
    session = Session(shared_node, f"/whip/{stream}",
                      direction=direction).expect(201)
    assert [s.direction for s in session.answer.sections] == ["recvonly"] * 2
    session.delete()


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_w6_offer_that_sends_nothing(shared_node, stream, direction):
    session = Session(shared_node, f"/whip/{stream}", direction=direction)
    session.reply.assert_problem(400, 422)


def test_w7_get_is_empty_success(shared_node, session):
    for reply in (shared_node.request(session.path), session.get()):
        assert reply.status in (200, 204) and reply.body == b"", reply


def test_w8_other_methods(shared_node, session):
    for url in (session.path, session.url):
        assert shared_node.request(url, "HEAD").status in (200, 204)
        for method in ("PUT", "TRACE"):
            reply = shared_node.request(url, method)
            assert reply.status == 405, reply
            assert "options" in reply.listed("Allow"), reply
    assert "post" in shared_node.request(session.path,
                                         "DELETE").listed("Allow")
    assert {"patch", "delete"} <= shared_node.request(
        session.url, "POST", sdp.publish_offer(),
        {"Content-Type": SDP}).listed("Allow")


def test_w9_preflight(shared_node, session):
    for url in (session.path, session.url):
        assert_preflight(shared_node.request(url, "OPTIONS",
                                             headers=PREFLIGHT))


def test_w10_accept_post(shared_node, stream):
    reply = shared_node.request(f"/whip/{stream}", "OPTIONS")
    assert reply.status == 200
    assert SDP in reply.listed("Accept-Post")


def test_w11_cors_on_every_reply(shared_node, session):
    assert_cors(session.reply)
    assert_cors(session.get())
    assert_cors(session.trickle([HOST_CANDIDATE]))
    assert_cors(shared_node.request(session.path, "PUT"))
    assert_cors(shared_node.post_sdp(session.path, "no sdp"))
    assert_cors(shared_node.request(session.path + "/none", "DELETE"))


def test_w12_preflight_has_no_ice_servers(token_node, stream):
    reply = token_node.request(f"/whip/{stream}", "OPTIONS",
                               headers=PREFLIGHT)
    assert_preflight(reply)
    assert b"secret" not in reply.body


def test_w13_options_with_token_has_ice_servers(token_node, stream):
    path = f"/whip/{stream}"
    reply = token_node.request(path, "OPTIONS", headers=bearer("right-token"))
    assert reply.status == 200 and len(reply.all("Link")) == 2, reply
    assert token_node.request(path, "OPTIONS").headers.get("Link") is None


@pytest.mark.parametrize("headers,status", [
    ({}, 401), (bearer("wrong"), 401), (bearer("right-token", "Basic"), 401),
    (bearer("right-token"), 201), (bearer("right-token", "bEARER"), 201)])
def test_w14_bearer_token(token_node, stream, headers, status):
    session = Session(token_node, f"/whip/{stream}", headers=headers)
    assert session.reply.status == status
    if status == 401:
        session.reply.assert_problem(401)
        assert session.reply.headers["WWW-Authenticate"].startswith("Bearer")
        assert session.url is None
    else:
        session.delete()


def test_w15_token_on_every_method(token_node, stream):
    session = Session(token_node, f"/whip/{stream}",
                      headers=bearer("right-token")).expect(201)
    for headers in ({}, bearer("wrong")):
        assert token_node.request(session.url, "DELETE",
                                  headers=headers).status == 401
        assert token_node.request(
            session.url, "PATCH",
            sdp.make_fragment(session.ufrag, session.pwd),
            {"Content-Type": FRAGMENT, "If-Match": session.etag,
             **headers}).status == 401
    assert token_node.request(session.url, "OPTIONS",
                              headers=PREFLIGHT).status in (200, 204)
    assert session.delete().status == 200


def test_w16_delete(session):
    assert session.delete().status == 200
    assert session.get().status == 404


def test_w17_delete_twice_and_unknown(shared_node, session):
    assert session.delete().status == 200
    session.delete().assert_problem(404)
    session.trickle([HOST_CANDIDATE]).assert_problem(404)
    shared_node.request(session.path + "/nosuchsession",
                        "DELETE").assert_problem(404)


def test_w17_session_of_another_stream(shared_node, session):
    foreign = f"/whip/other/{session.id}"
    shared_node.request(foreign, "DELETE").assert_problem(404)
    assert session.get().status == 204


@pytest.mark.parametrize("if_match", ['"nonsense"', "*"])
def test_w18_delete_ignores_if_match(session, if_match):
    assert session.delete(**{"If-Match": if_match}).status == 200


def test_w19_etag(shared_node, session, stream):
    assert_strong_etag(session.etag)
    other = Session(shared_node, f"/whip/{stream}").expect(201)
    assert other.etag != session.etag
    other.delete()


def test_w20_patch_type_and_body(session):
    fragment = sdp.make_fragment(session.ufrag, session.pwd)
    session.patch(fragment, "text/plain").assert_problem(415)
    session.patch(fragment, None).assert_problem(415)
    for body in ("", "no fragment", "\x01\x02", "{}"):
        session.patch(body).assert_problem(400)
    session.patch("a=x:" + "y" * (1 << 20)).assert_problem(413)
    assert session.get().status == 204


def test_w21_trickle(session):
    reply = session.trickle([HOST_CANDIDATE])
    assert reply.status == 204 and reply.body == b"", reply
    assert reply.headers.get("ETag") is None, reply


def test_w22_missing_if_match_strict(strict_node, stream):
    session = Session(strict_node, f"/whip/{stream}").expect(201)
    session.trickle([HOST_CANDIDATE], if_match=None).assert_problem(428)
    assert session.trickle([HOST_CANDIDATE]).status == 204
    session.delete()


def test_w22_missing_if_match_lenient(session):
    """N1: players that never send it, or send ETag instead, must work."""
    assert session.trickle([HOST_CANDIDATE], if_match=None).status == 204
    fragment = sdp.make_fragment(session.ufrag, session.pwd)
    assert session.patch(fragment, if_match=None,
                         ETag=session.etag).status == 204


def test_w22_lenient_but_other_ufrag(session):
    fragment = sdp.make_fragment("otherufrag", "otherpwdotherpwdotherpwd")
    session.patch(fragment, if_match=None).assert_problem(412)


@pytest.mark.parametrize("etag", ['"stale"', "stale", 'W/"stale"'])
def test_w23_wrong_etag(session, etag):
    session.trickle([HOST_CANDIDATE], if_match=etag).assert_problem(412)


def test_w24_trickle_and_restart_are_both_there(session):
    assert session.trickle([HOST_CANDIDATE]).status == 204
    assert session.restart().status == 200


def test_w25_unusable_candidates(session):
    reply = session.trickle([*UNUSABLE_CANDIDATES, HOST_CANDIDATE])
    assert reply.status == 204, reply
    assert session.trickle(UNUSABLE_CANDIDATES).status == 204


@pytest.mark.parametrize("shape", FRAGMENT_SHAPES)
def test_w26_fragment_shapes(session, shape):
    for _ in range(3):
        reply = session.patch(fragment_of_shape(shape, session))
        assert reply.status == 204, reply


@pytest.mark.parametrize("if_match", ["*", '"*"'])
def test_w27_ice_restart(session, if_match):
    before, old_etag = session.answer, session.etag
    reply = session.restart(if_match=if_match)
    assert_restarted(session, before, reply)
    assert reply.headers["ETag"] != old_etag


def test_w28_old_etag_after_restart(session):
    old_etag = session.etag
    assert session.restart().status == 200
    session.trickle([HOST_CANDIDATE], if_match=old_etag).assert_problem(412)
    assert session.trickle([HOST_CANDIDATE]).status == 204


@pytest.mark.parametrize("fragment", [
    "a=ice-ufrag:newufrag\r\n", "a=ice-pwd:newpasswordnewpassword00\r\n",
    "a=ice-ufrag:ab\r\na=ice-pwd:tooshort\r\n",
    "a=ice-ufrag:" + "u" * 300 + "\r\na=ice-pwd:" + "p" * 300 + "\r\n"])
def test_w29_impossible_restart_leaves_session(session, fragment):
    session.patch(fragment, if_match="*").assert_problem(400, 422)
    assert session.get().status == 204
    assert session.trickle([HOST_CANDIDATE]).status == 204


def test_w30_candidates_in_answer(shared_node, session):
    answer = session.answer
    assert answer.has("end-of-candidates")
    udp = [c.split() for c in answer.candidates() if c.split()[2].lower()
           == "udp"]
    assert "127.0.0.1" in {c[4] for c in udp}
    ports = range(shared_node.rtc_port, shared_node.rtc_port + 2)
    assert all(int(c[5]) in ports for c in udp)


def test_w31_bundle_and_mux(session):
    answer = session.answer
    assert answer.bundle() == ["0", "1"]
    for section in answer.sections:
        assert section.has("rtcp-mux") and section.has("rtcp-mux-only")


def test_w31_offer_without_mux_only(shared_node, stream):
    """OBS and browsers do not write rtcp-mux-only; the answer must."""
    offer = sdp.publish_offer().replace("a=rtcp-mux-only\r\n", "")
    reply = shared_node.post_sdp(f"/whip/{stream}", offer)
    assert reply.status == 201, reply
    assert all(s.has("rtcp-mux-only")
               for s in sdp.Description(reply.text).sections)


TWO_OF_A_KIND = {
    "two-audio": [("audio", "opus", "s0"), ("audio", "opus", "s0"),
                  ("video", "H264", "s0")],
    "two-video": [("audio", "opus", "s0"), ("video", "H264", "s0"),
                  ("video", "H264", "s0")],
    "two-streams": [("audio", "opus", "s0"), ("video", "H264", "s1")],
}


@pytest.mark.parametrize("kind", TWO_OF_A_KIND)
def test_w32_more_than_one_track(shared_node, stream, kind):
    sections = [sdp.make_section(media, [codec], str(i), msid=msid,
                                 pt=96 + 10 * i)
                for i, (media, codec, msid)
                in enumerate(TWO_OF_A_KIND[kind])]
    session = Session(shared_node, f"/whip/{stream}", sections=sections)
    session.reply.assert_problem(400, 422)
    assert session.url is None


def test_w33_unusable_section(shared_node, stream):
    session = Session(shared_node, f"/whip/{stream}", video=("theora",))
    problem = session.reply.assert_problem(400, 422)
    assert re.search(r"codec|video", problem["detail"], re.I), problem


@pytest.mark.parametrize("setup,expected", [
    ("actpass", {"active"}), ("active", {"passive"}), ("passive", None),
    ("holdconn", None), (None, None)])
def test_w34_dtls_role(shared_node, stream, setup, expected):
    session = Session(shared_node, f"/whip/{stream}", setup=setup)
    if expected is None:
        session.reply.assert_problem(400, 422)
        return
    session.expect(201)
    assert {s.get("setup") or session.answer.get("setup")
            for s in session.answer.sections} == expected
    session.delete()


@pytest.mark.parametrize("path", ["", "/", "/session", "//"])
def test_w35_no_redirect_that_loses_the_body(shared_node, stream, path):
    reply = shared_node.post_sdp(f"/whip/{stream}{path}", sdp.publish_offer())
    assert reply.status not in (301, 302, 303), reply


def test_w36_overload(world, stream):
    node = world.node("--insecure", "--max-publishers", "3")
    sessions = [Session(node, f"/whip/{stream}{i}").expect(201)
                for i in range(3)]
    refused = Session(node, f"/whip/{stream}").reply
    refused.assert_problem(429, 503)
    assert int(refused.headers["Retry-After"]) > 0
    sessions[0].delete()
    Session(node, f"/whip/{stream}").expect(201)


def test_w37_ice_server_links(token_node, stream):
    session = Session(token_node, f"/whip/{stream}",
                      headers=bearer("right-token")).expect(201)
    links = session.reply.all("Link")
    assert links == [
        '<stun:stun.example.org:3478>; rel="ice-server"',
        '<turn:turn.example.org:3478?transport=udp>; rel="ice-server"; '
        'username="user"; credential="secret"; credential-type="password"']
    session.delete()


@pytest.mark.parametrize("name", ["obs-v0.21-h264-simulcast.sdp",
                                  "obs-master-h264-simulcast.sdp"])
def test_w38_simulcast_all_layers(shared_node, stream, name):
    reply = shared_node.post_sdp(f"/whip/{stream}", sdp.read_offer(name))
    assert reply.status == 201, reply
    video = sdp.Description(reply.text).kind("video")[0]
    assert video.get("simulcast") == "recv 0;1;2"
    assert video.all("rid") == ["0 recv", "1 recv", "2 recv"]


def test_w39_extensions_only_as_links(session):
    for link in session.reply.all("Link"):
        rel = re.search(r'rel="?([^";]+)', link)[1]
        assert rel == "ice-server" or rel.startswith(
            "urn:ietf:params:whip:ext:"), link


def test_w40_session_url(shared_node, stream):
    sessions = [Session(shared_node, f"/whip/{stream}").expect(201)
                for _ in range(8)]
    ids = {s.id for s in sessions}
    assert len(ids) == 8
    for session in sessions:
        assert SESSION_ID.fullmatch(session.id), session.id
        assert stream not in session.id
        session.delete()


@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "a%2Fb", "%00", "ä"])
def test_stream_name_bounds(shared_node, name):
    from urllib.parse import quote
    path = "/whip/" + (name if "%" in name else quote(name))
    reply = shared_node.post_sdp(path, sdp.publish_offer())
    assert reply.status in (400, 404, 405), reply


def test_stream_name_longest(shared_node):
    Session(shared_node, "/whip/" + "a" * 64).expect(201).delete()


def test_w43_half_open_session_is_freed(half_open):
    """15 s after the answer: ICE never began."""
    assert half_open.reply.status == 201
    wait_for(lambda: half_open.get().status == 404, "end of a half-open "
             "session", 25, 0.5)
