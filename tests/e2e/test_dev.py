# SPDX-License-Identifier: Apache-2.0
"""./dev run --cluster: what it starts and prints, and that it leaves nothing."""
import os
import re
import signal
import socket
import subprocess

import pytest

from lib.http import request
from lib.node import ROOT, clean_environment
from lib.wait import wait_for

HTTP_PORTS = range(7070, 7077)


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def api(port):
    reply = request(f"http://127.0.0.1:{port}/api/nodes")
    assert reply.status == 200, reply
    return reply.json()


@pytest.fixture
def script(tmp_path):
    """The running script; .text() is what it has printed."""
    if any(is_open(port) for port in HTTP_PORTS):
        pytest.skip("somebody has ports 7070 to 7076: a cluster runs already")
    path = tmp_path / "out"
    with open(path, "w") as out:
        process = subprocess.Popen(
            [os.path.join(ROOT, "dev"), "run", "--cluster", "--log-level",
             "warning"], cwd="/", stdin=subprocess.DEVNULL, stdout=out,
            stderr=out, env=clean_environment(TMPDIR=str(tmp_path)),
            # whoever started us may have had it ignored, as a job's is
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    process.text = path.read_text
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(30)


def test_cluster_on_this_machine(script):
    wait_for(lambda: script.poll() is not None or "End:" in script.text(),
             "cluster", 60)
    text = script.text()
    assert script.poll() is None, text
    for word in ("/publish", "/whip/live", "/watch/live", "/tree", "Ctrl-C"):
        assert word in text, text
    pids = {name: int(pid) for name, pid in re.findall(
        r"((?:injection|relay|egress)-\d) (\d+)", text)}
    assert len(pids) == 7, text
    directory = re.search(r"Logs: +(\S+)/\*\.log", text)[1]
    for port in HTTP_PORTS:
        wait_for(lambda port=port: sum(n["alive"] for n in api(port)) == 7,
                 f"seven nodes, as {port} sees it")
    with open(os.path.join(directory, "redis.conf")) as config:
        redis_port = int(re.search(r"^port (\d+)", config.read(), re.M)[1])
    assert is_open(redis_port)

    os.kill(pids["egress-4"], signal.SIGKILL)
    wait_for(lambda: "egress-4 has ended (status 137)" in script.text(),
             "a word about egress-4")
    assert "line" not in script.text()[len(text):], script.text()
    wait_for(lambda: sum(n["alive"] for n in api(7070)) == 6, "six nodes")

    script.send_signal(signal.SIGINT)
    assert script.wait(30) == 130, script.text()
    assert not any(is_alive(pid) for pid in pids.values())
    assert not is_open(redis_port)
    assert not os.path.exists(directory)


def test_bench_says_what_it_can():
    done = subprocess.run([os.path.join(ROOT, "dev"), "bench", "--help"],
                          cwd="/", capture_output=True, text=True, timeout=60,
                          env=clean_environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert "bench metrics" in done.stdout
