/* SPDX-License-Identifier: Apache-2.0 */
/* NodeAdmission: see admission.h. */
#include "node/admission.h"

#include "base/clock.h"
#include "base/http.h"
#include "base/redirect.h"
#include "node/cluster.h"
#include "node/drain.h"
#include "node/janus.h"
#include "node/load.h"
#include "node/log.h"
#include "node/scaling.h"

#define FULL_RETRY_AFTER_MAX_S 5
#define NOT_LIVE_RETRY_AFTER_S 2

typedef struct
{
  NodeAdmission *self;
  BaseAuthSurface surface;
  BaseSignaling *signaling; /* owned (nullable): when the role is missing */
  BaseCounter *sent_on;     /* borrowed */
} Surface;

struct _NodeAdmission
{
  const NodeParts *parts; /* borrowed */
  BaseRedirect *redirect; /* owned (nullable): alone */
  Surface publish, watch;
  BaseCounter *refused_full; /* borrowed: shared with egress */
};

static Surface *
find_surface (NodeAdmission *self, BaseAuthSurface surface)
{
  return surface == BASE_AUTH_PUBLISH ? &self->publish : &self->watch;
}

/* --- whereto ------------------------------------------------------------- */

/* find_origin: (transfer none) (nullable): where @stream is published now,
 * when one more publisher can be there. A dead node stays in the directory for
 * some seconds; when we carry the stream its silence is known at once. */
static const ClusterPeer *
find_origin (NodeAdmission *self, const char *stream)
{
  ClusterMember *member = node_cluster_get_member (self->parts->cluster);
  const ClusterStream *known = cluster_member_find_stream (member, stream);
  const ClusterPeer *origin =
      known && known->origin ? cluster_member_find_peer (member, known->origin)
                             : NULL;
  RelayStream *here = relay_hub_lookup (self->parts->hub, stream);

  if (!origin || !origin->is_alive || origin->load.is_draining
      || origin->load.n_publishers >= origin->load.max_publishers
      || g_str_equal (origin->node.node_id, self->parts->options->node_id)
      || (here && !relay_stream_is_live (here)))
    return NULL;
  return origin;
}

static ClusterRoles
find_role (BaseAuthSurface surface)
{
  return surface == BASE_AUTH_PUBLISH ? CLUSTER_ROLE_INJECTION
                                      : CLUSTER_ROLE_EGRESS;
}

static const ClusterPeer *
find_target (NodeAdmission *self, BaseAuthSurface surface, const char *stream)
{
  ClusterMember *member = node_cluster_get_member (self->parts->cluster);
  const ClusterPeer *target = NULL;

  if (surface == BASE_AUTH_PUBLISH)
    target = find_origin (self, stream);
  if (!target)
    target = cluster_member_pick_peer (member, find_role (surface));
  return target && target->node.url && *target->node.url ? target : NULL;
}

/* dup_location: @pin: (nullable) escaped */
static char *
dup_location (const ClusterPeer *target, BaseAuthSurface surface,
              const char *stream, const char *token, const char *pin)
{
  return g_strdup_printf ("%s/%s/%s?" BASE_REDIRECT_PARAMETER "=%s%s%s",
                          target->node.url,
                          surface == BASE_AUTH_PUBLISH ? "whip" : "whep",
                          stream, token, pin ? "&pin=" : "", pin ? pin : "");
}

char *
node_admission_dup_target (NodeAdmission *self, BaseAuthSurface surface,
                           const char *stream)
{
  const ClusterPeer *target =
      self->redirect ? find_target (self, surface, stream) : NULL;
  g_autofree char *token = NULL;

  if (!target)
    return NULL;
  cluster_member_count_sent (node_cluster_get_member (self->parts->cluster),
                             target);
  token = base_redirect_seal (self->redirect, surface, stream, 1,
                              base_clock_wall_us ());
  return dup_location (target, surface, stream, token, NULL);
}

