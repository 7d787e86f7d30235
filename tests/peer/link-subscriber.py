# SPDX-License-Identifier: Apache-2.0
"""A child of the tree that shares no code with the node: it knows the cluster
secret, subscribes to streams at nodes' relay ports as docs/LINKS.md says, checks
every packet's tag, and keeps a book: (kind, number) -> SHA-256 of the datagram.
  link-subscriber.py --secret S --to IP:PORT… --stream NAME… [--map FILE]
subscribes to each stream at each node. Prints JSON objects, one a line, with
"event": bound, cookie, status, refuse, bye, counts (each second), end. Ends at
SIGTERM, after --seconds, or when stdin is closed; then --map has one line a
packet: stream, publication, kind, number, digest, and with --times when it
came (the kernel's time, microseconds since 1970); sorted. A parent that falls
silent is asked again from the first number that is missing on.
Bad manners by options: see --help."""
import argparse
import hashlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time

from link_wire import (BYE, CODECS, COOKIE, KINDS, LEAVE, NACK, REASONS, REFUSE,
                       STATUS, SUBSCRIBE, Fields, Keys, Media, read_status,
                       text)

TYPES = {COOKIE: "cookie", STATUS: "status", REFUSE: "refuse", BYE: "bye"}
STARTS = {"live": 0, "gop": 1, "from": 2}
MARK = 5
RETRY_S = 0.05
REFRESH_S = 0.3
NACK_DELAY_S = 0.02
NACK_RETRY_S = 0.05
NACK_GIVE_UP_S = 2
SILENT_S = 0.7
MAX_NACK_RANGES = 64
# asm-generic/socket.h; Python names neither
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
MAX_EARLY = 2000
MAX_JUMP_PACKETS = 5000
RECEIVE_BUFFER_BYTES = 16 << 20


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def now_us():
    return int(time.monotonic() * 1e6) & 0xffffffff


# --- The book ---------------------------------------------------------------

class Book:
    """What one publication sent, per kind."""

    def __init__(self, media, publication, epoch):
        self.media = media
        self.publication = publication
        self.epoch = epoch
        self.digests = ({}, {})
        self.times = ({}, {})  # with --times
        self.first = [0, 0]  # where it begins; 0 = not known yet
        self.highest = [0, 0]
        self.marks = {"keyframes": 0, "parameter_sets": 0}
        self.codecs = [None, None]
        self.counts = dict.fromkeys(
            ("packets", "bytes", "duplicates", "bad", "different", "nacked",
             "repaired", "given_up"), 0)
        self.last_new = None
        self.gap_ms = self.max_gap_ms = 0.0
        self.holes = {}  # (kind, number): [found, asked or None]

    def missing(self, kind):
        if not self.first[kind]:
            return 0
        return self.highest[kind] - self.first[kind] + 1 \
            - len(self.digests[kind])

    def number_of(self, kind, seq):
        step = (seq - self.highest[kind]) & 0xffff
        if step >= 0x8000:
            step -= 0x10000
        number = self.highest[kind] + step
        return number if number >= 0 else number + 0x10000

    def on_status(self, kind, first, head):
        """Where we begin, or at least a number to unwrap the first one by"""
        if self.first[kind]:
            return
        self.first[kind] = first
        self.highest[kind] = first - 1 if first else head

    def on_packet(self, data, kind, now, arrived_us=None):
        number = self.number_of(kind, data[2] << 8 | data[3])
        payload = self.media.open(data, number)
        if payload is None:
            self.counts["bad"] += 1
            return
        book = self.digests[kind]
        digest = hashlib.sha256(data).digest()
        had = book.setdefault(number, digest)
        if had is not digest:
            self.counts["duplicates" if had == digest else "different"] += 1
            return
        if arrived_us is not None:
            self.times[kind][number] = arrived_us
        if self.last_new is not None:
            gap_ms = (now - self.last_new) * 1000
            self.gap_ms = max(self.gap_ms, gap_ms)
            self.max_gap_ms = max(self.max_gap_ms, gap_ms)
        self.last_new = now
        self.counts["packets"] += 1
        self.counts["bytes"] += len(data)
        self.codecs[kind] = CODECS[(data[1] & 0x7f) - 96]
        if data[0] & 0x10 and data[16] == MARK:
            self.marks["keyframes"] += data[18] & 1
            self.marks["parameter_sets"] += data[18] >> 1 & 1
        if not self.first[kind]:
            self.first[kind] = self.highest[kind] = number
        elif number > self.highest[kind]:
            if number - self.highest[kind] < MAX_JUMP_PACKETS:
                for n in range(self.highest[kind] + 1, number):
                    self.holes[kind, n] = [now, None]
            self.highest[kind] = number
        else:
            self.first[kind] = min(self.first[kind], number)
            hole = self.holes.pop((kind, number), None)
            if hole and hole[1]:
                self.counts["repaired"] += 1

    def due(self, now):
        """Numbers to ask for now"""
        asked = []
        for key, hole in list(self.holes.items()):
            if now - hole[0] > NACK_GIVE_UP_S:
                del self.holes[key]
                self.counts["given_up"] += 1
            elif now - hole[0] >= NACK_DELAY_S and (
                    hole[1] is None or now - hole[1] >= NACK_RETRY_S):
                hole[1] = now
                asked.append(key)
        self.counts["nacked"] += len(asked)
        return asked

    def summary(self):
        kinds = {}
        for kind, book in enumerate(self.digests):
            if book:
                kinds[KINDS[kind]] = {
                    "first": self.first[kind], "last": self.highest[kind],
                    "n": len(book),
                    "missing": self.missing(kind),
                    "codec": self.codecs[kind]}
        return {"publication": self.publication.hex(), "epoch": self.epoch,
                "max_gap_ms": round(self.max_gap_ms, 1),
                **kinds, **self.counts, **self.marks}


