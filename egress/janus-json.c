/* SPDX-License-Identifier: Apache-2.0 */
/* egress/janus-json: recursive descent over the bytes of one request. */
#include "egress/janus-json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define MAX_QUOTED_CHARS 20
#define MAX_NUMBER_CHARS 64

typedef struct
{
  const char *at, *end;
  guint line, depth;
  char *error; /* owned (nullable): the first one */
} Reader;

static JsonNode *read_value (Reader *self);

/* fail: @at: (nullable): what it is near to. Returns: NULL */
static gpointer
fail (Reader *self, const char *what, const char *at)
{
  GString *text;

  if (self->error)
    return NULL;
  text = g_string_new (what);
  if (at && at >= self->end)
    g_string_append (text, " near end of file");
  else if (at)
    {
      g_string_append (text, " near '");
      for (guint i = 0; i < MAX_QUOTED_CHARS && at + i < self->end; i++)
        if (g_ascii_isprint (at[i]))
          g_string_append_c (text, at[i]);
        else
          break;
      g_string_append_c (text, '\'');
    }
  self->error = g_string_free (text, FALSE);
  return NULL;
}

static void
skip_space (Reader *self)
{
  for (; self->at < self->end && strchr (" \t\r\n", *self->at) && *self->at;
       self->at++)
    if (*self->at == '\n')
      self->line++;
}

/* take: the next byte is @c, and is gone now */
static gboolean
take (Reader *self, char c)
{
  if (self->at >= self->end || *self->at != c)
    return FALSE;
  self->at++;
  return TRUE;
}

/* --- Strings ------------------------------------------------------------ */

/* read_hex: -1: no four hexadecimal digits */
static int
read_hex (Reader *self)
{
  int value = 0;

  if (self->end - self->at < 4)
    return -1;
  for (guint i = 0; i < 4; i++)
    {
      int digit = g_ascii_xdigit_value (self->at[i]);

      if (digit < 0)
        return -1;
      value = value << 4 | digit;
    }
  self->at += 4;
  return value;
}

/* read_unicode: what follows \u, the second half of a pair included */
static gboolean
read_unicode (Reader *self, GString *text)
{
  const char *begin = self->at - 2;
  int unit = read_hex (self), low;

  if (unit < 0)
    fail (self, "invalid escape", begin);
  else if (unit == 0)
    fail (self, "\\u0000 is not allowed", begin);
  else if (unit < 0xd800 || unit > 0xdfff)
    g_string_append_unichar (text, (gunichar)unit);
  else if (unit < 0xdc00 && take (self, '\\') && take (self, 'u')
           && (low = read_hex (self)) >= 0xdc00 && low <= 0xdfff)
    g_string_append_unichar (text, 0x10000 + (((gunichar)unit - 0xd800) << 10)
                                       + ((gunichar)low - 0xdc00));
  else
    fail (self, "invalid Unicode escape", begin);
  return !self->error;
}

static gboolean
read_escape (Reader *self, GString *text)
{
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char *found;
  char c = self->at < self->end ? *self->at : '\0';

  if (c == 'u')
    {
      self->at++;
      return read_unicode (self, text);
    }
  found = c ? strchr (from, c) : NULL;
  if (!found)
    return fail (self, "invalid escape", self->at) != NULL;
  self->at++;
  g_string_append_c (text, to[found - from]);
  return TRUE;
}

/* read_string: (transfer full) (nullable): the opening quote is gone */
static char *
read_string (Reader *self)
{
  GString *text = g_string_new (NULL);

  while (!self->error)
    {
      const char *begin = self->at;

      while (self->at < self->end && !strchr ("\"\\", *self->at)
             && (guchar)*self->at >= 0x20)
        self->at++;
      g_string_append_len (text, begin, self->at - begin);
      if (take (self, '"'))
        return g_string_free (text, FALSE);
      if (take (self, '\\'))
        read_escape (self, text);
      else if (self->at >= self->end)
        fail (self, "premature end of input", self->at);
      else
        fail (self, "control character in a string", NULL);
    }
  g_string_free (text, TRUE);
  return NULL;
}

/* --- Values --------------------------------------------------------------- */

/* scan_digits: how many there are at @text */
static gsize
scan_digits (const char *text)
{
  return strspn (text, "0123456789");
}

/* is_number: as JSON writes them; @ret_is_real: it has a fraction or exponent
 */
static gboolean
is_number (const char *text, gboolean *ret_is_real)
{
  const char *digits = text + (*text == '-');
  const char *at = digits + scan_digits (digits);

  *ret_is_real = FALSE;
  if (at == digits || (*digits == '0' && at > digits + 1))
    return FALSE;
  if (*at == '.')
    {
      if (scan_digits (at + 1) == 0)
        return FALSE;
      at += 1 + scan_digits (at + 1);
      *ret_is_real = TRUE;
    }
  if (*at == 'e' || *at == 'E')
    {
      at += strchr ("+-", at[1]) && at[1] ? 2 : 1;
      if (scan_digits (at) == 0)
        return FALSE;
      at += scan_digits (at);
      *ret_is_real = TRUE;
    }
  return *at == '\0';
}

