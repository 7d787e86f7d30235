/* SPDX-License-Identifier: Apache-2.0 */
/* EgressRewrite: layers left out without holes, and what goes on after a change
 * of source; everything told again as it was told first. */
#include "egress/rewrite.h"

#include <string.h>

#include "base/clock.h"

#define ALL EGRESS_REWRITE_ALL_LAYERS
#define PICTURE_ID 0x7ff0 /* wraps soon */

/* a packet with its bytes */
typedef struct
{
  RelayPacket packet;
  guint8 payload[16];
} Made;

static Made *
make (guint64 ext_seq, guint32 rtp_ts, gboolean marker)
{
  Made *made = g_new0 (Made, 1);

  made->packet = (RelayPacket){ .ext_seq = ext_seq,
                                .rtp_ts = rtp_ts,
                                .kind = RTC_MEDIA_VIDEO,
                                .payload = made->payload,
                                .payload_len = sizeof made->payload,
                                .flags = marker ? RELAY_PACKET_MARKER : 0 };
  return made;
}

/* @at: of the picture: its temporal layer is 0 2 1 2 0 2 1 2 … */
static Made *
make_vp8 (guint64 ext_seq, guint at, gboolean is_first, gboolean is_key,
          gboolean is_sync)
{
  static const guint8 layers[] = { 0, 2, 1, 2 };
  Made *made = make (ext_seq, at * 3000, !is_first);
  guint16 picture_id = (guint16)((PICTURE_ID + at) & 0x7fff);

  made->payload[0] = is_first ? 0x90 : 0x80;
  made->payload[1] = 0xe0;
  made->payload[2] = (guint8)(0x80 | picture_id >> 8);
  made->payload[3] = (guint8)picture_id;
  made->payload[4] = (guint8)(at / 4);
  made->payload[5] = (guint8)(layers[at % 4] << 6 | (is_sync ? 0x20 : 0));
  made->payload[6] = is_key ? 0 : 1;
  return made;
}

/* pictures of two packets each */
static GPtrArray *
make_pictures (guint n, gboolean is_sync)
{
  GPtrArray *packets = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < n; i++)
    {
      g_ptr_array_add (packets, make_vp8 (2 * i + 100, i, TRUE, i == 0,
                                          is_sync && i % 4 != 0));
      g_ptr_array_add (packets, make_vp8 (2 * i + 101, i, FALSE, FALSE,
                                          is_sync && i % 4 != 0));
    }
  return packets;
}

static guint16
id_of (const EgressEdit *edit, const RelayPacket *packet)
{
  const guint8 *head = edit->head_len > 0 ? edit->head : packet->payload;

  return (guint16)((head[2] << 8 | head[3]) & 0x7fff);
}

/* It comes again with the same bytes, under the number that it has. */
static void
assert_again (const EgressRewrite *r, const RelayPacket *packet,
              const EgressEdit *edit)
{
  EgressEdit again;
  guint64 ext_seq;

  g_assert_true (egress_rewrite_again (r, packet, &again));
  g_assert_cmpuint (again.n_before, ==, edit->n_before);
  g_assert_cmpuint (again.rtp_ts, ==, edit->rtp_ts);
  g_assert_cmpint (again.marker, ==, edit->marker);
  g_assert_cmpint (again.is_empty, ==, edit->is_empty);
  g_assert_cmpmem (again.head, again.head_len, edit->head, edit->head_len);
  g_assert_true (
      egress_rewrite_find (r, packet->ext_seq - edit->n_before, &ext_seq));
  g_assert_cmpuint (ext_seq, ==, packet->ext_seq);
}

/* Two of three layers go; numbers and picture ids have no holes. */
static void
test_temporal (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_VP8, 0);
  g_autoptr (GPtrArray) packets = make_pictures (400, FALSE);
  guint64 number = 100;
  guint n_pictures = 0, spatial, temporal;

  egress_rewrite_set_layers (r, ALL, 1);
  for (guint i = 0; i < packets->len; i++)
    {
      const RelayPacket *packet = packets->pdata[i];
      EgressEdit edit;
      gboolean is_kept = i / 2 % 4 % 2 == 0;

      g_assert_cmpint (egress_rewrite_pass (r, packet, &edit), ==, is_kept);
      if (!is_kept)
        continue;
      g_assert_cmpuint (packet->ext_seq - edit.n_before, ==, number++);
      g_assert_cmpuint (id_of (&edit, packet), ==,
                        (PICTURE_ID + n_pictures) & 0x7fff);
      g_assert_false (edit.is_empty);
      n_pictures += i % 2;
      assert_again (r, packet, &edit);
    }
  g_assert_true (egress_rewrite_take_change (r, &spatial, &temporal));
  g_assert_cmpuint (temporal, ==, 1);
  g_assert_false (egress_rewrite_take_change (r, &spatial, &temporal));
}

