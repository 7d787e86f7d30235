/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingProvisioner: makes instances (nodes of a tree) and takes them away:
 * as processes of this machine, Docker containers, Kubernetes Pods, or by
 * somebody else's webhook. All idempotent by name: what is there already is
 * success, what is gone already too, so that the leader recomputes from the
 * desired level and never remembers what it asked for (CONTROL-PLANE.md A4).
 *   A name that somebody else has is CONFLICT: an instance is ours when its
 * label mt.name is its name and mt.tree its tree. An answer that did not come
 * in time (TIMEOUT) may still have worked: ensure looks before it creates.
 *   Each call carries the leader's fencing token. One older than the highest
 * that was seen here, or on the instance in question, is FENCED.
 * Owner:  node. Thread: main. Calls are answered once, always after they have
 * returned; free answers the rest with CANCELLED.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "scaling/token.h"

#define SCALING_PROVISION_MAX_CALLS 256      /* at the same time; more: LIMIT */
#define SCALING_PROVISION_MAX_INSTANCES 4096 /* of a list */
#define SCALING_PROVISION_NAME_MAX_CHARS 63  /* a DNS label */
#define SCALING_PROVISION_MAX_LABELS 32
#define SCALING_PROVISION_MAX_ITEMS 128 /* args, env: each */
#define SCALING_PROVISION_ITEM_MAX_BYTES 4096
#define SCALING_PROVISION_DEADLINE_US (30 * G_USEC_PER_SEC)

/* What an instance has; put there by ensure. */
#define SCALING_LABEL_NAME "mt.name"
#define SCALING_LABEL_TREE "mt.tree"
#define SCALING_LABEL_TOKEN "mt.token"
#define SCALING_LABEL_ROLE "mt.role"
#define SCALING_LABEL_ORDINAL "mt.ordinal"
#define SCALING_LABEL_GEN "mt.gen"

typedef enum
{
  SCALING_PROVISION_ERROR_REFUSED,  /* it will never do this as it was asked */
  SCALING_PROVISION_ERROR_LIMIT,    /* no room: a quota, a rate, a limit */
  SCALING_PROVISION_ERROR_AWAY,     /* not to be reached, or broken for now */
  SCALING_PROVISION_ERROR_TIMEOUT,  /* no answer yet; it may have happened */
  SCALING_PROVISION_ERROR_CONFLICT, /* somebody else has the name */
  SCALING_PROVISION_ERROR_AUTH,     /* our credentials do not do */
  SCALING_PROVISION_ERROR_FENCED,   /* a newer leader has been here */
  SCALING_PROVISION_ERROR_BUSY,     /* this name is being worked on */
  SCALING_PROVISION_ERROR_GARBAGE,  /* it does not speak its protocol */
  SCALING_PROVISION_ERROR_CANCELLED,
  SCALING_PROVISION_N_ERRORS
} ScalingProvisionError;
#define SCALING_PROVISION_ERROR (scaling_provision_error_quark ())
GQuark scaling_provision_error_quark (void);
/* "refused", …: for metrics and audit; "other" for foreign errors */
const char *scaling_provision_error_get_name (const GError *error);
/* scaling_provision_error_get_retry_us: -1: not without a change by somebody;
 * else wait so long at least (the runtime's own Retry-After where it gave one;
 * the caller adds its backoff) */
gint64 scaling_provision_error_get_retry_us (const GError *error);

/* What an instance shall be. Borrowed for the call. */
typedef struct
{
  const char *role; /* as of --role */
  const char *tree_id;
  guint ordinal, gen; /* of its subtree */
  const char *host;   /* (nullable): where; NULL: found by its name, the same
                       * place each time */
  /* (nullable) (array zero-terminated=1): settings "--key=value" beside role,
   * tree and name; no secrets: arguments can be read by others */
  const char *const *args;
  /* (nullable) (array zero-terminated=1): "NAME=value": secrets go here */
  const char *const *env;
  /* (nullable) (array zero-terminated=1): "key=value" beside mt.… */
  const char *const *labels;
} ScalingSpec;

