/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingRecord: see record.h. */
#include "scaling/record.h"

#include <string.h>

#include "scaling/coder.h"
#include "scaling/decide-private.h"

#define MAX_SUBTREES 65536
#define MAX_TIME ((gint64)1 << 60) /* sums of a few do not overflow */
#define POLICY_MAX_BYTES (2 * SCALING_POLICY_MAX_BYTES)

enum
{
  ROW_BEGIN = 1,
  ROW_POLICY,
  ROW_TICK,
};

/* nodes: what is other than in the row before */
enum
{
  NODE_NEW = 1 << 0, /* another node stands here */
  NODE_FLAGS = 1 << 1,
  NODE_VIEWERS = 1 << 2,
  NODE_SLOTS = 1 << 3,
  NODE_RATIOS = 1 << 4,
  NODE_JOINS = 1 << 5,
  NODE_FAULTS = 1 << 6,
};

struct _ScalingRecord
{
  ScalingSnapshot last; /* .nodes = nodes */
  ScalingNode nodes[CLUSTER_MAX_NODES];
};

G_DEFINE_QUARK (scaling - record - error - quark, scaling_record_error)

ScalingRecord *
scaling_record_new (void)
{
  ScalingRecord *self = g_new0 (ScalingRecord, 1);

  self->last.nodes = self->nodes;
  return self;
}

void
scaling_record_free (ScalingRecord *self)
{
  g_free (self);
}

static void
reset (ScalingRecord *self)
{
  memset (self, 0, sizeof *self);
  self->last.nodes = self->nodes;
}

/* --- a tick ------------------------------------------------------------- */

static guint
get_flags (const ScalingNode *node)
{
  return (node->is_fresh ? 1 : 0) | (node->is_draining ? 2 : 0)
         | (node->is_warm ? 4 : 0);
}

/* find_changes: what of @node is other than @last, as bits */
static guint64
find_changes (const ScalingNode *node, const ScalingNode *last)
{
  guint64 changes = 0;

  if (!g_str_equal (node->node_id, last->node_id)
      || !g_str_equal (node->boot_id, last->boot_id)
      || node->roles != last->roles || node->subtree != last->subtree)
    return (NODE_FAULTS << 1) - 1;
  if (get_flags (node) != get_flags (last))
    changes |= NODE_FLAGS;
  if (node->n_viewers != last->n_viewers || node->n_waiting != last->n_waiting)
    changes |= NODE_VIEWERS;
  if (node->n_slots != last->n_slots)
    changes |= NODE_SLOTS;
  if (memcmp (&node->cpu_ratio, &last->cpu_ratio, 3 * sizeof (double)) != 0)
    changes |= NODE_RATIOS;
  if (node->n_joins != last->n_joins || node->n_leaves != last->n_leaves)
    changes |= NODE_JOINS;
  if (node->n_refused != last->n_refused || node->n_failures != last->n_failures
      || node->n_send_drops != last->n_send_drops)
    changes |= NODE_FAULTS;
  return changes;
}

static void
code_identity (ScalingCoder *coder, ScalingNode *node)
{
  guint roles = node->roles;

  scaling_coder_text (coder, node->node_id, CLUSTER_NAME_MAX_CHARS);
  scaling_coder_text (coder, node->boot_id, CLUSTER_ID_CHARS);
  scaling_coder_uint (coder, &roles, 0, 0xff);
  scaling_coder_uint (coder, &node->subtree, 0, G_MAXUINT32);
  node->roles = (ClusterRoles)roles;
}

