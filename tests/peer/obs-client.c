/* SPDX-License-Identifier: Apache-2.0 */
/*
 * obs-client: publishes as OBS does (PROTOCOLS: OBS WHIP output). It sends an
 * offer of tests/data/offers with its own credentials in it, connects without
 * candidates of its own, has AES128_CM_SHA1_80 only, puts mid and rid on every
 * video packet whatever the answer says, is deaf to PLI and FIR, answers NACK
 * with the same SSRC and seq from a buffer of 4000 packets, and drops what its
 * encoder gives before DTLS is up: the media clock starts with the 201.
 * Lines on stdin: "stray" sends RTP of an SSRC and type nobody announced,
 * "cut" sends RTCP that is cut short, "rebind" goes on from another port.
 * Ends when stdin is closed (or after --duration): DELETE, then waits a second
 * for the server's close_notify. A line "vanish" ends it without a word.
 * Prints JSON lines.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/peer/es-file.h"
#include "tests/peer/peer-join.h"
#include "tests/peer/peer-rtp.h"

#define MAX_LAYERS 4
#define VIDEO_HISTORY_PACKETS 4000
#define AUDIO_HISTORY_PACKETS 512
#define MAX_PACKET_BYTES 1400
#define CHECK_INTERVAL_US (4 * G_USEC_PER_SEC) /* libjuice: 4 to 6 s */
#define REPORT_INTERVAL_US G_USEC_PER_SEC
#define STRAY_PACKETS 20
#define FAREWELL_US G_USEC_PER_SEC

typedef struct
{
  guint16 seq;
  guint16 len;
  guint8 data[MAX_PACKET_BYTES];
} Sent;

typedef struct
{
  EsFile *file; /* owned */
  gboolean is_video;
  char rid[2];
  guint8 pt;
  guint32 ssrc;
  guint16 seq;
  guint32 first_ts; /* of unit 0 */
  guint32 last_ts;
  guint clock_hz;
  guint64 next_unit;  /* since the clock started; the file loops */
  guint64 first_unit; /* first one that was sent */
  guint n_packets, n_octets;
  guint64 n_sent, n_dropped, n_retransmitted, n_not_held;
  guint32 key_crc;    /* of the first keyframe sent, its payloads joined */
  gboolean is_in_key; /* that keyframe is being sent */
  gboolean has_key;
  Sent *history; /* owned */
  guint n_history;
} Track;

typedef struct
{
  SoupSession *session; /* owned */
  PeerJoin join;
  Track tracks[1 + MAX_LAYERS];
  guint n_tracks;
  gboolean is_simulcast;
  gint64 start_us; /* monotonic: unit 0 leaves the encoder */
  gint64 next_check_us, next_report_us;
  guint64 n_nacks, n_keyframe_requests;
  gboolean is_closed;
} Obs;

static char *opt_url, *opt_offer, *opt_token, *opt_audio, *opt_setup;
static char *opt_fingerprint;
static char **opt_video;
static double opt_duration_s;
static int opt_candidate_port;
static gboolean opt_probe;
static GOptionEntry options[] = {
  { "url", 0, 0, G_OPTION_ARG_STRING, &opt_url, "WHIP endpoint", "URL" },
  { "offer", 0, 0, G_OPTION_ARG_FILENAME, &opt_offer, "SDP file", "FILE" },
  { "token", 0, 0, G_OPTION_ARG_STRING, &opt_token, "bearer token", "T" },
  { "video", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &opt_video,
    "stream of media.py; once a simulcast layer", "FILE" },
  { "audio", 0, 0, G_OPTION_ARG_FILENAME, &opt_audio, "Opus stream", "FILE" },
  { "setup", 0, 0, G_OPTION_ARG_STRING, &opt_setup,
    "rewrite the offer's a=setup", "active" },
  { "fingerprint", 0, 0, G_OPTION_ARG_STRING, &opt_fingerprint,
    "announce this instead of the certificate's", "AB:CD" },
  { "duration", 0, 0, G_OPTION_ARG_DOUBLE, &opt_duration_s,
    "seconds of media; default until stdin ends", "S" },
  { "candidate-port", 0, 0, G_OPTION_ARG_INT, &opt_candidate_port,
    "send there instead of the answer's port", "PORT" },
  { "probe-after-delete", 0, 0, G_OPTION_ARG_NONE, &opt_probe,
    "check whether STUN is still answered after the DELETE", NULL },
  { NULL, 0, 0, 0, NULL, NULL, NULL },
};

