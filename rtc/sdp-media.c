/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/sdp-media: reads one media section; see sdp-private.h. */
#include <string.h>

#include "rtc/sdp-private.h"

static gboolean
syntax_error (GError **error, const char *key, const char *value)
{
  g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_SYNTAX,
               "malformed a=%s:%.40s", key, value);
  return FALSE;
}

/* "96 rest": Returns: (nullable): rest, which may be empty */
static const char *
split_pt (const char *value, guint *ret_pt)
{
  guint64 pt;

  if (!rtc_sdp_parse_number (&value, 127, &pt)
      || (*value != ' ' && *value != '\0'))
    return NULL;
  *ret_pt = (guint)pt;
  return value + strspn (value, " ");
}

static RtcDirection
read_direction (const GstSDPMessage *session, const GstSDPMedia *media)
{
  static const struct
  {
    const char *name;
    RtcDirection direction;
  } names[] = { { "sendrecv", RTC_DIR_SENDRECV },
                { "sendonly", RTC_DIR_SENDONLY },
                { "recvonly", RTC_DIR_RECVONLY },
                { "inactive", RTC_DIR_INACTIVE } };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (gst_sdp_media_get_attribute_val (media, names[i].name) != NULL)
      return names[i].direction;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (gst_sdp_message_get_attribute_val (session, names[i].name) != NULL)
      return names[i].direction;
  return RTC_DIR_SENDRECV;
}

/* What the attributes say of each payload type, before the list is made */
typedef struct
{
  gboolean is_listed;
  const char *rtpmap; /* borrowed from the message; so the next */
  const char *fmtp;
  gboolean nack, pli, fir, remb, twcc;
} PtInfo;

static void
read_feedback (PtInfo *info, const char *what)
{
  if (g_str_equal (what, "nack"))
    info->nack = TRUE;
  else if (g_str_equal (what, "nack pli"))
    info->pli = TRUE;
  else if (g_str_equal (what, "ccm fir"))
    info->fir = TRUE;
  else if (g_str_equal (what, "goog-remb"))
    info->remb = TRUE;
  else if (g_str_equal (what, "transport-cc"))
    info->twcc = TRUE;
}

static gboolean
read_pt_attributes (const GstSDPMedia *media, PtInfo *pts, GError **error)
{
  for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++)
    {
      const GstSDPAttribute *a = gst_sdp_media_get_attribute (media, i);
      gboolean is_feedback = g_str_equal (a->key, "rtcp-fb");
      gboolean is_rtpmap = g_str_equal (a->key, "rtpmap");
      const char *rest;
      guint pt = 0;

      if (!is_feedback && !is_rtpmap && !g_str_equal (a->key, "fmtp"))
        continue;
      if (is_feedback && g_str_has_prefix (a->value, "* "))
        {
          for (pt = 0; pt < 128; pt++)
            read_feedback (&pts[pt], a->value + 2);
          continue;
        }
      rest = split_pt (a->value, &pt);
      if (rest == NULL || *rest == '\0')
        return syntax_error (error, a->key, a->value);
      if (is_feedback)
        read_feedback (&pts[pt], rest);
      else if (is_rtpmap && pts[pt].rtpmap == NULL)
        pts[pt].rtpmap = rest;
      else if (!is_rtpmap && pts[pt].fmtp == NULL)
        pts[pt].fmtp = rest;
    }
  return TRUE;
}

/* "H264/90000", "opus/48000/2" */
static gboolean
split_rtpmap (const char *rtpmap, char **ret_name, guint32 *ret_clock_hz,
              guint *ret_channels)
{
  const char *slash = strchr (rtpmap, '/'), *p;
  guint64 clock_hz, channels = 0;

  if (slash == NULL || slash == rtpmap)
    return FALSE;
  p = slash + 1;
  if (!rtc_sdp_parse_number (&p, G_MAXUINT32, &clock_hz))
    return FALSE;
  if (*p == '/')
    {
      p++;
      if (!rtc_sdp_parse_number (&p, 255, &channels))
        return FALSE;
    }
  p += strspn (p, " ");
  if (*p != '\0')
    return FALSE;
  *ret_name = g_strndup (rtpmap, (gsize)(slash - rtpmap));
  *ret_clock_hz = (guint32)clock_hz;
  *ret_channels = (guint)channels;
  return TRUE;
}

static RtcSdpCodec *
find_codec (RtcSdpMedia *self, guint pt)
{
  for (guint i = 0; i < self->codecs->len; i++)
    {
      RtcSdpCodec *codec = &g_array_index (self->codecs, RtcSdpCodec, i);
      if (codec->pt == pt)
        return codec;
    }
  return NULL;
}

