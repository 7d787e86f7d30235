/* SPDX-License-Identifier: Apache-2.0 */
/* WhipEndpoint: see endpoint.h. */
#include "whip/endpoint.h"

#include "base/clock.h"
#include "base/http.h"
#include "whip/log.h"
#include "whip/session.h"

#define PREFIX "/whip"
/* Spread, so that those refused together do not come back together. */
#define FULL_RETRY_AFTER_MAX_S 5

/* Why a session ended, when it was not its transport that ended it. */
#define CAUSE_DELETED "deleted"
#define CAUSE_REPLACED "replaced"
#define RESULT_REFUSED "refused"
#define RESULT_FULL "full"

typedef struct
{
  WhipSession *session; /* one reference */
  const char *cause;    /* static, nullable */
} Entry;

/* Sessions outlast whip_endpoint_free by as long as their transports take to
 * close, so each holds a reference. */
struct _WhipEndpoint
{
  gatomicrefcount ref;
  WhipConfig config; /* ice_servers only during new */
  BaseMailbox *mail;
  WhipCounters counters;

  /* main, until whip_endpoint_free */
  BaseSignaling *signaling; /* owned, nullable */
  GHashTable *entries;      /* owned: id -> Entry; until closed */
  BaseCounter *publishers;
  guint n_connected;
};

