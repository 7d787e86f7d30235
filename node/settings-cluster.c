/* SPDX-License-Identifier: Apache-2.0 */
/* node/settings-cluster: see settings-cluster.h. */
#include "node/settings-cluster.h"

#include <string.h>

static gboolean
check_secret (NodeOptions *self, BaseSettings *settings, GError **error)
{
  const char *secret = base_settings_get_string (settings, "cluster-secret");

  if (self->has_cluster && !secret)
    return node_settings_refuse (
        error,
        "cluster-secret: is missing; with redis-url the nodes show "
        "each other by it that they belong together: give all of "
        "them the same one, %d characters or more",
        NODE_CLUSTER_SECRET_MIN_CHARS);
  if (secret && strlen (secret) < NODE_CLUSTER_SECRET_MIN_CHARS)
    return node_settings_refuse (
        error,
        "cluster-secret: has fewer than %d characters; \"openssl "
        "rand -hex 32\" makes a good one",
        NODE_CLUSTER_SECRET_MIN_CHARS);
  return TRUE;
}

/* split_address: "1.2.3.4", "1.2.3.4:5", "::1", "[::1]:5"
 * Returns: (transfer full) (nullable): the IP; @ret_port is 0 without one */
static char *
split_address (const char *text, guint *ret_port)
{
  const char *colon = strrchr (text, ':');
  gboolean is_plain_v6 = colon && text[0] != '[' && strchr (text, ':') != colon;
  gboolean is_bracketed =
      colon && colon > text && text[0] == '[' && colon[-1] == ']';
  guint64 port;

  *ret_port = 0;
  if (!colon || is_plain_v6)
    return g_strdup (text);
  if (!g_ascii_string_to_unsigned (colon + 1, 10, 1, 65535, &port, NULL))
    return NULL;
  *ret_port = (guint)port;
  return is_bracketed ? g_strndup (text + 1, (gsize)(colon - text) - 2)
                      : g_strndup (text, (gsize)(colon - text));
}

static gboolean
check_address (BaseSettings *settings, GError **error)
{
  const char *text = base_settings_get_string (settings, "cluster-address");
  guint port;
  g_autofree char *ip = text ? split_address (text, &port) : NULL;
  g_autoptr (GInetAddress) address =
      ip ? g_inet_address_new_from_string (ip) : NULL;

  if (!text || g_str_equal (text, NODE_CLUSTER_ADDRESS_OWN)
      || (address && !g_inet_address_get_is_any (address)
          && !g_inet_address_get_is_multicast (address)
          && !g_inet_address_get_is_link_local (address)))
    return TRUE;
  return node_settings_refuse (
      error,
      "cluster-address: \"%s\" is no IP[:PORT] that other nodes "
      "can reach, and not \"own\"",
      text);
}

gboolean
node_settings_read_cluster (NodeOptions *self, BaseSettings *settings,
                            GError **error)
{
  gint64 first, last;

  self->has_cluster = base_settings_get_string (settings, "redis-url") != NULL;
  base_settings_get_range (settings, "rtp-port-range", &first, &last);
  self->rtp_port_first = (guint)first;
  self->rtp_port_last = (guint)last;
  if (!self->has_cluster && self->roles == NODE_ROLE_RELAY)
    return node_settings_refuse (
        error, "role: a relay alone needs redis-url, where it meets the "
               "nodes that it relays between; or add injection or egress, "
               "or say all");
  return check_secret (self, settings, error)
         && check_address (settings, error);
}

static gboolean
is_ipv4 (const char *text)
{
  return strchr (text, ':') == NULL;
}

static gboolean
listens_on_loopback_only (NodeOptions *self)
{
  for (guint i = 0; i < self->listen->len; i++)
    if (!g_inet_address_get_is_loopback (g_inet_socket_address_get_address (
            G_INET_SOCKET_ADDRESS (self->listen->pdata[i]))))
      return FALSE;
  return TRUE;
}

/* dup_best: (transfer full) (nullable) */
static char *
dup_best (GPtrArray *known)
{
  for (guint i = 0; i < known->len; i++)
    if (is_ipv4 (known->pdata[i]))
      return g_strdup (known->pdata[i]);
  return known->len > 0 ? g_strdup (known->pdata[0]) : NULL;
}

/* dup_own: (transfer full) (nullable): what this host calls itself, whatever
 * --public-address says */
static char *
dup_own (GError **error)
{
  g_autoptr (RtcAddresses) addresses = rtc_addresses_new (NULL, error);
  char *best =
      addresses ? dup_best (rtc_addresses_get_advertised (addresses)) : NULL;

  if (addresses && !best)
    node_settings_refuse (
        error, "cluster-address: this host has no address of its own but "
               "loopback");
  return best;
}

char *
node_settings_dup_cluster_address (NodeOptions *self, BaseSettings *settings,
                                   RtcAddresses *addresses, guint *ret_port,
                                   GError **error)
{
  const char *named = base_settings_get_string (settings, "cluster-address");
  const char *const *public_addresses =
      base_settings_get_list (settings, "public-address");
  char *best;

  *ret_port = 0;
  if (named && g_str_equal (named, NODE_CLUSTER_ADDRESS_OWN))
    return dup_own (error);
  if (named)
    return split_address (named, ret_port);
  if (*public_addresses)
    return g_strdup (*public_addresses);
  best = dup_best (rtc_addresses_get_advertised (addresses));
  if (best)
    return best;
  if (listens_on_loopback_only (self))
    return g_strdup ("127.0.0.1");
  node_settings_refuse (
      error, "cluster-address: is needed; this host has no address but "
             "loopback");
  return NULL;
}
