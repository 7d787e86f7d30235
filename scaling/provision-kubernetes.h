/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingProvisionKubernetes: instances as Pods of one namespace, made one by
 * one under the instance's name. Not a StatefulSet: that one gives back its
 * highest ordinal and no other, and takes a number where we have names; a
 * Pod's name is unique in its namespace, so that "already exists" (409) is all
 * the locking that is needed. Nothing else makes them again: a Pod that was
 * evicted or has ended is removed and made anew by ensure (the kubelet starts
 * again one that failed; one that ended with 0 was told so).
 *   Deletes carry the Pod's uid: no namesake is hit. remove is done when the
 * API has accepted it: the kubelet keeps the grace, list says STOPPING
 * meanwhile. Names are in annotations (a token is no label's value), the tree
 * is a label too, by which is listed. "host" of a spec is the label
 * kubernetes.io/hostname of a node.
 *   Rights that it needs, of the namespace: pods: get, list, create, delete.
 * The token of a service account is read again each minute, and when it was
 * refused (401).
 */
#pragma once

#include "scaling/provisioner.h"

typedef struct
{
  const char *kubeconfig;     /* (nullable): NULL: the Pod this runs in */
  const char *directory;      /* (nullable): of the service account's files */
  const char *const *environ; /* (nullable): where the Pod's API is said */
  const char *name_space;     /* (nullable): as the access has it */
  const char *image;
  const char *pull_policy;     /* (nullable): "IfNotPresent" */
  const char *service_account; /* (nullable): of the Pods: they may lead */
  const char *secret;          /* (nullable): a Secret whose keys become their
                                * environment: no secret is in a Pod then */
  const char *public_url;      /* (nullable): of all but relays; NULL, and they:
                                * "http://$(POD_IP):7070" */
  gboolean is_host_network;    /* of all but relays */
  const char *cpu_request, *cpu_limit, *memory_request,
      *memory_limit; /* (nullable): "500m", "1Gi" */
  guint grace_s;     /* from SIGTERM to SIGKILL; 0: 630 */
  /* (nullable) (array zero-terminated=1): of all Pods; "key=value"; labels
   * are their annotations */
  const char *const *node_selector, *const *args, *const *env, *const *labels;
  gint64 answer_us; /* for one answer of the API; 0: 10 s */
} ScalingKubernetesConfig;

/* Returns: (nullable): NULL with @error */
ScalingProvisioner *
scaling_provision_kubernetes_new (const ScalingKubernetesConfig *config,
                                  GError **error);
