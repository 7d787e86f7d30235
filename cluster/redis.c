/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterRedis: a pipeline over GIO's asynchronous streams. */
#include "cluster/redis.h"

#include "base/clock.h"
#include "cluster/log.h"
#include "cluster/store.h"

#include <hiredis/hiredis.h>
#include <string.h>

#define READ_BYTES 65536
#define MAX_OUT_BYTES (4 << 20)

const ClusterRedisLimits cluster_redis_limits = {
  .connect_ms = 2000,
  .command_ms = 2000,
  .ping_ms = 5000,
  .backoff_min_ms = 100,
  .backoff_max_ms = 4000,
  .max_pending = 1024,
  .max_reply_bytes = 16 << 20,
  .max_reply_items = 131072,
};

typedef struct
{
  ClusterReplyFunc func; /* nullable */
  gpointer data;
  GDestroyNotify drop;
  gint64 sent_us;
} Pending;

/* The owner has a reference, each operation of GIO's another. */
struct _ClusterRedis
{
  guint n_refs;
  ClusterRedisLimits limits;
  ClusterRedisCallbacks callbacks;
  gpointer data;    /* borrowed */
  GTlsDatabase *ca; /* owned, nullable */
  GCancellable *cancellable;
  GSocketConnection *connection; /* owned, nullable until connected */
  ClusterReader *reader;
  GQueue pending;        /* (element-type Pending) */
  GByteArray *out;       /* to be written */
  GByteArray *writing;   /* owned, nullable: is being written */
  GSource *timer, *idle; /* owned, nullable */
  GError *later;         /* owned, nullable: close_later's */
  gint64 started_us, heard_us;
  gboolean is_closed, is_freed, is_subscriber;
  guint8 buffer[READ_BYTES];
};

static void read_more (ClusterRedis *self);
static void write_more (ClusterRedis *self);

static ClusterRedis *
redis_ref (ClusterRedis *self)
{
  self->n_refs++;
  return self;
}

static void
drop_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
redis_unref (ClusterRedis *self)
{
  if (--self->n_refs > 0)
    return;
  g_clear_object (&self->connection);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->ca);
  g_clear_error (&self->later);
  cluster_reader_free (self->reader);
  g_byte_array_unref (self->out);
  g_clear_pointer (&self->writing, g_byte_array_unref);
  g_free (self);
}

/* --- the end ------------------------------------------------------------ */

static void
stop (ClusterRedis *self)
{
  self->is_closed = TRUE;
  g_cancellable_cancel (self->cancellable);
  drop_source (&self->timer);
  drop_source (&self->idle);
}

static void
give_up (ClusterRedis *self, const GError *error)
{
  Pending *pending;

  if (self->is_closed)
    return;
  redis_ref (self);
  stop (self);
  while (!self->is_freed
         && (pending = g_queue_pop_head (&self->pending)) != NULL)
    {
      if (pending->func != NULL)
        pending->func (NULL, error, pending->data);
      g_free (pending);
    }
  if (!self->is_freed)
    self->callbacks.on_closed (error, self->data);
  redis_unref (self);
}

static void
fail (ClusterRedis *self, ClusterError code, const char *why)
{
  g_autoptr (GError) error = g_error_new_literal (CLUSTER_ERROR, code, why);

  give_up (self, error);
}

void
cluster_redis_free (ClusterRedis *self)
{
  Pending *pending;

  g_return_if_fail (self != NULL && !self->is_freed);

  self->is_freed = TRUE;
  stop (self);
  while ((pending = g_queue_pop_head (&self->pending)) != NULL)
    {
      if (pending->drop != NULL)
        pending->drop (pending->data);
      g_free (pending);
    }
  redis_unref (self);
}

static gboolean
on_close_later (gpointer data)
{
  ClusterRedis *self = data;
  g_autoptr (GError) error = g_steal_pointer (&self->later);

  give_up (self, error);
  return G_SOURCE_REMOVE;
}

void
cluster_redis_close_later (ClusterRedis *self, const GError *error)
{
  if (self->is_closed || self->idle != NULL)
    return;
  self->later = g_error_copy (error);
  self->idle = g_idle_source_new ();
  g_source_set_priority (self->idle, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->idle, on_close_later, self, NULL);
  g_source_attach (self->idle, NULL);
}

/* --- time --------------------------------------------------------------- */

