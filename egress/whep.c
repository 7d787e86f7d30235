/* SPDX-License-Identifier: Apache-2.0 */
/* EgressWhep: admission, sessions by id, what the hub says, metrics. */
#include "egress/whep.h"

#include "base/clock.h"
#include "egress/log.h"
#include "egress/negotiate.h"
#include "egress/session.h"

#define PREFIX "/whep"
#define NOT_LIVE_RETRY_AFTER_S 2
/* Spread, so that those refused together do not come back together. */
#define FULL_RETRY_AFTER_MAX_S 5
#define TICK_INTERVAL_S 1
#define MAX_DESCRIBED 256

typedef enum
{
  REFUSED_FULL,
  REFUSED_NOT_LIVE,
  REFUSED_OFFER,
  REFUSED_MEDIA,
  REFUSED_CODEC,
  REFUSED_N_REASONS
} Refusal;

struct _EgressWhep
{
  EgressWhepConfig config;  /* all borrowed */
  BaseSignaling *signaling; /* owned */
  GHashTable *sessions;     /* owned: set of EgressSession (borrowed: each is
                               ours until egress_session_close) */
  GHashTable *n_viewers;    /* owned: RelayStream (borrowed from a session) ->
                               connected viewers, none with 0 */
  guint n_connected;
  guint tick_id;
  BaseCounter *joins, *refused[REFUSED_N_REASONS]; /* borrowed */
  BaseCounter *active_sessions;
  EgressWhepTotals totals; /* the counters of it */
  BaseHistogram *join_seconds;
};

static guint
count_of (EgressWhep *self, RelayStream *stream)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->n_viewers, stream));
}

static void
add_viewers (EgressWhep *self, RelayStream *stream, int n)
{
  guint count = count_of (self, stream) + (guint)n;

  self->n_connected += (guint)n;
  if (count == 0)
    g_hash_table_remove (self->n_viewers, stream);
  else
    g_hash_table_insert (self->n_viewers, stream, GUINT_TO_POINTER (count));
}

static void
update_gauge (EgressWhep *self)
{
  base_counter_set (self->active_sessions, g_hash_table_size (self->sessions));
}

/* end_session: whoever ended it; its resource is 404 from now on */
static void
end_session (EgressWhep *self, EgressSession *session)
{
  g_hash_table_remove (self->sessions, session);
  self->totals.n_leaves++;
  if (egress_session_is_connected (session))
    add_viewers (self, egress_session_get_stream (session), -1);
  if (self->signaling) /* NULL: it is being freed and calls us itself */
    base_signaling_remove (self->signaling, egress_session_get_id (session));
  egress_session_close (session);
  update_gauge (self);
}

static void
on_session_connected (EgressSession *session, gint64 join_us, gpointer data)
{
  EgressWhep *self = data;

  add_viewers (self, egress_session_get_stream (session), 1);
  base_histogram_observe (self->join_seconds, (double)join_us / BASE_US_PER_S);
}

static void
on_session_ended (EgressSession *session, RtcCloseReason reason, gpointer data)
{
  end_session (data, session);
}

/* --- POST --------------------------------------------------------------- */

/* refuse_full: or sends him on */
static void
refuse_full (EgressWhep *self, const char *name, SoupServerMessage *msg,
             const char *code, const char *detail)
{
  const EgressWhepHooks *hooks = &self->config.hooks;

  if (hooks->send_on && hooks->send_on (name, msg, hooks->data))
    return;
  self->totals.n_refused++;
  base_counter_add (self->refused[REFUSED_FULL], 1);
  base_http_problem (msg, SOUP_STATUS_SERVICE_UNAVAILABLE, code, "%s", detail);
  base_http_retry_after (
      msg, (guint)g_random_int_range (1, FULL_RETRY_AFTER_MAX_S + 1));
}

static void
refuse_not_live (EgressWhep *self, const char *name, SoupServerMessage *msg)
{
  base_counter_add (self->refused[REFUSED_NOT_LIVE], 1);
  base_http_problem (msg, SOUP_STATUS_CONFLICT, "stream-not-live",
                     "Nobody publishes \"%s\" now; try again later.", name);
  base_http_retry_after (msg, NOT_LIVE_RETRY_AFTER_S);
}

/* find_live: (nullable) (transfer none) */
static RelayStream *
find_live (EgressWhep *self, const char *name, GError **error)
{
  const EgressWhepHooks *hooks = &self->config.hooks;
  RelayStream *stream = hooks->want_stream
                            ? hooks->want_stream (name, error, hooks->data)
                            : relay_hub_lookup (self->config.hub, name);
  RelayStreamInfo info;

  return stream && relay_stream_is_live (stream)
                 && relay_stream_get_info (stream, &info)
             ? stream
             : NULL;
}

