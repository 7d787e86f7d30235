/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming-manage: verbs of the Streaming plugin that are about
 * mountpoints (J34-J45). The order of checks is Janus's: which error wins when
 * two are due is seen by clients.
 */
#include "egress/streaming-private.h"

#include <string.h>

#define DEFAULT_PERMANENT FALSE

static gboolean
find_with_secret (EgressStreaming *self, JsonObject *body,
                  EgressMountpoint **ret_mountpoint, GError **error)
{
  *ret_mountpoint = egress_streaming_find (self, body, error);
  return *ret_mountpoint != NULL
         && egress_streaming_check_secret (
             body, "secret",
             egress_mountpoint_get_spec (*ret_mountpoint)->secret, error);
}

/* --- create ------------------------------------------------------------- */

/* the `media` form: one object a medium */
static void
add_ports (JsonObject *stream, EgressMountpoint *mountpoint)
{
  static const char *const names[] = { "port", "port_2", "port_3" };
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  const EgressMountpointPorts *ports = egress_mountpoint_get_ports (mountpoint);
  JsonArray *list = json_array_new ();
  RtcMediaKind kinds[RTC_MEDIA_N_KINDS];
  guint n = egress_streaming_media_in_order (spec, kinds);

  for (guint i = 0; i < n; i++)
    {
      RtcMediaKind kind = kinds[i];
      g_autofree char *host = egress_streaming_dup_host (&spec->media[kind]);
      JsonObject *item = json_object_new ();

      json_object_set_string_member (item, "type",
                                     egress_streaming_kind_names[kind]);
      egress_janus_set_string (item, "mid", spec->media[kind].mid);
      egress_janus_set_string (item, "msid",
                               egress_streaming_msid (&spec->media[kind]));
      egress_janus_set_string (stream, "host", host);
      egress_janus_set_above_0 (item, names[0], ports->ports[kind][0]);
      egress_janus_set_above_0 (item, "rtcp_port", ports->rtcp_ports[kind]);
      for (guint j = 1; j < EGRESS_MAX_RENDITIONS; j++)
        egress_janus_set_above_0 (item, names[j], ports->ports[kind][j]);
      json_array_add_object_element (list, item);
    }
  json_object_set_array_member (stream, "ports", list);
}

/* the old form: "audio_port", "video_port_2" */
static void
add_old_ports (JsonObject *stream, EgressMountpoint *mountpoint)
{
  static const char *const suffixes[] = { "port", "port_2", "port_3" };
  const EgressMountpointSpec *spec = egress_mountpoint_get_spec (mountpoint);
  const EgressMountpointPorts *ports = egress_mountpoint_get_ports (mountpoint);
  RtcMediaKind kinds[RTC_MEDIA_N_KINDS];
  guint n = egress_streaming_media_in_order (spec, kinds);

  for (guint i = 0; i < n; i++)
    {
      const char *kind = egress_streaming_kind_names[kinds[i]];
      g_autofree char *rtcp = g_strdup_printf ("%s_rtcp_port", kind);
      g_autofree char *host_name = g_strdup_printf ("%s_host", kind);
      g_autofree char *host =
          egress_streaming_dup_host (&spec->media[kinds[i]]);

      egress_janus_set_string (stream, host_name, host);

      for (guint j = 0; j < EGRESS_MAX_RENDITIONS; j++)
        {
          g_autofree char *name = g_strdup_printf ("%s_%s", kind, suffixes[j]);

          egress_janus_set_above_0 (stream, name, ports->ports[kinds[i]][j]);
        }
      egress_janus_set_above_0 (stream, rtcp, ports->rtcp_ports[kinds[i]]);
    }
}

