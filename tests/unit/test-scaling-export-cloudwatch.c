/* SPDX-License-Identifier: Apache-2.0 */
/* CloudWatch: counters as what came since, whatever fails between; gauges and
 * distributions once each; keys that end; the state file. What the signature is
 * worth, tests/e2e/test_export.py knows. */
#include "scaling/export-cloudwatch.h"

#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "scaling-points.h"
#include "scaling-stand-in.h"

typedef struct
{
  StandIn *server;
  ScalingExportMapping *mapping;
  ScalingExportCloudwatch *export;
  char *directory, *state_path;
  gint64 now_us;
  guint n_done;
  GError *error;
} Fixture;

static const StandInAnswer ok = { 200, "<PutMetricDataResponse/>" };

static ScalingExportCloudwatch *
make (Fixture *self, const char *state_path, const char *region, GError **error)
{
  const char *env[] = { "AWS_ACCESS_KEY_ID=AK", "AWS_SECRET_ACCESS_KEY=SK",
                        "AWS_SESSION_TOKEN=TOKEN", NULL, NULL };
  g_autofree char *url =
      g_strconcat ("AWS_ENDPOINT_URL=", self->server->url, NULL);
  ScalingExportCloudwatchConfig config = { .namespace = "MediaTree",
                                           .region = region,
                                           .state_path = state_path,
                                           .timeout_us = 300 * 1000,
                                           .env = (char **)env,
                                           .mapping = self->mapping };

  env[3] = url;
  return scaling_export_cloudwatch_new (&config, error);
}

static void
setup (Fixture *self, gconstpointer unused)
{
  self->server = stand_in_new (&ok, 1);
  self->mapping = scaling_export_mapping_new (NULL, NULL);
  self->export = make (self, NULL, "eu-west-1", NULL);
  self->directory = g_dir_make_tmp ("media-tree-XXXXXX", NULL);
  self->state_path = g_build_filename (self->directory, "state", NULL);
}

