/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/controller-private: what the controller's files share. controller.c
 * has the loop, controller-act.c what follows from a decision,
 * controller-show.c metrics and JSON.
 * Thread: main.
 */
#pragma once

#include "scaling/controller.h"
#include "scaling/decide.h"
#include "scaling/learned.h"
#include "scaling/survey.h"
#include "scaling/tape.h"

#define SCALING_SERVICE "egress"
#define SCALING_N_ACTIONS (SCALING_IN + 1)

typedef enum
{
  SCALING_RESULT_DONE,
  SCALING_RESULT_REFUSED,
  SCALING_RESULT_DRY_RUN,
  SCALING_RESULT_APPROVAL, /* a person is to say yes */
  SCALING_RESULT_N,
} ScalingResult;

/* Why something did not work: an error of the store, or: */
enum
{
  SCALING_FAILURE_POLICY = CLUSTER_ERROR_N, /* not understood, or none */
  SCALING_FAILURE_LATE,                     /* a round was not over */
  SCALING_FAILURE_NOT_DURABLE,              /* no replica has it */
  SCALING_FAILURE_N,
};

/* The last entry of a kind in a tree's audit. */
typedef struct
{
  gint64 at_us; /* 0 = never */
  guint n_wanted;
} ScalingNote;

typedef enum
{
  SCALING_NOTE_HOLD,
  SCALING_NOTE_DRY_RUN,
  SCALING_NOTE_REFUSED,
  SCALING_NOTE_N,
} ScalingNoteKind;

/* Whether we know what who led before had learned. */
typedef enum
{
  SCALING_LEARNING_NOTHING,
  SCALING_LEARNING_ASKED,
  SCALING_LEARNING_DONE,
} ScalingLearning;

typedef struct
{
  ScalingController *controller;
  char *tree_id; /* owned */
  gboolean is_listed;
  gint64 next_us; /* not read before */
  /* this round's answers */
  ClusterScaling scaling;   /* owned */
  ClusterSteering steering; /* owned */
  GPtrArray *beats;         /* owned, nullable */
  guint n_due;
  gboolean is_failed;
  /* policy */
  guint64 policy_version;
  ScalingPolicies *policies; /* owned, nullable: of that version */
  ScalingPolicy policy;      /* with this node's settings */
  gboolean has_policy, is_putting;
  char *fault; /* owned, nullable: of a policy that was refused */
  /* decisions */
  ScalingSurvey *survey;           /* owned */
  ScalingPeers *peers;             /* owned, nullable: nobody is asked */
  ScalingPrometheus *prometheus;   /* owned, nullable: likewise */
  gboolean has_missed;             /* it is asked for, and there is none */
  ScalingHistory *history;         /* owned */
  ScalingTape *tape;               /* owned */
  const ScalingSnapshot *snapshot; /* of survey; NULL before the first */
  ScalingDecision decision;
  guint64 n_decisions[SCALING_N_ACTIONS];
  gboolean is_asking;  /* mt_desire is on its way */
  gboolean is_acting;  /* the driver carries out what is desired */
  gboolean is_limited; /* it could not: hardLimit */
  guint n_told;        /* calls on their way that nobody waits for */
  ScalingLearning learning;
  ScalingLearned learned;
  char *learned_text;   /* owned, nullable: as the store has it */
  gboolean is_teaching; /* it is on its way there */
  gboolean is_telling, is_proposing;
  guint64 ended_version; /* of what is desired whose outcome is said */
  char *asked_text;      /* owned, nullable: as the audit has it */
  ScalingAction asked;
  gint64 asked_us;
  gint64 reacting_us; /* since when more is desired than serves; 0 = not */
  guint n_reacting;   /* subtrees that shall serve then */
  ScalingNote notes[SCALING_NOTE_N];
} ScalingTree;

struct _ScalingController
{
  ScalingControllerConfig config;
  char *provisioner;               /* owned, nullable: its kind */
  ScalingSubtreesDriver *subtrees; /* (nullable) borrowed */
  GPtrArray *trees;                /* owned (element-type ScalingTree) by id */
  guint tick_id;
  gboolean is_reading;
  gboolean has_switch, is_on; /* in the store */
  guint64 term;               /* that we saw last: another store has another */
  guint64 n_results[SCALING_N_ACTIONS][SCALING_RESULT_N];
  guint64 n_failures[SCALING_FAILURE_N];
  guint64 n_prometheus[SCALING_PROMETHEUS_N_RESULTS];
  /* (nullable) borrowed from the registry; warm, cold */
  BaseHistogram *reaction_seconds, *provision_seconds[2];
};

/* controller.c */
void scaling_controller_fail (ScalingController *self, const GError *error);
gboolean scaling_controller_is_leader (ScalingController *self);
/* it is on, and not dry: what is desired may be asked for and carried out */
gboolean scaling_tree_may_act (const ScalingTree *tree);
/* controller-act.c: what follows from tree->decision */
void scaling_controller_act (ScalingTree *tree);
/* its turn comes as soon as the store has answered, unless it is too early */
void scaling_controller_read_tree (ScalingTree *tree);
/* controller-learned.c: before a survey, each second */
void scaling_controller_learn (ScalingTree *tree);
/* controller-sources.c: before a survey; of a tree with a policy and beats */
void scaling_controller_read_sources (ScalingTree *tree, gint64 now_us);
void scaling_controller_close_sources (ScalingTree *tree);
/* controller-show.c */
void scaling_controller_add_metrics (ScalingController *self);
/* (transfer none): why nothing is asked for or started; "" = it is */
const char *scaling_controller_get_why (ScalingController *self);
/* (transfer full): the tree as the leader sees it now, for all nodes */
char *scaling_tree_describe (const ScalingTree *tree);
/* (transfer full): one decision, for the audit and people */
char *scaling_tree_describe_change (const ScalingTree *tree,
                                    const char *outcome);
