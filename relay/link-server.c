/* SPDX-License-Identifier: Apache-2.0 */
/* RelayLinkServer: main's part; see link-server.h and link-server-private.h. */
#include "relay/link-server-private.h"

#include "base/clock.h"
#include "relay/log.h"

static const char *const drop_names[RELAY_LINK_DROP_N] = {
  [RELAY_LINK_DROP_KEY] = "key",
  [RELAY_LINK_DROP_REPLAY] = "replay",
  [RELAY_LINK_DROP_COOKIE] = "cookie",
  [RELAY_LINK_DROP_RATE] = "rate",
  [RELAY_LINK_DROP_MALFORMED] = "malformed",
  [RELAY_LINK_DROP_UNKNOWN] = "unknown",
};

static BaseCounter *
add_labelled (BaseMetrics *metrics, const char *name, const char *label,
              const char *value, const char *help)
{
  g_autofree char *text = base_metrics_label (label, value);

  return base_metrics_add_counter (metrics, name, text, help);
}

static void
metrics_init (RelayLinkMetrics *self, BaseMetrics *metrics)
{
  static const char *const repairs = "media_tree_link_repairs_total";
  static const char *const repairs_help =
      "Packets that children asked for again, by what came of it";

  if (metrics == NULL)
    return;
  self->packets =
      base_metrics_add_counter (metrics, "media_tree_link_packets_sent_total",
                                NULL, "Media packets sent to children");
  self->bytes = base_metrics_add_counter (
      metrics, "media_tree_link_bytes_sent_total", NULL,
      "Bytes of media packets sent to children, UDP payload");
  self->children =
      base_metrics_add_gauge (metrics, "media_tree_link_children", NULL,
                              "Subscriptions of children, all streams");
  self->repairs_sent =
      add_labelled (metrics, repairs, "result", "sent", repairs_help);
  self->repairs_missing =
      add_labelled (metrics, repairs, "result", "missing", repairs_help);
  self->repairs_limited =
      add_labelled (metrics, repairs, "result", "limited", repairs_help);
  self->refused_full = base_metrics_add_counter (
      metrics, "media_tree_link_children_refused_total", NULL,
      "Children refused because the node has its maximum");
  self->expired = base_metrics_add_counter (
      metrics, "media_tree_link_children_expired_total", NULL,
      "Children that were not heard of for a second");
  for (guint i = 0; i < RELAY_LINK_DROP_N; i++)
    self->dropped[i] = add_labelled (
        metrics, "media_tree_link_messages_dropped_total", "reason",
        drop_names[i], "Control messages that were dropped, by cause");
}

void
relay_link_server_count_dropped (RelayLinkServer *self, RelayLinkDrop reason,
                                 gint64 n)
{
  gint64 now_us = base_clock_now_us ();
  gint64 *logged_us = &self->logged_us[reason];
  gint64 last_us = __atomic_load_n (logged_us, __ATOMIC_RELAXED);

  base_counter_add (self->metrics.dropped[reason], n);
  if (last_us != 0 && now_us - last_us < RELAY_LINK_LOG_US)
    return;
  if (__atomic_compare_exchange_n (logged_us, &last_us, now_us, FALSE,
                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    GST_WARNING ("relay port: control messages are dropped: %s (told once a "
                 "minute; see media_tree_link_messages_dropped_total)",
                 drop_names[reason]);
}

/* --- what children ask for -------------------------------------------------
 */

typedef struct
{
  RelayLinkServer *server;
  char *name;
  gboolean has_path, is_pending;
  RtcPath path;
  guint32 subscription;
} WantMail;

static void
want_mail_free (gpointer data)
{
  WantMail *mail = data;

  g_free (mail->name);
  g_free (mail);
}

/* first worker */
static void
want_answer (gpointer data)
{
  WantMail *mail = data;

  relay_link_front_answer (mail->server->front, mail->name, mail->is_pending,
                           mail->has_path ? &mail->path : NULL,
                           mail->subscription);
  want_mail_free (mail);
}

/* main */
static void
want_arrive (gpointer data)
{
  WantMail *mail = data;
  RelayLinkServer *self = mail->server;

  mail->is_pending = self->on_stream_wanted != NULL
                     && self->on_stream_wanted (mail->name, self->data);
  rtc_worker_post (self->workers[0], want_answer, mail, want_mail_free);
}

void
relay_link_server_want (RelayLinkServer *self, const char *name,
                        const RtcPath *path, guint32 subscription)
{
  WantMail *mail = g_new0 (WantMail, 1);

  mail->server = self;
  mail->name = g_strdup (name);
  mail->has_path = path != NULL;
  if (path != NULL)
    mail->path = *path;
  mail->subscription = subscription;
  base_mailbox_post (self->mail, want_arrive, mail, want_mail_free);
}

/* --- the hub's streams, to the front ----------------------------------------
 */

typedef struct
{
  RelayLinkFront *front;
  RelayStream *stream; /* one reference */
  RelayHubEvent event;
} StreamMail;

static void
stream_mail_free (gpointer data)
{
  StreamMail *mail = data;

  relay_stream_unref (mail->stream);
  g_free (mail);
}

/* first worker */
static void
stream_arrive (gpointer data)
{
  StreamMail *mail = data;

  switch (mail->event)
    {
    case RELAY_HUB_LIVE:
    case RELAY_HUB_IDLE:
      relay_link_front_set_stream (mail->front, mail->stream,
                                   mail->event == RELAY_HUB_LIVE);
      break;
    case RELAY_HUB_REMOVED:
      relay_link_front_remove_stream (mail->front, mail->stream);
      break;
    case RELAY_HUB_CHANGED:
      break;
    }
  stream_mail_free (mail);
}

static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  RelayLinkServer *self = data;
  StreamMail *mail = g_new (StreamMail, 1);

  mail->front = self->front;
  mail->stream = relay_stream_ref (stream);
  mail->event = event;
  rtc_worker_post (self->workers[0], stream_arrive, mail, stream_mail_free);
}

/* --- lists -------------------------------------------------------------------
 */

typedef struct
{
  RelayLinkServer *server;
  guint worker;
  GArray *list; /* owned, nullable */
} ListMail;

static void
list_mail_free (gpointer data)
{
  ListMail *mail = data;

  g_clear_pointer (&mail->list, g_array_unref);
  g_free (mail);
}

/* main */
static void
list_arrive (gpointer data)
{
  ListMail *mail = data;
  GArray **slot = &mail->server->lists[mail->worker];

  g_array_unref (*slot);
  *slot = g_steal_pointer (&mail->list);
  list_mail_free (mail);
}

void
relay_link_server_take_list (RelayLinkServer *self, guint worker, GArray *list)
{
  ListMail *mail = g_new (ListMail, 1);

  mail->server = self;
  mail->worker = worker;
  mail->list = list;
  base_mailbox_post (self->mail, list_arrive, mail, list_mail_free);
}

GArray *
relay_link_server_list (RelayLinkServer *self)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (RelayLinkChild));

  for (guint i = 0; i < self->n_workers; i++)
    if (self->lists[i]->len > 0)
      g_array_append_vals (all, self->lists[i]->data, self->lists[i]->len);
  return all;
}

