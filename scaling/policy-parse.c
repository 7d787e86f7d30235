/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingPolicies from JSON: the same rules as scaling/policy.schema.json, and
 * what a schema cannot say: names that are used are there, no name twice, a
 * minimum is not above its maximum, dates exist.
 */
#include "scaling/policy.h"

#include <string.h>

#include "scaling/reader.h"

#define DEFAULT_N_MAX_NODES 100
#define DEFAULT_EGRESS_PER_SUBTREE 16
#define DEFAULT_N_MAX_WARM 8
#define DEFAULT_SLOTS_PER_EGRESS 600
#define SECOND_US ((gint64)G_USEC_PER_SEC)
#define MINUTE_US (60 * SECOND_US)
#define ALL_WEEKDAYS 0x7f

typedef void (*ReadItem) (ScalingReader *reader, JsonNode *node,
                          ScalingPolicy *policy, guint index);

/* read_list: each item of @name in its turn. Returns: how many there are */
static guint
read_list (ScalingReader *reader, JsonObject *object, const char *name,
           guint max, ScalingPolicy *policy, ReadItem read)
{
  JsonNode *node = scaling_reader_get (reader, object, name, FALSE);
  JsonArray *array;

  if (node == NULL)
    return 0;
  array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (array == NULL || json_array_get_length (array) > max)
    {
      scaling_reader_fault (reader, name, "is no array of at most %u", max);
      return 0;
    }
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      gsize length = scaling_reader_enter (reader, name, (int)i);

      read (reader, json_array_get_element (array, i), policy, i);
      scaling_reader_leave (reader, length);
    }
  return json_array_get_length (array);
}

static void
read_metric (ScalingReader *reader, JsonNode *node, ScalingPolicy *policy,
             guint index)
{
  static const char *const members[] = { "name",   "type",   "source",
                                         "window", "weight", "aggregation",
                                         NULL };
  static const char *const sources[] = { "redis", "peers", "prometheus", NULL };
  static const char *const ways[] = { "avg", "max", "min", "sum", "p95", NULL };
  const char *types[SCALING_SIGNAL_N + 1] = { NULL };
  JsonObject *object = scaling_reader_get_object (reader, node, members);
  ScalingMetric *metric = &policy->metrics[index];

  if (object == NULL)
    return;
  for (guint i = 0; i < SCALING_SIGNAL_N; i++)
    types[i] = scaling_signal_get_name ((ScalingSignal)i);
  scaling_reader_take_name (reader, object, "name", TRUE, metric->name);
  metric->signal = (ScalingSignal)scaling_reader_take_word (
      reader, object, "type", TRUE, types, 0);
  metric->source = (ScalingSource)scaling_reader_take_word (
      reader, object, "source", FALSE, sources, 0);
  metric->aggregation = (ScalingAggregation)scaling_reader_take_word (
      reader, object, "aggregation", FALSE, ways, 0);
  scaling_reader_take_time (reader, object, "window", MINUTE_US, 60,
                            &metric->window_us);
  scaling_reader_take_uint (reader, object, "weight", 0, SCALING_SCORE_UP_MAX,
                            &metric->weight);
  for (guint i = 0; i < index; i++)
    if (g_str_equal (policy->metrics[i].name, metric->name))
      scaling_reader_fault (reader, "name",
                            "\"%s\" is the name of metrics[%u] too",
                            metric->name, i);
}

static void
read_metric_name (ScalingReader *reader, JsonObject *object,
                  const ScalingPolicy *policy, ScalingThreshold *threshold)
{
  char name[SCALING_NAME_MAX_CHARS + 1] = "";

  scaling_reader_take_name (reader, object, "metric", TRUE, name);
  for (guint i = 0; i < policy->n_metrics; i++)
    if (g_str_equal (policy->metrics[i].name, name))
      {
        threshold->metric = i;
        return;
      }
  scaling_reader_fault (reader, "metric",
                        "\"%s\" is the name of no metric of this policy", name);
}

