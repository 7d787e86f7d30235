/* SPDX-License-Identifier: Apache-2.0 */
/* RelayStream: see stream.h. */
#include "relay/stream-private.h"

#include "base/clock.h"
#include "relay/log.h"

#define KEYFRAME_INTERVAL_US BASE_US_PER_S

RelayStream *
relay_stream_new (RelayHub *hub, BaseMailbox *main_mail, const char *name,
                  RtcWorker *home, guint n_workers)
{
  RelayStream *self = g_new0 (RelayStream, 1);

  g_atomic_ref_count_init (&self->ref);
  self->name = g_strdup (name);
  self->hub = hub;
  self->main_mail = main_mail;
  self->home = home;
  self->n_workers = n_workers;
  self->created_wall_us = base_clock_wall_us ();
  self->subscribers = g_new0 (RelaySubscriber, n_workers);
  self->feeds = g_new0 (RelayFeed *, n_workers);
  return self;
}

RelayStream *
relay_stream_ref (RelayStream *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

static void
feed_free (RelayFeed *feed)
{
  relay_history_free (feed->history);
  g_ptr_array_unref (feed->receivers);
  g_ptr_array_unref (feed->paced);
  g_clear_pointer (&feed->params, g_bytes_unref);
  g_free (feed);
}

/* Receivers, publications and mail each hold a reference, so the last one
 * gone means that no thread looks at the feeds any more. */
void
relay_stream_unref (RelayStream *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  for (guint i = 0; i < self->n_workers; i++)
    if (self->feeds[i] != NULL)
      feed_free (self->feeds[i]);
  relay_stream_clear_trees (self);
  g_clear_pointer (&self->chunk, relay_chunk_unref);
  g_clear_pointer (&self->sps, g_byte_array_unref);
  g_clear_pointer (&self->pps, g_byte_array_unref);
  g_free (self->feeds);
  g_free (self->subscribers);
  g_free (self->name);
  g_free (self);
}

const char *
relay_stream_get_name (RelayStream *self)
{
  return self->name;
}

RtcWorker *
relay_stream_get_home (RelayStream *self)
{
  return self->home;
}

gboolean
relay_stream_get_info (RelayStream *self, RelayStreamInfo *ret)
{
  if (self->has_info)
    *ret = self->info;
  return self->has_info;
}

gboolean
relay_stream_is_live (RelayStream *self)
{
  return self->is_live;
}

gint64
relay_stream_get_live_since_us (RelayStream *self)
{
  return self->live_since_us;
}

guint32
relay_stream_get_h264_profile (RelayStream *self)
{
  return __atomic_load_n (&self->h264_profile, __ATOMIC_RELAXED);
}

void
relay_stream_get_size (RelayStream *self, guint *ret_width_px,
                       guint *ret_height_px)
{
  *ret_width_px = __atomic_load_n (&self->width_px, __ATOMIC_RELAXED);
  *ret_height_px = __atomic_load_n (&self->height_px, __ATOMIC_RELAXED);
}

gboolean
relay_stream_is_origin (RelayStream *self)
{
  return self->is_origin;
}

gboolean
relay_stream_get_publication_id (RelayStream *self, guint8 ret[RELAY_ID_BYTES])
{
  if (self->has_id)
    memcpy (ret, self->id, sizeof self->id);
  return self->has_id;
}

void
relay_stream_hold (RelayStream *self)
{
  g_atomic_int_inc (&self->n_publications_open);
  g_atomic_int_inc (&self->n_receivers);
}

void
relay_stream_unhold (RelayStream *self)
{
  g_atomic_int_add (&self->n_publications_open, -1);
  g_atomic_int_add (&self->n_receivers, -1);
}

guint
relay_stream_get_n_receivers (RelayStream *self)
{
  return (guint)g_atomic_int_get (&self->n_receivers);
}

void
relay_stream_set_taken (RelayStream *self, gboolean is_taken)
{
  g_atomic_int_set (&self->is_taken, is_taken);
}

gboolean
relay_stream_is_taken (RelayStream *self)
{
  return g_atomic_int_get (&self->is_taken);
}

void
relay_stream_get_stats (RelayStream *self, RelayStreamStats *ret)
{
  const guint64 *from = (const guint64 *)&self->stats;
  guint64 *to = (guint64 *)ret;

  G_STATIC_ASSERT (sizeof *ret % sizeof *to == 0);
  for (gsize i = 0; i < sizeof *ret / sizeof *to; i++)
    to[i] = __atomic_load_n (&from[i], __ATOMIC_RELAXED);
}

gint64
relay_stream_get_created_wall_us (RelayStream *self)
{
  return self->created_wall_us;
}

void
relay_stream_add_sent (RelayStream *self, guint8 serial, RtcMediaKind kind,
                       const RelaySent *sent)
{
  RelaySent *slot = &self->sent[serial % RELAY_STREAM_SENT_SLOTS][kind];

  __atomic_fetch_add (&slot->n_packets, sent->n_packets, __ATOMIC_RELAXED);
  __atomic_fetch_add (&slot->n_bytes, sent->n_bytes, __ATOMIC_RELAXED);
}

void
relay_stream_get_sent (RelayStream *self, guint slot,
                       RelaySent ret[RTC_MEDIA_N_KINDS])
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      const RelaySent *sent = &self->sent[slot][k];

      ret[k].n_packets = __atomic_load_n (&sent->n_packets, __ATOMIC_RELAXED);
      ret[k].n_bytes = __atomic_load_n (&sent->n_bytes, __ATOMIC_RELAXED);
    }
}

