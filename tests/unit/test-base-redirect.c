/* SPDX-License-Identifier: Apache-2.0 */
/* BaseRedirect: what opens, what does not, and what a surface makes of it. */
#include "base/redirect.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "loopback.h"

#define SECRET "sixteen or more of them"
#define NOW_US (1000 * BASE_US_PER_S)
#define S BASE_US_PER_S

static guint
open_at (BaseRedirect *redirect, const char *token, gint64 now_us)
{
  return base_redirect_open (redirect, token, BASE_AUTH_WATCH, "live", now_us);
}

static void
test_open (void)
{
  g_autoptr (BaseRedirect) ours = base_redirect_new (SECRET);
  g_autoptr (BaseRedirect) peer = base_redirect_new (SECRET);
  g_autoptr (BaseRedirect) other = base_redirect_new ("another cluster's one");
  g_autofree char *longest = g_strnfill (64, 'x');
  g_autofree char *token =
      base_redirect_seal (ours, BASE_AUTH_WATCH, "live", 1, NOW_US);
  g_autofree char *again =
      base_redirect_seal (ours, BASE_AUTH_WATCH, "live", 1, NOW_US);
  g_autofree char *long_token =
      base_redirect_seal (ours, BASE_AUTH_PUBLISH, longest, 2, NOW_US);

  g_assert_cmpuint (open_at (peer, token, NOW_US), ==, 1);
  g_assert_cmpstr (token, !=, again); /* the nonce is random */
  g_assert_cmpuint (
      base_redirect_open (peer, long_token, BASE_AUTH_PUBLISH, longest, NOW_US),
      ==, 2);
  /* another cluster, stream, action */
  g_assert_cmpuint (open_at (other, token, NOW_US), ==, 0);
  g_assert_cmpuint (
      base_redirect_open (peer, token, BASE_AUTH_WATCH, "live2", NOW_US), ==,
      0);
  g_assert_cmpuint (
      base_redirect_open (peer, token, BASE_AUTH_WATCH, "liv", NOW_US), ==, 0);
  g_assert_cmpuint (
      base_redirect_open (peer, token, BASE_AUTH_PUBLISH, "live", NOW_US), ==,
      0);
}

static void
test_time (void)
{
  g_autoptr (BaseRedirect) redirect = base_redirect_new (SECRET);
  g_autofree char *token =
      base_redirect_seal (redirect, BASE_AUTH_WATCH, "live", 1, NOW_US);

  g_assert_cmpuint (open_at (redirect, token, NOW_US + 10 * S), ==, 1);
  g_assert_cmpuint (open_at (redirect, token, NOW_US + 10 * S + 1), ==, 0);
  /* of a node whose clock is ahead */
  g_assert_cmpuint (open_at (redirect, token, NOW_US - 5 * S), ==, 1);
  g_assert_cmpuint (open_at (redirect, token, NOW_US - 5 * S - 1), ==, 0);
}

static void
test_tampered (void)
{
  static const char *const garbage[] = { "", "A", "A=", "a b", "%41", "ä" };
  g_autoptr (BaseRedirect) redirect = base_redirect_new (SECRET);
  g_autofree char *token =
      base_redirect_seal (redirect, BASE_AUTH_WATCH, "live", 1, NOW_US);
  gsize n_chars = strlen (token);
  g_autofree char *huge = g_strnfill (100000, 'A');

  /* the last character has bits that stand for nothing */
  for (gsize i = 0; i + 1 < n_chars; i++)
    {
      g_autofree char *changed = g_strdup (token);
      g_autofree char *cut = g_strndup (token, i);

      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      g_assert_cmpuint (open_at (redirect, changed, NOW_US), ==, 0);
      g_assert_cmpuint (open_at (redirect, cut, NOW_US), ==, 0);
    }
  for (guint i = 0; i < G_N_ELEMENTS (garbage); i++)
    g_assert_cmpuint (open_at (redirect, garbage[i], NOW_US), ==, 0);
  for (gsize n = 1; n < 200; n++)
    {
      g_autofree char *zeros = g_strnfill (n, 'A');

      g_assert_cmpuint (open_at (redirect, zeros, NOW_US), ==, 0);
    }
  g_assert_cmpuint (open_at (redirect, huge, NOW_US), ==, 0);
}

