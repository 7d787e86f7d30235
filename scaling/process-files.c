/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/process-files: see process-files.h. */
#include "scaling/process-files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scaling/provisioner-private.h"

#define GROUP "instance"
#define MAX_OPEN_DIRS 8

struct _ScalingProcessFiles
{
  char *directory;
};

void
scaling_process_record_free (ScalingProcessRecord *self)
{
  g_free (self->name);
  g_strfreev (self->labels);
  g_free (self);
}

static gboolean
fail (GError **error, const char *path)
{
  int code = errno;

  g_set_error (error, G_FILE_ERROR, (int)g_file_error_from_errno (code),
               "%s: %s", path, g_strerror (code));
  return FALSE;
}

/* Who can write here decides what we signal. */
static gboolean
is_private (const char *path, GError **error)
{
  struct stat status;

  if (lstat (path, &status) != 0)
    return fail (error, path);
  if (S_ISDIR (status.st_mode) && status.st_uid == geteuid ()
      && (status.st_mode & 022) == 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_PERM,
               "%s: must be a directory of this user that nobody else can "
               "write to",
               path);
  return FALSE;
}

ScalingProcessFiles *
scaling_process_files_new (const char *directory, GError **error)
{
  ScalingProcessFiles *self;

  if (g_mkdir_with_parents (directory, 0700) != 0)
    {
      fail (error, directory);
      return NULL;
    }
  if (!is_private (directory, error))
    return NULL;
  self = g_new0 (ScalingProcessFiles, 1);
  self->directory = g_canonicalize_filename (directory, NULL);
  return self;
}

void
scaling_process_files_free (ScalingProcessFiles *self)
{
  g_free (self->directory);
  g_free (self);
}

const char *
scaling_process_files_get_directory (ScalingProcessFiles *self)
{
  return self->directory;
}

char *
scaling_process_files_dup_path (ScalingProcessFiles *self, const char *name,
                                const char *file)
{
  return g_build_filename (self->directory, name, file, NULL);
}

int
scaling_process_files_lock (ScalingProcessFiles *self)
{
  g_autofree char *path = g_build_filename (self->directory, "lock", NULL);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) != 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}

