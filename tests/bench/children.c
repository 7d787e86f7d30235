/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-children: who is fed: N sockets a stream on 127.0.0.1 that count what
 * comes. With --link they subscribe at a relay port, as nodes do; without it
 * they only bind, at the ports --first on, for a sender that was told of them.
 *   Sockets are looked at by time, because being woken would be charged to the
 * sender. Prints events: start, stop with what came in between.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "relay/link-message.h"

#define LOOK_US 2000
#define SUBSCRIBE_US 300000
#define N_MESSAGES 64
#define SLOT_BYTES 65536
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

typedef struct
{
  int fd;
  guint stream;
  guint8 cookie[RELAY_LINK_COOKIE_BYTES];
  gint64 subscribed_us;
  guint64 n_packets, n_bytes;
} Child;

static int opt_link, opt_first, opt_streams = 1, opt_children = 16;
static double opt_settle_s = 2, opt_seconds = 8;
static gboolean opt_gro;
static char *opt_secret = "";
static RelayLinkKeys *keys;
static guint8 *slots;

static GOptionEntry entries[] = {
  { "link", 0, 0, G_OPTION_ARG_INT, &opt_link, "relay port", "PORT" },
  { "first", 0, 0, G_OPTION_ARG_INT, &opt_first, "to bind", "PORT" },
  { "secret", 0, 0, G_OPTION_ARG_STRING, &opt_secret, "of the cluster", "S" },
  { "streams", 0, 0, G_OPTION_ARG_INT, &opt_streams, "how many", "N" },
  { "children", 0, 0, G_OPTION_ARG_INT, &opt_children, "of a stream", "N" },
  { "gro", 0, 0, G_OPTION_ARG_NONE, &opt_gro, "receive with UDP GRO", NULL },
  { "settle", 0, 0, G_OPTION_ARG_DOUBLE, &opt_settle_s, "before", "S" },
  { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &opt_seconds, "counted", "S" },
  { NULL }
};

