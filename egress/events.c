/* SPDX-License-Identifier: Apache-2.0 */
/* EgressEvents: server-sent events of one viewer session. */
#include "egress/events.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/json.h"

#define MAX_BODY_BYTES 1024
#define COUNT_INTERVAL_US (2 * BASE_US_PER_S)
#define KEEPALIVE_INTERVAL_US (15 * BASE_US_PER_S)
#define EVENT_TYPE "text/event-stream"

typedef enum
{
  EVENT_ACTIVE = 1 << 0,
  EVENT_INACTIVE = 1 << 1,
  EVENT_VIEWERCOUNT = 1 << 2,
  EVENT_RECONNECT = 1 << 3,
} EventMask;

typedef struct
{
  char *id; /* owned */
  guint mask;
  SoupServerMessage *msg; /* owned reference, nullable: not connected */
  gulong wrote_id, finished_id, disconnected_id;
  guint n_queued; /* events that the socket has not taken yet */
  gint64 last_sent_us, last_count_us;
  guint last_count;
} Stream;

struct _EgressEvents
{
  char *base_path;    /* owned */
  GPtrArray *streams; /* owned: of Stream */
  gint64 moved_us;    /* last told to move; 0 = never */
};

/* stream_detach: the connection is no longer ours; @complete ends the reply */
static void
stream_detach (Stream *self, gboolean complete)
{
  SoupServerMessage *msg = g_steal_pointer (&self->msg);

  if (!msg)
    return;
  g_signal_handler_disconnect (msg, self->wrote_id);
  g_signal_handler_disconnect (msg, self->finished_id);
  g_signal_handler_disconnect (msg, self->disconnected_id);
  if (complete)
    {
      soup_message_body_complete (soup_server_message_get_response_body (msg));
      soup_server_message_unpause (msg);
    }
  g_object_unref (msg);
}

static void
stream_free (gpointer data)
{
  Stream *self = data;

  stream_detach (self, TRUE);
  g_free (self->id);
  g_free (self);
}

EgressEvents *
egress_events_new (const char *base_path)
{
  EgressEvents *self = g_new0 (EgressEvents, 1);

  self->base_path = g_strdup (base_path);
  self->streams = g_ptr_array_new_with_free_func (stream_free);
  return self;
}

void
egress_events_free (EgressEvents *self)
{
  if (!self)
    return;
  g_ptr_array_unref (self->streams);
  g_free (self->base_path);
  g_free (self);
}

static void
on_wrote_chunk (SoupServerMessage *msg, gpointer data)
{
  Stream *self = data;

  if (self->n_queued > 0)
    self->n_queued--;
}

static void
on_finished (SoupServerMessage *msg, gpointer data)
{
  stream_detach (data, FALSE);
}

static void
stream_send (Stream *self, const char *text, gint64 now_us)
{
  if (!self->msg)
    return;
  if (self->n_queued >= EGRESS_EVENTS_MAX_QUEUED)
    {
      stream_detach (self, TRUE);
      return;
    }
  self->n_queued++;
  self->last_sent_us = now_us;
  soup_message_body_append (soup_server_message_get_response_body (self->msg),
                            SOUP_MEMORY_COPY, text, strlen (text));
  soup_server_message_unpause (self->msg);
}

static void
stream_send_live (Stream *self, gboolean is_live, gint64 now_us)
{
  if (is_live && self->mask & EVENT_ACTIVE)
    stream_send (self, "event: active\ndata: {}\n\n", now_us);
  else if (!is_live && self->mask & EVENT_INACTIVE)
    stream_send (self, "event: inactive\ndata: {}\n\n", now_us);
}

static void
stream_send_count (Stream *self, guint n_viewers, gint64 now_us)
{
  g_autofree char *text = NULL;

  if (!(self->mask & EVENT_VIEWERCOUNT))
    return;
  text = g_strdup_printf ("event: viewercount\ndata: {\"viewercount\":%u}\n\n",
                          n_viewers);
  self->last_count = n_viewers;
  self->last_count_us = now_us;
  stream_send (self, text, now_us);
}