static void
on_created (EgressMountpoint *mountpoint, gboolean is_kept, const GError *error,
            gpointer data)
{
  EgressStreamingAnswer *answer = data;
  const EgressMountpointSpec *spec;
  JsonObject *reply, *stream;

  if (answer->streaming == NULL || mountpoint == NULL)
    {
      if (error != NULL)
        egress_streaming_answer_error (answer, error);
      else
        g_free (answer); /* we are gone; it has been answered */
      return;
    }
  spec = egress_mountpoint_get_spec (mountpoint);
  reply = egress_streaming_object ("created");
  json_object_set_string_member (reply, "created", spec->name);
  json_object_set_boolean_member (reply, "permanent", is_kept);
  stream = json_object_new ();
  egress_streaming_set_id (answer->streaming, stream, "id", spec->id);
  json_object_set_string_member (stream, "type",
                                 egress_streaming_type_name (spec));
  egress_janus_set_string (stream, "description", spec->description);
  json_object_set_boolean_member (stream, "is_private", spec->is_private);
  if (spec->kind == EGRESS_MOUNTPOINT_RTP && spec->is_old_form)
    add_old_ports (stream, mountpoint);
  else if (spec->kind == EGRESS_MOUNTPOINT_RTP)
    add_ports (stream, mountpoint);
  json_object_set_object_member (reply, "stream", stream);
  if (spec->is_old_form)
    json_object_set_string_member (reply, "warning", "deprecated_api");
  egress_streaming_answer (answer, reply);
}

static JsonObject *
verb_create (EgressStreaming *self, JsonObject *body,
             EgressStreamingAnswer **answer, GError **error)
{
  g_autofree char *id = NULL;
  EgressMountpointSpec *spec;

  if (!egress_mountpoint_spec_check_head (body, self->config->string_ids, &id,
                                          error)
      || !egress_streaming_check_secret (body, "admin_key",
                                         self->config->admin_key, error))
    return NULL;
  if (id != NULL && egress_mountpoints_lookup (self->mountpoints, id) != NULL)
    {
      g_set_error_literal (error, EGRESS_STREAMING_ERROR,
                           EGRESS_STREAMING_CANT_CREATE,
                           "A stream with the provided ID already exists");
      return NULL;
    }
  spec = egress_mountpoint_spec_parse (body, self->config->string_ids, error);
  if (spec != NULL)
    egress_mountpoints_create (self->mountpoints, spec, on_created,
                               g_steal_pointer (answer));
  return NULL;
}

/* --- edit --------------------------------------------------------------- */

static gboolean
check_edit (JsonObject *body, GError **error)
{
  static const EgressJanusParam params[] = {
    { "new_description", EGRESS_JANUS_STRING, FALSE },
    { "new_metadata", EGRESS_JANUS_STRING, FALSE },
    { "new_secret", EGRESS_JANUS_STRING, FALSE },
    { "new_pin", EGRESS_JANUS_STRING, FALSE },
    { "new_is_private", EGRESS_JANUS_BOOLEAN, FALSE },
    { "permanent", EGRESS_JANUS_BOOLEAN, FALSE },
    { "edited_event", EGRESS_JANUS_BOOLEAN, FALSE },
  };

  return egress_streaming_check (body, params, G_N_ELEMENTS (params), error)
         && egress_streaming_check_length (
             body, "new_description", EGRESS_MOUNTPOINT_MAX_TEXT_CHARS, error)
         && egress_streaming_check_length (
             body, "new_metadata", EGRESS_MOUNTPOINT_MAX_TEXT_CHARS, error)
         && egress_streaming_check_length (
             body, "new_secret", EGRESS_MOUNTPOINT_MAX_NAME_CHARS, error)
         && egress_streaming_check_length (
             body, "new_pin", EGRESS_MOUNTPOINT_MAX_NAME_CHARS, error);
}

/* @may_be_empty: "" is a value too */
static void
replace (char **text, JsonObject *body, const char *member,
         gboolean may_be_empty)
{
  const char *value = egress_janus_get_string (body, member);

  if (value == NULL || (*value == '\0' && !may_be_empty))
    return;
  g_free (*text);
  *text = g_strdup (value);
}