/* The value of "a=@prefix" after the m-line of @kind; NULL when there is none
 */
static char *
dup_media_value (const char *offer, const char *kind, const char *prefix)
{
  g_autofree char *media = g_strdup_printf ("\nm=%s ", kind);
  const char *at = strstr (offer, media);
  if (at == NULL)
    return NULL;
  const char *end = strstr (at + 1, "\nm=");
  g_autofree char *section =
      end != NULL ? g_strndup (at, end - at) : g_strdup (at);
  g_autofree char *wanted = g_strdup_printf ("\n%s", prefix);
  const char *line = strstr (section, wanted);
  if (line == NULL)
    return NULL;
  line += strlen (wanted);
  return g_strndup (line, strcspn (line, " \r\n"));
}

static void
add_track (Obs *self, const char *offer, const char *path, guint layer)
{
  Track *track = &self->tracks[self->n_tracks++];
  GError *error = NULL;
  track->file = es_file_load (path, &error);
  if (track->file == NULL)
    g_error ("%s", error->message);
  track->is_video = !g_str_equal (track->file->codec, "OPUS");
  const char *kind = track->is_video ? "video" : "audio";
  g_autofree char *pt = dup_media_value (offer, kind, "a=rtpmap:");
  g_autofree char *ssrc = dup_media_value (offer, kind, "a=ssrc:");
  if (pt == NULL)
    g_error ("the offer has no %s", kind);
  track->pt = (guint8)atoi (pt);
  /* simulcast offers name no video SSRC; the library counts on from audio's */
  track->ssrc =
      ssrc != NULL ? (guint32)g_ascii_strtoull (ssrc, NULL, 10) : 305419897;
  track->ssrc += layer;
  track->rid[0] = (char)('0' + layer);
  track->seq = (guint16)g_random_int ();
  track->first_ts = g_random_int ();
  track->clock_hz = track->is_video ? 90000 : 48000;
  track->n_history =
      track->is_video ? VIDEO_HISTORY_PACKETS : AUDIO_HISTORY_PACKETS;
  track->history = g_new0 (Sent, track->n_history);
}

typedef struct
{
  Obs *obs;
  Track *track;
  guint32 rtp_ts;
} Sending;

static void
on_payload (const guint8 *payload, gsize len, gboolean marker,
            gpointer user_data)
{
  Sending *sending = user_data;
  Track *track = sending->track;
  PeerRtp header = { .pt = track->pt,
                     .marker = marker,
                     .seq = track->seq++,
                     .rtp_ts = sending->rtp_ts,
                     .ssrc = track->ssrc };
  Sent *sent = &track->history[header.seq % track->n_history];
  gsize header_len = peer_rtp_write_header (
      sent->data, &header, track->is_video ? "1" : NULL, track->rid);
  g_assert (header_len + len <= MAX_PACKET_BYTES);
  memcpy (sent->data + header_len, payload, len);
  sent->seq = header.seq;
  sent->len = (guint16)(header_len + len);
  if (track->is_in_key)
    track->key_crc = es_crc32 (track->key_crc, payload, len);
  rtc_client_send_rtp (sending->obs->join.client, sent->data, sent->len);
  track->n_packets++;
  track->n_octets += (guint)len;
}

static gint64
unit_due_us (const Obs *self, const Track *track)
{
  return self->start_us + (gint64)(track->next_unit * track->file->unit_us);
}

