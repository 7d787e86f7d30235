/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/twcc: transport-wide feedback; see the header. */
#include "rtc/twcc.h"

#include <string.h>

#include "rtc/rtp.h"

#define TICK_US 250              /* of a receive delta */
#define REFERENCE_US (64 * 1000) /* of the reference time */
#define HEADER_BYTES 20          /* RTCP header, two SSRCs, FCI's fixed part */
#define FCI_BYTES 8
#define MAX_STATUSES 1024 /* in one feedback */
#define CHUNK_SYMBOLS 7   /* two bits each */

enum
{
  LOST = 0,
  SMALL_DELTA = 1, /* 0..63.75 ms, one byte */
  LARGE_DELTA = 2, /* signed, two bytes */
};

typedef struct
{
  guint64 seq;  /* unwrapped */
  gint64 at_us; /* monotonic */
} Arrival;

struct _RtcTwcc
{
  Arrival arrivals[RTC_TWCC_MAX_PENDING]; /* by seq, upward */
  guint n_arrivals;
  guint64 next_seq; /* all below has been reported */
  guint64 last_seq; /* highest seen, for unwrapping */
  gboolean has_seen, has_reported;
  gint64 epoch_us; /* the first arrival; reference times count from here */
  guint8 n_feedbacks;
};

RtcTwcc *
rtc_twcc_new (void)
{
  return g_new0 (RtcTwcc, 1);
}

void
rtc_twcc_free (RtcTwcc *self)
{
  g_free (self);
}

/* Drops what is oldest when nobody asked for feedback for so long. */
static void
make_room (RtcTwcc *self)
{
  if (self->n_arrivals < RTC_TWCC_MAX_PENDING)
    return;
  self->next_seq = self->arrivals[0].seq + 1;
  self->n_arrivals--;
  memmove (self->arrivals, self->arrivals + 1,
           self->n_arrivals * sizeof (Arrival));
}

void
rtc_twcc_on_packet (RtcTwcc *self, guint16 transport_seq, gint64 now_us)
{
  guint64 seq;
  guint at;

  if (!self->has_seen)
    {
      self->has_seen = TRUE;
      /* one round ahead, so that earlier ones do not fall below 0 */
      self->last_seq = self->next_seq = 0x10000 + transport_seq;
      self->epoch_us = now_us;
    }
  seq = rtc_seq_unwrap (self->last_seq, transport_seq);
  if (!self->has_reported && seq < self->next_seq)
    self->next_seq = seq;
  self->last_seq = MAX (self->last_seq, seq);
  if (seq < self->next_seq)
    return; /* it was reported as lost; that stands */
  make_room (self);
  if (seq < self->next_seq)
    return;
  for (at = self->n_arrivals; at > 0 && self->arrivals[at - 1].seq >= seq;)
    at--;
  if (at < self->n_arrivals && self->arrivals[at].seq == seq)
    return;
  memmove (self->arrivals + at + 1, self->arrivals + at,
           (self->n_arrivals - at) * sizeof (Arrival));
  self->arrivals[at] = (Arrival){ .seq = seq, .at_us = now_us };
  self->n_arrivals++;
}

/* One feedback while it is laid out */
typedef struct
{
  guint8 symbols[MAX_STATUSES];
  gint16 deltas[MAX_STATUSES]; /* of those that arrived */
  guint n_symbols, n_deltas, n_delta_bytes;
  guint n_used; /* arrivals */
  gint64 reference_us;
} Plan;

static guint
chunk_bytes (guint n_symbols)
{
  return (n_symbols + CHUNK_SYMBOLS - 1) / CHUNK_SYMBOLS * 2;
}

static gint64
floor_div (gint64 a, gint64 b)
{
  return a / b - (a % b != 0 && a < 0);
}

/* Takes arrivals as long as they fit @room bytes, the count of statuses, and
 * the 16 bits of a delta. */
