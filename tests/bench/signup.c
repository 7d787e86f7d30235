/* SPDX-License-Identifier: Apache-2.0 */
/* BenchSignup: see signup.h. */
#include "tests/bench/signup.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/dtls.h"

#define MAX_POLLS 8 /* until the offer comes */

struct _BenchSignup
{
  SoupSession *session; /* owned */
  char *url;            /* owned */
  int mountpoint;
};

BenchSignup *
bench_signup_new (const char *url, int mountpoint)
{
  BenchSignup *self = g_new0 (BenchSignup, 1);

  self->session = soup_session_new ();
  self->url = g_strdup (url);
  self->mountpoint = mountpoint;
  return self;
}

void
bench_signup_free (BenchSignup *self)
{
  g_object_unref (self->session);
  g_free (self->url);
  g_free (self);
}

/* (transfer full) (nullable): the body of a 2xx */
static char *
ask (BenchSignup *self, const char *method, const char *url, const char *type,
     const char *body)
{
  g_autoptr (SoupMessage) msg = soup_message_new (method, url);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) reply = NULL;

  if (body)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body));

      soup_message_set_request_body_from_bytes (msg, type, bytes);
    }
  reply = soup_session_send_and_read (self->session, msg, NULL, &error);
  if (reply && soup_message_get_status (msg) / 100 == 2)
    return g_strndup (g_bytes_get_data (reply, NULL), g_bytes_get_size (reply));
  fprintf (stderr, "bench-load: %s %s: %s %.*s\n", method, url,
           error ? error->message : soup_message_get_reason_phrase (msg),
           reply ? (int)g_bytes_get_size (reply) : 0,
           reply ? (const char *)g_bytes_get_data (reply, NULL) : "");
  return NULL;
}

/* (transfer full) (nullable): what follows @key on the first line with it */
static char *
find_value (const char *sdp, const char *key)
{
  const char *at = strstr (sdp, key);

  if (!at)
    return NULL;
  at += strlen (key);
  return g_strndup (at, strcspn (at, "\r\n"));
}

gboolean
bench_signup_take_remote (BenchViewer *viewer, const char *sdp,
                          gboolean is_offer)
{
  g_autofree char *ufrag = find_value (sdp, "a=ice-ufrag:");
  g_autofree char *pwd = find_value (sdp, "a=ice-pwd:");
  g_autofree char *setup = find_value (sdp, "a=setup:");
  g_auto (GStrv) lines = g_strsplit (sdp, "\n", -1);

  for (guint i = 0; ufrag && pwd && setup && lines[i]; i++)
    {
      g_auto (GStrv) words = NULL;

      if (!g_str_has_prefix (lines[i], "a=candidate:"))
        continue;
      words = g_strsplit (lines[i], " ", -1);
      if (g_strv_length (words) < 6 || g_ascii_strcasecmp (words[2], "udp")
          || strchr (words[4], ':') || g_strcmp0 (words[1], "1"))
        continue;
      bench_viewer_set_remote (viewer, words[4], (guint)atoi (words[5]), ufrag,
                               pwd, is_offer || !strcmp (setup, "passive"));
      return TRUE;
    }
  fprintf (stderr, "bench-load: no way to the server in its SDP:\n%s\n", sdp);
  return FALSE;
}

/* --- WHEP --------------------------------------------------------------- */

char *
bench_signup_make_offer (BenchViewer *viewer)
{
  g_autofree char *common = g_strdup_printf (
      "c=IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n"
      "a=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=recvonly\r\n"
      "a=rtcp-mux\r\na=rtcp-rsize\r\n",
      bench_viewer_get_ufrag (viewer), bench_viewer_get_pwd (viewer),
      bench_fingerprint ());

  return g_strdup_printf (
      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
      "a=group:BUNDLE 0 1\r\n"
      "m=video 9 UDP/TLS/RTP/SAVPF 102 103\r\n%sa=mid:0\r\n"
      "a=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack\r\n"
      "a=rtcp-fb:102 nack pli\r\na=rtcp-fb:102 ccm fir\r\n"
      "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;"
      "profile-level-id=42e01f\r\n"
      "a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n"
      "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n%sa=mid:1\r\n"
      "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n",
      common, common);
}

static gboolean
sign_in_whep (BenchSignup *self, BenchViewer *viewer, const char *url)
{
  g_autofree char *offer = bench_signup_make_offer (viewer);
  g_autofree char *answer = ask (self, "POST", url, "application/sdp", offer);

  return answer && bench_signup_take_remote (viewer, answer, FALSE);
}

/* --- Janus -------------------------------------------------------------- */

/* (transfer full) (nullable): an object; errors are told */
static JsonObject *
ask_janus (BenchSignup *self, const char *url, const char *body)
{
  g_autofree char *text =
      ask (self, body ? "POST" : "GET", url, "application/json", body);
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;

  if (!text || !json_parser_load_from_data (parser, text, -1, NULL))
    return NULL;
  root = json_parser_get_root (parser);
  if (JSON_NODE_HOLDS_ARRAY (root))
    root = json_array_get_element (json_node_get_array (root), 0);
  if (!JSON_NODE_HOLDS_OBJECT (root)
      || json_object_has_member (json_node_get_object (root), "error"))
    {
      fprintf (stderr, "bench-load: janus: %s\n", text);
      return NULL;
    }
  return json_object_ref (json_node_get_object (root));
}

