# SPDX-License-Identifier: Apache-2.0
"""A Redis and nodes that meet in it, all on 127.0.0.1."""
import secrets

from .node import free_ports
from .wait import wait_for

POOL_PORTS = 16


class Cluster:
    """Nodes of one tree; the world that starts them ends them."""

    def __init__(self, world, redis_url, *args, secret=None):
        self.world = world
        self.redis_url = redis_url
        self.secret = secret or secrets.token_hex(16)
        self.args = args
        self.nodes = {}

    def node(self, name, role, *args, ready=True, loss=None, **more):
        """Starts one; @name is its node id. @loss: a dict: a proxy with these
        options stands before its relay port."""
        pool = free_ports(POOL_PORTS)
        relay_port, proxy = free_ports(), None
        address = "127.0.0.1"
        if loss is not None:
            proxy = self.world.impair_port(relay_port, **loss)
            address += f":{proxy.port}"
        node = self.world.node(
            "--node-id", name, "--role", role, "--redis-url", self.redis_url,
            "--cluster-address", address, "--relay-port", str(relay_port),
            "--rtp-port-range", f"{pool}-{pool + POOL_PORTS - 1}",
            *self.args, *args, workers=1, ready=ready,
            env={"MEDIA_TREE_CLUSTER_SECRET": self.secret}, **more)
        node.name, node.role = name, role
        node.relay_port, node.pool, node.proxy = relay_port, pool, proxy
        self.nodes[name] = node
        return node

    def grow(self, injection=1, relay=0, egress=1):
        """Starts that many, and waits until each has its place."""
        for role, count in (("injection", injection), ("relay", relay),
                            ("egress", egress)):
            for i in range(1, count + 1):
                self.node(f"{role[0]}{i}", role, ready=False)
        for node in self.nodes.values():
            node.wait_ready()
        self.wait_placed()
        return self

    def __getitem__(self, name):
        return self.nodes[name]

    def member(self, name):
        return self.nodes[name].state()["cluster"]["member"]

    def wait_placed(self, timeout=15):
        """Until every node knows every other, and hangs where it should."""
        n_upper = {role: sum(n.role == role for n in self.nodes.values())
                   for role in ("injection", "relay")}

        def n_parents(node):
            if node.role == "injection":
                return 0
            if node.role == "relay":
                return min(2, n_upper["injection"] + n_upper["relay"] - 1)
            return min(2, n_upper["injection"] + n_upper["relay"])

        def is_placed(node):
            member = node.state()["cluster"]["member"]
            has = sum(member[key] is not None for key in ("parent", "backup"))
            return member["placed"] and member["peers"] >= len(self.nodes) \
                and has >= min(1, n_parents(node)) \
                and (node.role != "egress" or has == n_parents(node))

        for node in self.nodes.values():
            wait_for(lambda node=node: is_placed(node),
                     f"place of {node.name}", timeout)

    def wait_live(self, stream, timeout=15, headers=None):
        """Until every node would let a viewer in, or send him on."""
        for node in self.nodes.values():
            node.wait_live(stream, timeout, headers)
