/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/mtctl: head and foot around mtctl.lua, -scaling and -steer. */
#include "cluster/mtctl.h"

#include <gio/gio.h>

#include "cluster-resources.h"

#define PATH "/media-tree/cluster/mtctl.lua"
#define SCALING_PATH "/media-tree/cluster/mtctl-scaling.lua"
#define STEER_PATH "/media-tree/cluster/mtctl-steer.lua"

/* While it is loaded a library has no pairs(). Those that only read may run
 * where writing is refused for want of memory. */
static const char library_foot[] =
    "local function add (name, flags)\n"
    "  local func = M[name]\n"
    "  redis.register_function{ function_name = name, flags = flags,\n"
    "    callback = function(keys, args) return func(args) end }\n"
    "end\n"
    "add('mt_version', { 'no-writes' })\n"
    "add('mt_peers', { 'no-writes' })\n"
    "add('mt_streams', { 'no-writes' })\n"
    "add('mt_mounts', { 'no-writes' })\n"
    "add('mt_scaling', { 'no-writes' })\n"
    "add('mt_trees', { 'no-writes' })\n"
    "add('mt_beats', { 'no-writes' })\n"
    "add('mt_history', { 'no-writes' })\n"
    "add('mt_slots', { 'no-writes' })\n"
    "add('mt_learned', { 'no-writes' })\n"
    "add('mt_steering', { 'no-writes' })\n"
    "add('mt_beat', {})\n"
    "add('mt_leave', {})\n"
    "add('mt_place', {})\n"
    "add('mt_claim', {})\n"
    "add('mt_end', {})\n"
    "add('mt_mount', {})\n"
    "add('mt_unmount', {})\n"
    "add('mt_acquire', {})\n"
    "add('mt_renew', {})\n"
    "add('mt_resign', {})\n"
    "add('mt_desire', {})\n"
    "add('mt_policy', {})\n"
    "add('mt_audit', {})\n"
    "add('mt_slot', {})\n"
    "add('mt_join', {})\n"
    "add('mt_learn', {})\n"
    "add('mt_enable', {})\n"
    "add('mt_tell', {})\n"
    "add('mt_outcome', {})\n"
    "add('mt_propose', {})\n"
    "add('mt_answer', {})\n"
    "add('mt_set', {})\n"
    "add('mt_rollback', {})\n";

static const char script_foot[] =
    "local rest = {}\n"
    "for i = 2, #ARGV do rest[i - 1] = ARGV[i] end\n"
    "return M[ARGV[1]](rest)\n";

static void
append (GString *text, const char *path)
{
  g_autoptr (GBytes) bytes = g_resource_lookup_data (
      cluster_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  gsize n_bytes;
  const char *source = g_bytes_get_data (bytes, &n_bytes);

  g_string_append_len (text, source, (gssize)n_bytes);
}

static char *
wrap (const char *head, const char *foot)
{
  GString *text = g_string_new (head);

  append (text, PATH);
  append (text, SCALING_PATH);
  append (text, STEER_PATH);
  g_string_append (text, foot);
  return g_string_free (text, FALSE);
}

char *
cluster_mtctl_library (void)
{
  return wrap ("#!lua name=mtctl\n", library_foot);
}

char *
cluster_mtctl_script (void)
{
  return wrap ("", script_foot);
}
