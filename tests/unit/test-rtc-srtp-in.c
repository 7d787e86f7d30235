/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 7714's vector, and libsrtp2 as the second opinion; by both libraries. */
#include "rtc/srtp-in.h"

#include <srtp2/srtp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rtc/srtp-mb.h"
#include "rtc/srtp-private.h"

static gboolean
is_skipped (RtcSrtpSealer sealer)
{
  if (sealer != RTC_SRTP_SEALER_IPSEC_MB || rtc_srtp_mb_get_name ())
    return FALSE;
  g_test_skip ("no ipsec-mb in this build, or a processor without AVX2");
  return TRUE;
}

static gsize
from_hex (const char *hex, guint8 *ret)
{
  gsize n = strlen (hex) / 2;

  for (gsize i = 0; i < n; i++)
    ret[i] = (guint8)(g_ascii_xdigit_value (hex[2 * i]) << 4
                      | g_ascii_xdigit_value (hex[2 * i + 1]));
  return n;
}

static void
make_key (RtcSrtpKey *k, guint8 seed)
{
  for (guint i = 0; i < 16; i++)
    k->key[i] = (guint8)(seed + i * 13);
  for (guint i = 0; i < 14; i++)
    k->salt[i] = (guint8)(seed * 3 + i * 29);
}

/* the session keys of @key, for the library asked for */
static RtcSrtpIn *
new_in (RtcSrtpSealer sealer, const RtcSrtpKey *key)
{
  RtcSrtpKey k = *key;
  guint8 session[16], salt[14];

  k.salt[12] = k.salt[13] = 0;
  g_assert_true (rtc_srtp_kdf (&k, RTC_SRTP_LABEL_ENCRYPTION, session, 16));
  g_assert_true (rtc_srtp_kdf (&k, RTC_SRTP_LABEL_SALT, salt, 14));
  return rtc_srtp_in_new_session (sealer, session, salt);
}

/* RFC 7714 16.1.1 */
static void
test_vector (gconstpointer data)
{
  RtcSrtpSealer sealer = (RtcSrtpSealer)GPOINTER_TO_INT (data);
  static const char text[] = "Gallia est omnis divisa in partes tres";
  guint8 key[16], salt[12], packet[128];
  g_autoptr (RtcSrtpIn) in = NULL;
  gsize len, n = 0;

  if (is_skipped (sealer))
    return;
  from_hex ("000102030405060708090a0b0c0d0e0f", key);
  from_hex ("517569642070726f2071756f", salt);
  len = from_hex ("8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bca"
                  "be633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb1"
                  "6a9152cf765ee4390cce",
                  packet);
  in = rtc_srtp_in_new_session (sealer, key, salt);
  g_assert_true (rtc_srtp_in_open (in, packet, len, 12, 0, &n));
  g_assert_cmpmem (packet + 12, n, text, strlen (text));
}

static srtp_t
new_theirs (const RtcSrtpKey *key)
{
  guint8 buf[30];
  srtp_policy_t policy;
  srtp_t session = NULL;

  memset (&policy, 0, sizeof policy);
  memcpy (buf, key->key, 16);
  memcpy (buf + 16, key->salt, 14);
  srtp_crypto_policy_set_from_profile_for_rtp (&policy.rtp,
                                               srtp_profile_aead_aes_128_gcm);
  srtp_crypto_policy_set_from_profile_for_rtcp (&policy.rtcp,
                                                srtp_profile_aead_aes_128_gcm);
  policy.ssrc.type = ssrc_any_outbound;
  policy.key = buf;
  g_assert_cmpint (srtp_create (&session, &policy), ==, srtp_err_status_ok);
  return session;
}

static void
put_header (guint8 *p, guint16 seq)
{
  memcpy (p, "\x90\xe0\0\0\0\1\2\3\xca\xfe\0\1\x10\0\0\1\1\2ab", 20);
  p[2] = (guint8)(seq >> 8);
  p[3] = (guint8)seq;
}

/* What libsrtp2 seals is opened, over a wrap of the seq, any length, from the
 * last packet to the first: there is no state. */
static void
test_differential (gconstpointer data)
{
  RtcSrtpSealer sealer = (RtcSrtpSealer)GPOINTER_TO_INT (data);
  enum
  {
    N = 1500
  };
  g_autofree guint8 *sealed = g_malloc (N * 1500);
  g_autofree int *lens = g_new (int, N);
  RtcSrtpKey key;
  g_autoptr (RtcSrtpIn) in = NULL;
  srtp_t theirs;

  if (is_skipped (sealer))
    return;
  make_key (&key, 7);
  in = new_in (sealer, &key);
  theirs = new_theirs (&key);
  for (guint i = 0; i < N; i++)
    {
      guint8 *p = sealed + i * 1500;

      lens[i] = (int)(20 + (i * 37) % 1300);
      put_header (p, (guint16)(65000 + i));
      for (int k = 20; k < lens[i]; k++)
        p[k] = (guint8)((guint)k * i);
      g_assert_cmpint (srtp_protect (theirs, p, &lens[i]), ==,
                       srtp_err_status_ok);
    }
  for (guint i = N; i-- > 0;)
    {
      guint8 *p = sealed + i * 1500, header[20];
      gsize n = 0;

      put_header (header, (guint16)(65000 + i));
      g_assert_true (rtc_srtp_in_open (in, p, (gsize)lens[i], 20,
                                       65000 + i > 65535 ? 1 : 0, &n));
      g_assert_cmpuint (n, ==, (i * 37) % 1300);
      g_assert_cmpmem (p, 20, header, 20);
      for (gsize k = 20; k < 20 + n; k++)
        g_assert_cmpuint (p[k], ==, (guint8)(k * i));
    }
  srtp_dealloc (theirs);
}

