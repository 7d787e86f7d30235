/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl: asks a node, prints what it says. */
#include "node/ctl.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "node/ctl-drain.h"
#include "node/ctl-http.h"
#include "node/ctl-scaling.h"
#include "node/ctl-simulate.h"
#include "node/ctl-text.h"
#include "node/ctl-top-text.h"
#include "node/ctl-top.h"
#include "node/ctl-trace.h"

#define MIN_INTERVAL_S 0.1
#define MAX_INTERVAL_S 3600

static void
options_clear (NodeCtlOptions *self)
{
  g_free (self->url);
  g_free (self->token);
  g_free (self->token_file);
  g_free (self->tls_ca);
  g_free (self->sort);
  g_clear_object (&self->cancellable);
  g_strfreev (self->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NodeCtlOptions, options_clear)

/* --- The command line --------------------------------------------------- */

typedef struct
{
  const char *word;
  guint n_words_min, n_words_max; /* it is one of them */
  const char *path;
  /* Returns: (transfer full) (nullable): the text; NULL: not understood */
  char *(*print) (JsonNode *root, const NodeCtlOptions *options);
  /* without a path: Returns: an exit code */
  int (*run) (const NodeCtlOptions *options);
} Command;

static char *
print_json (JsonNode *node)
{
  g_autofree char *text = json_to_string (node, TRUE);

  return g_strconcat (text, "\n", NULL);
}

static char *
print_nodes (JsonNode *root, const NodeCtlOptions *options)
{
  if (!JSON_NODE_HOLDS_ARRAY (root))
    return NULL;
  return options->as_json ? print_json (root)
                          : node_ctl_text_nodes (json_node_get_array (root),
                                                 base_clock_wall_us ());
}

static char *
print_streams (JsonNode *root, const NodeCtlOptions *options)
{
  JsonNode *streams = NULL;

  if (JSON_NODE_HOLDS_OBJECT (root))
    streams = json_object_get_member (json_node_get_object (root), "streams");
  if (!streams || !JSON_NODE_HOLDS_ARRAY (streams))
    return NULL;
  return options->as_json
             ? print_json (streams)
             : node_ctl_text_streams (json_node_get_array (streams));
}

static char *
print_tree (JsonNode *root, const NodeCtlOptions *options)
{
  if (!JSON_NODE_HOLDS_OBJECT (root)
      || !json_object_has_member (json_node_get_object (root), "nodes"))
    return NULL;
  return options->as_json ? print_json (root)
                          : node_ctl_text_tree (json_node_get_object (root),
                                                g_get_charset (NULL));
}

static int
run_trace (const NodeCtlOptions *options)
{
  return node_ctl_trace_run (options, options->words[1]);
}

static int
run_drain (const NodeCtlOptions *options)
{
  return node_ctl_drain_run (options, options->words[1]);
}

static const Command commands[] = {
  { "nodes", 1, 1, "/api/nodes", print_nodes, NULL },
  { "streams", 1, 1, "/api/tree", print_streams, NULL },
  { "tree", 1, 1, "/api/tree", print_tree, NULL },
  { "top", 1, 1, NULL, NULL, node_ctl_top_run },
  { "trace", 2, 2, NULL, NULL, run_trace },
  { "drain", 1, 2, NULL, NULL, run_drain },
  { "status", 1, 1, NULL, NULL, node_ctl_scaling_run },
  { "check", 1, 1, NULL, NULL, node_ctl_scaling_run },
  { "report", 1, 1, NULL, NULL, node_ctl_scaling_run },
  { "health", 1, 1, NULL, NULL, node_ctl_scaling_run },
  { "policies", 1, 2, NULL, NULL, node_ctl_scaling_run },
  { "history", 1, 1, NULL, NULL, node_ctl_scaling_run },
  { "scale-up", 1, 2, NULL, NULL, node_ctl_scaling_run },
  { "scale-down", 1, 2, NULL, NULL, node_ctl_scaling_run },
  { "approve", 1, 2, NULL, NULL, node_ctl_scaling_run },
  { "reset", 1, 1, NULL, NULL, node_ctl_scaling_run },
  { "rollback", 2, 2, NULL, NULL, node_ctl_scaling_run },
  { "enable", 1, 1, NULL, NULL, node_ctl_scaling_run },
  { "disable", 1, 1, NULL, NULL, node_ctl_scaling_run },
};
#define WORDS "VERB"

static const char summary[] =
    "What a running node knows of its cluster, by VERB:\n"
    "  nodes     who is there, with load and parents\n"
    "  streams   what is published, where, and on how many nodes\n"
    "  tree      who hangs below whom, and which links lose\n"
    "  top       the nodes, live: keys sort, q ends\n"
    "  trace SESSION\n"
    "            the way of one viewer's media, hop by hop: SESSION is"
    " a\n"
    "            WHEP session's id, its first 8 characters as logs"
    " have\n"
    "            them, or SESSION/HANDLE or HANDLE of the Janus API\n"
    "  drain [NODE]\n"
    "            lets all go elsewhere, then ends the node NODE (an id"
    " of\n"
    "            nodes; without it: the node at --url)\n"
    "How many nodes there are, asked of any node:\n"
    "  status    who leads, whether scaling acts, how many there are\n"
    "  check     what would be done now, and why\n"
    "  report    these two, what waits for approval, the last changes\n"
    "  health    what is wrong, if something is\n"
    "  policies [FILE]\n"
    "            shows them, or puts those of FILE in their place\n"
    "  history   what was done, by whom, and why\n"
    "  scale-up [N], scale-down [N]\n"
    "            N egress nodes more or fewer, in whole subtrees; without\n"
    "            N one subtree; it holds for 5 minutes\n"
    "  approve [ID]\n"
    "            says yes to the proposal ID, or to the one that waits\n"
    "  reset     what was asked for by hand holds no longer\n"
    "  rollback ID\n"
    "            takes the last change back; history has its ID\n"
    "  disable, enable\n"
    "            nothing that is decided is done, until it is again\n"
    "Asks nobody, has its own --help:\n"
    "  simulate  what scaling would do with a curve of viewers";

static GOptionContext *
make_context (NodeCtlOptions *options)
{
  const GOptionEntry entries[] = {
    { "url", 'u', 0, G_OPTION_ARG_STRING, &options->url,
      "The node to ask; default " NODE_CTL_DEFAULT_URL, "URL" },
    { "admin-token", 0, 0, G_OPTION_ARG_STRING, &options->token,
      "Its --admin-token; also from " NODE_CTL_TOKEN_VARIABLE, "TOKEN" },
    { "admin-token-file", 0, 0, G_OPTION_ARG_FILENAME, &options->token_file,
      "The same, from a file", "FILE" },
    { "tls-ca", 0, 0, G_OPTION_ARG_FILENAME, &options->tls_ca,
      "Certificates (PEM) to trust for https, instead of the system's",
      "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options->as_json,
      "Print what the node answered, for programs", NULL },
    { "once", 0, 0, G_OPTION_ARG_NONE, &options->is_once,
      "top: print one table, and end", NULL },
    { "interval", 0, 0, G_OPTION_ARG_DOUBLE, &options->interval_s,
      "top: seconds between two looks, 0.1 to 3600; default 1", "SECONDS" },
    { "sort", 0, 0, G_OPTION_ARG_STRING, &options->sort,
      "top: by viewers (default), cpu, memory, out, loss, up, node", "WHAT" },
    { "deadline", 0, 0, G_OPTION_ARG_INT, &options->deadline_s,
      "drain: when it ends, whoever is there, 0 to 86400; default 600",
      "SECONDS" },
    { "wait", 0, 0, G_OPTION_ARG_NONE, &options->is_wait,
      "drain: print who is left, until the node is gone", NULL },
    { "cancel", 0, 0, G_OPTION_ARG_NONE, &options->is_cancel,
      "drain: the node stays after all", NULL },
    { "reject", 0, 0, G_OPTION_ARG_NONE, &options->is_reject,
      "approve: says no", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->words,
      NULL, NULL },
    { NULL },
  };
  GOptionContext *context = g_option_context_new (WORDS);

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_set_summary (context, summary);
  g_option_context_set_description (
      context,
      "Exit codes:\n"
      "  0   printed, done\n"
      "  64  usage\n"
      "  65  policies that are refused\n"
      "  66  no such session, node, proposal or file\n"
      "  69  the node is not reached (trace: nor all that may have it)\n"
      "  75  not now: the policy does not allow it, nobody leads; health:\n"
      "      something is wrong; drain --wait: it stays, or is there after "
      "its\n"
      "      deadline\n"
      "  76  the reply is not understood\n"
      "  77  the node refuses (token)\n"
      "trace, top and drain ask other nodes at their --public-url, with the "
      "same\ntoken.");
  return context;
}

static void
print_help (GOptionContext *context)
{
  g_autofree char *help = g_option_context_get_help (context, TRUE, NULL);
  const char *rest = strstr (help, " " WORDS);

  printf ("Usage:\n  media-tree ctl%s", rest ? rest : "\n");
}

/* find_command: (nullable): as many words as it takes */
static const Command *
find_command (const NodeCtlOptions *options)
{
  guint n_words = options->words ? g_strv_length (options->words) : 0;

  for (guint i = 0; n_words > 0 && i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].word, options->words[0]))
      return n_words >= commands[i].n_words_min
                     && n_words <= commands[i].n_words_max
                 ? &commands[i]
                 : NULL;
  return NULL;
}

