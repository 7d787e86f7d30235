/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressGate: who may still come in, the same for every door (WHEP, the Janus
 * API): finds the stream, wherever in the cluster it is published, counts the
 * viewers of each, and refuses beyond the limits. What a node that is not alone
 * knows better comes by hooks.
 * Owner:  node. Thread: main.
 */
#pragma once

#include <libsoup/soup.h>

#include "base/metrics.h"
#include "relay/hub.h"

/* Each may be NULL. */
typedef struct
{
  /* Returns: (transfer none) (nullable): the stream, live, wherever in the
   * cluster it is published; NULL with RELAY_ERROR_UNKNOWN: nobody publishes
   * it; with another error: we cannot carry it */
  RelayStream *(*want_stream) (const char *name, GError **error, gpointer data);
  /* one more viewer of @stream would be within our limits */
  gboolean (*has_room) (RelayStream *stream, gpointer data);
  void (*on_joined) (RelayStream *stream, gpointer data);
  /* there is no room: %TRUE: @msg sends the viewer to another node */
  gboolean (*send_on) (const char *stream, SoupServerMessage *msg,
                       gpointer data);
  gpointer data;
} EgressGateHooks;

typedef enum
{
  EGRESS_GATE_ERROR_NOT_LIVE, /* nobody publishes it */
  EGRESS_GATE_ERROR_FULL,     /* no room for a viewer; counted */
  EGRESS_GATE_ERROR_CANNOT,   /* it cannot be carried here; counted */
} EgressGateError;
#define EGRESS_GATE_ERROR (egress_gate_error_quark ())
GQuark egress_gate_error_quark (void);

typedef struct _EgressGate EgressGate;

/* @max_viewers: half-open ones included */
EgressGate *egress_gate_new (RelayHub *hub, guint max_viewers,
                             const EgressGateHooks *hooks,
                             BaseMetrics *metrics);
void egress_gate_free (EgressGate *self);

/* egress_gate_want: finds @name for one more viewer. Begins to carry it when
 * another node publishes it.
 * Returns: (transfer none) (nullable): NULL with EGRESS_GATE_ERROR */
RelayStream *egress_gate_want (EgressGate *self, const char *name,
                               GError **error);
/* as want(), for a viewer who is in already: no limits are asked */
RelayStream *egress_gate_find (EgressGate *self, const char *name,
                               GError **error);
/* after FULL or CANNOT: %TRUE: @msg sends the viewer to another node */
gboolean egress_gate_send_on (EgressGate *self, const char *name,
                              SoupServerMessage *msg);
/* a viewer is in (again, of another stream: leave the one, enter the other) */
void egress_gate_enter (EgressGate *self, RelayStream *stream);
void egress_gate_leave (EgressGate *self, RelayStream *stream);
/* @stream NULL = all */
guint egress_gate_get_n_viewers (EgressGate *self, const char *stream);

typedef struct
{
  guint n_viewers, max_viewers;
  guint64 n_joins, n_leaves; /* since the start */
  guint64 n_refused;         /* for lack of room, and not sent on */
} EgressGateTotals;
void egress_gate_get_totals (EgressGate *self, EgressGateTotals *ret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressGate, egress_gate_free)
