/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingPolicies: their life, which one counts, and when schedules are on.
 * scaling/policy-parse.c reads them. */
#include "scaling/policy.h"

#include <gio/gio.h>
#include <string.h>

#include "scaling-resources.h"

#define DEFAULT_PATH "/media-tree/scaling/policies.json"
#define DAY_MINUTES (24 * 60)
#define DAY_S (DAY_MINUTES * 60)
#define EPOCH_WEEKDAY 3 /* 1 January 1970 was a Thursday; 0 = Monday */

G_DEFINE_QUARK (scaling - policy - error - quark, scaling_policy_error)

ScalingPolicies *
scaling_policies_new_default (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  ScalingPolicies *self;
  gsize n_bytes;
  const char *text;

  bytes = g_resource_lookup_data (scaling_get_resource (), DEFAULT_PATH,
                                  G_RESOURCE_LOOKUP_FLAGS_NONE, &error);
  if (bytes == NULL)
    g_error ("%s", error->message);
  text = g_bytes_get_data (bytes, &n_bytes);
  self = scaling_policies_parse (text, n_bytes, &error);
  if (self == NULL)
    g_error (DEFAULT_PATH ": %s", error->message);
  return self;
}

void
scaling_policies_free (ScalingPolicies *self)
{
  g_clear_pointer (&self->json, json_node_unref);
  g_free (self);
}

const ScalingPolicy *
scaling_policies_find (const ScalingPolicies *self, const char *service,
                       const char *tree_id)
{
  const ScalingPolicy *found = NULL;

  for (guint i = 0; i < self->n_policies; i++)
    {
      const ScalingPolicy *policy = &self->policies[i];

      if (!g_str_equal (policy->service, service))
        continue;
      if (g_str_equal (policy->tree_id, tree_id))
        return policy;
      if (found == NULL && policy->tree_id[0] == '\0')
        found = policy;
    }
  return found;
}

/* is_on_since: whether the time that begins on @day, since 1970, is on
 * @minute minutes into it; those may be more than a day's */
static gboolean
is_on_since (const ScalingSchedule *self, gint64 day, guint minute)
{
  guint weekday = (guint)((day + EPOCH_WEEKDAY) % 7);
  guint end = self->end_minute;

  if (end <= self->start_minute)
    end += DAY_MINUTES;
  return (self->weekdays & (1u << weekday)) != 0 && minute >= self->start_minute
         && minute < end;
}

gboolean
scaling_schedule_is_on (const ScalingSchedule *self, gint64 wall_s)
{
  gint64 day = wall_s / DAY_S;
  guint minute = (guint)(wall_s % DAY_S / 60);

  if (self->is_once)
    return wall_s >= self->start_wall_s && wall_s < self->end_wall_s;
  if (wall_s < DAY_S)
    return FALSE; /* the clock is not set */
  return is_on_since (self, day, minute)
         || is_on_since (self, day - 1, minute + DAY_MINUTES);
}
