# SPDX-License-Identifier: Apache-2.0
"""A script's talk with one server of the Janus API, and the record of it."""
import http.client
import json
import os

from .http import request
from .janus_client import PLUGIN, HttpClient, WsClient
from .janus_diff import Names
from .janus_viewer import AnswerClient, RtpSource
from .wait import wait_for

LONG_CHARS = 400
KEPT_HEADERS = ("Content-Type", "Location", "Access-Control-Allow-Origin",
                "Access-Control-Allow-Credentials", "Access-Control-Max-Age",
                "Access-Control-Allow-Methods", "Access-Control-Allow-Headers")


def label(value):
    text = value if isinstance(value, str) else \
        json.dumps(value, separators=(",", ":"))
    return text if len(text) <= LONG_CHARS else \
        f"{text[:LONG_CHARS]}… of {len(text)}"


class Talk:
    """@side: a server with url, ws_url and admin_url. Each request has the
    number of its step as transaction, so that both servers see the same."""

    def __init__(self, side, transport="http", **credentials):
        self.side = side
        self.transport = transport
        self.client = WsClient(side.ws_url, **credentials) \
            if transport == "ws" else HttpClient(side.url, **credentials)
        self.admin_client = HttpClient(side.admin_url,
                                       admin_secret=side.admin_secret)
        self.names = Names()
        self.record = []
        self.n_transactions = 0
        self.session = self.handle = None
        self.mountpoints = {}
        self.peers = []

    # what is written down

    def note(self, step, answer):
        step = self.names.clean(step)
        count = sum(s == step or s.startswith(step + " #")
                    for s, _ in self.record)
        self.record.append((f"{step} #{count + 1}" if count else step,
                            self.names.clean(answer)))

    def _transaction(self):
        self.n_transactions += 1
        return f"t{self.n_transactions}"

    def _envelope(self, verb, members):
        return {**({} if verb is None else {"janus": verb}),
                "transaction": self._transaction(),
                **self.client.credentials, **members}

    # the core

    def open(self):
        """A session and a handle, named S and H; no step of the record."""
        self.session = self.client.create()
        self.handle = self.client.attach(self.session)
        self.names.add(self.session, "<S>")
        self.names.add(self.handle, "<H>")

    def attach(self):
        """One more handle, the one of the steps to come."""
        self.handle = self.client.attach(self.session)
        self.names.add(self.handle, f"<H{len(self.names.words)}>")

    def root(self, verb, **members):
        return self.ask(verb, None, None, members)

    def on_session(self, verb, session=None, **members):
        return self.ask(verb, session or self.session, None, members)

    def on_handle(self, verb, handle=None, **members):
        return self.ask(verb, self.session, handle or self.handle, members)

    def ask(self, verb, session, handle, members):
        message = self._envelope(verb, members)
        step = label({**({"janus": verb} if verb is not None else {}),
                      **members})
        where = "".join(f"/{part}" for part in (session, handle)
                        if part is not None)
        answer = self.client.ask(message, session, handle)
        if verb in ("create", "attach") and answer["janus"] == "success":
            self.names.add(answer["data"]["id"],
                           f"<id{len(self.names.words)}>")
        self.note(f"{where} {step}".strip(), answer)
        return answer

    def text(self, text, session=None, handle=None):
        """A request as text, whatever it is."""
        if self.transport == "ws":
            self.client.send_text(text)
            answer = self.client.take_answer()
        else:
            answer = self.http("POST", text, session, handle, note=False)
        self.note(f"text {label(text)}", answer)

    def http(self, method, body=None, session=None, handle=None, path="",
             headers=None, url=None, step=None, note=True):
        """One HTTP request; status, headers and body are the answer."""
        url = (url or self.client.path(session, handle)) + path
        try:
            reply = request(url, method, body, headers, timeout=40)
        except http.client.RemoteDisconnected:
            answer = {"closed": True}
        else:
            answer = {"status": reply.status, "headers": {
                name: reply.headers[name] for name in KEPT_HEADERS
                if name in reply.headers},
                "body": reply.json() if reply.body else None}
        if note:
            where = "/".join(url.split("/")[3:])
            self.note(step or f"{method} /{where} {label(body or '')}"
                      f"{label(headers) if headers else ''}".strip(), answer)
        return answer

    # the plugin

    def body(self, body, jsep=None, event=None, handle=None):
        """One message. When only an ack comes, its event is awaited too,
        unless @event is False; the event's jsep is returned."""
        handle = handle or self.handle
        message = self._envelope("message", {
            "body": body, **({"jsep": jsep} if jsep is not None else {})})
        answer = self.client.ask(message, self.session, handle)
        self._learn(answer)
        written = {"answer": answer}
        sdp = None
        if answer["janus"] == "ack" and event is not False:
            found = self.client.wait_event(
                self.session, lambda e: e.get("transaction")
                == message["transaction"])
            written["event"] = found
            sdp = found.get("jsep", {}).get("sdp")
        what = "" if jsep is None else \
            f" with {jsep.get('type')}" if isinstance(jsep, dict) else \
            f" with {label(jsep)}"
        self.note(label(body) + what, written)
        return sdp

    def _learn(self, answer):
        """A mountpoint's id that the server chose gets a name."""
        stream = answer.get("plugindata", {}).get("data", {}).get("stream")
        if stream is not None:
            self.mountpoints[stream["id"]] = stream
            if isinstance(stream["id"], int) and stream["id"] > 10 ** 9:
                self.names.add(stream["id"], f"<M{len(self.names.words)}>")

    def make(self, id, **members):
        """A mountpoint that is no step; its ports by mid."""
        data = self.client.data(
            self.session, self.handle, {"request": "create", "type": "rtp",
                                        "id": id, **members})
        assert data["streaming"] == "created", (self.side.url, id, data)
        stream = data["stream"]
        self.mountpoints[id] = {"secret": members.get("secret"), **stream}
        return {port["mid"]: port["port"] for port in stream["ports"]}

    def destroy(self, id, **members):
        """As well no step."""
        self.mountpoints.pop(id, None)
        return self.client.data(self.session, self.handle, {
            "request": "destroy", "id": id, **members})

    def events(self, step, *wanted):
        """As many events as there are names, in whatever order they come: of
        a result's status, or of "janus" itself."""
        found = {}
        for name in wanted:
            found[name] = self.client.wait_event(
                self.session, lambda e: name in (
                    e["janus"], e.get("plugindata", {}).get("data", {})
                    .get("result", {}).get("status"),
                    e.get("plugindata", {}).get("data", {}).get("event")))
        self.note(step, found)

    def rest(self, step="no other events"):
        """What has come and was not asked for, up to a fence: one more event,
        which a server that keeps its order sends last."""
        fence = self.client.attach(self.session)
        transaction = "fence" + self._transaction()
        self.client.ask({"janus": "message", "transaction": transaction,
                         **self.client.credentials,
                         "body": {"request": "pause"}}, self.session, fence)
        self.client.wait_event(
            self.session, lambda e: e.get("transaction") == transaction)
        self.client.send("detach", self.session, fence)
        self.client.wait_event(self.session, lambda e: e["janus"] == "detached"
                               and e["sender"] == fence)
        events = self.client.events(self.session)
        taken = list(events)
        del events[:len(taken)]
        # of a handle that has been detached Janus's threads tell in any order,
        # or too late
        self.note(step, [event for event in taken if not (
            event["janus"] == "hangup" and event.get("reason") == "Detach")])

    # media

    def _directory(self, name):
        return os.path.join(self.side.directory,
                            f"{name}-{len(self.peers)}-{id(self)}")

    def viewer(self):
        viewer = AnswerClient(self._directory("viewer"))
        self.peers.append(viewer)
        return viewer

    def source(self, *tracks):
        self.peers.append(RtpSource(self._directory("source"), *tracks))

    def wait_idle(self):
        """Until the handle is ready for a new viewer: Janus says hangup first
        and cleans up then, and what is watched meanwhile has no answer."""
        def is_idle():
            info = self.admin_client.ask({
                "janus": "handle_info", "transaction": "idle",
                "admin_secret": self.side.admin_secret},
                self.session, self.handle)["info"]
            return info["plugin_specific"]["state"] == "idle" and not \
                info.get("flags", {}).get("cleaning") and "webrtc" not in info
        wait_for(is_idle, "idle handle")

    # the Admin API

    def admin(self, verb, session=None, handle=None, secret=True, **members):
        message = {"janus": verb, "transaction": self._transaction(),
                   **members}
        if secret:
            message["admin_secret"] = self.side.admin_secret
        where = "".join(f"/{part}" for part in (session, handle)
                        if part is not None)
        answer = self.admin_client.ask(message, session, handle)
        self.note(f"admin{where} {label({'janus': verb, **members})}"
                  f"{'' if secret else ' without secret'}", answer)
        return answer

    def close(self):
        for peer in self.peers:
            peer.kill()
        if self.session is not None:
            for id, stream in self.mountpoints.items():  # a script that failed
                self.client.message(self.session, self.handle, {
                    "request": "destroy", "id": id,
                    "secret": stream.get("secret") or ""})
            wait_for(lambda: self.client.send("destroy", self.session)["janus"]
                     in ("success", "error"), "end of the session")
        self.client.close()


__all__ = ["PLUGIN", "Talk", "label"]
