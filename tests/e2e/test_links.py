# SPDX-License-Identifier: Apache-2.0
"""What a node gives to its children on links, and what it refuses, by a child
that shares no code with it (tests/peer/link-subscriber.py)."""
import socket

import pytest

from lib.links import assert_same_packets
from lib.node import free_ports
from lib.wait import wait_for

SECRET = "a secret for tests only"
DROPPED = "media_tree_link_messages_dropped_total"
COOKIE_BYTES = 63
# of one child (relay/outlet-private.h)
MAX_REPAIRS_S = 5000
MAX_REPAIRS_BURST = 1024


def start_node(world, *args, **more):
    relay_port = free_ports()
    node = world.node(
        "--insecure", "--role", "injection", "--cluster-secret", SECRET,
        "--redis-url", world.redis().url,
        "--cluster-address", "127.0.0.1", "--relay-port", str(relay_port),
        *args, **more)
    node.relay_port = relay_port
    return node


@pytest.fixture(scope="module")
def parent(module_world):
    """An origin with a publisher, for all tests of this module that leave it
    as it is."""
    node = start_node(module_world)
    module_world.obs(node)
    return node


def child(world, node, *args, secret=SECRET, streams=("live",)):
    return world.link_subscriber([node.relay_port], secret, streams, args=args)


def dropped(node, reason):
    return node.metrics().total(DROPPED, reason=reason)


def assert_only_cookies(summary):
    """Nothing but COOKIE, none of them larger than what it answers."""
    sent_n, sent_bytes, _ = summary["sent"]
    assert summary["received"].keys() == {"cookie"}, summary
    n, n_bytes, largest = summary["received"]["cookie"]
    assert largest == COOKIE_BYTES, summary
    assert n <= sent_n and n_bytes < sent_bytes, summary


def assert_clean(summary, n_publications=1):
    """All that came was authentic, and nothing is missing."""
    assert len(summary["publications"]) == n_publications, summary
    assert not summary["foreign"] and not summary["replayed_to_us"], summary
    for book in summary["publications"]:
        assert not book["bad"] and not book["different"], summary
        for kind in ("audio", "video"):
            assert book[kind]["n"] > 0 and book[kind]["missing"] == 0, summary


def test_children_get_the_same(world, parent):
    """From the GOP on, later from the next packet on: the same bytes."""
    first = child(world, parent)
    first.wait_packets(300)
    second = child(world, parent, "--start", "live")
    second.wait_packets(300)
    ends = [c.finish()[0] for c in (second, first)]
    for end in ends:
        assert_clean(end)
        assert end["publications"][0]["audio"]["codec"] == "opus"
        assert end["publications"][0]["video"]["codec"] == "H264"
    assert ends[1]["publications"][0]["keyframes"] > 0
    assert ends[1]["publications"][0]["parameter_sets"] > 0
    assert_same_packets(first.read_map(), second.read_map(), 50)
    status = first.find("status")[-1]
    assert status["is_live"] and len(status["path"]) == 1, status
    assert status["epoch"] >= 1 and status["info"]["video"], status


def test_from_a_number(world, parent):
    """A child that asks for what it missed gets it from the history."""
    first = child(world, parent)
    first.wait_packets(600)
    book = first.counts()["publications"][0]
    wanted = [book[kind]["last"] - 40 for kind in ("audio", "video")]
    late = child(world, parent, "--start", "from",
                 "--numbers", ",".join(map(str, wanted)))
    late.wait_packets(200)
    end = late.finish()[0]
    assert_clean(end)
    got = [end["publications"][0][k]["first"] for k in ("audio", "video")]
    assert got == wanted
    first.finish()
    assert_same_packets(first.read_map(), late.read_map(), 40)


def test_no_cookie(world, parent):
    stranger = child(world, parent, "--cookie", "none")
    wait_for(lambda: stranger.counts()["sent"][0] >= 20, "requests")
    assert_only_cookies(stranger.finish()[0])


def test_bad_cookie(world, parent):
    before = dropped(parent, "cookie")
    stranger = child(world, parent, "--cookie", "bad")
    wait_for(lambda: stranger.counts()["sent"][0] >= 20, "requests")
    assert_only_cookies(stranger.finish()[0])
    wait_for(lambda: dropped(parent, "cookie") >= before + 20, "counter")


