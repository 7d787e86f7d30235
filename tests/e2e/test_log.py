# SPDX-License-Identifier: Apache-2.0
"""Log lines: one viewer's life can be followed by his id, over two nodes; what
clients send makes no fields and no lines."""
import json

from lib import sdp
from lib.cluster import Cluster
from lib.signaling import Session
from lib.wait import wait_for


def lines(node):
    """The node's log as objects; each line is one."""
    return [json.loads(line) for line in node.read_log().splitlines()
            if line.startswith("{")]


def about(node, **fields):
    return [line for line in lines(node)
            if all(line.get(k) == v for k, v in fields.items())]


def test_a_viewer_over_two_nodes(world):
    """He asks a node that serves no viewers, is sent on, watches, leaves."""
    cluster = Cluster(world, world.redis().url, "--log-format", "json",
                      "--log-level", "debug")
    cluster.grow(injection=1, relay=1, egress=1)
    world.obs(cluster["r1"], wait=False).wait_connected()
    cluster.wait_live("live")
    viewers = world.viewers(cluster["r1"])
    viewers.wait_video(60)
    viewers.finish()

    sent = [line for line in about(cluster["r1"], stream="live", to="e1")]
    assert len(sent) == 1, sent
    session = sent[0]["session"]
    assert len(session) == 8 and sent[0]["level"] == "INFO"
    assert sent[0]["node"] == "r1" and sent[0]["tree"] == "main"
    gone = wait_for(
        lambda: [line for line in about(cluster["e1"], session=session)
                 if "viewer gone" in line["message"]], "his end in the log")
    assert len(gone) == 1, gone
    gone = gone[0]
    assert gone["level"] == "INFO" and gone["node"] == "e1"
    assert gone["stream"] == "live" and gone["packets"] > 60, gone
    assert gone["lost"] == 0 and gone["seconds"] > 0 and gone["join_ms"] >= 0
    assert gone["message"].split(": ")[1] in ("the viewer ended it", "peer")
    # on DEBUG all of it, and nobody else's
    life = about(cluster["e1"], session=session)
    assert [line["message"] for line in life if line["room"] == "egress"][0] \
        == "viewer connected", life
    assert any(line["room"] == "rtc" for line in life), life
    # INFO has one line of a session's life on a node
    assert sum(line["level"] == "INFO" for line in life) == 1, life
    # the publisher likewise
    sent = about(cluster["r1"], stream="live", to="i1")
    assert len(sent) == 1 and sent[0]["session"] != session
    began = about(cluster["i1"], session=sent[0]["session"])
    assert began and began[0]["stream"] == "live", began


def test_the_id_in_the_log_opens_nothing(world):
    node = world.node("--log-format", "json")
    session = Session(node, "/whip/live").expect(201)
    short = session.id[:8]
    assert session.delete().status == 200
    wait_for(lambda: about(node, session=short), "its end in the log")
    assert session.id not in node.read_log()
    again = Session(node, "/whip/live").expect(201)
    reply = node.request(f"/whip/live/{again.id[:8]}", "DELETE")
    reply.assert_problem(404, code="session-not-found")
    assert again.delete().status == 200


def test_clients_forge_nothing(world):
    """Names, ids and descriptions with what would be lines and fields."""
    node = world.node("--log-format", "json", "--log-level", "log")
    evil = "x%0a%7b%22session%22:%22forged%22%7d%20session=forged"
    offer = sdp.make_offer(direction="recvonly").replace(
        "s=-", 's=x session=forged","session":"forged')
    for path in (f"/whep/{evil}", f"/whip/{evil}", f"/whep/live/{evil}",
                 "/whep/live?redirect=session=forged&session=forged",
                 "/whep/live"):
        node.post_sdp(path, offer, {"User-Agent": "session=forged"})
        node.request(path, "DELETE")
    Session(node, "/whip/live").expect(201).delete()
    wait_for(lambda: about(node, stream="live"), "a word in the log")
    text = node.read_log().splitlines()
    assert all(json.loads(line) for line in text if line.startswith("{"))
    assert not about(node, session="forged")


def test_text_has_the_same_fields(world):
    cluster = Cluster(world, world.redis().url)
    cluster.grow(injection=1, relay=0, egress=1)
    session = Session(cluster["i1"], "/whip/live").expect(201)
    session.delete()
    wanted = f" INFO whip node=i1 tree=main session={session.id[:8]} " \
        "stream=live seconds="
    wait_for(lambda: wanted in cluster["i1"].read_log(), "the same as text")
    alone = world.node()
    session = Session(alone, "/whip/live").expect(201)
    session.delete()
    wanted = f" INFO whip session={session.id[:8]} stream=live seconds="
    wait_for(lambda: wanted in alone.read_log(), "the same as text")
