# SPDX-License-Identifier: Apache-2.0
"""Who leads: nodes that are candidates, and a watch that no two lead at once."""
import signal
import threading
import time

from .cluster import Cluster
from .wait import wait_for


def lease_of(node):
    return node.state()["scaling"]["lease"]


class Watch:
    """Asks every node all the time. A node led between two answers that both
    say so under one term; two such times may not overlap."""

    def __init__(self, nodes):
        self.nodes = list(nodes)
        self.spans = []  # [node, term, from, until]
        self.n_answers = 0
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self._watch, args=(node,),
                                         daemon=True) for node in self.nodes]
        for thread in self.threads:
            thread.start()

    def _watch(self, node):
        span = None
        while not self.is_over.wait(0.02):
            asked = time.monotonic()
            try:
                lease = lease_of(node)
            except (OSError, AssertionError, ValueError, TypeError):
                span = None
                continue
            with self.lock:
                self.n_answers += 1
                if not lease or not lease["leader"]:
                    span = None
                elif span is not None and span[1] == lease["term"]:
                    span[3] = asked
                else:
                    span = [node.name, lease["term"], time.monotonic(), asked]
                    self.spans.append(span)

    def add(self, node):
        thread = threading.Thread(target=self._watch, args=(node,),
                                  daemon=True)
        self.threads.append(thread)
        thread.start()

    def kill(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(10)

    def overlap_s(self):
        with self.lock:
            spans = [s for s in self.spans if s[3] > s[2]]
        return sum(max(0, min(a[3], b[3]) - max(a[2], b[2]))
                   for i, a in enumerate(spans) for b in spans[:i]
                   if a[0] != b[0])


class Candidates:
    """Nodes of a tree, one of which leads."""

    def __init__(self, world, url, count=3):
        self.world = world
        self.cluster = Cluster(world, url, "--insecure")
        self.n_started = 0
        for _ in range(count):
            self.start(ready=False)
        for node in self.nodes:
            node.wait_ready()
        self.watch = world.add(Watch(self.nodes))

    @property
    def nodes(self):
        return list(self.cluster.nodes.values())

    def start(self, **more):
        self.n_started += 1
        return self.cluster.node(f"n{self.n_started}", "egress", **more)

    def forget(self, node):
        """It was killed: nobody is to end it again."""
        node.process.wait()
        node.stop = node.log.close

    def find_leader(self):
        leaders = [n for n in self.nodes if lease_of(n)["leader"]]
        return leaders[0] if leaders else None

    def wait_leader(self, timeout=10):
        """Until one leads and all know it."""
        def is_known():
            leader = self.find_leader()
            return leader if leader and all(
                lease_of(n)["holder"] == leader.name for n in self.nodes) \
                else None
        return wait_for(is_known, "leader", timeout)

    def replace(self, how):
        """Ends the leader; returns for how many seconds there was none."""
        old = self.wait_leader()
        del self.cluster.nodes[old.name]
        begin = time.monotonic()
        old.process.send_signal(how)
        if how == signal.SIGKILL:
            self.forget(old)
        wait_for(self.find_leader, "leader after it", 10, 0.005)
        took = time.monotonic() - begin
        old.process.wait(20)
        self.watch.add(self.start())
        return took


def terms(redis, tree="main"):
    """What the audit says of who led: [(term, node)], oldest first."""
    rows = redis.call("FCALL", "mt_history", 0, "", tree, "+", 500)
    entries = [rows[i:i + 6] for i in range(0, len(rows), 6)]
    return [(tuple(int(part) for part in token.split(":")[:2]), by)
            for _, _, kind, by, token, _ in reversed(entries)
            if kind == "acquire"]