def test_spoofed_address(world, parent):
    """With a cookie of another address: nobody else is sent media."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        victim.bind(("127.0.0.2", 0))
        victim.settimeout(10)
        spoofer = child(world, parent, "--refresh-ms", "50", "--spoof",
                        "127.0.0.2:%d" % victim.getsockname()[1])
        spoofer.wait_packets(300)
        n = 0
        for _ in range(20):
            data = victim.recv(2048)
            assert data[:2] == b"M\1" and len(data) == COOKIE_BYTES, data
            n += 1
        spoofer.finish()
        # what is left in the queue too
        victim.setblocking(False)
        while True:
            try:
                data = victim.recv(2048)
            except BlockingIOError:
                break
            assert data[:2] == b"M\1" and len(data) == COOKIE_BYTES, data
    assert n == 20


def test_wrong_secret(world, parent):
    """Silence, and a counter."""
    before = dropped(parent, "key")
    stranger = child(world, parent, secret="another secret of tests")
    wait_for(lambda: stranger.counts()["sent"][0] >= 20, "requests")
    end = stranger.finish()[0]
    assert end["received"] == {}, end
    wait_for(lambda: dropped(parent, "key") >= before + 20, "counter")


def test_replay(world, parent):
    """Each datagram twice: the second one does nothing."""
    before = dropped(parent, "replay")
    twice = child(world, parent, "--replay", "--refresh-ms", "50")
    twice.wait_packets(600)
    end = twice.finish()[0]
    assert_clean(end)
    assert end["received"]["status"][0] <= end["sent"][0] // 2 + 10, end
    wait_for(lambda: dropped(parent, "replay")
             >= before + end["sent"][0] // 2 - 3, "counter")


def test_unknown_stream(world, parent):
    asker = child(world, parent, streams=["nobodys"])
    asker.wait_event("refuse")
    wait_for(lambda: asker.counts()["sent"][0] >= 10, "requests")
    end = asker.finish()[0]
    assert end["received"].keys() == {"cookie", "refuse"}, end
    assert end["refused"].keys() == {"unknown"}, end
    assert end["received"]["refuse"][1] < end["sent"][1], end


def test_garbage(world, parent):
    """Is counted; the child that sent it among others is still served."""
    before = {r: dropped(parent, r) for r in ("key", "malformed")}
    odd = child(world, parent, "--garbage", "--refresh-ms", "50")
    odd.wait_packets(600)
    assert_clean(odd.finish()[0])
    for reason, n in before.items():
        assert dropped(parent, reason) >= n + 20, reason
    parent.assert_alive()


def test_nack_for_everything(world, parent):
    """Repairs have a bound, and another child misses nothing."""
    limited = "media_tree_link_repairs_total"
    before = parent.metrics().total(limited, result="limited")
    other = child(world, parent)
    other.wait_packets(100)
    greedy = child(world, parent, "--nack-all")
    greedy.wait_event("counts", count=3)
    other.wait_packets(1200)
    end = greedy.finish()[0]
    assert not end["publications"][0]["different"], end
    n_live = other.finish()[0]
    assert_clean(n_live)
    assert parent.metrics().total(limited, result="limited") > before
    seconds = len(greedy.find("counts")) + 1
    assert end["publications"][0]["duplicates"] <= \
        MAX_REPAIRS_S * seconds + MAX_REPAIRS_BURST, end


def test_not_repeated(world, parent):
    """A child that does not repeat itself is forgotten after a second."""
    name = "media_tree_link_children_expired_total"
    before = parent.metrics().total(name)
    quiet = child(world, parent, "--subscribes", "1", "--no-leave")
    quiet.wait_packets(50)
    wait_for(lambda: quiet.counts()["since_media_s"] > 1, "end of media", 15)
    n_packets = quiet.n_packets()
    assert parent.metrics().total(name) == before + 1
    assert quiet.finish()[0]["publications"][0]["packets"] == n_packets


def test_leave(world, parent):
    name = "media_tree_link_children"
    before = parent.metrics().total(name)
    expired = parent.metrics().total("media_tree_link_children_expired_total")
    guest = child(world, parent)
    guest.wait_packets(50)
    wait_for(lambda: parent.metrics().total(name) == before + 1, "child")
    guest.finish()
    wait_for(lambda: parent.metrics().total(name) == before, "its end")
    assert parent.metrics().total(
        "media_tree_link_children_expired_total") == expired


def test_full(world):
    """The maximum is twice the degree; who is there keeps his place."""
    node = start_node(world, "--max-children", "1")
    world.obs(node)
    children = [child(world, node) for _ in range(2)]
    for seated in children:
        seated.wait_packets(50)
    third = child(world, node)
    assert third.wait_event("refuse")["reason"] == "full"
    n_packets = [seated.n_packets() for seated in children]
    for seated, n in zip(children, n_packets):
        seated.wait_packets(n + 200)
    assert "rtp" not in third.finish()[0]["received"]
    children[0].finish()
    late = child(world, node)
    late.wait_packets(50)
    assert_clean(children[1].finish()[0])


def test_publisher_comes_back(world):
    """Another publication: other keys, a higher epoch, nothing missing."""
    node = start_node(world)
    obs = world.obs(node)
    watcher = child(world, node)
    watcher.wait_packets(200)
    obs.finish()
    world.obs(node)
    wait_for(lambda: len(watcher.counts()["publications"]) == 2,
             "second publication")
    n_packets = watcher.n_packets()
    watcher.wait_packets(n_packets + 200)
    end = watcher.finish()[0]
    assert_clean(end, 2)
    first, second = end["publications"]
    assert second["epoch"] > first["epoch"], end
    for kind in ("audio", "video"):
        assert second[kind]["first"] > first[kind]["last"], end
    assert second["keyframes"] > 0, end


def test_node_leaves(world):
    """SIGTERM: its children hear of it at once."""
    node = start_node(world)
    world.obs(node)
    watcher = child(world, node)
    watcher.wait_packets(50)
    node.stop()
    assert watcher.wait_event("bye")["reason"] == "leaving"
    assert_clean(watcher.finish()[0])


def test_replay_after_restart(world, tmp_path):
    """What was recorded before a crash gives nothing afterwards."""
    node = start_node(world)
    world.obs(node)
    record, port = tmp_path / "record", free_ports()
    bind = ("--bind", f"127.0.0.1:{port}")
    victim = child(world, node, "--record", record, *bind)
    victim.wait_packets(200)
    victim.finish()
    node.kill()
    node.start()
    world.obs(node)
    before = dropped(node, "unknown") + dropped(node, "cookie")
    again = child(world, node, "--replay-file", record, *bind)
    again.wait_event("replayed")
    again.wait_event("counts", count=2)
    end = again.finish()[0]
    assert end["sent"][0] >= 5, end
    assert_only_cookies(end)
    assert dropped(node, "unknown") + dropped(node, "cookie") > before
