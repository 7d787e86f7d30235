/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impair: a UDP proxy that loses, delays, reorders and doubles packets, the
 * same ones for the same seed and arrival order. One upstream socket per
 * client address, so that the far side sees as many peers as there are.
 * Drops only what looks like RTP unless --what says otherwise: a trial of
 * repair should not become a trial of handshakes.
 *   --dice number: an RTP packet's fate follows from the seed, its SSRC, its
 * number and how often its flow had it: two proxies with one seed lose the
 * same packets, whatever else passes through them.
 *   --allow FIRST-LAST (again for more): clients on other ports do not exist.
 *   impair --listen 127.0.0.1:0 --to 127.0.0.1:7200 --seed 1 --loss-up 0.05
 * Prints {"listening":PORT} at once and its counters at SIGTERM/SIGINT. Lines
 * "loss-down 0.2" on stdin change a value while it runs; "dice" and "allow"
 * are words there too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#define MAX_CLIENTS 1024
#define MAX_DATAGRAM_BYTES 2048
#define MAX_QUEUED_PACKETS 65536
#define MAX_ALLOWED_RANGES 16
#define N_FIXED_FDS 3

enum
{
  UP,
  DOWN,
  N_DIRECTIONS
};
static const char *const direction_names[] = { "up", "down" };

typedef enum
{
  WHAT_RTP,
  WHAT_MEDIA,
  WHAT_ALL
} What;

typedef struct
{
  double loss[N_DIRECTIONS];
  double reorder[N_DIRECTIONS];
  double dup[N_DIRECTIONS];
  gint64 delay_us[N_DIRECTIONS];
  gint64 jitter_us[N_DIRECTIONS];
} Impairment;

typedef struct
{
  guint64 n_packets, n_impairable, n_dropped, n_reordered, n_doubled;
  guint64 n_overflow;
} Counters;

typedef struct
{
  struct sockaddr_in address;
  int fd; /* owned: towards the far side */
  /* owned, SSRC and seq -> how often it came down here */
  GHashTable *n_seen[N_DIRECTIONS];
} Client;

typedef struct
{
  guint first, last;
} PortRange;

/* what becomes of one packet: each from 0 to 1 */
typedef struct
{
  double lose, reorder, dup;
} Throw;

typedef struct
{
  gint64 due_us;
  guint64 order; /* ties leave in order of arrival */
  int direction;
  guint client;
  gsize len;
  guint8 data[];
} Packet;

typedef struct
{
  int listen_fd;
  struct sockaddr_in far;
  What what;
  Impairment impairment;
  GRand *rand[N_DIRECTIONS]; /* owned: one each, so that they are independent */
  GPtrArray *clients;        /* owned, of Client */
  GHashTable *client_indexes; /* owned: address key -> index + 1 */
  GSequence *queue;           /* owned, of Packet, by due time */
  guint64 n_arrivals;
  Counters counters[N_DIRECTIONS];
  guint64 n_denied;
  gboolean by_number; /* the dice */
  guint64 seed;
  PortRange allowed[MAX_ALLOWED_RANGES];
  guint n_allowed;   /* 0 = everybody */
  GString *commands; /* owned: a line of stdin not yet whole */
} Proxy;

static gboolean
is_media (const guint8 *data, gsize len)
{
  return len >= 12 && data[0] >= 128 && data[0] <= 191;
}

static gboolean
is_rtp (const guint8 *data, gsize len)
{
  return is_media (data, len) && !(data[1] >= 192 && data[1] <= 223);
}

static gboolean
is_impairable (const Proxy *self, const guint8 *data, gsize len)
{
  switch (self->what)
    {
    case WHAT_RTP:
      return is_rtp (data, len);
    case WHAT_MEDIA:
      return is_media (data, len);
    case WHAT_ALL:
    default:
      return TRUE;
    }
}

