/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rtc/payload on bytes laid out by hand. */
#include <string.h>

#include "rtc/payload.h"

#define K RTC_PAYLOAD_KEYFRAME
#define P RTC_PAYLOAD_PARAMS
#define F RTC_PAYLOAD_FRAME_START
#define M RTC_PAYLOAD_MALFORMED

typedef struct
{
  RtcCodec codec;
  const char *what;
  guint len;
  guint8 bytes[24];
  guint want;
} Row;

#define H264 RTC_CODEC_H264
#define H265 RTC_CODEC_H265
#define VP8 RTC_CODEC_VP8
#define VP9 RTC_CODEC_VP9
#define AV1 RTC_CODEC_AV1

static const Row rows[] = {
  { H264, "IDR", 3, { 0x65, 0x88, 0x84 }, K | F },
  { H264, "second slice of an IDR", 3, { 0x65, 0x40, 0x84 }, K },
  { H264, "slice", 3, { 0x41, 0x9a, 0x00 }, F },
  { H264, "second slice", 3, { 0x41, 0x40, 0x00 }, 0 },
  { H264, "header only", 1, { 0x41 }, 0 },
  { H264, "SPS", 4, { 0x67, 0x42, 0xe0, 0x1f }, P },
  { H264, "PPS", 4, { 0x68, 0xce, 0x3c, 0x80 }, P },
  { H264, "SEI", 3, { 0x06, 5, 1 }, 0 },
  { H264, "AUD", 2, { 0x09, 0x10 }, 0 },
  { H264, "FU-A start of IDR", 4, { 0x7c, 0x85, 0x88, 1 }, K | F },
  { H264, "FU-A middle of IDR", 4, { 0x7c, 0x05, 0x88, 1 }, 0 },
  { H264, "FU-A end of IDR", 4, { 0x7c, 0x45, 0x88, 1 }, 0 },
  { H264, "FU-A start of slice", 4, { 0x7c, 0x81, 0x9a, 1 }, F },
  { H264, "FU-A start of SPS", 4, { 0x7c, 0x87, 0x42, 1 }, P },
  { H264, "FU-A cut", 2, { 0x7c, 0x85 }, M },
  { H264,
    "STAP-A SPS PPS IDR",
    15,
    { 0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88 },
    K | P | F },
  { H264, "STAP-A SEI", 6, { 0x78, 0, 3, 0x06, 5, 1 }, 0 },
  { H264, "STAP-A with a NAL of 0 bytes", 5, { 0x78, 0, 0, 0, 1 }, M },
  { H264, "STAP-A too long", 6, { 0x78, 0, 4, 0x67, 1, 2 }, M },
  { H264, "STAP-A SPS then cut", 8, { 0x78, 0, 3, 0x67, 1, 2, 0, 9 }, P | M },
  { H264, "STAP-B", 8, { 0x79, 0, 0, 0, 2, 0x65, 1, 1 }, M },
  { H264, "FU-B", 6, { 0x7d, 0x85, 0, 0, 1, 1 }, M },
  { H264, "type 0", 3, { 0x60, 1, 1 }, M },
  { H264, "type 31", 3, { 0x7f, 1, 1 }, M },

  { H265, "IDR_W_RADL", 4, { 0x26, 0x01, 0xaf, 1 }, K | F },
  { H265, "IDR_N_LP, second slice", 4, { 0x28, 0x01, 0x2f, 1 }, K },
  { H265, "CRA", 4, { 0x2a, 0x01, 0xaf, 1 }, K | F },
  { H265, "BLA", 4, { 0x20, 0x01, 0xaf, 1 }, K | F },
  { H265, "TRAIL_R", 4, { 0x02, 0x01, 0xd0, 1 }, F },
  { H265, "VPS", 4, { 0x40, 0x01, 0x0c, 1 }, P },
  { H265, "SPS", 4, { 0x42, 0x01, 0x01, 1 }, P },
  { H265, "PPS", 4, { 0x44, 0x01, 0xc1, 1 }, P },
  { H265, "SEI", 4, { 0x4e, 0x01, 5, 1 }, 0 },
  { H265,
    "AP of VPS and IDR",
    13,
    { 0x60, 0x01, 0, 4, 0x40, 0x01, 0x0c, 1, 0, 3, 0x26, 0x01, 0xaf },
    K | P | F },
  { H265, "AP with a NAL of 1 byte", 5, { 0x60, 0x01, 0, 1, 0x40 }, M },
  { H265, "AP too long", 8, { 0x60, 0x01, 0, 9, 0x40, 0x01, 1, 1 }, M },
  { H265, "FU start of IDR", 5, { 0x62, 0x01, 0x93, 0xaf, 1 }, K | F },
  { H265, "FU middle of IDR", 5, { 0x62, 0x01, 0x13, 0xaf, 1 }, 0 },
  { H265, "FU end of IDR", 5, { 0x62, 0x01, 0x53, 0xaf, 1 }, 0 },
  { H265, "FU start of TRAIL", 5, { 0x62, 0x01, 0x81, 0xaf, 1 }, F },
  { H265, "FU cut", 3, { 0x62, 0x01, 0x93 }, M },
  { H265, "PACI", 6, { 0x64, 0x01, 0x26, 0x00, 1, 1 }, 0 },
  { H265, "type 51", 4, { 0x66, 0x01, 1, 1 }, M },
  { H265, "cut", 2, { 0x26, 0x01 }, M },

  { VP8, "key frame", 4, { 0x10, 0x50, 0x01, 0x9d }, K | F },
  { VP8, "delta frame", 4, { 0x10, 0x51, 0x01, 0x9d }, F },
  { VP8, "second packet", 4, { 0x00, 0x50, 0x01, 0x9d }, 0 },
  { VP8, "second partition", 4, { 0x11, 0x50, 0x01, 0x9d }, 0 },
  { VP8, "7 bit picture id", 4, { 0x90, 0x80, 0x11, 0x50 }, K | F },
  { VP8, "15 bit picture id", 5, { 0x90, 0x80, 0x91, 0x22, 0x50 }, K | F },
  { VP8,
    "id, TL0PICIDX, TID and KEYIDX",
    7,
    { 0x90, 0xf0, 0x91, 0x22, 0x05, 0x20, 0x50 },
    K | F },
  { VP8,
    "the same, delta",
    7,
    { 0x90, 0xf0, 0x91, 0x22, 0x05, 0x20, 0x51 },
    F },
  { VP8, "KEYIDX only", 4, { 0x90, 0x10, 0x05, 0x50 }, K | F },
  { VP8, "not the reference (N)", 4, { 0x30, 0x51, 0x01, 0x9d }, F },
  { VP8, "extension cut", 1, { 0x90 }, M },
  { VP8, "picture id cut", 3, { 0x90, 0x80, 0x91 }, M },
  { VP8, "nothing behind", 4, { 0x90, 0x80, 0x91, 0x22 }, M },

  { VP9, "key frame, plain", 2, { 0x08, 0x82 }, K | F },
  { VP9, "second packet", 2, { 0x00, 0x82 }, 0 },
  { VP9, "inter", 2, { 0x48, 0x86 }, F },
  { VP9,
    "15 bit id, layers, non-flexible",
    6,
    { 0xa8, 0x81, 0x23, 0x00, 0x07, 0x82 },
    K | F },
  { VP9,
    "spatial layer 1 of a key picture",
    6,
    { 0xa8, 0x81, 0x23, 0x03, 0x07, 0x82 },
    F },
  { VP9,
    "flexible, inter, one reference",
    5,
    { 0xf8, 0x11, 0x20, 0x02, 1 },
    F },
  { VP9,
    "flexible, inter, three references",
    7,
    { 0xf8, 0x11, 0x20, 0x03, 0x05, 0x06, 1 },
    F },
  { VP9,
    "flexible, four references",
    8,
    { 0xf8, 0x11, 0x20, 0x03, 0x05, 0x07, 0x02, 1 },
    M },
  { VP9, "flexible key frame", 4, { 0xb8, 0x11, 0x00, 0x82 }, K | F },
  { VP9,
    "structure, 2 layers with sizes, group of 2",
    17,
    { 0x8a, 0x11, 0x38, 1, 0x40, 0, 0xb4, 2, 0x80, 1, 0x68, 2, 0x04, 1, 0x10,
      0x82, 0x49 },
    K | F },
  { VP9, "structure cut in its sizes", 6, { 0x8a, 0x11, 0x38, 1, 0x40, 0 }, M },
  { VP9, "structure without its group count", 3, { 0x8a, 0x11, 0x08 }, M },
  { VP9, "structure with a group cut", 5, { 0x8a, 0x11, 0x08, 9, 0x0c }, M },
  { VP9, "id cut", 1, { 0x88 }, M },
  { VP9, "layers cut", 2, { 0xa8, 0x11 }, M },
  { VP9, "nothing behind", 2, { 0x88, 0x11 }, M },

  { AV1,
    "N, sequence header, frame (W=2)",
    6,
    { 0x28, 2, 0x08, 0x00, 0x30, 0x10 },
    K | P | F },
  { AV1, "N, W=1", 3, { 0x18, 0x08, 0x00 }, K | P | F },
  { AV1,
    "W=0: each with a length",
    7,
    { 0x08, 2, 0x08, 0x00, 2, 0x30, 0x10 },
    K | P | F },
  { AV1,
    "no N, sequence header and key frame",
    6,
    { 0x20, 2, 0x08, 0x00, 0x30, 0x10 },
    K | P | F },
  { AV1,
    "no N, sequence header and inter frame",
    6,
    { 0x20, 2, 0x08, 0x00, 0x30, 0x30 },
    P | F },
  { AV1,
    "key frame with a size field",
    7,
    { 0x20, 2, 0x08, 0x00, 0x32, 0x01, 0x10 },
    K | P | F },
  { AV1, "inter frame", 3, { 0x10, 0x30, 0x30 }, F },
  { AV1, "continued (Z)", 3, { 0x90, 0x08, 0x00 }, 0 },
  { AV1, "continued, then a frame", 5, { 0xa0, 1, 0x08, 0x30, 0x30 }, F },
  { AV1, "Z and N", 3, { 0x98, 0x08, 0x00 }, M },
  { AV1, "W=1, header with extension", 4, { 0x10, 0x34, 0x20, 0x30 }, F },
  { AV1, "forbidden bit", 3, { 0x10, 0xb0, 0x10 }, M },
  { AV1, "length too long", 3, { 0x20, 9, 0x30 }, M },
  { AV1,
    "leb128 without end",
    8,
    { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 },
    M },
  { AV1,
    "leb128 of more than 32 bits",
    8,
    { 0x00, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 1 },
    M },
  { AV1, "header only", 1, { 0x18 }, M },

  { RTC_CODEC_OPUS, "Opus", 1, { 0xfc }, F },
  { RTC_CODEC_NONE, "no codec", 2, { 0x65, 0x88 }, 0 },
  { H264, "probe", 0, { 0 }, 0 },
};

