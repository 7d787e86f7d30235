/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-trace: see the header. */
#include "node/ctl-trace.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "node/ctl-json.h"
#include "node/ctl-path.h"

#define ID_CHARS                                                               \
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/"
#define MAX_ID_CHARS 64
#define NOT_FOUND 404

typedef struct
{
  const NodeCtlOptions *options; /* borrowed */
  NodeCtlReply *list;            /* owned: of /api/nodes */
  JsonArray *nodes;              /* borrowed from it */
  NodeCtlReply *session;         /* owned (nullable) */
  GHashTable *paths;             /* owned: node -> JsonObject, referenced */
  GPtrArray *unreached;          /* owned: "id (why)" */
} Trace;

static void
trace_clear (Trace *self)
{
  node_ctl_reply_free (self->list);
  node_ctl_reply_free (self->session);
  g_hash_table_unref (self->paths);
  g_ptr_array_unref (self->unreached);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Trace, trace_clear)

/* dup_url: (transfer full) (nullable): of a node that lives. The one that was
 * asked first is where it was reached. */
static char *
dup_url (Trace *self, JsonObject *node)
{
  g_autofree char *url = node_ctl_dup_text (node, "url");

  if (node_ctl_get_bool (node, "self", FALSE))
    return g_strdup (self->options->url);
  return node_ctl_get_bool (node, "alive", FALSE) && !g_str_equal (url, "-")
             ? g_steal_pointer (&url)
             : NULL;
}

/* find_node: (nullable) */
static JsonObject *
find_node (Trace *self, const char *id)
{
  for (guint i = 0; i < json_array_get_length (self->nodes); i++)
    {
      JsonObject *node = node_ctl_get_element (self->nodes, i);
      g_autofree char *name = node ? node_ctl_dup_text (node, "id") : NULL;

      if (name && g_str_equal (name, id))
        return node;
    }
  return NULL;
}

static void
add_unreached (Trace *self, const char *who, const char *why)
{
  g_ptr_array_add (self->unreached, g_strdup_printf ("%s (%s)", who, why));
}

/* is_object: a good reply that is an object */
static gboolean
is_object (const NodeCtlReply *reply)
{
  return reply->status == 200 && reply->root
         && JSON_NODE_HOLDS_OBJECT (reply->root);
}

/* --- who has him -----------------------------------------------------------
 */

static int
read_nodes (Trace *self)
{
  int code;

  self->list = node_ctl_get (self->options, self->options->url, "/api/nodes");
  code = node_ctl_check (self->options, self->list);
  if (code >= 0)
    return code;
  if (!JSON_NODE_HOLDS_ARRAY (self->list->root))
    return node_ctl_fail_not_understood (self->options->url);
  self->nodes = json_node_get_array (self->list->root);
  return -1;
}

static int
fail_unknown (Trace *self, const char *id, guint n_asked)
{
  g_autofree char *list = NULL;

  if (self->unreached->len == 0)
    return node_ctl_fail (EX_NOINPUT,
                          "no viewer has the session %s: %u nodes were asked",
                          id, n_asked);
  g_ptr_array_add (self->unreached, NULL);
  list = g_strjoinv (", ", (char **)self->unreached->pdata);
  return node_ctl_fail (EX_UNAVAILABLE,
                        "the session %s is not found, and not all nodes could "
                        "be asked: %s",
                        id, list);
}

static int
find_session (Trace *self, const char *id)
{
  g_autofree char *path = g_strconcat ("/api/sessions/", id, NULL);
  g_autoptr (GPtrArray) urls = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) replies = NULL;

  for (guint i = 0; i < json_array_get_length (self->nodes); i++)
    {
      JsonObject *node = node_ctl_get_element (self->nodes, i);
      char *url = node ? dup_url (self, node) : NULL;

      if (url)
        g_ptr_array_add (urls, url);
    }
  replies = node_ctl_get_all (self->options, urls, path);
  for (guint i = 0; i < replies->len; i++)
    {
      NodeCtlReply *reply = replies->pdata[i];

      if (is_object (reply))
        {
          replies->pdata[i] = NULL;
          self->session = reply;
          return -1;
        }
      if (reply->status != NOT_FOUND)
        {
          g_autofree char *why = node_ctl_dup_problem (reply);

          add_unreached (self, reply->url, why);
        }
    }
  return fail_unknown (self, id, urls->len);
}

