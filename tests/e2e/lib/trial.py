# SPDX-License-Identifier: Apache-2.0
"""A tree under watch: link-subscribers keep the books of what nodes send, and
the books are held against the origin's."""
import statistics

from .links import KINDS
from .wait import wait_for


def ranges(numbers):
    """[1, 2, 3, 7] as "1-3 7"; the first few"""
    found = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    text = [f"{a}-{b}" if a != b else f"{a}" for a, b in found[:12]]
    return " ".join(text) + (" …" if len(found) > 12 else "")


class Difference:
    """What of the origin's book is not in @other's, from the first number
    that both have on; to the origin's last, or to @other's with @to_end
    false."""

    def __init__(self, name, origin, other, to_end=True):
        self.name = name
        self.n_packets = 0
        self.missing = {}  # (publication, kind): [numbers]
        self.different = {}
        self.strangers = {}
        for (stream, publication, kind), book in origin.items():
            theirs = other.get((stream, publication, kind), {})
            common = book.keys() & theirs.keys()
            first = min(common) if common else min(book)
            last = max(book) if to_end or not theirs else max(theirs)
            expected = {n for n in book if first <= n <= last}
            key = (publication[:6], kind)
            self.n_packets += len(expected)
            for store, numbers in (
                    (self.missing, expected - theirs.keys()),
                    (self.different, {n for n in common
                                      if book[n] != theirs[n]}),
                    (self.strangers, {n for n in theirs.keys() - book.keys()
                                      if first <= n <= last})):
                if numbers:
                    store[key] = numbers

    @property
    def n_missing(self):
        return sum(map(len, self.missing.values()))

    @property
    def n_wrong(self):
        return sum(map(len, [*self.different.values(),
                             *self.strangers.values()]))

    def __str__(self):
        parts = [f"{self.name}: of {self.n_packets} packets"]
        for what, store in (("missing", self.missing),
                            ("other bytes", self.different),
                            ("unknown to the origin", self.strangers)):
            for (publication, kind), numbers in store.items():
                parts.append(f"{what}: {len(numbers)} {kind} of {publication}"
                             f" ({ranges(numbers)})")
        if len(parts) == 1:
            parts.append("all there, byte-equal")
        return "; ".join(parts)


class Watch:
    """A link-subscriber at each of @names of a cluster, for one stream."""

    def __init__(self, world, cluster, names, stream="live", args=("--times",)):
        self.cluster = cluster
        self.stream = stream
        self.children = {
            name: world.link_subscriber([cluster[name].relay_port],
                                        cluster.secret, [stream], args=args)
            for name in names}
        self.times = None

    def wait_begun(self, timeout=20):
        for name, child in self.children.items():
            wait_for(lambda child=child: child.n_packets() > 0,
                     f"media of {self.stream} from {name}", timeout)

    def wait_more(self, seconds, name=None, timeout=None):
        """So much more of the stream's audio has left @name, the first by
        default: 50 packets a second."""
        child = self.children[name or next(iter(self.children))]

        def n_audio():
            return sum(p["audio"]["n"] for p
                       in child.counts()["publications"] if "audio" in p)
        start = n_audio()
        wait_for(lambda: n_audio() >= start + 50 * seconds,
                 f"{seconds} s more of {self.stream}",
                 timeout or seconds + 30, 0.2)

    def wait_level(self, timeout=5):
        """All have come as far as the first."""
        def heads(child):
            return {(p["publication"], k): p[k]["last"]
                    for p in child.counts()["publications"]
                    for k in KINDS if k in p}
        first = heads(next(iter(self.children.values())))
        for name, child in self.children.items():
            wait_for(lambda child=child: all(
                heads(child).get(key, 0) >= last
                for key, last in first.items()),
                f"end of {self.stream} at {name}: "
                f"{heads(child)}, not {first}", timeout)

    def finish(self):
        """{name: map}; the origin is the last to end."""
        for name in reversed(self.children):
            self.children[name].finish()
        return {name: child.read_map()
                for name, child in self.children.items()}

    def compare(self, maps, origin=None, to_end=True):
        """[Difference] of all others to @origin, the first by default"""
        origin = origin or next(iter(self.children))
        found = [Difference(name, maps[origin], book, to_end)
                 for name, book in maps.items() if name != origin]
        for difference in found:
            print(difference)
        return found


def assert_nothing_missing(differences, least=1):
    for difference in differences:
        assert difference.n_packets >= least, difference
        assert not difference.n_missing and not difference.n_wrong, \
            difference


def arrivals(child):
    """{(publication, kind, number): microseconds} of a finished subscriber
    with --times"""
    found = {}
    with open(child.map_path, encoding="ascii") as file:
        for line in file:
            _, publication, kind, number, _, time_us = line.split()
            found[publication, kind, int(number)] = int(time_us)
    return found


def largest_gap_ms(times_us, begin_s, end_s):
    """Longest time without a packet in that part of the wall clock"""
    inside = sorted(t for t in times_us
                    if begin_s * 1e6 <= t <= end_s * 1e6)
    edges = [begin_s * 1e6, *inside, end_s * 1e6] if inside else \
        [begin_s * 1e6, end_s * 1e6]
    return max(b - a for a, b in zip(edges, edges[1:])) / 1000


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def hop_ms(upper, lower, begin_s=0):
    """How much later the same packets came from the lower node; of those that
    came from the upper one after @begin_s of the wall clock"""
    return [(lower[key] - upper[key]) / 1000
            for key in upper.keys() & lower.keys()
            if upper[key] >= begin_s * 1e6]


def describe_ms(values):
    return f"p50 {statistics.median(values):.2f} ms | " \
        f"p99 {percentile(values, .99):.2f} ms | " \
        f"max {max(values):.1f} ms"


# --- What viewers say -----------------------------------------------------

def viewer_faults(name, viewer):
    """What a viewer-client's books of one viewer do not forgive"""
    faults = []
    for kind in KINDS:
        book = viewer[kind]
        for key in ("n_missing", "n_ssrc_changes", "n_ts_backwards"):
            if book[key]:
                faults.append(f"{name}: {kind} {key} {book[key]}")
    if viewer["is_closed"]:
        faults.append(f"{name}: closed")
    if not viewer["video"]["n_packets"]:
        faults.append(f"{name}: no video")
    return faults


def assert_viewers_smooth(ends):
    """@ends: {name: viewers of viewer-client's report or end}"""
    faults = [fault for name, viewers in ends.items()
              for i, viewer in enumerate(viewers)
              for fault in viewer_faults(f"viewer {i} at {name}", viewer)]
    assert not faults, faults


def freezes(browser_peer):
    video = browser_peer.stats()["video"]
    return video["freezeCount"], video.get("totalFreezesDuration", 0)
