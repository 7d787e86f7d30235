# SPDX-License-Identifier: Apache-2.0
"""./dev bench relay: a relay's cost a packet and child, beside GStreamer's
multiudpsink that does the same fan-out (it neither protects nor repairs)."""
import json
import os
import statistics
import subprocess
import sys
import time

import measure
import servers

SECRET = "a secret for measuring"


class Links(servers.Server):
    """bench-relay: plain RTP in, links out"""
    name = "media-tree relay"

    def __init__(self, cores, tools, streams, children):
        super().__init__(cores, streams)
        self.tools, self.streams, self.children = tools, streams, children

    def launch(self):
        self.process = subprocess.Popen(
            self.prefix + [f"{self.tools}/bench-relay", "--video",
                           str(self.video), "--audio", str(self.audio),
                           "--streams", str(self.streams), "--children",
                           str(self.children), "--secret", SECRET],
            stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.port = json.loads(self.process.stdout.readline())["port"]

    def child_args(self):
        return ["--link", str(self.port)]


class MultiUdpSink(servers.Server):
    """One gst-launch: udpsrc ! multiudpsink for each track of each stream"""
    name = "multiudpsink"

    def __init__(self, cores, tools, streams, children):
        super().__init__(cores, streams)
        ports = servers.free_ports(2 + 2 * streams + streams * children // 4)
        self.http, self.media, self.video, self.audio = ports[:4]
        self.first = ports[2 + 2 * streams]
        self.streams, self.children = streams, children

    def launch(self):
        words = ["gst-launch-1.0", "-q"]
        for i in range(self.streams):
            first = self.first + i * self.children
            clients = ",".join(f"127.0.0.1:{first + k}"
                               for k in range(self.children))
            for port in (self.video + 8 * i, self.audio + 8 * i):
                words += ["udpsrc", "address=127.0.0.1", f"port={port}",
                          "buffer-size=8000000", "!", "multiudpsink",
                          f"clients={clients}", "sync=false", "async=false",
                          "buffer-size=8000000"]
        self.start(words)
        time.sleep(1)
        if self.process.poll() is not None:
            raise RuntimeError("gst-launch-1.0 ended: is multiudpsink there?")

    def child_args(self):
        return ["--first", str(self.first)]


# streams and bit/s: an idle relay, busy ones, and longer bursts
MIXES = [(1, 2_500_000), (10, 2_500_000), (40, 2_500_000), (10, 8_000_000)]


def measure_one(kind, args, tools, mix, children, gro):
    streams, bitrate = mix
    with kind(args.server_core, tools, streams, children) as server, \
            measure.run_source(server, tools, bitrate, args.load_core,
                               streams):
        time.sleep(0.5)
        with measure.running(
                [f"{tools}/bench-children", *server.child_args(), "--secret",
                 SECRET, "--streams", str(streams), "--children",
                 str(children), "--seconds",
                 str(args.seconds)] + (["--gro"] if gro else []),
                args.load_core, stdout=subprocess.PIPE) as load:
            if measure.read_event(load, "start")["least"] == 0:
                raise RuntimeError(f"{kind.name}: a child gets nothing")
            used, _ = measure.spent(server.pid)
            result = measure.read_event(load, "stop")
            used = measure.spent(server.pid)[0] - used
    mean = result["packets"] / (streams * children)
    print(f"{kind.name}, {streams} streams of {bitrate // 1000} kbit/s, "
          f"{children} children, "
          f"{'GRO' if gro else 'plain'}: {used * 1e6 / result['packets']:.3f} "
          f"us, {result['packets'] / args.seconds:.0f} packets/s, least "
          f"{result['least']} of {mean:.0f}", file=sys.stderr)
    return {"cpu_us": used * 1e6 / result["packets"],
            "rate": result["packets"] / args.seconds,
            "cpu_share": used / args.seconds,
            "missing": 1 - result["least"] / mean}


def run(args, path):
    """Interleaved rounds. Returns the table's lines."""
    tools = os.path.join(path, "tests/bench")
    children, rows = 16, {}
    kinds = [(Links, False), (MultiUdpSink, False), (Links, True),
             (MultiUdpSink, True)]
    for mix in MIXES[:1] if args.quick else MIXES:
        for _ in range(1 if args.quick else args.rounds):
            for kind, gro in kinds:
                rows.setdefault((mix, kind, gro), []).append(
                    measure_one(kind, args, tools, mix, children, gro))
    lines = ["| streams | kbit/s | who | receivers | CPU µs/packet and child "
             "| CPU % | packets/s | of multiudpsink |", "|" + "---|" * 8]
    for (mix, kind, gro), results in rows.items():
        cost = statistics.median(r["cpu_us"] for r in results)
        other = statistics.median(
            r["cpu_us"] for r in rows[(mix, MultiUdpSink, gro)])
        share = statistics.median(r["cpu_share"] for r in results)
        rate = statistics.median(r["rate"] for r in results)
        lines.append(
            f"| {mix[0]} | {mix[1] // 1000} | {kind.name} "
            f"| {'GRO' if gro else 'plain'} "
            f"| {cost:.2f} | {share * 100:.1f} | {rate:.0f} "
            f"| {cost / other:.2f} |")
    return lines
