# SPDX-License-Identifier: Apache-2.0
"""A node is told to go: nobody new is let in, its viewers go on elsewhere in
the middle of the picture, and then it ends."""
import json
import subprocess

import pytest

from lib.cluster import Cluster
from lib.ctl import (NOT_FOUND, OK, REFUSED, TRY_AGAIN, UNREACHED, USAGE, ctl,
                     environment_of, fails, prints)
from lib.moves import FREEZE_MS, Watcher, drain
from lib.node import BINARY, free_ports
from lib.wait import wait_for


@pytest.fixture
def cluster(world):
    cluster = Cluster(world, world.redis().url, "--insecure")
    cluster.grow(injection=1, relay=2, egress=2)
    world.obs(cluster["i1"])
    cluster.wait_live("live")
    return cluster


def is_draining(cluster, seen_by, name):
    nodes = cluster[seen_by].request("/api/nodes").json()
    return any(n["id"] == name and n["draining"] for n in nodes)


def test_egress_drains_without_a_break(world, cluster, browser):
    page = Watcher(browser, cluster["e1"])
    viewers = world.viewers(cluster["e2"])
    viewers.wait_video()
    answer = drain(cluster["e1"])
    assert answer.status == 202, answer.body
    assert answer.json()["draining"]
    page.wait_moved()
    page.wait_frames(60)
    shown = page.shown()
    assert shown.n_steps_back() == 0
    print(f"largest gap between frames: {shown.largest_gap_ms():.0f} ms")
    assert shown.largest_gap_ms() < FREEZE_MS
    # nobody is left: it ends by itself, as if it had been told to
    assert cluster["e1"].process.wait(15) == 0
    page.wait_frames(30)
    assert page.page.js("return window.mediaTree.player.state;") == "playing"
    viewers.wait_video()


def test_nobody_new(world, cluster):
    e1 = cluster["e1"]
    viewers = world.viewers(e1) # without events: he stays till the deadline
    viewers.wait_video()
    assert drain(e1, deadline_s=600).status == 202
    assert e1.request("/readyz").status == 503
    wait_for(lambda: is_draining(cluster, "e2", "e1"), "the others' word")
    newcomer = world.viewers(e1)
    newcomer.wait_video()
    assert newcomer.find("joined")[0]["location"].startswith(cluster["e2"].url)
    viewers.wait_video()
    # a change of mind
    assert drain(e1, "DELETE").json()["draining"] is False
    wait_for(lambda: e1.request("/readyz").status == 200, "readiness")
    # and again, with an end
    assert drain(e1, deadline_s=1).status == 202
    assert e1.process.wait(15) == 0
    assert viewers.finish()["viewers"][0]["is_closed"]


def test_relay_drains_without_a_loss(world, cluster):
    viewers = world.viewers(cluster["e1"])
    viewers.wait_video()
    assert drain(cluster["r1"]).status == 202
    assert cluster["r1"].process.wait(30) == 0
    viewers.wait_video()
    end = viewers.finish()["viewers"][0]
    assert end["video"]["n_missing"] == 0 and end["audio"]["n_missing"] == 0


@pytest.mark.parametrize("body", [
    "x", "[]", '{"deadline_s": -1}', '{"deadline_s": 86401}',
    '{"deadline_s": "1"}'])
def test_bad_words(node, body):
    answer = node.request("/api/drain", "POST", body=body.encode())
    assert answer.status == 400
    assert answer.json()["type"].endswith("drain-deadline")
    assert node.request("/readyz").status == 200
    assert node.request("/api/drain", "PUT", body=b"").status == 405
    assert node.request("/api/drain/x").status == 404


# --- media-tree ctl drain ------------------------------------------------------

