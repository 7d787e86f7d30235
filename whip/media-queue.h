/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipMediaQueue: RTP from GStreamer's threads to the feeder's home worker, in
 * bursts: what has come since the last turn is one mail. Bounded: beyond
 * WHIP_MEDIA_QUEUE_PACKETS packets are dropped and counted (of the feeder, as
 * WHIP_FEED_DROP_QUEUE). What comes before there is a feeder waits for it.
 * Owner:  WhipMediaInput; ref-counted: mail. Thread: stated per function.
 */
#pragma once

#include "whip/feeder.h"

#define WHIP_MEDIA_QUEUE_PACKETS 4096

typedef struct _WhipMediaQueue WhipMediaQueue;

WhipMediaQueue *whip_media_queue_new (void);
WhipMediaQueue *whip_media_queue_ref (WhipMediaQueue *self);
void whip_media_queue_unref (WhipMediaQueue *self);

/* whip_media_queue_push: GStreamer's threads. Copies.
 * @data: one RTP packet; those beyond RTC_MAX_PACKET_BYTES are dropped
 * @ntp: what the source's clock says at the packet's timestamp; 0 = not now */
void whip_media_queue_push (WhipMediaQueue *self, RtcMediaKind kind,
                            const guint8 *data, gsize len, guint64 ntp);
/* main: @feeder: (nullable): a reference is taken */
void whip_media_queue_set_feeder (WhipMediaQueue *self, WhipFeeder *feeder);
/* main: nothing is sent after it */
void whip_media_queue_close (WhipMediaQueue *self);
/* any: packets that came so far, for whoever waits for the first */
guint64 whip_media_queue_get_n_pushed (WhipMediaQueue *self);
/* any: is there somebody for whom to play? */
gboolean whip_media_queue_has_receivers (WhipMediaQueue *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WhipMediaQueue, whip_media_queue_unref)
