/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming-recording: the verb `recording` (J44): which media of a
 * mountpoint go into which files, and when these end. Media that are given the
 * same filename share a file; it is finished when one of them is stopped.
 */
#include "egress/streaming-private.h"

#include <string.h>

#include "egress/log.h"

/* One `recording` request on its way; answered when the last file has said how
 * it went. */
typedef struct
{
  EgressStreamingAnswer *answer; /* owned */
  guint n_waiting;
  GError *error; /* owned, nullable: the first */
} Job;

struct _EgressStreamingRecording
{
  EgressStreaming *streaming; /* borrowed */
  EgressRecording *recording; /* owned */
  Job *job;                   /* borrowed, nullable: the start */
  char *mountpoint_id;        /* owned */
  char *stream;               /* owned: its name */
  char *name;                 /* owned: of the file */
  gboolean has[RTC_MEDIA_N_KINDS];
};

void
egress_streaming_recording_free (EgressStreamingRecording *self)
{
  g_free (self->mountpoint_id);
  g_free (self->stream);
  g_free (self->name);
  g_free (self);
}

/* --- jobs --------------------------------------------------------------- */

static Job *
job_new (EgressStreamingAnswer **answer)
{
  Job *job = g_new0 (Job, 1);

  job->answer = g_steal_pointer (answer);
  job->n_waiting = 1; /* job_begun() */
  return job;
}

static void
job_done (Job *self, const GError *error)
{
  if (error != NULL && self->error == NULL)
    self->error =
        g_error_new (EGRESS_STREAMING_ERROR, EGRESS_STREAMING_CANT_RECORD,
                     "Error in recorder: %s", error->message);
  if (--self->n_waiting > 0)
    return;
  if (self->error != NULL)
    egress_streaming_answer_error (self->answer, self->error);
  else
    egress_streaming_answer (self->answer, egress_streaming_object ("ok"));
  g_clear_error (&self->error);
  g_free (self);
}

/* all that there is to wait for has been asked */
static void
job_begun (Job *self)
{
  job_done (self, NULL);
}

static void
on_finished (const GError *error, gpointer data)
{
  if (error != NULL)
    GST_WARNING ("a recording was not finished: %s", error->message);
  if (data != NULL)
    job_done (data, error);
}

/* --- files -------------------------------------------------------------- */

static EgressStreamingRecording *
find_recording (EgressStreaming *self, const char *id, RtcMediaKind kind)
{
  for (guint i = 0; i < self->recordings->len; i++)
    {
      EgressStreamingRecording *found = self->recordings->pdata[i];

      if (found->has[kind] && strcmp (found->mountpoint_id, id) == 0)
        return found;
    }
  return NULL;
}

const char *
egress_streaming_recording_name (EgressStreaming *self, const char *id,
                                 RtcMediaKind kind)
{
  EgressStreamingRecording *found = find_recording (self, id, kind);

  return found != NULL ? found->name : NULL;
}

/* @job: (nullable): waits for the end of the file */
static void
stop_recording (EgressStreamingRecording *recording, Job *job)
{
  EgressRecording *inner = g_steal_pointer (&recording->recording);
  Job *starting = g_steal_pointer (&recording->job);
  g_autoptr (GError) stopped = NULL;

  if (job != NULL)
    job->n_waiting++;
  g_ptr_array_remove_fast (recording->streaming->recordings, recording);
  if (starting != NULL)
    {
      stopped = g_error_new_literal (EGRESS_STREAMING_ERROR,
                                     EGRESS_STREAMING_CANT_RECORD,
                                     "it was stopped before it began");
      job_done (starting, stopped);
    }
  egress_recording_stop (inner, on_finished, job);
}

static void
on_started (EgressRecording *inner, const GError *error, gpointer data)
{
  EgressStreamingRecording *self = data;
  Job *job = g_steal_pointer (&self->job);

  if (error != NULL)
    g_ptr_array_remove_fast (self->streaming->recordings, self);
  if (job != NULL)
    job_done (job, error);
}

