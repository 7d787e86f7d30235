/* SPDX-License-Identifier: Apache-2.0 */
/* relay/link-media: the keys are from another implementation's HKDF, libsrtp2
 * is the second opinion. */
#include <srtp2/srtp.h>
#include <string.h>

#include "relay/link-keys.h"

#define SECRET "a secret of the cluster"
#define MAX_BYTES RELAY_LINK_MAX_PACKET_BYTES

static const guint8 boot_id[RELAY_ID_BYTES] = {
  0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
  0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
};
static const guint8 publication[RELAY_ID_BYTES] = {
  0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
  0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
};
/* HKDF's first 28 bytes for "stage-1" and the publication above */
#define MEDIA_KEY_AND_SALT                                                     \
  "337bc9dc686e9b2e32de6d8de5d394c282712c06785da2b1857a39dc"
#define MEDIA_SSRC 0x5e5807dbu

static gsize
from_hex (const char *hex, guint8 *ret)
{
  gsize n = strlen (hex) / 2;

  for (gsize i = 0; i < n; i++)
    ret[i] = (guint8)(g_ascii_xdigit_value (hex[2 * i]) << 4
                      | g_ascii_xdigit_value (hex[2 * i + 1]));
  return n;
}

static RelayLinkMedia *
new_media (void)
{
  g_autoptr (RelayLinkKeys) keys = relay_link_keys_new (SECRET, boot_id);

  return relay_link_media_new (keys, "stage-1", publication);
}

/* Packets of all shapes; @ext and @payload: its buffers */
static RelayLinkPacket
make_packet (guint i, guint8 ext[255], guint8 payload[1500])
{
  static const RtcCodec video[] = { RTC_CODEC_H264, RTC_CODEC_H265,
                                    RTC_CODEC_VP8, RTC_CODEC_VP9,
                                    RTC_CODEC_AV1 };
  RtcMediaKind kind = i % 3 ? RTC_MEDIA_VIDEO : RTC_MEDIA_AUDIO;
  RelayLinkPacket p = {
    .kind = kind,
    .codec = kind ? video[i % G_N_ELEMENTS (video)] : RTC_CODEC_OPUS,
    .ext_seq = 65000 + i,
    .rtp_ts = i * 0x01234567u,
    .marker = i % 2,
    .is_keyframe = i % 5 == 0,
    .has_params = i % 7 == 0,
    .ext = ext,
    .payload = payload,
    .payload_len = i % 11 == 0 ? 0 : (i * 37) % 1501,
  };

  for (guint n = i % 6, id = 1; n > 0; n--, id = id % 4 + 1)
    {
      guint len = (i * n) % 40;

      if (p.ext_len + 2 + len > 255)
        break;
      ext[p.ext_len++] = (guint8)id;
      ext[p.ext_len++] = (guint8)len;
      memset (ext + p.ext_len, (int)(0x30 + n), len);
      p.ext_len += len;
    }
  for (guint k = 0; k < p.payload_len; k++)
    payload[k] = (guint8)(k * i + 3);
  return p;
}

static void
assert_same (const RelayLinkPacket *a, const RelayLinkPacket *b)
{
  g_assert_cmpint (a->kind, ==, b->kind);
  g_assert_cmpint (a->codec, ==, b->codec);
  g_assert_cmpuint (a->ext_seq, ==, b->ext_seq);
  g_assert_cmpuint (a->rtp_ts, ==, b->rtp_ts);
  g_assert_cmpint (a->marker, ==, b->marker);
  g_assert_cmpint (a->is_keyframe, ==, b->is_keyframe);
  g_assert_cmpint (a->has_params, ==, b->has_params);
  g_assert_cmpmem (a->ext, a->ext_len, b->ext, b->ext_len);
  g_assert_cmpmem (a->payload, a->payload_len, b->payload, b->payload_len);
}

