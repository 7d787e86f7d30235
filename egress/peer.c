/* SPDX-License-Identifier: Apache-2.0 */
/* EgressPeer: see peer.h. */
#include "egress/peer.h"

#include <string.h>

#include "base/clock.h"
#include "egress/log.h"
#include "egress/negotiate.h"
#include "egress/viewer-stats.h"

#define CNAME_BYTES 12

struct _EgressPeer
{
  guint n_refs; /* the owner's, and the viewer's until on_closed */
  const EgressPeerConfig *config; /* borrowed until closed */
  EgressPeerCallbacks callbacks;
  gpointer data;

  char *log_id;             /* owned */
  char *cause;              /* owned, nullable: why we close it */
  EgressSources sources;    /* owned references */
  EgressOfferWishes wishes; /* its strings are owned: see wishes_init */
  RtcWorker *worker;        /* borrowed from the hub */
  gint64 created_us, join_us;
  char cname[24];

  RtcSdp *local;        /* owned, nullable: our last description */
  EgressTerms terms;    /* its strings are borrowed: see terms_init */
  char *ufrag, *pwd;    /* owned: of local */
  char *remote_ufrag;   /* owned, nullable */
  EgressViewer *viewer; /* owned reference, nullable */
  /* for it, when it comes; and what it was told since */
  EgressLayers layers;
  gboolean is_paused, is_off[RTC_MEDIA_N_KINDS];
  int playout_min_ms, playout_max_ms;
  guint expiry_id;     /* a counter-offer's timer, 0 = none */
  gboolean is_waiting; /* for the answer to local */
  gboolean is_counted; /* by the gate */
  gboolean is_connected, is_closed, is_viewer_closed, peer_is_loopback;
};

RelayStream *
egress_peer_get_stream (EgressPeer *self)
{
  const EgressSources *sources = &self->sources;

  return sources->n_video > 0 ? sources->video[sources->n_video - 1]
                              : sources->audio;
}

static const char *
stream_name (EgressPeer *self)
{
  return relay_stream_get_name (egress_peer_get_stream (self));
}

static void
peer_unref (EgressPeer *self)
{
  if (--self->n_refs > 0)
    return;
  g_clear_pointer (&self->viewer, egress_viewer_unref);
  g_clear_pointer (&self->local, rtc_sdp_free);
  egress_sources_clear (&self->sources);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      g_free ((char *)self->wishes.mids[k]);
      g_free ((char *)self->wishes.msids[k]);
    }
  g_free ((char *)self->wishes.session_name);
  g_free (self->log_id);
  g_free (self->cause);
  g_free (self->ufrag);
  g_free (self->pwd);
  g_free (self->remote_ufrag);
  g_free (self);
}

/* get_source_info: what the sources carry, each kind by its own */
static void
get_source_info (const EgressSources *sources, RelayStreamInfo *ret)
{
  RelayStreamInfo info;

  memset (ret, 0, sizeof *ret);
  if (sources->audio && relay_stream_get_info (sources->audio, &info))
    ret->tracks[RTC_MEDIA_AUDIO] = info.tracks[RTC_MEDIA_AUDIO];
  if (sources->n_video > 0
      && relay_stream_get_info (sources->video[sources->n_video - 1], &info))
    ret->tracks[RTC_MEDIA_VIDEO] = info.tracks[RTC_MEDIA_VIDEO];
}

static void
terms_init (EgressPeer *self, const EgressPeerParams *params)
{
  const EgressPeerConfig *config = self->config;
  EgressTerms *terms = &self->terms;

  if (params->info)
    terms->info = *params->info;
  else
    get_source_info (&self->sources, &terms->info);
  terms->h264_profile =
      relay_stream_get_h264_profile (egress_peer_get_stream (self));
  terms->stream_name = stream_name (self);
  terms->cname = self->cname;
  terms->ice_ufrag = self->ufrag;
  terms->ice_pwd = self->pwd;
  terms->fingerprint = rtc_certificate_get_fingerprint (config->certificate);
  terms->with_playout_delay = params->with_playout_delay
                              || (config->playout_delay_min_ms >= 0
                                  && config->playout_delay_max_ms >= 0);
  egress_terms_draw_ssrcs (terms);
}

