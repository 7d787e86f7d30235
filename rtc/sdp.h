/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/sdp: session descriptions as this server needs them (RFC 8866, 8829,
 * 8843 BUNDLE, 8840 trickle, 8853 simulcast, 9725/WHEP rules on shape), read
 * and written with GstSDPMessage. One struct for offers and answers, ours and
 * theirs. What is read is hostile; what is written must not crash OBS
 * (PROTOCOLS.md 1.4).
 * Thread: main. Plain data; the struct's owner frees it.
 */
#pragma once

#include "rtc/types.h"

#define RTC_SDP_MAX_BYTES (64 * 1024)
#define RTC_SDP_MAX_MEDIA 16
#define RTC_SDP_MAX_CODECS 128  /* per media; more: refused */
#define RTC_SDP_MAX_CANDIDATES 64
#define RTC_SDP_MAX_RIDS 8
#define RTC_SDP_MAX_SSRCS 16

typedef enum {
  RTC_SDP_ERROR_TOO_BIG,
  RTC_SDP_ERROR_SYNTAX,         /* not SDP, or a malformed line we rely on */
  RTC_SDP_ERROR_NO_MEDIA,
  RTC_SDP_ERROR_NO_ICE,         /* no ufrag/pwd at either level, or too short
                                   or long (RFC 8839: 4..256, 22..256) */
  RTC_SDP_ERROR_NO_FINGERPRINT, /* none, or none with a hash we know */
  RTC_SDP_ERROR_SETUP,          /* missing, passive or holdconn in an offer */
  RTC_SDP_ERROR_BUNDLE,         /* several m-lines, not all in one BUNDLE */
  RTC_SDP_ERROR_LIMIT,
} RtcSdpError;
#define RTC_SDP_ERROR (rtc_sdp_error_quark ())
GQuark rtc_sdp_error_quark (void);
/* "sdp-too-big", "sdp-syntax", "sdp-no-media", "sdp-no-ice", … */
const char *rtc_sdp_error_code (const GError *error);

typedef enum {
  RTC_DIR_INACTIVE = 0, RTC_DIR_SENDONLY = 1, RTC_DIR_RECVONLY = 2,
  RTC_DIR_SENDRECV = 3,
} RtcDirection;

typedef enum {
  RTC_SETUP_NONE, RTC_SETUP_ACTPASS, RTC_SETUP_ACTIVE, RTC_SETUP_PASSIVE,
  RTC_SETUP_HOLDCONN,
} RtcSetup;

typedef struct {
  guint8 pt;
  RtcCodec codec;    /* unknown ones are left out of the list */
  guint32 clock_hz;
  guint channels;    /* audio; else 0 */
  char *fmtp;        /* owned, nullable: without the pt */
  int rtx_pt;        /* -1: none */
  gboolean nack, pli, fir, remb, twcc; /* rtcp-fb */
} RtcSdpCodec;

typedef struct {
  RtcMediaKind kind;
  gboolean is_other;     /* m=application or unknown: kept for order, port 0 */
  char *raw_type;        /* owned: "application" for is_other */
  char *raw_proto;       /* owned: "UDP/TLS/RTP/SAVPF" */
  char *raw_formats;     /* owned: format list, for is_other's rejection */
  gboolean is_rejected;  /* port 0 (without bundle-only) */
  char *mid;             /* owned, nullable */
  RtcDirection direction;
  GArray *codecs;        /* of RtcSdpCodec, in order of preference; owned */
  guint8 ext_ids[RTC_EXT_N]; /* 0 = not there */
  gboolean rtcp_mux, rtcp_mux_only, rtcp_rsize;
  char *msid_stream, *msid_track; /* owned, nullable */
  char *cname;           /* owned, nullable */
  guint32 ssrcs[RTC_SDP_MAX_SSRCS]; /* as a=ssrc names them, order kept */
  guint n_ssrcs;
  guint32 rtx_ssrcs[RTC_SDP_MAX_SSRCS]; /* FID partner of ssrcs[i] or 0 */
  char *rids[RTC_SDP_MAX_RIDS]; /* owned; a=rid:… send (recv when we answer) */
  guint n_rids;
  gboolean has_simulcast;
} RtcSdpMedia;

