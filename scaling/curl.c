/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingCurl: see curl.h. */
#include "scaling/curl.h"

#include <curl/curl.h>
#include <glib-unix.h>

#include "base/clock.h"

#define CONNECT_TIMEOUT_MS 3000L

struct _ScalingCurl
{
  CURLM *multi;        /* owned */
  GPtrArray *calls;    /* owned (element-type Call) */
  GHashTable *watches; /* owned: socket → GSource's id */
  guint timer_id;
};

typedef struct
{
  ScalingCurl *curl;          /* borrowed */
  CURL *easy;                 /* owned */
  struct curl_slist *headers; /* owned */
  GBytes *request;            /* owned */
  GByteArray *answer;         /* owned */
  char why[CURL_ERROR_SIZE];
  ScalingCurlFunc func;
  gpointer data;
} Call;

static void
call_free (gpointer data)
{
  Call *self = data;

  curl_multi_remove_handle (self->curl->multi, self->easy);
  curl_easy_cleanup (self->easy);
  curl_slist_free_all (self->headers);
  g_bytes_unref (self->request);
  g_byte_array_unref (self->answer);
  g_free (self);
}

static void
finish (Call *self, CURLcode code)
{
  static const guint8 nul = 0;
  g_autoptr (GError) error = NULL;
  long status = 0;
  guint n_bytes = self->answer->len;

  if (code == CURLE_OK)
    curl_easy_getinfo (self->easy, CURLINFO_RESPONSE_CODE, &status);
  else
    error = g_error_new (
        SCALING_EXPORT_ERROR,
        code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL
            ? SCALING_EXPORT_ERROR_CONFIG
            : SCALING_EXPORT_ERROR_AWAY,
        "%s", *self->why ? self->why : curl_easy_strerror (code));
  g_byte_array_append (self->answer, &nul, 1);
  g_byte_array_set_size (self->answer, n_bytes);
  self->func ((guint)status, error ? NULL : self->answer, error, self->data);
  call_free (self);
}

/* take_finished: their functions may start others */
static void
take_finished (ScalingCurl *self)
{
  CURLMsg *message;
  int n_left;

  while ((message = curl_multi_info_read (self->multi, &n_left)))
    {
      Call *call = NULL;
      CURLcode code = message->data.result;
      guint at;

      if (message->msg != CURLMSG_DONE)
        continue;
      curl_easy_getinfo (message->easy_handle, CURLINFO_PRIVATE, &call);
      if (g_ptr_array_find (self->calls, call, &at))
        g_ptr_array_steal_index_fast (self->calls, at);
      finish (call, code);
    }
}

/* --- GLib's loop -------------------------------------------------------- */

static gboolean
on_socket_ready (int fd, GIOCondition condition, gpointer data)
{
  ScalingCurl *self = data;
  int what = 0, n_running;

  if (condition & G_IO_IN)
    what |= CURL_CSELECT_IN;
  if (condition & G_IO_OUT)
    what |= CURL_CSELECT_OUT;
  if (condition & (G_IO_ERR | G_IO_HUP))
    what |= CURL_CSELECT_ERR;
  curl_multi_socket_action (self->multi, fd, what, &n_running);
  take_finished (self);
  return G_SOURCE_CONTINUE; /* it may have been removed meanwhile */
}

static int
on_socket (CURL *easy, curl_socket_t fd, int what, void *data, void *unused)
{
  ScalingCurl *self = data;
  GIOCondition condition = 0;
  gpointer key = GINT_TO_POINTER (fd);
  guint id = GPOINTER_TO_UINT (g_hash_table_lookup (self->watches, key));

  if (id > 0)
    {
      g_source_remove (id);
      g_hash_table_remove (self->watches, key);
    }
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
    condition |= G_IO_IN;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
    condition |= G_IO_OUT;
  if (condition)
    g_hash_table_insert (
        self->watches, key,
        GUINT_TO_POINTER (g_unix_fd_add (fd, condition | G_IO_ERR | G_IO_HUP,
                                         on_socket_ready, self)));
  return 0;
}

