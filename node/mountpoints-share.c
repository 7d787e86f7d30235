/* SPDX-License-Identifier: Apache-2.0 */
/* NodeMountpoints: telling others of ours, and keeping them. */
#include "node/mountpoints-private.h"

#include <errno.h>
#include <string.h>

#include "node/log.h"

void
node_mountpoints_ours_free (gpointer data)
{
  NodeMountpointOurs *ours = data;

  g_free (ours->text);
  g_free (ours);
}

ClusterStore *
node_mountpoints_get_store (NodeMountpoints *self)
{
  return node_cluster_get_store (self->parts->cluster);
}

static char *
dup_text (const EgressMountpointSpec *spec)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, egress_mountpoint_spec_to_json (spec));
  return json_to_string (node, FALSE);
}

/* --- telling ------------------------------------------------------------ */

static NodeMountpointWait *
wait_new (NodeMountpoints *self, const char *id, EgressMountpointDone done,
          gpointer data)
{
  NodeMountpointWait *wait = g_new0 (NodeMountpointWait, 1);

  wait->self = self;
  wait->id = g_strdup (id);
  wait->done = done;
  wait->data = data;
  g_hash_table_add (self->waits, wait);
  return wait;
}

void
node_mountpoints_wait_free (gpointer data)
{
  NodeMountpointWait *wait = data;

  g_free (wait->id);
  g_free (wait);
}

static void
wait_finish (NodeMountpointWait *wait, const GError *error)
{
  g_hash_table_steal (wait->self->waits, wait);
  if (wait->done)
    wait->done (error, wait->data);
  node_mountpoints_wait_free (wait);
}

/* write_file: all that are permanent */
static void
write_file (NodeMountpoints *self, EgressMountpointDone done, gpointer data)
{
  GString *text = g_string_new ("[");
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->ours);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const NodeMountpointOurs *ours = value;

      if (ours->is_permanent)
        g_string_append_printf (text, "%s%s", text->len > 1 ? ",\n" : "",
                                ours->text);
    }
  g_string_append (text, "]\n");
  node_mountpoint_file_write (self->file, g_string_free (text, FALSE), done,
                              data);
}

static void
on_kept (const GError *error, gpointer data)
{
  wait_finish (data, error);
}

/* keep: @wait hears when it will be there after a restart */
static void
keep (NodeMountpoints *self, NodeMountpointWait *wait, gboolean is_permanent)
{
  g_autoptr (GError) error = NULL;

  if (self->parts->options->has_cluster)
    {
      wait_finish (wait, NULL); /* the store keeps it */
      return;
    }
  if (self->file)
    {
      write_file (self, on_kept, wait);
      return;
    }
  if (is_permanent)
    error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                                 "neither --redis-url nor --state-dir is set");
  wait_finish (wait, error);
}

static void
on_put (const GError *error, gpointer data)
{
  NodeMountpointWait *wait = data;
  NodeMountpoints *self = wait->self;
  NodeMountpointOurs *ours = g_hash_table_lookup (self->ours, wait->id);

  if (g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_CONFLICT))
    {
      g_autoptr (GError) taken = g_error_new_literal (
          EGRESS_STREAMING_ERROR, EGRESS_STREAMING_CANT_CREATE,
          "A stream with the provided ID already exists");

      g_hash_table_remove (self->ours, wait->id);
      wait_finish (wait, taken);
      return;
    }
  if (ours && !error)
    ours->is_told = TRUE;
  if (error)
    wait_finish (wait, error);
  else
    keep (self, wait, ours && ours->is_permanent);
}