/* Returns: data.id of the reply, 0 = none */
static gint64
ask_janus_id (BenchSignup *self, const char *url, const char *body)
{
  g_autoptr (JsonObject) reply = ask_janus (self, url, body);

  if (!reply || !json_object_has_member (reply, "data"))
    return 0;
  return json_object_get_int_member (
      json_object_get_object_member (reply, "data"), "id");
}

/* make_answer: each section of @offer, received */
static char *
make_answer (BenchViewer *viewer, const char *offer)
{
  GString *answer = g_string_new ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
                                  "t=0 0\r\n");
  g_auto (GStrv) lines = g_strsplit (offer, "\r\n", -1);
  g_autofree char *candidate = bench_viewer_dup_candidate (viewer);

  for (guint i = 0; lines[i]; i++)
    {
      if (g_str_has_prefix (lines[i], "a=group:BUNDLE")
          || g_str_has_prefix (lines[i], "a=mid:")
          || g_str_has_prefix (lines[i], "a=rtpmap:")
          || g_str_has_prefix (lines[i], "a=fmtp:")
          || g_str_has_prefix (lines[i], "a=rtcp-fb:"))
        g_string_append_printf (answer, "%s\r\n", lines[i]);
      if (!g_str_has_prefix (lines[i], "m="))
        continue;
      g_string_append_printf (
          answer,
          "%s\r\nc=IN IP4 127.0.0.1\r\na=recvonly\r\na=rtcp-mux\r\n"
          "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\n"
          "a=setup:active\r\n"
          "a=candidate:%s\r\n"
          "a=end-of-candidates\r\n",
          lines[i], bench_viewer_get_ufrag (viewer),
          bench_viewer_get_pwd (viewer), bench_fingerprint (), candidate);
    }
  return g_string_free (answer, FALSE);
}

/* (transfer full) (nullable): the SDP of the event that offers */
static char *
wait_for_offer (BenchSignup *self, const char *url)
{
  for (guint i = 0; i < MAX_POLLS; i++)
    {
      g_autoptr (JsonObject) event = ask_janus (self, url, NULL);

      if (!event)
        return NULL;
      if (json_object_has_member (event, "jsep"))
        return g_strdup (json_object_get_string_member (
            json_object_get_object_member (event, "jsep"), "sdp"));
    }
  fprintf (stderr, "bench-load: janus made no offer\n");
  return NULL;
}

static char *
make_start (const char *sdp)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "janus");
  json_builder_add_string_value (json, "message");
  json_builder_set_member_name (json, "transaction");
  json_builder_add_string_value (json, "t");
  json_builder_set_member_name (json, "body");
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "request");
  json_builder_add_string_value (json, "start");
  json_builder_end_object (json);
  json_builder_set_member_name (json, "jsep");
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "type");
  json_builder_add_string_value (json, "answer");
  json_builder_set_member_name (json, "sdp");
  json_builder_add_string_value (json, sdp);
  json_builder_end_object (json);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}

static gboolean
sign_in_janus (BenchSignup *self, BenchViewer *viewer)
{
  gint64 session_id = ask_janus_id (
      self, self->url, "{\"janus\":\"create\",\"transaction\":\"t\"}");
  g_autofree char *session =
      g_strdup_printf ("%s/%" G_GINT64_FORMAT, self->url, session_id);
  gint64 handle_id =
      session_id == 0
          ? 0
          : ask_janus_id (self, session,
                          "{\"janus\":\"attach\",\"transaction\":\"t\","
                          "\"plugin\":\"janus.plugin.streaming\"}");
  g_autofree char *handle =
      g_strdup_printf ("%s/%" G_GINT64_FORMAT, session, handle_id);
  g_autofree char *watch =
      g_strdup_printf ("{\"janus\":\"message\",\"transaction\":\"t\","
                       "\"body\":{\"request\":\"watch\",\"id\":%d}}",
                       self->mountpoint);
  g_autofree char *poll = g_strdup_printf ("%s?maxev=1", session);
  g_autofree char *offer = NULL, *answer = NULL, *start = NULL;
  g_autoptr (JsonObject) watched = NULL, started = NULL;

  if (handle_id == 0)
    return FALSE;
  watched = ask_janus (self, handle, watch);
  offer = watched ? wait_for_offer (self, poll) : NULL;
  if (!offer || !bench_signup_take_remote (viewer, offer, TRUE))
    return FALSE;
  answer = make_answer (viewer, offer);
  start = make_start (answer);
  started = ask_janus (self, handle, start);
  return started != NULL;
}

gboolean
bench_signup_run (BenchSignup *self, BenchViewer *viewer, const char *url)
{
  return self->mountpoint ? sign_in_janus (self, viewer)
                          : sign_in_whep (self, viewer, url);
}
