/* SPDX-License-Identifier: Apache-2.0 */
/* NodeCluster: see cluster.h. What streams do is in cluster-streams.c. */
#include "node/cluster-private.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "node/load.h"
#include "node/log.h"
#include "node/metrics-role.h"
#include "node/scaling.h"
#include "node/settings-cluster.h"

#define TICK_INTERVAL_MS 1000
#define MACHINE_ID_PATH "/proc/sys/kernel/random/boot_id"
#define MACHINE_ID_CHARS 13 /* of it: "8-4" */

G_DEFINE_QUARK (node - cluster - error - quark, node_cluster_error)

/* --- Addresses ----------------------------------------------------------- */

/* parse_address: "1.2.3.4:567", "[::1]:567" */
gboolean
node_cluster_parse_address (const char *text, RtcAddr *ret)
{
  const char *colon = text ? strrchr (text, ':') : NULL;
  g_autofree char *ip = NULL;
  guint64 port;
  gsize n_chars;

  if (!colon
      || !g_ascii_string_to_unsigned (colon + 1, 10, 1, 65535, &port, NULL))
    return FALSE;
  ip = g_strndup (text, (gsize)(colon - text));
  n_chars = strlen (ip);
  if (n_chars > 2 && ip[0] == '[' && ip[n_chars - 1] == ']')
    {
      ip[n_chars - 1] = '\0';
      return rtc_addr_from_string (ip + 1, (guint)port, ret);
    }
  return rtc_addr_from_string (ip, (guint)port, ret);
}

/* is_ours: an address of this host; not one of a 1:1 NAT before it */
static gboolean
is_ours (GInetAddress *address)
{
  g_autoptr (GSocket) socket =
      g_socket_new (g_inet_address_get_family (address), G_SOCKET_TYPE_DATAGRAM,
                    G_SOCKET_PROTOCOL_UDP, NULL);
  g_autoptr (GSocketAddress) any_port = g_inet_socket_address_new (address, 0);

  return socket && g_socket_bind (socket, any_port, FALSE, NULL);
}

/* get_bind_address: ours; or any, behind a NAT */
static gboolean
get_bind_address (const char *text, guint port, RtcAddr *ret)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (text);
  g_autoptr (GInetAddress) any = NULL;
  g_autofree char *any_text = NULL;

  if (!address)
    return FALSE;
  if (is_ours (address))
    return rtc_addr_from_string (text, port, ret);
  any = g_inet_address_new_any (g_inet_address_get_family (address));
  any_text = g_inet_address_to_string (any);
  return rtc_addr_from_string (any_text, port, ret);
}

/* dup_machine: (transfer full): two containers on one machine share it */
static char *
dup_machine (void)
{
  g_autofree char *text = NULL;

  if (g_file_get_contents (MACHINE_ID_PATH, &text, NULL, NULL)
      && strlen (text) >= MACHINE_ID_CHARS)
    return g_strndup (text, MACHINE_ID_CHARS);
  return g_strndup (g_get_host_name (), CLUSTER_NAME_MAX_CHARS);
}

char *
node_cluster_dup_hex (const guint8 id[RELAY_ID_BYTES])
{
  GString *text = g_string_sized_new (CLUSTER_ID_CHARS + 1);

  for (guint i = 0; i < RELAY_ID_BYTES; i++)
    g_string_append_printf (text, "%02x", id[i]);
  return g_string_free (text, FALSE);
}

gboolean
node_cluster_parse_hex (const char *text, guint8 ret[RELAY_ID_BYTES])
{
  if (!text || strlen (text) != CLUSTER_ID_CHARS)
    return FALSE;
  for (guint i = 0; i < RELAY_ID_BYTES; i++)
    {
      int high = g_ascii_xdigit_value (text[2 * i]);
      int low = g_ascii_xdigit_value (text[2 * i + 1]);

      if (high < 0 || low < 0)
        return FALSE;
      ret[i] = (guint8)(high << 4 | low);
    }
  return TRUE;
}

/* --- What the member asks and tells ----------------------------------------
 */

static void
add_parent (GArray *parents, const ClusterPeer *peer)
{
  RelayLinkParent parent = { 0 };

  if (!node_cluster_parse_address (peer->node.link_address, &parent.address))
    return;
  g_strlcpy (parent.node, peer->node.node_id, sizeof parent.node);
  g_array_append_val (parents, parent);
}

