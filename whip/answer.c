/* SPDX-License-Identifier: Apache-2.0 */
/* whip/answer: see answer.h. */
#include "whip/answer.h"

#include <string.h>

#define MAX_NAMED_CODECS 8

G_DEFINE_QUARK (whip - error - quark, whip_error)

const char *
whip_error_code (const GError *error)
{
  static const char *const codes[WHIP_N_ERRORS] = {
    [WHIP_ERROR_NO_RTCP_MUX] = "sdp-no-rtcp-mux",
    [WHIP_ERROR_DIRECTION] = "sdp-direction",
    [WHIP_ERROR_TWO_AUDIO] = "sdp-two-audio",
    [WHIP_ERROR_TWO_VIDEO] = "sdp-two-video",
    [WHIP_ERROR_TWO_STREAMS] = "sdp-two-streams",
    [WHIP_ERROR_OTHER_MEDIA] = "sdp-other-media",
    [WHIP_ERROR_UNKNOWN_CODEC] = "sdp-unknown-codec",
    [WHIP_ERROR_EXTMAP] = "sdp-extmap",
  };

  g_return_val_if_fail (error->domain == WHIP_ERROR, "sdp-refused");
  return codes[error->code];
}

/* Header extensions that an answer accepts: those that say which stream a
 * packet is of, those that the tree carries, and those that estimators need. */
static const RtcExt accepted_exts[] = { RTC_EXT_MID,
                                        RTC_EXT_RID,
                                        RTC_EXT_REPAIRED_RID,
                                        RTC_EXT_TRANSPORT_CC,
                                        RTC_EXT_ABS_SEND_TIME,
                                        RTC_EXT_ABS_CAPTURE_TIME,
                                        RTC_EXT_VIDEO_ORIENTATION,
                                        RTC_EXT_AUDIO_LEVEL,
                                        RTC_EXT_DEPENDENCY_DESCRIPTOR };

static gboolean
has_mode_1 (const RtcSdpCodec *codec)
{
  g_autofree char *mode = rtc_sdp_fmtp_get (codec->fmtp, "packetization-mode");

  return g_strcmp0 (mode, "1") == 0;
}

/* pick: (transfer none) (nullable) */
static const RtcSdpCodec *
pick (const RtcSdpMedia *media)
{
  const RtcSdpCodec *first;

  if (media->codecs->len == 0)
    return NULL;
  first = &g_array_index (media->codecs, RtcSdpCodec, 0);
  for (guint i = 0; first->codec == RTC_CODEC_H264 && i < media->codecs->len;
       i++)
    {
      const RtcSdpCodec *codec = &g_array_index (media->codecs, RtcSdpCodec, i);

      if (codec->codec == RTC_CODEC_H264 && has_mode_1 (codec))
        return codec;
    }
  return first;
}

/* dup_codec_names: (transfer full): "VP7, PCMU": what section @index offers */
static char *
dup_codec_names (const char *text, guint index)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", 0);
  GString *names = g_string_new (NULL);
  guint n_sections = 0, n_names = 0;

  for (char **line = lines; *line; line++)
    {
      const char *name = strchr (*line, ' ');

      if (g_str_has_prefix (*line, "m="))
        n_sections++;
      if (n_sections != index + 1 || !name
          || !g_str_has_prefix (*line, "a=rtpmap:")
          || n_names++ >= MAX_NAMED_CODECS)
        continue;
      g_string_append_printf (names, "%s%.*s", n_names > 1 ? ", " : "",
                              (int)MIN (strcspn (name + 1, "/\r"), 32),
                              name + 1);
    }
  if (names->len == 0)
    g_string_append (names, "none with a name");
  return g_string_free (names, FALSE);
}

