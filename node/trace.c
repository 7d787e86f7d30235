/* SPDX-License-Identifier: Apache-2.0 */
/* node/trace: see the header. */
#include "node/trace.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "node/cluster.h"
#include "node/janus.h"
#include "node/link-stats.h"
#include "node/load.h"

#define SESSIONS "/api/sessions/"
#define STREAMS "/api/streams/"
#define PATH "/path"

/* --- /api/sessions/{id} ------------------------------------------------- */

static void
handle_session (const NodeParts *parts, SoupServerMessage *msg, const char *id)
{
  JsonNode *found = NULL;
  const char *kind = "whep";
  JsonObject *object;

  if (parts->whep)
    found = egress_whep_describe_session (parts->whep, id);
  if (!found && parts->janus)
    {
      kind = "janus";
      found = node_janus_describe_session (parts->janus, id);
    }
  if (!found)
    {
      base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "session-not-found",
                         "No viewer of this node has this session.");
      return;
    }
  object = json_node_get_object (found);
  json_object_set_string_member (object, "node", parts->options->node_id);
  json_object_set_string_member (object, "kind", kind);
  base_http_json (msg, SOUP_STATUS_OK, found);
}

/* --- /api/streams/{stream}/path ------------------------------------------ */

static void
set_publication (JsonObject *object, RelayStream *stream)
{
  guint8 id[RELAY_ID_BYTES];
  g_autoptr (GString) text = g_string_new (NULL);

  if (!relay_stream_get_publication_id (stream, id))
    return;
  for (guint i = 0; i < sizeof id; i++)
    g_string_append_printf (text, "%02x", id[i]);
  json_object_set_string_member (object, "publication", text->str);
}

/* Sound comes evenly; pictures in bursts. */
static void
set_arrival (JsonObject *object, RelayStream *stream)
{
  static const char *const names[RTC_MEDIA_N_KINDS] = {
    [RTC_MEDIA_AUDIO] = "audio",
    [RTC_MEDIA_VIDEO] = "video",
  };
  static const RtcMediaKind order[] = { RTC_MEDIA_AUDIO, RTC_MEDIA_VIDEO };
  gint64 offset_us = base_clock_wall_us () - base_clock_now_us ();

  for (guint i = 0; i < G_N_ELEMENTS (order); i++)
    {
      guint32 units;
      guint clock_hz;
      JsonObject *arrival;

      if (!relay_stream_get_transit (stream, order[i], offset_us, &units,
                                     &clock_hz))
        continue;
      arrival = json_object_new ();
      json_object_set_string_member (arrival, "kind", names[order[i]]);
      json_object_set_int_member (arrival, "clock_hz", clock_hz);
      json_object_set_int_member (arrival, "transit", units);
      json_object_set_object_member (object, "arrival", arrival);
      return;
    }
}

static JsonObject *
describe_parent (const NodeParts *parts, const char *stream,
                 const RelayInletParentStats *stats)
{
  JsonObject *object = json_object_new ();
  double loss_ratio = 0, first_ratio = 0;

  node_link_stats_get_ratios (node_load_get_links (parts->load), stream,
                              stats->node, &loss_ratio, &first_ratio);
  json_object_set_string_member (object, "node", stats->node);
  json_object_set_boolean_member (object, "active", stats->is_active);
  json_object_set_boolean_member (object, "silent", stats->is_silent);
  json_object_set_double_member (object, "loss_ratio", loss_ratio);
  json_object_set_double_member (object, "first_ratio", first_ratio);
  json_object_set_int_member (object, "rtt_us", stats->rtt_us);
  json_object_set_int_member (object, "jitter_us", stats->jitter_us);
  json_object_set_int_member (object, "packets", (gint64)stats->n_packets);
  json_object_set_int_member (object, "first", (gint64)stats->n_first);
  json_object_set_int_member (object, "lost", (gint64)stats->n_lost);
  return object;
}

static void
set_parents (JsonObject *object, const NodeParts *parts, RelayStream *stream)
{
  RelayCarrier *carrier = node_cluster_get_carrier (parts->cluster);
  const char *name = relay_stream_get_name (stream);
  JsonArray *list = json_array_new ();
  RelayInletStats stats;

  json_object_set_array_member (object, "parents", list);
  if (!carrier || !relay_carrier_get_stats (carrier, name, &stats))
    return;
  json_object_set_int_member (object, "repaired", (gint64)stats.n_repaired);
  json_object_set_int_member (object, "lost", (gint64)stats.n_lost);
  json_object_set_int_member (object, "failovers", (gint64)stats.n_failovers);
  for (guint i = 0; i < MIN (stats.n_parents, RELAY_INLET_MAX_PARENTS); i++)
    json_array_add_object_element (
        list, describe_parent (parts, name, &stats.parents[i]));
}

static void
handle_path (const NodeParts *parts, SoupServerMessage *msg, const char *name)
{
  RelayStream *stream = base_carried_name_is_valid (name)
                            ? relay_hub_lookup (parts->hub, name)
                            : NULL;
  JsonNode *node;
  JsonObject *object;

  if (!stream)
    {
      base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "stream-not-here",
                         "This node does not carry such a stream.");
      return;
    }
  node = json_node_new (JSON_NODE_OBJECT);
  object = json_object_new ();
  json_object_set_string_member (object, "node", parts->options->node_id);
  json_object_set_string_member (object, "stream", name);
  json_object_set_boolean_member (object, "live",
                                  relay_stream_is_live (stream));
  json_object_set_boolean_member (object, "origin",
                                  relay_stream_is_origin (stream));
  set_publication (object, stream);
  set_arrival (object, stream);
  set_parents (object, parts, stream);
  json_node_take_object (node, object);
  base_http_json (msg, SOUP_STATUS_OK, node);
}

/* --- both ----------------------------------------------------------------- */

gboolean
node_trace_is_path (const char *path)
{
  return g_str_has_prefix (path, STREAMS) && g_str_has_suffix (path, PATH)
         && strlen (path) > strlen (STREAMS) + strlen (PATH);
}

void
node_trace_handle (const NodeParts *parts, SoupServerMessage *msg,
                   const char *path)
{
  const char *method = soup_server_message_get_method (msg);
  SoupMessageHeaders *reply = soup_server_message_get_response_headers (msg);

  if (!g_str_equal (method, "GET") && !g_str_equal (method, "HEAD"))
    {
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed", "This can only be read.");
      soup_message_headers_replace (reply, "Allow", "GET, HEAD");
      return;
    }
  if (!base_auth_require (parts->auth, BASE_AUTH_ADMIN, NULL, msg))
    return;
  soup_message_headers_replace (reply, "Cache-Control", "no-store");
  if (node_trace_is_path (path))
    {
      g_autofree char *name =
          g_strndup (path + strlen (STREAMS),
                     strlen (path) - strlen (STREAMS) - strlen (PATH));

      handle_path (parts, msg, name);
    }
  else
    handle_session (parts, msg,
                    g_str_has_prefix (path, SESSIONS) ? path + strlen (SESSIONS)
                                                      : "");
}
