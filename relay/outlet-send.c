/* SPDX-License-Identifier: Apache-2.0 */
/* RelayOutlet: media to children: bursts, cursors and repairs. */
#include "relay/outlet-private.h"

#define BURST_PACKETS 64

typedef struct
{
  const guint8 *data;
  gsize len;
  RtcMediaKind kind;
  guint64 tree_seq;
  gboolean is_current; /* of the publication that STATUS tells of */
} Sealed;

typedef enum
{
  SEALED,
  SKIP, /* nobody can have it any more */
  WAIT, /* its publication's numbers are not known yet */
  FULL, /* flush first */
} SealResult;

static SealResult
outlet_seal (RelayOutlet *self, const RelayPacket *packet, Sealed *ret)
{
  RelayLinkPacket link = { .kind = packet->kind };
  RelayLinkMedia *media;

  switch (relay_stream_get_packet_tree (
      self->stream, packet, &media, &link.codec, &link.ext_seq, &link.rtp_ts))
    {
    case RELAY_TREE_KNOWN:
      break;
    case RELAY_TREE_PENDING:
      return WAIT;
    case RELAY_TREE_GONE:
      return SKIP;
    }
  link.marker = (packet->flags & RELAY_PACKET_MARKER) != 0;
  link.is_keyframe = (packet->flags & RELAY_PACKET_KEYFRAME) != 0;
  link.has_params = (packet->flags & RELAY_PACKET_PARAMS) != 0;
  link.ext = relay_packet_get_ext (packet);
  link.ext_len = packet->ext_len;
  link.payload = packet->payload;
  link.payload_len = packet->payload_len;
  ret->data = relay_link_sender_seal (self->sender, media, &link, &ret->len);
  if (ret->data == NULL)
    return FULL;
  ret->kind = link.kind;
  ret->tree_seq = link.ext_seq;
  ret->is_current = packet->publication == self->serial;
  return SEALED;
}

static void
child_send (RelayOutlet *self, RelayOutletChild *child, const Sealed *sealed,
            guint n_sealed)
{
  for (guint i = 0; i < n_sealed; i++)
    {
      const Sealed *s = &sealed[i];

      relay_link_sender_queue (self->sender, &child->path, s->data, s->len);
      if (s->is_current)
        child->head[s->kind] = MAX (child->head[s->kind], s->tree_seq);
      child->n_bytes += s->len;
      self->stats.n_bytes += s->len;
      self->stats.n_packets[s->kind]++;
    }
  child->n_packets += n_sealed;
  if (n_sealed > 0)
    child->sent_us =
        rtc_worker_get_turn_us (relay_stream_get_home (self->stream));
}

/* Seals positions from @pos on, up to @to.
 * Returns: the first that is not among them */
static guint64
outlet_seal_burst (RelayOutlet *self, guint64 pos, guint64 to, Sealed *sealed,
                   guint *ret_n, gboolean *ret_is_waiting)
{
  *ret_n = 0;
  *ret_is_waiting = FALSE;
  for (; pos < to && *ret_n < BURST_PACKETS; pos++)
    switch (
        outlet_seal (self, relay_feed_at (self->feed, pos), &sealed[*ret_n]))
      {
      case SEALED:
        ++*ret_n;
        break;
      case SKIP:
        break;
      case WAIT:
        *ret_is_waiting = TRUE;
        return pos;
      case FULL:
        return pos;
      }
  return pos;
}

/* Pacing serves cursors, and what waits for its publication's numbers. */
static void
outlet_set_pacing (RelayOutlet *self)
{
  gboolean is_behind =
      self->held_us == 0 && self->live < relay_feed_get_head (self->feed);

  for (guint i = 0; i < self->children->len && !is_behind; i++)
    is_behind =
        ((RelayOutletChild *)self->children->pdata[i])->next < self->live;
  relay_feed_set_pacing (self->feed, &self->receiver, is_behind);
}

/* --- live -------------------------------------------------------------------
 */

/* What fell off the log is nobody's any more. */
static void
outlet_follow_tail (RelayOutlet *self)
{
  guint64 tail = relay_feed_get_tail (self->feed);

  self->live = MAX (self->live, tail);
  for (guint i = 0; i < self->children->len; i++)
    {
      RelayOutletChild *child = self->children->pdata[i];

      child->next = MAX (child->next, tail);
    }
}

void
relay_outlet_send_live (RelayOutlet *self)
{
  guint64 head = relay_feed_get_head (self->feed), end;
  gboolean is_waiting = FALSE;
  Sealed sealed[BURST_PACKETS];
  guint n;

  self->held_us = 0;
  if (self->gather != NULL)
    g_source_set_ready_time (self->gather, -1);
  outlet_follow_tail (self);
  for (; self->live < head && !is_waiting; self->live = end)
    {
      end = outlet_seal_burst (self, self->live, head, sealed, &n, &is_waiting);
      for (guint i = 0; i < self->children->len; i++)
        {
          RelayOutletChild *child = self->children->pdata[i];

          if (child->next != self->live)
            continue;
          child_send (self, child, sealed, n);
          child->next = end;
        }
      relay_link_sender_flush (self->sender);
    }
  outlet_set_pacing (self);
}

