# SPDX-License-Identifier: Apache-2.0
"""Random requests of the Janus API, to every verb of its core, its Admin API
and the Streaming plugin, by HTTP and WebSocket; tests/long sends more."""
from lib.janus_load import bombard
from lib.wait import wait_for

N_RANDOM = 4000


def test_random_requests(world):
    node = world.node()
    world.obs(node, "52")  # one of the ids that requests ask for
    seen = bombard(node, 3, N_RANDOM)
    node.assert_alive()
    assert seen["success"] > N_RANDOM / 10 and seen["ack"] > N_RANDOM / 50
    wait_for(lambda: node.metrics().total("media_tree_janus_sessions") == 0,
             "no session left")
    assert node.metrics().total("media_tree_janus_handles") == 0
