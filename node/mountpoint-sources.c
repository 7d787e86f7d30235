/* SPDX-License-Identifier: Apache-2.0 */
/* NodeMountpointSources: see mountpoint-sources.h. */
#include "node/mountpoint-sources.h"

#include <string.h>

#include "base/clock.h"
#include "node/log.h"
#include "whip/media-input.h"
#include "whip/rtp-input.h"

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 30000
/* a rendition's audio, video, and their RTCP */

struct _NodeMountpointSources
{
  RelayHub *hub;        /* borrowed */
  RelayPortPool *ports; /* borrowed */
  GHashTable *sources;  /* owned: stream's name -> Source */
};

/* What feeds one mountpoint, or one viewer of one. */
typedef struct
{
  NodeMountpointSources *self;                 /* borrowed */
  EgressMountpointSpec *spec;                  /* owned */
  char *stream;                                /* owned: the key */
  WhipRtpInput *inputs[EGRESS_MAX_RENDITIONS]; /* owned, nullable */
  WhipMediaInput *media;                       /* owned, nullable */
  GCancellable *looking; /* owned, nullable: for the file, to say why */
  gboolean is_probe;     /* only to see whether it can be opened */
  guint retry_id, retry_ms;
  gint64 made_us;              /* monotonic */
  EgressMountpointOpened done; /* NULL once it was told */
  gpointer done_data;
} Source;

static void
source_free (gpointer data)
{
  Source *source = data;

  g_clear_handle_id (&source->retry_id, g_source_remove);
  if (source->looking)
    g_cancellable_cancel (source->looking);
  g_clear_object (&source->looking);
  for (guint i = 0; i < EGRESS_MAX_RENDITIONS; i++)
    g_clear_pointer (&source->inputs[i], whip_rtp_input_free);
  g_clear_pointer (&source->media, whip_media_input_free);
  egress_mountpoint_spec_free (source->spec);
  g_free (source->stream);
  g_free (source);
}

NodeMountpointSources *
node_mountpoint_sources_new (RelayHub *hub, RelayPortPool *ports)
{
  NodeMountpointSources *self = g_new0 (NodeMountpointSources, 1);

  self->hub = hub;
  self->ports = ports;
  self->sources =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, source_free);
  return self;
}

void
node_mountpoint_sources_free (NodeMountpointSources *self)
{
  g_return_if_fail (self);
  g_hash_table_unref (self->sources);
  g_free (self);
}

static Source *
add_source (NodeMountpointSources *self, const EgressMountpointSpec *spec,
            const char *stream, EgressMountpointOpened done, gpointer done_data)
{
  Source *source = g_new0 (Source, 1);

  source->self = self;
  source->spec = egress_mountpoint_spec_copy (spec);
  source->stream = g_strdup (stream);
  source->retry_ms = RETRY_MIN_MS;
  source->made_us = base_clock_now_us ();
  source->done = done;
  source->done_data = done_data;
  g_hash_table_replace (self->sources, source->stream, source);
  return source;
}

static void
tell_opened (Source *source, const EgressMountpointPorts *ports,
             const RelayStreamInfo *info)
{
  EgressMountpointOpened done = g_steal_pointer (&source->done);
  gpointer done_data = source->done_data;

  if (source->is_probe)
    g_hash_table_remove (source->self->sources, source->stream);
  if (done)
    done (ports, info, NULL, done_data);
}

/* tell_failed: @source is gone then */
static void
tell_failed (Source *source, const char *text)
{
  EgressMountpointOpened done = g_steal_pointer (&source->done);
  gpointer done_data = source->done_data;
  g_autoptr (GError) error = g_error_new_literal (
      EGRESS_STREAMING_ERROR, EGRESS_STREAMING_CANT_CREATE, text);

  g_hash_table_remove (source->self->sources, source->stream);
  if (done)
    done (NULL, NULL, error, done_data);
}

/* --- plain RTP ---------------------------------------------------------- */

/* Ports of the pool, given back when the sockets that have them are closed:
 * until then they would look like another program's. */
typedef struct
{
  RelayPortPool *pool; /* one reference */
  guint ports[4];
  guint n_ports;
} Lease;

static void
lease_free (gpointer data)
{
  Lease *lease = data;

  for (guint i = 0; i < lease->n_ports; i++)
    relay_port_pool_give_back (lease->pool, lease->ports[i]);
  relay_port_pool_free (lease->pool);
  g_free (lease);
}

/* What the ports of one rendition will be. */
typedef struct
{
  WhipRtpConfig config; /* its name is owned */
  Lease *lease;         /* owned until an input has it */
} Plan;

