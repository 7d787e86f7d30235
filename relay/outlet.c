/* SPDX-License-Identifier: Apache-2.0 */
/* RelayOutlet: children and what is said to them; see outlet.h. Media is in
 * outlet-send.c. */
#include "relay/outlet-private.h"

#include <string.h>

static void
outlet_on_tick (RelayReceiver *receiver, RelayFeed *feed, gint64 now_us)
{
  /* the server's tick, each 10 ms, does it */
}

RelayOutlet *
relay_outlet_new (RelayStream *stream, RelayLinkSender *sender,
                  const char *node_id, guint max_children)
{
  RelayOutlet *self = g_new0 (RelayOutlet, 1);

  self->receiver.on_packets = relay_outlet_on_packets;
  self->receiver.on_tick = outlet_on_tick;
  self->receiver.on_pace = relay_outlet_on_pace;
  self->stream = relay_stream_ref (stream);
  self->feed = relay_stream_get_feed (stream, relay_stream_get_home (stream));
  self->sender = sender;
  self->node_id = g_strdup (node_id);
  self->max_children = max_children;
  self->gather_us = RELAY_OUTLET_GATHER_US;
  self->children = g_ptr_array_new_with_free_func (g_free);
  return self;
}

static void
outlet_remove_child (RelayOutlet *self, RelayOutletChild *child)
{
  g_ptr_array_remove_fast (self->children, child);
  if (self->children->len > 0)
    return;
  relay_outlet_end_sending (self);
  relay_feed_remove_receiver (self->feed, &self->receiver);
}

void
relay_outlet_free (RelayOutlet *self)
{
  while (self->children->len > 0)
    outlet_remove_child (self, self->children->pdata[0]);
  g_ptr_array_unref (self->children);
  relay_stream_unref (self->stream);
  g_free (self->node_id);
  g_free (self);
}

const RelayOutletStats *
relay_outlet_get_stats (RelayOutlet *self)
{
  return &self->stats;
}

void
relay_outlet_append_children (RelayOutlet *self, GArray *list)
{
  for (guint i = 0; i < self->children->len; i++)
    {
      const RelayOutletChild *child = self->children->pdata[i];
      RelayLinkChild row = { .n_packets = child->n_packets,
                             .n_bytes = child->n_bytes,
                             .n_repairs = child->n_repairs,
                             .rtt_us = child->last.rtt_us,
                             .jitter_us = child->last.jitter_us };

      g_strlcpy (row.stream, relay_stream_get_name (self->stream),
                 sizeof row.stream);
      g_strlcpy (row.node, child->last.node, sizeof row.node);
      for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
        {
          row.n_received += child->last.reports[k].n_received;
          row.n_lost += child->last.reports[k].n_lost;
        }
      g_array_append_val (list, row);
    }
}

/* --- what children are told ----------------------------------------------- */

static void
send_reason (RelayOutlet *self, const RtcPath *path, guint32 subscription,
             RelayLinkType type, RelayLinkReason reason)
{
  RelayLinkMessage message = { .type = type, .subscription = subscription };

  message.refuse.reason = reason; /* bye's too: a common first member */
  relay_link_sender_send (self->sender, path, &message);
}

/* Our own place is at the end of the path that we tell. */
static gboolean
outlet_is_at_end (const RelayOutlet *self)
{
  const RelayTreeInfo *tree = &self->tree;

  return tree->n_path > 0
         && strcmp (tree->path[tree->n_path - 1], self->node_id) == 0;
}

static void
status_fill_path (const RelayOutlet *self, RelayLinkStatus *status)
{
  guint n = MIN (self->tree.n_path, RELAY_LINK_MAX_PATH);

  memcpy (status->path, self->tree.path, n * sizeof status->path[0]);
  if (!outlet_is_at_end (self) && n < RELAY_LINK_MAX_PATH)
    g_strlcpy (status->path[n++], self->node_id, sizeof status->path[0]);
  status->n_path = n;
}

