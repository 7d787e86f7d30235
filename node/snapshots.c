/* SPDX-License-Identifier: Apache-2.0 */
/* node/snapshots: see snapshots.h. */
#include "node/snapshots.h"

#include "base/http.h"
#include "node/cluster.h"

typedef struct
{
  EgressSnapshot *snapshot; /* borrowed from NodeParts */
  SoupServerMessage *msg;   /* owned */
  gboolean is_gone;         /* the client has left */
} SnapshotRequest;

static void
on_snapshot_client_gone (SoupServerMessage *msg, gpointer data)
{
  SnapshotRequest *request = data;

  request->is_gone = TRUE;
}

static void
answer_snapshot_error (SoupServerMessage *msg, const GError *error)
{
  guint status = SOUP_STATUS_SERVICE_UNAVAILABLE;
  const char *code = "snapshot-failed";

  if (g_error_matches (error, EGRESS_SNAPSHOT_ERROR,
                       EGRESS_SNAPSHOT_ERROR_NO_VIDEO))
    {
      status = SOUP_STATUS_NOT_FOUND;
      code = "snapshot-no-video";
    }
  else if (g_error_matches (error, EGRESS_SNAPSHOT_ERROR,
                            EGRESS_SNAPSHOT_ERROR_NO_KEYFRAME))
    code = "snapshot-no-keyframe";
  else if (g_error_matches (error, EGRESS_SNAPSHOT_ERROR,
                            EGRESS_SNAPSHOT_ERROR_BUSY))
    code = "snapshot-busy";
  base_http_problem (msg, status, code, "%s", error->message);
  if (status == SOUP_STATUS_SERVICE_UNAVAILABLE)
    base_http_retry_after (msg, 2);
}

static void
on_snapshot (GObject *source, GAsyncResult *result, gpointer data)
{
  SnapshotRequest *request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) jpeg =
      egress_snapshot_take_finish (request->snapshot, result, &error);

  g_signal_handlers_disconnect_by_data (request->msg, request);
  if (!request->is_gone)
    {
      if (jpeg)
        {
          SoupMessageHeaders *headers =
              soup_server_message_get_response_headers (request->msg);
          gsize n_bytes;
          const char *bytes = g_bytes_get_data (jpeg, &n_bytes);

          soup_message_headers_replace (headers, "Cache-Control",
                                        "private, max-age=5");
          soup_server_message_set_status (request->msg, SOUP_STATUS_OK, NULL);
          soup_server_message_set_response (request->msg, "image/jpeg",
                                            SOUP_MEMORY_COPY, bytes, n_bytes);
        }
      else
        answer_snapshot_error (request->msg, error);
      soup_server_message_unpause (request->msg);
    }
  g_object_unref (request->msg);
  g_free (request);
}

void
node_snapshots_handle (const NodeParts *parts, SoupServerMessage *msg,
                       const char *name)
{
  RelayStream *stream = node_cluster_want_stream (parts->cluster, name, NULL);
  SnapshotRequest *request;

  if (!stream) /* whose publisher is away still has a picture */
    stream = relay_hub_lookup (parts->hub, name);
  if (!stream)
    {
      base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "stream-not-found",
                         "There is no stream \"%s\" here.", name);
      return;
    }
  request = g_new0 (SnapshotRequest, 1);
  request->snapshot = parts->snapshot;
  request->msg = g_object_ref (msg);
  g_signal_connect (msg, "finished", G_CALLBACK (on_snapshot_client_gone),
                    request);
  soup_server_message_pause (msg);
  egress_snapshot_take_async (parts->snapshot, stream, on_snapshot, request);
}
