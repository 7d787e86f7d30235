/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/provision: sim/engine as a kind of ScalingProvisioner, beside process,
 * Docker and Kubernetes: deadlines, one call a name and tokens are the
 * production code's. For the process that runs when it is made.
 */
#pragma once

#include "scaling/provisioner.h"

ScalingProvisioner *sim_provision_new (void);
