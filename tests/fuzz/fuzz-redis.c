/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what a hostile store says: bytes → replies → nodes and streams. What
 * comes out must be what the types promise.
 */
#include <stdint.h>
#include <string.h>

#include "cluster/ledger-read.h"
#include "cluster/redis-reply.h"
#include "cluster/steering.h"
#include "cluster/store-read.h"

#define MAX_BYTES 65536
#define MAX_ITEMS 4096

static void
check_peers (const ClusterReply *reply)
{
  g_autoptr (GError) error = NULL;
  guint n_bad = 0;
  g_autoptr (GPtrArray) peers =
      cluster_read_peers (reply, "main", &n_bad, &error);

  if ((peers == NULL) == (error == NULL))
    g_error ("neither nodes nor an error");
  for (guint i = 0; peers != NULL && i < peers->len; i++)
    {
      const ClusterPeer *peer = peers->pdata[i];
      if (!cluster_name_is_valid (peer->node.node_id)
          || !cluster_id_is_valid (peer->node.boot_id)
          || strpbrk (peer->node.url, "\r\n \"<") != NULL
          || peer->load.n_links > CLUSTER_MAX_LINKS
          || peer->load.n_carried > CLUSTER_MAX_CARRIED)
        g_error ("a bad node came through");
    }
}

static void
check_streams (const ClusterReply *reply)
{
  g_autoptr (GError) error = NULL;
  guint n_bad = 0;
  g_autoptr (GPtrArray) streams = cluster_read_streams (reply, &n_bad, &error);

  if ((streams == NULL) == (error == NULL))
    g_error ("neither streams nor an error");
  for (guint i = 0; streams != NULL && i < streams->len; i++)
    {
      const ClusterStream *stream = streams->pdata[i];
      if (!cluster_stream_name_is_valid (stream->name)
          || !cluster_id_is_valid (stream->publication)
          || stream->epoch > CLUSTER_EPOCH_MAX
          || strlen (stream->info) > CLUSTER_INFO_MAX_BYTES)
        g_error ("a bad stream came through");
    }
}

static void
check_steering (const ClusterReply *reply)
{
  g_autoptr (GError) error = NULL;
  g_auto (ClusterSteering) steering = { 0 };

  if (cluster_read_steering (reply, &steering, &error) == (error != NULL))
    g_error ("neither what steers nor an error");
  if (steering.n_pin > CLUSTER_MAX_SUBTREES
      || steering.proposal.n_after > CLUSTER_MAX_SUBTREES
      || (steering.proposal.state != CLUSTER_PROPOSAL_NONE
          && !cluster_entry_is_valid (steering.proposal.id)))
    g_error ("bad steering came through");
}

static void
check_mountpoints (const ClusterReply *reply)
{
  guint n_bad = 0;
  g_autoptr (GPtrArray) rows = cluster_read_mountpoints (reply, &n_bad, NULL);

  for (guint i = 0; rows != NULL && i < rows->len; i++)
    {
      const ClusterMountpoint *row = rows->pdata[i];
      if (!cluster_stream_name_is_valid (row->id)
          || strlen (row->text) > CLUSTER_MAX_MOUNTPOINT_BYTES)
        g_error ("a bad mountpoint came through");
    }
}

static void
check_scaling (const ClusterReply *reply)
{
  ClusterScaling scaling = { 0 };
  g_auto (GStrv) trees = cluster_read_trees (reply, NULL);

  for (guint i = 0; trees != NULL && trees[i] != NULL; i++)
    if (!cluster_name_is_valid (trees[i]) || i >= CLUSTER_MAX_TREES)
      g_error ("a bad tree came through");
  if (!cluster_read_scaling (reply, &scaling, NULL))
    return;
  if (scaling.policy.min > scaling.policy.max
      || scaling.n_desired > CLUSTER_MAX_SUBTREES
      || (scaling.leader != NULL && !cluster_name_is_valid (scaling.leader))
      || (scaling.reason != NULL
          && strlen (scaling.reason) > CLUSTER_REASON_MAX_BYTES))
    g_error ("what makes no sense came through");
  cluster_scaling_clear (&scaling);
}

static void
check_leader_rows (const ClusterReply *reply)
{
  guint n_bad = 0;
  g_autoptr (GPtrArray) beats =
      cluster_read_beats (reply, "main", &n_bad, NULL);
  g_autoptr (GPtrArray) rows = cluster_read_history (reply, &n_bad, NULL);

  for (guint i = 0; beats != NULL && i < beats->len; i++)
    {
      const ClusterBeat *beat = beats->pdata[i];
      if (!cluster_name_is_valid (beat->node.node_id)
          || beat->age_ms > CLUSTER_HEARTBEAT_MS)
        g_error ("a bad heartbeat came through");
    }
  for (guint i = 0; rows != NULL && i < rows->len; i++)
    {
      const ClusterAudit *row = rows->pdata[i];
      if (strlen (row->text) > CLUSTER_AUDIT_MAX_BYTES
          || !g_utf8_validate (row->by, -1, NULL))
        g_error ("a bad entry came through");
    }
}

static void
check_slots (const ClusterReply *reply)
{
  guint n_bad = 0;
  g_autoptr (GArray) slots = cluster_read_slots (reply, &n_bad, NULL);

  for (guint i = 0; slots != NULL && i < slots->len; i++)
    {
      const ClusterSlot *slot = &g_array_index (slots, ClusterSlot, i);

      if (slot->ordinal >= CLUSTER_MAX_SUBTREES || slot->gen == 0
          || slot->state <= CLUSTER_SLOT_NONE || slot->state >= CLUSTER_SLOT_N
          || (i > 0 && slot[-1].ordinal >= slot->ordinal))
        g_error ("a bad slot came through");
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autoptr (ClusterReader) reader = cluster_reader_new (MAX_BYTES, MAX_ITEMS);
  ClusterReply *reply = NULL;

  if (!cluster_reader_feed (reader, data, len, NULL))
    return 0;
  while (cluster_reader_next (reader, &reply, NULL) && reply != NULL)
    {
      ClusterStream *current = NULL;
      check_peers (reply);
      check_streams (reply);
      check_mountpoints (reply);
      check_scaling (reply);
      check_steering (reply);
      check_leader_rows (reply);
      check_slots (reply);
      cluster_read_status (reply, NULL, NULL);
      cluster_read_claim (reply, "live", &current, NULL);
      g_clear_pointer (&current, cluster_stream_free);
      g_clear_pointer (&reply, cluster_reply_free);
    }
  return 0;
}
