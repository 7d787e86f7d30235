/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingAwsCredentials: the usual chain: the environment; a profile of
 * ~/.aws/credentials or ~/.aws/config (AWS_PROFILE,
 * AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE); the container's endpoint
 * (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, _FULL_URI and its authorization
 * token: ECS, EKS Pod Identity); EC2's metadata, version 2
 * (AWS_EC2_METADATA_DISABLED, AWS_EC2_METADATA_SERVICE_ENDPOINT). The first
 * that is there decides: when it is there and broken the next is not asked,
 * since that might be somebody else's identity.
 *   Keys that end are renewed SCALING_AWS_RENEW_US before that; while that
 * fails those that still hold are given.
 * Owner:  the exporter. Thread: main. Nothing blocks but the reading of a
 *         profile's file.
 */
#pragma once

#include "scaling/aws-keys.h"

#define SCALING_AWS_RENEW_US (5 * 60 * G_USEC_PER_SEC)
#define SCALING_AWS_ECS_TIMEOUT_US (2 * G_USEC_PER_SEC)
#define SCALING_AWS_IMDS_TIMEOUT_US (1 * G_USEC_PER_SEC)
#define SCALING_AWS_ANSWER_MAX_BYTES (64 * 1024)

typedef struct _ScalingAwsCredentials ScalingAwsCredentials;

/* @keys: (nullable): borrowed for the call; %NULL with
 * @error: SCALING_EXPORT_ERROR_CREDENTIALS or _AWAY, with what was tried */
typedef void (*ScalingAwsFunc) (const ScalingAwsKeys *keys, const GError *error,
                                gpointer data);

/* @env: as from g_get_environ(); copied
 * @ecs_url: (nullable): what stands for http://169.254.170.2, for tests */
ScalingAwsCredentials *scaling_aws_credentials_new (char **env,
                                                    const char *ecs_url);
/* @func of a request under way is not called any more */
void scaling_aws_credentials_free (ScalingAwsCredentials *self);

/* scaling_aws_credentials_get: one request at a time; @func may be called from
 * in here */
void scaling_aws_credentials_get (ScalingAwsCredentials *self,
                                  ScalingAwsFunc func, gpointer data);
/* scaling_aws_credentials_forget: AWS says that the keys have expired: the
 * next get() asks anew */
void scaling_aws_credentials_forget (ScalingAwsCredentials *self);

/* scaling_aws_credentials_is_container_url: whether the container's keys may be
 * asked for at @url: by HTTPS, on this machine, or at the link-local addresses
 * of ECS and EKS */
gboolean scaling_aws_credentials_is_container_url (const char *url);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingAwsCredentials,
                               scaling_aws_credentials_free)
