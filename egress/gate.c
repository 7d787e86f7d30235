/* SPDX-License-Identifier: Apache-2.0 */
/* EgressGate: see gate.h. */
#include "egress/gate.h"

#include "base/clock.h"

G_DEFINE_QUARK (egress - gate - error - quark, egress_gate_error)

typedef enum
{
  REFUSED_FULL,
  REFUSED_NOT_LIVE,
  REFUSED_N_REASONS
} Refusal;

struct _EgressGate
{
  RelayHub *hub; /* borrowed */
  guint max_viewers;
  EgressGateHooks hooks;
  GHashTable *n_connected_by; /* owned: RelayStream (borrowed from a viewer) ->
                                 connected viewers, none with 0 */
  guint n_connected;
  BaseCounter *joins, *refused[REFUSED_N_REASONS]; /* borrowed */
  BaseCounter *active, *failures;
  BaseHistogram *join_seconds;
  EgressGateTotals totals;
};

const char *
egress_gate_error_code (const GError *error)
{
  static const char *const codes[] = {
    [EGRESS_GATE_ERROR_NOT_LIVE] = "stream-not-live",
    [EGRESS_GATE_ERROR_FULL] = "server-full",
    [EGRESS_GATE_ERROR_CANNOT] = "stream-limit",
  };

  g_return_val_if_fail (error->domain == EGRESS_GATE_ERROR && error->code >= 0
                            && error->code < (int)G_N_ELEMENTS (codes),
                        "server-full");
  return codes[error->code];
}

static void
count_refusal (EgressGate *self, EgressGateError code)
{
  Refusal reason =
      code == EGRESS_GATE_ERROR_NOT_LIVE ? REFUSED_NOT_LIVE : REFUSED_FULL;

  if (reason == REFUSED_FULL)
    self->totals.n_refused++;
  base_counter_add (self->refused[reason], 1);
}

gboolean
egress_gate_check (EgressGate *self, RelayStream *stream, GError **error)
{
  const char *text = NULL;

  if (self->totals.n_viewers >= self->max_viewers)
    text = "This server has as many viewers as it may have.";
  else if (stream && self->hooks.has_room
           && !self->hooks.has_room (stream, self->hooks.data))
    text = "This server takes no more viewers now: it sends as much as it may, "
           "or it is about to go.";
  if (!text)
    return TRUE;
  count_refusal (self, EGRESS_GATE_ERROR_FULL);
  g_set_error_literal (error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_FULL, text);
  return FALSE;
}

RelayStream *
egress_gate_find (EgressGate *self, const char *name, GError **error)
{
  g_autoptr (GError) why = NULL;
  RelayStreamInfo info;
  RelayStream *stream =
      self->hooks.want_stream
          ? self->hooks.want_stream (name, &why, self->hooks.data)
          : relay_hub_lookup (self->hub, name);

  if (stream && relay_stream_is_live (stream)
      && relay_stream_get_info (stream, &info))
    return stream;
  if (!stream && why
      && !g_error_matches (why, RELAY_ERROR, RELAY_ERROR_UNKNOWN))
    g_set_error_literal (error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_CANNOT,
                         why->message);
  else
    g_set_error (error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_NOT_LIVE,
                 "Nobody publishes \"%s\" now; try again later.", name);
  return NULL;
}

RelayStream *
egress_gate_want (EgressGate *self, const char *name, GError **error)
{
  g_autoptr (GError) why = NULL;
  RelayStream *stream;

  /* nothing is fetched for one who cannot stay */
  if (!egress_gate_check (self, NULL, error))
    return NULL;
  stream = egress_gate_find (self, name, &why);
  if (!stream)
    {
      count_refusal (self, (EgressGateError)why->code);
      g_propagate_error (error, g_steal_pointer (&why));
      return NULL;
    }
  return egress_gate_check (self, stream, error) ? stream : NULL;
}

gboolean
egress_gate_send_on (EgressGate *self, const char *name, SoupServerMessage *msg)
{
  if (!self->hooks.send_on
      || !self->hooks.send_on (name, msg, self->hooks.data))
    return FALSE;
  self->totals.n_refused--;
  base_counter_add (self->refused[REFUSED_FULL], -1);
  return TRUE;
}

/* --- a viewer's way -------------------------------------------------------
 */

void
egress_gate_enter (EgressGate *self, RelayStream *stream)
{
  self->totals.n_viewers++;
  self->totals.n_joins++;
  base_counter_set (self->active, self->totals.n_viewers);
  if (self->hooks.on_joined)
    self->hooks.on_joined (stream, self->hooks.data);
}

void
egress_gate_join (EgressGate *self)
{
  base_counter_add (self->joins, 1);
}

