/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcWill as bytes (big endian): 4 magic with the version, 1 family (4 or 6),
 * 1 length of the record, 2 own port, 2 remote port, 2 zero, 4 remote scope,
 * 4 own interface, 16 remote address, 16 own address, 64 record, 12 first
 * bytes of the SHA-256 of all before.
 */
#include "rtc/will.h"

#include <string.h>

#include "rtc/dtls-tail.h"

#define MAGIC "MTW1"
#define FAMILY_AT 4
#define RECORD_LEN_AT 5
#define PORT_AT 6
#define REMOTE_PORT_AT 8
#define ZERO_AT 10
#define SCOPE_AT 12
#define IFINDEX_AT 16
#define REMOTE_AT 20
#define LOCAL_AT 36
#define RECORD_AT 52
#define SUM_AT 116
#define SHA256_BYTES 32

G_STATIC_ASSERT (RTC_WILL_MAX_RECORD_BYTES == RTC_DTLS_TAIL_MAX_BYTES);
G_STATIC_ASSERT (RECORD_AT + RTC_WILL_MAX_RECORD_BYTES == SUM_AT);

static void
put16 (guint8 *p, guint n)
{
  p[0] = (guint8)(n >> 8);
  p[1] = (guint8)n;
}

static guint
get16 (const guint8 *p)
{
  return (guint)p[0] << 8 | p[1];
}

static void
put32 (guint8 *p, guint32 n)
{
  put16 (p, n >> 16);
  put16 (p + 2, n & 0xffff);
}

static guint32
get32 (const guint8 *p)
{
  return (guint32)get16 (p) << 16 | get16 (p + 2);
}

/* Damage by accident: half a file, another file. */
static void
sum (const guint8 *data, guint8 ret[SHA256_BYTES])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize n = SHA256_BYTES;

  g_checksum_update (checksum, data, SUM_AT);
  g_checksum_get_digest (checksum, ret, &n);
}

void
rtc_will_write (const RtcWill *self, guint8 dst[RTC_WILL_BYTES])
{
  const RtcPath *path = &self->path;
  guint8 digest[SHA256_BYTES];

  g_assert (self->record_len <= sizeof self->record);
  memset (dst, 0, RTC_WILL_BYTES);
  memcpy (dst, MAGIC, FAMILY_AT);
  dst[RECORD_LEN_AT] = (guint8)self->record_len;
  put16 (dst + PORT_AT, self->port);
  put32 (dst + IFINDEX_AT, path->local_ifindex);
  if (path->remote.sa.sa_family == AF_INET)
    {
      dst[FAMILY_AT] = 4;
      put16 (dst + REMOTE_PORT_AT, ntohs (path->remote.in.sin_port));
      memcpy (dst + REMOTE_AT, &path->remote.in.sin_addr, 4);
      memcpy (dst + LOCAL_AT, &path->local.in, 4);
    }
  else
    {
      dst[FAMILY_AT] = 6;
      put16 (dst + REMOTE_PORT_AT, ntohs (path->remote.in6.sin6_port));
      put32 (dst + SCOPE_AT, path->remote.in6.sin6_scope_id);
      memcpy (dst + REMOTE_AT, &path->remote.in6.sin6_addr, 16);
      memcpy (dst + LOCAL_AT, &path->local.in6, 16);
    }
  memcpy (dst + RECORD_AT, self->record, self->record_len);
  sum (dst, digest);
  memcpy (dst + SUM_AT, digest, RTC_WILL_BYTES - SUM_AT);
}

static void
read_path (const guint8 *data, RtcPath *path)
{
  if (data[FAMILY_AT] == 4)
    {
      path->remote.in.sin_family = AF_INET;
      path->remote.in.sin_port = htons ((guint16)get16 (data + REMOTE_PORT_AT));
      memcpy (&path->remote.in.sin_addr, data + REMOTE_AT, 4);
      memcpy (&path->local.in, data + LOCAL_AT, 4);
      return;
    }
  path->remote.in6.sin6_family = AF_INET6;
  path->remote.in6.sin6_port = htons ((guint16)get16 (data + REMOTE_PORT_AT));
  path->remote.in6.sin6_scope_id = get32 (data + SCOPE_AT);
  memcpy (&path->remote.in6.sin6_addr, data + REMOTE_AT, 16);
  memcpy (&path->local.in6, data + LOCAL_AT, 16);
  path->local_ifindex = get32 (data + IFINDEX_AT);
}

gboolean
rtc_will_read (const guint8 *data, gsize len, RtcWill *ret)
{
  guint8 digest[SHA256_BYTES];

  if (len != RTC_WILL_BYTES || memcmp (data, MAGIC, FAMILY_AT) != 0
      || (data[FAMILY_AT] != 4 && data[FAMILY_AT] != 6)
      || get16 (data + ZERO_AT) != 0 || get16 (data + PORT_AT) == 0
      || get16 (data + REMOTE_PORT_AT) == 0
      || data[RECORD_LEN_AT] > RTC_WILL_MAX_RECORD_BYTES
      || !rtc_dtls_tail_is_alert (data + RECORD_AT, data[RECORD_LEN_AT]))
    return FALSE;
  sum (data, digest);
  if (memcmp (data + SUM_AT, digest, RTC_WILL_BYTES - SUM_AT) != 0)
    return FALSE;
  memset (ret, 0, sizeof *ret);
  read_path (data, &ret->path);
  ret->port = get16 (data + PORT_AT);
  ret->record_len = data[RECORD_LEN_AT];
  memcpy (ret->record, data + RECORD_AT, ret->record_len);
  return TRUE;
}
