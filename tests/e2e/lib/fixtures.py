# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by tests/e2e and tests/long."""
import itertools
import json
import os
import shutil
import subprocess
import tempfile

import pytest

from . import sdp
from .chrome import BrowserPeer, Chrome
from .janus_peers import Janode, janus_under_test
from .janus_server import JanusServer
from .janus_viewer import RtpSource
from .links import LinkSubscriber
from .mountpoints import Ffmpeg
from .node import Node
from .peers import CACHE, Impair, Obs, Viewers
from .redis import Probe, Redis, Sentinels
from .wait import wait_for
from .webserver import WebServer

WEB = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(
    __file__))), "web")
# the address family of a page is not the node's: cross-origin needs this
OPEN = "--insecure"
LOG_TAIL_CHARS = 6000


class World:
    """Starts what a test asks for and ends it in the reverse order. A node
    that does not exit with 0 fails the test."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.started = []
        self.nodes = []

    def _dir(self, name):
        for number in itertools.count(len(self.started)):
            path = os.path.join(self.directory, f"{name}{number}")
            try:
                os.makedirs(path)
                return path
            except FileExistsError:  # another thread of the test has it
                pass

    def _add(self, thing):
        self.started.append(thing)
        return thing

    def node(self, *args, **more):
        node = self._add(Node(self._dir("node"), *args, **more))
        self.nodes.append(node)
        return node

    def obs(self, node, stream="live", offer=None, name="obs-v0.21-h264.sdp",
            wait=True, watch_token=None, **more):
        offer = offer or sdp.read_offer(name)
        obs = self._add(Obs(self._dir("obs"), f"{node.url}/whip/{stream}",
                            offer, **more))
        if wait:
            obs.wait_connected()
            node.wait_live(stream, headers=watch_token and {
                "Authorization": f"Bearer {watch_token}"})
        return obs

    def viewers(self, node, stream="live", offer=None, count=1, **more):
        offer = offer or sdp.read_offer("chromium-156-recvonly.sdp")
        return self._add(Viewers(self._dir("viewers"),
                                 f"{node.url}/whep/{stream}", offer,
                                 count=count, **more))

    def impair(self, node, **more):
        return self.impair_port(node.rtc_port, **more)

    def impair_port(self, port, **more):
        return self._add(Impair(self._dir("impair"), port, **more))

    def link_subscriber(self, to, secret, streams=("live",), **more):
        """A child of the relay ports @to."""
        return self._add(LinkSubscriber(self._dir("links"), to, secret,
                                        streams, **more))

    def janus(self, **more):
        """Debian's, for comparison."""
        return self._add(JanusServer(self._dir("janus"), **more))

    def directory_of(self, name):
        return self._dir(name)

    def add(self, thing):
        """Something with kill(), ended with the rest."""
        return self._add(thing)

    def ffmpeg(self, video=None, audio=None):
        """RTP to these ports."""
        return self._add(Ffmpeg(self._dir("ffmpeg"), video, audio))

    def redis(self, *lines, **more):
        return self._add(Redis(self._dir("redis"), *lines, **more))

    def sentinels(self):
        return self._add(Sentinels(self._dir))

    def probe(self, url, node_id, roles, *args):
        return self._add(Probe(self._dir("probe"), url, node_id, roles,
                               *args))

    def janode(self, script):
        return self._add(Janode(self._dir("janode"), script))

    def rtp_source(self, *tracks, **more):
        """An encoder's RTP: (codec, payload type, port), each."""
        return self._add(RtpSource(self._dir("rtp"), *tracks, **more))

    def close(self):
        errors = []
        for thing in reversed(self.started):
            try:
                if isinstance(thing, Node):
                    thing.stop()
                else:
                    thing.kill()
            except Exception as error:  # the others must still be ended
                errors.append(error)
        if errors:
            raise errors[0]

    def logs(self):
        for directory, _, names in sorted(os.walk(self.directory)):
            for name in sorted(n for n in names if n.endswith(".log")):
                path = os.path.join(directory, name)
                with open(path, errors="replace") as log:
                    yield path, log.read()[-LOG_TAIL_CHARS:]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, "report_" + report.when, report)
    if report.failed:
        for world in getattr(item, "worlds", []):
            report.sections += list(world.logs())


