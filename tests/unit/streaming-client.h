/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A viewer for StreamingFixture: answers offers, connects, and mountpoints for
 * him to watch.
 */
#pragma once

#include <arpa/inet.h>

#include "tests/peer/rtc-client.h"
#include "tests/unit/streaming-fixture.h"

#define STREAMING_PWD "abcdefghijklmnopqrstuvwx"
#define STREAMING_CONNECT_US (10 * G_USEC_PER_SEC)

/* --- a client ----------------------------------------------------------- */

/* (transfer full) (nullable): the first line "a=@name:VALUE" */
static inline char *
streaming_dup_attribute (const char *sdp, const char *name)
{
  g_autofree char *prefix = g_strdup_printf ("\r\na=%s:", name);
  const char *found = strstr (sdp, prefix);

  found = found != NULL ? found + strlen (prefix) : NULL;
  return found != NULL ? g_strndup (found, strcspn (found, "\r")) : NULL;
}

static inline guint
streaming_count (const char *text, const char *what)
{
  guint n = 0;

  for (text = strstr (text, what); text != NULL; text = strstr (text + 1, what))
    n++;
  return n;
}

/* An answer to @offer that takes all of it: the same lines, turned round. */
static inline char *
streaming_make_answer (const char *offer)
{
  static const char *const dropped[] = { "a=candidate", "a=end-of", "a=ssrc",
                                         "a=msid", "a=ice-lite" };
  g_auto (GStrv) lines = g_strsplit (offer, "\r\n", -1);
  GString *answer = g_string_new (NULL);

  for (guint i = 0; lines[i] != NULL && *lines[i] != '\0'; i++)
    {
      gboolean is_dropped = FALSE;

      for (guint j = 0; j < G_N_ELEMENTS (dropped); j++)
        is_dropped = is_dropped || g_str_has_prefix (lines[i], dropped[j]);
      if (is_dropped)
        continue;
      if (g_str_equal (lines[i], "a=sendonly"))
        g_string_append (answer, "a=recvonly");
      else if (g_str_equal (lines[i], "a=setup:actpass"))
        g_string_append (answer, "a=setup:active");
      else if (g_str_has_prefix (lines[i], "a=ice-ufrag:"))
        g_string_append (answer, "a=ice-ufrag:abcd");
      else if (g_str_has_prefix (lines[i], "a=ice-pwd:"))
        g_string_append (answer, "a=ice-pwd:" STREAMING_PWD);
      else if (g_str_has_prefix (lines[i], "a=fingerprint:"))
        g_string_append_printf (answer, "a=fingerprint:sha-256 %s",
                                rtc_client_get_fingerprint ());
      else
        g_string_append (answer, lines[i]);
      g_string_append (answer, "\r\n");
    }
  return g_string_free (answer, FALSE);
}

/* @sdp: ours, to be connected to */
static inline RtcClient *
streaming_connect_to (const char *sdp)
{
  g_autofree char *ufrag = streaming_dup_attribute (sdp, "ice-ufrag");
  g_autofree char *pwd = streaming_dup_attribute (sdp, "ice-pwd");
  g_autofree char *candidate = streaming_dup_attribute (sdp, "candidate");
  g_auto (GStrv) words = g_strsplit (candidate, " ", -1);
  struct sockaddr_in server = { .sin_family = AF_INET,
                                .sin_port = htons ((guint16)g_ascii_strtoull (
                                    words[5], NULL, 10)) };
  RtcClientParams params = { .local_ufrag = "abcd",
                             .local_pwd = STREAMING_PWD,
                             .remote_ufrag = ufrag,
                             .remote_pwd = pwd,
                             .dtls_client = TRUE };
  RtcClient *client;

  g_assert_cmpint (inet_pton (AF_INET, words[4], &server.sin_addr), ==, 1);
  client = rtc_client_new (&params, (struct sockaddr *)&server);
  g_assert_true (rtc_client_connect (client, STREAMING_CONNECT_US));
  return client;
}

/* --- mountpoints -------------------------------------------------------- */

static inline void
streaming_create (StreamingFixture *f, guint id, const char *codec,
                  const char *more)
{
  g_autofree char *body = g_strdup_printf (
      "{'request':'create','type':'rtp','id':%u,'media':[{'type':'audio',"
      "'mid':'a','port':0,'pt':111,'codec':'opus'},{'type':'video',"
      "'mid':'v','port':0,'pt':96,'codec':'%s'}]%s}",
      id, codec, more);

  g_assert_true (
      g_str_has_prefix (streaming_ask (f, body), "{'streaming':'created'"));
}

#define STREAMING_PREPARING "t: " STREAMING_STATUS ("preparing") " +offer"

static inline void
streaming_watch (StreamingFixture *f, guint id)
{
  g_autofree char *body = g_strdup_printf ("{'request':'watch','id':%u}", id);

  streaming_expect_event (f, body, STREAMING_PREPARING);
}

/* watch, start, connect: until it plays */
static inline RtcClient *
streaming_play (StreamingFixture *f, guint id)
{
  g_autofree char *answer = NULL;
  RtcClient *client;

  streaming_watch (f, id);
  answer = streaming_make_answer (f->sdp);
  g_assert_cmpstr (
      streaming_ask_with (f, "{'request':'start'}", "answer", answer), ==,
      "ack");
  g_assert_cmpstr (streaming_event (f), ==,
                   "t: " STREAMING_STATUS ("starting"));
  client = streaming_connect_to (f->sdp);
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_STATUS ("started"));
  g_assert_cmpstr (streaming_event (f), ==, "webrtcup");
  return client;
}

static inline guint
streaming_get_n_viewers (StreamingFixture *f, guint id)
{
  g_autofree char *body = g_strdup_printf ("{'request':'info','id':%u}", id);
  const char *text = strstr (streaming_ask (f, body), "'viewers':");

  g_assert_nonnull (text);
  return (guint)g_ascii_strtoull (text + strlen ("'viewers':"), NULL, 10);
}

static inline void
streaming_wait_closed (RtcClient *client)
{
  RtcClientEvent event;

  do
    event = rtc_client_receive (client, NULL, 0, NULL, STREAMING_CONNECT_US);
  while (event == RTC_CLIENT_RTP || event == RTC_CLIENT_RTCP);
  g_assert_cmpint (event, ==, RTC_CLIENT_CLOSED);
}
