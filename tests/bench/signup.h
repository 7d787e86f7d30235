/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BenchSignup: viewers' way in by HTTP, one request after the other on one
 * connection: WHEP (one POST) or the Janus API (create, attach, watch, the
 * offer by long poll, start with an answer).
 * Owner:  the load. Thread: one, its maker's; it waits.
 */
#pragma once

#include "tests/bench/viewer.h"

typedef struct _BenchSignup BenchSignup;

/* @url: of the WHEP endpoint, or of the Janus API when @mountpoint is not 0 */
BenchSignup *bench_signup_new (const char *url, int mountpoint);
void bench_signup_free (BenchSignup *self);

/* bench_signup_run: afterwards @viewer knows the server's side.
 * Returns: %FALSE with a message on stderr */
gboolean bench_signup_run (BenchSignup *self, BenchViewer *viewer,
                           const char *url);

/* bench_signup_make_offer: (transfer full): of WHEP: H264 is payload type
 * BENCH_VIDEO_PT */
char *bench_signup_make_offer (BenchViewer *viewer);
/* bench_signup_take_remote: credentials, first IPv4 UDP candidate, role of
 * DTLS. @is_offer: the server's side may be actpass: then we are active.
 * Returns: %FALSE with a message on stderr */
gboolean bench_signup_take_remote (BenchViewer *viewer, const char *sdp,
                                   gboolean is_offer);
