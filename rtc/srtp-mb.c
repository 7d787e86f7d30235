/* SPDX-License-Identifier: Apache-2.0 */
/* RtcSrtpMb: see the header. Without the library: never there. */
#include "rtc/srtp-mb.h"

#ifdef RTC_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#define TAG_BYTES 16
#define NEEDED                                                                 \
  (IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_AVX2                \
   | IMB_FEATURE_BMI2)

struct _RtcSrtpMb
{
  struct gcm_key_data key;
};

/* What is used of the library's manager, which has 200 KB of job queues that
 * nobody needs here. Written once, then read only. */
static struct
{
  const char *name; /* NULL: not usable */
  aes_gcm_pre_t pre;
  aes_gcm_enc_dec_t encrypt;
  aes_gcm_enc_dec_t decrypt;
  aes_gcm_init_t init;
  aes_gcm_enc_dec_update_t update;
  aes_gcm_enc_dec_finalize_t finalize;
} mb;

/* The compiler's test also asks whether the kernel saves the wide registers,
 * before the library's self-test uses them. */
static gboolean
is_processor_fit (const IMB_MGR *manager)
{
  if ((manager->features & NEEDED) != NEEDED
      || !__builtin_cpu_supports ("avx2"))
    return FALSE;
  return (manager->features & IMB_FEATURE_AVX512F) == 0
         || __builtin_cpu_supports ("avx512f");
}

static void
look_at_processor (void)
{
  IMB_MGR *manager = alloc_mb_mgr (0);
  IMB_ARCH arch = IMB_ARCH_NONE;

  if (manager == NULL)
    return;
  if (is_processor_fit (manager))
    init_mb_mgr_auto (manager, &arch);
  if (arch >= IMB_ARCH_AVX2 && imb_get_errno (manager) == 0
      && (manager->features & IMB_FEATURE_SELF_TEST_PASS) != 0)
    {
      mb.pre = manager->gcm128_pre;
      mb.encrypt = manager->gcm128_enc;
      mb.decrypt = manager->gcm128_dec;
      mb.init = manager->gcm128_init;
      mb.update = manager->gcm128_enc_update;
      mb.finalize = manager->gcm128_enc_finalize;
      mb.name =
          arch == IMB_ARCH_AVX2 ? "ipsec-mb (AVX2)" : "ipsec-mb (AVX-512)";
    }
  free_mb_mgr (manager);
}

const char *
rtc_srtp_mb_get_name (void)
{
  static gsize is_done = 0;

  if (g_once_init_enter (&is_done))
    {
      look_at_processor ();
      g_once_init_leave (&is_done, 1);
    }
  return mb.name;
}

RtcSrtpMb *
rtc_srtp_mb_new (const guint8 *key)
{
  RtcSrtpMb *self;

  g_return_val_if_fail (rtc_srtp_mb_get_name () != NULL, NULL);
  self = g_aligned_alloc0 (1, sizeof *self, 64);
  mb.pre (key, &self->key);
  return self;
}

void
rtc_srtp_mb_free (RtcSrtpMb *self)
{
  OPENSSL_cleanse (self, sizeof *self);
  g_aligned_free (self);
}

gsize
rtc_srtp_mb_seal (const RtcSrtpMb *self, const guint8 *iv, guint8 *dst,
                  gsize header_len, const guint8 *prefix, gsize prefix_len,
                  const guint8 *payload, gsize payload_len)
{
  struct gcm_context_data context;
  guint8 *out = dst + header_len;
  gsize len = header_len + prefix_len + payload_len;

  if (prefix_len == 0)
    {
      mb.encrypt (&self->key, &context, out, payload, payload_len, iv, dst,
                  header_len, dst + len, TAG_BYTES);
      return len;
    }
  mb.init (&self->key, &context, iv, dst, header_len);
  mb.update (&self->key, &context, out, prefix, prefix_len);
  if (payload_len > 0)
    mb.update (&self->key, &context, out + prefix_len, payload, payload_len);
  mb.finalize (&self->key, &context, dst + len, TAG_BYTES);
  return len;
}

gboolean
rtc_srtp_mb_open (const RtcSrtpMb *self, const guint8 *iv, guint8 *data,
                  gsize header_len, gsize payload_len)
{
  struct gcm_context_data context;
  guint8 *payload = data + header_len, tag[TAG_BYTES];

  mb.decrypt (&self->key, &context, payload, payload, payload_len, iv, data,
              header_len, tag, TAG_BYTES);
  return CRYPTO_memcmp (tag, payload + payload_len, TAG_BYTES) == 0;
}

#else

const char *
rtc_srtp_mb_get_name (void)
{
  return NULL;
}

RtcSrtpMb *
rtc_srtp_mb_new (const guint8 *key)
{
  g_return_val_if_reached (NULL);
}

void
rtc_srtp_mb_free (RtcSrtpMb *self)
{
  g_return_if_reached ();
}

gsize
rtc_srtp_mb_seal (const RtcSrtpMb *self, const guint8 *iv, guint8 *dst,
                  gsize header_len, const guint8 *prefix, gsize prefix_len,
                  const guint8 *payload, gsize payload_len)
{
  g_return_val_if_reached (0);
}

gboolean
rtc_srtp_mb_open (const RtcSrtpMb *self, const guint8 *iv, guint8 *data,
                  gsize header_len, gsize payload_len)
{
  g_return_val_if_reached (FALSE);
}

#endif
