/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publication's numbers in the tree; see "The tree" in stream.h. A stream's
 * own numbers go on over publications, the tree's belong to one: an offset for
 * each kind holds as long as the publication does. Of the last publications
 * the stream keeps what their records need.
 */
#include "relay/stream-private.h"

#include <string.h>

/* An origin whose own numbers lie below what the tree has had jumps so far
 * ahead: others may have seen more than the directory knew. */
#define JUMP G_GUINT64_CONSTANT (65536)

static RelayTree *
tree_of (RelayStream *stream, guint8 serial)
{
  RelayTree *tree = &stream->trees[serial % RELAY_STREAM_TREES];

  return tree->is_used && tree->serial == serial ? tree : NULL;
}

void
relay_stream_clear_trees (RelayStream *self)
{
  for (guint i = 0; i < RELAY_STREAM_TREES; i++)
    g_clear_pointer (&self->trees[i].media, relay_link_media_unref);
}

/* --- where numbers begin ------------------------------------------------- */

static void
track_map_origin (RelayTreeTrack *track, guint64 floor)
{
  guint64 begin = (floor + JUMP - 1) / JUMP * JUMP + JUMP;

  if (track->is_mapped)
    return;
  track->is_mapped = TRUE;
  track->offset = track->first > floor ? 0 : begin - track->first;
}

/* @first: the tree's number of the first packet; 0 = not known yet */
static void
track_map_link (RelayTreeTrack *track, const RelayTrack *own, guint64 first)
{
  if (track->last != 0)
    return;
  if (own->highest == 0) /* nobody has seen other numbers here */
    {
      track->is_mapped = TRUE;
      track->first = first;
    }
  else if (first != 0)
    {
      track->is_mapped = TRUE;
      track->first = relay_track_get_next (own);
      track->offset = first - track->first;
    }
}

static void
publish_numbers (RelayStream *stream, RtcMediaKind kind,
                 const RelayTreeTrack *track)
{
  const RelayTrack *own = &stream->tracks[kind];

  __atomic_store_n (&stream->tree_numbers[kind], track->last + track->offset,
                    __ATOMIC_RELAXED);
  __atomic_store_n (&stream->tree_ts[kind], own->highest_ts - track->ts_offset,
                    __ATOMIC_RELAXED);
}

static void
publication_apply_tree (RelayPublication *self)
{
  RelayStream *stream = self->stream;
  RelayTree *tree = tree_of (stream, self->serial);

  if (tree->media == NULL)
    tree->media = relay_link_media_ref (self->tree.media);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      RelayTreeTrack *track = &tree->tracks[k];

      if (!self->info.tracks[k].is_present)
        continue;
      if (self->is_link)
        track_map_link (track, &stream->tracks[k], self->tree.first[k]);
      else
        track_map_origin (track, self->tree.first[k]);
      if (track->last != 0)
        publish_numbers (stream, k, track);
    }
}

void
relay_stream_begin_tree (RelayStream *self, RelayPublication *publication)
{
  guint8 serial = ++self->serial;
  RelayTree *tree = &self->trees[serial % RELAY_STREAM_TREES];

  publication->serial = serial;
  g_clear_pointer (&tree->media, relay_link_media_unref);
  memset (tree, 0, sizeof *tree);
  tree->is_used = TRUE;
  tree->serial = serial;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      tree->tracks[k].codec = publication->info.tracks[k].codec;
      if (!publication->is_link)
        tree->tracks[k].first = relay_track_get_next (&self->tracks[k]);
      __atomic_store_n (&self->tree_numbers[k], 0, __ATOMIC_RELAXED);
      __atomic_store_n (&self->tree_ts[k], 0, __ATOMIC_RELAXED);
      relay_transit_reset (&self->transits[k]);
    }
  if (publication->has_tree)
    publication_apply_tree (publication);
}

void
relay_stream_note_tree (RelayStream *self, const RelayPacket *packet,
                        RelayTrackResult result)
{
  RelayTree *tree = tree_of (self, packet->publication);
  RelayTreeTrack *track = &tree->tracks[packet->kind];

  if (result != RELAY_TRACK_NEXT)
    return;
  track->last = packet->ext_seq;
  if (tree->media == NULL)
    return;
  publish_numbers (self, packet->kind, track);
  relay_transit_add (&self->transits[packet->kind],
                     packet->rtp_ts - track->ts_offset,
                     rtc_codec_clock_hz (track->codec), packet->recv_us);
}

void
relay_publication_set_tree (RelayPublication *self, const RelayTreeInfo *tree)
{
  RelayTreeInfo old = self->tree;

  if (!self->has_begun && !self->has_tree)
    {
      self->is_link = TRUE;
      memcpy (self->id, tree->id, sizeof self->id);
    }
  if (memcmp (self->id, tree->id, sizeof self->id) != 0)
    return;
  self->tree = *tree;
  if (old.media == NULL)
    relay_link_media_ref (self->tree.media);
  else
    self->tree.media = old.media;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (old.first[k] != 0)
      self->tree.first[k] = old.first[k];
  self->tree.n_path = MIN (tree->n_path, G_N_ELEMENTS (tree->path));
  self->has_tree = TRUE;
  if (self->stream->current == self)
    publication_apply_tree (self);
}

