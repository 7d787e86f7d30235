/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken from a kubeconfig, and what is refused by name. */
#include "scaling/kubeconfig.h"

#include <string.h>

#define CONTEXT                                                                \
  "current-context: here\ncontexts:\n- name: other\n  context: {cluster: x, "  \
  "user: x}\n- name: here\n  context:\n    cluster: c\n    user: u\n"
#define CLUSTER                                                                \
  "clusters:\n- {name: x, cluster: {server: 'https://x'}}\n- name: c\n"        \
  "  cluster:\n    server: https://10.0.0.1:6443\n"
#define USER "users:\n- name: u\n  user:\n"

static ScalingKubeAccess *
parse (const char *text, GError **error)
{
  return scaling_kube_access_parse (text, strlen (text), "/etc/kube", error);
}

static void
test_paths (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ScalingKubeAccess) access =
      parse ("# comment\n" CONTEXT "    namespace: live\n" CLUSTER
             "    certificate-authority: ca.pem\n" USER
             "    client-certificate: /abs/c.pem\n    client-key: k.pem\n",
             &error);

  g_assert_no_error (error);
  g_assert_cmpstr (access->server, ==, "https://10.0.0.1:6443");
  g_assert_cmpstr (access->name_space, ==, "live");
  g_assert_cmpstr (access->ca_path, ==, "/etc/kube/ca.pem");
  g_assert_cmpstr (access->certificate_path, ==, "/abs/c.pem");
  g_assert_cmpstr (access->key_path, ==, "/etc/kube/k.pem");
  g_assert_null (access->token);
}

static void
test_data (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ScalingKubeAccess) access =
      parse (CONTEXT CLUSTER "    certificate-authority: not-this\n"
                             "    certificate-authority-data: Y2E=\n" USER
                             "    token: abc\n    exec: null\n",
             &error);

  g_assert_no_error (error);
  g_assert_null (access->name_space);
  g_assert_null (access->ca_path);
  g_assert_cmpstr (access->ca_pem, ==, "ca");
  g_assert_cmpstr (access->token, ==, "abc");
}

/* kubectl writes JSON too: it is YAML; anchors are references */
static void
test_forms (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ScalingKubeAccess) json =
      parse ("{\"current-context\":\"a\",\"contexts\":[{\"name\":\"a\","
             "\"context\":{\"cluster\":\"a\",\"user\":\"a\"}}],"
             "\"clusters\":[{\"name\":\"a\",\"cluster\":{\"server\":"
             "\"https://a\"}}],\"users\":[{\"name\":\"a\",\"user\":{"
             "\"tokenFile\":\"t\",\"token\":\"older\"}}]}",
             &error);
  g_autoptr (ScalingKubeAccess) alias = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (json->token_path, ==, "/etc/kube/t");
  g_assert_null (json->token);
  alias = parse ("x: &c {cluster: c, user: u}\ncurrent-context: h\n"
                 "contexts:\n- {name: h, context: *c}\n" CLUSTER USER
                 "    token: abc\n",
                 &error);
  g_assert_no_error (error);
  g_assert_cmpstr (alias->token, ==, "abc");
}

static const struct
{
  const char *text;
  ScalingKubeconfigError code;
  const char *names; /* in the message */
} bad[] = {
  { "", SCALING_KUBECONFIG_ERROR_MISSING, "current-context" },
  { "a: [b", SCALING_KUBECONFIG_ERROR_SYNTAX, "expected" },
  { "a: b\n\tc: d\n", SCALING_KUBECONFIG_ERROR_SYNTAX, "line 2" },
  { "[a, b]", SCALING_KUBECONFIG_ERROR_MISSING, "current-context" },
  { CONTEXT USER "    token: a\n", SCALING_KUBECONFIG_ERROR_MISSING,
    "cluster \"c\"" },
  { CONTEXT CLUSTER, SCALING_KUBECONFIG_ERROR_MISSING, "user \"u\"" },
  { "current-context: nope\n" CLUSTER USER "    token: a\n",
    SCALING_KUBECONFIG_ERROR_MISSING, "current-context" },
  { CONTEXT CLUSTER "    insecure-skip-tls-verify: true\n" USER
                    "    token: a\n",
    SCALING_KUBECONFIG_ERROR_UNSUPPORTED, "insecure-skip-tls-verify" },
  { CONTEXT CLUSTER USER "    exec: {command: aws}\n",
    SCALING_KUBECONFIG_ERROR_UNSUPPORTED, "exec" },
  { CONTEXT CLUSTER USER "    as: admin\n    token: a\n",
    SCALING_KUBECONFIG_ERROR_UNSUPPORTED, "\"as\"" },
  { CONTEXT CLUSTER USER "    client-certificate: c.pem\n",
    SCALING_KUBECONFIG_ERROR_MISSING, "without a key" },
  { CONTEXT CLUSTER "    certificate-authority-data: '!!'\n" USER
                    "    token: a\n",
    SCALING_KUBECONFIG_ERROR_SYNTAX, "certificate-authority-data" },
};

static void
test_bad (void)
{
  g_autofree char *large = g_strnfill (SCALING_KUBECONFIG_MAX_BYTES + 1, ' ');
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) fault = NULL;

      g_assert_null (parse (bad[i].text, &fault));
      g_assert_error (fault, SCALING_KUBECONFIG_ERROR, (int)bad[i].code);
      g_test_message ("%s", fault->message);
      g_assert_nonnull (strstr (fault->message, bad[i].names));
    }
  g_assert_null (parse (large, &error));
  g_assert_error (error, SCALING_KUBECONFIG_ERROR,
                  SCALING_KUBECONFIG_ERROR_SYNTAX);
  g_clear_error (&error);
  g_assert_null (scaling_kube_access_load ("/nonexistent", &error));
  g_assert_error (error, SCALING_KUBECONFIG_ERROR,
                  SCALING_KUBECONFIG_ERROR_FILE);
}

static void
assert_fails (const char *text, ScalingKubeconfigError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (text, &error));
  g_assert_error (error, SCALING_KUBECONFIG_ERROR, (int)code);
}

/* As many brackets as are taken, more, and as many dashes as a file holds. */
static void
test_deep (void)
{
  g_autofree char *fits = g_strnfill (64, '[');
  g_autofree char *close = g_strnfill (64, ']');
  g_autofree char *list = g_strconcat (fits, close, NULL);
  g_autofree char *exceeds = g_strnfill (65, '[');
  g_autofree char *many = g_strnfill (SCALING_KUBECONFIG_MAX_BYTES, '{');
  GString *dashes = g_string_new (NULL);

  assert_fails (list, SCALING_KUBECONFIG_ERROR_MISSING);
  assert_fails (exceeds, SCALING_KUBECONFIG_ERROR_SYNTAX);
  assert_fails (many, SCALING_KUBECONFIG_ERROR_SYNTAX);
  while (dashes->len + 2 <= SCALING_KUBECONFIG_MAX_BYTES)
    g_string_append (dashes, "- ");
  assert_fails (dashes->str, SCALING_KUBECONFIG_ERROR_MISSING);
  g_string_free (dashes, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/paths", test_paths);
  g_test_add_func ("/data", test_data);
  g_test_add_func ("/forms", test_forms);
  g_test_add_func ("/bad", test_bad);
  g_test_add_func ("/deep", test_deep);
  return g_test_run ();
}
