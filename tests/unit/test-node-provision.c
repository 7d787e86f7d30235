/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/provision: settings become a provisioner, bad ones are refused by name,
 * and what it makes is told all that it needs, no secret on a command line.
 */
#include "node/provision.h"

#include <glib/gstdio.h>
#include <string.h>

#include "fake-docker.h"
#include "fake-kube.h"
#include "provision-settings.h"
#include "provision-wait.h"
#include "test-certificate.h"

#define NAME "mt-main-s0-g1-e0"
#define TOKEN "0:5:n:x"
#define WEBHOOK_TOKEN "sixteen-and-more"

typedef struct
{
  Made made;
  Told told;
  FakeDocker docker;
  FakeKube kube;
  char *directory; /* owned */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("mt-provision-XXXXXX", NULL);
  fake_docker_init (&f->docker);
  fake_kube_init (&f->kube, NULL);
  f->kube.token = "the-token";
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, "config", NULL);

  made_clear (&f->made);
  told_clear (&f->told);
  fake_docker_clear (&f->docker);
  fake_kube_clear (&f->kube);
  g_unlink (path);
  g_assert_cmpint (g_rmdir (f->directory), ==, 0);
  g_free (f->directory);
}

/* A machine may be too busy to answer in time: it is asked again then. */
static const char *
ensure (Fixture *f)
{
  const ScalingSpec spec = { .role = "egress", .tree_id = "main", .gen = 1 };
  const char *says;

  do
    says = told_ensure (&f->told, f->made.provisioner, NAME, &spec, TOKEN);
  while (g_str_equal (says, "timeout"));
  return says;
}

/* --- refused -------------------------------------------------------------- */

#define D "--provisioner docker "
#define K "--provisioner kubernetes "
#define W "--provisioner webhook "

static const struct
{
  const char *args, *says;
} refused[] = {
  { "--provisioner process", "provisioner: process needs" },
  { D "--provision-cpu many", "provision-cpu: \"many\"" },
  { D "--provision-cpu 2x", "provision-cpu: " },
  { D "--provision-cpu -1", "provision-cpu: " },
  { D "--provision-cpu nan", "provision-cpu: " },
  { D "--provision-cpu 5m", "provision-cpu: " },
  { D "--provision-cpu 2 --provision-cpu-reserved 3", "provision-cpu-reserve" },
  { D "--provision-memory 1MiB", "provision-memory-reserved: is above" },
  { D "--provision-labels team", "provision-labels: \"team\"" },
  { D "--provision-labels mt.tree=x", "provision-labels: " },
  { D "--provision-docker-hosts /var/run/docker.sock",
    "provision-docker-hosts: Docker Engine \"host-1\": its URL" },
  { D "--provision-docker-hosts unix://docker.sock", "provision-docker-hosts" },
  { D "--provision-docker-hosts a=tcp://example.org:2376",
    "provision-docker-hosts: " },
  { D "--provision-docker-hosts A_b=unix:///x",
    "provision-docker-hosts: \"A_b\"" },
  { D "--provision-docker-hosts a=unix:///x,a=unix:///y",
    "provision-docker-hosts: Docker Engine \"a\": there are two" },
  { D "--provision-docker-hosts a=tcp://h:2376 --provision-docker-certs /none",
    "provision-docker-hosts: " },
  { D "--provision-docker-public-url https://h:443",
    "provision-docker-public-url: " },
  { D "--provision-docker-public-url ftp://h",
    "provision-docker-public-url: " },
  { D "--provision-docker-public-url b=https://h",
    "provision-docker-public-url: there is no host \"b\"" },
  { D "--provision-docker-public-address h",
    "provision-docker-public-address: \"h\"" },
  { D "--provision-docker-cluster-address 0.0.0.0",
    "provision-docker-cluster-address: " },
  { D "--provision-docker-mounts /a", "provision-docker-mounts: \"/a\"" },
  { D "--provision-docker-mounts a:/b", "provision-docker-mounts: " },
  { D "--provision-docker-mounts /a:/b:rw", "provision-docker-mounts: " },
  { D "--provision-docker-publish",
    "provision-docker-publish: the network \"host\"" },
  { D "--provision-docker-publish --provision-docker-network tree",
    "provision-docker-public-url: is missing for host \"local\"" },
  { D "--provision-docker-publish --provision-docker-network tree "
      "--provision-docker-public-url http://h",
    "provision-docker-public-address: is missing for host \"local\"" },
  { D "--jwt-key /etc/jwt.pem", "jwt-key: instances would not find" },
  { D "--jwt-key /etc/jwt.pem --provision-docker-mounts /x:/etc/jw",
    "jwt-key: instances would not find" },
  { "--provisioner kubernetes", "provision-kube-secret: is missing" },
  { K "--provision-kube-secret s --provision-kubeconfig /none",
    "provision-kubeconfig: " },
  { K "--provision-kube-secret s --provision-kube-nodes x",
    "provision-kube-nodes: " },
  { K "--provision-kube-secret s --jwt-key /k", "jwt-key: " },
  { "--provisioner webhook", "provision-webhook-url: is missing" },
  { W "--provision-webhook-url https://example.org/x",
    "provisioner-token: is missing" },
  { W "--provision-webhook-url https://example.org/x --provisioner-token short",
    "provisioner-token: " },
  { W "--provision-webhook-url http://example.org/x "
      "--provisioner-token " WEBHOOK_TOKEN,
    "provision-webhook-url: " },
  { W "--provision-webhook-url example --provisioner-token " WEBHOOK_TOKEN,
    "provision-webhook-url: " },
};

