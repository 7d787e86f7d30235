/* SPDX-License-Identifier: Apache-2.0 */
/* EgressMountpoint: one of EgressMountpoints: its streams and its viewers. */
#include "egress/mountpoint-private.h"

#include "egress/log.h"

#define OPUS_CHANNELS 2

typedef struct
{
  const EgressMountpointViewerFuncs *funcs; /* borrowed, static */
  gpointer viewer;
} Watcher;

static const EgressMountpointsConfig *
get_config (EgressMountpoint *self)
{
  return egress_mountpoints_get_config (self->registry);
}

/* --- media -------------------------------------------------------------- */

gboolean
egress_mountpoint_spec_get_info (const EgressMountpointSpec *spec,
                                 RelayStreamInfo *ret)
{
  RelayStreamInfo info = { 0 };
  gboolean has_any = FALSE;

  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    {
      const EgressMountpointMedia *media = &spec->media[i];
      RelayTrackInfo *track = &info.tracks[i];

      if (!media->is_present)
        continue;
      if (media->codec == RTC_CODEC_NONE)
        return FALSE;
      has_any = track->is_present = TRUE;
      track->codec = media->codec;
      track->channels = media->codec == RTC_CODEC_OPUS ? OPUS_CHANNELS : 0;
      if (media->fmtp != NULL)
        g_strlcpy (track->fmtp, media->fmtp, sizeof track->fmtp);
    }
  if (has_any)
    *ret = info;
  return has_any;
}

void
egress_mountpoint_spec_learn (EgressMountpointSpec *spec,
                              const RelayStreamInfo *info)
{
  guint n = 0;

  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    {
      EgressMountpointMedia *media = &spec->media[i];
      const RelayTrackInfo *track = &info->tracks[i];

      media->is_present = track->is_present;
      if (!track->is_present)
        continue;
      media->index = n++;
      media->codec = track->codec;
      if (media->fmtp == NULL && track->fmtp[0] != '\0')
        media->fmtp = g_strdup (track->fmtp);
    }
}

EgressMountpointSpec *
egress_mountpoint_spec_of_stream (const char *id, const char *stream,
                                  const RelayStreamInfo *info)
{
  EgressMountpointSpec *spec = g_new0 (EgressMountpointSpec, 1);

  spec->kind = EGRESS_MOUNTPOINT_STREAM;
  spec->id = g_strdup (id);
  spec->name = g_strdup (stream);
  spec->description = g_strdup (stream);
  spec->is_enabled = TRUE;
  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    {
      EgressMountpointMedia *media = &spec->media[i];
      media->pt = media->rtcp_port = -1;
      media->n_ports = 1;
      media->mid = g_strdup (i == RTC_MEDIA_VIDEO ? "v" : "a");
      media->label = g_strdup (i == RTC_MEDIA_VIDEO ? "video" : "audio");
    }
  egress_mountpoint_spec_learn (spec, info);
  return spec;
}

/* --- life --------------------------------------------------------------- */

EgressMountpoint *
egress_mountpoint_new (EgressMountpoints *registry, EgressMountpointSpec *spec,
                       gboolean is_ours, const EgressMountpointPorts *ports,
                       const RelayStreamInfo *info)
{
  EgressMountpoint *self = g_new0 (EgressMountpoint, 1);

  g_ref_count_init (&self->n_refs);
  self->registry = registry;
  self->spec = spec;
  self->is_ours = is_ours;
  if (ports != NULL)
    self->ports = *ports;
  if (info != NULL)
    self->info = *info;
  self->has_info = info != NULL;
  self->viewers = g_array_new (FALSE, FALSE, sizeof (Watcher));
  return self;
}

EgressMountpoint *
egress_mountpoint_ref (EgressMountpoint *self)
{
  g_ref_count_inc (&self->n_refs);
  return self;
}

static void
let_go (EgressMountpoint *self)
{
  for (guint i = 0; i < EGRESS_MAX_RENDITIONS; i++)
    if (self->held[i] != NULL)
      {
        relay_stream_unhold (self->held[i]);
        g_clear_pointer (&self->held[i], relay_stream_unref);
      }
}

void
egress_mountpoint_unref (EgressMountpoint *self)
{
  if (!g_ref_count_dec (&self->n_refs))
    return;
  let_go (self);
  egress_mountpoint_spec_free (self->spec);
  g_array_unref (self->viewers);
  g_free (self);
}

void
egress_mountpoint_detach (EgressMountpoint *self)
{
  let_go (self);
  self->registry = NULL;
}

void
egress_mountpoint_set_spec (EgressMountpoint *self, EgressMountpointSpec *spec)
{
  egress_mountpoint_spec_free (self->spec);
  self->spec = spec;
}

