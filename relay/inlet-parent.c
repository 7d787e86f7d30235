/* SPDX-License-Identifier: Apache-2.0 */
/* RelayInlet: control messages to and from one parent; docs/LINKS.md. */
#include "relay/inlet-private.h"

#include <string.h>

#include "base/clock.h"
#include "relay/log.h"

#define REPEAT_US (300 * BASE_US_PER_MS)
#define RETRY_US (50 * BASE_US_PER_MS) /* unanswered, or PENDING */
#define MIN_RETRY_US (20 * BASE_US_PER_MS)
#define MAX_QUICK_RETRIES 100                  /* then as if it were answered */
#define IDLE_SILENT_US (2500 * BASE_US_PER_MS) /* keepalives are 1 s apart */
#define UNKNOWN_US (300 * BASE_US_PER_MS)
#define REFUSED_US BASE_US_PER_S
#define LOOP_US (5 * BASE_US_PER_S)
#define MAX_RTT_US (10 * BASE_US_PER_S)

InletParent *
inlet_parent_new (const RelayLinkParent *parent)
{
  InletParent *self = g_new0 (InletParent, 1);

  self->parent = *parent;
  return self;
}

gboolean
inlet_parent_is_silent (const InletParent *self, gint64 now_us)
{
  gint64 limit_us = self->says_live ? INLET_SILENT_US : IDLE_SILENT_US;

  return now_us - self->heard_us > limit_us
         || now_us - self->status_us > MAX (limit_us, INLET_STATUS_US);
}

gboolean
inlet_parent_is_good (const RelayInlet *inlet, const InletParent *self,
                      gint64 now_us)
{
  return self->is_asked && self->has_status && !self->is_refused
         && (inlet->publication == NULL || self->is_current)
         && !inlet_parent_is_silent (self, now_us);
}

gboolean
inlet_parent_delivers (const RelayInlet *inlet, const InletParent *self,
                       gint64 now_us)
{
  gboolean has_some = FALSE;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    has_some = has_some || self->highest[k] != 0;
  return inlet_parent_is_good (inlet, self, now_us)
         && (has_some || inlet->publication == NULL || !inlet->has_media);
}

/* --- up ------------------------------------------------------------------ */

gboolean
inlet_parent_send (RelayInlet *inlet, InletParent *self,
                   RelayLinkMessage *message)
{
  guint8 body[RELAY_LINK_MAX_BODY_BYTES];
  guint8 datagram[RELAY_LINK_MAX_MESSAGE_BYTES];
  gsize len;

  message->subscription = self->subscription;
  len = relay_link_message_write (message, body);
  g_return_val_if_fail (len > 0, FALSE);
  len = relay_link_keys_seal (inlet->keys, body, len, datagram);
  return rtc_input_send (inlet->input, &self->parent.address, datagram, len);
}

void
inlet_parent_restart (InletParent *self)
{
  self->is_current = FALSE;
  self->has_transit = FALSE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->first[k] = self->highest[k] = self->passed[k] = 0;
      self->n_received[k] = self->n_firsts[k] = 0;
    }
}

/* Another start: where from is decided when it is sent. */
void
inlet_parent_begin (RelayInlet *inlet, InletParent *self, gint64 now_us)
{
  gboolean was_current = self->is_current;

  inlet_parent_restart (self);
  self->is_current = was_current;
  self->is_asked = TRUE;
  self->is_pending = self->is_refused = self->has_status = FALSE;
  self->subscription = g_random_int ();
  self->n_unanswered = 0;
  self->asked_us = self->next_us = now_us;
}

/* Nothing to go on from: without a keyframe video has not begun. */
gboolean
inlet_has_begun (const RelayInlet *inlet)
{
  return inlet->has_media
         && (inlet->is_video_open
             || !inlet->info.tracks[RTC_MEDIA_VIDEO].is_present);
}

static void
parent_choose_start (RelayInlet *inlet, InletParent *self)
{
  /* whoever is asked before the first keyframe may be who brings it */
  self->start =
      inlet_has_begun (inlet) ? RELAY_LINK_START_FROM : RELAY_LINK_START_GOP;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    self->from[k] =
        self->start == RELAY_LINK_START_FROM ? inlet_get_missing (inlet, k) : 0;
}

