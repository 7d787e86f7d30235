/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LinkParent: a parent as docs/LINKS.md says, for tests of children: it answers
 * on a port of 127.0.0.1 from the default context, and does what a test wants:
 * lose packets by a seed, fall silent, lie about its path. Its time is what the
 * test says (clock_us).
 */
#pragma once

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "relay/inlet.h"
#include "rtc/udp.h"

#define LINK_PARENT_HELD 4096 /* packets of each kind */

typedef struct
{
  gsize len;
  guint8 data[256];
} LinkParentPacket;

typedef struct
{
  char node[32];
  RelayLinkKeys *keys; /* of its boot; owned */
  const char *secret;
  RtcAddr address;
  int fd;
  guint watch;
  const gint64 *clock_us; /* borrowed: main's */

  /* what it has */
  gboolean is_live;
  guint64 epoch;
  guint8 publication[RELAY_ID_BYTES];
  RelayLinkMedia *media; /* owned, nullable */
  RelayStreamInfo info;
  guint n_path;
  char path[RELAY_LINK_MAX_PATH][RELAY_LINK_NAME_CHARS + 1];
  LinkParentPacket *held[RTC_MEDIA_N_KINDS]; /* by number, modulo */
  guint64 oldest[RTC_MEDIA_N_KINDS], head[RTC_MEDIA_N_KINDS];
  guint64 gop[RTC_MEDIA_N_KINDS];

  /* what it does */
  gboolean is_stopped; /* neither hears nor speaks */
  gint refuses;        /* RelayLinkReason, 0 = nothing */
  guint n_deaf;        /* packets asked for that it will not hear of */
  double loss;         /* of its media, 0 to 1; which packets: */
  guint32 seed;        /* the same with the same seed */
  GRand *rand;         /* owned: of repairs */

  /* its child */
  gboolean has_child;
  RtcAddr child;
  guint32 subscription;
  guint64 first[RTC_MEDIA_N_KINDS], sent[RTC_MEDIA_N_KINDS];
  RelayLinkSubscribe last;
  gint64 sent_us;
  guint8 status[RELAY_LINK_MAX_MESSAGE_BYTES]; /* the last, to replay */
  gsize status_len;
  guint n_subscribes, n_starts, n_nacks, n_repairs, n_keyframes, n_leaves;
  guint n_lost, n_sent;
} LinkParent;

static inline void
link_parent_send (LinkParent *self, const guint8 *data, gsize len)
{
  (void)!sendto (self->fd, data, len, MSG_DONTWAIT, &self->child.sa,
                 sizeof self->child.in);
}

static inline void
link_parent_say (LinkParent *self, RelayLinkMessage *message)
{
  guint8 body[RELAY_LINK_MAX_BODY_BYTES];
  guint8 data[RELAY_LINK_MAX_MESSAGE_BYTES];
  gsize len;

  message->subscription = self->subscription;
  len = relay_link_message_write (message, body);
  g_assert_cmpuint (len, >, 0);
  len = relay_link_keys_seal (self->keys, body, len, data);
  if (message->type == RELAY_LINK_STATUS)
    {
      memcpy (self->status, data, len);
      self->status_len = len;
    }
  link_parent_send (self, data, len);
}

static inline void
link_parent_say_status (LinkParent *self, gboolean is_reply)
{
  RelayLinkMessage message = { .type = RELAY_LINK_STATUS };
  RelayLinkStatus *status = &message.status;

  status->is_reply = is_reply;
  status->is_live = self->is_live;
  status->has_info = self->is_live;
  status->info = self->info;
  status->echo_us = self->last.sent_us;
  status->epoch = self->epoch;
  memcpy (status->publication, self->publication, RELAY_ID_BYTES);
  memcpy (status->first, self->first, sizeof status->first);
  memcpy (status->head, self->sent, sizeof status->head);
  status->n_path = self->n_path;
  memcpy (status->path, self->path, sizeof status->path);
  self->sent_us = *self->clock_us;
  link_parent_say (self, &message);
}

static inline double
link_parent_draw (LinkParent *self, RtcMediaKind kind, guint64 number)
{
  guint64 x = (number * 2 + kind + 1) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)
              + self->seed;

  x = (x ^ x >> 30) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return (double)((x ^ x >> 31) >> 11) / (double)(G_GUINT64_CONSTANT (1) << 53);
}

