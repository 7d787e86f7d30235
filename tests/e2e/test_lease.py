# SPDX-License-Identifier: Apache-2.0
"""The leader: one at a time, another one soon, and nobody writes who was
deposed. Real Redis, real sentinels, real nodes."""
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.leaders import Candidates, cut_off, lease_of, terms
from lib.namespaces import Network, PlacedStore, can_have_namespaces
from lib.mtctl import NO_FUNCTIONS, fcall, load
from lib.redis import RedisError
from lib.wait import wait_for

RESIGN_S, KILL_S = 0.5, 3.6  # of a machine that others use too
CUT_S = 12  # sentinels' vote, and then one time to live (cluster/lease.h)
N_TRIALS, N_KILLS = 3, 1  # tests/long has fifty changes of masters


def show(what, times):
    print(f"{what}: " + ", ".join(f"{t:.2f}" for t in times) + " s")


def assert_in_order(history):
    """Terms only grow, whoever took them."""
    assert [term for term, _ in history] \
        == sorted({term for term, _ in history}), history


# Who leads

def test_leader_ends(world):
    redis = world.redis()
    candidates = Candidates(world, redis.url)
    first = candidates.wait_leader()
    for node in candidates.nodes:
        assert node.metrics().total("media_tree_scaling_leader") \
            == (node is first)
        lease = lease_of(node)
        assert lease["candidate"] and (lease["why"] == "") == (node is first)
    assert first.metrics().total("media_tree_scaling_term") > 0
    resigned = [candidates.replace(signal.SIGTERM) for _ in range(N_TRIALS)]
    killed = [candidates.replace(signal.SIGKILL) for _ in range(N_TRIALS)]
    show("without a leader after SIGTERM", resigned)
    show("without a leader after SIGKILL", killed)
    assert max(resigned) < RESIGN_S
    assert max(killed) < KILL_S
    history = terms(redis)
    assert_in_order(history)
    assert len(history) == 1 + 2 * N_TRIALS, history
    assert candidates.watch.n_answers > 100
    assert candidates.watch.overlap_s() == 0
    leader = candidates.wait_leader()
    assert history[-1][1] == leader.name
    assert leader.metrics().total("media_tree_lease_transitions_total",
                                  to="leader") == 1


def wait_whole(sentinels):
    """Until every server is the master's replica again, and known."""
    def is_whole():
        master = sentinels.master
        return "state=online" in master.call("INFO", "replication") and all(
            sentinel.call("SENTINEL", "REPLICAS", "tree")
            for sentinel in sentinels.sentinels) and all(
            server is master or server.call("ROLE")[3] == "connected"
            for server in sentinels.servers[:2])
    wait_for(is_whole, "a master with its replica", 60)


def test_master_is_killed(world):
    sentinels = world.sentinels()
    candidates = Candidates(world, sentinels.url, 2)
    candidates.wait_leader()
    took, history = [], []
    for trial in range(N_KILLS):
        wait_whole(sentinels)
        candidates.wait_leader()
        cfg = terms(sentinels.master)[-1][0][0]
        old = sentinels.master
        begin = time.monotonic()
        old.kill()
        # how long sentinels take, who vote, is theirs
        wait_for(lambda: sentinels.master is not old, "another master", 60,
                 0.01)
        new, switched = sentinels.master, time.monotonic()
        # somebody has a lease there that was taken there
        wait_for(lambda: terms(new)[-1][0][0] > cfg
                 and new.call("GET", "lease:scaler"), "a new lease", 20, 0.01)
        took += [switched - begin, time.monotonic() - switched]
        history.append(terms(new)[-1])
        if trial == 0:
            # a lease that no replica has is held, and not acted on
            wait_for(lambda: not candidates.find_leader() and any(
                "no replica" in lease_of(node)["why"]
                for node in candidates.nodes), "a leader that waits", 20)
        old.start()
        # its renewals count only now, with a replica
        candidates.wait_leader(60)
    show("with the master killed, until there was another", took[::2])
    show("and then until somebody had a lease from it", took[1::2])
    assert max(took[1::2]) < KILL_S
    # a master that comes back empty may forget: each was seen when it was new
    assert_in_order(history)
    assert len({term[0] for term, _ in history}) == N_KILLS, history
    assert candidates.watch.overlap_s() == 0
    assert sum(node.metrics().total("media_tree_lease_renewals_total",
                                    result="uncounted")
               for node in candidates.nodes) > 0


