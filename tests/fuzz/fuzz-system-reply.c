/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes what nodes answer to the metrics role's mode proxy: what is taken has
 * valid names and reads again as what it was written as. */
#include <stdint.h>
#include <string.h>

#include "cluster/encode.h"
#include "scaling/system-reply.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  ClusterNode node = { 0 };
  ClusterLoad load, again;
  g_autofree char *text = NULL;

  if (len > 65536)
    return 0;
  if (!scaling_system_reply_read ((const char *)data, len, &node, &load))
    {
      if (!cluster_name_is_valid (node.node_id)
          || !cluster_name_is_valid (node.tree_id)
          || !cluster_id_is_valid (node.boot_id) || node.roles == 0)
        g_error ("took a node that is none");
      text = cluster_load_to_json (&load, node.boot_id);
      if (!cluster_load_from_json (text, &again)
          || again.n_viewers != load.n_viewers
          || memcmp (again.totals, load.totals, sizeof load.totals) != 0)
        g_error ("does not read what it wrote");
    }
  cluster_node_clear (&node);
  return 0;
}
