/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/sdp-pick: which of a peer's codecs to use; see sdp.h. */
#include "rtc/sdp.h"

#include <stdlib.h>
#include <string.h>

/* H264 profiles as receivers tell them apart (RFC 6184 table 5) */
typedef enum
{
  H264_CONSTRAINED_BASELINE,
  H264_BASELINE,
  H264_MAIN,
  H264_HIGH, /* constrained high too: its streams are high's */
  H264_OTHER,
} H264Profile;

#define H264_DEFAULT_PROFILE 0x42000a /* RFC 6184 8.1 */

static H264Profile
h264_profile (guint32 profile_level_id)
{
  guint idc = profile_level_id >> 16 & 0xff;
  guint constraints = profile_level_id >> 8 & 0xff;

  switch (idc)
    {
    case 0x42:
      return constraints & 0x40 ? H264_CONSTRAINED_BASELINE : H264_BASELINE;
    case 0x4d:
      return constraints & 0x80 ? H264_CONSTRAINED_BASELINE : H264_MAIN;
    case 0x58:
      return (constraints & 0xc0) == 0xc0 ? H264_CONSTRAINED_BASELINE
                                          : H264_OTHER;
    case 0x64:
      return H264_HIGH;
    default:
      return H264_OTHER;
    }
}

static guint32
h264_profile_level_id (const RtcSdpCodec *codec)
{
  g_autofree char *text = rtc_sdp_fmtp_get (codec->fmtp, "profile-level-id");
  char *end;
  guint64 value;

  if (text == NULL || strlen (text) != 6)
    return H264_DEFAULT_PROFILE;
  value = g_ascii_strtoull (text, &end, 16);
  return *end == '\0' ? (guint32)value : H264_DEFAULT_PROFILE;
}

/* Smaller is better; -1: cannot be used. */
static int
h264_rank (const RtcSdpCodec *codec, guint32 sps_profile)
{
  g_autofree char *mode = rtc_sdp_fmtp_get (codec->fmtp, "packetization-mode");
  guint32 offered = h264_profile_level_id (codec);
  H264Profile profile = h264_profile (offered);

  if (mode == NULL || !g_str_equal (mode, "1"))
    return -1;
  if (sps_profile != 0 && offered >> 8 == sps_profile >> 8)
    return 0;
  if (sps_profile != 0 && profile == h264_profile (sps_profile)
      && (profile != H264_OTHER || offered >> 16 == sps_profile >> 16))
    return 1;
  switch (profile)
    {
    case H264_CONSTRAINED_BASELINE:
      return 2;
    case H264_BASELINE:
      return 3;
    case H264_MAIN:
      return 4;
    case H264_HIGH:
    case H264_OTHER:
    default:
      return 5;
    }
}

static gboolean
same_parameter (const char *a, const char *b, const char *key)
{
  g_autofree char *value_a = rtc_sdp_fmtp_get (a, key);
  g_autofree char *value_b = rtc_sdp_fmtp_get (b, key);

  return g_str_equal (value_a != NULL ? value_a : "0",
                      value_b != NULL ? value_b : "0");
}

static int
codec_rank (const RtcSdpCodec *codec, const char *source_fmtp,
            guint32 sps_profile)
{
  switch (codec->codec)
    {
    case RTC_CODEC_H264:
      return h264_rank (codec, sps_profile);
    case RTC_CODEC_VP9:
      return same_parameter (codec->fmtp, source_fmtp, "profile-id") ? 0 : -1;
    case RTC_CODEC_AV1:
      return same_parameter (codec->fmtp, source_fmtp, "profile") ? 0 : -1;
    case RTC_CODEC_OPUS:
    case RTC_CODEC_VP8:
    case RTC_CODEC_H265:
      return 0;
    case RTC_CODEC_NONE:
    default:
      return -1;
    }
}

const RtcSdpCodec *
rtc_sdp_pick_codec (const RtcSdpMedia *media, RtcCodec codec,
                    const char *source_fmtp, guint32 sps_profile)
{
  const RtcSdpCodec *best = NULL;
  int best_rank = -1;

  for (guint i = 0; i < media->codecs->len; i++)
    {
      const RtcSdpCodec *c = &g_array_index (media->codecs, RtcSdpCodec, i);
      int rank;

      if (c->codec != codec)
        continue;
      rank = codec_rank (c, source_fmtp, sps_profile);
      if (rank < 0 || (best != NULL && rank >= best_rank))
        continue;
      best = c;
      best_rank = rank;
    }
  return best;
}
