/* SPDX-License-Identifier: Apache-2.0 */
/* BenchFollower: see follower.h. */
#include "tests/bench/follower.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/epoll.h>

#include "tests/bench/signup.h"

#define EVENTS_REL "urn:ietf:params:whep:ext:core:server-sent-events"
#define MAX_HOPS 4
#define SEAT_US (10 * G_USEC_PER_SEC) /* from the answer to media */
#define MOVE_US (8 * G_USEC_PER_SEC)  /* our player's patience */
#define MAX_WAIT_S 30                 /* whatever Retry-After says */
#define AGAIN_MS 1000                 /* after an answer of no use */

/* A session at one node. */
typedef struct
{
  BenchFollower *owner; /* borrowed */
  BenchViewer *viewer;  /* owned */
  GCancellable *cancel; /* owned: of all that is under way */
  SoupMessage *message; /* owned, nullable: the one that is */
  /* owned; nullable until it is signed in */
  char *url, *place, *events_url;
  GDataInputStream *events; /* owned, nullable */
  gboolean is_reconnect;    /* the event that is being read */
  gint64 begun_us, signed_us;
  guint n_hops;
} Connection;

struct _BenchFollower
{
  BenchFollowerPlan plan;
  Connection *now, *next; /* owned, nullable */
  gboolean is_watching;
  guint again_id;
  gint64 heard_us;
  BenchFollowerCounts counts; /* packets: of connections that are over */
};

static guint n_goodbyes;

guint
bench_follower_count_goodbyes (void)
{
  return n_goodbyes;
}

/* --- connections ---------------------------------------------------------- */

static void
on_goodbye (GObject *session, GAsyncResult *result, gpointer data)
{
  g_autoptr (GBytes) reply =
      soup_session_send_and_read_finish (SOUP_SESSION (session), result, NULL);

  n_goodbyes--;
}

static void
say_goodbye (Connection *self)
{
  g_autoptr (SoupMessage) message = soup_message_new ("DELETE", self->url);

  n_goodbyes++;
  soup_session_send_and_read_async (self->owner->plan.session, message,
                                    G_PRIORITY_DEFAULT, NULL, on_goodbye, NULL);
}

static void
connection_free (Connection *self)
{
  BenchFollowerCounts *counts = &self->owner->counts;
  BenchCounts sum = { 0 };

  g_cancellable_cancel (self->cancel);
  if (self->url)
    say_goodbye (self);
  bench_viewer_add_counts (self->viewer, &sum);
  counts->n_packets += sum.n_packets;
  counts->n_lost += sum.n_lost;
  bench_viewer_free (self->viewer); /* leaves the epoll with its socket */
  g_clear_object (&self->events);
  g_clear_object (&self->message);
  g_object_unref (self->cancel);
  g_free (self->url);
  g_free (self->place);
  g_free (self->events_url);
  g_free (self);
}

static void
drop (Connection **connection)
{
  g_clear_pointer (connection, connection_free);
}

static void post (Connection *self, const char *url);

static Connection *
connection_new (BenchFollower *owner, const char *url)
{
  Connection *self = g_new0 (Connection, 1);
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = self };
  BenchViewerOptions options = { .is_timed = TRUE,
                                 .due_us = g_get_monotonic_time () };

  self->owner = owner;
  self->begun_us = options.due_us;
  self->viewer = bench_viewer_new (&options);
  self->cancel = g_cancellable_new ();
  epoll_ctl (owner->plan.epoll_fd, EPOLL_CTL_ADD,
             bench_viewer_get_fd (self->viewer), &event);
  post (self, url);
  return self;
}

static void
join (BenchFollower *self)
{
  drop (&self->next);
  drop (&self->now);
  self->is_watching = FALSE;
  self->now = connection_new (self, self->plan.url);
}

static gboolean
on_again (gpointer data)
{
  BenchFollower *self = data;

  self->again_id = 0;
  join (self);
  return G_SOURCE_REMOVE;
}

/* give_up: the first connection: it is tried anew; the next one: the server
 * says again where to go */
static void
give_up (Connection *connection, guint wait_ms)
{
  BenchFollower *self = connection->owner;

  if (connection == self->next)
    {
      drop (&self->next);
      return;
    }
  drop (&self->now);
  self->again_id = g_timeout_add (wait_ms, on_again, self);
}

static void
fail (Connection *connection, const char *why)
{
  BenchFollower *self = connection->owner;

  self->plan.on_failed (why, self->plan.data);
  give_up (connection, AGAIN_MS);
}

/* --- signing in ----------------------------------------------------------- */

/* (transfer full) (nullable): a header's address, made absolute */
static char *
resolve (SoupMessage *message, const char *reference)
{
  g_autofree char *base = g_uri_to_string (soup_message_get_uri (message));

  return reference ? g_uri_resolve_relative (base, reference,
                                             SOUP_HTTP_URI_FLAGS, NULL)
                   : NULL;
}

