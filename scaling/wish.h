/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingWish: what somebody asks the autoscaling API for, as the bodies of
 * its POSTs have it. Besides what a kind needs, each takes "by" (a name, for
 * the audit) and "reason" (SCALING_REASON_MAX_CHARS bytes at most).
 *   enable    {"enabled": true}
 *   test      {"replicas": 12, "holdFor": 300}
 *   approval  {"approve": true}
 *   rollback  {"holdFor": 300}; the body may be empty
 * holdFor: s, SCALING_WISH_MAX_HOLD_S at most; 300 when it is not said.
 * Errors: SCALING_POLICY_ERROR_INVALID, with the fault's path.
 * Owner: the stack. Thread: any.
 */
#pragma once

#include "scaling/policy.h"

#define SCALING_WISH_MAX_BYTES 4096
#define SCALING_WISH_MAX_HOLD_S 86400
#define SCALING_WISH_HOLD_S 300

typedef enum
{
  SCALING_WISH_ENABLE,
  SCALING_WISH_TEST,
  SCALING_WISH_APPROVAL,
  SCALING_WISH_ROLLBACK,
} ScalingWishKind;

typedef struct
{
  gboolean is_on;                      /* enable: enabled; approval: approved */
  guint n_replicas;                    /* test */
  gint64 hold_us;                      /* test, rollback */
  char by[SCALING_NAME_MAX_CHARS + 1]; /* "" = nobody says */
  char reason[SCALING_REASON_MAX_CHARS + 1];
} ScalingWish;

/* @text: (nullable): an empty body
 * @ret: (out): filled whole on TRUE */
gboolean scaling_wish_parse (ScalingWishKind kind, const char *text,
                             gsize n_bytes, ScalingWish *ret, GError **error);

/* scaling_wish_count_subtrees: how many subtrees bring the egress nodes of a
 * tree to @n_replicas, when @n_static of them are of no subtree */
guint scaling_wish_count_subtrees (guint n_replicas, guint n_static,
                                   guint egress_per_subtree);
