/* SPDX-License-Identifier: Apache-2.0 */
/* egress/negotiate: answers, counter-offers and what follows from them. */
#include "egress/negotiate.h"

#include <string.h>

#define ONE_BYTE_EXT_ID_MAX 14 /* RFC 8285: the packets use that form */
#define H264_OFFER_FMTP                                                        \
  "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
#define OPUS_OFFER_FMTP "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"

G_DEFINE_QUARK (egress - negotiate - error - quark, egress_negotiate_error)

/* What a track can carry beside its payload. */
static const RtcExt audio_exts[] = { RTC_EXT_ABS_CAPTURE_TIME,
                                     RTC_EXT_AUDIO_LEVEL, RTC_EXT_NONE };
static const RtcExt video_exts[] = { RTC_EXT_ABS_CAPTURE_TIME,
                                     RTC_EXT_VIDEO_ORIENTATION,
                                     RTC_EXT_DEPENDENCY_DESCRIPTOR,
                                     RTC_EXT_PLAYOUT_DELAY, RTC_EXT_NONE };

const char *
egress_negotiate_error_code (const GError *error)
{
  static const char *const codes[] = {
    [EGRESS_NEGOTIATE_ERROR_DIRECTION] = "sdp-direction",
    [EGRESS_NEGOTIATE_ERROR_MEDIA] = "media-mismatch",
    [EGRESS_NEGOTIATE_ERROR_CODEC] = "codec-mismatch",
    [EGRESS_NEGOTIATE_ERROR_ANSWER] = "answer-mismatch",
  };

  g_return_val_if_fail (error->domain == EGRESS_NEGOTIATE_ERROR
                            && error->code >= 0
                            && error->code < (int)G_N_ELEMENTS (codes),
                        "sdp-direction");
  return codes[error->code];
}

void
egress_terms_draw_ssrcs (EgressTerms *self)
{
  guint32 drawn[RTC_MEDIA_N_KINDS * 2];

  for (guint i = 0; i < G_N_ELEMENTS (drawn); i++)
    {
      gboolean is_taken;

      do
        {
          drawn[i] = g_random_int ();
          is_taken = drawn[i] == 0;
          for (guint j = 0; j < i; j++)
            is_taken |= drawn[j] == drawn[i];
        }
      while (is_taken);
    }
  memcpy (self->ssrcs, drawn, sizeof self->ssrcs);
  memcpy (self->rtx_ssrcs, drawn + RTC_MEDIA_N_KINDS, sizeof self->rtx_ssrcs);
}

static const char *
kind_name (RtcMediaKind kind)
{
  return kind == RTC_MEDIA_AUDIO ? "audio" : "video";
}

static gboolean
is_usable (const RtcSdpMedia *media)
{
  return !media->is_other && !media->is_rejected;
}

/* check_directions: a viewer only receives; sendrecv is what some clients
 * offer by default */
static gboolean
check_directions (const RtcSdp *offer, GError **error)
{
  for (guint i = 0; i < offer->media->len; i++)
    {
      const RtcSdpMedia *media = offer->media->pdata[i];

      if (!is_usable (media) || media->direction & RTC_DIR_RECVONLY)
        continue;
      g_set_error (
          error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_DIRECTION,
          "Section %u (%s) is %s; a viewer's offer must be recvonly", i,
          kind_name (media->kind),
          media->direction == RTC_DIR_SENDONLY ? "sendonly" : "inactive");
      return FALSE;
    }
  return TRUE;
}

/* find_wanted: index of the section that gets the stream's track of @kind, -1
 * when there is none */
static int
find_wanted (const RtcSdp *offer, RtcMediaKind kind)
{
  for (guint i = 0; i < offer->media->len; i++)
    {
      const RtcSdpMedia *media = offer->media->pdata[i];

      if (is_usable (media) && media->kind == kind)
        return (int)i;
    }
  return -1;
}

static RtcSdp *
new_description (const EgressTerms *terms, RtcSetup setup)
{
  RtcSdp *sdp = rtc_sdp_new ();

  /* RFC 8866: numeric; below 2^63 for those who read it as signed */
  sdp->session_id = (guint64)g_random_int () << 31 | g_random_int () >> 1;
  sdp->session_version = 1;
  g_free (sdp->ice_ufrag);
  sdp->ice_ufrag = g_strdup (terms->ice_ufrag);
  g_free (sdp->ice_pwd);
  sdp->ice_pwd = g_strdup (terms->ice_pwd);
  sdp->ice_lite = TRUE;
  g_free (sdp->fingerprint_hash);
  sdp->fingerprint_hash = g_strdup ("sha-256");
  g_free (sdp->fingerprint);
  sdp->fingerprint = g_strdup (terms->fingerprint);
  sdp->setup = setup;
  return sdp;
}