static void
read_codec (RtcSdpMedia *self, guint pt, const PtInfo *info, const char *name,
            guint32 clock_hz, guint channels)
{
  RtcSdpCodec codec = { .pt = (guint8)pt, .rtx_pt = -1 };

  codec.codec = rtc_codec_from_name (name);
  if (codec.codec == RTC_CODEC_NONE
      || rtc_codec_kind (codec.codec) != self->kind
      || rtc_codec_clock_hz (codec.codec) != clock_hz)
    return;
  codec.clock_hz = clock_hz;
  if (self->kind == RTC_MEDIA_AUDIO)
    codec.channels = MAX (channels, 1);
  codec.fmtp = (char *)info->fmtp; /* copied by add_codec */
  codec.nack = info->nack;
  codec.pli = info->pli;
  codec.fir = info->fir;
  codec.remb = info->remb;
  codec.twcc = info->twcc;
  rtc_sdp_media_add_codec (self, &codec);
}

/* Marks the formats of the m-line. */
static gboolean
read_formats (const GstSDPMedia *media, PtInfo *pts, GError **error)
{
  guint n = gst_sdp_media_formats_len (media);

  if (n > RTC_SDP_MAX_CODECS)
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_LIMIT,
                   "%u payload types in one m-line", n);
      return FALSE;
    }
  for (guint i = 0; i < n; i++)
    {
      const char *format = gst_sdp_media_get_format (media, i);
      const char *p = format;
      guint64 pt;

      if (!rtc_sdp_parse_number (&p, 127, &pt) || *p != '\0')
        {
          g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_SYNTAX,
                       "malformed payload type %.20s", format);
          return FALSE;
        }
      pts[pt].is_listed = TRUE;
    }
  return TRUE;
}

static void
read_rtx (RtcSdpMedia *self, const PtInfo *pts, guint pt)
{
  g_autofree char *apt = rtc_sdp_fmtp_get (pts[pt].fmtp, "apt");
  const char *p = apt;
  RtcSdpCodec *codec;
  guint64 value;

  if (apt == NULL || !rtc_sdp_parse_number (&p, 127, &value) || *p != '\0')
    return;
  codec = find_codec (self, (guint)value);
  if (codec != NULL && codec->rtx_pt < 0 && value != pt)
    codec->rtx_pt = (int)pt;
}

static gboolean
read_codecs (RtcSdpMedia *self, const GstSDPMedia *media, GError **error)
{
  g_autofree PtInfo *pts = g_new0 (PtInfo, 128);
  gboolean is_rtx[128] = { FALSE };

  if (!read_formats (media, pts, error)
      || !read_pt_attributes (media, pts, error))
    return FALSE;
  for (guint i = 0; i < gst_sdp_media_formats_len (media); i++)
    {
      guint pt = (guint)atoi (gst_sdp_media_get_format (media, i));
      g_autofree char *name = NULL;
      guint32 clock_hz;
      guint channels;

      if (!pts[pt].is_listed || pts[pt].rtpmap == NULL)
        continue;
      pts[pt].is_listed = FALSE; /* a payload type listed twice counts once */
      if (!split_rtpmap (pts[pt].rtpmap, &name, &clock_hz, &channels))
        return syntax_error (error, "rtpmap", pts[pt].rtpmap);
      is_rtx[pt] = g_ascii_strcasecmp (name, "rtx") == 0;
      if (!is_rtx[pt])
        read_codec (self, pt, &pts[pt], name, clock_hz, channels);
    }
  for (guint pt = 0; pt < 128; pt++)
    if (is_rtx[pt])
      read_rtx (self, pts, pt);
  return TRUE;
}

/* "6/recvonly URI": what only goes against the section's direction is left
 * out. */
static gboolean
read_extmap (RtcSdpMedia *self, const char *value, GError **error)
{
  const char *p = value, *rest;
  RtcDirection direction = RTC_DIR_SENDRECV;
  guint64 id;
  RtcExt ext;
  g_auto (GStrv) words = NULL;

  if (!rtc_sdp_parse_number (&p, G_MAXUINT16, &id))
    return syntax_error (error, "extmap", value);
  rest = strchr (p, ' ');
  if (rest == NULL || (rest != p && *p != '/'))
    return syntax_error (error, "extmap", value);
  if (g_str_has_prefix (p, "/sendonly "))
    direction = RTC_DIR_SENDONLY;
  else if (g_str_has_prefix (p, "/recvonly "))
    direction = RTC_DIR_RECVONLY;
  else if (g_str_has_prefix (p, "/inactive "))
    direction = RTC_DIR_INACTIVE;
  words = g_strsplit (rest + strspn (rest, " "), " ", 2);
  ext = rtc_ext_from_uri (words[0]);
  if (ext != RTC_EXT_NONE && self->ext_ids[ext] == 0 && id <= 255 && id != 15
      && (direction == RTC_DIR_SENDRECV || (direction & self->direction) != 0))
    self->ext_ids[ext] = (guint8)id;
  return TRUE;
}

