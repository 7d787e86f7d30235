# SPDX-License-Identifier: Apache-2.0
"""HTTP connections that clients leave must not stay in the node."""
import http.client

from lib.wait import wait_for

N_CLIENTS = 50


def test_a_client_that_leaves_frees_its_descriptor(node):
    """Keep-alive connections, closed by the client after one reply: what
    every browser and OBS do."""
    before = node.n_fds()
    for _ in range(N_CLIENTS):
        connection = http.client.HTTPConnection("127.0.0.1", node.http_port,
                                                timeout=5)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() is not None
        connection.close()
    wait_for(lambda: node.n_fds() <= before + 5, "closed descriptors", 5)
