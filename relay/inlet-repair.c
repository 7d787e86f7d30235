/* SPDX-License-Identifier: Apache-2.0 */
/* RelayInlet: what is missing, and asking for it. */
#include "relay/inlet-private.h"

#include <string.h>

#include "base/clock.h"

#define ASK_INTERVAL_US (5 * BASE_US_PER_MS)
#define MIN_RETRY_US (15 * BASE_US_PER_MS)
#define MAX_RETRY_US (100 * BASE_US_PER_MS)
/* One that is so far behind the others is catching up: what it has not sent
 * yet is still to come from it, but nobody waits for that. */
#define MAX_LAG 256
#define MAX_DUE 512 /* asked for at one time */

void
inlet_restart_numbers (RelayInlet *self)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->highest[k] = self->known[k] = 0;
      self->checked[k] = self->tree.first[k];
      rtc_holes_clear (self->holes[k]);
      self->n_lost[k] = 0;
    }
}

void
inlet_note_number (RelayInlet *self, RtcMediaKind kind, guint64 tree_seq,
                   gint64 now_us, gboolean *ret_was_asked)
{
  RtcHole hole;

  *ret_was_asked =
      rtc_holes_remove (self->holes[kind], tree_seq, &hole) && hole.n_tries > 0;
  if (*ret_was_asked)
    base_histogram_observe (self->repair_seconds,
                            (double)(now_us - hole.found_us) / BASE_US_PER_S);
  if (self->checked[kind] == 0 || self->checked[kind] == tree_seq)
    self->checked[kind] = tree_seq + 1;
  self->highest[kind] = MAX (self->highest[kind], tree_seq);
  self->known[kind] = MAX (self->known[kind], tree_seq);
}

guint64
inlet_get_missing (RelayInlet *self, RtcMediaKind kind)
{
  guint64 missing = self->checked[kind];

  if (self->highest[kind] == 0)
    return 0;
  while (missing <= self->highest[kind] && self->publication != NULL
         && relay_publication_has_tree (self->publication, kind, missing))
    missing++;
  if (rtc_holes_get_n_holes (self->holes[kind]) > 0)
    missing = MIN (missing, rtc_holes_peek (self->holes[kind], 0)->ext_seq);
  return missing;
}

/* Below it nothing comes unasked any more, from anybody. */
static guint64
inlet_get_passed (RelayInlet *self, RtcMediaKind kind, gint64 now_us)
{
  guint64 top = 0, low = G_MAXUINT64;

  for (guint i = 0; i < self->n_parents; i++)
    if (inlet_parent_is_good (self, self->parents[i], now_us))
      top = MAX (top, self->parents[i]->passed[kind]);
  if (top == 0)
    return 0;
  for (guint i = 0; i < self->n_parents; i++)
    {
      guint64 passed = self->parents[i]->passed[kind];

      if (passed != 0 && passed + MAX_LAG >= top
          && inlet_parent_is_good (self, self->parents[i], now_us))
        low = MIN (low, passed);
    }
  return low;
}

static gboolean
on_repair_tick (gpointer data)
{
  RelayInlet *self = data;

  if (!self->is_stopped
      && inlet_ask_repairs (self, rtc_worker_get_turn_us (self->home)))
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&self->repair_tick, g_source_unref);
  return G_SOURCE_REMOVE;
}

static void
find_holes (RelayInlet *self, RtcMediaKind kind, guint64 passed, gint64 now_us)
{
  guint64 from = self->checked[kind];

  while (from < passed)
    {
      guint64 to = from;

      while (to < passed
             && !relay_publication_has_tree (self->publication, kind, to))
        to++;
      if (to > from)
        rtc_holes_add_range (self->holes[kind], from, to - from, now_us);
      from = to + 1; /* @to is there, or the end */
    }
  self->checked[kind] = passed;
}

void
inlet_find_holes (RelayInlet *self, gint64 now_us)
{
  guint n = 0;

  if (self->publication == NULL)
    return;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      guint64 passed = inlet_get_passed (self, k, now_us);

      if (self->checked[k] != 0 && passed > self->checked[k])
        find_holes (self, k, passed, now_us);
      n += rtc_holes_get_n_holes (self->holes[k]);
    }
  if (n > 0 && self->repair_tick == NULL)
    self->repair_tick = rtc_worker_add_timer (self->home, ASK_INTERVAL_US,
                                              on_repair_tick, self);
}

/* --- asking -------------------------------------------------------------- */

