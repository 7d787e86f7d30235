# SPDX-License-Identifier: Apache-2.0
"""Where media-tree answers otherwise than Debian's janus 1.1.2, and why. What
is Janus's own mistake is here as well."""
import re

from .janus_diff import ABSENT, Allowed

DATA = "$.answer.plugindata.data"
EVENT = "$.event.plugindata.data"
REASON = "$*error.reason"
ALLOWED = []


def allow(script, name, reason, step, path, theirs=None, ours=None, **more):
    """@theirs, @ours: None is any."""
    values = {k: v for k, v in (("theirs", theirs), ("ours", ours))
              if v is not None}
    ALLOWED.append(Allowed(name, reason, script, step, path, **values, **more))


def refuse(script, name, reason, step, code, error, path=DATA, **more):
    """Janus does it and we do not, with this code and error."""
    allow(script, name, reason, step, path + ".error_code", ABSENT, code,
          **more)
    allow(script, name + ": error", reason, step, path + ".error", ABSENT,
          error, **more)
    allow(script, name + ": result", reason, step, path + ".*", None, ABSENT,
          **more)


def refuse_create(name, reason, step, code, error, script="create_media"):
    refuse(script, name, reason, step, code, error)
    allow(script, name + ": created", reason, step, DATA + ".streaming",
          "created", "event")


# The core: words

JANSSON = "jansson's words on what is no JSON are not ours to the letter"
for step, theirs, ours in (
        ('text {"a":"\\u0000"}', "JSON error: on line 1: \\u0000*",
         "JSON error: on line 1: \\u0000 is not allowed*"),
        ('text {"big":*', "JSON error: on line 1: too big integer",
         "JSON error: on line 1: too big integer*"),
        ('text {"janus":"ping",\n*', "JSON error: on line 2: invalid token*",
         "JSON error: on line 2: invalid token*"),
        ('text {"a":{*', "JSON error: on line 1: maximum parsing depth*",
         "JSON error: on line 1: maximum parsing depth*")):
    allow("texts", "JSON " + step[5:14], JANSSON, step, REASON,
          *(re.compile(re.escape(text).replace("\\*", ".*"), re.DOTALL)
            for text in (theirs, ours)), transports=("http",))
for step in ("text {", 'text "x"', "text 1", "text null", "text nonsense",
             "text *more", 'text {"a":"\\u0000"}', 'text {"big":*',
             'text {"janus":"ping",\n*', 'text {"a":{*'):
    allow("texts", "socket's JSON " + step[5:20],
          "over a socket Janus says it in other words than over HTTP", step,
          REASON, re.compile(r"Invalid Janus API request - .*", re.DOTALL),
          re.compile(r"JSON error: on line \d: .*", re.DOTALL),
          transports=("ws",))
for step in ("text []", "text [1]"):
    allow("texts", "socket's array " + step[5:], "over a socket Janus takes an "
          "array for an object without members; over HTTP it does not", step,
          "$.error.*", transports=("ws",))
allow("messages", "o= line", "no SDP of that kind is quoted back",
      "*o=x\\r\\n*", REASON, "Invalid o= line: o=x",
      "Missing mandatory lines (o=, s= or m=)")

# The core: what a server says of itself

OWN = "media-tree's own name, versions and build"
for path in ("$*.name", "$*.author", "$*.version*", "$*.description",
             "$*.commit-hash", "$*.compile-time", "$*.dependencies.*"):
    allow("info", "own " + path[3:], OWN, "*", path)
for member in ("log-to-stdout", "log-to-file", "local-ip", "ipv6", "ice-tcp",
               "ice-nomination", "ice-keepalive-conncheck", "mdns-enabled",
               "min-nack-queue", "nack-optimizations", "twcc-period",
               "dtls-mtu", "static-event-loops"):
    allow("info", member, "tells of libnice, of mDNS and of Janus's loops, "
          "which are not here", "*", "$*" + member, None, ABSENT)
allow("info", "data channels", "data is not carried", "*", "$*data_channels",
      True, False)
allow("info", "candidates-timeout", "a handshake has 30 s", "*",
      "$*candidates-timeout", 45, 30)
