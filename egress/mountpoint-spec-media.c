/* SPDX-License-Identifier: Apache-2.0 */
/* EgressMountpointSpec from the body of `create`: its media, in both forms. */
#include "egress/mountpoint-spec-private.h"

#include <string.h>

#define MAX_MID_CHARS 16 /* as RTC_MAX_MID_CHARS: it fits the extension */

static const EgressJanusParam media_params[] = {
  { "type", EGRESS_JANUS_STRING, TRUE },
  { "mid", EGRESS_JANUS_STRING, TRUE },
  { "label", EGRESS_JANUS_STRING, FALSE },
  { "msid", EGRESS_JANUS_STRING, FALSE },
  { "mcast", EGRESS_JANUS_STRING, FALSE },
  { "iface", EGRESS_JANUS_STRING, FALSE },
  { "port", EGRESS_JANUS_POSITIVE, TRUE },
  { "rtcpport", EGRESS_JANUS_POSITIVE, FALSE },
  { "pt", EGRESS_JANUS_POSITIVE, FALSE },
  { "codec", EGRESS_JANUS_STRING, FALSE },
  { "rtpmap", EGRESS_JANUS_STRING, FALSE },
  { "fmtp", EGRESS_JANUS_STRING, FALSE },
  { "skew", EGRESS_JANUS_BOOLEAN, FALSE },
  { "bufferkf", EGRESS_JANUS_BOOLEAN, FALSE },
  { "simulcast", EGRESS_JANUS_BOOLEAN, FALSE },
  { "port2", EGRESS_JANUS_POSITIVE, FALSE },
  { "port3", EGRESS_JANUS_POSITIVE, FALSE },
  { "svc", EGRESS_JANUS_BOOLEAN, FALSE },
  { "buffermsg", EGRESS_JANUS_BOOLEAN, FALSE },
};
static const EgressJanusParam audio_params[] = {
  { "audiomcast", EGRESS_JANUS_STRING, FALSE },
  { "audioport", EGRESS_JANUS_POSITIVE, TRUE },
  { "audiortcpport", EGRESS_JANUS_POSITIVE, FALSE },
  { "audiopt", EGRESS_JANUS_POSITIVE, TRUE },
  { "audiocodec", EGRESS_JANUS_STRING, FALSE },
  { "audiortpmap", EGRESS_JANUS_STRING, FALSE },
  { "audiofmtp", EGRESS_JANUS_STRING, FALSE },
  { "audioiface", EGRESS_JANUS_STRING, FALSE },
  { "audioskew", EGRESS_JANUS_BOOLEAN, FALSE },
};
static const EgressJanusParam video_params[] = {
  { "videomcast", EGRESS_JANUS_STRING, FALSE },
  { "videoport", EGRESS_JANUS_POSITIVE, TRUE },
  { "videortcpport", EGRESS_JANUS_POSITIVE, FALSE },
  { "videopt", EGRESS_JANUS_POSITIVE, TRUE },
  { "videocodec", EGRESS_JANUS_STRING, FALSE },
  { "videortpmap", EGRESS_JANUS_STRING, FALSE },
  { "videofmtp", EGRESS_JANUS_STRING, FALSE },
  { "videobufferkf", EGRESS_JANUS_BOOLEAN, FALSE },
  { "videoiface", EGRESS_JANUS_STRING, FALSE },
  { "videosimulcast", EGRESS_JANUS_BOOLEAN, FALSE },
  { "videoport2", EGRESS_JANUS_POSITIVE, FALSE },
  { "videoport3", EGRESS_JANUS_POSITIVE, FALSE },
  { "videoskew", EGRESS_JANUS_BOOLEAN, FALSE },
  { "videosvc", EGRESS_JANUS_BOOLEAN, FALSE },
};
static const EgressJanusParam data_params[] = {
  { "dataport", EGRESS_JANUS_POSITIVE, TRUE },
};

