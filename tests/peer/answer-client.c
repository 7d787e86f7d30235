/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer-client: one viewer for a server that makes the offer (the Janus API).
 * The signaling is the test's; this has the sockets and the books of what
 * arrives, by payload type. At start it prints the fingerprint; then by stdin:
 *   connect UFRAG PWD SDP   ours, and the server's offer in base64
 *   restart UFRAG PWD SDP   ICE restart on the same pair
 *   report                  prints what has come
 *   bye                     close_notify, and deaf from then on
 * The end of stdin ends it. Prints JSON lines.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/peer/peer-http.h"
#include "tests/peer/peer-rtp.h"
#include "tests/peer/rtc-client.h"

#define CONNECT_TIMEOUT_US (10 * G_USEC_PER_SEC)
#define CHECK_INTERVAL_US (2 * G_USEC_PER_SEC)
#define MAX_LINE_BYTES (64 * 1024)

typedef struct
{
  guint64 n_packets;
  guint32 ssrc, last_ts;
  guint16 last_seq;
  guint64 n_skipped, n_ssrc_changes, n_ts_backwards;
} Book;

typedef struct
{
  RtcClient *client; /* owned, nullable */
  gint64 next_check_us;
  Book books[128];
  guint64 n_sender_reports;
} Viewer;

static void
print_event (const char *event)
{
  printf ("{\"event\":\"%s\"}\n", event);
  fflush (stdout);
}

static void
write_down (Viewer *self, const guint8 *data, gsize len)
{
  PeerRtp packet;
  if (!peer_rtp_parse (data, len, &packet))
    return;
  Book *book = &self->books[packet.pt];
  gint16 step = (gint16)(packet.seq - book->last_seq);
  if (book->n_packets > 0)
    {
      book->n_ssrc_changes += packet.ssrc != book->ssrc;
      book->n_skipped += step > 1 ? (guint)step - 1 : 0;
      book->n_ts_backwards += (gint32)(packet.rtp_ts - book->last_ts) < 0;
    }
  if (book->n_packets == 0 || step > 0)
    {
      book->last_seq = packet.seq;
      book->last_ts = packet.rtp_ts;
    }
  book->ssrc = packet.ssrc;
  book->n_packets++;
}

static void
on_sender_report (guint32 ssrc, guint32 ntp_middle, gpointer user_data)
{
  ((Viewer *)user_data)->n_sender_reports++;
}

/* Returns: %FALSE when there was nothing */
static gboolean
receive_one (Viewer *self, gint64 timeout_us)
{
  static const PeerRtcpSink sink = { .on_sender_report = on_sender_report };
  guint8 data[2048];
  gsize len = 0;
  switch (
      rtc_client_receive (self->client, data, sizeof data, &len, timeout_us))
    {
    case RTC_CLIENT_RTP:
      write_down (self, data, MIN (len, sizeof data));
      return TRUE;
    case RTC_CLIENT_RTCP:
      peer_rtcp_read (data, MIN (len, sizeof data), &sink, self);
      return TRUE;
    case RTC_CLIENT_CLOSED:
      g_clear_pointer (&self->client, rtc_client_free);
      print_event ("closed");
      return FALSE;
    case RTC_CLIENT_TIMEOUT:
    default:
      return FALSE;
    }
}

static void
receive_all (Viewer *self)
{
  struct pollfd in = { .fd = rtc_client_get_fd (self->client),
                       .events = POLLIN };
  while (receive_one (self, 0))
    ;
  while (self->client != NULL && poll (&in, 1, 0) > 0)
    receive_one (self, 200);
}

/* %FALSE: the words are not "VERB UFRAG PWD SDP" with an SDP of use */
static gboolean
read_offer (char *const *words, PeerAnswer *ret)
{
  gsize len = 0;
  if (g_strv_length ((char **)words) != 4)
    return FALSE;
  g_autofree guchar *bytes = g_base64_decode (words[3], &len);
  g_autofree char *sdp = g_strndup ((const char *)bytes, len);
  return peer_answer_parse (sdp, ret);
}

