/* SPDX-License-Identifier: Apache-2.0 */
/* node/doors: see doors.h. */
#include "node/doors.h"

#include "node/admission.h"
#include "node/janus.h"

static void
build_whip (NodeParts *parts)
{
  BaseSettings *settings = parts->settings;
  WhipConfig config = {
    .hub = parts->hub,
    .auth = parts->auth,
    .metrics = parts->metrics,
    .certificate = parts->certificate,
    .addresses = parts->addresses,
    .ice_servers = base_settings_get_list (settings, "ice-servers"),
    .ice_tcp = base_settings_get_bool (settings, "ice-tcp"),
    .strict_etags = base_settings_get_bool (settings, "strict-etags"),
    .repair = base_settings_get_bool (settings, "repair"),
    .max_publishers = (guint)base_settings_get_int (settings, "max-publishers"),
    .wills = parts->wills,
    .is_closed = node_admission_is_closed,
    .send_on = node_admission_send_publisher_on,
    .data = parts->admission,
  };

  parts->whip = whip_endpoint_new (&config);
}

static void
build_gate (NodeParts *parts)
{
  BaseSettings *settings = parts->settings;
  EgressGateHooks hooks;

  node_admission_fill_hooks (parts->admission, &hooks);
  parts->gate = egress_gate_new (
      parts->hub,
      parts->options->roles & NODE_ROLE_EGRESS
          ? (guint)base_settings_get_int (settings, "max-viewers")
          : 0,
      &hooks, parts->metrics);
  egress_viewer_register_metrics (parts->metrics);
}

static void
fill_peer_config (const NodeParts *parts, EgressPeerConfig *ret)
{
  BaseSettings *settings = parts->settings;

  *ret = (EgressPeerConfig){
    .gate = parts->gate,
    .hub = parts->hub,
    .certificate = parts->certificate,
    .addresses = parts->addresses,
    .ice_tcp = base_settings_get_bool (settings, "ice-tcp"),
    .repair = base_settings_get_bool (settings, "repair"),
    .join_rate_bps = base_settings_get_int (settings, "join-rate"),
    .playout_delay_min_ms = parts->options->playout_delay_min_ms,
    .playout_delay_max_ms = parts->options->playout_delay_max_ms,
  };
}

static void
build_whep (NodeParts *parts)
{
  BaseSettings *settings = parts->settings;
  EgressWhepConfig config = {
    .auth = parts->auth,
    .metrics = parts->metrics,
    .ice_servers = base_settings_get_list (settings, "ice-servers"),
    .strict_etags = base_settings_get_bool (settings, "strict-etags"),
  };

  fill_peer_config (parts, &config.peer);
  parts->whep = egress_whep_new (&config);
}

static void
build_janus (NodeParts *parts)
{
  EgressPeerConfig peer;

  fill_peer_config (parts, &peer);
  parts->janus = node_janus_new (parts, &peer);
}

void
node_doors_open (NodeParts *parts)
{
  if (parts->options->roles & NODE_ROLE_INJECTION)
    build_whip (parts);
  if (parts->options->roles & (NODE_ROLE_EGRESS | NODE_ROLE_INJECTION))
    {
      build_gate (parts);
      build_janus (parts);
    }
  if (parts->options->roles & NODE_ROLE_EGRESS)
    build_whep (parts);
}
