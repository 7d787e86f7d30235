/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child in a test: a socket on loopback that says what it is told to, and
 * looks at what comes. Reading never waits; wait_for_* run main meanwhile.
 */
#pragma once

#include "relay-helpers.h"

#include <unistd.h>

typedef struct
{
  int fd;
  RtcAddr own, parent;
  RelayLinkKeys *keys;
  guint32 subscription;
  guint8 cookie[RELAY_LINK_COOKIE_BYTES];
  char stream[RELAY_LINK_NAME_CHARS + 1], node[RELAY_LINK_NAME_CHARS + 1];
} LinkChild;

typedef struct
{
  guint8 data[RELAY_LINK_MAX_PACKET_BYTES];
  gsize len;
  gboolean is_media;
  RelayLinkMessage message; /* when it is not media */
} LinkDatagram;

static inline int
link_open_socket (RtcAddr *ret_address)
{
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  socklen_t len = sizeof ret_address->in;
  int bytes = 4 * 1024 * 1024;

  rtc_addr_from_string ("127.0.0.1", 0, ret_address);
  setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  g_assert_cmpint (bind (fd, &ret_address->sa, sizeof ret_address->in), ==, 0);
  g_assert_cmpint (getsockname (fd, &ret_address->sa, &len), ==, 0);
  return fd;
}

static inline void
link_child_init (LinkChild *self, guint parent_port, guint8 boot,
                 const char *stream)
{
  guint8 boot_id[RELAY_ID_BYTES] = { 0xc0, boot };

  memset (self, 0, sizeof *self);
  self->fd = link_open_socket (&self->own);
  rtc_addr_from_string ("127.0.0.1", parent_port, &self->parent);
  self->keys = relay_link_keys_new (RELAY_WORLD_SECRET, boot_id);
  self->subscription = 1;
  g_strlcpy (self->stream, stream, sizeof self->stream);
  g_snprintf (self->node, sizeof self->node, "child%u", boot);
}

static inline void
link_child_clear (LinkChild *self)
{
  close (self->fd);
  relay_link_keys_free (self->keys);
}

static inline void
link_child_send_bytes (LinkChild *self, const guint8 *data, gsize len)
{
  g_assert_cmpint (sendto (self->fd, data, len, 0, &self->parent.sa,
                           sizeof self->parent.in),
                   ==, (gssize)len);
}

/* Returns: bytes of the datagram; @ret: (nullable): a copy of it */
static inline gsize
link_child_send (LinkChild *self, const RelayLinkMessage *message, guint8 *ret)
{
  guint8 body[RELAY_LINK_MAX_BODY_BYTES];
  guint8 data[RELAY_LINK_MAX_MESSAGE_BYTES];
  gsize len = relay_link_message_write (message, body);

  g_assert_cmpuint (len, >, 0);
  len = relay_link_keys_seal (self->keys, body, len, data);
  link_child_send_bytes (self, data, len);
  if (ret != NULL)
    memcpy (ret, data, len);
  return len;
}

static inline void
link_child_make_subscribe (LinkChild *self, RelayLinkMessage *ret,
                           RelayLinkStart start)
{
  memset (ret, 0, sizeof *ret);
  ret->type = RELAY_LINK_SUBSCRIBE;
  ret->subscription = self->subscription;
  ret->subscribe.start = start;
  ret->subscribe.sent_us = 4711;
  memcpy (ret->subscribe.cookie, self->cookie, sizeof self->cookie);
  g_strlcpy (ret->subscribe.stream, self->stream, sizeof self->stream);
  g_strlcpy (ret->subscribe.node, self->node, sizeof self->node);
}

static inline gsize
link_child_subscribe (LinkChild *self, RelayLinkStart start)
{
  RelayLinkMessage message;

  link_child_make_subscribe (self, &message, start);
  return link_child_send (self, &message, NULL);
}

/* Returns: %FALSE: nothing is there */
static inline gboolean
link_child_read (LinkChild *self, LinkDatagram *ret)
{
  ssize_t n = recv (self->fd, ret->data, sizeof ret->data, 0);
  guint8 sender[RELAY_ID_BYTES], body[RELAY_LINK_MAX_BODY_BYTES];
  guint64 counter;
  gsize body_len;

  if (n < 0)
    return FALSE;
  ret->len = (gsize)n;
  ret->is_media = ret->data[0] != 'M';
  if (ret->is_media)
    return TRUE;
  g_assert_true (relay_link_keys_open (self->keys, ret->data, ret->len, sender,
                                       &counter, body, &body_len));
  g_assert_true (relay_link_message_read (body, body_len, &ret->message));
  return TRUE;
}

static inline void
link_child_wait (LinkChild *self, LinkDatagram *ret)
{
  WAIT_FOR (link_child_read (self, ret));
}

/* the next datagram is that message */
static inline void
link_child_expect (LinkChild *self, RelayLinkType type, LinkDatagram *ret)
{
  link_child_wait (self, ret);
  g_assert_false (ret->is_media);
  g_assert_cmpint (ret->message.type, ==, type);
}

static inline void
link_child_expect_refuse (LinkChild *self, RelayLinkReason reason)
{
  LinkDatagram got;

  link_child_expect (self, RELAY_LINK_REFUSE, &got);
  g_assert_cmpint (got.message.refuse.reason, ==, reason);
}

/* the next media packet; STATUS in between is passed over */
static inline void
link_child_wait_media (LinkChild *self, LinkDatagram *ret)
{
  do
    link_child_wait (self, ret);
  while (!ret->is_media);
}
