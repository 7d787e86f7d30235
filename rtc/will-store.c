/* SPDX-License-Identifier: Apache-2.0 */
/* RtcWillStore: see will-store.h. */
#include "rtc/will-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rtc/log.h"

#define SUBDIRECTORY "wills"
#define ID_CHARS 16
#define SUFFIX ".will"
#define TEMPORARY_SUFFIX ".tmp"
#define NAME_BYTES (ID_CHARS + sizeof SUFFIX)

typedef struct
{
  RtcWill will;
  RtcWorker *worker; /* borrowed: has the will's port */
  guint64 id;
} Found;

/* For the store's thread. */
typedef struct
{
  RtcWillStore *store; /* borrowed: ends its thread before it goes */
  guint64 id;
  gboolean is_removal;
  guint8 data[RTC_WILL_BYTES];
} Job;

struct _RtcWillStore
{
  int fd;                /* owned: the directory, locked */
  char *path;            /* owned */
  GMainContext *context; /* owned */
  BaseMailbox *jobs;     /* owned: to the store's thread, of Job */
  GThread *thread;       /* owned, NULL until all else is there */
  GArray *found;         /* owned, of Found */
  guint64 last_id;
  guint n_rounds, timer_id;
  BaseCounter *sent, *failed; /* borrowed, nullable */
  /* the store's thread */
  gboolean has_warned, is_ending;
};

G_DEFINE_QUARK (rtc - will - store - error - quark, rtc_will_store_error)

/* --- the store's thread -------------------------------------------------- */

static void
write_name (char name[NAME_BYTES], guint64 id, const char *suffix)
{
  g_snprintf (name, NAME_BYTES, "%016" G_GINT64_MODIFIER "x%s", id, suffix);
}

