/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingCurl: POSTs that libcurl signs for AWS (Signature Version 4), on
 * GLib's main loop: libcurl's multi interface says which sockets and what time
 * to wait for. Names are resolved in threads of libcurl's own.
 * Owner:  the exporter. Thread: main. Nothing blocks.
 */
#pragma once

#include "scaling/aws-keys.h"

#define SCALING_CURL_ANSWER_MAX_BYTES (64 * 1024)

typedef struct _ScalingCurl ScalingCurl;

typedef struct
{
  const char *url;
  const char *region, *service; /* what the signature is for */
  const ScalingAwsKeys *keys;
  const char *content_type;
  GBytes *body;
  gboolean is_gzip; /* @body is; said in Content-Encoding */
  gint64 timeout_us;
} ScalingCurlRequest;

/* @status: 0 with @error
 * @body: (nullable): NUL-terminated behind its end
 * @error: SCALING_EXPORT_ERROR_AWAY: no whole answer; _CONFIG: no URL */
typedef void (*ScalingCurlFunc) (guint status, GByteArray *body,
                                 const GError *error, gpointer data);

ScalingCurl *scaling_curl_new (void);
/* functions of requests under way are not called any more */
void scaling_curl_free (ScalingCurl *self);

/* scaling_curl_post: @request is read before it returns; @func is called once,
 * never from in here */
void scaling_curl_post (ScalingCurl *self, const ScalingCurlRequest *request,
                        ScalingCurlFunc func, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingCurl, scaling_curl_free)
