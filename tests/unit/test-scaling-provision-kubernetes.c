/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances as Pods, of an API that errs by script. Whatever goes wrong, no
 * name is created twice.
 */
#include "scaling/provision-kubernetes.h"

#include <glib/gstdio.h>
#include <string.h>

#include "fake-kube.h"
#include "provision-wait.h"
#include "test-certificate.h"

#define NAME "mt-main-s0-g1-r"
#define ANSWER_US (20 * G_USEC_PER_SEC)

typedef struct
{
  FakeKube kube;
  char *directory, *path; /* owned: of the kubeconfig */
  ScalingProvisioner *provisioner;
  ScalingSpec spec;
  Told told;
} Fixture;

static const char *const args[] = { "--log-level=debug", NULL };
static const char *const env[] = { "MEDIA_TREE_LOG_FORMAT=a$(b)", NULL };

static void
write_file (const char *directory, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static void
write_kubeconfig (Fixture *f, const char *cluster, const char *user)
{
  g_autofree char *text = g_strdup_printf (
      "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
      "contexts:\n- name: here\n  context: {cluster: c, user: u, "
      "namespace: live}\n"
      "clusters:\n- name: c\n  cluster:\n    server: %s\n%s"
      "users:\n- name: u\n  user:\n%s",
      f->kube.server.url, cluster, user);

  write_file (f->directory, "config", text);
}

static void
remake (Fixture *f, const ScalingKubernetesConfig *config)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&f->provisioner, scaling_provisioner_free);
  f->provisioner = scaling_provision_kubernetes_new (config, &error);
  g_assert_no_error (error);
  scaling_provisioner_set_deadline_us (f->provisioner, 60 * G_USEC_PER_SEC);
}

static void
remake_plain (Fixture *f, gint64 answer_us)
{
  const ScalingKubernetesConfig config = { .kubeconfig = f->path,
                                           .image = "example.org/media-tree:1",
                                           .args = args,
                                           .env = env,
                                           .answer_us = answer_us };

  remake (f, &config);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("mt-kube-XXXXXX", NULL);
  f->path = g_build_filename (f->directory, "config", NULL);
  fake_kube_init (&f->kube, NULL);
  f->kube.token = "the-token";
  f->spec = (ScalingSpec){ .role = "relay", .tree_id = "main", .gen = 1 };
  write_kubeconfig (f, "", "    token: the-token\n");
  remake_plain (f, ANSWER_US);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  scaling_provisioner_free (f->provisioner);
  told_clear (&f->told);
  fake_kube_clear (&f->kube);
  dir = g_dir_open (f->directory, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->directory, name, NULL);
      g_unlink (path);
    }
  g_assert_cmpint (g_rmdir (f->directory), ==, 0);
  g_free (f->directory);
  g_free (f->path);
}

static const char *
ensure (Fixture *f)
{
  return told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:5:n:x");
}

static const char *
remove_it (Fixture *f)
{
  return told_remove (&f->told, f->provisioner, NAME, "main", 1500000,
                      "0:5:n:x");
}

static FakePod *
get (Fixture *f)
{
  return g_hash_table_lookup (f->kube.pods, NAME);
}

/* --- tests --------------------------------------------------------------- */

