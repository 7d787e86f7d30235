/* SPDX-License-Identifier: Apache-2.0 */
/* whip/media-caps: what cameras' descriptions and parsers say, nonsense too. */
#include "whip/media-caps.h"

#include <string.h>

static gboolean
read_rtp (const char *text, RtcMediaKind *kind, WhipMediaTrack *track)
{
  GstCaps *caps = gst_caps_from_string (text);
  const char *what;
  gboolean ok;

  g_assert_nonnull (caps);
  ok = whip_media_caps_read_rtp (caps, kind, track, &what);
  if (ok)
    g_assert_nonnull (what);
  gst_caps_unref (caps);
  return ok;
}

#define RTP "application/x-rtp,"
#define VIDEO RTP "media=video,clock-rate=90000,payload=96,encoding-name="

static void
test_rtp (void)
{
  WhipMediaTrack track;
  RtcMediaKind kind;

  g_assert_true (read_rtp (VIDEO
                           "H264,profile-level-id=(string)42e01f,"
                           "sprop-parameter-sets=(string)\"Z0IAKeKQ,aM4=\"",
                           &kind, &track));
  g_assert_cmpint (kind, ==, RTC_MEDIA_VIDEO);
  g_assert_true (track.info.is_present);
  g_assert_cmpint (track.info.codec, ==, RTC_CODEC_H264);
  g_assert_cmpint (track.pt, ==, 96);
  g_assert_nonnull (strstr (track.info.fmtp, "profile-level-id=42e01f"));
  g_assert_cmpstr (track.params, ==, "Z0IAKeKQ,aM4=");

  g_assert_true (read_rtp (RTP "media=audio,clock-rate=48000,payload=97,"
                               "encoding-name=opus,encoding-params=(string)2",
                           &kind, &track));
  g_assert_cmpint (kind, ==, RTC_MEDIA_AUDIO);
  g_assert_cmpint (track.info.codec, ==, RTC_CODEC_OPUS);
}

/* known to be there, and not to be passed on */
static void
test_refused (void)
{
  static const char *const list[] = {
    RTP "media=audio,clock-rate=8000,payload=8,encoding-name=PCMA",
    RTP "media=audio,clock-rate=90000,payload=96,encoding-name=H264",
    RTP "media=video,clock-rate=48000,payload=96,encoding-name=OPUS",
    RTP "media=video,clock-rate=8000,payload=96,encoding-name=H264",
    RTP "media=video,clock-rate=90000,payload=128,encoding-name=H264",
    RTP "media=video,clock-rate=90000,encoding-name=H264",
    RTP "media=video,clock-rate=90000,payload=96",
  };

  for (guint i = 0; i < G_N_ELEMENTS (list); i++)
    {
      WhipMediaTrack track;
      RtcMediaKind kind;

      g_test_message ("%s", list[i]);
      g_assert_true (read_rtp (list[i], &kind, &track));
      g_assert_false (track.info.is_present);
    }
}

static void
test_neither (void)
{
  static const char *const list[] = { "ANY", "EMPTY", "application/x-rtp",
                                      RTP "media=application", "video/x-h264" };

  for (guint i = 0; i < G_N_ELEMENTS (list); i++)
    {
      WhipMediaTrack track;
      RtcMediaKind kind;

      g_test_message ("%s", list[i]);
      g_assert_false (read_rtp (list[i], &kind, &track));
    }
}

/* A camera's profile is no place for more SDP. */
static void
test_hostile (void)
{
  g_autofree char *endless = g_strnfill (5000, 'A');
  g_autofree char *text =
      g_strdup_printf (VIDEO "H264,profile-level-id=(string)\"42;x=\","
                             "sprop-parameter-sets=(string)\"%s\"",
                       endless);
  WhipMediaTrack track;
  RtcMediaKind kind;

  g_assert_true (read_rtp (text, &kind, &track));
  g_assert_null (strstr (track.info.fmtp, "x="));
  g_assert_cmpstr (track.params, ==, "");
}

static void
test_parsed (void)
{
  static const struct
  {
    const char *caps;
    gboolean is_known, is_present;
  } list[] = {
    { "video/x-vp8", TRUE, TRUE },
    { "video/x-h264,stream-format=avc", TRUE, TRUE },
    { "audio/x-opus,channels=2", TRUE, TRUE },
    { "audio/mpeg,mpegversion=4", TRUE, FALSE },
    { "video/mpeg", TRUE, FALSE },
    { "text/x-raw", FALSE, FALSE },
    { "ANY", FALSE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (list); i++)
    {
      GstCaps *caps = gst_caps_from_string (list[i].caps);
      const WhipMediaPayloader *with;
      WhipMediaTrack track;
      RtcMediaKind kind;
      const char *what;

      g_test_message ("%s", list[i].caps);
      g_assert_cmpint (
          whip_media_caps_read_parsed (caps, &kind, &track, &with, &what), ==,
          list[i].is_known);
      if (list[i].is_known)
        {
          g_assert_cmpint (track.info.is_present, ==, list[i].is_present);
          g_assert_cmpint (with != NULL, ==, list[i].is_present);
        }
      gst_caps_unref (caps);
    }
}

static void
test_params (void)
{
  static const guint8 expected[] = { 0x78, 0, 4, 0x67, 0x42, 0,
                                     0x29, 0, 2, 0x68, 0xce };
  static const char *const bad[] = { "", ",", ",,,,,,,,,,,,", "!", "=" };
  g_autoptr (GBytes) params = whip_media_caps_make_params ("Z0IAKQ==,aM4=");

  g_assert_cmpmem (g_bytes_get_data (params, NULL), g_bytes_get_size (params),
                   expected, sizeof expected);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (whip_media_caps_make_params (bad[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  g_test_add_func ("/whip/media-caps/rtp", test_rtp);
  g_test_add_func ("/whip/media-caps/refused", test_refused);
  g_test_add_func ("/whip/media-caps/neither", test_neither);
  g_test_add_func ("/whip/media-caps/hostile", test_hostile);
  g_test_add_func ("/whip/media-caps/parsed", test_parsed);
  g_test_add_func ("/whip/media-caps/params", test_params);
  return g_test_run ();
}