static gboolean
on_timer (gpointer data)
{
  ClusterRedis *self = data;
  gint64 now_us = base_clock_now_us ();
  Pending *oldest = g_queue_peek_head (&self->pending);

  if (self->connection == NULL)
    {
      if (now_us - self->started_us > self->limits.connect_ms * BASE_US_PER_MS)
        {
          fail (self, CLUSTER_ERROR_TIMEOUT, "connecting takes too long");
          return G_SOURCE_REMOVE;
        }
    }
  else if (oldest != NULL)
    {
      if (now_us - oldest->sent_us > self->limits.command_ms * BASE_US_PER_MS)
        {
          fail (self, CLUSTER_ERROR_TIMEOUT, "a command is not answered");
          return G_SOURCE_REMOVE;
        }
    }
  else if (self->is_subscriber
           && now_us - self->heard_us > self->limits.ping_ms * BASE_US_PER_MS)
    cluster_redis_ask (self, NULL, NULL, "PING", NULL);
  return G_SOURCE_CONTINUE;
}

/* --- reading ------------------------------------------------------------ */

/* take_message: a subscriber hears messages between its answers */
static gboolean
take_message (ClusterRedis *self, const ClusterReply *reply)
{
  const char *kind = cluster_reply_get_text (cluster_reply_get_item (reply, 0));
  const char *channel =
      cluster_reply_get_text (cluster_reply_get_item (reply, 1));
  const char *text = cluster_reply_get_text (cluster_reply_get_item (reply, 2));

  if (!self->is_subscriber || g_strcmp0 (kind, "message") != 0)
    return FALSE;
  if (channel != NULL && text != NULL && self->callbacks.on_message != NULL)
    self->callbacks.on_message (channel, text, self->data);
  return TRUE;
}

static void
take_reply (ClusterRedis *self, const ClusterReply *reply)
{
  Pending *pending;

  if (take_message (self, reply))
    return;
  pending = g_queue_pop_head (&self->pending);
  if (pending == NULL)
    {
      fail (self, CLUSTER_ERROR_PROTOCOL, "a reply to nothing");
      return;
    }
  if (pending->func != NULL)
    pending->func (reply, NULL, pending->data);
  else if (pending->drop != NULL)
    pending->drop (pending->data);
  g_free (pending);
}

static void
take_bytes (ClusterRedis *self, gsize n_bytes)
{
  g_autoptr (GError) error = NULL;
  ClusterReply *reply = NULL;

  self->heard_us = base_clock_now_us ();
  if (!cluster_reader_feed (self->reader, self->buffer, n_bytes, &error))
    {
      give_up (self, error);
      return;
    }
  while (!self->is_closed)
    {
      if (!cluster_reader_next (self->reader, &reply, &error))
        {
          give_up (self, error);
          return;
        }
      if (reply == NULL)
        return;
      take_reply (self, reply);
      g_clear_pointer (&reply, cluster_reply_free);
    }
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  ClusterRedis *self = data;
  g_autoptr (GError) error = NULL;
  gssize n =
      g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (self->is_closed)
    ;
  else if (n < 0)
    fail (self, CLUSTER_ERROR_AWAY, error->message);
  else if (n == 0)
    fail (self, CLUSTER_ERROR_AWAY, "the server hung up");
  else
    take_bytes (self, (gsize)n);
  if (!self->is_closed)
    read_more (self);
  redis_unref (self);
}

static void
read_more (ClusterRedis *self)
{
  GInputStream *in =
      g_io_stream_get_input_stream (G_IO_STREAM (self->connection));

  g_input_stream_read_async (in, self->buffer, sizeof self->buffer,
                             G_PRIORITY_DEFAULT, self->cancellable, on_read,
                             redis_ref (self));
}

/* --- writing ------------------------------------------------------------ */

static void
on_written (GObject *source, GAsyncResult *result, gpointer data)
{
  ClusterRedis *self = data;
  g_autoptr (GError) error = NULL;
  gboolean ok = g_output_stream_write_all_finish (G_OUTPUT_STREAM (source),
                                                  result, NULL, &error);

  g_clear_pointer (&self->writing, g_byte_array_unref);
  if (!self->is_closed && !ok)
    fail (self, CLUSTER_ERROR_AWAY, error->message);
  if (!self->is_closed)
    write_more (self);
  redis_unref (self);
}

static void
write_more (ClusterRedis *self)
{
  GOutputStream *stream;

  if (self->writing != NULL || self->out->len == 0)
    return;
  stream = g_io_stream_get_output_stream (G_IO_STREAM (self->connection));
  self->writing = g_steal_pointer (&self->out);
  self->out = g_byte_array_new ();
  g_output_stream_write_all_async (
      stream, self->writing->data, self->writing->len, G_PRIORITY_DEFAULT,
      self->cancellable, on_written, redis_ref (self));
}