static void
on_parents_changed (gpointer data)
{
  NodeCluster *self = data;
  g_autoptr (GArray) parents =
      g_array_new (FALSE, FALSE, sizeof (RelayLinkParent));
  guint n_ours = 0, n_active = 0;
  GPtrArray *peers = cluster_member_get_parents (self->member, &n_ours);

  for (guint i = 0; i < peers->len && i < RELAY_INLET_MAX_PARENTS; i++)
    {
      add_parent (parents, peers->pdata[i]);
      if (i < n_ours)
        n_active = parents->len;
    }
  if (self->carrier)
    relay_carrier_set_parents (self->carrier,
                               (const RelayLinkParent *)parents->data,
                               parents->len, n_active);
}

static gboolean
is_parent_silent (const char *node_id, gpointer data)
{
  NodeCluster *self = data;

  return !self->carrier
         || relay_carrier_is_parent_silent (self->carrier, node_id);
}

static void
fill_load (ClusterLoad *load, gpointer data)
{
  NodeCluster *self = data;

  node_load_fill (self->parts->load, load);
}

static void
on_id_taken (gpointer data)
{
  NodeCluster *self = data;

  self->is_id_taken = TRUE;
  self->on_id_taken (self->data);
}

/* --- Making ------------------------------------------------------------- */

static RelayLinkKeys *
make_keys (NodeCluster *self)
{
  return relay_link_keys_new (
      base_settings_get_string (self->parts->settings, "cluster-secret"),
      self->boot_id);
}

static gboolean
make_links (NodeCluster *self, const RtcAddr *address, GError **error)
{
  const NodeParts *parts = self->parts;
  g_autoptr (GError) reason = NULL;
  RelayLinkServerConfig config = {
    .hub = parts->hub,
    .workers = parts->workers,
    .n_workers = parts->n_workers,
    .keys = self->keys,
    .metrics = parts->metrics,
    .node_id = parts->options->node_id,
    .address = *address,
    .max_children =
        2 * (guint)base_settings_get_int (parts->settings, "max-children"),
    .on_stream_wanted = node_cluster_on_stream_wanted,
    .data = self,
  };

  self->links = relay_link_server_new (&config, &reason);
  if (self->links)
    return TRUE;
  g_set_error (error, NODE_CLUSTER_ERROR, NODE_CLUSTER_ERROR_PORT,
               "cannot open the port for other nodes: %s; choose another with "
               "--relay-port",
               reason->message);
  return FALSE;
}

static void
make_carrier (NodeCluster *self, const RtcAddr *address)
{
  const NodeParts *parts = self->parts;
  RelayCarrierConfig config = {
    .hub = parts->hub,
    .keys = self->keys,
    .ports = self->ports,
    .metrics = parts->metrics,
    .node_id = parts->options->node_id,
    .address = *address,
    .repair = base_settings_get_bool (parts->settings, "repair"),
    .linger_us = RELAY_CARRIER_LINGER_US,
  };

  self->carrier = relay_carrier_new (&config);
}

static gboolean
make_store (NodeCluster *self, GError **error)
{
  BaseSettings *settings = self->parts->settings;
  const char *tree_id = base_settings_get_string (settings, "tree-id");
  g_autoptr (GError) reason = NULL;

  if (!self->parts->options->has_cluster)
    {
      self->store = cluster_store_new_memory (tree_id);
      return TRUE;
    }
  self->store = cluster_store_new_redis (
      base_settings_get_string (settings, "redis-url"),
      base_settings_get_string (settings, "redis-prefix"), tree_id, &reason);
  if (self->store)
    return TRUE;
  g_set_error (error, NODE_CLUSTER_ERROR, NODE_CLUSTER_ERROR_URL,
               "redis-url: %s", reason->message);
  return FALSE;
}

