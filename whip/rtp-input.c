/* SPDX-License-Identifier: Apache-2.0 */
/* WhipRtpInput: see rtp-input.h. */
#include "whip/rtp-input.h"

#include "rtc/input.h"
#include "rtc/rtcp.h"
#include "rtc/rtp.h"
#include "whip/log.h"
#include "whip/receiver.h"

#define TICK_US (G_USEC_PER_SEC / 4)
#define MAX_INPUTS (2 * RTC_MEDIA_N_KINDS) /* RTP and RTCP of each track */
#define MAX_NACKS 16

typedef struct
{
  WhipReceiver *receiver; /* owned, nullable: no source yet */
  gint64 last_us;         /* of the source's last packet */
  guint64 n_lost;         /* told to the relay */
} Source;

/* One port, and whose packets may come there. */
typedef struct
{
  WhipRtpInput *owner; /* one reference */
  guint kinds;         /* bit k: RtcMediaKind k */
} Door;

struct _WhipRtpInput
{
  gatomicrefcount ref;
  RelayHub *hub;       /* borrowed; main */
  RelayStream *stream; /* one reference */
  RtcWorker *home;     /* borrowed */
  char *name;          /* owned */
  WhipRtpTrack tracks[RTC_MEDIA_N_KINDS];
  RelayStreamInfo info;
  RtcInput *inputs[MAX_INPUTS]; /* owned; main */
  guint n_inputs;
  guint ports[RTC_MEDIA_N_KINDS];
  gboolean has_ended; /* main */

  /* media */
  RelayPublication *publication; /* one reference; nullable */
  gboolean has_begun;            /* it is, or was, the stream's */
  gint64 last_us;                /* of any packet taken */
  Source sources[RTC_MEDIA_N_KINDS];
  GSource *timer; /* owned, nullable */

  WhipRtpInputStats stats; /* written on media, relaxed */
};

#define INPUT_STAT_ADD(self, field, n)                                         \
  __atomic_store_n (&(self)->stats.field, (self)->stats.field + (n),           \
                    __ATOMIC_RELAXED)

static WhipRtpInput *
input_ref (WhipRtpInput *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

static void
input_unref (gpointer data)
{
  WhipRtpInput *self = data;

  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->sources[k].receiver, whip_receiver_free);
  relay_stream_unref (self->stream);
  g_free (self->name);
  g_free (self);
}

/* --- Media: the publication -------------------------------------------- */

static void
input_go_idle (WhipRtpInput *self)
{
  relay_publication_end (self->publication);
  g_clear_pointer (&self->publication, relay_publication_unref);
  self->has_begun = FALSE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->sources[k].receiver, whip_receiver_free);
}

static void
report_lost (WhipRtpInput *self, RtcMediaKind kind, gint64 now_us)
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
  INPUT_STAT_ADD (self, n_lost[kind], n_lost - source->n_lost);
  source->n_lost = n_lost;
}

static gboolean
on_tick (gpointer data)
{
  WhipRtpInput *self = data;
  gint64 now_us = rtc_worker_get_turn_us (self->home);

  if (!self->publication || !self->has_begun)
    return G_SOURCE_CONTINUE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    report_lost (self, k, now_us);
  if (relay_publication_is_current (self->publication)
      && now_us - self->last_us >= WHIP_RTP_INPUT_IDLE_US)
    {
      GST_INFO ("stream=%s no RTP for 5 s", self->name);
      input_go_idle (self);
    }
  return G_SOURCE_CONTINUE;
}

typedef struct
{
  WhipRtpInput *input;           /* one reference */
  RelayPublication *publication; /* one reference */
} Arming;

static void
arming_free (gpointer data)
{
  Arming *mail = data;

  g_clear_pointer (&mail->publication, relay_publication_unref);
  input_unref (mail->input);
  g_free (mail);
}