static void
test_create (Fixture *f, gconstpointer data)
{
  static const char *const expected[] = { "GET " FAKE_KUBE_PODS "/" NAME,
                                          "POST " FAKE_KUBE_PODS,
                                          "GET " FAKE_KUBE_PODS "/" NAME,
                                          NULL };
  g_autofree char *body = NULL;

  f->spec.host = "node-b";
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpstr (ensure (f), ==, "");
  fake_server_assert (&f->kube.server, expected);
  g_assert_cmpuint (f->kube.n_created, ==, 1);
  body = json_to_string (get (f)->root, FALSE);
  g_assert_cmpstr (
      body, ==,
      "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" NAME
      "\",\"labels\":{\"app.kubernetes.io/name\":\"media-tree\","
      "\"mt.tree\":\"main\"},\"annotations\":{\"mt.name\":\"" NAME
      "\",\"mt.tree\":\"main\",\"mt.token\":\"0:5:n:x\","
      "\"mt.role\":\"relay\",\"mt.ordinal\":\"0\",\"mt.gen\":\"1\"}},"
      "\"spec\":{\"restartPolicy\":\"OnFailure\","
      "\"terminationGracePeriodSeconds\":630,"
      "\"automountServiceAccountToken\":false,"
      "\"nodeSelector\":{\"kubernetes.io/hostname\":\"node-b\"},"
      "\"volumes\":[{\"name\":\"tmp\",\"emptyDir\":{\"sizeLimit\":\"64Mi\"}}],"
      "\"containers\":[{\"securityContext\":{"
      "\"allowPrivilegeEscalation\":false,\"readOnlyRootFilesystem\":true,"
      "\"runAsNonRoot\":true,\"capabilities\":{\"drop\":[\"ALL\"]},"
      "\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},"
      "\"name\":\"media-tree\",\"image\":\"example.org/media-tree:1\","
      "\"imagePullPolicy\":\"IfNotPresent\","
      "\"args\":[\"--log-level=debug\",\"--role=relay\",\"--node-id=" NAME
      "\",\"--tree-id=main\",\"--workers=1\",\"--http-listen=*:7070\","
      "\"--cluster-address=$(POD_IP)\","
      "\"--public-url=http://$(POD_IP):7070\"],"
      "\"env\":[{\"name\":\"POD_IP\",\"valueFrom\":{\"fieldRef\":{"
      "\"fieldPath\":\"status.podIP\"}}},"
      "{\"name\":\"MEDIA_TREE_LOG_FORMAT\",\"value\":\"a$$(b)\"}],"
      "\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\","
      "\"containerPort\":7070},{\"name\":\"relay\",\"protocol\":\"UDP\","
      "\"containerPort\":7100},{\"name\":\"rtc\",\"protocol\":\"UDP\","
      "\"containerPort\":7200},{\"name\":\"rtc-tcp\",\"protocol\":\"TCP\","
      "\"containerPort\":7200}],"
      "\"resources\":{\"requests\":{},\"limits\":{}},"
      "\"startupProbe\":{\"httpGet\":{\"path\":\"/healthz\",\"port\":7070},"
      "\"periodSeconds\":1,\"failureThreshold\":30},"
      "\"readinessProbe\":{\"httpGet\":{\"path\":\"/readyz\",\"port\":7070},"
      "\"periodSeconds\":2,\"failureThreshold\":2},"
      "\"livenessProbe\":{\"httpGet\":{\"path\":\"/healthz\",\"port\":7070},"
      "\"periodSeconds\":5,\"failureThreshold\":6},"
      "\"lifecycle\":{\"preStop\":{\"exec\":{\"command\":[\"sh\",\"-c\","
      "\"sleep 5; exec media-tree ctl drain --wait\"]}}},"
      "\"volumeMounts\":[{\"name\":\"tmp\",\"mountPath\":\"/tmp\"}]}]}}");
}

static void
test_options (Fixture *f, gconstpointer data)
{
  static const char *const selector[] = { "pool=live", NULL };
  static const char *const labels[] = { "team=video", NULL };
  const ScalingKubernetesConfig config = { .kubeconfig = f->path,
                                           .image = "x",
                                           .service_account = "media-tree",
                                           .secret = "media-tree",
                                           .is_host_network = TRUE,
                                           .cpu_limit = "2",
                                           .memory_limit = "1Gi",
                                           .grace_s = 40,
                                           .node_selector = selector,
                                           .labels = labels };
  static const char *const parts[] = {
    "\"terminationGracePeriodSeconds\":40,",
    "\"annotations\":{\"team\":\"video\",\"mt.name\"",
    "\"automountServiceAccountToken\":true,",
    "\"--public-address=$(POD_IP)\",",
    "\"serviceAccountName\":\"media-tree\",",
    "\"hostNetwork\":true,\"dnsPolicy\":\"ClusterFirstWithHostNet\",",
    "\"nodeSelector\":{\"pool\":\"live\"}",
    "\"envFrom\":[{\"secretRef\":{\"name\":\"media-tree\"}}]",
    "\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"}",
  };
  g_autofree char *body = NULL, *relay = NULL;

  remake (f, &config);
  f->spec.role = "egress";
  g_assert_cmpstr (ensure (f), ==, "");
  body = json_to_string (get (f)->root, FALSE);
  g_hash_table_remove (f->kube.pods, NAME);
  f->spec.role = "relay";
  g_assert_cmpstr (ensure (f), ==, "");
  relay = json_to_string (get (f)->root, FALSE);
  g_assert_null (strstr (relay, "hostNetwork"));
  g_assert_null (strstr (relay, "--public-address"));
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    g_assert_nonnull (strstr (body, parts[i]));
}

