/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressSnapshot: from the home worker's history to a picture:
 * take_async (main) -> grab (home worker) -> grabbed (main) -> decode (a
 * GTask thread) -> decoded (main), which serves all who asked meanwhile.
 */
#include "egress/snapshot.h"

#include "base/clock.h"
#include "egress/log.h"
#include "egress/snapshot-decode.h"
#include "relay/feed.h"

#define MAX_JOBS 2
#define MAX_WAITERS 64 /* per stream */
#define MAX_PICTURES 256
#define FRESH_US (5 * BASE_US_PER_S)
/* shown instead of a new one that cannot be had now */
#define STALE_US (60 * BASE_US_PER_S)
#define MAX_FRAME_PACKETS 4096
#define MAX_FRAME_BYTES (4 * 1024 * 1024)
#define MAX_PIXELS (8192 * 4320) /* what a decoder may be made to allocate */

G_DEFINE_QUARK (egress - snapshot - error - quark, egress_snapshot_error)

typedef struct
{
  GBytes *jpeg; /* owned */
  gint64 taken_us;
} Picture;

struct _EgressSnapshot
{
  GHashTable *pictures;  /* owned: stream's name -> Picture */
  GPtrArray *jobs;       /* of Job, which free themselves */
  BaseCounter *failures; /* borrowed, nullable */
};

typedef struct
{
  EgressSnapshot *owner; /* borrowed; NULL once it is gone (main only) */
  RelayStream *stream;   /* owned reference */
  RtcCodec codec;
  gboolean is_first;   /* no picture of it is held, not even an old one */
  GPtrArray *waiters;  /* owned: of GTask */
  GPtrArray *payloads; /* owned: of GBytes; written by the worker */
  GError *error;       /* owned, nullable */
} Job;

static void
picture_free (gpointer data)
{
  Picture *self = data;

  g_bytes_unref (self->jpeg);
  g_free (self);
}

static void
job_free (Job *self)
{
  relay_stream_unref (self->stream);
  g_ptr_array_unref (self->waiters);
  g_ptr_array_unref (self->payloads);
  g_clear_error (&self->error);
  g_free (self);
}

EgressSnapshot *
egress_snapshot_new (void)
{
  EgressSnapshot *self = g_new0 (EgressSnapshot, 1);

  self->pictures =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, picture_free);
  self->jobs = g_ptr_array_new ();
  return self;
}

void
egress_snapshot_count_failures (EgressSnapshot *self, BaseCounter *counter)
{
  self->failures = counter;
}

/* answer_waiters: @error: used when @jpeg is NULL */
static void
answer_waiters (Job *job, GBytes *jpeg, const GError *error)
{
  for (guint i = 0; i < job->waiters->len; i++)
    {
      GTask *task = job->waiters->pdata[i];

      if (jpeg)
        g_task_return_pointer (task, g_bytes_ref (jpeg),
                               (GDestroyNotify)g_bytes_unref);
      else
        g_task_return_error (task, g_error_copy (error));
    }
  g_ptr_array_set_size (job->waiters, 0);
}

void
egress_snapshot_free (EgressSnapshot *self)
{
  g_autoptr (GError) error =
      g_error_new_literal (EGRESS_SNAPSHOT_ERROR, EGRESS_SNAPSHOT_ERROR_BUSY,
                           "This server is stopping");

  if (!self)
    return;
  for (guint i = 0; i < self->jobs->len; i++)
    {
      Job *job = self->jobs->pdata[i];

      job->owner = NULL;
      answer_waiters (job, NULL, error);
    }
  g_ptr_array_unref (self->jobs);
  g_hash_table_unref (self->pictures);
  g_free (self);
}

/* lookup: (nullable) (transfer none) */
static GBytes *
lookup (EgressSnapshot *self, RelayStream *stream, gint64 max_age_us)
{
  Picture *picture =
      g_hash_table_lookup (self->pictures, relay_stream_get_name (stream));

  if (!picture || base_clock_now_us () - picture->taken_us > max_age_us)
    return NULL;
  return picture->jpeg;
}

static gboolean
is_stale (gpointer name, gpointer data, gpointer now_us)
{
  return *(gint64 *)now_us - ((Picture *)data)->taken_us > STALE_US;
}

