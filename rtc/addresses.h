/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcAddresses: the host candidates this node advertises: --public-address
 * when given, else the host's own global and private addresses; loopback only
 * for a client that itself came over loopback (or when there is nothing else).
 * Owner:  node. Thread: main. Interfaces are read once at new().
 */
#pragma once

#include "rtc/sdp.h"

typedef struct _RtcAddresses RtcAddresses;
/* @public_addresses: (nullable) (array zero-terminated=1): IP literals */
RtcAddresses *rtc_addresses_new (const char *const *public_addresses,
                                 GError **error);
void rtc_addresses_free (RtcAddresses *self);
/* appends UDP candidates, then (with_tcp) TCP passive ones, all on @port */
void rtc_addresses_add_candidates (RtcAddresses *self, RtcSdp *sdp, guint port,
                                   gboolean peer_is_loopback,
                                   gboolean with_tcp);
/* (transfer none) (element-type utf8): what is advertised, best first; empty
 * when the host has nothing but loopback */
GPtrArray *rtc_addresses_get_advertised (RtcAddresses *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcAddresses, rtc_addresses_free)
