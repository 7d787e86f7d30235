/* SPDX-License-Identifier: Apache-2.0 */
/* WhipPublisher: RTCP in and out; see publisher.h. */
#include "whip/publisher-private.h"

#include "base/clock.h"
#include "relay/hub.h"
#include "whip/log.h"

#define TICK_US (50 * BASE_US_PER_MS)
#define TICKS_PER_TWCC 2
#define TICKS_PER_REPORT 20
#define MAX_COMPOUND_BYTES 1200
#define MAX_NACKS_PER_COMPOUND 128
#define MAX_TWCC_PER_TICK 8
/* What we claim to be able to take. Without transport-cc nothing measures the
 * path, and a REMB that is lower than the truth would only hurt. */
#define REMB_BPS G_GUINT64_CONSTANT (20000000)

typedef struct
{
  guint8 data[MAX_COMPOUND_BYTES];
  gsize len;
} Compound;

/* begin: a compound begins with a report, unless the offer has rtcp-rsize
 * (RFC 5506). */
static void
begin (WhipPublisher *self, Compound *compound)
{
  compound->len = 0;
  if (self->plan.rtcp_rsize)
    return;
  rtc_rtcp_write_rr (compound->data, sizeof compound->data, &compound->len,
                     self->local_ssrc, NULL, 0);
  rtc_rtcp_write_sdes_cname (compound->data, sizeof compound->data,
                             &compound->len, self->local_ssrc, self->id);
}

static void
send_compound (WhipPublisher *self, const Compound *compound)
{
  rtc_transport_send_rtcp (self->transport, compound->data, compound->len);
}

static void
send_nacks (WhipPublisher *self, RtcMediaKind kind, gint64 now_us)
{
  WhipReceiver *receiver = self->media[kind]->receiver;
  guint16 seqs[MAX_NACKS_PER_COMPOUND];
  guint n_seqs;

  do
    {
      Compound compound;

      n_seqs = whip_receiver_collect_nacks (receiver, now_us, seqs,
                                            G_N_ELEMENTS (seqs));
      if (n_seqs == 0)
        break;
      begin (self, &compound);
      if (rtc_rtcp_write_nack (compound.data, sizeof compound.data,
                               &compound.len, self->local_ssrc,
                               whip_receiver_get_ssrc (receiver), seqs, n_seqs))
        send_compound (self, &compound);
    }
  while (n_seqs == G_N_ELEMENTS (seqs));
}

/* ask_keyframe: PLI, or FIR when the offer has nothing else */
static void
ask_keyframe (WhipPublisher *self, gint64 now_us)
{
  const WhipTrack *track = &self->plan.tracks[RTC_MEDIA_VIDEO];
  const WhipSource *source = self->media[RTC_MEDIA_VIDEO];
  guint32 ssrc = source ? source->ssrc : track->ssrc;
  Compound compound;
  gboolean ok;

  if (!track->is_present || !(track->pli || track->fir))
    return;
  self->is_keyframe_due = ssrc == 0;
  if (ssrc == 0)
    return;
  begin (self, &compound);
  if (track->pli)
    ok = rtc_rtcp_write_pli (compound.data, sizeof compound.data, &compound.len,
                             self->local_ssrc, ssrc);
  else
    ok = rtc_rtcp_write_fir (compound.data, sizeof compound.data, &compound.len,
                             self->local_ssrc, ssrc, self->fir_seq++);
  if (!ok)
    return;
  send_compound (self, &compound);
  self->keyframe_asked_us = now_us;
  WHIP_STAT_ADD (self, n_keyframe_requests, 1);
}

void
whip_publisher_want_keyframe (WhipPublisher *self)
{
  if (self->transport)
    ask_keyframe (self, base_clock_now_us ());
}

void
whip_feedback_on_video (WhipPublisher *self)
{
  if (self->is_keyframe_due)
    ask_keyframe (self, base_clock_now_us ());
}

/* count_losses: what the receiver has seen since the last time.
 * Returns: how many packets were given up */
