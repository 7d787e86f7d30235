# SPDX-License-Identifier: Apache-2.0
"""Many sessions, many polls, and many random requests of the Janus API."""
import base64
import http.client
import json
import os
import socket
import struct
import subprocess
import time

from .node import build_dir
from .wait import wait_for

PLUGIN = "janus.plugin.streaming"
REPLIES = {"success", "error", "ack", "pong", "server_info"}
# so many requests, at most, to a session
REFRESH = 50


class HttpApi:
    """Requests by POST."""

    def __init__(self, node):
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", node.http_port, timeout=40)

    def ask_text(self, text, path="/janus"):
        self.connection.request("POST", path, text.encode())
        reply = self.connection.getresponse()
        body = reply.read()
        assert reply.status == 200, (reply.status, text, body)
        return json.loads(body)

    def ask(self, path="/janus", **members):
        return self.ask_text(json.dumps({"transaction": "t", **members}), path)

    def close(self):
        self.connection.close()


class WebSocketApi:
    """The same over a WebSocket; events are read over."""

    def __init__(self, node):
        self.socket = socket.create_connection(
            ("127.0.0.1", node.http_port), 40)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((
            f"GET /janus/ws HTTP/1.1\r\nHost: 127.0.0.1:{node.http_port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: janus-protocol\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        status = self.file.readline()
        assert b" 101 " in status, status
        while self.file.readline() != b"\r\n":
            pass

    def _send(self, opcode, payload):
        size = len(payload)
        if size < 126:
            head = struct.pack(">BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, size)
        # a mask of zeros is one as well
        self.socket.sendall(head + bytes(4) + payload)

    def _receive(self):
        while True:
            opcode, size = self.file.read(2)
            if size == 126:
                size, = struct.unpack(">H", self.file.read(2))
            elif size == 127:
                size, = struct.unpack(">Q", self.file.read(8))
            payload = self.file.read(size)
            if opcode & 15 == 9:
                self._send(10, payload)
            else:
                assert opcode & 15 == 1, (opcode, payload)
                return json.loads(payload)

    def ask_text(self, text, path="/janus"):
        assert path == "/janus"
        self._send(1, text.encode())
        while True:
            reply = self._receive()
            if reply["janus"] in REPLIES:
                return reply

    def ask(self, path="/janus", **members):
        return self.ask_text(json.dumps({"transaction": "t", **members}), path)

    def close(self):
        self.file.close()
        self.socket.close()


def open_session(api):
    session = api.ask(janus="create")["data"]["id"]
    handle = api.ask(janus="attach", session_id=session,
                     plugin=PLUGIN)["data"]["id"]
    return session, handle


def random_requests(seed, count):
    program = os.path.join(build_dir(), "tests", "peer", "janus-random")
    done = subprocess.run([program, str(seed), str(count)], check=True,
                          stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()


def bombard(node, seed, count):
    """@count random requests, half by HTTP and half by WebSocket. Returns
    what was answered: kind -> how often."""
    seen = {}
    apis = [HttpApi(node), WebSocketApi(node)]
    admin = HttpApi(node)
    opened = [None, None]
    for number, line in enumerate(random_requests(seed, count)):
        which = number & 1
        if number % REFRESH < 2 and opened[which]:
            admin.ask(f"/admin/{opened[which][0]}", janus="destroy_session")
            opened[which] = None
        opened[which] = opened[which] or open_session(apis[which])
        session, handle = opened[which]
        text = line.lstrip("!").replace("@S@", str(session)).replace(
            "@H@", str(handle))
        if line.startswith("!"):
            reply = admin.ask_text(text, "/admin")
        else:
            reply = apis[which].ask_text(text)
        kind = reply["janus"]
        if kind == "error":
            kind = reply["error"]["code"]
        if kind in (458, 459):
            opened[which] = None
        seen[kind] = seen.get(kind, 0) + 1
    # random requests have changed the time-outs
    for session in admin.ask("/admin", janus="list_sessions")["sessions"]:
        admin.ask(f"/admin/{session}", janus="destroy_session")
    for api in [admin, *apis]:
        api.close()
    return seen


class Idlers:
    """Sessions with a handle each that nobody uses, some of them polled."""

    def __init__(self, node, sessions, polls):
        self.node = node
        api = HttpApi(node)
        self.sessions = [open_session(api)[0] for _ in range(sessions)]
        api.close()
        self.sockets = []
        for session in self.sessions[:polls]:
            poll = socket.create_connection(("127.0.0.1", node.http_port))
            poll.sendall(f"GET /janus/{session}?maxev=10 HTTP/1.1\r\n"
                         "Host: 127.0.0.1\r\n\r\n".encode())
            self.sockets.append(poll)
        wait_for(lambda: node.metrics().total("media_tree_janus_polls")
                 == polls, "polls")

    def close(self):
        for poll in self.sockets:
            poll.close()


def cpu_share(node, seconds):
    """Of one core, over so long."""
    def ticks():
        with open(f"/proc/{node.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    before, began = ticks(), time.monotonic()
    wait_for(lambda: time.monotonic() - began >= seconds, "time",
             seconds + 5, seconds / 4)
    elapsed = time.monotonic() - began
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / elapsed
