/* SPDX-License-Identifier: Apache-2.0 */
/*
 * viewer-client: N light WHEP viewers in one process and thread. They decode
 * nothing; they keep the books of what arrives (peer-track.h), answer nothing
 * but ICE, and ask for what is missing unless --no-nack.
 *   --reports: each sends receiver reports, once a second.
 *   stdin "report": prints what each has counted. End of stdin: DELETE all.
 *   --churn N: join and leave N times, --viewers of them at a time.
 * Prints JSON lines.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/peer/peer-join.h"
#include "tests/peer/peer-report.h"
#include "tests/peer/peer-track.h"

#define CHECK_INTERVAL_US (4 * G_USEC_PER_SEC)
#define REPORT_INTERVAL_US G_USEC_PER_SEC
#define SETTLE_US (500 * 1000)
#define MAX_NACK_SEQS 64
#define CHURN_PRINT_EVERY 250
#define CHURN_FIRST_PACKET_US (2 * G_USEC_PER_SEC)

enum
{
  AUDIO,
  VIDEO,
  N_KINDS
};
static const char *const kind_names[] = { "audio", "video" };
static const guint32 clocks_hz[] = { 48000, 90000 };

typedef struct
{
  guint index;
  PeerJoin join;
  gboolean is_closed;
  gint64 next_check_us, next_report_us;
  gint8 kind_of_pt[128]; /* -1 = none */
  gboolean is_rtx[128];
  PeerTrack tracks[N_KINDS];
  PeerReport reports[N_KINDS];
  guint64 n_unknown; /* payload types that the answer has not */
  guint64 n_sender_reports;
} Viewer;

static char *opt_url, *opt_offer, *opt_token, *opt_setup, *opt_fingerprint;
static int opt_viewers = 1, opt_candidate_port, opt_churn;
static gboolean opt_no_nack, opt_reports, opt_cm;
static GOptionEntry options[] = {
  { "url", 0, 0, G_OPTION_ARG_STRING, &opt_url, "WHEP endpoint", "URL" },
  { "offer", 0, 0, G_OPTION_ARG_FILENAME, &opt_offer, "SDP file", "FILE" },
  { "token", 0, 0, G_OPTION_ARG_STRING, &opt_token, "bearer token", "T" },
  { "viewers", 0, 0, G_OPTION_ARG_INT, &opt_viewers, "how many", "N" },
  { "churn", 0, 0, G_OPTION_ARG_INT, &opt_churn, "joins and leaves", "N" },
  { "setup", 0, 0, G_OPTION_ARG_STRING, &opt_setup,
    "rewrite the offer's a=setup", "active" },
  { "fingerprint", 0, 0, G_OPTION_ARG_STRING, &opt_fingerprint,
    "announce this instead of the certificate's", "AB:CD" },
  { "candidate-port", 0, 0, G_OPTION_ARG_INT, &opt_candidate_port,
    "send there instead of the answer's port", "PORT" },
  { "no-nack", 0, 0, G_OPTION_ARG_NONE, &opt_no_nack, "ask for nothing", NULL },
  { "reports", 0, 0, G_OPTION_ARG_NONE, &opt_reports, "send receiver reports",
    NULL },
  { "sha1", 0, 0, G_OPTION_ARG_NONE, &opt_cm, "AES128_CM_SHA1_80 only", NULL },
  { NULL, 0, 0, 0, NULL, NULL, NULL },
};

/* What the answer says of payload types */
static void
read_payload_types (Viewer *self)
{
  g_auto (GStrv) lines = g_strsplit (self->join.reply.body, "\n", -1);
  char codecs[N_KINDS][8] = { "OPUS", "" };
  int kind = -1;
  memset (self->kind_of_pt, -1, sizeof self->kind_of_pt);
  for (char **line = lines; *line != NULL; line++)
    {
      guint pt = 0;
      char name[16] = "";
      if (g_str_has_prefix (*line, "m="))
        kind = g_str_has_prefix (*line, "m=audio")   ? AUDIO
               : g_str_has_prefix (*line, "m=video") ? VIDEO
                                                     : -1;
      if (kind < 0
          || sscanf (*line, "a=rtpmap:%u %15[A-Za-z0-9]", &pt, name) != 2
          || pt > 127)
        continue;
      self->kind_of_pt[pt] = (gint8)kind;
      self->is_rtx[pt] = g_ascii_strcasecmp (name, "rtx") == 0;
      if (kind == VIDEO && codecs[VIDEO][0] == '\0')
        g_strlcpy (codecs[VIDEO], name, sizeof codecs[VIDEO]);
    }
  for (int i = 0; i < N_KINDS; i++)
    {
      peer_track_init (&self->tracks[i], codecs[i]);
      peer_report_init (&self->reports[i], clocks_hz[i]);
    }
}

