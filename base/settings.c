/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/settings: reads the layers one over the other, and answers getters.
 * What the table looks like as text is in base/settings-text.c.
 */
#include "base/settings.h"

#include <string.h>

#include "base/settings-private.h"

#define CONFIG_KEY "config" /* the setting that names the file */
#define GROUP "media-tree"
#define ENV_PREFIX "MEDIA_TREE_"
#define SECRET_FILE_MAX_BYTES (64 * 1024)

G_DEFINE_QUARK (base - settings - error - quark, base_settings_error)

BaseSettings *
base_settings_new (const BaseSettingSpec *specs, guint n_specs)
{
  BaseSettings *self = g_new0 (BaseSettings, 1);

  base_settings_add (self, specs, n_specs);
  return self;
}

void
base_settings_add (BaseSettings *self, const BaseSettingSpec *specs,
                   guint n_specs)
{
  guint n_all = self->n_specs + n_specs;

  self->specs = g_renew (BaseSettingSpec, self->specs, n_all);
  self->values = g_renew (BaseSettingValue, self->values, n_all);
  self->aliases = g_renew (BaseSettingAlias, self->aliases, n_all);
  for (guint i = self->n_specs; i < n_all; i++)
    {
      BaseSettingSpec *spec = &self->specs[i];
      g_autoptr (GError) error = NULL;

      *spec = *specs++;
      self->values[i] = (BaseSettingValue){ 0 };
      self->aliases[i] = (BaseSettingAlias){ 0 };
      if (!base_setting_value_parse (&self->values[i], spec, spec->def, &error))
        g_error ("The default of %s %s", spec->key, error->message);
    }
  self->n_specs = n_all;
}

void
base_settings_free (BaseSettings *self)
{
  g_return_if_fail (self);
  for (guint i = 0; i < self->n_specs; i++)
    base_setting_value_clear (&self->values[i]);
  g_free (self->values);
  g_free (self->specs);
  g_free (self->aliases);
  g_free (self);
}

/* find: index of @key, or -1 */
static int
find (BaseSettings *self, const char *key)
{
  for (guint i = 0; i < self->n_specs; i++)
    if (g_str_equal (self->specs[i].key, key))
      return (int)i;
  return -1;
}

void
base_settings_add_env_alias (BaseSettings *self, const char *key,
                             const char *env, const char *unit)
{
  int i = find (self, key);

  if (i < 0 || self->aliases[i].env)
    g_error ("There is no setting \"%s\", or it has an alias", key);
  self->aliases[i] = (BaseSettingAlias){ env, unit };
}

/* find_secret_file: index of the secret that @key, "…-file", is read for */
static int
find_secret_file (BaseSettings *self, const char *key)
{
  g_autofree char *secret = NULL;
  int i;

  if (!g_str_has_suffix (key, "-file"))
    return -1;
  secret = g_strndup (key, strlen (key) - strlen ("-file"));
  i = find (self, secret);
  return i >= 0 && self->specs[i].type == BASE_SETTING_SECRET ? i : -1;
}

/* read_secret: (transfer full) (nullable) */
static char *
read_secret (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) reason = NULL;
  gsize n_bytes = 0;

  if (!g_file_get_contents (path, &text, &n_bytes, &reason))
    {
      g_set_error (error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_FILE,
                   "names a file that cannot be read: %s", reason->message);
      return NULL;
    }
  while (n_bytes > 0 && strchr ("\r\n", text[n_bytes - 1]))
    text[--n_bytes] = '\0';
  if (n_bytes == 0 || n_bytes > SECRET_FILE_MAX_BYTES
      || strlen (text) < n_bytes)
    {
      g_set_error (error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_FILE,
                   "names the file %s, which must hold a text of 1 to %d bytes",
                   path, SECRET_FILE_MAX_BYTES);
      return NULL;
    }
  return g_steal_pointer (&text);
}

/* set: @origin: where @key stands, e.g. "/etc/x.conf, line 3" */
static gboolean
set (BaseSettings *self, const char *key, const char *text, const char *origin,
     GError **error)
{
  int i = find (self, key);
  int i_file = i < 0 ? find_secret_file (self, key) : -1;
  g_autofree char *secret = NULL;

  if (i < 0 && i_file < 0)
    {
      g_set_error (error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_UNKNOWN_KEY,
                   "%s: there is no setting \"%s\"", origin, key);
      return FALSE;
    }
  if (i_file >= 0)
    {
      i = i_file;
      if (*text)
        {
          text = secret = read_secret (text, error);
          if (!secret)
            {
              g_prefix_error (error, "%s: %s ", origin, key);
              return FALSE;
            }
        }
    }
  if (base_setting_value_parse (&self->values[i], &self->specs[i], text, error))
    {
      self->values[i].is_set = TRUE;
      return TRUE;
    }
  if (self->specs[i].type == BASE_SETTING_SECRET)
    g_prefix_error (error, "%s: %s: the value ", origin, key);
  else
    {
      g_autofree char *valid = g_utf8_make_valid (text, -1);

      g_prefix_error (error, "%s: %s: \"%s\" ", origin, key, valid);
    }
  return FALSE;
}

