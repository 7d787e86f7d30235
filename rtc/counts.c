/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/counts: names of a worker's counters, and their way to the registry. */
#include "rtc/counts.h"

#include <string.h>

#define RX "media_tree_rtc_received_"
#define TX "media_tree_rtc_sent_"
#define TX_DROP "media_tree_rtc_send_dropped_packets_total"
#define STUN_REJ "media_tree_stun_requests_rejected_total"
#define DROP "media_tree_rtc_dropped_packets_total"
#define DTLS "media_tree_dtls_handshakes_total"
#define TCP_END "media_tree_ice_tcp_closed_total"
#define CLOSED "media_tree_rtc_transports_closed_total"

static const struct
{
  const char *name, *label, *value, *help;
} table[RTC_COUNT_N] = {
  [RTC_COUNT_RX_PACKETS] = { RX "packets_total", NULL, NULL,
                             "Packets that media workers received." },
  [RTC_COUNT_RX_BYTES] = { RX "bytes_total", NULL, NULL,
                           "Bytes that media workers received." },
  [RTC_COUNT_TX_PACKETS] = { TX "packets_total", NULL, NULL,
                             "Packets that media workers sent." },
  [RTC_COUNT_TX_BYTES] = { TX "bytes_total", NULL, NULL,
                           "Bytes that media workers sent." },
  [RTC_COUNT_TX_MESSAGES] = { TX "messages_total", NULL, NULL,
                              "Messages handed to the kernel; one carries "
                              "several packets where it segments." },
  [RTC_COUNT_TX_SYSCALLS] = { TX "syscalls_total", NULL, NULL, "Send calls." },
  [RTC_COUNT_TX_OVERSIZE] = { TX "oversize_packets_total", NULL, NULL,
                              "Packets above 1452 bytes, sent singly." },
  [RTC_COUNT_TX_DROP_FULL] = { TX_DROP, "reason", "full",
                               "Packets not sent, by reason." },
  [RTC_COUNT_TX_DROP_ERROR] = { TX_DROP, "reason", "error",
                                "Packets not sent, by reason." },
  [RTC_COUNT_TX_DROP_TCP] = { TX_DROP, "reason", "tcp_queue",
                              "Packets not sent, by reason." },
#define REJECTED(which, reason)                                                \
  [RTC_COUNT_STUN_##which] = { STUN_REJ, "reason", reason,                     \
                               "STUN messages refused, by reason." }
  [RTC_COUNT_STUN_REQUESTS] = { "media_tree_stun_requests_total", NULL, NULL,
                                "STUN messages received." },
  REJECTED (MALFORMED, "malformed"),
  REJECTED (NOT_REQUEST, "not_request"),
  REJECTED (NO_CREDENTIALS, "no_credentials"),
  REJECTED (UNKNOWN_UFRAG, "unknown_ufrag"),
  REJECTED (REMOTE_UFRAG, "remote_ufrag"),
  REJECTED (BAD_INTEGRITY, "bad_integrity"),
  REJECTED (UNKNOWN_ATTRIBUTE, "unknown_attribute"),
  REJECTED (ROLE_CONFLICT, "role_conflict"),
  REJECTED (ADDRESS_TAKEN, "address_taken"),
#define DROPPED(which, reason)                                                 \
  [RTC_COUNT_DROP_##which] = { DROP, "reason", reason,                         \
                               "Received packets dropped, by reason." }
  DROPPED (UNKNOWN_ADDRESS, "unknown_address"),
  DROPPED (NOT_CONNECTED, "not_connected"),
  DROPPED (BAD_AUTH, "bad_auth"),
  DROPPED (REPLAY, "replay"),
  DROPPED (MALFORMED, "malformed"),
  DROPPED (LIMIT, "limit"),
  [RTC_COUNT_DTLS_OK] = { DTLS, "result", "ok",
                          "DTLS handshakes that ended, by result." },
  [RTC_COUNT_DTLS_FAILED] = { DTLS, "result", "failed",
                              "DTLS handshakes that ended, by result." },
  [RTC_COUNT_DTLS_FINGERPRINT] = { DTLS, "result", "fingerprint",
                                   "DTLS handshakes that ended, by result." },
  [RTC_COUNT_TCP_ACCEPTED] = { "media_tree_ice_tcp_accepted_total", NULL, NULL,
                               "ICE-TCP connections accepted." },
#define ENDED(which, reason)                                                   \
  [RTC_COUNT_TCP_##which] = { TCP_END, "reason", reason,                       \
                              "ICE-TCP connections ended, by reason." }
  ENDED (REFUSED, "limit"),
  ENDED (TIMEOUT, "timeout"),
  ENDED (FRAME, "frame"),
  ENDED (PEER, "peer"),
#define TRANSPORT(which, reason)                                               \
  [RTC_COUNT_CLOSED_##which] = { CLOSED, "reason", reason,                     \
                                 "Transports that ended, by reason." }
  TRANSPORT (LOCAL, "local"),
  TRANSPORT (PEER, "peer"),
  TRANSPORT (ICE_TIMEOUT, "ice_timeout"),
  TRANSPORT (CONSENT, "consent"),
  TRANSPORT (DTLS_FAILED, "dtls_failed"),
  TRANSPORT (FINGERPRINT, "fingerprint"),
  TRANSPORT (LIMIT, "limit"),
};

void
rtc_counts_init (RtcCounts *self, BaseMetrics *metrics)
{
  if (metrics == NULL)
    return;
  for (guint i = 0; i < RTC_COUNT_N; i++)
    {
      g_autofree char *label =
          table[i].label != NULL
              ? base_metrics_label (table[i].label, table[i].value)
              : NULL;

      self->counters[i] = base_metrics_add_counter (metrics, table[i].name,
                                                    label, table[i].help);
    }
}

void
rtc_counts_set (RtcCounts *self, RtcCount which, guint64 n)
{
  __atomic_store_n (&self->n[which], n, __ATOMIC_RELAXED);
}

void
rtc_counts_add (RtcCounts *self, RtcCount which, guint64 n)
{
  rtc_counts_set (self, which, self->n[which] + n);
}

guint64
rtc_counts_get (RtcCounts *self, RtcCount which)
{
  return __atomic_load_n (&self->n[which], __ATOMIC_RELAXED);
}

void
rtc_counts_publish (RtcCounts *self)
{
  for (guint i = 0; i < RTC_COUNT_N; i++)
    if (self->n[i] != self->published[i])
      {
        base_counter_add (self->counters[i],
                          (gint64)(self->n[i] - self->published[i]));
        self->published[i] = self->n[i];
      }
}

char *
rtc_counts_describe (RtcCounts *self)
{
  GString *json = g_string_new ("{");

  for (guint i = 0; i < RTC_COUNT_N; i++)
    {
      guint64 n = rtc_counts_get (self, i);

      if (n == 0)
        continue;
      g_string_append_printf (json, "%s\"%s%s%s\":%" G_GUINT64_FORMAT,
                              json->len > 1 ? "," : "",
                              table[i].name + strlen ("media_tree_"),
                              table[i].value != NULL ? "." : "",
                              table[i].value != NULL ? table[i].value : "", n);
    }
  g_string_append_c (json, '}');
  return g_string_free (json, FALSE);
}
