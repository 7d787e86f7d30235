/* SPDX-License-Identifier: Apache-2.0 */
/* The store in Redis: not there yet; a URL is refused. */
#include "cluster/store-private.h"

ClusterStore *
cluster_store_new_redis (const char *url, const char *prefix,
                         const char *tree_id, GError **error)
{
  g_set_error (error, CLUSTER_ERROR, CLUSTER_ERROR_URL,
               "this build has no Redis store");
  return NULL;
}