static gboolean
append (ClusterRedis *self, const char *const *argv)
{
  char *command = NULL;
  int n = redisFormatCommandArgv (&command, (int)g_strv_length ((char **)argv),
                                  (const char **)argv, NULL);

  if (n < 0)
    return FALSE;
  g_byte_array_append (self->out, (const guint8 *)command, (guint)n);
  redisFreeCommand (command);
  return TRUE;
}

gboolean
cluster_redis_send (ClusterRedis *self, const char *const *argv,
                    ClusterReplyFunc func, gpointer data, GDestroyNotify drop)
{
  Pending *pending;

  if (!cluster_redis_is_ready (self)
      || g_queue_get_length (&self->pending) >= self->limits.max_pending
      || self->out->len > MAX_OUT_BYTES || !append (self, argv))
    return FALSE;
  if (strcmp (argv[0], "SUBSCRIBE") == 0)
    self->is_subscriber = TRUE;
  pending = g_new (Pending, 1);
  *pending = (Pending){ func, data, drop, base_clock_now_us () };
  g_queue_push_tail (&self->pending, pending);
  write_more (self);
  return TRUE;
}

gboolean
cluster_redis_ask (ClusterRedis *self, ClusterReplyFunc func, gpointer data,
                   ...)
{
  const char *argv[8] = { NULL };
  va_list args;

  va_start (args, data);
  for (guint i = 0; i + 1 < G_N_ELEMENTS (argv); i++)
    {
      argv[i] = va_arg (args, const char *);
      if (argv[i] == NULL)
        break;
    }
  va_end (args);
  return cluster_redis_send (self, argv, func, data, NULL);
}

gboolean
cluster_redis_is_ready (ClusterRedis *self)
{
  return self->connection != NULL && !self->is_closed;
}

/* --- connecting --------------------------------------------------------- */

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  ClusterRedis *self = data;
  g_autoptr (GError) error = NULL;
  GSocketConnection *connection =
      g_socket_client_connect_finish (G_SOCKET_CLIENT (source), result, &error);

  if (self->is_closed)
    g_clear_object (&connection);
  else if (connection == NULL)
    fail (self, CLUSTER_ERROR_AWAY, error->message);
  else
    {
      self->connection = connection;
      self->heard_us = base_clock_now_us ();
      read_more (self);
      self->callbacks.on_ready (self, self->data);
    }
  redis_unref (self);
}

/* Before the handshake: who may have signed the server's certificate. */
static void
on_event (GSocketClient *client, GSocketClientEvent event,
          GSocketConnectable *connectable, GIOStream *stream, gpointer data)
{
  GTlsDatabase *ca = data;

  if (event == G_SOCKET_CLIENT_TLS_HANDSHAKING)
    g_tls_connection_set_database (G_TLS_CONNECTION (stream), ca);
}

static void
start (ClusterRedis *self, const char *host, guint16 port, gboolean is_tls)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnectable) address = g_network_address_new (host, port);
  guint period_ms = MIN (self->limits.connect_ms, self->limits.command_ms) / 4;

  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_set_tls (client, is_tls);
  if (self->ca != NULL)
    g_signal_connect_object (client, "event", G_CALLBACK (on_event), self->ca,
                             0);
  g_socket_client_connect_async (client, address, self->cancellable,
                                 on_connected, redis_ref (self));
  self->timer = g_timeout_source_new (MAX (period_ms, 1));
  g_source_set_static_name (self->timer, "cluster-redis");
  g_source_set_callback (self->timer, on_timer, self, NULL);
  g_source_attach (self->timer, NULL);
}

ClusterRedis *
cluster_redis_new (const char *host, guint16 port, gboolean is_tls,
                   GTlsDatabase *ca, const ClusterRedisLimits *limits,
                   const ClusterRedisCallbacks *callbacks, gpointer data)
{
  ClusterRedis *self = g_new0 (ClusterRedis, 1);

  self->n_refs = 1;
  self->limits = *limits;
  self->callbacks = *callbacks;
  self->data = data;
  self->ca = ca != NULL ? g_object_ref (ca) : NULL;
  self->cancellable = g_cancellable_new ();
  self->reader =
      cluster_reader_new (limits->max_reply_bytes, limits->max_reply_items);
  self->out = g_byte_array_new ();
  self->started_us = base_clock_now_us ();
  g_queue_init (&self->pending);
  start (self, host, port, is_tls);
  return self;
}
