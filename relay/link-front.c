/* SPDX-License-Identifier: Apache-2.0 */
/* RelayLinkFront: reads --relay-port on the first worker; see
 * link-server-private.h. Who is answered, and by what, before a stream's outlet
 * hears of it. */
#include "relay/link-server-private.h"

#include <string.h>

#include "base/clock.h"

#define SWEEP_US BASE_US_PER_S
/* longer than an outlet keeps a child, or it would miss its messages */
#define FLOW_KEPT_US (2 * BASE_US_PER_S)
#define WANTED_KEPT_US (10 * BASE_US_PER_S)

/* A child's port: of one stream. */
typedef struct
{
  RtcAddr address;
  RelayStream *stream; /* one reference */
  guint8 sender[RELAY_ID_BYTES];
  gint64 subscribed_us;
} Flow;

typedef struct
{
  RelayStream *stream; /* one reference */
  gboolean is_live;
} Known;

/* A stream that children ask for. */
typedef struct
{
  char *name;
  gint64 asked_us;
  RelayLinkReason answer; /* 0 = main has not said yet */
} Wanted;

struct _RelayLinkFront
{
  RelayLinkServer *server; /* borrowed */
  RelayLinkReplay *replay; /* owned */
  RelayLinkSender *sender; /* borrowed from the first worker's desk */
  GHashTable *known;       /* name, of its stream -> Known; owned */
  GHashTable *flows;       /* address, inside Flow -> Flow; owned */
  GHashTable *wanted;      /* name, inside Wanted -> Wanted; owned */
  GSource *sweep;          /* owned */
  gint64 second_us;        /* when the count of datagrams began */
  guint n_datagrams;
  gboolean is_leaving;
};

static void
flow_free (gpointer data)
{
  Flow *flow = data;

  relay_stream_unref (flow->stream);
  g_free (flow);
}

static void
known_free (gpointer data)
{
  Known *known = data;

  relay_stream_unref (known->stream);
  g_free (known);
}

static void
wanted_free (gpointer data)
{
  Wanted *wanted = data;

  g_free (wanted->name);
  g_free (wanted);
}

RelayLinkFront *
relay_link_front_new (RelayLinkServer *server)
{
  RelayLinkFront *self = g_new0 (RelayLinkFront, 1);

  self->server = server;
  self->replay = relay_link_replay_new ();
  self->known =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, known_free);
  self->flows = g_hash_table_new_full (
      (GHashFunc)rtc_addr_hash, (GEqualFunc)rtc_addr_equal, NULL, flow_free);
  self->wanted =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, wanted_free);
  return self;
}

void
relay_link_front_free (RelayLinkFront *self)
{
  if (self->sweep != NULL)
    {
      g_source_destroy (self->sweep);
      g_source_unref (self->sweep);
    }
  g_hash_table_unref (self->flows);
  g_hash_table_unref (self->known);
  g_hash_table_unref (self->wanted);
  relay_link_replay_free (self->replay);
  g_free (self);
}

static gboolean
flow_is_old (gpointer key, gpointer value, gpointer now_us)
{
  return *(gint64 *)now_us - ((Flow *)value)->subscribed_us > FLOW_KEPT_US;
}

static gboolean
wanted_is_old (gpointer key, gpointer value, gpointer now_us)
{
  return *(gint64 *)now_us - ((Wanted *)value)->asked_us > WANTED_KEPT_US;
}

static gboolean
front_on_sweep (gpointer data)
{
  RelayLinkFront *self = data;
  gint64 now_us = rtc_worker_get_turn_us (self->server->workers[0]);

  relay_link_replay_expire (self->replay, now_us);
  g_hash_table_foreach_remove (self->flows, flow_is_old, &now_us);
  g_hash_table_foreach_remove (self->wanted, wanted_is_old, &now_us);
  return G_SOURCE_CONTINUE;
}

void
relay_link_front_start (RelayLinkFront *self)
{
  self->sender = relay_link_desk_get_sender (self->server->desks[0]);
  self->sweep = rtc_worker_add_timer (self->server->workers[0], SWEEP_US,
                                      front_on_sweep, self);
}