/* --- from him up ------------------------------------------------------------
 */

/* ask_paths: @names: (element-type utf8): which have no path yet */
static void
ask_paths (Trace *self, GPtrArray *names, const char *path)
{
  g_autoptr (GPtrArray) urls = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) ids = g_ptr_array_new ();
  g_autoptr (GPtrArray) replies = NULL;

  for (guint i = 0; i < names->len; i++)
    {
      JsonObject *node = find_node (self, names->pdata[i]);
      char *url = node ? dup_url (self, node) : NULL;

      if (url)
        {
          g_ptr_array_add (urls, url);
          g_ptr_array_add (ids, names->pdata[i]);
          continue;
        }
      add_unreached (self, names->pdata[i], "not alive");
      g_hash_table_insert (self->paths, g_strdup (names->pdata[i]),
                           json_object_new ());
    }
  replies = node_ctl_get_all (self->options, urls, path);
  for (guint i = 0; i < replies->len; i++)
    {
      NodeCtlReply *reply = replies->pdata[i];
      JsonObject *object =
          is_object (reply)
              ? json_object_ref (json_node_get_object (reply->root))
              : json_object_new ();

      g_hash_table_insert (self->paths, g_strdup (ids->pdata[i]), object);
      if (!is_object (reply))
        {
          g_autofree char *why = node_ctl_dup_problem (reply);

          add_unreached (self, ids->pdata[i], why);
        }
    }
}

static void
walk (Trace *self, JsonObject *session)
{
  g_autofree char *node = node_ctl_dup_text (session, "node");
  g_autofree char *stream = node_ctl_dup_text (session, "stream");
  g_autofree char *escaped = g_uri_escape_string (stream, NULL, FALSE);
  g_autofree char *path = g_strdup_printf ("/api/streams/%s/path", escaped);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  g_ptr_array_add (names, node);
  for (guint i = 0; i <= NODE_CTL_MAX_DEPTH && names->len > 0
                    && g_hash_table_size (self->paths) + names->len
                           <= NODE_CTL_MAX_PATH_NODES;
       i++)
    {
      ask_paths (self, names, path);
      g_ptr_array_unref (names);
      names = node_ctl_path_next (self->paths);
    }
}

/* --- all together ------------------------------------------------------------
 */

static void
set_unreached (Trace *self, JsonObject *trace)
{
  JsonArray *list = json_array_new ();

  for (guint i = 0; i < self->unreached->len; i++)
    json_array_add_string_element (list, self->unreached->pdata[i]);
  json_object_set_array_member (trace, "unreached", list);
}

static int
print (Trace *self, JsonObject *trace)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;

  json_node_set_object (node, trace);
  text = self->options->as_json ? json_to_string (node, TRUE)
                                : node_ctl_path_text (trace);
  fputs (text, stdout);
  if (self->options->as_json)
    fputc ('\n', stdout);
  if (fflush (stdout) != 0)
    return node_ctl_fail (EX_IOERR, "cannot print");
  return EX_OK;
}

int
node_ctl_trace_run (const NodeCtlOptions *options, const char *session)
{
  g_auto (Trace) self = {
    .options = options,
    .paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                    (GDestroyNotify)json_object_unref),
    .unreached = g_ptr_array_new_with_free_func (g_free),
  };
  g_autoptr (JsonObject) trace = NULL;
  JsonObject *found;
  int code;

  if (*session == '\0' || strlen (session) > MAX_ID_CHARS
      || strspn (session, ID_CHARS) != strlen (session))
    return node_ctl_fail (EX_USAGE,
                          "\"%s\" is no session: say a WHEP session's id, its "
                          "first 8 characters as logs have them, or "
                          "SESSION/HANDLE of the Janus API",
                          session);
  code = read_nodes (&self);
  if (code < 0)
    code = find_session (&self, session);
  if (code >= 0)
    return code;
  found = json_node_get_object (self.session->root);
  g_ptr_array_set_size (self.unreached, 0); /* of those who were not needed */
  walk (&self, found);
  trace = node_ctl_path_make (found, self.paths, self.nodes);
  set_unreached (&self, trace);
  return print (&self, trace);
}