static gboolean
hears_moves (const Stream *self)
{
  return self->msg && self->mask & EVENT_RECONNECT;
}

gboolean
egress_events_hears_moves (EgressEvents *self)
{
  for (guint i = 0; i < self->streams->len; i++)
    if (hears_moves (self->streams->pdata[i]))
      return TRUE;
  return FALSE;
}

gboolean
egress_events_can_move (EgressEvents *self, gint64 now_us)
{
  if (self->moved_us && now_us - self->moved_us < EGRESS_EVENTS_MOVE_AGAIN_US)
    return FALSE;
  return egress_events_hears_moves (self);
}

void
egress_events_move (EgressEvents *self, const char *url, gint64 now_us)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *data = NULL, *text = NULL;

  json_builder_begin_object (json);
  base_json_add_text (json, "url", url);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  data = json_to_string (root, FALSE);
  text = g_strdup_printf ("event: reconnect\ndata: %s\n\n", data);
  self->moved_us = now_us;
  for (guint i = 0; i < self->streams->len; i++)
    if (hears_moves (self->streams->pdata[i]))
      stream_send (self->streams->pdata[i], text, now_us);
}

gboolean
egress_events_parse (const char *body, guint *ret_mask)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_auto (GStrv) names = g_strsplit (EGRESS_EVENTS_NAMES, ",", -1);
  guint mask = 0;
  JsonNode *root;
  JsonArray *array;

  if (!json_parser_load_from_data (parser, body, -1, NULL))
    return FALSE;
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_ARRAY (root))
    return FALSE;
  array = json_node_get_array (root);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      guint bit = 0;

      if (json_node_get_value_type (node) != G_TYPE_STRING)
        return FALSE;
      while (names[bit]
             && !g_str_equal (names[bit], json_node_get_string (node)))
        bit++;
      if (!names[bit])
        return FALSE;
      mask |= 1u << bit;
    }
  if (mask == 0)
    return FALSE;
  *ret_mask = mask;
  return TRUE;
}

static void
subscribe (EgressEvents *self, SoupServerMessage *msg)
{
  g_autofree char *body = NULL, *location = NULL;
  Stream *stream;
  guint mask;

  if (!base_http_has_type (msg, "application/json"))
    {
      base_http_problem (msg, SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE,
                         "content-type-unsupported",
                         "The Content-Type must be application/json.");
      return;
    }
  body = base_http_dup_body (msg, MAX_BODY_BYTES);
  if (!body)
    return;
  if (!egress_events_parse (body, &mask))
    {
      base_http_problem (msg, SOUP_STATUS_BAD_REQUEST, "event-unknown",
                         "The body must be a JSON array of some of: %s.",
                         EGRESS_EVENTS_NAMES);
      return;
    }
  if (self->streams->len >= EGRESS_EVENTS_MAX_STREAMS)
    {
      base_http_problem (msg, 429, "event-streams-limit",
                         "A session may have %d event streams.",
                         EGRESS_EVENTS_MAX_STREAMS);
      return;
    }
  stream = g_new0 (Stream, 1);
  stream->id = base_http_random_id ();
  stream->mask = mask;
  g_ptr_array_add (self->streams, stream);
  location = g_strdup_printf ("%s/sse/%s", self->base_path, stream->id);
  base_http_empty (msg, SOUP_STATUS_CREATED);
  soup_message_headers_replace (soup_server_message_get_response_headers (msg),
                                "Location", location);
}

