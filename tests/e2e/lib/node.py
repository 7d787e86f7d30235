# SPDX-License-Identifier: Apache-2.0
"""One media-tree process on free ports of 127.0.0.1."""
import collections
import os
import random
import re
import signal
import socket
import subprocess

from .http import request
from .metrics import Metrics
from .wait import wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
BINARY = os.path.abspath(os.environ.get(
    "MEDIA_TREE_BIN", os.path.join(ROOT, "build", "media-tree")))
# below the kernel's ephemeral ports, so that no client's socket is in the way;
# of several runs at a time each wants a range of its own
PORTS = range(*map(int, os.environ.get("MEDIA_TREE_TEST_PORTS",
                                       "15000-32000").split("-")))
BAD_LOG = re.compile(r"Sanitizer|runtime error:|CRITICAL|Assertion|"
                     r"assertion .* failed")


def clean_environment(**more):
    """This process's without settings of the program under test."""
    return {**{k: v for k, v in os.environ.items()
               if not k.startswith("MEDIA_TREE_")},
            "G_DEBUG": "fatal-criticals", **more}


def run_binary(*args, timeout=10):
    """For runs that end by themselves."""
    return subprocess.run([BINARY, *args], capture_output=True, text=True,
                          timeout=timeout, env=clean_environment())


def build_dir():
    """The build directory that the binary belongs to."""
    directory = os.path.dirname(os.path.realpath(BINARY))
    while directory != "/":
        if os.path.isdir(os.path.join(directory, "tests", "peer")) and \
                os.path.exists(os.path.join(directory, "build.ninja")):
            return directory
        directory = os.path.dirname(directory)
    return os.path.join(ROOT, "build")


_given = collections.deque() # ranges, the oldest first


def _is_free(port, kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def _forget_given(n_ports):
    """The oldest ones, until at most @n_ports are left."""
    while sum(map(len, _given)) > n_ports:
        _given.popleft()


def free_ports(count=1):
    """The first of @count adjacent ports, free on UDP and TCP, and not given
    to somebody else by this process lately: who is to bind one may do so
    later."""
    rng = random.Random()
    for i in range(2000):
        if i % 200 == 199: # what is left lies scattered
            _forget_given(sum(map(len, _given)) // 2)
        first = rng.randrange(PORTS.start, PORTS.stop - count)
        ports = range(first, first + count)
        if all(ports.stop <= old.start or old.stop <= first
               for old in _given) and all(
                _is_free(port, kind) for port in ports
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            _forget_given(len(PORTS) // 2)
            _given.append(ports)
            return first
    raise RuntimeError("no free ports")


class Node:
    def __init__(self, directory, *args, workers=2, env=None, ready=True):
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.log_path = os.path.join(self.directory, "node.log")
        self.http_port = free_ports()
        self.rtc_port = free_ports(workers)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.args = [BINARY, "--http-listen", f"127.0.0.1:{self.http_port}",
                     "--rtc-port", str(self.rtc_port),
                     "--workers", str(workers),
                     "--public-address", "127.0.0.1", *args]
        self.env = clean_environment(**(env or {}))
        self.log = open(self.log_path, "ab")
        self.start(ready)

    def start(self, ready=True):
        """Also again, after kill(): the same ports, the same log."""
        self.process = subprocess.Popen(
            self.args, cwd=self.directory, env=self.env,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if ready:
            self.wait_ready()

    @property
    def pid(self):
        return self.process.pid

    def wait_ready(self):
        def is_ready():
            code = self.process.poll()
            if code is not None:
                raise RuntimeError(f"exited with {code} at start:\n"
                                   + self.read_log()[-3000:])
            return request(self.url + "/readyz", timeout=2).status == 200
        wait_for(is_ready, "ready node", 15)

    def read_log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def request(self, path, method="GET", body=None, headers=None, **more):
        url = path if path.startswith("http") else self.url + path
        return request(url, method, body, headers, **more)

    def post_sdp(self, path, offer, headers=None, **more):
        return self.request(path, "POST", offer,
                            {"Content-Type": "application/sdp",
                             **(headers or {})}, **more)

    def metrics(self, headers=None):
        reply = self.request("/metrics", headers=headers)
        assert reply.status == 200, reply
        return Metrics(reply.text)

    def state(self):
        reply = self.request("/debug/state")
        assert reply.status == 200, reply
        return reply.json()

    def wait_live(self, stream, timeout=15, headers=None):
        """Until a viewer would be let in."""
        def is_live():
            reply = self.request("/api/streams", headers=headers)
            assert reply.status == 200, reply
            return any(s["name"] == stream and s["live"]
                       for s in reply.json())
        wait_for(is_live, f"live stream {stream}", timeout)

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def assert_alive(self):
        assert self.process.poll() is None, \
            f"node died: {self.process.returncode}"
        assert self.request("/healthz").status == 200

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, expect=0):
        """Ends the node as an operator would; it must leave cleanly."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("node did not stop within 20 s of SIGTERM")
        finally:
            self.log.close()
        assert code == expect, f"node exited with {code}, not {expect}"
        bad = BAD_LOG.search(self.read_log())
        assert not bad, f"node's log has {bad[0]!r}"
