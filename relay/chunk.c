/* SPDX-License-Identifier: Apache-2.0 */
/* RelayChunk: see chunk.h. */
#include "relay/chunk.h"

#include <string.h>

struct _RelayChunk
{
  gatomicrefcount ref;
  guint used; /* bytes; home only */
  guint8 bytes[RELAY_CHUNK_BYTES];
};

RelayChunk *
relay_chunk_new (void)
{
  RelayChunk *self = g_malloc (sizeof *self);

  g_atomic_ref_count_init (&self->ref);
  self->used = 0;
  return self;
}

RelayChunk *
relay_chunk_ref (RelayChunk *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

void
relay_chunk_unref (RelayChunk *self)
{
  if (g_atomic_ref_count_dec (&self->ref))
    g_free (self);
}

const guint8 *
relay_chunk_append (RelayChunk *self, const guint8 *ext, guint ext_len,
                    const guint8 *payload, guint payload_len)
{
  guint8 *at = self->bytes + self->used;

  if (ext_len + payload_len > RELAY_CHUNK_BYTES - self->used)
    return NULL;
  if (ext_len > 0)
    memcpy (at, ext, ext_len);
  if (payload_len > 0)
    memcpy (at + ext_len, payload, payload_len);
  self->used += ext_len + payload_len;
  return at + ext_len;
}
