/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressWhep: /whep/{stream}: viewer sessions by HTTP, with the events
 * extension (server-sent events) and the counter-offer of the draft.
 * Owner:  node. Thread: main.
 */
#pragma once

#include "base/http.h"
#include "base/signaling.h"
#include "relay/hub.h"
#include "rtc/addresses.h"
#include "rtc/dtls.h"

/* What a node that is not alone knows better; each may be NULL. */
typedef struct {
  /* Returns: (transfer none) (nullable): the stream, live, wherever in the
   * cluster it is published; NULL with RELAY_ERROR_UNKNOWN: nobody publishes
   * it; with another error: we cannot carry it */
  RelayStream *(*want_stream) (const char *name, GError **error,
                               gpointer data);
  /* one more viewer of @stream would be within our limits */
  gboolean (*has_room) (RelayStream *stream, gpointer data);
  void (*on_joined) (RelayStream *stream, gpointer data);
  /* there is no room: %TRUE: @msg sends the viewer to another node */
  gboolean (*send_on) (const char *stream, SoupServerMessage *msg,
                       gpointer data);
  gpointer data;
} EgressWhepHooks;

typedef struct {
  RelayHub *hub;               /* all borrowed, outlive the endpoint */
  BaseAuth *auth;
  BaseMetrics *metrics;
  RtcCertificate *certificate;
  RtcAddresses *addresses;
  const char *const *ice_servers;
  gboolean ice_tcp;
  gboolean strict_etags;
  gboolean repair;             /* answer NACKs (off only in trials) */
  gint64 join_rate_bps;        /* pace of a joiner's GOP burst */
  int playout_delay_min_ms, playout_delay_max_ms; /* -1 = extension not sent */
  guint max_viewers;
  EgressWhepHooks hooks;
} EgressWhepConfig;

typedef struct _EgressWhep EgressWhep;
EgressWhep *egress_whep_new (const EgressWhepConfig *config);
void egress_whep_free (EgressWhep *self);
void egress_whep_handle (EgressWhep *self, SoupServerMessage *msg,
                         const char *path);
guint egress_whep_get_n_viewers (EgressWhep *self, const char *stream);
    /* @stream NULL = all */
typedef struct {
  guint n_sessions, max_sessions; /* half-open ones included */
  guint64 n_joins, n_leaves;      /* since the start */
  guint64 n_refused;              /* for lack of room, and not sent on */
} EgressWhepTotals;
void egress_whep_get_totals (EgressWhep *self, EgressWhepTotals *ret);
JsonNode *egress_whep_describe (EgressWhep *self); /* (transfer full) */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressWhep, egress_whep_free)
