/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzzing engine: every file of the directories
 * given, then seeded mutations of each, the same ones each time.
 *   fuzz-NAME [-n MUTATIONS] DIRECTORY…
 */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MUTATIONS 3000
#define MAX_INPUT_BYTES (128 * 1024)

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t len);

/* An exact copy on the heap, so that a sanitizer sees a read past its end */
static void
run (const GByteArray *input)
{
  guint8 *copy = g_memdup2 (input->data, input->len);

  LLVMFuzzerTestOneInput (copy != NULL ? copy : (const guint8 *)"", input->len);
  g_free (copy);
}

static void
mutate_once (GByteArray *input, GRand *rand)
{
  static const guint8 special[] = { 0, 1, 0x7f, 0x80, 0xff, '\n', ':', ' ' };
  guint at = input->len > 0 ? g_rand_int (rand) % input->len : 0;
  guint n = 1 + g_rand_int (rand) % 16;
  guint8 byte = (guint8)g_rand_int (rand);

  switch (input->len > 0 ? g_rand_int (rand) % 7 : 6)
    {
    case 0:
      input->data[at] ^= (guint8)(1u << (byte & 7));
      break;
    case 1:
      input->data[at] = byte;
      break;
    case 2:
      input->data[at] = special[byte % sizeof special];
      break;
    case 3:
      g_byte_array_set_size (input, at);
      break;
    case 4:
      g_byte_array_remove_range (input, at, MIN (n, input->len - at));
      break;
    case 5: /* say a part twice */
      if (input->len + n < MAX_INPUT_BYTES)
        {
          g_autofree guint8 *part =
              g_memdup2 (input->data + at, MIN (n, input->len - at));
          g_byte_array_append (input, part, MIN (n, input->len - at));
        }
      break;
    default:
      if (input->len < MAX_INPUT_BYTES)
        g_byte_array_append (input, &byte, 1);
      break;
    }
}

static void
run_file (const char *path, guint n_mutations)
{
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  GByteArray *input;
  gsize len;

  if (!g_file_get_contents (path, &contents, &len, &error))
    g_error ("%s", error->message);
  len = MIN (len, MAX_INPUT_BYTES);
  input = g_byte_array_new ();
  for (guint i = 0; i <= n_mutations; i++)
    {
      guint n_changes = i == 0 ? 0 : 1 + g_rand_int (rand) % 6;

      g_byte_array_set_size (input, 0);
      g_byte_array_append (input, (const guint8 *)contents, (guint)len);
      for (guint k = 0; k < n_changes; k++)
        mutate_once (input, rand);
      run (input);
    }
  g_byte_array_unref (input);
}

int
main (int argc, char **argv)
{
  guint n_mutations = DEFAULT_MUTATIONS, n_files = 0;

  for (int i = 1; i < argc; i++)
    {
      g_autoptr (GDir) dir = NULL;
      const char *name;

      if (g_str_equal (argv[i], "-n") && i + 1 < argc)
        {
          n_mutations = (guint)atoi (argv[++i]);
          continue;
        }
      dir = g_dir_open (argv[i], 0, NULL);
      if (dir == NULL)
        g_error ("%s: no such directory", argv[i]);
      while ((name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *path = g_build_filename (argv[i], name, NULL);
          run_file (path, n_mutations);
          n_files++;
        }
    }
  if (n_files == 0)
    g_error ("no corpus");
  printf ("%u files, %u mutations of each\n", n_files, n_mutations);
  return 0;
}
