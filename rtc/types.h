/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/types: codecs, header extensions and limits that the room shares.
 * Thread: any (constants and pure functions).
 */
#pragma once

#include <glib.h>

typedef enum {
  RTC_MEDIA_AUDIO,
  RTC_MEDIA_VIDEO,
  RTC_MEDIA_N_KINDS
} RtcMediaKind;

typedef enum {
  RTC_CODEC_NONE,
  RTC_CODEC_OPUS,
  RTC_CODEC_H264,
  RTC_CODEC_H265,
  RTC_CODEC_VP8,
  RTC_CODEC_VP9,
  RTC_CODEC_AV1,
} RtcCodec;

/* Header extensions we know. The enum's value is also the id in the fixed
 * table used inside the ring and the tree (so 1..14, fits one byte form). */
typedef enum {
  RTC_EXT_NONE,
  RTC_EXT_ABS_CAPTURE_TIME,
  RTC_EXT_VIDEO_ORIENTATION,
  RTC_EXT_AUDIO_LEVEL,
  RTC_EXT_DEPENDENCY_DESCRIPTOR,
  RTC_EXT_KEYFRAME_START, /* the tree's own mark, never leaves it */
  RTC_EXT_MID,
  RTC_EXT_RID,
  RTC_EXT_REPAIRED_RID,
  RTC_EXT_TRANSPORT_CC,
  RTC_EXT_ABS_SEND_TIME,
  RTC_EXT_PLAYOUT_DELAY,
  RTC_EXT_N
} RtcExt;

#define RTC_MAX_PACKET_BYTES 1500
#define RTC_MAX_MID_CHARS 16

const char *rtc_codec_name (RtcCodec codec);      /* "H264", as in rtpmap */
RtcCodec rtc_codec_from_name (const char *name);  /* case-insensitive */
RtcMediaKind rtc_codec_kind (RtcCodec codec);
guint32 rtc_codec_clock_hz (RtcCodec codec);      /* 48000 or 90000 */
const char *rtc_ext_uri (RtcExt ext);
RtcExt rtc_ext_from_uri (const char *uri);        /* RTC_EXT_NONE: unknown */