def cut_once(world):
    """Hosts, a store and candidates of its own; returns as cut_off does."""
    network = world.add(Network())
    store = world.add(PlacedStore(network, world.directory_of))
    candidates = Candidates(world, store.url, 2, network)
    took = cut_off(network, store, candidates)
    assert candidates.watch.n_answers > 100
    assert candidates.watch.overlap_s() == 0
    with store.master.host.entered():
        assert_in_order(terms(store.master))
    return took


@pytest.mark.skipif(not can_have_namespaces(), reason="not root here")
def test_cut_off_with_the_master(world):
    """Side by side: most of it is waiting for sentinels."""
    with ThreadPoolExecutor(N_TRIALS) as pool:
        took = list(pool.map(cut_once, [world] * N_TRIALS))
    show("without a leader that can be asked, after a cut", took)
    assert max(took) < CUT_S


def test_eval(world):
    """A server without functions"""
    redis = world.redis(*NO_FUNCTIONS)
    candidates = Candidates(world, redis.url, 2)
    took = candidates.replace(signal.SIGTERM)
    assert took < RESIGN_S


def test_alone(node):
    scaling = node.state()["scaling"]
    assert scaling["lease"] is None
    assert "redis-url" in scaling["controller"]["why"]
    assert not any(name.startswith("media_tree_lease")
                   for name in node.metrics().names())


# What the functions refuse

@pytest.fixture(params=[(), NO_FUNCTIONS], ids=["functions", "eval"])
def loaded(world, request):
    return load(world, *request.param)


def acquire(redis, node, ttl=60000, cfg="-", nonce="abcd"):
    return fcall(redis, "mt_acquire", node, nonce, ttl, cfg)


def desire(redis, token, version, n, cause="demand"):
    return fcall(redis, "mt_desire", token, version, n, cause, "why",
                 '{"why":"test"}')


def put_policy(redis, version, low=1, high=10, out=3, back=2, cool_out=60000,
               cool_in=60000):
    return fcall(redis, "mt_policy", version, low, high, out, back, cool_out,
                 cool_in, "me", "{}")


def test_lease_functions(loaded):
    word, token = acquire(loaded, "a")
    assert word == "OK" and token.endswith(":a:abcd")
    assert acquire(loaded, "b")[:2] == ["HELD", token]
    # its own, whose answer was lost: above the old one
    word, again = acquire(loaded, "a")
    assert word == "OK" and int(again.split(":")[1]) > int(token.split(":")[1])
    with pytest.raises(RedisError, match="^FENCED a leads"):
        fcall(loaded, "mt_renew", token, 60000)
    assert fcall(loaded, "mt_renew", again, 60000) == 1
    assert fcall(loaded, "mt_resign", token) == 0
    assert fcall(loaded, "mt_resign", again) == 1
    with pytest.raises(RedisError, match="^FENCED nobody leads"):
        fcall(loaded, "mt_renew", again, 60000)
    # sentinels that know less than the store
    assert acquire(loaded, "b", cfg=5)[0] == "OK"
    with pytest.raises(RedisError, match="^STALE config epoch 4, here was 5"):
        acquire(loaded, "a", cfg=4)
    # a lease that somebody wrote without an end gets one
    loaded.call("SET", "lease:scaler", "5:1:x:y")
    assert acquire(loaded, "a", 3000)[2] == 3000
    assert 0 < loaded.call("PTTL", "lease:scaler") <= 3000
    # a clock that was set back
    loaded.call("DEL", "lease:scaler")
    loaded.call("HSET", "lease:epoch", "ctr", 9 * 10 ** 12)
    assert acquire(loaded, "a")[1] == f"5:{9 * 10 ** 12 + 1}:a:abcd"


