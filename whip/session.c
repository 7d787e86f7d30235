/* SPDX-License-Identifier: Apache-2.0 */
/* WhipSession: see session.h. */
#include "whip/session.h"

#include "base/clock.h"
#include "base/http.h"
#include "whip/log.h"

struct _WhipSession
{
  gatomicrefcount ref;
  char *id, *log_id;   /* owned */
  RelayStream *stream; /* one reference */
  BaseMailbox *mail;   /* borrowed */
  RtcWillStore *wills; /* borrowed, nullable */
  WhipSessionCallbacks callbacks;
  gpointer data;
  GDestroyNotify data_unref;
  RtcTransport *transport;  /* one reference */
  WhipPublisher *publisher; /* owned; used on media */

  /* main */
  RtcSdp *answer;     /* owned: what we are now */
  char *remote_ufrag; /* owned */
  WhipPlan plan;
  gboolean is_connected, has_closed;
  gint64 created_us, connected_us;
  guint64 will_id; /* 0: none is kept */

  /* main until start, then media: one reference, gone when closed */
  RelayPublication *publication;
};

WhipSession *
whip_session_ref (WhipSession *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

void
whip_session_unref (WhipSession *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  whip_publisher_free (self->publisher);
  rtc_transport_unref (self->transport);
  relay_stream_unref (self->stream);
  rtc_sdp_free (self->answer);
  g_free (self->remote_ufrag);
  g_free (self->id);
  g_free (self->log_id);
  if (self->data_unref)
    self->data_unref (self->data);
  g_free (self);
}

/* What media tells main; holds a reference of the session. */
typedef struct
{
  WhipSession *session;
  RtcCloseReason reason;
  gboolean has_will;
  RtcWill will;
} Mail;

static void
mail_free (gpointer data)
{
  Mail *mail = data;

  whip_session_unref (mail->session);
  g_free (mail);
}

static Mail *
mail_new (WhipSession *self)
{
  Mail *mail = g_new0 (Mail, 1);

  mail->session = whip_session_ref (self);
  return mail;
}

static void
post (WhipSession *self, BaseMailFunc func, RtcCloseReason reason)
{
  Mail *mail = mail_new (self);

  mail->reason = reason;
  base_mailbox_post (self->mail, func, mail, mail_free);
}

static void
connected_arrives (gpointer data)
{
  Mail *mail = data;
  WhipSession *self = mail->session;

  if (!self->has_closed)
    {
      self->is_connected = TRUE;
      self->connected_us = base_clock_now_us ();
      self->callbacks.on_connected (self, self->data);
    }
  mail_free (mail);
}

static void
closed_arrives (gpointer data)
{
  Mail *mail = data;
  WhipSession *self = mail->session;

  self->has_closed = TRUE;
  if (self->wills)
    rtc_will_store_remove (self->wills, self->will_id);
  self->callbacks.on_closed (self, mail->reason, self->data);
  mail_free (mail);
}

static void
will_arrives (gpointer data)
{
  Mail *mail = data;
  WhipSession *self = mail->session;

  if (mail->has_will && !self->has_closed)
    rtc_will_store_put (self->wills, &self->will_id, &mail->will);
  else
    rtc_will_store_remove (self->wills, self->will_id);
  mail_free (mail);
}

/* --- the transport's and the publication's callbacks ------------------- */

/* Should this process die, the next one says goodbye to the publisher: OBS
 * comes back only after that, or after 30 s of silence. */
static void
on_path (RtcTransport *transport, gpointer data)
{
  WhipSession *self = data;
  Mail *mail;

  if (!self->wills)
    return;
  mail = mail_new (self);
  mail->has_will = rtc_transport_get_will (transport, &mail->will);
  base_mailbox_post (self->mail, will_arrives, mail, mail_free);
}

static void
on_connected (RtcTransport *transport, gpointer data)
{
  WhipSession *self = data;

  whip_publisher_connect (self->publisher, transport, self->publication);
  post (self, connected_arrives, RTC_CLOSE_LOCAL);
  on_path (transport, self);
}

static void
on_rtp (RtcTransport *transport, guint8 *packet, gsize len, gint64 now_us,
        gpointer data)
{
  whip_publisher_on_rtp (((WhipSession *)data)->publisher, packet, len, now_us);
}

static void
on_rtcp (RtcTransport *transport, const guint8 *packet, gsize len,
         gint64 now_us, gpointer data)
{
  whip_publisher_on_rtcp (((WhipSession *)data)->publisher, packet, len,
                          now_us);
}

static void
on_closed (RtcTransport *transport, RtcCloseReason reason, gpointer data)
{
  WhipSession *self = data;

  whip_publisher_disconnect (self->publisher);
  post (self, closed_arrives, reason);
  g_clear_pointer (&self->publication, relay_publication_unref);
}

static void
on_keyframe_wanted (gpointer data)
{
  whip_publisher_want_keyframe (((WhipSession *)data)->publisher);
}

static void
on_replaced (gpointer data)
{
  WhipSession *self = data;

  if (!self->has_closed)
    self->callbacks.on_replaced (self, self->data);
}

/* ------------------------------------------------------------------------ */

static void
complete_answer (WhipSession *self, const WhipSessionConfig *config)
{
  RtcSdp *answer = self->answer;

  answer->ice_ufrag = rtc_transport_make_ufrag ();
  answer->ice_pwd = rtc_transport_make_pwd ();
  answer->fingerprint_hash = g_strdup ("sha-256");
  answer->fingerprint =
      g_strdup (rtc_certificate_get_fingerprint (config->certificate));
  rtc_addresses_add_candidates (
      config->addresses, answer,
      rtc_worker_get_port (relay_stream_get_home (self->stream)),
      config->peer_is_loopback, config->ice_tcp);
}

static void
make_transport (WhipSession *self, const RtcSdp *offer)
{
  static const RtcTransportCallbacks callbacks = {
    .on_connected = on_connected,
    .on_rtp = on_rtp,
    .on_rtcp = on_rtcp,
    .on_closed = on_closed,
    .data_free = (GDestroyNotify)whip_session_unref,
    .on_path = on_path,
  };
  const RtcTransportParams params = {
    .id = self->log_id,
    .local_ufrag = self->answer->ice_ufrag,
    .local_pwd = self->answer->ice_pwd,
    .remote_ufrag = offer->ice_ufrag,
    .remote_pwd = offer->ice_pwd,
    .fingerprint_hash = offer->fingerprint_hash,
    .fingerprint = offer->fingerprint,
    .dtls_client = self->answer->setup == RTC_SETUP_ACTIVE,
  };

  self->transport =
      rtc_transport_new (relay_stream_get_home (self->stream), &params,
                         &callbacks, whip_session_ref (self));
}

WhipSession *
whip_session_new (const WhipSessionConfig *config, const RtcSdp *offer,
                  RtcSdp *answer, const WhipPlan *plan,
                  const RelayStreamInfo *info,
                  const WhipSessionCallbacks *callbacks, gpointer data,
                  GDestroyNotify data_unref)
{
  static const RelayPublicationCallbacks publication_callbacks = {
    on_keyframe_wanted, on_replaced
  };
  WhipSession *self = g_new0 (WhipSession, 1);

  g_atomic_ref_count_init (&self->ref);
  self->id = g_strdup (config->id);
  self->log_id = g_strndup (config->id, BASE_HTTP_LOG_ID_CHARS);
  self->stream = relay_stream_ref (config->stream);
  self->mail = config->mail;
  self->wills = config->wills;
  self->callbacks = *callbacks;
  self->data = data;
  self->data_unref = data_unref;
  self->answer = answer;
  self->remote_ufrag = g_strdup (offer->ice_ufrag);
  self->plan = *plan;
  self->created_us = base_clock_now_us ();
  complete_answer (self, config);
  make_transport (self, offer);
  self->publisher =
      whip_publisher_new (self->log_id, plan, config->repair, config->counters);
  self->publication = relay_stream_add_publication (
      self->stream, info, &publication_callbacks, whip_session_ref (self),
      (GDestroyNotify)whip_session_unref);
  return self;
}

void
whip_session_start (WhipSession *self)
{
  rtc_transport_start (self->transport);
}

void
whip_session_close (WhipSession *self)
{
  if (!self->has_closed)
    rtc_transport_close (self->transport, RTC_CLOSE_LOCAL);
}

char *
whip_session_dup_answer (WhipSession *self)
{
  return rtc_sdp_to_string (self->answer);
}

/* restart_ice: takes new credentials on both sides; the transport keeps the
 * old ones until a check with the new has come through */
static char *
restart_ice (WhipSession *self, const RtcSdpFrag *fragment)
{
  g_free (self->answer->ice_ufrag);
  g_free (self->answer->ice_pwd);
  g_free (self->remote_ufrag);
  self->answer->ice_ufrag = rtc_transport_make_ufrag ();
  self->answer->ice_pwd = rtc_transport_make_pwd ();
  self->answer->session_version++;
  self->remote_ufrag = g_strdup (fragment->ice_ufrag);
  rtc_transport_restart_ice (self->transport, self->answer->ice_ufrag,
                             self->answer->ice_pwd, fragment->ice_ufrag,
                             fragment->ice_pwd);
  GST_DEBUG ("session=%s ICE restarts", self->log_id);
  return rtc_sdp_frag_to_string (self->answer);
}

BasePatchResult
whip_session_take_fragment (WhipSession *self, const char *text,
                            gboolean wants_restart, char **ret_answer)
{
  BasePatchResult result = BASE_PATCH_TRICKLED;
  RtcSdpFrag fragment = { 0 };
  gboolean is_new;

  if (!rtc_sdp_frag_parse (text, &fragment, NULL))
    return BASE_PATCH_MALFORMED;
  is_new = fragment.ice_ufrag
           && !g_str_equal (fragment.ice_ufrag, self->remote_ufrag);
  if (wants_restart && is_new && fragment.ice_pwd)
    {
      *ret_answer = restart_ice (self, &fragment);
      result = BASE_PATCH_RESTARTED;
    }
  else if (wants_restart)
    result = BASE_PATCH_REFUSED; /* with the old credentials it is none */
  else if (is_new)
    result = BASE_PATCH_STALE;
  else /* ICE-lite: a peer's candidates show themselves by its checks */
    GST_DEBUG ("session=%s trickled: %u candidates, %u unusable", self->log_id,
               fragment.n_candidates, fragment.n_skipped);
  rtc_sdp_frag_clear (&fragment);
  return result;
}

const char *
whip_session_get_id (WhipSession *self)
{
  return self->id;
}

const char *
whip_session_get_log_id (WhipSession *self)
{
  return self->log_id;
}

const char *
whip_session_get_stream_name (WhipSession *self)
{
  return relay_stream_get_name (self->stream);
}

gboolean
whip_session_was_connected (WhipSession *self)
{
  return self->is_connected;
}

gint64
whip_session_get_created_us (WhipSession *self)
{
  return self->created_us;
}

void
whip_session_get_stats (WhipSession *self, WhipPublisherStats *ret)
{
  whip_publisher_get_stats (self->publisher, ret);
}

static void
describe_track (JsonBuilder *builder, const WhipTrack *track,
                const WhipPublisherStats *stats, RtcMediaKind kind)
{
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "codec");
  json_builder_add_string_value (builder, rtc_codec_name (track->codec));
#define ADD(name, value)                                                       \
  json_builder_set_member_name (builder, name);                                \
  json_builder_add_int_value (builder, (gint64)(value))
  ADD ("packets", stats->n_packets[kind]);
  ADD ("bytes", stats->n_bytes[kind]);
  ADD ("lost", stats->n_lost[kind]);
  ADD ("repaired", stats->n_repaired[kind]);
  ADD ("nacked", stats->n_nacked[kind]);
#undef ADD
  json_builder_end_object (builder);
}

JsonNode *
whip_session_describe (WhipSession *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  gint64 now_us = base_clock_now_us ();
  WhipPublisherStats stats;

  whip_session_get_stats (self, &stats);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "session");
  json_builder_add_string_value (builder, self->log_id);
  json_builder_set_member_name (builder, "stream");
  json_builder_add_string_value (builder, whip_session_get_stream_name (self));
  json_builder_set_member_name (builder, "state");
  json_builder_add_string_value (builder, self->has_closed     ? "closed"
                                          : self->is_connected ? "connected"
                                                               : "connecting");
  json_builder_set_member_name (builder, "age_seconds");
  json_builder_add_double_value (builder, (double)(now_us - self->created_us)
                                              / BASE_US_PER_S);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->plan.tracks[k].is_present)
      {
        json_builder_set_member_name (builder,
                                      k == RTC_MEDIA_AUDIO ? "audio" : "video");
        describe_track (builder, &self->plan.tracks[k], &stats,
                        (RtcMediaKind)k);
      }
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}