/* --- what comes by a link ------------------------------------------------ */

/* As at the origin: nobody can show video before its first keyframe. Its
 * parameter sets may come after it, when the network reorders. */
static gboolean
publication_pass_gate (RelayPublication *self, guint64 tree_seq, guint8 flags,
                       gint64 now_us)
{
  gboolean is_key = flags & (RELAY_PACKET_KEYFRAME | RELAY_PACKET_PARAMS);

  if (self->is_video_open && tree_seq >= self->gate_seq)
    return TRUE;
  if (is_key)
    {
      self->is_video_open = TRUE;
      self->gate_seq = tree_seq;
    }
  else if (!self->is_video_open)
    relay_stream_want_keyframe (self->stream, now_us);
  return is_key;
}

/* Before the first, or so long ago that the log has let it go. */
static gboolean
track_is_too_old (const RelayTreeTrack *track, guint64 ext_seq)
{
  return (gint64)(ext_seq - track->first) < 0
         || ext_seq + RELAY_HISTORY_MAX_PACKETS <= track->last;
}

gboolean
relay_publication_push_tree (RelayPublication *self, RtcMediaKind kind,
                             guint64 tree_seq, guint32 rtp_ts, guint8 flags,
                             const guint8 *ext, guint ext_len,
                             const guint8 *payload, guint payload_len,
                             gboolean is_repair, gint64 now_us)
{
  RelayStream *stream = self->stream;
  RelayTree *tree = tree_of (stream, self->serial);
  RelayTrack *own = &stream->tracks[kind];
  guint32 old_ts = own->highest_ts;
  guint64 old_highest = own->highest;
  RelayTreeTrack *track;
  RelayTrackResult result;
  RelayPacket packet = { .kind = (guint8)kind,
                         .ext_len = (guint8)ext_len,
                         .payload_len = (guint16)payload_len };

  if (stream->current != self || !self->is_link || tree_seq == 0
      || !self->info.tracks[kind].is_present || ext_len > 255
      || payload_len > RTC_MAX_PACKET_BYTES)
    return FALSE;
  if (kind == RTC_MEDIA_VIDEO
      && !publication_pass_gate (self, tree_seq, flags, now_us))
    return FALSE;
  track = &tree->tracks[kind];
  /* nothing is in yet: it may begin before what the first answer said, when
   * another parent has the GOP */
  if (!track->is_mapped
      || (track->last == 0
          && (gint64)(tree_seq - track->offset - track->first) < 0))
    track_map_link (track, own, tree_seq);
  packet.ext_seq = tree_seq - track->offset;
  if (track->first == 0)
    track->first = packet.ext_seq;
  if (track_is_too_old (track, packet.ext_seq)
      || relay_publication_has_tree (self, kind, tree_seq))
    return FALSE;
  packet.flags =
      flags
      & (RELAY_PACKET_MARKER | RELAY_PACKET_KEYFRAME | RELAY_PACKET_PARAMS);
  if (kind == RTC_MEDIA_VIDEO && (flags & RELAY_PACKET_PARAMS)
      && self->info.tracks[kind].codec == RTC_CODEC_H264)
    relay_publication_keep_params (self, payload, payload_len);
  result =
      relay_track_put (own, packet.ext_seq, rtp_ts, now_us, &packet.rtp_ts);
  track->ts_offset = own->ts_offset;
  if (result == RELAY_TRACK_NEXT && kind == RTC_MEDIA_VIDEO && old_highest != 0
      && (gint32)(packet.rtp_ts - old_ts) < 0)
    RELAY_STAT_ADD (stream, n_b_frames, 1);
  return relay_publication_store (self, &packet, result, ext, payload,
                                  is_repair, now_us);
}

gboolean
relay_publication_has_tree (RelayPublication *self, RtcMediaKind kind,
                            guint64 tree_seq)
{
  RelayStream *stream = self->stream;
  RelayFeed *feed = relay_stream_get_feed (stream, stream->home);
  RelayTree *tree = tree_of (stream, self->serial);
  const RelayTreeTrack *track;

  if (tree == NULL || stream->current != self)
    return FALSE;
  track = &tree->tracks[kind];
  return track->is_mapped && track->last != 0
         && (track_is_too_old (track, tree_seq - track->offset)
             || relay_history_find (feed->history, kind,
                                    tree_seq - track->offset)
                    != NULL);
}

/* --- what goes to links -------------------------------------------------- */

gboolean
relay_stream_is_published (RelayStream *self)
{
  return self->current != NULL;
}

gboolean
relay_stream_is_linked (RelayStream *self)
{
  return self->current != NULL && self->current->is_link;
}

guint8
relay_stream_get_serial (RelayStream *self)
{
  return self->serial;
}

gboolean
relay_stream_get_home_info (RelayStream *self, RelayStreamInfo *ret)
{
  if (self->has_home_info)
    *ret = self->home_info;
  return self->has_home_info;
}

