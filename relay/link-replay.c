/* SPDX-License-Identifier: Apache-2.0 */
/* RelayLinkReplay: see link-replay.h. */
#include "relay/link-replay.h"

#include <string.h>

#define WORD_BITS 64
#define N_WORDS (RELAY_LINK_REPLAY_WINDOW / WORD_BITS)

typedef struct
{
  guint8 id[RELAY_ID_BYTES];
  guint64 highest;
  guint64 seen[N_WORDS]; /* bit of a counter: modulo the window */
  gint64 seen_us;
} Sender;

struct _RelayLinkReplay
{
  GHashTable *senders; /* id, inside Sender -> Sender; owned */
};

/* Boot ids are random: any part of them is a hash. */
static guint
id_hash (gconstpointer id)
{
  guint hash;

  memcpy (&hash, id, sizeof hash);
  return hash;
}

static gboolean
id_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, RELAY_ID_BYTES) == 0;
}

RelayLinkReplay *
relay_link_replay_new (void)
{
  RelayLinkReplay *self = g_new (RelayLinkReplay, 1);

  self->senders = g_hash_table_new_full (id_hash, id_equal, NULL, g_free);
  return self;
}

void
relay_link_replay_free (RelayLinkReplay *self)
{
  g_hash_table_unref (self->senders);
  g_free (self);
}

static guint64 *
sender_word (Sender *sender, guint64 counter)
{
  return &sender->seen[counter / WORD_BITS % N_WORDS];
}

static guint64
counter_bit (guint64 counter)
{
  return G_GUINT64_CONSTANT (1) << (counter % WORD_BITS);
}

static gboolean
sender_mark (Sender *sender, guint64 counter)
{
  if (counter > sender->highest)
    {
      if (counter - sender->highest >= RELAY_LINK_REPLAY_WINDOW)
        memset (sender->seen, 0, sizeof sender->seen);
      else
        for (guint64 c = sender->highest + 1; c < counter; c++)
          *sender_word (sender, c) &= ~counter_bit (c);
      sender->highest = counter;
    }
  else if (sender->highest - counter >= RELAY_LINK_REPLAY_WINDOW
           || (*sender_word (sender, counter) & counter_bit (counter)) != 0)
    return FALSE;
  *sender_word (sender, counter) |= counter_bit (counter);
  return TRUE;
}

RelayLinkReplayResult
relay_link_replay_check (RelayLinkReplay *self, const guint8 id[RELAY_ID_BYTES],
                         guint64 counter, gboolean may_add, gint64 now_us)
{
  Sender *sender = g_hash_table_lookup (self->senders, id);

  if (sender == NULL)
    {
      if (!may_add)
        return RELAY_LINK_REPLAY_STRANGER;
      if (g_hash_table_size (self->senders) >= RELAY_LINK_REPLAY_MAX_SENDERS)
        return RELAY_LINK_REPLAY_FULL;
      sender = g_new0 (Sender, 1);
      memcpy (sender->id, id, RELAY_ID_BYTES);
      sender->highest = counter;
      g_hash_table_insert (self->senders, sender->id, sender);
    }
  if (!sender_mark (sender, counter))
    return RELAY_LINK_REPLAY_SEEN;
  sender->seen_us = now_us;
  return RELAY_LINK_REPLAY_NEW;
}

static gboolean
sender_is_old (gpointer key, gpointer value, gpointer now_us)
{
  return *(gint64 *)now_us - ((Sender *)value)->seen_us
         > RELAY_LINK_REPLAY_KEPT_US;
}

void
relay_link_replay_expire (RelayLinkReplay *self, gint64 now_us)
{
  g_hash_table_foreach_remove (self->senders, sender_is_old, &now_us);
}

guint
relay_link_replay_get_n_senders (RelayLinkReplay *self)
{
  return g_hash_table_size (self->senders);
}
