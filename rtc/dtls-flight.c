/* SPDX-License-Identifier: Apache-2.0 */
/* RtcDtlsFlight: see dtls-flight.h. */
#include "rtc/dtls-flight.h"

#include <string.h>

#define HEADER_BYTES 13 /* of a record */
#define CONTENT_HANDSHAKE 22

struct _RtcDtlsFlight
{
  guint used; /* bytes: datagrams, each behind its length (16 bits) */
  guint n_repeats;
  gboolean is_cut;
  guint8 bytes[RTC_DTLS_FLIGHT_MAX_BYTES];
};

RtcDtlsFlight *
rtc_dtls_flight_new (void)
{
  return g_new0 (RtcDtlsFlight, 1);
}

void
rtc_dtls_flight_free (RtcDtlsFlight *self)
{
  g_free (self);
}

void
rtc_dtls_flight_clear (RtcDtlsFlight *self)
{
  self->used = 0;
  self->is_cut = FALSE;
}

void
rtc_dtls_flight_add (RtcDtlsFlight *self, const guint8 *data, gsize len)
{
  guint16 short_len = (guint16)len;

  if (len > sizeof self->bytes - self->used
      || sizeof short_len > sizeof self->bytes - self->used - len)
    {
      self->is_cut = TRUE;
      return;
    }
  memcpy (self->bytes + self->used, &short_len, sizeof short_len);
  memcpy (self->bytes + self->used + sizeof short_len, data, len);
  self->used += sizeof short_len + (guint)len;
}

gboolean
rtc_dtls_flight_is_whole (const RtcDtlsFlight *self)
{
  return self->used > 0 && !self->is_cut;
}

gboolean
rtc_dtls_flight_is_asked (RtcDtlsFlight *self, const guint8 *data, gsize len)
{
  while (len >= HEADER_BYTES)
    {
      gsize record_len = HEADER_BYTES + ((gsize)data[11] << 8 | data[12]);

      if (record_len > len)
        return FALSE;
      if (data[0] == CONTENT_HANDSHAKE && data[3] == 0 && data[4] == 1)
        return self->n_repeats++ < RTC_DTLS_FLIGHT_MAX_REPEATS;
      data += record_len;
      len -= record_len;
    }
  return FALSE;
}

const guint8 *
rtc_dtls_flight_next (const RtcDtlsFlight *self, guint *at, gsize *ret_len)
{
  const guint8 *datagram;
  guint16 len;

  if (*at >= self->used)
    return NULL;
  memcpy (&len, self->bytes + *at, sizeof len);
  datagram = self->bytes + *at + sizeof len;
  *at += sizeof len + len;
  *ret_len = len;
  return datagram;
}
