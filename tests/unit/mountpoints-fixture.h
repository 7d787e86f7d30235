/* SPDX-License-Identifier: Apache-2.0 */
/* mountpoints-fixture: a registry with a real hub and gate; sources and the
 * store are hooks that the test answers. Thread: main. */
#pragma once

#include "egress/mountpoints.h"

#include "tests/unit/relay-helpers.h"

typedef struct
{
  RelayWorld world;
  BaseMetrics *metrics;
  EgressGate *gate;
  EgressMountpoints *registry;
  /* what the hooks say, and what they were asked */
  GPtrArray *live; /* (element-type char): streams of the tree */
  int open_code;   /* 0 = well */
  gboolean opens_later;
  GQuark share_domain; /* 0 = well */
  guint n_opened, n_closed, n_shared, n_unshared, n_listed;
  gboolean was_enabled, is_orphan;
  EgressMountpointOpened on_opened; /* kept: opens_later */
  gpointer opened_data;
  /* the last answer to a create */
  EgressMountpoint *made;
  gboolean is_kept;
  guint n_done;
  GError *error;
  GError *edit_error;
  guint n_edits;
} Fixture;

/* --- hooks -------------------------------------------------------------- */

static inline void
answer_open (Fixture *f)
{
  EgressMountpointPorts ports = { .ports = { { 0 }, { 5004 } } };
  RelayStreamInfo info = { 0 };
  g_autoptr (GError) error = NULL;

  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = RTC_CODEC_VP8;
  if (f->open_code != 0)
    error = g_error_new (EGRESS_STREAMING_ERROR, f->open_code, "no source");
  f->on_opened (error ? NULL : &ports, error ? NULL : &info, error,
                f->opened_data);
}

static inline void
on_open (const EgressMountpointSpec *spec, EgressMountpointOpened done,
         gpointer done_data, gpointer data)
{
  Fixture *f = data;

  f->n_opened++;
  f->on_opened = done;
  f->opened_data = done_data;
  if (!f->opens_later)
    answer_open (f);
}

static inline void
on_close (const char *stream, gpointer data)
{
  ((Fixture *)data)->n_closed++;
}

static inline void
on_enabled (const char *stream, gboolean is_enabled, gpointer data)
{
  ((Fixture *)data)->was_enabled = is_enabled;
}

static inline gboolean
on_age (const char *stream, RtcMediaKind kind, gint64 *ret_age_us,
        gpointer data)
{
  *ret_age_us = 7000;
  return kind == RTC_MEDIA_VIDEO;
}

static inline void
on_share (const EgressMountpointSpec *spec, EgressMountpointDone done,
          gpointer done_data, gpointer data)
{
  Fixture *f = data;
  g_autoptr (GError) error = NULL;

  f->n_shared++;
  if (f->share_domain != 0)
    error = g_error_new (f->share_domain, EGRESS_STREAMING_CANT_CREATE, "no");
  if (done)
    done (error, done_data);
}

static inline void
on_unshare (const char *id, gpointer data)
{
  ((Fixture *)data)->n_unshared++;
}

static inline gboolean
on_orphan (const EgressMountpointSpec *spec, gpointer data)
{
  return ((Fixture *)data)->is_orphan;
}

static inline void
listed_free (gpointer data)
{
  EgressStreamListed *row = data;

  g_free (row->name);
  g_free (row);
}

static inline GPtrArray *
on_list (gpointer data)
{
  Fixture *f = data;
  GPtrArray *list = g_ptr_array_new_with_free_func (listed_free);

  f->n_listed++;
  for (guint i = 0; i < f->live->len; i++)
    {
      EgressStreamListed *row = g_new0 (EgressStreamListed, 1);
      row->name = g_strdup (f->live->pdata[i]);
      row->is_live = TRUE;
      row->info.tracks[RTC_MEDIA_AUDIO].is_present = TRUE;
      row->info.tracks[RTC_MEDIA_AUDIO].codec = RTC_CODEC_OPUS;
      g_ptr_array_add (list, row);
    }
  return list;
}

/* --- the world ---------------------------------------------------------- */

static inline void
set_up (Fixture *f, gconstpointer data)
{
  static const EgressGateHooks no_hooks;
  EgressMountpointsConfig config = {
    .node_id = "here",
    .can_open = data == NULL,
    .hooks = { on_open, on_close, on_enabled, on_age, NULL, on_share,
               on_unshare, on_orphan, on_list, f },
  };

  memset (f, 0, sizeof *f);
  f->metrics = base_metrics_new ();
  relay_world_init (&f->world, f->metrics);
  f->gate = egress_gate_new (f->world.hub, 2, &no_hooks, f->metrics);
  f->live = g_ptr_array_new_with_free_func (g_free);
  config.gate = f->gate;
  config.hub = f->world.hub;
  config.metrics = f->metrics;
  f->registry = egress_mountpoints_new (&config);
}

static inline void
clear_answer (Fixture *f)
{
  g_clear_pointer (&f->made, egress_mountpoint_unref);
  g_clear_error (&f->error);
  g_clear_error (&f->edit_error);
}

static inline void
tear_down (Fixture *f, gconstpointer data)
{
  clear_answer (f);
  egress_mountpoints_free (f->registry);
  clear_answer (f); /* creates that still waited were told */
  egress_gate_free (f->gate);
  relay_world_clear (&f->world);
  base_metrics_free (f->metrics);
  g_ptr_array_unref (f->live);
}
