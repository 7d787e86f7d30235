/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressMountpointSpec from the body of `create`. What is checked in which
 * order, and in which words, is Janus 1.1.2's, read off the running server;
 * what it accepts and cannot serve (codecs unknown to browsers, data, ports
 * above 65535) is refused here by name.
 */
#include "egress/mountpoint-spec-private.h"

#include <string.h>

#include "base/signaling.h"

#define SRTP_KEY_BYTES 30
#define MAX_COLLISION_MS (3600 * 1000)

static const EgressJanusParam head_params[] = {
  { "name", EGRESS_JANUS_STRING, FALSE },
  { "description", EGRESS_JANUS_STRING, FALSE },
  { "metadata", EGRESS_JANUS_STRING, FALSE },
  { "is_private", EGRESS_JANUS_BOOLEAN, FALSE },
  { "type", EGRESS_JANUS_STRING, TRUE },
  { "secret", EGRESS_JANUS_STRING, FALSE },
  { "pin", EGRESS_JANUS_STRING, FALSE },
  { "media", EGRESS_JANUS_ARRAY, FALSE },
  { "permanent", EGRESS_JANUS_BOOLEAN, FALSE },
  { "audio", EGRESS_JANUS_BOOLEAN, FALSE },
  { "video", EGRESS_JANUS_BOOLEAN, FALSE },
  { "data", EGRESS_JANUS_BOOLEAN, FALSE },
};
static const EgressJanusParam id_params[] = {
  { "id", EGRESS_JANUS_POSITIVE, FALSE },
};
static const EgressJanusParam string_id_params[] = {
  { "id", EGRESS_JANUS_STRING, FALSE },
};
static const EgressJanusParam rtp_params[] = {
  { "collision", EGRESS_JANUS_POSITIVE, FALSE },
  { "threads", EGRESS_JANUS_POSITIVE, FALSE },
  { "srtpsuite", EGRESS_JANUS_POSITIVE, FALSE },
  { "srtpcrypto", EGRESS_JANUS_STRING, FALSE },
  { "e2ee", EGRESS_JANUS_BOOLEAN, FALSE },
  { "playoutdelay_ext", EGRESS_JANUS_BOOLEAN, FALSE },
};
static const EgressJanusParam rtsp_params[] = {
  { "url", EGRESS_JANUS_STRING, FALSE },
  { "rtsp_user", EGRESS_JANUS_STRING, FALSE },
  { "rtsp_pwd", EGRESS_JANUS_STRING, FALSE },
  { "rtsp_reconnect_delay", EGRESS_JANUS_POSITIVE, FALSE },
  { "rtsp_session_timeout", EGRESS_JANUS_POSITIVE, FALSE },
  { "rtsp_timeout", EGRESS_JANUS_POSITIVE, FALSE },
  { "rtsp_conn_timeout", EGRESS_JANUS_POSITIVE, FALSE },
  { "audiocodec", EGRESS_JANUS_STRING, FALSE },
  { "audiortpmap", EGRESS_JANUS_STRING, FALSE },
  { "audiofmtp", EGRESS_JANUS_STRING, FALSE },
  { "audiopt", EGRESS_JANUS_POSITIVE, FALSE },
  { "videocodec", EGRESS_JANUS_STRING, FALSE },
  { "videortpmap", EGRESS_JANUS_STRING, FALSE },
  { "videofmtp", EGRESS_JANUS_STRING, FALSE },
  { "videopt", EGRESS_JANUS_POSITIVE, FALSE },
  { "videobufferkf", EGRESS_JANUS_BOOLEAN, FALSE },
  { "threads", EGRESS_JANUS_POSITIVE, FALSE },
  { "rtspiface", EGRESS_JANUS_STRING, FALSE },
  { "rtsp_failcheck", EGRESS_JANUS_BOOLEAN, FALSE },
};
static const EgressJanusParam file_params[] = {
  { "filename", EGRESS_JANUS_STRING, TRUE },
};

/* --- refusing ----------------------------------------------------------- */

gboolean
egress_mountpoint_spec_fail (GError **error, EgressStreamingCode code,
                             const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, EGRESS_STREAMING_ERROR, (int)code, text);
  return FALSE;
}

gboolean
egress_mountpoint_spec_check (JsonObject *object,
                              const EgressJanusParam *params, guint n_params,
                              GError **error)
{
  g_autofree char *text = NULL;

  switch (egress_janus_params_check (object, params, n_params, &text))
    {
    case EGRESS_JANUS_PARAMS_MISSING:
      return egress_mountpoint_spec_fail (error, EGRESS_STREAMING_MISSING, "%s",
                                          text);
    case EGRESS_JANUS_PARAMS_INVALID:
      return egress_mountpoint_spec_fail (
          error, EGRESS_STREAMING_INVALID_ELEMENT, "%s", text);
    case EGRESS_JANUS_PARAMS_OK:
    default:
      return TRUE;
    }
}