static void
on_ended (EgressRecording *inner, const GError *error, gpointer data)
{
  EgressStreamingRecording *self = data;

  GST_WARNING ("mountpoint=%s recording %s ended: %s", self->mountpoint_id,
               self->name,
               error != NULL ? error->message : "no more to record");
  g_ptr_array_remove_fast (self->streaming->recordings, self);
}

static const EgressRecordingCallbacks recording_callbacks = {
  .on_started = on_started, .on_ended = on_ended
};

static void
start_recording (EgressStreaming *self, EgressMountpoint *mountpoint,
                 const EgressSources *sources, const char *path,
                 const gboolean *has, Job *job)
{
  EgressStreamingRecording *recording = g_new0 (EgressStreamingRecording, 1);
  RelayStream *picture =
      sources->n_video > 0 ? sources->video[sources->n_video - 1] : NULL;

  recording->streaming = self;
  recording->job = job;
  recording->mountpoint_id =
      g_strdup (egress_mountpoint_get_spec (mountpoint)->id);
  recording->stream = g_strdup (egress_mountpoint_get_stream (mountpoint));
  recording->name = g_path_get_basename (path);
  memcpy (recording->has, has, sizeof recording->has);
  job->n_waiting++;
  g_ptr_array_add (self->recordings, recording);
  recording->recording =
      egress_recording_new (has[RTC_MEDIA_AUDIO] ? sources->audio : NULL,
                            has[RTC_MEDIA_VIDEO] ? picture : NULL, path,
                            &recording_callbacks, recording);
}

/* --- what is asked for -------------------------------------------------- */

static gboolean
fail (GError **error, EgressStreamingCode code, const char *text)
{
  g_set_error_literal (error, EGRESS_STREAMING_ERROR, code, text);
  return FALSE;
}

/* the medium of @spec that is called @mid */
static gboolean
find_kind (const EgressMountpointSpec *spec, const char *mid, RtcMediaKind *ret,
           GError **error)
{
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    if (spec->media[kind].is_present
        && g_ascii_strcasecmp (spec->media[kind].mid, mid) == 0)
      {
        *ret = kind;
        return TRUE;
      }
  g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_INVALID_ELEMENT,
               "No such mid '%s' in mountpoint %s", mid, spec->id);
  return FALSE;
}

/* read_media: the `media` form; @params: of one item.
 * @ret_names: borrowed from @list, "" where the item names no file */
static gboolean
read_media (const EgressMountpointSpec *spec, JsonArray *list,
            const EgressJanusParam *params, guint n_params,
            const char **ret_names, GError **error)
{
  guint n = json_array_get_length (list);

  if (n > EGRESS_STREAMING_MAX_MEDIA)
    return fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
                 "Invalid value (media can't have more than 16 entries)");
  for (guint i = 0; i < n; i++)
    {
      JsonNode *node = json_array_get_element (list, i);
      JsonObject *item;
      const char *name;
      RtcMediaKind kind;

      if (!JSON_NODE_HOLDS_OBJECT (node))
        return fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
                     "The media array must only contain objects");
      item = json_node_get_object (node);
      if (!egress_streaming_check (item, params, n_params, error)
          || !find_kind (spec, egress_janus_get_string (item, "mid"), &kind,
                         error))
        return FALSE;
      name = egress_janus_get_string (item, "filename");
      ret_names[kind] = name != NULL ? name : "";
    }
  return TRUE;
}

static gboolean
check_any (const char *const *names, const char *text, GError **error)
{
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    if (names[kind] != NULL)
      return TRUE;
  return fail (error, EGRESS_STREAMING_INVALID_REQUEST, text);
}