typedef enum
{
  SCALING_INSTANCE_STARTING,
  SCALING_INSTANCE_RUNNING,
  SCALING_INSTANCE_STOPPING,
  SCALING_INSTANCE_ENDED, /* there by name only; ensure starts it again */
} ScalingInstanceState;
/* "starting", … */
const char *scaling_instance_state_get_name (ScalingInstanceState state);

typedef struct
{
  char *name, *host; /* owned */
  ScalingInstanceState state;
  char **labels;          /* owned: key, value, key, value, … NULL */
  gint64 started_wall_us; /* 0: not known */
} ScalingInstance;
void scaling_instance_free (ScalingInstance *self);
/* (transfer none) (nullable) */
const char *scaling_instance_get_label (const ScalingInstance *self,
                                        const char *key);

typedef struct _ScalingProvisioner ScalingProvisioner;

/* @error: (nullable): NULL: it is done. It must not free the provisioner. */
typedef void (*ScalingProvisionDone) (const GError *error, gpointer data);
/* @instances: (nullable) (element-type ScalingInstance) borrowed.
 * Both: what could be seen. A host that is away is not in it: nobody is to be
 * taken for gone then. */
typedef void (*ScalingProvisionListed) (GPtrArray *instances,
                                        const GError *error, gpointer data);

/* scaling_provision_dup_name: (transfer full): the name of a member of a
 * subtree, "mt-{tree}-s{ordinal}-g{gen}-{member}"; a DNS label, the same on
 * every node. Trees whose names are none, or long, are known by a part and a
 * digest.
 * @member: a short [a-z0-9] word: "r" the relay, "e0"… */
char *scaling_provision_dup_name (const char *tree_id, guint ordinal, guint gen,
                                  const char *member);
/* scaling_provision_parse_name: the way back; FALSE: it is none of this tree's
 * @ret_member: (out) (transfer none): of @name */
gboolean scaling_provision_parse_name (const char *tree_id, const char *name,
                                       guint *ret_ordinal, guint *ret_gen,
                                       const char **ret_member);
gboolean scaling_provision_name_is_valid (const char *name);

/* scaling_provisioner_ensure: an instance of that name exists and runs */
void scaling_provisioner_ensure (ScalingProvisioner *self, const char *name,
                                 const ScalingSpec *spec,
                                 const ScalingToken *token,
                                 ScalingProvisionDone done, gpointer data);
/* scaling_provisioner_remove: asked to end (SIGTERM), after the grace made to,
 * then forgotten.
 * @host: (nullable): where; NULL: wherever it is */
void scaling_provisioner_remove (ScalingProvisioner *self, const char *name,
                                 const char *tree_id, const char *host,
                                 gint64 grace_us, const ScalingToken *token,
                                 ScalingProvisionDone done, gpointer data);
/* scaling_provisioner_list: all of a tree, by any leader */
void scaling_provisioner_list (ScalingProvisioner *self, const char *tree_id,
                               ScalingProvisionListed done, gpointer data);

/* "process", "docker", "kubernetes", "webhook" */
const char *scaling_provisioner_get_kind (ScalingProvisioner *self);
/* what one instance costs an hour, in whatever the operator counts; 0: not
 * said */
double scaling_provisioner_get_cost_per_hour (ScalingProvisioner *self);
void scaling_provisioner_set_cost_per_hour (ScalingProvisioner *self,
                                            double cost);
/* of each call; remove has its grace beside it */
void scaling_provisioner_set_deadline_us (ScalingProvisioner *self,
                                          gint64 deadline_us);
/* (transfer full): calls by outcome, the token, the runtime's own; no secrets
 */
JsonNode *scaling_provisioner_describe (ScalingProvisioner *self);
void scaling_provisioner_free (ScalingProvisioner *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingInstance, scaling_instance_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingProvisioner, scaling_provisioner_free)
