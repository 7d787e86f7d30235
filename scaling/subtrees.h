/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingSubtrees: what is to be done so that a tree has the subtrees that are
 * desired. A subtree is one relay and up to egressPerSubtree egress nodes; its
 * core, the relay and warmEgress of them, is what a warm slot runs, and what
 * must have joined and receive media before the subtree may serve.
 *   A step looks at what is there now (slots of the store, heartbeats, what the
 * provisioner lists) and orders a bounded number of things; it does nothing
 * itself, has no clock and no randomness, so that tests/sim run the same code.
 * What it remembers between steps decides nothing about what shall be, only
 * when to try again: orders not answered yet, failures and waits of ordinals,
 * who was heard last. A new leader begins without any of it.
 *   Of the slots that are on their way or serve, those that are furthest count
 * first, then the lowest ordinals: the first n shall serve, as many more as the
 * policy has warm slots shall be joined, the rest is given back, one a step,
 * the highest first. So a warm slot is promoted by being counted, and filling
 * up is nothing else than planning.
 *   Of those that serve the one with the fewest viewers goes first, and only
 * when what stays has room for them.
 *   Nothing that has served is ended for silence alone: who does not reach the
 * store may still have viewers.
 * Bounds: SCALING_MAX_ORDERS a step and SCALING_MAX_PENDING in all; instances
 * within the policy's hardLimit.
 * Owner:  ScalingSubtreesDriver, a test or the simulator. Thread: main.
 */
#pragma once

#include "cluster/ledger-read.h"
#include "cluster/slot.h"
#include "scaling/policy.h"
#include "scaling/provisioner.h"

#define SCALING_MAX_ORDERS 64
#define SCALING_MAX_PENDING 128
/* between two tries of an ordinal, doubled each time */
#define SCALING_BACKOFF_MIN_US (1 * G_USEC_PER_SEC)
#define SCALING_BACKOFF_MAX_US (60 * G_USEC_PER_SEC)
/* nobody of it heard, and the provisioner does not have it running */
#define SCALING_DEAD_US (10 * G_USEC_PER_SEC)
/* nobody of it heard, and nobody knows more */
#define SCALING_LOST_US (60 * G_USEC_PER_SEC)
/* an instance that is in no slot is looked at for so long before it goes */
#define SCALING_ORPHAN_US (60 * G_USEC_PER_SEC)
#define SCALING_ORPHAN_ENDED_US (10 * G_USEC_PER_SEC) /* one that has ended */
/* what did well for so long is asked for its failures no more */
#define SCALING_CALM_US (60 * G_USEC_PER_SEC)
/* after the deadline of a drain nodes end by themselves; so long after it they
 * are ended. The same for those who drain and are silent */
#define SCALING_DRAIN_OVER_MS 30000

typedef struct _ScalingSubtrees ScalingSubtrees;

typedef enum
{
  SCALING_ORDER_SLOT,   /* in the store: from → to */
  SCALING_ORDER_ENSURE, /* name exists and runs */
  SCALING_ORDER_REMOVE,
  SCALING_ORDER_DRAIN, /* the node shall let all go elsewhere, and end */
  SCALING_ORDER_N
} ScalingOrderKind;

/* Why a subtree goes though it is wanted. All but the first two: it is rolled
 * back, and the next of its kind waits (ScalingTrial). */
typedef enum
{
  SCALING_FAULT_NONE,
  SCALING_FAULT_GONE,     /* all of it ended, whatever for */
  SCALING_FAULT_NOT_UP,   /* its core is not there in time */
  SCALING_FAULT_NO_MEDIA, /* it is there, and receives nothing */
  SCALING_FAULT_RESTARTS,
  SCALING_FAULT_DROPS,    /* packets, and the others do not */
  SCALING_FAULT_FAILURES, /* of joins, likewise */
  SCALING_FAULT_N
} ScalingFault;
/* "none", "gone", … for metrics; words for people */
const char *scaling_fault_get_name (ScalingFault fault);
const char *scaling_fault_get_words (ScalingFault fault);

typedef struct
{
  ScalingOrderKind kind;
  guint ordinal, gen;
  ClusterSlotState from, to; /* SLOT */
  ClusterRoles role;         /* ENSURE: relay or egress */
  guint32 drain_ms;          /* DRAIN: the deadline from now */
  char name[SCALING_PROVISION_NAME_MAX_CHARS + 1]; /* all but SLOT */
  ScalingFault fault; /* SLOT: it goes, or is gone, because it was no good */
  const char *why;    /* (transfer none): static words, for people */
} ScalingOrder;

