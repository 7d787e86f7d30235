/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtrees: which slots shall serve, be warm or go, and their next
 * step. */
#include "scaling/subtrees-private.h"

/* --- goals -------------------------------------------------------------- */

/* The lower, the sooner it counts. */
static guint
get_rank (ScalingSubtrees *self, const ScalingPlace *place)
{
  switch (place->slot.state)
    {
    case CLUSTER_SLOT_NONE: /* was open when the store forgot it, or warm */
      return place->is_warm ? 2 : 0;
    case CLUSTER_SLOT_SERVING:
      return 0;
    case CLUSTER_SLOT_JOINED:
      return scaling_subtrees_is_ready (self, place) ? 1 : 2;
    case CLUSTER_SLOT_STARTING:
      return 3;
    case CLUSTER_SLOT_PLANNED:
    case CLUSTER_SLOT_DRAINING:
    case CLUSTER_SLOT_GONE:
    case CLUSTER_SLOT_N:
    default:
      return 4;
    }
}

static gboolean
may_stay (const ScalingPlace *place)
{
  return place->fault == SCALING_FAULT_NONE
         && (cluster_slot_is_active (place->slot.state)
             || (place->slot.state == CLUSTER_SLOT_NONE
                 && place->slot.gen > 0));
}

/* compare_places: by rank; of those that serve who is not heard whole counts
 * first, for nobody knows how many are there, then who has most viewers; then
 * by ordinal */
static int
compare_places (gconstpointer a, gconstpointer b, gpointer data)
{
  const ScalingSubtrees *self = data;
  const ScalingPlace *left =
      &g_array_index (self->places, ScalingPlace, *(const guint *)a);
  const ScalingPlace *right =
      &g_array_index (self->places, ScalingPlace, *(const guint *)b);

  if (left->rank != right->rank)
    return left->rank < right->rank ? -1 : 1;
  if (left->rank == 0 && left->is_heard != right->is_heard)
    return right->is_heard ? -1 : 1;
  if (left->rank == 0 && left->n_viewers != right->n_viewers)
    return left->n_viewers > right->n_viewers ? -1 : 1;
  return left->slot.ordinal < right->slot.ordinal ? -1 : 1;
}

static void
rank_places (ScalingSubtrees *self)
{
  g_array_set_size (self->ranks, 0);
  for (guint i = 0; i < self->places->len; i++)
    {
      ScalingPlace *place = &g_array_index (self->places, ScalingPlace, i);

      place->rank = get_rank (self, place);
      if (may_stay (place))
        g_array_append_val (self->ranks, i);
    }
  g_array_sort_with_data (self->ranks, compare_places, self);
}

static gboolean
serves (const ScalingPlace *place)
{
  return place->slot.state == CLUSTER_SLOT_SERVING
         || (place->slot.state == CLUSTER_SLOT_NONE && place->slot.gen > 0
             && !place->is_warm);
}

static void
set_goals (ScalingSubtrees *self)
{
  const ScalingSubtreesInput *input = self->input;
  guint n_warm = 0;

  for (guint i = 0; i < self->ranks->len; i++)
    {
      ScalingPlace *place = &g_array_index (
          self->places, ScalingPlace, g_array_index (self->ranks, guint, i));

      if (i < input->n_desired)
        place->goal = SCALING_GOAL_SERVE;
      else if (place->slot.state == CLUSTER_SLOT_NONE || serves (place)
               || n_warm >= input->policy->n_warm)
        place->goal = SCALING_GOAL_GO;
      else
        {
          place->goal = SCALING_GOAL_WARM;
          n_warm++;
        }
    }
}

/* judge_places: what is no good does not count. For how it does one goes only
 * while others serve, and one a step. */
static void
judge_places (ScalingSubtrees *self)
{
  guint n_good = 0, n_bad = 0;

  scaling_subtrees_watch (self);
  for (guint i = 0; i < self->places->len; i++)
    {
      ScalingPlace *place = &g_array_index (self->places, ScalingPlace, i);

      place->fault = scaling_subtrees_judge (self, place);
      n_good += place->fault == SCALING_FAULT_NONE && serves (place);
    }
  for (guint i = 0; i < self->places->len; i++)
    {
      ScalingPlace *place = &g_array_index (self->places, ScalingPlace, i);

      if (place->slot.state == CLUSTER_SLOT_SERVING
          && place->fault > SCALING_FAULT_GONE && (n_good == 0 || n_bad++ > 0))
        place->fault = SCALING_FAULT_NONE;
    }
}

/* --- what runs ---------------------------------------------------------- */

static gboolean
is_missing (ScalingSubtrees *self, const ScalingPlace *place, const char *word)
{
  const ScalingMember *member =
      scaling_subtrees_find (self, place->slot.ordinal, place->slot.gen, word);

  return member == NULL
         || (member->beat == NULL && !scaling_member_runs (member));
}

