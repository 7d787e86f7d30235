/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rtc/rtp and rtc/types. */
#include <string.h>

#include "rtc/rtp.h"

/* V=2, X, one CSRC, marker, pt 96, seq 0x1234, one-byte extensions:
 * id 1 "0" (mid), padding, id 3 of 3 bytes */
static const guint8 packet[] = {
  0x91, 0xe0, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0x12, 0x34, 0x56,
  0x78, 0xca, 0xfe, 0xba, 0xbe, 0xbe, 0xde, 0x00, 0x02, 0x10, '0',
  0x00, 0x32, 0xaa, 0xbb, 0xcc, 0x00, 'h',  'e',  'l',  'l',  'o',
};

static void
test_parse (void)
{
  RtcRtp rtp;
  const guint8 *data;
  guint len = 99;

  g_assert_true (rtc_rtp_parse (packet, sizeof packet, &rtp));
  g_assert_cmpuint (rtp.pt, ==, 96);
  g_assert_true (rtp.marker);
  g_assert_cmphex (rtp.seq, ==, 0x1234);
  g_assert_cmphex (rtp.rtp_ts, ==, 0xdeadbeef);
  g_assert_cmphex (rtp.ssrc, ==, 0x12345678);
  g_assert_cmphex (rtp.ext_profile, ==, 0xbede);
  g_assert_cmpuint (rtp.header_len, ==, 28);
  g_assert_cmpmem (rtp.payload, rtp.payload_len, "hello", 5);

  data = rtc_rtp_ext_find (&rtp, 1, &len);
  g_assert_cmpmem (data, len, "0", 1);
  data = rtc_rtp_ext_find (&rtp, 3, &len);
  g_assert_cmpmem (data, len, "\xaa\xbb\xcc", 3);
  g_assert_null (rtc_rtp_ext_find (&rtp, 2, &len));
  g_assert_null (rtc_rtp_ext_find (&rtp, 0, &len));
  g_assert_cmpuint (len, ==, 3); /* untouched */
}

static void
test_truncated (void)
{
  RtcRtp rtp = { .pt = 77 };

  for (gsize len = 0; len < 28; len++)
    {
      g_autofree guint8 *copy = g_memdup2 (packet, len);
      g_assert_false (rtc_rtp_parse (copy, len, &rtp));
      g_assert_cmpuint (rtp.pt, ==, 77);
    }
  g_assert_true (rtc_rtp_parse (packet, 28, &rtp));
  g_assert_cmpuint (rtp.payload_len, ==, 0);
}

static void
test_padding (void)
{
  guint8 buf[16] = { 0xa0, 96 };
  RtcRtp rtp;

  buf[15] = 3;
  g_assert_true (rtc_rtp_parse (buf, 16, &rtp));
  g_assert_cmpuint (rtp.payload_len, ==, 1);
  buf[15] = 4; /* padding only: a bandwidth probe */
  g_assert_true (rtc_rtp_parse (buf, 16, &rtp));
  g_assert_cmpuint (rtp.payload_len, ==, 0);
  buf[15] = 5;
  g_assert_false (rtc_rtp_parse (buf, 16, &rtp));
  buf[15] = 0;
  g_assert_false (rtc_rtp_parse (buf, 16, &rtp));
  g_assert_false (rtc_rtp_parse (buf, 12, &rtp)); /* no room for a count */
  buf[0] = 0x60;                                  /* version 1 */
  g_assert_false (rtc_rtp_parse (buf, 16, &rtp));
}

static RtcRtp
with_ext (guint16 profile, const guint8 *ext, guint len)
{
  RtcRtp rtp = { .ext_profile = profile, .ext = ext, .ext_len = len };
  return rtp;
}

static void
test_two_byte (void)
{
  const guint8 ext[] = { 0x00, 0x05, 0x00, 0x10, 0x02, 0xab, 0xcd,
                         0x00, 0xff, 0x05, 1,    2,    3 };
  RtcRtp rtp = with_ext (0x1003, ext, sizeof ext);
  const guint8 *data;
  guint len = 9, offset = 0, id;

  data = rtc_rtp_ext_find (&rtp, 5, &len);
  g_assert_nonnull (data);
  g_assert_cmpuint (len, ==, 0);
  data = rtc_rtp_ext_find (&rtp, 16, &len);
  g_assert_cmpmem (data, len, "\xab\xcd", 2);
  g_assert_null (rtc_rtp_ext_find (&rtp, 255, &len)); /* runs over the end */
  g_assert_true (rtc_rtp_ext_next (&rtp, &offset, &id, &data, &len));
  g_assert_cmpuint (id, ==, 5);
  rtp.ext_len = 4; /* an id without its length */
  g_assert_null (rtc_rtp_ext_find (&rtp, 16, &len));
}

static void
test_malformed_ext (void)
{
  const guint8 over[] = { 0x1f, 1, 2, 3 };
  const guint8 stop[] = { 0xf0, 1, 0x20, 2 };
  const guint8 zero[] = { 0x01, 1, 2, 0x20, 3 };
  RtcRtp rtp = with_ext (0xbede, over, sizeof over);
  guint len;

  g_assert_null (rtc_rtp_ext_find (&rtp, 1, &len));
  rtp = with_ext (0xbede, stop, sizeof stop);
  g_assert_null (rtc_rtp_ext_find (&rtp, 2, &len));
  g_assert_null (rtc_rtp_ext_find (&rtp, 15, &len));
  rtp = with_ext (0xbede, zero, sizeof zero);
  g_assert_null (rtc_rtp_ext_find (&rtp, 2, &len));
  rtp = with_ext (0x1234, stop, sizeof stop); /* someone's own block */
  g_assert_null (rtc_rtp_ext_find (&rtp, 2, &len));
  rtp = with_ext (0, NULL, 0);
  g_assert_null (rtc_rtp_ext_find (&rtp, 2, &len));
}

