# SPDX-License-Identifier: Apache-2.0
"""A node with --role=metrics as an operator starts it: by the environment, so
that METRICS_PORT says where it listens."""
import os
import socketserver
import subprocess
import threading

from .http import request
from .node import BINARY, Node, clean_environment, free_ports

PREFIX = "media_tree_cluster_"


class MetricsNode(Node):
    """@env: METRICS_… and others; @args: besides the role."""

    def __init__(self, directory, *args, env=None, ready=True):
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.log_path = os.path.join(self.directory, "node.log")
        self.http_port = free_ports()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.args = [BINARY, "--role", "metrics", *args]
        self.env = clean_environment(METRICS_PORT=str(self.http_port),
                                     **(env or {}))
        self.log = open(self.log_path, "ab")
        self.start(ready)

    def start(self, ready=True):
        self.process = subprocess.Popen(
            self.args, cwd=self.directory, env=self.env,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if ready:
            self.wait_ready()

    def system(self):
        reply = request(self.url + "/monitoring/system")
        assert reply.status == 200, reply
        return reply.json()

    def cluster(self, name, **labels):
        """Sum of media_tree_cluster_<name>; it must be there."""
        metrics = self.metrics()
        assert PREFIX + name in metrics.names(), f"no {name}"
        return metrics.total(PREFIX + name, **labels)

    def point(self, key, **labels):
        """The point with exactly these labels."""
        found = [p for p in self.system()["points"]
                 if p["key"] == key and p["labels"] == labels]
        assert len(found) == 1, f"{len(found)} of {key} {labels}"
        return found[0]

    def nodes(self):
        """{node id: its row}"""
        return {n["node_id"]: n for n in self.system()["nodes"]}

    def target(self, url):
        row, = (t for t in self.system()["source"]["targets"]
                if t["url"] == url)
        return row


class BadPeer:
    """Where a node should be: reads what comes and says @says, or nothing and
    keeps the connection (None)."""

    def __init__(self, says=None):
        self.end = threading.Event()
        self.asked = 0
        peer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(65536)
                peer.asked += 1
                if says is not None:
                    self.request.sendall(says)
                else:
                    peer.end.wait()

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def kill(self):
        self.end.set()
        self.server.shutdown()
        self.server.server_close()
