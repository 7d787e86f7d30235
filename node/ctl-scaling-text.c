/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-scaling-text: see the header. */
#include "node/ctl-scaling-text.h"

#include "base/clock.h"
#include "node/ctl-json.h"

#define OLD_DECISION_S 30 /* large trees are read each 8 s */
#define NUMBER G_GINT64_FORMAT

static JsonObject *
get_status (JsonObject *reply)
{
  return reply ? node_ctl_get_object (reply, "status") : NULL;
}

static gboolean
is_there (JsonObject *object, const char *name)
{
  return object && json_object_has_member (object, name)
         && !json_node_is_null (json_object_get_member (object, name));
}

/* dup_number: (transfer full): "-" when it is not there */
static char *
dup_number (JsonObject *object, const char *name)
{
  return is_there (object, name)
             ? g_strdup_printf ("%" NUMBER, node_ctl_get_int (object, name))
             : g_strdup ("-");
}

/* dup_value: (transfer full): a number or a word; "-" when it is not there */
static char *
dup_value (JsonObject *object, const char *name)
{
  JsonNode *value =
      is_there (object, name) ? json_object_get_member (object, name) : NULL;

  return value && JSON_NODE_HOLDS_VALUE (value)
                 && json_node_get_value_type (value) == G_TYPE_STRING
             ? node_ctl_dup_text (object, name)
             : dup_number (object, name);
}

static void
append (GString *out, const char *title, JsonObject *object, const char *name)
{
  g_autofree char *text = node_ctl_dup_text (object, name);

  g_string_append_printf (out, "%-11s %s\n", title, text);
}

/* --- status ------------------------------------------------------------- */

static void
append_subtrees (GString *out, JsonObject *subtrees)
{
  static const char *const names[] = { "desired", "serving", "starting",
                                       "draining", "warm" };

  g_string_append_printf (out, "%-11s", "subtrees");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *number = dup_number (subtrees, names[i]);

      g_string_append_printf (out, "%s %s %s", i > 0 ? "," : "", number,
                              names[i]);
    }
  g_string_append_c (out, '\n');
}

static void
append_policies (GString *out, JsonArray *policies)
{
  static const NodeCtlColumn columns[] = {
    { "POLICY", FALSE }, { "SERVICE", FALSE },   { "ENABLED", FALSE },
    { "NODES", TRUE },   { "EVALUATED", FALSE }, { "SCALED", FALSE }
  };
  NodeCtlTable table = node_ctl_table_new (columns, G_N_ELEMENTS (columns));
  g_autofree char *text = NULL;

  for (guint i = 0; policies && i < json_array_get_length (policies); i++)
    {
      JsonObject *policy = node_ctl_get_element (policies, i);

      if (!policy)
        continue;
      node_ctl_table_add (&table, node_ctl_dup_text (policy, "name"));
      node_ctl_table_add (&table, node_ctl_dup_text (policy, "service"));
      node_ctl_table_add (&table,
                          g_strdup (node_ctl_get_bool (policy, "enabled", FALSE)
                                        ? "yes"
                                        : "no"));
      node_ctl_table_add (&table, dup_number (policy, "currentReplicas"));
      node_ctl_table_add (&table, node_ctl_dup_text (policy, "lastEvaluation"));
      node_ctl_table_add (&table, node_ctl_dup_text (policy, "lastScaling"));
    }
  text = node_ctl_table_finish (&table);
  g_string_append (out, text);
}

static void
append_hold (GString *out, JsonObject *hold)
{
  g_autofree char *words = NULL, *until = NULL, *number = NULL;

  if (!hold)
    return;
  words = node_ctl_dup_text (hold, "not");
  until = node_ctl_dup_text (hold, "until");
  number = dup_number (hold, "subtrees");
  g_string_append_printf (out, "%-11s not %s than %s subtrees until %s\n",
                          "held", words, number, until);
}

