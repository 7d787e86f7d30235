/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random requests of the Janus API: the verbs of its core, of its Admin API
 * and of the Streaming plugin, with members that are mostly of the right kind.
 * The same seed gives the same requests. @S@ and @H@ in them stand for a
 * session and a handle that are there.
 */
#pragma once

#include <glib.h>

#define PICK(rand, list)                                                       \
  (list)[(guint)g_rand_int_range (rand, 0, (gint32)G_N_ELEMENTS (list))]

static inline gboolean
grammar_chance (GRand *rand, guint percent)
{
  return g_rand_int_range (rand, 0, 100) < (gint32)percent;
}

static inline void
grammar_value (GRand *rand, GString *out, guint depth)
{
  static const char *const atoms[] = {
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "2",
    "77",
    "5004",
    "65536",
    "4294967296",
    "9007199254740992",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "-0.0",
    "1e308",
    "\"\"",
    "\"x\"",
    "\"0\"",
    "\"v\"",
    "\"a\"",
    "\"true\"",
    "\"\\u0001\\n\\\"\\\\\"",
    "\"\\ud83d\\ude00\"",
    "\"../../x\"",
    "\"%s%n%d\"",
    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
    "@S@",
    "@H@",
    "{}",
    "[]",
  };
  guint n;

  if (depth == 0 || grammar_chance (rand, 80))
    {
      g_string_append (out, PICK (rand, atoms));
      return;
    }
  n = (guint)g_rand_int_range (rand, 0, 4);
  if (grammar_chance (rand, 50))
    {
      g_string_append_c (out, '[');
      for (guint i = 0; i < n; i++)
        {
          g_string_append (out, i > 0 ? "," : "");
          grammar_value (rand, out, depth - 1);
        }
      g_string_append_c (out, ']');
      return;
    }
  g_string_append_c (out, '{');
  for (guint i = 0; i < n; i++)
    {
      g_string_append_printf (out, "%s\"k%u\":", i > 0 ? "," : "", i);
      grammar_value (rand, out, depth - 1);
    }
  g_string_append_c (out, '}');
}

/* grammar_member: ,"name":value; @good: (nullable): a value of the right kind,
 * used @percent of the time */
static inline void
grammar_member (GRand *rand, GString *out, const char *name, const char *good,
                guint percent)
{
  g_string_append_printf (out, ",\"%s\":", name);
  if (good && grammar_chance (rand, percent))
    g_string_append (out, good);
  else
    grammar_value (rand, out, 3);
}

typedef struct
{
  const char *name;
  const char *values[5]; /* of the right kind; NULL after the last */
} GrammarMember;

/* grammar_members: some of @members, @percent of them on average,
 * @good percent of those of the right kind */
static inline void
grammar_members (GRand *rand, GString *out, const GrammarMember *members,
                 guint n_members, guint percent, guint good)
{
  for (guint i = 0; i < n_members; i++)
    {
      guint n_values = 0;

      if (!grammar_chance (rand, percent))
        continue;
      while (n_values < G_N_ELEMENTS (members[i].values)
             && members[i].values[n_values])
        n_values++;
      grammar_member (
          rand, out, members[i].name,
          members[i].values[g_rand_int_range (rand, 0, (gint32)n_values)],
          good);
    }
}

/* --- The Streaming plugin
 * ------------------------------------------------------- */

static inline void
grammar_body (GRand *rand, GString *out)
{
  static const char *const verbs[] = {
    "list",      "info",      "create",   "edit",  "destroy", "enable",
    "disable",   "recording", "kick_all", "watch", "start",   "pause",
    "configure", "switch",    "stop",     "LIST",  "bogus",   "",
  };
  static const char media[] =
      "[{\"type\":\"video\",\"mid\":\"v\",\"port\":0,\"pt\":96,"
      "\"codec\":\"h264\"},{\"type\":\"audio\",\"mid\":\"a\",\"port\":0,"
      "\"pt\":111,\"codec\":\"opus\"}]";
  static const GrammarMember members[] = {
    { "id", { "1", "2", "3", "77", "52" } },
    { "type", { "\"rtp\"", "\"live\"", "\"rtsp\"", "\"ondemand\"" } },
    { "name", { "\"n\"" } },
    { "description", { "\"d\"" } },
    { "metadata", { "\"m\"" } },
    { "secret", { "\"s\"", "\"\"" } },
    { "pin", { "\"p\"", "\"\"" } },
    { "is_private", { "true", "false" } },
    { "permanent", { "false" } },
    { "media", { media, "[\"v\"]", "[]", "[{\"mid\":\"v\"}]" } },
    { "audio", { "true", "false" } },
    { "video", { "true", "false" } },
    { "audioport", { "0" } },
    { "audiopt", { "111" } },
    { "audiocodec", { "\"opus\"" } },
    { "videoport", { "0" } },
    { "videopt", { "96" } },
    { "videocodec", { "\"h264\"", "\"vp8\"" } },
    { "videosimulcast", { "true" } },
    { "url", { "\"rtsp://127.0.0.1:1/x\"" } },
    { "filename", { "\"/nonexistent/x\"" } },
    { "new_description", { "\"e\"" } },
    { "new_secret", { "\"s\"" } },
    { "new_pin", { "\"\"" } },
    { "action", { "\"start\"", "\"stop\"" } },
    { "restart", { "true" } },
    { "offer_audio", { "true", "false" } },
    { "offer_video", { "true", "false" } },
    { "streams", { "[{\"mid\":\"v\",\"send\":true,\"substream\":1}]" } },
    { "substream", { "0", "1", "2" } },
    { "temporal", { "0", "1", "2" } },
    { "collision", { "2000" } },
    { "threads", { "0" } },
    { "admin_key", { "\"k\"" } },
    { "srtpsuite", { "32", "80" } },
    { "srtpcrypto", { "\"WbTBosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN\"" } },
  };

  g_string_append_printf (out, "{\"request\":\"%s\"", PICK (rand, verbs));
  grammar_members (rand, out, members, G_N_ELEMENTS (members), 20, 85);
  g_string_append_c (out, '}');
}

