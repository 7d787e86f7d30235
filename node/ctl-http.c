/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-http: see the header. */
#include "node/ctl-http.h"

#include <libsoup/soup.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "node/ctl-json.h"

int
node_ctl_fail (int code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  fprintf (stderr, "media-tree ctl: %s\n", text);
  return code;
}

void
node_ctl_reply_free (NodeCtlReply *self)
{
  if (!self)
    return;
  g_clear_error (&self->error);
  g_clear_pointer (&self->root, json_node_unref);
  g_free (self->url);
  g_free (self);
}

/* --- one ------------------------------------------------------------------ */

/* make_session: (transfer full) (nullable) */
static SoupSession *
make_session (const NodeCtlOptions *options, GError **error)
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
  session = soup_session_new_with_options ("timeout", NODE_CTL_TIMEOUT_S,
                                           "user-agent", "media-tree-ctl",
                                           "proxy-resolver", NULL, NULL);
  if (database)
    soup_session_set_tls_database (session, database);
  return session;
}

/* read_body: (transfer full) (nullable): NUL-terminated */
static char *
read_body (GInputStream *stream, guint max_bytes, GCancellable *cancellable,
           GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 part[16384];
  gssize n;

  while (
      (n = g_input_stream_read (stream, part, sizeof part, cancellable, error))
      > 0)
    {
      if (bytes->len + (gsize)n > max_bytes)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                       "the reply is larger than %u bytes", max_bytes);
          return NULL;
        }
      g_byte_array_append (bytes, part, (guint)n);
    }
  if (n < 0)
    return NULL;
  g_byte_array_append (bytes, (const guint8 *)"", 1);
  return (char *)g_byte_array_free (g_steal_pointer (&bytes), FALSE);
}

/* What is asked of a node. */
typedef struct
{
  const char *path, *method;
  const char *body; /* (nullable): JSON */
  guint max_bytes;  /* of the reply */
} Ask;

/* make_message: (transfer full) (nullable) */
static SoupMessage *
make_message (const NodeCtlOptions *options, const char *url, const Ask *ask,
              GError **error)
{
  g_autofree char *address = g_strconcat (url, ask->path, NULL);
  g_autoptr (SoupMessage) msg = soup_message_new (ask->method, address);

  if (!msg || !g_uri_get_host (soup_message_get_uri (msg)))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "\"%s\" is no URL: say http://HOST:PORT", url);
      return NULL;
    }
  soup_message_add_flags (msg, SOUP_MESSAGE_NO_REDIRECT);
  if (options->token)
    {
      g_autofree char *value = g_strconcat ("Bearer ", options->token, NULL);

      soup_message_headers_replace (soup_message_get_request_headers (msg),
                                    "Authorization", value);
    }
  if (ask->body)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (ask->body, strlen (ask->body));

      soup_message_set_request_body_from_bytes (msg, "application/json", bytes);
    }
  return g_steal_pointer (&msg);
}

static NodeCtlReply *
send (const NodeCtlOptions *options, const char *url, const Ask *ask,
      GCancellable *cancellable)
{
  NodeCtlReply *reply = g_new0 (NodeCtlReply, 1);
  g_autoptr (SoupSession) session = make_session (options, &reply->error);
  g_autoptr (SoupMessage) msg = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autofree char *body = NULL;

  reply->url = g_strdup (url);
  if (session)
    msg = make_message (options, url, ask, &reply->error);
  if (msg)
    stream = soup_session_send (session, msg, cancellable, &reply->error);
  if (stream)
    body = read_body (stream, ask->max_bytes, cancellable, &reply->error);
  if (!body)
    return reply;
  reply->status = soup_message_get_status (msg);
  reply->root = json_from_string (body, NULL);
  return reply;
}

NodeCtlReply *
node_ctl_get (const NodeCtlOptions *options, const char *url, const char *path)
{
  return node_ctl_send (options, url, path, SOUP_METHOD_GET, NULL);
}

NodeCtlReply *
node_ctl_send (const NodeCtlOptions *options, const char *url, const char *path,
               const char *method, const char *body)
{
  Ask ask = { path, method, body, NODE_CTL_MAX_REPLY_BYTES };

  return send (options, url, &ask, options->cancellable);
}

/* --- many ----------------------------------------------------------------- */

#define LOOK_US (50 * G_TIME_SPAN_MILLISECOND) /* is it cancelled? */

typedef struct
{
  const NodeCtlOptions *options; /* borrowed */
  const char *path;              /* borrowed */
  GCancellable *cancellable;     /* owned */
  GAsyncQueue *done;             /* owned: a word for each that is finished */
} Round;

typedef struct
{
  const char *url;     /* borrowed */
  NodeCtlReply *reply; /* owned by who asked */
} Question;

