/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-scaling: see the header. */
#include "node/ctl-scaling.h"

#include <libsoup/soup.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "node/ctl-json.h"
#include "node/ctl-scaling-text.h"

#define API "/api/autoscaling/"
#define N_REPORTED "10" /* entries of the history */
#define MAX_NODES 65536
#define TOO_MANY_REQUESTS 429 /* RFC 6585; libsoup has no name for it */

/* --- asking ------------------------------------------------------------- */

/* check: what the API refuses, in its words, by what helps.
 * Returns: an exit code; -1: it is fine, and an object */
static int
check (const NodeCtlOptions *options, const NodeCtlReply *reply)
{
  g_autofree char *problem = NULL;
  int code;

  switch (reply->status)
    {
    case SOUP_STATUS_BAD_REQUEST:
    case SOUP_STATUS_UNPROCESSABLE_ENTITY:
      code = EX_DATAERR;
      break;
    case SOUP_STATUS_NOT_FOUND:
      code = EX_NOINPUT;
      break;
    case SOUP_STATUS_CONFLICT:
    case TOO_MANY_REQUESTS:
    case SOUP_STATUS_SERVICE_UNAVAILABLE:
      code = EX_TEMPFAIL;
      break;
    default:
      code = node_ctl_check (options, reply);
      if (code < 0 && !JSON_NODE_HOLDS_OBJECT (reply->root))
        code = node_ctl_fail_not_understood (reply->url);
      return code;
    }
  problem = node_ctl_dup_problem (reply);
  return node_ctl_fail (code, "%s: %s", reply->url, problem);
}

/* get: Returns: an exit code; -1: @ret is an object's reply (transfer full) */
static int
get (const NodeCtlOptions *options, const char *what, NodeCtlReply **ret)
{
  g_autofree char *path = g_strconcat (API, what, NULL);

  *ret = node_ctl_get (options, options->url, path);
  return check (options, *ret);
}

/* send: the same, of a POST of @body (nullable) */
static int
send (const NodeCtlOptions *options, const char *what, const char *body,
      NodeCtlReply **ret)
{
  g_autofree char *path = g_strconcat (API, what, NULL);

  *ret = node_ctl_send (options, options->url, path, SOUP_METHOD_POST, body);
  return check (options, *ret);
}

static int
print (const char *text)
{
  return fputs (text, stdout) < 0 || fflush (stdout) != 0
             ? node_ctl_fail (EX_IOERR, "cannot print")
             : EX_OK;
}

static int
print_json (const NodeCtlReply *reply)
{
  g_autofree char *text = json_to_string (reply->root, TRUE);
  g_autofree char *line = g_strconcat (text, "\n", NULL);

  return print (line);
}

/* --- what is looked at ---------------------------------------------------- */

typedef char *(*TextFunc) (JsonObject *reply);

static int
show (const NodeCtlOptions *options, const char *what, TextFunc func)
{
  g_autoptr (NodeCtlReply) reply = NULL;
  g_autofree char *text = NULL;
  int code = get (options, what, &reply);

  if (code >= 0)
    return code;
  if (options->as_json)
    return print_json (reply);
  text = func (json_node_get_object (reply->root));
  return print (text);
}

static int
run_status (const NodeCtlOptions *options)
{
  return show (options, "status", node_ctl_text_scaling_status);
}

static int
run_check (const NodeCtlOptions *options)
{
  return show (options, "recommendations", node_ctl_text_scaling_check);
}

static int
run_history (const NodeCtlOptions *options)
{
  return show (options, "history/egress", node_ctl_text_scaling_history);
}

static int
run_report (const NodeCtlOptions *options)
{
  static const struct
  {
    const char *title, *what;
    TextFunc func;
  } parts[] = {
    { "Status", "status", node_ctl_text_scaling_status },
    { "Recommended", "recommendations", node_ctl_text_scaling_check },
    { "Approval", "approvals", node_ctl_text_scaling_approvals },
    { "History", "history/egress?limit=" N_REPORTED,
      node_ctl_text_scaling_history },
  };
  g_autoptr (GString) out = g_string_new (NULL);
  JsonObject *all = json_object_new ();
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (root, all);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autoptr (NodeCtlReply) reply = NULL;
      g_autofree char *text = NULL;
      int code = get (options, parts[i].what, &reply);

      if (code >= 0)
        return code;
      json_object_set_member (all, parts[i].title,
                              json_node_copy (reply->root));
      text = parts[i].func (json_node_get_object (reply->root));
      g_string_append_printf (out, "%s%s\n%s", i > 0 ? "\n" : "",
                              parts[i].title, text);
    }
  if (options->as_json)
    {
      g_autofree char *text = json_to_string (root, TRUE);

      g_string_printf (out, "%s\n", text);
    }
  return print (out->str);
}

