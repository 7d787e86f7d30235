/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressRecording: see recording.h. A thread for each, so that nobody else
 * waits for the disk: media copies (recording-tap.c), the thread orders and
 * writes (recording-writer.c, recording-file.c), and main hears of it by mail.
 */
#include "egress/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mailbox.h"
#include "egress/log.h"
#include "egress/recording-private.h"
#include "egress/recording-writer.h"

#define BUSY_US 20000   /* the disk is not ready for what waits */
#define CHECK_US 250000 /* nothing comes: is the file still well? */
#define END_US (10 * G_USEC_PER_SEC)
#define GUARD_MS 12000 /* then the owner hears that the disk hangs */
#define MAX_NAME_BYTES 200

G_DEFINE_QUARK (egress - recording - error - quark, egress_recording_error)

static gint
    n_recordings; /* atomic; their threads count until they have ended */
static BaseCounter *failures; /* main */

void
egress_recordings_count_failures (BaseCounter *counter)
{
  failures = counter;
}

struct _EgressRecording
{
  gatomicrefcount ref;
  RelayStream *streams[RTC_MEDIA_N_KINDS]; /* one reference each, nullable */
  char *path;                              /* owned */
  EgressRecordingCallbacks callbacks;
  gpointer data;
  gint64 end_us;               /* how long the disk may take for the end */
  EgressRecordingInbox *inbox; /* one reference */

  /* main */
  EgressRecordingTap *taps[RTC_MEDIA_N_KINDS]; /* owned, nullable */
  gboolean is_stopped, is_over;
  void (*on_finished) (const GError *error, gpointer data); /* nullable */
  gpointer finished_data;
  guint guard_id;

  /* any */
  gint fd; /* atomic; the thread's; -1 = none */
  GMutex lock;
  EgressRecordingWriter *writer; /* the thread's; nullable */
  guint64 n_bytes;
  gint64 duration_us;
};

static EgressRecording *
recording_ref (EgressRecording *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

static void
recording_unref (EgressRecording *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->streams[k], relay_stream_unref);
  egress_recording_inbox_unref (self->inbox);
  g_mutex_clear (&self->lock);
  g_free (self->path);
  g_free (self);
}

static void
unref_data (gpointer data)
{
  recording_unref (data);
}

/* --- Main: what the thread says ------------------------------------------ */

typedef enum
{
  STARTED,
  ENDED,    /* by itself */
  FINISHED, /* the last word */
} Word;

typedef struct
{
  EgressRecording *recording; /* one reference */
  Word word;
  GError *error; /* owned, nullable */
} News;

static void
news_free (gpointer data)
{
  News *mail = data;

  recording_unref (mail->recording);
  g_clear_error (&mail->error);
  g_free (mail);
}

static void
add_taps (EgressRecording *self)
{
  gboolean is_one = self->streams[0] == self->streams[1];

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      gboolean wants[RTC_MEDIA_N_KINDS] = { is_one, is_one };

      wants[k] = TRUE;
      if (self->streams[k] && !(is_one && k > 0))
        self->taps[k] =
            egress_recording_tap_new (self->streams[k], self->inbox, wants);
    }
}

static void
remove_taps (EgressRecording *self)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->taps[k], egress_recording_tap_free);
  egress_recording_inbox_stop (self->inbox);
}

/* finish: the last that its owner hears */
static void
finish (EgressRecording *self, const GError *error)
{
  if (self->guard_id)
    g_source_remove (self->guard_id);
  self->guard_id = 0;
  if (self->on_finished)
    self->on_finished (error, self->finished_data);
  self->on_finished = NULL;
}

/* be_over: it ended by itself: the owner's handle ends with the callback */
static void
be_over (EgressRecording *self,
         void (*func) (EgressRecording *self, const GError *error,
                       gpointer data),
         const GError *error)
{
  self->is_over = TRUE;
  remove_taps (self);
  if (func)
    func (self, error, self->data);
  recording_unref (self);
}

static void
on_news (gpointer data)
{
  News *mail = data;
  EgressRecording *self = mail->recording;

  if (mail->error)
    {
      GST_WARNING ("recording %s: %s", self->path, mail->error->message);
      base_counter_add (failures, 1);
    }
  if (mail->word == FINISHED)
    finish (self, mail->error);
  else if (self->is_stopped || self->is_over)
    ; /* nobody listens */
  else if (mail->word == ENDED)
    be_over (self, self->callbacks.on_ended, mail->error);
  else if (mail->error)
    be_over (self, self->callbacks.on_started, mail->error);
  else
    {
      add_taps (self);
      self->callbacks.on_started (self, NULL, self->data);
    }
  news_free (mail);
}

