# SPDX-License-Identifier: Apache-2.0
"""Stands between nodes and a Redis, and spoils what the Redis says."""
import os
import selectors
import socket
import threading

CHUNK_BYTES = 65536


def _garbage(_):
    return os.urandom(300) + b"\r\n"


SPOILERS = {
    "pass": lambda data: data,
    "garbage": _garbage,
    "half": lambda data: data[:len(data) // 2],
    "hang": lambda _: b"",
    "huge": lambda _: b"*2000000000\r\n$1000000000000\r\n",
    "error": lambda _: b"-ERR no such thing here\r\n" * 3,
    "nonsense": lambda _: b"*2\r\n:7\r\n*1\r\n$3\r\nabc\r\n" * 3,
}


class BadStore:
    """Any thread sets .mode to one of SPOILERS."""

    def __init__(self, redis_port):
        self.redis_port = redis_port
        self.mode = "pass"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.wake, self.woken = socket.socketpair()
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.far = {}  # socket: (the other end, whether it is a node)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _accept(self):
        node, _ = self.listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self.redis_port))
        except OSError:
            node.close()
            return
        for one, other, is_node in ((node, server, True),
                                    (server, node, False)):
            self.far[one] = other, is_node
            self.selector.register(one, selectors.EVENT_READ)

    def _end(self, one):
        other, _ = self.far.pop(one)
        self.far.pop(other)
        for end in (one, other):
            self.selector.unregister(end)
            end.close()

    def _pump(self, one):
        other, is_node = self.far[one]
        try:
            data = one.recv(CHUNK_BYTES)
            if not data:
                raise ConnectionError("end")
            other.sendall(data if is_node else SPOILERS[self.mode](data))
        except OSError:
            self._end(one)

    def _run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.woken:
                    return
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj in self.far:
                    self._pump(key.fileobj)

    def kill(self):
        self.wake.close()
        self.thread.join(5)
        for one in list(self.far):
            if one in self.far:
                self._end(one)
        self.listener.close()
        self.woken.close()
        self.selector.close()