/* set_common: what every section of ours that sends has */
static void
set_common (const EgressTerms *terms, RtcSdpMedia *media,
            const RtcSdpCodec *codec)
{
  RtcMediaKind kind = media->kind;

  media->direction = RTC_DIR_SENDONLY;
  media->rtcp_mux = media->rtcp_mux_only = TRUE;
  /* "-" would mean "no stream" */
  media->msid_stream = g_strdup (
      g_str_equal (terms->stream_name, "-") ? "stream" : terms->stream_name);
  media->msid_track = g_strdup (kind_name (kind));
  media->cname = g_strdup (terms->cname);
  media->n_ssrcs = 1;
  media->ssrcs[0] = terms->ssrcs[kind];
  media->rtx_ssrcs[0] = codec->rtx_pt >= 0 ? terms->rtx_ssrcs[kind] : 0;
  rtc_sdp_media_add_codec (media, codec);
}

/* copy_exts: @offered ids of what we send, @ret as they are in our section */
static void
copy_exts (const EgressTerms *terms, RtcMediaKind kind, const guint8 *offered,
           guint8 *ret)
{
  const RtcExt *ext = kind == RTC_MEDIA_AUDIO ? audio_exts : video_exts;

  for (; *ext != RTC_EXT_NONE; ext++)
    if (offered[*ext] <= ONE_BYTE_EXT_ID_MAX
        && (*ext != RTC_EXT_PLAYOUT_DELAY || terms->with_playout_delay))
      ret[*ext] = offered[*ext];
}

static EgressViewerTrack
make_track (const EgressTerms *terms, RtcMediaKind kind,
            const RtcSdpCodec *codec, const guint8 *ext_ids)
{
  EgressViewerTrack track = {
    .is_active = TRUE,
    .codec = codec->codec,
    .pt = codec->pt,
    .rtx_pt = codec->rtx_pt,
    .ssrc = terms->ssrcs[kind],
    .rtx_ssrc = codec->rtx_pt >= 0 ? terms->rtx_ssrcs[kind] : 0,
  };

  copy_exts (terms, kind, ext_ids, track.ext_ids);
  return track;
}

/* dup_answer_fmtp: (transfer full) (nullable): the offer's own; for Opus what
 * makes receivers play both channels is added */
static char *
dup_answer_fmtp (const RtcSdpCodec *codec)
{
  static const char *const keys[] = { "stereo", "sprop-stereo" };
  GString *fmtp;

  if (codec->codec != RTC_CODEC_OPUS)
    return g_strdup (codec->fmtp);
  fmtp = g_string_new (codec->fmtp);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *value = rtc_sdp_fmtp_get (fmtp->str, keys[i]);

      if (!value)
        g_string_append_printf (fmtp, "%s%s=1", fmtp->len > 0 ? ";" : "",
                                keys[i]);
    }
  return g_string_free (fmtp, FALSE);
}

static void
reject (RtcSdpMedia *media, const RtcSdpMedia *offered)
{
  media->is_rejected = TRUE;
  media->is_other = offered->is_other;
  g_free (media->raw_type);
  media->raw_type = g_strdup (offered->raw_type);
  g_free (media->raw_formats);
  media->raw_formats = g_strdup (offered->raw_formats);
}

/* answer_section: FALSE when the codec cannot be met */
static gboolean
answer_section (const EgressTerms *terms, const RtcSdpMedia *offered,
                RtcSdpMedia *media, EgressViewerTrack *ret_track)
{
  const RelayTrackInfo *track = &terms->info.tracks[offered->kind];
  const RtcSdpCodec *picked = rtc_sdp_pick_codec (
      offered, track->codec, track->fmtp, terms->h264_profile);
  g_autofree char *fmtp = NULL;
  RtcSdpCodec codec;

  if (!picked)
    return FALSE;
  fmtp = dup_answer_fmtp (picked);
  codec = *picked;
  codec.fmtp = fmtp;
  /* Feedback that nobody uses costs each viewer packets (PROTOCOLS.md 4.4). */
  codec.remb = codec.twcc = FALSE;
  set_common (terms, media, &codec);
  media->rtcp_rsize = offered->rtcp_rsize;
  copy_exts (terms, offered->kind, offered->ext_ids, media->ext_ids);
  *ret_track = make_track (terms, offered->kind, &codec, offered->ext_ids);
  return TRUE;
}

static void
set_codec_error (const EgressTerms *terms, RtcMediaKind kind, GError **error)
{
  const RelayTrackInfo *track = &terms->info.tracks[kind];

  g_set_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_CODEC,
               "The stream's %s is %s%s%s, which the offer does not have",
               kind_name (kind), rtc_codec_name (track->codec),
               *track->fmtp ? " with " : "", track->fmtp);
}

