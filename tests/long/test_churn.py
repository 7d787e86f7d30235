# SPDX-License-Identifier: Apache-2.0
"""Viewers and publishers by the thousand leave nothing behind."""
from lib.wait import wait_for

N_JOINS = 5000
WARM_UP = 500
AT_A_TIME = 20
N_PUBLISHERS = 100


def settled(node):
    wait_for(lambda: node.metrics().total("media_tree_viewers") == 0,
             "no viewer left", 60)
    return node.rss_bytes(), node.n_fds()


def churn(world, node, joins, timeout):
    viewers = world.viewers(node, count=AT_A_TIME,
                            args=["--churn", str(joins)])
    end = viewers.wait_event("end", timeout)
    assert end["failed"] == 0 and end["left"] == joins, end
    assert end["blind"] == 0, "viewers that got no media"


def test_viewers_leave_nothing(world, node, capsys):
    world.obs(node)
    churn(world, node, WARM_UP, 300)
    before = settled(node)
    churn(world, node, N_JOINS, 1800)
    after = settled(node)
    with capsys.disabled():
        print(f"\n| {N_JOINS} joins and leaves | RSS {before[0] >> 10} -> "
              f"{after[0] >> 10} KiB | descriptors {before[1]} -> "
              f"{after[1]} |")
    assert after[1] <= before[1] + 4
    assert after[0] <= before[0] + 8 * 1024 * 1024


def test_publishers_leave_nothing(world, capsys):
    node = world.node("--insecure", "--publisher-linger", "1 s")

    def publish(count):
        for _ in range(count):
            world.obs(node, "coming-and-going").finish()
        wait_for(lambda: node.metrics().total("media_tree_publishers") == 0,
                 "no publisher left", 30)
        return node.rss_bytes(), node.n_fds()
    before = publish(10)
    after = publish(N_PUBLISHERS)
    with capsys.disabled():
        print(f"\n| {N_PUBLISHERS} publishers, one stream | RSS "
              f"{before[0] >> 10} -> {after[0] >> 10} KiB | descriptors "
              f"{before[1]} -> {after[1]} |")
    assert after[1] <= before[1] + 4
    assert after[0] <= before[0] + 16 * 1024 * 1024