static gboolean
read_start (const EgressMountpointSpec *spec, JsonObject *body,
            const char **ret_names, GError **error)
{
  static const EgressJanusParam params[] = {
    { "media", EGRESS_JANUS_ARRAY, FALSE },
    { "audio", EGRESS_JANUS_STRING, FALSE },
    { "video", EGRESS_JANUS_STRING, FALSE },
    { "data", EGRESS_JANUS_STRING, FALSE }
  };
  static const EgressJanusParam item[] = { { "mid", EGRESS_JANUS_STRING, TRUE },
                                           { "filename", EGRESS_JANUS_STRING,
                                             TRUE } };

  if (!egress_streaming_check (body, params, G_N_ELEMENTS (params), error))
    return FALSE;
  if (json_object_has_member (body, "media"))
    {
      if (!read_media (spec, json_object_get_array_member (body, "media"), item,
                       G_N_ELEMENTS (item), ret_names, error))
        return FALSE;
    }
  else
    for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
      if (spec->media[kind].is_present)
        ret_names[kind] =
            egress_janus_get_string (body, egress_streaming_kind_names[kind]);
  return check_any (ret_names, "Missing audio, video and/or data", error);
}

static gboolean
read_stop (const EgressMountpointSpec *spec, JsonObject *body,
           const char **ret_names, GError **error)
{
  static const EgressJanusParam params[] = {
    { "media", EGRESS_JANUS_ARRAY, FALSE },
    { "audio", EGRESS_JANUS_BOOLEAN, FALSE },
    { "video", EGRESS_JANUS_BOOLEAN, FALSE },
    { "data", EGRESS_JANUS_BOOLEAN, FALSE }
  };
  static const EgressJanusParam item[] = { { "mid", EGRESS_JANUS_STRING,
                                             TRUE } };
  gboolean is_named = FALSE;

  if (!egress_streaming_check (body, params, G_N_ELEMENTS (params), error))
    return FALSE;
  if (json_object_has_member (body, "media"))
    return read_media (spec, json_object_get_array_member (body, "media"), item,
                       G_N_ELEMENTS (item), ret_names, error);
  for (guint i = 1; i < G_N_ELEMENTS (params); i++)
    is_named = is_named || json_object_has_member (body, params[i].name);
  if (!is_named)
    return fail (error, EGRESS_STREAMING_INVALID_REQUEST,
                 "Missing audio, video and or data");
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    if (egress_janus_get_bool (body, egress_streaming_kind_names[kind], FALSE))
      ret_names[kind] = "";
  return TRUE;
}

/* --- start, stop -------------------------------------------------------- */

/* Janus's clients name files with their whole path. */
static char *
make_path (const char *dir, const char *name)
{
  gsize n_bytes = strlen (dir);

  while (n_bytes > 0 && dir[n_bytes - 1] == '/')
    n_bytes--;
  if (strncmp (name, dir, n_bytes) == 0 && name[n_bytes] == '/')
    name += n_bytes + 1;
  return egress_recording_make_path (dir, name);
}