static void
send_unit (Obs *self, Track *track)
{
  guint index = (guint)(track->next_unit % track->file->n_units);
  const EsUnit *unit = &track->file->units[index];
  guint64 ticks = track->next_unit * track->file->unit_us * track->clock_hz
                  / G_USEC_PER_SEC;
  Sending sending = { self, track, track->first_ts + (guint32)ticks };

  if (track->n_sent == 0)
    track->first_unit = track->next_unit;
  track->is_in_key = track->is_video && unit->is_key && !track->has_key;
  es_packetize (track->file, unit, on_payload, &sending);
  track->has_key |= track->is_in_key;
  track->is_in_key = FALSE;
  track->last_ts = sending.rtp_ts;
  track->n_sent++;
  track->next_unit++;
}

static void
on_nack (guint32 ssrc, guint16 seq, gpointer user_data)
{
  Obs *self = user_data;
  self->n_nacks++;
  for (guint i = 0; i < self->n_tracks; i++)
    {
      Track *track = &self->tracks[i];
      if (track->ssrc != ssrc)
        continue;
      Sent *sent = &track->history[seq % track->n_history];
      if (sent->len == 0 || sent->seq != seq)
        {
          track->n_not_held++;
          continue;
        }
      track->n_retransmitted++;
      rtc_client_send_rtp (self->join.client, sent->data, sent->len);
    }
}

static void
on_keyframe_request (gpointer user_data)
{
  ((Obs *)user_data)->n_keyframe_requests++; /* and nothing else: deaf */
}

static void
receive (Obs *self, gint64 timeout_us)
{
  static const PeerRtcpSink sink = { .on_nack = on_nack,
                                     .on_keyframe_request =
                                         on_keyframe_request };
  guint8 data[2048];
  gsize len = 0;
  switch (rtc_client_receive (self->join.client, data, sizeof data, &len,
                              timeout_us))
    {
    case RTC_CLIENT_RTCP:
      peer_rtcp_read (data, MIN (len, sizeof data), &sink, self);
      break;
    case RTC_CLIENT_CLOSED:
      self->is_closed = TRUE;
      break;
    case RTC_CLIENT_RTP:
    case RTC_CLIENT_TIMEOUT:
    default:
      break;
    }
}

static void
send_reports (Obs *self, gint64 now_us)
{
  guint8 data[64];
  for (guint i = 0; i < self->n_tracks; i++)
    {
      Track *track = &self->tracks[i];
      gint64 elapsed_us = now_us - self->start_us;
      guint32 rtp_ts =
          track->first_ts
          + (guint32)(elapsed_us * track->clock_hz / G_USEC_PER_SEC);
      if (track->n_packets == 0)
        continue;
      gsize len =
          peer_rtcp_write_sr (data, track->ssrc, g_get_real_time (), rtp_ts,
                              track->n_packets, track->n_octets);
      rtc_client_send_rtcp (self->join.client, data, len);
    }
}

/* Returns: monotonic time of the next thing to do */
static gint64
send_due (Obs *self, gint64 now_us)
{
  gint64 next_us = now_us + 20 * 1000;
  for (guint i = 0; i < self->n_tracks; i++)
    {
      Track *track = &self->tracks[i];
      while (unit_due_us (self, track) <= now_us)
        send_unit (self, track);
      next_us = MIN (next_us, unit_due_us (self, track));
    }
  if (now_us >= self->next_check_us)
    {
      rtc_client_send_check (self->join.client, FALSE);
      self->next_check_us = now_us + CHECK_INTERVAL_US
                            + g_random_int_range (0, 2 * G_USEC_PER_SEC);
    }
  if (now_us >= self->next_report_us)
    {
      send_reports (self, now_us);
      self->next_report_us = now_us + REPORT_INTERVAL_US;
    }
  return next_us;
}

