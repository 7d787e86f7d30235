/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming-viewer: one handle: start, pause, switch, stop
 * (J52-J56), and what ends it: hangup, kick_all, destroy, the peer itself.
 */
#include "egress/streaming-private.h"

#include <string.h>

#include "egress/log.h"
#include "egress/negotiate.h"

#define DEFAULT_FALLBACK_US (250 * G_TIME_SPAN_MILLISECOND)
#define BEST_LAYER 2

/* --- what he is told ---------------------------------------------------- */

void
egress_streaming_handle_push (EgressStreamingHandle *self, JsonObject *result,
                              const char *transaction)
{
  JsonObject *data = egress_streaming_object ("event");

  json_object_set_object_member (data, "result", result);
  egress_janus_push_event (self->handle, data, transaction, NULL, NULL,
                           EGRESS_JANUS_JSEP_PLAIN);
}

JsonObject *
egress_streaming_status (const char *status)
{
  JsonObject *result = json_object_new ();

  json_object_set_string_member (result, "status", status);
  return result;
}

void
egress_streaming_handle_push_error (EgressStreamingHandle *self,
                                    const GError *error,
                                    const char *transaction)
{
  egress_janus_push_event (self->handle, egress_streaming_error (error),
                           transaction, NULL, NULL, EGRESS_JANUS_JSEP_PLAIN);
}

/* --- idle --------------------------------------------------------------- */

static void
reset (EgressStreamingHandle *self)
{
  self->state = EGRESS_STREAMING_IDLE;
  self->is_paused = FALSE;
  self->min_delay_ms = self->max_delay_ms = -1;
  self->target =
      (EgressLayers){ BEST_LAYER, BEST_LAYER, BEST_LAYER, DEFAULT_FALLBACK_US };
  self->now = (EgressLayers){ -1, -1, -1, 0 };
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      g_clear_pointer (&self->mids[k], g_free);
      self->sends[k] = TRUE;
    }
}

/* Lets go of all that watching holds.
 * Returns: %TRUE when there was a connection, or one on its way */
gboolean
egress_streaming_handle_let_go (EgressStreamingHandle *self)
{
  g_autoptr (EgressMountpoint) mountpoint = g_steal_pointer (&self->mountpoint);
  g_autofree char *stream = g_steal_pointer (&self->private_stream);
  EgressPeer *peer = g_steal_pointer (&self->peer);
  const EgressMountpointHooks *hooks = &self->streaming->config->hooks;

  reset (self);
  if (self->opening != NULL)
    egress_streaming_opening_forget (g_steal_pointer (&self->opening));
  if (peer != NULL)
    egress_peer_close (peer, RTC_CLOSE_LOCAL);
  if (mountpoint != NULL)
    egress_mountpoint_remove_viewer (mountpoint, self);
  if (stream != NULL)
    hooks->close (stream, hooks->data);
  return peer != NULL;
}

void
egress_streaming_handle_end (EgressStreamingHandle *self, const char *status,
                             const char *reason)
{
  if (self->state == EGRESS_STREAMING_IDLE)
    return;
  if (status != NULL)
    egress_streaming_handle_push (self, egress_streaming_status (status), NULL);
  if (self->peer != NULL)
    egress_peer_set_cause (self->peer, status != NULL ? status : reason);
  if (egress_streaming_handle_let_go (self))
    egress_janus_push_hangup (self->handle, reason);
}

void
egress_streaming_handle_stream_over (EgressStreamingHandle *self,
                                     RelayStream *stream)
{
  if (self->peer != NULL && egress_peer_get_stream (self->peer) == stream)
    egress_streaming_handle_end (self, "stopped", "Close PC");
}

EgressStreamingHandle *
egress_streaming_handle_new (EgressStreaming *streaming,
                             EgressJanusHandle *handle)
{
  EgressStreamingHandle *self = g_new0 (EgressStreamingHandle, 1);

  self->streaming = streaming;
  self->handle = handle;
  reset (self);
  g_hash_table_add (streaming->handles, self);
  return self;
}

void
egress_streaming_handle_free (EgressStreamingHandle *self)
{
  if (self->peer != NULL)
    egress_peer_set_cause (self->peer, "the handle is gone");
  egress_streaming_handle_let_go (self);
  egress_streaming_drop_answers (self->streaming, self);
  g_hash_table_remove (self->streaming->handles, self);
  g_free (self);
}

/* --- start, pause, stop ------------------------------------------------- */

static gboolean
check_watching (EgressStreamingHandle *self, const char *text, GError **error)
{
  if (self->mountpoint != NULL)
    return TRUE;
  g_set_error_literal (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_NO_SUCH,
                       text);
  return FALSE;
}