static inline void
grammar_jsep (GRand *rand, GString *out)
{
  static const char sdp[] =
      "\"v=0\\r\\no=- 1 1 IN IP4 127.0.0.1\\r\\ns=-\\r\\nt=0 0\\r\\n"
      "a=group:BUNDLE 0\\r\\nm=video 9 UDP/TLS/RTP/SAVPF 96\\r\\n"
      "c=IN IP4 0.0.0.0\\r\\na=mid:0\\r\\na=recvonly\\r\\na=rtcp-mux\\r\\n"
      "a=ice-ufrag:abcd\\r\\na=ice-pwd:abcdefghijklmnopqrstuvwx\\r\\n"
      "a=fingerprint:sha-256 7B:B4:66:32:65:D4:AE:C5:F7:89:59:F7:AC:F2:FE:13:"
      "25:85:BC:88:61:84:C3:12:CA:43:4E:16:17:64:D5:AE\\r\\na=setup:active"
      "\\r\\na=rtpmap:96 H264/90000\\r\\n\"";
  static const GrammarMember members[] = {
    { "type", { "\"offer\"", "\"answer\"" } },
    { "sdp", { sdp, sdp, "\"v=0\\r\\n\"", "\"\"" } },
    { "trickle", { "false", "true" } },
  };

  g_string_append (out, "{\"x\":0");
  grammar_members (rand, out, members, G_N_ELEMENTS (members), 85, 90);
  g_string_append_c (out, '}');
}

/* --- The core and the Admin API
 * ------------------------------------------------- */

/* @ret_is_admin: for /admin
 * Returns: (transfer full): one line, mostly JSON */
static inline char *
grammar_request (GRand *rand, gboolean *ret_is_admin)
{
  static const char *const core[] = {
    "message", "message", "message", "message", "message",
    "message", "trickle", "attach",  "attach",  "keepalive",
    "claim",   "hangup",  "detach",  "destroy", "create",
    "info",    "ping",    "bogus",   "",
  };
  static const char *const admin_root[] = {
    "info",
    "ping",
    "get_status",
    "set_session_timeout",
    "set_slowlink_threshold",
    "list_sessions",
    "message_plugin",
    "message_plugin",
    "message_plugin",
    "add_token",
    "allow_token",
    "disallow_token",
    "remove_token",
    "list_tokens",
  };
  static const char *const admin_below[] = {
    "list_handles",        "handle_info",     "hangup_webrtc", "detach_handle",
    "set_session_timeout", "destroy_session", "bogus",
  };
  static const char candidate[] =
      "{\"candidate\":\"candidate:1 1 udp 1 127.0.0.1 9 typ host\","
      "\"sdpMid\":\"0\"}";
  static const GrammarMember often[] = {
    { "session_id", { "@S@" } },
    { "handle_id", { "@H@" } },
    { "plugin", { "\"janus.plugin.streaming\"" } },
  };
  static const GrammarMember seldom[] = {
    { "id", { "0" } },
    { "opaque_id", { "\"o\"" } },
    { "apisecret", { "\"s\"" } },
    { "token", { "\"t\"" } },
    { "plugins", { "[\"janus.plugin.streaming\"]" } },
    { "timeout", { "60", "-1" } },
    { "slowlink_threshold", { "4" } },
    { "candidate", { candidate, "{\"completed\":true}", "null" } },
    { "candidates", { "[{\"completed\":true}]" } },
  };
  GString *out = g_string_new (NULL);
  gboolean is_root;
  const char *verb;

  *ret_is_admin = grammar_chance (rand, 20);
  is_root = *ret_is_admin && grammar_chance (rand, 70);
  verb = is_root         ? PICK (rand, admin_root)
         : *ret_is_admin ? PICK (rand, admin_below)
                         : PICK (rand, core);
  g_string_append_printf (out, "{\"janus\":\"%s\"", verb);
  if (grammar_chance (rand, 98))
    grammar_member (rand, out, "transaction", "\"t\"", 98);
  grammar_members (rand, out, often, G_N_ELEMENTS (often), is_root ? 10 : 97,
                   98);
  grammar_members (rand, out, seldom, G_N_ELEMENTS (seldom), 8, 80);
  g_string_append (out, *ret_is_admin ? ",\"request\":" : ",\"body\":");
  grammar_body (rand, out);
  if (grammar_chance (rand, 20))
    {
      g_string_append (out, ",\"jsep\":");
      grammar_jsep (rand, out);
    }
  g_string_append_c (out, '}');
  if (grammar_chance (rand, 3)) /* no JSON any more */
    g_string_truncate (out,
                       (gsize)g_rand_int_range (rand, 0, (gint32)out->len));
  return g_string_free (out, FALSE);
}
