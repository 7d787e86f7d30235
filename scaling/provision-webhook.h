/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingProvisionWebhook: somebody else makes the instances. Each call is one
 * POST of JSON:
 *   {"action":"ensure","name","tree","token","spec":{"role","ordinal","gen",
 *    "host"?,"args":[…],"env":{…},"labels":{…}}}
 *   {"action":"remove","name","tree","token","host"?,"grace_s"}
 *   {"action":"list","tree"}
 * and is answered with 2xx; a list with {"instances":[{"name","host",
 * "state":"starting"|"running"|"stopping"|"ended","labels":{…},
 * "started":seconds since 1970}]}. Both ensure and remove look at the list
 * first: what is done already is not asked for. 409 to an ensure is success
 * when the list then has the name as ours.
 *   Headers: X-Media-Tree-Timestamp: seconds since 1970;
 * X-Media-Tree-Signature: "sha256=" and the HMAC-SHA256, in hexadecimal, of
 * timestamp, ".", body, under the secret: the receiver refuses what is old or
 * signed wrongly. Idempotency-Key: the same for an action and name until it was
 * answered for good, over retries and calls that had no answer.
 *   No connection, 429 and 5xx are tried again, each time after twice as long
 * with jitter, or after Retry-After, while the call's deadline allows.
 */
#pragma once

#include "scaling/provisioner.h"

#define SCALING_WEBHOOK_MAX_KEYS 1024 /* of calls without an answer for good   \
                                       */
#define SCALING_WEBHOOK_MIN_SECRET_CHARS 16

typedef struct
{
  const char *url;     /* https://, or http:// to this machine */
  const char *secret;  /* 16 characters or more */
  const char *ca_path; /* (nullable): PEM; NULL: the system's */
  /* (nullable) (array zero-terminated=1): of all instances */
  const char *const *args, *const *env;
  gint64 answer_us;  /* for one answer; 0: 10 s */
  gint64 backoff_us; /* the first; 0: 500 ms */
} ScalingWebhookConfig;

/* Returns: (nullable): NULL with @error: a bad URL, a short secret */
ScalingProvisioner *
scaling_provision_webhook_new (const ScalingWebhookConfig *config,
                               GError **error);

/* scaling_webhook_sign: (transfer full): "sha256=…" for other webhooks too */
char *scaling_webhook_sign (const char *secret, gint64 timestamp_s,
                            const char *body);
/* scaling_webhook_read_list: (transfer full) (element-type ScalingInstance)
 * (nullable): pure; NULL with @error (GARBAGE). Names that are none are left
 * out. */
GPtrArray *scaling_webhook_read_list (const char *text, gsize n_bytes,
                                      GError **error);
