/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingNotifier: see notifier.h. */
#include "scaling/notifier.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/json.h"
#include "scaling/http.h"
#include "scaling/json-read.h"
#include "scaling/log.h"
#include "scaling/provision-webhook.h"

#define ANSWER_US (10 * BASE_US_PER_S)
#define BACKOFF_US BASE_US_PER_S
#define MAX_BACKOFF_US (60 * BASE_US_PER_S)

typedef struct
{
  char *id, *body; /* owned */
  guint n_tries;
} Event;

struct _ScalingNotifier
{
  ScalingHttp *http;             /* owned */
  char *path, *secret, *node_id; /* owned */
  gint64 answer_us, first_backoff_us, backoff_us;
  GQueue events;             /* (element-type Event) owned; the first is next */
  GCancellable *cancellable; /* owned, nullable: of what is on its way */
  guint timer;
  guint64 n[SCALING_NOTIFY_N_RESULTS];
};

static const char *const result_names[] = { "sent", "retried", "refused",
                                            "failed", "dropped" };

static void
event_free (gpointer data)
{
  Event *event = data;

  g_free (event->id);
  g_free (event->body);
  g_free (event);
}

/* --- sending ------------------------------------------------------------ */

static void send_next (ScalingNotifier *self);

/* A request outlives us when it is cancelled: what it answers finds this. */
typedef struct
{
  ScalingNotifier *self;
  GCancellable *cancellable; /* owned */
} Sent;

static gboolean
on_backoff_over (gpointer data)
{
  ScalingNotifier *self = data;

  self->timer = 0;
  send_next (self);
  return G_SOURCE_REMOVE;
}

static gboolean
may_pass (const ScalingHttpReply *reply, const GError *error)
{
  if (error != NULL)
    return g_error_matches (error, SCALING_PROVISION_ERROR,
                            SCALING_PROVISION_ERROR_AWAY)
           || g_error_matches (error, SCALING_PROVISION_ERROR,
                               SCALING_PROVISION_ERROR_TIMEOUT);
  return reply->status == 408 || reply->status == 429 || reply->status >= 500;
}

static void
wait_for_next (ScalingNotifier *self, gint64 retry_after_us)
{
  gint64 wait_us = MAX (self->backoff_us, retry_after_us);

  wait_us += g_random_int_range (0, (gint32)(self->backoff_us / 2 + 1));
  self->backoff_us = MIN (self->backoff_us * 2, MAX_BACKOFF_US);
  self->timer =
      g_timeout_add ((guint)(wait_us / BASE_US_PER_MS), on_backoff_over, self);
}

/* end_event: with the first one it is over */
static void
end_event (ScalingNotifier *self, ScalingNotifyResult result)
{
  self->n[result]++;
  event_free (g_queue_pop_head (&self->events));
  self->backoff_us = self->first_backoff_us;
  send_next (self);
}

static void
take_answer (ScalingNotifier *self, const ScalingHttpReply *reply,
             const GError *error)
{
  Event *event = g_queue_peek_head (&self->events);

  if (reply != NULL && reply->status >= 200 && reply->status < 300)
    {
      end_event (self, SCALING_NOTIFIED);
      return;
    }
  if (may_pass (reply, error) && event->n_tries < SCALING_NOTIFIER_MAX_TRIES)
    {
      self->n[SCALING_NOTIFY_RETRIED]++;
      wait_for_next (self, reply != NULL ? reply->retry_after_us : -1);
      return;
    }
  if (error != NULL)
    GST_WARNING ("the webhook was not told of %s: %s", event->id,
                 error->message);
  else
    GST_WARNING ("the webhook was not told of %s: it answers %u", event->id,
                 reply->status);
  end_event (self, may_pass (reply, error) ? SCALING_NOTIFY_FAILED
                                           : SCALING_NOTIFY_REFUSED);
}

static void
on_answer (const ScalingHttpReply *reply, const GError *error, gpointer data)
{
  Sent *sent = data;
  ScalingNotifier *self = sent->self;
  gboolean is_over = g_cancellable_is_cancelled (sent->cancellable);

  g_object_unref (sent->cancellable);
  g_free (sent);
  if (is_over)
    return;
  g_clear_object (&self->cancellable);
  take_answer (self, reply, error);
}

/* send_next: unless one is on its way, or waits to be tried again */
static void
send_next (ScalingNotifier *self)
{
  Event *event = g_queue_peek_head (&self->events);
  gint64 now_s = base_clock_wall_us () / BASE_US_PER_S;
  g_autofree char *timestamp = g_strdup_printf ("%" G_GINT64_FORMAT, now_s);
  g_autofree char *signature = NULL;
  Sent *sent;

  if (event == NULL || self->cancellable != NULL || self->timer != 0)
    return;
  signature = scaling_webhook_sign (self->secret, now_s, event->body);
  event->n_tries++;
  self->cancellable = g_cancellable_new ();
  sent = g_new0 (Sent, 1);
  sent->self = self;
  sent->cancellable = g_object_ref (self->cancellable);
  const char *const headers[] = { "X-Media-Tree-Timestamp",
                                  timestamp,
                                  "X-Media-Tree-Signature",
                                  signature,
                                  "Idempotency-Key",
                                  event->id,
                                  NULL };
  scaling_http_send (self->http, "POST", self->path, headers, event->body,
                     self->answer_us, self->cancellable, on_answer, sent);
}

