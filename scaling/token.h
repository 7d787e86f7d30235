/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingToken: a leader's fencing token as text, "cfg:ctr:node:nonce", and
 * its order outside of Redis: by cfg, then ctr; the rest only so that two are
 * never equal without being the same (CONTROL-PLANE.md A3).
 * A plain value. Thread: any.
 */
#pragma once

#include <glib.h>

#define SCALING_TOKEN_MAX_CHARS 191

typedef struct
{
  guint64 cfg, ctr;
  char text[SCALING_TOKEN_MAX_CHARS + 1]; /* "" = none: older than any */
} ScalingToken;

/* scaling_token_parse: %FALSE: no token; @ret is untouched */
gboolean scaling_token_parse (const char *text, ScalingToken *ret);
/* below 0: @a is older */
int scaling_token_compare (const ScalingToken *a, const ScalingToken *b);
