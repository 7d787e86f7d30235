# SPDX-License-Identifier: Apache-2.0
"""Nodes of a tree that are killed and come back, and what it costs."""
import random
import time

from .trial import (Difference, Watch, arrivals, assert_nothing_missing,
                    assert_viewers_smooth, describe_ms, freezes, largest_gap_ms)
from .wait import wait_for

STREAM = "live"
GAP_WINDOW_S = 2.5
# Chromium counts a freeze from 150 ms beyond the usual time of a frame
FREEZE_MS = 150


def carried(node, stream=STREAM):
    """What the node says of the link of that stream, or None"""
    for one in node.state()["cluster"]["carried"]:
        if one["stream"] == stream:
            return one
    return None


def is_carrying(node, stream=STREAM):
    one = carried(node, stream)
    return one is not None and one["packets"] > 0


def feeding(node, stream=STREAM):
    """Ids of the parents that the node hears"""
    return {p["node"] for p in carried(node, stream)["parents"]
            if p["active"] and not p["silent"]}


def wait_two_parents(cluster, names, timeout=15):
    for name in names:
        wait_for(lambda name=name: len(feeding(cluster[name])) >= 2,
                 f"two parents feeding {name}", timeout)


def kill_and_restart(nodes):
    """kill -9 of all of them, then new processes; wall time of the kill"""
    at_s = time.time()
    for node in nodes:
        node.process.kill()
    for node in nodes:
        node.process.wait()
    for node in nodes:
        node.start(ready=False)
    return at_s


def wait_carrying(nodes, timeout=30):
    """Seconds until all of @nodes carry the stream (again)"""
    start = time.monotonic()
    for node in nodes:
        node.wait_ready()
        wait_for(lambda node=node: is_carrying(node),
                 f"stream at {node.name}, which was killed", timeout)
    return time.monotonic() - start


def kill_relays(world, cluster, relays, egress, n_kills, browser, seed=1):
    """One relay at a time, at random, the next when it carries again. Nothing
    may be missing at @egress, and @browser, who watches the first of them, may
    not freeze, save when a viewer beside him had no silence: then it was the
    browser that had no time. Returns the seconds that each took to carry
    again."""
    rng = random.Random(seed)
    took_s = []
    # a child at each relay keeps it carrying, whoever else wants it
    warm = Watch(world, cluster, relays, STREAM, args=())
    watch = Watch(world, cluster, ("i1", *egress), STREAM)
    warm.wait_begun()
    watch.wait_begun()
    wait_two_parents(cluster, egress)
    viewer = world.viewers(cluster[egress[0]], STREAM)
    viewer.wait_video(30)
    browser.wait_frames(60)
    n_before, _ = freezes(browser)
    frozen = []
    for i in range(n_kills):
        victim = cluster[rng.choice(relays)]
        kill_and_restart([victim])
        took_s.append(wait_carrying([victim]))
        wait_two_parents(cluster, egress)
        if freezes(browser)[0] > n_before + len(frozen):
            frozen.append(i + 1)
    watch.wait_more(1)
    n_freezes = freezes(browser)[0] - n_before
    end = viewer.finish()["viewers"]
    silence_ms, n_late = (end[0]["video"][key]
                          for key in ("max_silence_ms", "n_late"))
    print(f"{n_kills} kills: {n_freezes} freezes in Chromium {frozen}, longest "
          f"silence of a viewer {silence_ms:.0f} ms, {n_late} packets out of "
          f"order; carries again after {max(took_s):.1f} s at most")
    differences = watch.compare(watch.finish(), to_end=False)
    assert_nothing_missing(differences, 100 * n_kills)
    assert_viewers_smooth({egress[0]: end})
    assert n_freezes == 0 or silence_ms < FREEZE_MS, \
        f"{n_freezes} freezes in Chromium, {silence_ms} ms without video"
    return took_s


def kill_both_parents(world, cluster, egress, n_trials):
    """Both parents of @egress at once, restarted, the next when it has two
    again. Returns (largest media gap of each trial in ms, Difference)."""
    watch = Watch(world, cluster, ("i1", egress), STREAM)
    watch.wait_begun()
    kills = []
    for _ in range(n_trials):
        parents = wait_for(lambda: len(feeding(cluster[egress])) >= 2 and
                           ours(cluster, egress), f"two parents of {egress}",
                           30)
        nodes = [cluster[p] for p in parents]
        kills.append((kill_and_restart(nodes), tuple(parents)))
        for node in nodes:
            node.wait_ready()
        watch.wait_more(GAP_WINDOW_S, "i1")
    maps = watch.finish()
    difference = Difference(egress, maps["i1"], maps[egress], to_end=False)
    print(difference)
    times = {name: sorted(arrivals(watch.children[name]).values())
             for name in ("i1", egress)}
    gaps = []
    for at_s, parents in kills:
        there, here = (largest_gap_ms(times[name], at_s, at_s + GAP_WINDOW_S)
                       for name in (egress, "i1"))
        gaps.append(there)
        print(f"both parents {parents} killed: largest gap {there:.0f} ms, at "
              f"the origin {here:.0f} ms")
    print("| largest gap |", describe_ms(gaps))
    return gaps, difference


def ours(cluster, name):
    """The node's parents in the topology, when it hears both"""
    member = cluster.member(name)
    both = {member["parent"], member["backup"]}
    return both <= feeding(cluster[name]) and "i1" not in both and both