/* Better ones first: the nearer, of them the one that brought more. */
static guint
list_good (RelayInlet *self, gint64 now_us, InletParent *good[INLET_MAX_LINKS])
{
  guint n = 0;

  for (guint i = 0; i < self->n_parents; i++)
    {
      InletParent *parent = self->parents[i];
      guint at = n;

      if (!inlet_parent_is_good (self, parent, now_us))
        continue;
      while (at > 0 && good[at - 1]->rtt_us > parent->rtt_us * 5 / 4)
        at--;
      memmove (&good[at + 1], &good[at], (n - at) * sizeof good[0]);
      good[at] = parent;
      n++;
    }
  return n;
}

/* There are never 32 at a time: a new list, and the old one beside it. */
G_STATIC_ASSERT (INLET_MAX_LINKS + RELAY_INLET_MAX_PARENTS <= 32);

void
inlet_mark_parent (RelayInlet *self, InletParent *parent)
{
  parent->mark = ~self->marks & (self->marks + 1); /* the lowest free one */
  self->marks |= parent->mark;
}

void
inlet_unmark_parent (RelayInlet *self, InletParent *parent)
{
  self->marks &= ~parent->mark;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    rtc_holes_unmark (self->holes[k], parent->mark);
}

/* Had another parent brought it, it would be no hole: that is no failure of
 * this one, whose answer may only have been slower. */
void
inlet_on_given_up (const RtcHole *hole, gpointer data)
{
  RelayInlet *self = data;

  for (guint i = 0; i < self->n_parents; i++)
    self->parents[i]->n_unrepaired +=
        (hole->marks & self->parents[i]->mark) != 0;
}

static void
send_nack (RelayInlet *self, InletParent *parent, RelayLinkMessage *message)
{
  if (message->nack.n_ranges == 0)
    return;
  inlet_parent_send (self, parent, message);
  message->nack.n_ranges = 0;
}

static void
add_nack (RelayInlet *self, InletParent *parent, RelayLinkMessage *message,
          RtcMediaKind kind, guint64 ext_seq)
{
  RelayLinkNackRange *last =
      message->nack.n_ranges > 0
          ? &message->nack.ranges[message->nack.n_ranges - 1]
          : NULL;

  self->stats.n_nacked++;
  parent->n_nacked++;
  rtc_holes_mark (self->holes[kind], ext_seq, parent->mark);
  if (last != NULL && last->kind == kind
      && last->first + last->n_packets == ext_seq
      && last->n_packets < G_MAXUINT16)
    {
      last->n_packets++;
      return;
    }
  if (message->nack.n_ranges == RELAY_LINK_MAX_NACKS)
    send_nack (self, parent, message);
  message->nack.ranges[message->nack.n_ranges++] =
      (RelayLinkNackRange){ kind, ext_seq, 1 };
}

/* First the better parent is asked, then each in turn. */
static void
ask_parents (RelayInlet *self, RtcMediaKind kind, const RtcHole *due,
             guint n_due, InletParent *const *good, guint n_good)
{
  for (guint i = 0; i < n_good; i++)
    {
      RelayLinkMessage message = { .type = RELAY_LINK_NACK };

      for (guint j = 0; j < n_due; j++)
        if ((due[j].n_tries - 1) % n_good == i)
          add_nack (self, good[i], &message, kind, due[j].ext_seq);
      send_nack (self, good[i], &message);
    }
}

static void
report_lost (RelayInlet *self, RtcMediaKind kind)
{
  guint n_lost = (guint)rtc_holes_take_n_lost (self->holes[kind]);

  if (n_lost == 0)
    return;
  self->n_lost[kind] += n_lost;
  self->stats.n_lost += n_lost;
  if (self->publication != NULL)
    relay_publication_add_lost (self->publication, kind, n_lost);
}

gboolean
inlet_ask_repairs (RelayInlet *self, gint64 now_us)
{
  RtcHole due[MAX_DUE];
  InletParent *good[INLET_MAX_LINKS];
  guint n_good = list_good (self, now_us, good);
  gint64 rtt_us = n_good > 0 ? good[n_good - 1]->rtt_us : 0;
  guint n_holes = 0;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      guint n_due;

      rtc_holes_set_retry_us (
          self->holes[k], CLAMP (rtt_us * 3 / 2, MIN_RETRY_US, MAX_RETRY_US));
      n_due = rtc_holes_collect (self->holes[k], now_us, due,
                                 self->repair && n_good > 0 ? MAX_DUE : 0);
      ask_parents (self, k, due, n_due, good, n_good);
      report_lost (self, k);
      n_holes += rtc_holes_get_n_holes (self->holes[k]);
    }
  return n_holes > 0;
}