static void
tell (EgressRecording *self, Word word, const GError *error)
{
  News *mail = g_new0 (News, 1);

  mail->recording = recording_ref (self);
  mail->word = word;
  mail->error = error ? g_error_copy (error) : NULL;
  base_mailbox_post (base_mailbox_get_main (), on_news, mail, news_free);
}

/* --- The thread ------------------------------------------------------------
 */

static gboolean
is_troubled (EgressRecordingTrouble trouble, GError **error)
{
  switch (trouble)
    {
    case EGRESS_RECORDING_FINE:
      return FALSE;
    case EGRESS_RECORDING_TOO_MUCH:
      g_set_error (error, EGRESS_RECORDING_ERROR, EGRESS_RECORDING_ERROR_SLOW,
                   "more than %d MB wait for the disk",
                   EGRESS_RECORDING_MAX_QUEUED_BYTES / 1024 / 1024);
      return TRUE;
    case EGRESS_RECORDING_CHANGED:
      g_set_error_literal (error, EGRESS_RECORDING_ERROR,
                           EGRESS_RECORDING_ERROR_CODEC,
                           "the publisher's codecs have changed");
      return TRUE;
    }
  return FALSE;
}

static gboolean
is_write_error (const GError *error)
{
  return g_error_matches (error, EGRESS_RECORDING_ERROR,
                          EGRESS_RECORDING_ERROR_WRITE);
}

/* record: until it is asked to stop, or @error */
static void
record (EgressRecording *self, EgressRecordingWriter *writer, GError **error)
{
  EgressRecordingNews news = { 0 };

  while (!news.is_over)
    {
      gsize held_bytes = egress_recording_writer_get_held_bytes (writer);
      gboolean ok;

      egress_recording_inbox_wait (self->inbox, held_bytes ? BUSY_US : CHECK_US,
                                   held_bytes, &news);
      ok = egress_recording_writer_take (writer, &news, error);
      g_queue_clear_full (&news.packets, g_free);
      if (!ok || is_troubled (news.trouble, error))
        return;
    }
}

/* read_stats: with the lock */
static void
read_stats (EgressRecording *self)
{
  int fd = g_atomic_int_get (&self->fd);
  struct stat st;

  if (self->writer)
    self->duration_us = egress_recording_writer_get_duration_us (self->writer);
  if (fd >= 0 && fstat (fd, &st) == 0)
    self->n_bytes = (guint64)st.st_size;
}

static void
set_writer (EgressRecording *self, EgressRecordingWriter *writer)
{
  g_mutex_lock (&self->lock);
  read_stats (self);
  self->writer = writer;
  g_mutex_unlock (&self->lock);
}

static void
run (EgressRecording *self, int fd, GError **error)
{
  EgressRecordingWriter *writer = egress_recording_writer_new (fd);
  gboolean is_empty;

  set_writer (self, writer);
  record (self, writer, error);
  if (*error)
    tell (self, ENDED, *error);
  if (!is_write_error (*error))
    (void)egress_recording_writer_end (writer, self->end_us,
                                       *error ? NULL : error);
  if (*error)
    tell (self, FINISHED, *error); /* the rest may wait for the disk */
  is_empty = egress_recording_writer_is_empty (writer);
  set_writer (self, NULL);
  egress_recording_writer_free (writer);
  if (is_empty && self->path)
    (void)unlink (self->path);
}

