/* SPDX-License-Identifier: Apache-2.0 */
/* WhipReceiver: see receiver.h. */
#include "whip/receiver.h"

#include "base/clock.h"
#include "rtc/holes.h"
#include "rtc/rtp.h"

#define FIRST_RETRY_US (50 * BASE_US_PER_MS)
#define MIN_RETRY_US (20 * BASE_US_PER_MS)
#define MAX_RETRY_US (400 * BASE_US_PER_MS)
#define GIVE_UP_US BASE_US_PER_S
/* RFC 3550 A.1 begins in the middle of nowhere; so do we, far enough from 0
 * that a reordered packet before the first stays positive. */
#define FIRST_CYCLE G_GUINT64_CONSTANT (65536)

struct _WhipReceiver
{
  guint32 ssrc;
  guint32 clock_hz;
  gboolean is_started;

  guint64 first, highest;
  RtcHoles *holes; /* owned */
  gint64 repair_us;
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
  const RtcHolesConfig config = {
    .max_holes = WHIP_RECEIVER_MAX_HOLES,
    .max_tries = WHIP_RECEIVER_MAX_TRIES,
    .retry_us = FIRST_RETRY_US,
    .give_up_us = GIVE_UP_US,
    .waits = !repair, /* for ever */
  };
  WhipReceiver *self = g_new0 (WhipReceiver, 1);

  self->ssrc = ssrc;
  self->clock_hz = clock_hz;
  self->holes = rtc_holes_new (&config);
  return self;
}

void
whip_receiver_free (WhipReceiver *self)
{
  g_return_if_fail (self);
  rtc_holes_free (self->holes);
  g_free (self);
}

guint32
whip_receiver_get_ssrc (WhipReceiver *self)
{
  return self->ssrc;
}

static void
count_lost (WhipReceiver *self)
{
  self->stats.n_lost += rtc_holes_take_n_lost (self->holes);
}

static void
give_up_all (WhipReceiver *self)
{
  rtc_holes_give_up_below (self->holes, G_MAXUINT64);
  count_lost (self);
}

/* restart: @seq begins a sequence that has nothing to do with the last one */
static void
restart (WhipReceiver *self, guint16 seq)
{
  give_up_all (self);
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

  if (n_missing > WHIP_RECEIVER_MAX_JUMP_PACKETS)
    {
      give_up_all (self);
      self->stats.n_lost += n_missing;
      return;
    }
  rtc_holes_add_range (self->holes, from, n_missing, now_us);
  count_lost (self);
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
note_rtt (WhipReceiver *self, const RtcHole *hole, gint64 now_us)
{
  gint64 sample = now_us - hole->asked_us;

  if (hole->n_tries > 1)
    return;
  self->rtt_us = self->rtt_us == 0 ? MAX (sample, 1)
                                   : self->rtt_us + (sample - self->rtt_us) / 8;
  rtc_holes_set_retry_us (
      self->holes, CLAMP (self->rtt_us * 3 / 2, MIN_RETRY_US, MAX_RETRY_US));
}

/* fill: a packet at or below the highest */
static WhipReceived
fill (WhipReceiver *self, guint64 ext_seq, gint64 now_us)
{
  WhipReceived result = WHIP_RECEIVED_LATE;
  RtcHole hole;

  if (!rtc_holes_remove (self->holes, ext_seq, &hole))
    {
      self->stats.n_duplicates++;
      return WHIP_RECEIVED_DUPLICATE;
    }
  if (hole.n_tries > 0)
    {
      note_rtt (self, &hole, now_us);
      self->repair_us = now_us - hole.found_us;
      self->stats.n_repaired++;
      result = WHIP_RECEIVED_REPAIR;
    }
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

gint64
whip_receiver_get_repair_us (WhipReceiver *self)
{
  return self->repair_us;
}

gboolean
whip_receiver_has_holes (WhipReceiver *self)
{
  return rtc_holes_get_n_holes (self->holes) > 0;
}

guint
whip_receiver_collect_nacks (WhipReceiver *self, gint64 now_us, guint16 *seqs,
                             guint max)
{
  RtcHole due[WHIP_RECEIVER_MAX_HOLES];
  guint n_due = rtc_holes_collect (self->holes, now_us, due,
                                   MIN (max, G_N_ELEMENTS (due)));

  for (guint i = 0; i < n_due; i++)
    seqs[i] = (guint16)due[i].ext_seq;
  count_lost (self);
  self->stats.n_nacked += n_due;
  return n_due;
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
