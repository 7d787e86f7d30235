# SPDX-License-Identifier: Apache-2.0
"""The two servers that a script is told to, started once per settings."""
import concurrent.futures

from .janus_server import JanusServer
from .janus_talk import Talk

GENERAL = ("api_secret", "token_auth", "session_timeout")


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
