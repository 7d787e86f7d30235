/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingAwsCredentials: see aws-credentials.h. */
#include "scaling/aws-credentials.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "scaling/fetch.h"
#include "scaling/log.h"

#define ECS_URL "http://169.254.170.2"
#define IMDS_URL "http://169.254.169.254"
#define IMDS_TTL_S "21600"
#define IMDS_TOKEN_MAX_CHARS 1024
#define IMDS_ROLE_MAX_CHARS 128
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"

struct _ScalingAwsCredentials
{
  char **env;           /* owned */
  char *ecs_url;        /* owned */
  SoupSession *session; /* owned */
  ScalingFetch *fetch;  /* nullable: nothing under way */
  ScalingAwsKeys *keys; /* owned, nullable */
  char *imds_token;     /* owned, nullable */
  gboolean is_again;    /* the metadata's token was refused once already */
  GString *tried;       /* owned: what was looked at, in words */
  ScalingAwsFunc func;  /* nullable: nobody waits */
  gpointer data;
};

ScalingAwsCredentials *
scaling_aws_credentials_new (char **env, const char *ecs_url)
{
  ScalingAwsCredentials *self = g_new0 (ScalingAwsCredentials, 1);

  self->env = g_strdupv (env);
  self->ecs_url = g_strdup (ecs_url ? ecs_url : ECS_URL);
  self->session = scaling_fetch_new_session (FALSE);
  self->tried = g_string_new (NULL);
  return self;
}

void
scaling_aws_credentials_free (ScalingAwsCredentials *self)
{
  g_clear_pointer (&self->fetch, scaling_fetch_cancel);
  g_clear_object (&self->session);
  g_clear_pointer (&self->keys, scaling_aws_keys_free);
  g_strfreev (self->env);
  g_free (self->ecs_url);
  g_free (self->imds_token);
  g_string_free (self->tried, TRUE);
  g_free (self);
}

void
scaling_aws_credentials_forget (ScalingAwsCredentials *self)
{
  g_clear_pointer (&self->keys, scaling_aws_keys_free);
}

static const char *
get_env (ScalingAwsCredentials *self, const char *name)
{
  const char *value = g_environ_getenv (self->env, name);

  return value && *value ? value : NULL;
}

/* --- Ends --------------------------------------------------------------- */

static void G_GNUC_PRINTF (2, 3)
    note (ScalingAwsCredentials *self, const char *format, ...)
{
  va_list args;

  if (self->tried->len > 0)
    g_string_append (self->tried, "; ");
  va_start (args, format);
  g_string_append_vprintf (self->tried, format, args);
  va_end (args);
}

static void
answer (ScalingAwsCredentials *self, const GError *error)
{
  ScalingAwsFunc func = g_steal_pointer (&self->func);

  func (error ? NULL : self->keys, error, self->data);
}

/* succeed: @keys: (transfer full) */
static void
succeed (ScalingAwsCredentials *self, ScalingAwsKeys *keys)
{
  g_clear_pointer (&self->keys, scaling_aws_keys_free);
  self->keys = keys;
  answer (self, NULL);
}

/* fail: nobody has keys, or those who should have do not give them; what is
 * known may still hold */
static void
fail (ScalingAwsCredentials *self, int code)
{
  g_autoptr (GError) error = NULL;

  if (self->keys && self->keys->expires_wall_us > base_clock_wall_us ())
    {
      GST_WARNING ("AWS credentials are not renewed: %s", self->tried->str);
      answer (self, NULL);
      return;
    }
  error = g_error_new (SCALING_EXPORT_ERROR, code, "no AWS credentials: %s",
                       self->tried->str);
  answer (self, error);
}

/* --- HTTP --------------------------------------------------------------- */

