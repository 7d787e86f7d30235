# SPDX-License-Identifier: Apache-2.0
"""Scripts of the core: envelopes, sessions, handles, secrets, long polls and
sockets (J1 to J33, J58)."""
import socket
import threading
from urllib.parse import urlsplit

from .janus_scripts import script
from .janus_talk import PLUGIN
from .wait import wait_for

ORIGIN = {"Origin": "http://a.example"}
CANDIDATE = "candidate:1 1 udp 2013266431 127.0.0.1 40000 typ host"
PING = '{"janus":"ping","transaction":"t"}'
NOBODY = {"request": "watch", "id": 9}


@script()
def info(talk):
    """J1."""
    talk.root("info")
    if talk.transport == "http":
        answer = talk.http("GET", path="/info", note=False)
        assert answer["body"].pop("transaction")
        talk.note("GET /info", answer)


@script("http")
def http_paths(talk):
    """J2 to J5: what is no request, and preflights."""
    url = talk.client.url
    for path in ("/ping", "", "/", "/foo", "/1", "/1/2/3"):
        talk.http("GET", path=path)
    for path in ("", "/", "/abc"):
        talk.http("POST", PING, path=path)
    talk.http("POST", '{"janus":"keepalive","transaction":"t"}', path="/1x")
    talk.http("POST", '{"janus":"keepalive","transaction":"t"}', path="/0")
    talk.http("POST", '{"janus":"keepalive","transaction":"t"}', path="/-1")
    talk.http("POST", '{"janus":"keepalive","transaction":"t"}', path="/1/abc")
    talk.http("OPTIONS", path="", headers={
        **ORIGIN, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-a"})
    talk.http("OPTIONS", path="/1/2", headers=ORIGIN)
    talk.http("OPTIONS", path="/1/2")
    talk.http("DELETE", path="/1")
    talk.http("PUT", path="")
    talk.http("POST", PING, headers=ORIGIN)
    talk.http("POST", PING, headers={"Content-Type": "text/plain"})
    talk.http("GET", url=url.rsplit("/", 1)[0] + "/other")


@script()
def texts(talk):
    """J6: what is no JSON, or no object."""
    for text in ("{", "[]", "[1]", '"x"', "1", "null", "nonsense",
                 PING + " more", '{"a":"\\u0000"}', '{"big":' + "1" * 30 + "}",
                 '{"janus":"ping",\n"transaction":t}', '{"a":' * 3000):
        talk.text(text)
    talk.text('{"janus":"ping","transaction":"t","transaction":"u"}')


@script()
def envelopes(talk):
    """J7: the members that each request has."""
    for text in ("{}", '{"janus":"ping"}', '{"transaction":"t"}',
                 '{"janus":5,"transaction":"t"}',
                 '{"janus":"ping","transaction":5}',
                 '{"janus":null,"transaction":"t"}',
                 '{"janus":"ping","transaction":null}',
                 '{"janus":5,"transaction":6}'):
        talk.text(text)
    talk.root("")
    talk.root("ping", transaction="")
    talk.root("ping", session_id=5)
    talk.root("ping", transaction="a" * 5000)


@script()
def verbs(talk):
    """J2, J8, J10, J13, J17, J21, J33: each verb at each place."""
    talk.open()
    for verb in ("ping", "PING", "bogus", "attach", "keepalive", "message",
                 "destroy", "claim", "trickle", "hangup", "detach"):
        talk.root(verb)
    for verb in ("bogus", "ping", "create", "keepalive", "claim", "message",
                 "trickle", "hangup", "detach"):
        talk.on_session(verb)
    for verb in ("bogus", "keepalive", "create", "attach", "destroy", "claim",
                 "ping"):
        talk.on_handle(verb)
    for verb in ("keepalive", "attach", "bogus", "claim", "destroy", "ping"):
        talk.on_session(verb, session=999)
    for verb in ("message", "bogus", "keepalive", "detach", "hangup",
                 "trickle"):
        talk.on_handle(verb, handle=999, body={}, candidate=None)


@script()
def create(talk):
    """J9: session ids of the caller's choice."""
    for members in ({"id": 4711}, {"id": 4711}, {"id": 0}, {"id": -1},
                    {"id": "abc"}, {"id": 1.5}, {"id": True}, {"id": None},
                    {"id": 2 ** 53}, {"apisecret": 5}, {"token": 5}):
        talk.root("create", **members)
    for session in (4711, 2 ** 53):
        talk.on_session("destroy", session=session)
        talk.on_session("destroy", session=session)


@script()
def attach(talk):
    """J11, J12."""
    talk.open()
    for members in ({}, {"plugin": 5}, {"plugin": None}, {"plugin": ""},
                    {"plugin": "x"}, {"plugin": "janus.plugin.videoroom"},
                    {"plugin": PLUGIN, "opaque_id": "op"},
                    {"plugin": PLUGIN, "opaque_id": 5},
                    {"plugin": PLUGIN, "loop_index": 0},
                    {"plugin": PLUGIN, "loop_index": "a"},
                    {"plugin": PLUGIN, "loop_index": -1},
                    {"plugin": PLUGIN, "force_bundle": True}):
        talk.on_session("attach", **members)


@script()
def messages(talk):
    """J22 to J24: bodies and jseps."""
    talk.open()
    for members in ({}, {"body": 5}, {"body": "x"}, {"body": None},
                    {"body": []}, {"jsep": {"type": "zzz"}}):
        talk.on_handle("message", **members)
    for body in ({}, {"request": 5}, {"request": None}, {"request": "bogus"},
                 {"request": ""}, {"request": "LIST"}):
        talk.body(body)
    for jsep in (5, "x", [], {}, {"type": "zzz"}, {"type": 5},
                 {"type": "offer"}, {"type": "offer", "sdp": 5},
                 {"type": "zzz", "sdp": "v=0\r\n"},
                 {"type": "offer", "sdp": ""}, {"type": "offer", "sdp": "abc"},
                 {"type": "answer", "sdp": "abc"},
                 {"type": "offer", "sdp": "v=0\r\n"},
                 {"type": "offer", "sdp": "v=0\r\no=x\r\n"},
                 {"type": "offer", "sdp": "abc", "trickle": "x"},
                 {"type": "offer", "sdp": "abc", "e2ee": 5},
                 {"type": "rollback"}):
        talk.on_handle("message", body={"request": "list"}, jsep=jsep)
    talk.on_handle("message", body={"request": "bogus"}, jsep={"type": "zzz"})


@script()
def trickles(talk):
    """J25: before there is a connection everything is queued unseen."""
    talk.open()
    good = {"candidate": CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0}
    for members in (
            {}, {"candidate": good}, {"candidate": None}, {"candidate": 5},
            {"candidate": []}, {"candidate": {}},
            {"candidate": {"completed": True}},
            {"candidate": {"candidate": CANDIDATE}},
            {"candidate": {"candidate": CANDIDATE, "sdpMid": "0"}},
            {"candidate": {"candidate": "garbage", "sdpMid": "0"}},
            {"candidates": [good, {"completed": True}]}, {"candidates": []},
            {"candidates": 5}, {"candidates": [5]},
            {"candidate": good, "candidates": [good]}):
        talk.on_handle("trickle", **members)


@script()
def ends(talk):
    """J20, J27, J28: hangup without a connection, detach, destroy."""
    talk.open()
    talk.on_handle("hangup")
    talk.on_handle("detach")
    talk.events("event of detach", "detached")
    talk.on_handle("detach")
    talk.on_handle("message", body={"request": "list"})
    talk.rest()
    talk.on_session("destroy")
    talk.on_session("destroy")
    talk.on_session("keepalive")


@script("http", settings={"api_secret": "sesame"})
def secret_http(talk):
    """J18 over HTTP: what the secret guards, and in which order."""
    talk.http("GET", path="/4242")
    talk.http("GET", path="/4242?apisecret=x")
    talk.http("GET", path="/4242?apisecret=sesame")
    talk.http("POST", '{"janus":"create","transaction":"t"}',
              path="?apisecret=sesame")


@script(settings={"api_secret": "sesame"})
def secret(talk):
    """J18."""
    for members in ({}, {"apisecret": "x"}, {"apisecret": 5},
                    {"apisecret": None}):
        talk.root("create", **members)
    talk.root("ping")
    talk.root("bogus")
    talk.root("create", apisecret="sesame", id=4242)
    for session in (999, 4242):
        talk.on_session("keepalive", session=session)
        talk.on_session("bogus", session=session)
        talk.on_session("attach", session=session, plugin="x")
    talk.on_session("keepalive", session=999, apisecret="sesame")
    talk.on_session("attach", session=4242, apisecret="sesame", plugin="x")
    talk.on_session("destroy", session=4242, apisecret="sesame")


@script("http")
def polls(talk):
    """J14: the shapes of long polls."""
    talk.open()

    def bring(count):
        for _ in range(count):
            talk.on_handle("message", body=NOBODY)
        talk.on_session("keepalive")

    def poll(query="", step=None):
        talk.http("GET", session=talk.session, path=query,
                  step=step or f"poll{query}")

    bring(1)
    poll()
    for query in ("?maxev=1", "?maxev=5", "?maxev=5&rid=123", "?maxev=0",
                  "?maxev=-1", "?maxev=x", "?maxev="):
        bring(1)
        poll(query)
    later = threading.Timer(0.5, talk.client.message, (
        talk.session, talk.handle, NOBODY, None))
    later.start()
    reply = talk.client.poll(talk.session, "maxev=10")
    later.join()
    events = reply.json()
    talk.note("an event comes while a poll waits", [
        reply.status, len(events),
        events[0]["plugindata"] if events else None])
    talk.http("GET", session=talk.session, handle=talk.handle,
              step="poll of a handle")


@script("http", is_slow=True)
def poll_keepalive(talk):
    """J14: nothing happens for 30 s."""
    talk.open()
    talk.http("GET", session=talk.session, path="?maxev=10", step="a poll")


@script("http", is_slow=True)
def poll_abandoned(talk):
    """J58: the client closes a poll that waits, then something happens."""
    talk.open()
    where = urlsplit(talk.client.path(talk.session))
    poll = socket.create_connection((where.hostname, where.port))
    poll.sendall(f"GET {where.path}?maxev=5 HTTP/1.1\r\nHost: x\r\n\r\n"
                 .encode())
    talk.on_session("keepalive")
    poll.close()
    talk.on_handle("message", body=NOBODY)
    talk.http("GET", session=talk.session, path="?maxev=5", step="next poll")


@script("http", settings={"session_timeout": 6})
def timeout_http(talk):
    """J15, J16: a poll that waits does not keep its session alive."""
    talk.open()
    reply = talk.client.poll(talk.session, "maxev=10")
    talk.note("a poll that was pending", [reply.status, [
        event for event in reply.json() if event["janus"] == "timeout"]])
    talk.http("GET", session=talk.session, step="a poll afterwards")
    talk.on_session("keepalive")


@script("ws", settings={"session_timeout": 6})
def timeout_ws(talk):
    """J16. That its handles are detached Janus says at times."""
    talk.open()
    talk.events("the time is over", "timeout")
    talk.on_session("keepalive")


@script("ws")
def socket_close(talk):
    """A session goes with its socket."""
    talk.open()
    session = talk.session
    talk.client.close()
    talk.client = type(talk.client)(talk.side.ws_url)

    def is_gone():
        return talk.client.send("keepalive", session)["janus"] == "error"
    talk.session = None
    talk.note("the session is gone", wait_for(is_gone, "end"))
    talk.on_session("claim", session=session)
    talk.on_session("keepalive", session=session)


@script("ws")
def socket_members(talk):
    """J32, J33: ids as members."""
    talk.open()
    for text in ('{"janus":"attach","transaction":"t","session_id":"5"}',
                 '{"janus":"attach","transaction":"t","session_id":-5}',
                 '{"janus":"attach","transaction":"t","session_id":0}',
                 '{"janus":"attach","transaction":"t","session_id":5}',
                 '{"janus":"keepalive","session_id":5}',
                 '{"janus":"create","transaction":"t","session_id":7}',
                 '{"janus":"ping","transaction":"t","handle_id":7}',
                 '{"janus":"message","transaction":"t","handle_id":7}'):
        talk.text(text)
    talk.on_session("message", handle_id=str(talk.handle),
                    body={"request": "list"})
    talk.on_session("message", body={"request": "list"})
    talk.client.socket.send_binary(PING.encode())
    talk.note("a binary frame", talk.client.take_answer())
