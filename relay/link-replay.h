/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayLinkReplay: which counters of which senders have been seen: a window of
 * the last RELAY_LINK_REPLAY_WINDOW numbers for each boot id. One sequence
 * serves all that a node sends, from all its threads, so neighbours may change
 * places by some hundreds.
 *   A sender is forgotten a minute after its last message: longer than a cookie
 * lives, so what is replayed later has no good cookie.
 * Owner:  RelayLinkServer. Thread: one. Pure: the clock is passed in.
 */
#pragma once

#include "relay/link-keys.h"

#define RELAY_LINK_REPLAY_WINDOW 1024
#define RELAY_LINK_REPLAY_MAX_SENDERS 4096
#define RELAY_LINK_REPLAY_KEPT_US (60 * G_USEC_PER_SEC)

typedef struct _RelayLinkReplay RelayLinkReplay;

typedef enum {
  RELAY_LINK_REPLAY_NEW,      /* and marked as seen now */
  RELAY_LINK_REPLAY_SEEN,     /* or older than the window */
  RELAY_LINK_REPLAY_STRANGER, /* no such sender, and @may_add is %FALSE */
  RELAY_LINK_REPLAY_FULL,     /* as many senders as can be kept */
} RelayLinkReplayResult;

RelayLinkReplay *relay_link_replay_new (void);
void relay_link_replay_free (RelayLinkReplay *self);
/* @may_add: who is not known becomes known */
RelayLinkReplayResult
relay_link_replay_check (RelayLinkReplay *self,
                         const guint8 sender[RELAY_ID_BYTES], guint64 counter,
                         gboolean may_add, gint64 now_us);
void relay_link_replay_expire (RelayLinkReplay *self, gint64 now_us);
guint relay_link_replay_get_n_senders (RelayLinkReplay *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayLinkReplay, relay_link_replay_free)