static void
on_rtp (Viewer *self, const guint8 *data, gsize len, gint64 now_us)
{
  PeerRtp packet;
  if (!peer_rtp_parse (data, len, &packet))
    return;
  int kind = self->kind_of_pt[packet.pt];
  if (kind < 0)
    {
      self->n_unknown++;
      return;
    }
  guint16 seq = packet.seq;
  gboolean is_rtx = self->is_rtx[packet.pt];
  if (is_rtx)
    {
      if (packet.payload_len < 2)
        return; /* padding on RTX probes for bandwidth */
      seq = (guint16)(packet.payload[0] << 8 | packet.payload[1]);
      packet.payload += 2;
      packet.payload_len -= 2;
    }
  if (is_rtx && !self->tracks[kind].is_begun)
    return;
  peer_track_add (&self->tracks[kind], &packet, seq, is_rtx, now_us);
  if (!is_rtx)
    peer_report_add (&self->reports[kind], packet.rtp_ts, now_us);
}

static void
on_sender_report (guint32 ssrc, guint32 ntp_middle, gpointer user_data)
{
  Viewer *self = user_data;

  self->n_sender_reports++;
  for (int i = 0; i < N_KINDS; i++)
    if (self->tracks[i].is_begun && self->tracks[i].ssrc == ssrc)
      peer_report_take_sr (&self->reports[i], ntp_middle,
                           g_get_monotonic_time ());
}

/* Returns: %FALSE when there was nothing */
static gboolean
receive_one (Viewer *self, gint64 timeout_us)
{
  static const PeerRtcpSink sink = { .on_sender_report = on_sender_report };
  guint8 data[2048];
  gsize len = 0;
  switch (rtc_client_receive (self->join.client, data, sizeof data, &len,
                              timeout_us))
    {
    case RTC_CLIENT_RTP:
      on_rtp (self, data, MIN (len, sizeof data), g_get_monotonic_time ());
      return TRUE;
    case RTC_CLIENT_RTCP:
      peer_rtcp_read (data, MIN (len, sizeof data), &sink, self);
      return TRUE;
    case RTC_CLIENT_CLOSED:
      if (!self->is_closed)
        {
          printf ("{\"event\":\"closed\",\"i\":%u}\n", self->index);
          fflush (stdout);
        }
      self->is_closed = TRUE;
      return FALSE;
    case RTC_CLIENT_TIMEOUT:
    default:
      return FALSE;
    }
}

static void
receive_all (Viewer *self)
{
  struct pollfd in = { .fd = rtc_client_get_fd (self->join.client),
                       .events = POLLIN };
  while (receive_one (self, 0))
    ;
  while (!self->is_closed && poll (&in, 1, 0) > 0)
    receive_one (self, 200);
}

static void
ask_for_missing (Viewer *self, gint64 now_us)
{
  guint16 seqs[MAX_NACK_SEQS];
  guint8 data[20 + 4 * MAX_NACK_SEQS];
  for (int i = 0; i < N_KINDS; i++)
    {
      PeerTrack *track = &self->tracks[i];
      guint n = track->is_begun ? peer_track_take_missing (track, now_us, seqs,
                                                           MAX_NACK_SEQS)
                                : 0;
      if (n > 0)
        rtc_client_send_rtcp (
            self->join.client, data,
            peer_rtcp_write_nack (data, track->ssrc, seqs, n));
    }
}

static void
send_reports (Viewer *self, gint64 now_us)
{
  guint8 data[PEER_REPORT_BYTES];

  if (now_us < self->next_report_us)
    return;
  self->next_report_us = now_us + REPORT_INTERVAL_US;
  for (int i = 0; i < N_KINDS; i++)
    if (self->tracks[i].is_begun)
      rtc_client_send_rtcp (self->join.client, data,
                            peer_report_write (&self->reports[i],
                                               &self->tracks[i], now_us, data));
}

static void
serve (Viewer *self)
{
  gint64 now_us = g_get_monotonic_time ();
  if (self->is_closed)
    return;
  receive_all (self);
  if (!opt_no_nack)
    ask_for_missing (self, now_us);
  if (opt_reports)
    send_reports (self, now_us);
  if (now_us >= self->next_check_us)
    {
      rtc_client_send_check (self->join.client, FALSE);
      self->next_check_us = now_us + CHECK_INTERVAL_US
                            + g_random_int_range (0, 2 * G_USEC_PER_SEC);
    }
}

