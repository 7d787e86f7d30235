/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes settings from outside with this program's own table. The first byte
 * says where they stand: a file, the command line or the environment (one
 * entry a line). What was read prints as a file that reads the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "node/settings.h"

static int fd = -1;
static char path[64];

static void
write_file (const char *text, gsize len)
{
  if (fd < 0)
    {
      fd = memfd_create ("settings", MFD_CLOEXEC);
      g_snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    }
  if (ftruncate (fd, 0) != 0 || pwrite (fd, text, len, 0) != (ssize_t)len)
    g_error ("no file");
}

static gboolean
load (BaseSettings *settings, char **argv, char **env)
{
  g_autoptr (GError) error = NULL;

  if (base_settings_load (settings, argv, env, &error))
    return TRUE;
  if (error == NULL || error->message[0] == '\0')
    g_error ("refused without a reason");
  if (!g_utf8_validate (error->message, -1, NULL))
    g_error ("the message is no text");
  return FALSE;
}

static gboolean
load_file (BaseSettings *settings, const char *text, gsize len)
{
  char *argv[] = { (char *)"--config", path, NULL };
  char *none[] = { NULL };

  write_file (text, len);
  return load (settings, argv, none);
}

/* Lines that would open files of this machine are left out. */
static char **
split (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", 64);
  GStrvBuilder *builder = g_strv_builder_new ();
  char **entries;

  for (char **line = lines; *line; line++)
    {
      g_autofree char *lower = g_ascii_strdown (*line, -1);

      if (strstr (lower, "file") == NULL && strstr (lower, "config") == NULL)
        g_strv_builder_add (builder, *line);
    }
  entries = g_strv_builder_end (builder);
  g_strv_builder_unref (builder);
  return entries;
}

static gboolean
load_any (BaseSettings *settings, const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data + 1, len - 1);
  g_auto (GStrv) entries = split (text);
  char *none[] = { NULL };

  switch (data[0])
    {
    case 'f':
      if (strstr (text, "-file") != NULL)
        return FALSE;
      return load_file (settings, (const char *)data + 1, len - 1);
    case 'a':
      return load (settings, entries, none);
    case 'e':
      for (char **entry = entries; *entry; entry++)
        {
          char *name = g_strconcat ("MEDIA_TREE_", *entry, NULL);

          g_free (*entry);
          *entry = name;
        }
      return load (settings, none, entries);
    default:
      return FALSE;
    }
}

static void
check_reads_the_same (BaseSettings *settings)
{
  g_autofree char *config = base_settings_to_config (settings);
  g_autoptr (BaseSettings) again = NULL;
  g_autofree char *second = NULL;

  if (!g_utf8_validate (config, -1, NULL))
    return; /* an argument may be bytes; GKeyFile wants text */
  again = node_settings_new ();
  if (!load_file (again, config, strlen (config)))
    g_error ("cannot read what was printed:\n%s", config);
  second = base_settings_to_config (again);
  if (strcmp (config, second) != 0)
    g_error ("printed as\n%s\nthen as\n%s", config, second);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autoptr (BaseSettings) settings = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (NodeOptions) options = NULL;

  if (len < 1)
    return 0;
  settings = node_settings_new ();
  if (!load_any (settings, data, len))
    return 0;
  check_reads_the_same (settings);
  options = node_options_new (settings, &error);
  if ((options == NULL) == (error == NULL))
    g_error ("neither or both");
  return 0;
}