static gboolean
on_due (gpointer data)
{
  ScalingCurl *self = data;
  int n_running;

  self->timer_id = 0;
  curl_multi_socket_action (self->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
  take_finished (self);
  return G_SOURCE_REMOVE;
}

static int
on_timer (CURLM *multi, long timeout_ms, void *data)
{
  ScalingCurl *self = data;

  g_clear_handle_id (&self->timer_id, g_source_remove);
  if (timeout_ms >= 0)
    self->timer_id =
        g_timeout_add ((guint)MIN (timeout_ms, G_MAXINT), on_due, self);
  return 0;
}

ScalingCurl *
scaling_curl_new (void)
{
  static gsize is_ready;
  ScalingCurl *self = g_new0 (ScalingCurl, 1);

  if (g_once_init_enter (&is_ready))
    {
      curl_global_init (CURL_GLOBAL_DEFAULT);
      g_once_init_leave (&is_ready, 1);
    }
  self->multi = curl_multi_init ();
  self->calls = g_ptr_array_new_with_free_func (call_free);
  self->watches = g_hash_table_new (NULL, NULL);
  curl_multi_setopt (self->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt (self->multi, CURLMOPT_SOCKETDATA, self);
  curl_multi_setopt (self->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt (self->multi, CURLMOPT_TIMERDATA, self);
  return self;
}

void
scaling_curl_free (ScalingCurl *self)
{
  GHashTableIter iter;
  gpointer id;

  g_ptr_array_unref (self->calls);
  curl_multi_cleanup (self->multi);
  g_hash_table_iter_init (&iter, self->watches);
  while (g_hash_table_iter_next (&iter, NULL, &id))
    g_source_remove (GPOINTER_TO_UINT (id));
  g_hash_table_unref (self->watches);
  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_free (self);
}

/* --- A request ---------------------------------------------------------- */

static size_t
on_body (char *bytes, size_t size, size_t n, void *data)
{
  Call *self = data;

  if (self->answer->len + size * n > SCALING_CURL_ANSWER_MAX_BYTES)
    return 0; /* curl gives the call up */
  g_byte_array_append (self->answer, (const guint8 *)bytes, (guint)(size * n));
  return size * n;
}

static void G_GNUC_PRINTF (2, 3)
    add_header (Call *self, const char *format, ...)
{
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  self->headers = curl_slist_append (self->headers, line);
}

static void
set_signature (Call *self, const ScalingCurlRequest *request)
{
  g_autofree char *scope =
      g_strdup_printf ("aws:amz:%s:%s", request->region, request->service);

  curl_easy_setopt (self->easy, CURLOPT_AWS_SIGV4, scope);
  curl_easy_setopt (self->easy, CURLOPT_USERNAME, request->keys->access_key);
  curl_easy_setopt (self->easy, CURLOPT_PASSWORD, request->keys->secret_key);
  add_header (self, "Content-Type: %s", request->content_type);
  if (request->is_gzip)
    add_header (self, "Content-Encoding: gzip");
  if (request->keys->session_token)
    add_header (self, "X-Amz-Security-Token: %s", request->keys->session_token);
  curl_easy_setopt (self->easy, CURLOPT_HTTPHEADER, self->headers);
}

void
scaling_curl_post (ScalingCurl *self, const ScalingCurlRequest *request,
                   ScalingCurlFunc func, gpointer data)
{
  Call *call = g_new0 (Call, 1);
  gsize n_bytes;

  call->curl = self;
  call->easy = curl_easy_init ();
  call->request = g_bytes_ref (request->body);
  call->answer = g_byte_array_new ();
  call->func = func;
  call->data = data;
  curl_easy_setopt (call->easy, CURLOPT_PRIVATE, call);
  curl_easy_setopt (call->easy, CURLOPT_ERRORBUFFER, call->why);
  curl_easy_setopt (call->easy, CURLOPT_URL, request->url);
  curl_easy_setopt (call->easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt (call->easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (call->easy, CURLOPT_USERAGENT,
                    "media-tree/" MEDIA_TREE_VERSION);
  curl_easy_setopt (call->easy, CURLOPT_TIMEOUT_MS,
                    (long)(request->timeout_us / BASE_US_PER_MS));
  curl_easy_setopt (call->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
  curl_easy_setopt (call->easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt (call->easy, CURLOPT_WRITEDATA, call);
  curl_easy_setopt (call->easy, CURLOPT_POSTFIELDS,
                    g_bytes_get_data (call->request, &n_bytes));
  curl_easy_setopt (call->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                    (curl_off_t)n_bytes);
  set_signature (call, request);
  g_ptr_array_add (self->calls, call);
  curl_multi_add_handle (self->multi, call->easy);
}
