# SPDX-License-Identifier: Apache-2.0
"""media-tree ctl: what it prints of a node, and how it says what is wrong."""
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import termios
import time

import pytest

from lib import sdp
from lib.certificate import make_certificate
from lib.cluster import Cluster
from lib.ctl import (NOT_FOUND, NOT_UNDERSTOOD, OK, REFUSED, UNREACHED, USAGE,
                     ctl, fails, prints)
from lib.janus_client import HttpClient
from lib.node import BINARY, clean_environment, free_ports
from lib.signaling import Session
from lib.wait import wait_for


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
               "top", "trace", "drain", "--once", "--interval", "--sort",
               "--deadline", "--wait", "--cancel", "--url", "--admin-token",
               "--json", "66", "75", "77")
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


# --- trace -------------------------------------------------------------------

def trace(node, session, *args):
    return ctl("trace", session, "--url", node.url, *args)


def trace_json(node, session):
    return json.loads(prints(trace(node, session, "--json")))


def hop(said, start, end):
    return next((h for h in said["hops"]
                 if h["from"] == start and h["to"] == end), None)


def kill(world, node):
    """As kill -9: it need not leave cleanly."""
    node.kill()
    world.started.remove(node)


def only_viewer(node):
    """What the node calls its one viewer."""
    viewers = node.state()["viewers"]
    assert len(viewers) == 1, viewers
    return viewers[0]["session"]


@pytest.fixture
def cluster(world):
    return Cluster(world, world.redis().url)


def test_trace_over_three_levels(world, cluster):
    """i1 > r > e1 > viewer, asked of any node, by the short id and the whole;
    the parent between is killed and the path is another."""
    cluster.grow(injection=1, relay=2, egress=1)
    world.obs(cluster["i1"], wait=False).wait_connected()
    cluster.wait_live("live")
    viewers = world.viewers(cluster["e1"])
    viewers.wait_video(30)
    session = only_viewer(cluster["e1"])

    def settled():
        said = trace_json(cluster["i1"], session)
        # i1 may have been e1's second parent, until r2 had its place
        links = [hop(said, r, "e1") for r in ("r1", "r2")]
        assert all(h and h["state"] == "active" for h in links), said
        return said["complete"] and "latency_us" in said and said["path"][0] \
            == "i1" and said["path"][-3] != "i1" and all(
                h.get("latency_us", -1) >= 0 for h in said["hops"][:-1]
                if h["state"] == "active") and said
    said = wait_for(settled, "a whole path", 15, 0.2)
    relay = said["path"][-3]
    assert said["path"][-2:] == ["e1", "viewer"] and relay in ("r1", "r2")
    assert said["node"] == "e1" and said["stream"] == "live"
    assert said["session"]["state"] == "connected"
    assert said["unreached"] == []
    # both parents of e1, one of them delivers first
    both = [hop(said, r, "e1") for r in ("r1", "r2")]
    assert sorted(h["first"] for h in both) == [False, True], both
    first = hop(said, relay, "e1")
    assert first["first"] and first["latency_from"] == "arrival", first
    assert first["latency_us"] < 100_000 and first["loss_ratio"] == 0, first
    assert hop(said, "e1", "viewer")["state"] == "connected"
    for node in cluster.nodes.values():
        prints(trace(node, session), f"Session {session} at e1 watches live",
               "* active", "Path: i1 > ", "viewer")

    kill(world, cluster[relay])
    other = {"r1": "r2", "r2": "r1"}[relay]

    def around():
        """By the other relay, or by i1, which takes the dead one's place."""
        now = trace_json(cluster["e1"], session)
        last = now["path"][-3]
        assert now["complete"] and now["path"][0] == "i1", now
        assert last in ("i1", other) and relay not in now["path"], now
        link = hop(now, last, "e1")
        assert link["first"] and link["state"] == "active", now
        return True
    wait_for(around, "path around the dead one", 20, 0.2)
    # and it is not come back to, when who was left is only half forgotten
    wait_for(lambda: cluster.member("e1")["backup"] == "i1",
             "a second parent in the place of the dead one", 20)
    assert around()
    viewers.wait_video(30)
    whole = viewers.finish()["viewers"][0]
    assert whole["video"]["n_missing"] == 0, whole
    # he has gone
    wait_for(lambda: trace(cluster["i1"], session).returncode == NOT_FOUND,
             "no such session any more")


