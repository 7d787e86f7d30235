/* SPDX-License-Identifier: Apache-2.0 */
/* node/guard: the bounds of connections, request time and body size. */
#include "node/guard.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "node/listener.h"
#include "wait.h"

typedef struct
{
  BaseMetrics *metrics;
  SoupServer *server;
  NodeListener *listener;
  NodeGuard *guard;
  guint16 port;
  gboolean was_asked, was_too_large;
} Fixture;

static void
on_request (SoupServer *server, SoupServerMessage *msg, const char *path,
            GHashTable *query, gpointer data)
{
  Fixture *fixture = data;

  fixture->was_asked = TRUE;
  fixture->was_too_large = node_guard_is_too_large (fixture->guard, msg);
  soup_server_message_set_status (msg, SOUP_STATUS_OK, NULL);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocketAddress) any =
      g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autofree char *url = NULL;

  fixture->metrics = base_metrics_new ();
  fixture->server = soup_server_new (NULL, NULL);
  fixture->guard = node_guard_new (fixture->server, 2, fixture->metrics);
  soup_server_add_handler (fixture->server, NULL, on_request, fixture, NULL);
  fixture->listener =
      node_listener_new (fixture->server, any, FALSE, NULL, NULL);
  g_assert_nonnull (fixture->listener);
  url = node_listener_dup_url (fixture->listener);
  fixture->port = (guint16)atoi (strrchr (url, ':') + 1);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  node_guard_free (fixture->guard);
  node_listener_free (fixture->listener);
  soup_server_disconnect (fixture->server);
  g_object_unref (fixture->server);
  base_metrics_free (fixture->metrics);
}

static gint64
counter (Fixture *fixture, const char *name)
{
  return base_counter_get (
      base_metrics_add_counter (fixture->metrics, name, NULL, ""));
}

static GSocket *
dial (Fixture *fixture)
{
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM,
                                  G_SOCKET_PROTOCOL_TCP, NULL);
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string ("127.0.0.1", fixture->port);

  g_assert_true (g_socket_connect (socket, address, NULL, NULL));
  g_socket_set_blocking (socket, FALSE);
  return socket;
}

/* is_closed: reads what there is; TRUE at the end or after a reset */
static gboolean
is_closed (GSocket *socket)
{
  g_autoptr (GError) error = NULL;
  char bytes[4096];
  gssize n;

  do
    n = g_socket_receive (socket, bytes, sizeof bytes, NULL, &error);
  while (n > 0);
  return n == 0 || !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

static void
test_connections (Fixture *fixture, gconstpointer data)
{
  GSocket *sockets[3];

  for (guint i = 0; i < 3; i++)
    {
      sockets[i] = dial (fixture);
      WAIT_FOR (counter (fixture, "media_tree_http_connections_refused_total")
                    == (i == 2)
                && node_guard_get_n_connections (fixture->guard)
                       >= MIN (i + 1, 2));
    }
  WAIT_FOR (is_closed (sockets[2]));
  g_assert_false (is_closed (sockets[0]));
  g_assert_false (is_closed (sockets[1]));
  g_clear_object (&sockets[0]);
  g_clear_object (&sockets[2]);
  WAIT_FOR (node_guard_get_n_connections (fixture->guard) == 1);
  sockets[0] = dial (fixture); /* there is room again */
  WAIT_FOR (node_guard_get_n_connections (fixture->guard) == 2);
  g_assert_false (is_closed (sockets[0]));
  g_object_unref (sockets[0]);
  g_object_unref (sockets[1]);
  WAIT_FOR (node_guard_get_n_connections (fixture->guard) == 0);
}

static void
test_timeout (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocket) socket = dial (fixture);
  gint64 now_us;

  WAIT_FOR (node_guard_get_n_connections (fixture->guard) == 1);
  now_us = base_clock_now_us ();
  g_socket_send (socket, "GET / HT", 8, NULL, NULL);
  node_guard_expire (fixture->guard, now_us + NODE_REQUEST_TIMEOUT_US / 2);
  g_assert_cmpint (counter (fixture, "media_tree_http_timeouts_total"), ==, 0);
  node_guard_expire (fixture->guard, now_us + NODE_REQUEST_TIMEOUT_US);
  g_assert_cmpint (counter (fixture, "media_tree_http_timeouts_total"), ==, 1);
  WAIT_FOR (is_closed (socket));
  WAIT_FOR (node_guard_get_n_connections (fixture->guard) == 0);
}

static void
post (Fixture *fixture, gsize n_bytes)
{
  g_autoptr (GSocket) socket = dial (fixture);
  g_autofree char *head = g_strdup_printf (
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %" G_GSIZE_FORMAT
      "\r\n\r\n",
      n_bytes);
  g_autofree char *body = g_strnfill (n_bytes, 'a');
  gsize n_sent = 0;

  fixture->was_asked = FALSE;
  g_socket_send (socket, head, strlen (head), NULL, NULL);
  while (n_sent < n_bytes)
    {
      g_autoptr (GError) error = NULL;
      gssize n =
          g_socket_send (socket, body + n_sent, n_bytes - n_sent, NULL, &error);

      if (n > 0)
        n_sent += (gsize)n;
      else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        break; /* cut off */
      wait_a_little ();
    }
  WAIT_FOR (fixture->was_asked || is_closed (socket));
}

static void
test_body (Fixture *fixture, gconstpointer data)
{
  post (fixture, NODE_MAX_BODY_BYTES);
  g_assert_true (fixture->was_asked);
  g_assert_false (fixture->was_too_large);
  post (fixture, NODE_MAX_BODY_BYTES + 1);
  g_assert_true (fixture->was_asked);
  g_assert_true (fixture->was_too_large);
  post (fixture, 64 * NODE_MAX_BODY_BYTES);
  g_assert_false (fixture->was_asked); /* cut off, not answered */
  WAIT_FOR (node_guard_get_n_connections (fixture->guard) == 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/node/guard/connections", Fixture, NULL, set_up,
              test_connections, tear_down);
  g_test_add ("/node/guard/timeout", Fixture, NULL, set_up, test_timeout,
              tear_down);
  g_test_add ("/node/guard/body", Fixture, NULL, set_up, test_body, tear_down);
  return g_test_run ();
}
