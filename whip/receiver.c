/* SPDX-License-Identifier: Apache-2.0 */
/* WhipReceiver: see receiver.h. */
#include "whip/receiver.h"

#include <string.h>

#include "base/clock.h"
#include "rtc/rtp.h"

#define FIRST_RETRY_US (50 * BASE_US_PER_MS)
#define MIN_RETRY_US (20 * BASE_US_PER_MS)
#define MAX_RETRY_US (400 * BASE_US_PER_MS)
#define GIVE_UP_US BASE_US_PER_S
/* RFC 3550 A.1 begins in the middle of nowhere; so do we, far enough from 0
 * that a reordered packet before the first stays positive. */
#define FIRST_CYCLE G_GUINT64_CONSTANT (65536)

typedef struct
{
  guint64 ext_seq;
  gint64 found_us;
  gint64 asked_us; /* last time; 0 = never */
  guint n_tries;
} Hole;

struct _WhipReceiver
{
  guint32 ssrc;
  guint32 clock_hz;
  gboolean repair;
  gboolean is_started;

  guint64 first, highest;
  GArray *holes; /* of Hole, owned: ascending */
  gboolean has_restart_seq;
  guint16 restart_seq; /* what a sender that started anew sends next */

  guint64 n_expected_prior, n_received_prior;
  guint64 n_received; /* since first, duplicates left out */
  guint32 last_transit;
  gboolean has_transit;
  guint32 jitter; /* clock units * 16 */

  guint32 last_sr;
  gint64 last_sr_us; /* 0 = none */
  gint64 rtt_us;
  WhipReceiverStats stats;
};

WhipReceiver *
whip_receiver_new (guint32 ssrc, guint32 clock_hz, gboolean repair)
{
  WhipReceiver *self = g_new0 (WhipReceiver, 1);

  self->ssrc = ssrc;
  self->clock_hz = clock_hz;
  self->repair = repair;
  self->holes =
      g_array_sized_new (FALSE, FALSE, sizeof (Hole), WHIP_RECEIVER_MAX_HOLES);
  return self;
}

void
whip_receiver_free (WhipReceiver *self)
{
  g_return_if_fail (self);
  g_array_unref (self->holes);
  g_free (self);
}

guint32
whip_receiver_get_ssrc (WhipReceiver *self)
{
  return self->ssrc;
}

static Hole *
hole_at (WhipReceiver *self, guint index)
{
  return &g_array_index (self->holes, Hole, index);
}

/* hole_find: index of the first hole at or above @ext_seq */
static guint
hole_find (WhipReceiver *self, guint64 ext_seq)
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
give_up_oldest (WhipReceiver *self, guint n_holes)
{
  if (n_holes == 0)
    return;
  g_array_remove_range (self->holes, 0, n_holes);
  self->stats.n_lost += n_holes;
}

/* restart: @seq begins a sequence that has nothing to do with the last one */
static void
restart (WhipReceiver *self, guint16 seq)
{
  give_up_oldest (self, self->holes->len);
  self->first = self->highest = FIRST_CYCLE + seq;
  self->n_received = 0;
  self->n_expected_prior = self->n_received_prior = 0;
  self->has_transit = self->has_restart_seq = FALSE;
  self->is_started = TRUE;
}

/* add_holes: [from, to) did not come */
static void
add_holes (WhipReceiver *self, guint64 from, guint64 to, gint64 now_us)
{
  guint64 n_missing = to - from;
  guint n_kept;

  if (n_missing > WHIP_RECEIVER_MAX_JUMP_PACKETS)
    {
      give_up_oldest (self, self->holes->len);
      self->stats.n_lost += n_missing;
      return;
    }
  n_kept = (guint)MIN (n_missing, WHIP_RECEIVER_MAX_HOLES);
  self->stats.n_lost += n_missing - n_kept;
  if (self->holes->len + n_kept > WHIP_RECEIVER_MAX_HOLES)
    give_up_oldest (self, self->holes->len + n_kept - WHIP_RECEIVER_MAX_HOLES);
  for (guint64 ext_seq = to - n_kept; ext_seq < to; ext_seq++)
    {
      Hole hole = { .ext_seq = ext_seq, .found_us = now_us };

      g_array_append_val (self->holes, hole);
    }
}