/* --- one medium --------------------------------------------------------- */

/* Where the two forms have one thing under two names. */
typedef struct
{
  const char *mcast, *iface, *rtcp_port, *pt, *codec, *rtpmap, *fmtp, *skew,
      *simulcast, *svc, *ports[EGRESS_MAX_RENDITIONS];
} Names;
static const Names media_names = {
  "mcast",
  "iface",
  "rtcpport",
  "pt",
  "codec",
  "rtpmap",
  "fmtp",
  "skew",
  "simulcast",
  "svc",
  { "port", "port2", "port3" },
};
static const Names video_names = {
  "videomcast",
  "videoiface",
  "videortcpport",
  "videopt",
  "videocodec",
  "videortpmap",
  "videofmtp",
  "videoskew",
  "videosimulcast",
  "videosvc",
  { "videoport", "videoport2", "videoport3" },
};
static const Names audio_names = {
  "audiomcast",
  "audioiface",
  "audiortcpport",
  "audiopt",
  "audiocodec",
  "audiortpmap",
  "audiofmtp",
  "audioskew",
  /* there are none */
  "audiosimulcast",
  "audiosvc",
  { "audioport", "", "" },
};

/* @source: as Janus names it in its complaint: "data source" in the media
 * form, whatever the kind */
static gboolean
read_codec (EgressMountpointMedia *media, RtcMediaKind kind, JsonObject *object,
            const Names *names, const char *source, GError **error)
{
  const char *codec = egress_janus_get_string (object, names->codec);
  const char *rtpmap = egress_janus_get_string (object, names->rtpmap);
  g_autofree char *name = NULL;

  if (codec == NULL && rtpmap == NULL)
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_CANT_CREATE,
        "Can't add 'rtp' stream, error creating %s stream", source);
  if (codec == NULL)
    codec = rtpmap;
  name = g_strndup (codec, strcspn (codec, "/"));
  media->codec = rtc_codec_from_name (name);
  if (media->codec != RTC_CODEC_NONE && rtc_codec_kind (media->codec) == kind)
    return TRUE;
  return egress_mountpoint_spec_fail (
      error, EGRESS_STREAMING_CANT_CREATE,
      "Can't add 'rtp' stream, no %s codec '%.32s' here (%s)",
      kind == RTC_MEDIA_VIDEO ? "video" : "audio", codec,
      kind == RTC_MEDIA_VIDEO ? "h264, h265, vp8, vp9, av1" : "opus");
}

static gboolean
read_ports (EgressMountpointMedia *media, JsonObject *object,
            const Names *names, GError **error)
{
  gint64 number;

  media->n_ports = media->is_simulcast ? EGRESS_MAX_RENDITIONS : 1;
  for (guint i = 0; i < media->n_ports; i++)
    {
      if (!egress_mountpoint_spec_take_number (object, names->ports[i], 65535,
                                               0, &number, error))
        return FALSE;
      media->ports[i] = (guint)number;
      for (guint k = 0; k < i; k++)
        if (number != 0 && media->ports[k] == number)
          return egress_mountpoint_spec_fail (
              error, EGRESS_STREAMING_CANT_CREATE,
              "Can't add 'rtp' stream, two renditions have the port "
              "%u",
              media->ports[i]);
    }
  if (!egress_mountpoint_spec_take_number (object, names->rtcp_port, 65535, -1,
                                           &number, error))
    return FALSE;
  media->rtcp_port = (int)number;
  return TRUE;
}

