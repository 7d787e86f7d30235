/* SPDX-License-Identifier: Apache-2.0 */
/* EgressJanusPolls: one list by deadline, and the polls of each session. */
#include "egress/janus-polls.h"

#include <poll.h>

#include "base/clock.h"
#include "base/http.h"
#include "egress/janus-http.h"

struct _EgressJanusPolls
{
  EgressJanus *core;    /* borrowed */
  GQueue waiting;       /* of Poll, oldest first, so by deadline */
  GQueue answered;      /* of Poll whose reply is on its way */
  GHashTable *sessions; /* owned: guint64 -> GPtrArray of Poll, oldest first */
  BaseCounter *n_waiting, *n_abandoned; /* borrowed */
};

typedef struct
{
  EgressJanusPolls *polls; /* borrowed; NULL: they have gone */
  SoupServerMessage *msg;  /* owned */
  guint64 session_id;
  guint n_max;
  gboolean is_array, is_waiting, is_written;
  gint64 since_us;
  GPtrArray *events; /* owned (nullable): on their way */
  gulong wrote_id, finished_id, disconnected_id;
  GList link; /* of polls->waiting or answered */
} Poll;

/* poll_stop_waiting: it is answered, or its client has gone */
static void
poll_stop_waiting (Poll *self)
{
  EgressJanusPolls *polls = self->polls;
  GPtrArray *of_session;

  if (!self->is_waiting)
    return;
  self->is_waiting = FALSE;
  g_queue_unlink (&polls->waiting, &self->link);
  g_queue_push_tail_link (&polls->answered, &self->link);
  base_counter_set (polls->n_waiting, polls->waiting.length);
  of_session = g_hash_table_lookup (polls->sessions, &self->session_id);
  g_ptr_array_remove (of_session, self);
  if (of_session->len == 0)
    g_hash_table_remove (polls->sessions, &self->session_id);
}

/* poll_take_back: events that were on their way to a client who has gone */
static void
poll_take_back (Poll *self)
{
  EgressJanusSession *session;

  if (!self->polls || !self->events || self->is_written)
    return;
  base_counter_add (self->polls->n_abandoned, 1);
  session = egress_janus_lookup (self->polls->core, self->session_id);
  if (session)
    egress_janus_session_return_events (session, self->events);
}

static void
on_written (SoupServerMessage *msg, gpointer data)
{
  ((Poll *)data)->is_written = TRUE;
}

static void
on_gone (SoupServerMessage *msg, gpointer data)
{
  Poll *self = data;

  g_signal_handler_disconnect (msg, self->wrote_id);
  g_signal_handler_disconnect (msg, self->finished_id);
  g_signal_handler_disconnect (msg, self->disconnected_id);
  poll_stop_waiting (self);
  if (self->polls)
    g_queue_unlink (&self->polls->answered, &self->link);
  poll_take_back (self);
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_object_unref (self->msg);
  g_free (self);
}

/* (transfer full) {"janus":"keepalive"} */
static JsonObject *
new_keepalive (void)
{
  JsonObject *keepalive = json_object_new ();

  json_object_set_string_member (keepalive, "janus", "keepalive");
  return keepalive;
}

/* poll_answer: @events: (transfer full) (nullable): NULL: a keepalive */
static void
poll_answer (Poll *self, GPtrArray *events)
{
  JsonNode *root = json_node_new (JSON_NODE_ARRAY);
  JsonArray *array = json_array_new ();

  if (!events)
    json_array_add_object_element (array, new_keepalive ());
  for (guint i = 0; events && i < events->len; i++)
    json_array_add_object_element (array, json_object_ref (events->pdata[i]));
  json_node_take_array (root, array);
  if (!self->is_array)
    {
      JsonNode *first = json_array_dup_element (array, 0);

      json_node_unref (root);
      root = first;
    }
  poll_stop_waiting (self);
  self->events = events;
  base_http_json (self->msg, SOUP_STATUS_OK, root);
  soup_server_message_unpause (self->msg);
}

/* is_abandoned: libsoup reads nothing while it owes a reply, so that a client
 * that has closed is seen on the socket only. A client that has shut down only
 * its sending half still gets the keepalive. */
