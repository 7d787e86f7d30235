/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_dtls: DTLS of one viewer over its socket, with one certificate for
 * all of the process. Nothing of the server's is verified: whom we measure is
 * known. Thread: any; a connection: one.
 */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

/* Part of the viewer: where it writes to, what is to be read (one datagram). */
typedef struct
{
  int fd;
  const guint8 *in; /* nullable: nothing, or taken */
  gsize in_len;
} BenchWire;

/* sha-256, "AB:CD:…" */
const char *bench_fingerprint (void);
/* bench_dtls_new: (transfer full): @wire outlives it */
SSL *bench_dtls_new (BenchWire *wire, gboolean is_client);
