/* SPDX-License-Identifier: Apache-2.0 */
/* relay/link-keys: control datagrams and cookies. The known answers are from
 * another implementation (python3-cryptography). */
#include "relay/link-keys.h"

#include <string.h>

#include "base/clock.h"

#define SECRET "a secret of the cluster"

static const guint8 boot_id[RELAY_ID_BYTES] = {
  0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
  0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
};
static const guint8 publication[RELAY_ID_BYTES] = {
  0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
  0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
};

static gsize
from_hex (const char *hex, guint8 *ret)
{
  gsize n = strlen (hex) / 2;

  for (gsize i = 0; i < n; i++)
    ret[i] = (guint8)(g_ascii_xdigit_value (hex[2 * i]) << 4
                      | g_ascii_xdigit_value (hex[2 * i + 1]));
  return n;
}

typedef struct
{
  guint8 sender[RELAY_ID_BYTES], body[RELAY_LINK_MAX_BODY_BYTES];
  guint64 counter;
  gsize len;
} Opened;

static gboolean
open_exact (RelayLinkKeys *keys, const guint8 *data, gsize len, Opened *ret)
{
  /* on the heap, so that a sanitizer sees a read past its end */
  g_autofree guint8 *copy = g_memdup2 (data, len);

  return relay_link_keys_open (keys, copy, len, ret->sender, &ret->counter,
                               ret->body, &ret->len);
}

static void
test_known_answer (void)
{
  g_autoptr (RelayLinkKeys) keys = relay_link_keys_new (SECRET, boot_id);
  g_autoptr (RelayLinkKeys) other = relay_link_keys_new (SECRET, publication);
  guint8 want[128], got[128];
  gsize len = from_hex ("4d01101112131415161718191a1b1c1d1e1f"
                        "0000000000000001"
                        "cb9ea657be003d41f63f1a57bbc43af6e13539705e9185f791",
                        want);
  Opened opened;

  g_assert_cmpmem (relay_link_keys_get_boot_id (keys), 16, boot_id, 16);
  g_assert_cmpuint (
      relay_link_keys_seal (keys, (const guint8 *)"keyframe?", 9, got), ==,
      len);
  g_assert_cmpmem (got, len, want, len);
  len = from_hex ("4d01101112131415161718191a1b1c1d1e1f"
                  "0102030405060708"
                  "d9e54ca1e735e5db3c51dd8616ebdf3d6ce6f47287db58b866",
                  want);
  g_assert_true (open_exact (other, want, len, &opened));
  g_assert_cmpmem (opened.body, opened.len, "keyframe?", 9);
  g_assert_cmpmem (opened.sender, 16, boot_id, 16);
  g_assert_cmpuint (opened.counter, ==,
                    G_GUINT64_CONSTANT (0x0102030405060708));
}

static void
test_bounds (void)
{
  g_autoptr (RelayLinkKeys) keys = relay_link_keys_new (SECRET, boot_id);
  guint8 body[RELAY_LINK_MAX_BODY_BYTES], got[RELAY_LINK_MAX_MESSAGE_BYTES + 1];
  Opened opened;

  memset (body, 0x5a, sizeof body);
  for (gsize n = 0; n <= sizeof body; n += n < 64 ? 1 : 127)
    {
      gsize len = relay_link_keys_seal (keys, body, n, got);

      g_assert_cmpuint (len, ==, n + RELAY_LINK_OVERHEAD_BYTES);
      g_assert_true (open_exact (keys, got, len, &opened));
      g_assert_cmpmem (opened.body, opened.len, body, n);
    }
  g_assert_cmpuint (relay_link_keys_seal (keys, body, sizeof body, got), ==,
                    RELAY_LINK_MAX_MESSAGE_BYTES);
  g_assert_true (open_exact (keys, got, RELAY_LINK_MAX_MESSAGE_BYTES, &opened));
  got[RELAY_LINK_MAX_MESSAGE_BYTES] = 0;
  g_assert_false (
      open_exact (keys, got, RELAY_LINK_MAX_MESSAGE_BYTES + 1, &opened));
}

static void
test_refused (void)
{
  g_autoptr (RelayLinkKeys) keys = relay_link_keys_new (SECRET, boot_id);
  g_autoptr (RelayLinkKeys) wrong = relay_link_keys_new ("another", boot_id);
  guint8 sealed[64], p[64];
  gsize len = relay_link_keys_seal (keys, (const guint8 *)"hello", 5, sealed);
  Opened opened;

  g_assert_true (open_exact (keys, sealed, len, &opened));
  g_assert_false (open_exact (wrong, sealed, len, &opened));
  for (gsize bit = 0; bit < 8 * len; bit++)
    {
      memcpy (p, sealed, len);
      p[bit / 8] ^= (guint8)(1 << bit % 8);
      g_assert_false (open_exact (keys, p, len, &opened));
    }
  for (gsize l = 0; l < len; l++)
    g_assert_false (open_exact (keys, sealed, l, &opened));
  sealed[len] = 0;
  g_assert_false (open_exact (keys, sealed, len + 1, &opened));
}

