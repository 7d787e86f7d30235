/* SPDX-License-Identifier: Apache-2.0 */
/* egress/recording-order: packets that are late, missing, twice. */
#include "egress/recording-order.h"

static void
push (EgressRecordingOrder *order, guint64 seq, gint64 recv_us, guint8 flags)
{
  static const guint8 payload[1] = { 1 };
  RelayPacket packet = { .ext_seq = seq,
                         .recv_us = recv_us,
                         .flags = flags,
                         .payload = payload,
                         .payload_len = 1 };

  egress_recording_order_push (order, egress_recording_packet_new (&packet));
}

/* assert_next: @seq: 0 = nothing yet */
static void
assert_next (EgressRecordingOrder *order, guint64 seq)
{
  const EgressRecordingPacket *packet =
      egress_recording_order_peek (order, FALSE);

  g_assert_cmpuint (packet ? packet->ext_seq : 0, ==, seq);
  g_assert_true (egress_recording_order_peek (order, FALSE) == packet);
  if (packet)
    g_free (egress_recording_order_take (order));
}

static void
test_order (void)
{
  g_autoptr (EgressRecordingOrder) order =
      egress_recording_order_new (RTC_MEDIA_AUDIO);

  assert_next (order, 0);
  push (order, 10, 1, 0);
  assert_next (order, 10);
  push (order, 12, 2, 0);
  assert_next (order, 0);
  push (order, 13, 3, 0);
  push (order, 12, 3, 0); /* twice */
  push (order, 11, 4, 0); /* overtaken */
  push (order, 9, 4, 0);  /* too late */
  assert_next (order, 11);
  assert_next (order, 12);
  assert_next (order, 13);
  assert_next (order, 0);
  g_assert_cmpuint (egress_recording_order_get_n_lost (order), ==, 0);
  g_assert_cmpuint (egress_recording_order_get_bytes (order), ==, 0);
}

static void
test_hole (void)
{
  g_autoptr (EgressRecordingOrder) order =
      egress_recording_order_new (RTC_MEDIA_AUDIO);

  push (order, 1, 0, 0);
  push (order, 3, 0, 0);
  assert_next (order, 1);
  push (order, 4, EGRESS_RECORDING_REPAIR_US - 1, 0);
  assert_next (order, 0);
  push (order, 5, EGRESS_RECORDING_REPAIR_US, 0);
  assert_next (order, 3);
  assert_next (order, 4);
  assert_next (order, 5);
  g_assert_cmpuint (egress_recording_order_get_n_lost (order), ==, 1);
}

/* Pictures begin with a keyframe, at first and after a hole. */
static void
test_keyframes (void)
{
  g_autoptr (EgressRecordingOrder) order =
      egress_recording_order_new (RTC_MEDIA_VIDEO);

  push (order, 1, 0, 0);
  push (order, 2, 0, RELAY_PACKET_PARAMS);
  push (order, 3, 0, RELAY_PACKET_KEYFRAME);
  push (order, 5, 0, 0);
  push (order, 6, 0, RELAY_PACKET_KEYFRAME);
  push (order, 7, EGRESS_RECORDING_REPAIR_US, 0);
  assert_next (order, 2);
  assert_next (order, 3);
  assert_next (order, 6);
  assert_next (order, 7);
}

static void
test_last (void)
{
  g_autoptr (EgressRecordingOrder) order =
      egress_recording_order_new (RTC_MEDIA_AUDIO);

  push (order, 1, 0, 0);
  assert_next (order, 1);
  push (order, 3, 0, 0);
  assert_next (order, 0);
  g_assert_cmpuint (egress_recording_order_peek (order, TRUE)->ext_seq, ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/egress/recording-order/order", test_order);
  g_test_add_func ("/egress/recording-order/hole", test_hole);
  g_test_add_func ("/egress/recording-order/keyframes", test_keyframes);
  g_test_add_func ("/egress/recording-order/last", test_last);
  return g_test_run ();
}