static void
serve_all (GPtrArray *viewers, int wait_ms)
{
  g_autofree struct pollfd *fds = g_new0 (struct pollfd, viewers->len + 1);
  for (guint i = 0; i < viewers->len; i++)
    {
      Viewer *viewer = g_ptr_array_index (viewers, i);
      fds[i].fd =
          viewer->is_closed ? -1 : rtc_client_get_fd (viewer->join.client);
      fds[i].events = POLLIN;
    }
  poll (fds, viewers->len, wait_ms);
  for (guint i = 0; i < viewers->len; i++)
    serve (g_ptr_array_index (viewers, i));
}

static void
viewer_free (gpointer data)
{
  Viewer *self = data;
  for (int i = 0; i < N_KINDS; i++)
    peer_track_clear (&self->tracks[i]);
  peer_join_clear (&self->join);
  g_free (self);
}

static Viewer *
join_one (SoupSession *session, const char *offer, guint index,
          gboolean is_quiet)
{
  PeerJoinParams params = { .url = opt_url,
                            .token = opt_token,
                            .offer = offer,
                            .setup = opt_setup,
                            .fingerprint = opt_fingerprint,
                            .candidate_port = (guint)opt_candidate_port,
                            .profiles = opt_cm ? RTC_CLIENT_CM : 0,
                            .timeout_us = 10 * G_USEC_PER_SEC };
  Viewer *self = g_new0 (Viewer, 1);
  self->index = index;
  gboolean is_connected = peer_join (session, &params, &self->join);
  if (!is_quiet || !is_connected)
    {
      printf ("{\"event\":\"%s\",\"i\":%u,\"status\":%u,\"role\":\"%s\""
              ",\"connected_ms\":%.1f,\"location\":\"%s\"}\n",
              is_connected ? "joined" : "failed", index,
              self->join.reply.status,
              self->join.answer.setup ? self->join.answer.setup : "",
              (self->join.connected_us - self->join.answered_us) / 1000.0,
              self->join.reply.location ? self->join.reply.location : "");
      fflush (stdout);
    }
  if (!is_connected)
    {
      viewer_free (self);
      return NULL;
    }
  read_payload_types (self);
  self->next_check_us = g_get_monotonic_time () + CHECK_INTERVAL_US;
  return self;
}

/* Returns: the DELETE's status */
static guint
leave (SoupSession *session, const Viewer *viewer)
{
  PeerReply reply = { 0 };
  peer_http_send (session, "DELETE", viewer->join.reply.location, opt_token,
                  NULL, &reply);
  guint status = reply.status;
  peer_reply_clear (&reply);
  return status;
}

static void
print_track (const PeerTrack *self, gint64 now_us)
{
  PeerTrackLoss loss;
  peer_track_get_loss (self, now_us, SETTLE_US, &loss);
  printf (
      "{\"ssrc\":%u,\"n_packets\":%" G_GUINT64_FORMAT
      ",\"n_bytes\":%" G_GUINT64_FORMAT ",\"n_missing\":%" G_GUINT64_FORMAT
      ",\"n_frames\":%" G_GUINT64_FORMAT ",\"n_frames_lost\":%" G_GUINT64_FORMAT
      ",\"n_keyframes\":%" G_GUINT64_FORMAT ",\"n_repaired\":%" G_GUINT64_FORMAT
      ",\"n_late\":%" G_GUINT64_FORMAT ",\"n_doubled\":%" G_GUINT64_FORMAT
      ",\"n_before_first\":%" G_GUINT64_FORMAT
      ",\"n_ssrc_changes\":%u,\"n_ts_backwards\":%u"
      ",\"is_first_key\":%s,\"first_crc\":%u"
      ",\"first_seq\":%u,\"first_ts\":%u,\"last_ts\":%u"
      ",\"max_silence_ms\":%.1f}",
      self->ssrc, self->n_packets, self->n_bytes, loss.n_missing, loss.n_frames,
      loss.n_frames_lost, self->n_keyframes, self->n_repaired, self->n_late,
      self->n_doubled, self->n_before_first, self->n_ssrc_changes,
      self->n_ts_backwards, self->is_first_key ? "true" : "false",
      self->first_crc, (guint)(self->first_ext & 0xffff), self->first_ts,
      self->last_ts, self->max_silence_us / 1000.0);
}

