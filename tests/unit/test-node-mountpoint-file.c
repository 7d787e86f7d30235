/* SPDX-License-Identifier: Apache-2.0 */
/* NodeMountpointFile in a directory of the test's own. */
#include "node/mountpoint-file.h"

#include <glib/gstdio.h>

typedef struct
{
  char *directory, *path;
  NodeMountpointFile *file;
  guint n_done, n_failed;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("mountpoints-XXXXXX", NULL);
  f->path = g_build_filename (f->directory, "mountpoints.json", NULL);
  f->file = node_mountpoint_file_new (f->directory);
  f->n_done = f->n_failed = 0;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *aside = g_strconcat (f->path, ".bad", NULL);

  if (f->file)
    node_mountpoint_file_free (f->file);
  g_unlink (f->path);
  g_unlink (aside);
  g_rmdir (f->directory);
  g_free (f->directory);
  g_free (f->path);
}

static void
on_done (const GError *error, gpointer data)
{
  Fixture *f = data;

  f->n_done++;
  f->n_failed += error != NULL;
}

static void
assert_text (Fixture *f, const char *expected)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (f->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, expected);
}

static void
test_none (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = node_mountpoint_file_read (f->file, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (rows->len, ==, 0);
}

/* the last text wins; each who asked is told, none from within the call */
static void
test_write (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) rows = NULL;
  GStatBuf status;

  for (guint i = 0; i < 5; i++)
    node_mountpoint_file_write (f->file, g_strdup_printf ("[{\"a\":%u}]", i),
                                on_done, f);
  g_assert_cmpuint (f->n_done, ==, 0);
  while (f->n_done < 5)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (f->n_failed, ==, 0);
  assert_text (f, "[{\"a\":4}]");
  g_assert_cmpint (g_stat (f->path, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, 0600);
  rows = node_mountpoint_file_read (f->file, NULL);
  g_assert_cmpuint (rows->len, ==, 1);
  g_assert_cmpint (json_object_get_int_member (rows->pdata[0], "a"), ==, 4);
}

/* free() loses nothing, and tells nobody */
static void
test_free (Fixture *f, gconstpointer data)
{
  node_mountpoint_file_write (f->file, g_strdup ("[1]"), on_done, f);
  node_mountpoint_file_write (f->file, g_strdup ("[2]"), on_done, f);
  g_clear_pointer (&f->file, node_mountpoint_file_free);
  g_assert_cmpuint (f->n_done, ==, 0);
  assert_text (f, "[2]");
}

static void
test_no_directory (Fixture *f, gconstpointer data)
{
  g_rmdir (f->directory);
  node_mountpoint_file_write (f->file, g_strdup ("[]"), on_done, f);
  while (f->n_done < 1)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (f->n_failed, ==, 1);
}

static void
test_nonsense (Fixture *f, gconstpointer data)
{
  static const char *const texts[] = { "", "{}", "[", "null" };
  g_autofree char *aside = g_strconcat (f->path, ".bad", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (g_file_set_contents (f->path, texts[i], -1, NULL));
      g_assert_null (node_mountpoint_file_read (f->file, &error));
      g_assert_nonnull (error);
    }
  g_assert_true (node_mountpoint_file_set_aside (f->file));
  g_assert_false (g_file_test (f->path, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
  g_assert_false (node_mountpoint_file_set_aside (f->file));
}

static void
test_too_large (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  FILE *large = g_fopen (f->path, "w");

  g_assert_nonnull (large);
  g_assert_cmpint (fseek (large, NODE_MOUNTPOINT_FILE_MAX_BYTES, SEEK_SET), ==,
                   0);
  fputc (']', large);
  fclose (large);
  g_assert_null (node_mountpoint_file_read (f->file, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/node/mountpoint-file/" name, Fixture, NULL, set_up, func,      \
              tear_down)
  ADD ("none", test_none);
  ADD ("write", test_write);
  ADD ("free", test_free);
  ADD ("no-directory", test_no_directory);
  ADD ("nonsense", test_nonsense);
  ADD ("too-large", test_too_large);
  return g_test_run ();
}
