/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances as containers, of an Engine that errs by script. Whatever goes
 * wrong, no name is created twice.
 */
#include "scaling/provision-docker.h"

#include <glib/gstdio.h>
#include <string.h>

#include "fake-docker.h"
#include "provision-wait.h"
#include "test-certificate.h"

#define NAME "mt-main-s0-g1-r"
#define V "/v1.41"
#define ANSWER_US (20 * G_USEC_PER_SEC)

typedef struct
{
  FakeDocker one, two;
  ScalingProvisioner *provisioner;
  ScalingSpec spec;
  Told told;
} Fixture;

/* --- the fixture --------------------------------------------------------- */

static const char *const args[] = { "--log-level=debug", NULL };
static const char *const env[] = { "MEDIA_TREE_CLUSTER_SECRET=sixteen-and-more",
                                   NULL };

static ScalingProvisioner *
make (Fixture *f, ScalingPull pull, const char *network, gint64 answer_us,
      gboolean both)
{
  g_autofree char *first = g_strconcat ("tcp", f->one.server.url + 4, NULL);
  g_autofree char *second = g_strconcat ("tcp", f->two.server.url + 4, NULL);
  const ScalingDockerEngine engines[] = {
    { .name = "one", .url = first, .public_base = "https://one.example.org" },
    { .name = "two", .url = second }
  };
  const ScalingDockerConfig config = {
    .n_engines = both ? 2 : 1,
    .engines = engines,
    .image = "example.org/media-tree:1",
    .pull = pull,
    .network = network,
    .memory_bytes = 512000000,
    .memory_reserved_bytes = 256000000,
    .cpu_milli = 1500,
    .args = args,
    .env = env,
    .answer_us = answer_us,
  };
  g_autoptr (GError) error = NULL;
  ScalingProvisioner *provisioner =
      scaling_provision_docker_new (&config, &error);

  g_assert_no_error (error);
  scaling_provisioner_set_deadline_us (provisioner, 60 * G_USEC_PER_SEC);
  return provisioner;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  fake_docker_init (&f->one);
  fake_docker_init (&f->two);
  f->spec = (ScalingSpec){ .role = "relay", .tree_id = "main", .gen = 1 };
  f->provisioner = make (f, SCALING_PULL_MISSING, "bridge", ANSWER_US, FALSE);
}

static void
remake (Fixture *f, ScalingProvisioner *provisioner)
{
  scaling_provisioner_free (f->provisioner);
  f->provisioner = provisioner;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  scaling_provisioner_free (f->provisioner);
  told_clear (&f->told);
  fake_docker_clear (&f->one);
  fake_docker_clear (&f->two);
}

static const char *
ensure (Fixture *f)
{
  return told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:5:n:x");
}

static FakeContainer *
get (Fixture *f)
{
  return g_hash_table_lookup (f->one.containers, NAME);
}

/* --- tests --------------------------------------------------------------- */

