/* SPDX-License-Identifier: Apache-2.0 */
/* WhipRtpInput: see rtp-input.h. */
#include "whip/rtp-input.h"

#include <openssl/crypto.h>
#include <string.h>

#include "rtc/input.h"
#include "rtc/rtp.h"
#include "whip/log.h"

#define MAX_INPUTS (2 * RTC_MEDIA_N_KINDS) /* RTP and RTCP of each track */
#define KEY_BYTES 16
#define SALT_BYTES 14
#define SSRC_OFFSET_RTCP 4
#define MIN_RTCP_BYTES 8

/* One port, and whose packets may come there. */
typedef struct
{
  WhipRtpInput *owner; /* one reference */
  guint kinds;         /* bit k: RtcMediaKind k */
} Door;

struct _WhipRtpInput
{
  gatomicrefcount ref;
  WhipFeeder *feeder; /* one reference; closed by free */
  RtcWorker *home;    /* borrowed */
  WhipRtpTrack tracks[RTC_MEDIA_N_KINDS];
  RtcSrtpProfile profile;
  RtcSrtpKey key;
  RtcInput *inputs[MAX_INPUTS]; /* owned; main */
  guint n_inputs;
  guint ports[RTC_MEDIA_N_KINDS], rtcp_ports[RTC_MEDIA_N_KINDS];
  BaseMailFunc closed; /* nullable */
  gpointer closed_data;
  GDestroyNotify closed_discard;

  /* home: owned, nullable. One a track: to forget the SSRCs of one must not
   * lose the other's packet index. */
  RtcSrtp *srtp[RTC_MEDIA_N_KINDS];
};

gboolean
whip_rtp_config_set_srtp (WhipRtpConfig *self, int suite, const char *crypto)
{
  gsize len;
  g_autofree guchar *bytes = NULL;

  if ((suite != 32 && suite != 80) || !crypto)
    return FALSE;
  bytes = g_base64_decode (crypto, &len);
  if (len == KEY_BYTES + SALT_BYTES)
    {
      self->srtp =
          suite == 32 ? RTC_SRTP_AES128_CM_SHA1_32 : RTC_SRTP_AES128_CM_SHA1_80;
      memcpy (self->key.key, bytes, KEY_BYTES);
      memcpy (self->key.salt, bytes + KEY_BYTES, SALT_BYTES);
    }
  OPENSSL_cleanse (bytes, len);
  return len == KEY_BYTES + SALT_BYTES;
}

static WhipRtpInput *
input_ref (WhipRtpInput *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

static void
input_unref (WhipRtpInput *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->srtp[k], rtc_srtp_free);
  OPENSSL_cleanse (&self->key, sizeof self->key);
  whip_feeder_unref (self->feeder);
  if (self->closed)
    base_mailbox_post (base_mailbox_get_main (), self->closed,
                       self->closed_data, self->closed_discard);
  g_free (self);
}

/* --- Media -------------------------------------------------------------- */

/* open_anew: one SSRC too many: when it is authentic and nobody else sends, it
 * is the track's only one now */
static gboolean
open_anew (WhipRtpInput *self, RtcMediaKind kind, guint8 *data, gsize *len,
           gint64 now_us)
{
  RtcSrtp *srtp;

  if (!whip_feeder_is_silent (self->feeder, kind, now_us))
    return FALSE;
  srtp = rtc_srtp_new (self->profile, &self->key, &self->key);
  if (rtc_srtp_open_rtp (srtp, data, len) != RTC_SRTP_OK)
    {
      rtc_srtp_free (srtp);
      return FALSE;
    }
  rtc_srtp_free (self->srtp[kind]);
  self->srtp[kind] = srtp;
  return TRUE;
}

/* open_rtp: all that comes is opened, wanted or not: who misses 65,536 packets
 * has lost the sender's packet index for ever */
static gboolean
open_rtp (WhipRtpInput *self, guint kinds, guint8 *data, gsize *len,
          gint64 now_us)
{
  WhipFeedDrop drop = WHIP_FEED_DROP_SRTP;
  RtcMediaKind kind;
  RtcSrtpResult result;

  if (!whip_feeder_find_pt (self->feeder, kinds, data[1] & 0x7f, &kind))
    {
      drop = WHIP_FEED_DROP_PAYLOAD_TYPE;
      goto fail;
    }
  if (!self->srtp[kind])
    self->srtp[kind] = rtc_srtp_new (self->profile, &self->key, &self->key);
  result = rtc_srtp_open_rtp (self->srtp[kind], data, len);
  if (result == RTC_SRTP_OK
      || (result == RTC_SRTP_LIMIT
          && open_anew (self, kind, data, len, now_us)))
    return TRUE;
fail:
  whip_feeder_count_drop (self->feeder, drop, 1);
  return FALSE;
}

static gboolean
open_rtcp (WhipRtpInput *self, guint kinds, guint8 *data, gsize *len)
{
  RtcMediaKind kind;
  guint32 ssrc;

  if (*len < MIN_RTCP_BYTES)
    goto fail;
  memcpy (&ssrc, data + SSRC_OFFSET_RTCP, sizeof ssrc);
  if (!whip_feeder_find_ssrc (self->feeder, kinds, g_ntohl (ssrc), &kind))
    return FALSE; /* of nobody whom we listen to */
  if (self->srtp[kind]
      && rtc_srtp_open_rtcp (self->srtp[kind], data, len) == RTC_SRTP_OK)
    return TRUE;
fail:
  whip_feeder_count_drop (self->feeder, WHIP_FEED_DROP_SRTP, 1);
  return FALSE;
}

