/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-simulate: "media-tree ctl simulate": what the decisions would have
 * done with a curve of viewers; scaling/simulate is the model. Reads files,
 * asks no node.
 * Exit codes (sysexits.h): 0 printed; 1 what was recorded is decided otherwise
 * now; 64 usage; 65 a file's content is bad (which line, path or row); 66 it
 * cannot be read; 73 it cannot be written.
 * Thread: main.
 */
#pragma once

/* @argv: what follows "simulate". Returns: the exit code */
int node_ctl_simulate_run (char **argv);
