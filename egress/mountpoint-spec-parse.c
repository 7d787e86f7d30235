/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressMountpointSpec from the body of `create`. What is checked in which
 * order, and in which words, is Janus 1.1.2's, read off the running server;
 * what it accepts and cannot serve (codecs unknown to browsers, data, ports
 * above 65535) is refused here by name.
 */
#include "egress/mountpoint-spec.h"

#include <string.h>

#include "base/signaling.h"
#include "egress/janus-params.h"

#define MAX_MID_CHARS 16 /* as RTC_MAX_MID_CHARS: it fits the extension */
#define SRTP_KEY_BYTES 30
#define MAX_COLLISION_MS (3600 * 1000)

static const EgressJanusParam head_params[] = {
  { "name", EGRESS_JANUS_STRING, FALSE },
  { "description", EGRESS_JANUS_STRING, FALSE },
  { "metadata", EGRESS_JANUS_STRING, FALSE },
  { "is_private", EGRESS_JANUS_BOOLEAN, FALSE },
  { "type", EGRESS_JANUS_STRING, TRUE },
  { "secret", EGRESS_JANUS_STRING, FALSE },
  { "pin", EGRESS_JANUS_STRING, FALSE },
  { "media", EGRESS_JANUS_ARRAY, FALSE },
  { "permanent", EGRESS_JANUS_BOOLEAN, FALSE },
  { "audio", EGRESS_JANUS_BOOLEAN, FALSE },
  { "video", EGRESS_JANUS_BOOLEAN, FALSE },
  { "data", EGRESS_JANUS_BOOLEAN, FALSE },
};
static const EgressJanusParam id_params[] = {
  { "id", EGRESS_JANUS_POSITIVE, FALSE },
};
static const EgressJanusParam string_id_params[] = {
  { "id", EGRESS_JANUS_STRING, FALSE },
};
static const EgressJanusParam rtp_params[] = {
  { "collision", EGRESS_JANUS_POSITIVE, FALSE },
  { "threads", EGRESS_JANUS_POSITIVE, FALSE },
  { "srtpsuite", EGRESS_JANUS_POSITIVE, FALSE },
  { "srtpcrypto", EGRESS_JANUS_STRING, FALSE },
  { "e2ee", EGRESS_JANUS_BOOLEAN, FALSE },
  { "playoutdelay_ext", EGRESS_JANUS_BOOLEAN, FALSE },
};
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
static const EgressJanusParam rtsp_params[] = {
  { "url", EGRESS_JANUS_STRING, FALSE },
  { "rtsp_user", EGRESS_JANUS_STRING, FALSE },
  { "rtsp_pwd", EGRESS_JANUS_STRING, FALSE },
  { "rtsp_reconnect_delay", EGRESS_JANUS_POSITIVE, FALSE },
  { "rtsp_session_timeout", EGRESS_JANUS_POSITIVE, FALSE },
  { "rtsp_timeout", EGRESS_JANUS_POSITIVE, FALSE },
  { "rtsp_conn_timeout", EGRESS_JANUS_POSITIVE, FALSE },
  { "audiocodec", EGRESS_JANUS_STRING, FALSE },
  { "audiortpmap", EGRESS_JANUS_STRING, FALSE },
  { "audiofmtp", EGRESS_JANUS_STRING, FALSE },
  { "audiopt", EGRESS_JANUS_POSITIVE, FALSE },
  { "videocodec", EGRESS_JANUS_STRING, FALSE },
  { "videortpmap", EGRESS_JANUS_STRING, FALSE },
  { "videofmtp", EGRESS_JANUS_STRING, FALSE },
  { "videopt", EGRESS_JANUS_POSITIVE, FALSE },
  { "videobufferkf", EGRESS_JANUS_BOOLEAN, FALSE },
  { "threads", EGRESS_JANUS_POSITIVE, FALSE },
  { "rtspiface", EGRESS_JANUS_STRING, FALSE },
  { "rtsp_failcheck", EGRESS_JANUS_BOOLEAN, FALSE },
};
static const EgressJanusParam file_params[] = {
  { "filename", EGRESS_JANUS_STRING, TRUE },
};

/* --- refusing ----------------------------------------------------------- */

static gboolean fail (GError **error, EgressStreamingCode code,
                      const char *format, ...) G_GNUC_PRINTF (3, 4);

static gboolean
fail (GError **error, EgressStreamingCode code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, EGRESS_STREAMING_ERROR, (int)code, text);
  return FALSE;
}