static void
on_packet (RtcInput *input, const RtcPath *path, guint8 *data, gsize len,
           gint64 now_us, gpointer user_data)
{
  const Door *door = user_data;
  WhipRtpInput *self = door->owner;
  RtcDemux demux = rtc_demux (data, len);

  if (self->profile == RTC_SRTP_NONE
      || (demux == RTC_DEMUX_RTP
              ? open_rtp (self, door->kinds, data, &len, now_us)
              : demux != RTC_DEMUX_RTCP
                    || open_rtcp (self, door->kinds, data, &len)))
    whip_feeder_take (self->feeder, door->kinds, data, len, now_us);
}

/* --- Main -------------------------------------------------------------- */

static void
door_free (gpointer data)
{
  Door *door = data;

  input_unref (door->owner);
  g_free (door);
}

/* open_port: Returns: its number, 0 = @error */
static guint
open_port (WhipRtpInput *self, guint kinds, const RtcUdpPlace *place,
           GError **error)
{
  Door *door = g_new0 (Door, 1);
  RtcInput *input;

  door->owner = input_ref (self);
  door->kinds = kinds;
  input =
      rtc_input_new_at (self->home, place, on_packet, door, door_free, error);
  if (!input)
    {
      door_free (door);
      return 0;
    }
  self->inputs[self->n_inputs++] = input;
  return rtc_input_get_port (input);
}

static guint16 *
get_number (RtcAddr *address)
{
  return address->sa.sa_family == AF_INET ? &address->in.sin_port
                                          : &address->in6.sin6_port;
}

static gboolean
open_track (WhipRtpInput *self, RtcMediaKind kind, GError **error)
{
  WhipRtpTrack *track = &self->tracks[kind];
  const WhipRtpTrack *other = &self->tracks[!kind];
  gboolean is_shared = other->info.is_present
                       && *get_number (&track->place.address)
                       && rtc_udp_place_equal (&track->place, &other->place);
  guint kinds = is_shared ? 3 : 1u << kind;
  RtcUdpPlace place = track->place;

  self->ports[kind] = is_shared && self->ports[!kind]
                          ? self->ports[!kind]
                          : open_port (self, kinds, &place, error);
  if (!self->ports[kind])
    return FALSE;
  if (!track->has_rtcp)
    return TRUE;
  *get_number (&place.address) = g_htons ((guint16)track->rtcp_port);
  self->rtcp_ports[kind] = open_port (self, kinds, &place, error);
  return self->rtcp_ports[kind] != 0;
}

WhipRtpInput *
whip_rtp_input_new (RelayHub *hub, const WhipRtpConfig *config, GError **error)
{
  WhipFeederConfig feed = { .name = config->name,
                            .capture_time_id = config->capture_time_id,
                            .collision_us = config->collision_us };
  WhipFeeder *feeder;
  WhipRtpInput *self;

  G_STATIC_ASSERT (RTC_MEDIA_N_KINDS == 2);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      feed.info.tracks[k] = config->tracks[k].info;
      feed.pts[k] = config->tracks[k].pt;
    }
  feeder = whip_feeder_new (hub, &feed, error); /* before the ports: packets
                                                   find it armed */
  if (!feeder)
    {
      if (config->closed)
        base_mailbox_post (base_mailbox_get_main (), config->closed,
                           config->closed_data, config->closed_discard);
      return NULL;
    }
  self = g_new0 (WhipRtpInput, 1);
  g_atomic_ref_count_init (&self->ref);
  self->feeder = whip_feeder_ref (feeder);
  self->home = whip_feeder_get_home (feeder);
  self->profile = config->srtp;
  self->key = config->key;
  self->closed = config->closed;
  self->closed_data = config->closed_data;
  self->closed_discard = config->closed_discard;
  memcpy (self->tracks, config->tracks, sizeof self->tracks);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->tracks[k].info.is_present && !open_track (self, k, error))
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
  for (guint i = 0; i < self->n_inputs; i++)
    rtc_input_free (self->inputs[i]);
  whip_feeder_close (self->feeder);
  input_unref (self);
}

guint
whip_rtp_input_get_port (WhipRtpInput *self, RtcMediaKind kind)
{
  return self->ports[kind];
}

guint
whip_rtp_input_get_rtcp_port (WhipRtpInput *self, RtcMediaKind kind)
{
  return self->rtcp_ports[kind];
}

WhipFeeder *
whip_rtp_input_get_feeder (WhipRtpInput *self)
{
  return self->feeder;
}

JsonNode *
whip_rtp_input_describe (WhipRtpInput *self)
{
  static const char *const kinds[] = { "audio", "video" };
  JsonObject *object = whip_feeder_describe (self->feeder);
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      JsonObject *track;

      if (!self->tracks[k].info.is_present)
        continue;
      track = json_object_get_object_member (object, kinds[k]);
      json_object_set_int_member (track, "port", self->ports[k]);
      if (self->rtcp_ports[k])
        json_object_set_int_member (track, "rtcp_port", self->rtcp_ports[k]);
    }
  json_object_set_boolean_member (object, "srtp",
                                  self->profile != RTC_SRTP_NONE);
  json_node_take_object (node, object);
  return node;
}