static void
test_refused (void)
{
  Made made = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (GError) error = NULL;

      if (made_load (&made, refused[i].args, &error))
        g_error ("taken: %s", refused[i].args);
      g_assert_null (made.provisioner);
      if (!g_str_has_prefix (error->message, refused[i].says))
        g_error ("%s: %s", refused[i].args, error->message);
    }
  made_clear (&made);
}

/* Nobody to meet, nobody to start. */
static void
test_alone (void)
{
  g_autoptr (BaseSettings) settings = node_settings_new ();
  char *argv[] = { "--provisioner", "docker", NULL }, *env[] = { NULL };
  g_autoptr (NodeOptions) options = NULL;
  NodeParts parts = { .settings = settings };
  ScalingProvisioner *provisioner = NULL;

  g_assert_true (base_settings_load (settings, argv, env, NULL));
  parts.options = options = node_options_new (settings, NULL);
  g_assert_true (node_provision_new (&parts, &provisioner, NULL));
  g_assert_null (provisioner);
}

/* --- taken ---------------------------------------------------------------- */

static void
assert_has (const char *text, const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("%s: not in %s", part, text);
}

static void
assert_lacks (const char *text, const char *part)
{
  if (strstr (text, part) != NULL)
    g_error ("%s: in %s", part, text);
}

/* What stands in one member of what was asked for, as text */
static char *
dup_member (JsonNode *root, const char *member)
{
  return json_to_string (
      json_object_get_member (json_node_get_object (root), member), FALSE);
}

static JsonNode *
get_container (Fixture *f)
{
  FakeContainer *container = g_hash_table_lookup (f->docker.containers, NAME);

  g_assert_nonnull (container);
  return container->body;
}

static void
test_docker (Fixture *f, gconstpointer data)
{
  g_autofree char *args = g_strdup_printf (
      D "--provision-docker-hosts a=tcp%s --provision-docker-network tree "
        "--provision-docker-publish --provision-docker-public-url "
        "http://all.example.org,a=http://a.example.org "
        "--provision-docker-public-address 203.0.113.7 --provision-first 3 "
        "--provision-labels team=video --provision-cost 250 --jwt-key "
        "/keys/jwt.pem --provision-docker-mounts /etc/keys:/keys",
      f->docker.server.url + 4);
  g_autofree char *command = NULL, *env = NULL, *host = NULL, *labels = NULL;

  made_load_good (&f->made, args);
  g_assert_cmpstr (scaling_provisioner_get_kind (f->made.provisioner), ==,
                   "docker");
  g_assert_cmpfloat (
      scaling_provisioner_get_cost_per_hour (f->made.provisioner), ==, 0.25);
  g_assert_cmpstr (ensure (f), ==, "");
  command = dup_member (get_container (f), "Cmd");
  assert_lacks (command, SETTINGS_SECRET);
  assert_lacks (command, "redis");
  assert_lacks (command, SETTINGS_ADMIN);
  assert_has (command, "\"--http-listen=*:7073\"");
  assert_has (command, "\"--public-url=http://a.example.org:7073\"");
  assert_has (command, "\"--public-address=203.0.113.7\"");
  env = dup_member (get_container (f), "Env");
  assert_has (env, "\"MEDIA_TREE_REDIS_URL=" SETTINGS_REDIS "\"");
  assert_has (env, "\"MEDIA_TREE_CLUSTER_SECRET=" SETTINGS_SECRET "\"");
  assert_has (env, "\"MEDIA_TREE_ADMIN_TOKEN=" SETTINGS_ADMIN "\"");
  assert_has (env, "\"MEDIA_TREE_MAX_VIEWERS=1234\"");
  assert_has (env, "\"MEDIA_TREE_JWT_KEY=/keys/jwt.pem\"");
  assert_has (env, "\"MEDIA_TREE_NODE_EXPORTER_PORT=0\"");
  /* it has no socket of Docker: it does not lead */
  assert_has (env, "\"MEDIA_TREE_LEAD=no\"");
  assert_lacks (env, "PROVISION");
  assert_lacks (env, "192.0.2.1");
  host = dup_member (get_container (f), "HostConfig");
  assert_has (host, "\"Memory\":1073741824,\"MemoryReservation\":268435456,"
                    "\"NanoCpus\":2000000000,\"PidsLimit\":256");
  assert_has (host, "\"Binds\":[\"/etc/keys:/keys:ro\"]");
  assert_has (host, "\"NetworkMode\":\"tree\"");
  labels = dup_member (get_container (f), "Labels");
  assert_has (labels, "\"team\":\"video\"");
}