/* make_tree: what only a node with others has */
static gboolean
make_tree (NodeCluster *self, GError **error)
{
  const NodeParts *parts = self->parts;
  guint port = (guint)base_settings_get_int (parts->settings, "relay-port");
  RtcAddr address, any_port;

  if (parts->n_workers == 0)
    {
      /* no links; only others' way to our HTTP */
      self->address = node_settings_dup_cluster_address (
          parts->options, parts->settings, parts->addresses, &self->told_port,
          NULL);
      return TRUE;
    }
  self->address = node_settings_dup_cluster_address (
      parts->options, parts->settings, parts->addresses, &self->told_port,
      error);
  if (!self->address)
    return FALSE;
  if (!get_bind_address (self->address, port, &address)
      || !get_bind_address (self->address, 0, &any_port))
    {
      g_set_error (error, NODE_CLUSTER_ERROR, NODE_CLUSTER_ERROR_ADDRESS,
                   "cluster-address: \"%s\" is no IP address", self->address);
      return FALSE;
    }
  self->keys = make_keys (self);
  if (!make_links (self, &address, error))
    return FALSE;
  make_carrier (self, &any_port);
  return TRUE;
}

static void
set_boot_hex (NodeCluster *self)
{
  g_autofree char *text = node_cluster_dup_hex (self->boot_id);

  g_strlcpy (self->boot_hex, text, sizeof self->boot_hex);
}

NodeCluster *
node_cluster_new (const NodeClusterConfig *config, GError **error)
{
  g_autoptr (NodeCluster) self = g_new0 (NodeCluster, 1);
  const NodeParts *parts = config->parts;

  self->parts = parts;
  self->on_id_taken = config->on_id_taken;
  self->data = config->data;
  if (getrandom (self->boot_id, sizeof self->boot_id, 0)
      != sizeof self->boot_id)
    g_error ("The kernel gives no random bytes");
  set_boot_hex (self);
  self->ports =
      relay_port_pool_new (parts->options->rtp_port_first,
                           parts->options->rtp_port_last, parts->metrics);
  node_cluster_init_streams (self);
  if (!make_store (self, error)
      || (parts->options->has_cluster && !make_tree (self, error)))
    return NULL;
  return g_steal_pointer (&self);
}

static gboolean
on_tick (gpointer data)
{
  NodeCluster *self = data;

  node_load_sample (self->parts->load, base_clock_now_us ());
  node_cluster_find_origins (self);
  node_cluster_release_taken (self);
  return G_SOURCE_CONTINUE;
}

static ClusterRoles
cluster_roles (NodeRoles roles)
{
  return (roles & NODE_ROLE_INJECTION ? CLUSTER_ROLE_INJECTION : 0)
         | (roles & NODE_ROLE_RELAY ? CLUSTER_ROLE_RELAY : 0)
         | (roles & NODE_ROLE_EGRESS ? CLUSTER_ROLE_EGRESS : 0)
         | (roles & NODE_ROLE_METRICS ? CLUSTER_ROLE_METRICS : 0);
}

/* dup_link_address: (transfer full) (nullable) */
static char *
dup_link_address (NodeCluster *self)
{
  RtcAddr address;
  guint port = self->told_port;

  if (port == 0 && self->links)
    port = relay_link_server_get_port (self->links);
  return self->links && rtc_addr_from_string (self->address, port, &address)
             ? rtc_addr_to_string (&address)
             : NULL;
}

/* dup_url: (transfer full): where others shall send clients: --public-url; a
 * server that listens everywhere has no address of its own: the cluster's */
static char *
dup_url (NodeCluster *self, const char *url)
{
  const NodeOptions *options = self->parts->options;
  GInetSocketAddress *first = G_INET_SOCKET_ADDRESS (options->listen->pdata[0]);
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  if (options->public_url || !uri || !self->address
      || !g_inet_address_get_is_any (g_inet_socket_address_get_address (first)))
    return g_strdup (url);
  return g_strdup_printf (
      strchr (self->address, ':') ? "%s://[%s]:%d" : "%s://%s:%d",
      g_uri_get_scheme (uri), self->address, g_uri_get_port (uri));
}

static void
on_hint (ClusterHint hint, gpointer data)
{
  NodeCluster *self = data;

  if (self->parts->scaling)
    node_scaling_hear (self->parts->scaling, hint);
  if (self->on_hint)
    self->on_hint (hint, self->hint_data);
}

static void
on_peers_read (GPtrArray *peers, const GError *error, gpointer data)
{
  NodeCluster *self = data;

  if (self->parts->metrics_role)
    node_metrics_role_hear (self->parts->metrics_role, peers, error);
}

