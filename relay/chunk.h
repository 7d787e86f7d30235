/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayChunk: a block of payload bytes that several workers read. One writer
 * (the stream's home) appends; bytes never change once a record points at
 * them, so readers need no lock: they hold a reference each.
 * Owner:  ref-counted, atomic. Thread: append: home. ref/unref: any.
 */
#pragma once

#include "relay/packet.h"

#define RELAY_CHUNK_BYTES (64 * 1024 - 64)

RelayChunk *relay_chunk_new (void);
RelayChunk *relay_chunk_ref (RelayChunk *self);
void relay_chunk_unref (RelayChunk *self);

/* relay_chunk_append: copies @ext then @payload.
 * Returns: (nullable): where payload lies; NULL = no room left */
const guint8 *relay_chunk_append (RelayChunk *self, const guint8 *ext,
                                  guint ext_len, const guint8 *payload,
                                  guint payload_len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayChunk, relay_chunk_unref)
