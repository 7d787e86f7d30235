/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingSubtreesDriver: carries out what ScalingSubtrees orders: each second
 * of the leader it asks the store for a tree's slots and the provisioner for
 * what there is, lets a step be made, and begins its orders: slots in the store
 * first, then instances and drains. Before each of them it asks whether this
 * node still leads; the token goes along, so that what is on its way when
 * another takes over is refused there (CONTROL-PLANE.md A3).
 *   A move that no replica has yet may be lost with its master: until one is
 * counted after it nothing is begun outside of the store. When this node still
 * leads after SCALING_DRIVER_UNSURE_US a renewal of its lease, which was sent
 * later, has been counted, and so the move with it.
 *   A tree that rests is listed each 5 s, one in motion each second; between
 * two lists slots move on, and nothing is made or taken away. Where a slot has
 * moved the next step follows at once, with the same heartbeats.
 * Bounds: CLUSTER_MAX_TREES; a round of a tree that is not over lets the next
 * one be left out; orders as ScalingSubtrees has them.
 * Owner:  ScalingController's owner. Thread: main. It must outlive what its
 * wire asks, and its provisioner.
 */
#pragma once

#include "base/metrics.h"
#include "cluster/ledger.h"
#include "scaling/subtrees.h"

/* an action outside begins only while we lead for so long at least */
#define SCALING_DRIVER_MARGIN_US (200 * G_GINT64_CONSTANT (1000))
/* not less than a lease lasts here without a renewal (cluster/lease.h) */
#define SCALING_DRIVER_UNSURE_US (3 * G_USEC_PER_SEC)
#define SCALING_DRIVER_REST_US (5 * G_USEC_PER_SEC)
/* of SIGTERM, when an instance is removed */
#define SCALING_DRIVER_GRACE_US (10 * G_USEC_PER_SEC)

typedef struct _ScalingSubtreesDriver ScalingSubtreesDriver;

/* How it reaches the store and the nodes. Each question is answered once, and
 * may be from within. */
typedef struct
{
  gint64 (*now_us) (gpointer data); /* the clock of views */
  gboolean (*leads) (gint64 margin_us, gpointer data);
  /* (nullable) (transfer none): while we lead */
  const char *(*get_token) (gpointer data);
  void (*read_slots) (const char *tree_id, ClusterSlotsFunc func,
                      gpointer func_data, gpointer data);
  void (*move_slot) (const char *tree_id, const ClusterSlot *slot,
                     ClusterSlotState to, const char *text,
                     ClusterVersionFunc func, gpointer func_data,
                     gpointer data);
  /* @url: of the node */
  void (*drain) (const char *url, guint32 deadline_ms, ClusterDoneFunc func,
                 gpointer func_data, gpointer data);
} ScalingSubtreesWire;

/* as ScalingServedFunc */
typedef void (*ScalingTreeServedFunc) (const char *tree_id, gboolean is_warm,
                                       gint64 us, gpointer data);

typedef struct
{
  ScalingSubtreesWire wire;
  gpointer wire_data;              /* borrowed */
  ScalingProvisioner *provisioner; /* borrowed */
  BaseMetrics *metrics;            /* (nullable) borrowed */
  guint32 drain_ms;                /* 0: ten minutes */
  ScalingTreeServedFunc on_served; /* nullable */
  gpointer data;                   /* of on_served; borrowed */
} ScalingSubtreesDriverConfig;

ScalingSubtreesDriver *
scaling_subtrees_driver_new (const ScalingSubtreesDriverConfig *config);
void scaling_subtrees_driver_free (ScalingSubtreesDriver *self);
/* leads, or does no longer: nothing is remembered */
void scaling_subtrees_driver_forget (ScalingSubtreesDriver *self);

/* What the leader knows of a tree this second. All borrowed. */
typedef struct
{
  const char *tree_id;
  const ScalingPolicy *policy;
  guint n_desired;
  GPtrArray *beats; /* (element-type ClusterBeat) */
  guint n_nodes_elsewhere;
  gint64 now_us, now_wall_ms; /* ms: the store's */
} ScalingSubtreesView;
void scaling_subtrees_driver_take (ScalingSubtreesDriver *self,
                                   const ScalingSubtreesView *view);
/* (nullable) (transfer none): after the last step; NULL: there was none */
const ScalingSubtreesSummary *
scaling_subtrees_driver_get_summary (ScalingSubtreesDriver *self,
                                     const char *tree_id);
/* (nullable) (transfer none): as ScalingSubtrees has it */
const ScalingMark *
scaling_subtrees_driver_get_mark (ScalingSubtreesDriver *self,
                                  const char *tree_id);
void scaling_subtrees_driver_set_mark (ScalingSubtreesDriver *self,
                                       const char *tree_id,
                                       const ScalingMark *mark);
/* JSON object for /debug/state and the API (transfer full) */
JsonNode *scaling_subtrees_driver_describe (ScalingSubtreesDriver *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingSubtreesDriver,
                               scaling_subtrees_driver_free)
