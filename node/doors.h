/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/doors: by which clients come in, as the roles and settings want them:
 * WHIP, WHEP, the Janus API, and the gate that counts viewers of all of them.
 * Thread: main.
 */
#pragma once

#include "node/parts.h"

/* makes parts->whip, gate, janus and whep; what they need must be there, the
 * hub and admission last */
void node_doors_open (NodeParts *parts);