/* admit: (nullable) (transfer none): the live stream; NULL when answered */
static RelayStream *
admit (EgressWhep *self, const char *name, SoupServerMessage *msg)
{
  const EgressWhepHooks *hooks = &self->config.hooks;
  g_autoptr (GError) error = NULL;
  RelayStream *stream;

  if (g_hash_table_size (self->sessions) >= self->config.max_viewers)
    {
      refuse_full (self, name, msg, "server-full",
                   "This server has as many viewers as it may have.");
      return NULL;
    }
  stream = find_live (self, name, &error);
  if (!stream)
    {
      if (error && !g_error_matches (error, RELAY_ERROR, RELAY_ERROR_UNKNOWN))
        refuse_full (self, name, msg, "stream-limit", error->message);
      else
        refuse_not_live (self, name, msg);
      return NULL;
    }
  if (hooks->has_room && !hooks->has_room (stream, hooks->data))
    {
      refuse_full (self, name, msg, "server-full",
                   "This server sends as much as it may send.");
      return NULL;
    }
  return stream;
}

static void
refuse_offer (EgressWhep *self, SoupServerMessage *msg, const GError *error)
{
  guint status = SOUP_STATUS_UNPROCESSABLE_ENTITY;
  Refusal reason = REFUSED_OFFER;

  if (g_error_matches (error, EGRESS_NEGOTIATE_ERROR,
                       EGRESS_NEGOTIATE_ERROR_MEDIA))
    reason = REFUSED_MEDIA;
  else if (g_error_matches (error, EGRESS_NEGOTIATE_ERROR,
                            EGRESS_NEGOTIATE_ERROR_CODEC))
    reason = REFUSED_CODEC;
  if (reason != REFUSED_OFFER)
    status = SOUP_STATUS_NOT_ACCEPTABLE;
  base_counter_add (self->refused[reason], 1);
  base_http_problem (msg, status, egress_negotiate_error_code (error), "%s.",
                     error->message);
}

/* dup_offer_type: (transfer full): of a counter-offer, with its end */
static char *
dup_offer_type (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) end =
      g_date_time_add_seconds (now, EGRESS_COUNTER_OFFER_VALID_S);
  g_autofree char *date = soup_date_time_to_string (end, SOUP_DATE_HTTP);

  return g_strdup_printf ("application/sdp; valid-until=\"%s\"", date);
}

/* open: answers the offer or makes a counter-offer.
 * Returns: FALSE when refused and answered; the session is then unused */
static gboolean
open_session (EgressWhep *self, EgressSession *session, const RtcSdp *offer,
              SoupServerMessage *msg, guint *ret_status,
              char **ret_content_type, char **ret_answer)
{
  g_autoptr (GError) error = NULL;

  *ret_answer = egress_session_answer (session, offer, &error);
  if (*ret_answer)
    {
      *ret_status = SOUP_STATUS_CREATED;
      base_counter_add (self->joins, 1);
      return TRUE;
    }
  if (g_error_matches (error, EGRESS_NEGOTIATE_ERROR,
                       EGRESS_NEGOTIATE_ERROR_CODEC))
    *ret_answer = egress_session_counter_offer (session, offer);
  if (!*ret_answer)
    {
      refuse_offer (self, msg, error);
      return FALSE;
    }
  base_counter_add (self->refused[REFUSED_CODEC], 1);
  GST_DEBUG ("counter-offer: %s", error->message);
  *ret_status = SOUP_STATUS_NOT_ACCEPTABLE;
  *ret_content_type = dup_offer_type ();
  return TRUE;
}

static gpointer
on_create (const char *name, const char *id, const char *offer_text,
           SoupServerMessage *msg, guint *ret_status, char **ret_content_type,
           char **ret_answer, gpointer data)
{
  static const EgressSessionCallbacks callbacks = {
    .on_connected = on_session_connected, .on_ended = on_session_ended
  };
  EgressWhep *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) offer = NULL;
  RelayStream *stream = admit (self, name, msg);
  EgressSession *session;

  if (!stream)
    return NULL;
  offer = rtc_sdp_parse (offer_text, TRUE, &error);
  if (!offer)
    {
      base_counter_add (self->refused[REFUSED_OFFER], 1);
      base_http_problem (msg, SOUP_STATUS_BAD_REQUEST,
                         rtc_sdp_error_code (error), "%s.", error->message);
      return NULL;
    }
  session =
      egress_session_new (&self->config, stream, id,
                          base_http_peer_is_loopback (msg), &callbacks, self);
  if (!open_session (self, session, offer, msg, ret_status, ret_content_type,
                     ret_answer))
    {
      egress_session_close (session);
      return NULL;
    }
  g_hash_table_add (self->sessions, session);
  self->totals.n_joins++;
  if (self->config.hooks.on_joined)
    self->config.hooks.on_joined (stream, self->config.hooks.data);
  update_gauge (self);
  return session;
}

