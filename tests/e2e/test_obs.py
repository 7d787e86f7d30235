# SPDX-License-Identifier: Apache-2.0
"""OBS's WHIP output: W41, W42 and what surrounds them, by obs-client, which
sends OBS's own offers and behaves as PROTOCOLS describes OBS."""
import pytest

from lib import media, sdp
from lib.peers import CACHE
from lib.wait import wait_for

CODEC_OF = {"h264": "H264", "hevc": "H265", "av1": "AV1"}
OFFERS = [f"obs-{version}-{codec}.sdp" for version in ("v0.21", "master")
          for codec in CODEC_OF]
LONG_GOP_S = 8


def codec_of(name):
    return CODEC_OF[name.split("-")[-1].removesuffix(".sdp")]


def watch_offer_for(codec):
    """Chromium offers no H265 without hardware: a viewer that does."""
    return sdp.watch_offer(video=(codec,))


def assert_smooth(viewer):
    """One SSRC, no hole, no step back."""
    for kind in ("audio", "video"):
        track = viewer[kind]
        assert track["n_ssrc_changes"] == 0, viewer
        assert track["n_ts_backwards"] == 0, viewer
        assert track["n_missing"] == 0, viewer
    assert viewer["n_bad"] == 0 and viewer["n_unknown"] == 0, viewer


def video_of(end, rid="0"):
    return next(t for t in end["tracks"]
                if t["codec"] != "OPUS" and t["rid"] == rid)


@pytest.mark.parametrize("setup", [None, "active"])
@pytest.mark.parametrize("name", OFFERS)
def test_w41_offer_connects_and_first_keyframe_arrives(
        world, shared_node, stream, name, setup):
    """The first access unit a viewer gets is the first keyframe that the
    client sent after it connected, byte for byte. With a GOP of 8 s nothing
    else could be seen by then."""
    codec = codec_of(name)
    obs = world.obs(shared_node, stream, name=name, codec=codec,
                    gop_s=LONG_GOP_S, setup=setup)
    connected = obs.wait_connected()
    assert connected["role"] == ("passive" if setup else "active")
    print(f"W41: {name} {connected['role']}: connected after "
          f"{connected['connected_ms']} ms")
    viewers = world.viewers(shared_node, stream, offer=watch_offer_for(codec))
    viewers.wait_video(60)
    viewer = viewers.finish()["viewers"][0]
    end = obs.finish()
    assert viewer["video"]["is_first_key"], viewer
    assert viewer["video"]["first_crc"] == video_of(end)["key_crc"]
    assert_smooth(viewer)
    assert end["delete_status"] == 200
    assert video_of(end)["aus_sent"] > 10


@pytest.mark.parametrize("version", ["v0.21", "master"])
@pytest.mark.parametrize("kind", ["audio", "video"])
def test_w41_one_kind_only(world, shared_node, stream, version, kind):
    """OBS's audio-only and video-only outputs; video keeps mid 1."""
    other = {"audio": "video", "video": "audio"}[kind]
    offer = sdp.without_section(sdp.read_offer(f"obs-{version}-h264.sdp"),
                                other)
    obs = world.obs(shared_node, stream, offer=offer,
                    video=kind == "video", audio=kind == "audio")
    viewers = world.viewers(shared_node, stream)
    viewers.wait_event("joined")
    wait_for(lambda: viewers.report()[0][kind]["n_packets"] > 40,
             f"{kind} packets")
    viewer = viewers.finish()["viewers"][0]
    assert viewer[other]["n_packets"] == 0
    assert viewer[kind]["n_missing"] == 0
    assert obs.finish()["delete_status"] == 200


@pytest.mark.parametrize("version", ["v0.21", "master"])
def test_w41_simulcast(world, shared_node, stream, version):
    """All layers are accepted; viewers get rid 0."""
    layer = media.video(CACHE, "H264", gop_s=2, width=320, height=180,
                        kbps=200)
    obs = world.obs(shared_node, stream,
                    name=f"obs-{version}-h264-simulcast.sdp",
                    gop_s=LONG_GOP_S, args=["--video", layer, "--video",
                                            layer])
    viewers = world.viewers(shared_node, stream)
    viewers.wait_video(60)
    viewer = viewers.finish()["viewers"][0]
    end = obs.finish()
    assert len(end["tracks"]) == 4
    assert viewer["video"]["first_crc"] == video_of(end, "0")["key_crc"]
    assert viewer["video"]["first_crc"] != video_of(end, "1")["key_crc"]
    assert_smooth(viewer)


