/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/janus-params: are a request's members there, and of the right kind?
 * In Janus's words ("Missing mandatory element (x)", "Invalid element type (x
 * should be a positive integer)"), for the core and for the plugin, whose codes
 * differ. Members are checked in the table's order: which error wins when two
 * are wrong is part of the contract. Pure.
 * Thread: any.
 */
#pragma once

#include <json-glib/json-glib.h>

typedef enum
{
  EGRESS_JANUS_STRING,
  EGRESS_JANUS_NONEMPTY_STRING,
  EGRESS_JANUS_INTEGER,
  EGRESS_JANUS_POSITIVE, /* 0 and more, as Janus counts */
  EGRESS_JANUS_BOOLEAN,
  EGRESS_JANUS_OBJECT,
  EGRESS_JANUS_ARRAY,
} EgressJanusType;

typedef struct
{
  const char *name;
  EgressJanusType type;
  gboolean is_required;
} EgressJanusParam;

typedef enum
{
  EGRESS_JANUS_PARAMS_OK,
  EGRESS_JANUS_PARAMS_MISSING,
  EGRESS_JANUS_PARAMS_INVALID,
} EgressJanusParamsResult;

/* @ret_text: (out) (transfer full): when it is not OK */
EgressJanusParamsResult
egress_janus_params_check (JsonObject *object, const EgressJanusParam *params,
                           guint n_params, char **ret_text);
/* what is left out, or null, is the default; call after check() */
const char *egress_janus_get_string (JsonObject *object, const char *name);
gint64 egress_janus_get_int (JsonObject *object, const char *name,
                             gint64 or_else);
gboolean egress_janus_get_bool (JsonObject *object, const char *name,
                                gboolean or_else);
/* written when there is something to say: not NULL, TRUE, above 0 */
void egress_janus_set_string (JsonObject *object, const char *name,
                              const char *value);
void egress_janus_set_true (JsonObject *object, const char *name,
                            gboolean value);
void egress_janus_set_above_0 (JsonObject *object, const char *name,
                               gint64 value);
