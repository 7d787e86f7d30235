/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log: GLib's structured writer and GStreamer's log function end in one
 * place, which makes a line and gives it to the kernel in one write(): lines
 * of several threads never mix, and no lock is held while a line is made.
 */
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log-fields.h"

#define MESSAGE_MAX_BYTES 8192

#define N_ROOMS_MAX 16

/* Written by base_log_init before other threads start. */
static struct
{
  BaseLogFormat format;
  GstDebugLevel level; /* of the rooms and GLib */
  char **parts;        /* owned (nullable): the list that was asked for */
  /* owned (nullable): what every line says of us, ready to be put in */
  char *text_ids, *json_ids;
} config = { BASE_LOG_TEXT, GST_LEVEL_INFO, NULL, NULL, NULL };

/* Rooms make their category when they first log, on any thread. */
static GMutex rooms_lock;
static GstDebugCategory *rooms[N_ROOMS_MAX];
static guint n_rooms;

static const char *
level_name (GstDebugLevel level)
{
  if (level == GST_LEVEL_ERROR)
    return "ERROR";
  if (level == GST_LEVEL_WARNING || level == GST_LEVEL_FIXME)
    return "WARNING";
  if (level == GST_LEVEL_INFO)
    return "INFO";
  if (level == GST_LEVEL_DEBUG)
    return "DEBUG";
  return "LOG";
}

static gboolean
parse_level (const char *name, GstDebugLevel *ret_level)
{
  static const struct
  {
    const char *name;
    GstDebugLevel level;
  } names[] = {
    { "error", GST_LEVEL_ERROR }, { "warning", GST_LEVEL_WARNING },
    { "info", GST_LEVEL_INFO },   { "debug", GST_LEVEL_DEBUG },
    { "log", GST_LEVEL_LOG },
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_ascii_strcasecmp (name, names[i].name) == 0)
      {
        *ret_level = names[i].level;
        return TRUE;
      }
  return FALSE;
}

/* append_text: control bytes would let a peer forge lines or steer a
 * terminal */
static void
append_text (GString *line, const char *message)
{
  for (const guchar *p = (const guchar *)message; *p; p++)
    if (*p == '\n')
      g_string_append (line, "\\n");
    else if (*p < 0x20 || *p == 0x7f)
      g_string_append_printf (line, "\\x%02x", *p);
    else
      g_string_append_c (line, (char)*p);
}

static void
append_json_string (GString *line, const char *text)
{
  g_string_append_c (line, '"');
  for (const guchar *p = (const guchar *)text; *p; p++)
    if (*p == '"' || *p == '\\')
      g_string_append_printf (line, "\\%c", *p);
    else if (*p < 0x20 || *p == 0x7f)
      g_string_append_printf (line, "\\u%04x", *p);
    else
      g_string_append_c (line, (char)*p);
  g_string_append_c (line, '"');
}

static void
append_time (GString *line)
{
  gint64 wall_us = base_clock_wall_us ();
  g_autoptr (GDateTime) now =
      g_date_time_new_from_unix_utc (wall_us / BASE_US_PER_S);
  g_autofree char *text = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");

  g_string_append_printf (line, "%s.%03dZ", text,
                          (int)(wall_us % BASE_US_PER_S / BASE_US_PER_MS));
}

/* append_fields: of a room's message; Returns: its words */
static const char *
append_fields (GString *line, const char *message)
{
  BaseLogField fields[BASE_LOG_MAX_FIELDS];
  const char *words;
  guint n_fields = base_log_fields_read (message, fields, &words);

  for (guint i = 0; i < n_fields; i++)
    {
      const BaseLogField *field = &fields[i];
      const char *quote = field->is_number ? "" : "\"";

      /* its characters need no escape */
      g_string_append_printf (line, ",\"%s\":%s%.*s%s", field->name, quote,
                              (int)field->n_value_bytes, field->value, quote);
    }
  return words;
}

