/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: layers, units, bounds, and errors that name the place. */
#include "base/settings.h"

#include <glib/gstdio.h>
#include <string.h>

static const BaseSettingSpec specs[] = {
  { "config", BASE_SETTING_PATH, .help = "Settings file." },
  { "name", BASE_SETTING_STRING, .def = "main", .group = "G", .help = "N." },
  { "url", BASE_SETTING_STRING, .group = "G", .help = "Url." },
  { "token", BASE_SETTING_SECRET, .group = "Secrets", .help = "Token." },
  { "open", BASE_SETTING_BOOL, .def = "no", .group = "H", .help = "Open." },
  { "count", BASE_SETTING_INT, 1, 10, "3", NULL, "H", "Count." },
  { "linger", BASE_SETTING_DURATION, 0, 60000000, "30 s", NULL, "H", "L." },
  { "ring", BASE_SETTING_SIZE, .def = "16 MB", .group = "H", .help = "R." },
  { "rate", BASE_SETTING_RATE, .def = "2.5 Mbit/s", .group = "H",
    .help = "Rate." },
  { "log", BASE_SETTING_ENUM, .def = "text", .choices = "text|json",
    .group = "H", .help = "Log." },
  { "roles", BASE_SETTING_LIST, .def = "all", .group = "H", .help = "Roles." },
  { "ports", BASE_SETTING_RANGE, 1024, 65535, "10000-10999", NULL, "H",
    "Ports." },
};

typedef struct
{
  char *dir; /* owned */
  BaseSettings *settings;
  GError *error;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->dir = g_dir_make_tmp ("settings-XXXXXX", NULL);
  f->settings = base_settings_new (specs, G_N_ELEMENTS (specs));
}

static void
remove_tree (const char *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_clear_pointer (&dir, g_dir_close);
  g_remove (path);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  base_settings_free (f->settings);
  g_clear_error (&f->error);
  remove_tree (f->dir);
  g_free (f->dir);
}