guint
node_admission_count_free (NodeAdmission *self, BaseAuthSurface surface)
{
  return cluster_member_count_free (
      node_cluster_get_member (self->parts->cluster), find_role (surface));
}

gboolean
node_admission_send_on (NodeAdmission *self, BaseAuthSurface surface,
                        const char *stream, SoupServerMessage *msg)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (msg);
  const ClusterPeer *target;
  g_autofree char *token = NULL, *location = NULL;
  g_autofree char *pin = NULL, *escaped = NULL;

  if (!self->redirect)
    return FALSE;
  target =
      base_http_get_hop (msg) == 0 ? find_target (self, surface, stream) : NULL;
  if (!target)
    {
      cluster_member_look_again (
          node_cluster_get_member (self->parts->cluster));
      return FALSE;
    }
  token = base_redirect_seal (self->redirect, surface, stream, 1,
                              base_clock_wall_us ());
  if (surface == BASE_AUTH_WATCH)
    pin = node_janus_dup_pin (self->parts->janus, stream, msg);
  escaped = pin ? g_uri_escape_string (pin, NULL, FALSE) : NULL;
  location = dup_location (target, surface, stream, token, escaped);
  base_http_empty (msg, SOUP_STATUS_TEMPORARY_REDIRECT);
  base_http_cors (msg);
  soup_message_headers_replace (headers, "Location", location);
  soup_message_headers_replace (headers, "Cache-Control", "no-store");
  base_counter_add (find_surface (self, surface)->sent_on, 1);
  cluster_member_count_sent (node_cluster_get_member (self->parts->cluster),
                             target);
  GST_INFO ("session=%.*s stream=%s to=%s is sent on: a %s",
            BASE_HTTP_LOG_ID_CHARS, token, stream, target->node.node_id,
            surface == BASE_AUTH_PUBLISH ? "publisher" : "viewer");
  return TRUE;
}

gboolean
node_admission_is_closed (gpointer data)
{
  NodeAdmission *self = data;

  return node_drain_is_active (self->parts->drain)
         || node_scaling_is_warm (self->parts->scaling);
}

gboolean
node_admission_send_publisher_on (const char *stream, SoupServerMessage *msg,
                                  gpointer data)
{
  return node_admission_send_on (data, BASE_AUTH_PUBLISH, stream, msg);
}

/* --- what egress asks ----------------------------------------------------- */

static RelayStream *
want_stream (const char *name, GError **error, gpointer data)
{
  NodeAdmission *self = data;

  return node_cluster_want_stream (self->parts->cluster, name, error);
}

static gboolean
has_room (RelayStream *stream, gpointer data)
{
  NodeAdmission *self = data;

  return !node_admission_is_closed (self)
         && node_load_has_room (self->parts->load, stream);
}

static void
on_joined (RelayStream *stream, gpointer data)
{
  NodeAdmission *self = data;

  node_load_add_viewer (self->parts->load, stream);
}

static gboolean
send_viewer_on (const char *stream, SoupServerMessage *msg, gpointer data)
{
  return node_admission_send_on (data, BASE_AUTH_WATCH, stream, msg);
}

void
node_admission_fill_hooks (NodeAdmission *self, EgressGateHooks *ret)
{
  *ret = (EgressGateHooks){ .want_stream = want_stream,
                            .has_room = has_room,
                            .on_joined = on_joined,
                            .send_on = send_viewer_on,
                            .data = self };
}

/* --- a surface without its role --------------------------------------------
 */

