/* SPDX-License-Identifier: Apache-2.0 */
/*
 * InletFixture: a RelayInlet with four scripted parents (link-parent.h), a
 * source that they all have, and a book of what the child's viewers would get.
 *   Time goes on in beats, on main: the parents and the source do what is due,
 * then it is BEAT_MS later, for the child as well. A beat is left out while the
 * child has MAX_BEHIND of them to see: so on a busy machine time is slow, and
 * nobody is silent who has only not been run.
 */
#pragma once

#include "base/clock.h"
#include "link-parent.h"
#include "relay/feed.h"
#include "rtc/dtls.h"
#include "rtc/worker-private.h"
#include "wait.h"

#define SECRET "a secret of the cluster"
#define STREAM "cam"
#define N_PARENTS 4
#define GOP 40 /* packets of video */
#define BEAT_MS 4
#define MAX_BEHIND 5 /* beats: well below 60 ms, when a parent is silent */

/* What the child's viewers and children would get. */
typedef struct
{
  RelayReceiver base;
  RelayStream *stream;                 /* one reference */
  GMutex lock;                         /* over the tables: home fills them */
  GHashTable *seen[RTC_MEDIA_N_KINDS]; /* payload's number -> ext_seq */
  GHashTable *ext_seqs[RTC_MEDIA_N_KINDS];
  gint n_packets; /* atomic */
  guint n_twice, n_swapped;
} Book;

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *worker;
  RelayHub *hub;
  RelayLinkKeys *keys;
  RelayStreamInfo info;
  LinkParent parents[N_PARENTS];
  RelayInlet *inlet;
  Book book;
  gint n_events[RELAY_HUB_REMOVED + 1], n_replaced;

  /* the source */
  guint64 next; /* number of the next packet, both kinds */
  guint64 first, n_left, key_at;
  guint n_sources; /* parents that have it: the first ones */

  /* time */
  gint64 now_us; /* main writes it, atomic */
  guint beat;
  gint n_behind; /* atomic: beats that the worker has not seen */
  gint64 max_gap_us;
} Fixture;

/* --- calls on the worker, waited for ------------------------------------- */

typedef struct
{
  BaseMailFunc func;
  gpointer data;
  gint done;
} Call;

static inline void
call_run (gpointer data)
{
  Call *call = data;

  call->func (call->data);
  g_atomic_int_set (&call->done, 1);
}

static inline void
call_on (RtcWorker *worker, BaseMailFunc func, gpointer data)
{
  Call call = { func, data, 0 };

  rtc_worker_post (worker, call_run, &call, NULL);
  WAIT_FOR (g_atomic_int_get (&call.done));
}

/* --- the book ------------------------------------------------------------ */

static inline void
book_on_packets (RelayReceiver *base, RelayFeed *feed, guint64 from, guint64 to)
{
  Book *self = (Book *)base;

  g_mutex_lock (&self->lock);
  for (guint64 pos = from; pos < to; pos++)
    {
      const RelayPacket *packet = relay_feed_at (feed, pos);
      guint64 number;

      g_assert_cmpuint (packet->payload_len, ==, 100);
      memcpy (&number, packet->payload + 8, sizeof number);
      if (!g_hash_table_insert (self->seen[packet->kind],
                                GSIZE_TO_POINTER (number),
                                GSIZE_TO_POINTER (packet->ext_seq))
          || !g_hash_table_add (self->ext_seqs[packet->kind],
                                GSIZE_TO_POINTER (packet->ext_seq)))
        self->n_twice++;
    }
  g_mutex_unlock (&self->lock);
  g_atomic_int_add (&self->n_packets, (int)(to - from));
}

static inline void
book_on_time (RelayReceiver *base, RelayFeed *feed, gint64 now_us)
{
}

static inline void
book_join (gpointer data)
{
  Book *self = data;

  g_assert_true (relay_feed_add_receiver (
      relay_stream_get_feed (self->stream,
                             relay_stream_get_home (self->stream)),
      &self->base));
}

static inline void
book_leave (gpointer data)
{
  Book *self = data;

  relay_feed_remove_receiver (
      relay_stream_get_feed (self->stream,
                             relay_stream_get_home (self->stream)),
      &self->base);
}