static gboolean
outlet_on_gather (gpointer data)
{
  RelayOutlet *self = data;

  g_clear_pointer (&self->gather, g_source_unref);
  relay_outlet_send_live (self);
  return G_SOURCE_REMOVE;
}

/* An encoder's frame comes packet by packet to a worker that is idle. By links
 * it comes as the origin sent it. */
static gboolean
outlet_must_gather (const RelayOutlet *self, gint64 now_us)
{
  guint64 head = relay_feed_get_head (self->feed);
  const RelayPacket *last = relay_feed_at (self->feed, head - 1);

  return last->kind == RTC_MEDIA_VIDEO
         && !(last->flags & (RELAY_PACKET_MARKER | RELAY_PACKET_LATE))
         && head - self->live < RELAY_OUTLET_GATHER_PACKETS
         && !relay_stream_is_linked (self->stream)
         && (self->held_us == 0 || now_us - self->held_us < self->gather_us);
}

static void
outlet_hold (RelayOutlet *self, gint64 now_us)
{
  if (self->held_us != 0)
    return;
  self->held_us = now_us;
  if (self->gather != NULL)
    g_source_set_ready_time (self->gather, now_us + self->gather_us);
  else
    self->gather =
        rtc_worker_add_timer (relay_stream_get_home (self->stream),
                              self->gather_us, outlet_on_gather, self);
}

void
relay_outlet_on_packets (RelayReceiver *receiver, RelayFeed *feed, guint64 from,
                         guint64 to)
{
  RelayOutlet *self = (RelayOutlet *)receiver;
  gint64 now_us = rtc_worker_get_turn_us (relay_stream_get_home (self->stream));

  relay_outlet_look (self, now_us);
  if (outlet_must_gather (self, now_us))
    outlet_hold (self, now_us);
  else
    relay_outlet_send_live (self);
}

void
relay_outlet_begin_sending (RelayOutlet *self)
{
  self->live = relay_feed_get_head (self->feed);
  self->held_us = 0;
}

void
relay_outlet_end_sending (RelayOutlet *self)
{
  self->held_us = 0;
  if (self->gather == NULL)
    return;
  g_source_destroy (self->gather);
  g_clear_pointer (&self->gather, g_source_unref);
}

/* --- cursors ---------------------------------------------------------------
 */

static gboolean
child_wants (const RelayOutletChild *child, const Sealed *sealed)
{
  return child->last.start != RELAY_LINK_START_FROM
         || sealed->tree_seq >= child->from[sealed->kind];
}

void
relay_outlet_catch_up (RelayOutlet *self, RelayOutletChild *child,
                       guint max_packets)
{
  guint n_sent = 0;

  child->next = MAX (child->next, relay_feed_get_tail (self->feed));
  while (child->next < self->live && n_sent < max_packets)
    {
      Sealed sealed;

      switch (
          outlet_seal (self, relay_feed_at (self->feed, child->next), &sealed))
        {
        case SEALED:
          if (child_wants (child, &sealed))
            {
              child_send (self, child, &sealed, 1);
              n_sent++;
            }
          break;
        case SKIP:
          break;
        case WAIT:
          return;
        case FULL:
          relay_link_sender_flush (self->sender);
          continue;
        }
      child->next++;
    }
}

void
relay_outlet_on_pace (RelayReceiver *receiver, RelayFeed *feed, gint64 now_us)
{
  RelayOutlet *self = (RelayOutlet *)receiver;

  relay_outlet_look (self, now_us);
  if (self->held_us == 0)
    relay_outlet_send_live (self);
  for (guint i = 0; i < self->children->len; i++)
    relay_outlet_catch_up (self, self->children->pdata[i],
                           RELAY_OUTLET_CATCH_UP_PACKETS);
  relay_link_sender_flush (self->sender);
  outlet_set_pacing (self);
}

/* The tree's number of a record of the publication that is told of, else 0 */
static guint64
outlet_number_at (RelayOutlet *self, guint64 pos, RtcMediaKind *ret_kind)
{
  const RelayPacket *packet = relay_feed_at (self->feed, pos);
  RelayLinkMedia *media;
  RtcCodec codec;
  guint64 tree_seq;
  guint32 rtp_ts;

  if (relay_stream_get_packet_tree (self->stream, packet, &media, &codec,
                                    &tree_seq, &rtp_ts)
      != RELAY_TREE_KNOWN)
    return 0;
  *ret_kind = packet->kind;
  return tree_seq;
}

/* The first position whose number is not below @from; the log is in order of
 * arrival, so all of it is looked at. */