static void
read_threshold (ScalingReader *reader, JsonNode *node, ScalingPolicy *policy,
                guint index)
{
  static const char *const members[] = { "metric",          "scaleUp",
                                         "scaleDown",       "comparison",
                                         "scaleDownFor",    "scaleDownRequired",
                                         "scaleDownWeight", NULL };
  static const char *const words[] = { "greater_than", "less_than",
                                       "percentage_change", NULL };
  JsonObject *object = scaling_reader_get_object (reader, node, members);
  ScalingThreshold *threshold = &policy->thresholds[index];

  if (object == NULL)
    return;
  threshold->down_window_us = 15 * MINUTE_US;
  read_metric_name (reader, object, policy, threshold);
  threshold->comparison = (ScalingComparison)scaling_reader_take_word (
      reader, object, "comparison", TRUE, words, 0);
  if (threshold->comparison == SCALING_PERCENTAGE_CHANGE
      && policy->metrics[threshold->metric].window_us == 0)
    scaling_reader_fault (reader, "comparison",
                          "percentage_change needs a metric with a window");
  threshold->has_up = scaling_reader_take_number (
      reader, object, "scaleUp", -1e9, 1e9, &threshold->scale_up);
  threshold->has_down = scaling_reader_take_number (
      reader, object, "scaleDown", -1e9, 1e9, &threshold->scale_down);
  if (!threshold->has_up && !threshold->has_down)
    scaling_reader_fault (reader, "scaleUp",
                          "is missing, and scaleDown too: one must be there");
  scaling_reader_take_bool (reader, object, "scaleDownRequired",
                            &threshold->is_required);
  if (threshold->is_required && !threshold->has_down)
    scaling_reader_fault (reader, "scaleDownRequired",
                          "is true, and there is no scaleDown");
  scaling_reader_take_uint (reader, object, "scaleDownWeight", 0,
                            SCALING_SCORE_DOWN_MAX, &threshold->down_weight);
  scaling_reader_take_time (reader, object, "scaleDownFor", MINUTE_US, 60,
                            &threshold->down_window_us);
}

/* --- schedules ---------------------------------------------------------- */

/* parse_time: "HH:MM" → minute, or "YYYY-MM-DDTHH:MM:SSZ" → wall_s.
 * Returns: FALSE: neither */
static gboolean
parse_time (const char *text, gboolean *is_once, guint *minute, gint64 *wall_s)
{
  g_autoptr (GDateTime) time = NULL;
  gsize length = strlen (text);

  if (length == 5 && g_ascii_isdigit (text[0]) && g_ascii_isdigit (text[1])
      && text[2] == ':' && g_ascii_isdigit (text[3])
      && g_ascii_isdigit (text[4]))
    {
      guint hour = (guint)(text[0] - '0') * 10 + (guint)(text[1] - '0');
      guint rest = (guint)(text[3] - '0') * 10 + (guint)(text[4] - '0');

      *is_once = FALSE;
      *minute = hour * 60 + rest;
      return hour < 24 && rest < 60;
    }
  if (length != 20 || text[10] != 'T' || text[19] != 'Z')
    return FALSE;
  for (guint i = 0; i < 19; i++)
    if (strchr ("-T:", "0000-00-00T00:00:00"[i]) != NULL
            ? text[i] != "0000-00-00T00:00:00"[i]
            : !g_ascii_isdigit (text[i]))
      return FALSE;
  time = g_date_time_new_from_iso8601 (text, NULL);
  if (time == NULL)
    return FALSE;
  *is_once = TRUE;
  *wall_s = g_date_time_to_unix (time);
  return TRUE;
}

static void
read_moment (ScalingReader *reader, JsonObject *object, const char *name,
             gboolean *is_once, guint *minute, gint64 *wall_s)
{
  JsonNode *node = scaling_reader_get (reader, object, name, TRUE);
  const char *text = node != NULL ? scaling_reader_get_text (node) : NULL;

  if (node == NULL
      || (text != NULL && parse_time (text, is_once, minute, wall_s)))
    return;
  g_autofree char *shown = scaling_reader_dup_shown (node);
  scaling_reader_fault (reader, name,
                        "%s is neither HH:MM nor YYYY-MM-DDTHH:MM:SSZ", shown);
}

