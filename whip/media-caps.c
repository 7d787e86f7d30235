/* SPDX-License-Identifier: Apache-2.0 */
/* whip/media-caps: see media-caps.h. */
#include "whip/media-caps.h"

#include <string.h>

#define VIDEO_PT 96
#define AUDIO_PT 111
#define OPUS_FMTP "minptime=10;useinbandfec=1"
#define STAP_A 0x78
#define MAX_SETS 8

static const WhipMediaPayloader payloaders[] = {
  { "video/x-h264", RTC_CODEC_H264, "h264parse", "rtph264pay", TRUE },
  { "video/x-h265", RTC_CODEC_H265, "h265parse", "rtph265pay", TRUE },
  { "video/x-vp8", RTC_CODEC_VP8, NULL, "rtpvp8pay", FALSE },
  { "video/x-vp9", RTC_CODEC_VP9, NULL, "rtpvp9pay", FALSE },
  { "video/x-av1", RTC_CODEC_AV1, "av1parse", "rtpav1pay", FALSE },
  { "audio/x-opus", RTC_CODEC_OPUS, NULL, "rtpopuspay", FALSE },
};

static gboolean
has_element (const char *name)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (name);

  return factory != NULL;
}

/* number: caps have it as a text or as a number */
static int
get_number (const GstStructure *s, const char *field, int otherwise)
{
  const char *text = gst_structure_get_string (s, field);
  int value = otherwise;

  if (text)
    return (int)g_ascii_strtoll (text, NULL, 10);
  (void)gst_structure_get_int (s, field, &value);
  return value;
}

static void
read_fmtp (const GstStructure *s, WhipMediaTrack *track)
{
  const char *profile = gst_structure_get_string (s, "profile-level-id");
  const char *sprop = gst_structure_get_string (s, "sprop-parameter-sets");

  if (track->info.codec == RTC_CODEC_OPUS)
    g_strlcpy (track->info.fmtp, OPUS_FMTP, sizeof track->info.fmtp);
  if (track->info.codec != RTC_CODEC_H264)
    return;
  if (profile && strlen (profile) == 6
      && strspn (profile, "0123456789abcdefABCDEF") == 6)
    g_snprintf (track->info.fmtp, sizeof track->info.fmtp,
                "level-asymmetry-allowed=1;packetization-mode=1;"
                "profile-level-id=%s",
                profile);
  else
    g_strlcpy (track->info.fmtp,
               "level-asymmetry-allowed=1;packetization-mode=1",
               sizeof track->info.fmtp);
  if (sprop && strlen (sprop) < sizeof track->params)
    g_strlcpy (track->params, sprop, sizeof track->params);
}

gboolean
whip_media_caps_read_rtp (const GstCaps *caps, RtcMediaKind *ret_kind,
                          WhipMediaTrack *ret, const char **ret_what)
{
  const GstStructure *s = gst_caps_is_empty (caps) || gst_caps_is_any (caps)
                              ? NULL
                              : gst_caps_get_structure (caps, 0);
  const char *media = s ? gst_structure_get_string (s, "media") : NULL;
  const char *name = s ? gst_structure_get_string (s, "encoding-name") : NULL;
  RtcCodec codec = name ? rtc_codec_from_name (name) : RTC_CODEC_NONE;
  int pt = s ? get_number (s, "payload", -1) : -1;

  if (g_strcmp0 (media, "video") != 0 && g_strcmp0 (media, "audio") != 0)
    return FALSE;
  memset (ret, 0, sizeof *ret);
  *ret_kind = *media == 'v' ? RTC_MEDIA_VIDEO : RTC_MEDIA_AUDIO;
  *ret_what = name ? name : "unknown";
  if (codec == RTC_CODEC_NONE || rtc_codec_kind (codec) != *ret_kind || pt < 0
      || pt > 127
      || get_number (s, "clock-rate", 0) != (int)rtc_codec_clock_hz (codec))
    return TRUE;
  ret->info.is_present = TRUE;
  ret->info.codec = codec;
  ret->info.channels = codec == RTC_CODEC_OPUS ? 2 : 0;
  ret->pt = (guint8)pt;
  read_fmtp (s, ret);
  return TRUE;
}

gboolean
whip_media_caps_read_parsed (const GstCaps *caps, RtcMediaKind *ret_kind,
                             WhipMediaTrack *ret,
                             const WhipMediaPayloader **ret_with,
                             const char **ret_what)
{
  const GstStructure *s = gst_caps_is_empty (caps) || gst_caps_is_any (caps)
                              ? NULL
                              : gst_caps_get_structure (caps, 0);
  const char *name = s ? gst_structure_get_name (s) : "";

  if (!g_str_has_prefix (name, "video/") && !g_str_has_prefix (name, "audio/"))
    return FALSE;
  memset (ret, 0, sizeof *ret);
  *ret_kind = *name == 'v' ? RTC_MEDIA_VIDEO : RTC_MEDIA_AUDIO;
  *ret_what = name;
  *ret_with = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (payloaders); i++)
    {
      const WhipMediaPayloader *with = &payloaders[i];

      if (!g_str_equal (with->caps, name) || !has_element (with->payloader)
          || (with->parser && !has_element (with->parser)))
        continue;
      *ret_with = with;
      ret->info.is_present = TRUE;
      ret->info.codec = with->codec;
      ret->info.channels = with->codec == RTC_CODEC_OPUS ? 2 : 0;
      ret->pt = *ret_kind == RTC_MEDIA_VIDEO ? VIDEO_PT : AUDIO_PT;
      if (with->codec == RTC_CODEC_OPUS)
        g_strlcpy (ret->info.fmtp, OPUS_FMTP, sizeof ret->info.fmtp);
    }
  return TRUE;
}

GBytes *
whip_media_caps_make_params (const char *sprop)
{
  g_auto (GStrv) sets = g_strsplit (sprop, ",", MAX_SETS);
  GByteArray *stap = g_byte_array_new ();
  const guint8 type = STAP_A;

  g_byte_array_append (stap, &type, 1);
  for (guint i = 0; sets[i]; i++)
    {
      gsize len;
      g_autofree guchar *set = g_base64_decode (sets[i], &len);
      guint8 size[2] = { (guint8)(len >> 8), (guint8)len };

      if (!set || len == 0 || len > G_MAXUINT16)
        continue;
      g_byte_array_append (stap, size, 2);
      g_byte_array_append (stap, set, (guint)len);
    }
  if (stap->len > 1)
    return g_byte_array_free_to_bytes (stap);
  g_byte_array_unref (stap);
  return NULL;
}
