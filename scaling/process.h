/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingProcess: a process of this machine that outlives who started it: a
 * pid alone may be another's tomorrow, so it is known by the pid, the time of
 * its start, the machine's boot and the pid namespace (proc(5)).
 *   Signals go through a pidfd (pidfd_open(2)) that is opened before the start
 * time is compared: no other process can be meant.
 * A plain value. Thread: main; all calls are short and local.
 */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

typedef struct
{
  pid_t pid;
  guint64 start_ticks; /* since boot, in clock ticks; proc(5), field 22 */
} ScalingProcess;

/* where pids mean what they mean here: boot id and pid namespace */
const char *scaling_process_get_machine (void);

/* scaling_process_read: %FALSE: there is none, or it only waits to be reaped */
gboolean scaling_process_read (pid_t pid, ScalingProcess *ret);
gboolean scaling_process_is_alive (const ScalingProcess *self);
/* scaling_process_open: a pidfd, readable when it has ended; -1: it is gone */
int scaling_process_open (const ScalingProcess *self);
gboolean scaling_process_signal (int pidfd, int signal);
/* scaling_process_find: looks through all processes for one with this
 * argument; for what its starter could not write down before it died */
gboolean scaling_process_find (const char *argument, ScalingProcess *ret);

/* scaling_process_spawn: in a session of its own, so that no terminal and no
 * end of ours reaches it; output is written to @log_path (made anew); no
 * descriptors but these. posix_spawn(3) copies no page tables: media threads do
 * not feel it. The caller reaps it.
 * @path: the program; argv[0] is what it is called
 * Returns: %FALSE with @error: it did not start */
gboolean scaling_process_spawn (const char *path, const char *const *argv,
                                const char *const *env, const char *log_path,
                                ScalingProcess *ret, GError **error);
