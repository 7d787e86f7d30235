/* SPDX-License-Identifier: Apache-2.0 */
/* node/cgroup: groups of both versions, as files in a folder of ours. */
#include "node/cgroup.h"

#include <glib/gstdio.h>

typedef struct
{
  char *root, *groups; /* owned */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->root = g_dir_make_tmp ("cgroup-XXXXXX", NULL);
  g_assert_nonnull (f->root);
  f->groups = g_build_filename (f->root, "groups", NULL);
}

static void
remove_all (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree char *below = g_build_filename (path, name, NULL);

      remove_all (below);
    }
  g_remove (path);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  remove_all (f->root);
  g_free (f->root);
  g_free (f->groups);
}

static void
put (Fixture *f, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->root, name, NULL);
  g_autofree char *directory = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static NodeCgroup
read_groups (Fixture *f, const char *groups)
{
  NodeCgroup ret;

  put (f, "groups", groups);
  node_cgroup_read (f->groups, f->root, &ret);
  return ret;
}

static void
test_v2 (Fixture *f, gconstpointer data)
{
  NodeCgroup group;

  put (f, "a/b/memory.max", "max\n");
  put (f, "a/b/memory.current", "4096\n");
  put (f, "a/b/memory.events", "low 0\nhigh 2\noom 5\noom_kill 3\n");
  put (f, "a/memory.max", "1000000\n");
  group = read_groups (f, "0::/a/b\n");
  g_assert_cmpuint (group.limit_bytes, ==, 1000000);
  g_assert_cmpuint (group.used_bytes, ==, 4096);
  g_assert_cmpuint (group.n_oom_kills, ==, 3);
  put (f, "a/b/memory.max", "500000\n");
  g_assert_cmpuint (read_groups (f, "0::/a/b\n").limit_bytes, ==, 500000);
  put (f, "memory.max", "400000\n");
  g_assert_cmpuint (read_groups (f, "0::/a/b\n").limit_bytes, ==, 400000);
}

/* a container sees its own group as the root, whatever its path says */
static void
test_other_namespace (Fixture *f, gconstpointer data)
{
  put (f, "memory.max", "300000\n");
  put (f, "memory.events", "oom_kill 1\n");
  g_assert_cmpuint (read_groups (f, "0::/\n").limit_bytes, ==, 300000);
  g_assert_cmpuint (read_groups (f, "0::/../gone\n").limit_bytes, ==, 300000);
  g_assert_cmpuint (read_groups (f, "0::/x/y\n").n_oom_kills, ==, 1);
}

static void
test_v1 (Fixture *f, gconstpointer data)
{
  NodeCgroup group;

  put (f, "memory/m/memory.limit_in_bytes", "700000\n");
  put (f, "memory/m/memory.usage_in_bytes", "600000\n");
  put (f, "memory/m/memory.oom_control",
       "oom_kill_disable 0\nunder_oom 0\noom_kill 9\n");
  put (f, "memory/memory.limit_in_bytes", "9223372036854771712\n");
  group = read_groups (f, "9:name=systemd:/\n4:cpu,memory:/m\n0::/\n");
  g_assert_cmpuint (group.limit_bytes, ==, 700000);
  g_assert_cmpuint (group.used_bytes, ==, 600000);
  g_assert_cmpuint (group.n_oom_kills, ==, 9);
  group = read_groups (f, "4:memory:/\n0::/\n");
  g_assert_cmpuint (group.limit_bytes, ==, 0);
}

static void
test_nonsense (Fixture *f, gconstpointer data)
{
  static const char *const texts[] = {
    "", "x", "::", "0::", "1:memory", "0::/a\n0::/b\n:\n\n"
  };
  NodeCgroup group;

  put (f, "a/memory.max", "-5\n");
  put (f, "b/memory.max", "many\n");
  put (f, "b/memory.events", "oom_kill\noom_kill x\n");
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      group = read_groups (f, texts[i]);
      g_assert_cmpuint (group.limit_bytes, ==, 0);
      g_assert_cmpuint (group.n_oom_kills, ==, 0);
    }
  node_cgroup_read ("/nonexistent", f->root, &group);
  g_assert_cmpuint (group.limit_bytes, ==, 0);
}

static void
test_own (Fixture *f, gconstpointer data)
{
  g_assert_cmpuint (node_cgroup_get_limit_bytes (), >, 1 << 20);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, test)                                                        \
  g_test_add ("/node/cgroup/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("v2", test_v2);
  ADD ("other-namespace", test_other_namespace);
  ADD ("v1", test_v1);
  ADD ("nonsense", test_nonsense);
  ADD ("own", test_own);
  return g_test_run ();
}