static void
set_media_error (const EgressTerms *terms, GError **error)
{
  gboolean has_audio = terms->info.tracks[RTC_MEDIA_AUDIO].is_present;
  gboolean has_video = terms->info.tracks[RTC_MEDIA_VIDEO].is_present;

  g_set_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_MEDIA,
               "The stream has %s; the offer asks for none of it",
               has_audio && has_video ? "audio and video"
               : has_audio            ? "audio only"
               : has_video            ? "video only"
                                      : "no media yet");
}

RtcSdp *
egress_negotiate_answer (const EgressTerms *terms, const RtcSdp *offer,
                         EgressViewerTrack ret_tracks[], GError **error)
{
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS] = { 0 };
  g_autoptr (RtcSdp) answer = NULL;
  gboolean has_any = FALSE;

  if (!check_directions (offer, error))
    return NULL;
  answer = new_description (terms, RTC_SETUP_PASSIVE);
  for (guint i = 0; i < offer->media->len; i++)
    {
      const RtcSdpMedia *offered = offer->media->pdata[i];
      RtcMediaKind kind = offered->kind;
      RtcSdpMedia *media = rtc_sdp_add_media (answer, kind, offered->mid);

      g_free (media->raw_proto);
      media->raw_proto = g_strdup (offered->raw_proto);
      if (!is_usable (offered) || find_wanted (offer, kind) != (int)i
          || !terms->info.tracks[kind].is_present)
        {
          reject (media, offered);
          continue;
        }
      if (!answer_section (terms, offered, media, &tracks[kind]))
        {
          set_codec_error (terms, kind, error);
          return NULL;
        }
      has_any = TRUE;
    }
  if (!has_any)
    {
      set_media_error (terms, error);
      return NULL;
    }
  memcpy (ret_tracks, tracks, sizeof tracks);
  return g_steal_pointer (&answer);
}

/* offer_codec: what we would send a track as. fmtp is borrowed. */
static RtcSdpCodec
offer_codec (const RelayTrackInfo *track)
{
  gboolean is_video = rtc_codec_kind (track->codec) == RTC_MEDIA_VIDEO;
  RtcSdpCodec codec = {
    .pt = is_video ? 96 : 111,
    .codec = track->codec,
    .clock_hz = rtc_codec_clock_hz (track->codec),
    .channels = is_video ? 0 : 2,
    .rtx_pt = is_video ? 97 : -1,
    .nack = is_video,
    .pli = is_video,
    .fir = is_video,
  };

  switch (track->codec)
    {
    case RTC_CODEC_H264:
      codec.fmtp = (char *)H264_OFFER_FMTP;
      break;
    case RTC_CODEC_OPUS:
      codec.fmtp = (char *)OPUS_OFFER_FMTP;
      break;
    case RTC_CODEC_H265:
    case RTC_CODEC_VP9:
    case RTC_CODEC_AV1:
      codec.fmtp = *track->fmtp ? (char *)track->fmtp : NULL;
      break;
    case RTC_CODEC_VP8:
    case RTC_CODEC_NONE:
    default:
      break;
    }
  return codec;
}

/* offer_section: one of a description of ours. Returns: (transfer none) */
static RtcSdpMedia *
offer_section (const EgressTerms *terms, RtcSdp *ours, RtcMediaKind kind,
               const char *mid, gboolean with_capture_time)
{
  RtcSdpCodec codec = offer_codec (&terms->info.tracks[kind]);
  RtcSdpMedia *media = rtc_sdp_add_media (ours, kind, mid);
  guint8 ids[RTC_EXT_N];

  set_common (terms, media, &codec);
  media->rtcp_rsize = TRUE;
  for (guint8 id = 0; id < RTC_EXT_N; id++)
    ids[id] = id;
  if (!with_capture_time)
    ids[RTC_EXT_ABS_CAPTURE_TIME] = 0;
  copy_exts (terms, kind, ids, media->ext_ids);
  return media;
}

static gboolean
can_offer (const EgressTerms *terms, RtcMediaKind kind)
{
  const RelayTrackInfo *track = &terms->info.tracks[kind];

  return track->is_present && track->codec != RTC_CODEC_NONE;
}

RtcSdp *
egress_negotiate_counter_offer (const EgressTerms *terms, const RtcSdp *offer)
{
  g_autoptr (RtcSdp) ours = new_description (terms, RTC_SETUP_ACTPASS);

  for (guint i = 0; i < offer->media->len; i++)
    {
      const RtcSdpMedia *asked = offer->media->pdata[i];
      char mid[4];

      if (!is_usable (asked) || find_wanted (offer, asked->kind) != (int)i
          || !can_offer (terms, asked->kind))
        continue;
      /* Not an answer: a new exchange with sections and mids of its own. */
      g_snprintf (mid, sizeof mid, "%u", ours->media->len);
      offer_section (terms, ours, asked->kind, mid, TRUE);
    }
  return ours->media->len > 0 ? g_steal_pointer (&ours) : NULL;
}

