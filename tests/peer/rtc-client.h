/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcClient: a small WebRTC client for tests: controlling ICE agent with one
 * pair and regular nomination, DTLS 1.2 in both roles, libsrtp2. It shares no
 * code with rtc/, so that both sides' mistakes do not cancel out. One socket,
 * calls wait at most as long as they say; no thread of its own.
 * Owner: the test. Thread: one at a time.
 */
#pragma once

#include <glib.h>
#include <sys/socket.h>

typedef struct _RtcClient RtcClient;

typedef enum {
  RTC_CLIENT_GCM = 1 << 0,
  RTC_CLIENT_CM = 1 << 1, /* AES128_CM_HMAC_SHA1_80: OBS has only that */
} RtcClientProfiles;

typedef struct {
  const char *local_ufrag, *local_pwd;   /* the client's own */
  const char *remote_ufrag, *remote_pwd; /* the server's, from its SDP */
  const char *remote_fingerprint; /* (nullable): sha-256 "AB:CD:…" to check */
  gboolean dtls_client;           /* the client sends the ClientHello */
  gboolean use_tcp;               /* ICE-TCP, active side */
  RtcClientProfiles profiles;     /* 0 = both */
} RtcClientParams;

typedef enum {
  RTC_CLIENT_TIMEOUT,
  RTC_CLIENT_RTP,
  RTC_CLIENT_RTCP,
  RTC_CLIENT_CLOSED, /* close_notify, alert or end of the TCP connection */
} RtcClientEvent;

/* sha-256 fingerprint of the certificate all clients of a process share */
const char *rtc_client_get_fingerprint (void);

/* Strings are copied. @server: where the server listens. */
RtcClient *rtc_client_new (const RtcClientParams *params,
                           const struct sockaddr *server);
void rtc_client_free (RtcClient *self);

/* rtc_client_connect: first check, DTLS as soon as it is answered, then
 * nomination, as libdatachannel does.
 * Returns: %TRUE when DTLS is done and the pair is nominated */
gboolean rtc_client_connect (RtcClient *self, gint64 timeout_us);
gboolean rtc_client_is_connected (RtcClient *self);
/* the profile in use: RTC_CLIENT_GCM or RTC_CLIENT_CM */
RtcClientProfiles rtc_client_get_profile (RtcClient *self);

/* rtc_client_check: one binding request, sent again each 100 ms.
 * Returns: %TRUE when a success response with right integrity came */
gboolean rtc_client_check (RtcClient *self, gboolean use_candidate,
                           gint64 timeout_us);
/* sends one and does not wait: consent in a sender's loop */
void rtc_client_send_check (RtcClient *self, gboolean use_candidate);
/* of the last response: 0 = success, else the STUN error (401, 420, 487) */
int rtc_client_get_stun_error (RtcClient *self);

/* ICE restart; wrong credentials for tests */
void rtc_client_set_credentials (RtcClient *self, const char *local_ufrag,
                                 const char *local_pwd,
                                 const char *remote_ufrag,
                                 const char *remote_pwd);
/* a new socket, so a new address: roaming */
void rtc_client_rebind (RtcClient *self);

/* Plain packets in; sealed here. Room for 32 bytes more is not needed. */
gboolean rtc_client_send_rtp (RtcClient *self, const guint8 *data, gsize len);
gboolean rtc_client_send_rtcp (RtcClient *self, const guint8 *data,
                               gsize len);
/* any bytes, as they are (framed on TCP) */
void rtc_client_send_raw (RtcClient *self, const guint8 *data, gsize len);

/* rtc_client_receive: the next opened packet; STUN and DTLS are handled
 * inside. @buf: (nullable): with RTP and RTCP only */
RtcClientEvent rtc_client_receive (RtcClient *self, guint8 *buf, gsize cap,
                                   gsize *ret_len, gint64 timeout_us);
void rtc_client_close (RtcClient *self); /* close_notify */
int rtc_client_get_fd (RtcClient *self);
guint rtc_client_get_n_bad_packets (RtcClient *self); /* did not open */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcClient, rtc_client_free)
