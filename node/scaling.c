/* SPDX-License-Identifier: Apache-2.0 */
/* NodeScaling: see scaling.h. */
#include "node/scaling.h"

#include <string.h>

#include "node/cluster.h"
#include "node/log.h"
#include "node/provision.h"
#include "node/settings-scaling.h"
#include "node/slot.h"
#include "scaling/subtrees-lines.h"

#define LEAVE_MS 500
#define NONCE_CHARS 16

struct _NodeScaling
{
  const NodeParts *parts;          /* borrowed */
  ClusterLedger *ledger;           /* owned, nullable */
  ScalingNotifier *notifier;       /* owned, nullable */
  ScalingController *controller;   /* owned */
  ScalingProvisioner *provisioner; /* owned, nullable */
  ScalingSubtreesLines *lines;     /* owned, nullable: with it */
  ScalingSubtreesDriver *subtrees; /* owned, nullable: with it */
  NodeSlot *slot;                  /* owned, nullable: of no subtree */
  char nonce[NONCE_CHARS + 1];
};

static gboolean
leads (const NodeOptions *options)
{
  return (options->roles
          & (NODE_ROLE_INJECTION | NODE_ROLE_RELAY | NODE_ROLE_EGRESS))
         != 0;
}

static void
on_leader_changed (gboolean is_leader, gpointer data)
{
  NodeScaling *self = data;

  scaling_controller_leader_changed (self->controller, is_leader);
}

static gboolean
open_ledger (NodeScaling *self, GError **error)
{
  const NodeParts *parts = self->parts;
  ClusterLedgerConfig config = {
    .redis_url = base_settings_get_string (parts->settings, "redis-url"),
    .prefix = base_settings_get_string (parts->settings, "redis-prefix"),
    .tree_id = base_settings_get_string (parts->settings, "tree-id"),
    .node_id = parts->options->node_id,
    .nonce = self->nonce,
    .is_candidate = leads (parts->options)
                    && base_settings_get_bool (parts->settings, "lead"),
    .metrics = parts->metrics,
    .on_leader_changed = on_leader_changed,
    .data = self,
  };

  self->ledger = cluster_ledger_new (&config, error);
  if (self->ledger)
    return TRUE;
  g_prefix_error (error, "redis-url: ");
  return FALSE;
}

/* get_available_bytes: as the kernel guesses it (proc(5)); -1: it does not say
 */
static gint64
get_available_bytes (void)
{
  static const char name[] = "\nMemAvailable:";
  g_autofree char *text = NULL;
  const char *at;

  if (!g_file_get_contents ("/proc/meminfo", &text, NULL, NULL))
    return -1;
  at = strstr (text, name);
  return at ? g_ascii_strtoll (at + strlen (name), NULL, 10) * 1024 : -1;
}

static gboolean
make_controller (NodeScaling *self, GError **error)
{
  ScalingControllerConfig config = { .ledger = self->ledger,
                                     .get_available_bytes = get_available_bytes,
                                     .metrics = self->parts->metrics };

  if (!node_settings_make_notifier (
          self->parts->settings, self->parts->options->node_id,
          self->parts->metrics, &self->notifier, error))
    return FALSE;
  config.notifier = self->notifier;
  if (!node_settings_read_scaling (self->parts->settings, &config, error))
    return FALSE;
  self->controller = scaling_controller_new (&config);
  return TRUE;
}

static gboolean
make_subtrees (NodeScaling *self, GError **error)
{
  const NodeParts *parts = self->parts;
  ScalingSubtreesDriverConfig config = {
    .wire = scaling_subtrees_lines_wire,
    .metrics = parts->metrics,
    .on_served = scaling_controller_on_served,
    .data = self->controller,
  };

  if (!node_provision_new (parts, &self->provisioner, error))
    return FALSE;
  if (!self->provisioner)
    {
      const char *kind =
          base_settings_get_string (parts->settings, "provisioner");

      /* without a Redis: so that the status says whom it is for */
      if (!g_str_equal (kind, "none"))
        scaling_controller_set_provisioner (self->controller, kind);
      return TRUE;
    }
  self->lines = scaling_subtrees_lines_new (
      self->ledger, base_settings_get_string (parts->settings, "admin-token"));
  config.wire_data = self->lines;
  config.provisioner = self->provisioner;
  self->subtrees = scaling_subtrees_driver_new (&config);
  scaling_controller_set_provisioner (
      self->controller, scaling_provisioner_get_kind (self->provisioner));
  scaling_controller_set_subtrees (self->controller, self->subtrees);
  return TRUE;
}

