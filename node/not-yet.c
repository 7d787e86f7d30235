/* SPDX-License-Identifier: Apache-2.0 */
/* Links between nodes are being built: until then a node with a Redis says so
 * and does not start. */
#include "relay/carrier.h"
#include "relay/link-server.h"

#include "rtc/worker.h"

RelayLinkServer *__attribute__ ((weak))
relay_link_server_new (const RelayLinkServerConfig *config, GError **error)
{
  g_set_error (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND,
               "this build has no links between nodes");
  return NULL;
}

void __attribute__ ((weak)) relay_link_server_leave (RelayLinkServer *self)
{
}

void __attribute__ ((weak)) relay_link_server_free (RelayLinkServer *self)
{
}

guint __attribute__ ((weak)) relay_link_server_get_port (RelayLinkServer *self)
{
  return 0;
}

GArray *__attribute__ ((weak)) relay_link_server_list (RelayLinkServer *self)
{
  return g_array_new (FALSE, FALSE, sizeof (RelayLinkChild));
}

RelayCarrier *__attribute__ ((weak))
relay_carrier_new (const RelayCarrierConfig *config)
{
  return NULL;
}

void __attribute__ ((weak)) relay_carrier_free (RelayCarrier *self)
{
}

void __attribute__ ((weak))
relay_carrier_set_stream (RelayCarrier *self, const char *name,
                          const RelayStreamInfo *info, guint64 epoch,
                          const guint8 publication[RELAY_ID_BYTES],
                          const RelayLinkParent *origin)
{
}

void __attribute__ ((weak))
relay_carrier_remove_stream (RelayCarrier *self, const char *name)
{
}

void __attribute__ ((weak))
relay_carrier_set_parents (RelayCarrier *self, const RelayLinkParent *parents,
                           guint n_parents, guint n_active)
{
}

RelayStream *__attribute__ ((weak))
relay_carrier_want (RelayCarrier *self, const char *name, GError **error)
{
  return NULL;
}

gboolean __attribute__ ((weak))
relay_carrier_is_parent_silent (RelayCarrier *self, const char *node)
{
  return TRUE;
}

void __attribute__ ((weak))
relay_carrier_foreach (RelayCarrier *self, RelayCarrierFunc func, gpointer data)
{
}
