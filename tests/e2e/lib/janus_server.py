# SPDX-License-Identifier: Apache-2.0
"""Debian's janus with a configuration directory of its own on free ports of
127.0.0.1. It has no candidates there: viewers get the host's own address,
which the kernel takes by the loopback device all the same."""
import itertools
import os
import random
import signal
import subprocess

from .http import request
from .node import free_ports
from .wait import wait_for

BINARY = "/usr/bin/janus"
LIB = "/usr/lib/x86_64-linux-gnu/janus"
ADMIN_SECRET = "overlord"
# Janus is slow to let go of ports, so it has many: more than free_ports() can
# spare. Single ones that somebody has it passes over.
RTP_PORTS = range(40000, 60000)
N_RTP_PORTS = 800
_slices = itertools.count(random.randrange(len(RTP_PORTS) // N_RTP_PORTS))
KEPT = {"plugins": ("streaming",), "transports": ("http", "websockets"),
        "events": (), "loggers": ()}


def _setting(name, value):
    if value is None:
        return ""
    if isinstance(value, bool):
        value = str(value).lower()
    elif not isinstance(value, int):
        value = f'"{value}"'
    return f"  {name} = {value}\n"


def _section(name, **settings):
    return name + ": {\n" + "".join(
        _setting(k, v) for k, v in settings.items()) + "}\n"


def _others(kind):
    directory = os.path.join(LIB, kind)
    return ",".join(sorted(
        name for name in os.listdir(directory) if name.endswith(".so")
        and name[len("libjanus_"):-len(".so")] not in KEPT[kind]))


class JanusServer:
    """@general: settings of janus.jcfg's section of that name, such as
    api_secret, token_auth, session_timeout. @streaming: of the plugin's
    general section, such as admin_key, string_ids. @mountpoints: text of
    the plugin's file after that section."""

    def __init__(self, directory, general=None, streaming=None,
                 mountpoints="", media=None, nat=None, http=None):
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.http_port, self.ws_port = free_ports(), free_ports()
        self.admin_port = free_ports()
        self.spare_port = free_ports(2)
        low = RTP_PORTS[next(_slices) * N_RTP_PORTS % len(RTP_PORTS)]
        rtp_ports = f"{low}-{low + N_RTP_PORTS - 1}"
        self.url = f"http://127.0.0.1:{self.http_port}/janus"
        self.ws_url = f"ws://127.0.0.1:{self.ws_port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}/admin"
        self.admin_secret = ADMIN_SECRET
        self._write("janus.jcfg", _section(
            "general", configs_folder=self.directory,
            **{f"{kind}_folder": os.path.join(LIB, kind) for kind in KEPT},
            **{"debug_level": 4, "admin_secret": ADMIN_SECRET, **(general or {})})
            + _section("media", ipv6=False, rtp_port_range=rtp_ports,
                       **(media or {}))
            + _section("nat", **{"ice_lite": True, **(nat or {})})
            + "".join(_section(kind, disable=_others(kind)) for kind in KEPT))
        self._write("janus.transport.http.jcfg", _section(
            "general", json="compact", base_path="/janus", http=True,
            port=self.http_port, ip="127.0.0.1", https=False) + _section(
            "admin", admin_base_path="/admin", admin_http=True,
            admin_port=self.admin_port, admin_ip="127.0.0.1",
            admin_https=False) + _section("cors", **(http or {})))
        self._write("janus.transport.websockets.jcfg", _section(
            "general", json="compact", ws=True, ws_port=self.ws_port,
            ws_ip="127.0.0.1", wss=False) + _section(
            "admin", admin_ws=False, admin_wss=False))
        self._write("janus.plugin.streaming.jcfg", _section(
            "general", rtp_port_range=rtp_ports, **(streaming or {}))
            + mountpoints)
        self.log = open(os.path.join(self.directory, "janus.log"), "ab")
        self.start()

    def _write(self, name, text):
        with open(os.path.join(self.directory, name), "w",
                  encoding="utf-8") as file:
            file.write(text)

    def start(self):
        self.process = subprocess.Popen(
            [BINARY, "-C", os.path.join(self.directory, "janus.jcfg"),
             "-F", self.directory], cwd=self.directory,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(self._is_ready, "ready janus", 15)

    def _is_ready(self):
        code = self.process.poll()
        if code is not None:
            raise RuntimeError(f"janus exited with {code} at start")
        return request(self.url + "/info", timeout=2).status == 200

    def is_alive(self):
        return self.process.poll() is None

    def kill(self):
        """Janus has been seen to hang at its end: that is no fault of ours."""
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
