/* SPDX-License-Identifier: Apache-2.0 */
/* RelayInlet: which parents are asked, and when they are left. */
#include "relay/inlet-private.h"

#include <string.h>

#include "base/clock.h"
#include "relay/log.h"

/* how long the first parent has for its answer before the next is asked for
 * the GOP as well */
#define LEAD_US (60 * BASE_US_PER_MS)
#define HOPE_US (200 * BASE_US_PER_MS)
#define PENDING_US (2 * BASE_US_PER_S)
/* between candidates: all are silent, or one is missing */
#define STEP_US (20 * BASE_US_PER_MS)
#define SLOW_STEP_US (60 * BASE_US_PER_MS)
/* ours deliver without a break for so long: candidates are left */
#define SETTLED_US (2 * BASE_US_PER_S)
#define MAX_LEAVING_US (5 * BASE_US_PER_S)

/* --- the list ------------------------------------------------------------ */

static InletParent *
take_parent (RelayInlet *self, const RelayLinkParent *wanted)
{
  InletParent *new;

  for (guint i = 0; i < self->n_parents; i++)
    {
      InletParent *parent = self->parents[i];

      if (parent == NULL || strcmp (parent->parent.node, wanted->node) != 0
          || !rtc_addr_equal (&parent->parent.address, &wanted->address))
        continue;
      self->parents[i] = NULL;
      return parent;
    }
  new = inlet_parent_new (wanted);
  inlet_mark_parent (self, new);
  return new;
}

static void
drop_parent (RelayInlet *self, InletParent *parent)
{
  inlet_parent_leave (self, parent);
  if (self->lead == parent)
    self->lead = NULL;
  inlet_unmark_parent (self, parent);
  g_free (parent);
}

void
inlet_take_parents (RelayInlet *self, const RelayLinkParent *parents,
                    guint n_parents, guint n_active, gint64 now_us)
{
  InletParent *now[INLET_MAX_LINKS];
  guint n = 0;

  for (guint i = 0; i < n_parents; i++)
    {
      now[n] = take_parent (self, &parents[i]);
      now[n]->is_ours = i < n_active;
      now[n++]->is_leaving = FALSE;
    }
  for (guint i = 0; i < self->n_parents; i++)
    {
      InletParent *old = self->parents[i];

      if (old == NULL)
        continue;
      if (inlet_parent_is_good (self, old, now_us)
          && n < n_parents + (INLET_MAX_LINKS - RELAY_INLET_MAX_PARENTS))
        {
          if (!old->is_leaving)
            old->left_us = now_us;
          old->is_ours = FALSE;
          old->is_leaving = TRUE;
          now[n++] = old;
        }
      else
        drop_parent (self, old);
    }
  memcpy (self->parents, now, n * sizeof now[0]);
  self->n_parents = n;
  self->n_wanted = n_active > 0 ? n_active : MIN (n_parents, 1);
  self->settled_us = 0;
  inlet_choose_parents (self, now_us);
}

static void
remove_parent (RelayInlet *self, guint index)
{
  drop_parent (self, self->parents[index]);
  self->n_parents--;
  memmove (&self->parents[index], &self->parents[index + 1],
           (self->n_parents - index) * sizeof self->parents[0]);
}

guint
inlet_count_good (RelayInlet *self, gint64 now_us)
{
  guint n = 0;

  for (guint i = 0; i < self->n_parents; i++)
    n += inlet_parent_is_good (self, self->parents[i], now_us);
  return n;
}

/* --- asking -------------------------------------------------------------- */

/* Not answered yet, but there is no reason to give it up; or it waits for the
 * first of us. */
static gboolean
parent_is_hope (const RelayInlet *self, const InletParent *parent,
                gint64 now_us)
{
  gint64 limit_us = self->has_media ? INLET_SILENT_US : HOPE_US;

  if (self->silent_us != 0)
    return FALSE;
  if (!parent->is_asked)
    return parent->is_ours && now_us >= parent->retry_us;
  if (parent->is_pending)
    limit_us = PENDING_US;
  return !parent->has_status && now_us - parent->asked_us <= limit_us;
}

/* Before the first keyframe: it brought none. */
static gboolean
lead_has_failed (const RelayInlet *self, gint64 now_us)
{
  const InletParent *lead = self->lead;

  return lead == NULL || !lead->is_asked
         || (lead->has_status && inlet_parent_is_silent (lead, now_us))
         || now_us - lead->asked_us > (lead->has_status ? HOPE_US : LEAD_US);
}

static void
ask (RelayInlet *self, InletParent *parent, gint64 now_us)
{
  if (!inlet_has_begun (self) && lead_has_failed (self, now_us))
    self->lead = parent;
  inlet_parent_begin (self, parent, now_us);
}

/* Ours are always asked. One begins at the GOP, and the others at what is
 * missing when its keyframe is there: one GOP is enough, and whoever began
 * later would cut off its beginning. */
static void
ask_ours (RelayInlet *self, gint64 now_us)
{
  for (guint i = 0; i < self->n_parents; i++)
    {
      InletParent *parent = self->parents[i];

      if (!parent->is_ours || parent->is_asked || now_us < parent->retry_us)
        continue;
      if (inlet_has_begun (self) || lead_has_failed (self, now_us))
        ask (self, parent, now_us);
    }
}

