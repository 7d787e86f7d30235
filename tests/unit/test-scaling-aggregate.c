/* SPDX-License-Identifier: Apache-2.0 */
/* What the metrics role makes of what all nodes say: totals, percentiles from
 * buckets, silence, restarts, and the bounds. */
#include "scaling/aggregate.h"

#include <math.h>
#include <string.h>

#define SECOND G_GINT64_CONSTANT (1000000)
#define BOOT_A "0123456789abcdef0123456789abcdef"
#define BOOT_B "fedcba9876543210fedcba9876543210"
#define N_NODES 100
#define N_VALUES 1000 /* of each */

typedef struct
{
  ScalingAggregate *aggregate;
  gint64 now_us;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  ScalingAggregateConfig config = { .stale_us = 5 * SECOND,
                                    .gone_us = 60 * SECOND,
                                    .project = data };

  f->aggregate = scaling_aggregate_new (&config);
  f->now_us = 1000 * SECOND;
  scaling_aggregate_tick (f->aggregate, f->now_us, TRUE);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  scaling_aggregate_free (f->aggregate);
}

static gboolean
put (Fixture *f, const char *tree, const char *id, const char *boot,
     ClusterRoles roles, const ClusterLoad *load)
{
  ClusterNode node = { .node_id = (char *)id,
                       .boot_id = (char *)boot,
                       .tree_id = (char *)tree,
                       .roles = roles };

  return scaling_aggregate_put (f->aggregate, &node, load, f->now_us,
                                f->now_us + 7);
}

static void
pass (Fixture *f, guint n_seconds, gboolean is_source_well)
{
  for (guint i = 0; i < n_seconds; i++)
    {
      f->now_us += SECOND;
      scaling_aggregate_tick (f->aggregate, f->now_us, is_source_well);
    }
}

/* find: (transfer none) (nullable): in @points */
static ScalingPoint *
find (GPtrArray *points, const char *key, const char *tree, const char *role)
{
  for (guint i = 0; i < points->len; i++)
    {
      ScalingPoint *point = points->pdata[i];

      if (strcmp (point->key->key, key) == 0
          && g_strcmp0 (scaling_point_get_label (point, "tree"), tree) == 0
          && g_strcmp0 (scaling_point_get_label (point, "role"), role) == 0)
        return point;
    }
  return NULL;
}

/* value: of a point that must be there */
static double
value (Fixture *f, const char *key, const char *tree, const char *role)
{
  g_autoptr (GPtrArray) points =
      scaling_aggregate_get_points (f->aggregate, f->now_us);
  ScalingPoint *point = find (points, key, tree, role);

  g_assert_nonnull (point);
  return point->value;
}

static gboolean
is_there (Fixture *f, const char *key, const char *role)
{
  g_autoptr (GPtrArray) points =
      scaling_aggregate_get_points (f->aggregate, f->now_us);

  return find (points, key, "main", role) != NULL;
}

