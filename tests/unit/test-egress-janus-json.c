/* SPDX-License-Identifier: Apache-2.0 */
/* What is JSON, in Janus's words where it is not; and members' types. */
#include "egress/janus-json.h"

#include <string.h>

#include "egress/janus-params.h"

/* (transfer full): the object again as text, or the error's code and reason */
static char *
parse (const char *bytes, gsize n_bytes)
{
  JsonObject *error = NULL;
  g_autoptr (JsonObject) object =
      egress_janus_json_parse (bytes, n_bytes, &error);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  char *text;

  if (object)
    {
      json_node_set_object (node, object);
      return json_to_string (node, FALSE);
    }
  json_node_take_object (node, error);
  error = json_object_get_object_member (error, "error");
  text =
      g_strdup_printf ("%d %s", (int)json_object_get_int_member (error, "code"),
                       json_object_get_string_member (error, "reason"));
  return text;
}

#define E(line, what) "454 JSON error: on line " #line ": " what

static void
test_parse (void)
{
  static const struct
  {
    const char *text, *expected;
  } rows[] = {
    { "{}", "{}" },
    { " \t\r\n{ } \n", "{}" },
    { "{\"a\":[1,-0,2.5,1e2,true,false,null,\"x\",{},[]]}",
      "{\"a\":[1,0,2.5,100.0,true,false,null,\"x\",{},[]]}" },
    { "{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
      "{\"a\":9223372036854775807,\"b\":-9223372036854775808}" },
    { "{\"a\":1,\"a\":2}", "{\"a\":2}" },
    { "{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":\"\\u00e9\\ud83d\\ude00\"}",
      "{\"\\\"\\\\/\\b\\f\\n\\r\\t\":\"\303\251\360\237\230\200\"}" },
    { "", E (1, "'[' or '{' expected near end of file") },
    { "1", E (1, "'[' or '{' expected near '1'") },
    { "\"x\"", E (1, "'[' or '{' expected near '\"x\"'") },
    { "nonsense", E (1, "'[' or '{' expected near 'nonsense'") },
    { "[]", "455 JSON error: not an object" },
    { "{", E (1, "string or '}' expected near end of file") },
    { "{\"a\"", E (1, "':' expected near end of file") },
    { "{\"a\":", E (1, "value expected near end of file") },
    { "{\"a\":1", E (1, "'}' expected near end of file") },
    { "{\"a\":1,}", E (1, "string or '}' expected near '}'") },
    { "{\"a\":[1,]}", E (1, "invalid token near ']}'") },
    { "{\"a\":[1", E (1, "']' expected near end of file") },
    { "{} x", E (1, "end of file expected near 'x'") },
    { "{\"a\":\n1,\n b}", E (3, "string or '}' expected near 'b}'") },
    { "{\"a\":\"\n\"}", E (1, "control character in a string") },
    { "{\"a\":\"x", E (1, "premature end of input near end of file") },
    { "{\"a\":\"\\x\"}", E (1, "invalid escape near 'x\"}'") },
    { "{\"a\":\"\\u12\"}", E (1, "invalid escape near '\\u12\"}'") },
    { "{\"a\":\"\\u0000\"}", E (1, "\\u0000 is not allowed near "
                                   "'\\u0000\"}'") },
    { "{\"a\":\"\\ud800\"}", E (1, "invalid Unicode escape near "
                                   "'\\ud800\"}'") },
    { "{\"a\":\"\\udc00\"}", E (1, "invalid Unicode escape near "
                                   "'\\udc00\"}'") },
    { "{\"a\":123456789012345678901234567890}",
      E (1, "too big integer near '12345678901234567890'") },
    { "{\"a\":9223372036854775808}",
      E (1, "too big integer near '9223372036854775808}'") },
    { "{\"a\":1e999}", E (1, "real number overflow near '1e999}'") },
    { "{\"a\":01}", E (1, "invalid token near '01}'") },
    { "{\"a\":1.}", E (1, "invalid token near '1.}'") },
    { "{\"a\":.5}", E (1, "invalid token near '.5}'") },
    { "{\"a\":-}", E (1, "invalid token near '-}'") },
    { "{\"a\":1e}", E (1, "invalid token near '1e}'") },
    { "{\"a\":0x10}", E (1, "invalid token near '0x10}'") },
    { "{\"a\":+1}", E (1, "invalid token near '+1}'") },
    { "{\"a\":True}", E (1, "invalid token near 'True}'") },
    { "{\"a\":truee}", E (1, "invalid token near 'truee}'") },
    { "{'a':1}", E (1, "string or '}' expected near ''a':1}'") },
    { "/* c */{}", E (1, "'[' or '{' expected near '/* c */{}'") },
    { "var a = {};", E (1, "'[' or '{' expected near 'var a = {};'") },
    { "{\"a\":\"\377\"}", E (1, "unable to decode byte 0xff") },
    { "{\"a\":\"\300\200\"}", E (1, "unable to decode byte 0xc0") },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      /* an exact copy, so that a sanitizer sees a read past its end */
      gsize n_bytes = strlen (rows[i].text);
      g_autofree char *copy = g_memdup2 (rows[i].text, n_bytes);
      g_autofree char *result = parse (copy ? copy : "", n_bytes);

      g_assert_cmpstr (result, ==, rows[i].expected);
    }
}