/* start: @headers: (nullable): name, value, name, value, …, %NULL */
static void
start (ScalingAwsCredentials *self, const char *method, const char *url,
       const char *const *headers, gint64 timeout_us, ScalingFetchFunc func)
{
  SoupMessage *msg = soup_message_new (method, url);

  if (!msg)
    {
      note (self, "\"%s\" is no URL", url);
      fail (self, SCALING_EXPORT_ERROR_CREDENTIALS);
      return;
    }
  for (guint i = 0; headers && headers[i]; i += 2)
    soup_message_headers_replace (soup_message_get_request_headers (msg),
                                  headers[i], headers[i + 1]);
  self->fetch = scaling_fetch_start (self->session, msg, timeout_us,
                                     SCALING_AWS_ANSWER_MAX_BYTES, func, self);
}

/* take_answer: Returns: %TRUE when @status is 200; else it was said why not,
 * and that was the end */
static gboolean
take_answer (ScalingAwsCredentials *self, const char *who, guint status,
             const GError *error)
{
  self->fetch = NULL;
  if (!error && status == SOUP_STATUS_OK)
    return TRUE;
  if (error)
    note (self, "%s: %s", who, error->message);
  else
    note (self, "%s: answered %u", who, status);
  fail (self, error || status >= 500 || status == 429
                  ? SCALING_EXPORT_ERROR_AWAY
                  : SCALING_EXPORT_ERROR_CREDENTIALS);
  return FALSE;
}

static void
take_json (ScalingAwsCredentials *self, const char *who, GByteArray *body)
{
  g_autoptr (GError) error = NULL;
  ScalingAwsKeys *keys =
      scaling_aws_keys_from_json ((const char *)body->data, body->len, &error);

  explicit_bzero (body->data, body->len);
  if (keys)
    {
      succeed (self, keys);
      return;
    }
  note (self, "%s: %s", who, error->message);
  fail (self, SCALING_EXPORT_ERROR_CREDENTIALS);
}

/* dup_line: (transfer full) (nullable): the first line of @body when it is a
 * word of @max_chars that a header and a path may have */
static char *
dup_line (GByteArray *body, gsize max_chars)
{
  gsize n = 0;

  while (n < body->len && g_ascii_isgraph (body->data[n]))
    n++;
  if (n == 0 || n > max_chars
      || (n < body->len && body->data[n] != '\r' && body->data[n] != '\n'))
    return NULL;
  return g_strndup ((const char *)body->data, n);
}

/* --- EC2's metadata ----------------------------------------------------- */

static void ask_imds_token (ScalingAwsCredentials *self);