static void
test_totals (Fixture *f, gconstpointer data)
{
  ClusterLoad one = { .n_viewers = 30,
                      .n_slots = 100,
                      .cpu_ratio = 0.2,
                      .rss_bytes = 1000,
                      .n_joins = 40,
                      .n_links = 2,
                      .links = { { .is_active = TRUE, .loss_ratio = 0.1 },
                                 { .loss_ratio = 0.9 } } };
  ClusterLoad other = { .n_viewers = 20,
                        .n_slots = 100,
                        .cpu_ratio = 0.4,
                        .rss_bytes = 500,
                        .n_joins = 25,
                        .is_draining = TRUE };
  ClusterLoad root = { .n_publishers = 3, .cpu_ratio = 0.9 };
  g_autoptr (GPtrArray) points = NULL;

  root.totals[CLUSTER_TOTAL_IN_PACKETS] = 77;
  put (f, "main", "e1", BOOT_A, CLUSTER_ROLE_EGRESS, &one);
  put (f, "main", "e2", BOOT_A, CLUSTER_ROLE_EGRESS, &other);
  put (f, "main", "i1", BOOT_A, CLUSTER_ROLE_INJECTION, &root);
  put (f, "north", "e1", BOOT_A, CLUSTER_ROLE_EGRESS | CLUSTER_ROLE_RELAY,
       &other);
  put (f, "main", "m1", BOOT_A, CLUSTER_ROLE_METRICS, &one); /* no media */

  g_assert_cmpfloat (value (f, "egress.viewers", "main", "egress"), ==, 50);
  g_assert_cmpfloat (value (f, "egress.viewers", "main", NULL), ==, 50);
  g_assert_cmpfloat (value (f, "egress.viewers", "north", "relay+egress"), ==,
                     20);
  g_assert_cmpfloat (value (f, "egress.joins_total", "main", "egress"), ==, 65);
  g_assert_cmpfloat (value (f, "egress.utilization_ratio", "main", "egress"),
                     ==, 0.25);
  g_assert_cmpfloat_with_epsilon (
      value (f, "cluster.cpu_ratio", "main", "egress"), 0.3, 1e-9);
  g_assert_cmpfloat_with_epsilon (value (f, "cluster.cpu_ratio", "main", NULL),
                                  0.5, 1e-9);
  g_assert_cmpfloat (value (f, "cluster.cpu_max_ratio", "main", "egress"), ==,
                     0.4);
  g_assert_cmpfloat (value (f, "cluster.memory_bytes", "main", NULL), ==, 1500);
  g_assert_cmpfloat (value (f, "cluster.nodes", "main", NULL), ==, 3);
  g_assert_cmpfloat (value (f, "cluster.nodes_draining", "main", NULL), ==, 1);
  g_assert_cmpfloat (value (f, "relay.links", "main", NULL), ==, 1);
  g_assert_cmpfloat (value (f, "relay.loss_max_ratio", "main", NULL), ==, 0.1);
  g_assert_cmpfloat (
      value (f, "ingress.packets_received_total", "main", "injection"), ==, 77);
  /* nodes are not asked about what they do not do */
  g_assert_false (is_there (f, "egress.viewers", "injection"));
  g_assert_false (is_there (f, "ingress.publishers", "egress"));
  g_assert_false (is_there (f, "cluster.nodes", "metrics"));

  points = scaling_aggregate_get_points (f->aggregate, f->now_us);
  for (guint i = 1; i < points->len; i++)
    {
      const ScalingPoint *a = points->pdata[i - 1], *b = points->pdata[i];

      g_assert_cmpint (strcmp (a->key->key, b->key->key), <=, 0);
      g_assert_cmpstr (scaling_point_get_label (a, "project"), ==, data);
      g_assert_cmpint (a->at_wall_us, ==, f->now_us + 7);
    }
}

/* Silence: last values, marked; then gone, and counters stay. */
static void
test_silence (Fixture *f, gconstpointer data)
{
  ClusterLoad load = { .n_viewers = 30, .n_joins = 40 };
  g_autoptr (GPtrArray) points = NULL;
  ScalingAggregateStats stats;

  put (f, "main", "e1", BOOT_A, CLUSTER_ROLE_EGRESS, &load);
  pass (f, 4, TRUE);
  g_assert_cmpfloat (value (f, "cluster.nodes_stale", "main", NULL), ==, 0);
  pass (f, 1, TRUE);
  points = scaling_aggregate_get_points (f->aggregate, f->now_us);
  for (guint i = 0; i < points->len; i++)
    g_assert_true (((ScalingPoint *)points->pdata[i])->is_stale);
  g_assert_cmpfloat (value (f, "egress.viewers", "main", "egress"), ==, 30);
  g_assert_cmpfloat (value (f, "cluster.oldest_report_seconds", "main", NULL),
                     ==, 5);
  pass (f, 600, FALSE); /* the source is away: nobody goes */
  g_assert_cmpfloat (value (f, "egress.viewers", "main", "egress"), ==, 30);
  scaling_aggregate_get_stats (f->aggregate, f->now_us, &stats);
  g_assert_cmpuint (stats.n_nodes, ==, 1);
  g_assert_cmpuint (stats.n_stale, ==, 1);
  pass (f, 54, TRUE);
  g_assert_cmpfloat (value (f, "egress.viewers", "main", "egress"), ==, 30);
  pass (f, 1, TRUE);
  g_assert_cmpfloat (value (f, "cluster.nodes", "main", NULL), ==, 0);
  g_assert_false (is_there (f, "egress.viewers", "egress"));
  g_assert_cmpfloat (value (f, "egress.joins_total", "main", "egress"), ==, 40);
  load.n_joins = 41; /* it was only cut off: nothing counts twice */
  put (f, "main", "e1", BOOT_A, CLUSTER_ROLE_EGRESS, &load);
  g_assert_cmpfloat (value (f, "egress.joins_total", "main", "egress"), ==, 41);
  g_assert_cmpfloat (value (f, "egress.viewers", "main", "egress"), ==, 30);
}