static void
test_nul (void)
{
  static const char bytes[] = "{\"a\":\"\0\"}";
  g_autofree char *result = parse (bytes, sizeof bytes - 1);

  g_assert_cmpstr (result, ==, E (1, "unable to decode byte 0x00"));
}

static void
test_depth (void)
{
  GString *text = g_string_new (NULL);

  for (guint n = EGRESS_JANUS_JSON_MAX_DEPTH;
       n <= EGRESS_JANUS_JSON_MAX_DEPTH + 1; n++)
    {
      g_autofree char *result = NULL;

      g_string_assign (text, "{\"a\":");
      for (guint i = 1; i < n; i++)
        g_string_append_c (text, '[');
      for (guint i = 1; i < n; i++)
        g_string_append_c (text, ']');
      g_string_append_c (text, '}');
      result = parse (text->str, text->len);
      if (n == EGRESS_JANUS_JSON_MAX_DEPTH)
        g_assert_cmpstr (result, ==, text->str);
      else
        g_assert_true (
            g_str_has_prefix (result, E (1, "maximum parsing depth reached")));
    }
  g_string_free (text, TRUE);
}

static void
test_params (void)
{
  static const EgressJanusParam params[] = {
    { "text", EGRESS_JANUS_STRING, FALSE },
    { "name", EGRESS_JANUS_NONEMPTY_STRING, FALSE },
    { "integer", EGRESS_JANUS_INTEGER, FALSE },
    { "positive", EGRESS_JANUS_POSITIVE, FALSE },
    { "flag", EGRESS_JANUS_BOOLEAN, FALSE },
    { "object", EGRESS_JANUS_OBJECT, FALSE },
    { "array", EGRESS_JANUS_ARRAY, FALSE },
    { "must", EGRESS_JANUS_STRING, TRUE },
  };
  static const struct
  {
    const char *text, *expected;
  } rows[] = {
    { "{\"must\":\"\"}", NULL },
    { "{\"text\":\"\",\"name\":\"x\",\"integer\":-1,\"positive\":0,"
      "\"flag\":false,\"object\":{},\"array\":[],\"must\":\"\"}",
      NULL },
    { "{}", "Missing mandatory element (must)" },
    { "{\"must\":null}", "Invalid element type (must should be a string)" },
    { "{\"text\":5}", "Invalid element type (text should be a string)" },
    { "{\"name\":\"\"}",
      "Invalid element type (name should be a non-empty string)" },
    { "{\"integer\":1.5}",
      "Invalid element type (integer should be an integer)" },
    { "{\"positive\":-1}",
      "Invalid element type (positive should be a positive integer)" },
    { "{\"positive\":true}",
      "Invalid element type (positive should be a positive integer)" },
    { "{\"flag\":1}", "Invalid element type (flag should be a boolean)" },
    { "{\"object\":[]}", "Invalid element type (object should be an object)" },
    { "{\"array\":{}}", "Invalid element type (array should be an array)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      JsonObject *error = NULL;
      g_autoptr (JsonObject) object =
          egress_janus_json_parse (rows[i].text, strlen (rows[i].text), &error);
      g_autofree char *text = NULL;
      EgressJanusParamsResult result = egress_janus_params_check (
          object, params, G_N_ELEMENTS (params), &text);

      g_assert_cmpstr (text, ==, rows[i].expected);
      g_assert_cmpint (result == EGRESS_JANUS_PARAMS_OK, ==, !text);
      g_assert_cmpint (result == EGRESS_JANUS_PARAMS_MISSING, ==,
                       text && g_str_has_prefix (text, "Missing"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/egress/janus-json/parse", test_parse);
  g_test_add_func ("/egress/janus-json/nul", test_nul);
  g_test_add_func ("/egress/janus-json/depth", test_depth);
  g_test_add_func ("/egress/janus-json/params", test_params);
  return g_test_run ();
}
