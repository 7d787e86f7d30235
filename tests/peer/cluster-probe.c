/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster-probe: a node without media: one ClusterMember, driven by lines on
 * stdin, that says in JSON lines on stdout what it sees. Each has "event" and
 * "at_us" (monotonic). "state" comes whenever something in it has changed.
 *   cluster-probe --redis-url URL --id ID --roles ROLES [--tree T] [--prefix P]
 *                 [--host H] [--max-children N]
 * stdin: "begin NAME", "end NAME", "leave" (then it exits), "silent 0|1"
 * (what is_parent_silent says); end of stdin exits.
 */
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cluster/member.h"

#define LOOK_MS 20

typedef struct
{
  GMainLoop *loop;
  ClusterMember *member;
  char *state; /* said last */
  GIOChannel *in;
  gboolean is_parent_silent;
  guint64 ext_seq;
  int code;
} Probe;

static char *redis_url, *prefix, *tree = "main", *node_id, *roles, *host = "h";
static int max_children = 16;

static const GOptionEntry options[] = {
  { "redis-url", 0, 0, G_OPTION_ARG_STRING, &redis_url, NULL, NULL },
  { "prefix", 0, 0, G_OPTION_ARG_STRING, &prefix, NULL, NULL },
  { "tree", 0, 0, G_OPTION_ARG_STRING, &tree, NULL, NULL },
  { "id", 0, 0, G_OPTION_ARG_STRING, &node_id, NULL, NULL },
  { "roles", 0, 0, G_OPTION_ARG_STRING, &roles, NULL, NULL },
  { "host", 0, 0, G_OPTION_ARG_STRING, &host, NULL, NULL },
  { "max-children", 0, 0, G_OPTION_ARG_INT, &max_children, NULL, NULL },
  { NULL, 0, 0, 0, NULL, NULL, NULL },
};

/* --- saying ------------------------------------------------------------- */

/* @more: (nullable): members of the object, with a comma before them */
static void
say (const char *event, const char *more)
{
  printf ("{\"event\":\"%s\",\"at_us\":%" G_GINT64_FORMAT "%s}\n", event,
          base_clock_now_us (), more != NULL ? more : "");
  fflush (stdout);
}

static void
say_stream (const char *event, const ClusterStream *stream)
{
  g_autofree char *more = g_strdup_printf (
      ",\"stream\":\"%s\",\"origin\":\"%s\",\"epoch\":%" G_GUINT64_FORMAT,
      stream->name, stream->origin != NULL ? stream->origin : "",
      stream->epoch);

  say (event, more);
}

static void
add_list (GString *text, const char *key, GPtrArray *peers,
          const char *(*name) (gconstpointer element))
{
  gboolean is_first = TRUE;

  g_string_append_printf (text, ",\"%s\":[", key);
  for (guint i = 0; i < peers->len; i++)
    {
      const char *one = name (peers->pdata[i]);
      if (one == NULL)
        continue;
      g_string_append_printf (text, "%s\"%s\"", is_first ? "" : ",", one);
      is_first = FALSE;
    }
  g_string_append_c (text, ']');
}

static const char *
alive_name (gconstpointer element)
{
  const ClusterPeer *peer = element;

  return peer->is_alive ? peer->node.node_id : NULL;
}

static const char *
peer_name (gconstpointer element)
{
  return ((const ClusterPeer *)element)->node.node_id;
}

static const char *
stream_name (gconstpointer element)
{
  return ((const ClusterStream *)element)->name;
}

static char *
state_text (Probe *self)
{
  GString *text = g_string_new (NULL);
  guint n_parents;
  GPtrArray *parents = cluster_member_get_parents (self->member, &n_parents);
  const ClusterPeer *own = cluster_member_find_peer (self->member, node_id);

  g_string_append_printf (
      text, ",\"connected\":%s,\"tried\":%s,\"n_parents\":%u,\"rank\":%u",
      cluster_member_is_connected (self->member) ? "true" : "false",
      cluster_member_has_tried (self->member) ? "true" : "false", n_parents,
      own != NULL ? own->place.rank : 0);
  add_list (text, "alive", cluster_member_get_peers (self->member), alive_name);
  add_list (text, "parents", parents, peer_name);
  add_list (text, "streams", cluster_member_get_streams (self->member),
            stream_name);
  return g_string_free (text, FALSE);
}

static gboolean
on_look (gpointer data)
{
  Probe *self = data;
  g_autofree char *now = state_text (self);

  if (g_strcmp0 (now, self->state) == 0)
    return G_SOURCE_CONTINUE;
  say ("state", now);
  g_free (self->state);
  self->state = g_steal_pointer (&now);
  return G_SOURCE_CONTINUE;
}

/* --- hearing ------------------------------------------------------------ */

