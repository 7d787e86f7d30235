/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming-configure: what a viewer may choose while he watches
 * (J54): media on and off, renditions and layers, playout delay; and the
 * notices of what he gets (J57).
 */
#include "egress/streaming-private.h"

#include <string.h>

#define MAX_LAYER 2
#define MAX_FALLBACK_US (60 * G_TIME_SPAN_SECOND)
#define MAX_DELAY_MS 40950 /* of the playout-delay extension */

static const EgressJanusParam configure_params[] = {
  { "mid", EGRESS_JANUS_STRING, FALSE },
  { "send", EGRESS_JANUS_BOOLEAN, FALSE },
  { "substream", EGRESS_JANUS_POSITIVE, FALSE },
  { "temporal", EGRESS_JANUS_POSITIVE, FALSE },
  { "fallback", EGRESS_JANUS_POSITIVE, FALSE },
  { "spatial_layer", EGRESS_JANUS_POSITIVE, FALSE },
  { "temporal_layer", EGRESS_JANUS_POSITIVE, FALSE },
  { "min_delay", EGRESS_JANUS_INTEGER, FALSE },
  { "max_delay", EGRESS_JANUS_INTEGER, FALSE },
};

static gboolean
fail (GError **error, const char *text)
{
  g_set_error_literal (error, EGRESS_STREAMING_ERROR,
                       EGRESS_STREAMING_INVALID_ELEMENT, text);
  return FALSE;
}

static gboolean
is_above (JsonObject *object, const char *member, gint64 max)
{
  return egress_janus_get_int (object, member, 0) > max;
}

static gboolean
check_values (JsonObject *object, GError **error)
{
  if (is_above (object, "spatial_layer", MAX_LAYER)
      || is_above (object, "substream", MAX_LAYER))
    return fail (error,
                 "Invalid value (substream/spatial_layer should be 0, 1 or 2)");
  if (is_above (object, "temporal_layer", MAX_LAYER)
      || is_above (object, "temporal", MAX_LAYER))
    return fail (error,
                 "Invalid value (temporal/temporal_layer should be 0, 1 or 2)");
  if (is_above (object, "fallback", MAX_FALLBACK_US))
    return fail (error, "Invalid value (fallback can't be above a minute)");
  if (is_above (object, "min_delay", MAX_DELAY_MS)
      || is_above (object, "max_delay", MAX_DELAY_MS))
    return fail (error, "Invalid value (min_delay/max_delay can't be above "
                        "40950 ms)");
  return TRUE;
}

static gboolean
check_item (JsonObject *object, GError **error)
{
  return egress_streaming_check (object, configure_params,
                                 G_N_ELEMENTS (configure_params), error)
         && check_values (object, error);
}

/* --- one item ----------------------------------------------------------- */

static void
read_simulcast (EgressLayers *target, JsonObject *object)
{
  target->substream =
      (int)egress_janus_get_int (object, "substream", target->substream);
  target->temporal_layer =
      (int)egress_janus_get_int (object, "temporal", target->temporal_layer);
  target->fallback_us =
      egress_janus_get_int (object, "fallback", target->fallback_us);
}

static void
read_svc (EgressLayers *target, JsonObject *object)
{
  target->spatial_layer = (int)egress_janus_get_int (object, "spatial_layer",
                                                     target->spatial_layer);
  target->temporal_layer = (int)egress_janus_get_int (object, "temporal_layer",
                                                      target->temporal_layer);
}

gboolean
egress_streaming_read_layers (EgressStreamingHandle *self,
                              const EgressMountpointSpec *spec,
                              JsonObject *body, GError **error)
{
  const EgressMountpointMedia *video = &spec->media[RTC_MEDIA_VIDEO];
  /* Janus looks at the one or the other, as the mountpoint is */
  static const EgressJanusParam simulcast[] = {
    { "substream", EGRESS_JANUS_POSITIVE, FALSE },
    { "temporal", EGRESS_JANUS_POSITIVE, FALSE },
    { "fallback", EGRESS_JANUS_POSITIVE, FALSE },
  };
  static const EgressJanusParam svc[] = {
    { "spatial_layer", EGRESS_JANUS_POSITIVE, FALSE },
    { "temporal_layer", EGRESS_JANUS_POSITIVE, FALSE },
  };

  if (video->is_simulcast)
    {
      if (!egress_streaming_check (body, simulcast, G_N_ELEMENTS (simulcast),
                                   error)
          || !check_values (body, error))
        return FALSE;
      read_simulcast (&self->target, body);
    }
  else if (video->is_svc)
    {
      if (!egress_streaming_check (body, svc, G_N_ELEMENTS (svc), error)
          || !check_values (body, error))
        return FALSE;
      read_svc (&self->target, body);
    }
  return TRUE;
}

