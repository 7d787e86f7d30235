/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For scaling/provision-docker alone: a call at one Engine, and its requests.
 */
#pragma once

#include "scaling/docker-json.h"
#include "scaling/http.h"
#include "scaling/instance-ports.h"

/* Who has been given a k, until a list shows it; "": somebody else has one of
 * its ports. */
typedef struct
{
  char *owner; /* owned, nullable */
  gint64 until_us;
} ScalingDockerHold;

typedef struct
{
  ScalingDockerEngine config; /* its strings are owned */
  ScalingHttp *http;
  guint minor; /* of the API; 0: not asked yet */
  ScalingDockerHold holds[SCALING_PORTS_MAX_INSTANCES + 1]; /* by k */
} ScalingDockerHost;

typedef struct
{
  ScalingProvisioner base;
  ScalingDockerConfig config; /* its strings are owned; engines: see below */
  GPtrArray *engines;         /* (element-type ScalingDockerHost) owned */
  guint64 n_created, n_removed;
} ScalingProvisionDocker;

/* One call at one engine: a request at a time, each answer says which is
 * next. A list, and a remove without a host, have one at each engine. */
typedef struct _All ScalingDockerAll;
typedef struct _Op ScalingDockerOp;
typedef void (*ScalingDockerOnReply) (ScalingDockerOp *op,
                                      const ScalingHttpReply *reply);

struct _Op
{
  ScalingProvisionCall *call;   /* a reference */
  ScalingProvisionDocker *self; /* good until the call is over */
  ScalingDockerHost *engine;
  ScalingDockerAll *all;         /* borrowed, nullable */
  ScalingDockerOnReply on_reply; /* of the request under way */
  char *id;                      /* owned, nullable */
  guint n_looks, k;
  gboolean was_pulled, was_there;
};

struct _All
{
  ScalingProvisionCall *call; /* a reference */
  guint n_left;
  GPtrArray *instances; /* owned, nullable: of a list */
  GError *error;        /* owned, nullable: the first */
  gboolean was_there;
};

/* scaling_docker_op_end: @error: (transfer full) (nullable); @op is gone */
void scaling_docker_op_end (ScalingDockerOp *op, GError *error);
void scaling_docker_op_fail (ScalingDockerOp *op, ScalingProvisionError code,
                             const char *message);
/* scaling_docker_op_fail_status: a status that the step does not expect */
void scaling_docker_op_fail_status (ScalingDockerOp *op,
                                    const ScalingHttpReply *reply);
/* scaling_docker_op_read_ours: (transfer full) (nullable): what an inspect has
 * answered with 200; NULL: it is not ours, or garbage, and the op is over */
ScalingDockerContainer *
scaling_docker_op_read_ours (ScalingDockerOp *op,
                             const ScalingHttpReply *reply);
/* scaling_docker_op_ask: the path is a printf-like; the version is put before
 * it. Without an answer the op ends.
 * @body: (nullable)
 * @timeout_us: 0: as usual */
void scaling_docker_op_ask (ScalingDockerOp *op, ScalingDockerOnReply on_reply,
                            const char *method, const char *body,
                            gint64 timeout_us, const char *format, ...)
    G_GNUC_PRINTF (6, 7);

/* docker-ensure.c: the steps of an ensure, once the version is known */
void scaling_docker_ensure (ScalingDockerOp *op);
