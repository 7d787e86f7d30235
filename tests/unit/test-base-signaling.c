/* SPDX-License-Identifier: Apache-2.0 */
/* base/signaling over a real server on loopback, with a protocol that only
 * remembers what it was asked. Row numbers are those of the WHIP list. */
#include "base/signaling.h"

#include <string.h>

#include "base/http.h"

#define OFFER "v=0\r\n"
#define SDP "application/sdp"
#define FRAG "application/trickle-ice-sdpfrag"
#define TOKEN "Bearer secret"

typedef struct
{
  SoupServer *server;
  SoupSession *client;
  BaseAuth *auth;
  BaseSignaling *signaling;
  char *base;
  guint n_created, n_destroyed;
  gboolean wants_restart;
  BasePatchResult patch_result;
  guint create_status;
  SoupMessage *msg; /* the last exchange */
  char *body;
} Fixture;

static gpointer
on_create (const char *stream, const char *id, const char *offer,
           SoupServerMessage *msg, guint *ret_status, char **ret_content_type,
           char **ret_answer, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_cmpuint (strlen (id), >=, 21);
  if (g_str_equal (offer, "bad"))
    {
      base_http_problem (msg, 400, "sdp-syntax", "no");
      return NULL;
    }
  g_assert_cmpstr (offer, ==, OFFER);
  if (f->create_status)
    {
      *ret_status = f->create_status;
      *ret_content_type = g_strdup ("application/sdp; valid-until=\"x\"");
    }
  *ret_answer = g_strdup ("v=0\r\nanswer");
  return GUINT_TO_POINTER (++f->n_created);
}

static BasePatchResult
on_patch (gpointer session, const char *fragment, gboolean wants_restart,
          char **ret_fragment, gpointer user_data)
{
  Fixture *f = user_data;

  f->wants_restart = wants_restart;
  if (wants_restart && f->patch_result == BASE_PATCH_TRICKLED)
    {
      *ret_fragment = g_strdup ("a=ice-ufrag:new\r\n");
      return BASE_PATCH_RESTARTED;
    }
  return f->patch_result;
}

static void
on_destroy (gpointer session, gpointer user_data)
{
  ((Fixture *)user_data)->n_destroyed++;
}

static gboolean
on_sub (gpointer session, SoupServerMessage *msg, const char *rest,
        gpointer user_data)
{
  if (!g_str_equal (rest, "events/1"))
    return FALSE;
  base_http_text (msg, 200, "text/plain", "sub");
  return TRUE;
}

static void
on_patch_sdp (gpointer session, const char *sdp, SoupServerMessage *msg,
              gpointer user_data)
{
  base_http_empty (msg, 204);
}

static void
on_request (SoupServer *server, SoupServerMessage *msg, const char *path,
            GHashTable *query, gpointer data)
{
  base_signaling_handle (((Fixture *)data)->signaling, msg, path);
}

static const char *const servers[] = {
  "stun:stun.example:3478",
  "turn:us%3Aer:c,\"d@turn.example:3478?transport=udp", NULL
};

static void
start (Fixture *f, gboolean strict, gboolean with_sdp)
{
  static const char *const tokens[BASE_AUTH_N_SURFACES] = { "secret" };
  BaseSignalingConfig config = { "/whip", BASE_AUTH_PUBLISH, strict, servers,
                                 2 };
  BaseSignalingCallbacks callbacks = { .create = on_create,
                                       .patch_fragment = on_patch,
                                       .destroy = on_destroy,
                                       .on_sub_request = on_sub };
  GSList *uris;

  memset (f, 0, sizeof *f);
  if (with_sdp)
    callbacks.patch_sdp = on_patch_sdp;
  f->auth = base_auth_new (tokens, NULL, FALSE, NULL);
  f->signaling = base_signaling_new (&config, f->auth, &callbacks, f);
  f->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (f->server, NULL, on_request, f, NULL);
  g_assert_true (soup_server_listen_local (f->server, 0,
                                           SOUP_SERVER_LISTEN_IPV4_ONLY, NULL));
  uris = soup_server_get_uris (f->server);
  f->base = g_uri_to_string (uris->data);
  f->base[strlen (f->base) - 1] = '\0';
  g_slist_free_full (uris, (GDestroyNotify)g_uri_unref);
  f->client = soup_session_new ();
}

