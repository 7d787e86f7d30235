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

/* Chunks come and go as fast as streams run, and each new one would be
 * sixteen page faults: some are kept. Not under AddressSanitizer, which could
 * not see a use after the end. */
#define MAX_SPARE 16 /* 1 MB */
#ifdef __SANITIZE_ADDRESS__
#define IS_KEEPING FALSE
#else
#define IS_KEEPING TRUE
#endif

static struct
{
  GMutex lock; /* once in 64 KB of media, held for a few instructions */
  guint n;
  RelayChunk *chunks[MAX_SPARE];
} spare;

static RelayChunk *
take_spare (void)
{
  RelayChunk *chunk = NULL;

  g_mutex_lock (&spare.lock);
  if (spare.n > 0)
    chunk = spare.chunks[--spare.n];
  g_mutex_unlock (&spare.lock);
  return chunk;
}

static gboolean
keep_spare (RelayChunk *chunk)
{
  gboolean kept = FALSE;

  g_mutex_lock (&spare.lock);
  if (IS_KEEPING && spare.n < MAX_SPARE)
    {
      spare.chunks[spare.n++] = chunk;
      kept = TRUE;
    }
  g_mutex_unlock (&spare.lock);
  return kept;
}

RelayChunk *
relay_chunk_new (void)
{
  RelayChunk *self = take_spare ();

  if (self == NULL)
    self = g_malloc (sizeof *self);
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
  if (g_atomic_ref_count_dec (&self->ref) && !keep_spare (self))
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
