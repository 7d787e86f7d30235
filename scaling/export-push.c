/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingExportPush: see export-push.h. */
#include "scaling/export-push.h"

#include <string.h>

#include "scaling/export-text.h"
#include "scaling/fetch.h"
#include "scaling/json-text.h"

#define SAID_MAX_CHARS 200

struct _ScalingExportPush
{
  const ScalingExportMapping *mapping; /* borrowed */
  SoupSession *session;                /* owned */
  char *url;                           /* owned: of the group */
  char *authorization;                 /* owned, nullable */
  gint64 timeout_us;
  GBytes *body; /* owned, nullable: nothing was taken yet */
  guint n_points, n_dropped;
  ScalingFetch *fetch; /* nullable: nothing under way */
  ScalingExportDone done;
  gpointer data;
};

static gboolean G_GNUC_PRINTF (2, 3)
    fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (SCALING_EXPORT_ERROR,
                                                SCALING_EXPORT_ERROR_CONFIG,
                                                format, args));
  va_end (args);
  return FALSE;
}

/* --- The group's URL ---------------------------------------------------- */

/* append_label: "/NAME/VALUE"; what a path cannot carry in base64url */
static void
append_label (GString *url, const char *name, const char *value)
{
  g_autofree char *code = NULL, *escaped = NULL;

  if (*value && !strchr (value, '/'))
    {
      escaped = g_uri_escape_string (value, NULL, FALSE);
      g_string_append_printf (url, "/%s/%s", name, escaped);
      return;
    }
  code = g_base64_encode ((const guchar *)value, strlen (value));
  for (char *c = code; *c; c++)
    *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
  /* an empty value's code would be an empty part of the path */
  g_string_append_printf (url, "/%s@base64/%s", name, *code ? code : "=");
}

static gboolean
is_label_name (const char *name)
{
  if (!*name || g_ascii_isdigit (*name) || g_str_has_prefix (name, "__"))
    return FALSE;
  for (; *name; name++)
    if (!g_ascii_isalnum (*name) && *name != '_')
      return FALSE;
  return TRUE;
}

/* is_taken: labels that points have, or Prometheus gives */
static gboolean
is_taken (const char *name)
{
  static const char *const taken[] = { "job", "tree",       "role", "project",
                                       "le",  "percentile", NULL };

  return g_strv_contains (taken, name);
}

static gboolean
append_labels (GString *url, const char *json, GError **error)
{
  g_autoptr (JsonObject) object =
      scaling_json_read_object (json, strlen (json), error);
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (!object)
    return FALSE;
  if (json_object_get_size (object) > SCALING_EXPORT_PUSH_MAX_LABELS)
    return fail (error, "has more than %d labels",
                 SCALING_EXPORT_PUSH_MAX_LABELS);
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    {
      const char *value = scaling_json_get_text (object, name);
      g_autofree char *escaped = g_strescape (name, NULL);

      if (!is_label_name (name) || is_taken (name))
        return fail (error, "\"%.64s\" is no name for a label, or is taken",
                     escaped);
      if (!value || strlen (value) > SCALING_EXPORT_PUSH_MAX_CHARS)
        return fail (error, "\"%s\": its value is no text of at most %d bytes",
                     name, SCALING_EXPORT_PUSH_MAX_CHARS);
      append_label (url, name, value);
    }
  return TRUE;
}

/* set_authorization: @uri's user and password as a header; they leave the URL
 */
static void
set_authorization (ScalingExportPush *self, GUri *uri)
{
  g_autofree char *pair = NULL, *code = NULL;

  if (!g_uri_get_user (uri))
    return;
  pair = g_strdup_printf ("%s:%s", g_uri_get_user (uri),
                          g_uri_get_password (uri) ? g_uri_get_password (uri)
                                                   : "");
  code = g_base64_encode ((const guchar *)pair, strlen (pair));
  self->authorization = g_strconcat ("Basic ", code, NULL);
}

static gboolean
set_url (ScalingExportPush *self, const ScalingExportPushConfig *config,
         GError **error)
{
  g_autoptr (GUri) uri =
      g_uri_parse (config->url, G_URI_FLAGS_HAS_PASSWORD, NULL);
  g_autofree char *base = NULL;
  GString *url;

  if (!uri || !g_uri_get_host (uri) || !*g_uri_get_host (uri)
      || (strcmp (g_uri_get_scheme (uri), "http") != 0
          && strcmp (g_uri_get_scheme (uri), "https") != 0)
      || g_uri_get_query (uri) || g_uri_get_fragment (uri))
    return fail (error, "METRICS_PROM_PUSHGATEWAY_URL: is no http:// or "
                        "https:// URL of a Pushgateway");
  if (!*config->job || strlen (config->job) > SCALING_EXPORT_PUSH_MAX_CHARS)
    return fail (error,
                 "METRICS_PROM_JOB_NAME: is empty or longer than %d "
                 "bytes",
                 SCALING_EXPORT_PUSH_MAX_CHARS);
  set_authorization (self, uri);
  base = g_uri_to_string_partial (uri, G_URI_HIDE_USERINFO);
  url = g_string_new (base);
  while (url->len > 0 && url->str[url->len - 1] == '/')
    g_string_truncate (url, url->len - 1);
  g_string_append (url, "/metrics");
  append_label (url, "job", config->job);
  if (config->grouping_json && *config->grouping_json
      && !append_labels (url, config->grouping_json, error))
    {
      g_prefix_error (error, "METRICS_PROM_GROUPING_LABELS_JSON: ");
      self->url = g_string_free (url, FALSE);
      return FALSE;
    }
  self->url = g_string_free (url, FALSE);
  return TRUE;
}