typedef struct {
  char *address;     /* owned: IP literal */
  guint port;
  gboolean is_tcp;   /* tcptype passive when written */
  guint32 priority;  /* 0 when written: computed from the order */
} RtcSdpCandidate;

typedef struct {
  guint64 session_id;
  guint session_version;
  char *session_name;    /* owned, nullable: s= ("-") */
  char *ice_ufrag, *ice_pwd; /* owned: of the bundle */
  gboolean ice_lite;
  gboolean has_trickle;  /* ice-options */
  char *fingerprint_hash; /* owned: "sha-256" */
  char *fingerprint;     /* owned: upper-case hex with colons */
  RtcSetup setup;
  GPtrArray *media;      /* of RtcSdpMedia, owned */
  GArray *candidates;    /* of RtcSdpCandidate; written into the first section,
                            followed by end-of-candidates */
} RtcSdp;

RtcSdp *rtc_sdp_new (void);
void rtc_sdp_free (RtcSdp *self);
RtcSdpMedia *rtc_sdp_add_media (RtcSdp *self, RtcMediaKind kind,
                                const char *mid); /* (transfer none) */
void rtc_sdp_add_candidate (RtcSdp *self, const char *address, guint port,
                            gboolean is_tcp);
/* copies codec (fmtp duplicated) to the end of the list */
void rtc_sdp_media_add_codec (RtcSdpMedia *self, const RtcSdpCodec *codec);

/* rtc_sdp_parse:
 * @is_offer: rules for a=setup differ
 * ICE, fingerprint and setup may stand at session level, media level or both
 * (first non-rejected bundled section wins). LF and CRLF both accepted.
 * Unknown attributes are skipped.
 * Returns: (transfer full) (nullable) */
RtcSdp *rtc_sdp_parse (const char *text, gboolean is_offer, GError **error);

/* rtc_sdp_to_string: (transfer full): CRLF text. Writes o=- id version IN IP4
 * 127.0.0.1, BUNDLE of all accepted mids, msid-semantic, ice-lite, per section
 * ufrag/pwd/fingerprint/setup/mid/rtcp-mux/rtcp-mux-only/rtcp-rsize (as
 * flagged), rtpmap/fmtp/rtcp-fb of each codec and of its RTX, extmap, msid,
 * ssrc + ssrc-group FID, rid + simulcast (recv), candidates +
 * end-of-candidates; rejected sections as port 0 with what RFC 8829 wants. */
char *rtc_sdp_to_string (const RtcSdp *self);

/* Fragments for PATCH (RFC 8840, application/trickle-ice-sdpfrag) */
typedef struct {
  char *ice_ufrag, *ice_pwd; /* owned, nullable */
  guint n_candidates;        /* usable ones (UDP or TCP, IP literal) */
  guint n_skipped;           /* .local, FQDN, malformed port, … */
  gboolean has_end;
} RtcSdpFrag;
void rtc_sdp_frag_clear (RtcSdpFrag *self);
/* accepts every shape of PROTOCOLS.md W26; %FALSE: malformed */
gboolean rtc_sdp_frag_parse (const char *text, RtcSdpFrag *ret,
                             GError **error);
/* (transfer full): answer to an ICE restart */
char *rtc_sdp_frag_to_string (const RtcSdp *local);

/* rtc_sdp_fmtp_get: (transfer full) (nullable): value of key in "a=b;c=d",
 * key compared without case */
char *rtc_sdp_fmtp_get (const char *fmtp, const char *key);

/* rtc_sdp_pick_codec: which of a viewer's (or publisher's) codecs to use.
 * Opus; VP8; VP9 same profile-id (default 0); AV1 same profile (default 0);
 * H265; H264 by PROTOCOLS.md 4.2: packetization-mode=1 only, exact profile
 * match with @sps_profile (0x42e01f-like, 0 = unknown) else 42e01f, 42001f,
 * 4d001f, then any pm=1.
 * Returns: (transfer none) (nullable) */
const RtcSdpCodec *rtc_sdp_pick_codec (const RtcSdpMedia *media,
                                       RtcCodec codec, const char *source_fmtp,
                                       guint32 sps_profile);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcSdp, rtc_sdp_free)
