/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingOrder: see order.h. */
#include "scaling/order.h"

#include "scaling/reader.h"

#include <string.h>

static const char *const members[][6] = {
  [SCALING_ORDER_ENABLE] = { "enabled", "by", "reason", NULL },
  [SCALING_ORDER_TEST] = { "replicas", "holdFor", "by", "reason", NULL },
  [SCALING_ORDER_APPROVAL] = { "approve", "by", "reason", NULL },
  [SCALING_ORDER_ROLLBACK] = { "holdFor", "by", "reason", NULL },
};

static void
take_reason (ScalingReader *reader, JsonObject *object, ScalingOrder *ret)
{
  JsonNode *node = scaling_reader_get (reader, object, "reason", FALSE);
  const char *text = node != NULL ? scaling_reader_get_text (node) : "";

  if (text == NULL || strlen (text) > SCALING_REASON_MAX_CHARS)
    {
      scaling_reader_fault (reader, "reason", "is no text of %d bytes at most",
                            SCALING_REASON_MAX_CHARS);
      return;
    }
  g_strlcpy (ret->reason, text, sizeof ret->reason);
}

static void
take (ScalingReader *reader, JsonObject *object, ScalingOrderKind kind,
      ScalingOrder *ret)
{
  guint hold_s = SCALING_ORDER_HOLD_S;

  /* what makes the order is asked for; the rest need not be there */
  if (kind != SCALING_ORDER_ROLLBACK)
    scaling_reader_get (reader, object, members[kind][0], TRUE);
  if (kind == SCALING_ORDER_ENABLE || kind == SCALING_ORDER_APPROVAL)
    scaling_reader_take_bool (reader, object, members[kind][0], &ret->is_on);
  if (kind == SCALING_ORDER_TEST)
    scaling_reader_take_uint (reader, object, "replicas", 0,
                              SCALING_MAX_REPLICAS, &ret->n_replicas);
  scaling_reader_take_uint (reader, object, "holdFor", 0,
                            SCALING_ORDER_MAX_HOLD_S, &hold_s);
  ret->hold_us = hold_s * (gint64)G_USEC_PER_SEC;
  scaling_reader_take_name (reader, object, "by", FALSE, ret->by);
  take_reason (reader, object, ret);
}

gboolean
scaling_order_parse (ScalingOrderKind kind, const char *text, gsize n_bytes,
                     ScalingOrder *ret, GError **error)
{
  ScalingReader reader = { .error = error };
  ScalingOrder order = { 0 };
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object = NULL;

  if (text == NULL && kind == SCALING_ORDER_ROLLBACK)
    {
      text = "{}";
      n_bytes = 2;
    }
  if (text == NULL)
    scaling_reader_fault (&reader, "", "the body is empty");
  else if (n_bytes > SCALING_ORDER_MAX_BYTES)
    scaling_reader_fault (&reader, "", "the body has more than %d bytes",
                          SCALING_ORDER_MAX_BYTES);
  else
    root = scaling_reader_load (text, n_bytes, &reader);
  if (root != NULL)
    object = scaling_reader_get_object (&reader, root, members[kind]);
  if (object != NULL)
    take (&reader, object, kind, &order);
  if (reader.is_bad)
    return FALSE;
  *ret = order;
  return TRUE;
}

guint
scaling_order_count_subtrees (guint n_replicas, guint n_static,
                              guint egress_per_subtree)
{
  guint n_more = n_replicas > n_static ? n_replicas - n_static : 0;
  guint n_each = MAX (egress_per_subtree, 1);

  return (n_more + n_each - 1) / n_each;
}