static void
test_table (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree guint8 *copy = g_memdup2 (rows[i].bytes, rows[i].len);

      g_test_message ("%s: %s", rtc_codec_name (rows[i].codec), rows[i].what);
      g_assert_cmphex (rtc_payload_inspect (rows[i].codec, copy, rows[i].len),
                       ==, rows[i].want);
    }
}

/* Every row cut at every length, as every codec: no read past the end. */
static void
test_truncated (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint len = 0; len <= rows[i].len; len++)
      {
        g_autofree guint8 *copy = g_memdup2 (rows[i].bytes, len);
        RtcH264Params params;

        for (int codec = RTC_CODEC_NONE; codec <= RTC_CODEC_AV1; codec++)
          rtc_payload_inspect ((RtcCodec)codec, copy, len);
        rtc_payload_h264_params (copy, len, &params);
      }
}

static void
test_params (void)
{
  const guint8 stap[] = { 0x78, 0,    3,    0x67, 0x42, 0xe0, 0,
                          2,    0x68, 0xce, 0,    2,    0x65, 0x88 };
  const guint8 single[] = { 0x68, 0xce, 0x3c };
  const guint8 idr[] = { 0x65, 0x88, 0x80 };
  RtcH264Params params = { 0 };

  g_assert_true (rtc_payload_h264_params (stap, sizeof stap, &params));
  g_assert_cmpmem (params.sps, params.sps_len, stap + 3, 3);
  g_assert_cmpmem (params.pps, params.pps_len, stap + 8, 2);
  g_assert_true (rtc_payload_h264_params (single, 3, &params));
  g_assert_cmpmem (params.pps, params.pps_len, single, 3);
  g_assert_cmpmem (params.sps, params.sps_len, stap + 3, 3); /* kept */
  g_assert_false (rtc_payload_h264_params (idr, 3, &params));
}