static void
ask_candidate (RelayInlet *self, gint64 now_us)
{
  for (guint i = 0; i < self->n_parents; i++)
    {
      InletParent *parent = self->parents[i];

      if (parent->is_ours || parent->is_leaving || parent->is_asked
          || now_us < parent->retry_us)
        continue;
      GST_DEBUG ("stream=%s candidate=%s is asked", self->name,
                 parent->parent.node);
      self->added_us = now_us;
      ask (self, parent, now_us);
      return;
    }
}

/* Suspicion adds the next candidate, and drops nobody. */
static void
ask_candidates (RelayInlet *self, guint n_good, gint64 now_us)
{
  guint n = n_good;

  for (guint i = 0; i < self->n_parents; i++)
    {
      const InletParent *parent = self->parents[i];

      /* when nobody delivers, candidates do not wait for each other */
      if (parent_is_hope (self, parent, now_us)
          && (n_good > 0 || parent->is_ours))
        n++;
    }
  if (n < self->n_wanted
      && now_us - self->added_us >= (n_good == 0 ? STEP_US : SLOW_STEP_US))
    ask_candidate (self, now_us);
}

/* Nobody delivers any more: whoever comes back shall begin at what is missing,
 * not go on where he is. */
static void
note_silence (RelayInlet *self, guint n_good, gint64 now_us)
{
  if (n_good > 0 || !self->has_media || self->publication == NULL)
    {
      self->silent_us = 0;
      return;
    }
  if (self->silent_us != 0)
    return;
  self->silent_us = now_us;
  GST_DEBUG ("stream=%s all parents are silent", self->name);
  for (guint i = 0; i < self->n_parents; i++)
    if (self->parents[i]->is_asked)
      inlet_parent_begin (self, self->parents[i], now_us);
}

/* --- leaving ------------------------------------------------------------- */

static void
leave_candidates (RelayInlet *self, gint64 now_us)
{
  for (guint i = 0; i < self->n_parents; i++)
    {
      InletParent *parent = self->parents[i];

      if (parent->is_ours && !inlet_parent_is_good (self, parent, now_us))
        {
          self->settled_us = 0;
          return;
        }
    }
  if (self->settled_us == 0)
    self->settled_us = now_us;
  if (now_us - self->settled_us < SETTLED_US
      || self->parents[0]->is_ours == FALSE)
    return;
  for (guint i = 0; i < self->n_parents; i++)
    if (!self->parents[i]->is_ours && !self->parents[i]->is_leaving)
      inlet_parent_leave (self, self->parents[i]);
}

static void
leave_replaced (RelayInlet *self, gint64 now_us)
{
  guint n_good = 0;

  for (guint i = 0; i < self->n_parents; i++)
    n_good += !self->parents[i]->is_leaving
              && inlet_parent_delivers (self, self->parents[i], now_us);
  for (guint i = self->n_parents; i > 0; i--)
    {
      InletParent *parent = self->parents[i - 1];
      gint64 since_us = now_us - parent->left_us;

      if (parent->is_leaving
          && (n_good >= MAX (self->n_wanted, 1)
              || (n_good > 0 && since_us > MAX_LEAVING_US)
              || now_us - parent->heard_us > INLET_STATUS_US))
        remove_parent (self, i - 1);
    }
}

static void
count_failovers (RelayInlet *self, gint64 now_us)
{
  for (guint i = 0; i < self->n_parents; i++)
    {
      InletParent *parent = self->parents[i];
      gboolean is_good = inlet_parent_is_good (self, parent, now_us);

      if (parent->was_good && !is_good && self->publication != NULL)
        {
          GST_INFO ("stream=%s parent=%s is silent", self->name,
                    parent->parent.node);
          self->stats.n_failovers++;
        }
      parent->was_good = is_good;
    }
}

void
inlet_choose_parents (RelayInlet *self, gint64 now_us)
{
  guint n_good = inlet_count_good (self, now_us);

  if (self->n_parents == 0)
    return;
  count_failovers (self, now_us);
  note_silence (self, n_good, now_us);
  ask_ours (self, now_us);
  ask_candidates (self, n_good, now_us);
  leave_candidates (self, now_us);
  leave_replaced (self, now_us);
}

/* --- what goes with it --------------------------------------------------- */

void
inlet_choose_path (RelayInlet *self, gint64 now_us)
{
  const InletParent *best = NULL;

  for (guint i = 0; i < self->n_parents && best == NULL; i++)
    if (inlet_parent_is_good (self, self->parents[i], now_us)
        && self->parents[i]->is_current)
      best = self->parents[i];
  if (best == NULL || self->publication == NULL
      || (best->n_path == self->tree.n_path
          && memcmp (best->path, self->tree.path,
                     best->n_path * sizeof best->path[0])
                 == 0))
    return;
  self->tree.n_path = best->n_path;
  memcpy (self->tree.path, best->path, sizeof self->tree.path);
  inlet_apply_tree (self);
}

void
inlet_ask_keyframe (RelayInlet *self, gint64 now_us)
{
  RelayLinkMessage message = { .type = RELAY_LINK_KEYFRAME };
  guint n_asked = 0;

  for (guint i = 0; i < self->n_parents; i++)
    if (inlet_parent_is_good (self, self->parents[i], now_us))
      n_asked += inlet_parent_send (self, self->parents[i], &message);
  self->is_keyframe_wanted = n_asked == 0;
  if (n_asked > 0)
    self->stats.n_keyframe_requests++;
}
