/* SPDX-License-Identifier: Apache-2.0 */
/* EgressSender: what leaves opens with libsrtp, and carries the numbers,
 * extensions and rollover counter that the viewer's record says. */
#include "egress/sender.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "rtc/rtp.h"

#define VIDEO_SSRC 0x11223344u
#define AUDIO_SSRC 0x55667788u

typedef struct
{
  int fd_out, fd_in;
  RtcBatch *batch;
  RtcPath path;
  RtcSrtpOut *out;
  RtcSrtp *in;
  EgressSender sender;
  guint8 buf[2048];
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  const RtcSrtpKey key = { .key = { 1, 2, 3 }, .salt = { 4, 5, 6 } };
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS] = { 0 };
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t len = sizeof address;
  RtcSrtpProfile profile = GPOINTER_TO_INT (data);

  memset (f, 0, sizeof *f);
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  f->fd_in = socket (AF_INET, SOCK_DGRAM, 0);
  f->fd_out = socket (AF_INET, SOCK_DGRAM, 0);
  g_assert_cmpint (bind (f->fd_in, (struct sockaddr *)&address, sizeof address),
                   ==, 0);
  g_assert_cmpint (getsockname (f->fd_in, (struct sockaddr *)&address, &len),
                   ==, 0);
  f->path.remote.in = address;
  f->batch = rtc_batch_new (f->fd_out, -1);
  f->out = rtc_srtp_out_new (profile, &key);
  f->in = rtc_srtp_new (profile, &key, &key);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      tracks[k].is_active = TRUE;
      tracks[k].pt = (guint8)(k == RTC_MEDIA_VIDEO ? 102 : 111);
      tracks[k].rtx_pt = -1;
      tracks[k].ssrc = k == RTC_MEDIA_VIDEO ? VIDEO_SSRC : AUDIO_SSRC;
    }
  tracks[RTC_MEDIA_VIDEO].ext_ids[RTC_EXT_VIDEO_ORIENTATION] = 3;
  tracks[RTC_MEDIA_VIDEO].ext_ids[RTC_EXT_DEPENDENCY_DESCRIPTOR] = 12;
  tracks[RTC_MEDIA_VIDEO].ext_ids[RTC_EXT_PLAYOUT_DELAY] = 5;
  egress_sender_init (&f->sender, tracks);
  f->sender.batch = f->batch;
  f->sender.srtp = f->out;
  egress_sender_set_path (&f->sender, &f->path);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  rtc_batch_free (f->batch);
  rtc_srtp_out_free (f->out);
  rtc_srtp_free (f->in);
  close (f->fd_in);
  close (f->fd_out);
}

static gboolean
receive (Fixture *f, RtcRtp *ret)
{
  ssize_t n;
  gsize len;

  rtc_batch_flush (f->batch);
  n = recv (f->fd_in, f->buf, sizeof f->buf, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN)
    return FALSE;
  g_assert_cmpint (n, >, 0);
  len = (gsize)n;
  g_assert_cmpint (rtc_srtp_open_rtp (f->in, f->buf, &len), ==, RTC_SRTP_OK);
  g_assert_true (rtc_rtp_parse (f->buf, len, ret));
  return TRUE;
}

/* @storage: extension elements, then the payload */
static RelayPacket
make_packet (guint8 kind, guint64 ext_seq, const guint8 *storage, guint ext_len,
             guint payload_len)
{
  return (RelayPacket){ .ext_seq = ext_seq,
                        .rtp_ts = (guint32)ext_seq * 10,
                        .kind = kind,
                        .flags = RELAY_PACKET_MARKER,
                        .ext_len = (guint8)ext_len,
                        .payload_len = (guint16)payload_len,
                        .payload = storage + ext_len };
}