/* What no publisher should send, sealed with the right keys */
static void
send_stray (Obs *self)
{
  guint8 data[64];
  PeerRtp header = { .pt = 77, .ssrc = 0xdeadbeef, .rtp_ts = 1 };
  memset (data, 0, sizeof data);
  for (int i = 0; i < STRAY_PACKETS; i++)
    {
      header.seq = (guint16)(1000 + i);
      peer_rtp_write_header (data, &header, NULL, NULL);
      rtc_client_send_rtp (self->join.client, data, 40);
    }
}

/* Reports whose length fields say more than there is */
static void
send_cut_rtcp (Obs *self)
{
  guint8 data[64];
  gsize len = peer_rtcp_write_sr (data, self->tracks[0].ssrc,
                                  g_get_real_time (), 0, 1, 1);
  for (int i = 0; i < STRAY_PACKETS; i++)
    rtc_client_send_rtcp (self->join.client, data,
                          8 + (gsize)(i * 4) % (len - 12));
}

/* Returns: %FALSE at the end of stdin */
static gboolean
read_stdin (Obs *self)
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
  if (strstr (text, "stray") != NULL)
    send_stray (self);
  if (strstr (text, "cut") != NULL)
    send_cut_rtcp (self);
  if (strstr (text, "rebind") != NULL)
    {
      rtc_client_rebind (self->join.client);
      rtc_client_send_check (self->join.client, TRUE);
    }
  return TRUE;
}

static void
run (Obs *self)
{
  gint64 end_us =
      opt_duration_s > 0
          ? self->start_us + (gint64)(opt_duration_s * G_USEC_PER_SEC)
          : G_MAXINT64;
  while (!self->is_closed && read_stdin (self))
    {
      gint64 now_us = g_get_monotonic_time ();
      if (now_us >= end_us)
        return;
      gint64 wait_us = send_due (self, now_us) - g_get_monotonic_time ();
      if (wait_us > 0)
        receive (self, wait_us);
    }
  if (self->is_closed)
    {
      printf ("{\"event\":\"closed\"}\n");
      fflush (stdout);
    }
}

/* What the encoder gave before DTLS was up is gone. */
static void
drop_early_units (Obs *self)
{
  for (guint i = 0; i < self->n_tracks; i++)
    {
      Track *track = &self->tracks[i];
      while (unit_due_us (self, track) < self->join.connected_us)
        {
          track->next_unit++;
          track->n_dropped++;
        }
    }
}

static void
print_connected (const Obs *self)
{
  const Track *first = &self->tracks[0];
  for (guint i = 0; i < self->n_tracks; i++)
    if (self->tracks[i].is_video)
      {
        first = &self->tracks[i];
        break;
      }
  gint64 start_wall_us =
      g_get_real_time () - (g_get_monotonic_time () - self->start_us);
  printf ("{\"event\":\"clock\",\"start_wall_us\":%" G_GINT64_FORMAT
          ",\"unit_us\":%u,\"n_units\":%u}\n",
          start_wall_us, first->file->unit_us, first->file->n_units);
  printf ("{\"event\":\"connected\",\"connected_ms\":%.1f,\"role\":\"%s\"}\n",
          (self->join.connected_us - self->join.answered_us) / 1000.0,
          self->join.answer.setup);
  fflush (stdout);
}

static void
print_tracks (const Obs *self)
{
  for (guint i = 0; i < self->n_tracks; i++)
    {
      const Track *t = &self->tracks[i];
      printf ("%s{\"codec\":\"%s\",\"rid\":\"%s\",\"ssrc\":%u"
              ",\"aus_sent\":%" G_GUINT64_FORMAT
              ",\"aus_dropped\":%" G_GUINT64_FORMAT
              ",\"first_unit\":%" G_GUINT64_FORMAT
              ",\"packets\":%u,\"retransmitted\":%" G_GUINT64_FORMAT
              ",\"not_held\":%" G_GUINT64_FORMAT ",\"key_crc\":%u}",
              i ? "," : "", t->file->codec, t->rid, t->ssrc, t->n_sent,
              t->n_dropped, t->first_unit, t->n_packets, t->n_retransmitted,
              t->n_not_held, t->has_key ? t->key_crc : 0);
    }
}

