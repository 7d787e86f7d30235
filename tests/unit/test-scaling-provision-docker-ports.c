/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers that share their machine's ports: with its network, or published
 * from another one. Each has a number k, and nobody's is given twice.
 */
#include "scaling/provision-docker.h"

#include <string.h>

#include "fake-docker.h"
#include "provision-wait.h"
#include "scaling/instance-ports.h"

#define V "/v1.41"
#define TOKEN "0:5:n:x"
#define TAKEN                                                                  \
  "{\"message\":\"driver failed programming external connectivity on "         \
  "endpoint x: Bind for 0.0.0.0:7071 failed: port is already allocated\"}"

typedef struct
{
  FakeDocker docker;
  ScalingProvisioner *provisioner;
  ScalingSpec relay, egress;
  Told told;
} Fixture;

static void
make (Fixture *f, const char *network, gboolean is_published)
{
  static const char *const labels[] = { "team=video", "mt.tree=other", NULL };
  static const char *const mounts[] = { "/etc/tls:/tls", NULL };
  g_autofree char *url = g_strconcat ("tcp", f->docker.server.url + 4, NULL);
  const ScalingDockerEngine engine = { .name = "one",
                                       .url = url,
                                       .public_base = "https://one.example.org",
                                       .public_address = "203.0.113.7" };
  const ScalingDockerConfig config = { .n_engines = 1,
                                       .engines = &engine,
                                       .image = "example.org/media-tree:1",
                                       .network = network,
                                       .is_published = is_published,
                                       .labels = labels,
                                       .mounts = mounts };
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&f->provisioner, scaling_provisioner_free);
  f->provisioner = scaling_provision_docker_new (&config, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  fake_docker_init (&f->docker);
  f->relay = (ScalingSpec){ .role = "relay", .tree_id = "main", .gen = 1 };
  f->egress = (ScalingSpec){ .role = "egress", .tree_id = "main", .gen = 1 };
  make (f, NULL, FALSE);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  scaling_provisioner_free (f->provisioner);
  told_clear (&f->told);
  fake_docker_clear (&f->docker);
}

static const char *
ensure (Fixture *f, const char *name, const ScalingSpec *spec)
{
  return told_ensure (&f->told, f->provisioner, name, spec, TOKEN);
}

static FakeContainer *
get (Fixture *f, const char *name)
{
  FakeContainer *container = g_hash_table_lookup (f->docker.containers, name);

  g_assert_nonnull (container);
  return container;
}

static const char *
get_label (Fixture *f, const char *name, const char *key)
{
  return scaling_json_get_string (json_node_get_object (get (f, name)->labels),
                                  key);
}

static char *
dup_command (Fixture *f, const char *name)
{
  JsonObject *object = json_node_get_object (get (f, name)->body);
  JsonArray *words = json_object_get_array_member (object, "Cmd");
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (words); i++)
    g_string_append_printf (text, "%s ",
                            json_array_get_string_element (words, i));
  return g_string_free (text, FALSE);
}

/* With the host's network each has ports of its own. */
static void
test_host_network (Fixture *f, gconstpointer data)
{
  g_autofree char *command = NULL, *body = NULL;

  g_assert_cmpstr (ensure (f, "a", &f->relay), ==, "");
  g_assert_cmpstr (ensure (f, "b", &f->egress), ==, "");
  g_assert_cmpstr (get_label (f, "a", "mt.k"), ==, "1");
  command = dup_command (f, "b");
  g_assert_cmpstr (command, ==,
                   "--role=egress --node-id=b --tree-id=main --workers=1 "
                   "--http-listen=*:7072 "
                   "--public-url=https://one.example.org:7072 "
                   "--public-address=203.0.113.7 --relay-port=7102 "
                   "--rtc-port=7264 --rtp-port-range=11000-11499 ");
  body = json_to_string (get (f, "b")->body, FALSE);
  g_assert_null (strstr (body, "PortBindings"));
  g_assert_nonnull (strstr (body, "\"Binds\":[\"/etc/tls:/tls:ro\"]"));
  g_assert_cmpstr (get_label (f, "b", "team"), ==, "video");
  g_assert_cmpstr (get_label (f, "b", "mt.tree"), ==, "main");
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < SCALING_PORTS_MAX_INSTANCES; i++)
    {
      g_autofree char *name = g_strdup_printf ("c%u", i);
      g_assert_cmpstr (ensure (f, name, &f->egress), ==, "");
    }
  g_assert_cmpstr (ensure (f, "last", &f->egress), ==, "limit");
}

/* Somebody else has its port: with the next number that is free. */
static void
test_ended_by_port (Fixture *f, gconstpointer data)
{
  g_assert_cmpstr (ensure (f, "a", &f->relay), ==, "");
  g_assert_cmpstr (ensure (f, "b", &f->relay), ==, "");
  fake_docker_set_state (get (f, "a"), "exited");
  get (f, "a")->exit_code = 69;
  g_assert_cmpstr (ensure (f, "a", &f->relay), ==, "");
  g_assert_cmpstr (get_label (f, "a", "mt.k"), ==, "3");
  g_assert_cmpstr (get (f, "a")->state, ==, "running");
  /* one that ended for another reason keeps its own */
  fake_docker_set_state (get (f, "b"), "exited");
  get (f, "b")->exit_code = 1;
  g_assert_cmpstr (ensure (f, "b", &f->relay), ==, "");
  g_assert_cmpstr (get_label (f, "b", "mt.k"), ==, "2");
  g_assert_cmpuint (f->docker.n_created, ==, 3);
}

