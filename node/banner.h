/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/banner: what the program says on standard output when it has started:
 * addresses, and in words who is served.
 * Thread: main.
 */
#pragma once

#include "node/parts.h"

/* @url: of our HTTP */
void node_banner_print (const NodeParts *parts, const char *url);