# --- One subscription -------------------------------------------------------

class Subscription:
    def __init__(self, keys, options, to, stream):
        self.keys, self.options = keys, options
        self.to, self.stream = to, stream
        self.name = {"to": "%s:%d" % to, "stream": stream}
        self.number = int.from_bytes(os.urandom(4), "big")
        self.socket = socket.socket(
            socket.AF_INET6 if ":" in to[0] else socket.AF_INET,
            socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        for name in (SO_RCVBUFFORCE, socket.SO_RCVBUF):  # the first: for root
            try:
                self.socket.setsockopt(socket.SOL_SOCKET, name,
                                       RECEIVE_BUFFER_BYTES)
                break
            except OSError:
                pass
        if options.times:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind(options.bind)
        self.cookie = bytes(16)
        self.is_subscribed = False
        self.is_again = False  # there was one before
        self.answered = 0
        self.n_subscribes = 0
        self.next_subscribe = 0
        self.next_nack = 0
        self.status = None
        self.rtt_us = 0
        self.book = None
        self.books = {}
        self.early = []
        self.received = {}  # type: [datagrams, bytes, largest]
        self.sent = [0, 0, 0]
        self.last_media = None
        self.refused = {}
        self.counters = set()
        self.replayed_to_us = 0
        say("bound", port=self.socket.getsockname()[1], **self.name)

    # sending

    def send_raw(self, data):
        self.sent = [self.sent[0] + 1, self.sent[1] + len(data),
                     max(self.sent[2], len(data))]
        try:
            self.socket.sendto(data, self.to)
        except OSError:
            pass  # nobody there (any more)

    def seal(self, message_type, fields):
        return self.keys.seal(bytes([message_type])
                              + self.number.to_bytes(4, "big") + fields)

    def send(self, message_type, fields):
        data = self.seal(message_type, fields)
        if self.options.record:
            self.options.record.write(data.hex() + "\n")
            self.options.record.flush()
        self.send_raw(data)
        if self.options.replay:
            self.send_raw(data)

    def subscribe_fields(self):
        cookie = {"good": self.cookie, "none": bytes(16),
                  "bad": b"\xbb" * 16}[self.options.cookie]
        start, numbers = self.options.start, self.options.numbers
        if self.is_again and self.book:
            start, numbers = "from", [n + 1 for n in self.book.highest]
        fields = cookie + bytes([STARTS[start]]) + struct.pack(
            ">QQIII", *numbers, now_us(), self.rtt_us, 0)
        for kind in range(2):
            n = len(self.book.digests[kind]) if self.book else 0
            fields += struct.pack(
                ">QIII", self.book.highest[kind] if n else 0, n, n, 0)
        return fields + text(self.stream) + text(self.options.node)

    def subscribe(self, now):
        if self.options.subscribes and \
                self.n_subscribes >= self.options.subscribes and \
                self.is_subscribed:
            self.next_subscribe = float("inf")
            return
        self.n_subscribes += self.is_subscribed
        fields = self.subscribe_fields()
        self.send(SUBSCRIBE, fields)
        if self.options.spoof and any(self.cookie):
            spoof(self.options.spoof, self.to, self.seal(SUBSCRIBE, fields))
        self.next_subscribe = now + (
            self.options.refresh_ms / 1000 if self.is_subscribed else RETRY_S)

    def nack(self, wanted):
        """@wanted: (kind, number), sorted, made ranges"""
        ranges = []
        for kind, number in sorted(wanted):
            if ranges and ranges[-1][0] == kind and \
                    ranges[-1][1] + ranges[-1][2] == number:
                ranges[-1][2] += 1
            else:
                ranges.append([kind, number, 1])
        for at in range(0, len(ranges), MAX_NACK_RANGES):
            part = ranges[at:at + MAX_NACK_RANGES]
            self.send(NACK, bytes([len(part)]) + b"".join(
                struct.pack(">BQH", *r) for r in part))

    def nack_all(self):
        ranges = []
        for kind, book in enumerate(self.book.digests):
            if book:
                first = self.book.first[kind]
                n = min(self.book.highest[kind] - first + 1, 0xffff)
                ranges += [struct.pack(">BQH", kind, first, n)] * 32
        if ranges:
            self.send(NACK, bytes([len(ranges)]) + b"".join(ranges))

    def garbage(self):
        """Random, random behind our own header, cut, and one bit changed."""
        good = self.seal(SUBSCRIBE, self.subscribe_fields())
        bit = int.from_bytes(os.urandom(2), "big") % (8 * len(good))
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        for data in (os.urandom(60), b"M\1" + os.urandom(100), b"M", b"",
                     good[:bit // 8], bytes(changed), b"\x80" + os.urandom(80),
                     self.keys.seal(os.urandom(40)), self.keys.seal(b"")):
            self.send_raw(data)

    # receiving

    def count(self, what, data):
        row = self.received.setdefault(what, [0, 0, 0])
        row[0] += 1
        row[1] += len(data)
        row[2] = max(row[2], len(data))

    def on_datagram(self, data, now, arrived_us=None):
        if data and 128 <= data[0] <= 191:
            self.count("rtp", data)
            self.last_media = now
            self.on_media(data, now, arrived_us)
            return
        opened = self.keys.open(data)
        if opened is None:
            self.count("unopened", data)
            return
        sender, counter, body = opened
        if (sender, counter) in self.counters:
            self.replayed_to_us += 1
        self.counters.add((sender, counter))
        try:
            self.count(TYPES.get(body[0], "odd"), data)
            self.on_message(body, now)
        except (ValueError, IndexError) as error:
            self.count("malformed", data)
            say("malformed", body=body.hex(), why=str(error), **self.name)

    def on_message(self, body, now):
        fields = Fields(body)
        message_type, number = fields.number(1), fields.number(4)
        if number != self.number:
            return
        if message_type == COOKIE:
            self.cookie = fields.take(16)
            fields.done()
            if self.received["cookie"][0] == 1:
                say("cookie", **self.name)
            if self.options.cookie == "good" and (
                    not self.is_subscribed
                    or now - self.answered > self.options.refresh_ms / 1000):
                self.subscribe(now)
        elif message_type == STATUS:
            status = read_status(fields)
            fields.done()
            self.on_status(status, now)
        elif message_type in (REFUSE, BYE):
            reason = REASONS[fields.number(1)]
            fields.done()
            what = TYPES[message_type]
            self.refused[reason] = self.refused.get(reason, 0) + 1
            if self.refused[reason] == 1 or message_type == BYE:
                say(what, reason=reason, **self.name)
            if message_type == BYE or reason != "pending":
                self.is_subscribed = False
        else:
            raise ValueError("a message that a parent does not send")

    def on_status(self, status, now):
        if status["is_reply"]:
            self.rtt_us = (now_us() - status["echo_us"]) & 0xffffffff
            self.answered = now
            if not self.is_subscribed:
                self.is_subscribed = True
                self.next_subscribe = now + self.options.refresh_ms / 1000
        publication = status["publication"]
        if any(publication) and (
                not self.book or self.book.publication != publication):
            self.book = self.books.get(publication) or Book(
                Media(self.keys, self.stream, publication), publication,
                status["epoch"])
            self.books[publication] = self.book
        if self.book:
            for kind in range(2):
                self.book.on_status(kind, status["first"][kind],
                                    status["head"][kind])
            early, self.early = self.early, []
            for packet in early:
                self.on_media(*packet)
        news = {**status, "publication": publication.hex()}
        for name in ("echo_us", "head", "clock", "is_reply"):
            del news[name]
        if news["info"] is None and self.status:
            news["info"] = self.status["info"]
        if news != self.status:
            self.status = news
            say("status", head=status["head"], rtt_us=self.rtt_us,
                **news, **self.name)

    def on_media(self, data, now, arrived_us=None):
        ssrc = int.from_bytes(data[8:12], "big")
        book = self.book
        if not book or ssrc not in book.media.ssrcs:
            book = next((b for b in self.books.values()
                         if ssrc in b.media.ssrcs), None)
        if book:
            book.on_packet(data, book.media.ssrcs[ssrc], now, arrived_us)
        elif len(self.early) < MAX_EARLY:
            self.early.append((data, now, arrived_us))

    # time

    def on_silence(self):
        """Another subscription, which goes on where this one ended."""
        self.is_subscribed = False
        self.is_again = True
        self.next_subscribe = 0
        self.number = int.from_bytes(os.urandom(4), "big")
        say("silence", **self.name)

    def tick(self, now):
        if self.is_subscribed and not self.options.subscribes and \
                now - self.answered > SILENT_S + self.options.refresh_ms / 1000:
            self.on_silence()
        if now >= self.next_subscribe:
            if self.options.garbage:
                self.garbage()
            self.subscribe(now)
        if self.book and now >= self.next_nack:
            self.next_nack = now + 0.01
            if self.options.nack_all:
                self.nack_all()
            elif self.options.repair:
                wanted = self.book.due(now)
                if wanted:
                    self.nack(wanted)

    def summary(self, now):
        return {
            **self.name, "sent": self.sent, "received": self.received,
            "refused": self.refused, "foreign": len(self.early),
            "rtt_us": self.rtt_us, "is_subscribed": self.is_subscribed,
            "replayed_to_us": self.replayed_to_us,
            "since_media_s": None if self.last_media is None
            else round(now - self.last_media, 3),
            "gap_ms": round(self.book.gap_ms, 1) if self.book else None,
            "publications": [b.summary() for b in self.books.values()]}


def spoof(source, to, payload):
    """One UDP packet that says it comes from @source: a raw socket for root,
    else (and for an address of ours) a socket bound to it."""
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW,
                            socket.IPPROTO_RAW)
    except PermissionError:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            plain.bind(source)
            plain.sendto(payload, to)
        return
    with raw:
        udp = struct.pack(">HHHH", source[1], to[1], 8 + len(payload), 0)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64,
                         socket.IPPROTO_UDP, 0, socket.inet_aton(source[0]),
                         socket.inet_aton(to[0]))
        raw.sendto(ip + udp + payload, (to[0], 0))