static int
run_health (const NodeCtlOptions *options)
{
  g_autoptr (NodeCtlReply) reply = NULL;
  g_autofree char *text = NULL;
  gboolean is_well;
  int code = get (options, "status", &reply);

  if (code >= 0)
    return code;
  text = node_ctl_text_scaling_health (json_node_get_object (reply->root),
                                       base_clock_wall_us (), &is_well);
  code = options->as_json ? print_json (reply) : print (text);
  return code != EX_OK || is_well ? code : EX_TEMPFAIL;
}

/* --- what is asked for ---------------------------------------------------- */

static int
run_policies (const NodeCtlOptions *options)
{
  const char *path = options->words[1];
  g_autoptr (NodeCtlReply) reply = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *body = NULL, *line = NULL;
  int code;

  if (path && !g_file_get_contents (path, &body, NULL, &error))
    return node_ctl_fail (EX_NOINPUT, "%s", error->message);
  code = path ? send (options, "policies", body, &reply)
              : get (options, "policies", &reply);
  if (code >= 0)
    return code;
  if (!path || options->as_json)
    return print_json (reply);
  line = g_strdup_printf (
      "the policies are version %" G_GINT64_FORMAT " now; ctl history has the "
      "one before\n",
      node_ctl_get_int (json_node_get_object (reply->root), "version"));
  return print (line);
}

static int
run_switch (const NodeCtlOptions *options)
{
  gboolean is_on = g_str_equal (options->words[0], "enable");
  g_autoptr (NodeCtlReply) reply = NULL;
  int code = send (options, "enable",
                   is_on ? "{\"enabled\":true,\"reason\":\"ctl enable\"}"
                         : "{\"enabled\":false,\"reason\":\"ctl disable\"}",
                   &reply);

  if (code >= 0)
    return code;
  if (options->as_json)
    return print_json (reply);
  return print (is_on ? "scaling acts on what it decides\n"
                      : "scaling changes nothing from now on; the nodes that "
                        "there are stay\n");
}

/* print_done: @line, and why nothing follows from it, where nothing does */
static int
print_done (NodeCtlReply *reply, const char *line)
{
  JsonObject *done = json_node_get_object (reply->root);
  g_autofree char *why = node_ctl_dup_text (done, "why");
  g_autofree char *more = NULL;

  if (json_object_get_boolean_member_with_default (done, "carriedOut", TRUE))
    return print (line);
  more = g_strdup_printf ("%sonly written down: %s\n", line, why);
  return print (more);
}

static const char *
plural (gint64 n)
{
  return n == 1 ? "" : "s";
}

/* set: as many subtrees as are desired, and @n_more */
static int
set (const NodeCtlOptions *options, gint64 n_nodes, int way, gboolean holds)
{
  g_autoptr (NodeCtlReply) reply = NULL, done = NULL;
  g_autofree char *body = NULL, *line = NULL;
  JsonObject *status, *subtrees;
  gint64 n_each, n_more, n_desired, n_then;
  int code = get (options, "status", &reply);

  if (code >= 0)
    return code;
  status = node_ctl_get_object (json_node_get_object (reply->root), "status");
  subtrees = status ? node_ctl_get_object (status, "subtrees") : NULL;
  if (!subtrees)
    return node_ctl_fail_not_understood (options->url);
  if (!json_object_has_member (subtrees, "static"))
    return node_ctl_fail (EX_TEMPFAIL,
                          "nobody leads, or the leader has not counted the "
                          "nodes yet");
  n_each =
      CLAMP (node_ctl_get_int (subtrees, "egressPerSubtree"), 1, MAX_NODES);
  n_more = n_nodes < 0 ? 1 : (n_nodes + n_each - 1) / n_each;
  n_desired = node_ctl_get_int (subtrees, "desired");
  n_then = MAX (0, n_desired + way * n_more);
  body = g_strdup_printf (
      "{\"replicas\":%" G_GINT64_FORMAT ",\"reason\":\"ctl %s\"%s}",
      node_ctl_get_int (subtrees, "static") + n_then * n_each,
      options->words[0], holds ? "" : ",\"holdFor\":0");
  code = send (options, "test/egress", body, &done);
  if (code >= 0)
    return code;
  if (options->as_json)
    return print_json (done);
  if (holds)
    line = g_strdup_printf (
        "%" G_GINT64_FORMAT " subtree%s desired, %" G_GINT64_FORMAT
        " before; %" G_GINT64_FORMAT " egress node%s each\n",
        n_then, plural (n_then), n_desired, n_each, plural (n_each));
  else
    line = g_strdup_printf ("no number by hand holds; %" G_GINT64_FORMAT
                            " subtree%s desired\n",
                            n_then, plural (n_then));
  return print_done (done, line);
}

