/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the Janus API: its secret, stored tokens, tokens that open WHEP,
 * protected mode; and the Admin API with its own secret.
 */
#include <glib/gstdio.h>

#include "tests/unit/janus-fixture.h"

#define DENIED "Unauthorized request (wrong or missing secret/token)"

/* --- Secrets
 * ------------------------------------------------------------------------ */

static void
ask_remotely (JanusFixture *f, const char *text)
{
  g_autoptr (JsonObject) request = janus_parse (text);

  egress_janus_request (f->core, &f->transport.transport, 0, 0, request, FALSE,
                        janus_on_replied, f);
}

static void
test_secret (void)
{
  static const EgressJanusConfig config = { .api_secret = "sec" };
  JanusFixture f = { 0 };

  janus_start (&f, &config);
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T "}");
  janus_expect (&f, ERROR (403, DENIED));
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T ",\"apisecret\":\"x\"}");
  janus_expect (&f, ERROR (403, DENIED));
  janus_ask (&f, 9, 0, "{\"janus\":\"keepalive\"," T ",\"apisecret\":5}");
  janus_expect (&f, "{\"janus\":\"error\",\"session_id\":9," T
                    ",\"error\":{\"code\":403,\"reason\":\"" DENIED "\"}}");
  janus_ask (&f, 0, 0, "{\"janus\":\"ping\"," T "}");
  janus_expect (&f, "{\"janus\":\"pong\"," T "}");
  ask_remotely (&f, "{\"janus\":\"create\"," T ",\"apisecret\":\"sec\"}");
  g_assert_cmpuint (janus_reply_id (&f), >, 0);
  g_assert_true (egress_janus_is_allowed (f.core, "sec", NULL, FALSE));
  g_assert_false (egress_janus_is_allowed (f.core, NULL, "sec", TRUE));
  janus_stop (&f);
}

/* Without any secret this machine's clients are served, and no others. */
static void
test_protected (void)
{
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  ask_remotely (&f, "{\"janus\":\"create\"," T "}");
  janus_expect (&f, ERROR (403, "Unauthorized request (no secret is "
                                "configured, so only clients on this machine "
                                "are served)"));
  g_assert_false (egress_janus_is_allowed (f.core, NULL, NULL, FALSE));
  g_assert_true (egress_janus_is_allowed (f.core, NULL, NULL, TRUE));
  ask_remotely (&f, "{\"janus\":\"ping\"," T "}");
  janus_expect (&f, "{\"janus\":\"pong\"," T "}");
  janus_stop (&f);
}

/* A token that opens WHEP opens this door too, and reaches the plugin. */
static void
test_watch_token (void)
{
  static const char *const tokens[BASE_AUTH_N_SURFACES] = { [BASE_AUTH_WATCH] =
                                                                "watch" };
  JanusFixture f = { 0 };

  f.auth = base_auth_new (tokens, NULL, FALSE, NULL);
  janus_start (&f, NULL);
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T "}");
  janus_expect (&f, ERROR (403, DENIED));
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T ",\"token\":\"watch\"}");
  f.session_id = janus_reply_id (&f);
  janus_ask (&f, f.session_id, 0,
             "{\"janus\":\"attach\"," T "," PLUGIN ",\"token\":\"watch\"}");
  f.handle_id = janus_reply_id (&f);
  janus_ask (&f, f.session_id, f.handle_id,
             MESSAGE ("\"body\":{},\"token\":\"watch\""));
  janus_expect (&f, DONE ("done"));
  g_assert_cmpstr (f.token, ==, "watch");
  janus_stop (&f);
}

/* (transfer full): base64url without padding */
static char *
encode (const void *bytes, gsize n_bytes)
{
  char *text = g_base64_encode (bytes, n_bytes);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  text[strcspn (text, "=")] = '\0';
  return text;
}

