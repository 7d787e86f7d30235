/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/cgroup: how much memory this process may have, and how often the kernel
 * killed somebody of its control group for it: cgroup v2, or the v1 controller
 * "memory" (Linux: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory).
 * The tightest limit of the group and those above it counts.
 * Thread: any.
 */
#pragma once

#include <glib.h>

typedef struct
{
  guint64 limit_bytes; /* 0 = none */
  guint64 used_bytes;  /* the group's; 0 = not known */
  guint64 n_oom_kills;
} NodeCgroup;

/* node_cgroup_read:
 * @groups: e.g. "/proc/self/cgroup"
 * @root: e.g. "/sys/fs/cgroup"
 * @ret: (out): zeroed where nothing is known */
void node_cgroup_read (const char *groups, const char *root, NodeCgroup *ret);

/* of this process; the machine's memory when no group has less */
guint64 node_cgroup_get_limit_bytes (void);
guint64 node_cgroup_get_n_oom_kills (void);
