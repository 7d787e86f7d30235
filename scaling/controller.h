/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingController: what the leader does each second, for every tree in
 * trees:active: reads heartbeats, policy and what is desired, decides
 * (scaling/decide.h), shows it in metrics, and, when autoscaling is on, asks
 * the store for another number of subtrees (fenced, with its reason in the
 * audit). When it is off the decisions are made all the same: scores and
 * recommendations are there, and nothing is asked for or written.
 *   It computes from what is there, each time anew; the history of a tree is
 * all it remembers, and a new leader begins without one.
 * A policy that cannot be understood is said, and the one before stays.
 * Bounds: CLUSTER_MAX_TREES; one question to the store of each kind and tree
 * at a time: a round that is not over lets the next one be left out.
 * Owner:  node. Thread: main.
 */
#pragma once

#include "cluster/ledger-steer.h"
#include "scaling/notifier.h"
#include "scaling/policy.h"
#include "scaling/prometheus.h"
#include "scaling/subtrees-driver.h"

/* of the same kind and tree in the audit, unless it says something else */
#define SCALING_NOTE_AGAIN_US (60 * G_USEC_PER_SEC)
/* a proposal waits so long for an answer; so long it is not made again after a
 * no */
#define SCALING_PROPOSAL_MS (15 * 60 * G_GINT64_CONSTANT (1000))

typedef struct _ScalingController ScalingController;

typedef struct
{
  ClusterLedger *ledger;     /* (nullable) borrowed: NULL without a Redis */
  BaseMetrics *metrics;      /* (nullable) borrowed */
  ScalingNotifier *notifier; /* (nullable) borrowed */
  const char *metrics_token; /* (nullable) borrowed: of all nodes */
  ScalingPrometheusConfig prometheus; /* borrowed; its url: nullable */
  gboolean is_enabled; /* until somebody switches, for all nodes at once */
  gboolean is_dry_run;
  /* nothing is added while this machine has less memory available; 0 = it may
   * be. get_available_bytes: (nullable): -1: not known: nothing is added */
  gint64 min_available_bytes;
  gint64 (*get_available_bytes) (void);
  /* 0 = as the policy says */
  guint min_replicas, max_replicas; /* egress nodes */
  guint max_total;                  /* nodes of all trees: lowers hardLimit */
  /* (transfer full) (nullable): what is put where the store has no policy;
   * NULL: the one that ships */
  ScalingPolicies *policies;
} ScalingControllerConfig;

ScalingController *
scaling_controller_new (const ScalingControllerConfig *config);
void scaling_controller_free (ScalingController *self);
/* who starts what is wanted, for people: "docker"; NULL: nobody */
void scaling_controller_set_provisioner (ScalingController *self,
                                         const char *kind);
/* who carries out what is desired; NULL: nobody. Borrowed: it goes later */
void scaling_controller_set_subtrees (ScalingController *self,
                                      ScalingSubtreesDriver *subtrees);
/* for its config, with the controller as data */
void scaling_controller_on_served (const char *tree_id, gboolean is_warm,
                                   gint64 us, gpointer data);
/* the switch in the store, as the leader read it last, else the setting */
gboolean scaling_controller_is_enabled (ScalingController *self);
/* the ledger's on_leader_changed */
void scaling_controller_leader_changed (ScalingController *self,
                                        gboolean is_leader);
/* something disturbs: nothing is given back for a minute */
void scaling_controller_disturb (ScalingController *self);

/* scaling_controller_get_bounds: what the store itself shall enforce of
 * @policies for @tree_id: version, by and text are left alone. The minimum is 0
 * subtrees: nodes that nobody starts may be enough.
 * Returns: FALSE when no policy is for the tree's egress nodes */
gboolean scaling_controller_get_bounds (const ScalingPolicies *policies,
                                        const char *tree_id,
                                        ClusterPolicy *ret);

/* scaling_controller_dup_record: (transfer full) (nullable): the decisions of
 * @tree_id that this node made (scaling/record.h); NULL: none */
GBytes *scaling_controller_dup_record (ScalingController *self,
                                       const char *tree_id);
/* JSON object for /debug/state and the API (transfer full) */
JsonNode *scaling_controller_describe (ScalingController *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingController, scaling_controller_free)
