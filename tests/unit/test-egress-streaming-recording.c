/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming: `recording` (PROTOCOLS.md J44): what is checked in which
 * order, what `info` says, and what ends a recording. What is in the files is
 * egress/recording's matter.
 */
#include <gst/gst.h>

#include "egress/streaming-private.h"
#include "tests/unit/streaming-client.h"

#define OK "{'streaming':'ok'}"
#define START(more) "{'request':'recording','id':1,'action':'start'" more "}"
#define STOP(more) "{'request':'recording','id':1,'action':'stop'" more "}"

typedef struct
{
  StreamingFixture inner; /* first */
  char *dir;              /* owned */
  StreamingOptions options;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("recordings-XXXXXX", &error);
  g_assert_no_error (error);
  f->options.recording_dir = data == NULL ? f->dir : NULL;
  streaming_set_up (&f->inner, &f->options);
  streaming_create (&f->inner, 1, "vp8", "");
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  streaming_tear_down (&f->inner, &f->options);
  g_assert_true (egress_recordings_join (STREAMING_CONNECT_US));
  dir = g_dir_open (f->dir, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      g_assert_cmpint (g_remove (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (f->dir), ==, 0);
  g_free (f->dir);
}

/* an answer that comes later */
static const char *
ask (Fixture *f, const char *body)
{
  const char *text = streaming_ask (&f->inner, body);

  while (f->inner.reply == NULL)
    g_main_context_iteration (NULL, TRUE);
  if (text == NULL)
    text = streaming_text (&f->inner, json_object_get_object_member (
                                          json_object_get_object_member (
                                              f->inner.reply, "plugindata"),
                                          "data"));
  return text;
}

static gboolean
is_there (Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->dir, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
test_checks (Fixture *f, gconstpointer data)
{
  StreamingFixture *s = &f->inner;

  streaming_expect_error (s, "{'request':'recording','id':77}", 453,
                          "Missing mandatory element (action)");
  streaming_expect_error (s, "{'request':'recording','action':5}", 454,
                          "Invalid element type (action should be a string)");
  streaming_expect_error (s, "{'request':'recording','action':'zzz'}", 454,
                          "Invalid action (should be start|stop)");
  streaming_expect_error (s, "{'request':'recording','id':77,'action':'start'}",
                          455, "No such mountpoint/stream 77");
  streaming_expect_error (s, START (""), 452,
                          "Missing audio, video and/or data");
  streaming_expect_error (s, START (",'media':5"), 454,
                          "Invalid element type (media should be an array)");
  streaming_expect_error (s, START (",'media':[]"), 452,
                          "Missing audio, video and/or data");
  streaming_expect_error (s, START (",'media':[5]"), 454,
                          "The media array must only contain objects");
  streaming_expect_error (s, START (",'media':[{'mid':'v'}]"), 453,
                          "Missing mandatory element (filename)");
  g_assert_cmpstr (
      streaming_ask (s, START (",'media':[{'mid':'zz','filename':'x'}]")), ==,
      "{'streaming':'event','error_code':454,"
      "'error':'No such mid 'zz' in mountpoint 1'}");
  streaming_expect_error (s, START (",'audio':5"), 454,
                          "Invalid element type (audio should be a string)");
  streaming_expect_error (s, START (",'video':'x','audio':5"), 454,
                          "Invalid element type (audio should be a string)");
  streaming_expect_error (s, STOP (""), 452,
                          "Missing audio, video and or data");
  streaming_expect_error (s, STOP (",'video':'x'"), 454,
                          "Invalid element type (video should be a boolean)");
  streaming_expect (s, STOP (",'media':[]"), OK);
  streaming_expect (s, STOP (",'media':[{'mid':'v'}]"), OK);
  streaming_expect (s, STOP (",'video':true,'audio':true"), OK);
}

static void
test_secret (Fixture *f, gconstpointer data)
{
  StreamingFixture *s = &f->inner;

  streaming_create (s, 2, "vp8", ",'secret':'sec'");
  streaming_expect_error (
      s, "{'request':'recording','id':2,'action':'start','video':'x'}", 453,
      "Missing mandatory element (secret)");
  streaming_expect_error (s,
                          "{'request':'recording','id':2,'secret':'x',"
                          "'action':'zzz'}",
                          454, "Invalid action (should be start|stop)");
  streaming_expect_error (s,
                          "{'request':'recording','id':2,'secret':'x',"
                          "'action':'start','video':'x'}",
                          457, "Unauthorized (wrong secret)");
}

static void
test_names (Fixture *f, gconstpointer data)
{
  static const char *const bad[] = { "",    ".",    "..", "/etc/x",
                                     "a/b", "../x", ".x", "a/../b" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *body = g_strdup_printf (
          START (",'media':[{'mid':'v','filename':'%s'}]"), bad[i]);

      g_assert_true (g_str_has_prefix (
          streaming_ask (&f->inner, body),
          "{'streaming':'event','error_code':459,'error':'Error starting "
          "recorder for video: '"));
    }
}

static void
test_off (Fixture *f, gconstpointer data)
{
  streaming_expect_error (&f->inner, START (",'video':'x'"), 459,
                          "Recording is off: this node has no --recording-dir");
}

static void
test_two_files (Fixture *f, gconstpointer data)
{
  StreamingFixture *s = &f->inner;
  const char *text;

  streaming_go_live (s, "1");
  g_assert_cmpstr (ask (f, START (",'audio':'a','video':'v.mkv'")), ==, OK);
  g_assert_true (is_there (f, "a.mkv"));
  g_assert_true (is_there (f, "v.mkv"));
  text = streaming_ask (s, "{'request':'info','id':1}");
  g_assert_nonnull (strstr (text, "'recording':'a.mkv'"));
  g_assert_nonnull (strstr (text, "'recording':'v.mkv'"));
  streaming_expect_error (s, START (",'media':[{'mid':'v','filename':'w'}]"),
                          452,
                          "Recording for audio, video and/or data already "
                          "started for this stream");
  streaming_expect_error (s, START (",'video':'w'"), 452,
                          "Recording started for this stream");
  g_assert_cmpstr (ask (f, STOP (",'audio':true")), ==, OK);
  text = streaming_ask (s, "{'request':'info','id':1}");
  g_assert_null (strstr (text, "'recording':'a.mkv'"));
  g_assert_nonnull (strstr (text, "'recording':'v.mkv'"));
  g_assert_cmpstr (ask (f, STOP (",'media':[{'mid':'V'}]")), ==, OK);
  text = streaming_ask (s, "{'request':'info','id':1}");
  g_assert_null (strstr (text, "'recording'"));
}

/* the whole path of a file in the directory */
static void
test_whole_path (Fixture *f, gconstpointer data)
{
  g_autofree char *body =
      g_strdup_printf (START (",'video':'%s/whole'"), f->dir);
  g_autofree char *other =
      g_strdup_printf (START (",'audio':'%sx/whole'"), f->dir);

  streaming_go_live (&f->inner, "1");
  g_assert_cmpstr (ask (f, body), ==, OK);
  g_assert_true (is_there (f, "whole.mkv"));
  g_assert_nonnull (strstr (ask (f, other), "'error_code':459"));
}

static void
test_one_file (Fixture *f, gconstpointer data)
{
  streaming_go_live (&f->inner, "1");
  g_assert_cmpstr (ask (f, START (",'media':[{'mid':'a','filename':'both'},"
                                  "{'mid':'v','filename':'both'}]")),
                   ==, OK);
  g_assert_cmpuint (f->inner.streaming->recordings->len, ==, 1);
  g_assert_nonnull (
      strstr (streaming_ask (&f->inner, "{'request':'info','id':1}"),
              "'recording':'both.mkv'"));
  g_assert_cmpstr (ask (f, STOP (",'audio':true")), ==, OK);
  g_assert_cmpuint (f->inner.streaming->recordings->len, ==, 0);
}

/* a file that is there already is not written over; nothing is left behind */
static void
test_in_use (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "old.mkv", NULL);
  g_autofree char *contents = NULL;

  g_assert_true (g_file_set_contents (path, "old", -1, NULL));
  streaming_go_live (&f->inner, "1");
  g_assert_true (g_str_has_prefix (
      ask (f, START (",'video':'old'")),
      "{'streaming':'event','error_code':459,'error':'Error"));
  g_assert_cmpuint (f->inner.streaming->recordings->len, ==, 0);
  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "old");
}

static void
test_ends (Fixture *f, gconstpointer data)
{
  StreamingFixture *s = &f->inner;
  GPtrArray *recordings = s->streaming->recordings;

  streaming_go_live (s, "1");
  g_assert_cmpstr (ask (f, START (",'video':'a'")), ==, OK);
  streaming_expect (s, "{'request':'disable','id':1,'stop_recording':false}",
                    OK);
  g_assert_cmpuint (recordings->len, ==, 1);
  streaming_expect (s, "{'request':'disable','id':1}", OK);
  g_assert_cmpuint (recordings->len, ==, 0);
  streaming_expect (s, "{'request':'enable','id':1}", OK);
  g_assert_cmpstr (ask (f, START (",'video':'b'")), ==, OK);
  g_assert_cmpuint (recordings->len, ==, 1);
  streaming_expect (s, "{'request':'destroy','id':1}",
                    "{'streaming':'destroyed','destroyed':1}");
  g_assert_cmpuint (recordings->len, ==, 0);
  /* a stream that nobody publishes any more */
  streaming_publish (s, "51", RTC_CODEC_OPUS, RTC_CODEC_VP8);
  g_assert_cmpstr (ask (f, "{'request':'recording','id':51,'action':'start',"
                           "'audio':'c'}"),
                   ==, OK);
  streaming_end_source (s, "51");
  while (recordings->len > 0)
    g_main_context_iteration (NULL, TRUE);
  /* and one is still there when all goes */
  streaming_create (s, 3, "vp8", "");
  streaming_go_live (s, "3");
  g_assert_cmpstr (ask (f, "{'request':'recording','id':3,'action':'start',"
                           "'video':'d'}"),
                   ==, OK);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    gconstpointer is_off;
    void (*run) (Fixture *f, gconstpointer data);
  } tests[] = {
    { "/streaming-recording/checks", NULL, test_checks },
    { "/streaming-recording/secret", NULL, test_secret },
    { "/streaming-recording/names", NULL, test_names },
    { "/streaming-recording/off", "off", test_off },
    { "/streaming-recording/two-files", NULL, test_two_files },
    { "/streaming-recording/whole-path", NULL, test_whole_path },
    { "/streaming-recording/one-file", NULL, test_one_file },
    { "/streaming-recording/in-use", NULL, test_in_use },
    { "/streaming-recording/ends", NULL, test_ends },
  };

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, tests[i].is_off, set_up, tests[i].run,
                tear_down);
  return g_test_run ();
}
