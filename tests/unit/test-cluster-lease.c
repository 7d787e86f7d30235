/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterLease on a clock and a wire of the test's: who leads, and when not. */
#include "cluster/lease.h"

#include <string.h>

#include "base/clock.h"

#define MS BASE_US_PER_MS
#define TTL_US (CLUSTER_LEASE_TTL_MS * MS)
#define VALID_US (CLUSTER_LEASE_TTL_MS * MS / 10 * 9)
#define MINE "7:100:me:0123456789abcdef"
#define MINE_LATER "8:250:me:0123456789abcdef"
#define THEIRS "7:90:other:fedcba9876543210"

typedef enum
{
  NOTHING,
  ACQUIRE,
  RENEW,
  RESIGN,
} Question;

typedef struct
{
  ClusterLease *lease;
  BaseMetrics *metrics;
  gint64 now_us, wake_us;
  Question question; /* since it was looked at */
  gint64 config_epoch;
  char *token;      /* of a renewal, a resignation */
  gboolean is_deaf; /* questions cannot be sent */
  guint n_up, n_down;
} Fixture;

static gboolean
on_acquire (gint64 config_epoch, guint ttl_ms, gpointer data)
{
  Fixture *f = data;

  g_assert_cmpuint (ttl_ms, ==, CLUSTER_LEASE_TTL_MS);
  g_assert_cmpint (f->question, ==, NOTHING);
  if (f->is_deaf)
    return FALSE;
  f->question = ACQUIRE;
  f->config_epoch = config_epoch;
  return TRUE;
}

static gboolean
ask_with (Fixture *f, Question question, const char *token)
{
  g_assert_cmpint (f->question, ==, NOTHING);
  if (f->is_deaf)
    return FALSE;
  f->question = question;
  g_free (f->token);
  f->token = g_strdup (token);
  return TRUE;
}

static gboolean
on_renew (const char *token, guint ttl_ms, gpointer data)
{
  return ask_with (data, RENEW, token);
}

static gboolean
on_resign (const char *token, gpointer data)
{
  return ask_with (data, RESIGN, token);
}

static gint64
on_now (gpointer data)
{
  return ((Fixture *)data)->now_us;
}

static void
on_wake_at (gint64 at_us, gpointer data)
{
  ((Fixture *)data)->wake_us = at_us;
}

static void
on_changed (gboolean is_leader, gpointer data)
{
  Fixture *f = data;

  f->n_up += is_leader;
  f->n_down += !is_leader;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  ClusterLeaseConfig config = {
    .wire = { on_acquire, on_renew, on_resign, on_now, on_wake_at },
    .wire_data = f,
    .min_replicas = GPOINTER_TO_UINT (data),
    .on_changed = on_changed,
    .data = f,
  };

  memset (f, 0, sizeof *f);
  f->metrics = base_metrics_new ();
  f->now_us = 1000 * BASE_US_PER_S;
  config.metrics = f->metrics;
  f->lease = cluster_lease_new (&config);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  cluster_lease_free (f->lease);
  base_metrics_free (f->metrics);
  g_free (f->token);
}

/* --- what happens ------------------------------------------------------- */

static Question
take_question (Fixture *f)
{
  Question question = f->question;

  f->question = NOTHING;
  return question;
}

/* pass: time goes on, timer by timer */
static void
pass (Fixture *f, gint64 us)
{
  gint64 end_us = f->now_us + us;

  while (f->wake_us <= end_us)
    {
      f->now_us = MAX (f->wake_us, f->now_us);
      cluster_lease_tick (f->lease);
    }
  f->now_us = end_us;
}

static void
answer (Fixture *f, ClusterLeaseOutcome outcome, const char *token,
        guint n_replicas)
{
  ClusterLeaseAnswer said = { outcome, token, 0, n_replicas, NULL };

  cluster_lease_answer (f->lease, &said);
}

static void
answer_held_by (Fixture *f, gint64 pttl_ms, guint n_replicas)
{
  ClusterLeaseAnswer said = { CLUSTER_LEASE_HELD, THEIRS, pttl_ms, n_replicas,
                              NULL };

  cluster_lease_answer (f->lease, &said);
}

