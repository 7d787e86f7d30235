/* SPDX-License-Identifier: Apache-2.0 */
/* EgressMountpoints: see mountpoints.h. */
#include "egress/mountpoint-private.h"

#include <string.h>

#include "base/clock.h"
#include "egress/log.h"

/* what the tree's streams were is believed so long */
#define STREAMS_MAX_AGE_US (BASE_US_PER_S / 2)
#define RANDOM_ID_BITS 52
/* "~0" follows in the names of lower renditions, and names have 64 */
#define MAX_SIMULCAST_ID_CHARS 62

struct _EgressMountpoints
{
  EgressMountpointsConfig config; /* strings owned */
  GHashTable *created; /* owned: id -> EgressMountpoint: ours and others' */
  GHashTable *streams; /* owned: id -> EgressMountpoint: of the tree */
  GHashTable *pending; /* owned: id -> Create: on their way */
  guint n_ours;
  gint64 streams_at_us; /* 0 = never */
  BaseCounter *n_created, *n_refused, *n_destroyed;
  BaseCounter *n_now; /* gauge */
};

/* A create that waits for its source, then for the store. */
typedef struct
{
  EgressMountpoints *self;    /* borrowed */
  EgressMountpointSpec *spec; /* owned, until it is a mountpoint */
  EgressMountpoint *made;     /* owned, nullable: open, not told yet */
  EgressMountpointCreated done;
  gpointer data;
} Create;

static void
create_free (gpointer data)
{
  Create *create = data;

  g_clear_pointer (&create->spec, egress_mountpoint_spec_free);
  g_clear_pointer (&create->made, egress_mountpoint_unref);
  g_free (create);
}

/* --- life --------------------------------------------------------------- */

EgressMountpoints *
egress_mountpoints_new (const EgressMountpointsConfig *config)
{
  EgressMountpoints *self = g_new0 (EgressMountpoints, 1);
  BaseMetrics *metrics = config->metrics;

  self->config = *config;
  self->config.admin_key = g_strdup (config->admin_key);
  self->config.node_id = g_strdup (config->node_id);
  self->config.recording_dir = g_strdup (config->recording_dir);
  self->created = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify)egress_mountpoint_unref);
  self->streams = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify)egress_mountpoint_unref);
  self->pending =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, create_free);
  self->n_created = base_metrics_add_counter (
      metrics, "media_tree_mountpoints_created_total", NULL,
      "Mountpoints that were created on this node");
  self->n_refused = base_metrics_add_counter (
      metrics, "media_tree_mountpoints_refused_total", NULL,
      "Mountpoints not created: too many, the id in use, no source");
  self->n_destroyed = base_metrics_add_counter (
      metrics, "media_tree_mountpoints_destroyed_total", NULL,
      "Mountpoints of this node that were destroyed");
  self->n_now =
      base_metrics_add_gauge (metrics, "media_tree_mountpoints", NULL,
                              "Created mountpoints that live on this node");
  return self;
}

static void
detach_all (GHashTable *table)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    egress_mountpoint_detach (value);
  g_hash_table_unref (table);
}

/* who waits for a source hears of it once, whatever becomes of us */
static void
abandon_pending (EgressMountpoints *self)
{
  g_autoptr (GError) error =
      g_error_new_literal (EGRESS_STREAMING_ERROR, EGRESS_STREAMING_UNKNOWN,
                           "The node is going down");
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->pending);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Create *create = value;
      create->done (NULL, FALSE, error, create->data);
    }
  g_hash_table_unref (self->pending);
}

void
egress_mountpoints_free (EgressMountpoints *self)
{
  g_return_if_fail (self != NULL);

  abandon_pending (self);
  detach_all (self->created);
  detach_all (self->streams);
  g_free ((char *)self->config.admin_key);
  g_free ((char *)self->config.node_id);
  g_free ((char *)self->config.recording_dir);
  g_free (self);
}

