/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingFetch: one HTTP request of ours, with an end in time and a bound of
 * what may come back. Redirects are answers like others.
 * Owner:  itself: it is gone when its function was called, or when it was
 *         cancelled. Thread: main. Nothing blocks.
 */
#pragma once

#include <libsoup/soup.h>

typedef enum
{
  SCALING_FETCH_ERROR_AWAY, /* no connection, or an answer that ends early */
  SCALING_FETCH_ERROR_LATE, /* no whole answer in time */
  SCALING_FETCH_ERROR_TLS,  /* its certificate */
  SCALING_FETCH_ERROR_TOO_LARGE,
  SCALING_FETCH_ERROR_ABORTED, /* by scaling_fetch_abort() */
} ScalingFetchError;
#define SCALING_FETCH_ERROR (scaling_fetch_error_quark ())
GQuark scaling_fetch_error_quark (void);

typedef struct _ScalingFetch ScalingFetch;

/* @status: 0 with @error; else the answer's, whichever it is
 * @body: (nullable): %NULL with @error; NUL-terminated behind its end; cut at
 *   the bound when @status is no success
 * @error: (nullable): SCALING_FETCH_ERROR; says whom, without secrets */
typedef void (*ScalingFetchFunc) (guint status, GByteArray *body,
                                  const GError *error, gpointer data);

/* scaling_fetch_start: @func is called once, never from in here.
 * @msg: (transfer full)
 * @timeout_us: until the whole answer is there
 * Returns: (transfer none): for scaling_fetch_cancel() until then */
ScalingFetch *scaling_fetch_start (SoupSession *session, SoupMessage *msg,
                                   gint64 timeout_us, gsize max_bytes,
                                   ScalingFetchFunc func, gpointer data);
/* scaling_fetch_cancel: @func is not called any more */
void scaling_fetch_cancel (ScalingFetch *self);
/* scaling_fetch_abort: @func hears of it, not from in here */
void scaling_fetch_abort (ScalingFetch *self);

/* scaling_fetch_new_session: (transfer full): without redirects, cookies and
 * decoders; @use_proxy: %FALSE for what is on this machine or its link only */
SoupSession *scaling_fetch_new_session (gboolean use_proxy);
