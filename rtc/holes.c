/* SPDX-License-Identifier: Apache-2.0 */
/* RtcHoles: see the header. */
#include "rtc/holes.h"

#define NEVER G_MAXINT64

struct _RtcHoles
{
  RtcHolesConfig config;
  GArray *holes; /* of RtcHole, owned: ascending */
  guint64 n_lost;
};

RtcHoles *
rtc_holes_new (const RtcHolesConfig *config)
{
  RtcHoles *self;

  g_return_val_if_fail (config->max_holes > 0, NULL);
  self = g_new0 (RtcHoles, 1);
  self->config = *config;
  self->holes =
      g_array_sized_new (FALSE, FALSE, sizeof (RtcHole), config->max_holes + 1);
  return self;
}

void
rtc_holes_free (RtcHoles *self)
{
  g_return_if_fail (self);
  g_array_unref (self->holes);
  g_free (self);
}

static RtcHole *
hole_at (RtcHoles *self, guint index)
{
  return &g_array_index (self->holes, RtcHole, index);
}

/* hole_find: index of the first hole at or above @ext_seq */
static guint
hole_find (RtcHoles *self, guint64 ext_seq)
{
  guint low = 0, high = self->holes->len;

  while (low < high)
    {
      guint middle = (low + high) / 2;

      if (hole_at (self, middle)->ext_seq < ext_seq)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static void
note_given_up (RtcHoles *self, const RtcHole *hole)
{
  self->n_lost++;
  if (self->config.on_given_up)
    self->config.on_given_up (hole, self->config.data);
}

static void
give_up_lowest (RtcHoles *self, guint n_holes)
{
  if (n_holes == 0)
    return;
  for (guint i = 0; i < n_holes; i++)
    note_given_up (self, hole_at (self, i));
  g_array_remove_range (self->holes, 0, n_holes);
}

void
rtc_holes_set_retry_us (RtcHoles *self, gint64 retry_us)
{
  if (retry_us == self->config.retry_us)
    return;
  self->config.retry_us = retry_us;
  for (guint i = 0; i < self->holes->len; i++)
    if (hole_at (self, i)->n_tries > 0)
      hole_at (self, i)->due_us = hole_at (self, i)->asked_us + retry_us;
}

static void
add (RtcHoles *self, guint64 ext_seq, gint64 now_us)
{
  RtcHole hole = {
    .ext_seq = ext_seq,
    .found_us = now_us,
    .due_us = self->config.waits ? NEVER : now_us + self->config.first_delay_us,
  };
  guint len = self->holes->len, index = len;

  if (len > 0 && hole_at (self, len - 1)->ext_seq >= ext_seq)
    index = hole_find (self, ext_seq);
  if (index < len && hole_at (self, index)->ext_seq == ext_seq)
    return;
  if (len == self->config.max_holes)
    {
      if (index == 0) /* it is the lowest itself */
        {
          self->n_lost++;
          return;
        }
      give_up_lowest (self, 1);
      index--;
    }
  g_array_insert_val (self->holes, index, hole);
}

void
rtc_holes_add_range (RtcHoles *self, guint64 first, guint64 n_packets,
                     gint64 now_us)
{
  guint64 n_kept = MIN (n_packets, self->config.max_holes);
  guint64 from = first + (n_packets - n_kept);
  guint n_below;

  if (n_packets == 0)
    return;
  /* make room at once; what is below will have to go anyway */
  n_below = hole_find (self, from);
  if (n_below + n_kept > self->config.max_holes)
    give_up_lowest (
        self, (guint)MIN (n_below, n_below + n_kept - self->config.max_holes));
  self->n_lost += n_packets - n_kept;
  for (guint64 i = 0; i < n_kept; i++)
    add (self, from + i, now_us);
}

void
rtc_holes_allow (RtcHoles *self, guint64 last, gint64 now_us)
{
  for (guint i = 0; i < self->holes->len; i++)
    {
      RtcHole *hole = hole_at (self, i);

      if (hole->ext_seq > last)
        break;
      if (hole->due_us == NEVER)
        hole->due_us = now_us + self->config.first_delay_us;
    }
}

void
rtc_holes_mark (RtcHoles *self, guint64 ext_seq, guint32 marks)
{
  guint index = hole_find (self, ext_seq);

  if (index < self->holes->len && hole_at (self, index)->ext_seq == ext_seq)
    hole_at (self, index)->marks |= marks;
}

void
rtc_holes_unmark (RtcHoles *self, guint32 marks)
{
  for (guint i = 0; i < self->holes->len; i++)
    hole_at (self, i)->marks &= ~marks;
}

gboolean
rtc_holes_remove (RtcHoles *self, guint64 ext_seq, RtcHole *ret)
{
  guint index = hole_find (self, ext_seq);

  if (index == self->holes->len || hole_at (self, index)->ext_seq != ext_seq)
    return FALSE;
  if (ret)
    *ret = *hole_at (self, index);
  g_array_remove_index (self->holes, index);
  return TRUE;
}

guint
rtc_holes_collect (RtcHoles *self, gint64 now_us, RtcHole *ret, guint max)
{
  const RtcHolesConfig *config = &self->config;
  guint n_due = 0, n_kept = 0;

  for (guint i = 0; i < self->holes->len; i++)
    {
      RtcHole *hole = hole_at (self, i);
      gboolean is_due = now_us >= hole->due_us;

      if (now_us - hole->found_us >= config->give_up_us
          || (is_due && config->max_tries > 0
              && hole->n_tries >= config->max_tries))
        {
          note_given_up (self, hole);
          continue;
        }
      if (is_due && n_due < max)
        {
          hole->asked_us = now_us;
          hole->due_us = now_us + config->retry_us;
          hole->n_tries++;
          ret[n_due++] = *hole;
        }
      if (n_kept != i)
        *hole_at (self, n_kept) = *hole;
      n_kept++;
    }
  g_array_set_size (self->holes, n_kept);
  return n_due;
}

void
rtc_holes_give_up_below (RtcHoles *self, guint64 ext_seq)
{
  give_up_lowest (self, ext_seq == G_MAXUINT64 ? self->holes->len
                                               : hole_find (self, ext_seq));
}

guint
rtc_holes_get_n_holes (RtcHoles *self)
{
  return self->holes->len;
}

const RtcHole *
rtc_holes_peek (RtcHoles *self, guint index)
{
  return index < self->holes->len ? hole_at (self, index) : NULL;
}

guint64
rtc_holes_take_n_lost (RtcHoles *self)
{
  guint64 n = self->n_lost;

  self->n_lost = 0;
  return n;
}

void
rtc_holes_clear (RtcHoles *self)
{
  g_array_set_size (self->holes, 0);
  self->n_lost = 0;
}
