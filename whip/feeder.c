/* SPDX-License-Identifier: Apache-2.0 */
/* WhipFeeder: see feeder.h. */
#include "whip/feeder.h"

#include <string.h>

#include "rtc/rtcp.h"
#include "rtc/rtp.h"
#include "whip/log.h"
#include "whip/receiver.h"

#define TICK_US (G_USEC_PER_SEC / 4)
#define MAX_NACKS 16
#define CAPTURE_TIME_BYTES 16 /* 8 without the clock's offset */

typedef struct
{
  WhipReceiver *receiver; /* owned, nullable: no source yet */
  gint64 last_us;         /* of the source's last packet */
  guint64 n_lost;         /* told to the relay */
} Source;

struct _WhipFeeder
{
  gatomicrefcount ref;
  RelayHub *hub;       /* borrowed; main */
  RelayStream *stream; /* one reference */
  RtcWorker *home;     /* borrowed */
  char *name;          /* owned */
  RelayStreamInfo info;
  guint8 pts[RTC_MEDIA_N_KINDS];
  guint8 capture_time_id;
  gint64 collision_us;
  GBytes *params; /* owned, nullable */

  /* any, atomic */
  gint is_disabled;
  gint64 came_us[RTC_MEDIA_N_KINDS]; /* written on home; 0 = never */

  /* home */
  RelayPublication *publication; /* one reference; nullable */
  gboolean has_begun;            /* it is, or was, the stream's */
  gint64 last_us;                /* of any packet taken */
  Source sources[RTC_MEDIA_N_KINDS];
  GSource *timer; /* owned, nullable */

  WhipFeederStats stats; /* written on home, relaxed */
};

#define FEEDER_STAT_ADD(self, field, n)                                        \
  __atomic_store_n (&(self)->stats.field, (self)->stats.field + (n),           \
                    __ATOMIC_RELAXED)

WhipFeeder *
whip_feeder_ref (WhipFeeder *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

void
whip_feeder_unref (WhipFeeder *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->sources[k].receiver, whip_receiver_free);
  g_clear_pointer (&self->params, g_bytes_unref);
  relay_stream_unref (self->stream);
  g_free (self->name);
  g_free (self);
}

static void
unref_data (gpointer data)
{
  whip_feeder_unref (data);
}

RtcWorker *
whip_feeder_get_home (WhipFeeder *self)
{
  return self->home;
}

/* --- Home: the publication --------------------------------------------- */

static void
feeder_go_idle (WhipFeeder *self)
{
  relay_publication_end (self->publication);
  g_clear_pointer (&self->publication, relay_publication_unref);
  self->has_begun = FALSE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->sources[k].receiver, whip_receiver_free);
}

static void
report_lost (WhipFeeder *self, RtcMediaKind kind, gint64 now_us)
{
  Source *source = &self->sources[kind];
  guint16 seqs[MAX_NACKS];
  guint64 n_lost;

  if (source->receiver == NULL)
    return;
  (void)whip_receiver_collect_nacks (source->receiver, now_us, seqs, MAX_NACKS);
  n_lost = whip_receiver_get_stats (source->receiver)->n_lost;
  if (n_lost == source->n_lost)
    return;
  relay_publication_add_lost (self->publication, kind,
                              (guint)(n_lost - source->n_lost));
  FEEDER_STAT_ADD (self, n_lost[kind], n_lost - source->n_lost);
  source->n_lost = n_lost;
}

static gboolean
on_tick (gpointer data)
{
  WhipFeeder *self = data;
  gint64 now_us = rtc_worker_get_turn_us (self->home);

  if (!self->publication || !self->has_begun)
    return G_SOURCE_CONTINUE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    report_lost (self, k, now_us);
  if (!relay_publication_is_current (self->publication))
    return G_SOURCE_CONTINUE;
  if (relay_stream_is_taken (self->stream))
    {
      GST_INFO ("stream=%s another node has it now", self->name);
      feeder_go_idle (self);
    }
  else if (now_us - self->last_us >= WHIP_FEEDER_IDLE_US)
    {
      GST_INFO ("stream=%s no RTP for 5 s", self->name);
      feeder_go_idle (self);
    }
  return G_SOURCE_CONTINUE;
}

typedef struct
{
  WhipFeeder *feeder;            /* one reference */
  RelayPublication *publication; /* one reference */
} Arming;

static void
arming_free (gpointer data)
{
  Arming *mail = data;

  g_clear_pointer (&mail->publication, relay_publication_unref);
  whip_feeder_unref (mail->feeder);
  g_free (mail);
}

