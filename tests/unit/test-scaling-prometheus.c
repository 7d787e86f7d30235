/* SPDX-License-Identifier: Apache-2.0 */
/* A Prometheus that is asked: what it says, and what is not known. */
#include "scaling/prometheus.h"

#include <string.h>

#include "base/clock.h"
#include "fake-server.h"
#include "wait.h"

#define SAMPLE(value)                                                          \
  "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":"    \
  "[{\"metric\":{},\"value\":[1700000000.1,\"" value "\"]}]}}"
#define CPU (1u << SCALING_SIGNAL_CPU)
#define DROPS (1u << SCALING_SIGNAL_DROPS)

typedef struct
{
  FakeServer server;
  ScalingPrometheus *prometheus; /* owned, nullable */
  guint64 n_results[SCALING_PROMETHEUS_N_RESULTS];
  char *query;       /* owned: the last */
  const char *reply; /* borrowed */
  ScalingPrometheusConfig config;
} Fixture;

static FakeReply
answer (FakeServer *server, SoupServerMessage *msg, const char *path,
        GHashTable *query, const char *body)
{
  Fixture *f = server->data;

  g_assert_cmpstr (path, ==, "/prom/api/v1/query");
  g_free (f->query);
  f->query = g_strdup (g_hash_table_lookup (query, "query"));
  return (FakeReply){ 200, g_strdup (f->reply) };
}

static void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  f->server.answer = answer;
  f->server.data = f;
  f->reply = SAMPLE ("42.5");
  fake_server_init (&f->server, NULL);
  f->config.url = g_strconcat (f->server.url, "/prom/", NULL);
  f->config.interval_us = 20 * G_USEC_PER_SEC;
  f->config.timeout_us = 20 * G_USEC_PER_SEC;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->prometheus, scaling_prometheus_free);
  fake_server_clear (&f->server);
  g_free ((char *)f->config.url);
  g_free (f->query);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
open_it (Fixture *f, guint signals)
{
  f->prometheus =
      scaling_prometheus_new (&f->config, "main", signals, f->n_results);
}

static ScalingReading
get (Fixture *f, ScalingSignal signal, gint64 now_us)
{
  ScalingReading all[SCALING_SIGNAL_N];

  scaling_prometheus_read (f->prometheus, now_us, all);
  return all[signal];
}

static void
test_asks (Fixture *f, gconstpointer data)
{
  gint64 now_us;
  ScalingReading reading;

  f->config.queries[SCALING_SIGNAL_CPU] = "avg(x{tree=\"$tree\"}) + y$tree";
  open_it (f, CPU);
  g_assert_false (get (f, SCALING_SIGNAL_CPU, base_clock_now_us ()).is_known);
  WAIT_FOR (f->n_results[SCALING_PROMETHEUS_OK] == 1);
  g_assert_cmpstr (f->query, ==, "avg(x{tree=\"main\"}) + ymain");
  now_us = base_clock_now_us ();
  reading = get (f, SCALING_SIGNAL_CPU, now_us);
  g_assert_true (reading.is_known);
  g_assert_cmpfloat (reading.value, ==, 42.5);
  /* nobody asked for others */
  g_assert_false (get (f, SCALING_SIGNAL_MEMORY, now_us).is_known);
  /* what is old is not known */
  now_us += 3 * f->config.interval_us;
  g_assert_false (
      get (f, SCALING_SIGNAL_CPU, now_us + G_USEC_PER_SEC).is_known);
  g_assert_cmpuint (f->server.requests->len, ==, 1);
}

static void
test_defaults (Fixture *f, gconstpointer data)
{
  static const ScalingSignal shipped[] = { SCALING_SIGNAL_CPU,
                                           SCALING_SIGNAL_MEMORY,
                                           SCALING_SIGNAL_PORTS,
                                           SCALING_SIGNAL_DROPS };

  for (guint i = 0; i < G_N_ELEMENTS (shipped); i++)
    {
      const char *query = scaling_prometheus_get_default (shipped[i]);

      g_assert_nonnull (query);
      g_assert_nonnull (strstr (query, "\"$tree\""));
    }
  /* a signal without a query is never asked for */
  open_it (f, DROPS | 1u << SCALING_SIGNAL_QUEUE);
  WAIT_FOR (f->n_results[SCALING_PROMETHEUS_OK] == 1);
  g_assert_nonnull (strstr (f->query, "tree_id=\"main\""));
  g_assert_cmpuint (f->server.requests->len, ==, 1);
}

/* each interval again; NaN ends what was known, a fault does not at once */
static void
test_again (Fixture *f, gconstpointer data)
{
  static const Fault fault = { "GET", "/prom", FAULT_STATUS, 503, NULL, NULL };

  f->config.interval_us = 10 * BASE_US_PER_MS;
  f->config.timeout_us = 20 * G_USEC_PER_SEC;
  open_it (f, CPU);
  WAIT_FOR (f->n_results[SCALING_PROMETHEUS_OK] >= 2);
  fake_server_script (&f->server, &fault, 1);
  WAIT_FOR (f->n_results[SCALING_PROMETHEUS_REFUSED] == 1);
  f->reply = SAMPLE ("NaN");
  WAIT_FOR (f->n_results[SCALING_PROMETHEUS_NOTHING] >= 1);
  g_assert_false (get (f, SCALING_SIGNAL_CPU, base_clock_now_us ()).is_known);
  f->reply = "<html>";
  WAIT_FOR (f->n_results[SCALING_PROMETHEUS_GARBAGE] >= 1);
  g_assert_false (get (f, SCALING_SIGNAL_CPU, base_clock_now_us ()).is_known);
}

/* one that hangs is asked once, and given up with us */
static void
test_hangs (Fixture *f, gconstpointer data)
{
  static const Fault hang = { "GET", "/prom", FAULT_HANG, 0, NULL, NULL };

  fake_server_script (&f->server, &hang, 1);
  f->config.interval_us = BASE_US_PER_MS;
  open_it (f, CPU);
  WAIT_FOR (f->server.n_hanging == 1);
  for (guint i = 0; i < 20; i++)
    wait_a_little ();
  g_assert_cmpuint (f->server.requests->len, ==, 1);
}

static void
test_late (Fixture *f, gconstpointer data)
{
  static const Fault hang = { "GET", "/prom", FAULT_HANG, 0, NULL, NULL };

  fake_server_script (&f->server, &hang, 1);
  f->config.timeout_us = 5 * BASE_US_PER_MS;
  open_it (f, CPU);
  WAIT_FOR (f->n_results[SCALING_PROMETHEUS_AWAY] == 1);
}

static void
test_parse (void)
{
  static const struct
  {
    const char *text;
    ScalingPrometheusResult result;
  } rows[] = {
    { SAMPLE ("1e3"), SCALING_PROMETHEUS_OK },
    { "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":"
      "[1,\"1000\"]}}",
      SCALING_PROMETHEUS_OK },
    { SAMPLE ("NaN"), SCALING_PROMETHEUS_NOTHING },
    { SAMPLE ("+Inf"), SCALING_PROMETHEUS_NOTHING },
    { "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":"
      "[]}}",
      SCALING_PROMETHEUS_NOTHING },
    { SAMPLE (""), SCALING_PROMETHEUS_GARBAGE },
    { SAMPLE ("1x"), SCALING_PROMETHEUS_GARBAGE },
    { "{\"status\":\"error\",\"data\":{\"resultType\":\"vector\",\"result\":"
      "[]}}",
      SCALING_PROMETHEUS_GARBAGE },
    { "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":"
      "[{\"value\":[1,\"1\"]},{\"value\":[1,\"2\"]}]}}",
      SCALING_PROMETHEUS_GARBAGE },
    { "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":"
      "[{\"value\":[1,2]}]}}",
      SCALING_PROMETHEUS_GARBAGE },
    { "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":"
      "[]}}",
      SCALING_PROMETHEUS_GARBAGE },
    { "[]", SCALING_PROMETHEUS_GARBAGE },
    { "", SCALING_PROMETHEUS_GARBAGE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      double value = -7;

      g_assert_cmpint (scaling_prometheus_parse (rows[i].text,
                                                 strlen (rows[i].text), &value),
                       ==, rows[i].result);
      g_assert_cmpfloat (value, ==,
                         rows[i].result == SCALING_PROMETHEUS_OK ? 1000 : -7);
    }
}

static void
test_url (void)
{
  g_assert_true (scaling_prometheus_url_is_valid ("http://prom:9090"));
  g_assert_true (scaling_prometheus_url_is_valid ("https://a:b@prom/x/"));
  g_assert_false (scaling_prometheus_url_is_valid ("prom:9090"));
  g_assert_false (scaling_prometheus_url_is_valid ("ftp://prom"));
  g_assert_false (scaling_prometheus_url_is_valid ("http://prom/?a=b"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/scaling/prometheus/" name, Fixture, NULL, set_up, func,        \
              tear_down)
  ADD ("asks", test_asks);
  ADD ("defaults", test_defaults);
  ADD ("again", test_again);
  ADD ("hangs", test_hangs);
  ADD ("late", test_late);
  g_test_add_func ("/scaling/prometheus/parse", test_parse);
  g_test_add_func ("/scaling/prometheus/url", test_url);
  return g_test_run ();
}
