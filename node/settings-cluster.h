/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/settings-cluster: checks of the settings by which nodes meet, and what
 * follows from them.
 * Thread: main.
 */
#pragma once

#include "node/settings.h"
#include "rtc/addresses.h"

#define NODE_CLUSTER_SECRET_MIN_CHARS 16
#define NODE_CLUSTER_ADDRESS_OWN "own"

/* part of node_options_new: @self has its roles already */
gboolean node_settings_read_cluster (NodeOptions *self, BaseSettings *settings,
                                     GError **error);

/* node_settings_dup_cluster_address: --cluster-address; else the first
 * --public-address; else, or with "own", the host's first address, IPv4 before
 * IPv6 (the other nodes may lack the latter); else loopback when HTTP is there
 * only.
 * @ret_port: (out): where others send to, before a NAT; 0 = --relay-port
 * Returns: (transfer full) (nullable): an IP literal */
char *node_settings_dup_cluster_address (NodeOptions *self,
                                         BaseSettings *settings,
                                         RtcAddresses *addresses,
                                         guint *ret_port, GError **error);