NodeScaling *
node_scaling_new (const NodeParts *parts, void (*on_unwanted) (gpointer data),
                  gpointer data, GError **error)
{
  NodeScaling *self = g_new0 (NodeScaling, 1);

  self->parts = parts;
  g_snprintf (self->nonce, sizeof self->nonce, "%08x%08x", g_random_int (),
              g_random_int ());
  if ((!parts->options->has_cluster || open_ledger (self, error))
      && make_controller (self, error) && make_subtrees (self, error))
    {
      if (self->ledger)
        self->slot = node_slot_new (parts, self->ledger, on_unwanted, data);
      return self;
    }
  node_scaling_free (self);
  return NULL;
}

void
node_scaling_hear (NodeScaling *self, ClusterHint hint)
{
  if (self->ledger && hint == CLUSTER_HINT_LEASE)
    cluster_ledger_hear (self->ledger);
}

static void
on_resigned (const GError *error, gpointer data)
{
  gboolean *is_over = data;

  *is_over = TRUE;
}

static gboolean
on_late (gpointer data)
{
  gboolean *is_over = data;

  *is_over = TRUE;
  return G_SOURCE_CONTINUE;
}

void
node_scaling_leave (NodeScaling *self)
{
  gboolean is_over = FALSE;
  guint late_id;

  if (!self->ledger)
    return;
  late_id = g_timeout_add (LEAVE_MS, on_late, &is_over);
  cluster_ledger_resign (self->ledger, on_resigned, &is_over);
  while (!is_over)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (late_id);
}

void
node_scaling_free (NodeScaling *self)
{
  g_return_if_fail (self);
  /* first what may still answer */
  g_clear_pointer (&self->ledger, cluster_ledger_free);
  g_clear_pointer (&self->provisioner, scaling_provisioner_free);
  g_clear_pointer (&self->lines, scaling_subtrees_lines_free);
  g_clear_pointer (&self->slot, node_slot_free);
  g_clear_pointer (&self->subtrees, scaling_subtrees_driver_free);
  g_clear_pointer (&self->controller, scaling_controller_free);
  g_clear_pointer (&self->notifier, scaling_notifier_free);
  g_free (self);
}

gboolean
node_scaling_is_warm (NodeScaling *self)
{
  return self && node_slot_is_warm (self->slot);
}

ClusterLedger *
node_scaling_get_ledger (NodeScaling *self)
{
  return self->ledger;
}

static JsonNode *
describe_lease (NodeScaling *self)
{
  g_autofree char *text =
      self->ledger ? cluster_ledger_describe (self->ledger) : NULL;
  JsonNode *node = text ? json_from_string (text, NULL) : NULL;

  return node ? node : json_node_new (JSON_NODE_NULL);
}

JsonNode *
node_scaling_describe (NodeScaling *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "lease");
  json_builder_add_value (json, describe_lease (self));
  json_builder_set_member_name (json, "controller");
  json_builder_add_value (json, scaling_controller_describe (self->controller));
  json_builder_set_member_name (json, "subtrees");
  json_builder_add_value (
      json, self->subtrees ? scaling_subtrees_driver_describe (self->subtrees)
                           : json_node_new (JSON_NODE_NULL));
  json_builder_set_member_name (json, "slot");
  json_builder_add_value (json, node_slot_describe (self->slot));
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

ScalingNotifier *
node_scaling_get_notifier (NodeScaling *self)
{
  return self->notifier;
}

ScalingController *
node_scaling_get_controller (NodeScaling *self)
{
  return self->controller;
}
