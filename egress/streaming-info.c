/* SPDX-License-Identifier: Apache-2.0 */
/* egress/streaming-info: mountpoints as clients are told of them (J34, J35). */
#include "egress/streaming-private.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <string.h>

const char *const egress_streaming_kind_names[RTC_MEDIA_N_KINDS] = {
  [RTC_MEDIA_AUDIO] = "audio", [RTC_MEDIA_VIDEO] = "video"
};

/* --- what mountpoints are told as --------------------------------------- */

const char *
egress_streaming_type_name (const EgressMountpointSpec *spec)
{
  return spec->kind == EGRESS_MOUNTPOINT_ONDEMAND ? "on demand" : "live";
}

guint
egress_streaming_media_in_order (const EgressMountpointSpec *spec,
                                 RtcMediaKind ret[RTC_MEDIA_N_KINDS])
{
  guint n = 0;

  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    if (spec->media[kind].is_present)
      ret[n++] = kind;
  if (n == 2 && spec->media[ret[0]].index > spec->media[ret[1]].index)
    {
      RtcMediaKind first = ret[1];

      ret[1] = ret[0];
      ret[0] = first;
    }
  return n;
}

static void
set_age (JsonObject *object, EgressMountpoint *mountpoint, RtcMediaKind kind)
{
  gint64 age_us;

  if (egress_mountpoint_get_age (mountpoint, kind, &age_us))
    json_object_set_int_member (object, "age_ms", age_us / 1000);
}

/* as Janus: of a stream and a track, or none */
const char *
egress_streaming_msid (const EgressMountpointMedia *media)
{
  return media->msid != NULL && strchr (media->msid, ' ') != NULL ? media->msid
                                                                  : NULL;
}

/* (transfer full) (nullable): of the interface @name */
static char *
dup_interface_address (const char *name)
{
  char text[INET_ADDRSTRLEN] = "";
  struct ifaddrs *all = NULL;

  if (getifaddrs (&all) != 0)
    return NULL;
  for (struct ifaddrs *one = all; one != NULL && *text == '\0';
       one = one->ifa_next)
    if (one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET
        && strcmp (one->ifa_name, name) == 0)
      inet_ntop (AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr,
                 text, sizeof text);
  freeifaddrs (all);
  return *text != '\0' ? g_strdup (text) : NULL;
}

char *
egress_streaming_dup_host (const EgressMountpointMedia *media)
{
  if (media->mcast != NULL)
    return g_strdup (media->mcast);
  if (media->iface == NULL)
    return NULL;
  return g_hostname_is_ip_address (media->iface)
             ? g_strdup (media->iface)
             : dup_interface_address (media->iface);
}

static void
set_label (JsonObject *object, const EgressMountpointMedia *media,
           RtcMediaKind kind)
{
  json_object_set_string_member (
      object, "label",
      media->label != NULL ? media->label : egress_streaming_kind_names[kind]);
  egress_janus_set_string (object, "msid", egress_streaming_msid (media));
}

/* --- list --------------------------------------------------------------- */

static JsonObject *
describe_for_list (EgressStreaming *self, EgressMountpoint *mountpoint)
{
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  JsonObject *object = json_object_new ();
  JsonArray *list = json_array_new ();
  RtcMediaKind kinds[RTC_MEDIA_N_KINDS];
  guint n = egress_streaming_media_in_order (spec, kinds);

  egress_streaming_set_id (self, object, "id", spec->id);
  json_object_set_string_member (object, "type",
                                 egress_streaming_type_name (spec));
  egress_janus_set_string (object, "description", spec->description);
  egress_janus_set_string (object, "metadata", spec->metadata);
  json_object_set_boolean_member (object, "enabled", spec->is_enabled);
  for (guint i = 0; i < n; i++)
    {
      const EgressMountpointMedia *media = &spec->media[kinds[i]];
      JsonObject *item = json_object_new ();

      egress_janus_set_string (item, "mid", media->mid);
      json_object_set_string_member (item, "type",
                                     egress_streaming_kind_names[kinds[i]]);
      set_label (item, media, kinds[i]);
      set_age (item, mountpoint, kinds[i]);
      json_array_add_object_element (list, item);
    }
  json_object_set_array_member (object, "media", list);
  return object;
}