static void
tell_layer (EgressStreamingHandle *self, const char *member, int value)
{
  JsonObject *result = json_object_new ();

  if (self->mids[RTC_MEDIA_VIDEO] != NULL)
    json_object_set_string_member (result, "mid", self->mids[RTC_MEDIA_VIDEO]);
  json_object_set_int_member (result, member, value);
  egress_streaming_handle_push (self, result, NULL);
}

/* Who asks for what he has is told so at once. */
static void
tell_if_same (EgressStreamingHandle *self, JsonObject *object,
              const char *member, int now)
{
  if (now >= 0 && json_object_has_member (object, member)
      && egress_janus_get_int (object, member, -1) == now)
    tell_layer (self, member, now);
}

static void
apply_layers (EgressStreamingHandle *self, JsonObject *object)
{
  const EgressMountpointMedia *video =
      &egress_mountpoint_get_spec (self->mountpoint)->media[RTC_MEDIA_VIDEO];
  EgressLayers target = self->target;

  if (video->is_simulcast)
    {
      read_simulcast (&target, object);
      tell_if_same (self, object, "substream", self->now.substream);
      tell_if_same (self, object, "temporal", self->now.temporal_layer);
    }
  else if (video->is_svc)
    {
      read_svc (&target, object);
      tell_if_same (self, object, "spatial_layer", self->now.spatial_layer);
      tell_if_same (self, object, "temporal_layer", self->now.temporal_layer);
    }
  if (memcmp (&target, &self->target, sizeof target) == 0)
    return;
  self->target = target;
  egress_peer_set_layers (self->peer, &target);
}

/* A negative one gives both back to the mountpoint; the one drags the other
 * along, so that min never passes max. */
static void
apply_delay (EgressStreamingHandle *self, JsonObject *object)
{
  int min = (int)egress_janus_get_int (object, "min_delay", self->min_delay_ms);
  int max;

  if (!egress_mountpoint_get_spec (self->mountpoint)->has_playout_delay
      || (!json_object_has_member (object, "min_delay")
          && !json_object_has_member (object, "max_delay")))
    return;
  max = (int)egress_janus_get_int (object, "max_delay",
                                   MAX (self->max_delay_ms, min));
  if (min < 0 && json_object_has_member (object, "max_delay")
      && !json_object_has_member (object, "min_delay"))
    min = max < 0 ? max : 0;
  if (min < 0 || max < 0)
    min = max = -1;
  self->min_delay_ms = MIN (min, max);
  self->max_delay_ms = max;
  egress_peer_set_playout_delay (self->peer, self->min_delay_ms,
                                 self->max_delay_ms);
}

static void
set_sending (EgressStreamingHandle *self, RtcMediaKind kind, gboolean is_on)
{
  if (self->mids[kind] == NULL || self->sends[kind] == is_on)
    return;
  self->sends[kind] = is_on;
  egress_peer_set_sending (self->peer, kind, is_on);
}

/* @mid: (nullable): all of them */
static gboolean
is_meant (EgressStreamingHandle *self, RtcMediaKind kind, const char *mid)
{
  return self->mids[kind] != NULL
         && (mid == NULL || g_ascii_strcasecmp (self->mids[kind], mid) == 0);
}

static void
apply_item (EgressStreamingHandle *self, JsonObject *object)
{
  const char *mid = egress_janus_get_string (object, "mid");

  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    if (is_meant (self, kind, mid))
      set_sending (self, kind,
                   egress_janus_get_bool (object, "send", self->sends[kind]));
  if (!is_meant (self, RTC_MEDIA_VIDEO, mid))
    return;
  apply_layers (self, object);
  apply_delay (self, object);
}

/* --- the request -------------------------------------------------------- */