static void
test_remove (Fixture *f, gconstpointer data)
{
  ensure (f);
  g_assert_cmpstr (remove_it (f), ==, "");
  g_assert_true (get (f)->is_terminating);
  g_assert_cmpstr (f->kube.server.bodies->pdata[3], ==,
                   "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
                   "\"gracePeriodSeconds\":2,"
                   "\"preconditions\":{\"uid\":\"uid-1\"}}");
  told_list (&f->told, f->provisioner, "main");
  g_assert_cmpint (told_find (&f->told, NAME)->state, ==,
                   SCALING_INSTANCE_STOPPING);
  g_assert_cmpstr (ensure (f), ==, "busy");
  g_assert_cmpstr (remove_it (f), ==, "");
  g_hash_table_remove (f->kube.pods, NAME);
  g_assert_cmpstr (remove_it (f), ==, "");
  g_assert_cmpstr (ensure (f), ==, "");
}

/* A Pod that has ended stands in its own way. */
static void
test_ended (Fixture *f, gconstpointer data)
{
  ensure (f);
  get (f)->phase = "Failed";
  told_list (&f->told, f->provisioner, "main");
  g_assert_cmpint (told_find (&f->told, NAME)->state, ==,
                   SCALING_INSTANCE_ENDED);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (get (f)->uid, ==, 2);
  g_assert_cmpstr (get (f)->phase, ==, "Pending");
  get (f)->phase = "Running";
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (get (f)->uid, ==, 2);
}

static void
test_list (Fixture *f, gconstpointer data)
{
  const Fault gone = { "GET", FAKE_KUBE_PODS, FAULT_STATUS, 410, NULL, NULL };
  const ScalingInstance *instance;

  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *name = scaling_provision_dup_name ("main", i, 1, "r");
      told_ensure (&f->told, f->provisioner, name, &f->spec, "0:5:n:x");
    }
  f->kube.page_size = 2;
  fake_server_forget (&f->kube.server);
  g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==, "");
  g_assert_cmpuint (f->told.instances->len, ==, 5);
  g_assert_cmpuint (f->kube.server.requests->len, ==, 3);
  instance = told_find (&f->told, NAME);
  g_assert_cmpstr (instance->host, ==, "node-a");
  g_assert_cmpint (instance->state, ==, SCALING_INSTANCE_STARTING);
  g_assert_cmpint (instance->started_wall_us, ==,
                   G_GINT64_CONSTANT (1704164645000000));
  /* a page that is gone: all once more, and nobody twice */
  fake_server_script (&f->kube.server, &gone, 1);
  g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==, "");
  g_assert_cmpuint (f->told.instances->len, ==, 5);
  for (guint i = 0; i < 4; i++)
    fake_server_script (&f->kube.server, &gone, 1);
  g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==, "refused");
}

/* One row: what goes wrong in the first ensure, and how that ends. After the
 * second the Pod is there, and was created once. */
typedef struct
{
  const char *name;
  Fault fault;
  const char *first;
  gboolean is_quick;
} Row;

#define STATUS(reason, message)                                                \
  "{\"kind\":\"Status\",\"reason\":\"" reason "\",\"message\":\"" message      \
  "\",\"details\":{\"retryAfterSeconds\":7}}"

