# SPDX-License-Identifier: Apache-2.0
"""Who is told of what was scaled."""
import hashlib
import hmac
import http.server
import json
import threading

SECRET = "sixteen-and-more"


class Receiver:
    """A webhook: keeps what it is told; refuses the first @n_refused tries."""

    def __init__(self, n_refused=0):
        self.told, self.n_bad, self.n_asked = [], 0, 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.n_asked += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                text = self.headers["X-Media-Tree-Timestamp"].encode()
                mac = hmac.new(SECRET.encode(), text + b"." + body,
                               hashlib.sha256).hexdigest()
                is_good = hmac.compare_digest(
                    self.headers["X-Media-Tree-Signature"], "sha256=" + mac)
                receiver.n_bad += not is_good
                is_taken = receiver.n_asked > n_refused
                if is_taken:
                    receiver.told.append(json.loads(body))
                self.send_response(204 if is_taken else 503)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/told"
        threading.Thread(target=self.server.serve_forever).start()

    def kill(self):
        self.server.shutdown()
        self.server.server_close()

    def events(self, kind):
        return [event for event in self.told if event["event"] == kind]
