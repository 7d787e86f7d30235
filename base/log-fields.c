/* SPDX-License-Identifier: Apache-2.0 */
/* base/log-fields: see the header. */
#include "base/log-fields.h"

#include <string.h>

typedef struct
{
  const char *name;
  gboolean is_number;
} Kind;

/* The lint reads this table. */
static const Kind kinds[] = {
  /* who and what */
  { "session", FALSE },
  { "handle", FALSE },
  { "stream", FALSE },
  { "publication", FALSE },
  { "mountpoint", FALSE },
  { "recording", FALSE },
  { "ssrc", FALSE },
  /* other nodes: the line's own is "node" */
  { "origin", FALSE },
  { "parent", FALSE },
  { "backup", FALSE },
  { "candidate", FALSE },
  { "to", FALSE },
  /* how it went */
  { "epoch", TRUE },
  { "rank", TRUE },
  { "port", TRUE },
  { "join_ms", TRUE },
  { "seconds", TRUE },
  { "packets", TRUE },
  { "bytes", TRUE },
  { "lost", TRUE },
  { "repaired", TRUE },
  { "rtt_ms", TRUE },
  { "handles", TRUE },
};

/* find_kind: (nullable) */
static const Kind *
find_kind (const char *name, gsize n_bytes)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strlen (kinds[i].name) == n_bytes
        && memcmp (kinds[i].name, name, n_bytes) == 0)
      return &kinds[i];
  return NULL;
}

/* A number as JSON has it: -1, 0, 12, 3.5; no 007, no 1., no 1e5. */
static gboolean
is_json_number (const char *text, gsize n_bytes)
{
  const char *end = text + n_bytes, *digits;

  if (text < end && *text == '-')
    text++;
  digits = text;
  while (text < end && g_ascii_isdigit (*text))
    text++;
  if (text == digits || (*digits == '0' && text - digits > 1))
    return FALSE;
  if (text == end)
    return TRUE;
  if (*text++ != '.')
    return FALSE;
  digits = text;
  while (text < end && g_ascii_isdigit (*text))
    text++;
  return text == end && text > digits;
}

static gboolean
has_name (const BaseLogField *fields, guint n_fields, const Kind *kind)
{
  for (guint i = 0; i < n_fields; i++)
    if (fields[i].name == kind->name)
      return TRUE;
  return FALSE;
}

guint
base_log_fields_read (const char *message,
                      BaseLogField ret[BASE_LOG_MAX_FIELDS],
                      const char **ret_words)
{
  guint n_fields = 0;

  while (n_fields < BASE_LOG_MAX_FIELDS)
    {
      gsize n_name = strspn (message, "abcdefghijklmnopqrstuvwxyz_");
      const char *value = message + n_name + 1;
      const Kind *kind =
          message[n_name] == '=' ? find_kind (message, n_name) : NULL;
      gsize n_value = kind ? strspn (value, BASE_LOG_VALUE_CHARS) : 0;

      if (n_value == 0 || n_value > BASE_LOG_MAX_VALUE_BYTES
          || (value[n_value] != ' ' && value[n_value] != '\0')
          || has_name (ret, n_fields, kind))
        break;
      ret[n_fields++] = (BaseLogField){
        .name = kind->name,
        .value = value,
        .n_value_bytes = (guint)n_value,
        .is_number = kind->is_number && is_json_number (value, n_value),
      };
      message = value + n_value;
      if (*message == ' ')
        message++;
    }
  *ret_words = message;
  return n_fields;
}
