/* SPDX-License-Identifier: Apache-2.0 */
/* node/state: what the program says about itself. */
#include "node/state.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "egress/recording.h"
#include "node/cluster.h"
#include "node/drain.h"
#include "node/janus.h"
#include "node/monitor.h"
#include "node/process.h"
#include "node/scaling.h"
#include "rtc/srtp.h"
#include "whip/media-input.h"

static const char *const surface_names[BASE_AUTH_N_SURFACES] = {
  [BASE_AUTH_PUBLISH] = "publish",
  [BASE_AUTH_WATCH] = "watch",
  [BASE_AUTH_ADMIN] = "admin",
  [BASE_AUTH_METRICS] = "metrics",
};

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  const NodeParts *parts = data;
  g_autofree char *build =
      g_strdup_printf ("version=\"%s\"", MEDIA_TREE_VERSION);

  base_metrics_write (writer, "media_tree_build_info", "gauge",
                      "Always 1; says which version runs.", build, 1);
  for (guint i = 0; i < BASE_AUTH_N_SURFACES; i++)
    {
      g_autofree char *label = base_metrics_label ("surface", surface_names[i]);

      base_metrics_write (writer, "media_tree_auth_refused_total", "counter",
                          "Requests refused for their token, or for its lack.",
                          label,
                          (double)base_auth_get_refused (parts->auth, i));
    }
}

static BaseCounter *
add_failures (const NodeParts *parts, const char *kind)
{
  g_autofree char *label = base_metrics_label ("kind", kind);

  return base_metrics_add_counter (
      parts->metrics, "media_tree_pipeline_failures_total", label,
      "GStreamer pipelines that ended with an error: sources of mountpoints "
      "(a camera that is away each time it is asked), recordings, snapshots.");
}

void
node_state_register_metrics (const NodeParts *parts)
{
  g_autofree char *node =
      base_metrics_label ("node_id", parts->options->node_id);
  g_autofree char *tree = base_metrics_label (
      "tree_id", base_settings_get_string (parts->settings, "tree-id"));
  g_autofree char *type =
      cluster_roles_to_node_type ((ClusterRoles)parts->options->roles);
  g_autofree char *type_label = base_metrics_label ("node_type", type);
  g_autofree char *labels =
      g_strconcat (tree, ",", node, ",", type_label, NULL);

  base_metrics_set_common_labels (parts->metrics, labels);
  base_metrics_add_collector (parts->metrics, collect, (gpointer)parts);
  node_process_register_metrics (parts->metrics, parts->started_wall_us);
  whip_media_inputs_count_failures (add_failures (parts, "input"));
  egress_recordings_count_failures (add_failures (parts, "recording"));
  egress_snapshot_count_failures (parts->snapshot,
                                  add_failures (parts, "snapshot"));
}

static void
add_node (JsonBuilder *json, const NodeParts *parts)
{
  json_builder_set_member_name (json, "version");
  json_builder_add_string_value (json, MEDIA_TREE_VERSION);
  json_builder_set_member_name (json, "node_id");
  json_builder_add_string_value (json, parts->options->node_id);
  json_builder_set_member_name (json, "tree_id");
  json_builder_add_string_value (
      json, base_settings_get_string (parts->settings, "tree-id"));
  json_builder_set_member_name (json, "uptime_s");
  json_builder_add_int_value (json, (base_clock_now_us () - parts->started_us)
                                        / BASE_US_PER_S);
  json_builder_set_member_name (json, "ready");
  json_builder_add_boolean_value (json, parts->is_ready);
  json_builder_set_member_name (json, "srtp_sealer");
  json_builder_add_string_value (json, rtc_srtp_out_get_sealer_name ());
  json_builder_set_member_name (json, "open_fds");
  json_builder_add_int_value (json, node_process_count_fds ());
}

static void
add_workers (JsonBuilder *json, const NodeParts *parts)
{
  json_builder_set_member_name (json, "workers");
  json_builder_begin_array (json);
  for (guint i = 0; i < parts->n_workers; i++)
    {
      g_autofree char *text = rtc_worker_describe (parts->workers[i]);
      JsonNode *node = text ? json_from_string (text, NULL) : NULL;

      json_builder_add_value (json,
                              node ? node : json_node_new (JSON_NODE_NULL));
    }
  json_builder_end_array (json);
}