gboolean
egress_mountpoint_spec_take_text (JsonObject *object, const char *member,
                                  gsize max_chars, gboolean is_for_sdp,
                                  char **ret, GError **error)
{
  const char *text = egress_janus_get_string (object, member);

  if (text == NULL)
    return TRUE;
  if (strlen (text) > max_chars)
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_INVALID_ELEMENT,
        "Invalid element (%s should be at most %" G_GSIZE_FORMAT " bytes)",
        member, max_chars);
  for (const char *c = text; is_for_sdp && *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      return egress_mountpoint_spec_fail (
          error, EGRESS_STREAMING_INVALID_ELEMENT,
          "Invalid element (%s has control characters)", member);
  g_free (*ret);
  *ret = g_strdup (text);
  return TRUE;
}

gboolean
egress_mountpoint_spec_take_name (JsonObject *object, const char *member,
                                  char **ret, GError **error)
{
  return egress_mountpoint_spec_take_text (
      object, member, EGRESS_MOUNTPOINT_MAX_NAME_CHARS, FALSE, ret, error);
}

gboolean
egress_mountpoint_spec_take_number (JsonObject *object, const char *member,
                                    gint64 max, gint64 or_else, gint64 *ret,
                                    GError **error)
{
  *ret = egress_janus_get_int (object, member, or_else);
  if (*ret <= max)
    return TRUE;
  return egress_mountpoint_spec_fail (
      error, EGRESS_STREAMING_INVALID_ELEMENT,
      "Invalid element (%s should be at most %" G_GINT64_FORMAT ")", member,
      max);
}

/* A number that Janus does not look at: nonsense is as none. */
static guint
get_loose (JsonObject *object, const char *member, gint64 min, gint64 max)
{
  JsonNode *node = json_object_get_member (object, member);
  gint64 value;

  if (node == NULL || json_node_get_value_type (node) != G_TYPE_INT64)
    return 0;
  value = json_node_get_int (node);
  return value >= min && value <= max ? (guint)value : 0;
}

/* --- the head ----------------------------------------------------------- */

static gboolean
read_id (JsonObject *body, gboolean string_ids, char **ret, GError **error)
{
  const char *text;
  gint64 number;

  if (!egress_mountpoint_spec_check (
          body, string_ids ? string_id_params : id_params, 1, error))
    return FALSE;
  if (!string_ids)
    {
      if (!egress_mountpoint_spec_take_number (
              body, "id", EGRESS_MOUNTPOINT_MAX_ID, 0, &number, error))
        return FALSE;
      *ret = number > 0 ? g_strdup_printf ("%" G_GINT64_FORMAT, number) : NULL;
      return TRUE;
    }
  text = egress_janus_get_string (body, "id");
  if (text != NULL && !base_stream_name_is_valid (text))
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_INVALID_ELEMENT,
        "Invalid element (id should be 1 to 64 characters of A-Z a-z "
        "0-9 . _ -)");
  *ret = g_strdup (text);
  return TRUE;
}

gboolean
egress_mountpoint_spec_check_head (JsonObject *body, gboolean string_ids,
                                   char **ret_id, GError **error)
{
  g_autofree char *id = NULL;

  if (!egress_mountpoint_spec_check (body, head_params,
                                     G_N_ELEMENTS (head_params), error)
      || !read_id (body, string_ids, &id, error))
    return FALSE;
  *ret_id = g_steal_pointer (&id);
  return TRUE;
}

static gboolean
read_head (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  self->is_private = egress_janus_get_bool (body, "is_private", FALSE);
  self->is_permanent = egress_janus_get_bool (body, "permanent", FALSE);
  if (!egress_mountpoint_spec_take_name (body, "name", &self->name, error)
      || !egress_mountpoint_spec_take_text (body, "description",
                                            EGRESS_MOUNTPOINT_MAX_TEXT_CHARS,
                                            FALSE, &self->description, error)
      || !egress_mountpoint_spec_take_text (body, "metadata",
                                            EGRESS_MOUNTPOINT_MAX_TEXT_CHARS,
                                            FALSE, &self->metadata, error)
      || !egress_mountpoint_spec_take_name (body, "secret", &self->secret,
                                            error)
      || !egress_mountpoint_spec_take_name (body, "pin", &self->pin, error))
    return FALSE;
  /* an empty one protects nothing: Janus says the same */
  if (self->secret != NULL && self->secret[0] == '\0')
    g_clear_pointer (&self->secret, g_free);
  if (self->pin != NULL && self->pin[0] == '\0')
    g_clear_pointer (&self->pin, g_free);
  return TRUE;
}