static guint64
outlet_find_from (RelayOutlet *self, const guint64 from[RTC_MEDIA_N_KINDS])
{
  guint64 head = relay_feed_get_head (self->feed);

  for (guint64 pos = relay_feed_get_tail (self->feed); pos < head; pos++)
    {
      RtcMediaKind kind = RTC_MEDIA_AUDIO;
      guint64 number = outlet_number_at (self, pos, &kind);

      if (number != 0 && from[kind] != 0 && number >= from[kind])
        return pos;
    }
  return head;
}

static guint64
outlet_find_gop (RelayOutlet *self)
{
  guint64 head = relay_feed_get_head (self->feed);
  guint64 gop = relay_feed_get_gop_start (self->feed);

  /* what this turn will bring comes to the child as to all others */
  if (gop != RELAY_POS_NONE
      && relay_feed_at (self->feed, gop)->publication == self->serial)
    return MIN (gop, head);
  relay_feed_request_keyframe (self->feed);
  return head;
}

/* Where the child's numbers begin, per kind: at its cursor, else after the
 * last that was sent to others. */
static void
outlet_find_first (RelayOutlet *self, RelayOutletChild *child)
{
  guint64 head = relay_feed_get_head (self->feed);
  guint64 last[RTC_MEDIA_N_KINDS];
  RelayTreeInfo tree;

  memset (child->first, 0, sizeof child->first);
  memset (child->head, 0, sizeof child->head);
  for (guint64 pos = child->next; pos < head; pos++)
    {
      RtcMediaKind kind = RTC_MEDIA_AUDIO;
      guint64 number = outlet_number_at (self, pos, &kind);

      if (relay_feed_at (self->feed, pos)->publication == self->serial
          && number >= child->from[kind] && child->first[kind] == 0)
        child->first[kind] = number;
      if (child->first[RTC_MEDIA_AUDIO] != 0
          && child->first[RTC_MEDIA_VIDEO] != 0)
        return;
    }
  if (!relay_stream_get_tree (self->stream, &tree, last))
    return;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (child->first[k] == 0)
      child->first[k] = last[k] != 0 ? last[k] + 1 : tree.first[k];
}

void
relay_outlet_start (RelayOutlet *self, RelayOutletChild *child,
                    const RelayLinkSubscribe *subscribe)
{
  gboolean has_from = subscribe->from[RTC_MEDIA_AUDIO] != 0
                      || subscribe->from[RTC_MEDIA_VIDEO] != 0;

  memset (child->from, 0, sizeof child->from);
  relay_outlet_send_live (self); /* so that live is the feed's head */
  child->next = relay_feed_get_head (self->feed);
  if (self->is_published && subscribe->start != RELAY_LINK_START_LIVE)
    {
      if (subscribe->start == RELAY_LINK_START_FROM && has_from)
        {
          memcpy (child->from, subscribe->from, sizeof child->from);
          child->next = outlet_find_from (self, child->from);
        }
      else
        child->next = outlet_find_gop (self);
    }
  outlet_find_first (self, child);
  outlet_set_pacing (self);
}

/* --- repairs ---------------------------------------------------------------
 */

static gboolean
child_take_repair (RelayOutletChild *child, gint64 now_us)
{
  gint64 elapsed_us = MAX (now_us - child->repairs_us, 0);
  guint64 n_new = (guint64)MIN (elapsed_us, G_USEC_PER_SEC)
                  * RELAY_OUTLET_REPAIR_RATE / G_USEC_PER_SEC;

  if (n_new > 0)
    {
      child->repairs_left =
          MIN (RELAY_OUTLET_REPAIR_BURST, child->repairs_left + (guint)n_new);
      child->repairs_us = now_us;
    }
  if (child->repairs_left == 0)
    return FALSE;
  child->repairs_left--;
  return TRUE;
}

static void
outlet_repair_one (RelayOutlet *self, RelayOutletChild *child,
                   RtcMediaKind kind, guint64 tree_seq)
{
  const RelayPacket *packet =
      relay_stream_find_tree (self->stream, kind, tree_seq);
  Sealed sealed;
  SealResult result = SKIP;

  if (packet != NULL)
    result = outlet_seal (self, packet, &sealed);
  if (result == FULL)
    {
      relay_link_sender_flush (self->sender);
      result = outlet_seal (self, packet, &sealed);
    }
  if (result != SEALED)
    {
      self->stats.n_repairs_missing++;
      return;
    }
  child_send (self, child, &sealed, 1);
  child->n_repairs++;
  self->stats.n_repairs++;
}

void
relay_outlet_repair (RelayOutlet *self, RelayOutletChild *child,
                     const RelayLinkMessage *message, gint64 now_us)
{
  for (guint i = 0; i < message->nack.n_ranges; i++)
    {
      const RelayLinkNackRange *range = &message->nack.ranges[i];

      for (guint n = 0; n < range->n_packets; n++)
        {
          if (!child_take_repair (child, now_us))
            {
              self->stats.n_repairs_limited += range->n_packets - n;
              break;
            }
          outlet_repair_one (self, child, range->kind, range->first + n);
        }
    }
  relay_link_sender_flush (self->sender);
}