const EgressMountpointsConfig *
egress_mountpoints_get_config (EgressMountpoints *self)
{
  return &self->config;
}

/* --- streams of the tree ------------------------------------------------ */

/* keep_or_make: (transfer full): the one that was there is the one that is
 * watched */
static EgressMountpoint *
keep_or_make (EgressMountpoints *self, const char *id,
              const EgressStreamListed *listed)
{
  EgressMountpointSpec *spec =
      egress_mountpoint_spec_of_stream (id, listed->name, &listed->info);
  EgressMountpoint *known = g_hash_table_lookup (self->streams, id);

  if (known == NULL
      || strcmp (egress_mountpoint_get_stream (known), listed->name) != 0)
    return egress_mountpoint_new (self, spec, FALSE, NULL, &listed->info);
  egress_mountpoint_set_spec (known, spec);
  known->info = listed->info;
  return egress_mountpoint_ref (known);
}

/* Viewers wait for a publisher who may come back: their mountpoint is the same
 * one then, and can be asked about meanwhile. */
static void
keep_watched (EgressMountpoints *self, GHashTable *next)
{
  GHashTableIter iter;
  gpointer id, value;

  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, &id, &value))
    if (egress_mountpoint_get_n_viewers (value) > 0
        && !g_hash_table_contains (next, id))
      g_hash_table_insert (next, g_strdup (id), egress_mountpoint_ref (value));
}

/* read_streams: asks what is live now, unless that was asked just now */
static void
read_streams (EgressMountpoints *self, gint64 max_age_us)
{
  const EgressMountpointHooks *hooks = &self->config.hooks;
  gint64 now_us = base_clock_now_us ();
  g_autoptr (GPtrArray) listed = NULL;
  g_autoptr (GHashTable) next = NULL;

  if (self->streams_at_us != 0 && now_us - self->streams_at_us < max_age_us)
    return;
  self->streams_at_us = now_us;
  listed = hooks->list_streams (hooks->data);
  next = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                (GDestroyNotify)egress_mountpoint_unref);
  for (guint i = 0; i < listed->len; i++)
    {
      const EgressStreamListed *row = listed->pdata[i];
      char *id =
          egress_mountpoint_id_of_stream (row->name, self->config.string_ids);
      if (row->is_live)
        g_hash_table_replace (next, id, keep_or_make (self, id, row));
      else
        g_free (id);
    }
  keep_watched (self, next);
  g_hash_table_unref (self->streams);
  self->streams = g_steal_pointer (&next);
}

/* --- looking up --------------------------------------------------------- */

EgressMountpoint *
egress_mountpoints_lookup (EgressMountpoints *self, const char *id)
{
  EgressMountpoint *found = g_hash_table_lookup (self->created, id);

  if (found != NULL)
    return found;
  read_streams (self, STREAMS_MAX_AGE_US);
  found = g_hash_table_lookup (self->streams, id);
  if (found != NULL)
    return found;
  read_streams (self, 0); /* it may have begun since */
  return g_hash_table_lookup (self->streams, id);
}

EgressMountpoint *
egress_mountpoints_lookup_created (EgressMountpoints *self, const char *id)
{
  return g_hash_table_lookup (self->created, id);
}

EgressMountpoint *
egress_mountpoints_lookup_stream (EgressMountpoints *self, const char *stream)
{
  EgressMountpoint *found = g_hash_table_lookup (self->created, stream);
  g_autofree char *id = NULL;

  if (found != NULL)
    return found;
  id = egress_mountpoint_id_of_stream (stream, self->config.string_ids);
  found = egress_mountpoints_lookup (self, id);
  return found != NULL
                 && strcmp (egress_mountpoint_get_stream (found), stream) == 0
             ? found
             : NULL;
}

static void
add_all (GPtrArray *list, GHashTable *table, GHashTable *but)
{
  GHashTableIter iter;
  gpointer id, value;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &id, &value))
    if (but == NULL || !g_hash_table_contains (but, id))
      g_ptr_array_add (list, egress_mountpoint_ref (value));
}