static int
open_socket (guint port)
{
  struct sockaddr_in a = { .sin_family = AF_INET,
                           .sin_port = htons ((guint16)port),
                           .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), big = 4 << 20;
  int on = 1;

  if (bind (fd, (struct sockaddr *)&a, sizeof a) != 0)
    {
      fprintf (stderr, "bench-children: port %u: %s\n", port,
               g_strerror (errno));
      exit (2);
    }
  setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
  if (opt_gro)
    setsockopt (fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  if (opt_link)
    {
      a.sin_port = htons ((guint16)opt_link);
      (void)!connect (fd, (struct sockaddr *)&a, sizeof a);
    }
  return fd;
}

static void
subscribe (Child *child)
{
  RelayLinkMessage message = { .type = RELAY_LINK_SUBSCRIBE,
                               .subscription = 1 };
  guint8 body[RELAY_LINK_MAX_BODY_BYTES], data[RELAY_LINK_MAX_MESSAGE_BYTES];

  message.subscribe.start = RELAY_LINK_START_LIVE;
  memcpy (message.subscribe.cookie, child->cookie, sizeof child->cookie);
  g_snprintf (message.subscribe.stream, sizeof message.subscribe.stream,
              "bench%u", child->stream);
  g_strlcpy (message.subscribe.node, "children", sizeof message.subscribe.node);
  (void)!send (child->fd, data,
               relay_link_keys_seal (
                   keys, body, relay_link_message_write (&message, body), data),
               0);
  child->subscribed_us = base_clock_now_us ();
}

/* A control message: only the cookie matters here. */
static void
hear (Child *child, const guint8 *data, gsize len)
{
  guint8 sender[RELAY_ID_BYTES], body[RELAY_LINK_MAX_BODY_BYTES];
  RelayLinkMessage message;
  guint64 counter;
  gsize body_len;

  if (!relay_link_keys_open (keys, data, len, sender, &counter, body, &body_len)
      || !relay_link_message_read (body, body_len, &message)
      || message.type != RELAY_LINK_COOKIE)
    return;
  memcpy (child->cookie, message.cookie.cookie, sizeof child->cookie);
  subscribe (child);
}

static void
take (Child *child, const guint8 *data, gsize len, gsize segment)
{
  for (gsize at = 0; at < len; at += segment)
    {
      gsize n = MIN (segment, len - at);

      if (data[at] == 'M')
        {
          hear (child, data + at, n);
          continue;
        }
      child->n_packets++;
      child->n_bytes += n;
    }
}

static gsize
segment_of (struct msghdr *h, gsize len)
{
  for (struct cmsghdr *c = CMSG_FIRSTHDR (h); c != NULL; c = CMSG_NXTHDR (h, c))
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
      {
        int n;

        memcpy (&n, CMSG_DATA (c), sizeof n);
        return n > 0 ? (gsize)n : MAX (len, 1);
      }
  return MAX (len, 1);
}

static void
look (Child *child)
{
  struct mmsghdr headers[N_MESSAGES];
  struct iovec iov[N_MESSAGES];
  char control[N_MESSAGES][CMSG_SPACE (sizeof (int))];
  int n;

  do
    {
      memset (headers, 0, sizeof headers);
      for (guint i = 0; i < N_MESSAGES; i++)
        {
          iov[i].iov_base = slots + i * SLOT_BYTES;
          iov[i].iov_len = SLOT_BYTES;
          headers[i].msg_hdr.msg_iov = &iov[i];
          headers[i].msg_hdr.msg_iovlen = 1;
          headers[i].msg_hdr.msg_control = control[i];
          headers[i].msg_hdr.msg_controllen = sizeof control[i];
        }
      n = recvmmsg (child->fd, headers, N_MESSAGES, MSG_DONTWAIT, NULL);
      for (int i = 0; i < n; i++)
        take (child, slots + i * SLOT_BYTES, headers[i].msg_len,
              segment_of (&headers[i].msg_hdr, headers[i].msg_len));
    }
  while (n == N_MESSAGES);
}

static void
run_until (Child *children, guint n, gint64 end_us)
{
  struct timespec t = { 0, LOOK_US * 1000 };

  for (gint64 now_us = 0; now_us < end_us; now_us = base_clock_now_us ())
    {
      for (guint i = 0; i < n; i++)
        {
          look (&children[i]);
          if (opt_link && now_us - children[i].subscribed_us >= SUBSCRIBE_US)
            subscribe (&children[i]);
        }
      nanosleep (&t, NULL);
    }
}

static void
count (const Child *children, guint n, guint64 *ret_least, guint64 *ret_all,
       guint64 *ret_bytes)
{
  *ret_least = G_MAXUINT64;
  *ret_all = *ret_bytes = 0;
  for (guint i = 0; i < n; i++)
    {
      *ret_least = MIN (*ret_least, children[i].n_packets);
      *ret_all += children[i].n_packets;
      *ret_bytes += children[i].n_bytes;
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree Child *children = NULL;
  static const guint8 boot_id[RELAY_ID_BYTES] = { 2 };
  guint64 least, all, all_before, bytes, bytes_before;
  guint n;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)
      || (!opt_link && !opt_first))
    {
      fprintf (stderr, "bench-children: %s\n",
               error ? error->message : "see --help");
      return 2;
    }
  n = (guint)(opt_streams * opt_children);
  slots = g_malloc (N_MESSAGES * SLOT_BYTES);
  keys = relay_link_keys_new (opt_secret, boot_id);
  children = g_new0 (Child, n);
  for (guint i = 0; i < n; i++)
    {
      children[i].stream = i / (guint)opt_children;
      children[i].fd = open_socket (opt_link ? 0 : (guint)opt_first + i);
    }
  run_until (children, n, base_clock_now_us () + (gint64)(opt_settle_s * 1e6));
  count (children, n, &least, &all_before, &bytes_before);
  printf ("{\"event\": \"start\", \"least\": %" G_GUINT64_FORMAT "}\n", least);
  fflush (stdout);
  for (guint i = 0; i < n; i++)
    children[i].n_packets = children[i].n_bytes = 0;
  run_until (children, n, base_clock_now_us () + (gint64)(opt_seconds * 1e6));
  count (children, n, &least, &all, &bytes);
  printf ("{\"event\": \"stop\", \"packets\": %" G_GUINT64_FORMAT
          ", \"least\": %" G_GUINT64_FORMAT ", \"bytes\": %" G_GUINT64_FORMAT
          "}\n",
          all, least, bytes);
  return 0;
}
