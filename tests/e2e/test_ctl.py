# SPDX-License-Identifier: Apache-2.0
"""media-tree ctl: what it prints of a node, and how it says what is wrong."""
import json
import subprocess

import pytest

from lib.certificate import make_certificate
from lib.node import BINARY, clean_environment, free_ports
from lib.wait import wait_for

OK, USAGE, UNREACHED, NOT_UNDERSTOOD, REFUSED = 0, 64, 69, 76, 77


def ctl(*args, **environment):
    return subprocess.run([BINARY, "ctl", *args], capture_output=True,
                          text=True, timeout=30, stdin=subprocess.DEVNULL,
                          env=clean_environment(**{"LC_ALL": "C.UTF-8",
                                                   **environment}))


def fails(result, code, *words):
    """It ends with @code and says why, in one line."""
    assert result.returncode == code, result
    assert result.stdout == "", result
    assert result.stderr.startswith("media-tree ctl: "), result
    assert result.stderr.count("\n") == 1, result
    for word in words:
        assert word in result.stderr, result


def prints(result, *words):
    assert result.returncode == OK and result.stderr == "", result
    for word in words:
        assert word in result.stdout, result
    return result.stdout


@pytest.fixture(scope="module")
def alone(module_world):
    return module_world.node("--node-id", "box-1", "--insecure")


def test_nodes_of_a_node_alone(alone):
    lines = prints(ctl("nodes", "--url", alone.url)).splitlines()
    assert lines[0].split()[:3] == ["NODE", "ROLES", "STATE"]
    assert lines[1].split()[:3] == ["box-1", "injection,relay,egress", "alive"]
    assert len(lines) == 2


def test_tree_of_a_node_alone(alone):
    lines = prints(ctl("tree", "--url", alone.url + "/")).splitlines()
    assert lines[0].startswith("main: 1 node, ") and "alone" in lines[0]
    assert lines[1].startswith("box-1  ")


def test_streams(module_world, alone):
    prints(ctl("streams", "--url", alone.url), "No streams")
    obs = module_world.obs(alone, "concert")

    def row():
        lines = prints(ctl("streams", "--url", alone.url)).splitlines()
        return len(lines) == 2 and lines[1].split()
    assert wait_for(row, "stream in the list") == [
        "concert", "box-1", "H264,opus", "1", "1"]
    obs.finish()
    wait_for(lambda: "No streams" in ctl("streams", "--url",
                                         alone.url).stdout, "no stream")


@pytest.mark.parametrize("word,path", [
    ("nodes", "/api/nodes"), ("streams", None), ("tree", "/api/tree")])
def test_json(alone, word, path):
    said = json.loads(prints(ctl(word, "--json", "--url", alone.url)))
    if path:
        there = alone.request(path).json()
        assert type(said) is type(there)
        node = (there if word == "nodes" else there["nodes"])[0]
        told = (said if word == "nodes" else said["nodes"])[0]
        assert set(told) == set(node) and told["id"] == node["id"]
    else:
        assert said == alone.request("/api/tree").json()["streams"]


def test_help():
    for option in ("--help", "-h"):
        prints(ctl(option), "media-tree ctl", "nodes", "streams", "tree",
               "--url", "--admin-token", "--json", "77")
    prints(ctl("tree", "--help"), "--url")


@pytest.mark.parametrize("args,word", [
    ([], "nodes, streams, tree"), (["nodes", "tree"], "nodes, streams, tree"),
    (["nothing"], "nodes, streams, tree"), (["nodes", "--nothing"], "--nothing"),
    (["nodes", "--url"], "--url"), (["nodes", "--url", "nowhere"], "nowhere"),
    (["nodes", "--url", "http://"], "http://"),
    (["nodes", "--tls-ca", "/nosuch.pem"], "--tls-ca"),
    (["nodes", "--admin-token-file", "/nosuch"], "/nosuch")])
def test_usage(args, word):
    fails(ctl(*args), USAGE, word)


def test_nobody_there():
    url = f"http://127.0.0.1:{free_ports()}"
    fails(ctl("nodes", "--url", url), UNREACHED, url, "refused", "--url")


def test_default_url_is_said():
    """No node of a test has that port; if somebody's does, it answers."""
    result = ctl("tree")
    assert result.returncode in (OK, REFUSED) or \
        "http://127.0.0.1:7070" in result.stderr, result


def test_tokens(world, tmp_path):
    node = world.node("--admin-token", "secret-a")
    (tmp_path / "token").write_text("secret-a\n")
    ask = ["nodes", "--url", node.url]
    fails(ctl(*ask), REFUSED, "--admin-token", "MEDIA_TREE_ADMIN_TOKEN")
    fails(ctl(*ask, "--admin-token", "other"), REFUSED, "token")
    fails(ctl(*ask, MEDIA_TREE_ADMIN_TOKEN="other"), REFUSED, "token")
    prints(ctl(*ask, "--admin-token", "secret-a"), "alive")
    prints(ctl(*ask, "--admin-token-file", str(tmp_path / "token")), "alive")
    prints(ctl(*ask, MEDIA_TREE_ADMIN_TOKEN="secret-a"), "alive")
    assert "secret" not in ctl(*ask).stderr


def test_watch_token_does_not_open_it(world):
    node = world.node("--admin-token", "a", "--whep-token", "w")
    for path in ("/api/nodes", "/api/tree"):
        watch = {"Authorization": "Bearer w"}
        node.request(path, headers=watch).assert_problem(401, 403)
        assert node.request(path, headers={
            "Authorization": "Bearer a"}).status == 200


def test_something_else_answers(origin):
    fails(ctl("nodes", "--url", origin), NOT_UNDERSTOOD, origin, "404")
    fails(ctl("nodes", "--url", origin + "/peer.html?"), NOT_UNDERSTOOD,
          "not understood")


def test_https(world, tmp_path):
    make_certificate(tmp_path, "node")
    node = world.node("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key",
                      str(tmp_path / "key.pem"), ready=False)
    url = f"https://127.0.0.1:{node.http_port}"
    trust = ["--tls-ca", str(tmp_path / "cert.pem")]
    wait_for(lambda: ctl("nodes", "--url", url, *trust).returncode == OK,
             "node by https", 15, 0.1)
    fails(ctl("nodes", "--url", url), UNREACHED, "--tls-ca")


def test_etag(alone):
    """Who asks again while nothing changes is told so, in no bytes."""
    def unchanged():
        first = alone.request("/api/tree")
        again = alone.request("/api/tree", headers={
            "If-None-Match": first.headers["ETag"]})
        return again.status == 304 and again.body == b""
    wait_for(unchanged, "304")
    reply = alone.request("/api/tree", headers={"If-None-Match": '"other"'})
    assert reply.status == 200 and reply.body
    for path in ("/api/nodes", "/api/tree"):
        alone.request(path, "POST").assert_problem(405)
        assert "GET" in alone.request(path, "POST").headers["Allow"]
    alone.request("/api/tree/more").assert_problem(404, code="not-found")
