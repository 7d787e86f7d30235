# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured: each is started on 127.0.0.1 with one stream
fed by plain RTP, and ended by its process id."""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

LIB = "/usr/lib/x86_64-linux-gnu/janus"


def free_ports(n, stride=4):
    """n UDP ports, stride apart, all free with what lies between."""
    for base in range(21000 + os.getpid() % 500 * 20, 60000, n * stride):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + n * stride):
                    s = stack.enter_context(
                        socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    s.bind(("127.0.0.1", port))
                    t = stack.enter_context(socket.socket())
                    t.bind(("127.0.0.1", port))
            except OSError:
                continue
            return [base + i * stride for i in range(n)]
    raise RuntimeError("no free ports")


def wait_for(url, process, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args[-1]} does not answer at {url}")


class Server:
    """A process, what to tell the load, and where its RTP goes."""

    name = ""

    def __init__(self, cores, n_streams=1):
        self.prefix = ["taskset", "-c", cores] if cores else []
        self.dir = tempfile.mkdtemp(prefix="bench-")
        # stream i is 8 * i above the first one's ports, which are the last
        self.http, self.media, self.video, self.audio = free_ports(
            2 + 2 * n_streams)[:4]

    def count_dropped(self):
        """Packets that the server itself says it dropped; None: it is silent"""
        return None

    def start(self, command):
        with open(os.path.join(self.dir, "log"), "wb") as log:
            self.process = subprocess.Popen(
                self.prefix + command, stdout=log, stderr=log)
        self.pid = self.process.pid  # taskset becomes the server

    def __enter__(self):
        self.launch()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class MediaTree(Server):
    name = "media-tree"

    def __init__(self, cores, binary, workers=1, n_streams=1):
        super().__init__(cores, n_streams)
        self.binary, self.workers, self.n_streams = binary, workers, n_streams

    def launch(self):
        inputs = ",".join(
            f"bench{i}:video=H264/96@{self.video + 8 * i},"
            f"audio=opus/111@{self.audio + 8 * i}"
            for i in range(self.n_streams))
        self.start([self.binary, "--http-listen", f"127.0.0.1:{self.http}",
                    "--rtc-port", str(self.media), "--workers",
                    str(self.workers), "--max-viewers", "100000",
                    "--rtp-input", inputs, "--log-level", "warning"])
        wait_for(f"http://127.0.0.1:{self.http}/healthz", self.process)

    def count_dropped(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics",
                                    timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        return sum(int(float(line.split()[-1])) for line in lines
                   if line.startswith("media_tree_rtc_send_dropped_packets"))

    def load_args(self):
        return ["--whep", f"http://127.0.0.1:{self.http}/whep/bench%u"]


class Janus(Server):
    """Debian's janus: its Streaming plugin with an rtp mountpoint. It has no
    candidates on 127.0.0.1: the host's own address is used, which the kernel
    takes by the loopback device all the same."""

    MAIN = """
general: {{
  configs_folder = "{dir}"
  plugins_folder = "{lib}/plugins"
  transports_folder = "{lib}/transports"
  debug_level = 2
  session_timeout = 0
  {loops}
}}
media: {{ ipv6 = false  rtp_port_range = "{low}-{high}" }}
nat: {{ ice_lite = true }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""
    HTTP = """
general: {{ json = "compact"  base_path = "/janus"  http = true
  port = {http}  ip = "127.0.0.1"  https = false }}
admin: {{ admin_http = false  admin_https = false }}
"""
    STREAMING = """
bench: {{
  type = "rtp"
  id = 1
  description = "bench"
  media = (
    {{ type = "video"  mid = "v"  label = "v"  port = {video}  pt = 96
      codec = "h264"
      fmtp = "profile-level-id=42e01f;packetization-mode=1" }},
    {{ type = "audio"  mid = "a"  label = "a"  port = {audio}  pt = 111
      codec = "opus" }}
  )
  {threads}
}}
"""

    def __init__(self, cores, tuned):
        super().__init__(cores)
        self.tuned = tuned
        self.name = "janus tuned" if tuned else "janus default"

    def launch(self):
        others = [
            ",".join(sorted(f for f in os.listdir(os.path.join(LIB, kind))
                            if f.endswith(".so") and f != keep))
            for kind, keep in (("plugins", "libjanus_streaming.so"),
                               ("transports", "libjanus_http.so"))]
        values = {
            "dir": self.dir, "lib": LIB, "plugins": others[0],
            "transports": others[1], "video": self.video, "audio": self.audio,
            "http": self.http, "low": 30000, "high": 60000,
            "loops": "event_loops = 1" if self.tuned else "",
            "threads": "threads = 1" if self.tuned else ""}
        for name, text in (("janus.jcfg", self.MAIN),
                           ("janus.transport.http.jcfg", self.HTTP),
                           ("janus.plugin.streaming.jcfg", self.STREAMING)):
            with open(os.path.join(self.dir, name), "w",
                      encoding="utf-8") as file:
                file.write(text.format(**values))
        self.start(["janus", "-C", os.path.join(self.dir, "janus.jcfg"),
                    "-F", self.dir])
        wait_for(f"http://127.0.0.1:{self.http}/janus/info", self.process)

    def load_args(self):
        return ["--janus", f"http://127.0.0.1:{self.http}/janus",
                "--mountpoint", "1"]