static gboolean
check (JsonObject *object, const EgressJanusParam *params, guint n_params,
       GError **error)
{
  g_autofree char *text = NULL;

  switch (egress_janus_params_check (object, params, n_params, &text))
    {
    case EGRESS_JANUS_PARAMS_MISSING:
      return fail (error, EGRESS_STREAMING_MISSING, "%s", text);
    case EGRESS_JANUS_PARAMS_INVALID:
      return fail (error, EGRESS_STREAMING_INVALID_ELEMENT, "%s", text);
    case EGRESS_JANUS_PARAMS_OK:
    default:
      return TRUE;
    }
}

/* take_text: a string of at most @max_chars bytes; one that goes into SDP has
 * no control characters. */
static gboolean
take_text (JsonObject *object, const char *member, gsize max_chars,
           gboolean is_for_sdp, char **ret, GError **error)
{
  const char *text = egress_janus_get_string (object, member);

  if (text == NULL)
    return TRUE;
  if (strlen (text) > max_chars)
    return fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
                 "Invalid element (%s should be at most %" G_GSIZE_FORMAT
                 " bytes)",
                 member, max_chars);
  for (const char *c = text; is_for_sdp && *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      return fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
                   "Invalid element (%s has control characters)", member);
  g_free (*ret);
  *ret = g_strdup (text);
  return TRUE;
}

/* As take_text, where an empty one is as none (secret, pin). */
static gboolean
take_name (JsonObject *object, const char *member, char **ret, GError **error)
{
  if (!take_text (object, member, EGRESS_MOUNTPOINT_MAX_NAME_CHARS, FALSE, ret,
                  error))
    return FALSE;
  return TRUE;
}

static gboolean
take_number (JsonObject *object, const char *member, gint64 max, gint64 or_else,
             gint64 *ret, GError **error)
{
  *ret = egress_janus_get_int (object, member, or_else);
  if (*ret <= max)
    return TRUE;
  return fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
               "Invalid element (%s should be at most %" G_GINT64_FORMAT ")",
               member, max);
}

/* A number that Janus does not look at: nonsense is as none. */
static guint
get_loose (JsonObject *object, const char *member, gint64 min, gint64 max)
{
  JsonNode *node = json_object_get_member (object, member);
  gint64 value;

  if (node == NULL || json_node_get_value_type (node) != G_TYPE_INT64)
    return 0;
  value = json_node_get_int (node);
  return value >= min && value <= max ? (guint)value : 0;
}

/* --- the head ----------------------------------------------------------- */

static gboolean
read_id (JsonObject *body, gboolean string_ids, char **ret, GError **error)
{
  const char *text;
  gint64 number;

  if (!check (body, string_ids ? string_id_params : id_params, 1, error))
    return FALSE;
  if (!string_ids)
    {
      if (!take_number (body, "id", EGRESS_MOUNTPOINT_MAX_ID, 0, &number,
                        error))
        return FALSE;
      *ret = number > 0 ? g_strdup_printf ("%" G_GINT64_FORMAT, number) : NULL;
      return TRUE;
    }
  text = egress_janus_get_string (body, "id");
  if (text != NULL && !base_stream_name_is_valid (text))
    return fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
                 "Invalid element (id should be 1 to 64 characters of A-Z a-z "
                 "0-9 . _ -)");
  *ret = g_strdup (text);
  return TRUE;
}

gboolean
egress_mountpoint_spec_check_head (JsonObject *body, gboolean string_ids,
                                   char **ret_id, GError **error)
{
  g_autofree char *id = NULL;

  if (!check (body, head_params, G_N_ELEMENTS (head_params), error)
      || !read_id (body, string_ids, &id, error))
    return FALSE;
  *ret_id = g_steal_pointer (&id);
  return TRUE;
}

