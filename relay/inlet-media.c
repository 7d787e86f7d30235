/* SPDX-License-Identifier: Apache-2.0 */
/* RelayInlet: packets of all parents become one stream; the first copy wins. */
#include "relay/inlet-private.h"

#include <string.h>

#include "base/clock.h"
#include "relay/log.h"

#define MAX_TRANSIT_S 10 /* a jump beyond it is no jitter */

static InletParent *
find_parent (RelayInlet *self, const RtcAddr *address)
{
  for (guint i = 0; i < self->n_parents; i++)
    if (rtc_addr_equal (&self->parents[i]->parent.address, address))
      return self->parents[i];
  return NULL;
}

/* RFC 3550 A.8, of the kind that comes evenly: audio where there is any. */
static void
parent_note_jitter (RelayInlet *self, InletParent *parent, RtcMediaKind kind,
                    guint32 rtp_ts, gint64 now_us)
{
  const RelayTrackInfo *audio = &self->info.tracks[RTC_MEDIA_AUDIO];
  guint32 hz = kind == RTC_MEDIA_AUDIO ? 48000 : 90000;
  guint32 arrival, transit, d;

  if (kind != (audio->is_present ? RTC_MEDIA_AUDIO : RTC_MEDIA_VIDEO))
    return;
  arrival = (guint32)(now_us / BASE_US_PER_S * hz
                      + now_us % BASE_US_PER_S * hz / BASE_US_PER_S);
  transit = arrival - rtp_ts;
  d = (guint32)ABS ((gint32)(transit - parent->last_transit));
  if (parent->has_transit && d < hz * MAX_TRANSIT_S)
    {
      parent->jitter += d - ((parent->jitter + 8) >> 4);
      parent->jitter_us =
          (guint32)((guint64)(parent->jitter >> 4) * BASE_US_PER_S / hz);
    }
  parent->last_transit = transit;
  parent->has_transit = TRUE;
}

/* What this parent passed by, before repair. */
static void
parent_note_number (RelayInlet *self, InletParent *parent, RtcMediaKind kind,
                    guint64 tree_seq, const guint8 *data, gboolean was_asked,
                    gint64 now_us)
{
  guint64 highest = parent->highest[kind];
  guint64 next = highest != 0 ? highest + 1 : parent->first[kind];
  guint32 rtp_ts;

  parent->n_received[kind]++;
  if (was_asked)
    return;
  if (highest != 0 && tree_seq <= highest)
    {
      if (parent->n_lost > 0)
        parent->n_lost--; /* reordered */
      return;
    }
  if (next != 0 && tree_seq > next)
    parent->n_lost += tree_seq - next;
  parent->highest[kind] = tree_seq;
  parent->passed[kind] = MAX (parent->passed[kind], tree_seq + 1);
  memcpy (&rtp_ts, data + 4, sizeof rtp_ts);
  parent_note_jitter (self, parent, kind, g_ntohl (rtp_ts), now_us);
}

static guint8
get_flags (const RelayLinkPacket *packet)
{
  return (guint8)((packet->marker ? RELAY_PACKET_MARKER : 0)
                  | (packet->is_keyframe ? RELAY_PACKET_KEYFRAME : 0)
                  | (packet->has_params ? RELAY_PACKET_PARAMS : 0));
}

/* What video there was before the packet that opens it was let go: it is
 * missing after all. */
static void
note_gate (RelayInlet *self, const RelayLinkPacket *packet, guint64 tree_seq)
{
  if (packet->kind != RTC_MEDIA_VIDEO
      || !(packet->is_keyframe || packet->has_params))
    return;
  if (self->is_video_open && tree_seq >= self->gate)
    return;
  self->is_video_open = TRUE;
  self->gate = tree_seq;
  self->is_keyframe_wanted = FALSE;
  self->checked[RTC_MEDIA_VIDEO] =
      MIN (self->checked[RTC_MEDIA_VIDEO], tree_seq + 1);
}

static void
take_packet (RelayInlet *self, InletParent *parent,
             const RelayLinkPacket *packet, guint64 tree_seq,
             gboolean was_asked, gint64 now_us)
{
  RelayInletStats *stats = &self->stats;
  gboolean is_new = relay_publication_push_tree (
      self->publication, packet->kind, tree_seq, packet->rtp_ts,
      get_flags (packet), packet->ext, packet->ext_len, packet->payload,
      packet->payload_len, was_asked, now_us);

  if (!is_new)
    return;
  note_gate (self, packet, tree_seq);
  parent->n_first++;
  parent->n_firsts[packet->kind]++;
  stats->n_packets++;
  stats->n_repaired += was_asked;
  parent->n_repaired += was_asked;
  if (self->has_media)
    stats->max_gap_us = MAX (stats->max_gap_us, now_us - self->media_us);
  self->has_media = TRUE;
  self->media_us = now_us;
}

static void
on_media (RelayInlet *self, InletParent *parent, guint8 *data, gsize len,
          gint64 now_us)
{
  RelayLinkPacket packet;
  gboolean was_asked;
  RtcMediaKind kind;
  guint64 tree_seq;

  if (!relay_link_media_peek (self->tree.media, data, len, self->known, &kind,
                              &tree_seq)
      || !self->info.tracks[kind].is_present)
    {
      self->stats.n_bad++;
      inlet_parent_hurry (self, parent, now_us); /* which publication is it? */
      return;
    }
  if (self->known[kind] == 0)
    {
      inlet_parent_hurry (self, parent, now_us); /* where are its numbers? */
      return;
    }
  if (relay_publication_has_tree (self->publication, kind, tree_seq))
    {
      parent->heard_us = now_us;
      parent->n_packets++;
      self->stats.n_duplicates++;
      parent_note_number (self, parent, kind, tree_seq, data, FALSE, now_us);
      return;
    }
  if (!relay_link_media_open (self->tree.media, data, len, tree_seq, &packet))
    {
      self->stats.n_bad++;
      return;
    }
  parent->heard_us = now_us;
  parent->n_packets++;
  inlet_note_number (self, kind, tree_seq, now_us, &was_asked);
  parent_note_number (self, parent, kind, tree_seq, data, was_asked, now_us);
  take_packet (self, parent, &packet, tree_seq, was_asked, now_us);
  inlet_find_holes (self, now_us);
}

void
inlet_on_packet (RtcInput *input, const RtcPath *path, guint8 *data, gsize len,
                 gint64 now_us, gpointer user_data)
{
  RelayInlet *self = user_data;
  InletParent *parent = find_parent (self, &path->remote);

  if (self->is_stopped)
    return;
  if (parent == NULL || len < 12)
    self->stats.n_bad++;
  else if (data[0] == 'M')
    inlet_parent_on_control (self, parent, data, len, now_us);
  else if (self->publication != NULL)
    on_media (self, parent, data, len, now_us);
  else
    inlet_parent_hurry (self, parent, now_us);
}
