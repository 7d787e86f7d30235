/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FakeServer: an HTTP API that a test has instead of Docker, Kubernetes or a
 * webhook: what it knows is the test's, what goes wrong is a script: the n-th
 * row is spent on the first request that it fits. All requests are written
 * down. On loopback or on a unix socket. Thread: main.
 */
#pragma once

#include <gio/gunixsocketaddress.h>
#include <libsoup/soup.h>

typedef enum
{
  FAULT_STATUS,     /* answered so, and nothing done */
  FAULT_HANG,       /* never answered, and nothing done */
  FAULT_DONE_HANG,  /* done, and never answered */
  FAULT_DONE_STATUS /* done, and answered so */
} FaultKind;

typedef struct
{
  const char *method;
  const char *part; /* of the path */
  FaultKind kind;
  guint status;
  const char *body;        /* (nullable) */
  const char *retry_after; /* (nullable) */
} Fault;

typedef struct
{
  guint status;
  char *text; /* owned, nullable */
} FakeReply;

typedef struct _FakeServer FakeServer;
struct _FakeServer
{
  SoupServer *server;
  char *url;           /* of loopback */
  GPtrArray *requests; /* (element-type utf8) "METHOD path?query" */
  GPtrArray *bodies;   /* (element-type utf8) beside them */
  GArray *faults;      /* (element-type Fault) not yet spent */
  guint n_hanging;
  GTlsCertificate *certificate; /* (nullable) borrowed: https */
  gboolean asks_clients; /* who connects must show a certificate: this one */
  guint n_shown;
  FakeReply (*answer) (FakeServer *self, SoupServerMessage *msg,
                       const char *path, GHashTable *query, const char *body);
  gpointer data;
};

static inline gboolean
fake_take_fault (FakeServer *self, const char *method, const char *path,
                 Fault *ret)
{
  for (guint i = 0; i < self->faults->len; i++)
    {
      *ret = g_array_index (self->faults, Fault, i);
      if (!g_str_equal (ret->method, method)
          || strstr (path, ret->part) == NULL)
        continue;
      g_array_remove_index (self->faults, i);
      return TRUE;
    }
  return FALSE;
}

static inline void
fake_reply (SoupServerMessage *msg, guint status, const char *text)
{
  soup_server_message_set_status (msg, status, NULL);
  if (text != NULL)
    soup_server_message_set_response (msg, "application/json", SOUP_MEMORY_COPY,
                                      text, strlen (text));
}

static inline void
fake_on_request (SoupServer *server, SoupServerMessage *msg, const char *path,
                 GHashTable *query, gpointer data)
{
  FakeServer *self = data;
  const char *method = soup_server_message_get_method (msg);
  const char *said = g_uri_get_query (soup_server_message_get_uri (msg));
  SoupMessageBody *sent = soup_server_message_get_request_body (msg);
  g_autofree char *body = g_strndup (sent->data ?: "", (gsize)sent->length);
  Fault fault = { 0 };
  FakeReply reply = { 0 };
  gboolean is_fault = fake_take_fault (self, method, path, &fault);

  g_ptr_array_add (self->requests,
                   g_strdup_printf ("%s %s%s%s", method, path,
                                    said != NULL ? "?" : "", said ?: ""));
  g_ptr_array_add (self->bodies, g_strdup (body));
  if (!is_fault || fault.kind == FAULT_DONE_HANG
      || fault.kind == FAULT_DONE_STATUS)
    reply = self->answer (self, msg, path, query, body);
  if (is_fault && (fault.kind == FAULT_HANG || fault.kind == FAULT_DONE_HANG))
    {
      self->n_hanging++;
      soup_server_message_pause (msg);
    }
  else if (is_fault)
    {
      if (fault.retry_after != NULL)
        soup_message_headers_replace (
            soup_server_message_get_response_headers (msg), "Retry-After",
            fault.retry_after);
      fake_reply (msg, fault.status, fault.body);
    }
  else
    fake_reply (msg, reply.status, reply.text);
  g_free (reply.text);
}