static inline void
book_init (Book *self, RelayStream *stream)
{
  self->base.on_packets = book_on_packets;
  self->base.on_tick = self->base.on_pace = book_on_time;
  self->stream = relay_stream_ref (stream);
  g_mutex_init (&self->lock);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->seen[k] = g_hash_table_new (NULL, NULL);
      self->ext_seqs[k] = g_hash_table_new (NULL, NULL);
    }
  call_on (relay_stream_get_home (stream), book_join, self);
}

static inline void
book_clear (Book *self)
{
  call_on (relay_stream_get_home (self->stream), book_leave, self);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      g_hash_table_unref (self->seen[k]);
      g_hash_table_unref (self->ext_seqs[k]);
    }
  g_mutex_clear (&self->lock);
  relay_stream_unref (self->stream);
}

/* How many of [from, to) are not there. */
static inline guint
book_count_missing (Book *self, guint64 from, guint64 to)
{
  guint n = 0;

  g_mutex_lock (&self->lock);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    for (guint64 number = from; number < to; number++)
      n += !g_hash_table_contains (self->seen[k], GSIZE_TO_POINTER (number));
  g_mutex_unlock (&self->lock);
  return n;
}

/* Video's: the viewers' number of the payload with that one; 0 = not there. */
static inline guint64
book_get_ext_seq (Book *self, guint64 number)
{
  gpointer ext_seq;

  g_mutex_lock (&self->lock);
  ext_seq = g_hash_table_lookup (self->seen[RTC_MEDIA_VIDEO],
                                 GSIZE_TO_POINTER (number));
  g_mutex_unlock (&self->lock);
  return (guint64)GPOINTER_TO_SIZE (ext_seq);
}

static inline guint
book_count_video (Book *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = g_hash_table_size (self->seen[RTC_MEDIA_VIDEO]);
  g_mutex_unlock (&self->lock);
  return n;
}

/* --- time ------------------------------------------------------------ */

static inline void
push_one (Fixture *f)
{
  guint64 number = f->next++;
  guint8 payload[100] = { 0x10, 0x01 };
  gboolean is_key = (number - f->first) % GOP == 0;

  if (is_key)
    {
      payload[1] = 0;
      f->key_at = number;
    }
  memcpy (payload + 8, &number, sizeof number);
  for (guint i = 0; i < f->n_sources; i++)
    for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
      {
        RelayLinkPacket packet = {
          .kind = k,
          .codec = f->info.tracks[k].codec,
          .ext_seq = number,
          .rtp_ts = (guint32)number * (k == RTC_MEDIA_AUDIO ? 192 : 360),
          .marker = TRUE,
          .is_keyframe = k == RTC_MEDIA_VIDEO && is_key,
          .payload = payload,
          .payload_len = sizeof payload,
        };

        link_parent_push (&f->parents[i], &packet);
      }
}

static inline void
beat_arrive (gpointer data)
{
  (void)g_atomic_int_dec_and_test (&((Fixture *)data)->n_behind);
}

static inline gboolean
on_beat (gpointer data)
{
  Fixture *f = data;

  if (g_atomic_int_get (&f->n_behind) >= MAX_BEHIND)
    return G_SOURCE_CONTINUE;
  for (guint i = 0; i < N_PARENTS; i++)
    link_parent_on_time (&f->parents[i]);
  if (f->n_left > 0)
    {
      push_one (f);
      f->n_left--;
    }
  /* what is sent before it is there when the child sees it */
  __atomic_store_n (&f->now_us, f->now_us + BEAT_MS * BASE_US_PER_MS,
                    __ATOMIC_RELEASE);
  g_atomic_int_inc (&f->n_behind);
  rtc_worker_post (f->worker, beat_arrive, f, NULL);
  return G_SOURCE_CONTINUE;
}

/* --- fixture ------------------------------------------------------------- */

static inline void
on_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
          gpointer data)
{
  ((Fixture *)data)->n_events[event]++;
}