static void
stop (Fixture *f)
{
  base_signaling_free (f->signaling);
  g_assert_cmpuint (f->n_created, ==, f->n_destroyed);
  base_auth_free (f->auth);
  soup_session_abort (f->client);
  g_object_unref (f->client);
  soup_server_disconnect (f->server);
  g_object_unref (f->server);
  g_clear_object (&f->msg);
  g_free (f->base);
  g_free (f->body);
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GBytes **)data =
      soup_session_send_and_read_finish (SOUP_SESSION (source), result, NULL);
}

/* ask: @headers: "Name: value\n" lines. Returns: the status */
static guint
ask (Fixture *f, const char *method, const char *path, const char *headers,
     const char *type, const char *body)
{
  g_autofree char *uri = g_strconcat (f->base, path, NULL);
  g_auto (GStrv) lines = g_strsplit (headers ? headers : "", "\n", 0);
  GBytes *answer = NULL;

  g_clear_object (&f->msg);
  f->msg = soup_message_new (method, uri);
  for (char **line = lines; *line && **line; line++)
    {
      g_auto (GStrv) pair = g_strsplit (*line, ": ", 2);

      soup_message_headers_append (soup_message_get_request_headers (f->msg),
                                   pair[0], pair[1]);
    }
  if (body)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body));

      soup_message_set_request_body_from_bytes (f->msg, type, bytes);
    }
  soup_session_send_and_read_async (f->client, f->msg, 0, NULL, on_answer,
                                    &answer);
  while (!answer)
    g_main_context_iteration (NULL, TRUE);
  g_free (f->body);
  f->body = g_strdup_printf ("%.*s", (int)g_bytes_get_size (answer),
                             (const char *)g_bytes_get_data (answer, NULL));
  g_bytes_unref (answer);
  return soup_message_get_status (f->msg);
}

static const char *
header (Fixture *f, const char *name)
{
  return soup_message_headers_get_one (
      soup_message_get_response_headers (f->msg), name);
}

static guint
n_headers (Fixture *f, const char *wanted)
{
  SoupMessageHeadersIter iter;
  const char *name, *value;
  guint n = 0;

  soup_message_headers_iter_init (&iter,
                                  soup_message_get_response_headers (f->msg));
  while (soup_message_headers_iter_next (&iter, &name, &value))
    n += g_ascii_strcasecmp (name, wanted) == 0;
  return n;
}

static char *
post (Fixture *f)
{
  g_assert_cmpuint (
      ask (f, "POST", "/whip/live", "Authorization: " TOKEN "\n", SDP, OFFER),
      ==, f->create_status ? f->create_status : 201);
  return g_strdup (header (f, "Location"));
}

static guint
patch (Fixture *f, const char *location, const char *extra, const char *type)
{
  g_autofree char *headers =
      g_strconcat ("Authorization: " TOKEN "\n", extra, NULL);

  return ask (f, "PATCH", location, headers, type, "a=x\r\n");
}

static void
test_post (void)
{
  Fixture f;
  g_autofree char *a = NULL, *b = NULL, *etag = NULL;

  start (&f, FALSE, FALSE);
  a = post (&f); /* W1 */
  g_assert_true (g_str_has_prefix (a, "/whip/live/"));
  g_assert_cmpstr (header (&f, "Content-Type"), ==, SDP);
  g_assert_cmpstr (f.body, ==, "v=0\r\nanswer");
  etag = g_strdup (header (&f, "ETag")); /* W19 */
  g_assert_cmpint (etag[0], ==, '"');
  g_assert_cmpint (etag[strlen (etag) - 1], ==, '"');
  g_assert_cmpstr (header (&f, "Access-Control-Allow-Origin"), ==, "*");
  g_assert_nonnull (/* W11 */
                    strstr (header (&f, "Access-Control-Expose-Headers"),
                            "Location"));
  g_assert_cmpuint (n_headers (&f, "Link"), ==, 2); /* W37 */
  g_assert_nonnull (
      strstr (soup_message_headers_get_list (
                  soup_message_get_response_headers (f.msg), "Link"),
              "<turn:turn.example:3478?transport=udp>; rel=\"ice-server\"; "
              "username=\"us:er\"; credential=\"c,\\\"d\"; "
              "credential-type=\"password\""));

  b = post (&f);
  g_assert_cmpstr (a, !=, b);
  g_assert_cmpstr (etag, !=, header (&f, "ETag"));
  g_assert_cmpuint (base_signaling_get_n_sessions (f.signaling), ==, 2);
  g_assert_cmpuint (ask (&f, "POST", "/whip/live", /* W36, at the bound */
                         "Authorization: " TOKEN "\n", SDP, OFFER),
                    ==, 503);
  g_assert_nonnull (header (&f, "Retry-After"));
  g_assert_cmpuint (base_signaling_get_n_refused (f.signaling), ==, 1);
  stop (&f);
}

