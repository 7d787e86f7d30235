/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes what a leader learned, as the store has it: what comes through keeps
 * its bounds, and is the same once it has been written and read again. */
#include <stdint.h>
#include <string.h>

#include "cluster/ledger-read.h"
#include "scaling/learned.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);
  g_autofree char *once = NULL, *twice = NULL;
  ScalingLearned learned, read;

  scaling_learned_parse (text, &learned);
  once = scaling_learned_dup_text (&learned);
  if (strlen (once) > CLUSTER_LEARNED_MAX_BYTES
      || scaling_learned_parse (once, &read) != 0)
    g_error ("what was written cannot be read: %s", once);
  twice = scaling_learned_dup_text (&read);
  if (strcmp (once, twice) != 0)
    g_error ("it changed: %s", twice);
  for (guint is_warm = 0; is_warm < 2; is_warm++)
    {
      gint64 lead_us = scaling_learned_get_lead (&read, is_warm, 0);

      if (lead_us < 0 || lead_us > SCALING_LEARNED_MAX_LEAD_US
          || lead_us != scaling_learned_get_lead (&learned, is_warm, 0))
        g_error ("a bad lead came through");
    }
  return 0;
}
