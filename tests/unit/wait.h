/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait: runs main until something is so that other threads make so. Main sleeps
 * meanwhile: on a small machine they could not do it else. The test's watchdog
 * ends a wait for ever. Thread: main.
 */
#pragma once

#include <glib.h>

#define WAIT_LOOK_MS 2

static inline gboolean
wait_on_look (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* what is due on main, or a look at what others did meanwhile */
static inline void
wait_a_little (void)
{
  guint look = g_timeout_add (WAIT_LOOK_MS, wait_on_look, NULL);

  g_main_context_iteration (NULL, TRUE);
  g_source_remove (look);
}

#define WAIT_FOR(condition)                                                    \
  while (!(condition))                                                         \
  wait_a_little ()
