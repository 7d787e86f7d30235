# SPDX-License-Identifier: Apache-2.0
"""npm's janus.js comes, asks for everything and goes, fifty times in a row:
nothing is left of it."""
import pytest

from lib.janus_peers import MOUNTPOINTS, JanusPage
from lib.wait import wait_for

N_VISITS = 50
WARM_UP = 10
GREW_BYTES = 4 * 1024 * 1024
A, B = MOUNTPOINTS


def destroy(viewer):
    viewer.call("destroy")


def detach(viewer):
    viewer.call("detach")
    viewer.call("destroy")


def leave_while_watching(viewer):
    viewer.watch(A)
    viewer.wait_pictures(A)
    viewer.page.go("about:blank")


def hang_up(viewer):
    viewer.watch(A)
    since = len(viewer.heard())
    viewer.call("hangup")
    viewer.wait_heard(lambda h: h["what"] == "cleanup", "cleanup", since)
    viewer.call("destroy")


WAYS_OUT = (destroy, detach, leave_while_watching, hang_up)


def nobody_left(janus):
    wait_for(lambda: not any(janus.left().values()), "end of all", 30)


@pytest.mark.parametrize("way", ["http", "websocket"])
def test_visits_leave_nothing(janus, browser, npm_origin, way, capsys):
    url = janus.url if way == "http" else janus.ws_url
    viewer = JanusPage(browser, npm_origin)

    def visit(count):
        for n in range(count):
            viewer.reload()
            viewer.open(url)
            viewer.visit(A, B)
            WAYS_OUT[n % len(WAYS_OUT)](viewer)
            nobody_left(janus)
        return janus.rss_bytes(), janus.n_fds()
    before = visit(WARM_UP)
    after = visit(N_VISITS)
    with capsys.disabled():
        print(f"\n| {N_VISITS} visits over {way} | RSS {before[0] >> 10} -> "
              f"{after[0] >> 10} KiB | descriptors {before[1]} -> "
              f"{after[1]} |")
    assert after[1] <= before[1] + 4
    assert after[0] <= before[0] + GREW_BYTES
