/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/descriptor: examples by hand from RFC 7741 and RFC 9628. */
#include "rtc/descriptor.h"

static RtcDescriptor
read_whole (RtcCodec codec, const guint8 *bytes, gsize len)
{
  RtcDescriptor ret;

  g_assert_true (rtc_descriptor_read (codec, bytes, len, &ret));
  /* it ends within: none of its beginnings is one */
  for (gsize n = 0; n <= ret.len; n++)
    {
      RtcDescriptor untouched = { .len = 99 };

      g_assert_false (rtc_descriptor_read (codec, bytes, n, &untouched));
      g_assert_cmpuint (untouched.len, ==, 99);
    }
  return ret;
}

static void
test_vp8 (void)
{
  const guint8 plain[] = { 0x10, 0x00, 0 };
  const guint8 full[] = { 0x90, 0xf0, 0x92, 0x34, 7, 0xa5, 0x01, 0 };
  const guint8 small[] = { 0x80, 0x80, 0x11, 0x01, 0 };
  RtcDescriptor d = read_whole (RTC_CODEC_VP8, plain, sizeof plain);
  guint8 copy[8] = { 0 };

  g_assert_cmpuint (d.len, ==, 1);
  g_assert_true (d.is_start && d.is_key);
  g_assert_cmpuint (d.picture_id_len, ==, 0);
  g_assert_cmpuint (rtc_descriptor_get_ids_end (&d), ==, 0);
  d = read_whole (RTC_CODEC_VP8, full, sizeof full);
  g_assert_cmpuint (d.len, ==, 6);
  g_assert_cmphex (d.picture_id, ==, 0x1234);
  g_assert_cmpuint (d.tl0, ==, 7);
  g_assert_cmpuint (d.temporal_id, ==, 2);
  g_assert_true (d.is_start && !d.is_key && d.is_sync);
  g_assert_cmpuint (rtc_descriptor_get_ids_end (&d), ==, 5);
  rtc_descriptor_write_ids (&d, copy, 0xffff, 8);
  g_assert_cmpmem (copy, 5, ((guint8[]){ 0, 0, 0xff, 0xff, 8 }), 5);
  d = read_whole (RTC_CODEC_VP8, small, sizeof small);
  g_assert_cmphex (d.picture_id, ==, 0x11);
  g_assert_false (d.is_start || d.is_key);
  rtc_descriptor_write_ids (&d, copy, 0xffff, 8);
  g_assert_cmphex (copy[2], ==, 0x7f); /* as many bits as it has */
}

static void
test_vp9 (void)
{
  /* I L B E, not flexible: id, layers, TL0PICIDX */
  const guint8 key[] = { 0xac, 0x81, 0x02, 0x52, 9, 0x00, 0 };
  /* I P L F E: two references */
  const guint8 flexible[] = { 0xf4, 0x21, 0x24, 0x03, 0x04, 0x00, 0 };
  /* V: two layers with sizes, a group of one picture with one reference */
  const guint8 structure[] = { 0x0a, 0x38, 1, 64,   1, 0, 2, 128,
                               1,    0,    1, 0x04, 1, 0, 0 };
  RtcDescriptor d = read_whole (RTC_CODEC_VP9, key, sizeof key);

  g_assert_cmphex (d.picture_id, ==, 0x102);
  g_assert_cmpuint (d.temporal_id, ==, 2);
  g_assert_cmpuint (d.spatial_id, ==, 1);
  g_assert_true (d.is_sync && d.is_start && d.is_end);
  g_assert_false (d.is_key || d.is_inter); /* not the base layer's */
  g_assert_cmpuint (d.tl0, ==, 9);
  g_assert_cmpuint (d.len, ==, 5);
  d = read_whole (RTC_CODEC_VP9, flexible, sizeof flexible);
  g_assert_cmphex (d.picture_id, ==, 0x21);
  g_assert_cmpuint (d.tl0_at, ==, 0);
  g_assert_cmpuint (d.temporal_id, ==, 1);
  g_assert_cmpuint (d.spatial_id, ==, 2);
  g_assert_true (d.is_inter && d.is_end && !d.is_start);
  g_assert_cmpuint (d.len, ==, 5);
  d = read_whole (RTC_CODEC_VP9, structure, sizeof structure);
  g_assert_true (d.is_key);
  g_assert_cmpuint (d.len, ==, 13);
}

static void
test_others (void)
{
  const guint8 bytes[] = { 0x10, 0, 0, 0 };
  RtcDescriptor d;

  g_assert_false (rtc_descriptor_read (RTC_CODEC_H264, bytes, 4, &d));
  g_assert_false (rtc_descriptor_read (RTC_CODEC_AV1, bytes, 4, &d));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtc/descriptor/vp8", test_vp8);
  g_test_add_func ("/rtc/descriptor/vp9", test_vp9);
  g_test_add_func ("/rtc/descriptor/others", test_others);
  return g_test_run ();
}