void
relay_outlet_send_status (RelayOutlet *self, RelayOutletChild *child,
                          gboolean is_reply, gboolean has_info, gint64 now_us)
{
  RelayLinkMessage message = { .type = RELAY_LINK_STATUS,
                               .subscription = child->subscription };
  RelayLinkStatus *status = &message.status;

  status->is_reply = is_reply;
  status->is_live = self->is_published && self->has_tree;
  status->echo_us = is_reply ? child->last.sent_us : 0;
  status->epoch = self->tree.epoch;
  memcpy (status->publication, self->tree.id, sizeof status->publication);
  memcpy (status->first, child->first, sizeof status->first);
  memcpy (status->head, child->head, sizeof status->head);
  status_fill_path (self, status);
  if (status->is_live)
    {
      for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
        status->has_clock[k] = relay_stream_get_tree_clock (
            self->stream, k, now_us, &status->ntp[k], &status->rtp_ts[k]);
      status->has_info =
          has_info && relay_stream_get_home_info (self->stream, &status->info);
    }
  relay_link_sender_send (self->sender, &child->path, &message);
  child->sent_us = now_us;
}

static void
outlet_tell_all (RelayOutlet *self, gint64 now_us)
{
  for (guint i = 0; i < self->children->len; i++)
    relay_outlet_send_status (self, self->children->pdata[i], FALSE, TRUE,
                              now_us);
}

/* Another publication: all who are live have it from its first packet on. */
static void
outlet_restart_children (RelayOutlet *self)
{
  for (guint i = 0; i < self->children->len; i++)
    {
      RelayOutletChild *child = self->children->pdata[i];

      memcpy (child->first, self->tree.first, sizeof child->first);
      memset (child->head, 0, sizeof child->head);
    }
}

/* A child that came before the first packet, when its number was not known. */
static gboolean
outlet_learn_first (RelayOutlet *self)
{
  gboolean is_news = FALSE;

  for (guint i = 0; i < self->children->len; i++)
    {
      RelayOutletChild *child = self->children->pdata[i];

      for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
        if (child->first[k] == 0 && self->tree.first[k] != 0)
          {
            child->first[k] = self->tree.first[k];
            is_news = TRUE;
          }
    }
  return is_news;
}

void
relay_outlet_look (RelayOutlet *self, gint64 now_us)
{
  gboolean is_published = relay_stream_is_published (self->stream);
  gboolean was_live = self->is_published && self->has_tree;
  guint64 head[RTC_MEDIA_N_KINDS];
  guint8 serial = relay_stream_get_serial (self->stream);
  gboolean is_new = serial != self->serial || !self->has_tree;

  if (is_published && relay_stream_get_tree (self->stream, &self->tree, head))
    {
      self->is_published = self->has_tree = TRUE;
      self->serial = serial;
      if (is_new)
        outlet_restart_children (self);
      else
        is_new = outlet_learn_first (self);
    }
  else
    {
      self->is_published = is_published;
      /* numbers are not known yet: nothing is said till then */
      if (is_published)
        self->has_tree = FALSE;
      is_new = FALSE;
    }
  if (is_new || was_live != (self->is_published && self->has_tree))
    {
      self->n_announce =
          self->children->len > 0 ? RELAY_OUTLET_ANNOUNCE_TICKS : 0;
      if (!is_published || self->has_tree)
        outlet_tell_all (self, now_us);
    }
}

/* --- messages --------------------------------------------------------------
 */

static RelayOutletChild *
outlet_find_child (RelayOutlet *self, const RtcPath *path)
{
  for (guint i = 0; i < self->children->len; i++)
    {
      RelayOutletChild *child = self->children->pdata[i];

      if (rtc_addr_equal (&child->path.remote, &path->remote))
        return child;
    }
  return NULL;
}

