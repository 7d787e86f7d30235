/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtrees: life, what is remembered, and orders under way. */
#include "scaling/subtrees-private.h"

/* --- memory ------------------------------------------------------------- */

ScalingMemo *
scaling_subtrees_get_memo (ScalingSubtrees *self, guint ordinal)
{
  ScalingMemo *memo =
      g_hash_table_lookup (self->memos, GUINT_TO_POINTER (ordinal));

  if (memo == NULL)
    {
      memo = g_new0 (ScalingMemo, 1);
      g_hash_table_insert (self->memos, GUINT_TO_POINTER (ordinal), memo);
    }
  return memo;
}

/* scaling_subtrees_fail: 1, 2, 4 … 60 s, of which the last half by chance:
 * those that failed together do not come again together */
void
scaling_subtrees_fail (ScalingMemo *memo, gint64 retry_us, double jitter,
                       gint64 now_us)
{
  gint64 wait_us = SCALING_BACKOFF_MAX_US;

  if (memo->wait_us > now_us) /* its nodes fail together: that counts once */
    {
      memo->wait_us = MAX (memo->wait_us, now_us + retry_us);
      return;
    }
  if (memo->n_failures < 6)
    wait_us = MIN (SCALING_BACKOFF_MIN_US << memo->n_failures, wait_us);
  memo->n_failures++;
  wait_us -= (gint64)((double)wait_us / 2 * CLAMP (jitter, 0, 1));
  memo->wait_us = now_us + MAX (wait_us, retry_us);
}

/* --- orders ------------------------------------------------------------- */

static char *
dup_key (const ScalingOrder *order)
{
  return order->kind == SCALING_ORDER_SLOT
             ? g_strdup_printf ("slot %u", order->ordinal)
             : g_strdup (order->name);
}

gboolean
scaling_subtrees_order (ScalingSubtrees *self, const ScalingOrder *order)
{
  g_autofree char *key = NULL;

  if (self->orders->len >= SCALING_MAX_ORDERS
      || g_hash_table_size (self->pending) >= SCALING_MAX_PENDING)
    return FALSE;
  key = dup_key (order);
  if (g_hash_table_contains (self->pending, key))
    return FALSE;
  g_hash_table_insert (self->pending, g_steal_pointer (&key),
                       GINT_TO_POINTER (order->kind));
  g_array_append_vals (self->orders, order, 1);
  return TRUE;
}

gboolean
scaling_subtrees_move (ScalingSubtrees *self, const ScalingPlace *place,
                       ClusterSlotState to, const char *why)
{
  ScalingOrder order = { .kind = SCALING_ORDER_SLOT,
                         .ordinal = place->slot.ordinal,
                         .gen = place->slot.gen,
                         .from = place->slot.state,
                         .to = to,
                         .fault = to == CLUSTER_SLOT_GONE
                                      ? place->memo->rollback
                                      : place->fault,
                         .why = why };

  return scaling_subtrees_order (self, &order);
}

gboolean
scaling_subtrees_order_name (ScalingSubtrees *self, ScalingOrderKind kind,
                             const ScalingMember *member, const char *why)
{
  ScalingOrder order = { .kind = kind,
                         .ordinal = member->ordinal,
                         .gen = member->gen,
                         .role = member->is_relay ? CLUSTER_ROLE_RELAY
                                                  : CLUSTER_ROLE_EGRESS,
                         .why = why };

  g_strlcpy (order.name, member->name, sizeof order.name);
  return scaling_subtrees_order (self, &order);
}

void
scaling_subtrees_answer (ScalingSubtrees *self, const ScalingOrder *order,
                         gboolean is_done, gint64 retry_us, double jitter,
                         gint64 now_us)
{
  g_autofree char *key = dup_key (order);
  gboolean is_fault = order->fault != SCALING_FAULT_NONE && is_done
                      && order->to == CLUSTER_SLOT_DRAINING;
  ScalingMemo *memo;

  /* one that was forgotten: another leader's affair */
  if (!g_hash_table_remove (self->pending, key))
    return;
  memo = scaling_subtrees_get_memo (self, order->ordinal);
  if (is_fault || (order->kind == SCALING_ORDER_ENSURE && !is_done))
    scaling_subtrees_fail (memo, retry_us, jitter, now_us);
  if (!is_fault || order->fault == SCALING_FAULT_GONE)
    return;
  memo->rollback = order->fault;
  memo->rollback_us = now_us;
  scaling_subtrees_note_rollback (self, order, jitter, now_us);
}

/* --- life --------------------------------------------------------------- */

static void
member_free (gpointer data)
{
  ScalingMember *member = data;

  g_free (member->name);
  g_free (member);
}

ScalingSubtrees *
scaling_subtrees_new (const char *tree_id, ScalingServedFunc on_served,
                      gpointer data)
{
  ScalingSubtrees *self = g_new0 (ScalingSubtrees, 1);

  self->tree_id = g_strdup (tree_id);
  self->on_served = on_served;
  self->data = data;
  self->memos = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->bases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->pending = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->orphans =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->members = g_ptr_array_new_with_free_func (member_free);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  self->places = g_array_new (FALSE, TRUE, sizeof (ScalingPlace));
  self->ranks = g_array_new (FALSE, FALSE, sizeof (guint));
  return self;
}

void
scaling_subtrees_free (ScalingSubtrees *self)
{
  g_return_if_fail (self != NULL);

  g_free (self->tree_id);
  g_hash_table_unref (self->memos);
  g_hash_table_unref (self->bases);
  g_hash_table_unref (self->pending);
  g_hash_table_unref (self->orphans);
  g_hash_table_unref (self->by_name);
  g_ptr_array_unref (self->members);
  g_array_unref (self->places);
  g_array_unref (self->ranks);
  g_free (self);
}

void
scaling_subtrees_forget (ScalingSubtrees *self)
{
  g_hash_table_remove_all (self->memos);
  g_hash_table_remove_all (self->bases);
  g_hash_table_remove_all (self->pending);
  g_hash_table_remove_all (self->orphans);
  self->watched_us = 0;
  self->summary = (ScalingSubtreesSummary){ 0 };
}

const ScalingSubtreesSummary *
scaling_subtrees_get_summary (ScalingSubtrees *self)
{
  return &self->summary;
}

const ScalingMark *
scaling_subtrees_get_mark (ScalingSubtrees *self)
{
  return &self->mark;
}

void
scaling_subtrees_set_mark (ScalingSubtrees *self, const ScalingMark *mark)
{
  self->mark = *mark;
}

const char *
scaling_order_kind_get_name (ScalingOrderKind kind)
{
  static const char *const names[] = { "slot", "ensure", "remove", "drain" };

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == SCALING_ORDER_N);
  return names[kind];
}
