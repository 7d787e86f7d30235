/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP helpers, asked over a real connection on loopback. */
#include "base/http.h"

#include <string.h>

#include "loopback.h"

#define BODY_MAX_BYTES 64

static JsonObject *
parse (Loopback *f, JsonParser *parser)
{
  g_assert_true (json_parser_load_from_data (parser, f->text, -1, NULL));
  return json_node_get_object (json_parser_get_root (parser));
}

static void
assert_problem (Loopback *f, int status, const char *code)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *object = parse (f, parser);
  g_autofree char *type = g_strconcat ("urn:media-tree:error:", code, NULL);

  g_assert_cmpstr (loopback_header (f, "Content-Type"), ==,
                   "application/problem+json");
  g_assert_cmpstr (json_object_get_string_member (object, "type"), ==, type);
  g_assert_cmpint (json_object_get_int_member (object, "status"), ==, status);
  g_assert_cmpstr (json_object_get_string_member (object, "title"), !=, "");
  g_assert_cmpstr (json_object_get_string_member (object, "detail"), !=, "");
}

static void
answer_problem (SoupServerMessage *msg, gpointer data)
{
  base_http_retry_after (msg, 3);
  base_http_problem (msg, 503, "no-capacity", "%s \"%s\"\xff", "Try", "again");
}

static void
test_problem (Loopback *f, gconstpointer data)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  f->handler = answer_problem;
  g_assert_cmpuint (loopback_ask (f, "GET", "/", NULL, NULL, 0), ==, 503);
  assert_problem (f, 503, "no-capacity");
  g_assert_cmpstr (json_object_get_string_member (parse (f, parser), "detail"),
                   ==, "Try \"again\"\357\277\275");
  g_assert_cmpstr (loopback_header (f, "Retry-After"), ==, "3");
  g_assert_cmpstr (loopback_header (f, "Access-Control-Allow-Origin"), ==, "*");
}

static void
answer_json (SoupServerMessage *msg, gpointer data)
{
  base_http_json (msg, 200, json_from_string ("{\"a\":[1,2]}", NULL));
}

static void
answer_text (SoupServerMessage *msg, gpointer data)
{
  base_http_text (msg, 201, "application/sdp", "v=0\r\n");
}

static void
answer_empty (SoupServerMessage *msg, gpointer data)
{
  base_http_empty (msg, 204);
}

static void
test_replies (Loopback *f, gconstpointer data)
{
  f->handler = answer_json;
  g_assert_cmpuint (loopback_ask (f, "GET", "/", NULL, NULL, 0), ==, 200);
  g_assert_cmpstr (f->text, ==, "{\"a\":[1,2]}");
  g_assert_cmpstr (loopback_header (f, "Content-Type"), ==, "application/json");
  f->handler = answer_text;
  g_assert_cmpuint (loopback_ask (f, "POST", "/", NULL, "x", -1), ==, 201);
  g_assert_cmpstr (f->text, ==, "v=0\r\n");
  f->handler = answer_empty;
  g_assert_cmpuint (loopback_ask (f, "GET", "/", NULL, NULL, 0), ==, 204);
  g_assert_cmpstr (f->text, ==, "");
  g_assert_null (loopback_header (f, "Content-Type"));
}

static void
answer_options (SoupServerMessage *msg, gpointer data)
{
  if (base_http_is_preflight (msg))
    base_http_preflight (msg, "POST, OPTIONS", "application/sdp");
  else
    base_http_empty (msg, 299);
}

static void
test_preflight (Loopback *f, gconstpointer data)
{
  const char *asked[] = { "Origin",
                          "http://x.example",
                          "Access-Control-Request-Method",
                          "POST",
                          "Access-Control-Request-Headers",
                          "authorization,content-type",
                          NULL };
  const char *odd[] = { "Origin",
                        "http://x.example",
                        "Access-Control-Request-Method",
                        "POST",
                        "Access-Control-Request-Headers",
                        "x\"<y>",
                        NULL };

  f->handler = answer_options;
  g_assert_cmpuint (loopback_ask (f, "OPTIONS", "/", NULL, NULL, 0), ==, 299);
  g_assert_cmpuint (loopback_ask (f, "OPTIONS", "/", asked, NULL, 0), ==, 200);
  g_assert_cmpstr (f->text, ==, "");
  g_assert_cmpstr (loopback_header (f, "Allow"), ==, "POST, OPTIONS");
  g_assert_cmpstr (loopback_header (f, "Access-Control-Allow-Methods"), ==,
                   "POST, OPTIONS");
  g_assert_cmpstr (loopback_header (f, "Access-Control-Allow-Headers"), ==,
                   "authorization,content-type");
  g_assert_cmpstr (loopback_header (f, "Accept-Post"), ==, "application/sdp");
  g_assert_nonnull (loopback_header (f, "Access-Control-Max-Age"));
  g_assert_nonnull (
      strstr (loopback_header (f, "Access-Control-Expose-Headers"), "ETag"));
  loopback_ask (f, "OPTIONS", "/", odd, NULL, 0);
  g_assert_cmpstr (loopback_header (f, "Access-Control-Allow-Headers"), ==,
                   "Authorization, Content-Type, If-Match");
}