static void
plan_clear (Plan *plan)
{
  g_clear_pointer (&plan->lease, lease_free);
  g_free (plan->config.name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Plan, plan_clear)

static const char *
media_noun (const Source *source, RtcMediaKind kind)
{
  if (!source->spec->is_old_form)
    return "data source";
  return kind == RTC_MEDIA_VIDEO ? "video source" : "audio source";
}

static char *
dup_busy_text (const Source *source, RtcMediaKind kind)
{
  return g_strdup_printf ("Can't add 'rtp' stream, error creating %s stream",
                          media_noun (source, kind));
}

/* can_bind: asked without the mountpoint's interface, which may be the one
 * that is wrong */
static gboolean
can_bind (guint port)
{
  RtcUdpPlace place;
  int fd = rtc_udp_place_parse (NULL, NULL, port, &place, NULL)
               ? rtc_udp_place_open (&place)
               : -1;

  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

/* take_free_port: Returns: one of the pool that nobody else holds; 0 = none */
static guint
take_free_port (RelayPortPool *ports)
{
  gint64 now_us = base_clock_now_us ();

  for (guint i = 0; i < NODE_MOUNTPOINT_PORT_TRIES; i++)
    {
      guint port = relay_port_pool_take (ports, now_us);

      if (port == 0 || can_bind (port))
        return port;
      relay_port_pool_mark_taken (ports, port, now_us);
    }
  return 0;
}

/* take_port: @port itself, or one of the pool where it is 0 */
static gboolean
take_port (Source *source, Plan *plan, guint port, guint *ret)
{
  *ret = port;
  if (port != 0)
    return TRUE;
  *ret = take_free_port (source->self->ports);
  if (*ret == 0)
    return FALSE;
  plan->lease->ports[plan->lease->n_ports++] = *ret;
  return TRUE;
}

/* plan_track: Returns: (transfer full) (nullable): why it cannot be */
static char *
plan_track (Source *source, Plan *plan, RtcMediaKind kind, guint rendition)
{
  const EgressMountpointMedia *media = &source->spec->media[kind];
  WhipRtpTrack *track = &plan->config.tracks[kind];
  guint port = 0;

  track->info.is_present = TRUE;
  track->info.codec = media->codec;
  track->info.channels = media->codec == RTC_CODEC_OPUS ? 2 : 0;
  if (media->fmtp)
    g_strlcpy (track->info.fmtp, media->fmtp, sizeof track->info.fmtp);
  /* Janus looks at no payload type: encoders send what they like */
  track->pt = WHIP_FEEDER_ANY_PT;
  if (!take_port (source, plan, media->ports[rendition], &port))
    return dup_busy_text (source, kind);
  if (!rtc_udp_place_parse (media->mcast, media->iface, port, &track->place,
                            NULL))
    return g_strdup_printf ("Invalid network interface configuration for %s",
                            !source->spec->is_old_form ? "media stream"
                            : kind == RTC_MEDIA_VIDEO  ? "video"
                                                       : "audio");
  track->has_rtcp = media->rtcp_port >= 0 && rendition + 1 == media->n_ports;
  if (track->has_rtcp
      && !take_port (source, plan, (guint)media->rtcp_port, &track->rtcp_port))
    return dup_busy_text (source, kind);
  return NULL;
}

/* plan_rendition: Returns: (transfer full) (nullable): why it cannot be */
static char *
plan_rendition (Source *source, Plan *plan, guint rendition, guint n)
{
  const EgressMountpointSpec *spec = source->spec;
  char *why = NULL;

  plan->config.name =
      egress_mountpoint_rendition_name (source->stream, rendition, n);
  plan->config.capture_time_id = (guint8)spec->capture_time_id;
  plan->config.collision_us = (gint64)spec->collision_ms * 1000;
  if (spec->srtp_crypto
      && !whip_rtp_config_set_srtp (&plan->config, spec->srtp_suite,
                                    spec->srtp_crypto))
    return g_strdup ("Error creating 'rtp' stream");
  /* the sound goes with the best */
  if (rendition + 1 == n && spec->media[RTC_MEDIA_AUDIO].is_present)
    why = plan_track (source, plan, RTC_MEDIA_AUDIO, 0);
  if (!why && spec->media[RTC_MEDIA_VIDEO].is_present)
    why = plan_track (source, plan, RTC_MEDIA_VIDEO, rendition);
  return why;
}

/* open_rendition: Returns: (transfer full) (nullable): why it cannot be */
static char *
open_rendition (Source *source, guint rendition, guint n)
{
  g_auto (Plan) plan = { .lease = g_new0 (Lease, 1) };
  g_autoptr (GError) error = NULL;
  char *why;

  plan.lease->pool = relay_port_pool_ref (source->self->ports);
  why = plan_rendition (source, &plan, rendition, n);
  if (!why)
    {
      plan.config.closed = lease_free;
      plan.config.closed_data = g_steal_pointer (&plan.lease);
      plan.config.closed_discard = lease_free;
      source->inputs[rendition] =
          whip_rtp_input_new (source->self->hub, &plan.config, &error);
    }
  if (source->inputs[rendition])
    return NULL;
  if (error)
    GST_INFO ("mountpoint=%s source: %s", source->spec->id, error->message);
  return why ? why
             : dup_busy_text (source,
                              source->spec->media[RTC_MEDIA_VIDEO].is_present
                                  ? RTC_MEDIA_VIDEO
                                  : RTC_MEDIA_AUDIO);
}

static void
fill_ports (Source *source, guint n, EgressMountpointPorts *ret)
{
  for (guint i = 0; i < n; i++)
    {
      ret->ports[RTC_MEDIA_VIDEO][i] =
          whip_rtp_input_get_port (source->inputs[i], RTC_MEDIA_VIDEO);
      ret->rtcp_ports[RTC_MEDIA_VIDEO] =
          whip_rtp_input_get_rtcp_port (source->inputs[i], RTC_MEDIA_VIDEO);
    }
  ret->ports[RTC_MEDIA_AUDIO][0] =
      whip_rtp_input_get_port (source->inputs[n - 1], RTC_MEDIA_AUDIO);
  ret->rtcp_ports[RTC_MEDIA_AUDIO] =
      whip_rtp_input_get_rtcp_port (source->inputs[n - 1], RTC_MEDIA_AUDIO);
}

static void
open_rtp (Source *source)
{
  const EgressMountpointMedia *video = &source->spec->media[RTC_MEDIA_VIDEO];
  guint n = video->is_present ? video->n_ports : 1;
  EgressMountpointPorts ports = { 0 };

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *why = open_rendition (source, i, n);

      if (why)
        {
          tell_failed (source, why);
          return;
        }
    }
  if (!source->spec->is_enabled)
    node_mountpoint_sources_set_enabled (source->self, source->stream, FALSE);
  fill_ports (source, n, &ports);
  tell_opened (source, &ports, NULL);
}

/* --- GStreamer's -------------------------------------------------------- */

static void open_media (Source *source);

static gboolean
on_retry (gpointer data)
{
  Source *source = data;

  source->retry_id = 0;
  open_media (source);
  return G_SOURCE_REMOVE;
}

/* A file that is not there is told in Janus's words; found out off the main
 * thread. */
static void
on_file_looked (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GFileInfo) info =
      g_file_query_info_finish (G_FILE (object), result, &error);
  g_autofree char *text = NULL;
  Source *source = data;
  const char *type;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_object (&source->looking);
  type = source->spec->kind == EGRESS_MOUNTPOINT_LIVE ? "live" : "ondemand";
  text =
      info ? g_strdup_printf ("Can't add '%s' stream, unsupported format", type)
           : g_strdup_printf ("Can't add '%s' stream, no such file '%s'\n",
                              type, source->spec->filename);
  tell_failed (source, text);
}

