/* SPDX-License-Identifier: Apache-2.0 */
/* base/settings-value: text to value, by type. */
#include "base/settings-value.h"

#include <string.h>

#include "base/clock.h"

/* Doubles are exact up to here. */
#define NUMBER_MAX 9007199254740992.0

typedef struct
{
  const char *name;
  double factor;
} Unit;

static const Unit duration_units[] = {
  { "us", 1 },
  { "ms", BASE_US_PER_MS },
  { "s", BASE_US_PER_S },
  { "min", 60.0 * BASE_US_PER_S },
  { "h", 3600.0 * BASE_US_PER_S },
  { "d", 86400.0 * BASE_US_PER_S },
  { NULL, 0 },
};
static const Unit size_units[] = {
  { "", 1 },     { "B", 1 },        { "kB", 1e3 },      { "MB", 1e6 },
  { "GB", 1e9 }, { "KiB", 1024.0 }, { "MiB", 1048576 }, { "GiB", 1073741824 },
  { NULL, 0 },
};
static const Unit rate_units[] = {
  { "", 1 },         { "bit/s", 1 },    { "kbit/s", 1e3 },
  { "Mbit/s", 1e6 }, { "Gbit/s", 1e9 }, { NULL, 0 },
};

static gboolean bad (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static gboolean
bad (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (BASE_SETTINGS_ERROR,
                                 BASE_SETTINGS_ERROR_BAD_VALUE, format, args);
  va_end (args);
  return FALSE;
}

static gboolean
check_bounds (const BaseSettingSpec *spec, gint64 number, const char *unit,
              GError **error)
{
  if ((spec->min != 0 || spec->max != 0)
      && (number < spec->min || number > spec->max))
    return bad (error,
                "is out of bounds, %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                "%s",
                spec->min, spec->max, unit);
  return TRUE;
}

/* parse_with_unit: "2.5 Mbit/s"; the unit may follow at once */
static gboolean
parse_with_unit (const BaseSettingSpec *spec, const char *text,
                 const Unit *units, gint64 *ret_number, const char *base_unit,
                 const char *example, GError **error)
{
  gsize n_digits = strspn (text, "0123456789.");
  g_autofree char *digits = g_strndup (text, n_digits);
  const char *unit = text + n_digits;
  char *end = NULL;
  double number = g_ascii_strtod (digits, &end);

  unit += strspn (unit, " ");
  if (n_digits == 0 || *end != '\0')
    return bad (error, "is not a number with a unit, such as %s", example);
  if (number == 0 && *unit == '\0')
    {
      *ret_number = 0;
      return check_bounds (spec, 0, base_unit, error);
    }
  for (; units->name; units++)
    if (g_ascii_strcasecmp (unit, units->name) == 0)
      {
        number = number * units->factor + 0.5; /* to the nearest */
        if (!(number <= NUMBER_MAX))
          return bad (error, "is too large");
        if (!check_bounds (spec, (gint64)number, base_unit, error))
          return FALSE;
        *ret_number = (gint64)number;
        return TRUE;
      }
  if (*unit == '\0')
    return bad (error, "has no unit; write for example %s", example);
  return bad (error, "has the unknown unit \"%s\"; write for example %s", unit,
              example);
}

static gboolean
parse_bool (const char *text, gint64 *ret_number, GError **error)
{
  static const char *const yes[] = { "yes", "true", "on", "1" };
  static const char *const no[] = { "no", "false", "off", "0" };

  for (guint i = 0; i < G_N_ELEMENTS (yes); i++)
    {
      if (g_ascii_strcasecmp (text, yes[i]) == 0)
        *ret_number = 1;
      else if (g_ascii_strcasecmp (text, no[i]) == 0)
        *ret_number = 0;
      else
        continue;
      return TRUE;
    }
  return bad (error, "is neither yes nor no");
}

static gboolean
parse_int (const BaseSettingSpec *spec, const char *text, gint64 *ret_number,
           GError **error)
{
  gint64 number;

  if (!g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &number,
                                 NULL))
    return bad (error, "is not a whole number");
  if (!check_bounds (spec, number, "", error))
    return FALSE;
  *ret_number = number;
  return TRUE;
}

static gboolean
parse_range (const BaseSettingSpec *spec, const char *text, gint64 *ret_low,
             gint64 *ret_high, GError **error)
{
  g_auto (GStrv) ends = g_strsplit (text, "-", 2);
  gint64 low, high;

  if (!ends[0] || !ends[1]
      || !g_ascii_string_to_signed (g_strstrip (ends[0]), 10, 0, G_MAXINT64,
                                    &low, NULL)
      || !g_ascii_string_to_signed (g_strstrip (ends[1]), 10, 0, G_MAXINT64,
                                    &high, NULL))
    return bad (error, "is not a range such as 10000-10999");
  if (low > high)
    return bad (error, "has its low end above its high end");
  if (!check_bounds (spec, low, "", error)
      || !check_bounds (spec, high, "", error))
    return FALSE;
  *ret_low = low;
  *ret_high = high;
  return TRUE;
}