/* write_file: (transfer full): its path */
static char *
write_file (Fixture *f, const char *name, const char *text)
{
  char *path = g_build_filename (f->dir, name, NULL);
  g_autofree char *above = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (above, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

/* load: @args and @variables are split at '|' */
static gboolean
load (Fixture *f, const char *args, const char *variables)
{
  g_auto (GStrv) argv = g_strsplit (args, "|", -1);
  g_auto (GStrv) env = g_strsplit (variables, "|", -1);

  return base_settings_load (f->settings, argv, env, &f->error);
}

static void
test_defaults (Fixture *f, gconstpointer data)
{
  gint64 low, high;

  g_assert_true (load (f, "", "HOME=/root"));
  g_assert_cmpstr (base_settings_get_string (f->settings, "name"), ==, "main");
  g_assert_null (base_settings_get_string (f->settings, "url"));
  g_assert_false (base_settings_get_bool (f->settings, "open"));
  g_assert_cmpint (base_settings_get_int (f->settings, "count"), ==, 3);
  g_assert_cmpint (base_settings_get_duration_us (f->settings, "linger"), ==,
                   30000000);
  g_assert_cmpint (base_settings_get_int (f->settings, "ring"), ==, 16000000);
  g_assert_cmpint (base_settings_get_int (f->settings, "rate"), ==, 2500000);
  g_assert_cmpstr (base_settings_get_string (f->settings, "log"), ==, "text");
  g_assert_cmpstr (base_settings_get_list (f->settings, "roles")[0], ==, "all");
  base_settings_get_range (f->settings, "ports", &low, &high);
  g_assert_cmpint (low, ==, 10000);
  g_assert_cmpint (high, ==, 10999);
}

static void
test_order (Fixture *f, gconstpointer data)
{
  g_autofree char *file =
      write_file (f, "m.conf",
                  "[media-tree]\nname=file\ncount=4\nlinger=1 min\n"
                  "ring=64 KiB\n");
  g_autofree char *args = g_strdup_printf ("--config|%s|--name=line", file);

  g_free (write_file (f, "conf.d/20.conf", "[media-tree]\ncount=6\nring=2\n"));
  g_free (write_file (f, "conf.d/10.conf", "[media-tree]\ncount=5\n"));
  g_free (write_file (f, "conf.d/30.conf~", "rubbish"));
  g_assert_true (load (f, args, "MEDIA_TREE_RING=3|MEDIA_TREE_NAME=env"));
  g_assert_no_error (f->error);
  g_assert_cmpint (base_settings_get_int (f->settings, "count"), ==, 6);
  g_assert_cmpint (base_settings_get_int (f->settings, "ring"), ==, 3);
  g_assert_cmpstr (base_settings_get_string (f->settings, "name"), ==, "line");
  g_assert_cmpint (base_settings_get_duration_us (f->settings, "linger"), ==,
                   60000000);
}

/* file < alias < MEDIA_TREE_ < command line; "" is nothing; units */
static void
test_aliases (Fixture *f, gconstpointer data)
{
  static const BaseSettingSpec more[] = {
    { "interval", BASE_SETTING_DURATION, 0, 60000000, "5 s", NULL, "More",
      "I." },
  };
  g_autofree char *file =
      write_file (f, "m.conf", "[media-tree]\nname=file\ncount=4\n");
  g_autofree char *args = g_strdup_printf ("--config|%s", file);
  g_autofree char *help = NULL, *man = NULL;

  base_settings_add (f->settings, more, G_N_ELEMENTS (more));
  base_settings_add_env_alias (f->settings, "name", "OLD_NAME", NULL);
  base_settings_add_env_alias (f->settings, "count", "OLD_COUNT", NULL);
  base_settings_add_env_alias (f->settings, "open", "OLD_OPEN", NULL);
  base_settings_add_env_alias (f->settings, "interval", "OLD_SEC", "s");
  g_assert_cmpint (base_settings_get_duration_us (f->settings, "interval"), ==,
                   5000000);
  g_assert_true (load (f, args,
                       "MEDIA_TREE_NAME=new|OLD_NAME=old|OLD_COUNT=7|OLD_OPEN=|"
                       "OLD_SEC=20"));
  g_assert_cmpstr (base_settings_get_string (f->settings, "name"), ==, "new");
  g_assert_cmpint (base_settings_get_int (f->settings, "count"), ==, 7);
  g_assert_cmpint (base_settings_get_duration_us (f->settings, "interval"), ==,
                   20000000);
  g_assert_true (
      load (f, "--count=8", "OLD_COUNT=9|OLD_SEC=200 ms|OLD_OPEN=1"));
  g_assert_cmpint (base_settings_get_int (f->settings, "count"), ==, 8);
  g_assert_true (base_settings_get_bool (f->settings, "open"));
  g_assert_cmpint (base_settings_get_duration_us (f->settings, "interval"), ==,
                   200000);
  g_assert_false (load (f, "", "OLD_SEC=61"));
  g_assert_error (f->error, BASE_SETTINGS_ERROR, BASE_SETTINGS_ERROR_BAD_VALUE);
  g_assert_nonnull (strstr (f->error->message, "environment, OLD_SEC"));
  help = base_settings_to_help (f->settings);
  g_assert_nonnull (strstr (help, "(also $OLD_SEC, in s)"));
  g_assert_nonnull (strstr (help, "(also $OLD_NAME)"));
  man = base_settings_to_man (f->settings);
  g_assert_nonnull (strstr (man, "\\fBOLD_SEC\\fR, in s."));
}

static void
test_late_defaults (Fixture *f, gconstpointer data)
{
  g_assert_true (load (f, "--count=3", "")); /* its default, but said */
  g_assert_true (
      base_settings_set_default (f->settings, "count", "5", "here", NULL));
  g_assert_true (
      base_settings_set_default (f->settings, "name", "late", "here", NULL));
  g_assert_cmpint (base_settings_get_int (f->settings, "count"), ==, 3);
  g_assert_cmpstr (base_settings_get_string (f->settings, "name"), ==, "late");
  g_assert_false (base_settings_set_default (f->settings, "rate", "much",
                                             "here", &f->error));
  g_assert_nonnull (strstr (f->error->message, "here: rate: \"much\""));
}

static void
test_command_line (Fixture *f, gconstpointer data)
{
  g_assert_true (load (f,
                       "--open|--count|7|--roles=relay, egress,,|--ports="
                       "2000-2001|--url=a=b|--log|json|--rate=600kbit/s",
                       ""));
  g_assert_true (base_settings_get_bool (f->settings, "open"));
  g_assert_cmpint (base_settings_get_int (f->settings, "count"), ==, 7);
  g_assert_cmpint (base_settings_get_int (f->settings, "rate"), ==, 600000);
  g_assert_cmpstr (base_settings_get_string (f->settings, "url"), ==, "a=b");
  g_assert_cmpuint (
      g_strv_length ((char **)base_settings_get_list (f->settings, "roles")),
      ==, 2);
}

static void
test_empty_unsets (Fixture *f, gconstpointer data)
{
  g_assert_true (load (f, "--url=|--name=|--roles=", "MEDIA_TREE_URL=x"));
  g_assert_null (base_settings_get_string (f->settings, "url"));
  g_assert_cmpstr (base_settings_get_string (f->settings, "name"), ==, "");
  g_assert_null (base_settings_get_list (f->settings, "roles")[0]);
}

static void
test_bad_values (Fixture *f, gconstpointer data)
{
  static const char *const bad[] = {
    "--open=maybe",       "--count=0",       "--count=11",
    "--count=3x",         "--count=",        "--count",
    "--linger=30",        "--linger=61 s",   "--linger=1 fortnight",
    "--linger=s",         "--linger=-1 s",   "--linger=inf s",
    "--linger=1.2.3 s",   "--linger=0x10 s", "--ring=1e3 MB",
    "--ring=5 bit/s",     "--rate=1 MB",     "--ring=99999999999999 GB",
    "--log=xml",          "--log=",          "--log=text|json",
    "--ports=10-20",      "--ports=3000",    "--ports=4000-3000",
    "--ports=4000-70000", "--ports=-1-2000", "--name=\xff",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      char *argv[] = { (char *)bad[i], NULL };

      g_test_message ("row %u", i);
      g_assert_false (base_settings_load (f->settings, argv, NULL, &f->error));
      g_assert_error (f->error, BASE_SETTINGS_ERROR,
                      BASE_SETTINGS_ERROR_BAD_VALUE);
      g_assert_nonnull (strstr (f->error->message, "command line"));
      g_clear_error (&f->error);
    }
  g_assert_cmpint (base_settings_get_int (f->settings, "count"), ==, 3);
}

static void
assert_error (Fixture *f, const char *args, const char *env, int code,
              const char *part)
{
  g_assert_false (load (f, args, env));
  g_assert_error (f->error, BASE_SETTINGS_ERROR, code);
  if (!strstr (f->error->message, part))
    g_error ("\"%s\" lacks \"%s\"", f->error->message, part);
  g_clear_error (&f->error);
}

static void
test_unknown_keys (Fixture *f, gconstpointer data)
{
  const int unknown = BASE_SETTINGS_ERROR_UNKNOWN_KEY;
  g_autofree char *file =
      write_file (f, "m.conf", "# x\n[media-tree]\nname=a\n nmae = b\n");
  g_autofree char *group = write_file (f, "g.conf", "[other]\nname=a\n");
  g_autofree char *inner =
      write_file (f, "c.conf", "[media-tree]\nconfig=/x\n");
  g_autofree char *args = g_strconcat ("--config=", file, NULL);
  g_autofree char *group_args = g_strconcat ("--config=", group, NULL);
  g_autofree char *env = g_strconcat ("MEDIA_TREE_CONFIG=", inner, NULL);

  assert_error (f, "--nmae=x", "", unknown, "\"nmae\"");
  assert_error (f, "--nmae|x", "", unknown, "\"nmae\"");
  assert_error (f, "--count-file=x", "", unknown, "\"count-file\"");
  assert_error (f, "stray", "", unknown, "\"stray\"");
  assert_error (f, "--", "", unknown, "\"--\"");
  assert_error (f, "", "MEDIA_TREE_NMAE=x", unknown, "MEDIA_TREE_NMAE");
  assert_error (f, args, "", unknown, "m.conf, line 4");
  assert_error (f, group_args, "", unknown, "[other]");
  assert_error (f, "", env, unknown, "line 2");
}

static void
test_service_links (Fixture *f, gconstpointer data)
{
  g_assert_true (load (
      f, "",
      "MEDIA_TREE_SERVICE_HOST=10.0.0.1|MEDIA_TREE_SERVICE_PORT=7070|"
      "MEDIA_TREE_SERVICE_PORT_HTTP=7070|MEDIA_TREE_PORT=tcp://10.0.0.1:7070|"
      "MEDIA_TREE_PORT_7070_TCP_ADDR=10.0.0.1|"
      "MEDIA_TREE_EGRESS_SERVICE_HOST=10.0.0.2"));
  g_assert_no_error (f->error);
}

static void
test_files (Fixture *f, gconstpointer data)
{
  const int file_error = BASE_SETTINGS_ERROR_FILE;
  g_autofree char *broken =
      write_file (f, "b.conf", "[media-tree]\nno equals sign\n");
  g_autofree char *bad =
      write_file (f, "v.conf", "[media-tree]\n#count=1\n\ncount = 77\n");
  g_autofree char *args = g_strconcat ("--config=", broken, NULL);
  g_autofree char *bad_args = g_strconcat ("--config=", bad, NULL);

  assert_error (f, args, "", file_error, "no equals sign");
  assert_error (f, "--config=/nonexistent/x.conf", "", file_error, "x.conf");
  assert_error (f, bad_args, "", BASE_SETTINGS_ERROR_BAD_VALUE,
                "v.conf, line 4: count: \"77\"");
}

static void
test_secrets (Fixture *f, gconstpointer data)
{
  g_autofree char *secret = write_file (f, "token", "hush-hush\n");
  g_autofree char *empty = write_file (f, "empty", "\n");
  g_autofree char *args = g_strconcat ("--token-file|", secret, NULL);
  g_autofree char *env = g_strconcat ("MEDIA_TREE_TOKEN_FILE=", secret, NULL);
  g_autofree char *empty_args = g_strconcat ("--token-file=", empty, NULL);
  g_autofree char *config = NULL;

  g_assert_true (load (f, args, "MEDIA_TREE_TOKEN=other"));
  g_assert_cmpstr (base_settings_get_string (f->settings, "token"), ==,
                   "hush-hush");
  config = base_settings_to_config (f->settings);
  g_assert_null (strstr (config, "hush"));
  g_assert_nonnull (strstr (config, "token=***\n"));

  g_assert_true (load (f, "--token=direct", env));
  g_assert_cmpstr (base_settings_get_string (f->settings, "token"), ==,
                   "direct");
  assert_error (f, empty_args, "", BASE_SETTINGS_ERROR_FILE, "token-file");
  assert_error (f, "--token-file=/nonexistent", "", BASE_SETTINGS_ERROR_FILE,
                "token-file");
}

static void
test_texts (Fixture *f, gconstpointer data)
{
  g_autofree char *help = base_settings_to_help (f->settings);
  g_autofree char *man = base_settings_to_man (f->settings);
  g_autofree char *sample = base_settings_to_sample (f->settings);
  GString *live = g_string_new (NULL);
  g_autofree char *path = NULL, *args = NULL;
  g_auto (GStrv) lines = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (specs); i++)
    {
      g_autofree char *option = g_strconcat ("--", specs[i].key, NULL);

      g_assert_nonnull (strstr (help, option));
    }
  g_assert_nonnull (strstr (help, "(default: 30 s)"));
  g_assert_nonnull (strstr (man, "\\fB\\-\\-linger\\fR=\\fITIME\\fR\n"));
  g_assert_nonnull (strstr (man, "\n.SS \"Secrets\"\n"));
  g_assert_null (strstr (sample, "config="));

  /* The sample with its settings uncommented loads as it stands. */
  lines = g_strsplit (sample, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (lines[i][0] == '#' && lines[i][1] != ' ' && lines[i][1] != '#')
      g_string_append_printf (live, "%s\n", lines[i] + 1);
    else
      g_string_append_printf (live, "%s\n", lines[i]);
  path = write_file (f, "sample.conf", live->str);
  g_string_free (live, TRUE);
  args = g_strconcat ("--config=", path, NULL);
  g_assert_true (load (f, args, ""));
  g_assert_no_error (f->error);
}

static void
test_config_round_trip (Fixture *f, gconstpointer data)
{
  BaseSettings *other = base_settings_new (specs, G_N_ELEMENTS (specs));
  g_autofree char *config = NULL, *path = NULL, *args = NULL, *again = NULL;
  char *argv[] = { NULL, NULL };

  g_assert_true (load (f, "--name= a\\b#c|--linger=5 s|--open", ""));
  config = base_settings_to_config (f->settings);
  path = write_file (f, "c.conf", config);
  argv[0] = args = g_strconcat ("--config=", path, NULL);
  g_assert_true (base_settings_load (other, argv, NULL, &f->error));
  again = base_settings_to_config (other);
  g_assert_cmpstr (config, ==, again);
  g_assert_cmpstr (base_settings_get_string (other, "name"), ==, " a\\b#c");
  base_settings_free (other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/base/settings/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("defaults", test_defaults);
  ADD ("order", test_order);
  ADD ("aliases", test_aliases);
  ADD ("late-defaults", test_late_defaults);
  ADD ("command-line", test_command_line);
  ADD ("empty-unsets", test_empty_unsets);
  ADD ("bad-values", test_bad_values);
  ADD ("unknown-keys", test_unknown_keys);
  ADD ("service-links", test_service_links);
  ADD ("files", test_files);
  ADD ("secrets", test_secrets);
  ADD ("texts", test_texts);
  ADD ("config-round-trip", test_config_round_trip);
  return g_test_run ();
}
