/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtrees: how a subtree goes, and what belongs to none. */
#include "scaling/subtrees-private.h"

#include "base/clock.h"
#include "scaling/survey.h"

#include <string.h>

/* --- which one ------------------------------------------------------------
 */

/* count_room: for viewers of @leaving on what stays: others that serve, and
 * nodes of no subtree, less what those still have who go already */
static guint
count_room (ScalingSubtrees *self, const ScalingPlace *leaving)
{
  guint64 n_free = 0, n_moving = 0;

  for (guint i = 0; i < self->places->len; i++)
    {
      const ScalingPlace *place =
          &g_array_index (self->places, ScalingPlace, i);

      if (place->slot.state == CLUSTER_SLOT_DRAINING)
        n_moving += place->n_viewers;
      else if (place->slot.state == CLUSTER_SLOT_SERVING && place != leaving
               && place->fault == SCALING_FAULT_NONE)
        n_free += place->n_free;
    }
  for (guint i = 0; i < self->input->beats->len; i++)
    {
      const ClusterBeat *beat = self->input->beats->pdata[i];
      const ClusterLoad *load = &beat->load;

      if ((beat->node.roles & CLUSTER_ROLE_EGRESS) != 0 && !load->is_draining
          && beat->age_ms <= SCALING_FRESH_MS
          && !g_hash_table_contains (self->by_name, beat->node.node_id))
        n_free += load->n_slots - MIN (load->n_viewers, load->n_slots);
    }
  return (guint)MIN (n_free - MIN (n_moving, n_free), G_MAXUINT);
}

/* stay: what cannot go is kept whole meanwhile */
static void
stay (ScalingSubtrees *self)
{
  for (guint i = 0; i < self->ranks->len; i++)
    {
      ScalingPlace *place = &g_array_index (
          self->places, ScalingPlace, g_array_index (self->ranks, guint, i));

      if (place->slot.state == CLUSTER_SLOT_SERVING)
        place->goal = SCALING_GOAL_SERVE;
    }
}

/* scaling_subtrees_give_back: the last of the ranks first, of those that serve
 * one a step */
void
scaling_subtrees_give_back (ScalingSubtrees *self)
{
  gboolean is_one_going = FALSE;

  for (guint i = self->ranks->len; i-- > 0;)
    {
      const ScalingPlace *place = &g_array_index (
          self->places, ScalingPlace, g_array_index (self->ranks, guint, i));
      gboolean is_serving = place->slot.state == CLUSTER_SLOT_SERVING;

      if (place->goal != SCALING_GOAL_GO
          || place->slot.state == CLUSTER_SLOT_NONE
          || (is_serving && is_one_going))
        continue;
      is_one_going |= is_serving;
      if (is_serving && place->n_viewers > count_room (self, place))
        {
          self->summary.n_stuck = place->n_viewers;
          stay (self);
        }
      else
        scaling_subtrees_move (self, place,
                               place->slot.state == CLUSTER_SLOT_PLANNED
                                   ? CLUSTER_SLOT_GONE
                                   : CLUSTER_SLOT_DRAINING,
                               "it is not wanted any more");
    }
}

/* --- never two parents of one child ----------------------------------------
 */

static const ClusterBeat *
find_beat (ScalingSubtrees *self, const char *node_id)
{
  /* nodes that are no subtree's are few: they are looked for */
  const ScalingMember *member = g_hash_table_lookup (self->by_name, node_id);

  if (member != NULL)
    return member->beat;
  for (guint i = 0; i < self->input->beats->len; i++)
    {
      const ClusterBeat *beat = self->input->beats->pdata[i];

      if (strcmp (beat->node.node_id, node_id) == 0)
        return beat;
    }
  return NULL;
}

/* is_leaving: it has said so, or is being told */
static gboolean
is_leaving (ScalingSubtrees *self, const char *node_id)
{
  const ClusterBeat *beat = find_beat (self, node_id);
  gpointer kind;

  if (beat != NULL && beat->load.is_draining)
    return TRUE;
  return g_hash_table_lookup_extended (self->pending, node_id, NULL, &kind)
         && GPOINTER_TO_INT (kind) == SCALING_ORDER_DRAIN;
}

