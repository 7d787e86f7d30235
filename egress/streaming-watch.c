/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming-watch: how a handle comes to have a peer (J46-J51): checks,
 * which media, our offer or an answer to his; and the peer's news.
 */
#include "egress/streaming-private.h"

#include <string.h>

/* A file that is being opened for one viewer. Outlives a handle that does not
 * wait for it. */
struct _EgressStreamingOpening
{
  EgressStreamingHandle *handle; /* borrowed; NULL: not wanted any more */
  EgressMountpointHooks hooks;
  char *stream;      /* owned */
  char *transaction; /* owned: of the watch */
  RtcSdp *offer;     /* owned, nullable: the viewer's */
  gboolean wants[RTC_MEDIA_N_KINDS];
};

static void
opening_free (EgressStreamingOpening *self)
{
  g_clear_pointer (&self->offer, rtc_sdp_free);
  g_free (self->stream);
  g_free (self->transaction);
  g_free (self);
}

void
egress_streaming_opening_forget (EgressStreamingOpening *self)
{
  self->handle = NULL;
}

static void
push_description (EgressStreamingHandle *self, EgressMountpoint *mountpoint,
                  const char *status, const char *transaction, const char *type,
                  const char *sdp)
{
  JsonObject *data = egress_streaming_object ("event");
  EgressJanusJsepFlags flags = EGRESS_JANUS_JSEP_PLAIN;

  if (strcmp (status, "updating") == 0)
    flags |= EGRESS_JANUS_JSEP_RESTART;
  if (egress_mountpoint_get_spec (mountpoint)->is_e2ee)
    flags |= EGRESS_JANUS_JSEP_E2EE;
  json_object_set_object_member (data, "result",
                                 egress_streaming_status (status));
  egress_janus_push_event (self->handle, data, transaction, type, sdp, flags);
}

/* --- news of the peer and of the mountpoint ----------------------------- */

/* Janus's reasons (J30) */
static const char *
hangup_reason (RtcCloseReason reason)
{
  switch (reason)
    {
    case RTC_CLOSE_PEER:
    case RTC_CLOSE_DTLS_FAILED:
    case RTC_CLOSE_FINGERPRINT:
      return "DTLS alert";
    case RTC_CLOSE_ICE_TIMEOUT:
    case RTC_CLOSE_CONSENT:
      return "ICE failed";
    case RTC_CLOSE_LOCAL:
    case RTC_CLOSE_LIMIT:
    default:
      return "Close PC";
    }
}

static void
on_peer_ended (EgressPeer *peer, RtcCloseReason reason, gpointer data)
{
  egress_streaming_handle_end (data, NULL, hangup_reason (reason));
}

static void
on_peer_connected (EgressPeer *peer, gint64 join_us, gpointer data)
{
  EgressStreamingHandle *self = data;

  if (self->state != EGRESS_STREAMING_STARTING)
    return;
  self->state = EGRESS_STREAMING_STARTED;
  egress_streaming_handle_push (self, egress_streaming_status ("started"),
                                NULL);
  egress_janus_push_webrtcup (self->handle);
}

static void
on_peer_layers (EgressPeer *peer, const EgressLayers *now, gpointer data)
{
  egress_streaming_on_layers (data, now);
}

static void
on_peer_slow_link (EgressPeer *peer, RtcMediaKind kind, guint n_nacked,
                   gpointer data)
{
  EgressStreamingHandle *self = data;

  egress_janus_push_slow_link (self->handle, self->mids[kind],
                               kind == RTC_MEDIA_VIDEO, n_nacked);
}

static void
on_gone (gpointer viewer)
{
  egress_streaming_handle_end (viewer, "stopped", "Close PC");
}

static void
on_kicked (gpointer viewer)
{
  egress_streaming_handle_end (viewer, "kicked_all", "Close PC");
}

static const EgressMountpointViewerFuncs viewer_funcs = { .on_gone = on_gone,
                                                          .on_kicked =
                                                              on_kicked };

/* --- watch -------------------------------------------------------------- */

/* An error of the gate in the plugin's terms. */
void
egress_streaming_set_gate_error (GError **error, const GError *why,
                                 const char *id)
{
  if (g_error_matches (why, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_NOT_LIVE))
    g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_NO_SUCH,
                 "No such mountpoint/stream %s", id);
  else
    g_set_error_literal (error, EGRESS_STREAMING_ERROR,
                         EGRESS_STREAMING_UNKNOWN, why->message);
}

