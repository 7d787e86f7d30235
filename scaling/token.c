/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/token: see token.h. */
#include "scaling/token.h"

#include <string.h>

#include "cluster/lease.h"

gboolean
scaling_token_parse (const char *text, ScalingToken *ret)
{
  ScalingToken token = { 0 };

  if (text == NULL || strlen (text) > SCALING_TOKEN_MAX_CHARS
      || !cluster_lease_parse_token (text, &token.cfg, &token.ctr, NULL))
    return FALSE;
  /* it goes into labels, files and JSON */
  for (const char *c = text; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && strchr (":._-", *c) == NULL)
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