static int
open_file (EgressRecording *self, GError **error)
{
  int fd = open (self->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

  if (fd < 0)
    g_set_error (error, EGRESS_RECORDING_ERROR, EGRESS_RECORDING_ERROR_FILE,
                 "%s: %s", self->path, g_strerror (errno));
  return fd;
}

static gpointer
recording_thread (gpointer data)
{
  EgressRecording *self = data;
  g_autoptr (GError) error = NULL;
  int fd = g_atomic_int_get (&self->fd);

  if (fd < 0)
    fd = open_file (self, &error);
  g_atomic_int_set (&self->fd, fd);
  tell (self, STARTED, error);
  if (!error)
    {
      run (self, fd, &error);
      g_mutex_lock (&self->lock);
      g_atomic_int_set (&self->fd, -1);
      g_mutex_unlock (&self->lock);
      if (close (fd) != 0 && !error)
        {
          g_set_error_literal (&error, EGRESS_RECORDING_ERROR,
                               EGRESS_RECORDING_ERROR_WRITE,
                               g_strerror (errno));
        }
    }
  tell (self, FINISHED, error);
  recording_unref (self);
  g_atomic_int_add (&n_recordings, -1);
  return NULL;
}

/* --- Main ---------------------------------------------------------------- */

EgressRecording *
egress_recording_new_at (RelayStream *sound, RelayStream *picture,
                         const char *path, int fd, gint64 end_us,
                         const EgressRecordingCallbacks *callbacks,
                         gpointer data)
{
  EgressRecording *self = g_new0 (EgressRecording, 1);

  g_atomic_ref_count_init (&self->ref);
  g_mutex_init (&self->lock);
  self->streams[RTC_MEDIA_AUDIO] = sound ? relay_stream_ref (sound) : NULL;
  self->streams[RTC_MEDIA_VIDEO] = picture ? relay_stream_ref (picture) : NULL;
  self->path = g_strdup (path);
  self->fd = fd;
  self->end_us = end_us;
  self->callbacks = *callbacks;
  self->data = data;
  self->inbox = egress_recording_inbox_new ();
  if (g_atomic_int_add (&n_recordings, 1) >= EGRESS_RECORDINGS_MAX)
    {
      g_autoptr (GError) error =
          g_error_new (EGRESS_RECORDING_ERROR, EGRESS_RECORDING_ERROR_LIMIT,
                       "this node makes its maximum of %d recordings",
                       EGRESS_RECORDINGS_MAX);

      g_atomic_int_add (&n_recordings, -1);
      tell (self, STARTED, error);
      tell (self, FINISHED, error);
      return self;
    }
  g_thread_unref (
      g_thread_new ("recording", recording_thread, recording_ref (self)));
  return self;
}

EgressRecording *
egress_recording_new (RelayStream *sound, RelayStream *picture,
                      const char *path,
                      const EgressRecordingCallbacks *callbacks, gpointer data)
{
  return egress_recording_new_at (sound, picture, path, -1, END_US, callbacks,
                                  data);
}

static gboolean
on_guard (gpointer data)
{
  EgressRecording *self = data;
  g_autoptr (GError) error =
      g_error_new_literal (EGRESS_RECORDING_ERROR, EGRESS_RECORDING_ERROR_SLOW,
                           "the disk does not take the end");

  if (self->on_finished)
    self->on_finished (error, self->finished_data);
  self->on_finished = NULL;
  self->guard_id = 0;
  return G_SOURCE_REMOVE;
}

void
egress_recording_stop (EgressRecording *self,
                       void (*on_finished) (const GError *error, gpointer data),
                       gpointer data)
{
  g_return_if_fail (self && !self->is_stopped && !self->is_over);
  self->is_stopped = TRUE;
  self->on_finished = on_finished;
  self->finished_data = data;
  if (on_finished)
    self->guard_id = g_timeout_add_full (G_PRIORITY_DEFAULT, GUARD_MS, on_guard,
                                         recording_ref (self), unref_data);
  remove_taps (self);
  recording_unref (self);
}

gboolean
egress_recordings_join (gint64 timeout_us)
{
  gint64 until_us = g_get_monotonic_time () + timeout_us;

  while (g_atomic_int_get (&n_recordings) > 0)
    {
      if (g_get_monotonic_time () > until_us)
        return FALSE;
      g_usleep (1000);
    }
  return TRUE;
}

void
egress_recording_get_stats (EgressRecording *self, guint64 *ret_bytes,
                            gint64 *ret_duration_us)
{
  g_mutex_lock (&self->lock);
  read_stats (self);
  *ret_bytes = self->n_bytes;
  *ret_duration_us = self->duration_us;
  g_mutex_unlock (&self->lock);
}

char *
egress_recording_make_path (const char *dir, const char *name)
{
  gsize n_bytes = strlen (name);

  if (n_bytes == 0 || n_bytes > MAX_NAME_BYTES || *name == '.'
      || strchr (name, '/') || !g_utf8_validate (name, -1, NULL))
    return NULL;
  for (const char *c = name; *c; c++)
    if (g_ascii_iscntrl (*c))
      return NULL;
  if (g_str_has_suffix (name, ".mkv"))
    return g_build_filename (dir, name, NULL);
  return g_strdup_printf ("%s/%s.mkv", dir, name);
}