static int
compare_packets (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Packet *pa = a, *pb = b;
  if (pa->due_us != pb->due_us)
    return pa->due_us < pb->due_us ? -1 : 1;
  return pa->order < pb->order ? -1 : pa->order > pb->order;
}

static void
send_packet (Proxy *self, const Packet *packet)
{
  Client *client = g_ptr_array_index (self->clients, packet->client);
  /* a refused or full socket loses the packet, as a network would */
  if (packet->direction == UP)
    (void)!send (client->fd, packet->data, packet->len, MSG_DONTWAIT);
  else
    (void)!sendto (self->listen_fd, packet->data, packet->len, MSG_DONTWAIT,
                   (struct sockaddr *)&client->address, sizeof client->address);
}

static void
enqueue (Proxy *self, int direction, guint client, const guint8 *data,
         gsize len, gint64 due_us)
{
  if (g_sequence_get_length (self->queue) >= MAX_QUEUED_PACKETS)
    {
      self->counters[direction].n_overflow++;
      return;
    }
  Packet *packet = g_malloc (sizeof *packet + len);
  packet->due_us = due_us;
  packet->order = self->n_arrivals++;
  packet->direction = direction;
  packet->client = client;
  packet->len = len;
  memcpy (packet->data, data, len);
  g_sequence_insert_sorted (self->queue, packet, compare_packets, NULL);
}

/* fraction: a well-mixed number (splitmix64) of @x as 0..1 */
static double
fraction (guint64 x)
{
  x += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return (double)((x ^ (x >> 31)) >> 11)
         / (double)(G_GUINT64_CONSTANT (1) << 53);
}

/* throw_by_number: the n-th copy of a packet has the n-th throw */
static Throw
throw_by_number (Proxy *self, int direction, guint client, const guint8 *data)
{
  Client *flow = g_ptr_array_index (self->clients, client);
  guint64 key = ((guint64)data[8] << 40) | ((guint64)data[9] << 32)
                | ((guint64)data[10] << 24) | ((guint64)data[11] << 16)
                | ((guint64)data[2] << 8) | data[3];
  gpointer slot = GSIZE_TO_POINTER (key);
  guint n =
      GPOINTER_TO_UINT (g_hash_table_lookup (flow->n_seen[direction], slot));
  guint64 base = (key << 12) ^ (self->seed << 3) ^ ((guint64)n * 8);

  g_hash_table_insert (flow->n_seen[direction], slot, GUINT_TO_POINTER (n + 1));
  return (Throw){ fraction (base), fraction (base + 1), fraction (base + 2) };
}

/* always three draws, so that one setting does not move another's dice */
static Throw
throw_dice (Proxy *self, int direction, guint client, const guint8 *data,
            gsize len)
{
  Throw ret;
  if (self->by_number && is_rtp (data, len))
    return throw_by_number (self, direction, client, data);
  ret.lose = g_rand_double (self->rand[direction]);
  ret.reorder = g_rand_double (self->rand[direction]);
  ret.dup = g_rand_double (self->rand[direction]);
  return ret;
}

static void
handle_packet (Proxy *self, int direction, guint client, const guint8 *data,
               gsize len, gint64 now_us)
{
  const Impairment *how = &self->impairment;
  Counters *counters = &self->counters[direction];
  gint64 due_us = now_us + how->delay_us[direction];

  counters->n_packets++;
  if (!is_impairable (self, data, len))
    {
      enqueue (self, direction, client, data, len, due_us);
      return;
    }
  counters->n_impairable++;
  Throw dice = throw_dice (self, direction, client, data, len);
  if (dice.lose < how->loss[direction])
    {
      counters->n_dropped++;
      return;
    }
  if (how->jitter_us[direction] > 0)
    due_us += (gint64)(g_rand_double (self->rand[direction])
                       * how->jitter_us[direction]);
  if (dice.reorder < how->reorder[direction])
    {
      counters->n_reordered++;
      due_us += 15 * 1000; /* behind the next frame's packets, not a loss */
    }
  enqueue (self, direction, client, data, len, due_us);
  if (dice.dup < how->dup[direction])
    {
      counters->n_doubled++;
      enqueue (self, direction, client, data, len, due_us);
    }
}