allow("info", "server-name", "the host's", "*", "$*server-name",
      "MyJanusInstance")
allow("info", "slowlink-threshold", "later versions of Janus tell it", "*",
      "$*slowlink-threshold", ABSENT)

# The core: HTTP

for step in ('OPTIONS /janus/1/2 {"Origin":"http://a.example"}',
             "OPTIONS /janus/1/2"):
    allow("http_paths", "CORS of " + step[8:], "preflights that name nothing "
          "get the list that all surfaces of a node give", step,
          "$.headers.Access-Control-Allow-*", ABSENT)
allow("http_paths", "outside the API", "what else a node serves has errors of "
      "RFC 9457", "GET /other", "$*")
allow("poll_abandoned", "nothing is lost", "Janus loses the event that comes "
      "after a poll was closed", "next poll", "$.body*")

# Admin API

SWITCH = "a switch of Janus's insides that has nothing to switch here"
for verb, member in (("set_locking_debug", "locking_debug"),
                     ("set_refcount_debug", "refcount_debug"),
                     ("set_log_timestamps", "log_timestamps"),
                     ("set_log_colors", "log_colors"),
                     ("set_libnice_debug", "libnice_debug"),
                     ("set_min_nack_queue", "min_nack_queue"),
                     ("set_nack_optimizations", "nack-optimizations"),
                     ("set_no_media_timer", "no_media_timer"),
                     ("loops_info", "loops"), ("query_eventhandler", None),
                     ("query_logger", None), ("query_transport", None),
                     ("custom_event", None), ("custom_logline", None),
                     ("resolve_address", None), ("test_stun", None)):
    step = f'admin {{"janus":"{verb}"*'
    allow("admin_verbs", verb, SWITCH, step, "$.error.reason",
          ours=f"Unhandled request '{verb}' at this path")
    allow("admin_verbs", verb + ": code", SWITCH, step, "$.error.code",
          ours=457)
    if member is not None:
        allow("admin_verbs", verb + ": error", SWITCH, step, "$.janus",
              "success", "error")
        allow("admin_verbs", verb + ": value", SWITCH, step, f"$.{member}*",
              None, ABSENT)
allow("admin_sessions", "flags", "states of libnice and of Janus's handles",
      "admin/<S>/<H> *handle_info*", "$.info.flags.*", False, ABSENT)
for member in ("loop-running", "sdps", "queued-packets"):
    allow("admin_sessions", member, "tells of a handle's thread in Janus",
          "admin/<S>/<H> *handle_info*", "$.info." + member, None, ABSENT)
allow("tokens", "list_tokens", "Janus hides a token that may use no plugin",
      'admin {"janus":"list_tokens"} #2', "$.data.tokens*")

# Mountpoints

refuse_create("mid", "a mid is what SDP can carry", '*"mid":""*', 454,
              "Invalid element (mid should be 1 to 16 characters of A-Z a-z "
              "0-9 . _ + -)")
refuse_create("payload type", "RTP has 7 bits for it; Janus cuts it",
              '*"pt":128*', 454, "Invalid element (pt should be at most 127)")
refuse_create("video codec", "Janus takes any word and offers no section",
              '*"codec":"bogus"}],"id":<id 75>*', 456,
              re.compile("Can't add 'rtp' stream, no video codec .*"))
refuse_create("audio codec", "sound is Opus", '*"type":"audio"*"codec":*'
              '"id":<id *>}', 456,
              re.compile("Can't add 'rtp' stream, no audio codec .*"))
refuse_create("two videos", "a mountpoint has one video; renditions are "
              "simulcast", '*"type":"video"*"type":"video"*', 456,
              "Can't add 'rtp' stream, a mountpoint has one video here")
refuse_create("one mid twice", "no offer can be made of it",
              '*"mid":"v"*"type":"audio","mid":"v"*', 456,
              "Can't add 'rtp' stream, two media have the mid 'v'")
refuse_create("data", "data is not carried", '*"type":"data"*', 456,
              "Can't add 'rtp' stream, data is not carried here",
              script="create_data")
refuse_create("data", "data is not carried", '*"data":true,"dataport":0,"id"*',
              456, "Can't add 'rtp' stream, data is not carried here",
              script="create_old")
