/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/payload: looks into RTP payloads; see the header. */
#include "rtc/payload.h"

#include "rtc/descriptor.h"

static inline guint
read_u16 (const guint8 *p)
{
  return (guint)p[0] << 8 | p[1];
}

/* H264, RFC 6184 */

enum
{
  H264_SLICE = 1,
  H264_IDR = 5,
  H264_SPS = 7,
  H264_PPS = 8,
  H264_LAST_SINGLE = 23,
  H264_STAP_A = 24,
  H264_FU_A = 28,
};

/* @after: (nullable): the byte behind the NAL header: a slice's first bit is
 * set when it begins at macroblock 0 */
static RtcPayloadFlags
h264_nal (guint type, const guint8 *after)
{
  guint flags = 0;

  if (type == H264_IDR)
    flags |= RTC_PAYLOAD_KEYFRAME;
  if (type == H264_SPS || type == H264_PPS)
    flags |= RTC_PAYLOAD_PARAMS;
  if ((type == H264_SLICE || type == H264_IDR) && after != NULL
      && *after & 0x80)
    flags |= RTC_PAYLOAD_FRAME_START;
  return (RtcPayloadFlags)flags;
}

static RtcPayloadFlags
inspect_h264 (const guint8 *data, gsize len)
{
  guint type = data[0] & 0x1f, flags = 0;
  gsize pos = 1;

  if (type > 0 && type <= H264_LAST_SINGLE)
    return h264_nal (type, len > 1 ? data + 1 : NULL);
  if (type == H264_FU_A)
    {
      if (len < 3)
        return RTC_PAYLOAD_MALFORMED;
      return data[1] & 0x80 ? h264_nal (data[1] & 0x1f, data + 2) : 0;
    }
  if (type != H264_STAP_A || len < 4)
    return RTC_PAYLOAD_MALFORMED; /* packetization-mode 1 has no others */
  while (pos < len)
    {
      gsize n;

      if (len - pos < 3)
        return (RtcPayloadFlags)(flags | RTC_PAYLOAD_MALFORMED);
      n = read_u16 (data + pos);
      pos += 2;
      if (n == 0 || n > len - pos)
        return (RtcPayloadFlags)(flags | RTC_PAYLOAD_MALFORMED);
      flags |= h264_nal (data[pos] & 0x1f, n > 1 ? data + pos + 1 : NULL);
      pos += n;
    }
  return (RtcPayloadFlags)flags;
}

static gboolean
take_param (const guint8 *nal, gsize len, RtcH264Params *ret)
{
  guint type = nal[0] & 0x1f;

  if (type == H264_SPS)
    {
      ret->sps = nal;
      ret->sps_len = (guint)len;
    }
  else if (type == H264_PPS)
    {
      ret->pps = nal;
      ret->pps_len = (guint)len;
    }
  else
    return FALSE;
  return TRUE;
}

gboolean
rtc_payload_h264_params (const guint8 *data, gsize len, RtcH264Params *ret)
{
  gboolean found = FALSE;
  gsize pos = 1;

  if (len < 2)
    return FALSE;
  if ((data[0] & 0x1f) != H264_STAP_A)
    return take_param (data, len, ret);
  while (len - pos >= 3)
    {
      gsize n = read_u16 (data + pos);

      pos += 2;
      if (n == 0 || n > len - pos)
        break;
      found |= take_param (data + pos, n, ret);
      pos += n;
    }
  return found;
}

/* H265, RFC 7798 (without DONL: sprop-max-don-diff is 0 with browsers) */

enum
{
  H265_LAST_SLICE = 9, /* of those that are no IRAP */
  H265_FIRST_IRAP = 16,
  H265_LAST_IRAP = 23,
  H265_VPS = 32,
  H265_PPS = 34,
  H265_LAST_SINGLE = 47,
  H265_AP = 48,
  H265_FU = 49,
  H265_PACI = 50,
};

/* @after: (nullable): behind the two header bytes: a slice's first bit says
 * that it is the picture's first */
static RtcPayloadFlags
h265_nal (guint type, const guint8 *after)
{
  gboolean is_irap = type >= H265_FIRST_IRAP && type <= H265_LAST_IRAP;
  guint flags = 0;

  if (is_irap)
    flags |= RTC_PAYLOAD_KEYFRAME;
  if (type >= H265_VPS && type <= H265_PPS)
    flags |= RTC_PAYLOAD_PARAMS;
  if ((is_irap || type <= H265_LAST_SLICE) && after != NULL && *after & 0x80)
    flags |= RTC_PAYLOAD_FRAME_START;
  return (RtcPayloadFlags)flags;
}

