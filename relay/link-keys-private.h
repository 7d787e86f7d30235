/* SPDX-License-Identifier: Apache-2.0 */
/* relay/link-keys-private: what link-keys.c and link-media.c share. */
#pragma once

#include "relay/link-keys.h"

#define RELAY_LINK_MAX_INFO_BYTES 128

/* relay_link_keys_expand: HKDF-Expand of the cluster's PRK (RFC 5869 2.3) */
void relay_link_keys_expand (RelayLinkKeys *self, const guint8 *info,
                             gsize info_len, guint8 *ret, gsize len);
