# SPDX-License-Identifier: Apache-2.0
"""ICE restart and its failure with media running (W27-W29, E18, E19), and
what happens when a path goes away. Chromium is the full ICE agent."""
from lib import sdp
from lib.http import FRAGMENT


def publishing(peer, node, stream):
    publisher = peer()
    publisher.publish(f"{node.url}/whip/{stream}", codec="VP8", width=320,
                      height=180, fps=15)
    node.wait_live(stream)
    return publisher


def vp8_viewer(world, node, stream):
    viewers = world.viewers(node, stream,
                            offer=sdp.watch_offer(video=("VP8",)))
    viewers.wait_video(20)
    return viewers


def patch_with(node, browser_peer, etag):
    """A trickle by the session's newest credentials."""
    ufrag, pwd = browser_peer.page.js(
        "const sdp = window.peers[a[0]].pc.localDescription.sdp;"
        "return [sdp.match(/ice-ufrag:(.*)/)[1].trim(),"
        " sdp.match(/ice-pwd:(.*)/)[1].trim()];", browser_peer.name)
    return node.request(browser_peer.get("session"), "PATCH",
                        sdp.make_fragment(ufrag, pwd),
                        {"Content-Type": FRAGMENT, "If-Match": etag})


def test_w27_w28_publisher_restarts_ice(world, shared_node, peer, stream):
    publisher = publishing(peer, shared_node, stream)
    viewers = vp8_viewer(world, shared_node, stream)
    old_etag = publisher.get("etag")
    result = publisher.call("restartIce")
    assert result["status"] == 200, result
    assert result["etag"] != old_etag and result["ufrag"] != result["before"]
    patch_with(shared_node, publisher, old_etag).assert_problem(412)
    assert patch_with(shared_node, publisher, result["etag"]).status == 204
    viewers.wait_video(60)
    assert publisher.stats()["state"] == "connected"
    viewer = viewers.finish()["viewers"][0]
    assert viewer["video"]["n_missing"] == 0, viewer
    assert viewer["video"]["n_ssrc_changes"] == 0


def test_w28_old_pair_works_until_the_new_one(world, shared_node, peer,
                                              stream):
    """The PATCH alone moves nothing: media goes on over the old pair."""
    publisher = publishing(peer, shared_node, stream)
    viewers = vp8_viewer(world, shared_node, stream)
    reply = shared_node.request(
        publisher.get("session"), "PATCH",
        sdp.make_fragment("newfragment", "newpasswordnewpassword00"),
        {"Content-Type": FRAGMENT, "If-Match": "*"})
    assert reply.status == 200, reply
    viewers.wait_video(60)
    assert viewers.finish()["viewers"][0]["video"]["n_missing"] == 0


def test_w29_failed_restart_of_a_publisher(world, shared_node, peer, stream):
    publisher = publishing(peer, shared_node, stream)
    viewers = vp8_viewer(world, shared_node, stream)
    assert publisher.call("restartIce", '"stale"')["status"] == 412
    shared_node.request(
        publisher.get("session"), "PATCH", "a=ice-ufrag:new\r\n",
        {"Content-Type": FRAGMENT, "If-Match": "*"}
    ).assert_problem(400, 422)
    viewers.wait_video(60)
    assert publisher.stats()["state"] == "connected"


def test_e18_viewer_restarts_ice(module_world, shared_node, peer, stream):
    module_world.obs(shared_node, stream)
    viewer = peer()
    viewer.watch(f"{shared_node.url}/whep/{stream}")
    viewer.wait_frames(30)
    result = viewer.call("restartIce")
    assert result["status"] == 200, result
    viewer.wait_frames(60)
    stats = viewer.stats()
    assert stats["state"] == "connected"
    assert stats["video"]["packetsLost"] == 0
    assert stats["video"].get("freezeCount", 0) == 0


def test_e19_failed_restart_of_a_viewer(module_world, shared_node, peer,
                                        stream):
    module_world.obs(shared_node, stream)
    viewer = peer()
    viewer.watch(f"{shared_node.url}/whep/{stream}")
    viewer.wait_frames(30)
    assert viewer.call("restartIce", '"stale"')["status"] == 412
    viewer.wait_frames(60)
    assert viewer.stats()["state"] == "connected"


def test_e11_delete_closes_the_browser(module_world, shared_node, peer,
                                       stream):
    """The server ends the session: the page learns it by DTLS at once, not
    by a consent timeout half a minute later."""
    module_world.obs(shared_node, stream)
    viewer = peer()
    viewer.watch(f"{shared_node.url}/whep/{stream}")
    viewer.wait_frames(10)
    assert shared_node.request(viewer.get("session"), "DELETE").status == 200
    viewer.page.wait_js(
        f"['closed', 'failed', 'disconnected'].includes("
        f"window.peers['{viewer.name}'].pc.connectionState) || "
        f"window.peers['{viewer.name}'].pc.getReceivers()[0].transport.state"
        " === 'closed'", "end of the connection", 5)
