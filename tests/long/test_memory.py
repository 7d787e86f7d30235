# SPDX-License-Identifier: Apache-2.0
"""What a viewer costs in memory while he watches, and what is left of it."""
from lib.wait import wait_for

N_VIEWERS = 400
MAX_KB = 30


def n_viewers(node):
    return node.metrics().total("media_tree_viewers")


def test_memory_of_a_viewer(world, node, capsys):
    world.obs(node)
    first = world.viewers(node)
    first.wait_video()
    first.finish()
    wait_for(lambda: n_viewers(node) == 0, "no viewer left", 30)
    before = node.rss_bytes()
    viewers = world.viewers(node, count=N_VIEWERS)
    wait_for(lambda: n_viewers(node) == N_VIEWERS, "all viewers", 120)

    def kb_each():
        return (node.rss_bytes() - before) / 1024 / N_VIEWERS
    joined = kb_each()
    wait_for(lambda: kb_each() < MAX_KB, f"{MAX_KB} KB a viewer", 15, 0.2)
    viewers.wait_video(300, 60)
    playing = kb_each()
    viewers.finish()
    wait_for(lambda: n_viewers(node) == 0, "no viewer left", 60)
    with capsys.disabled():
        print(f"\n| KB a viewer of {N_VIEWERS} | joined {joined:.0f} | "
              f"playing {playing:.0f} | after all have left {kb_each():.0f} |")
    assert playing < MAX_KB
