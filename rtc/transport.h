/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcTransport: one WebRTC peer: ICE-lite, DTLS, SRTP over one path. Made on
 * main, lives on its worker from start() on.
 * ICE-lite: binding requests find it by the ufrag (long enough to be unique),
 * later packets by address; the path follows the last valid request with
 * USE-CANDIDATE (or any valid one while there is none: OBS, see PROTOCOLS.md
 * 1.5); DTLS is answered or sent on the first authenticated check.
 * 30 s without a valid request ends it (consent); 15 s (ice timeout) until the
 * first.
 * Owner:  ref-counted; the session that made it and the worker.
 * Thread: stated per function.
 */
#pragma once

#include "rtc/srtp.h"
#include "rtc/will.h"
#include "rtc/worker.h"

#define RTC_TRANSPORT_MAX_PER_WORKER 16384

typedef enum {
  RTC_CLOSE_LOCAL,         /* we closed it */
  RTC_CLOSE_PEER,          /* close_notify or DTLS alert */
  RTC_CLOSE_ICE_TIMEOUT,   /* never connected */
  RTC_CLOSE_CONSENT,       /* went silent */
  RTC_CLOSE_DTLS_FAILED,   /* handshake failed */
  RTC_CLOSE_FINGERPRINT,   /* certificate is not the offer's */
  RTC_CLOSE_LIMIT,         /* worker full */
} RtcCloseReason;
const char *rtc_close_reason_name (RtcCloseReason reason); /* "ice-timeout" */

typedef struct {
  /* all on media */
  void (*on_connected) (RtcTransport *t, gpointer data);
  void (*on_rtp) (RtcTransport *t, guint8 *packet, gsize len, gint64 now_us,
                  gpointer data);  /* opened; borrowed during the call */
  void (*on_rtcp) (RtcTransport *t, const guint8 *packet, gsize len,
                   gint64 now_us, gpointer data);
  void (*on_closed) (RtcTransport *t, RtcCloseReason reason, gpointer data);
      /* the last callback; exactly once after start() */
  GDestroyNotify data_free; /* (nullable): run after on_closed, on media; or
                               at the last unref when never started */
  /* (nullable): since on_connected, or the last on_path, the peer is reached
   * elsewhere; at most once a tick (0.5 s) */
  void (*on_path) (RtcTransport *t, gpointer data);
} RtcTransportCallbacks;

typedef struct {
  const char *id;          /* for logs */
  const char *local_ufrag, *local_pwd;
  const char *remote_ufrag, *remote_pwd;
  const char *fingerprint_hash, *fingerprint; /* of the peer; sha-1/256/384/512 */
  gboolean dtls_client;    /* we answered setup:active */
} RtcTransportParams; /* strings are copied */

/* main */
RtcTransport *rtc_transport_new (RtcWorker *worker,
                                 const RtcTransportParams *params,
                                 const RtcTransportCallbacks *callbacks,
                                 gpointer data);
RtcTransport *rtc_transport_ref (RtcTransport *self);
void rtc_transport_unref (RtcTransport *self);

/* main: begin to answer checks */
void rtc_transport_start (RtcTransport *self);
/* any thread: close_notify, forget the ufrag; on_closed follows on media */
void rtc_transport_close (RtcTransport *self, RtcCloseReason reason);
/* main: ICE restart: the new credentials are valid at once; the old path and
 * ufrag go on until a check with the new ones succeeds; DTLS stays */
void rtc_transport_restart_ice (RtcTransport *self, const char *local_ufrag,
                                const char *local_pwd,
                                const char *remote_ufrag,
                                const char *remote_pwd);

/* media */
RtcWorker *rtc_transport_get_worker (RtcTransport *self); /* any thread */
const RtcPath *rtc_transport_get_path (RtcTransport *self);
RtcSrtpOut *rtc_transport_get_srtp_out (RtcTransport *self); /* NULL until
                                                               connected */
/* media: seals and queues one RTCP compound (<= 1200 bytes) */
void rtc_transport_send_rtcp (RtcTransport *self, const guint8 *data,
                              gsize len);
/* media: what the next process should say if this one dies now.
 * Returns: %FALSE when there is nothing to say: not connected, on TCP, or a
 * cipher suite that rtc/dtls-tail does not know; @ret is untouched then */
gboolean rtc_transport_get_will (RtcTransport *self, RtcWill *ret);
/* media: TCP path whose queue is over half full: send no more until a
 * keyframe; always %FALSE on UDP */
gboolean rtc_transport_is_congested (RtcTransport *self);

typedef struct {
  gint64 created_us, first_check_us, connected_us, last_consent_us;
  guint64 n_rtp_in, n_rtcp_in, n_bytes_in, n_rtcp_out;
  guint64 n_bad_auth, n_replay, n_malformed;
  gboolean is_tcp;
  RtcSrtpProfile profile;
} RtcTransportStats;
/* media */
const RtcTransportStats *rtc_transport_get_stats (RtcTransport *self);

/* random credentials (transfer full): 16 and 24 ice-chars */
char *rtc_transport_make_ufrag (void);
char *rtc_transport_make_pwd (void);