void
inlet_parent_subscribe (RelayInlet *inlet, InletParent *self, gint64 now_us)
{
  RelayLinkMessage message = { .type = RELAY_LINK_SUBSCRIBE };
  RelayLinkSubscribe *subscribe = &message.subscribe;

  if (!self->has_status) /* what is missing may have changed */
    parent_choose_start (inlet, self);
  if (self->has_cookie)
    memcpy (subscribe->cookie, self->cookie, sizeof self->cookie);
  subscribe->start = self->start;
  subscribe->sent_us = (guint32)now_us;
  subscribe->rtt_us = (guint32)self->rtt_us;
  subscribe->jitter_us = self->jitter_us;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      subscribe->from[k] = self->from[k];
      subscribe->reports[k] =
          (RelayLinkReport){ self->highest[k], self->n_received[k],
                             self->n_firsts[k], inlet->n_lost[k] };
    }
  g_strlcpy (subscribe->stream, inlet->name, sizeof subscribe->stream);
  memcpy (subscribe->node, inlet->node, sizeof subscribe->node);
  self->sent_us = now_us;
  self->next_us =
      now_us + (self->n_unanswered < MAX_QUICK_RETRIES ? RETRY_US : REPEAT_US);
  self->n_unanswered++;
  inlet_parent_send (inlet, self, &message);
}

void
inlet_parent_hurry (RelayInlet *inlet, InletParent *self, gint64 now_us)
{
  gint64 due_us = self->sent_us + (self->has_status ? RETRY_US : MIN_RETRY_US);

  if (!self->is_asked)
    return;
  if (now_us >= due_us)
    inlet_parent_subscribe (inlet, self, now_us);
  else
    self->next_us = MIN (self->next_us, due_us);
}

void
inlet_parent_leave (RelayInlet *inlet, InletParent *self)
{
  RelayLinkMessage message = { .type = RELAY_LINK_LEAVE };

  if (!self->is_asked)
    return;
  inlet_parent_send (inlet, self, &message);
  self->is_asked = self->has_status = self->is_pending = FALSE;
  self->is_refused = FALSE;
  self->was_good = FALSE;
}

/* --- down ---------------------------------------------------------------- */

/* Counters of one boot come once, 64 numbers of reordering apart; what the
 * boot before it said is history. */
static gboolean
parent_accept (InletParent *self, const guint8 sender[RELAY_ID_BYTES],
               guint64 counter, gboolean *ret_is_new_boot)
{
  guint64 behind;

  *ret_is_new_boot = FALSE;
  if (!self->has_boot || memcmp (self->boot, sender, RELAY_ID_BYTES) != 0)
    {
      if (self->has_old_boot
          && memcmp (self->old_boot, sender, RELAY_ID_BYTES) == 0)
        return FALSE;
      *ret_is_new_boot = self->has_old_boot = self->has_boot;
      memcpy (self->old_boot, self->boot, RELAY_ID_BYTES);
      memcpy (self->boot, sender, RELAY_ID_BYTES);
      self->has_boot = TRUE;
      self->counter = counter;
      self->counter_mask = 1;
      return TRUE;
    }
  if (counter > self->counter)
    {
      guint64 ahead = counter - self->counter;

      self->counter_mask = (ahead < 64 ? self->counter_mask << ahead : 0) | 1;
      self->counter = counter;
      return TRUE;
    }
  behind = self->counter - counter;
  if (behind >= 64 || (self->counter_mask >> behind & 1))
    return FALSE;
  self->counter_mask |= G_GUINT64_CONSTANT (1) << behind;
  return TRUE;
}

static void
on_cookie (RelayInlet *inlet, InletParent *self,
           const guint8 cookie[RELAY_LINK_COOKIE_BYTES], gint64 now_us)
{
  gboolean is_new = !self->has_cookie
                    || memcmp (self->cookie, cookie, sizeof self->cookie) != 0;

  memcpy (self->cookie, cookie, sizeof self->cookie);
  self->has_cookie = TRUE;
  if (is_new && now_us - self->cookie_us >= MIN_RETRY_US)
    {
      self->cookie_us = now_us;
      inlet_parent_subscribe (inlet, self, now_us);
    }
}

