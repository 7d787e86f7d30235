/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingAwsKeys: see aws-keys.h. GKeyFile refuses what AWS's files may have:
 * nested settings, keys with dots, lines that belong to others' tools. */
#include "scaling/aws-keys.h"

#include <string.h>

#include "scaling/json-text.h"

/* what a profile may have instead of keys, and is not done here */
static const char *const other_ways[] = { "role_arn", "credential_process",
                                          "sso_session", "sso_start_url",
                                          "web_identity_token_file" };

static void G_GNUC_PRINTF (2, 3) fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error,
                     g_error_new_valist (SCALING_EXPORT_ERROR,
                                         SCALING_EXPORT_ERROR_CREDENTIALS,
                                         format, args));
  va_end (args);
}

static void
wipe (char *text)
{
  if (text)
    explicit_bzero (text, strlen (text));
  g_free (text);
}

void
scaling_aws_keys_free (ScalingAwsKeys *self)
{
  g_free (self->access_key);
  wipe (self->secret_key);
  wipe (self->session_token);
  g_free (self);
}

/* is_value: what may stand in a header, and is not too long */
static gboolean
is_value (const char *text, gsize max_chars)
{
  gsize n = 0;

  for (; text[n] != '\0'; n++)
    if (n >= max_chars || !g_ascii_isgraph (text[n]))
      return FALSE;
  return n > 0;
}

/* make: takes none of the texts; @token: (nullable), "" is none */
static ScalingAwsKeys *
make (const char *access_key, const char *secret_key, const char *token,
      gint64 expires_wall_us, const char *where, GError **error)
{
  ScalingAwsKeys *self;
  const char *bad = NULL;

  if (!is_value (access_key, SCALING_AWS_KEY_MAX_CHARS))
    bad = "access key";
  else if (!is_value (secret_key, SCALING_AWS_KEY_MAX_CHARS))
    bad = "secret key";
  else if (token && *token && !is_value (token, SCALING_AWS_TOKEN_MAX_CHARS))
    bad = "session token";
  if (bad)
    {
      fail (error,
            "%s: the %s is empty, too long, or has characters that no "
            "header may have",
            where, bad);
      return NULL;
    }
  self = g_new0 (ScalingAwsKeys, 1);
  self->access_key = g_strdup (access_key);
  self->secret_key = g_strdup (secret_key);
  self->session_token = token && *token ? g_strdup (token) : NULL;
  self->expires_wall_us = expires_wall_us;
  return self;
}

/* --- Environment -------------------------------------------------------- */

ScalingAwsKeys *
scaling_aws_keys_from_env (char **env, GError **error)
{
  const char *access_key = g_environ_getenv (env, "AWS_ACCESS_KEY_ID");
  const char *secret_key = g_environ_getenv (env, "AWS_SECRET_ACCESS_KEY");

  if ((!access_key || !*access_key) && (!secret_key || !*secret_key))
    return NULL;
  if (!access_key || !*access_key || !secret_key || !*secret_key)
    {
      fail (error, "environment: of AWS_ACCESS_KEY_ID and "
                   "AWS_SECRET_ACCESS_KEY one is missing");
      return NULL;
    }
  return make (access_key, secret_key,
               g_environ_getenv (env, "AWS_SESSION_TOKEN"), G_MAXINT64,
               "environment", error);
}

/* --- Profiles ----------------------------------------------------------- */

typedef struct
{
  char *access_key, *secret_key, *token; /* owned, nullable */
  const char *other_way;                 /* static, nullable */
  gboolean is_found;
} Section;

static void
section_clear (Section *self)
{
  g_free (self->access_key);
  wipe (self->secret_key);
  wipe (self->token);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Section, section_clear)

/* is_section: @line, "[…]" with blanks stripped, is that of @profile */
static gboolean
is_section (char *line, const char *profile, gboolean is_config)
{
  char *end = strchr (line, ']'), *name = line + 1;

  if (!end)
    return FALSE;
  *end = '\0';
  name = g_strstrip (name);
  if (is_config && g_str_has_prefix (name, "profile")
      && g_ascii_isspace (name[strlen ("profile")]))
    name = g_strchug (name + strlen ("profile"));
  else if (is_config && strcmp (name, "default") != 0)
    return FALSE;
  return strcmp (name, profile) == 0;
}