/* (transfer full): an HS256 token of @claims */
static char *
sign (const char *claims, const char *key)
{
  static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
  g_autofree char *one = encode (header, strlen (header));
  g_autofree char *two = encode (claims, strlen (claims));
  g_autofree char *body = g_strconcat (one, ".", two, NULL);
  g_autoptr (GHmac) hmac =
      g_hmac_new (G_CHECKSUM_SHA256, (const guchar *)key, strlen (key));
  guint8 digest[32];
  gsize n_bytes = sizeof digest;
  g_autofree char *three = NULL;

  g_hmac_update (hmac, (const guchar *)body, -1);
  g_hmac_get_digest (hmac, digest, &n_bytes);
  three = encode (digest, n_bytes);
  return g_strconcat (body, ".", three, NULL);
}

static void
ask_with_token (JanusFixture *f, guint64 session_id, guint64 handle_id,
                const char *verb, const char *rest, const char *token)
{
  g_autofree char *text = g_strdup_printf (
      "{\"janus\":\"%s\"," T "%s,\"token\":\"%s\"}", verb, rest, token);

  janus_ask (f, session_id, handle_id, text);
}

/* A JSON Web Token is a token, for any plugin; its stream is the plugin's
 * business. */
static void
test_jwt (void)
{
  static const char key[] = "0123456789abcdef0123456789abcdef";
  static const char *const no_tokens[BASE_AUTH_N_SURFACES] = { NULL };
  g_autofree char *watch =
      sign ("{\"exp\":4102444800,\"action\":\"watch\",\"stream\":\"52\"}", key);
  g_autofree char *admin =
      sign ("{\"exp\":4102444800,\"action\":\"admin\",\"stream\":\"*\"}", key);
  g_autofree char *old =
      sign ("{\"exp\":1,\"action\":\"watch\",\"stream\":\"52\"}", key);
  g_autofree char *publish = sign (
      "{\"exp\":4102444800,\"action\":\"publish\",\"stream\":\"*\"}", key);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  JanusFixture f = { 0 };
  int fd = g_file_open_tmp ("janus-XXXXXX", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  g_file_set_contents (path, key, -1, &error);
  g_assert_no_error (error);
  f.auth = base_auth_new (no_tokens, path, FALSE, &error);
  g_assert_no_error (error);
  g_unlink (path);
  janus_start (&f, &(EgressJanusConfig){ .token_auth = TRUE });
  ask_with_token (&f, 0, 0, "create", "", old);
  janus_expect (&f, ERROR (403, DENIED));
  ask_with_token (&f, 0, 0, "create", "", publish);
  janus_expect (&f, ERROR (403, DENIED));
  ask_with_token (&f, 0, 0, "create", "", admin);
  f.session_id = janus_reply_id (&f);
  ask_with_token (&f, f.session_id, 0, "attach", "," PLUGIN, watch);
  f.handle_id = janus_reply_id (&f);
  ask_with_token (&f, f.session_id, f.handle_id, "message", ",\"body\":{}",
                  watch);
  janus_expect (&f, DONE ("done"));
  g_assert_cmpstr (f.token, ==, watch);
  g_assert_true (egress_janus_is_allowed (f.core, NULL, watch, FALSE));
  g_assert_false (egress_janus_is_allowed (f.core, NULL, old, TRUE));
  janus_stop (&f);
}

/* --insecure opens what needs no token, and makes no token of any text. */
static void
test_insecure (void)
{
  static const char *const no_tokens[BASE_AUTH_N_SURFACES] = { NULL };
  JanusFixture f = { 0 };

  f.auth = base_auth_new (no_tokens, NULL, TRUE, NULL);
  janus_start (&f, &(EgressJanusConfig){ .token_auth = TRUE });
  ask_with_token (&f, 0, 0, "create", "", "x");
  janus_expect (&f, ERROR (403, DENIED));
  egress_janus_free (f.core);
  f.core = egress_janus_new (
      &(EgressJanusConfig){ .auth = f.auth, .max_sessions = 1 });
  g_assert_true (egress_janus_is_allowed (f.core, NULL, NULL, FALSE));
  janus_stop (&f);
}

/* --- Admin API ----------------------------------------------------------- */

static void
ask_admin (JanusFixture *f, guint64 session_id, guint64 handle_id,
           const char *text)
{
  g_autoptr (JsonObject) request = janus_parse (text);

  egress_janus_admin_request (f->core, session_id, handle_id, request, TRUE,
                              janus_on_replied, f);
}

#define ADMIN(verb, rest)                                                      \
  "{\"janus\":\"" verb "\"," T ",\"admin_secret\":\"adm\"" rest "}"
#define OK(rest) "{\"janus\":\"success\"," T rest "}"
#define PLUGINS "\"plugins\":[\"janus.plugin.streaming\"]"

static void
expect_admin (JanusFixture *f, const char *request, const char *reply)
{
  g_test_message ("%s", request);
  ask_admin (f, 0, 0, request);
  janus_expect (f, reply);
}

static const EgressJanusConfig admin_config = { .admin_secret = "adm",
                                                .token_auth = TRUE };

static void
test_tokens (void)
{
  JanusFixture f = { 0 };

  janus_start (&f, &admin_config);
  expect_admin (&f, "{\"janus\":\"list_tokens\"," T "}", ERROR (403, DENIED));
  expect_admin (&f, ADMIN ("list_tokens", ""),
                OK (",\"data\":{\"tokens\":[]}"));
  expect_admin (&f, ADMIN ("add_token", ""),
                ERROR (456, "Missing mandatory element (token)"));
  expect_admin (&f, ADMIN ("add_token", ",\"token\":\"a\""),
                OK (",\"data\":{" PLUGINS "}"));
  expect_admin (&f, ADMIN ("add_token", ",\"token\":\"c\",\"plugins\":[\"x\"]"),
                OK (",\"data\":{\"plugins\":[]}"));
  expect_admin (&f, ADMIN ("add_token", ",\"token\":\"c\",\"plugins\":5"),
                ERROR (467, "Invalid element type (plugins should be an "
                            "array)"));
  expect_admin (&f, ADMIN ("allow_token", ",\"token\":\"zz\"," PLUGINS),
                ERROR (470, "Token zz not found"));
  expect_admin (&f, ADMIN ("allow_token", ",\"token\":\"c\""),
                ERROR (467, "Invalid element type (plugins should be a "
                            "non-empty array)"));
  expect_admin (&f,
                ADMIN ("allow_token", ",\"token\":\"c\",\"plugins\":[\"q\"]"),
                ERROR (467, "Invalid element type (some of the provided "
                            "plugins are invalid)"));
  expect_admin (&f, ADMIN ("remove_token", ",\"token\":\"zz\""),
                ERROR (490, "Error removing token"));

  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T ",\"token\":\"zz\"}");
  janus_expect (&f, ERROR (403, DENIED));
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T ",\"token\":\"c\"}");
  f.session_id = janus_reply_id (&f);
  janus_ask (&f, f.session_id, 0,
             "{\"janus\":\"attach\"," T "," PLUGIN ",\"token\":\"c\"}");
  janus_expect (&f, S_ERROR (405, "Provided token can't access plugin "
                                  "'janus.plugin.streaming'"));
  expect_admin (&f, ADMIN ("allow_token", ",\"token\":\"c\"," PLUGINS),
                OK (",\"data\":{" PLUGINS "}"));
  janus_ask (&f, f.session_id, 0,
             "{\"janus\":\"attach\"," T "," PLUGIN ",\"token\":\"c\"}");
  g_assert_cmpuint (janus_reply_id (&f), >, 0);
  expect_admin (&f, ADMIN ("disallow_token", ",\"token\":\"c\"," PLUGINS),
                OK (",\"data\":{\"plugins\":[]}"));
  expect_admin (&f, ADMIN ("remove_token", ",\"token\":\"c\""), OK (""));
  janus_ask (&f, f.session_id, 0,
             "{\"janus\":\"keepalive\"," T ",\"token\":\"c\"}");
  janus_expect (&f, S_ERROR (403, DENIED));
  janus_stop (&f);
}

