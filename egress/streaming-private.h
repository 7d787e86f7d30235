/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming-private: what the files of EgressStreaming share.
 *   streaming.c: the plugin, requests, errors, ids; streaming-info.c,
 * streaming-manage.c: verbs about mountpoints; streaming-viewer.c,
 * streaming-watch.c, streaming-configure.c: a handle.
 * Thread: main.
 */
#pragma once

#include "egress/janus-params.h"
#include "egress/recording.h"
#include "egress/streaming.h"

#define EGRESS_STREAMING_MAX_MEDIA 16 /* entries of `media` and `streams` */

/* requests about mountpoints that wait for a source, a store or a disk */
#define EGRESS_STREAMING_MAX_OPEN 1024
/* an offer that is not answered so long holds its place no more */
#define EGRESS_STREAMING_ANSWER_US (60 * G_USEC_PER_SEC)

/* Where the answer to a verb goes: a handle's message or the Admin API's. */
typedef struct
{
  EgressStreaming *streaming; /* borrowed; NULL: it is gone */
  gpointer handle;            /* borrowed, nullable: whose reply it is */
  gboolean is_watcher;        /* came with a token that is for watching only */
  EgressJanusReply *reply;    /* owned, nullable: until the handle goes, when
                                 the core answers itself */
  EgressJanusReplied done;    /* (nullable): the Admin API's */
  gpointer data;
} EgressStreamingAnswer;

struct _EgressStreaming
{
  EgressJanusPlugin plugin;              /* first: plugin.attach() gets it */
  EgressMountpoints *mountpoints;        /* borrowed */
  const EgressMountpointsConfig *config; /* borrowed: theirs */
  EgressPeerConfig peer_config;
  BaseAuth *auth;        /* borrowed, nullable */
  GHashTable *handles;   /* set of EgressStreamingHandle, borrowed */
  GHashTable *answers;   /* set of EgressStreamingAnswer that are still open */
  guint n_opened;        /* files for one viewer: names of their streams */
  GPtrArray *recordings; /* of EgressStreamingRecording, owned */
  guint tick_id;
  BaseCounter *n_watches, *n_refused, *n_busy;
};

/* What one handle does. */
typedef enum
{
  EGRESS_STREAMING_IDLE,
  EGRESS_STREAMING_OPENING,   /* on demand: the file is being opened */
  EGRESS_STREAMING_PREPARING, /* our offer waits for an answer */
  EGRESS_STREAMING_STARTING,  /* described; not connected yet */
  EGRESS_STREAMING_STARTED,
} EgressStreamingState;

typedef struct _EgressStreamingOpening EgressStreamingOpening;
typedef struct _EgressStreamingRecording EgressStreamingRecording;
typedef struct
{
  EgressStreaming *streaming; /* borrowed */
  EgressJanusHandle *handle;  /* borrowed */
  EgressStreamingState state;
  EgressMountpoint *mountpoint;    /* a reference, unless idle */
  EgressPeer *peer;                /* owned, nullable */
  EgressStreamingOpening *opening; /* borrowed: its own, until it is done */
  char *private_stream;            /* owned, nullable: on demand */
  char *mids[RTC_MEDIA_N_KINDS];   /* owned; NULL: not watched */
  gboolean sends[RTC_MEDIA_N_KINDS];
  gboolean is_paused, peer_is_loopback;
  EgressLayers target, now;
  int min_delay_ms, max_delay_ms; /* -1 = as the mountpoint */
} EgressStreamingHandle;

/* --- streaming.c -------------------------------------------------------- */

/* (transfer full): {"streaming":what} */
JsonObject *egress_streaming_object (const char *what);
/* (transfer full): {"streaming":"event","error_code","error"} */
JsonObject *egress_streaming_error (const GError *error);
/* Errors of EGRESS_STREAMING_ERROR in Janus's words; all return FALSE then. */
gboolean egress_streaming_check (JsonObject *body,
                                 const EgressJanusParam *params, guint n_params,
                                 GError **error);
/* @secret: (nullable): none is asked for */
gboolean egress_streaming_check_secret (JsonObject *body, const char *member,
                                        const char *secret, GError **error);
gboolean egress_streaming_check_length (JsonObject *body, const char *member,
                                        gsize max_bytes, GError **error);
/* May who came with @token (nullable: none was needed) watch @stream? NULL:
 * change mountpoints?
 * @is_loopback: passes protected mode's test */
gboolean egress_streaming_check_token (EgressStreaming *self, const char *token,
                                       gboolean is_loopback, const char *stream,
                                       GError **error);
/* egress_streaming_check_id: checks body's id.
 * Returns: (transfer full) (nullable): as text */
char *egress_streaming_check_id (EgressStreaming *self, JsonObject *body,
                                 GError **error);
/* as above, and finds it. Returns: (transfer none) (nullable) */
EgressMountpoint *egress_streaming_find (EgressStreaming *self,
                                         JsonObject *body, GError **error);
/* a member that is a number, or a string when ids are */
void egress_streaming_set_id (EgressStreaming *self, JsonObject *object,
                              const char *member, const char *id);
void egress_streaming_expire (EgressStreaming *self, gint64 now_us);
/* the core answers what @handle still waits for */
void egress_streaming_drop_answers (EgressStreaming *self, gpointer handle);
/* egress_streaming_answer: gives the answer and frees @answer.
 * @data: (transfer full) */
void egress_streaming_answer (EgressStreamingAnswer *answer, JsonObject *data);
void egress_streaming_answer_error (EgressStreamingAnswer *answer,
                                    const GError *error);

