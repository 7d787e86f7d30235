# SPDX-License-Identifier: Apache-2.0
"""What a hostile or broken peer sends: a named error, or dropped and counted;
and the node serves the next one."""
import os
import re
import socket

import pytest

from lib import sdp
from lib.signaling import Session
from lib.stun import (BINDING_ERROR, BINDING_SUCCESS, Prober,
                      binding_request)
from lib.wait import wait_for

WRONG_FINGERPRINT = ":".join(["AB"] * 32)


@pytest.fixture(scope="module")
def one_worker(module_world):
    """One worker, so that its only port is everybody's."""
    return module_world.node("--insecure", workers=1)


@pytest.fixture(autouse=True)
def goes_on(one_worker):
    """After each test the node takes a publisher."""
    yield
    Session(one_worker, "/whip/goes-on").expect(201).delete()
    one_worker.assert_alive()


def without(offer, *names):
    return "".join(line for line in offer.splitlines(True)
                   if not any(line.startswith("a=" + n) for n in names))


def two(kind, codec):
    return sdp.publish_offer(sections=[
        sdp.make_section(kind, [codec], str(i), pt=96 + i) for i in range(2)])


OFFER = sdp.publish_offer()
NAMED = {
    "sdp-no-ice": without(OFFER, "ice-ufrag"),
    "sdp-no-ice:pwd": without(OFFER, "ice-pwd"),
    "sdp-no-ice:short": re.sub("ice-ufrag:.*", "ice-ufrag:ab\r", OFFER),
    "sdp-no-fingerprint": without(OFFER, "fingerprint"),
    "sdp-no-fingerprint:md5": re.sub("fingerprint:sha-256 .*",
                                     "fingerprint:md5 00:11\r", OFFER),
    "sdp-setup": without(OFFER, "setup"),
    "sdp-bundle": without(OFFER, "group"),
    "sdp-two-audio": two("audio", "opus"),
    "sdp-two-video": two("video", "H264"),
    "sdp-direction": OFFER.replace("a=sendonly", "a=recvonly"),
    "sdp-unknown-codec": OFFER.replace("H264/90000", "theora/90000"),
    "sdp-no-rtcp-mux": without(OFFER, "rtcp-mux"),
    "sdp-no-media": OFFER[:OFFER.index("m=")],
    "body-empty": "",
    "body-has-nul": "v=0\r\n\0",
    "body-too-large": OFFER + "a=x:" + "y" * (1 << 20),
}


@pytest.mark.parametrize("name", NAMED)
def test_offer_errors_have_names(one_worker, stream, name):
    reply = one_worker.post_sdp(f"/whip/{stream}", NAMED[name])
    reply.assert_problem(400, 413, 422, code=name.split(":")[0])


def test_many_media_sections(one_worker, stream):
    sections = [sdp.make_section("video", ["H264"], str(i), "recvonly")
                for i in range(200)]
    for path, direction in (("whip", "sendonly"), ("whep", "recvonly")):
        offer = sdp.make_offer(sections=sections, direction=direction)
        one_worker.post_sdp(f"/{path}/{stream}", offer).assert_problem(
            400, 409, 413, 422)


def test_unknown_session_and_wrong_type(one_worker, stream):
    one_worker.request(f"/whip/{stream}/none", "DELETE").assert_problem(
        404, code="session-not-found")
    one_worker.request(f"/whip/{stream}", "POST", OFFER, {
        "Content-Type": "text/plain"}).assert_problem(
            415, code="content-type-unsupported")


def test_wrong_token_has_a_name(world):
    node = world.node("--whip-token", "right")
    headers = {"Authorization": "Bearer wrong"}
    node.post_sdp("/whip/live", OFFER, headers).assert_problem(
        401, code="token-invalid")
    node.post_sdp("/whip/live", OFFER).assert_problem(
        401, code="token-missing")