GPtrArray *
egress_mountpoints_list (EgressMountpoints *self)
{
  GPtrArray *list =
      g_ptr_array_new_with_free_func ((GDestroyNotify)egress_mountpoint_unref);

  read_streams (self, 0);
  add_all (list, self->created, NULL);
  add_all (list, self->streams, self->created);
  return list;
}

/* --- creating ----------------------------------------------------------- */

static char *
make_id (EgressMountpoints *self)
{
  guint64 number = ((guint64)g_random_int () << 32 | g_random_int ())
                   >> (64 - RANDOM_ID_BITS);

  return g_strdup_printf ("%" G_GUINT64_FORMAT, MAX (number, 1));
}

static gboolean
is_taken (EgressMountpoints *self, const char *id)
{
  return g_hash_table_contains (self->pending, id)
         || egress_mountpoints_lookup (self, id) != NULL;
}

static gboolean
fail (GError **error, const char *text)
{
  g_set_error_literal (error, EGRESS_STREAMING_ERROR,
                       EGRESS_STREAMING_CANT_CREATE, text);
  return FALSE;
}

static gboolean
check_create (EgressMountpoints *self, const EgressMountpointSpec *spec,
              GError **error)
{
  const EgressMountpointMedia *video = &spec->media[RTC_MEDIA_VIDEO];
  guint n = self->n_ours + g_hash_table_size (self->pending);

  if (spec->id != NULL && is_taken (self, spec->id))
    return fail (error, "A stream with the provided ID already exists");
  if (!self->config.can_open)
    return fail (error, "Can't add the stream: this node takes none (it has "
                        "not the role injection)");
  if (n >= EGRESS_MOUNTPOINTS_MAX)
    return fail (error, "Can't add the stream: this node has as many "
                        "mountpoints as it may have");
  if (spec->id != NULL && video->is_present && video->n_ports > 1
      && strlen (spec->id) > MAX_SIMULCAST_ID_CHARS)
    return fail (error, "Can't add the stream: with simulcast the id should "
                        "be at most 62 characters");
  return TRUE;
}

static void
finish_refused (Create *create, const GError *error)
{
  EgressMountpoints *self = create->self;

  base_counter_add (self->n_refused, 1);
  create->done (NULL, FALSE, error, create->data);
}

static void
finish_created (Create *create, gboolean is_kept)
{
  EgressMountpoints *self = create->self;
  EgressMountpoint *made = g_steal_pointer (&create->made);

  g_hash_table_replace (self->created, g_strdup (made->spec->id), made);
  self->n_ours++;
  base_counter_add (self->n_created, 1);
  base_counter_set (self->n_now, self->n_ours);
  GST_INFO ("mountpoint=%s created", made->spec->id);
  create->done (made, is_kept, NULL, create->data);
}

/* steal: its id is free, or a mountpoint's, from now on */
static Create *
steal (Create *create)
{
  const EgressMountpointSpec *spec =
      create->made != NULL ? create->made->spec : create->spec;
  gpointer key = NULL;

  g_hash_table_steal_extended (create->self->pending, spec->id, &key, NULL);
  g_free (key);
  return create;
}

/* say_not_permanent: the others know it as it is */
static void
say_not_permanent (EgressMountpoints *self, EgressMountpointSpec *spec,
                   const GError *error)
{
  const EgressMountpointHooks *hooks = &self->config.hooks;

  GST_WARNING ("mountpoint=%s will not be there after a restart: %s", spec->id,
               error->message);
  spec->is_permanent = FALSE;
  hooks->share (spec, NULL, NULL, hooks->data);
}