static void
on_add_headers (gpointer session, SoupServerMessage *msg, gpointer data)
{
  g_autofree char *link = NULL;

  if (!egress_session_get_events (session))
    return;
  link = g_strdup_printf (
      "<" PREFIX "/%s/%s/sse>; rel=\"" EGRESS_EVENTS_REL
      "\"; events=\"" EGRESS_EVENTS_NAMES "\"",
      relay_stream_get_name (egress_session_get_stream (session)),
      egress_session_get_id (session));
  soup_message_headers_append (soup_server_message_get_response_headers (msg),
                               "Link", link);
}

/* --- other requests ------------------------------------------------------- */

static BasePatchResult
on_patch_fragment (gpointer session, const char *fragment,
                   gboolean wants_restart, char **ret_fragment, gpointer data)
{
  return egress_session_patch (session, fragment, wants_restart, ret_fragment);
}

static void
on_patch_sdp (gpointer session, const char *sdp, SoupServerMessage *msg,
              gpointer data)
{
  EgressWhep *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) answer = NULL;

  if (!egress_session_is_waiting (session))
    {
      base_http_problem (msg, SOUP_STATUS_UNPROCESSABLE_ENTITY,
                         "no-counter-offer",
                         "This session waits for no answer.");
      return;
    }
  answer = rtc_sdp_parse (sdp, FALSE, &error);
  if (!answer)
    base_http_problem (msg, SOUP_STATUS_BAD_REQUEST, rtc_sdp_error_code (error),
                       "%s.", error->message);
  else if (!egress_session_accept (session, answer, &error))
    base_http_problem (msg, SOUP_STATUS_UNPROCESSABLE_ENTITY,
                       egress_negotiate_error_code (error), "%s.",
                       error->message);
  else
    {
      base_counter_add (self->joins, 1);
      base_http_empty (msg, SOUP_STATUS_NO_CONTENT);
      on_add_headers (session, msg, self);
    }
}

static void
on_destroy (gpointer session, gpointer data)
{
  end_session (data, session);
}

static gboolean
on_sub_request (gpointer session, SoupServerMessage *msg, const char *rest,
                gpointer data)
{
  EgressEvents *events = egress_session_get_events (session);
  RelayStream *stream = egress_session_get_stream (session);

  return events
         && egress_events_handle (
             events, msg, rest, relay_stream_is_live (stream),
             count_of (data, stream), base_clock_now_us ());
}

static void
on_head (const char *stream, SoupServerMessage *msg, gpointer data)
{
  base_http_empty (msg, SOUP_STATUS_OK);
  soup_message_headers_replace (soup_server_message_get_response_headers (msg),
                                "Content-Type", "application/sdp");
}

/* --- events from outside ---------------------------------------------------
 */

static void
end_stream (EgressWhep *self, RelayStream *stream)
{
  g_autoptr (GPtrArray) ended = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer session;

  g_hash_table_iter_init (&iter, self->sessions);
  while (g_hash_table_iter_next (&iter, &session, NULL))
    if (egress_session_get_stream (session) == stream)
      g_ptr_array_add (ended, session);
  for (guint i = 0; i < ended->len; i++)
    end_session (self, ended->pdata[i]);
}

static void
tell_stream (EgressWhep *self, RelayStream *stream, gboolean is_live)
{
  gint64 now_us = base_clock_now_us ();
  GHashTableIter iter;
  gpointer session;

  g_hash_table_iter_init (&iter, self->sessions);
  while (g_hash_table_iter_next (&iter, &session, NULL))
    if (egress_session_get_stream (session) == stream
        && egress_session_get_events (session))
      egress_events_set_live (egress_session_get_events (session), is_live,
                              now_us);
}

static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  EgressWhep *self = data;

  switch (event)
    {
    case RELAY_HUB_LIVE:
      tell_stream (self, stream, TRUE);
      break;
    case RELAY_HUB_IDLE:
      tell_stream (self, stream, FALSE);
      break;
    case RELAY_HUB_CHANGED:
    case RELAY_HUB_REMOVED:
      end_stream (self, stream);
      break;
    }
}

static gboolean
on_tick (gpointer data)
{
  EgressWhep *self = data;
  gint64 now_us = base_clock_now_us ();
  GHashTableIter iter;
  gpointer session;

  g_hash_table_iter_init (&iter, self->sessions);
  while (g_hash_table_iter_next (&iter, &session, NULL))
    if (egress_session_get_events (session))
      egress_events_tick (egress_session_get_events (session),
                          count_of (self, egress_session_get_stream (session)),
                          now_us);
  return G_SOURCE_CONTINUE;
}

