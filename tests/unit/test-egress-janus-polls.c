/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long polls of the Janus API (PROTOCOLS.md J14, J15), and clients that go
 * while they wait (J58).
 */
#include <sys/socket.h>

#include "tests/unit/janus-http-fixture.h"

/* (transfer full): what push (@text) becomes */
static char *
event_of (JanusHttp *f, const char *text)
{
  return g_strdup_printf (
      "{\"janus\":\"event\",\"session_id\":%" G_GUINT64_FORMAT
      ",\"sender\":%" G_GUINT64_FORMAT ",\"plugindata\":{" PLUGIN
      ",\"data\":{\"streaming\":\"%s\"}}}",
      f->janus.session_id, f->janus.handle_id, text);
}

/* --- Long polls
 * ------------------------------------------------------------------ */

static void
test_poll (void)
{
  g_autofree char *a = NULL, *b = NULL, *both = NULL;
  JanusPoller poller = { 0 };
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  a = event_of (&f, "a");
  b = event_of (&f, "b");
  both = g_strdup_printf ("[%s,%s]", a, b);

  /* waits, then an object */
  janus_poller_begin (&poller, &f, "");
  janus_poller_expect_nothing (&poller);
  janus_http_push (&f, "a");
  janus_poller_expect (&poller, "200", a);

  /* what waits: one a poll, or as many as asked for */
  janus_http_push (&f, "a");
  janus_http_push (&f, "b");
  janus_poller_begin (&poller, &f, "?maxev=1");
  janus_poller_expect (&poller, "200", a);
  janus_poller_begin (&poller, &f, "?maxev=abc&rid=1");
  janus_poller_expect (&poller, "200", b);
  janus_http_push (&f, "a");
  janus_http_push (&f, "b");
  janus_http_push (&f, "a");
  janus_poller_begin (&poller, &f, "?maxev=2");
  janus_poller_expect (&poller, "200", both);
  janus_poller_begin (&poller, &f, "?maxev=999999999999");
  janus_poller_receive (&poller);
  g_assert_nonnull (strstr (poller.bytes->str, "\r\n\r\n[{"));
  g_string_truncate (poller.bytes, 0);
  g_assert_cmpint (
      janus_metric (&f.janus, "media_tree_janus_polls_abandoned_total"), ==, 0);
  janus_poller_end (&poller);
  janus_http_stop (&f);
}

static void
test_poll_expires (void)
{
  JanusPoller one = { 0 }, many = { 0 };
  gint64 begun_us = base_clock_now_us ();
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  janus_poller_begin (&one, &f, "");
  janus_poller_begin (&many, &f, "?maxev=10");
  g_assert_cmpint (janus_metric (&f.janus, "media_tree_janus_polls"), ==, 2);
  egress_janus_http_expire (f.http, begun_us + EGRESS_JANUS_POLL_US - 1);
  janus_poller_expect_nothing (&one);
  egress_janus_http_expire (f.http,
                            base_clock_now_us () + EGRESS_JANUS_POLL_US);
  janus_poller_expect (&one, "200", "{\"janus\":\"keepalive\"}");
  janus_poller_expect (&many, "200", "[{\"janus\":\"keepalive\"}]");
  g_assert_cmpint (janus_metric (&f.janus, "media_tree_janus_polls"), ==, 0);
  janus_poller_end (&one);
  janus_poller_end (&many);
  janus_http_stop (&f);
}