/* A verb about mountpoints answers with an object, or with NULL and an error,
 * or later: NULL without an error, and @answer taken. */
typedef JsonObject *(*EgressStreamingVerb) (EgressStreaming *self,
                                            JsonObject *body,
                                            EgressStreamingAnswer **answer,
                                            GError **error);

/* --- streaming-info.c --------------------------------------------------- */

extern const char *const egress_streaming_kind_names[RTC_MEDIA_N_KINDS];
/* "live", "on demand" */
const char *egress_streaming_type_name (const EgressMountpointSpec *spec);
/* Returns: how many media @spec has; @ret: in its own order */
guint egress_streaming_media_in_order (const EgressMountpointSpec *spec,
                                       RtcMediaKind ret[RTC_MEDIA_N_KINDS]);
/* (nullable): "STREAM TRACK" */
const char *egress_streaming_msid (const EgressMountpointMedia *media);
/* (transfer full) (nullable): where its packets are to be sent, when somebody
 * said so: a group's or an interface's address */
char *egress_streaming_dup_host (const EgressMountpointMedia *media);
JsonObject *egress_streaming_list (EgressStreaming *self, JsonObject *body,
                                   EgressStreamingAnswer **answer,
                                   GError **error);
JsonObject *egress_streaming_info (EgressStreaming *self, JsonObject *body,
                                   EgressStreamingAnswer **answer,
                                   GError **error);

/* --- streaming-manage.c ------------------------------------------------- */

/* egress_streaming_manage: verbs about mountpoints, in any case of letters.
 * @answer: (transfer full) when it is one
 * Returns: FALSE: @verb is none of them; @answer is still the caller's */
gboolean egress_streaming_manage (EgressStreaming *self, const char *verb,
                                  JsonObject *body,
                                  EgressStreamingAnswer *answer);
gboolean egress_streaming_is_manage_verb (const char *verb);
/* those of them that a token for watching does not open */
gboolean egress_streaming_is_change (const char *verb);

/* --- streaming-recording.c ---------------------------------------------- */

JsonObject *egress_streaming_record (EgressStreaming *self, JsonObject *body,
                                     EgressStreamingAnswer **answer,
                                     GError **error);
/* (nullable): the file that this medium of mountpoint @id goes into */
const char *egress_streaming_recording_name (EgressStreaming *self,
                                             const char *id, RtcMediaKind kind);
/* those of mountpoint @id, of @stream; NULL: any. Finished in the background */
void egress_streaming_stop_recordings (EgressStreaming *self, const char *id,
                                       const char *stream);
void egress_streaming_recording_free (EgressStreamingRecording *self);

/* --- streaming-viewer.c ------------------------------------------------- */

EgressStreamingHandle *egress_streaming_handle_new (EgressStreaming *streaming,
                                                    EgressJanusHandle *handle);
void egress_streaming_handle_free (EgressStreamingHandle *self);
gboolean egress_streaming_is_viewer_verb (const char *verb);
/* @reply: (transfer full); @jsep, @token: (nullable) */
void egress_streaming_handle_request (EgressStreamingHandle *self,
                                      const char *verb, JsonObject *body,
                                      const EgressJanusJsep *jsep,
                                      const char *token,
                                      EgressJanusReply *reply);
/* egress_streaming_handle_end: back to idle, if it was not.
 * @status: (nullable): told before; @reason: of the hangup */
void egress_streaming_handle_end (EgressStreamingHandle *self,
                                  const char *status, const char *reason);
/* the hub says that @stream's viewers must go */
void egress_streaming_handle_stream_over (EgressStreamingHandle *self,
                                          RelayStream *stream);
/* lets go of all that watching holds, and says nothing.
 * Returns: %TRUE when there was a connection, or one on its way */
gboolean egress_streaming_handle_let_go (EgressStreamingHandle *self);
/* {"streaming":"event","result":@result}: (transfer full);
 * @transaction: (nullable) */
void egress_streaming_handle_push (EgressStreamingHandle *self,
                                   JsonObject *result, const char *transaction);
void egress_streaming_handle_push_error (EgressStreamingHandle *self,
                                         const GError *error,
                                         const char *transaction);
/* (transfer full): {"status":@status} */
JsonObject *egress_streaming_status (const char *status);

/* --- streaming-watch.c -------------------------------------------------- */

/* egress_streaming_watch: `watch`; the events are pushed.
 * @his_offer: (transfer full) (nullable) */
gboolean egress_streaming_watch (EgressStreamingHandle *self, JsonObject *body,
                                 const char *token, RtcSdp *his_offer,
                                 const char *transaction, GError **error);
/* he is one of @mountpoint's viewers, and holds it */
void egress_streaming_handle_enter (EgressStreamingHandle *self,
                                    EgressMountpoint *mountpoint);
/* an error of the gate in the plugin's terms; @id: of the mountpoint */
void egress_streaming_set_gate_error (GError **error, const GError *why,
                                      const char *id);
/* its handle does not wait for it any more */
void egress_streaming_opening_forget (EgressStreamingOpening *self);

/* --- streaming-configure.c ---------------------------------------------- */

/* the target layers that `watch` asks for */
gboolean egress_streaming_read_layers (EgressStreamingHandle *self,
                                       const EgressMountpointSpec *spec,
                                       JsonObject *body, GError **error);
gboolean egress_streaming_configure (EgressStreamingHandle *self,
                                     JsonObject *body, GError **error);
/* the peer sends other layers now */
void egress_streaming_on_layers (EgressStreamingHandle *self,
                                 const EgressLayers *now);
void egress_streaming_describe_handle (EgressStreamingHandle *self,
                                       JsonObject *object);