static void
answer_held (Fixture *f, gint64 pttl_ms)
{
  answer_held_by (f, pttl_ms, 1);
}

static gboolean
leads (Fixture *f)
{
  return cluster_lease_is_valid (f->lease, 0);
}

/* settle: until nobody can act on the master before; it renews meanwhile, and
 * once more at the end */
static void
settle (Fixture *f)
{
  gint64 since_us = f->now_us;

  while (!leads (f))
    {
      g_assert_cmpint (f->now_us - since_us, <, TTL_US);
      g_assert_nonnull (strstr (cluster_lease_get_why (f->lease), "waits"));
      f->now_us = f->wake_us;
      cluster_lease_tick (f->lease);
      g_assert_cmpint (take_question (f), ==, RENEW);
      answer (f, CLUSTER_LEASE_OK, NULL, 1);
    }
  g_assert_cmpint (f->now_us - since_us, ==, TTL_US);
}

static void
begin_leading (Fixture *f)
{
  cluster_lease_up (f->lease, 7);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  g_assert_cmpint (f->config_epoch, ==, 7);
  g_assert_false (leads (f));
  answer (f, CLUSTER_LEASE_OK, MINE, 1);
  settle (f);
}

static double
sample (Fixture *f, const char *line)
{
  g_autofree char *text = base_metrics_render (f->metrics);
  g_autofree char *begin = g_strconcat ("\n", line, NULL);
  const char *found = strstr (text, begin);

  g_assert_nonnull (found);
  return g_ascii_strtod (found + strlen (begin), NULL);
}

/* --- cases -------------------------------------------------------------- */

static void
test_renews (Fixture *f, gconstpointer data)
{
  begin_leading (f);
  g_assert_cmpstr (cluster_lease_get_token (f->lease), ==, MINE);
  g_assert_cmpuint (cluster_lease_get_term (f->lease), ==, 100);
  g_assert_cmpstr (cluster_lease_get_holder (f->lease), ==, "me");
  g_assert_cmpstr (cluster_lease_get_why (f->lease), ==, "");
  for (guint i = 0; i < 10; i++)
    {
      pass (f, 999 * MS);
      g_assert_cmpint (take_question (f), ==, NOTHING);
      pass (f, 1 * MS);
      g_assert_cmpint (take_question (f), ==, RENEW);
      g_assert_cmpstr (f->token, ==, MINE);
      answer (f, CLUSTER_LEASE_OK, NULL, 1);
      g_assert_true (leads (f));
    }
  g_assert_cmpuint (f->n_up, ==, 1);
  g_assert_cmpfloat (
      sample (f, "media_tree_lease_renewals_total{result=\"counted\"} "), ==,
      3 + 10);
  g_assert_cmpfloat (sample (f, "media_tree_scaling_leader "), ==, 1);
  g_assert_cmpfloat (sample (f, "media_tree_scaling_term "), ==, 100);
}

/* what counts is when the renewal was sent, not when it was answered */
static void
test_steps_down (Fixture *f, gconstpointer data)
{
  begin_leading (f);
  pass (f, 1000 * MS);
  g_assert_cmpint (take_question (f), ==, RENEW);
  pass (f, 500 * MS); /* on its way */
  answer (f, CLUSTER_LEASE_OK, NULL, 1);
  pass (f, 500 * MS);
  g_assert_cmpint (take_question (f), ==, RENEW);
  pass (f, VALID_US - 1000 * MS - 1);
  g_assert_true (leads (f));
  g_assert_false (cluster_lease_is_valid (f->lease, 1 * MS));
  g_assert_cmpuint (f->n_down, ==, 0);
  pass (f, 1);
  g_assert_false (leads (f));
  g_assert_cmpuint (f->n_down, ==, 1); /* by the timer alone */
  /* an answer that comes too late to act by */
  pass (f, VALID_US);
  answer (f, CLUSTER_LEASE_OK, NULL, 1);
  g_assert_false (leads (f));
  g_assert_cmpint (take_question (f), ==, RENEW);
  answer (f, CLUSTER_LEASE_OK, NULL, 1);
  g_assert_true (leads (f));
}