/* Of several polls the newest gets the event; there is a bound. */
static void
test_poll_bound (void)
{
  JanusPoller pollers[EGRESS_JANUS_HTTP_MAX_POLLS + 1] = { 0 };
  g_autofree char *a = NULL;
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  a = event_of (&f, "a");
  for (guint i = 0; i < EGRESS_JANUS_HTTP_MAX_POLLS; i++)
    janus_poller_begin (&pollers[i], &f, "");
  janus_poller_expect_nothing (&pollers[0]);
  janus_poller_begin (&pollers[EGRESS_JANUS_HTTP_MAX_POLLS], &f, "");
  janus_poller_expect (&pollers[0], "200", "{\"janus\":\"keepalive\"}");
  janus_http_push (&f, "a");
  janus_poller_expect (&pollers[EGRESS_JANUS_HTTP_MAX_POLLS], "200", a);
  janus_poller_expect_nothing (&pollers[1]);
  for (guint i = 0; i < G_N_ELEMENTS (pollers); i++)
    janus_poller_end (&pollers[i]);
  janus_http_stop (&f);
}

/* --- J58: a client that goes loses no event
 * ------------------------------------ */

static void
test_client_gone (void)
{
  static const struct linger abrupt = { .l_onoff = 1 };
  g_autofree char *a = NULL;
  JanusPoller poller = { 0 };
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  a = event_of (&f, "a");
  for (guint i = 0; i < 2; i++)
    {
      janus_poller_begin (&poller, &f, "");
      if (i == 1) /* no goodbye, but a reset */
        setsockopt (g_socket_get_fd (poller.socket), SOL_SOCKET, SO_LINGER,
                    &abrupt, sizeof abrupt);
      janus_poller_end (&poller);
      janus_http_push (&f, "a");
      janus_poller_begin (&poller, &f, "");
      janus_poller_expect (&poller, "200", a);
      janus_poller_end (&poller);
      janus_turn ();
    }
  g_assert_cmpint (
      janus_metric (&f.janus, "media_tree_janus_polls_abandoned_total"), ==, 2);
  g_assert_cmpint (janus_metric (&f.janus, "media_tree_janus_polls"), ==, 0);
  janus_http_stop (&f);
}

/* Without an event, the tick finds out. */
static void
test_client_gone_idle (void)
{
  JanusPoller poller = { 0 };
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  janus_poller_begin (&poller, &f, "");
  egress_janus_http_expire (f.http, base_clock_now_us ());
  g_assert_cmpint (janus_metric (&f.janus, "media_tree_janus_polls"), ==, 1);
  janus_poller_end (&poller);
  egress_janus_http_expire (f.http, base_clock_now_us ());
  g_assert_cmpint (janus_metric (&f.janus, "media_tree_janus_polls"), ==, 0);
  janus_http_stop (&f);
}

/* Who only says that he sends no more is answered, and keeps his event. */
static void
test_half_closed (void)
{
  g_autofree char *a = NULL;
  JanusPoller poller = { 0 }, other = { 0 };
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  a = event_of (&f, "a");
  janus_poller_begin (&poller, &f, "");
  g_socket_shutdown (poller.socket, FALSE, TRUE, NULL);
  janus_http_push (&f, "a");
  janus_poller_expect (&poller, "200", "{\"janus\":\"keepalive\"}");
  janus_poller_begin (&other, &f, "");
  janus_poller_expect (&other, "200", a);
  janus_poller_end (&poller);
  janus_poller_end (&other);
  janus_turn ();
  janus_http_stop (&f);
}

