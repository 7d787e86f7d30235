/* SPDX-License-Identifier: Apache-2.0 */
/* Transit: the difference of two nodes' is the way between them, whatever
 * their clocks' zero, the timestamps' wrap, and bursts. */
#include "relay/transit.h"

#include <string.h>

#define HZ 48000
#define MS G_TIME_SPAN_MILLISECOND
#define PACKET_US (20 * MS)
#define PACKET_UNITS 960

typedef struct
{
  RelayTransit transit;
  gint64 boot_us; /* monotonic zero on the clock that all share */
} Node;

static void
add (Node *self, guint32 rtp_ts, gint64 shared_us)
{
  relay_transit_add (&self->transit, rtp_ts, HZ, shared_us - self->boot_us);
}

/* way_us: from @a to @b; ± 1 unit of 21 µs */
static gint64
way_us (Node *a, Node *b)
{
  guint32 one, two;

  g_assert_true (relay_transit_get (&a->transit, HZ, a->boot_us, &one));
  g_assert_true (relay_transit_get (&b->transit, HZ, b->boot_us, &two));
  return (gint64)(gint32)(two - one) * G_USEC_PER_SEC / HZ;
}

static void
assert_near (gint64 value_us, gint64 wanted_us)
{
  g_assert_cmpint (ABS (value_us - wanted_us), <=, 60);
}

static void
test_way (void)
{
  /* 2026 in µs, and machines that began at other times */
  gint64 now_us = G_GINT64_CONSTANT (1800000000) * G_USEC_PER_SEC;
  Node parent = { .boot_us = now_us - 77 * G_USEC_PER_SEC };
  Node child = { .boot_us = now_us - G_GINT64_CONSTANT (90000123457) };
  guint32 rtp_ts = G_MAXUINT32 - 100 * PACKET_UNITS; /* wraps on the way */
  guint32 units;

  g_assert_false (
      relay_transit_get (&parent.transit, HZ, parent.boot_us, &units));
  for (guint i = 0; i < 500; i++)
    {
      /* the publisher sends in bursts; some packets wait on the link */
      gint64 sent_us = now_us + (i % 5) * 3 * MS;

      add (&parent, rtp_ts, sent_us);
      add (&child, rtp_ts, sent_us + 7 * MS + (i % 3 == 1 ? 30 * MS : 0));
      rtp_ts += PACKET_UNITS;
      now_us += PACKET_US;
    }
  assert_near (way_us (&parent, &child), 7 * MS);
  assert_near (way_us (&child, &parent), -7 * MS);
}

/* A child that catches up is as near as it really is after two windows. */
static void
test_catches_up (void)
{
  Node parent = { .boot_us = 0 }, child = { .boot_us = 5 };
  gint64 now_us = G_USEC_PER_SEC;

  for (guint i = 0; i < 200; i++, now_us += PACKET_US)
    {
      add (&parent, i * PACKET_UNITS, now_us);
      add (&child, i * PACKET_UNITS,
           now_us + 2 * MS + MAX (2000 - 100 * (int)i, 0) * MS);
    }
  assert_near (way_us (&parent, &child), 2 * MS);
}

/* It gets longer: known within two windows. */
static void
test_grows (void)
{
  Node parent = { .boot_us = 0 }, child = { .boot_us = 0 };
  gint64 now_us = G_USEC_PER_SEC;

  for (guint i = 0; i < 300; i++, now_us += PACKET_US)
    {
      add (&parent, i * PACKET_UNITS, now_us);
      add (&child, i * PACKET_UNITS, now_us + (i < 150 ? 2 : 40) * MS);
    }
  assert_near (way_us (&parent, &child), 40 * MS);
}

static void
test_reset (void)
{
  RelayTransit transit = { 0 };
  guint32 units;

  relay_transit_add (&transit, 5, HZ, G_USEC_PER_SEC);
  g_assert_true (relay_transit_get (&transit, HZ, 0, &units));
  relay_transit_reset (&transit);
  g_assert_false (relay_transit_get (&transit, HZ, 0, &units));
  relay_transit_add (&transit, 0, HZ, 2 * G_USEC_PER_SEC);
  g_assert_true (relay_transit_get (&transit, HZ, 0, &units));
  g_assert_cmpuint (units, ==, 2 * HZ);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/transit/way", test_way);
  g_test_add_func ("/relay/transit/catches-up", test_catches_up);
  g_test_add_func ("/relay/transit/grows", test_grows);
  g_test_add_func ("/relay/transit/reset", test_reset);
  return g_test_run ();
}
