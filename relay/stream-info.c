/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_stream_info_*_json: see relay/link-message.h.
 *   {"audio":{"codec":"opus","channels":2,"fmtp":"useinbandfec=1"},
 *    "video":{"codec":"H264","fmtp":"packetization-mode=1"}}
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "relay/link-message.h"

#define MAX_CHANNELS 255
#define MAX_TEXT_BYTES 4096

static const char *const names[RTC_MEDIA_N_KINDS] = { "audio", "video" };

static void
add_track (JsonBuilder *json, const char *name, const RelayTrackInfo *track)
{
  json_builder_set_member_name (json, name);
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "codec");
  json_builder_add_string_value (json, rtc_codec_name (track->codec));
  if (track->channels > 0)
    {
      json_builder_set_member_name (json, "channels");
      json_builder_add_int_value (json, track->channels);
    }
  if (track->fmtp[0] != '\0')
    {
      g_autofree char *fmtp = g_utf8_make_valid (
          track->fmtp, (gssize)strnlen (track->fmtp, sizeof track->fmtp));

      json_builder_set_member_name (json, "fmtp");
      json_builder_add_string_value (json, fmtp);
    }
  json_builder_end_object (json);
}

char *
relay_stream_info_to_json (const RelayStreamInfo *info)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (json);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (info->tracks[k].is_present)
      add_track (json, names[k], &info->tracks[k]);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}

/* (transfer none) (nullable): a string member; @ret_ok: %FALSE: it is there
 * and is something else */
static const char *
get_string (JsonObject *object, const char *name, gboolean *ret_ok)
{
  JsonNode *node = json_object_get_member (object, name);

  if (!node)
    return NULL;
  if (json_node_get_value_type (node) != G_TYPE_STRING)
    {
      *ret_ok = FALSE;
      return NULL;
    }
  return json_node_get_string (node);
}

/* It goes into our descriptions: no line may end in it. */
static gboolean
is_fmtp (const char *text)
{
  if (strlen (text) >= sizeof ((RelayTrackInfo *)NULL)->fmtp)
    return FALSE;
  for (; *text; text++)
    if (g_ascii_iscntrl (*text))
      return FALSE;
  return TRUE;
}

static gboolean
read_track (JsonNode *node, RtcMediaKind kind, RelayTrackInfo *ret)
{
  gboolean ok = TRUE;
  JsonObject *object;
  JsonNode *channels;
  const char *codec, *fmtp;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  object = json_node_get_object (node);
  codec = get_string (object, "codec", &ok);
  fmtp = get_string (object, "fmtp", &ok);
  channels = json_object_get_member (object, "channels");
  if (!ok || !codec || (fmtp && !is_fmtp (fmtp)))
    return FALSE;
  ret->codec = rtc_codec_from_name (codec);
  if (ret->codec == RTC_CODEC_NONE || rtc_codec_kind (ret->codec) != kind)
    return FALSE;
  if (channels)
    {
      gint64 n = json_node_get_value_type (channels) == G_TYPE_INT64
                     ? json_node_get_int (channels)
                     : 0;

      if (n < 1 || n > MAX_CHANNELS)
        return FALSE;
      ret->channels = (guint)n;
    }
  if (fmtp)
    g_strlcpy (ret->fmtp, fmtp, sizeof ret->fmtp);
  ret->is_present = TRUE;
  return TRUE;
}

gboolean
relay_stream_info_from_json (const char *text, RelayStreamInfo *ret)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  RelayStreamInfo info = { 0 };
  gboolean has_track = FALSE;
  JsonObject *object;
  JsonNode *root;

  if (strnlen (text, MAX_TEXT_BYTES + 1) > MAX_TEXT_BYTES
      || !g_utf8_validate (text, -1, NULL)
      || !json_parser_load_from_data (parser, text, -1, NULL))
    return FALSE;
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root))
    return FALSE;
  object = json_node_get_object (root);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      JsonNode *node = json_object_get_member (object, names[k]);

      if (!node)
        continue;
      if (!read_track (node, (RtcMediaKind)k, &info.tracks[k]))
        return FALSE;
      has_track = TRUE;
    }
  if (has_track)
    *ret = info;
  return has_track;
}
