/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what comes as DTLS: the first byte says whether to a connection that
 * waits for its handshake, or to one that is over it and has given back
 * OpenSSL's session (rtc/dtls-tail). Nobody without the keys can close that.
 */
#include <stdint.h>

#include "rtc/dtls.h"

#define MAX_STEPS 40

typedef struct _End
{
  RtcDtls *dtls;
  GQueue in; /* of GBytes */
  struct _End *other;
} End;

static RtcCertificate *certificate;
static End ends[2];

static void
on_send (const guint8 *data, gsize len, gpointer user_data)
{
  End *self = user_data;

  if (self->other != NULL)
    g_queue_push_tail (&self->other->in, g_bytes_new (data, len));
}

static RtcDtls *
make_dtls (gboolean is_client, End *end)
{
  return rtc_dtls_new (certificate, is_client, "sha-256",
                       rtc_certificate_get_fingerprint (certificate), on_send,
                       end);
}

static void
set_up (void)
{
  certificate = rtc_certificate_new (NULL);
  for (guint i = 0; i < 2; i++)
    {
      ends[i].other = &ends[!i];
      ends[i].dtls = make_dtls (i == 0, &ends[i]);
    }
  rtc_dtls_start (ends[0].dtls);
  for (guint n = 0; n < MAX_STEPS; n++)
    {
      End *end = &ends[g_queue_is_empty (&ends[0].in)];
      GBytes *bytes = g_queue_pop_head (&end->in);

      if (bytes == NULL)
        break;
      rtc_dtls_receive (end->dtls, g_bytes_get_data (bytes, NULL),
                        g_bytes_get_size (bytes));
      g_bytes_unref (bytes);
    }
  rtc_dtls_shed (ends[1].dtls);
  if (!rtc_dtls_is_shed (ends[1].dtls))
    g_error ("no connection");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  static End nobody;
  RtcDtls *fresh;

  if (certificate == NULL)
    set_up ();
  if (len < 1)
    return 0;
  if (data[0] & 1)
    {
      if (rtc_dtls_receive (ends[1].dtls, data + 1, len - 1) == RTC_DTLS_CLOSED)
        g_error ("closed by a stranger");
      return 0;
    }
  fresh = make_dtls (data[0] & 2, &nobody);
  rtc_dtls_start (fresh);
  rtc_dtls_receive (fresh, data + 1, len - 1);
  rtc_dtls_free (fresh);
  return 0;
}
