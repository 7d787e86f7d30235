/* SPDX-License-Identifier: Apache-2.0 */
/* node/process: the process itself in numbers. */
#include "node/process.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/cgroup.h"

#define FDS "/proc/self/fd"

typedef struct
{
  guint64 virtual_bytes, resident_bytes;
  guint n_threads;
} Usage;

/* read_usage: fields 20, 23 and 24 of /proc/self/stat (proc(5)); the second
 * one, the name, may hold anything, so count from its closing bracket */
static gboolean
read_usage (Usage *ret)
{
  g_autofree char *text = NULL;
  const char *rest;
  g_auto (GStrv) fields = NULL;

  if (!g_file_get_contents ("/proc/self/stat", &text, NULL, NULL))
    return FALSE;
  rest = g_strrstr (text, ") ");
  fields = g_strsplit (rest ? rest + 2 : "", " ", -1);
  if (g_strv_length (fields) < 22)
    return FALSE;
  ret->n_threads = (guint)g_ascii_strtoull (fields[17], NULL, 10);
  ret->virtual_bytes = g_ascii_strtoull (fields[20], NULL, 10);
  ret->resident_bytes =
      g_ascii_strtoull (fields[21], NULL, 10) * (guint64)sysconf (_SC_PAGESIZE);
  return TRUE;
}

guint
node_process_count_fds (void)
{
  g_autoptr (GDir) dir = NULL;
  struct stat status;
  guint n = 0;

  /* since Linux 6.2 it is their number, 0 before (proc(5)) */
  if (stat (FDS, &status) == 0 && status.st_size > 0)
    return (guint)status.st_size;
  dir = g_dir_open (FDS, 0, NULL);
  while (dir && g_dir_read_name (dir))
    n++;
  return n > 0 ? n - 1 : 0; /* without the one that reads it */
}

guint64
node_process_get_max_fds (void)
{
  struct rlimit limit;

  return getrlimit (RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

guint64
node_process_raise_fd_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit (RLIMIT_NOFILE, &limit);
  getrlimit (RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

double
node_process_get_cpu_seconds (void)
{
  struct rusage usage;

  if (getrusage (RUSAGE_SELF, &usage) < 0)
    return 0;
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
         + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

guint64
node_process_get_rss_bytes (void)
{
  Usage usage;

  return read_usage (&usage) ? usage.resident_bytes : 0;
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  const double *started_s = data;
  Usage usage;

  base_metrics_write (writer, "process_cpu_seconds_total", "counter",
                      "User and system CPU time, all threads.", NULL,
                      node_process_get_cpu_seconds ());
  base_metrics_write (writer, "process_start_time_seconds", "gauge",
                      "Start time, seconds since 1970.", NULL, *started_s);
  base_metrics_write (writer, "process_open_fds", "gauge",
                      "Open file descriptors.", NULL,
                      node_process_count_fds ());
  base_metrics_write (writer, "process_max_fds", "gauge",
                      "Limit of open file descriptors.", NULL,
                      (double)node_process_get_max_fds ());
  base_metrics_write (writer, "media_tree_memory_limit_bytes", "gauge",
                      "Memory that this process may have: the tightest limit "
                      "of its control groups, else the machine's.",
                      NULL, (double)node_cgroup_get_limit_bytes ());
  base_metrics_write (writer, "media_tree_oom_kills_total", "counter",
                      "Processes that the kernel killed in this control group "
                      "because its memory was used up.",
                      NULL, (double)node_cgroup_get_n_oom_kills ());
  if (!read_usage (&usage))
    return;
  base_metrics_write (writer, "process_resident_memory_bytes", "gauge",
                      "Resident memory.", NULL, (double)usage.resident_bytes);
  base_metrics_write (writer, "process_virtual_memory_bytes", "gauge",
                      "Virtual memory.", NULL, (double)usage.virtual_bytes);
  base_metrics_write (writer, "process_threads", "gauge", "Threads.", NULL,
                      usage.n_threads);
}

void
node_process_register_metrics (BaseMetrics *metrics, gint64 started_wall_us)
{
  static double started_s; /* one process has one start */

  started_s = (double)started_wall_us / (double)BASE_US_PER_S;
  base_metrics_add_collector (metrics, collect, &started_s);
}
