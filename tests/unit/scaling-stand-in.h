/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling-stand-in: an HTTP server on loopback that answers by a script: what
 * came is kept, and each request gets the next answer; the last one stays.
 * Thread: main.
 */
#pragma once

#include <libsoup/soup.h>
#include <string.h>

#include "wait.h"

typedef struct
{
  guint status; /* 0: no answer at all */
  const char *body;
} StandInAnswer;

typedef struct
{
  char *method, *path; /* owned; the path as it was written */
  GHashTable *headers; /* owned: lower-case name → value */
  GBytes *body;        /* owned */
} StandInRequest;

typedef struct
{
  SoupServer *server;           /* owned */
  GPtrArray *requests;          /* owned (element-type StandInRequest) */
  const StandInAnswer *answers; /* borrowed */
  guint n_answers, n_given;
  GPtrArray *hanging; /* owned (element-type SoupServerMessage) */
  char *url;          /* owned, without a slash */
} StandIn;

static inline void
stand_in_request_free (gpointer data)
{
  StandInRequest *self = data;

  g_free (self->method);
  g_free (self->path);
  g_hash_table_unref (self->headers);
  g_bytes_unref (self->body);
  g_free (self);
}

static inline void
stand_in_keep_header (const char *name, const char *value, gpointer data)
{
  g_hash_table_insert (data, g_ascii_strdown (name, -1), g_strdup (value));
}

static inline void
stand_in_on_request (SoupServer *server, SoupServerMessage *msg,
                     const char *path, GHashTable *query, gpointer data)
{
  StandIn *self = data;
  StandInRequest *request = g_new0 (StandInRequest, 1);
  const StandInAnswer *answer =
      &self->answers[MIN (self->n_given, self->n_answers - 1)];

  self->n_given++;
  request->method = g_strdup (soup_server_message_get_method (msg));
  request->path = g_strdup (g_uri_get_path (soup_server_message_get_uri (msg)));
  request->headers =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  soup_message_headers_foreach (soup_server_message_get_request_headers (msg),
                                stand_in_keep_header, request->headers);
  request->body =
      soup_message_body_flatten (soup_server_message_get_request_body (msg));
  g_ptr_array_add (self->requests, request);
  if (answer->status == 0)
    {
      soup_server_message_pause (msg);
      g_ptr_array_add (self->hanging, g_object_ref (msg));
      return;
    }
  soup_server_message_set_status (msg, answer->status, NULL);
  if (answer->body)
    soup_server_message_set_response (msg, "text/plain", SOUP_MEMORY_COPY,
                                      answer->body, strlen (answer->body));
}

static inline void
stand_in_set (StandIn *self, const StandInAnswer *answers, guint n)
{
  self->answers = answers;
  self->n_answers = n;
  self->n_given = 0;
  g_ptr_array_set_size (self->requests, 0);
}

static inline StandIn *
stand_in_new (const StandInAnswer *answers, guint n)
{
  StandIn *self = g_new0 (StandIn, 1);
  GSList *uris;

  self->server = soup_server_new ("raw-paths", TRUE, NULL);
  self->requests = g_ptr_array_new_with_free_func (stand_in_request_free);
  self->hanging = g_ptr_array_new_with_free_func (g_object_unref);
  stand_in_set (self, answers, n);
  soup_server_add_handler (self->server, NULL, stand_in_on_request, self, NULL);
  g_assert_true (soup_server_listen_local (self->server, 0,
                                           SOUP_SERVER_LISTEN_IPV4_ONLY, NULL));
  uris = soup_server_get_uris (self->server);
  self->url =
      g_strdup_printf ("http://127.0.0.1:%d", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify)g_uri_unref);
  return self;
}

static inline void
stand_in_free (StandIn *self)
{
  soup_server_disconnect (self->server);
  g_ptr_array_unref (self->hanging);
  g_object_unref (self->server);
  g_ptr_array_unref (self->requests);
  g_free (self->url);
  g_free (self);
}

/* (nullable): of request @i, from 0 */
static inline const char *
stand_in_get_header (StandIn *self, guint i, const char *name)
{
  StandInRequest *request = self->requests->pdata[i];

  return g_hash_table_lookup (request->headers, name);
}

static inline const char *
stand_in_get_path (StandIn *self, guint i)
{
  return ((StandInRequest *)self->requests->pdata[i])->path;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (StandIn, stand_in_free)
