/* SPDX-License-Identifier: Apache-2.0 */
/* node/cgroup: see the header. */
#include "node/cgroup.h"

#include <string.h>
#include <unistd.h>

#define GROUPS "/proc/self/cgroup"
#define ROOT "/sys/fs/cgroup"
/* v1 says "no limit" with a number near 2^63, rounded down to pages */
#define NO_LIMIT_BYTES (G_GUINT64_CONSTANT (1) << 60)

typedef struct
{
  const char *limit, *used, *events; /* files */
} Names;

static const Names names_v2 = { "memory.max", "memory.current",
                                "memory.events" };
static const Names names_v1 = { "memory.limit_in_bytes",
                                "memory.usage_in_bytes", "memory.oom_control" };

/* read_number: 0: no such file, or no number ("max") */
static guint64
read_number (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *text = NULL;
  guint64 value = 0;

  if (!g_file_get_contents (path, &text, NULL, NULL)
      || !g_ascii_string_to_unsigned (g_strchomp (text), 10, 0, G_MAXUINT64,
                                      &value, NULL))
    return 0;
  return value;
}

/* read_kills: of a file with "key value" lines */
static guint64
read_kills (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (g_str_has_prefix (lines[i], "oom_kill "))
      return g_ascii_strtoull (lines[i] + strlen ("oom_kill "), NULL, 10);
  return 0;
}

/* find_group: of the lines "number:controllers:path".
 * Returns: (transfer full) (nullable): its folder below @root; a path that is
 * not there (of another namespace) is @root's own */
static char *
find_group (const char *groups, const char *root, const Names **ret_names)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  char *found = NULL;

  if (!g_file_get_contents (groups, &text, NULL, NULL))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], ":", 3);
      g_auto (GStrv) controllers = NULL;
      gboolean is_v1;

      if (g_strv_length (fields) != 3)
        continue;
      controllers = g_strsplit (fields[1], ",", -1);
      is_v1 = g_strv_contains ((const char *const *)controllers, "memory");
      if (!is_v1 && fields[1][0] != '\0')
        continue;
      if (found && !is_v1) /* mixed: v1 has the memory */
        continue;
      g_free (found);
      found = g_build_filename (root, is_v1 ? "memory" : "", fields[2], NULL);
      *ret_names = is_v1 ? &names_v1 : &names_v2;
    }
  return found;
}

void
node_cgroup_read (const char *groups, const char *root, NodeCgroup *ret)
{
  const Names *names = NULL;
  g_autofree char *group = find_group (groups, root, &names);
  g_autofree char *top = NULL;

  memset (ret, 0, sizeof *ret);
  if (!group)
    return;
  top = g_build_filename (root, names == &names_v1 ? "memory" : "", NULL);
  if (g_str_has_suffix (top, "/"))
    top[strlen (top) - 1] = '\0';
  if (!g_file_test (group, G_FILE_TEST_IS_DIR))
    {
      g_free (group);
      group = g_strdup (top);
    }
  ret->used_bytes = read_number (group, names->used);
  ret->n_oom_kills = read_kills (group, names->events);
  while (strlen (group) >= strlen (top))
    {
      guint64 limit_bytes = read_number (group, names->limit);
      char *slash = strrchr (group, '/');

      if (limit_bytes > 0 && limit_bytes < NO_LIMIT_BYTES
          && (ret->limit_bytes == 0 || limit_bytes < ret->limit_bytes))
        ret->limit_bytes = limit_bytes;
      if (!slash)
        return;
      *slash = '\0';
    }
}

guint64
node_cgroup_get_limit_bytes (void)
{
  guint64 machine_bytes =
      (guint64)sysconf (_SC_PHYS_PAGES) * (guint64)sysconf (_SC_PAGESIZE);
  NodeCgroup group;

  node_cgroup_read (GROUPS, ROOT, &group);
  return group.limit_bytes > 0 ? MIN (group.limit_bytes, machine_bytes)
                               : machine_bytes;
}

guint64
node_cgroup_get_n_oom_kills (void)
{
  NodeCgroup group;

  node_cgroup_read (GROUPS, ROOT, &group);
  return group.n_oom_kills;
}
