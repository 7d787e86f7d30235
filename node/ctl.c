/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl: asks a node, prints what it says. */
#include "node/ctl.h"

#include <libsoup/soup.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "node/ctl-simulate.h"
#include "node/ctl-text.h"

#define DEFAULT_URL "http://127.0.0.1:7070"
#define TOKEN_VARIABLE "MEDIA_TREE_ADMIN_TOKEN"
#define TIMEOUT_S 10
#define MAX_REPLY_BYTES (64 * 1024 * 1024)

typedef struct
{
  char *url, *token, *token_file, *tls_ca; /* owned */
  gboolean as_json;
  char **words; /* owned */
} Options;

static void
options_clear (Options *self)
{
  g_free (self->url);
  g_free (self->token);
  g_free (self->token_file);
  g_free (self->tls_ca);
  g_strfreev (self->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static int fail (int code, const char *format, ...) G_GNUC_PRINTF (2, 3);

static int
fail (int code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  fprintf (stderr, "media-tree ctl: %s\n", text);
  return code;
}

/* --- The command line --------------------------------------------------- */

typedef struct
{
  const char *word, *path;
  /* Returns: (transfer full) (nullable): the text; NULL: not understood */
  char *(*print) (JsonNode *root, const Options *options);
} Command;

static char *
print_json (JsonNode *node)
{
  g_autofree char *text = json_to_string (node, TRUE);

  return g_strconcat (text, "\n", NULL);
}

static char *
print_nodes (JsonNode *root, const Options *options)
{
  if (!JSON_NODE_HOLDS_ARRAY (root))
    return NULL;
  return options->as_json ? print_json (root)
                          : node_ctl_text_nodes (json_node_get_array (root),
                                                 base_clock_wall_us ());
}

static char *
print_streams (JsonNode *root, const Options *options)
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
print_tree (JsonNode *root, const Options *options)
{
  if (!JSON_NODE_HOLDS_OBJECT (root)
      || !json_object_has_member (json_node_get_object (root), "nodes"))
    return NULL;
  return options->as_json ? print_json (root)
                          : node_ctl_text_tree (json_node_get_object (root),
                                                g_get_charset (NULL));
}

static const Command commands[] = {
  { "nodes", "/api/nodes", print_nodes },
  { "streams", "/api/tree", print_streams },
  { "tree", "/api/tree", print_tree },
};

static GOptionContext *
make_context (Options *options)
{
  const GOptionEntry entries[] = {
    { "url", 'u', 0, G_OPTION_ARG_STRING, &options->url,
      "The node to ask; default " DEFAULT_URL, "URL" },
    { "admin-token", 0, 0, G_OPTION_ARG_STRING, &options->token,
      "Its --admin-token; also from " TOKEN_VARIABLE, "TOKEN" },
    { "admin-token-file", 0, 0, G_OPTION_ARG_FILENAME, &options->token_file,
      "The same, from a file", "FILE" },
    { "tls-ca", 0, 0, G_OPTION_ARG_FILENAME, &options->tls_ca,
      "Certificates (PEM) to trust for https, instead of the system's",
      "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options->as_json,
      "Print what the node answered, for programs", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->words,
      NULL, NULL },
    { NULL },
  };
  GOptionContext *context = g_option_context_new ("nodes|streams|tree");

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_set_summary (
      context, "What a running node knows of its cluster:\n"
               "  nodes     who is there, with load and parents\n"
               "  streams   what is published, where, and on how many nodes\n"
               "  tree      who hangs below whom, and which links lose\n"
               "Asks nobody, has its own --help:\n"
               "  simulate  what scaling would do with a curve of viewers");
  g_option_context_set_description (
      context, "Exit codes: 0 printed, 64 usage, 69 the node is not reached,\n"
               "76 its reply is not understood, 77 it refuses (token).");
  return context;
}

static void
print_help (GOptionContext *context)
{
  g_autofree char *help = g_option_context_get_help (context, TRUE, NULL);
  const char *rest = strstr (help, " nodes|streams|tree");

  printf ("Usage:\n  media-tree ctl%s", rest ? rest : "\n");
}

static const Command *
find_command (const Options *options)
{
  if (!options->words || g_strv_length (options->words) != 1)
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].word, options->words[0]))
      return &commands[i];
  return NULL;
}

/* read_token: from the option, a file, the environment, in this order */
static gboolean
read_token (Options *options, GError **error)
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
  options->token = g_strdup (g_getenv (TOKEN_VARIABLE));
  return TRUE;
}

/* --- HTTP --------------------------------------------------------------- */

/* make_session: (transfer full) (nullable) */
static SoupSession *
make_session (const Options *options, GError **error)
{
  g_autoptr (GTlsDatabase) database = NULL;
  SoupSession *session;

  if (options->tls_ca)
    {
      database = g_tls_file_database_new (options->tls_ca, error);
      if (!database)
        {
          g_prefix_error (error, "--tls-ca: ");
          return NULL;
        }
    }
  session = soup_session_new_with_options ("timeout", TIMEOUT_S, "user-agent",
                                           "media-tree-ctl", "proxy-resolver",
                                           NULL, NULL);
  if (database)
    soup_session_set_tls_database (session, database);
  return session;
}

