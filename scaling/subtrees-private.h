/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the files of ScalingSubtrees alone: subtrees.c remembers, -view.c looks,
 * -trial.c judges, -step.c says what shall be, -drain.c which one goes, and
 * how.
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

/* What some nodes did in some time. */
typedef struct
{
  guint64 n_drops;
  guint64 n_failures; /* joins that failed, or were refused for no reason */
  guint64 n_joins;    /* refused ones too */
  gint64 node_us;     /* of egress nodes that were heard */
} ScalingTally;

/* What is remembered of an ordinal. */
typedef struct
{
  guint gen; /* that the rest is about; not failures */
  gint64 heard_us;
  gint64 begun_wall_ms;      /* seen on its way, since then; 0 = it was not */
  gint64 wanted_us;          /* since when it shall serve; 0 = it shall not */
  gboolean was_warm;         /* then */
  gboolean is_closed;        /* seen before it served, and never while it did */
  gint64 trial_us;           /* it is watched since then; 0 = not yet */
  ScalingTally mine, others; /* since then */
  gint64 deaf_us; /* since when it should receive media and does not */
  guint n_restarts;
  guint n_viewers;       /* as last heard of all of its nodes */
  ScalingFault rollback; /* why it goes */
  gint64 rollback_us;
  guint n_failures; /* in a row */
  gint64 wait_us;   /* nothing is made before */
  gint64 seen_us;   /* the last step that had it */
} ScalingMemo;

/* Counters of a node of a subtree that serves, as it said them last. */
typedef struct
{
  char boot_id[CLUSTER_ID_CHARS + 1];
  guint64 n_drops, n_failures, n_joins, n_refused;
} ScalingBase;

typedef enum
{
  SCALING_CORE_MISSING, /* somebody of it */
  SCALING_CORE_DEAF,    /* there is a stream, and somebody does not hear it */
  SCALING_CORE_READY,
} ScalingCore;

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
  guint rank;              /* the lower, the sooner it counts */
  ScalingFault fault;      /* why it goes though it is wanted */
  guint first, n;          /* its members: of all gens, in view->members */
  gboolean is_warm;        /* all of its egress nodes say so */
  gboolean is_heard;       /* each of its egress nodes */
  guint n_viewers, n_free; /* on it; how many more it takes */
  ScalingTally step;       /* since the last one */
  gboolean has_media;      /* viewers of it do */
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
  gint64 watched_us;   /* the last step */
  ScalingMark mark;
  gint64 wall_offset_us; /* the store's clock less ours, as of the last step */
  ScalingTrial trial;    /* of the last step's policy */
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
/* @n instances more are made, or will be: off hardLimit */
void scaling_subtrees_spend (ScalingSubtrees *self, guint n);
gboolean scaling_member_is_fresh (const ScalingMember *member);
gboolean scaling_member_runs (const ScalingMember *member);
/* (nullable) (transfer none) */
ScalingMember *scaling_subtrees_find (ScalingSubtrees *self, guint ordinal,
                                      guint gen, const char *member);
/* it takes a stream from a parent */
gboolean scaling_subtrees_hears (const ClusterLoad *load);
/* there is a stream; else there is nothing to receive */
gboolean scaling_subtrees_is_on_air (ScalingSubtrees *self);
ScalingCore scaling_subtrees_look_at_core (ScalingSubtrees *self,
                                           const ScalingPlace *place);
/* the core is here, takes viewers' media and is of this gen */
gboolean scaling_subtrees_is_ready (ScalingSubtrees *self,
                                    const ScalingPlace *place);

/* subtrees-trial.c */
/* what those that serve did since the last step */
void scaling_subtrees_watch (ScalingSubtrees *self);
/* what is wrong with one that shall stay */
ScalingFault scaling_subtrees_judge (ScalingSubtrees *self,
                                     const ScalingPlace *place);
void scaling_subtrees_note_rollback (ScalingSubtrees *self,
                                     const ScalingOrder *order, double jitter,
                                     gint64 now_us);
/* how many may be planned now: all, or one, or none */
guint scaling_subtrees_may_plan (ScalingSubtrees *self);

/* subtrees-drain.c */
/* those whose goal that is begin to go */
void scaling_subtrees_give_back (ScalingSubtrees *self);
void scaling_subtrees_drain (ScalingSubtrees *self, const ScalingPlace *place);
void scaling_subtrees_collect_orphans (ScalingSubtrees *self);