static gboolean
parse_enum (const BaseSettingSpec *spec, const char *text, GError **error)
{
  g_auto (GStrv) choices = g_strsplit (spec->choices, "|", -1);

  if (g_strv_contains ((const char *const *)choices, text))
    return TRUE;
  return bad (error, "is none of %s", spec->choices);
}

static char **
split_list (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text ? text : "", ",", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; parts[i]; i++)
    if (*g_strstrip (parts[i]))
      g_strv_builder_add (builder, parts[i]);
  return g_strv_builder_end (builder);
}

/* parse_set: @text is not %NULL */
static gboolean
parse_set (BaseSettingValue *value, const BaseSettingSpec *spec,
           const char *text, GError **error)
{
  switch (spec->type)
    {
    case BASE_SETTING_BOOL:
      return parse_bool (text, &value->number, error);
    case BASE_SETTING_INT:
      return parse_int (spec, text, &value->number, error);
    case BASE_SETTING_DURATION:
      return parse_with_unit (spec, text, duration_units, &value->number, " us",
                              "\"30 s\" (us, ms, s, min, h, d)", error);
    case BASE_SETTING_SIZE:
      return parse_with_unit (spec, text, size_units, &value->number, " bytes",
                              "\"16 MB\" (B, kB, MB, GB, KiB, MiB, GiB)",
                              error);
    case BASE_SETTING_RATE:
      return parse_with_unit (spec, text, rate_units, &value->number, " bit/s",
                              "\"2.5 Mbit/s\" (bit/s, kbit/s, Mbit/s, "
                              "Gbit/s)",
                              error);
    case BASE_SETTING_RANGE:
      return parse_range (spec, text, &value->number, &value->high, error);
    case BASE_SETTING_ENUM:
      return parse_enum (spec, text, error);
    case BASE_SETTING_STRING:
    case BASE_SETTING_SECRET:
    case BASE_SETTING_PATH:
    case BASE_SETTING_LIST:
    default:
      return TRUE;
    }
}

static gboolean
may_be_empty (BaseSettingType type)
{
  return type == BASE_SETTING_STRING || type == BASE_SETTING_SECRET
         || type == BASE_SETTING_PATH || type == BASE_SETTING_LIST;
}

static gboolean
has_control (const char *text)
{
  for (const char *p = text; *p; p++)
    if (g_ascii_iscntrl (*p))
      return TRUE;
  return FALSE;
}

gboolean
base_setting_value_parse (BaseSettingValue *value, const BaseSettingSpec *spec,
                          const char *given, GError **error)
{
  BaseSettingValue parsed = { 0 };
  /* spaces at its end are no part of a value: a file drops them too */
  g_autofree char *text = given ? g_strchomp (g_strdup (given)) : NULL;

  /* "" turns an optional setting off again; where the default is a text, ""
   * stays a text. */
  if (text && *text == '\0' && may_be_empty (spec->type) && !spec->def)
    g_clear_pointer (&text, g_free);
  if (text && !g_utf8_validate (text, -1, NULL))
    return bad (error, "is not UTF-8");
  if (text && has_control (text))
    return bad (error, "holds a control character");
  if (text && !parse_set (&parsed, spec, text, error))
    return FALSE;
  parsed.list = spec->type == BASE_SETTING_LIST ? split_list (text) : NULL;
  parsed.text = g_steal_pointer (&text);
  base_setting_value_clear (value);
  *value = parsed;
  return TRUE;
}

void
base_setting_value_clear (BaseSettingValue *value)
{
  g_free (value->text);
  g_strfreev (value->list);
  *value = (BaseSettingValue){ 0 };
}

const char *
base_setting_type_placeholder (const BaseSettingSpec *spec)
{
  switch (spec->type)
    {
    case BASE_SETTING_STRING:
      return "TEXT";
    case BASE_SETTING_SECRET:
      return "SECRET";
    case BASE_SETTING_PATH:
      return "FILE";
    case BASE_SETTING_BOOL:
      return "yes|no";
    case BASE_SETTING_INT:
      return "N";
    case BASE_SETTING_DURATION:
      return "TIME";
    case BASE_SETTING_SIZE:
      return "SIZE";
    case BASE_SETTING_RATE:
      return "RATE";
    case BASE_SETTING_ENUM:
      return spec->choices;
    case BASE_SETTING_LIST:
      return "A,B,...";
    case BASE_SETTING_RANGE:
      return "LOW-HIGH";
    default:
      return "VALUE";
    }
}