/* The main loop stood still for an hour: that is nobody's silence. */
static void
test_standstill (Fixture *f, gconstpointer data)
{
  ClusterLoad load = { .n_viewers = 30 };

  put (f, "main", "e1", BOOT_A, CLUSTER_ROLE_EGRESS, &load);
  pass (f, 1, TRUE);
  f->now_us += 3600 * SECOND;
  pass (f, 1, TRUE);
  g_assert_cmpfloat (value (f, "egress.viewers", "main", "egress"), ==, 30);
}

static void
test_restarts (Fixture *f, gconstpointer data)
{
  ClusterLoad load = { .n_joins = 40 };
  ScalingAggregateStats stats;

  put (f, "main", "e1", BOOT_A, CLUSTER_ROLE_EGRESS, &load);
  load.n_joins = 35; /* garbage: a boot's counters do not fall */
  put (f, "main", "e1", BOOT_A, CLUSTER_ROLE_EGRESS, &load);
  g_assert_cmpfloat (value (f, "egress.joins_total", "main", NULL), ==, 40);
  load.n_joins = 42;
  put (f, "main", "e1", BOOT_A, CLUSTER_ROLE_EGRESS, &load);
  load.n_joins = 3;
  put (f, "main", "e1", BOOT_B, CLUSTER_ROLE_EGRESS, &load);
  g_assert_cmpfloat (value (f, "egress.joins_total", "main", "egress"), ==, 45);
  load.n_joins = 1; /* again, and with another role */
  put (f, "main", "e1", BOOT_A, CLUSTER_ROLE_EGRESS | CLUSTER_ROLE_RELAY,
       &load);
  g_assert_cmpfloat (value (f, "egress.joins_total", "main", "egress"), ==, 45);
  g_assert_cmpfloat (value (f, "egress.joins_total", "main", "relay+egress"),
                     ==, 1);
  g_assert_cmpfloat (value (f, "egress.joins_total", "main", NULL), ==, 46);
  scaling_aggregate_get_stats (f->aggregate, f->now_us, &stats);
  g_assert_cmpuint (stats.n_restarts, ==, 2);
}

static void
test_bounds (Fixture *f, gconstpointer data)
{
  ClusterLoad load = { .n_joins = 1 };
  ScalingAggregateStats stats;
  char name[32];

  for (guint i = 0; i < SCALING_AGGREGATE_MAX_NODES; i++)
    {
      g_snprintf (name, sizeof name, "e%u", i);
      g_assert_true (put (f, "main", name, BOOT_A, CLUSTER_ROLE_EGRESS, &load));
    }
  g_assert_false (put (f, "main", "more", BOOT_A, CLUSTER_ROLE_EGRESS, &load));
  scaling_aggregate_get_stats (f->aggregate, f->now_us, &stats);
  g_assert_cmpuint (stats.n_refused, ==, 1);
  g_assert_cmpuint (stats.n_nodes, ==, SCALING_AGGREGATE_MAX_NODES);
  pass (f, 61, TRUE); /* all are gone: there is room, their counters stay */
  g_assert_true (put (f, "main", "more", BOOT_A, CLUSTER_ROLE_EGRESS, &load));
  g_assert_cmpfloat (value (f, "egress.joins_total", "main", "egress"), ==,
                     SCALING_AGGREGATE_MAX_NODES + 1);
  g_assert_cmpfloat (value (f, "cluster.nodes", "main", NULL), ==, 1);
  for (guint i = 1; i < SCALING_AGGREGATE_MAX_TREES; i++)
    {
      g_snprintf (name, sizeof name, "tree%u", i);
      g_assert_true (put (f, name, "e", BOOT_A, CLUSTER_ROLE_EGRESS, &load));
    }
  g_assert_false (put (f, "one", "e", BOOT_A, CLUSTER_ROLE_EGRESS, &load));
}

