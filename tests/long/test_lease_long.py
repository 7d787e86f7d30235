# SPDX-License-Identifier: Apache-2.0
"""The leader is cut off together with its master, fifty times: never do two
lead."""
import pytest

from lib.leaders import Candidates, cut_off, terms
from lib.namespaces import Network, PlacedStore, can_have_namespaces

N_CUTS = 50
TAKEOVER_S = 8


@pytest.mark.skipif(not can_have_namespaces(), reason="not root here")
def test_cuts(world):
    network = world.add(Network())
    store = world.add(PlacedStore(network, world.directory_of))
    candidates = Candidates(world, store.url, 3, network)
    took = sorted(cut_off(network, store, candidates)
                  for _ in range(N_CUTS))
    print(f"{N_CUTS} cuts: without a leader {took[0]:.2f} to {took[-1]:.2f} s,"
          f" median {took[N_CUTS // 2]:.2f} s; two leaders for "
          f"{candidates.watch.overlap_s():.3f} s, of "
          f"{candidates.watch.n_answers} answers")
    assert candidates.watch.overlap_s() == 0
    assert took[-1] < TAKEOVER_S
    with store.master.host.entered():
        history = [term for term, _ in terms(store.master)]
    assert history == sorted(set(history))
