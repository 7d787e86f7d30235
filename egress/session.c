/* SPDX-License-Identifier: Apache-2.0 */
/* EgressSession: a WHEP viewer's peer, its events and PATCHes. */
#include "egress/session.h"

#include <string.h>

#include "base/http.h"

#define UFRAG_MIN_CHARS 4 /* RFC 8839 5.4 */
#define UFRAG_MAX_CHARS 256
#define PWD_MIN_CHARS 22
#define PWD_MAX_CHARS 256

struct _EgressSession
{
  EgressSessionCallbacks callbacks;
  gpointer data;
  char *id;             /* owned */
  EgressPeer *peer;     /* owned */
  EgressEvents *events; /* owned, nullable: none while waiting */
};

static void
on_peer_ended (EgressPeer *peer, RtcCloseReason reason, gpointer data)
{
  EgressSession *self = data;

  self->callbacks.on_ended (self, reason, self->data);
}

EgressSession *
egress_session_new (const EgressPeerConfig *config, RelayStream *stream,
                    const char *id, gboolean peer_is_loopback,
                    const EgressSessionCallbacks *callbacks, gpointer data)
{
  static const EgressPeerCallbacks peer_callbacks = { .on_ended =
                                                          on_peer_ended };
  g_autofree char *log_id = g_strndup (id, BASE_HTTP_LOG_ID_CHARS);
  EgressPeerParams params = {
    .sources = { .audio = stream, .video = { stream }, .n_video = 1 },
    .log_id = log_id,
    .peer_is_loopback = peer_is_loopback,
  };
  EgressSession *self = g_new0 (EgressSession, 1);

  self->callbacks = *callbacks;
  self->data = data;
  self->id = g_strdup (id);
  self->peer = egress_peer_new (config, &params, &peer_callbacks, self);
  return self;
}

static void
open_events (EgressSession *self)
{
  g_autofree char *base_path = g_strdup_printf (
      "/whep/%s/%s", relay_stream_get_name (egress_session_get_stream (self)),
      self->id);

  self->events = egress_events_new (base_path);
}

char *
egress_session_answer (EgressSession *self, const RtcSdp *offer, GError **error)
{
  char *text = egress_peer_answer (self->peer, offer, error);

  if (text)
    open_events (self);
  return text;
}

char *
egress_session_counter_offer (EgressSession *self, const RtcSdp *offer)
{
  return egress_peer_counter_offer (self->peer, offer);
}

gboolean
egress_session_accept (EgressSession *self, const RtcSdp *answer,
                       GError **error)
{
  if (!egress_peer_accept (self->peer, answer, error))
    return FALSE;
  open_events (self);
  return TRUE;
}

gboolean
egress_session_is_waiting (EgressSession *self)
{
  return egress_peer_is_waiting (self->peer);
}

static gboolean
has_length (const char *text, gsize min, gsize max)
{
  gsize n = text ? strlen (text) : 0;

  return n >= min && n <= max;
}

BasePatchResult
egress_session_patch (EgressSession *self, const char *fragment,
                      gboolean wants_restart, char **ret_fragment)
{
  BasePatchResult result = BASE_PATCH_TRICKLED;
  const char *remote_ufrag = egress_peer_get_remote_ufrag (self->peer);
  RtcSdpFrag frag = { 0 };

  if (!rtc_sdp_frag_parse (fragment, &frag, NULL))
    return BASE_PATCH_MALFORMED;
  if (!remote_ufrag)
    result = BASE_PATCH_REFUSED; /* the answer is still to come */
  else if (!frag.ice_ufrag || g_str_equal (frag.ice_ufrag, remote_ufrag))
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
      *ret_fragment = rtc_sdp_frag_to_string (
          egress_peer_restart (self->peer, frag.ice_ufrag, frag.ice_pwd));
      result = BASE_PATCH_RESTARTED;
    }
  rtc_sdp_frag_clear (&frag);
  return result;
}

void
egress_session_close (EgressSession *self, const char *cause)
{
  g_clear_pointer (&self->events, egress_events_free);
  if (cause)
    egress_peer_set_cause (self->peer, cause);
  egress_peer_close (self->peer, RTC_CLOSE_LOCAL);
  g_free (self->id);
  g_free (self);
}

const char *
egress_session_get_id (EgressSession *self)
{
  return self->id;
}

RelayStream *
egress_session_get_stream (EgressSession *self)
{
  return egress_peer_get_stream (self->peer);
}

EgressEvents *
egress_session_get_events (EgressSession *self)
{
  return self->events;
}

JsonNode *
egress_session_describe (EgressSession *self)
{
  return egress_peer_describe (self->peer);
}