/* One sample a stream: the hub bounds their number. */
static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  EgressWhep *self = data;
  g_autoptr (GPtrArray) streams = relay_hub_list (self->config.hub);

  for (guint i = 0; i < streams->len; i++)
    {
      RelayStream *stream = streams->pdata[i];
      g_autofree char *label =
          base_metrics_label ("stream", relay_stream_get_name (stream));

      base_metrics_write (writer, "media_tree_viewers", "gauge",
                          "Viewers connected now.", label,
                          count_of (self, stream));
    }
}

static void
register_metrics (EgressWhep *self, BaseMetrics *metrics)
{
  static const char *const reasons[REFUSED_N_REASONS] = {
    [REFUSED_FULL] = "full",   [REFUSED_NOT_LIVE] = "not-live",
    [REFUSED_OFFER] = "offer", [REFUSED_MEDIA] = "media",
    [REFUSED_CODEC] = "codec",
  };
  static const double bounds[] = {
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10
  };

  if (!metrics)
    return;
  egress_viewer_register_metrics (metrics);
  self->joins = base_metrics_add_counter (metrics, "media_tree_joins_total",
                                          NULL, "Viewers let in.");
  for (guint i = 0; i < REFUSED_N_REASONS; i++)
    {
      g_autofree char *label = base_metrics_label ("reason", reasons[i]);

      self->refused[i] = base_metrics_add_counter (
          metrics, "media_tree_joins_refused_total", label,
          "Viewers not let in, by reason (codec: a counter-offer was made, or "
          "nothing could be offered).");
    }
  self->active_sessions = base_metrics_add_gauge (
      metrics, "media_tree_active_sessions", NULL,
      "Viewer sessions, those that are still connecting included.");
  self->join_seconds = base_metrics_add_histogram (
      metrics, "media_tree_join_seconds", NULL,
      "From a viewer's POST to its connection.", bounds, G_N_ELEMENTS (bounds));
  base_metrics_add_collector (metrics, collect, self);
}

EgressWhep *
egress_whep_new (const EgressWhepConfig *config)
{
  static const BaseSignalingCallbacks callbacks = {
    .create = on_create,
    .patch_fragment = on_patch_fragment,
    .patch_sdp = on_patch_sdp,
    .destroy = on_destroy,
    .on_sub_request = on_sub_request,
    .add_headers = on_add_headers,
    .on_head = on_head,
  };
  BaseSignalingConfig signaling = {
    .prefix = PREFIX,
    .surface = BASE_AUTH_WATCH,
    .strict_etags = config->strict_etags,
    .ice_servers = config->ice_servers,
    .max_sessions = G_MAXUINT, /* admit() has the limit, and counts */
  };
  EgressWhep *self = g_new0 (EgressWhep, 1);

  self->config = *config;
  self->sessions = g_hash_table_new (NULL, NULL);
  self->n_viewers = g_hash_table_new (NULL, NULL);
  self->signaling =
      base_signaling_new (&signaling, config->auth, &callbacks, self);
  relay_hub_add_listener (config->hub, on_hub_event, self);
  self->tick_id = g_timeout_add_seconds (TICK_INTERVAL_S, on_tick, self);
  register_metrics (self, config->metrics);
  return self;
}

void
egress_whep_free (EgressWhep *self)
{
  BaseSignaling *signaling;

  if (!self)
    return;
  g_source_remove (self->tick_id);
  relay_hub_remove_listener (self->config.hub, on_hub_event, self);
  signaling = g_steal_pointer (&self->signaling);
  base_signaling_free (signaling); /* destroys each session */
  g_hash_table_unref (self->sessions);
  g_hash_table_unref (self->n_viewers);
  g_free (self);
}

void
egress_whep_handle (EgressWhep *self, SoupServerMessage *msg, const char *path)
{
  base_signaling_handle (self->signaling, msg, path);
}

guint
egress_whep_get_n_viewers (EgressWhep *self, const char *stream)
{
  RelayStream *found;

  if (!stream)
    return self->n_connected;
  found = relay_hub_lookup (self->config.hub, stream);
  return found ? count_of (self, found) : 0;
}

void
egress_whep_get_totals (EgressWhep *self, EgressWhepTotals *ret)
{
  *ret = self->totals;
  ret->n_sessions = g_hash_table_size (self->sessions);
  ret->max_sessions = self->config.max_viewers;
}

JsonNode *
egress_whep_describe (EgressWhep *self)
{
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);
  JsonArray *array = json_array_new ();
  GHashTableIter iter;
  gpointer session;

  g_hash_table_iter_init (&iter, self->sessions);
  while (json_array_get_length (array) < MAX_DESCRIBED
         && g_hash_table_iter_next (&iter, &session, NULL))
    json_array_add_element (array, egress_session_describe (session));
  json_node_take_array (node, array);
  return node;
}