static void
test_create (Fixture *f, gconstpointer data)
{
  static const char *const first[] = {
    "GET /version", "GET " V "/containers/" NAME "/json",
    "POST " V "/containers/create?name=" NAME,
    "POST " V "/containers/"
    "0000000000000000000000000000000000000000000000000000000000000001"
    "/start",
    NULL
  };
  static const char *const again[] = { "GET " V "/containers/" NAME "/json",
                                       NULL };
  g_autofree char *body = NULL;

  g_assert_cmpstr (ensure (f), ==, "");
  fake_server_assert (&f->one.server, first);
  body = json_to_string (get (f)->body, FALSE);
  g_assert_cmpstr (
      body, ==,
      "{\"Image\":\"example.org/media-tree:1\",\"Cmd\":[\"--log-level=debug\","
      "\"--role=relay\",\"--node-id=" NAME "\",\"--tree-id=main\","
      "\"--cluster-address=own\",\"--http-listen=*:7070\"],"
      "\"Env\":[\"MEDIA_TREE_CLUSTER_SECRET=sixteen-and-more\"],"
      "\"Labels\":{\"mt.name\":\"" NAME "\",\"mt.tree\":\"main\","
      "\"mt.token\":\"0:5:n:x\",\"mt.role\":\"relay\",\"mt.ordinal\":\"0\","
      "\"mt.gen\":\"1\"},\"StopSignal\":\"SIGTERM\",\"StopTimeout\":630,"
      "\"HostConfig\":{\"NetworkMode\":\"bridge\",\"Memory\":512000000,"
      "\"MemoryReservation\":256000000,\"NanoCpus\":1500000000,"
      "\"PidsLimit\":4096,\"RestartPolicy\":{\"Name\":\"no\"},"
      "\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[\"no-new-privileges\"],"
      "\"Init\":true,\"ReadonlyRootfs\":true,\"Tmpfs\":{\"/tmp\":\"\"},"
      "\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{"
      "\"max-size\":\"10m\",\"max-file\":\"3\"}}}}");
  fake_server_forget (&f->one.server);
  g_assert_cmpstr (ensure (f), ==, "");
  fake_server_assert (&f->one.server, again);
  g_assert_cmpuint (f->one.n_created, ==, 1);
  told_list (&f->told, f->provisioner, "main");
  g_assert_cmpuint (f->told.instances->len, ==, 1);
  g_assert_cmpint (told_find (&f->told, NAME)->state, ==,
                   SCALING_INSTANCE_RUNNING);
  g_assert_cmpstr (told_find (&f->told, NAME)->host, ==, "one");
  g_assert_cmpint (told_find (&f->told, NAME)->started_wall_us, ==,
                   G_GINT64_CONSTANT (1700000000000000));
}

static void
test_exited (Fixture *f, gconstpointer data)
{
  ensure (f);
  fake_docker_set_state (get (f), "exited");
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpstr (get (f)->state, ==, "running");
  g_assert_cmpuint (f->one.n_created, ==, 1);
  fake_docker_set_state (get (f), "removing");
  g_assert_cmpstr (ensure (f), ==, "busy");
}

static void
test_remove (Fixture *f, gconstpointer data)
{
  ensure (f);
  fake_server_forget (&f->one.server);
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, NAME, "main", 1500000, "0:5:n:x"),
      ==, "");
  g_assert_null (get (f));
  g_assert_cmpuint (f->one.server.requests->len, ==, 3);
  g_assert_true (
      g_str_has_suffix (f->one.server.requests->pdata[1], "/stop?t=2"));
  g_assert_true (g_str_has_suffix (f->one.server.requests->pdata[2],
                                   "?v=true&force=true"));
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, NAME, "main", 0, "0:5:n:x"), ==,
      "");
}

/* One row: what goes wrong in the first ensure, and how that ends. After the
 * second the container runs, and was created once. */
typedef struct
{
  const char *name;
  Fault fault;
  const char *first;
  gboolean is_quick;
} Row;

