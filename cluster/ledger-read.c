/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/ledger-read: shapes first, then values. */
#include "cluster/ledger-read.h"

#include "cluster/encode.h"
#include "cluster/lease.h"
#include "cluster/store-read.h"

#include <string.h>

#define BEAT_N_ITEMS 4
#define AUDIT_N_ITEMS 6
#define SLOT_N_ITEMS 2
#define NAME_MAX_BYTES 200

enum
{
  AT_TOKEN,
  AT_PTTL,
  AT_DESIRED,                 /* ver n at by reason cause */
  AT_POLICY = AT_DESIRED + 6, /* ver min max steps cooldowns by text */
  AT_NOW = AT_POLICY + 9,
  SCALING_N_ITEMS,
};

void
cluster_scaling_clear (ClusterScaling *self)
{
  g_free (self->leader);
  g_free (self->by);
  g_free (self->reason);
  g_free (self->cause);
  g_free (self->policy.by);
  g_free (self->policy.text);
  memset (self, 0, sizeof *self);
}

void
cluster_scaling_copy (const ClusterScaling *from, ClusterScaling *to)
{
  cluster_scaling_clear (to);
  *to = *from;
  to->leader = g_strdup (from->leader);
  to->by = g_strdup (from->by);
  to->reason = g_strdup (from->reason);
  to->cause = g_strdup (from->cause);
  to->policy.by = g_strdup (from->policy.by);
  to->policy.text = g_strdup (from->policy.text);
}

void
cluster_audit_free (ClusterAudit *self)
{
  g_free (self->id);
  g_free (self->tree);
  g_free (self->kind);
  g_free (self->by);
  g_free (self->token);
  g_free (self->text);
  g_free (self);
}

void
cluster_beat_free (ClusterBeat *self)
{
  cluster_node_clear (&self->node);
  g_free (self);
}

static gboolean
fail (GError **error, const char *why)
{
  g_set_error (error, CLUSTER_ERROR, CLUSTER_ERROR_PROTOCOL,
               "the store's answer %s", why);
  return FALSE;
}

/* check: an array of whole rows, or CLUSTER_ERROR */
static gboolean
check_rows (const ClusterReply *reply, guint n, guint max, GError **error)
{
  if (reply->type == CLUSTER_REPLY_ERROR)
    return cluster_read_status (reply, NULL, error);
  if (reply->type != CLUSTER_REPLY_ARRAY || reply->n_items % n != 0
      || reply->n_items / n > max)
    return fail (error, "has another shape");
  return TRUE;
}

/* --- what is desired ---------------------------------------------------- */

static gboolean
read_policy (const ClusterReply *reply, ClusterPolicy *ret)
{
  guint64 numbers[7];

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (!cluster_reply_get_number_at (reply, AT_POLICY + i,
                                      i == 0  ? CLUSTER_EPOCH_MAX
                                      : i < 5 ? CLUSTER_MAX_SUBTREES
                                              : CLUSTER_MAX_COOLDOWN_MS,
                                      &numbers[i]))
      return FALSE;
  ret->version = numbers[0];
  ret->min = (guint)numbers[1];
  ret->max = (guint)numbers[2];
  ret->step_out = (guint)numbers[3];
  ret->step_in = (guint)numbers[4];
  ret->cool_out_ms = (gint64)numbers[5];
  ret->cool_in_ms = (gint64)numbers[6];
  ret->by = cluster_reply_dup_text_at (reply, AT_POLICY + 7, NAME_MAX_BYTES);
  ret->text = cluster_reply_dup_text_at (reply, AT_POLICY + 8,
                                         CLUSTER_POLICY_MAX_BYTES);
  return ret->min <= ret->max;
}

