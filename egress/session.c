/* SPDX-License-Identifier: Apache-2.0 */
/* EgressSession: the main-thread half of a WHEP viewer. */
#include "egress/session.h"

#include <string.h>

#include "base/clock.h"
#include "egress/log.h"
#include "egress/negotiate.h"

/* Enough to find a session in the log; the whole id would open it. */
#define LOG_ID_CHARS 8
#define CNAME_BYTES 12
#define UFRAG_MIN_CHARS 4 /* RFC 8839 5.4 */
#define UFRAG_MAX_CHARS 256
#define PWD_MIN_CHARS 22
#define PWD_MAX_CHARS 256

struct _EgressSession
{
  guint n_refs; /* the owner's, and the viewer's until on_closed */
  gboolean is_closed;
  const EgressWhepConfig *config; /* borrowed until closed */
  EgressSessionCallbacks callbacks;
  gpointer data;

  char *id, *log_id;   /* owned */
  RelayStream *stream; /* owned reference */
  RtcWorker *worker;   /* borrowed from the hub */
  gboolean peer_is_loopback;
  gint64 created_us;
  char cname[24];

  RtcSdp *local;        /* owned, nullable: answer or counter-offer */
  EgressTerms terms;    /* its strings are borrowed: see terms_init */
  char *ufrag, *pwd;    /* owned: ours */
  char *remote_ufrag;   /* owned, nullable */
  guint expiry_id;      /* counter-offer's timer, 0 = none */
  EgressViewer *viewer; /* owned reference, nullable */
  EgressEvents *events; /* owned, nullable: none while waiting or closed */
  gboolean is_connected, is_viewer_closed;
};

static void
session_unref (EgressSession *self)
{
  if (--self->n_refs > 0)
    return;
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  g_clear_pointer (&self->viewer, egress_viewer_unref);
  g_clear_pointer (&self->events, egress_events_free);
  g_clear_pointer (&self->local, rtc_sdp_free);
  relay_stream_unref (self->stream);
  g_free (self->id);
  g_free (self->log_id);
  g_free (self->ufrag);
  g_free (self->pwd);
  g_free (self->remote_ufrag);
  g_free (self);
}

static void
terms_init (EgressSession *self)
{
  EgressTerms *terms = &self->terms;

  if (!relay_stream_get_info (self->stream, &terms->info))
    memset (&terms->info, 0, sizeof terms->info);
  terms->h264_profile = relay_stream_get_h264_profile (self->stream);
  terms->stream_name = relay_stream_get_name (self->stream);
  terms->cname = self->cname;
  terms->ice_ufrag = self->ufrag;
  terms->ice_pwd = self->pwd;
  terms->fingerprint =
      rtc_certificate_get_fingerprint (self->config->certificate);
  terms->with_playout_delay = self->config->playout_delay_min_ms >= 0
                              && self->config->playout_delay_max_ms >= 0;
  egress_terms_draw_ssrcs (terms);
}

EgressSession *
egress_session_new (const EgressWhepConfig *config, RelayStream *stream,
                    const char *id, gboolean peer_is_loopback,
                    const EgressSessionCallbacks *callbacks, gpointer data)
{
  EgressSession *self = g_new0 (EgressSession, 1);

  self->n_refs = 1;
  self->config = config;
  self->callbacks = *callbacks;
  self->data = data;
  self->id = g_strdup (id);
  self->log_id = g_strndup (id, LOG_ID_CHARS);
  self->stream = relay_stream_ref (stream);
  self->worker = relay_hub_pick_worker (config->hub);
  self->peer_is_loopback = peer_is_loopback;
  self->created_us = base_clock_now_us ();
  for (guint i = 0; i < CNAME_BYTES; i++)
    self->cname[i] =
        "abcdefghijklmnopqrstuvwxyz0123456789"[g_random_int_range (0, 36)];
  self->ufrag = rtc_transport_make_ufrag ();
  self->pwd = rtc_transport_make_pwd ();
  terms_init (self);
  return self;
}

static void
on_viewer_connected (EgressViewer *viewer, gpointer data)
{
  EgressSession *self = data;
  gint64 join_us = base_clock_now_us () - self->created_us;

  if (self->is_closed || self->is_connected)
    return;
  self->is_connected = TRUE;
  GST_INFO ("session=%s stream=%s viewer connected after %" G_GINT64_FORMAT
            " ms",
            self->log_id, relay_stream_get_name (self->stream),
            join_us / BASE_US_PER_MS);
  self->callbacks.on_connected (self, join_us, self->data);
}

/* The viewer's last callback: its reference goes. */
static void
on_viewer_closed (EgressViewer *viewer, RtcCloseReason reason, gpointer data)
{
  EgressSession *self = data;

  GST_INFO ("session=%s stream=%s viewer gone: %s", self->log_id,
            relay_stream_get_name (self->stream),
            rtc_close_reason_name (reason));
  self->is_viewer_closed = TRUE;
  if (!self->is_closed)
    self->callbacks.on_ended (self, reason, self->data);
  session_unref (self);
}