/* --- percentiles ----------------------------------------------------------
 */

static double
draw_normal (GRand *rand)
{
  double u = 1 - g_rand_double (rand), v = g_rand_double (rand);

  return sqrt (-2 * log (u)) * cos (2 * G_PI * v);
}

static gint64
draw_uniform (GRand *rand)
{
  return g_rand_int_range (rand, 10000, 200000);
}

static gint64
draw_lognormal (GRand *rand)
{
  return (gint64)exp (11 + 0.4 * draw_normal (rand));
}

static gint64
draw_two_peaks (GRand *rand)
{
  return (gint64)fabs (g_rand_double (rand) < 0.9
                           ? 3000 + 300 * draw_normal (rand)
                           : 80000 + 5000 * draw_normal (rand));
}

static gint64 (*const draws[]) (GRand *rand) = { draw_uniform, draw_lognormal,
                                                 draw_two_peaks };

static int
compare (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

  return (x > y) - (x < y);
}

static void
assert_same (const BaseSketch *a, const BaseSketch *b)
{
  g_autoptr (JsonNode) left = base_sketch_to_json (a);
  g_autoptr (JsonNode) right = base_sketch_to_json (b);
  g_autofree char *left_text = json_to_string (left, FALSE);
  g_autofree char *right_text = json_to_string (right, FALSE);

  g_assert_cmpstr (left_text, ==, right_text);
}

/* assert_exact: within 1 % of the values themselves */
static void
assert_exact (const BaseSketch *sketch, gint64 *values, guint n)
{
  static const double quantiles[] = { 0.5, 0.9, 0.95, 0.99, 0.999 };

  qsort (values, n, sizeof *values, compare);
  for (guint i = 0; i < G_N_ELEMENTS (quantiles); i++)
    {
      double exact = (double)values[(guint)ceil (quantiles[i] * n) - 1];
      double got = base_sketch_quantile (sketch, quantiles[i]);

      g_test_message ("p%g: %f, exactly %f", 100 * quantiles[i], got, exact);
      g_assert_cmpfloat (fabs (got - exact), <=, 0.01 * exact * (1 + 1e-9));
    }
}

/* Each node says its own; what comes out is as if one had had them all. The
 * nodes have different numbers of values, so that no mean of percentiles does.
 */