static void
read_days (ScalingReader *reader, JsonObject *object, ScalingSchedule *schedule)
{
  static const char *const days[] = { "mon", "tue", "wed", "thu",
                                      "fri", "sat", "sun", NULL };
  JsonNode *node = scaling_reader_get (reader, object, "days", FALSE);
  JsonArray *array;
  guint n_days;

  schedule->weekdays = ALL_WEEKDAYS;
  if (node == NULL)
    return;
  array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  n_days = array != NULL ? json_array_get_length (array) : 0;
  if (n_days < 1 || n_days > 7)
    {
      scaling_reader_fault (reader, "days", "is no array of 1 to 7 days");
      return;
    }
  schedule->weekdays = 0;
  for (guint i = 0; i < n_days; i++)
    {
      g_autofree char *name = g_strdup_printf ("days[%u]", i);
      int day = scaling_reader_index_of (
          reader, name, json_array_get_element (array, i), days);

      if (day >= 0)
        schedule->weekdays |= 1u << day;
    }
}

static void
read_schedule (ScalingReader *reader, JsonNode *node, ScalingPolicy *policy,
               guint index)
{
  static const char *const members[] = { "name", "tree",        "start", "end",
                                         "days", "minReplicas", NULL };
  JsonObject *object = scaling_reader_get_object (reader, node, members);
  ScalingSchedule *schedule = &policy->schedules[index];
  gboolean ends_once = FALSE;

  if (object == NULL)
    return;
  scaling_reader_take_name (reader, object, "name", TRUE, schedule->name);
  scaling_reader_take_name (reader, object, "tree", FALSE, schedule->tree_id);
  read_moment (reader, object, "start", &schedule->is_once,
               &schedule->start_minute, &schedule->start_wall_s);
  read_moment (reader, object, "end", &ends_once, &schedule->end_minute,
               &schedule->end_wall_s);
  if (schedule->is_once != ends_once)
    scaling_reader_fault (reader, "end", "is not of the same kind as start");
  if (schedule->is_once && schedule->end_wall_s <= schedule->start_wall_s)
    scaling_reader_fault (reader, "end", "is not after start");
  read_days (reader, object, schedule);
  if (schedule->is_once && json_object_has_member (object, "days"))
    scaling_reader_fault (reader, "days",
                          "goes with a time of day, not with a date");
  scaling_reader_get (reader, object, "minReplicas", TRUE);
  scaling_reader_take_uint (reader, object, "minReplicas", 0,
                            SCALING_MAX_REPLICAS, &schedule->min_replicas);
}

/* --- a policy ----------------------------------------------------------- */

static void
read_cooldown (ScalingReader *reader, JsonObject *object, ScalingPolicy *policy)
{
  static const char *const members[] = { "scaleUp", "scaleDown", NULL };
  JsonNode *node = scaling_reader_get (reader, object, "cooldownPeriod", FALSE);
  guint seconds = 0, up = 0, down = 0;

  policy->cooldown_up_us = 300 * SECOND_US;
  policy->cooldown_down_us = 600 * SECOND_US;
  if (node == NULL)
    return;
  if (JSON_NODE_HOLDS_OBJECT (node))
    {
      gsize length = scaling_reader_enter (reader, "cooldownPeriod", -1);
      JsonObject *both = scaling_reader_get_object (reader, node, members);

      if (both != NULL)
        {
          scaling_reader_get (reader, both, "scaleUp", TRUE);
          scaling_reader_get (reader, both, "scaleDown", TRUE);
          scaling_reader_take_uint (reader, both, "scaleUp", 0, 86400, &up);
          scaling_reader_take_uint (reader, both, "scaleDown", 0, 86400, &down);
        }
      scaling_reader_leave (reader, length);
    }
  else
    {
      scaling_reader_take_uint (reader, object, "cooldownPeriod", 0, 86400,
                                &seconds);
      up = down = seconds;
    }
  policy->cooldown_up_us = up * SECOND_US;
  policy->cooldown_down_us = down * SECOND_US;
}

