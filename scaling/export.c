/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingExport: see export.h. */
#include "scaling/export.h"

#include "base/clock.h"
#include "scaling/log.h"

#define N_RESULTS 6

static const char *const results[N_RESULTS] = { "accepted",    "config",
                                                "credentials", "away",
                                                "refused",     "unseen" };

typedef struct
{
  ScalingExport *export; /* borrowed */
  const ScalingExportTarget *kind;
  gpointer target;     /* owned */
  gboolean is_busy;    /* a round is going on */
  gboolean is_due;     /* the next one was to begin meanwhile */
  gboolean is_failing; /* the last round was not accepted; was logged */
  guint n_attempts;    /* of this round */
  gint64 end_us;       /* no attempt begins after it */
  guint retry_id;
  GError *error; /* owned, nullable: of the last round */
  BaseCounter *attempts[N_RESULTS];
  BaseCounter *last_success, *points, *dropped, *failed_rounds;
} Slot;

struct _ScalingExport
{
  ScalingExportConfig config;
  BaseMetrics *metrics; /* borrowed, nullable */
  ScalingExportPoints get_points;
  ScalingExportExitFunc on_done;
  gpointer data;
  GPtrArray *slots; /* owned (element-type Slot) */
  guint timer_id;
  guint n_rounds_left; /* run-once */
};

/* --- Life --------------------------------------------------------------- */

static void
slot_free (gpointer data)
{
  Slot *self = data;

  g_clear_handle_id (&self->retry_id, g_source_remove);
  self->kind->free (self->target);
  g_clear_error (&self->error);
  g_free (self);
}

ScalingExport *
scaling_export_new (const ScalingExportConfig *config, BaseMetrics *metrics,
                    ScalingExportPoints get_points,
                    ScalingExportExitFunc on_done, gpointer data)
{
  ScalingExport *self = g_new0 (ScalingExport, 1);

  self->config = *config;
  self->metrics = metrics;
  self->get_points = get_points;
  self->on_done = on_done;
  self->data = data;
  self->slots = g_ptr_array_new_with_free_func (slot_free);
  return self;
}

void
scaling_export_free (ScalingExport *self)
{
  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_ptr_array_unref (self->slots);
  g_free (self);
}

static void
add_metrics (Slot *slot, BaseMetrics *metrics)
{
  g_autofree char *label = base_metrics_label ("target", slot->kind->name);

  for (guint i = 0; i < N_RESULTS; i++)
    {
      g_autofree char *result = base_metrics_label ("result", results[i]);
      g_autofree char *both = g_strconcat (label, ",", result, NULL);

      slot->attempts[i] = base_metrics_add_counter (
          metrics, "media_tree_export_attempts_total", both,
          "Attempts to export, by what came of them.");
    }
  slot->failed_rounds = base_metrics_add_counter (
      metrics, "media_tree_export_failed_rounds_total", label,
      "Exports that were given up until the next one.");
  slot->last_success = base_metrics_add_gauge (
      metrics, "media_tree_export_last_success_seconds", label,
      "When all of an export was accepted last, since 1970; 0 = never.");
  slot->points = base_metrics_add_gauge (metrics, "media_tree_export_points",
                                         label, "Points of the last export.");
  slot->dropped = base_metrics_add_counter (
      metrics, "media_tree_export_points_dropped_total", label,
      "Points that cannot be sent: too many, or no numbers.");
}

void
scaling_export_add (ScalingExport *self, const ScalingExportTarget *kind,
                    gpointer target)
{
  Slot *slot;

  g_return_if_fail (self->slots->len < SCALING_EXPORT_MAX_TARGETS);
  slot = g_new0 (Slot, 1);
  slot->export = self;
  slot->kind = kind;
  slot->target = target;
  if (self->metrics)
    add_metrics (slot, self->metrics);
  g_ptr_array_add (self->slots, slot);
}

/* --- A round ------------------------------------------------------------ */

static void attempt (Slot *self);
static void begin_round (Slot *self);

gint64
scaling_export_get_backoff_us (guint n, double chance)
{
  gint64 most = SCALING_EXPORT_BACKOFF_MAX_US;

  g_return_val_if_fail (n > 0, most);
  if (n < 6)
    most = MIN (most, SCALING_EXPORT_BACKOFF_MIN_US << (n - 1));
  return most / 2 + (gint64)((double)most / 2 * chance);
}

static ScalingExportExit
get_exit_code (ScalingExport *self)
{
  ScalingExportExit code = SCALING_EXPORT_EXIT_OK;

  for (guint i = 0; i < self->slots->len; i++)
    {
      const GError *error = ((Slot *)self->slots->pdata[i])->error;

      if (!error)
        continue;
      if (error->code != SCALING_EXPORT_ERROR_AWAY
          && error->code != SCALING_EXPORT_ERROR_NO_DATA)
        return SCALING_EXPORT_EXIT_REFUSED;
      code = SCALING_EXPORT_EXIT_AWAY;
    }
  return code;
}

