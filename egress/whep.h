/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressWhep: /whep/{stream}: viewer sessions by HTTP, with the events
 * extension (server-sent events) and the counter-offer of the draft.
 * Owner:  node. Thread: main.
 */
#pragma once

#include "base/http.h"
#include "base/signaling.h"
#include "egress/peer.h"

typedef struct
{
  EgressPeerConfig peer; /* all borrowed, outlive the endpoint */
  BaseAuth *auth;
  BaseMetrics *metrics;
  const char *const *ice_servers;
  gboolean strict_etags;
} EgressWhepConfig;

typedef struct _EgressWhep EgressWhep;
EgressWhep *egress_whep_new (const EgressWhepConfig *config);
void egress_whep_free (EgressWhep *self);
void egress_whep_handle (EgressWhep *self, SoupServerMessage *msg,
                         const char *path);
/* egress_whep_move: tells up to @n_max viewers who listen for it to go on at
 * another node: each hears an address of his own.
 * @dup_url: (transfer full) (nullable): where @stream has a place; NULL: nobody
 *   more has one
 * Returns: how many were told */
typedef char *(*EgressWhepMoveFunc) (const char *stream, gpointer data);
guint egress_whep_move (EgressWhep *self, guint n_max,
                        EgressWhepMoveFunc dup_url, gpointer data,
                        gint64 now_us);
/* egress_whep_find_deaf: viewers whom nobody can tell to move.
 * @ids: (element-type utf8): what logs call them is added to it, up to
 *   @max_ids in all
 * Returns: how many there are */
guint egress_whep_find_deaf (EgressWhep *self, GPtrArray *ids, guint max_ids);
/* egress_whep_cut: ends every session, with close_notify. They may come again.
 * @cause: for the log
 * Returns: how many there were */
guint egress_whep_cut (EgressWhep *self, const char *cause);
JsonNode *egress_whep_describe (EgressWhep *self); /* (transfer full) */
/* egress_whep_describe_session: @id: of the resource, or its first
 * BASE_HTTP_LOG_ID_CHARS, as logs and descriptions have it.
 * Returns: (transfer full) (nullable): NULL: no viewer of ours */
JsonNode *egress_whep_describe_session (EgressWhep *self, const char *id);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressWhep, egress_whep_free)
