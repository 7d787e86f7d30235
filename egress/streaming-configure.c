/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming-configure: what a viewer may choose while he watches
 * (J54): media on and off, renditions and layers, playout delay; and the
 * notices of what he gets (J57).
 */
#include "egress/streaming-private.h"

static void
tell_layer (EgressStreamingHandle *self, const char *member, int value)
{
  JsonObject *result = json_object_new ();

  if (self->mids[RTC_MEDIA_VIDEO] != NULL)
    json_object_set_string_member (result, "mid", self->mids[RTC_MEDIA_VIDEO]);
  json_object_set_int_member (result, member, value);
  egress_streaming_handle_push (self, result, NULL);
}

/* --- notices ------------------------------------------------------------ */

void
egress_streaming_on_layers (EgressStreamingHandle *self,
                            const EgressLayers *now)
{
  EgressLayers before = self->now;
  const EgressMountpointMedia *video;

  self->now = *now;
  if (self->mountpoint == NULL)
    return;
  video =
      &egress_mountpoint_get_spec (self->mountpoint)->media[RTC_MEDIA_VIDEO];
  if (video->is_simulcast && now->substream != before.substream)
    tell_layer (self, "substream", now->substream);
  if (video->is_simulcast && now->temporal_layer >= 0
      && now->temporal_layer != before.temporal_layer)
    tell_layer (self, "temporal", now->temporal_layer);
  if (video->is_svc && now->spatial_layer >= 0
      && now->spatial_layer != before.spatial_layer)
    tell_layer (self, "spatial_layer", now->spatial_layer);
  if (video->is_svc && now->temporal_layer >= 0
      && now->temporal_layer != before.temporal_layer)
    tell_layer (self, "temporal_layer", now->temporal_layer);
}

/* --- handle_info -------------------------------------------------------- */

static JsonObject *
describe_medium (EgressStreamingHandle *self,
                 const EgressMountpointMedia *media, RtcMediaKind kind,
                 guint index)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "type",
                                 egress_streaming_kind_names[kind]);
  json_object_set_int_member (object, "mindex", index);
  json_object_set_string_member (object, "mid", self->mids[kind]);
  json_object_set_boolean_member (object, "send", self->sends[kind]);
  if (media->is_simulcast)
    {
      JsonObject *item = json_object_new ();

      json_object_set_int_member (item, "substream", self->now.substream);
      json_object_set_int_member (item, "substream-target",
                                  self->target.substream);
      json_object_set_int_member (item, "temporal-layer",
                                  self->now.temporal_layer);
      json_object_set_int_member (item, "temporal-layer-target",
                                  self->target.temporal_layer);
      json_object_set_int_member (item, "fallback", self->target.fallback_us);
      json_object_set_object_member (object, "simulcast", item);
    }
  if (media->is_svc)
    {
      JsonObject *item = json_object_new ();

      json_object_set_int_member (item, "spatial-layer",
                                  self->now.spatial_layer);
      json_object_set_int_member (item, "target-spatial-layer",
                                  self->target.spatial_layer);
      json_object_set_int_member (item, "temporal-layer",
                                  self->now.temporal_layer);
      json_object_set_int_member (item, "target-temporal-layer",
                                  self->target.temporal_layer);
      json_object_set_object_member (object, "svc", item);
    }
  return object;
}

static void
describe_mountpoint (EgressStreamingHandle *self, JsonObject *object)
{
  const EgressMountpointSpec *spec =
      egress_mountpoint_get_spec (self->mountpoint);
  JsonArray *list = json_array_new ();
  guint n = 0;

  egress_streaming_set_id (self->streaming, object, "mountpoint_id", spec->id);
  if (spec->name != NULL)
    json_object_set_string_member (object, "mountpoint_name", spec->name);
  json_object_set_int_member (
      object, "mountpoint_viewers",
      egress_mountpoint_get_n_viewers (self->mountpoint));
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    if (self->mids[kind] != NULL)
      json_array_add_object_element (
          list, describe_medium (self, &spec->media[kind], kind, n++));
  json_object_set_array_member (object, "media", list);
}

/* In Janus's places what Janus tells there; our own figures in "peer". */
static JsonObject *
describe_webrtc (EgressStreamingHandle *self)
{
  JsonObject *object = json_object_new ();
  JsonObject *ice = json_object_new ();
  JsonObject *dtls = json_object_new ();
  JsonObject *media = json_object_new ();
  gboolean is_connected = egress_peer_is_connected (self->peer);
  guint n = 0;

  json_object_set_string_member (ice, "state",
                                 is_connected ? "ready" : "connecting");
  json_object_set_object_member (object, "ice", ice);
  json_object_set_string_member (dtls, "dtls-state",
                                 is_connected ? "connected" : "created");
  json_object_set_boolean_member (dtls, "ready", is_connected);
  json_object_set_object_member (object, "dtls", dtls);
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    {
      JsonObject *item, *direction;

      if (self->mids[kind] == NULL)
        continue;
      item = json_object_new ();
      direction = json_object_new ();
      json_object_set_string_member (item, "type",
                                     egress_streaming_kind_names[kind]);
      json_object_set_int_member (item, "mindex", n++);
      json_object_set_string_member (item, "mid", self->mids[kind]);
      json_object_set_boolean_member (direction, "send", TRUE);
      json_object_set_boolean_member (direction, "recv", FALSE);
      json_object_set_object_member (item, "direction", direction);
      json_object_set_object_member (media, self->mids[kind], item);
    }
  json_object_set_object_member (object, "media", media);
  json_object_set_member (object, "peer", egress_peer_describe (self->peer));
  return object;
}

void
egress_streaming_describe_handle (EgressStreamingHandle *self,
                                  JsonObject *object)
{
  JsonObject *specific = json_object_new ();

  json_object_set_string_member (
      specific, "state", self->mountpoint != NULL ? "watching" : "idle");
  if (self->mountpoint != NULL)
    describe_mountpoint (self, specific);
  json_object_set_int_member (specific, "hangingup", 0);
  json_object_set_int_member (specific, "started",
                              self->state == EGRESS_STREAMING_STARTED);
  json_object_set_int_member (specific, "dataready", 0);
  json_object_set_int_member (specific, "paused", self->is_paused);
  json_object_set_int_member (specific, "stopping", 0);
  json_object_set_int_member (specific, "destroyed", 0);
  json_object_set_object_member (object, "plugin_specific", specific);
  if (self->peer != NULL)
    json_object_set_object_member (object, "webrtc", describe_webrtc (self));
}
