/* SPDX-License-Identifier: Apache-2.0 */
/* What a webhook's receiver looks at. */
#pragma once

#include "fake-server.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static inline const char *
webhook_get_header (SoupServerMessage *msg, const char *name)
{
  return soup_message_headers_get_one (
      soup_server_message_get_request_headers (msg), name);
}

/* by another library than ours, not longer ago than that */
static inline void
webhook_check_signature (SoupServerMessage *msg, const char *body,
                         const char *secret, gint64 max_age_s)
{
  const char *timestamp = webhook_get_header (msg, "X-Media-Tree-Timestamp");
  g_autofree char *text = g_strconcat (timestamp, ".", body, NULL);
  g_autoptr (GString) expected = g_string_new ("sha256=");
  guint8 mac[EVP_MAX_MD_SIZE];
  guint n_bytes = 0;

  HMAC (EVP_sha256 (), secret, (int)strlen (secret), (const guchar *)text,
        strlen (text), mac, &n_bytes);
  for (guint i = 0; i < n_bytes; i++)
    g_string_append_printf (expected, "%02x", mac[i]);
  g_assert_cmpstr (webhook_get_header (msg, "X-Media-Tree-Signature"), ==,
                   expected->str);
  g_assert_cmpint (ABS (g_get_real_time () / G_USEC_PER_SEC
                        - g_ascii_strtoll (timestamp, NULL, 10)),
                   <=, max_age_s);
}
