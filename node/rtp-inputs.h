/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/rtp-inputs: reads --rtp-input. A list of
 *   NAME:video=CODEC/PT@[ADDRESS:]PORT,audio=CODEC/PT@[ADDRESS:]PORT
 * where each NAME: begins a stream of one or two tracks, in either order.
 * ADDRESS is an IP of this host, 127.0.0.1 when left out ([::1] for IPv6).
 * RTCP is taken at PORT + 1 too, where that is nobody's own port.
 * Thread: main.
 */
#pragma once

#include "whip/rtp-input.h"

#define NODE_MAX_RTP_INPUTS 256

/* node_rtp_inputs_parse: @items: (array zero-terminated=1): split at commas
 * Returns: (transfer full) (element-type WhipRtpConfig) (nullable): maybe
 * empty; NULL with NODE_SETTINGS_ERROR_BAD */
GPtrArray *node_rtp_inputs_parse (const char *const *items, GError **error);