static void
store (EgressSnapshot *self, RelayStream *stream, GBytes *jpeg)
{
  gint64 now_us = base_clock_now_us ();
  Picture *picture;

  g_hash_table_foreach_remove (self->pictures, is_stale, &now_us);
  if (g_hash_table_size (self->pictures) >= MAX_PICTURES)
    return; /* those who asked get theirs, it is only not kept */
  picture = g_new0 (Picture, 1);
  picture->jpeg = g_bytes_ref (jpeg);
  picture->taken_us = now_us;
  g_hash_table_insert (self->pictures,
                       g_strdup (relay_stream_get_name (stream)), picture);
}

static void
job_finish (Job *job, GBytes *jpeg, const GError *error)
{
  if (job->owner)
    {
      g_ptr_array_remove_fast (job->owner->jobs, job);
      if (jpeg)
        store (job->owner, job->stream, jpeg);
      else
        {
          GST_DEBUG ("stream=%s no snapshot: %s",
                     relay_stream_get_name (job->stream), error->message);
          jpeg = lookup (job->owner, job->stream, STALE_US);
        }
    }
  answer_waiters (job, jpeg, error);
  job_free (job);
}

/* --- home worker ------------------------------------------------------- */

/* first_seq: of the frame that @packet belongs to, wherever reordering put its
 * other packets in the log */
static guint64
first_seq (RelayFeed *feed, const RelayPacket *packet)
{
  guint64 seq = packet->ext_seq;
  guint32 rtp_ts = packet->rtp_ts;

  for (guint i = 0; i < MAX_FRAME_PACKETS && seq > 0; i++)
    {
      const RelayPacket *previous =
          relay_feed_find (feed, RTC_MEDIA_VIDEO, seq - 1);

      if (!previous || previous->rtp_ts != rtp_ts)
        break;
      seq--;
    }
  return seq;
}

/* find_keyframe: (nullable): some packet of the newest keyframe */
static const RelayPacket *
find_keyframe (RelayFeed *feed)
{
  guint64 pos = relay_feed_get_gop_start (feed);

  if (pos == RELAY_POS_NONE)
    return NULL;
  /* the first packet of a GOP is the keyframe's own */
  return relay_feed_at (feed, pos);
}

/* copy_frame: FALSE when the frame is not whole (yet) */
static gboolean
copy_frame (RelayFeed *feed, const RelayPacket *packet, GPtrArray *payloads)
{
  guint64 seq = first_seq (feed, packet);
  guint32 rtp_ts = packet->rtp_ts;
  gsize n_bytes = 0;

  for (;; seq++)
    {
      packet = relay_feed_find (feed, RTC_MEDIA_VIDEO, seq);
      if (!packet || payloads->len >= MAX_FRAME_PACKETS
          || n_bytes > MAX_FRAME_BYTES)
        return FALSE;
      if (packet->payload_len == 0)
        continue; /* padding */
      if (packet->rtp_ts != rtp_ts)
        return TRUE;
      n_bytes += packet->payload_len;
      g_ptr_array_add (payloads,
                       g_bytes_new (packet->payload, packet->payload_len));
      if (packet->flags & RELAY_PACKET_MARKER)
        return TRUE;
    }
}

static void
grab (Job *job)
{
  RelayFeed *feed =
      relay_stream_get_feed (job->stream, relay_stream_get_home (job->stream));
  const RelayPacket *packet = find_keyframe (feed);
  const guint8 *params;
  guint len;

  if (packet && packet->kind == RTC_MEDIA_VIDEO)
    {
      params = job->codec == RTC_CODEC_H264 ? relay_feed_get_params (feed, &len)
                                            : NULL;
      if (params)
        g_ptr_array_add (job->payloads, g_bytes_new (params, len));
      if (copy_frame (feed, packet, job->payloads))
        return;
    }
  /* a browser sends no keyframe unasked for minutes; but pages that look must
   * not make it send one again and again */
  if (!packet && job->is_first)
    relay_feed_request_keyframe (feed);
  g_set_error_literal (&job->error, EGRESS_SNAPSHOT_ERROR,
                       EGRESS_SNAPSHOT_ERROR_NO_KEYFRAME,
                       "No whole keyframe is held; try again in a second");
}

/* --- back on main ------------------------------------------------------ */

static void
decode (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  GError *error = NULL;
  GBytes *jpeg = egress_snapshot_decode (job->codec, job->payloads, &error);

  if (jpeg)
    g_task_return_pointer (task, jpeg, (GDestroyNotify)g_bytes_unref);
  else
    g_task_return_error (task, error);
}