/* (transfer full) (nullable): of the Link that makes event streams */
static char *
find_events (SoupMessage *message)
{
  const char *header = soup_message_headers_get_list (
      soup_message_get_response_headers (message), "Link");
  const char *rel = header ? strstr (header, EVENTS_REL) : NULL;
  g_autofree char *reference = NULL;
  const char *from, *to;

  if (!rel)
    return NULL;
  from = g_strrstr_len (header, rel - header, "<");
  to = from ? strchr (from, '>') : NULL;
  if (!to)
    return NULL;
  reference = g_strndup (from + 1, (gsize)(to - from - 1));
  return resolve (message, reference);
}

static void
take_answer (Connection *self, GBytes *body)
{
  SoupMessageHeaders *headers =
      soup_message_get_response_headers (self->message);
  GUri *uri = soup_message_get_uri (self->message);
  g_autofree char *sdp =
      g_strndup (g_bytes_get_data (body, NULL), g_bytes_get_size (body));

  self->url = resolve (self->message,
                       soup_message_headers_get_one (headers, "Location"));
  self->place = g_strdup_printf ("%s://%s:%d", g_uri_get_scheme (uri),
                                 g_uri_get_host (uri), g_uri_get_port (uri));
  self->events_url = find_events (self->message);
  self->signed_us = g_get_monotonic_time ();
  if (!self->url || !bench_signup_take_remote (self->viewer, sdp, FALSE))
    fail (self, "an answer without an address");
}

static guint
read_wait_ms (SoupMessage *message)
{
  const char *text = soup_message_headers_get_one (
      soup_message_get_response_headers (message), "Retry-After");
  guint64 s = text ? g_ascii_strtoull (text, NULL, 10) : 1;

  return (guint)CLAMP (s, 1, MAX_WAIT_S) * 1000;
}

static void
take_status (Connection *self, GBytes *body)
{
  const BenchFollowerPlan *plan = &self->owner->plan;
  guint status = soup_message_get_status (self->message);
  g_autofree char *there = resolve (
      self->message,
      soup_message_headers_get_one (
          soup_message_get_response_headers (self->message), "Location"));
  g_autofree char *why = NULL;

  if (status == SOUP_STATUS_CREATED)
    take_answer (self, body);
  else if (status == SOUP_STATUS_TEMPORARY_REDIRECT && there
           && self->n_hops++ < MAX_HOPS)
    post (self, there);
  else if (status == SOUP_STATUS_SERVICE_UNAVAILABLE)
    {
      plan->on_refused (plan->data);
      give_up (self, read_wait_ms (self->message));
    }
  else
    {
      why = g_strdup_printf ("HTTP %u", status);
      fail (self, why);
    }
}

static void
on_answer (GObject *session, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = soup_session_send_and_read_finish (
      SOUP_SESSION (session), result, &error);
  Connection *self = data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* it is no more */
  if (error)
    fail (self, error->message);
  else
    take_status (self, body);
}

static void
post (Connection *self, const char *url)
{
  g_autofree char *offer = bench_signup_make_offer (self->viewer);
  g_autoptr (GBytes) bytes = g_bytes_new (offer, strlen (offer));

  g_clear_object (&self->message);
  self->message = soup_message_new ("POST", url);
  soup_message_add_flags (self->message, SOUP_MESSAGE_NO_REDIRECT);
  soup_message_set_request_body_from_bytes (self->message, "application/sdp",
                                            bytes);
  soup_session_send_and_read_async (self->owner->plan.session, self->message,
                                    G_PRIORITY_DEFAULT, self->cancel, on_answer,
                                    self);
}

/* --- events --------------------------------------------------------------- */

static void
move (BenchFollower *self, const char *json)
{
  g_autoptr (JsonNode) root = json_from_string (json, NULL);
  const char *url = NULL;

  if (root && JSON_NODE_HOLDS_OBJECT (root))
    url = json_object_get_string_member_with_default (
        json_node_get_object (root), "url", NULL);
  if (url && !self->next && self->now)
    self->next = connection_new (self, url);
}

static void read_event (Connection *self);

static void
on_line (GObject *stream, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = g_data_input_stream_read_line_finish (
      G_DATA_INPUT_STREAM (stream), result, NULL, &error);
  Connection *self = data;

  if (!line)
    return; /* it is over, or the connection is no more */
  if (g_str_has_prefix (line, "event: "))
    self->is_reconnect = g_str_equal (line, "event: reconnect");
  else if (g_str_has_prefix (line, "data: ") && self->is_reconnect
           && self == self->owner->now)
    move (self->owner, line + strlen ("data: "));
  read_event (self);
}

static void
read_event (Connection *self)
{
  g_data_input_stream_read_line_async (self->events, G_PRIORITY_DEFAULT,
                                       self->cancel, on_line, self);
}

static void
on_events (GObject *session, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) stream =
      soup_session_send_finish (SOUP_SESSION (session), result, &error);
  Connection *self = data;

  if (!stream)
    return;
  self->events = g_data_input_stream_new (stream);
  read_event (self);
}