static const Row rows[] = {
  { "create-409-ours",
    { "POST", "/create", FAULT_DONE_STATUS, 409, "{\"message\":\"Conflict\"}",
      NULL },
    "",
    FALSE },
  { "create-429",
    { "POST", "/create", FAULT_STATUS, 429, "{\"message\":\"slow\"}", "7" },
    "limit",
    FALSE },
  { "create-500",
    { "POST", "/create", FAULT_STATUS, 500, "{\"message\":\"oops\"}", NULL },
    "away",
    FALSE },
  { "create-done-500",
    { "POST", "/create", FAULT_DONE_STATUS, 500, "<html>", NULL },
    "away",
    FALSE },
  { "create-400",
    { "POST", "/create", FAULT_STATUS, 400, "{\"message\":\"bad\"}", NULL },
    "refused",
    FALSE },
  { "create-403",
    { "POST", "/create", FAULT_STATUS, 403, "{\"message\":\"no\"}", NULL },
    "auth",
    FALSE },
  { "create-garbage",
    { "POST", "/create", FAULT_DONE_STATUS, 201, "{\"Id\":\"../x\"}", NULL },
    "garbage",
    FALSE },
  { "create-redirect",
    { "POST", "/create", FAULT_STATUS, 302, NULL, NULL },
    "garbage",
    FALSE },
  { "create-hang",
    { "POST", "/create", FAULT_HANG, 0, NULL, NULL },
    "timeout",
    TRUE },
  { "create-done-hang",
    { "POST", "/create", FAULT_DONE_HANG, 0, NULL, NULL },
    "timeout",
    TRUE },
  { "start-500",
    { "POST", "/start", FAULT_STATUS, 500, "{\"message\":\"oops\"}", NULL },
    "away",
    FALSE },
  { "start-done-hang",
    { "POST", "/start", FAULT_DONE_HANG, 0, NULL, NULL },
    "timeout",
    TRUE },
  { "start-gone",
    { "POST", "/start", FAULT_STATUS, 404, NULL, NULL },
    "busy",
    FALSE },
  { "look-500",
    { "GET", "/json", FAULT_STATUS, 500, NULL, NULL },
    "away",
    FALSE },
  { "look-garbage",
    { "GET", "/json", FAULT_STATUS, 200, "[[[[", NULL },
    "garbage",
    FALSE },
  { "look-hang",
    { "GET", "/json", FAULT_HANG, 0, NULL, NULL },
    "timeout",
    TRUE },
  { "version-401",
    { "GET", "/version", FAULT_STATUS, 401, NULL, NULL },
    "auth",
    FALSE },
  { "version-garbage",
    { "GET", "/version", FAULT_STATUS, 200, "{}", NULL },
    "garbage",
    FALSE },
  { "version-hang",
    { "GET", "/version", FAULT_HANG, 0, NULL, NULL },
    "timeout",
    TRUE },
};

static void
test_fault (Fixture *f, gconstpointer data)
{
  const Row *row = data;

  if (row->is_quick)
    remake (f, make (f, SCALING_PULL_MISSING, "bridge", 100000, FALSE));
  fake_server_script (&f->one.server, &row->fault, 1);
  g_assert_cmpstr (ensure (f), ==, row->first);
  if (row->fault.retry_after != NULL)
    g_assert_cmpint (scaling_provision_error_get_retry_us (f->told.error), ==,
                     7 * G_USEC_PER_SEC);
  g_assert_cmpuint (f->one.server.faults->len, ==, 0);
  remake (f, make (f, SCALING_PULL_MISSING, "bridge", ANSWER_US, FALSE));
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpstr (get (f)->state, ==, "running");
  g_assert_cmpuint (f->one.n_created, ==, 1);
}

/* The whole call's deadline ends a request that hangs, and freeing does. */
static void
test_deadline (Fixture *f, gconstpointer data)
{
  const Fault faults[] = { { "POST", "/create", FAULT_DONE_HANG, 0, NULL,
                             NULL },
                           { "GET", "/json", FAULT_HANG, 0, NULL, NULL } };
  Told told = { 0 };
  ScalingToken token = told_token ("0:5:n:x");

  fake_server_script (&f->one.server, faults, 1);
  scaling_provisioner_set_deadline_us (f->provisioner, 100000);
  /* on a busy machine the first does not come as far as to the fault */
  do
    g_assert_cmpstr (ensure (f), ==, "timeout");
  while (f->one.server.faults->len > 0);
  scaling_provisioner_set_deadline_us (f->provisioner, 60 * G_USEC_PER_SEC);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->one.n_created, ==, 1);
  fake_server_script (&f->one.server, faults + 1, 1);
  scaling_provisioner_ensure (f->provisioner, NAME, &f->spec, &token,
                              told_on_done, &told);
  WAIT_FOR (f->one.server.n_hanging == 2);
  remake (f, make (f, SCALING_PULL_MISSING, "bridge", ANSWER_US, FALSE));
  g_assert_cmpstr (told_get_name (&told), ==, "cancelled");
  told_clear (&told);
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
  g_assert_nonnull (get (f));
}

/* A leader that has not heard of the newer one finds its token there. */
static void
test_fencing (Fixture *f, gconstpointer data)
{
  told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:9:m:x");
  remake (f, make (f, SCALING_PULL_MISSING, "bridge", ANSWER_US, FALSE));
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, NAME, "main", 0, "0:5:n:x"), ==,
      "fenced");
  g_assert_nonnull (get (f));
  fake_server_forget (&f->one.server);
  g_assert_cmpstr (ensure (f), ==, "fenced");
  g_assert_cmpuint (f->one.server.requests->len, ==, 0);
}

