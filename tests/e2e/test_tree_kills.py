# SPDX-License-Identifier: Apache-2.0
"""Relays are killed while they carry: one at a time nothing is missing, two at
once there is a short gap, and what was missed is filled in. tests/long has
more of the same."""
import pytest

from lib.cluster import Cluster
from lib.kills import kill_both_parents, kill_relays
from lib.trial import assert_nothing_missing

N_KILLS = 3
N_TRIALS = 3
MAX_GAP_MS = 300
RELAYS, EGRESS = ("r1", "r2", "r3"), ("e1", "e2")


@pytest.fixture(scope="module")
def cluster(module_world):
    cluster = Cluster(module_world, module_world.redis().url, "--insecure")
    cluster.grow(injection=1, relay=3, egress=2)
    module_world.obs(cluster["i1"])
    return cluster


def test_relays_killed_one_by_one(world, cluster, peer):
    browser = peer()
    browser.watch(f"{cluster['e1'].url}/whep/live")
    took_s = kill_relays(world, cluster, RELAYS, EGRESS, N_KILLS, browser)
    assert max(took_s) < 30, took_s


def test_both_parents_killed(world, cluster):
    gaps, difference = kill_both_parents(world, cluster, "e1", N_TRIALS)
    assert_nothing_missing([difference])
    assert max(gaps) <= MAX_GAP_MS, gaps
