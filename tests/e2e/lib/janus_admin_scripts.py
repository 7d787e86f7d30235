# SPDX-License-Identifier: Apache-2.0
"""Scripts of the Admin API, and of tokens (J19)."""
from .janus_scripts import script
from .janus_talk import PLUGIN

AT_ROOT = (
    "accept_new_sessions", "set_session_timeout", "set_log_level",
    "set_locking_debug", "set_refcount_debug", "set_log_timestamps",
    "set_log_colors", "set_libnice_debug", "set_min_nack_queue",
    "set_nack_optimizations", "set_no_media_timer", "set_slowlink_threshold",
    "query_eventhandler", "query_logger", "query_transport", "custom_event",
    "custom_logline", "resolve_address", "test_stun", "message_plugin",
    "list_tokens", "add_token", "allow_token", "disallow_token",
    "remove_token", "loops_info", "bogus", "handle_info", "list_handles",
    "destroy_session", "hangup_handle", "detach_handle", "start_pcap")
VALUES = (
    ("set_log_level", "level", ("x", -1, 8, 4)),
    ("set_session_timeout", "timeout", ("x", -1, 0, 60)),
    ("set_locking_debug", "debug", ("x", False)),
    ("set_refcount_debug", "debug", ("x", False)),
    ("set_log_timestamps", "timestamps", ("x", False)),
    ("set_log_colors", "colors", ("x", False)),
    ("set_libnice_debug", "debug", ("x", False)),
    ("set_min_nack_queue", "min_nack_queue", ("x", -1, 200)),
    ("set_no_media_timer", "no_media_timer", ("x", -1, 1)),
    ("set_slowlink_threshold", "slowlink_threshold", ("x", -1, 0)),
    ("set_nack_optimizations", "nack_optimizations", (5, False)))


@script("http")
def admin_envelopes(talk):
    """What is no request of the Admin API."""
    url = talk.admin_client.url
    for text in ("{", "[]", "{}", '{"transaction":"t"}', '{"janus":"bogus"}',
                 '{"janus":"ping","transaction":"t"}',
                 '{"janus":"list_sessions","transaction":"t"}',
                 '{"janus":"list_sessions","transaction":"t",'
                 '"admin_secret":"x"}',
                 '{"janus":"list_sessions","transaction":"t",'
                 '"admin_secret":5}'):
        talk.http("POST", text, url=url)
    talk.http("GET", url=url)
    talk.admin("bogus", secret=False)
    talk.admin("list_handles", session=999, secret=False)


@script("http")
def admin_verbs(talk):
    """Each verb without what it needs, then with values good and bad."""
    for verb in AT_ROOT:
        talk.admin(verb)
    talk.admin("accept_new_sessions", accept="x")
    talk.admin("accept_new_sessions", accept=False)
    talk.root("create")
    talk.admin("accept_new_sessions", accept=True)
    for verb, member, values in VALUES:
        for value in values:
            talk.admin(verb, **{member: value})


@script("http")
def admin_sessions(talk):
    """Sessions and handles as an operator sees and ends them."""
    talk.open()
    session, handle = talk.session, talk.handle
    talk.admin("list_sessions")
    talk.admin("list_handles", session)
    talk.admin("list_handles", session_id=session)
    talk.admin("list_handles", 999)
    talk.admin("bogus", session)
    talk.admin("handle_info", session)
    talk.admin("handle_info", session, handle)
    talk.admin("handle_info", session, handle, plugin_only=True)
    talk.admin("handle_info", session, handle, plugin_only=5)
    talk.admin("handle_info", session, 999)
    talk.admin("handle_info", 999, 999)
    talk.admin("bogus", session, handle)
    talk.admin("set_session_timeout", session)
    talk.admin("set_session_timeout", session, timeout=-1)
    talk.admin("set_session_timeout", session, timeout=60)
    talk.admin("hangup_webrtc", session, handle)
    talk.admin("detach_handle", session, handle)
    talk.events("the client is told", "detached")
    talk.admin("detach_handle", session, handle)
    talk.admin("destroy_session", session)
    talk.admin("destroy_session", session)
    talk.on_session("keepalive")


@script("http")
def admin_plugin(talk):
    """message_plugin."""
    stream = {"type": "video", "mid": "v", "port": 0, "pt": 96,
              "codec": "vp8"}
    for more in ({}, {"plugin": 5}, {"plugin": "nope"},
                 {"plugin": "nope", "request": {}}, {"plugin": PLUGIN},
                 {"plugin": PLUGIN, "request": 5}):
        talk.admin("message_plugin", **more)
    for request in ({}, {"request": "list"}, {"request": "bogus"},
                    {"request": "create", "type": "rtp", "id": 9,
                     "media": [stream]}, {"request": "info", "id": 9},
                    {"request": "watch", "id": 9},
                    {"request": "destroy", "id": 9}):
        talk.admin("message_plugin", plugin=PLUGIN, request=request)


@script("http", settings={"token_auth": True})
def tokens(talk):
    """J19: stored tokens, and what they open."""
    for members in ({}, {"token": "x"}, {"token": 5}):
        talk.root("create", **members)
    talk.root("ping")
    talk.admin("list_tokens")
    for more in ({}, {"token": 5}, {"token": "tok"}, {"token": "tok"},
                 {"token": "tok2", "plugins": ["janus.plugin.nope"]},
                 {"token": "tok3", "plugins": 5}):
        talk.admin("add_token", **more)
    talk.root("create", token="tok", id=4711)
    talk.on_session("attach", session=4711, token="tok", plugin=PLUGIN)
    talk.on_session("attach", session=4711, plugin=PLUGIN)
    talk.on_session("keepalive", session=4711, token="zzz")
    for verb in ("allow_token", "disallow_token"):
        for more in ({}, {"token": 5}, {"token": "nope"},
                     {"token": "nope", "plugins": [PLUGIN]}, {"token": "tok"},
                     {"token": "tok", "plugins": 5},
                     {"token": "tok", "plugins": []},
                     {"token": "tok", "plugins": [5]},
                     {"token": "tok", "plugins": ["janus.plugin.nope"]},
                     {"token": "tok", "plugins": [PLUGIN]}):
            talk.admin(verb, **more)
    talk.on_session("attach", session=4711, token="tok", plugin=PLUGIN)
    for more in ({}, {"token": 5}, {"token": "nope"}, {"token": "tok2"}):
        talk.admin("remove_token", **more)
    talk.admin("list_tokens")
    talk.on_session("destroy", session=4711, token="tok")
    talk.admin("remove_token", token="tok")
    talk.root("create", token="tok")


@script("http", settings={"api_secret": "sesame", "token_auth": True})
def secret_or_token(talk):
    """Both are asked for: one is enough."""
    talk.root("create")
    talk.admin("add_token", token="tok")
    talk.root("create", token="tok", id=1)
    talk.root("create", apisecret="sesame", id=2)
    talk.root("create", apisecret="x", token="x")
    talk.on_session("destroy", session=1, token="tok")
    talk.on_session("destroy", session=2, apisecret="sesame")
