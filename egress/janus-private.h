/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the Janus core (egress/janus*.c) know of each other; not
 * for transports or plugins.
 * Thread: main.
 */
#pragma once

#include "egress/janus-params.h"
#include "egress/janus-plugin.h"
#include "egress/janus-tokens.h"

typedef enum
{
  JANUS_END_DESTROYED, /* `destroy`, Admin API */
  JANUS_END_TIMEOUT,
  JANUS_END_TRANSPORT_GONE,
  JANUS_END_OVERFLOW, /* nobody takes its events */
  JANUS_END_SHUTDOWN,
  JANUS_N_ENDS
} JanusEnd;

#define JANUS_MAX_VERBS 40 /* of both APIs, and "other" */

struct _EgressJanus
{
  EgressJanusConfig config;  /* its strings are owned */
  EgressJanusPlugin *plugin; /* borrowed (nullable) */
  gint64 (*now_us) (void);   /* tests have their own */
  GHashTable *sessions;      /* owned: guint64 (within) -> session */
  EgressJanusTokens *tokens; /* owned */
  GQueue open;               /* owned: replies that no handle answers for */
  GSource *tick;             /* owned */
  gboolean is_accepting;     /* the Admin API's word */
  guint n_handles;
  /* borrowed */
  BaseCounter *n_sessions_gauge, *n_handles_gauge, *n_events_dropped;
  BaseCounter *n_ended[JANUS_N_ENDS];
  BaseCounter *n_requests[JANUS_MAX_VERBS][2]; /* ok, error */
};

struct _EgressJanusSession
{
  EgressJanus *core; /* borrowed */
  guint64 id;
  EgressJanusTransport *transport; /* borrowed; NULL: gone, may be claimed */
  GPtrArray *handles;              /* owned: of EgressJanusHandle */
  GQueue events;                   /* owned: of JsonObject */
  gint64 created_us, last_active_us, gone_us;
  guint n_attached; /* handles, those that are gone too */
  int timeout_s;    /* -1: the core's */
  gboolean is_over, is_overflowing;
};

struct _EgressJanusHandle
{
  EgressJanusSession *session; /* borrowed */
  guint64 id;
  char *opaque_id; /* owned (nullable) */
  gpointer state;  /* the plugin's */
  gint64 created_us;
  GQueue open; /* owned: of EgressJanusReply */
};

/* One request on its way. */
struct _EgressJanusReply
{
  EgressJanus *core;         /* borrowed */
  EgressJanusHandle *handle; /* borrowed (nullable) */
  guint64 session_id, handle_id;
  char *transaction; /* owned (nullable) */
  guint verb;        /* an index of core->n_requests */
  EgressJanusReplied replied;
  gpointer data;
  GQueue *queue;           /* borrowed (nullable): where it waits */
  EgressJanusReply **slot; /* (nullable): becomes NULL when it is answered */
  GList link;
};

/* --- janus.c -------------------------------------------------------------- */

void janus_tick (EgressJanus *self);
gboolean janus_is_accepting (EgressJanus *self);
const char *janus_end_name (JanusEnd why);
guint64 janus_random_id (void);
/* {"janus":@what,"session_id"?,"transaction"?} (transfer full) */
JsonObject *janus_object (const char *what, guint64 session_id,
                          const char *transaction);
/* as egress_janus_error(), with a text that is there already */
JsonObject *janus_error_text (guint64 session_id, const char *transaction,
                              EgressJanusCode code, const char *text);

/* Who asks, and what for. */
typedef struct
{
  gboolean is_ok, is_protected; /* refused: protected mode */
  gboolean has_secret;
  const char *stored_token; /* (nullable) borrowed from the request */
  const char *jwt;          /* (nullable) borrowed from the request */
} JanusAccess;

JanusAccess janus_check_access (EgressJanus *self, const char *api_secret,
                                const char *token, gboolean is_loopback);
gboolean janus_check_admin (EgressJanus *self, const char *secret,
                            const char *token, gboolean is_loopback);

/* --- janus-info.c --------------------------------------------------------- */

/* (transfer full) {"janus":"server_info",...} */
JsonObject *janus_server_info (EgressJanus *self, const char *transaction);

/* --- janus-session.c ------------------------------------------------------ */

/* @id is free */
EgressJanusSession *janus_session_new (EgressJanus *core, guint64 id,
                                       EgressJanusTransport *transport);
/* @self is freed */
void janus_session_end (EgressJanusSession *self, JanusEnd why);
/* @event: (transfer full) */
void janus_session_push (EgressJanusSession *self, JsonObject *event);
EgressJanusHandle *janus_session_find (EgressJanusSession *self,
                                       guint64 handle_id);
/* NULL: the plugin, or the limit, refuses */
EgressJanusHandle *janus_session_attach (EgressJanusSession *self,
                                         const char *opaque_id);
/* @is_told: a "detached" event; @handle is freed */
void janus_session_detach (EgressJanusSession *self, EgressJanusHandle *handle,
                           gboolean is_told);

/* --- janus-reply.c -------------------------------------------------------- */

/* @verb: of janus_verb_index(); @transaction: (nullable) */
EgressJanusReply *janus_reply_new (EgressJanus *core, guint64 session_id,
                                   guint64 handle_id, const char *transaction,
                                   guint verb, EgressJanusReplied replied,
                                   gpointer data);
/* it waits in @queue from now on */
void janus_reply_wait (EgressJanusReply *self, GQueue *queue);
/* @reply: (transfer full); @self is freed */
void janus_reply_finish (EgressJanusReply *self, JsonObject *reply);
void janus_reply_fail (EgressJanusReply *self, EgressJanusCode code,
                       const char *format, ...) G_GNUC_PRINTF (3, 4);
/* members of @request are as @params say; else @self is answered
 * @has_transaction: the error carries it */
gboolean janus_reply_check (EgressJanusReply *self, JsonObject *request,
                            const EgressJanusParam *params, guint n_params);
/* all that wait in @queue are answered: their handle has gone */
void janus_reply_flush (GQueue *queue);

/* --- janus-request.c, janus-admin.c --------------------------------------- */

/* index of @verb, of either API, in core->n_requests; 0 = another */
guint janus_verb_index (const char *verb);
/* (nullable): NULL after the last */
const char *janus_verb_name (guint index);
/* The frame of both APIs: transaction, janus, id. @ret_verb: borrowed from
 * @request. Returns: (nullable): NULL: @replied has got the error */
EgressJanusReply *janus_request_begin (EgressJanus *self, guint64 session_id,
                                       guint64 handle_id, JsonObject *request,
                                       EgressJanusReplied replied,
                                       gpointer data, const char **ret_verb);
/* @call's session and handle, NULL where the id is 0; %FALSE: answered (458,
 * 459) */
gboolean janus_request_find (EgressJanusReply *call,
                             EgressJanusSession **ret_session,
                             EgressJanusHandle **ret_handle);

/* --- janus-message.c ------------------------------------------------------ */

/* @jwt: (nullable) */
void janus_do_message (EgressJanusReply *call, EgressJanusHandle *handle,
                       JsonObject *request, gboolean is_loopback,
                       const char *jwt);
void janus_do_trickle (EgressJanusReply *call, EgressJanusHandle *handle,
                       JsonObject *request);