/* read_body: (transfer full) (nullable): NUL-terminated */
static char *
read_body (GInputStream *stream, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 part[16384];
  gssize n;

  while ((n = g_input_stream_read (stream, part, sizeof part, NULL, error)) > 0)
    {
      if (bytes->len + (gsize)n > MAX_REPLY_BYTES)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                       "the reply is larger than %d bytes", MAX_REPLY_BYTES);
          return NULL;
        }
      g_byte_array_append (bytes, part, (guint)n);
    }
  if (n < 0)
    return NULL;
  g_byte_array_append (bytes, (const guint8 *)"", 1);
  return (char *)g_byte_array_free (g_steal_pointer (&bytes), FALSE);
}

static int
fail_unreached (const Options *options, const GError *error)
{
  const char *advice = "is the node running? --url says where";

  if (g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE))
    advice = "--tls-ca names a file with certificates to trust";
  return fail (EX_UNAVAILABLE, "%s cannot be reached: %s (%s)", options->url,
               error->message, advice);
}

/* dup_detail: (transfer full): the sentence of an error reply */
static char *
dup_detail (const char *body)
{
  g_autoptr (JsonNode) root = json_from_string (body, NULL);
  JsonNode *detail = NULL;
  char *text;

  if (root && JSON_NODE_HOLDS_OBJECT (root))
    detail = json_object_get_member (json_node_get_object (root), "detail");
  text = g_strdup (detail && JSON_NODE_HOLDS_VALUE (detail)
                           && json_node_get_string (detail)
                       ? json_node_get_string (detail)
                       : "it gives no reason");
  for (char *c = text; *c; c++)
    if (g_ascii_iscntrl (*c))
      *c = ' ';
  return text;
}

static int
fail_status (const Options *options, guint status, const char *body)
{
  g_autofree char *detail = dup_detail (body);

  if (status == SOUP_STATUS_UNAUTHORIZED && !options->token)
    return fail (EX_NOPERM,
                 "%s refuses: it needs its --admin-token, here as "
                 "--admin-token or " TOKEN_VARIABLE,
                 options->url);
  if (status == SOUP_STATUS_UNAUTHORIZED || status == SOUP_STATUS_FORBIDDEN)
    return fail (EX_NOPERM, "%s refuses: %s", options->url, detail);
  return fail (EX_PROTOCOL, "%s answers %u: %s", options->url, status, detail);
}

/* ask: GET. @ret_body: (out) (transfer full). Returns: an exit code, or -1 */
static int
ask (const Options *options, const char *path, char **ret_body)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SoupSession) session = make_session (options, &error);
  g_autofree char *address = g_strconcat (options->url, path, NULL);
  g_autofree char *body = NULL;
  g_autoptr (SoupMessage) msg = NULL;
  g_autoptr (GInputStream) stream = NULL;
  guint status;

  if (!session)
    return fail (EX_USAGE, "%s", error->message);
  msg = soup_message_new (SOUP_METHOD_GET, address);
  if (!msg || !g_uri_get_host (soup_message_get_uri (msg)))
    return fail (EX_USAGE, "\"%s\" is no URL: say http://HOST:PORT",
                 options->url);
  soup_message_add_flags (msg, SOUP_MESSAGE_NO_REDIRECT);
  if (options->token)
    {
      g_autofree char *value = g_strconcat ("Bearer ", options->token, NULL);

      soup_message_headers_replace (soup_message_get_request_headers (msg),
                                    "Authorization", value);
    }
  stream = soup_session_send (session, msg, NULL, &error);
  if (stream)
    body = read_body (stream, &error);
  if (!body)
    return fail_unreached (options, error);
  status = soup_message_get_status (msg);
  if (status != SOUP_STATUS_OK)
    return fail_status (options, status, body);
  *ret_body = g_steal_pointer (&body);
  return -1;
}

/* --- All together ------------------------------------------------------- */

static int
run (const Command *command, Options *options)
{
  g_autofree char *body = NULL, *text = NULL;
  g_autoptr (JsonNode) root = NULL;
  int code;

  while (g_str_has_suffix (options->url, "/"))
    options->url[strlen (options->url) - 1] = '\0';
  code = ask (options, command->path, &body);
  if (code >= 0)
    return code;
  root = json_from_string (body, NULL);
  if (root)
    text = command->print (root, options);
  if (!text)
    return fail (EX_PROTOCOL,
                 "what %s answers is not understood; is it a "
                 "media-tree of this version?",
                 options->url);
  fputs (text, stdout);
  if (fflush (stdout) != 0)
    return fail (EX_IOERR, "cannot print: %s", g_strerror (errno));
  return EX_OK;
}

int
node_ctl_run (char **argv)
{
  g_auto (Options) options = { 0 };
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
    return fail (EX_USAGE, "%s; see media-tree ctl --help", error->message);
  command = find_command (&options);
  if (!command)
    return fail (EX_USAGE, "say one of nodes, streams, tree; see media-tree "
                           "ctl --help");
  if (!read_token (&options, &error))
    return fail (EX_USAGE, "--admin-token-file: %s", error->message);
  if (!options.url)
    options.url = g_strdup (DEFAULT_URL);
  return run (command, &options);
}
