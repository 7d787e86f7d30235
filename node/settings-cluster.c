/* SPDX-License-Identifier: Apache-2.0 */
/* node/settings-cluster: see settings-cluster.h. */
#include "node/settings-cluster.h"

#include <string.h>

/* refuse: Returns: %FALSE with @error */
static gboolean G_GNUC_PRINTF (2, 3)
    refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (NODE_SETTINGS_ERROR,
                                                NODE_SETTINGS_ERROR_BAD, format,
                                                args));
  va_end (args);
  return FALSE;
}

static gboolean
check_secret (NodeOptions *self, BaseSettings *settings, GError **error)
{
  const char *secret = base_settings_get_string (settings, "cluster-secret");

  if (self->has_cluster && !secret)
    return refuse (error,
                   "cluster-secret: is missing; with redis-url the nodes show "
                   "each other by it that they belong together: give all of "
                   "them the same one, %d characters or more",
                   NODE_CLUSTER_SECRET_MIN_CHARS);
  if (secret && strlen (secret) < NODE_CLUSTER_SECRET_MIN_CHARS)
    return refuse (error,
                   "cluster-secret: has fewer than %d characters; \"openssl "
                   "rand -hex 32\" makes a good one",
                   NODE_CLUSTER_SECRET_MIN_CHARS);
  return TRUE;
}

static gboolean
check_address (BaseSettings *settings, GError **error)
{
  const char *text = base_settings_get_string (settings, "cluster-address");
  g_autoptr (GInetAddress) address =
      text ? g_inet_address_new_from_string (text) : NULL;

  if (!text
      || (address && !g_inet_address_get_is_any (address)
          && !g_inet_address_get_is_multicast (address)
          && !g_inet_address_get_is_link_local (address)))
    return TRUE;
  return refuse (error,
                 "cluster-address: \"%s\" is no IP address that other nodes "
                 "can reach",
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
  if (!self->has_cluster
      && !(self->roles & (NODE_ROLE_INJECTION | NODE_ROLE_EGRESS)))
    return refuse (error,
                   "role: a relay alone needs redis-url, where it meets the "
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

char *
node_settings_dup_cluster_address (NodeOptions *self, BaseSettings *settings,
                                   RtcAddresses *addresses, GError **error)
{
  const char *named = base_settings_get_string (settings, "cluster-address");
  const char *const *public_addresses =
      base_settings_get_list (settings, "public-address");
  GPtrArray *known = rtc_addresses_get_advertised (addresses);

  if (named)
    return g_strdup (named);
  if (*public_addresses)
    return g_strdup (*public_addresses);
  for (guint i = 0; i < known->len; i++)
    if (is_ipv4 (known->pdata[i]))
      return g_strdup (known->pdata[i]);
  if (known->len > 0)
    return g_strdup (known->pdata[0]);
  if (listens_on_loopback_only (self))
    return g_strdup ("127.0.0.1");
  refuse (error, "cluster-address: is needed; this host has no address but "
                 "loopback");
  return NULL;
}