static gboolean
passes (EgressRewrite *r, const RelayPacket *packet)
{
  EgressEdit edit;

  return egress_rewrite_pass (r, packet, &edit);
}

/* Down with the next picture, not within one. */
static void
test_down_between_pictures (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_VP8, 0);
  g_autoptr (GPtrArray) packets = make_pictures (8, FALSE);

  egress_rewrite_set_layers (r, ALL, ALL);
  for (guint i = 0; i < 3; i++) /* to the middle of a picture of layer 2 */
    g_assert_true (passes (r, packets->pdata[i]));
  egress_rewrite_set_layers (r, ALL, 0);
  g_assert_true (passes (r, packets->pdata[3]));
  for (guint i = 4; i < 8; i++)
    g_assert_false (passes (r, packets->pdata[i]));
  g_assert_true (passes (r, packets->pdata[8]));
}

/* Up only where nothing that was left out is referred to. */
static void
test_up (gconstpointer with_sync)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_VP8, 0);
  g_autoptr (GPtrArray) packets =
      make_pictures (12, GPOINTER_TO_INT (with_sync));
  g_autofree Made *next = make_vp8 (1002, 13, TRUE, FALSE, FALSE);
  Made *key = make_vp8 (1000, 12, TRUE, TRUE, FALSE);

  g_ptr_array_add (packets, key);
  egress_rewrite_set_layers (r, ALL, 0);
  for (guint i = 0; i < 16; i++)
    passes (r, packets->pdata[i]);
  egress_rewrite_set_layers (r, ALL, ALL);
  for (guint i = 16; i < 24; i++)
    g_assert_cmpint (passes (r, packets->pdata[i]), ==,
                     i < 18 || GPOINTER_TO_INT (with_sync));
  g_assert_true (passes (r, packets->pdata[24]));
  g_assert_true (passes (r, &next->packet));
}

/* A place was kept for what was missing: it is sent in it, or nothing is, in a
 * packet of its own. */
static void
test_late (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_VP8, 0);
  g_autoptr (GPtrArray) packets = make_pictures (12, FALSE);
  const guint late[] = { 6, 8 }; /* layer 2's; layer 0's */
  EgressEdit edit;

  egress_rewrite_set_layers (r, ALL, 1);
  for (guint i = 0; i < packets->len; i++)
    if (i != late[0] && i != late[1])
      passes (r, packets->pdata[i]);
  g_assert_true (egress_rewrite_pass (r, packets->pdata[late[0]], &edit));
  g_assert_true (edit.is_empty);
  g_assert_cmpuint (edit.n_before, ==, 2); /* the picture before */
  assert_again (r, packets->pdata[late[0]], &edit);
  g_assert_true (egress_rewrite_pass (r, packets->pdata[late[1]], &edit));
  g_assert_false (edit.is_empty);
  g_assert_cmpuint (edit.n_before, ==, 3);
  assert_again (r, packets->pdata[late[1]], &edit);
  g_assert_cmpuint (id_of (&edit, packets->pdata[late[1]]), ==,
                    (PICTURE_ID + 2) & 0x7fff);
}

/* Layers are chosen in the midst of a stream: what comes late then has had its
 * number all the time. */
static void
test_begun_later (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_VP8, 105);
  g_autoptr (GPtrArray) packets = make_pictures (12, FALSE);
  EgressEdit edit;

  egress_rewrite_set_layers (r, ALL, 0);
  g_assert_true (egress_rewrite_pass (r, packets->pdata[2], &edit)); /* 102 */
  g_assert_cmpuint (edit.n_before, ==, 0);
  g_assert_false (egress_rewrite_pass (r, packets->pdata[6], &edit)); /* 106 */
  g_assert_true (egress_rewrite_pass (r, packets->pdata[5], &edit));  /* 105 */
  g_assert_cmpuint (edit.n_before, ==, 0);
  g_assert_false (edit.is_empty); /* its picture was being sent */
  g_assert_false (egress_rewrite_pass (r, packets->pdata[7], &edit));
  g_assert_true (egress_rewrite_pass (r, packets->pdata[8], &edit)); /* 108 */
  g_assert_cmpuint (edit.n_before, ==, 2);
}