static void
start_viewer (EgressSession *self, const RtcSdp *remote,
              const EgressViewerTrack *tracks, gboolean dtls_client)
{
  static const EgressViewerCallbacks callbacks = {
    .on_connected = on_viewer_connected, .on_closed = on_viewer_closed
  };
  g_autofree char *base_path = g_strdup_printf (
      "/whep/%s/%s", relay_stream_get_name (self->stream), self->id);
  EgressViewerParams params = {
    .stream = self->stream,
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
    .playout_delay_min_ms = self->config->playout_delay_min_ms,
    .playout_delay_max_ms = self->config->playout_delay_max_ms,
  };

  memcpy (params.tracks, tracks, sizeof params.tracks);
  g_strlcpy (params.cname, self->cname, sizeof params.cname);
  g_free (self->remote_ufrag);
  self->remote_ufrag = g_strdup (remote->ice_ufrag);
  self->events = egress_events_new (base_path);
  self->viewer = egress_viewer_new (&params, &callbacks, self);
  self->n_refs++; /* on_viewer_closed */
  egress_viewer_start (self->viewer);
}

/* set_local: @local: (transfer full). Returns: (transfer full): its text */
static char *
set_local (EgressSession *self, RtcSdp *local)
{
  g_clear_pointer (&self->local, rtc_sdp_free);
  self->local = local;
  rtc_addresses_add_candidates (self->config->addresses, local,
                                rtc_worker_get_port (self->worker),
                                self->peer_is_loopback, self->config->ice_tcp);
  return rtc_sdp_to_string (local);
}

/* Hardware decoders lock on the profile that the description names. */
static void
warn_about_profile (EgressSession *self, const EgressViewerTrack *tracks)
{
  guint32 source = self->terms.h264_profile;

  if (!tracks[RTC_MEDIA_VIDEO].is_active
      || self->terms.info.tracks[RTC_MEDIA_VIDEO].codec != RTC_CODEC_H264
      || source == 0 || (source >> 16 == 0x42 && source >> 8 & 0x40))
    return;
  GST_DEBUG ("session=%s stream=%s is H264 profile %06x, not constrained "
             "baseline: some hardware decoders show nothing",
             self->log_id, relay_stream_get_name (self->stream), source);
}

char *
egress_session_answer (EgressSession *self, const RtcSdp *offer, GError **error)
{
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  RtcSdp *answer = egress_negotiate_answer (&self->terms, offer, tracks, error);
  char *text;

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
  EgressSession *self = data;

  self->expiry_id = 0;
  GST_INFO ("session=%s stream=%s counter-offer was not answered", self->log_id,
            relay_stream_get_name (self->stream));
  self->callbacks.on_ended (self, RTC_CLOSE_ICE_TIMEOUT, self->data);
  return G_SOURCE_REMOVE;
}

char *
egress_session_counter_offer (EgressSession *self, const RtcSdp *offer)
{
  RtcSdp *ours = egress_negotiate_counter_offer (&self->terms, offer);

  if (!ours)
    return NULL;
  self->expiry_id =
      g_timeout_add_seconds (EGRESS_COUNTER_OFFER_VALID_S, on_expired, self);
  return set_local (self, ours);
}

gboolean
egress_session_accept (EgressSession *self, const RtcSdp *answer,
                       GError **error)
{
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];

  g_return_val_if_fail (egress_session_is_waiting (self), FALSE);
  if (!egress_negotiate_accept (&self->terms, self->local, answer, tracks,
                                error))
    return FALSE;
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  start_viewer (self, answer, tracks, answer->setup == RTC_SETUP_PASSIVE);
  return TRUE;
}

gboolean
egress_session_is_waiting (EgressSession *self)
{
  return self->expiry_id != 0;
}

gboolean
egress_session_is_connected (EgressSession *self)
{
  return self->is_connected;
}

static gboolean
has_length (const char *text, gsize min, gsize max)
{
  gsize n = text ? strlen (text) : 0;

  return n >= min && n <= max;
}

static void
restart_ice (EgressSession *self, const RtcSdpFrag *frag)
{
  g_free (self->ufrag);
  self->ufrag = rtc_transport_make_ufrag ();
  g_free (self->pwd);
  self->pwd = rtc_transport_make_pwd ();
  g_free (self->remote_ufrag);
  self->remote_ufrag = g_strdup (frag->ice_ufrag);
  self->terms.ice_ufrag = self->ufrag;
  self->terms.ice_pwd = self->pwd;
  g_free (self->local->ice_ufrag);
  self->local->ice_ufrag = g_strdup (self->ufrag);
  g_free (self->local->ice_pwd);
  self->local->ice_pwd = g_strdup (self->pwd);
  egress_viewer_restart_ice (self->viewer, self->ufrag, self->pwd,
                             frag->ice_ufrag, frag->ice_pwd);
}