static const Row rows[] = {
  { "create-409-ours",
    { "POST", "pods", FAULT_DONE_STATUS, 409, STATUS ("AlreadyExists", "x"),
      NULL },
    "",
    FALSE },
  { "create-409-other",
    { "POST", "pods", FAULT_STATUS, 409, STATUS ("Conflict", "x"), NULL },
    "busy",
    FALSE },
  { "create-429",
    { "POST", "pods", FAULT_STATUS, 429, STATUS ("TooManyRequests", "x"), "7" },
    "limit",
    FALSE },
  { "create-429-in-body",
    { "POST", "pods", FAULT_STATUS, 429, STATUS ("TooManyRequests", "x"),
      NULL },
    "limit",
    FALSE },
  { "create-quota",
    { "POST", "pods", FAULT_STATUS, 403,
      STATUS ("Forbidden", "exceeded quota: compute"), NULL },
    "limit",
    FALSE },
  { "create-403",
    { "POST", "pods", FAULT_STATUS, 403, STATUS ("Forbidden", "no"), NULL },
    "auth",
    FALSE },
  { "create-422",
    { "POST", "pods", FAULT_STATUS, 422, STATUS ("Invalid", "no"), NULL },
    "refused",
    FALSE },
  { "create-500",
    { "POST", "pods", FAULT_STATUS, 500, STATUS ("InternalError", "x"), NULL },
    "away",
    FALSE },
  { "create-done-500",
    { "POST", "pods", FAULT_DONE_STATUS, 500, "<html>", NULL },
    "away",
    FALSE },
  { "create-done-504",
    { "POST", "pods", FAULT_DONE_STATUS, 504, STATUS ("Timeout", "x"), NULL },
    "timeout",
    FALSE },
  { "create-hang",
    { "POST", "pods", FAULT_HANG, 0, NULL, NULL },
    "timeout",
    TRUE },
  { "create-done-hang",
    { "POST", "pods", FAULT_DONE_HANG, 0, NULL, NULL },
    "timeout",
    TRUE },
  { "create-redirect",
    { "POST", "pods", FAULT_STATUS, 307, NULL, NULL },
    "garbage",
    FALSE },
  { "look-garbage",
    { "GET", NAME, FAULT_STATUS, 200, "{\"kind\":\"Pod\"}", NULL },
    "garbage",
    FALSE },
  { "look-503", { "GET", NAME, FAULT_STATUS, 503, NULL, "7" }, "away", FALSE },
  { "look-401",
    { "GET", NAME, FAULT_STATUS, 401, STATUS ("Unauthorized", "x"), NULL },
    "auth",
    FALSE },
  { "look-hang", { "GET", NAME, FAULT_HANG, 0, NULL, NULL }, "timeout", TRUE },
};

static void
test_fault (Fixture *f, gconstpointer data)
{
  const Row *row = data;

  if (row->is_quick)
    remake_plain (f, 100000);
  fake_server_script (&f->kube.server, &row->fault, 1);
  g_assert_cmpstr (ensure (f), ==, row->first);
  if (row->fault.status == 429 || row->fault.retry_after != NULL)
    g_assert_cmpint (scaling_provision_error_get_retry_us (f->told.error), ==,
                     7 * G_USEC_PER_SEC);
  g_assert_cmpuint (f->kube.server.faults->len, ==, 0);
  remake_plain (f, ANSWER_US);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_nonnull (get (f));
  g_assert_cmpuint (f->kube.n_created, ==, 1);
}

static void
test_not_ours (Fixture *f, gconstpointer data)
{
  ScalingSpec other = f->spec;

  ensure (f);
  other.tree_id = "other";
  g_assert_cmpstr (
      told_ensure (&f->told, f->provisioner, NAME, &other, "0:5:n:x"), ==,
      "conflict");
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, NAME, "other", 0, "0:5:n:x"), ==,
      "conflict");
  g_assert_false (get (f)->is_terminating);
}

static void
test_fencing (Fixture *f, gconstpointer data)
{
  told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:9:m:x");
  remake_plain (f, ANSWER_US);
  g_assert_cmpstr (remove_it (f), ==, "fenced");
  g_assert_false (get (f)->is_terminating);
  fake_server_forget (&f->kube.server);
  g_assert_cmpstr (ensure (f), ==, "fenced");
  g_assert_cmpuint (f->kube.server.requests->len, ==, 0);
}

/* A namesake that came between look and delete lives. */
static void
test_namesake (Fixture *f, gconstpointer data)
{
  static const char stale[] =
      "{\"metadata\":{\"name\":\"" NAME "\",\"uid\":\"uid-0\","
      "\"annotations\":{\"mt.name\":\"" NAME "\",\"mt.tree\":\"main\"}},"
      "\"status\":{\"phase\":\"Running\"}}";
  const Fault fault = { "GET", NAME, FAULT_STATUS, 200, stale, NULL };

  ensure (f);
  fake_server_script (&f->kube.server, &fault, 1);
  g_assert_cmpstr (remove_it (f), ==, "");
  g_assert_false (get (f)->is_terminating);
}

static void
test_token_file (Fixture *f, gconstpointer data)
{
  write_file (f->directory, "token", "old-token\n");
  write_kubeconfig (f, "", "    tokenFile: token\n");
  remake_plain (f, ANSWER_US);
  f->kube.token = "old-token";
  g_assert_cmpstr (ensure (f), ==, "");
  /* changed by the kubelet: the refused one is read again, once */
  f->kube.token = "new-token";
  write_file (f->directory, "token", "new-token\n");
  g_assert_cmpstr (remove_it (f), ==, "");
  f->kube.token = "another";
  fake_server_forget (&f->kube.server);
  g_assert_cmpstr (ensure (f), ==, "auth");
  g_assert_cmpuint (f->kube.server.requests->len, ==, 2);
  write_file (f->directory, "token", "bad token");
  g_assert_cmpstr (ensure (f), ==, "auth");
  g_assert_cmpuint (f->kube.server.requests->len, ==, 3);
}

