# SPDX-License-Identifier: Apache-2.0
"""The differential suite's own proof: two Janus that are told the same by each
script differ in nothing, and seeded differences are found."""
import copy

import pytest

from lib import (  # noqa: F401
    janus_admin_scripts, janus_core_scripts, janus_streaming_scripts,
    janus_viewer_scripts)
from lib.janus_diff import (
    ABSENT, Allowed, Difference, Names, assert_same, compare)
from lib.janus_scripts import SCRIPTS
from lib.janus_sides import Sides, run_both

RECORD = [
    ("one", {"janus": "error", "error": {"code": 458, "reason": "no"}}),
    ("two", {"answer": {"list": [{"id": 1, "enabled": True}, {"id": 2}]}}),
    ("three", {"events": []})]


@pytest.fixture(scope="module")
def sides(module_world):
    return Sides(module_world)


@pytest.mark.parametrize("name", [
    script.name for script in SCRIPTS.values() if not script.is_slow])
def test_janus_is_like_itself(name, sides):
    script = SCRIPTS[name]
    first, second = run_both(
        script, script.transports[-1], sides.janus(script.settings),
        sides.janus(script.settings, "another"))
    assert first, "nothing was asked"
    assert_same(first, second, [])


@pytest.mark.parametrize("change,found", [
    (lambda r: r[0][1]["error"].update(code=459),
     Difference("one", "$.error.code", 458, 459)),
    (lambda r: r[0][1]["error"].pop("reason"),
     Difference("one", "$.error.reason", "no", ABSENT)),
    (lambda r: r[0][1].update(hint="x"),
     Difference("one", "$.hint", ABSENT, "x")),
    (lambda r: r[1][1]["answer"]["list"][0].update(enabled=1),
     Difference("two", "$.answer.list[0].enabled", True, 1)),
    (lambda r: r[1][1]["answer"]["list"].pop(),
     Difference("two", "$.answer.list[1].id", 2, ABSENT)),
])
def test_a_difference_is_found(change, found):
    other = copy.deepcopy(RECORD)
    assert compare(RECORD, other) == []
    change(other)
    assert compare(RECORD, other) == [found]
    with pytest.raises(AssertionError, match="1 differences"):
        assert_same(RECORD, other, [])


def test_an_event_too_many_is_found():
    other = copy.deepcopy(RECORD)
    other[2][1]["events"].append({"janus": "media"})
    assert compare(RECORD, other) == [
        Difference("three", "$.events", [], ABSENT),
        Difference("three", "$.events[0].janus", ABSENT, "media")]


def allow(**more):
    return Allowed(**{"name": "a", "reason": "b", "script": "c",
                      "step": "one", "path": "$.error.code", **more})


def test_an_allowed_difference_is_one_only():
    other = copy.deepcopy(RECORD)
    other[0][1]["error"]["code"] = 459
    assert_same(RECORD, other, [allow()])
    assert_same(RECORD, other, [allow(theirs=458, ours=459)])
    assert_same(RECORD, other, [allow(step="o*", path="$*")])
    for miss in (allow(step="two"), allow(path="$.error.reason"),
                 allow(theirs=459), allow(ours=458), allow(step="[on]e")):
        with pytest.raises(AssertionError, match="1 differences"):
            assert_same(RECORD, other, [miss])


def test_an_allowance_that_nothing_needs_is_an_error():
    other = copy.deepcopy(RECORD)
    with pytest.raises(AssertionError, match="no such difference.*'a'"):
        assert_same(RECORD, other, [allow()])
    other[0][1]["error"]["code"] = 459
    with pytest.raises(AssertionError, match="no such difference.*'other'"):
        assert_same(RECORD, other, [allow(), allow(name="other", step="two")])


def test_what_differs_by_nature_becomes_a_word():
    names = Names()
    names.whole_sdp = True
    names.add(123456789, "<S>")
    sdp = ("v=0\r\no=- 17 2 IN IP4 192.0.2.1\r\nm=audio 9 UDP/TLS/RTP/SAVPF "
           "111\r\na=ice-ufrag:abcd\r\na=ice-pwd:short\r\na=ssrc:5 cname:x\r\n")
    assert names.clean({
        "session_id": 123456789, "reason": "No such session 123456789",
        "id": 77, "port": 5004, "rtcpport": 0, "age_ms": 12, "ok": True,
        "list": [{"id": 9}, {"id": 3}], "sdp": sdp}) == {
            "session_id": "<S>", "reason": "No such session <S>", "id": 77,
            "port": "<port>", "rtcpport": 0, "age_ms": "<age_ms>", "ok": True,
            "list": [{"id": 3}, {"id": 9}], "sdp": {
                "session": {"v=0": True, "o=- <id> 2 <address>": True},
                "media": [{"m=audio 9 UDP/TLS/RTP/SAVPF 111": True,
                           "a=ice-ufrag:<ufrag>": True,
                           "a=ice-pwd:short": True,
                           "a=ssrc:<ssrc> cname:x": True}]}}