BasePatchResult
egress_session_patch (EgressSession *self, const char *fragment,
                      gboolean wants_restart, char **ret_fragment)
{
  BasePatchResult result = BASE_PATCH_TRICKLED;
  RtcSdpFrag frag = { 0 };

  if (!rtc_sdp_frag_parse (fragment, &frag, NULL))
    return BASE_PATCH_MALFORMED;
  if (!self->viewer)
    result = BASE_PATCH_REFUSED; /* the answer is still to come */
  else if (!frag.ice_ufrag || g_str_equal (frag.ice_ufrag, self->remote_ufrag))
    /* We are ICE-lite and learn addresses from checks: candidates need no
     * work, here or in clients that trickle with If-Match: "*". */
    result = BASE_PATCH_TRICKLED;
  else if (!wants_restart)
    result = BASE_PATCH_STALE;
  else if (!has_length (frag.ice_ufrag, UFRAG_MIN_CHARS, UFRAG_MAX_CHARS)
           || !has_length (frag.ice_pwd, PWD_MIN_CHARS, PWD_MAX_CHARS))
    result = BASE_PATCH_MALFORMED;
  else
    {
      GST_INFO ("session=%s ICE restart", self->log_id);
      restart_ice (self, &frag);
      *ret_fragment = rtc_sdp_frag_to_string (self->local);
      result = BASE_PATCH_RESTARTED;
    }
  rtc_sdp_frag_clear (&frag);
  return result;
}

void
egress_session_close (EgressSession *self)
{
  g_return_if_fail (!self->is_closed);

  self->is_closed = TRUE;
  self->config = NULL;
  g_clear_handle_id (&self->expiry_id, g_source_remove);
  g_clear_pointer (&self->events, egress_events_free);
  if (self->viewer && !self->is_viewer_closed)
    egress_viewer_close (self->viewer, RTC_CLOSE_LOCAL);
  session_unref (self);
}

const char *
egress_session_get_id (EgressSession *self)
{
  return self->id;
}

RelayStream *
egress_session_get_stream (EgressSession *self)
{
  return self->stream;
}

EgressEvents *
egress_session_get_events (EgressSession *self)
{
  return self->events;
}

static void
describe_viewer (EgressViewer *viewer, gint64 created_us, JsonObject *object)
{
  EgressViewerStats stats = { 0 };

  egress_viewer_get_stats (viewer, &stats);
  if (stats.connected_us > 0)
    json_object_set_double_member (object, "connect_seconds",
                                   (double)(stats.connected_us - created_us)
                                       / BASE_US_PER_S);
  if (stats.first_video_us > 0)
    json_object_set_double_member (object, "first_video_seconds",
                                   (double)(stats.first_video_us - created_us)
                                       / BASE_US_PER_S);
  json_object_set_int_member (object, "packets", (gint64)stats.n_packets);
  json_object_set_int_member (object, "bytes", (gint64)stats.n_bytes);
  json_object_set_int_member (object, "nacked", (gint64)stats.n_nacked);
  json_object_set_int_member (object, "rtx", (gint64)stats.n_rtx);
  json_object_set_int_member (object, "rtx_refused",
                              (gint64)stats.n_rtx_refused);
  json_object_set_int_member (object, "plis", (gint64)stats.n_plis);
  json_object_set_int_member (object, "frames_dropped",
                              (gint64)stats.n_frames_dropped);
  json_object_set_int_member (object, "lost", stats.n_lost);
  json_object_set_double_member (object, "loss_ratio",
                                 stats.fraction_lost_256 / 256.0);
  json_object_set_double_member (object, "jitter_seconds",
                                 stats.jitter_us / 1e6);
  json_object_set_double_member (object, "rtt_seconds", stats.rtt_us / 1e6);
  json_object_set_boolean_member (object, "tcp", stats.is_tcp);
  json_object_set_boolean_member (object, "catching_up", stats.is_catching_up);
}

JsonNode *
egress_session_describe (EgressSession *self)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "session", self->log_id);
  json_object_set_string_member (object, "stream",
                                 relay_stream_get_name (self->stream));
  json_object_set_int_member (object, "worker",
                              rtc_worker_get_index (self->worker));
  json_object_set_string_member (object, "state",
                                 egress_session_is_waiting (self) ? "offered"
                                 : self->is_connected             ? "connected"
                                                      : "connecting");
  json_object_set_double_member (
      object, "age_seconds",
      (double)(base_clock_now_us () - self->created_us) / BASE_US_PER_S);
  if (self->viewer)
    describe_viewer (self->viewer, self->created_us, object);
  json_node_take_object (node, object);
  return node;
}