/* a machine that slept wakes up deposed, before any timer ran */
static void
test_sleeps (Fixture *f, gconstpointer data)
{
  begin_leading (f);
  f->now_us += VALID_US;
  g_assert_false (leads (f));
  g_assert_cmpuint (f->n_down, ==, 0);
  cluster_lease_tick (f->lease);
  g_assert_cmpuint (f->n_down, ==, 1);
}

/* with no replica left it is held, and not acted on */
static void
test_uncounted (Fixture *f, gconstpointer data)
{
  guint n_asked = 0;

  begin_leading (f);
  for (guint i = 0; i < 400; i++)
    {
      pass (f, 10 * MS);
      if (take_question (f) == RENEW)
        {
          n_asked++;
          answer (f, CLUSTER_LEASE_OK, NULL, 0);
        }
      g_assert_true (leads (f) == ((i + 1) * 10 * MS < VALID_US));
    }
  g_assert_cmpuint (n_asked, ==, 16); /* after 1 s, then each 0.2 s */
  g_assert_cmpstr (cluster_lease_get_token (f->lease), ==, MINE);
  g_assert_nonnull (strstr (cluster_lease_get_why (f->lease), "replica"));
  pass (f, 200 * MS);
  g_assert_cmpint (take_question (f), ==, RENEW);
  answer (f, CLUSTER_LEASE_OK, NULL, 1);
  g_assert_true (leads (f));
  g_assert_cmpuint (f->n_up, ==, 2);
  g_assert_cmpfloat (
      sample (f, "media_tree_lease_renewals_total{result=\"uncounted\"} "), ==,
      16);
}

static void
test_acquired_uncounted (Fixture *f, gconstpointer data)
{
  cluster_lease_up (f->lease, 7);
  take_question (f);
  answer (f, CLUSTER_LEASE_OK, MINE, 0);
  g_assert_false (leads (f));
  pass (f, 200 * MS);
  g_assert_cmpint (take_question (f), ==, RENEW);
  answer (f, CLUSTER_LEASE_OK, NULL, 1);
  settle (f);
}

/* a candidate sleeps exactly as long as the holder has */
static void
test_waits (Fixture *f, gconstpointer data)
{
  cluster_lease_up (f->lease, CLUSTER_LEASE_NO_EPOCH);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  g_assert_cmpint (f->config_epoch, ==, CLUSTER_LEASE_NO_EPOCH);
  answer_held (f, 2345);
  g_assert_cmpstr (cluster_lease_get_holder (f->lease), ==, "other");
  g_assert_cmpint (f->wake_us, ==, f->now_us + 2345 * MS);
  pass (f, 2344 * MS);
  g_assert_cmpint (take_question (f), ==, NOTHING);
  pass (f, 1 * MS);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  answer_held (f, G_MAXINT64); /* whatever the store says */
  pass (f, CLUSTER_LEASE_TTL_MS * MS);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  answer_held (f, -5);
  pass (f, 1 * MS);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  g_assert_cmpuint (f->n_up, ==, 0);
}

static void
test_hint (Fixture *f, gconstpointer data)
{
  cluster_lease_hint (f->lease); /* away */
  g_assert_cmpint (take_question (f), ==, NOTHING);
  cluster_lease_up (f->lease, 7);
  take_question (f);
  answer_held (f, 2000);
  cluster_lease_hint (f->lease);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  /* it was held when we asked, and free when we heard */
  cluster_lease_hint (f->lease);
  answer_held (f, 2000);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  answer (f, CLUSTER_LEASE_OK, MINE, 1);
  cluster_lease_hint (f->lease); /* our own */
  g_assert_cmpint (take_question (f), ==, NOTHING);
  settle (f);
}

static void
test_fenced (Fixture *f, gconstpointer data)
{
  begin_leading (f);
  pass (f, 1000 * MS);
  take_question (f);
  answer (f, CLUSTER_LEASE_FENCED, NULL, 1);
  g_assert_false (leads (f));
  g_assert_null (cluster_lease_get_token (f->lease));
  g_assert_cmpuint (f->n_down, ==, 1);
  g_assert_cmpint (take_question (f), ==, ACQUIRE); /* at once */
  answer_held (f, 3000);
  /* by a write that was refused */
  pass (f, 3000 * MS);
  take_question (f);
  answer (f, CLUSTER_LEASE_OK, MINE, 1);
  cluster_lease_lost (f->lease);
  g_assert_false (leads (f));
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
}

