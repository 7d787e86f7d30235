/* SPDX-License-Identifier: Apache-2.0 */
/* node/sessions: see the header. */
#include "node/sessions.h"

#include <string.h>

#include "base/clock.h"

#define PACKETS "media_tree_rtp_packets_sent_total"
#define BYTES "media_tree_rtp_sent_bytes_total"
#define INFO "media_tree_session_info"
#define ID_CHARS 32

/* One publication: it lives while it is shown or somebody counts for it. */
typedef struct
{
  char id[ID_CHARS + 1];
  char *stream;                    /* owned */
  char *labels[RTC_MEDIA_N_KINDS]; /* owned, NULL while it is not shown */
  guint n_slots;                   /* that count for it */
  gboolean is_shown, is_over;
  gint64 over_us, shown_wall_us;
  RelaySent shown[RTC_MEDIA_N_KINDS]; /* since it is shown */
} Session;

/* A stream whose slots are followed until nobody is fed from it any more. */
typedef struct
{
  RelayStream *stream; /* one reference */
  gboolean is_removed;
  Session *now;                            /* borrowed (nullable): it is live */
  Session *slots[RELAY_STREAM_SENT_SLOTS]; /* borrowed, nullable; counted in
                                              n_slots */
  RelaySent seen[RELAY_STREAM_SENT_SLOTS][RTC_MEDIA_N_KINDS];
} Followed;

struct _NodeSessions
{
  RelayHub *hub;        /* borrowed */
  GHashTable *sessions; /* owned: id -> Session */
  GHashTable *followed; /* owned: RelayStream -> Followed */
  GQueue shown;         /* of Session, borrowed: the oldest first */
  GQueue waiting;       /* likewise: live ones without a place */
  guint max_shown;
  RelaySent other[RTC_MEDIA_N_KINDS];
  RelaySent sum; /* of all, ever */
};

static const char *const kind_names[RTC_MEDIA_N_KINDS] = {
  [RTC_MEDIA_AUDIO] = "audio",
  [RTC_MEDIA_VIDEO] = "video",
};

static void
session_free (gpointer data)
{
  Session *session = data;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_free (session->labels[k]);
  g_free (session->stream);
  g_free (session);
}

static void
followed_free (gpointer data)
{
  Followed *followed = data;

  relay_stream_unref (followed->stream);
  g_free (followed);
}

static void
add (RelaySent *to, const RelaySent *sent)
{
  to->n_packets += sent->n_packets;
  to->n_bytes += sent->n_bytes;
}

/* --- Places ---------------------------------------------------------------
 */

static void
drop_if_done (NodeSessions *self, Session *session)
{
  if (session->n_slots > 0 || session->is_shown)
    return;
  g_queue_remove (&self->waiting, session);
  g_hash_table_remove (self->sessions, session->id);
}

static void
hide (NodeSessions *self, Session *session)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      add (&self->other[k], &session->shown[k]);
      g_clear_pointer (&session->labels[k], g_free);
    }
  session->is_shown = FALSE;
  g_queue_remove (&self->shown, session);
  drop_if_done (self, session);
}

/* find_over: (nullable): the one that ended first */
static Session *
find_over (NodeSessions *self)
{
  Session *found = NULL;

  for (GList *l = self->shown.head; l; l = l->next)
    {
      Session *session = l->data;

      if (session->is_over && (!found || session->over_us < found->over_us))
        found = session;
    }
  return found;
}

static void
show (NodeSessions *self, Session *session)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      session->labels[k] = g_strdup_printf (
          "stream_type=\"%s\",session_id=\"%s\"", kind_names[k], session->id);
      session->shown[k] = (RelaySent){ 0 };
    }
  session->is_shown = TRUE;
  session->shown_wall_us = base_clock_wall_us ();
  g_queue_push_tail (&self->shown, session);
}

/* fill_places: those who wait come in, in turn */
static void
fill_places (NodeSessions *self)
{
  while (self->waiting.length > 0)
    {
      Session *over;

      if (self->shown.length < self->max_shown)
        {
          show (self, g_queue_pop_head (&self->waiting));
          continue;
        }
      over = find_over (self);
      if (!over)
        return;
      hide (self, over);
    }
}

/* --- Counting -------------------------------------------------------------
 */

static void
take_slot (NodeSessions *self, Followed *followed, guint slot)
{
  Session *session = followed->slots[slot];
  RelaySent now[RTC_MEDIA_N_KINDS];

  relay_stream_get_sent (followed->stream, slot, now);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      RelaySent *seen = &followed->seen[slot][k];
      RelaySent more = { now[k].n_packets - seen->n_packets,
                         now[k].n_bytes - seen->n_bytes };

      add (session && session->is_shown ? &session->shown[k] : &self->other[k],
           &more);
      add (&self->sum, &more);
      *seen = now[k];
    }
}

static void
take_stream (NodeSessions *self, Followed *followed)
{
  for (guint i = 0; i < RELAY_STREAM_SENT_SLOTS; i++)
    if (followed->slots[i])
      take_slot (self, followed, i);
}

static void
take_all (NodeSessions *self)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->followed);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    take_stream (self, value);
}

/* --- Publications ---------------------------------------------------------
 */

static void
end_now (NodeSessions *self, Followed *followed)
{
  Session *session = g_steal_pointer (&followed->now);

  if (!session)
    return;
  session->is_over = TRUE;
  session->over_us = base_clock_now_us ();
  g_queue_remove (&self->waiting, session);
}

static void
leave_slot (NodeSessions *self, Followed *followed, guint slot)
{
  Session *session = g_steal_pointer (&followed->slots[slot]);

  if (!session)
    return;
  session->n_slots--;
  drop_if_done (self, session);
}

