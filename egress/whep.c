/* SPDX-License-Identifier: Apache-2.0 */
/* EgressWhep: sessions by id, what the hub says, metrics. */
#include "egress/whep.h"

#include <string.h>

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
  guint tick_id;
  BaseCounter *refused[REFUSED_N_REASONS]; /* borrowed */
};

/* end_session: whoever ended it; its resource is 404 from now on */
static void
end_session (EgressWhep *self, EgressSession *session, const char *cause)
{
  g_hash_table_remove (self->sessions, session);
  if (self->signaling) /* NULL: it is being freed and calls us itself */
    base_signaling_remove (self->signaling, egress_session_get_id (session));
  egress_session_close (session, cause);
}

static void
on_session_ended (EgressSession *session, RtcCloseReason reason, gpointer data)
{
  end_session (data, session, NULL);
}

/* --- POST --------------------------------------------------------------- */

/* refuse: or sends him on */
static void
refuse (EgressWhep *self, const char *name, const GError *error,
        SoupServerMessage *msg)
{
  gboolean is_live =
      !g_error_matches (error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_NOT_LIVE);

  if (is_live && egress_gate_send_on (self->config.peer.gate, name, msg))
    return;
  base_http_problem (
      msg, is_live ? SOUP_STATUS_SERVICE_UNAVAILABLE : SOUP_STATUS_CONFLICT,
      egress_gate_error_code (error), "%s", error->message);
  base_http_retry_after (
      msg, is_live ? (guint)g_random_int_range (1, FULL_RETRY_AFTER_MAX_S + 1)
                   : NOT_LIVE_RETRY_AFTER_S);
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
  GST_DEBUG ("session=%.8s counter-offer: %s", egress_session_get_id (session),
             error->message);
  *ret_status = SOUP_STATUS_NOT_ACCEPTABLE;
  *ret_content_type = dup_offer_type ();
  return TRUE;
}

static gpointer
on_create (const char *name, const char *id, const char *offer_text,
           SoupServerMessage *msg, guint *ret_status, char **ret_content_type,
           char **ret_answer, gpointer data)
{
  static const EgressSessionCallbacks callbacks = { .on_ended =
                                                        on_session_ended };
  EgressWhep *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) offer = NULL;
  RelayStream *stream = egress_gate_want (self->config.peer.gate, name, &error);
  EgressSession *session;

  if (!stream)
    {
      refuse (self, name, error, msg);
      return NULL;
    }
  offer = rtc_sdp_parse (offer_text, TRUE, &error);
  if (!offer)
    {
      base_counter_add (self->refused[REFUSED_OFFER], 1);
      base_http_problem (msg, SOUP_STATUS_BAD_REQUEST,
                         rtc_sdp_error_code (error), "%s.", error->message);
      return NULL;
    }
  session =
      egress_session_new (&self->config.peer, stream, id,
                          base_http_peer_is_loopback (msg), &callbacks, self);
  if (!open_session (self, session, offer, msg, ret_status, ret_content_type,
                     ret_answer))
    {
      egress_session_close (session, NULL);
      return NULL;
    }
  g_hash_table_add (self->sessions, session);
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
      base_http_empty (msg, SOUP_STATUS_NO_CONTENT);
      on_add_headers (session, msg, self);
    }
}

static void
on_destroy (gpointer session, gpointer data)
{
  EgressWhep *self = data;

  end_session (self, session,
               self->signaling ? "the viewer ended it" : "the node ends");
}

static gboolean
on_sub_request (gpointer session, SoupServerMessage *msg, const char *rest,
                gpointer data)
{
  EgressWhep *self = data;
  EgressEvents *events = egress_session_get_events (session);
  RelayStream *stream = egress_session_get_stream (session);

  return events
         && egress_events_handle (
             events, msg, rest, relay_stream_is_live (stream),
             egress_gate_count (self->config.peer.gate, stream),
             base_clock_now_us ());
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
    end_session (self, ended->pdata[i], "the stream is over");
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
      egress_events_tick (
          egress_session_get_events (session),
          egress_gate_count (self->config.peer.gate,
                             egress_session_get_stream (session)),
          now_us);
  return G_SOURCE_CONTINUE;
}

