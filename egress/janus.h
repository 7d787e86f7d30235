/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressJanus: the Janus API (PROTOCOLS.md section 3, J1-J33) whatever way it
 * comes by: sessions, handles, transactions, secrets, time-outs, and events for
 * whoever listens to a session. Transports (egress/janus-http, janus-ws) bring
 * requests as JSON and carry away replies and events; one plugin
 * (egress/janus-plugin.h) does the work of `message`.
 *   Errors of the protocol are replies ("janus":"error"), never HTTP's.
 * Bounds: sessions, EGRESS_JANUS_MAX_HANDLES a session,
 * EGRESS_JANUS_MAX_EVENTS unread ones a session (then the session is ended,
 * counted), EGRESS_JANUS_MAX_BODY_BYTES a request.
 * Owner:  node. Thread: main. No timer a session: one tick for all.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "base/auth.h"
#include "base/metrics.h"

#define EGRESS_JANUS_MAX_HANDLES 64
#define EGRESS_JANUS_MAX_EVENTS 512
#define EGRESS_JANUS_MAX_BODY_BYTES (256 * 1024)
#define EGRESS_JANUS_MAX_TOKENS 4096
#define EGRESS_JANUS_POLL_US (30 * G_USEC_PER_SEC)

typedef struct _EgressJanus EgressJanus;
typedef struct _EgressJanusSession EgressJanusSession;
typedef struct _EgressJanusHandle EgressJanusHandle;
typedef struct _EgressJanusPlugin EgressJanusPlugin; /* janus-plugin.h */

/* apierror.h of Janus: codes of the core */
typedef enum
{
  EGRESS_JANUS_OK = 0,
  EGRESS_JANUS_UNAUTHORIZED = 403,
  EGRESS_JANUS_UNAUTHORIZED_PLUGIN = 405,
  EGRESS_JANUS_TRANSPORT = 450,
  EGRESS_JANUS_MISSING_REQUEST = 452,
  EGRESS_JANUS_UNKNOWN_REQUEST = 453,
  EGRESS_JANUS_INVALID_JSON = 454,
  EGRESS_JANUS_NOT_AN_OBJECT = 455,
  EGRESS_JANUS_MISSING_ELEMENT = 456,
  EGRESS_JANUS_INVALID_PATH = 457,
  EGRESS_JANUS_NO_SESSION = 458,
  EGRESS_JANUS_NO_HANDLE = 459,
  EGRESS_JANUS_NO_PLUGIN = 460,
  EGRESS_JANUS_ATTACH = 461,
  EGRESS_JANUS_MESSAGE = 462,
  EGRESS_JANUS_DETACH = 463,
  EGRESS_JANUS_JSEP_TYPE = 464,
  EGRESS_JANUS_INVALID_SDP = 465,
  EGRESS_JANUS_TRICKLE = 466,
  EGRESS_JANUS_INVALID_ELEMENT = 467,
  EGRESS_JANUS_SESSION_CONFLICT = 468,
  EGRESS_JANUS_UNEXPECTED_ANSWER = 469,
  EGRESS_JANUS_NO_TOKEN = 470,
  EGRESS_JANUS_WEBRTC_STATE = 471,
  EGRESS_JANUS_NO_NEW_SESSIONS = 472,
  EGRESS_JANUS_UNKNOWN = 490,
} EgressJanusCode;

typedef struct
{
  BaseAuth *auth;          /* borrowed: JSON Web Tokens as `token`, protected
                              mode */
  BaseMetrics *metrics;    /* borrowed */
  const char *server_name; /* `info`; (nullable) */
  const char *api_secret, *admin_secret; /* (nullable): protected mode */
  gboolean token_auth; /* stored tokens (Admin API) or JWT needed */
  guint session_timeout_s, reclaim_timeout_s; /* 0 = never, none */
  guint max_sessions;
  guint slow_link_threshold;
  /* %FALSE: this node takes no more viewers (draining, full): `create` gets
   * 472; (nullable) */
  gboolean (*is_accepting) (gpointer data);
  gpointer data;
} EgressJanusConfig;

EgressJanus *egress_janus_new (const EgressJanusConfig *config);
/* every session ends; before the plugin is freed */
void egress_janus_free (EgressJanus *self);
/* @plugin: borrowed, "janus.plugin.streaming" */
void egress_janus_set_plugin (EgressJanus *self, EgressJanusPlugin *plugin);
/* (transfer full): for /debug/state */
JsonNode *egress_janus_describe (EgressJanus *self);

/* --- for transports ----------------------------------------------------- */

/* A way that events of sessions go: one WebSocket, or HTTP's long polls
 * (shared by all of HTTP). */
typedef struct _EgressJanusTransport EgressJanusTransport;
struct _EgressJanusTransport
{
  const char *name; /* "janus.transport.http" */
  /* @session has events to take (egress_janus_session_take_events) */
  void (*on_events) (EgressJanusTransport *self, EgressJanusSession *session);
  /* @session has ended (destroyed, timed out, claimed by another transport);
   * its last events can still be taken, now */
  void (*on_session_over) (EgressJanusTransport *self,
                           EgressJanusSession *session);
};

/* The reply to one request: given once, now or later. */
typedef void (*EgressJanusReplied) (JsonObject *reply, gpointer data);

/* egress_janus_request: @request: (transfer none): parsed body, an object;
 * @session_id, @handle_id: from the path (HTTP); 0 = none: then the members of
 *   that name count (WebSocket)
 * @is_loopback: the client passes protected mode's test
 * @replied: runs once, from within or later; @reply: (transfer full) */
void egress_janus_request (EgressJanus *self, EgressJanusTransport *transport,
                           guint64 session_id, guint64 handle_id,
                           JsonObject *request, gboolean is_loopback,
                           EgressJanusReplied replied, gpointer data);
/* as above for the Admin API (`/admin`), with its own secret */
void egress_janus_admin_request (EgressJanus *self, guint64 session_id,
                                 guint64 handle_id, JsonObject *request,
                                 gboolean is_loopback,
                                 EgressJanusReplied replied, gpointer data);
/* (transfer full): {"janus":"error",...}; @transaction: (nullable) */
JsonObject *egress_janus_error (guint64 session_id, const char *transaction,
                                EgressJanusCode code, const char *format, ...)
    G_GNUC_PRINTF (4, 5);
/* may this long poll be (J18)? */
gboolean egress_janus_is_allowed (EgressJanus *self, const char *api_secret,
                                  const char *token, gboolean is_loopback);
/* (transfer none) (nullable) */
EgressJanusSession *egress_janus_lookup (EgressJanus *self, guint64 session_id);
guint64 egress_janus_session_get_id (EgressJanusSession *self);
/* its events go by @transport (until it is claimed by another) */
gboolean egress_janus_session_is_of (EgressJanusSession *self,
                                     EgressJanusTransport *transport);
/* a poll began, or any sign of life */
void egress_janus_session_touch (EgressJanusSession *self);
/* (transfer full) (element-type JsonObject): at most @n_max, oldest first */
GPtrArray *egress_janus_session_take_events (EgressJanusSession *self,
                                             guint n_max);
/* the client went before it had them: they are next again, in this order.
 * @events: (transfer none), as taken */
void egress_janus_session_return_events (EgressJanusSession *self,
                                         GPtrArray *events);
/* @transport has gone (a closed WebSocket): its sessions end, or wait
 * reclaim_timeout_s for a claim */
void egress_janus_transport_gone (EgressJanus *self,
                                  EgressJanusTransport *transport);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressJanus, egress_janus_free)