/* media: the stream has no publisher: the next packet may be one, again */
static void
arm (gpointer data)
{
  Arming *mail = data;
  WhipRtpInput *self = mail->input;
  gboolean is_over = self->publication && self->has_begun
                     && !relay_publication_is_current (self->publication);

  if (!self->timer)
    self->timer = rtc_worker_add_tick (self->home, TICK_US, on_tick, self);
  if (is_over)
    input_go_idle (self);
  if (!self->publication)
    self->publication = g_steal_pointer (&mail->publication);
  arming_free (mail);
}

/* media: the last that happens here */
static void
disarm (gpointer data)
{
  WhipRtpInput *self = data;

  if (self->timer)
    {
      g_source_destroy (self->timer);
      g_clear_pointer (&self->timer, g_source_unref);
    }
  if (self->publication)
    input_go_idle (self);
  input_unref (self);
}

/* --- Media: packets ---------------------------------------------------- */

static void
on_keyframe_wanted (gpointer data)
{
  WhipRtpInput *self = data;

  GST_DEBUG ("stream=%s a keyframe is awaited; plain RTP cannot be asked",
             self->name);
}

/* take_source: %FALSE: @ssrc is not whom we listen to */
static gboolean
take_source (WhipRtpInput *self, RtcMediaKind kind, guint32 ssrc, gint64 now_us)
{
  Source *source = &self->sources[kind];
  gboolean is_first = source->receiver == NULL;

  if (!is_first && whip_receiver_get_ssrc (source->receiver) == ssrc)
    return TRUE;
  if (!is_first && now_us - source->last_us < WHIP_RTP_INPUT_SOURCE_US)
    return FALSE;
  GST_INFO ("stream=%s %s from ssrc=%08x", self->name,
            kind == RTC_MEDIA_VIDEO ? "video" : "audio", ssrc);
  if (!is_first)
    {
      report_lost (self, kind, now_us);
      relay_publication_restart_track (self->publication, kind);
    }
  g_clear_pointer (&source->receiver, whip_receiver_free);
  source->receiver = whip_receiver_new (
      ssrc, rtc_codec_clock_hz (self->tracks[kind].info.codec), FALSE);
  source->n_lost = 0;
  INPUT_STAT_ADD (self, n_sources[kind], 1);
  return TRUE;
}

static gboolean
find_kind (WhipRtpInput *self, guint kinds, guint8 pt, RtcMediaKind *ret)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if ((kinds & 1u << k) && self->tracks[k].pt == pt)
      {
        *ret = k;
        return TRUE;
      }
  return FALSE;
}

/* ensure_ours: the first packet makes the stream live.
 * Returns: %FALSE when somebody else has it */
static gboolean
ensure_ours (WhipRtpInput *self)
{
  if (!self->publication)
    return FALSE;
  if (!self->has_begun)
    {
      self->has_begun = TRUE;
      relay_publication_begin (self->publication);
    }
  return relay_publication_is_current (self->publication);
}

static void
take_rtp (WhipRtpInput *self, guint kinds, const guint8 *data, gsize len,
          gint64 now_us)
{
  WhipReceived received;
  RtcMediaKind kind;
  WhipRtpDrop drop;
  RtcRtp rtp;

  if (!rtc_rtp_parse (data, len, &rtp))
    drop = WHIP_RTP_DROP_MALFORMED;
  else if (!find_kind (self, kinds, rtp.pt, &kind))
    drop = WHIP_RTP_DROP_PAYLOAD_TYPE;
  else if (!ensure_ours (self))
    drop = WHIP_RTP_DROP_REPLACED;
  else if (!take_source (self, kind, rtp.ssrc, now_us))
    drop = WHIP_RTP_DROP_OTHER_SOURCE;
  else
    {
      self->last_us = self->sources[kind].last_us = now_us;
      received = whip_receiver_on_packet (self->sources[kind].receiver, rtp.seq,
                                          rtp.rtp_ts, FALSE, now_us);
      drop = WHIP_RTP_DROP_DUPLICATE;
      if (received != WHIP_RECEIVED_DUPLICATE
          && received != WHIP_RECEIVED_STRAY)
        {
          INPUT_STAT_ADD (self, n_packets[kind], 1);
          INPUT_STAT_ADD (self, n_bytes[kind], len);
          /* header extensions have no agreed ids here: they stay behind */
          relay_publication_push (self->publication, kind, rtp.seq, rtp.rtp_ts,
                                  rtp.marker, NULL, 0, rtp.payload,
                                  rtp.payload_len, FALSE, now_us);
          return;
        }
    }
  INPUT_STAT_ADD (self, n_dropped[drop], 1);
}