static gboolean
read_extmaps (RtcSdpMedia *self, const GstSDPMessage *session,
              const GstSDPMedia *media, GError **error)
{
  const char *value;

  for (guint i = 0;; i++)
    {
      value = gst_sdp_media_get_attribute_val_n (media, "extmap", i);
      if (value == NULL)
        break;
      if (!read_extmap (self, value, error))
        return FALSE;
    }
  for (guint i = 0;; i++)
    {
      value = gst_sdp_message_get_attribute_val_n (session, "extmap", i);
      if (value == NULL)
        return TRUE;
      if (!read_extmap (self, value, error))
        return FALSE;
    }
}

static void
read_msid (RtcSdpMedia *self, const char *value)
{
  g_auto (GStrv) words = g_strsplit (value, " ", 3);

  if (self->msid_stream != NULL || words[0] == NULL || words[0][0] == '\0')
    return;
  self->msid_stream = g_strdup (words[0]);
  self->msid_track = g_strdup (words[1]);
}

/* "N cname:x" or "N msid:x y"; more than the maximum are not kept */
static gboolean
read_ssrc (RtcSdpMedia *self, const char *value, GError **error)
{
  const char *p = value;
  guint64 ssrc;
  guint i;

  if (!rtc_sdp_parse_number (&p, G_MAXUINT32, &ssrc)
      || (*p != ' ' && *p != '\0'))
    return syntax_error (error, "ssrc", value);
  p += strspn (p, " ");
  for (i = 0; i < self->n_ssrcs && self->ssrcs[i] != ssrc; i++)
    ;
  if (i == self->n_ssrcs && i < RTC_SDP_MAX_SSRCS)
    self->ssrcs[self->n_ssrcs++] = (guint32)ssrc;
  if (g_str_has_prefix (p, "cname:") && self->cname == NULL)
    self->cname = g_strdup (p + strlen ("cname:"));
  else if (g_str_has_prefix (p, "msid:"))
    read_msid (self, p + strlen ("msid:"));
  return TRUE;
}

/* "FID primary rtx": the partner leaves the list of primaries. */
static void
read_ssrc_group (RtcSdpMedia *self, const char *value)
{
  guint64 primary, rtx;
  const char *p = value + strlen ("FID ");
  guint n = 0;

  if (!g_str_has_prefix (value, "FID ")
      || !rtc_sdp_parse_number (&p, G_MAXUINT32, &primary) || *p++ != ' '
      || !rtc_sdp_parse_number (&p, G_MAXUINT32, &rtx) || primary == rtx)
    return;
  for (guint i = 0; i < self->n_ssrcs; i++)
    {
      if (self->ssrcs[i] == rtx)
        continue;
      self->ssrcs[n] = self->ssrcs[i];
      self->rtx_ssrcs[n] =
          self->ssrcs[i] == primary ? (guint32)rtx : self->rtx_ssrcs[i];
      n++;
    }
  self->n_ssrcs = n;
}

static gboolean
read_ssrcs (RtcSdpMedia *self, const GstSDPMedia *media, GError **error)
{
  const char *value;

  for (guint i = 0;; i++)
    {
      value = gst_sdp_media_get_attribute_val_n (media, "ssrc", i);
      if (value == NULL)
        break;
      if (!read_ssrc (self, value, error))
        return FALSE;
    }
  for (guint i = 0;; i++)
    {
      value = gst_sdp_media_get_attribute_val_n (media, "ssrc-group", i);
      if (value == NULL)
        return TRUE;
      read_ssrc_group (self, value);
    }
}

static gboolean
add_rid (RtcSdpMedia *self, const char *rid, const char *line, GError **error)
{
  if (!rtc_sdp_is_token (rid, RTC_SDP_MAX_RID_CHARS))
    return syntax_error (error, "rid", line);
  for (guint i = 0; i < self->n_rids; i++)
    if (g_str_equal (self->rids[i], rid))
      return syntax_error (error, "rid", line);
  if (self->n_rids >= RTC_SDP_MAX_RIDS)
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_LIMIT,
                   "more than %d rids", RTC_SDP_MAX_RIDS);
      return FALSE;
    }
  self->rids[self->n_rids++] = g_strdup (rid);
  return TRUE;
}

