/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtrees: heartbeats, instances and slots, put together. */
#include "base/clock.h"
#include "scaling/subtrees-private.h"
#include "scaling/survey.h"

#include <string.h>

/* --- members ------------------------------------------------------------ */

static ScalingMember *
get_member (ScalingSubtrees *self, const char *name)
{
  ScalingMember *member = g_hash_table_lookup (self->by_name, name);
  guint ordinal, gen;
  guint64 index;
  const char *word;

  if (member != NULL
      || !scaling_provision_parse_name (self->tree_id, name, &ordinal, &gen,
                                        &word))
    return member;
  member = g_new0 (ScalingMember, 1);
  member->name = g_strdup (name);
  member->ordinal = ordinal;
  member->gen = gen;
  member->is_relay = strcmp (word, "r") == 0;
  if (word[0] == 'e'
      && g_ascii_string_to_unsigned (word + 1, 10, 0, CLUSTER_MAX_NODES, &index,
                                     NULL))
    member->index = (guint)index + 1;
  g_ptr_array_add (self->members, member);
  g_hash_table_insert (self->by_name, member->name, member);
  return member;
}

static int
compare_members (gconstpointer a, gconstpointer b)
{
  const ScalingMember *left = *(ScalingMember *const *)a;
  const ScalingMember *right = *(ScalingMember *const *)b;

  if (left->ordinal != right->ordinal)
    return left->ordinal < right->ordinal ? -1 : 1;
  if (left->gen != right->gen)
    return left->gen < right->gen ? -1 : 1;
  return strcmp (left->name, right->name);
}

/* take_members: who beats, and what is listed. What cannot be made any more
 * because others are there is taken off hardLimit. */
static void
take_members (ScalingSubtrees *self)
{
  const ScalingSubtreesInput *input = self->input;
  guint n_used = input->n_nodes_elsewhere;

  g_hash_table_remove_all (self->by_name);
  g_ptr_array_set_size (self->members, 0);
  for (guint i = 0; i < input->beats->len; i++)
    {
      const ClusterBeat *beat = input->beats->pdata[i];
      ScalingMember *member = get_member (self, beat->node.node_id);

      n_used++;
      if (member != NULL)
        member->beat = beat;
    }
  for (guint i = 0; input->instances != NULL && i < input->instances->len; i++)
    {
      const ScalingInstance *instance = input->instances->pdata[i];
      ScalingMember *member = get_member (self, instance->name);

      if (member == NULL)
        continue;
      member->instance = instance;
      self->summary.n_instances += scaling_member_runs (member);
      n_used += scaling_member_runs (member) && member->beat == NULL;
    }
  g_ptr_array_sort (self->members, compare_members);
  self->summary.n_nodes = n_used - input->n_nodes_elsewhere;
  self->n_left =
      input->policy->n_max_nodes - MIN (n_used, input->policy->n_max_nodes);
}

void
scaling_subtrees_spend (ScalingSubtrees *self, guint n)
{
  self->n_left -= MIN (self->n_left, n);
  self->summary.n_nodes += n;
}

/* What is being made and not listed yet counts too. */
static void
count_pending (ScalingSubtrees *self)
{
  GHashTableIter iter;
  gpointer key, kind;

  g_hash_table_iter_init (&iter, self->pending);
  while (g_hash_table_iter_next (&iter, &key, &kind))
    {
      const ScalingMember *member = g_hash_table_lookup (self->by_name, key);

      if (GPOINTER_TO_INT (kind) == SCALING_ORDER_ENSURE
          && (member == NULL
              || (member->beat == NULL && !scaling_member_runs (member))))
        scaling_subtrees_spend (self, 1);
    }
}

gboolean
scaling_member_is_fresh (const ScalingMember *member)
{
  return member->beat != NULL && member->beat->age_ms <= SCALING_FRESH_MS;
}

gboolean
scaling_member_runs (const ScalingMember *member)
{
  return member->instance != NULL
         && member->instance->state != SCALING_INSTANCE_ENDED;
}