static void
read_bounds (ScalingReader *reader, JsonObject *object, ScalingPolicy *policy)
{
  scaling_reader_get (reader, object, "minReplicas", TRUE);
  scaling_reader_take_uint (reader, object, "minReplicas", 0,
                            SCALING_MAX_REPLICAS, &policy->min_replicas);
  scaling_reader_get (reader, object, "maxReplicas", TRUE);
  scaling_reader_take_uint (reader, object, "maxReplicas", 0,
                            SCALING_MAX_REPLICAS, &policy->max_replicas);
  if (policy->min_replicas > policy->max_replicas)
    scaling_reader_fault (reader, "minReplicas",
                          "%u is more than maxReplicas, %u",
                          policy->min_replicas, policy->max_replicas);
}

static void
read_steps (ScalingReader *reader, JsonObject *object, ScalingPolicy *policy)
{
  guint evaluation_s = 1;
  double headroom = 15;

  policy->scale_up_by = 1;
  policy->scale_down_by = SCALING_MAX_REPLICAS;
  policy->max_step = 16;
  policy->down_window_us = 5 * MINUTE_US;
  policy->settle_us = MINUTE_US;
  policy->n_spare = 1;
  read_cooldown (reader, object, policy);
  scaling_reader_take_uint (reader, object, "scaleUpBy", 1,
                            SCALING_MAX_REPLICAS, &policy->scale_up_by);
  scaling_reader_take_uint (reader, object, "scaleDownBy", 1,
                            SCALING_MAX_REPLICAS, &policy->scale_down_by);
  scaling_reader_take_uint (reader, object, "maxStep", 1, 4096,
                            &policy->max_step);
  scaling_reader_take_uint (reader, object, "evaluationInterval", 1, 3600,
                            &evaluation_s);
  policy->evaluation_us = evaluation_s * SECOND_US;
  scaling_reader_take_time (reader, object, "scaleDownWindow", MINUTE_US, 30,
                            &policy->down_window_us);
  scaling_reader_take_time (reader, object, "settle", SECOND_US, 3600,
                            &policy->settle_us);
  scaling_reader_take_number (reader, object, "headroom", 0, 400, &headroom);
  policy->headroom_ratio = headroom / 100;
  scaling_reader_take_uint (reader, object, "spare", 0, 256, &policy->n_spare);
}

static void
read_policy (ScalingReader *reader, JsonNode *node, ScalingPolicy *policy)
{
  static const char *const members[] = { "name",
                                         "service",
                                         "tree",
                                         "enabled",
                                         "minReplicas",
                                         "maxReplicas",
                                         "metrics",
                                         "thresholds",
                                         "schedules",
                                         "scaleUpBy",
                                         "scaleDownBy",
                                         "maxStep",
                                         "cooldownPeriod",
                                         "headroom",
                                         "spare",
                                         "evaluationInterval",
                                         "scaleDownWindow",
                                         "settle",
                                         NULL };
  JsonObject *object = scaling_reader_get_object (reader, node, members);

  if (object == NULL)
    return;
  policy->is_enabled = TRUE;
  scaling_reader_take_name (reader, object, "name", TRUE, policy->name);
  scaling_reader_take_name (reader, object, "service", TRUE, policy->service);
  scaling_reader_take_name (reader, object, "tree", FALSE, policy->tree_id);
  scaling_reader_take_bool (reader, object, "enabled", &policy->is_enabled);
  read_bounds (reader, object, policy);
  read_steps (reader, object, policy);
  policy->n_metrics = read_list (reader, object, "metrics", SCALING_MAX_METRICS,
                                 policy, read_metric);
  policy->n_thresholds =
      read_list (reader, object, "thresholds", SCALING_MAX_THRESHOLDS, policy,
                 read_threshold);
  policy->n_schedules =
      read_list (reader, object, "schedules", SCALING_MAX_SCHEDULES, policy,
                 read_schedule);
}

