/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provision-settings: what a node does with --provisioner, without the node.
 * Thread: main.
 */
#pragma once

#include "node/provision.h"
#include "node/settings.h"

/* of all nodes: secrets and plain ones, each to be found in a text */
#define SETTINGS_SECRET "cluster-secret-of-all"
#define SETTINGS_ADMIN "admin-token-of-all"
#define SETTINGS_REDIS "redis://:redis-password@store:6379"

typedef struct
{
  BaseSettings *settings;
  NodeParts parts;
  ScalingProvisioner *provisioner; /* nullable */
} Made;

static inline void
made_clear (Made *made)
{
  g_clear_pointer (&made->provisioner, scaling_provisioner_free);
  g_clear_pointer (&made->parts.options, node_options_free);
  g_clear_pointer (&made->settings, base_settings_free);
}

/* made_load: @args: split at spaces
 * Returns: FALSE with @error of node_provision_new */
static inline gboolean
made_load (Made *made, const char *args, GError **error)
{
  static const char *const env[] = {
    "MEDIA_TREE_REDIS_URL=" SETTINGS_REDIS,
    "MEDIA_TREE_CLUSTER_SECRET=" SETTINGS_SECRET,
    "MEDIA_TREE_ADMIN_TOKEN=" SETTINGS_ADMIN,
    "MEDIA_TREE_MAX_VIEWERS=1234",
    "MEDIA_TREE_PUBLIC_ADDRESS=192.0.2.1",
    "MEDIA_TREE_NODE_EXPORTER_PORT=0",
    NULL,
  };
  g_auto (GStrv) argv = g_strsplit (args, " ", -1);
  g_autoptr (GError) why = NULL;

  made_clear (made);
  made->settings = node_settings_new ();
  base_settings_load (made->settings, argv, (char **)env, &why);
  g_assert_no_error (why);
  made->parts.settings = made->settings;
  made->parts.options = node_options_new (made->settings, &why);
  g_assert_no_error (why);
  return node_provision_new (&made->parts, &made->provisioner, error);
}

static inline void
made_load_good (Made *made, const char *args)
{
  g_autoptr (GError) error = NULL;

  made_load (made, args, &error);
  g_assert_no_error (error);
  g_assert_nonnull (made->provisioner);
  scaling_provisioner_set_deadline_us (made->provisioner, 60 * G_USEC_PER_SEC);
}

/* A kubeconfig of @url in @directory; (transfer full): its path */
static inline char *
made_write_kubeconfig (const char *directory, const char *url,
                       const char *token)
{
  g_autofree char *text = g_strdup_printf (
      "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
      "contexts:\n- name: here\n  context: {cluster: c, user: u, "
      "namespace: live}\n"
      "clusters:\n- name: c\n  cluster:\n    server: %s\n"
      "users:\n- name: u\n  user:\n    token: %s\n",
      url, token);
  char *path = g_build_filename (directory, "config", NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}