/* --- life --------------------------------------------------------------------
 */

static void
front_start (gpointer data)
{
  relay_link_front_start (data);
}

static void
front_leave (gpointer data)
{
  relay_link_front_leave (data);
}

static void
desk_leave (gpointer data)
{
  relay_link_desk_leave (data);
}

static void
server_follow_hub (RelayLinkServer *self)
{
  g_autoptr (GPtrArray) streams = relay_hub_list (self->hub);

  relay_hub_add_listener (self->hub, on_hub_event, self);
  for (guint i = 0; i < streams->len; i++)
    on_hub_event (self->hub, streams->pdata[i],
                  relay_stream_is_live (streams->pdata[i]) ? RELAY_HUB_LIVE
                                                           : RELAY_HUB_IDLE,
                  self);
}

RelayLinkServer *
relay_link_server_new (const RelayLinkServerConfig *config, GError **error)
{
  RelayLinkServer *self = g_new0 (RelayLinkServer, 1);
  int family = config->address.sa.sa_family;

  self->front = relay_link_front_new (self);
  self->input =
      rtc_input_new (config->workers[0], &config->address,
                     relay_link_front_on_datagram, self->front, NULL, error);
  if (self->input == NULL)
    {
      relay_link_front_free (self->front);
      g_free (self);
      return NULL;
    }
  self->hub = config->hub;
  self->n_workers = config->n_workers;
  self->workers =
      g_memdup2 (config->workers, config->n_workers * sizeof (RtcWorker *));
  self->keys = config->keys;
  self->node_id = g_strdup (config->node_id);
  self->max_children = config->max_children;
  self->on_stream_wanted = config->on_stream_wanted;
  self->data = config->data;
  metrics_init (&self->metrics, config->metrics);
  self->mail = base_mailbox_new (NULL);
  self->desks = g_new (RelayLinkDesk *, self->n_workers);
  self->lists = g_new (GArray *, self->n_workers);
  for (guint i = 0; i < self->n_workers; i++)
    {
      self->desks[i] = relay_link_desk_new (
          self, self->workers[i], rtc_input_get_fd (self->input), family);
      self->lists[i] = g_array_new (FALSE, FALSE, sizeof (RelayLinkChild));
    }
  rtc_worker_post (self->workers[0], front_start, self->front, NULL);
  server_follow_hub (self);
  return self;
}

void
relay_link_server_leave (RelayLinkServer *self)
{
  rtc_worker_post (self->workers[0], front_leave, self->front, NULL);
  for (guint i = 0; i < self->n_workers; i++)
    rtc_worker_post (self->workers[i], desk_leave, self->desks[i], NULL);
}

void
relay_link_server_free (RelayLinkServer *self)
{
  relay_hub_remove_listener (self->hub, on_hub_event, self);
  rtc_input_free (self->input);
  relay_link_front_free (self->front);
  for (guint i = 0; i < self->n_workers; i++)
    {
      relay_link_desk_free (self->desks[i]);
      g_array_unref (self->lists[i]);
    }
  base_mailbox_free (self->mail);
  g_free (self->desks);
  g_free (self->lists);
  g_free (self->workers);
  g_free (self->node_id);
  g_free (self);
}

guint
relay_link_server_get_port (RelayLinkServer *self)
{
  return rtc_input_get_port (self->input);
}
