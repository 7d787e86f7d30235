# SPDX-License-Identifier: Apache-2.0
"""A bare HTTP client: nothing is added that a test has not asked for."""
import http.client
import json
import re
from urllib.parse import urlsplit

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
PROBLEM = "application/problem+json"


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:300]!r}>"

    @property
    def text(self):
        return self.body.decode()

    @property
    def type(self):
        return self.headers.get("Content-Type", "").split(";")[0].lower()

    def json(self):
        return json.loads(self.body)

    def all(self, name):
        return self.headers.get_all(name) or []

    def listed(self, name):
        """Members of a comma-separated header, lower case."""
        return {v.strip().lower() for value in self.all(name)
                for v in value.split(",") if v.strip()}

    def assert_problem(self, *statuses, code=None):
        """The reply is a problem+json error of one of these statuses."""
        assert self.status in statuses, self
        assert self.type == PROBLEM, self
        problem = self.json()
        assert problem["status"] == self.status, self
        assert re.fullmatch(r"urn:media-tree:error:[a-z0-9-]+",
                            problem["type"]), self
        assert problem["title"] and problem["detail"], self
        if code is not None:
            assert problem["type"].rsplit(":", 1)[1] == code, self
        return problem


def request(url, method="GET", body=None, headers=None, timeout=15,
            host=None):
    """One request on one connection. @host: replaces the Host header."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port,
                                            timeout=timeout)
    target = parts.path + ("?" + parts.query if parts.query else "")
    if isinstance(body, str):
        body = body.encode()
    try:
        connection.putrequest(method, target, skip_host=True,
                              skip_accept_encoding=True)
        connection.putheader("Host", host or parts.netloc)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        elif method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", "0")
        connection.endheaders(body)
        reply = connection.getresponse()
        return Reply(reply.status, reply.headers, reply.read())
    finally:
        connection.close()
