/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/ledger-read: what the leader's functions answer (mtctl-scaling.lua)
 * → types. The server is not trusted: a reply of another shape is
 * CLUSTER_ERROR_PROTOCOL, rows whose values are bad are left out and counted.
 * Thread: main.
 */
#pragma once

#include "cluster/redis-reply.h"
#include "cluster/slot.h"
#include "cluster/types.h"

#define CLUSTER_MAX_TREES 64
#define CLUSTER_MAX_SUBTREES 100000
#define CLUSTER_MAX_COOLDOWN_MS (7 * 86400 * G_GINT64_CONSTANT (1000))
#define CLUSTER_POLICY_MAX_BYTES 65536
#define CLUSTER_LEARNED_MAX_BYTES 2048
#define CLUSTER_REASON_MAX_BYTES 200
#define CLUSTER_AUDIT_MAX_BYTES 2048
#define CLUSTER_MAX_HISTORY 500 /* entries of one question */
#define CLUSTER_MAX_SLOTS 4096  /* subtrees of a tree that ever were */
#define CLUSTER_HEARTBEAT_MS 3000

/* policy:{tree}: what the store itself enforces, and the text it came from */
typedef struct
{
  guint64 version; /* 0 = there is none */
  guint min, max;  /* subtrees */
  guint step_out, step_in;
  gint64 cool_out_ms; /* between two thresholds that ask for more */
  gint64 cool_in_ms;  /* after growth, before anything is given back */
  char *by, *text;    /* owned, nullable */
} ClusterPolicy;

/* desired:{tree}, policy:{tree} and the lease at one moment */
typedef struct
{
  char *leader;    /* owned, nullable: node id */
  guint64 term;    /* its counter */
  guint64 version; /* of what is desired; 0 = nothing yet */
  guint n_desired; /* subtrees */
  gint64 at_wall_ms;
  char *by, *reason, *cause; /* owned, nullable */
  ClusterPolicy policy;
  gint64 now_wall_ms; /* the store's clock */
} ClusterScaling;

/* One entry of the audit stream. */
typedef struct
{
  char *id; /* "milliseconds-number" */
  char *tree, *kind, *by, *token, *text;
} ClusterAudit;

/* A node as its heartbeat has it. */
typedef struct
{
  ClusterNode node;
  ClusterLoad load;
  guint age_ms; /* of the heartbeat */
} ClusterBeat;

void cluster_scaling_clear (ClusterScaling *self);
/* @to: (inout): cleared first */
void cluster_scaling_copy (const ClusterScaling *from, ClusterScaling *to);
void cluster_audit_free (ClusterAudit *self);
void cluster_beat_free (ClusterBeat *self);

/* @ret: (out): to be cleared; untouched on FALSE */
gboolean cluster_read_scaling (const ClusterReply *reply, ClusterScaling *ret,
                               GError **error);
/* (transfer full): names, at most CLUSTER_MAX_TREES, sorted */
char **cluster_read_trees (const ClusterReply *reply, GError **error);
/* (transfer full) (element-type ClusterBeat): by id */
GPtrArray *cluster_read_beats (const ClusterReply *reply, const char *tree_id,
                               guint *ret_n_bad, GError **error);
/* (transfer full) (element-type ClusterSlot): by ordinal, each once */
GArray *cluster_read_slots (const ClusterReply *reply, guint *ret_n_bad,
                            GError **error);
/* (transfer full) (element-type ClusterAudit): newest first */
GPtrArray *cluster_read_history (const ClusterReply *reply, guint *ret_n_bad,
                                 GError **error);