/* "send 0;1,2;~3 recv …": the first alternative of each layer is its rid. */
static gboolean
read_simulcast (RtcSdpMedia *self, const char *value, const char *direction,
                GError **error)
{
  g_auto (GStrv) words = g_strsplit (value, " ", -1);

  for (guint i = 0; words[i] != NULL && words[i + 1] != NULL; i += 2)
    {
      g_auto (GStrv) layers = NULL;

      if (!g_str_equal (words[i], direction))
        continue;
      layers = g_strsplit (words[i + 1], ";", -1);
      for (guint k = 0; layers[k] != NULL; k++)
        {
          char *rid = layers[k];

          rid[strcspn (rid, ",")] = '\0';
          if (!add_rid (self, rid[0] == '~' ? rid + 1 : rid, value, error))
            return FALSE;
        }
      self->has_simulcast = TRUE;
      return TRUE;
    }
  return TRUE;
}

static gboolean
read_rids (RtcSdpMedia *self, const GstSDPMedia *media, const char *direction,
           GError **error)
{
  const char *value = gst_sdp_media_get_attribute_val (media, "simulcast");

  if (value != NULL && !read_simulcast (self, value, direction, error))
    return FALSE;
  for (guint i = 0; !self->has_simulcast; i++)
    {
      g_auto (GStrv) words = NULL;

      value = gst_sdp_media_get_attribute_val_n (media, "rid", i);
      if (value == NULL)
        break;
      words = g_strsplit (value, " ", 3);
      if (words[0] == NULL || words[1] == NULL)
        return syntax_error (error, "rid", value);
      if (g_str_equal (words[1], direction)
          && !add_rid (self, words[0], value, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_mid (RtcSdpMedia *self, const GstSDPMedia *media, GError **error)
{
  const char *mid = gst_sdp_media_get_attribute_val (media, "mid");

  if (mid == NULL)
    return TRUE;
  if (strlen (mid) > RTC_MAX_MID_CHARS)
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_LIMIT,
                   "mid of more than %d characters", RTC_MAX_MID_CHARS);
      return FALSE;
    }
  if (!rtc_sdp_is_token (mid, RTC_MAX_MID_CHARS))
    return syntax_error (error, "mid", mid);
  self->mid = g_strdup (mid);
  return TRUE;
}

static void
read_m_line (RtcSdpMedia *self, const GstSDPMedia *media)
{
  const char *type = gst_sdp_media_get_media (media);
  GString *formats = g_string_new (NULL);

  self->raw_type = g_strdup (type);
  self->raw_proto = g_strdup (gst_sdp_media_get_proto (media));
  for (guint i = 0; i < gst_sdp_media_formats_len (media); i++)
    g_string_append_printf (formats, "%s%s", i > 0 ? " " : "",
                            gst_sdp_media_get_format (media, i));
  self->raw_formats = g_string_free (formats, FALSE);
  self->kind = g_str_equal (type, "audio") ? RTC_MEDIA_AUDIO : RTC_MEDIA_VIDEO;
  self->is_other =
      (!g_str_equal (type, "audio") && !g_str_equal (type, "video"))
      || !g_str_has_suffix (self->raw_proto, "RTP/SAVPF");
  self->is_rejected =
      gst_sdp_media_get_port (media) == 0
      && gst_sdp_media_get_attribute_val (media, "bundle-only") == NULL;
}

gboolean
rtc_sdp_media_read (RtcSdpMedia *self, const GstSDPMessage *session,
                    const GstSDPMedia *media, gboolean is_offer, GError **error)
{
  const char *rid_direction;

  read_m_line (self, media);
  if (!read_mid (self, media, error))
    return FALSE;
  if (self->is_other)
    return TRUE;
  self->direction = read_direction (session, media);
  self->rtcp_mux = gst_sdp_media_get_attribute_val (media, "rtcp-mux") != NULL;
  self->rtcp_mux_only =
      gst_sdp_media_get_attribute_val (media, "rtcp-mux-only") != NULL;
  self->rtcp_rsize =
      gst_sdp_media_get_attribute_val (media, "rtcp-rsize") != NULL;
  if (gst_sdp_media_get_attribute_val (media, "msid") != NULL)
    read_msid (self, gst_sdp_media_get_attribute_val (media, "msid"));
  /* an answer's rids tell what its side takes, save when it is the sender */
  rid_direction =
      is_offer || self->direction == RTC_DIR_SENDONLY ? "send" : "recv";
  return read_codecs (self, media, error)
         && read_extmaps (self, session, media, error)
         && read_ssrcs (self, media, error)
         && read_rids (self, media, rid_direction, error);
}
