/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/kubernetes-json: what is said to Kubernetes' API and what it says,
 * as JSON (kubernetes.io/docs/reference/kubernetes-api: Pod v1, Status v1).
 * Pure. Thread: main. Errors: SCALING_PROVISION_ERROR.
 */
#pragma once

#include "scaling/provision-kubernetes.h"
#include "scaling/provisioner-private.h"

typedef struct
{
  char *uid;                 /* owned */
  ScalingInstance *instance; /* owned; its labels are the annotations */
} ScalingKubePod;
void scaling_kube_pod_free (ScalingKubePod *self);

/* (transfer full) (nullable): of GET …/pods/{name} */
ScalingKubePod *scaling_kube_read_pod (const char *text, gsize n_bytes,
                                       GError **error);
/* scaling_kube_read_list: one page: what is ours is put to @instances
 * (element-type ScalingInstance).
 * @ret_continue: (transfer full) (nullable): where the next page begins */
gboolean scaling_kube_read_list (const char *text, gsize n_bytes,
                                 GPtrArray *instances, char **ret_continue,
                                 GError **error);
/* scaling_kube_error: (transfer full): of an answer that is no success: by
 * status, and reason and details of its Status object
 * @retry_us: of Retry-After; -1: not said */
GError *scaling_kube_error (guint status, const char *text, gsize n_bytes,
                            gint64 retry_us);

/* (transfer full): bodies of POST …/pods and DELETE …/pods/{name} */
char *scaling_kube_write_pod (const ScalingKubernetesConfig *config,
                              ScalingProvisionCall *call);
char *scaling_kube_write_delete (const char *uid, gint64 grace_s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingKubePod, scaling_kube_pod_free)
