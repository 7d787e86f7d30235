/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-scaling: the verbs of `media-tree ctl` for scaling; each asks
 * /api/autoscaling/ of the node at --url, any node.
 *   status          who leads, whether it acts, how many there are
 *   check           what would be done now, and why
 *   report          status, check, the proposal and the last changes
 *   health          what is wrong, if something is
 *   policies [FILE] shows them, or puts those of FILE in their place
 *   history         what was done
 *   scale-up [N], scale-down [N]
 *                   N egress nodes more or fewer than desired, rounded up to
 *                   whole subtrees; without N one subtree
 *   approve [ID]    says yes to the proposal (--reject: no); without ID to the
 *                   one that waits
 *   reset           a number by hand does not hold any longer
 *   rollback ID     takes the last change back, of subtrees or policies
 *   enable, disable whether what is decided is done
 * Thread: main. Blocks.
 */
#pragma once

#include "node/ctl-http.h"

/* node_ctl_scaling_run: @options->words: the verb and what follows
 * Returns: an exit code (node/ctl.h): 65: the policies are refused; 66: no such
 * proposal; 75: not now: the policy's bounds, nobody leads, or (health)
 * something is wrong */
int node_ctl_scaling_run (const NodeCtlOptions *options);
