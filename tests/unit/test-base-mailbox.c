/* SPDX-License-Identifier: Apache-2.0 */
/* Mailbox: order, threads, freeing at any time. */
#include "base/mailbox.h"

typedef struct
{
  BaseMailbox *box;
  GMainContext *context;
  GArray *seen; /* (element-type int) owned */
  guint n_discarded;
  GThread *thread;
} Fixture;

typedef struct
{
  Fixture *f;
  int number;
} Note;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->context = g_main_context_new ();
  f->box = base_mailbox_new (f->context);
  f->seen = g_array_new (FALSE, FALSE, sizeof (int));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  if (f->box)
    base_mailbox_free (f->box);
  g_main_context_unref (f->context);
  g_array_unref (f->seen);
}

static void
on_note (gpointer data)
{
  Note *note = data;

  g_array_append_val (note->f->seen, note->number);
  g_free (note);
}

static void
on_discard (gpointer data)
{
  Note *note = data;

  note->f->n_discarded++;
  g_free (note);
}

static void
post (Fixture *f, BaseMailFunc func, int number)
{
  Note *note = g_new (Note, 1);

  *note = (Note){ f, number };
  base_mailbox_post (f->box, func, note, on_discard);
}

static void
run (Fixture *f)
{
  while (g_main_context_iteration (f->context, FALSE))
    ;
}

static void
test_order (Fixture *f, gconstpointer data)
{
  for (int i = 0; i < 100; i++)
    post (f, on_note, i);
  g_assert_cmpuint (base_mailbox_get_depth (f->box), ==, 100);
  /* One wake-up runs all that is queued. */
  g_assert_true (g_main_context_iteration (f->context, FALSE));
  g_assert_cmpuint (f->seen->len, ==, 100);
  g_assert_cmpuint (base_mailbox_get_depth (f->box), ==, 0);
  for (int i = 0; i < 100; i++)
    g_assert_cmpint (g_array_index (f->seen, int, i), ==, i);
  g_assert_false (g_main_context_iteration (f->context, FALSE));
}

static void
on_repost (gpointer data)
{
  Note *note = data;

  post (note->f, on_note, note->number + 1);
  on_note (note);
}

static void
test_post_to_self_runs_later (Fixture *f, gconstpointer data)
{
  post (f, on_repost, 1);
  g_assert_true (g_main_context_iteration (f->context, FALSE));
  g_assert_cmpuint (f->seen->len, ==, 1);
  g_assert_true (g_main_context_iteration (f->context, FALSE));
  g_assert_cmpuint (f->seen->len, ==, 2);
  g_assert_cmpint (g_array_index (f->seen, int, 1), ==, 2);
}

static void
test_free_discards (Fixture *f, gconstpointer data)
{
  for (int i = 0; i < 5; i++)
    post (f, on_note, i);
  base_mailbox_free (g_steal_pointer (&f->box));
  run (f);
  g_assert_cmpuint (f->n_discarded, ==, 5);
  g_assert_cmpuint (f->seen->len, ==, 0);
}

static void
on_free_box (gpointer data)
{
  Note *note = data;
  Fixture *f = note->f;

  on_note (note);
  base_mailbox_free (g_steal_pointer (&f->box));
}

static void
test_free_from_mail (Fixture *f, gconstpointer data)
{
  post (f, on_note, 1);
  post (f, on_free_box, 2);
  post (f, on_note, 3);
  post (f, on_note, 4);
  run (f);
  g_assert_cmpuint (f->seen->len, ==, 2);
  g_assert_cmpuint (f->n_discarded, ==, 2);
}

#define N_POSTERS 4
#define N_EACH 2000

static gpointer
poster (gpointer data)
{
  Note *which = data;

  for (int i = 0; i < N_EACH; i++)
    post (which->f, on_note, which->number * N_EACH + i);
  return NULL;
}

static void
test_many_threads (Fixture *f, gconstpointer data)
{
  Note notes[N_POSTERS];
  GThread *threads[N_POSTERS];
  int next[N_POSTERS] = { 0 };

  for (int i = 0; i < N_POSTERS; i++)
    {
      notes[i] = (Note){ f, i };
      threads[i] = g_thread_new ("poster", poster, &notes[i]);
    }
  /* Blocks in poll: a lost wake-up would hang here until the watchdog. */
  while (f->seen->len < N_POSTERS * N_EACH)
    g_main_context_iteration (f->context, TRUE);
  for (int i = 0; i < N_POSTERS; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < f->seen->len; i++)
    {
      int number = g_array_index (f->seen, int, i);

      g_assert_cmpint (number % N_EACH, ==, next[number / N_EACH]++);
    }
}

static void
on_nested (gpointer data)
{
  Note *note = data;
  Fixture *f = note->f;

  on_note (note);
  post (f, on_note, 2);
  while (f->seen->len < 3)
    g_main_context_iteration (f->context, TRUE);
}

static void
test_nested_iteration (Fixture *f, gconstpointer data)
{
  post (f, on_nested, 0);
  post (f, on_note, 1);
  run (f);
  g_assert_cmpuint (f->seen->len, ==, 3);
  for (int i = 0; i < 3; i++)
    g_assert_cmpint (g_array_index (f->seen, int, i), ==, i);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/base/mailbox/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("order", test_order);
  ADD ("post-to-self-runs-later", test_post_to_self_runs_later);
  ADD ("free-discards", test_free_discards);
  ADD ("free-from-mail", test_free_from_mail);
  ADD ("many-threads", test_many_threads);
  ADD ("nested-iteration", test_nested_iteration);
  return g_test_run ();
}