/* hangs_on: it hears @parent, and who else it hears is leaving */
static gboolean
hangs_on (ScalingSubtrees *self, const ClusterLoad *load, const char *parent)
{
  gboolean is_child = FALSE, is_other_leaving = FALSE;

  for (guint i = 0; i < load->n_links; i++)
    {
      const ClusterLink *link = &load->links[i];

      if (!link->is_active)
        continue;
      if (strcmp (link->node, parent) == 0)
        is_child = TRUE;
      else if (is_leaving (self, link->node))
        is_other_leaving = TRUE;
      else if (!link->is_silent)
        return FALSE;
    }
  return is_child && is_other_leaving;
}

/* may_drain: a child finds another parent before it lets this one go; only that
 * its two go at once is too much */
static gboolean
may_drain (ScalingSubtrees *self, const ScalingMember *relay)
{
  for (guint i = 0; i < self->input->beats->len; i++)
    {
      const ClusterBeat *beat = self->input->beats->pdata[i];

      if (hangs_on (self, &beat->load, relay->name))
        return FALSE;
    }
  return TRUE;
}

/* --- a subtree that goes ---------------------------------------------------
 */

static void
drain_node (ScalingSubtrees *self, const ScalingMember *member, gint64 left_ms,
            const char *why)
{
  ScalingOrder order = { .kind = SCALING_ORDER_DRAIN,
                         .ordinal = member->ordinal,
                         .gen = member->gen,
                         .drain_ms = (guint32)MAX (left_ms, 0),
                         .why = why };

  if (member->beat->load.is_draining
      || (member->is_relay && !may_drain (self, member)))
    return;
  g_strlcpy (order.name, member->name, sizeof order.name);
  scaling_subtrees_order (self, &order);
}

/* end_node: what stays when it should be gone */
static void
end_node (ScalingSubtrees *self, const ScalingPlace *place,
          const ScalingMember *member, gint64 age_ms)
{
  gboolean is_over =
      age_ms > self->input->drain_ms + (gint64)SCALING_DRAIN_OVER_MS;

  if (member->instance == NULL
      || member->instance->state == SCALING_INSTANCE_STOPPING)
    return;
  if (member->instance->state == SCALING_INSTANCE_ENDED)
    scaling_subtrees_order_name (self, SCALING_ORDER_REMOVE, member,
                                 "it has ended");
  else if (is_over)
    scaling_subtrees_order_name (self, SCALING_ORDER_REMOVE, member,
                                 "its time is over");
  else if (member->beat == NULL && place->memo->is_closed
           && age_ms > SCALING_DRAIN_OVER_MS)
    scaling_subtrees_order_name (self, SCALING_ORDER_REMOVE, member,
                                 "it is silent, and never had viewers");
}

static gboolean
has_ended (const ScalingMember *member)
{
  return member->beat == NULL && member->instance == NULL;
}

void
scaling_subtrees_drain (ScalingSubtrees *self, const ScalingPlace *place)
{
  const ScalingSubtreesInput *input = self->input;
  gint64 age_ms = input->now_wall_ms - place->slot.at_wall_ms;
  gint64 left_ms = input->drain_ms - age_ms;
  guint n_left = 0, n_egress = 0;

  for (guint i = 0; i < place->n; i++)
    {
      const ScalingMember *member = self->members->pdata[place->first + i];

      if (member->gen != place->slot.gen)
        continue;
      n_left += !has_ended (member);
      n_egress += !member->is_relay && member->beat != NULL;
    }
  for (guint i = 0; i < place->n; i++)
    {
      const ScalingMember *member = self->members->pdata[place->first + i];

      if (member->gen != place->slot.gen)
        continue;
      /* the relay feeds the others to the end */
      if (member->beat != NULL && (!member->is_relay || n_egress == 0))
        drain_node (self, member, left_ms, "its subtree goes");
      if (input->instances != NULL)
        end_node (self, place, member, age_ms);
    }
  if (n_left == 0 && input->instances != NULL
      && (input->is_list_whole || left_ms < -(gint64)SCALING_DRAIN_OVER_MS))
    scaling_subtrees_move (self, place, CLUSTER_SLOT_GONE, "nothing is left");
}