static int
run_scale (const NodeCtlOptions *options)
{
  int way = g_str_equal (options->words[0], "scale-up") ? 1 : -1;
  const char *text = options->words[1];
  guint64 n_nodes = 0;

  if (text
      && !g_ascii_string_to_unsigned (text, 10, 1, MAX_NODES, &n_nodes, NULL))
    return node_ctl_fail (EX_USAGE, "%s: say a number from 1 to %d",
                          options->words[0], MAX_NODES);
  return set (options, text ? (gint64)n_nodes : -1, way, TRUE);
}

static int
run_rollback (const NodeCtlOptions *options)
{
  g_autofree char *escaped =
      g_uri_escape_string (options->words[1], NULL, FALSE);
  g_autofree char *what = g_strconcat ("rollback/", escaped, NULL);
  g_autoptr (NodeCtlReply) reply = NULL;
  int code = send (options, what, "{\"reason\":\"ctl rollback\"}", &reply);

  if (code >= 0)
    return code;
  return options->as_json ? print_json (reply)
                          : print_done (reply, "taken back\n");
}

static int
run_reset (const NodeCtlOptions *options)
{
  return set (options, 0, 0, FALSE);
}

/* find_waiting: (transfer full) (nullable): the id that waits */
static char *
find_waiting (JsonObject *reply)
{
  JsonArray *rows = node_ctl_get_array (reply, "approvals");
  JsonObject *row = rows && json_array_get_length (rows) > 0
                        ? node_ctl_get_element (rows, 0)
                        : NULL;
  g_autofree char *state = row ? node_ctl_dup_text (row, "state") : NULL;

  return g_strcmp0 (state, "waiting") == 0 ? node_ctl_dup_text (row, "id")
                                           : NULL;
}

static int
run_approve (const NodeCtlOptions *options)
{
  g_autoptr (NodeCtlReply) list = NULL, done = NULL;
  g_autofree char *id = g_strdup (options->words[1]);
  g_autofree char *escaped = NULL, *what = NULL, *line = NULL;
  int code = id ? -1 : get (options, "approvals", &list);

  if (code >= 0)
    return code;
  if (!id)
    id = find_waiting (json_node_get_object (list->root));
  if (!id)
    return node_ctl_fail (EX_NOINPUT, "nothing waits for approval");
  escaped = g_uri_escape_string (id, NULL, FALSE);
  what = g_strconcat ("approvals/", escaped, NULL);
  code = send (
      options, what,
      options->is_reject ? "{\"approve\":false}" : "{\"approve\":true}", &done);
  if (code >= 0)
    return code;
  if (options->as_json)
    return print_json (done);
  line = g_strdup_printf ("%s %s\n", id,
                          options->is_reject ? "rejected" : "approved");
  return print_done (done, line);
}

/* --- all together ------------------------------------------------------- */

int
node_ctl_scaling_run (const NodeCtlOptions *options)
{
  static const struct
  {
    const char *word;
    int (*run) (const NodeCtlOptions *options);
  } verbs[] = {
    { "status", run_status },     { "check", run_check },
    { "report", run_report },     { "health", run_health },
    { "policies", run_policies }, { "history", run_history },
    { "scale-up", run_scale },    { "scale-down", run_scale },
    { "approve", run_approve },   { "reset", run_reset },
    { "enable", run_switch },     { "disable", run_switch },
    { "rollback", run_rollback },
  };

  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (options->words[0], verbs[i].word))
      return verbs[i].run (options);
  g_return_val_if_reached (EX_SOFTWARE);
}
