/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingSubtreesLines: how ScalingSubtreesDriver reaches the real store and
 * real nodes: the ledger's calls, and POST /api/drain with the admin's token at
 * the URL that a node beats with. Such URLs are the store's word: others than
 * http and https with a host alone are refused, no redirect is followed.
 * Bounds: the driver has SCALING_MAX_PENDING orders of a tree under way; time
 * and bytes of an answer below.
 * Owner:  node. Thread: main. Its ledger may go first; what is asked of nodes
 * is dropped when it is freed, without an answer.
 */
#pragma once

#include "scaling/subtrees-driver.h"

#define SCALING_LINES_DRAIN_TIMEOUT_US (3 * G_USEC_PER_SEC)
#define SCALING_LINES_DRAIN_MAX_BYTES 4096

typedef struct _ScalingSubtreesLines ScalingSubtreesLines;

/* @ledger: borrowed
 * @admin_token: (nullable): of the nodes; NULL: they let this machine in */
ScalingSubtreesLines *scaling_subtrees_lines_new (ClusterLedger *ledger,
                                                  const char *admin_token);
void scaling_subtrees_lines_free (ScalingSubtreesLines *self);
/* for a driver's config, with @self as its data */
extern const ScalingSubtreesWire scaling_subtrees_lines_wire;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingSubtreesLines,
                               scaling_subtrees_lines_free)