@pytest.mark.parametrize("request_line", [
    b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 64,
    b"POST /whip/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
    b"POST /whip/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999"
    b"\r\nContent-Type: application/sdp\r\n\r\nv=0",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n"])
def test_broken_http(one_worker, request_line):
    with socket.create_connection(("127.0.0.1",
                                   one_worker.http_port)) as connection:
        connection.settimeout(2)
        try:
            connection.sendall(request_line)
            connection.shutdown(socket.SHUT_WR)
            reply = connection.recv(4096)
        except (TimeoutError, OSError):
            reply = b""
    assert not reply or re.match(rb"HTTP/1.[01] [245]\d\d", reply), reply
    assert b" 201 " not in reply[:20] and b" 500 " not in reply[:20]


class Counting:
    """Metrics before; wait() until one of a name and labels has moved."""

    def __init__(self, node):
        self.node = node
        self.before = node.metrics()

    def wait(self, pattern, at_least=1):
        def moved():
            found = self.node.metrics().moved(self.before, pattern)
            return sum(found.values()) >= at_least and found
        return wait_for(moved, f"move of {pattern}", 5)


@pytest.fixture
def counting(one_worker):
    return Counting(one_worker)


@pytest.fixture
def prober(one_worker):
    prober = Prober(one_worker)
    yield prober
    prober.close()


def names(session):
    answer = session.answer
    return (f"{answer.get('ice-ufrag')}:{session.ufrag}",
            answer.get("ice-pwd"))


def test_stun_with_bad_integrity(one_worker, stream, counting, prober):
    session = Session(one_worker, f"/whip/{stream}").expect(201)
    username, password = names(session)
    assert prober.ask(binding_request(username, "wrong" * 5)) in (
        None, BINDING_ERROR)
    counting.wait("stun_requests_rejected.*reason=bad_integrity")
    # the same peer with the right password is answered
    assert prober.ask(binding_request(username, password)) == BINDING_SUCCESS
    session.delete()


def test_stun_with_unknown_ufrag(one_worker, stream, counting, prober):
    assert prober.ask(binding_request("nobody:here", "x" * 24)) in (
        None, BINDING_ERROR)
    counting.wait("stun_requests_rejected.*reason=unknown_ufrag")


def test_no_stun_answer_after_delete(one_worker, stream, prober):
    """W16: consent is revoked."""
    session = Session(one_worker, f"/whip/{stream}").expect(201)
    username, password = names(session)
    assert prober.ask(binding_request(username, password)) == BINDING_SUCCESS
    session.delete()
    assert prober.ask(binding_request(username, password)) in (
        None, BINDING_ERROR)


@pytest.mark.parametrize("data", [
    b"\0\1\xff\xff\x21\x12\xa4\x42" + b"z" * 12, b"\0\1\0\0" + b"q" * 30],
    ids=["length", "cookie"])
def test_malformed_stun(counting, prober, data):
    prober.send(data)
    counting.wait("(stun_requests_rejected|rtc_dropped_packets)")


def test_noise_on_the_media_port(counting, prober):
    """Every first byte, short and long, from an address nobody knows."""
    for first in range(256):
        for length in (1, 13, 200, 1400):
            prober.send(bytes([first]) + os.urandom(length - 1))
    counting.wait("(stun_requests_rejected|rtc_dropped_packets)", 100)


def test_rtp_from_an_unknown_address(one_worker, counting, prober):
    for seq in range(10):
        prober.send(b"\x80\x60" + bytes([0, seq]) + b"\0" * 8 + b"payload")
    counting.wait("rtc_dropped_packets.*reason=unknown_address", 10)


def test_noise_on_the_tcp_port(one_worker):
    """ICE-TCP: frames of all sizes, then silence."""
    for data in (b"\xff\xff" + b"x" * 70000, b"\0\0" * 1000, b"\0\5hello",
                 b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"):
        with socket.create_connection(("127.0.0.1",
                                       one_worker.rtc_port)) as connection:
            try:
                connection.sendall(data)
            except OSError:
                pass  # closed by the node at once: as good


@pytest.mark.parametrize("setup", ["actpass", "active"])
def test_dtls_with_another_certificate(world, one_worker, stream, counting,
                                       setup):
    """The certificate is not the one that the offer names: no media, no
    stream, counted; in both DTLS roles."""
    world.obs(one_worker, stream, wait=False, setup=setup,
              args=["--fingerprint", WRONG_FINGERPRINT])
    counting.wait("dtls_handshakes_total.*result=fingerprint")
    one_worker.post_sdp(f"/whep/{stream}",
                        sdp.watch_offer()).assert_problem(409)


def test_stray_rtp(world, one_worker, stream, counting):
    """Sealed with the right keys, but of an SSRC that nobody announced."""
    obs = world.obs(one_worker, stream)
    viewers = world.viewers(one_worker, stream)
    viewers.wait_video(10)
    obs.tell("stray")
    counting.wait("rtp_dropped_packets.*reason=(unknown_ssrc|payload_type)",
                  10)
    viewers.wait_video(30)
    viewer = viewers.finish()["viewers"][0]
    assert viewer["video"]["n_missing"] == 0
    assert viewer["n_unknown"] == 0


def test_cut_rtcp(world, one_worker, stream, counting):
    obs = world.obs(one_worker, stream)
    viewers = world.viewers(one_worker, stream)
    viewers.wait_video(10)
    obs.tell("cut")
    counting.wait("(dropped|malformed).*malformed", 1)
    viewers.wait_video(30)
    assert obs.finish()["delete_status"] == 200
