/* SPDX-License-Identifier: Apache-2.0 */
/* For ScalingSubtreesDriver's files alone: subtrees-driver.c has the rounds and
 * orders, -show.c metrics and JSON. */
#pragma once

#include "scaling/subtrees-driver.h"

typedef struct
{
  ScalingSubtreesDriver *driver; /* borrowed */
  char *tree_id;                 /* owned */
  ScalingSubtrees *subtrees;     /* owned */
  /* this round */
  guint n_due;
  guint64 round_era; /* of the driver, when it began */
  ScalingPolicy policy;
  ScalingSubtreesInput input;
  GPtrArray *beats;     /* owned, nullable */
  GArray *slots;        /* owned, nullable */
  GPtrArray *instances; /* owned, nullable */
  gint64 rest_us;       /* it is listed again then */
  guint n_desired;      /* of the last round */
  guint n_beat_elsewhere;
  guint n_moving;     /* slots that are to move on in the store */
  gboolean has_moved; /* one did: what follows need not wait for a second */
  guint again_id;
  gboolean has_summary;
  double node_us[2]; /* that instances ran: of warm slots, and others first */
  gint64 accounted_us;
  char *fault; /* owned, nullable: the last thing that did not work */
} ScalingDriverTree;

typedef enum
{
  SCALING_ORDER_DONE,
  SCALING_ORDER_FAILED,
  SCALING_ORDER_N_RESULTS
} ScalingOrderResult;

struct _ScalingSubtreesDriver
{
  ScalingSubtreesDriverConfig config;
  GHashTable *trees;         /* owned: id → Tree */
  GHashTable *calls;         /* owned: set of Call */
  GArray *orders;            /* owned (element-type ScalingOrder) */
  guint64 era;               /* grows whenever nothing is to be remembered */
  guint64 n_late, n_unknown; /* rounds: left out, without the store */
  gint64 unsure_until_us;    /* a move may be lost with its master until then */
  guint64 n_unsure, n_held;  /* such moves; orders that waited for them */
  guint64 n_rollbacks[SCALING_FAULT_N];
  guint64 n_orders[SCALING_ORDER_N][SCALING_ORDER_N_RESULTS];
};

/* longer between two steps: nobody knows what ran */
#define SCALING_DRIVER_GAP_US (60 * G_USEC_PER_SEC)

/* subtrees-driver-show.c */
/* after each step */
void scaling_subtrees_driver_account (ScalingDriverTree *tree);
void scaling_subtrees_driver_collect (BaseMetricsWriter *writer, gpointer data);
