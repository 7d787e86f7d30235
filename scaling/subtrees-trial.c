/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtrees: is a subtree any good, and what follows for the next one
 * when it was not. */
#include "scaling/subtrees-private.h"
#include "scaling/survey.h"

#include "base/clock.h"

#include <string.h>

/* --- what a node does ------------------------------------------------------
 */

static guint64
since (guint64 now, guint64 then)
{
  return now - MIN (then, now);
}

/* has_room: who is refused there could have been served */
static gboolean
has_room (const ClusterLoad *load)
{
  return !load->is_warm && !load->is_draining
         && load->n_viewers < load->n_slots / 2;
}

static void
add (ScalingTally *tally, const ScalingTally *more)
{
  tally->n_drops += more->n_drops;
  tally->n_failures += more->n_failures;
  tally->n_joins += more->n_joins;
  tally->node_us += more->node_us;
}

static void
take_counters (ScalingBase *base, const ClusterLoad *load)
{
  base->n_drops = load->n_send_drops;
  base->n_failures = load->n_failures;
  base->n_joins = load->n_joins;
  base->n_refused = load->n_refused;
}

static ScalingBase *
get_base (ScalingSubtrees *self, const ScalingMember *member)
{
  ScalingBase *base = g_hash_table_lookup (self->bases, member->name);

  if (base != NULL)
    return base;
  base = g_new0 (ScalingBase, 1);
  g_hash_table_insert (self->bases, g_strdup (member->name), base);
  g_strlcpy (base->boot_id, member->beat->node.boot_id, sizeof base->boot_id);
  take_counters (base, &member->beat->load);
  return base;
}

static void
watch_member (ScalingSubtrees *self, ScalingPlace *place,
              const ScalingMember *member)
{
  const ClusterLoad *load = &member->beat->load;
  ScalingBase *base = get_base (self, member);
  ScalingTally *step = &place->step;
  guint64 n_refused;

  if (strcmp (base->boot_id, member->beat->node.boot_id) != 0)
    {
      *base = (ScalingBase){ 0 };
      g_strlcpy (base->boot_id, member->beat->node.boot_id,
                 sizeof base->boot_id);
      place->memo->n_restarts++;
    }
  n_refused = since (load->n_refused, base->n_refused);
  step->n_drops += since (load->n_send_drops, base->n_drops);
  step->n_failures += since (load->n_failures, base->n_failures)
                      + (has_room (load) ? n_refused : 0);
  step->n_joins += since (load->n_joins, base->n_joins) + n_refused;
  if (!member->is_relay && self->watched_us != 0)
    step->node_us += self->input->now_us - self->watched_us;
  take_counters (base, load);
}

/* is_deaf: it has viewers, and none of them has got anything */
static gboolean
is_deaf (const ScalingMember *member)
{
  const ClusterLoad *load = &member->beat->load;

  return !member->is_relay && load->n_viewers > 0
         && load->n_waiting >= load->n_viewers
         && !scaling_subtrees_hears (load);
}

static void
watch_place (ScalingSubtrees *self, ScalingPlace *place)
{
  ScalingMemo *memo = place->memo;
  gboolean deaf = FALSE;

  for (guint i = 0; i < place->n; i++)
    {
      const ScalingMember *member = self->members->pdata[place->first + i];

      if (member->gen != place->slot.gen || !scaling_member_is_fresh (member))
        continue;
      watch_member (self, place, member);
      deaf |= is_deaf (member);
      place->has_media |= member->beat->load.n_viewers > 0
                          && scaling_subtrees_hears (&member->beat->load);
    }
  if (!deaf || !scaling_subtrees_is_on_air (self))
    memo->deaf_us = 0;
  else if (memo->deaf_us == 0)
    memo->deaf_us = self->input->now_us;
}

/* compare: what the others did in the time of its trial */
static void
compare (ScalingSubtrees *self, const ScalingPlace *mine)
{
  add (&mine->memo->mine, &mine->step);
  for (guint i = 0; i < self->places->len; i++)
    {
      const ScalingPlace *place =
          &g_array_index (self->places, ScalingPlace, i);

      if (place != mine)
        add (&mine->memo->others, &place->step);
    }
}

static gint64
get_age_us (ScalingSubtrees *self, const ScalingPlace *place)
{
  return (self->input->now_wall_ms - place->slot.at_wall_ms) * BASE_US_PER_MS;
}

static gboolean
is_on_trial (ScalingSubtrees *self, const ScalingPlace *place)
{
  return place->slot.state == CLUSTER_SLOT_SERVING
         && get_age_us (self, place) <= self->trial.span_us;
}

void
scaling_subtrees_watch (ScalingSubtrees *self)
{
  for (guint i = 0; i < self->places->len; i++)
    {
      ScalingPlace *place = &g_array_index (self->places, ScalingPlace, i);

      if (place->slot.state == CLUSTER_SLOT_SERVING)
        watch_place (self, place);
    }
  self->watched_us = self->input->now_us;
  for (guint i = 0; i < self->places->len; i++)
    {
      const ScalingPlace *place =
          &g_array_index (self->places, ScalingPlace, i);

      if (!is_on_trial (self, place))
        continue;
      if (place->memo->trial_us == 0)
        place->memo->trial_us = self->input->now_us;
      else
        compare (self, place);
    }
}