static void
take_setting (Section *self, char *line)
{
  char *equals = strchr (line, '='), *value, **place = NULL;

  if (!equals)
    return;
  *equals = '\0';
  g_strchomp (line);
  value = g_strstrip (equals + 1);
  if (g_ascii_strcasecmp (line, "aws_access_key_id") == 0)
    place = &self->access_key;
  else if (g_ascii_strcasecmp (line, "aws_secret_access_key") == 0)
    place = &self->secret_key;
  else if (g_ascii_strcasecmp (line, "aws_session_token") == 0)
    place = &self->token;
  for (guint i = 0; i < G_N_ELEMENTS (other_ways); i++)
    if (g_ascii_strcasecmp (line, other_ways[i]) == 0)
      self->other_way = other_ways[i];
  if (!place)
    return;
  wipe (*place);
  *place = g_strdup (value);
}

static void
read_sections (Section *self, char *text, const char *profile,
               gboolean is_config)
{
  gboolean is_ours = FALSE;
  char *next;

  for (char *line = text; line; line = next)
    {
      gboolean is_nested = *line == ' ' || *line == '\t';

      next = strchr (line, '\n');
      if (next)
        *next++ = '\0';
      g_strstrip (line);
      if (*line == '[')
        {
          is_ours = is_section (line, profile, is_config);
          self->is_found = self->is_found || is_ours;
        }
      else if (is_ours && !is_nested && *line != '#' && *line != ';')
        take_setting (self, line);
    }
}

ScalingAwsKeys *
scaling_aws_keys_from_profile (const char *text, gsize n_bytes,
                               const char *profile, gboolean is_config,
                               GError **error)
{
  g_auto (Section) section = { 0 };
  g_autofree char *where = g_strdup_printf ("profile \"%s\"", profile);
  char *copy = NULL;

  if (n_bytes > SCALING_AWS_FILE_MAX_BYTES || memchr (text, '\0', n_bytes))
    {
      fail (error, "%s: its file has more than %d bytes, or a NUL", where,
            SCALING_AWS_FILE_MAX_BYTES);
      return NULL;
    }
  copy = g_strndup (text, n_bytes);
  read_sections (&section, copy, profile, is_config);
  explicit_bzero (copy, n_bytes);
  g_free (copy);
  if (section.access_key && section.secret_key)
    return make (section.access_key, section.secret_key, section.token,
                 G_MAXINT64, where, error);
  if (section.access_key || section.secret_key)
    fail (error,
          "%s: of aws_access_key_id and aws_secret_access_key one is missing",
          where);
  else if (section.other_way)
    fail (error, "%s: it has %s, which is not done here; give it keys", where,
          section.other_way);
  return NULL;
}

/* --- JSON --------------------------------------------------------------- */

static gboolean
read_expiration (JsonObject *object, gint64 *ret_wall_us, GError **error)
{
  const char *text = scaling_json_get_text (object, "Expiration");
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) when = NULL;

  *ret_wall_us = G_MAXINT64;
  if (!text)
    return TRUE;
  when = g_date_time_new_from_iso8601 (text, utc);
  if (!when)
    {
      fail (error, "the answer's Expiration is no time");
      return FALSE;
    }
  *ret_wall_us = g_date_time_to_unix (when) * G_USEC_PER_SEC;
  return TRUE;
}

ScalingAwsKeys *
scaling_aws_keys_from_json (const char *text, gsize n_bytes, GError **error)
{
  g_autoptr (JsonObject) object =
      scaling_json_read_object (text, n_bytes, NULL);
  g_autofree char *said = NULL;
  const char *code, *access_key, *secret_key;
  gint64 expires_wall_us;

  if (!object)
    {
      fail (error, "the answer is no JSON object");
      return NULL;
    }
  code = scaling_json_get_text (object, "Code");
  access_key = scaling_json_get_text (object, "AccessKeyId");
  secret_key = scaling_json_get_text (object, "SecretAccessKey");
  if (code && strcmp (code, "Success") != 0)
    {
      said = g_strescape (code, NULL);
      fail (error, "the answer's Code is \"%.64s\"", said);
      return NULL;
    }
  if (!access_key || !secret_key)
    {
      fail (error, "the answer lacks AccessKeyId or SecretAccessKey");
      return NULL;
    }
  if (!read_expiration (object, &expires_wall_us, error))
    return NULL;
  return make (access_key, secret_key, scaling_json_get_text (object, "Token"),
               expires_wall_us, "the answer", error);
}