/* update_jitter: RFC 3550 A.8 */
static void
update_jitter (WhipReceiver *self, guint32 rtp_ts, gint64 now_us)
{
  gint64 arrival = now_us / BASE_US_PER_S * self->clock_hz
                   + now_us % BASE_US_PER_S * self->clock_hz / BASE_US_PER_S;
  guint32 transit = (guint32)arrival - rtp_ts;

  if (self->has_transit)
    {
      gint64 difference = (gint32)(transit - self->last_transit);
      guint32 d = (guint32)ABS (difference);

      /* A timestamp that jumps (a new source behind the same SSRC) is not
       * jitter, and would take minutes to fade. */
      if (d < self->clock_hz * 10)
        self->jitter += d - ((self->jitter + 8) >> 4);
    }
  self->last_transit = transit;
  self->has_transit = TRUE;
}

/* note_rtt: from the first time it was asked for. A lost NACK makes that too
 * long, which only makes us patient. */
static void
note_rtt (WhipReceiver *self, const Hole *hole, gint64 now_us)
{
  gint64 sample = now_us - hole->asked_us;

  if (hole->n_tries > 1)
    return;
  self->rtt_us = self->rtt_us == 0 ? MAX (sample, 1)
                                   : self->rtt_us + (sample - self->rtt_us) / 8;
}

/* fill: a packet at or below the highest */
static WhipReceived
fill (WhipReceiver *self, guint64 ext_seq, gint64 now_us)
{
  guint index = hole_find (self, ext_seq);
  WhipReceived result = WHIP_RECEIVED_LATE;

  if (index == self->holes->len || hole_at (self, index)->ext_seq != ext_seq)
    {
      self->stats.n_duplicates++;
      return WHIP_RECEIVED_DUPLICATE;
    }
  if (hole_at (self, index)->n_tries > 0)
    {
      note_rtt (self, hole_at (self, index), now_us);
      self->stats.n_repaired++;
      result = WHIP_RECEIVED_REPAIR;
    }
  g_array_remove_index (self->holes, index);
  self->n_received++;
  self->stats.n_packets++;
  return result;
}

/* on_far_behind: one such packet is a stray, two in sequence a new start */
static WhipReceived
on_far_behind (WhipReceiver *self, guint16 seq)
{
  if (self->has_restart_seq && self->restart_seq == seq)
    {
      restart (self, seq);
      self->n_received++;
      self->stats.n_packets++;
      return WHIP_RECEIVED_NEXT;
    }
  self->has_restart_seq = TRUE;
  self->restart_seq = (guint16)(seq + 1);
  return WHIP_RECEIVED_STRAY;
}

WhipReceived
whip_receiver_on_packet (WhipReceiver *self, guint16 seq, guint32 rtp_ts,
                         gboolean is_rtx, gint64 now_us)
{
  guint64 ext_seq;

  if (!self->is_started)
    {
      if (is_rtx)
        return WHIP_RECEIVED_STRAY;
      restart (self, seq);
    }
  else
    {
      ext_seq = rtc_seq_unwrap (self->highest, seq);
      if (ext_seq + WHIP_RECEIVER_MAX_JUMP_PACKETS < self->highest)
        return is_rtx ? WHIP_RECEIVED_STRAY : on_far_behind (self, seq);
      if (ext_seq <= self->highest)
        return fill (self, ext_seq, now_us);
      if (ext_seq > self->highest + 1)
        add_holes (self, self->highest + 1, ext_seq, now_us);
      self->highest = ext_seq;
      self->has_restart_seq = FALSE;
    }
  if (!is_rtx)
    update_jitter (self, rtp_ts, now_us);
  self->n_received++;
  self->stats.n_packets++;
  return WHIP_RECEIVED_NEXT;
}

