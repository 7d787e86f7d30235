/* SPDX-License-Identifier: Apache-2.0 */
/* relay/link-message: see the header; docs/LINKS.md has the bytes. */
#include "relay/link-message.h"

#include <string.h>

#include "base/signaling.h"

#define MAX_NUMBER G_GUINT64_CONSTANT (0xffffffffffff) /* SRTP's index */
#define MAX_EPOCH ((guint64)G_MAXINT64)                /* the store's */
#define NACK_RANGE_BYTES (1 + 8 + 2)
#define IS_REPLY 1
#define IS_LIVE 2
#define HAS_INFO 4

/* --- Writing: what does not fit sets the flag --------------------------- */

typedef struct
{
  guint8 *dst;
  gsize pos;
  gboolean is_bad;
} Writer;

static void
put (Writer *w, gconstpointer data, gsize len)
{
  if (w->is_bad || len > RELAY_LINK_MAX_BODY_BYTES - w->pos)
    {
      w->is_bad = TRUE;
      return;
    }
  memcpy (w->dst + w->pos, data, len);
  w->pos += len;
}

/* @n_bytes: of @v, the lowest */
static void
put_uint (Writer *w, guint64 v, guint n_bytes)
{
  guint8 be[8];

  for (guint i = 0; i < n_bytes; i++)
    be[i] = (guint8)(v >> 8 * (n_bytes - 1 - i));
  put (w, be, n_bytes);
}

static void
put_number (Writer *w, guint64 v)
{
  if (v > MAX_NUMBER)
    w->is_bad = TRUE;
  put_uint (w, v, 8);
}

static void
put_name (Writer *w, const char *name)
{
  gsize len = strnlen (name, RELAY_LINK_NAME_CHARS + 1);

  if (len > RELAY_LINK_NAME_CHARS || !base_carried_name_is_valid (name))
    w->is_bad = TRUE;
  put_uint (w, len, 1);
  put (w, name, len);
}

static void
put_subscribe (Writer *w, const RelayLinkSubscribe *m)
{
  put (w, m->cookie, sizeof m->cookie);
  put_uint (w, m->start, 1);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    put_number (w, m->from[k]);
  put_uint (w, m->sent_us, 4);
  put_uint (w, m->rtt_us, 4);
  put_uint (w, m->jitter_us, 4);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      put_number (w, m->reports[k].highest);
      put_uint (w, m->reports[k].n_received, 4);
      put_uint (w, m->reports[k].n_first, 4);
      put_uint (w, m->reports[k].n_lost, 4);
    }
  put_name (w, m->stream);
  put_name (w, m->node);
}

static gboolean
has_track (const RelayStreamInfo *info)
{
  return info->tracks[RTC_MEDIA_AUDIO].is_present
         || info->tracks[RTC_MEDIA_VIDEO].is_present;
}

static void
put_status (Writer *w, const RelayLinkStatus *m)
{
  gsize flags_at = w->pos;

  put_uint (w, (m->is_reply ? IS_REPLY : 0) | (m->is_live ? IS_LIVE : 0), 1);
  put_uint (w, m->echo_us, 4);
  if (m->epoch > MAX_EPOCH)
    w->is_bad = TRUE;
  put_uint (w, m->epoch, 8);
  put (w, m->publication, sizeof m->publication);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    put_number (w, m->first[k]);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    put_number (w, m->head[k]);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      gboolean has = m->has_clock[k];

      put_uint (w, has ? 1 : 0, 1);
      put_uint (w, has ? m->ntp[k] : 0, 8);
      put_uint (w, has ? m->rtp_ts[k] : 0, 4);
    }
  if (m->n_path > RELAY_LINK_MAX_PATH)
    w->is_bad = TRUE;
  put_uint (w, m->n_path, 1);
  for (guint i = 0; i < m->n_path && !w->is_bad; i++)
    put_name (w, m->path[i]);
  if (m->has_info && has_track (&m->info) && !w->is_bad)
    {
      g_autofree char *text = relay_stream_info_to_json (&m->info);
      gsize len = strlen (text);

      if (len + 2 > RELAY_LINK_MAX_BODY_BYTES - w->pos)
        return;
      w->dst[flags_at] |= HAS_INFO;
      put_uint (w, len, 2);
      put (w, text, len);
    }
}