/* Same bytes from two objects; and they come out as they went in. */
static void
test_same_bytes (void)
{
  g_autoptr (RelayLinkMedia) one = new_media ();
  g_autoptr (RelayLinkMedia) two = new_media ();
  guint64 highest[RTC_MEDIA_N_KINDS] = { 65000, 65000 };

  g_assert_cmpuint (relay_link_media_get_ssrc (one, RTC_MEDIA_AUDIO), ==,
                    MEDIA_SSRC & ~1u);
  g_assert_cmpuint (relay_link_media_get_ssrc (one, RTC_MEDIA_VIDEO), ==,
                    MEDIA_SSRC | 1);
  for (guint i = 0; i < 3000; i++)
    {
      guint8 ext[255], payload[1500], a[MAX_BYTES], b[MAX_BYTES];
      RelayLinkPacket p = make_packet (i, ext, payload), got;
      gsize len = relay_link_media_seal (one, &p, a);
      RtcMediaKind kind;
      guint64 ext_seq;

      memset (b, 0xee, sizeof b);
      g_assert_cmpuint (relay_link_media_seal (two, &p, b), ==, len);
      g_assert_cmpmem (a, len, b, len);
      g_assert_true (
          relay_link_media_peek (two, b, len, highest, &kind, &ext_seq));
      g_assert_cmpint (kind, ==, p.kind);
      g_assert_cmpuint (ext_seq, ==, p.ext_seq);
      highest[kind] = ext_seq;
      g_assert_true (relay_link_media_open (two, b, len, ext_seq, &got));
      assert_same (&got, &p);
      g_assert_cmpuint (relay_link_media_seal (one, &got, a), ==, len);
    }
}

/* libsrtp2 with the key of the other implementation's HKDF opens what we seal,
 * and seals what we open. */
static void
test_libsrtp (void)
{
  g_autoptr (RelayLinkMedia) media = new_media ();
  srtp_policy_t policy;
  srtp_t in = NULL, out = NULL;
  guint8 key[28];

  memset (&policy, 0, sizeof policy);
  from_hex (MEDIA_KEY_AND_SALT, key);
  srtp_crypto_policy_set_from_profile_for_rtp (&policy.rtp,
                                               srtp_profile_aead_aes_128_gcm);
  srtp_crypto_policy_set_from_profile_for_rtcp (&policy.rtcp,
                                                srtp_profile_aead_aes_128_gcm);
  policy.key = key;
  policy.ssrc.type = ssrc_any_inbound;
  g_assert_cmpint (srtp_create (&in, &policy), ==, srtp_err_status_ok);
  policy.ssrc.type = ssrc_any_outbound;
  g_assert_cmpint (srtp_create (&out, &policy), ==, srtp_err_status_ok);
  for (guint i = 0; i < 1500; i++)
    {
      guint8 ext[255], payload[1500], ours[MAX_BYTES], theirs[MAX_BYTES];
      RelayLinkPacket p = make_packet (i, ext, payload), got;
      gsize len;
      int n;

      if (p.payload_len == 0)
        continue; /* libsrtp2 wants some */
      len = relay_link_media_seal (media, &p, ours);
      memcpy (theirs, ours, len);
      n = (int)len;
      g_assert_cmpint (srtp_unprotect (in, theirs, &n), ==, srtp_err_status_ok);
      g_assert_cmpuint ((gsize)n, ==, len - 16);
      g_assert_cmpmem (theirs + n - p.payload_len, p.payload_len, payload,
                       p.payload_len);
      g_assert_cmpint (srtp_protect (out, theirs, &n), ==, srtp_err_status_ok);
      g_assert_cmpmem (theirs, n, ours, len);
      g_assert_true (
          relay_link_media_open (media, theirs, (gsize)n, p.ext_seq, &got));
      assert_same (&got, &p);
    }
  srtp_dealloc (in);
  srtp_dealloc (out);
}