# --- The program ------------------------------------------------------------

def address(value):
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--secret", required=True)
    add("--to", required=True, action="append", type=address)
    add("--stream", required=True, action="append")
    add("--node", default="link-subscriber")
    add("--bind", type=address, default=("", 0), help="IP:PORT of our end")
    add("--start", choices=STARTS, default="gop")
    add("--numbers", type=lambda v: [int(n) for n in v.split(",")],
        default=[0, 0], help="AUDIO,VIDEO for --start from")
    add("--seconds", type=float, default=float("inf"))
    add("--map", help="file: what came, sorted")
    add("--times", action="store_true", help="in the map: when it came")
    add("--no-repair", dest="repair", action="store_false",
        help="do not ask for what is missing")
    add("--refresh-ms", type=float, default=REFRESH_S * 1000)
    add("--subscribes", type=int, default=0,
        help="stop repeating SUBSCRIBE after so many answered ones")
    add("--no-leave", dest="leave", action="store_false")
    add("--cookie", choices=("good", "none", "bad"), default="good")
    add("--replay", action="store_true", help="send each datagram twice")
    add("--record", type=argparse.FileType("w"),
        help="file: what is sent, hex, for --replay-file")
    add("--replay-file", help="send this file's datagrams, nothing else")
    add("--spoof", type=address,
        help="IP:PORT: send our SUBSCRIBEs from there too, with our cookie")
    add("--garbage", action="store_true", help="and then go on as usual")
    add("--nack-all", action="store_true", help="each 10 ms, all there was")
    return parser.parse_args()


