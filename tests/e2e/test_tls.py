# SPDX-License-Identifier: Apache-2.0
"""HTTPS: the certificate of --tls-cert, a new one after SIGHUP."""
import signal
import socket
import ssl
import subprocess
import urllib.request

import pytest

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