static void
on_refuse (RelayInlet *inlet, InletParent *self, RelayLinkReason reason,
           gint64 now_us)
{
  GST_DEBUG ("stream=%s parent=%s refuses: %u", inlet->name, self->parent.node,
             reason);
  if (reason == RELAY_LINK_REASON_PENDING)
    {
      self->is_pending = TRUE;
      self->has_status = FALSE;
      self->next_us = self->sent_us + RETRY_US;
      return;
    }
  self->is_refused = TRUE;
  self->is_asked = self->has_status = self->is_pending = FALSE;
  switch (reason)
    {
    case RELAY_LINK_REASON_LOOP:
      inlet->stats.n_loops++;
      self->retry_us = now_us + LOOP_US;
      break;
    case RELAY_LINK_REASON_FULL:
    case RELAY_LINK_REASON_LEAVING:
      self->retry_us = now_us + REFUSED_US;
      break;
    case RELAY_LINK_REASON_UNKNOWN:
    case RELAY_LINK_REASON_PENDING:
      self->retry_us = now_us + UNKNOWN_US;
      break;
    }
}

static void
parent_note_rtt (InletParent *self, guint32 echo_us, gint64 now_us)
{
  guint32 sample_us = (guint32)now_us - echo_us;

  if (sample_us > MAX_RTT_US)
    return;
  if (self->rtt_us == 0)
    self->rtt_us = MAX (sample_us, 1);
  else
    self->rtt_us =
        MAX (self->rtt_us + ((gint64)sample_us - self->rtt_us) / 8, 1);
}

/* What it says of the numbers of our publication. */
static void
parent_note_numbers (RelayInlet *inlet, InletParent *self,
                     const RelayLinkStatus *status, gint64 now_us)
{
  gboolean is_news = FALSE;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      guint64 first = status->first[k], head = status->head[k];

      if (!inlet->info.tracks[k].is_present)
        continue;
      inlet->known[k] = MAX (inlet->known[k], MAX (head, first));
      if (first != 0)
        {
          if (self->first[k] == 0)
            self->first[k] = first;
          self->passed[k] = MAX (self->passed[k], MAX (first, head + 1));
        }
      if (first != 0 && inlet->highest[k] == 0
          && (inlet->tree.first[k] == 0 || first < inlet->tree.first[k]))
        {
          inlet->tree.first[k] = inlet->checked[k] = first;
          is_news = TRUE;
        }
      if (status->has_clock[k] && inlet->publication != NULL)
        relay_publication_set_clock (inlet->publication, k, status->ntp[k],
                                     status->rtp_ts[k], now_us);
    }
  if (is_news)
    inlet_apply_tree (inlet);
}

/* Nobody who is heard says that the publication lives. */
static gboolean
inlet_is_over (RelayInlet *inlet, gint64 now_us)
{
  for (guint i = 0; i < inlet->n_parents; i++)
    {
      const InletParent *parent = inlet->parents[i];

      if (inlet_parent_is_good (inlet, parent, now_us) && parent->says_live)
        return FALSE;
    }
  return TRUE;
}

static void
inlet_follow (RelayInlet *inlet, InletParent *self,
              const RelayLinkStatus *status, gint64 now_us)
{
  RelayTreeInfo tree = { .epoch = status->epoch, .n_path = status->n_path };
  gboolean is_whole = TRUE; /* we have, or get, all from its first on */

  if (!status->has_info)
    {
      inlet_parent_hurry (inlet, self, now_us); /* a reply has it */
      return;
    }
  GST_DEBUG ("stream=%s parent=%s epoch=%" G_GUINT64_FORMAT " is followed",
             inlet->name, self->parent.node, status->epoch);
  memcpy (tree.id, status->publication, sizeof tree.id);
  memcpy (tree.path, status->path, sizeof tree.path);
  inlet_begin (inlet, &tree, &status->info, self, now_us);
  if (inlet->is_stopped)
    return;
  self->is_current = TRUE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (status->info.tracks[k].is_present && status->first[k] == 0)
      is_whole = FALSE;
  if (!is_whole)
    {
      inlet_parent_begin (inlet, self, now_us);
      inlet_parent_subscribe (inlet, self, now_us);
    }
}

