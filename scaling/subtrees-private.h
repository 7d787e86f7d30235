/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the files of ScalingSubtrees alone: subtrees.c remembers, -view.c looks,
 * -step.c says what shall be, -drain.c how one goes.
 */
#pragma once

#include "scaling/subtrees.h"

/* A node or instance whose name is a subtree's, or who shall be. */
typedef struct
{
  char *name; /* owned */
  guint ordinal, gen;
  guint index; /* of the egress nodes, from 1; 0: not of them */
  gboolean is_relay;
  const ClusterBeat *beat;         /* (nullable) borrowed for the step */
  const ScalingInstance *instance; /* (nullable) likewise */
} ScalingMember;

/* What is remembered of an ordinal. */
typedef struct
{
  guint gen; /* that the rest is about; not failures */
  gint64 heard_us;
  gint64 wanted_us;   /* since when it shall serve; 0 = it shall not */
  gboolean was_warm;  /* then */
  gboolean is_closed; /* seen before it served, and never while it did */
  gint64 trial_us;    /* its counters are compared since then; 0 = not yet */
  guint n_restarts;
  guint n_failures; /* in a row */
  gint64 wait_us;   /* nothing is made before */
  gint64 seen_us;   /* the last step that had it */
} ScalingMemo;

/* Counters of a node when its trial began. */
typedef struct
{
  char boot_id[CLUSTER_ID_CHARS + 1];
  guint64 n_drops, n_failures, n_joins;
} ScalingBase;

typedef enum
{
  SCALING_GOAL_NONE,
  SCALING_GOAL_SERVE,
  SCALING_GOAL_WARM,
  SCALING_GOAL_GO,
} ScalingGoal;

/* A slot in this step. */
typedef struct
{
  ClusterSlot slot;
  ScalingMemo *memo; /* borrowed */
  ScalingGoal goal;
  const char *fault; /* (nullable): why it goes though it is wanted */
  gboolean is_bad;   /* it is there, and does not do well */
  guint first, n;    /* its members: of all gens, in view->members */
} ScalingPlace;

struct _ScalingSubtrees
{
  char *tree_id; /* owned */
  ScalingServedFunc on_served;
  gpointer data;
  GHashTable *memos;   /* owned: ordinal → ScalingMemo */
  GHashTable *bases;   /* owned: name → ScalingBase */
  GHashTable *pending; /* owned: keys of orders not answered */
  GHashTable *orphans; /* owned: name → gint64: seen since */
  ScalingSubtreesSummary summary;
  /* the step */
  const ScalingSubtreesInput *input; /* borrowed */
  GArray *orders;                    /* borrowed (element-type ScalingOrder) */
  GPtrArray *members;  /* owned (element-type ScalingMember) by ordinal, gen */
  GHashTable *by_name; /* owned: name → ScalingMember, of members */
  GArray *places;      /* owned (element-type ScalingPlace) by ordinal */
  GArray *ranks;       /* owned (element-type guint): of places, active ones */
  guint n_egress, n_core; /* of a whole subtree; of its core */
  guint n_left;           /* instances that hardLimit still allows */
};

/* subtrees.c */
ScalingMemo *scaling_subtrees_get_memo (ScalingSubtrees *self, guint ordinal);
/* FALSE: it is under way, or there is no room */
gboolean scaling_subtrees_order (ScalingSubtrees *self,
                                 const ScalingOrder *order);
gboolean scaling_subtrees_move (ScalingSubtrees *self,
                                const ScalingPlace *place, ClusterSlotState to,
                                const char *why);
gboolean scaling_subtrees_order_name (ScalingSubtrees *self,
                                      ScalingOrderKind kind,
                                      const ScalingMember *member,
                                      const char *why);
void scaling_subtrees_fail (ScalingMemo *memo, gint64 retry_us, double jitter,
                            gint64 now_us);

/* subtrees-view.c */
void scaling_subtrees_look (ScalingSubtrees *self);
gboolean scaling_member_is_fresh (const ScalingMember *member);
gboolean scaling_member_runs (const ScalingMember *member);
/* (nullable) (transfer none) */
ScalingMember *scaling_subtrees_find (ScalingSubtrees *self, guint ordinal,
                                      guint gen, const char *member);
/* the core is here, takes viewers' media and is of this gen */
gboolean scaling_subtrees_is_ready (ScalingSubtrees *self,
                                    const ScalingPlace *place);
/* (nullable) (transfer none): what is wrong with one that shall stay
 * @ret_is_bad: (out): it is there and does not do well */
const char *scaling_subtrees_judge (ScalingSubtrees *self,
                                    const ScalingPlace *place,
                                    gboolean *ret_is_bad);

/* subtrees-drain.c */
void scaling_subtrees_drain (ScalingSubtrees *self, const ScalingPlace *place);
void scaling_subtrees_collect_orphans (ScalingSubtrees *self);
