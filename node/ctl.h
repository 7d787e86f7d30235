/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl: "media-tree ctl nodes|streams|tree|top|trace|drain": a client of a
 * running node's HTTP API, in a process of its own. Blocks, prints, and is
 * done. Exit codes (sysexits.h): 0 printed; 64 usage; 66 nobody has the
 * session, no such node; 69 not reached (trace: the session is not found, and
 * not all nodes were reached); 74 the output or the terminal fails; 75 drain
 * --wait: it stays, or is there after its deadline; 76 the reply is not
 * understood; 77 the node refuses (token). Thread: main.
 */
#pragma once

#include <glib.h>

/* @argv: what follows "ctl". Returns: the exit code */
int node_ctl_run (char **argv);