static void
look_for_file (Source *source)
{
  g_autoptr (GFile) file = g_file_new_for_path (source->spec->filename);

  source->looking = g_cancellable_new ();
  g_file_query_info_async (file, G_FILE_ATTRIBUTE_STANDARD_TYPE,
                           G_FILE_QUERY_INFO_NONE, G_PRIORITY_DEFAULT,
                           source->looking, on_file_looked, source);
}

static void
on_media_failed (Source *source, const GError *error)
{
  gboolean is_rtsp = source->spec->kind == EGRESS_MOUNTPOINT_RTSP;

  GST_INFO ("mountpoint=%s source: %s", source->spec->id, error->message);
  if (g_error_matches (error, WHIP_MEDIA_INPUT_ERROR,
                       WHIP_MEDIA_INPUT_ERROR_OPEN)
      && !is_rtsp)
    {
      look_for_file (source);
      return;
    }
  if (is_rtsp && !source->spec->rtsp_check)
    {
      source->retry_id = g_timeout_add (source->retry_ms, on_retry, source);
      source->retry_ms = MIN (2 * source->retry_ms, RETRY_MAX_MS);
      tell_opened (source, &(EgressMountpointPorts){ 0 }, NULL);
      return;
    }
  if (is_rtsp)
    tell_failed (source, "Error creating 'RTSP' stream");
  else
    {
      g_autofree char *text =
          g_strdup_printf ("Can't add the stream: %s", error->message);
      tell_failed (source, text);
    }
}

static void
on_media_opened (WhipMediaInput *input, const RelayStreamInfo *info,
                 const GError *error, gpointer data)
{
  Source *source = data;
  RelayStreamInfo copy;

  if (error)
    {
      g_clear_pointer (&source->media, whip_media_input_free);
      on_media_failed (source, error);
      return;
    }
  copy = *info; /* a probe's input goes first */
  tell_opened (source, &(EgressMountpointPorts){ 0 }, &copy);
}