/* home: the stream has no publisher: the next packet may be one, again */
static void
arm (gpointer data)
{
  Arming *mail = data;
  WhipFeeder *self = mail->feeder;
  gboolean is_over = self->publication && self->has_begun
                     && !relay_publication_is_current (self->publication);

  if (!self->timer)
    self->timer = rtc_worker_add_tick (self->home, TICK_US, on_tick, self);
  if (is_over)
    feeder_go_idle (self);
  if (!self->publication)
    self->publication = g_steal_pointer (&mail->publication);
  arming_free (mail);
}

/* home: the last that happens here */
static void
disarm (gpointer data)
{
  WhipFeeder *self = data;

  if (self->timer)
    {
      g_source_destroy (self->timer);
      g_clear_pointer (&self->timer, g_source_unref);
    }
  if (self->publication)
    feeder_go_idle (self);
  whip_feeder_unref (self);
}

/* --- Home: packets ----------------------------------------------------- */

static void
on_keyframe_wanted (gpointer data)
{
  WhipFeeder *self = data;

  GST_DEBUG ("stream=%s a keyframe is awaited; its source cannot be asked",
             self->name);
}

gboolean
whip_feeder_is_silent (WhipFeeder *self, RtcMediaKind kind, gint64 now_us)
{
  const Source *source = &self->sources[kind];

  return !source->receiver || now_us - source->last_us >= self->collision_us;
}

/* take_source: %FALSE: @ssrc is not whom we listen to */
static gboolean
take_source (WhipFeeder *self, RtcMediaKind kind, guint32 ssrc, gint64 now_us)
{
  Source *source = &self->sources[kind];

  if (source->receiver && whip_receiver_get_ssrc (source->receiver) == ssrc)
    return TRUE;
  if (!whip_feeder_is_silent (self, kind, now_us))
    return FALSE;
  GST_INFO ("stream=%s ssrc=%08x is its %s now", self->name, ssrc,
            kind == RTC_MEDIA_VIDEO ? "video" : "audio");
  if (source->receiver)
    {
      report_lost (self, kind, now_us);
      relay_publication_restart_track (self->publication, kind);
    }
  g_clear_pointer (&source->receiver, whip_receiver_free);
  source->receiver = whip_receiver_new (
      ssrc, rtc_codec_clock_hz (self->info.tracks[kind].codec), FALSE);
  source->n_lost = 0;
  FEEDER_STAT_ADD (self, n_sources[kind], 1);
  return TRUE;
}

gboolean
whip_feeder_find_pt (WhipFeeder *self, guint kinds, guint8 pt,
                     RtcMediaKind *ret)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if ((kinds & 1u << k) && self->info.tracks[k].is_present
        && (self->pts[k] == pt || self->pts[k] == WHIP_FEEDER_ANY_PT))
      {
        *ret = k;
        return TRUE;
      }
  return FALSE;
}

gboolean
whip_feeder_find_ssrc (WhipFeeder *self, guint kinds, guint32 ssrc,
                       RtcMediaKind *ret)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if ((kinds & 1u << k) && self->sources[k].receiver
        && whip_receiver_get_ssrc (self->sources[k].receiver) == ssrc)
      {
        *ret = k;
        return TRUE;
      }
  return FALSE;
}

/* ensure_ours: the first packet makes the stream live.
 * Returns: %FALSE when somebody else has it */
static gboolean
ensure_ours (WhipFeeder *self)
{
  if (!self->publication || relay_stream_is_taken (self->stream))
    return FALSE;
  if (!self->has_begun)
    {
      self->has_begun = TRUE;
      relay_publication_begin (self->publication);
      if (self->params)
        {
          gsize len;
          const guint8 *data = g_bytes_get_data (self->params, &len);

          relay_publication_set_params (self->publication, data, (guint)len);
        }
    }
  return relay_publication_is_current (self->publication);
}

/* write_ext: the source's capture time by the tree's id. Other extensions have
 * no agreed ids here: they stay behind. Returns: bytes */
static guint
write_ext (WhipFeeder *self, const RtcRtp *rtp,
           guint8 ret[2 + CAPTURE_TIME_BYTES])
{
  guint len = 0;
  const guint8 *data = self->capture_time_id
                           ? rtc_rtp_ext_find (rtp, self->capture_time_id, &len)
                           : NULL;

  if (!data || (len != CAPTURE_TIME_BYTES / 2 && len != CAPTURE_TIME_BYTES))
    return 0;
  ret[0] = RTC_EXT_ABS_CAPTURE_TIME;
  ret[1] = (guint8)len;
  memcpy (ret + 2, data, len);
  return 2 + len;
}