/* --- the types ---------------------------------------------------------- */

static gboolean
read_srtp (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  gint64 suite = egress_janus_get_int (body, "srtpsuite", -1);
  const char *crypto = egress_janus_get_string (body, "srtpcrypto");

  if (suite != -1 && suite != 32 && suite != 80)
    return egress_mountpoint_spec_fail (
        error, EGRESS_STREAMING_CANT_CREATE,
        "Can't add 'rtp' stream, invalid SRTP suite...");
  if (suite == -1 || crypto == NULL)
    return TRUE; /* one without the other: plain, as Janus has it */
  self->srtp_suite = (int)suite;
  return egress_mountpoint_spec_take_name (body, "srtpcrypto",
                                           &self->srtp_crypto, error);
}

static gboolean
check_srtp_key (const EgressMountpointSpec *self, GError **error)
{
  g_autofree guchar *key = NULL;
  gsize n_bytes = 0;

  if (self->srtp_crypto == NULL)
    return TRUE;
  if (self->srtp_crypto[0] != '\0')
    key = g_base64_decode (self->srtp_crypto, &n_bytes);
  return n_bytes == SRTP_KEY_BYTES
         || egress_mountpoint_spec_fail (error, EGRESS_STREAMING_CANT_CREATE,
                                         "Error creating 'rtp' stream");
}

/* Two media may share a port when their payload types tell them apart. */
static gboolean
check_shared_ports (const EgressMountpointSpec *self, GError **error)
{
  const EgressMountpointMedia *audio = &self->media[RTC_MEDIA_AUDIO];
  const EgressMountpointMedia *video = &self->media[RTC_MEDIA_VIDEO];

  if (!audio->is_present || !video->is_present || audio->ports[0] == 0)
    return TRUE;
  for (guint i = 0; i < video->n_ports; i++)
    if (video->ports[i] == audio->ports[0])
      return egress_mountpoint_spec_fail (
          error, EGRESS_STREAMING_CANT_CREATE,
          "Can't add 'rtp' stream, two media have the port %u",
          audio->ports[0]);
  return TRUE;
}

static gboolean
read_rtp (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  gint64 collision;

  if (!egress_mountpoint_spec_check (body, rtp_params,
                                     G_N_ELEMENTS (rtp_params), error)
      || !read_srtp (self, body, error))
    return FALSE;
  collision = egress_janus_get_int (body, "collision", 0);
  self->collision_ms = (guint)MIN (collision, MAX_COLLISION_MS);
  self->threads =
      (guint)MIN (egress_janus_get_int (body, "threads", 0), G_MAXINT);
  self->is_e2ee = egress_janus_get_bool (body, "e2ee", FALSE);
  self->has_playout_delay =
      egress_janus_get_bool (body, "playoutdelay_ext", FALSE);
  self->capture_time_id =
      (int)get_loose (body, "abscapturetime_src_ext_id", 1, 14);
  self->buffer_kf_ms = get_loose (body, "bufferkf_ms", 0, G_MAXINT);
  self->buffer_kf_bytes = get_loose (body, "bufferkf_bytes", 0, G_MAXINT);
  if (json_object_has_member (body, "media")
          ? !egress_mountpoint_spec_read_media (
              self, json_object_get_array_member (body, "media"), error)
          : !egress_mountpoint_spec_read_old_form (self, body, error))
    return FALSE;
  return check_srtp_key (self, error) && check_shared_ports (self, error);
}

static gboolean
read_rtsp (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  if (!egress_mountpoint_spec_read_wants (self, body))
    return egress_mountpoint_spec_check (body, rtsp_params, 1, error)
           && egress_mountpoint_spec_fail_empty ("rtsp", error);
  if (!egress_mountpoint_spec_check (body, rtsp_params,
                                     G_N_ELEMENTS (rtsp_params), error)
      || !egress_mountpoint_spec_take_text (body, "url",
                                            EGRESS_MOUNTPOINT_MAX_TEXT_CHARS,
                                            TRUE, &self->url, error)
      || !egress_mountpoint_spec_take_name (body, "rtsp_user", &self->rtsp_user,
                                            error)
      || !egress_mountpoint_spec_take_name (body, "rtsp_pwd",
                                            &self->rtsp_password, error))
    return FALSE;
  self->rtsp_check = egress_janus_get_bool (body, "rtsp_failcheck", TRUE);
  if (self->url == NULL
      || (!g_str_has_prefix (self->url, "rtsp://")
          && !g_str_has_prefix (self->url, "rtsps://")))
    return egress_mountpoint_spec_fail (error, EGRESS_STREAMING_CANT_CREATE,
                                        "Error creating 'RTSP' stream");
  return TRUE;
}