/* --- what is in no slot -----------------------------------------------------
 */

/* is_orphan: of another life, of a subtree that is no more, or more than a warm
 * slot runs: it was to serve for a while */
static gboolean
is_orphan (ScalingSubtrees *self, const ScalingPlace *place,
           const ScalingMember *member)
{
  ClusterSlotState state = place->slot.state;

  if (member->gen != place->slot.gen
      || (member->index == 0 && !member->is_relay))
    return TRUE;
  if (state == CLUSTER_SLOT_JOINED && place->goal == SCALING_GOAL_WARM)
    return member->index > self->n_core;
  if (state == CLUSTER_SLOT_NONE)
    return place->goal != SCALING_GOAL_SERVE;
  return !cluster_slot_is_active (state) && state != CLUSTER_SLOT_DRAINING;
}

/* get_age_us: for how long it has been one, as far as we know */
static gint64
get_age_us (ScalingSubtrees *self, const ScalingMember *member)
{
  gint64 now_us = self->input->now_us;
  gint64 *since_us = g_hash_table_lookup (self->orphans, member->name);

  if (since_us == NULL)
    {
      since_us = g_new (gint64, 1);
      *since_us = now_us;
      g_hash_table_insert (self->orphans, g_strdup (member->name), since_us);
    }
  return now_us - *since_us;
}

/* is_ripe: it was one for long enough. Who reaches the store knows itself that
 * it is not wanted: those that are left are cut off, or have ended; the watch
 * begins anew with each leader, so that of the latter is short */
static gboolean
is_ripe (const ScalingMember *member, gint64 age_us)
{
  gboolean is_dead = member->beat == NULL && member->instance != NULL
                     && member->instance->state == SCALING_INSTANCE_ENDED;

  return age_us > (is_dead ? SCALING_ORPHAN_ENDED_US : SCALING_ORPHAN_US);
}

/* collect: one that has viewers keeps them; one that nobody has, and that does
 * not end when its drain is over, is ended */
static void
collect (ScalingSubtrees *self, const ScalingMember *member, gint64 age_us)
{
  gint64 over_us = SCALING_ORPHAN_US
                   + (self->input->drain_ms + (gint64)SCALING_DRAIN_OVER_MS)
                         * BASE_US_PER_MS;

  if (member->beat != NULL && member->beat->load.n_viewers > 0)
    return;
  if (member->beat != NULL
      && !(member->beat->load.is_draining && age_us > over_us))
    drain_node (self, member, self->input->drain_ms,
                "it belongs to no subtree");
  else if (self->input->instances != NULL && member->instance != NULL
           && member->instance->state != SCALING_INSTANCE_STOPPING)
    scaling_subtrees_order_name (self, SCALING_ORDER_REMOVE, member,
                                 "it belongs to no subtree");
}

/* Nobody is heard at all: the store has lost them, not they themselves. */
static gboolean
is_deaf (ScalingSubtrees *self)
{
  for (guint i = 0; i < self->input->beats->len; i++)
    if (((ClusterBeat *)self->input->beats->pdata[i])->age_ms
        <= SCALING_FRESH_MS)
      return FALSE;
  return TRUE;
}

void
scaling_subtrees_collect_orphans (ScalingSubtrees *self)
{
  gboolean is_busy = is_deaf (self);

  for (guint i = 0; i < self->places->len; i++)
    {
      const ScalingPlace *place =
          &g_array_index (self->places, ScalingPlace, i);

      for (guint k = place->first; k < place->first + place->n; k++)
        {
          const ScalingMember *member = self->members->pdata[k];
          gint64 age_us;

          if (!is_orphan (self, place, member))
            {
              g_hash_table_remove (self->orphans, member->name);
              continue;
            }
          self->summary.n_orphans++;
          age_us = get_age_us (self, member);
          if (!is_ripe (member, age_us) || is_busy)
            continue;
          /* one at a time */
          collect (self, member, age_us);
          is_busy = g_hash_table_contains (self->pending, member->name);
        }
    }
}
