# SPDX-License-Identifier: Apache-2.0
"""Real Redis servers and sentinels on free ports of 127.0.0.1, in directories
of their own, and nodes without media that meet there."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

from .node import build_dir, clean_environment, free_ports
from .wait import wait_for


class RedisError(ValueError):
    pass


def _encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def _read(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server hung up")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest.decode()
    if kind == b"-":
        return RedisError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else \
            stream.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return None if rest == b"-1" else \
            [_read(stream) for _ in range(int(rest))]
    raise ConnectionError(f"no RESP: {line!r}")


def call(port, *args, timeout=5):
    """One command on a connection of its own; an error reply is raised."""
    with socket.create_connection(("127.0.0.1", port), timeout) as sock:
        sock.sendall(_encode(args))
        with sock.makefile("rb") as stream:
            reply = _read(stream)
    if isinstance(reply, RedisError):
        raise reply
    return reply


class Server:
    """A process with a config file; .port is where it listens."""
    program, extra = "redis-server", []

    def __init__(self, directory, lines, port=None, tls=False):
        self.directory = str(directory)
        self.port = port or free_ports()
        self.tls = tls
        self.config = os.path.join(self.directory, "server.conf")
        with open(self.config, "w", encoding="utf-8") as config:
            config.write("\n".join([
                "bind 127.0.0.1", f"dir {self.directory}", "daemonize no",
                f"port {0 if tls else self.port}",
                *([f"tls-port {self.port}"] if tls else []), *lines]) + "\n")
        self.process = None
        self.start()

    def start(self):
        with open(os.path.join(self.directory, "server.log"), "ab") as log:
            self.process = subprocess.Popen(
                [self.program, self.config, *self.extra], cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, f"{self.program} on {self.port}", 10)

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.program} ended")
        if self.tls:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        try:
            return self.call("PING") == "PONG"
        except RedisError as error:
            return "NOAUTH" in str(error)

    def call(self, *args, **more):
        return call(self.port, *args, **more)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


class Redis(Server):
    def __init__(self, directory, *lines, **more):
        super().__init__(directory, ['save ""', "appendonly no",
                                     "repl-diskless-sync-delay 0",
                                     *lines], **more)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def restart_empty(self):
        self.kill()
        self.start()


class Sentinel(Server):
    program, extra = "redis-sentinel", []

    def __init__(self, directory, master_port, quorum=2):
        super().__init__(directory, [
            f"sentinel monitor tree 127.0.0.1 {master_port} {quorum}",
            "sentinel down-after-milliseconds tree 1000",
            "sentinel failover-timeout tree 5000",
            "sentinel parallel-syncs tree 1"])


class Sentinels:
    """A master, a replica, three sentinels."""

    def __init__(self, make_dir):
        self.servers = []
        master = self._add(Redis(make_dir("master")))
        self._add(Redis(make_dir("replica"),
                        f"replicaof 127.0.0.1 {master.port}"))
        self.sentinels = [
            self._add(Sentinel(make_dir(f"sentinel{i}-"), master.port))
            for i in range(3)]
        for sentinel in self.sentinels:  # they look at the servers each 10 s
            sentinel.call("SENTINEL", "DEBUG", "info-period", 500)
        wait_for(self._is_whole, "sentinels that know each other", 20)

    def _add(self, server):
        self.servers.append(server)
        return server

    def _is_whole(self):
        for sentinel in self.sentinels:
            reply = sentinel.call("SENTINEL", "MASTER", "tree")
            row = dict(zip(reply[::2], reply[1::2]))
            if row["num-slaves"] != "1" or row["num-other-sentinels"] != "2":
                return False
        return "state=online" in self.servers[0].call("INFO", "replication")

    @property
    def master(self):
        port = int(self.sentinels[0].call(
            "SENTINEL", "get-master-addr-by-name", "tree")[1])
        return next(s for s in self.servers if s.port == port)

    @property
    def url(self):
        hosts = ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels)
        return f"sentinel://{hosts}/tree"

    def kill(self):
        for server in reversed(self.servers):
            server.kill()


class Probe:
    """tests/peer/cluster-probe: a node without media."""

    def __init__(self, directory, url, node_id, roles, *args):
        self.directory = str(directory)
        self.node_id = node_id
        self.events = []
        self.changed = threading.Condition()
        self.log_path = os.path.join(self.directory, "probe.log")
        program = os.path.join(build_dir(), "tests", "peer", "cluster-probe")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program, "--redis-url", url, "--id", node_id,
                 "--roles", roles, *args], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1,
                env=clean_environment())
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()

    def tell(self, line):
        self.process.stdin.write(line + "\n")

    def log(self):
        with open(self.log_path, errors="replace", encoding="utf-8") as log:
            return log.read()

    @property
    def state(self):
        states = [e for e in list(self.events) if e["event"] == "state"]
        return states[-1] if states else {}

    def count(self, event, since=0):
        return sum(e["event"] == event for e in self.events[since:])

    def wait(self, what, condition, timeout=10):
        """Until condition(state); returns the seconds that it took."""
        begin = time.monotonic()
        with self.changed:
            met = self.changed.wait_for(
                lambda: self.state and condition(self.state), timeout)
        assert met, (f"{self.node_id}: no {what} within {timeout} s: "
                     f"{self.state}\n{self.log()[-3000:]}")
        return time.monotonic() - begin

    def wait_event(self, event, since=0, timeout=10):
        with self.changed:
            met = self.changed.wait_for(
                lambda: self.count(event, since) > 0, timeout)
        assert met, (f"{self.node_id}: no {event} within {timeout} s\n"
                     + self.log()[-3000:])
        return next(e for e in self.events[since:] if e["event"] == event)

    def wait_alive(self, *ids, timeout=10):
        return self.wait(f"alive {ids}",
                         lambda s: s["alive"] == sorted(ids), timeout)

    def leave(self):
        self.tell("leave")
        self.process.wait(10)
        assert self.process.returncode == 0

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.thread.join(5)
        self.process.stdin.close()
        self.process.stdout.close()
