/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances as processes. This program is its own instance: with TEST_CHILD in
 * the environment it writes down how it was called, and waits to be ended.
 */
#include "scaling/provision-process.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "provision-wait.h"
#include "scaling/process-files.h"

#define NAME "mt-main-s0-g1-r"
#define OTHER "mt-main-s1-g1-r"
#define PATIENCE_US (60 * G_USEC_PER_SEC)

typedef struct
{
  char *directory; /* owned */
  guint16 port;
  char *env[3]; /* owned: for the children */
  ScalingProcessConfig config;
  ScalingSpec spec;
  ScalingProvisioner *provisioner;
  Told told;
} Fixture;

/* --- the instance -------------------------------------------------------- */

static volatile sig_atomic_t is_over;

static void
on_term (int number)
{
  is_over = 1;
}

static int
child_main (int argc, char **argv)
{
  const char *directory = NULL;
  g_autofree char *args = g_strjoinv ("\n", argv + 1);
  g_autofree char *path = NULL, *text = NULL;
  sigset_t blocked, before;

  if (strstr (g_getenv ("TEST_CHILD"), "ends") != NULL)
    return 3;
  for (int i = 1; i < argc; i++)
    if (g_str_has_prefix (argv[i], "--state-dir="))
      directory = strchr (argv[i], '=') + 1;
  sigemptyset (&blocked);
  sigaddset (&blocked, SIGTERM);
  sigprocmask (SIG_BLOCK, &blocked, &before);
  signal (SIGTERM, strstr (g_getenv ("TEST_CHILD"), "stubborn") != NULL
                       ? SIG_IGN
                       : on_term);
  path = g_build_filename (directory, "called", NULL);
  text = g_strdup_printf ("%s\n%s\n%s\nsession %d\n", args,
                          g_getenv ("MEDIA_TREE_CLUSTER_SECRET") ?: "none",
                          g_getenv ("MEDIA_TREE_NODE_ID") ?: "none",
                          getsid (0) == getpid ());
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  while (!is_over)
    sigsuspend (&before);
  return 0;
}

/* --- the machine --------------------------------------------------------- */

static gboolean
is_free (GSocketType type, guint port)
{
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4, type,
                                             G_SOCKET_PROTOCOL_DEFAULT, NULL);
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string ("0.0.0.0", port);

  return g_socket_bind (socket, address, FALSE, NULL);
}

/* A base where instance 1's ports are free */
static guint16
find_ports (void)
{
  for (;;)
    {
      guint16 port = (guint16)g_random_int_range (20000, 30000);

      if (is_free (G_SOCKET_TYPE_STREAM, port + 1)
          && is_free (G_SOCKET_TYPE_DATAGRAM, port + 101)
          && is_free (G_SOCKET_TYPE_DATAGRAM, port + 232)
          && is_free (G_SOCKET_TYPE_STREAM, port + 232))
        return port;
    }
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->directory = g_dir_make_tmp ("mt-processes-XXXXXX", &error);
  g_assert_no_error (error);
  f->port = find_ports ();
  f->env[0] = g_strconcat ("TEST_CHILD=", data, NULL);
  f->env[1] = g_strdup ("MEDIA_TREE_CLUSTER_SECRET=sixteen-and-more");
  f->config.directory = f->directory;
  f->config.env = (const char *const *)f->env;
  f->config.http_port = f->port;
  f->config.relay_port = f->port + 100;
  f->config.rtc_port = f->port + 200;
  f->config.pool_port = f->port + 2000;
  f->spec = (ScalingSpec){ .role = "relay", .tree_id = "main", .gen = 1 };
  f->provisioner = scaling_provision_process_new (&f->config, &error);
  g_assert_no_error (error);
  scaling_provisioner_set_deadline_us (f->provisioner, PATIENCE_US);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  told_list (&f->told, f->provisioner, "main");
  for (guint i = 0; i < f->told.instances->len; i++)
    {
      Told told = { 0 };
      const ScalingInstance *instance = f->told.instances->pdata[i];
      g_assert_cmpstr (told_remove (&told, f->provisioner, instance->name,
                                    "main", 0, "9:9:z:z"),
                       ==, "");
      told_clear (&told);
    }
  told_clear (&f->told);
  scaling_provisioner_free (f->provisioner);
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *file =
          g_build_filename (f->directory, i == 0 ? "lock" : "token", NULL);
      g_unlink (file);
      g_free (f->env[i]);
    }
  g_assert_cmpint (g_rmdir (f->directory), ==, 0);
  g_free (f->directory);
}