/* check_section: may it be taken? */
static gboolean
check_section (const RtcSdpMedia *media, guint index, const char *text,
               const WhipPlan *plan, GError **error)
{
  gboolean is_audio = media->kind == RTC_MEDIA_AUDIO;

  if (media->is_other)
    g_set_error (error, WHIP_ERROR, WHIP_ERROR_OTHER_MEDIA,
                 "Section %u is m=%s; only audio and video are taken.", index,
                 media->raw_type);
  else if (plan->tracks[media->kind].is_present)
    g_set_error (error, WHIP_ERROR,
                 is_audio ? WHIP_ERROR_TWO_AUDIO : WHIP_ERROR_TWO_VIDEO,
                 "Section %u is a second %s track; a stream has one.", index,
                 is_audio ? "audio" : "video");
  else if (!(media->direction & RTC_DIR_SENDONLY))
    g_set_error (error, WHIP_ERROR, WHIP_ERROR_DIRECTION,
                 "Section %u would not send: a broadcaster offers sendonly or "
                 "sendrecv.",
                 index);
  else if (!media->rtcp_mux)
    g_set_error (error, WHIP_ERROR, WHIP_ERROR_NO_RTCP_MUX,
                 "Section %u lacks a=rtcp-mux.", index);
  else if (media->codecs->len == 0)
    {
      g_autofree char *names = dup_codec_names (text, index);

      g_set_error (error, WHIP_ERROR, WHIP_ERROR_UNKNOWN_CODEC,
                   "Section %u offers %s; %s", index, names,
                   is_audio ? "audio must be Opus."
                            : "video must be H264, H265, VP8, VP9 or AV1.");
    }
  else
    return TRUE;
  return FALSE;
}

/* has_flag: "stereo=1" and the like */
static gboolean
has_flag (const char *fmtp, const char *key)
{
  g_autofree char *value = rtc_sdp_fmtp_get (fmtp, key);

  return g_strcmp0 (value, "1") == 0;
}

/* dup_fmtp: (transfer full) (nullable): the offer's, and for Opus both stereo
 * flags when it has either: senders and receivers read different ones. */
static char *
dup_fmtp (const RtcSdpCodec *codec)
{
  gboolean stereo = has_flag (codec->fmtp, "stereo");
  gboolean sprop = has_flag (codec->fmtp, "sprop-stereo");

  if (codec->codec != RTC_CODEC_OPUS || stereo == sprop)
    return g_strdup (codec->fmtp);
  return g_strconcat (codec->fmtp, stereo ? ";sprop-stereo=1" : ";stereo=1",
                      NULL);
}

/* copy_fmtp: what does not fit ends at a parameter, not inside one */
static void
copy_fmtp (char *to, gsize n_bytes, const char *fmtp)
{
  char *last;

  if (g_strlcpy (to, fmtp ? fmtp : "", n_bytes) < n_bytes)
    return;
  last = strrchr (to, ';');
  *(last ? last : to) = '\0';
}

static gboolean
plan_exts (WhipPlan *plan, const RtcSdpMedia *media, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (accepted_exts); i++)
    {
      RtcExt ext = accepted_exts[i];
      guint8 id = media->ext_ids[ext];

      if (id == 0)
        continue;
      if (plan->exts[id] != RTC_EXT_NONE && plan->exts[id] != ext)
        {
          g_set_error (error, WHIP_ERROR, WHIP_ERROR_EXTMAP,
                       "Header extension id %u means two things in one "
                       "BUNDLE.",
                       id);
          return FALSE;
        }
      plan->exts[id] = (guint8)ext;
    }
  return TRUE;
}

static void
plan_track (WhipTrack *track, const RtcSdpMedia *media,
            const RtcSdpCodec *codec)
{
  track->is_present = TRUE;
  track->codec = codec->codec;
  track->clock_hz = codec->clock_hz;
  track->pt = codec->pt;
  track->rtx_pt = codec->rtx_pt;
  track->nack = codec->nack;
  track->pli = codec->pli;
  track->fir = codec->fir;
  track->remb = codec->remb;
  track->twcc = codec->twcc && media->ext_ids[RTC_EXT_TRANSPORT_CC] != 0;
  g_strlcpy (track->mid, media->mid ? media->mid : "", sizeof track->mid);
  g_strlcpy (track->rid, media->n_rids > 0 ? media->rids[0] : "",
             sizeof track->rid);
  if (media->n_ssrcs == 0)
    return;
  /* Old-style simulcast announces a layer per SSRC, the first as the one
   * that everybody understands. */
  track->ssrc = media->ssrcs[0];
  track->rtx_ssrc = media->rtx_ssrcs[0];
  for (guint i = 1; i < media->n_ssrcs; i++)
    track->other_ssrcs[track->n_other_ssrcs++] = media->ssrcs[i];
}