static void
test_demux (void)
{
  guint8 buf[20] = { 0 };
  const struct
  {
    guint8 first, second;
    gsize len;
    RtcDemux want;
  } rows[] = {
    { 0, 1, 20, RTC_DEMUX_STUN },       { 0, 1, 19, RTC_DEMUX_UNKNOWN },
    { 3, 1, 20, RTC_DEMUX_STUN },       { 4, 1, 20, RTC_DEMUX_UNKNOWN },
    { 20, 254, 13, RTC_DEMUX_DTLS },    { 63, 0, 20, RTC_DEMUX_DTLS },
    { 22, 254, 12, RTC_DEMUX_UNKNOWN }, { 64, 0, 20, RTC_DEMUX_UNKNOWN },
    { 127, 0, 20, RTC_DEMUX_UNKNOWN },  { 128, 96, 12, RTC_DEMUX_RTP },
    { 128, 224, 12, RTC_DEMUX_RTP },    { 128, 96, 11, RTC_DEMUX_UNKNOWN },
    { 128, 35, 12, RTC_DEMUX_RTP },     { 128, 191, 12, RTC_DEMUX_RTP },
    { 129, 200, 8, RTC_DEMUX_RTCP },    { 143, 205, 12, RTC_DEMUX_RTCP },
    { 129, 192, 4, RTC_DEMUX_RTCP },    { 129, 223, 4, RTC_DEMUX_RTCP },
    { 191, 0, 20, RTC_DEMUX_RTP },      { 192, 0, 20, RTC_DEMUX_UNKNOWN },
    { 129, 200, 3, RTC_DEMUX_UNKNOWN }, { 0, 0, 0, RTC_DEMUX_UNKNOWN },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      buf[0] = rows[i].first;
      buf[1] = rows[i].second;
      g_assert_cmpint (rtc_demux (buf, rows[i].len), ==, rows[i].want);
    }
}

static void
test_unwrap (void)
{
  g_assert_cmpuint (rtc_seq_unwrap (0, 5), ==, 5);
  g_assert_cmpuint (rtc_seq_unwrap (65535, 0), ==, 65536);
  g_assert_cmpuint (rtc_seq_unwrap (65536, 65535), ==, 65535);
  g_assert_cmpuint (rtc_seq_unwrap (0x50001, 0xffff), ==, 0x4ffff);
  g_assert_cmpuint (rtc_seq_unwrap (0x50001, 0x0001), ==, 0x50001);
  g_assert_cmpuint (rtc_seq_unwrap (0, 65535), ==, 65535); /* none below 0 */
  g_assert_cmpuint (rtc_seq_unwrap (10, 65535), ==, 65535);

  g_assert_cmpint (rtc_ts_unwrap (0, 90000), ==, 90000);
  g_assert_cmpint (rtc_ts_unwrap (0xffffffff, 1), ==, 0x100000001);
  g_assert_cmpint (rtc_ts_unwrap (0x100000001, 0xffffffff), ==, 0xffffffff);
  g_assert_cmpint (rtc_ts_unwrap (0, 0xffffffff), ==, -1);
  g_assert_cmpint (rtc_ts_unwrap (-1, 0), ==, 0);
}

static void
test_types (void)
{
  for (int i = RTC_CODEC_OPUS; i <= RTC_CODEC_AV1; i++)
    g_assert_cmpint (rtc_codec_from_name (rtc_codec_name ((RtcCodec)i)), ==, i);
  g_assert_cmpint (rtc_codec_from_name ("OPUS"), ==, RTC_CODEC_OPUS);
  g_assert_cmpint (rtc_codec_from_name ("h264"), ==, RTC_CODEC_H264);
  g_assert_cmpint (rtc_codec_from_name ("rtx"), ==, RTC_CODEC_NONE);
  g_assert_cmpint (rtc_codec_from_name (NULL), ==, RTC_CODEC_NONE);
  g_assert_cmpint (rtc_codec_kind (RTC_CODEC_OPUS), ==, RTC_MEDIA_AUDIO);
  g_assert_cmpint (rtc_codec_kind (RTC_CODEC_AV1), ==, RTC_MEDIA_VIDEO);
  g_assert_cmpuint (rtc_codec_clock_hz (RTC_CODEC_OPUS), ==, 48000);
  g_assert_cmpuint (rtc_codec_clock_hz (RTC_CODEC_VP9), ==, 90000);
  for (int i = RTC_EXT_NONE + 1; i < RTC_EXT_N; i++)
    if (i != RTC_EXT_KEYFRAME_START)
      g_assert_cmpint (rtc_ext_from_uri (rtc_ext_uri ((RtcExt)i)), ==, i);
  g_assert_null (rtc_ext_uri (RTC_EXT_KEYFRAME_START));
  g_assert_cmpint (rtc_ext_from_uri ("urn:x"), ==, RTC_EXT_NONE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtc/rtp/parse", test_parse);
  g_test_add_func ("/rtc/rtp/truncated", test_truncated);
  g_test_add_func ("/rtc/rtp/padding", test_padding);
  g_test_add_func ("/rtc/rtp/two-byte", test_two_byte);
  g_test_add_func ("/rtc/rtp/malformed-ext", test_malformed_ext);
  g_test_add_func ("/rtc/rtp/demux", test_demux);
  g_test_add_func ("/rtc/rtp/unwrap", test_unwrap);
  g_test_add_func ("/rtc/types", test_types);
  return g_test_run ();
}
