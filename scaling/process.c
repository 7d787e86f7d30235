/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/process: see process.h. */
#include "scaling/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_START_FIELD 22
#define MAX_CMDLINE_BYTES 65536

const char *
scaling_process_get_machine (void)
{
  static char *machine;

  if (g_once_init_enter (&machine))
    {
      g_autofree char *boot = NULL, *space = NULL;

      g_file_get_contents ("/proc/sys/kernel/random/boot_id", &boot, NULL,
                           NULL);
      space = g_file_read_link ("/proc/self/ns/pid", NULL);
      g_once_init_leave (
          &machine, g_strdup_printf (
                        "%s/%s", boot != NULL ? g_strchomp (boot) : "unknown",
                        space != NULL ? space : "unknown"));
    }
  return machine;
}

gboolean
scaling_process_read (pid_t pid, ScalingProcess *ret)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;
  char path[40];
  const char *after;

  if (pid <= 0)
    return FALSE;
  g_snprintf (path, sizeof path, "/proc/%d/stat", (int)pid);
  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  /* the name, in brackets, may hold anything; field 3 follows it */
  after = strrchr (text, ')');
  if (after == NULL || after[1] != ' ')
    return FALSE;
  fields = g_strsplit (after + 2, " ", STAT_START_FIELD - 1);
  if (g_strv_length (fields) < STAT_START_FIELD - 2 || fields[0][0] == 'Z'
      || fields[0][0] == 'X')
    return FALSE;
  ret->pid = pid;
  ret->start_ticks = g_ascii_strtoull (fields[STAT_START_FIELD - 3], NULL, 10);
  return TRUE;
}

gboolean
scaling_process_is_alive (const ScalingProcess *self)
{
  ScalingProcess now;

  return scaling_process_read (self->pid, &now)
         && now.start_ticks == self->start_ticks;
}

int
scaling_process_open (const ScalingProcess *self)
{
  int fd = (int)syscall (SYS_pidfd_open, self->pid, 0);

  if (fd >= 0 && !scaling_process_is_alive (self))
    {
      close (fd);
      return -1;
    }
  return fd;
}

gboolean
scaling_process_signal (int pidfd, int signal)
{
  return syscall (SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0;
}

static gboolean
has_argument (pid_t pid, const char *argument)
{
  g_autofree char *text = g_malloc (MAX_CMDLINE_BYTES + 1);
  char path[40];
  ssize_t n;
  int fd;

  g_snprintf (path, sizeof path, "/proc/%d/cmdline", (int)pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return FALSE;
  n = read (fd, text, MAX_CMDLINE_BYTES);
  close (fd);
  if (n <= 0)
    return FALSE;
  text[n] = '\0';
  for (const char *at = text; at < text + n; at += strlen (at) + 1)
    if (g_str_equal (at, argument))
      return TRUE;
  return FALSE;
}

gboolean
scaling_process_find (const char *argument, ScalingProcess *ret)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      pid_t pid = (pid_t)g_ascii_strtoll (name, NULL, 10);

      if (pid > 0 && pid != getpid () && has_argument (pid, argument)
          && scaling_process_read (pid, ret))
        return TRUE;
    }
  return FALSE;
}

/* Signals as at the start of a program, whatever we ignore or block. */
static void
set_attributes (posix_spawnattr_t *attributes)
{
  sigset_t all, none;

  sigfillset (&all);
  sigemptyset (&none);
  posix_spawnattr_init (attributes);
  posix_spawnattr_setsigdefault (attributes, &all);
  posix_spawnattr_setsigmask (attributes, &none);
  posix_spawnattr_setflags (attributes, POSIX_SPAWN_SETSID
                                            | POSIX_SPAWN_SETSIGDEF
                                            | POSIX_SPAWN_SETSIGMASK);
}

gboolean
scaling_process_spawn (const char *path, const char *const *argv,
                       const char *const *env, const char *log_path,
                       ScalingProcess *ret, GError **error)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  pid_t pid = 0;
  int status;

  set_attributes (&attributes);
  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_addopen (&actions, STDIN_FILENO, "/dev/null",
                                    O_RDONLY, 0);
  posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, log_path,
                                    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
                                    0600);
  posix_spawn_file_actions_adddup2 (&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np (&actions, STDERR_FILENO + 1);
  status = posix_spawn (&pid, path, &actions, &attributes, (char *const *)argv,
                        (char *const *)env);
  posix_spawn_file_actions_destroy (&actions);
  posix_spawnattr_destroy (&attributes);
  if (status != 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (status), "%s: %s",
                   path, g_strerror (status));
      return FALSE;
    }
  /* Who ended at once has no start time any more, but a status to be reaped:
   * 0 is nobody's. */
  if (!scaling_process_read (pid, ret))
    *ret = (ScalingProcess){ .pid = pid };
  return TRUE;
}
