/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/sdp-frag: trickle-ice-sdpfrag (RFC 8840); see sdp.h. */
#include <string.h>

#include "rtc/sdp-private.h"

void
rtc_sdp_frag_clear (RtcSdpFrag *self)
{
  g_clear_pointer (&self->ice_ufrag, g_free);
  g_clear_pointer (&self->ice_pwd, g_free);
  self->n_candidates = self->n_skipped = 0;
  self->has_end = FALSE;
}

static void
read_candidate (RtcSdpFrag *self, const char *value)
{
  RtcSdpCandidate candidate = { 0 };

  if (*value == '\0') /* how browsers spell the end */
    self->has_end = TRUE;
  else if (self->n_candidates < RTC_SDP_MAX_CANDIDATES
           && rtc_sdp_candidate_parse (value, &candidate))
    {
      self->n_candidates++;
      g_free (candidate.address);
    }
  else
    self->n_skipped++;
}

/* The first value counts: all sections of a bundle carry the same. */
static gboolean
read_credential (char **field, const char *value, gsize min, GError **error)
{
  if (!rtc_sdp_is_ice_string (value, min, 256))
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_NO_ICE,
                   "ICE credential of wrong length");
      return FALSE;
    }
  if (*field == NULL)
    *field = g_strdup (value);
  return TRUE;
}

static gboolean
read_attribute (RtcSdpFrag *self, const char *line, GError **error)
{
  if (g_str_has_prefix (line, "ice-ufrag:"))
    return read_credential (&self->ice_ufrag, line + strlen ("ice-ufrag:"), 4,
                            error);
  if (g_str_has_prefix (line, "ice-pwd:"))
    return read_credential (&self->ice_pwd, line + strlen ("ice-pwd:"), 22,
                            error);
  if (g_str_has_prefix (line, "candidate:"))
    read_candidate (self, line + strlen ("candidate:"));
  else if (g_str_equal (line, "end-of-candidates"))
    self->has_end = TRUE;
  return TRUE;
}

gboolean
rtc_sdp_frag_parse (const char *text, RtcSdpFrag *ret, GError **error)
{
  g_autofree char *clean = rtc_sdp_clean_text (text, error);
  g_auto (GStrv) lines = NULL;
  RtcSdpFrag self = { 0 };

  if (clean == NULL)
    return FALSE;
  lines = g_strsplit (clean, "\r\n", -1);
  if (lines[0] == NULL || lines[0][0] == '\0')
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_SYNTAX,
                   "empty fragment");
      return FALSE;
    }
  for (guint i = 0; lines[i] != NULL; i++)
    if (lines[i][0] == 'a' && !read_attribute (&self, lines[i] + 2, error))
      {
        rtc_sdp_frag_clear (&self);
        return FALSE;
      }
  *ret = self;
  return TRUE;
}

/* Everything stands in the bundle's first section, as RFC 9725 4.3.3 has it */
char *
rtc_sdp_frag_to_string (const RtcSdp *local)
{
  GString *out = g_string_new (NULL);
  const RtcSdpMedia *first = NULL;
  GString *bundle = g_string_new ("a=group:BUNDLE");

  for (guint i = 0; i < local->media->len; i++)
    {
      const RtcSdpMedia *media = g_ptr_array_index (local->media, i);

      if (media->is_other || media->is_rejected)
        continue;
      if (first == NULL)
        first = media;
      if (rtc_sdp_is_token (media->mid, RTC_MAX_MID_CHARS))
        g_string_append_printf (bundle, " %s", media->mid);
    }
  if (local->ice_lite)
    g_string_append (out, "a=ice-lite\r\n");
  if (local->has_trickle)
    g_string_append (out, "a=ice-options:trickle\r\n");
  if (g_str_has_suffix (bundle->str, "BUNDLE") == FALSE)
    g_string_append_printf (out, "%s\r\n", bundle->str);
  g_string_free (bundle, TRUE);
  g_string_append_printf (
      out, "m=%s 9 UDP/TLS/RTP/SAVPF 0\r\n",
      first != NULL && first->kind == RTC_MEDIA_VIDEO ? "video" : "audio");
  if (first != NULL && rtc_sdp_is_token (first->mid, RTC_MAX_MID_CHARS))
    g_string_append_printf (out, "a=mid:%s\r\n", first->mid);
  g_string_append_printf (out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n",
                          local->ice_ufrag, local->ice_pwd);
  for (guint i = 0; i < local->candidates->len; i++)
    {
      g_autofree char *value = rtc_sdp_candidate_to_string (
          &g_array_index (local->candidates, RtcSdpCandidate, i), i);
      if (value != NULL)
        g_string_append_printf (out, "a=candidate:%s\r\n", value);
    }
  g_string_append (out, "a=end-of-candidates\r\n");
  return g_string_free (out, FALSE);
}
