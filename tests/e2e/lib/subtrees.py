# SPDX-License-Identifier: Apache-2.0
"""Trees whose leader starts and ends their subtrees as processes."""
import json
import os
import signal

from .node import free_ports
from .wait import wait_for

N_MAX = 12


class Instances:
    """Those that outlive their leader, by design: ended with the test."""

    def __init__(self, directory):
        self.directory = str(directory)
        os.makedirs(self.directory, mode=0o700)

    def pids(self):
        for name in os.listdir(self.directory):
            try:
                path = os.path.join(self.directory, name, "process")
                with open(path, encoding="utf-8") as file:
                    pid = int(file.read().split()[0])
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                    if f"--node-id={name}" in file.read().split("\0"):
                        yield pid
            except (OSError, IndexError):
                pass

    def kill(self):
        def is_over():
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            return not list(self.pids())
        # one of them may lead, and start another
        for _ in range(2):
            wait_for(is_over, "the end of all instances")


def provision(directory, n_max=N_MAX, pool_port=20000):
    """A node's arguments for these instances."""
    return ["--provisioner", "process", "--provision-dir", str(directory),
            "--provision-max", str(n_max),
            "--provision-http-port", str(free_ports(n_max) - 1),
            "--provision-relay-port", str(free_ports(n_max) - 1),
            "--provision-rtc-port", str(free_ports(32 * n_max) - 32),
            "--provision-pool-port", str(pool_port),
            "--provision-min-memory", "0"]


def slots(redis, tree="main"):
    """ordinal -> state"""
    rows = redis.call("HGETALL", f"slot:{tree}")
    return {int(rows[i]): rows[i + 1].split()[1]
            for i in range(0, len(rows), 2)}


def history(redis, tree="main"):
    """(wall time, kind, what it says) of the audit, the oldest first"""
    rows = redis.call("FCALL", "mt_history", 0, "", tree, "+", 500)
    found = [(int(rows[i].split("-")[0]) / 1000, rows[i + 2], rows[i + 5])
             for i in range(0, len(rows), 6)]
    return found[::-1]


def changes(redis, action, tree="main"):
    """What the leader said when it changed what is desired."""
    said = [json.loads(text) for _, kind, text in history(redis, tree)
            if kind == "desire"]
    return [change for change in said if change["action"] == action]