for path in (".error_code", ".error"):
    allow("create_old", "datatype" + path, "data is not carried",
          '*"datatype":"zzz"*', DATA + path)

allow("recording", "file name", "a recording is Matroska, which players play",
      '{"request":"info","id":1}*', DATA + ".info.media[*].recording",
      re.compile(r"rec-\w+\.mjr"), re.compile(r"rec-\w+\.mkv"))
for kind in ("live", "ondemand"):
    allow("create_type", f"{kind} video", "files may have pictures here",
          f'*"type":"{kind}","video":true,"filename":*', DATA + ".error",
          f"Can't add '{kind}' stream, we only support audio file streaming "
          "right now...", f"Can't add '{kind}' stream, no such file "
          "'/nonexistent.opus'\n")

# Offers, line by line: of what Janus writes, and of what only we write


def line(name, reason, theirs=(), ours=()):
    for text in theirs:
        allow("offers", f"{name}: {text}", reason, '{"request":"watch"*',
              f"$.event.jsep.sdp.*{text}", True, ABSENT)
    for text in ours:
        allow("offers", f"{name}: our {text}", reason, '{"request":"watch"*',
              f"$.event.jsep.sdp.*{text}", ABSENT, True)


line("trickle", "all our candidates are in the offer",
     theirs=["a=ice-options:trickle"])
line("fingerprint", "by section, where a browser has it too",
     theirs=["session.a=fingerprint:sha-256 <hash>"],
     ours=["media[*].a=fingerprint:sha-256 <hash>"])
line("msid-semantic", "a blank", theirs=["a=msid-semantic: WMS *"],
     ours=["a=msid-semantic:WMS *"])
line("mixed headers", "one-byte headers only",
     theirs=["a=extmap-allow-mixed"])
line("feedback", "REMB and transport-wide numbers would not be used",
     theirs=["a=rtcp-fb:* goog-remb", "a=rtcp-fb:* transport-cc"])
line("extensions", "ids are the same in all streams, so that switching needs "
     "no new offer; what a publisher sends is offered",
     theirs=["a=extmap:2 *abs-send-time", "a=extmap:4 *sdes:mid",
             "a=extmap:12 *playout-delay"],
     ours=["a=extmap:2 urn:3gpp:video-orientation",
           "a=extmap:3 *ssrc-audio-level", "a=extmap:4 *dependency-desc*",
           "a=extmap:6 *sdes:mid", "a=extmap:11 *playout-delay"])
line("RTCP", "RFC 5761 and 8858, said aloud",
     ours=["a=rtcp-mux-only", "a=rtcp-rsize"])
line("H264", "browsers decode any baseline or high stream under this one",
     theirs=["a=fmtp:96 packetization-mode=1;profile-level-id=42e01f"],
     ours=["a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;"
           "profile-level-id=42e01f"])
line("Opus", "without it a browser plays stereo as mono",
     ours=["a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"])
line("cname", "one a viewer, random (RFC 7022)",
     theirs=["a=ssrc:<ssrc> cname:janus"], ours=["a=ssrc:<ssrc> cname:*"])
line("ssrc msid", "for clients that read it there",
     ours=["a=ssrc:<ssrc> msid:*"])
line("candidates", "in the first section of a bundle (RFC 9143)",
     theirs=["media[1].a=candidate:<candidate>",
             "media[1].a=end-of-candidates"])

# Viewers

allow("a_life", "idle", "1.1.2 says nothing, later versions do (J56)",
      "no other events", "$*")
allow("restart", "jsep.restart", "later versions tell it (J49)",
      '*"restart":true}', "$.event.jsep.restart", ABSENT, True)
for member in ("video", "audio", "mid", "send", "substream", "temporal",
               "fallback", "spatial_layer", "temporal_layer", "min_delay",
               "max_delay", "streams"):
    refuse("configure_bad", member, "1.1.2 takes anything and does nothing",
           f'{{"request":"configure","{member}":*', 454,
           re.compile("Invalid (element type|value) .*"), path=EVENT)
allow("a_viewer_offers", "answer", "1.1.2 answers an offer by an offer (J50)",
      "*with offer", "$.event.*")