static inline void
set_up (Fixture *f, gconstpointer data)
{
  static const guint8 boot[RELAY_ID_BYTES] = { 0xc0 };
  g_autoptr (GError) error = NULL;

  memset (f, 0, sizeof *f);
  f->certificate = rtc_certificate_new (&error);
  g_assert_no_error (error);
  f->worker = rtc_worker_new (0, 0, f->certificate, NULL, &error);
  g_assert_no_error (error);
  f->now_us = base_clock_now_us ();
  rtc_worker_set_clock (f->worker, &f->now_us);
  f->hub = relay_hub_new (&f->worker, 1, 0, NULL);
  relay_hub_add_listener (f->hub, on_event, f);
  f->keys = relay_link_keys_new (SECRET, boot);
  f->info.tracks[RTC_MEDIA_VIDEO] =
      (RelayTrackInfo){ .is_present = TRUE, .codec = RTC_CODEC_VP8 };
  f->info.tracks[RTC_MEDIA_AUDIO] = (RelayTrackInfo){ .is_present = TRUE,
                                                      .codec = RTC_CODEC_OPUS,
                                                      .channels = 2 };
  f->first = f->next = 3 * 65536 - 100; /* the wire's 16 bits wrap on the way */
  f->n_sources = N_PARENTS;
  for (guint i = 0; i < N_PARENTS; i++)
    {
      g_autofree char *name = g_strdup_printf ("parent-%u", i);

      link_parent_init (&f->parents[i], name, SECRET, &f->now_us);
      link_parent_publish (&f->parents[i], STREAM, 7, 1, &f->info, f->first);
    }
  f->beat = g_timeout_add (BEAT_MS, on_beat, f);
}

static inline void
on_replaced (RelayInlet *inlet, gpointer data)
{
  ((Fixture *)data)->n_replaced++;
}

static inline void
set_parents (Fixture *f, guint first, guint n, guint n_active)
{
  RelayLinkParent list[N_PARENTS] = { 0 };

  for (guint i = 0; i < n; i++)
    {
      g_strlcpy (list[i].node, f->parents[first + i].node, sizeof list[i].node);
      list[i].address = f->parents[first + i].address;
    }
  relay_inlet_set_parents (f->inlet, list, n, n_active);
}

static inline void
start (Fixture *f, gboolean repair, guint n, guint n_active)
{
  RelayInletConfig config = { .hub = f->hub,
                              .keys = f->keys,
                              .node_id = "child",
                              .repair = repair,
                              .on_replaced = on_replaced,
                              .data = f };
  guint8 id[RELAY_ID_BYTES];
  g_autoptr (GError) error = NULL;

  memset (id, 1, sizeof id);
  g_assert_true (rtc_addr_from_string ("127.0.0.1", 0, &config.address));
  f->inlet = relay_inlet_new (&config, STREAM, &f->info, 7, id, &error);
  g_assert_no_error (error);
  g_assert_true (relay_stream_is_live (relay_inlet_get_stream (f->inlet)));
  book_init (&f->book, relay_inlet_get_stream (f->inlet));
  set_parents (f, 0, n, n_active);
}

static inline void
tear_down (Fixture *f, gconstpointer data)
{
  if (f->inlet != NULL)
    relay_inlet_free (f->inlet);
  if (f->book.stream != NULL)
    book_clear (&f->book);
  g_assert_cmpuint (f->book.n_twice, ==, 0);
  g_source_remove (f->beat);
  rtc_worker_stop (f->worker);
  rtc_worker_free (f->worker);
  relay_hub_free (f->hub);
  relay_link_keys_free (f->keys);
  rtc_certificate_unref (f->certificate);
  for (guint i = 0; i < N_PARENTS; i++)
    link_parent_clear (&f->parents[i]);
  base_mailbox_clear_main ();
}

/* --- the stream ---------------------------------------------------------- */

/* That many of each kind, at a stream's pace. */
static inline void
stream_packets (Fixture *f, guint n)
{
  f->n_left = n;
  WAIT_FOR (f->n_left == 0);
}

static inline void
wait_for_media (Fixture *f)
{
  stream_packets (f, 1);
  while (g_atomic_int_get (&f->book.n_packets) == 0)
    stream_packets (f, 5);
}

/* All since the first that came are there. */
static inline void
wait_for_all_from (Fixture *f, guint64 from)
{
  WAIT_FOR (book_count_missing (&f->book, from, f->next) == 0);
}

static inline guint64
get_first_seen (Fixture *f)
{
  guint64 first = f->first;

  while (first < f->next && book_count_missing (&f->book, first, first + 1) > 0)
    first++;
  return first;
}

static inline void
get_stats (Fixture *f, RelayInletStats *ret)
{
  relay_inlet_get_stats (f->inlet, ret);
  f->max_gap_us = MAX (f->max_gap_us, ret->max_gap_us);
}

#define WAIT_FOR_STATS(f, stats, condition)                                    \
  do                                                                           \
    {                                                                          \
      wait_a_little ();                                                        \
      get_stats (f, stats);                                                    \
    }                                                                          \
  while (!(condition))
