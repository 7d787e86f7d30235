# SPDX-License-Identifier: Apache-2.0
"""The README's evening: ./dev run --cluster --scale, a crowd comes and goes, the
tree grows and shrinks on /tree; what was decided replays; nothing is left."""
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from lib.http import request
from lib.node import BINARY, ROOT, clean_environment
from lib.record import flip_decision
from lib.wait import wait_for

URL = "http://127.0.0.1:7070"
DEV = os.path.join(ROOT, "dev")
LONG_S = 60 # on a machine that has much else to do; usually a few seconds
N_CROWD, N_LOYAL = 20, 4


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start(out, *args, **environment):
    with open(out, "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [DEV, *args], cwd="/", stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, env=clean_environment(**environment),
            # whoever started us may have had it ignored, as a job's is
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    process.text = out.read_text
    return process


@pytest.fixture
def commands(tmp_path):
    """Starts the script; what still runs is ended, the last first."""
    if any(is_open(port) for port in range(7070, 7080)):
        pytest.skip("somebody has ports 7070 to 7079: a cluster runs already")
    started = []

    def run(*args, **environment):
        started.append(start(tmp_path / f"out{len(started)}", *args,
                             **environment))
        return started[-1]
    yield run
    for process in reversed(started):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(LONG_S)
            except subprocess.TimeoutExpired:
                process.kill() # the next has to be ended, too


def run_cluster(commands, tmp_path, **policy):
    """As the README has it, but what is given back goes within seconds. Nodes
    have more slots, and most are kept free: a crowd that leaves at once is then
    no surprise, after which half a minute nothing would be given back."""
    with open(os.path.join(ROOT, "scaling/small.json")) as file:
        document = json.load(file)
    document["policies"][0].update(
        maxReplicas=4, scaleDownWindow=0, settle=2, headroom=400,
        cooldownPeriod={"scaleUp": 1, "scaleDown": 2}, **policy)
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(document))
    cluster = commands("run", "--cluster", "--scale", "--log-level", "warning",
                       "--autoscaling-policy", str(path), "--max-viewers",
                       "40", TMPDIR=str(tmp_path))
    wait_for(lambda: cluster.poll() is not None or "End:" in cluster.text(),
             "cluster", LONG_S)
    assert cluster.poll() is None, cluster.text()
    cluster.directory = re.search(r"Logs: +(\S+)/\*\.log", cluster.text())[1]
    return cluster


def pids_of(cluster):
    """Of all nodes and the Redis: each has a path in the directory."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{pid}/cwd/redis.conf", "rb"):
                is_redis = os.readlink(f"/proc/{pid}/cwd") == cluster.directory
        except OSError:
            is_redis = False
        if is_redis or any(cluster.directory.encode() in w for w in words):
            found.add(int(pid))
    return found


def nodes():
    reply = request(f"{URL}/api/tree")
    assert reply.status == 200, reply
    return {node["id"]: node for node in reply.json()["nodes"] if node["alive"]}


def subtrees():
    """ordinal -> what its egress nodes are"""
    found = {}
    for node in nodes().values():
        if node["subtree"] is not None and "egress" in node["roles"]:
            found.setdefault(node["subtree"], set()).add(
                "draining" if node["draining"] else
                "warm" if node["warm"] else "serving")
    return found


def boxes(page):
    """id -> state, as drawn"""
    return page.js("return Object.fromEntries([...document.querySelectorAll("
                   "'#tree g.box')].map(b => [b.dataset.id, ['alive', 'warm', "
                   "'draining', 'gone', 'dead'].find(s => "
                   "b.classList.contains(s))]));")


def replay(path):
    return subprocess.run([BINARY, "ctl", "simulate", "--replay", str(path)],
                          capture_output=True, text=True, timeout=30,
                          env=clean_environment(), check=False)


def check_record(tmp_path):
    reply = request(f"{URL}/api/autoscaling/record")
    assert reply.status == 200, reply
    path = tmp_path / "evening.rec"
    path.write_bytes(reply.body)
    same = replay(path)
    found = re.fullmatch(r"(\d+) decisions again, (\d+) out, (\d+) in: the "
                         r"same\n", same.stdout)
    assert same.returncode == 0 and found, same
    n_ticks, n_out, n_in = map(int, found.groups())
    assert n_ticks > 10 and n_out >= 2 and n_in >= 1, same
    path.write_bytes(flip_decision(reply.body, n_ticks // 2))
    other = replay(path)
    assert other.returncode == 1, other
    assert f": 1 differ\nfirst at tick {n_ticks // 2}, " in other.stdout, other


def end(crowd):
    """Ctrl-C: they leave, and none of them was cut off before."""
    crowd.send_signal(signal.SIGINT)
    assert crowd.wait(LONG_S) == 0, crowd.text()
    assert " 0 cut off" in crowd.text().splitlines()[-1], crowd.text()


def test_grows_and_shrinks(commands, browser, tmp_path):
    cluster = run_cluster(commands, tmp_path)
    wait_for(lambda: subtrees() == {0: {"serving"}, 1: {"warm"}},
             "one that serves, one that is warm", LONG_S)
    page = browser.open(f"{URL}/tree")
    wait_for(lambda: boxes(page).get("mt-main-s1-g1-e0") == "warm" and
             boxes(page).get("mt-main-s0-g1-e1") == "alive", "both, drawn",
             LONG_S)

    loyal = commands("crowd", str(N_LOYAL), "120")
    wait_for(lambda: request(f"{URL}/api/streams").json(),
             "their broadcaster", LONG_S)
    crowd = commands("crowd", str(N_CROWD), "120")
    wait_for(lambda: subtrees().get(1) == {"serving"}, "another serves", LONG_S)
    wait_for(lambda: f"\n{N_CROWD} watch, 0 wait" in crowd.text(),
             "all watch", LONG_S)
    grown = wait_for(lambda: len(nodes()) >= 9 and nodes(), "a warm one again",
                     LONG_S)
    wait_for(lambda: set(boxes(page)) >= set(grown) and
             boxes(page)["mt-main-s1-g1-e1"] == "alive", "it is drawn", LONG_S)
    wait_for(lambda: sum(n["viewers"] for n in nodes().values())
             == N_CROWD + N_LOYAL, "all, as heartbeats have them", LONG_S)

    end(crowd)
    drawn = set()

    def is_gone():
        drawn.update(boxes(page).values())
        return 1 not in subtrees()
    wait_for(is_gone, "the end of the second", LONG_S)
    wait_for(lambda: not [i for i, state in boxes(page).items()
                          if "-s1-" in i and state != "gone"], "no more drawn",
             LONG_S)
    assert "draining" in drawn and "dead" not in drawn, drawn
    end(loyal)
    check_record(tmp_path)

    pids = pids_of(cluster)
    assert len(pids) >= 2 + 5, pids # Redis, the first, its subtrees
    cluster.send_signal(signal.SIGINT)
    assert cluster.wait(LONG_S) == 130, cluster.text()
    assert "made to" not in cluster.text(), cluster.text()
    assert not pids_of(cluster) and not os.path.exists(cluster.directory)


def test_ended_while_it_starts(commands, tmp_path):
    """Whoever is just being started is ended too."""
    cluster = run_cluster(commands, tmp_path, minReplicas=4)
    wait_for(lambda: len(pids_of(cluster)) > 2, "the first of the others",
             LONG_S)
    cluster.send_signal(signal.SIGINT)
    assert cluster.wait(LONG_S) == 130, cluster.text()
    assert "made to" not in cluster.text(), cluster.text()
    assert not pids_of(cluster) and not os.path.exists(cluster.directory)
