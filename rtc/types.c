/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/types: names of codecs and header extensions; see the header. */
#include "rtc/types.h"

static const struct
{
  const char *name;
  RtcMediaKind kind;
  guint32 clock_hz;
} codecs[] = {
  [RTC_CODEC_NONE] = { NULL, RTC_MEDIA_VIDEO, 90000 },
  [RTC_CODEC_OPUS] = { "opus", RTC_MEDIA_AUDIO, 48000 },
  [RTC_CODEC_H264] = { "H264", RTC_MEDIA_VIDEO, 90000 },
  [RTC_CODEC_H265] = { "H265", RTC_MEDIA_VIDEO, 90000 },
  [RTC_CODEC_VP8] = { "VP8", RTC_MEDIA_VIDEO, 90000 },
  [RTC_CODEC_VP9] = { "VP9", RTC_MEDIA_VIDEO, 90000 },
  [RTC_CODEC_AV1] = { "AV1", RTC_MEDIA_VIDEO, 90000 },
};

#define EXPERIMENT "http://www.webrtc.org/experiments/rtp-hdrext/"
#define IETF "urn:ietf:params:rtp-hdrext:"

/* The tree's own mark has no URI: it is never negotiated with anyone. */
static const char *const ext_uris[RTC_EXT_N] = {
  [RTC_EXT_ABS_CAPTURE_TIME] = EXPERIMENT "abs-capture-time",
  [RTC_EXT_VIDEO_ORIENTATION] = "urn:3gpp:video-orientation",
  [RTC_EXT_AUDIO_LEVEL] = IETF "ssrc-audio-level",
  [RTC_EXT_DEPENDENCY_DESCRIPTOR] =
      "https://aomediacodec.github.io/av1-rtp-spec/"
      "#dependency-descriptor-rtp-header-extension",
  [RTC_EXT_MID] = IETF "sdes:mid",
  [RTC_EXT_RID] = IETF "sdes:rtp-stream-id",
  [RTC_EXT_REPAIRED_RID] = IETF "sdes:repaired-rtp-stream-id",
  [RTC_EXT_TRANSPORT_CC] = "http://www.ietf.org/id/"
                           "draft-holmer-rmcat-transport-wide-cc-extensions-01",
  [RTC_EXT_ABS_SEND_TIME] = EXPERIMENT "abs-send-time",
  [RTC_EXT_PLAYOUT_DELAY] = EXPERIMENT "playout-delay",
};

const char *
rtc_codec_name (RtcCodec codec)
{
  g_return_val_if_fail ((guint)codec < G_N_ELEMENTS (codecs), NULL);
  return codecs[codec].name;
}

RtcCodec
rtc_codec_from_name (const char *name)
{
  if (name == NULL)
    return RTC_CODEC_NONE;
  for (guint i = RTC_CODEC_NONE + 1; i < G_N_ELEMENTS (codecs); i++)
    if (g_ascii_strcasecmp (codecs[i].name, name) == 0)
      return (RtcCodec)i;
  return RTC_CODEC_NONE;
}

RtcMediaKind
rtc_codec_kind (RtcCodec codec)
{
  g_return_val_if_fail ((guint)codec < G_N_ELEMENTS (codecs), RTC_MEDIA_VIDEO);
  return codecs[codec].kind;
}

guint32
rtc_codec_clock_hz (RtcCodec codec)
{
  g_return_val_if_fail ((guint)codec < G_N_ELEMENTS (codecs), 90000);
  return codecs[codec].clock_hz;
}

const char *
rtc_ext_uri (RtcExt ext)
{
  g_return_val_if_fail ((guint)ext < RTC_EXT_N, NULL);
  return ext_uris[ext];
}

RtcExt
rtc_ext_from_uri (const char *uri)
{
  if (uri == NULL)
    return RTC_EXT_NONE;
  for (guint i = RTC_EXT_NONE + 1; i < RTC_EXT_N; i++)
    if (ext_uris[i] != NULL && g_str_equal (ext_uris[i], uri))
      return (RtcExt)i;
  return RTC_EXT_NONE;
}
