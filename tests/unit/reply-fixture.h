/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a store, made of texts. */
#pragma once

#include "cluster/redis-reply.h"

#include <string.h>

/* reply_make: an array of texts; "~" = nothing, "#5" = the number 5 */
static inline ClusterReply *
reply_make (const char *const *texts, guint n)
{
  g_autoptr (ClusterReader) reader = cluster_reader_new (1 << 20, 10000);
  g_autoptr (GString) bytes = g_string_new (NULL);
  ClusterReply *reply = NULL;

  g_string_append_printf (bytes, "*%u\r\n", n);
  for (guint i = 0; i < n; i++)
    if (strcmp (texts[i], "~") == 0)
      g_string_append (bytes, "$-1\r\n");
    else if (texts[i][0] == '#')
      g_string_append_printf (bytes, ":%s\r\n", texts[i] + 1);
    else
      g_string_append_printf (bytes, "$%u\r\n%s\r\n", (guint)strlen (texts[i]),
                              texts[i]);
  g_assert_true (cluster_reader_feed (reader, bytes->str, bytes->len, NULL));
  g_assert_true (cluster_reader_next (reader, &reply, NULL));
  g_assert_nonnull (reply);
  return reply;
}
