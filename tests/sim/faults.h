/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/faults: what goes wrong, when, by chance: hosts cut off or one way,
 * servers and processes killed, paused, resigned, clocks that step, links and
 * replicas that are slow, instances that crash. Redis servers and sentinels
 * have one fault at a time, and the next when they have got over it: two
 * failures at once may lose what WAIT had confirmed, with any protocol over
 * one replica's word (CONTROL-PLANE.md A3).
 */
#pragma once

#include "world.h"

/* until then; what is wrong after it is mended at that moment */
void sim_faults_begin (gint64 until_us);
