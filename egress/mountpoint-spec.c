/* SPDX-License-Identifier: Apache-2.0 */
/* EgressMountpointSpec: its life, and what others are told of it. */
#include "egress/mountpoint-spec.h"

#include <string.h>

#include "egress/janus-params.h"

#define HASH_ID_BITS 52

G_DEFINE_QUARK (egress - streaming - error - quark, egress_streaming_error)

static void
media_clear (EgressMountpointMedia *self)
{
  g_free (self->mid);
  g_free (self->label);
  g_free (self->msid);
  g_free (self->fmtp);
  g_free (self->mcast);
  g_free (self->iface);
}

void
egress_mountpoint_spec_free (EgressMountpointSpec *self)
{
  g_free (self->id);
  g_free (self->name);
  g_free (self->description);
  g_free (self->metadata);
  g_free (self->secret);
  g_free (self->pin);
  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    media_clear (&self->media[i]);
  g_free (self->srtp_crypto);
  g_free (self->url);
  g_free (self->rtsp_user);
  g_free (self->rtsp_password);
  g_free (self->filename);
  g_free (self->node_id);
  g_free (self);
}

static void
media_own (EgressMountpointMedia *self)
{
  self->mid = g_strdup (self->mid);
  self->label = g_strdup (self->label);
  self->msid = g_strdup (self->msid);
  self->fmtp = g_strdup (self->fmtp);
  self->mcast = g_strdup (self->mcast);
  self->iface = g_strdup (self->iface);
}

EgressMountpointSpec *
egress_mountpoint_spec_copy (const EgressMountpointSpec *self)
{
  EgressMountpointSpec *copy = g_memdup2 (self, sizeof *self);

  copy->id = g_strdup (self->id);
  copy->name = g_strdup (self->name);
  copy->description = g_strdup (self->description);
  copy->metadata = g_strdup (self->metadata);
  copy->secret = g_strdup (self->secret);
  copy->pin = g_strdup (self->pin);
  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    media_own (&copy->media[i]);
  copy->srtp_crypto = g_strdup (self->srtp_crypto);
  copy->url = g_strdup (self->url);
  copy->rtsp_user = g_strdup (self->rtsp_user);
  copy->rtsp_password = g_strdup (self->rtsp_password);
  copy->filename = g_strdup (self->filename);
  copy->node_id = g_strdup (self->node_id);
  return copy;
}

void
egress_mountpoint_spec_set_id (EgressMountpointSpec *self, const char *id)
{
  const char *prefix = self->kind == EGRESS_MOUNTPOINT_RTSP ? "" : "mp-";

  if (id != NULL && id != self->id)
    {
      g_free (self->id);
      self->id = g_strdup (id);
    }
  if (self->name == NULL)
    self->name = g_strconcat (prefix, self->id, NULL);
  if (self->description == NULL)
    self->description = g_strdup (self->name);
}

/* --- to JSON ------------------------------------------------------------ */

static JsonObject *
media_to_json (const EgressMountpointMedia *self, RtcMediaKind kind)
{
  static const char *const port_names[] = { "port", "port2", "port3" };
  JsonObject *object = json_object_new ();
  g_autofree char *codec = NULL;

  json_object_set_string_member (object, "type",
                                 kind == RTC_MEDIA_VIDEO ? "video" : "audio");
  egress_janus_set_string (object, "mid", self->mid);
  egress_janus_set_string (object, "label", self->label);
  egress_janus_set_string (object, "msid", self->msid);
  for (guint i = 0; i < self->n_ports; i++)
    json_object_set_int_member (object, port_names[i], self->ports[i]);
  if (self->rtcp_port >= 0)
    json_object_set_int_member (object, "rtcpport", self->rtcp_port);
  if (self->pt >= 0)
    json_object_set_int_member (object, "pt", self->pt);
  if (self->codec != RTC_CODEC_NONE)
    codec = g_ascii_strdown (rtc_codec_name (self->codec), -1);
  egress_janus_set_string (object, "codec", codec);
  egress_janus_set_string (object, "fmtp", self->fmtp);
  egress_janus_set_string (object, "mcast", self->mcast);
  egress_janus_set_string (object, "iface", self->iface);
  egress_janus_set_true (object, "simulcast", self->is_simulcast);
  egress_janus_set_true (object, "svc", self->is_svc);
  egress_janus_set_true (object, "skew", self->has_skew);
  return object;
}