static EgressPeer *
make_peer (EgressStreamingHandle *self, EgressMountpoint *mountpoint,
           const EgressSources *sources, const gboolean *wants)
{
  static const EgressPeerCallbacks callbacks = { .on_ended = on_peer_ended,
                                                 .on_connected =
                                                     on_peer_connected,
                                                 .on_layers = on_peer_layers,
                                                 .on_slow_link =
                                                     on_peer_slow_link };
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  g_autofree char *name = g_strdup_printf ("Mountpoint %s", spec->id);
  g_autofree char *log_id =
      g_strdup_printf ("%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT,
                       egress_janus_handle_get_session_id (self->handle),
                       egress_janus_handle_get_id (self->handle));
  EgressPeerParams params = { .sources = *sources,
                              .session_name = name,
                              .log_id = log_id,
                              .peer_is_loopback = self->peer_is_loopback,
                              .with_playout_delay = spec->has_playout_delay,
                              .with_capture_time = spec->capture_time_id != 0 };
  RtcMediaKind kinds[RTC_MEDIA_N_KINDS];
  RelayStreamInfo info;

  if (egress_mountpoint_get_info (mountpoint, &info))
    params.info = &info;
  params.video_first = egress_streaming_media_in_order (spec, kinds) > 0
                       && kinds[0] == RTC_MEDIA_VIDEO;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      params.wants[k] = wants[k];
      params.mids[k] = spec->media[k].mid;
      params.msids[k] = egress_streaming_msid (&spec->media[k]);
      if (params.msids[k] == NULL)
        params.msids[k] = "janus";
      g_free (self->mids[k]);
      self->mids[k] = wants[k] ? g_strdup (spec->media[k].mid) : NULL;
    }
  return egress_peer_new (&self->streaming->peer_config, &params, &callbacks,
                          self);
}

/* begin: describes @sources to him: our offer, or an answer to his.
 * Returns: %FALSE with EGRESS_STREAMING_ERROR; the handle is as it was */
static gboolean
begin (EgressStreamingHandle *self, EgressMountpoint *mountpoint,
       const EgressSources *sources, const gboolean *wants,
       const RtcSdp *his_offer, const char *transaction, GError **error)
{
  EgressPeer *peer = make_peer (self, mountpoint, sources, wants);
  g_autoptr (GError) why = NULL;
  g_autofree char *sdp = his_offer != NULL
                             ? egress_peer_answer (peer, his_offer, &why)
                             : egress_peer_offer (peer, &why);

  if (sdp == NULL)
    {
      egress_peer_close (peer, RTC_CLOSE_LOCAL);
      g_set_error_literal (error, EGRESS_STREAMING_ERROR,
                           his_offer != NULL ? EGRESS_STREAMING_INVALID_SDP
                                             : EGRESS_STREAMING_INVALID_REQUEST,
                           why->message);
      return FALSE;
    }
  self->peer = peer;
  self->state = his_offer != NULL ? EGRESS_STREAMING_STARTING
                                  : EGRESS_STREAMING_PREPARING;
  egress_peer_set_layers (peer, &self->target);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (!wants[k]) /* his offer may have a section for it */
      egress_peer_set_sending (peer, k, FALSE);
  if (his_offer != NULL)
    push_description (self, mountpoint, "starting", transaction, "answer", sdp);
  else
    push_description (self, mountpoint, "preparing", transaction, "offer", sdp);
  return TRUE;
}

void
egress_streaming_handle_enter (EgressStreamingHandle *self,
                               EgressMountpoint *mountpoint)
{
  self->mountpoint = egress_mountpoint_ref (mountpoint);
  egress_mountpoint_add_viewer (mountpoint, &viewer_funcs, self);
}

static gboolean
is_in_list (JsonArray *list, const char *mid)
{
  for (guint i = 0; i < json_array_get_length (list); i++)
    if (mid != NULL
        && g_ascii_strcasecmp (json_array_get_string_element (list, i), mid)
               == 0)
      return TRUE;
  return FALSE;
}

