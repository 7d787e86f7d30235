/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes log lines: whatever a message holds, it is one line; as JSON one
 * object with the members of every line, and of fields only names that are
 * known, once each. What stands behind the first word is never a field.
 */
#include <json-glib/json-glib.h>
#include <stdint.h>
#include <string.h>

#include "base/log-fields.h"
#include "base/log.h"

static void
check_line (const char *line)
{
  gsize n = strlen (line);

  if (n == 0 || line[n - 1] != '\n')
    g_error ("no end");
  for (gsize i = 0; i + 1 < n; i++)
    if ((guchar)line[i] < 0x20 || line[i] == 0x7f)
      g_error ("a control byte: %s", line);
  if (!g_utf8_validate (line, -1, NULL))
    g_error ("no text");
}

static void
check_fields (const char *message)
{
  BaseLogField fields[BASE_LOG_MAX_FIELDS];
  const char *words;
  guint n = base_log_fields_read (message, fields, &words);

  if (n > BASE_LOG_MAX_FIELDS || words < message
      || words > message + strlen (message))
    g_error ("out of bounds");
  for (guint i = 0; i < n; i++)
    if (fields[i].n_value_bytes == 0
        || fields[i].n_value_bytes > BASE_LOG_MAX_VALUE_BYTES
        || strspn (fields[i].value, BASE_LOG_VALUE_CHARS)
               != fields[i].n_value_bytes)
      g_error ("a bad value of %s", fields[i].name);
}

static void
check_json (const char *line, guint n_fields)
{
  static const char *const always[] = { "time", "level", "room", "message" };
  g_autoptr (JsonNode) node = json_from_string (line, NULL);
  JsonObject *object;

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    g_error ("no object: %s", line);
  object = json_node_get_object (node);
  for (guint i = 0; i < G_N_ELEMENTS (always); i++)
    if (!json_object_has_member (object, always[i]))
      g_error ("no %s: %s", always[i], line);
  if (json_object_get_size (object) != G_N_ELEMENTS (always) + n_fields)
    g_error ("other members: %s", line);
  if (g_strcmp0 (json_object_get_string_member (object, "level"), "INFO") != 0)
    g_error ("another level: %s", line);
}

/* first byte: odd: a room's own, else words of others */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  BaseLogField fields[BASE_LOG_MAX_FIELDS];
  g_autofree char *message = NULL, *valid = NULL, *words = NULL;
  g_autofree char *text = NULL, *json = NULL, *behind = NULL;
  const char *rest;
  gboolean is_room;
  guint n_fields;

  if (len < 1)
    return 0;
  is_room = data[0] & 1;
  message = g_strndup ((const char *)data + 1, len - 1);
  valid = g_utf8_make_valid (message, -1);
  check_fields (valid);
  text = base_log_make_line (BASE_LOG_TEXT, GST_LEVEL_INFO, "egress", is_room,
                             message);
  check_line (text);
  if (strlen (message) > 4096)
    return 0; /* it may be cut within its fields */
  n_fields = is_room ? base_log_fields_read (valid, fields, &rest) : 0;
  json = base_log_make_line (BASE_LOG_JSON, GST_LEVEL_INFO, "egress", is_room,
                             message);
  check_line (json);
  check_json (json, n_fields);
  /* as a value of the outside, behind a word of ours */
  behind = g_strconcat ("stream=live source: ", valid, NULL);
  words = base_log_make_line (BASE_LOG_JSON, GST_LEVEL_INFO, "egress", TRUE,
                              behind);
  check_json (words, 1);
  return 0;
}