static void
parent_weigh (RelayInlet *inlet, InletParent *self,
              const RelayLinkStatus *status, gint64 now_us)
{
  gboolean is_same =
      inlet->has_id && status->epoch == inlet->tree.epoch
      && memcmp (status->publication, inlet->tree.id, RELAY_ID_BYTES) == 0;

  self->is_current = is_same;
  self->says_live = status->is_live;
  if (status->is_live
      && (!inlet->has_id || status->epoch > inlet->tree.epoch
          || (is_same && inlet->publication == NULL)))
    inlet_follow (inlet, self, status, now_us);
  else if (!status->is_live && inlet->publication != NULL
           && status->epoch >= inlet->tree.epoch /* else it lags behind */
           && inlet_is_over (inlet, now_us))
    {
      GST_DEBUG ("stream=%s parent=%s says that nobody publishes", inlet->name,
                 self->parent.node);
      inlet_end (inlet);
    }
  if (self->is_current && self->has_status && !inlet->is_stopped)
    parent_note_numbers (inlet, self, status, now_us);
}

static gboolean
status_has_node (const RelayLinkStatus *status, const char *node)
{
  for (guint i = 0; i < status->n_path; i++)
    if (strcmp (status->path[i], node) == 0)
      return TRUE;
  return FALSE;
}

static void
on_status (RelayInlet *inlet, InletParent *self, const RelayLinkStatus *status,
           gint64 now_us)
{
  if (status->is_reply)
    {
      parent_note_rtt (self, status->echo_us, now_us);
      self->next_us = MAX (self->next_us, self->sent_us + REPEAT_US);
    }
  GST_LOG ("stream=%s parent=%s status live=%d epoch=%" G_GUINT64_FORMAT
           " first=%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT
           " head=%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT,
           inlet->name, self->parent.node, status->is_live, status->epoch,
           status->first[0], status->first[1], status->head[0],
           status->head[1]);
  if (status_has_node (status, inlet->node))
    {
      inlet_parent_leave (inlet, self);
      on_refuse (inlet, self, RELAY_LINK_REASON_LOOP, now_us);
      return;
    }
  self->has_status = TRUE;
  self->is_pending = self->is_refused = FALSE;
  self->n_path = status->n_path;
  memcpy (self->path, status->path, sizeof self->path);
  parent_weigh (inlet, self, status, now_us);
}

void
inlet_parent_on_control (RelayInlet *inlet, InletParent *self,
                         const guint8 *data, gsize len, gint64 now_us)
{
  guint8 sender[RELAY_ID_BYTES], body[RELAY_LINK_MAX_BODY_BYTES];
  RelayLinkMessage message;
  gboolean is_new_boot;
  guint64 counter;
  gsize body_len;

  if (!relay_link_keys_open (inlet->keys, data, len, sender, &counter, body,
                             &body_len)
      || !relay_link_message_read (body, body_len, &message))
    {
      inlet->stats.n_bad++;
      return;
    }
  /* to a subscription that was: late, or replayed */
  if (!self->is_asked || message.subscription != self->subscription)
    return;
  if (!parent_accept (self, sender, counter, &is_new_boot))
    {
      inlet->stats.n_bad++;
      return;
    }
  self->heard_us = self->status_us = now_us;
  self->n_unanswered = 0;
  if (is_new_boot && self->has_status)
    {
      GST_DEBUG ("stream=%s parent=%s was started again", inlet->name,
                 self->parent.node);
      inlet_parent_begin (inlet, self, now_us);
    }
  switch (message.type)
    {
    case RELAY_LINK_COOKIE:
      on_cookie (inlet, self, message.cookie.cookie, now_us);
      break;
    case RELAY_LINK_STATUS:
      on_status (inlet, self, &message.status, now_us);
      break;
    case RELAY_LINK_REFUSE:
    case RELAY_LINK_BYE:
      on_refuse (inlet, self, message.refuse.reason, now_us);
      break;
    case RELAY_LINK_SUBSCRIBE:
    case RELAY_LINK_NACK:
    case RELAY_LINK_KEYFRAME:
    case RELAY_LINK_LEAVE:
      inlet->stats.n_bad++;
      break;
    }
}
