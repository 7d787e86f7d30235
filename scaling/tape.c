/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingTape: see tape.h. */
#include "scaling/tape.h"

#include <string.h>

#include "scaling/log.h"
#include "scaling/record.h"

struct _ScalingTape
{
  ScalingRecord *record; /* owned */
  GByteArray *bytes;     /* owned */
  gsize max_bytes;
  guint64 n_ticks;
  gboolean is_full, is_begun; /* begun: and no tick since */
  /* the policy that decides, to be written before the next tick */
  ScalingPolicies *policies; /* owned, nullable */
  char *name;                /* owned, nullable */
  gboolean is_new;
};

ScalingTape *
scaling_tape_new (gsize max_bytes)
{
  ScalingTape *self = g_new0 (ScalingTape, 1);

  self->record = scaling_record_new ();
  self->bytes = g_byte_array_new ();
  self->max_bytes = max_bytes > 0 ? max_bytes : SCALING_TAPE_MAX_BYTES;
  return self;
}

void
scaling_tape_free (ScalingTape *self)
{
  g_return_if_fail (self != NULL);

  scaling_record_free (self->record);
  g_byte_array_unref (self->bytes);
  g_clear_pointer (&self->policies, scaling_policies_free);
  g_free (self->name);
  g_free (self);
}

void
scaling_tape_begin (ScalingTape *self)
{
  if (self->is_full)
    {
      g_byte_array_set_size (self->bytes, 0);
      self->is_full = FALSE;
      self->n_ticks = 0;
    }
  if (!self->is_begun)
    scaling_record_add_begin (self->record, self->bytes);
  self->is_begun = self->is_new = TRUE;
}

/* merge: (transfer full) (nullable): @policies as JSON with what @policy says
 * otherwise */
static ScalingPolicies *
merge (const ScalingPolicies *policies, const ScalingPolicy *policy)
{
  g_autofree char *before = json_to_string (policies->json, FALSE);
  g_autoptr (JsonNode) root = json_from_string (before, NULL);
  JsonObject *object = json_node_get_object (root);
  JsonArray *rows = json_object_get_array_member (object, "policies");
  g_autofree char *text = NULL;

  json_object_set_int_member (object, "hardLimit", policy->n_max_nodes);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject *row = json_array_get_object_element (rows, i);

      if (strcmp (json_object_get_string_member (row, "name"), policy->name)
          != 0)
        continue;
      json_object_set_int_member (row, "minReplicas", policy->min_replicas);
      json_object_set_int_member (row, "maxReplicas", policy->max_replicas);
    }
  text = json_to_string (root, FALSE);
  return scaling_policies_parse (text, strlen (text), NULL);
}

void
scaling_tape_set_policy (ScalingTape *self, const ScalingPolicies *policies,
                         const ScalingPolicy *policy)
{
  ScalingPolicies *merged = merge (policies, policy);

  g_clear_pointer (&self->policies, scaling_policies_free);
  g_free (self->name);
  /* what the settings make of it need not be a policy: a limit of 0 */
  self->policies = merged;
  self->name = g_strdup (policy->name);
  self->is_new = TRUE;
}

void
scaling_tape_add (ScalingTape *self, const ScalingSnapshot *snapshot,
                  const ScalingDecision *decision)
{
  if (self->is_full || self->policies == NULL)
    return;
  if (self->is_new)
    scaling_record_add_policy (self->record, self->bytes, self->policies,
                               self->name);
  self->is_new = self->is_begun = FALSE;
  scaling_record_add_tick (self->record, self->bytes, snapshot, decision);
  self->n_ticks++;
  if (self->bytes->len < self->max_bytes)
    return;
  self->is_full = TRUE;
  GST_WARNING (
      "the record of tree %s's decisions is full after %" G_GUINT64_FORMAT
      " of them",
      snapshot->tree_id, self->n_ticks);
}

GBytes *
scaling_tape_dup_bytes (ScalingTape *self)
{
  return g_bytes_new (self->bytes->data, self->bytes->len);
}

gboolean
scaling_tape_is_full (ScalingTape *self)
{
  return self->is_full;
}

guint64
scaling_tape_get_n_ticks (ScalingTape *self)
{
  return self->n_ticks;
}
