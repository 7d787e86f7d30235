/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-scaling-text: what the autoscaling API answers, sane or not. */
#include "node/ctl-scaling-text.h"

#include <string.h>

#define EVALUATED_S G_GINT64_CONSTANT (1700000000)
#define WALL_US ((EVALUATED_S + 2) * G_USEC_PER_SEC)

#define STATUS                                                                 \
  "{\"success\":true,\"status\":{\"enabled\":true,\"enabledBy\":\"a@n1\","     \
  "\"tree\":\"main\",\"leader\":\"n1\",\"why\":\"\",\"policyFault\":null,"     \
  "\"subtrees\":{\"desired\":3,\"serving\":3,\"warm\":1},\"hold\":{\"not\":"   \
  "\"more\",\"subtrees\":3,\"until\":\"2023-11-14T22:20:00Z\"},"               \
  "\"policies\":[{\"name\":\"p\",\"service\":\"egress\",\"enabled\":true,"     \
  "\"currentReplicas\":48,\"lastEvaluation\":\"2023-11-14T22:13:20Z\","        \
  "\"lastScaling\":null}]}}"

static JsonNode *
load (const char *text)
{
  JsonNode *root = json_from_string (text, NULL);

  g_assert_nonnull (root);
  g_assert_true (JSON_NODE_HOLDS_OBJECT (root));
  return root;
}

static void
assert_has (const char *text, const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("no \"%s\" in: %s", part, text);
}

static void
test_status (void)
{
  g_autoptr (JsonNode) root = load (STATUS);
  g_autofree char *text =
      node_ctl_text_scaling_status (json_node_get_object (root));

  assert_has (text, "leader      n1\n");
  assert_has (text, "scaling     on, by a@n1\n");
  assert_has (text, "3 desired, 3 serving, - starting, - draining, 1 warm");
  assert_has (text, "held        not more than 3 subtrees until 2023");
  assert_has (text, "p       egress   yes         48");
  g_assert_null (strstr (text, "but ")); /* nothing is */
}

/* change: STATUS with one piece in another's place */
static char *
health_with (const char *from, const char *to, gint64 now_us,
             gboolean *ret_is_well)
{
  g_auto (GStrv) parts = g_strsplit (STATUS, from, 2);
  g_autofree char *text = g_strjoinv (to, parts);
  g_autoptr (JsonNode) root = load (text);

  return node_ctl_text_scaling_health (json_node_get_object (root), now_us,
                                       ret_is_well);
}

static void
test_health (void)
{
  static const struct
  {
    const char *from, *to, *says;
  } bad[] = {
    { "\"leader\":\"n1\"", "\"leader\":null", "bad  nobody leads" },
    { "\"policyFault\":null", "\"policyFault\":\"policies: x\"",
      "bad  policies: x" },
    { "\"serving\":3", "\"serving\":2", "bad  2 of 3 desired subtrees serve" },
    { "\"lastEvaluation\":\"2023-11-14T22:13:20Z\"", "\"lastEvaluation\":null",
      "bad  no decision is known" },
  };
  gboolean is_well;
  g_autofree char *good = health_with ("x", "x", WALL_US, &is_well);
  g_autofree char *old = NULL;

  g_assert_true (is_well);
  assert_has (good, "ok   the last decision is 2 s old");
  g_assert_null (strstr (good, "bad"));
  old = health_with ("x", "x", WALL_US + 60 * (gint64)G_USEC_PER_SEC, &is_well);
  g_assert_false (is_well);
  assert_has (old, "bad  the last decision is 62 s old");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *text =
          health_with (bad[i].from, bad[i].to, WALL_US, &is_well);

      g_assert_false (is_well);
      assert_has (text, bad[i].says);
    }
}

static void
test_rows (void)
{
  g_autoptr (JsonNode) history =
      load ("{\"history\":[{\"id\":\"1-0\",\"time\":\"t\",\"kind\":\"desire\","
            "\"by\":\"n1\",\"detail\":{\"before\":1,\"after\":2,\"reason\":"
            "\"joins\"}}"
            ",{\"id\":\"2-0\",\"kind\":\"outcome\",\"detail\":{\"after\":2,"
            "\"duration_ms\":1500,\"outcome\":\"serves\"}},7,"
            "{\"kind\":\"slot\",\"by\":\"n1\",\"detail\":{\"ordinal\":3,"
            "\"before\":\"draining\",\"after\":\"gone\"}}]}");
  g_autoptr (JsonNode) approvals = load (
      "{\"approvals\":[{\"id\":\"1-0\",\"state\":\"waiting\",\"before\":1,"
      "\"after\":2,\"reason\":\"joins\"}]}");
  g_autoptr (JsonNode) check = load (
      "{\"recommendations\":[{\"service\":\"egress\",\"currentReplicas\":8,"
      "\"recommendedReplicas\":24,\"priority\":\"high\",\"confidence\":0.5,"
      "\"reason\":\"cpu\"}]}");
  g_autofree char *rows =
      node_ctl_text_scaling_history (json_node_get_object (history));
  g_autofree char *waiting =
      node_ctl_text_scaling_approvals (json_node_get_object (approvals));
  g_autofree char *now =
      node_ctl_text_scaling_check (json_node_get_object (check));
  g_auto (GStrv) lines = g_strsplit (rows, "\n", -1);

  g_assert_cmpuint (g_strv_length (lines), ==, 5);
  assert_has (lines[1], "joins");
  assert_has (lines[2], "1500  serves");
  assert_has (lines[3], " slot 3 ");
  assert_has (lines[3], " draining  gone ");
  assert_has (waiting, "proposal 1-0 waiting: 1 to 2 subtrees");
  assert_has (now, "egress: 8 nodes, recommended 24 (priority high, "
                   "confidence 0.50)\n  cpu\n");
}

/* other versions, other kinds: no crash, and "-" */
static void
test_other (void)
{
  static const char *const texts[] = {
    "{}",
    "{\"status\":7,\"history\":{},\"approvals\":\"x\",\"recommendations\":1}",
    "{\"status\":{},\"history\":[{}],\"approvals\":[{}],"
    "\"recommendations\":[{}]}",
    "{\"status\":{\"subtrees\":[],\"hold\":1,\"policies\":[1]},"
    "\"history\":[{\"detail\":\"text\"}],\"approvals\":[1]}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (JsonNode) root = load (texts[i]);
      JsonObject *object = json_node_get_object (root);
      gboolean is_well = TRUE;
      g_autofree char *status = node_ctl_text_scaling_status (object);
      g_autofree char *check = node_ctl_text_scaling_check (object);
      g_autofree char *approvals = node_ctl_text_scaling_approvals (object);
      g_autofree char *history = node_ctl_text_scaling_history (object);
      g_autofree char *health =
          node_ctl_text_scaling_health (object, WALL_US, &is_well);

      g_assert_false (is_well);
      g_assert_nonnull (status);
      g_assert_nonnull (health);
      g_assert_cmpuint (strlen (check), >, 0);
      g_assert_cmpuint (strlen (approvals), >, 0);
      assert_has (history, "TIME");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/ctl-scaling/status", test_status);
  g_test_add_func ("/node/ctl-scaling/health", test_health);
  g_test_add_func ("/node/ctl-scaling/rows", test_rows);
  g_test_add_func ("/node/ctl-scaling/other", test_other);
  return g_test_run ();
}