@pytest.fixture
def start_ctl(request, tmp_path):
    """Starts media-tree ctl drain and gives what it prints, up to now."""
    def start(*args):
        out = tmp_path / f"ctl{len(list(tmp_path.glob('ctl*')))}.txt"
        with open(out, "w") as file:
            process = subprocess.Popen(
                [BINARY, "ctl", "drain", *args], stdout=file,
                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                env=environment_of({}))

        def stop():
            process.kill()
            process.communicate()
        request.addfinalizer(stop)
        return process, lambda: out.read_text().splitlines()
    return start


def test_ctl_waits_until_it_is_gone(world, cluster, start_ctl):
    """e1 by its name, asked of i1; once it is told to stay after all."""
    i1, e1 = cluster["i1"], cluster["e1"]
    viewers = world.viewers(e1)
    viewers.wait_video()
    at = ["e1", "--url", i1.url]
    waiting, lines = start_ctl(*at, "--wait")
    wait_for(lambda: lines(), "its first line")
    assert lines()[0].startswith(
        "e1 drains: 1 viewers, 0 publishers, 0 children are there; "), lines()
    assert e1.request("/readyz").status == 503
    said = prints(ctl("drain", *at, "--cancel"))
    assert said == ("e1 stays: 1 viewers, 0 publishers, 0 children are "
                    "there\n")
    assert waiting.wait(10) == TRY_AGAIN
    assert "e1 drains no more" in waiting.stderr.read()
    assert e1.request("/readyz").status == 200
    viewers.wait_video()
    # and now it goes, as soon as he has gone
    waiting, lines = start_ctl(*at, "--wait", "--deadline", "500")
    wait_for(lambda: lines(), "its first line")
    assert lines()[0].endswith("; 500 s at most"), lines()
    viewers.finish()
    assert waiting.wait(20) == OK, waiting.stderr.read()
    assert e1.process.wait(10) == 0
    assert lines()[-2].startswith("e1 drains: 0 viewers, "), lines()
    assert lines()[-1] == "e1 is gone", lines()
    wait_for(lambda: ctl("drain", *at).returncode == NOT_FOUND,
             "i1 to forget e1")
    fails(ctl("drain", *at), NOT_FOUND, "no node e1", "ctl nodes")
    # one that died: by its last address, or known to be dead
    cluster["r1"].kill()
    world.started.remove(cluster["r1"])
    fails(ctl("drain", "r1", "--url", i1.url), UNREACHED, "r")


def test_ctl_waits_for_the_deadline(world, start_ctl):
    """The node at --url; who is there does not go."""
    node = world.node("--node-id", "box-9", "--admin-token", "secret-a",
                      "--whip-token", "w")
    world.obs(node, token="w", wait=False).wait_connected()
    at = ["--url", node.url, "--wait", "--deadline", "2", "--json"]
    fails(ctl("drain", *at), REFUSED, "--admin-token")
    waiting, lines = start_ctl(*at, "--admin-token", "secret-a")
    assert waiting.wait(20) == OK, waiting.stderr.read()
    said = [json.loads(line) for line in lines()]
    assert said[0]["node"] == "box-9" and said[0]["draining"]
    assert said[0]["publishers"] == 1 and said[0]["deadline_s"] in (1, 2)
    assert node.process.wait(10) == 0


@pytest.mark.parametrize("args,word", [
    (["--deadline", "-1"], "-1"), (["--deadline", "86401"], "86400"),
    (["--deadline", "x"], "x"), (["--cancel", "--wait"], "--cancel"),
    (["--cancel", "--deadline", "5"], "--cancel"), (["a", "b"], "drain")])
def test_ctl_bad_words(node, args, word):
    fails(ctl("drain", "--url", node.url, *args), USAGE, word)
    assert not drain(node, "GET").json()["draining"]


def test_ctl_nobody_of_that_name(node):
    for name in ("nobody", "../x", "", "x" * 5000):
        fails(ctl("drain", name, "--url", node.url), NOT_FOUND, "it knows 1")
    assert not drain(node, "GET").json()["draining"]
    url = f"http://127.0.0.1:{free_ports()}"
    fails(ctl("drain", "--wait", "--url", url), UNREACHED, "refused")