static void
wishes_init (EgressOfferWishes *self, const EgressPeerParams *params)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->wants[k] = params->wants[k];
      self->mids[k] = g_strdup (params->mids[k]);
      self->msids[k] = g_strdup (params->msids[k]);
    }
  self->session_name = g_strdup (params->session_name);
  self->video_first = params->video_first;
  self->with_capture_time = params->with_capture_time;
}

EgressPeer *
egress_peer_new (const EgressPeerConfig *config, const EgressPeerParams *params,
                 const EgressPeerCallbacks *callbacks, gpointer data)
{
  EgressPeer *self = g_new0 (EgressPeer, 1);

  self->n_refs = 1;
  self->config = config;
  self->callbacks = *callbacks;
  self->data = data;
  self->log_id = g_strdup (params->log_id);
  self->sources = params->sources;
  egress_sources_ref (&self->sources);
  self->worker = relay_hub_pick_worker (config->hub);
  self->peer_is_loopback = params->peer_is_loopback;
  self->created_us = base_clock_now_us ();
  for (guint i = 0; i < CNAME_BYTES; i++)
    self->cname[i] =
        "abcdefghijklmnopqrstuvwxyz0123456789"[g_random_int_range (0, 36)];
  self->ufrag = rtc_transport_make_ufrag ();
  self->pwd = rtc_transport_make_pwd ();
  terms_init (self, params);
  wishes_init (&self->wishes, params);
  self->layers = (EgressLayers)EGRESS_LAYERS_DEFAULT;
  self->playout_min_ms = config->playout_delay_min_ms;
  self->playout_max_ms = config->playout_delay_max_ms;
  return self;
}

/* --- the viewer ------------------------------------------------------ */

static void
on_viewer_connected (EgressViewer *viewer, gpointer data)
{
  EgressPeer *self = data;
  gint64 join_us = base_clock_now_us () - self->created_us;

  if (self->is_closed || self->is_connected)
    return;
  self->is_connected = TRUE;
  egress_gate_connect (self->config->gate, egress_peer_get_stream (self),
                       join_us);
  self->join_us = join_us;
  GST_DEBUG ("session=%s stream=%s join_ms=%" G_GINT64_FORMAT
             " viewer connected",
             self->log_id, stream_name (self), join_us / BASE_US_PER_MS);
  if (self->callbacks.on_connected)
    self->callbacks.on_connected (self, join_us, self->data);
}

static void
on_viewer_layers (EgressViewer *viewer, const EgressLayers *now, gpointer data)
{
  EgressPeer *self = data;

  if (!self->is_closed && self->callbacks.on_layers)
    self->callbacks.on_layers (self, now, self->data);
}

static void
on_viewer_slow_link (EgressViewer *viewer, RtcMediaKind kind, guint n_nacked,
                     gpointer data)
{
  EgressPeer *self = data;

  if (!self->is_closed && self->callbacks.on_slow_link)
    self->callbacks.on_slow_link (self, kind, n_nacked, self->data);
}

/* @why: when nobody has said */
static void
log_end (EgressPeer *self, const char *why)
{
  EgressViewerStats stats = { 0 };

  egress_peer_get_stats (self, &stats);
  egress_viewer_stats_log (
      &stats, self->log_id, stream_name (self), self->created_us,
      self->is_connected ? self->join_us : -1, self->cause ? self->cause : why);
}

/* The viewer's last callback: its reference goes. */
static void
on_viewer_closed (EgressViewer *viewer, RtcCloseReason reason, gpointer data)
{
  EgressPeer *self = data;

  log_end (self, rtc_close_reason_name (reason));
  self->is_viewer_closed = TRUE;
  if (!self->is_closed && !self->is_connected)
    egress_gate_miss (self->config->gate, reason);
  if (!self->is_closed)
    self->callbacks.on_ended (self, reason, self->data);
  peer_unref (self);
}