static void
open_media (Source *source)
{
  const EgressMountpointSpec *spec = source->spec;
  WhipMediaInputConfig config = {
    .name = source->stream,
    .kind = spec->kind == EGRESS_MOUNTPOINT_RTSP   ? WHIP_MEDIA_RTSP
            : spec->kind == EGRESS_MOUNTPOINT_LIVE ? WHIP_MEDIA_FILE_LOOP
                                                   : WHIP_MEDIA_FILE_ONCE,
    .source = spec->kind == EGRESS_MOUNTPOINT_RTSP ? spec->url : spec->filename,
    .user = spec->rtsp_user,
    .password = spec->rtsp_password,
  };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    config.wants[i] = spec->media[i].is_present;
  source->media = whip_media_input_new (source->self->hub, &config,
                                        on_media_opened, source, &error);
  if (!source->media)
    on_media_failed (source, error);
  else if (!spec->is_enabled)
    whip_media_input_set_enabled (source->media, FALSE);
}

/* --- opening, closing, asking ------------------------------------------- */

void
node_mountpoint_sources_open (NodeMountpointSources *self,
                              const EgressMountpointSpec *spec,
                              EgressMountpointOpened done, gpointer done_data)
{
  g_autofree char *probe = NULL;
  Source *source;

  if (spec->kind != EGRESS_MOUNTPOINT_ONDEMAND)
    {
      source = add_source (self, spec, spec->id, done, done_data);
      if (spec->kind == EGRESS_MOUNTPOINT_RTP)
        open_rtp (source);
      else
        open_media (source);
      return;
    }
  probe = g_strdup_printf ("%.40s~probe-%08x", spec->id, g_random_int ());
  source = add_source (self, spec, probe, done, done_data);
  source->is_probe = TRUE;
  open_media (source);
}

void
node_mountpoint_sources_open_private (NodeMountpointSources *self,
                                      const EgressMountpointSpec *spec,
                                      const char *stream,
                                      EgressMountpointOpened done,
                                      gpointer done_data)
{
  open_media (add_source (self, spec, stream, done, done_data));
}

void
node_mountpoint_sources_close (NodeMountpointSources *self, const char *stream)
{
  g_hash_table_remove (self->sources, stream);
}

void
node_mountpoint_sources_set_enabled (NodeMountpointSources *self,
                                     const char *stream, gboolean is_enabled)
{
  Source *source = g_hash_table_lookup (self->sources, stream);

  if (!source)
    return;
  source->spec->is_enabled = is_enabled;
  for (guint i = 0; i < EGRESS_MAX_RENDITIONS; i++)
    if (source->inputs[i])
      whip_feeder_set_enabled (whip_rtp_input_get_feeder (source->inputs[i]),
                               is_enabled);
  if (source->media)
    whip_media_input_set_enabled (source->media, is_enabled);
}

/* the youngest rendition's */
static gboolean
get_rtp_age (Source *source, RtcMediaKind kind, gint64 now_us,
             gint64 *ret_age_us)
{
  gboolean has_any = FALSE;

  for (guint i = 0; i < EGRESS_MAX_RENDITIONS; i++)
    {
      gint64 age_us;

      if (!source->inputs[i]
          || !whip_feeder_get_age (
              whip_rtp_input_get_feeder (source->inputs[i]), kind, now_us,
              &age_us))
        continue;
      *ret_age_us = has_any ? MIN (*ret_age_us, age_us) : age_us;
      has_any = TRUE;
    }
  return has_any;
}

gboolean
node_mountpoint_sources_get_age (NodeMountpointSources *self,
                                 const char *stream, RtcMediaKind kind,
                                 gint64 *ret_age_us)
{
  Source *source = g_hash_table_lookup (self->sources, stream);
  gint64 now_us = base_clock_now_us ();

  gboolean has_come;

  if (!source)
    return FALSE;
  has_come = source->media ? whip_media_input_get_age (source->media, kind,
                                                       now_us, ret_age_us)
                           : get_rtp_age (source, kind, now_us, ret_age_us);
  if (!has_come) /* as Janus has it */
    *ret_age_us = now_us - source->made_us;
  return TRUE;
}

JsonNode *
node_mountpoint_sources_describe (NodeMountpointSources *self)
{
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);
  JsonArray *array = json_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->sources);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Source *source = value;

      for (guint i = 0; i < EGRESS_MAX_RENDITIONS; i++)
        if (source->inputs[i])
          json_array_add_element (array,
                                  whip_rtp_input_describe (source->inputs[i]));
      if (source->media)
        json_array_add_element (array,
                                whip_media_input_describe (source->media));
    }
  json_node_take_array (node, array);
  return node;
}
