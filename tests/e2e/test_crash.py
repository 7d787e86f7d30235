# SPDX-License-Identifier: Apache-2.0
"""A node that was killed and is started again says goodbye to the publishers
of the dead process (--state-dir): OBS reconnects only after close_notify, or
after 30 s of silence."""
import os
import stat
import time

from lib.node import run_binary
from lib.wait import wait_for

IGNORED = 300  # packets: two seconds of what obs-client sends


def crash_node(world, tmp_path, *args):
    return world.node("--insecure", "--state-dir", str(tmp_path / "state"),
                      *args)


def wills(tmp_path):
    """{name: bytes}; a file may go while we look."""
    directory = tmp_path / "state" / "wills"
    found = {}
    for name in os.listdir(directory):
        try:
            found[name] = (directory / name).read_bytes()
        except FileNotFoundError:
            pass
    return found


def wait_wills(tmp_path, count):
    return wait_for(lambda: len(wills(tmp_path)) == count and
                    (wills(tmp_path) or True), f"{count} wills")


def restart(node):
    """kill -9 and a new process; monotonic time of its start."""
    node.kill()
    start = time.monotonic()
    node.start()
    return start


def sent(node):
    return node.metrics().total("media_tree_wills_sent_total")


def test_publisher_is_told_and_comes_back(world, tmp_path):
    node = crash_node(world, tmp_path)
    first, other = world.obs(node), world.obs(node, "other")
    world.viewers(node).wait_video(10)
    wait_wills(tmp_path, 2)
    start = restart(node)
    ready = time.monotonic()
    for obs in (first, other):
        obs.wait_event("closed", 1)
    print(f"restart: ready after {ready - start:.3f} s, both publishers "
          f"closed after {time.monotonic() - start:.3f} s")
    assert first.finish()["closed_by_peer"]
    assert sent(node) == 2
    wait_wills(tmp_path, 0)
    again = world.obs(node)
    viewers = world.viewers(node)
    viewers.wait_video(30)
    wait_wills(tmp_path, 1)
    assert again.finish()["delete_status"] == 200
    wait_wills(tmp_path, 0)


def test_without_state_dir_nobody_is_told(world):
    """The counter-test: the same crash, and the publisher goes on sending to
    a node that drops what it does not know."""
    node = world.node("--insecure")
    obs = world.obs(node)
    restart(node)
    wait_for(lambda: node.metrics().total(
        "media_tree_rtc_dropped_packets_total",
        reason="unknown_address") > IGNORED, "ignored packets")
    assert not obs.find("closed")


def test_roaming_publisher_is_told(world, tmp_path):
    """The will follows the publisher to his new address."""
    node = crash_node(world, tmp_path)
    obs = world.obs(node)
    before = wait_wills(tmp_path, 1)
    obs.tell("rebind")
    wait_for(lambda: len(wills(tmp_path)) == 1 and wills(tmp_path) != before,
             "will for the new address")
    restart(node)
    obs.wait_event("closed", 1)
    assert sent(node) == 1


def test_proper_end_leaves_nothing(world, tmp_path):
    node = crash_node(world, tmp_path)
    obs = world.obs(node)
    name, = wait_wills(tmp_path, 1)
    directory = tmp_path / "state" / "wills"
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(directory / name).st_mode) == 0o600
    node.stop()
    obs.wait_event("closed", 2)
    assert wills(tmp_path) == {}
    node.log = open(node.log_path, "ab")
    node.start()
    assert sent(node) == 0


def test_takeover_and_crash(world, tmp_path):
    """A will goes with its session."""
    node = crash_node(world, tmp_path)
    first = world.obs(node)
    before = wait_wills(tmp_path, 1)
    second = world.obs(node)
    first.wait_event("closed", 5)
    wait_for(lambda: len(wills(tmp_path)) == 1 and
             wills(tmp_path).keys() != before.keys(), "the second's will only")
    restart(node)
    second.wait_event("closed", 1)
    assert sent(node) == 1


def test_what_is_no_will_is_deleted(world, tmp_path):
    directory = tmp_path / "state" / "wills"
    os.makedirs(directory)
    for i, data in enumerate((b"", b"junk" * 8, bytes(128), b"x" * 100000)):
        (directory / f"{i:016x}.will").write_bytes(data)
    (directory / "0123456789abcdef.will").symlink_to("/etc/passwd")
    os.mkfifo(directory / "fedcba9876543210.will")
    (directory / "fedcba9876543210.tmp").write_bytes(b"half")
    (directory / "notes").write_text("not ours")
    node = crash_node(world, tmp_path)
    assert set(wills(tmp_path)) == {"notes"}
    warnings = [line for line in node.read_log().splitlines()
                if "no wills" in line]
    assert len(warnings) == 1 and "6 files" in warnings[0], warnings
    assert node.metrics().total("media_tree_wills_failed_total") == 6


def test_state_dir_in_use(world, tmp_path):
    crash_node(world, tmp_path)
    second = run_binary("--http-listen", "127.0.0.1:0", "--rtc-port", "0",
                        "--state-dir", str(tmp_path / "state"))
    assert second.returncode == 78
    assert "state-dir: " in second.stderr and "in use" in second.stderr


def test_state_dir_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    node = run_binary("--http-listen", "127.0.0.1:0", "--rtc-port", "0",
                      "--state-dir", str(tmp_path / "file" / "below"))
    assert node.returncode == 71
    assert "state-dir: " in node.stderr