static void
start_viewer (EgressPeer *self, const RtcSdp *remote,
              const EgressViewerTrack *tracks, gboolean dtls_client)
{
  static const EgressViewerCallbacks callbacks = {
    .on_connected = on_viewer_connected,
    .on_closed = on_viewer_closed,
    .on_layers = on_viewer_layers,
    .on_slow_link = on_viewer_slow_link,
  };
  EgressViewerParams params = {
    .sources = self->sources,
    .layers = self->layers,
    .worker = self->worker,
    .transport = {
      .id = self->log_id,
      .local_ufrag = self->ufrag,
      .local_pwd = self->pwd,
      .remote_ufrag = remote->ice_ufrag,
      .remote_pwd = remote->ice_pwd,
      .fingerprint_hash = remote->fingerprint_hash,
      .fingerprint = remote->fingerprint,
      .dtls_client = dtls_client,
    },
    .repair = self->config->repair,
    .join_rate_bps = self->config->join_rate_bps,
    .playout_delay_min_ms = self->playout_min_ms,
    .playout_delay_max_ms = self->playout_max_ms,
  };

  memcpy (params.tracks, tracks, sizeof params.tracks);
  g_strlcpy (params.cname, self->cname, sizeof params.cname);
  g_free (self->remote_ufrag);
  self->remote_ufrag = g_strdup (remote->ice_ufrag);
  self->viewer = egress_viewer_new (&params, &callbacks, self);
  self->n_refs++; /* on_viewer_closed */
  egress_gate_join (self->config->gate);
  if (self->is_paused)
    egress_viewer_set_paused (self->viewer, TRUE);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->is_off[k])
      egress_viewer_set_sending (self->viewer, k, FALSE);
  egress_viewer_start (self->viewer);
}

/* --- descriptions ---------------------------------------------------- */

/* set_local: @local: (transfer full). From now on he has a place.
 * Returns: (transfer full): its text */
static char *
set_local (EgressPeer *self, RtcSdp *local)
{
  g_clear_pointer (&self->local, rtc_sdp_free);
  self->local = local;
  rtc_addresses_add_candidates (self->config->addresses, local,
                                rtc_worker_get_port (self->worker),
                                self->peer_is_loopback, self->config->ice_tcp);
  if (!self->is_counted)
    egress_gate_enter (self->config->gate, egress_peer_get_stream (self));
  self->is_counted = TRUE;
  return rtc_sdp_to_string (local);
}

/* Hardware decoders lock on the profile that the description names. */
static void
warn_about_profile (EgressPeer *self, const EgressViewerTrack *tracks)
{
  guint32 source = self->terms.h264_profile;

  if (!tracks[RTC_MEDIA_VIDEO].is_active
      || self->terms.info.tracks[RTC_MEDIA_VIDEO].codec != RTC_CODEC_H264
      || source == 0 || (source >> 16 == 0x42 && source >> 8 & 0x40))
    return;
  GST_DEBUG ("session=%s stream=%s is H264 profile %06x, not constrained "
             "baseline: some hardware decoders show nothing",
             self->log_id, stream_name (self), source);
}

char *
egress_peer_answer (EgressPeer *self, const RtcSdp *offer, GError **error)
{
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  RtcSdp *answer;
  char *text;

  g_return_val_if_fail (!self->viewer, NULL);
  answer = egress_negotiate_answer (&self->terms, offer, tracks, error);
  if (!answer)
    return NULL;
  text = set_local (self, answer);
  warn_about_profile (self, tracks);
  start_viewer (self, offer, tracks, FALSE);
  return text;
}

static gboolean
on_expired (gpointer data)
{
  EgressPeer *self = data;

  self->expiry_id = 0;
  egress_peer_set_cause (self, "the counter-offer was not answered");
  self->callbacks.on_ended (self, RTC_CLOSE_ICE_TIMEOUT, self->data);
  return G_SOURCE_REMOVE;
}

char *
egress_peer_counter_offer (EgressPeer *self, const RtcSdp *offer)
{
  RtcSdp *ours = egress_negotiate_counter_offer (&self->terms, offer);

  if (!ours)
    return NULL;
  self->is_waiting = TRUE;
  self->expiry_id =
      g_timeout_add_seconds (EGRESS_COUNTER_OFFER_VALID_S, on_expired, self);
  return set_local (self, ours);
}