static void
plan_feedback (RtcTwcc *self, gsize room, Plan *plan)
{
  guint64 seq = self->arrivals[0].seq;
  gint64 ticks_before;

  /* a gap that would fill a feedback alone is not worth telling */
  if (seq - self->next_seq > MAX_STATUSES / 2)
    self->next_seq = seq;
  plan->reference_us =
      floor_div (self->arrivals[0].at_us - self->epoch_us, REFERENCE_US)
      * REFERENCE_US;
  ticks_before = plan->reference_us / TICK_US;
  seq = self->next_seq;
  for (; plan->n_used < self->n_arrivals; plan->n_used++)
    {
      const Arrival *a = &self->arrivals[plan->n_used];
      gint64 ticks = floor_div (a->at_us - self->epoch_us, TICK_US);
      gint64 delta = ticks - ticks_before;
      gboolean is_small = delta >= 0 && delta <= 255;
      guint64 n_symbols = plan->n_symbols + (a->seq - seq) + 1;
      gsize n_bytes;

      if (n_symbols > MAX_STATUSES || delta < G_MININT16 || delta > G_MAXINT16)
        return;
      n_bytes = chunk_bytes ((guint)n_symbols) + plan->n_delta_bytes
                + (is_small ? 1 : 2);
      if ((n_bytes + 3) / 4 * 4 > room)
        return;
      for (; seq < a->seq; seq++)
        plan->symbols[plan->n_symbols++] = LOST;
      plan->symbols[plan->n_symbols++] = is_small ? SMALL_DELTA : LARGE_DELTA;
      plan->deltas[plan->n_deltas++] = (gint16)delta;
      plan->n_delta_bytes += is_small ? 1 : 2;
      ticks_before = ticks;
      seq = a->seq + 1;
    }
}

static guint8 *
write_u16 (guint8 *p, guint v)
{
  p[0] = (guint8)(v >> 8);
  p[1] = (guint8)v;
  return p + 2;
}

static guint8 *
write_u32 (guint8 *p, guint32 v)
{
  return write_u16 (write_u16 (p, v >> 16), v & 0xffff);
}

static guint8 *
write_statuses (guint8 *p, const Plan *plan)
{
  for (guint i = 0; i < plan->n_symbols; i += CHUNK_SYMBOLS)
    {
      guint chunk = 0xc000; /* status vector of two-bit symbols */

      for (guint k = 0; k < CHUNK_SYMBOLS && i + k < plan->n_symbols; k++)
        chunk |= (guint)plan->symbols[i + k] << (12 - 2 * k);
      p = write_u16 (p, chunk);
    }
  for (guint i = 0, k = 0; i < plan->n_symbols; i++)
    if (plan->symbols[i] == SMALL_DELTA)
      *p++ = (guint8)plan->deltas[k++];
    else if (plan->symbols[i] == LARGE_DELTA)
      p = write_u16 (p, (guint16)plan->deltas[k++]);
  return p;
}

gboolean
rtc_twcc_write (RtcTwcc *self, guint8 *buf, gsize cap, gsize *len,
                guint32 sender_ssrc, guint32 media_ssrc)
{
  Plan plan = { .n_used = 0 };
  guint8 *begin = buf + *len, *p;
  gsize n_bytes, n_padding, room;

  if (self->n_arrivals == 0 || *len > cap || cap - *len < HEADER_BYTES + 4)
    return FALSE;
  room = (cap - *len - HEADER_BYTES) / 4 * 4;
  plan_feedback (self, room, &plan);
  if (plan.n_used == 0)
    return FALSE;
  n_bytes = HEADER_BYTES + chunk_bytes (plan.n_symbols) + plan.n_delta_bytes;
  n_padding = (4 - n_bytes % 4) % 4;
  n_bytes += n_padding;
  begin[0] = (guint8)(0x80 | (n_padding > 0 ? 0x20 : 0) | 15);
  begin[1] = 205;
  p = write_u16 (begin + 2, (guint)(n_bytes / 4 - 1));
  p = write_u32 (p, sender_ssrc);
  p = write_u32 (p, media_ssrc);
  p = write_u16 (p, (guint16)self->next_seq);
  p = write_u16 (p, plan.n_symbols);
  p = write_u32 (p, ((guint32)(plan.reference_us / REFERENCE_US) & 0xffffff)
                            << 8
                        | self->n_feedbacks);
  p = write_statuses (p, &plan);
  memset (p, 0, n_padding);
  if (n_padding > 0)
    p[n_padding - 1] = (guint8)n_padding;
  *len += n_bytes;
  self->n_feedbacks++;
  self->has_reported = TRUE;
  self->next_seq = self->arrivals[plan.n_used - 1].seq + 1;
  self->n_arrivals -= plan.n_used;
  memmove (self->arrivals, self->arrivals + plan.n_used,
           self->n_arrivals * sizeof (Arrival));
  return TRUE;
}