/* Sealed by RtcSrtpOut, opened where the next byte may not be touched. */
static void
test_guarded (gconstpointer data)
{
  RtcSrtpSealer sealer = (RtcSrtpSealer)GPOINTER_TO_INT (data);
  gsize page = (gsize)sysconf (_SC_PAGESIZE);
  guint8 *map = mmap (NULL, 3 * page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  RtcSrtpKey key;
  g_autoptr (RtcSrtpIn) in = NULL;
  g_autoptr (RtcSrtpOut) out = NULL;
  guint8 plain[1500];

  g_assert_true (map != MAP_FAILED);
  g_assert_cmpint (mprotect (map, page, PROT_NONE), ==, 0);
  g_assert_cmpint (mprotect (map + 2 * page, page, PROT_NONE), ==, 0);
  if (is_skipped (sealer))
    return;
  make_key (&key, 3);
  in = new_in (sealer, &key);
  out = rtc_srtp_out_new (RTC_SRTP_AEAD_AES_128_GCM, &key);
  for (guint i = 0; i < sizeof plain; i++)
    plain[i] = (guint8)(i * 7);
  for (gsize len = 0; len < 1400; len++)
    for (guint at_end = 0; at_end < 2; at_end++)
      {
        gsize n_bytes = 20 + len + 16, n = 0;
        guint8 *p = at_end ? map + 2 * page - n_bytes : map + page;

        put_header (p, (guint16)len);
        g_assert_cmpuint (
            rtc_srtp_out_seal (out, p, 20, NULL, 0, plain, len, 0x89abcdef), ==,
            n_bytes);
        g_assert_true (rtc_srtp_in_open (in, p, n_bytes, 20, 0x89abcdef, &n));
        g_assert_cmpmem (p + 20, n, plain, len);
      }
  g_assert_cmpint (munmap (map, 3 * page), ==, 0);
}

static void
test_refused (gconstpointer data)
{
  RtcSrtpSealer sealer = (RtcSrtpSealer)GPOINTER_TO_INT (data);
  RtcSrtpKey key;
  g_autoptr (RtcSrtpIn) in = NULL;
  g_autoptr (RtcSrtpOut) out = NULL;
  guint8 sealed[64], p[64];
  gsize len, n = 4711;

  if (is_skipped (sealer))
    return;
  make_key (&key, 9);
  in = new_in (sealer, &key);
  out = rtc_srtp_out_new (RTC_SRTP_AEAD_AES_128_GCM, &key);
  put_header (sealed, 5);
  len = rtc_srtp_out_seal (out, sealed, 20, NULL, 0, sealed, 20, 1);
  for (gsize bit = 0; bit < 8 * len; bit++)
    {
      memcpy (p, sealed, len);
      p[bit / 8] ^= (guint8)(1 << bit % 8);
      g_assert_false (rtc_srtp_in_open (in, p, len, 20, 1, &n));
    }
  for (gsize l = 0; l < len; l++)
    {
      memcpy (p, sealed, len);
      g_assert_false (rtc_srtp_in_open (in, p, l, 20, 1, &n));
    }
  memcpy (p, sealed, len);
  g_assert_false (rtc_srtp_in_open (in, p, len, 20, 0, &n)); /* other ROC */
  memcpy (p, sealed, len);
  g_assert_false (rtc_srtp_in_open (in, p, len, 12, 1, &n));
  memcpy (p, sealed, len);
  g_assert_false (rtc_srtp_in_open (in, p, len, 8, 1, &n));
  g_assert_cmpuint (n, ==, 4711);
  memcpy (p, sealed, len);
  g_assert_true (rtc_srtp_in_open (in, p, len, 20, 1, &n));
  memcpy (p, sealed, len);
  g_assert_true (rtc_srtp_in_open (in, p, len, 20, 1, &n)); /* no list */
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    GTestDataFunc func;
  } tests[] = {
    { "rfc7714", test_vector },
    { "differential", test_differential },
    { "guarded", test_guarded },
    { "refused", test_refused },
  };

  srtp_init ();
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *ssl =
          g_strdup_printf ("/srtp-in/%s/openssl", tests[i].name);
      g_autofree char *mb =
          g_strdup_printf ("/srtp-in/%s/ipsec-mb", tests[i].name);

      g_test_add_data_func (ssl, GINT_TO_POINTER (RTC_SRTP_SEALER_OPENSSL),
                            tests[i].func);
      g_test_add_data_func (mb, GINT_TO_POINTER (RTC_SRTP_SEALER_IPSEC_MB),
                            tests[i].func);
    }
  return g_test_run ();
}