char *
egress_peer_offer (EgressPeer *self, GError **error)
{
  RtcSdp *ours;

  g_return_val_if_fail (!self->viewer, NULL);
  ours = egress_negotiate_offer (&self->terms, &self->wishes, error);
  if (!ours)
    return NULL;
  self->is_waiting = TRUE;
  return set_local (self, ours);
}

static void
set_credentials (EgressPeer *self, RtcSdp *local)
{
  g_free (self->ufrag);
  self->ufrag = rtc_transport_make_ufrag ();
  g_free (self->pwd);
  self->pwd = rtc_transport_make_pwd ();
  self->terms.ice_ufrag = self->ufrag;
  self->terms.ice_pwd = self->pwd;
  g_free (local->ice_ufrag);
  local->ice_ufrag = g_strdup (self->ufrag);
  g_free (local->ice_pwd);
  local->ice_pwd = g_strdup (self->pwd);
}

char *
egress_peer_restart_offer (EgressPeer *self)
{
  if (!self->viewer || self->local->setup != RTC_SETUP_ACTPASS)
    return NULL;
  set_credentials (self, self->local);
  self->local->session_version++;
  self->is_waiting = TRUE;
  return rtc_sdp_to_string (self->local);
}

static void
restart_viewer (EgressPeer *self, const char *remote_ufrag,
                const char *remote_pwd)
{
  GST_DEBUG ("session=%s stream=%s ICE restart", self->log_id,
             stream_name (self));
  g_free (self->remote_ufrag);
  self->remote_ufrag = g_strdup (remote_ufrag);
  egress_viewer_restart_ice (self->viewer, self->ufrag, self->pwd, remote_ufrag,
                             remote_pwd);
}

const RtcSdp *
egress_peer_restart (EgressPeer *self, const char *remote_ufrag,
                     const char *remote_pwd)
{
  g_return_val_if_fail (self->viewer, NULL);
  set_credentials (self, self->local);
  restart_viewer (self, remote_ufrag, remote_pwd);
  return self->local;
}

gboolean
egress_peer_accept (EgressPeer *self, const RtcSdp *answer, GError **error)
{
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];

  g_return_val_if_fail (self->is_waiting, FALSE);
  if (!egress_negotiate_accept (&self->terms, self->local, answer, tracks,
                                error))
    return FALSE;
  self->is_waiting = FALSE;
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  if (self->viewer)
    restart_viewer (self, answer->ice_ufrag, answer->ice_pwd);
  else
    start_viewer (self, answer, tracks, answer->setup == RTC_SETUP_PASSIVE);
  return TRUE;
}

gboolean
egress_peer_is_waiting (EgressPeer *self)
{
  return self->is_waiting;
}

gboolean
egress_peer_is_connected (EgressPeer *self)
{
  return self->is_connected;
}

const char *
egress_peer_get_remote_ufrag (EgressPeer *self)
{
  return self->remote_ufrag;
}

void
egress_peer_set_cause (EgressPeer *self, const char *cause)
{
  if (!self->cause)
    self->cause = g_strdup (cause);
}

void
egress_peer_close (EgressPeer *self, RtcCloseReason reason)
{
  EgressGate *gate = self->config->gate;

  g_return_if_fail (!self->is_closed);

  self->is_closed = TRUE;
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  if (self->is_connected)
    egress_gate_disconnect (gate, egress_peer_get_stream (self));
  if (self->is_counted)
    egress_gate_leave (gate);
  self->config = NULL;
  if (!self->viewer && self->is_counted)
    log_end (self, "never answered");
  if (self->viewer && !self->is_viewer_closed)
    egress_viewer_close (self->viewer, reason);
  peer_unref (self);
}

/* --- what he is sent ------------------------------------------------- */

void
egress_peer_set_paused (EgressPeer *self, gboolean is_paused)
{
  self->is_paused = is_paused;
  if (self->viewer)
    egress_viewer_set_paused (self->viewer, is_paused);
}

