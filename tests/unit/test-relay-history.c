/* SPDX-License-Identifier: Apache-2.0 */
/* RelayHistory: caps, look-up by number, where a GOP begins. */
#include "relay/history.h"

#include <string.h>

typedef struct
{
  RelayHistory *history;
  RelayChunk *chunk;
  guint64 next[RTC_MEDIA_N_KINDS];
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->history = relay_history_new ();
  f->chunk = relay_chunk_new ();
  f->next[0] = f->next[1] = 1000;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  relay_history_free (f->history);
  relay_chunk_unref (f->chunk);
}

static gboolean
append_at (Fixture *f, guint8 kind, guint64 ext_seq, guint32 ts, guint8 flags,
           gint64 at_us, guint len)
{
  static const guint8 bytes[1200];
  RelayPacket packet = { .ext_seq = ext_seq,
                         .recv_us = at_us,
                         .rtp_ts = ts,
                         .kind = kind,
                         .flags = flags,
                         .payload_len = (guint16)len };

  packet.payload = relay_chunk_append (f->chunk, NULL, 0, bytes, len);
  if (packet.payload == NULL)
    {
      relay_chunk_unref (f->chunk);
      f->chunk = relay_chunk_new ();
      packet.payload = relay_chunk_append (f->chunk, NULL, 0, bytes, len);
    }
  packet.chunk = f->chunk;
  return relay_history_append (f->history, &packet);
}

static void
append (Fixture *f, guint8 kind, guint32 ts, guint8 flags, gint64 at_us)
{
  g_assert_true (append_at (f, kind, f->next[kind]++, ts, flags, at_us, 1000));
}

static void
test_find (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 3000; i++)
    append (f, i % 3 == 0, i, 0, 0);
  for (guint64 seq = 1000; seq < 2000; seq++)
    {
      const RelayPacket *packet =
          relay_history_find (f->history, RTC_MEDIA_VIDEO, seq);

      g_assert_nonnull (packet);
      g_assert_cmpuint (packet->ext_seq, ==, seq);
      g_assert_cmpuint (packet->kind, ==, RTC_MEDIA_VIDEO);
    }
  g_assert_null (relay_history_find (f->history, RTC_MEDIA_VIDEO, 2000));
  g_assert_null (relay_history_find (f->history, RTC_MEDIA_VIDEO, 999));
  g_assert_false (append_at (f, RTC_MEDIA_VIDEO, 1500, 0, 0, 0, 10));
}

static void
test_caps (Fixture *f, gconstpointer data)
{
  guint n = 2 * RELAY_HISTORY_MAX_BYTES / 1000;

  for (guint i = 0; i < n; i++)
    {
      append (f, RTC_MEDIA_VIDEO, i, i == 0 ? RELAY_PACKET_KEYFRAME : 0, i);
      relay_history_trim (f->history, i);
      g_assert_cmpuint (relay_history_get_bytes (f->history), <=,
                        RELAY_HISTORY_MAX_BYTES);
    }
  /* the GOP began beyond the cap: it cannot be joined */
  g_assert_cmpuint (relay_history_get_gop_start (f->history), ==,
                    RELAY_POS_NONE);
  relay_history_trim (f->history, n + RELAY_HISTORY_MAX_US + 1);
  g_assert_cmpuint (relay_history_get_tail (f->history), ==,
                    relay_history_get_head (f->history));
  g_assert_cmpuint (relay_history_get_bytes (f->history), ==, 0);
}

/* Empty packets have no bytes: their number is capped too. */
static void
test_cap_packets (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < RELAY_HISTORY_MAX_PACKETS + 10; i++)
    {
      g_assert_true (append_at (f, RTC_MEDIA_VIDEO, 1000 + i, i,
                                RELAY_PACKET_KEYFRAME, 0, 0));
      relay_history_trim (f->history, 0);
    }
  g_assert_cmpuint (relay_history_get_head (f->history)
                        - relay_history_get_tail (f->history),
                    ==, RELAY_HISTORY_MAX_PACKETS);
}

static void
test_gop (Fixture *f, gconstpointer data)
{
  guint64 start;

  append (f, RTC_MEDIA_VIDEO, 100, 0, 0);
  g_assert_cmpuint (relay_history_get_gop_start (f->history), ==,
                    RELAY_POS_NONE);
  start = relay_history_get_head (f->history);
  append (f, RTC_MEDIA_VIDEO, 200, RELAY_PACKET_PARAMS, 0);
  append (f, RTC_MEDIA_AUDIO, 5, 0, 0);
  append (f, RTC_MEDIA_VIDEO, 200, RELAY_PACKET_KEYFRAME, 0);
  /* the parameter sets before it belong to it */
  g_assert_cmpuint (relay_history_get_gop_start (f->history), ==, start);
  append (f, RTC_MEDIA_VIDEO, 300, 0, 0);
  g_assert_cmpuint (relay_history_get_gop_start (f->history), ==, start);
}

/* The packet that says "keyframe" was lost and came back after the rest. */
static void
test_gop_repaired (Fixture *f, gconstpointer data)
{
  guint64 start;

  append (f, RTC_MEDIA_VIDEO, 100, 0, 0);
  start = relay_history_get_head (f->history);
  append_at (f, RTC_MEDIA_VIDEO, 1002, 200, 0, 0, 10);
  append_at (f, RTC_MEDIA_VIDEO, 1003, 300, 0, 0, 10);
  append_at (f, RTC_MEDIA_VIDEO, 1001, 200,
             RELAY_PACKET_KEYFRAME | RELAY_PACKET_LATE, 0, 10);
  g_assert_cmpuint (relay_history_get_gop_start (f->history), ==, start);
}

static void
test_clear (Fixture *f, gconstpointer data)
{
  guint64 head;

  append (f, RTC_MEDIA_VIDEO, 100, RELAY_PACKET_KEYFRAME, 0);
  head = relay_history_get_head (f->history);
  relay_history_clear (f->history);
  g_assert_cmpuint (relay_history_get_head (f->history), ==, head);
  g_assert_cmpuint (relay_history_get_gop_start (f->history), ==,
                    RELAY_POS_NONE);
  g_assert_null (relay_history_find (f->history, RTC_MEDIA_VIDEO, 1000));
}

#define ADD(name, func)                                                        \
  g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/relay/history/find", test_find);
  ADD ("/relay/history/caps", test_caps);
  ADD ("/relay/history/cap-packets", test_cap_packets);
  ADD ("/relay/history/gop", test_gop);
  ADD ("/relay/history/gop-repaired", test_gop_repaired);
  ADD ("/relay/history/clear", test_clear);
  return g_test_run ();
}
