# SPDX-License-Identifier: Apache-2.0
"""HTTPS: the certificate of --tls-cert, a new one after SIGHUP."""
import http.client
import json
import signal
import socket
import ssl
import subprocess
import urllib.request

import pytest
import websocket

from lib.certificate import make_certificate
from lib.wait import wait_for


def common_name(port):
    """Of the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as plain, \
            context.wrap_socket(plain) as tls:
        der = tls.getpeercert(binary_form=True)
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout",
                           "-subject"], input=der, capture_output=True,
                          check=True).stdout.decode()
    return text.strip().rsplit("= ", 1)[-1]


@pytest.fixture
def tls_node(world, tmp_path):
    def is_there():
        try:
            return common_name(node.http_port) == "first"
        except OSError:
            return False
    make_certificate(tmp_path, "first")
    node = world.node("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key",
                      str(tmp_path / "key.pem"), ready=False)
    wait_for(is_there, "HTTPS", 15)
    return node


def test_https_serves_with_the_given_certificate(tls_node, tmp_path):
    context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    url = f"https://127.0.0.1:{tls_node.http_port}/healthz"
    with urllib.request.urlopen(url, context=context, timeout=5) as reply:
        assert reply.read() == b"ok\n"


def test_sighup_takes_a_new_certificate(tls_node, tmp_path):
    assert common_name(tls_node.http_port) == "first"
    make_certificate(tmp_path, "second")
    tls_node.process.send_signal(signal.SIGHUP)
    wait_for(lambda: common_name(tls_node.http_port) == "second",
             "the new certificate", 5)


def test_plain_http_to_a_tls_port_is_refused(tls_node):
    with socket.create_connection(("127.0.0.1", tls_node.http_port),
                                  5) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.settimeout(5)
        try:
            assert not plain.recv(100).startswith(b"HTTP/1.1 200")
        except ConnectionResetError:
            pass
    assert common_name(tls_node.http_port) == "first"


class JanusOverTls:
    """Requests of one session with a handle, and polls."""

    def __init__(self, node, context):
        self.node, self.context = node, context
        self.session = self.post("", janus="create")["data"]["id"]

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", self.node.http_port,
                                           timeout=40, context=self.context)

    def post(self, path, **members):
        connection = self.connect()
        connection.request("POST", "/janus" + path, json.dumps(
            {"transaction": "t", **members}))
        return json.loads(connection.getresponse().read())

    def poll(self):
        connection = self.connect()
        n_polls = self.n_polls()
        connection.request("GET", f"/janus/{self.session}?maxev=10")
        wait_for(lambda: self.n_polls() > n_polls, "poll", 5, 0.02)
        return connection

    def n_polls(self):
        connection = self.connect()
        connection.request("GET", "/metrics")
        for line in connection.getresponse().read().decode().splitlines():
            if line.startswith("media_tree_janus_polls{"):
                return float(line.split()[-1])
        raise AssertionError("no such metric")

    def make_event(self):
        path = f"/{self.session}"
        handle = self.post(path, janus="attach",
                           plugin="janus.plugin.streaming")["data"]["id"]
        self.post(f"{path}/{handle}", janus="detach")
        return [{"janus": "detached", "session_id": self.session,
                 "sender": handle}]


def test_long_polls_over_tls(tls_node, tmp_path):
    """A client that goes while it waits loses no event, here either."""
    context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    janus = JanusOverTls(tls_node, context)
    poll = janus.poll()
    event = janus.make_event()
    assert json.loads(poll.getresponse().read()) == event
    janus.poll().close()
    event = janus.make_event()
    poll = janus.connect()
    poll.request("GET", f"/janus/{janus.session}?maxev=10")
    assert json.loads(poll.getresponse().read()) == event


def test_websocket_over_tls(tls_node, tmp_path):
    context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    client = websocket.create_connection(
        f"wss://127.0.0.1:{tls_node.http_port}/janus/ws", timeout=15,
        subprotocols=["janus-protocol"], sslopt={"context": context})

    def ask(**members):
        client.send(json.dumps({"transaction": "t", **members}))
        return json.loads(client.recv())
    session = ask(janus="create")["data"]["id"]
    handle = ask(janus="attach", session_id=session,
                 plugin="janus.plugin.streaming")["data"]["id"]
    reply = ask(janus="detach", session_id=session, handle_id=handle)
    assert reply["janus"] == "success", reply
    assert json.loads(client.recv()) == {
        "janus": "detached", "session_id": session, "sender": handle}
    # more than a socket takes at once
    reply = ask(janus="ping", transaction="x" * 200000)
    assert reply["janus"] == "pong" and len(reply["transaction"]) == 200000
    client.close()