def test_desire_is_bound(loaded):
    token = acquire(loaded, "a")[1]
    with pytest.raises(RedisError, match="^BOUND the tree has no policy"):
        desire(loaded, token, 0, 1)
    for bad in [{"low": 11}, {"out": -1}, {"cool_in": "x"}, {"high": 1.5}]:
        with pytest.raises(RedisError, match="^BOUND"):
            put_policy(loaded, 0, **bad)
    assert put_policy(loaded, 0) == 1
    with pytest.raises(RedisError, match="^CONFLICT the version is 1"):
        put_policy(loaded, 0)
    assert desire(loaded, token, 0, 4) == 1  # at first: what is there
    with pytest.raises(RedisError, match="^FENCED a leads"):
        desire(loaded, token + "x", 1, 5)
    with pytest.raises(RedisError, match="^CONFLICT the version is 1"):
        desire(loaded, token, 0, 5)
    for n in 0, 11:
        with pytest.raises(RedisError, match="^BOUND"):
            desire(loaded, token, 1, n)
    for n in 8, 1:
        with pytest.raises(RedisError, match="^BOUND a step of"):
            desire(loaded, token, 1, n)
    with pytest.raises(RedisError, match="^COOLDOWN"):
        desire(loaded, token, 1, 3)  # back: after the cooldown
    assert desire(loaded, token, 1, 4) == 1  # the same: nothing changes
    # demand waits for a second, a threshold for the cooldown
    wait_for(lambda: desire(loaded, token, 1, 5, "threshold") == 2,
             "a second", 3)
    with pytest.raises(RedisError, match="^COOLDOWN for [0-9]+ ms"):
        desire(loaded, token, 2, 6)
    wait_for(lambda: desire(loaded, token, 2, 6) == 3, "a second", 3)
    with pytest.raises(RedisError, match="^COOLDOWN for [0-9]{5} ms"):
        desire(loaded, token, 3, 7, "threshold")
    # growth for demand is none for a threshold
    floor_at, out_at = loaded.call("HMGET", "desired:main", "floor_at",
                                   "out_at")
    assert int(floor_at) < int(out_at)
    # by hand nothing cools down, but steps hold
    wait_for(lambda: desire(loaded, token, 3, 4, "manual") == 4, "a second",
             3)
    # a policy that became narrower is reached without waiting
    assert put_policy(loaded, 1, high=3) == 2
    wait_for(lambda: desire(loaded, token, 4, 3) == 5, "a second", 3)
    assert put_policy(loaded, 2, low=8) == 3
    assert desire(loaded, token, 5, 8) == 6
    history = fcall(loaded, "mt_history", "+", 500)
    assert [row for row in history[2::6] if row != "outcome"] \
        == ["desire", "policy", "desire", "policy"] + ["desire"] * 4 \
        + ["policy", "acquire"]
    assert loaded.call("HGET", "desired:main", "n") == "8"
    # one that is further away than a step, in steps
    assert put_policy(loaded, 3, low=0, high=2) == 4
    for n in 8, 9:
        with pytest.raises(RedisError, match="^BOUND . is not in 0 to 2"):
            desire(loaded, token, 6, n)
    with pytest.raises(RedisError, match="^BOUND a step of 3"):
        desire(loaded, token, 6, 5)
    wait_for(lambda: desire(loaded, token, 6, 6) == 7, "a second", 3)
    # whatever the policy says, one step down in 25 s
    assert put_policy(loaded, 4, cool_in=0) == 5
    with pytest.raises(RedisError, match="^COOLDOWN for 2[0-9]{4} ms"):
        desire(loaded, token, 7, 5)


def test_audit(loaded):
    token = acquire(loaded, "a")[1]
    ids = [fcall(loaded, "mt_audit", token, "hold", "a", f"{i}")
           for i in range(5)]
    fcall(loaded, "mt_audit", "", "approve", "somebody", "{}")
    fcall(loaded, "mt_audit", "", "hold", "x", "{}", tree="other")
    with pytest.raises(RedisError, match="^FENCED"):
        fcall(loaded, "mt_audit", "1:2:a:abcd", "hold", "a", "{}")
    with pytest.raises(RedisError, match="^BOUND a text of 2049 bytes"):
        fcall(loaded, "mt_audit", token, "hold", "a", "x" * 2049)
    rows = fcall(loaded, "mt_history", "+", 3)
    assert rows[2::6] == ["approve", "hold", "hold"]
    assert fcall(loaded, "mt_history", "(" + ids[3], 10)[0::6][:3] \
        == ids[2::-1]