static gboolean
read_desired (const ClusterReply *reply, ClusterScaling *ret)
{
  const char *token = cluster_reply_get_text_at (reply, AT_TOKEN);
  guint64 n, at, now;

  if (!cluster_reply_get_number_at (reply, AT_DESIRED, CLUSTER_EPOCH_MAX,
                                    &ret->version)
      || !cluster_reply_get_number_at (reply, AT_DESIRED + 1,
                                       CLUSTER_MAX_SUBTREES, &n)
      || !cluster_reply_get_number_at (reply, AT_DESIRED + 2, CLUSTER_EPOCH_MAX,
                                       &at)
      || !cluster_reply_get_number_at (reply, AT_NOW, CLUSTER_EPOCH_MAX, &now)
      || (token != NULL
          && !cluster_lease_parse_token (token, NULL, &ret->term,
                                         &ret->leader)))
    return FALSE;
  ret->n_desired = (guint)n;
  ret->at_wall_ms = (gint64)at;
  ret->now_wall_ms = (gint64)now;
  ret->by = cluster_reply_dup_text_at (reply, AT_DESIRED + 3, NAME_MAX_BYTES);
  ret->reason = cluster_reply_dup_text_at (reply, AT_DESIRED + 4,
                                           CLUSTER_REASON_MAX_BYTES);
  ret->cause =
      cluster_reply_dup_text_at (reply, AT_DESIRED + 5, NAME_MAX_BYTES);
  return TRUE;
}

gboolean
cluster_read_scaling (const ClusterReply *reply, ClusterScaling *ret,
                      GError **error)
{
  ClusterScaling scaling = { 0 };

  if (!check_rows (reply, SCALING_N_ITEMS, 1, error))
    return FALSE;
  if (reply->n_items == 0 || !read_desired (reply, &scaling)
      || !read_policy (reply, &scaling.policy))
    {
      cluster_scaling_clear (&scaling);
      return fail (error, "on what is desired makes no sense");
    }
  *ret = scaling;
  return TRUE;
}

/* --- trees and their nodes ---------------------------------------------- */

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *)a, *(char *const *)b);
}

char **
cluster_read_trees (const ClusterReply *reply, GError **error)
{
  GPtrArray *names;

  if (!check_rows (reply, 1, G_MAXUINT, error))
    return NULL;
  names = g_ptr_array_new ();
  for (guint i = 0; i < reply->n_items && names->len < CLUSTER_MAX_TREES; i++)
    {
      const char *name = cluster_reply_get_text_at (reply, i);

      if (name != NULL && cluster_name_is_valid (name))
        g_ptr_array_add (names, g_strdup (name));
    }
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (char **)g_ptr_array_free (names, FALSE);
}

static ClusterBeat *
read_beat (const ClusterReply *reply, guint at, const char *tree_id)
{
  const ClusterReply *left = cluster_reply_get_item (reply, at + 3);
  const char *id = cluster_reply_get_text_at (reply, at);
  ClusterBeat *beat = g_new0 (ClusterBeat, 1);

  if (id != NULL && left != NULL && left->type == CLUSTER_REPLY_INTEGER
      && cluster_load_from_json (cluster_reply_get_text_at (reply, at + 1),
                                 &beat->load)
      && cluster_node_from_json (cluster_reply_get_text_at (reply, at + 2), id,
                                 tree_id, &beat->node))
    {
      beat->age_ms = (guint)(CLUSTER_HEARTBEAT_MS
                             - CLAMP (left->integer, 0, CLUSTER_HEARTBEAT_MS));
      return beat;
    }
  cluster_beat_free (beat);
  return NULL;
}

static int
compare_beats (gconstpointer a, gconstpointer b)
{
  const ClusterBeat *left = *(ClusterBeat *const *)a;
  const ClusterBeat *right = *(ClusterBeat *const *)b;

  return strcmp (left->node.node_id, right->node.node_id);
}

GPtrArray *
cluster_read_beats (const ClusterReply *reply, const char *tree_id,
                    guint *ret_n_bad, GError **error)
{
  GPtrArray *beats;

  *ret_n_bad = 0;
  if (!check_rows (reply, BEAT_N_ITEMS, CLUSTER_MAX_NODES, error))
    return NULL;
  beats = g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_beat_free);
  for (guint i = 0; i < reply->n_items; i += BEAT_N_ITEMS)
    {
      ClusterBeat *beat = read_beat (reply, i, tree_id);

      if (beat != NULL)
        g_ptr_array_add (beats, beat);
      else
        ++*ret_n_bad;
    }
  g_ptr_array_sort (beats, compare_beats);
  return beats;
}

/* --- subtrees ------------------------------------------------------------ */