static gboolean
read_head (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  self->is_private = egress_janus_get_bool (body, "is_private", FALSE);
  self->is_permanent = egress_janus_get_bool (body, "permanent", FALSE);
  if (!take_name (body, "name", &self->name, error)
      || !take_text (body, "description", EGRESS_MOUNTPOINT_MAX_TEXT_CHARS,
                     FALSE, &self->description, error)
      || !take_text (body, "metadata", EGRESS_MOUNTPOINT_MAX_TEXT_CHARS, FALSE,
                     &self->metadata, error)
      || !take_name (body, "secret", &self->secret, error)
      || !take_name (body, "pin", &self->pin, error))
    return FALSE;
  /* an empty one protects nothing: Janus says the same */
  if (self->secret != NULL && self->secret[0] == '\0')
    g_clear_pointer (&self->secret, g_free);
  if (self->pin != NULL && self->pin[0] == '\0')
    g_clear_pointer (&self->pin, g_free);
  return TRUE;
}

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
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
                 "Can't add 'rtp' stream, error creating %s stream", source);
  if (codec == NULL)
    codec = rtpmap;
  name = g_strndup (codec, strcspn (codec, "/"));
  media->codec = rtc_codec_from_name (name);
  if (media->codec != RTC_CODEC_NONE && rtc_codec_kind (media->codec) == kind)
    return TRUE;
  return fail (error, EGRESS_STREAMING_CANT_CREATE,
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
      if (!take_number (object, names->ports[i], 65535, 0, &number, error))
        return FALSE;
      media->ports[i] = (guint)number;
      for (guint k = 0; k < i; k++)
        if (number != 0 && media->ports[k] == number)
          return fail (error, EGRESS_STREAMING_CANT_CREATE,
                       "Can't add 'rtp' stream, two renditions have the port "
                       "%u",
                       media->ports[i]);
    }
  if (!take_number (object, names->rtcp_port, 65535, -1, &number, error))
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
  if (!take_number (object, names->pt, 127, -1, &pt, error)
      || !read_ports (media, object, names, error)
      || !take_text (object, names->mcast, EGRESS_MOUNTPOINT_MAX_NAME_CHARS,
                     FALSE, &media->mcast, error)
      || !take_text (object, names->iface, EGRESS_MOUNTPOINT_MAX_NAME_CHARS,
                     FALSE, &media->iface, error)
      || !take_text (object, names->fmtp,
                     sizeof ((RelayTrackInfo *)0)->fmtp - 1, TRUE, &media->fmtp,
                     error)
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
    return fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
                 "Invalid element (mid should be 1 to %d characters of A-Z "
                 "a-z 0-9 . _ + -)",
                 MAX_MID_CHARS);
  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    if (g_strcmp0 (self->media[i].mid, mid) == 0)
      return fail (error, EGRESS_STREAMING_CANT_CREATE,
                   "Can't add 'rtp' stream, two media have the mid '%s'", mid);
  media->mid = g_strdup (mid);
  media->label = g_strdup (kind == RTC_MEDIA_VIDEO ? "video" : "audio");
  return take_name (object, "label", &media->label, error)
         && take_text (object, "msid", EGRESS_MOUNTPOINT_MAX_NAME_CHARS, TRUE,
                       &media->msid, error);
}

static gboolean
read_entry (EgressMountpointSpec *self, JsonObject *object, guint index,
            GError **error)
{
  const char *type;
  EgressMountpointMedia *media;
  RtcMediaKind kind;

  if (!check (object, media_params, G_N_ELEMENTS (media_params), error))
    return FALSE;
  type = egress_janus_get_string (object, "type");
  if (g_str_equal (type, "data"))
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
                 "Can't add 'rtp' stream, data is not carried here");
  if (!g_str_equal (type, "audio") && !g_str_equal (type, "video"))
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
                 "Unsupported media type in media stream");
  kind = type[0] == 'v' ? RTC_MEDIA_VIDEO : RTC_MEDIA_AUDIO;
  media = &self->media[kind];
  if (media->is_present)
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
                 "Can't add 'rtp' stream, a mountpoint has one %s here", type);
  if (g_strcmp0 (egress_janus_get_string (object, "iface"), "") == 0)
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
                 "Invalid network interface configuration for media stream");
  if (!read_entry_names (self, media, kind, object, error))
    return FALSE;
  media->index = index;
  return read_medium (media, kind, object, &media_names, "data source", error);
}

static gboolean
read_media (EgressMountpointSpec *self, JsonArray *array, GError **error)
{
  g_autoptr (JsonObject) empty = json_object_new ();
  guint n = json_array_get_length (array);

  if (n == 0)
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
                 "Can't add 'rtp' stream, no audio or video have to be "
                 "streamed...");
  if (n > EGRESS_MOUNTPOINT_MAX_MEDIA)
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
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

static gboolean
fail_empty (const char *type, GError **error)
{
  return fail (error, EGRESS_STREAMING_CANT_CREATE,
               "Can't add '%s' stream, no audio or video have to be "
               "streamed...",
               type);
}

/* which of audio and video there shall be; mids "a" and "v" as Janus's */
static gboolean
read_wants (EgressMountpointSpec *self, JsonObject *body)
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
  if (is_video
          ? !check (body, video_params, G_N_ELEMENTS (video_params), error)
          : !check (body, audio_params, G_N_ELEMENTS (audio_params), error))
    return FALSE;
  if (g_strcmp0 (egress_janus_get_string (body, names->iface), "") == 0)
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
                 "Invalid network interface configuration for %s",
                 is_video ? "video" : "audio");
  return read_medium (&self->media[kind], kind, body, names,
                      is_video ? "video source" : "audio source", error);
}