/* the connection breaks: we act until our time is over, and go on with the
 * same token; on another master, with one above it */
static void
test_reconnect (Fixture *f, gconstpointer data)
{
  begin_leading (f);
  pass (f, 1000 * MS);
  g_assert_cmpint (take_question (f), ==, RENEW);
  cluster_lease_down (f->lease, "gone");
  pass (f, 1000 * MS);
  g_assert_true (leads (f));
  g_assert_cmpint (take_question (f), ==, NOTHING);
  cluster_lease_up (f->lease, 7);
  g_assert_cmpint (take_question (f), ==, RENEW);
  answer (f, CLUSTER_LEASE_OK, NULL, 1);
  cluster_lease_down (f->lease, "gone");
  cluster_lease_up (f->lease, 8);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  g_assert_cmpint (f->config_epoch, ==, 8);
  g_assert_true (leads (f));
  answer (f, CLUSTER_LEASE_OK, MINE_LATER, 1);
  g_assert_cmpuint (cluster_lease_get_term (f->lease), ==, 250);
  pass (f, 1000 * MS);
  g_assert_cmpint (take_question (f), ==, RENEW);
  g_assert_cmpstr (f->token, ==, MINE_LATER);
  answer (f, CLUSTER_LEASE_OK, NULL, 1);
  g_assert_cmpuint (f->n_down, ==, 0);
  /* another took it there */
  cluster_lease_down (f->lease, "gone");
  cluster_lease_up (f->lease, 9);
  take_question (f);
  answer_held (f, 1000);
  g_assert_false (leads (f));
  g_assert_cmpuint (f->n_down, ==, 1);
  g_assert_null (cluster_lease_get_token (f->lease));
}

/* on another master: who comes new waits until those have stopped who counted
 * on the one before; who has seen a replica there for so long does not */
static void
test_another_master (Fixture *f, gconstpointer data)
{
  begin_leading (f);
  cluster_lease_down (f->lease, "gone");
  pass (f, TTL_US);
  g_assert_false (leads (f));
  cluster_lease_up (f->lease, 8);
  take_question (f);
  answer (f, CLUSTER_LEASE_OK, MINE_LATER, 0); /* nobody follows it yet */
  pass (f, 200 * MS);
  g_assert_cmpint (take_question (f), ==, RENEW);
  answer (f, CLUSTER_LEASE_OK, NULL, 1);
  settle (f);
  g_assert_cmpuint (cluster_lease_get_term (f->lease), ==, 250);
  /* there again, it goes on at once */
  cluster_lease_down (f->lease, "gone");
  pass (f, TTL_US);
  cluster_lease_up (f->lease, 8);
  g_assert_cmpint (take_question (f), ==, RENEW);
  answer (f, CLUSTER_LEASE_OK, NULL, 1);
  g_assert_true (leads (f));
}

static void
test_knows_of_replica (Fixture *f, gconstpointer data)
{
  cluster_lease_up (f->lease, 7);
  take_question (f);
  answer_held_by (f, 3000, 0);
  pass (f, 1000 * MS); /* asks sooner, while it knows of none */
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  answer_held (f, 3000);
  pass (f, 2999 * MS);
  g_assert_cmpint (take_question (f), ==, NOTHING);
  pass (f, 1 * MS);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  answer (f, CLUSTER_LEASE_OK, MINE, 1);
  g_assert_true (leads (f));
}

static void
test_stale (Fixture *f, gconstpointer data)
{
  cluster_lease_up (f->lease, 3);
  take_question (f);
  answer (f, CLUSTER_LEASE_STALE, NULL, 0);
  pass (f, CLUSTER_LEASE_REFUSED_MS * MS - 1);
  g_assert_cmpint (take_question (f), ==, NOTHING);
  pass (f, 1);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
}