static void
connect_reader (Stream *stream, SoupServerMessage *msg)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (msg);
  gboolean is_http_1_0 =
      soup_server_message_get_http_version (msg) == SOUP_HTTP_1_0;

  stream_detach (stream, TRUE);
  soup_server_message_set_status (msg, SOUP_STATUS_OK, NULL);
  soup_message_headers_replace (headers, "Content-Type", EVENT_TYPE);
  soup_message_headers_replace (headers, "Cache-Control", "no-store");
  /* Proxies that buffer replies would hold events back. */
  soup_message_headers_replace (headers, "X-Accel-Buffering", "no");
  soup_message_headers_set_encoding (
      headers, is_http_1_0 ? SOUP_ENCODING_EOF : SOUP_ENCODING_CHUNKED);
  soup_message_body_set_accumulate (soup_server_message_get_response_body (msg),
                                    FALSE);
  stream->msg = g_object_ref (msg);
  stream->n_queued = 0;
  stream->wrote_id = g_signal_connect (msg, "wrote-chunk",
                                       G_CALLBACK (on_wrote_chunk), stream);
  stream->finished_id =
      g_signal_connect (msg, "finished", G_CALLBACK (on_finished), stream);
  /* A server that stops drops connections without finishing messages. */
  stream->disconnected_id =
      g_signal_connect (msg, "disconnected", G_CALLBACK (on_finished), stream);
}

static void
handle_stream (EgressEvents *self, SoupServerMessage *msg, guint index,
               gboolean is_live, guint n_viewers, gint64 now_us)
{
  Stream *stream = self->streams->pdata[index];
  const char *method = soup_server_message_get_method (msg);

  if (g_str_equal (method, "GET"))
    {
      connect_reader (stream, msg);
      /* sends the headers at once, with whatever there is to say */
      stream_send (stream, ": open\n\n", now_us);
      if (is_live)
        stream_send_live (stream, TRUE, now_us);
      stream_send_count (stream, n_viewers, now_us);
    }
  else if (g_str_equal (method, "DELETE"))
    {
      g_ptr_array_remove_index (self->streams, index);
      base_http_empty (msg, SOUP_STATUS_OK);
    }
  else
    {
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed",
                         "This resource allows GET, DELETE, OPTIONS.");
      soup_message_headers_replace (
          soup_server_message_get_response_headers (msg), "Allow",
          "GET, DELETE, OPTIONS");
    }
}

gboolean
egress_events_handle (EgressEvents *self, SoupServerMessage *msg,
                      const char *rest, gboolean is_live, guint n_viewers,
                      gint64 now_us)
{
  if (g_str_equal (rest, "sse"))
    {
      if (g_str_equal (soup_server_message_get_method (msg), "POST"))
        {
          subscribe (self, msg);
          return TRUE;
        }
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed",
                         "This resource allows POST, OPTIONS.");
      soup_message_headers_replace (
          soup_server_message_get_response_headers (msg), "Allow",
          "POST, OPTIONS");
      return TRUE;
    }
  if (!g_str_has_prefix (rest, "sse/"))
    return FALSE;
  for (guint i = 0; i < self->streams->len; i++)
    if (g_str_equal (((Stream *)self->streams->pdata[i])->id, rest + 4))
      {
        handle_stream (self, msg, i, is_live, n_viewers, now_us);
        return TRUE;
      }
  return FALSE;
}

void
egress_events_set_live (EgressEvents *self, gboolean is_live, gint64 now_us)
{
  for (guint i = 0; i < self->streams->len; i++)
    stream_send_live (self->streams->pdata[i], is_live, now_us);
}

void
egress_events_tick (EgressEvents *self, guint n_viewers, gint64 now_us)
{
  for (guint i = 0; i < self->streams->len; i++)
    {
      Stream *stream = self->streams->pdata[i];

      if (!stream->msg)
        continue;
      if (n_viewers != stream->last_count
          && now_us - stream->last_count_us >= COUNT_INTERVAL_US)
        stream_send_count (stream, n_viewers, now_us);
      if (now_us - stream->last_sent_us >= KEEPALIVE_INTERVAL_US)
        stream_send (stream, ": keepalive\n\n", now_us);
    }
}
