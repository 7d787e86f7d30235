/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayHistory: the log of one stream's packets, in order of arrival, with an
 * index by sequence number and the place where the newest GOP begins.
 * Positions are absolute and never reused. Capped in time, bytes and
 * number: the oldest packets fall off at the tail. Grows on demand, never shrinks.
 * Owner:  RelayFeed. Thread: that feed's worker. No locks.
 */
#pragma once

#include "relay/chunk.h"

#define RELAY_HISTORY_MAX_US (10 * G_USEC_PER_SEC)
#define RELAY_HISTORY_MAX_BYTES (16 * 1024 * 1024)
#define RELAY_HISTORY_MAX_PACKETS 65536 /* empty ones have no bytes */
#define RELAY_POS_NONE G_MAXUINT64

typedef struct _RelayHistory RelayHistory;

RelayHistory *relay_history_new (void);
void relay_history_free (RelayHistory *self);

/* relay_history_append: copies the record and takes a reference on its chunk.
 * A sequence number that is held already is refused.
 * Returns: %FALSE for a duplicate */
gboolean relay_history_append (RelayHistory *self, const RelayPacket *packet);
/* drops what is older than the cap allows at @now_us */
void relay_history_trim (RelayHistory *self, gint64 now_us);
/* forgets everything; positions go on */
void relay_history_clear (RelayHistory *self);

guint64 relay_history_get_tail (const RelayHistory *self);
guint64 relay_history_get_head (const RelayHistory *self);
guint64 relay_history_get_gop_start (const RelayHistory *self);
gsize relay_history_get_bytes (const RelayHistory *self);
const RelayPacket *relay_history_at (const RelayHistory *self, guint64 pos);
const RelayPacket *relay_history_find (const RelayHistory *self,
                                       RtcMediaKind kind, guint64 ext_seq);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayHistory, relay_history_free)