static void
test_numbers (Fixture *f, gconstpointer data)
{
  static const guint8 bytes[1100] = "payload";
  guint16 first = 0;
  RtcRtp rtp;

  egress_sender_start (&f->sender, RTC_MEDIA_VIDEO, 70000, FALSE);
  for (guint i = 0; i < 70000; i++)
    {
      RelayPacket packet =
          make_packet (RTC_MEDIA_VIDEO, 70000 + i, bytes, 0, 20);

      g_assert_cmpuint (egress_sender_send (&f->sender, &packet), >, 0);
      /* over the wrap of the sequence number the other side still opens it */
      g_assert_true (receive (f, &rtp));
      if (i == 0)
        first = rtp.seq;
      g_assert_cmpuint (rtp.seq, ==, (guint16)(first + i));
      g_assert_cmpuint (rtp.ssrc, ==, VIDEO_SSRC);
      g_assert_cmpuint (rtp.pt, ==, 102);
      g_assert_cmpuint (rtp.rtp_ts, ==, (70000 + i) * 10);
      g_assert_true (rtp.marker);
      g_assert_cmpmem (rtp.payload, rtp.payload_len, bytes, 20);
    }
  g_assert_cmpuint (first, <, 1 << 15);
}

static void
test_not_ours (Fixture *f, gconstpointer data)
{
  static const guint8 bytes[100];
  RelayPacket before = make_packet (RTC_MEDIA_VIDEO, 99, bytes, 0, 50);
  RtcRtp rtp;

  egress_sender_start (&f->sender, RTC_MEDIA_VIDEO, 100, FALSE);
  g_assert_cmpuint (egress_sender_send (&f->sender, &before), ==, 0);
  f->sender.tracks[RTC_MEDIA_AUDIO].params.is_active = FALSE;
  before.kind = RTC_MEDIA_AUDIO;
  g_assert_cmpuint (egress_sender_send (&f->sender, &before), ==, 0);
  g_assert_false (receive (f, &rtp));
}

/* A viewer who was cut goes on one number later, whatever was skipped. */
static void
test_cut (Fixture *f, gconstpointer data)
{
  static const guint8 bytes[100], params[] = { 0x78, 0, 1, 0x67 };
  RelayPacket packet = make_packet (RTC_MEDIA_VIDEO, 100, bytes, 0, 50);
  guint16 first;
  RtcRtp rtp;

  egress_sender_start (&f->sender, RTC_MEDIA_VIDEO, 100, FALSE);
  egress_sender_send (&f->sender, &packet);
  g_assert_true (receive (f, &rtp));
  first = rtp.seq;
  egress_sender_start (&f->sender, RTC_MEDIA_VIDEO, 5000, TRUE);
  egress_sender_send_params (&f->sender, params, sizeof params, 1);
  g_assert_true (receive (f, &rtp));
  g_assert_cmpuint (rtp.seq, ==, first + 1);
  packet = make_packet (RTC_MEDIA_VIDEO, 5000, bytes, 0, 50);
  egress_sender_send (&f->sender, &packet);
  g_assert_true (receive (f, &rtp));
  g_assert_cmpuint (rtp.seq, ==, first + 2);
}

static void
test_extensions (Fixture *f, gconstpointer data)
{
  const guint8 small[] = { RTC_EXT_VIDEO_ORIENTATION,
                           1,
                           0x02,
                           RTC_EXT_ABS_CAPTURE_TIME,
                           2,
                           9,
                           9,
                           'x',
                           'y' };
  guint8 big[2 + 20 + 2] = { RTC_EXT_DEPENDENCY_DESCRIPTOR, 20, 7 };
  RelayPacket packet =
      make_packet (RTC_MEDIA_VIDEO, 100, small, sizeof small - 2, 2);
  const guint8 *element;
  guint len;
  RtcRtp rtp;

  egress_sender_set_playout_delay (&f->sender, 0, 400);
  egress_sender_start (&f->sender, RTC_MEDIA_VIDEO, 100, FALSE);
  egress_sender_send (&f->sender, &packet);
  g_assert_true (receive (f, &rtp));
  g_assert_cmphex (rtp.ext_profile, ==, 0xbede);
  element = rtc_rtp_ext_find (&rtp, 3, &len);
  g_assert_cmpmem (element, len, small + 2, 1);
  element = rtc_rtp_ext_find (&rtp, 5, &len);
  g_assert_cmpmem (element, len, ((guint8[]){ 0x00, 0x00, 0x28 }), 3);
  g_assert_cmpmem (rtp.payload, rtp.payload_len, "xy", 2);
  /* an element beyond 16 bytes takes the two-byte form */
  packet = make_packet (RTC_MEDIA_VIDEO, 101, big, 22, 2);
  egress_sender_send (&f->sender, &packet);
  g_assert_true (receive (f, &rtp));
  g_assert_cmphex (rtp.ext_profile & 0xfff0, ==, 0x1000);
  element = rtc_rtp_ext_find (&rtp, 12, &len);
  g_assert_cmpmem (element, len, big + 2, 20);
}