/* end_round: @error: (nullable) */
static void
end_round (Slot *self, const GError *error)
{
  ScalingExport *export = self->export;

  self->is_busy = FALSE;
  g_clear_error (&self->error);
  if (error)
    {
      self->error = g_error_copy (error);
      base_counter_add (self->failed_rounds, 1);
      GST_WARNING ("export to %s is given up after %u attempts: %s: %s",
                   self->kind->name, self->n_attempts,
                   scaling_export_error_get_name (error), error->message);
    }
  else
    {
      base_counter_set (self->last_success,
                        base_clock_wall_us () / BASE_US_PER_S);
      if (self->is_failing)
        GST_INFO ("export to %s is accepted again", self->kind->name);
    }
  self->is_failing = error != NULL;
  if (export->config.is_once && --export->n_rounds_left == 0 && export->on_done)
    export->on_done (get_exit_code (export), export->data);
  else if (self->is_due)
    begin_round (self);
}

static gboolean
on_retry (gpointer data)
{
  Slot *self = data;

  self->retry_id = 0;
  attempt (self);
  return G_SOURCE_REMOVE;
}

static void
on_sent (const GError *error, gpointer data)
{
  Slot *self = data;
  const char *name = scaling_export_error_get_name (error);
  gint64 wait_us =
      scaling_export_get_backoff_us (self->n_attempts, g_random_double ());
  gboolean may_try = error
                     && (error->code == SCALING_EXPORT_ERROR_AWAY
                         || error->code == SCALING_EXPORT_ERROR_NO_DATA)
                     && self->n_attempts < SCALING_EXPORT_MAX_ATTEMPTS
                     && base_clock_now_us () + wait_us < self->end_us;

  for (guint i = 0; i < N_RESULTS; i++)
    if (g_str_equal (results[i], name))
      base_counter_add (self->attempts[i], 1);
  if (!may_try)
    {
      end_round (self, error);
      return;
    }
  GST_DEBUG ("export to %s, attempt %u: %s; again in %" G_GINT64_FORMAT " ms",
             self->kind->name, self->n_attempts, error->message,
             wait_us / BASE_US_PER_MS);
  self->retry_id =
      g_timeout_add ((guint)(wait_us / BASE_US_PER_MS), on_retry, self);
}

/* take: Returns: %FALSE: there is nothing to take yet */
static gboolean
take (Slot *self)
{
  ScalingExportTime time = { base_clock_now_us (), base_clock_wall_us () };
  g_autoptr (GPtrArray) points = self->export->get_points (self->export->data);
  guint n_dropped = 0;

  if (!points)
    return FALSE;
  self->kind->take (self->target, points, &time);
  base_counter_set (self->points,
                    self->kind->get_n_points (self->target, &n_dropped));
  base_counter_add (self->dropped, n_dropped);
  return TRUE;
}

/* attempt: each sends what is so now: between two of them counters go on */
static void
attempt (Slot *self)
{
  g_autoptr (GError) error = NULL;

  self->n_attempts++;
  if (take (self))
    {
      self->kind->send (self->target, on_sent, self);
      return;
    }
  error =
      g_error_new_literal (SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_NO_DATA,
                           "the cluster was not seen yet");
  on_sent (error, self);
}

static void
begin_round (Slot *self)
{
  self->is_due = self->is_busy;
  if (self->is_busy)
    return;
  self->is_busy = TRUE;
  self->n_attempts = 0;
  self->end_us = base_clock_now_us () + self->export->config.interval_us;
  attempt (self);
}

/* --- The schedule ------------------------------------------------------- */

static gboolean
on_interval (gpointer data)
{
  ScalingExport *self = data;

  for (guint i = 0; i < self->slots->len; i++)
    begin_round (self->slots->pdata[i]);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_start (gpointer data)
{
  ScalingExport *self = data;

  self->timer_id = 0;
  if (!self->config.is_once)
    self->timer_id = g_timeout_add (
        (guint)(self->config.interval_us / BASE_US_PER_MS), on_interval, self);
  for (guint i = 0; i < self->slots->len; i++)
    if (self->config.is_once || self->config.is_on_start)
      begin_round (self->slots->pdata[i]);
  return G_SOURCE_REMOVE;
}

void
scaling_export_start (ScalingExport *self)
{
  self->n_rounds_left = self->slots->len;
  if (self->slots->len > 0
      && (self->config.is_scheduled || self->config.is_once))
    self->timer_id = g_idle_add (on_start, self);
}