gboolean
base_settings_set_default (BaseSettings *self, const char *key,
                           const char *text, const char *origin, GError **error)
{
  int i = find (self, key);

  g_return_val_if_fail (i >= 0, FALSE);
  return self->values[i].is_set || set (self, key, text, origin, error);
}

/* line_of: GKeyFile keeps no line numbers. The last one counts, as there.
 * Returns: 0 when not found */
static guint
line_of (const char *text, const char *key)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gsize n_key = strlen (key);
  guint found = 0;

  for (guint i = 0; lines[i]; i++)
    {
      const char *p = lines[i] + strspn (lines[i], " \t");

      if (strncmp (p, key, n_key) == 0
          && p[n_key + strspn (p + n_key, " \t")] == '=')
        found = i + 1;
    }
  return found;
}

static gboolean
check_groups (GKeyFile *file, const char *path, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (guint i = 0; groups[i]; i++)
    if (!g_str_equal (groups[i], GROUP))
      {
        g_set_error (
            error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_UNKNOWN_KEY,
            "%s: there is no group [%s], only [" GROUP "]", path, groups[i]);
        return FALSE;
      }
  return TRUE;
}

static gboolean
set_from_file (BaseSettings *self, GKeyFile *file, const char *path,
               const char *text, const char *key, GError **error)
{
  g_autofree char *origin =
      g_strdup_printf ("%s, line %u", path, line_of (text, key));
  g_autoptr (GError) reason = NULL;
  g_autofree char *value = g_key_file_get_string (file, GROUP, key, &reason);
  int i = find (self, key);

  if (!value)
    {
      g_set_error (error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_BAD_VALUE,
                   "%s: %s", origin, reason->message);
      return FALSE;
    }
  if (i >= 0 && !self->specs[i].group)
    {
      g_set_error (error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_UNKNOWN_KEY,
                   "%s: \"%s\" belongs to the command line, not into a file",
                   origin, key);
      return FALSE;
    }
  return set (self, key, value, origin, error);
}

static gboolean
load_file (BaseSettings *self, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) reason = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) keys = NULL;
  gsize n_bytes = 0;

  if (!g_file_get_contents (path, &text, &n_bytes, &reason)
      || !g_key_file_load_from_data (file, text, n_bytes, G_KEY_FILE_NONE,
                                     &reason))
    {
      g_set_error (error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_FILE,
                   "config file %s: %s", path, reason->message);
      return FALSE;
    }
  if (!check_groups (file, path, error))
    return FALSE;
  keys = g_key_file_get_keys (file, GROUP, NULL, NULL);
  for (guint i = 0; keys && keys[i]; i++)
    if (!set_from_file (self, file, path, text, keys[i], error))
      return FALSE;
  return TRUE;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* load_directory: every *.conf of @path by name; none is fine */
static gboolean
load_directory (BaseSettings *self, const char *path, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  if (!dir)
    return TRUE;
  while ((name = g_dir_read_name (dir)))
    if (g_str_has_suffix (name, ".conf") && *name != '.')
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *file =
          g_build_filename (path, g_ptr_array_index (names, i), NULL);

      if (!load_file (self, file, error))
        return FALSE;
    }
  return TRUE;
}

/* is_service_link: Kubernetes sets such variables by itself for a service of
 * our name: MEDIA_TREE_SERVICE_HOST, MEDIA_TREE_PORT_7070_TCP_ADDR */
static gboolean
is_service_link (const char *name)
{
  return g_regex_match_simple (
      "^MEDIA_TREE_(.*_)?(SERVICE_(HOST|PORT(_.*)?)|PORT(_[0-9]+_.*)?)$", name,
      0, 0);
}

