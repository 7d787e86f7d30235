/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/provision: --provisioner and its settings → the ScalingProvisioner that
 * a node has when it leads. Instances get what is set here, but what belongs to
 * this node or its machine alone: by their environment, secrets too, and never
 * on a command line. Pods take secrets from a Secret, and a webhook is not told
 * them. Instances that cannot start others (they have no socket of Docker, no
 * account, no token) are told not to lead: lead=no.
 * Thread: main.
 */
#pragma once

#include "base/settings.h"
#include "node/parts.h"
#include "scaling/provisioner.h"

void node_settings_add_provision (BaseSettings *settings);
/* node_provision_new: @ret: (out) (transfer full) (nullable): NULL: nobody
 * starts anything
 * Returns: FALSE with NODE_SETTINGS_ERROR or the kind's own; the message begins
 * with the key of the setting */
gboolean node_provision_new (const NodeParts *parts, ScalingProvisioner **ret,
                             GError **error);