static void
put_nack (Writer *w, const RelayLinkNackRange *ranges, guint n_ranges)
{
  if (n_ranges == 0 || n_ranges > RELAY_LINK_MAX_NACKS)
    {
      w->is_bad = TRUE;
      return;
    }
  put_uint (w, n_ranges, 1);
  for (guint i = 0; i < n_ranges; i++)
    {
      if (ranges[i].n_packets == 0
          || ranges[i].first > MAX_NUMBER - ranges[i].n_packets)
        w->is_bad = TRUE;
      put_uint (w, ranges[i].kind, 1);
      put_uint (w, ranges[i].first, 8);
      put_uint (w, ranges[i].n_packets, 2);
    }
}

gsize
relay_link_message_write (const RelayLinkMessage *message, guint8 *dst)
{
  Writer w = { .dst = dst };

  put_uint (&w, message->type, 1);
  put_uint (&w, message->subscription, 4);
  switch (message->type)
    {
    case RELAY_LINK_SUBSCRIBE:
      put_subscribe (&w, &message->subscribe);
      break;
    case RELAY_LINK_COOKIE:
      put (&w, message->cookie.cookie, RELAY_LINK_COOKIE_BYTES);
      break;
    case RELAY_LINK_STATUS:
      put_status (&w, &message->status);
      break;
    case RELAY_LINK_REFUSE:
      put_uint (&w, message->refuse.reason, 1);
      break;
    case RELAY_LINK_BYE:
      put_uint (&w, message->bye.reason, 1);
      break;
    case RELAY_LINK_NACK:
      put_nack (&w, message->nack.ranges, message->nack.n_ranges);
      break;
    case RELAY_LINK_KEYFRAME:
    case RELAY_LINK_LEAVE:
      break;
    default:
      return 0;
    }
  return w.is_bad ? 0 : w.pos;
}

/* --- Reading: what is not there, or out of bounds, sets the flag --------- */

typedef struct
{
  const guint8 *data;
  gsize len, pos;
  gboolean is_bad;
} Reader;

static void
get (Reader *r, gpointer ret, gsize len)
{
  if (r->is_bad || len > r->len - r->pos)
    {
      r->is_bad = TRUE;
      memset (ret, 0, len);
      return;
    }
  memcpy (ret, r->data + r->pos, len);
  r->pos += len;
}

/* @max: the largest that is taken */
static guint64
get_uint (Reader *r, guint n_bytes, guint64 max)
{
  guint8 be[8];
  guint64 v = 0;

  get (r, be, n_bytes);
  for (guint i = 0; i < n_bytes; i++)
    v = v << 8 | be[i];
  if (v > max)
    {
      r->is_bad = TRUE;
      return 0;
    }
  return v;
}

static guint32
get_u32 (Reader *r)
{
  return (guint32)get_uint (r, 4, G_MAXUINT32);
}

static void
get_name (Reader *r, char ret[RELAY_LINK_NAME_CHARS + 1])
{
  gsize len = get_uint (r, 1, RELAY_LINK_NAME_CHARS);

  get (r, ret, len);
  ret[len] = '\0';
  /* the length too: a text with a NUL inside is no name */
  if (!base_carried_name_is_valid (ret) || strlen (ret) != len)
    r->is_bad = TRUE;
}

static void
get_subscribe (Reader *r, RelayLinkSubscribe *m)
{
  get (r, m->cookie, sizeof m->cookie);
  m->start = (RelayLinkStart)get_uint (r, 1, RELAY_LINK_START_FROM);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    m->from[k] = get_uint (r, 8, MAX_NUMBER);
  m->sent_us = get_u32 (r);
  m->rtt_us = get_u32 (r);
  m->jitter_us = get_u32 (r);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      m->reports[k].highest = get_uint (r, 8, MAX_NUMBER);
      m->reports[k].n_received = get_u32 (r);
      m->reports[k].n_first = get_u32 (r);
      m->reports[k].n_lost = get_u32 (r);
    }
  get_name (r, m->stream);
  get_name (r, m->node);
}