static void
get_word (guint index, char *ret, gsize n_bytes)
{
  if (index == 0)
    g_strlcpy (ret, "r", n_bytes);
  else
    g_snprintf (ret, n_bytes, "e%u", index - 1);
}

/* fits: the core is made whole, or not begun */
static gboolean
fits (ScalingSubtrees *self, const ScalingPlace *place)
{
  guint n = 0;

  for (guint i = 0; i <= self->n_core; i++)
    {
      char word[12];

      get_word (i, word, sizeof word);
      n += is_missing (self, place, word);
    }
  if (n <= self->n_left)
    return TRUE;
  self->summary.is_limited = TRUE;
  return FALSE;
}

static void
ensure_one (ScalingSubtrees *self, const ScalingPlace *place, const char *word)
{
  ScalingMember wanted = { .ordinal = place->slot.ordinal,
                           .gen = place->slot.gen,
                           .is_relay = word[0] == 'r' };
  g_autofree char *name = NULL;

  if (!is_missing (self, place, word))
    return;
  if (self->n_left == 0)
    {
      self->summary.is_limited = TRUE;
      return;
    }
  name = scaling_provision_dup_name (self->tree_id, place->slot.ordinal,
                                     place->slot.gen, word);
  wanted.name = name;
  if (scaling_subtrees_order_name (self, SCALING_ORDER_ENSURE, &wanted,
                                   "it is not there"))
    scaling_subtrees_spend (self, 1);
}

/* ensure_members: the core first; the rest of a warm slot when it is wanted */
static void
ensure_members (ScalingSubtrees *self, const ScalingPlace *place)
{
  guint n = place->goal == SCALING_GOAL_SERVE ? self->n_egress : self->n_core;

  if (self->input->instances == NULL
      || place->memo->wait_us > self->input->now_us
      || (place->slot.state == CLUSTER_SLOT_STARTING && !fits (self, place)))
    return;
  for (guint i = 0; i <= n; i++)
    {
      char word[12];

      get_word (i, word, sizeof word);
      ensure_one (self, place, word);
    }
}

/* --- a slot's next step --------------------------------------------------- */

/* note_served: how long it took, when we saw it begin */
static void
note_served (ScalingSubtrees *self, const ScalingPlace *place)
{
  ScalingMemo *memo = place->memo;
  gint64 now_us = self->input->now_us;

  if (place->slot.state == CLUSTER_SLOT_SERVING)
    {
      if (memo->wanted_us != 0 && self->on_served != NULL)
        self->on_served (memo->was_warm, now_us - memo->wanted_us, self->data);
      memo->wanted_us = 0;
    }
  else if (place->goal != SCALING_GOAL_SERVE)
    memo->wanted_us = 0;
  else if (memo->wanted_us == 0)
    {
      memo->wanted_us = now_us;
      memo->was_warm = place->slot.state == CLUSTER_SLOT_JOINED;
    }
}

static void
go_on (ScalingSubtrees *self, const ScalingPlace *place)
{
  switch (place->slot.state)
    {
    case CLUSTER_SLOT_NONE:
      scaling_subtrees_move (self, place, CLUSTER_SLOT_SERVING,
                             "it serves, and the store had lost it");
      break;
    case CLUSTER_SLOT_PLANNED:
      if (self->input->instances != NULL
          && place->memo->wait_us <= self->input->now_us && fits (self, place))
        {
          scaling_subtrees_spend (self, self->n_core + 1);
          scaling_subtrees_move (self, place, CLUSTER_SLOT_STARTING,
                                 "its turn has come");
        }
      break;
    case CLUSTER_SLOT_STARTING:
      if (scaling_subtrees_is_ready (self, place))
        scaling_subtrees_move (self, place, CLUSTER_SLOT_JOINED,
                               "its core receives media");
      ensure_members (self, place);
      break;
    case CLUSTER_SLOT_JOINED:
      if (place->goal == SCALING_GOAL_SERVE
          && scaling_subtrees_is_ready (self, place))
        scaling_subtrees_move (self, place, CLUSTER_SLOT_SERVING,
                               "it is wanted");
      ensure_members (self, place);
      break;
    case CLUSTER_SLOT_SERVING:
      ensure_members (self, place);
      break;
    case CLUSTER_SLOT_DRAINING:
    case CLUSTER_SLOT_GONE:
    case CLUSTER_SLOT_N:
    default:
      break;
    }
}

/* drop_bad: what was judged goes, wanted or not */
static void
drop_bad (ScalingSubtrees *self)
{
  for (guint i = 0; i < self->places->len; i++)
    {
      const ScalingPlace *place =
          &g_array_index (self->places, ScalingPlace, i);

      if (place->fault != SCALING_FAULT_NONE)
        scaling_subtrees_move (self, place, CLUSTER_SLOT_DRAINING,
                               scaling_fault_get_words (place->fault));
    }
}

/* --- new ones ------------------------------------------------------------- */