static gboolean
read_medium (EgressMountpointMedia *media, RtcMediaKind kind,
             JsonObject *object, const Names *names, const char *source,
             GError **error)
{
  gint64 pt;

  media->is_present = TRUE;
  media->is_simulcast =
      kind == RTC_MEDIA_VIDEO
      && egress_janus_get_bool (object, names->simulcast, FALSE);
  media->is_svc = kind == RTC_MEDIA_VIDEO
                  && egress_janus_get_bool (object, names->svc, FALSE);
  media->has_skew = egress_janus_get_bool (object, names->skew, FALSE);
  if (!egress_mountpoint_spec_take_number (object, names->pt, 127, -1, &pt,
                                           error)
      || !read_ports (media, object, names, error)
      || !egress_mountpoint_spec_take_text (object, names->mcast,
                                            EGRESS_MOUNTPOINT_MAX_NAME_CHARS,
                                            FALSE, &media->mcast, error)
      || !egress_mountpoint_spec_take_text (object, names->iface,
                                            EGRESS_MOUNTPOINT_MAX_NAME_CHARS,
                                            FALSE, &media->iface, error)
      || !egress_mountpoint_spec_take_text (
          object, names->fmtp, sizeof ((RelayTrackInfo *)0)->fmtp - 1, TRUE,
          &media->fmtp, error)
      || !read_codec (media, kind, object, names, source, error))
    return FALSE;
  media->pt = (int)pt;
  if (media->mcast != NULL && media->mcast[0] == '\0')
    g_clear_pointer (&media->mcast, g_free);
  if (media->fmtp != NULL && media->fmtp[0] == '\0')
    g_clear_pointer (&media->fmtp, g_free);
  return TRUE;
}

static gboolean
mid_is_valid (const char *mid)
{
  gsize n_chars = strspn (mid, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".-_+");

  return n_chars > 0 && n_chars <= MAX_MID_CHARS && mid[n_chars] == '\0';
}

/* --- the media form ----------------------------------------------------- */

static gboolean
read_entry_names (EgressMountpointSpec *self, EgressMountpointMedia *media,
                  RtcMediaKind kind, JsonObject *object, GError **error)
{
  const char *mid = egress_janus_get_string (object, "mid");

  if (!mid_is_valid (mid))
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_INVALID_ELEMENT,
        "Invalid element (mid should be 1 to %d characters of A-Z "
        "a-z 0-9 . _ + -)",
        MAX_MID_CHARS);
  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    if (g_strcmp0 (self->media[i].mid, mid) == 0)
      return egress_mountpoint_spec_fail (
          error, EGRESS_STREAMING_CANT_CREATE,
          "Can't add 'rtp' stream, two media have the mid '%s'", mid);
  media->mid = g_strdup (mid);
  media->label = g_strdup (kind == RTC_MEDIA_VIDEO ? "video" : "audio");
  return egress_mountpoint_spec_take_name (object, "label", &media->label,
                                           error)
         && egress_mountpoint_spec_take_text (object, "msid",
                                              EGRESS_MOUNTPOINT_MAX_NAME_CHARS,
                                              TRUE, &media->msid, error);
}

static gboolean
read_entry (EgressMountpointSpec *self, JsonObject *object, guint index,
            GError **error)
{
  const char *type;
  EgressMountpointMedia *media;
  RtcMediaKind kind;

  if (!egress_mountpoint_spec_check (object, media_params,
                                     G_N_ELEMENTS (media_params), error))
    return FALSE;
  type = egress_janus_get_string (object, "type");
  if (g_str_equal (type, "data"))
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_CANT_CREATE,
        "Can't add 'rtp' stream, data is not carried here");
  if (!g_str_equal (type, "audio") && !g_str_equal (type, "video"))
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_CANT_CREATE,
        "Unsupported media type in media stream");
  kind = type[0] == 'v' ? RTC_MEDIA_VIDEO : RTC_MEDIA_AUDIO;
  media = &self->media[kind];
  if (media->is_present)
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_CANT_CREATE,
        "Can't add 'rtp' stream, a mountpoint has one %s here", type);
  if (g_strcmp0 (egress_janus_get_string (object, "iface"), "") == 0)
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_CANT_CREATE,
        "Invalid network interface configuration for media stream");
  if (!read_entry_names (self, media, kind, object, error))
    return FALSE;
  media->index = index;
  return read_medium (media, kind, object, &media_names, "data source", error);
}

