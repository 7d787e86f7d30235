/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the HTTP side: the bytes of a connection go to a SoupServer in this
 * process, behind which base/signaling and egress/events answer for a protocol
 * that only reads what it is given. "@SESSION@", "@ETAG@" and "@SSE@" in the
 * input become those of a session and an event stream that are there.
 */
#include <gio/gio.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/http.h"
#include "base/signaling.h"
#include "egress/events.h"
#include "rtc/sdp.h"

#define MAX_SESSIONS 4
#define MAX_TURNS 100000

typedef struct
{
  SoupServer *server;
  BaseSignaling *signaling;
  char *session_path;    /* owned: "/whep/{stream}/{session}" */
  char *etag, *sse_path; /* owned */
} Fixture;

typedef struct
{
  EgressEvents *events;
} Session;

/* --- a protocol -------------------------------------------------------- */

static gpointer
on_create (const char *stream, const char *id, const char *offer,
           SoupServerMessage *msg, guint *ret_status, char **ret_content_type,
           char **ret_answer, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) sdp = rtc_sdp_parse (offer, TRUE, &error);
  g_autofree char *path = g_strdup_printf ("/whep/%s/%s", stream, id);
  Session *session;

  if (!base_stream_name_is_valid (stream))
    g_error ("a stream's name of %s", stream);
  if (sdp == NULL && !g_str_has_prefix (offer, "v=0"))
    {
      base_http_problem (msg, 400, rtc_sdp_error_code (error), "%s.",
                         error->message);
      return NULL;
    }
  if (sdp == NULL)
    {
      *ret_status = 406;
      *ret_content_type = g_strdup ("application/sdp; valid-until=\"x\"");
    }
  *ret_answer = g_strdup ("v=0\r\n");
  session = g_new0 (Session, 1);
  session->events = egress_events_new (path);
  return session;
}

static BasePatchResult
on_patch (gpointer session, const char *text, gboolean wants_restart,
          char **ret_fragment, gpointer user_data)
{
  RtcSdpFrag frag = { 0 };
  gboolean ok = rtc_sdp_frag_parse (text, &frag, NULL);
  gboolean is_stale = ok && g_strcmp0 (frag.ice_ufrag, "stale") == 0;

  rtc_sdp_frag_clear (&frag);
  if (!ok)
    return BASE_PATCH_MALFORMED;
  if (!wants_restart)
    return is_stale ? BASE_PATCH_STALE : BASE_PATCH_TRICKLED;
  *ret_fragment = g_strdup ("a=ice-ufrag:new\r\n");
  return BASE_PATCH_RESTARTED;
}

static void
on_patch_sdp (gpointer session, const char *text, SoupServerMessage *msg,
              gpointer user_data)
{
  rtc_sdp_free (rtc_sdp_parse (text, FALSE, NULL));
  base_http_empty (msg, 204);
}

static void
on_destroy (gpointer data, gpointer user_data)
{
  Session *session = data;

  egress_events_free (session->events);
  g_free (session);
}

static gboolean
on_sub (gpointer data, SoupServerMessage *msg, const char *rest,
        gpointer user_data)
{
  Session *session = data;

  return egress_events_handle (session->events, msg, rest, TRUE, 3, 1000000);
}

static void
on_request (SoupServer *server, SoupServerMessage *msg, const char *path,
            GHashTable *query, gpointer data)
{
  Fixture *f = data;

  if (g_str_has_prefix (path, "/whep"))
    base_signaling_handle (f->signaling, msg, path);
  else
    base_http_problem (msg, 404, "not-found", "Nothing.");
  if (soup_server_message_get_status (msg) == 0)
    g_error ("%s is not answered", path);
}

/* --- connections ------------------------------------------------------- */

static void
turn (void)
{
  for (guint i = 0; g_main_context_iteration (NULL, FALSE); i++)
    if (i == MAX_TURNS)
      g_error ("it never rests");
}

static void
take_reply (int fd, GString *reply)
{
  char buf[16384];
  ssize_t n;

  while ((n = recv (fd, buf, sizeof buf, MSG_DONTWAIT)) > 0)
    g_string_append_len (reply, buf, n);
}

