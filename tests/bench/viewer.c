/* SPDX-License-Identifier: Apache-2.0 */
/* BenchViewer: see viewer.h. */
#include "tests/bench/viewer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <openssl/err.h>
#include <openssl/srtp.h>
#include <srtp2/srtp.h>
#include <stun/usages/ice.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/dtls.h"
#include "tests/bench/stamp.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define MAX_TRACKS 6
#define CONSENT_US (5 * G_USEC_PER_SEC)
#define RESEND_US (G_USEC_PER_SEC / 10)
#define PRIORITY 1845501695u
#define SOCKET_BYTES (1 << 20)
#define N_SLOTS 16
#define GRO_SLOTS 4
#define WHOLE_BYTES 2048
#define HEAD_BYTES 160 /* enough for RTP's fixed header, all of a check */
#define CONTROL_BYTES 128
#define VIDEO_TS (G_GINT64_CONSTANT (1) << 32)

typedef struct
{
  guint32 ssrc;
  guint32 highest; /* extended by 16 bits */
  guint32 base;    /* of the window */
  guint64 n_received;
} Track;

typedef enum
{
  CHECKING,
  NOMINATING,
  READY
} IceState;

struct _BenchViewer
{
  BenchWire wire; /* with the socket */
  gboolean gro, is_sampled;
  IceState ice;
  gboolean has_keys, is_dtls_client, has_started_dtls;
  char ufrag[9], pwd[33];
  char *remote_name, *remote_pwd; /* owned; remote_name "theirs:ours" */
  StunTransactionId transaction;
  gint64 sent_us, due_us;
  BenchTimes times;
  gint64 video_ts; /* newest, and 2^32; 0: none */
  SSL *ssl;        /* owned; until the keys are there */
  srtp_t srtp;     /* owned; sampled */
  Track tracks[MAX_TRACKS];
  guint n_tracks;
  guint32 overrun, overrun_base;
  BenchCounts counts;
  GArray *latencies; /* borrowed, nullable */
};

/* --- the process -------------------------------------------------------- */

static StunAgent agent; /* each thread's calls are made under @agent_lock */
static GMutex agent_lock;

static void
init_process (void)
{
  static gsize once = 0;

  if (!g_once_init_enter (&once))
    return;
  srtp_init ();
  stun_agent_init (&agent, STUN_ALL_KNOWN_ATTRIBUTES,
                   STUN_COMPATIBILITY_RFC5389,
                   STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS
                       | STUN_AGENT_USAGE_USE_FINGERPRINT);
  g_once_init_leave (&once, 1);
}

/* --- life --------------------------------------------------------------- */

static void
make_chars (char *text, gsize size)
{
  static const char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

  for (gsize i = 0; i + 1 < size; i++)
    text[i] = alphabet[g_random_int_range (0, sizeof alphabet - 1)];
  text[size - 1] = '\0';
}

