/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-source: plain RTP as an encoder sends it. Video: H264 in FU-A, each
 * group of pictures begins with SPS, PPS and an IDR frame six times as big as
 * the others; a frame's packets leave together at the frame's time. Audio:
 * Opus-shaped packets, 50 a second. Each payload is stamped (stamp.h), the
 * rest of it is random. Sender reports once a second at port + 1.
 *   Several streams: stream i at the ports + i * stride, frames spread in time.
 */
#include <arpa/inet.h>
#include <glib-unix.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/stamp.h"

#define HEADER_BYTES 12
#define KEY_WEIGHT 6 /* a key frame's size in others' */
#define MAX_PACKET 1500
#define MAX_STREAMS 1024
#define VIDEO_PT 96
#define AUDIO_PT 111
#define AUDIO_PERIOD_US 20000
#define NTP_1970 G_GUINT64_CONSTANT (2208988800)

typedef struct
{
  int fd, rtcp_fd;
  guint32 ssrc, ts_base;
  guint16 seq;
  guint32 n_packets, n_bytes;
} Track;

typedef struct
{
  Track video, audio;
  gint64 next_video_us, next_audio_us, next_report_us;
  gint64 start_us;
  guint64 n_frames, n_audio;
} Stream;

static char *opt_video, *opt_audio;
static int opt_bitrate_bps = 2500000, opt_fps = 30, opt_packet_bytes = 1200;
static int opt_audio_bytes = 160, opt_streams = 1, opt_stride = 4;
static double opt_gop_s = 2, opt_seconds = 0;
static guint8 noise[MAX_PACKET];
static guint64 counter;
static volatile gboolean is_ending;

static GOptionEntry entries[] = {
  { "video", 0, 0, G_OPTION_ARG_STRING, &opt_video, "IP:PORT", NULL },
  { "audio", 0, 0, G_OPTION_ARG_STRING, &opt_audio, "IP:PORT", NULL },
  { "bitrate", 0, 0, G_OPTION_ARG_INT, &opt_bitrate_bps, "of video", "BPS" },
  { "fps", 0, 0, G_OPTION_ARG_INT, &opt_fps, "frames a second", "N" },
  { "gop-s", 0, 0, G_OPTION_ARG_DOUBLE, &opt_gop_s, "keyframe interval", "S" },
  { "packet-bytes", 0, 0, G_OPTION_ARG_INT, &opt_packet_bytes,
    "biggest RTP packet of video", "N" },
  { "audio-bytes", 0, 0, G_OPTION_ARG_INT, &opt_audio_bytes,
    "RTP packet of audio", "N" },
  { "streams", 0, 0, G_OPTION_ARG_INT, &opt_streams, "how many", "N" },
  { "stride", 0, 0, G_OPTION_ARG_INT, &opt_stride, "ports a stream", "N" },
  { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &opt_seconds, "0: no end", "S" },
  { NULL }
};

static gint64
now_us (void)
{
  return g_get_monotonic_time ();
}

static int
connect_to (const char *ip, guint port)
{
  struct sockaddr_in a = { .sin_family = AF_INET,
                           .sin_port = htons ((guint16)port) };
  int fd = socket (AF_INET, SOCK_DGRAM, 0), big = 4 << 20;

  if (inet_pton (AF_INET, ip, &a.sin_addr) != 1
      || connect (fd, (struct sockaddr *)&a, sizeof a) != 0)
    {
      fprintf (stderr, "bench-source: no way to %s:%u\n", ip, port);
      exit (2);
    }
  setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
  return fd;
}

static void
open_track (Track *track, const char *place, guint offset)
{
  g_auto (GStrv) parts = g_strsplit (place, ":", 2);
  guint port = parts[1] ? (guint)atoi (parts[1]) + offset : 0;

  track->fd = connect_to (parts[0], port);
  track->rtcp_fd = connect_to (parts[0], port + 1);
  track->ssrc = g_random_int ();
  track->ts_base = g_random_int ();
  track->seq = (guint16)g_random_int_range (0, 30000);
}

static void
put32 (guint8 *p, guint32 n)
{
  for (guint i = 0; i < 4; i++)
    p[i] = (guint8)(n >> (24 - 8 * i));
}

static void
write_header (Track *track, guint8 *p, guint8 pt, gboolean marker, guint32 ts)
{
  p[0] = 0x80;
  p[1] = (guint8)(pt | (marker ? 0x80 : 0));
  p[2] = (guint8)(track->seq >> 8);
  p[3] = (guint8)track->seq;
  put32 (p + 4, track->ts_base + ts);
  put32 (p + 8, track->ssrc);
  track->seq++;
}

/* What the server refuses is his loss, counted by the receivers. */
static void
send_packet (Track *track, const guint8 *p, gsize len)
{
  (void)!send (track->fd, p, len, 0);
  track->n_packets++;
  track->n_bytes += (guint32)(len - HEADER_BYTES);
}

static void
send_params (Stream *s, guint32 ts)
{
  /* baseline 3.1, 1280x720 */
  static const guint8 stap[] = { 0x78, 0,    9,    0x67, 0x42, 0xe0,
                                 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe4,
                                 0,    4,    0x68, 0xce, 0x3c, 0x80 };
  guint8 p[HEADER_BYTES + sizeof stap];

  write_header (&s->video, p, VIDEO_PT, FALSE, ts);
  memcpy (p + HEADER_BYTES, stap, sizeof stap);
  send_packet (&s->video, p, sizeof p);
}

static guint
frame_bytes (gboolean is_key, guint n_gop)
{
  double whole = opt_bitrate_bps / 8.0 * opt_gop_s;
  double small = whole / (n_gop - 1 + KEY_WEIGHT);

  return (guint)(is_key ? small * KEY_WEIGHT : small);
}

