/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints random requests of the Janus API, one a line, "!" before those of the
 * Admin API; see tests/fuzz/janus-grammar.h for what stands for ids.
 *   janus-random SEED COUNT
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/janus-grammar.h"

int
main (int argc, char **argv)
{
  g_autoptr (GRand) rand = NULL;

  if (argc != 3)
    {
      fprintf (stderr, "usage: janus-random SEED COUNT\n");
      return 2;
    }
  rand = g_rand_new_with_seed ((guint32)strtoul (argv[1], NULL, 10));
  for (long n = strtol (argv[2], NULL, 10); n > 0; n--)
    {
      gboolean is_admin;
      g_autofree char *text = grammar_request (rand, &is_admin);

      printf ("%s%s\n", is_admin ? "!" : "", text);
    }
  return 0;
}