def rows(subscription):
    for publication, book in subscription.books.items():
        for kind in range(2):
            times = book.times[kind]
            for number, digest in book.digests[kind].items():
                time_us = f" {times[number]}" if number in times else ""
                yield (subscription.stream, publication.hex(), kind, number,
                       f"{digest.hex()}{time_us}")


def write_map(path, subscriptions):
    """What several nodes sent alike is there once, or once for each time."""
    with open(path + ".part", "w", encoding="ascii") as file:
        for stream, publication, kind, number, rest in sorted(
                {row for s in subscriptions for row in rows(s)}):
            file.write(f"{stream} {publication} {KINDS[kind]} {number} "
                       f"{rest}\n")
    os.rename(path + ".part", path)


class Program:
    def __init__(self, options):
        self.options = options
        self.is_over = False
        self.selector = selectors.DefaultSelector()
        keys = Keys(options.secret)
        self.subscriptions = [Subscription(keys, options, to, stream)
                              for to in options.to
                              for stream in options.stream]
        for subscription in self.subscriptions:
            self.selector.register(subscription.socket, selectors.EVENT_READ,
                                   subscription)
        if options.seconds == float("inf"):
            try:
                self.selector.register(0, selectors.EVENT_READ, None)
            except (PermissionError, ValueError):
                pass  # a file, or none: SIGTERM ends us
        if options.replay_file:
            self.replay_file(options.replay_file)
        signal.signal(signal.SIGTERM, self.on_signal)
        signal.signal(signal.SIGINT, self.on_signal)

    def on_signal(self, *_):
        self.is_over = True

    def replay_file(self, path):
        with open(path, encoding="ascii") as file:
            recorded = [bytes.fromhex(line) for line in file]
        for subscription in self.subscriptions:
            subscription.next_subscribe = float("inf")
            for data in recorded:
                subscription.send_raw(data)
        say("replayed", n=len(recorded))

    @staticmethod
    def drain(subscription):
        receive = subscription.socket.recv
        now = time.monotonic()
        try:
            for _ in range(1000):
                if subscription.options.times:
                    data, control, _, _ = subscription.socket.recvmsg(2048, 64)
                    seconds, ns = struct.unpack("qq", control[0][2])
                    subscription.on_datagram(data, now,
                                             seconds * 1000000 + ns // 1000)
                else:
                    subscription.on_datagram(receive(2048), now)
        except BlockingIOError:
            pass
        except ConnectionError:
            pass

    def run(self):
        end = time.monotonic() + self.options.seconds
        next_counts = time.monotonic() + 1
        while not self.is_over:
            now = time.monotonic()
            if now >= end:
                break
            for subscription in self.subscriptions:
                subscription.tick(now)
            if now >= next_counts:
                next_counts += 1
                for subscription in self.subscriptions:
                    say("counts", **subscription.summary(now))
                    if subscription.book:
                        subscription.book.gap_ms = 0.0
            for key, _ in self.selector.select(0.01):
                if key.data:
                    self.drain(key.data)
                elif not os.read(0, 1024):
                    self.is_over = True
        self.finish()

    def finish(self):
        for subscription in self.subscriptions:
            self.drain(subscription)
            if self.options.leave and subscription.is_subscribed:
                subscription.send(LEAVE, b"")
        if self.options.map:
            write_map(self.options.map, self.subscriptions)
        say("end", subscriptions=[s.summary(time.monotonic())
                                  for s in self.subscriptions])


if __name__ == "__main__":
    Program(parse_options()).run()
    sys.exit(0)