static void
send_frame (Stream *s)
{
  guint n_gop = MAX (1, (guint)(opt_gop_s * opt_fps + 0.5));
  gboolean is_key = s->n_frames % n_gop == 0;
  guint32 ts = (guint32)(s->n_frames * 90000 / (guint)opt_fps);
  guint left = MAX (64, frame_bytes (is_key, n_gop));
  guint room = (guint)opt_packet_bytes - HEADER_BYTES - 2;
  gboolean is_first = TRUE;
  guint8 p[MAX_PACKET];
  guint8 nal = is_key ? 5 : 1;

  if (is_key)
    send_params (s, ts);
  memcpy (p, noise, sizeof p);
  while (left > 0)
    {
      guint n = MAX (MIN (left, room), (guint)sizeof (BenchStamp));

      left -= MIN (n, left);
      write_header (&s->video, p, VIDEO_PT, left == 0, ts);
      p[HEADER_BYTES] = (guint8)(0x60 | 28);
      p[HEADER_BYTES + 1] =
          (guint8)(nal | (is_first ? 0x80 : 0) | (left == 0 ? 0x40 : 0));
      bench_stamp_write (p + HEADER_BYTES + 2, now_us (), counter++);
      send_packet (&s->video, p, HEADER_BYTES + 2 + n);
      is_first = FALSE;
    }
  s->n_frames++;
}

static void
send_audio (Stream *s)
{
  guint8 p[MAX_PACKET];

  memcpy (p, noise, (gsize)opt_audio_bytes);
  write_header (&s->audio, p, AUDIO_PT, s->n_audio == 0,
                (guint32)(s->n_audio * 960));
  p[HEADER_BYTES] = 0xfc; /* CELT, 20 ms, stereo, one frame */
  bench_stamp_write (p + HEADER_BYTES + 1, now_us (), counter++);
  send_packet (&s->audio, p, (gsize)opt_audio_bytes);
  s->n_audio++;
}

static void
send_report (Track *track, gint64 age_us, guint32 clock_hz)
{
  gint64 wall_us = g_get_real_time ();
  guint8 p[28] = { 0x80, 200, 0, 6 };

  put32 (p + 4, track->ssrc);
  put32 (p + 8, (guint32)((guint64)wall_us / 1000000 + NTP_1970));
  put32 (p + 12, (guint32)((((guint64)wall_us % 1000000) << 32) / 1000000));
  put32 (p + 16, track->ts_base + (guint32)(age_us * clock_hz / 1000000));
  put32 (p + 20, track->n_packets);
  put32 (p + 24, track->n_bytes);
  (void)!send (track->rtcp_fd, p, sizeof p, 0);
}

/* Returns: when it is wanted next */
static gint64
run_stream (Stream *s, gint64 now)
{
  if (opt_video && now >= s->next_video_us)
    {
      send_frame (s);
      s->next_video_us =
          s->start_us + (gint64)(s->n_frames * 1000000 / (guint)opt_fps);
    }
  if (opt_audio && now >= s->next_audio_us)
    {
      send_audio (s);
      s->next_audio_us =
          s->start_us + 7000 + (gint64)s->n_audio * AUDIO_PERIOD_US;
    }
  if (now >= s->next_report_us)
    {
      if (opt_video)
        send_report (&s->video, now - s->start_us, 90000);
      if (opt_audio)
        send_report (&s->audio, now - s->start_us, 48000);
      s->next_report_us = now + 1000000;
    }
  return MIN (opt_video ? s->next_video_us : G_MAXINT64,
              opt_audio ? s->next_audio_us : G_MAXINT64);
}

static void
sleep_until (gint64 at_us)
{
  struct timespec t = { at_us / 1000000, at_us % 1000000 * 1000 };

  clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void
on_signal (int number)
{
  is_ending = TRUE;
}

static void
run (Stream *streams)
{
  gint64 start_us = now_us () + 100000;
  gint64 period_us = 1000000 / opt_fps;

  for (int i = 0; i < opt_streams; i++)
    {
      Stream *s = &streams[i];

      s->start_us = start_us + period_us * i / opt_streams;
      s->next_video_us = s->next_report_us = s->start_us;
      s->next_audio_us = s->start_us + 7000;
    }
  while (!is_ending
         && (opt_seconds <= 0
             || now_us () - start_us < (gint64)(opt_seconds * 1e6)))
    {
      gint64 next_us = G_MAXINT64, now = now_us ();

      for (int i = 0; i < opt_streams; i++)
        next_us = MIN (next_us, run_stream (&streams[i], now));
      if (next_us > now_us ())
        sleep_until (next_us);
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree Stream *streams = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)
      || (!opt_video && !opt_audio) || opt_fps < 1 || opt_gop_s <= 0
      || opt_packet_bytes < 100 || opt_packet_bytes > MAX_PACKET
      || opt_audio_bytes < 64 || opt_audio_bytes > MAX_PACKET || opt_streams < 1
      || opt_streams > MAX_STREAMS)
    {
      fprintf (stderr, "bench-source: %s\n",
               error ? error->message : "see --help");
      return 2;
    }
  for (guint i = 0; i < sizeof noise; i++)
    noise[i] = (guint8)g_random_int ();
  streams = g_new0 (Stream, opt_streams);
  for (int i = 0; i < opt_streams; i++)
    {
      if (opt_video)
        open_track (&streams[i].video, opt_video, (guint)(i * opt_stride));
      if (opt_audio)
        open_track (&streams[i].audio, opt_audio, (guint)(i * opt_stride));
    }
  signal (SIGTERM, on_signal);
  signal (SIGINT, on_signal);
  run (streams);
  printf ("{\"packets\": %" G_GUINT64_FORMAT "}\n", counter);
  return 0;
}