static void
append_json (GString *line, GstDebugLevel level, const char *source,
             gboolean is_room, const char *message)
{
  g_string_append (line, "{\"time\":\"");
  append_time (line);
  g_string_append_printf (line,
                          "\",\"level\":\"%s\",\"room\":", level_name (level));
  append_json_string (line, source);
  if (config.json_ids)
    g_string_append (line, config.json_ids);
  if (is_room)
    message = append_fields (line, message);
  g_string_append (line, ",\"message\":");
  append_json_string (line, message);
  g_string_append (line, "}\n");
}

char *
base_log_make_line (BaseLogFormat format, GstDebugLevel level,
                    const char *source, gboolean is_room, const char *message)
{
  GString *line = g_string_sized_new (256);
  g_autofree char *cut = NULL, *valid = NULL;

  if (strlen (message) > MESSAGE_MAX_BYTES)
    message = cut = g_strndup (message, MESSAGE_MAX_BYTES);
  if (!g_utf8_validate (message, -1, NULL))
    message = valid = g_utf8_make_valid (message, -1);

  if (format == BASE_LOG_JSON)
    append_json (line, level, source, is_room, message);
  else
    {
      append_time (line);
      g_string_append_printf (line, " %s %s ", level_name (level), source);
      if (config.text_ids)
        g_string_append (line, config.text_ids);
      append_text (line, message);
      g_string_append_c (line, '\n');
    }
  return g_string_free (line, FALSE);
}

static void
write_line (GstDebugLevel level, const char *source, gboolean is_room,
            const char *message)
{
  g_autofree char *line =
      base_log_make_line (config.format, level, source, is_room, message);
  gsize n_bytes = strlen (line);
  ssize_t n;

  do
    n = write (STDERR_FILENO, line, n_bytes);
  while (n < 0 && errno == EINTR);
  /* Nowhere is left to tell that the log is gone. */
}

/* is_room: one of ours: GStreamer's own know nothing of fields */
static gboolean
is_room (const GstDebugCategory *category)
{
  guint n = (guint)g_atomic_int_get ((gint *)&n_rooms);

  for (guint i = 0; i < n; i++)
    if (rooms[i] == category)
      return TRUE;
  return FALSE;
}

static void
on_gst_log (GstDebugCategory *category, GstDebugLevel level, const char *file,
            const char *function, int line, GObject *object,
            GstDebugMessage *message, gpointer user_data)
{
  const char *id = gst_debug_message_get_id (message);
  const char *text = gst_debug_message_get (message);
  g_autofree char *named = NULL;

  /* gst_debug_add_log_function's contract: the threshold is ours to check. */
  if (level > gst_debug_category_get_threshold (category))
    return;
  if (id && *id)
    text = named = g_strdup_printf ("%s: %s", id, text);
  write_line (level, gst_debug_category_get_name (category),
              named == NULL && is_room (category), text);
}

static GstDebugLevel
level_of_glib (GLogLevelFlags flags)
{
  if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return GST_LEVEL_ERROR;
  if (flags & G_LOG_LEVEL_WARNING)
    return GST_LEVEL_WARNING;
  if (flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO))
    return GST_LEVEL_INFO;
  return GST_LEVEL_DEBUG;
}

static GLogWriterOutput
on_glib_log (GLogLevelFlags flags, const GLogField *fields, gsize n_fields,
             gpointer user_data)
{
  GstDebugLevel level = level_of_glib (flags);
  g_autofree char *message = NULL, *domain = NULL;

  if (level > config.level)
    return G_LOG_WRITER_HANDLED;
  for (gsize i = 0; i < n_fields; i++)
    {
      const char *value = fields[i].value;
      gsize n_bytes =
          fields[i].length < 0 ? strlen (value) : (gsize)fields[i].length;

      if (g_str_equal (fields[i].key, "MESSAGE"))
        message = g_strndup (value, n_bytes);
      else if (g_str_equal (fields[i].key, "GLIB_DOMAIN"))
        domain = g_strndup (value, n_bytes);
    }
  write_line (level, domain ? domain : "-", FALSE, message ? message : "");
  return G_LOG_WRITER_HANDLED;
}