/* --- events ------------------------------------------------------------- */

static char *
make_body (ScalingNotifier *self, const char *id, const char *event,
           const char *tree_id, const char *detail)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  JsonNode *node = scaling_json_parse (detail, strlen (detail), NULL);

  json_builder_begin_object (json);
  base_json_add_text (json, "id", id);
  base_json_add_text (json, "event", event);
  base_json_add_text (json, "tree", tree_id);
  base_json_add_text (json, "node", self->node_id);
  base_json_add_int (json, "time", base_clock_wall_us () / BASE_US_PER_S);
  json_builder_set_member_name (json, "detail");
  if (node != NULL)
    json_builder_add_value (json, node);
  else
    json_builder_add_string_value (json, detail);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}

void
scaling_notifier_send (ScalingNotifier *self, const char *event,
                       const char *tree_id, const char *detail)
{
  Event *added;

  if (self == NULL)
    return;
  if (g_queue_get_length (&self->events) >= SCALING_NOTIFIER_MAX_QUEUED)
    {
      self->n[SCALING_NOTIFY_DROPPED]++;
      event_free (g_queue_pop_nth (&self->events, 1));
    }
  added = g_new0 (Event, 1);
  added->id = base_http_random_id ();
  added->body = make_body (self, added->id, event, tree_id, detail);
  g_queue_push_tail (&self->events, added);
  send_next (self);
}

/* --- life --------------------------------------------------------------- */

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  ScalingNotifier *self = data;

  for (guint i = 0; i < SCALING_NOTIFY_N_RESULTS; i++)
    {
      g_autofree char *label = base_metrics_label ("result", result_names[i]);

      base_metrics_write (writer, "media_tree_scaling_notifications_total",
                          "counter",
                          "Events for the webhook, by what came of "
                          "it",
                          label, (double)self->n[i]);
    }
  base_metrics_write (writer, "media_tree_scaling_notifications_queued",
                      "gauge", "Events that wait for the webhook", NULL,
                      g_queue_get_length (&self->events));
}

static gboolean
open_url (ScalingNotifier *self, const ScalingNotifierConfig *config,
          GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (config->url, SOUP_HTTP_URI_FLAGS, error);
  g_autoptr (GUri) server = NULL;
  g_autofree char *text = NULL;
  ScalingHttpConfig http = { .ca_path = config->ca_path };
  const char *query;

  if (uri == NULL)
    return FALSE;
  query = g_uri_get_query (uri);
  self->path = g_strconcat (*g_uri_get_path (uri) ? g_uri_get_path (uri) : "/",
                            query != NULL ? "?" : "", query, NULL);
  server =
      g_uri_build (G_URI_FLAGS_NONE, g_uri_get_scheme (uri), NULL,
                   g_uri_get_host (uri), g_uri_get_port (uri), "", NULL, NULL);
  text = g_uri_to_string (server);
  http.url = text;
  self->http = scaling_http_new (&http, error);
  return self->http != NULL;
}

ScalingNotifier *
scaling_notifier_new (const ScalingNotifierConfig *config, GError **error)
{
  ScalingNotifier *self;

  if (config->secret == NULL
      || strlen (config->secret) < SCALING_WEBHOOK_MIN_SECRET_CHARS)
    {
      g_set_error (error, SCALING_PROVISION_ERROR,
                   SCALING_PROVISION_ERROR_REFUSED,
                   "the secret must have %d characters or more",
                   SCALING_WEBHOOK_MIN_SECRET_CHARS);
      return NULL;
    }
  self = g_new0 (ScalingNotifier, 1);
  g_queue_init (&self->events);
  self->secret = g_strdup (config->secret);
  self->node_id = g_strdup (config->node_id);
  self->answer_us = config->answer_us > 0 ? config->answer_us : ANSWER_US;
  self->first_backoff_us =
      config->backoff_us > 0 ? config->backoff_us : BACKOFF_US;
  self->backoff_us = self->first_backoff_us;
  if (!open_url (self, config, error))
    {
      scaling_notifier_free (self);
      return NULL;
    }
  if (config->metrics != NULL)
    base_metrics_add_collector (config->metrics, collect, self);
  return self;
}

void
scaling_notifier_free (ScalingNotifier *self)
{
  g_return_if_fail (self != NULL);

  g_clear_handle_id (&self->timer, g_source_remove);
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->http, scaling_http_free);
  g_queue_clear_full (&self->events, event_free);
  g_free (self->path);
  g_free (self->secret);
  g_free (self->node_id);
  g_free (self);
}

guint64
scaling_notifier_get_n (ScalingNotifier *self, ScalingNotifyResult result)
{
  return self->n[result];
}

guint
scaling_notifier_get_n_queued (ScalingNotifier *self)
{
  return g_queue_get_length (&self->events);
}