static void
register_metrics (EgressWhep *self, BaseMetrics *metrics)
{
  static const char *const reasons[REFUSED_N_REASONS] = {
    [REFUSED_OFFER] = "offer",
    [REFUSED_MEDIA] = "media",
    [REFUSED_CODEC] = "codec",
  };

  if (!metrics)
    return;
  for (guint i = 0; i < REFUSED_N_REASONS; i++)
    {
      g_autofree char *label = base_metrics_label ("reason", reasons[i]);

      self->refused[i] =
          base_metrics_add_counter (metrics, "media_tree_joins_refused_total",
                                    label, EGRESS_GATE_REFUSED_HELP);
    }
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
    .max_sessions = G_MAXUINT, /* the gate has the limit, and counts */
  };
  EgressWhep *self = g_new0 (EgressWhep, 1);

  self->config = *config;
  self->sessions = g_hash_table_new (NULL, NULL);
  self->signaling =
      base_signaling_new (&signaling, config->auth, &callbacks, self);
  relay_hub_add_listener (config->peer.hub, on_hub_event, self);
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
  relay_hub_remove_listener (self->config.peer.hub, on_hub_event, self);
  signaling = g_steal_pointer (&self->signaling);
  base_signaling_free (signaling); /* destroys each session */
  g_hash_table_unref (self->sessions);
  g_free (self);
}

void
egress_whep_handle (EgressWhep *self, SoupServerMessage *msg, const char *path)
{
  base_signaling_handle (self->signaling, msg, path);
}

guint
egress_whep_move (EgressWhep *self, guint n_max, EgressWhepMoveFunc dup_url,
                  gpointer data, gint64 now_us)
{
  GHashTableIter iter;
  gpointer session;
  guint n = 0;

  g_hash_table_iter_init (&iter, self->sessions);
  while (n < n_max && g_hash_table_iter_next (&iter, &session, NULL))
    {
      EgressEvents *events = egress_session_get_events (session);
      const char *stream =
          relay_stream_get_name (egress_session_get_stream (session));
      g_autofree char *url = NULL;

      if (!events || !egress_events_can_move (events, now_us))
        continue;
      url = dup_url (stream, data);
      if (!url)
        break;
      GST_DEBUG ("session=%.8s stream=%s is told to move",
                 egress_session_get_id (session), stream);
      egress_events_move (events, url, now_us);
      n++;
    }
  return n;
}

guint
egress_whep_find_deaf (EgressWhep *self, GPtrArray *ids, guint max_ids)
{
  GHashTableIter iter;
  gpointer session;
  guint n = 0;

  g_hash_table_iter_init (&iter, self->sessions);
  while (g_hash_table_iter_next (&iter, &session, NULL))
    {
      EgressEvents *events = egress_session_get_events (session);

      if (events && egress_events_hears_moves (events))
        continue;
      n++;
      if (ids->len < max_ids)
        g_ptr_array_add (ids, g_strndup (egress_session_get_id (session),
                                         BASE_HTTP_LOG_ID_CHARS));
    }
  return n;
}

guint
egress_whep_cut (EgressWhep *self, const char *cause)
{
  g_autoptr (GList) sessions = g_hash_table_get_keys (self->sessions);
  guint n = g_list_length (sessions);

  for (GList *l = sessions; l; l = l->next)
    end_session (self, l->data, cause);
  return n;
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

JsonNode *
egress_whep_describe_session (EgressWhep *self, const char *id)
{
  EgressSession *found = base_signaling_lookup (self->signaling, id);
  GHashTableIter iter;
  gpointer session;

  g_hash_table_iter_init (&iter, self->sessions);
  while (strlen (id) == BASE_HTTP_LOG_ID_CHARS && !found
         && g_hash_table_iter_next (&iter, &session, NULL))
    if (g_str_has_prefix (egress_session_get_id (session), id))
      found = session;
  return found ? egress_session_describe (found) : NULL;
}
