# SPDX-License-Identifier: Apache-2.0
"""What sessions of the Janus API cost while nothing happens, and what a
hundred thousand random requests leave behind."""
from lib.janus_load import Idlers, bombard, cpu_share
from lib.wait import wait_for

N_SESSIONS = 2000
N_POLLS = 500
MAX_CPU = 0.01
MAX_MB = 20
WINDOW_S = 20
N_RANDOM = 100000
WARM_UP = 20000


def test_idle_sessions_cost_nothing(world, capsys):
    node = world.node("--janus-max-sessions", "3000")
    quiet = cpu_share(node, WINDOW_S)
    before = node.rss_bytes()
    idlers = Idlers(node, N_SESSIONS, N_POLLS)
    mb = (node.rss_bytes() - before) / 1e6
    busy = cpu_share(node, WINDOW_S)
    idlers.close()
    with capsys.disabled():
        print(f"\n| {N_SESSIONS} idle sessions, {N_POLLS} polls | "
              f"{(busy - quiet) * 100:.2f} % of a core (without: "
              f"{quiet * 100:.2f}) | {mb:.1f} MB |")
    assert busy - quiet < MAX_CPU
    assert mb < MAX_MB


def test_random_requests_leave_nothing(world, capsys):
    node = world.node("--janus-session-timeout", "5 s")
    world.obs(node, "52")  # one of the ids that requests ask for

    def settled():
        wait_for(lambda: node.metrics().total("media_tree_janus_sessions")
                 == 0, "no session left", 30)
        return node.rss_bytes(), node.n_fds()
    bombard(node, 1, WARM_UP)
    before = settled()
    seen = bombard(node, 2, N_RANDOM)
    after = settled()
    with capsys.disabled():
        print(f"\n| {N_RANDOM} random requests | RSS {before[0] >> 10} -> "
              f"{after[0] >> 10} KiB | descriptors {before[1]} -> {after[1]} |"
              f"\n{seen}")
    node.assert_alive()
    assert after[1] <= before[1] + 4
    assert after[0] <= before[0] + 8 * 1024 * 1024