JsonObject *
egress_streaming_list (EgressStreaming *self, JsonObject *body,
                       EgressStreamingAnswer **answer, GError **error)
{
  g_autoptr (GPtrArray) mountpoints = NULL;
  const char *admin_key = self->config->admin_key;
  JsonNode *given = json_object_get_member (body, "admin_key");
  gboolean has_key = admin_key != NULL && given != NULL
                     && json_node_get_value_type (given) == G_TYPE_STRING
                     && *json_node_get_string (given) != '\0';
  JsonObject *reply;
  JsonArray *list;

  /* private ones are for who knows the key; a wrong one is not overlooked */
  if (has_key
      && !egress_streaming_check_secret (body, "admin_key", admin_key, error))
    return NULL;
  mountpoints = egress_mountpoints_list (self->mountpoints);
  list = json_array_new ();
  for (guint i = 0; i < mountpoints->len; i++)
    {
      EgressMountpoint *mountpoint = mountpoints->pdata[i];

      if (has_key || !egress_mountpoint_get_spec (mountpoint)->is_private)
        json_array_add_object_element (list,
                                       describe_for_list (self, mountpoint));
    }
  reply = egress_streaming_object ("list");
  json_object_set_array_member (reply, "list", list);
  return reply;
}

/* --- info --------------------------------------------------------------- */

/* as Janus writes codecs: "h264", "H264/90000" */
static void
set_codec (JsonObject *object, RtcCodec codec)
{
  g_autofree char *lower = NULL;
  g_autofree char *rtpmap = NULL;

  if (codec == RTC_CODEC_NONE)
    return;
  lower = g_ascii_strdown (rtc_codec_name (codec), -1);
  json_object_set_string_member (object, "codec", lower);
  rtpmap = codec == RTC_CODEC_OPUS
               ? g_strdup ("opus/48000/2")
               : g_strdup_printf ("%s/%u", rtc_codec_name (codec),
                                  rtc_codec_clock_hz (codec));
  json_object_set_string_member (object, "rtpmap", rtpmap);
}

static RtcCodec
codec_of (EgressMountpoint *mountpoint, RtcMediaKind kind)
{
  RelayStreamInfo info;

  if (egress_mountpoint_get_info (mountpoint, &info)
      && info.tracks[kind].is_present)
    return info.tracks[kind].codec;
  return egress_mountpoint_get_spec (mountpoint)->media[kind].codec;
}

static JsonObject *
describe_media (EgressStreaming *self, EgressMountpoint *mountpoint,
                RtcMediaKind kind, guint index, gboolean is_admin)
{
  static const char *const port_names[] = { "port", "port2", "port3" };
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  const EgressMountpointMedia *media = &spec->media[kind];
  const EgressMountpointPorts *ports = egress_mountpoint_get_ports (mountpoint);
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "mindex", index);
  json_object_set_string_member (object, "type",
                                 egress_streaming_kind_names[kind]);
  egress_janus_set_string (object, "mid", media->mid);
  set_label (object, media, kind);
  if (media->pt >= 0)
    json_object_set_int_member (object, "pt", media->pt);
  set_codec (object, codec_of (mountpoint, kind));
  egress_janus_set_string (object, "fmtp", media->fmtp);
  egress_janus_set_true (object, "videosimulcast", media->is_simulcast);
  egress_janus_set_true (object, "videosvc", media->is_svc);
  egress_janus_set_true (object, "skew_compensation", media->has_skew);
  if (is_admin && spec->kind == EGRESS_MOUNTPOINT_RTP && ports != NULL)
    {
      egress_janus_set_above_0 (object, port_names[0], ports->ports[kind][0]);
      egress_janus_set_above_0 (object, "rtcpport", ports->rtcp_ports[kind]);
      for (guint i = 1; i < EGRESS_MAX_RENDITIONS; i++)
        egress_janus_set_above_0 (object, port_names[i], ports->ports[kind][i]);
    }
  set_age (object, mountpoint, kind);
  if (is_admin)
    egress_janus_set_string (
        object, "recording",
        egress_streaming_recording_name (self, spec->id, kind));
  return object;
}