static void
apply_edit (EgressMountpointSpec *spec, JsonObject *body)
{
  const char *pin = egress_janus_get_string (body, "new_pin");

  replace (&spec->description, body, "new_description", FALSE);
  replace (&spec->metadata, body, "new_metadata", TRUE);
  replace (&spec->secret, body, "new_secret", FALSE);
  replace (&spec->pin, body, "new_pin", FALSE);
  if (pin != NULL && *pin == '\0')
    g_clear_pointer (&spec->pin, g_free);
  spec->is_private =
      egress_janus_get_bool (body, "new_is_private", spec->is_private);
}

typedef struct
{
  EgressStreamingAnswer *answer; /* owned */
  char *id;                      /* owned */
  gboolean is_permanent;
  gboolean is_told; /* to those who watch it */
} Edit;

/* `edited_event`: {"event":"edited"}, in a form of its own, as Janus has it */
static void
tell_viewers (EgressStreaming *self, const char *id)
{
  EgressMountpoint *mountpoint =
      egress_mountpoints_lookup (self->mountpoints, id);
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->handles);
  while (mountpoint != NULL && g_hash_table_iter_next (&iter, &key, NULL))
    {
      EgressStreamingHandle *handle = key;
      JsonObject *data;

      if (handle->mountpoint != mountpoint)
        continue;
      data = json_object_new ();
      json_object_set_string_member (data, "event", "edited");
      egress_streaming_set_id (self, data, "id", id);
      egress_janus_set_string (
          data, "metadata", egress_mountpoint_get_spec (mountpoint)->metadata);
      egress_janus_push_event (handle->handle, data, NULL, NULL, NULL,
                               EGRESS_JANUS_JSEP_PLAIN);
    }
}

static void
on_edited (const GError *error, gpointer data)
{
  Edit *edit = data;
  EgressStreamingAnswer *answer = edit->answer;

  if (answer->streaming == NULL)
    g_free (answer);
  else
    {
      EgressStreaming *self = answer->streaming;
      JsonObject *reply = egress_streaming_object ("edited");

      egress_streaming_set_id (self, reply, "id", edit->id);
      /* changed it is; whether it is kept over restarts is another matter */
      json_object_set_boolean_member (reply, "permanent",
                                      edit->is_permanent && error == NULL);
      egress_streaming_answer (answer, reply);
      if (edit->is_told)
        tell_viewers (self, edit->id);
    }
  g_free (edit->id);
  g_free (edit);
}

static JsonObject *
verb_edit (EgressStreaming *self, JsonObject *body,
           EgressStreamingAnswer **answer, GError **error)
{
  g_autofree char *id = NULL;
  EgressMountpoint *mountpoint;
  EgressMountpointSpec *spec;
  Edit *edit;

  if (!check_edit (body, error))
    return NULL;
  id = egress_streaming_check_id (self, body, error);
  if (id == NULL)
    return NULL;
  mountpoint = egress_mountpoints_lookup (self->mountpoints, id);
  if (mountpoint == NULL)
    {
      /* Janus has other words for it here */
      g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_NO_SUCH,
                   "No such mountpoint (%s)", id);
      return NULL;
    }
  if (!egress_streaming_check_secret (
          body, "secret", egress_mountpoint_get_spec (mountpoint)->secret,
          error))
    return NULL;
  spec = egress_mountpoint_edit (mountpoint, error);
  if (spec == NULL)
    return NULL;
  edit = g_new0 (Edit, 1);
  edit->is_told =
      egress_janus_get_bool (body, "edited_event", FALSE)
      && (!json_object_has_member (body, "new_metadata")
          || g_strcmp0 (spec->metadata,
                        egress_janus_get_string (body, "new_metadata"))
                 != 0);
  apply_edit (spec, body);
  edit->answer = g_steal_pointer (answer);
  edit->id = g_steal_pointer (&id);
  edit->is_permanent =
      egress_janus_get_bool (body, "permanent", DEFAULT_PERMANENT);
  egress_mountpoints_share (self->mountpoints, mountpoint, edit->is_permanent,
                            on_edited, edit);
  return NULL;
}

/* --- destroy, enable, disable, kick_all --------------------------------- */