gboolean
scaling_process_files_pass (ScalingProcessFiles *self,
                            const ScalingToken *token,
                            ScalingToken *ret_highest, GError **error)
{
  g_autofree char *path = g_build_filename (self->directory, "token", NULL);
  g_autofree char *text = NULL;
  ScalingToken known = { 0 };

  *ret_highest = *token;
  if (g_file_get_contents (path, &text, NULL, NULL)
      && scaling_token_parse (g_strchomp (text), &known)
      && scaling_token_compare (token, &known) <= 0)
    {
      *ret_highest = known;
      return scaling_token_compare (token, &known) == 0;
    }
  return g_file_set_contents_full (path, token->text, -1,
                                   G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

/* --- one instance -------------------------------------------------------- */

static void
find_process (ScalingProcessFiles *self, ScalingProcessRecord *record)
{
  g_autofree char *path =
      scaling_process_files_dup_path (self, record->name, "process");
  g_autofree char *text = NULL, *state = NULL, *argument = NULL;
  g_auto (GStrv) words = NULL;

  if (g_file_get_contents (path, &text, NULL, NULL))
    {
      words = g_strsplit (g_strchomp (text), " ", 3);
      if (g_strv_length (words) == 3)
        {
          g_auto (GStrv) then = g_strsplit (words[2], "/", 2);
          g_auto (GStrv) now =
              g_strsplit (scaling_process_get_machine (), "/", 2);

          record->process.pid = (pid_t)g_ascii_strtoll (words[0], NULL, 10);
          record->process.start_ticks = g_ascii_strtoull (words[1], NULL, 10);
          if (g_str_equal (words[2], scaling_process_get_machine ()))
            record->is_alive = scaling_process_is_alive (&record->process);
          else
            record->is_foreign = g_strcmp0 (then[0], now[0]) == 0;
          return;
        }
    }
  state = scaling_process_files_dup_path (self, record->name, "state");
  argument = g_strconcat ("--state-dir=", state, NULL);
  record->is_alive = scaling_process_find (argument, &record->process);
}

ScalingProcessRecord *
scaling_process_files_read (ScalingProcessFiles *self, const char *name)
{
  g_autofree char *path =
      scaling_process_files_dup_path (self, name, "instance");
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_auto (GStrv) labels = NULL;
  ScalingProcessRecord *record;
  gsize n_labels = 0;
  int k;

  if (!scaling_provision_name_is_valid (name)
      || !g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    return NULL;
  k = g_key_file_get_integer (file, GROUP, "k", NULL);
  labels = g_key_file_get_string_list (file, GROUP, "labels", &n_labels, NULL);
  if (k < 0 || labels == NULL || n_labels % 2 != 0)
    return NULL;
  record = g_new0 (ScalingProcessRecord, 1);
  record->name = g_strdup (name);
  record->labels = g_steal_pointer (&labels);
  record->k = (guint)k;
  record->started_wall_us =
      g_key_file_get_int64 (file, GROUP, "started_wall_us", NULL);
  find_process (self, record);
  return record;
}

GPtrArray *
scaling_process_files_read_all (ScalingProcessFiles *self)
{
  GPtrArray *records = g_ptr_array_new_with_free_func (
      (GDestroyNotify)scaling_process_record_free);
  g_autoptr (GDir) dir = g_dir_open (self->directory, 0, NULL);
  const char *name;

  while (dir != NULL && records->len < SCALING_PROCESS_MAX_RECORDS
         && (name = g_dir_read_name (dir)) != NULL)
    {
      ScalingProcessRecord *record = scaling_process_files_read (self, name);

      if (record != NULL)
        g_ptr_array_add (records, record);
    }
  return records;
}

gboolean
scaling_process_files_write (ScalingProcessFiles *self,
                             const ScalingProcessRecord *record, GError **error)
{
  g_autofree char *path =
      scaling_process_files_dup_path (self, record->name, "instance");
  g_autofree char *state =
      scaling_process_files_dup_path (self, record->name, "state");
  g_autofree char *process =
      scaling_process_files_dup_path (self, record->name, "process");
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *text = NULL;

  if (g_mkdir_with_parents (state, 0700) != 0)
    return fail (error, state);
  if (g_unlink (process) != 0 && errno != ENOENT)
    return fail (error, process);
  g_key_file_set_integer (file, GROUP, "k", (int)record->k);
  g_key_file_set_int64 (file, GROUP, "started_wall_us",
                        record->started_wall_us);
  g_key_file_set_string_list (file, GROUP, "labels",
                              (const char *const *)record->labels,
                              g_strv_length (record->labels));
  text = g_key_file_to_data (file, NULL, NULL);
  return g_file_set_contents_full (path, text, -1,
                                   G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

gboolean
scaling_process_files_write_process (ScalingProcessFiles *self,
                                     const char *name,
                                     const ScalingProcess *process,
                                     GError **error)
{
  g_autofree char *path =
      scaling_process_files_dup_path (self, name, "process");
  g_autofree char *text =
      g_strdup_printf ("%d %" G_GUINT64_FORMAT " %s\n", (int)process->pid,
                       process->start_ticks, scaling_process_get_machine ());

  return g_file_set_contents_full (path, text, -1,
                                   G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

static int
remove_one (const char *path, const struct stat *status, int type,
            struct FTW *where)
{
  return remove (path);
}

gboolean
scaling_process_files_remove (ScalingProcessFiles *self, const char *name,
                              GError **error)
{
  g_autofree char *path = g_build_filename (self->directory, name, NULL);

  g_return_val_if_fail (scaling_provision_name_is_valid (name), FALSE);
  if (nftw (path, remove_one, MAX_OPEN_DIRS, FTW_DEPTH | FTW_PHYS) != 0
      && errno != ENOENT)
    return fail (error, path);
  return TRUE;
}
