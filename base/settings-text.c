/* SPDX-License-Identifier: Apache-2.0 */
/* base/settings-text: the table as help, sample file, man page and config. */
#include <string.h>

#include "base/settings-private.h"

#define HELP_COLUMN 32
#define DEFAULT_GROUP "General"

static const char *
group_of (const BaseSettingSpec *spec)
{
  return spec->group ? spec->group : DEFAULT_GROUP;
}

/* starts_group: the table keeps groups together */
static gboolean
starts_group (BaseSettings *self, guint i)
{
  return i == 0
         || !g_str_equal (group_of (&self->specs[i]),
                          group_of (&self->specs[i - 1]));
}

static void
append_default (GString *text, const BaseSettingSpec *spec)
{
  if (spec->def && *spec->def)
    g_string_append_printf (text, " (default: %s)", spec->def);
}

/* append_alias: its other name in the environment */
static void
append_alias (GString *text, const BaseSettingAlias *alias)
{
  if (alias->env)
    g_string_append_printf (text, " (also $%s%s%s)", alias->env,
                            alias->unit ? ", in " : "",
                            alias->unit ? alias->unit : "");
}

char *
base_settings_to_help (BaseSettings *self)
{
  GString *text = g_string_new (NULL);

  g_return_val_if_fail (self, NULL);
  for (guint i = 0; i < self->n_specs; i++)
    {
      const BaseSettingSpec *spec = &self->specs[i];
      gsize begin;

      if (starts_group (self, i))
        g_string_append_printf (text, "%s%s:\n", i > 0 ? "\n" : "",
                                group_of (spec));
      begin = text->len;
      g_string_append_printf (text, "  --%s", spec->key);
      if (spec->type != BASE_SETTING_BOOL)
        g_string_append_printf (text, "=%s",
                                base_setting_type_placeholder (spec));
      if (text->len - begin > HELP_COLUMN - 2)
        {
          g_string_append_c (text, '\n');
          begin = text->len;
        }
      while (text->len - begin < HELP_COLUMN)
        g_string_append_c (text, ' ');
      g_string_append (text, spec->help);
      append_default (text, spec);
      append_alias (text, &self->aliases[i]);
      g_string_append_c (text, '\n');
    }
  return g_string_free (text, FALSE);
}

/* append_pair: key=value, escaped as GKeyFile reads it */
static void
append_pair (GString *text, const char *key, const char *value)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *escaped = NULL;

  g_key_file_set_string (file, "x", key, value);
  escaped = g_key_file_get_value (file, "x", key, NULL);
  g_string_append_printf (text, "%s=%s\n", key, escaped);
}

char *
base_settings_to_config (BaseSettings *self)
{
  GString *text = g_string_new ("[media-tree]\n");

  g_return_val_if_fail (self, NULL);
  for (guint i = 0; i < self->n_specs; i++)
    {
      const BaseSettingSpec *spec = &self->specs[i];
      const char *value = self->values[i].text;

      if (!spec->group)
        continue;
      if (!value)
        g_string_append_printf (text, "#%s=\n", spec->key);
      else
        append_pair (text, spec->key,
                     spec->type == BASE_SETTING_SECRET ? "***" : value);
    }
  return g_string_free (text, FALSE);
}

char **
base_settings_dup_environment (BaseSettings *self, const char *const *except,
                               gboolean with_secrets)
{
  GPtrArray *items = g_ptr_array_new ();

  for (guint i = 0; i < self->n_specs; i++)
    {
      const BaseSettingSpec *spec = &self->specs[i];
      g_autofree char *name = g_ascii_strup (spec->key, -1);

      if (!self->values[i].is_set || !self->values[i].text || !spec->group
          || (spec->type == BASE_SETTING_SECRET && !with_secrets)
          || g_strv_contains (except, spec->key))
        continue;
      g_strdelimit (name, "-", '_');
      g_ptr_array_add (items, g_strdup_printf ("MEDIA_TREE_%s=%s", name,
                                               self->values[i].text));
    }
  g_ptr_array_add (items, NULL);
  return (char **)g_ptr_array_free (items, FALSE);
}

char *
base_settings_to_sample (BaseSettings *self)
{
  GString *text = g_string_new (
      "# Settings of media-tree. Each line shows its default. Files of the\n"
      "# directory conf.d beside this one come after it, then MEDIA_TREE_*\n"
      "# variables, then the command line.\n"
      "[media-tree]\n");
  const char *group = NULL;

  g_return_val_if_fail (self, NULL);
  for (guint i = 0; i < self->n_specs; i++)
    {
      const BaseSettingSpec *spec = &self->specs[i];

      if (!spec->group)
        continue;
      if (g_strcmp0 (group, spec->group) != 0)
        g_string_append_printf (text, "\n## %s\n", spec->group);
      group = spec->group;
      g_string_append_printf (text, "\n# %s [%s]\n#", spec->help,
                              base_setting_type_placeholder (spec));
      append_pair (text, spec->key, spec->def ? spec->def : "");
      if (spec->type == BASE_SETTING_SECRET)
        g_string_append_printf (text, "#%s-file=\n", spec->key);
    }
  return g_string_free (text, FALSE);
}

/* append_roff: @text as roff shows it literally */
static void
append_roff (GString *roff, const char *text)
{
  if (*text == '.' || *text == '\'')
    g_string_append (roff, "\\&");
  for (; *text; text++)
    if (*text == '-')
      g_string_append (roff, "\\-");
    else if (*text == '\\')
      g_string_append (roff, "\\e");
    else
      g_string_append_c (roff, *text);
}

char *
base_settings_to_man (BaseSettings *self)
{
  GString *roff = g_string_new (".SH OPTIONS\n");

  g_return_val_if_fail (self, NULL);
  for (guint i = 0; i < self->n_specs; i++)
    {
      const BaseSettingSpec *spec = &self->specs[i];

      if (starts_group (self, i))
        {
          g_string_append (roff, ".SS \"");
          append_roff (roff, group_of (spec));
          g_string_append (roff, "\"\n");
        }
      g_string_append (roff, ".TP\n\\fB\\-\\-");
      append_roff (roff, spec->key);
      g_string_append (roff, "\\fR");
      if (spec->type != BASE_SETTING_BOOL)
        {
          g_string_append (roff, "=\\fI");
          append_roff (roff, base_setting_type_placeholder (spec));
          g_string_append (roff, "\\fR");
        }
      g_string_append_c (roff, '\n');
      append_roff (roff, spec->help);
      if (spec->def && *spec->def)
        {
          g_string_append (roff, "\nDefault: ");
          append_roff (roff, spec->def);
          g_string_append_c (roff, '.');
        }
      if (spec->type == BASE_SETTING_SECRET)
        {
          g_string_append (roff, "\nOr \\fB\\-\\-");
          append_roff (roff, spec->key);
          g_string_append (roff, "\\-file\\fR=\\fIFILE\\fR.");
        }
      if (self->aliases[i].env)
        {
          g_string_append (roff, "\nIn the environment also \\fB");
          append_roff (roff, self->aliases[i].env);
          g_string_append_printf (
              roff, "\\fR%s%s.", self->aliases[i].unit ? ", in " : "",
              self->aliases[i].unit ? self->aliases[i].unit : "");
        }
      g_string_append_c (roff, '\n');
    }
  return g_string_free (roff, FALSE);
}
