/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of session descriptions share. */
#pragma once

#include <string.h>

#include "rtc/sdp.h"

static inline char *
load_offer (const char *name)
{
  g_autofree char *path = NULL, *text = NULL;
  g_autoptr (GError) error = NULL;

  path = g_build_filename (TEST_DATA_DIR, "offers", name, NULL);
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&text);
}

static inline RtcSdp *
parse (const char *text, gboolean is_offer)
{
  g_autoptr (GError) error = NULL;
  RtcSdp *sdp = rtc_sdp_parse (text, is_offer, &error);

  g_assert_no_error (error);
  g_assert_nonnull (sdp);
  return sdp;
}

static inline RtcSdp *
parse_offer (const char *name)
{
  g_autofree char *text = load_offer (name);
  return parse (text, TRUE);
}

static inline RtcSdpMedia *
media_at (RtcSdp *sdp, guint i)
{
  g_assert_cmpuint (i, <, sdp->media->len);
  return g_ptr_array_index (sdp->media, i);
}

static inline RtcSdpCodec *
codec_at (RtcSdpMedia *media, guint i)
{
  g_assert_cmpuint (i, <, media->codecs->len);
  return &g_array_index (media->codecs, RtcSdpCodec, i);
}

/* @old becomes @new once; both ends may be several lines */
static inline char *
replace (const char *text, const char *old, const char *new)
{
  const char *at = strstr (text, old);

  g_assert_nonnull (at);
  return g_strdup_printf ("%.*s%s%s", (int)(at - text), text, new,
                          at + strlen (old));
}