void
node_cluster_start (NodeCluster *self, const char *own_url)
{
  const NodeParts *parts = self->parts;
  g_autofree char *machine = dup_machine ();
  g_autofree char *link_address = dup_link_address (self);
  g_autofree char *url = dup_url (self, own_url);
  ClusterMemberConfig config = {
    .store = g_steal_pointer (&self->store),
    .node = { .node_id = parts->options->node_id,
              .boot_id = self->boot_hex,
              .tree_id =
                  (char *)base_settings_get_string (parts->settings, "tree-id"),
              .roles = cluster_roles (parts->options->roles),
              .host = machine,
              .url = url,
              .link_address = link_address,
              .started_wall_us = parts->started_wall_us },
    .max_children =
        (guint)base_settings_get_int (parts->settings, "max-children"),
    .metrics = parts->metrics,
    .callbacks = { .on_parents_changed = on_parents_changed,
                   .on_stream_changed = node_cluster_on_stream_changed,
                   .on_stream_ended = node_cluster_on_stream_ended,
                   .on_stream_lost = node_cluster_on_stream_lost,
                   .fill_load = fill_load,
                   .fill_stream = node_cluster_fill_stream,
                   .is_parent_silent = is_parent_silent,
                   .on_id_taken = on_id_taken,
                   .on_peers_read = on_peers_read,
                   .on_hint = on_hint },
    .data = self,
  };

  self->member = cluster_member_new (&config);
  self->tick_id = g_timeout_add (TICK_INTERVAL_MS, on_tick, self);
  node_cluster_start_streams (self);
  cluster_member_start (self->member);
  if (self->links)
    GST_INFO ("other nodes subscribe at %s and send clients to %s",
              link_address, url);
}

/* --- The end ------------------------------------------------------------- */

static void
on_left (const GError *error, gpointer data)
{
  gboolean *is_left = data;

  *is_left = TRUE;
}

void
node_cluster_leave (NodeCluster *self)
{
  gboolean is_left = FALSE;

  self->is_leaving = TRUE;
  g_clear_handle_id (&self->tick_id, g_source_remove);
  /* what the store holds under a taken id is another's */
  if (self->member && !self->is_id_taken)
    {
      cluster_member_leave (self->member, on_left, &is_left);
      while (!is_left)
        g_main_context_iteration (NULL, TRUE);
    }
  if (self->links)
    relay_link_server_leave (self->links);
}

void
node_cluster_stop (NodeCluster *self)
{
  g_clear_pointer (&self->carrier, relay_carrier_free);
}

void
node_cluster_free (NodeCluster *self)
{
  g_return_if_fail (self);
  g_clear_handle_id (&self->tick_id, g_source_remove);
  node_cluster_clear_streams (self);
  g_clear_pointer (&self->carrier, relay_carrier_free);
  g_clear_pointer (&self->links, relay_link_server_free);
  g_clear_pointer (&self->member, cluster_member_free);
  g_clear_pointer (&self->store, cluster_store_free);
  g_clear_pointer (&self->keys, relay_link_keys_free);
  g_clear_pointer (&self->ports, relay_port_pool_free);
  g_free (self->address);
  g_free (self);
}

/* --- Asking ---------------------------------------------------------------
 */

gboolean
node_cluster_has_tried (NodeCluster *self)
{
  return self->member && cluster_member_has_tried (self->member);
}

const char *
node_cluster_get_boot_id (NodeCluster *self)
{
  return self->boot_hex;
}

ClusterMember *
node_cluster_get_member (NodeCluster *self)
{
  return self->member;
}

RelayCarrier *
node_cluster_get_carrier (NodeCluster *self)
{
  return self->carrier;
}

RelayLinkServer *
node_cluster_get_links (NodeCluster *self)
{
  return self->links;
}

RelayPortPool *
node_cluster_get_ports (NodeCluster *self)
{
  return self->ports;
}

ClusterStore *
node_cluster_get_store (NodeCluster *self)
{
  return self->member ? cluster_member_get_store (self->member) : NULL;
}

void
node_cluster_set_hint_func (NodeCluster *self, ClusterHintFunc func,
                            gpointer data)
{
  self->on_hint = func;
  self->hint_data = data;
}