typedef struct
{
  WhipRtpInput *input;
  guint kinds;
  gint64 now_us;
} Report;

static void
on_sr (guint32 ssrc, guint64 ntp, guint32 rtp_ts, guint32 n_packets,
       guint32 n_octets, gpointer data)
{
  Report *report = data;
  WhipRtpInput *self = report->input;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      WhipReceiver *receiver = self->sources[k].receiver;

      if (!(report->kinds & 1u << k) || !receiver
          || whip_receiver_get_ssrc (receiver) != ssrc)
        continue;
      INPUT_STAT_ADD (self, n_sender_reports, 1);
      whip_receiver_on_sr (receiver, ntp, report->now_us);
      relay_publication_set_clock (self->publication, k, ntp, rtp_ts,
                                   report->now_us);
    }
}

static void
on_packet (RtcInput *input, const RtcPath *path, guint8 *data, gsize len,
           gint64 now_us, gpointer user_data)
{
  static const RtcRtcpSink sink = { .on_sr = on_sr };
  const Door *door = user_data;
  WhipRtpInput *self = door->owner;
  Report report = { self, door->kinds, now_us };

  switch (rtc_demux (data, len))
    {
    case RTC_DEMUX_RTP:
      take_rtp (self, door->kinds, data, len, now_us);
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
  INPUT_STAT_ADD (self, n_dropped[WHIP_RTP_DROP_MALFORMED], 1);
}

/* --- Main -------------------------------------------------------------- */

/* Media finds out by itself; when he has gone, the hub says so. */
static void
on_replaced (gpointer data)
{
  WhipRtpInput *self = data;

  GST_INFO ("stream=%s another publisher has it now", self->name);
}

/* Each publication ends once; whose has ended, and whether one is needed, is
 * known on media: there the spare one is thrown away. */
static void
send_publication (WhipRtpInput *self)
{
  static const RelayPublicationCallbacks callbacks = { on_keyframe_wanted,
                                                       on_replaced };
  Arming *mail = g_new0 (Arming, 1);

  mail->input = input_ref (self);
  mail->publication = relay_stream_add_publication (
      self->stream, &self->info, &callbacks, input_ref (self), input_unref);
  rtc_worker_post (self->home, arm, mail, arming_free);
}

static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  WhipRtpInput *self = data;

  if (stream == self->stream && event == RELAY_HUB_IDLE)
    send_publication (self);
}

static void
door_free (gpointer data)
{
  Door *door = data;

  input_unref (door->owner);
  g_free (door);
}

/* open_port: Returns: its number, 0 = @error */
static guint
open_port (WhipRtpInput *self, guint kinds, const RtcAddr *address,
           GError **error)
{
  Door *door = g_new0 (Door, 1);
  RtcInput *input;

  door->owner = input_ref (self);
  door->kinds = kinds;
  input =
      rtc_input_new (self->home, address, on_packet, door, door_free, error);
  if (!input)
    {
      door_free (door);
      return 0;
    }
  self->inputs[self->n_inputs++] = input;
  return rtc_input_get_port (input);
}

static guint
get_number (const RtcAddr *address)
{
  return g_ntohs (address->sa.sa_family == AF_INET ? address->in.sin_port
                                                   : address->in6.sin6_port);
}

static gboolean
open_track (WhipRtpInput *self, RtcMediaKind kind, GError **error)
{
  WhipRtpTrack *track = &self->tracks[kind];
  const WhipRtpTrack *other = &self->tracks[!kind];
  gboolean is_shared = other->info.is_present && get_number (&track->address)
                       && rtc_addr_equal (&track->address, &other->address);
  guint kinds = is_shared ? 3 : 1u << kind;

  if (is_shared && self->ports[!kind])
    {
      self->ports[kind] = self->ports[!kind];
      return TRUE;
    }
  self->ports[kind] = open_port (self, kinds, &track->address, error);
  if (!self->ports[kind])
    return FALSE;
  if (track->rtcp_port)
    {
      RtcAddr address = track->address;

      if (address.sa.sa_family == AF_INET)
        address.in.sin_port = g_htons ((guint16)track->rtcp_port);
      else
        address.in6.sin6_port = g_htons ((guint16)track->rtcp_port);
      return open_port (self, kinds, &address, error) != 0;
    }
  return TRUE;
}

