/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipMediaInput: see media-input.h. One thread for each: it builds pipelines
 * one after the other, waits for their ends, and may block; it never calls
 * anybody, but sends mail to main as long as the input is not closed.
 */
#include "whip/media-input.h"

#include <string.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "whip/log.h"
#include "whip/media-run.h"

#define MIN_BACKOFF_US G_USEC_PER_SEC
#define MAX_BACKOFF_US (30 * G_USEC_PER_SEC)
#define GOOD_RUN_US                                                            \
  (30 * G_USEC_PER_SEC) /* after it the backoff is the least */
#define RECEIVER_POLL_US 10000
#define MIN_LOOP_US (G_USEC_PER_SEC / 5) /* a shorter file is not looped */

G_DEFINE_QUARK (whip - media - input - error - quark, whip_media_input_error)

static gint n_inputs; /* atomic; their threads count until they have ended */
static BaseCounter *failures; /* set before the first of them */

void
whip_media_inputs_count_failures (BaseCounter *counter)
{
  failures = counter;
}

typedef enum
{
  STATE_OPENING,
  STATE_PLAYING,
  STATE_WAITING, /* to try again */
  STATE_ENDED,
} State;

struct _WhipMediaInput
{
  gatomicrefcount ref;
  RelayHub *hub;               /* borrowed; main */
  WhipMediaInputConfig config; /* texts owned */
  WhipMediaInputOpened opened;
  gpointer data;
  WhipMediaQueue *queue;      /* one reference */
  WhipMediaTimeline timeline; /* thread */

  /* main */
  WhipFeeder *feeder; /* one reference, closed by free; nullable */
  gboolean was_opened;
  gboolean is_disabled;

  GMutex lock;
  GCond cond;
  gboolean is_closed;
  gboolean
      is_answered;   /* by main: the feeder is there, or there will be none */
  WhipMediaRun *run; /* borrowed from the thread, nullable */
  State state;
  guint64 n_runs;
  char *last_error; /* owned, nullable */
};