RtcSdp *
egress_negotiate_offer (const EgressTerms *terms,
                        const EgressOfferWishes *wishes, GError **error)
{
  g_autoptr (RtcSdp) ours = new_description (terms, RTC_SETUP_ACTPASS);

  if (wishes->session_name)
    {
      g_free (ours->session_name);
      ours->session_name = g_strdup (wishes->session_name);
    }
  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    {
      RtcMediaKind k = wishes->video_first ? RTC_MEDIA_N_KINDS - 1 - i : i;
      RtcSdpMedia *media;
      char mid[4];

      if (!wishes->wants[k] || !can_offer (terms, k))
        continue;
      g_snprintf (mid, sizeof mid, "%u", ours->media->len);
      media = offer_section (terms, ours, k,
                             wishes->mids[k] ? wishes->mids[k] : mid,
                             wishes->with_capture_time);
      /* RFC 9143 9.1 wants it; receivers find the section by SSRC */
      media->ext_ids[RTC_EXT_MID] = RTC_EXT_MID;
      if (wishes->msids[k])
        {
          const char *track = strchr (wishes->msids[k], ' ');

          g_free (media->msid_stream);
          media->msid_stream =
              g_strndup (wishes->msids[k], strcspn (wishes->msids[k], " "));
          g_free (media->msid_track);
          media->msid_track = track ? g_strdup (track + 1)
                                    : g_strconcat ("janus", media->mid, NULL);
        }
    }
  if (ours->media->len > 0)
    return g_steal_pointer (&ours);
  g_set_error_literal (error, EGRESS_NEGOTIATE_ERROR,
                       EGRESS_NEGOTIATE_ERROR_MEDIA,
                       "Nothing is wanted of what the stream has");
  return NULL;
}

/* accept_section: FALSE with @error when the answer breaks the rules */
static gboolean
accept_section (const EgressTerms *terms, const RtcSdpMedia *ours,
                const RtcSdpMedia *answered, EgressViewerTrack *ret_track,
                GError **error)
{
  const RtcSdpCodec *offered = &g_array_index (ours->codecs, RtcSdpCodec, 0);

  for (guint i = 0; i < answered->codecs->len; i++)
    {
      RtcSdpCodec codec = g_array_index (answered->codecs, RtcSdpCodec, i);
      guint8 ids[RTC_EXT_N] = { 0 };

      if (codec.codec != offered->codec || codec.pt != offered->pt)
        continue;
      if (codec.rtx_pt != offered->rtx_pt)
        codec.rtx_pt = -1;
      for (guint ext = 0; ext < RTC_EXT_N; ext++)
        if (answered->ext_ids[ext] == ours->ext_ids[ext])
          ids[ext] = ours->ext_ids[ext];
      *ret_track = make_track (terms, ours->kind, &codec, ids);
      return TRUE;
    }
  g_set_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_ANSWER,
               "The answer's %s section lacks %s with payload type %u",
               kind_name (ours->kind), rtc_codec_name (offered->codec),
               offered->pt);
  return FALSE;
}

gboolean
egress_negotiate_accept (const EgressTerms *terms, const RtcSdp *ours,
                         const RtcSdp *answer, EgressViewerTrack ret_tracks[],
                         GError **error)
{
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS] = { 0 };
  gboolean has_any = FALSE;

  if (answer->media->len != ours->media->len)
    {
      g_set_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_ANSWER,
                   "The answer has %u sections, the offer %u",
                   answer->media->len, ours->media->len);
      return FALSE;
    }
  for (guint i = 0; i < ours->media->len; i++)
    {
      const RtcSdpMedia *mine = ours->media->pdata[i];
      const RtcSdpMedia *theirs = answer->media->pdata[i];

      if (theirs->is_rejected || !(theirs->direction & RTC_DIR_RECVONLY))
        continue;
      if (theirs->is_other || theirs->kind != mine->kind)
        {
          g_set_error (
              error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_ANSWER,
              "Section %u of the answer is no %s", i, kind_name (mine->kind));
          return FALSE;
        }
      if (!accept_section (terms, mine, theirs, &tracks[mine->kind], error))
        return FALSE;
      has_any = TRUE;
    }
  if (!has_any)
    {
      g_set_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_ANSWER,
                   "The answer accepts no section");
      return FALSE;
    }
  memcpy (ret_tracks, tracks, sizeof tracks);
  return TRUE;
}