static void
test_percentiles (Fixture *f, gconstpointer data)
{
  gint64 (*draw) (GRand * rand) = draws[GPOINTER_TO_UINT (data)];
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  g_autoptr (BaseSketch) all = base_sketch_new ();
  g_autofree gint64 *values = g_new (gint64, N_NODES * N_VALUES);
  g_autoptr (GPtrArray) points = NULL, alone = NULL;
  ClusterLoad load = { 0 };
  guint n = 0;

  for (guint i = 0; i < N_NODES; i++)
    {
      g_autoptr (BaseSketch) own = base_sketch_new ();
      g_autofree char *name = g_strdup_printf ("e%u", i);

      for (guint k = 0; k < 10 + i * (N_VALUES - 10) / N_NODES; k++, n++)
        {
          values[n] = draw (rand) * (i % 7 + 1) / 4;
          base_sketch_add (own, values[n]);
          base_sketch_add (all, values[n]);
        }
      base_sketch_brief_init (&load.sketches[CLUSTER_SKETCH_JOIN], own);
      g_assert_cmpuint (load.sketches[CLUSTER_SKETCH_JOIN].n_buckets, <,
                        BASE_SKETCH_BRIEF_N_BUCKETS);
      put (f, "main", name, BOOT_A, CLUSTER_ROLE_EGRESS, &load);
    }
  points = scaling_aggregate_get_points (f->aggregate, f->now_us);
  assert_same (find (points, "egress.join_seconds", "main", "egress")->sketch,
               all);
  assert_same (find (points, "egress.join_seconds", "main", NULL)->sketch, all);
  assert_exact (find (points, "egress.join_seconds", "main", NULL)->sketch,
                values, n);
  /* one node that had them all, in another tree */
  base_sketch_brief_init (&load.sketches[CLUSTER_SKETCH_JOIN], all);
  put (f, "alone", "e", BOOT_A, CLUSTER_ROLE_EGRESS, &load);
  alone = scaling_aggregate_get_points (f->aggregate, f->now_us);
  for (double q = 0.5; q < 1; q += 0.01)
    g_assert_cmpfloat (
        base_sketch_quantile (
            find (alone, "egress.join_seconds", "alone", NULL)->sketch, q),
        ==,
        base_sketch_quantile (
            find (alone, "egress.join_seconds", "main", NULL)->sketch, q));
}

static void
test_keys (void)
{
  guint n_keys;
  const ScalingKey *keys = scaling_key_list (&n_keys);

  for (guint i = 0; i < n_keys; i++)
    {
      g_assert_true (scaling_key_find (keys[i].key) == &keys[i]);
      g_assert_cmpint (g_str_has_suffix (keys[i].key, "_total"), ==,
                       keys[i].kind == SCALING_POINT_COUNTER);
    }
  g_assert_null (scaling_key_find ("egress.viewer"));
  g_assert_null (scaling_key_find (""));
}

/* Run by hand: the most nodes that there can be. */
static void
test_cost (Fixture *f, gconstpointer data)
{
  ClusterLoad load = { .n_joins = 1 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  g_autoptr (BaseSketch) sketch = base_sketch_new ();
  g_autoptr (GPtrArray) points = NULL;

  for (guint i = 0; i < 1000; i++)
    base_sketch_add (sketch, draw_lognormal (rand));
  for (guint i = 0; i < CLUSTER_SKETCH_N; i++)
    base_sketch_brief_init (&load.sketches[i], sketch);
  g_test_timer_start ();
  for (guint i = 0; i < SCALING_AGGREGATE_MAX_NODES; i++)
    {
      g_autofree char *name = g_strdup_printf ("e%u", i);

      put (f, "main", name, BOOT_A, 1 + i % 7, &load);
    }
  g_test_timer_elapsed ();
  g_test_minimized_result (g_test_timer_last (), "put: %f s",
                           g_test_timer_last ());
  g_test_timer_start ();
  points = scaling_aggregate_get_points (f->aggregate, f->now_us);
  g_test_timer_elapsed ();
  g_test_minimized_result (g_test_timer_last (), "%u points: %f s", points->len,
                           g_test_timer_last ());
}

#define ADD(name, data, func)                                                  \
  g_test_add ("/scaling/aggregate/" name, Fixture, data, set_up, func,         \
              tear_down)
#define ADD_DRAW(name, i)                                                      \
  g_test_add ("/scaling/aggregate/" name, Fixture, GUINT_TO_POINTER (i),       \
              set_up_draw, test_percentiles, tear_down)

static void
set_up_draw (Fixture *f, gconstpointer data)
{
  set_up (f, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/aggregate/keys", test_keys);
  ADD ("totals", "shop", test_totals);
  ADD ("silence", NULL, test_silence);
  ADD ("standstill", NULL, test_standstill);
  ADD ("restarts", NULL, test_restarts);
  ADD ("bounds", NULL, test_bounds);
  ADD_DRAW ("uniform", 0);
  ADD_DRAW ("lognormal", 1);
  ADD_DRAW ("two-peaks", 2);
  if (g_test_perf ())
    ADD ("cost", NULL, test_cost);
  return g_test_run ();
}
