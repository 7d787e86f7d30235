# SPDX-License-Identifier: Apache-2.0
"""The Janus API as two bare clients, HTTP with long polls and WebSocket. Both
have the same verbs, so that a script runs over either."""
import http.client
import itertools
import json
import threading

import websocket

from .http import request
from .wait import wait_for

PLUGIN = "janus.plugin.streaming"
POLL_TIMEOUT_S = 40
ANSWERS = ("ack", "error", "pong", "server_info", "success")
_count = itertools.count(1)


def new_transaction():
    return f"t{next(_count)}"


class Client:
    """What both transports share. @credentials go into each request."""

    def __init__(self, **credentials):
        self.credentials = credentials

    def send(self, verb, session=None, handle=None, **members):
        """One request and its first answer, as it is."""
        return self.ask({"janus": verb, "transaction": new_transaction(),
                         **self.credentials, **members}, session, handle)

    def create(self, **members):
        reply = self.send("create", **members)
        assert reply["janus"] == "success", reply
        return reply["data"]["id"]

    def attach(self, session, plugin=PLUGIN, **members):
        reply = self.send("attach", session, plugin=plugin, **members)
        assert reply["janus"] == "success", reply
        return reply["data"]["id"]

    def message(self, session, handle, body, jsep=None, **members):
        if jsep is not None:
            members["jsep"] = jsep
        return self.send("message", session, handle, body=body, **members)

    def data(self, session, handle, body):
        """What the plugin says at once to @body."""
        reply = self.message(session, handle, body)
        assert reply["janus"] == "success", reply
        return reply["plugindata"]["data"]

    def wait_event(self, session, wanted, timeout=15):
        """The first event not yet taken that @wanted is true of; those
        before it stay, as the order of some is left to chance."""
        def find():
            for event in self.events(session):
                if wanted(event):
                    self.events(session).remove(event)
                    return event
            return None
        return wait_for(find, "event", timeout, 0.02)


class HttpClient(Client):
    def __init__(self, url, **credentials):
        super().__init__(**credentials)
        self.url = url
        self.polls = {}

    def path(self, session=None, handle=None):
        return self.url + "".join(f"/{part}" for part in (session, handle)
                                  if part is not None)

    def post(self, body, session=None, handle=None, headers=None):
        """@body: text or what is to become JSON; the whole HTTP reply."""
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        return request(self.path(session, handle), "POST", body,
                       {"Content-Type": "application/json",
                        **(headers or {})})

    def ask(self, message, session=None, handle=None):
        reply = self.post(message, session, handle)
        assert reply.status == 200, reply
        return reply.json()

    def poll(self, session, query="", timeout=POLL_TIMEOUT_S):
        """One long poll, the whole HTTP reply."""
        query = query and "?" + query
        return request(self.path(session) + query, timeout=timeout)

    def events(self, session):
        """All that one endless chain of long polls has brought."""
        if session not in self.polls:
            self.polls[session] = []
            threading.Thread(target=self._poll_on, args=(session,),
                             daemon=True).start()
        return self.polls[session]

    def _poll_on(self, session):
        events = self.polls[session]
        query = "&".join(["maxev=10"] + [
            f"{k}={v}" for k, v in self.credentials.items()])
        while session in self.polls:
            try:
                reply = self.poll(session, query)
            except (OSError, http.client.HTTPException):
                return  # the server has gone
            if reply.status != 200:
                return
            events += [event for event in reply.json()
                       if event["janus"] != "keepalive"]

    def close(self):
        self.polls = {}


class WsClient(Client):
    def __init__(self, url, subprotocols=("janus-protocol",), **credentials):
        super().__init__(**credentials)
        self.socket = websocket.create_connection(
            url, subprotocols=list(subprotocols), timeout=15)
        self.socket.settimeout(None)
        self.received = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        try:
            while True:
                text = self.socket.recv()
                if not text:
                    return
                self.received.append(json.loads(text))
        except (OSError, websocket.WebSocketException):
            return

    def send_text(self, text):
        self.socket.send(text)

    def take(self, wanted, timeout=15):
        def find():
            for message in self.received:
                if wanted(message):
                    self.received.remove(message)
                    return message
            return None
        return wait_for(find, "message", timeout, 0.01)

    def ask(self, message, session=None, handle=None):
        message = {**message}
        if session is not None:
            message["session_id"] = session
        if handle is not None:
            message["handle_id"] = handle
        self.send_text(json.dumps(message))
        return self.take_answer(message.get("transaction"))

    def take_answer(self, transaction=None):
        """The next answer; one to a request that made no sense to the server
        has no transaction."""
        return self.take(lambda m: m["janus"] in ANSWERS and (
            transaction is None or
            m.get("transaction", transaction) == transaction))

    def events(self, session):
        return self.received

    def close(self):
        self.socket.close()
