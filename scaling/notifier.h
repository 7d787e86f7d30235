/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingNotifier: tells a webhook what scaling did. Each event is one POST:
 *   {"id","event","tree","node","time":seconds since 1970,"detail":{…}}
 * with the headers of provision-webhook.h: X-Media-Tree-Timestamp and
 * X-Media-Tree-Signature (scaling_webhook_sign()), Idempotency-Key = id. One
 * after the other, in their order; any 2xx takes it.
 *   No connection, 408, 429 and 5xx are tried again, each time after twice as
 * long with jitter, or after Retry-After, SCALING_NOTIFIER_MAX_TRIES times;
 * another answer refuses it, and it is not sent again. When
 * SCALING_NOTIFIER_MAX_QUEUED wait, the oldest that is not on its way is
 * dropped. media_tree_scaling_notifications_total{result} counts.
 *   Nothing of scaling waits for it, and nothing of it outlives the process:
 * the audit in Redis is what is kept.
 * Owner:  node. Thread: main.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "base/metrics.h"

#define SCALING_NOTIFIER_MAX_QUEUED 256
#define SCALING_NOTIFIER_MAX_TRIES 8

typedef struct _ScalingNotifier ScalingNotifier;

typedef struct
{
  const char *url;     /* https://, or http:// to this machine */
  const char *secret;  /* SCALING_WEBHOOK_MIN_SECRET_CHARS or more */
  const char *ca_path; /* (nullable): PEM; NULL: the system's */
  const char *node_id;
  BaseMetrics *metrics; /* (nullable) borrowed */
  gint64 answer_us;     /* for one answer; 0: 10 s */
  gint64 backoff_us;    /* the first; 0: 1 s; a minute at most */
} ScalingNotifierConfig;

typedef enum
{
  SCALING_NOTIFIED,
  SCALING_NOTIFY_RETRIED,
  SCALING_NOTIFY_REFUSED, /* by the receiver */
  SCALING_NOTIFY_FAILED,  /* tried as often as may be */
  SCALING_NOTIFY_DROPPED, /* too many waited */
  SCALING_NOTIFY_N_RESULTS,
} ScalingNotifyResult;

/* Returns: (nullable): SCALING_PROVISION_ERROR: a bad URL, a short secret, an
 * unreadable file */
ScalingNotifier *scaling_notifier_new (const ScalingNotifierConfig *config,
                                       GError **error);
/* what waits is not sent */
void scaling_notifier_free (ScalingNotifier *self);

/* scaling_notifier_send:
 * @self: (nullable): nobody is told
 * @event: as the audit calls it: "desire", "approve"
 * @detail: JSON, as the audit has it; what is none goes as text */
void scaling_notifier_send (ScalingNotifier *self, const char *event,
                            const char *tree_id, const char *detail);

guint64 scaling_notifier_get_n (ScalingNotifier *self,
                                ScalingNotifyResult result);
guint scaling_notifier_get_n_queued (ScalingNotifier *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingNotifier, scaling_notifier_free)
