# SPDX-License-Identifier: Apache-2.0
"""Server-sent events, read as they come. http.client would hold them back
until its buffer is full, so this is a socket and the chunks by hand."""
import json
import socket
import threading
from urllib.parse import urlsplit

from .wait import wait_for


class EventSource:
    def __init__(self, url):
        parts = urlsplit(url)
        self.events = []
        self.bad = []
        self.is_closed = False
        self.socket = socket.create_connection(
            (parts.hostname, parts.port), timeout=60)
        self.socket.sendall(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Accept: text/event-stream\r\n\r\n".encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self._receive()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _receive(self):
        more = self.socket.recv(65536)
        if not more:
            raise EOFError
        self.data += more

    def _chunk(self):
        while b"\r\n" not in self.data:
            self._receive()
        size, rest = self.data.split(b"\r\n", 1)
        n = int(size, 16)
        while len(rest) < n + 2:
            self._receive()
            rest = self.data.split(b"\r\n", 1)[1]
        self.data = rest[n + 2:]
        if n == 0:
            raise EOFError
        return rest[:n].decode()

    def _read(self):
        text = ""
        try:
            while True:
                text += self._chunk()
                while "\n\n" in text:
                    event, text = text.split("\n\n", 1)
                    self._take(event.split("\n"))
        except (OSError, EOFError):
            pass
        self.is_closed = True

    def _take(self, lines):
        lines = [line for line in lines if line and not line.startswith(":")]
        if not lines:
            return
        names = [v[6:].strip() for v in lines if v.startswith("event:")]
        data = [v[5:].strip() for v in lines if v.startswith("data:")]
        if len(names) != 1 or len(data) != 1:
            self.bad.append(lines)
        else:
            self.events.append((names[0], json.loads(data[0])))

    def wait(self, name, timeout=10):
        """The newest event of this name."""
        return wait_for(lambda: [(d,) for n, d in self.events if n == name],
                        f"event {name}", timeout)[-1][0]

    def wait_closed(self, timeout=10):
        wait_for(lambda: self.is_closed, "end of the events", timeout)

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)
        self.socket.close()