static inline void
link_parent_send_packet (LinkParent *self, RtcMediaKind kind, guint64 number)
{
  double draw = number > self->sent[kind]
                    ? link_parent_draw (self, kind, number)
                    : g_rand_double (self->rand);
  const LinkParentPacket *packet =
      &self->held[kind][number % LINK_PARENT_HELD];

  if (number < self->oldest[kind] || number > self->head[kind]
      || packet->len == 0)
    return;
  self->sent[kind] = MAX (self->sent[kind], number);
  self->sent_us = *self->clock_us;
  if (draw < self->loss)
    {
      self->n_lost++;
      return;
    }
  self->n_sent++;
  link_parent_send (self, packet->data, packet->len);
}

static inline void
link_parent_start (LinkParent *self, const RelayLinkSubscribe *subscribe)
{
  self->n_starts++;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->sent[k] = 0;
      self->first[k] = self->head[k] + 1;
      if (subscribe->start == RELAY_LINK_START_GOP && self->gop[k] != 0)
        self->first[k] = self->gop[k];
      else if (subscribe->start == RELAY_LINK_START_FROM
               && subscribe->from[k] != 0)
        self->first[k] = MAX (subscribe->from[k], self->oldest[k]);
      if (self->head[k] == 0)
        self->first[k] = 0;
    }
}

static inline void
link_parent_on_subscribe (LinkParent *self, const RelayLinkMessage *message)
{
  guint8 cookie[RELAY_LINK_COOKIE_BYTES];
  RelayLinkMessage answer = { .type = RELAY_LINK_COOKIE };
  gboolean is_start = !self->has_child
                      || self->subscription != message->subscription;

  self->n_subscribes++;
  self->subscription = message->subscription;
  self->last = message->subscribe;
  relay_link_keys_make_cookie (self->keys, &self->child,
                               *self->clock_us, cookie);
  if (memcmp (cookie, message->subscribe.cookie, sizeof cookie) != 0)
    {
      memcpy (answer.cookie.cookie, cookie, sizeof cookie);
      link_parent_say (self, &answer);
      return;
    }
  if (self->refuses != 0)
    {
      answer.type = RELAY_LINK_REFUSE;
      answer.refuse.reason = self->refuses;
      self->has_child = FALSE;
      link_parent_say (self, &answer);
      return;
    }
  self->has_child = TRUE;
  if (is_start)
    link_parent_start (self, &message->subscribe);
  link_parent_say_status (self, TRUE);
  for (guint k = 0; is_start && k < RTC_MEDIA_N_KINDS; k++)
    if (self->first[k] != 0)
      for (guint64 n = self->first[k]; n <= self->head[k]; n++)
        link_parent_send_packet (self, k, n);
}

static inline void
link_parent_on_message (LinkParent *self, const RelayLinkMessage *message)
{
  if (message->type == RELAY_LINK_SUBSCRIBE)
    {
      link_parent_on_subscribe (self, message);
      return;
    }
  if (!self->has_child || message->subscription != self->subscription)
    return;
  if (message->type == RELAY_LINK_NACK)
    for (guint i = 0; i < message->nack.n_ranges; i++)
      {
        const RelayLinkNackRange *range = &message->nack.ranges[i];

        self->n_nacks++;
        for (guint n = 0; n < range->n_packets; n++)
          {
            if (self->n_deaf > 0)
              {
                self->n_deaf--;
                continue;
              }
            self->n_repairs++;
            link_parent_send_packet (self, range->kind, range->first + n);
          }
      }
  else if (message->type == RELAY_LINK_KEYFRAME)
    self->n_keyframes++;
  else if (message->type == RELAY_LINK_LEAVE)
    {
      self->n_leaves++;
      self->has_child = FALSE;
    }
}

static inline gboolean
link_parent_on_ready (int fd, GIOCondition condition, gpointer data)
{
  LinkParent *self = data;
  guint8 buffer[2048], sender[RELAY_ID_BYTES];
  guint8 body[RELAY_LINK_MAX_BODY_BYTES];
  RelayLinkMessage message;
  guint64 counter;
  gsize body_len;
  RtcAddr from = { 0 };
  socklen_t from_len = sizeof from;
  gssize n = recvfrom (fd, buffer, sizeof buffer, MSG_DONTWAIT, &from.sa,
                       &from_len);

  if (n < 0 || self->is_stopped)
    return G_SOURCE_CONTINUE;
  g_assert_true (relay_link_keys_open (self->keys, buffer, (gsize)n, sender,
                                       &counter, body, &body_len));
  g_assert_true (relay_link_message_read (body, body_len, &message));
  self->child = from;
  link_parent_on_message (self, &message);
  return G_SOURCE_CONTINUE;
}