/* That subtrees of a tree were rolled back, one after the other: what is
 * started next comes from the same image and hosts, so it waits, and goes alone
 * until it is known to be good. Wall clock of the store. */
typedef struct
{
  guint n_in_row; /* and nothing did well since; 0 = all is well */
  gint64 last_wall_ms, wait_wall_ms; /* the last; nothing is planned before */
  ScalingFault fault;                /* of the last */
  guint ordinal, gen;
} ScalingMark;
#define SCALING_MARK_MAX_IN_ROW 1000
#define SCALING_MARK_MAX_WALL_MS G_GINT64_CONSTANT (100000000000000)

/* What is there at one moment. All borrowed. */
typedef struct
{
  const ScalingPolicy *policy;
  guint n_desired; /* subtrees that shall serve */
  guint n_slots;
  const ClusterSlot *slots; /* by ordinal */
  GPtrArray *beats;         /* (element-type ClusterBeat): of the tree */
  GPtrArray *instances;     /* (nullable) (element-type ScalingInstance): NULL:
                             * nobody knows: none is made or taken away */
  gboolean is_list_whole;   /* else a host was away */
  guint n_nodes_elsewhere;  /* of other trees, and that shall be made there */
  guint32 drain_ms;         /* the deadline of a drain */
  gint64 now_us;            /* a clock that only goes on */
  gint64 now_wall_ms;       /* the store's, for ages of slots */
} ScalingSubtreesInput;

/* The tree after the last step. */
typedef struct
{
  guint n_starting; /* planned too */
  guint n_warm;     /* joined, not to serve */
  guint n_serving, n_draining;
  guint n_cold;           /* how many more could be started within hardLimit, at
                           * most the policy's cold slots */
  guint n_instances;      /* ours, listed and not ended */
  guint n_nodes;          /* of the tree: that beat, run, or shall be made */
  guint n_pooled;         /* of these, of warm slots */
  guint n_orphans;        /* of no slot */
  gboolean is_limited;    /* hardLimit kept something from being made */
  gint64 longest_wait_us; /* of an ordinal that failed; 0 = none waits */
  guint n_rollbacks;      /* in a row, and since then nothing that did well */
  gint64 rollback_wait_us; /* nothing new is planned for so long */
  guint n_stuck; /* viewers of a subtree that shall go and stays, because the
                  * others have no room for them */
} ScalingSubtreesSummary;

/* @is_warm: it was joined already when it was wanted
 * @us: from when it was wanted until it served */
typedef void (*ScalingServedFunc) (gboolean is_warm, gint64 us, gpointer data);

/* @on_served: (nullable) */
ScalingSubtrees *scaling_subtrees_new (const char *tree_id,
                                       ScalingServedFunc on_served,
                                       gpointer data);
void scaling_subtrees_free (ScalingSubtrees *self);
/* another leads, or did: nothing is remembered but the mark, nothing is due */
void scaling_subtrees_forget (ScalingSubtrees *self);

/* scaling_subtrees_step: each order is to be answered once; until then it is
 * not given again.
 * @orders: (element-type ScalingOrder): is cleared; in the order in which they
 * are to be begun */
void scaling_subtrees_step (ScalingSubtrees *self,
                            const ScalingSubtreesInput *input, GArray *orders);
/* scaling_subtrees_answer: how an order ended.
 * @retry_us: FALSE: not before; -1: nothing was said
 * @jitter: 0 to 1, of the wait */
void scaling_subtrees_answer (ScalingSubtrees *self, const ScalingOrder *order,
                              gboolean is_done, gint64 retry_us, double jitter,
                              gint64 now_us);
const ScalingSubtreesSummary *
scaling_subtrees_get_summary (ScalingSubtrees *self);
/* scaling_subtrees_get_mark: (transfer none): for who leads next
 * scaling_subtrees_set_mark: as who led before left it */
const ScalingMark *scaling_subtrees_get_mark (ScalingSubtrees *self);
void scaling_subtrees_set_mark (ScalingSubtrees *self, const ScalingMark *mark);
/* "slot", "ensure", … */
const char *scaling_order_kind_get_name (ScalingOrderKind kind);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingSubtrees, scaling_subtrees_free)