/* --- to the desks --------------------------------------------------------- */

typedef struct
{
  RelayLinkDesk *desk;
  RelayStream *stream; /* one reference */
  gboolean is_gone;    /* the stream; else there is a message */
  RtcPath path;
  guint8 sender[RELAY_ID_BYTES];
  RelayLinkMessage message;
} DeskMail;

static void
desk_mail_free (gpointer data)
{
  DeskMail *mail = data;

  relay_stream_unref (mail->stream);
  g_free (mail);
}

static void
desk_mail_arrive (gpointer data)
{
  DeskMail *mail = data;

  if (mail->is_gone)
    relay_link_desk_remove_stream (mail->desk, mail->stream);
  else
    relay_link_desk_on_message (mail->desk, mail->stream, &mail->path,
                                mail->sender, &mail->message);
  desk_mail_free (mail);
}

/* By mail to our own worker too, so that order holds for all alike. */
static void
front_post (RelayLinkFront *self, RelayStream *stream, const RtcPath *path,
            const guint8 *sender, const RelayLinkMessage *message)
{
  RtcWorker *home = relay_stream_get_home (stream);
  DeskMail *mail = g_new0 (DeskMail, 1);

  mail->desk = self->server->desks[rtc_worker_get_index (home)];
  mail->stream = relay_stream_ref (stream);
  mail->is_gone = message == NULL;
  if (message != NULL)
    {
      mail->path = *path;
      memcpy (mail->sender, sender, sizeof mail->sender);
      mail->message = *message;
    }
  rtc_worker_post (home, desk_mail_arrive, mail, desk_mail_free);
}

/* --- what the front says itself --------------------------------------------
 */

static void
front_refuse (RelayLinkFront *self, const RtcPath *path, guint32 subscription,
              RelayLinkReason reason)
{
  RelayLinkMessage message = { .type = RELAY_LINK_REFUSE,
                               .subscription = subscription };

  message.refuse.reason = reason;
  relay_link_sender_send (self->sender, path, &message);
  relay_link_sender_flush (self->sender);
}

static void
front_send_cookie (RelayLinkFront *self, const RtcPath *path,
                   guint32 subscription, gint64 now_us)
{
  RelayLinkMessage message = { .type = RELAY_LINK_COOKIE,
                               .subscription = subscription };

  relay_link_keys_make_cookie (self->server->keys, &path->remote, now_us,
                               message.cookie.cookie);
  relay_link_sender_send (self->sender, path, &message);
  relay_link_sender_flush (self->sender);
}

static gboolean
is_zero (const guint8 *bytes, gsize len)
{
  guint8 any = 0;

  for (gsize i = 0; i < len; i++)
    any |= bytes[i];
  return any == 0;
}

/* A cookie proves the address; it is renewed while an older one is still good.
 * Returns: %FALSE: nothing else may be sent there */
static gboolean
front_check_cookie (RelayLinkFront *self, const RtcPath *path,
                    const RelayLinkMessage *message, gint64 now_us)
{
  const guint8 *cookie = message->subscribe.cookie;
  guint8 fresh[RELAY_LINK_COOKIE_BYTES];
  gboolean is_good = relay_link_keys_check_cookie (
      self->server->keys, &path->remote, now_us, cookie);

  relay_link_keys_make_cookie (self->server->keys, &path->remote, now_us,
                               fresh);
  if (!is_good || memcmp (fresh, cookie, sizeof fresh) != 0)
    front_send_cookie (self, path, message->subscription, now_us);
  if (!is_good && !is_zero (cookie, RELAY_LINK_COOKIE_BYTES))
    relay_link_server_count_dropped (self->server, RELAY_LINK_DROP_COOKIE, 1);
  return is_good;
}

/* --- streams that nobody publishes here ------------------------------------
 */

/* Asks main, at most once in a while; what it last said is the answer.
 * @path: (nullable): whom to answer */
