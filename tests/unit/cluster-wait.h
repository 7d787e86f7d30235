/* SPDX-License-Identifier: Apache-2.0 */
/* cluster-wait: runs the main loop until a condition holds; what never comes
 * ends the test with words instead of the suite's watchdog. Thread: main. */
#pragma once

#include <glib.h>

#define WAIT_MS 60000 /* machines are slow at times */

static inline gboolean
on_late (gpointer data)
{
  g_error ("nothing came within %d ms", WAIT_MS);
  return G_SOURCE_REMOVE;
}

#define WAIT(condition)                                                        \
  do                                                                           \
    {                                                                          \
      guint late = g_timeout_add (WAIT_MS, on_late, NULL);                     \
      while (!(condition))                                                     \
        g_main_context_iteration (NULL, TRUE);                                 \
      g_source_remove (late);                                                  \
    }                                                                          \
  while (0)