static void
client_free (gpointer data)
{
  Client *client = data;
  for (int d = 0; d < N_DIRECTIONS; d++)
    g_hash_table_unref (client->n_seen[d]);
  close (client->fd);
  g_free (client);
}

static gboolean
is_allowed (const Proxy *self, guint port)
{
  for (guint i = 0; i < self->n_allowed; i++)
    if (port >= self->allowed[i].first && port <= self->allowed[i].last)
      return TRUE;
  return self->n_allowed == 0;
}

/* Returns: the client's index, -1 when there is no room for another */
static int
find_client (Proxy *self, const struct sockaddr_in *address)
{
  guint64 key = ((guint64)ntohl (address->sin_addr.s_addr) << 16)
                | ntohs (address->sin_port);
  gpointer index = g_hash_table_lookup (self->client_indexes, &key);
  if (index != NULL)
    return GPOINTER_TO_INT (index) - 1;
  if (self->clients->len >= MAX_CLIENTS)
    return -1;
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  if (connect (fd, (struct sockaddr *)&self->far, sizeof self->far) < 0)
    {
      close (fd);
      return -1;
    }
  Client *client = g_new0 (Client, 1);
  client->address = *address;
  client->fd = fd;
  for (int d = 0; d < N_DIRECTIONS; d++)
    client->n_seen[d] = g_hash_table_new (NULL, NULL);
  g_ptr_array_add (self->clients, client);
  guint64 *stored = g_new (guint64, 1);
  *stored = key;
  g_hash_table_insert (self->client_indexes, stored,
                       GINT_TO_POINTER ((int)self->clients->len));
  return (int)self->clients->len - 1;
}

static void
read_clients (Proxy *self)
{
  guint8 data[MAX_DATAGRAM_BYTES];
  struct sockaddr_in from;
  for (;;)
    {
      socklen_t from_len = sizeof from;
      ssize_t len = recvfrom (self->listen_fd, data, sizeof data, MSG_DONTWAIT,
                              (struct sockaddr *)&from, &from_len);
      if (len < 0)
        return;
      if (!is_allowed (self, ntohs (from.sin_port)))
        {
          self->n_denied++;
          continue;
        }
      int client = find_client (self, &from);
      if (client >= 0)
        handle_packet (self, UP, client, data, len, g_get_monotonic_time ());
    }
}

static void
read_far (Proxy *self, guint client)
{
  guint8 data[MAX_DATAGRAM_BYTES];
  int fd = ((Client *)g_ptr_array_index (self->clients, client))->fd;
  for (;;)
    {
      ssize_t len = recv (fd, data, sizeof data, MSG_DONTWAIT);
      if (len < 0)
        return; /* also ECONNREFUSED while the far side is down */
      handle_packet (self, DOWN, client, data, len, g_get_monotonic_time ());
    }
}

/* Returns: milliseconds until the next packet is due, -1 for none */
static int
flush_due (Proxy *self)
{
  for (;;)
    {
      GSequenceIter *first = g_sequence_get_begin_iter (self->queue);
      if (g_sequence_iter_is_end (first))
        return -1;
      Packet *packet = g_sequence_get (first);
      gint64 wait_us = packet->due_us - g_get_monotonic_time ();
      if (wait_us > 0)
        return (int)((wait_us + 999) / 1000);
      send_packet (self, packet);
      g_sequence_remove (first);
    }
}