char *
node_ctl_text_scaling_status (JsonObject *reply)
{
  JsonObject *status = get_status (reply);
  GString *out = g_string_new (NULL);
  g_autofree char *by = NULL, *why = NULL;

  if (!status)
    return g_string_free (out, FALSE);
  by = node_ctl_dup_text (status, "enabledBy");
  append (out, "tree", status, "tree");
  append (out, "leader", status, "leader");
  g_string_append_printf (out, "%-11s %s%s%s\n", "scaling",
                          node_ctl_get_bool (status, "enabled", FALSE) ? "on"
                                                                       : "off",
                          is_there (status, "enabledBy") ? ", by " : "",
                          is_there (status, "enabledBy") ? by : "");
  why = is_there (status, "why") ? node_ctl_dup_text (status, "why") : NULL;
  if (why && !g_str_equal (why, "") && !g_str_equal (why, "-"))
    append (out, "but", status, "why");
  if (is_there (status, "policyFault"))
    append (out, "fault", status, "policyFault");
  append_subtrees (out, node_ctl_get_object (status, "subtrees"));
  append_hold (out, node_ctl_get_object (status, "hold"));
  append_policies (out, node_ctl_get_array (status, "policies"));
  return g_string_free (out, FALSE);
}

/* --- check -------------------------------------------------------------- */

char *
node_ctl_text_scaling_check (JsonObject *reply)
{
  JsonArray *rows =
      reply ? node_ctl_get_array (reply, "recommendations") : NULL;
  GString *out = g_string_new (NULL);

  for (guint i = 0; rows && i < json_array_get_length (rows); i++)
    {
      JsonObject *row = node_ctl_get_element (rows, i);
      g_autofree char *service = NULL, *now = NULL, *then = NULL;
      g_autofree char *priority = NULL, *reason = NULL;

      if (!row)
        continue;
      service = node_ctl_dup_text (row, "service");
      now = dup_number (row, "currentReplicas");
      then = dup_number (row, "recommendedReplicas");
      priority = node_ctl_dup_text (row, "priority");
      reason = node_ctl_dup_text (row, "reason");
      g_string_append_printf (
          out,
          "%s: %s nodes, recommended %s (priority %s, confidence %.2f)\n"
          "  %s\n",
          service, now, then, priority, node_ctl_get_ratio (row, "confidence"),
          reason);
    }
  if (out->len == 0)
    g_string_append (out, "Nobody decides: this machine is alone.\n");
  return g_string_free (out, FALSE);
}

/* --- approvals, history --------------------------------------------------- */

char *
node_ctl_text_scaling_approvals (JsonObject *reply)
{
  JsonArray *rows = reply ? node_ctl_get_array (reply, "approvals") : NULL;
  GString *out = g_string_new (NULL);

  for (guint i = 0; rows && i < json_array_get_length (rows); i++)
    {
      JsonObject *row = node_ctl_get_element (rows, i);
      g_autofree char *id = NULL, *state = NULL, *before = NULL, *after = NULL;
      g_autofree char *expires = NULL, *reason = NULL;

      if (!row)
        continue;
      id = node_ctl_dup_text (row, "id");
      state = node_ctl_dup_text (row, "state");
      before = dup_number (row, "before");
      after = dup_number (row, "after");
      expires = node_ctl_dup_text (row, "expires");
      reason = node_ctl_dup_text (row, "reason");
      g_string_append_printf (out,
                              "proposal %s %s: %s to %s subtrees, until %s\n"
                              "  %s\n",
                              id, state, before, after, expires, reason);
    }
  if (out->len == 0)
    g_string_append (out, "Nothing waits for approval.\n");
  return g_string_free (out, FALSE);
}

/* dup_kind: (transfer full): of a slot which one */
static char *
dup_kind (JsonObject *row, JsonObject *detail)
{
  g_autofree char *kind = node_ctl_dup_text (row, "kind");
  g_autofree char *ordinal = NULL;

  if (!g_str_equal (kind, "slot") || !is_there (detail, "ordinal"))
    return g_steal_pointer (&kind);
  ordinal = dup_number (detail, "ordinal");
  return g_strdup_printf ("slot %s", ordinal);
}