static ScalingProcessRecord *
read_record (Fixture *f, const char *name)
{
  g_autoptr (ScalingProcessFiles) files =
      scaling_process_files_new (f->directory, NULL);

  return scaling_process_files_read (files, name);
}

static char *
wait_for_call (Fixture *f, const char *name)
{
  g_autofree char *path =
      g_build_filename (f->directory, name, "state", "called", NULL);
  char *text = NULL;

  WAIT_FOR (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

static void
ensure (Fixture *f, const char *name)
{
  g_assert_cmpstr (
      told_ensure (&f->told, f->provisioner, name, &f->spec, "0:5:n:x"), ==,
      "");
}

/* --- tests --------------------------------------------------------------- */

static void
test_start (Fixture *f, gconstpointer data)
{
  static const char *const args[] = { "--log-level=debug", "--node-id=forged",
                                      NULL };
  g_autofree char *text = NULL, *expected = NULL;
  g_autoptr (ScalingProcessRecord) record = NULL, again = NULL;
  const ScalingInstance *instance;

  f->spec.args = args;
  g_setenv ("MEDIA_TREE_NODE_ID", "the-leader", TRUE);
  ensure (f, NAME);
  text = wait_for_call (f, NAME);
  expected = g_strdup_printf (
      "--log-level=debug\n--node-id=forged\n--role=relay\n--node-id=" NAME
      "\n--tree-id=main\n--workers=1\n--http-listen=127.0.0.1:%u\n"
      "--public-url=http://127.0.0.1:%u\n--cluster-address=127.0.0.1\n"
      "--relay-port=%u\n--rtc-port=%u\n--rtp-port-range=%u-%u\n"
      "--state-dir=%s/" NAME "/state\nsixteen-and-more\nnone\nsession 1\n",
      f->port + 1, f->port + 1, f->port + 101, f->port + 232, f->port + 2500,
      f->port + 2999, f->directory);
  g_assert_cmpstr (text, ==, expected);
  record = read_record (f, NAME);
  g_assert_true (record->is_alive);
  /* once more: the same one */
  ensure (f, NAME);
  again = read_record (f, NAME);
  g_assert_cmpint (again->process.pid, ==, record->process.pid);
  g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==, "");
  g_assert_cmpuint (f->told.instances->len, ==, 1);
  instance = f->told.instances->pdata[0];
  g_assert_cmpstr (instance->name, ==, NAME);
  g_assert_cmpint (instance->state, ==, SCALING_INSTANCE_RUNNING);
  g_assert_cmpstr (scaling_instance_get_label (instance, "mt.token"), ==,
                   "0:5:n:x");
  g_assert_cmpint (instance->started_wall_us, >, 0);
  told_list (&f->told, f->provisioner, "other");
  g_assert_cmpuint (f->told.instances->len, ==, 0);
  g_unsetenv ("MEDIA_TREE_NODE_ID");
}

static void
test_remove (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, NAME, NULL);
  g_autofree char *text = NULL;
  g_autoptr (ScalingProcessRecord) record = NULL;
  gboolean is_stubborn = g_str_equal (data, "stubborn");

  ensure (f, NAME);
  text = wait_for_call (f, NAME);
  record = read_record (f, NAME);
  g_assert_cmpstr (told_remove (&f->told, f->provisioner, NAME, "main",
                                is_stubborn ? 50000 : PATIENCE_US, "0:5:n:x"),
                   ==, "");
  g_assert_false (scaling_process_is_alive (&record->process));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  /* what is gone is gone */
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, NAME, "main", 0, "0:5:n:x"), ==,
      "");
  /* and may come again */
  ensure (f, NAME);
}

/* A leader is gone, before and after it could write down what it started. */
static void
test_next_leader (Fixture *f, gconstpointer data)
{
  g_autofree char *text = NULL, *path = NULL;
  g_autoptr (ScalingProcessRecord) record = NULL, found = NULL;
  g_autoptr (GError) error = NULL;

  ensure (f, NAME);
  text = wait_for_call (f, NAME);
  record = read_record (f, NAME);
  if (g_str_equal (data, "unwritten"))
    {
      path = g_build_filename (f->directory, NAME, "process", NULL);
      g_assert_cmpint (g_unlink (path), ==, 0);
    }
  scaling_provisioner_free (f->provisioner);
  g_assert_true (scaling_process_is_alive (&record->process));
  f->provisioner = scaling_provision_process_new (&f->config, &error);
  g_assert_no_error (error);
  scaling_provisioner_set_deadline_us (f->provisioner, PATIENCE_US);
  told_list (&f->told, f->provisioner, "main");
  g_assert_cmpint (told_find (&f->told, NAME)->state, ==,
                   SCALING_INSTANCE_RUNNING);
  ensure (f, NAME);
  found = read_record (f, NAME);
  g_assert_cmpint (found->process.pid, ==, record->process.pid);
  g_assert_cmpstr (told_remove (&f->told, f->provisioner, NAME, "main",
                                PATIENCE_US, "0:6:m:x"),
                   ==, "");
  g_assert_false (scaling_process_is_alive (&record->process));
}