gboolean
relay_stream_get_tree (RelayStream *self, RelayTreeInfo *ret,
                       guint64 ret_head[RTC_MEDIA_N_KINDS])
{
  RelayPublication *current = self->current;
  const RelayTree *tree;

  if (current == NULL || !current->has_tree)
    return FALSE;
  tree = tree_of (self, current->serial);
  *ret = current->tree;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      const RelayTreeTrack *track = &tree->tracks[k];

      ret->first[k] = current->info.tracks[k].is_present && track->first != 0
                              && track->is_mapped
                          ? track->first + track->offset
                          : 0;
      ret_head[k] = track->last != 0 ? track->last + track->offset : 0;
    }
  return TRUE;
}

RelayTreeResult
relay_stream_get_packet_tree (RelayStream *self, const RelayPacket *packet,
                              RelayLinkMedia **ret_media, RtcCodec *ret_codec,
                              guint64 *ret_tree_seq, guint32 *ret_rtp_ts)
{
  const RelayTree *tree = tree_of (self, packet->publication);
  const RelayTreeTrack *track;

  if (tree == NULL)
    return RELAY_TREE_GONE;
  track = &tree->tracks[packet->kind];
  if (packet->ext_seq < track->first)
    return RELAY_TREE_GONE; /* of another one, 256 publications ago */
  if (tree->media == NULL)
    return self->current != NULL && self->current->serial == tree->serial
               ? RELAY_TREE_PENDING
               : RELAY_TREE_GONE;
  *ret_media = tree->media;
  *ret_codec = track->codec;
  *ret_tree_seq = packet->ext_seq + track->offset;
  *ret_rtp_ts = packet->rtp_ts - track->ts_offset;
  return RELAY_TREE_KNOWN;
}

gboolean
relay_stream_get_tree_clock (RelayStream *self, RtcMediaKind kind,
                             gint64 now_us, guint64 *ret_ntp,
                             guint32 *ret_rtp_ts)
{
  RelayTree *tree = tree_of (self, self->serial);

  if (tree == NULL
      || !relay_feed_get_clock (relay_stream_get_feed (self, self->home), kind,
                                now_us, ret_ntp, ret_rtp_ts))
    return FALSE;
  *ret_rtp_ts -= tree->tracks[kind].ts_offset;
  return TRUE;
}

const RelayPacket *
relay_stream_find_tree (RelayStream *self, RtcMediaKind kind, guint64 tree_seq)
{
  RelayFeed *feed = relay_stream_get_feed (self, self->home);

  for (guint i = 0; i < RELAY_STREAM_TREES; i++)
    {
      guint8 serial = (guint8)(self->serial - i);
      const RelayTree *tree = tree_of (self, serial);
      const RelayTreeTrack *track;
      const RelayPacket *packet;

      if (tree == NULL || tree->media == NULL || !tree->tracks[kind].is_mapped)
        continue;
      track = &tree->tracks[kind];
      packet =
          relay_history_find (feed->history, kind, tree_seq - track->offset);
      if (packet != NULL && packet->publication == serial)
        return packet;
    }
  return NULL;
}

/* --- main ------------------------------------------------------------------
 */

typedef struct
{
  RelayStream *stream; /* one reference */
  RelayTreeInfo tree;  /* its media: one reference */
} TreeMail;

static void
tree_mail_free (gpointer data)
{
  TreeMail *mail = data;

  relay_link_media_unref (mail->tree.media);
  relay_stream_unref (mail->stream);
  g_free (mail);
}

/* home */
static void
tree_arrive (gpointer data)
{
  TreeMail *mail = data;
  RelayPublication *current = mail->stream->current;

  if (current != NULL && !current->is_link)
    relay_publication_set_tree (current, &mail->tree);
  tree_mail_free (mail);
}

void
relay_stream_post_tree (RelayStream *self, const RelayTreeInfo *tree)
{
  TreeMail *mail = g_new (TreeMail, 1);

  mail->stream = relay_stream_ref (self);
  mail->tree = *tree;
  relay_link_media_ref (mail->tree.media);
  rtc_worker_post (self->home, tree_arrive, mail, tree_mail_free);
}

void
relay_stream_get_numbers (RelayStream *self,
                          guint64 ret_ext_seq[RTC_MEDIA_N_KINDS],
                          guint32 ret_rtp_ts[RTC_MEDIA_N_KINDS])
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      ret_ext_seq[k] =
          __atomic_load_n (&self->tree_numbers[k], __ATOMIC_RELAXED);
      ret_rtp_ts[k] = __atomic_load_n (&self->tree_ts[k], __ATOMIC_RELAXED);
    }
}

gboolean
relay_stream_get_transit (RelayStream *self, RtcMediaKind kind,
                          gint64 clock_offset_us, guint32 *ret_units,
                          guint *ret_clock_hz)
{
  const RelayTrackInfo *info = &self->info.tracks[kind];

  if (!self->has_info || !info->is_present)
    return FALSE;
  *ret_clock_hz = rtc_codec_clock_hz (info->codec);
  return relay_transit_get (&self->transits[kind], *ret_clock_hz,
                            clock_offset_us, ret_units);
}
