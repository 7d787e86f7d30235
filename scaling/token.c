/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/token: see token.h. */
#include "scaling/token.h"

#include <string.h>

static gboolean
take_number (const char **at, guint64 *ret)
{
  char *end = NULL;

  if (!g_ascii_isdigit (**at))
    return FALSE;
  *ret = g_ascii_strtoull (*at, &end, 10);
  if (*end != ':' || end - *at > 19)
    return FALSE;
  *at = end + 1;
  return TRUE;
}

gboolean
scaling_token_parse (const char *text, ScalingToken *ret)
{
  ScalingToken token = { 0 };
  const char *at = text;

  if (text == NULL || strlen (text) > SCALING_TOKEN_MAX_CHARS
      || !take_number (&at, &token.cfg) || !take_number (&at, &token.ctr))
    return FALSE;
  for (const char *c = at; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && strchr (":._-", *c) == NULL)
      return FALSE;
  if (*at == '\0' || *at == ':' || strchr (at, ':') == NULL)
    return FALSE;
  g_strlcpy (token.text, text, sizeof token.text);
  *ret = token;
  return TRUE;
}

int
scaling_token_compare (const ScalingToken *a, const ScalingToken *b)
{
  if ((a->text[0] == '\0') != (b->text[0] == '\0'))
    return a->text[0] == '\0' ? -1 : 1;
  if (a->cfg != b->cfg)
    return a->cfg < b->cfg ? -1 : 1;
  if (a->ctr != b->ctr)
    return a->ctr < b->ctr ? -1 : 1;
  return strcmp (a->text, b->text);
}
