/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/sdp: the description's life and its session level. Media sections are
 * read in sdp-media.c, text is checked in sdp-text.c, written in sdp-write.c,
 * fragments are in sdp-frag.c, the choice of a codec in sdp-pick.c.
 */
#include "rtc/sdp.h"

#include <string.h>

#include "rtc/sdp-private.h"

#define UFRAG_MIN 4
#define PWD_MIN 22
#define ICE_MAX 256

G_DEFINE_QUARK (rtc - sdp - error - quark, rtc_sdp_error)

const char *
rtc_sdp_error_code (const GError *error)
{
  static const char *const codes[] = {
    [RTC_SDP_ERROR_TOO_BIG] = "sdp-too-big",
    [RTC_SDP_ERROR_SYNTAX] = "sdp-syntax",
    [RTC_SDP_ERROR_NO_MEDIA] = "sdp-no-media",
    [RTC_SDP_ERROR_NO_ICE] = "sdp-no-ice",
    [RTC_SDP_ERROR_NO_FINGERPRINT] = "sdp-no-fingerprint",
    [RTC_SDP_ERROR_SETUP] = "sdp-setup",
    [RTC_SDP_ERROR_BUNDLE] = "sdp-bundle",
    [RTC_SDP_ERROR_LIMIT] = "sdp-limit",
  };

  if (error == NULL || error->domain != RTC_SDP_ERROR
      || (guint)error->code >= G_N_ELEMENTS (codes))
    return "sdp-syntax";
  return codes[error->code];
}

static void
codec_clear (gpointer data)
{
  g_free (((RtcSdpCodec *)data)->fmtp);
}

static void
candidate_clear (gpointer data)
{
  g_free (((RtcSdpCandidate *)data)->address);
}

static void
media_free (gpointer data)
{
  RtcSdpMedia *self = data;

  g_free (self->raw_type);
  g_free (self->raw_proto);
  g_free (self->raw_formats);
  g_free (self->mid);
  g_array_unref (self->codecs);
  g_free (self->msid_stream);
  g_free (self->msid_track);
  g_free (self->cname);
  for (guint i = 0; i < self->n_rids; i++)
    g_free (self->rids[i]);
  g_free (self);
}

RtcSdp *
rtc_sdp_new (void)
{
  RtcSdp *self = g_new0 (RtcSdp, 1);

  /* RFC 8829 5.2.1: 64 bits that read as a positive signed number */
  self->session_id = (guint64)(g_random_int () >> 1) << 32 | g_random_int ();
  self->media = g_ptr_array_new_with_free_func (media_free);
  self->candidates = g_array_new (FALSE, TRUE, sizeof (RtcSdpCandidate));
  g_array_set_clear_func (self->candidates, candidate_clear);
  return self;
}

void
rtc_sdp_free (RtcSdp *self)
{
  if (self == NULL)
    return;
  g_free (self->session_name);
  g_free (self->ice_ufrag);
  g_free (self->ice_pwd);
  g_free (self->fingerprint_hash);
  g_free (self->fingerprint);
  g_ptr_array_unref (self->media);
  g_array_unref (self->candidates);
  g_free (self);
}

RtcSdpMedia *
rtc_sdp_add_media (RtcSdp *self, RtcMediaKind kind, const char *mid)
{
  RtcSdpMedia *media = g_new0 (RtcSdpMedia, 1);

  media->kind = kind;
  media->mid = g_strdup (mid);
  media->direction = RTC_DIR_SENDRECV;
  media->codecs = g_array_new (FALSE, TRUE, sizeof (RtcSdpCodec));
  g_array_set_clear_func (media->codecs, codec_clear);
  g_ptr_array_add (self->media, media);
  return media;
}

void
rtc_sdp_add_candidate (RtcSdp *self, const char *address, guint port,
                       gboolean is_tcp)
{
  RtcSdpCandidate candidate = { .port = port, .is_tcp = is_tcp };

  if (self->candidates->len >= RTC_SDP_MAX_CANDIDATES)
    return;
  candidate.address = g_strdup (address);
  g_array_append_val (self->candidates, candidate);
}

void
rtc_sdp_media_add_codec (RtcSdpMedia *self, const RtcSdpCodec *codec)
{
  RtcSdpCodec copy = *codec;

  copy.fmtp = g_strdup (codec->fmtp);
  g_array_append_val (self->codecs, copy);
}

static const char *
get_attribute (const GstSDPMessage *session, const GstSDPMedia *media,
               const char *key)
{
  const char *value =
      media == NULL ? NULL : gst_sdp_media_get_attribute_val (media, key);

  return value != NULL ? value
                       : gst_sdp_message_get_attribute_val (session, key);
}

/* Is @mid in the one BUNDLE group that matters, the first? */
static gboolean
bundle_has (const GstSDPMessage *session, const char *mid)
{
  for (guint i = 0;; i++)
    {
      const char *group =
          gst_sdp_message_get_attribute_val_n (session, "group", i);
      g_auto (GStrv) words = NULL;

      if (group == NULL)
        return FALSE;
      words = g_strsplit (group, " ", -1);
      if (words[0] != NULL && g_str_equal (words[0], "BUNDLE"))
        return mid != NULL
               && g_strv_contains ((const char *const *)words + 1, mid);
    }
}

