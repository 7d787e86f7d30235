/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loopback: a SoupServer on 127.0.0.1 and a SoupSession that asks it, both on
 * the default context, for tests of what handlers answer.
 */
#pragma once

#include <libsoup/soup.h>

typedef void (*LoopbackHandler) (SoupServerMessage *msg, gpointer data);

typedef struct
{
  SoupServer *server;
  SoupSession *session;
  guint16 port;
  LoopbackHandler handler; /* set before each request */
  gpointer data;
  /* The last reply. */
  SoupMessage *reply;
  char *text;
} Loopback;

static inline void
loopback_on_request (SoupServer *server, SoupServerMessage *msg,
                     const char *path, GHashTable *query, gpointer data)
{
  Loopback *self = data;

  self->handler (msg, self->data);
}

static inline void
loopback_set_up (Loopback *self, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  GSList *uris;

  self->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (self->server, NULL, loopback_on_request, self,
                           NULL);
  soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY,
                            &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->server);
  self->port = (guint16)g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify)g_uri_unref);
  self->session = soup_session_new ();
}

static inline void
loopback_tear_down (Loopback *self, gconstpointer unused)
{
  soup_server_disconnect (self->server);
  g_clear_object (&self->reply);
  g_clear_pointer (&self->text, g_free);
  g_clear_object (&self->session);
  g_clear_object (&self->server);
}

static inline void
loopback_on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **)data = g_object_ref (result);
}

/* loopback_ask: @headers: (array zero-terminated=1): name, value, name, …
 * Returns: the status; reply and text hold the rest */
static inline guint
loopback_ask (Loopback *self, const char *method, const char *path,
              const char *const *headers, const char *body, gssize n_bytes)
{
  g_autofree char *uri
      = g_strdup_printf ("http://127.0.0.1:%u%s", self->port, path);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_clear_object (&self->reply);
  g_clear_pointer (&self->text, g_free);
  self->reply = soup_message_new (method, uri);
  for (; headers && headers[0]; headers += 2)
    soup_message_headers_append (
        soup_message_get_request_headers (self->reply), headers[0],
        headers[1]);
  if (body)
    {
      g_autoptr (GBytes) sent = g_bytes_new (
          body, n_bytes < 0 ? strlen (body) : (gsize)n_bytes);

      soup_message_set_request_body_from_bytes (self->reply, NULL, sent);
    }
  soup_session_send_and_read_async (self->session, self->reply,
                                    G_PRIORITY_DEFAULT, NULL, loopback_on_done,
                                    &result);
  while (!result)
    g_main_context_iteration (NULL, TRUE);
  bytes = soup_session_send_and_read_finish (self->session, result, &error);
  g_assert_no_error (error);
  self->text = g_strndup (g_bytes_get_data (bytes, NULL) ?: "",
                          g_bytes_get_size (bytes));
  return soup_message_get_status (self->reply);
}

static inline const char *
loopback_header (Loopback *self, const char *name)
{
  return soup_message_headers_get_one (
      soup_message_get_response_headers (self->reply), name);
}
