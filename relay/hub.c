/* SPDX-License-Identifier: Apache-2.0 */
/* RelayHub: see hub.h. */
#include "relay/stream-private.h"

#include "base/clock.h"
#include "relay/log.h"

#define SWEEP_INTERVAL_MS 500

G_DEFINE_QUARK (relay - error - quark, relay_error)

typedef struct
{
  RelayHubFunc func;
  gpointer data;
} Listener;

struct _RelayHub
{
  GPtrArray *workers; /* of RtcWorker, borrowed */
  gint64 linger_us;
  GHashTable *streams; /* name -> RelayStream (one reference); owned */
  GArray *listeners;   /* of Listener */
  BaseMailbox *mail;   /* owned */
  guint sweep_id;
  guint next_home;
  BaseCounter *refused;
  BaseCounter *lost[2][RTC_MEDIA_N_KINDS]; /* of publishers, of parents */
};

static gboolean hub_sweep (gpointer data);

static void
register_lost (RelayHub *self, BaseMetrics *metrics)
{
  static const char *const from[] = { "publisher", "parent" };
  static const char *const kinds[] = { "audio", "video" };

  for (guint i = 0; i < G_N_ELEMENTS (from); i++)
    for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
      {
        g_autofree char *labels = g_strdup_printf (
            "stream_type=\"%s\",from=\"%s\"", kinds[k], from[i]);

        self->lost[i][k] = base_metrics_add_counter (
            metrics, RELAY_PACKETS_LOST, labels, RELAY_PACKETS_LOST_HELP);
      }
}

void
relay_hub_count_lost (RelayHub *self, gboolean is_link, RtcMediaKind kind,
                      guint n_packets)
{
  base_counter_add (self->lost[is_link ? 1 : 0][kind], n_packets);
}

RelayHub *
relay_hub_new (RtcWorker *const *workers, guint n_workers, gint64 linger_us,
               BaseMetrics *metrics)
{
  RelayHub *self = g_new0 (RelayHub, 1);

  self->workers = g_ptr_array_new ();
  for (guint i = 0; i < n_workers; i++)
    g_ptr_array_add (self->workers, workers[i]);
  self->linger_us = linger_us;
  self->streams = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                         (GDestroyNotify)relay_stream_unref);
  self->listeners = g_array_new (FALSE, FALSE, sizeof (Listener));
  self->mail = base_mailbox_new (NULL);
  self->sweep_id = g_timeout_add (SWEEP_INTERVAL_MS, hub_sweep, self);
  if (metrics != NULL)
    {
      self->refused = base_metrics_add_counter (
          metrics, "media_tree_streams_refused_total", NULL,
          "Streams refused because the node holds its maximum");
      register_lost (self, metrics);
    }
  return self;
}

void
relay_hub_free (RelayHub *self)
{
  g_source_remove (self->sweep_id);
  base_mailbox_free (self->mail);
  g_hash_table_unref (self->streams);
  g_array_unref (self->listeners);
  g_ptr_array_unref (self->workers);
  g_free (self);
}

void
relay_hub_add_listener (RelayHub *self, RelayHubFunc func, gpointer data)
{
  Listener listener = { func, data };

  g_array_append_val (self->listeners, listener);
}

void
relay_hub_remove_listener (RelayHub *self, RelayHubFunc func, gpointer data)
{
  for (guint i = 0; i < self->listeners->len; i++)
    {
      Listener *listener = &g_array_index (self->listeners, Listener, i);

      if (listener->func != func || listener->data != data)
        continue;
      g_array_remove_index (self->listeners, i);
      return;
    }
}

static void
hub_emit (RelayHub *self, RelayStream *stream, RelayHubEvent event)
{
  for (guint i = 0; i < self->listeners->len; i++)
    {
      Listener *listener = &g_array_index (self->listeners, Listener, i);

      listener->func (self, stream, event, listener->data);
    }
}

void
relay_hub_on_stream_event (RelayHub *self, RelayStream *stream,
                           RelayHubEvent event, const RelayStreamInfo *info)
{
  gint64 now_us = base_clock_now_us ();

  switch (event)
    {
    case RELAY_HUB_LIVE:
      if (!stream->is_live)
        stream->live_since_us = now_us;
      stream->is_live = stream->was_ever_live = TRUE;
      GST_INFO ("stream=%s is live", stream->name);
      break;
    case RELAY_HUB_IDLE:
      stream->is_live = FALSE;
      stream->idle_since_us = now_us;
      GST_INFO ("stream=%s has no publisher", stream->name);
      break;
    case RELAY_HUB_CHANGED:
      GST_INFO ("stream=%s changed codecs", stream->name);
      break;
    case RELAY_HUB_REMOVED:
      break;
    }
  if (info != NULL)
    {
      stream->info = *info;
      stream->has_info = TRUE;
    }
  hub_emit (self, stream, event);
}

/* Drops streams that nobody publishes: after the linger, or at once when they
 * never went live. */
static gboolean
hub_sweep (gpointer data)
{
  RelayHub *self = data;
  gint64 now_us = base_clock_now_us ();
  g_autoptr (GPtrArray) gone =
      g_ptr_array_new_with_free_func ((GDestroyNotify)relay_stream_unref);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      RelayStream *stream = value;

      if (stream->is_live || g_atomic_int_get (&stream->n_publications_open) > 0
          || (stream->was_ever_live
              && now_us - stream->idle_since_us < self->linger_us))
        continue;
      g_ptr_array_add (gone, relay_stream_ref (stream));
      g_hash_table_iter_remove (&iter);
    }
  for (guint i = 0; i < gone->len; i++)
    {
      RelayStream *stream = gone->pdata[i];

      if (!stream->was_ever_live)
        continue;
      GST_INFO ("stream=%s removed", stream->name);
      hub_emit (self, stream, RELAY_HUB_REMOVED);
    }
  return G_SOURCE_CONTINUE;
}

RelayStream *
relay_hub_lookup (RelayHub *self, const char *name)
{
  return g_hash_table_lookup (self->streams, name);
}

RelayStream *
relay_hub_ensure (RelayHub *self, const char *name, GError **error)
{
  RelayStream *stream = relay_hub_lookup (self, name);
  RtcWorker *home;

  if (stream != NULL)
    return stream;
  if (g_hash_table_size (self->streams) >= RELAY_HUB_MAX_STREAMS)
    {
      base_counter_add (self->refused, 1);
      g_set_error (error, RELAY_ERROR, RELAY_ERROR_STREAM_LIMIT,
                   "this node holds its maximum of %d streams",
                   RELAY_HUB_MAX_STREAMS);
      return NULL;
    }
  home = self->workers->pdata[self->next_home++ % self->workers->len];
  stream = relay_stream_new (self, self->mail, name, home, self->workers->len);
  g_hash_table_insert (self->streams, stream->name, stream);
  return stream;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  const RelayStream *const *sa = a, *const *sb = b;

  return g_strcmp0 ((*sa)->name, (*sb)->name);
}

GPtrArray *
relay_hub_list (RelayHub *self)
{
  GPtrArray *list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((RelayStream *)value)->was_ever_live)
      g_ptr_array_add (list, value);
  g_ptr_array_sort (list, compare_names);
  return list;
}

RtcWorker *
relay_hub_pick_worker (RelayHub *self)
{
  RtcWorker *best = self->workers->pdata[0];

  for (guint i = 1; i < self->workers->len; i++)
    if (rtc_worker_get_n_transports (self->workers->pdata[i])
        < rtc_worker_get_n_transports (best))
      best = self->workers->pdata[i];
  return best;
}
