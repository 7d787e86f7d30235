/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/http: see http.h. */
#include "scaling/http.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>

#include "scaling/fetch.h"
#include "scaling/provisioner-private.h"

#define MAX_CONNECTIONS 16
#define MAX_RETRY_AFTER_S 3600

struct _ScalingHttp
{
  SoupSession *session;
  GTlsCertificate *certificate;
  char *url;
};

typedef struct
{
  ScalingFetch *fetch;  /* borrowed */
  SoupMessage *message; /* owned: its answer's headers */
  GCancellable *outer;  /* owned: the caller's */
  gulong on_outer;
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
code_of (const GError *error)
{
  switch ((ScalingFetchError)error->code)
    {
    case SCALING_FETCH_ERROR_LATE:
      return SCALING_PROVISION_ERROR_TIMEOUT;
    case SCALING_FETCH_ERROR_TLS:
      return SCALING_PROVISION_ERROR_AUTH;
    case SCALING_FETCH_ERROR_TOO_LARGE:
      return SCALING_PROVISION_ERROR_GARBAGE;
    case SCALING_FETCH_ERROR_ABORTED:
      return SCALING_PROVISION_ERROR_CANCELLED;
    case SCALING_FETCH_ERROR_AWAY:
      break;
    }
  return SCALING_PROVISION_ERROR_AWAY;
}

static void
on_fetched (guint status, GByteArray *body, const GError *why, gpointer data)
{
  Request *request = data;
  g_autoptr (GError) error = NULL;
  ScalingHttpReply reply = { 0 };

  g_cancellable_disconnect (request->outer, request->on_outer);
  if (why != NULL)
    error = scaling_provision_error_new (code_of (why), SCALING_RETRY_DEFAULT,
                                         "%s", why->message);
  else
    reply = (ScalingHttpReply){
      .status = status,
      .text = (const char *)body->data,
      .n_bytes = body->len,
      .retry_after_us = read_retry_after (request->message),
    };
  request->done (error == NULL ? &reply : NULL, error, request->data);
  g_object_unref (request->outer);
  g_object_unref (request->message);
  g_free (request);
}

/* --- the request --------------------------------------------------------- */

static void
on_outer_cancelled (GCancellable *outer, gpointer data)
{
  scaling_fetch_abort (((Request *)data)->fetch);
}

static SoupMessage *
message_new (ScalingHttp *self, const char *method, const char *path,
             const char *const *headers, const char *body)
{
  g_autofree char *uri = g_strconcat (self->url, path, NULL);
  SoupMessage *message = soup_message_new (method, uri);
  SoupMessageHeaders *sent;

  g_return_val_if_fail (message != NULL, NULL);
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
  request->done = done;
  request->data = data;
  request->fetch = scaling_fetch_start (
      self->session, g_object_ref (request->message), timeout_us,
      SCALING_HTTP_MAX_BYTES, on_fetched, request);
  request->outer = g_object_ref (cancellable);
  request->on_outer = g_cancellable_connect (
      cancellable, G_CALLBACK (on_outer_cancelled), request, NULL);
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
