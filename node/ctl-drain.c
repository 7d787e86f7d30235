/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-drain: see the header. */
#include "node/ctl-drain.h"

#include <libsoup/soup.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "node/ctl-json.h"

#define PATH "/api/drain"
#define LOOK_US (BASE_US_PER_S / 4)
#define SHOWN_BYTES 64 /* of a node's id that is none */

/* --- where it is ---------------------------------------------------------- */

static int
fail_unknown (const NodeCtlOptions *options, const char *id, guint n_nodes)
{
  g_autofree char *shown =
      node_ctl_tame (g_strndup (id, MIN (strlen (id), SHOWN_BYTES)));

  return node_ctl_fail (EX_NOINPUT,
                        "%s knows no node %s; it knows %u: see media-tree ctl "
                        "nodes",
                        options->url, shown, n_nodes);
}

/* take_url: of @node, whose id is @id. Returns: an exit code; -1: @ret_url is
 * its address (transfer full) */
static int
take_url (const NodeCtlOptions *options, JsonObject *node, const char *id,
          char **ret_url)
{
  g_autofree char *url = node_ctl_dup_text (node, "url");

  if (node_ctl_get_bool (node, "self", FALSE))
    *ret_url = g_strdup (options->url);
  else if (!node_ctl_get_bool (node, "alive", FALSE))
    return node_ctl_fail (EX_UNAVAILABLE, "the node %s is dead", id);
  else if (g_str_equal (url, "-"))
    return node_ctl_fail (EX_UNAVAILABLE,
                          "the node %s has no --public-url: ask it itself, by "
                          "--url and without NODE",
                          id);
  else
    *ret_url = g_steal_pointer (&url);
  return -1;
}

/* find_url: as take_url, of the node that is called @id */
static int
find_url (const NodeCtlOptions *options, const char *id, char **ret_url)
{
  g_autoptr (NodeCtlReply) list =
      node_ctl_get (options, options->url, "/api/nodes");
  int code = node_ctl_check (options, list);
  JsonArray *nodes;

  if (code >= 0)
    return code;
  if (!JSON_NODE_HOLDS_ARRAY (list->root))
    return node_ctl_fail_not_understood (options->url);
  nodes = json_node_get_array (list->root);
  for (guint i = 0; i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = node_ctl_get_element (nodes, i);
      g_autofree char *name = node ? node_ctl_dup_text (node, "id") : NULL;

      if (name && g_str_equal (name, id))
        return take_url (options, node, id, ret_url);
    }
  return fail_unknown (options, id, json_array_get_length (nodes));
}

/* --- what it says --------------------------------------------------------- */

/* get_drain: (transfer none) (nullable): what a good reply says */
static JsonObject *
get_drain (const NodeCtlReply *reply)
{
  JsonObject *said;

  if (!reply->root || !JSON_NODE_HOLDS_OBJECT (reply->root))
    return NULL;
  said = json_node_get_object (reply->root);
  return json_object_has_member (said, "draining") ? said : NULL;
}

static gboolean
is_draining (JsonObject *said)
{
  return node_ctl_get_bool (said, "draining", FALSE);
}

/* dup_line: (transfer full) */
static char *
dup_line (const NodeCtlOptions *options, const NodeCtlReply *reply)
{
  JsonObject *said = get_drain (reply);
  g_autofree char *node = node_ctl_dup_text (said, "node");
  GString *line;

  if (options->as_json)
    return json_to_string (reply->root, FALSE);
  line = g_string_new (NULL);
  g_string_printf (line,
                   "%s %s: %" G_GINT64_FORMAT " viewers, %" G_GINT64_FORMAT
                   " publishers, %" G_GINT64_FORMAT " children are there",
                   node, is_draining (said) ? "drains" : "stays",
                   node_ctl_get_int (said, "viewers"),
                   node_ctl_get_int (said, "publishers"),
                   node_ctl_get_int (said, "children"));
  if (is_draining (said))
    g_string_append_printf (
        line,
        "; told to move %" G_GINT64_FORMAT " times, %" G_GINT64_FORMAT
        " cannot be told; %" G_GINT64_FORMAT " s at most",
        node_ctl_get_int (said, "told"), node_ctl_get_int (said, "untold"),
        node_ctl_get_int (said, "deadline_s"));
  return g_string_free (line, FALSE);
}

/* print: Returns: an exit code; -1: it is printed */
static int
print (const char *line)
{
  if (printf ("%s\n", line) < 0 || fflush (stdout) != 0)
    return node_ctl_fail (EX_IOERR, "cannot print");
  return -1;
}

/* --- until it is gone ----------------------------------------------------- */

typedef struct
{
  const NodeCtlOptions *options; /* borrowed */
  const char *url;               /* borrowed: the node's */
  char *node;                    /* owned: its id, as it says it */
  gint64 numbers[4];             /* that were printed last */
  gint64 end_us, heard_us;       /* its deadline; when it last answered */
} Wait;

static void
wait_clear (Wait *self)
{
  g_free (self->node);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Wait, wait_clear)