gboolean
egress_mountpoint_check_ours (EgressMountpoint *self, GError **error)
{
  if (self->registry != NULL && self->is_ours)
    return TRUE;
  if (self->registry == NULL)
    g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_NO_SUCH,
                 "No such mountpoint/stream %s", self->spec->id);
  else if (self->spec->kind == EGRESS_MOUNTPOINT_STREAM)
    g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_INVALID_STATE,
                 "%s is a stream that somebody publishes; nobody created it",
                 self->spec->id);
  else
    g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_INVALID_STATE,
                 "Mountpoint %s was made at node %s: ask there", self->spec->id,
                 self->spec->node_id != NULL ? self->spec->node_id : "?");
  return FALSE;
}

/* --- asking ------------------------------------------------------------- */

const EgressMountpointSpec *
egress_mountpoint_get_spec (EgressMountpoint *self)
{
  return self->spec;
}

EgressMountpointSpec *
egress_mountpoint_edit (EgressMountpoint *self, GError **error)
{
  return egress_mountpoint_check_ours (self, error) ? self->spec : NULL;
}

const EgressMountpointPorts *
egress_mountpoint_get_ports (EgressMountpoint *self)
{
  return &self->ports;
}

const char *
egress_mountpoint_get_stream (EgressMountpoint *self)
{
  /* a created one's stream is called as its id */
  return self->spec->kind == EGRESS_MOUNTPOINT_STREAM ? self->spec->name
                                                      : self->spec->id;
}

gboolean
egress_mountpoint_get_info (EgressMountpoint *self, RelayStreamInfo *ret)
{
  RelayStream *stream = NULL;
  RelayStreamInfo own, carried;
  gboolean has_own = egress_mountpoint_spec_get_info (self->spec, &own);
  gboolean is_told = has_own && self->spec->kind == EGRESS_MOUNTPOINT_RTP;
  gboolean has_carried;

  if (self->registry != NULL)
    stream = relay_hub_lookup (get_config (self)->hub,
                               egress_mountpoint_get_stream (self));
  has_carried = stream != NULL && relay_stream_get_info (stream, &carried);
  /* What lingers may be of another mountpoint that had this id before. */
  for (guint k = 0; is_told && has_carried && k < RTC_MEDIA_N_KINDS; k++)
    if (carried.tracks[k].is_present != own.tracks[k].is_present
        || carried.tracks[k].codec != own.tracks[k].codec)
      has_carried = FALSE;
  if (has_carried)
    *ret = carried;
  else if (self->has_info)
    *ret = self->info;
  else if (has_own)
    *ret = own;
  return has_carried || self->has_info || has_own;
}

gboolean
egress_mountpoint_get_age (EgressMountpoint *self, RtcMediaKind kind,
                           gint64 *ret_age_us)
{
  const EgressMountpointHooks *hooks;

  if (self->registry == NULL)
    return FALSE;
  hooks = &get_config (self)->hooks;
  return hooks->get_age (egress_mountpoint_get_stream (self), kind, ret_age_us,
                         hooks->data);
}

/* --- streams ------------------------------------------------------------ */

/* hold: a stream that nobody publishes yet, here or at the node that made the
 * mountpoint: it is there for who waits, until the last of them goes */
static RelayStream *
hold (EgressMountpoint *self, const char *name, guint index, GError **error)
{
  g_autoptr (GError) why = NULL;
  RelayStream *stream = relay_hub_ensure (get_config (self)->hub, name, &why);

  if (stream == NULL)
    {
      g_set_error_literal (error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_CANNOT,
                           why->message);
      return NULL;
    }
  if (self->held[index] == stream)
    return stream;
  if (self->held[index] != NULL)
    {
      relay_stream_unhold (self->held[index]);
      relay_stream_unref (self->held[index]);
    }
  self->held[index] = relay_stream_ref (stream);
  relay_stream_hold (stream);
  return stream;
}

static RelayStream *
find_stream (EgressMountpoint *self, const char *name, guint index,
             GError **error)
{
  EgressGate *gate = get_config (self)->gate;
  g_autoptr (GError) why = NULL;
  RelayStream *stream = egress_gate_find (gate, name, &why);

  if (stream != NULL)
    return stream;
  if (self->spec->kind != EGRESS_MOUNTPOINT_STREAM
      && g_error_matches (why, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_NOT_LIVE))
    return hold (self, name, index, error);
  g_propagate_error (error, g_steal_pointer (&why));
  return NULL;
}

/* find_best: that of the mountpoint's name, within the limits */
static RelayStream *
find_best (EgressMountpoint *self, guint index, gboolean is_new_viewer,
           GError **error)
{
  EgressGate *gate = get_config (self)->gate;
  const char *name = egress_mountpoint_get_stream (self);
  RelayStream *stream;

  if (!is_new_viewer)
    return find_stream (self, name, index, error);
  if (self->spec->kind == EGRESS_MOUNTPOINT_STREAM)
    return egress_gate_want (gate, name, error);
  if (!egress_gate_check (gate, NULL, error))
    return NULL;
  stream = find_stream (self, name, index, error);
  return stream != NULL && egress_gate_check (gate, stream, error) ? stream
                                                                   : NULL;
}

