/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For node/provision alone: what its kinds share.
 */
#pragma once

#include "node/provision.h"
#include "node/settings.h"

/* What instances in a container of their own may use. */
typedef struct
{
  gint64 cpu_milli, cpu_reserved_milli; /* thousandths of a processor */
  gint64 memory_bytes, memory_reserved_bytes;
} NodeProvisionLimits;
/* node_provision_read_limits: FALSE: bad */
gboolean node_provision_read_limits (BaseSettings *settings,
                                     NodeProvisionLimits *ret, GError **error);

/* node_provision_check_pairs: each is "key=value" */
gboolean node_provision_check_pairs (BaseSettings *settings, const char *key,
                                     GError **error);
/* node_provision_check_files: what settings name as a file of this node must be
 * in the containers, where they would have it else.
 * @mounts: (array zero-terminated=1): "/path here:/path there"
 * @remedy: what helps, for @error */
gboolean node_provision_check_files (BaseSettings *settings,
                                     const char *const *mounts,
                                     const char *remedy, GError **error);
/* node_provision_dup_env: (transfer full): settings of instances that have a
 * machine, or a network, of their own.
 * @leads: they can start others as this node can */
char **node_provision_dup_env (BaseSettings *settings, gboolean leads,
                               gboolean with_secrets);

/* The kinds. (transfer full) (nullable): NULL with @error */
ScalingProvisioner *node_provision_docker_new (BaseSettings *settings,
                                               GError **error);
ScalingProvisioner *node_provision_kubernetes_new (BaseSettings *settings,
                                                   GError **error);
