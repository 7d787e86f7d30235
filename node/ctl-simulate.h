/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-simulate: "media-tree ctl simulate": what the decisions would have
 * done with a curve of viewers; scaling/simulate is the model. Reads files,
 * asks no node.
 * Exit codes (sysexits.h): 0 printed; 64 usage; 65 the trace or the policy is
 * bad (which line, which path); 66 a file cannot be read; 73 --out cannot be
 * written.
 * Thread: main.
 */
#pragma once

/* @argv: what follows "simulate". Returns: the exit code */
int node_ctl_simulate_run (char **argv);