static void
push (WhipFeeder *self, RtcMediaKind kind, const RtcRtp *rtp, gsize len,
      gint64 now_us)
{
  guint8 ext[2 + CAPTURE_TIME_BYTES];
  guint ext_len = write_ext (self, rtp, ext);

  FEEDER_STAT_ADD (self, n_packets[kind], 1);
  FEEDER_STAT_ADD (self, n_bytes[kind], len);
  relay_publication_push (self->publication, kind, rtp->seq, rtp->rtp_ts,
                          rtp->marker, ext_len ? ext : NULL, ext_len,
                          rtp->payload, rtp->payload_len, FALSE, now_us);
}

static void
take_rtp (WhipFeeder *self, guint kinds, const guint8 *data, gsize len,
          gint64 now_us)
{
  WhipReceived received;
  RtcMediaKind kind;
  WhipFeedDrop drop;
  RtcRtp rtp;

  if (!rtc_rtp_parse (data, len, &rtp))
    drop = WHIP_FEED_DROP_MALFORMED;
  else if (!whip_feeder_find_pt (self, kinds, rtp.pt, &kind))
    drop = WHIP_FEED_DROP_PAYLOAD_TYPE;
  else
    {
      __atomic_store_n (&self->came_us[kind], now_us, __ATOMIC_RELAXED);
      if (g_atomic_int_get (&self->is_disabled))
        drop = WHIP_FEED_DROP_DISABLED;
      else if (!ensure_ours (self))
        drop = WHIP_FEED_DROP_REPLACED;
      else if (!take_source (self, kind, rtp.ssrc, now_us))
        drop = WHIP_FEED_DROP_OTHER_SOURCE;
      else
        {
          self->last_us = self->sources[kind].last_us = now_us;
          received = whip_receiver_on_packet (
              self->sources[kind].receiver, rtp.seq, rtp.rtp_ts, FALSE, now_us);
          if (received != WHIP_RECEIVED_DUPLICATE
              && received != WHIP_RECEIVED_STRAY)
            {
              push (self, kind, &rtp, len, now_us);
              return;
            }
          drop = WHIP_FEED_DROP_DUPLICATE;
        }
    }
  FEEDER_STAT_ADD (self, n_dropped[drop], 1);
}

typedef struct
{
  WhipFeeder *feeder;
  guint kinds;
  gint64 now_us;
} Report;

static void
on_sr (guint32 ssrc, guint64 ntp, guint32 rtp_ts, guint32 n_packets,
       guint32 n_octets, gpointer data)
{
  Report *report = data;
  WhipFeeder *self = report->feeder;
  RtcMediaKind kind;

  if (!whip_feeder_find_ssrc (self, report->kinds, ssrc, &kind))
    return;
  FEEDER_STAT_ADD (self, n_sender_reports, 1);
  whip_receiver_on_sr (self->sources[kind].receiver, ntp, report->now_us);
  relay_publication_set_clock (self->publication, kind, ntp, rtp_ts,
                               report->now_us);
}

void
whip_feeder_take (WhipFeeder *self, guint kinds, const guint8 *data, gsize len,
                  gint64 now_us)
{
  static const RtcRtcpSink sink = { .on_sr = on_sr };
  Report report = { self, kinds, now_us };

  switch (rtc_demux (data, len))
    {
    case RTC_DEMUX_RTP:
      take_rtp (self, kinds, data, len, now_us);
      return;
    case RTC_DEMUX_RTCP:
      if (self->publication && rtc_rtcp_read (data, len, &sink, &report))
        return;
      break;
    case RTC_DEMUX_STUN:
    case RTC_DEMUX_DTLS:
    case RTC_DEMUX_UNKNOWN:
      break;
    }
  whip_feeder_count_drop (self, WHIP_FEED_DROP_MALFORMED, 1);
}

void
whip_feeder_set_clock (WhipFeeder *self, RtcMediaKind kind, guint64 ntp,
                       guint32 rtp_ts, gint64 now_us)
{
  if (self->publication && self->sources[kind].receiver)
    relay_publication_set_clock (self->publication, kind, ntp, rtp_ts, now_us);
}

void
whip_feeder_count_drop (WhipFeeder *self, WhipFeedDrop drop, guint64 n_packets)
{
  FEEDER_STAT_ADD (self, n_dropped[drop], n_packets);
}

/* --- Any thread -------------------------------------------------------- */

void
whip_feeder_set_enabled (WhipFeeder *self, gboolean is_enabled)
{
  g_atomic_int_set (&self->is_disabled, !is_enabled);
}

