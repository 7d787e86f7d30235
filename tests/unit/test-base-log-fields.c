/* SPDX-License-Identifier: Apache-2.0 */
/* Log fields: which beginnings of a message are fields, and what a line of
 * either format makes of them. */
#include "base/log-fields.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "base/log.h"

/* dup_read: (transfer full): "name=value;…|words" */
static char *
dup_read (const char *message)
{
  BaseLogField fields[BASE_LOG_MAX_FIELDS];
  GString *text = g_string_new (NULL);
  const char *words;
  guint n = base_log_fields_read (message, fields, &words);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s=%.*s%s;", fields[i].name,
                            (int)fields[i].n_value_bytes, fields[i].value,
                            fields[i].is_number ? "#" : "");
  g_string_append_printf (text, "|%s", words);
  return g_string_free (text, FALSE);
}

static void
test_read (void)
{
  static const char *const cases[][2] = {
    { "session=aB-_9 stream=live viewer gone: peer",
      "session=aB-_9;stream=live;|viewer gone: peer" },
    { "session=1/2", "session=1/2;|" },
    { "session=12 packets=12 lost=-3 seconds=1.5 x",
      "session=12;packets=12#;lost=-3#;seconds=1.5#;|x" },
    /* no JSON numbers */
    { "packets=01 lost=1. bytes=- repaired=1e5 rank=.5 x",
      "packets=01;lost=1.;bytes=-;repaired=1e5;rank=.5;|x" },
    { "", "|" },
    { "no fields", "|no fields" },
    { " session=a", "| session=a" },
    { "colour=red session=a", "|colour=red session=a" },
    { "level=ERROR message=x", "|level=ERROR message=x" },
    { "node=other tree=other", "|node=other tree=other" },
    { "session=", "|session=" },
    { "session= x", "|session= x" },
    { "session=a\"b x", "|session=a\"b x" },
    { "session=a\\ x", "|session=a\\ x" },
    { "session=a,b x", "|session=a,b x" },
    { "session=ä x", "|session=ä x" },
    { "session=a=b x", "|session=a=b x" },
    { "session=a\nstream=b", "|session=a\nstream=b" },
    { "session=a session=b x", "session=a;|session=b x" },
    { "session=a  stream=b", "session=a;| stream=b" },
    { "session=a stream=b words session=c",
      "session=a;stream=b;|words session=c" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = dup_read (cases[i][0]);

      g_assert_cmpstr (text, ==, cases[i][1]);
    }
}

static void
test_bounds (void)
{
  g_autofree char *value = g_strnfill (BASE_LOG_MAX_VALUE_BYTES, 'x');
  g_autofree char *longest = g_strconcat ("session=", value, " w", NULL);
  g_autofree char *longer = g_strconcat ("session=", value, "x w", NULL);
  g_autofree char *at_bound = dup_read (longest);
  g_autofree char *beyond = dup_read (longer);

  g_assert_true (g_str_has_suffix (at_bound, ";|w"));
  g_assert_cmpint (beyond[0], ==, '|');
}

/* member: (transfer none): of the line that @message becomes */
static const char *
member (JsonObject *object, const char *name)
{
  return json_object_has_member (object, name)
             ? json_object_get_string_member (object, name)
             : NULL;
}

/* parse: (transfer full) */
static JsonNode *
parse (gboolean is_room, const char *message)
{
  g_autofree char *line = base_log_make_line (BASE_LOG_JSON, GST_LEVEL_INFO,
                                              "egress", is_room, message);
  JsonNode *node;

  g_assert_cmpuint (strcspn (line, "\n"), ==, strlen (line) - 1);
  node = json_from_string (line, NULL);
  g_assert_nonnull (node);
  return node;
}

static void
test_json (void)
{
  g_autoptr (JsonNode) node =
      parse (TRUE, "session=123 stream=live packets=7 viewer \"gone\"");
  g_autoptr (JsonNode) strange = parse (FALSE, "session=123 x");
  JsonObject *object = json_node_get_object (node);

  g_assert_cmpstr (member (object, "session"), ==, "123");
  g_assert_cmpstr (member (object, "stream"), ==, "live");
  g_assert_cmpint (json_object_get_int_member (object, "packets"), ==, 7);
  g_assert_cmpstr (member (object, "message"), ==, "viewer \"gone\"");
  g_assert_cmpstr (member (object, "room"), ==, "egress");
  /* of GStreamer or GLib: words */
  object = json_node_get_object (strange);
  g_assert_null (member (object, "session"));
  g_assert_cmpstr (member (object, "message"), ==, "session=123 x");
}

/* A message's words are the outside's; it wants to be something else. */
static void
test_forged (void)
{
  g_autoptr (JsonNode) node = parse (
      TRUE, "stream=live source: x\n{\"level\":\"ERROR\"}\",\"session\":\"f\" "
            "session=forged");
  JsonObject *object = json_node_get_object (node);
  g_autofree char *text = base_log_make_line (
      BASE_LOG_TEXT, GST_LEVEL_INFO, "egress", TRUE,
      "stream=live source: x\n2026-01-01T00:00:00.000Z ERROR egress forged");

  g_assert_null (member (object, "session"));
  g_assert_cmpstr (member (object, "level"), ==, "INFO");
  g_assert_cmpstr (member (object, "stream"), ==, "live");
  g_assert_cmpuint (strcspn (text, "\n"), ==, strlen (text) - 1);
}

static void
test_node (void)
{
  g_autoptr (JsonNode) node = NULL;
  g_autofree char *text = NULL;
  JsonObject *object;

  base_log_set_node ("box-1", "main", TRUE);
  node = parse (TRUE, "session=a words");
  object = json_node_get_object (node);
  g_assert_cmpstr (member (object, "node"), ==, "box-1");
  g_assert_cmpstr (member (object, "tree"), ==, "main");
  text = base_log_make_line (BASE_LOG_TEXT, GST_LEVEL_INFO, "egress", TRUE,
                             "session=a words");
  g_assert_nonnull (
      strstr (text, " INFO egress node=box-1 tree=main session=a words\n"));
  base_log_set_node ("box-1", "main", FALSE);
  g_free (text);
  text = base_log_make_line (BASE_LOG_TEXT, GST_LEVEL_INFO, "egress", TRUE,
                             "session=a words");
  g_assert_nonnull (strstr (text, " INFO egress session=a words\n"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/log-fields/read", test_read);
  g_test_add_func ("/base/log-fields/bounds", test_bounds);
  g_test_add_func ("/base/log-fields/json", test_json);
  g_test_add_func ("/base/log-fields/forged", test_forged);
  g_test_add_func ("/base/log-fields/node", test_node);
  return g_test_run ();
}
