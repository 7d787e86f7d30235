# SPDX-License-Identifier: Apache-2.0
"""Hosts on one switch, each a network namespace of this machine, of which some
can be cut off from the others without a word, as by a broken cable."""
import contextlib
import ctypes
import os
import subprocess

from .redis import Redis, Server
from .wait import wait_for

CLONE_NEWNET = 0x40000000
NETWORK = "10.200.0"
_libc = ctypes.CDLL(None, use_errno=True)


def can_have_namespaces():
    """Root alone may, and not in every container."""
    done = subprocess.run(["unshare", "--net", "ip", "link", "add", "b0",
                           "type", "bridge"], capture_output=True, check=False)
    return done.returncode == 0


def _set_namespace(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Namespace:
    """Lives as long as the process that holds it."""

    def __init__(self):
        ours = os.readlink("/proc/self/ns/net")
        self.holder = subprocess.Popen(["unshare", "--net", "cat"],
                                       stdin=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL)
        self.path = f"/proc/{self.holder.pid}/ns/net"
        wait_for(lambda: os.readlink(self.path) != ours, "a namespace")
        self.ip_tool("link", "set", "lo", "up")

    def ip_tool(self, *args):
        subprocess.run(["nsenter", f"--net={self.path}", "ip", *args],
                       check=True, capture_output=True, timeout=10)

    @contextlib.contextmanager
    def entered(self):
        """What this thread opens and starts meanwhile is inside."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        inside = os.open(self.path, os.O_RDONLY)
        try:
            _set_namespace(inside)
            yield
        finally:
            _set_namespace(before)
            os.close(before)
            os.close(inside)

    def kill(self):
        self.holder.stdin.close()
        self.holder.wait(10)


class Host(Namespace):
    def __init__(self, network, number):
        super().__init__()
        self.address = f"{NETWORK}.{number}"
        self.port = f"p{number}"
        subprocess.run(
            ["nsenter", f"--net={network.hub.path}", "ip", "link", "add",
             self.port, "type", "veth", "peer", "name", "eth0", "netns",
             str(self.holder.pid)], check=True, capture_output=True)
        network.hub.ip_tool("link", "set", self.port, "master", "whole", "up")
        self.ip_tool("address", "add", f"{self.address}/24", "dev", "eth0")
        self.ip_tool("link", "set", "eth0", "up")


class Network:
    """A hub with two switches: of all, and of those who are cut off."""

    def __init__(self):
        self.hub = Namespace()
        self.hosts = []
        for switch in "whole", "island":
            self.hub.ip_tool("link", "add", switch, "type", "bridge")
            self.hub.ip_tool("link", "set", switch, "up")

    def host(self):
        host = Host(self, len(self.hosts) + 1)
        self.hosts.append(host)
        return host

    def cut(self, *hosts):
        for host in hosts:
            self.hub.ip_tool("link", "set", host.port, "master", "island")

    def heal(self):
        for host in self.hosts:
            self.hub.ip_tool("link", "set", host.port, "master", "whole")

    def kill(self):
        for namespace in (*self.hosts, self.hub):
            namespace.kill()


class PlacedSentinel(Server):
    program = "redis-sentinel"


class PlacedStore:
    """A master, two replicas and three sentinels, each on its own host."""
    OPEN = ("bind 0.0.0.0", "protected-mode no")

    def __init__(self, network, make_dir):
        self.network = network
        self.redis, self.sentinels = [], []
        for _ in range(3):
            self._add_redis(make_dir)
        for _ in range(3):
            self._add_sentinel(make_dir)
        wait_for(self.is_whole, "a store that is whole", 30)

    def _add_redis(self, make_dir):
        host = self.network.host()
        follow = [] if not self.redis else [
            f"replicaof {self.redis[0].host.address} {self.redis[0].port}"]
        with host.entered():
            server = Redis(make_dir(f"redis{len(self.redis)}-"), *self.OPEN,
                           "repl-timeout 5", *follow)
        server.host = host
        self.redis.append(server)

    def _add_sentinel(self, make_dir):
        host, master = self.network.host(), self.redis[0]
        with host.entered():
            sentinel = PlacedSentinel(
                make_dir(f"sentinel{len(self.sentinels)}-"), [
                *self.OPEN,
                f"sentinel monitor tree {master.host.address} {master.port} 2",
                "sentinel down-after-milliseconds tree 1000",
                "sentinel failover-timeout tree 5000",
                "sentinel parallel-syncs tree 2"])
            sentinel.call("SENTINEL", "DEBUG", "info-period", 500)
        sentinel.host = host
        self.sentinels.append(sentinel)

    @staticmethod
    def ask(server, *args):
        with server.host.entered():
            return server.call(*args, timeout=2)

    def is_whole(self):
        for sentinel in self.sentinels:
            reply = self.ask(sentinel, "SENTINEL", "MASTER", "tree")
            row = dict(zip(reply[::2], reply[1::2]))
            if row["num-slaves"] != "2" or row["num-other-sentinels"] != "2" \
                    or row["flags"] != "master":
                return False
        text = self.ask(self.master, "INFO", "replication")
        return text.count("state=online") == 2

    @property
    def master(self):
        address, port = self.ask(self.sentinels[0], "SENTINEL",
                                 "get-master-addr-by-name", "tree")
        return next(s for s in self.redis
                    if (s.host.address, str(s.port)) == (address, port))

    @property
    def url(self):
        hosts = ",".join(f"{s.host.address}:{s.port}" for s in self.sentinels)
        return f"sentinel://{hosts}/tree"

    def kill(self):
        for server in (*self.sentinels, *self.redis):
            server.kill()
