/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/http: see http.h. */
#include "scaling/http.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>

#include "scaling/provisioner-private.h"

#define MAX_CONNECTIONS 16
#define CHUNK_BYTES 65536
#define MAX_RETRY_AFTER_S 3600

struct _ScalingHttp
{
  SoupSession *session;
  GTlsCertificate *certificate;
  char *url;
};

typedef struct
{
  SoupMessage *message;
  GInputStream *stream; /* owned, nullable */
  GByteArray *body;
  GCancellable *cancellable; /* of this request */
  GCancellable *outer;       /* the caller's */
  gulong on_outer;
  guint timer;
  gboolean is_late;
  ScalingHttpDone done;
  gpointer data;
} Request;

/* --- the answer ---------------------------------------------------------- */

static gint64
read_retry_after (SoupMessage *message)
{
  const char *text = soup_message_headers_get_one (
      soup_message_get_response_headers (message), "Retry-After");
  g_autoptr (GDateTime) date = NULL;
  gint64 seconds;
  char *end;

  if (text == NULL)
    return -1;
  seconds = g_ascii_strtoll (text, &end, 10);
  if (end == text || *end != '\0')
    {
      date = soup_date_time_new_from_http_string (text);
      if (date == NULL)
        return -1;
      seconds =
          g_date_time_to_unix (date) - g_get_real_time () / G_USEC_PER_SEC;
    }
  return CLAMP (seconds, 0, MAX_RETRY_AFTER_S) * G_GINT64_CONSTANT (1000000);
}

static ScalingProvisionError
code_of (Request *request, const GError *cause)
{
  if (request->is_late)
    return SCALING_PROVISION_ERROR_TIMEOUT;
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return SCALING_PROVISION_ERROR_CANCELLED;
  if (cause->domain == G_TLS_ERROR)
    return SCALING_PROVISION_ERROR_AUTH;
  if (cause->domain == SCALING_PROVISION_ERROR)
    return (ScalingProvisionError)cause->code;
  return SCALING_PROVISION_ERROR_AWAY;
}

/* @cause: (transfer full) (nullable) */
static void
end (Request *request, GError *cause)
{
  g_autoptr (GError) error = NULL;
  ScalingHttpReply reply = { 0 };

  if (cause != NULL)
    error = scaling_provision_error_new (
        code_of (request, cause), SCALING_RETRY_DEFAULT, "%s",
        request->is_late ? "no answer in time" : cause->message);
  g_clear_error (&cause);
  g_clear_handle_id (&request->timer, g_source_remove);
  g_cancellable_disconnect (request->outer, request->on_outer);
  g_byte_array_append (request->body, (const guint8 *)"", 1);
  reply.status = soup_message_get_status (request->message);
  reply.text = (const char *)request->body->data;
  reply.n_bytes = request->body->len - 1;
  reply.retry_after_us = read_retry_after (request->message);
  request->done (error == NULL ? &reply : NULL, error, request->data);
  g_clear_object (&request->stream);
  g_clear_object (&request->outer);
  g_object_unref (request->cancellable);
  g_object_unref (request->message);
  g_byte_array_unref (request->body);
  g_free (request);
}

static void read_more (Request *request);

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  Request *request = data;
  GError *error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (
      G_INPUT_STREAM (source), result, &error);
  gsize n = bytes != NULL ? g_bytes_get_size (bytes) : 0;

  if (error != NULL || n == 0)
    {
      end (request, error);
      return;
    }
  if (request->body->len + n > SCALING_HTTP_MAX_BYTES)
    {
      end (request,
           scaling_provision_error_new (
               SCALING_PROVISION_ERROR_GARBAGE, SCALING_RETRY_DEFAULT,
               "the answer is larger than %d bytes", SCALING_HTTP_MAX_BYTES));
      return;
    }
  g_byte_array_append (request->body, g_bytes_get_data (bytes, NULL), (guint)n);
  read_more (request);
}

static void
read_more (Request *request)
{
  g_input_stream_read_bytes_async (request->stream, CHUNK_BYTES,
                                   G_PRIORITY_DEFAULT, request->cancellable,
                                   on_read, request);
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  Request *request = data;
  GError *error = NULL;

  request->stream =
      soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (request->stream == NULL)
    end (request, error);
  else
    read_more (request);
}

/* --- the request --------------------------------------------------------- */

static gboolean
on_late (gpointer data)
{
  Request *request = data;

  request->timer = 0;
  request->is_late = TRUE;
  g_cancellable_cancel (request->cancellable);
  return G_SOURCE_REMOVE;
}

static void
on_outer_cancelled (GCancellable *outer, gpointer data)
{
  g_cancellable_cancel (data);
}