static void
print_viewers (const char *event, GPtrArray *viewers, const char *more)
{
  gint64 now_us = g_get_monotonic_time ();
  printf ("{\"event\":\"%s\"%s,\"viewers\":[", event, more);
  for (guint i = 0; i < viewers->len; i++)
    {
      const Viewer *viewer = g_ptr_array_index (viewers, i);
      const PeerTrack *video = &viewer->tracks[VIDEO];
      printf ("%s{\"i\":%u,\"is_closed\":%s,\"first_packet_ms\":%.1f"
              ",\"n_unknown\":%" G_GUINT64_FORMAT
              ",\"n_sender_reports\":%" G_GUINT64_FORMAT ",\"n_bad\":%u",
              i ? "," : "", viewer->index, viewer->is_closed ? "true" : "false",
              video->is_begun
                  ? (video->first_us - viewer->join.connected_us) / 1000.0
                  : -1.0,
              viewer->n_unknown, viewer->n_sender_reports,
              rtc_client_get_n_bad_packets (viewer->join.client));
      for (int k = 0; k < N_KINDS; k++)
        {
          printf (",\"%s\":", kind_names[k]);
          print_track (&viewer->tracks[k], now_us);
        }
      printf ("}");
    }
  printf ("]}\n");
  fflush (stdout);
}

/* Returns: %FALSE at the end of stdin */
static gboolean
read_stdin (GPtrArray *viewers)
{
  char text[128];
  struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
  if (poll (&in, 1, 0) <= 0)
    return TRUE;
  ssize_t n = read (STDIN_FILENO, text, sizeof text - 1);
  if (n <= 0)
    return FALSE;
  text[n] = '\0';
  if (strstr (text, "vanish") != NULL)
    _exit (0);
  if (strstr (text, "report") != NULL)
    print_viewers ("report", viewers, "");
  return TRUE;
}

static void
watch (SoupSession *session, const char *offer)
{
  g_autoptr (GPtrArray) viewers = g_ptr_array_new_with_free_func (viewer_free);
  guint n_failed = 0, n_left = 0;
  for (int i = 0; i < opt_viewers; i++)
    {
      Viewer *viewer = join_one (session, offer, (guint)i, FALSE);
      if (viewer != NULL)
        g_ptr_array_add (viewers, viewer);
      else
        n_failed++;
      serve_all (viewers, 0);
    }
  while (read_stdin (viewers))
    serve_all (viewers, 5);
  serve_all (viewers, 0);
  for (guint i = 0; i < viewers->len; i++)
    n_left += leave (session, g_ptr_array_index (viewers, i)) == SOUP_STATUS_OK;
  g_autofree char *more =
      g_strdup_printf (",\"failed\":%u,\"left\":%u", n_failed, n_left);
  print_viewers ("end", viewers, more);
}

/* The oldest stays until the others are there; it must have got media. */
static gboolean
had_media (Viewer *viewer)
{
  gint64 end_us = g_get_monotonic_time () + CHURN_FIRST_PACKET_US;
  while (!viewer->tracks[VIDEO].is_begun && !viewer->is_closed
         && g_get_monotonic_time () < end_us)
    receive_one (viewer, 10 * 1000);
  return viewer->tracks[VIDEO].is_begun;
}

static void
churn (SoupSession *session, const char *offer)
{
  g_autoptr (GPtrArray) viewers = g_ptr_array_new_with_free_func (viewer_free);
  guint n_failed = 0, n_left = 0, n_blind = 0;
  for (int i = 0; i < opt_churn && read_stdin (viewers); i++)
    {
      Viewer *viewer = join_one (session, offer, (guint)i, TRUE);
      if (viewer != NULL)
        g_ptr_array_add (viewers, viewer);
      else
        n_failed++;
      serve_all (viewers, 0);
      if (viewers->len >= (guint)opt_viewers)
        {
          Viewer *oldest = g_ptr_array_index (viewers, 0);
          n_blind += !had_media (oldest);
          n_left += leave (session, oldest) == SOUP_STATUS_OK;
          g_ptr_array_remove_index (viewers, 0);
        }
      if ((i + 1) % CHURN_PRINT_EVERY == 0)
        {
          printf ("{\"event\":\"progress\",\"joins\":%d}\n", i + 1);
          fflush (stdout);
        }
    }
  for (guint i = 0; i < viewers->len; i++)
    n_left += leave (session, g_ptr_array_index (viewers, i)) == SOUP_STATUS_OK;
  g_ptr_array_set_size (viewers, 0);
  printf ("{\"event\":\"end\",\"failed\":%u,\"left\":%u,\"blind\":%u}\n",
          n_failed, n_left, n_blind);
  fflush (stdout);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *offer = NULL;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || opt_url == NULL
      || opt_offer == NULL
      || !g_file_get_contents (opt_offer, &offer, NULL, &error))
    {
      fprintf (stderr, "viewer-client: %s\n",
               error ? error->message : "--url and --offer are needed");
      return 64;
    }
  g_autoptr (SoupSession) session = soup_session_new ();
  if (opt_churn > 0)
    churn (session, offer);
  else
    watch (session, offer);
  return 0;
}