static void
on_decoded (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) jpeg = g_task_propagate_pointer (G_TASK (result), &error);
  Job *job = data;

  if (error && job->owner)
    base_counter_add (job->owner->failures, 1);
  job_finish (job, jpeg, error);
}

static gboolean
on_grabbed (gpointer data)
{
  Job *job = data;
  g_autoptr (GTask) task = NULL;

  if (job->error || !job->owner)
    {
      job_finish (job, NULL, job->error);
      return G_SOURCE_REMOVE;
    }
  task = g_task_new (NULL, NULL, on_decoded, job);
  g_task_set_task_data (task, job, NULL);
  g_task_run_in_thread (task, decode);
  return G_SOURCE_REMOVE;
}

/* to_main: not g_main_context_invoke(), which may run it right here */
static void
to_main (Job *job)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_grabbed, job, NULL);
  g_source_attach (source, NULL);
  g_source_unref (source);
}

static void
on_home (gpointer data)
{
  grab (data);
  to_main (data);
}

static void
on_home_gone (gpointer data)
{
  Job *job = data;

  g_set_error_literal (&job->error, EGRESS_SNAPSHOT_ERROR,
                       EGRESS_SNAPSHOT_ERROR_BUSY, "The stream's worker ended");
  to_main (job);
}

/* --- asking -------------------------------------------------------------- */

static Job *
find_job (EgressSnapshot *self, RelayStream *stream)
{
  for (guint i = 0; i < self->jobs->len; i++)
    if (((Job *)self->jobs->pdata[i])->stream == stream)
      return self->jobs->pdata[i];
  return NULL;
}

static Job *
start_job (EgressSnapshot *self, RelayStream *stream, RtcCodec codec)
{
  Job *job = g_new0 (Job, 1);

  job->owner = self;
  job->stream = relay_stream_ref (stream);
  job->codec = codec;
  job->is_first = lookup (self, stream, STALE_US) == NULL;
  job->waiters = g_ptr_array_new_with_free_func (g_object_unref);
  job->payloads =
      g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  g_ptr_array_add (self->jobs, job);
  rtc_worker_post (relay_stream_get_home (stream), on_home, job, on_home_gone);
  return job;
}

/* check_video: FALSE with @error when there is nothing to show */
static gboolean
check_video (RelayStream *stream, RtcCodec *ret_codec, GError **error)
{
  RelayStreamInfo info;
  guint width_px, height_px;

  if (!relay_stream_get_info (stream, &info)
      || !info.tracks[RTC_MEDIA_VIDEO].is_present)
    {
      g_set_error_literal (error, EGRESS_SNAPSHOT_ERROR,
                           EGRESS_SNAPSHOT_ERROR_NO_VIDEO,
                           "The stream has no video");
      return FALSE;
    }
  relay_stream_get_size (stream, &width_px, &height_px);
  if ((guint64)width_px * height_px > MAX_PIXELS)
    {
      g_set_error (error, EGRESS_SNAPSHOT_ERROR, EGRESS_SNAPSHOT_ERROR_DECODER,
                   "The picture is too large: %ux%u", width_px, height_px);
      return FALSE;
    }
  *ret_codec = info.tracks[RTC_MEDIA_VIDEO].codec;
  return TRUE;
}

void
egress_snapshot_take_async (EgressSnapshot *self, RelayStream *stream,
                            GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, data);
  GBytes *kept = lookup (self, stream, FRESH_US);
  Job *job = find_job (self, stream);
  GError *error = NULL;
  RtcCodec codec;

  if (!kept && !check_video (stream, &codec, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (!kept && !job)
    {
      if (self->jobs->len < MAX_JOBS)
        job = start_job (self, stream, codec);
      else
        kept = lookup (self, stream, STALE_US);
    }
  if (kept)
    g_task_return_pointer (task, g_bytes_ref (kept),
                           (GDestroyNotify)g_bytes_unref);
  else if (job && job->waiters->len < MAX_WAITERS)
    g_ptr_array_add (job->waiters, g_steal_pointer (&task));
  else
    g_task_return_new_error (task, EGRESS_SNAPSHOT_ERROR,
                             EGRESS_SNAPSHOT_ERROR_BUSY,
                             "Too many pictures are being made; try again");
}

GBytes *
egress_snapshot_take_finish (EgressSnapshot *self, GAsyncResult *result,
                             GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