void
egress_peer_set_sending (EgressPeer *self, RtcMediaKind kind, gboolean is_on)
{
  self->is_off[kind] = !is_on;
  if (self->viewer)
    egress_viewer_set_sending (self->viewer, kind, is_on);
}

void
egress_peer_set_layers (EgressPeer *self, const EgressLayers *target)
{
  self->layers = *target;
  if (self->viewer)
    egress_viewer_set_layers (self->viewer, target);
}

void
egress_peer_set_playout_delay (EgressPeer *self, int min_ms, int max_ms)
{
  self->playout_min_ms = min_ms;
  self->playout_max_ms = max_ms;
  if (self->viewer)
    egress_viewer_set_playout_delay (self->viewer, min_ms, max_ms);
}

/* can_take: %FALSE: the other source's track is not what he was told. One that
 * has none of a kind, or nothing yet, sends nothing of it. */
static gboolean
can_take (const RelayTrackInfo *mine, const RelayTrackInfo *theirs)
{
  g_autofree char *my_profile = NULL, *their_profile = NULL;

  if (!mine->is_present || !theirs->is_present)
    return TRUE;
  if (mine->codec != theirs->codec)
    return FALSE;
  if (mine->codec != RTC_CODEC_VP9)
    return TRUE;
  my_profile = rtc_sdp_fmtp_get (mine->fmtp, "profile-id");
  their_profile = rtc_sdp_fmtp_get (theirs->fmtp, "profile-id");
  return g_str_equal (my_profile ? my_profile : "0",
                      their_profile ? their_profile : "0");
}

gboolean
egress_peer_switch (EgressPeer *self, const EgressSources *sources,
                    GError **error)
{
  EgressSources before = self->sources;
  RelayStreamInfo info;

  g_return_val_if_fail (sources->audio || sources->n_video > 0, FALSE);
  get_source_info (sources, &info);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (!can_take (&self->terms.info.tracks[k], &info.tracks[k]))
      {
        g_set_error (error, EGRESS_NEGOTIATE_ERROR,
                     EGRESS_NEGOTIATE_ERROR_CODEC,
                     "The other stream's %s is %s, not %s as agreed",
                     k == RTC_MEDIA_AUDIO ? "audio" : "video",
                     rtc_codec_name (info.tracks[k].codec),
                     rtc_codec_name (self->terms.info.tracks[k].codec));
        return FALSE;
      }
  if (self->is_connected)
    egress_gate_disconnect (self->config->gate, egress_peer_get_stream (self));
  self->sources = *sources;
  egress_sources_ref (&self->sources);
  self->terms.stream_name = stream_name (self);
  if (self->is_connected)
    egress_gate_connect (self->config->gate, egress_peer_get_stream (self), -1);
  if (self->viewer)
    egress_viewer_switch (self->viewer, sources);
  egress_sources_clear (&before);
  GST_DEBUG ("session=%s stream=%s viewer was switched to it", self->log_id,
             stream_name (self));
  return TRUE;
}

/* --- what there is to know ------------------------------------------- */

gint64
egress_peer_get_created_us (EgressPeer *self)
{
  return self->created_us;
}

gboolean
egress_peer_get_stats (EgressPeer *self, EgressViewerStats *ret)
{
  if (!self->viewer)
    return FALSE;
  egress_viewer_get_stats (self->viewer, ret);
  return TRUE;
}

JsonNode *
egress_peer_describe (EgressPeer *self)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  EgressViewerStats stats;

  json_object_set_string_member (object, "session", self->log_id);
  json_object_set_string_member (object, "stream", stream_name (self));
  json_object_set_int_member (object, "worker",
                              rtc_worker_get_index (self->worker));
  json_object_set_string_member (object, "state",
                                 self->is_waiting && !self->viewer ? "offered"
                                 : self->is_connected              ? "connected"
                                                      : "connecting");
  json_object_set_double_member (
      object, "age_seconds",
      (double)(base_clock_now_us () - self->created_us) / BASE_US_PER_S);
  if (egress_peer_get_stats (self, &stats))
    egress_viewer_stats_fill (&stats, self->created_us, object);
  json_node_take_object (node, object);
  return node;
}
