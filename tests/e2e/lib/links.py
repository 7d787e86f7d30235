# SPDX-License-Identifier: Apache-2.0
"""link-subscriber: a child of the tree for tests. Its map says which packets
came, and their digests."""
import os

from .node import ROOT
from .peers import JsonProcess
from .wait import wait_for

SCRIPT = os.path.join(ROOT, "tests", "peer", "link-subscriber.py")
PYTHON = "/usr/bin/python3"  # Debian's, for its modules
KINDS = ("audio", "video")


class LinkSubscriber(JsonProcess):
    """@to: relay ports of 127.0.0.1, or (ip, port); @args: more options."""

    def __init__(self, directory, to, secret, streams=("live",), args=()):
        self.map_path = os.path.join(directory, "map")
        command = [PYTHON, SCRIPT, "--secret", secret, "--map", self.map_path]
        for where in to:
            ip, port = where if isinstance(where, tuple) \
                else ("127.0.0.1", where)
            command += ["--to", f"{ip}:{port}"]
        for stream in streams:
            command += ["--stream", stream]
        super().__init__(os.path.join(directory, "links.log"), *command,
                         *map(str, args))
        self.n_subscriptions = len(to) * len(streams)
        self.wait_event("bound", count=self.n_subscriptions)

    def counts(self, index=0):
        """The last second's; in the order of @to, then @streams"""
        bound = self.find("bound")[index]
        return [e for e in self.find("counts") if e["to"] == bound["to"]
                and e["stream"] == bound["stream"]][-1]

    def n_packets(self, index=0):
        return sum(p["packets"] for p in self.counts(index)["publications"])

    def wait_packets(self, n_packets, timeout=20, index=0):
        wait_for(lambda: self.n_packets(index) >= n_packets,
                 f"{n_packets} packets on a link", timeout)

    def finish(self, timeout=20):
        """One summary a subscription"""
        return super().finish(timeout)["subscriptions"]

    def read_map(self):
        """{(stream, publication, kind): {number: digest}}, after finish"""
        books = {}
        with open(self.map_path, encoding="ascii") as file:
            for line in file:
                stream, publication, kind, number, digest = line.split()[:5]
                books.setdefault((stream, publication, kind), {})[
                    int(number)] = digest
        return books


def assert_same_packets(one, two, least=1):
    """Of two maps: all numbers from the first common one to the last common
    one are in both, byte-equal."""
    assert one.keys() == two.keys(), (one.keys(), two.keys())
    for key, book in one.items():
        other = two[key]
        first = max(min(book), min(other))
        last = min(max(book), max(other))
        assert last - first + 1 >= least, (key, first, last)
        for number in range(first, last + 1):
            assert number in book and number in other, \
                f"{key}: {number} of {first} to {last} is missing"
            assert book[number] == other[number], f"{key}: {number} differs"