static gboolean
read_old_form (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  gboolean has_data = egress_janus_get_bool (body, "data", FALSE);

  self->is_old_form = TRUE;
  if (!read_wants (self, body) && !has_data)
    return fail_empty ("rtp", error);
  if (!read_old_medium (self, RTC_MEDIA_AUDIO, body, error)
      || !read_old_medium (self, RTC_MEDIA_VIDEO, body, error))
    return FALSE;
  if (!has_data)
    return TRUE;
  return check (body, data_params, G_N_ELEMENTS (data_params), error)
         && fail (error, EGRESS_STREAMING_CANT_CREATE,
                  "Can't add 'rtp' stream, data is not carried here");
}

/* --- the types ---------------------------------------------------------- */

static gboolean
read_srtp (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  gint64 suite = egress_janus_get_int (body, "srtpsuite", -1);
  const char *crypto = egress_janus_get_string (body, "srtpcrypto");

  if (suite != -1 && suite != 32 && suite != 80)
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
                 "Can't add 'rtp' stream, invalid SRTP suite...");
  if (suite == -1 || crypto == NULL)
    return TRUE; /* one without the other: plain, as Janus has it */
  self->srtp_suite = (int)suite;
  return take_name (body, "srtpcrypto", &self->srtp_crypto, error);
}

static gboolean
check_srtp_key (const EgressMountpointSpec *self, GError **error)
{
  g_autofree guchar *key = NULL;
  gsize n_bytes = 0;

  if (self->srtp_crypto == NULL)
    return TRUE;
  if (self->srtp_crypto[0] != '\0')
    key = g_base64_decode (self->srtp_crypto, &n_bytes);
  return n_bytes == SRTP_KEY_BYTES
         || fail (error, EGRESS_STREAMING_CANT_CREATE,
                  "Error creating 'rtp' stream");
}

/* Two media may share a port when their payload types tell them apart. */
static gboolean
check_shared_ports (const EgressMountpointSpec *self, GError **error)
{
  const EgressMountpointMedia *audio = &self->media[RTC_MEDIA_AUDIO];
  const EgressMountpointMedia *video = &self->media[RTC_MEDIA_VIDEO];

  if (!audio->is_present || !video->is_present || audio->ports[0] == 0)
    return TRUE;
  for (guint i = 0; i < video->n_ports; i++)
    if (video->ports[i] == audio->ports[0])
      return fail (error, EGRESS_STREAMING_CANT_CREATE,
                   "Can't add 'rtp' stream, two media have the port %u",
                   audio->ports[0]);
  return TRUE;
}

static gboolean
read_rtp (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  gint64 collision;

  if (!check (body, rtp_params, G_N_ELEMENTS (rtp_params), error)
      || !read_srtp (self, body, error))
    return FALSE;
  collision = egress_janus_get_int (body, "collision", 0);
  self->collision_ms = (guint)MIN (collision, MAX_COLLISION_MS);
  self->threads =
      (guint)MIN (egress_janus_get_int (body, "threads", 0), G_MAXINT);
  self->is_e2ee = egress_janus_get_bool (body, "e2ee", FALSE);
  self->has_playout_delay =
      egress_janus_get_bool (body, "playoutdelay_ext", FALSE);
  self->capture_time_id =
      (int)get_loose (body, "abscapturetime_src_ext_id", 1, 14);
  self->buffer_kf_ms = get_loose (body, "bufferkf_ms", 0, G_MAXINT);
  self->buffer_kf_bytes = get_loose (body, "bufferkf_bytes", 0, G_MAXINT);
  if (json_object_has_member (body, "media")
          ? !read_media (self, json_object_get_array_member (body, "media"),
                         error)
          : !read_old_form (self, body, error))
    return FALSE;
  return check_srtp_key (self, error) && check_shared_ports (self, error);
}

static gboolean
read_rtsp (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  if (!read_wants (self, body))
    return check (body, rtsp_params, 1, error) && fail_empty ("rtsp", error);
  if (!check (body, rtsp_params, G_N_ELEMENTS (rtsp_params), error)
      || !take_text (body, "url", EGRESS_MOUNTPOINT_MAX_TEXT_CHARS, TRUE,
                     &self->url, error)
      || !take_name (body, "rtsp_user", &self->rtsp_user, error)
      || !take_name (body, "rtsp_pwd", &self->rtsp_password, error))
    return FALSE;
  self->rtsp_check = egress_janus_get_bool (body, "rtsp_failcheck", TRUE);
  if (self->url == NULL
      || (!g_str_has_prefix (self->url, "rtsp://")
          && !g_str_has_prefix (self->url, "rtsps://")))
    return fail (error, EGRESS_STREAMING_CANT_CREATE,
                 "Error creating 'RTSP' stream");
  return TRUE;
}