static void
on_parents_changed (gpointer data)
{
  say ("parents", NULL);
}

static void
on_stream_changed (const ClusterStream *stream, gpointer data)
{
  say_stream ("changed", stream);
}

static void
on_stream_ended (const char *name, gpointer data)
{
  g_autofree char *more = g_strdup_printf (",\"stream\":\"%s\"", name);

  say ("ended", more);
}

static void
on_stream_lost (const ClusterStream *now, gpointer data)
{
  say_stream ("lost", now);
}

static void
fill_load (ClusterLoad *load, gpointer data)
{
  load->max_viewers = 100;
}

static void
fill_stream (ClusterStream *stream, gpointer data)
{
  stream->ext_seq[1] = ++((Probe *)data)->ext_seq;
}

static gboolean
is_parent_silent (const char *id, gpointer data)
{
  return ((Probe *)data)->is_parent_silent;
}

static void
on_id_taken (gpointer data)
{
  Probe *self = data;

  say ("taken", NULL);
  self->code = 69;
  g_main_loop_quit (self->loop);
}

/* --- commands ----------------------------------------------------------- */

static char *
random_id (void)
{
  return g_strdup_printf ("%08x%08x%08x%08x", g_random_int (), g_random_int (),
                          g_random_int (), g_random_int ());
}

static void
begin (Probe *self, const char *name)
{
  g_autoptr (ClusterStream) stream = cluster_stream_new ();
  g_autofree char *more = NULL;
  ClusterStream floor;

  stream->name = g_strdup (name);
  stream->publication = random_id ();
  stream->info = g_strdup ("{}");
  cluster_member_begin_stream (self->member, stream, &floor);
  more = g_strdup_printf (",\"epoch\":%" G_GUINT64_FORMAT
                          ",\"floor\":%" G_GUINT64_FORMAT,
                          stream->epoch, floor.ext_seq[1]);
  say ("began", more);
}

static void
on_left (const GError *error, gpointer data)
{
  Probe *self = data;

  say (error == NULL ? "left" : "not-left", NULL);
  g_main_loop_quit (self->loop);
}

static gboolean
on_line (GIOChannel *in, GIOCondition condition, gpointer data)
{
  Probe *self = data;
  g_autofree char *line = NULL;

  if (g_io_channel_read_line (in, &line, NULL, NULL, NULL)
      != G_IO_STATUS_NORMAL)
    {
      g_main_loop_quit (self->loop);
      return G_SOURCE_REMOVE;
    }
  g_strchomp (line);
  if (g_str_has_prefix (line, "begin "))
    begin (self, line + 6);
  else if (g_str_has_prefix (line, "end "))
    cluster_member_end_stream (self->member, line + 4);
  else if (g_str_has_prefix (line, "silent "))
    self->is_parent_silent = line[7] == '1';
  else if (strcmp (line, "leave") == 0)
    cluster_member_leave (self->member, on_left, self);
  return G_SOURCE_CONTINUE;
}

static ClusterMember *
make_member (Probe *self, GError **error)
{
  g_autofree char *boot = random_id ();
  ClusterStore *store =
      cluster_store_new_redis (redis_url, prefix, tree, error);
  ClusterMemberConfig config = {
    .store = store,
    .node = { node_id, boot, tree, cluster_roles_from_string (roles), host,
              "http://127.0.0.1:7070", "127.0.0.1:7100",
              base_clock_wall_us () },
    .max_children = (guint)max_children,
    .callbacks = { on_parents_changed, on_stream_changed, on_stream_ended,
                   on_stream_lost, fill_load, fill_stream, is_parent_silent,
                   on_id_taken },
    .data = self,
  };

  return store != NULL ? cluster_member_new (&config) : NULL;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Probe self = { .is_parent_silent = TRUE };

  gst_init (NULL, NULL);
  base_log_init (BASE_LOG_TEXT, "debug");
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)
      || redis_url == NULL || node_id == NULL || roles == NULL)
    {
      fprintf (stderr, "%s\n", error != NULL ? error->message : "what?");
      return 2;
    }
  self.member = make_member (&self, &error);
  if (self.member == NULL)
    {
      fprintf (stderr, "%s\n", error->message);
      return 78;
    }
  self.loop = g_main_loop_new (NULL, FALSE);
  self.in = g_io_channel_unix_new (0);
  g_io_add_watch (self.in, G_IO_IN | G_IO_HUP, on_line, &self);
  g_timeout_add (LOOK_MS, on_look, &self);
  cluster_member_start (self.member);
  g_main_loop_run (self.loop);
  cluster_member_free (self.member);
  g_io_channel_unref (self.in);
  g_main_loop_unref (self.loop);
  g_free (self.state);
  return self.code;
}