/* plan_one: FALSE: hardLimit */
static gboolean
plan_one (ScalingSubtrees *self, const ClusterSlot *slot)
{
  const ScalingMemo *memo = scaling_subtrees_get_memo (self, slot->ordinal);
  ScalingPlace place = { .slot = *slot };

  if (self->n_left < self->n_core + 1)
    {
      self->summary.is_limited = TRUE;
      return FALSE;
    }
  scaling_subtrees_spend (self, self->n_core + 1);
  place.slot.gen++;
  /* one that waits has its place all the same: else failing ordinals would be
   * left for others without end */
  if (memo->wait_us <= self->input->now_us)
    scaling_subtrees_move (self, &place, CLUSTER_SLOT_PLANNED,
                           "there are too few");
  return TRUE;
}

/* count_waiting: who goes because it was no good, and may not come back yet,
 * has its place as well */
static guint
count_waiting (ScalingSubtrees *self)
{
  guint n = 0;

  for (guint i = 0; i < self->places->len; i++)
    {
      const ScalingPlace *place =
          &g_array_index (self->places, ScalingPlace, i);

      n += place->slot.state == CLUSTER_SLOT_DRAINING
           && place->memo->wait_us > self->input->now_us;
    }
  return n;
}

/* plan: the lowest ordinals that are free */
static void
plan (ScalingSubtrees *self)
{
  const ScalingSubtreesInput *input = self->input;
  guint n_wanted = input->n_desired + input->policy->n_warm;
  guint n_have = self->ranks->len + count_waiting (self);
  guint n =
      MIN (n_wanted - MIN (n_wanted, n_have), scaling_subtrees_may_plan (self));
  guint at = 0;

  for (guint ordinal = 0; n > 0 && ordinal < CLUSTER_MAX_SUBTREES; ordinal++)
    {
      ClusterSlot slot = { .ordinal = ordinal };

      if (at < self->places->len)
        {
          const ScalingPlace *place =
              &g_array_index (self->places, ScalingPlace, at);

          if (place->slot.ordinal == ordinal)
            {
              at++;
              /* nodes without a slot keep theirs until they are gone */
              if (place->slot.state != CLUSTER_SLOT_GONE)
                continue;
              slot = place->slot;
            }
        }
      if (input->instances == NULL || !plan_one (self, &slot))
        return;
      n--;
    }
}

/* --- the whole ------------------------------------------------------------ */

static void
count_place (ScalingSubtrees *self, const ScalingPlace *place)
{
  ScalingSubtreesSummary *summary = &self->summary;
  gint64 wait_us = place->memo->wait_us - self->input->now_us;

  switch (place->slot.state)
    {
    case CLUSTER_SLOT_PLANNED:
    case CLUSTER_SLOT_STARTING:
      summary->n_starting++;
      break;
    case CLUSTER_SLOT_JOINED:
      summary->n_warm += place->goal == SCALING_GOAL_WARM;
      summary->n_starting += place->goal == SCALING_GOAL_SERVE;
      break;
    case CLUSTER_SLOT_SERVING:
      summary->n_serving++;
      break;
    case CLUSTER_SLOT_DRAINING:
      summary->n_draining++;
      break;
    case CLUSTER_SLOT_NONE:
    case CLUSTER_SLOT_GONE:
    case CLUSTER_SLOT_N:
    default:
      break;
    }
  summary->longest_wait_us = MAX (summary->longest_wait_us, wait_us);
  if (place->goal != SCALING_GOAL_WARM)
    return;
  for (guint i = 0; i < place->n; i++)
    summary->n_pooled += scaling_member_runs (
        (ScalingMember *)self->members->pdata[place->first + i]);
}

void
scaling_subtrees_step (ScalingSubtrees *self, const ScalingSubtreesInput *input,
                       GArray *orders)
{
  g_array_set_size (orders, 0);
  self->input = input;
  self->orders = orders;
  scaling_subtrees_look (self);
  judge_places (self);
  rank_places (self);
  set_goals (self);
  /* first who goes: the store lets another serve only then */
  drop_bad (self);
  scaling_subtrees_give_back (self);
  for (guint i = 0; i < self->ranks->len; i++)
    {
      const ScalingPlace *place = &g_array_index (
          self->places, ScalingPlace, g_array_index (self->ranks, guint, i));

      note_served (self, place);
      if (place->goal != SCALING_GOAL_GO)
        go_on (self, place);
    }
  plan (self);
  self->summary.n_cold =
      MIN (self->n_left / (self->n_egress + 1), input->policy->n_cold);
  for (guint i = 0; i < self->places->len; i++)
    {
      const ScalingPlace *place =
          &g_array_index (self->places, ScalingPlace, i);

      if (place->slot.state == CLUSTER_SLOT_DRAINING)
        scaling_subtrees_drain (self, place);
      count_place (self, place);
    }
  scaling_subtrees_collect_orphans (self);
  self->input = NULL;
  self->orders = NULL;
}