def test_trace_measures_one_way(world, cluster):
    """A link that takes 40 ms down and nothing up: not half of its RTT."""
    cluster.node("i1", "injection", loss={"delay-ms-down": 40, "what": "all"})
    cluster.node("e1", "egress")
    cluster.wait_placed()
    world.obs(cluster["i1"], wait=False).wait_connected()
    cluster.wait_live("live")
    world.viewers(cluster["e1"]).wait_video(30)
    session = only_viewer(cluster["e1"])

    def measured():
        link = hop(trace_json(cluster["e1"], session), "i1", "e1")
        return link and link.get("latency_from") == "arrival" \
            and 38_000 <= link["latency_us"] <= 60_000 and link
    link = wait_for(measured, "one-way latency of 40 ms", 15, 0.2)
    assert 38_000 <= link["rtt_us"] <= 80_000, link


def test_trace_janus(world):
    """A viewer of the Janus API: by SESSION/HANDLE, and by HANDLE."""
    node = world.node("--insecure", "--node-id", "box-3", "--janus-string-ids")
    world.obs(node, wait=False).wait_connected()
    node.wait_live("live")
    api = HttpClient(node.url + "/janus")
    session = api.create()
    handle = api.attach(session)
    fails(trace(node, f"{session}/{handle}"), NOT_FOUND, "no viewer")
    api.message(session, handle, {"request": "watch", "id": "live"})
    for name in (f"{session}/{handle}", str(handle)):
        said = trace_json(node, name)
        assert said["session"]["kind"] == "janus"
        assert said["session"]["session"] == f"{session}/{handle}"
        assert said["session"]["state"] == "offered"
        assert said["path"] == ["box-3", "viewer"] and said["complete"]
    fails(trace(node, f"{session + 1}/{handle}"), NOT_FOUND, "no viewer")


def test_trace_of_nobody(alone):
    fails(trace(alone, "AAAAAAAA"), NOT_FOUND, "AAAAAAAA", "1 nodes")
    for word in ("", "a b", "../nodes", "a" * 65, "x?y", "é"):
        fails(trace(alone, word), USAGE, "is no session")
    fails(ctl("trace", "--url", alone.url), USAGE, "SESSION")
    fails(ctl("trace", "a", "b", "--url", alone.url), USAGE, "SESSION")


def test_trace_when_not_all_answer(world, cluster):
    """A node that hangs may be the one: that is said, and another exit code;
    it does not keep the answer of who has him."""
    cluster.grow(injection=1, relay=0, egress=2)
    session = Session(cluster["e1"], "/whep/none", make=sdp.watch_offer)
    assert session.reply.status == 409
    world.obs(cluster["i1"], wait=False).wait_connected()
    cluster.wait_live("live")
    session = Session(cluster["e1"], "/whep/live",
                      make=sdp.watch_offer).expect(201)
    os.kill(cluster["e2"].pid, signal.SIGSTOP)
    try:
        began = time.monotonic()  # and it lives for 3 s more, so others think
        fails(trace(cluster["i1"], "AAAAAAAA"), UNREACHED, "not all nodes",
              cluster["e2"].url)
        said = trace_json(cluster["i1"], session.id)
        assert said["node"] == "e1" and said["session"]["session"] == \
            session.id[:8], said
        assert time.monotonic() - began < 20
    finally:
        os.kill(cluster["e2"].pid, signal.SIGCONT)


