/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/ledger-private: what the ledger's files share. ledger.c has its
 * connection, its life and the lease's wire, ledger-calls.c the calls.
 * Thread: main.
 */
#pragma once

#include "cluster/functions.h"
#include "cluster/ledger.h"
#include "cluster/steering.h"

/* What a call was about, until it is answered, and by WAIT too. */
typedef struct _ClusterLedgerCall ClusterLedgerCall;
struct _ClusterLedgerCall
{
  ClusterLedger *self;
  /* looks at the function's reply; NULL when the connection broke */
  void (*read) (ClusterLedgerCall *call, const ClusterReply *reply);
  /* all is known: error, version, n_replicas */
  void (*finish) (ClusterLedgerCall *call);
  GCallback func; /* nullable */
  gpointer data;  /* the caller's */
  gboolean waits; /* for WAIT's answer */
  guint n_replicas;
  GError *error;             /* owned, nullable */
  char *tree_id;             /* owned, nullable */
  char *token;               /* owned, nullable: that it was made under */
  guint64 version;           /* read */
  GPtrArray *rows;           /* owned, nullable: read */
  char **trees;              /* owned, nullable: read */
  GArray *slots;             /* owned, nullable: read */
  char *text;                /* owned, nullable: read */
  ClusterSlotState state;    /* read */
  ClusterScaling scaling;    /* read */
  ClusterSteering steering;  /* read */
  ClusterLeaseAnswer answer; /* read; its texts are owned here */
  char *answer_token, *why;  /* owned, nullable */
};

struct _ClusterLedger
{
  ClusterRedisUrl *url; /* owned */
  GTlsDatabase *ca;     /* owned, nullable */
  ClusterRedisLimits limits;
  ClusterSentinel *sentinel;                /* owned, nullable */
  ClusterFunctions *functions;              /* owned */
  ClusterLease *lease;                      /* owned */
  char *tree_id, *node_id, *nonce, *prefix; /* owned */
  gboolean is_candidate;
  char *min_replicas;           /* owned: k, as WAIT takes it; NULL = 0 */
  GSource *timer;               /* owned: the lease's */
  GQueue later;                 /* (element-type ClusterLedgerCall) for idle */
  GSource *idle;                /* owned, nullable */
  ClusterLedgerCall *resigning; /* owned, nullable */
  BaseCounter *n_bad_values;    /* nullable */
};

ClusterLedgerCall *cluster_ledger_call_new (
    ClusterLedger *self,
    void (*read) (ClusterLedgerCall *call, const ClusterReply *reply),
    void (*finish) (ClusterLedgerCall *call), GCallback func, gpointer data);
/* that end with a version; with an error or none; @func: nullable */
ClusterLedgerCall *cluster_ledger_call_new_version (ClusterLedger *self,
                                                    ClusterVersionFunc func,
                                                    gpointer data);
ClusterLedgerCall *cluster_ledger_call_new_done (ClusterLedger *self,
                                                 ClusterDoneFunc func,
                                                 gpointer data);
/* call->token: ours as leader. Returns: FALSE: we do not lead; @call is
 * answered so, later */
gboolean cluster_ledger_sign (ClusterLedgerCall *call);
/* @args: (transfer full): borrowed texts
 * Returns: FALSE: it could not be asked; @call is freed */
gboolean cluster_ledger_try (ClusterLedger *self, ClusterLedgerCall *call,
                             const char *func, const char *tree_id,
                             GPtrArray *args, gboolean waits);
/* the same; what cannot be asked is answered so, later */
void cluster_ledger_start (ClusterLedger *self, ClusterLedgerCall *call,
                           const char *func, const char *tree_id,
                           GPtrArray *args, gboolean waits);
/* finishes it from the main loop's next turn */
void cluster_ledger_finish_later (ClusterLedger *self, ClusterLedgerCall *call);
/* (transfer full): NULL-terminated arguments, borrowed */
GPtrArray *cluster_ledger_list (const char *first, ...) G_GNUC_NULL_TERMINATED;
