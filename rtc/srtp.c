/* SPDX-License-Identifier: Apache-2.0 */
/* RtcSrtp: incoming RTP and RTCP both ways, by libsrtp2. */
#include "rtc/srtp.h"

#include <openssl/crypto.h>
#include <srtp2/srtp.h>
#include <string.h>

#define WINDOW_PACKETS 1024
#define MIN_RTP_BYTES 12
#define MIN_RTCP_BYTES 8

struct _RtcSrtp
{
  srtp_t in;                         /* owned */
  srtp_t out;                        /* owned; RTCP only */
  guint32 ssrcs[RTC_SRTP_MAX_SSRCS]; /* that passed authentication */
  guint n_ssrcs;
};

static void
init_library (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once))
    {
      /* fails when another user of the library in this process was first;
       * whether it works shows when a session is made */
      (void)srtp_init ();
      g_once_init_leave (&once, 1);
    }
}

static srtp_t
make_session (RtcSrtpProfile profile, const RtcSrtpKey *key,
              srtp_ssrc_type_t type)
{
  guint8 buf[30];
  srtp_policy_t policy;
  srtp_t session = NULL;
  srtp_profile_t p = profile == RTC_SRTP_AEAD_AES_128_GCM
                         ? srtp_profile_aead_aes_128_gcm
                         : srtp_profile_aes128_cm_sha1_80;

  memset (&policy, 0, sizeof policy);
  memcpy (buf, key->key, 16);
  memcpy (buf + 16, key->salt, 14);
  srtp_crypto_policy_set_from_profile_for_rtp (&policy.rtp, p);
  srtp_crypto_policy_set_from_profile_for_rtcp (&policy.rtcp, p);
  policy.ssrc.type = type;
  policy.key = buf;
  policy.window_size = WINDOW_PACKETS;
  policy.allow_repeat_tx = 0;
  if (srtp_create (&session, &policy) != srtp_err_status_ok)
    session = NULL;
  OPENSSL_cleanse (buf, sizeof buf);
  return session;
}

RtcSrtp *
rtc_srtp_new (RtcSrtpProfile profile, const RtcSrtpKey *inbound,
              const RtcSrtpKey *outbound)
{
  RtcSrtp *self;

  g_return_val_if_fail (profile != RTC_SRTP_NONE, NULL);
  init_library ();
  self = g_new0 (RtcSrtp, 1);
  self->in = make_session (profile, inbound, ssrc_any_inbound);
  self->out = make_session (profile, outbound, ssrc_any_outbound);
  if (self->in == NULL || self->out == NULL)
    g_error ("rtc: libsrtp2 refuses its own profile");
  return self;
}

void
rtc_srtp_free (RtcSrtp *self)
{
  srtp_dealloc (self->in);
  srtp_dealloc (self->out);
  g_free (self);
}

static gboolean
is_known (const RtcSrtp *self, guint32 ssrc)
{
  for (guint i = 0; i < self->n_ssrcs; i++)
    if (self->ssrcs[i] == ssrc)
      return TRUE;
  return FALSE;
}

static RtcSrtpResult
result_from_status (srtp_err_status_t status)
{
  if (status == srtp_err_status_ok)
    return RTC_SRTP_OK;
  if (status == srtp_err_status_auth_fail)
    return RTC_SRTP_BAD_AUTH;
  if (status == srtp_err_status_replay_fail
      || status == srtp_err_status_replay_old)
    return RTC_SRTP_REPLAY;
  return RTC_SRTP_MALFORMED;
}

static RtcSrtpResult
open_packet (RtcSrtp *self, guint8 *data, gsize *len, gsize min_len,
             guint ssrc_at,
             srtp_err_status_t (*unprotect) (srtp_t, void *, int *))
{
  guint32 ssrc;
  gboolean known;
  int n = (int)*len;
  RtcSrtpResult result;

  if (*len < min_len || *len > G_MAXINT16)
    return RTC_SRTP_MALFORMED;
  memcpy (&ssrc, data + ssrc_at, 4);
  known = is_known (self, ssrc);
  if (!known && self->n_ssrcs == RTC_SRTP_MAX_SSRCS)
    return RTC_SRTP_LIMIT;
  result = result_from_status (unprotect (self->in, data, &n));
  if (result != RTC_SRTP_OK)
    return result;
  if (!known)
    self->ssrcs[self->n_ssrcs++] = ssrc;
  *len = (gsize)n;
  return RTC_SRTP_OK;
}

RtcSrtpResult
rtc_srtp_open_rtp (RtcSrtp *self, guint8 *data, gsize *len)
{
  return open_packet (self, data, len, MIN_RTP_BYTES, 8, srtp_unprotect);
}

RtcSrtpResult
rtc_srtp_open_rtcp (RtcSrtp *self, guint8 *data, gsize *len)
{
  return open_packet (self, data, len, MIN_RTCP_BYTES, 4, srtp_unprotect_rtcp);
}

RtcSrtpResult
rtc_srtp_seal_rtcp (RtcSrtp *self, guint8 *data, gsize *len)
{
  int n = (int)*len;
  RtcSrtpResult result;

  if (*len < MIN_RTCP_BYTES || *len > G_MAXINT16)
    return RTC_SRTP_MALFORMED;
  result = result_from_status (srtp_protect_rtcp (self->out, data, &n));
  if (result == RTC_SRTP_OK)
    *len = (gsize)n;
  return result;
}
