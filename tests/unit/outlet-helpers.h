/* SPDX-License-Identifier: Apache-2.0 */
/* One outlet, its stream and what its tests say to them; see link-child.h. */
#pragma once

#include "link-child.h"

#include "relay/outlet-private.h"
#include "relay/stream-private.h"

#define V RTC_MEDIA_VIDEO
#define A RTC_MEDIA_AUDIO
#define KEY RELAY_PACKET_KEYFRAME
#define FIRST 100
#define MAX_CHILDREN 3

typedef struct
{
  RelayWorld world;
  RelayStream *stream; /* one reference */
  RtcWorker *home;
  RtcAddr address;
  int fd;
  RelayLinkSender *sender;
  RelayOutlet *outlet;
  RelayPublication *publication;
  RelayLinkMedia *media; /* as another node has it */
  gint n_wanted;         /* atomic */
  gint64 now_us;
  gint64 gather_us; /* what the outlet is told, */
  gboolean is_held; /* and what it says */
} Fixture;

static inline void
on_keyframe_wanted (gpointer data)
{
  g_atomic_int_inc (&((Fixture *)data)->n_wanted);
}

static inline void
on_replaced (gpointer data)
{
}

/* --- what runs at home -----------------------------------------------------
 */

typedef struct
{
  Fixture *f;
  guint8 id; /* 0: a publisher's, without a tree */
  guint64 tree_seq;
  guint n;
  gboolean is_key, is_part; /* part: of a frame that is not at its end */
  LinkChild *child;
  const RelayLinkMessage *message;
  gint64 now_us;
  guint n_children;
} Job;

static inline void
run_begin (gpointer data)
{
  static const RelayPublicationCallbacks callbacks = { on_keyframe_wanted,
                                                       on_replaced };
  Job *job = data;
  Fixture *f = job->f;
  RelayStreamInfo info = { 0 };
  RelayTreeInfo tree = { .id = { job->id }, .epoch = job->id, .n_path = 1 };
  RelayPublication *old = f->publication;

  info.tracks[V] =
      (RelayTrackInfo){ .is_present = TRUE, .codec = RTC_CODEC_VP8 };
  f->publication =
      relay_stream_add_publication (f->stream, &info, &callbacks, f, NULL);
  if (job->id != 0)
    {
      strcpy (tree.path[0], "origin");
      tree.first[V] = job->tree_seq;
      g_clear_pointer (&f->media, relay_link_media_unref);
      tree.media = f->media =
          relay_link_media_new (f->world.keys, "s", tree.id);
      relay_publication_set_tree (f->publication, &tree);
    }
  relay_publication_begin (f->publication);
  if (old != NULL)
    {
      relay_publication_end (old);
      relay_publication_unref (old);
    }
}

static inline void
fill_payload (guint8 payload[40], guint64 tree_seq, gboolean is_key)
{
  memset (payload, (guint8)tree_seq, 40);
  payload[0] = 0x10;
  payload[1] = is_key ? 0 : 1;
}

static inline void
run_push (gpointer data)
{
  Job *job = data;
  guint8 payload[40];

  for (guint i = 0; i < job->n; i++)
    {
      gboolean is_key = job->is_key && i == 0;
      guint64 seq = job->tree_seq + i;

      fill_payload (payload, seq, is_key);
      if (job->id == 0)
        relay_publication_push (job->f->publication, V, (guint16)seq,
                                (guint32)seq * 3000, !job->is_part, NULL, 0,
                                payload, sizeof payload, FALSE, base_clock_now_us ());
      else
        g_assert_true (relay_publication_push_tree (
            job->f->publication, V, seq, (guint32)seq * 3000,
            RELAY_PACKET_MARKER | (is_key ? KEY : 0), NULL, 0, payload,
            sizeof payload, FALSE, base_clock_now_us ()));
    }
}

static inline void
run_message (gpointer data)
{
  Job *job = data;
  RtcPath path;

  memset (&path, 0, sizeof path);
  path.remote.in = job->child->own.in;
  relay_outlet_on_message (job->f->outlet, &path,
                           relay_link_keys_get_boot_id (job->child->keys),
                           job->message, job->now_us);
}

static inline void
run_tick (gpointer data)
{
  Job *job = data;

  job->n_children = relay_outlet_tick (job->f->outlet, job->now_us);
}

static inline void
run_leave (gpointer data)
{
  relay_outlet_leave (((Job *)data)->f->outlet, RELAY_LINK_REASON_LEAVING);
}