static void
code_changes (ScalingCoder *coder, ScalingNode *node, const ScalingNode *last,
              guint64 changes)
{
  if ((changes & NODE_FLAGS) != 0)
    {
      guint flags = get_flags (node);

      scaling_coder_uint (coder, &flags, 0, 7);
      node->is_fresh = (flags & 1) != 0;
      node->is_draining = (flags & 2) != 0;
      node->is_warm = (flags & 4) != 0;
    }
  if ((changes & NODE_VIEWERS) != 0)
    {
      scaling_coder_uint (coder, &node->n_viewers, last->n_viewers,
                          G_MAXUINT32);
      scaling_coder_uint (coder, &node->n_waiting, last->n_waiting,
                          G_MAXUINT32);
    }
  if ((changes & NODE_SLOTS) != 0)
    scaling_coder_uint (coder, &node->n_slots, last->n_slots, G_MAXUINT32);
  if ((changes & NODE_RATIOS) != 0)
    {
      scaling_coder_double (coder, &node->cpu_ratio, last->cpu_ratio);
      scaling_coder_double (coder, &node->mem_ratio, last->mem_ratio);
      scaling_coder_double (coder, &node->ports_ratio, last->ports_ratio);
    }
  if ((changes & NODE_JOINS) != 0)
    {
      scaling_coder_counter (coder, &node->n_joins, last->n_joins);
      scaling_coder_counter (coder, &node->n_leaves, last->n_leaves);
    }
  if ((changes & NODE_FAULTS) != 0)
    {
      scaling_coder_counter (coder, &node->n_refused, last->n_refused);
      scaling_coder_counter (coder, &node->n_failures, last->n_failures);
      scaling_coder_counter (coder, &node->n_send_drops, last->n_send_drops);
    }
}

/* code_node: @last becomes @node, or when reading what was read */
static void
code_node (ScalingCoder *coder, const ScalingNode *node, ScalingNode *last)
{
  ScalingNode now = coder->out != NULL ? *node : *last;
  guint64 changes = coder->out != NULL ? find_changes (node, last) : 0;

  scaling_coder_uint64 (coder, &changes);
  if ((changes & NODE_NEW) != 0)
    {
      *last = (ScalingNode){ 0 };
      code_identity (coder, &now);
    }
  code_changes (coder, &now, last, changes);
  *last = now;
}

static void
code_externals (ScalingCoder *coder, ScalingSnapshot *now,
                const ScalingSnapshot *last)
{
  guint64 known = 0;

  for (guint i = 0; i < SCALING_SIGNAL_N; i++)
    known |= now->external[i].is_known ? (guint64)1 << i : 0;
  scaling_coder_uint64 (coder, &known);
  for (guint i = 0; i < SCALING_SIGNAL_N; i++)
    {
      now->external[i].is_known = (known >> i & 1) != 0;
      if (now->external[i].is_known)
        scaling_coder_double (coder, &now->external[i].value,
                              last->external[i].value);
      else
        now->external[i].value = 0;
    }
}

/* code_snapshot: @self->last becomes @snapshot, or what was read */
static void
code_snapshot (ScalingRecord *self, ScalingCoder *coder,
               const ScalingSnapshot *snapshot)
{
  ScalingSnapshot *last = &self->last;
  ScalingSnapshot now = coder->out != NULL ? *snapshot : *last;
  const ScalingNode *nodes = now.nodes;

  scaling_coder_int64 (coder, &now.now_us, last->now_us);
  scaling_coder_int64 (coder, &now.now_wall_s, last->now_wall_s);
  scaling_coder_text (coder, now.tree_id, CLUSTER_NAME_MAX_CHARS);
  scaling_coder_uint (coder, &now.n_desired, last->n_desired, MAX_SUBTREES);
  scaling_coder_uint (coder, &now.n_serving, last->n_serving, MAX_SUBTREES);
  scaling_coder_uint (coder, &now.n_starting, last->n_starting, MAX_SUBTREES);
  scaling_coder_uint (coder, &now.n_draining, last->n_draining, MAX_SUBTREES);
  scaling_coder_uint (coder, &now.n_warm, last->n_warm, MAX_SUBTREES);
  scaling_coder_uint (coder, &now.n_nodes_elsewhere, last->n_nodes_elsewhere,
                      MAX_SUBTREES);
  scaling_coder_int64 (coder, &now.warm_lead_us, last->warm_lead_us);
  scaling_coder_int64 (coder, &now.cold_lead_us, last->cold_lead_us);
  scaling_coder_int64 (coder, &now.join_p95_us, last->join_p95_us);
  scaling_coder_int64 (coder, &now.disturbed_us, last->disturbed_us);
  code_externals (coder, &now, last);
  scaling_coder_uint (coder, &now.n_nodes, last->n_nodes, CLUSTER_MAX_NODES);
  for (guint i = 0; i < now.n_nodes && !coder->is_bad; i++)
    code_node (coder, &nodes[i], &self->nodes[i]);
  *last = now;
  last->nodes = self->nodes;
}