static void
teardown (Fixture *self, gconstpointer unused)
{
  g_clear_pointer (&self->export, scaling_export_cloudwatch_free);
  scaling_export_mapping_free (self->mapping);
  stand_in_free (self->server);
  unlink (self->state_path);
  rmdir (self->directory);
  g_free (self->directory);
  g_free (self->state_path);
  g_clear_error (&self->error);
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
send_points (Fixture *self, GPtrArray *points)
{
  ScalingExportTime now = { self->now_us, 0 };
  guint n = self->n_done;

  scaling_export_cloudwatch_target.take (self->export, points, &now);
  scaling_export_cloudwatch_target.send (self->export, on_done, self);
  WAIT_FOR (self->n_done > n);
}

/* send_one: one point; a round */
static void
send_one (Fixture *self, const char *key, double value)
{
  g_autoptr (GPtrArray) points = points_new ();

  points_add (points, key, "main", NULL, value);
  send_points (self, points);
}

/* dup_value: (transfer full) (nullable): @name of request @i */
static char *
dup_value (Fixture *self, guint i, const char *name)
{
  StandInRequest *request = self->server->requests->pdata[i];
  g_autofree char *text = g_strndup (g_bytes_get_data (request->body, NULL),
                                     g_bytes_get_size (request->body));
  g_autoptr (GHashTable) form = soup_form_decode (text);

  return g_strdup (g_hash_table_lookup (form, name));
}

static void
assert_value (Fixture *self, guint i, const char *value)
{
  g_autofree char *there = dup_value (self, i, "MetricData.member.1.Value");

  g_assert_cmpstr (there, ==, value);
}

static void
test_counter (Fixture *self, gconstpointer unused)
{
  static const StandInAnswer answers[] = {
    { 200, NULL }, { 500, NULL }, { 400, "<E><Code>Throttling</Code></E>" },
    { 0, NULL },   { 200, NULL }, { 400, "<E><Code>Refused</Code></E>" },
    { 200, NULL },
  };
  static const int codes[] = { -1,
                               SCALING_EXPORT_ERROR_AWAY,
                               SCALING_EXPORT_ERROR_AWAY,
                               SCALING_EXPORT_ERROR_AWAY,
                               -1,
                               SCALING_EXPORT_ERROR_REFUSED,
                               -1 };
  static const char *const values[] = { "5",    "7",     "17",    "117",
                                        "1117", "10000", "110000" };
  double total = 1000;

  /* what was there at first is not ours to tell */
  stand_in_set (self->server, answers, G_N_ELEMENTS (answers));
  send_one (self, "egress.joins_total", total);
  g_assert_no_error (self->error);
  g_assert_cmpuint (self->server->requests->len, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      static const double more[] = { 5, 7, 10, 100, 1000, 10000, 100000 };

      total += more[i];
      send_one (self, "egress.joins_total", total);
      assert_value (self, i, values[i]);
      if (codes[i] < 0)
        g_assert_no_error (self->error);
      else
        g_assert_error (self->error, SCALING_EXPORT_ERROR, codes[i]);
    }
  /* nothing new: no call */
  send_one (self, "egress.joins_total", total);
  g_assert_cmpuint (self->server->requests->len, ==, G_N_ELEMENTS (codes));
}

/* what is seen for the first time later began at 0; before anything is seen
 * there is no "later" */
static void
test_new_counter (Fixture *self, gconstpointer unused)
{
  g_autoptr (GPtrArray) none = points_new ();

  send_points (self, none);
  send_one (self, "egress.joins_total", 1000);
  g_assert_cmpuint (self->server->requests->len, ==, 0);
  send_one (self, "egress.leaves_total", 3);
  g_assert_cmpuint (self->server->requests->len, ==, 1);
  assert_value (self, 0, "3");
}

static void
test_gauge (Fixture *self, gconstpointer unused)
{
  g_autoptr (GPtrArray) points = points_new ();
  ScalingPoint *point = points_add (points, "egress.viewers", "main", NULL, 0);
  g_autofree char *when = NULL;

  send_points (self, points);
  assert_value (self, 0, "0");
  send_points (self, points); /* the same report: said already */
  g_assert_cmpuint (self->server->requests->len, ==, 1);
  point->at_wall_us += G_USEC_PER_SEC;
  send_points (self, points);
  g_assert_cmpuint (self->server->requests->len, ==, 2);
  when = dup_value (self, 1, "MetricData.member.1.Timestamp");
  g_assert_cmpstr (when, ==, "2023-11-14T22:13:21Z");
}

static void
test_distribution (Fixture *self, gconstpointer unused)
{
  g_autoptr (GPtrArray) points = points_new ();
  ScalingPoint *point =
      points_add (points, "egress.join_seconds", "main", NULL, 0);
  g_autofree char *count = NULL, *value = NULL, *unit = NULL;

  send_points (self, points); /* empty */
  g_assert_cmpuint (self->server->requests->len, ==, 0);
  for (guint i = 0; i < 3; i++)
    base_sketch_add (point->sketch, 2000000);
  send_points (self, points);
  g_assert_cmpuint (self->server->requests->len, ==, 1);
  count = dup_value (self, 0, "MetricData.member.1.Counts.member.1");
  value = dup_value (self, 0, "MetricData.member.1.Values.member.1");
  unit = dup_value (self, 0, "MetricData.member.1.Unit");
  g_assert_cmpstr (count, ==, "3");
  g_assert_cmpstr (value, ==, "2");
  g_assert_cmpstr (unit, ==, "Seconds");
  /* of a minute: once a minute */
  self->now_us += 30 * G_USEC_PER_SEC;
  send_points (self, points);
  g_assert_cmpuint (self->server->requests->len, ==, 1);
  self->now_us += 30 * G_USEC_PER_SEC;
  send_points (self, points);
  g_assert_cmpuint (self->server->requests->len, ==, 2);
}

static void
test_request (Fixture *self, gconstpointer unused)
{
  g_autoptr (GPtrArray) points = points_new ();
  const char *authorization;

  send_one (self, "egress.viewers", 1);
  authorization = stand_in_get_header (self->server, 0, "authorization");
  g_assert_true (
      g_str_has_prefix (authorization, "AWS4-HMAC-SHA256 Credential=AK/"));
  g_assert_nonnull (strstr (authorization, "/eu-west-1/monitoring/"));
  g_assert_cmpstr (
      stand_in_get_header (self->server, 0, "x-amz-security-token"), ==,
      "TOKEN");
  g_assert_null (stand_in_get_header (self->server, 0, "content-encoding"));
  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *tree = g_strdup_printf ("tree-%u", i);

      points_add (points, "egress.viewers", tree, "egress", i);
    }
  send_points (self, points);
  g_assert_no_error (self->error);
  g_assert_cmpstr (stand_in_get_header (self->server, 1, "content-encoding"),
                   ==, "gzip");
}

/* a call of several that fails: what was accepted is not said again */
static void
test_calls (Fixture *self, gconstpointer unused)
{
  static const StandInAnswer answers[] = { { 200, NULL },
                                           { 500, NULL },
                                           { 200, NULL } };
  g_autoptr (GPtrArray) first = points_new (), points = points_new ();
  gsize n_bytes;

  points_add (first, "egress.joins_total", "first", NULL, 0);
  send_points (self, first);
  for (guint i = 0; i < 1500; i++)
    {
      g_autofree char *tree = g_strdup_printf ("tree-%u", i);

      points_add (points, "egress.joins_total", tree, NULL, i + 1);
    }
  stand_in_set (self->server, answers, G_N_ELEMENTS (answers));
  send_points (self, points);
  g_assert_error (self->error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_AWAY);
  g_assert_cmpuint (self->server->requests->len, ==, 2);
  send_points (self, points);
  g_assert_no_error (self->error);
  g_assert_cmpuint (self->server->requests->len, ==, 3);
  n_bytes = g_bytes_get_size (
      ((StandInRequest *)self->server->requests->pdata[2])->body);
  g_assert_cmpuint (
      n_bytes, ==,
      g_bytes_get_size (
          ((StandInRequest *)self->server->requests->pdata[1])->body));
}

