/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BenchFollower: a viewer as our player is one: it goes where it is sent (307),
 * waits when it is refused (503, Retry-After), listens for its session's
 * `reconnect` events, and moves then: a second session at the new place, the
 * first one is kept until the new one's picture is as far. Who gets no media
 * for BENCH_CUT_US was cut off, and begins anew. Owner:  the crowd. Thread:
 * one: HTTP on its GMainContext, receive and tick called from there.
 */
#pragma once

#include <libsoup/soup.h>

#include "tests/bench/viewer.h"

#define BENCH_CUT_US (2 * G_USEC_PER_SEC)
/* WebRTC counts a freeze from 150 ms and a frame (30 a second) on */
#define BENCH_FREEZE_US 183000

typedef struct _BenchFollower BenchFollower;

typedef struct
{
  SoupSession *session; /* borrowed: many connections a host */
  const char *url;      /* borrowed: of the WHEP endpoint */
  int epoll_fd;         /* sockets come with the data for receive() */
  gpointer data;
  /* what happened, now; @at: borrowed, nullable: a node, "http://host:port" */
  void (*on_refused) (gpointer data);
  void (*on_seated) (const char *at, gint64 took_us, gpointer data);
  void (*on_moved) (const char *from, const char *at, gint64 took_us,
                    gpointer data);
  void (*on_cut) (const char *at, gpointer data);
  void (*on_failed) (const char *why, gpointer data); /* an answer of no use */
} BenchFollowerPlan;

typedef struct
{
  guint64 n_packets, n_lost;
  gint64 max_gap_us; /* between two packets, over moves too */
  guint64 n_freezes; /* gaps above BENCH_FREEZE_US */
} BenchFollowerCounts;

/* @plan: borrowed. Begins to join at once */
BenchFollower *bench_follower_new (const BenchFollowerPlan *plan);
/* says goodbye to the server, too */
void bench_follower_free (BenchFollower *self);

/* @connection: of an event of the epoll_fd */
void bench_follower_receive (gpointer connection, gint64 now_us);
/* twenty times a second or more */
void bench_follower_tick (BenchFollower *self, gint64 now_us);

gboolean bench_follower_is_watching (BenchFollower *self);
/* (nullable): which node it watches at */
const char *bench_follower_get_place (BenchFollower *self);
/* adds to @sum; the gap: the larger one */
void bench_follower_add_counts (BenchFollower *self, BenchFollowerCounts *sum);
/* the largest gap, and freezes, from now on */
void bench_follower_reset_gaps (BenchFollower *self);
/* of all followers: sessions whose end the servers have not answered yet */
guint bench_follower_count_goodbyes (void);