static void
answer_type (SoupServerMessage *msg, gpointer data)
{
  base_http_empty (msg,
                   base_http_has_type (msg, "application/sdp") ? 200 : 415);
}

static void
test_has_type (Loopback *f, gconstpointer data)
{
  static const struct
  {
    const char *type;
    guint status;
  } rows[] = {
    { "application/sdp", 200 },
    { "Application/SDP", 200 },
    { "application/sdp; x", 200 },
    { " application/sdp ;charset=utf-8", 200 },
    { "application/sdpx", 415 },
    { "application/json", 415 },
    { "", 415 },
    { ";application/sdp", 415 },
  };

  f->handler = answer_type;
  g_assert_cmpuint (loopback_ask (f, "POST", "/", NULL, "x", 1), ==, 415);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const char *headers[] = { "Content-Type", rows[i].type, NULL };

      g_test_message ("%s", rows[i].type);
      g_assert_cmpuint (loopback_ask (f, "POST", "/", headers, "x", 1), ==,
                        rows[i].status);
    }
}

static void
answer_body (SoupServerMessage *msg, gpointer data)
{
  g_autofree char *body = base_http_dup_body (msg, BODY_MAX_BYTES);

  if (body)
    base_http_text (msg, 200, "text/plain", body);
}

static void
test_body (Loopback *f, gconstpointer data)
{
  char text[BODY_MAX_BYTES + 2];

  f->handler = answer_body;
  memset (text, 'a', sizeof text);
  g_assert_cmpuint (loopback_ask (f, "POST", "/", NULL, text, BODY_MAX_BYTES),
                    ==, 200);
  g_assert_cmpuint (strlen (f->text), ==, BODY_MAX_BYTES);
  g_assert_cmpuint (
      loopback_ask (f, "POST", "/", NULL, text, BODY_MAX_BYTES + 1), ==, 413);
  assert_problem (f, 413, "body-too-large");
  g_assert_cmpuint (loopback_ask (f, "POST", "/", NULL, "", 0), ==, 400);
  assert_problem (f, 400, "body-empty");
  g_assert_cmpuint (loopback_ask (f, "POST", "/", NULL, "a\0b", 3), ==, 400);
  assert_problem (f, 400, "body-has-nul");
}

static void
test_random_id (void)
{
  g_autofree char *a = base_http_random_id ();
  g_autofree char *b = base_http_random_id ();

  g_assert_cmpuint (strlen (a), ==, 22); /* 128 bits, 6 a letter */
  g_assert_cmpstr (a, !=, b);
  for (const char *p = a; *p; p++)
    g_assert_true (g_ascii_isalnum (*p) || *p == '-' || *p == '_');
}

static void
answer_loopback (SoupServerMessage *msg, gpointer data)
{
  base_http_empty (msg, base_http_peer_is_loopback (msg) ? 200 : 403);
}

static void
test_peer_is_loopback (Loopback *f, gconstpointer data)
{
  static const struct
  {
    const char *name, *value;
    guint status;
  } rows[] = {
    { "X-Nothing", "x", 200 },
    { "Host", "localhost", 200 },
    { "Host", "LOCALHOST:7070", 200 },
    { "Host", "[::1]:7070", 200 },
    { "Host", "127.9.9.9", 200 },
    { "Host", "evil.example", 403 },
    { "Host", "evil.example:7070", 403 },
    { "Host", "localhost.evil.example", 403 },
    { "Host", "evil@localhost", 403 },
    { "Host", "192.168.1.2", 403 },
    { "Origin", "http://localhost:8080", 200 },
    { "Origin", "http://127.0.0.1", 200 },
    { "Origin", "https://[::1]", 200 },
    { "Origin", "http://evil.example", 403 },
    { "Origin", "http://localhost.evil.example", 403 },
    { "Origin", "http://localhost@evil.example", 403 },
    { "Origin", "null", 403 },
    { "Forwarded", "for=10.0.0.1", 403 },
    { "X-Forwarded-For", "127.0.0.1", 403 },
  };

  f->handler = answer_loopback;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const char *headers[] = { rows[i].name, rows[i].value, NULL };

      g_test_message ("%s: %s", rows[i].name, rows[i].value);
      g_assert_cmpuint (loopback_ask (f, "GET", "/", headers, NULL, 0), ==,
                        rows[i].status);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/base/http/" name, Loopback, NULL, loopback_set_up, func,       \
              loopback_tear_down)
  ADD ("problem", test_problem);
  ADD ("replies", test_replies);
  ADD ("preflight", test_preflight);
  ADD ("has-type", test_has_type);
  ADD ("body", test_body);
  ADD ("peer-is-loopback", test_peer_is_loopback);
  g_test_add_func ("/base/http/random-id", test_random_id);
  return g_test_run ();
}