static void
refuse (Surface *surface, const char *stream, SoupServerMessage *msg)
{
  NodeAdmission *self = surface->self;
  ClusterMember *member = node_cluster_get_member (self->parts->cluster);

  if (surface->surface == BASE_AUTH_WATCH
      && !cluster_member_find_stream (member, stream))
    {
      base_http_problem (msg, SOUP_STATUS_CONFLICT, "stream-not-live",
                         "Nobody publishes \"%s\" now; try again later.",
                         stream);
      base_http_retry_after (msg, NOT_LIVE_RETRY_AFTER_S);
      return;
    }
  if (surface->surface == BASE_AUTH_WATCH)
    base_counter_add (self->refused_full, 1);
  base_http_problem (msg, SOUP_STATUS_SERVICE_UNAVAILABLE, "no-node",
                     "This node does not take %s, and knows of no other that "
                     "has room for one more.",
                     surface->surface == BASE_AUTH_PUBLISH ? "publishers"
                                                           : "viewers");
  base_http_retry_after (
      msg, (guint)g_random_int_range (1, FULL_RETRY_AFTER_MAX_S + 1));
}

static gpointer
on_create (const char *stream, const char *id, const char *offer,
           SoupServerMessage *msg, guint *ret_status, char **ret_content_type,
           char **ret_answer, gpointer data)
{
  Surface *surface = data;

  if (!node_admission_send_on (surface->self, surface->surface, stream, msg))
    refuse (surface, stream, msg);
  return NULL;
}

/* there never is a session */
static BasePatchResult
on_patch (gpointer session, const char *fragment, gboolean wants_restart,
          char **ret_fragment, gpointer data)
{
  return BASE_PATCH_MALFORMED;
}

static void
on_destroy (gpointer session, gpointer data)
{
}

gboolean
node_admission_handle (NodeAdmission *self, BaseAuthSurface surface,
                       SoupServerMessage *msg, const char *path)
{
  BaseSignaling *signaling = find_surface (self, surface)->signaling;

  if (!signaling)
    return FALSE;
  base_signaling_handle (signaling, msg, path);
  return TRUE;
}

/* --- life -------------------------------------------------------------------
 */

static void
init_surface (NodeAdmission *self, Surface *surface, BaseAuthSurface which,
              gboolean has_role)
{
  static const BaseSignalingCallbacks callbacks = { .create = on_create,
                                                    .patch_fragment = on_patch,
                                                    .destroy = on_destroy };
  gboolean is_publish = which == BASE_AUTH_PUBLISH;
  BaseSignalingConfig config = { .prefix = is_publish ? "/whip" : "/whep",
                                 .surface = which,
                                 .max_sessions = 1 };
  g_autofree char *label =
      base_metrics_label ("action", is_publish ? "publish" : "watch");

  surface->self = self;
  surface->surface = which;
  surface->sent_on = base_metrics_add_counter (
      self->parts->metrics, "media_tree_redirects_total", label,
      "Clients that were sent on to another node (307).");
  if (self->redirect && !has_role)
    surface->signaling =
        base_signaling_new (&config, self->parts->auth, &callbacks, surface);
}

NodeAdmission *
node_admission_new (const NodeParts *parts)
{
  NodeAdmission *self = g_new0 (NodeAdmission, 1);

  self->parts = parts;
  if (parts->options->has_cluster)
    self->redirect = base_redirect_new (
        base_settings_get_string (parts->settings, "cluster-secret"));
  base_auth_set_redirect (parts->auth, self->redirect);
  init_surface (self, &self->publish, BASE_AUTH_PUBLISH,
                parts->options->roles & NODE_ROLE_INJECTION);
  init_surface (self, &self->watch, BASE_AUTH_WATCH,
                parts->options->roles & NODE_ROLE_EGRESS);
  self->refused_full = base_metrics_add_counter (
      parts->metrics, "media_tree_joins_refused_total", "reason=\"full\"",
      EGRESS_GATE_REFUSED_HELP);
  return self;
}

void
node_admission_free (NodeAdmission *self)
{
  if (!self)
    return;
  base_auth_set_redirect (self->parts->auth, NULL);
  g_clear_pointer (&self->publish.signaling, base_signaling_free);
  g_clear_pointer (&self->watch.signaling, base_signaling_free);
  g_clear_pointer (&self->redirect, base_redirect_free);
  g_free (self);
}