static void
test_post_refused (void)
{
  Fixture f;
  g_autofree char *big = g_strnfill (BASE_SIGNALING_MAX_BODY_BYTES + 1, 'v');
  const char *ok = "Authorization: " TOKEN "\n";

  start (&f, FALSE, FALSE);
  /* W14 */
  g_assert_cmpuint (ask (&f, "POST", "/whip/live", NULL, SDP, OFFER), ==, 401);
  g_assert_true (g_str_has_prefix (header (&f, "WWW-Authenticate"), "Bearer"));
  g_assert_cmpuint (ask (&f, "POST", "/whip/live",
                         "Authorization: Bearer wrong\n", SDP, OFFER),
                    ==, 401);
  /* W2, W4 */
  g_assert_cmpuint (ask (&f, "POST", "/whip/live", ok, "text/plain", OFFER), ==,
                    415);
  g_assert_cmpstr (header (&f, "Accept-Post"), ==, SDP);
  g_assert_cmpstr (header (&f, "Content-Type"), ==, "application/problem+json");
  g_assert_cmpstr (header (&f, "Access-Control-Allow-Origin"), ==, "*");
  g_assert_cmpuint (ask (&f, "POST", "/whip/live", ok, NULL, NULL), ==, 415);
  g_assert_cmpuint (ask (&f, "POST", "/whip/live", ok, SDP, ""), ==, 400);
  g_assert_cmpuint (ask (&f, "POST", "/whip/live", ok, SDP, big), ==, 413);
  g_assert_cmpuint (ask (&f, "POST", "/whip/live", ok, SDP, "bad"), ==, 400);
  g_assert_cmpuint (ask (&f, "POST", "/whip/a%20b", ok, SDP, OFFER), ==, 404);
  g_assert_cmpuint (ask (&f, "POST", "/whip", ok, SDP, OFFER), ==, 404);
  g_assert_cmpuint (f.n_created, ==, 0);
  /* W3, and the scheme in any case */
  g_assert_cmpuint (ask (&f, "POST", "/whip/live",
                         "Authorization: bEARER secret\n",
                         "Application/SDP; charset=utf-8", OFFER),
                    ==, 201);
  stop (&f);
}

static void
test_methods (void)
{
  Fixture f;
  g_autofree char *location = NULL;

  start (&f, FALSE, FALSE);
  location = post (&f);
  /* W7, W8 */
  g_assert_cmpuint (ask (&f, "GET", "/whip/live", NULL, NULL, NULL), ==, 204);
  g_assert_cmpuint (ask (&f, "GET", location, NULL, NULL, NULL), ==, 204);
  g_assert_cmpuint (ask (&f, "HEAD", "/whip/live", NULL, NULL, NULL), ==, 204);
  g_assert_cmpuint (ask (&f, "HEAD", location, NULL, NULL, NULL), ==, 204);
  g_assert_cmpuint (ask (&f, "GET", "/whip/live/no", NULL, NULL, NULL), ==,
                    404);
  g_assert_cmpuint (ask (&f, "PUT", "/whip/live", NULL, SDP, OFFER), ==, 405);
  g_assert_cmpstr (header (&f, "Allow"), ==, "OPTIONS, GET, HEAD, POST");
  g_assert_cmpuint (ask (&f, "POST", location, NULL, SDP, OFFER), ==, 405);
  g_assert_cmpstr (header (&f, "Allow"), ==,
                   "OPTIONS, GET, HEAD, PATCH, DELETE");
  stop (&f);
}

