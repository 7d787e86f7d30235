/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes asked over HTTP: good ones, and all that a peer may do instead. */
#include "scaling/proxy.h"

#include <libsoup/soup.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "cluster/encode.h"
#include "wait.h"

#define BOOT "0123456789abcdef0123456789abcdef"

typedef struct
{
  SoupServer *server;
  char *base; /* http://127.0.0.1:port */
  BaseMetrics *metrics;
  ScalingProxy *proxy;
  guint n_reports;
  char *node_id;
  guint n_viewers;
  guint n_asked;      /* requests that came */
  char *header;       /* of the last one */
  gboolean is_broken; /* /flaky answers garbage */
} Fixture;

static char *
make_reply (const char *node_id, guint n_viewers)
{
  ClusterLoad load = { .n_viewers = n_viewers };
  g_autofree char *text = cluster_load_to_json (&load, BOOT);

  return g_strdup_printf ("{\"node\":{\"node_id\":\"%s\",\"tree_id\":\"main\","
                          "\"roles\":[\"relay\",\"egress\"]},\"load\":%s,"
                          "\"windows\":{}}",
                          node_id, text);
}

static void
answer (SoupServerMessage *msg, guint status, char *text)
{
  soup_server_message_set_status (msg, status, NULL);
  soup_server_message_set_response (msg, "application/json", SOUP_MEMORY_TAKE,
                                    text, strlen (text));
}

/* more: what was written is followed by as much */
static void
more (SoupServerMessage *msg, gpointer data)
{
  static char bytes[16384];

  memset (bytes, '[', sizeof bytes);
  soup_message_body_append (soup_server_message_get_response_body (msg),
                            SOUP_MEMORY_STATIC, bytes, sizeof bytes);
  soup_server_message_unpause (msg);
}

/* begin: a body without an end; @goes_on: more of it comes, else nothing */
static void
begin (SoupServerMessage *msg, guint status, gboolean goes_on)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (msg);
  SoupMessageBody *body = soup_server_message_get_response_body (msg);

  soup_server_message_set_status (msg, status, NULL);
  soup_message_headers_set_encoding (headers, SOUP_ENCODING_CHUNKED);
  soup_message_body_set_accumulate (body, FALSE);
  soup_message_body_append (body, SOUP_MEMORY_STATIC, "{\"node\":", 8);
  if (goes_on)
    g_signal_connect (msg, "wrote-chunk", G_CALLBACK (more), NULL);
}

static void
on_request (SoupServer *server, SoupServerMessage *msg, const char *path,
            GHashTable *query, gpointer data)
{
  Fixture *f = data;

  f->n_asked++;
  g_free (f->header);
  f->header = g_strdup (soup_message_headers_get_one (
      soup_server_message_get_request_headers (msg), "X-Key"));
  if (g_str_has_prefix (path, "/good/")
      || strcmp (path, "/monitoring/system") == 0)
    answer (msg, 200, make_reply ("good", 30));
  else if (g_str_has_prefix (path, "/flaky/"))
    answer (msg, 200, f->is_broken ? g_strdup ("{}") : make_reply ("flaky", 7));
  else if (g_str_has_prefix (path, "/silent/"))
    soup_server_message_pause (msg);
  else if (g_str_has_prefix (path, "/half/"))
    begin (msg, 200, FALSE);
  else if (g_str_has_prefix (path, "/endless/"))
    begin (msg, 200, TRUE);
  else if (g_str_has_prefix (path, "/refused-endless/"))
    begin (msg, 401, TRUE);
  else if (g_str_has_prefix (path, "/moved/"))
    {
      answer (msg, 302, g_strdup (""));
      soup_message_headers_append (
          soup_server_message_get_response_headers (msg), "Location",
          "/good/monitoring/system");
    }
  else if (g_str_has_prefix (path, "/garbage/"))
    answer (msg, 200, g_strdup ("\xff\xfe rubbish"));
  else if (g_str_has_prefix (path, "/bad-load/"))
    answer (msg, 200,
            g_strdup ("{\"node\":{\"node_id\":\"x\",\"tree_id\":\"main\","
                      "\"roles\":[\"egress\"]},\"load\":{\"boot\":\"" BOOT
                      "\"}}"));
  else
    soup_server_message_set_status (msg, 404, NULL);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  GSList *uris;

  f->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (f->server, NULL, on_request, f, NULL);
  soup_server_listen_local (f->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (f->server);
  f->base =
      g_strdup_printf ("http://127.0.0.1:%d", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify)g_uri_unref);
  f->metrics = base_metrics_new ();
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->proxy, scaling_proxy_free);
  soup_server_disconnect (f->server);
  g_object_unref (f->server);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  base_metrics_free (f->metrics);
  g_free (f->base);
  g_free (f->header);
  g_free (f->node_id);
}