/* DELETE, then what the server does to the transport */
static void
leave (Obs *self)
{
  PeerReply reply = { 0 };
  gboolean was_closed = self->is_closed, is_answered = FALSE;
  if (self->join.reply.location != NULL)
    peer_http_send (self->session, "DELETE", self->join.reply.location,
                    opt_token, NULL, &reply);
  gint64 deleted_us = g_get_monotonic_time ();
  while (!self->is_closed && g_get_monotonic_time () < deleted_us + FAREWELL_US)
    receive (self, 10 * 1000);
  double notify_ms = (g_get_monotonic_time () - deleted_us) / 1000.0;
  if (opt_probe)
    is_answered = rtc_client_check (self->join.client, FALSE, FAREWELL_US);
  printf ("{\"event\":\"end\",\"delete_status\":%u,\"closed_by_peer\":%s"
          ",\"close_notify_ms\":%.1f,\"stun_after_delete\":%s"
          ",\"nacks\":%" G_GUINT64_FORMAT
          ",\"keyframe_requests\":%" G_GUINT64_FORMAT ",\"tracks\":[",
          reply.status, was_closed ? "true" : "false",
          self->is_closed ? notify_ms : -1.0, is_answered ? "true" : "false",
          self->n_nacks, self->n_keyframe_requests);
  print_tracks (self);
  printf ("]}\n");
  fflush (stdout);
  peer_reply_clear (&reply);
}

static void
load (Obs *self, const char *offer)
{
  guint n_layers = opt_video != NULL ? g_strv_length (opt_video) : 0;
  self->is_simulcast = n_layers > 1;
  if (opt_audio != NULL)
    add_track (self, offer, opt_audio, 0);
  for (guint i = 0; i < MIN (n_layers, MAX_LAYERS); i++)
    add_track (self, offer, opt_video[i], i);
  if (self->n_tracks == 0)
    g_error ("neither --audio nor --video");
}

static int
publish (Obs *self, const char *offer)
{
  PeerJoinParams params = { .url = opt_url,
                            .token = opt_token,
                            .offer = offer,
                            .setup = opt_setup,
                            .candidate_port = (guint)opt_candidate_port,
                            .profiles = RTC_CLIENT_CM,
                            .fingerprint = opt_fingerprint,
                            .timeout_us = 10 * G_USEC_PER_SEC };
  gboolean is_connected = peer_join (self->session, &params, &self->join);

  printf ("{\"event\":\"answer\",\"status\":%u,\"location\":\"%s\"}\n",
          self->join.reply.status,
          self->join.reply.location ? self->join.reply.location : "");
  if (!is_connected)
    {
      printf ("{\"event\":\"failed\"}\n");
      fflush (stdout);
      return 2;
    }
  /* capture begins with the 201; the first picture is whole and encoded one
   * frame's time later */
  self->start_us =
      self->join.answered_us + self->tracks[self->n_tracks - 1].file->unit_us;
  drop_early_units (self);
  print_connected (self);
  run (self);
  leave (self);
  return 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *offer = NULL;
  Obs self = { 0 };

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || opt_url == NULL
      || opt_offer == NULL
      || !g_file_get_contents (opt_offer, &offer, NULL, &error))
    {
      fprintf (stderr, "obs-client: %s\n",
               error ? error->message : "--url and --offer are needed");
      return 64;
    }
  self.session = soup_session_new ();
  load (&self, offer);
  int code = publish (&self, offer);
  peer_join_clear (&self.join);
  for (guint i = 0; i < self.n_tracks; i++)
    {
      es_file_free (self.tracks[i].file);
      g_free (self.tracks[i].history);
    }
  g_object_unref (self.session);
  return code;
}
