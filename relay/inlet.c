/* SPDX-License-Identifier: Apache-2.0 */
/* RelayInlet: see inlet.h. Its life on main, its publications on home. */
#include "relay/inlet-private.h"

#include <string.h>

#include "base/clock.h"
#include "relay/log.h"
#include "relay/stream-private.h"

#define TICK_US (10 * BASE_US_PER_MS)
#define SHARE_US (500 * BASE_US_PER_MS)
/* a tick that comes so late says that we slept, not that parents are silent */
#define LATE_TICK_US (20 * BASE_US_PER_MS)
/* nobody has said anything: the publisher, or all our ways to him, are gone */
#define DEAD_US (10 * BASE_US_PER_S)

static const RtcHolesConfig holes_config = {
  .max_holes = 4096,
  .first_delay_us = 5 * BASE_US_PER_MS,
  .retry_us = 20 * BASE_US_PER_MS,
  .give_up_us = 400 * BASE_US_PER_MS,
};

RelayInlet *
inlet_ref (RelayInlet *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

void
inlet_unref (gpointer data)
{
  RelayInlet *self = data;

  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  for (guint i = 0; i < self->n_parents; i++)
    g_free (self->parents[i]);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    rtc_holes_free (self->holes[k]);
  g_clear_pointer (&self->tree.media, relay_link_media_unref);
  g_mutex_clear (&self->lock);
  relay_stream_unref (self->stream);
  g_free (self->name);
  g_free (self);
}

/* --- publications: home -------------------------------------------------- */

static void
term_free (gpointer data)
{
  InletTerm *term = data;

  inlet_unref (term->inlet);
  g_free (term);
}

static void
on_keyframe_wanted (gpointer data)
{
  InletTerm *term = data;

  if (!g_atomic_int_get (&term->is_over))
    inlet_ask_keyframe (term->inlet,
                        rtc_worker_get_turn_us (term->inlet->home));
}

static void
inlet_tell_replaced (RelayInlet *self)
{
  if (!self->is_freed && self->on_replaced != NULL)
    self->on_replaced (self, self->data);
}

/* main */
static void
on_replaced (gpointer data)
{
  InletTerm *term = data;

  if (!g_atomic_int_get (&term->is_over))
    inlet_tell_replaced (term->inlet);
}

/* main */
static void
replaced_arrive (gpointer data)
{
  inlet_tell_replaced (data);
  inlet_unref (data);
}

static void
timer_stop (GSource **timer)
{
  if (*timer == NULL)
    return;
  g_source_destroy (*timer);
  g_clear_pointer (timer, g_source_unref);
}

static void
inlet_stop (RelayInlet *self)
{
  if (self->is_stopped)
    return;
  self->is_stopped = TRUE;
  for (guint i = 0; i < self->n_parents; i++)
    inlet_parent_leave (self, self->parents[i]);
  inlet_end (self);
}

void
inlet_end (RelayInlet *self)
{
  if (self->publication == NULL)
    return;
  /* else main is to hear of who replaced us */
  if (relay_publication_is_current (self->publication))
    g_atomic_int_set (&self->term->is_over, 1);
  self->term = NULL;
  relay_publication_end (self->publication);
  g_clear_pointer (&self->publication, relay_publication_unref);
}

void
inlet_apply_tree (RelayInlet *self)
{
  if (self->publication != NULL)
    relay_publication_set_tree (self->publication, &self->tree);
}

static void
inlet_take_tree (RelayInlet *self, const RelayTreeInfo *tree,
                 const RelayStreamInfo *info)
{
  gboolean is_same =
      self->has_id && memcmp (self->tree.id, tree->id, sizeof tree->id) == 0;
  RelayLinkMedia *media = self->tree.media;

  self->tree = *tree;
  self->info = *info;
  self->has_id = TRUE;
  if (is_same)
    {
      self->tree.media = media;
      return;
    }
  g_clear_pointer (&media, relay_link_media_unref);
  self->tree.media = relay_link_media_new (self->keys, self->name, tree->id);
}

void
inlet_begin (RelayInlet *self, const RelayTreeInfo *tree,
             const RelayStreamInfo *info, InletParent *lead, gint64 now_us)
{
  static const RelayPublicationCallbacks callbacks = { on_keyframe_wanted,
                                                       on_replaced };
  g_autoptr (RelayPublication) old = g_steal_pointer (&self->publication);

  if (self->stream->current != NULL && self->stream->current != old)
    {
      if (old == NULL)
        base_mailbox_post (base_mailbox_get_main (), replaced_arrive,
                           inlet_ref (self), inlet_unref);
      self->publication = g_steal_pointer (&old);
      inlet_stop (self);
      return;
    }
  if (old != NULL)
    g_atomic_int_set (&self->term->is_over, 1);
  inlet_take_tree (self, tree, info);
  self->term = g_new0 (InletTerm, 1);
  self->term->inlet = inlet_ref (self);
  self->publication = relay_stream_add_publication (
      self->stream, info, &callbacks, self->term, term_free);
  self->has_media = self->is_video_open = FALSE;
  self->media_us = 0;
  self->lead = lead;
  inlet_restart_numbers (self);
  for (guint i = 0; i < self->n_parents; i++)
    inlet_parent_restart (self->parents[i]);
  relay_publication_set_tree (self->publication, &self->tree);
  relay_publication_begin (self->publication);
  if (old != NULL)
    relay_publication_end (old);
}

/* --- time: home ---------------------------------------------------------- */

static void
parent_fill_stats (const InletParent *parent, gint64 now_us,
                   RelayInletParentStats *ret)
{
  memcpy (ret->node, parent->parent.node, sizeof ret->node);
  ret->is_active = parent->is_asked;
  ret->is_silent = parent->is_asked && inlet_parent_is_silent (parent, now_us);
  ret->n_packets = parent->n_packets;
  ret->n_first = parent->n_first;
  ret->n_lost = parent->n_lost;
  ret->n_nacked = parent->n_nacked;
  ret->n_repaired = parent->n_repaired;
  ret->n_unrepaired = parent->n_unrepaired;
  ret->rtt_us = (guint32)parent->rtt_us;
  ret->jitter_us = parent->jitter_us;
  ret->heard_us = parent->heard_us;
}

/* What main may see. It holds the lock for a copy only; when it does so just
 * now, it sees this half a second later. */
static void
inlet_share (RelayInlet *self, gint64 now_us)
{
  RelayInletStats *stats = &self->stats;
  gint64 max_gap_us;

  if (self->publication != NULL && self->has_media)
    stats->max_gap_us = MAX (stats->max_gap_us, now_us - self->media_us);
  if (!g_mutex_trylock (&self->lock))
    return;
  self->shared_us = now_us;
  stats->n_parents = MIN (self->n_parents, RELAY_INLET_MAX_PARENTS);
  for (guint i = 0; i < stats->n_parents; i++)
    parent_fill_stats (self->parents[i], now_us, &stats->parents[i]);
  max_gap_us = MAX (self->shared.max_gap_us, stats->max_gap_us);
  self->shared = *stats;
  self->shared.max_gap_us = max_gap_us;
  g_mutex_unlock (&self->lock);
  stats->max_gap_us = 0;
}

static gint64
inlet_get_heard_us (RelayInlet *self)
{
  gint64 heard_us = self->begun_us;

  for (guint i = 0; i < self->n_parents; i++)
    heard_us = MAX (heard_us, self->parents[i]->heard_us);
  return heard_us;
}

static gboolean
on_tick (gpointer data)
{
  RelayInlet *self = data;
  gint64 now_us = rtc_worker_get_turn_us (self->home);
  gboolean is_late = !self->was_late && now_us - self->ticked_us > LATE_TICK_US;

  self->ticked_us = now_us;
  self->was_late = is_late;
  if (self->is_stopped)
    return G_SOURCE_CONTINUE;
  if (self->publication != NULL
      && !relay_publication_is_current (self->publication))
    {
      inlet_stop (self); /* main hears of it by on_replaced */
      return G_SOURCE_CONTINUE;
    }
  if (!is_late) /* else first what came meanwhile is to be read */
    inlet_choose_parents (self, now_us);
  for (guint i = 0; i < self->n_parents; i++)
    if (self->parents[i]->is_asked && now_us >= self->parents[i]->next_us)
      inlet_parent_subscribe (self, self->parents[i], now_us);
  inlet_choose_path (self, now_us);
  inlet_find_holes (self, now_us);
  if (self->is_keyframe_wanted && self->highest[RTC_MEDIA_VIDEO] != 0)
    inlet_ask_keyframe (self, now_us);
  if (self->publication != NULL && now_us - inlet_get_heard_us (self) > DEAD_US)
    inlet_end (self);
  if (now_us - self->shared_us >= SHARE_US)
    inlet_share (self, now_us);
  return G_SOURCE_CONTINUE;
}

/* --- mail from main ------------------------------------------------------ */

typedef struct
{
  RelayInlet *inlet; /* one reference */
  gboolean has_info;
  RelayStreamInfo info;
  RelayTreeInfo tree;
} StartMail;

static void
start_mail_free (gpointer data)
{
  StartMail *mail = data;

  inlet_unref (mail->inlet);
  g_free (mail);
}

static void
start_arrive (gpointer data)
{
  StartMail *mail = data;
  RelayInlet *self = mail->inlet;
  gint64 now_us = rtc_worker_get_turn_us (self->home);

  self->begun_us = self->ticked_us = now_us;
  self->tick = rtc_worker_add_timer (self->home, TICK_US, on_tick, self);
  if (mail->has_info)
    inlet_begin (self, &mail->tree, &mail->info, NULL, now_us);
  start_mail_free (mail);
}

typedef struct
{
  RelayInlet *inlet; /* one reference */
  guint n_parents, n_active;
  RelayLinkParent parents[RELAY_INLET_MAX_PARENTS];
} ParentsMail;

static void
parents_mail_free (gpointer data)
{
  ParentsMail *mail = data;

  inlet_unref (mail->inlet);
  g_free (mail);
}

static void
parents_arrive (gpointer data)
{
  ParentsMail *mail = data;
  RelayInlet *self = mail->inlet;

  if (!self->is_stopped)
    inlet_take_parents (self, mail->parents, mail->n_parents, mail->n_active,
                        rtc_worker_get_turn_us (self->home));
  parents_mail_free (mail);
}

/* The last that happens here. */
static void
end_arrive (gpointer data)
{
  RelayInlet *self = data;

  inlet_stop (self);
  timer_stop (&self->tick);
  timer_stop (&self->repair_tick);
  inlet_unref (self);
}

/* --- main ---------------------------------------------------------------- */

/* The directory's word is enough to answer viewers; the publication's LIVE
 * follows by mail. */
static void
stream_go_live (RelayStream *stream, const RelayStreamInfo *info)
{
  if (!stream->is_live)
    stream->live_since_us = base_clock_now_us ();
  stream->info = *info;
  stream->has_info = stream->is_live = stream->was_ever_live = TRUE;
  stream->is_origin = FALSE;
}

static void
inlet_send_start (RelayInlet *self, const RelayStreamInfo *info, guint64 epoch,
                  const guint8 publication[RELAY_ID_BYTES])
{
  StartMail *mail = g_new0 (StartMail, 1);

  mail->inlet = inlet_ref (self);
  if (info != NULL)
    {
      stream_go_live (self->stream, info);
      mail->has_info = TRUE;
      mail->info = *info;
      mail->tree.epoch = epoch;
      memcpy (mail->tree.id, publication, RELAY_ID_BYTES);
    }
  rtc_worker_post (self->home, start_arrive, mail, start_mail_free);
}

RelayInlet *
relay_inlet_new (const RelayInletConfig *config, const char *name,
                 const RelayStreamInfo *info, guint64 epoch,
                 const guint8 publication[RELAY_ID_BYTES], GError **error)
{
  static const RelayPublicationCallbacks nothing = { NULL, NULL };
  static const RelayStreamInfo no_info;
  RtcHolesConfig holes = holes_config;
  RelayStream *stream = relay_hub_ensure (config->hub, name, error);
  RelayInlet *self;

  if (stream == NULL)
    return NULL;
  self = g_new0 (RelayInlet, 1);
  g_atomic_ref_count_init (&self->ref);
  g_mutex_init (&self->lock);
  self->keys = config->keys;
  self->stream = relay_stream_ref (stream);
  self->home = relay_stream_get_home (stream);
  self->name = g_strdup (name);
  g_strlcpy (self->node, config->node_id, sizeof self->node);
  self->repair = config->repair;
  self->repair_seconds = config->repair_seconds;
  self->on_replaced = config->on_replaced;
  self->data = config->data;
  holes.on_given_up = inlet_on_given_up;
  holes.data = self;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    self->holes[k] = rtc_holes_new (&holes);
  self->input = rtc_input_new (self->home, &config->address, inlet_on_packet,
                               inlet_ref (self), inlet_unref, error);
  if (self->input == NULL)
    {
      inlet_unref (self); /* the input's */
      inlet_unref (self);
      return NULL;
    }
  self->keeper =
      relay_stream_add_publication (stream, &no_info, &nothing, NULL, NULL);
  inlet_send_start (self, info, epoch, publication);
  return self;
}

void
relay_inlet_free (RelayInlet *self)
{
  self->is_freed = TRUE;
  rtc_worker_post (self->home, end_arrive, inlet_ref (self), inlet_unref);
  rtc_input_free (self->input);
  relay_publication_unref (self->keeper);
  inlet_unref (self);
}

RelayStream *
relay_inlet_get_stream (RelayInlet *self)
{
  return self->stream;
}

guint
relay_inlet_get_port (RelayInlet *self)
{
  return rtc_input_get_port (self->input);
}

void
relay_inlet_set_parents (RelayInlet *self, const RelayLinkParent *parents,
                         guint n_parents, guint n_active)
{
  ParentsMail *mail = g_new0 (ParentsMail, 1);

  mail->inlet = inlet_ref (self);
  mail->n_parents = MIN (n_parents, RELAY_INLET_MAX_PARENTS);
  mail->n_active = MIN (n_active, mail->n_parents);
  for (guint i = 0; i < mail->n_parents; i++)
    mail->parents[i] = parents[i];
  rtc_worker_post (self->home, parents_arrive, mail, parents_mail_free);
}

void
relay_inlet_get_stats (RelayInlet *self, RelayInletStats *ret)
{
  g_mutex_lock (&self->lock);
  *ret = self->shared;
  self->shared.max_gap_us = 0;
  g_mutex_unlock (&self->lock);
}
