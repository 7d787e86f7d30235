/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Janus API over real HTTP: paths and methods as Janus answers them, and
 * replies that come late (PROTOCOLS.md J1-J5, J18-J20).
 */
#include "tests/unit/janus-http-fixture.h"

/* --- Paths and methods -------------------------------------------------------
 */

#define ERROR_0(code, reason)                                                  \
  "{\"janus\":\"error\",\"error\":{\"code\":" #code ",\"reason\":\"" reason    \
  "\"}}"
#define ERROR_OF(id, code, reason)                                             \
  "{\"janus\":\"error\",\"session_id\":" #id "," T                             \
  ",\"error\":{\"code\":" #code ",\"reason\":\"" reason "\"}}"
#define KEEPALIVE "{\"janus\":\"keepalive\"," T "}"
#define PING "{\"janus\":\"ping\"," T "}"
#define PONG "{\"janus\":\"pong\"," T "}"

static void
test_paths (void)
{
  static const struct
  {
    const char *method, *path, *body;
    guint status;
    const char *reply;
  } rows[] = {
    { "GET", "/janus", NULL, 404, "" },
    { "GET", "/janus/", NULL, 404, "" },
    { "GET", "/janus/ping", NULL, 404, "" },
    { "GET", "/janus/1", NULL, 404, "" },
    { "GET", "/janus/1/2/3", NULL, 404, "" },
    { "POST", "/janus/1/2/3", PING, 404, "" },
    { "POST", "/janus/info", PING, 400, "" },
    { "POST", "/janus", PING, 200, PONG },
    { "POST", "/janus/", PING, 200, PONG },
    { "POST", "/janus/abc", PING, 200, PONG },
    { "POST", "/janus/1/abc", PING, 200,
      ERROR_OF (1, 458, "No such session 1") },
    { "POST", "/janus/1x", KEEPALIVE, 200,
      ERROR_OF (1, 458, "No such session 1") },
    { "POST", "/janus/-1", KEEPALIVE, 200,
      ERROR_OF (-1, 458, "No such session 18446744073709551615") },
    { "POST", "/janus/99999999999999999999999", KEEPALIVE, 200,
      ERROR_OF (-1, 458, "No such session 18446744073709551615") },
    { "POST", "/janus/0", KEEPALIVE, 200,
      ERROR (457, "Unhandled request 'keepalive' at this path") },
    { "PUT", "/janus", "{}", 200, ERROR_0 (450, "Unsupported method PUT") },
    { "DELETE", "/janus/1", NULL, 200,
      ERROR_0 (450, "Unsupported method DELETE") },
    { "HEAD", "/janus", NULL, 200, "" },
    { "POST", "/janus", "", 200,
      ERROR_0 (454, "JSON error: on line 1: '[' or '{' expected near end of "
                    "file") },
    { "POST", "/janus", "[]", 200, ERROR_0 (455, "JSON error: not an object") },
    { "POST", "/admin", PING, 200, PONG },
    { "POST", "/admin/info", PING, 200,
      ERROR_0 (450, "Use GET for the info endpoint") },
    { "GET", "/admin", NULL, 200, ERROR_0 (454, "Request payload missing") },
  };
  JanusHttp f;

  janus_http_start (&f, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_test_message ("%s %s", rows[i].method, rows[i].path);
      g_assert_cmpuint (
          janus_http_ask (&f, rows[i].method, rows[i].path, rows[i].body), ==,
          rows[i].status);
      g_assert_cmpstr (f.loopback.text, ==, rows[i].reply);
      g_assert_cmpstr (
          loopback_header (&f.loopback, "Access-Control-Allow-Origin"), ==,
          "*");
      g_assert_cmpstr (loopback_header (&f.loopback, "Access-Control-Max-Age"),
                       ==, "86400");
    }
  janus_http_stop (&f);
}