static gboolean
read_file (EgressMountpointSpec *self, JsonObject *body, const char *type,
           GError **error)
{
  if (!check (body, file_params, G_N_ELEMENTS (file_params), error)
      || !take_text (body, "filename", EGRESS_MOUNTPOINT_MAX_TEXT_CHARS, FALSE,
                     &self->filename, error))
    return FALSE;
  return read_wants (self, body) || fail_empty (type, error);
}

static gboolean
read_type (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  const char *type = egress_janus_get_string (body, "type");

  if (g_str_equal (type, "rtp"))
    {
      self->kind = EGRESS_MOUNTPOINT_RTP;
      return read_rtp (self, body, error);
    }
  if (g_str_equal (type, "rtsp"))
    {
      self->kind = EGRESS_MOUNTPOINT_RTSP;
      return read_rtsp (self, body, error);
    }
  if (g_str_equal (type, "live") || g_str_equal (type, "ondemand"))
    {
      self->kind =
          type[0] == 'l' ? EGRESS_MOUNTPOINT_LIVE : EGRESS_MOUNTPOINT_ONDEMAND;
      return read_file (self, body, type, error);
    }
  return fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
               "Unknown stream type '%.64s'...\n", type);
}

static gboolean
check_size (const EgressMountpointSpec *self, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;

  json_node_take_object (node, egress_mountpoint_spec_to_json (self));
  text = json_to_string (node, FALSE);
  return strlen (text) <= EGRESS_MOUNTPOINT_MAX_BYTES
         || fail (error, EGRESS_STREAMING_CANT_CREATE,
                  "Can't add the stream, what there is to keep of it is more "
                  "than %d bytes",
                  EGRESS_MOUNTPOINT_MAX_BYTES);
}

/* @id: (transfer full) (nullable) */
static EgressMountpointSpec *
read_rest (JsonObject *body, char *id, GError **error)
{
  g_autoptr (EgressMountpointSpec) self = g_new0 (EgressMountpointSpec, 1);

  self->id = id;
  self->is_enabled = TRUE;
  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    self->media[i].pt = self->media[i].rtcp_port = -1;
  if (!read_head (self, body, error) || !read_type (self, body, error))
    return NULL;
  if (self->id != NULL)
    egress_mountpoint_spec_set_id (self, NULL);
  return check_size (self, error) ? g_steal_pointer (&self) : NULL;
}

EgressMountpointSpec *
egress_mountpoint_spec_parse (JsonObject *body, gboolean string_ids,
                              GError **error)
{
  char *id = NULL;

  if (!egress_mountpoint_spec_check_head (body, string_ids, &id, error))
    return NULL;
  return read_rest (body, id, error);
}

EgressMountpointSpec *
egress_mountpoint_spec_from_json (JsonObject *object, gboolean string_ids,
                                  GError **error)
{
  static const EgressJanusParam stored_params[] = {
    { "id", EGRESS_JANUS_STRING, TRUE },
    { "enabled", EGRESS_JANUS_BOOLEAN, FALSE },
    { "node_id", EGRESS_JANUS_STRING, FALSE },
  };
  EgressMountpointSpec *self;
  g_autofree char *canonical = NULL;
  const char *id;

  if (!check (object, stored_params, G_N_ELEMENTS (stored_params), error)
      || !check (object, head_params, G_N_ELEMENTS (head_params), error))
    return NULL;
  id = egress_janus_get_string (object, "id");
  if (base_stream_name_is_valid (id))
    canonical = egress_mountpoint_id_of_stream (id, string_ids);
  if (g_strcmp0 (id, canonical) != 0)
    {
      fail (error, EGRESS_STREAMING_INVALID_ELEMENT, "Invalid element (id)");
      return NULL;
    }
  self = read_rest (object, g_strdup (id), error);
  if (self == NULL)
    return NULL;
  self->is_enabled = egress_janus_get_bool (object, "enabled", TRUE);
  self->node_id = g_strdup (egress_janus_get_string (object, "node_id"));
  if (self->node_id == NULL || base_stream_name_is_valid (self->node_id))
    return self;
  egress_mountpoint_spec_free (self);
  fail (error, EGRESS_STREAMING_INVALID_ELEMENT, "Invalid element (node_id)");
  return NULL;
}