/* split_part: "rtc:debug" or "debug"
 * @ret_name: (out) (transfer full) (nullable): before the colon */
static gboolean
split_part (const char *part, char **ret_name, GstDebugLevel *ret_level)
{
  const char *colon = strrchr (part, ':');

  if (!parse_level (colon ? colon + 1 : part, ret_level))
    return FALSE;
  *ret_name = colon ? g_strndup (part, (gsize)(colon - part)) : NULL;
  return TRUE;
}

gboolean
base_log_level_is_valid (const char *level)
{
  g_auto (GStrv) parts = g_strsplit (level, ",", -1);
  gboolean is_valid = parts[0] != NULL;

  for (char **part = parts; *part; part++)
    {
      g_autofree char *name = NULL;
      GstDebugLevel found;

      is_valid = is_valid && split_part (g_strstrip (*part), &name, &found);
    }
  return is_valid;
}

/* set_room_level: the room's own entry in the list, else the general level */
static void
set_room_level (GstDebugCategory *room)
{
  GstDebugLevel level = config.level;

  for (guint i = 0; config.parts[i]; i++)
    {
      g_autofree char *name = NULL;
      GstDebugLevel named;

      if (split_part (config.parts[i], &name, &named) && name
          && g_pattern_match_simple (name, gst_debug_category_get_name (room)))
        level = named;
    }
  gst_debug_category_set_threshold (room, level);
}

GstDebugCategory *
base_log_new_room (const char *name)
{
  GstDebugCategory *room = _gst_debug_category_new (name, 0, name);

  g_mutex_lock (&rooms_lock);
  g_assert (n_rooms < N_ROOMS_MAX);
  rooms[n_rooms] = room;
  g_atomic_int_inc ((gint *)&n_rooms); /* lines of it find it without a lock */
  if (config.parts)
    set_room_level (room);
  g_mutex_unlock (&rooms_lock);
  return room;
}

static void
apply_part (const char *part)
{
  g_autofree char *name = NULL;
  GstDebugLevel level;

  if (!split_part (part, &name, &level))
    g_warning ("\"%s\" is no log level: error, warning, info, debug, log",
               part);
  else if (name)
    gst_debug_set_threshold_for_name (name, level);
  else
    config.level = level;
}

void
base_log_init (BaseLogFormat format, const char *level)
{
  static gboolean has_writer = FALSE;

  config.format = format;
  if (!has_writer)
    {
      g_log_set_writer_func (on_glib_log, NULL, NULL);
      gst_debug_remove_log_function (NULL);
      gst_debug_add_log_function (on_gst_log, NULL, NULL);
      has_writer = TRUE;
    }
  gst_debug_set_active (TRUE);
  if (!g_getenv ("GST_DEBUG"))
    gst_debug_set_default_threshold (GST_LEVEL_WARNING);

  g_mutex_lock (&rooms_lock);
  g_strfreev (config.parts);
  config.parts = g_strsplit (level ? level : "info", ",", -1);
  for (guint i = 0; config.parts[i]; i++)
    apply_part (g_strstrip (config.parts[i]));
  for (guint i = 0; i < n_rooms; i++)
    set_room_level (rooms[i]);
  g_mutex_unlock (&rooms_lock);
}

void
base_log_set_node (const char *node_id, const char *tree_id,
                   gboolean is_in_text)
{
  g_autoptr (GString) json = g_string_new (",\"node\":");

  append_json_string (json, node_id);
  g_string_append (json, ",\"tree\":");
  append_json_string (json, tree_id);
  g_free (config.json_ids);
  config.json_ids = g_strdup (json->str);
  g_free (config.text_ids);
  config.text_ids = is_in_text
                        ? g_strdup_printf ("node=%s tree=%s ", node_id, tree_id)
                        : NULL;
}

void
base_log_set_level (GstDebugLevel level)
{
  g_mutex_lock (&rooms_lock);
  config.level = level;
  for (guint i = 0; config.parts && i < n_rooms; i++)
    set_room_level (rooms[i]);
  g_mutex_unlock (&rooms_lock);
}