static guint64
count_losses (WhipPublisher *self, RtcMediaKind kind)
{
  const WhipReceiverStats *stats =
      whip_receiver_get_stats (self->media[kind]->receiver);
  guint64 n_lost = stats->n_lost - self->stats.n_lost[kind];

  WHIP_STAT_SET (self, n_lost[kind], stats->n_lost);
  WHIP_STAT_SET (self, n_repaired[kind], stats->n_repaired);
  WHIP_STAT_SET (self, n_nacked[kind], stats->n_nacked);
  if (n_lost > 0)
    relay_publication_add_lost (self->publication, kind,
                                (guint)MIN (n_lost, G_MAXUINT));
  return n_lost;
}

static void
repair (WhipPublisher *self, gint64 now_us)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      if (!self->media[k])
        continue;
      send_nacks (self, (RtcMediaKind)k, now_us);
      /* The picture stays broken until a keyframe, whether or not a viewer
       * has noticed yet. */
      if (count_losses (self, (RtcMediaKind)k) > 0 && k == RTC_MEDIA_VIDEO
          && now_us - self->keyframe_asked_us >= BASE_US_PER_S)
        ask_keyframe (self, now_us);
    }
}

static void
on_turn_end (gpointer data)
{
  WhipPublisher *self = data;

  if (self->transport)
    repair (self, rtc_worker_get_turn_us (
                      rtc_transport_get_worker (self->transport)));
}

void
whip_feedback_defer (WhipPublisher *self)
{
  rtc_worker_defer (rtc_transport_get_worker (self->transport), on_turn_end,
                    self);
}

static void
send_twcc (WhipPublisher *self)
{
  const WhipSource *source = self->media[RTC_MEDIA_VIDEO]
                                 ? self->media[RTC_MEDIA_VIDEO]
                                 : self->media[RTC_MEDIA_AUDIO];

  for (guint i = 0; i < MAX_TWCC_PER_TICK; i++)
    {
      Compound compound;

      begin (self, &compound);
      if (!rtc_twcc_write (self->twcc, compound.data, sizeof compound.data,
                           &compound.len, self->local_ssrc,
                           source ? source->ssrc : 0))
        break;
      send_compound (self, &compound);
    }
}

static void
send_report (WhipPublisher *self, gint64 now_us)
{
  const WhipTrack *video = &self->plan.tracks[RTC_MEDIA_VIDEO];
  RtcReportBlock blocks[RTC_MEDIA_N_KINDS];
  guint32 ssrcs[RTC_MEDIA_N_KINDS];
  guint n_blocks = 0;
  Compound compound = { .len = 0 };

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->media[k]
        && whip_receiver_take_report (self->media[k]->receiver, now_us,
                                      &blocks[n_blocks]))
      ssrcs[n_blocks++] = self->media[k]->ssrc;
  rtc_rtcp_write_rr (compound.data, sizeof compound.data, &compound.len,
                     self->local_ssrc, blocks, n_blocks);
  rtc_rtcp_write_sdes_cname (compound.data, sizeof compound.data, &compound.len,
                             self->local_ssrc, self->id);
  if (video->remb && !video->twcc && n_blocks > 0)
    rtc_rtcp_write_remb (compound.data, sizeof compound.data, &compound.len,
                         self->local_ssrc, REMB_BPS, ssrcs, n_blocks);
  send_compound (self, &compound);
}

/* add_counters: what has come since the last time */
static void
add_counters (WhipPublisher *self)
{
  const WhipCounters *counters = self->counters;
  const WhipPublisherStats *now = &self->stats;
  WhipPublisherStats *last = &self->reported;

  if (!counters)
    return;
#define ADD(counter, field)                                                    \
  base_counter_add (counters->counter, (gint64)(now->field - last->field))
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      ADD (packets[k], n_packets[k]);
      ADD (bytes[k], n_bytes[k]);
      ADD (lost[k], n_lost[k]);
      ADD (repaired[k], n_repaired[k]);
      ADD (nacked[k], n_nacked[k]);
    }
  for (guint i = 0; i < WHIP_N_DROPS; i++)
    ADD (dropped[i], n_dropped[i]);
  ADD (keyframe_requests, n_keyframe_requests);
#undef ADD
  *last = *now;
}