/* The child is on our way to the origin; or that way is too long to tell. */
static gboolean
outlet_is_loop (const RelayOutlet *self, const char *node)
{
  const RelayTreeInfo *tree = &self->tree;

  if (strcmp (node, self->node_id) == 0
      || (tree->n_path >= RELAY_LINK_MAX_PATH && !outlet_is_at_end (self)))
    return TRUE;
  for (guint i = 0; i < MIN (tree->n_path, RELAY_LINK_MAX_PATH); i++)
    if (strcmp (node, tree->path[i]) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
outlet_refuses (RelayOutlet *self, const RelayLinkSubscribe *subscribe,
                gboolean is_new, RelayLinkReason *ret_reason)
{
  if (self->is_published && !self->has_tree)
    *ret_reason = RELAY_LINK_REASON_PENDING;
  else if (self->is_published && outlet_is_loop (self, subscribe->node))
    *ret_reason = RELAY_LINK_REASON_LOOP;
  else if (is_new && self->children->len >= self->max_children)
    *ret_reason = RELAY_LINK_REASON_FULL;
  else if (self->children->len == 0
           && !relay_feed_add_receiver (self->feed, &self->receiver))
    *ret_reason = RELAY_LINK_REASON_FULL;
  else
    return FALSE;
  return TRUE;
}

static void
outlet_on_subscribe (RelayOutlet *self, const RtcPath *path,
                     const guint8 sender[RELAY_ID_BYTES],
                     const RelayLinkMessage *message, gint64 now_us)
{
  RelayOutletChild *child = outlet_find_child (self, path);
  RelayLinkReason reason;
  gboolean is_start = child == NULL
                      || child->subscription != message->subscription
                      || memcmp (child->sender, sender, RELAY_ID_BYTES) != 0;

  if (outlet_refuses (self, &message->subscribe, child == NULL, &reason))
    {
      if (reason == RELAY_LINK_REASON_FULL)
        self->stats.n_refused_full++;
      if (child != NULL && !is_start && reason == RELAY_LINK_REASON_PENDING)
        {
          child->subscribed_us = now_us; /* it stays, and hears soon */
          return;
        }
      if (child != NULL)
        outlet_remove_child (self, child);
      send_reason (self, path, message->subscription, RELAY_LINK_REFUSE,
                   reason);
      return;
    }
  if (child == NULL)
    {
      if (self->children->len == 0)
        relay_outlet_begin_sending (self);
      child = g_new0 (RelayOutletChild, 1);
      child->next = RELAY_POS_NONE; /* nowhere yet */
      g_ptr_array_add (self->children, child);
      child->repairs_left = RELAY_OUTLET_REPAIR_BURST;
      child->repairs_us = now_us;
    }
  child->path = *path;
  memcpy (child->sender, sender, RELAY_ID_BYTES);
  child->subscription = message->subscription;
  child->last = message->subscribe;
  child->subscribed_us = now_us;
  if (is_start)
    relay_outlet_start (self, child, &message->subscribe);
  relay_outlet_send_status (self, child, TRUE, TRUE, now_us);
  if (is_start)
    relay_outlet_catch_up (self, child, RELAY_OUTLET_CATCH_UP_FIRST);
}

void
relay_outlet_on_message (RelayOutlet *self, const RtcPath *path,
                         const guint8 sender[RELAY_ID_BYTES],
                         const RelayLinkMessage *message, gint64 now_us)
{
  RelayOutletChild *child = outlet_find_child (self, path);

  relay_outlet_look (self, now_us);
  if (message->type == RELAY_LINK_SUBSCRIBE)
    outlet_on_subscribe (self, path, sender, message, now_us);
  else if (child == NULL || child->subscription != message->subscription
           || memcmp (child->sender, sender, RELAY_ID_BYTES) != 0)
    self->stats.n_unknown++;
  else if (message->type == RELAY_LINK_NACK)
    relay_outlet_repair (self, child, message, now_us);
  else if (message->type == RELAY_LINK_KEYFRAME)
    relay_feed_request_keyframe (self->feed);
  else if (message->type == RELAY_LINK_LEAVE)
    outlet_remove_child (self, child);
  relay_link_sender_flush (self->sender);
}

guint
relay_outlet_tick (RelayOutlet *self, gint64 now_us)
{
  gint64 interval_us;

  for (guint i = self->children->len; i > 0; i--)
    {
      RelayOutletChild *child = self->children->pdata[i - 1];

      if (now_us - child->subscribed_us <= RELAY_OUTLET_EXPIRY_US)
        continue;
      self->stats.n_expired++;
      outlet_remove_child (self, child);
    }
  relay_outlet_look (self, now_us);
  interval_us = self->is_published ? RELAY_OUTLET_KEEPALIVE_US
                                   : RELAY_OUTLET_IDLE_KEEPALIVE_US;
  for (guint i = 0; i < self->children->len; i++)
    {
      RelayOutletChild *child = self->children->pdata[i];

      if (self->is_published && !self->has_tree)
        break;
      if (self->n_announce > 0 || now_us - child->sent_us >= interval_us)
        relay_outlet_send_status (self, child, FALSE, self->n_announce > 0,
                                  now_us);
    }
  if (self->n_announce > 0)
    self->n_announce--;
  relay_link_sender_flush (self->sender);
  return self->children->len;
}

void
relay_outlet_leave (RelayOutlet *self, RelayLinkReason reason)
{
  while (self->children->len > 0)
    {
      RelayOutletChild *child = self->children->pdata[0];

      send_reason (self, &child->path, child->subscription, RELAY_LINK_BYE,
                   reason);
      outlet_remove_child (self, child);
    }
  relay_link_sender_flush (self->sender);
}