static gboolean
check_media (JsonArray *list, GError **error)
{
  guint n = list != NULL ? json_array_get_length (list) : 0;

  if (n > EGRESS_STREAMING_MAX_MEDIA)
    {
      g_set_error (error, EGRESS_STREAMING_ERROR,
                   EGRESS_STREAMING_INVALID_ELEMENT,
                   "Invalid value (media can't have more than %d entries)",
                   EGRESS_STREAMING_MAX_MEDIA);
      return FALSE;
    }
  for (guint i = 0; i < n; i++)
    if (json_node_get_value_type (json_array_get_element (list, i))
        != G_TYPE_STRING)
      {
        g_set_error_literal (
            error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_INVALID_ELEMENT,
            "The media array must only contain strings (mid values)");
        return FALSE;
      }
  return TRUE;
}

/* Which of the mountpoint's media he gets. Mids that it does not have are
 * overlooked as long as one is left. */
static gboolean
choose_media (EgressMountpoint *mountpoint, JsonObject *body, gboolean *ret,
              GError **error)
{
  static const char *const members[RTC_MEDIA_N_KINDS] = {
    [RTC_MEDIA_AUDIO] = "offer_audio", [RTC_MEDIA_VIDEO] = "offer_video"
  };
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  JsonArray *list = json_object_has_member (body, "media")
                        ? json_object_get_array_member (body, "media")
                        : NULL;
  gboolean has_some = FALSE, has_info;
  RelayStreamInfo info;

  has_info = egress_mountpoint_get_info (mountpoint, &info);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      ret[k] =
          egress_janus_get_bool (body, members[k], TRUE)
          && (has_info ? info.tracks[k].is_present : spec->media[k].is_present);
      if (list != NULL && json_array_get_length (list) > 0)
        ret[k] = ret[k] && is_in_list (list, spec->media[k].mid);
      has_some = has_some || ret[k];
    }
  if (!has_some)
    g_set_error_literal (
        error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_INVALID_REQUEST,
        "Can't offer an SDP with no audio, video or data for this mountpoint");
  return has_some;
}

/* Again, for who watches already: a new offer of the same (J48, J49). */
static gboolean
watch_again (EgressStreamingHandle *self, EgressMountpoint *mountpoint,
             gboolean is_restart, const char *transaction, GError **error)
{
  g_autofree char *sdp = NULL;
  const char *id = egress_mountpoint_get_spec (self->mountpoint)->id;

  if (strcmp (egress_mountpoint_get_spec (mountpoint)->id, id) != 0
      || self->state != EGRESS_STREAMING_STARTED)
    {
      g_set_error (error, EGRESS_STREAMING_ERROR,
                   EGRESS_STREAMING_INVALID_STATE,
                   "Already watching mountpoint %s", id);
      return FALSE;
    }
  sdp = egress_peer_restart_offer (self->peer);
  if (sdp == NULL)
    {
      /* the offer was his: so must the next be */
      g_set_error (error, EGRESS_STREAMING_ERROR,
                   EGRESS_STREAMING_INVALID_STATE,
                   "Can't offer: mountpoint %s was answered to your offer", id);
      return FALSE;
    }
  push_description (self, self->mountpoint,
                    is_restart ? "updating" : "preparing", transaction, "offer",
                    sdp);
  return TRUE;
}

static void
on_opened (const EgressMountpointPorts *ports, const RelayStreamInfo *info,
           const GError *error, gpointer data)
{
  EgressStreamingOpening *opening = data;
  EgressStreamingHandle *self = opening->handle;
  g_autoptr (GError) why = NULL;
  RelayStream *stream;

  if (self == NULL)
    {
      if (error == NULL)
        opening->hooks.close (opening->stream, opening->hooks.data);
      opening_free (opening);
      return;
    }
  self->opening = NULL;
  stream = error == NULL ? relay_hub_lookup (self->streaming->config->hub,
                                             opening->stream)
                         : NULL;
  if (error == NULL)
    self->private_stream = g_strdup (opening->stream);
  if (error == NULL && stream == NULL)
    g_set_error_literal (&why, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_UNKNOWN,
                         "The file has ended already");
  if (stream != NULL)
    {
      EgressSources sources = { .audio = stream,
                                .video = { stream },
                                .n_video = 1 };

      begin (self, self->mountpoint, &sources, opening->wants, opening->offer,
             opening->transaction, &why);
    }
  if (error != NULL || why != NULL)
    {
      egress_streaming_handle_push_error (self, error != NULL ? error : why,
                                          opening->transaction);
      egress_streaming_handle_let_go (self);
    }
  opening_free (opening);
}