/* note: Returns: %TRUE: the numbers are others */
static gboolean
note (Wait *self, JsonObject *said, gint64 now_us)
{
  static const char *const names[] = { "viewers", "publishers", "children",
                                       "told" };
  gboolean has_changed = FALSE;
  gint64 left_s = node_ctl_get_int (said, "deadline_s");

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      gint64 number = node_ctl_get_int (said, names[i]);

      has_changed = has_changed || number != self->numbers[i];
      self->numbers[i] = number;
    }
  self->heard_us = now_us;
  self->end_us =
      now_us + CLAMP (left_s, 0, NODE_CTL_DRAIN_MAX_S) * BASE_US_PER_S;
  return has_changed;
}

static int
end_gone (Wait *self)
{
  g_autofree char *line = NULL;
  int code;

  if (self->options->as_json)
    return EX_OK;
  line = g_strdup_printf ("%s is gone", self->node);
  code = print (line);
  return code < 0 ? EX_OK : code;
}

/* on_answer: Returns: an exit code; -1: it is still there */
static int
on_answer (Wait *self, const NodeCtlReply *reply, gint64 now_us)
{
  JsonObject *said;
  g_autofree char *node = NULL, *line = NULL;
  int code = node_ctl_check (self->options, reply);

  if (code >= 0)
    return code;
  said = get_drain (reply);
  if (!said)
    return node_ctl_fail_not_understood (self->url);
  node = node_ctl_dup_text (said, "node");
  if (!g_str_equal (node, self->node)) /* it has taken the address over */
    return end_gone (self);
  if (!is_draining (said))
    return node_ctl_fail (EX_TEMPFAIL,
                          "%s drains no more: it was told to stay, or was "
                          "started anew",
                          self->node);
  if (!note (self, said, now_us))
    return -1;
  line = dup_line (self->options, reply);
  return print (line);
}

/* is_away: nobody answers, or only who stands before it */
static gboolean
is_away (const NodeCtlReply *reply)
{
  return reply->status == 0 || reply->status == SOUP_STATUS_BAD_GATEWAY
         || reply->status == SOUP_STATUS_SERVICE_UNAVAILABLE
         || reply->status == SOUP_STATUS_GATEWAY_TIMEOUT;
}

/* look: Returns: an exit code; -1: it is still there, or may be */
static int
look (Wait *self)
{
  g_autoptr (NodeCtlReply) reply =
      node_ctl_get (self->options, self->url, PATH);
  gint64 now_us = base_clock_now_us ();

  if (!is_away (reply))
    return on_answer (self, reply, now_us);
  if (g_error_matches (reply->error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED)
      || now_us - self->heard_us >= NODE_CTL_DRAIN_LOST_S * BASE_US_PER_S)
    return end_gone (self);
  return -1;
}

static int
wait_gone (const NodeCtlOptions *options, const char *url, JsonObject *said)
{
  g_auto (Wait) self = { .options = options,
                         .url = url,
                         .node = node_ctl_dup_text (said, "node") };
  int code = -1;

  note (&self, said, base_clock_now_us ());
  while (code < 0)
    {
      if (base_clock_now_us ()
          >= self.end_us + NODE_CTL_DRAIN_GRACE_S * BASE_US_PER_S)
        return node_ctl_fail (EX_TEMPFAIL,
                              "%s is there %d s after its deadline", self.node,
                              NODE_CTL_DRAIN_GRACE_S);
      g_usleep (LOOK_US);
      code = look (&self);
    }
  return code;
}

/* --- all together --------------------------------------------------------- */

static gboolean
has_deadline (const NodeCtlOptions *options)
{
  return options->deadline_s != NODE_CTL_NOT_SAID;
}

/* check: Returns: an exit code; -1: the options are fine */
static int
check (const NodeCtlOptions *options)
{
  if (options->is_cancel && (options->is_wait || has_deadline (options)))
    return node_ctl_fail (EX_USAGE,
                          "--cancel goes with neither --wait nor --deadline");
  if (has_deadline (options)
      && (options->deadline_s < 0
          || options->deadline_s > NODE_CTL_DRAIN_MAX_S))
    return node_ctl_fail (EX_USAGE, "--deadline: %d is not 0 to %d s",
                          options->deadline_s, NODE_CTL_DRAIN_MAX_S);
  return -1;
}

/* tell: (transfer full) */
static NodeCtlReply *
tell (const NodeCtlOptions *options, const char *url)
{
  g_autofree char *body = NULL;

  if (options->is_cancel)
    return node_ctl_send (options, url, PATH, SOUP_METHOD_DELETE, NULL);
  if (has_deadline (options))
    body = g_strdup_printf ("{\"deadline_s\": %d}", options->deadline_s);
  return node_ctl_send (options, url, PATH, SOUP_METHOD_POST, body);
}

int
node_ctl_drain_run (const NodeCtlOptions *options, const char *node)
{
  g_autofree char *url = NULL, *line = NULL;
  g_autoptr (NodeCtlReply) reply = NULL;
  int code = check (options);

  if (code < 0 && node)
    code = find_url (options, node, &url);
  if (code >= 0)
    return code;
  if (!url)
    url = g_strdup (options->url);
  reply = tell (options, url);
  code = node_ctl_check (options, reply);
  if (code >= 0)
    return code;
  if (!get_drain (reply))
    return node_ctl_fail_not_understood (url);
  line = dup_line (options, reply);
  code = print (line);
  if (code >= 0)
    return code;
  return options->is_wait ? wait_gone (options, url, get_drain (reply)) : EX_OK;
}