char *
node_ctl_text_scaling_history (JsonObject *reply)
{
  static const NodeCtlColumn columns[] = {
    { "TIME", FALSE }, { "ID", FALSE }, { "WHAT", FALSE }, { "BY", FALSE },
    { "FROM", TRUE },  { "TO", TRUE },  { "MS", TRUE },    { "WHY", FALSE },
  };
  JsonArray *rows = reply ? node_ctl_get_array (reply, "history") : NULL;
  NodeCtlTable table = node_ctl_table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; rows && i < json_array_get_length (rows); i++)
    {
      JsonObject *row = node_ctl_get_element (rows, i);
      JsonObject *detail = row ? node_ctl_get_object (row, "detail") : NULL;
      const char *why = is_there (detail, "reason") ? "reason" : "outcome";

      if (!row)
        continue;
      node_ctl_table_add (&table, node_ctl_dup_text (row, "time"));
      node_ctl_table_add (&table, node_ctl_dup_text (row, "id"));
      node_ctl_table_add (&table, dup_kind (row, detail));
      node_ctl_table_add (&table, node_ctl_dup_text (row, "by"));
      node_ctl_table_add (&table, dup_value (detail, "before"));
      node_ctl_table_add (&table, dup_value (detail, "after"));
      node_ctl_table_add (&table, dup_number (detail, "duration_ms"));
      node_ctl_table_add (&table, detail ? node_ctl_dup_text (detail, why)
                                         : g_strdup ("-"));
    }
  return node_ctl_table_finish (&table);
}

/* --- health ------------------------------------------------------------- */

static void
say (GString *out, gboolean is_well, const char *text, gboolean *all)
{
  g_string_append_printf (out, "%s  %s\n", is_well ? "ok " : "bad", text);
  *all = *all && is_well;
}

/* get_age_s: of the newest decision; -1: there is none */
static gint64
get_age_s (JsonObject *status, gint64 now_wall_us)
{
  JsonArray *policies = node_ctl_get_array (status, "policies");
  JsonObject *policy = policies && json_array_get_length (policies) > 0
                           ? node_ctl_get_element (policies, 0)
                           : NULL;
  g_autofree char *text =
      policy ? node_ctl_dup_text (policy, "lastEvaluation") : g_strdup ("-");
  g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (text, NULL);

  return time
             ? MAX (0, now_wall_us / BASE_US_PER_S - g_date_time_to_unix (time))
             : -1;
}

static void
say_age (GString *out, gint64 age_s, gboolean *all)
{
  g_autofree char *text =
      age_s < 0
          ? g_strdup ("no decision is known")
          : g_strdup_printf ("the last decision is %" NUMBER " s old", age_s);

  say (out, age_s >= 0 && age_s <= OLD_DECISION_S, text, all);
}

char *
node_ctl_text_scaling_health (JsonObject *reply, gint64 now_wall_us,
                              gboolean *ret_is_well)
{
  JsonObject *status = get_status (reply);
  JsonObject *subtrees =
      status ? node_ctl_get_object (status, "subtrees") : NULL;
  GString *out = g_string_new (NULL);
  g_autofree char *leader = NULL, *fault = NULL, *why = NULL, *text = NULL;
  gint64 n_desired, n_serving;
  gboolean has_leader;

  *ret_is_well = status != NULL;
  if (!status)
    return g_string_free (out, FALSE);
  has_leader = is_there (status, "leader");
  leader = node_ctl_dup_text (status, "leader");
  fault = node_ctl_dup_text (status, "policyFault");
  why = node_ctl_dup_text (status, "why");
  text = has_leader ? g_strdup_printf ("%s leads", leader)
                    : g_strdup ("nobody leads");
  say (out, has_leader, text, ret_is_well);
  say_age (out, get_age_s (status, now_wall_us), ret_is_well);
  say (out, !is_there (status, "policyFault"),
       is_there (status, "policyFault") ? fault : "the policies are taken",
       ret_is_well);
  g_free (text);
  n_desired = subtrees ? node_ctl_get_int (subtrees, "desired") : 0;
  n_serving = subtrees ? node_ctl_get_int (subtrees, "serving") : 0;
  text = g_strdup_printf ("%" NUMBER " of %" NUMBER " desired subtrees serve",
                          n_serving, n_desired);
  say (out, n_serving >= n_desired, text, ret_is_well);
  /* what somebody wanted so is not wrong */
  if (is_there (status, "why") && why[0] != '\0')
    g_string_append_printf (out, "     %s\n", why);
  return g_string_free (out, FALSE);
}
