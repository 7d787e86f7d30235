/* SPDX-License-Identifier: Apache-2.0 */
/* RtcSrtp: incoming RTP by libsrtp2, RTCP both ways by RtcSrtcp. */
#include "rtc/srtp.h"

#include <openssl/crypto.h>
#include <srtp2/srtp.h>
#include <string.h>

#include "rtc/srtp-private.h"

#define WINDOW_PACKETS 1024
#define MIN_RTP_BYTES 12
#define MIN_RTCP_BYTES 8
#define RTCP_WINDOW_PACKETS 64

typedef struct
{
  guint32 ssrc, highest; /* highest: index */
  guint64 seen;          /* bit n: highest - n */
} RtcpWindow;

struct _RtcSrtp
{
  RtcSrtpProfile profile;
  RtcSrtpKey inbound; /* until in is made */
  srtp_t in; /* owned, nullable: a viewer sends no RTP and needs none */
  guint32 ssrcs[RTC_SRTP_MAX_SSRCS]; /* that passed authentication */
  guint n_ssrcs;
  RtcSrtcp rtcp_in, rtcp_out;
  guint32 rtcp_index; /* of the next packet; SSRCs share it */
  RtcpWindow windows[RTC_SRTP_MAX_SSRCS]; /* that passed authentication */
  guint n_windows;
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

static void
make_session (RtcSrtp *self)
{
  guint8 buf[30];
  srtp_policy_t policy;
  srtp_profile_t p = self->profile == RTC_SRTP_AEAD_AES_128_GCM
                         ? srtp_profile_aead_aes_128_gcm
                     : self->profile == RTC_SRTP_AES128_CM_SHA1_32
                         ? srtp_profile_aes128_cm_sha1_32
                         : srtp_profile_aes128_cm_sha1_80;

  init_library ();
  memset (&policy, 0, sizeof policy);
  memcpy (buf, self->inbound.key, 16);
  memcpy (buf + 16, self->inbound.salt, 14);
  srtp_crypto_policy_set_from_profile_for_rtp (&policy.rtp, p);
  srtp_crypto_policy_set_from_profile_for_rtcp (&policy.rtcp, p);
  policy.ssrc.type = ssrc_any_inbound;
  policy.key = buf;
  policy.window_size = WINDOW_PACKETS;
  policy.allow_repeat_tx = 0;
  if (srtp_create (&self->in, &policy) != srtp_err_status_ok)
    g_error ("rtc: libsrtp2 refuses its own profile");
  OPENSSL_cleanse (buf, sizeof buf);
  OPENSSL_cleanse (&self->inbound, sizeof self->inbound);
}

RtcSrtp *
rtc_srtp_new (RtcSrtpProfile profile, const RtcSrtpKey *inbound,
              const RtcSrtpKey *outbound)
{
  RtcSrtp *self;

  g_return_val_if_fail (profile != RTC_SRTP_NONE, NULL);
  self = g_new0 (RtcSrtp, 1);
  self->profile = profile;
  self->inbound = *inbound;
  rtc_srtcp_init (&self->rtcp_in, profile, inbound);
  rtc_srtcp_init (&self->rtcp_out, profile, outbound);
  return self;
}

void
rtc_srtp_free (RtcSrtp *self)
{
  if (self->in != NULL)
    srtp_dealloc (self->in);
  OPENSSL_cleanse (self, sizeof *self);
  g_free (self);
}

/* --- RTP ----------------------------------------------------------------- */

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

RtcSrtpResult
rtc_srtp_open_rtp (RtcSrtp *self, guint8 *data, gsize *len)
{
  guint32 ssrc;
  gboolean known;
  int n = (int)*len;
  RtcSrtpResult result;

  if (*len < MIN_RTP_BYTES || *len > G_MAXINT16)
    return RTC_SRTP_MALFORMED;
  memcpy (&ssrc, data + 8, 4);
  known = is_known (self, ssrc);
  if (!known && self->n_ssrcs == RTC_SRTP_MAX_SSRCS)
    return RTC_SRTP_LIMIT;
  if (self->in == NULL)
    make_session (self);
  result = result_from_status (srtp_unprotect (self->in, data, &n));
  if (result != RTC_SRTP_OK)
    return result;
  if (!known)
    self->ssrcs[self->n_ssrcs++] = ssrc;
  *len = (gsize)n;
  return RTC_SRTP_OK;
}

/* --- RTCP ---------------------------------------------------------------- */

static RtcpWindow *
find_window (RtcSrtp *self, guint32 ssrc)
{
  for (guint i = 0; i < self->n_windows; i++)
    if (self->windows[i].ssrc == ssrc)
      return &self->windows[i];
  return NULL;
}

static gboolean
is_replay (const RtcpWindow *window, guint32 index)
{
  if (index > window->highest)
    return FALSE;
  return window->highest - index >= RTCP_WINDOW_PACKETS
         || (window->seen >> (window->highest - index) & 1);
}

static void
mark_seen (RtcpWindow *window, guint32 index)
{
  if (index > window->highest)
    {
      guint32 by = index - window->highest;

      window->seen = by < RTCP_WINDOW_PACKETS ? window->seen << by : 0;
      window->highest = index;
    }
  window->seen |= G_GUINT64_CONSTANT (1) << (window->highest - index);
}

RtcSrtpResult
rtc_srtp_open_rtcp (RtcSrtp *self, guint8 *data, gsize *len)
{
  guint32 ssrc, index;
  RtcpWindow *window;

  if (*len > G_MAXINT16
      || !rtc_srtcp_read_index (&self->rtcp_in, data, *len, &index))
    return RTC_SRTP_MALFORMED;
  memcpy (&ssrc, data + 4, 4);
  window = find_window (self, ssrc);
  if (window == NULL && self->n_windows == RTC_SRTP_MAX_SSRCS)
    return RTC_SRTP_LIMIT;
  if (window != NULL && is_replay (window, index))
    return RTC_SRTP_REPLAY;
  if (!rtc_srtcp_open (&self->rtcp_in, data, len, index))
    return RTC_SRTP_BAD_AUTH;
  if (window == NULL)
    {
      window = &self->windows[self->n_windows++];
      window->ssrc = ssrc;
      window->highest = index;
    }
  mark_seen (window, index);
  return RTC_SRTP_OK;
}

RtcSrtpResult
rtc_srtp_seal_rtcp (RtcSrtp *self, guint8 *data, gsize *len)
{
  if (*len < MIN_RTCP_BYTES || *len > G_MAXINT16)
    return RTC_SRTP_MALFORMED;
  if (self->rtcp_index > RTC_SRTCP_MAX_INDEX)
    return RTC_SRTP_LIMIT; /* RFC 3711 9.2: the key is used up */
  *len = rtc_srtcp_seal (&self->rtcp_out, data, *len, self->rtcp_index++);
  return RTC_SRTP_OK;
}