/* at the bound of series: those beyond are dropped and counted */
static void
test_series (Fixture *self, gconstpointer unused)
{
  g_autoptr (GPtrArray) points = points_new ();
  ScalingExportTime now = { 0, 0 };
  guint n_dropped;

  for (guint i = 0; i < SCALING_EXPORT_CLOUDWATCH_MAX_SERIES + 2; i++)
    {
      g_autofree char *tree = g_strdup_printf ("tree-%u", i);

      points_add (points, "egress.viewers", tree, NULL, i);
    }
  ((ScalingPoint *)points->pdata[0])->value = G_MAXDOUBLE;
  scaling_export_cloudwatch_target.take (self->export, points, &now);
  g_assert_cmpuint (
      scaling_export_cloudwatch_target.get_n_points (self->export, &n_dropped),
      ==, SCALING_EXPORT_CLOUDWATCH_MAX_SERIES);
  g_assert_cmpuint (n_dropped, ==, 2);
}

/* keys that have ended: others are asked for at once, and only once */
static void
test_expired (Fixture *self, gconstpointer unused)
{
  static const StandInAnswer once[] = {
    { 403, "<E><Code>ExpiredToken</Code></E>" }, { 200, NULL }
  };
  static const StandInAnswer always[] = {
    { 403, "<E><Code>ExpiredToken</Code><Message>old</Message></E>" }
  };

  stand_in_set (self->server, once, G_N_ELEMENTS (once));
  send_one (self, "egress.viewers", 1);
  g_assert_no_error (self->error);
  g_assert_cmpuint (self->server->requests->len, ==, 2);
  stand_in_set (self->server, always, G_N_ELEMENTS (always));
  send_one (self, "egress.slots", 1);
  g_assert_error (self->error, SCALING_EXPORT_ERROR,
                  SCALING_EXPORT_ERROR_CREDENTIALS);
  g_assert_nonnull (strstr (self->error->message, "ExpiredToken: old"));
  g_assert_cmpuint (self->server->requests->len, ==, 2);
}

static void
restart (Fixture *self)
{
  g_clear_pointer (&self->export, scaling_export_cloudwatch_free);
  self->export = make (self, self->state_path, "eu-west-1", NULL);
  g_assert_nonnull (self->export);
}

static void
test_state (Fixture *self, gconstpointer unused)
{
  restart (self);
  send_one (self, "egress.joins_total", 100);
  send_one (self, "egress.joins_total", 110);
  g_assert_cmpuint (self->server->requests->len, ==, 1);
  assert_value (self, 0, "10");
  restart (self); /* what came while it was not there */
  send_one (self, "egress.joins_total", 150);
  g_assert_cmpuint (self->server->requests->len, ==, 2);
  assert_value (self, 1, "40");
  restart (self); /* nodes have gone meanwhile: their sums are smaller */
  send_one (self, "egress.joins_total", 50);
  g_assert_cmpuint (self->server->requests->len, ==, 2);
  send_one (self, "egress.joins_total", 53);
  assert_value (self, 2, "3");
  g_assert_true (
      g_file_set_contents (self->state_path, "{\"a\": [1]", -1, NULL));
  restart (self);
  send_one (self, "egress.joins_total", 60);
  g_assert_cmpuint (self->server->requests->len, ==, 3);
  g_assert_true (g_file_set_contents (
      self->state_path, "{\"a\": [1], \"b\": -1, \"c\": \"x\", \"d\": null}",
      -1, NULL));
  restart (self);
}

static void
test_settings (Fixture *self, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (make (self, NULL, NULL, &error));
  g_assert_error (error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "METRICS_CLOUDWATCH_REGION"));
  g_clear_error (&error);
  g_assert_null (make (self, NULL, "eu/west", &error));
  g_assert_nonnull (strstr (error->message, "METRICS_CLOUDWATCH_REGION"));
}

/* who goes while a call is under way is not called */
static void
test_end (Fixture *self, gconstpointer unused)
{
  static const StandInAnswer hangs = { 0, NULL };
  g_autoptr (GPtrArray) points = points_new ();
  ScalingExportTime now = { 0, 0 };

  stand_in_set (self->server, &hangs, 1);
  points_add (points, "egress.viewers", "main", NULL, 1);
  scaling_export_cloudwatch_target.take (self->export, points, &now);
  scaling_export_cloudwatch_target.send (self->export, on_done, self);
  WAIT_FOR (self->server->requests->len == 1);
  g_clear_pointer (&self->export, scaling_export_cloudwatch_free);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (self->n_done, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/scaling/export-cloudwatch/" name, Fixture, NULL, setup, func,  \
              teardown)
  ADD ("counter", test_counter);
  ADD ("new-counter", test_new_counter);
  ADD ("gauge", test_gauge);
  ADD ("distribution", test_distribution);
  ADD ("request", test_request);
  ADD ("calls", test_calls);
  ADD ("series", test_series);
  ADD ("expired", test_expired);
  ADD ("state", test_state);
  ADD ("settings", test_settings);
  ADD ("end", test_end);
  return g_test_run ();
}
