# SPDX-License-Identifier: Apache-2.0
"""The functions that nodes put into Redis, called without our client: by FCALL,
or, where the server has no functions, as the script that our client left
there."""
import hashlib
import os
import re

SOURCES = os.path.join(os.path.dirname(__file__), "..", "..", "..", "cluster")
NO_FUNCTIONS = ('rename-command FCALL ""', 'rename-command FUNCTION ""')


def _read(name):
    with open(os.path.join(SOURCES, name), encoding="utf-8") as file:
        return file.read()


def _script():
    """As cluster_mtctl_script() has it: test_script holds them together."""
    foot = re.search(r"script_foot\[\] =\s*(.*?);\n\n", _read("mtctl.c"), re.S)
    lines = re.findall(r'"((?:[^"\\]|\\.)*)"', foot.group(1))
    return "".join([_read("mtctl.lua"), _read("mtctl-scaling.lua"),
                    _read("mtctl-steer.lua"),
                    *(line.replace("\\n", "\n") for line in lines)])


SHA = hashlib.sha1(_script().encode()).hexdigest()


def load(world, *lines):
    """A Redis with the functions, and nobody else in it."""
    redis = world.redis(*lines)
    redis.is_eval = bool(lines)
    probe = world.probe(redis.url, "loader", "injection", "--tree", "other")
    probe.wait("connection", lambda s: s["connected"])
    probe.leave()
    return redis


def fcall(redis, name, *args, tree="main"):
    if redis.is_eval:
        return redis.call("EVALSHA", SHA, 0, name, "", tree, *args)
    return redis.call("FCALL", name, 0, "", tree, *args)