static gboolean
set_paused (EgressStreamingHandle *self, gboolean is_paused,
            const char *transaction, GError **error)
{
  const char *status = is_paused ? "pausing" : "starting";

  /* pause has the same words in Janus */
  if (!check_watching (self, "Can't start: no mountpoint set", error))
    return FALSE;
  if (self->peer != NULL && self->is_paused != is_paused)
    {
      self->is_paused = is_paused;
      egress_peer_set_paused (self->peer, is_paused);
    }
  if (!is_paused && self->state == EGRESS_STREAMING_STARTED)
    status = "started";
  egress_streaming_handle_push (self, egress_streaming_status (status),
                                transaction);
  return TRUE;
}

static void
stop (EgressStreamingHandle *self, const char *transaction)
{
  if (self->state == EGRESS_STREAMING_IDLE)
    {
      egress_streaming_handle_push (self, egress_streaming_status ("idle"),
                                    transaction);
      return;
    }
  egress_streaming_handle_push (self, egress_streaming_status ("stopping"),
                                transaction);
  egress_streaming_handle_end (self, NULL, "Close PC");
}

/* --- switch ------------------------------------------------------------- */

static gboolean
check_is_rtp (EgressMountpoint *mountpoint, const char *text, GError **error)
{
  EgressMountpointKind kind = egress_mountpoint_get_spec (mountpoint)->kind;

  if (kind != EGRESS_MOUNTPOINT_LIVE && kind != EGRESS_MOUNTPOINT_ONDEMAND)
    return TRUE;
  g_set_error_literal (error, EGRESS_STREAMING_ERROR,
                       EGRESS_STREAMING_CANT_SWITCH, text);
  return FALSE;
}

/* What he negotiated must be what there is; a source that has not begun yet is
 * known by what it was made for. */
static gboolean
check_codecs (EgressStreamingHandle *self, EgressMountpoint *mountpoint,
              GError **error)
{
  RelayStreamInfo mine, theirs;

  if (!egress_mountpoint_get_info (self->mountpoint, &mine)
      || !egress_mountpoint_get_info (mountpoint, &theirs))
    return TRUE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->mids[k] != NULL && mine.tracks[k].is_present
        && theirs.tracks[k].is_present
        && mine.tracks[k].codec != theirs.tracks[k].codec)
      {
        g_set_error (error, EGRESS_STREAMING_ERROR,
                     EGRESS_STREAMING_CANT_SWITCH,
                     "Can't switch: the %s of mountpoint %s is %s, not %s",
                     egress_streaming_kind_names[k],
                     egress_mountpoint_get_spec (mountpoint)->id,
                     rtc_codec_name (theirs.tracks[k].codec),
                     rtc_codec_name (mine.tracks[k].codec));
        return FALSE;
      }
  return TRUE;
}

/* No pin is asked for (J55). */
static gboolean
switch_to (EgressStreamingHandle *self, JsonObject *body, const char *token,
           const char *transaction, GError **error)
{
  EgressMountpoint *mountpoint;
  g_autoptr (EgressMountpoint) before = NULL;
  g_autoptr (GError) why = NULL;
  EgressSources sources;
  JsonObject *result;

  if (!check_watching (self, "Can't switch: not on a mountpoint", error)
      || !check_is_rtp (self->mountpoint,
                        "Can't switch: not on a live RTP mountpoint", error))
    return FALSE;
  mountpoint = egress_streaming_find (self->streaming, body, error);
  if (mountpoint == NULL
      || !check_is_rtp (mountpoint,
                        "Can't switch: target is not a live RTP mountpoint",
                        error)
      || !egress_streaming_check_token (
          self->streaming, token, self->peer_is_loopback,
          egress_mountpoint_get_stream (mountpoint), error)
      || !check_codecs (self, mountpoint, error))
    return FALSE;
  if (!egress_mountpoint_get_sources (mountpoint, FALSE, &sources, &why))
    {
      egress_streaming_set_gate_error (
          error, why, egress_mountpoint_get_spec (mountpoint)->id);
      return FALSE;
    }
  if (!egress_peer_switch (self->peer, &sources, &why))
    {
      /* streams that were held for him need not be any more */
      if (mountpoint != self->mountpoint)
        egress_mountpoint_remove_viewer (mountpoint, self);
      g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_CANT_SWITCH,
                   "Can't switch: %s", why->message);
      return FALSE;
    }
  /* in this order: it may be the same one, which goes when nobody watches */
  before = g_steal_pointer (&self->mountpoint);
  egress_streaming_handle_enter (self, mountpoint);
  egress_mountpoint_remove_viewer (before, self);
  self->now = (EgressLayers){ -1, -1, -1, 0 }; /* he is told anew */
  if (self->is_paused)
    egress_peer_set_paused (self->peer, FALSE);
  self->is_paused = FALSE;
  result = json_object_new ();
  json_object_set_string_member (result, "switched", "ok");
  egress_streaming_set_id (self->streaming, result, "id",
                           egress_mountpoint_get_spec (mountpoint)->id);
  egress_streaming_handle_push (self, result, transaction);
  return TRUE;
}