/* read_token: from the option, a file, the environment, in this order */
static gboolean
read_token (NodeCtlOptions *options, GError **error)
{
  if (options->token)
    return TRUE;
  if (options->token_file)
    {
      if (!g_file_get_contents (options->token_file, &options->token, NULL,
                                error))
        return FALSE;
      g_strstrip (options->token);
      return TRUE;
    }
  options->token = g_strdup (g_getenv (NODE_CTL_TOKEN_VARIABLE));
  return TRUE;
}

/* --- All together ------------------------------------------------------- */

static int
run_plain (const Command *command, const NodeCtlOptions *options)
{
  g_autoptr (NodeCtlReply) reply =
      node_ctl_get (options, options->url, command->path);
  g_autofree char *text = NULL;
  int code = node_ctl_check (options, reply);

  if (code >= 0)
    return code;
  text = command->print (reply->root, options);
  if (!text)
    return node_ctl_fail_not_understood (options->url);
  fputs (text, stdout);
  if (fflush (stdout) != 0)
    return node_ctl_fail (EX_IOERR, "cannot print: %s", g_strerror (errno));
  return EX_OK;
}

/* Returns: an exit code; -1: they are fine */
static int
check_top (const NodeCtlOptions *options)
{
  g_autofree char *words = node_ctl_sort_dup_words ();

  if (options->sort
      && node_ctl_sort_from_word (options->sort) == NODE_CTL_N_SORTS)
    return node_ctl_fail (EX_USAGE, "--sort: \"%s\" is none of %s",
                          options->sort, words);
  if (options->interval_s != 0
      && !(options->interval_s >= MIN_INTERVAL_S
           && options->interval_s <= MAX_INTERVAL_S))
    return node_ctl_fail (EX_USAGE, "--interval: %g is not 0.1 to 3600 s",
                          options->interval_s);
  return -1;
}

