/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingAwsKeys: what signs requests to AWS, and the forms in which it comes:
 * the environment, a profile's file, the JSON of ECS and of EC2's metadata.
 * All are read as a stranger's: what would break a header is refused. Messages
 * name the place and never show a value.
 * Source: AWS SDKs and Tools Reference Guide, "Standardized credential
 * providers"; Amazon ECS Developer Guide, "Task IAM role"; EC2 User Guide,
 * "Retrieve security credentials from instance metadata".
 * Owner:  who read it. Thread: any.
 */
#pragma once

#include "scaling/export-error.h"

#define SCALING_AWS_KEY_MAX_CHARS 256
#define SCALING_AWS_TOKEN_MAX_CHARS 16384
#define SCALING_AWS_FILE_MAX_BYTES (256 * 1024)

typedef struct
{
  char *access_key;       /* owned */
  char *secret_key;       /* owned; wiped when freed */
  char *session_token;    /* owned, nullable; wiped too */
  gint64 expires_wall_us; /* since 1970; G_MAXINT64: never */
} ScalingAwsKeys;

void scaling_aws_keys_free (ScalingAwsKeys *self);

/* All return (transfer full) (nullable). %NULL without @error set: there is
 * nothing of that kind; with it (CREDENTIALS): there is, but it is of no use */
ScalingAwsKeys *scaling_aws_keys_from_env (char **env, GError **error);
/* scaling_aws_keys_from_profile: the section [@profile] of @text
 * @is_config: it is ~/.aws/config, where sections are "profile NAME", but for
 *   "default" */
ScalingAwsKeys *scaling_aws_keys_from_profile (const char *text, gsize n_bytes,
                                               const char *profile,
                                               gboolean is_config,
                                               GError **error);
/* scaling_aws_keys_from_json: never %NULL without @error */
ScalingAwsKeys *scaling_aws_keys_from_json (const char *text, gsize n_bytes,
                                            GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingAwsKeys, scaling_aws_keys_free)
