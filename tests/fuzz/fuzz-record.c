/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes records of decisions: replayed or refused with a row's number. */
#include <stdint.h>

#include "scaling/record.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autoptr (GError) error = NULL;
  ScalingReplay replay;
  gboolean is_good = scaling_record_replay (data, len, &replay, &error);

  if (is_good != (error == NULL))
    g_error ("neither replayed nor refused");
  if (!is_good && !g_str_has_prefix (error->message, "row "))
    g_error ("\"%s\" names no row", error->message);
  if (replay.n_different > replay.n_ticks)
    g_error ("%u of %u differ", replay.n_different, replay.n_ticks);
  return 0;
}