/* It goes while the reply is on its way: more than the sockets take. */
static void
test_client_gone_late (void)
{
  enum
  {
    N_EVENTS = 40,
    EVENT_BYTES = 512 * 1024
  };
  g_autofree char *large = g_strnfill (EVENT_BYTES, 'x');
  g_autofree char *first = NULL;
  JanusPoller poller = { 0 };
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  first = event_of (&f, "first");
  janus_http_push (&f, "first");
  for (guint i = 1; i < N_EVENTS; i++)
    janus_http_push (&f, large);
  janus_poller_begin (&poller, &f, "?maxev=40");
  g_assert_cmpuint (
      egress_janus_lookup (f.janus.core, f.janus.session_id)->events.length, ==,
      0);
  janus_poller_end (&poller);
  while (egress_janus_lookup (f.janus.core, f.janus.session_id)->events.length
         == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (
      egress_janus_lookup (f.janus.core, f.janus.session_id)->events.length, ==,
      N_EVENTS);
  janus_poller_begin (&poller, &f, "");
  janus_poller_expect (&poller, "200", first);
  janus_poller_end (&poller);
  janus_turn ();
  janus_http_stop (&f);
}

/* --- Ends
 * ---------------------------------------------------------------------------
 */

static void
test_session_ends (void)
{
  g_autofree char *over = NULL, *path = NULL;
  JanusPoller poller = { 0 }, other = { 0 };
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  over = g_strdup_printf (
      "[{\"janus\":\"timeout\",\"session_id\":%" G_GUINT64_FORMAT "},"
      "{\"janus\":\"detached\",\"session_id\":%" G_GUINT64_FORMAT
      ",\"sender\":%" G_GUINT64_FORMAT "}]",
      f.janus.session_id, f.janus.session_id, f.janus.handle_id);
  janus_poller_begin (&other, &f, "");
  janus_poller_begin (&poller, &f, "?maxev=5");
  janus_now_us += 60 * BASE_US_PER_S;
  janus_tick (f.janus.core);
  janus_poller_expect (&poller, "200", over);
  janus_poller_expect (&other, "404", "");

  janus_http_open_session (&f);
  path = g_strdup_printf ("/janus/%" G_GUINT64_FORMAT, f.janus.session_id);
  janus_poller_begin (&poller, &f, "?maxev=5");
  g_assert_cmpuint (
      janus_http_ask (&f, "POST", path, "{\"janus\":\"destroy\"," T "}"), ==,
      200);
  janus_poller_expect (&poller, "404", "");
  g_assert_cmpuint (janus_http_ask (&f, "GET", path, NULL), ==, 404);
  janus_poller_end (&poller);
  janus_poller_end (&other);
  janus_http_stop (&f);
}

/* Polls that wait when the program ends are answered. */
static void
test_stop (void)
{
  JanusPoller poller = { 0 };
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  janus_poller_begin (&poller, &f, "");
  egress_janus_http_free (f.http);
  janus_poller_expect (&poller, "200", "{\"janus\":\"keepalive\"}");
  janus_poller_end (&poller);
  janus_turn ();
  loopback_tear_down (&f.loopback, NULL);
  janus_stop (&f.janus);
}

/* A session of another transport has no polls. */
static void
test_claimed (void)
{
  g_autofree char *path = NULL;
  JanusPoller poller = { 0 };
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  path = g_strdup_printf ("/janus/%" G_GUINT64_FORMAT, f.janus.session_id);
  janus_poller_begin (&poller, &f, "");
  janus_ask (&f.janus, f.janus.session_id, 0, "{\"janus\":\"claim\"," T "}");
  janus_expect (&f.janus, S_OK);
  janus_poller_expect (&poller, "404", "");
  g_assert_cmpuint (janus_http_ask (&f, "GET", path, NULL), ==, 404);
  janus_poller_end (&poller);
  janus_http_stop (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/egress/janus-polls/poll", test_poll);
  g_test_add_func ("/egress/janus-polls/poll-expires", test_poll_expires);
  g_test_add_func ("/egress/janus-polls/poll-bound", test_poll_bound);
  g_test_add_func ("/egress/janus-polls/client-gone", test_client_gone);
  g_test_add_func ("/egress/janus-polls/client-gone-idle",
                   test_client_gone_idle);
  g_test_add_func ("/egress/janus-polls/half-closed", test_half_closed);
  g_test_add_func ("/egress/janus-polls/client-gone-late",
                   test_client_gone_late);
  g_test_add_func ("/egress/janus-polls/session-ends", test_session_ends);
  g_test_add_func ("/egress/janus-polls/stop", test_stop);
  g_test_add_func ("/egress/janus-polls/claimed", test_claimed);
  return g_test_run ();
}