static gboolean
read_file (EgressMountpointSpec *self, JsonObject *body, const char *type,
           GError **error)
{
  if (!egress_mountpoint_spec_check (body, file_params,
                                     G_N_ELEMENTS (file_params), error)
      || !egress_mountpoint_spec_take_text (body, "filename",
                                            EGRESS_MOUNTPOINT_MAX_TEXT_CHARS,
                                            FALSE, &self->filename, error))
    return FALSE;
  return egress_mountpoint_spec_read_wants (self, body)
         || egress_mountpoint_spec_fail_empty (type, error);
}

static gboolean
read_type (EgressMountpointSpec *self, JsonObject *body, GError **error)
{
  const char *type = egress_janus_get_string (body, "type");

  if (g_str_equal (type, "rtp"))
    {
      self->kind = EGRESS_MOUNTPOINT_RTP;
      return read_rtp (self, body, error);
    }
  if (g_str_equal (type, "rtsp"))
    {
      self->kind = EGRESS_MOUNTPOINT_RTSP;
      return read_rtsp (self, body, error);
    }
  if (g_str_equal (type, "live") || g_str_equal (type, "ondemand"))
    {
      self->kind =
          type[0] == 'l' ? EGRESS_MOUNTPOINT_LIVE : EGRESS_MOUNTPOINT_ONDEMAND;
      return read_file (self, body, type, error);
    }
  return egress_mountpoint_spec_fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
                                      "Unknown stream type '%.64s'...\n", type);
}

static gboolean
check_size (const EgressMountpointSpec *self, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;

  json_node_take_object (node, egress_mountpoint_spec_to_json (self));
  text = json_to_string (node, FALSE);
  return strlen (text) <= EGRESS_MOUNTPOINT_MAX_BYTES
         || egress_mountpoint_spec_fail (
             error, EGRESS_STREAMING_CANT_CREATE,
             "Can't add the stream, what there is to keep of it is more "
             "than %d bytes",
             EGRESS_MOUNTPOINT_MAX_BYTES);
}

/* @id: (transfer full) (nullable) */
static EgressMountpointSpec *
read_rest (JsonObject *body, char *id, GError **error)
{
  g_autoptr (EgressMountpointSpec) self = g_new0 (EgressMountpointSpec, 1);

  self->id = id;
  self->is_enabled = TRUE;
  for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
    self->media[i].pt = self->media[i].rtcp_port = -1;
  if (!read_head (self, body, error) || !read_type (self, body, error))
    return NULL;
  if (self->id != NULL)
    egress_mountpoint_spec_set_id (self, NULL);
  return check_size (self, error) ? g_steal_pointer (&self) : NULL;
}

EgressMountpointSpec *
egress_mountpoint_spec_parse (JsonObject *body, gboolean string_ids,
                              GError **error)
{
  char *id = NULL;

  if (!egress_mountpoint_spec_check_head (body, string_ids, &id, error))
    return NULL;
  return read_rest (body, id, error);
}

EgressMountpointSpec *
egress_mountpoint_spec_from_json (JsonObject *object, gboolean string_ids,
                                  GError **error)
{
  static const EgressJanusParam stored_params[] = {
    { "id", EGRESS_JANUS_STRING, TRUE },
    { "enabled", EGRESS_JANUS_BOOLEAN, FALSE },
    { "node_id", EGRESS_JANUS_STRING, FALSE },
  };
  EgressMountpointSpec *self;
  g_autofree char *canonical = NULL;
  const char *id;

  if (!egress_mountpoint_spec_check (object, stored_params,
                                     G_N_ELEMENTS (stored_params), error)
      || !egress_mountpoint_spec_check (object, head_params,
                                        G_N_ELEMENTS (head_params), error))
    return NULL;
  id = egress_janus_get_string (object, "id");
  if (base_stream_name_is_valid (id))
    canonical = egress_mountpoint_id_of_stream (id, string_ids);
  if (g_strcmp0 (id, canonical) != 0)
    {
      egress_mountpoint_spec_fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
                                   "Invalid element (id)");
      return NULL;
    }
  self = read_rest (object, g_strdup (id), error);
  if (self == NULL)
    return NULL;
  self->is_enabled = egress_janus_get_bool (object, "enabled", TRUE);
  self->node_id = g_strdup (egress_janus_get_string (object, "node_id"));
  if (self->node_id == NULL || base_stream_name_is_valid (self->node_id))
    return self;
  egress_mountpoint_spec_free (self);
  egress_mountpoint_spec_fail (error, EGRESS_STREAMING_INVALID_ELEMENT,
                               "Invalid element (node_id)");
  return NULL;
}
