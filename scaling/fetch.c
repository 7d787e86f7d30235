/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingFetch: see fetch.h. libsoup's own time-out is for one read; what
 * counts here is the whole. */
#include "scaling/fetch.h"

#include "base/clock.h"

#define READ_BYTES 16384

G_DEFINE_QUARK (scaling - fetch - error - quark, scaling_fetch_error)

struct _ScalingFetch
{
  SoupMessage *msg;          /* owned */
  GInputStream *stream;      /* owned, nullable: before the head is there */
  GCancellable *cancellable; /* owned */
  GByteArray *body;          /* owned */
  gsize max_bytes;
  gint64 timeout_us;
  guint timeout_id;
  gboolean is_late;
  ScalingFetchFunc func; /* nullable: cancelled */
  gpointer data;
};

static void
fetch_free (ScalingFetch *self)
{
  g_clear_handle_id (&self->timeout_id, g_source_remove);
  g_clear_object (&self->stream);
  g_clear_object (&self->msg);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->body, g_byte_array_unref);
  g_free (self);
}

/* finish: @error: (transfer full) (nullable) */
static void
finish (ScalingFetch *self, GError *error)
{
  static const guint8 nul = 0;
  guint n_bytes = self->body->len;

  g_clear_handle_id (&self->timeout_id, g_source_remove);
  g_byte_array_append (self->body, &nul, 1);
  g_byte_array_set_size (self->body, n_bytes); /* the byte stays behind it */
  if (self->func && error)
    self->func (0, NULL, error, self->data);
  else if (self->func)
    self->func (soup_message_get_status (self->msg), self->body, NULL,
                self->data);
  g_clear_error (&error);
  fetch_free (self);
}

static ScalingFetchError
code_of (const ScalingFetch *self, const GError *why)
{
  if (g_error_matches (why, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return SCALING_FETCH_ERROR_ABORTED;
  return why->domain == G_TLS_ERROR ? SCALING_FETCH_ERROR_TLS
                                    : SCALING_FETCH_ERROR_AWAY;
}

static void
fail (ScalingFetch *self, const GError *why)
{
  g_autofree char *host = g_uri_to_string_partial (
      soup_message_get_uri (self->msg),
      G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT);

  if (self->is_late)
    finish (self, g_error_new (SCALING_FETCH_ERROR, SCALING_FETCH_ERROR_LATE,
                               "%s: no whole answer in %.1f s", host,
                               (double)self->timeout_us / BASE_US_PER_S));
  else
    finish (self, g_error_new (SCALING_FETCH_ERROR, (int)code_of (self, why),
                               "%s: %s", host, why->message));
}

static void read_more (ScalingFetch *self);

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  ScalingFetch *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (
      G_INPUT_STREAM (source), result, &error);
  gsize n_bytes;
  gconstpointer begin;

  if (!bytes)
    {
      fail (self, error);
      return;
    }
  begin = g_bytes_get_data (bytes, &n_bytes);
  if (n_bytes == 0)
    finish (self, NULL);
  else if (self->body->len + n_bytes <= self->max_bytes)
    {
      g_byte_array_append (self->body, begin, (guint)n_bytes);
      read_more (self);
    }
  else if (!SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (self->msg)))
    finish (self, NULL); /* words of a refusal: enough of them */
  else
    finish (self,
            g_error_new (SCALING_FETCH_ERROR, SCALING_FETCH_ERROR_TOO_LARGE,
                         "the answer has more than %" G_GSIZE_FORMAT " bytes",
                         self->max_bytes));
}

static void
read_more (ScalingFetch *self)
{
  g_input_stream_read_bytes_async (self->stream, READ_BYTES, G_PRIORITY_DEFAULT,
                                   self->cancellable, on_read, self);
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  ScalingFetch *self = data;
  g_autoptr (GError) error = NULL;

  self->stream =
      soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (self->stream)
    read_more (self);
  else
    fail (self, error);
}

static gboolean
on_late (gpointer data)
{
  ScalingFetch *self = data;

  self->timeout_id = 0;
  self->is_late = TRUE;
  g_cancellable_cancel (self->cancellable);
  return G_SOURCE_REMOVE;
}

ScalingFetch *
scaling_fetch_start (SoupSession *session, SoupMessage *msg, gint64 timeout_us,
                     gsize max_bytes, ScalingFetchFunc func, gpointer data)
{
  ScalingFetch *self = g_new0 (ScalingFetch, 1);

  self->msg = msg;
  self->cancellable = g_cancellable_new ();
  self->body = g_byte_array_new ();
  self->max_bytes = max_bytes;
  self->timeout_us = timeout_us;
  self->func = func;
  self->data = data;
  soup_message_add_flags (msg, SOUP_MESSAGE_NO_REDIRECT);
  self->timeout_id = g_timeout_add ((guint)MAX (timeout_us / BASE_US_PER_MS, 1),
                                    on_late, self);
  soup_session_send_async (session, msg, G_PRIORITY_DEFAULT, self->cancellable,
                           on_sent, self);
  return self;
}

void
scaling_fetch_cancel (ScalingFetch *self)
{
  self->func = NULL;
  g_cancellable_cancel (self->cancellable);
}

void
scaling_fetch_abort (ScalingFetch *self)
{
  g_cancellable_cancel (self->cancellable);
}

SoupSession *
scaling_fetch_new_session (gboolean use_proxy)
{
  SoupSession *session = soup_session_new ();

  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  soup_session_set_user_agent (session, "media-tree/" MEDIA_TREE_VERSION);
  if (!use_proxy)
    soup_session_set_proxy_resolver (session, NULL);
  return session;
}