def test_w16_delete_ends_the_transport(world, shared_node, stream):
    """close_notify within a second of the 200, then no STUN reply."""
    obs = world.obs(shared_node, stream, args=["--probe-after-delete"])
    end = obs.finish()
    assert end["delete_status"] == 200
    assert 0 <= end["close_notify_ms"] < 1000, end
    assert not end["stun_after_delete"]


def test_e11_delete_ends_a_viewer(world, shared_node, stream):
    world.obs(shared_node, stream)
    viewers = world.viewers(shared_node, stream)
    joined = viewers.wait_event("joined")
    viewers.wait_video(20)
    assert shared_node.request(joined["location"], "DELETE").status == 200
    viewers.wait_event("closed", 3)


def test_w42_takeover_keeps_viewers(world, shared_node, stream):
    """A second POST while the first is alive: the first is closed at once,
    viewers go on in one SSRC, without a hole and without a step back."""
    first = world.obs(shared_node, stream)
    viewers = world.viewers(shared_node, stream, count=2)
    viewers.wait_video(60)
    second = world.obs(shared_node, stream)
    end = first.find("end") or [first.wait_event("end", 5)]
    assert end[-1]["closed_by_peer"]
    viewers.wait_video(60)
    obs_end = second.finish()
    for viewer in viewers.finish()["viewers"]:
        assert not viewer["is_closed"]
        assert viewer["video"]["n_keyframes"] >= 2, viewer
        assert_smooth(viewer)
    assert obs_end["delete_status"] == 200


def test_w42_reconnect_after_a_crash(world, shared_node, stream):
    """OBS dies without DELETE and comes back: viewers stay."""
    first = world.obs(shared_node, stream)
    viewers = world.viewers(shared_node, stream)
    viewers.wait_video(30)
    first.process.kill()
    second = world.obs(shared_node, stream)
    viewers.wait_video(60)
    viewer = viewers.finish()["viewers"][0]
    assert not viewer["is_closed"]
    assert_smooth(viewer)
    second.finish()


def test_publisher_linger(world):
    """Without a publisher viewers stay so long, then are told goodbye."""
    node = world.node("--insecure", "--publisher-linger", "1 s")
    obs = world.obs(node)
    viewers = world.viewers(node)
    viewers.wait_video(30)
    obs.finish()
    viewers.wait_event("closed", 10)


def test_pli_is_never_needed(world, shared_node, stream):
    """A crowd that joins in the middle of a GOP gets its start from the node:
    the publisher is deaf, and each viewer begins with a keyframe."""
    obs = world.obs(shared_node, stream, gop_s=LONG_GOP_S)
    early = world.viewers(shared_node, stream)
    early.wait_video(90)
    late = world.viewers(shared_node, stream, count=10)
    late.wait_video(30)
    key_crc = video_of(obs.finish())["key_crc"]
    for viewer in late.finish()["viewers"] + early.finish()["viewers"]:
        assert viewer["video"]["is_first_key"], viewer
        assert viewer["video"]["first_crc"] == key_crc, viewer
        assert viewer["video"]["n_keyframes"] == 1, viewer
        assert_smooth(viewer)


@pytest.mark.parametrize("extra", [[], ["--sha1"]])
def test_viewer_srtp_profiles(world, shared_node, stream, extra):
    world.obs(shared_node, stream)
    viewers = world.viewers(shared_node, stream, args=extra)
    viewers.wait_video(30)
    assert_smooth(viewers.finish()["viewers"][0])


@pytest.mark.parametrize("setup", ["active", "actpass"])
def test_viewer_dtls_roles(world, shared_node, stream, setup):
    world.obs(shared_node, stream)
    offer = sdp.watch_offer(setup=setup)
    viewers = world.viewers(shared_node, stream, offer=offer)
    viewers.wait_video(30)
    assert_smooth(viewers.finish()["viewers"][0])


def test_sender_reports_reach_viewers(world, shared_node, stream):
    """Lip-sync needs one clock for both kinds."""
    world.obs(shared_node, stream)
    viewers = world.viewers(shared_node, stream)
    viewers.wait_event("joined")
    wait_for(lambda: viewers.report()[0]["n_sender_reports"] >= 4,
             "sender reports")