ScalingExportPush *
scaling_export_push_new (const ScalingExportPushConfig *config, GError **error)
{
  g_autoptr (ScalingExportPush) self = g_new0 (ScalingExportPush, 1);

  self->mapping = config->mapping;
  self->timeout_us = config->timeout_us;
  if (!set_url (self, config, error))
    return NULL;
  self->session = scaling_fetch_new_session (TRUE);
  return g_steal_pointer (&self);
}

void
scaling_export_push_free (ScalingExportPush *self)
{
  g_clear_pointer (&self->fetch, scaling_fetch_cancel);
  g_clear_object (&self->session);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_free (self->url);
  g_free (self->authorization);
  g_free (self);
}

const char *
scaling_export_push_get_url (ScalingExportPush *self)
{
  return self->url;
}

/* --- Pushing ------------------------------------------------------------ */

static void
push_take (gpointer target, GPtrArray *points, const ScalingExportTime *time)
{
  ScalingExportPush *self = target;
  GString *text =
      scaling_export_text_render (points, self->mapping, &self->n_points);

  g_clear_pointer (&self->body, g_bytes_unref);
  self->body = g_string_free_to_bytes (text);
}

static guint
push_get_n_points (gpointer target, guint *ret_n_dropped)
{
  ScalingExportPush *self = target;

  *ret_n_dropped = 0;
  return self->n_points;
}

/* new_refusal: the gateway says in words why */
static GError *
new_refusal (guint status, GByteArray *body)
{
  g_autofree char *valid = g_utf8_make_valid ((const char *)body->data,
                                              MIN (body->len, SAID_MAX_CHARS));
  g_autofree char *said = g_strescape (g_strstrip (valid), NULL);
  gboolean is_away =
      status >= 500 || status == SOUP_STATUS_REQUEST_TIMEOUT || status == 429;

  return g_error_new (SCALING_EXPORT_ERROR,
                      is_away ? SCALING_EXPORT_ERROR_AWAY
                      : status == SOUP_STATUS_UNAUTHORIZED
                              || status == SOUP_STATUS_FORBIDDEN
                          ? SCALING_EXPORT_ERROR_CREDENTIALS
                          : SCALING_EXPORT_ERROR_REFUSED,
                      "the Pushgateway answered %u: %s", status, said);
}

/* new_unanswered: @error: SCALING_FETCH_ERROR */
static GError *
new_unanswered (const GError *error)
{
  gboolean is_refused = error->code == SCALING_FETCH_ERROR_TOO_LARGE;

  return g_error_new_literal (SCALING_EXPORT_ERROR,
                              is_refused ? SCALING_EXPORT_ERROR_REFUSED
                                         : SCALING_EXPORT_ERROR_AWAY,
                              error->message);
}

static void
on_answer (guint status, GByteArray *body, const GError *error, gpointer data)
{
  ScalingExportPush *self = data;
  g_autoptr (GError) refusal = NULL;

  self->fetch = NULL;
  if (error)
    refusal = new_unanswered (error);
  else if (status < 200 || status > 299)
    refusal = new_refusal (status, body);
  self->done (refusal, self->data);
}

static void
push_send (gpointer target, ScalingExportDone done, gpointer data)
{
  ScalingExportPush *self = target;
  SoupMessage *msg = soup_message_new ("PUT", self->url);

  self->done = done;
  self->data = data;
  if (self->authorization)
    soup_message_headers_replace (soup_message_get_request_headers (msg),
                                  "Authorization", self->authorization);
  soup_message_set_request_body_from_bytes (
      msg, "text/plain; version=0.0.4; charset=utf-8", self->body);
  self->fetch = scaling_fetch_start (self->session, msg, self->timeout_us,
                                     SCALING_EXPORT_PUSH_ANSWER_MAX_BYTES,
                                     on_answer, self);
}

const ScalingExportTarget scaling_export_push_target = {
  .name = "pushgateway",
  .take = push_take,
  .send = push_send,
  .get_n_points = push_get_n_points,
  .free = (void (*) (gpointer))scaling_export_push_free,
};
