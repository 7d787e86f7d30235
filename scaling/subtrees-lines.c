/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtreesLines: the ledger, and a request to a node. */
#include "scaling/subtrees-lines.h"

#include "base/clock.h"
#include "scaling/fetch.h"
#include "scaling/proxy.h"

#include <string.h>

struct _ScalingSubtreesLines
{
  ClusterLedger *ledger; /* borrowed */
  char *authorization;   /* owned, nullable */
  SoupSession *session;  /* owned */
  GHashTable *drains;    /* owned: set of Drain */
};

/* A request under way, or what is to be said of one that was not made. */
typedef struct
{
  ScalingSubtreesLines *lines; /* borrowed */
  ScalingFetch *fetch;         /* (nullable) borrowed */
  guint idle_id;
  ClusterDoneFunc func;
  gpointer data; /* borrowed */
} Drain;

static gint64
now_us (gpointer data)
{
  return base_clock_now_us ();
}

static ClusterLease *
get_lease (gpointer data)
{
  return cluster_ledger_get_lease (((ScalingSubtreesLines *)data)->ledger);
}

static gboolean
leads (gint64 margin_us, gpointer data)
{
  return cluster_lease_is_valid (get_lease (data), margin_us);
}

static const char *
get_token (gpointer data)
{
  return cluster_lease_get_token (get_lease (data));
}

static void
read_slots (const char *tree_id, ClusterSlotsFunc func, gpointer func_data,
            gpointer data)
{
  cluster_ledger_read_slots (((ScalingSubtreesLines *)data)->ledger, tree_id,
                             func, func_data);
}

static void
move_slot (const char *tree_id, const ClusterSlot *slot, ClusterSlotState to,
           const char *text, ClusterVersionFunc func, gpointer func_data,
           gpointer data)
{
  cluster_ledger_move_slot (((ScalingSubtreesLines *)data)->ledger, tree_id,
                            slot, to, text, func, func_data);
}

/* --- drain
 * -------------------------------------------------------------------- */

static void
finish (Drain *drain, const GError *error)
{
  drain->fetch = NULL;
  g_hash_table_steal (drain->lines->drains, drain);
  drain->func (error, drain->data);
  g_free (drain);
}

static void
on_answer (guint status, GByteArray *body, const GError *error, gpointer data)
{
  g_autoptr (GError) refused = NULL;

  if (error == NULL && !SOUP_STATUS_IS_SUCCESSFUL (status))
    refused = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_REPLY,
                           "the node answers %u to /api/drain", status);
  finish (data, error != NULL ? error : refused);
}

static gboolean
on_idle (gpointer data)
{
  g_autoptr (GError) error =
      g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_URL,
                   "the node has no address that can be asked");

  ((Drain *)data)->idle_id = 0;
  finish (data, error);
  return G_SOURCE_REMOVE;
}

/* make_request: (transfer full) (nullable): @url is none to be asked */
static SoupMessage *
make_request (ScalingSubtreesLines *self, const char *url, guint32 deadline_ms)
{
  gsize n = strlen (url);
  g_autofree char *whole = g_strconcat (
      url, n > 0 && url[n - 1] == '/' ? "" : "/", "api/drain", NULL);
  g_autofree char *text = g_strdup_printf (
      "{\"deadline_s\":%u}", deadline_ms / 1000 + (deadline_ms % 1000 > 0));
  g_autoptr (GBytes) body = g_bytes_new (text, strlen (text));
  SoupMessage *msg = scaling_proxy_url_is_valid (url)
                         ? soup_message_new (SOUP_METHOD_POST, whole)
                         : NULL;

  if (msg == NULL)
    return NULL;
  soup_message_set_request_body_from_bytes (msg, "application/json", body);
  if (self->authorization != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (msg),
                                  "Authorization", self->authorization);
  return msg;
}

static void
drain_node (const char *url, guint32 deadline_ms, ClusterDoneFunc func,
            gpointer func_data, gpointer data)
{
  ScalingSubtreesLines *self = data;
  SoupMessage *msg = make_request (self, url, deadline_ms);
  Drain *drain = g_new0 (Drain, 1);

  drain->lines = self;
  drain->func = func;
  drain->data = func_data;
  g_hash_table_add (self->drains, drain);
  if (msg == NULL)
    drain->idle_id = g_idle_add (on_idle, drain);
  else
    drain->fetch =
        scaling_fetch_start (self->session, msg, SCALING_LINES_DRAIN_TIMEOUT_US,
                             SCALING_LINES_DRAIN_MAX_BYTES, on_answer, drain);
}

/* --- life
 * ---------------------------------------------------------------------- */

const ScalingSubtreesWire scaling_subtrees_lines_wire = {
  .now_us = now_us,
  .leads = leads,
  .get_token = get_token,
  .read_slots = read_slots,
  .move_slot = move_slot,
  .drain = drain_node,
};

static void
drain_free (gpointer data)
{
  Drain *drain = data;

  g_clear_handle_id (&drain->idle_id, g_source_remove);
  g_clear_pointer (&drain->fetch, scaling_fetch_cancel);
  g_free (drain);
}

ScalingSubtreesLines *
scaling_subtrees_lines_new (ClusterLedger *ledger, const char *admin_token)
{
  ScalingSubtreesLines *self = g_new0 (ScalingSubtreesLines, 1);

  self->ledger = ledger;
  if (admin_token != NULL)
    self->authorization = g_strconcat ("Bearer ", admin_token, NULL);
  self->session = scaling_fetch_new_session (FALSE);
  self->drains = g_hash_table_new_full (NULL, NULL, drain_free, NULL);
  return self;
}

void
scaling_subtrees_lines_free (ScalingSubtreesLines *self)
{
  g_return_if_fail (self != NULL);

  g_hash_table_unref (self->drains);
  g_object_unref (self->session);
  g_free (self->authorization);
  g_free (self);
}
