/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayCarrier: which streams of the tree this node carries, and from whom. It
 * knows the directory (streams published elsewhere) and the parents; a stream
 * is carried when somebody here wants it (a viewer's POST, a child's
 * SUBSCRIBE) and let go when nobody has been fed from it for the linger.
 * A stream that is published here is not carried, it is here.
 *   A port of the pool for each: none left = refused, counted.
 * Owner:  node. Thread: main.
 */
#pragma once

#include "relay/inlet.h"
#include "relay/port-pool.h"

#define RELAY_CARRIER_LINGER_US (30 * G_USEC_PER_SEC)

typedef struct _RelayCarrier RelayCarrier;

typedef struct {
  RelayHub *hub;          /* all borrowed */
  RelayLinkKeys *keys;
  RelayPortPool *ports;
  BaseMetrics *metrics;   /* (nullable) */
  const char *node_id;
  RtcAddr address;        /* to bind, its port is not used */
  gboolean repair;
  gint64 linger_us;       /* RELAY_CARRIER_LINGER_US; tests have less */
} RelayCarrierConfig;

RelayCarrier *relay_carrier_new (const RelayCarrierConfig *config);
void relay_carrier_free (RelayCarrier *self);

/* the directory: a stream that another node publishes.
 * @origin: (nullable): to ask it directly, for nodes that are nobody's child
 *   (injection); %NULL: ask the parents */
void relay_carrier_set_stream (RelayCarrier *self, const char *name,
                               const RelayStreamInfo *info, guint64 epoch,
                               const guint8 publication[RELAY_ID_BYTES],
                               const RelayLinkParent *origin);
/* nobody publishes it any more, or we do */
void relay_carrier_remove_stream (RelayCarrier *self, const char *name);
/* as relay_inlet_set_parents, for all streams without an origin of their own */
void relay_carrier_set_parents (RelayCarrier *self,
                                const RelayLinkParent *parents,
                                guint n_parents, guint n_active);

/* relay_carrier_want: begins to carry it, or keeps it for the linger.
 * Returns: (transfer none) (nullable): the stream, live with the directory's
 *   codecs; NULL with @error when it is in no directory (RELAY_ERROR_UNKNOWN),
 *   no port is left (RELAY_ERROR_NO_PORT) or the node holds its maximum */
RelayStream *relay_carrier_want (RelayCarrier *self, const char *name,
                                 GError **error);
guint relay_carrier_get_n_carried (RelayCarrier *self);
/* no stream that is carried has heard @node for a second */
gboolean relay_carrier_is_parent_silent (RelayCarrier *self, const char *node);

/* @ret: as relay_carrier_foreach() gives them.
 * Returns: %FALSE: it is not carried */
gboolean relay_carrier_get_stats (RelayCarrier *self, const char *stream,
                                  RelayInletStats *ret);
typedef void (*RelayCarrierFunc) (const char *stream,
                                  const RelayInletStats *stats, gpointer data);
void relay_carrier_foreach (RelayCarrier *self, RelayCarrierFunc func,
                            gpointer data);
/* (transfer none): of all that was ever carried; without parents */
const RelayInletStats *relay_carrier_get_sum (RelayCarrier *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayCarrier, relay_carrier_free)