static void
connect_to (Viewer *self, char *const *words)
{
  PeerAnswer offer = { 0 };
  struct sockaddr_in server = { .sin_family = AF_INET };
  if (!read_offer (words, &offer)
      || inet_pton (AF_INET, offer.address, &server.sin_addr) != 1)
    g_error ("no offer to connect to");
  server.sin_port = htons ((guint16)offer.port);
  RtcClientParams params = {
    .local_ufrag = words[1],
    .local_pwd = words[2],
    .remote_ufrag = offer.ufrag,
    .remote_pwd = offer.pwd,
    .remote_fingerprint = offer.fingerprint,
    .dtls_client = TRUE,
  };
  g_clear_pointer (&self->client, rtc_client_free);
  self->client = rtc_client_new (&params, (struct sockaddr *)&server);
  /* a lite agent like Janus's takes DTLS from a nominated pair only */
  gboolean is_up = rtc_client_check (self->client, TRUE, CONNECT_TIMEOUT_US)
                   && rtc_client_connect (self->client, CONNECT_TIMEOUT_US);
  peer_answer_clear (&offer);
  print_event (is_up ? "connected" : "failed");
}

static void
restart (Viewer *self, char *const *words)
{
  PeerAnswer offer = { 0 };
  if (self->client == NULL || !read_offer (words, &offer))
    g_error ("nothing to restart");
  rtc_client_set_credentials (self->client, words[1], words[2], offer.ufrag,
                              offer.pwd);
  gboolean is_up = rtc_client_check (self->client, TRUE, CONNECT_TIMEOUT_US);
  peer_answer_clear (&offer);
  print_event (is_up ? "restarted" : "failed");
}

static void
report (const Viewer *self)
{
  const char *comma = "";
  printf ("{\"event\":\"report\",\"n_sender_reports\":%" G_GUINT64_FORMAT
          ",\"books\":{",
          self->n_sender_reports);
  for (guint pt = 0; pt < G_N_ELEMENTS (self->books); pt++)
    {
      const Book *book = &self->books[pt];
      if (book->n_packets == 0)
        continue;
      printf ("%s\"%u\":{\"n_packets\":%" G_GUINT64_FORMAT
              ",\"ssrc\":%u,\"n_skipped\":%" G_GUINT64_FORMAT
              ",\"n_ssrc_changes\":%" G_GUINT64_FORMAT
              ",\"n_ts_backwards\":%" G_GUINT64_FORMAT "}",
              comma, pt, book->n_packets, book->ssrc, book->n_skipped,
              book->n_ssrc_changes, book->n_ts_backwards);
      comma = ",";
    }
  printf ("}}\n");
  fflush (stdout);
}

static void
obey (Viewer *self, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  if (g_strcmp0 (words[0], "connect") == 0)
    connect_to (self, words);
  else if (g_strcmp0 (words[0], "restart") == 0)
    restart (self, words);
  else if (g_strcmp0 (words[0], "report") == 0)
    report (self);
  else if (g_strcmp0 (words[0], "bye") == 0 && self->client != NULL)
    {
      rtc_client_close (self->client);
      g_clear_pointer (&self->client, rtc_client_free);
      print_event ("closed");
    }
  else
    g_error ("unknown word: %s", line);
}

/* Returns: %FALSE at the end of stdin */
static gboolean
read_stdin (Viewer *self, GString *text)
{
  char bytes[4096], *end;
  ssize_t n = read (STDIN_FILENO, bytes, sizeof bytes);
  if (n <= 0 || text->len + (gsize)n > MAX_LINE_BYTES)
    return FALSE;
  g_string_append_len (text, bytes, n);
  while ((end = strchr (text->str, '\n')) != NULL)
    {
      g_autofree char *line = g_strndup (text->str, end - text->str);
      g_string_erase (text, 0, end - text->str + 1);
      obey (self, line);
    }
  return TRUE;
}

static void
serve (Viewer *self)
{
  gint64 now_us = g_get_monotonic_time ();
  receive_all (self);
  if (self->client == NULL || now_us < self->next_check_us)
    return;
  rtc_client_send_check (self->client, FALSE);
  self->next_check_us = now_us + CHECK_INTERVAL_US;
}

int
main (void)
{
  Viewer viewer = { 0 };
  g_autoptr (GString) text = g_string_new (NULL);
  printf ("{\"event\":\"ready\",\"fingerprint\":\"%s\"}\n",
          rtc_client_get_fingerprint ());
  fflush (stdout);
  for (;;)
    {
      struct pollfd fds[] = {
        { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = viewer.client ? rtc_client_get_fd (viewer.client) : -1,
          .events = POLLIN },
      };
      poll (fds, G_N_ELEMENTS (fds), 500);
      if (fds[0].revents != 0 && !read_stdin (&viewer, text))
        break;
      if (viewer.client != NULL)
        serve (&viewer);
    }
  g_clear_pointer (&viewer.client, rtc_client_free);
  print_event ("end");
  return 0;
}
