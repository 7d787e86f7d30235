# SPDX-License-Identifier: Apache-2.0
"""Who leads: nodes that are candidates, and a watch that no two lead at once."""
import contextlib
import signal
import threading
import time

from .cluster import Cluster
from .wait import wait_for


def lease_of(node):
    with getattr(node, "entered", contextlib.nullcontext)():
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
    """Nodes of a tree, one of which leads. @network: each on its own host."""

    def __init__(self, world, url, count=3, network=None):
        self.world = world
        self.network = network
        self.cluster = Cluster(world, url, "--insecure")
        self.n_started = 0
        for _ in range(count):
            self.start(ready=False)
        for node in self.nodes:
            with getattr(node, "entered", contextlib.nullcontext)():
                node.wait_ready()
        self.watch = world.add(Watch(self.nodes))

    @property
    def nodes(self):
        return list(self.cluster.nodes.values())

    def start(self, **more):
        self.n_started += 1
        name = f"n{self.n_started}"
        if self.network is None:
            return self.cluster.node(name, "egress", **more)
        host = self.network.host()
        with host.entered():
            node = self.cluster.node(name, "egress", **more)
        node.entered, node.host = host.entered, host
        return node

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


def cut_off(network, store, candidates):
    """Cuts the master and the leader off together; the others go on. Returns
    for how many seconds nobody led whom they could have asked."""
    leader, master = candidates.wait_leader(), store.master
    network.cut(leader.host, master.host)
    begin = time.monotonic()
    others = [n for n in candidates.nodes if n is not leader]
    wait_for(lambda: any(lease_of(n)["leader"] for n in others),
             "leader of those who are left", 15, 0.01)
    took = time.monotonic() - begin
    # the old one has its old master still, which is one, and its lease
    assert store.ask(master, "ROLE")[0] == "master"
    assert f":{leader.name}:" in store.ask(master, "GET", "lease:scaler")
    assert not lease_of(leader)["leader"]
    network.heal()
    wait_for(store.is_whole, "a store that is whole again", 40)
    assert candidates.wait_leader(20) is not leader
    return took


def terms(redis, tree="main"):
    """What the audit says of who led: [(term, node)], oldest first."""
    rows = redis.call("FCALL", "mt_history", 0, "", tree, "+", 500)
    entries = [rows[i:i + 6] for i in range(0, len(rows), 6)]
    return [(tuple(int(part) for part in token.split(":")[:2]), by)
            for _, _, kind, by, token, _ in reversed(entries)
            if kind == "acquire"]