/* --- the whole text ----------------------------------------------------- */

static void
read_slots (ScalingReader *reader, JsonObject *object, ScalingPolicy *common)
{
  static const char *const members[] = { "warm",       "maxWarm",  "cold",
                                         "warmEgress", "warmLead", "coldLead",
                                         NULL };
  JsonNode *node = scaling_reader_get (reader, object, "slots", FALSE);
  gsize length;

  common->n_warm = 1;
  common->n_max_warm = DEFAULT_N_MAX_WARM;
  common->n_cold = common->n_warm_egress = 2;
  common->warm_lead_us = 2 * SECOND_US;
  common->cold_lead_us = 12 * SECOND_US;
  if (node == NULL)
    return;
  length = scaling_reader_enter (reader, "slots", -1);
  object = scaling_reader_get_object (reader, node, members);
  if (object != NULL)
    {
      scaling_reader_take_uint (reader, object, "warm", 0, 256,
                                &common->n_warm);
      scaling_reader_take_uint (reader, object, "maxWarm", 0, 256,
                                &common->n_max_warm);
      scaling_reader_take_uint (reader, object, "cold", 0, 4096,
                                &common->n_cold);
      scaling_reader_take_uint (reader, object, "warmEgress", 0, 16,
                                &common->n_warm_egress);
      scaling_reader_take_time (reader, object, "warmLead", SECOND_US, 3600,
                                &common->warm_lead_us);
      scaling_reader_take_time (reader, object, "coldLead", SECOND_US, 3600,
                                &common->cold_lead_us);
    }
  scaling_reader_leave (reader, length);
}

/* read_seconds: whole ones */
static void
read_seconds (ScalingReader *reader, JsonObject *object, const char *name,
              guint min, guint max, gint64 *value_us)
{
  guint seconds = (guint)(*value_us / SECOND_US);

  scaling_reader_take_uint (reader, object, name, min, max, &seconds);
  *value_us = seconds * SECOND_US;
}

static void
read_trial_members (ScalingReader *reader, JsonObject *object,
                    ScalingTrial *trial)
{
  double percent = trial->failure_ratio * 100;

  read_seconds (reader, object, "startWithin", 5, 3600, &trial->start_us);
  read_seconds (reader, object, "for", 0, 3600, &trial->span_us);
  read_seconds (reader, object, "judgeAfter", 1, 600, &trial->judge_us);
  scaling_reader_take_number (reader, object, "drops", 0, 1e9,
                              &trial->drops_per_s);
  scaling_reader_take_number (reader, object, "failures", 0, 100, &percent);
  trial->failure_ratio = percent / 100;
  scaling_reader_take_uint (reader, object, "minJoins", 1, 1000000,
                            &trial->min_joins);
  scaling_reader_take_uint (reader, object, "restarts", 1, 1000,
                            &trial->max_restarts);
  scaling_reader_take_number (reader, object, "timesOthers", 0, 1000,
                              &trial->times_others);
  read_seconds (reader, object, "backoff", 0, 3600, &trial->backoff_us);
  read_seconds (reader, object, "maxBackoff", 0, 86400, &trial->backoff_max_us);
  if (trial->backoff_us > trial->backoff_max_us)
    scaling_reader_fault (reader, "backoff", "is more than maxBackoff, %d",
                          (int)(trial->backoff_max_us / SECOND_US));
}

