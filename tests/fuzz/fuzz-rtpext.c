/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the header extensions that a viewer is sent: whatever block lies in
 * the history, what leaves is whole RTP with that payload.
 * Input: 1 byte of flags, 1 byte: length of the block, RTC_EXT_N bytes: the
 * viewer's ids, the block, the payload.
 */
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "egress/sender.h"
#include "rtc/rtp.h"

enum
{
  FLAG_VIDEO = 1 << 0,
  FLAG_PLAYOUT_DELAY = 1 << 1,
  FLAG_MARKER = 1 << 2,
};

static int fd_in;
static RtcBatch *batch;
static RtcSrtpOut *out;
static RtcSrtp *in;
static RtcPath path;
static guint64 ext_seq = 1;

static void
set_up (void)
{
  const RtcSrtpKey key = { .key = { 1, 2, 3 }, .salt = { 4, 5, 6 } };
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t len = sizeof address;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  fd_in = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (bind (fd_in, (struct sockaddr *)&address, sizeof address) != 0
      || getsockname (fd_in, (struct sockaddr *)&address, &len) != 0)
    g_error ("no socket");
  path.remote.in = address;
  batch = rtc_batch_new (socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), -1);
  out = rtc_srtp_out_new (RTC_SRTP_AEAD_AES_128_GCM, &key);
  in = rtc_srtp_new (RTC_SRTP_AEAD_AES_128_GCM, &key, &key);
}

/* The sequence number goes on over runs: nothing is a replay. */
static void
prepare (EgressSender *sender, guint flags, const guint8 *ids)
{
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS] = { 0 };
  static const EgressSender empty;

  *sender = empty;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      tracks[k].is_active = TRUE;
      tracks[k].pt = 100;
      tracks[k].rtx_pt = -1;
      tracks[k].ssrc = 0x11223344;
      memcpy (tracks[k].ext_ids, ids, RTC_EXT_N);
    }
  egress_sender_init (sender, tracks);
  if (flags & FLAG_PLAYOUT_DELAY)
    egress_sender_set_playout_delay (sender, 10, 200);
  sender->batch = batch;
  sender->srtp = out;
  egress_sender_set_path (sender, &path);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      egress_sender_start (sender, (RtcMediaKind)k, ext_seq, FALSE);
      sender->tracks[k].seq_offset = 0;
      sender->tracks[k].highest_out = ext_seq - 1;
    }
}

static void
check (const RelayPacket *packet, const guint8 *ids)
{
  guint8 buf[2048];
  ssize_t n = recv (fd_in, buf, sizeof buf, MSG_DONTWAIT);
  gsize len = n > 0 ? (gsize)n : 0;
  guint offset = 0, id, ext_len, n_bytes = 0;
  const guint8 *ext;
  RtcRtp rtp;

  if (n <= 0)
    g_error ("nothing came");
  if (rtc_srtp_open_rtp (in, buf, &len) != RTC_SRTP_OK)
    g_error ("it does not open");
  if (!rtc_rtp_parse (buf, len, &rtp))
    g_error ("it is no RTP");
  if (rtp.payload_len != packet->payload_len
      || memcmp (rtp.payload, packet->payload, packet->payload_len) != 0)
    g_error ("another payload");
  while (rtc_rtp_ext_next (&rtp, &offset, &id, &ext, &ext_len))
    {
      if (memchr (ids, (int)id, RTC_EXT_N) == NULL)
        g_error ("an id that was not negotiated");
      n_bytes += ext_len;
    }
  if (n_bytes > 255 + 3)
    g_error ("extensions of %u bytes", n_bytes);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  static EgressSender sender;
  const guint8 *ids = data + 2, *block = data + 2 + RTC_EXT_N;
  g_autofree guint8 *copy = NULL;
  RelayPacket packet = { 0 };
  gsize rest;

  if (batch == NULL)
    set_up ();
  if (len < 2 + RTC_EXT_N || len > 2 + RTC_EXT_N + 1200)
    return 0;
  rest = len - 2 - RTC_EXT_N;
  /* as the history has it: block and payload side by side */
  copy = g_malloc (rest + 1);
  memcpy (copy, block, rest);
  packet.ext_seq = ext_seq;
  packet.ext_len = (guint8)MIN (data[1], rest);
  packet.payload = copy + packet.ext_len;
  packet.payload_len = (guint16)(rest - packet.ext_len);
  packet.kind = data[0] & FLAG_VIDEO ? RTC_MEDIA_VIDEO : RTC_MEDIA_AUDIO;
  packet.flags = data[0] & FLAG_MARKER ? RELAY_PACKET_MARKER : 0;
  prepare (&sender, data[0], ids);
  if (egress_sender_send (&sender, &packet) == 0)
    g_error ("not sent");
  rtc_batch_flush (batch);
  check (&packet, ids);
  ext_seq++;
  return 0;
}
