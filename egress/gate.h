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
#include "rtc/transport.h"

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
/* "stream-not-live", "server-full", "stream-limit" */
const char *egress_gate_error_code (const GError *error);

/* of media_tree_joins_refused_total, whose reasons have several owners */
#define EGRESS_GATE_REFUSED_HELP                                               \
  "Viewers not let in, by reason (codec: a counter-offer was made, or "        \
  "nothing could be offered)."

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
/* the limits alone, for one more viewer of @stream, (nullable): not known yet,
 * live or not.
 * Returns: FALSE with EGRESS_GATE_ERROR_FULL */
gboolean egress_gate_check (EgressGate *self, RelayStream *stream,
                            GError **error);
/* after FULL or CANNOT: %TRUE: @msg sends the viewer to another node, and he
 * was not refused after all */
gboolean egress_gate_send_on (EgressGate *self, const char *name,
                              SoupServerMessage *msg);

/* --- for EgressPeer: a viewer's way -------------------------------------- */

/* a description of ours is out: he has a place */
void egress_gate_enter (EgressGate *self, RelayStream *stream);
/* both are agreed */
void egress_gate_join (EgressGate *self);
/* media goes to him, @join_us after he came; < 0: he was connected before, and
 * changes to @stream */
void egress_gate_connect (EgressGate *self, RelayStream *stream,
                          gint64 join_us);
/* no more of @stream, because he leaves or changes */
void egress_gate_disconnect (EgressGate *self, RelayStream *stream);
void egress_gate_leave (EgressGate *self);
/* he was let in and is gone before he was connected; before leave. A failure
 * when ICE or DTLS failed or the worker was full */
void egress_gate_miss (EgressGate *self, RtcCloseReason reason);

/* --- how many -------------------------------------------------------------
 */

/* connected ones */
guint egress_gate_count (EgressGate *self, RelayStream *stream);
/* as above by name; NULL = all */
guint egress_gate_get_n_viewers (EgressGate *self, const char *stream);

typedef struct
{
  guint n_viewers, max_viewers; /* half-open ones included */
  guint64 n_joins, n_leaves;    /* since the start */
  guint64 n_refused;            /* for lack of room, and not sent on */
  guint64 n_failures;           /* let in, and no connection came about */
} EgressGateTotals;
void egress_gate_get_totals (EgressGate *self, EgressGateTotals *ret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressGate, egress_gate_free)