/* More was left out than is remembered: no guesses. */
static void
test_bound (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_VP8, 0);
  g_autoptr (GPtrArray) packets =
      make_pictures (EGRESS_REWRITE_N_DROPS + 8, FALSE);
  EgressEdit edit;
  guint64 ext_seq;
  guint n = packets->len, n_found = 0;

  egress_rewrite_set_layers (r, ALL, 1);
  for (guint i = 0; i < n; i++)
    passes (r, packets->pdata[i]);
  g_assert_false (egress_rewrite_again (r, packets->pdata[0], &edit));
  g_assert_false (egress_rewrite_find (r, 100, &ext_seq));
  g_assert_true (egress_rewrite_again (r, packets->pdata[n - 4], &edit));
  for (guint64 number = 100; number < 100 + n / 2; number++)
    n_found += egress_rewrite_find (r, number, &ext_seq) ? 1 : 0;
  /* as many pictures of two packets as there are drops, less the last edge */
  g_assert_cmpuint (n_found, >=, EGRESS_REWRITE_N_DROPS - 4);
  g_assert_cmpuint (n_found, <=, EGRESS_REWRITE_N_DROPS);
  egress_rewrite_restart (r);
  g_assert_true (egress_rewrite_find (r, 100, &ext_seq));
  g_assert_cmpuint (ext_seq, ==, 100);
}

/* Loss, reordering and layers that change, at random: a number is given once,
 * and belongs to the packet that had it. */
static void
test_random (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_VP8, 0);
  g_autoptr (GPtrArray) packets = make_pictures (600, TRUE);
  g_autoptr (GHashTable) given = g_hash_table_new (NULL, NULL);
  guint spatial, temporal, n_sent = 0;

  egress_rewrite_set_layers (r, ALL, 1);
  for (guint i = 0; i + 8 < packets->len; i++)
    {
      guint j = i + (guint)g_test_rand_int_range (0, 8);
      gpointer swap = packets->pdata[i];

      packets->pdata[i] = packets->pdata[j];
      packets->pdata[j] = swap;
    }
  for (guint i = 0; i < packets->len; i++)
    {
      const RelayPacket *packet = packets->pdata[i];
      EgressEdit edit;

      if (g_test_rand_int_range (0, 40) == 0)
        egress_rewrite_set_layers (r, ALL, (guint)g_test_rand_int_range (0, 3));
      if (g_test_rand_int_range (0, 10) == 0
          || !egress_rewrite_pass (r, packet, &edit))
        continue;
      egress_rewrite_take_change (r, &spatial, &temporal);
      g_assert_true (g_hash_table_add (
          given, GSIZE_TO_POINTER (packet->ext_seq - edit.n_before)));
      assert_again (r, packet, &edit);
      n_sent++;
    }
  g_assert_cmpuint (n_sent, >, packets->len / 8);
}

/* --- spatial layers of VP9 ------------------------------------------------ */

static Made *
make_vp9 (guint at, guint layer, gboolean is_key, gboolean with_u)
{
  Made *made = make (at * 3 + layer, at * 3000, layer == 2);

  made->payload[0] = (guint8)(0xac | (is_key ? 0 : 0x40)); /* I L B E */
  made->payload[1] = (guint8)(0x80 | at >> 8);
  made->payload[2] = (guint8)at;
  made->payload[3] =
      (guint8)(at % 2 << 5 | layer << 1 | (with_u ? 0x10 : 0) | (layer > 0));
  made->payload[4] = (guint8)(at / 2);
  return made;
}

static gboolean
pass_vp9 (EgressRewrite *r, guint at, guint layer, gboolean is_key,
          EgressEdit *edit)
{
  g_autofree Made *made = make_vp9 (at, layer, is_key, FALSE);

  return egress_rewrite_pass (r, &made->packet, edit);
}

/* The highest that is sent ends the picture; up with a picture that needs none
 * before it. */