WhipRtpInput *
whip_rtp_input_new (RelayHub *hub, const WhipRtpConfig *config, GError **error)
{
  RelayStream *stream = relay_hub_ensure (hub, config->name, error);
  WhipRtpInput *self;

  G_STATIC_ASSERT (RTC_MEDIA_N_KINDS == 2);
  if (!stream)
    return NULL;
  self = g_new0 (WhipRtpInput, 1);
  g_atomic_ref_count_init (&self->ref);
  self->hub = hub;
  self->stream = relay_stream_ref (stream);
  self->home = relay_stream_get_home (stream);
  self->name = g_strdup (config->name);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->tracks[k] = config->tracks[k];
      self->info.tracks[k] = config->tracks[k].info;
    }
  relay_hub_add_listener (hub, on_hub_event, self);
  send_publication (self); /* before the ports: packets find it armed */
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->info.tracks[k].is_present && !open_track (self, k, error))
      {
        whip_rtp_input_free (self);
        return NULL;
      }
  return self;
}

void
whip_rtp_input_free (WhipRtpInput *self)
{
  g_return_if_fail (self);
  relay_hub_remove_listener (self->hub, on_hub_event, self);
  for (guint i = 0; i < self->n_inputs; i++)
    rtc_input_free (self->inputs[i]);
  rtc_worker_post (self->home, disarm, self, input_unref);
}

guint
whip_rtp_input_get_port (WhipRtpInput *self, RtcMediaKind kind)
{
  return self->ports[kind];
}

void
whip_rtp_input_get_stats (WhipRtpInput *self, WhipRtpInputStats *ret)
{
  const guint64 *from = (const guint64 *)&self->stats;
  guint64 *to = (guint64 *)ret;

  G_STATIC_ASSERT (sizeof (WhipRtpInputStats) % sizeof (guint64) == 0);
  for (guint i = 0; i < sizeof *ret / sizeof *to; i++)
    to[i] = __atomic_load_n (&from[i], __ATOMIC_RELAXED);
}

JsonNode *
whip_rtp_input_describe (WhipRtpInput *self)
{
  static const char *const kinds[] = { "audio", "video" };
  static const char *const drops[WHIP_RTP_N_DROPS] = {
    "malformed", "payload_type", "other_source", "duplicate", "replaced"
  };
  g_autoptr (JsonObject) object = json_object_new ();
  WhipRtpInputStats stats;
  JsonNode *node;

  whip_rtp_input_get_stats (self, &stats);
  json_object_set_string_member (object, "stream", self->name);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      JsonObject *track;

      if (!self->info.tracks[k].is_present)
        continue;
      track = json_object_new ();
      json_object_set_int_member (track, "port", self->ports[k]);
      json_object_set_int_member (track, "packets", (gint64)stats.n_packets[k]);
      json_object_set_int_member (track, "bytes", (gint64)stats.n_bytes[k]);
      json_object_set_int_member (track, "lost", (gint64)stats.n_lost[k]);
      json_object_set_int_member (track, "sources", (gint64)stats.n_sources[k]);
      json_object_set_object_member (object, kinds[k], track);
    }
  json_object_set_int_member (object, "sender_reports",
                              (gint64)stats.n_sender_reports);
  for (guint i = 0; i < WHIP_RTP_N_DROPS; i++)
    {
      g_autofree char *key = g_strdup_printf ("dropped_%s", drops[i]);

      json_object_set_int_member (object, key, (gint64)stats.n_dropped[i]);
    }
  node = json_node_new (JSON_NODE_OBJECT);
  json_node_set_object (node, object);
  return node;
}
