/* SPDX-License-Identifier: Apache-2.0 */
/* RelayLinkDesk: one worker's outlets; see link-server-private.h. */
#include "base/clock.h"
#include "relay/link-server-private.h"

#define TICK_US (10 * BASE_US_PER_MS)

typedef struct
{
  RelayOutlet *outlet;
  RelayOutletStats counted; /* what the metrics have */
  guint n_children;
} Entry;

struct _RelayLinkDesk
{
  RelayLinkServer *server; /* borrowed */
  RtcWorker *worker;
  RelayLinkSender *sender; /* owned */
  GHashTable *entries;     /* RelayStream (its outlet's ref) -> Entry */
  GSource *tick;           /* owned, while there are entries */
  gint64 listed_us;
  gboolean is_leaving;
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  relay_outlet_free (entry->outlet);
  g_free (entry);
}

RelayLinkDesk *
relay_link_desk_new (RelayLinkServer *server, RtcWorker *worker, int fd,
                     int family)
{
  RelayLinkDesk *self = g_new0 (RelayLinkDesk, 1);

  self->server = server;
  self->worker = worker;
  self->sender = relay_link_sender_new (fd, family, server->keys);
  self->entries = g_hash_table_new_full (NULL, NULL, NULL, entry_free);
  return self;
}

static void
desk_stop_tick (RelayLinkDesk *self)
{
  if (self->tick == NULL)
    return;
  g_source_destroy (self->tick);
  g_clear_pointer (&self->tick, g_source_unref);
}

void
relay_link_desk_free (RelayLinkDesk *self)
{
  desk_stop_tick (self);
  g_hash_table_unref (self->entries);
  relay_link_sender_free (self->sender);
  g_free (self);
}

RelayLinkSender *
relay_link_desk_get_sender (RelayLinkDesk *self)
{
  return self->sender;
}

static void
entry_count (RelayLinkDesk *self, Entry *entry, guint n_children)
{
  const RelayLinkMetrics *m = &self->server->metrics;
  const RelayOutletStats *now = relay_outlet_get_stats (entry->outlet);
  const RelayOutletStats *old = &entry->counted;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    base_counter_add (m->packets,
                      (gint64)(now->n_packets[k] - old->n_packets[k]));
  base_counter_add (m->bytes, (gint64)(now->n_bytes - old->n_bytes));
  base_counter_add (m->repairs_sent, (gint64)(now->n_repairs - old->n_repairs));
  base_counter_add (m->repairs_missing,
                    (gint64)(now->n_repairs_missing - old->n_repairs_missing));
  base_counter_add (m->repairs_limited,
                    (gint64)(now->n_repairs_limited - old->n_repairs_limited));
  base_counter_add (m->refused_full,
                    (gint64)(now->n_refused_full - old->n_refused_full));
  base_counter_add (m->expired, (gint64)(now->n_expired - old->n_expired));
  if (now->n_unknown != old->n_unknown)
    relay_link_server_count_dropped (self->server, RELAY_LINK_DROP_UNKNOWN,
                                     (gint64)(now->n_unknown - old->n_unknown));
  base_counter_add (m->children, (gint64)n_children - entry->n_children);
  entry->n_children = n_children;
  entry->counted = *now;
}

static void
desk_list (RelayLinkDesk *self)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (RelayLinkChild));
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    relay_outlet_append_children (((Entry *)value)->outlet, list);
  relay_link_server_take_list (self->server,
                               rtc_worker_get_index (self->worker), list);
}

static gboolean
desk_on_tick (gpointer data)
{
  RelayLinkDesk *self = data;
  gint64 now_us = rtc_worker_get_turn_us (self->worker);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;
      guint n = relay_outlet_tick (entry->outlet, now_us);

      entry_count (self, entry, n);
      if (n == 0)
        g_hash_table_iter_remove (&iter);
    }
  if (g_hash_table_size (self->entries) == 0
      || now_us - self->listed_us >= BASE_US_PER_S)
    {
      self->listed_us = now_us;
      desk_list (self);
    }
  if (g_hash_table_size (self->entries) > 0)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&self->tick, g_source_unref);
  return G_SOURCE_REMOVE;
}

static void
send_leaving (RelayLinkDesk *self, const RtcPath *path, guint32 subscription)
{
  RelayLinkMessage message = { .type = RELAY_LINK_REFUSE,
                               .subscription = subscription };

  message.refuse.reason = RELAY_LINK_REASON_LEAVING;
  relay_link_sender_send (self->sender, path, &message);
  relay_link_sender_flush (self->sender);
}

void
relay_link_desk_on_message (RelayLinkDesk *self, RelayStream *stream,
                            const RtcPath *path,
                            const guint8 sender[RELAY_ID_BYTES],
                            const RelayLinkMessage *message)
{
  Entry *entry = g_hash_table_lookup (self->entries, stream);

  g_return_if_fail (rtc_worker_is_current (self->worker));
  if (self->is_leaving)
    {
      if (message->type == RELAY_LINK_SUBSCRIBE)
        send_leaving (self, path, message->subscription);
      return;
    }
  if (entry == NULL)
    {
      if (message->type != RELAY_LINK_SUBSCRIBE)
        {
          relay_link_server_count_dropped (self->server,
                                           RELAY_LINK_DROP_UNKNOWN, 1);
          return;
        }
      entry = g_new0 (Entry, 1);
      entry->outlet =
          relay_outlet_new (stream, self->sender, self->server->node_id,
                            self->server->max_children);
      g_hash_table_insert (self->entries, stream, entry);
      if (self->tick == NULL)
        self->tick =
            rtc_worker_add_timer (self->worker, TICK_US, desk_on_tick, self);
    }
  relay_outlet_on_message (entry->outlet, path, sender, message,
                           rtc_worker_get_turn_us (self->worker));
}

void
relay_link_desk_remove_stream (RelayLinkDesk *self, RelayStream *stream)
{
  Entry *entry = g_hash_table_lookup (self->entries, stream);

  if (entry == NULL)
    return;
  relay_outlet_leave (entry->outlet, RELAY_LINK_REASON_UNKNOWN);
  entry_count (self, entry, 0);
  g_hash_table_remove (self->entries, stream);
}

void
relay_link_desk_leave (RelayLinkDesk *self)
{
  GHashTableIter iter;
  gpointer value;

  self->is_leaving = TRUE;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    relay_outlet_leave (((Entry *)value)->outlet, RELAY_LINK_REASON_LEAVING);
}
