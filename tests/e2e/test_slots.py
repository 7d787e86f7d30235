# SPDX-License-Identifier: Apache-2.0
"""Subtrees in a real Redis: what the leader may write of them, and what a node
that would join is told."""
import json
import re

import pytest

from lib.mtctl import NO_FUNCTIONS, fcall, load
from lib.redis import RedisError

STATES = ["none", "planned", "starting", "joined", "serving", "draining",
          "gone"]
WAY = STATES[1:]
BOOT, OTHER = "a" * 32, "b" * 32


@pytest.fixture(params=[(), NO_FUNCTIONS], ids=["functions", "eval"])
def redis(world, request):
    return load(world, *request.param)


@pytest.fixture
def token(redis):
    token = fcall(redis, "mt_acquire", "a", "abcd", 60000, "-")[1]
    fcall(redis, "mt_policy", 0, 0, 200, 200, 200, 0, 0, "me", "{}")
    fcall(redis, "mt_desire", token, 0, 2, "manual", "why", "{}")
    return token


def move(redis, token, ordinal, gen, source, to, text="{}"):
    return fcall(redis, "mt_slot", token, ordinal, gen, source, to, text)


def walk(redis, token, ordinal, to, gen=1, source="none"):
    for state in WAY[:WAY.index(to) + 1]:
        assert move(redis, token, ordinal, gen, source, state) == gen
        source = state


def slots(redis):
    rows = fcall(redis, "mt_slots")
    return {int(rows[i]): rows[i + 1].rsplit(" ", 1)[0]
            for i in range(0, len(rows), 2)}


def join(redis, ordinal, gen, node="n", boot=BOOT):
    return fcall(redis, "mt_join", ordinal, gen, node, boot)


def test_a_life(redis, token):
    assert slots(redis) == {}
    walk(redis, token, 3, "gone")
    assert slots(redis) == {3: "1 gone"}
    with pytest.raises(RedisError, match="^CONFLICT the subtree is in life 1"):
        move(redis, token, 3, 1, "gone", "planned")
    with pytest.raises(RedisError, match="^CONFLICT the subtree is in life 1"):
        move(redis, token, 3, 3, "gone", "planned")
    walk(redis, token, 3, "serving", 2, "gone")
    assert slots(redis) == {3: "2 serving"}
    with pytest.raises(RedisError, match="^CONFLICT the subtree is serving"):
        move(redis, token, 3, 2, "joined", "serving")
    with pytest.raises(RedisError, match="^CONFLICT the subtree is in life 2"):
        move(redis, token, 3, 1, "serving", "draining")
    at = int(redis.call("HGET", "slot:main", 3).split()[2])
    seconds, _ = redis.call("TIME")
    assert abs(int(seconds) - at / 1000) < 60
    rows = fcall(redis, "mt_history", "+", 100)
    assert rows[2::6].count("slot") == 10


def test_ways_as_in_c(redis, token):
    """Each step from each state: allowed here as in cluster/slot.c."""
    with open("cluster/slot.c", encoding="utf-8") as source:
        ways = dict(re.findall(
            r"\[CLUSTER_SLOT_(\w+)\] = ((?:TO \(\w+\)[ |\n]*)+)",
            source.read()))
    assert len(ways) == len(STATES)
    for source in STATES:
        for to in STATES:
            redis.call("DEL", "slot:main")
            if source != "none":
                redis.call("HSET", "slot:main", 1, f"4 {source} 1")
            gen = 5 if (source, to) == ("gone", "planned") else 4
            allowed = f"TO ({to.upper()})" in ways[source.upper()]
            try:
                move(redis, token, 1, gen, source, to)
            except RedisError as error:
                assert not allowed, (source, to, error)
                assert str(error).startswith("BOUND no way from"), error
            else:
                assert allowed, (source, to)