static gboolean
check_items (JsonArray *items, GError **error)
{
  guint n = json_array_get_length (items);

  if (n > EGRESS_STREAMING_MAX_MEDIA)
    return fail (error, "Invalid value (streams can't have more than 16 "
                        "entries)");
  for (guint i = 0; i < n; i++)
    {
      JsonNode *node = json_array_get_element (items, i);
      JsonObject *item;

      if (!JSON_NODE_HOLDS_OBJECT (node))
        return fail (error, "Invalid value (streams must only contain "
                            "objects)");
      item = json_node_get_object (node);
      if (!check_item (item, error))
        return FALSE;
      if (n > 1 && egress_janus_get_string (item, "mid") == NULL)
        return fail (error,
                     "Invalid value (mid can't be null in a streams array)");
    }
  return TRUE;
}

gboolean
egress_streaming_configure (EgressStreamingHandle *self, JsonObject *body,
                            GError **error)
{
  static const EgressJanusParam more[] = {
    { "streams", EGRESS_JANUS_ARRAY, FALSE },
    { "audio", EGRESS_JANUS_BOOLEAN, FALSE },
    { "video", EGRESS_JANUS_BOOLEAN, FALSE },
    { "data", EGRESS_JANUS_BOOLEAN, FALSE },
  };
  JsonArray *items;

  if (!check_item (body, error)
      || !egress_streaming_check (body, more, G_N_ELEMENTS (more), error))
    return FALSE;
  items = json_object_has_member (body, "streams")
              ? json_object_get_array_member (body, "streams")
              : NULL;
  if (items != NULL && !check_items (items, error))
    return FALSE;
  if (self->peer == NULL)
    return TRUE; /* a file that is being opened: there is nothing to choose */
  set_sending (
      self, RTC_MEDIA_AUDIO,
      egress_janus_get_bool (body, "audio", self->sends[RTC_MEDIA_AUDIO]));
  set_sending (
      self, RTC_MEDIA_VIDEO,
      egress_janus_get_bool (body, "video", self->sends[RTC_MEDIA_VIDEO]));
  if (items == NULL)
    apply_item (self, body);
  for (guint i = 0; items != NULL && i < json_array_get_length (items); i++)
    apply_item (self, json_array_get_object_element (items, i));
  return TRUE;
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

/* what his reports and requests say of one medium */
static void
describe_stats (const EgressKindStats *stats, gint64 rtt_us, RtcMediaKind kind,
                JsonObject *object)
{
  JsonObject *all = json_object_new ();
  JsonObject *main_stream = json_object_new ();
  JsonObject *both = json_object_new ();
  JsonObject *out = json_object_new ();

  json_object_set_int_member (main_stream, "base",
                              kind == RTC_MEDIA_AUDIO ? 48000 : 90000);
  json_object_set_int_member (main_stream, "rtt", rtt_us / 1000);
  json_object_set_int_member (main_stream, "lost-by-remote", stats->n_lost);
  json_object_set_int_member (main_stream, "jitter-remote",
                              stats->jitter_us / 1000);
  json_object_set_double_member (main_stream, "loss-ratio",
                                 stats->fraction_lost_256 / 256.0);
  json_object_set_object_member (all, "main", main_stream);
  json_object_set_object_member (object, "rtcp", all);
  json_object_set_int_member (out, "packets", (gint64)stats->n_packets);
  json_object_set_int_member (out, "bytes", (gint64)stats->n_bytes);
  json_object_set_int_member (out, "nacks", (gint64)stats->n_nacked);
  json_object_set_int_member (out, "retransmissions", (gint64)stats->n_rtx);
  json_object_set_int_member (out, "plis", (gint64)stats->n_plis);
  json_object_set_object_member (both, "out", out);
  json_object_set_object_member (object, "stats", both);
}

static JsonObject *
describe_webrtc_medium (EgressStreamingHandle *self, RtcMediaKind kind,
                        guint index)
{
  JsonObject *object = json_object_new ();
  JsonObject *direction = json_object_new ();
  EgressViewerStats stats;

  json_object_set_string_member (object, "type",
                                 egress_streaming_kind_names[kind]);
  json_object_set_int_member (object, "mindex", index);
  json_object_set_string_member (object, "mid", self->mids[kind]);
  json_object_set_boolean_member (direction, "send", TRUE);
  json_object_set_boolean_member (direction, "recv", FALSE);
  json_object_set_object_member (object, "direction", direction);
  if (egress_peer_get_stats (self->peer, &stats))
    describe_stats (&stats.kinds[kind], stats.rtt_us, kind, object);
  return object;
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
    if (self->mids[kind] != NULL)
      json_object_set_object_member (media, self->mids[kind],
                                     describe_webrtc_medium (self, kind, n++));
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
