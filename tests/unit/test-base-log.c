/* SPDX-License-Identifier: Apache-2.0 */
/* Log: what stands on stderr, from rooms, GLib and several threads. */
#include "base/log.h"

#include <string.h>

BASE_LOG_DECLARE (rtc);
BASE_LOG_DEFINE (rtc)
BASE_LOG_DECLARE (whip);
BASE_LOG_DEFINE (whip)

#define N_THREADS 4
#define N_LINES 500

static gpointer
talk (gpointer data)
{
  for (int i = 0; i < N_LINES; i++)
    GST_CAT_INFO (rtc_log_get (), "thread %d begin %0200d end",
                  GPOINTER_TO_INT (data), i);
  return NULL;
}

/* The children: each logs, its parent reads. */

static void
child_text (void)
{
  rtc_log_get (); /* one room before, one after */
  base_log_init (BASE_LOG_TEXT, "info,whip:debug");
  GST_CAT_INFO (rtc_log_get (), "session %s up\n\x1b[31m", "s1");
  GST_CAT_DEBUG (rtc_log_get (), "hidden");
  GST_CAT_DEBUG (whip_log_get (), "shown");
  GST_CAT_LOG (whip_log_get (), "hidden");
  g_log_structured ("dom", G_LOG_LEVEL_MESSAGE, "MESSAGE", "from %s", "glib");
  g_log_structured ("dom", G_LOG_LEVEL_DEBUG, "MESSAGE", "hidden");
}

static void
child_json (void)
{
  base_log_init (BASE_LOG_JSON, "warning");
  GST_CAT_INFO (rtc_log_get (), "hidden");
  GST_CAT_WARNING (rtc_log_get (), "a \"b\" \\ \n\xff");
}

static void
child_threads (void)
{
  GThread *threads[N_THREADS];

  base_log_init (BASE_LOG_TEXT, "info");
  for (int i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("talk", talk, GINT_TO_POINTER (i));
  for (int i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
}

/* run_child: (transfer full): stderr of @func in a process of its own */
static char *
run_child (const char *name)
{
  g_autofree char *path = g_strconcat ("/base/log/child/", name, NULL);
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  const char *argv[] = { self, "--child", path, NULL };
  char *text = NULL;
  int status = -1;

  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL,
                               NULL, NULL, &text, &status, NULL));
  g_assert_cmpint (status, ==, 0);
  return text;
}

static void
test_text (void)
{
  g_autofree char *text = run_child ("text");
  const char *time = "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z ";
  g_autofree char *pattern =
      g_strconcat (time, "INFO rtc session s1 up\\\\n\\\\x1b\\[31m$", NULL);

  g_assert_true (g_regex_match_simple (pattern, text, G_REGEX_MULTILINE, 0));
  g_assert_nonnull (strstr (text, "Z DEBUG whip shown\n"));
  g_assert_nonnull (strstr (text, "Z INFO dom from glib\n"));
  g_assert_null (strstr (text, "hidden"));
}

static void
test_json (void)
{
  g_autofree char *text = run_child ("json");

  g_assert_nonnull (
      strstr (text, "Z\",\"level\":\"WARNING\",\"room\":\"rtc\",\"message\":"
                    "\"a \\\"b\\\" \\\\ \\u000a\357\277\275\"}\n"));
  g_assert_true (g_str_has_prefix (text, "{\"time\":\"2"));
  g_assert_null (strstr (text, "hidden"));
}

static void
test_threads (void)
{
  g_autofree char *text = run_child ("threads");
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n_lines = 0;

  for (guint i = 0; lines[i]; i++)
    if (strstr (lines[i], " rtc thread "))
      {
        n_lines++;
        g_assert_true (g_str_has_suffix (lines[i], " end"));
        g_assert_null (strstr (strstr (lines[i], "begin") + 1, "begin"));
      }
  g_assert_cmpuint (n_lines, ==, N_THREADS * N_LINES);
}

int
main (int argc, char **argv)
{
  if (argc == 3 && g_str_equal (argv[1], "--child"))
    {
      gst_init (NULL, NULL);
      if (g_str_has_suffix (argv[2], "text"))
        child_text ();
      else if (g_str_has_suffix (argv[2], "json"))
        child_json ();
      else
        child_threads ();
      return 0;
    }
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/log/text", test_text);
  g_test_add_func ("/base/log/json", test_json);
  g_test_add_func ("/base/log/threads", test_threads);
  return g_test_run ();
}
