/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/mtctl: the functions of mtctl.lua, as a library of Redis Functions
 * and as one script for EVAL, from one source that is compiled in.
 * Thread: any.
 */
#pragma once

#include <glib.h>

/* that of mtctl.lua; an older library in the server is replaced */
#define CLUSTER_MTCTL_VERSION 8

/* (transfer full): for FUNCTION LOAD */
char *cluster_mtctl_library (void);
/* (transfer full): for EVAL: ARGV is the function's name and its arguments */
char *cluster_mtctl_script (void);