static gboolean
is_usable (const RtcSdpMedia *media)
{
  return !media->is_other && !media->is_rejected;
}

/* Returns: index of the first section that is ours to use, -1 on error */
static int
check_sections (RtcSdp *self, const GstSDPMessage *session, GError **error)
{
  g_autoptr (GHashTable) mids = g_hash_table_new (g_str_hash, g_str_equal);
  guint n_usable = 0;
  int first = -1;

  for (guint i = 0; i < self->media->len; i++)
    {
      RtcSdpMedia *media = g_ptr_array_index (self->media, i);

      if (media->mid != NULL && !g_hash_table_add (mids, media->mid))
        {
          g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_BUNDLE,
                       "mid %s stands at two m-lines", media->mid);
          return -1;
        }
      if (!is_usable (media))
        continue;
      n_usable++;
      if (first < 0)
        first = (int)i;
    }
  if (n_usable == 0)
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_NO_MEDIA,
                   "no audio or video section in use");
      return -1;
    }
  for (guint i = 0; n_usable > 1 && i < self->media->len; i++)
    {
      RtcSdpMedia *media = g_ptr_array_index (self->media, i);

      if (is_usable (media) && !bundle_has (session, media->mid))
        {
          g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_BUNDLE,
                       "m-line %u is not in the BUNDLE group", i);
          return -1;
        }
    }
  return first;
}

static gboolean
read_ice (RtcSdp *self, const GstSDPMessage *session, const GstSDPMedia *media,
          GError **error)
{
  const char *ufrag = get_attribute (session, media, "ice-ufrag");
  const char *pwd = get_attribute (session, media, "ice-pwd");
  const char *options = get_attribute (session, media, "ice-options");

  if (!rtc_sdp_is_ice_string (ufrag, UFRAG_MIN, ICE_MAX)
      || !rtc_sdp_is_ice_string (pwd, PWD_MIN, ICE_MAX))
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_NO_ICE,
                   "ice-ufrag and ice-pwd are missing or of wrong length");
      return FALSE;
    }
  self->ice_ufrag = g_strdup (ufrag);
  self->ice_pwd = g_strdup (pwd);
  self->ice_lite = get_attribute (session, media, "ice-lite") != NULL;
  if (options != NULL)
    {
      /* OBS writes a comma where the RFC has a space */
      g_auto (GStrv) words = g_strsplit_set (options, " ,", -1);
      self->has_trickle =
          g_strv_contains ((const char *const *)words, "trickle");
    }
  return TRUE;
}

static const struct
{
  const char *name;
  guint n_bytes;
} hashes[] = {
  { "sha-256", 32 }, { "sha-384", 48 }, { "sha-512", 64 }, { "sha-1", 20 }
}; /* in order of preference */

static gboolean
is_fingerprint (const char *hex, guint n_bytes)
{
  if (strlen (hex) != 3 * n_bytes - 1)
    return FALSE;
  for (guint i = 0; hex[i] != '\0'; i++)
    if (i % 3 == 2 ? hex[i] != ':' : !g_ascii_isxdigit (hex[i]))
      return FALSE;
  return TRUE;
}

/* Returns: rank in hashes[] of a=fingerprint's value, or their number */
static guint
fingerprint_rank (const char *value)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (hashes); i++)
    {
      gsize n = strlen (hashes[i].name);
      if (g_ascii_strncasecmp (value, hashes[i].name, n) == 0
          && value[n] == ' ')
        break;
    }
  return i;
}

static gboolean
read_fingerprint (RtcSdp *self, const GstSDPMessage *session,
                  const GstSDPMedia *media, GError **error)
{
  gboolean at_media =
      gst_sdp_media_get_attribute_val (media, "fingerprint") != NULL;
  guint best = G_N_ELEMENTS (hashes);
  g_autofree char *hex = NULL;
  const char *value;

  for (guint i = 0;; i++)
    {
      guint rank;

      value =
          at_media
              ? gst_sdp_media_get_attribute_val_n (media, "fingerprint", i)
              : gst_sdp_message_get_attribute_val_n (session, "fingerprint", i);
      if (value == NULL)
        break;
      rank = fingerprint_rank (value);
      if (rank >= best)
        continue;
      best = rank;
      g_free (hex);
      hex = g_strdup (value + strlen (hashes[rank].name) + 1);
      g_strstrip (hex);
    }
  if (hex == NULL)
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_NO_FINGERPRINT,
                   "no fingerprint with a hash that is known");
      return FALSE;
    }
  if (!is_fingerprint (hex, hashes[best].n_bytes))
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_SYNTAX,
                   "malformed %s fingerprint", hashes[best].name);
      return FALSE;
    }
  self->fingerprint_hash = g_strdup (hashes[best].name);
  self->fingerprint = g_ascii_strup (hex, -1);
  return TRUE;
}