static void
test_spatial (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_VP9, 0);
  EgressEdit edit;

  egress_rewrite_set_layers (r, 1, ALL);
  for (guint at = 0; at < 10; at++)
    {
      g_assert_true (pass_vp9 (r, at, 0, at == 0, &edit));
      g_assert_false (edit.marker);
      g_assert_cmpuint (edit.n_before, ==, at);
      g_assert_true (pass_vp9 (r, at, 1, at == 0, &edit));
      g_assert_true (edit.marker);
      g_assert_cmpuint (edit.head_len, ==, 0); /* ids stay */
      g_assert_false (pass_vp9 (r, at, 2, at == 0, &edit));
    }
  egress_rewrite_set_layers (r, ALL, ALL);
  g_assert_true (pass_vp9 (r, 10, 0, FALSE, &edit));
  g_assert_true (pass_vp9 (r, 10, 1, FALSE, &edit));
  g_assert_false (pass_vp9 (r, 10, 2, FALSE, &edit));
  /* it refers to the layer below alone */
  g_assert_true (pass_vp9 (r, 11, 0, FALSE, &edit));
  g_assert_true (pass_vp9 (r, 11, 1, FALSE, &edit));
  g_assert_true (pass_vp9 (r, 11, 2, TRUE, &edit));
  g_assert_true (edit.marker);
  g_assert_true (pass_vp9 (r, 12, 0, FALSE, &edit));
  g_assert_true (pass_vp9 (r, 12, 1, FALSE, &edit));
  g_assert_false (edit.marker);
  egress_rewrite_set_layers (r, 0, ALL);
  g_assert_true (pass_vp9 (r, 12, 2, FALSE, &edit)); /* not within a picture */
  g_assert_true (pass_vp9 (r, 13, 0, FALSE, &edit));
  g_assert_true (edit.marker);
  g_assert_false (pass_vp9 (r, 13, 1, FALSE, &edit));
}

/* VP9's temporal layers go up behind a switching point (U). */
static void
test_vp9_temporal (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_VP9, 0);
  g_autofree Made *point = make_vp9 (6, 0, FALSE, TRUE);
  EgressEdit edit;

  egress_rewrite_set_layers (r, ALL, 0);
  for (guint at = 0; at < 4; at++)
    g_assert_cmpint (pass_vp9 (r, at, 0, at == 0, &edit), ==, at % 2 == 0);
  egress_rewrite_set_layers (r, ALL, ALL);
  g_assert_true (pass_vp9 (r, 4, 0, FALSE, &edit));
  g_assert_false (pass_vp9 (r, 5, 0, FALSE, &edit));
  g_assert_true (passes (r, &point->packet));
  g_assert_true (pass_vp9 (r, 7, 0, FALSE, &edit));
}

/* --- another source ------------------------------------------------------- */

static void
test_squeeze (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_H264, 0);
  const guint32 first_ts = 0xffffff00u, head_ts = first_ts + 180000;
  g_autofree Made *first = make (1, first_ts, TRUE);
  g_autofree Made *later = make (9, head_ts + 90000 * 40, TRUE);
  EgressLast last = { .is_known = TRUE, .rtp_ts = 1000, .at_us = 0 };
  EgressBegin begin = { &first->packet, head_ts, 30 * BASE_US_PER_MS };
  guint32 offset, before = last.rtp_ts;

  egress_rewrite_splice (r, &last, &begin, &offset);
  for (guint32 at = 0; at <= 180000; at += 3000)
    {
      guint32 ts = egress_rewrite_map_ts (r, first_ts + at) + offset;

      g_assert_cmpint ((gint32)(ts - before), >, 0);
      before = ts;
    }
  /* the newest in real time, and all after it as they come */
  g_assert_cmpuint (before, ==, 1000 + 2700);
  g_assert_cmpuint (egress_rewrite_map_ts (r, head_ts + 3000) + offset, ==,
                    1000 + 2700 + 3000);
  /* it is over before the clock comes round */
  g_assert_true (passes (r, &later->packet));
  g_assert_cmpuint (egress_rewrite_map_ts (r, first_ts), ==, first_ts);
}

/* From one that has had its last packet later than the other its newest. */
static void
test_squeeze_backwards (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_H264, 0);
  g_autofree Made *first = make (1, 5000, TRUE);
  EgressLast last = { .is_known = TRUE,
                      .rtp_ts = 1000,
                      .at_us = BASE_US_PER_S };
  EgressBegin begin = { &first->packet, 5000, 0 };
  guint32 offset;

  egress_rewrite_splice (r, &last, &begin, &offset);
  g_assert_cmpuint (egress_rewrite_map_ts (r, 5000) + offset, ==, 1001);
  begin.head_rtp_ts = 5000 + 9000;
  egress_rewrite_splice (r, &last, &begin, &offset);
  g_assert_cmpuint (egress_rewrite_map_ts (r, 5000) + offset, ==, 1001);
  g_assert_cmpuint (egress_rewrite_map_ts (r, 5000 + 3000) + offset, >, 1001);
  g_assert_cmpuint (egress_rewrite_map_ts (r, 14000) + offset, <, 1200);
}

/* Left again in the midst of its GOP: what was squeezed stands for its new
 * time, not for the one at which it came. */