static void
test_options (void)
{
  Fixture f;

  start (&f, FALSE, FALSE);
  /* W9, W10, W12 */
  g_assert_cmpuint (
      ask (&f, "OPTIONS", "/whip/live",
           "Origin: http://a.example\nAccess-Control-Request-Method: POST\n"
           "Access-Control-Request-Headers: authorization,content-type\n",
           NULL, NULL),
      ==, 200);
  g_assert_cmpstr (header (&f, "Accept-Post"), ==, SDP);
  g_assert_nonnull (
      strstr (header (&f, "Access-Control-Allow-Methods"), "PATCH"));
  g_assert_cmpstr (header (&f, "Access-Control-Allow-Headers"), ==,
                   "authorization,content-type");
  g_assert_cmpuint (n_headers (&f, "Link"), ==, 0);
  /* W13 */
  g_assert_cmpuint (ask (&f, "OPTIONS", "/whip/live", NULL, NULL, NULL), ==,
                    200);
  g_assert_cmpuint (n_headers (&f, "Link"), ==, 0);
  g_assert_cmpuint (ask (&f, "OPTIONS", "/whip/live",
                         "Authorization: " TOKEN "\n", NULL, NULL),
                    ==, 200);
  g_assert_cmpuint (n_headers (&f, "Link"), ==, 2);
  g_assert_cmpuint (ask (&f, "OPTIONS", "/whip/live",
                         "Authorization: Bearer no\n", NULL, NULL),
                    ==, 401);
  g_assert_cmpuint (n_headers (&f, "Link"), ==, 0);
  stop (&f);
}

static void
test_patch (void)
{
  Fixture f;
  g_autofree char *location = NULL, *old = NULL, *match = NULL, *renewed = NULL;

  start (&f, FALSE, FALSE);
  location = post (&f);
  old = g_strdup (header (&f, "ETag"));
  match = g_strdup_printf ("If-Match: \"x\", %s\n", old);

  g_assert_cmpuint (patch (&f, location, match, FRAG), ==, 204); /* W21 */
  g_assert_null (header (&f, "ETag"));
  g_assert_cmpstr (f.body, ==, "");
  g_assert_false (f.wants_restart);
  g_assert_cmpuint (patch (&f, location, "", FRAG), ==, 204); /* N1 */
  g_assert_cmpuint (patch (&f, location, "ETag: \"no\"\n", FRAG), ==, 204);
  g_assert_cmpuint (patch (&f, location, "If-Match: \"no\"\n", FRAG), ==,
                    412); /* W23 */
  g_assert_cmpuint (patch (&f, location, match, "text/plain"), ==, 415);
  g_assert_cmpuint (patch (&f, location, match, SDP), ==, 415);
  g_assert_cmpuint (ask (&f, "PATCH", location, NULL, FRAG, "a"), ==, 401);
  g_assert_cmpuint (patch (&f, "/whip/live/no", match, FRAG), ==, 404);
  g_assert_cmpuint (patch (&f, "/whip/other/no", match, FRAG), ==, 404);
  f.patch_result = BASE_PATCH_MALFORMED;
  g_assert_cmpuint (patch (&f, location, match, FRAG), ==, 400); /* W20 */
  f.patch_result = BASE_PATCH_REFUSED;
  g_assert_cmpuint (patch (&f, location, match, FRAG), ==, 422);
  f.patch_result = BASE_PATCH_STALE;
  g_assert_cmpuint (patch (&f, location, match, FRAG), ==, 412);

  f.patch_result = BASE_PATCH_TRICKLED; /* W27, W28 */
  g_assert_cmpuint (patch (&f, location, "If-Match: *\n", FRAG), ==, 200);
  g_assert_true (f.wants_restart);
  g_assert_cmpstr (header (&f, "Content-Type"), ==, FRAG);
  g_assert_cmpstr (f.body, ==, "a=ice-ufrag:new\r\n");
  renewed = g_strdup_printf ("If-Match: %s\n", header (&f, "ETag"));
  g_assert_cmpstr (header (&f, "ETag"), !=, old);
  g_assert_cmpuint (patch (&f, location, match, FRAG), ==, 412);
  g_assert_cmpuint (patch (&f, location, renewed, FRAG), ==, 204);
  g_assert_cmpuint (patch (&f, location, "If-Match: \"*\"\n", FRAG), ==, 200);
  stop (&f);

  g_free (location);
  start (&f, TRUE, TRUE); /* W22 */
  location = post (&f);
  g_assert_cmpuint (patch (&f, location, "", FRAG), ==, 428);
  g_assert_cmpuint (patch (&f, location, "", SDP), ==, 204);
  stop (&f);
}

