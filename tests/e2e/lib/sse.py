# SPDX-License-Identifier: Apache-2.0
"""Server-sent events, read as they come."""
import http.client
import json
import threading
from urllib.parse import urlsplit

from .wait import wait_for


class EventSource:
    def __init__(self, url):
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        self.connection.request("GET", parts.path, headers={
            "Accept": "text/event-stream"})
        self.reply = self.connection.getresponse()
        self.events = []
        self.bad = []
        self.is_closed = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        if self.reply.status == 200:
            self.thread.start()

    def _read(self):
        name, data = None, []
        try:
            for raw in self.reply:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].strip())
                elif line == "" and (name or data):
                    self._take(name, data)
                    name, data = None, []
        except (OSError, http.client.HTTPException, AttributeError, ValueError):
            pass
        self.is_closed = True

    def _take(self, name, data):
        if name is None or len(data) != 1:
            self.bad.append((name, data))
        else:
            self.events.append((name, json.loads(data[0])))

    def wait(self, name, timeout=10):
        """The newest event of this name."""
        return wait_for(lambda: [d for n, d in self.events if n == name],
                        f"event {name}", timeout)[-1]

    def wait_closed(self, timeout=10):
        wait_for(lambda: self.is_closed, "end of the events", timeout)

    def close(self):
        self.connection.close()
