/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/payload: looks into one RTP payload for what the relay must know:
 * where keyframes begin, parameter sets, and (for warnings) profile and size.
 * H264 RFC 6184, H265 RFC 7798, VP8 RFC 7741, VP9 RFC 9628, AV1 RTP spec 1.0.
 * Pure; hostile bytes; never reads past @len.
 * Thread: any.
 */
#pragma once

#include "rtc/types.h"

typedef enum {
  RTC_PAYLOAD_KEYFRAME = 1 << 0, /* carries (the start of) a keyframe: IDR/IRAP
                                    slice or its first fragment, VP8/VP9 key
                                    frame's first packet (base spatial layer),
                                    AV1 new coded video sequence (N bit) */
  RTC_PAYLOAD_PARAMS = 1 << 1,   /* SPS, PPS, VPS or AV1 sequence header */
  RTC_PAYLOAD_FRAME_START = 1 << 2, /* first packet of a frame/layer, where the
                                       payload format says so */
  RTC_PAYLOAD_MALFORMED = 1 << 3,
} RtcPayloadFlags;

RtcPayloadFlags rtc_payload_inspect (RtcCodec codec, const guint8 *data,
                                     gsize len);

/* rtc_payload_h264_params: finds SPS and PPS in one payload (single NAL or
 * STAP-A). Sets what it finds; both pointers are borrowed from @data.
 * Returns: %TRUE when any was found */
typedef struct {
  const guint8 *sps, *pps;
  guint sps_len, pps_len; /* bytes, NAL header included, no start code */
} RtcH264Params;
gboolean rtc_payload_h264_params (const guint8 *data, gsize len,
                                  RtcH264Params *ret);

/* rtc_payload_h264_sps: profile_idc, constraint flags, level and picture size
 * of an SPS NAL. Returns: %FALSE when it cannot be read. */
typedef struct {
  guint8 profile_idc, constraints, level_idc;
  guint width_px, height_px;
} RtcH264Sps;
gboolean rtc_payload_h264_sps (const guint8 *sps, gsize len, RtcH264Sps *ret);