/* Several machines: what is said of one wins over what is said of all. */
static void
test_docker_hosts (Fixture *f, gconstpointer data)
{
  g_autofree char *args = g_strdup_printf (
      D "--provision-docker-hosts unix:///nobody,b=tcp%s "
        "--provision-docker-cluster-address b=10.0.0.2,10.0.0.1 "
        "--provision-cpu 500m --provision-cpu-reserved 0 --provision-memory 0 "
        "--provision-memory-reserved 0 --provision-pids 99",
      f->docker.server.url + 4);
  ScalingSpec spec = { .role = "egress", .tree_id = "main", .host = "b" };
  g_autofree char *command = NULL, *host = NULL;

  made_load_good (&f->made, args);
  g_assert_cmpstr (
      told_ensure (&f->told, f->made.provisioner, NAME, &spec, TOKEN), ==, "");
  command = dup_member (get_container (f), "Cmd");
  assert_has (command, "\"--cluster-address=10.0.0.2\"");
  host = dup_member (get_container (f), "HostConfig");
  assert_lacks (host, "Memory");
  assert_has (host, "\"NanoCpus\":500000000,\"PidsLimit\":99");
  spec.host = "host-1";
  g_assert_cmpstr (
      told_ensure (&f->told, f->made.provisioner, NAME, &spec, TOKEN), ==,
      "away");
}

/* With TLS: who has no certificate of its own is not let in. */
static void
test_docker_tls (Fixture *f, gconstpointer data)
{
  static const char *const files[] = { "ca.pem", "cert.pem", "key.pem" };
  g_autofree char *pem = NULL, *key = NULL, *both = NULL, *args = NULL;
  g_autoptr (GTlsCertificate) certificate = NULL;

  test_certificate_new (&pem, &key);
  both = g_strconcat (pem, key, NULL);
  certificate = g_tls_certificate_new_from_pem (both, -1, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (f->directory, files[i], NULL);
      g_assert_true (g_file_set_contents (path, i == 2 ? key : pem, -1, NULL));
    }
  fake_docker_clear (&f->docker);
  f->docker.server.certificate = certificate;
  f->docker.server.asks_clients = TRUE;
  fake_docker_init (&f->docker);
  args = g_strdup_printf (D "--provision-docker-hosts a=tcp%s "
                            "--provision-docker-certs %s",
                          f->docker.server.url + 5, f->directory);
  made_load_good (&f->made, args);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->docker.server.n_shown, >, 0);
  made_clear (&f->made);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (f->directory, files[i], NULL);
      g_unlink (path);
    }
}

static char *
dup_pod (Fixture *f)
{
  FakePod *pod = g_hash_table_lookup (f->kube.pods, NAME);

  g_assert_nonnull (pod);
  return json_to_string (pod->root, FALSE);
}