#define N_THREADS 4
#define N_EACH 5000

typedef struct
{
  RelayLinkKeys *keys;
  guint64 counters[N_EACH];
} Sender;

static gpointer
send_many (gpointer data)
{
  Sender *sender = data;
  guint8 got[64];

  for (guint i = 0; i < N_EACH; i++)
    {
      Opened opened;
      gsize len = relay_link_keys_seal (sender->keys, (guint8 *)"x", 1, got);

      g_assert_true (open_exact (sender->keys, got, len, &opened));
      sender->counters[i] = opened.counter;
      g_assert_true (i == 0 || opened.counter > sender->counters[i - 1]);
    }
  return NULL;
}

/* A counter is never used twice, whoever seals. */
static void
test_threads (void)
{
  g_autoptr (RelayLinkKeys) keys = relay_link_keys_new (SECRET, boot_id);
  g_autofree gboolean *seen = g_new0 (gboolean, N_THREADS * N_EACH + 1);
  g_autofree Sender *senders = g_new0 (Sender, N_THREADS);
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    {
      senders[i].keys = keys;
      threads[i] = g_thread_new ("sender", send_many, &senders[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < N_THREADS; i++)
    for (guint k = 0; k < N_EACH; k++)
      {
        guint64 counter = senders[i].counters[k];

        g_assert_cmpuint (counter, >=, 1);
        g_assert_cmpuint (counter, <=, N_THREADS * N_EACH);
        g_assert_false (seen[counter]);
        seen[counter] = TRUE;
      }
}

static void
test_cookies (void)
{
  g_autoptr (RelayLinkKeys) keys = relay_link_keys_new (SECRET, boot_id);
  g_autoptr (RelayLinkKeys) other = relay_link_keys_new (SECRET, boot_id);
  static const char *const ips[] = { "192.0.2.1", "2001:db8::1" };
  const gint64 s = BASE_US_PER_S;
  guint8 cookie[RELAY_LINK_COOKIE_BYTES], zeros[sizeof cookie] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (ips); i++)
    {
      RtcAddr a, port, ip;

      g_assert_true (rtc_addr_from_string (ips[i], 40000, &a));
      g_assert_true (rtc_addr_from_string (ips[i], 40001, &port));
      g_assert_true (
          rtc_addr_from_string (i ? "2001:db8::2" : "192.0.2.2", 40000, &ip));
      relay_link_keys_make_cookie (keys, &a, 32 * s, cookie);
      g_assert_true (relay_link_keys_check_cookie (keys, &a, 32 * s, cookie));
      g_assert_true (
          relay_link_keys_check_cookie (keys, &a, 64 * s - 1, cookie));
      g_assert_false (relay_link_keys_check_cookie (keys, &a, 64 * s, cookie));
      g_assert_false (
          relay_link_keys_check_cookie (keys, &a, 32 * s - 1, cookie));
      g_assert_false (
          relay_link_keys_check_cookie (keys, &port, 32 * s, cookie));
      g_assert_false (relay_link_keys_check_cookie (keys, &ip, 32 * s, cookie));
      g_assert_false (relay_link_keys_check_cookie (keys, &a, 32 * s, zeros));
      /* a process that was started again knows nothing of it */
      g_assert_false (relay_link_keys_check_cookie (other, &a, 32 * s, cookie));
      relay_link_keys_make_cookie (keys, &a, 48 * s - 1, cookie);
      g_assert_true (
          relay_link_keys_check_cookie (keys, &a, 64 * s - 1, cookie));
      for (guint bit = 0; bit < 8 * sizeof cookie; bit++)
        {
          cookie[bit / 8] ^= (guint8)(1 << bit % 8);
          g_assert_false (
              relay_link_keys_check_cookie (keys, &a, 48 * s - 1, cookie));
          cookie[bit / 8] ^= (guint8)(1 << bit % 8);
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/link-keys/known-answer", test_known_answer);
  g_test_add_func ("/link-keys/bounds", test_bounds);
  g_test_add_func ("/link-keys/refused", test_refused);
  g_test_add_func ("/link-keys/threads", test_threads);
  g_test_add_func ("/link-keys/cookies", test_cookies);
  return g_test_run ();
}