static void
test_token_bound (void)
{
  g_autoptr (EgressJanusTokens) tokens = egress_janus_tokens_new ();
  g_autofree char *longest = g_strnfill (EGRESS_JANUS_TOKEN_MAX_BYTES, 'a');
  g_autofree char *longer = g_strconcat (longest, "a", NULL);

  g_assert_false (egress_janus_tokens_add (tokens, longer));
  g_assert_true (egress_janus_tokens_add (tokens, longest));
  for (guint i = 1; i < EGRESS_JANUS_MAX_TOKENS; i++)
    {
      g_autofree char *token = g_strdup_printf ("%u", i);

      g_assert_true (egress_janus_tokens_add (tokens, token));
    }
  g_assert_false (egress_janus_tokens_add (tokens, "one more"));
  g_assert_true (egress_janus_tokens_add (tokens, "1"));
  g_assert_true (egress_janus_tokens_remove (tokens, "1"));
  g_assert_true (egress_janus_tokens_add (tokens, "one more"));
}

static void
test_admin_server (void)
{
  JanusFixture f = { 0 };

  janus_start (&f, &(EgressJanusConfig){ .admin_secret = "adm" });
  expect_admin (&f, "{\"janus\":\"ping\"," T "}", "{\"janus\":\"pong\"," T "}");
  expect_admin (&f, ADMIN ("bogus", ""),
                ERROR (457, "Unhandled request 'bogus' at this path"));
  expect_admin (&f, ADMIN ("add_token", ""),
                ERROR (490, "Stored-Token based authentication disabled"));
  expect_admin (&f, ADMIN ("get_status", ""),
                OK (",\"status\":{\"token_auth\":false,\"session_timeout\":60,"
                    "\"reclaim_session_timeout\":0,"
                    "\"slowlink_threshold\":0}"));
  expect_admin (&f, ADMIN ("accept_new_sessions", ",\"accept\":false"),
                OK (",\"accept\":false"));
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T "}");
  janus_expect (&f, ERROR (472, "Currently not accepting new sessions"));
  expect_admin (&f, ADMIN ("accept_new_sessions", ",\"accept\":true"),
                OK (",\"accept\":true"));
  expect_admin (&f, ADMIN ("set_session_timeout", ",\"timeout\":-1"),
                ERROR (467, "Invalid element type (timeout should be a "
                            "positive integer)"));
  expect_admin (&f, ADMIN ("set_session_timeout", ",\"timeout\":9999999999"),
                ERROR (467, "Invalid element type (timeout should be at most "
                            "2147483647)"));
  expect_admin (&f, ADMIN ("set_session_timeout", ",\"timeout\":5"),
                OK (",\"timeout\":5"));
  expect_admin (&f,
                ADMIN ("set_slowlink_threshold", ",\"slowlink_threshold\":3"),
                OK (",\"slowlink_threshold\":3"));
  janus_open (&f);
  janus_now_us += 5 * BASE_US_PER_S;
  janus_tick (f.core);
  expect_admin (&f, ADMIN ("list_sessions", ""), OK (",\"sessions\":[]"));
  janus_stop (&f);
}