static gboolean
make_paths (EgressStreaming *self, const EgressMountpointSpec *spec,
            const char *const *names, gboolean is_old_form, char **ret_paths,
            GError **error)
{
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    {
      if (names[kind] == NULL)
        continue;
      if (find_recording (self, spec->id, kind) != NULL)
        return fail (error, EGRESS_STREAMING_INVALID_REQUEST,
                     is_old_form ? "Recording started for this stream"
                                 : "Recording for audio, video and/or data "
                                   "already started for this stream");
      ret_paths[kind] = make_path (self->config->recording_dir, names[kind]);
      if (ret_paths[kind] == NULL)
        {
          g_set_error (error, EGRESS_STREAMING_ERROR,
                       EGRESS_STREAMING_CANT_RECORD,
                       "Error starting recorder for %s: '%s' is not the name "
                       "of a file in the recording directory",
                       egress_streaming_kind_names[kind], names[kind]);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
start (EgressStreaming *self, EgressMountpoint *mountpoint, JsonObject *body,
       EgressStreamingAnswer **answer, GError **error)
{
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  const char *names[RTC_MEDIA_N_KINDS] = { NULL };
  char *paths[RTC_MEDIA_N_KINDS + 1] = { NULL };
  g_autofree char *audio = NULL, *video = NULL;
  gboolean is_one_file;
  EgressSources sources;
  g_autoptr (GError) why = NULL;
  gboolean is_fine;
  Job *job;

  if (!read_start (spec, body, names, error))
    return FALSE;
  if (self->config->recording_dir == NULL)
    return fail (error, EGRESS_STREAMING_CANT_RECORD,
                 "Recording is off: this node has no --recording-dir");
  is_fine = make_paths (self, spec, names,
                        !json_object_has_member (body, "media"), paths, error);
  audio = paths[RTC_MEDIA_AUDIO];
  video = paths[RTC_MEDIA_VIDEO];
  if (!is_fine)
    return FALSE;
  if (!egress_mountpoint_get_sources (mountpoint, FALSE, &sources, &why))
    {
      g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_CANT_RECORD,
                   "Error starting recorder: %s", why->message);
      return FALSE;
    }
  job = job_new (answer);
  is_one_file = audio != NULL && g_strcmp0 (audio, video) == 0;
  if (audio != NULL)
    start_recording (self, mountpoint, &sources, audio,
                     (gboolean[]){ TRUE, is_one_file }, job);
  if (video != NULL && !is_one_file)
    start_recording (self, mountpoint, &sources, video,
                     (gboolean[]){ FALSE, TRUE }, job);
  job_begun (job);
  return TRUE;
}

static gboolean
stop (EgressStreaming *self, EgressMountpoint *mountpoint, JsonObject *body,
      EgressStreamingAnswer **answer, GError **error)
{
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  const char *names[RTC_MEDIA_N_KINDS] = { NULL };
  Job *job;

  if (!read_stop (spec, body, names, error))
    return FALSE;
  job = job_new (answer);
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    {
      EgressStreamingRecording *found =
          names[kind] != NULL ? find_recording (self, spec->id, kind) : NULL;

      if (found != NULL)
        stop_recording (found, job);
    }
  job_begun (job);
  return TRUE;
}

JsonObject *
egress_streaming_record (EgressStreaming *self, JsonObject *body,
                         EgressStreamingAnswer **answer, GError **error)
{
  static const EgressJanusParam params[] = { { "action", EGRESS_JANUS_STRING,
                                               TRUE } };
  EgressMountpoint *mountpoint;
  const EgressMountpointSpec *spec;
  const char *action;
  gboolean is_start;

  if (!egress_streaming_check (body, params, G_N_ELEMENTS (params), error))
    return NULL;
  action = egress_janus_get_string (body, "action");
  is_start = g_ascii_strcasecmp (action, "start") == 0;
  if (!is_start && g_ascii_strcasecmp (action, "stop") != 0)
    {
      fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
            "Invalid action (should be start|stop)");
      return NULL;
    }
  mountpoint = egress_streaming_find (self, body, error);
  if (mountpoint == NULL)
    return NULL;
  spec = egress_mountpoint_get_spec (mountpoint);
  if (spec->kind == EGRESS_MOUNTPOINT_LIVE
      || spec->kind == EGRESS_MOUNTPOINT_ONDEMAND)
    {
      fail (error, EGRESS_STREAMING_INVALID_REQUEST,
            "Recording is only available on RTP-based live streams");
      return NULL;
    }
  /* a stream of the tree may be recorded wherever it is carried; what
   * somebody made, where it was made */
  if (!egress_streaming_check_secret (body, "secret", spec->secret, error)
      || (spec->kind != EGRESS_MOUNTPOINT_STREAM
          && egress_mountpoint_edit (mountpoint, error) == NULL))
    return NULL;
  if (is_start)
    start (self, mountpoint, body, answer, error);
  else
    stop (self, mountpoint, body, answer, error);
  return NULL;
}

/* --- ends --------------------------------------------------------------- */

void
egress_streaming_stop_recordings (EgressStreaming *self, const char *id,
                                  const char *stream)
{
  guint i = 0;

  while (i < self->recordings->len)
    {
      EgressStreamingRecording *recording = self->recordings->pdata[i];

      if ((id == NULL || strcmp (recording->mountpoint_id, id) == 0)
          && (stream == NULL || strcmp (recording->stream, stream) == 0))
        stop_recording (recording, NULL);
      else
        i++;
    }
}