/* The older of two leaders with a provisioner each. */
static void
test_fencing (Fixture *f, gconstpointer data)
{
  ScalingProvisioner *newer;
  g_autoptr (ScalingProcessRecord) record = NULL, after = NULL;

  ensure (f, NAME);
  newer = scaling_provision_process_new (&f->config, NULL);
  g_assert_cmpstr (told_ensure (&f->told, newer, OTHER, &f->spec, "0:6:m:x"),
                   ==, "");
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, OTHER, "main", 0, "0:5:n:x"), ==,
      "fenced");
  g_assert_cmpstr (told_ensure (&f->told, f->provisioner, "mt-main-s2-g1-r",
                                &f->spec, "0:5:n:x"),
                   ==, "fenced");
  record = read_record (f, OTHER);
  g_assert_true (record->is_alive);
  after = read_record (f, "mt-main-s2-g1-r");
  g_assert_null (after);
  scaling_provisioner_free (newer);
}

static void
test_ended (Fixture *f, gconstpointer data)
{
  ensure (f, NAME);
  do
    told_list (&f->told, f->provisioner, "main");
  while (told_find (&f->told, NAME)->state != SCALING_INSTANCE_ENDED);
  /* it is started again */
  ensure (f, NAME);
}

/* A pid that is another process today is nobody we know. */
static void
test_other_process (Fixture *f, gconstpointer data)
{
  g_autoptr (ScalingProcessFiles) files =
      scaling_process_files_new (f->directory, NULL);
  g_autoptr (ScalingProcessRecord) record = NULL;
  g_autofree char *text = NULL;
  ScalingProcess self, forged;

  ensure (f, NAME);
  text = wait_for_call (f, NAME);
  record = read_record (f, NAME);
  g_assert_true (scaling_process_read (getpid (), &self));
  forged = self;
  forged.start_ticks++;
  g_assert_true (
      scaling_process_files_write_process (files, NAME, &forged, NULL));
  told_list (&f->told, f->provisioner, "main");
  g_assert_cmpint (told_find (&f->told, NAME)->state, ==,
                   SCALING_INSTANCE_ENDED);
  g_assert_cmpint (scaling_process_open (&forged), ==, -1);
  /* this program would be ended by it */
  g_assert_true (scaling_process_files_write_process (files, NAME,
                                                      &record->process, NULL));
}

static void
test_foreign (Fixture *f, gconstpointer data)
{
  g_autofree char *path =
      g_build_filename (f->directory, NAME, "process", NULL);
  g_autofree char *boot = g_strdup (scaling_process_get_machine ());
  g_autofree char *kept = NULL, *forged = NULL;

  ensure (f, NAME);
  g_assert_true (g_file_get_contents (path, &kept, NULL, NULL));
  *strchr (boot, '/') = '\0';
  forged = g_strdup_printf ("1 1 %s/pid:[1]\n", boot);
  g_assert_true (g_file_set_contents (path, forged, -1, NULL));
  g_assert_cmpstr (
      told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:5:n:x"), ==,
      "conflict");
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, NAME, "main", 0, "0:5:n:x"), ==,
      "conflict");
  told_list (&f->told, f->provisioner, "main");
  g_assert_null (told_find (&f->told, NAME));
  g_assert_true (g_file_set_contents (path, kept, -1, NULL));
}

static void
test_conflict (Fixture *f, gconstpointer data)
{
  ScalingSpec other = f->spec;

  ensure (f, NAME);
  other.tree_id = "other";
  g_assert_cmpstr (
      told_ensure (&f->told, f->provisioner, NAME, &other, "0:5:n:x"), ==,
      "conflict");
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, NAME, "other", 0, "0:5:n:x"), ==,
      "conflict");
}

