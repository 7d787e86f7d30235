/* SPDX-License-Identifier: Apache-2.0 */
/* The RFCs' vectors, and libsrtp2 as the second opinion; by every sealer. */
#include "rtc/srtp.h"

#include <srtp2/srtp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rtc/srtp-mb.h"
#include "rtc/srtp-private.h"

#define MAX_PAYLOAD 1400

typedef struct
{
  const char *name;
  RtcSrtpSealer sealer;
  RtcSrtpProfile profile;
} Case;

static const Case cases[] = {
  { "gcm", RTC_SRTP_SEALER_OPENSSL, RTC_SRTP_AEAD_AES_128_GCM },
  { "gcm-ipsec-mb", RTC_SRTP_SEALER_IPSEC_MB, RTC_SRTP_AEAD_AES_128_GCM },
  { "cm", RTC_SRTP_SEALER_OPENSSL, RTC_SRTP_AES128_CM_SHA1_80 },
};

static gboolean
is_skipped (const Case *c)
{
  if (c->sealer != RTC_SRTP_SEALER_IPSEC_MB || rtc_srtp_mb_get_name ())
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

#define ASSERT_HEX(data, len, hex)                                             \
  G_STMT_START                                                                 \
  {                                                                            \
    guint8 want_[256];                                                         \
    gsize n_ = from_hex (hex, want_);                                          \
    g_assert_cmpmem (data, len, want_, n_);                                    \
  }                                                                            \
  G_STMT_END

static void
test_kdf (void)
{
  RtcSrtpKey k;
  guint8 out[20];

  from_hex ("E1F97A0D3E018BE0D64FA32C06DE4139", k.key);
  from_hex ("0EC675AD498AFEEBB6960B3AABE6", k.salt);
  g_assert_true (rtc_srtp_kdf (&k, RTC_SRTP_LABEL_ENCRYPTION, out, 16));
  ASSERT_HEX (out, 16, "C61E7A93744F39EE10734AFE3FF7A087");
  g_assert_true (rtc_srtp_kdf (&k, RTC_SRTP_LABEL_SALT, out, 14));
  ASSERT_HEX (out, 14, "30CBBC08863D8C85D49DB34A9AE1");
  g_assert_true (rtc_srtp_kdf (&k, RTC_SRTP_LABEL_AUTH, out, 20));
  ASSERT_HEX (out, 20, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
}

/* RFC 3711 B.2: SSRC, ROC and seq are zero, so the ciphertext of zeros is the
 * key stream. */
static void
test_aes_cm (void)
{
  static const guint8 zeros[48], auth[20];
  guint8 key[16], salt[16], packet[12 + 48 + RTC_SRTP_MAX_TRAILER] = { 0 };
  RtcSrtpOut *out;

  from_hex ("2B7E151628AED2A6ABF7158809CF4F3C", key);
  from_hex ("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000", salt);
  out = rtc_srtp_out_new_session (RTC_SRTP_SEALER_OPENSSL,
                                  RTC_SRTP_AES128_CM_SHA1_80, key, salt, auth);
  g_assert_cmpuint (rtc_srtp_out_seal (out, packet, 12, NULL, 0, zeros, 48, 0),
                    ==, 12 + 48 + 10);
  ASSERT_HEX (packet + 12, 48,
              "E03EAD0935C95E80E166B16DD92B4EB4"
              "D23513162B02D0F72A43A2FE4A5F97AB"
              "41E95B3BB0A2E8DD477901E4FCA894C0");
  rtc_srtp_out_free (out);
}

static void
test_gcm (gconstpointer data)
{
  const Case *c = data;
  static const char text[] = "Gallia est omnis divisa in partes tres";
  guint8 key[16], salt[12], packet[128];
  RtcSrtpOut *out;
  gsize len;

  if (is_skipped (c))
    return;
  from_hex ("000102030405060708090a0b0c0d0e0f", key);
  from_hex ("517569642070726f2071756f", salt);
  from_hex ("8040f17b8041f8d35501a0b2", packet);
  out = rtc_srtp_out_new_session (c->sealer, c->profile, key, salt, NULL);
  len = rtc_srtp_out_seal (out, packet, 12, (const guint8 *)text, 6,
                           (const guint8 *)text + 6, strlen (text) - 6, 0);
  ASSERT_HEX (packet, len,
              "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bca"
              "be633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb1"
              "6a9152cf765ee4390cce");
  rtc_srtp_out_free (out);
}

static srtp_t
make_session (RtcSrtpProfile profile, const RtcSrtpKey *key,
              srtp_ssrc_type_t type)
{
  guint8 buf[30];
  srtp_policy_t policy;
  srtp_t session = NULL;
  srtp_profile_t p = profile == RTC_SRTP_AEAD_AES_128_GCM
                         ? srtp_profile_aead_aes_128_gcm
                         : srtp_profile_aes128_cm_sha1_80;

  memset (&policy, 0, sizeof policy);
  memcpy (buf, key->key, 16);
  memcpy (buf + 16, key->salt, 14);
  srtp_crypto_policy_set_from_profile_for_rtp (&policy.rtp, p);
  srtp_crypto_policy_set_from_profile_for_rtcp (&policy.rtcp, p);
  policy.ssrc.type = type;
  policy.key = buf;
  policy.window_size = 1024;
  g_assert_cmpint (srtp_create (&session, &policy), ==, srtp_err_status_ok);
  return session;
}

static void
make_key (RtcSrtpKey *k, guint8 seed)
{
  for (guint i = 0; i < 16; i++)
    k->key[i] = (guint8)(seed + i * 13);
  for (guint i = 0; i < 14; i++)
    k->salt[i] = (guint8)(seed * 3 + i * 29);
}

static void
put_header (guint8 *p, guint16 seq, guint32 ssrc)
{
  memcpy (p, "\x90\xe0\0\0\0\1\2\3\0\0\0\0\xbe\xde\0\1\x10\xff\0\0", 20);
  p[2] = (guint8)(seq >> 8);
  p[3] = (guint8)seq;
  ssrc = GUINT32_TO_BE (ssrc);
  memcpy (p + 8, &ssrc, 4);
}

/* Equal bytes as libsrtp2's, over a wrap of the seq, with and without an
 * extension block, any length; and what it opens is what went in. */
static void
test_differential (gconstpointer data)
{
  const Case *c = data;
  RtcSrtpProfile profile = c->profile;
  RtcSrtpKey key;
  RtcSrtpOut *out;
  g_autoptr (RtcSrtp) in = NULL;
  srtp_t sender;
  guint16 seq = 65000;
  guint32 roc = 0;

  if (is_skipped (c))
    return;
  make_key (&key, 7);
  in = rtc_srtp_new (profile, &key, &key);
  out = rtc_srtp_out_new_with (c->sealer, profile, &key);
  sender = make_session (profile, &key, ssrc_any_outbound);
  for (guint i = 0; i < 1500; i++)
    {
      gsize payload = 4 + (i * 37) % 1300;
      guint8 plain[1500], ours[1600], theirs[1600];
      int n = (int)(20 + payload);
      gsize len;

      put_header (plain, seq, 0xcafe0001);
      for (gsize k = 20; k < 20 + payload; k++)
        plain[k] = (guint8)(k * i);
      memcpy (theirs, plain, (gsize)n);
      memcpy (ours, plain, 20);
      g_assert_cmpint (srtp_protect (sender, theirs, &n), ==,
                       srtp_err_status_ok);
      len = rtc_srtp_out_seal (out, ours, 20, plain + 20, i % 3, /* prefix */
                               plain + 20 + i % 3, payload - i % 3, roc);
      g_assert_cmpuint (len, ==, 20 + payload + rtc_srtp_out_get_trailer (out));
      g_assert_cmpmem (ours, len, theirs, n);
      g_assert_cmpint (rtc_srtp_open_rtp (in, ours, &len), ==, RTC_SRTP_OK);
      g_assert_cmpmem (ours, len, plain, 20 + payload);
      if (++seq == 0)
        roc++;
    }
  g_assert_cmpuint (roc, ==, 1);
  rtc_srtp_out_free (out);
  srtp_dealloc (sender);
}

static void
test_refused (gconstpointer data)
{
  const Case *c = data;
  RtcSrtpProfile profile = c->profile;
  RtcSrtpKey key;
  RtcSrtpOut *out;
  g_autoptr (RtcSrtp) in = NULL;
  guint8 sealed[128], p[128];
  gsize len, n;

  if (is_skipped (c))
    return;
  make_key (&key, 9);
  in = rtc_srtp_new (profile, &key, &key);
  out = rtc_srtp_out_new_with (c->sealer, profile, &key);
  put_header (sealed, 5, 1);
  n = rtc_srtp_out_seal (out, sealed, 20, NULL, 0, sealed, 20, 0);
  for (gsize at = 1; at < n; at++)
    {
      memcpy (p, sealed, n);
      p[at] ^= 0x40;
      len = n;
      g_assert_cmpint (rtc_srtp_open_rtp (in, p, &len), !=, RTC_SRTP_OK);
      g_assert_cmpuint (len, ==, n);
    }
  memcpy (p, sealed, n);
  p[n - 1] ^= 1;
  len = n;
  g_assert_cmpint (rtc_srtp_open_rtp (in, p, &len), ==, RTC_SRTP_BAD_AUTH);
  memcpy (p, sealed, n);
  g_assert_cmpint (rtc_srtp_open_rtp (in, p, &len), ==, RTC_SRTP_OK);
  memcpy (p, sealed, n);
  len = n;
  g_assert_cmpint (rtc_srtp_open_rtp (in, p, &len), ==, RTC_SRTP_REPLAY);
  for (len = 0; len < 12; len++)
    {
      gsize l = len;

      g_assert_cmpint (rtc_srtp_open_rtp (in, p, &l), ==, RTC_SRTP_MALFORMED);
    }
  rtc_srtp_out_free (out);
}

/* Two pages of which the second may not be touched: what is written or read
 * up to its end, and a byte too much, crashes. */
static guint8 *
make_guarded (void)
{
  gsize page = (gsize)sysconf (_SC_PAGESIZE);
  guint8 *p = mmap (NULL, 2 * page, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  g_assert_true (p != MAP_FAILED);
  g_assert_cmpint (mprotect (p + page, page, PROT_NONE), ==, 0);
  return p + page;
}

static void
free_guarded (guint8 *end)
{
  gsize page = (gsize)sysconf (_SC_PAGESIZE);

  g_assert_cmpint (munmap (end - page, 2 * page), ==, 0);
}

/* ipsec-mb's bytes are OpenSSL's: any length, header and prefix; nothing is
 * read or written past the ends given. */
static void
test_sealers_agree (void)
{
  static const gsize headers[] = { 12, 20, 24, 40, 72 };
  static const gsize prefixes[] = { 0, 1, 2, 16 };
  RtcSrtpKey key;
  RtcSrtpOut *ssl, *mb;
  guint8 *src_end, *dst_end;

  if (is_skipped (&cases[1]))
    return;
  src_end = make_guarded ();
  dst_end = make_guarded ();
  make_key (&key, 5);
  ssl = rtc_srtp_out_new_with (RTC_SRTP_SEALER_OPENSSL,
                               RTC_SRTP_AEAD_AES_128_GCM, &key);
  mb = rtc_srtp_out_new_with (RTC_SRTP_SEALER_IPSEC_MB,
                              RTC_SRTP_AEAD_AES_128_GCM, &key);
  for (gsize payload = 0; payload <= MAX_PAYLOAD; payload++)
    for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
      {
        gsize header = headers[(payload + i) % G_N_ELEMENTS (headers)];
        gsize n = header + prefixes[i] + payload + 16;
        guint8 *src = src_end - payload, *ours = dst_end - n;
        guint8 theirs[2000] = { 0 }, prefix[16];

        put_header (theirs, (guint16)payload, 0xcafe0000 + i);
        for (gsize k = 0; k < payload; k++)
          src[k] = (guint8)(k * 7 + i + payload);
        memset (prefix, 0xa0 + (int)i, sizeof prefix);
        memcpy (ours, theirs, header);
        g_assert_cmpuint (rtc_srtp_out_seal (ssl, theirs, header, prefix,
                                             prefixes[i], src, payload, i),
                          ==, n);
        g_assert_cmpuint (rtc_srtp_out_seal (mb, ours, header, prefix,
                                             prefixes[i], src, payload, i),
                          ==, n);
        g_assert_cmpmem (ours, n, theirs, n);
      }
  rtc_srtp_out_free (ssl);
  rtc_srtp_out_free (mb);
  free_guarded (src_end);
  free_guarded (dst_end);
}

static void
test_default_sealer (void)
{
  const char *mb = rtc_srtp_mb_get_name ();

  g_assert_cmpstr (rtc_srtp_out_get_sealer_name (), ==, mb ? mb : "OpenSSL");
}

static void
test_limit (void)
{
  RtcSrtpKey key;
  RtcSrtpOut *out;
  g_autoptr (RtcSrtp) in = NULL;

  make_key (&key, 11);
  in = rtc_srtp_new (RTC_SRTP_AEAD_AES_128_GCM, &key, &key);
  out = rtc_srtp_out_new (RTC_SRTP_AEAD_AES_128_GCM, &key);
  for (guint i = 0; i <= RTC_SRTP_MAX_SSRCS; i++)
    {
      guint8 p[128];
      gsize len;

      put_header (p, 1, 100 + i);
      len = rtc_srtp_out_seal (out, p, 20, NULL, 0, p, 20, 0);
      g_assert_cmpint (rtc_srtp_open_rtp (in, p, &len), ==,
                       i < RTC_SRTP_MAX_SSRCS ? RTC_SRTP_OK : RTC_SRTP_LIMIT);
    }
  rtc_srtp_out_free (out);
}

static void
test_rtcp (gconstpointer data)
{
  RtcSrtpProfile profile = (RtcSrtpProfile)GPOINTER_TO_INT (data);
  RtcSrtpKey a, b;
  g_autoptr (RtcSrtp) left = NULL;
  g_autoptr (RtcSrtp) right = NULL;
  guint8 p[64] = "\x80\xc9\0\1\0\0\0\1";
  gsize len = 8;

  make_key (&a, 1);
  make_key (&b, 2);
  left = rtc_srtp_new (profile, &a, &b);
  right = rtc_srtp_new (profile, &b, &a);
  g_assert_cmpint (rtc_srtp_seal_rtcp (left, p, &len), ==, RTC_SRTP_OK);
  g_assert_cmpuint (len, >, 8);
  g_assert_cmpint (rtc_srtp_open_rtcp (right, p, &len), ==, RTC_SRTP_OK);
  g_assert_cmpmem (p, len, "\x80\xc9\0\1\0\0\0\1", 8);
  len = 7;
  g_assert_cmpint (rtc_srtp_open_rtcp (right, p, &len), ==, RTC_SRTP_MALFORMED);
}

/* What we seal libsrtp2 opens, and the other way; no length is special. */
static void
test_rtcp_differential (gconstpointer data)
{
  RtcSrtpProfile profile = (RtcSrtpProfile)GPOINTER_TO_INT (data);
  RtcSrtpKey key;
  g_autoptr (RtcSrtp) ours = NULL;
  srtp_t sender, receiver;

  make_key (&key, 3);
  ours = rtc_srtp_new (profile, &key, &key);
  sender = make_session (profile, &key, ssrc_any_outbound);
  receiver = make_session (profile, &key, ssrc_any_inbound);
  for (guint i = 0; i < 300; i++)
    {
      gsize plain_len = 8 + 4 * (i % 60), len = plain_len;
      guint8 plain[300], p[340];
      int n = (int)len;

      for (gsize k = 0; k < len; k++)
        plain[k] = (guint8)(k * i + 1);
      memcpy (plain, "\x80\xc9\0\1\0\0\0", 7);
      plain[7] = (guint8)(i % 3);
      memcpy (p, plain, len);
      g_assert_cmpint (srtp_protect_rtcp (sender, p, &n), ==,
                       srtp_err_status_ok);
      len = (gsize)n;
      g_assert_cmpint (rtc_srtp_open_rtcp (ours, p, &len), ==, RTC_SRTP_OK);
      g_assert_cmpmem (p, len, plain, plain_len);
      g_assert_cmpint (rtc_srtp_seal_rtcp (ours, p, &len), ==, RTC_SRTP_OK);
      n = (int)len;
      g_assert_cmpint (srtp_unprotect_rtcp (receiver, p, &n), ==,
                       srtp_err_status_ok);
      g_assert_cmpmem (p, n, plain, plain_len);
    }
  srtp_dealloc (sender);
  srtp_dealloc (receiver);
}

static void
test_rtcp_refused (gconstpointer data)
{
  RtcSrtpProfile profile = (RtcSrtpProfile)GPOINTER_TO_INT (data);
  RtcSrtpKey key;
  g_autoptr (RtcSrtp) left = NULL;
  g_autoptr (RtcSrtp) right = NULL;
  guint8 sealed[64] = "\x80\xc9\0\2\0\0\0\1abc", p[64];
  gsize n = 12, len;

  make_key (&key, 4);
  left = rtc_srtp_new (profile, &key, &key);
  right = rtc_srtp_new (profile, &key, &key);
  g_assert_cmpint (rtc_srtp_seal_rtcp (left, sealed, &n), ==, RTC_SRTP_OK);
  for (gsize bit = 0; bit < 8 * n; bit++)
    {
      memcpy (p, sealed, n);
      p[bit / 8] ^= (guint8)(1 << bit % 8);
      len = n;
      g_assert_cmpint (rtc_srtp_open_rtcp (right, p, &len), !=, RTC_SRTP_OK);
      g_assert_cmpuint (len, ==, n);
    }
  for (len = 0; len < n; len++)
    {
      gsize l = len;

      memcpy (p, sealed, n);
      g_assert_cmpint (rtc_srtp_open_rtcp (right, p, &l), !=, RTC_SRTP_OK);
    }
  len = n;
  memcpy (p, sealed, n);
  g_assert_cmpint (rtc_srtp_open_rtcp (right, p, &len), ==, RTC_SRTP_OK);
  len = n;
  memcpy (p, sealed, n);
  g_assert_cmpint (rtc_srtp_open_rtcp (right, p, &len), ==, RTC_SRTP_REPLAY);
}

/* Reordered within 64: taken once. Older: refused. */
static void
test_rtcp_window (void)
{
  RtcSrtpKey key;
  g_autoptr (RtcSrtp) left = NULL;
  g_autoptr (RtcSrtp) right = NULL;
  guint8 sealed[130][64];
  gsize n = 0;

  make_key (&key, 5);
  left = rtc_srtp_new (RTC_SRTP_AEAD_AES_128_GCM, &key, &key);
  right = rtc_srtp_new (RTC_SRTP_AEAD_AES_128_GCM, &key, &key);
  for (guint i = 0; i < 130; i++)
    {
      memcpy (sealed[i], "\x80\xc9\0\1\0\0\0\1", 8);
      n = 8;
      g_assert_cmpint (rtc_srtp_seal_rtcp (left, sealed[i], &n), ==,
                       RTC_SRTP_OK);
    }
  for (guint turn = 0; turn < 2; turn++)
    for (guint i = 0; i < 130; i++)
      {
        /* 64..1, then 129..65, then 0 */
        guint at = i < 64 ? 64 - i : i < 129 ? 193 - i : 0;
        guint8 p[64];
        gsize len = n;

        memcpy (p, sealed[at], n);
        g_assert_cmpint (rtc_srtp_open_rtcp (right, p, &len), ==,
                         turn > 0 || at == 0 || at == 65 ? RTC_SRTP_REPLAY
                                                         : RTC_SRTP_OK);
      }
}

static void
test_rtcp_limit (void)
{
  RtcSrtpKey key;
  g_autoptr (RtcSrtp) srtp = NULL;

  make_key (&key, 12);
  srtp = rtc_srtp_new (RTC_SRTP_AEAD_AES_128_GCM, &key, &key);
  for (guint8 i = 0; i <= RTC_SRTP_MAX_SSRCS; i++)
    {
      guint8 p[64] = "\x80\xc9\0\1";
      gsize len = 8;

      p[7] = i;
      g_assert_cmpint (rtc_srtp_seal_rtcp (srtp, p, &len), ==, RTC_SRTP_OK);
      g_assert_cmpint (rtc_srtp_open_rtcp (srtp, p, &len), ==,
                       i < RTC_SRTP_MAX_SSRCS ? RTC_SRTP_OK : RTC_SRTP_LIMIT);
    }
}

static void
add_case (const char *name, const Case *c, GTestDataFunc func)
{
  g_autofree char *path = g_strdup_printf ("/rtc/srtp/%s/%s", name, c->name);

  g_test_add_data_func (path, c, func);
}

int
main (int argc, char **argv)
{
  gconstpointer gcm = GINT_TO_POINTER (RTC_SRTP_AEAD_AES_128_GCM);
  gconstpointer cm = GINT_TO_POINTER (RTC_SRTP_AES128_CM_SHA1_80);

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtc/srtp/rfc3711-kdf", test_kdf);
  g_test_add_func ("/rtc/srtp/rfc3711-aes-cm", test_aes_cm);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      if (cases[i].profile == RTC_SRTP_AEAD_AES_128_GCM)
        add_case ("rfc7714", &cases[i], test_gcm);
      add_case ("differential", &cases[i], test_differential);
      add_case ("refused", &cases[i], test_refused);
    }
  g_test_add_func ("/rtc/srtp/sealers-agree", test_sealers_agree);
  g_test_add_func ("/rtc/srtp/default-sealer", test_default_sealer);
  g_test_add_func ("/rtc/srtp/limit", test_limit);
  g_test_add_data_func ("/rtc/srtp/rtcp/gcm", gcm, test_rtcp);
  g_test_add_data_func ("/rtc/srtp/rtcp/cm", cm, test_rtcp);
  g_test_add_data_func ("/rtc/srtp/rtcp-differential/gcm",
                        GINT_TO_POINTER (RTC_SRTP_AEAD_AES_128_GCM),
                        test_rtcp_differential);
  g_test_add_data_func ("/rtc/srtp/rtcp-differential/cm",
                        GINT_TO_POINTER (RTC_SRTP_AES128_CM_SHA1_80),
                        test_rtcp_differential);
  g_test_add_data_func ("/rtc/srtp/rtcp-refused/gcm",
                        GINT_TO_POINTER (RTC_SRTP_AEAD_AES_128_GCM),
                        test_rtcp_refused);
  g_test_add_data_func ("/rtc/srtp/rtcp-refused/cm",
                        GINT_TO_POINTER (RTC_SRTP_AES128_CM_SHA1_80),
                        test_rtcp_refused);
  g_test_add_func ("/rtc/srtp/rtcp-window", test_rtcp_window);
  g_test_add_func ("/rtc/srtp/rtcp-limit", test_rtcp_limit);
  return g_test_run ();
}
