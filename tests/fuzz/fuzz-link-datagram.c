/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what comes to a link's port under a fixed secret: as it is (control
 * and media), and, so that more than the tag is tried, sealed rightly: the
 * input as a body, and as a clear packet of a member of the cluster. What
 * opens must be what seal writes, bit by bit.
 */
#include <stdint.h>
#include <string.h>

#include "relay/link-message.h"
#include "rtc/rtp.h"

#define EXT_SEQ G_GUINT64_CONSTANT (0x123450001)

static const guint8 id[RELAY_ID_BYTES] = "0123456789abcdef";
/* HKDF of "fuzz" and "stage": tests/unit/test-relay-link-media.c has how */
static const RtcSrtpKey key = {
  .key = { 0xce, 0xc6, 0x99, 0x66, 0xfd, 0x3f, 0x58, 0xb1, 0x69, 0xb4, 0x9f,
           0x40, 0x03, 0x6b, 0xc4, 0x99 },
  .salt = { 0xdb, 0x5b, 0x40, 0x86, 0x31, 0x18, 0x28, 0xcb, 0xaf, 0x33, 0xad,
            0x67 },
};

static RelayLinkKeys *keys;
static RelayLinkMedia *media;
static RtcSrtpOut *out;

static void
try_control (const guint8 *data, gsize len)
{
  guint8 sender[RELAY_ID_BYTES], body[RELAY_LINK_MAX_BODY_BYTES];
  guint8 sealed[RELAY_LINK_MAX_MESSAGE_BYTES];
  RelayLinkMessage message;
  guint64 counter;
  gsize n;

  if (relay_link_keys_open (keys, data, len, sender, &counter, body, &n))
    relay_link_message_read (body, n, &message);
  if (len > sizeof body)
    return;
  n = relay_link_keys_seal (keys, data, len, sealed);
  if (!relay_link_keys_open (keys, sealed, n, sender, &counter, body, &n)
      || n != len || memcmp (body, data, n) != 0)
    g_error ("cannot open what was sealed");
}

static void
try_cookie (const guint8 *data, gsize len)
{
  guint8 cookie[RELAY_LINK_COOKIE_BYTES] = { 0 };
  RtcAddr address;

  memcpy (cookie, data, MIN (len, sizeof cookie));
  if (rtc_addr_from_string ("192.0.2.1", 5000, &address)
      && relay_link_keys_check_cookie (keys, &address, 1000, cookie))
    g_error ("a cookie was guessed");
}

/* Returns: %TRUE when it opened; @data is garbage in any case */
static gboolean
try_media (guint8 *data, gsize len, guint64 expected)
{
  const guint64 highest[RTC_MEDIA_N_KINDS] = { expected, expected };
  guint8 copy[RELAY_LINK_MAX_PACKET_BYTES], sealed[sizeof copy];
  RelayLinkPacket packet;
  RtcMediaKind kind;
  guint64 ext_seq;

  if (!relay_link_media_peek (media, data, len, highest, &kind, &ext_seq)
      || len > sizeof copy)
    return FALSE;
  memcpy (copy, data, len);
  if (!relay_link_media_open (media, data, len, ext_seq, &packet))
    return FALSE;
  if (packet.kind != kind || packet.ext_seq != ext_seq
      || relay_link_media_seal (media, &packet, sealed) != len
      || memcmp (copy, sealed, len) != 0)
    g_error ("sealed again, it is another");
  return TRUE;
}

static void
try_clear (const guint8 *data, gsize len)
{
  guint8 sealed[RELAY_LINK_MAX_PACKET_BYTES + RTC_SRTP_MAX_TRAILER];
  guint32 ssrc;
  RtcRtp rtp;

  if (len < 12 || len > RELAY_LINK_MAX_PACKET_BYTES
      || !rtc_rtp_parse (data, len, &rtp))
    return;
  ssrc = GUINT32_TO_BE (
      relay_link_media_get_ssrc (media, (RtcMediaKind)(data[11] & 1)));
  memcpy (sealed, data, rtp.header_len);
  memcpy (sealed + 8, &ssrc, 4);
  sealed[2] = (guint8)(EXT_SEQ >> 8);
  sealed[3] = (guint8)EXT_SEQ;
  len = rtc_srtp_out_seal (out, sealed, rtp.header_len, NULL, 0,
                           data + rtp.header_len, len - rtp.header_len,
                           (guint32)(EXT_SEQ >> 16));
  try_media (sealed, len, EXT_SEQ);
}

/* The keys are right: a clear packet of the plainest form gets through. */
static void
set_up (void)
{
  guint8 plain[] = "\x80\x62\0\1tttt\0\0\0\1payload", sealed[64];
  guint32 ssrc;

  keys = relay_link_keys_new ("fuzz", id);
  media = relay_link_media_new (keys, "stage", id);
  out = rtc_srtp_out_new (RTC_SRTP_AEAD_AES_128_GCM, &key);
  ssrc = GUINT32_TO_BE (relay_link_media_get_ssrc (media, RTC_MEDIA_VIDEO));
  memcpy (plain + 8, &ssrc, 4);
  memcpy (sealed, plain, 12);
  if (!try_media (
          sealed,
          rtc_srtp_out_seal (out, sealed, 12, NULL, 0, plain + 12, 7, 0), 1))
    g_error ("the key is another");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree guint8 *copy = g_memdup2 (data, len);

  if (!keys)
    set_up ();
  try_control (data, len);
  try_cookie (data, len);
  if (copy)
    try_media (copy, len, EXT_SEQ);
  try_clear (data, len);
  return 0;
}