/* Both sides by certificates; the service account's files of a Pod. */
static void
test_tls (Fixture *f, gconstpointer data)
{
  g_autofree char *pem = NULL, *key = NULL, *both = NULL, *other = NULL;
  g_autofree char *other_key = NULL, *cluster = NULL, *user = NULL;
  g_autoptr (GTlsCertificate) certificate = NULL;
  g_autofree char *pem64 = NULL, *key64 = NULL, *other64 = NULL;
  g_autofree char *refused = NULL;

  test_certificate_new (&pem, &key);
  test_certificate_new (&other, &other_key);
  both = g_strconcat (pem, key, NULL);
  certificate = g_tls_certificate_new_from_pem (both, -1, NULL);
  fake_kube_clear (&f->kube);
  f->kube.server.asks_clients = TRUE;
  fake_kube_init (&f->kube, certificate);
  f->kube.token = NULL;
  pem64 = g_base64_encode ((const guchar *)pem, strlen (pem));
  key64 = g_base64_encode ((const guchar *)key, strlen (key));
  other64 = g_base64_encode ((const guchar *)other, strlen (other));
  cluster = g_strdup_printf ("    certificate-authority-data: %s\n", pem64);
  user = g_strdup_printf ("    client-certificate-data: %s\n"
                          "    client-key-data: %s\n",
                          pem64, key64);
  refused = g_strdup_printf ("    certificate-authority-data: %s\n", other64);
  write_kubeconfig (f, cluster, user);
  remake_plain (f, ANSWER_US);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->kube.n_created, ==, 1);
  g_assert_cmpuint (f->kube.server.n_shown, >, 0);
  write_kubeconfig (f, refused, user);
  remake_plain (f, ANSWER_US);
  g_assert_cmpstr (ensure (f), ==, "auth");
  /* without ours */
  write_kubeconfig (f, cluster, "    token: x\n");
  remake_plain (f, ANSWER_US);
  g_assert_cmpstr (ensure (f), !=, "");
}

static void
test_in_cluster (Fixture *f, gconstpointer data)
{
  g_autofree char *pem = NULL, *key = NULL, *both = NULL, *port = NULL;
  g_autoptr (GTlsCertificate) certificate = NULL;
  const char *environ_of[] = { "KUBERNETES_SERVICE_HOST=127.0.0.1", NULL,
                               NULL };
  ScalingKubernetesConfig config = { .directory = f->directory,
                                     .environ = environ_of,
                                     .image = "x" };
  g_autoptr (GError) error = NULL;

  test_certificate_new (&pem, &key);
  both = g_strconcat (pem, key, NULL);
  certificate = g_tls_certificate_new_from_pem (both, -1, NULL);
  fake_kube_clear (&f->kube);
  fake_kube_init (&f->kube, certificate);
  f->kube.token = "the-token";
  g_assert_null (scaling_provision_kubernetes_new (&config, &error));
  g_assert_nonnull (strstr (error->message, "give a kubeconfig"));
  port = g_strconcat (
      "KUBERNETES_SERVICE_PORT=", strrchr (f->kube.server.url, ':') + 1, NULL);
  environ_of[1] = port;
  write_file (f->directory, "namespace", "live\n");
  write_file (f->directory, "token", "the-token");
  write_file (f->directory, "ca.crt", pem);
  remake (f, &config);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->kube.n_created, ==, 1);
}

#define ADD(name, function)                                                    \
  g_test_add (name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/create", test_create);
  ADD ("/options", test_options);
  ADD ("/remove", test_remove);
  ADD ("/ended", test_ended);
  ADD ("/list", test_list);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/fault/", rows[i].name, NULL);
      g_test_add (path, Fixture, &rows[i], set_up, test_fault, tear_down);
    }
  ADD ("/not-ours", test_not_ours);
  ADD ("/fencing", test_fencing);
  ADD ("/namesake", test_namesake);
  ADD ("/token-file", test_token_file);
  ADD ("/tls", test_tls);
  ADD ("/in-cluster", test_in_cluster);
  return g_test_run ();
}