/* each few ms of the clock */
static inline void
link_parent_on_time (LinkParent *self)
{
  if (self->has_child && !self->is_stopped
      && *self->clock_us - self->sent_us > (self->is_live ? 20000 : 1000000))
    link_parent_say_status (self, FALSE);
}

static inline void
link_parent_boot (LinkParent *self)
{
  guint8 boot[RELAY_ID_BYTES];

  for (guint i = 0; i < sizeof boot; i++)
    boot[i] = (guint8)g_random_int ();
  g_clear_pointer (&self->keys, relay_link_keys_free);
  self->keys = relay_link_keys_new (self->secret, boot);
  self->has_child = FALSE;
}

static inline void
link_parent_init (LinkParent *self, const char *node, const char *secret,
                  const gint64 *clock_us)
{
  memset (self, 0, sizeof *self);
  self->clock_us = clock_us;
  g_strlcpy (self->node, node, sizeof self->node);
  self->secret = secret;
  link_parent_boot (self);
  self->seed = g_str_hash (node);
  self->rand = g_rand_new_with_seed (self->seed);
  g_assert_true (rtc_addr_from_string ("127.0.0.1", 0, &self->address));
  self->fd = rtc_udp_open_at (&self->address);
  g_assert_cmpint (self->fd, >=, 0);
  self->address.in.sin_port = g_htons ((guint16)rtc_socket_get_port (self->fd));
  g_strlcpy (self->path[0], "origin", sizeof self->path[0]);
  g_strlcpy (self->path[1], node, sizeof self->path[1]);
  self->n_path = 2;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    self->held[k] = g_new0 (LinkParentPacket, LINK_PARENT_HELD);
  self->watch =
      g_unix_fd_add (self->fd, G_IO_IN, link_parent_on_ready, self);
}

static inline void
link_parent_clear (LinkParent *self)
{
  g_source_remove (self->watch);
  close (self->fd);
  g_rand_free (self->rand);
  relay_link_keys_free (self->keys);
  g_clear_pointer (&self->media, relay_link_media_unref);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_free (self->held[k]);
}

/* another publication: the child that is there has it from its @first on */
static inline void
link_parent_publish (LinkParent *self, const char *stream, guint64 epoch,
                     guint8 id, const RelayStreamInfo *info, guint64 first)
{
  g_clear_pointer (&self->media, relay_link_media_unref);
  memset (self->publication, id, RELAY_ID_BYTES);
  self->media =
      relay_link_media_new (self->keys, stream, self->publication);
  self->epoch = epoch;
  self->info = *info;
  self->is_live = TRUE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->oldest[k] = self->head[k] = self->gop[k] = 0;
      self->first[k] = first;
      self->sent[k] = 0;
    }
  if (self->has_child && !self->is_stopped)
    link_parent_say_status (self, FALSE);
}

static inline void
link_parent_push (LinkParent *self, const RelayLinkPacket *packet)
{
  RtcMediaKind kind = packet->kind;
  LinkParentPacket *held =
      &self->held[kind][packet->ext_seq % LINK_PARENT_HELD];
  guint8 sealed[RELAY_LINK_MAX_PACKET_BYTES];

  held->len = relay_link_media_seal (self->media, packet, sealed);
  g_assert_cmpuint (held->len, <=, sizeof held->data);
  memcpy (held->data, sealed, held->len);
  if (self->oldest[kind] == 0)
    self->oldest[kind] = packet->ext_seq;
  self->head[kind] = packet->ext_seq;
  self->oldest[kind] =
      MAX (self->oldest[kind],
           packet->ext_seq >= LINK_PARENT_HELD
               ? packet->ext_seq - LINK_PARENT_HELD + 1
               : 1);
  if (packet->is_keyframe)
    {
      self->gop[RTC_MEDIA_VIDEO] = packet->ext_seq;
      self->gop[RTC_MEDIA_AUDIO] = self->head[RTC_MEDIA_AUDIO];
    }
  if (!self->has_child || self->is_stopped)
    return;
  if (self->first[kind] == 0)
    self->first[kind] = packet->ext_seq;
  link_parent_send_packet (self, kind, packet->ext_seq);
}
