/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/descriptor: the payload descriptors of VP8 (RFC 7741 4.2) and VP9
 * (RFC 9628 4.2): picture ids, where they stand, and layers. Pure; hostile
 * bytes; never reads past @len.
 * Thread: any.
 */
#pragma once

#include "rtc/types.h"

typedef struct
{
  guint16 len;           /* bytes of the descriptor; the frame's come after */
  guint8 picture_id_at;  /* 0 = it has none */
  guint8 picture_id_len; /* bytes: 1 (7 bits) or 2 (15 bits) */
  guint16 picture_id;
  guint8 tl0_at; /* TL0PICIDX; 0 = it has none */
  guint8 tl0;
  guint8 temporal_id, spatial_id; /* 0 where nothing is said */
  gboolean is_start; /* first packet of a frame (VP9: of a layer) */
  gboolean is_end;   /* VP9: last packet of a layer's frame */
  gboolean is_key;   /* a keyframe begins in it */
  gboolean is_inter; /* VP9: refers to earlier pictures */
  gboolean is_sync;  /* VP8: refers to base layers only (Y); VP9: higher
                        temporal layers may begin after it (U) */
} RtcDescriptor;

/* rtc_descriptor_read: Returns: %FALSE: malformed, or a codec that has none */
gboolean rtc_descriptor_read (RtcCodec codec, const guint8 *data, gsize len,
                              RtcDescriptor *ret);
/* rtc_descriptor_write_ids: changes picture id and TL0PICIDX, those that there
 * are, in a copy of the descriptor's bytes; only as many bits as they have */
void rtc_descriptor_write_ids (const RtcDescriptor *self, guint8 *bytes,
                               guint16 picture_id, guint8 tl0);
/* bytes that write_ids() may change: a copy of so many is enough */
guint rtc_descriptor_get_ids_end (const RtcDescriptor *self);