ScalingMember *
scaling_subtrees_find (ScalingSubtrees *self, guint ordinal, guint gen,
                       const char *member)
{
  g_autofree char *name =
      scaling_provision_dup_name (self->tree_id, ordinal, gen, member);

  return g_hash_table_lookup (self->by_name, name);
}

/* --- places ------------------------------------------------------------- */

static void
see_place (ScalingSubtrees *self, ScalingPlace *place)
{
  ScalingMemo *memo = scaling_subtrees_get_memo (self, place->slot.ordinal);
  ClusterSlotState state = place->slot.state;
  gint64 now_us = self->input->now_us;

  place->memo = memo;
  if (memo->gen != place->slot.gen)
    *memo = (ScalingMemo){ .gen = place->slot.gen,
                           .heard_us = now_us,
                           .n_failures = memo->n_failures,
                           .wait_us = memo->wait_us };
  memo->seen_us = now_us;
  if ((state == CLUSTER_SLOT_PLANNED || state == CLUSTER_SLOT_STARTING)
      && memo->begun_wall_ms == 0)
    memo->begun_wall_ms = place->slot.at_wall_ms;
  /* another leader began that */
  if (state == CLUSTER_SLOT_DRAINING && memo->rollback == SCALING_FAULT_NONE
      && self->mark.n_in_row > 0 && self->mark.ordinal == place->slot.ordinal
      && self->mark.gen == place->slot.gen)
    memo->rollback = self->mark.fault;
  if (state >= CLUSTER_SLOT_PLANNED && state <= CLUSTER_SLOT_JOINED)
    memo->is_closed = TRUE;
  else if (state == CLUSTER_SLOT_SERVING)
    memo->is_closed = FALSE;
  for (guint i = 0; i < place->n; i++)
    {
      const ScalingMember *member = self->members->pdata[place->first + i];

      if (member->gen == place->slot.gen && scaling_member_is_fresh (member))
        memo->heard_us = now_us;
    }
}

/* count_viewers: of its egress nodes. Of one that is silent the last word of
 * the subtree stays. */
static void
count_viewers (ScalingSubtrees *self, ScalingPlace *place)
{
  guint n_egress = 0, n_warm = 0, n_heard = 0;

  for (guint i = 0; i < place->n; i++)
    {
      const ScalingMember *member = self->members->pdata[place->first + i];
      const ClusterLoad *load;

      if (member->gen != place->slot.gen || member->is_relay)
        continue;
      n_egress++;
      if (member->beat == NULL)
        continue;
      load = &member->beat->load;
      n_heard++;
      n_warm += load->is_warm;
      place->n_viewers += load->n_viewers;
      if (!load->is_draining && !load->is_warm
          && scaling_member_is_fresh (member))
        place->n_free += load->n_slots - MIN (load->n_viewers, load->n_slots);
    }
  place->is_heard = n_heard == n_egress;
  place->is_warm = n_warm > 0 && n_warm == n_heard;
  if (place->is_heard)
    place->memo->n_viewers = place->n_viewers;
  else
    place->n_viewers = MAX (place->n_viewers, place->memo->n_viewers);
}

/* find_lost: the highest gen whose egress nodes beat; 0 = none */
static guint
find_lost (ScalingSubtrees *self, const ScalingPlace *place)
{
  guint gen = 0;

  for (guint i = 0; i < place->n; i++)
    {
      const ScalingMember *member = self->members->pdata[place->first + i];

      if (!member->is_relay && scaling_member_is_fresh (member)
          && !member->beat->load.is_draining)
        gen = MAX (gen, member->gen);
    }
  return gen;
}

