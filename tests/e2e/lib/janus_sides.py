# SPDX-License-Identifier: Apache-2.0
"""The two servers that a script is told to, started once per settings."""
import concurrent.futures

from .janus_server import ADMIN_SECRET
from .janus_talk import Talk
from .node import free_ports

GENERAL = ("api_secret", "token_auth", "session_timeout")
OPTIONS = {"api_secret": "--janus-api-secret", "admin_key":
           "--janus-admin-key", "token_auth": "--janus-token-auth",
           "string_ids": "--janus-string-ids",
           "session_timeout": "--janus-session-timeout"}
N_RTP_PORTS = 40


class MediaTree:
    """A node, with the names of a JanusServer."""

    def __init__(self, world, settings):
        low = free_ports(N_RTP_PORTS)
        self.spare_port = free_ports(2)
        self.admin_secret = ADMIN_SECRET
        self.node = world.node(
            "--janus-admin-secret", ADMIN_SECRET, "--recording-dir",
            world._dir("recordings"), "--rtp-port-range",
            f"{low}-{low + N_RTP_PORTS - 1}", *(
                f"{OPTIONS[name]}={self._value(value)}"
                for name, value in settings))
        self.directory = self.node.directory
        self.url = self.node.url + "/janus"
        self.ws_url = f"ws://127.0.0.1:{self.node.http_port}/janus/ws"
        self.admin_url = self.node.url + "/admin"

    @staticmethod
    def _value(value):
        if value is True:
            return "yes"
        return f"{value}s" if isinstance(value, int) else value


class Sides:
    def __init__(self, world):
        self.world = world
        self.servers = {}

    def janus(self, settings, which="janus"):
        """@which: servers of another name are others."""
        key = which, settings
        if key not in self.servers:
            values = dict(settings)
            self.servers[key] = self.world.janus(
                general={k: v for k, v in values.items() if k in GENERAL},
                streaming={k: v for k, v in values.items()
                           if k not in GENERAL})
        return self.servers[key]


    def media_tree(self, settings):
        key = "media-tree", settings
        if key not in self.servers:
            self.servers[key] = MediaTree(self.world, settings)
        return self.servers[key]


def _run(script, transport, side):
    talk = Talk(side, transport, **dict(script.credentials))
    try:
        script.run(talk)
        return talk.record
    finally:
        talk.close()


def run_both(script, transport, one, other):
    """The records of both; they are told at the same time."""
    if one is other:
        return [_run(script, transport, one) for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = [pool.submit(_run, script, transport, side)
                for side in (one, other)]
        return [run.result() for run in runs]