gboolean
whip_receiver_has_holes (WhipReceiver *self)
{
  return self->holes->len > 0;
}

guint
whip_receiver_collect_nacks (WhipReceiver *self, gint64 now_us, guint16 *seqs,
                             guint max)
{
  gint64 retry_us = self->rtt_us > 0 ? CLAMP (self->rtt_us * 3 / 2,
                                              MIN_RETRY_US, MAX_RETRY_US)
                                     : FIRST_RETRY_US;
  guint n_seqs = 0, n_kept = 0;

  for (guint i = 0; i < self->holes->len; i++)
    {
      Hole *hole = hole_at (self, i);
      gboolean is_due =
          self->repair
          && (hole->n_tries == 0 || now_us - hole->asked_us >= retry_us);

      if (now_us - hole->found_us >= GIVE_UP_US
          || (is_due && hole->n_tries >= WHIP_RECEIVER_MAX_TRIES))
        {
          self->stats.n_lost++;
          continue;
        }
      if (is_due && n_seqs < max)
        {
          seqs[n_seqs++] = (guint16)hole->ext_seq;
          hole->asked_us = now_us;
          hole->n_tries++;
        }
      *hole_at (self, n_kept++) = *hole;
    }
  g_array_set_size (self->holes, n_kept);
  self->stats.n_nacked += n_seqs;
  return n_seqs;
}

void
whip_receiver_on_sr (WhipReceiver *self, guint64 ntp, gint64 now_us)
{
  self->last_sr = (guint32)(ntp >> 16);
  self->last_sr_us = now_us;
}

/* RFC 3550 A.3 */
gboolean
whip_receiver_take_report (WhipReceiver *self, gint64 now_us,
                           RtcReportBlock *ret)
{
  guint64 n_expected, n_expected_interval, n_received_interval;
  gint64 n_lost, n_lost_interval;

  if (!self->is_started)
    return FALSE;
  n_expected = self->highest - self->first + 1;
  n_lost = (gint64)(n_expected - self->n_received);
  n_expected_interval = n_expected - self->n_expected_prior;
  n_received_interval = self->n_received - self->n_received_prior;
  n_lost_interval = (gint64)(n_expected_interval - n_received_interval);
  self->n_expected_prior = n_expected;
  self->n_received_prior = self->n_received;

  *ret = (RtcReportBlock){
    .ssrc = self->ssrc,
    .n_lost = (gint32)CLAMP (n_lost, -0x800000, 0x7fffff),
    .ext_highest_seq = (guint32)(self->highest - FIRST_CYCLE),
    .jitter = self->jitter >> 4,
  };
  if (n_expected_interval > 0 && n_lost_interval > 0)
    ret->fraction_lost = (guint8)MIN (
        ((guint64)n_lost_interval << 8) / n_expected_interval, 255);
  if (self->last_sr_us > 0)
    {
      gint64 delay_us = now_us - self->last_sr_us;

      ret->last_sr = self->last_sr;
      ret->delay_since_sr =
          (guint32)MIN (delay_us * 65536 / BASE_US_PER_S, G_MAXUINT32);
    }
  return TRUE;
}

gint64
whip_receiver_get_rtt_us (WhipReceiver *self)
{
  return self->rtt_us;
}

const WhipReceiverStats *
whip_receiver_get_stats (WhipReceiver *self)
{
  return &self->stats;
}

gboolean
whip_rtx_undo (const guint8 *payload, guint len, guint16 *ret_osn)
{
  if (len < 2)
    return FALSE;
  *ret_osn = (guint16)(payload[0] << 8 | payload[1]);
  return TRUE;
}
