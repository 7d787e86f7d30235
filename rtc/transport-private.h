/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/transport-private: the struct, and what the worker calls. Media only. */
#pragma once

#include "rtc/worker-private.h"

#define RTC_TRANSPORT_MAX_PATHS 8    /* that passed a check */
#define RTC_TRANSPORT_MAX_PENDING 8  /* handshake datagrams that wait */
#define RTC_TRANSPORT_QUICK_STEPS 8  /* of a handshake; it takes 2 to 4 */
#define RTC_TRANSPORT_ICE_TIMEOUT_US (15 * G_USEC_PER_SEC)
#define RTC_TRANSPORT_DTLS_TIMEOUT_US (15 * G_USEC_PER_SEC)
#define RTC_TRANSPORT_DTLS_QUIET_US (8 * G_USEC_PER_SEC)
#define RTC_TRANSPORT_CONSENT_US (30 * G_USEC_PER_SEC)
/* an address in use is not given to another transport's check before */
#define RTC_TRANSPORT_ADDRESS_HOLD_US (10 * G_USEC_PER_SEC)

typedef struct {
  RtcPath path;
  gint64 last_check_us; /* 0: slot is free */
} RtcTransportSlot;

typedef enum { RTC_STATE_NEW, RTC_STATE_LIVE, RTC_STATE_CLOSED } RtcState;

struct _RtcTransport {
  gatomicrefcount ref_count;
  RtcWorker *worker; /* borrowed: outlives live transports */
  char *id;          /* owned */
  int state;         /* RtcState; atomic */
  RtcTransportCallbacks callbacks;
  gpointer data;
  /* media from here */
  GList link, handshake_link, timer_link; /* data: self */
  gboolean in_handshakes, in_timers;
  RtcIceCredentials *current, *next; /* owned; next: nullable, ICE restart */
  RtcTransportSlot slots[RTC_TRANSPORT_MAX_PATHS];
  RtcPath path; /* AF_UNSPEC: none */
  gboolean is_nominated;
  gboolean has_moved; /* on_path is to be called */
  gboolean dtls_client;
  char *fingerprint_hash, *fingerprint; /* owned */
  RtcDtls *dtls;                        /* owned, nullable */
  gint64 dtls_timer_us, last_dtls_us;
  gint64 dtls_begun_us; /* the handshake; 0 = not begun */
  GBytes *pending[RTC_TRANSPORT_MAX_PENDING]; /* owned */
  guint n_pending;
  guint n_steps; /* of the handshake, up to RTC_TRANSPORT_QUICK_STEPS */
  RtcSrtp *srtp;        /* owned, nullable until connected */
  RtcSrtpOut *srtp_out; /* owned, nullable until connected */
  RtcTransportStats stats;
};

/* rtc_transport_on_check: a valid request. Returns: %FALSE when the address
 * is another live transport's: it is not answered then */
gboolean rtc_transport_on_check (RtcTransport *self,
                                 const RtcIceCredentials *credentials,
                                 const RtcPath *path, gboolean use_candidate);
void rtc_transport_drop_slots (RtcTransport *self);
void rtc_transport_on_tcp_closed (RtcTransport *self, RtcTcpConn *conn);
void rtc_transport_set_path (RtcTransport *self, const RtcPath *path);

/* a packet that is no STUN, from an address that passed a check */
void rtc_transport_on_packet (RtcTransport *self, const RtcPath *path,
                              guint8 *data, gsize len);
void rtc_transport_on_dtls (RtcTransport *self, const RtcPath *path,
                            const guint8 *data, gsize len);
/* one step with crypto; queues itself again when there is more */
void rtc_transport_step_handshake (RtcTransport *self);
void rtc_transport_queue_handshake (RtcTransport *self);
void rtc_transport_on_dtls_timer (RtcTransport *self, gint64 now_us);
void rtc_transport_on_tick (RtcTransport *self, gint64 now_us);
/* @reason: why; on_closed is run, the worker's reference is dropped */
void rtc_transport_end (RtcTransport *self, RtcCloseReason reason);