static void
test_kubernetes (Fixture *f, gconstpointer data)
{
  g_autofree char *path =
      made_write_kubeconfig (f->directory, f->kube.server.url, "the-token");
  g_autofree char *args = g_strdup_printf (
      K "--provision-kubeconfig %s --provision-kube-secret the-secret "
        "--provision-kube-host-network --provision-kube-nodes pool=live,x= "
        "--provision-pull always --provision-image example.org/tree:1",
      path);
  g_autofree char *more = g_strconcat (
      args, " --provision-kube-account tree --provision-memory 1000000000",
      NULL);
  g_autofree char *pod = NULL, *second = NULL;

  made_load_good (&f->made, args);
  g_assert_cmpstr (ensure (f), ==, "");
  pod = dup_pod (f);
  assert_lacks (pod, SETTINGS_SECRET);
  assert_lacks (pod, "redis-password");
  assert_lacks (pod, SETTINGS_ADMIN);
  assert_has (pod, "\"envFrom\":[{\"secretRef\":{\"name\":\"the-secret\"}}]");
  assert_has (pod, "{\"name\":\"MEDIA_TREE_MAX_VIEWERS\",\"value\":\"1234\"}");
  assert_has (pod, "{\"name\":\"MEDIA_TREE_LEAD\",\"value\":\"no\"}");
  assert_lacks (pod, "MEDIA_TREE_PROVISION");
  assert_has (pod, "\"automountServiceAccountToken\":false");
  assert_has (pod, "\"requests\":{\"cpu\":\"250m\",\"memory\":\"256Mi\"}");
  assert_has (pod, "\"limits\":{\"cpu\":\"2000m\",\"memory\":\"1024Mi\"}");
  assert_has (pod, "\"hostNetwork\":true");
  assert_has (pod, "\"nodeSelector\":{\"pool\":\"live\",\"x\":\"\"}");
  assert_has (pod, "\"imagePullPolicy\":\"Always\"");
  assert_has (pod, "\"image\":\"example.org/tree:1\"");
  /* with an account it may lead as this node does, and knows how */
  g_hash_table_remove (f->kube.pods, NAME);
  made_load_good (&f->made, more);
  g_assert_cmpstr (ensure (f), ==, "");
  second = dup_pod (f);
  assert_lacks (second, SETTINGS_SECRET);
  assert_lacks (second, "MEDIA_TREE_LEAD");
  assert_has (second, "\"serviceAccountName\":\"tree\"");
  assert_has (second, "{\"name\":\"MEDIA_TREE_PROVISIONER\",\"value\":"
                      "\"kubernetes\"}");
  assert_has (second, "\"MEDIA_TREE_PROVISION_KUBE_SECRET\"");
  /* a file of this machine is none of the Pod's */
  assert_lacks (second, "KUBECONFIG");
  assert_has (second, "\"memory\":\"1000000000\"");
}

static FakeReply
on_webhook (FakeServer *server, SoupServerMessage *msg, const char *path,
            GHashTable *query, const char *body)
{
  return (FakeReply){ 200, g_strdup ("{\"instances\":[]}") };
}

/* Whoever it is is not told our secrets. */
static void
test_webhook (Fixture *f, gconstpointer data)
{
  FakeServer server = { .answer = on_webhook };
  g_autofree char *args = NULL;
  const char *body;

  fake_server_init (&server, NULL);
  args = g_strdup_printf (W "--provision-webhook-url %s/hooks "
                            "--provisioner-token " WEBHOOK_TOKEN,
                          server.url);
  made_load_good (&f->made, args);
  g_assert_cmpstr (ensure (f), ==, "");
  body = server.bodies->pdata[server.bodies->len - 1];
  assert_has (body, "\"action\":\"ensure\"");
  assert_has (body, "\"MEDIA_TREE_MAX_VIEWERS\":\"1234\"");
  assert_has (body, "\"MEDIA_TREE_LEAD\":\"no\"");
  assert_lacks (body, SETTINGS_SECRET);
  assert_lacks (body, SETTINGS_ADMIN);
  assert_lacks (body, "redis");
  assert_lacks (body, WEBHOOK_TOKEN);
  made_clear (&f->made);
  fake_server_clear (&server);
}

#define ADD(name, function)                                                    \
  g_test_add (name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/refused", test_refused);
  g_test_add_func ("/alone", test_alone);
  ADD ("/docker", test_docker);
  ADD ("/docker-hosts", test_docker_hosts);
  ADD ("/docker-tls", test_docker_tls);
  ADD ("/kubernetes", test_kubernetes);
  ADD ("/webhook", test_webhook);
  return g_test_run ();
}