void
node_mountpoints_on_share (const EgressMountpointSpec *spec,
                           EgressMountpointDone done, gpointer done_data,
                           gpointer data)
{
  NodeMountpoints *self = data;
  NodeMountpointOurs *ours = g_hash_table_lookup (self->ours, spec->id);
  gboolean is_new = !ours || !ours->is_told;

  if (!ours)
    {
      ours = g_new0 (NodeMountpointOurs, 1);
      g_hash_table_insert (self->ours, g_strdup (spec->id), ours);
    }
  g_free (ours->text);
  ours->text = dup_text (spec);
  ours->is_permanent = spec->is_permanent;
  if (strlen (ours->text) > CLUSTER_MAX_MOUNTPOINT_BYTES)
    {
      g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                                              "it has more than %d bytes",
                                              CLUSTER_MAX_MOUNTPOINT_BYTES);

      if (done)
        done (error, done_data);
      return;
    }
  cluster_store_put_mountpoint (node_mountpoints_get_store (self), spec->id,
                                ours->text, is_new, on_put,
                                wait_new (self, spec->id, done, done_data));
}

void
node_mountpoints_on_unshare (const char *id, gpointer data)
{
  NodeMountpoints *self = data;
  const NodeMountpointOurs *ours = g_hash_table_lookup (self->ours, id);
  gboolean was_permanent = ours && ours->is_permanent;

  cluster_store_remove_mountpoint (node_mountpoints_get_store (self), id, NULL,
                                   NULL);
  g_hash_table_remove (self->ours, id);
  if (was_permanent && self->file)
    write_file (self, NULL, NULL);
}

/* --- making ours again -------------------------------------------------- */

static void
on_remade (EgressMountpoint *mountpoint, gboolean is_kept, const GError *error,
           gpointer data)
{
  g_autofree char *id = data;

  if (error)
    GST_ERROR ("mountpoint=%s is permanent and cannot be made again: %s", id,
               error->message);
}

/* remake: @spec: (transfer full) */
void
node_mountpoints_remake (NodeMountpoints *self, EgressMountpointSpec *spec)
{
  NodeMountpointOurs *ours = g_new0 (NodeMountpointOurs, 1);

  ours->text = dup_text (spec);
  ours->is_permanent = TRUE;
  ours->is_told = TRUE;     /* what the store has of it is ours */
  spec->rtsp_check = FALSE; /* a camera may come back later than we do */
  g_hash_table_replace (self->ours, g_strdup (spec->id), ours);
  egress_mountpoints_create (self->registry, spec, on_remade,
                             g_strdup (spec->id));
}

void
node_mountpoints_remake_from_file (NodeMountpoints *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) objects =
      node_mountpoint_file_read (self->file, &error);
  guint n_bad = 0;

  if (!objects)
    GST_ERROR ("permanent mountpoints cannot be read: %s", error->message);
  for (guint i = 0; objects && i < objects->len; i++)
    {
      g_autoptr (GError) why = NULL;
      EgressMountpointSpec *spec = egress_mountpoint_spec_from_json (
          objects->pdata[i], self->string_ids, &why);

      if (spec)
        node_mountpoints_remake (self, spec);
      else
        {
          GST_ERROR ("a permanent mountpoint makes no sense: %s", why->message);
          n_bad++;
        }
    }
  /* what comes next is written over it */
  if ((!objects || n_bad > 0) && !node_mountpoint_file_set_aside (self->file))
    GST_ERROR ("the file of permanent mountpoints cannot be set aside: %s",
               g_strerror (errno));
}

static void
on_said_again (const GError *error, gpointer data)
{
  NodeMountpointWait *wait = data;
  NodeMountpointOurs *ours = g_hash_table_lookup (wait->self->ours, wait->id);

  if (ours && !error)
    ours->is_told = TRUE;
  wait_finish (wait, NULL);
}

/* node_mountpoints_say_again: those of ours that the store should have and has
 * not */
void
node_mountpoints_say_again (NodeMountpoints *self)
{
  GHashTableIter iter;
  gpointer id, value;

  g_hash_table_iter_init (&iter, self->ours);
  while (g_hash_table_iter_next (&iter, &id, &value))
    if (!g_hash_table_contains (self->rows, id)
        && egress_mountpoints_lookup (self->registry, id))
      cluster_store_put_mountpoint (node_mountpoints_get_store (self), id,
                                    ((NodeMountpointOurs *)value)->text, TRUE,
                                    on_said_again,
                                    wait_new (self, id, NULL, NULL));
}