/* The list does not show yet what was given a moment ago. */
static void
test_at_once (Fixture *f, gconstpointer data)
{
  static const char *const names[] = { "a", "b", "c", "d" };
  ScalingToken token = told_token (TOKEN);
  guint seen = 0;

  told_clear (&f->told);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    scaling_provisioner_ensure (f->provisioner, names[i], &f->egress, &token,
                                told_on_done, &f->told);
  WAIT_FOR (f->told.n_done == G_N_ELEMENTS (names));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    seen |= 1u << atoi (get_label (f, names[i], "mt.k"));
  g_assert_cmphex (seen, ==, 0x1e);
  g_assert_cmpuint (f->docker.n_created, ==, G_N_ELEMENTS (names));
}

static void
test_published (Fixture *f, gconstpointer data)
{
  g_autofree char *command = NULL, *body = NULL, *other = NULL;

  make (f, "tree", TRUE);
  g_assert_cmpstr (ensure (f, "r", &f->relay), ==, "");
  g_assert_cmpstr (ensure (f, "e", &f->egress), ==, "");
  command = dup_command (f, "r");
  g_assert_cmpstr (command, ==,
                   "--role=relay --node-id=r --tree-id=main "
                   "--cluster-address=own --http-listen=*:7070 ");
  g_assert_null (get_label (f, "r", "mt.k"));
  other = json_to_string (get (f, "r")->body, FALSE);
  g_assert_null (strstr (other, "PortBindings"));
  g_free (command);
  command = dup_command (f, "e");
  g_assert_nonnull (strstr (command, "--cluster-address=own "));
  g_assert_nonnull (strstr (command, "--http-listen=*:7071 "));
  g_assert_nonnull (strstr (command, "--public-address=203.0.113.7 "));
  body = json_to_string (get (f, "e")->body, FALSE);
  g_assert_nonnull (strstr (body, "\"ExposedPorts\":{\"7071/tcp\":{},"
                                  "\"7232/tcp\":{},\"7232/udp\":{}}"));
  g_assert_nonnull (
      strstr (body, "\"PortBindings\":{\"7071/tcp\":[{\"HostPort\":\"7071\"}],"
                    "\"7232/tcp\":[{\"HostPort\":\"7232\"}],"
                    "\"7232/udp\":[{\"HostPort\":\"7232\"}]}"));
}

/* The Engine cannot publish: another process listens there. The container was
 * made, and is made anew with other ports, until one can start. */
static void
test_publish_taken (Fixture *f, gconstpointer data)
{
  const Fault faults[] = {
    { "POST", "/start", FAULT_STATUS, 500, TAKEN, NULL },
    { "POST", "/start", FAULT_STATUS, 500,
      "{\"message\":\"listen tcp4 0.0.0.0:7072: bind: address already in "
      "use\"}",
      NULL },
    { "POST", "/start", FAULT_STATUS, 500, TAKEN, NULL },
    { "POST", "/start", FAULT_STATUS, 500, TAKEN, NULL },
  };

  make (f, "tree", TRUE);
  fake_server_script (&f->docker.server, faults, G_N_ELEMENTS (faults));
  g_assert_cmpstr (ensure (f, "e", &f->egress), ==, "");
  g_assert_cmpstr (get_label (f, "e", "mt.k"), ==, "5");
  g_assert_cmpuint (g_hash_table_size (f->docker.containers), ==, 1);
  /* those ports rest, for others too */
  g_assert_cmpstr (ensure (f, "f", &f->egress), ==, "");
  g_assert_cmpstr (get_label (f, "f", "mt.k"), ==, "6");
  /* a start that fails otherwise is no matter of ports */
  fake_server_script (&f->docker.server,
                      &(Fault){ "POST", "/start", FAULT_STATUS, 500,
                                "{\"message\":\"no space left\"}", NULL },
                      1);
  g_assert_cmpstr (ensure (f, "g", &f->egress), ==, "away");
  g_assert_cmpstr (get_label (f, "g", "mt.k"), ==, "7");
  g_assert_cmpstr (ensure (f, "g", &f->egress), ==, "");
  g_assert_cmpstr (get_label (f, "g", "mt.k"), ==, "7");
}

/* All are taken by others: said so, and tried no more often than there are. */
static void
test_all_taken (Fixture *f, gconstpointer data)
{
  Fault faults[SCALING_PORTS_MAX_INSTANCES];

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    faults[i] = (Fault){ "POST", "/start", FAULT_STATUS, 500, TAKEN, NULL };
  make (f, "tree", TRUE);
  fake_server_script (&f->docker.server, faults, G_N_ELEMENTS (faults));
  g_assert_cmpstr (ensure (f, "e", &f->egress), ==, "limit");
  g_assert_cmpuint (f->docker.n_created, ==, SCALING_PORTS_MAX_INSTANCES);
  g_assert_cmpuint (g_hash_table_size (f->docker.containers), ==, 0);
}

#define ADD(name, function)                                                    \
  g_test_add (name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/host-network", test_host_network);
  ADD ("/limit", test_limit);
  ADD ("/ended-by-port", test_ended_by_port);
  ADD ("/at-once", test_at_once);
  ADD ("/published", test_published);
  ADD ("/publish-taken", test_publish_taken);
  ADD ("/all-taken", test_all_taken);
  return g_test_run ();
}