static void
on_events_made (GObject *session, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = soup_session_send_and_read_finish (
      SOUP_SESSION (session), result, &error);
  Connection *self = data;
  g_autofree char *url = NULL;

  if (error)
    return;
  url = resolve (
      self->message,
      soup_message_headers_get_one (
          soup_message_get_response_headers (self->message), "Location"));
  g_clear_object (&self->message);
  if (!url)
    return;
  self->message = soup_message_new ("GET", url);
  soup_session_send_async (self->owner->plan.session, self->message,
                           G_PRIORITY_DEFAULT, self->cancel, on_events, self);
}

static void
ask_events (Connection *self)
{
  g_autoptr (GBytes) body = g_bytes_new_static ("[\"reconnect\"]", 13);

  if (!self->events_url)
    return;
  g_clear_object (&self->message);
  self->message = soup_message_new ("POST", self->events_url);
  soup_message_set_request_body_from_bytes (self->message, "application/json",
                                            body);
  soup_session_send_and_read_async (self->owner->plan.session, self->message,
                                    G_PRIORITY_DEFAULT, self->cancel,
                                    on_events_made, self);
}

/* --- media ---------------------------------------------------------------- */

void
bench_follower_receive (gpointer connection, gint64 now_us)
{
  Connection *c = connection;
  BenchFollower *self = c->owner;
  gint64 heard_us;

  bench_viewer_receive (c->viewer, now_us);
  heard_us = bench_viewer_get_times (c->viewer)->heard_us;
  if (heard_us <= self->heard_us)
    return;
  if (self->heard_us > 0)
    {
      gint64 gap_us = heard_us - self->heard_us;

      self->counts.max_gap_us = MAX (self->counts.max_gap_us, gap_us);
      self->counts.n_freezes += gap_us > BENCH_FREEZE_US;
    }
  self->heard_us = heard_us;
}

static void
tick_now (BenchFollower *self, gint64 now_us)
{
  const BenchFollowerPlan *plan = &self->plan;
  Connection *c = self->now;

  bench_viewer_tick (c->viewer, now_us);
  if (!self->is_watching && bench_viewer_is_seated (c->viewer))
    {
      self->is_watching = TRUE;
      plan->on_seated (c->place, bench_viewer_get_times (c->viewer)->media_us,
                       plan->data);
      ask_events (c);
    }
  else if (!self->is_watching && now_us - c->signed_us > SEAT_US)
    fail (c, "no media");
  else if (self->is_watching
           && now_us - bench_viewer_get_times (c->viewer)->heard_us
                  > BENCH_CUT_US)
    {
      plan->on_cut (c->place, plan->data);
      join (self);
    }
}

static void
tick_next (BenchFollower *self, gint64 now_us)
{
  const BenchFollowerPlan *plan = &self->plan;
  Connection *c = self->next, *old = self->now;

  bench_viewer_tick (c->viewer, now_us);
  if (old && bench_viewer_is_seated (c->viewer)
      && bench_viewer_is_as_far (c->viewer, old->viewer))
    {
      self->now = c;
      self->next = NULL;
      plan->on_moved (old->place, c->place, now_us - c->begun_us, plan->data);
      drop (&old);
      ask_events (c);
    }
  else if (now_us - c->begun_us > MOVE_US)
    fail (c, "a move took too long");
}

void
bench_follower_tick (BenchFollower *self, gint64 now_us)
{
  if (self->next && self->next->url)
    tick_next (self, now_us);
  if (self->now && self->now->url)
    tick_now (self, now_us);
}

/* --- life ----------------------------------------------------------------- */

BenchFollower *
bench_follower_new (const BenchFollowerPlan *plan)
{
  BenchFollower *self = g_new0 (BenchFollower, 1);

  self->plan = *plan;
  join (self);
  return self;
}

void
bench_follower_free (BenchFollower *self)
{
  drop (&self->next);
  drop (&self->now);
  g_clear_handle_id (&self->again_id, g_source_remove);
  g_free (self);
}

gboolean
bench_follower_is_watching (BenchFollower *self)
{
  return self->is_watching;
}

const char *
bench_follower_get_place (BenchFollower *self)
{
  return self->is_watching ? self->now->place : NULL;
}

void
bench_follower_add_counts (BenchFollower *self, BenchFollowerCounts *sum)
{
  Connection *connections[] = { self->now, self->next };
  gint64 gap_us = g_get_monotonic_time () - self->heard_us;

  sum->n_packets += self->counts.n_packets;
  sum->n_lost += self->counts.n_lost;
  sum->max_gap_us = MAX (sum->max_gap_us, self->counts.max_gap_us);
  sum->n_freezes += self->counts.n_freezes;
  if (self->heard_us > 0 && gap_us > BENCH_FREEZE_US) /* it goes on */
    {
      sum->max_gap_us = MAX (sum->max_gap_us, gap_us);
      sum->n_freezes++;
    }
  for (guint i = 0; i < G_N_ELEMENTS (connections); i++)
    {
      BenchCounts counts = { 0 };

      if (!connections[i])
        continue;
      bench_viewer_add_counts (connections[i]->viewer, &counts);
      sum->n_packets += counts.n_packets;
      sum->n_lost += counts.n_lost;
    }
}

void
bench_follower_reset_gaps (BenchFollower *self)
{
  self->counts.max_gap_us = 0;
  self->counts.n_freezes = 0;
}