static Followed *
ensure_followed (NodeSessions *self, RelayStream *stream)
{
  Followed *followed = g_hash_table_lookup (self->followed, stream);

  if (!followed)
    {
      followed = g_new0 (Followed, 1);
      followed->stream = relay_stream_ref (stream);
      g_hash_table_insert (self->followed, stream, followed);
    }
  return followed;
}

static Session *
ensure_session (NodeSessions *self, RelayStream *stream)
{
  char id[ID_CHARS + 1];
  guint8 bytes[ID_CHARS / 2] = { 0 };
  Session *session;

  relay_stream_get_publication_id (stream, bytes);
  for (guint i = 0; i < sizeof bytes; i++)
    g_snprintf (id + 2 * i, 3, "%02x", bytes[i]);
  session = g_hash_table_lookup (self->sessions, id);
  if (!session)
    {
      session = g_new0 (Session, 1);
      memcpy (session->id, id, sizeof id);
      session->stream = g_strdup (relay_stream_get_name (stream));
      g_hash_table_insert (self->sessions, session->id, session);
    }
  return session;
}

static void
begin (NodeSessions *self, RelayStream *stream)
{
  Followed *followed = ensure_followed (self, stream);
  guint slot = relay_stream_get_publication_slot (stream);
  Session *session;

  take_stream (self, followed);
  end_now (self, followed);
  session = ensure_session (self, stream);
  session->n_slots++;
  session->is_over = FALSE;
  leave_slot (self, followed, slot);
  followed->slots[slot] = followed->now = session;
  followed->is_removed = FALSE;
  g_queue_remove (&self->waiting, session);
  if (!session->is_shown)
    g_queue_push_tail (&self->waiting, session);
  fill_places (self);
}

/* forget: nobody tells of it any more */
static void
forget (NodeSessions *self, Followed *followed)
{
  take_stream (self, followed);
  end_now (self, followed);
  for (guint i = 0; i < RELAY_STREAM_SENT_SLOTS; i++)
    leave_slot (self, followed, i);
}

static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  NodeSessions *self = data;
  Followed *followed = g_hash_table_lookup (self->followed, stream);

  if (event == RELAY_HUB_LIVE)
    begin (self, stream);
  else if (followed && event == RELAY_HUB_IDLE)
    end_now (self, followed);
  else if (followed && event == RELAY_HUB_REMOVED)
    {
      end_now (self, followed);
      followed->is_removed = TRUE;
    }
}

void
node_sessions_sample (NodeSessions *self, gint64 now_us)
{
  GHashTableIter iter;
  gpointer value;
  GList *next;

  g_hash_table_iter_init (&iter, self->followed);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Followed *followed = value;

      if (!followed->is_removed
          || relay_stream_get_n_receivers (followed->stream) > 0)
        continue;
      forget (self, followed);
      g_hash_table_iter_remove (&iter);
    }
  take_all (self);
  for (GList *l = self->shown.head; l; l = next)
    {
      Session *session = l->data;

      next = l->next;
      if (session->is_over
          && now_us - session->over_us >= NODE_SESSIONS_KEEP_US)
        hide (self, session);
    }
  fill_places (self);
}

/* --- Metrics --------------------------------------------------------------
 */

static void
put (BaseMetricsGroup *packets, BaseMetricsGroup *bytes, const char *labels,
     const RelaySent *sent)
{
  base_metrics_put (packets, labels, (double)sent->n_packets);
  base_metrics_put (bytes, labels, (double)sent->n_bytes);
}

static void
put_info (BaseMetricsWriter *writer, const Session *session)
{
  g_autofree char *stream = base_metrics_label ("stream", session->stream);
  g_autofree char *labels =
      g_strdup_printf ("session_id=\"%s\",%s", session->id, stream);

  base_metrics_write (
      writer, INFO, "gauge",
      "Always 1; the stream of a publication that has a session_id.", labels,
      1);
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  NodeSessions *self = data;
  BaseMetricsGroup *packets = base_metrics_open (
      writer, PACKETS, "counter", "RTP packets sent to viewers.");
  BaseMetricsGroup *bytes = base_metrics_open (
      writer, BYTES, "counter", "RTP payload bytes sent to viewers.");

  take_all (self);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      g_autofree char *labels = g_strdup_printf (
          "stream_type=\"%s\",session_id=\"other\"", kind_names[k]);

      put (packets, bytes, labels, &self->other[k]);
    }
  for (GList *l = self->shown.head; l; l = l->next)
    {
      const Session *session = l->data;

      base_metrics_set_created (writer, session->shown_wall_us);
      for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
        put (packets, bytes, session->labels[k], &session->shown[k]);
      put_info (writer, session);
    }
}

NodeSessions *
node_sessions_new (RelayHub *hub, BaseMetrics *metrics, guint max_shown)
{
  NodeSessions *self = g_new0 (NodeSessions, 1);

  self->hub = hub;
  self->max_shown = max_shown;
  self->sessions =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, session_free);
  self->followed = g_hash_table_new_full (NULL, NULL, NULL, followed_free);
  relay_hub_add_listener (hub, on_hub_event, self);
  base_metrics_add_collector (metrics, collect, self);
  return self;
}

void
node_sessions_free (NodeSessions *self)
{
  if (!self)
    return;
  relay_hub_remove_listener (self->hub, on_hub_event, self);
  g_queue_clear (&self->shown);
  g_queue_clear (&self->waiting);
  g_hash_table_unref (self->followed);
  g_hash_table_unref (self->sessions);
  g_free (self);
}

void
node_sessions_get_sum (NodeSessions *self, RelaySent *ret)
{
  *ret = self->sum;
}