static JsonObject *
verb_destroy (EgressStreaming *self, JsonObject *body,
              EgressStreamingAnswer **answer, GError **error)
{
  static const EgressJanusParam params[] = { { "permanent",
                                               EGRESS_JANUS_BOOLEAN, FALSE } };
  g_autofree char *id = NULL;
  EgressMountpoint *mountpoint;
  JsonObject *reply;

  if (!egress_streaming_check (body, params, G_N_ELEMENTS (params), error)
      || !find_with_secret (self, body, &mountpoint, error))
    return NULL;
  id = g_strdup (egress_mountpoint_get_spec (mountpoint)->id);
  if (!egress_mountpoints_destroy (self->mountpoints, mountpoint, error))
    return NULL;
  egress_streaming_stop_recordings (self, id, NULL);
  reply = egress_streaming_object ("destroyed");
  egress_streaming_set_id (self, reply, "destroyed", id);
  return reply;
}

static JsonObject *
verb_enable (EgressStreaming *self, JsonObject *body,
             EgressStreamingAnswer **answer, GError **error)
{
  EgressMountpoint *mountpoint;

  if (!find_with_secret (self, body, &mountpoint, error)
      || !egress_mountpoints_set_enabled (self->mountpoints, mountpoint, TRUE,
                                          error))
    return NULL;
  return egress_streaming_object ("ok");
}

static JsonObject *
verb_disable (EgressStreaming *self, JsonObject *body,
              EgressStreamingAnswer **answer, GError **error)
{
  static const EgressJanusParam params[] = { { "stop_recording",
                                               EGRESS_JANUS_BOOLEAN, FALSE } };
  EgressMountpoint *mountpoint;

  if (!find_with_secret (self, body, &mountpoint, error)
      || !egress_streaming_check (body, params, G_N_ELEMENTS (params), error)
      || !egress_mountpoints_set_enabled (self->mountpoints, mountpoint, FALSE,
                                          error))
    return NULL;
  if (egress_janus_get_bool (body, "stop_recording", TRUE))
    egress_streaming_stop_recordings (
        self, egress_mountpoint_get_spec (mountpoint)->id, NULL);
  return egress_streaming_object ("ok");
}

static JsonObject *
verb_kick_all (EgressStreaming *self, JsonObject *body,
               EgressStreamingAnswer **answer, GError **error)
{
  EgressMountpoint *mountpoint;

  if (!find_with_secret (self, body, &mountpoint, error))
    return NULL;
  egress_mountpoint_kick_all (mountpoint);
  return egress_streaming_object ("kicked_all");
}

/* --- the table ---------------------------------------------------------- */

static const struct
{
  const char *name;
  EgressStreamingVerb run;
  gboolean is_change;
} verbs[] = {
  { "list", egress_streaming_list, FALSE },
  { "info", egress_streaming_info, FALSE },
  { "create", verb_create, TRUE },
  { "edit", verb_edit, TRUE },
  { "destroy", verb_destroy, TRUE },
  { "enable", verb_enable, TRUE },
  { "disable", verb_disable, TRUE },

  { "kick_all", verb_kick_all, TRUE },
  { "recording", egress_streaming_record, TRUE },
};

static int
find_verb (const char *verb)
{
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_ascii_strcasecmp (verb, verbs[i].name) == 0)
      return i;
  return -1;
}

gboolean
egress_streaming_is_manage_verb (const char *verb)
{
  return find_verb (verb) >= 0;
}

gboolean
egress_streaming_is_change (const char *verb)
{
  int i = find_verb (verb);

  return i >= 0 && verbs[i].is_change;
}

gboolean
egress_streaming_manage (EgressStreaming *self, const char *verb,
                         JsonObject *body, EgressStreamingAnswer *answer)
{
  g_autoptr (GError) error = NULL;
  int i = find_verb (verb);
  JsonObject *reply;

  if (i < 0)
    return FALSE;
  reply = verbs[i].run (self, body, &answer, &error);
  if (answer == NULL)
    return TRUE; /* will be answered, or has been */
  if (reply != NULL)
    egress_streaming_answer (answer, reply);
  else
    egress_streaming_answer_error (answer, error);
  return TRUE;
}