static void
on_shared (const GError *error, gpointer data)
{
  Create *create = steal (data);
  EgressMountpointSpec *spec = create->made->spec;
  const EgressMountpointHooks *hooks = &create->self->config.hooks;
  gboolean was_asked = spec->is_permanent;

  /* another node was faster with the id */
  if (error != NULL && error->domain == EGRESS_STREAMING_ERROR)
    {
      hooks->close (spec->id, hooks->data);
      egress_mountpoint_detach (create->made);
      finish_refused (create, error);
    }
  else
    {
      if (was_asked && error != NULL)
        say_not_permanent (create->self, spec, error);
      finish_created (create, spec->is_permanent);
    }
  create_free (create);
}

static void
on_opened (const EgressMountpointPorts *ports, const RelayStreamInfo *info,
           const GError *error, gpointer data)
{
  Create *create = data;
  EgressMountpoints *self = create->self;
  const EgressMountpointHooks *hooks = &self->config.hooks;

  if (error != NULL)
    {
      steal (create);
      finish_refused (create, error);
      create_free (create);
      return;
    }
  if (info != NULL && create->spec->kind != EGRESS_MOUNTPOINT_RTP)
    egress_mountpoint_spec_learn (create->spec, info);
  create->made = egress_mountpoint_new (self, g_steal_pointer (&create->spec),
                                        TRUE, ports, info);
  hooks->share (create->made->spec, on_shared, create, hooks->data);
}

void
egress_mountpoints_create (EgressMountpoints *self, EgressMountpointSpec *spec,
                           EgressMountpointCreated done, gpointer data)
{
  const EgressMountpointHooks *hooks = &self->config.hooks;
  Create *create = g_new0 (Create, 1);
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;

  create->self = self;
  create->spec = spec;
  create->done = done;
  create->data = data;
  if (!check_create (self, spec, &error))
    {
      finish_refused (create, error);
      create_free (create);
      return;
    }
  while (spec->id == NULL && (id == NULL || is_taken (self, id)))
    {
      g_free (id);
      id = make_id (self);
    }
  egress_mountpoint_spec_set_id (spec, id);
  g_free (spec->node_id);
  spec->node_id = g_strdup (self->config.node_id);
  g_hash_table_insert (self->pending, g_strdup (spec->id), create);
  hooks->open (spec, on_opened, create, hooks->data);
}

/* --- changing ----------------------------------------------------------- */

/* Who asked whether an edit is kept. */
typedef struct
{
  EgressMountpoint *mountpoint; /* owned */
  EgressMountpointDone done;
  gpointer data;
} Share;

static void
on_edit_shared (const GError *error, gpointer data)
{
  Share *share = data;

  if (error != NULL && share->mountpoint->registry != NULL
      && share->mountpoint->spec->is_permanent)
    say_not_permanent (share->mountpoint->registry, share->mountpoint->spec,
                       error);
  if (share->done != NULL)
    share->done (error, share->data);
  egress_mountpoint_unref (share->mountpoint);
  g_free (share);
}

void
egress_mountpoints_share (EgressMountpoints *self, EgressMountpoint *mountpoint,
                          gboolean permanent, EgressMountpointDone done,
                          gpointer data)
{
  const EgressMountpointHooks *hooks = &self->config.hooks;
  Share *share = g_new0 (Share, 1);

  share->mountpoint = egress_mountpoint_ref (mountpoint);
  share->done = done;
  share->data = data;
  mountpoint->spec->is_permanent = permanent;
  hooks->share (mountpoint->spec, on_edit_shared, share, hooks->data);
}

static gboolean
is_orphan (EgressMountpoints *self, EgressMountpoint *mountpoint)
{
  const EgressMountpointHooks *hooks = &self->config.hooks;

  return mountpoint->registry != NULL && !mountpoint->is_ours
         && mountpoint->spec->kind != EGRESS_MOUNTPOINT_STREAM
         && hooks->is_orphan != NULL
         && hooks->is_orphan (mountpoint->spec, hooks->data);
}

