/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingHttp: requests to one server that runs or makes instances: Docker's
 * Engine (on a unix socket too), Kubernetes' API, a webhook. One request, one
 * answer; no redirects, no proxy, no cookies; a body of at most
 * SCALING_HTTP_MAX_BYTES and a time limit for all of it.
 *   Errors are SCALING_PROVISION_ERROR: AWAY (no connection, broken off),
 * TIMEOUT, AUTH (its certificate), GARBAGE (too large), CANCELLED.
 * Owner:  a provisioner. Thread: main. A request goes on when this is freed;
 * cancel it.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#define SCALING_HTTP_MAX_BYTES (8 * 1024 * 1024)
#define SCALING_HTTP_SOCKET_MAX_BYTES 108 /* of a path; unix(7) */

typedef struct _ScalingHttp ScalingHttp;

typedef struct
{
  guint status;
  const char *text; /* NUL-terminated */
  gsize n_bytes;
  gint64 retry_after_us; /* -1: not said; an hour at most */
} ScalingHttpReply;

/* one of both is NULL; borrowed */
typedef void (*ScalingHttpDone) (const ScalingHttpReply *reply,
                                 const GError *error, gpointer data);

typedef struct
{
  const char *url;     /* "https://host:port" */
  const char *socket;  /* (nullable): path of a unix socket to use instead */
  const char *ca_path; /* (nullable): PEM file of who may sign its certificate;
                        * NULL: the system's */
  GTlsDatabase *ca;    /* (nullable) (transfer none): instead of ca_path */
  GTlsCertificate *certificate; /* (nullable) (transfer none): ours */
} ScalingHttpConfig;

/* Returns: (nullable): NULL with @error: a bad URL, an unreadable file, or
 * secrets would go over a network without TLS */
ScalingHttp *scaling_http_new (const ScalingHttpConfig *config, GError **error);
void scaling_http_free (ScalingHttp *self);

/* scaling_http_send:
 * @path: with its query, escaped
 * @headers: (nullable): name, value, … NULL
 * @body: (nullable): JSON */
void scaling_http_send (ScalingHttp *self, const char *method, const char *path,
                        const char *const *headers, const char *body,
                        gint64 timeout_us, GCancellable *cancellable,
                        ScalingHttpDone done, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingHttp, scaling_http_free)