static void
test_pull (Fixture *f, gconstpointer data)
{
  f->one.has_image = FALSE;
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (fake_server_count (&f->one.server, "POST " V "/images/"),
                    ==, 1);
  told_remove (&f->told, f->provisioner, NAME, "main", 0, "0:5:n:x");
  remake (f, make (f, SCALING_PULL_NEVER, "bridge", ANSWER_US, FALSE));
  f->one.has_image = FALSE;
  g_assert_cmpstr (ensure (f), ==, "refused");
  remake (f, make (f, SCALING_PULL_ALWAYS, "bridge", ANSWER_US, FALSE));
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (fake_server_count (&f->one.server, "POST " V "/images/"),
                    ==, 2);
  told_remove (&f->told, f->provisioner, NAME, "main", 0, "0:5:n:x");
  f->one.pull_says =
      "{\"status\":\"Pulling\"}\n{\"error\":\"manifest unknown\"}";
  g_assert_cmpstr (ensure (f), ==, "refused");
  g_assert_nonnull (strstr (f->told.error->message, "manifest unknown"));
}

static void
test_versions (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *says, *path;
  } rows_of[] = {
    { "{\"ApiVersion\":\"1.30\"}", "GET /v1.30/" },
    { "{\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}", "GET /v1.47/" },
    { "{\"ApiVersion\":\"1.60\",\"MinAPIVersion\":\"1.50\"}", NULL },
    { "{\"ApiVersion\":\"1.24\",\"MinAPIVersion\":\"1.12\"}", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows_of); i++)
    {
      remake (f, make (f, SCALING_PULL_MISSING, "bridge", ANSWER_US, FALSE));
      f->one.version = rows_of[i].says;
      fake_server_forget (&f->one.server);
      g_assert_cmpstr (ensure (f), ==,
                       rows_of[i].path != NULL ? "" : "refused");
      if (rows_of[i].path != NULL)
        g_assert_cmpuint (fake_server_count (&f->one.server, rows_of[i].path),
                          ==, 1);
    }
}

static void
test_two_engines (Fixture *f, gconstpointer data)
{
  const Fault faults[] = { { "GET", "/containers/json", FAULT_STATUS, 500, NULL,
                             NULL } };
  guint n;

  remake (f, make (f, SCALING_PULL_MISSING, "bridge", ANSWER_US, TRUE));
  for (guint i = 0; i < 16; i++)
    {
      g_autofree char *name = g_strdup_printf ("n%u", i);
      g_assert_cmpstr (
          told_ensure (&f->told, f->provisioner, name, &f->spec, "0:5:n:x"), ==,
          "");
    }
  n = g_hash_table_size (f->one.containers);
  g_assert_cmpuint (n, >, 2);
  g_assert_cmpuint (n + g_hash_table_size (f->two.containers), ==, 16);
  g_assert_cmpuint (n, <, 14);
  g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==, "");
  g_assert_cmpuint (f->told.instances->len, ==, 16);
  /* what one of them has is told, and that it is not all */
  fake_server_script (&f->two.server, faults, 1);
  g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==, "away");
  g_assert_cmpuint (f->told.instances->len, ==, n);
  for (guint i = 0; i < 16; i++)
    {
      g_autofree char *name = g_strdup_printf ("n%u", i);
      g_assert_cmpstr (
          told_remove (&f->told, f->provisioner, name, "main", 0, "0:5:n:x"),
          ==, "");
    }
  g_assert_cmpuint (g_hash_table_size (f->one.containers), ==, 0);
  g_assert_cmpuint (g_hash_table_size (f->two.containers), ==, 0);
  f->spec.host = "two";
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (g_hash_table_size (f->two.containers), ==, 1);
  f->spec.host = "three";
  g_assert_cmpstr (ensure (f), ==, "refused");
  /* gone from one, the other is away: it may be there */
  fake_server_script (
      &f->two.server,
      &(Fault){ "GET", "/absent/json", FAULT_STATUS, 500, NULL, NULL }, 1);
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, "absent", "main", 0, "0:5:n:x"),
      ==, "away");
}