/* Any changed bit, any cut, any other number is refused. */
static void
test_media_refused (void)
{
  g_autoptr (RelayLinkMedia) media = new_media ();
  guint8 sealed[MAX_BYTES], p[MAX_BYTES];
  RelayLinkPacket packet = {
    .kind = RTC_MEDIA_VIDEO,
    .codec = RTC_CODEC_H264,
    .ext_seq = G_GUINT64_CONSTANT (0x1234567890),
    .is_keyframe = TRUE,
    .ext = (const guint8 *)"\1\2ab\2\1c",
    .ext_len = 7,
    .payload = (const guint8 *)"payload",
    .payload_len = 7,
  };
  gsize len = relay_link_media_seal (media, &packet, sealed);
  RelayLinkPacket got = { .payload_len = 4711 };

  for (gsize bit = 0; bit < 8 * len; bit++)
    {
      g_autofree guint8 *copy = g_memdup2 (sealed, len);

      copy[bit / 8] ^= (guint8)(1 << bit % 8);
      g_assert_false (
          relay_link_media_open (media, copy, len, packet.ext_seq, &got));
    }
  for (gsize l = 0; l < len; l++)
    {
      g_autofree guint8 *copy = g_memdup2 (sealed, l);

      g_assert_false (
          relay_link_media_open (media, copy, l, packet.ext_seq, &got));
    }
  for (guint bit = 0; bit < 64; bit++)
    {
      memcpy (p, sealed, len);
      g_assert_false (relay_link_media_open (
          media, p, len, packet.ext_seq ^ (G_GUINT64_CONSTANT (1) << bit),
          &got));
    }
  g_assert_cmpuint (got.payload_len, ==, 4711);
  memcpy (p, sealed, len);
  g_assert_true (relay_link_media_open (media, p, len, packet.ext_seq, &got));
}

static void
test_other_keys (void)
{
  g_autoptr (RelayLinkKeys) keys = relay_link_keys_new (SECRET, boot_id);
  g_autoptr (RelayLinkKeys) wrong = relay_link_keys_new ("other", boot_id);
  g_autoptr (RelayLinkMedia) media = new_media ();
  RelayLinkMedia *others[3] = {
    relay_link_media_new (keys, "stage-2", publication),
    relay_link_media_new (keys, "stage-1", boot_id),
    relay_link_media_new (wrong, "stage-1", publication),
  };
  RelayLinkPacket packet = { .codec = RTC_CODEC_OPUS,
                             .ext_seq = 1,
                             .payload = (const guint8 *)"a",
                             .payload_len = 1 };
  guint8 sealed[MAX_BYTES];
  gsize len = relay_link_media_seal (media, &packet, sealed);
  guint64 highest[RTC_MEDIA_N_KINDS] = { 0 }, ext_seq;
  RtcMediaKind kind;

  for (guint i = 0; i < 3; i++)
    {
      RelayLinkPacket got;

      g_assert_false (relay_link_media_peek (others[i], sealed, len, highest,
                                             &kind, &ext_seq));
      g_assert_false (relay_link_media_open (others[i], sealed, len, 1, &got));
      relay_link_media_unref (others[i]);
    }
}

/* peek: the nearest number to the highest; short, RTCP and others are not */
static void
test_peek (void)
{
  g_autoptr (RelayLinkMedia) media = new_media ();
  RelayLinkPacket packet = { .kind = RTC_MEDIA_VIDEO, .codec = RTC_CODEC_AV1 };
  static const guint64 offsets[] = { 1, 40000, 65536, 1000000,
                                     G_GUINT64_CONSTANT (0xffffffff0000) };
  guint8 sealed[MAX_BYTES];
  RtcMediaKind kind;
  guint64 ext_seq;
  gsize len = 0;

  for (guint i = 0; i < G_N_ELEMENTS (offsets); i++)
    for (int step = -32767; step < 32767; step += 4681)
      {
        guint64 highest[] = { 0, offsets[i] };

        if (step < 0 && (guint64)-step > offsets[i])
          continue;
        packet.ext_seq = offsets[i] + (guint64)(gint64)step;
        if (packet.ext_seq > G_GUINT64_CONSTANT (0xffffffffffff))
          continue;
        len = relay_link_media_seal (media, &packet, sealed);
        g_assert_true (relay_link_media_peek (media, sealed, len, highest,
                                              &kind, &ext_seq));
        g_assert_cmpint (kind, ==, RTC_MEDIA_VIDEO);
        g_assert_cmpuint (ext_seq, ==, packet.ext_seq);
      }
  for (gsize l = 0; l < len; l++)
    {
      g_autofree guint8 *copy = g_memdup2 (sealed, l);
      guint64 highest[] = { 0, 0 };

      g_assert_cmpint (
          relay_link_media_peek (media, copy, l, highest, &kind, &ext_seq), ==,
          l >= 28);
    }
  for (guint first = 0; first < 256; first++)
    {
      guint64 highest[] = { 0, 0 };

      sealed[0] = (guint8)first;
      g_assert_cmpint (
          relay_link_media_peek (media, sealed, len, highest, &kind, &ext_seq),
          ==, first == 0x80 || first == 0x90);
    }
}