def test_no_more_serve_than_are_desired(redis, token):
    for ordinal in range(2):
        walk(redis, token, ordinal, "serving")
    walk(redis, token, 2, "joined")
    with pytest.raises(RedisError, match="^BOUND 2 serve, 2 are desired"):
        move(redis, token, 2, 1, "joined", "serving")
    with pytest.raises(RedisError, match="^BOUND 2 serve, 2 are desired"):
        move(redis, token, 9, 1, "none", "serving")
    move(redis, token, 0, 1, "serving", "draining")
    assert move(redis, token, 2, 1, "joined", "serving") == 1


def test_bounds(redis, token):
    """On their way: what is desired and 64; of all that ever were: 4096."""
    for ordinal in range(2 + 64):
        move(redis, token, ordinal, 1, "none", "planned")
    with pytest.raises(RedisError, match="^BOUND 66 are on their way or serve"):
        move(redis, token, 66, 1, "none", "planned")
    redis.call("DEL", "slot:main")
    redis.call("HSET", "slot:main", *[
        word for ordinal in range(4096) for word in (ordinal, "1 gone 1")])
    with pytest.raises(RedisError, match="^BOUND the tree has 4096 subtrees"):
        move(redis, token, 4096, 1, "none", "planned")
    assert move(redis, token, 4095, 2, "gone", "planned") == 2
    with pytest.raises(RedisError, match="^BOUND a text of 2049 bytes"):
        move(redis, token, 4095, 2, "planned", "starting", "x" * 2049)


def test_fenced(redis, token):
    older = token
    newer = fcall(redis, "mt_acquire", "a", "abcd", 60000, "-")[1]
    with pytest.raises(RedisError, match="^FENCED a leads"):
        move(redis, older, 1, 1, "none", "planned")
    assert move(redis, newer, 1, 1, "none", "planned") == 1


def test_garbage(redis, token):
    """A value that is none is no subtree."""
    for value in ["", "1 open 1", "x serving 1", "1 serving", "[1]"]:
        redis.call("HSET", "slot:main", 1, value)
        assert join(redis, 1, 1) == "none"
        move(redis, token, 1, 7, "none", "planned")
        assert join(redis, 1, 7) == "planned"


def test_join(redis, token):
    assert join(redis, 0, 1) == "none"
    assert redis.call("EXISTS", "join:n") == 0
    walk(redis, token, 0, "starting")
    assert join(redis, 0, 1) == "starting"
    # the same name twice, before either beats
    with pytest.raises(RedisError, match="^TAKEN another boot lives as n"):
        join(redis, 0, 1, boot=OTHER)
    assert 0 < redis.call("PTTL", "join:n") <= 3000
    redis.call("DEL", "join:n")
    # and when one does
    redis.call("SET", "hb:n", json.dumps({"boot": BOOT}))
    with pytest.raises(RedisError, match="^TAKEN another boot lives as n"):
        join(redis, 0, 1, boot=OTHER)
    assert join(redis, 0, 1) == "starting"
    # of another life
    assert join(redis, 0, 2) == "none"
    assert join(redis, 0, 0) == "gone"
    move(redis, token, 0, 1, "starting", "draining")
    assert join(redis, 0, 1) == "draining"
    move(redis, token, 0, 1, "draining", "gone")
    assert join(redis, 0, 1) == "gone"


def test_two_leaders_of_one_lineage(redis, token):
    """Whatever a deposed one still writes, no more serve than are desired."""
    for ordinal in range(4):
        walk(redis, token, ordinal, "joined")
    leaders = [token, fcall(redis, "mt_acquire", "a", "abcd", 60000, "-")[1]]
    outcomes = []
    for ordinal in range(4):
        for leader in leaders:
            try:
                outcomes.append(move(redis, leader, ordinal, 1, "joined",
                                     "serving"))
            except RedisError as error:
                outcomes.append(str(error).split()[0])
    assert outcomes == ["FENCED", 1] * 2 + ["FENCED", "BOUND"] * 2
    assert list(slots(redis).values()).count("1 serving") == 2
