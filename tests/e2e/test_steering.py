# SPDX-License-Identifier: Apache-2.0
"""What people steer, as the functions in Redis hold it: the switch, numbers by
hand that hold for a while, proposals and the way back. Real Redis, no nodes."""
import json

import pytest

from lib.mtctl import NO_FUNCTIONS, fcall, load
from lib.redis import RedisError
from lib.wait import wait_for


@pytest.fixture(params=[(), NO_FUNCTIONS], ids=["functions", "eval"])
def loaded(world, request):
    return load(world, *request.param)


@pytest.fixture
def token(loaded):
    assert policy(loaded) == 1
    _, token = fcall(loaded, "mt_acquire", "a", "abcd", 60000, "-")
    assert desire(loaded, token, 0, 4) == 1
    return token


def policy(redis, version=0, low=1, high=10):
    return fcall(redis, "mt_policy", version, low, high, 3, 2, 60000, 60000,
                 "me", "{}")


def desire(redis, token, version, n, cause="demand"):
    return fcall(redis, "mt_desire", token, version, n, cause, "why", "{}")


def set_n(redis, n, hold_ms=0):
    return fcall(redis, "mt_set", n, hold_ms, "anna", "a test")


def propose(redis, token, version, n, ttl_ms=60000):
    return fcall(redis, "mt_propose", token, version, n, ttl_ms, "joins",
                 '{"n":%d}' % n)


def answer(redis, entry, verdict):
    return fcall(redis, "mt_answer", entry, verdict, "anna", "it's fine")


def history(redis, *kinds):
    rows = fcall(redis, "mt_history", "+", 500)
    return [(rows[i], rows[i + 2], rows[i + 3], json.loads(rows[i + 5] or "{}"))
            for i in range(0, len(rows), 6) if rows[i + 2] in kinds]


def n_desired(redis):
    return int(redis.call("HGET", "desired:main", "n"))


def refused(why, func, *args):
    with pytest.raises(RedisError, match="^" + why):
        func(*args)


def in_a_second(func, *args):
    """Two changes are a second apart; other refusals are raised at once."""
    def try_it():
        try:
            return [func(*args)]
        except RedisError as error:
            if not str(error).startswith("COOLDOWN for"):
                raise
            return None
    return wait_for(try_it, "a second between changes", 3)[0]


def test_switch(loaded):
    assert fcall(loaded, "mt_steering")[:4] == [None] * 4
    assert fcall(loaded, "mt_enable", "1", "anna", "live") == 1
    assert fcall(loaded, "mt_enable", "1", "bert", "again") == 1
    assert fcall(loaded, "mt_enable", "0", "bert", 'say "no"') == 2
    assert fcall(loaded, "mt_steering")[:3] == ["2", "0", "bert"]
    off, on = history(loaded, "enable")
    assert (on[2], on[3]["before"], on[3]["after"]) == ("anna", None, True)
    assert off[3] == {"before": True, "after": False, "reason": 'say "no"',
                      "outcome": "done"}


def test_set(loaded, token):
    refused("BOUND 11 is not in 1 to 10", set_n, loaded, 11)
    assert in_a_second(set_n, loaded, 7) == 2
    refused("COOLDOWN", set_n, loaded, 6)
    refused("BOUND a step of 3", set_n, loaded, 4)
    # back by hand: no cooldown but the second
    assert in_a_second(set_n, loaded, 6) == 3
    texts = [(row[2], row[3]["before"], row[3]["after"])
             for row in history(loaded, "set")]
    assert texts == [("anna", 7, 6), ("anna", 4, 7)]
    # each change ends the one before
    assert [(row[3]["version"], row[3]["after"], row[3]["outcome"])
            for row in history(loaded, "outcome")] == [(2, 7, "replaced"),
                                                       (1, 4, "replaced")]
    assert history(loaded, "outcome")[0][3]["duration_ms"] >= 1000


