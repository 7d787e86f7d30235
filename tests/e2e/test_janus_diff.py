# SPDX-License-Identifier: Apache-2.0
"""media-tree beside Debian's janus: both are told the same by each script, and
answer the same save what lib/janus_allowed.py names (J1 to J58)."""
import pytest

from lib import (  # noqa: F401
    janus_admin_scripts, janus_core_scripts, janus_streaming_scripts,
    janus_viewer_scripts)
from lib.janus_allowed import ALLOWED
from lib.janus_diff import assert_same
from lib.janus_scripts import SCRIPTS
from lib.janus_sides import Sides, run_both


@pytest.fixture(scope="module")
def sides(module_world):
    return Sides(module_world)


@pytest.mark.parametrize("name,transport", [
    (script.name, transport) for script in SCRIPTS.values()
    for transport in script.transports])
def test_like_janus(name, transport, sides):
    script = SCRIPTS[name]
    theirs, ours = run_both(script, transport, sides.janus(script.settings),
                            sides.media_tree(script.settings))
    assert_same(theirs, ours, [
        entry for entry in ALLOWED
        if entry.script == name and transport in entry.transports])


def test_the_list_is_of_scripts_that_are():
    assert {entry.script for entry in ALLOWED} <= set(SCRIPTS)
    names = [(entry.script, entry.name) for entry in ALLOWED]
    assert len(names) == len(set(names))
    assert all(entry.reason for entry in ALLOWED)