static void
on_report (const ClusterNode *node, const ClusterLoad *load, gpointer data)
{
  Fixture *f = data;

  f->n_reports++;
  g_free (f->node_id);
  f->node_id = g_strdup (node->node_id);
  f->n_viewers = load->n_viewers;
  g_assert_cmpuint (node->roles, ==, CLUSTER_ROLE_RELAY | CLUSTER_ROLE_EGRESS);
}

/* start: @paths: NULL-terminated, after the server's address */
static void
start_at (Fixture *f, const char *const *paths, gint64 timeout_us,
          gint64 interval_us)
{
  g_autoptr (GPtrArray) urls = g_ptr_array_new_with_free_func (g_free);
  ScalingProxyConfig config = { .header_name = "X-Key",
                                .header_value = "open",
                                .interval_us = interval_us,
                                .timeout_us = timeout_us,
                                .metrics = f->metrics,
                                .on_report = on_report,
                                .data = f };

  for (; *paths; paths++)
    g_ptr_array_add (urls, strstr (*paths, "://")
                               ? g_strdup (*paths)
                               : g_strconcat (f->base, *paths, NULL));
  g_ptr_array_add (urls, NULL);
  config.urls[1] = (const char *const *)urls->pdata;
  f->proxy = scaling_proxy_new (&config);
}

static void
start (Fixture *f, const char *const *paths, gint64 timeout_us)
{
  start_at (f, paths, timeout_us, 50 * BASE_US_PER_MS);
}

static gint64
count (Fixture *f, const char *result)
{
  g_autofree char *label = base_metrics_label ("result", result);

  return base_counter_get (base_metrics_add_counter (
      f->metrics, "media_tree_metrics_polls_total", label, NULL));
}

/* get_row: (transfer full): the @i-th target, described */
static JsonObject *
get_row (Fixture *f, guint i)
{
  g_autoptr (JsonNode) node =
      scaling_proxy_describe (f->proxy, base_clock_now_us ());

  return json_object_ref (
      json_array_get_object_element (json_node_get_array (node), i));
}

static void
test_good (Fixture *f, gconstpointer data)
{
  static const char *const paths[] = { "", "/good", "/good/", NULL };
  g_autoptr (JsonObject) row = NULL;

  start (f, paths, BASE_US_PER_S);
  row = get_row (f, 0);
  g_assert_true (json_object_get_null_member (row, "result")); /* not yet */
  WAIT_FOR (f->n_reports >= 9);
  g_assert_cmpstr (f->header, ==, "open");
  g_assert_cmpstr (f->node_id, ==, "good");
  g_assert_cmpuint (f->n_viewers, ==, 30);
  g_assert_cmpuint (scaling_proxy_get_n_well (f->proxy), ==, 3);
  g_assert_cmpint (count (f, "ok"), >=, 9);
}

/* count_ours: connections to the server; its own ends libsoup leaves open */
static guint
count_ours (Fixture *f)
{
  guint port = (guint)atoi (strrchr (f->base, ':') + 1);
  guint n = 0;

  for (int fd = 0; fd < 1024; fd++)
    {
      struct sockaddr_in peer;
      socklen_t len = sizeof peer;

      n += getpeername (fd, (struct sockaddr *)&peer, &len) == 0
           && ntohs (peer.sin_port) == port;
    }
  return n;
}

/* Each in its way; the good one beside them is asked all the same, and main
 * does not stand still: with those who never end it would for ever. */