static void
front_want (RelayLinkFront *self, const char *name, const RtcPath *path,
            guint32 subscription, gint64 now_us)
{
  Wanted *wanted = g_hash_table_lookup (self->wanted, name);

  if (wanted == NULL)
    {
      if (g_hash_table_size (self->wanted) >= RELAY_LINK_MAX_WANTED)
        {
          relay_link_server_count_dropped (self->server, RELAY_LINK_DROP_RATE,
                                           1);
          return;
        }
      wanted = g_new0 (Wanted, 1);
      wanted->name = g_strdup (name);
      wanted->asked_us = now_us - RELAY_LINK_WANTED_US;
      g_hash_table_insert (self->wanted, wanted->name, wanted);
    }
  if (now_us - wanted->asked_us >= RELAY_LINK_WANTED_US)
    {
      wanted->asked_us = now_us;
      wanted->answer = 0;
      relay_link_server_want (self->server, name, path, subscription);
    }
  else if (wanted->answer != 0 && path != NULL)
    front_refuse (self, path, subscription, wanted->answer);
}

void
relay_link_front_answer (RelayLinkFront *self, const char *name,
                         gboolean is_pending, const RtcPath *path,
                         guint32 subscription)
{
  Wanted *wanted = g_hash_table_lookup (self->wanted, name);
  RelayLinkReason answer =
      is_pending ? RELAY_LINK_REASON_PENDING : RELAY_LINK_REASON_UNKNOWN;

  if (wanted != NULL)
    wanted->answer = answer;
  if (path != NULL && g_hash_table_lookup (self->known, name) == NULL)
    front_refuse (self, path, subscription, answer);
}

void
relay_link_front_set_stream (RelayLinkFront *self, RelayStream *stream,
                             gboolean is_live)
{
  const char *name = relay_stream_get_name (stream);
  Known *known = g_hash_table_lookup (self->known, name);

  if (known == NULL || known->stream != stream)
    {
      known = g_new0 (Known, 1);
      known->stream = relay_stream_ref (stream);
      g_hash_table_replace (self->known, (char *)name, known);
    }
  known->is_live = is_live;
}

static gboolean
flow_is_of (gpointer key, gpointer value, gpointer stream)
{
  return ((Flow *)value)->stream == stream;
}

void
relay_link_front_remove_stream (RelayLinkFront *self, RelayStream *stream)
{
  const char *name = relay_stream_get_name (stream);
  Known *known = g_hash_table_lookup (self->known, name);

  g_hash_table_foreach_remove (self->flows, flow_is_of, stream);
  if (known != NULL && known->stream == stream)
    g_hash_table_remove (self->known, name);
  front_post (self, stream, NULL, NULL, NULL);
}

void
relay_link_front_leave (RelayLinkFront *self)
{
  self->is_leaving = TRUE;
}

/* --- the port --------------------------------------------------------------
 */

static gboolean
front_keep_flow (RelayLinkFront *self, const RtcPath *path,
                 const guint8 *sender, RelayStream *stream, gint64 now_us)
{
  Flow *flow = g_hash_table_lookup (self->flows, &path->remote);

  if (flow == NULL)
    {
      if (g_hash_table_size (self->flows) >= RELAY_LINK_MAX_FLOWS)
        return FALSE;
      flow = g_new0 (Flow, 1);
      flow->address = path->remote;
      g_hash_table_insert (self->flows, &flow->address, flow);
    }
  if (flow->stream != stream)
    {
      g_clear_pointer (&flow->stream, relay_stream_unref);
      flow->stream = relay_stream_ref (stream);
    }
  memcpy (flow->sender, sender, sizeof flow->sender);
  flow->subscribed_us = now_us;
  return TRUE;
}

static void
front_on_subscribe (RelayLinkFront *self, const RtcPath *path,
                    const guint8 *sender, const RelayLinkMessage *message,
                    gint64 now_us)
{
  const char *name = message->subscribe.stream;
  Known *known = g_hash_table_lookup (self->known, name);

  if (self->is_leaving)
    {
      front_refuse (self, path, message->subscription,
                    RELAY_LINK_REASON_LEAVING);
      return;
    }
  if (known == NULL || !known->is_live)
    front_want (self, name, known == NULL ? path : NULL, message->subscription,
                now_us);
  if (known == NULL)
    return;
  if (front_keep_flow (self, path, sender, known->stream, now_us))
    front_post (self, known->stream, path, sender, message);
  else
    {
      base_counter_add (self->server->metrics.refused_full, 1);
      front_refuse (self, path, message->subscription, RELAY_LINK_REASON_FULL);
    }
}

