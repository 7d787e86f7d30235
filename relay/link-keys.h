/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayLinkKeys: what the cluster secret gives: keys of control messages (one
 * per sender, who is named by his 128-bit boot id) and of a publication's
 * media, by HKDF-SHA256 (RFC 5869); and the cookies that prove an address.
 * docs/LINKS.md has the bytes. A control message's nonce is its counter, one
 * sequence per boot id over all threads, so no (key, nonce) pair comes twice.
 * Owner:  node. Thread: any (immutable but for the atomic counter).
 */
#pragma once

#include "rtc/path.h"
#include "rtc/srtp.h"

#define RELAY_ID_BYTES 16 /* boot and publication ids */
#define RELAY_LINK_COOKIE_BYTES 16
/* version, boot id, counter; and the tag */
#define RELAY_LINK_OVERHEAD_BYTES (2 + RELAY_ID_BYTES + 8 + 16)
#define RELAY_LINK_MAX_MESSAGE_BYTES 1200
#define RELAY_LINK_MAX_BODY_BYTES                                             \
  (RELAY_LINK_MAX_MESSAGE_BYTES - RELAY_LINK_OVERHEAD_BYTES)

typedef struct _RelayLinkKeys RelayLinkKeys;

/* @secret: --cluster-secret, copied; @boot_id: this process's, random */
RelayLinkKeys *relay_link_keys_new (const char *secret,
                                    const guint8 boot_id[RELAY_ID_BYTES]);
void relay_link_keys_free (RelayLinkKeys *self);
const guint8 *relay_link_keys_get_boot_id (RelayLinkKeys *self);

/* relay_link_keys_seal: @dst: body_len + RELAY_LINK_OVERHEAD_BYTES.
 * Returns: bytes of the datagram */
gsize relay_link_keys_seal (RelayLinkKeys *self, const guint8 *body,
                            gsize body_len, guint8 *dst);
/* relay_link_keys_open: a datagram from anybody; pure.
 * @ret_body: RELAY_LINK_MAX_BODY_BYTES
 * Returns: %FALSE: not one of this cluster's (wrong key, changed, cut) */
gboolean relay_link_keys_open (RelayLinkKeys *self, const guint8 *data,
                               gsize len, guint8 ret_sender[RELAY_ID_BYTES],
                               guint64 *ret_counter, guint8 *ret_body,
                               gsize *ret_body_len);

/* Cookies: HMAC under a secret of this process over address, port and a slot
 * of 16 s; good for 16 to 32 s. @now_us: the clock */
void relay_link_keys_make_cookie (RelayLinkKeys *self, const RtcAddr *address,
                                  gint64 now_us,
                                  guint8 ret[RELAY_LINK_COOKIE_BYTES]);
gboolean relay_link_keys_check_cookie (
    RelayLinkKeys *self, const RtcAddr *address, gint64 now_us,
    const guint8 cookie[RELAY_LINK_COOKIE_BYTES]);

/*
 * RelayLinkMedia: one publication's SRTP (AEAD_AES_128_GCM, RFC 7714) on all
 * links: the same bytes whoever seals them, for key, SSRC, numbers and header
 * follow from the publication and the packet alone. Ref-counted, any thread;
 * seal and open: one thread at a time (the stream's home).
 */
typedef struct _RelayLinkMedia RelayLinkMedia;

RelayLinkMedia *relay_link_media_new (RelayLinkKeys *keys, const char *stream,
                                      const guint8 publication[RELAY_ID_BYTES]);
RelayLinkMedia *relay_link_media_ref (RelayLinkMedia *self);
void relay_link_media_unref (RelayLinkMedia *self);
guint32 relay_link_media_get_ssrc (RelayLinkMedia *self, RtcMediaKind kind);

typedef struct {
  RtcMediaKind kind;
  RtcCodec codec; /* payload type is 96 + codec */
  guint64 ext_seq; /* the tree's */
  guint32 rtp_ts;
  gboolean marker, is_keyframe, has_params; /* the latter two: tree's mark */
  const guint8 *ext; /* elements [table id][len][data], without the mark */
  guint ext_len; /* at most 255 */
  const guint8 *payload;
  guint payload_len; /* at most RTC_MAX_PACKET_BYTES */
} RelayLinkPacket;

#define RELAY_LINK_MAX_PACKET_BYTES 2048

/* @dst: RELAY_LINK_MAX_PACKET_BYTES. Returns: bytes on the wire */
gsize relay_link_media_seal (RelayLinkMedia *self,
                             const RelayLinkPacket *packet, guint8 *dst);

/* relay_link_media_peek: whose packet this is, before any work on it.
 * @highest: per kind, the highest ext_seq known, to unwrap the number
 * Returns: %FALSE: not this publication's SSRC, or no RTP */
gboolean relay_link_media_peek (RelayLinkMedia *self, const guint8 *data,
                                gsize len,
                                const guint64 highest[RTC_MEDIA_N_KINDS],
                                RtcMediaKind *ret_kind, guint64 *ret_ext_seq);
/* relay_link_media_open: decrypts in place; @ret points into @data.
 * Returns: %FALSE: the tag is wrong, or the header is not the tree's form;
 *   @data is then garbage */
gboolean relay_link_media_open (RelayLinkMedia *self, guint8 *data, gsize len,
                                guint64 ext_seq, RelayLinkPacket *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayLinkKeys, relay_link_keys_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayLinkMedia, relay_link_media_unref)