def _world(request, directory):
    world = World(directory)
    node = request.node
    for item in ([node] if hasattr(node, "function") else
                 [i for i in request.session.items
                  if i.nodeid.startswith(node.nodeid)]):
        item.worlds = getattr(item, "worlds", []) + [world]
    return world


@pytest.fixture
def world(request, tmp_path):
    world = _world(request, tmp_path)
    yield world
    world.close()


@pytest.fixture(scope="module")
def module_world(request, tmp_path_factory):
    world = _world(request, tmp_path_factory.mktemp("module"))
    yield world
    world.close()


@pytest.fixture(scope="module")
def shared_node(module_world):
    """A node that the module's tests share; each takes streams of its own."""
    return module_world.node(OPEN)


@pytest.fixture
def node(world):
    return world.node(OPEN)


@pytest.fixture
def stream(request):
    """A stream name of the test's own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return name[-60:].strip("-") or "live"


@pytest.fixture(scope="session")
def origin():
    server = WebServer(WEB)
    yield server.url
    server.close()


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    directory = tmp_path_factory.mktemp("chrome")
    profile = tempfile.mkdtemp(prefix="chrome-", dir=directory)
    chrome = Chrome(profile, directory / "chromedriver.log")
    yield chrome
    chrome.quit()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def browser(chrome, request):
    """The module's Chromium with no page of another test open."""
    yield chrome
    failed = getattr(request.node, "report_call", None)
    if failed is not None and failed.failed:
        for handle in chrome.driver.window_handles:
            chrome.driver.switch_to.window(handle)
            print("\n".join(chrome.console()))
    chrome.close_pages()


@pytest.fixture
def peer(browser, origin):
    """Makes publishers and viewers on the test page."""
    made = []

    def make():
        made.append(BrowserPeer(browser, origin, f"p{len(made)}"))
        return made[-1]
    return make


def wait_status(node, path, status, headers=None, timeout=10):
    return wait_for(lambda: node.request(path, headers=headers).status
                    == status, f"{status} from {path}", timeout)


@pytest.fixture(scope="session")
def npm_modules():
    """npm/, with the packages of package-lock.json. Nothing that a package
    would run at its installation is run."""
    source = os.path.join(os.path.dirname(WEB), "npm")
    with open(os.path.join(source, "package.json")) as file:
        package = json.load(file)
    if not all(os.path.isdir(os.path.join(source, "node_modules", name))
               for key in ("dependencies", "devDependencies")
               for name in package[key]):
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit",
                        "--no-fund"], cwd=source, check=True, timeout=120)
    return source


@pytest.fixture(scope="session")
def npm_bundles(npm_modules):
    """The clients, bundled: pages and janode-peer.js."""
    source = npm_modules
    target = os.path.join(os.path.dirname(CACHE), "npm")
    os.makedirs(target, exist_ok=True)
    for script in ("build", "build-janode"):
        subprocess.run(["npm", "run", script, "--",
                        f"--outdir={os.path.join(target, 'dist')}"],
                       cwd=source, check=True, timeout=60)
    for name in ("page.html", "janus.html"):
        shutil.copy(os.path.join(source, name), target)
    return target


@pytest.fixture(scope="session")
def npm_origin(npm_bundles):
    server = WebServer(npm_bundles)
    yield server.url
    server.close()


@pytest.fixture(scope="module")
def janus(module_world):
    return janus_under_test(module_world)


@pytest.fixture
def janode(world, npm_bundles):
    return world.janode(os.path.join(npm_bundles, "dist", "janode-peer.js"))
