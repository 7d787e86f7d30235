/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes: the group's path, what is sent, and what a gateway may answer. */
#include "scaling/export-push.h"

#include <string.h>

#include "scaling-points.h"
#include "scaling-stand-in.h"

typedef struct
{
  StandIn *server;
  ScalingExportMapping *mapping;
  ScalingExportPush *push;
  GPtrArray *points;
  guint n_done;
  GError *error;
} Fixture;

static ScalingExportPush *
make (Fixture *self, const char *url, const char *job, const char *labels,
      GError **error)
{
  ScalingExportPushConfig config = { .url = url,
                                     .job = job,
                                     .grouping_json = labels,
                                     .timeout_us = 300 * 1000,
                                     .mapping = self->mapping };

  return scaling_export_push_new (&config, error);
}

static void
setup (Fixture *self, gconstpointer unused)
{
  static const StandInAnswer ok = { 202, NULL };

  self->server = stand_in_new (&ok, 1);
  self->mapping = scaling_export_mapping_new (NULL, NULL);
  self->points = points_new ();
  points_add (self->points, "egress.viewers", "main", "egress", 7);
}

static void
teardown (Fixture *self, gconstpointer unused)
{
  g_clear_pointer (&self->push, scaling_export_push_free);
  scaling_export_mapping_free (self->mapping);
  g_ptr_array_unref (self->points);
  g_clear_error (&self->error);
  stand_in_free (self->server);
}

static void
on_done (const GError *error, gpointer data)
{
  Fixture *self = data;

  self->n_done++;
  g_clear_error (&self->error);
  self->error = error ? g_error_copy (error) : NULL;
}

static void
push (Fixture *self)
{
  ScalingExportTime now = { 0, 0 };
  guint n = self->n_done;

  scaling_export_push_target.take (self->push, self->points, &now);
  scaling_export_push_target.send (self->push, on_done, self);
  WAIT_FOR (self->n_done > n);
}

static void
test_path (Fixture *self, gconstpointer unused)
{
  static const struct
  {
    const char *job, *labels, *path;
  } rows[] = {
    { "media_tree", NULL, "/metrics/job/media_tree" },
    { "media_tree", "", "/metrics/job/media_tree" },
    { "a b", "{}", "/metrics/job/a%20b" },
    { "a/b", "{\"env\": \"prod\", \"x\": \"\"}",
      "/metrics/job@base64/YS9i/env/prod/x@base64/=" },
    { "j", "{\"l\": \"/~?>>>?~\"}", "/metrics/job/j/l@base64/L34_Pj4-P34=" },
    { "j", "{\"l\": \"\xc3\xa4\"}", "/metrics/job/j/l/%C3%A4" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (ScalingExportPush) one =
          make (self, "http://u:p@gateway:9091/x/", rows[i].job, rows[i].labels,
                NULL);

      g_assert_nonnull (one);
      g_assert_true (g_str_has_prefix (scaling_export_push_get_url (one),
                                       "http://gateway:9091/x/metrics/job"));
      g_assert_true (
          g_str_has_suffix (scaling_export_push_get_url (one), rows[i].path));
    }
}

static void
test_settings (Fixture *self, gconstpointer unused)
{
  static const struct
  {
    const char *url, *job, *labels, *says;
  } rows[] = {
    { "", "j", NULL, "METRICS_PROM_PUSHGATEWAY_URL" },
    { "gateway:9091", "j", NULL, "METRICS_PROM_PUSHGATEWAY_URL" },
    { "ftp://gateway", "j", NULL, "METRICS_PROM_PUSHGATEWAY_URL" },
    { "http://g?q", "j", NULL, "METRICS_PROM_PUSHGATEWAY_URL" },
    { "http://g", "", NULL, "METRICS_PROM_JOB_NAME" },
    { "http://g", "j", "{", "METRICS_PROM_GROUPING_LABELS_JSON: line 1" },
    { "http://g", "j", "{\"a\": 1}", "METRICS_PROM_GROUPING_LABELS_JSON" },
    { "http://g", "j", "{\"a-b\": \"\"}", "a-b" },
    { "http://g", "j", "{\"9\": \"\"}", "\"9\" is no name" },
    { "http://g", "j", "{\"__a\": \"\"}", "\"__a\" is no name" },
    { "http://g", "j", "{\"job\": \"\"}", "is taken" },
    { "http://g", "j", "{\"tree\": \"\"}", "is taken" },
  };
  g_autoptr (GString) json = g_string_new ("{");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (
          make (self, rows[i].url, rows[i].job, rows[i].labels, &error));
      g_assert_error (error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_CONFIG);
      g_assert_nonnull (strstr (error->message, rows[i].says));
    }
  for (guint n = 1; n <= SCALING_EXPORT_PUSH_MAX_LABELS + 1; n++)
    {
      g_autoptr (ScalingExportPush) one = NULL;
      g_autofree char *text = NULL;

      g_string_append_printf (json, "%s\"l%u\": \"v\"", n > 1 ? "," : "", n);
      text = g_strconcat (json->str, "}", NULL);
      one = make (self, "http://g", "j", text, NULL);
      g_assert_true ((one != NULL) == (n <= SCALING_EXPORT_PUSH_MAX_LABELS));
    }
}