static int
run (const Command *command, NodeCtlOptions *options)
{
  int code = check_top (options);

  if (code >= 0)
    return code;
  while (g_str_has_suffix (options->url, "/"))
    options->url[strlen (options->url) - 1] = '\0';
  if (command->path)
    return run_plain (command, options);
  return command->run (options);
}

int
node_ctl_run (char **argv)
{
  g_auto (NodeCtlOptions) options = { .deadline_s = NODE_CTL_NOT_SAID };
  g_autoptr (GOptionContext) context = make_context (&options);
  g_autoptr (GError) error = NULL;
  const Command *command;
  /* GOption takes the first word for the program's name */
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) words = NULL;

  if (argv[0] != NULL && g_str_equal (argv[0], "simulate"))
    return node_ctl_simulate_run (argv + 1);
  setlocale (LC_ALL, "");
  g_strv_builder_add (builder, "ctl");
  g_strv_builder_addv (builder, (const char **)argv);
  words = g_strv_builder_end (builder);
  if (g_strv_contains ((const char *const *)words, "--help")
      || g_strv_contains ((const char *const *)words, "-h"))
    {
      print_help (context);
      return EX_OK;
    }
  if (!g_option_context_parse_strv (context, &words, &error))
    return node_ctl_fail (EX_USAGE, "%s; see media-tree ctl --help",
                          error->message);
  command = find_command (&options);
  if (!command)
    return node_ctl_fail (
        EX_USAGE, "say one of nodes, streams, tree, top, trace SESSION, "
                  "drain [NODE], or a verb of scaling; see media-tree ctl "
                  "--help");
  if (!read_token (&options, &error))
    return node_ctl_fail (EX_USAGE, "--admin-token-file: %s", error->message);
  options.cancellable = g_cancellable_new ();
  if (!options.url)
    options.url = g_strdup (NODE_CTL_DEFAULT_URL);
  return run (command, &options);
}