/* exchange: what comes back for the bytes of one whole connection */
static GString *
exchange (Fixture *f, const char *bytes, gsize len)
{
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string ("127.0.0.1", 4711);
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GSocketConnection) connection = NULL;
  GString *reply = g_string_new (NULL);
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    g_error ("no socket");
  socket = g_socket_new_from_fd (fds[0], NULL);
  connection = g_socket_connection_factory_create_connection (socket);
  if (!soup_server_accept_iostream (f->server, G_IO_STREAM (connection),
                                    address, address, NULL))
    g_error ("not accepted");
  while (len > 0)
    {
      ssize_t n = send (fds[1], bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

      turn ();
      take_reply (fds[1], reply);
      if (n <= 0)
        break; /* the server has had enough */
      bytes += n;
      len -= (gsize)n;
    }
  shutdown (fds[1], SHUT_WR);
  turn ();
  take_reply (fds[1], reply);
  close (fds[1]);
  turn ();
  return reply;
}

static char *
dup_header (const GString *reply, const char *name)
{
  const char *at = strstr (reply->str, name);

  if (at == NULL)
    g_error ("no %s in\n%s", name, reply->str);
  at += strlen (name);
  return g_strndup (at, strcspn (at, "\r\n"));
}

static void
make_session (Fixture *f)
{
  static const char post[] = "POST /whep/show HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                             "Authorization: Bearer secret\r\n"
                             "Content-Type: application/sdp\r\n"
                             "Content-Length: 5\r\n\r\nv=0\r\n";
  g_autofree char *subscribe = NULL;
  GString *reply = exchange (f, post, strlen (post));

  f->session_path = dup_header (reply, "\r\nLocation: ");
  f->etag = dup_header (reply, "\r\nETag: ");
  g_string_free (reply, TRUE);
  subscribe = g_strdup_printf ("POST %s/sse HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                               "Content-Type: application/json\r\n"
                               "Content-Length: 10\r\n\r\n[\"active\"]",
                               f->session_path);
  reply = exchange (f, subscribe, strlen (subscribe));
  f->sse_path = dup_header (reply, "\r\nLocation: ");
  g_string_free (reply, TRUE);
}

static void
set_up (Fixture *f)
{
  static const char *const tokens[BASE_AUTH_N_SURFACES] = { "secret",
                                                            "secret" };
  static const char *const servers[] = { "stun:stun.example:3478", NULL };
  static const BaseSignalingConfig config = { "/whep", BASE_AUTH_WATCH, TRUE,
                                              servers, MAX_SESSIONS };
  static const BaseSignalingCallbacks callbacks = {
    .create = on_create,
    .patch_fragment = on_patch,
    .patch_sdp = on_patch_sdp,
    .destroy = on_destroy,
    .on_sub_request = on_sub,
  };
  static BaseAuth *auth;

  if (auth == NULL)
    auth = base_auth_new (tokens, NULL, FALSE, NULL);
  f->signaling = base_signaling_new (&config, auth, &callbacks, f);
  f->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (f->server, NULL, on_request, f, NULL);
  make_session (f);
}

static void
tear_down (Fixture *f)
{
  base_signaling_free (f->signaling);
  turn ();
  soup_server_disconnect (f->server);
  g_object_unref (f->server);
  turn ();
  g_free (f->session_path);
  g_free (f->sse_path);
  g_free (f->etag);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  GString *input = g_string_new_len ((const char *)data, (gssize)len);
  GString *reply;
  Fixture f = { 0 };

  set_up (&f);
  g_string_replace (input, "@SESSION@", f.session_path, 8);
  g_string_replace (input, "@SSE@", f.sse_path, 8);
  g_string_replace (input, "@ETAG@", f.etag, 8);
  reply = exchange (&f, input->str, input->len);
  if (reply->len > 0 && !g_str_has_prefix (reply->str, "HTTP/1."))
    g_error ("a reply of\n%s", reply->str);
  if (base_signaling_get_n_sessions (f.signaling) > MAX_SESSIONS)
    g_error ("too many sessions");
  tear_down (&f);
  g_string_free (reply, TRUE);
  g_string_free (input, TRUE);
  return 0;
}