static JsonArray *
list_media (const EgressMountpointSpec *self)
{
  JsonArray *array = json_array_new ();

  for (guint index = 0; index < RTC_MEDIA_N_KINDS; index++)
    for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
      if (self->media[i].is_present && self->media[i].index == index)
        json_array_add_object_element (
            array, media_to_json (&self->media[i], (RtcMediaKind)i));
  return array;
}

static void
set_source (JsonObject *object, const EgressMountpointSpec *self)
{
  if (self->kind == EGRESS_MOUNTPOINT_RTP
      || self->kind == EGRESS_MOUNTPOINT_STREAM)
    json_object_set_array_member (object, "media", list_media (self));
  else
    for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
      egress_janus_set_true (object, i == RTC_MEDIA_VIDEO ? "video" : "audio",
                             self->media[i].is_present);
  egress_janus_set_above_0 (object, "srtpsuite", self->srtp_suite);
  egress_janus_set_string (object, "srtpcrypto", self->srtp_crypto);
  egress_janus_set_true (object, "e2ee", self->is_e2ee);
  egress_janus_set_true (object, "playoutdelay_ext", self->has_playout_delay);
  egress_janus_set_above_0 (object, "abscapturetime_src_ext_id",
                            self->capture_time_id);
  egress_janus_set_above_0 (object, "collision", self->collision_ms);
  egress_janus_set_above_0 (object, "threads", self->threads);
  egress_janus_set_above_0 (object, "bufferkf_ms", self->buffer_kf_ms);
  egress_janus_set_above_0 (object, "bufferkf_bytes", self->buffer_kf_bytes);
  egress_janus_set_string (object, "url", self->url);
  egress_janus_set_string (object, "rtsp_user", self->rtsp_user);
  egress_janus_set_string (object, "rtsp_pwd", self->rtsp_password);
  if (self->kind == EGRESS_MOUNTPOINT_RTSP)
    json_object_set_boolean_member (object, "rtsp_failcheck", self->rtsp_check);
  egress_janus_set_string (object, "filename", self->filename);
}

JsonObject *
egress_mountpoint_spec_to_json (const EgressMountpointSpec *self)
{
  static const char *const types[] = {
    [EGRESS_MOUNTPOINT_STREAM] = "rtp",
    [EGRESS_MOUNTPOINT_RTP] = "rtp",
    [EGRESS_MOUNTPOINT_RTSP] = "rtsp",
    [EGRESS_MOUNTPOINT_LIVE] = "live",
    [EGRESS_MOUNTPOINT_ONDEMAND] = "ondemand",
  };
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "type", types[self->kind]);
  egress_janus_set_string (object, "id", self->id);
  egress_janus_set_string (object, "name", self->name);
  egress_janus_set_string (object, "description", self->description);
  egress_janus_set_string (object, "metadata", self->metadata);
  egress_janus_set_string (object, "secret", self->secret);
  egress_janus_set_string (object, "pin", self->pin);
  egress_janus_set_true (object, "is_private", self->is_private);
  egress_janus_set_true (object, "permanent", self->is_permanent);
  json_object_set_boolean_member (object, "enabled", self->is_enabled);
  egress_janus_set_string (object, "node_id", self->node_id);
  set_source (object, self);
  return object;
}

/* --- names -------------------------------------------------------------- */

char *
egress_mountpoint_rendition_name (const char *stream, guint index,
                                  guint n_renditions)
{
  return index + 1 == n_renditions ? g_strdup (stream)
                                   : g_strdup_printf ("%s~%u", stream, index);
}

char *
egress_mountpoint_id_of_stream (const char *stream, gboolean string_ids)
{
  g_autoptr (GChecksum) sum = NULL;
  guint8 digest[32];
  gsize n_bytes = sizeof digest;
  guint64 number;

  if (string_ids)
    return g_strdup (stream);
  if (stream[0] != '0'
      && g_ascii_string_to_unsigned (stream, 10, 1, EGRESS_MOUNTPOINT_MAX_ID,
                                     &number, NULL))
    return g_strdup (stream);
  sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_checksum_update (sum, (const guchar *)stream, (gssize)strlen (stream));
  g_checksum_get_digest (sum, digest, &n_bytes);
  memcpy (&number, digest, sizeof number);
  number = GUINT64_FROM_BE (number) >> (64 - HASH_ID_BITS);
  return g_strdup_printf ("%" G_GUINT64_FORMAT, number);
}