def test_trace_token(world):
    node = world.node("--admin-token", "secret-a", "--whep-token", "w")
    for path in ("/api/sessions/AAAAAAAA", "/api/streams/live/path"):
        node.request(path).assert_problem(401)
        node.request(path, headers={"Authorization": "Bearer w"}
                     ).assert_problem(401, 403)
        node.request(path, headers={"Authorization": "Bearer secret-a"}
                     ).assert_problem(404)
        node.request(path, "POST").assert_problem(405)
    fails(trace(node, "AAAAAAAA"), REFUSED, "--admin-token")
    fails(trace(node, "AAAAAAAA", "--admin-token", "secret-a"), NOT_FOUND)


# --- top -----------------------------------------------------------------------

def run_as_shell(words, command):
    """Runs @command in the foreground of this terminal, as a shell does, says
    its pid and then its status, and keeps the terminal until it is told."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        words.close()
        os.execve(command[0], command,
                  clean_environment(TERM="xterm", LC_ALL="C.UTF-8"))
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        words.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        words.sendall(f"{status}\n".encode())
        words.recv(1)
    finally:
        os._exit(0)


class Terminal:
    """media-tree ctl top in a terminal of its own."""

    def __init__(self, *args, rows=24, columns=120):
        here, there = socket.socketpair()
        shell, self.fd = pty.fork()
        if shell == 0:
            here.close()
            run_as_shell(there, [BINARY, "ctl", "top", *args])
        there.close()
        self.shell, self.here, self.words = shell, here, b""
        self.resize(rows, columns)
        self.pid = wait_for(self.number, "its start")
        self.text = ""
        self.status = None

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        """All that came up to now."""
        while select.select([self.fd], [], [], 0)[0]:
            try:
                part = os.read(self.fd, 65536)
            except OSError:  # its side is closed
                break
            if not part:
                break
            self.text += part.decode()
        return self.text

    def page(self):
        """The last page that is whole, line by line."""
        pages = self.read().split("\033[H")
        whole = [p for p in pages[1:] if "\033[J" in p]
        if not whole:
            return []
        return [line.replace("\033[K", "").strip("\r") for line in
                whole[-1].split("\033[J")[0].split("\r\n")]

    def wait(self, condition, what):
        def shown():
            page = self.page()
            assert condition(page), page
            return page
        return wait_for(shown, what)

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def is_raw(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def number(self):
        """The next that the shell says; None: not yet."""
        if select.select([self.here], [], [], 0)[0]:
            self.words += self.here.recv(64)
        line, end, rest = self.words.partition(b"\n")
        if not end:
            return None
        self.words = rest
        return int(line)

    def has_ended(self):
        self.read()
        if self.status is None:
            self.status = self.number()
        return self.status is not None

    def wait_end(self):
        wait_for(self.has_ended, "the end of top")
        self.read()
        return self.status

    def close(self):
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
        self.here.shutdown(socket.SHUT_RDWR)
        self.here.close()
        os.waitpid(self.shell, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(request):
    def make(*args, **more):
        made = Terminal(*args, **more)
        request.addfinalizer(made.close)
        return made
    return make


LEFT = "\033[?7h\033[?25h\033[?1049l"


def test_top_once(alone):
    lines = prints(ctl("top", "--once", "--url", alone.url)).splitlines()
    assert lines[0].startswith("main: 1 nodes, ") and len(lines) == 3
    assert lines[1].split()[:4] == ["NODE", "ROLES", "STATE", "VIEWERS"]
    assert lines[2].split()[:3] == ["box-1", "injection,relay,egress", "alive"]
    # no terminal: the same
    assert len(prints(ctl("top", "--url", alone.url)).splitlines()) == 3
    said = json.loads(prints(ctl("top", "--json", "--url", alone.url)))
    assert said["nodes"][0]["id"] == "box-1" and "join_p95_seconds" in said
    for args, word in ((["--sort", "x"], "--sort"), (["--interval", "0"], None),
                       (["--interval", "0.01"], "--interval"),
                       (["--interval", "x"], "--interval")):
        result = ctl("top", "--once", "--url", alone.url, *args)
        if word:
            fails(result, USAGE, word)
        else:
            prints(result)
    fails(ctl("top", "--url", f"http://127.0.0.1:{free_ports()}"), UNREACHED,
          "refused")


def test_top_live(world, cluster, terminal):
    """It redraws, is sorted by keys, shows who joins and who dies, and the
    cluster's join times; q puts the terminal back."""
    cluster.grow(injection=1, relay=0, egress=2)
    world.obs(cluster["i1"], wait=False).wait_connected()
    cluster.wait_live("live")
    world.viewers(cluster["e2"], count=3).wait_video(10)
    top = terminal("--url", cluster["i1"].url, "--interval", "0.2")
    top.wait(lambda p: p and "3 nodes, 1 streams, 3/" in p[0], "the totals")
    page = top.wait(lambda p: p[2].startswith("e2"), "most viewers first")
    assert top.is_raw() and "\033[?1049h" in top.text
    assert page[2].split()[3].startswith("3/") and "[v viewers]" in page[-1]
    assert "join p95" in page[0], page
    top.press("n")
    page = top.wait(lambda p: p[2].startswith("e1"), "sorted by name")
    assert [line.split()[0] for line in page[2:5]] == ["e1", "e2", "i1"]
    top.press("r")
    top.wait(lambda p: p[2].startswith("i1"), "reversed")
    kill(world, cluster["e1"])
    top.wait(lambda p: "1 dead" in p[0] or "2 nodes" in p[0], "the dead one")
    # smaller, and larger again
    top.resize(4, 30)
    page = top.wait(lambda p: len(p) == 4 and max(map(len, p)) <= 30, "small")
    assert page[2].startswith("i1"), page
    top.press("j")
    top.wait(lambda p: p[2].startswith("e2"), "scrolled down")
    top.press("\033[A")
    top.wait(lambda p: p[2].startswith("i1"), "scrolled up by the arrow")
    top.resize(24, 120)
    top.wait(lambda p: len(p) >= 5 and len(p[-1]) > 30, "large again")
    top.press("q")
    assert top.wait_end() == 0
    assert top.text.endswith(LEFT) and not top.is_raw()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT,
                                    signal.SIGHUP, signal.SIGQUIT])