/* Returns: 0 or errno. Half a will is never seen under its name. */
static int
write_file (RtcWillStore *self, const Job *job)
{
  char name[NAME_BYTES], temporary[NAME_BYTES];
  int fd, error = 0;
  gssize n;

  write_name (name, job->id, SUFFIX);
  write_name (temporary, job->id, TEMPORARY_SUFFIX);
  fd = openat (self->fd, temporary,
               O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return errno;
  n = write (fd, job->data, sizeof job->data);
  if (n != (gssize)sizeof job->data)
    error = n < 0 ? errno : ENOSPC;
  close (fd);
  if (error == 0 && renameat (self->fd, temporary, self->fd, name) != 0)
    error = errno;
  if (error != 0)
    unlinkat (self->fd, temporary, 0);
  return error;
}

static int
remove_file (RtcWillStore *self, guint64 id)
{
  char name[NAME_BYTES];

  write_name (name, id, SUFFIX);
  return unlinkat (self->fd, name, 0) == 0 || errno == ENOENT ? 0 : errno;
}

static void
run_job (gpointer data)
{
  g_autofree Job *job = data;
  RtcWillStore *self = job->store;
  int error =
      job->is_removal ? remove_file (self, job->id) : write_file (self, job);

  if (error == 0)
    return;
  base_counter_add (self->failed, 1);
  if (!self->has_warned)
    GST_WARNING ("cannot write to %s: %s; after a crash some publishers would "
                 "notice late (said once)",
                 self->path, g_strerror (error));
  self->has_warned = TRUE;
}

static void
end_thread (gpointer data)
{
  RtcWillStore *self = data;

  self->is_ending = TRUE;
}

static gpointer
run_thread (gpointer data)
{
  RtcWillStore *self = data;

  while (!self->is_ending)
    g_main_context_iteration (self->context, TRUE);
  return NULL;
}

/* main */
static void
push (RtcWillStore *self, guint64 id, const RtcWill *will)
{
  Job *job;

  if (base_mailbox_get_depth (self->jobs) >= RTC_WILL_STORE_MAX_JOBS)
    {
      base_counter_add (self->failed, 1);
      return;
    }
  job = g_new0 (Job, 1);
  job->store = self;
  job->id = id;
  job->is_removal = will == NULL;
  if (will != NULL)
    rtc_will_write (will, job->data);
  base_mailbox_post (self->jobs, run_job, job, g_free);
}

/* --- what is there at the start ------------------------------------------ */

/* Ours are 16 digits and a suffix; what else lies there is left alone. */
static gboolean
parse_name (const char *name, guint64 *ret_id, gboolean *ret_is_temporary)
{
  char *end;

  if (strspn (name, "0123456789abcdef") != ID_CHARS)
    return FALSE;
  *ret_id = g_ascii_strtoull (name, &end, 16);
  *ret_is_temporary = strcmp (end, TEMPORARY_SUFFIX) == 0;
  return *ret_is_temporary || strcmp (end, SUFFIX) == 0;
}

static gboolean
read_file (RtcWillStore *self, const char *name, RtcWill *ret)
{
  guint8 data[RTC_WILL_BYTES + 1]; /* one more shows that it is too long */
  struct stat st;
  /* a pipe must not make the start wait */
  int fd =
      openat (self->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  gssize n = -1;

  if (fd < 0)
    return FALSE;
  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    n = read (fd, data, sizeof data);
  close (fd);
  return n >= 0 && rtc_will_read (data, (gsize)n, ret);
}

/* @ret_n_bad: what was deleted: no will, or above @max_wills */
static void
read_all (RtcWillStore *self, DIR *directory, guint max_wills, guint *ret_n_bad)
{
  const struct dirent *entry;

  while ((entry = readdir (directory)) != NULL)
    {
      Found found = { 0 };
      gboolean is_temporary;

      if (!parse_name (entry->d_name, &found.id, &is_temporary))
        continue;
      if (!is_temporary && self->found->len < max_wills
          && read_file (self, entry->d_name, &found.will))
        {
          g_array_append_val (self->found, found);
          continue;
        }
      unlinkat (self->fd, entry->d_name, 0);
      *ret_n_bad += !is_temporary; /* one is left by a kill in the middle */
    }
}

static gboolean
find_wills (RtcWillStore *self, guint max_wills)
{
  int fd = openat (self->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd >= 0 ? fdopendir (fd) : NULL;
  guint n_bad = 0;

  if (directory == NULL)
    {
      int error = errno;

      if (fd >= 0)
        close (fd);
      errno = error;
      return FALSE;
    }
  read_all (self, directory, max_wills, &n_bad);
  closedir (directory);
  if (n_bad > 0)
    GST_WARNING ("in %s %u files are no wills, or more than %u: deleted",
                 self->path, n_bad, max_wills);
  base_counter_add (self->failed, n_bad);
  return TRUE;
}

/* --- new and free -------------------------------------------------------- */

static gboolean
fail (RtcWillStore *self, GError **error)
{
  int code = errno;

  if (code == EWOULDBLOCK)
    g_set_error (error, RTC_WILL_STORE_ERROR, RTC_WILL_STORE_ERROR_LOCKED,
                 "%s is in use by another process; give each node a directory "
                 "of its own",
                 self->path);
  else
    g_set_error (error, RTC_WILL_STORE_ERROR, RTC_WILL_STORE_ERROR_SYSTEM,
                 "%s: %s", self->path, g_strerror (code));
  return FALSE;
}

static gboolean
open_directory (RtcWillStore *self, GError **error)
{
  struct stat st;

  if (g_mkdir_with_parents (self->path, 0700) != 0)
    return fail (self, error);
  self->fd = open (self->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (self->fd < 0 || fstat (self->fd, &st) != 0)
    return fail (self, error);
  if (st.st_uid != geteuid ())
    {
      errno = EPERM; /* who made it could leave us anything */
      return fail (self, error);
    }
  if (fchmod (self->fd, 0700) != 0 || flock (self->fd, LOCK_EX | LOCK_NB) != 0)
    return fail (self, error);
  return TRUE;
}

static void
register_metrics (RtcWillStore *self, BaseMetrics *metrics)
{
  if (metrics == NULL)
    return;
  self->sent = base_metrics_add_counter (
      metrics, "media_tree_wills_sent_total", NULL,
      "Publishers of a process that died whom this one told goodbye.");
  self->failed = base_metrics_add_counter (
      metrics, "media_tree_wills_failed_total", NULL,
      "Wills that could not be kept, or were none when read.");
}

RtcWillStore *
rtc_will_store_new (const char *directory, guint max_wills,
                    BaseMetrics *metrics, GError **error)
{
  g_autoptr (RtcWillStore) self = g_new0 (RtcWillStore, 1);

  self->path = g_build_filename (directory, SUBDIRECTORY, NULL);
  self->fd = -1;
  self->context = g_main_context_new ();
  self->jobs = base_mailbox_new (self->context);
  self->found = g_array_new (FALSE, FALSE, sizeof (Found));
  /* never the name of a file that is there already */
  self->last_id = (guint64)g_random_int () << 32 | g_random_int ();
  register_metrics (self, metrics);
  if (!open_directory (self, error))
    return NULL;
  if (!find_wills (self, max_wills))
    {
      fail (self, error);
      return NULL;
    }
  self->thread = g_thread_new ("wills", run_thread, self);
  return g_steal_pointer (&self);
}

void
rtc_will_store_free (RtcWillStore *self)
{
  rtc_will_store_end_sending (self);
  if (self->thread != NULL)
    {
      base_mailbox_post (self->jobs, end_thread, self, NULL);
      g_thread_join (self->thread);
    }
  base_mailbox_free (self->jobs);
  g_main_context_unref (self->context);
  if (self->fd >= 0)
    close (self->fd);
  g_array_unref (self->found);
  g_free (self->path);
  g_free (self);
}

/* --- sending ------------------------------------------------------------- */

/* media */
static void
send_on_media (gpointer data)
{
  g_autofree Found *found = data;
  RtcBatch *batch = rtc_worker_get_batch (found->worker);
  const RtcWill *will = &found->will;

  memcpy (rtc_batch_reserve (batch, &will->path, will->record_len),
          will->record, will->record_len);
  rtc_batch_commit (batch, will->record_len);
}

static void
send_round (RtcWillStore *self)
{
  for (guint i = 0; i < self->found->len; i++)
    {
      const Found *found = &g_array_index (self->found, Found, i);

      rtc_worker_post (found->worker, send_on_media,
                       g_memdup2 (found, sizeof *found), g_free);
    }
  self->n_rounds++;
}

static gboolean
on_round (gpointer data)
{
  RtcWillStore *self = data;

  send_round (self);
  if (self->n_rounds < RTC_WILL_STORE_N_ROUNDS)
    return G_SOURCE_CONTINUE;
  self->timer_id = 0;
  rtc_will_store_end_sending (self);
  return G_SOURCE_REMOVE;
}

static RtcWorker *
find_worker (const RtcWill *will, RtcWorker *const *workers, guint n_workers)
{
  for (guint i = 0; i < n_workers; i++)
    if (rtc_worker_get_port (workers[i]) == will->port)
      return workers[i];
  return NULL;
}

guint
rtc_will_store_send (RtcWillStore *self, RtcWorker *const *workers,
                     guint n_workers)
{
  guint n_found = self->found->len;

  g_return_val_if_fail (self->n_rounds == 0, 0);
  for (guint i = n_found; i > 0; i--)
    {
      Found *found = &g_array_index (self->found, Found, i - 1);

      found->worker = find_worker (&found->will, workers, n_workers);
      if (found->worker != NULL)
        continue;
      rtc_will_store_remove (self, found->id);
      g_array_remove_index_fast (self->found, i - 1);
    }
  if (n_found == 0)
    return 0;
  GST_INFO ("%u publishers of a process that died are told goodbye; %u more "
            "had a port that is not ours now",
            self->found->len, n_found - self->found->len);
  base_counter_add (self->sent, self->found->len);
  send_round (self);
  self->timer_id = g_timeout_add (RTC_WILL_STORE_ROUND_MS, on_round, self);
  return self->found->len;
}

void
rtc_will_store_end_sending (RtcWillStore *self)
{
  if (self->timer_id != 0)
    g_source_remove (self->timer_id);
  self->timer_id = 0;
  if (self->n_rounds > 0) /* else a process that failed to start keeps them */
    for (guint i = 0; i < self->found->len; i++)
      rtc_will_store_remove (self, g_array_index (self->found, Found, i).id);
  g_array_set_size (self->found, 0);
}

/* --- keeping ------------------------------------------------------------- */

void
rtc_will_store_put (RtcWillStore *self, guint64 *id, const RtcWill *will)
{
  if (*id == 0)
    *id = ++self->last_id != 0 ? self->last_id : ++self->last_id;
  push (self, *id, will);
}

void
rtc_will_store_remove (RtcWillStore *self, guint64 id)
{
  if (id != 0)
    push (self, id, NULL);
}
