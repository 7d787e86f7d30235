/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/path: socket addresses as hash keys and as text. */
#include "rtc/path.h"

#include <arpa/inet.h>
#include <string.h>

gboolean
rtc_addr_equal (const RtcAddr *a, const RtcAddr *b)
{
  if (a->sa.sa_family != b->sa.sa_family)
    return FALSE;
  if (a->sa.sa_family == AF_INET)
    return a->in.sin_port == b->in.sin_port
           && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
  return a->in6.sin6_port == b->in6.sin6_port
         && a->in6.sin6_scope_id == b->in6.sin6_scope_id
         && memcmp (&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0;
}

/* No secret in it: an address only gets in after an authenticated check. */
guint
rtc_addr_hash (const RtcAddr *a)
{
  guint64 h = 0;

  if (a->sa.sa_family == AF_INET)
    h = ((guint64)a->in.sin_addr.s_addr << 16) | a->in.sin_port;
  else
    {
      guint64 w[2];

      memcpy (w, &a->in6.sin6_addr, 16);
      h = w[0] * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15) ^ w[1]
          ^ ((guint64)a->in6.sin6_port << 48);
    }
  h ^= h >> 33;
  h *= G_GUINT64_CONSTANT (0xff51afd7ed558ccd);
  h ^= h >> 33;
  return (guint)h;
}

char *
rtc_addr_to_string (const RtcAddr *a)
{
  char text[INET6_ADDRSTRLEN] = "";

  switch (a->sa.sa_family)
    {
    case AF_INET:
      inet_ntop (AF_INET, &a->in.sin_addr, text, sizeof text);
      return g_strdup_printf ("%s:%u", text, ntohs (a->in.sin_port));
    case AF_INET6:
      inet_ntop (AF_INET6, &a->in6.sin6_addr, text, sizeof text);
      return g_strdup_printf ("[%s]:%u", text, ntohs (a->in6.sin6_port));
    default:
      return g_strdup ("none");
    }
}

gboolean
rtc_addr_from_string (const char *ip, guint port, RtcAddr *ret)
{
  RtcAddr a;

  memset (&a, 0, sizeof a);
  if (port > 65535)
    return FALSE;
  if (inet_pton (AF_INET, ip, &a.in.sin_addr) == 1)
    {
      a.in.sin_family = AF_INET;
      a.in.sin_port = htons ((guint16)port);
    }
  else if (inet_pton (AF_INET6, ip, &a.in6.sin6_addr) == 1)
    {
      a.in6.sin6_family = AF_INET6;
      a.in6.sin6_port = htons ((guint16)port);
    }
  else
    return FALSE;
  *ret = a;
  return TRUE;
}
