/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingProxy: asks nodes for their /monitoring/system, every interval, each
 * at most once at a time. A node that hangs is given up after the timeout, an
 * answer that is too long is not read to its end, no redirect is followed (the
 * header is for these nodes only). What goes wrong has a name, is counted and
 * kept; the others are asked all the same.
 * Owner:  the metrics role. Thread: main; nothing blocks.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "base/metrics.h"
#include "cluster/types.h"

#define SCALING_PROXY_MAX_TARGETS 256
#define SCALING_PROXY_MAX_BYTES (1024 * 1024) /* of one answer */

typedef enum
{
  SCALING_PROXY_OK,
  SCALING_PROXY_CONNECT, /* nobody there, or the connection broke */
  SCALING_PROXY_TIMEOUT,
  SCALING_PROXY_STATUS,    /* not 200; 401: the header is wrong */
  SCALING_PROXY_TOO_LARGE, /* more than SCALING_PROXY_MAX_BYTES */
  SCALING_PROXY_GARBAGE,   /* no /monitoring/system */
  SCALING_PROXY_N_RESULTS
} ScalingProxyResult;

/* "ok", "connect", "timeout", "status", "too-large", "garbage" */
const char *scaling_proxy_result_get_name (ScalingProxyResult result);

typedef struct
{
  const char *const *urls[2]; /* two lists, each NULL-terminated, nullable;
                               * valid ones */
  const char *header_name;    /* (nullable) */
  const char *header_value;   /* (nullable): none is sent */
  gint64 interval_us, timeout_us;
  BaseMetrics *metrics; /* (nullable): borrowed */
  /* a node has answered; borrowed during the call */
  void (*on_report) (const ClusterNode *node, const ClusterLoad *load,
                     gpointer data);
  gpointer data;
} ScalingProxyConfig;

typedef struct _ScalingProxy ScalingProxy;

/* http or https, a host, no user, query or fragment */
gboolean scaling_proxy_url_is_valid (const char *url);

/* at most SCALING_PROXY_MAX_TARGETS; more are left out. Asks at once */
ScalingProxy *scaling_proxy_new (const ScalingProxyConfig *config);
/* gives up what is under way; no callback comes any more */
void scaling_proxy_free (ScalingProxy *self);

/* those that answered well the last time they were asked */
guint scaling_proxy_get_n_well (ScalingProxy *self);
/* (transfer full): [{"url", "node", "result", "error", "age_s"}] */
JsonNode *scaling_proxy_describe (ScalingProxy *self, gint64 now_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingProxy, scaling_proxy_free)