gboolean
relay_link_front_take_datagram (RelayLinkFront *self, gint64 now_us)
{
  if (now_us - self->second_us >= BASE_US_PER_S)
    {
      self->second_us = now_us;
      self->n_datagrams = 0;
    }
  return self->n_datagrams++ < RELAY_LINK_MAX_DATAGRAMS_S;
}

static gboolean
is_upward (RelayLinkType type)
{
  return type == RELAY_LINK_SUBSCRIBE || type == RELAY_LINK_NACK
         || type == RELAY_LINK_KEYFRAME || type == RELAY_LINK_LEAVE;
}

/* An authentic message.
 * Returns: RELAY_LINK_DROP_N, or why it is dropped */
static RelayLinkDrop
front_on_message (RelayLinkFront *self, const RtcPath *path,
                  const guint8 *sender, guint64 counter,
                  const RelayLinkMessage *message, gint64 now_us)
{
  gboolean is_subscribe = message->type == RELAY_LINK_SUBSCRIBE;
  const Flow *flow = g_hash_table_lookup (self->flows, &path->remote);

  switch (
      relay_link_replay_check (self->replay, sender, counter, FALSE, now_us))
    {
    case RELAY_LINK_REPLAY_SEEN:
      return RELAY_LINK_DROP_REPLAY;
    case RELAY_LINK_REPLAY_STRANGER:
      if (!is_subscribe)
        return RELAY_LINK_DROP_UNKNOWN;
      if (!front_check_cookie (self, path, message, now_us))
        return RELAY_LINK_DROP_N;
      if (relay_link_replay_check (self->replay, sender, counter, TRUE, now_us)
          != RELAY_LINK_REPLAY_NEW)
        return RELAY_LINK_DROP_RATE;
      break;
    case RELAY_LINK_REPLAY_FULL:
    case RELAY_LINK_REPLAY_NEW:
      if (is_subscribe && !front_check_cookie (self, path, message, now_us))
        return RELAY_LINK_DROP_N;
      break;
    }
  if (is_subscribe)
    front_on_subscribe (self, path, sender, message, now_us);
  else if (flow == NULL || memcmp (flow->sender, sender, RELAY_ID_BYTES) != 0)
    return RELAY_LINK_DROP_UNKNOWN;
  else
    front_post (self, flow->stream, path, sender, message);
  return RELAY_LINK_DROP_N;
}

void
relay_link_front_on_datagram (RtcInput *input, const RtcPath *path,
                              guint8 *data, gsize len, gint64 now_us,
                              gpointer user_data)
{
  RelayLinkFront *self = user_data;
  guint8 sender[RELAY_ID_BYTES], body[RELAY_LINK_MAX_BODY_BYTES];
  RelayLinkDrop drop;
  RelayLinkMessage message;
  guint64 counter;
  gsize body_len;

  if (self->sender == NULL)
    return; /* it has not begun */
  if (!relay_link_front_take_datagram (self, now_us))
    drop = RELAY_LINK_DROP_RATE;
  else if (len < RELAY_LINK_OVERHEAD_BYTES || data[0] != 'M')
    drop = RELAY_LINK_DROP_MALFORMED;
  else if (!relay_link_keys_open (self->server->keys, data, len, sender,
                                  &counter, body, &body_len))
    drop = RELAY_LINK_DROP_KEY;
  else if (!relay_link_message_read (body, body_len, &message)
           || !is_upward (message.type))
    drop = RELAY_LINK_DROP_MALFORMED;
  else
    drop = front_on_message (self, path, sender, counter, &message, now_us);
  if (drop != RELAY_LINK_DROP_N)
    relay_link_server_count_dropped (self->server, drop, 1);
}