static void
test_push (Fixture *self, gconstpointer unused)
{
  g_autofree char *url = g_strdup_printf (
      "http://user:pass%%20word@%s", self->server->url + strlen ("http://"));
  StandInRequest *request;
  guint n_dropped = 9;
  g_autofree char *body = NULL;

  self->push = make (self, url, "j", "{\"env\": \"a/b\"}", NULL);
  push (self);
  g_assert_no_error (self->error);
  request = self->server->requests->pdata[0];
  g_assert_cmpstr (request->method, ==, "PUT");
  g_assert_cmpstr (request->path, ==, "/metrics/job/j/env@base64/YS9i");
  g_assert_cmpstr (g_hash_table_lookup (request->headers, "authorization"), ==,
                   "Basic dXNlcjpwYXNzIHdvcmQ=");
  g_assert_cmpstr (g_hash_table_lookup (request->headers, "content-type"), ==,
                   "text/plain; version=0.0.4; charset=utf-8");
  body = g_strndup (g_bytes_get_data (request->body, NULL),
                    g_bytes_get_size (request->body));
  g_assert_nonnull (
      strstr (body, "media_tree_cluster_egress_viewers{tree=\"main\",role="
                    "\"egress\"} 7\n"));
  g_assert_cmpuint (
      scaling_export_push_target.get_n_points (self->push, &n_dropped), ==, 1);
  g_assert_cmpuint (n_dropped, ==, 0);
}

static void
test_answers (Fixture *self, gconstpointer unused)
{
  static const StandInAnswer answers[] = {
    { 400, "pushed metrics are invalid:\n\"x\"\xff" },
    { 401, NULL },
    { 429, NULL },
    { 503, NULL },
    { 0, NULL },
    { 307, NULL },
    { 200, NULL },
  };
  static const int codes[] = {
    SCALING_EXPORT_ERROR_REFUSED, SCALING_EXPORT_ERROR_CREDENTIALS,
    SCALING_EXPORT_ERROR_AWAY,    SCALING_EXPORT_ERROR_AWAY,
    SCALING_EXPORT_ERROR_AWAY,    SCALING_EXPORT_ERROR_REFUSED,
  };

  stand_in_set (self->server, answers, G_N_ELEMENTS (answers));
  self->push = make (self, self->server->url, "j", NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      push (self);
      g_assert_error (self->error, SCALING_EXPORT_ERROR, codes[i]);
      if (i == 0)
        g_assert_nonnull (strstr (self->error->message, "are invalid:\\n"));
      if (answers[i].status == 0)
        g_assert_nonnull (strstr (self->error->message, "no whole answer"));
    }
  push (self);
  g_assert_no_error (self->error);
}

static void
test_away (Fixture *self, gconstpointer unused)
{
  static const StandInAnswer hangs = { 0, NULL };

  stand_in_set (self->server, &hangs, 1);
  self->push = make (self, self->server->url, "j", NULL, NULL);
  push (self);
  g_assert_error (self->error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_AWAY);
  /* who goes while a push is under way is not called */
  scaling_export_push_target.send (self->push, on_done, self);
  WAIT_FOR (self->server->requests->len == 2);
  g_clear_pointer (&self->push, scaling_export_push_free);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (self->n_done, ==, 1);
  self->push = make (self, "http://127.0.0.1:1", "j", NULL, NULL);
  push (self);
  g_assert_error (self->error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_AWAY);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/scaling/export-push/" name, Fixture, NULL, setup, func,        \
              teardown)
  ADD ("path", test_path);
  ADD ("settings", test_settings);
  ADD ("push", test_push);
  ADD ("answers", test_answers);
  ADD ("away", test_away);
  return g_test_run ();
}