gboolean
egress_mountpoints_destroy (EgressMountpoints *self,
                            EgressMountpoint *mountpoint, GError **error)
{
  const EgressMountpointHooks *hooks = &self->config.hooks;
  gpointer key = NULL, value = NULL;

  if (!is_orphan (self, mountpoint)
      && !egress_mountpoint_check_ours (mountpoint, error))
    return FALSE;
  if (!g_hash_table_steal_extended (self->created, mountpoint->spec->id, &key,
                                    &value))
    return FALSE; /* never: ours and others' are in the table */
  if (mountpoint->is_ours)
    {
      self->n_ours--;
      base_counter_add (self->n_destroyed, 1);
      base_counter_set (self->n_now, self->n_ours);
    }
  GST_INFO ("mountpoint=%s destroyed", mountpoint->spec->id);
  egress_mountpoint_end (value);
  hooks->close (key, hooks->data);
  hooks->unshare (key, hooks->data);
  egress_mountpoint_unref (value);
  g_free (key);
  return TRUE;
}

gboolean
egress_mountpoints_set_enabled (EgressMountpoints *self,
                                EgressMountpoint *mountpoint,
                                gboolean is_enabled, GError **error)
{
  const EgressMountpointHooks *hooks = &self->config.hooks;

  if (!egress_mountpoint_check_ours (mountpoint, error))
    return FALSE;
  if (mountpoint->spec->is_enabled == is_enabled)
    return TRUE;
  mountpoint->spec->is_enabled = is_enabled;
  hooks->set_enabled (mountpoint->spec->id, is_enabled, hooks->data);
  egress_mountpoints_share (self, mountpoint, mountpoint->spec->is_permanent,
                            NULL, NULL);
  return TRUE;
}

/* --- others' ------------------------------------------------------------ */

static void
set_one (EgressMountpoints *self, const EgressMountpointSpec *spec)
{
  EgressMountpoint *known = g_hash_table_lookup (self->created, spec->id);

  if (known != NULL && known->is_ours)
    return; /* two nodes made it while the store was away: each has its own */
  if (known != NULL)
    egress_mountpoint_set_spec (known, egress_mountpoint_spec_copy (spec));
  else
    g_hash_table_replace (
        self->created, g_strdup (spec->id),
        egress_mountpoint_new (self, egress_mountpoint_spec_copy (spec), FALSE,
                               NULL, NULL));
}

void
egress_mountpoints_set_shared (EgressMountpoints *self, GPtrArray *specs)
{
  g_autoptr (GHashTable) named = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) gone =
      g_ptr_array_new_with_free_func ((GDestroyNotify)egress_mountpoint_unref);
  GHashTableIter iter;
  gpointer id, value;

  for (guint i = 0; i < specs->len; i++)
    {
      const EgressMountpointSpec *spec = specs->pdata[i];
      if (g_strcmp0 (spec->node_id, self->config.node_id) == 0)
        continue;
      g_hash_table_add (named, spec->id);
      set_one (self, spec);
    }
  g_hash_table_iter_init (&iter, self->created);
  while (g_hash_table_iter_next (&iter, &id, &value))
    {
      EgressMountpoint *mountpoint = value;
      if (mountpoint->is_ours || g_hash_table_contains (named, id))
        continue;
      g_ptr_array_add (gone, egress_mountpoint_ref (mountpoint));
      g_hash_table_iter_remove (&iter);
    }
  for (guint i = 0; i < gone->len; i++)
    egress_mountpoint_end (gone->pdata[i]);
}

/* --- /debug/state ------------------------------------------------------- */

JsonNode *
egress_mountpoints_describe (EgressMountpoints *self)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *array = json_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->created);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    json_array_add_object_element (array, egress_mountpoint_describe (value));
  json_object_set_int_member (object, "ours", self->n_ours);
  json_object_set_int_member (object, "pending",
                              g_hash_table_size (self->pending));
  json_object_set_array_member (object, "created", array);
  json_node_take_object (node, object);
  return node;
}