static void
test_delete (void)
{
  Fixture f;
  g_autofree char *location = NULL, *other = NULL, *id = NULL;

  start (&f, FALSE, FALSE);
  location = post (&f);
  g_assert_cmpuint (ask (&f, "DELETE", location, NULL, NULL, NULL), ==, 401);
  g_assert_cmpuint (f.n_destroyed, ==, 0);
  g_assert_cmpuint (ask (&f, "DELETE", location, /* W16, W18 */
                         "Authorization: " TOKEN "\nIf-Match: \"no\"\n", NULL,
                         NULL),
                    ==, 200);
  g_assert_cmpuint (f.n_destroyed, ==, 1);
  g_assert_cmpuint (ask (&f, "DELETE", location, /* W17 */
                         "Authorization: " TOKEN "\n", NULL, NULL),
                    ==, 404);

  other = post (&f); /* it ends by itself */
  id = g_strdup (strrchr (other, '/') + 1);
  g_assert_nonnull (base_signaling_lookup (f.signaling, id));
  base_signaling_remove (f.signaling, id);
  g_assert_null (base_signaling_lookup (f.signaling, id));
  g_assert_cmpuint (f.n_destroyed, ==, 1);
  g_assert_cmpuint (
      ask (&f, "DELETE", other, "Authorization: " TOKEN "\n", NULL, NULL), ==,
      404);
  f.n_destroyed++; /* so that stop() may count */
  stop (&f);
}

static void
test_below (void)
{
  Fixture f;
  g_autofree char *location = NULL, *good = NULL, *bad = NULL;

  start (&f, FALSE, FALSE);
  f.create_status = 406; /* E5 */
  location = post (&f);
  g_assert_cmpstr (header (&f, "Content-Type"), ==,
                   "application/sdp; valid-until=\"x\"");
  good = g_strconcat (location, "/events/1", NULL);
  bad = g_strconcat (location, "/events/2", NULL);
  g_assert_cmpuint (ask (&f, "GET", good, NULL, NULL, NULL), ==, 200);
  g_assert_cmpstr (f.body, ==, "sub");
  g_assert_cmpuint (ask (&f, "GET", bad, NULL, NULL, NULL), ==, 404);
  g_assert_cmpuint (ask (&f, "GET", "/whip/live/no/events/1", NULL, NULL, NULL),
                    ==, 404);
  stop (&f);
}

static void
test_names (void)
{
  g_autofree char *longest = g_strnfill (64, 'a');
  g_autofree char *longer = g_strnfill (65, 'a');

  g_assert_true (base_stream_name_is_valid ("A-z_0.9"));
  g_assert_true (base_stream_name_is_valid (longest));
  g_assert_false (base_stream_name_is_valid (longer));
  g_assert_false (base_stream_name_is_valid (""));
  g_assert_false (base_stream_name_is_valid (".."));
  g_assert_false (base_stream_name_is_valid ("a/b"));
  g_assert_false (base_stream_name_is_valid ("a~0"));
  g_assert_true (base_carried_name_is_valid ("a~0"));
  g_assert_false (base_carried_name_is_valid ("a/b"));
  g_assert_false (base_stream_name_is_valid ("a\xc3\xa4"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/signaling/post", test_post);
  g_test_add_func ("/signaling/post-refused", test_post_refused);
  g_test_add_func ("/signaling/methods", test_methods);
  g_test_add_func ("/signaling/options", test_options);
  g_test_add_func ("/signaling/patch", test_patch);
  g_test_add_func ("/signaling/delete", test_delete);
  g_test_add_func ("/signaling/below", test_below);
  g_test_add_func ("/signaling/names", test_names);
  return g_test_run ();
}
