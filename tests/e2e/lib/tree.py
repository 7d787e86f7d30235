# SPDX-License-Identifier: Apache-2.0
"""Replies of /api/tree that nobody gave, for the page that draws them."""


def node(name, roles, rank, parent=None, backup=None, **more):
    return {"id": name, "self": False, "roles": roles.split(), "host": "h",
            "url": None, "link_address": None, "started": None, "alive": True,
            "parent": parent, "backup": backup, "rank": rank, "children": 0,
            "subtree": None, "draining": False, "warm": False, "viewers": 0,
            "max_viewers": 0,
            "publishers": 0, "max_publishers": 0, "streams": 1, "ports": 1,
            "max_ports": 500, "tx_bps": 2500000, "rx_bps": 0, "max_tx_bps": 0,
            "cpu_ratio": 0.1, "rss_bytes": 5e7, "joins": 0, "refused": 0,
            "leaves": 0, **more}


def link(child, parent, kind, loss=0.0, **more):
    return {"child": child, "parent": parent, "kind": kind, "active": True,
            "silent": False, "streams": 1, "loss_ratio": loss,
            "first_ratio": 0.5, "rtt_us": 700, "jitter_us": 90, **more}


def make_tree(n_relays, n_egress):
    """One injection node, relays below it, egress nodes below these with the
    next relay as their backup."""
    nodes, links = [node("injection-0", "injection", 1, publishers=1)], []
    for i in range(n_relays):
        nodes.append(node(f"relay-{i}", "relay", 2, "injection-0"))
        links.append(link(f"relay-{i}", "injection-0", "parent"))
    for i in range(n_egress):
        parent, backup = (f"relay-{(i + k) % n_relays}" for k in (0, 1))
        nodes.append(node(f"egress-{i}", "egress", 3, parent, backup,
                          viewers=i, max_viewers=1000))
        links += [link(f"egress-{i}", parent, "parent"),
                  link(f"egress-{i}", backup, "backup")]
    return {"tree": "main", "node": "injection-0", "clustered": True,
            "store_connected": True, "nodes": nodes, "links": links,
            "streams": [{"name": "live", "origin": "injection-0", "epoch": 1,
                         "codecs": ["H264"],
                         "nodes": [n["id"] for n in nodes]}]}