/* x264 and libwebrtc parameter sets, from streams */
static void
test_sps (void)
{
  static const struct
  {
    guint len;
    guint8 bytes[40];
    guint8 profile_idc, constraints, level_idc;
    guint width_px, height_px;
  } sets[] = {
    /* x264 baseline-like, 1280x720 */
    { 9,
      { 0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec },
      0x42,
      0xc0,
      31,
      1280,
      720 },
    /* x264 high, 1920x1080: 1088 lines cropped by 8, emulation prevention */
    { 28,
      { 0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27,
        0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00,
        0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58, 0x00 },
      0x64,
      0,
      40,
      1920,
      1080 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    {
      RtcH264Sps sps = { 0 };

      g_assert_true (rtc_payload_h264_sps (sets[i].bytes, sets[i].len, &sps));
      g_assert_cmphex (sps.profile_idc, ==, sets[i].profile_idc);
      g_assert_cmphex (sps.constraints, ==, sets[i].constraints);
      g_assert_cmpuint (sps.level_idc, ==, sets[i].level_idc);
      g_assert_cmpuint (sps.width_px, ==, sets[i].width_px);
      g_assert_cmpuint (sps.height_px, ==, sets[i].height_px);
      for (guint len = 0; len < 9; len++)
        {
          g_autofree guint8 *copy = g_memdup2 (sets[i].bytes, len);
          rtc_payload_h264_sps (copy, len, &sps);
        }
      g_assert_false (rtc_payload_h264_sps (sets[i].bytes, 6, &sps));
    }
}

static void
test_sps_hostile (void)
{
  g_autofree guint8 *bytes = g_malloc0 (4096);
  RtcH264Sps sps = { .level_idc = 77 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  bytes[0] = 0x67;
  g_assert_false (rtc_payload_h264_sps (bytes, 4096, &sps)); /* endless zeros */
  g_assert_false (rtc_payload_h264_sps (bytes, 0, &sps));
  bytes[0] = 0x68;
  g_assert_false (rtc_payload_h264_sps (bytes, 64, &sps));
  g_assert_cmpuint (sps.level_idc, ==, 77);
  for (guint round = 0; round < 20000; round++)
    {
      guint len = 5 + (guint)g_rand_int_range (rand, 0, 40);
      guint8 sps_bytes[64];

      for (guint i = 0; i < len; i++)
        sps_bytes[i] = (guint8)g_rand_int (rand);
      sps_bytes[0] = 0x67;
      sps_bytes[1] = round % 2 ? 0x64 : 0x42;
      if (rtc_payload_h264_sps (sps_bytes, len, &sps))
        {
          g_assert_cmpuint (sps.width_px, >, 0);
          g_assert_cmpuint (sps.width_px, <=, 16384);
          g_assert_cmpuint (sps.height_px, >, 0);
          g_assert_cmpuint (sps.height_px, <=, 16384);
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtc/payload/table", test_table);
  g_test_add_func ("/rtc/payload/truncated", test_truncated);
  g_test_add_func ("/rtc/payload/params", test_params);
  g_test_add_func ("/rtc/payload/sps", test_sps);
  g_test_add_func ("/rtc/payload/sps-hostile", test_sps_hostile);
  return g_test_run ();
}
