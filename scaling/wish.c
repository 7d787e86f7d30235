/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingWish: see wish.h. */
#include "scaling/wish.h"

#include "scaling/reader.h"

#include <string.h>

static const char *const members[][6] = {
  [SCALING_WISH_ENABLE] = { "enabled", "by", "reason", NULL },
  [SCALING_WISH_TEST] = { "replicas", "holdFor", "by", "reason", NULL },
  [SCALING_WISH_APPROVAL] = { "approve", "by", "reason", NULL },
  [SCALING_WISH_ROLLBACK] = { "holdFor", "by", "reason", NULL },
};

static void
take_reason (ScalingReader *reader, JsonObject *object, ScalingWish *ret)
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
take (ScalingReader *reader, JsonObject *object, ScalingWishKind kind,
      ScalingWish *ret)
{
  guint hold_s = SCALING_WISH_HOLD_S;

  /* what makes the wish is asked for; the rest need not be there */
  if (kind != SCALING_WISH_ROLLBACK)
    scaling_reader_get (reader, object, members[kind][0], TRUE);
  if (kind == SCALING_WISH_ENABLE || kind == SCALING_WISH_APPROVAL)
    scaling_reader_take_bool (reader, object, members[kind][0], &ret->is_on);
  if (kind == SCALING_WISH_TEST)
    scaling_reader_take_uint (reader, object, "replicas", 0,
                              SCALING_MAX_REPLICAS, &ret->n_replicas);
  scaling_reader_take_uint (reader, object, "holdFor", 0,
                            SCALING_WISH_MAX_HOLD_S, &hold_s);
  ret->hold_us = hold_s * (gint64)G_USEC_PER_SEC;
  scaling_reader_take_name (reader, object, "by", FALSE, ret->by);
  take_reason (reader, object, ret);
}

gboolean
scaling_wish_parse (ScalingWishKind kind, const char *text, gsize n_bytes,
                    ScalingWish *ret, GError **error)
{
  ScalingReader reader = { .error = error };
  ScalingWish wish = { 0 };
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object = NULL;

  if (text == NULL && kind == SCALING_WISH_ROLLBACK)
    {
      text = "{}";
      n_bytes = 2;
    }
  if (text == NULL)
    scaling_reader_fault (&reader, "", "the body is empty");
  else if (n_bytes > SCALING_WISH_MAX_BYTES)
    scaling_reader_fault (&reader, "", "the body has more than %d bytes",
                          SCALING_WISH_MAX_BYTES);
  else
    root = scaling_reader_load (text, n_bytes, &reader);
  if (root != NULL)
    object = scaling_reader_get_object (&reader, root, members[kind]);
  if (object != NULL)
    take (&reader, object, kind, &wish);
  if (reader.is_bad)
    return FALSE;
  *ret = wish;
  return TRUE;
}

guint
scaling_wish_count_subtrees (guint n_replicas, guint n_static,
                             guint egress_per_subtree)
{
  guint n_more = n_replicas > n_static ? n_replicas - n_static : 0;
  guint n_each = MAX (egress_per_subtree, 1);

  return (n_more + n_each - 1) / n_each;
}
