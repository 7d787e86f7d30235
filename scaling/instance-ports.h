/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/instance-ports: ports of instance k of a host, as DESIGN.md fixes
 * them ("many nodes on one host"): HTTP 7070+k, relay 7100+k, RTC 7200+32k with
 * one worker, pool 10000+500k.
 */
#pragma once

#define SCALING_PORTS_HTTP 7070
#define SCALING_PORTS_RELAY 7100
#define SCALING_PORTS_RTC 7200
#define SCALING_PORTS_RTC_STRIDE 32
#define SCALING_PORTS_POOL 10000
#define SCALING_PORTS_POOL_STRIDE 500
/* of instances beside number 0; with more HTTP would meet relay ports */
#define SCALING_PORTS_MAX_INSTANCES 29

#define SCALING_LABEL_K "mt.k"