JsonNode *
node_state_describe (const NodeParts *parts, NodeStreams *streams)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_object (json);
  add_node (json, parts);
  add_workers (json, parts);
  json_builder_set_member_name (json, "streams");
  json_builder_add_value (json, node_streams_describe (streams));
  if (parts->whip)
    {
      json_builder_set_member_name (json, "publishers");
      json_builder_add_value (json, whip_endpoint_describe (parts->whip));
    }
  json_builder_set_member_name (json, "cluster");
  json_builder_add_value (json, node_cluster_describe (parts->cluster));
  json_builder_set_member_name (json, "scaling");
  json_builder_add_value (json, node_scaling_describe (parts->scaling));
  json_builder_set_member_name (json, "rtp_inputs");
  json_builder_begin_array (json);
  for (guint i = 0; parts->rtp_inputs && i < parts->rtp_inputs->len; i++)
    json_builder_add_value (
        json, whip_rtp_input_describe (parts->rtp_inputs->pdata[i]));
  json_builder_end_array (json);
  if (parts->janus)
    {
      json_builder_set_member_name (json, "janus");
      json_builder_add_value (json, node_janus_describe (parts->janus));
    }
  if (parts->whep)
    {
      json_builder_set_member_name (json, "viewers");
      json_builder_add_value (json, egress_whep_describe (parts->whep));
    }
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

static void
handle_metrics (const NodeParts *parts, SoupServerMessage *msg)
{
  const char *accept = soup_message_headers_get_list (
      soup_server_message_get_request_headers (msg), "Accept");
  BaseMetricsFormat format = base_metrics_pick_format (accept);
  char *text;

  if (!base_auth_require (parts->auth, BASE_AUTH_METRICS, NULL, msg))
    return;
  text = base_metrics_render_as (parts->metrics, format);
  soup_server_message_set_status (msg, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (msg, base_metrics_get_content_type (format),
                                    SOUP_MEMORY_TAKE, text, strlen (text));
  soup_message_headers_append (soup_server_message_get_response_headers (msg),
                               "Vary", "Accept");
}

static void
handle_state (const NodeParts *parts, NodeStreams *streams,
              SoupServerMessage *msg)
{
  if (base_auth_require (parts->auth, BASE_AUTH_ADMIN, NULL, msg))
    base_http_json (msg, SOUP_STATUS_OK, node_state_describe (parts, streams));
}

/* for people and for scrapers: either token will do */
static void
handle_system (const NodeParts *parts, SoupServerMessage *msg)
{
  if (base_auth_check_request (parts->auth, BASE_AUTH_METRICS, NULL, msg)
          == BASE_AUTH_OK
      || base_auth_require (parts->auth, BASE_AUTH_ADMIN, NULL, msg))
    base_http_json (
        msg, SOUP_STATUS_OK,
        node_monitor_describe (parts->monitor, base_clock_now_us ()));
}

static void
handle_ready (const NodeParts *parts, SoupServerMessage *msg)
{
  if (parts->is_ready && !node_drain_is_active (parts->drain)
      && node_cluster_has_tried (parts->cluster))
    {
      base_http_text (msg, SOUP_STATUS_OK, "text/plain", "ready\n");
      return;
    }
  base_http_problem (msg, SOUP_STATUS_SERVICE_UNAVAILABLE, "not-ready",
                     "The node is starting, has not asked the store yet, "
                     "drains, or is about to stop.");
  base_http_retry_after (msg, 1);
}

gboolean
node_state_handle (const NodeParts *parts, NodeStreams *streams,
                   SoupServerMessage *msg, const char *path)
{
  static const char *const paths[] = { "/healthz",           "/readyz",
                                       "/metrics",           "/debug/state",
                                       "/monitoring/system", NULL };
  const char *method = soup_server_message_get_method (msg);
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (msg);

  if (!g_strv_contains (paths, path))
    return FALSE;
  if (!g_str_equal (method, "GET") && !g_str_equal (method, "HEAD"))
    {
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed", "This can only be read.");
      soup_message_headers_replace (headers, "Allow", "GET, HEAD");
      return TRUE;
    }
  soup_message_headers_replace (headers, "Cache-Control", "no-store");
  if (g_str_equal (path, "/healthz"))
    base_http_text (msg, SOUP_STATUS_OK, "text/plain", "ok\n");
  else if (g_str_equal (path, "/readyz"))
    handle_ready (parts, msg);
  else if (g_str_equal (path, "/metrics"))
    handle_metrics (parts, msg);
  else if (g_str_equal (path, "/monitoring/system"))
    handle_system (parts, msg);
  else
    handle_state (parts, streams, msg);
  return TRUE;
}