/* seal_theirs: libsrtp2 seals @n_bytes as number 1, with our SSRC for video.
 * Returns: bytes; room for 16 more */
static gsize
seal_theirs (RelayLinkMedia *media, guint8 *p, gsize n_bytes)
{
  guint32 ssrc =
      GUINT32_TO_BE (relay_link_media_get_ssrc (media, RTC_MEDIA_VIDEO));
  srtp_policy_t policy;
  srtp_t out = NULL;
  guint8 key[28];
  int n = (int)n_bytes;

  memset (&policy, 0, sizeof policy);
  from_hex (MEDIA_KEY_AND_SALT, key);
  srtp_crypto_policy_set_from_profile_for_rtp (&policy.rtp,
                                               srtp_profile_aead_aes_128_gcm);
  srtp_crypto_policy_set_from_profile_for_rtcp (&policy.rtcp,
                                                srtp_profile_aead_aes_128_gcm);
  policy.key = key;
  policy.ssrc.type = ssrc_any_outbound;
  g_assert_cmpint (srtp_create (&out, &policy), ==, srtp_err_status_ok);
  memcpy (p + 8, &ssrc, 4);
  g_assert_cmpint (srtp_protect (out, p, &n), ==, srtp_err_status_ok);
  srtp_dealloc (out);
  return (gsize)n;
}

/* The least and the most that a packet may be. */
static void
test_media_bounds (void)
{
  g_autoptr (RelayLinkMedia) media = new_media ();
  static guint8 ext[255], payload[RTC_MAX_PACKET_BYTES];
  RelayLinkPacket packet = {
    .kind = RTC_MEDIA_VIDEO,
    .codec = RTC_CODEC_VP9,
    .ext_seq = G_GUINT64_CONSTANT (0xffffffffffff),
    .ext = ext,
    .payload = payload,
  };
  RelayLinkPacket got;
  guint8 sealed[MAX_BYTES];
  gsize len;

  g_assert_cmpuint (relay_link_media_seal (media, &packet, sealed), ==, 28);
  g_assert_true (
      relay_link_media_open (media, sealed, 28, packet.ext_seq, &got));
  assert_same (&got, &packet);
  ext[0] = 4;
  ext[1] = 253;
  packet.ext_len = 255;
  packet.has_params = packet.is_keyframe = TRUE;
  packet.payload_len = RTC_MAX_PACKET_BYTES;
  len = relay_link_media_seal (media, &packet, sealed);
  g_assert_cmpuint (len, <=, MAX_BYTES);
  g_assert_true (
      relay_link_media_open (media, sealed, len, packet.ext_seq, &got));
  assert_same (&got, &packet);

  /* a payload that no history takes: sealed rightly by somebody else */
  for (guint over = 0; over < 2; over++)
    {
      memcpy (sealed, "\x80\x62\0\1tttt", 8);
      memset (sealed + 12, 7, RTC_MAX_PACKET_BYTES + over);
      len = seal_theirs (media, sealed, 12 + RTC_MAX_PACKET_BYTES + over);
      g_assert_cmpint (relay_link_media_open (media, sealed, len, 1, &got), ==,
                       over == 0);
    }
  /* 256 bytes of elements */
  memcpy (sealed, "\x90\x62\0\1ttttssss\x10\0\0\x40\1\xfe", 18);
  memset (sealed + 18, 7, 254 + 4);
  len = seal_theirs (media, sealed, 18 + 254 + 4);
  g_assert_false (relay_link_media_open (media, sealed, len, 1, &got));
}