static inline void
run_new (gpointer data)
{
  Fixture *f = data;

  f->outlet = relay_outlet_new (f->stream, f->sender, "parent", MAX_CHILDREN);
}

static inline void
run_end (gpointer data)
{
  Fixture *f = data;

  if (f->publication != NULL)
    {
      relay_publication_end (f->publication);
      g_clear_pointer (&f->publication, relay_publication_unref);
    }
}

/* a second has passed since the publisher was last asked */
static inline void
run_forget (gpointer data)
{
  ((Fixture *)data)->stream->last_request_us = 0;
}

static inline void
run_gather (gpointer data)
{
  Fixture *f = data;

  f->outlet->gather_us = f->gather_us;
  f->is_held = f->outlet->held_us != 0;
}

static inline void
run_free (gpointer data)
{
  Fixture *f = data;

  relay_outlet_free (f->outlet);
  run_end (f);
}

/* --- what a test says ------------------------------------------------------
 */

static inline void
begin (Fixture *f, guint8 id, guint64 first)
{
  Job job = { .f = f, .id = id, .tree_seq = first };

  relay_call_on (f->home, run_begin, &job);
}

static inline void
push (Fixture *f, guint64 tree_seq, guint n, gboolean is_key)
{
  Job job = { .f = f, .id = 1, .tree_seq = tree_seq, .n = n, .is_key = is_key };

  relay_call_on (f->home, run_push, &job);
}

static inline void
say (Fixture *f, LinkChild *child, const RelayLinkMessage *message)
{
  Job job = { .f = f, .child = child, .message = message, .now_us = f->now_us };

  relay_call_on (f->home, run_message, &job);
}

static inline void
subscribe (Fixture *f, LinkChild *child, RelayLinkStart start)
{
  RelayLinkMessage message;

  link_child_make_subscribe (child, &message, start);
  say (f, child, &message);
}

static inline guint
tick (Fixture *f, gint64 now_us)
{
  Job job = { .f = f, .now_us = now_us };

  relay_call_on (f->home, run_tick, &job);
  return job.n_children;
}

/* subscribes and takes the answer */
static inline void
join (Fixture *f, LinkChild *child, RelayLinkStart start, LinkDatagram *ret)
{
  subscribe (f, child, start);
  link_child_expect (child, RELAY_LINK_STATUS, ret);
  g_assert_true (ret->message.status.is_reply);
}

/* the next media is what any node sends for that number */
static inline void
expect_packet (Fixture *f, LinkChild *child, guint64 tree_seq, gboolean is_key)
{
  guint8 payload[40], want[RELAY_LINK_MAX_PACKET_BYTES];
  RelayLinkPacket packet = { .kind = V,
                             .codec = RTC_CODEC_VP8,
                             .ext_seq = tree_seq,
                             .rtp_ts = (guint32)tree_seq * 3000,
                             .marker = TRUE,
                             .is_keyframe = is_key,
                             .payload = payload,
                             .payload_len = sizeof payload };
  LinkDatagram got;
  gsize len;

  fill_payload (payload, tree_seq, is_key);
  len = relay_link_media_seal (f->media, &packet, want);
  link_child_wait_media (child, &got);
  g_assert_cmpmem (got.data, got.len, want, len);
}

static inline void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  relay_world_init (&f->world, NULL);
  f->stream = relay_stream_ref (relay_hub_ensure (f->world.hub, "s", NULL));
  f->home = relay_stream_get_home (f->stream);
  f->fd = link_open_socket (&f->address);
  f->sender = relay_link_sender_new (f->fd, AF_INET, f->world.keys);
  f->now_us = base_clock_now_us ();
  relay_call_on (f->home, run_new, f);
}

static inline void
tear_down (Fixture *f, gconstpointer data)
{
  relay_call_on (f->home, run_free, f);
  g_assert_cmpuint (relay_stream_get_n_receivers (f->stream), ==, 0);
  relay_world_stop (&f->world);
  relay_stream_unref (f->stream);
  relay_link_sender_free (f->sender);
  g_clear_pointer (&f->media, relay_link_media_unref);
  relay_world_clear (&f->world);
  close (f->fd);
}

static inline void
child_init (Fixture *f, LinkChild *child, guint8 boot)
{
  link_child_init (child, ntohs (f->address.in.sin_port), boot, "s");
}
