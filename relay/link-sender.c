/* SPDX-License-Identifier: Apache-2.0 */
/* RelayLinkSender: see link-sender.h. */
#include "relay/link-sender.h"

struct _RelayLinkSender
{
  RelayLinkKeys *keys; /* borrowed */
  RtcBatch *batch;     /* owned */
  gsize used;
  guint8 bytes[RELAY_LINK_SENDER_BYTES];
};

RelayLinkSender *
relay_link_sender_new (int fd, int family, RelayLinkKeys *keys)
{
  RelayLinkSender *self = g_new (RelayLinkSender, 1);

  self->keys = keys;
  self->batch =
      rtc_batch_new (family == AF_INET ? fd : -1, family == AF_INET6 ? fd : -1);
  self->used = 0;
  return self;
}

void
relay_link_sender_free (RelayLinkSender *self)
{
  rtc_batch_free (self->batch);
  g_free (self);
}

void
relay_link_sender_send (RelayLinkSender *self, const RtcPath *path,
                        const RelayLinkMessage *message)
{
  guint8 body[RELAY_LINK_MAX_BODY_BYTES];
  gsize len = relay_link_message_write (message, body);
  guint8 *dst;

  g_return_if_fail (len > 0);
  dst = rtc_batch_reserve (self->batch, path, RELAY_LINK_MAX_MESSAGE_BYTES);
  rtc_batch_commit (self->batch,
                    relay_link_keys_seal (self->keys, body, len, dst));
}

const guint8 *
relay_link_sender_seal (RelayLinkSender *self, RelayLinkMedia *media,
                        const RelayLinkPacket *packet, gsize *ret_len)
{
  guint8 *dst = self->bytes + self->used;

  if (self->used + RELAY_LINK_MAX_PACKET_BYTES > sizeof self->bytes)
    return NULL;
  *ret_len = relay_link_media_seal (media, packet, dst);
  self->used += *ret_len;
  return dst;
}

void
relay_link_sender_queue (RelayLinkSender *self, const RtcPath *path,
                         const guint8 *data, gsize len)
{
  rtc_batch_add (self->batch, path, data, len);
}

void
relay_link_sender_flush (RelayLinkSender *self)
{
  rtc_batch_flush (self->batch);
  self->used = 0;
}
