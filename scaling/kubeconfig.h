/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingKubeAccess: where Kubernetes' API is and what opens it: from a
 * kubeconfig file (YAML or JSON; kubernetes.io/docs/reference/config-api/
 * kubeconfig.v1) at its current-context, or from the Pod this runs in.
 *   Taken: server, certificate-authority(-data), client-certificate(-data),
 * client-key(-data), token, tokenFile, namespace. Refused by name, because
 * leaving it out would be another meaning: exec, auth-provider, username,
 * insecure-skip-tls-verify, tls-server-name, proxy-url, impersonation.
 * Thread: main.
 */
#pragma once

#include <gio/gio.h>

#define SCALING_KUBECONFIG_MAX_BYTES (1024 * 1024)
#define SCALING_KUBE_IN_CLUSTER_DIRECTORY                                      \
  "/var/run/secrets/kubernetes.io/serviceaccount"

/* All owned, nullable: unset. Of x and x_path one at most is set. */
typedef struct
{
  char *server; /* URL */
  char *name_space;
  char *ca_pem, *ca_path;
  char *certificate_pem, *certificate_path;
  char *key_pem, *key_path;
  char *token, *token_path; /* a token in a file is read again: it changes */
} ScalingKubeAccess;

typedef enum
{
  SCALING_KUBECONFIG_ERROR_FILE,    /* cannot be read */
  SCALING_KUBECONFIG_ERROR_SYNTAX,  /* no YAML, or too large */
  SCALING_KUBECONFIG_ERROR_MISSING, /* a part that must be there is not */
  SCALING_KUBECONFIG_ERROR_UNSUPPORTED,
} ScalingKubeconfigError;
#define SCALING_KUBECONFIG_ERROR (scaling_kubeconfig_error_quark ())
GQuark scaling_kubeconfig_error_quark (void);

/* scaling_kube_access_parse: pure.
 * @directory: of the file: relative paths begin there
 * Returns: (transfer full) (nullable): NULL with @error, which has no secret */
ScalingKubeAccess *scaling_kube_access_parse (const char *text, gsize n_bytes,
                                              const char *directory,
                                              GError **error);
ScalingKubeAccess *scaling_kube_access_load (const char *path, GError **error);
/* scaling_kube_access_in_cluster: by KUBERNETES_SERVICE_HOST and _PORT of @env,
 * and the files of the service account in @directory */
ScalingKubeAccess *scaling_kube_access_in_cluster (const char *const *env,
                                                   const char *directory,
                                                   GError **error);
void scaling_kube_access_free (ScalingKubeAccess *self);

/* (transfer full) (nullable): NULL without @error: there is none */
GTlsDatabase *scaling_kube_access_open_ca (const ScalingKubeAccess *self,
                                           GError **error);
GTlsCertificate *
scaling_kube_access_open_certificate (const ScalingKubeAccess *self,
                                      GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingKubeAccess, scaling_kube_access_free)