gboolean
whip_feeder_get_age (WhipFeeder *self, RtcMediaKind kind, gint64 now_us,
                     gint64 *ret_age_us)
{
  gint64 came_us = __atomic_load_n (&self->came_us[kind], __ATOMIC_RELAXED);

  if (!came_us)
    return FALSE;
  *ret_age_us = MAX (now_us - came_us, 0);
  return TRUE;
}

guint
whip_feeder_get_n_receivers (WhipFeeder *self)
{
  return relay_stream_get_n_receivers (self->stream);
}

void
whip_feeder_get_stats (WhipFeeder *self, WhipFeederStats *ret)
{
  const guint64 *from = (const guint64 *)&self->stats;
  guint64 *to = (guint64 *)ret;

  G_STATIC_ASSERT (sizeof (WhipFeederStats) % sizeof (guint64) == 0);
  for (guint i = 0; i < sizeof *ret / sizeof *to; i++)
    to[i] = __atomic_load_n (&from[i], __ATOMIC_RELAXED);
}

JsonObject *
whip_feeder_describe (WhipFeeder *self)
{
  static const char *const kinds[] = { "audio", "video" };
  static const char *const drops[WHIP_FEED_N_DROPS] = {
    "malformed", "payload_type", "other_source", "duplicate",
    "replaced",  "disabled",     "srtp",         "queue",
  };
  JsonObject *object = json_object_new ();
  WhipFeederStats stats;

  whip_feeder_get_stats (self, &stats);
  json_object_set_string_member (object, "stream", self->name);
  json_object_set_boolean_member (object, "enabled",
                                  !g_atomic_int_get (&self->is_disabled));
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      JsonObject *track;

      if (!self->info.tracks[k].is_present)
        continue;
      track = json_object_new ();
      json_object_set_int_member (track, "packets", (gint64)stats.n_packets[k]);
      json_object_set_int_member (track, "bytes", (gint64)stats.n_bytes[k]);
      json_object_set_int_member (track, "lost", (gint64)stats.n_lost[k]);
      json_object_set_int_member (track, "sources", (gint64)stats.n_sources[k]);
      json_object_set_object_member (object, kinds[k], track);
    }
  json_object_set_int_member (object, "sender_reports",
                              (gint64)stats.n_sender_reports);
  for (guint i = 0; i < WHIP_FEED_N_DROPS; i++)
    {
      g_autofree char *key = g_strdup_printf ("dropped_%s", drops[i]);

      json_object_set_int_member (object, key, (gint64)stats.n_dropped[i]);
    }
  return object;
}

/* --- Main -------------------------------------------------------------- */

/* Home finds out by itself; when he has gone, the hub says so. */
static void
on_replaced (gpointer data)
{
  WhipFeeder *self = data;

  GST_INFO ("stream=%s another publisher has it now", self->name);
}

/* Each publication ends once; whose has ended, and whether one is needed, is
 * known at home: there the spare one is thrown away. An open one also keeps
 * the stream. */
static void
send_publication (WhipFeeder *self)
{
  static const RelayPublicationCallbacks callbacks = { on_keyframe_wanted,
                                                       on_replaced };
  Arming *mail = g_new0 (Arming, 1);

  mail->feeder = whip_feeder_ref (self);
  mail->publication =
      relay_stream_add_publication (self->stream, &self->info, &callbacks,
                                    whip_feeder_ref (self), unref_data);
  rtc_worker_post (self->home, arm, mail, arming_free);
}

static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  WhipFeeder *self = data;

  if (stream == self->stream && event == RELAY_HUB_IDLE)
    send_publication (self);
}

WhipFeeder *
whip_feeder_new (RelayHub *hub, const WhipFeederConfig *config, GError **error)
{
  RelayStream *stream = relay_hub_ensure (hub, config->name, error);
  WhipFeeder *self;

  if (!stream)
    return NULL;
  self = g_new0 (WhipFeeder, 1);
  g_atomic_ref_count_init (&self->ref);
  self->hub = hub;
  self->stream = relay_stream_ref (stream);
  self->home = relay_stream_get_home (stream);
  self->name = g_strdup (config->name);
  self->info = config->info;
  memcpy (self->pts, config->pts, sizeof self->pts);
  self->capture_time_id = config->capture_time_id;
  self->collision_us = config->collision_us > 0 ? config->collision_us
                                                : WHIP_FEEDER_COLLISION_US;
  self->params = config->params ? g_bytes_ref (config->params) : NULL;
  relay_hub_add_listener (hub, on_hub_event, self);
  send_publication (self);
  return self;
}

void
whip_feeder_close (WhipFeeder *self)
{
  relay_hub_remove_listener (self->hub, on_hub_event, self);
  rtc_worker_post (self->home, disarm, self, unref_data);
}
