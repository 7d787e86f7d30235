/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressJanusPlugin: what the Janus core (egress/janus.h) asks of a plugin, and
 * what a plugin may ask of the core. The peer connection is the plugin's: the
 * core only carries its news.
 * Thread: main.
 */
#pragma once

#include "egress/janus.h"

/* One `message` that is still to be answered: exactly one of reply_data,
 * reply_ack, reply_error, once, now or later; it is freed by that. A handle
 * that goes answers what is open. */
typedef struct _EgressJanusReply EgressJanusReply;

/* {"janus":"success","plugindata":{"plugin","data"}}; @data: (transfer full) */
void egress_janus_reply_data (EgressJanusReply *self, JsonObject *data);
/* {"janus":"ack"}; events with the same transaction follow: push_event() */
void egress_janus_reply_ack (EgressJanusReply *self);
void egress_janus_reply_error (EgressJanusReply *self, EgressJanusCode code,
                               const char *reason);
/* (transfer none): valid until the reply is given */
const char *egress_janus_reply_get_transaction (EgressJanusReply *self);

/* the core has checked it: type is "offer" or "answer", sdp begins as one does
 * (J23) */
typedef struct
{
  gboolean is_offer;
  gboolean has_trickle; /* FALSE: "trickle":false */
  const char *sdp;
} EgressJanusJsep;

struct _EgressJanusPlugin
{
  const char *package; /* "janus.plugin.streaming" */
  const char *name, *description, *author, *version_string;
  int version;
  /* Returns: the handle's state; NULL: refused (461) */
  gpointer (*attach) (EgressJanusPlugin *self, EgressJanusHandle *handle);
  /* the handle goes; its state is freed, nothing is pushed any more */
  void (*detach) (gpointer state);
  /* @body: (transfer none); @jsep: (nullable); @peer_is_loopback: gets
   * loopback candidates; @token: (nullable): a JWT that passed, for streams;
   * @reply: (transfer full) */
  void (*message) (gpointer state, JsonObject *body,
                   const EgressJanusJsep *jsep, gboolean peer_is_loopback,
                   const char *token, EgressJanusReply *reply);
  /* candidates are checked for shape by the core; ICE-lite needs none of them
   */
  /* `hangup`, already answered: when there was a connection, the plugin
   * pushes the hangup event, "Janus API" */
  void (*hangup) (gpointer state);
  gboolean (*has_peer) (gpointer state); /* a connection, or one on its way */
  /* adds members to @object: handle_info's (plugin_specific, webrtc, streams
   * with loss, RTT, NACKs, join time, bytes) */
  void (*describe) (gpointer state, JsonObject *object);
  /* Admin API's message_plugin. @request: (transfer none); @done: once, from
   * within or later, with the object for "response" */
  void (*message_admin) (EgressJanusPlugin *self, JsonObject *request,
                         EgressJanusReplied done, gpointer data);
};

typedef enum
{
  EGRESS_JANUS_JSEP_PLAIN = 0,
  EGRESS_JANUS_JSEP_RESTART = 1 << 0, /* "restart":true (J49) */
  EGRESS_JANUS_JSEP_E2EE = 1 << 1,    /* "e2ee":true: sealed by the source */
} EgressJanusJsepFlags;
/* {"janus":"event","sender","transaction"?,"plugindata","jsep"?}
 * @data: (transfer full); @transaction, @jsep_type, @sdp: (nullable);
 * @flags: of jsep */
void egress_janus_push_event (EgressJanusHandle *handle, JsonObject *data,
                              const char *transaction, const char *jsep_type,
                              const char *sdp, EgressJanusJsepFlags flags);
/* {"janus":"webrtcup","sender"}, (J29) */
void egress_janus_push_webrtcup (EgressJanusHandle *handle);
/* {"janus":"hangup","reason"} (J27, J30) */
void egress_janus_push_hangup (EgressJanusHandle *handle, const char *reason);
/* {"janus":"slowlink","media","mid","uplink":false,"lost"} (J31), when it is
 * the configured threshold or more */
void egress_janus_push_slow_link (EgressJanusHandle *handle, const char *mid,
                                  gboolean is_video, guint n_lost);
guint64 egress_janus_handle_get_id (EgressJanusHandle *handle);
guint64 egress_janus_handle_get_session_id (EgressJanusHandle *handle);
