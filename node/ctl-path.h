/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-path: the way of one viewer's media, made of what the nodes on it
 * say: hops from the origin down, with loss, RTT, jitter and latency.
 *   A hop's latency is, in this order:
 *   "arrival": the same packets' arrival at both ends (relay/transit.h), on the
 *     clock of the machine, or on those of two machines as long as it is no
 *     less than nothing and no more than the RTT allows: clocks that are not
 *     synchronised show nothing. Only for the parent that delivers first: what
 *     arrives at the child is his;
 *   "half_rtt": half of what a question and its answer take.
 * Thread: any. Pure.
 */
#pragma once

#include <json-glib/json-glib.h>

#define NODE_CTL_MAX_DEPTH 8 /* as links have it: RELAY_LINK_MAX_PATH */
#define NODE_CTL_MAX_PATH_NODES 64

/* node_ctl_path_next: (transfer container) (element-type utf8): who feeds those
 * of @paths, and is not in it yet. The names live as long as @paths.
 * @paths: node id (utf8) -> JsonObject of /api/streams/{stream}/path */
GPtrArray *node_ctl_path_next (GHashTable *paths);

/* node_ctl_path_make: {"session", "node", "stream", "path": [node…], "hops":
 * [{"from", "to", "state", "first", "loss_ratio", …}], "complete": the origin
 * is on it, "latency_us" from the first node to "latency_to"} (transfer full).
 * @session: of /api/sessions/{id}
 * @nodes: of /api/nodes: on which machines they are */
JsonObject *node_ctl_path_make (JsonObject *session, GHashTable *paths,
                                JsonArray *nodes);

/* @trace: as made, for people (transfer full) */
char *node_ctl_path_text (JsonObject *trace);
