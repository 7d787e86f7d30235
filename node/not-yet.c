/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying streams is being built. */
#include "relay/carrier.h"

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