static void
read_trial (ScalingReader *reader, JsonObject *object, ScalingPolicy *common)
{
  static const char *const members[] = {
    "startWithin", "for",        "judgeAfter", "drops",
    "failures",    "minJoins",   "restarts",   "timesOthers",
    "backoff",     "maxBackoff", NULL
  };
  JsonNode *node = scaling_reader_get (reader, object, "trial", FALSE);
  gsize length;

  common->trial = (ScalingTrial){ .start_us = 120 * SECOND_US,
                                  .span_us = 120 * SECOND_US,
                                  .judge_us = 10 * SECOND_US,
                                  .drops_per_s = 100,
                                  .failure_ratio = 0.2,
                                  .min_joins = 20,
                                  .max_restarts = 3,
                                  .times_others = 2,
                                  .backoff_us = 30 * SECOND_US,
                                  .backoff_max_us = 600 * SECOND_US };
  if (node == NULL)
    return;
  length = scaling_reader_enter (reader, "trial", -1);
  object = scaling_reader_get_object (reader, node, members);
  if (object != NULL)
    read_trial_members (reader, object, &common->trial);
  scaling_reader_leave (reader, length);
}

static void
read_common (ScalingReader *reader, JsonObject *object, ScalingPolicy *common)
{
  static const char *const words[] = { "none", "manual", "low-confidence",
                                       NULL };
  JsonNode *schema = scaling_reader_get (reader, object, "$schema", FALSE);

  if (schema != NULL
      && (scaling_reader_get_text (schema) == NULL
          || g_utf8_strlen (scaling_reader_get_text (schema), -1) > 256))
    scaling_reader_fault (reader, "$schema",
                          "is no text of at most 256 characters");
  common->n_max_nodes = DEFAULT_N_MAX_NODES;
  common->egress_per_subtree = DEFAULT_EGRESS_PER_SUBTREE;
  common->slots_per_egress = DEFAULT_SLOTS_PER_EGRESS;
  scaling_reader_take_uint (reader, object, "hardLimit", 1, 65536,
                            &common->n_max_nodes);
  common->approval = (ScalingApproval)scaling_reader_take_word (
      reader, object, "approval", FALSE, words, 0);
  scaling_reader_take_uint (reader, object, "egressPerSubtree", 1, 16,
                            &common->egress_per_subtree);
  scaling_reader_take_uint (reader, object, "slotsPerEgress", 1, 1000000,
                            &common->slots_per_egress);
  read_slots (reader, object, common);
  read_trial (reader, object, common);
}

static void
read_policies (ScalingReader *reader, JsonObject *object, ScalingPolicies *self)
{
  JsonNode *node = scaling_reader_get (reader, object, "policies", TRUE);
  JsonArray *array;
  guint n_policies;
  ScalingPolicy common = { 0 };

  read_common (reader, object, &common);
  if (node == NULL)
    return;
  array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  n_policies = array != NULL ? json_array_get_length (array) : 0;
  if (n_policies < 1 || n_policies > SCALING_MAX_POLICIES)
    {
      scaling_reader_fault (reader, "policies", "is no array of 1 to %d",
                            SCALING_MAX_POLICIES);
      return;
    }
  self->n_policies = n_policies;
  for (guint i = 0; i < n_policies; i++)
    {
      gsize length = scaling_reader_enter (reader, "policies", (int)i);

      self->policies[i] = common;
      read_policy (reader, json_array_get_element (array, i),
                   &self->policies[i]);
      for (guint k = 0; k < i; k++)
        if (g_str_equal (self->policies[k].name, self->policies[i].name))
          scaling_reader_fault (reader, "name",
                                "\"%s\" is the name of policies[%u] too",
                                self->policies[i].name, k);
      scaling_reader_leave (reader, length);
    }
}

ScalingPolicies *
scaling_policies_parse (const char *text, gsize n_bytes, GError **error)
{
  static const char *const members[] = { "$schema",
                                         "hardLimit",
                                         "approval",
                                         "egressPerSubtree",
                                         "slotsPerEgress",
                                         "slots",
                                         "trial",
                                         "policies",
                                         NULL };
  g_autoptr (ScalingPolicies) self = g_new0 (ScalingPolicies, 1);
  ScalingReader reader = { .error = error };
  JsonObject *object = NULL;

  self->json = scaling_reader_load (text, n_bytes, &reader);
  if (self->json != NULL)
    object = scaling_reader_get_object (&reader, self->json, members);
  if (object != NULL)
    read_policies (&reader, object, self);
  return reader.is_bad ? NULL : g_steal_pointer (&self);
}
