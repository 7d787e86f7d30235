# SPDX-License-Identifier: Apache-2.0
"""Forty times a node is drained under a viewer in Chromium. Our player makes a
second connection beside the first; a test page instead keeps its connection and
restarts ICE at the other node. What both show, side by side."""
import os

from lib.cluster import Cluster
from lib.moves import HEAD, Handover, Watcher, describe

N_MOVES = 40
SMOOTH_SHARE = 0.95


def there_and_back(cluster):
    """(from, to) of each move"""
    for i in range(N_MOVES):
        pair = cluster["e1"], cluster["e2"]
        yield pair if i % 2 == 0 else pair[::-1]


def second_connections(cluster, browser):
    """What was shown at the moves; and between them, when nothing moved: what
    the machine does by itself"""
    page = Watcher(browser, cluster["e1"])
    moves, rests = [], []
    for here, _ in there_and_back(cluster):
        moves.append(page.watch(lambda: page.move_from(here)))
        rests.append(page.watch(lambda: None))
    assert page.moves() == N_MOVES
    return moves, rests


def ice_restarts(cluster, browser, origin):
    page = Handover(browser, origin, cluster["e1"])
    moves, without_dtls_ms = [], []

    def move(there):
        changed, ms = page.move_to(there)
        assert {"ice-ufrag", "fingerprint"} <= set(changed), changed
        without_dtls_ms.append(ms)
    for _, there in there_and_back(cluster):
        moves.append(page.watch(lambda: move(there)))
    return moves, sorted(without_dtls_ms)


def test_moves(world, browser, origin):
    cluster = Cluster(world, world.redis().url, "--insecure")
    cluster.grow(injection=1, relay=0, egress=2)
    world.obs(cluster["i1"])
    cluster.wait_live("live")
    # a node that drains ends when nobody is left; these stay
    stays = [world.viewers(cluster[name]) for name in ("e1", "e2")]
    for viewer in stays:
        viewer.wait_video()
    loads = [os.getloadavg()[0]]
    second, rests = second_connections(cluster, browser)
    browser.close_pages()
    loads.append(os.getloadavg()[0])
    restart, without_dtls_ms = ice_restarts(cluster, browser, origin)
    loads.append(os.getloadavg()[0])
    print(HEAD)
    print(describe("second connection", second))
    print(describe("ICE restart", restart))
    print(describe("no move", rests))
    print(f"without DTLS at an ICE restart: median "
          f"{without_dtls_ms[N_MOVES // 2]:.0f} ms, at most "
          f"{without_dtls_ms[-1]:.0f} ms")
    print("load average before, between, after:",
          " ".join(f"{load:.1f}" for load in loads))
    assert all(shown.n_steps_back() == 0 for shown in second)
    n_smooth = sum(shown.n_freezes() == 0 for shown in second)
    n_noisy = sum(shown.n_freezes() > 0 for shown in rests)
    assert n_smooth >= SMOOTH_SHARE * N_MOVES, \
        f"and {n_noisy} of {N_MOVES} times it froze without a move"