static gboolean
is_abandoned (Poll *self)
{
  GSocket *socket = base_http_get_socket (self->msg);
  struct pollfd fd = { .events = POLLRDHUP };

  if (!socket)
    return FALSE;
  fd.fd = g_socket_get_fd (socket);
  return poll (&fd, 1, 0) > 0
         && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void
egress_janus_polls_deliver (EgressJanusPolls *self, EgressJanusSession *session)
{
  guint64 id = egress_janus_session_get_id (session);
  GPtrArray *polls;

  /* Of several, the newest is the one whose client is there most likely. */
  while ((polls = g_hash_table_lookup (self->sessions, &id)))
    {
      Poll *poll = polls->pdata[polls->len - 1];
      GPtrArray *events;

      if (is_abandoned (poll))
        {
          base_counter_add (self->n_abandoned, 1);
          poll_answer (poll, NULL);
          continue;
        }
      events = egress_janus_session_take_events (session, poll->n_max);
      if (events->len > 0)
        poll_answer (poll, events);
      else
        g_ptr_array_unref (events);
      return;
    }
}

void
egress_janus_polls_end (EgressJanusPolls *self, EgressJanusSession *session)
{
  guint64 id = egress_janus_session_get_id (session);
  GPtrArray *polls;

  egress_janus_polls_deliver (self, session);
  while ((polls = g_hash_table_lookup (self->sessions, &id)))
    {
      Poll *poll = polls->pdata[0];

      poll_stop_waiting (poll);
      base_http_empty (poll->msg, SOUP_STATUS_NOT_FOUND);
      soup_server_message_unpause (poll->msg);
    }
}

/* add_of_session: @poll is the newest of its session; the oldest goes when
 * there are too many */
static void
add_of_session (EgressJanusPolls *self, Poll *poll)
{
  GPtrArray *polls = g_hash_table_lookup (self->sessions, &poll->session_id);

  if (!polls)
    {
      polls = g_ptr_array_new ();
      g_hash_table_insert (
          self->sessions,
          g_memdup2 (&poll->session_id, sizeof poll->session_id), polls);
    }
  g_ptr_array_add (polls, poll);
  if (polls->len > EGRESS_JANUS_HTTP_MAX_POLLS)
    poll_answer (polls->pdata[0], NULL);
}

void
egress_janus_polls_add (EgressJanusPolls *self, SoupServerMessage *msg,
                        guint64 session_id, gint64 n_max)
{
  Poll *poll = g_new0 (Poll, 1);

  poll->polls = self;
  poll->msg = g_object_ref (msg);
  poll->session_id = session_id;
  poll->is_array = n_max > 1;
  poll->n_max = (guint)CLAMP (n_max, 1, EGRESS_JANUS_HTTP_MAX_EVENTS_A_POLL);
  poll->since_us = base_clock_now_us ();
  poll->wrote_id =
      g_signal_connect (msg, "wrote-body", G_CALLBACK (on_written), poll);
  poll->finished_id =
      g_signal_connect (msg, "finished", G_CALLBACK (on_gone), poll);
  /* A server that stops drops connections without finishing messages. */
  poll->disconnected_id =
      g_signal_connect (msg, "disconnected", G_CALLBACK (on_gone), poll);
  poll->is_waiting = TRUE;
  poll->link.data = poll;
  g_queue_push_tail_link (&self->waiting, &poll->link);
  soup_server_message_pause (msg);
  add_of_session (self, poll);
  base_counter_set (self->n_waiting, self->waiting.length);
}

void
egress_janus_polls_expire (EgressJanusPolls *self, gint64 now_us)
{
  GList *next;

  for (GList *l = self->waiting.head; l; l = next)
    {
      Poll *poll = l->data;

      next = l->next;
      if (now_us - poll->since_us >= EGRESS_JANUS_POLL_US
          || is_abandoned (poll))
        poll_answer (poll, NULL);
    }
}

EgressJanusPolls *
egress_janus_polls_new (EgressJanus *core, BaseMetrics *metrics)
{
  EgressJanusPolls *self = g_new0 (EgressJanusPolls, 1);

  self->core = core;
  self->sessions = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free,
                                          (GDestroyNotify)g_ptr_array_unref);
  if (!metrics)
    return self;
  self->n_waiting =
      base_metrics_add_gauge (metrics, "media_tree_janus_polls", NULL,
                              "Long polls that wait for events.");
  self->n_abandoned = base_metrics_add_counter (
      metrics, "media_tree_janus_polls_abandoned_total", NULL,
      "Long polls whose client had gone when there was an event; it went to "
      "the next poll.");
  return self;
}

void
egress_janus_polls_free (EgressJanusPolls *self)
{
  g_return_if_fail (self);

  while (self->waiting.head)
    poll_answer (self->waiting.head->data, NULL);
  while (self->answered.head)
    {
      Poll *poll = g_queue_pop_head_link (&self->answered)->data;

      poll->polls = NULL;
    }
  g_hash_table_unref (self->sessions);
  g_free (self);
}
