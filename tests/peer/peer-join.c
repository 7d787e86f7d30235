/* SPDX-License-Identifier: Apache-2.0 */
/* peer-join: see peer-join.h */
#include "tests/peer/peer-join.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* (transfer full): @n_chars of what ICE allows */
static char *
make_ice_chars (guint n_chars)
{
  static const char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *text = g_malloc0 (n_chars + 1);
  for (guint i = 0; i < n_chars; i++)
    text[i] = alphabet[g_random_int_range (0, 64)];
  return text;
}

static gboolean
connect_client (const PeerJoinParams *params, PeerJoin *self)
{
  guint port =
      params->candidate_port ? params->candidate_port : self->answer.port;
  struct sockaddr_in server = { .sin_family = AF_INET,
                                .sin_port = htons ((guint16)port) };
  RtcClientParams client = {
    .local_ufrag = self->ufrag,
    .local_pwd = self->pwd,
    .remote_ufrag = self->answer.ufrag,
    .remote_pwd = self->answer.pwd,
    .remote_fingerprint = self->answer.fingerprint,
    .dtls_client = g_str_equal (self->answer.setup, "passive"),
    .profiles = params->profiles,
  };

  if (inet_pton (AF_INET, self->answer.address, &server.sin_addr) != 1)
    return FALSE;
  self->client = rtc_client_new (&client, (struct sockaddr *)&server);
  if (!rtc_client_connect (self->client, params->timeout_us))
    return FALSE;
  self->connected_us = g_get_monotonic_time ();
  return TRUE;
}

gboolean
peer_join (SoupSession *session, const PeerJoinParams *params, PeerJoin *ret)
{
  const char *shown = params->fingerprint != NULL
                          ? params->fingerprint
                          : rtc_client_get_fingerprint ();
  g_autofree char *fingerprint = g_strdup_printf ("sha-256 %s", shown);
  g_autofree char *offer = NULL;

  *ret = (PeerJoin){ 0 };
  ret->ufrag = make_ice_chars (4); /* as short as OBS's */
  ret->pwd = make_ice_chars (22);
  offer = peer_sdp_personalize (params->offer, ret->ufrag, ret->pwd,
                                fingerprint, params->setup);
  peer_http_send (session, "POST", params->url, params->token, offer,
                  &ret->reply);
  ret->answered_us = g_get_monotonic_time ();
  if (ret->reply.status != SOUP_STATUS_CREATED
      || !peer_answer_parse (ret->reply.body, &ret->answer))
    return FALSE;
  return connect_client (params, ret);
}

void
peer_join_clear (PeerJoin *self)
{
  g_clear_pointer (&self->client, rtc_client_free);
  peer_answer_clear (&self->answer);
  peer_reply_clear (&self->reply);
  g_clear_pointer (&self->ufrag, g_free);
  g_clear_pointer (&self->pwd, g_free);
}