/* --- requests ----------------------------------------------------------- */

typedef enum
{
  VERB_WATCH,
  VERB_START,
  VERB_PAUSE,
  VERB_CONFIGURE,
  VERB_SWITCH,
  VERB_STOP,
  N_VERBS
} Verb;
static const char *const verb_names[N_VERBS] = {
  "watch", "start", "pause", "configure", "switch", "stop"
};

static Verb
find_verb (const char *verb)
{
  Verb i = 0;

  while (i < N_VERBS && g_ascii_strcasecmp (verb, verb_names[i]) != 0)
    i++;
  return i;
}

gboolean
egress_streaming_is_viewer_verb (const char *verb)
{
  return find_verb (verb) < N_VERBS;
}

/* his answer to our offer. One that comes again changes nothing.
 * Returns: %FALSE when @reply has been given */
static gboolean
take_answer (EgressStreamingHandle *self, const RtcSdp *answer,
             EgressJanusReply *reply)
{
  g_autoptr (GError) error = NULL;

  if (self->peer == NULL)
    {
      egress_janus_reply_error (reply, EGRESS_JANUS_UNEXPECTED_ANSWER,
                                "Unexpected ANSWER (did we offer?)");
      return FALSE;
    }
  if (!egress_peer_is_waiting (self->peer))
    return TRUE;
  if (!egress_peer_accept (self->peer, answer, &error))
    {
      egress_janus_reply_error (reply, EGRESS_JANUS_INVALID_SDP,
                                error->message);
      return FALSE;
    }
  if (self->state == EGRESS_STREAMING_PREPARING)
    self->state = EGRESS_STREAMING_STARTING;
  return TRUE;
}

static gboolean
run (EgressStreamingHandle *self, Verb verb, JsonObject *body,
     const char *token, RtcSdp *his_offer, const char *transaction,
     GError **error)
{
  g_autoptr (RtcSdp) offer = his_offer;

  switch (verb)
    {
    case VERB_WATCH:
      return egress_streaming_watch (
          self, body, token, g_steal_pointer (&offer), transaction, error);
    case VERB_START:
    case VERB_PAUSE:
      return set_paused (self, verb == VERB_PAUSE, transaction, error);
    case VERB_SWITCH:
      return switch_to (self, body, token, transaction, error);
    case VERB_STOP:
      stop (self, transaction);
      return TRUE;
    case VERB_CONFIGURE:
      {
        JsonObject *result;

        if (!check_watching (self, "Can't configure: not on a mountpoint",
                             error)
            || !egress_streaming_configure (self, body, error))
          return FALSE;
        result = json_object_new ();
        json_object_set_string_member (result, "event", "configured");
        egress_streaming_handle_push (self, result, transaction);
        return TRUE;
      }
    case N_VERBS:
    default:
      g_return_val_if_reached (FALSE);
    }
}

void
egress_streaming_handle_request (EgressStreamingHandle *self, const char *name,
                                 JsonObject *body, const EgressJanusJsep *jsep,
                                 const char *token, EgressJanusReply *reply)
{
  g_autofree char *transaction =
      g_strdup (egress_janus_reply_get_transaction (reply));
  g_autoptr (RtcSdp) sdp = NULL;
  g_autoptr (GError) error = NULL;
  Verb verb = find_verb (name);
  gboolean is_fine;

  if (jsep != NULL)
    {
      sdp = rtc_sdp_parse (jsep->sdp, jsep->is_offer, &error);
      if (sdp == NULL)
        {
          egress_janus_reply_error (reply, EGRESS_JANUS_INVALID_SDP,
                                    error->message);
          return;
        }
      if (!jsep->is_offer && !take_answer (self, sdp, reply))
        return;
      if (!jsep->is_offer)
        g_clear_pointer (&sdp, rtc_sdp_free);
    }
  egress_janus_reply_ack (reply);
  if (sdp != NULL && verb != VERB_WATCH)
    {
      g_set_error (&error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_INVALID_SDP,
                   "An offer can come with watch only, not with %s", name);
      is_fine = FALSE;
    }
  else
    is_fine = run (self, verb, body, token, g_steal_pointer (&sdp), transaction,
                   &error);
  if (!is_fine)
    egress_streaming_handle_push_error (self, error, transaction);
  if (!is_fine && self->state == EGRESS_STREAMING_IDLE)
    reset (self); /* of what the request had already chosen */
  if (verb == VERB_WATCH)
    base_counter_add (
        is_fine ? self->streaming->n_watches : self->streaming->n_refused, 1);
}