/* nonsense is no lease; what cannot be sent is sent later */
static void
test_bad (Fixture *f, gconstpointer data)
{
  static const char *const bad[] = {
    NULL,        "",           "x",
    "1:2:me",    "1:2:me:",    "-1:2:me:n",
    "1:2:m e:n", "1:2:me:n:x", "1:999999999999999999:me:n"
  };

  cluster_lease_up (f->lease, 7);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_cmpint (take_question (f), ==, ACQUIRE);
      answer (f, CLUSTER_LEASE_OK, bad[i], 1);
      g_assert_false (leads (f));
      pass (f, 1000 * MS);
    }
  take_question (f);
  answer (f, CLUSTER_LEASE_FAILED, NULL, 0);
  f->is_deaf = TRUE;
  pass (f, 5000 * MS);
  f->is_deaf = FALSE;
  pass (f, 200 * MS);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
}

static void
test_resign (Fixture *f, gconstpointer data)
{
  begin_leading (f);
  cluster_lease_resign (f->lease);
  g_assert_false (leads (f)); /* before it is sent */
  g_assert_cmpuint (f->n_down, ==, 1);
  g_assert_cmpint (take_question (f), ==, RESIGN);
  g_assert_cmpstr (f->token, ==, MINE);
  g_assert_false (cluster_lease_is_resigned (f->lease));
  answer (f, CLUSTER_LEASE_OK, NULL, 0);
  g_assert_true (cluster_lease_is_resigned (f->lease));
  cluster_lease_hint (f->lease);
  pass (f, 10000 * MS);
  g_assert_cmpint (take_question (f), ==, NOTHING);
}

/* while something else is on its way: that may bring a token */
static void
test_resign_later (Fixture *f, gconstpointer data)
{
  cluster_lease_up (f->lease, 7);
  g_assert_cmpint (take_question (f), ==, ACQUIRE);
  cluster_lease_resign (f->lease);
  g_assert_cmpint (take_question (f), ==, NOTHING);
  answer (f, CLUSTER_LEASE_OK, MINE, 1);
  g_assert_false (leads (f));
  g_assert_cmpint (take_question (f), ==, RESIGN);
  g_assert_cmpstr (f->token, ==, MINE);
  cluster_lease_down (f->lease, "gone");
  g_assert_true (cluster_lease_is_resigned (f->lease));
}

static void
test_resign_idle (Fixture *f, gconstpointer data)
{
  if (GPOINTER_TO_UINT (data))
    {
      cluster_lease_up (f->lease, 7);
      take_question (f);
      answer_held (f, 2000);
    }
  cluster_lease_resign (f->lease);
  g_assert_true (cluster_lease_is_resigned (f->lease));
  g_assert_cmpint (take_question (f), ==, NOTHING);
}

/* without sentinels no replica is asked for */
static void
test_alone (Fixture *f, gconstpointer data)
{
  cluster_lease_up (f->lease, CLUSTER_LEASE_NO_EPOCH);
  take_question (f);
  answer (f, CLUSTER_LEASE_OK, MINE, 0);
  g_assert_true (leads (f));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, k, func)                                                     \
  g_test_add ("/cluster/lease/" name, Fixture, GUINT_TO_POINTER (k), set_up,   \
              func, tear_down)
  ADD ("renews", 1, test_renews);
  ADD ("steps-down", 1, test_steps_down);
  ADD ("sleeps", 1, test_sleeps);
  ADD ("uncounted", 1, test_uncounted);
  ADD ("acquired-uncounted", 1, test_acquired_uncounted);
  ADD ("waits", 1, test_waits);
  ADD ("hint", 1, test_hint);
  ADD ("fenced", 1, test_fenced);
  ADD ("reconnect", 1, test_reconnect);
  ADD ("another-master", 1, test_another_master);
  ADD ("knows-of-replica", 1, test_knows_of_replica);
  ADD ("stale", 1, test_stale);
  ADD ("bad", 1, test_bad);
  ADD ("resign", 1, test_resign);
  ADD ("resign-later", 1, test_resign_later);
  ADD ("resign-idle", 1, test_resign_idle);
  ADD ("resign-away", 0, test_resign_idle);
  ADD ("alone", 0, test_alone);
  return g_test_run ();
}