def test_top_signals(alone, terminal, number):
    top = terminal("--url", alone.url)
    top.wait(lambda p: len(p) == 4, "a page")
    assert top.is_raw()
    os.kill(top.pid, number)
    status = top.wait_end()
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number
    assert top.text.endswith(LEFT) and not top.is_raw()


def test_top_is_stopped(alone, terminal):
    """^Z gives the terminal back for the while."""
    top = terminal("--url", alone.url, "--interval", "0.2")
    top.wait(lambda p: len(p) == 4, "a page")
    os.kill(top.pid, signal.SIGTSTP)
    wait_for(lambda: top.read().endswith(LEFT) and not top.is_raw(),
             "the terminal back")
    length = len(top.text)
    os.kill(top.pid, signal.SIGCONT)
    wait_for(lambda: "box-1" in top.read()[length:] and top.is_raw(),
             "a page again")
    top.press("q")
    assert top.wait_end() == 0 and not top.is_raw()


def test_top_when_the_node_goes(world, terminal):
    """The last page stays, and says that it is old; q still ends it."""
    node = world.node("--insecure", "--node-id", "box-2")
    top = terminal("--url", node.url, "--interval", "0.2")
    top.wait(lambda p: len(p) == 4, "a page")
    os.kill(node.pid, signal.SIGSTOP)  # it hangs
    top.press("c")
    top.wait(lambda p: "[c cpu]" in p[-1], "keys while it hangs")
    os.kill(node.pid, signal.SIGCONT)
    kill(world, node)
    page = top.wait(lambda p: any("this is old" in line for line in p),
                    "a word that it is old")
    assert any(line.startswith("box-2") for line in page), page
    top.press("q")
    assert top.wait_end() == 0