static gboolean
find_sources (EgressMountpoint *self, gboolean is_new_viewer,
              EgressSources *ret, GError **error)
{
  const EgressMountpointMedia *video = &self->spec->media[RTC_MEDIA_VIDEO];
  guint n = video->is_present ? video->n_ports : 1;
  EgressSources sources = { 0 };

  if (self->registry == NULL || self->spec->kind == EGRESS_MOUNTPOINT_ONDEMAND)
    {
      g_set_error (error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_NOT_LIVE,
                   self->registry == NULL
                       ? "\"%s\" is gone."
                       : "\"%s\" has a stream for each viewer.",
                   self->spec->id);
      return FALSE;
    }
  sources.video[n - 1] = find_best (self, n - 1, is_new_viewer, error);
  if (sources.video[n - 1] == NULL)
    return FALSE;
  if (self->spec->media[RTC_MEDIA_AUDIO].is_present)
    sources.audio = sources.video[n - 1];
  for (guint i = 0; i + 1 < n; i++)
    {
      g_autofree char *name = egress_mountpoint_rendition_name (
          egress_mountpoint_get_stream (self), i, n);
      sources.video[i] = find_stream (self, name, i, error);
      if (sources.video[i] == NULL)
        return FALSE;
    }
  sources.n_video = n;
  if (!video->is_present)
    {
      sources.n_video = 0;
      sources.video[0] = NULL;
    }
  *ret = sources;
  return TRUE;
}

gboolean
egress_mountpoint_get_sources (EgressMountpoint *self, gboolean is_new_viewer,
                               EgressSources *ret, GError **error)
{
  if (find_sources (self, is_new_viewer, ret, error))
    return TRUE;
  if (self->viewers->len == 0)
    let_go (self); /* nobody came in who would */
  return FALSE;
}

/* --- viewers ------------------------------------------------------------ */

void
egress_mountpoint_add_viewer (EgressMountpoint *self,
                              const EgressMountpointViewerFuncs *funcs,
                              gpointer viewer)
{
  Watcher watcher = { funcs, viewer };

  g_array_append_val (self->viewers, watcher);
}

void
egress_mountpoint_remove_viewer (EgressMountpoint *self, gpointer viewer)
{
  for (guint i = 0; i < self->viewers->len; i++)
    if (g_array_index (self->viewers, Watcher, i).viewer == viewer)
      {
        g_array_remove_index_fast (self->viewers, i);
        break;
      }
  if (self->viewers->len == 0)
    let_go (self);
}

guint
egress_mountpoint_get_n_viewers (EgressMountpoint *self)
{
  return self->viewers->len;
}

static gboolean
is_watching (EgressMountpoint *self, gpointer viewer)
{
  for (guint i = 0; i < self->viewers->len; i++)
    if (g_array_index (self->viewers, Watcher, i).viewer == viewer)
      return TRUE;
  return FALSE;
}

/* tell: those who are there now, each once; one of them may make others go */
static void
tell (EgressMountpoint *self, gboolean is_gone)
{
  g_autoptr (GArray) told = g_array_copy (self->viewers);

  egress_mountpoint_ref (self);
  for (guint i = 0; i < told->len; i++)
    {
      Watcher *watcher = &g_array_index (told, Watcher, i);
      if (!is_watching (self, watcher->viewer))
        continue;
      if (is_gone)
        watcher->funcs->on_gone (watcher->viewer);
      else
        watcher->funcs->on_kicked (watcher->viewer);
    }
  egress_mountpoint_unref (self);
}

void
egress_mountpoint_kick_all (EgressMountpoint *self)
{
  tell (self, FALSE);
}

void
egress_mountpoint_end (EgressMountpoint *self)
{
  tell (self, TRUE);
  egress_mountpoint_detach (self);
}

/* --- /debug/state ------------------------------------------------------- */

JsonObject *
egress_mountpoint_describe (EgressMountpoint *self)
{
  static const char *const kinds[] = { "stream", "rtp", "rtsp", "live",
                                       "ondemand" };
  const EgressMountpointSpec *spec = self->spec;
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "id", spec->id);
  json_object_set_string_member (object, "type", kinds[spec->kind]);
  json_object_set_boolean_member (object, "ours", self->is_ours);
  if (spec->node_id != NULL)
    json_object_set_string_member (object, "node", spec->node_id);
  json_object_set_boolean_member (object, "enabled", spec->is_enabled);
  json_object_set_boolean_member (object, "permanent", spec->is_permanent);
  json_object_set_boolean_member (object, "pin", spec->pin != NULL);
  json_object_set_int_member (object, "viewers", self->viewers->len);
  return object;
}
