# SPDX-License-Identifier: Apache-2.0
"""What /metrics costs a node with many streams and viewers: how long it takes
to answer, how much of a core it uses, and whether media waits for it."""
import contextlib
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import threading
import time

import measure
import servers
from report import report, table, times

STREAMS, VIEWERS = 1000, 2000
BITRATE, FPS = 40_000, 5  # of each: the scrape is measured, not the fan-out
SCRAPE_EVERY_S = 0.1
USUAL_EVERY_S = 15
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
KINDS = (("none", None), ("text 0.0.4", "text/plain"),
         ("OpenMetrics", OPENMETRICS))


def free_range(n):
    """The first of n UDP ports below those that the kernel hands out."""
    for base in range(12000 + os.getpid() % 50 * 100, 32000 - n, 250):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + n):
                    stack.enter_context(socket.socket(
                        socket.AF_INET, socket.SOCK_DGRAM)).bind(
                            ("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise RuntimeError("no free ports")


class ManyStreams(servers.MediaTree):
    """media-tree with so many mountpoints of plain RTP, made over its Janus
    API: more than --rtp-input takes. Their ids are 1 and the number."""

    STRIDE = 2  # RTP, and RTCP that nobody listens to

    def __init__(self, cores, binary, n_streams):
        super().__init__(cores, binary)
        self.n_streams = n_streams
        self.video = free_range(n_streams * self.STRIDE)

    def launch(self):
        self.start([self.binary, "--http-listen", f"127.0.0.1:{self.http}",
                    "--rtc-port", str(self.media), "--workers", "1",
                    "--max-viewers", "100000", "--log-level", "warning"])
        servers.wait_for(f"http://127.0.0.1:{self.http}/healthz", self.process)
        connection = http.client.HTTPConnection("127.0.0.1", self.http,
                                                timeout=10)
        path = "/janus"
        for request in ("create", "attach"):
            reply = self.ask(connection, path, janus=request,
                             plugin="janus.plugin.streaming")
            path += f"/{reply['data']['id']}"
        for i in range(self.n_streams):
            reply = self.ask(connection, path, janus="message", body={
                "request": "create", "type": "rtp", "id": int(f"1{i}"),
                "media": [{"type": "video", "mid": "v", "pt": 96,
                           "codec": "h264",
                           "port": self.video + self.STRIDE * i}]})
            if reply["plugindata"]["data"].get("streaming") != "created":
                raise RuntimeError(f"no mountpoint: {reply}")
        connection.close()

    @staticmethod
    def ask(connection, path, **members):
        connection.request("POST", path, json.dumps(
            {"transaction": "bench", **members}),
            {"Content-Type": "application/json"})
        reply = json.loads(connection.getresponse().read())
        if reply["janus"] != "success":
            raise RuntimeError(f"the server said {reply}")
        return reply

    def n_live(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.http,
                                                timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        found = re.search(r'^media_tree_streams\{[^}]*state="live"[^}]*\} (\d+)',
                          text, re.M)
        return int(found[1]) if found else 0

    def wait_live(self):
        end = time.monotonic() + 30
        while self.n_live() < self.n_streams:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.n_live()} streams are live, not "
                                   f"{self.n_streams}")
            time.sleep(0.1)

    def load_args(self):
        return ["--whep", f"http://127.0.0.1:{self.http}/whep/1%u"]


class Scraper:
    """Asks again and again, as Prometheus does: one connection, all read."""

    def __init__(self, server, accept):
        self.server, self.accept = server, accept
        self.seconds, self.n_bytes, self.error = [], [], None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            self.scrape_until_over()
        except (OSError, http.client.HTTPException) as error:
            self.error = error

    def scrape_until_over(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http,
                                                timeout=10)
        due = time.monotonic()
        while not self.is_over.wait(max(0, due - time.monotonic())):
            due += SCRAPE_EVERY_S
            begin = time.monotonic()
            connection.request("GET", "/metrics",
                               headers={"Accept": self.accept})
            text = connection.getresponse().read()
            self.seconds.append(time.monotonic() - begin)
            self.n_bytes.append(len(text))
        connection.close()

    def __enter__(self):
        if self.accept:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        if self.accept:
            self.thread.join()
        if self.error:
            raise RuntimeError(f"a scrape failed: {self.error}")


def main_seconds(pid):
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def measure_kind(server, tools, args, name, accept):
    with measure.run_load(server, tools, args.viewers_n, args.load_core,
                          seconds=args.seconds, settle=3, sample=200,
                          streams=STREAMS, signers=4) as load:
        measure.read_event(load, "ready")
        measure.read_event(load, "start")
        begin = main_seconds(server.pid)
        with Scraper(server, accept) as scraper:
            result = measure.read_event(load, "stop")
            used = main_seconds(server.pid) - begin
    result.update(scrapes=name, n=len(scraper.seconds), main_s=used,
                  ms=sorted(s * 1000 for s in scraper.seconds),
                  n_bytes=statistics.median(scraper.n_bytes or [0]))
    return result


def quantile(values, q):
    return values[min(len(values) - 1, int(q * len(values)))]


def share(row, idle):
    """of a core, at one scrape in USUAL_EVERY_S"""
    spent = row["main_s"] - idle["main_s"] * row["seconds"] / idle["seconds"]
    return spent / row["n"] / USUAL_EVERY_S


def run_source(server, tools, args):
    return measure.running(
        [f"{tools}/bench-source", "--video", f"127.0.0.1:{server.video}",
         "--bitrate", str(BITRATE), "--fps", str(FPS),
         "--streams", str(STREAMS), "--stride", str(server.STRIDE)],
        args.load_core, stdout=subprocess.DEVNULL)


def run(args, path):
    """Returns: lines"""
    args.viewers_n = (args.viewers or [VIEWERS])[0]
    tools = f"{path}/tests/bench"
    rows = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ManyStreams(
            args.server_core, os.path.join(path, "media-tree"), STREAMS))
        stack.enter_context(run_source(server, tools, args))
        server.wait_live()
        for name, accept in KINDS:
            rows.append(measure_kind(server, tools, args, name, accept))
    idle = rows[0]
    columns = [
        ("scrapes, each 100 ms", lambda r: r["scrapes"]),
        ("viewers", lambda r: f"{r['viewers']}"),
        ("packets/s", lambda r: f"{r['packets'] / r['seconds']:.0f}"),
        ("answers", lambda r: f"{r['n']}"),
        ("KB", lambda r: f"{r['n_bytes'] / 1000:.0f}"),
        ("answered p50/p99 ms", lambda r: "–" if not r["n"] else
         f"{quantile(r['ms'], 0.5):.1f}/{quantile(r['ms'], 0.99):.1f}"),
        ("CPU % at 15 s", lambda r: "–" if not r["n"] else
         f"{share(r, idle) * 100:.3f}"),
        ("media's latency p50/p99/max ms", times("latency_us")),
        ("lost", lambda r: f"{r['lost']:.0f}")]
    return [f"{STREAMS} streams of plain RTP ({FPS} frames a second of "
            f"{BITRATE // 1000} kbit/s each), {args.viewers_n} viewers. A "
            "scrape is asked for every 100 ms; its cost is the main thread's "
            "beyond that without scrapes.", table(rows, columns)]


def run_metrics(args, path):
    args.rounds = 1
    report("Metrics", "metrics", args, run(args, path))
    return 0
