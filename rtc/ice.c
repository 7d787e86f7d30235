/* SPDX-License-Identifier: Apache-2.0 */
/* RtcIce: validates binding requests and writes their answers. */
#include "rtc/ice.h"

#include <string.h>
#include <stun/stunagent.h>
#include <stun/usages/ice.h>

struct _RtcIce
{
  StunAgent agent;
  RtcIceLookupFunc lookup;
  gpointer data;
  /* of the datagram being validated */
  const RtcIceCredentials *found;
  gboolean remote_differs;
};

RtcIce *
rtc_ice_new (RtcIceLookupFunc lookup, gpointer data)
{
  RtcIce *self = g_new0 (RtcIce, 1);

  stun_agent_init (&self->agent, STUN_ALL_KNOWN_ATTRIBUTES,
                   STUN_COMPATIBILITY_RFC5389,
                   STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS
                       | STUN_AGENT_USAGE_USE_FINGERPRINT);
  self->lookup = lookup;
  self->data = data;
  return self;
}

void
rtc_ice_free (RtcIce *self)
{
  g_free (self);
}

void
rtc_ice_credentials_clear (RtcIceCredentials *self)
{
  g_clear_pointer (&self->local_ufrag, g_free);
  g_clear_pointer (&self->local_pwd, g_free);
  g_clear_pointer (&self->remote_ufrag, g_free);
  g_clear_pointer (&self->remote_pwd, g_free);
}

/* USERNAME of a request to us is "ours:theirs" (RFC 8445 7.2.2). Called by
 * the library once the message has a username and an integrity attribute. */
static bool
find_password (StunAgent *agent, StunMessage *message, uint8_t *username,
               uint16_t username_len, uint8_t **password, size_t *password_len,
               void *user_data)
{
  RtcIce *self = user_data;
  char ufrag[RTC_ICE_MAX_UFRAG_CHARS + 1];
  const guint8 *colon = memchr (username, ':', username_len);
  const RtcIceCredentials *found;
  gsize local_len, remote_len;

  if (colon == NULL || memchr (username, '\0', username_len) != NULL)
    return false;
  local_len = (gsize)(colon - username);
  remote_len = username_len - local_len - 1;
  if (local_len == 0 || local_len > RTC_ICE_MAX_UFRAG_CHARS)
    return false;
  memcpy (ufrag, username, local_len);
  ufrag[local_len] = '\0';
  found = self->lookup (ufrag, self->data);
  if (found == NULL)
    return false;
  self->found = found;
  if (strlen (found->remote_ufrag) != remote_len
      || memcmp (found->remote_ufrag, colon + 1, remote_len) != 0)
    {
      self->remote_differs = TRUE;
      return false;
    }
  *password = (uint8_t *)found->local_pwd;
  *password_len = strlen (found->local_pwd);
  return true;
}

static void
reply_error (RtcIce *self, const StunMessage *request, StunError error,
             RtcIceCheck *ret)
{
  StunMessage m;

  if (stun_agent_init_error (&self->agent, &m, ret->reply, sizeof ret->reply,
                             request, error))
    ret->reply_len = stun_agent_finish_message (&self->agent, &m, NULL, 0);
}

static RtcIceResult
reply_success (RtcIce *self, StunMessage *request, const RtcAddr *from,
               RtcIceCheck *ret)
{
  struct sockaddr_storage src;
  StunMessage m;
  size_t len = sizeof ret->reply;
  bool is_controlling = false;
  StunUsageIceReturn result;

  memset (&src, 0, sizeof src);
  memcpy (&src, from, sizeof *from);
  /* the highest tie-breaker: a lite agent never takes the other role */
  result = stun_usage_ice_conncheck_create_reply (
      &self->agent, request, &m, ret->reply, &len, &src,
      from->sa.sa_family == AF_INET ? sizeof from->in : sizeof from->in6,
      &is_controlling, G_MAXUINT64, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
  ret->reply_len = len;
  if (result != STUN_USAGE_ICE_RETURN_SUCCESS || is_controlling)
    return RTC_ICE_ROLE_CONFLICT;
  ret->use_candidate = stun_usage_ice_conncheck_use_candidate (request);
  return RTC_ICE_OK;
}

static gboolean
is_binding_request (const StunMessage *m)
{
  return stun_message_get_class (m) == STUN_REQUEST
         && stun_message_get_method (m) == STUN_BINDING;
}

static RtcIceResult
reply_unauthorized (RtcIce *self, const StunMessage *request, RtcIceCheck *ret)
{
  if (self->found == NULL)
    return RTC_ICE_UNKNOWN_UFRAG; /* silence: it may be anyone's, or closed */
  if (self->remote_differs)
    return RTC_ICE_REMOTE_UFRAG;
  reply_error (self, request, STUN_ERROR_UNAUTHORIZED, ret);
  return RTC_ICE_BAD_INTEGRITY;
}

RtcIceResult
rtc_ice_receive (RtcIce *self, const guint8 *data, gsize len,
                 const RtcAddr *from, RtcIceCheck *ret)
{
  StunMessage m, reply;
  StunValidationStatus status;

  ret->credentials = NULL;
  ret->use_candidate = FALSE;
  ret->reply_len = 0;
  self->found = NULL;
  self->remote_differs = FALSE;
  status =
      stun_agent_validate (&self->agent, &m, data, len, find_password, self);
  ret->credentials = self->found;
  switch (status)
    {
    case STUN_VALIDATION_SUCCESS:
      if (!is_binding_request (&m) || self->found == NULL)
        return RTC_ICE_NOT_REQUEST;
      return reply_success (self, &m, from, ret);
    case STUN_VALIDATION_UNAUTHORIZED:
      return is_binding_request (&m) ? reply_unauthorized (self, &m, ret)
                                     : RTC_ICE_NOT_REQUEST;
    case STUN_VALIDATION_UNKNOWN_REQUEST_ATTRIBUTE:
      if (self->found == NULL)
        return RTC_ICE_UNKNOWN_UFRAG;
      ret->reply_len = stun_agent_build_unknown_attributes_error (
          &self->agent, &reply, ret->reply, sizeof ret->reply, &m);
      return RTC_ICE_UNKNOWN_ATTRIBUTE;
    case STUN_VALIDATION_UNAUTHORIZED_BAD_REQUEST:
      return RTC_ICE_NO_CREDENTIALS;
    case STUN_VALIDATION_UNMATCHED_RESPONSE:
    case STUN_VALIDATION_UNKNOWN_ATTRIBUTE:
    case STUN_VALIDATION_FORBIDDEN:
      return RTC_ICE_NOT_REQUEST;
    case STUN_VALIDATION_NOT_STUN:
    case STUN_VALIDATION_INCOMPLETE_STUN:
    case STUN_VALIDATION_BAD_REQUEST:
    default:
      return RTC_ICE_MALFORMED;
    }
}