gboolean
egress_mountpoint_spec_read_media (EgressMountpointSpec *self, JsonArray *array,
                                   GError **error)
{
  g_autoptr (JsonObject) empty = json_object_new ();
  guint n = json_array_get_length (array);

  if (n == 0)
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_CANT_CREATE,
        "Can't add 'rtp' stream, no audio or video have to be "
        "streamed...");
  if (n > EGRESS_MOUNTPOINT_MAX_MEDIA)
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_CANT_CREATE,
        "Can't add 'rtp' stream, more than %d media",
        EGRESS_MOUNTPOINT_MAX_MEDIA);
  for (guint i = 0; i < n; i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      if (!read_entry (self,
                       JSON_NODE_HOLDS_OBJECT (node)
                           ? json_node_get_object (node)
                           : empty,
                       i, error))
        return FALSE;
    }
  return TRUE;
}

/* --- the old form ------------------------------------------------------- */

gboolean
egress_mountpoint_spec_fail_empty (const char *type, GError **error)
{
  return egress_mountpoint_spec_fail (
      error, EGRESS_STREAMING_CANT_CREATE,
      "Can't add '%s' stream, no audio or video have to be "
      "streamed...",
      type);
}

/* which of audio and video there shall be; mids "a" and "v" as Janus's */
gboolean
egress_mountpoint_spec_read_wants (EgressMountpointSpec *self, JsonObject *body)
{
  guint n = 0;

  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    {
      EgressMountpointMedia *media = &self->media[i];
      const char *kind = i == RTC_MEDIA_VIDEO ? "video" : "audio";

      media->is_present = egress_janus_get_bool (body, kind, FALSE);
      media->pt = media->rtcp_port = -1;
      media->n_ports = 1;
      if (!media->is_present)
        continue;
      media->index = n++;
      media->mid = g_strndup (kind, 1);
      media->label = g_strdup (kind);
    }
  return n > 0;
}

static gboolean
read_old_medium (EgressMountpointSpec *self, RtcMediaKind kind,
                 JsonObject *body, GError **error)
{
  gboolean is_video = kind == RTC_MEDIA_VIDEO;
  const Names *names = is_video ? &video_names : &audio_names;

  if (!self->media[kind].is_present)
    return TRUE;
  if (is_video ? !egress_mountpoint_spec_check (
          body, video_params, G_N_ELEMENTS (video_params), error)
               : !egress_mountpoint_spec_check (
                   body, audio_params, G_N_ELEMENTS (audio_params), error))
    return FALSE;
  if (g_strcmp0 (egress_janus_get_string (body, names->iface), "") == 0)
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_CANT_CREATE,
        "Invalid network interface configuration for %s",
        is_video ? "video" : "audio");
  return read_medium (&self->media[kind], kind, body, names,
                      is_video ? "video source" : "audio source", error);
}

gboolean
egress_mountpoint_spec_read_old_form (EgressMountpointSpec *self,
                                      JsonObject *body, GError **error)
{
  gboolean has_data = egress_janus_get_bool (body, "data", FALSE);

  self->is_old_form = TRUE;
  if (!egress_mountpoint_spec_read_wants (self, body) && !has_data)
    return egress_mountpoint_spec_fail_empty ("rtp", error);
  if (!read_old_medium (self, RTC_MEDIA_AUDIO, body, error)
      || !read_old_medium (self, RTC_MEDIA_VIDEO, body, error))
    return FALSE;
  if (!has_data)
    return TRUE;
  return egress_mountpoint_spec_check (body, data_params,
                                       G_N_ELEMENTS (data_params), error)
         && egress_mountpoint_spec_fail (
             error, EGRESS_STREAMING_CANT_CREATE,
             "Can't add 'rtp' stream, data is not carried here");
}
