/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipEndpoint: /whip/{stream} (RFC 9725): publisher sessions by HTTP.
 * Owner:  node. Thread: main.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "base/signaling.h"
#include "relay/hub.h"
#include "rtc/addresses.h"
#include "rtc/dtls.h"
#include "rtc/will-store.h"

typedef struct {
  RelayHub *hub;               /* all borrowed, outlive the endpoint */
  BaseAuth *auth;
  BaseMetrics *metrics;
  RtcCertificate *certificate;
  RtcAddresses *addresses;
  const char *const *ice_servers;
  gboolean ice_tcp;            /* offer TCP candidates */
  gboolean strict_etags;
  gboolean repair;             /* NACK what is lost (off only in trials) */
  guint max_publishers;        /* sessions, half-open ones included */
  /* (nullable) %TRUE: nobody more is taken, as if there were no room */
  gboolean (*is_closed) (gpointer data);
  /* (nullable) there is no room: %TRUE: @msg sends the publisher to another
   * node */
  gboolean (*send_on) (const char *stream, SoupServerMessage *msg,
                       gpointer data);
  gpointer data;
  RtcWillStore *wills;         /* (nullable): outlives every session */
} WhipConfig;

typedef struct _WhipEndpoint WhipEndpoint;
WhipEndpoint *whip_endpoint_new (const WhipConfig *config);
void whip_endpoint_free (WhipEndpoint *self);
void whip_endpoint_handle (WhipEndpoint *self, SoupServerMessage *msg,
                           const char *path);
/* another node's publisher has taken the stream over: those connected here are
 * closed (close_notify) */
void whip_endpoint_close_stream (WhipEndpoint *self, const char *stream);
/* JSON array of the sessions for /debug/state (transfer full) */
JsonNode *whip_endpoint_describe (WhipEndpoint *self);
guint whip_endpoint_get_n_sessions (WhipEndpoint *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WhipEndpoint, whip_endpoint_free)
