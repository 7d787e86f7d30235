/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/av1: puts one temporal unit together from AV1 RTP payloads (AV1 RTP
 * 1.0, section 4), in the low-overhead form with sizes that decoders read:
 * GStreamer 1.22 as Debian 12 has it lacks a depayloader. Hostile bytes.
 * Thread: any; pure.
 */
#pragma once

#include <glib.h>

/* egress_av1_assemble:
 * @payloads: (element-type GBytes): of one temporal unit, in order, none lost
 * Returns: (transfer full) (nullable): %NULL when they are malformed */
GBytes *egress_av1_assemble (GPtrArray *payloads);