static inline gboolean
fake_on_certificate (SoupServerMessage *msg, GTlsCertificate *shown,
                     GTlsCertificateFlags errors, gpointer data)
{
  FakeServer *self = data;

  self->n_shown++;
  return g_tls_certificate_is_same (shown, self->certificate);
}

static inline void
fake_on_started (SoupServer *server, SoupServerMessage *msg, gpointer data)
{
  g_signal_connect (msg, "accept-certificate", G_CALLBACK (fake_on_certificate),
                    data);
}

/* @path: (nullable): of a unix socket to listen on instead */
static inline void
fake_server_init (FakeServer *self, const char *path)
{
  g_autoptr (GError) error = NULL;
  GSList *uris;

  self->server = soup_server_new (NULL, NULL);
  self->requests = g_ptr_array_new_with_free_func (g_free);
  self->bodies = g_ptr_array_new_with_free_func (g_free);
  self->faults = g_array_new (FALSE, FALSE, sizeof (Fault));
  soup_server_add_handler (self->server, NULL, fake_on_request, self, NULL);
  if (path != NULL)
    {
      g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
      g_autoptr (GSocket) socket =
          g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                        G_SOCKET_PROTOCOL_DEFAULT, &error);

      g_assert_no_error (error);
      g_assert_true (g_socket_bind (socket, address, FALSE, &error));
      g_assert_true (g_socket_listen (socket, &error));
      soup_server_listen_socket (self->server, socket, 0, &error);
      g_assert_no_error (error);
      return;
    }
  if (self->certificate != NULL)
    {
      soup_server_set_tls_certificate (self->server, self->certificate);
      if (self->asks_clients)
        {
          g_signal_connect (self->server, "request-started",
                            G_CALLBACK (fake_on_started), self);
          soup_server_set_tls_auth_mode (self->server,
                                         G_TLS_AUTHENTICATION_REQUIRED);
        }
    }
  soup_server_listen_local (
      self->server, 0,
      SOUP_SERVER_LISTEN_IPV4_ONLY
          | (self->certificate != NULL ? SOUP_SERVER_LISTEN_HTTPS : 0),
      &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (self->server);
  self->url = g_strdup_printf ("%s://127.0.0.1:%d",
                               self->certificate != NULL ? "https" : "http",
                               g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify)g_uri_unref);
}

static inline void
fake_server_clear (FakeServer *self)
{
  soup_server_disconnect (self->server);
  g_clear_object (&self->server);
  g_ptr_array_unref (self->requests);
  g_ptr_array_unref (self->bodies);
  g_array_unref (self->faults);
  g_clear_pointer (&self->url, g_free);
}

static inline void
fake_server_forget (FakeServer *self)
{
  g_ptr_array_set_size (self->requests, 0);
  g_ptr_array_set_size (self->bodies, 0);
}

static inline void
fake_server_script (FakeServer *self, const Fault *faults, guint n)
{
  g_array_append_vals (self->faults, faults, n);
}

/* the requests that begin so */
static inline guint
fake_server_count (FakeServer *self, const char *prefix)
{
  guint n = 0;

  for (guint i = 0; i < self->requests->len; i++)
    n += g_str_has_prefix (self->requests->pdata[i], prefix);
  return n;
}

static inline void
fake_server_assert (FakeServer *self, const char *const *expected)
{
  g_autofree char *all = NULL, *all_expected = NULL;

  g_ptr_array_add (self->requests, NULL);
  all = g_strjoinv ("\n", (char **)self->requests->pdata);
  g_ptr_array_set_size (self->requests, (int)self->requests->len - 1);
  all_expected = g_strjoinv ("\n", (char **)expected);
  g_assert_cmpstr (all, ==, all_expected);
}
