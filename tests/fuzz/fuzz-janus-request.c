/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the Janus API's core: each line is a request ("!" before it: of the
 * Admin API) to a core with a session and a handle, @S@ and @H@ in it. Each is
 * answered once, with JSON, and in the end nothing is left. An input "#seed"
 * stands for 50 requests of janus-grammar.h.
 */
#include <stdint.h>
#include <stdlib.h>

#include "tests/fuzz/janus-grammar.h"
#include "tests/unit/janus-fixture.h"

#define N_RANDOM 50

static guint n_owed;

static void
on_replied (JsonObject *reply, gpointer data)
{
  g_autoptr (JsonObject) owned = reply;
  g_autofree char *text = janus_text (reply);

  /* ours reads what json-glib writes */
  json_object_unref (janus_parse (text));
  if (!egress_janus_get_string (reply, "janus"))
    g_error ("a reply of %s", text);
  n_owed--;
}

/* (transfer full) */
static char *
fill_in (JanusFixture *f, const char *line)
{
  GString *text = g_string_new (line);
  g_autofree char *s = g_strdup_printf ("%" G_GUINT64_FORMAT, f->session_id);
  g_autofree char *h = g_strdup_printf ("%" G_GUINT64_FORMAT, f->handle_id);

  g_string_replace (text, "@S@", s, 0);
  g_string_replace (text, "@H@", h, 0);
  return g_string_free (text, FALSE);
}

static void
run_line (JanusFixture *f, const char *line, gboolean is_admin)
{
  g_autofree char *text = fill_in (f, line);
  g_autoptr (JsonObject) request = NULL;
  JsonObject *error = NULL;

  if (!egress_janus_lookup (f->core, f->session_id)
      || !janus_session_find (egress_janus_lookup (f->core, f->session_id),
                              f->handle_id))
    {
      f->core->is_accepting = TRUE;
      janus_open (f);
    }
  request = egress_janus_json_parse (text, strlen (text), &error);
  n_owed++;
  if (!request)
    on_replied (error, NULL);
  else if (is_admin)
    egress_janus_admin_request (f->core, 0, 0, request, TRUE, on_replied, NULL);
  else
    egress_janus_request (f->core, &f->transport.transport, 0, 0, request, TRUE,
                          on_replied, NULL);
  f->later = NULL; /* the handle's end answers it */
  g_ptr_array_set_size (f->transport.taken, 0);
  if (f->admin_done)
    {
      EgressJanusReplied done = g_steal_pointer (&f->admin_done);

      done (janus_data ("late"), f->admin_data);
    }
  if (g_hash_table_size (f->core->sessions) > f->core->config.max_sessions)
    g_error ("too many sessions");
  if (g_hash_table_size (f->core->sessions) == f->core->config.max_sessions)
    egress_janus_transport_gone (f->core, &f->transport.transport);
}

static void
run_random (JanusFixture *f, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (guint i = 0; i < N_RANDOM; i++)
    {
      gboolean is_admin;
      g_autofree char *text = grammar_request (rand, &is_admin);

      run_line (f, text, is_admin);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  static const EgressJanusConfig config = { .max_sessions = 8,
                                            .token_auth = FALSE };
  g_autofree char *text = g_strndup ((const char *)data, len);
  g_auto (GStrv) lines = g_strsplit (text, "\n", 64);
  JanusFixture f = { .is_bare = TRUE };

  n_owed = 0;
  janus_start (&f, &config);
  f.transport.takes = TRUE;
  janus_open (&f);
  if (*text == '#')
    run_random (&f, (guint32)strtoul (text + 1, NULL, 10) ^ (guint32)len);
  for (guint i = 0; lines[i]; i++)
    run_line (&f, *lines[i] == '!' ? lines[i] + 1 : lines[i], *lines[i] == '!');
  janus_stop (&f);
  if (n_owed != 0)
    g_error ("%u requests were not answered once", n_owed);
  return 0;
}