static void
answer_section (RtcSdp *answer, const RtcSdpMedia *offered,
                const RtcSdpCodec *codec)
{
  RtcSdpMedia *media = rtc_sdp_add_media (answer, offered->kind, offered->mid);
  g_autofree char *fmtp = dup_fmtp (codec);
  RtcSdpCodec copy = *codec;

  media->raw_type = g_strdup (offered->raw_type);
  media->raw_proto = g_strdup (offered->raw_proto);
  media->direction = RTC_DIR_RECVONLY;
  media->rtcp_mux = media->rtcp_mux_only = TRUE;
  media->rtcp_rsize = offered->rtcp_rsize;
  copy.fmtp = fmtp;
  copy.twcc = codec->twcc && offered->ext_ids[RTC_EXT_TRANSPORT_CC] != 0;
  rtc_sdp_media_add_codec (media, &copy);
  for (guint i = 0; i < G_N_ELEMENTS (accepted_exts); i++)
    media->ext_ids[accepted_exts[i]] = offered->ext_ids[accepted_exts[i]];
  /* OBS stops unless every layer is taken. */
  media->has_simulcast = offered->has_simulcast;
  for (guint i = 0; i < offered->n_rids; i++)
    media->rids[media->n_rids++] = g_strdup (offered->rids[i]);
}

/* mirror_rejected: a section that the offer itself has switched off keeps its
 * place */
static void
mirror_rejected (RtcSdp *answer, const RtcSdpMedia *offered)
{
  RtcSdpMedia *media = rtc_sdp_add_media (answer, offered->kind, offered->mid);

  media->is_rejected = TRUE;
  media->is_other = offered->is_other;
  media->direction = RTC_DIR_INACTIVE;
  media->raw_type = g_strdup (offered->raw_type);
  media->raw_proto = g_strdup (offered->raw_proto);
  media->raw_formats = g_strdup (offered->raw_formats);
}

/* check_one_stream: RFC 9725 4.4.2: all tracks are of one MediaStream */
static gboolean
check_one_stream (const RtcSdp *offer, GError **error)
{
  const char *first = NULL;

  for (guint i = 0; i < offer->media->len; i++)
    {
      const RtcSdpMedia *media = g_ptr_array_index (offer->media, i);

      if (media->is_rejected || media->is_other || !media->msid_stream
          || g_str_equal (media->msid_stream, "-"))
        continue;
      if (first && !g_str_equal (first, media->msid_stream))
        {
          g_set_error (error, WHIP_ERROR, WHIP_ERROR_TWO_STREAMS,
                       "Section %u is of another MediaStream than the first; "
                       "give all tracks one a=msid stream.",
                       i);
          return FALSE;
        }
      first = media->msid_stream;
    }
  return TRUE;
}

RtcSdp *
whip_answer_new (const RtcSdp *offer, const char *text, WhipPlan *ret_plan,
                 RelayStreamInfo *ret_info, GError **error)
{
  g_autoptr (RtcSdp) answer = rtc_sdp_new ();
  WhipPlan plan = { .rtcp_rsize = TRUE };
  RelayStreamInfo info = { 0 };

  if (!check_one_stream (offer, error))
    return NULL;
  answer->ice_lite = TRUE;
  answer->has_trickle = TRUE;
  /* Active, so that DTLS starts with the first check and OBS loses no second
   * of its first pictures. */
  answer->setup =
      offer->setup == RTC_SETUP_ACTIVE ? RTC_SETUP_PASSIVE : RTC_SETUP_ACTIVE;
  for (guint i = 0; i < offer->media->len; i++)
    {
      const RtcSdpMedia *media = g_ptr_array_index (offer->media, i);
      const RtcSdpCodec *codec;
      RelayTrackInfo *track;

      if (media->is_rejected)
        {
          mirror_rejected (answer, media);
          continue;
        }
      if (!check_section (media, i, text, &plan, error)
          || !plan_exts (&plan, media, error))
        return NULL;
      codec = pick (media);
      plan_track (&plan.tracks[media->kind], media, codec);
      plan.rtcp_rsize = plan.rtcp_rsize && media->rtcp_rsize;
      answer_section (answer, media, codec);
      track = &info.tracks[media->kind];
      track->is_present = TRUE;
      track->codec = codec->codec;
      track->channels = codec->channels;
      copy_fmtp (track->fmtp, sizeof track->fmtp, codec->fmtp);
    }
  *ret_plan = plan;
  *ret_info = info;
  return g_steal_pointer (&answer);
}
