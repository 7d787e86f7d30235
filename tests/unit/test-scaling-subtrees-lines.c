/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtreesLines: nodes are asked to drain, at their addresses alone. */
#include "scaling/subtrees-lines.h"

#include "scaling-stand-in.h"

typedef struct
{
  guint n_done;
  char *error; /* owned, nullable: the last */
} Said;

static void
on_done (const GError *error, gpointer data)
{
  Said *said = data;

  said->n_done++;
  g_free (said->error);
  said->error = error != NULL ? g_strdup (error->message) : NULL;
}

static void
drain (ScalingSubtreesLines *lines, const char *url, guint32 ms, Said *said)
{
  said->n_done = 0;
  scaling_subtrees_lines_wire.drain (url, ms, on_done, said, lines);
  g_assert_cmpuint (said->n_done, ==, 0); /* never from within */
}

static void
test_drain (void)
{
  static const struct
  {
    StandInAnswer answer;
    guint32 ms;
    const char *token, *slash, *body, *error;
  } rows[] = {
    { { 202, "{}" }, 600000, "s3cret", "", "{\"deadline_s\":600}", NULL },
    { { 202, "{}" }, 1, NULL, "/", "{\"deadline_s\":1}", NULL },
    { { 200, "{}" }, 0, NULL, "", "{\"deadline_s\":0}", NULL },
    { { 401, "{}" },
      1500,
      "wrong",
      "",
      "{\"deadline_s\":2}",
      "the node answers 401 to /api/drain" },
    /* no redirect is followed: the token is for this node */
    { { 307, "" },
      0,
      "s3cret",
      "",
      "{\"deadline_s\":0}",
      "the node answers 307 to /api/drain" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      StandIn *server = stand_in_new (&rows[i].answer, 1);
      g_autoptr (ScalingSubtreesLines) lines =
          scaling_subtrees_lines_new (NULL, rows[i].token);
      g_autofree char *url = g_strconcat (server->url, rows[i].slash, NULL);
      g_autofree char *bearer =
          rows[i].token != NULL ? g_strconcat ("Bearer ", rows[i].token, NULL)
                                : NULL;
      const StandInRequest *request;
      Said said = { 0 };

      drain (lines, url, rows[i].ms, &said);
      WAIT_FOR (said.n_done > 0);
      g_assert_cmpstr (said.error, ==, rows[i].error);
      g_assert_cmpuint (server->requests->len, ==, 1);
      request = server->requests->pdata[0];
      g_assert_cmpstr (request->method, ==, "POST");
      g_assert_cmpstr (request->path, ==, "/api/drain");
      g_assert_cmpstr (g_hash_table_lookup (request->headers, "authorization"),
                       ==, bearer);
      g_assert_cmpmem (g_bytes_get_data (request->body, NULL),
                       g_bytes_get_size (request->body), rows[i].body,
                       strlen (rows[i].body));
      g_free (said.error);
      stand_in_free (server);
    }
}

static void
test_bad_address (void)
{
  static const char *const bad[] = { "",
                                     "/",
                                     "file:///etc/passwd",
                                     "http://",
                                     "http://me:you@127.0.0.1:1/",
                                     "http://127.0.0.1:1/?x" };
  g_autoptr (ScalingSubtreesLines) lines =
      scaling_subtrees_lines_new (NULL, "t");
  Said said = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      drain (lines, bad[i], 0, &said);
      WAIT_FOR (said.n_done > 0);
      g_assert_cmpstr (said.error, ==,
                       "the node has no address that can be asked");
    }
  g_free (said.error);
}

/* What is under way is dropped without a word. */
static void
test_free (void)
{
  static const StandInAnswer none = { 0, NULL };
  StandIn *server = stand_in_new (&none, 1);
  ScalingSubtreesLines *lines = scaling_subtrees_lines_new (NULL, NULL);
  Said said = { 0 }, other = { 0 };

  drain (lines, server->url, 0, &said);
  WAIT_FOR (server->requests->len == 1);
  drain (lines, "", 0, &other);
  scaling_subtrees_lines_free (lines);
  stand_in_free (server);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_assert_cmpuint (said.n_done + other.n_done, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/subtrees-lines/drain", test_drain);
  g_test_add_func ("/scaling/subtrees-lines/bad-address", test_bad_address);
  g_test_add_func ("/scaling/subtrees-lines/free", test_free);
  return g_test_run ();
}