/* --- over HTTP ------------------------------------------------------------ */

static guint
ask (Loopback *f, const char *stream, const char *token, gboolean is_null)
{
  const char *headers[] = { "Origin", "null", NULL };
  g_autofree char *path =
      g_strdup_printf ("/whep/%s?redirect=%s", stream, token);

  return loopback_ask (f, "POST", path, is_null ? headers : NULL, NULL, 0);
}

static void
answer (SoupServerMessage *msg, gpointer data)
{
  const char *path = g_uri_get_path (soup_server_message_get_uri (msg));
  g_autofree char *text = NULL;

  if (!base_auth_require (data, BASE_AUTH_WATCH, strrchr (path, '/') + 1, msg))
    return;
  text = g_strdup_printf ("%u %d", base_http_get_hop (msg),
                          base_http_peer_is_loopback (msg));
  base_http_text (msg, 200, "text/plain", text);
}

static void
test_surface (Loopback *f, gconstpointer data)
{
  const char *tokens[BASE_AUTH_N_SURFACES] = { [BASE_AUTH_WATCH] = "secret" };
  g_autoptr (BaseAuth) auth = base_auth_new (tokens, NULL, FALSE, NULL);
  g_autoptr (BaseRedirect) redirect = base_redirect_new (SECRET);
  gint64 now_us = base_clock_wall_us ();
  g_autofree char *good =
      base_redirect_seal (redirect, BASE_AUTH_WATCH, "live", 1, now_us);
  g_autofree char *old = base_redirect_seal (redirect, BASE_AUTH_WATCH, "live",
                                             1, now_us - 11 * BASE_US_PER_S);

  f->handler = answer;
  f->data = auth;
  g_assert_cmpuint (ask (f, "live", good, FALSE), ==, 401);
  base_auth_set_redirect (auth, redirect);
  g_assert_cmpuint (ask (f, "live", good, FALSE), ==, 200);
  g_assert_cmpstr (f->text, ==, "1 1");
  g_assert_cmpuint (ask (f, "live", good, TRUE), ==, 200);
  g_assert_cmpstr (f->text, ==, "1 1");
  g_assert_cmpuint (ask (f, "other", good, FALSE), ==, 401);
  g_assert_cmpuint (ask (f, "live", old, FALSE), ==, 401);
  good[12] = good[12] == 'A' ? 'B' : 'A';
  g_assert_cmpuint (ask (f, "live", good, FALSE), ==, 401);
}

/* protected mode: Origin null alone is a stranger's page */
static void
test_protected (Loopback *f, gconstpointer data)
{
  const char *none[BASE_AUTH_N_SURFACES] = { NULL };
  g_autoptr (BaseAuth) auth = base_auth_new (none, NULL, FALSE, NULL);
  g_autoptr (BaseRedirect) redirect = base_redirect_new (SECRET);
  g_autofree char *good = base_redirect_seal (redirect, BASE_AUTH_WATCH, "live",
                                              1, base_clock_wall_us ());

  f->handler = answer;
  f->data = auth;
  base_auth_set_redirect (auth, redirect);
  g_assert_cmpuint (ask (f, "live", "x", TRUE), ==, 403);
  g_assert_cmpuint (ask (f, "live", "x", FALSE), ==, 200);
  g_assert_cmpstr (f->text, ==, "0 1");
  g_assert_cmpuint (ask (f, "live", good, TRUE), ==, 200);
  g_assert_cmpstr (f->text, ==, "1 1");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/redirect/open", test_open);
  g_test_add_func ("/base/redirect/time", test_time);
  g_test_add_func ("/base/redirect/tampered", test_tampered);
#define ADD(name, func)                                                        \
  g_test_add ("/base/redirect/" name, Loopback, NULL, loopback_set_up, func,   \
              loopback_tear_down)
  ADD ("surface", test_surface);
  ADD ("protected", test_protected);
  return g_test_run ();
}