static gboolean
on_tick (gpointer data)
{
  WhipPublisher *self = data;
  gint64 now_us = base_clock_now_us ();

  self->n_ticks++;
  repair (self, now_us);
  if (self->twcc && self->n_ticks % TICKS_PER_TWCC == 0)
    send_twcc (self);
  if (self->n_ticks % TICKS_PER_REPORT == 0)
    {
      send_report (self, now_us);
      add_counters (self);
    }
  return G_SOURCE_CONTINUE;
}

void
whip_feedback_start (WhipPublisher *self)
{
  self->timer = rtc_worker_add_tick (rtc_transport_get_worker (self->transport),
                                     TICK_US, on_tick, self);
}

void
whip_feedback_stop (WhipPublisher *self)
{
  rtc_worker_cancel_deferred (rtc_transport_get_worker (self->transport),
                              on_turn_end, self);
  g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->media[k])
      count_losses (self, (RtcMediaKind)k);
  add_counters (self);
}

typedef struct
{
  WhipPublisher *self;
  gint64 now_us;
} Reading;

static void
on_sr (guint32 ssrc, guint64 ntp, guint32 rtp_ts, guint32 n_packets,
       guint32 n_octets, gpointer data)
{
  Reading *reading = data;
  WhipPublisher *self = reading->self;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->media[k] && self->media[k]->ssrc == ssrc)
      {
        whip_receiver_on_sr (self->media[k]->receiver, ntp, reading->now_us);
        relay_publication_set_clock (self->publication, (RtcMediaKind)k, ntp,
                                     rtp_ts, reading->now_us);
      }
}

void
whip_publisher_on_rtcp (WhipPublisher *self, const guint8 *packet, gsize len,
                        gint64 now_us)
{
  /* BYE says nothing that the transport's end does not say better. */
  static const RtcRtcpSink sink = { .on_sr = on_sr };
  Reading reading = { self, now_us };

  if (!self->transport)
    return;
  if (!rtc_rtcp_read (packet, len, &sink, &reading))
    WHIP_STAT_ADD (self, n_dropped[WHIP_DROP_MALFORMED], 1);
}

void
whip_counters_register (WhipCounters *self, BaseMetrics *metrics)
{
  static const char *const kinds[] = { "kind=\"audio\"", "kind=\"video\"" };
  static const char *const drops[WHIP_N_DROPS] = {
    [WHIP_DROP_UNKNOWN_SSRC] = "reason=\"unknown_ssrc\"",
    [WHIP_DROP_LAYER] = "reason=\"simulcast_layer\"",
    [WHIP_DROP_PAYLOAD_TYPE] = "reason=\"payload_type\"",
    [WHIP_DROP_DUPLICATE] = "reason=\"duplicate\"",
    [WHIP_DROP_MALFORMED] = "reason=\"malformed\"",
  };
  static const double bounds[] = { RELAY_REPAIR_BOUNDS };

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->packets[k] = base_metrics_add_counter (
          metrics, "media_tree_rtp_packets_received_total", kinds[k],
          "RTP packets from publishers, retransmissions included");
      self->bytes[k] = base_metrics_add_counter (
          metrics, "media_tree_rtp_bytes_received_total", kinds[k],
          "Bytes of RTP from publishers");
      self->lost[k] = base_metrics_add_counter (
          metrics, "media_tree_rtp_packets_lost_total", kinds[k],
          "RTP packets of publishers that were given up");
      self->repaired[k] = base_metrics_add_counter (
          metrics, "media_tree_rtp_packets_repaired_total", kinds[k],
          "RTP packets of publishers that came after a NACK");
      self->nacked[k] = base_metrics_add_counter (
          metrics, "media_tree_nacks_sent_total", kinds[k],
          "Sequence numbers asked of publishers again");
    }
  self->keyframe_requests =
      base_metrics_add_counter (metrics, "media_tree_plis_sent_total", NULL,
                                "Keyframes asked of publishers");
  self->repair_seconds = base_metrics_add_histogram (
      metrics, RELAY_REPAIR_SECONDS, "from=\"publisher\"",
      RELAY_REPAIR_SECONDS_HELP, bounds, G_N_ELEMENTS (bounds));
  for (guint i = 0; i < WHIP_N_DROPS; i++)
    self->dropped[i] = base_metrics_add_counter (
        metrics, "media_tree_rtp_dropped_packets_total", drops[i],
        "RTP packets of publishers that were not used");
}
