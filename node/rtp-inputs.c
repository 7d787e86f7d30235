/* SPDX-License-Identifier: Apache-2.0 */
/* node/rtp-inputs: see rtp-inputs.h. */
#include "node/rtp-inputs.h"

#include <string.h>

#include "base/signaling.h"
#include "node/settings.h"

#define MAX_PAYLOAD_TYPE 127
#define OPUS_FMTP "minptime=10;useinbandfec=1"

static void
config_free (gpointer data)
{
  WhipRtpConfig *self = data;

  g_free (self->name);
  g_free (self);
}

static gboolean
fail (GError **error, const char *item, const char *why)
{
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "rtp-input: \"%s\": %s; write "
               "NAME:video=H264/96@PORT,audio=opus/111@PORT",
               item, why);
  return FALSE;
}

static guint
get_port (const RtcAddr *address)
{
  return g_ntohs (address->sa.sa_family == AF_INET ? address->in.sin_port
                                                   : address->in6.sin6_port);
}

/* parse_place: "5004", "10.0.0.1:5004", "[::1]:5004" */
static gboolean
parse_place (const char *text, RtcAddr *ret)
{
  const char *colon = strrchr (text, ':');
  g_autofree char *host = NULL;
  gsize n_chars;
  guint64 port;

  if (!g_ascii_string_to_unsigned (colon ? colon + 1 : text, 10, 1, 65535,
                                   &port, NULL))
    return FALSE;
  if (!colon)
    return rtc_addr_from_string ("127.0.0.1", (guint)port, ret);
  host = g_strndup (text, (gsize)(colon - text));
  n_chars = strlen (host);
  if (host[0] != '[')
    return !strchr (host, ':') && rtc_addr_from_string (host, (guint)port, ret);
  if (host[n_chars - 1] != ']')
    return FALSE;
  host[n_chars - 1] = '\0';
  return strchr (host, ':')
         && rtc_addr_from_string (host + 1, (guint)port, ret);
}

/* parse_track: "video=H264/96@5004" */
static gboolean
parse_track (WhipRtpConfig *config, const char *item, const char *text,
             GError **error)
{
  const char *equals = strchr (text, '=');
  const char *slash = equals ? strchr (equals, '/') : NULL;
  const char *at = slash ? strchr (slash, '@') : NULL;
  gboolean is_video = g_str_has_prefix (text, "video=");
  RtcMediaKind kind = is_video ? RTC_MEDIA_VIDEO : RTC_MEDIA_AUDIO;
  WhipRtpTrack *track = &config->tracks[kind];
  g_autofree char *codec = NULL, *pt = NULL;
  guint64 number;

  if (!is_video && !g_str_has_prefix (text, "audio="))
    return fail (error, item, "a track is video= or audio=");
  if (!at)
    return fail (error, item, "a track is CODEC/PAYLOAD-TYPE@PORT");
  if (track->info.is_present)
    return fail (error, item, "the stream has that track already");
  codec = g_strndup (equals + 1, (gsize)(slash - equals - 1));
  pt = g_strndup (slash + 1, (gsize)(at - slash - 1));
  track->info.codec = rtc_codec_from_name (codec);
  if (track->info.codec == RTC_CODEC_NONE
      || rtc_codec_kind (track->info.codec) != kind)
    return fail (error, item, "codecs are H264, H265, VP8, VP9, AV1, opus");
  if (!g_ascii_string_to_unsigned (pt, 10, 0, MAX_PAYLOAD_TYPE, &number, NULL))
    return fail (error, item, "the payload type is no number up to 127");
  if (!parse_place (at + 1, &track->place.address))
    return fail (error, item, "what follows @ is no [ADDRESS:]PORT");
  track->pt = (guint8)number;
  track->info.is_present = TRUE;
  if (track->info.codec == RTC_CODEC_OPUS)
    {
      track->info.channels = 2;
      g_strlcpy (track->info.fmtp, OPUS_FMTP, sizeof track->info.fmtp);
    }
  return TRUE;
}

/* begin_config: (transfer none) (nullable) */
static WhipRtpConfig *
begin_config (GPtrArray *list, const char *item, gsize n_chars, GError **error)
{
  g_autofree char *name = g_strndup (item, n_chars);
  WhipRtpConfig *config;

  if (!base_stream_name_is_valid (name))
    {
      fail (error, item, "what precedes : is no stream's name");
      return NULL;
    }
  for (guint i = 0; i < list->len; i++)
    if (g_str_equal (((WhipRtpConfig *)list->pdata[i])->name, name))
      {
        fail (error, item, "the stream is there twice");
        return NULL;
      }
  if (list->len == NODE_MAX_RTP_INPUTS)
    {
      fail (error, item, "256 streams are the maximum");
      return NULL;
    }
  config = g_new0 (WhipRtpConfig, 1);
  config->name = g_steal_pointer (&name);
  g_ptr_array_add (list, config);
  return config;
}

/* Whose RTP port it is; (nullable). By number: an address more or less on one
 * host is no reason to have two streams at one port. */
static const WhipRtpTrack *
find_port (GPtrArray *list, guint port, const WhipRtpTrack *except)
{
  for (guint i = 0; i < list->len; i++)
    for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
      {
        const WhipRtpTrack *track =
            &((WhipRtpConfig *)list->pdata[i])->tracks[k];

        if (track != except && track->info.is_present
            && get_port (&track->place.address) == port)
          return track;
      }
  return NULL;
}

static gboolean
check_ports (GPtrArray *list, GError **error)
{
  for (guint i = 0; i < list->len; i++)
    {
      WhipRtpConfig *config = list->pdata[i];

      for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
        {
          WhipRtpTrack *track = &config->tracks[k];
          WhipRtpTrack *sibling = &config->tracks[!k];
          guint port = get_port (&track->place.address);
          const WhipRtpTrack *other = find_port (list, port, track);

          if (!track->info.is_present)
            continue;
          if (other && other != sibling)
            return fail (error, config->name, "its port is another stream's");
          if (other
              && (track->pt == sibling->pt
                  || !rtc_addr_equal (&track->place.address,
                                      &sibling->place.address)))
            return fail (error, config->name,
                         "tracks that share a port need one address and two "
                         "payload types");
          if (port < 65535 && !find_port (list, port + 1, NULL)
              && !(other && sibling->has_rtcp))
            {
              track->has_rtcp = TRUE;
              track->rtcp_port = port + 1;
            }
        }
    }
  return TRUE;
}

GPtrArray *
node_rtp_inputs_parse (const char *const *items, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (config_free);
  WhipRtpConfig *config = NULL;

  for (; *items; items++)
    {
      gsize n_chars = strcspn (*items, ":=");
      const char *track = *items;

      if (track[n_chars] == ':')
        {
          config = begin_config (list, *items, n_chars, error);
          if (!config)
            return NULL;
          track += n_chars + 1;
        }
      if (!config)
        {
          fail (error, *items, "the first track needs its stream's name");
          return NULL;
        }
      if (!parse_track (config, *items, track, error))
        return NULL;
    }
  if (!check_ports (list, error))
    return NULL;
  return g_steal_pointer (&list);
}