guint
relay_stream_get_publication_slot (RelayStream *self)
{
  return self->id_serial % RELAY_STREAM_SENT_SLOTS;
}

void
relay_stream_want_keyframe (RelayStream *self, gint64 now_us)
{
  self->is_keyframe_wanted = TRUE;
  if (self->current == NULL
      || (self->last_request_us != 0
          && now_us - self->last_request_us < KEYFRAME_INTERVAL_US))
    return;
  self->last_request_us = now_us;
  RELAY_STAT_ADD (self, n_keyframe_requests, 1);
  self->current->callbacks.on_keyframe_wanted (self->current->data);
}

typedef struct
{
  RelayStream *stream; /* one reference */
  RelayHubEvent event;
  gboolean has_info; /* the rest is set: of a publication that began */
  RelayStreamInfo info;
  gboolean is_link;
  guint8 id[RELAY_ID_BYTES], serial;
} EventMail;

static void
event_mail_free (gpointer data)
{
  EventMail *mail = data;

  relay_stream_unref (mail->stream);
  g_free (mail);
}

static void
event_arrive (gpointer data)
{
  EventMail *mail = data;

  if (mail->has_info)
    {
      mail->stream->is_origin = !mail->is_link;
      mail->stream->has_id = TRUE;
      memcpy (mail->stream->id, mail->id, sizeof mail->id);
      mail->stream->id_serial = mail->serial;
    }
  relay_hub_on_stream_event (mail->stream->hub, mail->stream, mail->event,
                             mail->has_info ? &mail->info : NULL);
  event_mail_free (mail);
}

void
relay_stream_post_event (RelayStream *self, RelayHubEvent event,
                         RelayPublication *publication)
{
  EventMail *mail = g_new0 (EventMail, 1);

  mail->stream = relay_stream_ref (self);
  mail->event = event;
  if (publication != NULL)
    {
      mail->has_info = TRUE;
      mail->info = publication->info;
      mail->is_link = publication->is_link;
      memcpy (mail->id, publication->id, sizeof mail->id);
      mail->serial = publication->serial;
    }
  base_mailbox_post (self->main_mail, event_arrive, mail, event_mail_free);
}