/* "loss-up" etc.; a name without -up or -down sets both. %FALSE: unknown */
static gboolean
set_value (Proxy *self, const char *name, double value)
{
  gboolean known = FALSE;
  for (int d = 0; d < N_DIRECTIONS; d++)
    {
      const struct
      {
        const char *stem;
        double *fraction;
        gint64 *time_us;
      } table[] = {
        { "loss", &self->impairment.loss[d], NULL },
        { "reorder", &self->impairment.reorder[d], NULL },
        { "dup", &self->impairment.dup[d], NULL },
        { "delay-ms", NULL, &self->impairment.delay_us[d] },
        { "jitter-ms", NULL, &self->impairment.jitter_us[d] },
      };
      for (guint i = 0; i < G_N_ELEMENTS (table); i++)
        {
          g_autofree char *full =
              g_strdup_printf ("%s-%s", table[i].stem, direction_names[d]);
          if (strcmp (name, table[i].stem) != 0 && strcmp (name, full) != 0)
            continue;
          known = TRUE;
          if (table[i].fraction != NULL)
            *table[i].fraction = value;
          else
            *table[i].time_us = (gint64)(value * 1000);
        }
    }
  return known;
}

static gboolean
set_dice (Proxy *self, const char *value)
{
  self->by_number = g_str_equal (value, "number");
  return self->by_number || g_str_equal (value, "arrival");
}

static gboolean
add_allowed (Proxy *self, const char *value)
{
  PortRange *range = &self->allowed[self->n_allowed];
  if (self->n_allowed == MAX_ALLOWED_RANGES
      || sscanf (value, "%u-%u", &range->first, &range->last) != 2)
    return FALSE;
  self->n_allowed++;
  return TRUE;
}

static gboolean
set_option (Proxy *self, const char *name, const char *value)
{
  if (g_str_equal (name, "dice"))
    return set_dice (self, value);
  if (g_str_equal (name, "allow"))
    return add_allowed (self, value);
  return set_value (self, name, g_ascii_strtod (value, NULL));
}

/* Returns: %FALSE at the end of stdin */
static gboolean
read_commands (Proxy *self)
{
  char text[256];
  ssize_t n = read (STDIN_FILENO, text, sizeof text);
  if (n <= 0)
    return FALSE;
  g_string_append_len (self->commands, text, n);
  char *end;
  while ((end = strchr (self->commands->str, '\n')) != NULL)
    {
      *end = '\0';
      g_auto (GStrv) words = g_strsplit (self->commands->str, " ", 2);
      gboolean ok = words[0] != NULL && words[1] != NULL
                    && set_option (self, words[0], words[1]);
      printf ("{\"set\":%s}\n", ok ? "true" : "false");
      fflush (stdout);
      g_string_erase (self->commands, 0, end - self->commands->str + 1);
    }
  return TRUE;
}

static void
run (Proxy *self, int signal_fd)
{
  gboolean has_stdin = TRUE;
  for (;;)
    {
      int wait_ms = flush_due (self);
      guint n_clients = self->clients->len;
      g_autofree struct pollfd *fds =
          g_new0 (struct pollfd, N_FIXED_FDS + n_clients);
      fds[0] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
      fds[1] = (struct pollfd){ .fd = self->listen_fd, .events = POLLIN };
      fds[2] = (struct pollfd){ .fd = has_stdin ? STDIN_FILENO : -1,
                                .events = POLLIN };
      for (guint i = 0; i < n_clients; i++)
        {
          Client *client = g_ptr_array_index (self->clients, i);
          fds[N_FIXED_FDS + i] =
              (struct pollfd){ .fd = client->fd, .events = POLLIN };
        }
      if (poll (fds, N_FIXED_FDS + n_clients, wait_ms) < 0 && errno != EINTR)
        return;
      if (fds[0].revents)
        return;
      if (fds[1].revents)
        read_clients (self);
      if (fds[2].revents)
        has_stdin = read_commands (self);
      for (guint i = 0; i < n_clients; i++)
        if (fds[N_FIXED_FDS + i].revents)
          read_far (self, i);
    }
}