/* What a member of the cluster must not send: sealed rightly, of another form.
 * libsrtp2 seals it. */
static void
test_media_form (void)
{
  static const struct
  {
    const char *header; /* SSRC is filled in */
    gsize len;
    gboolean is_good;
  } cases[] = {
    { "\x80\x62\0\1ttttssss", 12, TRUE },
    { "\x81\x62\0\1ttttsssscccc", 16, FALSE },              /* CSRC */
    { "\xa0\x62\0\1ttttssss", 12, FALSE },                  /* padding */
    { "\x80\x61\0\1ttttssss", 12, FALSE },                  /* Opus */
    { "\x80\x67\0\1ttttssss", 12, FALSE },                  /* no codec */
    { "\x80\x60\0\1ttttssss", 12, FALSE },                  /* no codec */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\1\2ab", 20, TRUE },   /* one */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\1\1a\0", 20, TRUE },  /* padded */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\5\1\3\0", 20, TRUE }, /* mark */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\4\0\1\0", 20, TRUE }, /* empty */
    { "\x90\x62\0\1ttttssss\x10\1\0\1\1\2ab", 20, FALSE },  /* profile */
    { "\x90\x62\0\1ttttssss\xbe\xde\0\1\x10\xff\0\0", 20, FALSE },
    { "\x90\x62\0\1ttttssss\x10\0\0\0", 16, FALSE },         /* no block */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\0\0\0\0", 20, FALSE }, /* nothing */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\5\1\0\0", 20, FALSE }, /* no flag */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\5\1\4\0", 20, FALSE }, /* flag */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\5\2\1\1", 20, FALSE }, /* length */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\6\2ab", 20, FALSE },   /* id */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\1\3ab", 20, FALSE },   /* too long */
    { "\x90\x62\0\1ttttssss\x10\0\0\1\1\1a\1", 20, FALSE },  /* cut */
    { "\x90\x62\0\1ttttssss\x10\0\0\2\1\2ab\0\0\0\0", 24, FALSE },
    { "\x90\x62\0\1ttttssss\x10\0\0\2\1\1a\5\1\1\0\0", 24, FALSE }, /* 2nd */
    { "\x90\x62\0\1ttttssss\x10\0\0\2\5\1\1\5\1\1\0\0", 24, FALSE },
    { "\x90\x62\0\1ttttssss\x10\0\0\2\1\1a\0\0\0\0\0", 24, FALSE },
  };
  g_autoptr (RelayLinkMedia) media = new_media ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint8 p[128];
      RelayLinkPacket got;
      gsize len;

      memcpy (p, cases[i].header, cases[i].len);
      memcpy (p + cases[i].len, "load", 4);
      len = seal_theirs (media, p, cases[i].len + 4);
      g_test_message ("case %u", i);
      g_assert_cmpint (relay_link_media_open (media, p, len, 1, &got), ==,
                       cases[i].is_good);
      if (cases[i].is_good)
        g_assert_cmpmem (got.payload, got.payload_len, "load", 4);
    }
}

int
main (int argc, char **argv)
{
  srtp_init ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/link-media/same-bytes", test_same_bytes);
  g_test_add_func ("/link-media/libsrtp", test_libsrtp);
  g_test_add_func ("/link-media/refused", test_media_refused);
  g_test_add_func ("/link-media/other-keys", test_other_keys);
  g_test_add_func ("/link-media/peek", test_peek);
  g_test_add_func ("/link-media/bounds", test_media_bounds);
  g_test_add_func ("/link-media/form", test_media_form);
  return g_test_run ();
}
