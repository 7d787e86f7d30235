/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/sdp-text: the characters of a description; see sdp-private.h. */
#include <arpa/inet.h>
#include <string.h>

#include "rtc/sdp-private.h"

#define TYPE_PREFERENCE_UDP 126
#define TYPE_PREFERENCE_TCP 90
#define TCP_PASSIVE_PREFERENCE 2 /* of host candidates, RFC 6544 4.2 */

gboolean
rtc_sdp_parse_number (const char **s, guint64 max, guint64 *ret)
{
  guint64 value = 0;
  const char *p = *s;

  if (!g_ascii_isdigit (*p))
    return FALSE;
  for (; g_ascii_isdigit (*p); p++)
    {
      guint digit = (guint)(*p - '0');
      if (value > (max - digit) / 10 || digit > max)
        return FALSE;
      value = value * 10 + digit;
    }
  *s = p;
  *ret = value;
  return TRUE;
}

gboolean
rtc_sdp_is_token (const char *s, gsize max_chars)
{
  gsize n = 0;

  for (; s != NULL && s[n] != '\0'; n++)
    if (n >= max_chars
        || !(g_ascii_isalnum (s[n]) || strchr ("!#$%&'*+-.^_`{|}~", s[n])))
      return FALSE;
  return n > 0;
}

gboolean
rtc_sdp_is_ice_string (const char *s, gsize min, gsize max)
{
  gsize n = 0;

  for (; s != NULL && s[n] != '\0'; n++)
    if (n >= max || !g_ascii_isgraph (s[n]) || s[n] == ':')
      return FALSE;
  return n > 0 && n >= min;
}

/* "m=audio 9 UDP/TLS/RTP/SAVPF 111 …"; the port may be "9/1" */
static gboolean
is_m_line (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line + 2, " ", -1);
  const char *port;
  guint64 value;

  if (g_strv_length (words) < 4 || !rtc_sdp_is_token (words[0], 32)
      || words[2][0] == '\0' || words[3][0] == '\0')
    return FALSE;
  port = words[1];
  return rtc_sdp_parse_number (&port, 65535, &value)
         && (*port == '\0' || *port == '/');
}

char *
rtc_sdp_clean_text (const char *text, GError **error)
{
  gsize len = strnlen (text, RTC_SDP_MAX_BYTES + 1);
  g_auto (GStrv) lines = NULL;
  g_autoptr (GString) out = NULL;

  if (len > RTC_SDP_MAX_BYTES)
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_TOO_BIG,
                   "more than %d bytes", RTC_SDP_MAX_BYTES);
      return NULL;
    }
  if (!g_utf8_validate (text, (gssize)len, NULL))
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_SYNTAX, "not UTF-8");
      return NULL;
    }
  out = g_string_sized_new (len + 256);
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *line = lines[i];
      gsize n = strlen (line);
      gboolean ok;

      if (n > 0 && line[n - 1] == '\r')
        lines[i][--n] = '\0';
      if (n == 0)
        continue;
      ok = n >= 2 && g_ascii_islower (line[0]) && line[1] == '=';
      for (gsize k = 0; ok && k < n; k++)
        ok = !g_ascii_iscntrl (line[k]) || line[k] == '\t';
      if (!ok || (line[0] == 'm' && !is_m_line (line)))
        {
          g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_SYNTAX,
                       "line %u is malformed", i + 1);
          return NULL;
        }
      g_string_append (out, line);
      g_string_append (out, "\r\n");
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static gboolean
is_ip_literal (const char *s)
{
  struct in6_addr ip;

  return inet_pton (AF_INET, s, &ip) == 1 || inet_pton (AF_INET6, s, &ip) == 1;
}

/* foundation component transport priority address port "typ" type … */
gboolean
rtc_sdp_candidate_parse (const char *value, RtcSdpCandidate *ret)
{
  g_auto (GStrv) words = g_strsplit (value, " ", 32);
  guint64 priority, port;
  const char *p;

  if (g_strv_length (words) < 8 || !g_str_equal (words[6], "typ")
      || !g_str_equal (words[1], "1") || !is_ip_literal (words[4])
      || (g_ascii_strcasecmp (words[2], "udp") != 0
          && g_ascii_strcasecmp (words[2], "tcp") != 0))
    return FALSE;
  p = words[3];
  if (!rtc_sdp_parse_number (&p, G_MAXUINT32, &priority) || *p != '\0')
    return FALSE;
  p = words[5];
  if (!rtc_sdp_parse_number (&p, 65535, &port) || *p != '\0' || port == 0)
    return FALSE;
  ret->address = g_strdup (words[4]);
  ret->port = (guint)port;
  ret->is_tcp = g_ascii_strcasecmp (words[2], "tcp") == 0;
  ret->priority = (guint32)priority;
  return TRUE;
}

char *
rtc_sdp_candidate_to_string (const RtcSdpCandidate *self, guint index)
{
  guint32 preference = 8191 - MIN (index, 8191), priority;

  if (self->address == NULL || !is_ip_literal (self->address) || self->port == 0
      || self->port > 65535)
    return NULL;
  if (self->is_tcp)
    priority = (guint32)TYPE_PREFERENCE_TCP << 24
               | ((guint32)TCP_PASSIVE_PREFERENCE << 13 | preference) << 8;
  else
    priority = (guint32)TYPE_PREFERENCE_UDP << 24 | (0xe000 | preference) << 8;
  priority |= 255; /* 256 - component */
  return g_strdup_printf (
      "%u 1 %s %u %s %u typ host%s", index + 1, self->is_tcp ? "tcp" : "udp",
      self->priority != 0 ? self->priority : priority, self->address,
      self->port, self->is_tcp ? " tcptype passive" : "");
}