def test_set_holds(loaded, token):
    assert in_a_second(set_n, loaded, 5, 60000) == 2
    kind, bound, until = fcall(loaded, "mt_steering")[5:8]
    assert (kind, bound) == ("min", "5") and int(until) > 0
    assert in_a_second(desire, loaded, token, 2, 6) == 3  # more is free
    assert in_a_second(set_n, loaded, 4, 60000) == 4
    wait_for(lambda: loaded.call("TIME") and _says(
        loaded, token, 4, 5, "COOLDOWN for [0-9]+ ms: a person asked for 4"),
        "the pin's own refusal", 3)
    assert n_desired(loaded) == 4
    # where the policy has moved on, a person's number does not count
    assert policy(loaded, 1, low=5) == 2
    assert in_a_second(desire, loaded, token, 4, 5) == 5


def _says(redis, token, version, n, why):
    refused(why, desire, redis, token, version, n)
    return True


def test_proposals(loaded, token):
    refused("FENCED", propose, loaded, token + "x", 1, 5)
    refused("CONFLICT the version is 1", propose, loaded, token, 0, 5)
    refused("CONFLICT it is 4", propose, loaded, token, 1, 4)
    assert propose(loaded, token, 1, 5) == 1
    # the same direction waits already; the person decides on what stands there
    assert propose(loaded, token, 1, 6) == 0
    row = fcall(loaded, "mt_steering")[8:17]
    entry = row[0]
    assert row[1:6] == ["waiting", "1", "4", "5", "joins"]
    assert history(loaded, "propose")[0][0] == entry
    refused("MISSING", answer, loaded, "1-1", "approve")
    refused("MISSING", lambda: fcall(
        loaded, "mt_answer", entry, "approve", "x", "", tree="other"))
    # the other direction replaces it
    assert propose(loaded, token, 1, 3) == 1
    refused("CONFLICT it is replaced", answer, loaded, entry, "approve")
    entry = fcall(loaded, "mt_steering")[8]
    assert in_a_second(answer, loaded, entry, "approve") == 2
    assert n_desired(loaded) == 3
    refused("CONFLICT it is approved by anna", answer, loaded, entry, "reject")
    _, _, by, text = history(loaded, "approve")[0]
    assert by == "anna" and text["proposal"] == entry
    assert (text["before"], text["after"]) == (4, 3)


def test_rejected(loaded, token):
    assert propose(loaded, token, 1, 5, 300) == 1
    entry = fcall(loaded, "mt_steering")[8]
    assert answer(loaded, entry, "reject") == 1
    assert n_desired(loaded) == 4
    assert history(loaded, "reject")[0][3]["after"] == 4
    # not asked again within its time, then anew
    refused("COOLDOWN", propose, loaded, token, 1, 6)
    wait_for(lambda: _proposed(loaded, token), "the end of the refusal", 5)
    entry = fcall(loaded, "mt_steering")[8]
    wait_for(lambda: _expired(loaded, entry), "its end", 5)
    assert fcall(loaded, "mt_steering")[9] == "waiting"  # and expired
    assert propose(loaded, token, 1, 6) == 1


def _proposed(redis, token):
    try:
        return propose(redis, token, 1, 6, 300)
    except RedisError:
        return 0


def _expired(redis, entry):
    row = fcall(redis, "mt_steering")
    if int(row[15]) > int(row[17]):
        return False
    refused("CONFLICT it has expired", answer, redis, entry, "approve")
    return True


def test_rollback(loaded, token):
    first = history(loaded, "desire")[0][0]
    refused("BOUND there was nothing before", fcall, loaded, "mt_rollback",
            first, 0, "anna", "")
    assert in_a_second(desire, loaded, token, 1, 7) == 2
    entry = history(loaded, "desire")[0][0]
    for bad in "x", "1-1", "1-", history(loaded, "outcome")[0][0]:
        refused("MISSING", fcall, loaded, "mt_rollback", bad, 0, "anna", "")
    # 3 back, where a step is 2, without a cooldown; and it stays so
    assert in_a_second(fcall, loaded, "mt_rollback", entry, 60000, "anna",
                       "drops") == 3
    assert n_desired(loaded) == 4
    assert history(loaded, "rollback")[0][3] == {
        "entry": entry, "before": 7, "after": 4, "outcome": "asked",
        "reason": "drops", "hold_ms": 60000}
    wait_for(lambda: _says(loaded, token, 3, 5, "COOLDOWN"), "a refusal")
    wait_for(lambda: _says(loaded, token, 3, 5, "COOLDOWN.*a person asked"),
             "the pin's own refusal", 3)
    refused("CONFLICT the version is 3, that change made 2", fcall, loaded,
            "mt_rollback", entry, 0, "anna", "")
    # a rollback is a change too
    assert in_a_second(fcall, loaded, "mt_rollback",
                       history(loaded, "rollback")[0][0], 0, "anna", "") == 4
    assert n_desired(loaded) == 7