#define ADD(name, func)                                                        \
  g_test_add (name "/gcm", Fixture,                                            \
              GINT_TO_POINTER (RTC_SRTP_AEAD_AES_128_GCM), set_up, func,       \
              tear_down);                                                      \
  g_test_add (name "/cm", Fixture,                                             \
              GINT_TO_POINTER (RTC_SRTP_AES128_CM_SHA1_80), set_up, func,      \
              tear_down)

static void
send_of (Fixture *f, guint8 publication, guint64 ext_seq, guint n)
{
  static const guint8 bytes[100] = "payload";

  for (guint i = 0; i < n; i++)
    {
      RelayPacket packet = make_packet (RTC_MEDIA_VIDEO, ext_seq + i, bytes, 0,
                                        10 * (1 + publication));

      packet.publication = publication;
      g_assert_cmpuint (egress_sender_send (&f->sender, &packet), >, 0);
    }
}

/* What was sent is told by publication, once; the bytes that do not fit two of
 * them are not lost. */
static void
test_take_sent (Fixture *f, gconstpointer data)
{
  EgressSentPart parts[2];

  g_assert_cmpuint (
      egress_sender_take_sent (&f->sender, RTC_MEDIA_VIDEO, parts), ==, 0);
  send_of (f, 3, 1000, 5);
  g_assert_cmpuint (
      egress_sender_take_sent (&f->sender, RTC_MEDIA_VIDEO, parts), ==, 1);
  g_assert_cmpuint (parts[0].publication, ==, 3);
  g_assert_cmpuint (parts[0].sent.n_packets, ==, 5);
  g_assert_cmpuint (parts[0].sent.n_bytes, ==, 200);
  send_of (f, 3, 1005, 1);
  send_of (f, 4, 1006, 2);
  g_assert_cmpuint (
      egress_sender_take_sent (&f->sender, RTC_MEDIA_VIDEO, parts), ==, 2);
  g_assert_cmpuint (parts[0].publication, ==, 3);
  g_assert_cmpuint (parts[0].sent.n_packets, ==, 1);
  g_assert_cmpuint (parts[1].publication, ==, 4);
  g_assert_cmpuint (parts[1].sent.n_packets, ==, 2);
  g_assert_cmpuint (parts[1].sent.n_bytes, ==, 100);
  for (guint8 publication = 5; publication < 8; publication++)
    send_of (f, publication, 1000u + publication * 10u, 1);
  g_assert_cmpuint (
      egress_sender_take_sent (&f->sender, RTC_MEDIA_VIDEO, parts), ==, 2);
  g_assert_cmpuint (parts[0].sent.n_packets + parts[1].sent.n_packets, ==, 3);
  g_assert_cmpuint (parts[0].sent.n_bytes + parts[1].sent.n_bytes, ==, 210);
  g_assert_cmpuint (
      egress_sender_take_sent (&f->sender, RTC_MEDIA_VIDEO, parts), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/egress/sender/numbers", test_numbers);
  ADD ("/egress/sender/not-ours", test_not_ours);
  ADD ("/egress/sender/cut", test_cut);
  ADD ("/egress/sender/extensions", test_extensions);
  ADD ("/egress/sender/take-sent", test_take_sent);
  return g_test_run ();
}