static gboolean
load_aliases (BaseSettings *self, char **env, GError **error)
{
  for (guint i = 0; i < self->n_specs; i++)
    {
      const BaseSettingAlias *alias = &self->aliases[i];
      const char *value =
          alias->env ? g_environ_getenv (env, alias->env) : NULL;
      g_autofree char *origin = NULL, *with_unit = NULL;

      if (!value || !*value)
        continue;
      origin = g_strdup_printf ("environment, %s", alias->env);
      if (alias->unit && strspn (value, "0123456789.") == strlen (value))
        value = with_unit = g_strconcat (value, " ", alias->unit, NULL);
      if (!set (self, self->specs[i].key, value, origin, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
load_environment (BaseSettings *self, char **env, GError **error)
{
  for (; env && *env; env++)
    {
      const char *value = strchr (*env, '=');
      g_autofree char *name = NULL, *key = NULL, *origin = NULL;

      if (!value || !g_str_has_prefix (*env, ENV_PREFIX))
        continue;
      name = g_strndup (*env, (gsize)(value - *env));
      key = g_ascii_strdown (name + strlen (ENV_PREFIX), -1);
      g_strdelimit (key, "_", '-');
      if (find (self, key) < 0 && is_service_link (name))
        continue;
      origin = g_strdup_printf ("environment, %s", name);
      if (!set (self, key, value + 1, origin, error))
        return FALSE;
    }
  return TRUE;
}

/* next_option: splits argv[*i] and moves *i past it and its value
 * Returns: (transfer full) (nullable): the key */
static char *
next_option (BaseSettings *self, char **argv, guint *i, const char **ret_value,
             GError **error)
{
  const char *arg = argv[(*i)++];
  const char *equals = strchr (arg, '=');
  g_autofree char *key = NULL;
  int found;

  if (!g_str_has_prefix (arg, "--") || arg[2] == '\0')
    {
      g_set_error (error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_UNKNOWN_KEY,
                   "command line: \"%s\" is no option", arg);
      return NULL;
    }
  key = equals ? g_strndup (arg + 2, (gsize)(equals - arg - 2))
               : g_strdup (arg + 2);
  found = find (self, key);
  if (equals)
    *ret_value = equals + 1;
  else if (found >= 0 && self->specs[found].type == BASE_SETTING_BOOL)
    *ret_value = "yes";
  else if (found < 0 && find_secret_file (self, key) < 0)
    *ret_value = ""; /* unknown: let set() say so */
  else if (argv[*i])
    *ret_value = argv[(*i)++];
  else
    {
      g_set_error (error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_BAD_VALUE,
                   "command line: --%s needs a value", key);
      return NULL;
    }
  return g_steal_pointer (&key);
}

static gboolean
load_arguments (BaseSettings *self, char **argv, GError **error)
{
  for (guint i = 0; argv && argv[i];)
    {
      const char *value = NULL;
      g_autofree char *key = next_option (self, argv, &i, &value, error);

      if (!key || !set (self, key, value, "command line", error))
        return FALSE;
    }
  return TRUE;
}

/* find_file: the later of environment and command line names the file; the
 * default may be missing, a file that was asked for may not.
 * Returns: (transfer full) (nullable) */
static char *
find_file (BaseSettings *self, char **argv, char **env)
{
  int index = find (self, CONFIG_KEY);
  const char *path;

  if (index < 0)
    return NULL;
  path = g_environ_getenv (env, ENV_PREFIX "CONFIG");
  for (guint i = 0; argv && argv[i];)
    {
      const char *value = NULL;
      g_autofree char *key = next_option (self, argv, &i, &value, NULL);

      if (key && g_str_equal (key, CONFIG_KEY))
        path = value;
    }
  if (path)
    return *path ? g_strdup (path) : NULL;
  path = self->specs[index].def;
  return path && g_file_test (path, G_FILE_TEST_EXISTS) ? g_strdup (path)
                                                        : NULL;
}

static gboolean
load_layers (BaseSettings *self, char **argv, char **env, GError **error)
{
  g_autofree char *path = find_file (self, argv, env);

  if (path)
    {
      g_autofree char *above = g_path_get_dirname (path);
      g_autofree char *conf_d = g_build_filename (above, "conf.d", NULL);

      if (!load_file (self, path, error)
          || !load_directory (self, conf_d, error))
        return FALSE;
    }
  return load_aliases (self, env, error) && load_environment (self, env, error)
         && load_arguments (self, argv, error);
}

gboolean
base_settings_load (BaseSettings *self, char **argv, char **env, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autofree char *text = NULL;

  g_return_val_if_fail (self, FALSE);
  if (load_layers (self, argv, env, &reason))
    return TRUE;
  /* arguments may be any bytes, what is said about them is text */
  text = g_utf8_make_valid (reason->message, -1);
  g_set_error_literal (error, reason->domain, reason->code, text);
  return FALSE;
}

/* get: the value of @key, whose type must be in @types (bits) */
static BaseSettingValue *
get (BaseSettings *self, const char *key, guint types)
{
  int i = find (self, key);

  if (i < 0 || !(types & 1u << self->specs[i].type))
    g_error ("There is no setting \"%s\" of that type", key);
  return &self->values[i];
}

const char *
base_settings_get_string (BaseSettings *self, const char *key)
{
  return get (self, key,
              1u << BASE_SETTING_STRING | 1u << BASE_SETTING_SECRET
                  | 1u << BASE_SETTING_PATH | 1u << BASE_SETTING_ENUM)
      ->text;
}

gboolean
base_settings_get_bool (BaseSettings *self, const char *key)
{
  return get (self, key, 1u << BASE_SETTING_BOOL)->number != 0;
}

gint64
base_settings_get_int (BaseSettings *self, const char *key)
{
  return get (self, key,
              1u << BASE_SETTING_INT | 1u << BASE_SETTING_SIZE
                  | 1u << BASE_SETTING_RATE)
      ->number;
}

gint64
base_settings_get_duration_us (BaseSettings *self, const char *key)
{
  return get (self, key, 1u << BASE_SETTING_DURATION)->number;
}

const char *const *
base_settings_get_list (BaseSettings *self, const char *key)
{
  return (const char *const *)get (self, key, 1u << BASE_SETTING_LIST)->list;
}

void
base_settings_get_range (BaseSettings *self, const char *key, gint64 *ret_low,
                         gint64 *ret_high)
{
  BaseSettingValue *value = get (self, key, 1u << BASE_SETTING_RANGE);

  *ret_low = value->number;
  *ret_high = value->high;
}