static void
add_connected (EgressGate *self, RelayStream *stream, int n)
{
  guint count = egress_gate_count (self, stream) + (guint)n;

  self->n_connected += (guint)n;
  if (count == 0)
    g_hash_table_remove (self->n_connected_by, stream);
  else
    g_hash_table_insert (self->n_connected_by, stream,
                         GUINT_TO_POINTER (count));
}

void
egress_gate_connect (EgressGate *self, RelayStream *stream, gint64 join_us)
{
  add_connected (self, stream, 1);
  if (join_us >= 0)
    base_histogram_observe (self->join_seconds,
                            (double)join_us / BASE_US_PER_S);
  else if (self->hooks.on_joined)
    self->hooks.on_joined (stream, self->hooks.data);
}

void
egress_gate_disconnect (EgressGate *self, RelayStream *stream)
{
  add_connected (self, stream, -1);
}

void
egress_gate_leave (EgressGate *self)
{
  self->totals.n_viewers--;
  self->totals.n_leaves++;
  base_counter_set (self->active, self->totals.n_viewers);
}

void
egress_gate_miss (EgressGate *self, RtcCloseReason reason)
{
  if (reason != RTC_CLOSE_ICE_TIMEOUT && reason != RTC_CLOSE_DTLS_FAILED
      && reason != RTC_CLOSE_LIMIT)
    return; /* what the viewer wanted, or got wrong */
  self->totals.n_failures++;
  base_counter_add (self->failures, 1);
}

/* --- how many -------------------------------------------------------------
 */

guint
egress_gate_count (EgressGate *self, RelayStream *stream)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->n_connected_by, stream));
}

guint
egress_gate_get_n_viewers (EgressGate *self, const char *stream)
{
  RelayStream *found = stream ? relay_hub_lookup (self->hub, stream) : NULL;

  if (!stream)
    return self->n_connected;
  return found ? egress_gate_count (self, found) : 0;
}

void
egress_gate_get_totals (EgressGate *self, EgressGateTotals *ret)
{
  *ret = self->totals;
  ret->max_viewers = self->max_viewers;
}

/* One sample a stream: the hub bounds their number. */
static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  EgressGate *self = data;
  g_autoptr (GPtrArray) streams = relay_hub_list (self->hub);
  BaseMetricsGroup *viewers = NULL;

  for (guint i = 0; i < streams->len; i++)
    {
      RelayStream *stream = streams->pdata[i];
      g_autofree char *label =
          base_metrics_label ("stream", relay_stream_get_name (stream));

      if (!viewers)
        viewers = base_metrics_open (writer, "media_tree_viewers", "gauge",
                                     "Viewers connected now.");
      base_metrics_put (viewers, label, egress_gate_count (self, stream));
    }
}

static void
register_metrics (EgressGate *self, BaseMetrics *metrics)
{
  static const char *const reasons[REFUSED_N_REASONS] = {
    [REFUSED_FULL] = "full", [REFUSED_NOT_LIVE] = "not-live"
  };
  static const double bounds[] = {
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10
  };

  self->joins = base_metrics_add_counter (metrics, "media_tree_joins_total",
                                          NULL, "Viewers let in.");
  for (guint i = 0; i < REFUSED_N_REASONS; i++)
    {
      g_autofree char *label = base_metrics_label ("reason", reasons[i]);

      self->refused[i] =
          base_metrics_add_counter (metrics, "media_tree_joins_refused_total",
                                    label, EGRESS_GATE_REFUSED_HELP);
    }
  self->failures = base_metrics_add_counter (
      metrics, "media_tree_join_failures_total", NULL,
      "Viewers who were let in and whose connection did not come about.");
  self->active = base_metrics_add_gauge (
      metrics, "media_tree_active_sessions", NULL,
      "Viewer sessions, those that are still connecting included.");
  self->join_seconds = base_metrics_add_histogram (
      metrics, "media_tree_join_seconds", NULL,
      "From a viewer's POST to its connection.", bounds, G_N_ELEMENTS (bounds));
  base_metrics_add_collector (metrics, collect, self);
}

EgressGate *
egress_gate_new (RelayHub *hub, guint max_viewers, const EgressGateHooks *hooks,
                 BaseMetrics *metrics)
{
  EgressGate *self = g_new0 (EgressGate, 1);

  self->hub = hub;
  self->max_viewers = max_viewers;
  self->hooks = *hooks;
  self->n_connected_by = g_hash_table_new (NULL, NULL);
  if (metrics)
    register_metrics (self, metrics);
  return self;
}

void
egress_gate_free (EgressGate *self)
{
  if (!self)
    return;
  g_hash_table_unref (self->n_connected_by);
  g_free (self);
}