static RtcSetup
setup_from_string (const char *s)
{
  static const char *const names[] = {
    [RTC_SETUP_ACTPASS] = "actpass",
    [RTC_SETUP_ACTIVE] = "active",
    [RTC_SETUP_PASSIVE] = "passive",
    [RTC_SETUP_HOLDCONN] = "holdconn",
  };

  for (guint i = RTC_SETUP_ACTPASS; s != NULL && i < G_N_ELEMENTS (names); i++)
    if (g_ascii_strcasecmp (names[i], s) == 0)
      return (RtcSetup)i;
  return RTC_SETUP_NONE;
}

static gboolean
read_setup (RtcSdp *self, const GstSDPMessage *session,
            const GstSDPMedia *media, gboolean is_offer, GError **error)
{
  RtcSetup setup = setup_from_string (get_attribute (session, media, "setup"));

  if (setup != RTC_SETUP_ACTIVE
      && setup != (is_offer ? RTC_SETUP_ACTPASS : RTC_SETUP_PASSIVE))
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_SETUP,
                   "a=setup must be active or %s",
                   is_offer ? "actpass" : "passive");
      return FALSE;
    }
  self->setup = setup;
  return TRUE;
}

/* What an ICE-lite server can do without is skipped, not refused. */
static void
read_candidates (RtcSdp *self, const GstSDPMessage *session,
                 const GstSDPMedia *media)
{
  RtcSdpCandidate candidate = { 0 };
  const char *value;

  for (guint i = 0; self->candidates->len < RTC_SDP_MAX_CANDIDATES; i++)
    {
      value = gst_sdp_media_get_attribute_val_n (media, "candidate", i);
      if (value == NULL)
        break;
      if (rtc_sdp_candidate_parse (value, &candidate))
        g_array_append_val (self->candidates, candidate);
    }
}

static void
read_origin (RtcSdp *self, const GstSDPMessage *session)
{
  const GstSDPOrigin *origin = gst_sdp_message_get_origin (session);
  const char *name = gst_sdp_message_get_session_name (session);

  self->session_id = origin->sess_id == NULL
                         ? 0
                         : g_ascii_strtoull (origin->sess_id, NULL, 10);
  self->session_version =
      origin->sess_version == NULL
          ? 0
          : (guint)g_ascii_strtoull (origin->sess_version, NULL, 10);
  self->session_name = g_strdup (name);
}

static gboolean
read_message (RtcSdp *self, const GstSDPMessage *session, gboolean is_offer,
              GError **error)
{
  guint n_media = gst_sdp_message_medias_len (session);
  const GstSDPMedia *first;
  int index;

  if (n_media > RTC_SDP_MAX_MEDIA)
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_LIMIT,
                   "%u m-lines, at most %d are accepted", n_media,
                   RTC_SDP_MAX_MEDIA);
      return FALSE;
    }
  read_origin (self, session);
  for (guint i = 0; i < n_media; i++)
    if (!rtc_sdp_media_read (rtc_sdp_add_media (self, RTC_MEDIA_VIDEO, NULL),
                             session, gst_sdp_message_get_media (session, i),
                             is_offer, error))
      return FALSE;
  index = check_sections (self, session, error);
  if (index < 0)
    return FALSE;
  first = gst_sdp_message_get_media (session, (guint)index);
  if (!read_ice (self, session, first, error)
      || !read_fingerprint (self, session, first, error)
      || !read_setup (self, session, first, is_offer, error))
    return FALSE;
  read_candidates (self, session, first);
  return TRUE;
}

RtcSdp *
rtc_sdp_parse (const char *text, gboolean is_offer, GError **error)
{
  g_autoptr (RtcSdp) self = rtc_sdp_new ();
  g_autofree char *clean = NULL;
  GstSDPMessage *message;
  gboolean ok;

  clean = rtc_sdp_clean_text (text, error);
  if (clean == NULL)
    return NULL;
  if (!g_str_has_prefix (clean, "v=0\r\no="))
    {
      g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_SYNTAX,
                   "must begin with v=0 and o=");
      return NULL;
    }
  gst_sdp_message_new (&message);
  ok = gst_sdp_message_parse_buffer ((const guint8 *)clean,
                                     (guint)strlen (clean), message)
       == GST_SDP_OK;
  if (!ok)
    g_set_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_SYNTAX,
                 "not a session description");
  ok = ok && read_message (self, message, is_offer, error);
  gst_sdp_message_free (message);
  return ok ? g_steal_pointer (&self) : NULL;
}

char *
rtc_sdp_fmtp_get (const char *fmtp, const char *key)
{
  g_auto (GStrv) pairs = fmtp == NULL ? NULL : g_strsplit (fmtp, ";", -1);
  gsize n = strlen (key);

  for (guint i = 0; pairs != NULL && pairs[i] != NULL; i++)
    {
      const char *pair = g_strstrip (pairs[i]);

      if (g_ascii_strncasecmp (pair, key, n) != 0)
        continue;
      pair += n + strspn (pair + n, " \t");
      if (*pair == '=')
        return g_strstrip (g_strdup (pair + 1));
      if (*pair == '\0')
        return g_strdup (""); /* a flag without a value */
    }
  return NULL;
}