static RtcPayloadFlags
inspect_h265 (const guint8 *data, gsize len)
{
  guint type = data[0] >> 1 & 0x3f, flags = 0;
  gsize pos = 2;

  if (len < 3 || type > H265_PACI)
    return RTC_PAYLOAD_MALFORMED;
  if (type <= H265_LAST_SINGLE)
    return h265_nal (type, data + 2);
  if (type == H265_PACI)
    return 0;
  if (type == H265_FU)
    {
      if (len < 4)
        return RTC_PAYLOAD_MALFORMED;
      return data[2] & 0x80 ? h265_nal (data[2] & 0x3f, data + 3) : 0;
    }
  while (pos < len)
    {
      gsize n;

      if (len - pos < 4)
        return (RtcPayloadFlags)(flags | RTC_PAYLOAD_MALFORMED);
      n = read_u16 (data + pos);
      pos += 2;
      if (n < 2 || n > len - pos)
        return (RtcPayloadFlags)(flags | RTC_PAYLOAD_MALFORMED);
      flags |= h265_nal (data[pos] >> 1 & 0x3f, n > 2 ? data + pos + 2 : NULL);
      pos += n;
    }
  return (RtcPayloadFlags)flags;
}

/* VP8 and VP9 */

static RtcPayloadFlags
inspect_vpx (RtcCodec codec, const guint8 *data, gsize len)
{
  RtcDescriptor descriptor;

  if (!rtc_descriptor_read (codec, data, len, &descriptor))
    return RTC_PAYLOAD_MALFORMED;
  return (RtcPayloadFlags)((descriptor.is_start ? RTC_PAYLOAD_FRAME_START : 0)
                           | (descriptor.is_key ? RTC_PAYLOAD_KEYFRAME : 0));
}

/* AV1 RTP payload specification 1.0, section 4 */

enum
{
  OBU_SEQUENCE_HEADER = 1,
  OBU_FRAME_HEADER = 3,
  OBU_FRAME = 6,
};

/* Returns: %FALSE when no leb128 of 32 bits stands at *@pos */
static gboolean
read_leb128 (const guint8 *data, gsize len, gsize *pos, gsize *ret)
{
  guint64 value = 0;

  for (guint i = 0; i < 5; i++)
    {
      guint8 byte;

      if (*pos >= len)
        return FALSE;
      byte = data[(*pos)++];
      value |= (guint64)(byte & 0x7f) << (7 * i);
      if (!(byte & 0x80))
        {
          *ret = (gsize)value;
          return value <= G_MAXUINT32;
        }
    }
  return FALSE;
}

/* Some senders forget the N bit: a key frame behind its sequence header says
 * the same. @flags: of the OBUs before in this packet */
static RtcPayloadFlags
av1_obu (const guint8 *obu, gsize len, guint flags)
{
  guint type = obu[0] >> 3 & 0x0f;
  gsize pos = obu[0] & 0x04 ? 2 : 1, size;

  if (obu[0] & 0x80)
    return RTC_PAYLOAD_MALFORMED;
  if (type == OBU_SEQUENCE_HEADER)
    return RTC_PAYLOAD_PARAMS;
  if (type != OBU_FRAME && type != OBU_FRAME_HEADER)
    return 0;
  if (obu[0] & 0x02 && !read_leb128 (obu, len, &pos, &size))
    return RTC_PAYLOAD_MALFORMED;
  /* show_existing_frame 0, frame_type KEY_FRAME */
  if (flags & RTC_PAYLOAD_PARAMS && pos < len && (obu[pos] & 0xe0) == 0)
    return (RtcPayloadFlags)(RTC_PAYLOAD_FRAME_START | RTC_PAYLOAD_KEYFRAME);
  return RTC_PAYLOAD_FRAME_START;
}

static RtcPayloadFlags
inspect_av1 (const guint8 *data, gsize len)
{
  gboolean is_continued = data[0] & 0x80, is_new = data[0] & 0x08;
  guint n_elements = data[0] >> 4 & 3, flags = 0;
  gsize pos = 1;

  if (len < 2 || (is_continued && is_new))
    return RTC_PAYLOAD_MALFORMED;
  if (is_new)
    flags |= RTC_PAYLOAD_KEYFRAME | RTC_PAYLOAD_FRAME_START;
  for (guint i = 0; pos < len; i++)
    {
      gsize n = len - pos;

      if (n_elements != 0 && i >= n_elements)
        return (RtcPayloadFlags)(flags | RTC_PAYLOAD_MALFORMED);
      if ((n_elements == 0 || i + 1 < n_elements)
          && !read_leb128 (data, len, &pos, &n))
        return (RtcPayloadFlags)(flags | RTC_PAYLOAD_MALFORMED);
      if (n > len - pos)
        return (RtcPayloadFlags)(flags | RTC_PAYLOAD_MALFORMED);
      if (n > 0 && !(i == 0 && is_continued))
        flags |= av1_obu (data + pos, n, flags);
      pos += n;
    }
  return (RtcPayloadFlags)flags;
}

RtcPayloadFlags
rtc_payload_inspect (RtcCodec codec, const guint8 *data, gsize len)
{
  if (len == 0)
    return 0; /* padding only: a probe */
  switch (codec)
    {
    case RTC_CODEC_OPUS:
      return RTC_PAYLOAD_FRAME_START;
    case RTC_CODEC_H264:
      return inspect_h264 (data, len);
    case RTC_CODEC_H265:
      return inspect_h265 (data, len);
    case RTC_CODEC_VP8:
    case RTC_CODEC_VP9:
      return inspect_vpx (codec, data, len);
    case RTC_CODEC_AV1:
      return inspect_av1 (data, len);
    case RTC_CODEC_NONE:
    default:
      return 0;
    }
}
