/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: what a delivered packet costs on this machine when nothing but
 * the unavoidable is done: encrypting it and handing it to the kernel. CPU
 * microseconds (user + system) of this process per packet, for video packets
 * of 1,200 bytes and audio packets of 160. Receivers are a child process with
 * its own sockets: plain ones (the kernel splits a GSO message at the sender's
 * cost) and ones that take UDP_GRO (it is handed over whole).
 * The mix at the end is 2.5 Mbit/s of video at 30 frames a second plus Opus at
 * 50 packets a second: video at its burst length, audio alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define VIDEO_BYTES 1200
#define AUDIO_BYTES 160
#define TAG_BYTES 16
#define N_PEERS 64
#define N_ROUNDS 5
#define MIX_BURST 9 /* packets of a frame: 2.5 Mbit/s, 30 a second */
#define MIX_VIDEO_PPS (MIX_BURST * 30)
#define MIX_AUDIO_PPS 50

static struct sockaddr_in peers[N_PEERS];
static guint8 plain[65536], sealed[65536];

static double
cpu_us (void)
{
  struct rusage u;

  getrusage (RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6
         + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* The child: drains N_PEERS sockets until its parent is gone. */
static void
run_receivers (int ready_fd, gboolean gro)
{
  struct pollfd fds[N_PEERS];
  static guint8 buf[65536];
  int one = 1, big = 8 << 20;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < N_PEERS; i++)
    {
      struct sockaddr_in a = { .sin_family = AF_INET };
      socklen_t len = sizeof a;

      a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
      fds[i].fd = socket (AF_INET, SOCK_DGRAM, 0);
      fds[i].events = POLLIN;
      if (bind (fds[i].fd, (struct sockaddr *)&a, sizeof a) != 0
          || getsockname (fds[i].fd, (struct sockaddr *)&a, &len) != 0)
        _exit (1);
      setsockopt (fds[i].fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
      if (gro)
        setsockopt (fds[i].fd, SOL_UDP, UDP_GRO, &one, sizeof one);
      if (write (ready_fd, &a, sizeof a) != sizeof a)
        _exit (1);
    }
  for (;;)
    {
      poll (fds, N_PEERS, -1);
      for (int i = 0; i < N_PEERS; i++)
        while (recv (fds[i].fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
          ;
    }
}

static pid_t
start_receivers (gboolean gro)
{
  int fds[2];
  pid_t pid;

  if (pipe (fds) != 0 || (pid = fork ()) < 0)
    g_error ("fork: %s", g_strerror (errno));
  if (pid == 0)
    run_receivers (fds[1], gro);
  close (fds[1]);
  for (int i = 0; i < N_PEERS; i++)
    if (read (fds[0], &peers[i], sizeof peers[i]) != sizeof peers[i])
      g_error ("the receivers did not start");
  close (fds[0]);
  return pid;
}

static int
make_sender (void)
{
  int fd = socket (AF_INET, SOCK_DGRAM, 0), big = 8 << 20;

  setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
  return fd;
}

/* one GSO message of @n segments of @size bytes */
static void
send_gso (int fd, const struct sockaddr_in *peer, guint n, guint size)
{
  char control[CMSG_SPACE (sizeof (guint16))] = { 0 };
  struct iovec iov = { sealed, n * size };
  struct msghdr msg = { .msg_name = (void *)peer,
                        .msg_namelen = sizeof *peer,
                        .msg_iov = &iov,
                        .msg_iovlen = 1 };

  if (n > 1)
    {
      struct cmsghdr *c;
      guint16 segment = (guint16)size;

      msg.msg_control = control;
      msg.msg_controllen = sizeof control;
      c = CMSG_FIRSTHDR (&msg);
      c->cmsg_level = SOL_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN (sizeof segment);
      memcpy (CMSG_DATA (c), &segment, sizeof segment);
    }
  while (sendmsg (fd, &msg, 0) < 0 && (errno == EAGAIN || errno == ENOBUFS))
    ;
}

static void
send_many (int fd, guint n, guint size)
{
  struct mmsghdr msgs[64] = { 0 };
  struct iovec iov = { sealed, size };

  for (guint i = 0; i < n; i++)
    {
      msgs[i].msg_hdr.msg_name = &peers[i % N_PEERS];
      msgs[i].msg_hdr.msg_namelen = sizeof peers[0];
      msgs[i].msg_hdr.msg_iov = &iov;
      msgs[i].msg_hdr.msg_iovlen = 1;
    }
  if (sendmmsg (fd, msgs, n, 0) < 0 && errno != EAGAIN && errno != ENOBUFS)
    g_error ("sendmmsg: %s", g_strerror (errno));
}

static EVP_CIPHER_CTX *cipher;

static void
seal (guint8 *to, guint size, guint64 n)
{
  guint8 iv[12] = { 0 };
  int len;

  memcpy (iv + 4, &n, sizeof n);
  EVP_EncryptInit_ex (cipher, NULL, NULL, NULL, iv);
  EVP_EncryptUpdate (cipher, NULL, &len, plain, 12);
  EVP_EncryptUpdate (cipher, to + 12, &len, plain + 12,
                     (int)size - 12 - TAG_BYTES);
  EVP_EncryptFinal_ex (cipher, to, &len);
  EVP_CIPHER_CTX_ctrl (cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES,
                       to + size - TAG_BYTES);
}

typedef enum
{
  SEAL = 1,
  SEND = 2
} What;

static int
compare_doubles (const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

/* Median over rounds of CPU us a packet. @burst 0 = sendmmsg of 32 peers. */
static double
measure (What what, guint burst, guint size)
{
  double rounds[N_ROUNDS];
  guint group = burst > 0 ? burst : 32;
  guint n_groups = (what & SEND ? 150000 : 600000) / group;
  static guint64 nonce;
  int fd = make_sender ();

  for (guint r = 0; r < N_ROUNDS; r++)
    {
      double start = cpu_us ();

      for (guint g = 0; g < n_groups; g++)
        {
          if (what & SEAL)
            for (guint i = 0; i < group; i++)
              seal (sealed + i * size, size, nonce++);
          if (!(what & SEND))
            continue;
          if (burst > 0)
            send_gso (fd, &peers[g % N_PEERS], burst, size);
          else
            send_many (fd, group, size);
        }
      rounds[r] = (cpu_us () - start) / (n_groups * group);
    }
  close (fd);
  qsort (rounds, N_ROUNDS, sizeof rounds[0], compare_doubles);
  return rounds[N_ROUNDS / 2];
}

static void
run_table (gboolean gro)
{
  pid_t child = start_receivers (gro);
  static const guint bursts[] = { 1, 5, MIX_BURST, 20, 40 };
  double video, audio;

  printf ("\nReceivers: %s\n", gro ? "UDP_GRO" : "plain");
  printf ("%-34s %9s %9s\n", "CPU us a packet", "1200 B", "160 B");
  printf ("%-34s %9.3f %9.3f\n", "encryption (AES-128-GCM, OpenSSL)",
          measure (SEAL, 0, VIDEO_BYTES), measure (SEAL, 0, AUDIO_BYTES));
  printf ("%-34s %9.3f %9.3f\n", "sendmmsg of 32",
          measure (SEND, 0, VIDEO_BYTES), measure (SEND, 0, AUDIO_BYTES));
  for (guint i = 0; i < G_N_ELEMENTS (bursts); i++)
    {
      g_autofree char *name = g_strdup_printf ("GSO, %u segments", bursts[i]);

      printf ("%-34s %9.3f %9.3f\n", name,
              measure (SEND, bursts[i], VIDEO_BYTES),
              measure (SEND, bursts[i], AUDIO_BYTES));
    }
  video = measure (SEAL | SEND, MIX_BURST, VIDEO_BYTES);
  audio = measure (SEAL | SEND, 0, AUDIO_BYTES);
  printf ("%-34s %9.3f\n", "encryption + GSO, a frame's burst", video);
  printf ("%-34s %9s %9.3f\n", "encryption + sendmmsg", "", audio);
  printf ("%-34s %9.3f\n", "floor of the mix (video + Opus)",
          (video * MIX_VIDEO_PPS + audio * MIX_AUDIO_PPS)
              / (MIX_VIDEO_PPS + MIX_AUDIO_PPS));
  kill (child, SIGKILL);
  waitpid (child, NULL, 0);
}

int
main (void)
{
  static const guint8 key[16] = { 7 };

  cipher = EVP_CIPHER_CTX_new ();
  EVP_EncryptInit_ex (cipher, EVP_aes_128_gcm (), NULL, key, NULL);
  run_table (FALSE);
  run_table (TRUE);
  EVP_CIPHER_CTX_free (cipher);
  return 0;
}
