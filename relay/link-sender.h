/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayLinkSender: what one worker sends to children from --relay-port: control
 * messages, and sealed packets that lie once in memory however many children
 * get them.
 * Owner:  RelayLinkServer, one per worker. Thread: media, of its worker.
 */
#pragma once

#include "relay/link-message.h"
#include "rtc/batch.h"

#define RELAY_LINK_SENDER_BYTES (64 * 1024) /* about one GSO message */

typedef struct _RelayLinkSender RelayLinkSender;

/* @fd: borrowed, of @family; @keys: borrowed */
RelayLinkSender *relay_link_sender_new (int fd, int family,
                                        RelayLinkKeys *keys);
void relay_link_sender_free (RelayLinkSender *self);

void relay_link_sender_send (RelayLinkSender *self, const RtcPath *path,
                             const RelayLinkMessage *message);
/* relay_link_sender_seal: neighbours lie side by side.
 * Returns: (transfer none) (nullable): the packet's bytes, until the next
 *   flush; NULL: no room before that */
const guint8 *relay_link_sender_seal (RelayLinkSender *self,
                                      RelayLinkMedia *media,
                                      const RelayLinkPacket *packet,
                                      gsize *ret_len);
/* @data: of seal */
void relay_link_sender_queue (RelayLinkSender *self, const RtcPath *path,
                              const guint8 *data, gsize len);
void relay_link_sender_flush (RelayLinkSender *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayLinkSender, relay_link_sender_free)