static guint64
hash_double (guint64 hash, double value)
{
  return scaling_history_hash (hash, &value, sizeof value);
}

guint64
scaling_record_digest (const ScalingDecision *decision)
{
  const guint numbers[] = { decision->action,         decision->urgency,
                            decision->n_wanted,       decision->score_up,
                            decision->score_down,     decision->n_slots_total,
                            decision->needs_approval, decision->is_floor,
                            decision->n_warm };
  guint64 hash = scaling_history_hash (0, numbers, sizeof numbers);

  hash = hash_double (hash, decision->confidence);
  hash = hash_double (hash, decision->need);
  hash = hash_double (hash, decision->joins_per_s);
  return scaling_history_hash (hash, decision->reason,
                               strlen (decision->reason));
}

/* code_decision: what is kept of it. @digest: (inout) */
static void
code_decision (ScalingCoder *coder, ScalingDecision *decision, guint64 *digest)
{
  guint action = decision->action;

  scaling_coder_uint (coder, &action, 0, SCALING_IN);
  decision->action = (ScalingAction)action;
  scaling_coder_uint (coder, &decision->n_wanted, 0, G_MAXUINT32);
  scaling_coder_uint64 (coder, digest);
}

/* --- writing ------------------------------------------------------------ */

/* add_row: @content with its length and kind */
static void
add_row (GByteArray *bytes, guint kind, const GByteArray *content)
{
  scaling_coder_put_varint (bytes, content->len + 1);
  scaling_coder_put_varint (bytes, kind);
  g_byte_array_append (bytes, content->data, content->len);
}

void
scaling_record_add_begin (ScalingRecord *self, GByteArray *bytes)
{
  g_autoptr (GByteArray) nothing = g_byte_array_new ();

  reset (self);
  add_row (bytes, ROW_BEGIN, nothing);
}

void
scaling_record_add_policy (ScalingRecord *self, GByteArray *bytes,
                           const ScalingPolicies *policies, const char *name)
{
  g_autoptr (GByteArray) content = g_byte_array_new ();
  g_autofree char *text = json_to_string (policies->json, FALSE);
  ScalingCoder coder = { .out = content };

  scaling_coder_text (&coder, (char *)name, SCALING_NAME_MAX_CHARS);
  scaling_coder_text (&coder, text, POLICY_MAX_BYTES);
  add_row (bytes, ROW_POLICY, content);
}

void
scaling_record_add_tick (ScalingRecord *self, GByteArray *bytes,
                         const ScalingSnapshot *snapshot,
                         const ScalingDecision *decision)
{
  g_autoptr (GByteArray) content = g_byte_array_new ();
  ScalingCoder coder = { .out = content };
  guint64 digest = scaling_record_digest (decision);
  ScalingDecision kept = *decision;

  code_snapshot (self, &coder, snapshot);
  code_decision (&coder, &kept, &digest);
  add_row (bytes, ROW_TICK, content);
}

/* --- reading ------------------------------------------------------------ */

typedef struct
{
  ScalingRecord *record;     /* owned */
  ScalingHistory *history;   /* owned */
  ScalingPolicies *policies; /* owned, nullable */
  const ScalingPolicy *policy;
  ScalingReplay *result; /* borrowed */
  guint row;
} Player;

