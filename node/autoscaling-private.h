/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/autoscaling-private: what the files of the autoscaling API share.
 * autoscaling.c has requests and their way to the store and back,
 * autoscaling-show.c what is shown, autoscaling-act.c what is asked for.
 * Thread: main.
 */
#pragma once

#include "cluster/ledger-steer.h"
#include "node/autoscaling.h"
#include "node/rate.h"
#include "scaling/wish.h"

typedef struct _NodeScalingRequest NodeScalingRequest;
typedef struct _NodeScalingResource NodeScalingResource;

/* What of the store a request is shown, or needs, first. */
typedef enum
{
  NODE_SCALING_READS_NOTHING,
  NODE_SCALING_READS_STATE,   /* request->scaling, ->steering */
  NODE_SCALING_READS_HISTORY, /* request->rows */
} NodeScalingReads;

struct _NodeScalingResource
{
  const char *name, *method;
  gboolean has_id; /* name/ID */
  NodeScalingReads reads;
  gsize max_bytes; /* of its body; 0: it has none */
  /* looks at path and body; Returns: FALSE: it has answered (nullable) */
  gboolean (*read) (NodeScalingRequest *request);
  /* all is known: it answers, or asks the store */
  void (*run) (NodeScalingRequest *request);
};

struct _NodeScalingRequest
{
  NodeAutoscaling *owner;
  SoupServerMessage *msg; /* owned */
  const NodeScalingResource *resource;
  char *tree_id, *id, *body; /* owned; id, body: nullable */
  guint limit;
  gint64 version; /* ?version=; -1: not said */
  gboolean is_gone, is_paused;
  gboolean has_store; /* there is a Redis */
  /* of the store */
  ClusterScaling scaling;
  ClusterSteering steering;
  GPtrArray *rows; /* owned, nullable */
  /* of what is asked for */
  ScalingWish wish;
  ScalingPolicies *policies; /* owned, nullable */
  guint n_subtrees;
};

struct _NodeAutoscaling
{
  const NodeParts *parts; /* borrowed */
  GPtrArray *requests;    /* owned (element-type NodeScalingRequest): wait */
  NodeRate reads, writes;
  BaseCounter *n_limited; /* borrowed */
};

/* autoscaling.c; each ends the request */
/* @root: (transfer full) */
void node_scaling_request_answer (NodeScalingRequest *request, JsonNode *root);
/* @body: (transfer full): bytes */
void node_scaling_request_answer_bytes (NodeScalingRequest *request,
                                        GBytes *body);
void node_scaling_request_fail (NodeScalingRequest *request, guint status,
                                const char *code, const char *detail, ...)
    G_GNUC_PRINTF (4, 5);
void node_scaling_request_fail_store (NodeScalingRequest *request,
                                      const GError *error);
/* a JSON object with "success", to be ended */
JsonBuilder *node_scaling_begin (void);
JsonNode *node_scaling_end (JsonBuilder *json);
/* (transfer full) (nullable): the tree as its leader saw it last */
JsonObject *node_scaling_request_dup_decision (NodeScalingRequest *request);
/* (transfer full): why what is desired is not carried out: the leader's words,
 * else ours; "" = it is.
 * @decision: (nullable): as above */
char *node_scaling_request_dup_why (NodeScalingRequest *request,
                                    JsonObject *decision);
/* (transfer full): the store's, else what ships */
ScalingPolicies *
node_scaling_request_dup_policies (NodeScalingRequest *request);

/* autoscaling-show.c */
void node_scaling_show_status (NodeScalingRequest *request);
void node_scaling_show_policies (NodeScalingRequest *request);
void node_scaling_show_recommendations (NodeScalingRequest *request);
void node_scaling_show_approvals (NodeScalingRequest *request);
void node_scaling_show_record (NodeScalingRequest *request);
void node_scaling_show_history (NodeScalingRequest *request);

/* autoscaling-act.c */
gboolean node_scaling_read_wish (NodeScalingRequest *request);
gboolean node_scaling_read_entry (NodeScalingRequest *request);
gboolean node_scaling_read_policies (NodeScalingRequest *request);
void node_scaling_act_enable (NodeScalingRequest *request);
void node_scaling_act_policies (NodeScalingRequest *request);
void node_scaling_act_test (NodeScalingRequest *request);
void node_scaling_act_approval (NodeScalingRequest *request);
void node_scaling_act_rollback (NodeScalingRequest *request);
