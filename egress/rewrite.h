/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressRewrite: what one viewer's track needs beyond a constant offset of
 * number and timestamp: after a change of source timestamps, picture ids and
 * frame numbers that go on where the last source's ended; and layers left out.
 * Most viewers never have one.
 *   Everything a packet becomes follows from the packet, so that a repair has
 * the same bytes. Where layers change it does not: who sends forgets what went
 * before (take_change).
 *   Left out packets leave no hole: the EGRESS_REWRITE_N_DROPS last of them are
 * remembered, numbers before and behind each are counted back over them. One
 * that came late, when its place was already kept free, is sent empty.
 * Owner:  EgressTrack. Thread: media.
 */
#pragma once

#include "relay/packet.h"
#include "rtc/descriptor.h"

#define EGRESS_REWRITE_N_DROPS 1024
#define EGRESS_REWRITE_ALL_LAYERS 7
#define EGRESS_REWRITE_MAX_HEAD 8 /* bytes of a payload that change */

/* where a track was left: what the next source goes on from */
typedef struct
{
  gboolean is_known;
  guint64 ext_seq;
  guint32 rtp_ts; /* as the viewer got it, like the rest */
  gint64 at_us;   /* when it came here, or would have with this timestamp */
  guint16 picture_id, frame_number;
  guint8 tl0;
} EgressLast;

/* where the next source begins */
typedef struct
{
  const RelayPacket *first; /* of the picture it begins with */
  guint32 head_rtp_ts; /* the newest's: it goes on in real time from there */
  gint64 head_us;
} EgressBegin;

typedef struct
{
  guint n_before; /* packets left out before it */
  guint32 rtp_ts; /* of the source's clock, before the track's offset */
  gboolean marker, is_empty;
  guint8 head[EGRESS_REWRITE_MAX_HEAD]; /* instead of the payload's own */
  guint head_len;
} EgressEdit;

typedef struct _EgressRewrite EgressRewrite;

/* @highest_ext_seq: it and all before it have gone, or have a number; 0: none
 */
EgressRewrite *egress_rewrite_new (RtcCodec codec, guint64 highest_ext_seq);
void egress_rewrite_free (EgressRewrite *self);

/* egress_rewrite_splice: another source begins. Timestamps go on in real time
 * for the newest packet; the older ones of its GOP are squeezed in between.
 * @ret_ts_offset: (out): of the track from now on */
void egress_rewrite_splice (EgressRewrite *self, const EgressLast *last,
                            const EgressBegin *begin, guint32 *ret_ts_offset);
/* numbers begin again: nothing was left out */
void egress_rewrite_restart (EgressRewrite *self);

/* layers above these are left out from the next picture on; more than there
 * are: all */
void egress_rewrite_set_layers (EgressRewrite *self, guint spatial_layer,
                                guint temporal_layer);
gboolean egress_rewrite_has_changed (const EgressRewrite *self);
/* egress_rewrite_take_change: Returns: %TRUE once when the layers have changed
 * since; @ret_spatial, @ret_temporal: those sent now */
gboolean egress_rewrite_take_change (EgressRewrite *self, guint *ret_spatial,
                                     guint *ret_temporal);

/* egress_rewrite_pass: a packet on its way, the first time
 * Returns: %FALSE: it is left out */
gboolean egress_rewrite_pass (EgressRewrite *self, const RelayPacket *packet,
                              EgressEdit *ret);
/* egress_rewrite_again: one that was sent. %FALSE: it cannot be told any more
 */
gboolean egress_rewrite_again (const EgressRewrite *self,
                               const RelayPacket *packet, EgressEdit *ret);
/* egress_rewrite_find: which packet has @number, as it would be were none left
 * out. %FALSE: too long ago */
gboolean egress_rewrite_find (const EgressRewrite *self, guint64 number,
                              guint64 *ret_ext_seq);
guint32 egress_rewrite_map_ts (const EgressRewrite *self, guint32 rtp_ts);
/* in place: frame number of a dependency descriptor of @len bytes */
void egress_rewrite_put_frame_number (const EgressRewrite *self, guint8 *bytes,
                                      guint len);

/* egress_rewrite_remember: @packet was sent last; @self: (nullable) */
void egress_rewrite_remember (const EgressRewrite *self, RtcCodec codec,
                              const RelayPacket *packet, guint32 ts_offset,
                              EgressLast *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressRewrite, egress_rewrite_free)