static void
test_headers (void)
{
  static const char *const asked[] = { "Origin",
                                       "http://a.example",
                                       "Access-Control-Request-Method",
                                       "POST",
                                       "Access-Control-Request-Headers",
                                       "content-type,x-a",
                                       NULL };
  static const char *const beacon[] = { "Content-Type",
                                        "text/plain;charset=UTF-8", NULL };
  g_autofree char *path = NULL;
  JsonObject *info;
  JanusHttp f;

  janus_http_start (&f, NULL);
  g_assert_cmpuint (
      loopback_ask (&f.loopback, "OPTIONS", "/janus", asked, NULL, -1), ==,
      200);
  g_assert_cmpstr (
      loopback_header (&f.loopback, "Access-Control-Allow-Methods"), ==,
      "POST");
  g_assert_cmpstr (
      loopback_header (&f.loopback, "Access-Control-Allow-Headers"), ==,
      "content-type,x-a");
  janus_http_open_session (&f);
  path = g_strdup_printf ("/janus/%" G_GUINT64_FORMAT, f.janus.session_id);
  g_assert_cmpuint (loopback_ask (&f.loopback, "POST", path, beacon,
                                  "{\"janus\":\"destroy\"," T "}", -1),
                    ==, 200);
  g_assert_null (egress_janus_lookup (f.janus.core, f.janus.session_id));
  g_assert_cmpuint (janus_http_ask (&f, "GET", "/janus/info", NULL), ==, 200);
  g_assert_cmpstr (loopback_header (&f.loopback, "Content-Type"), ==,
                   "application/json");
  g_clear_pointer (&f.janus.reply, json_object_unref);
  info = f.janus.reply = janus_parse (f.loopback.text);
  g_assert_cmpstr (egress_janus_get_string (info, "janus"), ==, "server_info");
  g_assert_cmpint (egress_janus_get_int (info, "session-timeout", 0), ==, 60);
  g_assert_cmpuint (strlen (egress_janus_get_string (info, "transaction")), ==,
                    12);
  info = json_object_get_object_member (info, "plugins");
  g_assert_true (json_object_has_member (info, "janus.plugin.streaming"));
  janus_http_stop (&f);
}

static void
test_body_bound (void)
{
  g_autofree char *space = g_strnfill (EGRESS_JANUS_MAX_BODY_BYTES, ' ');
  JanusHttp f;

  janus_http_start (&f, NULL);
  memcpy (space, PING, strlen (PING));
  g_assert_cmpuint (janus_http_ask (&f, "POST", "/janus", space), ==, 200);
  g_assert_cmpstr (f.loopback.text, ==, PONG);
  g_assert_cmpuint (loopback_ask (&f.loopback, "POST", "/janus", NULL, space,
                                  EGRESS_JANUS_MAX_BODY_BYTES + 1),
                    ==, 413);
  janus_http_stop (&f);
}

/* J18: a poll without the secret is HTTP's 403 */
static void
test_secret (void)
{
  static const EgressJanusConfig config = { .api_secret = "sec" };
  JanusPoller poller = { 0 };
  JanusHttp f;

  janus_http_start (&f, &config);
  f.janus.session_id = janus_http_post_for_id (
      &f, "/janus", "{\"janus\":\"create\"," T ",\"apisecret\":\"sec\"}");
  g_assert_cmpuint (janus_http_ask (&f, "GET", "/janus/999", NULL), ==, 403);
  g_assert_cmpuint (janus_http_ask (&f, "GET", "/janus/999?apisecret=x", NULL),
                    ==, 403);
  g_assert_cmpuint (
      janus_http_ask (&f, "GET", "/janus/999?apisecret=sec", NULL), ==, 404);
  janus_poller_begin (&poller, &f, "?apisecret=sec");
  janus_poller_expect_nothing (&poller);
  janus_poller_end (&poller);
  janus_http_stop (&f);
}

/* A plugin's late answer reaches its client; a client that has gone harms
 * nobody. */
static void
test_late_reply (void)
{
  static const char later[] = MESSAGE ("\"body\":{\"request\":\"later\"}");
  g_autofree char *text = NULL;
  JanusPoller poller = { 0 };
  JanusHttp f;

  janus_http_start (&f, NULL);
  janus_http_open_session (&f);
  janus_poller_begin (&poller, &f, "");
  text = g_strdup_printf (
      "POST /janus/%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " HTTP/1.1\r\n"
      "Host: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s",
      f.janus.session_id, f.janus.handle_id, (int)strlen (later), later);
  janus_http_push (&f, "x");
  while (poller.bytes->len == 0)
    {
      g_main_context_iteration (NULL, TRUE);
      janus_poller_receive (&poller);
    }
  g_string_truncate (poller.bytes, 0);
  for (guint i = 0; i < 2; i++)
    {
      g_socket_send (poller.socket, text, strlen (text), NULL, NULL);
      while (!f.janus.later)
        g_main_context_iteration (NULL, TRUE);
      if (i == 1)
        janus_poller_end (&poller);
      janus_turn ();
      janus_answer_later (&f.janus);
      if (i == 0)
        {
          while (!strstr (poller.bytes->str, "late"))
            {
              g_main_context_iteration (NULL, TRUE);
              janus_poller_receive (&poller);
            }
          g_string_truncate (poller.bytes, 0);
        }
    }
  janus_turn ();
  janus_http_stop (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/egress/janus-http/paths", test_paths);
  g_test_add_func ("/egress/janus-http/headers", test_headers);
  g_test_add_func ("/egress/janus-http/body-bound", test_body_bound);
  g_test_add_func ("/egress/janus-http/secret", test_secret);
  g_test_add_func ("/egress/janus-http/late-reply", test_late_reply);
  return g_test_run ();
}