static void
describe_source (JsonObject *object, const EgressMountpointSpec *spec,
                 gboolean is_admin)
{
  if (spec->kind == EGRESS_MOUNTPOINT_RTSP)
    {
      json_object_set_boolean_member (object, "rtsp", TRUE);
      if (is_admin)
        {
          egress_janus_set_string (object, "url", spec->url);
          egress_janus_set_string (object, "rtsp_user", spec->rtsp_user);
          egress_janus_set_string (object, "rtsp_pwd", spec->rtsp_password);
        }
    }
  if (is_admin)
    egress_janus_set_string (object, "filename", spec->filename);
  egress_janus_set_true (object, "srtp", spec->srtp_suite != 0);
  if (spec->collision_ms > 0)
    json_object_set_int_member (object, "collision", spec->collision_ms);
  if (spec->threads > 0)
    json_object_set_int_member (object, "threads", spec->threads);
}

/* @is_admin: knows the secret, or there is none */
static JsonObject *
describe_for_info (EgressStreaming *self, EgressMountpoint *mountpoint,
                   gboolean is_admin)
{
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  JsonObject *object = json_object_new ();
  JsonArray *list = json_array_new ();
  RtcMediaKind kinds[RTC_MEDIA_N_KINDS];
  guint n = egress_streaming_media_in_order (spec, kinds);

  egress_streaming_set_id (self, object, "id", spec->id);
  if (is_admin)
    egress_janus_set_string (object, "name", spec->name);
  egress_janus_set_string (object, "description", spec->description);
  egress_janus_set_string (object, "metadata", spec->metadata);
  if (is_admin)
    {
      egress_janus_set_string (object, "secret", spec->secret);
      egress_janus_set_string (object, "pin", spec->pin);
      egress_janus_set_true (object, "is_private", spec->is_private);
    }
  json_object_set_boolean_member (object, "enabled", spec->is_enabled);
  if (is_admin)
    json_object_set_int_member (object, "viewers",
                                egress_mountpoint_get_n_viewers (mountpoint));
  json_object_set_string_member (object, "type",
                                 egress_streaming_type_name (spec));
  for (guint i = 0; i < n && is_admin; i++)
    {
      g_autofree char *host =
          egress_streaming_dup_host (&spec->media[kinds[i]]);

      egress_janus_set_string (object, "host", host);
    }
  for (guint i = 0; i < n; i++)
    json_array_add_object_element (
        list, describe_media (self, mountpoint, kinds[i], i, is_admin));
  json_object_set_array_member (object, "media", list);
  describe_source (object, spec, is_admin);
  return object;
}

JsonObject *
egress_streaming_info (EgressStreaming *self, JsonObject *body,
                       EgressStreamingAnswer **answer, GError **error)
{
  EgressMountpoint *mountpoint = egress_streaming_find (self, body, error);
  gboolean is_admin;
  JsonObject *reply;

  if (mountpoint == NULL)
    return NULL;
  /* a wrong secret shows what all may see: no error */
  is_admin = !(*answer)->is_watcher
             && egress_streaming_check_secret (
                 body, "secret",
                 egress_mountpoint_get_spec (mountpoint)->secret, NULL);
  reply = egress_streaming_object ("info");
  json_object_set_object_member (
      reply, "info", describe_for_info (self, mountpoint, is_admin));
  return reply;
}