static void
test_squeezed_last (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_H264, 0);
  g_autofree Made *first = make (1, 5000, TRUE);
  g_autofree Made *middle = make (2, 5000 + 90000, TRUE);
  EgressLast last = { .is_known = TRUE, .rtp_ts = 1000 };
  EgressBegin begin = { &first->packet, 5000 + 180000, 30 * BASE_US_PER_MS };
  guint32 offset;

  egress_rewrite_splice (r, &last, &begin, &offset);
  middle->packet.recv_us = begin.head_us - BASE_US_PER_S;
  egress_rewrite_remember (r, RTC_CODEC_H264, &middle->packet, offset, &last);
  g_assert_cmpuint (last.rtp_ts, <, 1000 + 2700);
  g_assert_cmpint (last.at_us, >=, 0);
  g_assert_cmpint (last.at_us, <=, begin.head_us);
  /* by the one clock of before and after */
  g_assert_cmpint (ABS (last.at_us * 9 / 100 - (last.rtp_ts - 1000)), <=, 1);
}

/* Many in a row: what one took ahead of time the next ones make good. */
static void
test_squeeze_often (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_H264, 0);
  g_autofree Made *first = make (1, 5000, TRUE);
  EgressLast last = { .is_known = TRUE, .rtp_ts = 1000 };
  guint32 offset;

  for (guint i = 1; i <= 20; i++)
    {
      EgressBegin begin = { &first->packet, 5000 + 180000,
                            i * 10 * BASE_US_PER_MS };

      egress_rewrite_splice (r, &last, &begin, &offset);
      last.rtp_ts = egress_rewrite_map_ts (r, begin.head_rtp_ts) + offset;
      last.at_us = begin.head_us;
    }
  g_assert_cmpuint (last.rtp_ts, >, 1000 + 20 * 900);
  egress_rewrite_splice (
      r, &last, &(EgressBegin){ &first->packet, 5000, BASE_US_PER_S }, &offset);
  g_assert_cmpuint (egress_rewrite_map_ts (r, 5000) + offset, ==, 1000 + 90000);
}

/* AV1: the frame number of its dependency descriptor. */
static void
test_frame_number (void)
{
  g_autoptr (EgressRewrite) r = egress_rewrite_new (RTC_CODEC_AV1, 0);
  guint8 bytes[] = { RTC_EXT_DEPENDENCY_DESCRIPTOR, 3, 0xc0, 0xff, 0xff, 0 };
  guint8 element[] = { 0xc0, 0xff, 0xff };
  RelayPacket packet = { .ext_len = 5, .payload = bytes + 5, .payload_len = 1 };
  EgressLast last = { .is_known = TRUE, .frame_number = 41 };
  EgressBegin begin = { &packet, 0, 0 };
  guint32 offset;

  egress_rewrite_splice (r, &last, &begin, &offset);
  egress_rewrite_put_frame_number (r, element, 3);
  g_assert_cmpmem (element, 3, ((guint8[]){ 0xc0, 0, 42 }), 3);
  /* too short for one: as it is */
  egress_rewrite_put_frame_number (r, element, 2);
  g_assert_cmpmem (element, 3, ((guint8[]){ 0xc0, 0, 42 }), 3);
  egress_rewrite_remember (r, RTC_CODEC_AV1, &packet, offset, &last);
  g_assert_cmpuint (last.frame_number, ==, 42);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/egress/rewrite/temporal", test_temporal);
  g_test_add_func ("/egress/rewrite/down", test_down_between_pictures);
  g_test_add_data_func ("/egress/rewrite/up/keyframe", GINT_TO_POINTER (FALSE),
                        test_up);
  g_test_add_data_func ("/egress/rewrite/up/sync", GINT_TO_POINTER (TRUE),
                        test_up);
  g_test_add_func ("/egress/rewrite/late", test_late);
  g_test_add_func ("/egress/rewrite/begun-later", test_begun_later);
  g_test_add_func ("/egress/rewrite/bound", test_bound);
  g_test_add_func ("/egress/rewrite/random", test_random);
  g_test_add_func ("/egress/rewrite/spatial", test_spatial);
  g_test_add_func ("/egress/rewrite/vp9-temporal", test_vp9_temporal);
  g_test_add_func ("/egress/rewrite/squeeze", test_squeeze);
  g_test_add_func ("/egress/rewrite/squeeze-backwards", test_squeeze_backwards);
  g_test_add_func ("/egress/rewrite/squeezed-last", test_squeezed_last);
  g_test_add_func ("/egress/rewrite/squeeze-often", test_squeeze_often);
  g_test_add_func ("/egress/rewrite/frame-number", test_frame_number);
  return g_test_run ();
}