static void
test_bad (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *path, *result, *error;
  } rows[] = {
    { "/good", "ok", NULL },
    { "/silent", "timeout", "no whole answer" },
    { "/half", "timeout", "no whole answer" },
    { "/endless", "too-large", "does not end" },
    { "/refused-endless", "status", "401" },
    { "/moved", "status", "302" },
    { "/missing", "status", "404" },
    { "/garbage", "garbage", "UTF-8" },
    { "/bad-load", "garbage", "no heartbeat" },
    { "http://127.0.0.1:1", "connect", "" },
  };
  const char *paths[G_N_ELEMENTS (rows) + 1] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    paths[i] = rows[i].path;
  start (f, paths, 300 * BASE_US_PER_MS);
  WAIT_FOR (count (f, "timeout") >= 4 && count (f, "too-large") >= 2
            && f->n_reports >= 4);
  WAIT_FOR (count (f, "timeout") >= 8 && count (f, "too-large") >= 8
            && count (f, "status") >= 24);
  g_assert_cmpuint (count_ours (f), <=, G_N_ELEMENTS (rows));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (JsonObject) row = get_row (f, i);
      const char *result = json_object_get_string_member (row, "result");

      g_test_message ("%s: %s", rows[i].path, result);
      g_assert_cmpstr (result, ==, rows[i].result);
      if (rows[i].error)
        g_assert_nonnull (strstr (json_object_get_string_member (row, "error"),
                                  rows[i].error));
    }
  g_assert_cmpstr (f->node_id, ==, "good");
  g_assert_cmpuint (scaling_proxy_get_n_well (f->proxy), ==, 1);
}

/* A node that was well and is not: what it said stays, with its age. */
static void
test_flaky (Fixture *f, gconstpointer data)
{
  static const char *const paths[] = { "/flaky", NULL };
  g_autoptr (JsonObject) row = NULL;
  guint n_reports;

  start (f, paths, BASE_US_PER_S);
  WAIT_FOR (f->n_reports > 0);
  f->is_broken = TRUE;
  WAIT_FOR (count (f, "garbage") >= 2);
  n_reports = f->n_reports;
  row = get_row (f, 0);
  g_assert_cmpstr (json_object_get_string_member (row, "node"), ==, "flaky");
  g_assert_cmpstr (json_object_get_string_member (row, "result"), ==,
                   "garbage");
  g_assert_cmpfloat (json_object_get_double_member (row, "age_s"), >, 0);
  g_assert_cmpuint (scaling_proxy_get_n_well (f->proxy), ==, 0);
  f->is_broken = FALSE;
  WAIT_FOR (f->n_reports > n_reports);
  g_assert_cmpuint (scaling_proxy_get_n_well (f->proxy), ==, 1);
}

/* Each is asked once at a time, and freed in the middle of everything. */
static void
test_end (Fixture *f, gconstpointer data)
{
  static const char *const paths[] = { "/silent", "/half", "/endless", "/good",
                                       NULL };

  start (f, paths, 10 * BASE_US_PER_S);
  WAIT_FOR (count (f, "too-large") >= 2);
  WAIT_FOR (f->n_reports >= 5);
  g_assert_cmpint (count (f, "timeout"), ==, 0);
  g_clear_pointer (&f->proxy, scaling_proxy_free);
  f->n_reports = 0;
  f->n_asked = 0;
  WAIT_FOR (!g_main_context_pending (NULL));
  g_assert_cmpuint (f->n_reports, ==, 0);
}

static void
test_bound (Fixture *f, gconstpointer data)
{
  const char *paths[SCALING_PROXY_MAX_TARGETS + 2] = { NULL };
  g_autoptr (JsonNode) node = NULL;

  for (guint i = 0; i <= SCALING_PROXY_MAX_TARGETS; i++)
    paths[i] = "/good";
  start_at (f, paths, 60 * BASE_US_PER_S, 60 * BASE_US_PER_S);
  node = scaling_proxy_describe (f->proxy, 0);
  g_assert_cmpuint (json_array_get_length (json_node_get_array (node)), ==,
                    SCALING_PROXY_MAX_TARGETS);
  WAIT_FOR (scaling_proxy_get_n_well (f->proxy) == SCALING_PROXY_MAX_TARGETS);
}

static void
test_urls (void)
{
  static const char *const good[] = { "http://a", "https://a:7070/x/",
                                      "http://[::1]:7070" };
  static const char *const bad[] = {
    "",           "a",          "ftp://a",       "http://", "http://u:p@a",
    "http://a?b", "http://a#b", "http://a:99999"
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (scaling_proxy_url_is_valid (good[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (scaling_proxy_url_is_valid (bad[i]));
}

#define ADD(name, func)                                                        \
  g_test_add ("/scaling/proxy/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/proxy/urls", test_urls);
  ADD ("good", test_good);
  ADD ("bad", test_bad);
  ADD ("flaky", test_flaky);
  ADD ("end", test_end);
  ADD ("bound", test_bound);
  return g_test_run ();
}