static WhipEndpoint *
endpoint_ref (WhipEndpoint *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

static void
endpoint_unref (gpointer data)
{
  WhipEndpoint *self = data;

  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  base_mailbox_free (self->mail);
  g_free (self);
}

static void
entry_free (gpointer data)
{
  Entry *self = data;

  whip_session_unref (self->session);
  g_free (self);
}

/* count_result: adds @n to the sessions with this end */
static void
count_result (WhipEndpoint *self, const char *result, gint64 n)
{
  g_autofree char *label = base_metrics_label ("result", result);

  if (self->config.metrics)
    base_counter_add (
        base_metrics_add_counter (self->config.metrics,
                                  "media_tree_whip_sessions_total", label,
                                  "WHIP sessions by how they ended"),
        n);
}

/* --- sessions tell ----------------------------------------------------- */

static void
on_connected (WhipSession *session, gpointer data)
{
  WhipEndpoint *self = data;

  if (!self->signaling)
    return;
  base_counter_set (self->publishers, ++self->n_connected);
  GST_DEBUG ("session=%s stream=%s connected after %" G_GINT64_FORMAT " ms",
             whip_session_get_log_id (session),
             whip_session_get_stream_name (session),
             (base_clock_now_us () - whip_session_get_created_us (session))
                 / BASE_US_PER_MS);
}

static void
replace (WhipEndpoint *self, WhipSession *session)
{
  const char *id = whip_session_get_id (session);
  Entry *entry;

  entry = g_hash_table_lookup (self->entries, id);
  if (entry && !entry->cause)
    entry->cause = CAUSE_REPLACED;
  base_signaling_remove (self->signaling, id);
  whip_session_close (session);
}

static void
on_replaced (WhipSession *session, gpointer data)
{
  WhipEndpoint *self = data;

  if (self->signaling)
    replace (self, session);
}

static void
log_end (WhipSession *session, const char *cause)
{
  WhipPublisherStats s;

  whip_session_get_stats (session, &s);
  GST_INFO (
      "session=%s stream=%s seconds=%.1f packets=%" G_GUINT64_FORMAT
      " lost=%" G_GUINT64_FORMAT " repaired=%" G_GUINT64_FORMAT
      " publisher gone: %s; audio %" G_GUINT64_FORMAT
      " packets, %" G_GUINT64_FORMAT " lost; video %" G_GUINT64_FORMAT
      " packets, %" G_GUINT64_FORMAT " lost",
      whip_session_get_log_id (session), whip_session_get_stream_name (session),
      (double)(base_clock_now_us () - whip_session_get_created_us (session))
          / BASE_US_PER_S,
      s.n_packets[RTC_MEDIA_AUDIO] + s.n_packets[RTC_MEDIA_VIDEO],
      s.n_lost[RTC_MEDIA_AUDIO] + s.n_lost[RTC_MEDIA_VIDEO],
      s.n_repaired[RTC_MEDIA_AUDIO] + s.n_repaired[RTC_MEDIA_VIDEO], cause,
      s.n_packets[RTC_MEDIA_AUDIO], s.n_lost[RTC_MEDIA_AUDIO],
      s.n_packets[RTC_MEDIA_VIDEO], s.n_lost[RTC_MEDIA_VIDEO]);
}

static void
on_closed (WhipSession *session, RtcCloseReason reason, gpointer data)
{
  WhipEndpoint *self = data;
  const char *id = whip_session_get_id (session);
  const char *cause = rtc_close_reason_name (reason);
  Entry *entry;

  if (!self->signaling)
    return;
  entry = g_hash_table_lookup (self->entries, id);
  if (entry && entry->cause)
    cause = entry->cause;
  if (whip_session_was_connected (session))
    base_counter_set (self->publishers, --self->n_connected);
  log_end (session, cause);
  count_result (self, cause, 1);
  base_signaling_remove (self->signaling, id);
  g_hash_table_remove (self->entries, id);
}

/* --- requests ---------------------------------------------------------- */

static void
refuse_offer (SoupServerMessage *msg, const GError *error)
{
  const char *code;
  guint status = SOUP_STATUS_UNPROCESSABLE_ENTITY;

  if (error->domain == WHIP_ERROR)
    code = whip_error_code (error);
  else
    {
      code = rtc_sdp_error_code (error);
      if (error->code == RTC_SDP_ERROR_SYNTAX)
        status = SOUP_STATUS_BAD_REQUEST;
      else if (error->code == RTC_SDP_ERROR_TOO_BIG)
        status = SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE;
    }
  base_http_problem (msg, status, code, "%s", error->message);
}

/* has_room: At the limit a stream that has a publisher may have one more: OBS
 * comes back before its old session has timed out, and must not be refused. */
static gboolean
has_room (WhipEndpoint *self, const char *stream)
{
  GHashTableIter iter;
  gpointer value;
  guint n_of_stream = 0;

  if (self->config.is_closed && self->config.is_closed (self->config.data))
    return FALSE;
  if (g_hash_table_size (self->entries) < self->config.max_publishers)
    return TRUE;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (g_str_equal (whip_session_get_stream_name (((Entry *)value)->session),
                     stream))
      n_of_stream++;
  return n_of_stream == 1;
}

/* refuse_full: or sends him on */
static void
refuse_full (WhipEndpoint *self, const char *stream, SoupServerMessage *msg,
             const char *code, const char *detail)
{
  if (self->config.send_on
      && self->config.send_on (stream, msg, self->config.data))
    return;
  count_result (self, RESULT_FULL, 1);
  base_http_problem (msg, SOUP_STATUS_SERVICE_UNAVAILABLE, code, "%s", detail);
  base_http_retry_after (
      msg, (guint)g_random_int_range (1, FULL_RETRY_AFTER_MAX_S + 1));
}

/* make_session: (transfer full) */
static WhipSession *
make_session (WhipEndpoint *self, const char *id, RelayStream *stream,
              SoupServerMessage *msg, const RtcSdp *offer, RtcSdp *answer,
              const WhipPlan *plan, const RelayStreamInfo *info)
{
  static const WhipSessionCallbacks callbacks = { on_connected, on_replaced,
                                                  on_closed };
  const WhipSessionConfig config = {
    .id = id,
    .stream = stream,
    .certificate = self->config.certificate,
    .addresses = self->config.addresses,
    .mail = self->mail,
    .counters = &self->counters,
    .wills = self->config.wills,
    .ice_tcp = self->config.ice_tcp,
    .repair = self->config.repair,
    .peer_is_loopback = base_http_peer_is_loopback (msg),
  };

  return whip_session_new (&config, offer, answer, plan, info, &callbacks,
                           endpoint_ref (self), endpoint_unref);
}

static gpointer
create (const char *name, const char *id, const char *text,
        SoupServerMessage *msg, guint *ret_status, char **ret_content_type,
        char **ret_answer, gpointer data)
{
  WhipEndpoint *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) offer = rtc_sdp_parse (text, TRUE, &error);
  g_autoptr (RtcSdp) answer = NULL;
  RelayStreamInfo info;
  RelayStream *stream;
  WhipPlan plan;
  Entry *entry;

  if (offer)
    answer = whip_answer_new (offer, text, &plan, &info, &error);
  if (!answer)
    {
      GST_DEBUG ("stream=%s offer refused: %s", name, error->message);
      count_result (self, RESULT_REFUSED, 1);
      refuse_offer (msg, error);
      return NULL;
    }
  if (!has_room (self, name))
    {
      refuse_full (self, name, msg, "publisher-limit",
                   "This node has as many publishers as it may have.");
      return NULL;
    }
  stream = relay_hub_ensure (self->config.hub, name, &error);
  if (!stream)
    {
      refuse_full (self, name, msg, "stream-limit", error->message);
      return NULL;
    }
  entry = g_new0 (Entry, 1);
  entry->session = make_session (self, id, stream, msg, offer,
                                 g_steal_pointer (&answer), &plan, &info);
  g_hash_table_insert (self->entries, g_strdup (id), entry);
  *ret_answer = whip_session_dup_answer (entry->session);
  whip_session_start (entry->session);
  GST_DEBUG ("session=%s stream=%s begins",
             whip_session_get_log_id (entry->session), name);
  return entry->session;
}