static void
ask_one (gpointer data, gpointer user_data)
{
  Question *question = data;
  Round *round = user_data;
  Ask ask = { round->path, SOUP_METHOD_GET, NULL, NODE_CTL_MAX_SMALL_BYTES };

  question->reply =
      send (round->options, question->url, &ask, round->cancellable);
  g_async_queue_push (round->done, question);
}

static void
wait_for_all (Round *round, guint n_left)
{
  gint64 end_us =
      g_get_monotonic_time () + NODE_CTL_ALL_TIMEOUT_S * G_USEC_PER_SEC;

  while (n_left > 0)
    {
      gint64 left_us = end_us - g_get_monotonic_time ();

      if (left_us <= 0
          || g_cancellable_is_cancelled (round->options->cancellable))
        break;
      if (g_async_queue_timeout_pop (round->done,
                                     (guint64)MIN (left_us, LOOK_US)))
        n_left--;
    }
  if (n_left > 0)
    g_cancellable_cancel (round->cancellable);
  while (n_left > 0)
    {
      g_async_queue_pop (round->done);
      n_left--;
    }
}

GPtrArray *
node_ctl_get_all (const NodeCtlOptions *options, GPtrArray *urls,
                  const char *path)
{
  Round round = { options, path, g_cancellable_new (), g_async_queue_new () };
  g_autofree Question *questions = g_new0 (Question, MAX (urls->len, 1));
  GThreadPool *pool =
      g_thread_pool_new (ask_one, &round, NODE_CTL_MAX_ASKED, FALSE, NULL);
  GPtrArray *replies =
      g_ptr_array_new_full (urls->len, (GDestroyNotify)node_ctl_reply_free);

  for (guint i = 0; i < urls->len; i++)
    {
      questions[i].url = urls->pdata[i];
      g_thread_pool_push (pool, &questions[i], NULL);
    }
  wait_for_all (&round, urls->len);
  g_thread_pool_free (pool, FALSE, TRUE);
  for (guint i = 0; i < urls->len; i++)
    g_ptr_array_add (replies, questions[i].reply);
  g_async_queue_unref (round.done);
  g_object_unref (round.cancellable);
  return replies;
}

/* --- what is wrong -------------------------------------------------------- */

/* dup_detail: (transfer full): the sentence of an error reply */
static char *
dup_detail (JsonNode *root)
{
  g_autofree char *text =
      root && JSON_NODE_HOLDS_OBJECT (root)
          ? node_ctl_dup_text (json_node_get_object (root), "detail")
          : NULL;

  return text && !g_str_equal (text, "-") ? g_steal_pointer (&text)
                                          : g_strdup ("it gives no reason");
}

static int
fail_unreached (const NodeCtlReply *reply)
{
  const char *advice = "is the node running? --url says where";

  if (g_error_matches (reply->error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE))
    advice = "--tls-ca names a file with certificates to trust";
  return node_ctl_fail (EX_UNAVAILABLE, "%s cannot be reached: %s (%s)",
                        reply->url, reply->error->message, advice);
}

static gboolean
is_usage (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT)
         || g_str_has_prefix (error->message, "--");
}

int
node_ctl_fail_not_understood (const char *url)
{
  return node_ctl_fail (EX_PROTOCOL,
                        "what %s answers is not understood; is it a "
                        "media-tree of this version?",
                        url);
}

int
node_ctl_check (const NodeCtlOptions *options, const NodeCtlReply *reply)
{
  g_autofree char *detail = dup_detail (reply->root);

  if (reply->status == 0 && is_usage (reply->error))
    return node_ctl_fail (EX_USAGE, "%s", reply->error->message);
  if (reply->status == 0)
    return fail_unreached (reply);
  if (reply->status == SOUP_STATUS_UNAUTHORIZED && !options->token)
    return node_ctl_fail (EX_NOPERM,
                          "%s refuses: it needs its --admin-token, here as "
                          "--admin-token or " NODE_CTL_TOKEN_VARIABLE,
                          reply->url);
  if (reply->status == SOUP_STATUS_UNAUTHORIZED
      || reply->status == SOUP_STATUS_FORBIDDEN)
    return node_ctl_fail (EX_NOPERM, "%s refuses: %s", reply->url, detail);
  if (reply->status != SOUP_STATUS_OK && reply->status != SOUP_STATUS_ACCEPTED)
    return node_ctl_fail (EX_PROTOCOL, "%s answers %u: %s", reply->url,
                          reply->status, detail);
  return reply->root ? -1 : node_ctl_fail_not_understood (reply->url);
}

char *
node_ctl_dup_problem (const NodeCtlReply *reply)
{
  g_autofree char *detail = dup_detail (reply->root);

  return reply->status == 0 ? node_ctl_tame (g_strdup (reply->error->message))
                            : g_strdup_printf ("%u, %s", reply->status, detail);
}