/* add_places: slots and members are both by ordinal */
static void
add_places (ScalingSubtrees *self)
{
  const ScalingSubtreesInput *input = self->input;
  guint i = 0, k = 0;

  g_array_set_size (self->places, 0);
  while (i < input->n_slots || k < self->members->len)
    {
      const ScalingMember *member =
          k < self->members->len ? self->members->pdata[k] : NULL;
      ScalingPlace place = { .first = k };

      if (i < input->n_slots
          && (member == NULL || input->slots[i].ordinal <= member->ordinal))
        place.slot = input->slots[i++];
      else
        place.slot.ordinal = member->ordinal;
      while (k < self->members->len
             && ((ScalingMember *)self->members->pdata[k])->ordinal
                    == place.slot.ordinal)
        k++;
      place.n = k - place.first;
      if (place.slot.state == CLUSTER_SLOT_NONE)
        place.slot.gen = find_lost (self, &place);
      see_place (self, &place);
      count_viewers (self, &place);
      g_array_append_val (self->places, place);
    }
}

/* What is known of nodes that are no more. */
static void
forget_gone (ScalingSubtrees *self, GHashTable *table)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (!g_hash_table_contains (self->by_name, key))
      g_hash_table_iter_remove (&iter);
}

/* Ordinals that have neither slot nor node, and wait for nothing. */
static gboolean
is_idle (gpointer key, gpointer value, gpointer data)
{
  const ScalingMemo *memo = value;
  const ScalingSubtreesInput *input = data;

  return memo->seen_us != input->now_us && memo->wait_us <= input->now_us;
}

void
scaling_subtrees_look (ScalingSubtrees *self)
{
  const ScalingPolicy *policy = self->input->policy;
  guint n_before = self->input->instances == NULL ? self->summary.n_nodes : 0;

  /* without a list what it said last stays */
  if (self->input->instances == NULL)
    self->summary =
        (ScalingSubtreesSummary){ .n_instances = self->summary.n_instances,
                                  .n_pooled = self->summary.n_pooled };
  else
    self->summary = (ScalingSubtreesSummary){ 0 };
  self->trial = policy->trial;
  self->wall_offset_us =
      self->input->now_wall_ms * BASE_US_PER_MS - self->input->now_us;
  self->n_egress = MAX (policy->egress_per_subtree, 1);
  self->n_core = policy->n_warm_egress == 0
                     ? self->n_egress
                     : MIN (policy->n_warm_egress, self->n_egress);
  take_members (self);
  count_pending (self);
  self->summary.n_nodes = MAX (self->summary.n_nodes, n_before);
  add_places (self);
  forget_gone (self, self->bases);
  forget_gone (self, self->orphans);
  g_hash_table_foreach_remove (self->memos, is_idle, (gpointer)self->input);
}

/* --- is it ready -------------------------------------------------------- */

gboolean
scaling_subtrees_hears (const ClusterLoad *load)
{
  for (guint i = 0; i < load->n_links; i++)
    if (load->links[i].is_active && !load->links[i].is_silent
        && load->links[i].n_streams > 0)
      return TRUE;
  return FALSE;
}

gboolean
scaling_subtrees_is_on_air (ScalingSubtrees *self)
{
  for (guint i = 0; i < self->input->beats->len; i++)
    {
      const ClusterBeat *beat = self->input->beats->pdata[i];

      if ((beat->node.roles & CLUSTER_ROLE_INJECTION) != 0
          && beat->load.n_streams > 0)
        return TRUE;
    }
  return FALSE;
}

ScalingCore
scaling_subtrees_look_at_core (ScalingSubtrees *self, const ScalingPlace *place)
{
  gboolean on_air = scaling_subtrees_is_on_air (self);
  ScalingCore core = SCALING_CORE_READY;

  for (guint i = 0; i <= self->n_core; i++)
    {
      char word[12];
      const ScalingMember *member;

      g_snprintf (word, sizeof word, "e%u", i);
      member =
          scaling_subtrees_find (self, place->slot.ordinal, place->slot.gen,
                                 i < self->n_core ? word : "r");
      if (member == NULL || !scaling_member_is_fresh (member)
          || member->beat->load.is_draining)
        return SCALING_CORE_MISSING;
      if (on_air && !scaling_subtrees_hears (&member->beat->load))
        core = SCALING_CORE_DEAF;
    }
  return core;
}

gboolean
scaling_subtrees_is_ready (ScalingSubtrees *self, const ScalingPlace *place)
{
  return scaling_subtrees_look_at_core (self, place) == SCALING_CORE_READY;
}