BenchViewer *
bench_viewer_new (const BenchViewerOptions *options)
{
  BenchViewer *self = g_new0 (BenchViewer, 1);
  struct sockaddr_in any = { .sin_family = AF_INET };
  int big = SOCKET_BYTES, one = 1;

  init_process ();
  self->gro = options->gro;
  self->is_sampled = options->is_sampled;
  self->due_us = options->due_us;
  make_chars (self->ufrag, sizeof self->ufrag);
  make_chars (self->pwd, sizeof self->pwd);
  self->wire.fd =
      socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (self->wire.fd < 0
      || bind (self->wire.fd, (struct sockaddr *)&any, sizeof any) != 0)
    g_error ("socket: %s", g_strerror (errno));
  setsockopt (self->wire.fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
  setsockopt (self->wire.fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof one);
  if (self->is_sampled || options->is_timed)
    setsockopt (self->wire.fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  if (self->gro)
    setsockopt (self->wire.fd, SOL_UDP, UDP_GRO, &one, sizeof one);
  return self;
}

void
bench_viewer_free (BenchViewer *self)
{
  close (self->wire.fd);
  SSL_free (self->ssl);
  if (self->srtp)
    srtp_dealloc (self->srtp);
  g_free (self->remote_name);
  g_free (self->remote_pwd);
  g_free (self);
}

int
bench_viewer_get_fd (BenchViewer *self)
{
  return self->wire.fd;
}

char *
bench_viewer_dup_candidate (BenchViewer *self)
{
  struct sockaddr_in a;
  socklen_t len = sizeof a;
  char ip[INET_ADDRSTRLEN];

  if (getsockname (self->wire.fd, (struct sockaddr *)&a, &len) != 0
      || !inet_ntop (AF_INET, &a.sin_addr, ip, sizeof ip))
    g_error ("getsockname: %s", g_strerror (errno));
  return g_strdup_printf ("1 1 udp 2130706431 %s %u typ host", ip,
                          ntohs (a.sin_port));
}

const char *
bench_viewer_get_ufrag (BenchViewer *self)
{
  return self->ufrag;
}

const char *
bench_viewer_get_pwd (BenchViewer *self)
{
  return self->pwd;
}

void
bench_viewer_set_remote (BenchViewer *self, const char *ip, guint port,
                         const char *ufrag, const char *pwd,
                         gboolean is_dtls_client)
{
  struct sockaddr_in a = { .sin_family = AF_INET,
                           .sin_port = htons ((guint16)port) };

  if (inet_pton (AF_INET, ip, &a.sin_addr) != 1
      || connect (self->wire.fd, (struct sockaddr *)&a, sizeof a) != 0)
    g_error ("connect to %s:%u: %s", ip, port, g_strerror (errno));
  self->remote_name = g_strdup_printf ("%s:%s", ufrag, self->ufrag);
  self->remote_pwd = g_strdup (pwd);
  self->is_dtls_client = is_dtls_client;
  self->ssl = bench_dtls_new (&self->wire, is_dtls_client);
  self->times.signed_us = g_get_monotonic_time () - self->due_us;
}

/* --- ICE and DTLS ------------------------------------------------------- */

static void
send_check (BenchViewer *self, gint64 now_us)
{
  guint8 buf[512];
  StunMessage m;
  gsize len;

  g_mutex_lock (&agent_lock);
  len = stun_usage_ice_conncheck_create (
      &agent, &m, buf, sizeof buf, (guint8 *)self->remote_name,
      strlen (self->remote_name), (guint8 *)self->remote_pwd,
      strlen (self->remote_pwd), self->ice == NOMINATING, TRUE, PRIORITY,
      0x1234567890abcdefull, NULL, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
  stun_message_id (&m, self->transaction);
  stun_agent_forget_transaction (&agent, self->transaction);
  g_mutex_unlock (&agent_lock);
  (void)!send (self->wire.fd, buf, len, 0);
  self->sent_us = now_us;
}

static void
take_keys (BenchViewer *self, gint64 now_us)
{
  static const char label[] = "EXTRACTOR-dtls_srtp";
  SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile (self->ssl);
  gboolean is_gcm = p && p->id == SRTP_AEAD_AES_128_GCM;
  gsize salt_bytes = is_gcm ? 12 : 14;
  srtp_profile_t profile =
      is_gcm ? srtp_profile_aead_aes_128_gcm : srtp_profile_aes128_cm_sha1_80;
  srtp_policy_t policy;
  guint8 m[60], key[30];

  self->has_keys = TRUE;
  self->times.connect_us = now_us - self->due_us;
  SSL_export_keying_material (self->ssl, m, 32 + 2 * salt_bytes, label,
                              strlen (label), NULL, 0, 0);
  if (self->is_sampled)
    {
      /* what the server writes: the other side's of the two */
      memcpy (key, self->is_dtls_client ? m + 16 : m, 16);
      memcpy (key + 16, m + 32 + (self->is_dtls_client ? salt_bytes : 0),
              salt_bytes);
      memset (&policy, 0, sizeof policy);
      srtp_crypto_policy_set_from_profile_for_rtp (&policy.rtp, profile);
      srtp_crypto_policy_set_from_profile_for_rtcp (&policy.rtcp, profile);
      policy.ssrc.type = ssrc_any_inbound;
      policy.key = key;
      policy.window_size = 1024;
      if (srtp_create (&self->srtp, &policy) != srtp_err_status_ok)
        g_error ("srtp_create");
    }
  g_clear_pointer (&self->ssl, SSL_free);
}

static void
step_dtls (BenchViewer *self, gint64 now_us)
{
  int n, error;

  self->has_started_dtls = TRUE;
  if (!self->ssl)
    return;
  ERR_clear_error ();
  n = SSL_do_handshake (self->ssl);
  if (n == 1)
    {
      take_keys (self, now_us);
      return;
    }
  error = SSL_get_error (self->ssl, n);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
    g_clear_pointer (&self->ssl, SSL_free);
}

/* A full agent (libnice in Janus, lite or not) checks back. */
static void
answer_check (BenchViewer *self, const guint8 *data, gsize len)
{
  g_autofree char *name = g_strdup (self->remote_name);
  char *colon = strchr (name, ':');
  g_autofree char *expected = NULL;
  struct sockaddr_storage peer;
  socklen_t peer_len = sizeof peer;
  StunDefaultValidaterData users[2] = { { 0 } };
  StunMessage request, reply;
  guint8 buf[512];
  gsize reply_len = sizeof buf;
  bool is_controlling = true;

  *colon = '\0';
  expected = g_strdup_printf ("%s:%s", self->ufrag, name);
  users[0].username = (guint8 *)expected;
  users[0].username_len = strlen (expected);
  users[0].password = (guint8 *)self->pwd;
  users[0].password_len = strlen (self->pwd);
  if (getpeername (self->wire.fd, (struct sockaddr *)&peer, &peer_len) != 0)
    return;
  g_mutex_lock (&agent_lock);
  if (stun_agent_validate (&agent, &request, data, len,
                           stun_agent_default_validater, users)
          == STUN_VALIDATION_SUCCESS
      && stun_usage_ice_conncheck_create_reply (
             &agent, &request, &reply, buf, &reply_len, &peer, peer_len,
             &is_controlling, 0x1234567890abcdefull,
             STUN_USAGE_ICE_COMPATIBILITY_RFC5245)
             == STUN_USAGE_ICE_RETURN_SUCCESS)
    (void)!send (self->wire.fd, buf, reply_len, 0);
  g_mutex_unlock (&agent_lock);
}

static void
on_stun (BenchViewer *self, const guint8 *data, gsize len, gint64 now_us)
{
  if (len >= 20 && data[0] == 0x00 && data[1] == 0x01)
    answer_check (self, data, len);
  if (len < 20 || data[0] != 0x01 || data[1] != 0x01
      || memcmp (data + 4, self->transaction, 16) != 0)
    return;
  if (self->ice == CHECKING)
    {
      self->ice = NOMINATING;
      send_check (self, now_us);
      if (self->is_dtls_client)
        step_dtls (self, now_us);
    }
  else
    self->ice = READY;
}

static void
on_dtls (BenchViewer *self, const guint8 *data, gsize len, gint64 now_us)
{
  for (guint i = 0; i < 2 && self->ssl; i++)
    {
      if (i == 0)
        {
          self->wire.in = data;
          self->wire.in_len = len;
        }
      step_dtls (self, now_us);
    }
  self->wire.in = NULL;
}

void
bench_viewer_tick (BenchViewer *self, gint64 now_us)
{
  struct timeval left;

  if (now_us - self->sent_us >= (self->ice == READY ? CONSENT_US : RESEND_US))
    send_check (self, now_us);
  if (self->ssl && self->has_started_dtls
      && DTLSv1_get_timeout (self->ssl, &left) && left.tv_sec == 0
      && left.tv_usec == 0)
    DTLSv1_handle_timeout (self->ssl);
}

/* --- media -------------------------------------------------------------- */

static Track *
find_track (BenchViewer *self, guint32 ssrc, guint16 seq)
{
  Track *track;

  for (guint i = 0; i < self->n_tracks; i++)
    if (self->tracks[i].ssrc == ssrc)
      return &self->tracks[i];
  if (self->n_tracks == MAX_TRACKS)
    return NULL;
  track = &self->tracks[self->n_tracks++];
  track->ssrc = ssrc;
  track->highest = 65536u + seq - 1;
  track->base = track->highest;
  track->n_received = 0;
  return track;
}

static void
open_packet (BenchViewer *self, guint8 *data, gsize len, gint64 now_us)
{
  int n = (int)len;
  BenchStamp stamp;
  guint at;

  if (srtp_unprotect (self->srtp, data, &n) != srtp_err_status_ok)
    {
      self->counts.n_bad++;
      return;
    }
  self->counts.n_opened++;
  at = 12 + 4 * (data[0] & 0xf);
  if (data[0] & 0x10)
    at += 4 + 4 * (guint)(data[at + 2] << 8 | data[at + 3]);
  if (self->latencies && at < (guint)n
      && bench_stamp_find (data + at, (gsize)n - at, &stamp))
    {
      guint32 age_us = (guint32)CLAMP (now_us - stamp.sent_us, 0, G_MAXUINT32);

      g_array_append_val (self->latencies, age_us);
    }
}

static guint32
read_u32 (const guint8 *data)
{
  return (guint32)data[0] << 24 | (guint32)data[1] << 16 | (guint32)data[2] << 8
         | data[3];
}

/* @data: at least HEAD_BYTES of the packet's @len, all for a sampled viewer */
static void
on_media (BenchViewer *self, guint8 *data, gsize len, gint64 now_us)
{
  guint16 seq = (guint16)(data[2] << 8 | data[3]);
  guint32 ts = read_u32 (data + 4), ssrc = read_u32 (data + 8);
  Track *track;
  gint16 ahead;

  if (data[1] >= 192 && data[1] <= 223)
    {
      self->counts.n_rtcp++;
      return;
    }
  track = find_track (self, ssrc, seq);
  if (!track)
    return;
  if (self->times.media_us == 0)
    self->times.media_us = now_us - self->due_us;
  self->times.heard_us = now_us;
  if ((data[1] & 0x7f) == BENCH_VIDEO_PT
      && (!self->video_ts || (gint32)(ts - (guint32)self->video_ts) > 0))
    self->video_ts = VIDEO_TS | ts;
  ahead = (gint16)(seq - (guint16)track->highest);
  if (ahead > 0)
    track->highest += (guint32)ahead;
  track->n_received++;
  self->counts.n_packets++;
  self->counts.n_bytes += len;
  if (self->srtp)
    open_packet (self, data, len, now_us);
}

static void
on_packet (BenchViewer *self, guint8 *data, gsize len, gint64 now_us)
{
  if (len < 12)
    return;
  if (data[0] >= 128 && data[0] < 192)
    on_media (self, data, len, now_us);
  else if (data[0] < 4)
    on_stun (self, data, len, now_us);
  else if (data[0] >= 20 && data[0] < 64)
    on_dtls (self, data, len, now_us);
}

/* --- the socket ----------------------------------------------------------- */

static struct mmsghdr headers[N_SLOTS];
static struct iovec iov[N_SLOTS];
static guint8 controls[N_SLOTS][CONTROL_BYTES] __attribute__ ((aligned (8)));
static guint8 *slots; /* the media thread's only */

static void
prepare (guint n_slots, gsize slot_bytes, gsize read_bytes)
{
  if (!slots)
    slots = g_malloc (MAX (N_SLOTS * WHOLE_BYTES, GRO_SLOTS * 65536));
  for (guint i = 0; i < n_slots; i++)
    {
      iov[i].iov_base = slots + i * slot_bytes;
      iov[i].iov_len = read_bytes;
      headers[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i],
                                            .msg_iovlen = 1,
                                            .msg_control = controls[i],
                                            .msg_controllen = CONTROL_BYTES };
    }
}

/* the kernel's time of arrival, on the clock of the stamps: our own slowness
 * is no latency of the server */
static gint64
read_time (const struct cmsghdr *c)
{
  gint64 offset_us = g_get_real_time () - g_get_monotonic_time ();
  struct timespec t;

  memcpy (&t, CMSG_DATA (c), sizeof t);
  return (gint64)t.tv_sec * 1000000 + t.tv_nsec / 1000 - offset_us;
}

/* Returns: bytes a segment */
static gsize
read_control (BenchViewer *self, struct msghdr *h, gsize len, gint64 *now_us)
{
  gsize segment = len;

  for (struct cmsghdr *c = CMSG_FIRSTHDR (h); c; c = CMSG_NXTHDR (h, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
      memcpy (&self->overrun, CMSG_DATA (c), sizeof self->overrun);
    else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
      *now_us = read_time (c);
    else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
      {
        int n;

        memcpy (&n, CMSG_DATA (c), sizeof n);
        if (n > 0)
          segment = (gsize)n;
      }
  return MAX (segment, 1);
}

void
bench_viewer_receive (BenchViewer *self, gint64 now_us)
{
  gboolean is_whole = self->gro || self->is_sampled || !self->has_keys;
  guint n_slots = self->gro ? GRO_SLOTS : N_SLOTS;
  gsize slot_bytes = self->gro ? 65536 : WHOLE_BYTES;
  int n;

  do
    {
      prepare (n_slots, slot_bytes, is_whole ? slot_bytes : HEAD_BYTES);
      /* MSG_TRUNC: the real length, though only the head is copied */
      n = recvmmsg (self->wire.fd, headers, n_slots, MSG_DONTWAIT | MSG_TRUNC,
                    NULL);
      for (int i = 0; i < n; i++)
        {
          gsize len = headers[i].msg_len;
          gint64 at_us = now_us;
          gsize segment = read_control (self, &headers[i].msg_hdr, len, &at_us);
          guint8 *data = iov[i].iov_base;

          if (is_whole && len > slot_bytes)
            continue;
          for (gsize at = 0; at < len; at += segment)
            on_packet (self, data + at, MIN (segment, len - at), at_us);
        }
    }
  while (n == (int)n_slots);
}

gboolean
bench_viewer_is_connected (BenchViewer *self)
{
  return self->has_keys;
}

gboolean
bench_viewer_is_seated (BenchViewer *self)
{
  return self->has_keys && self->n_tracks > 0;
}

const BenchTimes *
bench_viewer_get_times (BenchViewer *self)
{
  return &self->times;
}

gboolean
bench_viewer_is_as_far (BenchViewer *self, BenchViewer *other)
{
  return self->video_ts
         && (gint32)((guint32)self->video_ts - (guint32)other->video_ts) >= 0;
}

void
bench_viewer_start_window (BenchViewer *self, GArray *latencies)
{
  memset (&self->counts, 0, sizeof self->counts);
  self->overrun_base = self->overrun;
  self->latencies = self->is_sampled ? latencies : NULL;
  for (guint i = 0; i < self->n_tracks; i++)
    {
      self->tracks[i].base = self->tracks[i].highest;
      self->tracks[i].n_received = 0;
    }
}

void
bench_viewer_add_counts (BenchViewer *self, BenchCounts *sum)
{
  sum->n_packets += self->counts.n_packets;
  sum->n_bytes += self->counts.n_bytes;
  sum->n_rtcp += self->counts.n_rtcp;
  sum->n_opened += self->counts.n_opened;
  sum->n_bad += self->counts.n_bad;
  sum->n_overrun += self->overrun - self->overrun_base;
  for (guint i = 0; i < self->n_tracks; i++)
    {
      const Track *track = &self->tracks[i];
      gint64 n_lost =
          (gint64)(track->highest - track->base) - (gint64)track->n_received;

      sum->n_lost += (guint64)MAX (n_lost, 0);
    }
}