static BasePatchResult
patch_fragment (gpointer session, const char *fragment, gboolean wants_restart,
                char **ret_fragment, gpointer data)
{
  return whip_session_take_fragment (session, fragment, wants_restart,
                                     ret_fragment);
}

static void
destroy (gpointer session, gpointer data)
{
  WhipEndpoint *self = data;
  Entry *entry =
      g_hash_table_lookup (self->entries, whip_session_get_id (session));

  if (entry && !entry->cause)
    entry->cause = CAUSE_DELETED;
  whip_session_close (session);
}

/* ------------------------------------------------------------------------ */

static void
register_metrics (WhipEndpoint *self)
{
  static const char *const results[] = { CAUSE_DELETED, CAUSE_REPLACED,
                                         RESULT_REFUSED, RESULT_FULL };

  if (!self->config.metrics)
    return;
  whip_counters_register (&self->counters, self->config.metrics);
  self->publishers =
      base_metrics_add_gauge (self->config.metrics, "media_tree_publishers",
                              NULL, "Publishers that are connected");
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    count_result (self, results[i], 0);
  for (guint i = RTC_CLOSE_LOCAL; i <= RTC_CLOSE_LIMIT; i++)
    count_result (self, rtc_close_reason_name ((RtcCloseReason)i), 0);
}

WhipEndpoint *
whip_endpoint_new (const WhipConfig *config)
{
  static const BaseSignalingCallbacks callbacks = {
    .create = create, .patch_fragment = patch_fragment, .destroy = destroy
  };
  WhipEndpoint *self;
  BaseSignalingConfig signaling;

  g_return_val_if_fail (config && config->hub && config->auth, NULL);
  g_return_val_if_fail (config->certificate && config->addresses, NULL);

  self = g_new0 (WhipEndpoint, 1);
  signaling = (BaseSignalingConfig){
    .prefix = PREFIX,
    .surface = BASE_AUTH_PUBLISH,
    .strict_etags = config->strict_etags,
    .ice_servers = config->ice_servers,
    /* has_room() is stricter and knows of takeovers. */
    .max_sessions = config->max_publishers * 2,
  };
  g_atomic_ref_count_init (&self->ref);
  self->config = *config;
  self->mail = base_mailbox_new (NULL);
  self->entries =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  self->signaling =
      base_signaling_new (&signaling, config->auth, &callbacks, self);
  register_metrics (self);
  return self;
}

void
whip_endpoint_free (WhipEndpoint *self)
{
  g_return_if_fail (self);
  g_clear_pointer (&self->signaling, base_signaling_free);
  g_clear_pointer (&self->entries, g_hash_table_unref);
  endpoint_unref (self);
}

void
whip_endpoint_handle (WhipEndpoint *self, SoupServerMessage *msg,
                      const char *path)
{
  g_return_if_fail (self);
  base_signaling_handle (self->signaling, msg, path);
}

void
whip_endpoint_close_stream (WhipEndpoint *self, const char *stream)
{
  g_autoptr (GPtrArray) found =
      g_ptr_array_new_with_free_func ((GDestroyNotify)whip_session_unref);
  GHashTableIter iter;
  gpointer value;

  g_return_if_fail (self);
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      WhipSession *session = ((Entry *)value)->session;

      if (whip_session_was_connected (session)
          && g_str_equal (whip_session_get_stream_name (session), stream))
        g_ptr_array_add (found, whip_session_ref (session));
    }
  for (guint i = 0; i < found->len; i++)
    replace (self, found->pdata[i]);
}

JsonNode *
whip_endpoint_describe (WhipEndpoint *self)
{
  JsonNode *root = json_node_new (JSON_NODE_ARRAY);
  JsonArray *array = json_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_return_val_if_fail (self, NULL);
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    json_array_add_element (array,
                            whip_session_describe (((Entry *)value)->session));
  json_node_take_array (root, array);
  return root;
}

guint
whip_endpoint_get_n_sessions (WhipEndpoint *self)
{
  g_return_val_if_fail (self, 0);
  return base_signaling_get_n_sessions (self->signaling);
}