static WhipMediaInput *
input_ref (WhipMediaInput *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

static void
input_unref (gpointer data)
{
  WhipMediaInput *self = data;

  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  whip_media_queue_unref (self->queue);
  g_free ((char *)self->config.name);
  g_free ((char *)self->config.source);
  g_free ((char *)self->config.user);
  g_free ((char *)self->config.password);
  g_free (self->last_error);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_free (self);
}

/* --- Main: what the thread has found ------------------------------------- */

typedef struct
{
  WhipMediaInput *input; /* one reference */
  WhipMediaFound found;
  GError *error; /* owned, nullable */
} News;

static void
news_free (gpointer data)
{
  News *mail = data;

  g_clear_pointer (&mail->found.params, g_bytes_unref);
  g_clear_error (&mail->error);
  input_unref (mail->input);
  g_free (mail);
}

static gboolean
is_closed (WhipMediaInput *self)
{
  gboolean closed;

  g_mutex_lock (&self->lock);
  closed = self->is_closed;
  g_mutex_unlock (&self->lock);
  return closed;
}

/* set_feeder: a new one, for what the source carries now */
static gboolean
set_feeder (WhipMediaInput *self, const WhipMediaFound *found, GError **error)
{
  WhipFeederConfig config = { .name = self->config.name,
                              .info = found->info,
                              .params = found->params };
  WhipFeeder *feeder, *old = self->feeder;

  memcpy (config.pts, found->pts, sizeof config.pts);
  feeder = whip_feeder_new (self->hub, &config, error);
  if (!feeder)
    return FALSE;
  whip_feeder_set_enabled (feeder, !self->is_disabled);
  self->feeder = whip_feeder_ref (feeder);
  whip_media_queue_set_feeder (self->queue, feeder);
  if (old)
    {
      whip_feeder_close (old);
      whip_feeder_unref (old);
    }
  return TRUE;
}

static void
answer (WhipMediaInput *self)
{
  g_mutex_lock (&self->lock);
  self->is_answered = TRUE;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

static void
on_news (gpointer data)
{
  News *mail = data;
  WhipMediaInput *self = mail->input;
  gboolean is_first = !self->was_opened;

  if (is_closed (self))
    {
      news_free (mail);
      return;
    }
  if (!mail->error)
    (void)set_feeder (self, &mail->found, &mail->error);
  answer (self);
  self->was_opened = TRUE;
  if (mail->error)
    GST_INFO ("stream=%s source: %s", self->config.name, mail->error->message);
  if (is_first)
    self->opened (self, mail->error ? NULL : &mail->found.info, mail->error,
                  self->data);
  news_free (mail);
}

/* --- The thread --------------------------------------------------------- */

/* send_news: waits for main's answer. FALSE: the input is closed */
static gboolean
send_news (WhipMediaInput *self, const WhipMediaFound *found,
           const GError *error)
{
  News *mail = g_new0 (News, 1);
  gboolean is_open;

  mail->input = input_ref (self);
  if (found)
    {
      mail->found = *found;
      mail->found.params = found->params ? g_bytes_ref (found->params) : NULL;
    }
  mail->error = error ? g_error_copy (error) : NULL;
  g_mutex_lock (&self->lock);
  self->is_answered = FALSE;
  if (!self->is_closed) /* later main's mailbox may be gone */
    base_mailbox_post (base_mailbox_get_main (), on_news,
                       g_steal_pointer (&mail), news_free);
  while (!self->is_closed && !self->is_answered)
    g_cond_wait (&self->cond, &self->lock);
  is_open = !self->is_closed;
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&mail, news_free);
  return is_open;
}

static void
set_state (WhipMediaInput *self, State state, const GError *error)
{
  g_mutex_lock (&self->lock);
  self->state = state;
  if (error)
    {
      g_free (self->last_error);
      self->last_error = g_strdup (error->message);
    }
  g_mutex_unlock (&self->lock);
}

static gboolean
begin_run (WhipMediaInput *self, WhipMediaRun *run)
{
  gboolean ok;

  g_mutex_lock (&self->lock);
  ok = !self->is_closed;
  self->run = ok ? run : NULL;
  self->n_runs += ok;
  g_mutex_unlock (&self->lock);
  return ok;
}

static void
end_run (WhipMediaInput *self)
{
  g_mutex_lock (&self->lock);
  self->run = NULL;
  g_mutex_unlock (&self->lock);
}

static gboolean
is_same (const WhipMediaFound *a, const WhipMediaFound *b)
{
  if (memcmp (a->pts, b->pts, sizeof a->pts) != 0
      || (a->params == NULL) != (b->params == NULL)
      || (a->params && !g_bytes_equal (a->params, b->params)))
    return FALSE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (a->info.tracks[k].is_present != b->info.tracks[k].is_present
        || a->info.tracks[k].codec != b->info.tracks[k].codec
        || strcmp (a->info.tracks[k].fmtp, b->info.tracks[k].fmtp) != 0)
      return FALSE;
  return TRUE;
}

/* wait_for: FALSE: the input is closed */
static gboolean
wait_for (WhipMediaInput *self, gint64 for_us)
{
  gint64 until_us = g_get_monotonic_time () + for_us;
  gboolean ok;

  g_mutex_lock (&self->lock);
  while (!self->is_closed
         && g_cond_wait_until (&self->cond, &self->lock, until_us))
    ;
  ok = !self->is_closed;
  g_mutex_unlock (&self->lock);
  return ok;
}

/* await_receiver: a viewer shall have it from its begin, however long his way
 * here is. FALSE: the input is closed */
static gboolean
await_receiver (WhipMediaInput *self)
{
  while (!whip_media_queue_has_receivers (self->queue))
    if (!wait_for (self, RECEIVER_POLL_US))
      return FALSE;
  return TRUE;
}

/* run_once: one pipeline.
 * @known: (inout): what main knows of the source; is there with a feeder
 * Returns: TRUE: a file's end */
static gboolean
run_once (WhipMediaInput *self, WhipMediaFound *known, gboolean *is_known,
          GError **error)
{
  g_autoptr (WhipMediaRun) run =
      whip_media_run_new (&self->config, self->queue, &self->timeline);
  WhipMediaFound found = { 0 };
  gboolean ok = FALSE;

  if (!begin_run (self, run))
    return FALSE;
  if (whip_media_run_open (run, &found, error))
    {
      gboolean is_told = (*is_known && is_same (known, &found))
                         || send_news (self, &found, NULL);

      g_clear_pointer (&known->params, g_bytes_unref);
      *known = found;
      *is_known = TRUE;
      set_state (self, STATE_PLAYING, NULL);
      if (self->config.kind == WHIP_MEDIA_FILE_ONCE)
        is_told = is_told && await_receiver (self);
      ok = is_told && whip_media_run_play (run, error);
    }
  end_run (self);
  return ok;
}

static void
run_all (WhipMediaInput *self)
{
  WhipMediaFound known = { 0 };
  gint64 backoff_us = MIN_BACKOFF_US;
  gboolean is_known = FALSE, is_on = TRUE;

  while (is_on)
    {
      g_autoptr (GError) error = NULL;
      gint64 start_us = base_clock_now_us (), lasted_us;
      gboolean has_ended = run_once (self, &known, &is_known, &error);

      lasted_us = base_clock_now_us () - start_us;
      if (error && !is_closed (self))
        base_counter_add (failures, 1);
      if (!is_known && error)
        {
          (void)send_news (self, NULL, error);
          set_state (self, STATE_ENDED, error);
          break;
        }
      if (error)
        GST_INFO ("stream=%s source: %s; again in %d s", self->config.name,
                  error->message, (int)(backoff_us / G_USEC_PER_SEC));
      if (has_ended && self->config.kind == WHIP_MEDIA_FILE_ONCE)
        break;
      if (has_ended && lasted_us >= MIN_LOOP_US)
        continue;
      if (lasted_us >= GOOD_RUN_US)
        backoff_us = MIN_BACKOFF_US;
      set_state (self, STATE_WAITING, error);
      is_on = wait_for (self, backoff_us);
      backoff_us = MIN (2 * backoff_us, MAX_BACKOFF_US);
    }
  set_state (self, STATE_ENDED, NULL);
  g_clear_pointer (&known.params, g_bytes_unref);
}

static gpointer
input_thread (gpointer data)
{
  WhipMediaInput *self = data;

  run_all (self);
  input_unref (self);
  g_atomic_int_add (&n_inputs, -1);
  return NULL;
}

/* --- Main --------------------------------------------------------------- */

WhipMediaInput *
whip_media_input_new (RelayHub *hub, const WhipMediaInputConfig *config,
                      WhipMediaInputOpened opened, gpointer data,
                      GError **error)
{
  WhipMediaInput *self;

  if (!relay_hub_ensure (hub, config->name, error))
    return NULL;
  if (g_atomic_int_add (&n_inputs, 1) >= WHIP_MEDIA_INPUTS_MAX)
    {
      g_atomic_int_add (&n_inputs, -1);
      g_set_error (error, WHIP_MEDIA_INPUT_ERROR, WHIP_MEDIA_INPUT_ERROR_LIMIT,
                   "this node reads its maximum of %d cameras and files",
                   WHIP_MEDIA_INPUTS_MAX);
      return NULL;
    }
  self = g_new0 (WhipMediaInput, 1);
  g_atomic_ref_count_init (&self->ref);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->hub = hub;
  self->config = *config;
  self->config.name = g_strdup (config->name);
  self->config.source = g_strdup (config->source);
  self->config.user = g_strdup (config->user);
  self->config.password = g_strdup (config->password);
  self->opened = opened;
  self->data = data;
  self->queue = whip_media_queue_new ();
  g_thread_unref (g_thread_new ("media-input", input_thread, input_ref (self)));
  return self;
}

void
whip_media_input_free (WhipMediaInput *self)
{
  g_return_if_fail (self);
  whip_media_queue_close (self->queue);
  g_mutex_lock (&self->lock);
  self->is_closed = TRUE;
  if (self->run)
    whip_media_run_interrupt (self->run);
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
  if (self->feeder)
    {
      whip_feeder_close (self->feeder);
      g_clear_pointer (&self->feeder, whip_feeder_unref);
    }
  input_unref (self);
}

gboolean
whip_media_inputs_join (gint64 timeout_us)
{
  gint64 until_us = g_get_monotonic_time () + timeout_us;

  while (g_atomic_int_get (&n_inputs) > 0)
    {
      if (g_get_monotonic_time () > until_us)
        return FALSE;
      g_usleep (1000);
    }
  return TRUE;
}

void
whip_media_input_set_enabled (WhipMediaInput *self, gboolean is_enabled)
{
  self->is_disabled = !is_enabled;
  if (self->feeder)
    whip_feeder_set_enabled (self->feeder, is_enabled);
}

gboolean
whip_media_input_get_age (WhipMediaInput *self, RtcMediaKind kind,
                          gint64 now_us, gint64 *ret_age_us)
{
  return self->feeder
         && whip_feeder_get_age (self->feeder, kind, now_us, ret_age_us);
}

/* dup_source: (transfer full): without user and password */
static char *
dup_source (const WhipMediaInput *self)
{
  const char *scheme = strstr (self->config.source, "://");
  const char *path = scheme ? scheme + 3 : NULL;
  const char *at = path ? strrchr (path, '@') : NULL;

  if (self->config.kind != WHIP_MEDIA_RTSP || !at)
    return g_strdup (self->config.source);
  return g_strdup_printf ("%.*s%s", (int)(path - self->config.source),
                          self->config.source, at + 1);
}

JsonNode *
whip_media_input_describe (WhipMediaInput *self)
{
  static const char *const states[] = { "opening", "playing", "waiting",
                                        "ended" };
  static const char *const kinds[] = { "rtsp", "file, again and again",
                                       "file, once" };
  JsonObject *object =
      self->feeder ? whip_feeder_describe (self->feeder) : json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *source = dup_source (self);

  g_mutex_lock (&self->lock);
  json_object_set_string_member (object, "stream", self->config.name);
  json_object_set_string_member (object, "kind", kinds[self->config.kind]);
  json_object_set_string_member (object, "source", source);
  json_object_set_string_member (object, "state", states[self->state]);
  json_object_set_int_member (object, "runs", (gint64)self->n_runs);
  if (self->last_error)
    json_object_set_string_member (object, "last_error", self->last_error);
  g_mutex_unlock (&self->lock);
  json_node_take_object (node, object);
  return node;
}