static void
test_limits (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, "lock", NULL);
  int fd;

  scaling_provisioner_free (f->provisioner);
  f->config.max_instances = 1;
  f->provisioner = scaling_provision_process_new (&f->config, NULL);
  scaling_provisioner_set_deadline_us (f->provisioner, PATIENCE_US);
  ensure (f, NAME);
  g_assert_cmpstr (
      told_ensure (&f->told, f->provisioner, OTHER, &f->spec, "0:5:n:x"), ==,
      "limit");
  ensure (f, NAME);
  fd = open (path, O_RDWR | O_CLOEXEC);
  g_assert_cmpint (flock (fd, LOCK_EX | LOCK_NB), ==, 0);
  g_assert_cmpstr (
      told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:5:n:x"), ==,
      "busy");
  close (fd);
  scaling_provisioner_free (f->provisioner);
  f->config.max_instances = 0;
  f->config.min_available_bytes = G_MAXUINT64 - 1;
  f->provisioner = scaling_provision_process_new (&f->config, NULL);
  scaling_provisioner_set_deadline_us (f->provisioner, PATIENCE_US);
  g_assert_cmpstr (
      told_ensure (&f->told, f->provisioner, OTHER, &f->spec, "0:5:n:x"), ==,
      "limit");
}

/* Somebody else has a port of the next number. */
static void
test_ports (Fixture *f, gconstpointer data)
{
  g_autoptr (GSocket) socket =
      g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM,
                    G_SOCKET_PROTOCOL_UDP, NULL);
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string ("0.0.0.0", f->port + 101);
  g_autoptr (ScalingProcessRecord) record = NULL, other = NULL;

  g_assert_true (g_socket_bind (socket, address, FALSE, NULL));
  ensure (f, NAME);
  record = read_record (f, NAME);
  g_assert_cmpuint (record->k, >=, 2);
  /* these do not bind anything, their numbers are taken all the same */
  ensure (f, OTHER);
  other = read_record (f, OTHER);
  g_assert_cmpuint (other->k, >, record->k);
}

static void
test_no_program (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, NAME, NULL);

  scaling_provisioner_free (f->provisioner);
  f->config.binary = "/nonexistent/media-tree";
  f->provisioner = scaling_provision_process_new (&f->config, NULL);
  scaling_provisioner_set_deadline_us (f->provisioner, PATIENCE_US);
  g_assert_cmpstr (
      told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:5:n:x"), ==,
      "refused");
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

/* Whose process a broken file spoke of cannot be known. */
static void
test_broken_files (Fixture *f, gconstpointer data)
{
  g_autofree char *path =
      g_build_filename (f->directory, NAME, "instance", NULL);
  g_autofree char *kept = NULL, *called = NULL;

  ensure (f, NAME);
  called = wait_for_call (f, NAME);
  g_assert_true (g_file_get_contents (path, &kept, NULL, NULL));
  g_assert_true (g_file_set_contents (path, "[instance\nk=9\n", -1, NULL));
  g_assert_cmpstr (
      told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:5:n:x"), ==,
      "conflict");
  g_assert_true (g_file_set_contents (path, kept, -1, NULL));
}

static void
test_directory (void)
{
  g_autofree char *path = g_dir_make_tmp ("mt-processes-XXXXXX", NULL);
  ScalingProcessConfig config = { .directory = path };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_chmod (path, 0777), ==, 0);
  g_assert_null (scaling_provision_process_new (&config, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_PERM);
  g_clear_error (&error);
  config.directory = "/dev/null/x";
  g_assert_null (scaling_provision_process_new (&config, &error));
  g_assert_nonnull (error);
  g_rmdir (path);
}

#define ADD(name, function, child)                                             \
  g_test_add (name, Fixture, child, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  if (g_getenv ("TEST_CHILD") != NULL)
    return child_main (argc, argv);
  g_test_init (&argc, &argv, NULL);
  ADD ("/start", test_start, "polite");
  ADD ("/remove/polite", test_remove, "polite");
  ADD ("/remove/stubborn", test_remove, "stubborn");
  ADD ("/next-leader/written", test_next_leader, "polite");
  ADD ("/next-leader/unwritten", test_next_leader, "unwritten");
  ADD ("/fencing", test_fencing, "polite");
  ADD ("/ended", test_ended, "ends");
  ADD ("/other-process", test_other_process, "polite");
  ADD ("/foreign", test_foreign, "polite");
  ADD ("/conflict", test_conflict, "polite");
  ADD ("/limits", test_limits, "polite");
  ADD ("/ports", test_ports, "polite");
  ADD ("/no-program", test_no_program, "polite");
  ADD ("/broken-files", test_broken_files, "polite");
  g_test_add_func ("/directory", test_directory);
  return g_test_run ();
}