static void
ask_imds (ScalingAwsCredentials *self, const char *path, ScalingFetchFunc func)
{
  const char *base = get_env (self, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  const char *headers[] = { "X-aws-ec2-metadata-token", self->imds_token,
                            NULL };
  const char *first[] = { "X-aws-ec2-metadata-token-ttl-seconds", IMDS_TTL_S,
                          NULL };
  g_autofree char *root = g_strdup (base ? base : IMDS_URL);
  g_autofree char *url = NULL;
  gsize n = strlen (root);

  while (n > 0 && root[n - 1] == '/')
    root[--n] = '\0';
  url = g_strconcat (root, path, NULL);
  start (self, self->imds_token ? "GET" : "PUT", url,
         self->imds_token ? headers : first, SCALING_AWS_IMDS_TIMEOUT_US, func);
}

/* is_again: the token has ended, or the instance has another now */
static gboolean
is_again (ScalingAwsCredentials *self, guint status)
{
  if (status != SOUP_STATUS_UNAUTHORIZED || self->is_again)
    return FALSE;
  self->fetch = NULL;
  self->is_again = TRUE;
  ask_imds_token (self);
  return TRUE;
}

static void
on_imds_keys (guint status, GByteArray *body, const GError *error,
              gpointer data)
{
  ScalingAwsCredentials *self = data;

  if (is_again (self, status))
    return;
  if (take_answer (self, "EC2 metadata, keys", status, error))
    take_json (self, "EC2 metadata, keys", body);
}

static void
on_imds_role (guint status, GByteArray *body, const GError *error,
              gpointer data)
{
  ScalingAwsCredentials *self = data;
  g_autofree char *role = NULL, *path = NULL, *escaped = NULL;

  if (is_again (self, status)
      || !take_answer (self, "EC2 metadata, role", status, error))
    return;
  role = dup_line (body, IMDS_ROLE_MAX_CHARS);
  if (!role)
    {
      note (self, "EC2 metadata, role: the answer names none");
      fail (self, SCALING_EXPORT_ERROR_CREDENTIALS);
      return;
    }
  escaped = g_uri_escape_string (role, NULL, FALSE);
  path = g_strconcat (ROLE_PATH, escaped, NULL);
  ask_imds (self, path, on_imds_keys);
}

static void
on_imds_token (guint status, GByteArray *body, const GError *error,
               gpointer data)
{
  ScalingAwsCredentials *self = data;

  if (!take_answer (self, "EC2 metadata, token", status, error))
    return;
  self->imds_token = dup_line (body, IMDS_TOKEN_MAX_CHARS);
  if (self->imds_token)
    {
      ask_imds (self, ROLE_PATH, on_imds_role);
      return;
    }
  note (self, "EC2 metadata, token: the answer is none");
  fail (self, SCALING_EXPORT_ERROR_CREDENTIALS);
}

static void
ask_imds_token (ScalingAwsCredentials *self)
{
  const char *is_off = get_env (self, "AWS_EC2_METADATA_DISABLED");

  if (is_off && g_ascii_strcasecmp (is_off, "true") == 0)
    {
      note (self, "EC2 metadata: off by AWS_EC2_METADATA_DISABLED");
      fail (self, SCALING_EXPORT_ERROR_CREDENTIALS);
      return;
    }
  g_clear_pointer (&self->imds_token, g_free);
  ask_imds (self, "/latest/api/token", on_imds_token);
}

/* --- Containers --------------------------------------------------------- */

gboolean
scaling_aws_credentials_is_container_url (const char *url)
{
  static const char *const link_local[] = { "169.254.170.2", "169.254.170.23",
                                            "fd00:ec2::23" };
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  g_autoptr (GInetAddress) address = NULL;
  const char *host = uri ? g_uri_get_host (uri) : NULL;

  if (!host || !*host)
    return FALSE;
  if (strcmp (g_uri_get_scheme (uri), "https") == 0)
    return TRUE;
  if (strcmp (g_uri_get_scheme (uri), "http") != 0)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (link_local); i++)
    if (strcmp (host, link_local[i]) == 0)
      return TRUE;
  address = g_inet_address_new_from_string (host);
  return strcmp (host, "localhost") == 0
         || (address && g_inet_address_get_is_loopback (address));
}

/* read_file: (transfer full) (nullable): at most SCALING_AWS_FILE_MAX_BYTES + 1
 * of it, NUL-terminated */
static char *
read_file (const char *path, gsize *ret_n_bytes)
{
  FILE *file = fopen (path, "re");
  char *text;

  if (!file)
    return NULL;
  text = g_malloc0 (SCALING_AWS_FILE_MAX_BYTES + 2);
  *ret_n_bytes = fread (text, 1, SCALING_AWS_FILE_MAX_BYTES + 1, file);
  fclose (file);
  return text;
}

/* dup_container_token: Returns: %FALSE: it was said why not;
 * @ret: (transfer full) (nullable): %NULL: none is needed */
