# SPDX-License-Identifier: Apache-2.0
"""The C peers of tests/peer as processes that speak JSON lines."""
import json
import os
import signal
import subprocess
import tempfile
import threading

from . import media
from .node import build_dir
from .wait import wait_for

CACHE = os.path.join(build_dir(), "tests", "media-cache")


def peer_binary(name):
    path = os.path.join(build_dir(), "tests", "peer", name)
    assert os.path.exists(path), f"{path} is not built"
    return path


class JsonProcess:
    """A child whose stdout is JSON objects, one a line."""

    def __init__(self, log_path, *args):
        self.events = []
        self.lock = threading.Lock()
        self.log = open(log_path, "ab")
        self.log.write((" ".join(args) + "\n").encode())
        self.log.flush()
        self.process = subprocess.Popen(
            args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.log.write(line)
            self.log.flush()
            with self.lock:
                self.events.append(json.loads(line))

    def find(self, event):
        with self.lock:
            return [e for e in self.events if e.get("event") == event]

    def wait_event(self, event, timeout=15, count=1):
        def found():
            events = self.find(event)
            if len(events) < count and self.process.poll() is not None:
                self.reader.join(5)
                events = self.find(event)
                if len(events) < count:
                    raise RuntimeError(
                        f"{self.process.args[0]} exited with "
                        f"{self.process.returncode} before {event!r}: "
                        f"{self.events}")
            return len(events) >= count and events[count - 1]
        return wait_for(found, f"event {event!r}", timeout)

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def finish(self, timeout=20):
        """Closes stdin, which asks the child to end; its last event."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        code = self.process.wait(timeout)
        self.reader.join(5)
        assert code == 0, f"{self.process.args[0]} exited with {code}"
        return self.find("end")[-1]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(5)
        self.log.close()


class Obs(JsonProcess):
    """obs-client: publishes as OBS does."""

    def __init__(self, directory, url, offer, codec="H264", gop_s=2, token=None,
                 setup=None, port=None, video=True, audio=True, loop_s=8,
                 video_file=None, args=()):
        with tempfile.NamedTemporaryFile("w", newline="", dir=directory,
                                         suffix=".sdp", delete=False) as file:
            file.write(offer)
        command = [peer_binary("obs-client"), "--url", url, "--offer",
                   file.name]
        if video:
            path = video_file or media.video(CACHE, codec, gop_s=gop_s,
                                             loop_s=loop_s)
            command += ["--video", path]
        if audio:
            command += ["--audio", media.audio(CACHE)]
        for name, value in (("--token", token), ("--setup", setup),
                            ("--candidate-port", port)):
            if value is not None:
                command += [name, str(value)]
        super().__init__(os.path.join(directory, "obs.log"), *command, *args)

    def wait_connected(self, timeout=15):
        return self.wait_event("connected", timeout)

    def frame_time(self, number, before_wall_s):
        """Wall time in seconds when the picture with this number was last
        given to the network, not after @before_wall_s."""
        info = self.find("clock")[-1]
        unit_s = info["unit_us"] / 1e6
        loop_s = unit_s * info["n_units"]
        first = info["start_wall_us"] / 1e6 + number * unit_s
        return first + (before_wall_s - first) // loop_s * loop_s


class Viewers(JsonProcess):
    """viewer-client: N light WHEP viewers."""

    def __init__(self, directory, url, offer, count=1, token=None, port=None,
                 args=()):
        with tempfile.NamedTemporaryFile("w", newline="", dir=directory,
                                         suffix=".sdp", delete=False) as file:
            file.write(offer)
        command = [peer_binary("viewer-client"), "--url", url, "--offer",
                   file.name, "--viewers", str(count)]
        if token is not None:
            command += ["--token", token]
        if port is not None:
            command += ["--candidate-port", str(port)]
        super().__init__(os.path.join(directory, "viewers.log"), *command,
                         *args)

    def report(self, timeout=10):
        """What each viewer has counted up to now."""
        count = len(self.find("report")) + 1
        self.tell("report")
        return self.wait_event("report", timeout, count)["viewers"]

    def wait_video(self, packets=30, timeout=15):
        """Until each viewer has that many more video packets."""
        start = [v["video"]["n_packets"] for v in self.report()]

        def more():
            now = [v["video"]["n_packets"] for v in self.report()]
            return all(n >= s + packets for n, s in zip(now, start))
        wait_for(more, f"{packets} more video packets", timeout, 0.2)


class Impair(JsonProcess):
    def __init__(self, directory, to_port, seed=1, **values):
        args = [f for name, value in values.items()
                for f in ("--" + name.replace("_", "-"), str(value))]
        super().__init__(os.path.join(directory, "impair.log"),
                         peer_binary("impair"), "--to",
                         f"127.0.0.1:{to_port}", "--seed", str(seed), *args)
        self.port = wait_for(lambda: self.events and
                             self.events[0]["listening"], "proxy")

    def set(self, name, value):
        count = len(self.events)
        self.tell(f"{name} {value}")
        assert wait_for(lambda: self.events[count:], "proxy's word")[0]["set"]

    def counters(self):
        """Ends the proxy."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0
        self.reader.join(5)
        return self.events[-1]
