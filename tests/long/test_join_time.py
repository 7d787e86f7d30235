# SPDX-License-Identifier: Apache-2.0
"""How long a join takes in a browser, and whether a viewer who joined through
the history stays behind the live edge. OBS ignores keyframe requests and
sends one each 4 s here: without the history a join would take up to that."""
import random
import statistics

import pytest

from lib.wait import wait_for

N_JOINS = 50
GOP_S = 4
SAMPLES = 120


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def latencies_ms(viewer, obs, last=SAMPLES):
    """Of the last pictures: from the network's edge to the page."""
    found = []
    for wall_ms, number, _ in viewer.get("seen")[-last:]:
        if number is not None:
            found.append(wall_ms - 1000 * obs.frame_time(number,
                                                         wall_ms / 1000))
    return found


def wait_pictures(viewer, count):
    wait_for(lambda: len(viewer.get("seen")) >= count, f"{count} pictures",
             60, 0.3)


@pytest.fixture
def obs(world, node):
    return world.obs(node, gop_s=GOP_S)


def test_join_to_first_frame(node, obs, peer, capsys):
    rng = random.Random(1)
    times = []
    viewer = peer()
    viewer.watch(f"{node.url}/whep/live")
    viewer.wait_frames(30)
    viewer.close()
    for _ in range(N_JOINS):
        viewer.page.js("await new Promise(r => setTimeout(r, a[0]));",
                       rng.uniform(0, GOP_S * 1000))
        viewer.watch(f"{node.url}/whep/live")
        times.append(wait_for(lambda: viewer.event_ms("frame"),
                              "first picture", 15))
        viewer.close()
    with capsys.disabled():
        print(f"\n| join to first frame, {N_JOINS} joins, GOP {GOP_S} s | "
              f"p50 {percentile(times, .5):.0f} ms | "
              f"p95 {percentile(times, .95):.0f} ms | "
              f"max {max(times):.0f} ms |")
    # a join that waits for a keyframe takes half a GOP on average
    assert percentile(times, .5) < GOP_S * 1000 / 8
    assert percentile(times, .95) < GOP_S * 1000 / 4


def test_late_viewer_is_not_behind(node, obs, peer, capsys):
    early = peer()
    early.watch(f"{node.url}/whep/live", read=True)
    wait_pictures(early, 3 * SAMPLES // 2)
    late = peer()
    late.watch(f"{node.url}/whep/live", read=True)
    wait_pictures(late, 2 * SAMPLES)
    figures = {}
    for name, viewer in (("there from the start", early), ("joined", late)):
        values = latencies_ms(viewer, obs)
        assert len(values) > SAMPLES // 2
        figures[name] = statistics.median(values)
        with capsys.disabled():
            print(f"\n| latency, viewer {name} | "
                  f"p50 {percentile(values, .5):.0f} ms | "
                  f"p95 {percentile(values, .95):.0f} ms |")
    assert figures["joined"] - figures["there from the start"] < 100
