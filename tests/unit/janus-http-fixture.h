/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JanusHttp: the Janus API behind a real HTTP server, and a client that polls
 * and can go at any moment.
 */
#pragma once

#include <stdlib.h>

#include "egress/janus-http.h"
#include "tests/unit/janus-fixture.h"
#include "tests/unit/loopback.h"

typedef struct
{
  JanusFixture janus;
  Loopback loopback;
  EgressJanusHttp *http;
} JanusHttp;

static inline void
janus_http_on_request (SoupServerMessage *msg, gpointer data)
{
  JanusHttp *f = data;

  egress_janus_http_handle (f->http, msg,
                            g_uri_get_path (soup_server_message_get_uri (msg)));
}

static inline void
janus_http_start (JanusHttp *f, const EgressJanusConfig *config)
{
  *f = (JanusHttp){ 0 };
  janus_start (&f->janus, config);
  f->http = egress_janus_http_new (f->janus.core, f->janus.metrics);
  loopback_set_up (&f->loopback, NULL);
  f->loopback.handler = janus_http_on_request;
  f->loopback.data = f;
}

static inline void
janus_http_stop (JanusHttp *f)
{
  egress_janus_http_free (f->http);
  loopback_tear_down (&f->loopback, NULL);
  janus_stop (&f->janus);
}

static inline guint
janus_http_ask (JanusHttp *f, const char *method, const char *path,
                const char *body)
{
  return loopback_ask (&f->loopback, method, path, NULL, body, -1);
}

static inline guint64
janus_http_post_for_id (JanusHttp *f, const char *path, const char *body)
{
  g_assert_cmpuint (janus_http_ask (f, "POST", path, body), ==, 200);
  g_clear_pointer (&f->janus.reply, json_object_unref);
  f->janus.reply = janus_parse (f->loopback.text);
  return janus_reply_id (&f->janus);
}

/* a session and a handle, by HTTP */
static inline void
janus_http_open_session (JanusHttp *f)
{
  g_autofree char *path = NULL;

  f->janus.session_id =
      janus_http_post_for_id (f, "/janus", "{\"janus\":\"create\"," T "}");
  path = g_strdup_printf ("/janus/%" G_GUINT64_FORMAT, f->janus.session_id);
  f->janus.handle_id = janus_http_post_for_id (
      f, path, "{\"janus\":\"attach\"," T "," PLUGIN "}");
}

/* a plugin's event, told apart by @text */
static inline void
janus_http_push (JanusHttp *f, const char *text)
{
  EgressJanusSession *session =
      egress_janus_lookup (f->janus.core, f->janus.session_id);

  egress_janus_push_event (janus_session_find (session, f->janus.handle_id),
                           janus_data (text), NULL, NULL, NULL, FALSE);
}

/* --- A client that polls ----------------------------------------------------
 */

typedef struct
{
  GSocket *socket; /* owned */
  GString *bytes;  /* owned: what has come */
} JanusPoller;

static inline void
janus_turn (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* janus_poller_begin: a poll that waits, or is answered already */
static inline void
janus_poller_begin (JanusPoller *self, JanusHttp *f, const char *query)
{
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string ("127.0.0.1", f->loopback.port);
  g_autofree char *text =
      g_strdup_printf ("GET /janus/%" G_GUINT64_FORMAT "%s HTTP/1.1\r\n"
                       "Host: 127.0.0.1\r\n\r\n",
                       f->janus.session_id, query);
  g_autoptr (GError) error = NULL;
  guint64 n_before = f->janus.core->now_us ();

  if (!self->socket)
    {
      self->socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM,
                                   G_SOCKET_PROTOCOL_TCP, &error);
      g_assert_no_error (error);
      g_socket_connect (self->socket, address, NULL, &error);
      g_assert_no_error (error);
      g_socket_set_blocking (self->socket, FALSE);
      self->bytes = g_string_new (NULL);
    }
  g_socket_send (self->socket, text, strlen (text), NULL, &error);
  g_assert_no_error (error);
  /* the core has seen it when it counts as a sign of life */
  janus_now_us++;
  while (egress_janus_lookup (f->janus.core, f->janus.session_id)
         && egress_janus_lookup (f->janus.core, f->janus.session_id)
                    ->last_active_us
                <= (gint64)n_before)
    g_main_context_iteration (NULL, TRUE);
  janus_turn ();
}

static inline void
janus_poller_receive (JanusPoller *self)
{
  char buf[4096];
  gssize n;

  while ((n = g_socket_receive (self->socket, buf, sizeof buf, NULL, NULL)) > 0)
    g_string_append_len (self->bytes, buf, n);
}

/* janus_poller_expect: the reply is there, or comes */
static inline void
janus_poller_expect (JanusPoller *self, const char *status, const char *body)
{
  const char *end, *length;
  gsize n_body = 0;

  for (;;)
    {
      janus_poller_receive (self);
      end = strstr (self->bytes->str, "\r\n\r\n");
      length = strstr (self->bytes->str, "Content-Length: ");
      n_body = length ? (gsize)atol (length + strlen ("Content-Length: ")) : 0;
      if (end && strlen (end + 4) >= n_body)
        break;
      g_main_context_iteration (NULL, TRUE);
    }
  g_assert_nonnull (strstr (self->bytes->str, status));
  g_assert_cmpstr (end + 4, ==, body);
  g_string_truncate (self->bytes, 0);
}

static inline void
janus_poller_expect_nothing (JanusPoller *self)
{
  janus_turn ();
  janus_poller_receive (self);
  g_assert_cmpstr (self->bytes->str, ==, "");
}

static inline void
janus_poller_end (JanusPoller *self)
{
  g_clear_object (&self->socket);
  if (self->bytes)
    g_string_free (self->bytes, TRUE);
  self->bytes = NULL;
}