static void
player_clear (Player *self)
{
  scaling_record_free (self->record);
  g_free (self->history);
  g_clear_pointer (&self->policies, scaling_policies_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Player, player_clear)

static gboolean
fault (const Player *self, GError **error, const char *text)
{
  g_set_error (error, SCALING_RECORD_ERROR, SCALING_RECORD_ERROR_INVALID,
               "row %u: %s", self->row, text);
  return FALSE;
}

static gboolean
play_policy (Player *self, ScalingCoder *coder, GError **error)
{
  g_autoptr (GError) bad = NULL;
  g_autofree char *text = g_malloc (POLICY_MAX_BYTES + 1);
  char name[SCALING_NAME_MAX_CHARS + 1];

  scaling_coder_text (coder, name, SCALING_NAME_MAX_CHARS);
  scaling_coder_text (coder, text, POLICY_MAX_BYTES);
  if (coder->is_bad || coder->at != coder->end)
    return fault (self, error, "is no policy");
  g_clear_pointer (&self->policies, scaling_policies_free);
  self->policy = NULL;
  self->policies = scaling_policies_parse (text, strlen (text), &bad);
  if (self->policies == NULL)
    return fault (self, error, bad->message);
  for (guint i = 0; i < self->policies->n_policies; i++)
    if (g_str_equal (self->policies->policies[i].name, name))
      self->policy = &self->policies->policies[i];
  if (self->policy == NULL)
    return fault (self, error, "the policy is not in its text");
  self->result->n_policies++;
  return TRUE;
}

static void
compare (Player *self, const ScalingDecision *then, guint64 digest,
         const ScalingDecision *now)
{
  ScalingReplay *result = self->result;

  result->n_ticks++;
  result->n_out += now->action == SCALING_OUT ? 1 : 0;
  result->n_in += now->action == SCALING_IN ? 1 : 0;
  if (scaling_record_digest (now) == digest)
    return;
  if (result->n_different++ > 0)
    return;
  result->first_tick = result->n_ticks;
  result->first_wall_s = self->record->last.now_wall_s;
  result->then = *then;
  result->now = *now;
}

static gboolean
is_sane (const ScalingSnapshot *snapshot, gint64 before_us)
{
  const gint64 times[] = { snapshot->now_us, snapshot->now_wall_s,
                           snapshot->warm_lead_us, snapshot->cold_lead_us,
                           MAX (snapshot->join_p95_us, 0) };

  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    if (times[i] < 0 || times[i] > MAX_TIME)
      return FALSE;
  return snapshot->now_us >= before_us
         && (snapshot->disturbed_us == G_MININT64
             || ABS (snapshot->disturbed_us) <= MAX_TIME);
}

static gboolean
play_tick (Player *self, ScalingCoder *coder, GError **error)
{
  ScalingDecision then = { 0 }, now;
  gint64 before_us = self->record->last.now_us;
  guint64 digest = 0;

  if (self->policy == NULL)
    return fault (self, error, "a tick comes before a policy");
  code_snapshot (self->record, coder, NULL);
  code_decision (coder, &then, &digest);
  if (coder->is_bad || coder->at != coder->end)
    return fault (self, error, "is no tick");
  if (!is_sane (&self->record->last, before_us))
    return fault (self, error, "has times that cannot be");
  scaling_decide (self->policy, &self->record->last, self->history, &now);
  compare (self, &then, digest, &now);
  return TRUE;
}

static gboolean
play_row (Player *self, ScalingCoder *coder, GError **error)
{
  switch (scaling_coder_take_varint (coder))
    {
    case ROW_BEGIN:
      if (coder->at != coder->end)
        return fault (self, error, "is no beginning");
      reset (self->record);
      memset (self->history, 0, sizeof *self->history);
      self->result->n_begins++;
      return TRUE;
    case ROW_POLICY:
      return play_policy (self, coder, error);
    case ROW_TICK:
      return play_tick (self, coder, error);
    default:
      return fault (self, error, "is of no kind that there is");
    }
}

gboolean
scaling_record_replay (const guint8 *bytes, gsize n_bytes, ScalingReplay *ret,
                       GError **error)
{
  g_auto (Player) player = { .record = scaling_record_new (),
                             .history = g_new0 (ScalingHistory, 1),
                             .result = ret };
  ScalingCoder all = { .at = bytes, .end = bytes + n_bytes };

  *ret = (ScalingReplay){ 0 };
  while (all.at < all.end)
    {
      guint64 length = scaling_coder_take_varint (&all);
      ScalingCoder row = { .at = all.at };

      player.row++;
      if (all.is_bad || length < 1 || length > SCALING_RECORD_ROW_MAX_BYTES
          || length > (gsize)(all.end - all.at))
        return fault (&player, error, "is cut off or too long");
      row.end = all.at += length;
      if (!play_row (&player, &row, error))
        return FALSE;
    }
  return TRUE;
}