/* --- against the others ----------------------------------------------------
 */

static double
get_drops (const ScalingTally *tally)
{
  return tally->node_us > 0
             ? (double)tally->n_drops * BASE_US_PER_S / (double)tally->node_us
             : 0;
}

static double
get_failure_ratio (const ScalingTally *tally)
{
  return (double)tally->n_failures / (double)MAX (tally->n_joins, 1);
}

static gboolean
has_media_elsewhere (ScalingSubtrees *self, const ScalingPlace *mine)
{
  for (guint i = 0; i < self->places->len; i++)
    {
      const ScalingPlace *place =
          &g_array_index (self->places, ScalingPlace, i);

      if (place->has_media && place->slot.ordinal != mine->slot.ordinal)
        return TRUE;
    }
  return FALSE;
}

static ScalingFault
judge_trial (ScalingSubtrees *self, const ScalingPlace *place)
{
  const ScalingTrial *trial = &self->trial;
  const ScalingMemo *memo = place->memo;
  const ScalingTally *mine = &memo->mine, *others = &memo->others;
  gint64 now_us = self->input->now_us;

  if (memo->n_restarts >= trial->max_restarts)
    return SCALING_FAULT_RESTARTS;
  if (now_us - memo->trial_us < trial->judge_us)
    return SCALING_FAULT_NONE;
  if (memo->deaf_us != 0 && now_us - memo->deaf_us >= trial->judge_us
      && has_media_elsewhere (self, place))
    return SCALING_FAULT_NO_MEDIA;
  if (get_drops (mine) > trial->drops_per_s
      && get_drops (mine) > trial->times_others * get_drops (others))
    return SCALING_FAULT_DROPS;
  if (mine->n_joins >= trial->min_joins
      && get_failure_ratio (mine) > trial->failure_ratio
      && get_failure_ratio (mine)
             > trial->times_others * get_failure_ratio (others))
    return SCALING_FAULT_FAILURES;
  return SCALING_FAULT_NONE;
}

/* --- a slot at a time ------------------------------------------------------
 */

/* is_gone: nobody of it beats, and nothing of it is known to run */
static gboolean
is_gone (ScalingSubtrees *self, const ScalingPlace *place)
{
  gint64 silent_us = self->input->now_us - place->memo->heard_us;

  if (self->input->instances == NULL
      || silent_us
             < (self->input->is_list_whole ? SCALING_DEAD_US : SCALING_LOST_US))
    return FALSE;
  for (guint i = 0; i < place->n; i++)
    {
      const ScalingMember *member = self->members->pdata[place->first + i];

      if (member->gen == place->slot.gen && scaling_member_runs (member))
        return FALSE;
    }
  return TRUE;
}

/* calm_down: nothing failed for as long as the longest wait */
static void
calm_down (ScalingMemo *memo, gint64 now_us)
{
  if (now_us - memo->wait_us > SCALING_BACKOFF_MAX_US)
    memo->n_failures = 0;
}

static ScalingFault
judge_starting (ScalingSubtrees *self, const ScalingPlace *place, gint64 age_us)
{
  if (age_us <= self->trial.start_us)
    return SCALING_FAULT_NONE;
  return scaling_subtrees_look_at_core (self, place) == SCALING_CORE_DEAF
             ? SCALING_FAULT_NO_MEDIA
             : SCALING_FAULT_NOT_UP;
}

/* judge_joined: a warm slot that receives nothing is none */
static ScalingFault
judge_joined (ScalingSubtrees *self, const ScalingPlace *place)
{
  ScalingMemo *memo = place->memo;
  gint64 now_us = self->input->now_us;

  if (scaling_subtrees_look_at_core (self, place) != SCALING_CORE_DEAF)
    memo->deaf_us = 0;
  else if (memo->deaf_us == 0)
    memo->deaf_us = now_us;
  return memo->deaf_us != 0 && now_us - memo->deaf_us > self->trial.start_us
             ? SCALING_FAULT_NO_MEDIA
             : SCALING_FAULT_NONE;
}

ScalingFault
scaling_subtrees_judge (ScalingSubtrees *self, const ScalingPlace *place)
{
  gint64 age_us = get_age_us (self, place);
  ClusterSlotState state = place->slot.state;

  if (state == CLUSTER_SLOT_STARTING)
    return judge_starting (self, place, age_us);
  if (state != CLUSTER_SLOT_JOINED && state != CLUSTER_SLOT_SERVING)
    return SCALING_FAULT_NONE;
  if (is_gone (self, place))
    return SCALING_FAULT_GONE;
  if (age_us > MAX (self->trial.span_us, SCALING_CALM_US))
    calm_down (place->memo, self->input->now_us);
  if (state == CLUSTER_SLOT_JOINED)
    return judge_joined (self, place);
  return is_on_trial (self, place) ? judge_trial (self, place)
                                   : SCALING_FAULT_NONE;
}