def test_leaders_words(loaded, token):
    assert fcall(loaded, "mt_tell", token, 60000, '{"a":1}') == 1
    assert fcall(loaded, "mt_steering")[4] == '{"a":1}'
    refused("FENCED", fcall, loaded, "mt_tell", token + "x", 1000, "{}")
    refused("BOUND a text of 4097", fcall, loaded, "mt_tell", token, 1000,
            "x" * 4097)
    assert fcall(loaded, "mt_outcome", token, 1, "serves") == 1
    assert fcall(loaded, "mt_outcome", token, 1, "serves") == 0  # once
    refused("CONFLICT", fcall, loaded, "mt_outcome", token, 2, "serves")
    refused("FENCED", fcall, loaded, "mt_outcome", token + "x", 1, "serves")
    refused("BOUND", fcall, loaded, "mt_outcome", token, 1, 'x"')
    assert len(history(loaded, "outcome")) == 1


def test_policies_and_back(loaded, token):
    """What a policy was is kept, whole; the way back makes a new version."""
    policy(loaded, 1, low=2, high=20)
    fcall(loaded, "mt_policy", 2, 3, 30, 4, 5, 6, 7, "bert", '{"a":1}')
    entry, _, by, text = history(loaded, "policy")[0]
    assert by == "bert" and text == {
        "outcome": "done", "version": 3, "min": 3, "max": 30, "step_out": 4,
        "step_in": 5, "before": {"version": 2, "min": 2, "max": 20,
                                 "step_out": 3, "step_in": 2}}
    older = history(loaded, "policy")[1][0]
    refused("CONFLICT the version is 3, that change made 2", fcall, loaded,
            "mt_rollback", older, 0, "anna", "")
    assert fcall(loaded, "mt_rollback", entry, 0, "anna", 'a "bad" one') == 4
    assert loaded.call("HMGET", "policy:main", "ver", "min", "max", "step_out",
                       "step_in", "cool_out", "cool_in", "by", "text") == [
        "4", "2", "20", "3", "2", "60000", "60000", "anna", "{}"]
    back = history(loaded, "rollback")[0]
    assert back[2] == "anna" and back[3] == {
        "outcome": "done", "of": "policy", "entry": entry,
        "reason": 'a "bad" one', "version": 4, "min": 2, "max": 20,
        "step_out": 3, "step_in": 2, "before": {
            "version": 3, "min": 3, "max": 30, "step_out": 4, "step_in": 5}}
    # what it does holds at once, and it can be taken back too
    assert fcall(loaded, "mt_rollback", back[0], 0, "anna", "") == 5
    refused("BOUND 2 is not in 3 to 30", set_n, loaded, 2)
    assert loaded.call("HGET", "policy:main", "text") == '{"a":1}'
    # as many as are kept
    for version in range(5, 15):
        policy(loaded, version)
    assert len(loaded.call("KEYS", "policywas:*")) == 8


def test_first_policy(loaded, token):
    entry = history(loaded, "policy")[0][0]
    refused("BOUND there was nothing before", fcall, loaded, "mt_rollback",
            entry, 0, "anna", "")


def test_outcome_says_whose(loaded, token):
    """Of which entry, from what to what, what it was for, how long."""
    assert in_a_second(set_n, loaded, 6) == 2
    entry = history(loaded, "set")[0][0]
    assert fcall(loaded, "mt_outcome", token, 2, "serves") == 1
    text = history(loaded, "outcome")[0][3]
    assert text.pop("duration_ms") >= 0
    assert text == {"outcome": "serves", "version": 2, "entry": entry,
                    "cause": "manual", "before": 4, "after": 6}