static void
test_unix_socket (Fixture *f, gconstpointer data)
{
  g_autofree char *directory = g_dir_make_tmp ("mt-docker-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "docker.sock", NULL);
  g_autofree char *url = g_strconcat ("unix://", path, NULL);
  const ScalingDockerEngine engine = { .name = "one", .url = url };
  const ScalingDockerConfig config = { .n_engines = 1,
                                       .engines = &engine,
                                       .image = "example.org/media-tree:1",
                                       .network = "bridge" };
  g_autoptr (GError) error = NULL;

  remake (f, scaling_provision_docker_new (&config, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (ensure (f), ==, "away");
  fake_server_clear (&f->one.server);
  fake_server_init (&f->one.server, path);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpstr (get (f)->state, ==, "running");
  g_unlink (path);
  g_rmdir (directory);
}

/* As Docker's own client has it: both show a certificate. */
static void
test_tls (Fixture *f, gconstpointer data)
{
  static const char *const files[] = { "ca.pem", "cert.pem", "key.pem" };
  g_autofree char *directory = g_dir_make_tmp ("mt-docker-XXXXXX", NULL);
  g_autofree char *pem = NULL, *key = NULL, *both = NULL, *url = NULL;
  g_autoptr (GTlsCertificate) certificate = NULL;
  ScalingDockerEngine engine = { .name = "one", .cert_directory = directory };
  const ScalingDockerConfig config = { .n_engines = 1,
                                       .engines = &engine,
                                       .image = "example.org/media-tree:1",
                                       .network = "bridge" };
  g_autoptr (GError) error = NULL;

  test_certificate_new (&pem, &key);
  both = g_strconcat (pem, key, NULL);
  certificate = g_tls_certificate_new_from_pem (both, -1, NULL);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *path = g_build_filename (directory, files[i], NULL);
      g_assert_true (g_file_set_contents (path, i == 2 ? key : pem, -1, NULL));
    }
  fake_docker_clear (&f->one);
  f->one.server.certificate = certificate;
  f->one.server.asks_clients = TRUE;
  fake_docker_init (&f->one);
  engine.url = url = g_strconcat ("tcp", f->one.server.url + 5, NULL);
  remake (f, scaling_provision_docker_new (&config, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->one.server.n_shown, >, 0);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *path = g_build_filename (directory, files[i], NULL);
      g_unlink (path);
    }
  g_rmdir (directory);
}

static void
test_bad_config (void)
{
  static const ScalingDockerEngine bad[] = {
    { .name = "x", .url = "docker.sock" },
    { .name = "x", .url = "unix://docker.sock" },
    { .name = "x", .url = "tcp://example.org:2375" },
    { .name = "x", .url = "tcp://example.org:2376", .cert_directory = "/none" },
    { .name = "x", .url = "tcp://:99999" },
  };
  ScalingDockerConfig config = { .n_engines = 1, .image = "x" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      config.engines = &bad[i];
      g_assert_null (scaling_provision_docker_new (&config, &error));
      g_assert_nonnull (error);
    }
  config.n_engines = 0;
  g_assert_null (scaling_provision_docker_new (&config, NULL));
}

#define ADD(name, function)                                                    \
  g_test_add (name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/create", test_create);
  ADD ("/exited", test_exited);
  ADD ("/remove", test_remove);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/fault/", rows[i].name, NULL);
      g_test_add (path, Fixture, &rows[i], set_up, test_fault, tear_down);
    }
  ADD ("/deadline", test_deadline);
  ADD ("/not-ours", test_not_ours);
  ADD ("/fencing", test_fencing);
  ADD ("/pull", test_pull);
  ADD ("/versions", test_versions);
  ADD ("/two-engines", test_two_engines);
  ADD ("/unix-socket", test_unix_socket);
  ADD ("/tls", test_tls);
  g_test_add_func ("/bad-config", test_bad_config);
  return g_test_run ();
}
