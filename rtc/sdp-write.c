/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/sdp-write: writes a description; see sdp.h. What would make a malformed
 * line (a line break in a peer's fmtp, an address that is none) is left out:
 * OBS dies of one (PROTOCOLS.md 1.4).
 */
#include <string.h>

#include "rtc/sdp-private.h"

static gboolean
is_line_safe (const char *s)
{
  for (; *s != '\0'; s++)
    if (g_ascii_iscntrl (*s))
      return FALSE;
  return TRUE;
}

G_GNUC_PRINTF (3, 4)
static void
add (GstSDPMedia *media, const char *key, const char *format, ...)
{
  g_autofree char *value = NULL;
  va_list args;

  va_start (args, format);
  value = g_strdup_vprintf (format, args);
  va_end (args);
  if (is_line_safe (value))
    gst_sdp_media_add_attribute (media, key, value);
}

static void
add_flag (GstSDPMedia *media, const char *key, gboolean on)
{
  if (on)
    gst_sdp_media_add_attribute (media, key, NULL);
}

static gboolean
is_usable (const RtcSdpMedia *media)
{
  return !media->is_other && !media->is_rejected;
}

static const char *
direction_name (RtcDirection direction)
{
  static const char *const names[] = {
    [RTC_DIR_INACTIVE] = "inactive",
    [RTC_DIR_SENDONLY] = "sendonly",
    [RTC_DIR_RECVONLY] = "recvonly",
    [RTC_DIR_SENDRECV] = "sendrecv",
  };
  return names[direction & RTC_DIR_SENDRECV];
}

static const char *
setup_name (RtcSetup setup)
{
  switch (setup)
    {
    case RTC_SETUP_ACTIVE:
      return "active";
    case RTC_SETUP_PASSIVE:
      return "passive";
    case RTC_SETUP_HOLDCONN:
      return "holdconn";
    case RTC_SETUP_NONE:
    case RTC_SETUP_ACTPASS:
    default:
      return "actpass";
    }
}

static void
write_codec (GstSDPMedia *out, const RtcSdpCodec *codec)
{
  static const char *const feedback[] = { "goog-remb", "transport-cc",
                                          "ccm fir", "nack", "nack pli" };
  const gboolean wanted[] = { codec->remb, codec->twcc, codec->fir, codec->nack,
                              codec->pli };
  const char *name = rtc_codec_name (codec->codec);

  if (codec->channels > 1)
    add (out, "rtpmap", "%u %s/%u/%u", codec->pt, name, codec->clock_hz,
         codec->channels);
  else
    add (out, "rtpmap", "%u %s/%u", codec->pt, name, codec->clock_hz);
  for (guint i = 0; i < G_N_ELEMENTS (feedback); i++)
    if (wanted[i])
      add (out, "rtcp-fb", "%u %s", codec->pt, feedback[i]);
  if (codec->fmtp != NULL && codec->fmtp[0] != '\0')
    add (out, "fmtp", "%u %s", codec->pt, codec->fmtp);
  if (codec->rtx_pt < 0)
    return;
  add (out, "rtpmap", "%d rtx/%u", codec->rtx_pt, codec->clock_hz);
  add (out, "fmtp", "%d apt=%u", codec->rtx_pt, codec->pt);
}

static void
write_codecs (GstSDPMedia *out, const RtcSdpMedia *media)
{
  for (guint i = 0; i < media->codecs->len; i++)
    {
      const RtcSdpCodec *codec = &g_array_index (media->codecs, RtcSdpCodec, i);
      char pt[16];

      g_snprintf (pt, sizeof pt, "%u", codec->pt);
      gst_sdp_media_add_format (out, pt);
      if (codec->rtx_pt >= 0)
        {
          g_snprintf (pt, sizeof pt, "%d", codec->rtx_pt);
          gst_sdp_media_add_format (out, pt);
        }
      write_codec (out, codec);
    }
}

static void
write_ssrc (GstSDPMedia *out, const RtcSdpMedia *media, guint32 ssrc)
{
  add (out, "ssrc", "%u cname:%s", ssrc,
       media->cname != NULL && media->cname[0] != '\0' ? media->cname
                                                       : "media-tree");
  if (media->msid_stream != NULL && media->msid_track != NULL)
    add (out, "ssrc", "%u msid:%s %s", ssrc, media->msid_stream,
         media->msid_track);
}

static void
write_sources (GstSDPMedia *out, const RtcSdpMedia *media)
{
  if (media->msid_stream != NULL && media->msid_stream[0] != '\0')
    add (out, "msid", "%s%s%s", media->msid_stream,
         media->msid_track != NULL ? " " : "",
         media->msid_track != NULL ? media->msid_track : "");
  for (guint i = 0; i < media->n_ssrcs; i++)
    if (media->rtx_ssrcs[i] != 0)
      add (out, "ssrc-group", "FID %u %u", media->ssrcs[i],
           media->rtx_ssrcs[i]);
  for (guint i = 0; i < media->n_ssrcs; i++)
    {
      write_ssrc (out, media, media->ssrcs[i]);
      if (media->rtx_ssrcs[i] != 0)
        write_ssrc (out, media, media->rtx_ssrcs[i]);
    }
}

/* All layers or none: OBS stops at an answer with fewer than it offered. */
static void
write_rids (GstSDPMedia *out, const RtcSdpMedia *media)
{
  const char *direction =
      media->direction == RTC_DIR_SENDONLY ? "send" : "recv";
  g_autoptr (GString) layers = g_string_new (NULL);

  for (guint i = 0; i < media->n_rids; i++)
    {
      if (!rtc_sdp_is_token (media->rids[i], RTC_SDP_MAX_RID_CHARS))
        return;
      g_string_append_printf (layers, "%s%s", i > 0 ? ";" : "", media->rids[i]);
    }
  for (guint i = 0; i < media->n_rids; i++)
    add (out, "rid", "%s %s", media->rids[i], direction);
  if (media->n_rids > 0 && media->has_simulcast)
    add (out, "simulcast", "%s %s", direction, layers->str);
}

static void
write_transport (GstSDPMedia *out, const RtcSdp *self)
{
  if (self->ice_ufrag != NULL)
    add (out, "ice-ufrag", "%s", self->ice_ufrag);
  if (self->ice_pwd != NULL)
    add (out, "ice-pwd", "%s", self->ice_pwd);
  if (self->has_trickle)
    add (out, "ice-options", "trickle");
  if (self->fingerprint_hash != NULL && self->fingerprint != NULL)
    add (out, "fingerprint", "%s %s", self->fingerprint_hash,
         self->fingerprint);
  add (out, "setup", "%s", setup_name (self->setup));
}

static void
write_candidates (GstSDPMedia *out, const RtcSdp *self)
{
  for (guint i = 0; i < self->candidates->len; i++)
    {
      g_autofree char *value = rtc_sdp_candidate_to_string (
          &g_array_index (self->candidates, RtcSdpCandidate, i), i);
      if (value != NULL)
        add (out, "candidate", "%s", value);
    }
  add_flag (out, "end-of-candidates", TRUE);
}

static void
write_usable (GstSDPMedia *out, const RtcSdp *self, const RtcSdpMedia *media)
{
  gst_sdp_media_set_port_info (out, 9, 1);
  write_transport (out, self);
  if (rtc_sdp_is_token (media->mid, RTC_MAX_MID_CHARS))
    add (out, "mid", "%s", media->mid);
  for (guint i = RTC_EXT_NONE + 1; i < RTC_EXT_N; i++)
    if (media->ext_ids[i] != 0 && rtc_ext_uri ((RtcExt)i) != NULL)
      add (out, "extmap", "%u %s", media->ext_ids[i], rtc_ext_uri ((RtcExt)i));
  add_flag (out, direction_name (media->direction), TRUE);
  add_flag (out, "rtcp-mux", media->rtcp_mux);
  add_flag (out, "rtcp-mux-only", media->rtcp_mux && media->rtcp_mux_only);
  add_flag (out, "rtcp-rsize", media->rtcp_rsize);
  write_codecs (out, media);
  write_sources (out, media);
  write_rids (out, media);
}

/* Port 0; the formats are the offer's, because the line must have one. */
static void
write_rejected (GstSDPMedia *out, const RtcSdpMedia *media)
{
  gst_sdp_media_set_port_info (out, 0, 1);
  if (media->raw_formats != NULL && media->raw_formats[0] != '\0'
      && is_line_safe (media->raw_formats))
    gst_sdp_media_add_format (out, media->raw_formats);
  else
    gst_sdp_media_add_format (out, "0");
  if (rtc_sdp_is_token (media->mid, RTC_MAX_MID_CHARS))
    add (out, "mid", "%s", media->mid);
  add_flag (out, "inactive", TRUE);
}

static void
write_media (GstSDPMessage *message, const RtcSdp *self,
             const RtcSdpMedia *media, gboolean is_first)
{
  GstSDPMedia *out;
  const char *type = media->kind == RTC_MEDIA_AUDIO ? "audio" : "video";
  const char *proto = "UDP/TLS/RTP/SAVPF";

  if (media->is_other && rtc_sdp_is_token (media->raw_type, 32))
    type = media->raw_type;
  if (media->raw_proto != NULL && media->raw_proto[0] != '\0'
      && is_line_safe (media->raw_proto))
    proto = media->raw_proto;
  gst_sdp_media_new (&out);
  gst_sdp_media_set_media (out, type);
  gst_sdp_media_set_proto (out, proto);
  gst_sdp_media_add_connection (out, "IN", "IP4", "0.0.0.0", 0, 0);
  if (is_usable (media) && media->codecs->len > 0)
    write_usable (out, self, media);
  else
    write_rejected (out, media);
  if (is_first)
    write_candidates (out, self);
  gst_sdp_message_add_media (message, out); /* takes the contents */
  gst_sdp_media_free (out);
}

static void
write_session (GstSDPMessage *message, const RtcSdp *self)
{
  g_autofree char *id =
      g_strdup_printf ("%" G_GUINT64_FORMAT, self->session_id);
  g_autofree char *version = g_strdup_printf ("%u", self->session_version);
  g_autoptr (GString) bundle = g_string_new ("BUNDLE");
  const char *name = self->session_name;

  if (name == NULL || name[0] == '\0' || !is_line_safe (name))
    name = "-";
  gst_sdp_message_set_version (message, "0");
  gst_sdp_message_set_origin (message, "-", id, version, "IN", "IP4",
                              "127.0.0.1");
  gst_sdp_message_set_session_name (message, name);
  gst_sdp_message_add_time (message, "0", "0", NULL);
  for (guint i = 0; i < self->media->len; i++)
    {
      const RtcSdpMedia *media = g_ptr_array_index (self->media, i);

      if (is_usable (media) && media->codecs->len > 0
          && rtc_sdp_is_token (media->mid, RTC_MAX_MID_CHARS))
        g_string_append_printf (bundle, " %s", media->mid);
    }
  if (strchr (bundle->str, ' ') != NULL)
    gst_sdp_message_add_attribute (message, "group", bundle->str);
  gst_sdp_message_add_attribute (message, "msid-semantic", "WMS *");
  if (self->ice_lite)
    gst_sdp_message_add_attribute (message, "ice-lite", NULL);
}

char *
rtc_sdp_to_string (const RtcSdp *self)
{
  GstSDPMessage *message;
  gboolean done = FALSE;
  char *text;

  gst_sdp_message_new (&message);
  write_session (message, self);
  for (guint i = 0; i < self->media->len; i++)
    {
      const RtcSdpMedia *media = g_ptr_array_index (self->media, i);
      gboolean usable = is_usable (media) && media->codecs->len > 0;

      write_media (message, self, media, usable && !done);
      done |= usable;
    }
  text = gst_sdp_message_as_text (message);
  gst_sdp_message_free (message);
  return text;
}