static void
get_info (Reader *r, RelayStreamInfo *ret)
{
  gsize len = get_uint (r, 2, RELAY_LINK_MAX_BODY_BYTES);
  char text[RELAY_LINK_MAX_BODY_BYTES + 1];

  get (r, text, len);
  text[len] = '\0';
  if (r->is_bad || strlen (text) != len
      || !relay_stream_info_from_json (text, ret))
    r->is_bad = TRUE;
}

static void
get_status (Reader *r, RelayLinkStatus *m)
{
  guint flags = (guint)get_uint (r, 1, IS_REPLY | IS_LIVE | HAS_INFO);

  m->is_reply = (flags & IS_REPLY) != 0;
  m->is_live = (flags & IS_LIVE) != 0;
  m->has_info = (flags & HAS_INFO) != 0;
  m->echo_us = get_u32 (r);
  m->epoch = get_uint (r, 8, MAX_EPOCH);
  get (r, m->publication, sizeof m->publication);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    m->first[k] = get_uint (r, 8, MAX_NUMBER);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    m->head[k] = get_uint (r, 8, MAX_NUMBER);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      m->has_clock[k] = get_uint (r, 1, 1) != 0;
      m->ntp[k] = get_uint (r, 8, G_MAXUINT64);
      m->rtp_ts[k] = get_u32 (r);
      if (!m->has_clock[k])
        m->ntp[k] = m->rtp_ts[k] = 0;
    }
  m->n_path = (guint)get_uint (r, 1, RELAY_LINK_MAX_PATH);
  for (guint i = 0; i < m->n_path; i++)
    get_name (r, m->path[i]);
  if (m->has_info)
    get_info (r, &m->info);
}

static guint
get_nack (Reader *r, RelayLinkNackRange *ranges)
{
  guint n = (guint)get_uint (r, 1, RELAY_LINK_MAX_NACKS);

  if (n == 0)
    r->is_bad = TRUE;
  for (guint i = 0; i < n && !r->is_bad; i++)
    {
      ranges[i].kind = (RtcMediaKind)get_uint (r, 1, RTC_MEDIA_N_KINDS - 1);
      ranges[i].first = get_uint (r, 8, MAX_NUMBER);
      ranges[i].n_packets = (guint16)get_uint (r, 2, G_MAXUINT16);
      if (ranges[i].n_packets == 0
          || ranges[i].first > MAX_NUMBER - ranges[i].n_packets)
        r->is_bad = TRUE;
    }
  return n;
}

static RelayLinkReason
get_reason (Reader *r)
{
  guint64 reason = get_uint (r, 1, RELAY_LINK_REASON_LOOP);

  if (reason == 0)
    r->is_bad = TRUE;
  return (RelayLinkReason)reason;
}

gboolean
relay_link_message_read (const guint8 *body, gsize len, RelayLinkMessage *ret)
{
  Reader r = { .data = body, .len = len };

  memset (ret, 0, sizeof *ret);
  ret->type = (RelayLinkType)get_uint (&r, 1, RELAY_LINK_BYE);
  ret->subscription = get_u32 (&r);
  switch (ret->type)
    {
    case RELAY_LINK_SUBSCRIBE:
      get_subscribe (&r, &ret->subscribe);
      break;
    case RELAY_LINK_COOKIE:
      get (&r, ret->cookie.cookie, RELAY_LINK_COOKIE_BYTES);
      break;
    case RELAY_LINK_STATUS:
      get_status (&r, &ret->status);
      break;
    case RELAY_LINK_REFUSE:
      ret->refuse.reason = get_reason (&r);
      break;
    case RELAY_LINK_BYE:
      ret->bye.reason = get_reason (&r);
      break;
    case RELAY_LINK_NACK:
      ret->nack.n_ranges = get_nack (&r, ret->nack.ranges);
      break;
    case RELAY_LINK_KEYFRAME:
    case RELAY_LINK_LEAVE:
      break;
    default:
      return FALSE;
    }
  for (; r.pos < r.len && !r.is_bad; r.pos++)
    r.is_bad = body[r.pos] != 0;
  return !r.is_bad;
}