/* A file from its start, for him alone. */
static void
open_private (EgressStreamingHandle *self, EgressMountpoint *mountpoint,
              const gboolean *wants, RtcSdp *his_offer, const char *transaction)
{
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  EgressStreamingOpening *opening = g_new0 (EgressStreamingOpening, 1);

  opening->handle = self;
  opening->hooks = self->streaming->config->hooks;
  opening->stream = g_strdup_printf (
      "%.40s~p%u-%x", spec->id, ++self->streaming->n_opened, g_random_int ());
  opening->transaction = g_strdup (transaction);
  opening->offer = his_offer;
  memcpy (opening->wants, wants, sizeof opening->wants);
  egress_streaming_handle_enter (self, mountpoint);
  self->opening = opening;
  self->state = EGRESS_STREAMING_OPENING;
  opening->hooks.open_private (spec, opening->stream, on_opened, opening,
                               opening->hooks.data);
}

/* @his_offer: (transfer full) (nullable) */
static gboolean
watch_new (EgressStreamingHandle *self, EgressMountpoint *mountpoint,
           JsonObject *body, RtcSdp *his_offer, const char *transaction,
           GError **error)
{
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  g_autoptr (RtcSdp) offer = his_offer;
  g_autoptr (GError) why = NULL;
  gboolean wants[RTC_MEDIA_N_KINDS];
  EgressSources sources;

  if (!choose_media (mountpoint, body, wants, error)
      || !egress_streaming_read_layers (self, spec, body, error))
    return FALSE;
  if (spec->kind == EGRESS_MOUNTPOINT_ONDEMAND)
    {
      /* no file is opened for one who cannot stay */
      if (!egress_gate_check (self->streaming->config->gate, NULL, &why))
        {
          egress_streaming_set_gate_error (error, why, spec->id);
          return FALSE;
        }
      open_private (self, mountpoint, wants, g_steal_pointer (&offer),
                    transaction);
      return TRUE;
    }
  if (!egress_mountpoint_get_sources (mountpoint, TRUE, &sources, &why))
    {
      egress_streaming_set_gate_error (error, why, spec->id);
      return FALSE;
    }
  if (!begin (self, mountpoint, &sources, wants, offer, transaction, error))
    {
      /* streams that were held for him alone need not be any more */
      egress_mountpoint_remove_viewer (mountpoint, self);
      return FALSE;
    }
  egress_streaming_handle_enter (self, mountpoint);
  return TRUE;
}

gboolean
egress_streaming_watch (EgressStreamingHandle *self, JsonObject *body,
                        const char *token, RtcSdp *his_offer,
                        const char *transaction, GError **error)
{
  static const EgressJanusParam params[] = {
    { "pin", EGRESS_JANUS_STRING, FALSE },
    { "media", EGRESS_JANUS_ARRAY, FALSE },
    { "restart", EGRESS_JANUS_BOOLEAN, FALSE },
    { "offer_audio", EGRESS_JANUS_BOOLEAN, FALSE },
    { "offer_video", EGRESS_JANUS_BOOLEAN, FALSE },
    { "offer_data", EGRESS_JANUS_BOOLEAN, FALSE },
  };
  g_autoptr (RtcSdp) offer = his_offer;
  g_autofree char *id = NULL;
  gboolean is_restart;
  EgressMountpoint *mountpoint;

  if (!egress_streaming_check (body, params, G_N_ELEMENTS (params), error))
    return FALSE;
  id = egress_streaming_check_id (self->streaming, body, error);
  if (id == NULL
      || !check_media (json_object_has_member (body, "media")
                           ? json_object_get_array_member (body, "media")
                           : NULL,
                       error))
    return FALSE;
  is_restart = egress_janus_get_bool (body, "restart", FALSE);
  mountpoint = egress_streaming_find (self->streaming, body, error);
  if (mountpoint == NULL
      || !egress_streaming_check_secret (
          body, "pin", egress_mountpoint_get_spec (mountpoint)->pin, error)
      || !egress_streaming_check_token (
          self->streaming, token, self->peer_is_loopback,
          egress_mountpoint_get_stream (mountpoint), error))
    return FALSE;
  if (self->mountpoint != NULL)
    return watch_again (self, mountpoint, is_restart, transaction, error);
  if (is_restart)
    {
      g_set_error (error, EGRESS_STREAMING_ERROR,
                   EGRESS_STREAMING_INVALID_STATE,
                   "Can't restart: not watching mountpoint %s", id);
      return FALSE;
    }
  return watch_new (self, mountpoint, body, g_steal_pointer (&offer),
                    transaction, error);
}