static void
test_admin_session (void)
{
  JanusFixture f = { 0 };
  JsonObject *info;

  janus_start (&f, &(EgressJanusConfig){ .admin_secret = "adm" });
  janus_open (&f);
  expect_admin (&f, ADMIN ("list_sessions", ""), OK (",\"sessions\":[\"S\"]"));
  ask_admin (&f, f.session_id, 0, ADMIN ("list_handles", ""));
  janus_expect (&f, "{\"janus\":\"success\",\"session_id\":\"S\"," T
                    ",\"handles\":[\"H\"]}");
  ask_admin (&f, 999, 0, ADMIN ("list_handles", ""));
  g_assert_cmpint (
      json_object_get_int_member (
          json_object_get_object_member (f.reply, "error"), "code"),
      ==, 458);
  ask_admin (&f, f.session_id, f.handle_id, ADMIN ("list_handles", ""));
  janus_expect (&f, S_ERROR (457, "Unhandled request 'list_handles' at this "
                                  "path"));
  ask_admin (&f, f.session_id, f.handle_id, ADMIN ("handle_info", ""));
  info = json_object_get_object_member (f.reply, "info");
  g_assert_cmpstr (egress_janus_get_string (info, "session_transport"), ==,
                   "janus.transport.test");
  g_assert_true (json_object_has_member (info, "peer"));
  ask_admin (&f, f.session_id, 0,
             ADMIN ("set_session_timeout", ",\"timeout\":-2"));
  janus_expect (&f, S_ERROR (467, "Invalid element type (timeout should be a "
                                  "non-negative integer or -1)"));
  ask_admin (&f, f.session_id, 0,
             ADMIN ("set_session_timeout", ",\"timeout\":0"));
  janus_now_us += 1000 * BASE_US_PER_S;
  janus_tick (f.core);
  ask_admin (&f, f.session_id, f.handle_id, ADMIN ("hangup_webrtc", ""));
  janus_expect (&f, S_OK);
  ask_admin (&f, f.session_id, f.handle_id, ADMIN ("detach_handle", ""));
  janus_expect (&f, S_OK);
  g_assert_cmpuint (f.n_states, ==, 0);
  ask_admin (&f, f.session_id, 0, ADMIN ("destroy_session", ""));
  janus_expect (&f, S_OK);
  g_assert_cmpuint (f.transport.n_over, ==, 1);
  janus_stop (&f);
}

