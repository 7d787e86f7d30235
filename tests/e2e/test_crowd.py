# SPDX-License-Identifier: Apache-2.0
"""What measures moves is right itself: bench-crowd is refused, waits, moves and
counts who is cut off."""
import pytest

from lib.cluster import Cluster
from lib.crowd import Crowd
from lib.wait import wait_for


@pytest.fixture
def cluster(world):
    cluster = Cluster(world, world.redis().url, "--insecure", "--max-viewers",
                      "6")
    cluster.grow(injection=1, relay=0, egress=2)
    world.obs(cluster["i1"])
    cluster.wait_live("live")
    return cluster


def test_they_follow(world, cluster):
    crowd = world.add(Crowd(world.directory_of("crowd"),
                            f"{cluster['i1'].url}/whep/live"))
    crowd.join(6, 50)
    crowd.wait_watching(6)
    # no room: it is refused until somebody has gone
    crowd.join(7)
    crowd.wait_event("refused")
    stats = crowd.stats()
    assert stats["watching"] < stats["viewers"] == 13
    assert max(stats["places"].values()) <= 6
    crowd.leave(7)
    crowd.wait_watching(6)
    # sent on in the middle of the picture
    places = crowd.stats()["places"]
    fuller, other = sorted((cluster["e1"], cluster["e2"]), reverse=True,
                           key=lambda node: places.get(node.url, 0))
    assert fuller.request("/api/drain", "POST", body=b"").status == 202
    assert fuller.process.wait(30) == 0
    stats = wait_for(lambda: (s := crowd.stats())["places"] == {other.url: 6}
                     and s, "all six at the other")
    assert stats["moved"] == places[fuller.url] >= 3 and stats["cut"] == 0
    # and one whose node dies was cut off
    other.process.kill()
    world.started.remove(other)
    crowd.wait_event("cut", 15)
    end = crowd.finish()
    assert end["cut"] >= 1 and end["freezes"] >= 1, end
    assert end["max_gap_us"] >= 2e6, end
