/* SPDX-License-Identifier: Apache-2.0 */
/* NodeMountpointFile: see mountpoint-file.h. */
#include "node/mountpoint-file.h"

#include <errno.h>
#include <glib/gstdio.h>

#include "node/log.h"

#define FILE_NAME "mountpoints.json"
#define FILE_MODE 0600

typedef struct
{
  EgressMountpointDone done;
  gpointer data;
} Waiter;

struct _NodeMountpointFile
{
  char *path;          /* owned */
  char *next;          /* owned, nullable: to be written */
  GArray *waiting;     /* owned (element-type Waiter): for next */
  GArray *writing;     /* owned (element-type Waiter): for what is written */
  gboolean is_running; /* a task is under way */
};

NodeMountpointFile *
node_mountpoint_file_new (const char *directory)
{
  NodeMountpointFile *self = g_new0 (NodeMountpointFile, 1);

  self->path = g_build_filename (directory, FILE_NAME, NULL);
  self->waiting = g_array_new (FALSE, FALSE, sizeof (Waiter));
  self->writing = g_array_new (FALSE, FALSE, sizeof (Waiter));
  return self;
}

/* --- reading ------------------------------------------------------------ */

GPtrArray *
node_mountpoint_file_read (NodeMountpointFile *self, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GPtrArray) rows =
      g_ptr_array_new_with_free_func ((GDestroyNotify)json_object_unref);
  GStatBuf status;
  JsonNode *root;
  JsonArray *array;

  if (g_stat (self->path, &status) != 0 && errno == ENOENT)
    return g_steal_pointer (&rows);
  if (status.st_size > NODE_MOUNTPOINT_FILE_MAX_BYTES)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "%s has more than %d bytes", self->path,
                   NODE_MOUNTPOINT_FILE_MAX_BYTES);
      return NULL;
    }
  if (!json_parser_load_from_file (parser, self->path, error))
    return NULL;
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_ARRAY (root))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "%s is no list of mountpoints", self->path);
      return NULL;
    }
  array = json_node_get_array (root);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);

      if (JSON_NODE_HOLDS_OBJECT (node))
        g_ptr_array_add (rows, json_node_dup_object (node));
    }
  return g_steal_pointer (&rows);
}

gboolean
node_mountpoint_file_set_aside (NodeMountpointFile *self)
{
  g_autofree char *aside = g_strconcat (self->path, ".bad", NULL);

  return g_rename (self->path, aside) == 0;
}

/* --- writing ------------------------------------------------------------ */

static gboolean
write_now (const char *path, const char *text, GError **error)
{
  return g_file_set_contents_full (path, text, -1,
                                   G_FILE_SET_CONTENTS_CONSISTENT
                                       | G_FILE_SET_CONTENTS_DURABLE,
                                   FILE_MODE, error);
}

/* What the task needs. */
typedef struct
{
  char *path, *text; /* owned */
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  g_free (job->path);
  g_free (job->text);
  g_free (job);
}

static void
run_job (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Job *job = data;
  GError *error = NULL;

  if (write_now (job->path, job->text, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void start_write (NodeMountpointFile *self);

static void
on_written (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) told = NULL;
  NodeMountpointFile *self = data;

  g_task_propagate_boolean (G_TASK (result), &error);
  self->is_running = FALSE;
  if (error)
    GST_WARNING ("permanent mountpoints are not kept: %s", error->message);
  told = g_steal_pointer (&self->writing);
  self->writing = g_array_new (FALSE, FALSE, sizeof (Waiter));
  if (self->next)
    start_write (self);
  for (guint i = 0; i < told->len; i++)
    {
      Waiter *waiter = &g_array_index (told, Waiter, i);

      waiter->done (error, waiter->data);
    }
}

static void
start_write (NodeMountpointFile *self)
{
  GTask *task;
  Job *job = g_new0 (Job, 1);
  GArray *waiting = self->waiting;

  self->waiting = self->writing; /* empty: nothing was written */
  self->writing = waiting;
  job->path = g_strdup (self->path);
  job->text = g_steal_pointer (&self->next);
  self->is_running = TRUE;
  task = g_task_new (NULL, NULL, on_written, self);
  g_task_set_task_data (task, job, job_free);
  g_task_run_in_thread (task, run_job);
  g_object_unref (task);
}

void
node_mountpoint_file_write (NodeMountpointFile *self, char *text,
                            EgressMountpointDone done, gpointer data)
{
  Waiter waiter = { done, data };

  g_free (self->next);
  self->next = text;
  if (done)
    g_array_append_val (self->waiting, waiter);
  if (!self->is_running)
    start_write (self);
}

void
node_mountpoint_file_free (NodeMountpointFile *self)
{
  g_array_set_size (self->waiting, 0);
  g_array_set_size (self->writing, 0);
  while (self->is_running) /* and what is next */
    g_main_context_iteration (NULL, TRUE);
  g_array_unref (self->waiting);
  g_array_unref (self->writing);
  g_free (self->next);
  g_free (self->path);
  g_free (self);
}