/* A plugin may answer late, even when nobody is there any more. */
static void
test_message_plugin (void)
{
  JanusFixture f = { 0 };

  janus_start (&f, &(EgressJanusConfig){ .admin_secret = "adm" });
  expect_admin (&f, ADMIN ("message_plugin", ""),
                ERROR (456, "Missing mandatory element (plugin)"));
  expect_admin (&f, ADMIN ("message_plugin", ",\"plugin\":\"x\""),
                ERROR (460, "Invalid plugin"));
  expect_admin (&f, ADMIN ("message_plugin", "," PLUGIN ",\"request\":5"),
                ERROR (467, "Invalid element type (request should be an "
                            "object)"));
  expect_admin (&f, ADMIN ("message_plugin", "," PLUGIN),
                OK (",\"response\":{\"streaming\":\"done\"}"));
  ask_admin (&f, 0, 0,
             ADMIN ("message_plugin",
                    "," PLUGIN ",\"request\":{\"request\":\"later\"}"));
  f.admin_done (janus_data ("late"), f.admin_data);
  janus_expect (&f, OK (",\"response\":{\"streaming\":\"late\"}"));
  ask_admin (&f, 0, 0,
             ADMIN ("message_plugin",
                    "," PLUGIN ",\"request\":{\"request\":\"later\"}"));
  egress_janus_free (g_steal_pointer (&f.core));
  janus_expect (&f, ERROR (459, "Handle not found"));
  f.admin_done (janus_data ("too late"), f.admin_data);
  janus_stop (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/egress/janus/secret", test_secret);
  g_test_add_func ("/egress/janus/protected", test_protected);
  g_test_add_func ("/egress/janus/watch-token", test_watch_token);
  g_test_add_func ("/egress/janus/jwt", test_jwt);
  g_test_add_func ("/egress/janus/insecure", test_insecure);
  g_test_add_func ("/egress/janus/tokens", test_tokens);
  g_test_add_func ("/egress/janus/token-bound", test_token_bound);
  g_test_add_func ("/egress/janus/admin-server", test_admin_server);
  g_test_add_func ("/egress/janus/admin-session", test_admin_session);
  g_test_add_func ("/egress/janus/message-plugin", test_message_plugin);
  return g_test_run ();
}
