/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the kinds of provisioners alone: what scaling/provisioner does for all
 * (copies of what was asked, one call a name, deadlines, fencing, counting),
 * and what a kind adds.
 */
#pragma once

#include <gio/gio.h>

#include "scaling/provisioner.h"

typedef struct _ScalingProvisionCall ScalingProvisionCall;

typedef enum
{
  SCALING_PROVISION_ENSURE,
  SCALING_PROVISION_REMOVE,
  SCALING_PROVISION_LIST,
  SCALING_PROVISION_N_ACTIONS
} ScalingProvisionAction;

/* A kind's functions get a reference of the call and let it go by finish. The
 * cancellable is cancelled when nobody waits any more. */
typedef struct
{
  const char *kind;
  void (*begin) (ScalingProvisioner *self, ScalingProvisionCall *call);
  void (*describe) (ScalingProvisioner *self, JsonObject *object);
  void (*free) (ScalingProvisioner *self); /* of its own parts */
} ScalingProvisionClass;

/* A kind's struct begins with it. */
struct _ScalingProvisioner
{
  const ScalingProvisionClass *klass;
  GPtrArray *calls; /* (element-type ScalingProvisionCall) that nobody has
                     * answered yet; each a reference */
  ScalingToken highest;
  gint64 deadline_us;
  double cost_per_hour;
  guint64 n_calls[SCALING_PROVISION_N_ACTIONS];
  guint64 n_errors[SCALING_PROVISION_N_ACTIONS][SCALING_PROVISION_N_ERRORS];
};

struct _ScalingProvisionCall
{
  gatomicrefcount ref_count;
  ScalingProvisioner *self; /* borrowed; NULL: answered */
  ScalingProvisionAction action;
  char *name, *tree_id, *host; /* owned, nullable */
  char *role;                  /* owned; ensure alone has these four */
  guint ordinal, gen;
  char **args, **env; /* owned, never NULL */
  char **labels;      /* owned: key, value, …: mt.… too */
  gint64 grace_us;
  gint64 due_us;      /* of the monotonic clock: its deadline */
  ScalingToken token; /* none: a list */
  GCancellable *cancellable;
  guint timer, idle;
  GPtrArray *instances; /* owned, nullable: of a list */
  GError *error;        /* owned, nullable: waits for idle */
  ScalingProvisionDone done;
  ScalingProvisionListed listed;
  gpointer data;
};

void scaling_provisioner_init (ScalingProvisioner *self,
                               const ScalingProvisionClass *klass);

ScalingProvisionCall *scaling_provision_call_ref (ScalingProvisionCall *call);
void scaling_provision_call_unref (ScalingProvisionCall *call);
gboolean scaling_provision_call_is_over (ScalingProvisionCall *call);
/* scaling_provision_call_finish: answers, unless the deadline did, and lets
 * the reference go.
 * @error: (transfer full) (nullable) */
void scaling_provision_call_finish (ScalingProvisionCall *call, GError *error);
/* @instances: (transfer full) (nullable) */
void scaling_provision_call_finish_list (ScalingProvisionCall *call,
                                         GPtrArray *instances, GError *error);
/* scaling_provision_call_extend: one step takes long by its nature */
void scaling_provision_call_extend (ScalingProvisionCall *call, gint64 by_us);
/* (transfer none) (nullable): of call->labels */
const char *scaling_provision_call_get_label (ScalingProvisionCall *call,
                                              const char *key);

/* @retry_us: as get_retry_us; SCALING_RETRY_DEFAULT: by code */
#define SCALING_RETRY_DEFAULT (-2)
GError *scaling_provision_error_new (ScalingProvisionError code,
                                     gint64 retry_us, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* scaling_provision_check_ours: what stands under the call's name: CONFLICT
 * when somebody else's, FENCED when a newer leader's. The higher token is kept.
 * @labels: key, value, … NULL */
gboolean scaling_provision_check_ours (ScalingProvisionCall *call,
                                       const char *const *labels,
                                       GError **error);
/* a token that stands on an instance; (nullable) @text */
void scaling_provisioner_note_token (ScalingProvisioner *self,
                                     const char *text);

/* provision-spec.c: */
gboolean scaling_provision_spec_is_good (const ScalingSpec *spec);
/* (transfer full): key, value, …: ours, then the spec's */
char **scaling_provision_dup_labels (const char *name, const ScalingSpec *spec,
                                     const ScalingToken *token);
/* (transfer none) (nullable): of key, value, … NULL */
const char *scaling_labels_get (const char *const *labels, const char *key);
/* (transfer full): names of a tree that need no quoting: a DNS label of at most
 * 30 characters */
char *scaling_provision_dup_tree_label (const char *tree_id);
/* scaling_provision_place: the index of the place with the highest digest of
 * name and place (rendezvous hashing), so that one that is added or lost moves
 * no other's instances. @n: above 0 */
guint scaling_provision_place (const char *name, const char *const *places,
                               guint n);