/* Walks status chunks without unpacking them all */
typedef struct
{
  const guint8 *p;
  guint chunk, n_left; /* symbols left in the chunk */
} Statuses;

static guint
next_status (Statuses *self)
{
  guint used;

  if (self->n_left == 0)
    {
      self->chunk = (guint)self->p[0] << 8 | self->p[1];
      self->p += 2;
      if (!(self->chunk & 0x8000))
        self->n_left = self->chunk & 0x1fff;
      else
        self->n_left = self->chunk & 0x4000 ? 7 : 14;
    }
  self->n_left--;
  if (!(self->chunk & 0x8000)) /* run length */
    return self->chunk >> 13 & 3;
  if (self->chunk & 0x4000)
    {
      used = 7 - self->n_left;
      return self->chunk >> (14 - 2 * used) & 3;
    }
  used = 14 - self->n_left;
  return self->chunk >> (14 - used) & 1;
}

/* Returns: bytes that the chunks of @n_symbols take; 0: do not fit */
static gsize
measure_chunks (const guint8 *p, gsize len, guint n_symbols)
{
  gsize pos = 0;

  for (guint n = 0; n < n_symbols;)
    {
      guint chunk, n_chunk;

      if (len - pos < 2)
        return 0;
      chunk = (guint)p[pos] << 8 | p[pos + 1];
      pos += 2;
      n_chunk = !(chunk & 0x8000) ? chunk & 0x1fff : chunk & 0x4000 ? 7 : 14;
      if (n_chunk == 0)
        return 0;
      n += n_chunk;
    }
  return pos;
}

gboolean
rtc_twcc_read (const guint8 *fci, gsize len, RtcTwccPacketFunc on_packet,
               gpointer data)
{
  guint base, n_symbols;
  gsize pos, n_chunks;
  gint64 at_us = 0;
  Statuses statuses = { 0 };

  if (len < FCI_BYTES)
    return FALSE;
  base = (guint)fci[0] << 8 | fci[1];
  n_symbols = (guint)fci[2] << 8 | fci[3];
  n_chunks = measure_chunks (fci + FCI_BYTES, len - FCI_BYTES, n_symbols);
  if (n_chunks == 0)
    return FALSE;
  statuses.p = fci + FCI_BYTES;
  pos = FCI_BYTES + n_chunks;
  for (guint i = 0; i < n_symbols; i++)
    {
      guint status = next_status (&statuses);
      gsize n = status == LARGE_DELTA ? 2 : status == SMALL_DELTA ? 1 : 0;

      if (status > LARGE_DELTA || n > len - pos)
        return FALSE;
      if (n == 1)
        at_us += (gint64)fci[pos] * TICK_US;
      else if (n == 2)
        at_us += (gint64)(gint16)(fci[pos] << 8 | fci[pos + 1]) * TICK_US;
      pos += n;
      on_packet ((guint16)(base + i), n == 0 ? -1 : at_us, data);
    }
  return TRUE;
}