static SoupMessage *
message_new (ScalingHttp *self, const char *method, const char *path,
             const char *const *headers, const char *body)
{
  g_autofree char *uri = g_strconcat (self->url, path, NULL);
  SoupMessage *message = soup_message_new (method, uri);
  SoupMessageHeaders *sent;

  g_return_val_if_fail (message != NULL, NULL);
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  if (self->certificate != NULL)
    soup_message_set_tls_client_certificate (message, self->certificate);
  sent = soup_message_get_request_headers (message);
  for (; headers != NULL && headers[0] != NULL; headers += 2)
    soup_message_headers_replace (sent, headers[0], headers[1]);
  if (body != NULL)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body));

      soup_message_set_request_body_from_bytes (message, "application/json",
                                                bytes);
    }
  return message;
}

void
scaling_http_send (ScalingHttp *self, const char *method, const char *path,
                   const char *const *headers, const char *body,
                   gint64 timeout_us, GCancellable *cancellable,
                   ScalingHttpDone done, gpointer data)
{
  Request *request = g_new0 (Request, 1);

  request->message = message_new (self, method, path, headers, body);
  request->body = g_byte_array_new ();
  request->cancellable = g_cancellable_new ();
  request->outer = g_object_ref (cancellable);
  request->on_outer = g_cancellable_connect (
      cancellable, G_CALLBACK (on_outer_cancelled),
      g_object_ref (request->cancellable), g_object_unref);
  request->timer =
      g_timeout_add ((guint)MAX (timeout_us / 1000, 1), on_late, request);
  request->done = done;
  request->data = data;
  soup_session_send_async (self->session, request->message, G_PRIORITY_DEFAULT,
                           request->cancellable, on_sent, request);
}

/* --- the server ---------------------------------------------------------- */

static gboolean
is_loopback (GUri *uri)
{
  g_autoptr (GInetAddress) address =
      g_inet_address_new_from_string (g_uri_get_host (uri));

  return address != NULL ? g_inet_address_get_is_loopback (address)
                         : g_str_equal (g_uri_get_host (uri), "localhost");
}

static gboolean
url_is_good (const ScalingHttpConfig *config, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (config->url, SOUP_HTTP_URI_FLAGS, error);
  gboolean is_https;

  if (uri == NULL)
    return FALSE;
  is_https = g_str_equal (g_uri_get_scheme (uri), "https");
  if ((!is_https && !g_str_equal (g_uri_get_scheme (uri), "http"))
      || g_uri_get_host (uri) == NULL || g_uri_get_host (uri)[0] == '\0')
    {
      g_set_error (error, SCALING_PROVISION_ERROR,
                   SCALING_PROVISION_ERROR_REFUSED,
                   "\"%s\" is no http:// or https:// URL", config->url);
      return FALSE;
    }
  if (!is_https && config->socket == NULL && !is_loopback (uri))
    {
      g_set_error (
          error, SCALING_PROVISION_ERROR, SCALING_PROVISION_ERROR_REFUSED,
          "\"%s\" would send secrets without TLS: use https://", config->url);
      return FALSE;
    }
  return TRUE;
}

ScalingHttp *
scaling_http_new (const ScalingHttpConfig *config, GError **error)
{
  g_autoptr (GTlsDatabase) ca = NULL;
  ScalingHttp *self;

  if (!url_is_good (config, error))
    return NULL;
  if (config->ca != NULL)
    ca = g_object_ref (config->ca);
  else if (config->ca_path != NULL)
    {
      g_autofree char *path = g_canonicalize_filename (config->ca_path, NULL);

      ca = g_tls_file_database_new (path, error);
      if (ca == NULL)
        return NULL;
    }
  self = g_new0 (ScalingHttp, 1);
  self->session = soup_session_new_with_options (
      "max-conns", MAX_CONNECTIONS, "max-conns-per-host", MAX_CONNECTIONS,
      "user-agent", "media-tree/" MEDIA_TREE_VERSION, NULL);
  soup_session_set_proxy_resolver (self->session, NULL);
  if (config->socket != NULL)
    {
      g_autoptr (GSocketAddress) address =
          g_unix_socket_address_new (config->socket);

      g_object_unref (self->session);
      self->session = soup_session_new_with_options (
          "remote-connectable", address, "max-conns", MAX_CONNECTIONS,
          "max-conns-per-host", MAX_CONNECTIONS, "user-agent",
          "media-tree/" MEDIA_TREE_VERSION, NULL);
    }
  if (ca != NULL)
    soup_session_set_tls_database (self->session, ca);
  self->url = g_strdup (config->url);
  if (g_str_has_suffix (self->url, "/"))
    self->url[strlen (self->url) - 1] = '\0';
  if (config->certificate != NULL)
    self->certificate = g_object_ref (config->certificate);
  return self;
}

void
scaling_http_free (ScalingHttp *self)
{
  soup_session_abort (self->session);
  g_object_unref (self->session);
  g_clear_object (&self->certificate);
  g_free (self->url);
  g_free (self);
}