static JsonNode *
read_number (Reader *self)
{
  char text[MAX_NUMBER_CHARS + 1];
  const char *begin = self->at;
  gboolean is_real;
  gsize n_chars = 0;

  while (self->at < self->end && n_chars < MAX_NUMBER_CHARS
         && (g_ascii_isalnum (*self->at) || strchr ("+-.", *self->at))
         && *self->at)
    text[n_chars++] = *self->at++;
  text[n_chars] = '\0';
  if (!is_number (text, &is_real))
    return fail (self, "invalid token", begin);
  errno = 0;
  if (is_real)
    {
      double value = g_ascii_strtod (text, NULL);

      if (!isfinite (value))
        return fail (self, "real number overflow", begin);
      return json_node_init_double (json_node_alloc (), value);
    }
  else
    {
      gint64 value = g_ascii_strtoll (text, NULL, 10);

      if (errno != 0)
        return fail (self, "too big integer", begin);
      return json_node_init_int (json_node_alloc (), value);
    }
}

static JsonNode *
read_object (Reader *self)
{
  g_autoptr (JsonObject) object = json_object_new ();

  skip_space (self);
  if (take (self, '}'))
    return json_node_init_object (json_node_alloc (), object);
  do
    {
      g_autofree char *name = NULL;
      JsonNode *value;

      skip_space (self);
      if (!take (self, '"'))
        return fail (self, "string or '}' expected", self->at);
      name = read_string (self);
      if (!name)
        return NULL;
      skip_space (self);
      if (!take (self, ':'))
        return fail (self, "':' expected", self->at);
      value = read_value (self);
      if (!value)
        return NULL;
      json_object_set_member (object, name, value);
      skip_space (self);
    }
  while (take (self, ','));
  if (!take (self, '}'))
    return fail (self, "'}' expected", self->at);
  return json_node_init_object (json_node_alloc (), object);
}

static JsonNode *
read_array (Reader *self)
{
  g_autoptr (JsonArray) array = json_array_new ();

  skip_space (self);
  if (take (self, ']'))
    return json_node_init_array (json_node_alloc (), array);
  do
    {
      JsonNode *value = read_value (self);

      if (!value)
        return NULL;
      json_array_add_element (array, value);
      skip_space (self);
    }
  while (take (self, ','));
  if (!take (self, ']'))
    return fail (self, "']' expected", self->at);
  return json_node_init_array (json_node_alloc (), array);
}

static JsonNode *
read_compound (Reader *self)
{
  JsonNode *node;

  if (self->depth >= EGRESS_JANUS_JSON_MAX_DEPTH)
    return fail (self, "maximum parsing depth reached", self->at);
  self->depth++;
  if (take (self, '{'))
    node = read_object (self);
  else
    {
      self->at++;
      node = read_array (self);
    }
  self->depth--;
  return node;
}

static gboolean
take_word (Reader *self, const char *word)
{
  gsize n_chars = strlen (word);

  if ((gsize)(self->end - self->at) < n_chars
      || memcmp (self->at, word, n_chars) != 0
      || (self->at + n_chars < self->end
          && g_ascii_isalnum (self->at[n_chars])))
    return FALSE;
  self->at += n_chars;
  return TRUE;
}

/* (transfer full) (nullable) */
static JsonNode *
read_value (Reader *self)
{
  skip_space (self);
  if (self->at >= self->end)
    return fail (self, "value expected", self->at);
  if (*self->at == '{' || *self->at == '[')
    return read_compound (self);
  if (take (self, '"'))
    {
      g_autofree char *text = read_string (self);

      return text ? json_node_init_string (json_node_alloc (), text) : NULL;
    }
  if (take_word (self, "true"))
    return json_node_init_boolean (json_node_alloc (), TRUE);
  if (take_word (self, "false"))
    return json_node_init_boolean (json_node_alloc (), FALSE);
  if (take_word (self, "null"))
    return json_node_init_null (json_node_alloc ());
  if (g_ascii_isdigit (*self->at) || *self->at == '-')
    return read_number (self);
  return fail (self, "invalid token", self->at);
}

static JsonNode *
read_whole (Reader *self)
{
  g_autoptr (JsonNode) root = NULL;
  const char *bad;

  if (!g_utf8_validate_len (self->at, (gsize)(self->end - self->at), &bad))
    {
      g_autofree char *what =
          g_strdup_printf ("unable to decode byte 0x%02x", (guint8)*bad);

      return fail (self, what, NULL);
    }
  skip_space (self);
  if (self->at >= self->end || (*self->at != '{' && *self->at != '['))
    return fail (self, "'[' or '{' expected", self->at);
  root = read_compound (self);
  if (!root)
    return NULL;
  skip_space (self);
  if (self->at < self->end)
    return fail (self, "end of file expected", self->at);
  return g_steal_pointer (&root);
}

JsonObject *
egress_janus_json_parse (const char *bytes, gsize n_bytes,
                         JsonObject **ret_reply)
{
  Reader reader = { .at = bytes, .end = bytes + n_bytes, .line = 1 };
  g_autoptr (JsonNode) root = read_whole (&reader);
  g_autofree char *error = reader.error;

  if (root && JSON_NODE_HOLDS_OBJECT (root))
    return json_node_dup_object (root);
  *ret_reply = root ? egress_janus_error (0, NULL, EGRESS_JANUS_NOT_AN_OBJECT,
                                          "JSON error: not an object")
                    : egress_janus_error (0, NULL, EGRESS_JANUS_INVALID_JSON,
                                          "JSON error: on line %u: %s",
                                          reader.line, error);
  return NULL;
}