static void
print_counters (const Proxy *self)
{
  printf ("{\"clients\":%u,\"denied\":%" G_GUINT64_FORMAT, self->clients->len,
          self->n_denied);
  for (int d = 0; d < N_DIRECTIONS; d++)
    {
      const Counters *c = &self->counters[d];
      printf (
          ",\"%s\":{\"packets\":%" G_GUINT64_FORMAT
          ",\"impairable\":%" G_GUINT64_FORMAT ",\"dropped\":%" G_GUINT64_FORMAT
          ",\"reordered\":%" G_GUINT64_FORMAT ",\"doubled\":%" G_GUINT64_FORMAT
          ",\"overflow\":%" G_GUINT64_FORMAT "}",
          direction_names[d], c->n_packets, c->n_impairable, c->n_dropped,
          c->n_reordered, c->n_doubled, c->n_overflow);
    }
  printf ("}\n");
  fflush (stdout);
}

static gboolean
parse_address (const char *text, struct sockaddr_in *ret)
{
  g_auto (GStrv) parts = g_strsplit (text, ":", 2);
  guint64 port = 0;
  *ret = (struct sockaddr_in){ .sin_family = AF_INET };
  if (parts[0] == NULL || parts[1] == NULL
      || inet_pton (AF_INET, parts[0], &ret->sin_addr) != 1
      || !g_ascii_string_to_unsigned (parts[1], 10, 0, 65535, &port, NULL))
    return FALSE;
  ret->sin_port = htons (port);
  return TRUE;
}

static int
open_listener (const char *address)
{
  struct sockaddr_in local;
  socklen_t len = sizeof local;
  if (!parse_address (address, &local))
    return -1;
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int size_bytes = 4 * 1024 * 1024;
  setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &size_bytes, sizeof size_bytes);
  if (bind (fd, (struct sockaddr *)&local, len) < 0
      || getsockname (fd, (struct sockaddr *)&local, &len) < 0)
    return -1;
  printf ("{\"listening\":%u}\n", ntohs (local.sin_port));
  fflush (stdout);
  return fd;
}

static int
open_signals (void)
{
  sigset_t set;
  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigprocmask (SIG_BLOCK, &set, NULL);
  return signalfd (-1, &set, SFD_CLOEXEC);
}

int
main (int argc, char **argv)
{
  const char *listen_address = "127.0.0.1:0", *to = NULL;
  guint64 seed = 1;
  Proxy self = { .what = WHAT_RTP };

  for (int i = 1; i + 1 < argc; i += 2)
    {
      const char *name = argv[i], *value = argv[i + 1];
      if (g_str_equal (name, "--listen"))
        listen_address = value;
      else if (g_str_equal (name, "--to"))
        to = value;
      else if (g_str_equal (name, "--seed"))
        seed = g_ascii_strtoull (value, NULL, 10);
      else if (g_str_equal (name, "--what"))
        self.what = g_str_equal (value, "all")     ? WHAT_ALL
                    : g_str_equal (value, "media") ? WHAT_MEDIA
                                                   : WHAT_RTP;
      else if (!g_str_has_prefix (name, "--")
               || !set_option (&self, name + 2, value))
        {
          fprintf (stderr, "impair: unknown option %s\n", name);
          return 64;
        }
    }
  if (to == NULL || !parse_address (to, &self.far))
    {
      fprintf (stderr, "impair: --to ADDRESS:PORT is needed\n");
      return 64;
    }
  self.listen_fd = open_listener (listen_address);
  if (self.listen_fd < 0)
    {
      perror ("impair: --listen");
      return 71;
    }
  for (int d = 0; d < N_DIRECTIONS; d++)
    self.rand[d] = g_rand_new_with_seed ((guint32)seed * 2 + d);
  self.clients = g_ptr_array_new_with_free_func (client_free);
  self.seed = seed;
  self.client_indexes =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self.queue = g_sequence_new (g_free);
  self.commands = g_string_new (NULL);
  run (&self, open_signals ());
  print_counters (&self);
  return 0;
}