/* --- the next of the kind ---------------------------------------------------
 */

/* scaling_subtrees_note_rollback: those rolled back together count once */
void
scaling_subtrees_note_rollback (ScalingSubtrees *self,
                                const ScalingOrder *order, double jitter,
                                gint64 now_us)
{
  ScalingMark *mark = &self->mark;
  gint64 now_ms = (now_us + self->wall_offset_us) / BASE_US_PER_MS;
  gint64 wait_us = self->trial.backoff_max_us;

  if (self->trial.backoff_us == 0)
    return;
  mark->fault = order->fault;
  mark->ordinal = order->ordinal;
  mark->gen = order->gen;
  if (mark->wait_wall_ms > now_ms)
    return;
  if (mark->n_in_row < 20)
    wait_us = MIN (self->trial.backoff_us << mark->n_in_row, wait_us);
  mark->n_in_row = MIN (mark->n_in_row + 1, SCALING_MARK_MAX_IN_ROW);
  wait_us -= (gint64)((double)wait_us / 2 * CLAMP (jitter, 0, 1));
  mark->last_wall_ms = now_ms;
  mark->wait_wall_ms = now_ms + wait_us / BASE_US_PER_MS;
}

/* joins_well: as many came as it takes to say that they fail, and did not */
static gboolean
joins_well (ScalingSubtrees *self, const ScalingMemo *memo)
{
  return self->input->now_us - memo->trial_us >= self->trial.judge_us
         && memo->mine.n_joins >= self->trial.min_joins;
}

/* is_proof: it began after the last rollback, and is past what that one did not
 * get past */
static gboolean
is_proof (ScalingSubtrees *self, const ScalingPlace *place)
{
  const ScalingMemo *memo = place->memo;

  if (memo->begun_wall_ms <= self->mark.last_wall_ms
      || place->fault != SCALING_FAULT_NONE)
    return FALSE;
  if (place->slot.state == CLUSTER_SLOT_SERVING && memo->trial_us != 0
      && (self->input->now_us - memo->trial_us >= self->trial.span_us
          || (self->mark.fault == SCALING_FAULT_FAILURES
              && joins_well (self, memo))))
    return TRUE;
  return (self->mark.fault == SCALING_FAULT_NOT_UP
          || self->mark.fault == SCALING_FAULT_NO_MEDIA)
         && (place->slot.state == CLUSTER_SLOT_JOINED
             || place->slot.state == CLUSTER_SLOT_SERVING)
         && scaling_subtrees_is_ready (self, place);
}

/* is_old: what may have been wrong then need not be now; the store's clock may
 * have been set back, too */
static gboolean
is_old (ScalingSubtrees *self)
{
  gint64 age_us =
      (self->input->now_wall_ms - self->mark.last_wall_ms) * BASE_US_PER_MS;

  return age_us > 2 * self->trial.backoff_max_us
         || age_us < -self->trial.backoff_max_us;
}

/* is_rolling_back: one that is begun in this step, or will be */
static gboolean
is_rolling_back (ScalingSubtrees *self)
{
  for (guint i = 0; i < self->places->len; i++)
    if (g_array_index (self->places, ScalingPlace, i).fault
        > SCALING_FAULT_GONE)
      return self->trial.backoff_us > 0;
  return FALSE;
}

guint
scaling_subtrees_may_plan (ScalingSubtrees *self)
{
  ScalingMark *mark = &self->mark;
  gint64 left_ms = mark->wait_wall_ms - self->input->now_wall_ms;
  gboolean is_over = mark->n_in_row > 0 && is_old (self);
  guint n_begun = 0;

  if (is_rolling_back (self))
    return 0;
  for (guint i = 0; i < self->places->len && mark->n_in_row > 0; i++)
    {
      const ScalingPlace *place =
          &g_array_index (self->places, ScalingPlace, i);

      is_over |= is_proof (self, place);
      n_begun += cluster_slot_is_active (place->slot.state)
                 && place->memo->begun_wall_ms > mark->last_wall_ms;
    }
  if (is_over)
    *mark = (ScalingMark){ 0 };
  if (mark->n_in_row == 0)
    return G_MAXUINT;
  self->summary.n_rollbacks = mark->n_in_row;
  self->summary.rollback_wait_us = MAX (left_ms, 0) * BASE_US_PER_MS;
  return left_ms <= 0 && n_begun == 0;
}

/* --- words ------------------------------------------------------------------
 */

const char *
scaling_fault_get_name (ScalingFault fault)
{
  static const char *const names[] = { "none",     "gone",     "not_up",
                                       "no_media", "restarts", "drops",
                                       "failures" };

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == SCALING_FAULT_N);
  return names[fault];
}

const char *
scaling_fault_get_words (ScalingFault fault)
{
  static const char *const words[] = {
    "nothing is wrong",
    "all of it is gone",
    "it did not come up",
    "its nodes receive no media",
    "its nodes restart again and again",
    "it drops packets",
    "joins fail there",
  };

  G_STATIC_ASSERT (G_N_ELEMENTS (words) == SCALING_FAULT_N);
  return words[fault];
}