/* read_slot: "3" and "1 serving 1700000000000" */
static gboolean
read_slot (const ClusterReply *reply, guint at, ClusterSlot *ret)
{
  const char *value = cluster_reply_get_text_at (reply, at + 1);
  g_auto (GStrv) words = g_strsplit (value != NULL ? value : "", " ", 4);
  guint64 ordinal, gen, at_ms;

  if (cluster_reply_get_text_at (reply, at) == NULL
      || g_strv_length (words) != 3
      || !cluster_reply_get_number_at (reply, at, CLUSTER_MAX_SUBTREES - 1,
                                       &ordinal)
      || !g_ascii_string_to_unsigned (words[0], 10, 1, G_MAXUINT, &gen, NULL)
      || !g_ascii_string_to_unsigned (words[2], 10, 0, CLUSTER_EPOCH_MAX,
                                      &at_ms, NULL))
    return FALSE;
  ret->ordinal = (guint)ordinal;
  ret->gen = (guint)gen;
  ret->state = cluster_slot_state_parse (words[1]);
  ret->at_wall_ms = (gint64)at_ms;
  return ret->state != CLUSTER_SLOT_NONE && ret->state != CLUSTER_SLOT_N;
}

static int
compare_slots (gconstpointer a, gconstpointer b)
{
  guint left = ((const ClusterSlot *)a)->ordinal;
  guint right = ((const ClusterSlot *)b)->ordinal;

  return (left > right) - (left < right);
}

GArray *
cluster_read_slots (const ClusterReply *reply, guint *ret_n_bad, GError **error)
{
  GArray *slots;
  guint n = 0;

  *ret_n_bad = 0;
  if (!check_rows (reply, SLOT_N_ITEMS, CLUSTER_MAX_SLOTS, error))
    return NULL;
  slots = g_array_new (FALSE, FALSE, sizeof (ClusterSlot));
  for (guint i = 0; i < reply->n_items; i += SLOT_N_ITEMS)
    {
      ClusterSlot slot;

      if (read_slot (reply, i, &slot))
        g_array_append_val (slots, slot);
      else
        ++*ret_n_bad;
    }
  g_array_sort (slots, compare_slots);
  for (guint i = 0; i < slots->len; i++)
    {
      const ClusterSlot *slot = &g_array_index (slots, ClusterSlot, i);

      if (n > 0
          && g_array_index (slots, ClusterSlot, n - 1).ordinal == slot->ordinal)
        ++*ret_n_bad; /* "3" and "03" */
      else
        g_array_index (slots, ClusterSlot, n++) = *slot;
    }
  g_array_set_size (slots, n);
  return slots;
}

/* --- history ------------------------------------------------------------ */

static ClusterAudit *
read_entry (const ClusterReply *reply, guint at)
{
  ClusterAudit *entry = g_new0 (ClusterAudit, 1);

  entry->id = cluster_reply_dup_text_at (reply, at, NAME_MAX_BYTES);
  entry->tree = cluster_reply_dup_text_at (reply, at + 1, NAME_MAX_BYTES);
  entry->kind = cluster_reply_dup_text_at (reply, at + 2, NAME_MAX_BYTES);
  entry->by = cluster_reply_dup_text_at (reply, at + 3, NAME_MAX_BYTES);
  entry->token = cluster_reply_dup_text_at (reply, at + 4, NAME_MAX_BYTES);
  entry->text =
      cluster_reply_dup_text_at (reply, at + 5, CLUSTER_AUDIT_MAX_BYTES);
  if (entry->id != NULL && entry->tree != NULL && entry->kind != NULL
      && entry->by != NULL && entry->token != NULL && entry->text != NULL)
    return entry;
  cluster_audit_free (entry);
  return NULL;
}

GPtrArray *
cluster_read_history (const ClusterReply *reply, guint *ret_n_bad,
                      GError **error)
{
  GPtrArray *rows;

  *ret_n_bad = 0;
  if (!check_rows (reply, AUDIT_N_ITEMS, CLUSTER_MAX_HISTORY, error))
    return NULL;
  rows = g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_audit_free);
  for (guint i = 0; i < reply->n_items; i += AUDIT_N_ITEMS)
    {
      ClusterAudit *entry = read_entry (reply, i);

      if (entry != NULL)
        g_ptr_array_add (rows, entry);
      else
        ++*ret_n_bad;
    }
  return rows;
}