static gboolean
dup_container_token (ScalingAwsCredentials *self, char **ret)
{
  const char *path = get_env (self, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  gsize n_bytes;

  *ret = path ? read_file (path, &n_bytes)
              : g_strdup (get_env (self, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
  if (path && !*ret)
    {
      note (self, "container: %s cannot be read", path);
      return FALSE;
    }
  if (*ret)
    g_strstrip (*ret);
  for (const char *c = *ret; c && *c; c++)
    if (!g_ascii_isprint (*c))
      {
        note (self, "container: the authorization token has characters that "
                    "no header may have");
        g_clear_pointer (ret, g_free);
        return FALSE;
      }
  return TRUE;
}

static void
on_container (guint status, GByteArray *body, const GError *error,
              gpointer data)
{
  ScalingAwsCredentials *self = data;

  if (take_answer (self, "container", status, error))
    take_json (self, "container", body);
}

/* ask_container: Returns: %FALSE: there is none */
static gboolean
ask_container (ScalingAwsCredentials *self)
{
  const char *relative =
      get_env (self, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const char *full = get_env (self, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  g_autofree char *token = NULL, *url = NULL;
  const char *headers[] = { "Authorization", NULL, NULL };

  if (!relative && !full)
    {
      note (self, "no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI");
      return FALSE;
    }
  url =
      relative ? g_strconcat (self->ecs_url, relative, NULL) : g_strdup (full);
  if (!relative && !scaling_aws_credentials_is_container_url (full))
    {
      note (self, "container: AWS_CONTAINER_CREDENTIALS_FULL_URI is neither "
                  "HTTPS nor on this machine");
      fail (self, SCALING_EXPORT_ERROR_CREDENTIALS);
      return TRUE;
    }
  if (!dup_container_token (self, &token))
    {
      fail (self, SCALING_EXPORT_ERROR_CREDENTIALS);
      return TRUE;
    }
  headers[1] = token;
  start (self, "GET", url, token ? headers : NULL, SCALING_AWS_ECS_TIMEOUT_US,
         on_container);
  return TRUE;
}

/* --- Environment and files ---------------------------------------------- */

/* read_profile: Returns: (transfer full) (nullable): %NULL with @error when
 * the chain ends here */
static ScalingAwsKeys *
read_profile (ScalingAwsCredentials *self, const char *profile,
              const char *path_name, const char *file, gboolean is_config,
              GError **error)
{
  const char *named = get_env (self, path_name), *home = get_env (self, "HOME");
  g_autofree char *path = named  ? g_strdup (named)
                          : home ? g_build_filename (home, ".aws", file, NULL)
                                 : NULL;
  char *text;
  gsize n_bytes;
  ScalingAwsKeys *keys;

  if (!path)
    return NULL;
  text = read_file (path, &n_bytes);
  if (!text)
    {
      note (self, "no file %s", path);
      return NULL;
    }
  keys =
      scaling_aws_keys_from_profile (text, n_bytes, profile, is_config, error);
  explicit_bzero (text, n_bytes);
  g_free (text);
  if (!keys && !*error)
    note (self, "no keys of profile \"%s\" in %s", profile, path);
  return keys;
}

/* look_here: the keys that need no asking.
 * Returns: (transfer full) (nullable) */
static ScalingAwsKeys *
look_here (ScalingAwsCredentials *self, GError **error)
{
  const char *named = get_env (self, "AWS_PROFILE");
  const char *profile = named ? named : "default";
  ScalingAwsKeys *keys = scaling_aws_keys_from_env (self->env, error);

  if (keys || *error)
    return keys;
  note (self, "no AWS_ACCESS_KEY_ID");
  keys = read_profile (self, profile, "AWS_SHARED_CREDENTIALS_FILE",
                       "credentials", FALSE, error);
  if (!keys && !*error)
    keys =
        read_profile (self, profile, "AWS_CONFIG_FILE", "config", TRUE, error);
  if (!keys && !*error && named)
    g_set_error (error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_CREDENTIALS,
                 "AWS_PROFILE names \"%s\", which has no keys", named);
  return keys;
}

void
scaling_aws_credentials_get (ScalingAwsCredentials *self, ScalingAwsFunc func,
                             gpointer data)
{
  g_autoptr (GError) error = NULL;
  ScalingAwsKeys *keys;

  g_return_if_fail (!self->func);
  self->func = func;
  self->data = data;
  if (self->keys
      && self->keys->expires_wall_us - base_clock_wall_us ()
             > SCALING_AWS_RENEW_US)
    {
      answer (self, NULL);
      return;
    }
  g_string_truncate (self->tried, 0);
  self->is_again = FALSE;
  keys = look_here (self, &error);
  if (keys)
    succeed (self, keys);
  else if (error)
    {
      note (self, "%s", error->message);
      fail (self, SCALING_EXPORT_ERROR_CREDENTIALS);
    }
  else if (!ask_container (self))
    ask_imds_token (self);
}
